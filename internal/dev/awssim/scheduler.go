package awssim

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"hash/fnv"
	"maps"
	"slices"
	"strconv"
	"strings"
	"sync"
	"time"

	"github.com/cronbearer/cronbearer/internal/dev/awssim/alarm"
	"github.com/cronbearer/cronbearer/internal/dev/awssim/secretsmanager"
	"github.com/cronbearer/cronbearer/internal/dev/cfn"
	"github.com/cronbearer/cronbearer/internal/dev/fault"
	"github.com/cronbearer/cronbearer/internal/dev/schedule"
)

const (
	// precision: a start for 1:00 comes "between 1:00:00 and 1:00:59" (Scheduler User Guide, "Schedule types"). The model
	// stays below that, so that a run on a slow machine is complete in the minute in which it started.
	precision = 45 * time.Second
	// redelivery is the wait before the first retry of a delivery; it doubles. AWS says "exponential backoff".
	redelivery = time.Minute
	// Scheduler's own RetryPolicy where a schedule has none.
	defaultRetries     = 185
	defaultDeliveryAge = 24 * time.Hour

	rotateSecret = ":scheduler:::aws-sdk:secretsmanager:rotateSecret"
)

// scheduler is EventBridge Scheduler: the schedules, their deliveries with retries, and the dead letters. Whether a run
// then fails, it never learns. Safe for concurrent use.
type scheduler struct {
	account  *account
	timeline *timeline
	journal  *journal
	queues   *queues
	samples  *alarm.Samples
	targets  invoker
	secrets  *secretsmanager.Store

	seed   uint64
	frozen bool // nothing starts
	faults fault.Set[error]

	mu        sync.Mutex
	schedules []*scheduled
	paused    bool
}

// invoker is what a schedule starts: the functions of the account, by their ARNs.
type invoker interface {
	exists(arn string) bool
	accept(ctx context.Context, arn, event string) error
}

// scheduled is a schedule of the template at work.
type scheduled struct {
	name, arn, group, role, target, input, deadLetters string

	schedule   *schedule.Schedule
	disabled   bool
	window     time.Duration
	retries    int
	age        time.Duration
	start, end time.Time      // of StartDate and EndDate; zero: none
	properties map[string]any // as CloudFormation names them
	created    time.Time
	changed    time.Time
	off        bool // by switchOff; guarded by the scheduler's mu
	replaced   bool // by an update; guarded by the scheduler's mu
}

// A Schedule is one schedule as GetSchedule returns it.
type Schedule struct {
	Name, Group, ARN string
	// Properties are those of AWS::Scheduler::Schedule.
	Properties        map[string]any
	Created, Modified time.Time
}

// parseSchedule reads the resolved Properties of an AWS::Scheduler::Schedule.
func parseSchedule(name string, p map[string]any) (*scheduled, error) {
	target, _ := p["Target"].(map[string]any)
	one := &scheduled{
		name: name, group: "default", disabled: p["State"] == "DISABLED",
		role: fmt.Sprint(target["RoleArn"]), target: fmt.Sprint(target["Arn"]), input: fmt.Sprint(target["Input"]),
		retries: defaultRetries, age: defaultDeliveryAge, properties: p,
	}
	if group, ok := p["GroupName"].(string); ok {
		one.group = group
	}
	if !json.Valid([]byte(one.input)) {
		return nil, errors.New("its Input is not JSON")
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
		one.deadLetters = fmt.Sprint(config["Arn"])
	}
	if flexible, ok := p["FlexibleTimeWindow"].(map[string]any); ok && flexible["Mode"] == "FLEXIBLE" {
		minutes, _ := cfn.Number(flexible["MaximumWindowInMinutes"])
		one.window = time.Duration(minutes) * time.Minute
	}
	for name, to := range map[string]*time.Time{"StartDate": &one.start, "EndDate": &one.end} {
		text, ok := p[name].(string)
		if !ok {
			continue
		}
		at, err := time.Parse(time.RFC3339, text)
		if err != nil {
			return nil, fmt.Errorf("its %s is not a time: %w", name, err)
		}
		*to = at
	}
	timezone, _ := p["ScheduleExpressionTimezone"].(string)
	var err error
	one.schedule, err = schedule.Parse(fmt.Sprint(p["ScheduleExpression"]), timezone)
	return one, err
}

// add creates a schedule. A rate starts at once: its first start is the moment of its creation.
func (s *scheduler) add(one *scheduled) error {
	if one.deadLetters != "" && s.queues.find(one.deadLetters) == nil {
		return fmt.Errorf("its dead-letter queue %s does not exist", one.deadLetters)
	}
	one.arn = s.account.arn("scheduler", "schedule/"+one.group+"/"+one.name)
	created := s.timeline.Now().Truncate(time.Second)
	one.created, one.changed = created, created
	one.schedule = one.schedule.Anchored(created)
	s.mu.Lock()
	s.schedules = append(s.schedules, one)
	s.mu.Unlock()
	if !one.disabled && !s.frozen {
		s.plan(one, created.Add(-time.Nanosecond))
	}
	return nil
}

// Schedules returns the schedules of the account, in the order in which they were created.
func (s *scheduler) Schedules() []Schedule {
	s.mu.Lock()
	defer s.mu.Unlock()
	var list []Schedule
	for _, one := range s.schedules {
		list = append(list, Schedule{
			Name: one.name, Group: one.group, ARN: one.arn, Properties: maps.Clone(one.properties),
			Created: one.created, Modified: one.changed,
		})
	}
	return list
}

// ErrNoSchedule says that there is no schedule of that name in the group.
var ErrNoSchedule = errors.New("the schedule does not exist")

// UpdateSchedule replaces all properties of a schedule: what is left out becomes the default, as AWS's page says of
// UpdateSchedule. A rate counts from its StartDate, or from now.
func (s *scheduler) UpdateSchedule(group, name string, properties map[string]any) error {
	next, err := parseSchedule(name, properties)
	if err != nil {
		return err
	}
	s.mu.Lock()
	i := slices.IndexFunc(s.schedules, func(one *scheduled) bool { return one.group == group && one.name == name })
	if i < 0 {
		s.mu.Unlock()
		return ErrNoSchedule
	}
	before := s.schedules[i]
	before.replaced = true
	now := s.timeline.Now().Truncate(time.Second)
	next.arn, next.group, next.created, next.changed, next.off = before.arn, group, before.created, now, before.off
	anchor := now
	if next.start.After(now) {
		anchor = next.start
	}
	next.schedule = next.schedule.Anchored(anchor)
	s.schedules[i] = next
	s.mu.Unlock()
	if !next.disabled && !s.frozen {
		s.plan(next, now.Add(-time.Nanosecond))
	}
	return nil
}

// switchOff lets the starts of a schedule pass until it is switched on again. It reports whether the schedule exists.
func (s *scheduler) switchOff(name string, off bool) bool {
	s.mu.Lock()
	defer s.mu.Unlock()
	for _, one := range s.schedules {
		if name != "" && one.name == name {
			one.off = off
			return true
		}
	}
	return false
}

// plan plans the first start after a moment.
func (s *scheduler) plan(one *scheduled, after time.Time) {
	if after.Before(one.start) {
		after = one.start.Add(-time.Nanosecond)
	}
	nominal, ok := one.schedule.Next(after)
	if !ok || !one.end.IsZero() && nominal.After(one.end) {
		return
	}
	s.timeline.At(nominal.Add(s.chance(one, nominal)), func(ctx context.Context) {
		if s.isReplaced(one) {
			return
		}
		s.plan(one, nominal)
		if !s.isOff(one) {
			s.deliver(ctx, one, nominal, 0)
		}
	})
}

// chance is how late a start comes: within the minute, or within its window. It depends on nothing but the seed.
func (s *scheduler) chance(one *scheduled, nominal time.Time) time.Duration {
	h := fnv.New64a()
	_, _ = fmt.Fprintf(h, "%d %s %d", s.seed, one.arn, nominal.Unix()) // a hash accepts everything
	return time.Duration(h.Sum64()%uint64((one.window+precision)/time.Second)) * time.Second
}

// FailStarts makes Scheduler's next deliveries fail, n of them or, for 0, all until ClearStarts: what a target answers
// that is throttled, gone, or denied.
func (s *scheduler) FailStarts(err error, n int) { s.faults.Add(err, n) }

// ClearStarts lets them succeed again.
func (s *scheduler) ClearStarts() { s.faults.Clear() }

// PauseStarts lets due starts pass by, as if their schedules were switched off, until it is called with false.
func (s *scheduler) PauseStarts(pause bool) {
	s.mu.Lock()
	defer s.mu.Unlock()
	s.paused = pause
}

func (s *scheduler) isReplaced(one *scheduled) bool {
	s.mu.Lock()
	defer s.mu.Unlock()
	return one.replaced
}

func (s *scheduler) isOff(one *scheduled) bool {
	s.mu.Lock()
	defer s.mu.Unlock()
	return s.paused || one.off
}

// deliver passes a start to its target, plans a retry, or gives up.
func (s *scheduler) deliver(ctx context.Context, one *scheduled, nominal time.Time, attempt int) {
	s.count(one, "InvocationAttemptCount")
	input := one.filled(nominal, attempt)
	err := s.faults.Next(nil)
	if err == nil {
		err = s.start(ctx, one, input)
	}
	if err == nil {
		return
	}
	s.count(one, "TargetErrorCount")
	wait := redelivery << min(attempt, 10)
	exhausted := ""
	switch retry := s.timeline.Now().Add(wait); {
	case attempt >= one.retries:
		exhausted = "MaximumRetryAttempts"
	case retry.Sub(nominal) > one.age:
		exhausted = "MaximumEventAgeInSeconds"
	default:
		s.timeline.At(retry, func(ctx context.Context) { s.deliver(ctx, one, nominal, attempt+1) })
		return
	}
	s.count(one, "InvocationDroppedCount")
	if one.deadLetters == "" {
		return
	}
	code, message, _ := strings.Cut(err.Error(), ": ")
	if s.queues.sendAs(one.role, one.deadLetters, input, map[string]string{
		"ERROR_CODE": code, "ERROR_MESSAGE": message, "EXECUTION_ID": one.executionID(nominal, attempt),
		"EXHAUSTED_RETRY_CONDITION": exhausted, "IS_PAYLOAD_TRUNCATED": "false", "RETRY_ATTEMPTS": strconv.Itoa(attempt),
		"SCHEDULED_TIME": nominal.Format(time.RFC3339), "SCHEDULE_ARN": one.arn, "TARGET_ARN": one.target,
	}) != nil {
		s.count(one, "InvocationsFailedToBeSentToDeadLetterCount")
		return
	}
	s.count(one, "InvocationsSentToDeadLetterCount")
}

func (s *scheduler) count(one *scheduled, metric string) {
	s.samples.Put(alarm.Metric{
		Namespace: "AWS/Scheduler", Name: metric, Dimensions: []alarm.Dimension{{Name: "ScheduleGroup", Value: one.group}},
	}, s.timeline.Now(), alarm.Value(1))
}

// start invokes a schedule's target with the schedule's role.
func (s *scheduler) start(ctx context.Context, one *scheduled, input string) error {
	// "aws:SourceArn" is the schedule's group (Scheduler User Guide, "Confused deputy prevention").
	if !s.account.assumes("scheduler.amazonaws.com", one.role, s.account.arn("scheduler", "schedule-group/"+one.group)) {
		return fmt.Errorf("AccessDeniedException: EventBridge Scheduler may not assume the role %s", one.role)
	}
	if strings.HasSuffix(one.target, rotateSecret) {
		return s.startRotation(ctx, one, input)
	}
	if !s.targets.exists(one.target) {
		return fmt.Errorf("ResourceNotFoundException: Function not found: %s", one.target)
	}
	if err := s.permit(one, "lambda:InvokeFunction", one.target); err != nil {
		return err
	}
	return s.targets.accept(ctx, one.target, input)
}

// startRotation is the universal target for RotateSecret. The API asks for the right to invoke the rotation function
// too.
func (s *scheduler) startRotation(ctx context.Context, one *scheduled, input string) error {
	var request struct{ SecretID string }
	if err := json.Unmarshal([]byte(input), &request); err != nil {
		return fmt.Errorf("ValidationException: %w", err)
	}
	secret, ok := s.secrets.Secret(request.SecretID)
	if !ok {
		return errors.New("ResourceNotFoundException: Secrets Manager can't find the specified secret.")
	}
	if err := s.permit(one, "secretsmanager:RotateSecret", secret.ARN); err != nil {
		return err
	}
	if err := s.permit(one, "lambda:InvokeFunction", secret.RotationLambdaARN); err != nil {
		return err
	}
	before := len(s.secrets.Rotations())
	err := s.secrets.RotateSecret(ctx, request.SecretID)
	// a request that is rejected resumes the rotation that was left behind
	for _, r := range s.secrets.Rotations()[before:] {
		s.journal.observe(Event{At: r.At, Rotation: &r})
	}
	return err
}

func (s *scheduler) permit(one *scheduled, action, resource string) error {
	if s.account.allows(one.role, action, resource, nil) {
		return nil
	}
	return fmt.Errorf(
		"AccessDeniedException: %s is not authorized to perform: %s on resource: %s", one.role, action, resource,
	)
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

// executionID differs for each attempt.
func (s *scheduled) executionID(nominal time.Time, attempt int) string {
	h := fnv.New64a()
	_, _ = fmt.Fprintf(h, "%s %d", s.arn, nominal.Unix()) // a hash accepts everything
	return fmt.Sprintf("%016x-%d", h.Sum64(), attempt+1)
}
