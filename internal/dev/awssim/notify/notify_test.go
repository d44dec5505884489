package notify_test

import (
	"encoding/json"
	"strings"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"

	"github.com/cronbearer/cronbearer/internal/dev/awssim/alarm"
	"github.com/cronbearer/cronbearer/internal/dev/awssim/iam"
	"github.com/cronbearer/cronbearer/internal/dev/awssim/notify"
)

// TestPattern matches documents by the operators that the templates use, and rejects the others.
func TestPattern(t *testing.T) {
	t.Parallel()
	const email = `{"$or":[{"NewStateValue":["ALARM","INSUFFICIENT_DATA"]},{"OldStateValue":["ALARM"]},` +
		`{"Summary":[{"exists":true}]}]}`
	cases := map[string]struct {
		pattern, document string
		want              bool
	}{
		"one of a list":           {pattern: `{"a":["x","y"]}`, document: `{"a":"y"}`, want: true},
		"none of a list":          {pattern: `{"a":["x","y"]}`, document: `{"a":"z"}`, want: false},
		"a field that is missing": {pattern: `{"a":["x"]}`, document: `{}`, want: false},
		"all fields":              {pattern: `{"a":["x"],"b":[1]}`, document: `{"a":"x","b":2}`, want: false},
		"a number":                {pattern: `{"b":[1]}`, document: `{"b":1}`, want: true},
		"null":                    {pattern: `{"b":[null]}`, document: `{"b":null}`, want: true},
		"nested":                  {pattern: `{"a":{"b":["x"]}}`, document: `{"a":{"b":"x"}}`, want: true},
		"nested, but a text":      {pattern: `{"a":{"b":["x"]}}`, document: `{"a":"x"}`, want: false},
		"a list in the document":  {pattern: `{"a":["x"]}`, document: `{"a":["y","x"]}`, want: true},
		"prefix":                  {pattern: `{"a":[{"prefix":"ab"}]}`, document: `{"a":"abc"}`, want: true},
		"no such prefix":          {pattern: `{"a":[{"prefix":"ab"}]}`, document: `{"a":"bab"}`, want: false},
		"anything but a text":     {pattern: `{"a":[{"anything-but":"x"}]}`, document: `{"a":"y"}`, want: true},
		"that text":               {pattern: `{"a":[{"anything-but":["x","z"]}]}`, document: `{"a":"z"}`, want: false},
		"anything but a prefix": {
			pattern: `{"a":[{"anything-but":{"prefix":"Unchecked"}}]}`, document: `{"a":"Threshold"}`, want: true,
		},
		"that prefix": {
			pattern: `{"a":[{"anything-but":{"prefix":"Unchecked"}}]}`, document: `{"a":"Unchecked: x"}`, want: false,
		},
		"anything but, missing": {pattern: `{"a":[{"anything-but":"x"}]}`, document: `{}`, want: false},
		"exists":                {pattern: `{"a":[{"exists":true}]}`, document: `{"a":0}`, want: true},
		"does not exist":        {pattern: `{"a":[{"exists":false}]}`, document: `{}`, want: true},
		"email: an alarm": {
			pattern: email, document: `{"NewStateValue":"ALARM","OldStateValue":"OK"}`, want: true,
		},
		"email: its end": {
			pattern: email, document: `{"NewStateValue":"OK","OldStateValue":"ALARM"}`, want: true,
		},
		"email: the first OK": {
			pattern: email, document: `{"NewStateValue":"OK","OldStateValue":"INSUFFICIENT_DATA"}`, want: false,
		},
		"email: the end of a silence": {
			pattern: email, document: `{"Summary":"over","NewStateValue":"OK","OldStateValue":"INSUFFICIENT_DATA"}`,
			want: true,
		},
	}
	for name, c := range cases {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			p, err := notify.ParsePattern(c.pattern)
			if err != nil {
				t.Fatal(err)
			}
			var document any
			if err := json.Unmarshal([]byte(c.document), &document); err != nil {
				t.Fatal(err)
			}
			if got := p.Matches(document); got != c.want {
				t.Errorf("got %t", got)
			}
		})
	}
	for _, bad := range []string{
		`{"a":"x"}`, `{"a":[]}`, `{"a":[{"cidr":"10.0.0.0/8"}]}`, `{"$or":[{"a":["x"]}]}`, `{"a":[{"prefix":1}]}`, `{`,
	} {
		if _, err := notify.ParsePattern(bad); err == nil {
			t.Errorf("%s was accepted", bad)
		}
	}
}

var account = notify.Account{Region: "eu-west-1", ID: "123456789012", Partition: "aws"}

func change() notify.Change {
	at := time.Date(2026, 11, 2, 9, 1, 0, 0, time.UTC)
	return notify.Change{
		PreviousAt: at.Add(-time.Hour), ConfiguredAt: at.Add(-2 * time.Hour),
		Transition: alarm.Transition{
			Alarm: alarm.Alarm{
				Name: "app-Silent-Job", Description: "what to do", Namespace: "N", MetricName: "M", Statistic: "Sum",
				Period:            time.Hour,
				EvaluationPeriods: 3, DatapointsToAlarm: 3, Threshold: 1, ComparisonOperator: "LessThanThreshold",
				TreatMissingData: "missing", ActionsEnabled: true,
			},
			From: alarm.InsufficientData, To: alarm.OK, Reason: `a "good" reason`, At: at,
			PreviousReason: "Insufficient Data: 3 datapoints were unknown.",
		},
	}
}

// TestRule fills an input template as EventBridge does.
func TestRule(t *testing.T) {
	t.Parallel()
	rule := func(template string) notify.Rule {
		r, err := notify.ParseRule("arn:rule", map[string]any{
			"EventPattern": map[string]any{
				"detail": map[string]any{"alarmName": []any{map[string]any{"prefix": "app-Silent-"}}},
			},
			"Targets": []any{map[string]any{"Id": "t", "Arn": "arn:topic", "InputTransformer": map[string]any{
				"InputPathsMap": map[string]any{
					"name": "$.detail.alarmName", "why": "$.detail.state.reason", "what": "$.detail.state",
					"since": "$.detail.previousState.timestamp", "data": "$.detail.state.reasonData",
					"metric": "$.detail.configuration.metrics[0].metricStat.metric.name",
					"second": "$.detail.configuration.metrics[1].id",
				},
				"InputTemplate": template,
			}}},
		})
		if err != nil {
			t.Fatal(err)
		}
		return r
	}
	cases := map[string]struct{ template, want string }{
		"in quotes": {
			template: `{"a":"<name> since <since>"}`, want: `{"a":"app-Silent-Job since 2026-11-02T08:01:00.000+0000"}`,
		},
		"a text is not escaped": {template: `{"a":"<why>"}`, want: `{"a":"a "good" reason"}`},
		"alone":                 {template: `{"a":<name>}`, want: `{"a":"app-Silent-Job"}`},
		"an object": {
			template: `{"a":<what>}`,
			want:     `{"a":{"reason":"a \"good\" reason","timestamp":"2026-11-02T09:01:00.000+0000","value":"OK"}}`,
		},
		"an object in quotes loses its own": {
			template: `{"a":"is <what>"}`,
			want:     `{"a":"is {reason:a \good\ reason,timestamp:2026-11-02T09:01:00.000+0000,value:OK}"}`,
		},
		"after an escaped quote": {template: `{"a":"\"<name>"}`, want: `{"a":"\"app-Silent-Job"}`},
		"in a list":              {template: `{"a":"<metric>"}`, want: `{"a":"M"}`},
		"beyond the list":        {template: `{"a":"<second>"}`, want: `{"a":""}`},
		"not in the event":       {template: `{"a":"<data>"}`, want: `{"a":""}`},
		"the rule":               {template: `{"a":"<aws.events.rule-arn>"}`, want: `{"a":"arn:rule"}`},
	}
	for name, c := range cases {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			messages := rule(c.template).Messages(time.Now(), account.StateChange(change()), "app-Silent-Job")
			if len(messages) != 1 || messages[0].Body != c.want || messages[0].Topic != "arn:topic" {
				t.Errorf("got %+v, want %s", messages, c.want)
			}
		})
	}
	other := change()
	other.Alarm.Name = "app-FailedRuns"
	if messages := rule("{}").Messages(time.Now(), account.StateChange(other), ""); messages != nil {
		t.Errorf("a rule fired for another alarm: %+v", messages)
	}
	whole := rule(`{"event":<aws.events.event.json>}`).Messages(time.Now(), account.StateChange(change()), "")
	var sent struct{ Event map[string]any }
	if err := json.Unmarshal([]byte(whole[0].Body), &sent); err != nil {
		t.Fatal(err)
	}
	if diff := cmp.Diff(marshaled(t, account.StateChange(change())), marshaled(t, sent.Event)); diff != "" {
		t.Errorf("the whole event (-want +got)\n%s", diff)
	}
	if _, err := notify.ParseRule("arn:rule", map[string]any{"ScheduleExpression": "rate(1 hour)"}); err == nil {
		t.Error("a rule that this model does not know was accepted")
	}
	for name, transformer := range map[string]map[string]any{
		"a placeholder without a path": {"InputTemplate": `{"a":"<b>"}`},
		"a filter in a path":           {"InputTemplate": `{}`, "InputPathsMap": map[string]any{"b": "$.c[?(@.d)]"}},
		"a long template":              {"InputTemplate": `"` + strings.Repeat("a", 8192) + `"`},
	} {
		target := map[string]any{"Id": "t", "Arn": "arn:topic", "InputTransformer": transformer}
		properties := map[string]any{"EventPattern": `{"a":["b"]}`, "Targets": []any{target}}
		if _, err := notify.ParseRule("arn:rule", properties); err == nil {
			t.Errorf("%s was accepted", name)
		}
	}
}

func marshaled(t *testing.T, v any) string {
	t.Helper()
	text, err := json.Marshal(v)
	if err != nil {
		t.Fatal(err)
	}
	return string(text)
}

// TestTopic: who may publish is up to the policies of the topic and of its key.
func TestTopic(t *testing.T) {
	t.Parallel()
	policy := func(text string) iam.Resource {
		var document any
		if err := json.Unmarshal([]byte(text), &document); err != nil {
			t.Fatal(err)
		}
		r, err := iam.ParseResource(document)
		if err != nil {
			t.Fatal(err)
		}
		return r
	}
	open := policy(`{"Statement":[{"Effect":"Allow","Principal":{"Service":"cloudwatch.amazonaws.com"},
		"Action":"sns:Publish","Resource":"arn:topic",
		"Condition":{"StringEquals":{"aws:SourceAccount":"123456789012"},
		"ArnLike":{"aws:SourceArn":"arn:aws:cloudwatch:eu-west-1:123456789012:alarm:app-*"}}}]}`)
	key := policy(
		`{"Statement":[{"Effect":"Allow","Principal":{"Service":["cloudwatch.amazonaws.com"]},"Action":["kms:Decrypt",` +
			`"kms:GenerateDataKey*"],"Resource":"*"}]}`,
	)
	cases := map[string]struct {
		topic             *notify.Topic
		publisher, source string
		problem           string
	}{
		"allowed": {
			topic: &notify.Topic{Policy: open, Key: key, Encrypted: true}, publisher: notify.CloudWatch,
			source: "alarm:app-Silent-Job", problem: "",
		},
		"another stack's": {
			topic: &notify.Topic{Policy: open}, publisher: notify.CloudWatch, source: "alarm:other-Silent-Job",
			problem: "policy of topic",
		},
		"another service": {
			topic: &notify.Topic{Policy: open, Key: key, Encrypted: true}, publisher: notify.EventBridge, source: "rule",
			problem: "policy of topic",
		},
		"alias/aws/sns": {
			topic: &notify.Topic{Policy: open, Encrypted: true}, publisher: notify.CloudWatch, source: "alarm:app-Silent-Job",
			problem: "policy of the key",
		},
		"the user's topic": {topic: &notify.Topic{Open: true}, publisher: notify.EventBridge, source: "rule", problem: ""},
	}
	for name, c := range cases {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			c.topic.ARN, c.topic.Account = "arn:topic", "123456789012"
			c.topic.Subscribe(notify.Subscription{Protocol: "email", Endpoint: "you@example.com"})
			emails, err := c.topic.Publish(c.publisher, "arn:aws:cloudwatch:eu-west-1:123456789012:"+
				c.source, account.AlarmMessage(change(), "arn:topic"))
			if c.problem == "" && (err != nil || len(emails) != 1) {
				t.Errorf("%d emails, %v", len(emails), err)
			}
			if c.problem != "" && (err == nil || !strings.Contains(err.Error(), c.problem) || len(emails) > 0) {
				t.Errorf("%d emails, %v", len(emails), err)
			}
		})
	}
}

// TestEmail reads an alarm's email as an operator does.
func TestEmail(t *testing.T) {
	t.Parallel()
	m := account.AlarmMessage(change(), "arn:topic")
	if m.Subject != `OK: "app-Silent-Job" in EU (Ireland)` {
		t.Errorf("subject %s", m.Subject)
	}
	for _, part := range []string{
		"has entered the OK state", "what to do", "INSUFFICIENT_DATA -> OK",
		"LessThanThreshold 1.0 for at least 3 of the last 3 period(s) of 3600 seconds",
		"Monday 02 November, 2026 09:01:00 UTC",
	} {
		if !strings.Contains(m.Email, part) {
			t.Errorf("the email does not say %q:\n%s", part, m.Email)
		}
	}
	var body struct{ AlarmName, NewStateValue, OldStateValue, NewStateReason string }
	if err := json.Unmarshal([]byte(m.Body), &body); err != nil || body.AlarmName != "app-Silent-Job" ||
		body.NewStateValue != "OK" || body.OldStateValue != "INSUFFICIENT_DATA" {
		t.Errorf("%+v, %v", body, err)
	}
}
