package token

import (
	"strings"

	"github.com/cronbearer/cronbearer/internal/bearer"
	"github.com/cronbearer/cronbearer/internal/jsondoc"
	"github.com/cronbearer/cronbearer/internal/redact"
)

// minters are the members by which a secret describes how to obtain a token.
var minters = []string{"oauth2", "login", "jwt", "aws_identity", "rotate"}

// ParseMember reads a secret that was created for something else: its token is the string at key, a member's name or,
// if it begins with a slash, a JSON pointer. Of the other members only those are read that restrict what the token is
// used for. The event can never select a credential of ours, which would be sent to a target.
func ParseMember(text, key string, scrub *redact.Scrubber) (Document, error) {
	object, held := bearer.TrimBOM(text), scrub.Holder()
	if !strings.HasPrefix(object, "{") {
		addUnread(held, text)
		return Document{}, malformed(
			"the secret is plain text, and Key (secretKey in the event) selects a member of a JSON object: remove Key",
		)
	}
	doc, duplicates, err := jsondoc.Parse([]byte(object))
	if err != nil {
		addUnread(held, object)
		return Document{}, malformed("the secret begins with { and is " + err.Error())
	}
	p := secretParser{scrub: held}
	for _, d := range duplicates {
		p.problems.Addf("duplicate key; the second ends at byte %d", d.Offset)
	}
	for _, name := range minters {
		if v := doc.Get(name); v.Kind != jsondoc.Absent && v.Kind != jsondoc.Null {
			p.problems.Addf("the secret has %s, so Key (secretKey in the event) cannot select its token: remove Key", name)
		}
	}
	if len(p.problems) > 0 {
		return Document{}, &MalformedError{p.problems}
	}
	d := p.member(doc, key)
	if len(p.problems) > 0 {
		return Document{}, &MalformedError{p.problems}
	}
	return d, nil
}

func malformed(problem string) error { return &MalformedError{jsondoc.Problems{problem}} }

// member reads the token at key. Problems with hosts and ca are only warnings here: another program's secret may have
// members of these names that mean something else. Hosts that can be read still bind the token.
func (p *secretParser) member(doc jsondoc.Value, key string) Document {
	place := jsondoc.Key(key)
	if strings.HasPrefix(key, "/") {
		var err error
		if place, err = jsondoc.ParsePointer(key); err != nil {
			p.problems.Addf("Key: the pointer %s %s", jsondoc.Quote(key), err)
			return Document{}
		}
	}
	v := place.Lookup(doc)
	p.scrub.Add(v.Text)
	if v.Kind != jsondoc.String {
		p.problems.Addf("there is no string at Key %s: %s", jsondoc.Quote(key), memberNames(doc))
		return Document{}
	}
	normalized, err := bearer.Normalize(v.Text)
	token := p.scrub.Keep(normalized)
	if err != nil {
		p.problems.Addf("the string at Key %s: %s", jsondoc.Quote(key), err)
		return Document{}
	}
	d := Document{Token: token, held: p.scrub}
	d.forecast(jsondoc.Value{})
	if v := doc.Get("hosts"); v.Kind != jsondoc.Absent && v.Kind != jsondoc.Null {
		list, problems := parseHosts(v)
		if len(problems) > 0 {
			d.Warnings = append(
				d.Warnings,
				"the member hosts is not a list of hosts and is ignored: the token is bound to ALLOWED_HOSTS (parameter "+
					"AllowedHosts)",
			)
		} else {
			d.Hosts = &list
		}
	}
	if v := doc.Get("ca"); v.Kind != jsondoc.Absent && v.Kind != jsondoc.Null {
		var err error
		if d.CA, err = readCA(v); err != nil {
			d.Warnings = append(d.Warnings, "the member ca "+err.Error()+
				" and is ignored: only the system's certificates are trusted")
		}
	}
	return d
}
