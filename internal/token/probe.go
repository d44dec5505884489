package token

import (
	"time"

	"github.com/cronbearer/cronbearer/internal/jsondoc"
	"github.com/cronbearer/cronbearer/internal/request"
)

// Probe is a call that shows whether a token still works, and when it expires.
type Probe struct {
	call
	pointers

	Rules  request.Rules
	Judges bool // it has an expect or reject of its own, so that its acceptance says something
}

func (p *secretParser) tokenProbe(object jsondoc.Value) *Probe {
	const where = "probe."
	f := jsondoc.NewFields(object, where, true, &p.problems)
	return &Probe{
		call:     p.call(f, where, "GET https://api.example.com/verify", callRules{}),
		pointers: p.pointers(f, where),
		Rules:    request.ParseRules(f, where, true, &p.problems),
		Judges:   len(object.Get("expect").Members)+len(object.Get("reject").Members) > 0,
	}
}

// Request is what the probe sends, but for the token.
func (p *Probe) Request() (request.Request, error) { return p.request(request.Values{}) }

// Expiry is the token's expiry as an answer to a request of that moment says. Zero: unknown; unread says why if the answer
// has one.
func (p *Probe) Expiry(doc jsondoc.Document, asked time.Time) (at time.Time, unread string) {
	return p.expiry(doc, asked)
}
