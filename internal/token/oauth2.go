package token

import (
	"net/url"
	"slices"
	"strings"

	"github.com/cronbearer/cronbearer/internal/hosts"
	"github.com/cronbearer/cronbearer/internal/jsondoc"
	"github.com/cronbearer/cronbearer/internal/keys"
	"github.com/cronbearer/cronbearer/internal/oauth"
	"github.com/cronbearer/cronbearer/internal/redact"
)

const (
	grants = "client_credentials, jwt_bearer, refresh_token or token_exchange"
	auths  = "basic, basic_raw, body, private_key_jwt, aws_identity or none"
)

// The formats of a token request: RFC 6749's, and JSON for servers that accept nothing else.
const (
	formatForm = "form"
	formatJSON = "json"
)

// oauth2 reads all members before it applies a rule, as the rules of grant, auth and client depend on each other. A
// secret is registered when it is read, whether the combination uses it or not.
func (p *secretParser) oauth2(object jsondoc.Value) *oauth.Config {
	const where = "oauth2."
	f := jsondoc.NewFields(object, where, true, &p.problems)
	o := &oauth.Config{
		Grant:             oauth.Grant(f.Required("grant", grants)),
		ClientID:          f.String("client_id"),
		Auth:              oauth.ClientAuth(f.String("auth")),
		Scope:             f.String("scope"),
		Audience:          f.String("audience"),
		AssertionAudience: f.String("assertion_audience"),
		Issuer:            f.String("issuer"),
		Subject:           f.String("subject"),
		SubjectTokenType:  f.String("subject_token_type"),
		RequestedType:     f.String("requested_token_type"),
		TokenURL:          p.tokenURL(f),
	}
	o.ClientSecret = p.secretString(f, where, "client_secret", redact.MinSecret)
	o.RefreshToken = p.secretString(f, where, "refresh_token", redact.MinSecret)
	o.SubjectToken = p.secretString(f, where, "subject_token", redact.MinSecret)
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
	if o.Grant == oauth.JWTBearer && !o.AssertedByAWS || o.Auth == oauth.AuthPrivateKeyJWT {
		if hasPrivateKey {
			o.Key = p.key(where, privateKey, keyID, algorithm, certificate)
		} else {
			p.problems.Addf("oauth2.private_key is missing: it signs the assertion")
		}
	}
	p.rejectDuplicates(o)
	return o
}

// oneOf returns the text, or the first choice if there is none.
func (p *secretParser) oneOf(text, where string, choices ...string) string {
	if text == "" {
		return choices[0]
	}
	if !slices.Contains(choices, text) {
		p.problems.Addf("%s must be %s", where, strings.Join(choices, " or "))
	}
	return text
}

// auth has a default, the method that every server must support (RFC 6749 section 2.3.1), and no guess: a client that
// tries one method after the other posts a one-time refresh token twice.
func (p *secretParser) auth(o *oauth.Config) {
	switch o.Auth {
	case "":
		o.Auth = oauth.AuthBasic
	case oauth.AuthBasic, oauth.AuthBasicRaw, oauth.AuthBody, oauth.AuthPrivateKeyJWT, oauth.AuthAWSIdentity,
		oauth.AuthNone:
	default:
		p.problems.Addf("oauth2.auth must be %s", auths)
	}
}

// grant requires what the grant sends, and rejects what another one would.
func (p *secretParser) grant(o *oauth.Config) {
	switch o.Grant {
	case "", oauth.ClientCredentials: // the first is reported as missing
	case oauth.JWTBearer:
		if o.Issuer == "" && !o.AssertedByAWS {
			p.problems.Addf("oauth2.issuer is missing: jwt_bearer signs an assertion in its name")
		}
	case oauth.RefreshToken:
		if o.RefreshToken.IsZero() {
			p.problems.Addf("oauth2.refresh_token is missing")
		}
	case oauth.TokenExchange:
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
	case o.Grant == oauth.RefreshToken && o.UsesIdentity():
		p.problems.Addf(
			"oauth2 with grant refresh_token cannot use aws_identity: the rotator renews this token, and only the caller has " +
				"the identity",
		)
	case o.Grant == oauth.ClientCredentials && o.AssertedByAWS:
		p.problems.Addf(
			"oauth2.assertion is for the grants jwt_bearer and token_exchange; for client_credentials set auth to aws_identity",
		)
	}
}

// client requires what the authentication method sends.
func (p *secretParser) client(o *oauth.Config) {
	hasSecret := !o.ClientSecret.IsZero()
	switch {
	case o.Grant == "", o.Auth == oauth.AuthNone:
		return
	case o.ClientID != "":
	// RFC 7523 section 3.1: the client of a jwt_bearer request may be unknown to the server, unless it proves itself.
	case o.Grant != oauth.JWTBearer, hasSecret, o.Auth == oauth.AuthPrivateKeyJWT, o.Auth == oauth.AuthAWSIdentity:
		p.problems.Addf("oauth2.client_id is missing")
	}
	// A public client of refresh_token (RFC 6749 section 2.1) has no secret and sends its id in the body.
	public := o.Grant == oauth.JWTBearer || o.Grant == oauth.RefreshToken && o.Auth == oauth.AuthBody ||
		o.Auth == oauth.AuthPrivateKeyJWT || o.Auth == oauth.AuthAWSIdentity
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

// rejectDuplicates rejects a parameter that another member sets: which of the two applies would be up to the provider.
func (p *secretParser) rejectDuplicates(o *oauth.Config) {
	for i, m := range o.Parameters {
		if o.Sets(m.Name) {
			p.problems.Addf("oauth2.parameters: parameter %d is set by another member of oauth2: remove one", i+1)
		}
	}
}

// tokenURL returns nil with a problem. Its host is not checked against hosts: it is written in the same secret, and
// gets only credentials that are meant for it.
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
