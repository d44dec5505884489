package token

import (
	"fmt"
	"mime"
	"net/http"
	"net/url"
	"slices"
	"strings"
	"time"

	"github.com/cronbearer/cronbearer/internal/bearer"
	"github.com/cronbearer/cronbearer/internal/jsondoc"
	"github.com/cronbearer/cronbearer/internal/request"
)

// call is an HTTP call that a secret describes.
type call struct {
	request.Call

	headers []jsondoc.Member // strings
	body    jsondoc.Value
}

const formType = "application/x-www-form-urlencoded"

// callRules are what a call may have.
type callRules struct {
	authorization bool // a header Authorization of its own, as no token is sent with it
	body          bool
	url           bool           // placeholders in its URL, too
	secret        bool           // every header's value is scrubbed, whatever its name
	values        request.Values // placeholders of headers and body
}

func (p *secretParser) call(f *jsondoc.Fields, where, example string, rules callRules) call {
	var c call
	if text := f.Required("call", "a method and a URL, such as "+example); text != "" {
		c.Call = p.parseCall(text, where+"call", rules.url)
	}
	if headers, ok := f.Object("headers"); ok {
		c.headers = p.callHeaders(headers, where+"headers", rules)
	}
	if !rules.body {
		return c
	}
	c.body, _ = f.Any("body")
	p.checkPlaceholders(rules.values, c.body, where+"body: ")
	p.scrubNamed(c.body, c.body.Kind == jsondoc.String)
	if c.isForm() {
		for i, m := range c.body.Members {
			if m.Value.Kind != jsondoc.String {
				p.problems.Addf("%sbody: field %d of the form must be a string, not %s", where, i+1, m.Value.Kind)
			}
		}
	}
	return c
}

func (p *secretParser) callHeaders(headers jsondoc.Value, where string, rules callRules) []jsondoc.Member {
	seen := make([]string, 0, len(headers.Members))
	for i, m := range headers.Members {
		if rules.secret || saysCredential(m.Name) {
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

// scrubAround registers a text without its placeholders, which stand in our own help, too.
func (p *secretParser) scrubAround(text string) {
	for found := true; found; {
		before, rest, _ := strings.Cut(text, "{{")
		p.scrub.Add(strings.TrimSpace(before))
		_, text, found = strings.Cut(rest, "}}")
	}
}

func (c *call) isForm() bool {
	return c.body.Kind == jsondoc.Object && slices.ContainsFunc(c.headers, func(m jsondoc.Member) bool {
		media, _, _ := mime.ParseMediaType(m.Value.Text)
		return strings.EqualFold(m.Name, "Content-Type") && media == formType
	})
}

// uses reports whether headers or body have a placeholder.
func (c *call) uses(name string) bool {
	return holds(jsondoc.Value{Kind: jsondoc.Object, Members: c.headers}, "{{"+name+"}}") || holds(c.body, "{{"+name+"}}")
}

func holds(v jsondoc.Value, text string) bool {
	return v.Kind == jsondoc.String && strings.Contains(v.Text, text) ||
		slices.ContainsFunc(v.Items, func(item jsondoc.Value) bool { return holds(item, text) }) ||
		slices.ContainsFunc(v.Members, func(m jsondoc.Member) bool { return holds(m.Value, text) })
}

// Request is what the call sends, with its placeholders filled.
func (c *call) request(values request.Values) (request.Request, error) {
	body, contentType := values.Body(c.body)
	if c.isForm() {
		form := url.Values{}
		for _, m := range c.body.Members {
			form.Set(m.Name, values.Text(m.Value.Text))
		}
		body = []byte(form.Encode())
	}
	header := http.Header{}
	if body != nil {
		header.Set("Content-Type", contentType)
	}
	for _, m := range c.headers {
		header.Set(m.Name, values.Text(m.Value.Text))
	}
	// The transport decodes what it asked for itself. In another encoding the token could not be read, and what a rotate call
	// gave would be lost.
	header.Del("Accept-Encoding")
	return c.Fill(values, header, body)
}

// checkPlaceholders reports unknown ones in every string below v.
func (p *secretParser) checkPlaceholders(values request.Values, v jsondoc.Value, where string) {
	var found jsondoc.Problems
	values.CheckValue(v, where, &found)
	for _, problem := range found {
		p.problems.Addf("%s", withoutName(problem))
	}
}

// withoutName is a problem that does not show what stands between braces in a secret, unless it is a placeholder of
// another place.
func withoutName(problem string) string {
	before, rest, found := strings.Cut(problem, "unknown placeholder {{")
	name, after, closed := strings.Cut(rest, "}}")
	if !found || !closed || slices.Contains([]string{"runId", "jwt", "awsIdentity"}, name) {
		return problem
	}
	return before + "an unknown placeholder" + after
}

// pointers are where an answer has its expiry.
type pointers struct{ expiresIn, expiresAt *jsondoc.Pointer }

func (p *secretParser) pointers(f *jsondoc.Fields, where string) pointers {
	return pointers{p.optionalPointer(f, where, "expires_in"), p.optionalPointer(f, where, "expires_at")}
}

func (p *secretParser) pointer(text, where string) jsondoc.Pointer {
	pointer, err := jsondoc.ParsePointer(text)
	if err != nil {
		p.problems.Addf("%s %s", where, err)
	}
	return pointer
}

func (p *secretParser) optionalPointer(f *jsondoc.Fields, where, name string) *jsondoc.Pointer {
	text := f.String(name)
	if text == "" {
		return nil
	}
	pointer := p.pointer(text, where+name)
	return &pointer
}

// expiry is what an answer that was asked for at a moment says. Zero: unknown; unread says why if the answer has one.
func (p pointers) expiry(doc jsondoc.Document, asked time.Time) (at time.Time, unread string) {
	if p.expiresIn != nil {
		v := doc.Lookup(*p.expiresIn)
		if at = bearer.ExpiresIn(v, asked); !at.IsZero() {
			return at, ""
		}
		if v.Kind > jsondoc.Null {
			unread = "the answer's expires_in is no lifetime in seconds; this expiry is unknown"
		}
	}
	if p.expiresAt != nil {
		v := doc.Lookup(*p.expiresAt)
		at, err := bearer.ParseExpiry(v)
		if err == nil {
			return at, ""
		}
		if v.Kind > jsondoc.Null {
			unread = "the answer's expires_at " + err.Error() + "; this expiry is unknown"
		}
	}
	return time.Time{}, unread
}
