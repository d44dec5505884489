package token

import (
	"strings"

	"github.com/cronbearer/cronbearer/internal/bearer"
	"github.com/cronbearer/cronbearer/internal/jsondoc"
)

// minters are the members by which a secret describes how to obtain a token.
var minters = []string{"oauth2", "login", "jwt", "aws_identity", "rotate"}

// member reads a secret that was created for something else: its token is the string at key, a member's name or a JSON
// pointer if it begins with a slash. The event can never select a credential of ours, which would be sent to a target.
//
// Of the other members only those are read that restrict what the token is used for. Problems with them are warnings:
// another program's secret may have a member hosts or ca that means something else. Hosts that can be read still bind
// the token.
func (p *secretParser) member(doc jsondoc.Value, key string) Document {
	for _, name := range minters {
		if v := doc.Get(name); v.Kind != jsondoc.Absent && v.Kind != jsondoc.Null {
			p.problems.Addf("the secret has %s, so Key (secretKey in the event) cannot select its token: remove Key", name)
		}
	}
	if len(p.problems) > 0 {
		return Document{} // which member is the token is unclear, or not the event's to choose
	}
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
