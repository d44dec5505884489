package alarm_test

import (
	"bytes"
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"log/slog"
	"strings"
	"sync"
	"testing"
	"testing/synctest"
	"time"

	"github.com/aws/aws-sdk-go-v2/aws"
	"github.com/aws/aws-sdk-go-v2/service/cloudwatch"
	"github.com/aws/aws-sdk-go-v2/service/cloudwatch/types"
	"github.com/aws/smithy-go"
	"github.com/google/go-cmp/cmp"

	"github.com/cronbearer/cronbearer/internal/alarm"
)

var start = time.Date(2026, 11, 24, 9, 0, 10, 0, time.UTC)

const (
	prefix    = "S-TokenRejected-"
	alarmName = prefix + "T"
	remindIn  = 20 * time.Hour
)

// alarms is CloudWatch's side: one alarm, its transitions, and the messages that they send.
type alarms struct {
	t   *testing.T
	now func() time.Time

	mu        sync.Mutex
	alarm     *types.MetricAlarm // nil: there is none
	describes int
	sets      []*cloudwatch.SetAlarmStateInput
	messages  int // changes to ALARM
	denied    error
	setFails  func(n int) error // of the n-th SetAlarmState, from 1
	describe  func(n int)       // before the n-th DescribeAlarms, from 1
}

func newAlarms(t *testing.T, now func() time.Time, state types.StateValue, since time.Duration) *alarms {
	t.Helper()
	return &alarms{t: t, now: now, alarm: &types.MetricAlarm{
		AlarmName: aws.String(alarmName), StateValue: state, StateTransitionedTimestamp: aws.Time(now().Add(-since)),
		// What CloudWatch itself writes there.
		StateReason: aws.String(
			"Threshold Crossed: 1 datapoint [1.0 (24/11/26 09:00:00)] was greater than or equal to the threshold (1.0).",
		),
		StateReasonData: aws.String(
			`{"version":"1.0","queryDate":"2026-11-24T09:01:12.345+0000","recentDatapoints":[1.0],"threshold":1.0}`,
		),
	}}
}

func (a *alarms) DescribeAlarms(
	_ context.Context, in *cloudwatch.DescribeAlarmsInput, _ ...func(*cloudwatch.Options),
) (*cloudwatch.DescribeAlarmsOutput, error) {
	a.mu.Lock()
	a.describes++
	n, hook := a.describes, a.describe
	a.mu.Unlock()
	if hook != nil {
		hook(n)
	}
	a.mu.Lock()
	defer a.mu.Unlock()
	if a.denied != nil {
		return nil, a.denied
	}
	if diff := cmp.Diff([]string{alarmName}, in.AlarmNames); diff != "" {
		a.t.Errorf("alarm names (-want +got):\n%s", diff)
	}
	out := &cloudwatch.DescribeAlarmsOutput{}
	if a.alarm != nil {
		out.MetricAlarms = append(out.MetricAlarms, *a.alarm)
	}
	return out, nil
}

func (a *alarms) SetAlarmState(
	_ context.Context, in *cloudwatch.SetAlarmStateInput, _ ...func(*cloudwatch.Options),
) (*cloudwatch.SetAlarmStateOutput, error) {
	a.mu.Lock()
	defer a.mu.Unlock()
	a.sets = append(a.sets, in)
	if a.setFails != nil {
		if err := a.setFails(len(a.sets)); err != nil {
			return nil, err
		}
	}
	if aws.ToString(in.AlarmName) != alarmName || len(aws.ToString(in.StateReason)) > 1023 ||
		!json.Valid([]byte(aws.ToString(in.StateReasonData))) {
		a.t.Errorf("CloudWatch would reject %+v", in)
	}
	if a.alarm.StateValue != in.StateValue {
		a.alarm.StateTransitionedTimestamp = aws.Time(a.now())
		if in.StateValue == types.StateValueAlarm {
			a.messages++
		}
	}
	a.alarm.StateValue, a.alarm.StateReason, a.alarm.StateReasonData = in.StateValue, in.StateReason, in.StateReasonData
	return &cloudwatch.SetAlarmStateOutput{}, nil
}

func (a *alarms) states() []types.StateValue {
	var list []types.StateValue
	for _, s := range a.sets {
		list = append(list, s.StateValue)
	}
	return list
}

var (
	rejection = alarm.Rejection{Token: "T", Job: "J", Version: "v1"}
	bothSteps = []types.StateValue{types.StateValueInsufficientData, types.StateValueAlarm}
)

func fixed() time.Time { return start }

// reminder makes one whose wait is a second, and returns what it logs.
func reminder(a *alarms, now func() time.Time) (*alarm.Reminder, *bytes.Buffer, *[]time.Duration) {
	out, waits := &bytes.Buffer{}, &[]time.Duration{}
	r := alarm.NewReminder(a, prefix, remindIn, now, func(_ context.Context, d time.Duration) bool {
		*waits = append(*waits, d)
		return true
	}, slog.New(slog.NewTextHandler(out, nil)))
	r.SpreadBy(func() time.Duration { return time.Second })
	return r, out, waits
}

func TestReminderIsDue(t *testing.T) {
	t.Parallel()
	cases := map[string]struct {
		state types.StateValue
		since time.Duration
		want  []types.StateValue
	}{
		"longer than REMIND_AFTER":       {state: types.StateValueAlarm, since: remindIn + time.Second, want: bothSteps},
		"exactly":                        {state: types.StateValueAlarm, since: remindIn, want: nil},
		"an hour":                        {state: types.StateValueAlarm, since: time.Hour, want: nil},
		"OK for days":                    {state: types.StateValueOk, since: 100 * time.Hour, want: nil},
		"INSUFFICIENT_DATA of AWS's own": {state: types.StateValueInsufficientData, since: 100 * time.Hour, want: nil},
	}
	for name, c := range cases {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			a := newAlarms(t, fixed, c.state, c.since)
			r, out, waits := reminder(a, fixed)
			r.Remind(t.Context(), rejection)
			if diff := cmp.Diff(c.want, a.states()); diff != "" {
				t.Errorf("states (-want +got):\n%s", diff)
			}
			if out.Len() > 0 {
				t.Errorf("logged: %s", out)
			}
			if acts := c.want != nil; acts != (len(*waits) == 1 && a.describes == 2 && a.messages == 1) || !acts &&
				(len(*waits) > 0 || a.describes != 1) {
				t.Errorf("%d waits, %d reads, %d messages", len(*waits), a.describes, a.messages)
			}
		})
	}
}

func TestReminderSaysWhatItIsAbout(t *testing.T) {
	t.Parallel()
	a := newAlarms(t, fixed, types.StateValueAlarm, 76*time.Hour)
	r, _, _ := reminder(a, fixed)
	r.Remind(t.Context(), rejection)
	for i, set := range a.sets {
		if !strings.HasPrefix(aws.ToString(set.StateReason), "Reminder: ") {
			t.Errorf("reason %d: %s", i, aws.ToString(set.StateReason))
		}
		if got := aws.ToString(set.StateReasonData); got != `{"rejectedSince":"2026-11-21T05:00:10Z"}` {
			t.Errorf("reason data %d: %s", i, got)
		}
	}
	want := "Reminder: token T is still rejected after 3 days 4 hours, since 2026-11-21T05:00:10Z. Job J was rejected " +
		"again, with version v1 of its secret."
	if got := aws.ToString(a.sets[1].StateReason); got != want {
		t.Errorf("reason %q, want %q", got, want)
	}
	a = newAlarms(t, fixed, types.StateValueAlarm, 76*time.Hour)
	r, _, _ = reminder(a, fixed)
	r.Remind(t.Context(), alarm.Rejection{Token: "T", Job: "J"})
	if got := aws.ToString(a.sets[1].StateReason); strings.Contains(got, "version") {
		t.Errorf("an unknown version is named: %s", got)
	}
}

// A dead token on a job of every second must not use up the account's DescribeAlarms, of which there are few.
func TestAlarmThatNeedsNothingIsLookedAtOnceInFiveMinutes(t *testing.T) {
	t.Parallel()
	type step struct {
		what      string
		pass      time.Duration
		describes int // in all
		messages  int
	}
	for name, c := range map[string]struct {
		state types.StateValue
		since time.Duration
		steps []step
	}{
		"far from due": {state: types.StateValueAlarm, since: time.Hour, steps: []step{
			{"the first look", 0, 1, 0},
			{"a second later", time.Second, 1, 0},
			{"just before five minutes", 5*time.Minute - time.Second - 1, 1, 0},
			{"after five minutes", 1, 2, 0},
			{"the clock went back", -time.Hour, 3, 0},
		}},
		"due within five minutes": {state: types.StateValueAlarm, since: remindIn - time.Minute, steps: []step{
			{"the first look", 0, 1, 0},
			{"a second before it is due", 59 * time.Second, 1, 0},
			{"due", time.Second + 1, 3, 1},
			{"a second after the reminder", time.Second, 3, 1},
			{"five minutes after it", 5 * time.Minute, 4, 1},
		}},
		"not in ALARM yet": {state: types.StateValueOk, since: 100 * time.Hour, steps: []step{
			{"the first look", 0, 1, 0},
			{"a minute later", time.Minute, 1, 0},
			{"after five minutes", 4 * time.Minute, 2, 0},
		}},
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			now := start
			clock := func() time.Time { return now }
			a := newAlarms(t, clock, c.state, c.since)
			r, out, _ := reminder(a, clock)
			for _, step := range c.steps {
				now = now.Add(step.pass)
				r.Remind(t.Context(), rejection)
				if a.describes != step.describes || a.messages != step.messages {
					t.Errorf(
						"%s: %d reads and %d messages, want %d and %d", step.what, a.describes, a.messages, step.describes,
						step.messages,
					)
				}
			}
			if out.Len() > 0 {
				t.Errorf("logged: %s", out)
			}
		})
	}
}

func TestAlarmIsLookedAtAgainAtOnceAfterAFailure(t *testing.T) {
	t.Parallel()
	a := newAlarms(t, fixed, types.StateValueAlarm, 21*time.Hour)
	a.denied = errors.New("Throttling")
	r, _, _ := reminder(a, fixed)
	r.Remind(t.Context(), rejection)
	a.denied = nil
	r.Remind(t.Context(), rejection)
	if a.messages != 1 {
		t.Errorf("%d messages, want 1", a.messages)
	}
}

func TestShortReminderIntervalIsKept(t *testing.T) {
	t.Parallel()
	now := start
	a := newAlarms(t, func() time.Time { return now }, types.StateValueAlarm, 0)
	r := alarm.NewReminder(a, prefix, time.Minute, func() time.Time {
		return now
	}, func(context.Context, time.Duration) bool { return true }, slog.Default())
	for range 10 {
		now = now.Add(61 * time.Second)
		r.Remind(t.Context(), rejection)
	}
	if a.messages != 10 {
		t.Errorf("%d reminders, want 10", a.messages)
	}
}

func TestHowLongIsWrittenForPeople(t *testing.T) {
	t.Parallel()
	for since, want := range map[time.Duration]string{
		20*time.Hour + 59*time.Minute: "after 20 hours,", 24 * time.Hour: "after 1 day,",
		25 * time.Hour:                "after 1 day 1 hour,",
		48*time.Hour + 30*time.Minute: "after 2 days,", 1000 * time.Hour: "after 41 days 16 hours,",
	} {
		a := newAlarms(t, fixed, types.StateValueAlarm, since)
		r, _, _ := reminder(a, fixed)
		r.Remind(t.Context(), rejection)
		if got := aws.ToString(a.sets[1].StateReason); !strings.Contains(got, want) {
			t.Errorf("%s: %s", since, got)
		}
	}
}

// Each reminder resets the transition time, so the first rejection's time must travel.
func TestRejectionIsDatedFromItsBeginning(t *testing.T) {
	t.Parallel()
	now := start
	clock := func() time.Time { return now }
	a := newAlarms(t, clock, types.StateValueAlarm, 0)
	r, _, _ := reminder(a, clock)
	for hour := 1; hour <= 100; hour++ { // an hourly job
		now = start.Add(time.Duration(hour)*time.Hour + time.Minute)
		r.Remind(t.Context(), rejection)
	}
	if a.messages != 4 {
		t.Errorf("%d reminders in 100 hours, want one in each 20", a.messages)
	}
	for _, set := range a.sets {
		if got := aws.ToString(set.StateReasonData); got != `{"rejectedSince":"2026-11-24T09:00:10Z"}` {
			t.Errorf("reason data %s", got)
		}
	}
	if got := aws.ToString(a.sets[len(a.sets)-1].StateReason); !strings.Contains(
		got, "after 3 days 11 hours, since 2026-11-24T09:00:10Z",
	) {
		t.Errorf("last reason %s", got)
	}
	// The next rejection is another one: CloudWatch's own data have no rejectedSince.
	now = now.Add(200 * time.Hour)
	a.alarm = newAlarms(t, clock, types.StateValueAlarm, 21*time.Hour).alarm
	r.Remind(t.Context(), rejection)
	if got := aws.ToString(a.sets[len(a.sets)-1].StateReason); !strings.Contains(got, "after 21 hours") {
		t.Errorf("reason %s", got)
	}
}

func TestReminderIsSwitchedOff(t *testing.T) {
	t.Parallel()
	for name, r := range map[string]func(*alarms) *alarm.Reminder{
		"REMIND_AFTER 0": func(a *alarms) *alarm.Reminder {
			return alarm.NewReminder(a, prefix, 0, fixed, nil, slog.Default())
		},
		"ALARM_PREFIX empty": func(a *alarms) *alarm.Reminder {
			return alarm.NewReminder(a, "", remindIn, fixed, nil, slog.Default())
		},
	} {
		a := newAlarms(t, fixed, types.StateValueAlarm, 100*time.Hour)
		r(a).Remind(t.Context(), rejection)
		if a.describes != 0 || len(a.sets) != 0 {
			t.Errorf("%s: %d reads, %d sets", name, a.describes, len(a.sets))
		}
	}
}

func TestSpreadIsUpToThreeSeconds(t *testing.T) {
	t.Parallel()
	r := alarm.NewReminder(nil, prefix, remindIn, fixed, nil, slog.Default())
	least, most := time.Hour, time.Duration(0)
	for range 2000 {
		d := r.Spread()
		least, most = min(least, d), max(most, d)
	}
	if least < 0 || least > 300*time.Millisecond || most >= 3*time.Second || most < 2700*time.Millisecond {
		t.Errorf("waits from %s to %s", least, most)
	}
}

// Another run may remind, or the token recover, while this one waits.
func TestAlarmIsReadAgainAfterTheWait(t *testing.T) {
	t.Parallel()
	changes := map[string]struct {
		change func(*alarms)
		want   []types.StateValue
	}{
		"reminded by another run": {change: func(a *alarms) {
			a.alarm.StateTransitionedTimestamp = aws.Time(start)
		}, want: nil},
		"recovered": {change: func(a *alarms) { a.alarm.StateValue = types.StateValueOk }, want: nil},
		"another run is between its two calls": {change: func(a *alarms) {
			a.alarm.StateValue, a.alarm.StateReason = types.StateValueInsufficientData, aws.String("Reminder: x")
		}, want: []types.StateValue{types.StateValueAlarm}},
	}
	for name, c := range changes {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			a := newAlarms(t, fixed, types.StateValueAlarm, 21*time.Hour)
			a.describe = func(n int) {
				if n == 2 {
					a.mu.Lock()
					defer a.mu.Unlock()
					c.change(a)
				}
			}
			r, _, _ := reminder(a, fixed)
			r.Remind(t.Context(), rejection)
			if diff := cmp.Diff(c.want, a.states()); diff != "" {
				t.Errorf("states (-want +got):\n%s", diff)
			}
		})
	}
}

func TestTenJobsRemindOnce(t *testing.T) {
	t.Parallel()
	synctest.Test(t, func(t *testing.T) {
		a := newAlarms(t, time.Now, types.StateValueAlarm, 21*time.Hour)
		var wg sync.WaitGroup
		for i := range 10 {
			wg.Go(func() {
				r := alarm.NewReminder(a, prefix, remindIn, time.Now, func(_ context.Context, d time.Duration) bool {
					time.Sleep(d + time.Duration(i)) // no two at the same nanosecond
					return true
				}, slog.Default())
				r.Remind(t.Context(), alarm.Rejection{Token: "T", Job: fmt.Sprintf("J%d", i)})
			})
		}
		wg.Wait()
		if a.messages != 1 {
			t.Errorf("%d messages, want 1: %v", a.messages, a.states())
		}
	})
}

func TestReminderThatStoppedHalfway(t *testing.T) {
	t.Parallel()
	a := newAlarms(t, fixed, types.StateValueAlarm, 21*time.Hour)
	a.setFails = func(n int) error {
		if n > 1 {
			return errors.New("throttled")
		}
		return nil
	}
	r, out, _ := reminder(a, fixed)
	r.Remind(t.Context(), rejection)
	want := []types.StateValue{
		types.StateValueInsufficientData, types.StateValueAlarm, types.StateValueAlarm, types.StateValueAlarm,
	}
	if diff := cmp.Diff(want, a.states()); diff != "" {
		t.Errorf("states (-want +got):\n%s", diff)
	}
	if text := out.String(); strings.Count(text, "level=WARN") != 1 || !strings.Contains(text, alarmName) ||
		!strings.Contains(text, "throttled") {
		t.Errorf("log: %s", text)
	}
	// The next rejected run repairs it at once, without a wait, and knows since when.
	a.sets, a.setFails = nil, nil
	r, out, waits := reminder(a, fixed)
	r.Remind(t.Context(), rejection)
	if diff := cmp.Diff([]types.StateValue{types.StateValueAlarm}, a.states()); diff != "" {
		t.Errorf("states (-want +got):\n%s", diff)
	}
	if len(*waits) != 0 || a.messages != 1 || out.Len() > 0 {
		t.Errorf("%d waits, %d messages, log %s", len(*waits), a.messages, out)
	}
	if got := aws.ToString(a.sets[0].StateReason); !strings.Contains(got, "after 21 hours") {
		t.Errorf("reason %s", got)
	}
}

func TestSecondStepIsTriedThreeTimes(t *testing.T) {
	t.Parallel()
	a := newAlarms(t, fixed, types.StateValueAlarm, 21*time.Hour)
	a.setFails = func(n int) error {
		if n == 2 || n == 3 {
			return errors.New("throttled")
		}
		return nil
	}
	r, out, _ := reminder(a, fixed)
	r.Remind(t.Context(), rejection)
	if a.messages != 1 || len(a.sets) != 4 || out.Len() > 0 {
		t.Errorf("%d messages, %d sets, log %s", a.messages, len(a.sets), out)
	}
}

func TestFailureToRemindIsLoggedAndChangesNothing(t *testing.T) {
	t.Parallel()
	cases := map[string]struct {
		spoil func(*alarms)
		says  string
	}{
		"DescribeAlarms denied": {spoil: func(a *alarms) {
			a.denied = errors.New("AccessDenied")
		}, says: "describe alarms: AccessDenied"},
		"DescribeAlarms denied the second time": {spoil: func(a *alarms) {
			a.describe = func(n int) {
				if n == 2 {
					a.mu.Lock()
					defer a.mu.Unlock()
					a.denied = errors.New("AccessDenied")
				}
			}
		}, says: "describe alarms: AccessDenied"},
		"no such alarm": {spoil: func(a *alarms) { a.alarm = nil }, says: "there is no alarm of this name"},
		"only one like it": {spoil: func(a *alarms) {
			a.alarm.AlarmName = aws.String(alarmName + "2")
		}, says: "there is no alarm of this name"},
		"first SetAlarmState": {spoil: func(a *alarms) {
			a.setFails = func(int) error { return errors.New("AccessDenied") }
		}, says: "set alarm state INSUFFICIENT_DATA: AccessDenied"},
	}
	for name, c := range cases {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			a := newAlarms(t, fixed, types.StateValueAlarm, 21*time.Hour)
			c.spoil(a)
			r, out, _ := reminder(a, fixed)
			r.Remind(t.Context(), rejection)
			if text := out.String(); strings.Count(text, "level=WARN") != 1 || !strings.Contains(text, c.says) ||
				!strings.Contains(text, alarmName) {
				t.Errorf("log: %s", text)
			}
			if len(a.sets) > 1 || a.messages > 0 || a.alarm != nil && a.alarm.StateValue != types.StateValueAlarm {
				t.Errorf("sets %v", a.states())
			}
		})
	}
}

// The log line and the answer to Lambda need the last moments of a function's time.
func TestReminderLeavesTimeForTheLastWords(t *testing.T) {
	t.Parallel()
	synctest.Test(t, func(t *testing.T) {
		a := newAlarms(t, time.Now, types.StateValueAlarm, 21*time.Hour)
		ctx, cancel := context.WithTimeout(t.Context(), 2*time.Second)
		defer cancel()
		r := alarm.NewReminder(a, prefix, remindIn, time.Now, func(ctx context.Context, _ time.Duration) bool {
			<-ctx.Done()
			return false
		}, slog.New(slog.DiscardHandler))
		started := time.Now()
		r.Remind(ctx, rejection)
		if took := time.Since(started); took != 1700*time.Millisecond {
			t.Errorf("ended after %s of 2s, want 300ms left", took)
		}
	})
}

func TestReminderEndsWithTheRun(t *testing.T) {
	t.Parallel()
	a := newAlarms(t, fixed, types.StateValueAlarm, 21*time.Hour)
	ctx, cancel := context.WithCancel(t.Context())
	out := &bytes.Buffer{}
	r := alarm.NewReminder(a, prefix, remindIn, fixed, func(context.Context, time.Duration) bool {
		cancel()
		return false
	}, slog.New(slog.NewTextHandler(out, nil)))
	r.Remind(ctx, rejection)
	if len(a.sets) != 0 || !strings.Contains(out.String(), "context canceled") {
		t.Errorf("sets %v, log %s", a.states(), out)
	}
}

// Whatever CloudWatch's client does, Remind comes back in time and logs one line.
func TestRemindNeitherPanicsNorHangs(t *testing.T) {
	t.Parallel()
	const canonical = "The request signature we calculated does not match the signature you provided. Check your " +
		"key.\n\n" +
		"The Canonical String for this request should have been\n'POST\nx-amz-security-token:IQoJb3JpZ2luX2Vj\n'"
	for name, c := range map[string]struct {
		describe func(n int)
		denied   error
		want     string
		took     time.Duration
	}{
		"it panics": {describe: func(int) { panic("no schema") }, want: "internal error: panic: no schema"},
		"it panics after the wait": {
			describe: func(n int) {
				if n == 2 {
					panic("no schema")
				}
			},
			want: "internal error: panic: no schema",
		},
		"it hangs": {describe: func(int) {
			time.Sleep(time.Hour)
		}, want: "it did not return in time", took: 40*time.Second + 100*time.Millisecond},
		"it fails with the canonical request": {
			denied: &smithy.GenericAPIError{Code: "InvalidSignatureException", Message: canonical},
			want: "describe alarms: InvalidSignatureException: The request signature we calculated does not match the " +
				"signature you provided",
		},
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			synctest.Test(t, func(t *testing.T) {
				a := newAlarms(t, time.Now, types.StateValueAlarm, 21*time.Hour)
				a.describe, a.denied = c.describe, c.denied
				r, out, _ := reminder(a, time.Now)
				begin := time.Now()
				r.Remind(t.Context(), rejection)
				if took := time.Since(begin); took != c.took {
					t.Errorf("it took %s, want %s", took, c.took)
				}
				if line := out.String(); strings.Count(line, "\n") != 1 ||
					!strings.HasSuffix(line, fmt.Sprintf("error=%q\n", c.want)) || !strings.Contains(line, "level=WARN") {
					t.Error(line)
				}
				time.Sleep(2 * time.Hour) // hanging calls return
			})
		})
	}
}
