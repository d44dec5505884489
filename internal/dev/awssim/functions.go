package awssim

import (
	"context"
	"crypto/sha256"
	"encoding/hex"
	"encoding/json"
	"errors"
	"fmt"
	"maps"
	"slices"
	"strconv"
	"strings"
	"time"

	"github.com/cronbearer/cronbearer/internal/dev/awssim/alarm"
	"github.com/cronbearer/cronbearer/internal/dev/awssim/api"
	"github.com/cronbearer/cronbearer/internal/dev/awssim/lambda"
	"github.com/cronbearer/cronbearer/internal/dev/awssim/secretsmanager"
	"github.com/cronbearer/cronbearer/internal/dev/cfn"
)

// function is one of the template's.
type function struct {
	*lambda.Function

	id    string // logical
	role  string // ARN
	async *lambda.Async
}

// Run is one run of a function.
type Run struct {
	lambda.Invocation

	Function string // logical id
	Result   Result // of the caller's runs
}

// Result is what the caller's line says of a run.
type Result struct {
	Job, Token, Outcome, Verdict, RecoveredWith, TokenVersion string
	Status, Attempts, Rejections                              int
	RunID, RequestID                                          string
	TokenExpiresAt                                            *time.Time
}

// newRun reads the run's line, the same on success and on failure.
func newRun(id string, i lambda.Invocation) Run {
	r := Run{Invocation: i, Function: id}
	for _, line := range i.Lines() {
		if line["message"] != "run" {
			continue
		}
		if text, err := json.Marshal(line["result"]); err == nil {
			_ = json.Unmarshal(text, &r.Result) // a line of another shape leaves it empty, which no test takes for a result
		}
	}
	return r
}

func (c *Cloud) addFunction(s *cfn.Stack, r cfn.Resource) error {
	p := r.Properties
	name := s.Ref(r.LogicalID)
	role := fmt.Sprint(p["Role"])
	if _, ok := c.roles[role]; !ok {
		return fmt.Errorf("its role %s is none of the stack's", role)
	}
	key := "FAKEKEYOF" + strings.ToUpper(r.LogicalID)
	c.holders[key] = role
	timeout, _ := cfn.Number(p["Timeout"])
	deadline := time.Duration(timeout) * time.Second
	if limit := c.options.Deadline; limit > 0 && (deadline == 0 || limit < deadline) {
		deadline = limit
	}
	limit := c.options.MaxConcurrency
	if reserved, ok := cfn.Number(p["ReservedConcurrentExecutions"]); ok && (limit == 0 || int(reserved) < limit) {
		limit = int(reserved)
	}
	count := func(metric string, value float64) {
		c.Samples.Put(alarm.Metric{Namespace: "AWS/Lambda", Name: metric, Dimensions: []alarm.Dimension{{Name: "FunctionName", Value: name}}}, c.Now(), alarm.Value(value))
	}
	f := &function{id: r.LogicalID, role: role, Function: lambda.NewFunction(lambda.Config{
		Name: name, ARN: c.arn("lambda", "function:"+name), Binary: c.options.Binaries[r.LogicalID],
		Environment: c.environment(r, name, key), Timeout: deadline, Dir: c.dir,
		Now: c.Now, NewID: c.newID, Before: c.clock.publish, MaxConcurrency: limit, IdleLife: c.options.IdleLife,
	})}
	f.async = &lambda.Async{
		Function:   f.Function,
		At:         c.timeline.add,
		Count:      count,
		Ran:        func(i lambda.Invocation) { c.ran(f.id, i) },
		Broken:     c.breaks,
		MaxRetries: 2, // Lambda's default
	}
	c.functions[f.ARN()] = f
	return nil
}

func (c *Cloud) ran(id string, i lambda.Invocation) {
	r := newRun(id, i)
	c.observe(Event{At: i.At, Run: &r})
}

// addEventInvokeConfig sets what becomes of events that fail.
func (c *Cloud) addEventInvokeConfig(_ *cfn.Stack, r cfn.Resource) error {
	config := r.Properties
	f := c.functions[c.arn("lambda", "function:"+fmt.Sprint(config["FunctionName"]))]
	if f == nil || config["Qualifier"] != "$LATEST" {
		return fmt.Errorf("its function %v with qualifier %v is none of the stack's", config["FunctionName"], config["Qualifier"])
	}
	retries, _ := cfn.Number(config["MaximumRetryAttempts"])
	age, _ := cfn.Number(config["MaximumEventAgeInSeconds"])
	f.async.MaxRetries, f.async.MaxAge = int(retries), time.Duration(age)*time.Second
	destinations, _ := config["DestinationConfig"].(map[string]any)
	failure, ok := destinations["OnFailure"].(map[string]any)
	if !ok {
		return nil
	}
	arn := fmt.Sprint(failure["Destination"])
	if c.queues[arn] == nil {
		return fmt.Errorf("its OnFailure destination %s is no queue of the stack", arn)
	}
	f.async.OnFailure = func(record string) error {
		if !c.roles[f.role].Allows("sqs:SendMessage", arn, nil) {
			return errors.New("AccessDenied: the function's role may not send to its destination")
		}
		return c.queues[arn].Send(record, nil)
	}
	return nil
}

// environment is what Lambda gives a process (Lambda Developer Guide, "Defined runtime environment variables"), the
// template's variables, and the few that make a function follow this machine's names and clock. Lambda's
// AWS_LAMBDA_INITIALIZATION_TYPE is left out: where it is set, the functions ignore those few.
func (c *Cloud) environment(r cfn.Resource, name, key string) []string {
	p := r.Properties
	memory, _ := cfn.Number(p["MemorySize"])
	if memory == 0 {
		memory = 128
	}
	all := map[string]string{
		"AWS_REGION": c.account.Region, "AWS_DEFAULT_REGION": c.account.Region,
		"AWS_ACCESS_KEY_ID": key, "AWS_SECRET_ACCESS_KEY": "fake-secret-access-key", "AWS_SESSION_TOKEN": "fake-session-token",
		"AWS_EXECUTION_ENV": "AWS_Lambda_provided.al2023", "AWS_LAMBDA_FUNCTION_NAME": name, "AWS_LAMBDA_FUNCTION_VERSION": "$LATEST",
		"AWS_LAMBDA_FUNCTION_MEMORY_SIZE": strconv.Itoa(int(memory)), "AWS_LAMBDA_LOG_FORMAT": "JSON", "AWS_LAMBDA_LOG_LEVEL": "DEBUG",
		"AWS_LAMBDA_LOG_GROUP_NAME": "/aws/lambda/" + name, "AWS_LAMBDA_LOG_STREAM_NAME": "local",
		"_HANDLER": "bootstrap", "LAMBDA_TASK_ROOT": "/var/task", "TZ": ":UTC", "LANG": "en_US.UTF-8",

		"AWS_ENDPOINT_URL_SECRETS_MANAGER": c.endpoints.secrets, "AWS_ENDPOINT_URL_CLOUDWATCH": c.endpoints.cloudWatch,
		"AWS_ENDPOINT_URL_STS": c.endpoints.sts,
		"EXTRA_CA_FILE":        c.caFile(), "CRONBEARER_TEST_ALLOW_LOOPBACK": "1", "CRONBEARER_TEST_CLOCK": c.clock.file,
		"CRONBEARER_TEST_NO_SETTLING": "1",
	}
	declared, _ := p["Environment"].(map[string]any)
	variables, _ := declared["Variables"].(map[string]any)
	for name, value := range variables {
		all[name] = fmt.Sprint(value)
	}
	if list, ok := all["ALLOWED_HOSTS"]; ok {
		all["ALLOWED_HOSTS"] = c.localHosts(list)
	}
	maps.Copy(all, c.options.Environment)
	list := make([]string, 0, len(all))
	for _, name := range slices.Sorted(maps.Keys(all)) {
		list = append(list, name+"="+all[name])
	}
	return list
}

// newID makes request ids that are the same each time.
func (c *Cloud) newID() string {
	c.mu.Lock()
	defer c.mu.Unlock()
	c.ids++
	sum := sha256.Sum256(fmt.Appendf(nil, "%d/%d", c.options.Seed, c.ids))
	h := hex.EncodeToString(sum[:16])
	return h[:8] + "-" + h[8:12] + "-4" + h[13:16] + "-8" + h[17:20] + "-" + h[20:]
}

// authorize asks the role that an access key stands for.
func (c *Cloud) authorize(accessKey string, a api.Access) *api.Error {
	role, ok := c.holders[accessKey]
	if !ok {
		return &api.Error{Status: 403, Code: "UnrecognizedClientException", Message: "The security token included in the request is invalid."}
	}
	if !c.roles[role].Allows(a.Action, a.Resource, a.Context) {
		return api.Refuse("AccessDeniedException", "%s is not authorized to perform: %s on resource: %s because no identity-based policy allows the action", role, a.Action, a.Resource)
	}
	return nil
}

// Invoke runs a function of the template once and waits, as "sam remote invoke" does: no queue, no retry, no failure
// destination. Hosts in the event become those of this machine.
func (c *Cloud) Invoke(ctx context.Context, logicalID string, event []byte) (Run, error) {
	for _, f := range c.functions {
		if f.id == logicalID {
			return c.wait(ctx, f, []byte(c.Local(string(event))))
		}
	}
	return Run{}, fmt.Errorf("invoke %s: the template has no such function", logicalID)
}

// InvokeAsync hands a function an event as EventBridge Scheduler does: with retries and the failure destination. The
// first attempt is over when it returns; Run lets the others come.
func (c *Cloud) InvokeAsync(ctx context.Context, logicalID string, event []byte) error {
	for _, f := range c.functions {
		if f.id == logicalID {
			if err := f.async.Accept(ctx, []byte(c.Local(string(event)))); err != nil {
				return fmt.Errorf("invoke %s: %w", logicalID, err)
			}
			return c.takeBroken()
		}
	}
	return fmt.Errorf("invoke %s: the template has no such function", logicalID)
}

// rotate runs one step of a rotation by the function that it names.
func (c *Cloud) rotate(ctx context.Context, lambdaARN string, event secretsmanager.RotationEvent) error {
	f := c.functions[lambdaARN]
	if f == nil {
		return fmt.Errorf("rotation: there is no function %s", lambdaARN)
	}
	text, err := json.Marshal(event)
	if err != nil {
		return fmt.Errorf("rotation: %w", err)
	}
	r, err := c.wait(ctx, f, text)
	if err != nil {
		return fmt.Errorf("rotation: %w", err)
	}
	if r.Failed {
		return fmt.Errorf("%s: %s", r.ErrorType, r.Message)
	}
	return nil
}

// wait is a synchronous invocation, which Lambda counts like any other.
func (c *Cloud) wait(ctx context.Context, f *function, event []byte) (Run, error) {
	i, err := f.Invoke(ctx, event)
	if errors.Is(err, lambda.ErrThrottled) {
		f.async.Count("Throttles", 1)
	}
	if err != nil {
		return Run{}, fmt.Errorf("invoke %s: %w", f.id, err)
	}
	f.async.Count("Invocations", 1)
	failed := 0.0
	if i.Failed {
		failed = 1
	}
	f.async.Count("Errors", failed)
	r := newRun(f.id, i)
	c.observe(Event{At: i.At, Run: &r})
	return r, nil
}
