package token

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

// Rotate describes a provider's "new token" call, which is made with the current token.
type Rotate struct {
	call
	pointers

	token jsondoc.Pointer
}

// rotateValues are what the placeholders of a rotate stand for: the times of the call, and the id of the new version,
// which makes names unique. Empty ones check them.
func rotateValues(now time.Time, version string) request.Values {
	return request.ValuesAt(now, nil, map[string]string{"runId": version})
}

// rotate is checked whole before its call, as the call may end the current token.
func (p *secretParser) rotate(object jsondoc.Value) *Rotate {
	const where = "rotate."
	f := jsondoc.NewFields(object, where, true, &p.problems)
	r := &Rotate{
		call: p.call(f, where, "POST https://api.example.com/v1/tokens/self/rotate", callRules{
			body: true, url: true, secret: true, values: rotateValues(time.Time{}, ""),
		}),
		token:    p.pointer(f.Required("token", "the pointer (RFC 6901) to the new token in the answer"), where+"token"),
		pointers: p.pointers(f, where),
	}
	f.Done()
	return r
}

const rotateCall = "the rotate call to"

// rotate calls the provider once with the current token and finds the new one in its answer.
func (x *Exchanger) rotate(ctx context.Context, r *Rotate, current redact.Secret, version string) (Renewal, error) {
	asked := x.now()
	parts, err := r.request(rotateValues(asked, version))
	if err != nil {
		return Renewal{}, &MintError{From: rotateCall, Host: r.URL().Host, Reason: "was not made: " + err.Error(), Lasting: true}
	}
	request := parts.HTTP(ctx)
	if request.Header.Get("Accept") == "" {
		request.Header.Set("Accept", "application/json")
	}
	request.Header.Set("Authorization", "Bearer "+current.Reveal())
	a, failed := x.send(request, rotateCall, longestWait)
	if failed != nil {
		return Renewal{}, failed.MintError
	}
	host := request.URL.Host
	x.scrub.Add(a.doc.Lookup(r.token).Text)
	switch {
	case a.status == http.StatusUnauthorized:
		return Renewal{}, &MintError{From: rotateCall, Host: host, Reason: "answered 401" + a.words(), Refused: true, Lasting: true}
	case !a.successful():
		return Renewal{}, &MintError{From: rotateCall, Host: host, Reason: fmt.Sprintf("answered %d%s%s", a.status, a.words(), a.redirected())}
	}
	renewal, err := r.read(a.body, asked)
	if err != nil {
		return renewal, &MintError{From: rotateCall, Host: host, Reason: fmt.Sprintf("answered %d, but %s", a.status, err), Lasting: true}
	}
	return renewal, nil
}

// read finds the new token in an answer.
func (r *Rotate) read(answer string, asked time.Time) (Renewal, error) {
	renewal := Renewal{Answer: redact.New(answer)}
	doc, valid := jsondoc.Check([]byte(bearer.TrimBOM(answer)))
	if !valid {
		return renewal, errors.New("the answer is not JSON")
	}
	value := doc.Lookup(r.token)
	if value.Kind != jsondoc.String && value.Kind != jsondoc.Number {
		return renewal, fmt.Errorf("there is no string at rotate.token (%s)", r.token)
	}
	token, err := bearer.Normalize(value.Text)
	if err != nil {
		return renewal, fmt.Errorf("the token in it cannot be used: %w", err)
	}
	renewal.Token = redact.New(token)
	renewal.ExpiresAt, _ = r.expiry(doc, asked) // the rotator warns where the token before had one
	return renewal, nil
}
