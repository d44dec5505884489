package account

import (
	"cmp"
	"context"
	"errors"
	"fmt"
	"maps"
	"regexp"
	"slices"
	"strings"
	"time"

	"github.com/aws/aws-sdk-go-v2/aws"
	"github.com/aws/aws-sdk-go-v2/service/cloudformation"
	"github.com/aws/aws-sdk-go-v2/service/cloudformation/types"
	"github.com/aws/aws-sdk-go-v2/service/sts"
	"github.com/aws/smithy-go"

	"github.com/cronbearer/cronbearer/infra/cronbearer/internal/exit"
)

// A Stack is the deployed application: what its names stand for in the account.
type Stack struct {
	Name, Region, AccountID, Principal string
	// Status is CloudFormation's, such as UPDATE_COMPLETE; Deployed is when it got there.
	Status   types.StackStatus
	Deployed time.Time
	Outputs  map[string]string
	// Parameters are the values that the stack was deployed with.
	Parameters map[string]string
	// Resources by logical id.
	Resources map[string]Resource
}

// A Resource of the stack.
type Resource struct{ LogicalID, PhysicalID, Type string }

// FindStack asks who we are and which stack it is.
func FindStack(ctx context.Context, c Clients, name string) (*Stack, error) {
	s, err := whoami(ctx, c)
	if err != nil {
		return nil, err
	}
	s.Name = name
	if err := s.describe(ctx, c.CloudFormation); err != nil {
		return nil, err
	}
	return s, s.List(ctx, c.CloudFormation)
}

// FindStacks asks who we are and which stacks of the account and Region are this application's, by name: by the outputs
// that all of them have, as anyone may rename the rest. Their resources are not listed yet.
func FindStacks(ctx context.Context, c Clients) ([]*Stack, error) {
	me, err := whoami(ctx, c)
	if err != nil {
		return nil, err
	}
	in := &cloudformation.DescribeStacksInput{}
	stacks := []*Stack{}
	for {
		out, err := c.CloudFormation.DescribeStacks(ctx, in)
		if err != nil {
			return nil, Explain("cloudformation:DescribeStacks", "every stack", err)
		}
		for _, found := range out.Stacks {
			one := *me
			one.Name = aws.ToString(found.StackName)
			if one.read(found); one.ours() {
				stacks = append(stacks, &one)
			}
		}
		if out.NextToken == nil {
			slices.SortFunc(stacks, func(a, b *Stack) int { return strings.Compare(a.Name, b.Name) })
			return stacks, nil
		}
		in.NextToken = out.NextToken
	}
}

// ours reports whether a stack has the outputs of this application.
func (s *Stack) ours() bool {
	for _, name := range []string{"CallerName", "CallerLogs", "ScheduleGroup", "SecretPrefix", "TopicArn"} {
		if s.Outputs[name] == "" {
			return false
		}
	}
	return true
}

func whoami(ctx context.Context, c Clients) (*Stack, error) {
	who, err := c.STS.GetCallerIdentity(ctx, &sts.GetCallerIdentityInput{})
	if err != nil {
		return nil, Explain("sts:GetCallerIdentity", "", err)
	}
	return &Stack{
		Region: c.Region, AccountID: aws.ToString(who.Account), Principal: principal(aws.ToString(who.Arn)),
	}, nil
}

func (s *Stack) describe(ctx context.Context, c CloudFormation) error {
	out, err := c.DescribeStacks(ctx, &cloudformation.DescribeStacksInput{StackName: &s.Name})
	if e, ok := errors.AsType[smithy.APIError](err); ok && e.ErrorCode() == "ValidationError" {
		return &exit.Error{
			Status: exit.AWS, Code: "NoStack", Err: err,
			Text: fmt.Sprintf("there is no stack %s in account %s, %s", s.Name, s.AccountID, s.Region),
			Fix:  "name it with --stack, or choose the account with --profile and --region",
		}
	}
	if err != nil {
		return Explain("cloudformation:DescribeStacks", s.Name, err)
	}
	if len(out.Stacks) != 1 {
		return &exit.Error{Status: exit.AWS, Code: "NoStack", Text: "there is no stack " + s.Name}
	}
	s.read(out.Stacks[0])
	return nil
}

func (s *Stack) read(found types.Stack) {
	s.Outputs, s.Parameters, s.Resources = map[string]string{}, map[string]string{}, map[string]Resource{}
	s.Status, s.Deployed = found.StackStatus, aws.ToTime(cmp.Or(found.LastUpdatedTime, found.CreationTime))
	for _, o := range found.Outputs {
		s.Outputs[aws.ToString(o.OutputKey)] = aws.ToString(o.OutputValue)
	}
	for _, p := range found.Parameters {
		s.Parameters[aws.ToString(p.ParameterKey)] = aws.ToString(p.ParameterValue)
	}
}

// List reads the resources of the stack.
func (s *Stack) List(ctx context.Context, c CloudFormation) error {
	in := &cloudformation.ListStackResourcesInput{StackName: &s.Name}
	for {
		out, err := c.ListStackResources(ctx, in)
		if err != nil {
			return Explain("cloudformation:ListStackResources", s.Name, err)
		}
		for _, r := range out.StackResourceSummaries {
			id := aws.ToString(r.LogicalResourceId)
			s.Resources[id] = Resource{
				LogicalID: id, PhysicalID: aws.ToString(r.PhysicalResourceId), Type: aws.ToString(r.ResourceType),
			}
		}
		if out.NextToken == nil {
			return nil
		}
		in.NextToken = out.NextToken
	}
}

// principal shortens the ARN of a role's session to "role Ops", and of a user to "user alice".
func principal(arn string) string {
	_, resource, _ := strings.Cut(arn, ":assumed-role/")
	if role, _, ok := strings.Cut(resource, "/"); ok {
		return "role " + role
	}
	if _, user, ok := strings.Cut(arn, ":user/"); ok {
		return "user " + user
	}
	return arn
}

// Where returns the line that each command starts with: which stack, where, and as whom.
func (s *Stack) Where() string {
	return s.Name + ", " + s.Who()
}

// Who is Where without the stack.
func (s *Stack) Who() string {
	return fmt.Sprintf("account %s, %s, as %s", grouped(s.AccountID), s.Region, s.Principal)
}

// SameSecret reports whether two ids name one secret: an ARN has six characters of its own at the end, or has not.
func SameSecret(a, b string) bool {
	for _, x := range namesOf(a) {
		if slices.Contains(namesOf(b), x) {
			return true
		}
	}
	return false
}

// namesOf returns what the name of a secret can be, by its id.
func namesOf(id string) []string {
	if !strings.HasPrefix(id, "arn:") {
		return []string{id}
	}
	_, name, _ := strings.Cut(id, ":secret:")
	return []string{name, arnSuffix.ReplaceAllString(name, "")}
}

var arnSuffix = regexp.MustCompile(`-[A-Za-z0-9]{6}$`)

// grouped writes an account's number as the console does.
func grouped(id string) string {
	const part = 4
	if len(id) != 3*part {
		return id
	}
	return id[:part] + "-" + id[part:2*part] + "-" + id[2*part:]
}

// Physical returns the physical name of a resource, "" if the stack has none of that logical id.
func (s *Stack) Physical(logicalID string) string { return s.Resources[logicalID].PhysicalID }

// named returns the names of a loop's resources, such as the jobs by their Silent alarms, in order.
func (s *Stack) named(prefix string) []string {
	var names []string
	for _, r := range s.Resources {
		rest, ok := strings.CutPrefix(r.PhysicalID, s.Name+"-"+prefix+"-")
		if ok && r.Type == "AWS::CloudWatch::Alarm" {
			names = append(names, rest)
		}
	}
	slices.Sort(names)
	return names
}

// Jobs returns the names of the jobs, as their alarms have them.
func (s *Stack) Jobs() []string { return s.named("Silent") }

// Tokens returns the names of the tokens, as their alarms have them.
func (s *Stack) Tokens() []string { return s.named("TokenRejected") }

// Alarm returns the name of an alarm of the stack: Alarm("TokenRejected", "ExampleApi").
func (s *Stack) Alarm(parts ...string) string { return s.Name + "-" + strings.Join(parts, "-") }

// LogicalIDs returns the logical ids in order.
func (s *Stack) LogicalIDs() []string { return slices.Sorted(maps.Keys(s.Resources)) }
