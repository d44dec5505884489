package local

import (
	"context"
	"fmt"
	"maps"
	"slices"

	"github.com/aws/aws-sdk-go-v2/aws"
	"github.com/aws/aws-sdk-go-v2/service/cloudformation"
	cfntypes "github.com/aws/aws-sdk-go-v2/service/cloudformation/types"
	"github.com/aws/aws-sdk-go-v2/service/kms"
	kmstypes "github.com/aws/aws-sdk-go-v2/service/kms/types"
	"github.com/aws/aws-sdk-go-v2/service/sts"

	"github.com/cronbearer/cronbearer/internal/dev/awssim/api"
	"github.com/cronbearer/cronbearer/internal/dev/cfn"
)

func (s *Server) registerSTS() {
	on(s, "sts:GetCallerIdentity", func(*sts.GetCallerIdentityInput) string { return "*" },
		func(context.Context, *sts.GetCallerIdentityInput) (*sts.GetCallerIdentityOutput, error) {
			return &sts.GetCallerIdentityOutput{
				Account: &s.cloud.Stack.AccountID, Arn: aws.String(s.principal()), UserId: aws.String("AROAEXAMPLE:you"),
			}, nil
		})
}

func (s *Server) registerCloudFormation() {
	on(s, "cloudformation:DescribeStacks",
		func(in *cloudformation.DescribeStacksInput) string { return s.stackARN(aws.ToString(in.StackName)) },
		s.describeStacks, func(in *cloudformation.DescribeStacksInput) access {
			if in.StackName != nil {
				return access{}
			}
			return access{action: "cloudformation:ListStacks", resource: "*"}
		})
	on(s, "cloudformation:ListStackResources",
		func(in *cloudformation.ListStackResourcesInput) string { return s.stackARN(aws.ToString(in.StackName)) },
		s.listStackResources)
}

func (s *Server) stackARN(name string) string {
	if name == "" {
		return s.arn("cloudformation", "stack/*/*")
	}
	return s.arn("cloudformation", "stack/"+name+"/1b2c3d4e-0000-4000-8000-000000000000")
}

func (s *Server) mustBe(name *string) error {
	if aws.ToString(name) != s.cloud.Stack.StackName {
		return api.Reject("ValidationError", "Stack with id %s does not exist", aws.ToString(name))
	}
	return nil
}

func (s *Server) describeStacks(
	_ context.Context, in *cloudformation.DescribeStacksInput,
) (*cloudformation.DescribeStacksOutput, error) {
	out := &cloudformation.DescribeStacksOutput{}
	if in.StackName == nil {
		// A stack that is not this application's, as every account has.
		out.Stacks = append(out.Stacks, cfntypes.Stack{
			StackName: aws.String("network"), StackStatus: cfntypes.StackStatusCreateComplete, CreationTime: &s.started,
		})
		for _, one := range append([]*Server{s}, s.joined()...) {
			out.Stacks = append(out.Stacks, one.describe())
		}
		return out, nil
	}
	if err := s.mustBe(in.StackName); err != nil {
		return nil, err
	}
	out.Stacks = []cfntypes.Stack{s.describe()}
	return out, nil
}

func (s *Server) describe() cfntypes.Stack {
	stack := s.cloud.Stack
	one := cfntypes.Stack{
		StackName: &stack.StackName, StackId: aws.String(s.stackARN(stack.StackName)),
		StackStatus: cfntypes.StackStatusCreateComplete, CreationTime: &s.started,
	}
	for _, name := range slices.Sorted(maps.Keys(stack.Outputs)) {
		one.Outputs = append(one.Outputs, cfntypes.Output{
			OutputKey: &name, OutputValue: aws.String(fmt.Sprint(stack.Outputs[name])),
		})
	}
	for _, name := range slices.Sorted(maps.Keys(stack.Values)) {
		one.Parameters = append(one.Parameters, cfntypes.Parameter{
			ParameterKey: &name, ParameterValue: aws.String(stack.Values[name]),
		})
	}
	return one
}

func (s *Server) listStackResources(
	_ context.Context, in *cloudformation.ListStackResourcesInput,
) (*cloudformation.ListStackResourcesOutput, error) {
	if err := s.mustBe(in.StackName); err != nil {
		return nil, err
	}
	stack, out := s.cloud.Stack, &cloudformation.ListStackResourcesOutput{}
	for _, id := range slices.Sorted(maps.Keys(stack.Resources)) {
		kind := stack.Resources[id].Type
		if kind == "AWS::Serverless::Function" {
			kind = "AWS::Lambda::Function"
		}
		out.StackResourceSummaries = append(out.StackResourceSummaries, cfntypes.StackResourceSummary{
			LogicalResourceId: &id, PhysicalResourceId: aws.String(stack.Ref(id)), ResourceType: &kind,
			ResourceStatus: cfntypes.ResourceStatusCreateComplete, LastUpdatedTimestamp: &s.started,
		})
	}
	return out, nil
}

func (s *Server) registerKMS() {
	on(s, "kms:DescribeKey", func(in *kms.DescribeKeyInput) string { return s.keyARN(aws.ToString(in.KeyId)) },
		func(_ context.Context, in *kms.DescribeKeyInput) (*kms.DescribeKeyOutput, error) {
			if _, err := s.key(aws.ToString(in.KeyId)); err != nil {
				return nil, err
			}
			return &kms.DescribeKeyOutput{KeyMetadata: &kmstypes.KeyMetadata{
				KeyId: in.KeyId, Arn: aws.String(s.keyARN(aws.ToString(in.KeyId))), Enabled: true,
				KeyState: kmstypes.KeyStateEnabled, KeyManager: kmstypes.KeyManagerTypeCustomer,
			}}, nil
		})
	on(s, "kms:GetKeyPolicy", func(in *kms.GetKeyPolicyInput) string { return s.keyARN(aws.ToString(in.KeyId)) },
		func(_ context.Context, in *kms.GetKeyPolicyInput) (*kms.GetKeyPolicyOutput, error) {
			key, err := s.key(aws.ToString(in.KeyId))
			if err != nil {
				return nil, err
			}
			policy, err := text(key.Properties["KeyPolicy"])
			return &kms.GetKeyPolicyOutput{Policy: &policy, PolicyName: aws.String("default")}, err
		})
}

func (s *Server) keyARN(id string) string { return s.arn("kms", "key/"+id) }

// key returns the stack's key with an id or ARN.
func (s *Server) key(id string) (cfn.Resource, error) {
	for _, r := range s.cloud.Stack.OfType("AWS::KMS::Key") {
		if ref := s.cloud.Stack.Ref(r.LogicalID); ref == id || s.keyARN(ref) == id {
			return r, nil
		}
	}
	return cfn.Resource{}, api.Reject("NotFoundException", "Key '%s' does not exist", s.keyARN(id))
}
