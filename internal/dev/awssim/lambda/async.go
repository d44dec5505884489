package lambda

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"net/http"
	"time"
)

// Conditions under which an event goes to the failure destination.
const (
	RetriesExhausted = "RetriesExhausted"
	EventAgeExceeded = "EventAgeExceeded"
)

const (
	// The waits after a function error, and the longest after a throttled attempt (Lambda Developer Guide, "How Lambda
	// handles errors and retries with asynchronous invocation").
	secondAttempt   = time.Minute
	thirdAttempt    = 2 * time.Minute
	throttledFirst  = time.Second
	throttledLonger = 5 * time.Minute
	// defaultAge is MaximumEventAgeInSeconds where it is not set.
	defaultAge = 6 * time.Hour
	// maxEvent: 1 MB since 2025 (Lambda quotas).
	maxEvent = 1 << 20
)

// Async is the queue behind a function's asynchronous invocations.
type Async struct {
	Function   *Function
	MaxRetries int           // 0 to 2
	MaxAge     time.Duration // 0: six hours
	// OnFailure receives the record of an event that was abandoned; nil drops it.
	OnFailure func(record string) error
	// At does something at a time on the clock. It may be called while an event runs.
	At func(at time.Time, do func(context.Context))
	// Count is called with what Lambda counts: AWS/Lambda's metrics.
	Count func(metric string, value float64)
	// Ran is called with each attempt that ran.
	Ran func(Invocation)
	// Broken is called with errors that are not the function's, such as a binary that does not start.
	Broken func(error)
}

// event is one that was accepted.
type event struct {
	payload  []byte
	id       string // "Retries by Lambda keep the same request id"
	accepted time.Time
	runs     int
	waits    int
	last     *Invocation
}

// Accept queues an event, as an Invoke of type Event does, and runs it at once.
func (a *Async) Accept(ctx context.Context, payload []byte) error {
	switch {
	case !json.Valid(payload):
		return errors.New("InvalidRequestContentException: Could not parse request body into json")
	case len(payload) > maxEvent:
		return errors.New(
			"RequestTooLargeException: Request must be smaller than 1048576 bytes for the InvokeFunction operation",
		)
	}
	a.try(ctx, &event{payload: payload, id: a.Function.config.NewID(), accepted: a.Function.config.Now()})
	return nil
}

func (a *Async) maxAge() time.Duration {
	if a.MaxAge == 0 {
		return defaultAge
	}
	return a.MaxAge
}

func (a *Async) try(ctx context.Context, e *event) {
	now := a.Function.config.Now()
	if now.Sub(e.accepted) > a.maxAge() {
		a.giveUp(e, EventAgeExceeded)
		return
	}
	ran, err := a.Function.invoke(ctx, e.payload, e.id)
	if err != nil && !errors.Is(err, ErrThrottled) {
		a.Broken(err)
		return
	}
	if err != nil { // the event goes back to the queue; that is not an attempt
		a.Count("Throttles", 1)
		wait := min(throttledFirst<<min(e.waits, 10), throttledLonger)
		e.waits++
		a.At(now.Add(wait), func(ctx context.Context) { a.try(ctx, e) })
		return
	}
	e.runs++
	e.last = &ran
	a.Count("Invocations", 1)
	a.Ran(ran)
	if !ran.Failed {
		a.Count("Errors", 0)
		return
	}
	a.Count("Errors", 1)
	if e.runs > a.MaxRetries {
		a.giveUp(e, RetriesExhausted)
		return
	}
	wait := secondAttempt
	if e.runs > 1 {
		wait = thirdAttempt
	}
	a.At(now.Add(wait), func(ctx context.Context) { a.try(ctx, e) })
}

// record is what a destination gets (Lambda Developer Guide, "Capturing records of Lambda asynchronous invocations").
type record struct {
	Version        string          `json:"version"`
	Timestamp      string          `json:"timestamp"`
	RequestContext requestContext  `json:"requestContext"`
	RequestPayload json.RawMessage `json:"requestPayload"`
	// Both are absent if the event never ran.
	ResponseContext *responseContext `json:"responseContext,omitempty"`
	ResponsePayload json.RawMessage  `json:"responsePayload,omitempty"`
}

type requestContext struct {
	RequestID              string `json:"requestId"`
	FunctionARN            string `json:"functionArn"`
	Condition              string `json:"condition"`
	ApproximateInvokeCount int    `json:"approximateInvokeCount"`
}

type responseContext struct {
	StatusCode      int    `json:"statusCode"`
	ExecutedVersion string `json:"executedVersion"`
	FunctionError   string `json:"functionError"`
}

// giveUp counts the event as dropped, whether a destination keeps it or not: "Lambda sends the event to the
// dead-letter queue or on-failure destination before dropping it".
func (a *Async) giveUp(e *event, condition string) {
	a.Count("AsyncEventsDropped", 1)
	if a.OnFailure == nil {
		return
	}
	text, err := json.Marshal(a.record(e, condition))
	if err == nil {
		err = a.OnFailure(string(text))
	}
	if err != nil {
		a.Count("DestinationDeliveryFailures", 1)
	}
}

func (a *Async) record(e *event, condition string) record {
	r := record{
		Version: "1.0", Timestamp: a.Function.config.Now().UTC().Format("2006-01-02T15:04:05.000Z"),
		RequestContext: requestContext{e.id, a.Function.config.ARN + ":$LATEST", condition, e.runs},
		RequestPayload: e.payload,
	}
	if e.last != nil {
		r.ResponseContext = &responseContext{http.StatusOK, "$LATEST", "Unhandled"}
		r.ResponsePayload = e.last.Payload
		if !json.Valid(e.last.Payload) {
			r.ResponsePayload = fmt.Appendf(nil, "%q", e.last.Payload)
		}
	}
	return r
}
