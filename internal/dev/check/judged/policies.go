package main

import (
	"errors"
	"fmt"
	"maps"
	"path/filepath"
	"slices"

	"github.com/cronbearer/cronbearer/internal/dev/cfn"
	"github.com/cronbearer/cronbearer/internal/dev/shipped"
)

// everyOption are the parameters with which a template has all its policies, by its path.
var everyOption = map[string]map[string]string{
	shipped.Path: {
		"AllowedHosts": "api.example.com", "AlarmEmail": "on-call@example.com",
		"ExtraSecretArns":   "arn:aws:secretsmanager:eu-west-1:123456789012:secret:shared/token-AbCdEf",
		"SecretsKeyArn":     "arn:aws:kms:eu-west-1:123456789012:key/00000000-0000-0000-0000-000000000000",
		"IdentityAudiences": "api://AzureADTokenExchange", "VpcSubnetIds": "subnet-0a1b2c3d",
		"VpcSecurityGroupIds": "sg-0a1b2c3d",
	},
	"infra/rotation.yaml": {
		"StackName": "cronbearer", "Secret": "example-api", "Every": "rate(30 minutes)",
		"RotatorArn":    "arn:aws:lambda:eu-west-1:123456789012:function:cronbearer-Rotator",
		"DeadLetterArn": "arn:aws:sqs:eu-west-1:123456789012:cronbearer-DeadLetters",
		"TopicArn":      "arn:aws:sns:eu-west-1:123456789012:cronbearer-AlarmTopic",
	},
	"infra/notifications.yaml": {
		"StackName": "cronbearer", "SlackWorkspaceId": "T0123ABCD", "SlackChannelId": "C0123ABCD",
		"DeadLetterArn":         "arn:aws:sqs:eu-west-1:123456789012:cronbearer-DeadLetters",
		"TopicArn":              "arn:aws:sns:eu-west-1:123456789012:cronbearer-AlarmTopic",
		"PagerDutyKeySecretArn": "arn:aws:secretsmanager:eu-west-1:123456789012:secret:pager-AbCdEf",
		"WebhookUrl":            "https://hooks.example.com/alarms",
		"WebhookSecretArn":      "arn:aws:secretsmanager:eu-west-1:123456789012:secret:webhook-AbCdEf",
	},
	"infra/operator.yaml": {},
	"infra/deployer.yaml": {
		"StackName": "cronbearer", "Repository": "you/cronbearer", "Environment": "prod",
		"ExtraSecretArns": "arn:aws:secretsmanager:eu-west-1:123456789012:secret:shared/token-AbCdEf",
		"SecretsKeyArn":   "arn:aws:kms:eu-west-1:123456789012:key/00000000-0000-0000-0000-000000000000",
	},
}

// withoutPolicies are the templates that have none.
var withoutPolicies = []string{"infra/dashboard.yaml", "infra/vpc.yaml"}

// policies emits {"place": "CallerRole Caller", "document": {…}} for each policy.
func policies(emit func(any) error) error {
	files, err := filepath.Glob("infra/*.yaml")
	if err != nil {
		return err
	}
	for _, file := range append(files, shipped.Path) {
		parameters, known := everyOption[filepath.ToSlash(file)]
		if !known && !slices.Contains(withoutPolicies, filepath.ToSlash(file)) {
			return fmt.Errorf("%s: with which parameters has it all its policies?", file)
		}
		if !known {
			continue
		}
		stack, err := cfn.Load(file, cfn.Options{StackName: "cronbearer", Parameters: parameters})
		if err != nil {
			return fmt.Errorf("%s: %w", file, err)
		}
		found := 0
		for _, id := range slices.Sorted(maps.Keys(stack.Resources)) {
			for place, document := range documents(id, stack.Resources[id].Properties) {
				found++
				err = errors.Join(err, emit(map[string]any{"place": place, "document": document}))
			}
		}
		if found == 0 || err != nil {
			return fmt.Errorf("%s has %d policies: %w", file, found, err)
		}
	}
	return nil
}

// documents finds the policies in a value, by the names above them.
func documents(place string, v any) map[string]any {
	found := map[string]any{}
	switch v := v.(type) {
	case map[string]any:
		if v["Statement"] != nil {
			found[place] = v
			break
		}
		for name, inner := range v {
			switch name {
			case "PolicyDocument", "Policies":
				maps.Copy(found, documents(place, inner))
			case "AssumeRolePolicyDocument":
				maps.Copy(found, documents(place+" trust", inner))
			default:
				maps.Copy(found, documents(place, inner))
			}
		}
	case []any:
		for _, inner := range v {
			for place, document := range documents(place, inner) {
				for found[place] != nil {
					place += "'"
				}
				found[place] = document
			}
		}
	}
	return found
}
