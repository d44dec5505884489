package token

import (
	"net/http"
	"net/url"
	"slices"
	"strings"

	"github.com/cronbearer/cronbearer/internal/hosts"
	"github.com/cronbearer/cronbearer/internal/job"
	"github.com/cronbearer/cronbearer/internal/jsondoc"
	"github.com/cronbearer/cronbearer/internal/redact"
)

// Grant is how a token is asked for.
type Grant string

// The grants: RFC 6749 sections 4.4 and 6, RFC 7523 section 2.1.
const (
	ClientCredentials Grant = "client_credentials"
	JWTBearer         Grant = "jwt_bearer"
	RefreshToken      Grant = "refresh_token"
)

// ClientAuth is how the client proves itself at the token endpoint. It is never guessed: trying one after the other
// posts a one-time refresh token twice.
type ClientAuth string

// The ways: RFC 6749 section 2.3.1 (header or body) and RFC 7523 section 2.2.
const (
	AuthBasic         ClientAuth = "basic"
	AuthBasicRaw      ClientAuth = "basic_raw" // not form-encoded first: many servers do not decode
	AuthBody          ClientAuth = "body"
	AuthPrivateKeyJWT ClientAuth = "private_key_jwt"
)

// credentialHint is what to look at when a server refuses the client.
func (o *OAuth2) credentialHint() string {
	switch o.Auth {
	case AuthBasic:
		return "Check oauth2.client_id and client_secret. If both are right, the server may read them in another way: try oauth2.auth basic_raw, or body"
	case AuthBasicRaw:
		return "Check oauth2.client_id and client_secret. If both are right, the server may read them in another way: try oauth2.auth basic, or body"
	case AuthBody:
		return "Check oauth2.client_id and client_secret. If both are right, the server may read them in another way: try oauth2.auth basic, or basic_raw"
	default:
		return "Check oauth2.client_id, key_id and private_key, and whether the provider has the public key"
	}
}

// OAuth2 says how to get a token from an authorisation server.
type OAuth2 struct {
	Grant        Grant
	TokenURL     *url.URL
	ClientID     string
	ClientSecret redact.Secret
	Auth         ClientAuth
	Scope        string
	Audience     string
	RefreshToken redact.Secret
	Key          *Key // of an assertion; nil: none
	Issuer       string
	Subject      string
}

// Rotate says how to ask a provider for a new token with the current one.
type Rotate struct {
	Call      job.Probe
	Header    http.Header
	Body      []byte // nil: none
	Token     jsondoc.Pointer
	ExpiresAt *jsondoc.Pointer // nil: not in the answer
}

func (p *secretParser) oauth2(object jsondoc.Value) *OAuth2 {
	const where = "oauth2."
	f := jsondoc.NewFields(object, where, true, &p.problems)
	o := &OAuth2{
		Grant:    Grant(f.Required("grant", "client_credentials, jwt_bearer or refresh_token")),
		ClientID: f.String("client_id"),
		Auth:     ClientAuth(f.String("auth")),
		Scope:    f.String("scope"),
		Audience: f.String("audience"),
		Issuer:   f.String("issuer"),
		Subject:  f.String("subject"),
	}
	clientSecret, hasClientSecret := p.secretString(f, where, "client_secret", redact.MinSecret)
	o.ClientSecret = redact.New(clientSecret)
	refreshToken, hasRefreshToken := p.secretString(f, where, "refresh_token", redact.MinSecret)
	o.RefreshToken = redact.New(refreshToken)
	privateKey, hasPrivateKey := p.secretString(f, where, "private_key", redact.MinSecret)
	keyID, algorithm := f.String("key_id"), f.String("algorithm")
	o.TokenURL = p.tokenURL(f)
	f.Done()

	switch o.Auth {
	case "":
		o.Auth = AuthBasic
	case AuthBasic, AuthBasicRaw, AuthBody, AuthPrivateKeyJWT:
	default:
		p.problems.Addf("oauth2.auth must be basic, basic_raw, body or private_key_jwt")
	}
	switch o.Grant {
	case "": // reported as missing
	case ClientCredentials:
	case JWTBearer:
		if o.Issuer == "" {
			p.problems.Addf("oauth2.issuer is missing: jwt_bearer signs an assertion in its name")
		}
	case RefreshToken:
		if !hasRefreshToken {
			p.problems.Addf("oauth2.refresh_token is missing")
		}
	default:
		p.problems.Addf("oauth2.grant must be client_credentials, jwt_bearer or refresh_token")
	}
	// RFC 7523 section 3.1: the client of a jwt_bearer request may be unknown to the server, unless it proves itself.
	if o.ClientID == "" && o.Grant != "" && (o.Grant != JWTBearer || hasClientSecret || o.Auth == AuthPrivateKeyJWT) {
		p.problems.Addf("oauth2.client_id is missing")
	}
	if o.Grant != JWTBearer && o.Grant != "" {
		// A public client of refresh_token (RFC 6749 section 2.1) has no secret and sends its id in the body.
		if (o.Auth == AuthBasic || o.Auth == AuthBasicRaw) && !hasClientSecret || o.Auth == AuthBody && !hasClientSecret && o.Grant != RefreshToken {
			p.problems.Addf("oauth2.client_secret is missing: auth %s sends it", o.Auth)
		}
	}
	if o.Grant == JWTBearer || o.Auth == AuthPrivateKeyJWT {
		if !hasPrivateKey {
			p.problems.Addf("oauth2.private_key is missing: it signs the assertion")
		} else {
			key, err := parseKey(privateKey, keyID, algorithm)
			if err != nil {
				p.problems.Addf("oauth2.%s", err)
			}
			o.Key = key
		}
	}
	return o
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

// rotate is checked whole before its call, as the call may end the current token.
func (p *secretParser) rotate(object jsondoc.Value) *Rotate {
	const where = "rotate."
	f := jsondoc.NewFields(object, where, true, &p.problems)
	r := &Rotate{Header: http.Header{}}
	if call := f.Required("call", `the method and URL of the "new token" call`); call != "" {
		r.Call = p.probe(call, "rotate.call")
	}
	body, hasBody := f.Any("body")
	switch {
	case !hasBody:
	case body.Kind == jsondoc.String:
		r.Body = []byte(body.Text)
		r.Header.Set("Content-Type", "text/plain; charset=utf-8")
	default:
		r.Body = body.AppendJSON(nil, nil)
		r.Header.Set("Content-Type", "application/json")
	}
	if headers, ok := f.Object("headers"); ok {
		p.rotateHeaders(headers, r.Header)
	}
	r.Token = p.pointer(f.Required("token", "the pointer (RFC 6901) to the new token in the answer"), "rotate.token")
	if text := f.String("expires_at"); text != "" {
		pointer := p.pointer(text, "rotate.expires_at")
		r.ExpiresAt = &pointer
	}
	f.Done()
	return r
}

func (p *secretParser) pointer(text, where string) jsondoc.Pointer {
	pointer, err := jsondoc.ParsePointer(text)
	if err != nil {
		p.problems.Addf("%s %s", where, err)
	}
	return pointer
}

func (p *secretParser) rotateHeaders(headers jsondoc.Value, into http.Header) {
	var seen []string
	for i, m := range headers.Members {
		p.scrub.Add(m.Value.Text)
		canonical := http.CanonicalHeaderKey(m.Name)
		switch err := job.CheckHeaderName(m.Name); {
		case err != nil:
			p.problems.Addf("rotate.headers: the name of header %d %s", i+1, err)
		case slices.Contains(seen, canonical):
			p.problems.Addf("rotate.headers: header %d stands twice (names are matched without regard to case)", i+1)
		case m.Value.Kind != jsondoc.String:
			p.problems.Addf("rotate.headers: header %d must be a string, not %s", i+1, m.Value.Kind)
		case !job.ValidHeaderValue(m.Value.Text):
			p.problems.Addf("rotate.headers: header %d must be printable ASCII", i+1)
		case len(m.Value.Text) < redact.MinSecret:
			p.problems.Addf("rotate.headers: header %d is shorter than %d bytes, too short to be kept out of logs", i+1, redact.MinSecret)
		default:
			into.Set(m.Name, m.Value.Text)
		}
		seen = append(seen, canonical)
	}
}
