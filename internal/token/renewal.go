package token

import (
	"context"
	"errors"
	"fmt"
	"io"
	"net/http"
	"time"

	"github.com/cronbearer/cronbearer/internal/jsondoc"
	"github.com/cronbearer/cronbearer/internal/outbound"
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
	begun := x.now() // a life is counted from before the request
	if d.Rotate != nil {
		return x.rotate(ctx, d.Rotate, d.Token)
	}
	granted, err := x.Once(ctx, d.OAuth2)
	renewal := Renewal{Token: granted.Token, RefreshToken: granted.RefreshToken}
	if err != nil {
		return renewal, err
	}
	if end := begun.Add(granted.Life); granted.LifeKnown && writable(end) {
		renewal.ExpiresAt = end
	}
	return renewal, nil
}

// rotate calls the provider with the current token and finds the new one in its answer.
func (x *Exchanger) rotate(ctx context.Context, r *Rotate, current redact.Secret) (Renewal, error) {
	request, err := rotateRequest(ctx, r, current)
	if err != nil {
		return Renewal{}, &MintError{Host: "of rotate.call", Reason: "was not asked: " + err.Error(), Lasting: true}
	}
	fail := func(format string, args ...any) *MintError {
		return &MintError{Host: request.URL.Host, Reason: fmt.Sprintf(format, args...)}
	}
	begun := time.Now()
	response, err := x.transport.RoundTrip(request)
	if err != nil {
		if refused, ok := errors.AsType[*outbound.AddressRefusedError](err); ok {
			failed := fail("was not asked: %s", refused)
			failed.Lasting = true
			return Renewal{}, failed
		}
		return Renewal{}, fail("gave no answer: %s", outbound.Explain(err, time.Since(begun)))
	}
	defer func() { _ = response.Body.Close() }()
	body, err := io.ReadAll(io.LimitReader(response.Body, maxExchangeBody+1))
	if err != nil || len(body) > maxExchangeBody {
		return Renewal{}, fail("answered %d, but its body was cut off or is larger than 1 MiB", response.StatusCode)
	}
	doc, _, _ := jsondoc.Parse(body)
	value := r.Token.Lookup(doc)
	x.scrub.Add(value.Text)
	switch {
	case response.StatusCode == http.StatusUnauthorized:
		failed := fail("answered 401%s", describe(doc))
		failed.Refused, failed.Lasting = true, true
		return Renewal{}, failed
	case response.StatusCode < 200 || response.StatusCode > 299:
		return Renewal{}, fail("answered %d%s", response.StatusCode, describe(doc))
	case value.Kind != jsondoc.String:
		failed := fail("answered %d, but there is no string at rotate.token (%s)", response.StatusCode, r.Token)
		failed.Lasting = true
		return Renewal{}, failed
	}
	if err := checkToken(value.Text); err != nil {
		failed := fail("answered %d, but with a token that cannot be used: %s", response.StatusCode, err)
		failed.Lasting = true
		return Renewal{}, failed
	}
	renewal := Renewal{Token: redact.New(value.Text)}
	if r.ExpiresAt != nil {
		renewal.ExpiresAt, _ = ParseExpiry(r.ExpiresAt.Lookup(doc)) // unknown where it cannot be read
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
