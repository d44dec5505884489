package awssim

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"hash/fnv"
	"net/url"
	"slices"
	"strconv"
	"strings"
	"sync/atomic"
	"time"

	"github.com/cronbearer/cronbearer/internal/dev/awssim/alarm"
	"github.com/cronbearer/cronbearer/internal/dev/cfn"
	"github.com/cronbearer/cronbearer/internal/dev/schedule"
)

const (
	// precision: a start for 1:00 comes "between 1:00:00 and 1:00:59" (Scheduler User Guide, "Schedule types"). The model
	// stays below that, so that a run on a slow machine ends in the minute that it began in.
	precision = 45 * time.Second
	// redelivery is the wait before the first retry of a delivery; it doubles. AWS says "exponential backoff".
	redelivery = time.Minute
	// Scheduler's own RetryPolicy where a schedule has none.
	defaultRetries     = 185
	defaultDeliveryAge = 24 * time.Hour

	rotateSecret = ":scheduler:::aws-sdk:secretsmanager:rotateSecret"
)

// scheduled is a schedule of the template at work.
type scheduled struct {
	name, arn, group, role, target, input, deadLetters string

	schedule *schedule.Schedule
	window   time.Duration
	retries  int
	age      time.Duration
	off      atomic.Bool // by SwitchOff
}

func (c *Cloud) addSchedule(s *cfn.Stack, r cfn.Resource) error {
	p := r.Properties
	target, _ := p["Target"].(map[string]any)
	group, ok := p["GroupName"].(string)
	if !ok {
		group = "default"
	}
	one := &scheduled{
		name: s.Ref(r.LogicalID),
		arn:  c.arn("scheduler", "schedule/"+group+"/"+s.Ref(r.LogicalID)), group: group,
		role: fmt.Sprint(target["RoleArn"]), target: fmt.Sprint(target["Arn"]), input: fmt.Sprint(target["Input"]),
		retries: defaultRetries, age: defaultDeliveryAge,
	}
	if !json.Valid([]byte(one.input)) {
		return errors.New("its Input is not JSON")
	}
	if policy, ok := target["RetryPolicy"].(map[string]any); ok {
		if n, ok := cfn.Number(policy["MaximumRetryAttempts"]); ok {
			one.retries = int(n)
		}
		if n, ok := cfn.Number(policy["MaximumEventAgeInSeconds"]); ok {
			one.age = time.Duration(n) * time.Second
		}
	}
	if config, ok := target["DeadLetterConfig"].(map[string]any); ok {
		if one.deadLetters = fmt.Sprint(config["Arn"]); c.queues[one.deadLetters] == nil {
			return fmt.Errorf("its dead-letter queue %s is not there", one.deadLetters)
		}
	}
	if flexible, ok := p["FlexibleTimeWindow"].(map[string]any); ok && flexible["Mode"] == "FLEXIBLE" {
		minutes, _ := cfn.Number(flexible["MaximumWindowInMinutes"])
		one.window = time.Duration(minutes) * time.Minute
	}
	timezone, _ := p["ScheduleExpressionTimezone"].(string)
	parsed, err := schedule.Parse(fmt.Sprint(p["ScheduleExpression"]), timezone)
	if err != nil {
		return err
	}
	made := c.Now().Truncate(time.Second)
	one.schedule = parsed.Anchored(made)
	c.schedules[one.arn] = one
	if p["State"] != "DISABLED" && !c.options.NoStarts {
		// A rate starts at once: its first start is the moment of its making itself.
		c.planStart(one, made.Add(-time.Nanosecond))
	}
	return nil
}

// calledHosts are the hosts in the events of a stack's schedules, as they stand there.
func calledHosts(s *cfn.Stack) []string {
	var hosts []string
	for _, r := range s.OfType("AWS::Scheduler::Schedule") {
		target, _ := r.Properties["Target"].(map[string]any)
		var event struct{ Call string }
		input, _ := target["Input"].(string)
		if json.Unmarshal([]byte(input), &event) != nil {
			continue
		}
		_, location, _ := strings.Cut(event.Call, " ")
		location, _, _ = strings.Cut(location, "{{") // a placeholder is no URL
		if u, err := url.Parse(location); err == nil && u.Host != "" {
			hosts = append(hosts, strings.TrimSuffix(strings.ToLower(u.Host), ":443"))
		}
	}
	slices.Sort(hosts)
	return slices.Compact(hosts)
}

// planStart plans the first start after a moment.
func (c *Cloud) planStart(s *scheduled, after time.Time) {
	nominal, ok := s.schedule.Next(after)
	if !ok {
		return
	}
	c.timeline.add(nominal.Add(c.chance(s, nominal)), func(ctx context.Context) {
		c.planStart(s, nominal)
		if !c.startsPaused() && !s.off.Load() {
			c.deliver(ctx, s, nominal, 0)
		}
	})
}

// chance is how late a start comes: within the minute, or within its window. It depends on nothing but the seed.
func (c *Cloud) chance(s *scheduled, nominal time.Time) time.Duration {
	h := fnv.New64a()
	_, _ = fmt.Fprintf(h, "%d %s %d", c.options.Seed, s.arn, nominal.Unix()) // a hash takes everything
	return time.Duration(h.Sum64()%uint64((s.window+precision)/time.Second)) * time.Second
}

// FailStarts makes Scheduler's next deliveries fail, n of them or, for 0, all until ClearStarts: what a target answers
// that is throttled, gone, or denied.
func (c *Cloud) FailStarts(err error, n int) { c.startFaults.Add(err, n) }

// ClearStarts lets them succeed again.
func (c *Cloud) ClearStarts() { c.startFaults.Clear() }

// PauseStarts lets due starts pass by, as if their schedules were switched off, until it is called with false.
func (c *Cloud) PauseStarts(pause bool) {
	c.mu.Lock()
	defer c.mu.Unlock()
	c.paused = pause
}

func (c *Cloud) startsPaused() bool {
	c.mu.Lock()
	defer c.mu.Unlock()
	return c.paused
}

// deliver hands a start to its target. Whether the run then fails, Scheduler never learns.
func (c *Cloud) deliver(ctx context.Context, s *scheduled, nominal time.Time, attempt int) {
	c.countStart(s, "InvocationAttemptCount")
	input := s.filled(nominal, attempt)
	err := c.startFaults.Next(nil)
	if err == nil {
		err = c.invokeTarget(ctx, s, input)
	}
	if err == nil {
		return
	}
	c.countStart(s, "TargetErrorCount")
	wait := redelivery << min(attempt, 10)
	exhausted := ""
	switch {
	case attempt >= s.retries:
		exhausted = "MaximumRetryAttempts"
	case c.Now().Add(wait).Sub(nominal) > s.age:
		exhausted = "MaximumEventAgeInSeconds"
	default:
		c.timeline.add(c.Now().Add(wait), func(ctx context.Context) { c.deliver(ctx, s, nominal, attempt+1) })
		return
	}
	c.countStart(s, "InvocationDroppedCount")
	if s.deadLetters == "" {
		return
	}
	code, message, _ := strings.Cut(err.Error(), ": ")
	sent := errors.New("AccessDenied: the schedule's role may not send to its dead-letter queue")
	if c.roles[s.role].Allows("sqs:SendMessage", s.deadLetters, nil) {
		sent = c.queues[s.deadLetters].Send(input, map[string]string{
			"ERROR_CODE": code, "ERROR_MESSAGE": message, "EXECUTION_ID": s.executionID(nominal, attempt), "EXHAUSTED_RETRY_CONDITION": exhausted,
			"IS_PAYLOAD_TRUNCATED": "false", "RETRY_ATTEMPTS": strconv.Itoa(attempt), "SCHEDULED_TIME": nominal.Format(time.RFC3339),
			"SCHEDULE_ARN": s.arn, "TARGET_ARN": s.target,
		})
	}
	if sent != nil {
		c.countStart(s, "InvocationsFailedToBeSentToDeadLetterCount")
		return
	}
	c.countStart(s, "InvocationsSentToDeadLetterCount")
}

func (c *Cloud) countStart(s *scheduled, metric string) {
	c.Samples.Put(alarm.Metric{Namespace: "AWS/Scheduler", Name: metric, Dimensions: []alarm.Dimension{{Name: "ScheduleGroup", Value: s.group}}}, c.Now(), alarm.Value(1))
}

// filled replaces the context attributes (Scheduler User Guide, "Adding context attributes").
func (s *scheduled) filled(nominal time.Time, attempt int) string {
	return strings.NewReplacer(
		"<aws.scheduler.schedule-arn>", s.arn,
		"<aws.scheduler.scheduled-time>", nominal.UTC().Format(time.RFC3339),
		"<aws.scheduler.execution-id>", s.executionID(nominal, attempt),
		"<aws.scheduler.attempt-number>", strconv.Itoa(attempt+1),
	).Replace(s.input)
}

// executionID is another for each attempt.
func (s *scheduled) executionID(nominal time.Time, attempt int) string {
	h := fnv.New64a()
	_, _ = fmt.Fprintf(h, "%s %d", s.arn, nominal.Unix()) // a hash takes everything
	return fmt.Sprintf("%016x-%d", h.Sum64(), attempt+1)
}

func (c *Cloud) invokeTarget(ctx context.Context, s *scheduled, input string) error {
	if strings.HasSuffix(s.target, rotateSecret) {
		return c.startRotation(ctx, s, input)
	}
	f := c.functions[s.target]
	if f == nil {
		return fmt.Errorf("ResourceNotFoundException: Function not found: %s", s.target)
	}
	if !c.roles[s.role].Allows("lambda:InvokeFunction", s.target, nil) {
		return fmt.Errorf("AccessDeniedException: %s is not authorized to perform: lambda:InvokeFunction on resource: %s", s.role, s.target)
	}
	return f.async.Accept(ctx, []byte(c.Local(input)))
}

// startRotation is the universal target for RotateSecret. The API asks for the right to invoke the rotation function
// too.
func (c *Cloud) startRotation(ctx context.Context, s *scheduled, input string) error {
	var request struct{ SecretID string }
	if err := json.Unmarshal([]byte(input), &request); err != nil {
		return fmt.Errorf("ValidationException: %w", err)
	}
	secret, ok := c.Secrets.Secret(request.SecretID)
	if !ok {
		return errors.New("ResourceNotFoundException: Secrets Manager can't find the specified secret.")
	}
	for action, resource := range map[string]string{"secretsmanager:RotateSecret": secret.ARN, "lambda:InvokeFunction": secret.RotationLambdaARN} {
		if !c.roles[s.role].Allows(action, resource, nil) {
			return fmt.Errorf("AccessDeniedException: %s is not authorized to perform: %s on resource: %s", s.role, action, resource)
		}
	}
	before := len(c.Secrets.Rotations())
	err := c.Secrets.RotateSecret(ctx, request.SecretID)
	for _, r := range c.Secrets.Rotations()[before:] { // a refusal runs the rotation again that was left behind
		c.observe(Event{At: r.At, Rotation: &r})
	}
	return err
}
