// Package token turns a secret of Secrets Manager into the token of a call: reads it, checks it, caches it, mints it,
// and says when it ends. It never sends it to a target.
package token

import (
	"slices"
	"strings"
	"time"

	"github.com/cronbearer/cronbearer/internal/hosts"
	"github.com/cronbearer/cronbearer/internal/job"
	"github.com/cronbearer/cronbearer/internal/jsondoc"
	"github.com/cronbearer/cronbearer/internal/redact"
)

// Document is what one version of a secret says.
type Document struct {
	Token  redact.Secret // zero: minted
	Expiry time.Time     // as the token or its secret tells it; zero: unknown, or minted
	Hosts  *hosts.List   // nil: none given
	// ExpiryUnreadable: there is an expiry that cannot be read, so that an unknown Expiry does not mean none.
	ExpiryUnreadable bool
	OAuth2           *OAuth2
	Rotate           *Rotate
	Test             *job.Probe
	Warnings         []string

	source jsondoc.Value // the object, Absent for plain text
}

// Minted tells whether the caller gets the token from a token endpoint itself.
func (d Document) Minted() bool { return d.Token.IsZero() }

// MalformedError says why a secret holds no usable token. It never shows what the secret holds.
type MalformedError struct{ Problems jsondoc.Problems }

func (e *MalformedError) Error() string { return e.Problems.String() }

// ParseSecret reads a secret's text. Every secret string in it is given to scrub first, usable or not.
func ParseSecret(text string, scrub *redact.Scrubber) (Document, error) {
	object := trimBOM(text)
	if !strings.HasPrefix(object, "{") {
		scrub.Add(text, object)
		token, err := normalize(text)
		scrub.Add(token)
		if err != nil {
			return Document{}, &MalformedError{jsondoc.Problems{"the secret's text: " + err.Error()}}
		}
		d := Document{Token: redact.New(token)}
		d.forecast(jsondoc.Value{})
		return d, nil
	}
	doc, duplicates, err := jsondoc.Parse([]byte(object))
	if err != nil {
		return Document{}, &MalformedError{jsondoc.Problems{"the secret begins with { and is " + err.Error()}}
	}
	p := secretParser{scrub: scrub}
	for _, d := range duplicates {
		p.problems.Addf("a key stands twice; the second ends at byte %d", d.Offset)
	}
	d := p.document(doc)
	if len(p.problems) > 0 {
		return Document{}, &MalformedError{p.problems}
	}
	return d, nil
}

// probe reads a call. The rules of an event's call would show an unknown placeholder.
func (p *secretParser) probe(text, where string) job.Probe {
	if strings.Contains(text, "{{") {
		p.problems.Addf("%s must not hold placeholders: they are for events", where)
		return job.Probe{}
	}
	probe, problems := job.ParseProbe(text)
	for _, problem := range problems {
		p.problems.Addf("%s: %s", where, problem)
	}
	return probe
}

type secretParser struct {
	scrub    *redact.Scrubber
	problems jsondoc.Problems
}

func (p *secretParser) document(doc jsondoc.Value) Document {
	f := jsondoc.NewFields(doc, "", true, &p.problems)
	d := Document{source: doc}
	token, hasToken := p.secretString(f, "", "token", 1)
	if hasToken {
		normalized, err := normalize(token)
		p.scrub.Add(normalized)
		if err != nil {
			p.problems.Addf("token: %s", err)
		}
		d.Token = redact.New(normalized)
	}
	expiresAt, _ := f.Any("expires_at")
	d.forecast(expiresAt)
	d.Hosts = p.hosts(f)
	if object, ok := f.Object("oauth2"); ok {
		d.OAuth2 = p.oauth2(object)
	}
	if object, ok := f.Object("rotate"); ok {
		d.Rotate = p.rotate(object)
	}
	if test := f.String("test"); test != "" {
		probe := p.probe(test, "test")
		d.Test = &probe
	}
	f.Done()
	p.combination(d, hasToken)
	return d
}

// combination refuses what would leave it to chance which token is used.
func (p *secretParser) combination(d Document, hasToken bool) {
	mints := d.OAuth2 != nil && d.OAuth2.Grant != RefreshToken
	switch {
	case d.OAuth2 != nil && d.Rotate != nil:
		p.problems.Addf("oauth2 and rotate exclude each other: remove one")
	case mints && hasToken && (d.OAuth2.Grant == ClientCredentials || d.OAuth2.Grant == JWTBearer):
		p.problems.Addf("token and oauth2 with grant %s exclude each other: remove token, as the caller gets one itself, or remove oauth2", d.OAuth2.Grant)
	case !mints && !hasToken && !p.wrongType("token"):
		p.problems.Addf("token is missing")
	}
}

// wrongType tells whether the key is there and was reported.
func (p *secretParser) wrongType(key string) bool {
	return slices.ContainsFunc(p.problems, func(s string) bool { return strings.HasPrefix(s, key+" must be") })
}

// secretString reads a string that must never be shown, and refuses one that is too short to be scrubbed.
func (p *secretParser) secretString(f *jsondoc.Fields, where, name string, shortest int) (string, bool) {
	text := f.String(name)
	p.scrub.Add(text)
	if text != "" && len(text) < shortest {
		p.problems.Addf("%s%s is shorter than %d bytes, too short to be kept out of logs", where, name, shortest)
	}
	return text, text != ""
}

// forecast reads the token's expiry: the JWT's exp, then expires_at. What cannot be read is a warning, as the token works
// anyway.
func (d *Document) forecast(expiresAt jsondoc.Value) {
	if d.Minted() { // such a token renews itself
		return
	}
	exp, err := jwtExpiry(d.Token.Reveal())
	d.expires(exp, "the token's claim exp", err)
	if expiresAt.Kind == jsondoc.Absent || expiresAt.Kind == jsondoc.Null {
		return
	}
	at, err := ParseExpiry(expiresAt)
	d.expires(at, "expires_at", err)
}

func (d *Document) expires(at time.Time, where string, err error) {
	if err != nil {
		d.ExpiryUnreadable = true
		d.Warnings = append(d.Warnings, where+" "+err.Error()+"; this expiry is unknown")
	}
	if d.Expiry.IsZero() {
		d.Expiry = at
	}
}

func (p *secretParser) hosts(f *jsondoc.Fields) *hosts.List {
	list, ok := f.Array("hosts")
	if !ok {
		return nil
	}
	entries := make([]string, 0, len(list.Items))
	for i, item := range list.Items {
		if item.Kind != jsondoc.String {
			p.problems.Addf("hosts: entry %d must be a string, not %s", i+1, item.Kind)
			continue
		}
		entries = append(entries, item.Text)
	}
	parsed, err := hosts.Parse(entries)
	if err != nil {
		p.problems.Addf("hosts: %s", strings.ReplaceAll(err.Error(), "\n", "; "))
	}
	return &parsed
}
