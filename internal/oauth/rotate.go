package oauth

import (
	"context"
	"errors"
	"fmt"
	"net/http"
	"time"

	"github.com/cronbearer/cronbearer/internal/bearer"
	"github.com/cronbearer/cronbearer/internal/jsondoc"
	"github.com/cronbearer/cronbearer/internal/redact"
	"github.com/cronbearer/cronbearer/internal/request"
)

// Rotate describes a provider's "new token" call, which is authorized by the current token.
type Rotate struct {
	Template
	Pointers

	Token jsondoc.Pointer
}

// RotateValues are the values of a rotate call's placeholders: the times of the call, and the id of the new version,
// which makes names unique. Empty ones check them.
func RotateValues(now time.Time, version string) request.Values {
	return request.ValuesAt(now, nil, map[string]string{"runId": version})
}

const rotateCall = "the rotate call to"

// Rotate calls the provider once with the current token, for as long as ctx allows, and finds the new one in its
// answer. version is the one that will hold it. The error is an *Error; with it there may still be a Raw answer. The
// call revokes the current token at most providers (GitLab's does at once), so nothing here repeats it.
func (c *Client) Rotate(ctx context.Context, r *Rotate, current redact.Secret, version string) (Granted, error) {
	asked := c.now()
	parts, err := r.Request(RotateValues(asked, version))
	if err != nil {
		return Granted{}, permanent(rotateCall, r.URL().Host, "was not made: %s", err)
	}
	request := parts.HTTP(ctx)
	if request.Header.Get("Accept") == "" {
		request.Header.Set("Accept", "application/json")
	}
	request.Header.Set("Authorization", "Bearer "+current.Reveal())
	a, failed := c.send(request, rotateCall, longestWait)
	if failed != nil {
		return Granted{}, failed
	}
	host := request.URL.Host
	c.scrub.Add(a.doc.Lookup(r.Token).Text)
	switch {
	case a.status == http.StatusUnauthorized:
		return Granted{}, &Error{From: rotateCall, Host: host, Reason: "answered 401" +
			a.words(), Rejected: true, Permanent: true}
	case !a.successful():
		return Granted{}, &Error{
			From: rotateCall, Host: host, Reason: fmt.Sprintf("answered %d%s%s", a.status, a.words(), a.redirected()),
		}
	}
	granted, err := r.Read(redact.New(a.body), asked, c.scrub)
	if err != nil {
		return granted, &Error{
			From: rotateCall, Host: host, Reason: fmt.Sprintf("answered %d, but %s", a.status, err), Permanent: true,
		}
	}
	return granted, nil
}

// Read finds the new token in an answer. asked is when the call was made. It is a step of its own, as an answer that
// was kept is read again when an operator has corrected the pointers.
func (r *Rotate) Read(answer redact.Secret, asked time.Time, scrub *redact.Scrubber) (Granted, error) {
	granted := Granted{Raw: answer, Asked: asked}
	doc, valid := jsondoc.Check([]byte(bearer.TrimBOM(answer.Reveal())))
	if !valid {
		return granted, errors.New("the answer is not JSON")
	}
	value := doc.Lookup(r.Token)
	if value.Kind != jsondoc.String && value.Kind != jsondoc.Number {
		return granted, fmt.Errorf("there is no string at rotate.token (%s)", jsondoc.Quote(r.Token.String()))
	}
	token, err := bearer.Normalize(value.Text)
	if err != nil {
		return granted, fmt.Errorf("the token in it cannot be used: %w", err)
	}
	granted.Token = scrub.Keep(token)
	granted.Expiry, _ = r.Expiry(doc, asked) // the rotator warns if the previous token had one
	return granted, nil
}
