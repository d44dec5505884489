// Command fork writes the template of someone's fork to standard output: the shipped one, or that of the previous
// release, with other tokens and jobs, and with what people add to a template of theirs. fork.sh puts it in place of
// template.yaml and runs what a fork's CI runs; emulator.sh deploys it, and upgrades it.
//
//	go run ./internal/dev/check/fork [template.yaml]
package main

import (
	"errors"
	"fmt"
	"os"
	"strings"

	"github.com/cronbearer/cronbearer/internal/dev/shipped"
)

// edit replaces a text of the shipped template that appears in it once.
type edit struct{ text, instead string }

const (
	tokens = `    Billing: { Secret: team/billing, WarnDays: 21, Note: 'Anna renews it each March, or Ben (ext. 12)' }
    'NO':
      Secret: norway
      Key: /oauth/access_token
      Reject: '{"status":[403],"json":{"/error":["token_expired","token_revoked"]}}'
    Warehouse: { Secret: warehouse }
`
	jobs = `    'On':
      { Schedule: rate(5 minutes), Call: 'GET https://api.cronbearer.dev/v2/on?full=1', Token: 'NO', SilentAfter: 3 }
    NightlyInvoices:
      Schedule: cron(30 1 * * ? *)
      Timezone: America/New_York
      Call: POST https://billing.cronbearer.dev/invoices?for={{localDate-1d}}
      Token: Billing
      Body: '{"kind":"nightly"}'
      Idempotent: true
      SilentAfter: 50
    MonthEnd: { Schedule: 'cron(0 21 LW * ? *)', Call: 'PUT https://billing.cronbearer.dev/close', Token: Billing,
                SilentAfter: 168, Watch: ignore }
    Stock:
      Schedule: cron(0/30 6-22 ? * mon-sat *)
      Call: GET https://warehouse.cronbearer.dev/stock
      Token: Warehouse
      Expect: '{"json":{"/ok":true}}'
      Window: 10
      MaxAge: 1h
      SilentAfter: 35
      Note: the warehouse team, room 3
    StockCheck: { Schedule: rate(12 hours), Call: 'GET https://warehouse.cronbearer.dev/ping', Token: Warehouse,
                  Action: check, SilentAfter: 14, State: DISABLED }
`
	resources = `  Audit:
    Type: AWS::DynamoDB::Table
    DeletionPolicy: Retain
    UpdateReplacePolicy: Retain
    Properties:
      BillingMode: PAY_PER_REQUEST
      AttributeDefinitions: [{ AttributeName: id, AttributeType: S }]
      KeySchema: [{ AttributeName: id, KeyType: HASH }]

  CallerErrors:
    Type: AWS::CloudWatch::Alarm
    Properties:
      AlarmName: caller-errors
      AlarmDescription: An alarm of the team's own
      Namespace: AWS/Lambda
      MetricName: Errors
      Dimensions: [{ Name: FunctionName, Value: !Ref Caller }]
      Statistic: Sum
      Period: 300
      EvaluationPeriods: 3
      Threshold: 10
      ComparisonOperator: GreaterThanThreshold
      AlarmActions: [!Ref Pager]

  Pager:
    Type: AWS::SNS::Topic
    Properties:
      KmsMasterKeyId: alias/aws/sns

  PagerSubscription:
    Type: AWS::SNS::Subscription
    Condition: OwnTopic
    Properties:
      TopicArn: !Ref AlarmTopic
      Protocol: email
      Endpoint: !Ref SecondEmail

`
)

func edits(template string) []edit {
	return []edit{
		{between(template, "    ExampleApi: {", "\n  Jobs:\n"), tokens},
		{between(template, "    DailyReport:\n", "\n  # A flexible window"), jobs},
		{"- [ExampleApi]", "- [Billing, 'NO', Warehouse]"},
		{"- [DailyReport, HourlySync]", "- ['On', NightlyInvoices, MonthEnd, Stock, StockCheck]"},
		{"\nMappings:\n", "\nGlobals:\n  Function:\n    Tags: { Team: billing, CostCenter: '0420' }\n\nMappings:\n"},
		{
			"\nParameters:\n",
			"\nParameters:\n  SecondEmail: { Type: String, Default: team@cronbearer.dev, Description: Second recipient of " +
				"the alarms }\n",
		},
		{
			"  PermissionsBoundary:\n    Type: String\n    Default: ''\n",
			"  PermissionsBoundary:\n    Type: String\n    Default: arn:aws:iam::123456789012:policy/team\n",
		},
		{
			"\nOutputs:\n",
			"\n" + resources + "Outputs:\n  AuditTable: { Description: Table of the team's own, Value: !Ref Audit }\n",
		},
	}
}

// between is the text from one mark up to the next.
func between(text, from, to string) string {
	_, rest, _ := strings.Cut(text, from)
	inner, _, _ := strings.Cut(rest, to)
	return from + inner
}

// forked is the template of the fork. An edit that no longer fits the shipped template is an error.
func forked(template string) (string, error) {
	var problems []error
	for _, e := range edits(template) {
		if n := strings.Count(template, e.text); n != 1 {
			problems = append(problems, fmt.Errorf("the shipped template holds %d times: %q", n, e.text))
		}
		template = strings.Replace(template, e.text, e.instead, 1)
	}
	return template, errors.Join(problems...)
}

func main() {
	text := shipped.Template()
	if len(os.Args) > 1 {
		data, err := os.ReadFile(os.Args[1])
		if err != nil {
			fmt.Fprintln(os.Stderr, "fork:", err)
			os.Exit(1)
		}
		text = string(data)
	}
	template, err := forked(text)
	if err != nil {
		fmt.Fprintln(os.Stderr, "fork:", err)
		os.Exit(1)
	}
	fmt.Print(template)
}
