package token

import (
	"time"

	"github.com/cronbearer/cronbearer/internal/jsondoc"
	"github.com/cronbearer/cronbearer/internal/oauth"
)

// rotate is validated completely before its call, as the call may revoke the current token.
func (p *secretParser) rotate(object jsondoc.Value) *oauth.Rotate {
	const where = "rotate."
	f := jsondoc.NewFields(object, where, true, &p.problems)
	return &oauth.Rotate{
		Template: p.call(f, where, "POST https://api.example.com/v1/tokens/self/rotate", callRules{
			body: true, url: true, secret: true, values: oauth.RotateValues(time.Time{}, ""),
		}),
		Token:    p.pointer(f.Required("token", "the pointer (RFC 6901) to the new token in the answer"), where+"token"),
		Pointers: p.pointers(f, where),
	}
}
