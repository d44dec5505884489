// Package job parses the event of a schedule: the names under which a run is reported, the secret that holds its token,
// and the call. The grammar of that call is package request's, as secrets describe calls as well. An event is validated
// as a whole and every problem of it reported at once, before a secret is read or a connection opened: this package
// does neither.
package job

import (
	"fmt"
	"net/http"
	"time"

	"github.com/google/uuid"

	"github.com/cronbearer/cronbearer/internal/jsondoc"
	"github.com/cronbearer/cronbearer/internal/request"
)

// Action is what a run does.
type Action string

// The actions: Call the target, or only Check the token.
const (
	Call  Action = "call"
	Check Action = "check"
)

// Limits and defaults of the event (docs/configuration.md). MaxTimeout leaves a minute of the function's 900 seconds
// for the token and the report.
const (
	DefaultTimeout  = 30 * time.Second
	MinTimeout      = time.Second
	MaxTimeout      = 840 * time.Second
	DefaultAttempts = 3
	MaxAttempts     = 10
)

// Job is a checked event.
type Job struct {
	request.Call // the zero Call: none, of an event that checks its token
	request.Rules

	Name, Token string // names, as in metrics, alarms and logs
	Secret      string // name or ARN in Secrets Manager, without the prefix
	SecretKey   string // key or JSON pointer of the token in the secret's object; empty: the secret's own form
	Action      Action
	Timeout     time.Duration // of one attempt
	Attempts    int           // the first included
	Idempotent  bool
	MaxAge      time.Duration // 0: none

	ScheduleARN   string
	ScheduledTime time.Time // zero: unknown

	headers []header
	body    jsondoc.Value
	zone    *time.Location // of the local times; nil: UTC
}

type header struct{ name, value string }

// InvalidError lists everything that is wrong with an event.
type InvalidError struct{ Problems jsondoc.Problems }

func (e *InvalidError) Error() string { return e.Problems.String() }

// Age returns how late the run is at now, 0 if the scheduled time is unknown. It is negative if this clock is behind
// Scheduler's.
func (j Job) Age(now time.Time) time.Duration {
	if j.ScheduledTime.IsZero() {
		return 0
	}
	return now.Sub(j.ScheduledTime)
}

// RunID is the same for every delivery of the same scheduled start: a UUIDv5 of the schedule's ARN and the scheduled
// time. Scheduler's own execution id is new for each attempt to deliver. An event without both gets its id from
// Lambda's request id, which Lambda keeps when it retries. (RFC 9562 section 5.5, in its namespace of URLs.) The names
// below must never change: after an update an API would take a redelivered run for a new one.
func (j Job) RunID(requestID string) string {
	const urn = "urn:cronbearer:run:"
	name := urn + "request|" + requestID
	if j.ScheduleARN != "" && !j.ScheduledTime.IsZero() {
		name = urn + j.ScheduleARN + "|" + j.ScheduledTime.UTC().Format(time.RFC3339Nano)
	}
	return uuid.NewSHA1(uuid.NameSpaceURL, []byte(name)).String()
}

// Replayable reports whether the request may be sent twice: by its method, or because the user declares the job
// idempotent.
func (j Job) Replayable() bool { return j.Idempotent || j.Call.Replayable() }

// Request fills the placeholders. start replaces an unknown scheduled time. The idempotency header goes on every method
// but GET, HEAD and OPTIONS; an empty name leaves it out. Headers of the user's are set last, so that a Content-Type of
// theirs replaces the default one, and the idempotency header after them, which Parse does not let them set.
func (j Job) Request(runID string, start time.Time, idempotencyHeader string) (request.Request, error) {
	when := j.ScheduledTime
	if when.IsZero() {
		when = start
	}
	v := request.ValuesAt(when, j.zone, map[string]string{"runId": runID})
	body, contentType := v.Body(j.body)
	r, err := j.Fill(v, http.Header{}, body)
	if err != nil {
		return request.Request{}, fmt.Errorf("call: %w", err)
	}
	if r.Body != nil {
		r.Header.Set("Content-Type", contentType)
	}
	for _, h := range j.headers {
		r.Header.Set(h.name, v.Text(h.value))
	}
	switch j.Method {
	case http.MethodGet, http.MethodHead, http.MethodOptions:
	default:
		if idempotencyHeader != "" {
			r.Header.Set(idempotencyHeader, runID)
		}
	}
	return r, nil
}
