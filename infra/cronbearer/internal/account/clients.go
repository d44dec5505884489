// Package account is what the operator's tool needs of an AWS account: one small interface a service, with the SDK's
// own types, so that a command meets the SDK's clients (package awsapi) and the simulator (package local) through the
// same door; and the deployed stack, whose logical names it turns into the physical ones. It prints nothing, and it
// decides nothing about a job or a token.
package account

import (
	"context"
	"time"

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
)

// Clients are the services of one account and Region, as one principal may use them.
type Clients struct {
	CloudFormation CloudFormation
	CloudWatch     CloudWatch
	Logs           Logs
	EventBridge    EventBridge
	KMS            KMS
	Lambda         Lambda
	Scheduler      Scheduler
	SecretsManager SecretsManager
	SNS            SNS
	SQS            SQS
	STS            STS
	// Region that the clients call.
	Region string
	// Now is the account's clock; nil: this machine's.
	Now func() time.Time
	// Simulated reports that this is a running `cronbearer dev` and not AWS.
	Simulated bool
}

// CloudFormation is satisfied by *cloudformation.Client.
type CloudFormation interface {
	DescribeStacks(
		context.Context, *cloudformation.DescribeStacksInput, ...func(*cloudformation.Options),
	) (*cloudformation.DescribeStacksOutput, error)
	ListStackResources(
		context.Context, *cloudformation.ListStackResourcesInput, ...func(*cloudformation.Options),
	) (*cloudformation.ListStackResourcesOutput, error)
}

// CloudWatch is satisfied by *cloudwatch.Client.
type CloudWatch interface {
	DescribeAlarms(
		context.Context, *cloudwatch.DescribeAlarmsInput, ...func(*cloudwatch.Options),
	) (*cloudwatch.DescribeAlarmsOutput, error)
	DescribeAlarmHistory(
		context.Context, *cloudwatch.DescribeAlarmHistoryInput, ...func(*cloudwatch.Options),
	) (*cloudwatch.DescribeAlarmHistoryOutput, error)
	GetMetricData(
		context.Context, *cloudwatch.GetMetricDataInput, ...func(*cloudwatch.Options),
	) (*cloudwatch.GetMetricDataOutput, error)
	ListAlarmMuteRules(
		context.Context, *cloudwatch.ListAlarmMuteRulesInput, ...func(*cloudwatch.Options),
	) (*cloudwatch.ListAlarmMuteRulesOutput, error)
	PutAlarmMuteRule(
		context.Context, *cloudwatch.PutAlarmMuteRuleInput, ...func(*cloudwatch.Options),
	) (*cloudwatch.PutAlarmMuteRuleOutput, error)
	DeleteAlarmMuteRule(
		context.Context, *cloudwatch.DeleteAlarmMuteRuleInput, ...func(*cloudwatch.Options),
	) (*cloudwatch.DeleteAlarmMuteRuleOutput, error)
	SetAlarmState(
		context.Context, *cloudwatch.SetAlarmStateInput, ...func(*cloudwatch.Options),
	) (*cloudwatch.SetAlarmStateOutput, error)
}

// Logs is satisfied by *cloudwatchlogs.Client.
type Logs interface {
	StartQuery(
		context.Context, *cloudwatchlogs.StartQueryInput, ...func(*cloudwatchlogs.Options),
	) (*cloudwatchlogs.StartQueryOutput, error)
	GetQueryResults(
		context.Context, *cloudwatchlogs.GetQueryResultsInput, ...func(*cloudwatchlogs.Options),
	) (*cloudwatchlogs.GetQueryResultsOutput, error)
	FilterLogEvents(
		context.Context, *cloudwatchlogs.FilterLogEventsInput, ...func(*cloudwatchlogs.Options),
	) (*cloudwatchlogs.FilterLogEventsOutput, error)
}

// EventBridge is satisfied by *eventbridge.Client.
type EventBridge interface {
	ListRules(
		context.Context, *eventbridge.ListRulesInput, ...func(*eventbridge.Options),
	) (*eventbridge.ListRulesOutput, error)
	ListTargetsByRule(
		context.Context, *eventbridge.ListTargetsByRuleInput, ...func(*eventbridge.Options),
	) (*eventbridge.ListTargetsByRuleOutput, error)
	ListApiDestinations(
		context.Context, *eventbridge.ListApiDestinationsInput, ...func(*eventbridge.Options),
	) (*eventbridge.ListApiDestinationsOutput, error)
	ListConnections(
		context.Context, *eventbridge.ListConnectionsInput, ...func(*eventbridge.Options),
	) (*eventbridge.ListConnectionsOutput, error)
	DescribeConnection(
		context.Context, *eventbridge.DescribeConnectionInput, ...func(*eventbridge.Options),
	) (*eventbridge.DescribeConnectionOutput, error)
}

// KMS is satisfied by *kms.Client.
type KMS interface {
	DescribeKey(
		context.Context, *kms.DescribeKeyInput, ...func(*kms.Options),
	) (*kms.DescribeKeyOutput, error)
	GetKeyPolicy(
		context.Context, *kms.GetKeyPolicyInput, ...func(*kms.Options),
	) (*kms.GetKeyPolicyOutput, error)
}

// Lambda is satisfied by *lambda.Client.
type Lambda interface {
	Invoke(
		context.Context, *lambda.InvokeInput, ...func(*lambda.Options),
	) (*lambda.InvokeOutput, error)
}

// Scheduler is satisfied by *scheduler.Client.
type Scheduler interface {
	GetSchedule(
		context.Context, *scheduler.GetScheduleInput, ...func(*scheduler.Options),
	) (*scheduler.GetScheduleOutput, error)
	UpdateSchedule(
		context.Context, *scheduler.UpdateScheduleInput, ...func(*scheduler.Options),
	) (*scheduler.UpdateScheduleOutput, error)
}

// SecretsManager is satisfied by *secretsmanager.Client.
type SecretsManager interface {
	DescribeSecret(
		context.Context, *secretsmanager.DescribeSecretInput, ...func(*secretsmanager.Options),
	) (*secretsmanager.DescribeSecretOutput, error)
	ListSecretVersionIds(
		context.Context, *secretsmanager.ListSecretVersionIdsInput, ...func(*secretsmanager.Options),
	) (*secretsmanager.ListSecretVersionIdsOutput, error)
	CreateSecret(
		context.Context, *secretsmanager.CreateSecretInput, ...func(*secretsmanager.Options),
	) (*secretsmanager.CreateSecretOutput, error)
	PutSecretValue(
		context.Context, *secretsmanager.PutSecretValueInput, ...func(*secretsmanager.Options),
	) (*secretsmanager.PutSecretValueOutput, error)
	RotateSecret(
		context.Context, *secretsmanager.RotateSecretInput, ...func(*secretsmanager.Options),
	) (*secretsmanager.RotateSecretOutput, error)
}

// SNS is satisfied by *sns.Client.
type SNS interface {
	GetTopicAttributes(
		context.Context, *sns.GetTopicAttributesInput, ...func(*sns.Options),
	) (*sns.GetTopicAttributesOutput, error)
	ListSubscriptionsByTopic(
		context.Context, *sns.ListSubscriptionsByTopicInput, ...func(*sns.Options),
	) (*sns.ListSubscriptionsByTopicOutput, error)
	ListTagsForResource(
		context.Context, *sns.ListTagsForResourceInput, ...func(*sns.Options),
	) (*sns.ListTagsForResourceOutput, error)
	TagResource(
		context.Context, *sns.TagResourceInput, ...func(*sns.Options),
	) (*sns.TagResourceOutput, error)
}

// SQS is satisfied by *sqs.Client.
type SQS interface {
	GetQueueAttributes(
		context.Context, *sqs.GetQueueAttributesInput, ...func(*sqs.Options),
	) (*sqs.GetQueueAttributesOutput, error)
	ReceiveMessage(
		context.Context, *sqs.ReceiveMessageInput, ...func(*sqs.Options),
	) (*sqs.ReceiveMessageOutput, error)
	ChangeMessageVisibility(
		context.Context, *sqs.ChangeMessageVisibilityInput, ...func(*sqs.Options),
	) (*sqs.ChangeMessageVisibilityOutput, error)
	DeleteMessage(
		context.Context, *sqs.DeleteMessageInput, ...func(*sqs.Options),
	) (*sqs.DeleteMessageOutput, error)
}

// STS is satisfied by *sts.Client.
type STS interface {
	GetCallerIdentity(
		context.Context, *sts.GetCallerIdentityInput, ...func(*sts.Options),
	) (*sts.GetCallerIdentityOutput, error)
}
