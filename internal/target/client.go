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
	sleep     func(context.Context, time.Duration) bool
	backoff   func(failed int) time.Duration
	now       func() time.Time // real time: waiting does not follow the virtual clock
}

// NewClient makes a Client on a transport that follows no redirects.
func NewClient(transport http.RoundTripper) *Client {
	return &Client{transport: transport, sleep: retry.Sleep, backoff: retry.Backoff, now: time.Now}
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
	req, err := c.request(ctx, r, t)
	if err != nil {
		a.Fault = "the request cannot be made"
		return a
	}
	response, err := c.transport.RoundTrip(req)
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
	c.judge(&a, j, response)
	return a
}

// request is the only place that reveals a token to a target.
func (c *Client) request(ctx context.Context, r job.Request, t redact.Secret) (*http.Request, error) {
	var body io.Reader
	if r.Body != nil {
		body = bytes.NewReader(r.Body)
	}
	req, err := http.NewRequestWithContext(ctx, r.Method, r.URL.String(), body)
	if err != nil {
		return nil, err
	}
	req.Header = r.Header.Clone()
	if req.Header.Get("User-Agent") == "" {
		req.Header.Set("User-Agent", "cronbearer")
	}
	req.Header.Set("Authorization", "Bearer "+t.Reveal())
	return req, nil
}

func (c *Client) judge(a *attempted, j job.Job, response *http.Response) {
	a.Status = response.StatusCode
	a.Expiry = token.HeaderExpiry(response.Header)
	if j.RejectsStatus(a.Status) {
		drain(response.Body)
		a.reject(fmt.Sprintf("the target answered %d", a.Status))
		return
	}
	var doc jsondoc.Value
	if j.NeedsBody() {
		text, err := readBody(response.Body)
		if err != nil {
			a.Fault = fmt.Sprintf("the target answered %d, but its body %s", a.Status, err)
			a.retry = !errors.Is(err, errTooLarge) && j.Replayable()
			return
		}
		doc, _, _ = jsondoc.Parse(bytes.TrimPrefix(text, []byte("\ufeff")))
	} else {
		drain(response.Body)
	}
	if j.RejectsBody(doc) {
		a.reject(fmt.Sprintf("the target answered %d with a body that reject.json names", a.Status))
		return
	}
	unmet := j.Unmet(a.Status, response.Header.Get("Content-Type"), doc)
	if unmet == "" {
		a.Verdict = Accepted
		return
	}
	a.Fault = fmt.Sprintf("the target answered %d, and %s", a.Status, unmet)
	a.retryAfter, a.hasRetryAfter = retry.After(response.Header, c.now())
	switch a.Status {
	case http.StatusTooManyRequests:
		a.retry = true
	case http.StatusServiceUnavailable:
		a.retry = a.hasRetryAfter || j.Replayable()
	case http.StatusBadGateway, http.StatusGatewayTimeout:
		a.retry = j.Replayable()
	default:
		a.retry = false
	}
}

func (a *attempted) reject(fault string) {
	a.Verdict, a.Fault = Rejected, fault
	a.Rejections++
}

var errTooLarge = errors.New("is larger than 1 MiB")

func readBody(body io.ReadCloser) ([]byte, error) {
	defer func() { _ = body.Close() }()
	text, err := io.ReadAll(io.LimitReader(body, maxBody+1))
	switch {
	case err != nil:
		return nil, errors.New("was cut off")
	case len(text) > maxBody:
		return nil, errTooLarge
	}
	return text, nil
}

// drain reads a small rest so that the connection can be used again. Closing the body ends a read that takes too long.
func drain(body io.ReadCloser) {
	timer := time.AfterFunc(drainTime, func() { _ = body.Close() })
	_, _ = io.CopyN(io.Discard, body, maxDrain)
	timer.Stop()
	_ = body.Close()
}
