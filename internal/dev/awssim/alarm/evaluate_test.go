package alarm_test

import (
	"strings"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"

	"github.com/cronbearer/cronbearer/internal/dev/awssim/alarm"
)

const (
	retain       = alarm.State("retain the current state")
	insufficient = alarm.InsufficientData
)

// points reads AWS's notation, newest on the right: 0 is not breaching, X is, - is missing.
func points(row string, period time.Duration, end time.Time) []alarm.Point {
	var list []alarm.Point
	cells := strings.Fields(row)
	for i, cell := range cells {
		start := end.Add(-time.Duration(len(cells)-i) * period)
		switch cell {
		case "0":
			list = append(list, alarm.Point{Start: start})
		case "X":
			list = append(list, alarm.Point{Start: start, Value: 1})
		}
	}
	return list
}

func upTo(m, n int) alarm.Alarm {
	return alarm.Alarm{
		Name: "Test", Namespace: "Test", MetricName: "Test", Statistic: "Maximum", Period: 5 * time.Minute,
		EvaluationPeriods: n, DatapointsToAlarm: m, Threshold: 1, ComparisonOperator: "GreaterThanOrEqualToThreshold",
		TreatMissingData: "missing", ActionsEnabled: true,
	}
}

type awsRow struct {
	name, row                                string
	missing, ignore, breaching, notBreaching alarm.State
}

func checkRows(t *testing.T, m, n int, rows []awsRow) {
	t.Helper()
	now := time.Date(2026, 11, 24, 9, 0, 40, 0, time.UTC)
	for _, row := range rows {
		for treatment, want := range map[string]alarm.State{
			"missing": row.missing, "ignore": row.ignore, "breaching": row.breaching, "notBreaching": row.notBreaching,
		} {
			t.Run(row.name+": "+row.row+" "+treatment, func(t *testing.T) {
				t.Parallel()
				a := upTo(m, n)
				a.TreatMissingData = treatment
				_, end := a.Range(now)
				for _, current := range []alarm.State{alarm.OK, alarm.InAlarm, insufficient} {
					expected := want
					if want == retain {
						expected = current
					}
					got := a.Evaluate(now, current, points(row.row, a.Period, end))
					if got.State != expected {
						t.Errorf("from %s: %s, want %s", current, got.State, expected)
					}
					if kept := got.Reason == ""; kept != (want == retain) {
						t.Errorf("from %s: the reason is %q", current, got.Reason)
					}
				}
			})
		}
	}
}

// "Configuring how CloudWatch alarms treat missing data", first table: 3 of 3.
func TestTableThreeOfThree(t *testing.T) {
	t.Parallel()
	checkRows(t, 3, 3, []awsRow{
		{"row 1", "0 - X - X", alarm.OK, alarm.OK, alarm.OK, alarm.OK},
		{"row 2", "0 - - - -", alarm.OK, alarm.OK, alarm.OK, alarm.OK},
		{"row 3", "- - - - -", insufficient, retain, alarm.InAlarm, alarm.OK},
		{"row 4", "0 X X - X", alarm.InAlarm, alarm.InAlarm, alarm.InAlarm, alarm.InAlarm},
		{"row 5", "- - X - -", alarm.InAlarm, retain, alarm.InAlarm, alarm.OK},
		// In the editions of 2018 and 2019.
		{"older row 5", "- - - - X", insufficient, retain, alarm.InAlarm, alarm.OK},
		{"older row 6", "X - - - -", alarm.InAlarm, retain, alarm.InAlarm, alarm.OK},
	})
}

// The second table: 2 of 3, an "M out of N" alarm.
func TestTableTwoOfThree(t *testing.T) {
	t.Parallel()
	checkRows(t, 2, 3, []awsRow{
		{"row 1", "0 - X - X", alarm.InAlarm, alarm.InAlarm, alarm.InAlarm, alarm.InAlarm},
		{"row 2", "0 0 X 0 X", alarm.InAlarm, alarm.InAlarm, alarm.InAlarm, alarm.InAlarm},
		{"row 3", "0 - X - -", alarm.OK, alarm.OK, alarm.InAlarm, alarm.OK},
		{"row 4", "- - - - 0", alarm.OK, alarm.OK, alarm.InAlarm, alarm.OK},
		{"row 5", "- - - X -", alarm.InAlarm, retain, alarm.InAlarm, alarm.OK},
		{"older row 5", "- - - - X", insufficient, retain, alarm.InAlarm, alarm.OK},
	})
}

// "Avoiding premature transitions to alarm state": the examples of its text.
func TestPrematureAlarm(t *testing.T) {
	t.Parallel()
	checkRows(t, 3, 3, []awsRow{
		{"the next may be non-breaching", "- - - - X", insufficient, retain, alarm.InAlarm, alarm.OK},
		{"the next may be non-breaching", "- - - X -", insufficient, retain, alarm.InAlarm, alarm.OK},
		{"and it was", "- - - X 0", alarm.OK, alarm.OK, alarm.OK, alarm.OK},
		{"and it was", "- - X - 0", alarm.OK, alarm.OK, alarm.OK, alarm.OK},
		{"old enough", "- - X - -", alarm.InAlarm, retain, alarm.InAlarm, alarm.OK},
		{"old enough, and breached again", "- X - - X", alarm.InAlarm, retain, alarm.InAlarm, alarm.OK},
		{"a good one before", "0 - X - -", alarm.OK, alarm.OK, alarm.OK, alarm.OK},
	})
	checkRows(t, 1, 1, []awsRow{
		{"1 of 1 cannot be premature", "- - X", alarm.InAlarm, alarm.InAlarm, alarm.InAlarm, alarm.InAlarm},
		{"1 of 1 takes the most recent real one", "X 0 -", alarm.OK, alarm.OK, alarm.OK, alarm.OK},
		{"1 of 1 without data", "- - -", insufficient, retain, alarm.InAlarm, alarm.OK},
	})
}

// "When an alarm evaluates …": the first rule, with nothing missing, and what is older
// than the range.
func TestOnlyTheNewestPointsCount(t *testing.T) {
	t.Parallel()
	checkRows(t, 3, 3, []awsRow{
		{"older ones are ignored", "0 0 X X X", alarm.InAlarm, alarm.InAlarm, alarm.InAlarm, alarm.InAlarm},
		{"older ones are ignored", "X X X X 0", alarm.OK, alarm.OK, alarm.OK, alarm.OK},
		{"beyond the range", "X X X - - - - -", insufficient, retain, alarm.InAlarm, alarm.OK},
		{"beyond the range", "0 0 0 - - X - -", alarm.InAlarm, retain, alarm.InAlarm, alarm.OK},
	})
}

func TestComparisonOperators(t *testing.T) {
	t.Parallel()
	now := time.Date(2026, 11, 24, 9, 0, 0, 0, time.UTC)
	for operator, want := range map[string][3]alarm.State{ // below, at and above the threshold
		"GreaterThanOrEqualToThreshold": {alarm.OK, alarm.InAlarm, alarm.InAlarm},
		"GreaterThanThreshold":          {alarm.OK, alarm.OK, alarm.InAlarm},
		"LessThanThreshold":             {alarm.InAlarm, alarm.OK, alarm.OK},
		"LessThanOrEqualToThreshold":    {alarm.InAlarm, alarm.InAlarm, alarm.OK},
	} {
		a := upTo(1, 1)
		a.ComparisonOperator = operator
		_, end := a.Range(now)
		for i, value := range []float64{0.5, 1, 1.5} {
			got := a.Evaluate(now, insufficient, []alarm.Point{{Start: end.Add(-a.Period), Value: value}})
			if got.State != want[i] {
				t.Errorf("%v %s 1: %s, want %s", value, operator, got.State, want[i])
			}
		}
	}
}

func TestRange(t *testing.T) {
	t.Parallel()
	now := time.Date(2026, 11, 24, 9, 5, 40, 123, time.FixedZone("", 3600))
	tests := map[string]struct {
		period     time.Duration
		n          int
		start, end string
	}{
		"aws: 3 periods of 5 minutes fetch 5": {period: 5 * time.Minute, n: 3, start: "07:40:00", end: "08:05:00"},
		"an hour is not aligned to the hour":  {period: time.Hour, n: 3, start: "03:05:00", end: "08:05:00"},
		"a minute reaches six back":           {period: time.Minute, n: 1, start: "07:59:00", end: "08:05:00"},
		"ten seconds":                         {period: 10 * time.Second, n: 1, start: "08:05:10", end: "08:05:40"},
	}
	for name, test := range tests {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			a := upTo(0, test.n)
			a.Period = test.period
			start, end := a.Range(now)
			got := []string{start.Format(time.TimeOnly), end.Format(time.TimeOnly)}
			if diff := cmp.Diff([]string{test.start, test.end}, got); diff != "" {
				t.Error(diff)
			}
		})
	}
}

// Transition times that others measured on live alarms, to the minute. They settle what
// the guide leaves open: how far the range reaches, and where its periods lie.
func TestMeasuredTransitions(t *testing.T) {
	t.Parallel()
	tests := map[string]struct {
		n              int
		treatment      string
		operator       string
		datum          string
		value          float64
		before, change string // the last evaluation that kept the state, the first that changed it
		from, to       alarm.State
		reason         string
	}{
		"1 of 1, 15 minutes: 46 minutes back to OK": {
			n: 1, treatment: "notBreaching", operator: "GreaterThanThreshold", datum: "2026-09-01T19:50:31Z", value: 1,
			before: "2026-09-01T20:35:51Z", change: "2026-09-01T20:36:51Z", from: alarm.InAlarm, to: alarm.OK,
			reason: "Threshold Crossed: no datapoints were received for 1 period and 1 missing datapoint was treated as " +
				"[NonBreaching].",
		},
		"8 of 8, 15 minutes: two and a half hours to ALARM": {
			n: 8, treatment: "breaching", operator: "LessThanOrEqualToThreshold", datum: "2026-08-19T05:43:53Z", value: 1,
			before: "2026-08-19T08:13:49Z", change: "2026-08-19T08:14:49Z", from: alarm.OK, to: alarm.InAlarm,
			reason: "Threshold Crossed: no datapoints were received for 8 periods and 8 missing datapoints were treated as " +
				"[Breaching].",
		},
		"8 of 8, 15 minutes: OK with the first datum": {
			n: 8, treatment: "breaching", operator: "LessThanOrEqualToThreshold", datum: "2026-08-19T09:50:20Z", value: 2,
			before: "2026-08-19T09:50:49Z", change: "2026-08-19T09:51:49Z", from: alarm.InAlarm, to: alarm.OK,
			reason: "Threshold Crossed: 1 datapoint [2.0 (19/08/26 09:36:00)] was not less than or equal to the threshold " +
				"(0.0) and 7 missing datapoints were treated as [Breaching].",
		},
	}
	for name, test := range tests {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			a := upTo(0, test.n)
			a.Period, a.Statistic, a.Threshold = 15*time.Minute, "Sum", 0
			a.TreatMissingData, a.ComparisonOperator = test.treatment, test.operator
			store := alarm.NewSamples()
			store.Put(a.Metric(), moment(t, test.datum), alarm.Value(test.value))
			evaluate := func(at string) alarm.Verdict {
				now := moment(t, at)
				start, end := a.Range(now)
				return a.Evaluate(now, test.from, store.Aggregate(a.Metric(), a.Statistic, a.Period, start, end))
			}
			if got := evaluate(test.before); got.State != test.from {
				t.Errorf("at %s: %s, want %s still", test.before, got.State, test.from)
			}
			got := evaluate(test.change)
			if diff := cmp.Diff([]string{string(test.to), test.reason}, []string{string(got.State), got.Reason}); diff != "" {
				t.Errorf("at %s: %s", test.change, diff)
			}
		})
	}
}

func moment(t *testing.T, text string) time.Time {
	t.Helper()
	at, err := time.Parse(time.RFC3339, text)
	if err != nil {
		t.Fatal(err)
	}
	return at
}

// The words of published answers, notifications and events, with the data behind them.
func TestReasons(t *testing.T) {
	t.Parallel()
	type given struct {
		start string
		value float64
	}
	tests := map[string]struct {
		now                 string
		period              time.Duration
		m, n                int
		statistic           string
		threshold           float64
		operator, treatment string
		points              []given
		state               alarm.State
		reason, data        string
	}{
		"1 of 1 by default, in alarm": {
			now: "2026-11-24T09:01:05.399Z", period: time.Minute, m: 0, n: 1, statistic: "Maximum", threshold: 1,
			operator: "GreaterThanOrEqualToThreshold", treatment: "ignore",
			points: []given{{"2026-11-24T09:00:00Z", 1}},
			state:  alarm.InAlarm,
			reason: "Threshold Crossed: 1 datapoint [1.0 (24/11/26 09:00:00)] was greater than or equal to the threshold (1.0).",
			data: `{"version":"1.0","queryDate":"2026-11-24T09:01:05.399+0000","startDate":"2026-11-24T09:00:00.000+0000",` +
				`"statistic":"Maximum","period":60,"recentDatapoints":[1.0],"threshold":1.0,` +
				`"evaluatedDatapoints":[{"timestamp":"2026-11-24T09:00:00.000+0000","value":1.0}]}`,
		},
		"1 of 1 by default, OK": {
			now: "2020-07-31T06:56:05.603Z", period: time.Minute, m: 0, n: 1, statistic: "Average", threshold: 60,
			operator: "GreaterThanThreshold", treatment: "missing",
			points: []given{{"2020-07-31T06:50:00Z", 0.2872183414376726}},
			state:  alarm.OK,
			reason: "Threshold Crossed: 1 datapoint [0.2872183414376726 (31/07/20 06:50:00)] was not greater than the " +
				"threshold (60.0).",
			data: `{"version":"1.0","queryDate":"2020-07-31T06:56:05.603+0000","startDate":"2020-07-31T06:50:00.000+0000",` +
				`"statistic":"Average","period":60,"recentDatapoints":[0.2872183414376726],"threshold":60.0,` +
				`"evaluatedDatapoints":[{"timestamp":"2020-07-31T06:50:00.000+0000","value":0.2872183414376726}]}`,
		},
		"1 of 1 said, in alarm": {
			now: "2019-10-02T17:04:40.985Z", period: 5 * time.Minute, m: 1, n: 1, statistic: "Average", threshold: 50,
			operator: "GreaterThanThreshold", treatment: "missing",
			points: []given{{"2019-10-02T16:59:00Z", 99.50160229693434}},
			state:  alarm.InAlarm,
			reason: "Threshold Crossed: 1 out of the last 1 datapoints [99.50160229693434 (02/10/19 16:59:00)] was greater " +
				"than the threshold (50.0) (minimum 1 datapoint for OK -> ALARM transition).",
			data: `{"version":"1.0","queryDate":"2019-10-02T17:04:40.985+0000","startDate":"2019-10-02T16:59:00.000+0000",` +
				`"statistic":"Average","period":300,"recentDatapoints":[99.50160229693434],"threshold":50.0,` +
				`"evaluatedDatapoints":[{"timestamp":"2019-10-02T16:59:00.000+0000","value":99.50160229693434}]}`,
		},
		"1 of 1 said, OK": {
			now: "2019-10-01T13:56:40.985Z", period: 5 * time.Minute, m: 1, n: 1, statistic: "Average", threshold: 50,
			operator: "GreaterThanThreshold", treatment: "missing",
			points: []given{{"2019-10-01T13:46:00Z", 0.0666851903306472}},
			state:  alarm.OK,
			reason: "Threshold Crossed: 1 out of the last 1 datapoints [0.0666851903306472 (01/10/19 13:46:00)] was not " +
				"greater than the threshold (50.0) (minimum 1 datapoint for ALARM -> OK transition).",
			data: `{"version":"1.0","queryDate":"2019-10-01T13:56:40.985+0000","startDate":"2019-10-01T13:46:00.000+0000",` +
				`"statistic":"Average","period":300,"recentDatapoints":[0.0666851903306472],"threshold":50.0,` +
				`"evaluatedDatapoints":[{"timestamp":"2019-10-01T13:46:00.000+0000","value":0.0666851903306472}]}`,
		},
		"2 of 2 by default, OK": {
			now: "2023-01-09T14:07:25.504Z", period: time.Minute, m: 0, n: 2, statistic: "Sum", threshold: 42,
			operator: "GreaterThanThreshold", treatment: "missing",
			points: []given{{"2023-01-09T14:01:00Z", 1}, {"2023-01-09T14:02:00Z", 0}},
			state:  alarm.OK,
			reason: "Threshold Crossed: 2 datapoints [0.0 (09/01/23 14:02:00), 1.0 (09/01/23 14:01:00)] were not greater " +
				"than the threshold (42.0).",
			data: `{"version":"1.0","queryDate":"2023-01-09T14:07:25.504+0000","startDate":"2023-01-09T14:01:00.000+0000",` +
				`"statistic":"Sum","period":60,"recentDatapoints":[1.0,0.0],"threshold":42.0,` +
				`"evaluatedDatapoints":[{"timestamp":"2023-01-09T14:02:00.000+0000","value":0.0}]}`,
		},
		"1 of 3 said, in alarm": {
			now: "2022-11-08T11:26:05.399Z", period: time.Minute, m: 1, n: 3, statistic: "Sum", threshold: 0,
			operator: "GreaterThanThreshold", treatment: "missing",
			points: []given{{"2022-11-08T11:23:00Z", 20000}, {"2022-11-08T11:24:00Z", 20000}, {"2022-11-08T11:25:00Z", 20000}},
			state:  alarm.InAlarm,
			reason: "Threshold Crossed: 3 out of the last 3 datapoints [20000.0 (08/11/22 11:25:00), 20000.0 (08/11/22 " +
				"11:24:00), 20000.0 (08/11/22 11:23:00)] were greater than the threshold (0.0) (minimum 1 datapoint for OK -> " +
				"ALARM transition).",
			data: `{"version":"1.0","queryDate":"2022-11-08T11:26:05.399+0000","startDate":"2022-11-08T11:23:00.000+0000",` +
				`"statistic":"Sum","period":60,"recentDatapoints":[20000.0,20000.0,20000.0],"threshold":0.0,` +
				`"evaluatedDatapoints":[{"timestamp":"2022-11-08T11:25:00.000+0000","value":20000.0}]}`,
		},
		"1 of 20 said, in alarm with gaps": {
			now: "2024-03-16T12:16:45.766Z", period: time.Minute, m: 1, n: 20, statistic: "Sum", threshold: 1,
			operator: "GreaterThanOrEqualToThreshold", treatment: "notBreaching",
			points: []given{{"2024-03-16T12:15:00Z", 613}},
			state:  alarm.InAlarm,
			reason: "Threshold Crossed: 1 out of the last 20 datapoints [613.0 (16/03/24 12:15:00)] was greater than or " +
				"equal to the threshold (1.0) and 19 missing datapoints were treated as [NonBreaching] (minimum 1 datapoint for " +
				"OK -> ALARM transition).",
			data: `{"version":"1.0","queryDate":"2024-03-16T12:16:45.766+0000","startDate":"2024-03-16T12:15:00.000+0000",` +
				`"statistic":"Sum","period":60,"recentDatapoints":[613.0],"threshold":1.0,` +
				`"evaluatedDatapoints":[{"timestamp":"2024-03-16T12:15:00.000+0000","value":613.0}]}`,
		},
		"3 of 3, only the good one is reported": {
			now: "2026-08-19T09:51:32.119Z", period: 3 * time.Minute, m: 0, n: 3, statistic: "Sum", threshold: 0,
			operator: "GreaterThanThreshold", treatment: "notBreaching",
			points: []given{{"2026-08-19T09:42:00Z", 1}, {"2026-08-19T09:45:00Z", 3}, {"2026-08-19T09:48:00Z", 0}},
			state:  alarm.OK,
			reason: "Threshold Crossed: 1 datapoint [0.0 (19/08/26 09:48:00)] was not greater than the threshold (0.0).",
			data: `{"version":"1.0","queryDate":"2026-08-19T09:51:32.119+0000","startDate":"2026-08-19T09:42:00.000+0000",` +
				`"statistic":"Sum","period":180,"recentDatapoints":[1.0,3.0,0.0],"threshold":0.0,` +
				`"evaluatedDatapoints":[{"timestamp":"2026-08-19T09:48:00.000+0000","value":0.0}]}`,
		},
		"nothing received, breaching": {
			now: "2017-12-06T02:07:44.354Z", period: time.Minute, m: 0, n: 1, statistic: "Average", threshold: 1,
			operator: "LessThanThreshold", treatment: "breaching", points: nil, state: alarm.InAlarm,
			reason: "Threshold Crossed: no datapoints were received for 1 period and 1 missing datapoint was treated as " +
				"[Breaching].",
			data: `{"version":"1.0","queryDate":"2017-12-06T02:07:44.354+0000","statistic":"Average","period":60,` +
				`"recentDatapoints":[],"threshold":1.0,"evaluatedDatapoints":[{"timestamp":"2017-12-06T02:06:00.000+0000"}]}`,
		},
		"good ones received, the gaps breach": {
			now: "2026-09-05T10:00:00Z", period: 5 * time.Minute, m: 2, n: 3, statistic: "Sum", threshold: 0,
			operator: "GreaterThanThreshold", treatment: "breaching",
			points: []given{{"2026-09-05T09:45:00Z", 0}},
			state:  alarm.InAlarm,
			reason: "Threshold Crossed: 1 datapoint was received for 3 periods and 2 missing datapoints were treated as " +
				"[Breaching].",
			data: `{"version":"1.0","queryDate":"2026-09-05T10:00:00.000+0000","startDate":"2026-09-05T09:45:00.000+0000",` +
				`"statistic":"Sum","period":300,"recentDatapoints":[0.0],"threshold":0.0,` +
				`"evaluatedDatapoints":[{"timestamp":"2026-09-05T09:55:00.000+0000"},` +
				`{"timestamp":"2026-09-05T09:50:00.000+0000"}]}`,
		},
		"1 unknown": {
			now: "2020-07-31T06:52:05.598Z", period: time.Minute, m: 0, n: 1, statistic: "Average", threshold: 60,
			operator: "GreaterThanThreshold", treatment: "missing", points: nil, state: insufficient,
			reason: "Insufficient Data: 1 datapoint was unknown.",
			data: `{"version":"1.0","queryDate":"2020-07-31T06:52:05.598+0000","statistic":"Average","period":60,` +
				`"recentDatapoints":[],"threshold":60.0,"evaluatedDatapoints":[{"timestamp":"2020-07-31T06:51:00.000+0000"}]}`,
		},
		"5 unknown": {
			now: "2023-08-04T12:31:29.591Z", period: time.Minute, m: 5, n: 5, statistic: "Average", threshold: 5,
			operator: "GreaterThanThreshold", treatment: "missing", points: nil, state: insufficient,
			reason: "Insufficient Data: 5 datapoints were unknown.",
			data: `{"version":"1.0","queryDate":"2023-08-04T12:31:29.591+0000","statistic":"Average","period":60,` +
				`"recentDatapoints":[],"threshold":5.0,"evaluatedDatapoints":[{"timestamp":"2023-08-04T12:30:00.000+0000"},` +
				`{"timestamp":"2023-08-04T12:29:00.000+0000"},{"timestamp":"2023-08-04T12:28:00.000+0000"},` +
				`{"timestamp":"2023-08-04T12:27:00.000+0000"},{"timestamp":"2023-08-04T12:26:00.000+0000"}]}`,
		},
		"numbers as Java writes them": {
			now: "2026-11-24T10:00:00Z", period: time.Minute, m: 0, n: 1, statistic: "Sum", threshold: 10000000,
			operator: "LessThanThreshold", treatment: "missing",
			points: []given{{"2026-11-24T09:59:00Z", -0.000125}},
			state:  alarm.InAlarm,
			reason: "Threshold Crossed: 1 datapoint [-1.25E-4 (24/11/26 09:59:00)] was less than the threshold (1.0E7).",
			data: `{"version":"1.0","queryDate":"2026-11-24T10:00:00.000+0000","startDate":"2026-11-24T09:59:00.000+0000",` +
				`"statistic":"Sum","period":60,"recentDatapoints":[-1.25E-4],"threshold":1.0E7,` +
				`"evaluatedDatapoints":[{"timestamp":"2026-11-24T09:59:00.000+0000","value":-1.25E-4}]}`,
		},
	}
	for name, test := range tests {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			a := upTo(test.m, test.n)
			a.Period, a.Statistic, a.Threshold = test.period, test.statistic, test.threshold
			a.ComparisonOperator, a.TreatMissingData = test.operator, test.treatment
			var list []alarm.Point
			for _, p := range test.points {
				list = append(list, alarm.Point{Start: moment(t, p.start), Value: p.value})
			}
			got := a.Evaluate(moment(t, test.now), alarm.OK, list)
			if diff := cmp.Diff(alarm.Verdict{State: test.state, Reason: test.reason, ReasonData: test.data}, got); diff != "" {
				t.Error(diff)
			}
		})
	}
}
