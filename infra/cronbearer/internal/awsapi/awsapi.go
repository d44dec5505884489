// Package awsapi has the SDK's clients, with its ordinary chain of credentials. It is the only package that imports the
// SDK's configuration, and only main imports it: the functions and the demo never compile it.
package awsapi

import (
	"context"
	"fmt"
	"os"

	"github.com/aws/aws-sdk-go-v2/config"
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
	"github.com/cronbearer/cronbearer/infra/cronbearer/internal/exit"
)

// Options choose the account. Empty fields leave the choice to the SDK: AWS_PROFILE, AWS_REGION and its files.
type Options struct{ Profile, Region string }

// New returns the clients. It makes no request yet.
func New(ctx context.Context, o Options) (account.Clients, error) {
	var options []func(*config.LoadOptions) error
	if o.Profile != "" {
		options = append(options, config.WithSharedConfigProfile(o.Profile))
	}
	if o.Region != "" {
		options = append(options, config.WithRegion(o.Region))
	}
	c, err := config.LoadDefaultConfig(ctx, options...)
	if err != nil {
		return account.Clients{}, &exit.Error{
			Status: exit.AWS, Code: "NoCredentials", Text: fmt.Sprintf("the AWS configuration cannot be read: %v", err),
			Err: err,
			Fix: "check --profile and " + sharedConfig(),
		}
	}
	if c.Region == "" {
		return account.Clients{}, &exit.Error{
			Status: exit.AWS, Code: "NoRegion", Text: "no Region is set", Fix: "pass --region, or set AWS_REGION",
		}
	}
	return account.Clients{
		CloudFormation: cloudformation.NewFromConfig(c),
		CloudWatch:     cloudwatch.NewFromConfig(c),
		Logs:           cloudwatchlogs.NewFromConfig(c),
		EventBridge:    eventbridge.NewFromConfig(c),
		KMS:            kms.NewFromConfig(c),
		Lambda:         lambda.NewFromConfig(c),
		Scheduler:      scheduler.NewFromConfig(c),
		SecretsManager: secretsmanager.NewFromConfig(c),
		SNS:            sns.NewFromConfig(c),
		SQS:            sqs.NewFromConfig(c),
		STS:            sts.NewFromConfig(c),
		Region:         c.Region,
	}, nil
}

func sharedConfig() string {
	if path := os.Getenv("AWS_CONFIG_FILE"); path != "" {
		return path
	}
	return "~/.aws/config"
}
