package token

import (
	"fmt"
	"net/http"
	"slices"
	"strings"

	"github.com/cronbearer/cronbearer/internal/jsondoc"
	"github.com/cronbearer/cronbearer/internal/oauth"
	"github.com/cronbearer/cronbearer/internal/request"
)

// callRules say what a call may contain. They differ by who authorizes the call. A probe and a rotate call are sent
// with the token, so an Authorization header of the user's would compete with it; a login has no token yet, so its
// header may be the credential. A probe has no body, as it must change nothing.
type callRules struct {
	authorization bool // its own Authorization header, as no token is sent with it
	body          bool
	url           bool           // placeholders in its URL as well
	secret        bool           // the value of every header is scrubbed
	values        request.Values // placeholders of headers and body
}

// call reads the members call, headers and body of an object, whose name and a dot is where. example completes the
// problem of a missing call. What it returns is to be used only if no problem was added.
func (p *secretParser) call(f *jsondoc.Fields, where, example string, rules callRules) oauth.Template {
	var c oauth.Template
	if text := f.Required("call", "a method and a URL, such as "+example); text != "" {
		c.Call = p.parseCall(text, where+"call", rules.url)
	}
	if headers, ok := f.Object("headers"); ok {
		c.Headers = p.callHeaders(headers, where+"headers", rules)
	}
	if !rules.body {
		return c
	}
	c.Body, _ = f.Any("body")
	p.checkPlaceholders(rules.values, c.Body, where+"body: ")
	// A body that is one string has no name that could identify it as a credential, so it counts as one.
	p.scrubNamed(c.Body, c.Body.Kind == jsondoc.String)
	if c.IsForm() {
		for i, m := range c.Body.Members {
			if m.Value.Kind != jsondoc.String {
				p.problems.Addf("%sbody: field %d of the form must be a string, not %s", where, i+1, m.Value.Kind)
			}
		}
	}
	return c
}

// callHeaders validates headers, whose values are scrubbed first if they may be credentials. Problems number them and
// never show a name: what was pasted into the wrong place may be in it.
func (p *secretParser) callHeaders(headers jsondoc.Value, where string, rules callRules) []jsondoc.Member {
	seen := make([]string, 0, len(headers.Members))
	for i, m := range headers.Members {
		if rules.secret || namesCredential(m.Name) {
			p.scrubAround(m.Value.Text)
		}
		name := http.CanonicalHeaderKey(m.Name)
		err := request.CheckHeaderName(m.Name)
		if rules.authorization && name == "Authorization" {
			err = nil
		}
		switch {
		case err != nil:
			p.problems.Addf("%s: the name of header %d %s", where, i+1, err)
		case slices.Contains(seen, name):
			p.problems.Addf("%s: header %d is a duplicate (names are matched without regard to case)", where, i+1)
		case m.Value.Kind != jsondoc.String:
			p.problems.Addf("%s: header %d must be a string, not %s", where, i+1, m.Value.Kind)
		case !request.ValidHeaderValue(m.Value.Text):
			p.problems.Addf("%s: header %d must be printable ASCII", where, i+1)
		default:
			p.checkPlaceholders(rules.values, m.Value, fmt.Sprintf("%s: header %d: ", where, i+1))
		}
		seen = append(seen, name)
	}
	return headers.Members
}

// scrubAround registers a text without its placeholders, which also appear in our own help.
func (p *secretParser) scrubAround(text string) {
	for found := true; found; {
		before, rest, _ := strings.Cut(text, "{{")
		p.scrub.Add(strings.TrimSpace(before))
		_, text, found = strings.Cut(rest, "}}")
	}
}

// checkPlaceholders reports unknown ones in every string below v. Package request writes its problems for events, whose
// author may see everything, so each loses here what a secret must not show.
func (p *secretParser) checkPlaceholders(values request.Values, v jsondoc.Value, where string) {
	var found jsondoc.Problems
	values.CheckValue(v, where, &found)
	for _, problem := range found {
		p.problems.Addf("%s", withoutName(problem))
	}
}

// withoutName returns a problem without what is between braces in a secret, unless it is a placeholder of
// another call.
func withoutName(problem string) string {
	before, rest, found := strings.Cut(problem, "unknown placeholder {{")
	name, after, closed := strings.Cut(rest, "}}")
	if !found || !closed || slices.Contains([]string{"runId", "jwt", "awsIdentity"}, name) {
		return problem
	}
	return before + "an unknown placeholder" + after
}

func (p *secretParser) pointers(f *jsondoc.Fields, where string) oauth.Pointers {
	return oauth.Pointers{
		ExpiresIn: p.optionalPointer(f, where, "expires_in"), ExpiresAt: p.optionalPointer(f, where, "expires_at"),
	}
}

func (p *secretParser) pointer(text, where string) jsondoc.Pointer {
	pointer, err := jsondoc.ParsePointer(text)
	if err != nil {
		p.problems.Addf("%s %s", where, err)
	}
	return pointer
}

// optionalPointer returns nil for a member that is absent. The empty pointer, which refers to the whole answer (RFC
// 6901 section 5), counts as absent: a whole answer is no expiry.
func (p *secretParser) optionalPointer(f *jsondoc.Fields, where, name string) *jsondoc.Pointer {
	text := f.String(name)
	if text == "" {
		return nil
	}
	pointer := p.pointer(text, where+name)
	return &pointer
}
