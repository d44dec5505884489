package infra_test

import (
	"encoding/json"
	"maps"
	"os"
	"strings"
	"testing"

	"github.com/google/go-cmp/cmp"

	"github.com/cronbearer/cronbearer/infra/cfn"
)

const (
	rotationSecret = "arn:aws-cn:secretsmanager:cn-north-1:123456789012:secret:stack/example-api-AbCdEf"
	rotationLambda = "arn:aws-cn:lambda:cn-north-1:123456789012:function:stack-Rotator-1"
	rotationQueue  = "arn:aws-cn:sqs:cn-north-1:123456789012:stack-DeadLetters-1"
)

func rotation(given map[string]string) (*cfn.Stack, error) {
	parameters := map[string]string{"SecretId": rotationSecret, "RotatorArn": rotationLambda, "DeadLetterArn": rotationQueue}
	maps.Copy(parameters, given)
	return cfn.Load("rotation.yaml", cfn.Options{StackName: "rotation", Region: "cn-north-1", Partition: "aws-cn", Parameters: parameters})
}

// TestRotationMayDoNoMore than start the rotation of its one secret and say that it could not.
func TestRotationMayDoNoMore(t *testing.T) {
	t.Parallel()
	for secret, resource := range map[string]string{
		rotationSecret:      rotationSecret,
		"stack/example-api": "arn:aws-cn:secretsmanager:cn-north-1:123456789012:secret:stack/example-api-??????",
	} {
		stack, err := rotation(map[string]string{"SecretId": secret})
		if err != nil {
			t.Fatal(err)
		}
		type statement struct{ Effect, Action, Resource string }
		var role struct {
			AssumeRolePolicyDocument struct {
				Statement []struct {
					Principal map[string]string
					Condition map[string]map[string]string
				}
			}
			Policies []struct {
				PolicyDocument struct{ Statement []statement }
			}
		}
		into(t, stack.Resources["Role"].Properties, &role)
		want := []statement{
			{"Allow", "secretsmanager:RotateSecret", resource},
			{"Allow", "lambda:InvokeFunction", rotationLambda},
			{"Allow", "sqs:SendMessage", rotationQueue},
		}
		if diff := cmp.Diff(want, role.Policies[0].PolicyDocument.Statement); diff != "" || len(role.Policies) != 1 {
			t.Errorf("%d policies: %s", len(role.Policies), diff)
		}
		var schedule struct {
			GroupName string
			Target    struct {
				Arn, Input       string
				DeadLetterConfig struct{ Arn string }
			}
		}
		into(t, stack.Resources["StartRotation"].Properties, &schedule)
		trust := role.AssumeRolePolicyDocument.Statement[0]
		wantTrust := map[string]map[string]string{"StringEquals": {
			"aws:SourceAccount": "123456789012",
			"aws:SourceArn":     "arn:aws-cn:scheduler:cn-north-1:123456789012:schedule-group/" + schedule.GroupName,
		}}
		if diff := cmp.Diff(wantTrust, trust.Condition); diff != "" || trust.Principal["Service"] != "scheduler.amazonaws.com" {
			t.Error(diff)
		}
		if got := schedule.Target.Arn; got != "arn:aws-cn:scheduler:::aws-sdk:secretsmanager:rotateSecret" || schedule.Target.DeadLetterConfig.Arn != rotationQueue {
			t.Errorf("target %s, dead letters to %s", got, schedule.Target.DeadLetterConfig.Arn)
		}
		var input map[string]string
		if err := json.Unmarshal([]byte(schedule.Target.Input), &input); err != nil {
			t.Fatal(err)
		}
		if diff := cmp.Diff(map[string]string{"SecretId": secret}, input); diff != "" {
			t.Error(diff)
		}
	}
}

func into(t *testing.T, properties map[string]any, v any) {
	t.Helper()
	data, err := json.Marshal(properties)
	if err != nil {
		t.Fatal(err)
	}
	if err := json.Unmarshal(data, v); err != nil {
		t.Fatal(err)
	}
}

// TestRotationEvery quarter of an hour at the most, in the words that EventBridge Scheduler reads.
func TestRotationEvery(t *testing.T) {
	t.Parallel()
	for every, good := range map[string]bool{
		"rate(15 minutes)": true, "rate(30 minutes)": true, "rate(99 minutes)": true, "rate(100 minutes)": true,
		"rate(1 hour)": true, "rate(2 hours)": true, "rate(1 day)": true, "rate(20 days)": true,
		"rate(14 minutes)": false, "rate(5 minutes)": false, "rate(1 minute)": false, "rate(0 hours)": false,
		"rate(1 hours)": false, "rate(015 minutes)": false, "rate(1.5 hours)": false, "rate(15 minute)": false,
		"cron(* * * * ? *)": false, "15 minutes": false, "rate(15 minutes) x": false,
	} {
		if _, err := rotation(map[string]string{"Every": every}); (err == nil) != good {
			t.Errorf("%s: %v", every, err)
		}
	}
}

// TestRotationStandsAlone: nothing in it names the application but its parameters, nor one partition of AWS's.
func TestRotationStandsAlone(t *testing.T) {
	t.Parallel()
	data, err := os.ReadFile("rotation.yaml")
	if err != nil {
		t.Fatal(err)
	}
	for _, text := range []string{"arn:aws:", "ImportValue", "Name: !Sub", "RoleName"} {
		if strings.Contains(string(data), text) {
			t.Errorf("rotation.yaml holds %q", text)
		}
	}
}
