// Package token turns a secret of Secrets Manager into the token of a call: it reads and validates the secret, keeps it
// and what was minted with it in memory, and determines when the token expires. It sends no token to a target (package
// endpoint), calls no provider itself (package oauth) and writes no secret (package rotation).
//
// Its policy: a secret is parsed completely and every problem is reported at once, without a value; a value is
// registered with the scrubber before anything is reported about it; a token is used only for the hosts that it is
// bound to; one that was rejected is never served from memory; and a rejected credential is not sent again for minutes,
// as that locks accounts.
package token

import (
	"bytes"
	"encoding/binary"
	"fmt"
	"slices"
	"strings"
	"time"
	"unicode"
	"unicode/utf16"

	"github.com/aws/aws-sdk-go-v2/service/secretsmanager"

	"github.com/cronbearer/cronbearer/internal/bearer"
	"github.com/cronbearer/cronbearer/internal/egress"
	"github.com/cronbearer/cronbearer/internal/hosts"
	"github.com/cronbearer/cronbearer/internal/jsondoc"
	"github.com/cronbearer/cronbearer/internal/oauth"
	"github.com/cronbearer/cronbearer/internal/redact"
	"github.com/cronbearer/cronbearer/internal/request"
)

// Document is the content of one version of a secret. It is of one kind: static has only Token; minted one of the
// members that mint; rotated Token and how the rotator renews it. Fields are set as read, even if problems were
// reported: the parser returns a Document only without any.
type Document struct {
	Token  redact.Secret // zero: minted
	Expiry time.Time     // of the token or, where it is minted, of the credential that mints it; zero: unknown
	// ExpiryUnreadable: there is an expiry that cannot be read, so that an unknown Expiry does not mean none.
	ExpiryUnreadable bool
	Hosts            *hosts.List // nil: not set
	CA               *egress.CA  // nil: only the system's certificates
	OAuth2           *oauth.Config
	Login            *oauth.Login
	JWT              *oauth.JWT         // the token itself or, next to Login, what fills its {{jwt}}
	Identity         *oauth.AWSIdentity // the token itself, or what the other one presents
	Rotate           *oauth.Rotate
	Test             *request.Call
	Probe            *Probe
	Warnings         []string

	source jsondoc.Value  // the object, Absent for plain text
	held   *redact.Holder // keeps what the document holds registered
}

// Source is the JSON object that the document was read from, Absent for plain text. It holds secrets as plain
// strings: it is only for renewals, which write it back with a new token.
func (d Document) Source() jsondoc.Value { return d.source }

// Minted reports whether the caller obtains the token itself.
func (d Document) Minted() bool { return d.Token.IsZero() }

// MalformedError says why a secret holds no usable token. It never shows the secret's content.
type MalformedError struct{ Problems jsondoc.Problems }

func (e *MalformedError) Error() string { return e.Problems.String() }

// textOf returns a secret's text. A binary secret is text as well.
func textOf(out *secretsmanager.GetSecretValueOutput) string {
	if out.SecretString != nil {
		return *out.SecretString
	}
	return Text(out.SecretBinary)
}

// Text returns the text of a binary secret or a file: UTF-8, or UTF-16 with a byte order mark, as some editors save it.
// Windows PowerShell 5.1 writes UTF-16 when output is redirected into a file (about_Redirection). An odd last byte,
// half a character, is dropped.
func Text(b []byte) string {
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

// ParseSecret is Parse for a secret in the form that is documented for secrets (docs/configuration.md).
func ParseSecret(text string, scrub *redact.Scrubber) (Document, error) {
	return Parse(text, "", scrub)
}

// Parse reads a secret's text. With a key, the event's secretKey, the secret was created for something else, and its
// token is the string there (see member). Every secret string is registered with scrub first, usable or not. The error
// is a *MalformedError with all problems.
func Parse(text, key string, scrub *redact.Scrubber) (Document, error) {
	object, held := bearer.TrimBOM(text), scrub.Holder()
	if !strings.HasPrefix(object, "{") {
		return plain(text, key, held)
	}
	doc, duplicates, err := jsondoc.Parse([]byte(object))
	if err != nil {
		addUnread(held, object)
		return Document{}, malformed("the secret begins with { and is " + err.Error())
	}
	p := secretParser{scrub: held}
	for _, twice := range duplicates {
		p.problems.Addf("duplicate key; the second ends at byte %d", twice.Offset)
	}
	var d Document
	if key == "" {
		d = p.document(p.unfold(doc))
	} else {
		d = p.member(doc, key)
	}
	if len(p.problems) > 0 {
		return Document{}, &MalformedError{p.problems}
	}
	return d, nil
}

// plain reads a secret that is no object: all of it is the token.
func plain(text, key string, held *redact.Holder) (Document, error) {
	if key != "" {
		addUnread(held, text)
		return Document{}, malformed(
			"the secret is plain text, and Key (secretKey in the event) selects a member of a JSON object: remove Key",
		)
	}
	token, err := bearer.Normalize(text)
	if err != nil {
		addUnread(held, text)
		return Document{}, malformed("the secret's text: " + err.Error())
	}
	d := Document{Token: held.Keep(token), held: held}
	d.forecast(jsondoc.Value{})
	return d, nil
}

func malformed(problem string) error { return &MalformedError{jsondoc.Problems{problem}} }

// addUnread registers what may be secret in a text that cannot be parsed, such as JSON in the quotes of a
// shell: its long words with a digit that are not an address. The rest, names, hosts and punctuation, would continue
// to be redacted from our texts long after the secret is corrected, although it was never secret.
func addUnread(held *redact.Holder, text string) {
	for _, word := range strings.FieldsFunc(text, func(r rune) bool {
		return unicode.IsSpace(r) || strings.ContainsRune("\"'`{}[]()<>,;:=\\", r)
	}) {
		_, noHost := hosts.Parse([]string{word})
		address := strings.HasPrefix(word, "//") || strings.Contains(word, ".") && noHost == nil
		if len(word) >= 16 && strings.ContainsAny(word, "0123456789") && !address {
			held.Add(word)
		}
	}
}

// secretParser collects the problems of one secret. No text that it adds may contain a value, nor a name that does not
// look like one: the texts reach logs, Lambda's error and an email.
type secretParser struct {
	scrub    *redact.Holder
	problems jsondoc.Problems
	misspelt bool     // an unknown member may be a known one
	ignored  []string // unknown members
}

// document reads every member before it judges their combination, so that one attempt shows all that is wrong. Its
// result is complete only if there are no problems.
func (p *secretParser) document(whole jsondoc.Value) Document {
	d := Document{source: whole, held: p.scrub}
	doc := p.known(whole)
	f := jsondoc.NewFields(doc, "", true, &p.problems)
	if token := p.secretString(f, "", "token", 1); !token.IsZero() {
		normalized, err := bearer.Normalize(token.Reveal())
		d.Token = p.scrub.Keep(normalized)
		if err != nil {
			p.problems.Addf("token: %s", err)
		}
	}
	d.Hosts, d.CA = p.hosts(f), p.ca(f)
	// An empty object is not absent: what it lacks is reported.
	if object, _ := f.Object("oauth2"); object.Kind == jsondoc.Object {
		d.OAuth2 = p.oauth2(object)
	}
	if object, _ := f.Object("login"); object.Kind == jsondoc.Object {
		d.Login = p.login(object)
	}
	if object, _ := f.Object("jwt"); object.Kind == jsondoc.Object {
		d.JWT = p.jwt(object)
	}
	if object, _ := f.Object("aws_identity"); object.Kind == jsondoc.Object {
		d.Identity = p.awsIdentity(object)
	}
	if d.OAuth2 != nil {
		d.OAuth2.Identity = d.Identity
	}
	if object, _ := f.Object("rotate"); object.Kind == jsondoc.Object {
		d.Rotate = p.rotate(object)
	}
	if test := f.String("test"); test != "" {
		call := p.parseCall(test, "test", false)
		d.Test = &call
	}
	if object, _ := f.Object("probe"); object.Kind == jsondoc.Object {
		d.Probe = p.tokenProbe(object)
	}
	expiresAt, _ := f.Any("expires_at")
	p.combination(whole, d)
	d.forecast(expiresAt)
	d.Warnings = append(d.Warnings, p.ignoredWarning()...)
	if d.Test != nil && !d.Renewable() {
		d.Warnings = append(d.Warnings, "test is ignored: it is for tokens that the rotator renews")
	}
	return d
}

// parseCall reads a call, which may have placeholders in its URL or none at all.
func (p *secretParser) parseCall(text, where string, placeholders bool) request.Call {
	parse := request.ParseFixedCall
	if placeholders {
		parse = request.ParseCall
	}
	probe, problems := parse(text)
	for _, problem := range problems {
		p.problems.Addf("%s: %s", where, withoutName(problem))
	}
	return probe
}

// combination rejects secrets in which it would be ambiguous which token is used. It looks at what was written, not at
// what could be read: a member that is broken is reported as broken, and not as missing as well.
func (p *secretParser) combination(whole jsondoc.Value, d Document) {
	refreshes := d.OAuth2 != nil && d.OAuth2.Grant == oauth.RefreshToken
	has := func(name string) bool {
		v := whole.Get(name)
		return v.Kind > jsondoc.Null && !(v.Kind == jsondoc.String && v.Text == "")
	}
	rotated := d.Rotate != nil || refreshes
	var mints []string // one that cannot be read is reported, and its kind is unknown
	if d.OAuth2 != nil && slices.Contains(
		[]oauth.Grant{oauth.ClientCredentials, oauth.JWTBearer, oauth.TokenExchange}, d.OAuth2.Grant,
	) {
		mints = append(mints, "oauth2")
	}
	if d.Login != nil {
		mints = append(mints, "login")
	} else if d.JWT != nil {
		mints = append(mints, "jwt")
	}
	if d.Identity != nil && d.Login == nil && (d.OAuth2 == nil || refreshes) {
		mints = append(mints, "aws_identity")
	}
	switch {
	case refreshes && d.Identity != nil:
		p.problems.Addf(
			"oauth2 with grant refresh_token and aws_identity exclude each other: the rotator renews this token, and only " +
				"the caller has the identity",
		)
	case refreshes && d.Rotate != nil:
		p.problems.Addf("oauth2 and rotate exclude each other: remove one")
	case len(mints) > 1:
		p.problems.Addf("%s exclude each other: each of them obtains a token, so keep one", strings.Join(mints, " and "))
	case rotated && len(mints) > 0:
		p.problems.Addf(
			"%s and %s exclude each other: remove one", mints[0],
			map[bool]string{true: "oauth2 with grant refresh_token", false: "rotate"}[refreshes],
		)
	case has("token") && len(mints) > 0:
		p.problems.Addf(
			"token and %s exclude each other: remove token, as the caller obtains one itself, or remove %s", mints[0],
			mints[0],
		)
	case rotated && !has("token"):
		p.problems.Addf("token is missing: the rotator renews it, and the caller sends it")
	case !has("token") && !slices.ContainsFunc(minters, has) && !p.misspelt:
		p.problems.Addf("token is missing, and so is a way to obtain one (oauth2, login, jwt, aws_identity): %s. If one "+
			"of these is the token, select it with Key in template.yaml (secretKey in the event)",
			memberNames(whole))
	}
	p.uses(d, has)
}

// uses requires that what is next to a login or an oauth2 is used, and that what they use is present.
func (p *secretParser) uses(d Document, has func(string) bool) {
	if d.Login != nil {
		p.used("login", "{{jwt}}", "jwt", d.Login.Uses("jwt"), has("jwt"))
		p.used("login", "{{awsIdentity}}", "aws_identity", d.Login.Uses("awsIdentity"), has("aws_identity"))
	}
	if o := d.OAuth2; o != nil && o.Grant != oauth.RefreshToken {
		p.used("oauth2", "aws_identity", "aws_identity", o.UsesIdentity(), has("aws_identity"))
	}
}

func (p *secretParser) used(by, how, member string, used, there bool) {
	switch {
	case used && !there:
		p.problems.Addf("%s uses %s, and the secret has no %s: add it", by, how, member)
	case !used && there:
		p.problems.Addf("%s and %s exclude each other unless %s uses %s", member, by, by, how)
	}
}

// forecast reads the expiry of the token: the JWT's exp, then expires_at; for a minted one that of the credential that
// mints it: expires_at, then what the credential itself states. An unreadable one is a warning, as the token works
// anyway.
func (d *Document) forecast(expiresAt jsondoc.Value) {
	if !d.Minted() {
		exp, err := bearer.JWTExpiry(d.Token.Reveal())
		d.expires(exp, "the token's claim exp", err)
	}
	if expiresAt.Kind != jsondoc.Absent && expiresAt.Kind != jsondoc.Null {
		at, err := bearer.ParseExpiry(expiresAt)
		d.expires(at, "expires_at", err)
	}
	if o := d.OAuth2; o != nil && d.Minted() {
		if o.Key != nil {
			d.expires(o.Key.Expires, "", nil)
		}
		exp, err := bearer.JWTExpiry(o.SubjectToken.Reveal())
		d.expires(exp, "the claim exp of oauth2.subject_token", err)
	}
}

// expires keeps the first expiry that is known: sources are tried in the order of their authority.
func (d *Document) expires(at time.Time, where string, err error) {
	if err != nil {
		d.ExpiryUnreadable = true
		d.Warnings = append(d.Warnings, where+" "+err.Error()+"; this expiry is unknown")
	}
	if d.Expiry.IsZero() {
		d.Expiry = at
	}
}

// hosts returns nil if the member is absent: the token is then bound to ALLOWED_HOSTS. A list that cannot be read never
// becomes that.
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

// parseHosts reads a list, or one string with commas or the JSON text of a list, as the console's editor turns
// everything into strings. An empty one allows no host.
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
		return hosts.List{}, []string{"hosts must be a list of strings, or one comma-separated string, not " +
			v.Kind.String()}
	}
	if err != nil {
		problems = append(problems, "hosts: "+strings.ReplaceAll(err.Error(), "\n", "; "))
	}
	return list, problems
}
