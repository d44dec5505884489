package check

import (
	"fmt"
	"maps"
	"slices"
	"strings"

	"github.com/cronbearer/cronbearer/infra/cfn"
	"github.com/cronbearer/cronbearer/internal/metric"
)

// CloudWatch's limits (API reference, PutMetricAlarm).
const (
	maxAlarmName   = 255
	maxDescription = 1024
	hour           = 3600
	day            = 24 * hour
	week           = 7 * day
)

// spec is what an alarm must be: a metric that something publishes, judged as
// the design says. A drift of one word makes an alarm that never rings.
type spec struct {
	name, namespace, metric string
	dimensions              [][2]string
	statistic               string
	period                  float64
	evaluate, breach        float64
	comparison              string
	threshold               float64
	missing                 string
	ends                    bool // the alarm's own OK is told
	insufficient            bool
	// watched is an alarm that must say whether its actions are on, and quiet that they are not.
	watched, quiet bool
}

func (c *checker) tokens() {
	for _, name := range c.stack.Loop(tokens) {
		if c.broken[tokens+"."+name] {
			continue
		}
		own := [][2]string{{metric.DimensionStack, c.stack.StackName}, {metric.DimensionToken, name}}
		c.alarm("TokenRejected"+name, spec{
			name: "TokenRejected-" + name, namespace: c.stack.Values["MetricNamespace"], metric: metric.TokenRejected,
			dimensions: own, statistic: "Maximum", period: 60, evaluate: 1, breach: 1,
			comparison: "GreaterThanOrEqualToThreshold", threshold: 1, missing: "ignore", ends: true,
		})
		warn := 7.0
		if v, ok := c.stack.Mappings[tokens][name]["WarnDays"]; ok {
			warn, _ = cfn.Number(v)
		}
		c.alarm("TokenExpiring"+name, spec{
			name: "TokenExpiring-" + name, namespace: c.stack.Values["MetricNamespace"], metric: metric.TokenDaysToExpiry,
			dimensions: own, statistic: "Minimum", period: hour, evaluate: 1, breach: 1,
			comparison: "LessThanThreshold", threshold: warn, missing: "ignore", ends: true,
		})
	}
}

func (c *checker) silent(name string, row map[string]any) spec {
	missing := "missing"
	if watch, ok := row["Watch"].(string); ok {
		missing = watch
	}
	hours := numberAt(row, "SilentAfter")
	return spec{
		name: "Silent-" + name, namespace: c.stack.Values["MetricNamespace"], metric: metric.Heartbeat,
		dimensions: [][2]string{{metric.DimensionStack, c.stack.StackName}, {metric.DimensionJob, name}},
		statistic:  "Sum", period: hour, evaluate: hours, breach: hours,
		comparison: "LessThanThreshold", threshold: 1, missing: missing, insufficient: true,
		watched: true, quiet: textAt(row, "State") == "DISABLED",
	}
}

// stackAlarms are the alarms that no loop makes.
func (c *checker) stackAlarms() map[string]spec {
	queue := func(name, id string) spec {
		return spec{
			name: name, namespace: "AWS/SQS", metric: "ApproximateNumberOfMessagesVisible",
			dimensions: [][2]string{{"QueueName", queueName(c.stack.Ref(id))}}, statistic: "Maximum", period: 300,
			evaluate: 1, breach: 1, comparison: "GreaterThanOrEqualToThreshold", threshold: 1, missing: "ignore", ends: true,
		}
	}
	count := func(name, namespace, metricName, dimension, id string) spec {
		return spec{
			name: name, namespace: namespace, metric: metricName, dimensions: [][2]string{{dimension, c.stack.Ref(id)}},
			statistic: "Sum", period: 300, evaluate: 1, breach: 1, comparison: "GreaterThanOrEqualToThreshold",
			threshold: 1, missing: "notBreaching", ends: true,
		}
	}
	throttled := count("Throttled", "AWS/Lambda", "Throttles", "FunctionName", "Caller")
	throttled.evaluate, throttled.breach = 3, 2
	// In hours: what meets each run of an hourly job is one message.
	lost := count("RecordsLost", "AWS/Lambda", "DestinationDeliveryFailures", "FunctionName", "Caller")
	lost.period, lost.evaluate = hour, 3
	dropped := count("StartsDropped", "AWS/Scheduler", "InvocationDroppedCount", "ScheduleGroup", "ScheduleGroup")
	dropped.period, dropped.evaluate = hour, 3
	// Latched, as the token's own alarm is: between rotations Lambda publishes nothing.
	rotation := count("RotationFailed", "AWS/Lambda", "Errors", "FunctionName", "Rotator")
	rotation.statistic, rotation.period, rotation.missing = "Maximum", 60, "ignore"
	return map[string]spec{
		"RotationFailed":     rotation,
		"FailedRunsWaiting":  queue("FailedRuns", "FailedRuns"),
		"DeadLettersWaiting": queue("DeadLetters", "DeadLetters"),
		"Throttled":          throttled,
		"RecordsLost":        lost,
		"StartsDropped":      dropped,
	}
}

// queueName is the last part of a queue's URL.
func queueName(url string) string { return url[strings.LastIndexByte(url, '/')+1:] }

// alarm holds a resource against what it must be.
func (c *checker) alarm(id string, want spec) {
	r, ok := c.stack.Resources[id]
	if !ok || r.Type != alarmType {
		c.add(id, "the template has no such alarm")
		return
	}
	dimensions := make([]any, 0, len(want.dimensions))
	for _, d := range want.dimensions {
		dimensions = append(dimensions, map[string]any{"Name": d[0], "Value": d[1]})
	}
	properties := map[string]any{
		"AlarmName": c.stack.StackName + "-" + want.name, "AlarmDescription": r.Properties["AlarmDescription"],
		"Namespace": want.namespace, "MetricName": want.metric, "Dimensions": dimensions, "Statistic": want.statistic,
		"Period": want.period, "EvaluationPeriods": want.evaluate, "DatapointsToAlarm": want.breach,
		"ComparisonOperator": want.comparison, "Threshold": want.threshold, "TreatMissingData": want.missing,
		"AlarmActions": c.topic(),
	}
	if want.ends {
		properties["OKActions"] = c.topic()
	}
	if want.insufficient {
		properties["InsufficientDataActions"] = c.topic()
	}
	if want.watched {
		properties["ActionsEnabled"] = fmt.Sprint(!want.quiet)
	}
	c.same(id, r.Properties, properties)
}

// topic is the list of actions of every alarm.
func (c *checker) topic() []any {
	if given := c.stack.Values["AlarmTopicArn"]; given != "" {
		return []any{given}
	}
	return []any{c.stack.Ref("AlarmTopic")}
}

const alarmType = "AWS::CloudWatch::Alarm"

// alarms checks what holds for every alarm.
func (c *checker) alarms() {
	for id, want := range c.stackAlarms() {
		c.alarm(id, want)
	}
	for _, r := range c.stack.OfType(alarmType) {
		c.alarmLimits(r.LogicalID, r.Properties)
		if !c.expected(r.LogicalID) {
			c.add(r.LogicalID, "nothing says what this alarm must be")
		}
	}
}

func (c *checker) expected(id string) bool {
	for prefix, mapping := range map[string]string{"TokenRejected": tokens, "TokenExpiring": tokens, "Silent": jobs} {
		if name, ok := strings.CutPrefix(id, prefix); ok && slices.Contains(c.stack.Loop(mapping), name) {
			return true
		}
	}
	return slices.Contains(slices.Collect(maps.Keys(c.stackAlarms())), id)
}

func (c *checker) alarmLimits(where string, properties map[string]any) {
	period, evaluate := numberAt(properties, "Period"), numberAt(properties, "EvaluationPeriods")
	longest := float64(day)
	if period >= hour {
		longest = week
	}
	description := textAt(properties, "AlarmDescription")
	switch {
	case period <= 0 || int(period)%60 != 0:
		c.add(where, "Period must be a multiple of 60")
	case period*evaluate > longest:
		c.add(where, "its window of %v seconds is longer than the %v that CloudWatch allows", period*evaluate, longest)
	}
	if len(textAt(properties, "AlarmName")) > maxAlarmName {
		c.add(where, "AlarmName has more than %d characters", maxAlarmName)
	}
	if n := len([]rune(description)); n > maxDescription {
		c.add(where, "AlarmDescription has %d characters; CloudWatch allows %d", n, maxDescription)
	}
	if !strings.Contains(description, c.stack.Values["RunbookUrl"]+"/") {
		c.add(where, "AlarmDescription links to no runbook by ${RunbookUrl}")
	}
	if _, ok := properties["Unit"]; ok {
		c.add(where, "Unit leaves an alarm in INSUFFICIENT_DATA for ever when the metric has another")
	}
}
