package notify

import (
	"encoding/json"
	"fmt"
	"strconv"
	"strings"
	"time"

	"github.com/cronbearer/cronbearer/internal/dev/awssim/alarm"
)

// Account is where the alarms live.
type Account struct{ Region, ID, Partition string }

// Change is an alarm's change of state, with the time of the one before, which alarm.Transition does not carry.
type Change struct {
	alarm.Transition

	PreviousAt   time.Time
	ConfiguredAt time.Time
}

// Message is what a topic gets.
type Message struct {
	At      time.Time
	Topic   string // ARN
	Subject string
	Body    string // what filters match, and what subscribers other than e-email get
	Email   string // what an e-email says; empty: Body
	Alarm   string // name of the alarm that it is about
}

// regions are the names in CloudWatch's messages; a Region that is not here is written as its code.
var regions = map[string]string{
	"us-east-1": "US East (N. Virginia)", "us-east-2": "US East (Ohio)", "us-west-2": "US West (Oregon)",
	"eu-west-1": "EU (Ireland)", "eu-west-2": "EU (London)", "eu-central-1": "EU (Frankfurt)",
}

func (a Account) regionName() string {
	if name, ok := regions[a.Region]; ok {
		return name
	}
	return a.Region
}

func (a Account) alarmARN(name string) string {
	return strings.Join([]string{"arn", a.Partition, "cloudwatch", a.Region, a.ID, "alarm", name}, ":")
}

// maxSubject is SNS's limit.
const maxSubject = 100

// AlarmMessage is what CloudWatch publishes for an action. The form of the JSON is that of "Notifying users on alarm
// changes" and of published messages.
func (a Account) AlarmMessage(c Change, topic string) Message {
	subject := fmt.Sprintf("%s: %q in %s", c.To, c.Alarm.Name, a.regionName())
	return Message{
		At: c.At, Topic: topic, Subject: subject[:min(len(subject), maxSubject)], Body: a.body(c), Email: a.email(c),
		Alarm: c.Alarm.Name,
	}
}

func (a Account) body(c Change) string {
	type dimension struct {
		Value string `json:"value"`
		Name  string `json:"name"`
	}
	dimensions := []dimension{}
	for _, d := range c.Alarm.Dimensions {
		dimensions = append(dimensions, dimension{d.Value, d.Name})
	}
	body := map[string]any{
		"AlarmName": c.Alarm.Name, "AlarmDescription": c.Alarm.Description, "AWSAccountId": a.ID,
		"AlarmConfigurationUpdatedTimestamp": stamp(c.ConfiguredAt),
		"NewStateValue":                      c.To, "NewStateReason": c.Reason, "StateChangeTime": stamp(c.At),
		"Region":   a.regionName(),
		"AlarmArn": a.alarmARN(c.Alarm.Name), "OldStateValue": c.From,
		"OKActions": none(c.Alarm.OKActions), "AlarmActions": none(c.Alarm.AlarmActions),
		"InsufficientDataActions": none(c.Alarm.InsufficientDataActions),
		"Trigger": map[string]any{
			"MetricName": c.Alarm.MetricName, "Namespace": c.Alarm.Namespace, "StatisticType": "Statistic",
			"Statistic": strings.ToUpper(c.Alarm.Statistic), "Unit": nil, "Dimensions": dimensions,
			"Period":            int(c.Alarm.Period / time.Second),
			"EvaluationPeriods": c.Alarm.EvaluationPeriods, "DatapointsToAlarm": c.Alarm.DatapointsToAlarm,
			"ComparisonOperator": c.Alarm.ComparisonOperator, "Threshold": c.Alarm.Threshold,
			"TreatMissingData": c.Alarm.TreatMissingData, "EvaluateLowSampleCountPercentile": "",
		},
	}
	text, err := json.Marshal(body)
	if err != nil { // plain values
		return "{}"
	}
	return string(text)
}

func none(list []string) []string {
	if list == nil {
		return []string{}
	}
	return list
}

// email is the text that CloudWatch passes to SNS for e-email. What SNS puts below it, how to unsubscribe, is left out.
func (a Account) email(c Change) string {
	var b strings.Builder
	state := c.To
	fmt.Fprintf(&b,
		"You are receiving this email because your Amazon CloudWatch Alarm %q in the %s region has entered the %s state, "+
			"because %q at %q.\n",
		c.Alarm.Name, a.regionName(), state, c.Reason, c.At.UTC().Format("Monday 02 January, 2006 15:04:05 UTC"))
	fmt.Fprintf(
		&b,
		"\nView this alarm in the AWS Management "+
			"Console:\nhttps://%[1]s.console.aws.amazon.com/cloudwatch/deeplink.js?region=%[1]s#alarmsV2:alarm/%[2]s\n",
		a.Region, c.Alarm.Name,
	)
	fmt.Fprintf(&b,
		"\nAlarm Details:\n- Name:                       %s\n- Description:                %s\n- State Change:            "+
			"   %s -> %s\n- Reason for State Change:    %s\n- Timestamp:                  %s\n- AWS Account:                "+
			"%s\n- Alarm Arn:                  %s\n",
		c.Alarm.Name, c.Alarm.Description, c.From, c.To, c.Reason, c.At.UTC().Format("Monday 02 January, 2006 15:04:05 UTC"),
		a.ID, a.alarmARN(c.Alarm.Name))
	fmt.Fprintf(&b,
		"\nThreshold:\n- The alarm is in the ALARM state when the metric is %s %s for at least %d of the last %d "+
			"period(s) of %d seconds.\n",
		c.Alarm.ComparisonOperator, decimal(c.Alarm.Threshold), max(c.Alarm.DatapointsToAlarm, 1), c.Alarm.EvaluationPeriods,
		int(c.Alarm.Period/time.Second))
	fmt.Fprintf(&b,
		"\nMonitored Metric:\n- MetricNamespace:            %s\n- MetricName:                 %s\n- Dimensions:           "+
			"      %s\n- Period:                     %d seconds\n- Statistic:                  %s\n- Unit:                   "+
			"    not specified\n- TreatMissingData:           %s\n",
		c.Alarm.Namespace, c.Alarm.MetricName, dimensionsText(c.Alarm.Dimensions), int(c.Alarm.Period/time.Second),
		c.Alarm.Statistic, c.Alarm.TreatMissingData)
	fmt.Fprintf(
		&b, "\nState Change Actions:\n- OK: %s\n- ALARM: %s\n- INSUFFICIENT_DATA: %s\n", actions(c.Alarm.OKActions),
		actions(c.Alarm.AlarmActions), actions(c.Alarm.InsufficientDataActions),
	)
	return b.String()
}

func dimensionsText(list []alarm.Dimension) string {
	texts := make([]string, len(list))
	for i, d := range list {
		texts[i] = "[" + d.Name + " = " + d.Value + "]"
	}
	return strings.Join(texts, " ")
}

func actions(list []string) string {
	if len(list) == 0 {
		return ""
	}
	return "[" + strings.Join(list, ", ") + "]"
}

func decimal(v float64) string {
	text := strconv.FormatFloat(v, 'f', -1, 64)
	if !strings.Contains(text, ".") {
		text += ".0"
	}
	return text
}

func stamp(t time.Time) string { return t.UTC().Format("2006-01-02T15:04:05.000-0700") }

// StateChange is the event "CloudWatch Alarm State Change" (CloudWatch User Guide, "Alarm events and EventBridge").
func (a Account) StateChange(c Change) map[string]any {
	state := func(value alarm.State, reason, data string, at time.Time) map[string]any {
		s := map[string]any{"value": string(value), "reason": reason, "timestamp": stamp(at)}
		if data != "" {
			s["reasonData"] = data
		}
		return s
	}
	dimensions := map[string]any{}
	for _, d := range c.Alarm.Dimensions {
		dimensions[d.Name] = d.Value
	}
	return map[string]any{
		"version": "0", "id": fmt.Sprintf("%08x-0000-4000-8000-%012x", c.At.Unix()&0xffffffff, len(c.Alarm.Name)),
		"detail-type": "CloudWatch Alarm State Change", "source": "aws.cloudwatch", "account": a.ID,
		"time": c.At.UTC().Format(time.RFC3339), "region": a.Region, "resources": []any{a.alarmARN(c.Alarm.Name)},
		"detail": map[string]any{
			"alarmName":     c.Alarm.Name,
			"state":         state(c.To, c.Reason, c.ReasonData, c.At),
			"previousState": state(c.From, c.PreviousReason, c.PreviousReasonData, c.PreviousAt),
			"configuration": map[string]any{
				"description": c.Alarm.Description,
				"metrics": []any{map[string]any{
					"id": "00000000-0000-4000-8000-000000000000", "returnData": true,
					"metricStat": map[string]any{
						"metric": map[string]any{"namespace": c.Alarm.Namespace, "name": c.Alarm.MetricName, "dimensions": dimensions},
						"period": c.Alarm.Period.Seconds(), "stat": c.Alarm.Statistic,
					},
				}},
			},
		},
	}
}
