package alarm_test

import (
	"bytes"
	"context"
	"errors"
	"fmt"
	"log/slog"
	"strings"
	"sync"
	"testing"
	"testing/synctest"
	"time"

	"github.com/aws/aws-sdk-go-v2/aws"
	"github.com/aws/aws-sdk-go-v2/service/cloudwatch/types"
	"github.com/aws/smithy-go"
	"github.com/google/go-cmp/cmp"

	"github.com/cronbearer/cronbearer/internal/alarm"
	"github.com/cronbearer/cronbearer/internal/dev/cwfake"
)

var start = time.Date(2026, 11, 24, 9, 0, 10, 0, time.UTC)

const (
	prefix    = "S-TokenRejected-"
	alarmName = prefix + "T"
	remindIn  = 20 * time.Hour
)

// newAlarms is CloudWatch with the token's alarm, since some time in a state.
func newAlarms(
	t *testing.T, now func() time.Time, state types.StateValue, since time.Duration,
) *cwfake.CloudWatch {
	t.Helper()
	a := cwfake.New(t, now)
	a.Alarm = cwfake.Alarming(alarmName, state, now().Add(-since))
	return a
}

func states(a *cwfake.CloudWatch) []types.StateValue {
	var list []types.StateValue
	for _, s := range a.Sets {
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
func reminder(a *cwfake.CloudWatch, now func() time.Time) (*alarm.Reminder, *bytes.Buffer, *[]time.Duration) {
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
			if diff := cmp.Diff(c.want, states(a)); diff != "" {
				t.Errorf("states (-want +got):\n%s", diff)
			}
			if out.Len() > 0 {
				t.Errorf("logged: %s", out)
			}
			if acts := c.want != nil; acts != (len(*waits) == 1 && a.Describes == 2 && a.Messages == 1) || !acts &&
				(len(*waits) > 0 || a.Describes != 1) {
				t.Errorf("%d waits, %d reads, %d messages", len(*waits), a.Describes, a.Messages)
			}
		})
	}
}

func TestReminderSaysWhatItIsAbout(t *testing.T) {
	t.Parallel()
	a := newAlarms(t, fixed, types.StateValueAlarm, 76*time.Hour)
	r, _, _ := reminder(a, fixed)
	r.Remind(t.Context(), rejection)
	for i, set := range a.Sets {
		if !strings.HasPrefix(aws.ToString(set.StateReason), "Reminder: ") {
			t.Errorf("reason %d: %s", i, aws.ToString(set.StateReason))
		}
		if got := aws.ToString(set.StateReasonData); got != `{"rejectedSince":"2026-11-21T05:00:10Z"}` {
			t.Errorf("reason data %d: %s", i, got)
		}
	}
	want := "Reminder: token T is still rejected after 3 days 4 hours, since 2026-11-21T05:00:10Z. Job J was rejected " +
		"again, with version v1 of its secret."
	if got := aws.ToString(a.Sets[1].StateReason); got != want {
		t.Errorf("reason %q, want %q", got, want)
	}
	a = newAlarms(t, fixed, types.StateValueAlarm, 76*time.Hour)
	r, _, _ = reminder(a, fixed)
	r.Remind(t.Context(), alarm.Rejection{Token: "T", Job: "J"})
	if got := aws.ToString(a.Sets[1].StateReason); strings.Contains(got, "version") {
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
				if a.Describes != step.describes || a.Messages != step.messages {
					t.Errorf(
						"%s: %d reads and %d messages, want %d and %d", step.what, a.Describes, a.Messages, step.describes,
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
	a.Describe = cwfake.Fail(errors.New("Throttling"))
	r, _, _ := reminder(a, fixed)
	r.Remind(t.Context(), rejection)
	a.Describe = nil
	r.Remind(t.Context(), rejection)
	if a.Messages != 1 {
		t.Errorf("%d messages, want 1", a.Messages)
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
	if a.Messages != 10 {
		t.Errorf("%d reminders, want 10", a.Messages)
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
		if got := aws.ToString(a.Sets[1].StateReason); !strings.Contains(got, want) {
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
	if a.Messages != 4 {
		t.Errorf("%d reminders in 100 hours, want one in each 20", a.Messages)
	}
	for _, set := range a.Sets {
		if got := aws.ToString(set.StateReasonData); got != `{"rejectedSince":"2026-11-24T09:00:10Z"}` {
			t.Errorf("reason data %s", got)
		}
	}
	if got := aws.ToString(a.Sets[len(a.Sets)-1].StateReason); !strings.Contains(
		got, "after 3 days 11 hours, since 2026-11-24T09:00:10Z",
	) {
		t.Errorf("last reason %s", got)
	}
	// The next rejection is another one: CloudWatch's own data have no rejectedSince.
	now = now.Add(200 * time.Hour)
	a.Alarm = newAlarms(t, clock, types.StateValueAlarm, 21*time.Hour).Alarm
	r.Remind(t.Context(), rejection)
	if got := aws.ToString(a.Sets[len(a.Sets)-1].StateReason); !strings.Contains(got, "after 21 hours") {
		t.Errorf("reason %s", got)
	}
}

func TestReminderIsSwitchedOff(t *testing.T) {
	t.Parallel()
	for name, r := range map[string]func(*cwfake.CloudWatch) *alarm.Reminder{
		"REMIND_AFTER 0": func(a *cwfake.CloudWatch) *alarm.Reminder {
			return alarm.NewReminder(a, prefix, 0, fixed, nil, slog.Default())
		},
		"ALARM_PREFIX empty": func(a *cwfake.CloudWatch) *alarm.Reminder {
			return alarm.NewReminder(a, "", remindIn, fixed, nil, slog.Default())
		},
	} {
		a := newAlarms(t, fixed, types.StateValueAlarm, 100*time.Hour)
		r(a).Remind(t.Context(), rejection)
		if a.Describes != 0 || len(a.Sets) != 0 {
			t.Errorf("%s: %d reads, %d sets", name, a.Describes, len(a.Sets))
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
		change func(*cwfake.CloudWatch)
		want   []types.StateValue
	}{
		"reminded by another run": {change: func(a *cwfake.CloudWatch) {
			a.Alarm.StateTransitionedTimestamp = aws.Time(start)
		}, want: nil},
		"recovered": {change: func(a *cwfake.CloudWatch) { a.Alarm.StateValue = types.StateValueOk }, want: nil},
		"another run is between its two calls": {change: func(a *cwfake.CloudWatch) {
			a.Alarm.StateValue, a.Alarm.StateReason = types.StateValueInsufficientData, aws.String("Reminder: x")
		}, want: []types.StateValue{types.StateValueAlarm}},
	}
	for name, c := range changes {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			a := newAlarms(t, fixed, types.StateValueAlarm, 21*time.Hour)
			a.Describe = func(_ context.Context, n int) error {
				if n == 2 {
					a.Lock()
					defer a.Unlock()
					c.change(a)
				}
				return nil
			}
			r, _, _ := reminder(a, fixed)
			r.Remind(t.Context(), rejection)
			if diff := cmp.Diff(c.want, states(a)); diff != "" {
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
		if a.Messages != 1 {
			t.Errorf("%d messages, want 1: %v", a.Messages, states(a))
		}
	})
}

func TestReminderThatStoppedHalfway(t *testing.T) {
	t.Parallel()
	a := newAlarms(t, fixed, types.StateValueAlarm, 21*time.Hour)
	a.Set = func(_ context.Context, n int) error {
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
	if diff := cmp.Diff(want, states(a)); diff != "" {
		t.Errorf("states (-want +got):\n%s", diff)
	}
	if text := out.String(); strings.Count(text, "level=WARN") != 1 || !strings.Contains(text, alarmName) ||
		!strings.Contains(text, "throttled") {
		t.Errorf("log: %s", text)
	}
	// The next rejected run repairs it at once, without a wait, and knows since when.
	a.Sets, a.Set = nil, nil
	r, out, waits := reminder(a, fixed)
	r.Remind(t.Context(), rejection)
	if diff := cmp.Diff([]types.StateValue{types.StateValueAlarm}, states(a)); diff != "" {
		t.Errorf("states (-want +got):\n%s", diff)
	}
	if len(*waits) != 0 || a.Messages != 1 || out.Len() > 0 {
		t.Errorf("%d waits, %d messages, log %s", len(*waits), a.Messages, out)
	}
	if got := aws.ToString(a.Sets[0].StateReason); !strings.Contains(got, "after 21 hours") {
		t.Errorf("reason %s", got)
	}
}

func TestSecondStepIsTriedThreeTimes(t *testing.T) {
	t.Parallel()
	a := newAlarms(t, fixed, types.StateValueAlarm, 21*time.Hour)
	a.Set = func(_ context.Context, n int) error {
		if n == 2 || n == 3 {
			return errors.New("throttled")
		}
		return nil
	}
	r, out, _ := reminder(a, fixed)
	r.Remind(t.Context(), rejection)
	if a.Messages != 1 || len(a.Sets) != 4 || out.Len() > 0 {
		t.Errorf("%d messages, %d sets, log %s", a.Messages, len(a.Sets), out)
	}
}

func TestFailureToRemindIsLoggedAndChangesNothing(t *testing.T) {
	t.Parallel()
	cases := map[string]struct {
		spoil func(*cwfake.CloudWatch)
		says  string
	}{
		"DescribeAlarms denied": {spoil: func(a *cwfake.CloudWatch) {
			a.Describe = cwfake.Fail(errors.New("AccessDenied"))
		}, says: "describe alarms: AccessDenied"},
		"DescribeAlarms denied the second time": {spoil: func(a *cwfake.CloudWatch) {
			a.Describe = func(_ context.Context, n int) error {
				if n == 2 {
					return errors.New("AccessDenied")
				}
				return nil
			}
		}, says: "describe alarms: AccessDenied"},
		"no such alarm": {spoil: func(a *cwfake.CloudWatch) { a.Alarm = nil }, says: "there is no alarm of this name"},
		"only one like it": {spoil: func(a *cwfake.CloudWatch) {
			a.Alarm.AlarmName = aws.String(alarmName + "2")
		}, says: "there is no alarm of this name"},
		"first SetAlarmState": {spoil: func(a *cwfake.CloudWatch) {
			a.Set = cwfake.Fail(errors.New("AccessDenied"))
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
			if len(a.Sets) > 1 || a.Messages > 0 || a.Alarm != nil && a.Alarm.StateValue != types.StateValueAlarm {
				t.Errorf("sets %v", states(a))
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
	if len(a.Sets) != 0 || !strings.Contains(out.String(), "context canceled") {
		t.Errorf("sets %v, log %s", states(a), out)
	}
}

// Whatever CloudWatch's client does, Remind comes back in time and logs one line.
func TestRemindNeitherPanicsNorHangs(t *testing.T) {
	t.Parallel()
	const canonical = "The request signature we calculated does not match the signature you provided. Check your " +
		"key.\n\n" +
		"The Canonical String for this request should have been\n'POST\nx-amz-security-token:IQoJb3JpZ2luX2Vj\n'"
	for name, c := range map[string]struct {
		describe cwfake.Hook
		want     string
		took     time.Duration
	}{
		"it panics": {
			describe: func(context.Context, int) error { panic("no schema") }, want: "internal error: panic: no schema",
		},
		"it panics after the wait": {
			describe: func(_ context.Context, n int) error {
				if n == 2 {
					panic("no schema")
				}
				return nil
			},
			want: "internal error: panic: no schema",
		},
		"it hangs": {describe: func(context.Context, int) error {
			time.Sleep(time.Hour)
			return nil
		}, want: "it did not return in time", took: 40*time.Second + 100*time.Millisecond},
		"it fails with the canonical request": {
			describe: cwfake.Fail(&smithy.GenericAPIError{Code: "InvalidSignatureException", Message: canonical}),
			want: "describe alarms: InvalidSignatureException: The request signature we calculated does not match the " +
				"signature you provided",
		},
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			synctest.Test(t, func(t *testing.T) {
				a := newAlarms(t, time.Now, types.StateValueAlarm, 21*time.Hour)
				a.Describe = c.describe
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
