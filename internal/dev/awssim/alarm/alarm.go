// Package alarm is a model of CloudWatch's metric alarms on static thresholds: what
// PutMetricAlarm rejects, how samples become datapoints, how datapoints become a
// state, and the words that CloudWatch finds for it.
//
// The rules are those of the CloudWatch user guide: "Alarm evaluation", "Alarm
// evaluation window" and "Configuring how CloudWatch alarms treat missing data",
// whose tables are this package's tests. Where the guide is silent, what others have
// measured is said next to the code. It is a model, not CloudWatch: data are there at
// once, and nothing ever fails.
//
// Nothing here starts a goroutine or reads a clock: the time is an argument.
package alarm

import (
	"time"
)

// State is what an alarm says.
type State string

// The three states.
const (
	OK               State = "OK"
	InAlarm          State = "ALARM"
	InsufficientData State = "INSUFFICIENT_DATA"
)

// Alarm is the configuration of a metric alarm.
type Alarm struct {
	Name, Description     string
	Namespace, MetricName string
	Dimensions            []Dimension
	Statistic             string
	Period                time.Duration
	EvaluationPeriods     int
	// DatapointsToAlarm is 0 if the property is left out, which means EvaluationPeriods
	// and writes the reasons in their shorter form.
	DatapointsToAlarm  int
	Threshold          float64
	ComparisonOperator string
	TreatMissingData   string
	ActionsEnabled     bool

	AlarmActions, OKActions, InsufficientDataActions []string
}

// Dimension is one name and value of a metric's identity.
type Dimension struct{ Name, Value string }

// Point is one aggregated period.
type Point struct {
	Start time.Time
	Value float64
}

// Metric names the metric that the alarm watches.
func (a Alarm) Metric() Metric {
	return Metric{Namespace: a.Namespace, Name: a.MetricName, Dimensions: a.Dimensions}
}

// Actions are the targets to notify of a change to a state.
func (a Alarm) Actions(to State) []string {
	switch {
	case !a.ActionsEnabled:
		return nil
	case to == InAlarm:
		return a.AlarmActions
	case to == OK:
		return a.OKActions
	}
	return a.InsufficientDataActions
}

func (a Alarm) datapointsToAlarm() int {
	if a.DatapointsToAlarm == 0 {
		return a.EvaluationPeriods
	}
	return a.DatapointsToAlarm
}

// longestSliding is the longest window that slides with the minutes.
const longestSliding = 24 * time.Hour

// multiDay reports whether the window is longer than a day: "multi-day alarms are evaluated once per hour", on data up
// to the last full hour ("Alarm evaluation").
func (a Alarm) multiDay() bool {
	return a.Period*time.Duration(a.EvaluationPeriods) > longestSliding
}

// cadence is how often the alarm is evaluated ("Alarm evaluation": every minute for
// periods of a minute or longer, else every 10 seconds).
func (a Alarm) cadence() time.Duration {
	switch {
	case a.multiDay():
		return time.Hour
	case a.Period < time.Minute:
		return 10 * time.Second
	}
	return time.Minute
}

// periods is the length of the evaluation range. AWS says only that CloudWatch
// "attempts to retrieve a higher number of data points than the number specified as
// Evaluation Periods" and that it "depends on the length of the alarm period". Two
// more are what its tables show for five minutes, and what published transition times
// show to the minute for 15 (1 of 1: back to OK when the last datum had left three
// periods; 8 of 8: ALARM when it had left ten). Of one-minute alarms there are published
// reasons about a datum six periods old with 1 and with 2 evaluation periods: the
// further reach of short periods here is the least that explains them.
func (a Alarm) periods() int {
	extra := 2
	if a.Period >= time.Minute {
		extra = max(extra, int((5*time.Minute+a.Period-1)/a.Period))
	}
	return a.EvaluationPeriods + extra
}

// Range is the evaluation range at a moment. The window slides: "at the end of minute
// 5 the alarm evaluates based on data from minutes 1 to 5. Then at the end of minute
// 6, … minutes 2 to 6". So it ends with the last full minute, whatever the period, and
// the newest period is never a part of one; published reasons agree (asked at
// 17:04:40, a five-minute datapoint starts at 16:59). That of a multi-day alarm ends with
// the last full hour.
func (a Alarm) Range(now time.Time) (start, end time.Time) {
	end = now.UTC().Truncate(a.cadence())
	return end.Add(-time.Duration(a.periods()) * a.Period), end
}

// The comparison operators and treatments that a static threshold can have.
const (
	greaterOrEqual = "GreaterThanOrEqualToThreshold"
	greater        = "GreaterThanThreshold"
	less           = "LessThanThreshold"
	lessOrEqual    = "LessThanOrEqualToThreshold"

	treatMissing      = "missing"
	treatIgnore       = "ignore"
	treatBreaching    = "breaching"
	treatNotBreaching = "notBreaching"
)

func (a Alarm) breaching(value float64) bool {
	switch a.ComparisonOperator {
	case greaterOrEqual:
		return value >= a.Threshold
	case greater:
		return value > a.Threshold
	case less:
		return value < a.Threshold
	case lessOrEqual:
		return value <= a.Threshold
	}
	return false
}

// Verdict is what an evaluation says. Reason and ReasonData are empty if the state is
// kept because data are missing.
type Verdict struct {
	State              State
	Reason, ReasonData string
}

// Evaluate judges the points in the evaluation range, which ascend; others are passed
// over. The state before matters only where missing data keep it.
func (a Alarm) Evaluate(now time.Time, current State, points []Point) Verdict {
	o := a.decide(now, points)
	if o.state == "" {
		return Verdict{State: current}
	}
	return Verdict{State: o.state, Reason: a.reason(o), ReasonData: a.reasonData(now, o)}
}

// outcome is a decision with what its texts need.
type outcome struct {
	state     State // empty: the state before is kept
	real      []Point
	breaching int // of the real ones
	missing   int // how many are filled in
	end       time.Time
}

// decide is the guide's "How alarm state is evaluated when data is missing" and
// "Avoiding premature transitions to alarm state".
func (a Alarm) decide(now time.Time, points []Point) outcome {
	start, end := a.Range(now)
	o := outcome{end: end}
	o.real = a.newest(points, start, end)
	for _, p := range o.real {
		if a.breaching(p.Value) {
			o.breaching++
		}
	}
	o.missing = a.EvaluationPeriods - len(o.real)
	o.state = a.stateOf(o)
	return o
}

// newest returns the points that count: the most recent real ones of the whole range, at
// most EvaluationPeriods, "including the necessary extra data points from farther back".
func (a Alarm) newest(points []Point, start, end time.Time) []Point {
	last := len(points)
	for last > 0 && !points[last-1].Start.Before(end) {
		last--
	}
	first := last
	for first > 0 && last-first < a.EvaluationPeriods && !points[first-1].Start.Before(start) {
		first--
	}
	return points[first:last]
}

func (a Alarm) stateOf(o outcome) State {
	m := a.datapointsToAlarm()
	if o.breaching >= m {
		return InAlarm
	}
	if o.missing == 0 {
		return OK
	}
	switch a.TreatMissingData {
	case treatBreaching:
		if o.breaching+o.missing >= m {
			return InAlarm
		}
		return OK
	case treatNotBreaching:
		return OK
	}
	// One real point within the threshold is enough for OK (rows "0 - - - -" and
	// "0 - X - -"), so the rule about premature alarms, whose words do not say so,
	// requires only breaching points in the range, as the guide's edition of 2018 did:
	// "the oldest evaluated data point is breaching and there aren't any non-breaching
	// data points".
	if o.breaching < len(o.real) {
		return OK
	}
	if a.TreatMissingData == treatIgnore {
		return ""
	}
	if len(o.real) > 0 && a.age(o, o.real[0]) >= m {
		return InAlarm
	}
	// Nothing at all, or breaching points that are too young: of "- - - - X" today's
	// guide says only that it is not yet ALARM; the tables of 2018 and 2019 say
	// "Insufficient data".
	return InsufficientData
}

// age counts periods back from the newest, which is 1.
func (a Alarm) age(o outcome, p Point) int {
	return int((o.end.Sub(p.Start) + a.Period - 1) / a.Period)
}
