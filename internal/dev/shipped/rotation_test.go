package shipped_test

import (
	"encoding/json"
	"maps"
	"os"
	"strings"
	"testing"

	"github.com/google/go-cmp/cmp"

	"github.com/cronbearer/cronbearer/internal/dev/cfn"
	"github.com/cronbearer/cronbearer/internal/metric"
)

const (
	rotationLambda = "arn:aws-cn:lambda:cn-north-1:123456789012:function:stack-Rotator-1"
	rotationQueue  = "arn:aws-cn:sqs:cn-north-1:123456789012:stack-DeadLetters-1"
	rotationTopic  = "arn:aws-cn:sns:cn-north-1:123456789012:stack-AlarmTopic-1"
)

func rotation(given map[string]string) (*cfn.Stack, error) {
	parameters := map[string]string{
		"StackName": "stack", "Secret": "example-api", "RotatorArn": rotationLambda, "DeadLetterArn": rotationQueue,
		"TopicArn": rotationTopic,
	}
	maps.Copy(parameters, given)
	return cfn.Load(
		"../../../infra/rotation.yaml",
		cfn.Options{StackName: "rotation", Region: "cn-north-1", Partition: "aws-cn", Parameters: parameters},
	)
}

// TestRotationMayDoNoMore than start the rotation of its one secret and say that it could not.
func TestRotationMayDoNoMore(t *testing.T) {
	t.Parallel()
	for _, secret := range []string{"example-api", "team/example-api"} {
		const boundary = "arn:aws-cn:iam::123456789012:policy/boundary"
		resource := "arn:aws-cn:secretsmanager:cn-north-1:123456789012:secret:stack/" + secret + "-??????"
		stack, err := rotation(map[string]string{"Secret": secret, "PermissionsBoundary": boundary})
		if err != nil {
			t.Fatal(err)
		}
		if got := stack.Resources["Role"].Properties["PermissionsBoundary"]; got != boundary {
			t.Errorf("the role's boundary is %v", got)
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
		if diff := cmp.Diff(wantTrust, trust.Condition); diff != "" ||
			trust.Principal["Service"] != "scheduler.amazonaws.com" {
			t.Error(diff)
		}
		if got := schedule.Target.Arn; got != "arn:aws-cn:scheduler:::aws-sdk:secretsmanager:rotateSecret" ||
			schedule.Target.DeadLetterConfig.Arn != rotationQueue {
			t.Errorf("target %s, dead letters to %s", got, schedule.Target.DeadLetterConfig.Arn)
		}
		var input map[string]string
		if err := json.Unmarshal([]byte(schedule.Target.Input), &input); err != nil {
			t.Fatal(err)
		}
		if diff := cmp.Diff(map[string]string{"SecretId": "stack/" + secret}, input); diff != "" {
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
	data, err := os.ReadFile("../../../infra/rotation.yaml")
	if err != nil {
		t.Fatal(err)
	}
	for _, text := range []string{"arn:aws:", "ImportValue", "Name: !Sub", "RoleName"} {
		if strings.Contains(strings.ReplaceAll(string(data), "AlarmName: !Sub", ""), text) { // the alarm's name is for people
			t.Errorf("rotation.yaml holds %q", text)
		}
	}
}

// TestRotationFailedAlarm is the metric that the rotator publishes for this one secret, and says what to do within the
// 1,024 characters that CloudWatch allows, whatever the names.
func TestRotationFailedAlarm(t *testing.T) {
	t.Parallel()
	stack, err := rotation(map[string]string{"MetricNamespace": "N"})
	if err != nil {
		t.Fatal(err)
	}
	var got struct {
		AlarmName, Namespace, MetricName, Statistic, TreatMissingData, ComparisonOperator string
		Period, EvaluationPeriods, Threshold                                              int
		Dimensions                                                                        []struct{ Name, Value string }
		AlarmActions, OKActions                                                           []string
	}
	want := got
	want.AlarmName, want.Namespace, want.MetricName = "stack-RotationFailed-example-api", "N", metric.RotationFailed
	want.Statistic, want.TreatMissingData, want.ComparisonOperator = "Minimum", "ignore", "GreaterThanOrEqualToThreshold"
	want.Period, want.EvaluationPeriods, want.Threshold = 60, 1, 1
	want.Dimensions = []struct{ Name, Value string }{
		{Name: metric.DimensionStack, Value: "stack"}, {Name: metric.DimensionSecret, Value: "example-api"},
	}
	want.AlarmActions, want.OKActions = []string{rotationTopic}, []string{rotationTopic}
	into(t, stack.Resources["RotationFailed"].Properties, &got)
	if diff := cmp.Diff(want, got); diff != "" {
		t.Error(diff)
	}
	long, err := rotation(map[string]string{
		"StackName": strings.Repeat("s", 40), "Secret": strings.Repeat("x", 50),
		"RunbookUrl": "https://" + strings.Repeat("r", 92),
	})
	if err != nil {
		t.Fatal(err)
	}
	if text, _ := long.Resources["RotationFailed"].Properties["AlarmDescription"].(string); len(text) > 1024 ||
		!strings.Contains(text, "/rotation-failed.md") {
		t.Errorf("%d characters: %s", len(text), text)
	}
}

// TestRotationSecretName is what follows the stack's name and a slash.
func TestRotationSecretName(t *testing.T) {
	t.Parallel()
	for secret, good := range map[string]bool{
		"example-api": true, "team/api": true, "A": true, "": false, "/api": false, "arn:aws:secretsmanager:x": false,
		"a b": false,
	} {
		if _, err := rotation(map[string]string{"Secret": secret}); (err == nil) != good {
			t.Errorf("%q: %v", secret, err)
		}
	}
}
