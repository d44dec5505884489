package awssim_test

import (
	"strings"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"

	"github.com/cronbearer/cronbearer/internal/dev/awssim"
	"github.com/cronbearer/cronbearer/internal/dev/awssim/api"
)

// TestSecretsManagerFails: what passes serves the token that was read within the hour, or says nothing of it; what
// lasts is reported at once.
func TestSecretsManagerFails(t *testing.T) {
	t.Parallel()
	undecryptable := api.Fault{
		Error: api.Reject(
			"DecryptionFailure", "Secrets Manager can't decrypt the protected secret text using the provided KMS key.",
		),
	}
	remove := func(r *rig) {
		if err := r.Secrets.Delete(r.SecretID(secret)); err != nil {
			r.t.Fatal(err)
		}
	}
	fault := func(f api.Fault) func(*rig) {
		return func(r *rig) { r.SecretsAPI.Faults.Set("GetSecretValue", r.SecretID(secret), f) }
	}
	unknown := []string{"Heartbeat HourlySync 0"}
	rejected := []string{"TokenRejected ExampleApi 1", "Heartbeat HourlySync 1"}
	cases := map[string]struct {
		read    time.Duration // how long ago the secret was read; 0: never
		fault   func(*rig)
		outcome string
		verdict string
		data    []string // nil: not looked at
	}{
		"throttled, read before": {
			read: 30 * time.Minute, fault: fault(api.Throttled), outcome: "succeeded", verdict: "accepted", data: nil,
		},
		"throttled, read long ago": {
			read: 61 * time.Minute, fault: fault(api.Throttled), outcome: "token_unavailable", verdict: "unknown", data: nil,
		},
		"throttled, never read": {
			read: 0, fault: fault(api.Throttled), outcome: "token_unavailable", verdict: "unknown", data: unknown,
		},
		"throttled once": {
			read: 0, fault: fault(api.Throttled.Once(1)), outcome: "succeeded", verdict: "accepted", data: nil,
		},
		"down, never read": {
			read: 0, fault: fault(api.Internal), outcome: "token_unavailable", verdict: "unknown", data: unknown,
		},
		"hung up, read before": {
			read: 30 * time.Minute, fault: fault(api.HungUp), outcome: "succeeded", verdict: "accepted", data: nil,
		},
		"own credentials have expired": {
			read: 0, fault: fault(api.Expired), outcome: "token_unavailable", verdict: "unknown", data: unknown,
		},
		"denied, though read before": {
			read: 30 * time.Minute, fault: fault(api.Denied), outcome: "token_unavailable", verdict: "rejected", data: nil,
		},
		"undecryptable": {
			read: 0, fault: fault(undecryptable), outcome: "token_unavailable", verdict: "rejected", data: rejected,
		},
		"marked for deletion": {
			read: 0, fault: remove, outcome: "token_unavailable", verdict: "rejected", data: rejected,
		},
		"malformed": {read: 0, fault: func(r *rig) {
			r.put(`{"token":"` + first + `","hots":[]}`)
		}, outcome: "token_unavailable", verdict: "rejected", data: rejected},
		"a role that may not read it": {read: 0, fault: func(r *rig) {
			r.SecretsAPI.Authorize = denyAll
		}, outcome: "token_unavailable", verdict: "rejected", data: rejected},
		"failures are not cached (in it)": {read: 0, fault: func(r *rig) {
			fault(api.Denied.Once(1))(r)
			r.invoke(event(nil))
		}, outcome: "succeeded", verdict: "accepted", data: nil},
	}
	for name, c := range cases {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			r := start(t, awssim.Options{})
			if c.read > 0 {
				r.invoke(event(nil))
				r.advance(c.read)
			}
			c.fault(r)
			run := r.invoke(event(nil))
			if run.Result.Outcome != c.outcome || run.Result.Verdict != c.verdict {
				t.Errorf("got %+v\n%s", run.Result, run.Message)
			}
			if c.data != nil {
				if diff := cmp.Diff(c.data, r.data()); diff != "" {
					t.Errorf("data (-want +got)\n%s", diff)
				}
			}
		})
	}
}

func denyAll(string, api.Access) *api.Error { return api.Denied.Error }

// TestCloudWatchFails: what PutMetricData does not accept goes out as a line of embedded metrics, and a rejection says
// so.
func TestCloudWatchFails(t *testing.T) {
	t.Parallel()
	cases := map[string]struct {
		fault api.Fault
		lines int
		calls int
	}{
		"down":                 {fault: api.Unavailable, lines: 1, calls: 2},
		"throttled":            {fault: api.Throttled, lines: 1, calls: 2},
		"denied":               {fault: api.Denied, lines: 1, calls: 1},
		"one failure":          {fault: api.Unavailable.Once(1), lines: 0, calls: 2},
		"the answer gets lost": {fault: api.Fault{HangUp: true, After: true, Times: 1}, lines: 0, calls: 2},
	}
	for name, c := range cases {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			r := start(t, awssim.Options{})
			r.api.Revoke(first)
			r.CloudWatch.Faults.Set("PutMetricData", "", c.fault)
			run := r.invoke(event(nil))
			if run.Result.Outcome != "token_rejected" {
				t.Errorf("got %+v", run.Result)
			}
			if n := len(r.CloudWatch.Calls("PutMetricData")); n != c.calls {
				t.Errorf("%d calls, want %d", n, c.calls)
			}
			embedded := 0
			for _, l := range run.Lines() {
				if _, ok := l["_aws"]; ok {
					embedded++
					if l["level"] != "FATAL" || l["Stack"] != "cronbearer" || l["Token"] != "ExampleApi" || l["TokenRejected"] != 1.0 {
						t.Errorf("embedded metrics: %v", l)
					}
				}
			}
			if embedded != c.lines || strings.Contains(run.Message, "metric could not be stored") != (c.lines > 0) {
				t.Errorf("%d embedded lines; the error: %s", embedded, run.Message)
			}
		})
	}
}
