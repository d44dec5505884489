// Package awssim is a model of the part of AWS that Cronbearer lives in, on one machine: it reads a real template, runs
// the real binaries, and plays EventBridge Scheduler, Lambda, Secrets Manager, CloudWatch, SQS, SNS and EventBridge
// around them on a virtual clock. Each service is a package of its own and can be used alone.
//
// It is a model, not AWS. It has what this application uses and no more; it refuses what AWS refuses, as far as AWS's
// documents say; what only a live account can show, it cannot.
package awssim

import (
	"context"
	"crypto/tls"
	"errors"
	"fmt"
	"io"
	"maps"
	"net/http"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"sync"
	"time"

	"github.com/cronbearer/cronbearer/internal/dev/awssim/alarm"
	"github.com/cronbearer/cronbearer/internal/dev/awssim/cloudwatch"
	"github.com/cronbearer/cronbearer/internal/dev/awssim/iam"
	"github.com/cronbearer/cronbearer/internal/dev/awssim/lambda"
	"github.com/cronbearer/cronbearer/internal/dev/awssim/notify"
	"github.com/cronbearer/cronbearer/internal/dev/awssim/secretsmanager"
	"github.com/cronbearer/cronbearer/internal/dev/awssim/sqs"
	"github.com/cronbearer/cronbearer/internal/dev/awssim/sts"
	"github.com/cronbearer/cronbearer/internal/dev/cfn"
	"github.com/cronbearer/cronbearer/internal/dev/fault"
	"github.com/cronbearer/cronbearer/internal/dev/pki"
	"github.com/cronbearer/cronbearer/internal/dev/upstream"
)

// Start is when the virtual clock begins, unless Options say otherwise: a Monday in a month without clock changes.
var Start = time.Date(2026, time.November, 2, 8, 0, 0, 0, time.UTC)

// Options say what is deployed where.
type Options struct {
	Template   string            // path of template.yaml
	StackName  string            // cronbearer
	Region     string            // eu-west-1
	AccountID  string            // 123456789012
	Parameters map[string]string // of the template; AllowedHosts: the hosts of its jobs, AlarmEmail: you@example.com
	Binaries   map[string]string // by logical id of the function: "Caller"
	Start      time.Time         // of the virtual clock; zero: Start
	Authority  *pki.Authority    // of all servers; nil: a new one
	Seed       uint64            // of what AWS leaves to chance

	// NoStarts leaves the schedules out: only Invoke and InvokeAsync start runs.
	NoStarts bool
	// Hosts are served beside those of the template's jobs.
	Hosts []string
	// Environment is added to every function's, over what the template says.
	Environment map[string]string
	// Concurrency is how many runs that are due at one moment run at once; 0: one after the other, in the same order
	// each time.
	Concurrency int
	// Deadline bounds the real time that a function is given, so that a test need not wait for a time-out; 0: the template's.
	Deadline time.Duration
	// MaxConcurrency is Lambda's limit for each function; more are throttled. 0: none.
	MaxConcurrency int
	// IdleLife is how long an environment is kept without work, on the virtual clock; 0: for ever.
	IdleLife time.Duration
	// Light keeps no records of runs, requests and calls, for long replays: Observe is told of everything all the same.
	Light bool
	// Observe is told of everything that happens, one at a time.
	Observe func(Event)
}

// Event is something that happened; one of the fields is set.
type Event struct {
	At       time.Time
	Run      *Run
	Alarm    *notify.Change
	Mail     *notify.Mail
	Rotation *secretsmanager.Rotation
}

// Cloud is one account, with one application deployed. Its methods may be called from many goroutines, but only one
// calls Run.
type Cloud struct {
	Stack      *cfn.Stack
	Secrets    *secretsmanager.Store
	SecretsAPI *secretsmanager.Server
	CloudWatch *cloudwatch.Server
	STS        *sts.Server
	Alarms     *alarm.Monitor
	Samples    *alarm.Samples

	options   Options
	dir       string
	clock     *clock
	timeline  timeline
	authority *pki.Authority
	account   notify.Account
	nextTick  time.Time

	functions map[string]*function        // by ARN
	queues    map[string]*sqs.Queue       // by ARN
	topics    map[string]*notify.Topic    // by ARN
	roles     map[string]iam.Role         // by ARN
	holders   map[string]string           // access key → ARN of its role
	targets   map[string]*upstream.Server // by host
	schedules map[string]*scheduled       // by ARN
	rules     []notify.Rule
	servers   []*http.Server
	endpoints struct{ secrets, cloudWatch, sts string }

	observing sync.Mutex // one call of Observe at a time

	mu          sync.Mutex
	hosts       map[string]string // of the world → of this machine
	runs        []Run
	mails       []notify.Mail
	changes     []notify.Change
	lastChange  map[string]time.Time
	undelivered []error
	broken      []error
	ids         uint64
	startFaults fault.Set[error]
	paused      bool
}

// New deploys the template at Options.Start. Nothing runs before Run or Invoke. Close ends it.
func New(o Options) (*Cloud, error) {
	c := &Cloud{
		options: o, account: notify.Account{Region: o.Region, ID: o.AccountID, Partition: "aws"},
		functions: map[string]*function{}, queues: map[string]*sqs.Queue{}, topics: map[string]*notify.Topic{},
		roles: map[string]iam.Role{}, holders: map[string]string{}, targets: map[string]*upstream.Server{},
		schedules: map[string]*scheduled{}, hosts: map[string]string{}, lastChange: map[string]time.Time{},
	}
	if err := c.build(); err != nil {
		return nil, errors.Join(err, c.Close())
	}
	return c, nil
}

func (c *Cloud) build() error {
	var err error
	if c.dir, err = os.MkdirTemp("", "cronbearer-local-"); err != nil {
		return fmt.Errorf("local cloud: %w", err)
	}
	if c.Stack, err = load(c.options); err != nil {
		return err
	}
	c.account = notify.Account{Region: c.Stack.Region, ID: c.Stack.AccountID, Partition: c.Stack.Partition}
	begin := c.options.Start
	if begin.IsZero() {
		begin = Start
	}
	c.clock = newClock(c.dir, begin)
	c.nextTick = begin.Truncate(time.Minute).Add(time.Minute)
	if c.authority = c.options.Authority; c.authority == nil {
		if c.authority, err = pki.New(); err != nil {
			return err
		}
	}
	if err := os.WriteFile(c.caFile(), c.authority.PEM, 0o600); err != nil {
		return fmt.Errorf("local cloud: %w", err)
	}
	if err := c.serveAWS(); err != nil {
		return err
	}
	if err := c.serveTargets(); err != nil {
		return err
	}
	return c.deploy(c.Stack)
}

func (c *Cloud) caFile() string { return filepath.Join(c.dir, "ca.pem") }

// load resolves the template. Without AllowedHosts it is resolved twice, as the hosts of the jobs stand in it.
func load(o Options) (*cfn.Stack, error) {
	parameters := map[string]string{"AlarmEmail": "you@example.com"}
	maps.Copy(parameters, o.Parameters)
	options := cfn.Options{StackName: o.StackName, Region: o.Region, AccountID: o.AccountID, Parameters: parameters}
	if parameters["AllowedHosts"] == "" {
		parameters["AllowedHosts"] = "none.example.com"
		stack, err := cfn.Load(o.Template, options)
		if err != nil {
			return nil, fmt.Errorf("template: %w", err)
		}
		parameters["AllowedHosts"] = strings.Join(calledHosts(stack), ",")
	}
	stack, err := cfn.Load(o.Template, options)
	if err != nil {
		return nil, fmt.Errorf("template: %w", err)
	}
	return stack, nil
}

// serveAWS starts the endpoints that the functions call.
func (c *Cloud) serveAWS() error {
	c.Samples = alarm.NewSamples()
	c.Alarms = alarm.NewMonitor(c.Samples)
	s := c.Stack
	c.Secrets = secretsmanager.NewStore(secretsmanager.Config{Region: s.Region, AccountID: s.AccountID, Partition: s.Partition, Now: c.Now, Rotate: c.rotate})
	c.SecretsAPI = secretsmanager.NewServer(c.Secrets)
	c.SecretsAPI.Authorize = c.authorize
	c.CloudWatch = cloudwatch.NewServer(cloudwatch.Config{
		Region: s.Region, AccountID: s.AccountID, Partition: s.Partition, Now: c.Now,
		Samples: c.Samples, Monitor: c.Alarms, Changed: c.changed,
	})
	c.CloudWatch.Authorize = c.authorize
	c.SecretsAPI.Keep(!c.options.Light)
	c.CloudWatch.Keep(!c.options.Light)
	address, err := c.serve(c.SecretsAPI)
	if err != nil {
		return err
	}
	c.endpoints.secrets = "https://" + address
	if address, err = c.serve(c.CloudWatch); err != nil {
		return err
	}
	c.endpoints.cloudWatch = "https://" + address
	c.STS = sts.NewServer(sts.Config{Region: s.Region, AccountID: s.AccountID, Now: c.Now})
	c.STS.Authorize, c.STS.Principal = c.authorize, func(accessKey string) string { return c.holders[accessKey] }
	if address, err = c.serve(c.STS); err != nil {
		return err
	}
	c.endpoints.sts = "https://" + address
	return nil
}

func (c *Cloud) serveTargets() error {
	hosts := slices.Concat(calledHosts(c.Stack), c.options.Hosts)
	slices.Sort(hosts)
	for _, host := range slices.Compact(hosts) {
		t := upstream.New(c.Now)
		t.Keep(!c.options.Light)
		c.targets[host] = t
		if err := c.addHost(host, t); err != nil {
			return err
		}
	}
	return nil
}

// Close ends all processes and servers.
func (c *Cloud) Close() error {
	for _, f := range c.functions {
		f.Close()
	}
	if c.SecretsAPI != nil {
		c.SecretsAPI.Wait()
	}
	for _, server := range c.servers {
		_ = server.Close() // what is still open there is ours
	}
	if err := os.RemoveAll(c.dir); err != nil {
		return fmt.Errorf("local cloud: %w", err)
	}
	return nil
}

// Now is the virtual time.
func (c *Cloud) Now() time.Time { return c.clock.Now() }

// Run lets virtual time pass until a moment: schedules fire, alarms are evaluated each minute, retries come due. An
// error is a fault of this machine, such as a binary that does not start; what the functions do wrong is no error.
func (c *Cloud) Run(ctx context.Context, until time.Time) error {
	for {
		next, planned := c.timeline.next()
		tick := !planned || !c.nextTick.After(next)
		if tick {
			next = c.nextTick
		}
		if next.After(until) {
			c.clock.set(until)
			return c.takeBroken()
		}
		if err := ctx.Err(); err != nil {
			return fmt.Errorf("local cloud: %w", err)
		}
		c.clock.set(next)
		if tick {
			c.tick(c.nextTick)
			c.nextTick = c.nextTick.Add(time.Minute)
			continue
		}
		c.perform(ctx, c.timeline.take(next))
		if err := c.takeBroken(); err != nil {
			return err
		}
	}
}

// At does something when the clock gets there.
func (c *Cloud) At(at time.Time, do func(context.Context)) { c.timeline.add(at, do) }

// Advance lets a time pass.
func (c *Cloud) Advance(ctx context.Context, d time.Duration) error {
	return c.Run(ctx, c.Now().Add(d))
}

func (c *Cloud) perform(ctx context.Context, due []plan) {
	if c.options.Concurrency < 2 {
		for _, p := range due {
			p.do(ctx)
		}
		return
	}
	var wg sync.WaitGroup
	slots := make(chan struct{}, c.options.Concurrency)
	for _, p := range due {
		slots <- struct{}{}
		wg.Go(func() {
			defer func() { <-slots }()
			p.do(ctx)
		})
	}
	wg.Wait()
}

func (c *Cloud) breaks(err error) {
	c.mu.Lock()
	defer c.mu.Unlock()
	c.broken = append(c.broken, err)
}

func (c *Cloud) takeBroken() error {
	c.mu.Lock()
	defer c.mu.Unlock()
	err := errors.Join(c.broken...)
	c.broken = nil
	return err
}

// observe keeps what happened, and tells.
func (c *Cloud) observe(e Event) {
	c.keep(e)
	if c.options.Observe != nil {
		c.observing.Lock()
		defer c.observing.Unlock()
		c.options.Observe(e)
	}
}

func (c *Cloud) keep(e Event) {
	c.mu.Lock()
	defer c.mu.Unlock()
	if !c.options.Light {
		switch {
		case e.Run != nil:
			c.runs = append(c.runs, *e.Run)
		case e.Alarm != nil:
			c.changes = append(c.changes, *e.Alarm)
		case e.Mail != nil:
			c.mails = append(c.mails, *e.Mail)
		}
	}
}

// Runs are all runs of functions so far, those of Invoke among them.
func (c *Cloud) Runs() []Run {
	c.mu.Lock()
	defer c.mu.Unlock()
	return slices.Clone(c.runs)
}

// Mails are what people got so far; about one alarm if one is named.
func (c *Cloud) Mails(alarmName string) []notify.Mail {
	c.mu.Lock()
	defer c.mu.Unlock()
	return slices.DeleteFunc(slices.Clone(c.mails), func(m notify.Mail) bool { return alarmName != "" && m.Alarm != alarmName })
}

// Changes are the alarms' changes of state so far; of one alarm if one is named.
func (c *Cloud) Changes(alarmName string) []notify.Change {
	c.mu.Lock()
	defer c.mu.Unlock()
	return slices.DeleteFunc(slices.Clone(c.changes), func(n notify.Change) bool { return alarmName != "" && n.Alarm.Name != alarmName })
}

// Undelivered says which messages found no way: a topic that is not there, or lets nobody publish.
func (c *Cloud) Undelivered() []error {
	c.mu.Lock()
	defer c.mu.Unlock()
	return slices.Clone(c.undelivered)
}

// AlarmState is the state of an alarm, by its name without the stack's: "TokenRejected-ExampleApi". "" if there is none.
func (c *Cloud) AlarmState(name string) alarm.State {
	found := c.Alarms.Describe([]string{c.Stack.StackName + "-" + name}, "")
	if len(found) == 0 {
		return ""
	}
	return found[0].StateValue
}

// PutSecret gives a secret of the stack, by its name without the stack's, a new value: AWSCURRENT, as a person puts it.
// Hosts in the value become those of this machine. It returns the version's id.
func (c *Cloud) PutSecret(name, value string) (string, error) {
	id, err := c.Secrets.Put(c.SecretID(name), c.Local(value))
	if err != nil {
		return "", fmt.Errorf("put secret %s: %w", name, err)
	}
	return id, nil
}

// EnableFederation enables outbound identity federation in the account, as a person does once, and returns the issuer of
// its tokens. Its host publishes discovery and keys.
func (c *Cloud) EnableFederation() (issuer string, err error) {
	host := c.newID() + ".tokens.sts.global.api.aws"
	if err := c.Host(host, c.STS.Discovery()); err != nil {
		return "", err
	}
	c.STS.Enable("https://" + host)
	return c.STS.Issuer(), nil
}

// Get reads a URL of the world, as someone outside does.
func (c *Cloud) Get(url string) ([]byte, error) {
	client := http.Client{Transport: &http.Transport{TLSClientConfig: &tls.Config{RootCAs: c.authority.Pool(), MinVersion: tls.VersionTLS12}}}
	defer client.CloseIdleConnections()
	request, err := http.NewRequestWithContext(context.Background(), http.MethodGet, c.Local(url), nil)
	if err != nil {
		return nil, fmt.Errorf("get: %w", err)
	}
	response, err := client.Do(request)
	if err != nil {
		return nil, fmt.Errorf("get: %w", err)
	}
	defer func() { _ = response.Body.Close() }()
	text, err := io.ReadAll(response.Body)
	if err == nil && response.StatusCode != http.StatusOK {
		err = fmt.Errorf("get %s: status %d", url, response.StatusCode)
	}
	return text, err
}

// SecretID is the whole name of a secret of the stack.
func (c *Cloud) SecretID(name string) string {
	if strings.HasPrefix(name, "arn:") {
		return name
	}
	return c.Stack.StackName + "/" + name
}

// Queue is a queue of the template by its logical id; nil if there is none.
func (c *Cloud) Queue(logicalID string) *sqs.Queue {
	for _, q := range c.queues {
		if q.Name == nameOfQueue(c.Stack.Ref(logicalID)) {
			return q
		}
	}
	return nil
}

// Function is a function of the template by its logical id, for what Lambda does to it; nil if there is none.
func (c *Cloud) Function(logicalID string) *lambda.Function {
	for _, f := range c.functions {
		if f.id == logicalID {
			return f.Function
		}
	}
	return nil
}
