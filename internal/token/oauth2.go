package token

import (
	"net/url"
	"slices"
	"strings"

	"github.com/cronbearer/cronbearer/internal/hosts"
	"github.com/cronbearer/cronbearer/internal/jsondoc"
	"github.com/cronbearer/cronbearer/internal/keys"
	"github.com/cronbearer/cronbearer/internal/redact"
)

// Grant is how a token is asked for.
type Grant string

// The grants: RFC 6749 sections 4.4 and 6, RFC 7523 section 2.1, RFC 8693 section 2.1.
const (
	ClientCredentials Grant = "client_credentials"
	JWTBearer         Grant = "jwt_bearer"
	RefreshToken      Grant = "refresh_token"
	TokenExchange     Grant = "token_exchange"
)

const grants = "client_credentials, jwt_bearer, refresh_token or token_exchange"

// ClientAuth is how the client proves itself at the token endpoint. It is never guessed: trying one after the other
// posts a one-time refresh token twice.
type ClientAuth string

// The ways: RFC 6749 section 2.3.1 (header or body), RFC 7523 section 2.2, and a public client (RFC 6749 section 2.1).
const (
	AuthBasic         ClientAuth = "basic"
	AuthBasicRaw      ClientAuth = "basic_raw" // not form-encoded first: many servers do not decode
	AuthBody          ClientAuth = "body"
	AuthPrivateKeyJWT ClientAuth = "private_key_jwt"
	AuthAWSIdentity   ClientAuth = "aws_identity" // the client assertion is a JWT of the function's role
	AuthNone          ClientAuth = "none"
)

const auths = "basic, basic_raw, body, private_key_jwt, aws_identity or none"

func (a ClientAuth) inHeader() bool { return a == AuthBasic || a == AuthBasicRaw }

// The formats of a token request: RFC 6749's, and JSON for servers that read nothing else.
const (
	formatForm = "form"
	formatJSON = "json"
)

// credentialHint is what to look at when a server refuses the client.
func (o *OAuth2) credentialHint() string {
	const otherWay = "Check oauth2.client_id and client_secret. If both are right, the server may read them in another way: try oauth2.auth "
	switch {
	case o.Auth == AuthPrivateKeyJWT:
		return "Check oauth2.client_id, key_id and private_key, and whether the provider has the public key. " +
			"If all are right, the server may accept only its issuer as the assertion's audience: set oauth2.assertion_audience"
	case o.usesIdentity() && o.ClientSecret.IsZero():
		return "Check oauth2.client_id, and at the provider what it trusts: issuer, subject (the caller's role) and audience"
	case o.Grant == JWTBearer && o.ClientSecret.IsZero():
		return "Check oauth2.client_id, issuer, key_id and private_key, and whether the provider has the public key"
	case o.Auth == AuthBasic:
		return otherWay + "basic_raw, or body"
	case o.Auth == AuthBasicRaw:
		return otherWay + "basic, or body"
	case o.Auth == AuthBody:
		return otherWay + "basic, or basic_raw"
	default:
		return "Check oauth2.client_id, and whether the provider lets this client ask without authentication: oauth2.auth is none"
	}
}

// OAuth2 says how to get a token from an authorization server.
type OAuth2 struct {
	Grant             Grant
	TokenURL          *url.URL
	ClientID          string
	ClientSecret      redact.Secret
	Auth              ClientAuth
	Scope             string
	Audience          string
	AssertionAudience string // aud of a client assertion; empty: TokenURL
	RefreshToken      redact.Secret
	Key               *keys.Key // of an assertion; nil: none
	Issuer            string
	Subject           string
	SubjectToken      redact.Secret
	SubjectTokenType  string
	RequestedType     string
	Parameters        []jsondoc.Member // added to the request: strings
	JSON              bool             // the request is JSON instead of a form
	AssertedByAWS     bool             // the grant's assertion or subject token is a JWT of the function's role
	Identity          *AWSIdentity     // of these; nil: none
}

func (o *OAuth2) usesIdentity() bool { return o.AssertedByAWS || o.Auth == AuthAWSIdentity }

func (p *secretParser) oauth2(object jsondoc.Value) *OAuth2 {
	const where = "oauth2."
	f := jsondoc.NewFields(object, where, true, &p.problems)
	o := &OAuth2{
		Grant:             Grant(f.Required("grant", grants)),
		ClientID:          f.String("client_id"),
		Auth:              ClientAuth(f.String("auth")),
		Scope:             f.String("scope"),
		Audience:          f.String("audience"),
		AssertionAudience: f.String("assertion_audience"),
		Issuer:            f.String("issuer"),
		Subject:           f.String("subject"),
		SubjectTokenType:  f.String("subject_token_type"),
		RequestedType:     f.String("requested_token_type"),
		TokenURL:          p.tokenURL(f),
	}
	o.ClientSecret = p.keep(p.secretString(f, where, "client_secret", redact.MinSecret))
	o.RefreshToken = p.keep(p.secretString(f, where, "refresh_token", redact.MinSecret))
	o.SubjectToken = p.keep(p.secretString(f, where, "subject_token", redact.MinSecret))
	privateKey, hasPrivateKey := p.secretPEM(f, where, "private_key")
	keyID, algorithm, certificate := f.String("key_id"), f.String("algorithm"), f.String("certificate")
	if assertion := f.String("assertion"); assertion != "" {
		o.AssertedByAWS = p.oneOf(assertion, where+"assertion", "aws_identity") == "aws_identity"
	}
	if parameters, ok := f.Object("parameters"); ok {
		o.Parameters = p.parameters(parameters)
	}
	o.JSON = p.oneOf(f.String("format"), where+"format", formatForm, formatJSON) == formatJSON
	p.auth(o)
	p.grant(o)
	p.client(o)
	if o.Grant == JWTBearer && !o.AssertedByAWS || o.Auth == AuthPrivateKeyJWT {
		if hasPrivateKey {
			o.Key = p.key(where, privateKey, keyID, algorithm, certificate)
		} else {
			p.problems.Addf("oauth2.private_key is missing: it signs the assertion")
		}
	}
	p.notTwice(o)
	return o
}

func (p *secretParser) keep(text string, _ bool) redact.Secret { return redact.New(text) }

// oneOf returns the text, or the first of the choices where there is none.
func (p *secretParser) oneOf(text, where string, choices ...string) string {
	if text == "" {
		return choices[0]
	}
	if !slices.Contains(choices, text) {
		p.problems.Addf("%s must be %s", where, strings.Join(choices, " or "))
	}
	return text
}

func (p *secretParser) auth(o *OAuth2) {
	switch o.Auth {
	case "":
		o.Auth = AuthBasic
	case AuthBasic, AuthBasicRaw, AuthBody, AuthPrivateKeyJWT, AuthAWSIdentity, AuthNone:
	default:
		p.problems.Addf("oauth2.auth must be %s", auths)
	}
}

func (p *secretParser) grant(o *OAuth2) {
	switch o.Grant {
	case "", ClientCredentials: // the first is reported as missing
	case JWTBearer:
		if o.Issuer == "" && !o.AssertedByAWS {
			p.problems.Addf("oauth2.issuer is missing: jwt_bearer signs an assertion in its name")
		}
	case RefreshToken:
		if o.RefreshToken.IsZero() {
			p.problems.Addf("oauth2.refresh_token is missing")
		}
	case TokenExchange:
		switch {
		case o.SubjectToken.IsZero() && !o.AssertedByAWS:
			p.problems.Addf("oauth2.subject_token is missing: token_exchange exchanges it (or assertion aws_identity)")
		case !o.SubjectToken.IsZero() && o.AssertedByAWS:
			p.problems.Addf("oauth2.subject_token and oauth2.assertion exclude each other: remove one")
		}
		if o.SubjectTokenType == "" {
			o.SubjectTokenType = "urn:ietf:params:oauth:token-type:jwt" // RFC 8693 section 3
		}
	default:
		p.problems.Addf("oauth2.grant must be %s", grants)
	}
	switch {
	case o.Grant == RefreshToken && o.usesIdentity():
		p.problems.Addf("oauth2 with grant refresh_token cannot use aws_identity: the rotator renews this token, and only the caller has the identity")
	case o.Grant == ClientCredentials && o.AssertedByAWS:
		p.problems.Addf("oauth2.assertion is for the grants jwt_bearer and token_exchange; for client_credentials write auth aws_identity")
	}
}

// client wants what the way of authentication sends.
func (p *secretParser) client(o *OAuth2) {
	hasSecret := !o.ClientSecret.IsZero()
	switch {
	case o.Grant == "", o.Auth == AuthNone:
		return
	case o.ClientID != "":
	// RFC 7523 section 3.1: the client of a jwt_bearer request may be unknown to the server, unless it proves itself.
	case o.Grant != JWTBearer, hasSecret, o.Auth == AuthPrivateKeyJWT, o.Auth == AuthAWSIdentity:
		p.problems.Addf("oauth2.client_id is missing")
	}
	// A public client of refresh_token (RFC 6749 section 2.1) has no secret and sends its id in the body.
	public := o.Grant == JWTBearer || o.Grant == RefreshToken && o.Auth == AuthBody || o.Auth == AuthPrivateKeyJWT || o.Auth == AuthAWSIdentity
	if !hasSecret && !public {
		p.problems.Addf("oauth2.client_secret is missing: auth %s sends it (a client without a secret has auth none)", o.Auth)
	}
}

// key reads a private key and the certificate that belongs to it, if there is one.
func (p *secretParser) key(where, privateKey, id, algorithm, certificate string) *keys.Key {
	key, err := keys.Parse(privateKey, id, algorithm)
	if err != nil {
		p.problems.Addf("%s%s", where, err)
		return nil
	}
	if certificate != "" {
		if err := key.Certify(certificate); err != nil {
			p.problems.Addf("%scertificate %s", where, err)
		}
	}
	return key
}

func (p *secretParser) parameters(object jsondoc.Value) []jsondoc.Member {
	p.scrubNamed(object, false)
	for i, m := range object.Members {
		if m.Value.Kind != jsondoc.String {
			p.problems.Addf("oauth2.parameters: parameter %d must be a string, not %s", i+1, m.Value.Kind)
		}
	}
	return object.Members
}

// notTwice refuses a parameter that another member sets: it would be a matter of chance which of the two counts.
func (p *secretParser) notTwice(o *OAuth2) {
	form := o.form(func(string) string { return "assertion" })
	for i, m := range o.Parameters {
		if m.Name != grantType && form.Has(m.Name) {
			p.problems.Addf("oauth2.parameters: parameter %d is set by another member of oauth2: remove one", i+1)
		}
	}
}

func (p *secretParser) tokenURL(f *jsondoc.Fields) *url.URL {
	before := len(p.problems)
	text := f.Required("token_url", "the https:// URL of the token endpoint")
	if len(p.problems) > before {
		return nil
	}
	const scheme = "https://"
	u, err := url.Parse(text)
	switch {
	case !strings.HasPrefix(strings.ToLower(text), scheme):
		p.problems.Addf("oauth2.token_url must begin with https://")
	case err != nil, strings.ContainsAny(text, "# \t\r\n"), u.User != nil:
		p.problems.Addf("oauth2.token_url must be a URL without user info and fragment")
	default:
		err := hosts.CheckName(u.Hostname())
		if err == nil && u.Port() != "" {
			err = hosts.CheckPort(u.Port())
		}
		if err == nil {
			return u
		}
		p.problems.Addf("oauth2.token_url: %s", err)
	}
	return nil
}
