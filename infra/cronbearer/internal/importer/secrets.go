package importer

import (
	"regexp"
	"slices"
	"strings"
	"unicode"

	"github.com/cronbearer/cronbearer/internal/redact"
)

// What a source holds is read for credentials by their place, by the name in front of them and by their shape. A value
// once found is kept only to be compared: it is never part of what Import returns. What looks like one by mistake costs
// its job a line in the report; what is missed would end up in a template.

// vendors are the beginnings of tokens that say whose they are.
var vendors = regexp.MustCompile(
	`(?:gh[pousr]_|github_pat_|glpat-|sk[-_]|rk_|xox[abeprs]-|xapp-|AKIA|ASIA|AIza|ya29\.|` +
		`eyJ|SG\.|npm_|dop_v1_|hf_|shp(?:at|ss|ca|pa)_|whsec_|lin_api_|dckr_pat_|pypi-|ATATT|ATCTT|sq0|secret_)` +
		`[A-Za-z0-9_\-.]{12,}`,
)

var (
	uuid = regexp.MustCompile(`^[0-9a-fA-F]{8}(?:-[0-9a-fA-F]{4}){3}-[0-9a-fA-F]{12}$`)
	word = regexp.MustCompile(`[A-Za-z0-9_+=~-]{20,}`)
	// spoken are the parts of a name that someone wrote: words, and numbers between separators.
	spoken = regexp.MustCompile(`[A-Z]?[a-z]{4,}|[A-Z]{4,}|(?:^|[-_])[0-9]+(?:$|[-_])`)
)

// shaped returns the parts of a text that look like tokens.
func shaped(text string) []string {
	found := vendors.FindAllString(text, -1)
	for _, w := range word.FindAllString(text, -1) {
		if !uuid.MatchString(w) && random(w) {
			found = append(found, w)
		}
	}
	return found
}

// random reports whether less than half of a long word is spoken. A UUID is not a secret by its shape: resources have
// them.
func random(w string) bool {
	if !strings.ContainsAny(w, "0123456789") || !strings.ContainsFunc(w, unicode.IsLetter) {
		return false
	}
	bare := func(s string) int { return len(strings.Trim(strings.NewReplacer("-", "", "_", "").Replace(s), "=")) }
	total, words := bare(w), 0
	for _, s := range spoken.FindAllString(w, -1) {
		words += bare(s)
	}
	return total >= 16 && 2*words < total
}

var (
	secretName = regexp.MustCompile(
		`(?i)token|key|secret|passw|passphrase|pwd|auth|credential|bearer|jwt|cookie|session|` +
			`^sig$|signature|^pass$|^otp$|^pin$`,
	)
	openName = regexp.MustCompile(`(?i)idempotency|keyword|sort|primary|foreign|author|public|keyboard|keyspace`)
)

// saysSecret reports whether a header, parameter, member or variable of this name holds a credential.
func saysSecret(name string) bool { return secretName.MatchString(name) && !openName.MatchString(name) }

// named finds the credentials of a line of shell by what precedes them.
var named = []*regexp.Regexp{
	regexp.MustCompile(`(?i)\b(?:bearer|basic)\s+["']?([^\s"']{4,})`),
	regexp.MustCompile(`(?:^|\s)(?:-u|-U|--user|--proxy-user)[\s=]*["']?([^\s"':]*:[^\s"']{2,})`),
	regexp.MustCompile(`(?:^|\s)(?:-b|--cookie)[\s=]*["']?([^\s"'=]+=[^\s"']{4,})`),
	regexp.MustCompile(`(?:^|\s)(?:--oauth2-bearer|--pass|--user-token)[\s=]+["']?([^\s"']{4,})`),
	regexp.MustCompile(`://([^/\s@"']+)@`),
	regexp.MustCompile(`(?i)([\w-]*(?:token|key|secret|passw|pwd|auth|credential|jwt|cookie|signature|\bsig\b)[\w-]*)` +
		`(?:"|')?\s*[=:]\s*(?:"|')?([^\s"'&;,]{4,})`),
}

// inShell returns what a line of shell, a comment too, holds in plain text: not variables.
func inShell(line string) []string {
	found := shaped(line)
	for _, pattern := range named {
		for _, m := range pattern.FindAllStringSubmatch(line, -1) {
			value := m[len(m)-1]
			if len(m) > 2 && !saysSecret(m[1]) || strings.ContainsAny(value[:1], "$<{*@(%") ||
				slices.Contains([]string{"bearer", "basic", "token", "apikey", "digest", "true", "false", "null"},
					strings.ToLower(value)) {
				continue
			}
			found = append(found, value)
		}
	}
	return found
}

// finds are the credentials of one source and the lines that held them.
type finds struct {
	source []string // its lines
	values []string
	lines  []int
}

// add registers credentials: in the lines that have them as they are, else in the line of the call that has them.
func (f *finds) add(line int, values ...string) {
	for _, v := range values {
		if v == "" {
			continue
		}
		f.values = append(f.values, v)
		found := false
		if len(v) >= redact.MinSecret {
			for i, text := range f.source {
				if strings.Contains(text, v) {
					f.line(i + 1)
					found = true
				}
			}
		}
		if !found {
			f.line(line)
		}
	}
}

func (f *finds) line(number int) {
	if !slices.Contains(f.lines, number) {
		f.lines = append(f.lines, number)
	}
}

// in reports whether a text that is to be written has a credential in it.
func (f *finds) in(text string) bool {
	return len(shaped(text)) > 0 || slices.ContainsFunc(f.values, func(v string) bool {
		return len(v) >= redact.MinSecret && strings.Contains(strings.ToLower(text), strings.ToLower(v))
	})
}

// clean returns a text of the report without credentials, and without what a terminal obeys.
func (f *finds) clean(text string) string {
	for _, v := range append(shaped(text), f.values...) {
		if len(v) < redact.MinSecret {
			continue
		}
		text = strings.ReplaceAll(text, v, redact.Redacted)
		if pattern, err := regexp.Compile("(?i)" + regexp.QuoteMeta(v)); err == nil { // it is UTF-8
			text = pattern.ReplaceAllLiteralString(text, redact.Redacted)
		}
	}
	return strings.Map(func(r rune) rune {
		if unicode.IsControl(r) || unicode.Is(unicode.Bidi_Control, r) || isMark(r) {
			return unicode.ReplacementChar
		}
		return r
	}, text)
}
