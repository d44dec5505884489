package token

import (
	"context"
	"crypto/rand"
	"encoding/base64"
	"errors"
	"fmt"
	"io"
	"math"
	"net/http"
	"net/url"
	"strconv"
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
	maxExchangeBody = 1 << 20

	// An assertion is used at once. Salesforce takes at most three minutes; a clock that is half a minute behind must
	// not see one from the future.
	assertionLife  = 3 * time.Minute
	assertionEarly = 30 * time.Second

	// unknownLife is what a token gets whose expires_in is missing or makes no sense (RFC 6749 section 5.1 leaves it
	// open), and longestLife bounds one that does.
	unknownLife = 5 * time.Minute
	longestLife = 24 * time.Hour
	sensible    = 100 * 365 * 24 * time.Hour
)

// Grants on the wire (RFC 6749 sections 4.4.2 and 6, RFC 7523 section 2.1) and the type of a client assertion
// (RFC 7523 section 2.2).
const (
	grantJWTBearer  = "urn:ietf:params:oauth:grant-type:jwt-bearer"
	clientAssertion = "urn:ietf:params:oauth:client-assertion-type:jwt-bearer"
)

// MintError says why a token endpoint gave no token. Refused: it refuses the client, its assertion or its refresh
// token (RFC 6749 section 5.2). Lasting: no retry mends it.
type MintError struct {
	Host         string
	Reason       string
	Refused      bool
	Lasting      bool
	InvalidGrant bool // refused is the refresh token, or the assertion: not the client
}

func (e *MintError) Error() string { return fmt.Sprintf("the token endpoint %s %s", e.Host, e.Reason) }

// Granted is what a token endpoint gave.
type Granted struct {
	Token        redact.Secret
	RefreshToken redact.Secret // zero: the one that was sent goes on
	Life         time.Duration
	LifeKnown    bool // expires_in made sense
}

// Exchanger asks token endpoints for tokens. golang.org/x/oauth2 is not used: docs/decisions says why.
type Exchanger struct {
	transport http.RoundTripper
	now       func() time.Time
	scrub     *redact.Scrubber
}

// NewExchanger makes an Exchanger on a transport that follows no redirects. now is wall-clock time.
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

// Once makes one token request and no second one, as a one-time refresh token must not be posted twice. It waits for as
// long as ctx lasts: an answer that nobody waits for is a refresh token lost. With an error it may still grant a new
// refresh token.
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
	fail := func(format string, args ...any) *attemptError {
		return &attemptError{MintError: &MintError{Host: o.TokenURL.Host, Reason: fmt.Sprintf(format, args...)}}
	}
	request, err := x.request(ctx, o)
	if err != nil {
		failed := fail("was not asked: %s", err)
		failed.Lasting = true
		return Granted{}, failed
	}
	ctx, cancel := context.WithTimeout(ctx, timeout)
	defer cancel()
	begun := time.Now()
	response, err := x.transport.RoundTrip(request.WithContext(ctx))
	if err != nil {
		if refused, ok := errors.AsType[*outbound.AddressRefusedError](err); ok {
			failed := fail("was not asked: %s", refused)
			failed.Lasting = true
			return Granted{}, failed
		}
		failed := fail("gave no answer: %s", outbound.Explain(err, min(timeout, time.Since(begun))))
		failed.retry = true
		return Granted{}, failed
	}
	defer func() { _ = response.Body.Close() }()
	body, err := io.ReadAll(io.LimitReader(response.Body, maxExchangeBody+1))
	if err != nil || len(body) > maxExchangeBody {
		failed := fail("answered %d, but its body was cut off or is larger than 1 MiB", response.StatusCode)
		failed.retry = err != nil
		return Granted{}, failed
	}
	doc, _, _ := jsondoc.Parse(body)
	for _, name := range []string{"access_token", "refresh_token", "id_token"} {
		x.scrub.Add(doc.Get(name).Text)
	}
	if response.StatusCode == http.StatusOK {
		if doc.Kind != jsondoc.Object { // a maintenance page, say: it proves nothing
			return Granted{}, fail("answered 200, but not with a JSON object")
		}
		granted, reason := grantedBy(doc)
		if reason != "" {
			failed := fail("answered 200, but %s", reason)
			failed.Lasting = true
			return granted, failed
		}
		return granted, nil
	}
	failed := fail("answered %d%s", response.StatusCode, describe(doc))
	sortError(failed, response.StatusCode, doc.Get("error").Text)
	failed.retryAfter, failed.hasRetryAfter = retry.After(response.Header, time.Now())
	return Granted{}, failed
}

// sortError tells a refused credential and a mistake in the request from what may pass.
func sortError(e *attemptError, status int, code string) {
	if status == http.StatusBadRequest || status == http.StatusUnauthorized {
		switch code {
		case "invalid_client", "invalid_grant", "unauthorized_client":
			e.Refused, e.Lasting, e.InvalidGrant = true, true, code == "invalid_grant"
		case "invalid_request", "invalid_scope", "unsupported_grant_type":
			e.Lasting = true
		}
	}
	switch status {
	case http.StatusTooManyRequests, http.StatusBadGateway, http.StatusServiceUnavailable, http.StatusGatewayTimeout:
		e.retry = true
	}
}

// describe quotes the server's error and error_description (RFC 6749 section 5.2, both printable ASCII). Secrets that a
// server echoes are scrubbed where the text leaves the process.
func describe(doc jsondoc.Value) string {
	text := printable(doc.Get("error"), 64)
	if description := printable(doc.Get("error_description"), 240); description != "" {
		text += ": " + description
	}
	if text == "" {
		return ""
	}
	return ", " + text
}

func printable(v jsondoc.Value, most int) string {
	if v.Kind != jsondoc.String {
		return ""
	}
	text := strings.Map(func(r rune) rune {
		if r < ' ' || r > '~' {
			return ' '
		}
		return r
	}, v.Text)
	return text[:min(len(text), most)]
}

// grantedBy reads a good answer. One whose token cannot be used may still have spent the refresh token that was sent, so
// the new one is given all the same.
func grantedBy(doc jsondoc.Value) (g Granted, fault string) {
	if refreshToken := doc.Get("refresh_token"); refreshToken.Kind == jsondoc.String && refreshToken.Text != "" {
		if len(refreshToken.Text) < redact.MinSecret {
			return Granted{}, fmt.Sprintf("its refresh_token is shorter than %d bytes", redact.MinSecret)
		}
		g.RefreshToken = redact.New(refreshToken.Text)
	}
	accessToken, tokenType := doc.Get("access_token"), doc.Get("token_type")
	if accessToken.Kind != jsondoc.String {
		return g, "without an access_token"
	}
	if tokenType.Kind != jsondoc.String || !strings.EqualFold(tokenType.Text, "Bearer") {
		return g, "its token_type is not Bearer"
	}
	if err := checkToken(accessToken.Text); err != nil {
		return g, err.Error()
	}
	g.Token = redact.New(accessToken.Text)
	g.Life, g.LifeKnown = life(doc.Get("expires_in"))
	return g, ""
}

// life reads expires_in: seconds, as a number or (some servers) as text.
func life(v jsondoc.Value) (time.Duration, bool) {
	if v.Kind != jsondoc.Number && v.Kind != jsondoc.String {
		return unknownLife, false
	}
	seconds, err := strconv.ParseFloat(strings.TrimSpace(v.Text), 64)
	if err != nil || math.IsNaN(seconds) || seconds < 1 || seconds > sensible.Seconds() {
		return unknownLife, false
	}
	return time.Duration(seconds) * time.Second, true
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
	case o.Auth == AuthBasic && !o.ClientSecret.IsZero():
		basic = base64.StdEncoding.EncodeToString([]byte(url.QueryEscape(o.ClientID) + ":" + url.QueryEscape(o.ClientSecret.Reveal())))
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
