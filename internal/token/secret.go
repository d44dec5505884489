// Package token turns a secret of Secrets Manager into the token of a call: reads it, checks it, caches it, mints it,
// and says when it ends. It never sends it to a target.
package token

import (
	"bytes"
	"encoding/binary"
	"fmt"
	"slices"
	"strings"
	"time"
	"unicode/utf16"

	"github.com/aws/aws-sdk-go-v2/service/secretsmanager"

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

// textOf is a secret's text. Binary is text, too: UTF-8, or UTF-16 with a byte order mark, as some editors save it.
func textOf(out *secretsmanager.GetSecretValueOutput) string {
	if out.SecretString != nil {
		return *out.SecretString
	}
	b := out.SecretBinary
	var order binary.ByteOrder
	switch {
	case bytes.HasPrefix(b, []byte{0xff, 0xfe}):
		order = binary.LittleEndian
	case bytes.HasPrefix(b, []byte{0xfe, 0xff}):
		order = binary.BigEndian
	default:
		return string(b)
	}
	units := make([]uint16, 0, len(b)/2)
	for ; len(b) >= 2; b = b[2:] {
		units = append(units, order.Uint16(b))
	}
	return string(utf16.Decode(units))
}

// parse reads a secret's text with a Key, or with "" in its documented form.
func parse(text, key string, scrub *redact.Scrubber) (Document, error) {
	if key == "" {
		return ParseSecret(text, scrub)
	}
	return ParseMember(text, key, scrub)
}

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
	v, ok := f.Any("hosts")
	if !ok {
		return nil
	}
	list, problems := parseHosts(v)
	for _, problem := range problems {
		p.problems.Addf("%s", problem)
	}
	return &list
}

// parseHosts reads a list, or one string with commas or the JSON text of a list, as the console's editor makes strings of
// everything. An empty one binds to nothing.
func parseHosts(v jsondoc.Value) (list hosts.List, problems []string) {
	var err error
	switch v.Kind {
	case jsondoc.Array:
		entries := make([]string, 0, len(v.Items))
		for i, item := range v.Items {
			if item.Kind != jsondoc.String {
				problems = append(problems, fmt.Sprintf("hosts: entry %d must be a string, not %s", i+1, item.Kind))
				continue
			}
			entries = append(entries, strings.TrimSpace(item.Text))
		}
		list, err = hosts.Parse(entries)
	case jsondoc.String:
		if strings.HasPrefix(strings.TrimSpace(v.Text), "[") {
			if inner, _, syntax := jsondoc.Parse([]byte(v.Text)); syntax == nil {
				return parseHosts(inner)
			}
		}
		list, err = hosts.ParseCommaSeparated(v.Text)
	default:
		return hosts.List{}, []string{"hosts must be a list of strings, or one string with commas between, not " + v.Kind.String()}
	}
	if err != nil {
		problems = append(problems, "hosts: "+strings.ReplaceAll(err.Error(), "\n", "; "))
	}
	return list, problems
}
