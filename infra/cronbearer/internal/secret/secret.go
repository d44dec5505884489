// Package secret says what the caller would understand of a secret before it is stored: the caller's own parser reads
// it. What it returns never holds a value of the secret, only its kind, its dates, its hosts and the names of its
// members. It stores nothing and asks no one: whether a token works is seen when it is used.
package secret

import (
	"bytes"
	"encoding/base64"
	"errors"
	"fmt"
	"slices"
	"strings"
	"time"

	"github.com/cronbearer/cronbearer/internal/bearer"
	"github.com/cronbearer/cronbearer/internal/hosts"
	"github.com/cronbearer/cronbearer/internal/jsondoc"
	"github.com/cronbearer/cronbearer/internal/oauth"
	"github.com/cronbearer/cronbearer/internal/redact"
	"github.com/cronbearer/cronbearer/internal/token"
)

// MaxBytes is Secrets Manager's limit of a secret.
const MaxBytes = 65536

// A Report is what is known of a secret.
type Report struct {
	// Kind names how its token is obtained, for programs: one of the Kinds. "" if it cannot be read.
	Kind string
	// Bytes of the token or, where the caller obtains one, of the whole secret.
	Bytes int
	// JWT reports that the token is a JWT, Issuer who issued it.
	JWT    bool
	Issuer string
	// From is the host from which the caller or the rotator obtains tokens.
	From string
	// Expires is when the token expires, or the credential that obtains it. Zero: not known.
	Expires time.Time
	// Hosts are where the token may go; nil if the secret does not say it.
	Hosts *hosts.List
	// Removed is what was taken off, such as a line break.
	Removed  []string
	Warnings []Problem
	Problems []Problem
}

// A Problem is one thing that is wrong, and what to do.
type Problem struct {
	Text string `json:"text"`
	Fix  string `json:"fix,omitempty"`
}

// The kinds of secrets.
const (
	PlainText   = "plain_text"
	InJSON      = "json"
	Member      = "member"
	OAuth2      = "oauth2"
	Login       = "login"
	JWT         = "jwt"
	AWSIdentity = "aws_identity"
	Refreshed   = "refreshed"
	Rotated     = "rotated"
)

// Read reads a secret. key is the Key of the token in the template, or "".
func Read(data []byte, key string, now time.Time) Report {
	text := token.Text(data)
	r := Report{Bytes: len(text)}
	if bytes.HasPrefix(data, []byte{0xff, 0xfe}) || bytes.HasPrefix(data, []byte{0xfe, 0xff}) {
		r.Removed = append(r.Removed, "the encoding UTF-16")
		text = bearer.TrimBOM(text)
	}
	if len(data) > MaxBytes {
		r.problem(fmt.Sprintf("has %d bytes, and Secrets Manager allows %d", len(data), MaxBytes), "store what the "+
			"caller needs")
		return r
	}
	whole, _, err := jsondoc.Parse([]byte(bearer.TrimBOM(text)))
	if err != nil {
		whole = jsondoc.Value{}
	}
	d, err := token.Parse(text, key, &redact.Scrubber{})
	if malformed, ok := errors.AsType[*token.MalformedError](err); ok {
		r.malformed(malformed, text, whole)
		return r
	}
	r.Hosts, r.Expires = d.Hosts, d.Expiry
	r.describe(d, key, text, whole)
	for _, w := range d.Warnings {
		r.Warnings = append(r.Warnings, Problem{Text: w})
	}
	for _, a := range aliases(whole, key) {
		r.Warnings = append(r.Warnings, Problem{a.Text + ", and is ignored", a.Fix})
	}
	r.unfilled(whole)
	if !r.Expires.IsZero() && !r.Expires.After(now) {
		r.problem("it expired on "+r.Expires.UTC().Format("2 Jan 2006 15:04 UTC"), "obtain a new one")
	}
	return r
}

func (r *Report) problem(text, fix string) { r.Problems = append(r.Problems, Problem{text, fix}) }

// describe says what a secret without a problem is.
func (r *Report) describe(d token.Document, key, text string, whole jsondoc.Value) {
	switch {
	case d.Rotate != nil:
		r.Kind, r.From = Rotated, d.Rotate.Call.Host()
	case d.OAuth2 != nil && d.OAuth2.Grant == oauth.RefreshToken:
		r.Kind, r.From = Refreshed, d.OAuth2.TokenURL.Host
	case d.OAuth2 != nil:
		r.Kind, r.From = OAuth2, d.OAuth2.TokenURL.Host
	case d.Login != nil:
		r.Kind, r.From = Login, d.Login.Call.Host()
	case d.JWT != nil:
		r.Kind = JWT
	case d.Minted():
		r.Kind = AWSIdentity
	case key != "":
		r.Kind = Member
	case whole.Kind == jsondoc.Object:
		r.Kind = InJSON
	default:
		r.Kind = PlainText
	}
	if d.Minted() {
		return
	}
	raw := text
	switch {
	case key != "":
		raw = pointer(key).Lookup(whole).Text
	case whole.Kind == jsondoc.Object:
		raw = whole.Get("token").Text
	}
	r.Removed = append(r.Removed, bearer.Removed(raw)...)
	if value, err := bearer.Normalize(raw); err == nil {
		r.Bytes = len(value)
		r.JWT, r.Issuer = issuer(value)
	}
}

// pointer is the place that a Key names.
func pointer(key string) jsondoc.Pointer {
	if p, err := jsondoc.ParsePointer(key); err == nil && strings.HasPrefix(key, "/") {
		return p
	}
	return jsondoc.Key(key)
}

// issuer reads the claim iss of a JWT, which is public.
func issuer(value string) (isJWT bool, iss string) {
	parts := strings.Split(value, ".")
	if len(parts) != 3 { //nolint:mnd // RFC 7515 section 3.1
		return false, ""
	}
	payload, err := base64.RawURLEncoding.DecodeString(strings.TrimRight(parts[1], "="))
	claims, _, syntax := jsondoc.Parse(payload)
	if err != nil || syntax != nil || claims.Kind != jsondoc.Object {
		return false, ""
	}
	return true, printable(claims.Get("iss").Text)
}

// printable is a claim that may be shown in one line.
func printable(text string) string {
	const longest = 200
	if len(text) > longest || strings.ContainsFunc(text, func(r rune) bool { return r < '!' || r > '~' }) {
		return ""
	}
	return text
}

// malformed takes over what the parser says, with fixes.
func (r *Report) malformed(err *token.MalformedError, text string, whole jsondoc.Value) {
	named := aliases(whole, "")
	unfilled := placeholders(whole, "")
	for _, problem := range err.Problems.Listed() {
		if !follows(problem, err.Error(), named) && !slices.ContainsFunc(unfilled, func(name string) bool {
			return strings.HasPrefix(problem, name+" ") || strings.HasPrefix(problem, name+":")
		}) {
			r.problem(problem, fixFor(problem, text))
		}
	}
	for _, a := range named {
		if !strings.Contains(err.Error(), "unknown member "+a.where+":") {
			r.problem(a.Text, a.Fix)
		}
	}
	r.unfilled(whole)
}

// unfilled reports what was left as the documentation has it.
func (r *Report) unfilled(whole jsondoc.Value) {
	for _, name := range placeholders(whole, "") {
		r.problem(name+" has a placeholder that was not filled in", "write the value there")
	}
}
