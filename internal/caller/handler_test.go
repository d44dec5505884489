package caller_test

import (
	"strings"
	"sync"
	"testing"

	"github.com/cronbearer/cronbearer/internal/caller"
)

// environ is a set of variables that a test changes under the handler.
type environ struct {
	mu        sync.Mutex
	variables map[string]string
}

func (e *environ) lookup(name string) (string, bool) {
	e.mu.Lock()
	defer e.mu.Unlock()
	v, ok := e.variables[name]
	return v, ok
}

func (e *environ) set(name, value string) {
	e.mu.Lock()
	defer e.mu.Unlock()
	e.variables[name] = value
}

func TestBadConfigurationEndsRunsUntilItIsMended(t *testing.T) {
	t.Parallel()
	env := &environ{variables: map[string]string{
		"STACK_NAME": "", "AWS_REGION": "eu-west-1", "AWS_ENDPOINT_URL": "http://127.0.0.1:1", "ALLOWED_HOSTS": "https://example.com", "REMIND_AFTER": "a day",
		"METRIC_NAMESPACE": "AWS/x", "SECRET_CACHE_TTL": "6m", "ALLOW_PRIVATE_TARGETS": "maybe", "LOG_LEVEL": "loud",
	}}
	r := &rig{t: t, out: &output{}}
	r.handler = caller.NewHandler(env.lookup, r.out)
	got := r.run(nil)
	if got.kind() != "InvalidJobError" || got.result.Outcome != "invalid_job" || got.result.Verdict != "unknown" || got.result.Job != "J" || got.result.Token != "T" {
		t.Errorf("%v, %+v", got.err, got.result)
	}
	for _, name := range []string{"STACK_NAME", "ALLOWED_HOSTS", "REMIND_AFTER", "METRIC_NAMESPACE", "SECRET_CACHE_TTL", "ALLOW_PRIVATE_TARGETS", "LOG_LEVEL"} {
		if !strings.Contains(got.err.Error(), "environment variable "+name) {
			t.Errorf("the error does not name %s: %s", name, got.err)
		}
	}
	// The event's own mistakes are told as well, and one that cannot be read does no harm.
	if got := r.run(event{"attempts": 99}); !strings.Contains(got.err.Error(), "attempts") {
		t.Errorf("%v", got.err)
	}
	if got := r.invoke(t.Context(), []byte("{")); got.kind() != "InvalidJobError" || !strings.Contains(got.err.Error(), "STACK_NAME") {
		t.Errorf("%v", got.err)
	}
	for name, value := range map[string]string{
		"STACK_NAME": "S", "ALLOWED_HOSTS": "example.com", "REMIND_AFTER": "20h", "METRIC_NAMESPACE": "N", "SECRET_CACHE_TTL": "5m", "ALLOW_PRIVATE_TARGETS": "false", "LOG_LEVEL": "Info",
	} {
		env.set(name, value)
	}
	got = r.invoke(t.Context(), []byte(`{"token":"T"}`))
	if got.kind() != "InvalidJobError" || strings.Contains(got.err.Error(), "environment variable") || !strings.Contains(got.err.Error(), "job is missing") {
		t.Errorf("after it was mended: %v", got.err)
	}
}

func TestBadTestClockEndsRunsUntilItIsMended(t *testing.T) {
	t.Parallel()
	env := &environ{variables: map[string]string{
		"STACK_NAME": "S", "AWS_REGION": "eu-west-1", "AWS_ENDPOINT_URL": "http://127.0.0.1:1", "CRONBEARER_TEST_CLOCK": t.TempDir() + "/absent",
	}}
	r := &rig{t: t, out: &output{}}
	r.handler = caller.NewHandler(env.lookup, r.out)
	if got := r.run(nil); got.kind() != "InvalidJobError" || !strings.Contains(got.err.Error(), "environment variable CRONBEARER_TEST_CLOCK") {
		t.Errorf("%v", got.err)
	}
}
