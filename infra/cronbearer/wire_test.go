package main_test

import (
	"archive/zip"
	"bytes"
	"context"
	"errors"
	"fmt"
	"maps"
	"net/http"
	"os"
	"reflect"
	"slices"
	"strings"
	"testing"
	"time"

	"github.com/aws/aws-sdk-go-v2/aws"
	"github.com/aws/aws-sdk-go-v2/service/cloudformation"
	cftypes "github.com/aws/aws-sdk-go-v2/service/cloudformation/types"
	"github.com/aws/aws-sdk-go-v2/service/cloudwatch"
	cwtypes "github.com/aws/aws-sdk-go-v2/service/cloudwatch/types"
	"github.com/aws/aws-sdk-go-v2/service/cloudwatchlogs"
	logtypes "github.com/aws/aws-sdk-go-v2/service/cloudwatchlogs/types"
	"github.com/aws/aws-sdk-go-v2/service/eventbridge"
	ebtypes "github.com/aws/aws-sdk-go-v2/service/eventbridge/types"
	"github.com/aws/aws-sdk-go-v2/service/kms"
	"github.com/aws/aws-sdk-go-v2/service/lambda"
	lambdatypes "github.com/aws/aws-sdk-go-v2/service/lambda/types"
	"github.com/aws/aws-sdk-go-v2/service/scheduler"
	schedtypes "github.com/aws/aws-sdk-go-v2/service/scheduler/types"
	"github.com/aws/aws-sdk-go-v2/service/secretsmanager"
	"github.com/aws/aws-sdk-go-v2/service/sns"
	snstypes "github.com/aws/aws-sdk-go-v2/service/sns/types"
	"github.com/aws/aws-sdk-go-v2/service/sqs"
	sqstypes "github.com/aws/aws-sdk-go-v2/service/sqs/types"
	"github.com/aws/aws-sdk-go-v2/service/sts"
	"github.com/aws/smithy-go"
	smithyhttp "github.com/aws/smithy-go/transport/http"
	"github.com/google/go-cmp/cmp"

	"github.com/cronbearer/cronbearer/infra/cronbearer/internal/account"
	"github.com/cronbearer/cronbearer/infra/cronbearer/internal/awsapi"
)

// The SDK's own wire, against emulators of AWS that others wrote. make check-wire starts them and names them in
// emulatorsVariable: ministack=http://127.0.0.1:1234,moto=http://127.0.0.1:1235.
const emulatorsVariable = "CRONBEARER_TEST_EMULATORS"

// emulated is an account of an emulator with one of each resource.
type emulated struct {
	account.Clients

	queue, topic, key, function, logs    string
	stack, secret, schedule, group, role string
	receipt                              string
	withoutFunctions                     bool // it runs them in Docker, and answers something else where there is none
}

// wires are the operations that the tool uses, each with a request as the tool makes it and what it reads in the
// answer. They are called in the order of their names.
var wires = map[string]func(context.Context, *emulated) error{
	"CloudFormation.DescribeStacks": func(ctx context.Context, e *emulated) error {
		out, err := e.CloudFormation.DescribeStacks(ctx, &cloudformation.DescribeStacksInput{StackName: &e.stack})
		return check(err, func() bool {
			s := out.Stacks[0]
			return *s.StackName == e.stack && s.StackStatus == "CREATE_COMPLETE" && *s.Parameters[0].ParameterValue == "given" &&
				*s.Outputs[0].OutputValue != ""
		})
	},
	"CloudFormation.ListStackResources": func(ctx context.Context, e *emulated) error {
		out, err := e.CloudFormation.ListStackResources(ctx, &cloudformation.ListStackResourcesInput{StackName: &e.stack})
		return check(err, func() bool {
			return slices.ContainsFunc(out.StackResourceSummaries, func(r cftypes.StackResourceSummary) bool {
				return *r.LogicalResourceId == "Queue" && *r.PhysicalResourceId != "" && *r.ResourceType == "AWS::SQS::Queue"
			})
		})
	},
	"CloudWatch.DescribeAlarms": func(ctx context.Context, e *emulated) error {
		out, err := e.CloudWatch.DescribeAlarms(ctx, &cloudwatch.DescribeAlarmsInput{AlarmNamePrefix: aws.String("wire-")})
		return check(err, func() bool {
			a := out.MetricAlarms[0]
			return *a.AlarmName == alarmOfWires && *a.AlarmArn != "" && a.StateValue != "" && a.StateUpdatedTimestamp != nil &&
				a.AlarmActions[0] == e.topic && *a.ActionsEnabled
		})
	},
	"CloudWatch.DescribeAlarmHistory": func(ctx context.Context, e *emulated) error {
		_, err := e.CloudWatch.DescribeAlarmHistory(ctx, &cloudwatch.DescribeAlarmHistoryInput{
			AlarmName: aws.String(alarmOfWires), HistoryItemType: cwtypes.HistoryItemTypeAction,
			StartDate: aws.Time(time.Now().Add(-time.Hour)), ScanBy: cwtypes.ScanByTimestampDescending,
		})
		return err
	},
	"CloudWatch.GetMetricData": func(ctx context.Context, e *emulated) error {
		now := time.Now()
		out, err := e.CloudWatch.GetMetricData(ctx, &cloudwatch.GetMetricDataInput{
			StartTime: aws.Time(now.Add(-time.Hour)), EndTime: aws.Time(now.Add(time.Minute)),
			ScanBy: cwtypes.ScanByTimestampDescending,
			MetricDataQueries: []cwtypes.MetricDataQuery{{
				Id: aws.String("m0"), MetricStat: &cwtypes.MetricStat{
					Period: aws.Int32(3600), Stat: aws.String("Sum"), Metric: &cwtypes.Metric{
						Namespace: aws.String("Cronbearer"), MetricName: aws.String("Heartbeat"),
						Dimensions: []cwtypes.Dimension{{Name: aws.String("Stack"), Value: aws.String("wire")}},
					},
				},
			}},
		})
		return check(err, func() bool {
			r := out.MetricDataResults[0]
			return *r.Id == "m0" && r.Values[0] == 1 && len(r.Timestamps) == len(r.Values)
		})
	},
	"CloudWatch.ListAlarmMuteRules": func(ctx context.Context, e *emulated) error {
		_, err := e.CloudWatch.ListAlarmMuteRules(ctx, &cloudwatch.ListAlarmMuteRulesInput{
			AlarmName: aws.String(alarmOfWires),
		})
		return err
	},
	"CloudWatch.PutAlarmMuteRule": func(ctx context.Context, e *emulated) error {
		_, err := e.CloudWatch.PutAlarmMuteRule(ctx, &cloudwatch.PutAlarmMuteRuleInput{
			Name: aws.String("wire-mute"), Rule: &cwtypes.Rule{Schedule: &cwtypes.Schedule{
				Duration: aws.String("PT1H"), Expression: aws.String("at(2030-01-01T00:00)"), Timezone: aws.String("UTC"),
			}}, MuteTargets: &cwtypes.MuteTargets{AlarmNames: []string{alarmOfWires}},
		})
		return err
	},
	"CloudWatch.DeleteAlarmMuteRule": func(ctx context.Context, e *emulated) error {
		_, err := e.CloudWatch.DeleteAlarmMuteRule(ctx, &cloudwatch.DeleteAlarmMuteRuleInput{
			AlarmMuteRuleName: aws.String("wire-mute"),
		})
		return err
	},
	"CloudWatch.SetAlarmState": func(ctx context.Context, e *emulated) error {
		_, err := e.CloudWatch.SetAlarmState(ctx, &cloudwatch.SetAlarmStateInput{
			AlarmName: aws.String(alarmOfWires), StateValue: cwtypes.StateValueAlarm, StateReason: aws.String("a drill"),
		})
		return err
	},
	"Logs.StartQuery": func(ctx context.Context, e *emulated) error {
		out, err := e.Logs.StartQuery(ctx, &cloudwatchlogs.StartQueryInput{
			LogGroupName: &e.logs, StartTime: aws.Int64(time.Now().Add(-time.Hour).Unix()),
			EndTime: aws.Int64(time.Now().Unix()), QueryString: aws.String("fields @timestamp, @message | limit 10"),
		})
		return check(err, func() bool { return *out.QueryId != "" })
	},
	"Logs.GetQueryResults": func(ctx context.Context, e *emulated) error {
		started, err := e.Logs.StartQuery(ctx, &cloudwatchlogs.StartQueryInput{
			LogGroupName: &e.logs, StartTime: aws.Int64(time.Now().Add(-time.Hour).Unix()),
			EndTime: aws.Int64(time.Now().Unix() + 60), QueryString: aws.String("fields @timestamp, @message | limit 10"),
		})
		if err != nil {
			return err
		}
		out, err := e.Logs.GetQueryResults(ctx, &cloudwatchlogs.GetQueryResultsInput{QueryId: started.QueryId})
		return check(err, func() bool { return out.Status != "" })
	},
	"Logs.FilterLogEvents": func(ctx context.Context, e *emulated) error {
		out, err := e.Logs.FilterLogEvents(ctx, &cloudwatchlogs.FilterLogEventsInput{
			LogGroupName: &e.logs, StartTime: aws.Int64(time.Now().Add(-time.Hour).UnixMilli()),
		})
		return check(err, func() bool {
			return *out.Events[0].Message == lineOfWires && *out.Events[0].Timestamp > 0 && *out.Events[0].EventId != ""
		})
	},
	"EventBridge.ListRules": func(ctx context.Context, e *emulated) error {
		out, err := e.EventBridge.ListRules(ctx, &eventbridge.ListRulesInput{})
		return check(err, func() bool {
			return *out.Rules[0].Name == ruleOfWires && *out.Rules[0].ScheduleExpression == "rate(1 hour)" &&
				out.Rules[0].State == ebtypes.RuleStateEnabled
		})
	},
	"EventBridge.ListTargetsByRule": func(ctx context.Context, e *emulated) error {
		out, err := e.EventBridge.ListTargetsByRule(ctx, &eventbridge.ListTargetsByRuleInput{Rule: aws.String(ruleOfWires)})
		return check(err, func() bool { return *out.Targets[0].Arn != "" && *out.Targets[0].Input == `{"kind":"x"}` })
	},
	"EventBridge.ListApiDestinations": func(ctx context.Context, e *emulated) error {
		out, err := e.EventBridge.ListApiDestinations(ctx, &eventbridge.ListApiDestinationsInput{})
		return check(err, func() bool {
			d := out.ApiDestinations[0]
			return *d.ApiDestinationArn != "" && *d.ConnectionArn != "" &&
				d.HttpMethod == ebtypes.ApiDestinationHttpMethodPost &&
				*d.InvocationEndpoint == "https://api.example.com/v1/run"
		})
	},
	"EventBridge.ListConnections": func(ctx context.Context, e *emulated) error {
		out, err := e.EventBridge.ListConnections(ctx, &eventbridge.ListConnectionsInput{})
		return check(err, func() bool { return *out.Connections[0].Name == ruleOfWires })
	},
	"EventBridge.DescribeConnection": func(ctx context.Context, e *emulated) error {
		out, err := e.EventBridge.DescribeConnection(ctx, &eventbridge.DescribeConnectionInput{Name: aws.String(ruleOfWires)})
		return check(err, func() bool {
			return *out.ConnectionArn != "" && out.AuthorizationType == ebtypes.ConnectionAuthorizationTypeApiKey &&
				*out.AuthParameters.ApiKeyAuthParameters.ApiKeyName == "X-Api-Key"
		})
	},
	"KMS.DescribeKey": func(ctx context.Context, e *emulated) error {
		out, err := e.KMS.DescribeKey(ctx, &kms.DescribeKeyInput{KeyId: &e.key})
		return check(err, func() bool { return *out.KeyMetadata.Arn != "" && out.KeyMetadata.KeyState == "Enabled" })
	},
	"KMS.GetKeyPolicy": func(ctx context.Context, e *emulated) error {
		out, err := e.KMS.GetKeyPolicy(ctx, &kms.GetKeyPolicyInput{KeyId: &e.key, PolicyName: aws.String("default")})
		return check(err, func() bool { return strings.Contains(*out.Policy, "kms:*") })
	},
	"Lambda.Invoke": func(ctx context.Context, e *emulated) error {
		out, err := e.Lambda.Invoke(ctx, &lambda.InvokeInput{
			FunctionName: &e.function, Payload: []byte(`{"job":"x"}`), LogType: lambdatypes.LogTypeTail,
		})
		return check(err, func() bool {
			return e.withoutFunctions || out.FunctionError == nil && string(out.Payload) == `{"job": "x"}`
		})
	},
	"Scheduler.GetSchedule": func(ctx context.Context, e *emulated) error {
		out, err := e.Scheduler.GetSchedule(ctx, &scheduler.GetScheduleInput{Name: &e.schedule, GroupName: &e.group})
		return check(err, func() bool {
			return *out.ScheduleExpression == "rate(1 hour)" && *out.ScheduleExpressionTimezone == "Europe/London" &&
				*out.Target.Input == `{"job":"x"}` && *out.Target.RoleArn == e.role && out.State == "ENABLED"
		})
	},
	"Scheduler.UpdateSchedule": func(ctx context.Context, e *emulated) error {
		_, err := e.Scheduler.UpdateSchedule(ctx, &scheduler.UpdateScheduleInput{
			Name: &e.schedule, GroupName: &e.group, ScheduleExpression: aws.String("rate(1 hour)"),
			ScheduleExpressionTimezone: aws.String("Europe/London"), State: schedtypes.ScheduleStateDisabled,
			FlexibleTimeWindow: &schedtypes.FlexibleTimeWindow{Mode: schedtypes.FlexibleTimeWindowModeOff},
			Target:             &schedtypes.Target{Arn: &e.queue, RoleArn: &e.role, Input: aws.String(`{"job":"x"}`)},
		})
		if err != nil {
			return err
		}
		out, err := e.Scheduler.GetSchedule(ctx, &scheduler.GetScheduleInput{Name: &e.schedule, GroupName: &e.group})
		return check(err, func() bool { return out.State == schedtypes.ScheduleStateDisabled })
	},
	"SecretsManager.CreateSecret": func(ctx context.Context, e *emulated) error {
		out, err := e.SecretsManager.CreateSecret(ctx, &secretsmanager.CreateSecretInput{
			Name: aws.String("wire/new"), SecretString: aws.String("fake-token"), ClientRequestToken: aws.String(tokenOfWires),
		})
		return check(err, func() bool { return *out.ARN != "" && *out.VersionId != "" })
	},
	"SecretsManager.DescribeSecret": func(ctx context.Context, e *emulated) error {
		out, err := e.SecretsManager.DescribeSecret(ctx, &secretsmanager.DescribeSecretInput{SecretId: &e.secret})
		return check(err, func() bool {
			return *out.Name == e.secret && len(out.VersionIdsToStages) == 1 && out.CreatedDate != nil
		})
	},
	"SecretsManager.ListSecretVersionIds": func(ctx context.Context, e *emulated) error {
		out, err := e.SecretsManager.ListSecretVersionIds(ctx, &secretsmanager.ListSecretVersionIdsInput{SecretId: &e.secret})
		return check(err, func() bool {
			return slices.Contains(out.Versions[0].VersionStages, "AWSCURRENT") && out.Versions[0].CreatedDate != nil
		})
	},
	"SecretsManager.PutSecretValue": func(ctx context.Context, e *emulated) error {
		out, err := e.SecretsManager.PutSecretValue(ctx, &secretsmanager.PutSecretValueInput{
			SecretId: &e.secret, SecretString: aws.String("fake-token-2"), ClientRequestToken: aws.String(tokenOfWires),
		})
		return check(err, func() bool { return *out.VersionId == tokenOfWires })
	},
	"SecretsManager.RotateSecret": func(ctx context.Context, e *emulated) error {
		_, err := e.SecretsManager.RotateSecret(ctx, &secretsmanager.RotateSecretInput{SecretId: &e.secret})
		return err
	},
	"SNS.GetTopicAttributes": func(ctx context.Context, e *emulated) error {
		out, err := e.SNS.GetTopicAttributes(ctx, &sns.GetTopicAttributesInput{TopicArn: &e.topic})
		return check(err, func() bool { return strings.Contains(out.Attributes["Policy"], "Statement") })
	},
	"SNS.ListSubscriptionsByTopic": func(ctx context.Context, e *emulated) error {
		out, err := e.SNS.ListSubscriptionsByTopic(ctx, &sns.ListSubscriptionsByTopicInput{TopicArn: &e.topic})
		return check(err, func() bool {
			s := out.Subscriptions[0]
			return *s.Protocol == "email" && *s.Endpoint == "you@example.com" && *s.SubscriptionArn != ""
		})
	},
	"SNS.TagResource": func(ctx context.Context, e *emulated) error {
		_, err := e.SNS.TagResource(ctx, &sns.TagResourceInput{
			ResourceArn: &e.topic, Tags: []snstypes.Tag{{Key: aws.String("cronbearer-drill"), Value: aws.String("2026-11-28")}},
		})
		return err
	},
	"SNS.ListTagsForResource": func(ctx context.Context, e *emulated) error {
		out, err := e.SNS.ListTagsForResource(ctx, &sns.ListTagsForResourceInput{ResourceArn: &e.topic})
		return check(err, func() bool { return *out.Tags[0].Key == "stage" && *out.Tags[0].Value == "dev" })
	},
	"SQS.GetQueueAttributes": func(ctx context.Context, e *emulated) error {
		out, err := e.SQS.GetQueueAttributes(ctx, &sqs.GetQueueAttributesInput{
			QueueUrl: &e.queue, AttributeNames: []sqstypes.QueueAttributeName{
				"ApproximateNumberOfMessages", "ApproximateNumberOfMessagesNotVisible",
			},
		})
		return check(err, func() bool { return out.Attributes["ApproximateNumberOfMessages"] != "" })
	},
	"SQS.ReceiveMessage": func(ctx context.Context, e *emulated) error {
		return e.receive(ctx)
	},
	"SQS.ChangeMessageVisibility": func(ctx context.Context, e *emulated) error {
		if err := e.receive(ctx); err != nil {
			return err
		}
		_, err := e.SQS.ChangeMessageVisibility(ctx, &sqs.ChangeMessageVisibilityInput{
			QueueUrl: &e.queue, ReceiptHandle: &e.receipt, VisibilityTimeout: 0,
		})
		return err
	},
	"SQS.DeleteMessage": func(ctx context.Context, e *emulated) error {
		if err := e.receive(ctx); err != nil {
			return err
		}
		_, err := e.SQS.DeleteMessage(ctx, &sqs.DeleteMessageInput{QueueUrl: &e.queue, ReceiptHandle: &e.receipt})
		return err
	},
	"STS.GetCallerIdentity": func(ctx context.Context, e *emulated) error {
		out, err := e.STS.GetCallerIdentity(ctx, &sts.GetCallerIdentityInput{})
		return check(err, func() bool { return *out.Account == "123456789012" && *out.Arn != "" })
	},
}

const (
	alarmOfWires = "wire-Silent-HourlySync"
	lineOfWires  = `{"message":"run","result":{"job":"HourlySync"}}`
	tokenOfWires = "0a1b2c3d-0000-4000-8000-0a1b2c3d4e5f"
)

// check reports an answer that lacks what the tool reads; a nil pointer in it is such an answer.
func check(err error, holds func() bool) (problem error) {
	if err != nil {
		return err
	}
	defer func() {
		if r := recover(); r != nil {
			problem = fmt.Errorf("the answer lacks something: %v", r)
		}
	}()
	if !holds() {
		return errors.New("the answer is not as expected")
	}
	return nil
}

// receive sends a message and receives it as the tool does.
func (e *emulated) receive(ctx context.Context) error {
	client := e.SQS.(*sqs.Client) //nolint:forcetypeassert // the SDK's
	if _, err := client.SendMessage(ctx, &sqs.SendMessageInput{
		QueueUrl: &e.queue, MessageBody: aws.String("{}"), MessageAttributes: map[string]sqstypes.MessageAttributeValue{
			"ERROR_CODE": {DataType: aws.String("String"), StringValue: aws.String("ThrottlingException")},
		},
	}); err != nil {
		return err
	}
	out, err := e.SQS.ReceiveMessage(ctx, &sqs.ReceiveMessageInput{
		QueueUrl: &e.queue, MaxNumberOfMessages: 10, VisibilityTimeout: 30, MessageAttributeNames: []string{"All"},
		MessageSystemAttributeNames: []sqstypes.MessageSystemAttributeName{"SentTimestamp"},
	})
	return check(err, func() bool {
		m := out.Messages[0]
		e.receipt = *m.ReceiptHandle
		return *m.Body == "{}" && *m.MessageAttributes["ERROR_CODE"].StringValue != "" && m.Attributes["SentTimestamp"] != ""
	})
}

// operations are the methods of the clients: all that the tool can call.
func operations() []string {
	var list []string
	for field := range reflect.TypeFor[account.Clients]().Fields() {
		if field.Type.Kind() == reflect.Interface {
			for method := range field.Type.Methods() {
				list = append(list, field.Name+"."+method.Name)
			}
		}
	}
	slices.Sort(list)
	return list
}

// lacking are the emulators that lack an operation, or do not speak the protocol in which the SDK calls it. An
// operation that both lack is on no emulator's wire.
var lacking = map[string][]string{
	"CloudWatch.DeleteAlarmMuteRule":  {"ministack", "moto"},
	"CloudWatch.DescribeAlarmHistory": {"moto"},
	"CloudWatch.DescribeAlarms":       {"moto"},
	"CloudWatch.GetMetricData":        {"moto"},
	"CloudWatch.ListAlarmMuteRules":   {"ministack", "moto"},
	"CloudWatch.PutAlarmMuteRule":     {"ministack", "moto"},
	"CloudWatch.SetAlarmState":        {"moto"},
}

// TestEachOperationIsOnAWire: what the tool can call is in the table of requests, and nothing else is.
func TestEachOperationIsOnAWire(t *testing.T) {
	t.Parallel()
	if diff := cmp.Diff(operations(), slices.Sorted(maps.Keys(wires))); diff != "" {
		t.Errorf("operations (-that the tool uses +with a request here)\n%s", diff)
	}
	for operation := range lacking {
		if wires[operation] == nil {
			t.Errorf("the tool no longer uses %s", operation)
		}
	}
}

// TestWire makes each request to each emulator, which has the operation or lacks it as lacking says. So an operation
// that an emulator gains or loses fails, as does an answer without what the tool reads.
func TestWire(t *testing.T) { //nolint:paralleltest // the SDK reads the environment
	list := os.Getenv(emulatorsVariable)
	if list == "" {
		t.Skip("make check-wire starts the emulators")
	}
	for pair := range strings.SplitSeq(list, ",") {
		name, url, _ := strings.Cut(pair, "=")
		t.Run(name, func(t *testing.T) {
			for variable, value := range map[string]string{
				"AWS_ENDPOINT_URL": url, "AWS_ACCESS_KEY_ID": "test", "AWS_SECRET_ACCESS_KEY": "test", "AWS_MAX_ATTEMPTS": "1",
			} {
				t.Setenv(variable, value)
			}
			clients, err := awsapi.New(t.Context(), awsapi.Options{Region: "eu-west-1"})
			if err != nil {
				t.Fatal(err)
			}
			e := &emulated{Clients: clients, withoutFunctions: name == "moto"}
			if err := e.prepare(t.Context()); err != nil {
				t.Fatalf("the resources: %v", err)
			}
			for _, operation := range operations() {
				ctx, cancel := context.WithTimeout(t.Context(), time.Minute)
				err := wires[operation](ctx, e)
				cancel()
				switch lacks := slices.Contains(lacking[operation], name); {
				case lacks && !isLacking(err):
					t.Errorf("%s has %s now (%v): remove it from lacking", name, operation, err)
				case !lacks && err != nil:
					t.Errorf("%s: %v", operation, err)
				}
			}
		})
	}
}

// isLacking reports whether an emulator knows no such operation.
func isLacking(err error) bool {
	if known, ok := errors.AsType[smithy.APIError](err); ok {
		return slices.Contains([]string{"InvalidAction", "UnknownOperationException", "NotImplemented"}, known.ErrorCode())
	}
	response, ok := errors.AsType[*smithyhttp.ResponseError](err) // moto has no page there
	return ok && response.HTTPStatusCode() == http.StatusNotFound
}

// prepare creates one of each resource.
func (e *emulated) prepare(ctx context.Context) error {
	e.stack, e.secret, e.schedule, e.group = "wire", "wire/token", "hourly", "wire-jobs"
	e.logs, e.function = "wire-logs", "wire"
	for _, step := range []func(context.Context) error{
		e.prepareStack, e.prepareTopic, e.prepareQueueAndKey, e.prepareSecret, e.prepareSchedule, e.prepareLogs,
		e.prepareFunction, e.prepareRule,
	} {
		if err := step(ctx); err != nil {
			return err
		}
	}
	if err := e.prepareAlarm(ctx); err != nil && !isLacking(err) {
		return err
	}
	return nil
}

// template is what the stack of the wires is made from.
const template = `{
	"Parameters": {"P": {"Type": "String"}},
	"Resources": {
		"Queue": {"Type": "AWS::SQS::Queue"},
		"Role": {"Type": "AWS::IAM::Role", "Properties": {"AssumeRolePolicyDocument": {"Version": "2012-10-17", "Statement": [
			{"Effect": "Allow", "Principal": {"Service": "lambda.amazonaws.com"}, "Action": "sts:AssumeRole"}
		]}}}
	},
	"Outputs": {"RoleArn": {"Value": {"Fn::GetAtt": ["Role", "Arn"]}}}
}`

func (e *emulated) prepareStack(ctx context.Context) error {
	_, err := e.CloudFormation.(*cloudformation.Client).CreateStack(ctx, &cloudformation.CreateStackInput{
		StackName: &e.stack, TemplateBody: aws.String(template),
		Parameters: []cftypes.Parameter{{ParameterKey: aws.String("P"), ParameterValue: aws.String("given")}},
	})
	for err == nil && e.role == "" {
		var out *cloudformation.DescribeStacksOutput
		out, err = e.CloudFormation.DescribeStacks(ctx, &cloudformation.DescribeStacksInput{StackName: &e.stack})
		if err == nil && len(out.Stacks[0].Outputs) == 1 {
			e.role = *out.Stacks[0].Outputs[0].OutputValue
		}
	}
	return err
}

func (e *emulated) prepareTopic(ctx context.Context) error {
	client := e.SNS.(*sns.Client)
	topic, err := client.CreateTopic(ctx, &sns.CreateTopicInput{
		Name: aws.String("wire"), Tags: []snstypes.Tag{{Key: aws.String("stage"), Value: aws.String("dev")}},
	})
	if err != nil {
		return err
	}
	e.topic = *topic.TopicArn
	_, err = client.Subscribe(ctx, &sns.SubscribeInput{
		TopicArn: &e.topic, Protocol: aws.String("email"), Endpoint: aws.String("you@example.com"),
	})
	return err
}

func (e *emulated) prepareQueueAndKey(ctx context.Context) error {
	queue, err := e.SQS.(*sqs.Client).CreateQueue(ctx, &sqs.CreateQueueInput{QueueName: aws.String("wire")})
	if err != nil {
		return err
	}
	e.queue = *queue.QueueUrl
	key, err := e.KMS.(*kms.Client).CreateKey(ctx, &kms.CreateKeyInput{})
	if err != nil {
		return err
	}
	e.key = *key.KeyMetadata.KeyId
	return nil
}

func (e *emulated) prepareSecret(ctx context.Context) error {
	_, err := e.SecretsManager.CreateSecret(ctx, &secretsmanager.CreateSecretInput{
		Name: &e.secret, SecretString: aws.String("fake-token-1"),
	})
	return err
}

func (e *emulated) prepareSchedule(ctx context.Context) error {
	client := e.Scheduler.(*scheduler.Client)
	if _, err := client.CreateScheduleGroup(ctx, &scheduler.CreateScheduleGroupInput{Name: &e.group}); err != nil {
		return err
	}
	_, err := client.CreateSchedule(ctx, &scheduler.CreateScheduleInput{
		Name: &e.schedule, GroupName: &e.group, ScheduleExpression: aws.String("rate(1 hour)"),
		ScheduleExpressionTimezone: aws.String("Europe/London"),
		FlexibleTimeWindow:         &schedtypes.FlexibleTimeWindow{Mode: schedtypes.FlexibleTimeWindowModeOff},
		Target: &schedtypes.Target{
			Arn: aws.String("arn:aws:sqs:eu-west-1:123456789012:wire"), RoleArn: &e.role, Input: aws.String(`{"job":"x"}`),
		},
	})
	return err
}

func (e *emulated) prepareLogs(ctx context.Context) error {
	client, stream := e.Logs.(*cloudwatchlogs.Client), aws.String("wire")
	_, err := client.CreateLogGroup(ctx, &cloudwatchlogs.CreateLogGroupInput{LogGroupName: &e.logs})
	if err != nil {
		return err
	}
	_, err = client.CreateLogStream(ctx, &cloudwatchlogs.CreateLogStreamInput{
		LogGroupName: &e.logs, LogStreamName: stream,
	})
	if err != nil {
		return err
	}
	_, err = client.PutLogEvents(ctx, &cloudwatchlogs.PutLogEventsInput{
		LogGroupName: &e.logs, LogStreamName: stream, LogEvents: []logtypes.InputLogEvent{
			{Message: aws.String(lineOfWires), Timestamp: aws.Int64(time.Now().UnixMilli())},
		},
	})
	return err
}

// prepareFunction creates one that returns its event, for the emulators that run Python.
func (e *emulated) prepareFunction(ctx context.Context) error {
	var code bytes.Buffer
	archive := zip.NewWriter(&code)
	file, err := archive.Create("index.py")
	if err != nil {
		return err
	}
	if _, err := file.Write([]byte("def handler(event, context):\n    return event\n")); err != nil {
		return err
	}
	if err := archive.Close(); err != nil {
		return err
	}
	_, err = e.Lambda.(*lambda.Client).CreateFunction(ctx, &lambda.CreateFunctionInput{
		FunctionName: &e.function, Role: &e.role, Runtime: lambdatypes.RuntimePython311, Handler: aws.String("index.handler"),
		Code: &lambdatypes.FunctionCode{ZipFile: code.Bytes()},
	})
	return err
}

// ruleOfWires is the name of a rule and of its connection.
const ruleOfWires = "wire"

func (e *emulated) prepareRule(ctx context.Context) error {
	client, name := e.EventBridge.(*eventbridge.Client), aws.String(ruleOfWires)
	connection, err := client.CreateConnection(ctx, &eventbridge.CreateConnectionInput{
		Name: name, AuthorizationType: ebtypes.ConnectionAuthorizationTypeApiKey,
		AuthParameters: &ebtypes.CreateConnectionAuthRequestParameters{
			ApiKeyAuthParameters: &ebtypes.CreateConnectionApiKeyAuthRequestParameters{
				ApiKeyName: aws.String("X-Api-Key"), ApiKeyValue: aws.String("fake-key-1"),
			},
		},
	})
	if err != nil {
		return err
	}
	destination, err := client.CreateApiDestination(ctx, &eventbridge.CreateApiDestinationInput{
		Name: name, ConnectionArn: connection.ConnectionArn, HttpMethod: ebtypes.ApiDestinationHttpMethodPost,
		InvocationEndpoint: aws.String("https://api.example.com/v1/run"),
	})
	if err != nil {
		return err
	}
	if _, err := client.PutRule(ctx, &eventbridge.PutRuleInput{
		Name: name, ScheduleExpression: aws.String("rate(1 hour)"),
	}); err != nil {
		return err
	}
	_, err = client.PutTargets(ctx, &eventbridge.PutTargetsInput{Rule: name, Targets: []ebtypes.Target{
		{Id: aws.String("1"), Arn: destination.ApiDestinationArn, Input: aws.String(`{"kind":"x"}`)},
	}})
	return err
}

func (e *emulated) prepareAlarm(ctx context.Context) error {
	client := e.CloudWatch.(*cloudwatch.Client)
	if _, err := client.PutMetricData(ctx, &cloudwatch.PutMetricDataInput{
		Namespace: aws.String("Cronbearer"), MetricData: []cwtypes.MetricDatum{{
			MetricName: aws.String("Heartbeat"), Value: aws.Float64(1), Timestamp: aws.Time(time.Now()),
			Dimensions: []cwtypes.Dimension{{Name: aws.String("Stack"), Value: aws.String("wire")}},
		}},
	}); err != nil {
		return err
	}
	_, err := client.PutMetricAlarm(ctx, &cloudwatch.PutMetricAlarmInput{
		AlarmName: aws.String(alarmOfWires), Namespace: aws.String("Cronbearer"), MetricName: aws.String("Heartbeat"),
		Statistic: "Sum", Period: aws.Int32(3600), EvaluationPeriods: aws.Int32(3), Threshold: aws.Float64(1),
		ComparisonOperator: "LessThanThreshold", AlarmActions: []string{e.topic},
	})
	return err
}
