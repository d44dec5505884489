package awssim

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"maps"
	"slices"
	"sync"
	"time"

	"github.com/cronbearer/cronbearer/internal/dev/awssim/alarm"
	"github.com/cronbearer/cronbearer/internal/dev/awssim/iam"
	"github.com/cronbearer/cronbearer/internal/dev/awssim/lambda"
	"github.com/cronbearer/cronbearer/internal/dev/awssim/secretsmanager"
)

// functions are the Lambda functions of the account: their environments, their asynchronous queues, and what Lambda
// counts of both. Safe for concurrent use.
type functions struct {
	account  *account
	timeline *timeline
	journal  *journal
	hosts    *hosts
	samples  *alarm.Samples

	mu    sync.Mutex
	byARN map[string]*function
}

// function is one of the template's.
type function struct {
	*lambda.Function

	id    string // logical
	role  string // ARN
	logs  string // ARN of its log streams, as permissions name them
	async *lambda.Async
}

func newFunctions(a *account, t *timeline, j *journal, h *hosts, samples *alarm.Samples) *functions {
	return &functions{account: a, timeline: t, journal: j, hosts: h, samples: samples, byARN: map[string]*function{}}
}

// add adds a function, by its logical id, that runs with a role and logs into a group. The config's name, binary,
// environment and limits are the caller's; what comes from this account is filled in.
func (f *functions) add(id, role, logGroup string, config lambda.Config) {
	config.ARN = f.account.arn("lambda", "function:"+config.Name)
	config.Now, config.NewID, config.Before = f.timeline.Now, f.account.newID, f.timeline.clock.publish
	one := &function{
		id: id, role: role, logs: f.account.arn("logs", "log-group:"+logGroup+":log-stream:local"),
		Function: lambda.NewFunction(config),
	}
	metric := alarm.Metric{
		Namespace: "AWS/Lambda", Dimensions: []alarm.Dimension{{Name: "FunctionName", Value: config.Name}},
	}
	one.async = &lambda.Async{
		Function: one.Function,
		At:       f.timeline.At,
		Count: func(name string, value float64) {
			m := metric
			m.Name = name
			f.samples.Put(m, f.timeline.Now(), alarm.Value(value))
		},
		Ran:        func(i lambda.Invocation) { f.ran(one, i) },
		Broken:     f.journal.broke,
		MaxRetries: 2, // Lambda's default
	}
	f.mu.Lock()
	defer f.mu.Unlock()
	f.byARN[config.ARN] = one
}

// find returns a function by its ARN; nil if there is none.
func (f *functions) find(arn string) *function {
	f.mu.Lock()
	defer f.mu.Unlock()
	return f.byARN[arn]
}

// all returns the functions in the order of their ARNs.
func (f *functions) all() []*function {
	f.mu.Lock()
	defer f.mu.Unlock()
	var list []*function
	for _, arn := range slices.Sorted(maps.Keys(f.byARN)) {
		list = append(list, f.byARN[arn])
	}
	return list
}

func (f *functions) byID(logicalID string) (*function, error) {
	for _, one := range f.all() {
		if one.id == logicalID {
			return one, nil
		}
	}
	return nil, fmt.Errorf("invoke %s: the template has no such function", logicalID)
}

// Function returns a function of the template by its logical id, for what Lambda does to it; nil if there is none.
func (f *functions) Function(logicalID string) *lambda.Function {
	one, err := f.byID(logicalID)
	if err != nil {
		return nil
	}
	return one.Function
}

// ExhaustConcurrency lets other functions of the account take all of its concurrency, or give it back: each function of
// the template is throttled meanwhile.
func (f *functions) ExhaustConcurrency(exhausted bool) {
	for _, one := range f.all() {
		one.ExhaustConcurrency(exhausted)
	}
}

// Invoke runs a function of the template once and waits, as "sam remote invoke" does: no queue, no retry, no failure
// destination. Hosts in the event become those of this machine.
func (f *functions) Invoke(ctx context.Context, logicalID string, event []byte) (Run, error) {
	one, err := f.byID(logicalID)
	if err != nil {
		return Run{}, err
	}
	return f.wait(ctx, one, []byte(f.hosts.Local(string(event))))
}

// InvokeAsync passes an event to a function as EventBridge Scheduler does: with retries and the failure destination.
// The first attempt is complete when it returns; Run performs the others.
func (f *functions) InvokeAsync(ctx context.Context, logicalID string, event []byte) error {
	one, err := f.byID(logicalID)
	if err != nil {
		return err
	}
	if err := f.accept(ctx, one.ARN(), string(event)); err != nil {
		return fmt.Errorf("invoke %s: %w", logicalID, err)
	}
	return f.journal.takeBroken()
}

// exists reports whether there is a function with an ARN.
func (f *functions) exists(arn string) bool { return f.find(arn) != nil }

// accept is an invocation of type Event.
func (f *functions) accept(ctx context.Context, arn, event string) error {
	return f.find(arn).async.Accept(ctx, []byte(f.hosts.Local(event)))
}

// ran records an invocation. Lambda writes the logs with the function's role; without the permissions they are lost.
func (f *functions) ran(one *function, i lambda.Invocation) Run {
	create := f.account.allows(one.role, "logs:CreateLogStream", one.logs, nil)
	if put := f.account.allows(one.role, "logs:PutLogEvents", one.logs, nil); !create || !put {
		i.Stdout, i.Stderr = nil, nil
	}
	return f.journal.ran(one.id, i)
}

// rotate is a secretsmanager.Rotate: it runs one step of a rotation by the function that the secret names.
func (f *functions) rotate(ctx context.Context, lambdaARN string, event secretsmanager.RotationEvent) error {
	one := f.find(lambdaARN)
	if one == nil {
		return fmt.Errorf("rotation: function %s does not exist", lambdaARN)
	}
	if f.account.asks(lambdaARN, iam.Question{
		Principal: "secretsmanager.amazonaws.com", Action: "lambda:InvokeFunction", Resource: lambdaARN,
		Context: iam.Context{"aws:sourceaccount": {f.account.ID}},
	}) != iam.Allowed {
		return fmt.Errorf("rotation: AccessDeniedException: %s does not let Secrets Manager invoke it", lambdaARN)
	}
	text, err := json.Marshal(event)
	if err != nil {
		return fmt.Errorf("rotation: %w", err)
	}
	r, err := f.wait(ctx, one, text)
	if err != nil {
		return fmt.Errorf("rotation: %w", err)
	}
	if r.Failed {
		return fmt.Errorf("%s: %s", r.ErrorType, r.Message)
	}
	return nil
}

// wait is a synchronous invocation, which Lambda counts like any other.
func (f *functions) wait(ctx context.Context, one *function, event []byte) (Run, error) {
	i, err := one.Invoke(ctx, event)
	if errors.Is(err, lambda.ErrThrottled) {
		one.async.Count("Throttles", 1)
	}
	if err != nil {
		return Run{}, fmt.Errorf("invoke %s: %w", one.id, err)
	}
	one.async.Count("Invocations", 1)
	failed := 0.0
	if i.Failed {
		failed = 1
	}
	one.async.Count("Errors", failed)
	return f.ran(one, i), nil
}

// onFailure sets what becomes of events that fail.
func (one *function) onFailure(retries int, maxAge time.Duration, destination func(record string) error) {
	one.async.MaxRetries, one.async.MaxAge, one.async.OnFailure = retries, maxAge, destination
}

// reap closes the environments that had no work for too long.
func (f *functions) reap() {
	for _, one := range f.all() {
		one.Reap()
	}
}

func (f *functions) close() {
	for _, one := range f.all() {
		one.Close()
	}
}
