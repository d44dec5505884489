package oauth

import (
	"cmp"
	"context"
	"crypto/rand"
	"encoding/base64"
	"errors"
	"maps"
	"net/http"
	"net/url"
	"slices"
	"strings"

	"github.com/golang-jwt/jwt/v5"

	"github.com/cronbearer/cronbearer/internal/jsondoc"
	"github.com/cronbearer/cronbearer/internal/keys"
)

// Grants on the wire (RFC 7523 section 2.1, RFC 8693 section 2.1) and the type of a client assertion (RFC 7523
// section 2.2).
const (
	grantJWTBearer     = "urn:ietf:params:oauth:grant-type:jwt-bearer"
	grantTokenExchange = "urn:ietf:params:oauth:grant-type:token-exchange"
	clientAssertion    = "urn:ietf:params:oauth:client-assertion-type:jwt-bearer"
)

// Names of parameters that more than one place needs.
const (
	grantType           = "grant_type"
	assertionName       = "assertion"
	clientAssertionName = "client_assertion"
	subjectTokenName    = "subject_token"
)

// assertions returns those that a token request needs, by parameter name: signed here, or by AWS.
func (c *Client) assertions(ctx context.Context, o *Config) (map[string]string, *Error) {
	signed := map[string]string{}
	for name, claims := range o.claims() {
		assertion, err := c.sign(o.Key, claims)
		if err != nil {
			return nil, permanent("", o.TokenURL.Host, "was not called: %s", err)
		}
		signed[name] = assertion
	}
	if !o.UsesIdentity() {
		return signed, nil
	}
	identity, failed := c.identity(ctx, o.Identity)
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

// request is the only place that reveals a client's credentials. Basic credentials are form-encoded before base64, as
// RFC 6749 section 2.3.1 requires.
func (c *Client) request(ctx context.Context, o *Config, signed map[string]string) (*http.Request, error) {
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
		return nil, errors.New("the request is invalid")
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
		c.scrub.Add(basic)
		request.Header.Set("Authorization", "Basic "+basic)
	}
	return request, nil
}

// form returns the parameters of a token request except the user's own. signed returns an assertion by name. An empty
// optional value is left out: RFC 6749 section 3.2 treats such a parameter as omitted, but not every server does.
func (o *Config) form(signed func(name string) string) url.Values {
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

// claims returns the claims of the assertions that are signed here, by parameter name (RFC 7523 section 3). The
// audience is the token endpoint unless the secret has another.
func (o *Config) claims() map[string]jwt.MapClaims {
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

// sign returns an assertion with its own jti, so that no server mistakes a retry for a replay.
func (c *Client) sign(key *keys.Key, claims jwt.MapClaims) (string, error) {
	if key == nil {
		return "", errors.New("there is no private_key to sign with")
	}
	now := c.now()
	claims["jti"], claims["iat"], claims["exp"] = rand.Text(), now.Add(-assertionEarly).Unix(), now.Add(
		assertionLife-assertionEarly,
	).Unix()
	signed, err := key.Sign(claims)
	c.scrub.Add(signed)
	return signed, err
}

// jsonForm writes a form as an object of strings, in the order of the names.
func jsonForm(form url.Values) string {
	object := jsondoc.Value{Kind: jsondoc.Object}
	for _, name := range slices.Sorted(maps.Keys(form)) {
		object.Members = append(
			object.Members, jsondoc.Member{Name: name, Value: jsondoc.Value{Kind: jsondoc.String, Text: form.Get(name)}},
		)
	}
	return string(object.AppendJSON(nil, nil))
}
