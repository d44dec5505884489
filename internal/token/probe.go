package token

import (
	"github.com/cronbearer/cronbearer/internal/jsondoc"
	"github.com/cronbearer/cronbearer/internal/oauth"
	"github.com/cronbearer/cronbearer/internal/request"
)

// Probe is a call that shows whether a token still works, and when it expires. Providers have such calls (Cloudflare:
// GET /user/tokens/verify). It finds the death of a token whose jobs run rarely, before they do.
type Probe struct {
	oauth.Template
	oauth.Pointers

	Rules  request.Rules
	Judges bool // it has its own expect or reject, so that an accepted answer is proof
}

// tokenProbe allows neither a body nor placeholders: a probe is to change nothing, and needs no time.
func (p *secretParser) tokenProbe(object jsondoc.Value) *Probe {
	const where = "probe."
	f := jsondoc.NewFields(object, where, true, &p.problems)
	return &Probe{
		Template: p.call(f, where, "GET https://api.example.com/verify", callRules{}),
		Pointers: p.pointers(f, where),
		Rules:    request.ParseRules(f, where, true, &p.problems),
		Judges:   len(object.Get("expect").Members)+len(object.Get("reject").Members) > 0,
	}
}

// Request returns what the probe sends, without the token.
func (p *Probe) Request() (request.Request, error) { return p.Template.Request(request.Values{}) }
