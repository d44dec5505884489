package oauth

import (
	"net/url"

	"github.com/cronbearer/cronbearer/internal/jsondoc"
	"github.com/cronbearer/cronbearer/internal/keys"
	"github.com/cronbearer/cronbearer/internal/redact"
)

// Grant is how a token is requested.
type Grant string

// The grants: RFC 6749 sections 4.4 and 6, RFC 7523 section 2.1, RFC 8693 section 2.1.
const (
	ClientCredentials Grant = "client_credentials"
	JWTBearer         Grant = "jwt_bearer"
	RefreshToken      Grant = "refresh_token"
	TokenExchange     Grant = "token_exchange"
)

// ClientAuth is how the client authenticates at the token endpoint. It is never guessed: trying one after the other
// posts a one-time refresh token twice. golang.org/x/oauth2 with AuthStyleAutoDetect does (docs/decisions/0006).
type ClientAuth string

// The methods: RFC 6749 section 2.3.1 (header or body), RFC 7523 section 2.2, and a public client (RFC 6749 section
// 2.1).
const (
	AuthBasic         ClientAuth = "basic"
	AuthBasicRaw      ClientAuth = "basic_raw" // not form-encoded first: many servers do not decode
	AuthBody          ClientAuth = "body"
	AuthPrivateKeyJWT ClientAuth = "private_key_jwt"
	AuthAWSIdentity   ClientAuth = "aws_identity" // the client assertion is a JWT of the function's role
	AuthNone          ClientAuth = "none"
)

func (a ClientAuth) inHeader() bool { return a == AuthBasic || a == AuthBasicRaw }

// credentialHint returns what to check when a server rejects the client. It suggests one change at a time, and the
// likeliest first: the many servers that do not decode what RFC 6749 section 2.3.1 requires to be encoded answer the
// same invalid_client as for a wrong secret.
func (o *Config) credentialHint() string {
	const otherWay = "Check oauth2.client_id and client_secret. If both are right, the server may read them in another " +
		"way: try oauth2.auth "
	switch {
	case o.Auth == AuthPrivateKeyJWT:
		return "Check oauth2.client_id, key_id and private_key, and whether the provider has the public key. " +
			"If all are right, the server may accept only its issuer as the assertion's audience: set oauth2.assertion_audience"
	case o.UsesIdentity() && o.ClientSecret.IsZero():
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
		return "Check oauth2.client_id, and whether the provider accepts this client without authentication: oauth2.auth " +
			"is none"
	}
}

// Config is how a token is obtained from an authorization server.
type Config struct {
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

// UsesIdentity reports whether a request presents a JWT of the function's role.
func (o *Config) UsesIdentity() bool { return o.AssertedByAWS || o.Auth == AuthAWSIdentity }

// Sets reports whether the request itself sets a parameter other than its grant type.
func (o *Config) Sets(name string) bool {
	return name != grantType && o.form(func(string) string { return "assertion" }).Has(name)
}
