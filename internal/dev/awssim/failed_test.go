package awssim_test

import (
	"encoding/json"
	"errors"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"

	"github.com/cronbearer/cronbearer/internal/dev/awssim"
	"github.com/cronbearer/cronbearer/internal/dev/awssim/alarm"
	"github.com/cronbearer/cronbearer/internal/dev/awssim/awssimtest"
	"github.com/cronbearer/cronbearer/internal/dev/upstream"
)

// TestFailedRunIsKept checks the record in the queue, and the alarm on it.
func TestFailedRunIsKept(t *testing.T) {
	t.Parallel()
	r := start(t, awssim.Options{})
	r.api.Answer(upstream.Broken)
	e := event(map[string]any{"scheduledTime": "2026-11-02T08:00:00Z"})
	if err := r.InvokeAsync(t.Context(), "Caller", e); err != nil {
		t.Fatal(err)
	}
	r.advance(2 * time.Minute)
	messages := r.Queue("FailedRuns").Messages()
	if len(messages) != 1 {
		t.Fatalf("%d records", len(messages))
	}
	var record map[string]any
	if err := json.Unmarshal([]byte(messages[0].Body), &record); err != nil {
		t.Fatal(err)
	}
	run := r.Runs()[0]
	request, _ := record["requestContext"].(map[string]any)
	want := map[string]any{"requestId": run.RequestID, "functionArn": r.Function("Caller").ARN() +
		":$LATEST", "condition": "RetriesExhausted", "approximateInvokeCount": 1.0}
	if diff := cmp.Diff(want, request); diff != "" {
		t.Errorf("requestContext (-want +got)\n%s", diff)
	}
	response, _ := record["responsePayload"].(map[string]any)
	if response["errorType"] != "TargetFailedError" || response["errorMessage"] != run.Message {
		t.Errorf("responsePayload: %v", response)
	}
	payload, _ := record["requestPayload"].(map[string]any)
	if payload["scheduledTime"] != "2026-11-02T08:00:00Z" {
		t.Errorf("requestPayload: %v", payload)
	}
	if got := r.AlarmState("FailedRuns"); got != alarm.InAlarm {
		t.Errorf("the alarm is %s", got)
	}
	r.Queue("FailedRuns").Purge()
	r.advance(10 * time.Minute)
	if got := r.AlarmState("FailedRuns"); got != alarm.OK {
		t.Errorf("the alarm is %s with an empty queue", got)
	}
}

// TestLostRecord: a failed run that finds no queue fires its own alarm.
func TestLostRecord(t *testing.T) {
	t.Parallel()
	r := start(t, awssim.Options{})
	r.api.Answer(upstream.Broken)
	r.Queue("FailedRuns").Reject(errors.New("AWS.SimpleQueueService.NonExistentQueue"))
	if err := r.InvokeAsync(t.Context(), "Caller", event(nil)); err != nil {
		t.Fatal(err)
	}
	r.advance(2 * time.Minute)
	if got := r.AlarmState("RecordsLost"); got != alarm.InAlarm {
		t.Errorf("the alarm is %s", got)
	}
}

// TestUndeliveredStart: what Scheduler cannot deliver is tried again for a quarter of an hour, then kept and reported.
func TestUndeliveredStart(t *testing.T) {
	t.Parallel()
	cases := map[string]struct {
		failures int
		runs     int
		dead     int
		state    alarm.State
	}{
		"three failures": {failures: 3, runs: 1, dead: 0, state: alarm.OK},
		"four failures":  {failures: 4, runs: 0, dead: 1, state: alarm.InAlarm},
	}
	for name, c := range cases {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			cloud := awssimtest.Start(t, awssim.Options{})
			if _, err := cloud.PutSecret(secret, first); err != nil {
				t.Fatal(err)
			}
			cloud.Target(host).Accept(first)
			cloud.FailStarts(errors.New("TooManyRequestsException: Rate exceeded"), c.failures)
			if err := cloud.Run(t.Context(), awssim.Start.Add(30*time.Minute)); err != nil {
				t.Fatal(err)
			}
			if got := len(cloud.Runs()); got != c.runs {
				t.Errorf("%d runs", got)
			}
			messages := cloud.Queue("DeadLetters").Messages()
			if len(messages) != c.dead {
				t.Fatalf("%d dead letters", len(messages))
			}
			for _, m := range messages {
				if m.Attributes["ERROR_CODE"] != "TooManyRequestsException" ||
					m.Attributes["SCHEDULED_TIME"] != "2026-11-02T08:00:00Z" {
					t.Errorf("dead letter: %v", m.Attributes)
				}
			}
			if c.dead > 0 && len(cloud.Emails("cronbearer-StartsDropped")) != 1 {
				t.Errorf("emails: %v", cloud.Emails("cronbearer-StartsDropped"))
			}
			if got := cloud.AlarmState("DeadLetters"); c.dead > 0 && got != c.state {
				t.Errorf("the alarm on the queue is %s", got)
			}
		})
	}
}

// TestThrottled: events that find no environment wait in Lambda's queue, and run.
func TestThrottled(t *testing.T) {
	t.Parallel()
	r := start(t, awssim.Options{MaxConcurrency: 1})
	calls := 0
	r.api.Rule(func(upstream.Request) (upstream.Answer, bool) {
		if calls++; calls == 1 { // the first run is under way: a second event finds no environment
			if err := r.InvokeAsync(t.Context(), "Caller", event(nil)); err != nil {
				t.Error(err)
			}
		}
		return upstream.Answer{}, false
	})
	if err := r.InvokeAsync(t.Context(), "Caller", event(nil)); err != nil {
		t.Fatal(err)
	}
	if n := len(r.Runs()); n != 1 {
		t.Fatalf("%d runs at once", n)
	}
	r.advance(time.Minute)
	if n := len(r.Runs()); n != 2 {
		t.Errorf("%d runs in the end", n)
	}
}
