// Package bearer validates the text of a bearer token: which texts can be one, what copying does to them, and when the
// token expires according to the text. It keeps no token, obtains none and verifies none: an expiry is a forecast.
// Tokens are checked against what providers issue and not against RFC 6750's grammar, which many of them
// exceed; no error quotes a token.
package bearer

import (
	"errors"
	"fmt"
	"strings"
	"unicode"

	"github.com/cronbearer/cronbearer/internal/redact"
)

const (
	minLength = redact.MinSecret // a shorter token cannot be kept out of texts
	// MaxLength is that of a token, in bytes: what servers read of one header line.
	MaxLength = 8192
)

const byteOrderMark = "\ufeff"

// TrimBOM removes white space and the byte order mark that some editors write.
func TrimBOM(text string) string {
	return strings.TrimSpace(strings.TrimPrefix(strings.TrimSpace(text), byteOrderMark))
}

const (
	headerName = "authorization:"
	scheme     = "bearer"
)

// Normalize undoes what copying a token does to it, each at most once and in this order: a byte order mark and white
// space, enclosing quotes, the header's name, the scheme. If the result is not a token, it is an error.
func Normalize(text string) (string, error) { return normalize(text, func(string) {}) }

// Removed names what Normalize removes from a text, in that order, for the operator who stores it.
func Removed(text string) []string {
	var removed []string
	_, _ = normalize(text, func(what string) { removed = append(removed, what) })
	return removed
}

// normalize takes each step at most once: a token may itself begin with what is removed.
func normalize(text string, removed func(what string)) (string, error) {
	around(text, removed)
	text = TrimBOM(text)
	if n := len(text); n >= 2 && text[0] == text[n-1] && (text[0] == '"' || text[0] == '\'') {
		removed("the quotes around it")
		text = strings.TrimSpace(text[1 : n-1])
	}
	if hasPrefixFold(text, headerName) {
		removed(`"Authorization:" before it`)
		text = strings.TrimSpace(text[len(headerName):])
	}
	if hasPrefixFold(text, scheme) {
		switch rest := text[len(scheme):]; {
		case rest == "":
			return "", errors.New("there is no token after the word Bearer")
		case strings.TrimSpace(rest) != rest:
			removed(`"Bearer" before it`)
			text = strings.TrimSpace(rest)
		}
	}
	return text, Check(text)
}

// around names what TrimBOM removes.
func around(text string, removed func(what string)) {
	if strings.HasPrefix(strings.TrimSpace(text), byteOrderMark) {
		removed("a byte order mark before it")
	}
	after := text[len(strings.TrimRightFunc(text, unicode.IsSpace)):]
	before := text[:len(text)-len(strings.TrimLeftFunc(text, unicode.IsSpace))]
	switch {
	case strings.Trim(after, "\r\n") == "" && after != "":
		removed("a line break after it")
	case after != "":
		removed("white space after it")
	}
	if before != "" && len(before) < len(text) {
		removed("white space before it")
	}
}

func hasPrefixFold(text, prefix string) bool {
	return len(text) >= len(prefix) && strings.EqualFold(text[:len(prefix)], prefix)
}

// forbidden are the visible characters that no provider's token was seen with, and that surround one that was
// copied with adjacent text. RFC 6750 section 2.1 allows fewer (b64token), but tokens with | = ! : and others are in
// use.
const forbidden = "\"'\\,;<>`"

// Check accepts what is sent as it is. The error names the place and never its content.
func Check(token string) error {
	switch {
	case token == "":
		return errors.New("the token is empty")
	case len(token) < minLength:
		return fmt.Errorf("the token is shorter than %d bytes", minLength)
	case len(token) > MaxLength:
		return fmt.Errorf("the token is longer than %d bytes", MaxLength)
	case strings.HasPrefix(token, "-----BEGIN"):
		return errors.New("it is a PEM block such as a private key, not a token")
	case token[0] == '{', token[0] == '[':
		return errors.New("the token begins with " + token[:1] +
			": it looks like JSON, or like a placeholder that was not filled")
	case isAssignment(token):
		return errors.New("it is an assignment such as API_TOKEN=…: store only what follows the equals sign")
	case hasPrefixFold(token, headerName):
		return errors.New("the word Authorization: appears twice before it")
	case strings.Trim(token, "=") == "":
		return errors.New("the token is only = signs")
	}
	for i, c := range []byte(token) {
		switch {
		case c == ' ' || c == '\t' || c == '\r' || c == '\n':
			return fmt.Errorf("the token has white space inside, at byte %d", i+1)
		case c < '!' || c > '~':
			return fmt.Errorf("the token has a character that is not visible ASCII, at byte %d", i+1)
		case strings.IndexByte(forbidden, c) >= 0:
			return fmt.Errorf(
				"the token has one of the characters %s that a token cannot have, at byte %d",
				strings.Join(strings.Split(forbidden, ""), " "), i+1,
			)
		}
	}
	return nil
}

// isAssignment reports whether the text is a line of an environment file: a name that ends in token, key or secret.
func isAssignment(text string) bool {
	const maxName = 40
	name, value, found := strings.Cut(text, "=")
	if !found || len(name) > maxName || strings.Trim(value, "=") == "" || !IsIdentifier(name) {
		return false
	}
	name = strings.ToLower(name)
	return strings.HasSuffix(name, "token") || strings.HasSuffix(name, "key") || strings.HasSuffix(name, "secret")
}

// IsIdentifier reports whether the text can be the name of a variable.
func IsIdentifier(text string) bool {
	for i, c := range []byte(text) {
		letter := 'a' <= c && c <= 'z' || 'A' <= c && c <= 'Z' || c == '_'
		if !letter && (i == 0 || c < '0' || c > '9') {
			return false
		}
	}
	return text != ""
}
