package token

import (
	"cmp"
	"context"
	"crypto/rand"
	"encoding/base64"
	"errors"
	"fmt"
	"maps"
	"net/http"
	"net/url"
	"slices"
	"strings"
	"time"

	"github.com/golang-jwt/jwt/v5"

	"github.com/cronbearer/cronbearer/internal/egress"
	"github.com/cronbearer/cronbearer/internal/jsondoc"
	"github.com/cronbearer/cronbearer/internal/keys"
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

// Grants on the wire (RFC 7523 section 2.1, RFC 8693 section 2.1) and the type of a client assertion (RFC 7523
// section 2.2).
const (
	grantJWTBearer     = "urn:ietf:params:oauth:grant-type:jwt-bearer"
	grantTokenExchange = "urn:ietf:params:oauth:grant-type:token-exchange"
	clientAssertion    = "urn:ietf:params:oauth:client-assertion-type:jwt-bearer"
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
	Unbound      bool   // the host is none that the token is bound to: nothing was asked
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
	trust     *egress.Trust[http.RoundTripper] // nil: transport is none that can trust more
	sts       IdentityProvider                 // nil: the function has no identity to show
	now       func() time.Time
	pause     func(context.Context, time.Duration) bool
	scrub     *redact.Scrubber
}

// NewExchanger returns an Exchanger on a transport that follows no redirects. now is wall-clock time.
func NewExchanger(transport http.RoundTripper, now func() time.Time, scrub *redact.Scrubber) *Exchanger {
	x := &Exchanger{transport: transport, now: now, pause: retry.Sleep, scrub: scrub}
	if t, ok := transport.(*http.Transport); ok {
		x.trust = egress.NewTrust(t, func(t *http.Transport) http.RoundTripper { return t })
	}
	return x
}

// trusting is an Exchanger that trusts the document's own certificates as well.
func (x *Exchanger) trusting(d Document) *Exchanger {
	if d.CA == nil || x.trust == nil {
		return x
	}
	trusting := *x
	trusting.transport = x.trust.For(d.CA)
	return &trusting
}

// attemptError is a MintError that says whether asking again may help.
type attemptError struct {
	*MintError

	next retry.Next
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

func (x *Exchanger) within(ctx context.Context, o *OAuth2, timeout time.Duration) (Granted, *attemptError) {
	asked := x.now() // a lifetime counts from before the request
	signed, failed := x.assertions(ctx, o)
	if failed != nil {
		return Granted{}, failed
	}
	request, err := x.request(ctx, o, signed)
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
	granted.Token, granted.RefreshToken = x.keep(granted.Token), x.keep(granted.RefreshToken)
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

// keep has a secret registered for as long as it is in use.
func (x *Exchanger) keep(secret redact.Secret) redact.Secret {
	if secret.IsZero() {
		return secret
	}
	return x.scrub.Keep(secret.Reveal())
}

// send makes a request and reads its answer.
func (x *Exchanger) send(request *http.Request, from string, timeout time.Duration) (*answer, *attemptError) {
	ctx, cancel := context.WithTimeout(request.Context(), timeout)
	defer cancel()
	started := time.Now()
	response, err := x.transport.RoundTrip(request.WithContext(ctx))
	if err != nil {
		if blocked, ok := errors.AsType[*egress.AddressRefusedError](err); ok {
			return nil, lasting(from, request.URL.Host, "was not asked: %s", blocked)
		}
		return nil, &attemptError{next: retry.Next{Retry: true}, MintError: &MintError{
			From: from, Host: request.URL.Host, Reason: "gave no answer: " + egress.Explain(err, min(timeout, time.Since(started))),
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
	e.next = a.next(e.Refused)
}

func (a *answer) isObject() bool { return a.doc.Lookup(jsondoc.Pointer{}).Kind == jsondoc.Object }

// next is what the answer leaves to be done.
func (a *answer) next(refused bool) retry.Next {
	return retry.Next{Retry: a.retryable(refused), Wait: a.limit.Wait, HasWait: a.limit.HasWait}
}

// retryable treats a call for a token as a GET: a second one does no harm. A refusal under a 5xx may be a server's trouble,
// one under a 403 is none.
func (a *answer) retryable(refused bool) bool {
	switch {
	case a.status == http.StatusForbidden:
		return a.limit.Retry && !refused
	default:
		return a.limit.Retry || retry.Passing(a.status) || a.cutOff && !refused
	}
}

// Names of parameters that more than one place needs.
const (
	grantType           = "grant_type"
	assertionName       = "assertion"
	clientAssertionName = "client_assertion"
	subjectTokenName    = "subject_token"
)

// assertions makes those that a token request needs, by the name of its parameter: signed here, or by AWS.
func (x *Exchanger) assertions(ctx context.Context, o *OAuth2) (map[string]string, *attemptError) {
	signed := map[string]string{}
	for name, claims := range o.claims() {
		assertion, err := x.sign(o.Key, claims)
		if err != nil {
			return nil, lasting("", o.TokenURL.Host, "was not asked: %s", err)
		}
		signed[name] = assertion
	}
	if !o.usesIdentity() {
		return signed, nil
	}
	identity, failed := x.identity(ctx, o.Identity)
	if failed != nil {
		return nil, failed
	}
	if o.Auth == AuthAWSIdentity {
		signed[clientAssertionName] = identity
	}
	if o.AssertedByAWS {
		signed[assertionName], signed[subjectTokenName] = identity, identity
	}
	return signed, nil
}

// request is the only place that reveals a client's credentials.
func (x *Exchanger) request(ctx context.Context, o *OAuth2, signed map[string]string) (*http.Request, error) {
	form := o.form(func(name string) string { return signed[name] })
	for _, m := range o.Parameters {
		form.Set(m.Name, m.Value.Text)
	}
	body, contentType := form.Encode(), "application/x-www-form-urlencoded"
	if o.JSON {
		body, contentType = jsonForm(form), "application/json"
	}
	request, err := http.NewRequestWithContext(ctx, http.MethodPost, o.TokenURL.String(), strings.NewReader(body))
	if err != nil {
		return nil, errors.New("the request cannot be made")
	}
	request.Header.Set("Content-Type", contentType)
	request.Header.Set("Accept", "application/json")
	request.Header.Set("User-Agent", "cronbearer")
	if o.Auth.inHeader() && !o.ClientSecret.IsZero() {
		encode := url.QueryEscape
		if o.Auth == AuthBasicRaw {
			encode = func(s string) string { return s }
		}
		basic := base64.StdEncoding.EncodeToString([]byte(encode(o.ClientID) + ":" + encode(o.ClientSecret.Reveal())))
		x.scrub.Add(basic)
		request.Header.Set("Authorization", "Basic "+basic)
	}
	return request, nil
}

// form is what a token request says, but for the user's own parameters. signed has its assertions by name.
func (o *OAuth2) form(signed func(name string) string) url.Values {
	form := url.Values{}
	set := func(name, value string) {
		if value != "" {
			form.Set(name, value)
		}
	}
	set("scope", o.Scope)
	if o.Grant != JWTBearer { // there it is the assertion's
		set("audience", o.Audience)
	}
	switch o.Grant {
	case ClientCredentials:
		form.Set(grantType, string(ClientCredentials))
	case RefreshToken:
		form.Set(grantType, string(RefreshToken))
		form.Set("refresh_token", o.RefreshToken.Reveal())
	case JWTBearer:
		form.Set(grantType, grantJWTBearer)
		form.Set(assertionName, signed(assertionName))
	case TokenExchange:
		form.Set(grantType, grantTokenExchange)
		form.Set(subjectTokenName, cmp.Or(o.SubjectToken.Reveal(), signed(subjectTokenName)))
		form.Set("subject_token_type", o.SubjectTokenType)
		set("requested_token_type", o.RequestedType)
	}
	switch {
	case o.Auth == AuthPrivateKeyJWT, o.Auth == AuthAWSIdentity:
		set("client_id", o.ClientID)
		form.Set("client_assertion_type", clientAssertion)
		form.Set(clientAssertionName, signed(clientAssertionName))
	case o.Auth.inHeader() && !o.ClientSecret.IsZero():
	case o.Auth == AuthNone:
		set("client_id", o.ClientID)
	default:
		set("client_id", o.ClientID)
		set("client_secret", o.ClientSecret.Reveal())
	}
	return form
}

// claims are those of what a token request needs signed here, by the name of its parameter (RFC 7523 section 3).
func (o *OAuth2) claims() map[string]jwt.MapClaims {
	all := map[string]jwt.MapClaims{}
	if o.Grant == JWTBearer && !o.AssertedByAWS {
		claims := jwt.MapClaims{"iss": o.Issuer, "aud": cmp.Or(o.Audience, o.TokenURL.String())}
		if o.Subject != "" {
			claims["sub"] = o.Subject
		}
		if o.Scope != "" {
			claims["scope"] = o.Scope // Google reads only this one
		}
		all[assertionName] = claims
	}
	if o.Auth == AuthPrivateKeyJWT {
		all[clientAssertionName] = jwt.MapClaims{
			"iss": o.ClientID, "sub": o.ClientID, "aud": cmp.Or(o.AssertionAudience, o.TokenURL.String()),
		}
	}
	return all
}

// sign makes an assertion with a jti of its own, so that no server takes a retry for a replay.
func (x *Exchanger) sign(key *keys.Key, claims jwt.MapClaims) (string, error) {
	if key == nil {
		return "", errors.New("there is no private_key to sign with")
	}
	now := x.now()
	claims["jti"], claims["iat"], claims["exp"] = rand.Text(), now.Add(-assertionEarly).Unix(), now.Add(assertionLife-assertionEarly).Unix()
	signed, err := key.Sign(claims)
	x.scrub.Add(signed)
	return signed, err
}

// jsonForm writes a form as an object of strings, in the order of the names.
func jsonForm(form url.Values) string {
	object := jsondoc.Value{Kind: jsondoc.Object}
	for _, name := range slices.Sorted(maps.Keys(form)) {
		object.Members = append(object.Members, jsondoc.Member{Name: name, Value: jsondoc.Value{Kind: jsondoc.String, Text: form.Get(name)}})
	}
	return string(object.AppendJSON(nil, nil))
}
