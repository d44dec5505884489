package token

import (
	"context"
	"fmt"
	"net/http"
	"time"

	"github.com/cronbearer/cronbearer/internal/jsondoc"
	"github.com/cronbearer/cronbearer/internal/redact"
)

// Renewal is what a renewed secret gets.
type Renewal struct {
	Token        redact.Secret // zero: the one before stays, and its expiry
	ExpiresAt    time.Time     // zero: unknown
	RefreshToken redact.Secret // zero: the one that was sent goes on
}

// Renewable tells whether the rotator renews the token: by a refresh token, or by the provider's "new token" call.
func (d Document) Renewable() bool {
	return d.Rotate != nil || d.OAuth2 != nil && d.OAuth2.Grant == RefreshToken
}

// Renew asks for a new token once, for as long as ctx lasts. Where it fails after the request was sent, nobody knows
// whether the server has spent the refresh token, or the current token. The error is a *MintError; with it there may
// still be a new refresh token, which must be kept.
func (x *Exchanger) Renew(ctx context.Context, d Document) (Renewal, error) {
	if d.Rotate != nil {
		return x.rotate(ctx, d.Rotate, d.Token)
	}
	granted, err := x.Once(ctx, d.OAuth2)
	renewal := Renewal{Token: granted.Token, RefreshToken: granted.RefreshToken}
	if err != nil {
		return renewal, err
	}
	renewal.ExpiresAt = granted.Expiry
	return renewal, nil
}

// rotate calls the provider with the current token and finds the new one in its answer.
func (x *Exchanger) rotate(ctx context.Context, r *Rotate, current redact.Secret) (Renewal, error) {
	request, err := rotateRequest(ctx, r, current)
	if err != nil {
		return Renewal{}, &MintError{From: "the host", Host: "of rotate.call", Reason: "was not asked: " + err.Error(), Lasting: true}
	}
	const from = "the rotate call to"
	fail := func(format string, args ...any) *MintError {
		return &MintError{From: from, Host: request.URL.Host, Reason: fmt.Sprintf(format, args...)}
	}
	a, sendFailed := x.send(request, from, longestWait)
	if sendFailed != nil {
		return Renewal{}, sendFailed.MintError
	}
	if a.unread != "" {
		return Renewal{}, fail("answered %d, but %s", a.status, a.unread)
	}
	value := a.doc.Lookup(r.Token)
	x.scrub.Add(value.Text)
	switch {
	case a.status == http.StatusUnauthorized:
		failed := fail("answered 401%s", a.words())
		failed.Refused, failed.Lasting = true, true
		return Renewal{}, failed
	case !a.successful():
		return Renewal{}, fail("answered %d%s%s", a.status, a.words(), a.redirected())
	case value.Kind != jsondoc.String:
		failed := fail("answered %d, but there is no string at rotate.token (%s)", a.status, r.Token)
		failed.Lasting = true
		return Renewal{}, failed
	}
	if err := checkToken(value.Text); err != nil {
		failed := fail("answered %d, but with a token that cannot be used: %s", a.status, err)
		failed.Lasting = true
		return Renewal{}, failed
	}
	renewal := Renewal{Token: redact.New(value.Text)}
	if r.ExpiresAt != nil {
		renewal.ExpiresAt, _ = ParseExpiry(a.doc.Lookup(*r.ExpiresAt)) // unknown where it cannot be read
	}
	return renewal, nil
}

// rotateRequest is the only place that reveals a token to its provider.
func rotateRequest(ctx context.Context, r *Rotate, current redact.Secret) (*http.Request, error) {
	parts, err := r.Call.Request(r.Header, r.Body)
	if err != nil {
		return nil, err
	}
	request := parts.HTTP(ctx)
	if request.Header.Get("Accept") == "" {
		request.Header.Set("Accept", "application/json")
	}
	request.Header.Set("Authorization", "Bearer "+current.Reveal())
	return request, nil
}

// Renewed is the secret's JSON with what the renewal changes. Every other key stays, and so does their order.
func (d Document) Renewed(r Renewal) redact.Secret {
	text := func(s string) jsondoc.Value { return jsondoc.Value{Kind: jsondoc.String, Text: s} }
	changed := jsondoc.Value{Kind: jsondoc.Object}
	hasExpiry := d.source.Get("expires_at").Kind != jsondoc.Absent
	for _, m := range d.source.Members {
		switch name := m.Name; {
		case r.Token.IsZero() && (name == "token" || name == "expires_at"):
			changed.Members = append(changed.Members, m)
		case name == "token":
			changed.Members = append(changed.Members, jsondoc.Member{Name: m.Name, Value: text(r.Token.Reveal())})
			if !hasExpiry && !r.ExpiresAt.IsZero() {
				changed.Members = append(changed.Members, jsondoc.Member{Name: "expires_at", Value: text(r.ExpiresAt.UTC().Format(time.RFC3339))})
			}
		case name == "expires_at":
			if !r.ExpiresAt.IsZero() {
				changed.Members = append(changed.Members, jsondoc.Member{Name: m.Name, Value: text(r.ExpiresAt.UTC().Format(time.RFC3339))})
			}
		case name == "oauth2":
			if !r.RefreshToken.IsZero() {
				m.Value.Members = replaced(m.Value.Members, "refresh_token", text(r.RefreshToken.Reveal()))
			}
			changed.Members = append(changed.Members, m)
		default:
			changed.Members = append(changed.Members, m)
		}
	}
	return redact.New(string(changed.AppendJSON(nil, nil)))
}

func replaced(members []jsondoc.Member, name string, v jsondoc.Value) []jsondoc.Member {
	list := make([]jsondoc.Member, len(members))
	for i, m := range members {
		if m.Name == name {
			m.Value = v
		}
		list[i] = m
	}
	return list
}
