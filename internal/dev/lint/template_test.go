package lint_test

import (
	"fmt"
	"os"
	"path/filepath"
	"strings"
	"testing"

	"github.com/google/go-cmp/cmp"

	"github.com/cronbearer/cronbearer/internal/dev/cfn"
	"github.com/cronbearer/cronbearer/internal/dev/lint"
	"github.com/cronbearer/cronbearer/internal/dev/shipped"
	"github.com/cronbearer/cronbearer/internal/hosts"
)

// TestKeysOfRowsAreAllowed writes the keys that the shipped rows do not use.
func TestKeysOfRowsAreAllowed(t *testing.T) {
	t.Parallel()
	cases := map[string][]edit{
		"every key of a job": {{silent, `SilentAfter: 77
      State: DISABLED
      Timeout: 2m
      Attempts: 1
      Idempotent: true
      MaxAge: 2h
      Window: 90
      Watch: missing
      Note: 'Reports: ask Anna (ext. 12)'
      Headers: '{"Accept":"application/json","X-Run":"{{runId}}"}'
      Expect: '{"status":["2xx",404],"contentType":"application/json","json":{"/ok":true}}'`}},
		"every key of a token": {{tokenRow, `ExampleApi:
      Secret: team/example-api
      Key: /oauth/access~1token
      Note: renewed by hand each March
      Reject: '{"status":[403],"json":{"/error":["token_expired","token_revoked"]}}'
      WarnDays: 0.01`}},
		"quoted numbers and booleans": {{silent, "SilentAfter: '75'\n      Idempotent: 'true'\n      Attempts: '2'"}},
		"boolean in capitals":         {{zone, "Idempotent: True"}},
		"plain text as a body":        {{body, `Body: '"ping \"now\""'`}},
		"number as a body":            {{body, `Body: '5'`}},
		"null as a body":              {{body, `Body: 'null'`}},
		"words that YAML 1.1 quotes":  {{zone, "Note: 'off'"}},
		"single letters":              {{zone, "Note: y"}},
		"job named after a boolean":   {{jobsList, "[DailyReport, 'On']"}, {"HourlySync: {", "'On': {"}},
		"token named after a boolean": {
			{text: tokenRow, instead: "'NO': { Secret: example-api }"},
			{text: tokenList, instead: "['NO']"},
			{text: "Token: ExampleApi\n", instead: "Token: 'NO'\n"},
			{text: "Token: ExampleApi,", instead: "Token: 'NO',"},
		},
		"quoted cron in one line": {
			{text: `Schedule: "rate(1 hour)"`, instead: "Schedule: 'cron(30 1 * * ? *)'"},
			{text: "SilentAfter: 3 }", instead: "SilentAfter: 27 }"},
		},
		"weekly, not watched": {
			{text: cron, instead: "Schedule: cron(0 9 ? * MON *)"},
			{text: silent, instead: "SilentAfter: 168\n      Watch: ignore"},
		},
		"once": {
			{text: cron, instead: "Schedule: at(2027-01-01T00:00:00)"},
			{text: silent, instead: "SilentAfter: 1\n      Watch: ignore"},
		},
		"check": {{zone, zone + "\n      Action: check"}},
		"full ARN under the prefix": {
			{
				text:    "Secret: example-api",
				instead: "Secret: arn:aws-cn:secretsmanager:cn-north-1:123456789012:secret:cronbearer/a-AbCdEf",
			},
		},
		"token without days": {{", WarnDays: 14", ""}},
		"token that no job uses yet": {{text: tokenRow, instead: tokenRow +
			"\n    Other: { Secret: other }"}, {text: tokenList, instead: "[ExampleApi, Other]"}},
		"placeholders with offsets": {
			{text: call, instead: "Call: POST https://api.example.com/v1/reports?for={{scheduledDate-1d}}&at={{localTime+2h}}"},
		},
		"dollar that is not a variable": {{call, "Call: GET https://api.example.com/odata?$filter=a&$top=3"}},
		"row in several lines":          {{hourlyRow, "HourlySync: { Schedule: rate(1 hour),\n      "}},
		"row in one line, with a note": {
			{text: tokenRow, instead: "ExampleApi: { Secret: example-api, Note: 'ask Anna, or Ben' } # or { them }"},
		},
	}
	template := small()
	for name, edits := range cases {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			for _, problem := range report(lint.Template(edited(t, template, edits...), lint.Options{Now: now})) {
				t.Error(problem)
			}
		})
	}
}

// TestAdditionsAreAllowed: the template belongs to its owner.
func TestAdditionsAreAllowed(t *testing.T) {
	t.Parallel()
	const mappings, resources = "\nMappings:\n", "\nResources:\n"
	cases := map[string]struct {
		edits []edit
		want  []string
	}{
		"tags for all functions": {
			edits: []edit{{text: mappings, instead: "\nGlobals: { Function: { Tags: { Team: data } } }" + mappings}},
		},
		"variables of a layer": {
			edits: []edit{
				{text: mappings, instead: "\nGlobals: { Function: { Environment: { Variables: { DD_SITE: eu } } } }" + mappings},
			},
		},
		"a table, and who may read it": {edits: []edit{{
			text: resources,
			instead: resources + `  Table: { Type: AWS::DynamoDB::Table, Properties: { KeySchema: [] } }
  Reader: { Type: AWS::IAM::Role, Properties: { Policies: [
    { PolicyDocument: { Statement: [{ Effect: Allow, Action: '*', Resource: !GetAtt Table.StreamArn }] } }] } }
`,
		}}},
		"an alarm with a fixed name": {edits: []edit{{text: resources, instead: resources + `  Errors:
    Type: AWS::CloudWatch::Alarm
    Properties: { AlarmName: errors, Metrics: [], AlarmDescription: mine, EvaluationPeriods: 1 }
  Fast: { Type: AWS::CloudWatch::Alarm, Properties: {
     Namespace: AWS/Lambda, MetricName: Errors, Period: 10, EvaluationPeriods: 3 } }
`}}},
		"a subscription, a rule, a queue": {edits: []edit{
			{
				text: resources,
				instead: resources + `  Pager: { Type: AWS::SNS::Subscription, Properties: { TopicArn: !Ref AlarmTopic,
    Protocol: https, Endpoint: 'https://pager.example.com' } }
  Rule: { Type: AWS::Events::Rule, Properties: { Targets: [{ Id: a, Arn: !ImportValue target }] } }
  Queue: { Type: AWS::SQS::Queue, DeletionPolicy: Snapshot }
`,
			},
		}},
		"a function of SAM's": {edits: []edit{
			{
				text: resources,
				instead: resources + `  Own: { Type: AWS::Serverless::Function, Properties: {
     Runtime: python3.13, Events: { Api: { Type: HttpApi } } } }
  Permission: { Type: AWS::Lambda::Permission, DependsOn: OwnRole, Properties: { FunctionName: !GetAtt OwnRole.Arn } }
`,
			},
		}},
		"a parameter without a default": {
			edits: []edit{
				{text: "\nParameters:\n", instead: "\nParameters:\n  Zone: { Type: 'AWS::Route53::HostedZone::Id' }\n"},
			},
		},
		"a map of Regions": {edits: []edit{{text: mappings, instead: mappings +
			"  ByRegion: { us-east-1: { Zone: a } }\n"}}},
		"a boundary for all roles, one more statement": {
			edits: []edit{
				{
					text:    "  CallerRole:\n    Type: AWS::IAM::Role\n    Properties:\n",
					instead: "  CallerRole:\n    Type: AWS::IAM::Role\n    Properties:\n      Path: /service/\n",
				},
			},
			want: []string{"219:1: note: Resources: not as shipped, which is yours to decide: CallerRole"},
		},
		"a loop that makes more": {
			edits: []edit{{"    - Job${Job}:\n", "    - Extra${Job}: { Type: AWS::SNS::Topic }\n      Job${Job}:\n"}},
			want:  []string{"219:1: note: Resources: not as shipped, which is yours to decide: Fn::ForEach::Jobs"},
		},
		"fewer resources": {
			edits: []edit{
				{text: "  Throttled:\n    Type: AWS::CloudWatch::Alarm\n", instead: "  Slow:\n    Type: AWS::CloudWatch::Alarm\n"},
			},
			want: []string{"219:1: note: Resources: not as shipped, which is yours to decide: Throttled"},
		},
	}
	for name, c := range cases {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			got := report(lint.Template(edited(t, shipped.Template(), c.edits...), lint.Options{Now: now}))
			if diff := cmp.Diff(c.want, got); diff != "" {
				t.Error(diff)
			}
		})
	}
}

// TestWhatNoTemplateMayHold would stop a deployment, or leave a token or a job without its alarm.
func TestWhatNoTemplateMayHold(t *testing.T) {
	t.Parallel()
	const resources = "\nResources:\n"
	cases := map[string]struct {
		edits []edit
		want  []string // without positions
	}{
		"transforms in the wrong order": {
			edits: []edit{
				{
					text:    "[AWS::LanguageExtensions, AWS::Serverless-2016-10-31]",
					instead: "[AWS::Serverless-2016-10-31, AWS::LanguageExtensions]",
				},
			},
			want: []string{
				"Transform: the loops must be expanded before SAM reads the functions: write [AWS::LanguageExtensions, " +
					"AWS::Serverless-2016-10-31]",
			},
		},
		"policy for two queues": {
			edits: []edit{{resources, resources + "  Two: { Type: AWS::SQS::QueuePolicy, Properties: { Queues: [a, b] } }\n"}},
			want: []string{
				"Resources.Two: SQS accepts a policy for one queue only, and the stack would roll back: write a policy for each " +
					"queue",
			},
		},
		"statement with two resources": {
			edits: []edit{{text: resources, instead: resources +
				"  Two: { Type: AWS::SNS::TopicPolicy, Properties: { PolicyDocument: { Statement: [{ Resource: [a, b] }] } } }\n"}},
			want: []string{
				"Resources.Two: a statement has more than one resource, which the service rejects: write a statement for each " +
					"topic",
			},
		},
		"policy that the language extensions do not know": {
			edits: []edit{{text: resources, instead: resources +
				"  Kept: { Type: AWS::SQS::Queue, DeletionPolicy: RetainExceptOnCreate }\n"}},
			want: []string{"Resources.Kept: AWS::LanguageExtensions does not know RetainExceptOnCreate: write Retain"},
		},
		"default value that is a number": {
			edits: []edit{{"{ DefaultValue: '7' }", "{ DefaultValue: 7 }"}},
			want: []string{
				"DefaultValue: YAML reads 7 as a number, and AWS::LanguageExtensions accepts text and lists only: quote it: '7'",
			},
		},
		"period of 90 seconds": {
			edits: []edit{{"Period: 300", "Period: 90"}},
			want: []string{
				"Resources.FailedRunsWaiting.Period: 90 is none of CloudWatch's: write 10, 20, 30 or a multiple of 60",
			},
		},
		"window of more than a day": {
			edits: []edit{{"Period: 300\n      EvaluationPeriods: 1\n", "Period: 300\n      EvaluationPeriods: 289\n"}},
			want: []string{
				"Resources.FailedRunsWaiting.EvaluationPeriods: a window of 86700 seconds is longer than the 86400 that " +
					"CloudWatch allows: shorten it",
			},
		},
		"description that is too long": {
			edits: []edit{{text: resources, instead: resources +
				"  Long: { Type: AWS::CloudWatch::Alarm, Properties: { AlarmDescription: " + strings.Repeat("x", 1030) + " } }\n"}},
			want: []string{"Resources.Long.AlarmDescription: has 1030 characters, and CloudWatch allows 1024: shorten it by 6"},
		},
		"reference to nothing": {
			edits: []edit{{text: resources, instead: resources +
				"  Pager: { Type: AWS::SNS::Subscription, Properties: { TopicArn: !Ref Topic } }\n"}},
			want: []string{"Resources.Pager.Properties.TopicArn: there is no parameter or resource Topic"},
		},
		"reference to nothing, in a loop": {
			edits: []edit{{"GroupName: !Ref ScheduleGroup", "GroupName: !Ref Group"}},
			want:  []string{"Resources.JobDailyReport.Properties.GroupName: there is no parameter or resource Group"},
		},
		"loop that is gone": {
			edits: []edit{{"  Fn::ForEach::Jobs:", "  Fn::ForEach::Job:"}},
			want:  []string{"Resources: the loop Fn::ForEach::Jobs is missing: copy it from the shipped template"},
		},
		"metric that nothing publishes": {
			edits: []edit{{"MetricName: TokenRejected", "MetricName: TokenRejections"}},
			want: []string{
				"Tokens.ExampleApi: no one would be notified when it is rejected: no alarm with an action watches TokenRejected " +
					"with the dimensions Stack and Token: copy the loop Fn::ForEach::Tokens from the shipped template",
			},
		},
		"alarm without an action": {
			edits: []edit{{"          AlarmActions: [!If [OwnTopic, !Ref AlarmTopic, !Ref AlarmTopicArn]]\n", ""}},
			want: []string{
				"Tokens.ExampleApi: no one would be notified when it is rejected: no alarm with an action watches TokenRejected " +
					"with the dimensions Stack and Token: copy the loop Fn::ForEach::Tokens from the shipped template",
			},
		},
		"dimension too few": {
			edits: []edit{{"{ Name: Stack, Value: !Ref AWS::StackName }, { Name: Job", "{ Name: Job"}},
			want: []string{
				"Jobs.DailyReport: no one would be notified when it is silent: no alarm with an action watches Heartbeat with " +
					"the dimensions Stack and Job: copy the loop Fn::ForEach::Jobs from the shipped template",
				"Jobs.HourlySync: no one would be notified when it is silent: no alarm with an action watches Heartbeat with " +
					"the dimensions Stack and Job: copy the loop Fn::ForEach::Jobs from the shipped template",
			},
		},
		"alarm under another name": {
			edits: []edit{
				{
					text:    "AlarmName: !Sub ${AWS::StackName}-TokenRejected-${Token}",
					instead: "AlarmName: !Sub ${AWS::StackName}-Rejected-${Token}",
				},
			},
			want: []string{
				"warning: Tokens.ExampleApi: no alarm on it is called cronbearer-TokenRejected-ExampleApi, so no one is " +
					"reminded of it: set that AlarmName",
				"note: Resources: not as shipped, which is yours to decide: Fn::ForEach::Tokens",
			},
		},
		"environment that the caller rejects": {
			edits: []edit{{"SECRET_CACHE_TTL: !Ref SecretCacheTtl", "SECRET_CACHE_TTL: 6m"}},
			want: []string{
				"Resources.Caller: the function would reject its environment: environment variable SECRET_CACHE_TTL: …",
			},
		},
		"secret in the environment": {
			edits: []edit{
				{
					text:    "LOG_LEVEL: !Ref LogLevel",
					instead: "LOG_LEVEL: !Ref LogLevel\n          API_KEY: '{{resolve:secretsmanager:a}}'",
				},
			},
			want: []string{
				"Resources.Caller.API_KEY: holds {{resolve:, which would put a secret's value into the function's " +
					"configuration: a token comes from Secrets Manager when the job runs",
			},
		},
		"section that is misspelt": {
			edits: []edit{{"\nOutputs:\n", "\nOutput:\n"}},
			want:  []string{"Output: CloudFormation knows no such section: did you mean Outputs?"},
		},
	}
	for name, c := range cases {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			data := edited(t, shipped.Template(), c.edits...)
			var got []string
			problems := lint.Template(data, lint.Options{Now: now})
			for _, p := range problems {
				got = append(got, p.String())
			}
			placed(t, data, problems)
			if diff := cmp.Diff(c.want, got, words(string(data))); diff != "" {
				t.Error(diff)
			}
		})
	}
}

// TestLongNoteIsNamed: the longest description is that of the stack's own name.
func TestLongNoteIsNamed(t *testing.T) {
	t.Parallel()
	data := edited(t, small(), edit{text: "Secret: example-api", instead: "Note: " + strings.Repeat("n", 200) +
		", Secret: " + strings.Repeat("s", 480)})
	got := report(lint.Template(data, lint.Options{Now: now}))
	want := []string{"4:25: Tokens.ExampleApi.Note: the description of its alarm has …"}
	if diff := cmp.Diff(want, got, words(string(data))); diff != "" {
		t.Error(diff)
	}
}

func TestExtraSecretMustBeGiven(t *testing.T) {
	t.Parallel()
	const arn = "arn:aws-cn:secretsmanager:cn-north-1:123456789012:secret:other/token-AbCdEf"
	data := edited(t, small(), edit{"Secret: example-api", "Secret: " + arn})
	stack := cfn.Options{Parameters: map[string]string{"ExtraSecretArns": arn}}
	for _, problem := range lint.Template(data, lint.Options{Now: now, Stack: stack}) {
		t.Error(problem)
	}
}

func TestDeployRejectsExamples(t *testing.T) {
	t.Parallel()
	const allowed = "57:3: Parameters.AllowedHosts: "
	cases := map[string]struct {
		host, allowed string
		want          []string
	}{
		"a host of one's own": {host: "api.cronbearer.dev", allowed: "api.cronbearer.dev", want: nil},
		"examples": {host: "api.example.com", allowed: "*.example.com", want: []string{
			"9:13: Jobs.DailyReport.Call: it still calls api.example.com, which is an example: write your own host",
			"13:51: Jobs.HourlySync.Call: it still calls api.example.com, which is an example: write your own host",
			allowed + "*.example.com is an example: write your own host",
		}},
		"example, with a port": {host: "api.example.net:8443", allowed: "api.cronbearer.dev", want: []string{
			"9:13: Jobs.DailyReport.Call: it still calls api.example.net:8443, which is an example: write your own host",
			"13:51: Jobs.HourlySync.Call: it still calls api.example.net:8443, which is an example: write your own host",
		}},
		"test": {
			host: "api.cronbearer.dev", allowed: "API.TEST., api.cronbearer.dev",
			want: []string{allowed + "API.TEST. is an example: write your own host"},
		},
		"localhost": {
			host: "api.cronbearer.dev", allowed: "localhost:8443, api.cronbearer.dev", want: []string{allowed +
				"localhost:8443 is an example: write your own host"},
		},
		"no hosts":          {host: "api.cronbearer.dev", allowed: "", want: []string{allowed + "needs a value"}},
		"nearly an example": {host: "notexample.com", allowed: "notexample.com", want: nil},
	}
	for name, c := range cases {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			parameters := map[string]string{}
			if c.allowed != "" {
				parameters["AllowedHosts"] = c.allowed
			}
			data := []byte(strings.ReplaceAll(small(), "https://api.example.com", "https://"+c.host))
			got := report(lint.Template(data, lint.Options{Now: now, Deploy: true, Stack: cfn.Options{Parameters: parameters}}))
			if diff := cmp.Diff(c.want, got); diff != "" {
				t.Error(diff)
			}
		})
	}
}

// TestHostsThatAreNotAllowed: a run that calls one fails, and no one is notified before.
func TestHostsThatAreNotAllowed(t *testing.T) {
	t.Parallel()
	const nowhere = " is not in AllowedHosts (api.example.com), so each run would fail as invalid_job unless the " +
		"secret has it " +
		"in its member hosts: correct the host, or add it to AllowedHosts"
	list := func(text string) map[string]hosts.List {
		l, err := hosts.ParseCommaSeparated(text)
		if err != nil {
			t.Fatal(err)
		}
		return map[string]hosts.List{"ExampleApi": l}
	}
	cases := map[string]struct {
		allowed string
		secret  map[string]hosts.List
		call    string
		want    []string
	}{
		"nothing is known": {call: "GET https://other.example.com/"},
		"allowed":          {allowed: "api.example.com", call: "GET https://API.example.com./"},
		"wildcard":         {allowed: "*.example.com", call: "GET https://other.example.com/"},
		"of another name": {
			allowed: "api.example.com",
			call:    "GET https://other.example.com/",
			want:    []string{"other.example.com" + nowhere},
		},
		"of another port": {
			allowed: "api.example.com",
			call:    "GET https://api.example.com:8443/",
			want:    []string{"api.example.com:8443" + nowhere},
		},
		"allowed by the secret": {
			allowed: "api.example.com",
			secret:  list("other.example.com,api.example.com"),
			call:    "GET https://other.example.com/",
		},
		"not allowed by the secret": {secret: list("api.example.com"), call: "GET https://other.example.com/", want: []string{
			"the secret of ExampleApi does not allow other.example.com, so each run would fail as invalid_job: add it to the " +
				"member hosts of the secret",
		}},
	}
	for name, c := range cases {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			data := edited(
				t,
				small(),
				edit{call, "Call: " + c.call},
				edit{`Call: "GET https://api.example.com/v1/sync"`, "Call: '" + c.call + "'"},
			)
			o := lint.Options{Now: now, SecretHosts: c.secret}
			if c.allowed != "" {
				o.Stack.Parameters = map[string]string{"AllowedHosts": c.allowed}
			}
			var want []string
			for _, text := range c.want {
				want = append(want, "9:13: warning: Jobs.DailyReport.Call: "+text, "13:51: warning: Jobs.HourlySync.Call: "+text)
			}
			if diff := cmp.Diff(want, report(lint.Template(data, o))); diff != "" {
				t.Error(diff)
			}
		})
	}
}

// TestNoProblemShowsAToken: whatever else is wrong with the row that it was pasted into.
func TestNoProblemShowsAToken(t *testing.T) {
	t.Parallel()
	for _, token := range []string{
		"ghp_q7RkP2vXz9Lm4TnB8wYc3HdJ5sFg6KaE1u", "xoxb-123456789012-q7RkP2vXz9Lm4TnB", "q7RkP2vXz9Lm4TnB8wYc3HdJ5sFg6KaE",
		"eyJhbGciOiJIUzI1NiJ9.eyJzdWIiOiIxMjM0NTY3ODkwIn0.q7RkP2vXz9Lm4TnB8wYc3HdJ5sFg", "9d41c0ffee9d41c0ffee9d41c0ffee9d",
		"31415926535897932384626433832795",
	} {
		for _, row := range []string{
			"Secret: %s", "Secret: %s?", "Secret: '%s", "Secret: /%s", "Secret: cronbearer/%s", "Secret: %s x", "Secret: %s: x",
			"Key: %s, Secret: a",
			"Note: %s?, Secret: a", "Reject: %s, Secret: a", "Secret: a, WarnDays: %s", "Secret: a, Secret: %s",
			"Secret: [%s]", "Secret: @%s",
			`Secret: "%s" x`, "Secret:%s",
		} {
			data := edited(t, small(), edit{"Secret: example-api, WarnDays: 14", fmt.Sprintf(row, token)})
			problems := lint.Template(data, lint.Options{Now: now})
			if len(problems) == 0 && !strings.HasPrefix(row, "Key") {
				t.Errorf("nothing is said of %s", row)
			}
			for _, p := range problems {
				for i := 0; i+12 <= len(token); i++ {
					if strings.Contains(p.String(), token[i:i+12]) {
						t.Errorf("%s: %s", row, p)
						break
					}
				}
			}
		}
	}
}

// many writes a template with so many tokens and jobs, all names of 40 characters.
func many(t *testing.T, tokens, jobs int) []byte {
	t.Helper()
	var tokenRows, jobRows strings.Builder
	tokenNames, jobNames := make([]string, tokens), make([]string, jobs)
	for i := range tokens {
		tokenNames[i] = fmt.Sprintf("Token%035d", i)
		fmt.Fprintf(&tokenRows, "\n    %s: { Secret: team/of-some-length/service-of-some-length-%d }", tokenNames[i], i)
	}
	for i := range jobs {
		jobNames[i] = fmt.Sprintf("Job%037d", i)
		fmt.Fprintf(&jobRows,
			"\n    %s: { Schedule: rate(5 minutes), Call: 'POST https://api.example.com/v1/jobs/%d?at={{scheduledTime}}', "+
				"Token: %s, Body: '{\"job\":%d}', SilentAfter: 3 }",
			jobNames[i], i, tokenNames[i%tokens], i)
	}
	return edited(t, small(),
		edit{tokenRow, strings.TrimSpace(tokenRows.String())},
		edit{tokenList, "[" + strings.Join(tokenNames, ", ") + "]"},
		edit{hourlyRow, strings.TrimSpace(jobRows.String()) + "\n    Last: { Schedule: rate(1 hour),"},
		edit{`sync", Token: ExampleApi`, `sync", Token: ` + tokenNames[0]},
		edit{"Token: ExampleApi", "Token: " + tokenNames[0]},
		edit{jobsList, "[DailyReport, Last, " + strings.Join(jobNames, ", ") + "]"},
	)
}

func TestTwoHundredJobsFit(t *testing.T) {
	t.Parallel()
	cases := map[string]struct {
		tokens, jobs int
		want         string
	}{
		"200 jobs and 30 tokens":   {tokens: 30, jobs: 198, want: ""},
		"a job too many":           {tokens: 30, jobs: 199, want: "Jobs: it has 201 blocks, and CloudFormation allows 200"},
		"more tokens than fit too": {tokens: 60, jobs: 198, want: "resources, and CloudFormation allows 500"},
	}
	for name, c := range cases {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			got := strings.Join(report(lint.Template(many(t, c.tokens, c.jobs), lint.Options{Now: now})), "\n")
			if c.want == "" && got != "" || !strings.Contains(got, c.want) {
				t.Errorf("got %q, want %q", got, c.want)
			}
		})
	}
}

func TestSameNamesWhatDiffers(t *testing.T) {
	t.Parallel()
	stack := cfn.Options{Parameters: map[string]string{"AllowedHosts": "a.example.com"}}
	dir := t.TempDir()
	one, other := filepath.Join(dir, "one.yaml"), filepath.Join(dir, "other.yaml")
	for path, data := range map[string][]byte{
		one: []byte(shipped.Template()),
		other: edited(
			t, shipped.Template(), edit{text: silent, instead: "SilentAfter: 76"},
			edit{text: "  ScheduleGroup: { Description", instead: "  Group: { Description"},
		),
	} {
		if err := os.WriteFile(path, data, 0o600); err != nil {
			t.Fatal(err)
		}
	}
	if got := lint.Same(one, one, stack); len(got) > 0 {
		t.Errorf("the template differs from itself: %s", strings.Join(got, "\n"))
	}
	got := strings.Join(lint.Same(one, other, stack), "\n")
	for _, want := range []string{
		"SilentDailyReport EvaluationPeriods is 75 here, and 76 in ", "Outputs Group is not there here",
		"Outputs ScheduleGroup is ",
	} {
		if !strings.Contains(got, want) {
			t.Errorf("got\n%s\nwant %q", got, want)
		}
	}
	if got := lint.Same(one, other+"x", stack); len(got) != 1 {
		t.Errorf("a missing file is one problem, not %v", got)
	}
}

// TestProblemNamesItsFile as editors and terminals jump to it.
func TestProblemNamesItsFile(t *testing.T) {
	t.Parallel()
	cases := map[string]struct {
		problem lint.Problem
		want    string
	}{
		"mistake": {
			problem: lint.Problem{
				Place: "Jobs.DailyReport", Key: "SilentAfter", Text: `"3h" is not a whole number of hours`, Fix: "write 3",
				Line: 12, Column: 20,
			},
			want: `template.yaml:12:20: error: Jobs.DailyReport.SilentAfter: "3h" is not a whole number of hours: write 3`,
		},
		"warning": {
			problem: lint.Problem{Severity: lint.Warning, Place: "Jobs.DailyReport", Text: "odd", Line: 12, Column: 20},
			want:    "template.yaml:12:20: warning: Jobs.DailyReport: odd",
		},
		"note without a line": {
			problem: lint.Problem{Severity: lint.Note, Text: "not as shipped"}, want: "template.yaml:1:1: note: not as shipped",
		},
		"line without column": {
			problem: lint.Problem{Key: "Note", Text: "quote it", Line: 3}, want: "template.yaml:3:1: error: Note: quote it",
		},
	}
	for name, c := range cases {
		if got := c.problem.In("template.yaml"); got != c.want {
			t.Errorf("%s: %s, want %s", name, got, c.want)
		}
	}
}
