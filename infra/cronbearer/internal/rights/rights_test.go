package rights_test

import (
	"flag"
	"os"
	"strings"
	"testing"

	"github.com/cronbearer/cronbearer/infra/cronbearer/internal/rights"
	"github.com/cronbearer/cronbearer/internal/dev/cfn"
)

var update = flag.Bool("update", false, "rewrite infra/operator.yaml")

const template = "../../../operator.yaml"

// TestOperatorTemplateIsGenerated holds infra/operator.yaml against the table.
func TestOperatorTemplateIsGenerated(t *testing.T) {
	t.Parallel()
	if *update {
		if err := os.WriteFile(template, []byte(rights.Template()), 0o600); err != nil {
			t.Fatal(err)
		}
	}
	data, err := os.ReadFile(template)
	if err != nil || string(data) != rights.Template() {
		t.Errorf("infra/operator.yaml is out of date: make generate (%v)", err)
	}
}

// maxPolicy is the size of a managed policy without white space (IAM quotas).
const maxPolicy = 6144

// TestOperatorPoliciesNarrowWhatTheyCan: the template resolves, no policy has a wildcard in an action or reads a
// secret, and a resource is "*" only where the Service Authorization Reference has no type for the action.
func TestOperatorPoliciesNarrowWhatTheyCan(t *testing.T) {
	t.Parallel()
	stack, err := cfn.Parse([]byte(rights.Template()), cfn.Options{StackName: "operators"})
	if err != nil {
		t.Fatal(err)
	}
	if n := len(stack.OfType("AWS::IAM::ManagedPolicy")); n != 3 {
		t.Errorf("%d policies, want 3", n)
	}
	wide := map[string]bool{
		"cloudwatch:DescribeAlarms": true, "cloudwatch:DescribeAlarmHistory": true, "cloudwatch:GetMetricData": true,
		"cloudwatch:ListAlarmMuteRules": true, "logs:GetQueryResults": true,
		"cloudformation:ListStacks": true, "events:ListRules": true, "events:ListApiDestinations": true,
		"events:ListConnections": true,
	}
	for _, p := range rights.Table() {
		if strings.Contains(p.Action, "*") || strings.Contains(p.Action, "GetSecretValue") {
			t.Errorf("%s is granted to %v", p.Action, p.Commands)
		}
		for _, r := range p.Resources {
			if r == "*" != wide[p.Action] {
				t.Errorf("%s is granted on %s", p.Action, r)
			}
			if r != "*" && !strings.Contains(r, "${StackName}") && !strings.HasPrefix(p.Action, "kms:") &&
				p.Level != rights.Apart {
				t.Errorf("%s on %s is not narrowed to the stack", p.Action, r)
			}
		}
		if len(p.Commands) == 0 {
			t.Errorf("%s is for no command", p.Action)
		}
	}
	for _, level := range []rights.Level{rights.Look, rights.Operate, rights.KeepTokens} {
		size := 0
		for _, s := range rights.Policy(rights.UpTo(level), nil).Statement {
			size += len(strings.Join(s.Action, `","`)) + len(strings.Join(s.Resource, `","`)) + 60
		}
		if size > maxPolicy {
			t.Errorf("the policy of level %d has about %d characters, more than %d", level, size, maxPolicy)
		}
	}
}
