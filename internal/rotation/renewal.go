package rotation

import (
	"context"
	"encoding/json"
	"net/url"
	"strings"
	"time"

	"github.com/cronbearer/cronbearer/internal/bearer"
	"github.com/cronbearer/cronbearer/internal/jsondoc"
	"github.com/cronbearer/cronbearer/internal/oauth"
	"github.com/cronbearer/cronbearer/internal/redact"
	"github.com/cronbearer/cronbearer/internal/token"
)

// askFor requests a new token once, for as long as ctx allows. version is the one that will hold it. If no answer
// arrives after the request was sent, no one knows whether the server has spent the credential. The error is an
// *oauth.Error; with it there may still be a Raw answer, which must not be lost.
func (r *rotator) askFor(ctx context.Context, d token.Document, version string) (oauth.Granted, error) {
	client := r.oauth.Trusting(d.CA)
	if d.Rotate != nil {
		return client.Rotate(ctx, d.Rotate, d.Token, version)
	}
	granted, err := client.Once(ctx, d.OAuth2)
	if granted.RefreshToken.IsZero() {
		granted.RefreshToken = refreshTokenIn(granted.Raw, r.scrub)
	}
	return granted, err
}

// refreshTokenIn finds a refresh token anywhere in an answer, even in one that is cut off, nested or form-encoded:
// whatever else is wrong with the answer, the refresh token must not be lost. Zero: there is none. The last resort for
// an answer that no rule can read: a number at the very end may have lost digits and is not used.
func refreshTokenIn(answer redact.Secret, scrub *redact.Scrubber) redact.Secret {
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

// leadingScalar reads the string or number at the start of JSON; empty: none, or one that is cut off.
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

// credentialOf returns the credential of a renewal, which spends or revokes it.
func credentialOf(d token.Document) redact.Secret {
	if d.OAuth2 != nil {
		return d.OAuth2.RefreshToken
	}
	return d.Token
}

// askingWith returns the document with another refresh token.
func askingWith(d token.Document, refreshToken redact.Secret) token.Document {
	o := *d.OAuth2
	o.RefreshToken = refreshToken
	d.OAuth2 = &o
	return d
}

// clientMembers are those of oauth2 that identify the client, its request, its server and its authentication.
var clientMembers = []string{"grant", "token_url", "client_id", "client_secret", "private_key", "key_id", "certificate"}

// replaced names what d has instead of other's: the kind, the token, the refresh token or the client. Empty: d differs
// in nothing that a renewal writes or sends. Other members (scope, hosts, test) do not make the renewed token a
// stranger to the secret.
func replaced(d, other token.Document) string {
	a, b := d.Source().Get("oauth2"), other.Source().Get("oauth2")
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

// jsonOf returns the whole document as JSON.
func jsonOf(d token.Document) redact.Secret {
	return redact.New(string(d.Source().AppendJSON(nil, nil)))
}

// writtenInto returns what a renewal has written into the document.
func writtenInto(d token.Document) oauth.Granted {
	g := oauth.Granted{Token: d.Token}
	g.Expiry, _ = bearer.ParseExpiry(d.Source().Get("expires_at")) // absent: the token's own, or unknown
	if d.OAuth2 != nil {
		g.RefreshToken = d.OAuth2.RefreshToken
	}
	return g
}

// renewed returns the secret's JSON with the renewed values. All other keys and their order stay. expires_at appears if
// the token has an expiry now, and disappears if it has none: the date of the previous token would be a lie.
func renewed(d token.Document, g oauth.Granted) redact.Secret {
	changed := jsondoc.Value{Kind: jsondoc.Object}
	add := func(name string, v jsondoc.Value) {
		changed.Members = append(changed.Members, jsondoc.Member{Name: name, Value: v})
	}
	expiresAt := stringOf(g.Expiry.UTC().Format(time.RFC3339))
	hasExpiry := d.Source().Get("expires_at").Kind != jsondoc.Absent
	for _, m := range d.Source().Members {
		switch m.Name {
		case "token":
			add(m.Name, stringOf(g.Token.Reveal()))
			if !hasExpiry && !g.Expiry.IsZero() {
				add("expires_at", expiresAt)
			}
		case "expires_at":
			if !g.Expiry.IsZero() {
				add(m.Name, expiresAt)
			}
		case "oauth2":
			add(m.Name, withRefreshToken(m.Value, g.RefreshToken))
		default:
			add(m.Name, m.Value)
		}
	}
	return redact.New(string(changed.AppendJSON(nil, nil)))
}

func stringOf(s string) jsondoc.Value { return jsondoc.Value{Kind: jsondoc.String, Text: s} }

func withRefreshToken(member jsondoc.Value, refreshToken redact.Secret) jsondoc.Value {
	if refreshToken.IsZero() {
		return member
	}
	members := make([]jsondoc.Member, 0, len(member.Members))
	for _, m := range member.Members {
		if m.Name == "refresh_token" {
			m.Value = stringOf(refreshToken.Reveal())
		}
		members = append(members, m)
	}
	member.Members = members
	return member
}
