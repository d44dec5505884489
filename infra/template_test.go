// Package infra_test holds template.yaml against the code and against AWS's rules, offline.
package infra_test

import (
	"fmt"
	"os"
	"path/filepath"
	"regexp"
	"strings"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"

	"github.com/cronbearer/cronbearer/infra/cfn"
	"github.com/cronbearer/cronbearer/infra/check"
	"github.com/cronbearer/cronbearer/infra/shipped"
)

var now = time.Date(2026, time.November, 24, 12, 0, 0, 0, time.UTC)

func template(t *testing.T) string {
	t.Helper()
	return shipped.Template()
}

func TestTemplateIsSound(t *testing.T) {
	t.Parallel()
	for _, problem := range check.Template([]byte(template(t)), check.Options{Now: now}) {
		t.Error(problem)
	}
}

// edit is a mistake in the template: text, and what stands there instead.
type edit struct{ text, instead string }

func mistaken(t *testing.T, template string, edits ...edit) []byte {
	t.Helper()
	for _, e := range edits {
		if !strings.Contains(template, e.text) {
			t.Fatalf("the template no longer holds %q", e.text)
		}
		template = strings.Replace(template, e.text, e.instead, 1)
	}
	return []byte(template)
}

const (
	jobsList  = "[DailyReport, HourlySync]"
	hourlyRow = "HourlySync: { Schedule: rate(1 hour),"
	dailyZone = "Timezone: Europe/London"
	dailyBody = `Body: '{"kind":"daily"}'`
	tokenRow  = "ExampleApi: { Secret: example-api, WarnDays: 14 }"
	dailyTail = "SilentAfter: 75\n"
)

// TestMistakesAreNamed makes the mistakes that people make, one at a time.
func TestMistakesAreNamed(t *testing.T) {
	t.Parallel()
	cases := map[string]struct {
		edits []edit
		want  string
	}{
		// Names, lists and blocks.
		"job in the list without a block": {[]edit{{jobsList, "[DailyReport, HourlySync, Weekly]"}}, "Jobs.Weekly: the list of Fn::ForEach::Jobs names it"},
		"job with a block but not listed": {[]edit{{jobsList, "[DailyReport]"}}, "Jobs.HourlySync: Mappings.Jobs has this block"},
		"token in the list without block": {[]edit{{"[ExampleApi]", "[ExampleApi, Other]"}}, "Tokens.Other: the list of Fn::ForEach::Tokens names it"},
		"token with block but not listed": {[]edit{{tokenRow, tokenRow + "\n    Other: { Secret: other }"}}, "Tokens.Other: Mappings.Tokens has this block"},
		"name in the list twice":          {[]edit{{jobsList, "[DailyReport, HourlySync, HourlySync]"}}, "is made twice"},
		"name in the block twice":         {[]edit{{hourlyRow, "DailyReport: {}\n    " + hourlyRow}}, "key DailyReport is there twice"},
		"name with a dash":                {[]edit{{jobsList, "[DailyReport, Hourly-Sync]"}, {hourlyRow, "Hourly-Sync: { Schedule: rate(1 hour),"}}, "letters and digits"},
		"name of 41 characters":           {[]edit{{jobsList, "[DailyReport, " + long(41) + "]"}, {hourlyRow, long(41) + ": { Schedule: rate(1 hour),"}}, "at most 40"},
		"list from a parameter":           {[]edit{{jobsList, "!Ref AllowedHosts"}}, "its list must be literal"},

		// Rows.
		"unknown key of a job":        {[]edit{{dailyZone, "TimeZone: Europe/London"}}, "Jobs.DailyReport: there is no key TimeZone"},
		"unknown key of a token":      {[]edit{{"WarnDays: 14", "Warndays: 14"}}, "Tokens.ExampleApi: there is no key Warndays"},
		"missing key":                 {[]edit{{dailyTail, "\n"}}, "Jobs.DailyReport: SilentAfter is missing"},
		"token that does not exist":   {[]edit{{hourlyRow, "HourlySync: { Schedule: rate(1 hour), Timeout: 5s,"}, {"sync', Token: ExampleApi", "sync', Token: ExampleAPI"}}, "Jobs.HourlySync: its Token ExampleAPI is no token"},
		"secret outside the stack":    {[]edit{{"Secret: example-api", "Secret: arn:aws-cn:secretsmanager:cn-north-1:123456789012:secret:other/token-AbCdEf"}}, "is neither under cronbearer/ nor in the parameter ExtraSecretArns"},
		"partial ARN":                 {[]edit{{"Secret: example-api", "Secret: arn:aws-cn:secretsmanager:cn-north-1:123456789012:secret:cronbearer/a"}}, "is not the full ARN"},
		"secret with the prefix":      {[]edit{{"Secret: example-api", "Secret: cronbearer/example-api"}}, "write example-api"},
		"secret with a space":         {[]edit{{"Secret: example-api", "Secret: example api"}}, "is no name of a secret"},
		"days that are none":          {[]edit{{"WarnDays: 14", "WarnDays: two weeks"}}, "WarnDays must be a number above 0"},
		"quote in a call":             {[]edit{{"for={{scheduledDate}}", `for="{{scheduledDate}}"`}}, `Jobs.DailyReport: Call holds ", \ or a line break`},
		"line break in a call":        {[]edit{{"'GET https://api.example.com/v1/sync'", `"GET https://api.example.com/v1/sync\n"`}}, "line break"},
		"broken JSON":                 {[]edit{{dailyBody, `Body: '{"kind":"daily"'`}}, "Jobs.DailyReport: Body must be JSON"},
		"body that is a YAML mapping": {[]edit{{dailyBody, "Body: { kind: daily }"}}, "Mappings.Jobs.DailyReport.Body"},
		"body that is a bare number":  {[]edit{{dailyBody, "Body: 5"}}, "Jobs.DailyReport: Body must be JSON in single quotes"},
		"secret in a body":            {[]edit{{dailyBody, `Body: '{"key":"{{resolve:secretsmanager:a}}"}'`}}, "Jobs.DailyReport: Body holds {{resolve:"},
		"state that is none":          {[]edit{{dailyZone, "State: 'OFF'"}}, "State must be ENABLED or DISABLED"},
		"window of a day and more":    {[]edit{{dailyZone, "Window: 1441"}}, "Window must be a whole number from 1 to 1440"},
		"watch that is none":          {[]edit{{dailyZone, "Watch: breaching"}}, "Watch must be missing or ignore"},
		"truth that is none":          {[]edit{{dailyZone, "Idempotent: yes"}}, "Idempotent must be true or false"},

		// What the caller says of the event.
		"http":                      {[]edit{{"GET https://", "GET http://"}}, "Jobs.HourlySync: the caller would refuse its event"},
		"method in small letters":   {[]edit{{"GET https://", "get https://"}}, "the caller would refuse its event"},
		"no method":                 {[]edit{{"GET https://", "https://"}}, "the caller would refuse its event"},
		"unknown placeholder":       {[]edit{{"for={{scheduledDate}}", "for={{scheduleDate}}"}}, "the caller would refuse its event"},
		"header of the caller's":    {[]edit{{dailyBody, `Headers: '{"Authorization":"x"}'`}}, "the caller would refuse its event"},
		"header for idempotency":    {[]edit{{dailyBody, `Headers: '{"Idempotency-Key":"x"}'`}}, "the caller would refuse its event"},
		"unknown key in Expect":     {[]edit{{dailyBody, `Expect: '{"states":[200]}'`}}, "the caller would refuse its event"},
		"attempts beyond ten":       {[]edit{{dailyZone, "Attempts: 11"}}, "Attempts must be a whole number from 1 to 10"},
		"time-out that is none":     {[]edit{{dailyZone, "Timeout: 5 minutes"}}, "the caller would refuse its event"},
		"key twice in the body":     {[]edit{{dailyBody, `Body: '{"kind":"daily","kind":"late"}'`}}, "the caller would refuse its event"},
		"action that is none":       {[]edit{{dailyZone, "Action: probe"}}, "Action must be call or check"},
		"event key that is unknown": {[]edit{{`"attempts":${Attempts}`, `"attempt":${Attempts}`}}, "the caller would refuse its event"},

		// Schedules and silences.
		"unknown time zone":          {[]edit{{dailyZone, "Timezone: Europe/Londn"}}, "Europe/Londn"},
		"cron of five fields":        {[]edit{{"cron(0 9 ? * MON-FRI *)", "cron(0 9 * * MON-FRI)"}}, "Jobs.DailyReport"},
		"cron with both days":        {[]edit{{"cron(0 9 ? * MON-FRI *)", "cron(0 9 * * MON-FRI *)"}}, "Jobs.DailyReport"},
		"rate of nothing":            {[]edit{{"rate(1 hour)", "rate(0 hours)"}}, "Jobs.HourlySync"},
		"bare expression":            {[]edit{{"rate(1 hour)", "1 hour"}}, "Jobs.HourlySync"},
		"schedule of the past":       {[]edit{{"cron(0 9 ? * MON-FRI *)", "cron(0 9 ? * MON-FRI 2025)"}}, "never starts a run again"},
		"silence too short":          {[]edit{{dailyTail, "SilentAfter: 74\n"}}, "Jobs.DailyReport: SilentAfter must be at least 75"},
		"silence without the window": {[]edit{{dailyTail, "SilentAfter: 75\n      Window: 60\n"}}, "Jobs.DailyReport: SilentAfter must be at least 76"},
		"silence of eight days":      {[]edit{{dailyTail, "SilentAfter: 192\n"}}, "SilentAfter must be a whole number from 1 to 168"},
		"weekly job that is watched": {[]edit{{"cron(0 9 ? * MON-FRI *)", "cron(0 9 ? * MON *)"}}, "set Watch: ignore"},
		"job that runs once":         {[]edit{{"cron(0 9 ? * MON-FRI *)", "at(2027-01-01T00:00:00)"}}, "set Watch: ignore"},
		"age below the delivery":     {[]edit{{dailyZone, dailyZone + "\n      MaxAge: 15m"}}, "MaxAge must be more than 15m"},
		"age below the window":       {[]edit{{dailyTail, "SilentAfter: 80\n      Window: 60\n      MaxAge: 1h15m\n"}}, "MaxAge must be more than 1h15m"},

		// Metrics and alarms.
		"metric that nobody publishes":  {[]edit{{"MetricName: TokenRejected", "MetricName: TokenRejections"}}, "TokenRejectedExampleApi: MetricName"},
		"dimensions in another order":   {[]edit{{"[{ Name: Stack, Value: !Ref AWS::StackName }, { Name: Token, Value: !Ref Token }]", "[{ Name: Token, Value: !Ref Token }, { Name: Stack, Value: !Ref AWS::StackName }]"}}, "TokenRejectedExampleApi: Dimensions"},
		"dimension too few":             {[]edit{{"{ Name: Stack, Value: !Ref AWS::StackName }, { Name: Job", "{ Name: Job"}}, "SilentDailyReport: Dimensions"},
		"another namespace":             {[]edit{{"Namespace: !Ref MetricNamespace", "Namespace: Cronbear"}}, "TokenRejectedExampleApi: Namespace"},
		"unit":                          {[]edit{{"Statistic: Maximum", "Statistic: Maximum\n          Unit: Count"}}, "TokenRejectedExampleApi: Unit"},
		"alarm that ends by itself":     {[]edit{{"TreatMissingData: ignore", "TreatMissingData: notBreaching"}}, "TokenRejectedExampleApi: TreatMissingData"},
		"alarm under another name":      {[]edit{{"${AWS::StackName}-Silent-${Job}", "${AWS::StackName}-Quiet-${Job}"}}, "SilentDailyReport: AlarmName"},
		"silence that says OK":          {[]edit{{"          InsufficientDataActions:", "          OKActions: [!Ref AlarmTopic]\n          InsufficientDataActions:"}}, "SilentDailyReport: OKActions is there"},
		"silence without a word":        {[]edit{{"          InsufficientDataActions: [!If [OwnTopic, !Ref AlarmTopic, !Ref AlarmTopicArn]]\n", ""}}, "SilentDailyReport: InsufficientDataActions"},
		"window beyond a week":          {[]edit{{"Period: 3600\n          EvaluationPeriods: !FindInMap", "Period: 86400\n          EvaluationPeriods: !FindInMap"}}, "longer than the 604800"},
		"period of 90 seconds":          {[]edit{{"Period: 300", "Period: 90"}}, "multiple of 60"},
		"alarm of nobody":               {[]edit{{"  FailedRunsWaiting:", "  Errors: { Type: AWS::CloudWatch::Alarm, Properties: { Namespace: AWS/Lambda, MetricName: Errors } }\n  FailedRunsWaiting:"}}, "Errors: nothing says what this alarm must be"},
		"description that is too long":  {[]edit{{"2. Fix the cause.", strings.Repeat("Fix the cause. ", 60)}}, "CloudWatch allows 1024"},
		"description too long at worst": {[]edit{{"2. Fix the cause.", "2. " + strings.Repeat("x", 400)}}, "with every option, and a stack name of 128 characters: FailedRunsWaiting: AlarmDescription"},
		"description without a runbook": {[]edit{{"${RunbookUrl}/throttled.md", "docs/runbooks/throttled.md"}}, "Throttled: AlarmDescription links to no runbook"},
		"alarm that is gone":            {[]edit{{"TokenExpiring${Token}:\n", "Expiring${Token}:\n"}}, "TokenExpiringExampleApi: the template has no such alarm"},
		"alarm of another function":     {[]edit{{"[{ Name: FunctionName, Value: !Ref Caller }]", "[{ Name: FunctionName, Value: !GetAtt Caller.Arn }]"}}, "Throttled: Dimensions"},

		// The application.
		"variable that nobody reads":  {[]edit{{"LOG_LEVEL: !Ref LogLevel", "LOG_LEVEL: !Ref LogLevel\n          LOGLEVEL: debug"}}, "LOGLEVEL is there"},
		"variable that is missing":    {[]edit{{"          REMIND_AFTER: !Ref RemindAfter\n", ""}}, "REMIND_AFTER is not there"},
		"variable that is misspelt":   {[]edit{{"SECRET_CACHE_TTL:", "SECRET_CACHE_TTI:"}}, "SECRET_CACHE_TTL is not there"},
		"another default namespace":   {[]edit{{"Default: Cronbearer", "Default: CronBearer"}}, "parameter MetricNamespace: Default"},
		"value that the caller hates": {[]edit{{"AllowedValues: [debug, info, warn, error]", "AllowedValues: [trace]"}, {"Default: info", "Default: trace"}}, "Caller Environment: the function would refuse it"},
		"memory of six minutes":       {[]edit{{"Default: 5m", "Default: 6m"}}, "does not match its pattern"},
		"filter over the run's line":  {[]edit{{"ApplicationLogLevel: DEBUG", "ApplicationLogLevel: WARN"}}, "Caller: LoggingConfig"},
		"failed runs tried again":     {[]edit{{"MaximumRetryAttempts: 0", "MaximumRetryAttempts: 2"}}, "CallerEventInvokeConfig: MaximumRetryAttempts"},
		"starts a day late":           {[]edit{{"MaximumEventAgeInSeconds: 900 }", "MaximumEventAgeInSeconds: 86400 }"}}, "RetryPolicy"},
		"schedule before its config":  {[]edit{{"        DependsOn: CallerEventInvokeConfig\n", ""}}, "JobDailyReport: must be created after CallerEventInvokeConfig"},
		"one policy for two queues":   {[]edit{{"Queues: [!Ref FailedRuns]", "Queues: [!Ref FailedRuns, !Ref DeadLetters]"}}, "FailedRunsPolicy: Queues has 2 entries"},
		"statement with two queues":   {[]edit{{"Resource: !GetAtt FailedRuns.Arn\n            Condition", "Resource: [!GetAtt FailedRuns.Arn, !GetAtt DeadLetters.Arn]\n            Condition"}}, "FailedRunsPolicy: each statement must have one Resource"},
		"policy of two topics":        {[]edit{{"Topics: [!Ref AlarmTopic]", "Topics: [!Ref AlarmTopic, !Ref AlarmTopicArn]"}}, "AlarmTopicPolicy: Topics has 2 entries"},
		"deletion that is unknown":    {[]edit{{"DeletionPolicy: Retain\n", "DeletionPolicy: RetainExceptOnCreate\n"}}, "CallerLogs: DeletionPolicy and UpdateReplacePolicy must be Delete, Retain or Snapshot"},
		"rule without dead letters":   {[]edit{{"!Ref AlarmTopicArn]\n          DeadLetterConfig: { Arn: !GetAtt DeadLetters.Arn }\n", "!Ref AlarmTopicArn]\n"}}, "SilenceEnded: DeadLetterConfig is not there"},
		"rule that may not keep them": {[]edit{{"            Principal: { Service: events.amazonaws.com }\n            Action: sqs:SendMessage\n", "            Principal: { Service: events.amazonaws.com }\n            Action: sqs:ReceiveMessage\n"}}, "DeadLettersPolicy: the statement"},
		"brace in a message":          {[]edit{{"--filter-pattern ERROR 2.", "--filter-pattern '{ $.level = x }' 2."}}, "NeverWorked: its message must hold no braces"},
		"disabled job that notifies":  {[]edit{{"DISABLED: { Notify: 'false' }", "DISABLED: { Notify: 'true' }"}, {dailyZone, dailyZone + "\n      State: DISABLED"}}, "SilentDailyReport: ActionsEnabled"},
		"role without its boundary":   {[]edit{{"      PermissionsBoundary: !If [HasBoundary, !Ref PermissionsBoundary, !Ref AWS::NoValue]\n", ""}}, "CallerRole: PermissionsBoundary"},
		"any audience":                {[]edit{{"                    ForAllValues:StringEquals: { 'sts:IdentityTokenAudience': !Ref IdentityAudiences }\n", ""}}, "CallerRole: the statement"},
		"default schedule group":      {[]edit{{"          GroupName: !Ref ScheduleGroup\n", ""}}, "GroupName is not there"},
		"queue in clear":              {[]edit{{"      SqsManagedSseEnabled: true\n", ""}}, "FailedRuns: the queue is not encrypted"},
		"queue that forgets":          {[]edit{{"MessageRetentionPeriod: 1209600", "MessageRetentionPeriod: 345600"}}, "FailedRuns: MessageRetentionPeriod"},
		"queue with a fixed name":     {[]edit{{"      SqsManagedSseEnabled: true\n", "      SqsManagedSseEnabled: true\n      QueueName: failed\n"}}, "its name failed is fixed"},
		"alarm with a fixed name":     {[]edit{{"AlarmName: !Sub ${AWS::StackName}-Throttled", "AlarmName: Throttled"}}, "its name Throttled is fixed"},
		"queue with no decision":      {[]edit{{"    DeletionPolicy: Delete\n    UpdateReplacePolicy: Retain\n", ""}}, "FailedRuns: DeletionPolicy and UpdateReplacePolicy must be chosen"},
		"topic under AWS's key":       {[]edit{{"KmsMasterKeyId: !Ref AlarmKey", "KmsMasterKeyId: alias/aws/sns"}}, "AlarmTopic: the topic is not encrypted with the stack's own key"},
		"key that CloudWatch may not": {[]edit{{"[cloudwatch.amazonaws.com, events.amazonaws.com]", "[events.amazonaws.com]"}}, "AlarmKey: the statement"},
		"key that is never rotated":   {[]edit{{"EnableKeyRotation: true", "EnableKeyRotation: false"}}, "AlarmKey: EnableKeyRotation"},
		"condition for EventBridge":   {[]edit{{"Principal: { Service: events.amazonaws.com }\n            Action: sns:", "Principal: { Service: events.amazonaws.com }\n            Condition: { StringEquals: { 'aws:SourceAccount': !Ref AWS::AccountId } }\n            Action: sns:"}}, "AlarmTopicPolicy: the statement"},
		"filter that drops reminders": {[]edit{{"          - NewStateValue: [ALARM]\n", "          - NewStateValue: [ALARM]\n            OldStateValue: [OK]\n"}}, "AlarmMail: FilterPolicy"},
		"rule that tells first OKs":   {[]edit{{"          previousState: { reason: [{ anything-but: { prefix: 'Unchecked: Initial alarm creation' } }] }\n", ""}}, "SilenceEnded: EventPattern"},
		"rule that drops first runs":  {[]edit{{"reason: [{ anything-but: { prefix: Insufficient Data } }]", "reason: [{ prefix: Threshold }]"}}, "NeverWorked: EventPattern"},
		"message that is no object":   {[]edit{{`{"Summary":"The`, `"The`}}, "SilenceEnded: its message must be a JSON object"},
		"arn:aws":                     {[]edit{{"arn:${AWS::Partition}:cloudwatch", "arn:aws:cloudwatch"}}, "template: it holds arn:aws:"},
		"secret in the template":      {[]edit{{"SECRET_PREFIX: !Sub ${AWS::StackName}/", "SECRET_PREFIX: '{{resolve:secretsmanager:a}}'"}}, "it holds {{resolve:"},
		"more logs than a reader has": {[]edit{{"      RetentionInDays: !Ref LogRetentionDays\n", "      LogGroupClass: STANDARD\n"}}, "CallerLogs: keeps logs for ever"},

		// Roles.
		"trust without the group":  {[]edit{{"                aws:SourceArn: !GetAtt ScheduleGroup.Arn\n", ""}}, "SchedulerRole AssumeRolePolicyDocument"},
		"trust of everybody":       {[]edit{{"Principal: { Service: lambda.amazonaws.com }", "Principal: '*'"}}, "CallerRole AssumeRolePolicyDocument"},
		"secrets of any stage":     {[]edit{{"                Condition:\n                  StringEquals: { 'secretsmanager:VersionStage': [AWSCURRENT, AWSPENDING, AWSPREVIOUS] }\n", ""}}, "CallerRole: the statement"},
		"secrets of other stacks":  {[]edit{{"secret:${AWS::StackName}/*", "secret:*"}}, "CallerRole: the statement"},
		"secrets that are written": {[]edit{{"Action: secretsmanager:GetSecretValue", "Action: [secretsmanager:GetSecretValue, secretsmanager:PutSecretValue]"}}, "CallerRole: the statement"},
		"metrics of any namespace": {[]edit{{"                Condition:\n                  StringEquals: { 'cloudwatch:namespace': !Ref MetricNamespace }\n", ""}}, "CallerRole: the statement"},
		"alarms of other kinds":    {[]edit{{"alarm:${AWS::StackName}-TokenRejected-*", "alarm:*"}}, "CallerRole: the statement"},
		"one statement more":       {[]edit{{"              - Sid: WriteLogs", "              - { Sid: Trace, Effect: Allow, Action: xray:PutTraceSegments, Resource: '*' }\n              - Sid: WriteLogs"}}, "CallerRole: the statement"},
		"one statement too few":    {[]edit{{"              - { Sid: KeepDeadLetters, Effect: Allow, Action: sqs:SendMessage, Resource: !GetAtt DeadLetters.Arn }\n", ""}}, "SchedulerRole: the statement"},
		"rotator of any secret":    {[]edit{{"StringEquals: { 'secretsmanager:resource/AllowRotationLambdaArn': !GetAtt Rotator.Arn }\n          # AWSCURRENT", "StringEquals: { aws:RequestedRegion: !Ref AWS::Region }\n          # AWSCURRENT"}}, "RotatorSecrets: the statement"},
		"rotator with any label":   {[]edit{{"AWSPENDING, 'cronbearer-*'] }\n\n  RotatorLogs", "AWSPENDING, '*'] }\n\n  RotatorLogs"}}, "RotatorSecrets: the statement"},
		"rotator for everybody":    {[]edit{{"      SourceAccount: !Ref AWS::AccountId\n", ""}}, "SecretsManagerRunsRotator"},
		"rotation without alarm":   {[]edit{{"Dimensions: [{ Name: FunctionName, Value: !Ref Rotator }]", "Dimensions: [{ Name: FunctionName, Value: !Ref Caller }]"}}, "RotationFailed: Dimensions"},
		"managed policy":           {[]edit{{"      Description: What the caller may do; it only reads secrets", "      ManagedPolicyArns: [!Sub 'arn:${AWS::Partition}:iam::aws:policy/PowerUserAccess']"}}, "CallerRole: ManagedPolicyArns"},
		"role that nobody wants":   {[]edit{{"  CallerLogs:\n", "  Other: { Type: AWS::IAM::Role, Properties: { AssumeRolePolicyDocument: {} } }\n  CallerLogs:\n"}}, "Other: nothing asks for this role"},
		"VPC without its rights":   {[]edit{{"                    - ec2:CreateNetworkInterface\n", ""}}, "with every option, and a stack name of 128 characters: CallerRole"},
		"key for every service":    {[]edit{{"                  Condition:\n                    StringEquals: { 'kms:ViaService': !Sub 'secretsmanager.${AWS::Region}.${AWS::URLSuffix}' }\n", ""}}, "with every option, and a stack name of 128 characters: CallerRole"},
		"topic that is ignored":    {[]edit{{"Arn: !If [OwnTopic, !Ref AlarmTopic, !Ref AlarmTopicArn]", "Arn: !Ref AlarmTopic"}}, "with a topic of your own"},
	}
	original := template(t)
	for name, c := range cases {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			problems := check.Template(mistaken(t, original, c.edits...), check.Options{Now: now})
			if !strings.Contains(strings.Join(problems, "\n"), c.want) {
				t.Errorf("got\n%s\nwant %q", strings.Join(problems, "\n"), c.want)
			}
			// One mistake is a handful of lines, not a page.
			if len(problems) > 6 {
				t.Errorf("%d problems for one mistake:\n%s", len(problems), strings.Join(problems, "\n"))
			}
		})
	}
}

func long(n int) string { return strings.Repeat("N", n) }

// TestWhatIsAllowedIsAllowed writes the keys that the shipped rows do not use.
func TestWhatIsAllowedIsAllowed(t *testing.T) {
	t.Parallel()
	cases := map[string][]edit{
		"every key": {{dailyTail, `SilentAfter: 77
      State: DISABLED
      Timeout: 2m
      Attempts: 1
      Idempotent: true
      MaxAge: 2h
      Window: 90
      Watch: missing
      Headers: '{"Accept":"application/json","X-Run":"{{runId}}"}'
      Expect: '{"status":["2xx",404],"contentType":"application/json","json":{"/ok":true}}'
      Reject: '{"status":[403],"json":{"/error":"token_expired"}}'
      Note: Payments, ask in their channel
`}},
		"every key of a token":       {{tokenRow, `ExampleApi: { Secret: example-api, Key: api_key, WarnDays: 14, Note: "Payments: renewed by hand, see their wiki", Reject: '{"status":[403]}' }`}},
		"text and true as text":      {{dailyTail, "SilentAfter: '75'\n      Idempotent: 'true'\n      Attempts: '2'\n"}},
		"plain text as a body":       {{dailyBody, `Body: '"ping \"now\""'`}},
		"weekly, watched not":        {{"cron(0 9 ? * MON-FRI *)", "cron(0 9 ? * MON *)"}, {dailyTail, "SilentAfter: 168\n      Watch: ignore\n"}},
		"once":                       {{"cron(0 9 ? * MON-FRI *)", "at(2027-01-01T00:00:00)"}, {dailyTail, "SilentAfter: 1\n      Watch: ignore\n"}},
		"check":                      {{dailyZone, dailyZone + "\n      Action: check"}},
		"full ARN under the prefix":  {{"Secret: example-api", "Secret: arn:aws-cn:secretsmanager:cn-north-1:123456789012:secret:cronbearer/a-AbCdEf"}},
		"days in a fraction":         {{"WarnDays: 14", "WarnDays: 0.01"}},
		"token without days":         {{", WarnDays: 14", ""}},
		"token that no job uses yet": {{tokenRow, tokenRow + "\n    Other: { Secret: other }"}, {"[ExampleApi]", "[ExampleApi, Other]"}},
	}
	original := template(t)
	for name, edits := range cases {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			for _, problem := range check.Template(mistaken(t, original, edits...), check.Options{Now: now}) {
				t.Error(problem)
			}
		})
	}
}

func TestExtraSecretMustBeGiven(t *testing.T) {
	t.Parallel()
	const arn = "arn:aws-cn:secretsmanager:cn-north-1:123456789012:secret:other/token-AbCdEf"
	data := mistaken(t, template(t), edit{"Secret: example-api", "Secret: " + arn})
	stack := cfn.Options{Parameters: map[string]string{"ExtraSecretArns": arn}}
	for _, problem := range check.Template(data, check.Options{Now: now, Stack: stack}) {
		t.Error(problem)
	}
	s, err := cfn.Parse(data, cfn.Options{Parameters: map[string]string{"AllowedHosts": "a.example.com", "ExtraSecretArns": arn}})
	if err != nil {
		t.Fatal(err)
	}
	description, _ := s.Resources["TokenRejectedExampleApi"].Properties["AlarmDescription"].(string)
	if !strings.Contains(description, "--secret-id "+arn+" ") {
		t.Errorf("the alarm's command does not name the secret by its ARN: %s", description)
	}
}

func TestDeployRefusesExamples(t *testing.T) {
	t.Parallel()
	cases := map[string]struct {
		host, allowed string
		want          []string
	}{
		"a host of one's own":  {"api.cronbearer.dev", "api.cronbearer.dev", nil},
		"examples":             {"api.example.com", "*.example.com", []string{"Jobs.DailyReport: it still calls api.example.com, which is an example: write your own host", "Jobs.HourlySync: it still calls api.example.com, which is an example: write your own host", "parameter AllowedHosts: *.example.com is an example: write your own host"}},
		"example, with a port": {"api.example.net:8443", "api.cronbearer.dev", []string{"Jobs.DailyReport: it still calls api.example.net:8443, which is an example: write your own host", "Jobs.HourlySync: it still calls api.example.net:8443, which is an example: write your own host"}},
		"test":                 {"api.cronbearer.dev", "API.TEST., api.cronbearer.dev", []string{"parameter AllowedHosts: API.TEST. is an example: write your own host"}},
		"localhost":            {"api.cronbearer.dev", "localhost:8443", []string{"parameter AllowedHosts: localhost:8443 is an example: write your own host"}},
		"no hosts":             {"api.cronbearer.dev", "", []string{"Parameters.AllowedHosts: needs a value"}},
		"nearly an example":    {"notexample.com", "notexample.com", nil},
	}
	original := template(t)
	for name, c := range cases {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			parameters := map[string]string{}
			if c.allowed != "" {
				parameters["AllowedHosts"] = c.allowed
			}
			data := []byte(strings.ReplaceAll(original, "https://api.example.com", "https://"+c.host))
			got := check.Template(data, check.Options{Now: now, Deploy: true, Stack: cfn.Options{Parameters: parameters}})
			if diff := cmp.Diff(c.want, got); diff != "" {
				t.Error(diff)
			}
		})
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
		fmt.Fprintf(&jobRows, "\n    %s: { Schedule: rate(5 minutes), Call: 'POST https://api.example.com/v1/jobs/%d?at={{scheduledTime}}', Token: %s, Body: '{\"job\":%d}', SilentAfter: 3 }",
			jobNames[i], i, tokenNames[i%tokens], i)
	}
	return mistaken(t, template(t),
		edit{tokenRow, strings.TrimSpace(tokenRows.String())},
		edit{"[ExampleApi]", "[" + strings.Join(tokenNames, ", ") + "]"},
		edit{hourlyRow, strings.TrimSpace(jobRows.String()) + "\n    Last: { Schedule: rate(1 hour),"},
		edit{"sync', Token: ExampleApi", "sync', Token: " + tokenNames[0]},
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
		"200 jobs and 30 tokens":   {30, 198, ""},
		"a job too many":           {30, 199, "Mappings.Jobs: it has 201 blocks; CloudFormation takes 200"},
		"more tokens than fit too": {60, 198, "resources; CloudFormation takes 500"},
	}
	for name, c := range cases {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			problems := check.Template(many(t, c.tokens, c.jobs), check.Options{Now: now})
			if got := strings.Join(problems, "\n"); c.want == "" && got != "" || !strings.Contains(got, c.want) {
				t.Errorf("got %q, want %q", got, c.want)
			}
		})
	}
}

func TestSameNamesWhatDiffers(t *testing.T) {
	t.Parallel()
	stack := cfn.Options{Parameters: map[string]string{"AllowedHosts": "a.example.com"}}
	other := filepath.Join(t.TempDir(), "other.yaml")
	data := mistaken(t, template(t), edit{dailyTail, "SilentAfter: 76\n"}, edit{"  ScheduleGroup: { Description", "  Group: { Description"})
	if err := os.WriteFile(other, data, 0o600); err != nil {
		t.Fatal(err)
	}
	if got := check.Same("shipped/template.yaml", "shipped/template.yaml", stack); len(got) > 0 {
		t.Errorf("the template differs from itself: %s", strings.Join(got, "\n"))
	}
	got := strings.Join(check.Same("shipped/template.yaml", other, stack), "\n")
	for _, want := range []string{"SilentDailyReport: EvaluationPeriods is 75, and must be 76", "Outputs: Group is not there", "Outputs: ScheduleGroup is there"} {
		if !strings.Contains(got, want) {
			t.Errorf("got\n%s\nwant %q", got, want)
		}
	}
	if got := check.Same("shipped/template.yaml", other+"x", stack); len(got) != 1 {
		t.Errorf("a missing file is one problem, not %v", got)
	}
}

// SAM CLI reads these, and nothing else would say that they are gone before a deployment fails.
func TestSamConfig(t *testing.T) {
	t.Parallel()
	data, err := os.ReadFile("../samconfig.toml")
	if err != nil {
		t.Fatal(err)
	}
	for _, want := range []string{"[default.global.parameters]\n", "\nlanguage_extensions = true\n", `capabilities = "CAPABILITY_IAM CAPABILITY_AUTO_EXPAND"`} {
		if !strings.Contains(string(data), want) {
			t.Errorf("samconfig.toml has no %q", want)
		}
	}
}

func TestEachAlarmHasItsRunbook(t *testing.T) {
	t.Parallel()
	s, err := cfn.Load("shipped/template.yaml", cfn.Options{Parameters: map[string]string{"AllowedHosts": "a.example.com"}})
	if err != nil {
		t.Fatal(err)
	}
	page := regexp.MustCompile(`docs/runbooks/[a-z-]+\.md`) // in the default RunbookUrl
	for _, alarm := range s.OfType("AWS::CloudWatch::Alarm") {
		description, _ := alarm.Properties["AlarmDescription"].(string)
		if _, err := os.Stat(filepath.Join("..", page.FindString(description))); err != nil || !page.MatchString(description) {
			t.Errorf("%s names no runbook that is there: %v", alarm.LogicalID, err)
		}
	}
}
