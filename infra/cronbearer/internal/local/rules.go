package local

import (
	"context"

	"github.com/aws/aws-sdk-go-v2/aws"
	"github.com/aws/aws-sdk-go-v2/service/eventbridge"
	"github.com/aws/aws-sdk-go-v2/service/eventbridge/types"

	"github.com/cronbearer/cronbearer/internal/dev/awssim/api"
)

// Rules are what the account has in EventBridge, for import to read. Nothing runs them.
type Rules struct {
	Rules           []types.Rule
	Targets         map[string][]types.Target // by rule
	ApiDestinations []types.ApiDestination
	Connections     []eventbridge.DescribeConnectionOutput
}

func (s *Server) registerEventBridge() {
	on(s, "events:ListRules", func(*eventbridge.ListRulesInput) string { return "*" },
		func(context.Context, *eventbridge.ListRulesInput) (*eventbridge.ListRulesOutput, error) {
			return &eventbridge.ListRulesOutput{Rules: s.Rules.Rules}, nil
		})
	on(s, "events:ListTargetsByRule", func(in *eventbridge.ListTargetsByRuleInput) string {
		return s.arn("events", "rule/"+aws.ToString(in.Rule))
	}, func(_ context.Context, in *eventbridge.ListTargetsByRuleInput) (*eventbridge.ListTargetsByRuleOutput, error) {
		return &eventbridge.ListTargetsByRuleOutput{Targets: s.Rules.Targets[aws.ToString(in.Rule)]}, nil
	})
	on(s, "events:ListApiDestinations", func(*eventbridge.ListApiDestinationsInput) string { return "*" },
		func(context.Context, *eventbridge.ListApiDestinationsInput) (*eventbridge.ListApiDestinationsOutput, error) {
			return &eventbridge.ListApiDestinationsOutput{ApiDestinations: s.Rules.ApiDestinations}, nil
		})
	on(s, "events:ListConnections", func(*eventbridge.ListConnectionsInput) string { return "*" },
		func(context.Context, *eventbridge.ListConnectionsInput) (*eventbridge.ListConnectionsOutput, error) {
			out := &eventbridge.ListConnectionsOutput{}
			for _, c := range s.Rules.Connections {
				out.Connections = append(out.Connections, types.Connection{Name: c.Name, ConnectionArn: c.ConnectionArn})
			}
			return out, nil
		})
	on(s, "events:DescribeConnection", func(in *eventbridge.DescribeConnectionInput) string {
		return s.arn("events", "connection/"+aws.ToString(in.Name)+"/0d1e2f30-0000-4000-8000-000000000000")
	}, func(_ context.Context, in *eventbridge.DescribeConnectionInput) (*eventbridge.DescribeConnectionOutput, error) {
		for _, c := range s.Rules.Connections {
			if aws.ToString(c.Name) == aws.ToString(in.Name) {
				return &c, nil
			}
		}
		return nil, api.Reject("ResourceNotFoundException", "Connection '%s' does not exist.", aws.ToString(in.Name))
	})
}
