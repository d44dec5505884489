// Package target sends a job's request with a token and judges the answer.
package target

import (
	"bytes"
	"context"
	"errors"
	"fmt"
	"io"
	"net/http"
	"net/http/httptrace"
	"sync/atomic"
	"time"

	"github.com/cronbearer/cronbearer/internal/job"
	"github.com/cronbearer/cronbearer/internal/jsondoc"
	"github.com/cronbearer/cronbearer/internal/outbound"
	"github.com/cronbearer/cronbearer/internal/redact"
	"github.com/cronbearer/cronbearer/internal/retry"
	"github.com/cronbearer/cronbearer/internal/token"
)

// Verdict is what a call tells of its token.
type Verdict string

// Accepted and Rejected are proof; Unknown proves nothing, publishes nothing and clears nothing.
const (
	Accepted Verdict = "accepted"
	Rejected Verdict = "rejected"
	Unknown  Verdict = "unknown"
)

const (
	maxBody = 1 << 20
	// An unread body is drained so that the connection can be used again, but not at any price.
	maxDrain  = 64 << 10
	drainTime = 200 * time.Millisecond
)

// Answer is the end of a call with one token, retries included.
type Answer struct {
	Verdict    Verdict
	Status     int       // 0: no complete response head came
	Sent       int       // requests sent
	Rejections int       // how many of them were rejected
	Expiry     time.Time // the token's, as the target told it; zero: not told
	Fault      string    // what was wrong, for people; empty when accepted
	Refused    bool      // the guard refused the target's address
}

// Client calls targets. It is safe for concurrent use.
type Client struct {
	transport http.RoundTripper
	once      http.RoundTripper // uses no connection twice
	sleep     func(context.Context, time.Duration) bool
	backoff   func(failed int) time.Duration
	now       func() time.Time // real time: waiting does not follow the virtual clock
}

// NewClient makes a Client on a transport that follows no redirects.
func NewClient(transport *http.Transport) *Client {
	return &Client{transport: transport, once: outbound.OnceOnly(transport), sleep: retry.Sleep, backoff: retry.Backoff, now: time.Now}
}

// transportFor keeps a request that must not go out twice off connections that were used before.
func (c *Client) transportFor(j job.Job) http.RoundTripper {
	if j.Replayable() {
		return c.transport
	}
	return c.once
}

// Call sends the request, again where RFC 9110 section 9.2.2 and the job allow it, until an answer stands.
func (c *Client) Call(ctx context.Context, j job.Job, r job.Request, t redact.Secret, deadline time.Time) Answer {
	budget := retry.Budget{Deadline: deadline, Now: c.now}
	total := Answer{Verdict: Unknown, Fault: "no time was left for an attempt"}
	for n := 1; n <= j.Attempts; n++ {
		timeout, ok := budget.Attempt(j.Timeout)
		if !ok {
			break
		}
		a := c.attempt(ctx, j, r, t, timeout)
		a.Sent += total.Sent
		a.Rejections += total.Rejections
		if a.Expiry.IsZero() {
			a.Expiry = total.Expiry
		}
		total = a.Answer
		if !a.retry || n == j.Attempts {
			break
		}
		wait := c.backoff(n)
		if a.hasRetryAfter {
			wait = a.retryAfter
		}
		if !budget.Fits(wait) || !c.sleep(ctx, wait) {
			break
		}
	}
	return total
}

// attempted is one attempt's answer, and whether another may follow.
type attempted struct {
	Answer

	retry         bool
	retryAfter    time.Duration
	hasRetryAfter bool
}

func (c *Client) attempt(ctx context.Context, j job.Job, r job.Request, t redact.Secret, timeout time.Duration) attempted {
	ctx, cancel := context.WithTimeout(ctx, timeout)
	defer cancel()
	var connected, sent atomic.Int32 // connected: a byte of the request may have left
	a := attempted{Answer: Answer{Verdict: Unknown}}
	ctx = httptrace.WithClientTrace(ctx, &httptrace.ClientTrace{
		GotConn:      func(httptrace.GotConnInfo) { connected.Add(1) },
		WroteHeaders: func() { sent.Add(1) }, // each time: the transport itself repeats on a connection that had died idle
	})
	response, err := c.transportFor(j).RoundTrip(request(ctx, r, t))
	a.Sent = int(sent.Load())
	if err != nil {
		refused, isRefused := errors.AsType[*outbound.AddressRefusedError](err)
		if isRefused {
			a.Refused, a.Fault = true, refused.Error()
			return a
		}
		a.Fault = outbound.Explain(err, timeout)
		a.retry = connected.Load() == 0 || j.Replayable()
		return a
	}
	c.judge(&a, j, response, cancel)
	_ = response.Body.Close()
	return a
}

// request is the only place that reveals a token to a target.
func request(ctx context.Context, r job.Request, t redact.Secret) *http.Request {
	req := r.HTTP(ctx)
	req.Header.Set("Authorization", "Bearer "+t.Reveal())
	return req
}

// judge reads as much of the answer as the job's rules need. giveUp ends a read that lasts.
func (c *Client) judge(a *attempted, j job.Job, response *http.Response, giveUp func()) {
	a.Status = response.StatusCode
	a.Expiry = token.HeaderExpiry(response.Header)
	if a.Status == http.StatusUnauthorized || j.RejectsStatus(a.Status) {
		drain(response.Body, giveUp)
		a.reject(fmt.Sprintf("the target answered %d", a.Status))
		return
	}
	// RFC 9110 section 15.2.2: nobody asked for another protocol. What follows is no body and has no end.
	if a.Status == http.StatusSwitchingProtocols {
		a.Fault = "the target answered 101 and switched to a protocol that nobody asked for"
		return
	}
	contentType := response.Header.Get("Content-Type")
	var doc jsondoc.Document
	var unread error
	if needsBody(j, a.Status, contentType) {
		var text []byte
		text, unread = readBody(response.Body)
		doc, _ = jsondoc.Check(bytes.TrimPrefix(text, []byte("\ufeff")))
	} else {
		drain(response.Body, giveUp)
	}
	unmet := j.Unmet(a.Status, contentType, doc)
	switch {
	case unread != nil:
		a.Fault = fmt.Sprintf("the target answered %d, but its body %s", a.Status, unread)
	case j.RejectsBody(doc):
		a.reject(fmt.Sprintf("the target answered %d with a body that reject.json names", a.Status))
		return
	case unmet == "":
		a.Verdict = Accepted
		return
	default:
		a.Fault = fmt.Sprintf("the target answered %d: %s", a.Status, unmet)
	}
	a.retryAfter, a.hasRetryAfter = retry.After(response.Header, c.now())
	switch a.Status {
	case http.StatusTooManyRequests:
		a.retry = true
	case http.StatusServiceUnavailable:
		a.retry = a.hasRetryAfter || j.Replayable()
	case http.StatusBadGateway, http.StatusGatewayTimeout:
		a.retry = j.Replayable()
	default:
		a.retry = errors.Is(unread, errCutOff) && j.Replayable()
	}
}

// needsBody tells whether a rule looks at the body of an answer with this head.
func needsBody(j job.Job, status int, contentType string) bool {
	head := j
	head.Expect.JSON = nil
	return len(j.Reject.JSON) > 0 || j.NeedsBody() && head.Unmet(status, contentType, jsondoc.Document{}) == ""
}

func (a *attempted) reject(fault string) {
	a.Verdict, a.Fault = Rejected, fault
	a.Rejections++
}

var (
	errTooLarge = errors.New("is larger than 1 MiB")
	errCutOff   = errors.New("was cut off")
)

func readBody(body io.Reader) ([]byte, error) {
	var text bytes.Buffer // it doubles, where io.ReadAll adds a quarter and leaves five times the body behind
	_, err := text.ReadFrom(io.LimitReader(body, maxBody+1))
	switch {
	case err != nil:
		return nil, errCutOff
	case text.Len() > maxBody:
		return nil, errTooLarge
	}
	return text.Bytes(), nil
}

// drain reads a small rest so that the connection can be used again. Closing the body would not end a read that takes
// too long: while a gzip header is awaited, net/http's Close waits too.
func drain(body io.Reader, giveUp func()) {
	timer := time.AfterFunc(drainTime, giveUp)
	_, _ = io.CopyN(io.Discard, body, maxDrain)
	timer.Stop()
}
