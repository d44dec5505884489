package local

import (
	"context"

	"github.com/aws/aws-sdk-go-v2/service/cloudformation"
	"github.com/aws/aws-sdk-go-v2/service/cloudwatch"
	"github.com/aws/aws-sdk-go-v2/service/cloudwatchlogs"
	"github.com/aws/aws-sdk-go-v2/service/eventbridge"
	"github.com/aws/aws-sdk-go-v2/service/kms"
	"github.com/aws/aws-sdk-go-v2/service/lambda"
	"github.com/aws/aws-sdk-go-v2/service/scheduler"
	"github.com/aws/aws-sdk-go-v2/service/secretsmanager"
	"github.com/aws/aws-sdk-go-v2/service/sns"
	"github.com/aws/aws-sdk-go-v2/service/sqs"
	"github.com/aws/aws-sdk-go-v2/service/sts"

	"github.com/cronbearer/cronbearer/infra/cronbearer/internal/account"
)

// clients returns the interfaces of package account over a connection: each operation is one call with the SDK's own
// input and output types.
func (c *conn) clients() account.Clients {
	return account.Clients{
		CloudFormation: cloudformationClient{c},
		CloudWatch:     cloudwatchClient{c},
		Logs:           logsClient{c},
		EventBridge:    eventbridgeClient{c},
		KMS:            kmsClient{c},
		Lambda:         lambdaClient{c},
		Scheduler:      schedulerClient{c},
		SecretsManager: secretsmanagerClient{c},
		SNS:            snsClient{c},
		SQS:            sqsClient{c},
		STS:            stsClient{c},
		Simulated:      true,
	}
}

type (
	cloudformationClient struct{ *conn }
	cloudwatchClient     struct{ *conn }
	logsClient           struct{ *conn }
	eventbridgeClient    struct{ *conn }
	kmsClient            struct{ *conn }
	lambdaClient         struct{ *conn }
	schedulerClient      struct{ *conn }
	secretsmanagerClient struct{ *conn }
	snsClient            struct{ *conn }
	sqsClient            struct{ *conn }
	stsClient            struct{ *conn }
)

func (c cloudformationClient) DescribeStacks(
	ctx context.Context, in *cloudformation.DescribeStacksInput, _ ...func(*cloudformation.Options),
) (*cloudformation.DescribeStacksOutput, error) {
	return call[cloudformation.DescribeStacksOutput](ctx, c.conn, "cloudformation:DescribeStacks", in)
}

func (c cloudformationClient) ListStackResources(
	ctx context.Context, in *cloudformation.ListStackResourcesInput, _ ...func(*cloudformation.Options),
) (*cloudformation.ListStackResourcesOutput, error) {
	return call[cloudformation.ListStackResourcesOutput](ctx, c.conn, "cloudformation:ListStackResources", in)
}

func (c cloudwatchClient) DescribeAlarms(
	ctx context.Context, in *cloudwatch.DescribeAlarmsInput, _ ...func(*cloudwatch.Options),
) (*cloudwatch.DescribeAlarmsOutput, error) {
	return call[cloudwatch.DescribeAlarmsOutput](ctx, c.conn, "cloudwatch:DescribeAlarms", in)
}

func (c cloudwatchClient) DescribeAlarmHistory(
	ctx context.Context, in *cloudwatch.DescribeAlarmHistoryInput, _ ...func(*cloudwatch.Options),
) (*cloudwatch.DescribeAlarmHistoryOutput, error) {
	return call[cloudwatch.DescribeAlarmHistoryOutput](ctx, c.conn, "cloudwatch:DescribeAlarmHistory", in)
}

func (c cloudwatchClient) GetMetricData(
	ctx context.Context, in *cloudwatch.GetMetricDataInput, _ ...func(*cloudwatch.Options),
) (*cloudwatch.GetMetricDataOutput, error) {
	return call[cloudwatch.GetMetricDataOutput](ctx, c.conn, "cloudwatch:GetMetricData", in)
}

func (c cloudwatchClient) ListAlarmMuteRules(
	ctx context.Context, in *cloudwatch.ListAlarmMuteRulesInput, _ ...func(*cloudwatch.Options),
) (*cloudwatch.ListAlarmMuteRulesOutput, error) {
	return call[cloudwatch.ListAlarmMuteRulesOutput](ctx, c.conn, "cloudwatch:ListAlarmMuteRules", in)
}

func (c cloudwatchClient) PutAlarmMuteRule(
	ctx context.Context, in *cloudwatch.PutAlarmMuteRuleInput, _ ...func(*cloudwatch.Options),
) (*cloudwatch.PutAlarmMuteRuleOutput, error) {
	return call[cloudwatch.PutAlarmMuteRuleOutput](ctx, c.conn, "cloudwatch:PutAlarmMuteRule", in)
}

func (c cloudwatchClient) DeleteAlarmMuteRule(
	ctx context.Context, in *cloudwatch.DeleteAlarmMuteRuleInput, _ ...func(*cloudwatch.Options),
) (*cloudwatch.DeleteAlarmMuteRuleOutput, error) {
	return call[cloudwatch.DeleteAlarmMuteRuleOutput](ctx, c.conn, "cloudwatch:DeleteAlarmMuteRule", in)
}

func (c cloudwatchClient) SetAlarmState(
	ctx context.Context, in *cloudwatch.SetAlarmStateInput, _ ...func(*cloudwatch.Options),
) (*cloudwatch.SetAlarmStateOutput, error) {
	return call[cloudwatch.SetAlarmStateOutput](ctx, c.conn, "cloudwatch:SetAlarmState", in)
}

func (c logsClient) StartQuery(
	ctx context.Context, in *cloudwatchlogs.StartQueryInput, _ ...func(*cloudwatchlogs.Options),
) (*cloudwatchlogs.StartQueryOutput, error) {
	return call[cloudwatchlogs.StartQueryOutput](ctx, c.conn, "logs:StartQuery", in)
}

func (c logsClient) GetQueryResults(
	ctx context.Context, in *cloudwatchlogs.GetQueryResultsInput, _ ...func(*cloudwatchlogs.Options),
) (*cloudwatchlogs.GetQueryResultsOutput, error) {
	return call[cloudwatchlogs.GetQueryResultsOutput](ctx, c.conn, "logs:GetQueryResults", in)
}

func (c logsClient) FilterLogEvents(
	ctx context.Context, in *cloudwatchlogs.FilterLogEventsInput, _ ...func(*cloudwatchlogs.Options),
) (*cloudwatchlogs.FilterLogEventsOutput, error) {
	return call[cloudwatchlogs.FilterLogEventsOutput](ctx, c.conn, "logs:FilterLogEvents", in)
}

func (c eventbridgeClient) ListRules(
	ctx context.Context, in *eventbridge.ListRulesInput, _ ...func(*eventbridge.Options),
) (*eventbridge.ListRulesOutput, error) {
	return call[eventbridge.ListRulesOutput](ctx, c.conn, "events:ListRules", in)
}

func (c eventbridgeClient) ListTargetsByRule(
	ctx context.Context, in *eventbridge.ListTargetsByRuleInput, _ ...func(*eventbridge.Options),
) (*eventbridge.ListTargetsByRuleOutput, error) {
	return call[eventbridge.ListTargetsByRuleOutput](ctx, c.conn, "events:ListTargetsByRule", in)
}

func (c eventbridgeClient) ListApiDestinations(
	ctx context.Context, in *eventbridge.ListApiDestinationsInput, _ ...func(*eventbridge.Options),
) (*eventbridge.ListApiDestinationsOutput, error) {
	return call[eventbridge.ListApiDestinationsOutput](ctx, c.conn, "events:ListApiDestinations", in)
}

func (c eventbridgeClient) ListConnections(
	ctx context.Context, in *eventbridge.ListConnectionsInput, _ ...func(*eventbridge.Options),
) (*eventbridge.ListConnectionsOutput, error) {
	return call[eventbridge.ListConnectionsOutput](ctx, c.conn, "events:ListConnections", in)
}

func (c eventbridgeClient) DescribeConnection(
	ctx context.Context, in *eventbridge.DescribeConnectionInput, _ ...func(*eventbridge.Options),
) (*eventbridge.DescribeConnectionOutput, error) {
	return call[eventbridge.DescribeConnectionOutput](ctx, c.conn, "events:DescribeConnection", in)
}

func (c kmsClient) DescribeKey(
	ctx context.Context, in *kms.DescribeKeyInput, _ ...func(*kms.Options),
) (*kms.DescribeKeyOutput, error) {
	return call[kms.DescribeKeyOutput](ctx, c.conn, "kms:DescribeKey", in)
}

func (c kmsClient) GetKeyPolicy(
	ctx context.Context, in *kms.GetKeyPolicyInput, _ ...func(*kms.Options),
) (*kms.GetKeyPolicyOutput, error) {
	return call[kms.GetKeyPolicyOutput](ctx, c.conn, "kms:GetKeyPolicy", in)
}

func (c lambdaClient) Invoke(
	ctx context.Context, in *lambda.InvokeInput, _ ...func(*lambda.Options),
) (*lambda.InvokeOutput, error) {
	return call[lambda.InvokeOutput](ctx, c.conn, "lambda:Invoke", in)
}

func (c schedulerClient) GetSchedule(
	ctx context.Context, in *scheduler.GetScheduleInput, _ ...func(*scheduler.Options),
) (*scheduler.GetScheduleOutput, error) {
	return call[scheduler.GetScheduleOutput](ctx, c.conn, "scheduler:GetSchedule", in)
}

func (c schedulerClient) UpdateSchedule(
	ctx context.Context, in *scheduler.UpdateScheduleInput, _ ...func(*scheduler.Options),
) (*scheduler.UpdateScheduleOutput, error) {
	return call[scheduler.UpdateScheduleOutput](ctx, c.conn, "scheduler:UpdateSchedule", in)
}

func (c secretsmanagerClient) DescribeSecret(
	ctx context.Context, in *secretsmanager.DescribeSecretInput, _ ...func(*secretsmanager.Options),
) (*secretsmanager.DescribeSecretOutput, error) {
	return call[secretsmanager.DescribeSecretOutput](ctx, c.conn, "secretsmanager:DescribeSecret", in)
}

func (c secretsmanagerClient) ListSecretVersionIds(
	ctx context.Context, in *secretsmanager.ListSecretVersionIdsInput, _ ...func(*secretsmanager.Options),
) (*secretsmanager.ListSecretVersionIdsOutput, error) {
	return call[secretsmanager.ListSecretVersionIdsOutput](ctx, c.conn, "secretsmanager:ListSecretVersionIds", in)
}

func (c secretsmanagerClient) CreateSecret(
	ctx context.Context, in *secretsmanager.CreateSecretInput, _ ...func(*secretsmanager.Options),
) (*secretsmanager.CreateSecretOutput, error) {
	return call[secretsmanager.CreateSecretOutput](ctx, c.conn, "secretsmanager:CreateSecret", in)
}

func (c secretsmanagerClient) PutSecretValue(
	ctx context.Context, in *secretsmanager.PutSecretValueInput, _ ...func(*secretsmanager.Options),
) (*secretsmanager.PutSecretValueOutput, error) {
	return call[secretsmanager.PutSecretValueOutput](ctx, c.conn, "secretsmanager:PutSecretValue", in)
}

func (c secretsmanagerClient) RotateSecret(
	ctx context.Context, in *secretsmanager.RotateSecretInput, _ ...func(*secretsmanager.Options),
) (*secretsmanager.RotateSecretOutput, error) {
	return call[secretsmanager.RotateSecretOutput](ctx, c.conn, "secretsmanager:RotateSecret", in)
}

func (c snsClient) GetTopicAttributes(
	ctx context.Context, in *sns.GetTopicAttributesInput, _ ...func(*sns.Options),
) (*sns.GetTopicAttributesOutput, error) {
	return call[sns.GetTopicAttributesOutput](ctx, c.conn, "sns:GetTopicAttributes", in)
}

func (c snsClient) ListSubscriptionsByTopic(
	ctx context.Context, in *sns.ListSubscriptionsByTopicInput, _ ...func(*sns.Options),
) (*sns.ListSubscriptionsByTopicOutput, error) {
	return call[sns.ListSubscriptionsByTopicOutput](ctx, c.conn, "sns:ListSubscriptionsByTopic", in)
}

func (c snsClient) ListTagsForResource(
	ctx context.Context, in *sns.ListTagsForResourceInput, _ ...func(*sns.Options),
) (*sns.ListTagsForResourceOutput, error) {
	return call[sns.ListTagsForResourceOutput](ctx, c.conn, "sns:ListTagsForResource", in)
}

func (c snsClient) TagResource(
	ctx context.Context, in *sns.TagResourceInput, _ ...func(*sns.Options),
) (*sns.TagResourceOutput, error) {
	return call[sns.TagResourceOutput](ctx, c.conn, "sns:TagResource", in)
}

func (c sqsClient) GetQueueAttributes(
	ctx context.Context, in *sqs.GetQueueAttributesInput, _ ...func(*sqs.Options),
) (*sqs.GetQueueAttributesOutput, error) {
	return call[sqs.GetQueueAttributesOutput](ctx, c.conn, "sqs:GetQueueAttributes", in)
}

func (c sqsClient) ReceiveMessage(
	ctx context.Context, in *sqs.ReceiveMessageInput, _ ...func(*sqs.Options),
) (*sqs.ReceiveMessageOutput, error) {
	return call[sqs.ReceiveMessageOutput](ctx, c.conn, "sqs:ReceiveMessage", in)
}

func (c sqsClient) ChangeMessageVisibility(
	ctx context.Context, in *sqs.ChangeMessageVisibilityInput, _ ...func(*sqs.Options),
) (*sqs.ChangeMessageVisibilityOutput, error) {
	return call[sqs.ChangeMessageVisibilityOutput](ctx, c.conn, "sqs:ChangeMessageVisibility", in)
}

func (c sqsClient) DeleteMessage(
	ctx context.Context, in *sqs.DeleteMessageInput, _ ...func(*sqs.Options),
) (*sqs.DeleteMessageOutput, error) {
	return call[sqs.DeleteMessageOutput](ctx, c.conn, "sqs:DeleteMessage", in)
}

func (c stsClient) GetCallerIdentity(
	ctx context.Context, in *sts.GetCallerIdentityInput, _ ...func(*sts.Options),
) (*sts.GetCallerIdentityOutput, error) {
	return call[sts.GetCallerIdentityOutput](ctx, c.conn, "sts:GetCallerIdentity", in)
}
