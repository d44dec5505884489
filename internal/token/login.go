package token

import (
	"time"

	"github.com/cronbearer/cronbearer/internal/jsondoc"
	"github.com/cronbearer/cronbearer/internal/oauth"
	"github.com/cronbearer/cronbearer/internal/request"
)

// login allows no placeholder in its URL, since what fills one is a credential: URLs are logged by every server and
// proxy on the way (RFC 6750 section 5.3).
func (p *secretParser) login(object jsondoc.Value) *oauth.Login {
	const where = "login."
	f := jsondoc.NewFields(object, where, true, &p.problems)
	l := &oauth.Login{
		Template: p.call(f, where, "POST https://api.example.com/login", callRules{
			authorization: true, body: true, values: oauth.LoginValues(time.Time{}, "", ""),
		}),
		Token:    p.pointer(f.Required("token", "the pointer (RFC 6901) to the token in the answer"), where+"token"),
		Pointers: p.pointers(f, where),
	}
	l.Rules = request.ParseRules(f, where, true, &p.problems)
	return l
}
