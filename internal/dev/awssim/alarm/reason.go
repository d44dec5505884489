package alarm

import (
	"encoding/json"
	"fmt"
	"slices"
	"strconv"
	"strings"
	"time"
)

// initialReason is what a new alarm says until its state first changes.
const initialReason = "Unchecked: Initial alarm creation"

// reason finds CloudWatch's words. Its API documents them nowhere; these are the forms
// of published DescribeAlarms answers, notifications and state-change events.
func (a Alarm) reason(o outcome) string {
	if o.state == InsufficientData {
		return fmt.Sprintf("Insufficient Data: %s unknown.", were(o.missing, "datapoint"))
	}
	const crossed = "Threshold Crossed: "
	telling := a.telling(o)
	if len(telling) == 0 {
		// Nothing but missing data speaks for this state.
		received := "no datapoints were"
		if len(o.real) > 0 {
			received = were(len(o.real), "datapoint")
		}
		return fmt.Sprintf(
			"%s%s received for %s and %s.", crossed, received, count(a.EvaluationPeriods, "period"), a.filled(o),
		)
	}
	var b strings.Builder
	b.WriteString(crossed)
	verb := "was"
	if len(telling) > 1 {
		verb = "were"
	}
	if a.DatapointsToAlarm == 0 {
		fmt.Fprintf(&b, "%s ", count(len(telling), "datapoint"))
	} else {
		fmt.Fprintf(&b, "%d out of the last %d datapoints ", len(telling), a.EvaluationPeriods)
	}
	for i, p := range slices.Backward(telling) { // newest first
		open := ", "
		if i == len(telling)-1 {
			open = "["
		}
		fmt.Fprintf(&b, "%s%s (%s)", open, double(p.Value), p.Start.UTC().Format("02/01/06 15:04:05"))
	}
	if o.state == OK {
		verb += " not"
	}
	fmt.Fprintf(&b, "] %s %s the threshold (%s)", verb, operatorWords(a.ComparisonOperator), double(a.Threshold))
	if text := a.filled(o); text != "" {
		b.WriteString(" and " + text)
	}
	if a.DatapointsToAlarm > 0 {
		from, least := OK, a.DatapointsToAlarm
		if o.state == OK {
			from, least = InAlarm, a.EvaluationPeriods-a.DatapointsToAlarm+1
		}
		fmt.Fprintf(&b, " (minimum %s for %s -> %s transition)", count(least, "datapoint"), from, o.state)
	}
	b.WriteString(".")
	return b.String()
}

// telling are the real points that speak for the state, oldest first.
func (a Alarm) telling(o outcome) []Point {
	var points []Point
	for _, p := range o.real {
		if a.breaching(p.Value) == (o.state == InAlarm) {
			points = append(points, p)
		}
	}
	return points
}

// filled says what became of missing points, if they were given a meaning.
func (a Alarm) filled(o outcome) string {
	meaning := "Breaching"
	switch {
	case o.missing == 0 || a.TreatMissingData == treatMissing || a.TreatMissingData == treatIgnore:
		return ""
	case a.TreatMissingData == treatNotBreaching:
		meaning = "NonBreaching"
	}
	return fmt.Sprintf("%s treated as [%s]", were(o.missing, "missing datapoint"), meaning)
}

// stateReasonData has the keys, in the order, of published answers. sampleCount, which
// they have next to each value, is not among what an evaluation here is given.
type stateReasonData struct {
	Version             string           `json:"version"`
	QueryDate           string           `json:"queryDate"`
	StartDate           string           `json:"startDate,omitempty"`
	Statistic           string           `json:"statistic"`
	Period              int              `json:"period"`
	RecentDatapoints    []json.Number    `json:"recentDatapoints"`
	Threshold           json.Number      `json:"threshold"`
	EvaluatedDatapoints []evaluatedPoint `json:"evaluatedDatapoints"`
}

type evaluatedPoint struct {
	Timestamp string      `json:"timestamp"`
	Value     json.Number `json:"value,omitempty"`
}

func (a Alarm) reasonData(now time.Time, o outcome) string {
	data := stateReasonData{
		Version: "1.0", QueryDate: stamp(now), Statistic: a.Statistic, Period: int(a.Period / time.Second),
		RecentDatapoints: []json.Number{}, Threshold: json.Number(double(a.Threshold)), EvaluatedDatapoints: a.evaluated(o),
	}
	if len(o.real) > 0 {
		data.StartDate = stamp(o.real[0].Start)
	}
	for _, p := range o.real {
		data.RecentDatapoints = append(data.RecentDatapoints, json.Number(double(p.Value)))
	}
	text, err := json.Marshal(data)
	if err != nil { // a value that is not a number, which neither PutMetricData nor PutMetricAlarm accepts
		return ""
	}
	return string(text)
}

// evaluated lists, newest first, as many points as the state needs: in published data
// there is one if one is enough, however many were at hand. Missing ones have no value;
// the newest are filled in first (row "- - - - 0": "the two most recent missing data
// points").
func (a Alarm) evaluated(o outcome) []evaluatedPoint {
	need := a.EvaluationPeriods
	switch o.state {
	case InAlarm:
		need = a.datapointsToAlarm()
	case OK:
		need = a.EvaluationPeriods - a.datapointsToAlarm() + 1
	}
	fills := o.state == InsufficientData || (o.state == InAlarm && a.TreatMissingData == treatBreaching) ||
		(o.state == OK && a.TreatMissingData == treatNotBreaching)
	list := []evaluatedPoint{}
	next, filled := len(o.real)-1, 0
	for age := 1; age <= a.periods() && len(list) < need; age++ {
		switch {
		case next >= 0 && a.age(o, o.real[next]) == age:
			if p := o.real[next]; o.state != InsufficientData && a.breaching(p.Value) == (o.state == InAlarm) {
				list = append(list, evaluatedPoint{stamp(p.Start), json.Number(double(p.Value))})
			}
			next--
		case fills && filled < o.missing:
			list = append(list, evaluatedPoint{Timestamp: stamp(o.end.Add(-time.Duration(age) * a.Period))})
			filled++
		}
	}
	return list
}

func operatorWords(operator string) string {
	switch operator {
	case greaterOrEqual:
		return "greater than or equal to"
	case greater:
		return "greater than"
	case less:
		return "less than"
	}
	return "less than or equal to"
}

func count(n int, what string) string {
	if n == 1 {
		return "1 " + what
	}
	return fmt.Sprintf("%d %ss", n, what)
}

func were(n int, what string) string {
	if n == 1 {
		return "1 " + what + " was"
	}
	return fmt.Sprintf("%d %ss were", n, what)
}

func stamp(t time.Time) string { return t.UTC().Format("2006-01-02T15:04:05.000-0700") }

// double writes a number as Java's Double.toString does: 1.0, 0.2872183414376726, 1.0E7.
func double(v float64) string {
	if abs := max(v, -v); abs == 0 || (abs >= 1e-3 && abs < 1e7) {
		text := strconv.FormatFloat(v, 'f', -1, 64)
		if !strings.Contains(text, ".") {
			text += ".0"
		}
		return text
	}
	digits, exponent, ok := strings.Cut(strconv.FormatFloat(v, 'E', -1, 64), "E")
	if !ok {
		return digits
	}
	if !strings.Contains(digits, ".") {
		digits += ".0"
	}
	n, err := strconv.Atoi(exponent)
	if err != nil {
		return digits + "E" + exponent
	}
	return digits + "E" + strconv.Itoa(n)
}
