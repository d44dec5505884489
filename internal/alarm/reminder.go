// Package alarm cycles an ongoing alarm through its states, so that its notification is repeated: CloudWatch acts on
// state changes only, and an ongoing rejection sends one email. The alarm itself belongs to the template; this package
// neither creates nor evaluates alarms. At most one reminder goes out in the configured time, whatever number of jobs
// and environments share the alarm, and an unfinished reminder is finished by the next rejected run. What it does
// changes no run: its panics, hangs and failures are log lines (package isolate).
package alarm

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"log/slog"
	"math/rand/v2"
	"strings"
	"sync"
	"time"

	"github.com/aws/aws-sdk-go-v2/aws"
	"github.com/aws/aws-sdk-go-v2/service/cloudwatch"
	"github.com/aws/aws-sdk-go-v2/service/cloudwatch/types"

	"github.com/cronbearer/cronbearer/internal/isolate"
	"github.com/cronbearer/cronbearer/internal/redact"
	"github.com/cronbearer/cronbearer/internal/retry"
)

// CloudWatch is the part of *cloudwatch.Client that reminding calls.
type CloudWatch interface {
	DescribeAlarms(
		context.Context, *cloudwatch.DescribeAlarmsInput, ...func(*cloudwatch.Options),
	) (*cloudwatch.DescribeAlarmsOutput, error)
	SetAlarmState(
		context.Context, *cloudwatch.SetAlarmStateInput, ...func(*cloudwatch.Options),
	) (*cloudwatch.SetAlarmStateOutput, error)
}

const (
	// reminderMark begins every reason that a reminder writes, so that a run recognizes an unfinished reminder.
	reminderMark = "Reminder: "
	alarmTries   = 3
	maxSpread    = 3 * time.Second
	maxReason    = 1023 // CloudWatch API Reference, SetAlarmState

	// remindLimit is the longest time for a reminder: the spread, two DescribeAlarms and four changes of its state, with
	// two tries of 2.5 s each.
	remindLimit = 40 * time.Second

	// recheckAfter is how long the same environment does not describe an alarm that needs no reminder again, unless it
	// becomes due earlier: DescribeAlarms has the lowest quota of all calls of a run, and a dead token with a job every
	// second would exhaust it.
	recheckAfter = 5 * time.Minute
)

// Reminder repeats the notification of an ongoing rejection alarm. CloudWatch acts on state changes only, so it moves
// the alarm through INSUFFICIENT_DATA, which has no action, back to ALARM.
type Reminder struct {
	api    CloudWatch
	prefix string // of the alarm's name; the token's name follows
	after  time.Duration
	now    func() time.Time
	sleep  func(context.Context, time.Duration) bool
	spread func() time.Duration
	log    *slog.Logger

	mu    sync.Mutex
	quiet map[string]time.Time // by alarm: until when it is not described again
}

// NewReminder returns a Reminder. With an empty prefix or an after of 0 it never reminds.
func NewReminder(
	api CloudWatch, prefix string, after time.Duration, now func() time.Time,
	sleep func(context.Context, time.Duration) bool, log *slog.Logger,
) *Reminder {
	return &Reminder{
		api: api, prefix: prefix, after: after, now: now, sleep: sleep, log: log, quiet: map[string]time.Time{},
		spread: func() time.Duration { return rand.N(maxSpread) }, //nolint:gosec // jitter needs no secrecy
	}
}

// Rejection is what a reminder reports.
type Rejection struct{ Token, Job, Version string }

// Remind sends at most one reminder per period of after. Call it after the rejection's datum is stored. A failure,
// a panic or a hang of what it calls is logged and changes nothing.
func (r *Reminder) Remind(ctx context.Context, rejection Rejection) {
	name := r.prefix + rejection.Token
	if r.prefix == "" || r.after == 0 || r.isQuiet(name) {
		return
	}
	within, cancel := retry.WithMargin(ctx, isolate.LastWords)
	defer cancel()
	err := isolate.Run(within, remindLimit, func(ctx context.Context) error {
		seen, err := r.remind(ctx, name, rejection)
		if err == nil {
			r.rest(name, seen)
		}
		return err
	})
	if err != nil {
		r.log.WarnContext(ctx, "no reminder was sent", "alarm", name, "error", err.Error())
	}
}

// rest leaves the alarm alone for a while, or until its reminder is due.
func (r *Reminder) rest(name string, seen *types.MetricAlarm) {
	until := r.now().Add(recheckAfter)
	if due := r.dueAt(seen); due.Before(until) {
		until = due
	}
	r.mu.Lock()
	defer r.mu.Unlock()
	r.quiet[name] = until
}

func (r *Reminder) isQuiet(name string) bool {
	r.mu.Lock()
	defer r.mu.Unlock()
	left := r.quiet[name].Sub(r.now())
	return 0 < left && left <= recheckAfter
}

// remind returns the alarm as last seen. Whoever finds a reminder that another run began and did not finish completes
// it, without waiting for its time.
func (r *Reminder) remind(ctx context.Context, name string, rejection Rejection) (*types.MetricAlarm, error) {
	alarm, err := r.describe(ctx, name)
	if err != nil {
		return nil, err
	}
	if stoppedHalfway(alarm) {
		return alarm, r.alarm(ctx, name, rejection, r.since(alarm))
	}
	if !r.due(alarm) {
		return alarm, nil
	}
	// Many jobs with one token start together: the first to wake reminds, the others then see its change.
	if !r.sleep(ctx, r.spread()) {
		return nil, ctx.Err()
	}
	if alarm, err = r.describe(ctx, name); err != nil {
		return nil, err
	}
	since := r.since(alarm)
	if !stoppedHalfway(alarm) {
		if !r.due(alarm) {
			return alarm, nil
		}
		if err := r.set(
			ctx, name, types.StateValueInsufficientData, "the alarm fires again immediately.", since,
		); err != nil {
			return nil, err
		}
	}
	return nil, r.alarm(ctx, name, rejection, since)
}

func (r *Reminder) describe(ctx context.Context, name string) (*types.MetricAlarm, error) {
	out, err := r.api.DescribeAlarms(
		ctx,
		&cloudwatch.DescribeAlarmsInput{
			AlarmNames: []string{name}, AlarmTypes: []types.AlarmType{types.AlarmTypeMetricAlarm},
		},
	)
	if err != nil {
		return nil, fmt.Errorf("describe alarms: %w", redact.AWS(err))
	}
	for i := range out.MetricAlarms {
		if aws.ToString(out.MetricAlarms[i].AlarmName) == name {
			return &out.MetricAlarms[i], nil
		}
	}
	return nil, errors.New("describe alarms: there is no alarm of this name")
}

// stoppedHalfway reports whether a reminder has left the alarm without an action, in INSUFFICIENT_DATA.
func stoppedHalfway(alarm *types.MetricAlarm) bool {
	return alarm.StateValue == types.StateValueInsufficientData &&
		strings.HasPrefix(aws.ToString(alarm.StateReason), reminderMark)
}

func (r *Reminder) due(alarm *types.MetricAlarm) bool {
	return alarm.StateValue == types.StateValueAlarm && alarm.StateTransitionedTimestamp != nil &&
		r.now().After(r.dueAt(alarm))
}

// dueAt returns when the reminder of an ongoing alarm is due. One that has just been set, or is not in ALARM, gets its
// full time.
func (r *Reminder) dueAt(alarm *types.MetricAlarm) time.Time {
	if alarm == nil || alarm.StateValue != types.StateValueAlarm || alarm.StateTransitionedTimestamp == nil {
		return r.now().Add(r.after)
	}
	return alarm.StateTransitionedTimestamp.Add(r.after)
}

// reasonData carries the first rejection's time from one reminder to the next: each resets the transition time.
type reasonData struct {
	RejectedSince time.Time `json:"rejectedSince"`
}

// since returns when the token was first rejected: the time of the last transition would be that of the previous
// reminder. CloudWatch's own data have no such member.
func (r *Reminder) since(alarm *types.MetricAlarm) time.Time {
	var data reasonData
	if json.Unmarshal([]byte(aws.ToString(alarm.StateReasonData)), &data) == nil && !data.RejectedSince.IsZero() {
		return data.RejectedSince.UTC()
	}
	if alarm.StateTransitionedTimestamp != nil {
		return alarm.StateTransitionedTimestamp.UTC()
	}
	return r.now()
}

// alarm sets ALARM. It is tried three times, as an alarm left in INSUFFICIENT_DATA would stay silent; the next
// rejected run repairs that too.
func (r *Reminder) alarm(ctx context.Context, name string, rejection Rejection, since time.Time) error {
	version := ""
	if rejection.Version != "" {
		version = ", with version " + rejection.Version + " of its secret"
	}
	text := fmt.Sprintf("token %s is still rejected after %s, since %s. Job %s was rejected again%s.",
		rejection.Token, span(r.now().Sub(since)), since.Format(time.RFC3339), rejection.Job, version)
	var err error
	for range alarmTries {
		if err = r.set(ctx, name, types.StateValueAlarm, text, since); err == nil || ctx.Err() != nil {
			return err
		}
	}
	return err
}

func (r *Reminder) set(ctx context.Context, name string, state types.StateValue, text string, since time.Time) error {
	data, err := json.Marshal(reasonData{since.Truncate(time.Second)})
	if err != nil {
		return err
	}
	reason := reminderMark + text
	_, err = r.api.SetAlarmState(ctx, &cloudwatch.SetAlarmStateInput{
		AlarmName: aws.String(name), StateValue: state, StateReason: aws.String(reason[:min(len(reason), maxReason)]),
		StateReasonData: aws.String(string(data)),
	})
	if err != nil {
		return fmt.Errorf("set alarm state %s: %w", state, redact.AWS(err))
	}
	return nil
}

// span writes a duration in words: 3 days 4 hours, 5 hours, 12 minutes.
func span(d time.Duration) string {
	plural := func(n int, unit string) string {
		if n == 1 {
			return "1 " + unit
		}
		return fmt.Sprintf("%d %ss", n, unit)
	}
	hours := int(d / time.Hour)
	switch {
	case hours >= 24 && hours%24 != 0:
		return plural(hours/24, "day") + " " + plural(hours%24, "hour")
	case hours >= 24:
		return plural(hours/24, "day")
	case hours >= 1:
		return plural(hours, "hour")
	default:
		return plural(int(d/time.Minute), "minute")
	}
}
