package token

import (
	"context"
	"crypto/rand"
	"encoding/base64"
	"errors"
	"fmt"
	"net/http"
	"net/url"
	"slices"
	"strings"
	"time"

	"github.com/golang-jwt/jwt/v5"

	"github.com/cronbearer/cronbearer/internal/jsondoc"
	"github.com/cronbearer/cronbearer/internal/outbound"
	"github.com/cronbearer/cronbearer/internal/redact"
	"github.com/cronbearer/cronbearer/internal/retry"
)

const (
	exchangeTimeout = 15 * time.Second
	longestWait     = 15 * time.Minute // as long as a Lambda function

	// An assertion is used at once. Salesforce takes at most three minutes; a clock that is half a minute behind must
	// not see one from the future.
	assertionLife  = 3 * time.Minute
	assertionEarly = 30 * time.Second
)

// Grants on the wire (RFC 6749 sections 4.4.2 and 6, RFC 7523 section 2.1) and the type of a client assertion
// (RFC 7523 section 2.2).
const (
	grantJWTBearer  = "urn:ietf:params:oauth:grant-type:jwt-bearer"
	clientAssertion = "urn:ietf:params:oauth:client-assertion-type:jwt-bearer"
)

// MintError says why a provider gave no token.
type MintError struct {
	From         string // what was asked, before its host; empty: the token endpoint
	Host         string
	Reason       string
	Code         string // the provider's own, such as invalid_grant (RFC 6749 section 5.2), in lower case; empty: none
	Refused      bool   // the provider refuses the client, its assertion or its refresh token
	Lasting      bool   // no retry fixes it
	InvalidGrant bool   // refused is the refresh token, or the assertion: not the client
}

func (e *MintError) Error() string {
	from := e.From
	if from == "" {
		from = "the token endpoint"
	}
	return fmt.Sprintf("%s %s %s", from, e.Host, e.Reason)
}

// Exchanger asks token endpoints for tokens. golang.org/x/oauth2 is not used: docs/decisions says why.
type Exchanger struct {
	transport http.RoundTripper
	now       func() time.Time
	scrub     *redact.Scrubber
}

// NewExchanger returns an Exchanger on a transport that follows no redirects. now is wall-clock time.
func NewExchanger(transport http.RoundTripper, now func() time.Time, scrub *redact.Scrubber) *Exchanger {
	return &Exchanger{transport, now, scrub}
}

// attemptError is a MintError that says whether asking again may help.
type attemptError struct {
	*MintError

	retry         bool
	retryAfter    time.Duration
	hasRetryAfter bool
}

// lasting is a failure that no retry fixes.
func lasting(from, host, format string, args ...any) *attemptError {
	return &attemptError{MintError: &MintError{From: from, Host: host, Reason: fmt.Sprintf(format, args...), Lasting: true}}
}

// Once makes one token request and no second one, as a one-time refresh token must not be posted twice. It waits for as
// long as ctx lasts: an answer that nobody waits for is a refresh token lost. With an error there may still be a Raw
// answer, and in it a new refresh token. The error is a *MintError.
func (x *Exchanger) Once(ctx context.Context, o *OAuth2) (Granted, error) {
	granted, failed := x.within(ctx, o, longestWait)
	if failed != nil {
		return granted, failed.MintError
	}
	return granted, nil
}

func (x *Exchanger) attempt(ctx context.Context, o *OAuth2) (Granted, *attemptError) {
	return x.within(ctx, o, exchangeTimeout)
}

func (x *Exchanger) within(ctx context.Context, o *OAuth2, timeout time.Duration) (Granted, *attemptError) {
	asked := x.now() // a lifetime counts from before the request
	request, err := x.request(ctx, o)
	if err != nil {
		return Granted{}, lasting("", o.TokenURL.Host, "was not asked: %s", err)
	}
	a, failed := x.send(request, "", timeout)
	if failed != nil {
		return Granted{}, failed
	}
	for _, name := range []string{"access_token", "refresh_token", "id_token"} {
		x.scrub.Add(a.get(name).Text)
	}
	failed = &attemptError{MintError: &MintError{Host: o.TokenURL.Host}}
	if !a.successful() {
		a.sort(failed, o)
		return Granted{}, failed
	}
	granted, problem := a.granted(asked, o.Grant == RefreshToken)
	switch {
	case a.get("access_token").Kind != jsondoc.String:
		a.sort(failed, o)
	case problem != "":
		failed.Lasting, failed.Reason = true, fmt.Sprintf("answered %d, but %s", a.status, problem)
	default:
		return granted, nil
	}
	return granted, failed
}

// send makes a request and reads its answer.
func (x *Exchanger) send(request *http.Request, from string, timeout time.Duration) (*answer, *attemptError) {
	ctx, cancel := context.WithTimeout(request.Context(), timeout)
	defer cancel()
	started := time.Now()
	response, err := x.transport.RoundTrip(request.WithContext(ctx))
	if err != nil {
		if blocked, ok := errors.AsType[*outbound.AddressRefusedError](err); ok {
			return nil, lasting(from, request.URL.Host, "was not asked: %s", blocked)
		}
		return nil, &attemptError{retry: true, MintError: &MintError{
			From: from, Host: request.URL.Host, Reason: "gave no answer: " + outbound.Explain(err, min(timeout, time.Since(started))),
		}}
	}
	defer func() { _ = response.Body.Close() }()
	return readAnswer(response), nil
}

// refusals are the codes of a refused credential under whatever status, and whether it is the grant that is refused.
// RFC 6749 section 5.2, and two of GitHub's.
var refusals = map[string]bool{
	"invalid_client": false, "unauthorized_client": false, "incorrect_client_credentials": false,
	"invalid_grant": true, "bad_refresh_token": true,
}

// mistakes are the codes of a request that no retry makes better (RFC 6749 section 5.2).
var mistakes = []string{"invalid_request", "invalid_scope", "unsupported_grant_type"}

// sort distinguishes a refused credential and a mistake in the request from a transient failure.
func (a *answer) sort(e *attemptError, o *OAuth2) {
	e.Code = a.code(func(code string) bool {
		_, refusal := refusals[code]
		return refusal || slices.Contains(mistakes, code)
	})
	invalidGrant, refusal := refusals[e.Code]
	switch {
	case refusal, a.status == http.StatusUnauthorized:
		e.Refused, e.Lasting, e.InvalidGrant = true, true, invalidGrant
	case slices.Contains(mistakes, e.Code) && a.status < http.StatusInternalServerError:
		e.Lasting = true
	case a.successful() && !a.doc.IsZero() && a.isObject() && e.Code == "":
		e.Lasting = true // an answer of the right form, without an access_token
	}
	e.Reason = fmt.Sprintf("answered %d%s%s", a.status, a.words(), a.redirected())
	switch {
	case a.unread != "":
		e.Reason += ", but " + a.unread
	case a.successful() && !a.isObject():
		e.Reason += ", but not with a JSON object" // a maintenance page, say: it proves nothing
	case a.successful() && !e.Refused:
		e.Reason += ", without an access_token"
	case e.Refused && !invalidGrant && e.Code != "unauthorized_client":
		e.Reason += ". " + o.credentialHint()
	}
	e.retry, e.retryAfter, e.hasRetryAfter = a.retryable(e.Refused)
}

func (a *answer) isObject() bool { return a.doc.Lookup(jsondoc.Pointer{}).Kind == jsondoc.Object }

// retryable treats a call for a token as a GET: a second one does no harm. A refusal under a 5xx may be a server's trouble.
func (a *answer) retryable(refused bool) (retries bool, after time.Duration, hasAfter bool) {
	after, hasAfter = retry.After(a.header, time.Now())
	switch {
	case a.status == http.StatusNotImplemented:
	case a.status >= http.StatusInternalServerError, a.status == http.StatusTooManyRequests,
		a.status == http.StatusRequestTimeout, a.status == http.StatusTooEarly:
		retries = true
	case a.status == http.StatusForbidden: // GitHub's rate limit
		retries = hasAfter && !refused
	default:
		retries = a.cutOff && !refused
	}
	return retries, after, hasAfter
}

// request is the only place that reveals a client's credentials.
func (x *Exchanger) request(ctx context.Context, o *OAuth2) (*http.Request, error) {
	form := url.Values{}
	set := func(name, value string) {
		if value != "" {
			form.Set(name, value)
		}
	}
	set("scope", o.Scope)
	switch o.Grant {
	case ClientCredentials:
		form.Set("grant_type", string(ClientCredentials))
		set("audience", o.Audience)
	case RefreshToken:
		form.Set("grant_type", string(RefreshToken))
		form.Set("refresh_token", o.RefreshToken.Reveal())
	case JWTBearer:
		audience := o.Audience
		if audience == "" {
			audience = o.TokenURL.String()
		}
		assertion, err := x.sign(o.Key, o.Issuer, o.Subject, audience, o.Scope)
		if err != nil {
			return nil, err
		}
		form.Set("grant_type", grantJWTBearer)
		form.Set("assertion", assertion)
	}
	basic := ""
	switch {
	case o.Auth == AuthPrivateKeyJWT:
		assertion, err := x.sign(o.Key, o.ClientID, o.ClientID, o.TokenURL.String(), "")
		if err != nil {
			return nil, err
		}
		set("client_id", o.ClientID)
		form.Set("client_assertion_type", clientAssertion)
		form.Set("client_assertion", assertion)
	case (o.Auth == AuthBasic || o.Auth == AuthBasicRaw) && !o.ClientSecret.IsZero():
		encode := url.QueryEscape
		if o.Auth == AuthBasicRaw {
			encode = func(s string) string { return s }
		}
		basic = base64.StdEncoding.EncodeToString([]byte(encode(o.ClientID) + ":" + encode(o.ClientSecret.Reveal())))
		x.scrub.Add(basic)
	default:
		set("client_id", o.ClientID)
		set("client_secret", o.ClientSecret.Reveal())
	}
	request, err := http.NewRequestWithContext(ctx, http.MethodPost, o.TokenURL.String(), strings.NewReader(form.Encode()))
	if err != nil {
		return nil, errors.New("the request cannot be made")
	}
	request.Header.Set("Content-Type", "application/x-www-form-urlencoded")
	request.Header.Set("Accept", "application/json")
	request.Header.Set("User-Agent", "cronbearer")
	if basic != "" {
		request.Header.Set("Authorization", "Basic "+basic)
	}
	return request, nil
}

// sign makes an assertion (RFC 7523 section 3) with a jti of its own, so that no server takes a retry for a replay.
func (x *Exchanger) sign(key *Key, issuer, subject, audience, scope string) (string, error) {
	if key == nil {
		return "", errors.New("there is no private_key to sign with")
	}
	now := x.now()
	claims := jwt.MapClaims{
		"iss": issuer, "aud": audience, "jti": rand.Text(),
		"iat": now.Add(-assertionEarly).Unix(), "exp": now.Add(assertionLife - assertionEarly).Unix(),
	}
	if subject != "" {
		claims["sub"] = subject
	}
	if scope != "" {
		claims["scope"] = scope
	}
	assertion := jwt.NewWithClaims(key.Algorithm.method(), claims)
	if key.ID != "" {
		assertion.Header["kid"] = key.ID
	}
	signed, err := assertion.SignedString(key.signer)
	if err != nil {
		return "", errors.New("the assertion could not be signed")
	}
	x.scrub.Add(signed)
	return signed, nil
}

func (a Algorithm) method() jwt.SigningMethod {
	switch a {
	case PS256:
		return jwt.SigningMethodPS256
	case ES256:
		return jwt.SigningMethodES256
	case EdDSA:
		return jwt.SigningMethodEdDSA
	default:
		return jwt.SigningMethodRS256
	}
}
