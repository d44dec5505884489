// Package oauth is the client of everything that issues tokens: token endpoints (RFC 6749 and its assertion grants),
// login calls, "new token" calls and AWS's own identity. Each call is made once and its answer classified: a grant, a
// rejection of the credential, a mistake in the request, or a transient failure. When to ask, whether to retry and what
// to keep is not decided here but by package token's Minter and package rotation. No answer is lost: even with an error
// its body is returned, as a one-time refresh token may be in it. Every secret of an answer is registered with the
// scrubber before anything else happens.
package oauth

import (
	"context"
	"errors"
	"fmt"
	"net/http"
	"slices"
	"time"

	"github.com/cronbearer/cronbearer/internal/egress"
	"github.com/cronbearer/cronbearer/internal/jsondoc"
	"github.com/cronbearer/cronbearer/internal/redact"
	"github.com/cronbearer/cronbearer/internal/retry"
)

const (
	exchangeTimeout = 15 * time.Second
	longestWait     = 15 * time.Minute // as long as a Lambda function

	// An assertion is used at once. Salesforce accepts at most three minutes; a clock that is half a minute behind must
	// not see one from the future.
	assertionLife  = 3 * time.Minute
	assertionEarly = 30 * time.Second
)

// Error is returned when a provider issued no token. Its text may quote the provider and is to be scrubbed. Rejected
// implies Permanent, InvalidGrant implies Rejected.
type Error struct {
	From         string // what was called, before its host; empty: the token endpoint
	Host         string
	Reason       string
	Code         string // the provider's own, such as invalid_grant (RFC 6749 section 5.2), in lower case; empty: none
	Rejected     bool   // the provider rejects the client, its assertion or its refresh token
	Permanent    bool   // no retry fixes it
	InvalidGrant bool   // the refresh token or the assertion is rejected, not the client (RFC 6749 section 5.2)
	Unbound      bool   // the token is not bound to the host: nothing was sent

	Next retry.Next // whether a retry may follow, and when
}

func (e *Error) Error() string {
	from := e.From
	if from == "" {
		from = "the token endpoint"
	}
	return fmt.Sprintf("%s %s %s", from, e.Host, e.Reason)
}

// Client asks providers for tokens. golang.org/x/oauth2 is not used: docs/decisions/0006 has the reasons.
type Client struct {
	transport http.RoundTripper
	trust     *egress.Trust[http.RoundTripper] // nil: the transport cannot trust more
	sts       IdentityProvider                 // nil: the function has no identity to present
	now       func() time.Time
	pause     func(context.Context, time.Duration) bool // between two requests to AWS
	scrub     *redact.Scrubber
}

// NewClient returns a Client on a transport that follows no redirects. now is wall-clock time.
func NewClient(transport http.RoundTripper, now func() time.Time, scrub *redact.Scrubber) *Client {
	c := &Client{transport: transport, now: now, pause: retry.Sleep, scrub: scrub}
	if t, ok := transport.(*http.Transport); ok {
		c.trust = egress.NewTrust(t, func(t *http.Transport) http.RoundTripper { return t })
	}
	return c
}

// WithIdentity returns the Client of a function that has an identity to present. pause replaces its wait for IAM; nil:
// it really waits.
func (c *Client) WithIdentity(sts IdentityProvider, pause func(context.Context, time.Duration) bool) *Client {
	with := *c
	with.sts = sts
	if pause != nil {
		with.pause = pause
	}
	return &with
}

// Trusting returns a Client that trusts the certificates of ca as well. nil: there are none.
func (c *Client) Trusting(ca *egress.CA) *Client {
	if ca == nil || c.trust == nil {
		return c
	}
	trusting := *c
	trusting.transport = c.trust.For(ca)
	return &trusting
}

// permanent returns an error that no retry fixes.
func permanent(from, host, format string, args ...any) *Error {
	return &Error{From: from, Host: host, Reason: fmt.Sprintf(format, args...), Permanent: true}
}

// Once makes exactly one token request, as a one-time refresh token must not be posted twice. It waits for as
// long as ctx allows: an answer that no one waits for is a lost refresh token. With an error there may still be a Raw
// answer with a new refresh token in it. The error is an *Error.
func (c *Client) Once(ctx context.Context, o *Config) (Granted, error) {
	return result(c.within(ctx, o, longestWait))
}

// Token makes one token request of at most 15 seconds, which may be repeated. The error is an *Error.
func (c *Client) Token(ctx context.Context, o *Config) (Granted, error) {
	return result(c.within(ctx, o, exchangeTimeout))
}

// result keeps a nil *Error from becoming a non-nil error.
func result(granted Granted, failed *Error) (Granted, error) {
	if failed != nil {
		return granted, failed
	}
	return granted, nil
}

// within registers every token in the answer before it judges the answer: the text of each failure quotes the provider.
func (c *Client) within(ctx context.Context, o *Config, timeout time.Duration) (Granted, *Error) {
	asked := c.now() // a lifetime counts from before the request
	signed, failed := c.assertions(ctx, o)
	if failed != nil {
		return Granted{}, failed
	}
	request, err := c.request(ctx, o, signed)
	if err != nil {
		return Granted{}, permanent("", o.TokenURL.Host, "was not called: %s", err)
	}
	a, failed := c.send(request, "", timeout)
	if failed != nil {
		return Granted{}, failed
	}
	for _, name := range []string{"access_token", "refresh_token", "id_token"} {
		c.scrub.Add(a.get(name).Text)
	}
	failed = &Error{Host: o.TokenURL.Host}
	if !a.successful() {
		a.sort(failed, o)
		return Granted{}, failed
	}
	granted, problem := a.granted(asked, o.Grant == RefreshToken, c.scrub)
	switch {
	case a.get("access_token").Kind != jsondoc.String:
		a.sort(failed, o)
	case problem != "":
		failed.Permanent, failed.Reason = true, fmt.Sprintf("answered %d, but %s", a.status, problem)
	default:
		return granted, nil
	}
	return granted, failed
}

// send makes a request and reads its answer. It uses the transport and not an http.Client, so that no redirect is
// followed and no cookie kept.
func (c *Client) send(request *http.Request, from string, timeout time.Duration) (*answer, *Error) {
	ctx, cancel := context.WithTimeout(request.Context(), timeout)
	defer cancel()
	started := time.Now()
	response, err := c.transport.RoundTrip(request.WithContext(ctx))
	if err != nil {
		if blocked, ok := errors.AsType[*egress.BlockedError](err); ok {
			return nil, permanent(from, request.URL.Host, "was not called: %s", blocked)
		}
		return nil, &Error{
			From: from, Host: request.URL.Host, Next: retry.Next{Retry: true},
			Reason: "did not answer: " + egress.Explain(err, min(timeout, time.Since(started))),
		}
	}
	defer func() { _ = response.Body.Close() }()
	return readAnswer(response), nil
}

// rejections are the codes of a rejected credential under any status, and whether it is the grant that is rejected. RFC
// 6749 section 5.2, and two of GitHub's. GitHub answers 200 with an error, Auth0 403 and most others 400 or 401, so the
// code counts and not the status.
var rejections = map[string]bool{
	"invalid_client": false, "unauthorized_client": false, "incorrect_client_credentials": false,
	"invalid_grant": true, "bad_refresh_token": true,
}

// mistakes are the codes of an invalid request, which no retry fixes (RFC 6749 section 5.2).
var mistakes = []string{"invalid_request", "invalid_scope", "unsupported_grant_type"}

// sort separates a rejected credential and an invalid request from a transient failure. The order is that of certainty:
// a known code, then the status, then the form of the answer.
func (a *answer) sort(e *Error, o *Config) {
	e.Code = a.code(func(code string) bool {
		_, rejection := rejections[code]
		return rejection || slices.Contains(mistakes, code)
	})
	invalidGrant, rejection := rejections[e.Code]
	switch {
	case rejection, a.status == http.StatusUnauthorized:
		e.Rejected, e.Permanent, e.InvalidGrant = true, true, invalidGrant
	case slices.Contains(mistakes, e.Code) && a.status < http.StatusInternalServerError:
		e.Permanent = true
	case a.successful() && !a.doc.IsZero() && a.isObject() && e.Code == "":
		e.Permanent = true // an answer of the right form, without an access_token
	}
	e.Reason = fmt.Sprintf("answered %d%s%s", a.status, a.words(), a.redirected())
	switch {
	case a.unread != "":
		e.Reason += ", but " + a.unread
	case a.successful() && !a.isObject():
		e.Reason += ", but not with a JSON object" // such as a maintenance page: it proves nothing
	case a.successful() && !e.Rejected:
		e.Reason += ", without an access_token"
	case e.Rejected && !invalidGrant && e.Code != "unauthorized_client":
		e.Reason += ". " + o.credentialHint()
	}
	e.Next = a.next(e.Rejected)
}

func (a *answer) isObject() bool { return a.doc.Lookup(jsondoc.Pointer{}).Kind == jsondoc.Object }

// next is what the answer leaves to be done.
func (a *answer) next(rejected bool) retry.Next {
	return retry.Next{Retry: a.retryable(rejected), Wait: a.limit.Wait, HasWait: a.limit.HasWait}
}

// retryable treats a token call as a GET: a second one does no harm. A rejection under a 5xx may be a server problem,
// one under a 403 is not.
func (a *answer) retryable(rejected bool) bool {
	switch {
	case a.status == http.StatusForbidden:
		return a.limit.Retry && !rejected
	default:
		return a.limit.Retry || retry.Transient(a.status) || a.cutOff && !rejected
	}
}
