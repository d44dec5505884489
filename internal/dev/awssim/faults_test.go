package awssim_test

import (
	"strings"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"

	"github.com/cronbearer/cronbearer/internal/dev/awssim"
	"github.com/cronbearer/cronbearer/internal/dev/awssim/api"
)

// TestSecretsManagerFails: what passes serves the token that was read within the hour, or says nothing of it; what lasts
// is reported at once.
func TestSecretsManagerFails(t *testing.T) {
	t.Parallel()
	undecryptable := api.Fault{Error: api.Reject("DecryptionFailure", "Secrets Manager can't decrypt the protected secret text using the provided KMS key.")}
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
		"throttled, read before":          {30 * time.Minute, fault(api.Throttled), "succeeded", "accepted", nil},
		"throttled, read long ago":        {61 * time.Minute, fault(api.Throttled), "token_unavailable", "unknown", nil},
		"throttled, never read":           {0, fault(api.Throttled), "token_unavailable", "unknown", unknown},
		"throttled once":                  {0, fault(api.Throttled.Once(1)), "succeeded", "accepted", nil},
		"down, never read":                {0, fault(api.Internal), "token_unavailable", "unknown", unknown},
		"hung up, read before":            {30 * time.Minute, fault(api.HungUp), "succeeded", "accepted", nil},
		"own credentials have expired":    {0, fault(api.Expired), "token_unavailable", "unknown", unknown},
		"denied, though read before":      {30 * time.Minute, fault(api.Denied), "token_unavailable", "rejected", nil},
		"undecryptable":                   {0, fault(undecryptable), "token_unavailable", "rejected", rejected},
		"marked for deletion":             {0, remove, "token_unavailable", "rejected", rejected},
		"malformed":                       {0, func(r *rig) { r.put(`{"token":"` + first + `","hots":[]}`) }, "token_unavailable", "rejected", rejected},
		"a role that may not read it":     {0, func(r *rig) { r.SecretsAPI.Authorize = denyAll }, "token_unavailable", "rejected", rejected},
		"failures are not cached (in it)": {0, func(r *rig) { fault(api.Denied.Once(1))(r); r.invoke(event(nil)) }, "succeeded", "accepted", nil},
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

// TestCloudWatchFails: what PutMetricData does not take goes out as a line of embedded metrics, and a rejection says so.
func TestCloudWatchFails(t *testing.T) {
	t.Parallel()
	cases := map[string]struct {
		fault api.Fault
		lines int
		calls int
	}{
		"down":                 {api.Unavailable, 1, 2},
		"throttled":            {api.Throttled, 1, 2},
		"denied":               {api.Denied, 1, 1},
		"one failure":          {api.Unavailable.Once(1), 0, 2},
		"the answer gets lost": {api.Fault{HangUp: true, After: true, Times: 1}, 0, 2},
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
