package oauth

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

// Login obtains a token by any HTTPS call. There is no standard for it: the call, the place of the token in the answer
// and what counts as a rejection are the secret's.
type Login struct {
	Template
	Pointers

	Rules request.Rules
	Token jsondoc.Pointer
}

// LoginCall is the From of an Error.
const LoginCall = "the login call to"

// LoginValues are the values of a login's placeholders. Empty ones check them.
func LoginValues(now time.Time, signed, identity string) request.Values {
	return request.ValuesAt(now, nil, map[string]string{"jwt": signed, "awsIdentity": identity})
}

// Login makes the call once, with a signed JWT or the function's identity for its placeholders. nil: there is none. The
// error is an *Error.
func (c *Client) Login(ctx context.Context, l *Login, j *JWT, i *AWSIdentity) (Granted, error) {
	return result(c.login(ctx, l, j, i))
}

func (c *Client) login(ctx context.Context, l *Login, j *JWT, i *AWSIdentity) (Granted, *Error) {
	asked, host := c.now(), l.URL().Host
	signed, identity := "", ""
	if j != nil {
		var err error
		if signed, err = c.signJWT(j, asked); err != nil {
			return Granted{}, permanent(LoginCall, host, "was not made: %s", err)
		}
	}
	if i != nil {
		var failed *Error
		if identity, failed = c.identity(ctx, i); failed != nil {
			return Granted{}, failed
		}
	}
	parts, err := l.Request(LoginValues(asked, signed, identity))
	if err != nil {
		return Granted{}, permanent(LoginCall, host, "was not made: %s", err)
	}
	request := parts.HTTP(ctx)
	if request.Header.Get("Accept") == "" {
		request.Header.Set("Accept", "application/json")
	}
	a, failed := c.send(request, LoginCall, exchangeTimeout)
	if failed != nil {
		return Granted{}, failed
	}
	return c.loggedIn(a, l, asked, host)
}

// loggedIn registers the token with the scrubber before it judges the answer, as the text of every failure quotes it. A
// token that is a number is accepted as it is written.
func (c *Client) loggedIn(a *answer, l *Login, asked time.Time, host string) (Granted, *Error) {
	value := a.doc.Lookup(l.Token)
	c.scrub.Add(value.Text, a.get("access_token").Text, a.get("refresh_token").Text, a.get("id_token").Text)
	failed := &Error{
		From: LoginCall, Host: host, Reason: fmt.Sprintf("answered %d%s%s", a.status, a.words(), a.redirected()),
	}
	failed.Next = a.next(false)
	unmet := l.Rules.Unmet(a.status, a.header.Get("Content-Type"), a.doc)
	switch {
	case a.rejects(l.Rules):
		failed.Rejected, failed.Permanent, failed.Next.Retry = true, true, false
		failed.Reason += ". Check what login sends: its call, headers and body"
		return Granted{}, failed
	case a.unread != "":
		failed.Reason += ", but " + a.unread
		return Granted{}, failed
	case unmet != "":
		failed.Reason += ": login: " + unmet
		return Granted{}, failed
	case value.Kind != jsondoc.String && value.Kind != jsondoc.Number:
		return Granted{}, permanent(
			LoginCall, host, "answered %d, but there is no string at login.token (%s)", a.status,
			jsondoc.Quote(l.Token.String()),
		)
	}
	normalized, err := bearer.Normalize(value.Text)
	token := c.scrub.Keep(normalized)
	if err != nil {
		return Granted{}, permanent(LoginCall, host, "answered %d, but with a token that cannot be used: %s", a.status, err)
	}
	g := Granted{Token: token, Asked: asked}
	g.Expiry, g.Warning = l.Expiry(a.doc, asked)
	if g.Expiry.IsZero() {
		exp, err := bearer.JWTExpiry(normalized)
		if exp.After(asked) {
			g.Expiry = exp
		}
		if err != nil && g.Warning == "" {
			g.Warning = "the token's claim exp " + err.Error() + "; this expiry is unknown"
		}
	}
	return g, nil
}

// rejects reports whether a login's credentials are rejected: by 401, by a rule, or by a 4xx that is not transient. A
// 400 or 404 counts: what it says about a login will not change until an operator changes it, and to repeat it may lock
// the account.
func (a *answer) rejects(rules request.Rules) bool {
	switch {
	case a.status == http.StatusUnauthorized, rules.RejectsBody(a.doc):
		return true
	case a.limit.Limited:
		return false
	case rules.RejectsStatus(a.status):
		return true
	default:
		return 400 <= a.status && a.status <= 499 && !retry.Transient(a.status)
	}
}
