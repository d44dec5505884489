package notify_test

import (
	"encoding/json"
	"strings"
	"testing"
	"time"

	"github.com/cronbearer/cronbearer/internal/dev/awssim/alarm"
	"github.com/cronbearer/cronbearer/internal/dev/awssim/iam"
	"github.com/cronbearer/cronbearer/internal/dev/awssim/notify"
)

// TestPattern matches documents by the operators that the templates use, and rejects the others.
func TestPattern(t *testing.T) {
	t.Parallel()
	const email = `{"$or":[{"NewStateValue":["ALARM","INSUFFICIENT_DATA"]},{"OldStateValue":["ALARM"]},{"Summary":[{"exists":true}]}]}`
	cases := map[string]struct {
		pattern, document string
		want              bool
	}{
		"one of a list":               {`{"a":["x","y"]}`, `{"a":"y"}`, true},
		"none of a list":              {`{"a":["x","y"]}`, `{"a":"z"}`, false},
		"a field that is missing":     {`{"a":["x"]}`, `{}`, false},
		"all fields":                  {`{"a":["x"],"b":[1]}`, `{"a":"x","b":2}`, false},
		"a number":                    {`{"b":[1]}`, `{"b":1}`, true},
		"null":                        {`{"b":[null]}`, `{"b":null}`, true},
		"nested":                      {`{"a":{"b":["x"]}}`, `{"a":{"b":"x"}}`, true},
		"nested, but a text":          {`{"a":{"b":["x"]}}`, `{"a":"x"}`, false},
		"a list in the document":      {`{"a":["x"]}`, `{"a":["y","x"]}`, true},
		"prefix":                      {`{"a":[{"prefix":"ab"}]}`, `{"a":"abc"}`, true},
		"no such prefix":              {`{"a":[{"prefix":"ab"}]}`, `{"a":"bab"}`, false},
		"anything but a text":         {`{"a":[{"anything-but":"x"}]}`, `{"a":"y"}`, true},
		"that text":                   {`{"a":[{"anything-but":["x","z"]}]}`, `{"a":"z"}`, false},
		"anything but a prefix":       {`{"a":[{"anything-but":{"prefix":"Unchecked"}}]}`, `{"a":"Threshold"}`, true},
		"that prefix":                 {`{"a":[{"anything-but":{"prefix":"Unchecked"}}]}`, `{"a":"Unchecked: x"}`, false},
		"anything but, missing":       {`{"a":[{"anything-but":"x"}]}`, `{}`, false},
		"exists":                      {`{"a":[{"exists":true}]}`, `{"a":0}`, true},
		"does not exist":              {`{"a":[{"exists":false}]}`, `{}`, true},
		"email: an alarm":             {email, `{"NewStateValue":"ALARM","OldStateValue":"OK"}`, true},
		"email: its end":              {email, `{"NewStateValue":"OK","OldStateValue":"ALARM"}`, true},
		"email: the first OK":         {email, `{"NewStateValue":"OK","OldStateValue":"INSUFFICIENT_DATA"}`, false},
		"email: the end of a silence": {email, `{"Summary":"over","NewStateValue":"OK","OldStateValue":"INSUFFICIENT_DATA"}`, true},
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
	for _, bad := range []string{`{"a":"x"}`, `{"a":[]}`, `{"a":[{"cidr":"10.0.0.0/8"}]}`, `{"$or":[{"a":["x"]}]}`, `{"a":[{"prefix":1}]}`, `{`} {
		if _, err := notify.ParsePattern(bad); err == nil {
			t.Errorf("%s was taken", bad)
		}
	}
}

var account = notify.Account{Region: "eu-west-1", ID: "123456789012", Partition: "aws"}

func change() notify.Change {
	at := time.Date(2026, 11, 2, 9, 1, 0, 0, time.UTC)
	return notify.Change{PreviousAt: at.Add(-time.Hour), ConfiguredAt: at.Add(-2 * time.Hour), Transition: alarm.Transition{
		Alarm: alarm.Alarm{
			Name: "app-Silent-Job", Description: "what to do", Namespace: "N", MetricName: "M", Statistic: "Sum", Period: time.Hour,
			EvaluationPeriods: 3, DatapointsToAlarm: 3, Threshold: 1, ComparisonOperator: "LessThanThreshold", TreatMissingData: "missing", ActionsEnabled: true,
		},
		From: alarm.InsufficientData, To: alarm.OK, Reason: `a "good" reason`, At: at, PreviousReason: "Insufficient Data: 3 datapoints were unknown.",
	}}
}

// TestRule fills an input template as EventBridge does.
func TestRule(t *testing.T) {
	t.Parallel()
	rule := func(template string) notify.Rule {
		r, err := notify.ParseRule("arn:rule", map[string]any{
			"EventPattern": map[string]any{"detail": map[string]any{"alarmName": []any{map[string]any{"prefix": "app-Silent-"}}}},
			"Targets": []any{map[string]any{"Id": "t", "Arn": "arn:topic", "InputTransformer": map[string]any{
				"InputPathsMap": map[string]any{"name": "$.detail.alarmName", "why": "$.detail.state.reason", "what": "$.detail.state", "since": "$.detail.previousState.timestamp"},
				"InputTemplate": template,
			}}},
		})
		if err != nil {
			t.Fatal(err)
		}
		return r
	}
	cases := map[string]struct{ template, want string }{
		"in quotes":   {`{"a":"<name> since <since>"}`, `{"a":"app-Silent-Job since 2026-11-02T08:01:00.000+0000"}`},
		"quotes kept": {`{"a":"<why>"}`, `{"a":"a \"good\" reason"}`},
		"alone":       {`{"a":<name>}`, `{"a":"app-Silent-Job"}`},
		"an object":   {`{"a":<what>}`, `{"a":{"reason":"a \"good\" reason","timestamp":"2026-11-02T09:01:00.000+0000","value":"OK"}}`},
		"unknown":     {`{"a":"<other>"}`, `{"a":"<other>"}`},
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
	if _, err := notify.ParseRule("arn:rule", map[string]any{"ScheduleExpression": "rate(1 hour)"}); err == nil {
		t.Error("a rule that this model does not know was taken")
	}
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
	open := policy(`{"Statement":[{"Effect":"Allow","Principal":{"Service":"cloudwatch.amazonaws.com"},"Action":"sns:Publish","Resource":"arn:topic",
		"Condition":{"StringEquals":{"aws:SourceAccount":"123456789012"},"ArnLike":{"aws:SourceArn":"arn:aws:cloudwatch:eu-west-1:123456789012:alarm:app-*"}}}]}`)
	key := policy(`{"Statement":[{"Effect":"Allow","Principal":{"Service":["cloudwatch.amazonaws.com"]},"Action":["kms:Decrypt","kms:GenerateDataKey*"],"Resource":"*"}]}`)
	cases := map[string]struct {
		topic             notify.Topic
		publisher, source string
		problem           string
	}{
		"allowed":          {notify.Topic{Policy: open, Key: key, Encrypted: true}, notify.CloudWatch, "alarm:app-Silent-Job", ""},
		"another stack's":  {notify.Topic{Policy: open}, notify.CloudWatch, "alarm:other-Silent-Job", "policy of topic"},
		"another service":  {notify.Topic{Policy: open, Key: key, Encrypted: true}, notify.EventBridge, "rule", "policy of topic"},
		"alias/aws/sns":    {notify.Topic{Policy: open, Encrypted: true}, notify.CloudWatch, "alarm:app-Silent-Job", "policy of the key"},
		"the user's topic": {notify.Topic{Open: true}, notify.EventBridge, "rule", ""},
	}
	for name, c := range cases {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			c.topic.ARN, c.topic.Account = "arn:topic", "123456789012"
			c.topic.Subscribe("email", "you@example.com", nil)
			emails, err := c.topic.Publish(c.publisher, "arn:aws:cloudwatch:eu-west-1:123456789012:"+c.source, account.AlarmMessage(change(), "arn:topic"))
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
	for _, part := range []string{"has entered the OK state", "what to do", "INSUFFICIENT_DATA -> OK", "LessThanThreshold 1.0 for at least 3 of the last 3 period(s) of 3600 seconds", "Monday 02 November, 2026 09:01:00 UTC"} {
		if !strings.Contains(m.Email, part) {
			t.Errorf("the email does not say %q:\n%s", part, m.Email)
		}
	}
	var body struct{ AlarmName, NewStateValue, OldStateValue, NewStateReason string }
	if err := json.Unmarshal([]byte(m.Body), &body); err != nil || body.AlarmName != "app-Silent-Job" || body.NewStateValue != "OK" || body.OldStateValue != "INSUFFICIENT_DATA" {
		t.Errorf("%+v, %v", body, err)
	}
}
