package lint

import (
	"encoding/json"
	"maps"
	"net/url"
	"regexp"
	"slices"
	"strings"
	"time"

	"github.com/cronbearer/cronbearer/internal/dev/schedule"
)

// What the tools that write rows must know about them.

// Key is a key that a row may have.
type Key struct {
	Name     string
	Required bool
	// Bare values are numbers and booleans, which need no quotes to be themselves.
	Bare bool
	// JSON values are JSON text.
	JSON bool
}

// Keys returns the keys of the rows of Jobs or Tokens, by name.
func Keys(mapping string) []Key {
	var keys []Key
	for _, name := range slices.Sorted(maps.Keys(rules[mapping])) {
		r := rules[mapping][name]
		keys = append(keys, Key{name, r.required, r.kind == number || r.kind == truth, r.kind == pasted})
	}
	return keys
}

// Name reports what is wrong with the name of a row, and what to write; "" if nothing is. YAML's words are good names
// in quotes.
func Name(mapping, name string) (text, fix string) {
	if rowName.MatchString(name) {
		return "", ""
	}
	return badName, "write " + goodName(mapping, name)
}

// ReadAs reports what YAML 1.1 takes an unquoted value for if it is not text, or "".
func ReadAs(plain string) string {
	for _, kind := range yaml11 {
		if kind.pattern.MatchString(plain) {
			return kind.what
		}
	}
	return ""
}

// Silence returns the smallest SilentAfter that never cries wolf. Without watch no SilentAfter would do: the job runs
// once, or less often than CloudWatch looks back, and needs Watch: ignore.
func Silence(s *schedule.Schedule, window time.Duration) (hours int, watch bool) {
	hours = LeastSilentAfter(s.LongestGap(), window)
	if s.OneTime() || hours > maxSilentAfter {
		return maxSilentAfter, false
	}
	return hours, true
}

// Credential names the place of a credential in a value of a row, or returns "". It is stricter than the warnings of
// Template: a tool that writes a value for someone may decline, and whoever means it writes it by hand. No part of the
// value but names is in the text.
func Credential(key, value string) string {
	if tokenShape(value) != "" || hasRandomWord(value) {
		return "what looks like a token"
	}
	switch key {
	case "Secret":
		if certain, likely := pastedToken(value); certain || likely {
			return "what looks like a token"
		}
	case "Call":
		return credentialInCall(value)
	case "Headers":
		return credentialInMembers(value, "the header ", credentialHeader)
	case "Body":
		return credentialInMembers(value, "the member ", credentialMember)
	}
	return ""
}

var (
	credentialHeader = regexp.MustCompile(
		`(?i)^cookie$|auth|api[_-]?key|token|secret|passw(or)?d|credential|signature|access[_-]?key|subscription[_-]?key`,
	)
	credentialMember = regexp.MustCompile(
		`(?i)^(?:authorization|auth)$|api[_-]?key|token|secret|passw(or)?d|credential|private[_-]?key|assertion`,
	)
	credentialQuery = regexp.MustCompile(
		`(?i)^(?:auth|pwd|sig|signature)$|api[_-]?key|token|secret|passw(or)?d|credential|access[_-]?key|` +
			`subscription[_-]?key`,
	)
)

func credentialInCall(value string) string {
	_, location, _ := strings.Cut(strings.TrimSpace(value), " ")
	beforeQuery, query, _ := strings.Cut(location, "?")
	if _, rest, ok := strings.Cut(beforeQuery, "://"); ok {
		if authority, _, _ := strings.Cut(rest, "/"); strings.Contains(authority, "@") {
			return "a user or password before the host"
		}
	}
	query, _, _ = strings.Cut(query, "#")
	for pair := range strings.FieldsFuncSeq(query, func(r rune) bool { return r == '&' || r == ';' }) {
		name, v, _ := strings.Cut(pair, "=")
		if unescaped, err := url.QueryUnescape(name); err == nil {
			name = unescaped
		}
		if credentialQuery.MatchString(name) && filled(v) {
			return "the query's " + shownName(name)
		}
	}
	if found := secretQuery.FindStringSubmatch(location); found != nil && likeSecret(found[2]) {
		return "the query's " + found[1]
	}
	return ""
}

// credentialInMembers looks at the members of a JSON text, at every depth, and at those of a form in a JSON string.
func credentialInMembers(value, what string, name *regexp.Regexp) string {
	var document any
	if err := json.Unmarshal([]byte(value), &document); err != nil {
		document = value // the linter says what is wrong with it
	}
	return inMembers(document, what, name)
}

func inMembers(v any, what string, name *regexp.Regexp) string {
	switch v := v.(type) {
	case map[string]any:
		for _, key := range slices.Sorted(maps.Keys(v)) {
			text, isText := v[key].(string)
			_, isNumber := v[key].(float64)
			if name.MatchString(key) && (isText && filled(text) || isNumber) {
				return what + shownName(key)
			}
			if found := inMembers(v[key], what, name); found != "" {
				return found
			}
		}
	case []any:
		for _, one := range v {
			if found := inMembers(one, what, name); found != "" {
				return found
			}
		}
	case string:
		if form, err := url.ParseQuery(v); err == nil {
			for _, key := range slices.Sorted(maps.Keys(form)) {
				if name.MatchString(key) && len(key) <= 40 && filled(form.Get(key)) {
					return what + shownName(key)
				}
			}
		}
	}
	return ""
}

// filled reports whether a value is one, and not a placeholder that each run fills.
func filled(value string) bool {
	return value != "" && !(strings.HasPrefix(value, "{{") && strings.HasSuffix(value, "}}"))
}

// shownName is a name that may be shown: what is pasted as a name may be a value.
func shownName(name string) string {
	const longest = 40
	if len(name) > longest || tokenShape(name) != "" || hasRandomWord(name) {
		return "…"
	}
	return name
}

// hasRandomWord reports a long word of letters and digits at random. Digits of base 16 alone are more often an
// identifier.
func hasRandomWord(value string) bool {
	return slices.ContainsFunc(unbroken.FindAllString(value, -1), func(word string) bool {
		return !hex.MatchString(word) && random(word) && mixed(word)
	})
}

// mixed reports digits among letters: words in a row have none.
func mixed(word string) bool {
	return strings.ContainsAny(word, "0123456789") && strings.ContainsFunc(word, func(r rune) bool { return r > '9' })
}
