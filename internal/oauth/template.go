package oauth

import (
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

// Template is an HTTP call that a secret describes, whose placeholders are filled for each request. Names and values
// come from the secret: package token has validated them, and nothing here may quote one.
type Template struct {
	request.Call

	Headers []jsondoc.Member // strings
	Body    jsondoc.Value
}

const formType = "application/x-www-form-urlencoded"

// IsForm reports whether the body is the fields of a form.
func (c *Template) IsForm() bool {
	return c.Body.Kind == jsondoc.Object && slices.ContainsFunc(c.Headers, func(m jsondoc.Member) bool {
		media, _, _ := mime.ParseMediaType(m.Value.Text)
		return strings.EqualFold(m.Name, "Content-Type") && media == formType
	})
}

// Uses reports whether headers or body have the placeholder.
func (c *Template) Uses(name string) bool {
	return holds(jsondoc.Value{Kind: jsondoc.Object, Members: c.Headers}, "{{"+name+"}}") || holds(c.Body, "{{"+name+"}}")
}

func holds(v jsondoc.Value, text string) bool {
	return v.Kind == jsondoc.String && strings.Contains(v.Text, text) ||
		slices.ContainsFunc(v.Items, func(item jsondoc.Value) bool { return holds(item, text) }) ||
		slices.ContainsFunc(v.Members, func(m jsondoc.Member) bool { return holds(m.Value, text) })
}

// Request returns what the call sends, with its placeholders filled. The headers of the secret come last, so that its
// Content-Type replaces the default one. A form is encoded in the order of its names (url.Values), which no server may
// depend on.
func (c *Template) Request(values request.Values) (request.Request, error) {
	body, contentType := values.Body(c.Body)
	if c.IsForm() {
		form := url.Values{}
		for _, m := range c.Body.Members {
			form.Set(m.Name, values.Text(m.Value.Text))
		}
		body = []byte(form.Encode())
	}
	header := http.Header{}
	if body != nil {
		header.Set("Content-Type", contentType)
	}
	for _, m := range c.Headers {
		header.Set(m.Name, values.Text(m.Value.Text))
	}
	// The transport decodes only what it requested itself. In another encoding the token could not be read, and what a
	// rotate call returned would be lost.
	header.Del("Accept-Encoding")
	return c.Fill(values, header, body)
}

// Pointers are where an answer has its expiry.
type Pointers struct{ ExpiresIn, ExpiresAt *jsondoc.Pointer }

// Expiry returns the expiry in an answer. Zero: unknown; unread says why if the answer has one. expires_in comes first:
// a lifetime depends on no clock but ours. What cannot be read is worth a warning, never the loss of the token.
func (p Pointers) Expiry(doc jsondoc.Document, asked time.Time) (at time.Time, unread string) {
	if p.ExpiresIn != nil {
		v := doc.Lookup(*p.ExpiresIn)
		if at = bearer.ExpiresIn(v, asked); !at.IsZero() {
			return at, ""
		}
		if v.Kind > jsondoc.Null {
			unread = "the answer's expires_in is not a lifetime in seconds; this expiry is unknown"
		}
	}
	if p.ExpiresAt != nil {
		v := doc.Lookup(*p.ExpiresAt)
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
