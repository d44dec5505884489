// Package awssim is a simulator of the part of AWS that Cronbearer uses, on one machine: it reads a real template, runs
// the real binaries, and plays EventBridge Scheduler, Lambda, Secrets Manager, CloudWatch, SQS, SNS, STS and
// EventBridge around them on a virtual clock. Each service is a package of its own and can be used alone.
//
// Here the services are joined to one account. A Cloud is the account as tests and the demo see it. The work is done by
// its parts, each in a file of its own, and with a lock of its own where it has state. A part uses only parts above it
// in this list:
//
//	clock, timeline   virtual time, and what is planned on it
//	journal           what happened: runs, emails, changes of alarms
//	hosts             names of the world and of this machine
//	account           roles, access keys, ARNs, request ids
//	queues, alerts    failed runs and dead letters; alarms, topics and rules
//	functions         environments, invocations, asynchronous retries
//	scheduler         schedules, deliveries, dead letters
//	deployer          the resources of a stack, given to the parts
//
// It is a model, not AWS. It has what this application uses and no more, and it rejects what AWS rejects as far as
// AWS's documents say. It cannot show what only a live account can show.
package awssim

import (
	"context"
	"errors"
	"fmt"
	"maps"
	"net/http"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"time"

	"github.com/cronbearer/cronbearer/internal/dev/awssim/alarm"
	"github.com/cronbearer/cronbearer/internal/dev/awssim/cloudwatch"
	"github.com/cronbearer/cronbearer/internal/dev/awssim/iam"
	"github.com/cronbearer/cronbearer/internal/dev/awssim/notify"
	"github.com/cronbearer/cronbearer/internal/dev/awssim/secretsmanager"
	"github.com/cronbearer/cronbearer/internal/dev/awssim/sqs"
	"github.com/cronbearer/cronbearer/internal/dev/awssim/sts"
	"github.com/cronbearer/cronbearer/internal/dev/cfn"
	"github.com/cronbearer/cronbearer/internal/dev/pki"
	"github.com/cronbearer/cronbearer/internal/dev/upstream"
)

// Start is where the virtual clock starts by default: a Monday in a month without clock changes.
var Start = time.Date(2026, time.November, 2, 8, 0, 0, 0, time.UTC)

// Options is what is deployed, and where.
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
	// Hosts are served in addition to those of the template's jobs.
	Hosts []string
	// Environment is added to every function's, over what the template says.
	Environment map[string]string
	// Concurrency is how many runs that are due at one moment run at once; 0: one after the other, in the same order
	// each time.
	Concurrency int
	// Deadline bounds the real time that a function is given, so that a test need not wait for a time-out; 0: the
	// template's.
	Deadline time.Duration
	// MaxConcurrency is Lambda's limit for each function; more are throttled. 0: none.
	MaxConcurrency int
	// IdleLife is how long an environment is kept without work, on the virtual clock; 0: indefinitely.
	IdleLife time.Duration
	// Light keeps no records of runs, requests and calls, for long replays. Observe gets every event anyway.
	Light bool
	// PassOver leaves out resources of types unknown to the model, which PassedOver then names: a user's template may
	// hold what this application has nothing to do with.
	PassOver bool
	// Observe is called with every event, one at a time.
	Observe func(Event)
}

// Cloud is one account, with one application deployed. Its methods may be called from many goroutines, but only one
// calls Run. It is a façade: what the parts export is its own.
type Cloud struct {
	Stack      *cfn.Stack
	Secrets    *secretsmanager.Store
	SecretsAPI *secretsmanager.Server
	CloudWatch *cloudwatch.Server
	STS        *sts.Server
	Alarms     *alarm.Monitor
	Samples    *alarm.Samples

	*timeline
	*journal
	*hosts
	*functions
	*scheduler
	*alerts

	account  *account
	queues   *queues
	deployer *deployer
	targets  map[string]*upstream.Server // by host
	dir      string
}

// New deploys the template at Options.Start. Nothing runs before Run or Invoke. Close releases everything.
func New(o Options) (*Cloud, error) {
	c := &Cloud{journal: &journal{light: o.Light, observer: o.Observe}, targets: map[string]*upstream.Server{}}
	if err := c.build(o); err != nil {
		return nil, errors.Join(err, c.Close())
	}
	return c, nil
}

func (c *Cloud) build(o Options) error {
	var err error
	if c.dir, err = os.MkdirTemp("", "cronbearer-local-"); err != nil {
		return fmt.Errorf("local cloud: %w", err)
	}
	if c.Stack, err = load(o); err != nil {
		return err
	}
	if o.Authority == nil {
		if o.Authority, err = pki.New(); err != nil {
			return err
		}
	}
	caFile := filepath.Join(c.dir, "ca.pem")
	if err := os.WriteFile(caFile, o.Authority.PEM, 0o600); err != nil {
		return fmt.Errorf("local cloud: %w", err)
	}
	c.assemble(o)
	machine, err := c.serveAWS()
	if err != nil {
		return err
	}
	if err := c.serveTargets(o); err != nil {
		return err
	}
	maps.Copy(machine, map[string]string{
		"EXTRA_CA_FILE": caFile, "CRONBEARER_TEST_CLOCK": c.timeline.clock.file,
		"CRONBEARER_TEST_ALLOW_LOOPBACK": "1", "CRONBEARER_TEST_NO_SETTLING": "1",
	})
	c.deployer = &deployer{
		account: c.account, timeline: c.timeline, hosts: c.hosts, queues: c.queues, alerts: c.alerts, functions: c.functions,
		scheduler: c.scheduler, secrets: c.Secrets, options: o, dir: c.dir, machine: machine,
	}
	return c.deployer.deploy(c.Stack)
}

// assemble creates the parts and the services, each from those before it.
func (c *Cloud) assemble(o Options) {
	s := c.Stack
	start := o.Start
	if start.IsZero() {
		start = Start
	}
	c.timeline = newTimeline(newClock(c.dir, start), start, o.Concurrency)
	c.hosts = newHosts(o.Authority)
	c.account = newAccount(notify.Account{Region: s.Region, ID: s.AccountID, Partition: s.Partition}, o.Seed, o.Light)
	c.Samples = alarm.NewSamples()
	c.Alarms = alarm.NewMonitor(c.Samples)
	c.queues = newQueues(c.account, c.Samples)
	c.alerts = newAlerts(
		c.account, c.Alarms, newDestinations(c.account, c.timeline, c.hosts, c.queues, c.journal), c.journal,
	)
	c.functions = newFunctions(c.account, c.timeline, c.journal, c.hosts, c.Samples)

	c.Secrets = secretsmanager.NewStore(secretsmanager.Config{
		Region: s.Region, AccountID: s.AccountID, Partition: s.Partition, Now: c.Now, Rotate: c.functions.rotate,
		KeyARN: o.Parameters["SecretsKeyArn"],
	})
	c.SecretsAPI = secretsmanager.NewServer(c.Secrets)
	c.SecretsAPI.Authorize = c.account.authorize
	c.SecretsAPI.Keep(!o.Light)
	c.CloudWatch = cloudwatch.NewServer(cloudwatch.Config{
		Region: s.Region, AccountID: s.AccountID, Partition: s.Partition, Now: c.Now,
		Samples: c.Samples, Monitor: c.Alarms, Changed: c.alerts.changed,
	})
	c.CloudWatch.Authorize = c.account.authorize
	c.CloudWatch.Keep(!o.Light)
	c.STS = sts.NewServer(sts.Config{Region: s.Region, AccountID: s.AccountID, Now: c.Now})
	c.STS.Authorize, c.STS.Principal = c.account.authorize, c.account.principal

	c.scheduler = &scheduler{
		account: c.account, timeline: c.timeline, journal: c.journal, queues: c.queues, samples: c.Samples,
		targets: c.functions,
		secrets: c.Secrets, seed: o.Seed, frozen: o.NoStarts,
	}
}

// load resolves the template. Without AllowedHosts it is resolved twice, as it contains the hosts of the jobs.
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

// serveAWS starts the endpoints that the functions call, and returns the variables that name them.
func (c *Cloud) serveAWS() (map[string]string, error) {
	variables := map[string]string{}
	for name, handler := range map[string]http.Handler{
		"AWS_ENDPOINT_URL_SECRETS_MANAGER": c.SecretsAPI, "AWS_ENDPOINT_URL_CLOUDWATCH": c.CloudWatch,
		"AWS_ENDPOINT_URL_STS": c.STS,
	} {
		address, err := c.serve(handler)
		if err != nil {
			return nil, err
		}
		variables[name] = "https://" + address
	}
	return variables, nil
}

func (c *Cloud) serveTargets(o Options) error {
	hosts := slices.Concat(calledHosts(c.Stack), o.Hosts)
	slices.Sort(hosts)
	for _, host := range slices.Compact(hosts) {
		t := upstream.New(c.Now)
		t.Keep(!o.Light)
		c.targets[host] = t
		if err := c.Host(host, t); err != nil {
			return err
		}
	}
	return nil
}

// Close stops all processes and servers.
func (c *Cloud) Close() error {
	if c.functions != nil {
		c.functions.close()
		c.SecretsAPI.Wait()
		c.hosts.close()
	}
	if err := os.RemoveAll(c.dir); err != nil {
		return fmt.Errorf("local cloud: %w", err)
	}
	return nil
}

// Run lets virtual time pass until a moment: schedules fire, alarms are evaluated each minute, retries come due. An
// error is one of this machine, such as a binary that does not start; what the functions do wrong is not an error.
func (c *Cloud) Run(ctx context.Context, until time.Time) error {
	return c.timeline.run(ctx, until, c.tick, c.takeBroken)
}

// tick is the end of a virtual minute.
func (c *Cloud) tick(now time.Time) {
	c.queues.measure(now)
	c.functions.reap()
	c.alerts.evaluate(now)
}

// Advance lets a time pass.
func (c *Cloud) Advance(ctx context.Context, d time.Duration) error {
	return c.Run(ctx, c.Now().Add(d))
}

// AddStack deploys one more template next to the application, such as infra/rotation.yaml. Secrets that it names must
// exist.
func (c *Cloud) AddStack(path, name string, parameters map[string]string) (*cfn.Stack, error) {
	stack, err := cfn.Load(path, cfn.Options{
		StackName: name, Region: c.Stack.Region, AccountID: c.Stack.AccountID, Partition: c.Stack.Partition,
		Parameters: parameters,
	})
	if err != nil {
		return nil, fmt.Errorf("template: %w", err)
	}
	return stack, c.deployer.deploy(stack)
}

// AddRotation deploys infra/rotation.yaml, whose path is template, for a secret of the stack, by its name without the
// stack's, with the application's outputs.
func (c *Cloud) AddRotation(template, secret, every string) (*cfn.Stack, error) {
	output := func(name string) string { return fmt.Sprint(c.Stack.Outputs[name]) }
	return c.AddStack(template, c.Stack.StackName+"-rotation-"+strings.ReplaceAll(secret, "/", "-"), map[string]string{
		"StackName": c.Stack.StackName, "Secret": secret, "Every": every, "RotatorArn": output("RotatorArn"),
		"DeadLetterArn": output("DeadLettersArn"),
		"TopicArn":      output("TopicArn"), "MetricNamespace": output("MetricNamespace"),
	})
}

// Target returns the API behind a host that the template calls, or that Options.Hosts names; nil if there is none.
func (c *Cloud) Target(host string) *upstream.Server { return c.targets[host] }

// AlarmState returns the state of an alarm, by its name without the stack's: "TokenRejected-ExampleApi". "" if there is
// none.
func (c *Cloud) AlarmState(name string) alarm.State {
	found := c.Alarms.Describe([]string{c.Stack.StackName + "-" + name}, "")
	if len(found) == 0 {
		return ""
	}
	return found[0].StateValue
}

// PutSecret stores a new AWSCURRENT of a secret, by its name without the stack's, as an operator does. Hosts
// in the value become those of this machine. It returns the version's id.
func (c *Cloud) PutSecret(name, value string) (string, error) {
	id, err := c.Secrets.Put(c.SecretID(name), c.Local(value))
	if err != nil {
		return "", fmt.Errorf("put secret %s: %w", name, err)
	}
	return id, nil
}

// SecretID returns the whole name of a secret of the stack.
func (c *Cloud) SecretID(name string) string {
	if strings.HasPrefix(name, "arn:") {
		return name
	}
	return c.Stack.StackName + "/" + name
}

// Queue returns a queue of the template by its logical id; nil if there is none.
func (c *Cloud) Queue(logicalID string) *sqs.Queue {
	return c.queues.find(c.account.arn("sqs", queueName(c.Stack.Ref(logicalID))))
}

// EnableFederation enables outbound identity federation in the account, as an operator does once, and returns the
// issuer of its tokens. Its host publishes discovery and keys.
func (c *Cloud) EnableFederation() (issuer string, err error) {
	host := c.account.newID() + ".tokens.sts.global.api.aws"
	if err := c.Host(host, c.STS.Discovery()); err != nil {
		return "", err
	}
	c.STS.Enable("https://" + host)
	return c.STS.Issuer(), nil
}

// Forbid denies an action to a role of the template, by its logical id, as a service control policy does. The function
// it returns detaches the policy.
func (c *Cloud) Forbid(role, action string) (restore func(), err error) {
	restore, err = c.account.amend(c.account.roleARN(c.Stack.Ref(role)), map[string]any{
		"Statement": []any{map[string]any{"Effect": "Deny", "Action": action, "Resource": "*"}},
	})
	if err != nil {
		return nil, fmt.Errorf("forbid %s: %w", action, err)
	}
	return restore, nil
}

// SwitchOff lets the starts of one schedule, by its logical id, pass until it is switched on again.
func (c *Cloud) SwitchOff(schedule string, off bool) error {
	if !c.scheduler.switchOff(c.Stack.Ref(schedule), off) {
		return fmt.Errorf("the template has no schedule %s", schedule)
	}
	return nil
}

// SetState sets an alarm's state by its whole name, as the API's SetAlarmState does; actions follow a change.
func (c *Cloud) SetState(name string, state alarm.State, reason, reasonData string) error {
	t, err := c.Alarms.SetState(name, state, reason, reasonData, c.Now())
	if err != nil {
		return fmt.Errorf("set alarm state: %w", err)
	}
	if t.From != t.To {
		c.changed(t)
	}
	return nil
}

// FunctionID returns the logical id of a function by its name or ARN; "" if the template has none of that name.
func (c *Cloud) FunctionID(nameOrARN string) string {
	for _, one := range c.functions.all() {
		if one.Name() == nameOrARN || one.ARN() == nameOrARN {
			return one.id
		}
	}
	return ""
}

// QueueByURL returns a queue by its URL; nil if there is none.
func (c *Cloud) QueueByURL(url string) *sqs.Queue {
	return c.queues.find(c.account.arn("sqs", queueName(url)))
}

// PassedOver names the resources that were left out.
func (c *Cloud) PassedOver() []string { return c.deployer.passedOver }

// Decisions returns each question that a policy was asked so far, once, with the answer; none of a light Cloud.
func (c *Cloud) Decisions() []iam.Decision { return c.account.allDecisions() }

// Policies returns the policies of roles and resources by the names that decisions have for them.
func (c *Cloud) Policies() map[string]iam.Policy { return c.account.policies() }
