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
		"AlarmDescription": "No one calls.",
		"Namespace":        "Cronbearer",
		"MetricName":       "Heartbeat",
		"Dimensions": []any{
			map[string]any{"Name": "Stack", "Value": "one"}, map[string]any{"Name": "Job", "Value": "DailyReport"},
		},
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
		Name: "one-Silent-DailyReport", Description: "No one calls.", Namespace: "Cronbearer", MetricName: "Heartbeat",
		Dimensions: []alarm.Dimension{{Name: "Stack", Value: "one"}, {Name: "Job", Value: "DailyReport"}},
		Statistic:  "Sum", Period: time.Hour, EvaluationPeriods: 75, DatapointsToAlarm: 75, Threshold: 1,
		ComparisonOperator: "LessThanThreshold", TreatMissingData: "missing", ActionsEnabled: true,
		AlarmActions: []string{"topic"},
	}
	tests := map[string]struct {
		properties map[string]any
		change     func(*alarm.Alarm)
	}{
		"as in a template": {properties: nil, change: func(*alarm.Alarm) {}},
		"numbers as text": {
			properties: map[string]any{
				"Period": "3600", "EvaluationPeriods": "75", "DatapointsToAlarm": json.Number("75"), "Threshold": "1.0",
			},
			change: func(*alarm.Alarm) {},
		},
		"numbers as JSON": {
			properties: map[string]any{"Period": 3600.0, "EvaluationPeriods": int64(75), "Threshold": 1.0},
			change:     func(*alarm.Alarm) {},
		},
		"its own name": {properties: map[string]any{"AlarmName": "mine"}, change: func(a *alarm.Alarm) {
			a.Name = "mine"
		}},
		"the defaults": {
			properties: map[string]any{"TreatMissingData": nil, "DatapointsToAlarm": nil, "AlarmDescription": nil},
			change:     func(a *alarm.Alarm) { a.DatapointsToAlarm, a.Description = 0, "" },
		},
		"actions off": {
			properties: map[string]any{
				"ActionsEnabled": "false", "OKActions": []string{"a", "b"}, "Tags": []any{},
				"EvaluationWindow": map[string]any{"SlidingWindow": map[string]any{}},
			},
			change: func(a *alarm.Alarm) { a.ActionsEnabled, a.OKActions = false, []string{"a", "b"} },
		},
		"7 days": {
			properties: map[string]any{"EvaluationPeriods": 168, "DatapointsToAlarm": 168},
			change: func(a *alarm.Alarm) {
				a.EvaluationPeriods, a.DatapointsToAlarm = 168, 168
			},
		},
		"1 day, minutes": {
			properties: map[string]any{"Period": 60, "EvaluationPeriods": 1440, "DatapointsToAlarm": 1},
			change: func(a *alarm.Alarm) {
				a.Period, a.EvaluationPeriods, a.DatapointsToAlarm = time.Minute, 1440, 1
			},
		},
		"20 seconds": {properties: map[string]any{"Period": 20}, change: func(a *alarm.Alarm) {
			a.Period = 20 * time.Second
		}},
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
		"period 45": {properties: map[string]any{"Period": 45}, want: []string{"Period is 45 s"}},
		"period 0":  {properties: map[string]any{"Period": 0}, want: []string{"Period is 0 s"}},
		"period 90": {properties: map[string]any{"Period": 90}, want: []string{"multiple of 60"}},
		"no period": {properties: map[string]any{"Period": nil}, want: []string{"Period is missing"}},
		"more than 7 days": {
			properties: map[string]any{"EvaluationPeriods": 169}, want: []string{"608400 s; 604800 is the most"},
		},
		"more than a day, minutes": {
			properties: map[string]any{"Period": 1800, "EvaluationPeriods": 49, "DatapointsToAlarm": 1},
			want:       []string{"88200 s; 86400 is the most for a period of less than an hour"},
		},
		"no evaluation periods": {
			properties: map[string]any{"EvaluationPeriods": nil}, want: []string{"EvaluationPeriods is missing"},
		},
		"half a period": {
			properties: map[string]any{"EvaluationPeriods": 1.5}, want: []string{"not a whole number"},
		},
		"more points than periods": {
			properties: map[string]any{"DatapointsToAlarm": 76}, want: []string{"DatapointsToAlarm is 76"},
		},
		"no point": {
			properties: map[string]any{"DatapointsToAlarm": 0}, want: []string{"DatapointsToAlarm is 0"},
		},
		"no threshold": {properties: map[string]any{"Threshold": nil}, want: []string{"Threshold is missing"}},
		"threshold is text": {
			properties: map[string]any{"Threshold": "high"}, want: []string{"Threshold is high, not a number"},
		},
		"threshold is endless": {
			properties: map[string]any{"Threshold": "NaN"}, want: []string{"Threshold is not a finite number"},
		},
		"treatment in capitals": {
			properties: map[string]any{"TreatMissingData": "NotBreaching"},
			want:       []string{`TreatMissingData is "NotBreaching"`},
		},
		"operator": {
			properties: map[string]any{"ComparisonOperator": ">="}, want: []string{"ComparisonOperator"},
		},
		"no operator": {
			properties: map[string]any{"ComparisonOperator": nil}, want: []string{"ComparisonOperator"},
		},
		"statistic": {
			properties: map[string]any{"Statistic": "Median"}, want: []string{`Statistic is "Median"`},
		},
		"namespace": {
			properties: map[string]any{"Namespace": ":x"}, want: []string{"Namespace begins with a colon"},
		},
		"no metric": {
			properties: map[string]any{"MetricName": nil}, want: []string{"MetricName has 0 characters"},
		},
		"description": {
			properties: map[string]any{"AlarmDescription": strings.Repeat("ü", 1025)},
			want:       []string{"AlarmDescription has 1025 characters"},
		},
		"six actions": {
			properties: map[string]any{"OKActions": []any{"1", "2", "3", "4", "5", "6"}},
			want:       []string{"OKActions has 6 actions"},
		},
		"an action that is none": {
			properties: map[string]any{"AlarmActions": []any{map[string]any{"Ref": "Topic"}}},
			want:       []string{"AlarmActions holds a map"},
		},
		"actions are text": {
			properties: map[string]any{"AlarmActions": "topic"}, want: []string{"AlarmActions is a string, not a list"},
		},
		"dimension without value": {
			properties: map[string]any{"Dimensions": []any{map[string]any{"Name": "Job"}}},
			want:       []string{"Dimensions holds something other"},
		},
		"dimension twice": {
			properties: map[string]any{
				"Dimensions": []any{map[string]any{"Name": "Job", "Value": "a"}, map[string]any{"Name": "Job", "Value": "b"}},
			},
			want: []string{"name Job twice"},
		},
		"dimension with no name": {
			properties: map[string]any{"Dimensions": []any{map[string]any{"Name": "", "Value": "a"}}},
			want:       []string{"a name has 0 characters"},
		},
		"percent in a name": {
			properties: map[string]any{"Dimensions": []any{map[string]any{"Name": "%d", "Value": ""}}},
			want:       []string{"the value of %d has 0 characters"},
		},
		"alarm name": {
			properties: map[string]any{"AlarmName": strings.Repeat("n", 256)}, want: []string{"AlarmName has 256"},
		},
		"truth": {
			properties: map[string]any{"ActionsEnabled": "yes"}, want: []string{"ActionsEnabled is yes"},
		},
		"a slip of the pen": {
			properties: map[string]any{"TreatMissing": "ignore"}, want: []string{"TreatMissing is not a property"},
		},
		"metric math": {properties: map[string]any{"Metrics": []any{}}, want: []string{"metric math"}},
		"unit":        {properties: map[string]any{"Unit": "Count"}, want: []string{"leave it out"}},
		"wall clock": {
			properties: map[string]any{"EvaluationWindow": map[string]any{"WallClockWindow": map[string]any{}}},
			want:       []string{"SlidingWindow"},
		},
		"all at once": {
			properties: map[string]any{
				"Period": 45, "Threshold": nil, "TreatMissingData": "x", "OKActions": []any{"", "2", "3", "4", "5", "6"},
				"Unit": "Count",
			},
			want: []string{
				"Period is", "Threshold is missing", "TreatMissingData is", "OKActions has 6", "an action has 0", "Unit",
			},
		},
	}
	for name, test := range tests {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			p := properties()
			maps.Copy(p, test.properties)
			got, err := alarm.FromProperties("Test", p)
			if err == nil {
				t.Fatalf("accepted: %+v", got)
			}
			for _, want := range test.want {
				if !strings.Contains(err.Error(), want) {
					t.Errorf("the error does not say %q:\n%s", want, err)
				}
			}
		})
	}
}
