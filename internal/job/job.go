// Package job reads the event of a schedule: what to call, when, and what its answers mean. It is for the user's
// words only; it reads no secret and opens no connection.
package job

import (
	"bytes"
	"context"
	"fmt"
	"io"
	"net/http"
	"net/url"
	"strings"
	"time"

	"github.com/google/uuid"

	"github.com/cronbearer/cronbearer/internal/jsondoc"
)

// Action is what a run does.
type Action string

// The actions: Call the target, or Check the token and call nobody.
const (
	Call  Action = "call"
	Check Action = "check"
)

// Limits and defaults of the event (docs/configuration.md).
const (
	DefaultTimeout  = 30 * time.Second
	MinTimeout      = time.Second
	MaxTimeout      = 840 * time.Second
	DefaultAttempts = 3
	MaxAttempts     = 10
)

// Job is a checked event.
type Job struct {
	Rules

	Name, Token string // names, as they stand in metrics, alarms and logs
	Secret      string // name or ARN in Secrets Manager, without the prefix
	SecretKey   string // key or JSON pointer of the token in the secret's object; empty: the secret's own form
	Action      Action
	Method      string
	Timeout     time.Duration // of one attempt
	Attempts    int           // the first included
	Idempotent  bool
	MaxAge      time.Duration // 0: none
	ReadsBody   bool          // the answer's body is wanted, also where no rule needs it

	ScheduleARN   string
	ScheduledTime time.Time // zero: unknown

	location string // the URL with its placeholders
	headers  []header
	body     jsondoc.Value
	zone     *time.Location // of the local times; nil: UTC
}

type header struct{ name, value string }

// InvalidError lists everything that is wrong with an event.
type InvalidError struct{ Problems jsondoc.Problems }

func (e *InvalidError) Error() string { return e.Problems.String() }

// Age is how late the run is at now, 0 if the scheduled time is not known.
func (j Job) Age(now time.Time) time.Duration {
	if j.ScheduledTime.IsZero() {
		return 0
	}
	return now.Sub(j.ScheduledTime)
}

// RunID is the same for every delivery of the same scheduled start: a UUIDv5 of the schedule's ARN and the scheduled time.
// Scheduler's own execution id is new for each attempt to deliver. An event without the two gets its id from Lambda's
// request id, which Lambda keeps when it retries.
func (j Job) RunID(requestID string) string {
	const urn = "urn:cronbearer:run:"
	name := urn + "request|" + requestID
	if j.ScheduleARN != "" && !j.ScheduledTime.IsZero() {
		name = urn + j.ScheduleARN + "|" + j.ScheduledTime.UTC().Format(time.RFC3339Nano)
	}
	return uuid.NewSHA1(uuid.NameSpaceURL, []byte(name)).String()
}

// Request is what a run sends, but for the token.
type Request struct {
	Method string
	URL    *url.URL
	Header http.Header
	Body   []byte // nil: none
}

// HTTP is the request for net/http. It has no token.
func (r Request) HTTP(ctx context.Context) *http.Request {
	request := (&http.Request{Method: r.Method, URL: r.URL, Host: r.URL.Host, Header: r.Header.Clone()}).WithContext(ctx)
	if len(r.Body) > 0 { // net/http takes a Body with a ContentLength of 0 for one of unknown length
		request.ContentLength = int64(len(r.Body))
		request.GetBody = func() (io.ReadCloser, error) { return io.NopCloser(bytes.NewReader(r.Body)), nil }
		request.Body, _ = request.GetBody()
	}
	if request.Header.Get("User-Agent") == "" {
		request.Header.Set("User-Agent", "cronbearer")
	}
	return request
}

// Replayable reports whether sending the request twice does what sending it once does (RFC 9110 section 9.2.2), or
// whether the user says so of this job.
func (j Job) Replayable() bool {
	switch j.Method {
	case http.MethodGet, http.MethodHead, http.MethodPut, http.MethodDelete, http.MethodOptions:
		return true
	default:
		return j.Idempotent
	}
}

// Request fills the placeholders. start stands in for an unknown scheduled time. The idempotency header goes on every
// method but GET, HEAD and OPTIONS; an empty name leaves it out.
func (j Job) Request(runID string, start time.Time, idempotencyHeader string) (Request, error) {
	when := j.ScheduledTime
	if when.IsZero() {
		when = start
	}
	v := ValuesAt(when, j.zone, map[string]string{"runId": runID})
	u, err := parseLocation(j.location, v)
	if err != nil {
		return Request{}, fmt.Errorf("call: %w", err)
	}
	r := Request{Method: j.Method, URL: u, Header: http.Header{}}
	var contentType string
	if r.Body, contentType = v.Body(j.body); r.Body != nil {
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

// Host is the target's host, with its port if the URL has one.
func (j Job) Host() string {
	_, rest, _ := strings.Cut(j.location, "://")
	end := strings.IndexAny(rest, "/?")
	if end < 0 {
		return rest
	}
	return rest[:end]
}
