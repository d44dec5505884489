package alarm_test

import (
	"encoding/json"
	"maps"
	"strings"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"

	"github.com/cronbearer/cronbearer/internal/dev/awssim/alarm"
)

func properties() map[string]any {
	return map[string]any{
		"AlarmDescription":   "Nobody calls.",
		"Namespace":          "Cronbearer",
		"MetricName":         "Heartbeat",
		"Dimensions":         []any{map[string]any{"Name": "Stack", "Value": "one"}, map[string]any{"Name": "Job", "Value": "DailyReport"}},
		"Statistic":          "Sum",
		"Period":             3600,
		"EvaluationPeriods":  75,
		"DatapointsToAlarm":  75,
		"Threshold":          1,
		"ComparisonOperator": "LessThanThreshold",
		"TreatMissingData":   "missing",
		"AlarmActions":       []any{"topic"},
	}
}

func TestFromProperties(t *testing.T) {
	t.Parallel()
	want := alarm.Alarm{
		Name: "one-Silent-DailyReport", Description: "Nobody calls.", Namespace: "Cronbearer", MetricName: "Heartbeat",
		Dimensions: []alarm.Dimension{{Name: "Stack", Value: "one"}, {Name: "Job", Value: "DailyReport"}},
		Statistic:  "Sum", Period: time.Hour, EvaluationPeriods: 75, DatapointsToAlarm: 75, Threshold: 1,
		ComparisonOperator: "LessThanThreshold", TreatMissingData: "missing", ActionsEnabled: true, AlarmActions: []string{"topic"},
	}
	tests := map[string]struct {
		properties map[string]any
		change     func(*alarm.Alarm)
	}{
		"as in a template": {nil, func(*alarm.Alarm) {}},
		"numbers as text":  {map[string]any{"Period": "3600", "EvaluationPeriods": "75", "DatapointsToAlarm": json.Number("75"), "Threshold": "1.0"}, func(*alarm.Alarm) {}},
		"numbers as JSON":  {map[string]any{"Period": 3600.0, "EvaluationPeriods": int64(75), "Threshold": 1.0}, func(*alarm.Alarm) {}},
		"its own name":     {map[string]any{"AlarmName": "mine"}, func(a *alarm.Alarm) { a.Name = "mine" }},
		"the defaults": {
			map[string]any{"TreatMissingData": nil, "DatapointsToAlarm": nil, "AlarmDescription": nil},
			func(a *alarm.Alarm) { a.DatapointsToAlarm, a.Description = 0, "" },
		},
		"actions off": {
			map[string]any{"ActionsEnabled": "false", "OKActions": []string{"a", "b"}, "Tags": []any{}, "EvaluationWindow": map[string]any{"SlidingWindow": map[string]any{}}},
			func(a *alarm.Alarm) { a.ActionsEnabled, a.OKActions = false, []string{"a", "b"} },
		},
		"7 days":         {map[string]any{"EvaluationPeriods": 168, "DatapointsToAlarm": 168}, func(a *alarm.Alarm) { a.EvaluationPeriods, a.DatapointsToAlarm = 168, 168 }},
		"1 day, minutes": {map[string]any{"Period": 60, "EvaluationPeriods": 1440, "DatapointsToAlarm": 1}, func(a *alarm.Alarm) { a.Period, a.EvaluationPeriods, a.DatapointsToAlarm = time.Minute, 1440, 1 }},
		"20 seconds":     {map[string]any{"Period": 20}, func(a *alarm.Alarm) { a.Period = 20 * time.Second }},
	}
	for name, test := range tests {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			p := properties()
			maps.Copy(p, test.properties)
			expected := want
			test.change(&expected)
			got, err := alarm.FromProperties("one-Silent-DailyReport", p)
			if err != nil {
				t.Fatal(err)
			}
			if diff := cmp.Diff(expected, got); diff != "" {
				t.Error(diff)
			}
		})
	}
}

func TestFromPropertiesRejects(t *testing.T) {
	t.Parallel()
	tests := map[string]struct {
		properties map[string]any
		want       []string
	}{
		"period 45":                {map[string]any{"Period": 45}, []string{"Period is 45 s"}},
		"period 0":                 {map[string]any{"Period": 0}, []string{"Period is 0 s"}},
		"period 90":                {map[string]any{"Period": 90}, []string{"multiple of 60"}},
		"no period":                {map[string]any{"Period": nil}, []string{"Period is missing"}},
		"more than 7 days":         {map[string]any{"EvaluationPeriods": 169}, []string{"608400 s; 604800 is the most"}},
		"more than a day, minutes": {map[string]any{"Period": 1800, "EvaluationPeriods": 49, "DatapointsToAlarm": 1}, []string{"88200 s; 86400 is the most for a period of less than an hour"}},
		"no evaluation periods":    {map[string]any{"EvaluationPeriods": nil}, []string{"EvaluationPeriods is missing"}},
		"half a period":            {map[string]any{"EvaluationPeriods": 1.5}, []string{"not a whole number"}},
		"more points than periods": {map[string]any{"DatapointsToAlarm": 76}, []string{"DatapointsToAlarm is 76"}},
		"no point":                 {map[string]any{"DatapointsToAlarm": 0}, []string{"DatapointsToAlarm is 0"}},
		"no threshold":             {map[string]any{"Threshold": nil}, []string{"Threshold is missing"}},
		"threshold is text":        {map[string]any{"Threshold": "high"}, []string{"Threshold is high, not a number"}},
		"threshold is endless":     {map[string]any{"Threshold": "NaN"}, []string{"Threshold is no finite number"}},
		"treatment in capitals":    {map[string]any{"TreatMissingData": "NotBreaching"}, []string{`TreatMissingData is "NotBreaching"`}},
		"operator":                 {map[string]any{"ComparisonOperator": ">="}, []string{"ComparisonOperator"}},
		"no operator":              {map[string]any{"ComparisonOperator": nil}, []string{"ComparisonOperator"}},
		"statistic":                {map[string]any{"Statistic": "Median"}, []string{`Statistic is "Median"`}},
		"namespace":                {map[string]any{"Namespace": ":x"}, []string{"Namespace begins with a colon"}},
		"no metric":                {map[string]any{"MetricName": nil}, []string{"MetricName has 0 characters"}},
		"description":              {map[string]any{"AlarmDescription": strings.Repeat("ü", 1025)}, []string{"AlarmDescription has 1025 characters"}},
		"six actions":              {map[string]any{"OKActions": []any{"1", "2", "3", "4", "5", "6"}}, []string{"OKActions has 6 actions"}},
		"an action that is none":   {map[string]any{"AlarmActions": []any{map[string]any{"Ref": "Topic"}}}, []string{"AlarmActions holds a map"}},
		"actions are text":         {map[string]any{"AlarmActions": "topic"}, []string{"AlarmActions is a string, not a list"}},
		"dimension without value":  {map[string]any{"Dimensions": []any{map[string]any{"Name": "Job"}}}, []string{"Dimensions holds something other"}},
		"dimension twice":          {map[string]any{"Dimensions": []any{map[string]any{"Name": "Job", "Value": "a"}, map[string]any{"Name": "Job", "Value": "b"}}}, []string{"name Job twice"}},
		"dimension with no name":   {map[string]any{"Dimensions": []any{map[string]any{"Name": "", "Value": "a"}}}, []string{"a name has 0 characters"}},
		"percent in a name":        {map[string]any{"Dimensions": []any{map[string]any{"Name": "%d", "Value": ""}}}, []string{"the value of %d has 0 characters"}},
		"alarm name":               {map[string]any{"AlarmName": strings.Repeat("n", 256)}, []string{"AlarmName has 256"}},
		"truth":                    {map[string]any{"ActionsEnabled": "yes"}, []string{"ActionsEnabled is yes"}},
		"a slip of the pen":        {map[string]any{"TreatMissing": "ignore"}, []string{"TreatMissing is no property"}},
		"metric math":              {map[string]any{"Metrics": []any{}}, []string{"metric math"}},
		"unit":                     {map[string]any{"Unit": "Count"}, []string{"leave it out"}},
		"wall clock":               {map[string]any{"EvaluationWindow": map[string]any{"WallClockWindow": map[string]any{}}}, []string{"SlidingWindow"}},
		"all at once": {
			map[string]any{"Period": 45, "Threshold": nil, "TreatMissingData": "x", "OKActions": []any{"", "2", "3", "4", "5", "6"}, "Unit": "Count"},
			[]string{"Period is", "Threshold is missing", "TreatMissingData is", "OKActions has 6", "an action has 0", "Unit"},
		},
	}
	for name, test := range tests {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			p := properties()
			maps.Copy(p, test.properties)
			got, err := alarm.FromProperties("Test", p)
			if err == nil {
				t.Fatalf("taken: %+v", got)
			}
			for _, want := range test.want {
				if !strings.Contains(err.Error(), want) {
					t.Errorf("the error does not say %q:\n%s", want, err)
				}
			}
		})
	}
}
