package token

import (
	"fmt"
	"slices"
	"strings"

	"github.com/cronbearer/cronbearer/internal/bearer"
	"github.com/cronbearer/cronbearer/internal/jsondoc"
	"github.com/cronbearer/cronbearer/internal/keys"
	"github.com/cronbearer/cronbearer/internal/redact"
)

// The known members of each level. Below headers, parameters, claims and bodies any name is the user's.
var (
	secretMembers = []string{
		"token", "expires_at", "hosts", "oauth2", "login", "jwt", "aws_identity", "rotate", "test", "probe", "ca",
	}
	nestedMembers = map[string][]string{
		"oauth2": {
			"grant", "token_url", "client_id", "client_secret", "auth", "scope", "audience", "assertion_audience", "issuer",
			"subject",
			"private_key", "key_id", "algorithm", "certificate", "refresh_token", "subject_token", "subject_token_type",
			"requested_token_type", "assertion", "parameters", "format",
		},
		"login":        {"call", "headers", "body", "token", "expires_in", "expires_at", "expect", "reject"},
		"jwt":          {"private_key", "algorithm", "key_id", "issuer", "subject", "audience", "lifetime", "claims"},
		"aws_identity": {"audience", "algorithm", "lifetime"},
		"rotate":       {"call", "headers", "body", "token", "expires_at", "expires_in"},
		"probe":        {"call", "headers", "expires_at", "expires_in", "expect", "reject"},
	}
	ruleMembers = map[string][]string{"expect": {"status", "contentType", "json"}, "reject": {"status", "json"}}
)

// unfold parses members that must be objects and are stored as text: the console's editor turns everything into
// strings.
func (p *secretParser) unfold(doc jsondoc.Value) jsondoc.Value {
	doc.Members = slices.Clone(doc.Members)
	for i, m := range doc.Members {
		if nestedMembers[m.Name] == nil || m.Value.Kind != jsondoc.String {
			continue
		}
		text := bearer.TrimBOM(m.Value.Text)
		if text == "" {
			doc.Members[i].Value = jsondoc.Value{Kind: jsondoc.Null}
			continue
		}
		inner, duplicates, err := jsondoc.Parse([]byte(text))
		if err != nil || inner.Kind != jsondoc.Object {
			continue // its type is reported
		}
		for _, d := range duplicates {
			p.problems.Addf("duplicate key in %s; the second ends at byte %d of its text", m.Name, d.Offset)
		}
		doc.Members[i].Value = inner
	}
	return doc
}

// known returns the object without members that are not known, at every level. One that may be a typo is a problem, as
// it would silently have no effect; the rest are logged in a
// warning: the note of an owner, or the member of a newer version, is no reason to stop the jobs.
func (p *secretParser) known(doc jsondoc.Value) jsondoc.Value {
	doc = p.only(doc, "", secretMembers)
	for i, m := range doc.Members {
		names := nestedMembers[m.Name]
		if names == nil || m.Value.Kind != jsondoc.Object {
			continue
		}
		where := m.Name + "."
		inner := p.only(m.Value, where, names)
		for j, rules := range inner.Members {
			if ruleMembers[rules.Name] != nil && rules.Value.Kind == jsondoc.Object {
				inner.Members[j].Value = p.only(rules.Value, where+rules.Name+".", ruleMembers[rules.Name])
			}
		}
		doc.Members[i].Value = inner
	}
	return doc
}

// only drops and reports the members that are not among names. A name that contains host or domain is never merely
// ignored: its author meant to bind the token, which would silently be bound to ALLOWED_HOSTS instead.
func (p *secretParser) only(object jsondoc.Value, where string, names []string) jsondoc.Value {
	kept := make([]jsondoc.Member, 0, len(object.Members))
	for _, m := range object.Members {
		if slices.Contains(names, m.Name) {
			kept = append(kept, m)
			continue
		}
		meant := closest(m.Name, names)
		switch {
		case meant != "":
			p.misspelt = true
			p.problems.Addf("unknown member %s: did you mean %s?", where+shownName(m.Name), where+meant)
		case mentionsHosts(m.Name):
			p.misspelt = true
			p.problems.Addf(
				"unknown member %s: did you mean hosts? It is a top-level member of the secret and binds the token to hosts",
				where+shownName(m.Name),
			)
		default:
			p.ignored = append(p.ignored, where+shownName(m.Name))
		}
	}
	object.Members = kept
	return object
}

// closest returns the known name that a name is close to. The shorter a name is, the more likely is a chance
// resemblance: an edit is allowed from four letters, two from seven. Case never counts. Empty: it is close to none.
func closest(name string, known []string) string {
	best, bestEdits := "", len(name)
	name = strings.ToLower(name)
	for _, k := range known {
		allowed := 0
		switch n := len(k); {
		case n >= 7:
			allowed = 2
		case n >= 4:
			allowed = 1
		}
		if len(name) > len(k)+allowed || len(k) > len(name)+allowed {
			continue
		}
		if edits := editDistance(name, strings.ToLower(k)); edits <= allowed && (best == "" || edits < bestEdits) {
			best, bestEdits = k, edits
		}
	}
	return best
}

// editDistance counts insertions, deletions, replacements and swaps of neighbours (optimal string alignment). Swapped
// neighbours are one edit, as they are one slip. Both names are short, so the full table costs nothing.
func editDistance(a, b string) int {
	rows := make([][]int, len(a)+1)
	for i := range rows {
		rows[i] = make([]int, len(b)+1)
		rows[i][0] = i
	}
	for j := range rows[0] {
		rows[0][j] = j
	}
	for i := 1; i <= len(a); i++ {
		for j := 1; j <= len(b); j++ {
			cost := 1
			if a[i-1] == b[j-1] {
				cost = 0
			}
			rows[i][j] = min(rows[i-1][j]+1, rows[i][j-1]+1, rows[i-1][j-1]+cost)
			if i > 1 && j > 1 && a[i-1] == b[j-2] && a[i-2] == b[j-1] {
				rows[i][j] = min(rows[i][j], rows[i-2][j-2]+1)
			}
		}
	}
	return rows[len(a)][len(b)]
}

func mentionsHosts(name string) bool {
	name = strings.ToLower(name)
	return strings.Contains(name, "host") || strings.Contains(name, "domain")
}

const maxMemberName = 40

// shownName returns a member's name if it looks like one: what was pasted into the wrong place is not shown.
func shownName(name string) string {
	if len(name) <= maxMemberName && isMemberName(name) {
		return name
	}
	return "(name not shown)"
}

func isMemberName(text string) bool {
	return bearer.IsIdentifier(strings.NewReplacer("-", "_", ".", "_").Replace(text))
}

// memberNames lists the names of an object's members that look like names, and never a value. They help to choose a
// Key: the names of a secret that was created for another program are known to its author.
func memberNames(doc jsondoc.Value) string {
	const maxNames = 10
	var names []string
	hidden := 0
	for _, m := range doc.Members {
		if len(names) < maxNames && shownName(m.Name) == m.Name {
			names = append(names, m.Name)
		} else {
			hidden++
		}
	}
	slices.Sort(names)
	switch {
	case len(names) == 0:
		return fmt.Sprintf("the secret has %d members", len(doc.Members))
	case hidden > 0:
		return fmt.Sprintf("the secret has %s and %d more", strings.Join(names, ", "), hidden)
	default:
		return "the secret has " + strings.Join(names, ", ")
	}
}

// ignoredWarning names what was ignored, once for the whole secret.
func (p *secretParser) ignoredWarning() []string {
	const maxNames = 10
	if len(p.ignored) == 0 {
		return nil
	}
	text := "unknown members are ignored: " + strings.Join(p.ignored[:min(len(p.ignored), maxNames)], ", ")
	if more := len(p.ignored) - maxNames; more > 0 {
		text += fmt.Sprintf(" and %d more", more)
	}
	return []string{text}
}

// secretString reads a string that must never be shown, and rejects one that is too short to be scrubbed. Zero: there
// is none.
func (p *secretParser) secretString(f *jsondoc.Fields, where, name string, shortest int) redact.Secret {
	text := f.String(name)
	secret := p.scrub.Keep(text)
	if text != "" && len(text) < shortest {
		p.problems.Addf("%s%s is shorter than %d bytes, too short to be kept out of logs", where, name, shortest)
	}
	return secret
}

// secretPEM is secretString for a private key. It registers the content and not the
// PEM labels around it (keys.Secrets), which our own help contains as well.
func (p *secretParser) secretPEM(f *jsondoc.Fields, where, name string) (string, bool) {
	text := f.String(name)
	p.scrub.Add(keys.Secrets(text)...)
	if text != "" && len(text) < redact.MinSecret {
		p.problems.Addf("%s%s is shorter than %d bytes, too short to be kept out of logs", where, name, redact.MinSecret)
	}
	return text, text != ""
}

// credentialWords are in the names of headers and members whose values are scrubbed. Matching parts of names redacts
// too much rather than too little: X-Api-Key, client_secret, authToken.
var credentialWords = []string{"auth", "token", "key", "secret", "password", "cookie", "credential"}

func namesCredential(name string) bool {
	name = strings.ToLower(name)
	return slices.ContainsFunc(credentialWords, func(word string) bool { return strings.Contains(name, word) })
}

// scrubNamed registers the strings below a value whose own name, or that of a member around them, names a credential.
func (p *secretParser) scrubNamed(v jsondoc.Value, credential bool) {
	if v.Kind == jsondoc.String && credential {
		p.scrub.Add(v.Text)
	}
	for _, item := range v.Items {
		p.scrubNamed(item, credential)
	}
	for _, m := range v.Members {
		p.scrubNamed(m.Value, credential || namesCredential(m.Name))
	}
}
