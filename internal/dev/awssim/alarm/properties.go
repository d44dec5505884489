package alarm

import (
	"encoding/json"
	"errors"
	"fmt"
	"maps"
	"math"
	"slices"
	"strconv"
	"strings"
	"time"
	"unicode"
	"unicode/utf8"
)

// FromProperties reads the resolved Properties of an AWS::CloudWatch::Alarm. name is
// the alarm's name if they have none. It rejects what CloudFormation and PutMetricAlarm
// reject, and what this model does not know, with every problem at once.
func FromProperties(name string, p map[string]any) (Alarm, error) {
	r := reader{properties: p}
	a := Alarm{
		Name:              r.text("AlarmName", name),
		Description:       r.text("AlarmDescription", ""),
		Namespace:         r.text("Namespace", ""),
		MetricName:        r.text("MetricName", ""),
		Dimensions:        r.dimensions("Dimensions"),
		Statistic:         r.text("Statistic", ""),
		Period:            time.Duration(r.whole("Period", true)) * time.Second,
		EvaluationPeriods: r.whole("EvaluationPeriods", true),
		DatapointsToAlarm: r.whole("DatapointsToAlarm", false),
		Threshold:         r.number("Threshold", true),

		ComparisonOperator: r.text("ComparisonOperator", ""),
		TreatMissingData:   r.text("TreatMissingData", treatMissing),
		ActionsEnabled:     r.truth("ActionsEnabled", true),

		AlarmActions:            r.list("AlarmActions"),
		OKActions:               r.list("OKActions"),
		InsufficientDataActions: r.list("InsufficientDataActions"),
	}
	r.rest()
	if p["DatapointsToAlarm"] != nil && a.DatapointsToAlarm == 0 && !r.failed["DatapointsToAlarm"] {
		r.problem("DatapointsToAlarm is 0; it must be from 1 to EvaluationPeriods")
	}
	r.errs = append(r.errs, a.problems(r.failed)...)
	if err := errors.Join(r.errs...); err != nil {
		return Alarm{}, fmt.Errorf("alarm %q: %w", a.Name, err)
	}
	return a, nil
}

func (a Alarm) validate() error { return errors.Join(a.problems(nil)...) }

// problems are the limits of PutMetricAlarm, but for properties that could not be read
// in the first place.
func (a Alarm) problems(unread map[string]bool) []error {
	var errs []error
	check := func(property string, ok bool, format string, values ...any) {
		if !ok && !unread[property] {
			errs = append(errs, fmt.Errorf("%s %s", property, fmt.Sprintf(format, values...)))
		}
	}
	between := func(property, text string, least, most int) {
		n := utf8.RuneCountInString(text)
		check(property, n >= least && n <= most, "has %d characters; it must have %d to %d", n, least, most)
	}
	between("AlarmName", a.Name, 1, 255)
	check("AlarmName", !strings.ContainsFunc(a.Name, unicode.IsControl), "has control characters")
	between("AlarmDescription", a.Description, 0, 1024)
	between("Namespace", a.Namespace, 1, 255)
	check("Namespace", !strings.HasPrefix(a.Namespace, ":"), "begins with a colon")
	between("MetricName", a.MetricName, 1, 255)
	check("Dimensions", len(a.Dimensions) <= 30, "are %d; 30 is the most", len(a.Dimensions))
	names := map[string]bool{}
	for _, d := range a.Dimensions {
		between("Dimensions: a name", d.Name, 1, 255)
		between("Dimensions: the value of "+d.Name, d.Value, 1, 1024)
		check("Dimensions", !strings.HasPrefix(d.Name, ":"), "have a name that begins with a colon")
		check("Dimensions", !names[d.Name], "name %s twice", d.Name)
		names[d.Name] = true
	}
	oneOf := func(property, value string, values ...string) {
		check(property, slices.Contains(values, value), "is %q; it must be one of %s", value, strings.Join(values, ", "))
	}
	oneOf("Statistic", a.Statistic, "SampleCount", "Average", "Sum", "Minimum", "Maximum")
	oneOf("ComparisonOperator", a.ComparisonOperator, greaterOrEqual, greater, less, lessOrEqual)
	oneOf("TreatMissingData", a.TreatMissingData, treatBreaching, treatNotBreaching, treatIgnore, treatMissing)
	a.checkTimes(check)
	check("Threshold", !math.IsNaN(a.Threshold) && !math.IsInf(a.Threshold, 0), "is not a finite number")
	actions := func(property string, list []string) {
		check(property, len(list) <= 5, "has %d actions; 5 is the most for a state", len(list))
		for _, action := range list {
			between(property+": an action", action, 1, 1024)
		}
	}
	actions("AlarmActions", a.AlarmActions)
	actions("OKActions", a.OKActions)
	actions("InsufficientDataActions", a.InsufficientDataActions)
	return errs
}

// checkTimes has the rules about periods: "An alarm's total current evaluation period
// can be no longer than seven days … For alarms with a period of less than one hour …
// no longer than one day".
func (a Alarm) checkTimes(check func(property string, ok bool, format string, values ...any)) {
	const longest, longestShort = 7 * 24 * time.Hour, 24 * time.Hour
	seconds := a.Period.Seconds()
	period := a.Period == 10*time.Second || a.Period == 20*time.Second || a.Period == 30*time.Second ||
		(a.Period > 0 && a.Period%time.Minute == 0)
	check("Period", period, "is %v s; it must be 10, 20, 30 or a multiple of 60", seconds)
	check("EvaluationPeriods", a.EvaluationPeriods >= 1, "is %d; it must be 1 or more", a.EvaluationPeriods)
	check("DatapointsToAlarm", a.DatapointsToAlarm >= 0 && a.DatapointsToAlarm <= max(a.EvaluationPeriods, 0),
		"is %d; it must be from 1 to EvaluationPeriods", a.DatapointsToAlarm)
	total := seconds * float64(a.EvaluationPeriods)
	check(
		"Period", total <= longest.Seconds(), "times EvaluationPeriods is %v s; %v is the most", total, longest.Seconds(),
	)
	if a.Period < time.Hour {
		check("Period", total <= longestShort.Seconds() || total > longest.Seconds(),
			"times EvaluationPeriods is %v s; %v is the most for a period of less than an hour", total, longestShort.Seconds())
	}
}

// reader reads properties of whatever types a template's resolver leaves them in.
type reader struct {
	properties map[string]any
	known      []string
	failed     map[string]bool
	errs       []error
}

func (r *reader) problem(format string, values ...any) {
	r.errs = append(r.errs, fmt.Errorf(format, values...))
}

func (r *reader) fail(property, format string, values ...any) {
	if r.failed == nil {
		r.failed = map[string]bool{}
	}
	r.failed[property] = true
	r.problem("%s %s", property, fmt.Sprintf(format, values...))
}

func (r *reader) take(property string) (any, bool) {
	r.known = append(r.known, property)
	v, ok := r.properties[property]
	return v, ok && v != nil
}

func (r *reader) text(property, def string) string {
	v, ok := r.take(property)
	if !ok {
		return def
	}
	text, ok := v.(string)
	if !ok {
		r.fail(property, "is a %T, not a string", v)
	}
	return text
}

func (r *reader) number(property string, required bool) float64 {
	v, ok := r.take(property)
	if !ok {
		if required {
			r.fail(property, "is missing")
		}
		return 0
	}
	n, ok := toNumber(v)
	if !ok {
		r.fail(property, "is %v, not a number", v)
	}
	return n
}

func (r *reader) whole(property string, required bool) int {
	n := r.number(property, required)
	if n != math.Trunc(n) || math.Abs(n) > math.MaxInt32 {
		r.fail(property, "is %v, not a whole number", n)
		return 0
	}
	return int(n)
}

func toNumber(v any) (float64, bool) {
	var text string
	switch v := v.(type) {
	case int:
		return float64(v), true
	case int64:
		return float64(v), true
	case float64:
		return v, true
	case string:
		text = v
	case json.Number:
		text = v.String()
	default:
		return 0, false
	}
	n, err := strconv.ParseFloat(text, 64)
	return n, err == nil
}

func (r *reader) truth(property string, def bool) bool {
	v, ok := r.take(property)
	if !ok {
		return def
	}
	switch v {
	case true, "true":
		return true
	case false, "false":
		return false
	}
	r.fail(property, "is %v, not true or false", v)
	return def
}

func (r *reader) list(property string) []string {
	v, ok := r.take(property)
	if !ok {
		return nil
	}
	if texts, ok := v.([]string); ok {
		return texts
	}
	values, ok := v.([]any)
	if !ok {
		r.fail(property, "is a %T, not a list", v)
	}
	var texts []string
	for _, value := range values {
		text, ok := value.(string)
		if !ok {
			r.fail(property, "holds a %T, not a string", value)
			continue
		}
		texts = append(texts, text)
	}
	return texts
}

func (r *reader) dimensions(property string) []Dimension {
	v, ok := r.take(property)
	if !ok {
		return nil
	}
	values, ok := v.([]any)
	if !ok {
		r.fail(property, "is a %T, not a list", v)
	}
	var list []Dimension
	for _, value := range values {
		pair, _ := value.(map[string]any)
		name, hasName := pair["Name"].(string)
		text, hasValue := pair["Value"].(string)
		if !hasName || !hasValue || len(pair) != 2 {
			r.fail(property, "holds something other than a Name and a Value, both strings")
			continue
		}
		list = append(list, Dimension{name, text})
	}
	return list
}

// rest rejects the properties that are left: those of other kinds of alarms, which this
// model cannot play, and those that no alarm has.
func (r *reader) rest() {
	other := map[string]string{
		"EvaluateLowSampleCountPercentile": "is for percentiles, which this model does not know",
		"EvaluationCriteria":               "is for PromQL alarms, which this model does not know",
		"EvaluationInterval":               "is for PromQL alarms, which this model does not know",
		"ExtendedStatistic":                "is for percentiles, which this model does not know",
		"Metrics":                          "is for metric math, which this model does not know",
		"ThresholdMetricId":                "is for anomaly detection, which this model does not know",
		"Unit": "is not compared by this model; leave it out, as a unit that differs leaves " +
			"an alarm in INSUFFICIENT_DATA",
	}
	for _, property := range slices.Sorted(maps.Keys(r.properties)) {
		switch problem, isOther := other[property]; {
		case slices.Contains(r.known, property), property == "Tags", r.properties[property] == nil:
		case property == "EvaluationWindow":
			if window, ok := r.properties[property].(map[string]any); !ok || len(window) != 1 || window["SlidingWindow"] == nil {
				r.problem("EvaluationWindow is not a SlidingWindow, the only one that this model knows")
			}
		case isOther:
			r.problem("%s %s", property, problem)
		default:
			r.problem("%s is not a property of an AWS::CloudWatch::Alarm", property)
		}
	}
}
