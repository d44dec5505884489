package docs_test

import (
	"fmt"
	"maps"
	"regexp"
	"slices"
	"strings"
	"testing"

	"github.com/google/go-cmp/cmp"

	"github.com/cronbearer/cronbearer/internal/dev/cfn"
)

// alarms are those of the two templates by their kind, such as TokenRejected: one of each.
func alarms(t *testing.T) map[string]map[string]any {
	t.Helper()
	found := map[string]map[string]any{}
	for file, o := range map[string]cfn.Options{
		"../internal/dev/shipped/template.yaml": {
			StackName: "s", Parameters: map[string]string{"AllowedHosts": "api.example.com"},
		},
		"../infra/rotation.yaml": {StackName: "s-rotation", Parameters: map[string]string{
			"StackName": "s", "Secret": "example-api", "TopicArn": "arn:aws:sns:eu-west-1:123456789012:topic",
			"RotatorArn":    "arn:aws:lambda:eu-west-1:123456789012:function:rotator",
			"DeadLetterArn": "arn:aws:sqs:eu-west-1:123456789012:queue",
		}},
	} {
		stack, err := cfn.Load(file, o)
		if err != nil {
			t.Fatal(err)
		}
		for _, r := range stack.OfType("AWS::CloudWatch::Alarm") {
			kind, _, _ := strings.Cut(strings.TrimPrefix(fmt.Sprint(r.Properties["AlarmName"]), "s-"), "-")
			found[kind] = r.Properties
		}
	}
	return found
}

// TestReadmeListsTheAlarms: each alarm of the templates has a row, which links to the runbook that its description
// names, and says of it what its properties say.
func TestReadmeListsTheAlarms(t *testing.T) {
	t.Parallel()
	rows, found := table(t, read(t, "../README.md"), "Alarms"), alarms(t)
	owned := map[string]string{
		"TokenRejected": "<Token>", "TokenExpiring": "<Token>", "Silent": "<Job>", "RotationFailed": "<Secret>",
	}
	var want []string
	for kind := range found {
		if owner := owned[kind]; owner != "" {
			kind += "-" + owner
		}
		want = append(want, kind)
	}
	listed := map[string][]string{}
	for name, cells := range rows {
		// "RotationFailed-<Secret>`, in `infra/rotation.yaml"
		name, _, _ = strings.Cut(name, "`")
		listed[name] = cells
	}
	slices.Sort(want)
	if diff := cmp.Diff(want, slices.Sorted(maps.Keys(listed))); diff != "" {
		t.Fatalf("alarms (-templates +README)\n%s", diff)
	}
	runbook := regexp.MustCompile(`Runbook: \S+(docs/runbooks/[a-z-]+\.md)`)
	for name, cells := range listed {
		kind, _, _ := strings.Cut(name, "-")
		m := runbook.FindStringSubmatch(fmt.Sprint(found[kind]["AlarmDescription"]))
		if m == nil || !strings.Contains(cells[1], "("+m[1]+")") {
			t.Errorf("%s: the README says %s, the alarm's description %v", name, cells[1], m)
		}
	}
	for name, c := range map[string]struct {
		says, property, value string // the README says so because the alarm has it
	}{
		"TokenRejected stays until the opposite": {
			says: "clears when a call is accepted", property: "TreatMissingData", value: "ignore",
		},
		"TokenRejected by its metric":    {says: "was rejected", property: "MetricName", value: "TokenRejected"},
		"TokenExpiring by its metric":    {says: "`WarnDays`", property: "MetricName", value: "TokenDaysToExpiry"},
		"Silent by heartbeats":           {says: "no run has succeeded", property: "MetricName", value: "Heartbeat"},
		"Silent by hours":                {says: "`SilentAfter` hours", property: "Period", value: "3600"},
		"FailedRuns by its queue":        {says: "each is kept", property: "Namespace", value: "AWS/SQS"},
		"DeadLetters by its queue":       {says: "each is kept", property: "Namespace", value: "AWS/SQS"},
		"StartsDropped by its metric":    {says: "gave up", property: "MetricName", value: "InvocationDroppedCount"},
		"Throttled by its metric":        {says: "throttled", property: "MetricName", value: "Throttles"},
		"RecordsLost by its metric":      {says: "not be kept", property: "MetricName", value: "DestinationDeliveryFailures"},
		"RotationFailed by its metric":   {says: "not renewed", property: "MetricName", value: "RotationFailed"},
		"TokenExpiring is below":         {says: "within", property: "ComparisonOperator", value: "LessThanThreshold"},
		"TokenExpiring has the WarnDays": {says: "`WarnDays`", property: "Threshold", value: "14"},
	} {
		kind, _, _ := strings.Cut(name, " ")
		row := slices.IndexFunc(slices.Sorted(maps.Keys(listed)), func(n string) bool { return strings.HasPrefix(n, kind) })
		meaning := listed[slices.Sorted(maps.Keys(listed))[row]][0]
		if got := fmt.Sprint(found[kind][c.property]); got != c.value || !strings.Contains(meaning, c.says) {
			t.Errorf("%s: the alarm has %s %s, want %s; the README says %q", name, c.property, got, c.value, meaning)
		}
	}
}

// TestQueuesKeepForTheTimeThatPagesSay: 14 days, in seconds.
func TestQueuesKeepForTheTimeThatPagesSay(t *testing.T) {
	t.Parallel()
	stack, err := cfn.Load("../internal/dev/shipped/template.yaml", cfn.Options{
		StackName: "s", Parameters: map[string]string{"AllowedHosts": "api.example.com"},
	})
	if err != nil {
		t.Fatal(err)
	}
	rows := table(t, read(t, "../README.md"), "Alarms")
	for _, queue := range []string{"FailedRuns", "DeadLetters"} {
		if got := fmt.Sprint(stack.Resources[queue].Properties["MessageRetentionPeriod"]); got != "1209600" {
			t.Errorf("%s keeps for %s seconds", queue, got)
		}
		if !strings.Contains(rows[queue][0], "14 days") {
			t.Errorf("the README says of %s: %s", queue, rows[queue][0])
		}
	}
}

// TestReadmeIsTwoScreens: what does not fit belongs to a page of its own.
func TestReadmeIsTwoScreens(t *testing.T) {
	t.Parallel()
	const most = 125
	if got := strings.Count(read(t, "../README.md"), "\n"); got > most {
		t.Errorf("%d lines, at most %d", got, most)
	}
}
