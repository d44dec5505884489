package awssim_test

import (
	"slices"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"

	"github.com/cronbearer/cronbearer/internal/dev/awssim"
)

// TestRotationWindow: a target that rejects a token within an hour of a rotation costs no failed run, and a dead token
// hides behind no other outside it.
func TestRotationWindow(t *testing.T) {
	t.Parallel()
	const unknownExpiry = "TokenDaysToExpiry ExampleApi 3650" // each version is new
	cases := map[string]struct {
		prepare   func(*rig)
		outcome   string
		recovered string
		tokens    []string // in the order in which they were sent
		data      []string
	}{
		"AWSCURRENT is stale in the cache": {
			prepare: func(r *rig) {
				r.invoke(event(nil))
				r.advance(6 * time.Minute)
				r.invoke(event(nil))
				r.api.Forget()
				r.CloudWatch.Forget()
				r.api.Revoke(first)
				r.api.Accept(second)
				r.put(second)
				r.advance(time.Minute)
			}, outcome: "succeeded", recovered: "AWSCURRENT", tokens: []string{first, second}, data: nil,
		},
		"AWSPENDING is young": {
			prepare: func(r *rig) {
				r.api.Revoke(first)
				r.api.Accept(second)
				r.putStaged(second, "AWSPENDING")
			}, outcome: "succeeded", recovered: "AWSPENDING", tokens: []string{first, second},
			data: []string{"TokenRejected ExampleApi 0", unknownExpiry, "Heartbeat HourlySync 1"},
		},
		"AWSPENDING is old": {
			prepare: func(r *rig) {
				r.api.Revoke(first)
				r.api.Accept(second)
				r.putStaged(second, "AWSPENDING")
				r.advance(61 * time.Minute)
			}, outcome: "token_rejected", recovered: "", tokens: []string{first},
			data: []string{"TokenRejected ExampleApi 1", unknownExpiry, "Heartbeat HourlySync 1"},
		},
		"AWSPREVIOUS while AWSCURRENT is young": {
			prepare: func(r *rig) {
				r.put(second)
				r.advance(50 * time.Minute)
			}, outcome: "succeeded", recovered: "AWSPREVIOUS", tokens: []string{second, first},
			data: []string{"TokenRejected ExampleApi 0", unknownExpiry, "Heartbeat HourlySync 1"},
		},
		"AWSPREVIOUS when AWSCURRENT is old": {
			prepare: func(r *rig) {
				r.put(second)
				r.advance(61 * time.Minute)
			}, outcome: "token_rejected", recovered: "", tokens: []string{second},
			data: []string{"TokenRejected ExampleApi 1", unknownExpiry, "Heartbeat HourlySync 1"},
		},
		"each in its turn, none twice": {
			prepare: func(r *rig) {
				r.api.Revoke(first)
				r.put(second)
				r.putStaged(third, "AWSPENDING")
			}, outcome: "token_rejected", recovered: "", tokens: []string{second, third, first},
			data: []string{"TokenRejected ExampleApi 1", unknownExpiry, "Heartbeat HourlySync 1"},
		},
	}
	for name, c := range cases {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			r := start(t, awssim.Options{})
			c.prepare(r)
			run := r.invoke(event(nil))
			if run.Result.Outcome != c.outcome || run.Result.RecoveredWith != c.recovered {
				t.Errorf("got %+v\n%s", run.Result, run.Message)
			}
			var tokens []string
			for _, q := range r.api.Requests() {
				tokens = append(tokens, q.Token)
			}
			if diff := cmp.Diff(c.tokens, tokens); diff != "" {
				t.Errorf("tokens (-want +got)\n%s", diff)
			}
			if c.data != nil {
				if diff := cmp.Diff(c.data, r.data()); diff != "" {
					t.Errorf("data (-want +got)\n%s", diff)
				}
			}
			if (c.recovered == "AWSPREVIOUS") != (line(run, "AWSCURRENT is rejected") != nil) {
				t.Errorf("the warning of a rotation that went wrong:\n%s", run.Stdout)
			}
		})
	}
}

// TestCache: one read serves five minutes, on the virtual clock.
func TestCache(t *testing.T) {
	t.Parallel()
	r := start(t, awssim.Options{})
	var reads []int
	for _, wait := range []time.Duration{0, time.Minute, 3 * time.Minute, 2 * time.Minute, time.Hour} {
		r.advance(wait)
		r.invoke(event(nil))
		reads = append(reads, len(r.SecretsAPI.Calls("GetSecretValue")))
	}
	if want := []int{1, 1, 1, 2, 3}; !slices.Equal(reads, want) {
		t.Errorf("reads after each run: %v, want %v", reads, want)
	}
	for _, call := range r.SecretsAPI.Calls("") {
		if call.Operation != "GetSecretValue" || call.Stage != "AWSCURRENT" || call.Rejected != "" {
			t.Errorf("call %+v", call)
		}
	}
}
