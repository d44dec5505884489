package local_test

import (
	"maps"
	"slices"
	"strings"
	"testing"

	"github.com/google/go-cmp/cmp"

	"github.com/cronbearer/cronbearer/infra/cronbearer/internal/local"
	"github.com/cronbearer/cronbearer/infra/cronbearer/internal/rights"
)

// TestEveryPermissionIsAnOperation: what the tool may do in an account is what the simulated account knows, and the
// other way round, so that no command is tried without its policy.
func TestEveryPermissionIsAnOperation(t *testing.T) {
	t.Parallel()
	granted := map[string]bool{"sts:GetCallerIdentity": true} // needs no permission
	for _, p := range rights.Table() {
		// They are checked within UpdateSchedule, and within DescribeStacks without a name.
		if p.Action != "iam:PassRole" && p.Action != "cloudformation:ListStacks" {
			granted[p.Action] = true
		}
	}
	if diff := cmp.Diff(slices.Sorted(maps.Keys(granted)), local.Permissions()); diff != "" {
		t.Errorf("permissions (-) and operations (+):\n%s", diff)
	}
}

func TestNoPermissionReadsASecret(t *testing.T) {
	t.Parallel()
	for _, p := range rights.Table() {
		if strings.Contains(p.Action, "GetSecretValue") || strings.Contains(p.Action, "*") {
			t.Errorf("%s is granted to %v", p.Action, p.Commands)
		}
	}
}
