package endpoint

import (
	"net/http"
	"strings"

	"github.com/cronbearer/cronbearer/internal/ascii"
)

// bearerChallenges is what the Bearer challenges of an answer say about the token (RFC 6750 section 3.1).
type bearerChallenges struct {
	invalidToken      bool
	insufficientScope bool
	scope             string // that would be sufficient, if named
}

// challenge is one of an answer's, as far as it matters here.
type challenge struct{ scheme, code, scope string }

// readBearer reads every challenge of every WWW-Authenticate header. A target may send several, such as Basic for
// people and Bearer for programs, in one header or in more (RFC 9110 section 11.6.1).
func readBearer(h http.Header) bearerChallenges {
	var b bearerChallenges
	for _, value := range h.Values("WWW-Authenticate") {
		for _, c := range readChallenges(value) {
			switch {
			case !strings.EqualFold(c.scheme, "Bearer"):
			case c.code == "invalid_token":
				b.invalidToken = true
			case c.code == "insufficient_scope":
				b.insufficientScope, b.scope = true, c.scope
			}
		}
	}
	return b
}

// readChallenges reads a header's value (RFC 9110 section 11.6.1) once, from left to right. Commas separate challenges
// as well as parameters: a word followed by = and a value is a parameter, any other one the next scheme. What is
// neither is skipped, as servers do send it.
func readChallenges(value string) []challenge {
	var found []challenge
	r := challengeReader{text: value}
	for r.at < len(value) {
		word := r.token()
		if word == "" {
			r.skip()
			continue
		}
		if content, ok := r.parameterValue(); ok {
			if len(found) > 0 {
				found[len(found)-1].set(word, content)
			}
			continue
		}
		found = append(found, challenge{scheme: word})
		r.token68()
	}
	return found
}

// set keeps the first of equal parameters (RFC 9110 section 11.2 allows one).
func (c *challenge) set(name, content string) {
	switch {
	case strings.EqualFold(name, "error") && c.code == "":
		c.code = content
	case strings.EqualFold(name, "scope") && c.scope == "":
		c.scope = content
	}
}

type challengeReader struct {
	text string
	at   int
}

// token reads a token of RFC 9110 section 5.6.2, empty if there is none here.
func (r *challengeReader) token() string { return r.while(ascii.IsTokenByte) }

func (r *challengeReader) while(allowed func(byte) bool) string {
	begin := r.at
	for r.at < len(r.text) && allowed(r.text[r.at]) {
		r.at++
	}
	return r.text[begin:r.at]
}

// skip skips a quoted string that belongs to no parameter, or one byte.
func (r *challengeReader) skip() {
	if r.text[r.at] == '"' {
		r.quoted()
		return
	}
	r.at++
}

// parameterValue reads = and a value, with white space around the = (BWS). If there are none it reads nothing.
func (r *challengeReader) parameterValue() (content string, ok bool) {
	begin := r.at
	r.while(isBlank)
	if !strings.HasPrefix(r.text[r.at:], "=") {
		r.at = begin
		return "", false
	}
	r.at++
	r.while(isBlank)
	if strings.HasPrefix(r.text[r.at:], `"`) {
		return r.quoted(), true
	}
	content = r.while(func(c byte) bool { return !isBlank(c) && c != ',' && c != ';' && c != '"' })
	return content, true
}

// quoted reads a quoted string, in which a backslash escapes the next byte (RFC 9110 section 5.6.4). One
// that is not closed ends with the header.
func (r *challengeReader) quoted() string {
	var content strings.Builder
	for r.at++; r.at < len(r.text); r.at++ {
		switch c := r.text[r.at]; {
		case c == '"':
			r.at++
			return content.String()
		case c == '\\' && r.at+1 < len(r.text):
			r.at++
			content.WriteByte(r.text[r.at])
		default:
			content.WriteByte(c)
		}
	}
	return content.String()
}

// token68 skips the credentials that some schemes have instead of parameters, such as Negotiate. They may end in
// = and are followed by a comma or the end, which distinguishes them from a parameter.
func (r *challengeReader) token68() {
	begin := r.at
	if r.while(isBlank) == "" {
		return
	}
	content := r.while(func(c byte) bool { return ascii.IsAlphanumeric(c) || strings.IndexByte("-._~+/", c) >= 0 })
	r.while(func(c byte) bool { return c == '=' })
	r.while(isBlank)
	if content == "" || r.at < len(r.text) && r.text[r.at] != ',' {
		r.at = begin
	}
}

func isBlank(c byte) bool { return c == ' ' || c == '\t' }
