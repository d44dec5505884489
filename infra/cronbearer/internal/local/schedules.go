package local

import (
	"context"
	"encoding/base64"
	"encoding/json"
	"errors"
	"fmt"
	"strings"
	"time"

	"github.com/aws/aws-sdk-go-v2/aws"
	"github.com/aws/aws-sdk-go-v2/service/lambda"
	lambdatypes "github.com/aws/aws-sdk-go-v2/service/lambda/types"
	"github.com/aws/aws-sdk-go-v2/service/scheduler"
	schedulertypes "github.com/aws/aws-sdk-go-v2/service/scheduler/types"

	"github.com/cronbearer/cronbearer/internal/dev/awssim"
	"github.com/cronbearer/cronbearer/internal/dev/awssim/api"
	"github.com/cronbearer/cronbearer/internal/dev/awssim/iam"
	simlambda "github.com/cronbearer/cronbearer/internal/dev/awssim/lambda"
	"github.com/cronbearer/cronbearer/internal/dev/cfn"
)

func (s *Server) registerScheduler() {
	on(s, "scheduler:GetSchedule",
		func(in *scheduler.GetScheduleInput) string { return s.scheduleARN(in.GroupName, in.Name) },
		s.getSchedule)
	on(s, "scheduler:UpdateSchedule",
		func(in *scheduler.UpdateScheduleInput) string { return s.scheduleARN(in.GroupName, in.Name) }, s.updateSchedule,
		func(in *scheduler.UpdateScheduleInput) access {
			role := ""
			if in.Target != nil {
				role = aws.ToString(in.Target.RoleArn)
			}
			return access{
				action: "iam:PassRole", resource: role,
				context: iam.Context{"iam:passedtoservice": {"scheduler.amazonaws.com"}},
			}
		})
}

func (s *Server) scheduleARN(group, name *string) string {
	g := aws.ToString(group)
	if g == "" {
		g = "default"
	}
	return s.arn("scheduler", "schedule/"+g+"/"+aws.ToString(name))
}

func stateOf(properties map[string]any) schedulertypes.ScheduleState {
	if properties["State"] == "DISABLED" {
		return schedulertypes.ScheduleStateDisabled
	}
	return schedulertypes.ScheduleStateEnabled
}

func stringOf(v any) *string {
	if v == nil {
		return nil
	}
	return aws.String(fmt.Sprint(v))
}

func int32Of(v any) *int32 {
	n, ok := cfn.Number(v)
	if !ok {
		return nil
	}
	return aws.Int32(int32(n)) // #nosec G115: minutes and attempts
}

func targetOf(properties map[string]any) *schedulertypes.Target {
	p, _ := properties["Target"].(map[string]any)
	target := &schedulertypes.Target{Arn: stringOf(p["Arn"]), RoleArn: stringOf(p["RoleArn"]), Input: stringOf(p["Input"])}
	if retry, ok := p["RetryPolicy"].(map[string]any); ok {
		target.RetryPolicy = &schedulertypes.RetryPolicy{
			MaximumRetryAttempts:     int32Of(retry["MaximumRetryAttempts"]),
			MaximumEventAgeInSeconds: int32Of(retry["MaximumEventAgeInSeconds"]),
		}
	}
	if letters, ok := p["DeadLetterConfig"].(map[string]any); ok {
		target.DeadLetterConfig = &schedulertypes.DeadLetterConfig{Arn: stringOf(letters["Arn"])}
	}
	return target
}

func timeOf(v any) *time.Time {
	text, _ := v.(string)
	if at, err := time.Parse(time.RFC3339, text); err == nil {
		return &at
	}
	return nil
}

func (s *Server) getSchedule(_ context.Context, in *scheduler.GetScheduleInput) (*scheduler.GetScheduleOutput, error) {
	for _, one := range s.cloud.Schedules() {
		if one.ARN == s.scheduleARN(in.GroupName, in.Name) {
			p := one.Properties
			window, _ := p["FlexibleTimeWindow"].(map[string]any)
			return &scheduler.GetScheduleOutput{
				Arn: &one.ARN, Name: &one.Name, GroupName: &one.Group, CreationDate: &one.Created,
				LastModificationDate: &one.Modified, State: stateOf(p), Target: targetOf(p),
				Description:                stringOf(p["Description"]),
				ScheduleExpression:         stringOf(p["ScheduleExpression"]),
				ScheduleExpressionTimezone: stringOf(p["ScheduleExpressionTimezone"]),
				StartDate:                  timeOf(p["StartDate"]), EndDate: timeOf(p["EndDate"]),
				KmsKeyArn: stringOf(p["KmsKeyArn"]),
				FlexibleTimeWindow: &schedulertypes.FlexibleTimeWindow{
					Mode:                   schedulertypes.FlexibleTimeWindowMode(fmt.Sprint(window["Mode"])),
					MaximumWindowInMinutes: int32Of(window["MaximumWindowInMinutes"]),
				},
				ActionAfterCompletion: schedulertypes.ActionAfterCompletionNone,
			}, nil
		}
	}
	return nil, api.Reject("ResourceNotFoundException", "Schedule %s does not exist.", aws.ToString(in.Name))
}

func (s *Server) updateSchedule(
	_ context.Context, in *scheduler.UpdateScheduleInput,
) (*scheduler.UpdateScheduleOutput, error) {
	if in.Target == nil || in.FlexibleTimeWindow == nil || in.ScheduleExpression == nil {
		return nil, api.Reject("ValidationException", "Target, FlexibleTimeWindow and ScheduleExpression are required.")
	}
	group := aws.ToString(in.GroupName)
	if group == "" {
		group = "default"
	}
	err := s.cloud.UpdateSchedule(group, aws.ToString(in.Name), propertiesOf(in))
	switch {
	case errors.Is(err, awssim.ErrNoSchedule):
		return nil, api.Reject("ResourceNotFoundException", "Schedule %s does not exist.", aws.ToString(in.Name))
	case err != nil:
		return nil, api.Reject("ValidationException", "%v", err)
	}
	return &scheduler.UpdateScheduleOutput{ScheduleArn: aws.String(s.scheduleARN(&group, in.Name))}, nil
}

// propertiesOf returns an update as CloudFormation names it. What is left out is left out.
func propertiesOf(in *scheduler.UpdateScheduleInput) map[string]any {
	p := map[string]any{
		"GroupName": aws.ToString(in.GroupName), "ScheduleExpression": *in.ScheduleExpression, "State": string(in.State),
	}
	for name, value := range map[string]*string{
		"ScheduleExpressionTimezone": in.ScheduleExpressionTimezone, "Description": in.Description, "KmsKeyArn": in.KmsKeyArn,
	} {
		if value != nil {
			p[name] = *value
		}
	}
	for name, value := range map[string]*time.Time{"StartDate": in.StartDate, "EndDate": in.EndDate} {
		if value != nil {
			p[name] = value.UTC().Format(time.RFC3339)
		}
	}
	window := map[string]any{"Mode": string(in.FlexibleTimeWindow.Mode)}
	if in.FlexibleTimeWindow.MaximumWindowInMinutes != nil {
		window["MaximumWindowInMinutes"] = int(*in.FlexibleTimeWindow.MaximumWindowInMinutes)
	}
	target := map[string]any{
		"Arn": aws.ToString(in.Target.Arn), "RoleArn": aws.ToString(in.Target.RoleArn),
		"Input": aws.ToString(in.Target.Input),
	}
	if retry := in.Target.RetryPolicy; retry != nil {
		policy := map[string]any{}
		if retry.MaximumRetryAttempts != nil {
			policy["MaximumRetryAttempts"] = int(*retry.MaximumRetryAttempts)
		}
		if retry.MaximumEventAgeInSeconds != nil {
			policy["MaximumEventAgeInSeconds"] = int(*retry.MaximumEventAgeInSeconds)
		}
		target["RetryPolicy"] = policy
	}
	if letters := in.Target.DeadLetterConfig; letters != nil {
		target["DeadLetterConfig"] = map[string]any{"Arn": aws.ToString(letters.Arn)}
	}
	p["FlexibleTimeWindow"], p["Target"] = window, target
	return p
}

func (s *Server) registerLambda() {
	on(s, "lambda:Invoke", func(in *lambda.InvokeInput) string {
		return s.functionARN(aws.ToString(in.FunctionName))
	}, s.invoke)
}

func (s *Server) functionARN(name string) string {
	if strings.HasPrefix(name, "arn:") {
		return name
	}
	return s.arn("lambda", "function:"+name)
}

// tailBytes is how much of the log LogType Tail returns (Lambda API Reference, Invoke).
const tailBytes = 4096

func (s *Server) invoke(ctx context.Context, in *lambda.InvokeInput) (*lambda.InvokeOutput, error) {
	id := s.cloud.FunctionID(aws.ToString(in.FunctionName))
	if id == "" {
		return nil, api.Reject(
			"ResourceNotFoundException", "Function not found: %s", s.functionARN(aws.ToString(in.FunctionName)),
		)
	}
	if !json.Valid(in.Payload) {
		return nil, api.Reject("InvalidRequestContentException", "Could not parse request body into json")
	}
	if in.InvocationType == lambdatypes.InvocationTypeEvent {
		err := s.cloud.InvokeAsync(ctx, id, in.Payload)
		return &lambda.InvokeOutput{StatusCode: 202}, err
	}
	run, err := s.cloud.Invoke(ctx, id, in.Payload)
	if errors.Is(err, simlambda.ErrThrottled) {
		return nil, &api.Error{Status: 429, Code: "TooManyRequestsException", Message: "Rate Exceeded."}
	}
	if err != nil {
		return nil, err
	}
	out := &lambda.InvokeOutput{StatusCode: 200, Payload: []byte(s.cloud.Public(string(run.Payload)))}
	if run.Failed {
		out.FunctionError = aws.String("Unhandled")
	}
	if in.LogType == lambdatypes.LogTypeTail {
		tail := run.Stdout[max(0, len(run.Stdout)-tailBytes):]
		out.LogResult = aws.String(base64.StdEncoding.EncodeToString([]byte(s.cloud.Public(string(tail)))))
	}
	return out, nil
}
