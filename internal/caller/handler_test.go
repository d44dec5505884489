package caller_test

import (
	"os"
	"path/filepath"
	"strings"
	"testing"

	"github.com/cronbearer/cronbearer/internal/caller"
)

func TestBadConfigurationMakesEachRunInvalid(t *testing.T) {
	t.Parallel()
	variables := map[string]string{
		"STACK_NAME": "", "AWS_REGION": "eu-west-1", "AWS_ENDPOINT_URL": "http://127.0.0.1:1",
		"ALLOWED_HOSTS": "https://example.com", "REMIND_AFTER": "a day",
		"METRIC_NAMESPACE": "AWS/x", "SECRET_CACHE_TTL": "6m", "ALLOW_PRIVATE_TARGETS": "maybe", "LOG_LEVEL": "loud",
	}
	r := &rig{t: t, out: &output{}}
	r.handler = caller.NewHandler(lookup(variables), r.out)
	got := r.run(nil)
	if got.kind() != "InvalidJobError" || got.result.Outcome != "invalid_job" || got.result.Verdict != "unknown" ||
		got.result.Job != "J" || got.result.Token != "T" {
		t.Errorf("%v, %+v", got.err, got.result)
	}
	for _, name := range []string{
		"STACK_NAME", "ALLOWED_HOSTS", "REMIND_AFTER", "METRIC_NAMESPACE", "SECRET_CACHE_TTL", "ALLOW_PRIVATE_TARGETS",
		"LOG_LEVEL",
	} {
		if !strings.Contains(got.err.Error(), "environment variable "+name) {
			t.Errorf("the error does not name %s: %s", name, got.err)
		}
	}
	// The event's own mistakes are reported as well, and one that cannot be read does no harm.
	if got := r.run(event{"attempts": 99}); !strings.Contains(got.err.Error(), "attempts") {
		t.Errorf("%v", got.err)
	}
	if got := r.invoke(t.Context(), []byte("{")); got.kind() != "InvalidJobError" ||
		!strings.Contains(got.err.Error(), "STACK_NAME") {
		t.Errorf("%v", got.err)
	}
}

func TestBadTestClockMakesRunsInvalidUntilItIsFixed(t *testing.T) {
	t.Parallel()
	clock := filepath.Join(t.TempDir(), "clock")
	r := &rig{t: t, out: &output{}}
	r.handler = caller.NewHandler(lookup(map[string]string{
		"STACK_NAME": "S", "AWS_REGION": "eu-west-1", "AWS_ENDPOINT_URL": "http://127.0.0.1:1",
		"CRONBEARER_TEST_CLOCK": clock,
	}), r.out)
	if got := r.run(nil); got.kind() != "InvalidJobError" ||
		!strings.Contains(got.err.Error(), "environment variable CRONBEARER_TEST_CLOCK") {
		t.Errorf("%v", got.err)
	}
	if err := os.WriteFile(clock, []byte("36h\n"), 0o600); err != nil {
		t.Fatal(err)
	}
	if got := r.invoke(t.Context(), []byte(`{"token":"T"}`)); strings.Contains(got.err.Error(), "environment variable") {
		t.Errorf("after it was fixed: %v", got.err)
	}
}

func lookup(variables map[string]string) func(string) (string, bool) {
	return func(name string) (string, bool) {
		v, ok := variables[name]
		return v, ok
	}
}
