package alarm_test

import (
	"errors"
	"fmt"
	"math/rand/v2"
	"strings"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"

	"github.com/cronbearer/cronbearer/internal/dev/awssim/alarm"
)

var began = time.Date(2026, 11, 24, 9, 0, 0, 0, time.UTC)

func tokenRejected(token string) alarm.Alarm {
	return alarm.Alarm{
		Name: "one-TokenRejected-" + token, Namespace: "Cronbearer", MetricName: "TokenRejected",
		Dimensions: []alarm.Dimension{{Name: "Stack", Value: "one"}, {Name: "Token", Value: token}},
		Statistic:  "Maximum", Period: time.Minute, EvaluationPeriods: 1, Threshold: 1,
		ComparisonOperator: "GreaterThanOrEqualToThreshold", TreatMissingData: "ignore", ActionsEnabled: true,
		AlarmActions: []string{"topic"}, OKActions: []string{"topic"},
	}
}

func silent(job string, hours int) alarm.Alarm {
	return alarm.Alarm{
		Name: "one-Silent-" + job, Namespace: "Cronbearer", MetricName: "Heartbeat",
		Dimensions: []alarm.Dimension{{Name: "Stack", Value: "one"}, {Name: "Job", Value: job}},
		Statistic:  "Sum", Period: time.Hour, EvaluationPeriods: hours, DatapointsToAlarm: hours, Threshold: 1,
		ComparisonOperator: "LessThanThreshold", TreatMissingData: "missing", ActionsEnabled: true,
		AlarmActions: []string{"topic"}, InsufficientDataActions: []string{"topic"},
	}
}

func monitorOf(t *testing.T, alarms ...alarm.Alarm) (*alarm.Monitor, *alarm.Samples) {
	t.Helper()
	store := alarm.NewSamples()
	m := alarm.NewMonitor(store)
	for _, a := range alarms {
		if err := m.Put(a, began); err != nil {
			t.Fatal(err)
		}
	}
	return m, store
}

// run ticks every minute after from, to the end, and writes down what changes.
func run(m *alarm.Monitor, from time.Time, length time.Duration, minute func(time.Time)) []string {
	var got []string
	for at := from.Add(time.Minute); !at.After(from.Add(length)); at = at.Add(time.Minute) {
		if minute != nil {
			minute(at)
		}
		for _, c := range m.Tick(at) {
			got = append(got, fmt.Sprintf("%s %s: %s -> %s", at.Sub(began), c.Alarm.Name, c.From, c.To))
		}
	}
	return got
}

func TestANewAlarmHasNotBeenChecked(t *testing.T) {
	t.Parallel()
	m, _ := monitorOf(t, tokenRejected("A"))
	want := []alarm.Status{{
		Alarm: tokenRejected("A"), StateValue: alarm.InsufficientData, StateReason: "Unchecked: Initial alarm creation",
		StateUpdatedTimestamp: began, StateTransitionedTimestamp: began, AlarmConfigurationUpdatedTimestamp: began,
	}}
	if got := run(m, began, 24*time.Hour, nil); got != nil {
		t.Errorf("changes without data: %v", got)
	}
	if diff := cmp.Diff(want, m.Describe(nil, "")); diff != "" {
		t.Error(diff)
	}
}

// A rejection latches until a real success, however long nothing comes between.
func TestIgnoreKeepsARejection(t *testing.T) {
	t.Parallel()
	a := tokenRejected("A")
	m, store := monitorOf(t, a)
	store.Put(a.Metric(), began.Add(10*time.Second), alarm.Value(0))
	got := run(m, began, 24*time.Hour, func(at time.Time) {
		switch at.Sub(began) {
		case time.Hour:
			store.Put(a.Metric(), at.Add(-time.Second), alarm.Value(1))
			store.Put(a.Metric(), at.Add(-time.Second), alarm.Value(0)) // the minute's maximum is 1
		case 20 * time.Hour:
			store.Put(a.Metric(), at.Add(-time.Second), alarm.Value(0))
		}
	})
	want := []string{
		"1m0s one-TokenRejected-A: INSUFFICIENT_DATA -> OK",
		"1h0m0s one-TokenRejected-A: OK -> ALARM",
		"20h0m0s one-TokenRejected-A: ALARM -> OK",
	}
	if diff := cmp.Diff(want, got); diff != "" {
		t.Error(diff)
	}
}

// What a Silent alarm of a daily job says by the rules above. The evaluation range
// reaches two hours beyond SilentAfter, so a silence is reported two hours after it. Failed
// runs are breaching points far apart: they are an alarm only while the oldest of them
// is at least as old as DatapointsToAlarm and still in the range, three hours a day,
// and INSUFFICIENT_DATA for the rest of it.
func TestSilence(t *testing.T) {
	t.Parallel()
	tests := map[string]struct {
		value func(day int) (float64, bool)
		want  []string
	}{
		"healthy": {value: func(int) (float64, bool) {
			return 1, true
		}, want: []string{"1h0m0s one-Silent-Daily: INSUFFICIENT_DATA -> OK"}},
		"no runs after day 2": {value: func(day int) (float64, bool) { return 1, day <= 2 }, want: []string{
			"1h0m0s one-Silent-Daily: INSUFFICIENT_DATA -> OK",
			"77h0m0s one-Silent-Daily: OK -> INSUFFICIENT_DATA", // 48 h + 26 h + 2 h, at the next full hour
		}},
		"failing after day 2": {value: func(day int) (float64, bool) {
			if day > 2 {
				return 0, true
			}
			return 1, true
		}, want: []string{
			"1h0m0s one-Silent-Daily: INSUFFICIENT_DATA -> OK",
			"77h0m0s one-Silent-Daily: OK -> INSUFFICIENT_DATA",
			"98h0m0s one-Silent-Daily: INSUFFICIENT_DATA -> ALARM",  // the first failure is 26 periods old
			"101h0m0s one-Silent-Daily: ALARM -> INSUFFICIENT_DATA", // and has left the range, the second is 5 old
			"122h0m0s one-Silent-Daily: INSUFFICIENT_DATA -> ALARM",
			"125h0m0s one-Silent-Daily: ALARM -> INSUFFICIENT_DATA",
			"146h0m0s one-Silent-Daily: INSUFFICIENT_DATA -> ALARM",
			"149h0m0s one-Silent-Daily: ALARM -> INSUFFICIENT_DATA",
		}},
		"well again": {value: func(day int) (float64, bool) {
			if day > 2 && day < 6 {
				return 0, true
			}
			return 1, true
		}, want: []string{
			"1h0m0s one-Silent-Daily: INSUFFICIENT_DATA -> OK",
			"77h0m0s one-Silent-Daily: OK -> INSUFFICIENT_DATA",
			"98h0m0s one-Silent-Daily: INSUFFICIENT_DATA -> ALARM",
			"101h0m0s one-Silent-Daily: ALARM -> INSUFFICIENT_DATA",
			"122h0m0s one-Silent-Daily: INSUFFICIENT_DATA -> ALARM",
			"125h0m0s one-Silent-Daily: ALARM -> INSUFFICIENT_DATA",
			"145h0m0s one-Silent-Daily: INSUFFICIENT_DATA -> OK",
		}},
	}
	for name, test := range tests {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			a := silent("Daily", 26)
			m, store := monitorOf(t, a)
			got := run(m, began, 7*24*time.Hour, func(at time.Time) {
				since := at.Sub(began) - time.Minute
				if since%(24*time.Hour) != 0 {
					return
				}
				if v, ok := test.value(int(since / (24 * time.Hour))); ok {
					store.Put(a.Metric(), began.Add(since), alarm.Value(v))
				}
			})
			if diff := cmp.Diff(test.want, got); diff != "" {
				t.Error(diff)
			}
		})
	}
}

// An alarm that looks back over more than a day is evaluated on full hours only, whatever comes between: data, or a
// state that was set by hand.
func TestMultiDayAlarmsWaitForTheFullHour(t *testing.T) {
	t.Parallel()
	for name, c := range map[string]struct {
		hours int
		want  []string
	}{
		"a day": {hours: 24, want: []string{
			"1m0s one-Silent-Daily: INSUFFICIENT_DATA -> OK", "1h31m0s one-Silent-Daily: ALARM -> OK",
			"26h1m0s one-Silent-Daily: OK -> INSUFFICIENT_DATA",
		}},
		"a day and an hour": {hours: 25, want: []string{
			"1h0m0s one-Silent-Daily: INSUFFICIENT_DATA -> OK", "2h0m0s one-Silent-Daily: ALARM -> OK",
			"28h0m0s one-Silent-Daily: OK -> INSUFFICIENT_DATA",
		}},
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			a := silent("Daily", c.hours)
			m, store := monitorOf(t, a)
			store.Put(a.Metric(), began, alarm.Value(1))
			got := run(m, began, 90*time.Minute, nil)
			set := began.Add(90*time.Minute + 10*time.Second)
			if _, err := m.SetState(a.Name, alarm.InAlarm, "by hand", "", set); err != nil {
				t.Fatal(err)
			}
			got = append(got, run(m, began.Add(90*time.Minute), 27*time.Hour, nil)...)
			if diff := cmp.Diff(c.want, got); diff != "" {
				t.Error(diff)
			}
		})
	}
}

func TestSetState(t *testing.T) {
	t.Parallel()
	latched, measured := tokenRejected("A"), silent("Hourly", 3)
	m, store := monitorOf(t, latched, measured)
	got := run(m, began, 10*time.Minute, func(at time.Time) {
		store.Put(measured.Metric(), at.Add(-time.Minute), alarm.Value(1))
	})
	if diff := cmp.Diff([]string{"1m0s one-Silent-Hourly: INSUFFICIENT_DATA -> OK"}, got); diff != "" {
		t.Fatal(diff)
	}
	set := began.Add(10*time.Minute + 5*time.Second)
	for _, name := range []string{latched.Name, measured.Name} {
		before := m.Describe([]string{name}, "")[0]
		c, err := m.SetState(name, alarm.InAlarm, "a test", `{"rejectedSince":"2026-11-24T09:00:00Z"}`, set)
		if err != nil {
			t.Fatal(err)
		}
		want := alarm.Transition{
			Alarm: before.Alarm, From: before.StateValue, To: alarm.InAlarm, Reason: "a test",
			ReasonData: `{"rejectedSince":"2026-11-24T09:00:00Z"}`,
			At:         set, PreviousReason: before.StateReason, PreviousReasonData: before.StateReasonData,
		}
		if diff := cmp.Diff(want, c); diff != "" {
			t.Error(diff)
		}
		if diff := cmp.Diff([]string{"topic"}, c.Actions()); diff != "" {
			t.Error(diff)
		}
	}
	// Data say OK at once; without data the alarm that ignores their absence stays.
	got = run(m, began.Add(10*time.Minute), 24*time.Hour, func(at time.Time) {
		store.Put(measured.Metric(), at.Add(-time.Minute), alarm.Value(1))
	})
	if diff := cmp.Diff([]string{"11m0s one-Silent-Hourly: ALARM -> OK"}, got); diff != "" {
		t.Error(diff)
	}
	status := m.Describe([]string{latched.Name}, "")[0]
	if status.StateValue != alarm.InAlarm || status.StateReason != "a test" ||
		!status.StateTransitionedTimestamp.Equal(set) {
		t.Errorf("the latched alarm is %+v", status)
	}
}

func TestSetStateToTheSameStateIsNoTransition(t *testing.T) {
	t.Parallel()
	a := tokenRejected("A")
	m, _ := monitorOf(t, a)
	at := began.Add(time.Hour)
	c, err := m.SetState(a.Name, alarm.InsufficientData, "again", "", at)
	if err != nil {
		t.Fatal(err)
	}
	if c.From != c.To || c.Actions() != nil || m.History(a.Name) != nil {
		t.Errorf("it acts: %+v", c)
	}
	got := m.Describe(nil, "")[0]
	if !got.StateTransitionedTimestamp.Equal(began) || !got.StateUpdatedTimestamp.Equal(at) || got.StateReason != "again" {
		t.Errorf("got %+v", got)
	}
}

// Whether the reason passed to SetAlarmState outlives the next evaluation with the same
// state, AWS does not say; both answers are available.
func TestSetReasonsFade(t *testing.T) {
	t.Parallel()
	for _, fade := range []bool{false, true} {
		a := tokenRejected("A")
		m, store := monitorOf(t, a)
		m.SetReasonsFade = fade
		store.Put(a.Metric(), began, alarm.Value(1))
		if _, err := m.SetState(a.Name, alarm.InAlarm, "Reminder: …", `{}`, began.Add(30*time.Second)); err != nil {
			t.Fatal(err)
		}
		if got := run(m, began, 5*time.Minute, nil); got != nil {
			t.Errorf("changes: %v", got)
		}
		status := m.Describe(nil, "")[0]
		if faded := strings.HasPrefix(status.StateReason, "Threshold Crossed"); faded != fade ||
			!status.StateTransitionedTimestamp.Equal(began.Add(30*time.Second)) {
			t.Errorf("fade %t: %+v", fade, status)
		}
	}
}

func TestSetStateRejects(t *testing.T) {
	t.Parallel()
	a := tokenRejected("A")
	m, _ := monitorOf(t, a)
	tests := map[string]struct {
		name         string
		state        alarm.State
		reason, data string
		want         error
	}{
		"no such alarm": {name: "none", state: alarm.OK, reason: "", data: "", want: alarm.ErrNotFound},
		"no such state": {name: a.Name, state: "Alarm", reason: "", data: "", want: alarm.ErrInvalidValue},
		"a long reason": {
			name: a.Name, state: alarm.OK, reason: strings.Repeat("x", 1024), data: "", want: alarm.ErrInvalidValue,
		},
		"much data": {name: a.Name, state: alarm.OK, reason: "", data: `"` + strings.Repeat("x", 4000) +
			`"`, want: alarm.ErrInvalidValue},
		"data in no form": {name: a.Name, state: alarm.OK, reason: "", data: "{", want: alarm.ErrInvalidFormat},
	}
	for name, test := range tests {
		if _, err := m.SetState(test.name, test.state, test.reason, test.data, began); !errors.Is(err, test.want) {
			t.Errorf("%s: %v, want %v", name, err, test.want)
		}
	}
}

func TestPutAgainKeepsTheState(t *testing.T) {
	t.Parallel()
	a := tokenRejected("A")
	m, store := monitorOf(t, a)
	store.Put(a.Metric(), began, alarm.Value(1))
	m.Tick(began.Add(time.Minute))
	a.Threshold, a.AlarmActions = 2, nil
	if err := m.Put(a, began.Add(2*time.Minute)); err != nil {
		t.Fatal(err)
	}
	got := m.Describe([]string{a.Name}, "")[0]
	if got.StateValue != alarm.InAlarm || got.Alarm.Threshold != 2 ||
		!got.AlarmConfigurationUpdatedTimestamp.Equal(began.Add(2*time.Minute)) {
		t.Errorf("got %+v", got)
	}
	if changes := m.Tick(began.Add(3 * time.Minute)); len(changes) != 1 || changes[0].To != alarm.OK {
		t.Errorf("the new threshold is not looked at: %+v", changes)
	}
	a.Period = 45 * time.Second
	if err := m.Put(a, began); err == nil {
		t.Error("an impossible alarm was accepted")
	}
	m.Delete(a.Name)
	if left := m.Describe(nil, ""); left != nil {
		t.Errorf("left: %+v", left)
	}
}

func TestDescribe(t *testing.T) {
	t.Parallel()
	m, _ := monitorOf(t, silent("B", 3), tokenRejected("A"), silent("A", 3))
	names := func(list []alarm.Status) (names []string) {
		for _, s := range list {
			names = append(names, s.Alarm.Name)
		}
		return names
	}
	for want, got := range map[string][]alarm.Status{
		"one-Silent-A one-Silent-B one-TokenRejected-A": m.Describe(nil, ""),
		"one-Silent-A one-Silent-B":                     m.Describe(nil, "one-Silent-"),
		"one-Silent-B":                                  m.Describe([]string{"one-Silent-B", "none"}, ""),
		"":                                              m.Describe(nil, "two-"),
	} {
		if text := strings.Join(names(got), " "); text != want {
			t.Errorf("got %q, want %q", text, want)
		}
	}
}

func TestHistoryIsKeptTwoWeeks(t *testing.T) {
	t.Parallel()
	a := tokenRejected("A")
	m, store := monitorOf(t, a)
	v := 0.0
	run(m, began, 20*24*time.Hour, func(at time.Time) {
		if at.Sub(began)%(24*time.Hour) == time.Minute {
			v = 1 - v
			store.Put(a.Metric(), at.Add(-time.Minute), alarm.Value(v))
		}
	})
	if n := len(m.History(a.Name)); n != 14 {
		t.Errorf("%d changes are kept, want 14", n)
	}
}

func TestActionsFollowTheirState(t *testing.T) {
	t.Parallel()
	a := upTo(0, 1)
	a.AlarmActions, a.OKActions, a.InsufficientDataActions = []string{"a"}, []string{"o"}, []string{"i"}
	for state, want := range map[alarm.State]string{alarm.InAlarm: "a", alarm.OK: "o", alarm.InsufficientData: "i"} {
		if diff := cmp.Diff([]string{want}, a.Actions(state)); diff != "" {
			t.Errorf("%s: %s", state, diff)
		}
	}
	a.ActionsEnabled = false
	if got := a.Actions(alarm.InAlarm); got != nil {
		t.Errorf("actions are off, but %v", got)
	}
}

// Tick passes over alarms whose verdict cannot have changed. It must find the same
// changes, with the same words, as asking every alarm at every moment.
func TestTickAgreesWithTheNaiveWay(t *testing.T) {
	t.Parallel()
	for seed := range uint64(12) {
		t.Run(fmt.Sprintf("seed %d", seed), func(t *testing.T) {
			t.Parallel()
			agree(t, rand.New(rand.NewPCG(seed, 2026)))
		})
	}
}

func pick[T any](r *rand.Rand, values ...T) T { return values[r.IntN(len(values))] }

func randomAlarm(r *rand.Rand, i int) alarm.Alarm {
	n := 1 + r.IntN(5)
	return alarm.Alarm{
		Name: fmt.Sprintf("%02d", i), Namespace: "N", MetricName: pick(r, "a", "b", "c"),
		Statistic: pick(r, "Sum", "Maximum", "Minimum", "Average", "SampleCount"),
		Period: pick(
			r, 10*time.Second, 30*time.Second, time.Minute, 2*time.Minute, 3*time.Minute, 5*time.Minute, 15*time.Minute,
			time.Hour,
		),
		EvaluationPeriods: n, DatapointsToAlarm: r.IntN(n + 1), Threshold: pick(r, 0, 0.5, 1, 2),
		ComparisonOperator: pick(
			r, "GreaterThanOrEqualToThreshold", "GreaterThanThreshold", "LessThanThreshold", "LessThanOrEqualToThreshold",
		),
		TreatMissingData: pick(r, "missing", "ignore", "breaching", "notBreaching"),
	}
}

func agree(t *testing.T, r *rand.Rand) {
	t.Helper()
	var alarms []alarm.Alarm
	for i := range 16 {
		alarms = append(alarms, randomAlarm(r, i))
	}
	m, store := monitorOf(t, alarms...)
	states, reasons := map[string]alarm.State{}, map[string]string{}
	for _, a := range alarms {
		states[a.Name], reasons[a.Name] = alarm.InsufficientData, "Unchecked: Initial alarm creation"
	}
	metrics := []alarm.Metric{{Namespace: "N", Name: "a"}, {Namespace: "N", Name: "b"}, {Namespace: "N", Name: "c"}}
	busy := 0 // for how many steps data flow
	at, changes := began, 0
	for range 1500 {
		at = at.Add(pick(r, 10*time.Second, 10*time.Second, 20*time.Second, time.Minute, time.Minute, 100*time.Second))
		if busy == 0 && r.IntN(150) == 0 {
			busy = 1 + r.IntN(120)
		}
		if busy > 0 {
			busy--
			late := pick(r, 0, time.Second, 40*time.Second, 4*time.Minute, 40*time.Minute, -2*time.Minute)
			store.Put(pick(r, metrics...), at.Add(-late), alarm.Value(float64(r.IntN(3))))
		}
		if r.IntN(300) == 0 {
			a := pick(r, alarms...)
			state := pick(r, alarm.OK, alarm.InAlarm, alarm.InsufficientData)
			if _, err := m.SetState(a.Name, state, "set", "", at); err != nil {
				t.Fatal(err)
			}
			states[a.Name], reasons[a.Name] = state, "set"
		}
		var want []alarm.Transition
		for _, a := range alarms {
			start, end := a.Range(at)
			v := a.Evaluate(at, states[a.Name], store.Aggregate(a.Metric(), a.Statistic, a.Period, start, end))
			if v.State != states[a.Name] {
				want = append(want, alarm.Transition{
					Alarm: a, From: states[a.Name], To: v.State, Reason: v.Reason, ReasonData: v.ReasonData, At: at,
					PreviousReason: reasons[a.Name],
				})
				states[a.Name], reasons[a.Name] = v.State, v.Reason
			}
		}
		got := m.Tick(at)
		for i := range got {
			got[i].PreviousReasonData = ""
		}
		if diff := cmp.Diff(want, got); diff != "" {
			t.Fatalf("at %s: %s", at.Sub(began), diff)
		}
		changes += len(got)
	}
	if changes < 20 {
		t.Errorf("only %d changes: the histories are too dull to prove anything", changes)
	}
}

// year plays hourly jobs that share ten tokens, a run's data at its minute, an
// evaluation each minute.
func year(tb testing.TB, jobs int, length time.Duration) int {
	tb.Helper()
	store := alarm.NewSamples()
	m := alarm.NewMonitor(store)
	var heartbeats, rejections []alarm.Alarm
	for i := range jobs {
		heartbeats = append(heartbeats, silent(fmt.Sprintf("J%d", i), 3))
		rejections = append(rejections, tokenRejected(fmt.Sprintf("T%d", i%10)))
	}
	for _, a := range append(heartbeats, rejections[:min(10, jobs)]...) {
		if err := m.Put(a, began); err != nil {
			tb.Fatal(err)
		}
	}
	changes := 0
	for at := began; at.Before(began.Add(length)); at = at.Add(time.Minute) {
		hour := int(at.Sub(began) / time.Hour)
		for i := at.Minute(); i < jobs; i += 60 {
			value := 1.0
			if hour%500 == 499 { // now and then a bad hour
				value = 0
			}
			store.Put(heartbeats[i].Metric(), at, alarm.Value(value))
			store.Put(rejections[i].Metric(), at, alarm.Value(1-value))
		}
		changes += len(m.Tick(at))
	}
	return changes
}

func TestThreeWeeksOfFiftyJobs(t *testing.T) {
	t.Parallel()
	// The first OKs; at hour 499 ten tokens fall and recover, and one silent hour of three is none.
	if got, want := year(t, 50, 22*24*time.Hour), 50+10+10*2; got != want {
		t.Errorf("%d changes, want %d", got, want)
	}
}

// The benchmark's year takes 7 seconds.

func BenchmarkAYearOfTwoHundredJobs(b *testing.B) {
	for b.Loop() {
		year(b, 200, 365*24*time.Hour)
	}
}
