// Package endpoint makes a call with a token and reports what the answer says about that token. Only proof is a
// verdict: a 401, an invalid_token challenge (RFC 6750 section 3.1) or a rule of the user's rejects a token, the answer
// that the user expects accepts it, and everything else (time-outs, 5xx, rate limits, a missing right) leaves it
// unknown, so that an outage of the target never looks like a dead token. Requests are retried as RFC 9110 section
// 9.2.2 allows. It does not choose the token: package caller does.
package endpoint

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

	"github.com/cronbearer/cronbearer/internal/egress"
	"github.com/cronbearer/cronbearer/internal/jsondoc"
	"github.com/cronbearer/cronbearer/internal/redact"
	"github.com/cronbearer/cronbearer/internal/request"
	"github.com/cronbearer/cronbearer/internal/retry"
)

// Verdict is what a call reports about its token.
type Verdict string

// Accepted and Rejected are proof; Unknown proves nothing, publishes nothing and clears nothing.
const (
	Accepted Verdict = "accepted"
	Rejected Verdict = "rejected"
	Unknown  Verdict = "unknown"
)

const (
	// maxBody is an error when it is exceeded and never a silent cut: a rule that sees half a body judges another answer.
	maxBody  = 1 << 20
	maxPeek  = 64 << 10 // of a body that no rule needs
	peekTime = 200 * time.Millisecond
)

// Answer is the result of a call with one token, retries included.
type Answer struct {
	Verdict    Verdict
	Status     int       // 0: no complete response head came
	Sent       int       // requests sent
	Rejections int       // how many of them were rejected
	Expiry     time.Time // the token's, as the target reports it; zero: unknown
	Unread     string    // why the expiry that the target reports could not be read; empty: it was read, or there is none
	Reason     string    // what was wrong, for operators; empty when accepted
	Said       string    // the target's own message about that, one line; empty: none
	RequestID  string    // the target's id of the request; empty: none
	Blocked    bool      // the guard blocked the target's address
	// MissesScope: the token is good and a right is missing (RFC 6750 section 3.1, insufficient_scope).
	MissesScope bool
	Body        *jsondoc.Document // of an answer that the job reads; nil: none, or not JSON
	NotDone     bool              // rejected before anything was done: by 401 or an invalid_token challenge
}

// Policy is how often and for how long a call is tried, and how its answers are judged.
type Policy struct {
	Attempts   int           // the first included
	Timeout    time.Duration // of one attempt
	Replayable bool          // the request may be sent again although it may have been processed
	Rules      request.Rules
	ReadsBody  bool // the answer's body is read even if no rule needs it
}

// Client calls targets. It is safe for concurrent use.
type Client struct {
	transport http.RoundTripper
	once      http.RoundTripper // never reuses a connection
	sleep     func(context.Context, time.Duration) bool
	backoff   func(failed int) time.Duration
	now       func() time.Time // real time: waiting does not follow the virtual clock
}

// NewClient returns a Client on a transport that follows no redirects.
func NewClient(transport *http.Transport) *Client {
	return &Client{
		transport: transport, once: egress.OnceOnly(transport), sleep: retry.Sleep, backoff: retry.Backoff, now: time.Now,
	}
}

// transportFor returns a transport that sends a request that must not be repeated on a new connection.
func (c *Client) transportFor(p Policy) http.RoundTripper {
	if p.Replayable {
		return c.transport
	}
	return c.once
}

// Call sends the request, and retries as the policy allows while there is time before the deadline of ctx. The error of
// the last attempt is the answer's Reason; rejections and requests are counted over all of them, and an expiry that an
// earlier answer reported stays.
func (c *Client) Call(ctx context.Context, p Policy, r request.Request, t redact.Secret) Answer {
	budget := retry.Budget{Now: c.now}
	budget.Deadline, _ = ctx.Deadline()
	total := Answer{Verdict: Unknown, Reason: "no time was left for an attempt"}
	loop := retry.Loop{Budget: budget, Max: p.Attempts, Backoff: c.backoff, Sleep: c.sleep}
	retry.Do(ctx, loop, func(int) retry.Next {
		timeout, ok := budget.Attempt(p.Timeout)
		if !ok {
			return retry.Next{}
		}
		a := c.attempt(ctx, p, r, t, timeout)
		a.Sent += total.Sent
		a.Rejections += total.Rejections
		if a.Expiry.IsZero() {
			a.Expiry = total.Expiry
		}
		total = a.Answer
		return a.next
	})
	return total
}

// attempted is one attempt's answer, and whether another may follow.
type attempted struct {
	Answer

	next retry.Next
}

// attempt makes one request. Whether anything of it may have left is known from the connection: before there is one,
// every method may be retried (RFC 9110 section 9.2.2 speaks of requests that were not applied).
func (c *Client) attempt(
	ctx context.Context, p Policy, r request.Request, t redact.Secret, timeout time.Duration,
) attempted {
	ctx, cancel := context.WithTimeout(ctx, timeout)
	defer cancel()
	var connected, sent atomic.Int32 // connected: a byte of the request may have left
	a := attempted{Answer: Answer{Verdict: Unknown}}
	ctx = httptrace.WithClientTrace(ctx, &httptrace.ClientTrace{
		GotConn:      func(httptrace.GotConnInfo) { connected.Add(1) },
		WroteHeaders: func() { sent.Add(1) }, // each time: the transport itself retries on a connection that had died idle
	})
	response, err := c.transportFor(p).RoundTrip(authorized(ctx, r, t))
	a.Sent = int(sent.Load())
	if err != nil {
		blocked, isBlocked := errors.AsType[*egress.BlockedError](err)
		if isBlocked {
			a.Blocked, a.Reason = true, blocked.Error()
			return a
		}
		a.Reason = egress.Explain(err, timeout)
		a.next.Retry = connected.Load() == 0 || p.Replayable
		return a
	}
	c.judge(&a, p, response, cancel)
	_ = response.Body.Close()
	return a
}

// authorized is the only place that reveals a token to a target.
func authorized(ctx context.Context, r request.Request, t redact.Secret) *http.Request {
	req := r.HTTP(ctx)
	req.Header.Set("Authorization", "Bearer "+t.Reveal())
	return req
}

// judge applies the rules in the order of the contract: 401 and challenge, reject.json, rate limit, reject.status,
// expect. It reads as much of the answer as the rules need. giveUp aborts a slow read.
func (c *Client) judge(a *attempted, p Policy, response *http.Response, giveUp func()) {
	a.Status, a.RequestID = response.StatusCode, requestID(response.Header)
	a.Expiry, a.Unread = headerExpiry(response.Header)
	// RFC 9110 section 15.2.2: no one requested another protocol. What follows is not a body and has no end.
	if a.Status == http.StatusSwitchingProtocols {
		a.Reason = "the target answered 101 and switched to a protocol that was not requested"
		return
	}
	what := fmt.Sprintf("the target answered %d", a.Status)
	encoding := decode(response)
	limit := retry.ReadLimit(response, c.now())
	challenged := readBearer(response.Header)
	// RFC 6750 section 3.1: with insufficient_scope a new token would not help. An answer with both errors is a rejection.
	missesScope := challenged.insufficientScope && !challenged.invalidToken
	unauthorized := a.Status == http.StatusUnauthorized
	blocked := unauthorized && !missesScope || challenged.invalidToken && 400 <= a.Status && a.Status <= 499
	if blocked {
		a.NotDone = true
		a.reject(what + challenged.explain())
		a.Said = said(response.Header, peek(response.Body, giveUp), jsondoc.Document{})
		return
	}
	// A rate limit is no verdict on the token, even if its status is one that reject lists: GitHub answers 403 for it.
	if p.Rules.RejectsStatus(a.Status) && !limit.Limited {
		a.reject(what + ", which reject.status lists" + pointsTo(response))
		a.Said = said(response.Header, peek(response.Body, giveUp), jsondoc.Document{})
		return
	}
	body := read(p, response, encoding, giveUp)
	if p.ReadsBody {
		a.Body = &body.doc
	}
	unmet := p.Rules.Unmet(a.Status, response.Header.Get("Content-Type"), body.doc)
	switch {
	case body.unread != nil && p.rulesNeedBody(a.Status, response.Header.Get("Content-Type")):
		a.Reason = fmt.Sprintf("%s, but its body %s", what, body.unread)
	case p.Rules.RejectsBody(body.doc):
		a.reject(what + " with a body that matches reject.json")
	case unmet == "" && !(unauthorized && missesScope):
		a.Verdict = Accepted
		return
	case limit.Limited:
		a.Reason = what + ": " + limit.String()
	case missesScope:
		a.MissesScope = true
		a.Reason = what + challenged.explain()
	default:
		a.Reason = what + ": " + unmet + pointsTo(response)
	}
	a.Said = said(response.Header, body.text, body.doc)
	if a.Verdict == Rejected {
		return
	}
	retried := limit.Retry || statusRetried(p, a.Status, limit.HasWait) || errors.Is(body.unread, errCutOff) &&
		p.Replayable
	a.next = retry.Next{Retry: retried, Wait: limit.Wait, HasWait: limit.HasWait}
}

// content is what was read of an answer's body.
type content struct {
	text   []byte           // perhaps only its beginning
	doc    jsondoc.Document // zero: not JSON, or not needed
	unread error
}

// read reads the whole body only if a rule needs it. Else its beginning is enough: for the message of a failed call, or
// to leave the connection usable after a good one.
func read(p Policy, response *http.Response, encoding string, giveUp func()) (b content) {
	contentType := response.Header.Get("Content-Type")
	if needsBody(p, response.StatusCode, contentType) {
		if encoding != "" {
			b.unread = fmt.Errorf(
				"has the content encoding %s, which cannot be read: remove Accept-Encoding from the job's headers",
				redact.Quote(encoding),
			)
			return b
		}
		if b.text, b.unread = readBody(response.Body); b.unread == nil {
			b.doc, _ = jsondoc.Check(bytes.TrimPrefix(b.text, []byte("\ufeff")))
		}
		return b
	}
	if p.Rules.Unmet(response.StatusCode, contentType, jsondoc.Document{}) == "" {
		drain(io.Discard, response.Body, giveUp)
		return b
	}
	b.text = peek(response.Body, giveUp)
	return b
}

// explain returns the challenge's meaning for operators.
func (b bearerChallenges) explain() string {
	switch {
	case b.invalidToken:
		return ` and its challenge says error="invalid_token"`
	case b.insufficientScope && b.scope != "":
		return ": the token is good but lacks the right for this call (insufficient_scope); the target names the scope " +
			redact.Quote(b.scope)
	case b.insufficientScope:
		return ": the token is good but lacks the right for this call (insufficient_scope)"
	default:
		return ""
	}
}

// statusRetried reports whether a status may be transient. Unless it says that nothing was done, as 503 with
// Retry-After does, only replayable requests are retried.
func statusRetried(p Policy, status int, hasWait bool) bool {
	return status == http.StatusServiceUnavailable && hasWait || retry.Transient(status) && p.Replayable
}

// needsBody reports whether the body of an answer with this head is read: by a rule, or for what else is in it.
func needsBody(p Policy, status int, contentType string) bool {
	return p.ReadsBody || p.rulesNeedBody(status, contentType)
}

func (p Policy) rulesNeedBody(status int, contentType string) bool {
	head := p.Rules
	head.Expect.JSON = nil
	return len(p.Rules.Reject.JSON) > 0 || p.Rules.NeedsBody() &&
		head.Unmet(status, contentType, jsondoc.Document{}) == ""
}

func (a *attempted) reject(reason string) {
	a.Verdict, a.Reason = Rejected, reason
	a.Rejections++
}

var (
	errTooLarge = errors.New("is larger than 1 MiB")
	errCutOff   = errors.New("was cut off")
)

// readBody reads at most a byte more than maxBody, after decompression: a few kilobytes of gzip can become gigabytes.
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
