package token

import (
	"context"
	"fmt"
	"net/http"
	"time"

	"github.com/cronbearer/cronbearer/internal/bearer"
	"github.com/cronbearer/cronbearer/internal/jsondoc"
	"github.com/cronbearer/cronbearer/internal/request"
	"github.com/cronbearer/cronbearer/internal/retry"
)

// Login obtains a token by any HTTPS call.
type Login struct {
	call
	pointers

	rules request.Rules
	token jsondoc.Pointer
}

const loginCall = "the login call to"

// loginValues are what the placeholders of a login stand for. Empty ones check them.
func loginValues(now time.Time, signed, identity string) request.Values {
	return request.ValuesAt(now, nil, map[string]string{"jwt": signed, "awsIdentity": identity})
}

func (p *secretParser) login(object jsondoc.Value) *Login {
	const where = "login."
	f := jsondoc.NewFields(object, where, true, &p.problems)
	l := &Login{
		call: p.call(f, where, "POST https://api.example.com/login", callRules{
			authorization: true, body: true, values: loginValues(time.Time{}, "", ""),
		}),
		token:    p.pointer(f.Required("token", "the pointer (RFC 6901) to the token in the answer"), where+"token"),
		pointers: p.pointers(f, where),
	}
	l.rules = request.ParseRules(f, where, true, &p.problems)
	return l
}

// login makes the call once.
func (x *Exchanger) login(ctx context.Context, d Document) (Granted, *attemptError) {
	l, asked, host := d.Login, x.now(), d.Login.URL().Host
	signed, identity := "", ""
	if d.JWT != nil {
		var err error
		if signed, err = x.signJWT(d.JWT, asked); err != nil {
			return Granted{}, lasting(loginCall, host, "was not made: %s", err)
		}
	}
	if d.Identity != nil {
		var failed *attemptError
		if identity, failed = x.identity(ctx, d.Identity); failed != nil {
			return Granted{}, failed
		}
	}
	parts, err := l.request(loginValues(asked, signed, identity))
	if err != nil {
		return Granted{}, lasting(loginCall, host, "was not made: %s", err)
	}
	request := parts.HTTP(ctx)
	if request.Header.Get("Accept") == "" {
		request.Header.Set("Accept", "application/json")
	}
	a, failed := x.send(request, loginCall, exchangeTimeout)
	if failed != nil {
		return Granted{}, failed
	}
	return x.loggedIn(a, l, asked, host)
}

func (x *Exchanger) loggedIn(a *answer, l *Login, asked time.Time, host string) (Granted, *attemptError) {
	value := a.doc.Lookup(l.token)
	x.scrub.Add(value.Text, a.get("access_token").Text, a.get("refresh_token").Text, a.get("id_token").Text)
	failed := &attemptError{MintError: &MintError{From: loginCall, Host: host, Reason: fmt.Sprintf("answered %d%s%s", a.status, a.words(), a.redirected())}}
	failed.next = a.next(false)
	unmet := l.rules.Unmet(a.status, a.header.Get("Content-Type"), a.doc)
	switch {
	case a.refuses(l.rules):
		failed.Refused, failed.Lasting, failed.next.Retry = true, true, false
		failed.Reason += ". Check what login sends: its call, headers and body"
		return Granted{}, failed
	case a.unread != "":
		failed.Reason += ", but " + a.unread
		return Granted{}, failed
	case unmet != "":
		failed.Reason += ": login's " + unmet
		return Granted{}, failed
	case value.Kind != jsondoc.String && value.Kind != jsondoc.Number:
		return Granted{}, lasting(loginCall, host, "answered %d, but there is no string at login.token (%s)", a.status, jsondoc.Quote(l.token.String()))
	}
	token, err := bearer.Normalize(value.Text)
	x.scrub.Add(token)
	if err != nil {
		return Granted{}, lasting(loginCall, host, "answered %d, but with a token that cannot be used: %s", a.status, err)
	}
	g := Granted{Token: x.scrub.Keep(token), Asked: asked}
	g.Expiry, g.Warning = l.expiry(a.doc, asked)
	if g.Expiry.IsZero() {
		exp, err := bearer.JWTExpiry(token)
		if exp.After(asked) {
			g.Expiry = exp
		}
		if err != nil && g.Warning == "" {
			g.Warning = "the token's claim exp " + err.Error() + "; this expiry is unknown"
		}
	}
	return g, nil
}

// refuses reports whether a login's credentials are refused: by 401, by a rule, or by a 4xx that is not for later.
func (a *answer) refuses(rules request.Rules) bool {
	switch {
	case a.status == http.StatusUnauthorized, rules.RejectsBody(a.doc):
		return true
	case a.limit.Limited:
		return false
	case rules.RejectsStatus(a.status):
		return true
	default:
		return 400 <= a.status && a.status <= 499 && !retry.Passing(a.status)
	}
}
