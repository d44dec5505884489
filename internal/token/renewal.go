package token

import (
	"context"
	"encoding/json"
	"net/url"
	"strings"
	"time"

	"github.com/cronbearer/cronbearer/internal/bearer"
	"github.com/cronbearer/cronbearer/internal/jsondoc"
	"github.com/cronbearer/cronbearer/internal/redact"
)

// Renewal is what a provider gave for a token.
type Renewal struct {
	Token        redact.Secret // zero: none that can be used
	ExpiresAt    time.Time     // zero: unknown
	RefreshToken redact.Secret // zero: the one that was sent stays in use
	// Answer is the body of a 2xx, of which nothing may be lost, also where an error says that it cannot be used.
	// Zero: there was none.
	Answer redact.Secret
}

// Renewable reports whether the rotator renews the token: by a refresh token, or by the provider's "new token" call.
func (d Document) Renewable() bool {
	return d.Rotate != nil || d.OAuth2 != nil && d.OAuth2.Grant == RefreshToken
}

// Renew asks for a new token once, for as long as ctx lasts. version is the one that is to hold it. Where no answer comes
// after the request was sent, nobody knows whether the server has spent the credential. The error is a *MintError; with
// it there may still be an Answer.
func (x *Exchanger) Renew(ctx context.Context, d Document, version string) (Renewal, error) {
	x = x.trusting(d)
	if d.Rotate != nil {
		return x.rotate(ctx, d.Rotate, d.Token, version)
	}
	granted, err := x.Once(ctx, d.OAuth2)
	renewal := Renewal{Token: granted.Token, ExpiresAt: granted.Expiry, RefreshToken: granted.RefreshToken, Answer: granted.Raw}
	if renewal.RefreshToken.IsZero() {
		renewal.RefreshToken = RefreshTokenIn(granted.Raw, x.scrub)
	}
	return renewal, err
}

// Rotated finds the new token of a rotate secret in an answer that came at a moment before.
func (d Document) Rotated(answer redact.Secret, asked time.Time) (Renewal, error) {
	return d.Rotate.read(answer.Reveal(), asked)
}

// RefreshTokenIn finds a refresh token wherever it stands in an answer, also in one that is cut off, nested or
// form-encoded: whatever else is wrong with it, that one must not be lost. Zero: there is none.
func RefreshTokenIn(answer redact.Secret, scrub *redact.Scrubber) redact.Secret {
	const name = "refresh_token"
	for rest := answer.Reveal(); ; {
		_, after, found := strings.Cut(rest, `"`+name+`"`)
		if !found {
			break
		}
		rest = after
		if value, isMember := strings.CutPrefix(strings.TrimLeft(after, " \t\r\n"), ":"); isMember {
			if text := leadingScalar(value); text != "" {
				return scrub.Keep(text)
			}
		}
	}
	if form, err := url.ParseQuery(strings.TrimSpace(answer.Reveal())); err == nil && form.Get(name) != "" {
		return scrub.Keep(form.Get(name))
	}
	return redact.Secret{}
}

// leadingScalar reads the string or number that JSON begins with; empty: none, or one that is cut off.
func leadingScalar(text string) string {
	decoder := json.NewDecoder(strings.NewReader(text))
	decoder.UseNumber()
	value, err := decoder.Token()
	if err != nil {
		return ""
	}
	switch v := value.(type) {
	case string:
		return v
	case json.Number:
		if int(decoder.InputOffset()) < len(text) { // else more digits may have followed
			return v.String()
		}
	}
	return ""
}

// Credential is what the token is renewed with: it is spent by that, or dies.
func (d Document) Credential() redact.Secret {
	if d.OAuth2 != nil {
		return d.OAuth2.RefreshToken
	}
	return d.Token
}

// WithRefreshToken is the document with another refresh token.
func (d Document) WithRefreshToken(refreshToken redact.Secret) Document {
	o := *d.OAuth2
	o.RefreshToken = refreshToken
	d.OAuth2 = &o
	return d
}

// clientMembers are those of oauth2 that say which client asks for what, where, and how it proves itself.
var clientMembers = []string{"grant", "token_url", "client_id", "client_secret", "private_key", "key_id", "certificate"}

// Replaces names what d has in place of other's: the kind, the token, the refresh token or the client. Empty: d differs
// in nothing that a renewal writes or asks with.
func (d Document) Replaces(other Document) string {
	a, b := d.source.Get("oauth2"), other.source.Get("oauth2")
	if d.Renewable() != other.Renewable() || (d.Rotate == nil) != (other.Rotate == nil) {
		return "another kind of token"
	}
	if !d.Token.Equal(other.Token) {
		return "another token"
	}
	if a.Get("refresh_token").Text != b.Get("refresh_token").Text {
		return "another refresh_token"
	}
	for _, name := range clientMembers {
		if a.Get(name).Text != b.Get(name).Text {
			return "another " + name
		}
	}
	return ""
}

// JSON is the whole document.
func (d Document) JSON() redact.Secret {
	return redact.New(string(d.source.AppendJSON(nil, nil)))
}

// Renewal is what a renewal has written into the document.
func (d Document) Renewal() Renewal {
	r := Renewal{Token: d.Token}
	r.ExpiresAt, _ = bearer.ParseExpiry(d.source.Get("expires_at")) // absent: the token's own, or unknown
	if d.OAuth2 != nil {
		r.RefreshToken = d.OAuth2.RefreshToken
	}
	return r
}

// Renewed is the secret's JSON with what the renewal changes. Every other key stays, and so does their order.
func (d Document) Renewed(r Renewal) redact.Secret {
	changed := jsondoc.Value{Kind: jsondoc.Object}
	add := func(name string, v jsondoc.Value) {
		changed.Members = append(changed.Members, jsondoc.Member{Name: name, Value: v})
	}
	expiresAt := text(r.ExpiresAt.UTC().Format(time.RFC3339))
	hasExpiry := d.source.Get("expires_at").Kind != jsondoc.Absent
	for _, m := range d.source.Members {
		switch m.Name {
		case "token":
			add(m.Name, text(r.Token.Reveal()))
			if !hasExpiry && !r.ExpiresAt.IsZero() {
				add("expires_at", expiresAt)
			}
		case "expires_at":
			if !r.ExpiresAt.IsZero() {
				add(m.Name, expiresAt)
			}
		case "oauth2":
			add(m.Name, withRefreshToken(m.Value, r.RefreshToken))
		default:
			add(m.Name, m.Value)
		}
	}
	return redact.New(string(changed.AppendJSON(nil, nil)))
}

func text(s string) jsondoc.Value { return jsondoc.Value{Kind: jsondoc.String, Text: s} }

func withRefreshToken(oauth2 jsondoc.Value, refreshToken redact.Secret) jsondoc.Value {
	if refreshToken.IsZero() {
		return oauth2
	}
	members := make([]jsondoc.Member, 0, len(oauth2.Members))
	for _, m := range oauth2.Members {
		if m.Name == "refresh_token" {
			m.Value = text(refreshToken.Reveal())
		}
		members = append(members, m)
	}
	oauth2.Members = members
	return oauth2
}
