package account

import (
	"bytes"
	"context"
	"encoding/json"

	"github.com/aws/aws-sdk-go-v2/aws"
	"github.com/aws/aws-sdk-go-v2/service/eventbridge"
	"github.com/aws/aws-sdk-go-v2/service/eventbridge/types"
)

// Rules returns what EventBridge has on schedules, with API destinations and connections, as the JSON that `aws events`
// prints: so that import reads an account as it reads a file. Only the default bus has rules on schedules (EventBridge
// User Guide). No secret is in it: AWS does not give those of connections back.
func Rules(ctx context.Context, c EventBridge) ([]byte, error) {
	var b bytes.Buffer
	encoder := json.NewEncoder(&b)
	for _, read := range []func(context.Context, EventBridge, *json.Encoder) error{rules, destinations, connections} {
		if err := read(ctx, c, encoder); err != nil {
			return nil, err
		}
	}
	return b.Bytes(), nil
}

func rules(ctx context.Context, c EventBridge, to *json.Encoder) error {
	in := &eventbridge.ListRulesInput{}
	for {
		out, err := c.ListRules(ctx, in)
		if err != nil {
			return Explain("events:ListRules", "", err)
		}
		for _, r := range out.Rules {
			if aws.ToString(r.ScheduleExpression) == "" {
				continue
			}
			all, err := targets(ctx, c, r.Name)
			if err != nil {
				return err
			}
			if err := to.Encode(map[string]any{"Rules": []types.Rule{r}}); err != nil {
				return err //nolint:wrapcheck // plain data, into memory
			}
			if err := to.Encode(map[string]any{"Rule": r.Name, "Targets": all}); err != nil {
				return err //nolint:wrapcheck // plain data, into memory
			}
		}
		if out.NextToken == nil {
			return nil
		}
		in.NextToken = out.NextToken
	}
}

func targets(ctx context.Context, c EventBridge, rule *string) ([]types.Target, error) {
	all := []types.Target{}
	in := &eventbridge.ListTargetsByRuleInput{Rule: rule}
	for {
		out, err := c.ListTargetsByRule(ctx, in)
		if err != nil {
			return nil, Explain("events:ListTargetsByRule", "rule/"+aws.ToString(rule), err)
		}
		all = append(all, out.Targets...)
		if out.NextToken == nil {
			return all, nil
		}
		in.NextToken = out.NextToken
	}
}

func destinations(ctx context.Context, c EventBridge, to *json.Encoder) error {
	in := &eventbridge.ListApiDestinationsInput{}
	for {
		out, err := c.ListApiDestinations(ctx, in)
		if err != nil {
			return Explain("events:ListApiDestinations", "", err)
		}
		if err := to.Encode(map[string]any{"ApiDestinations": out.ApiDestinations}); err != nil || out.NextToken == nil {
			return err //nolint:wrapcheck // plain data, into memory
		}
		in.NextToken = out.NextToken
	}
}

func connections(ctx context.Context, c EventBridge, to *json.Encoder) error {
	in := &eventbridge.ListConnectionsInput{}
	for {
		out, err := c.ListConnections(ctx, in)
		if err != nil {
			return Explain("events:ListConnections", "", err)
		}
		for _, one := range out.Connections {
			described, err := c.DescribeConnection(ctx, &eventbridge.DescribeConnectionInput{Name: one.Name})
			if err != nil {
				return Explain("events:DescribeConnection", "connection/"+aws.ToString(one.Name), err)
			}
			if err := to.Encode(described); err != nil {
				return err //nolint:wrapcheck // plain data, into memory
			}
		}
		if out.NextToken == nil {
			return nil
		}
		in.NextToken = out.NextToken
	}
}
