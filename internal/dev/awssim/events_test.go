package awssim_test

import (
	"encoding/json"
	"maps"
	"net/http"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"testing"

	"github.com/google/go-cmp/cmp"

	"github.com/cronbearer/cronbearer/internal/dev/awssim"
	"github.com/cronbearer/cronbearer/internal/dev/awssim/awssimtest"
	"github.com/cronbearer/cronbearer/internal/dev/upstream"
)

// TestEvents runs each file of events/ by the real binary: its outcome is that of its name.
func TestEvents(t *testing.T) {
	t.Parallel()
	want := map[string]struct {
		outcome, verdict, errorType string
		status, requests            int
		text                        []string // of the error
	}{
		"call-succeeded": {
			outcome: "succeeded", verdict: "accepted", errorType: "", status: 200, requests: 1, text: nil,
		},
		"call-full": {
			outcome: "succeeded", verdict: "accepted", errorType: "", status: 200, requests: 1, text: nil,
		},
		"call-token-rejected": {
			outcome: "token_rejected", verdict: "rejected", errorType: "TokenRejectedError", status: 401, requests: 1,
			text: []string{"HourlySync", "ExampleApi", "put-secret-value"},
		},
		"call-target-failed": {
			outcome: "target_failed", verdict: "unknown", errorType: "TargetFailedError", status: 500, requests: 1,
			text: []string{"HourlySync", "500"},
		},
		"call-unreachable": {
			outcome: "unreachable", verdict: "unknown", errorType: "UnreachableError", status: 0, requests: 1,
			text: []string{"HourlySync"},
		},
		"call-token-unavailable": {
			outcome: "token_unavailable", verdict: "rejected", errorType: "TokenUnavailableError", status: 0, requests: 0,
			text: []string{"HourlySync", "cronbearer/no-such-secret"},
		},
		"call-invalid-job": {
			outcome: "invalid_job", verdict: "unknown", errorType: "InvalidJobError", status: 0, requests: 0,
			text: []string{"https", "attempts", "retries"},
		},
		"call-skipped": {outcome: "skipped", verdict: "unknown", errorType: "", status: 0, requests: 0, text: nil},
		"check-succeeded": {
			outcome: "succeeded", verdict: "unknown", errorType: "", status: 0, requests: 0, text: nil,
		},
		"check-token-unavailable": {
			outcome: "token_unavailable", verdict: "rejected", errorType: "TokenUnavailableError", status: 0, requests: 0,
			text: []string{"cronbearer/no-such-secret"},
		},
		"check-invalid-job": {
			outcome: "invalid_job", verdict: "unknown", errorType: "InvalidJobError", status: 0, requests: 0,
			text: []string{"token"},
		},
		"check-skipped": {outcome: "skipped", verdict: "unknown", errorType: "", status: 0, requests: 0, text: nil},
	}
	files, err := filepath.Glob(filepath.Join(awssimtest.Root(), "events", "*.json"))
	if err != nil {
		t.Fatal(err)
	}
	var names []string
	for _, file := range files {
		names = append(names, strings.TrimSuffix(filepath.Base(file), ".json"))
	}
	if diff := cmp.Diff(slices.Sorted(maps.Keys(want)), names); diff != "" {
		t.Fatalf("files in events/ (-this test +there)\n%s", diff)
	}
	for _, file := range files {
		name := strings.TrimSuffix(filepath.Base(file), ".json")
		w := want[name]
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			text, err := os.ReadFile(file)
			if err != nil {
				t.Fatal(err)
			}
			r := start(t, awssim.Options{})
			r.api.Rule(func(q upstream.Request) (upstream.Answer, bool) {
				switch q.Path {
				case "/v1/token-rejected":
					return upstream.Rejected, true
				case "/v1/target-failed":
					return upstream.Broken, true
				case "/v1/unreachable":
					return upstream.HungUp, true
				}
				return upstream.Answer{}, false
			})
			run := r.invoke(text)
			got := run.Result
			if got.Outcome != w.outcome || got.Verdict != w.verdict || got.Status != w.status || got.Attempts != w.requests ||
				run.ErrorType != w.errorType {
				t.Errorf("got %+v, error type %q\n%s", got, run.ErrorType, run.Message)
			}
			if n := len(r.api.Requests()); n != w.requests {
				t.Errorf("%d requests arrived, want %d", n, w.requests)
			}
			for _, part := range w.text {
				if !strings.Contains(run.Message, part) {
					t.Errorf("the error does not name %q: %s", part, run.Message)
				}
			}
			if name == "call-full" {
				checkFullRequest(t, r, got)
			}
		})
	}
}

// checkFullRequest checks what the event with everything in it sends.
func checkFullRequest(t *testing.T, r *rig, result awssim.Result) {
	t.Helper()
	if len(r.api.Requests()) == 0 {
		t.Fatal("nothing was sent")
	}
	q := r.api.Requests()[0]
	if q.Method != http.MethodPost || q.Path != "/v1/reports/2026-11-02" ||
		q.Query != "for=2026-11-02T09%3A00%3A00Z&run="+result.RunID {
		t.Errorf("request line: %s %s?%s", q.Method, q.Path, q.Query)
	}
	for name, want := range map[string]string{
		"Authorization": "Bearer " + first, "Accept": "application/json", "X-Report": "2026-11-02",
		"Content-Type": "application/json", "Idempotency-Key": result.RunID,
	} {
		if got := q.Header.Get(name); got != want {
			t.Errorf("%s: got %q, want %q", name, got, want)
		}
	}
	var body any
	if err := json.Unmarshal(q.Body, &body); err != nil {
		t.Fatal(err)
	}
	want := map[string]any{
		"kind": "daily", "date": "2026-11-02", "parts": []any{1.0, 2.5, true, nil, map[string]any{"run": result.RunID}},
	}
	if diff := cmp.Diff(want, body); diff != "" {
		t.Errorf("body (-want +got)\n%s", diff)
	}
}
