// Package ascii has the character classes that names, methods, header fields and challenges are made of. They are
// checked by hand: as regular expressions, `{1,512}` among them, they needed half of the time in which all packages
// are initialized, and 0.8 MB, before each environment's first run.
package ascii

import "strings"

// Consists reports whether text has shortest to longest bytes, all of which are allowed.
func Consists(text string, shortest, longest int, allowed func(byte) bool) bool {
	if len(text) < shortest || len(text) > longest {
		return false
	}
	for i := range len(text) {
		if !allowed(text[i]) {
			return false
		}
	}
	return true
}

// IsDigit reports whether c is one of 0 to 9.
func IsDigit(c byte) bool { return '0' <= c && c <= '9' }

// IsUpper reports whether c is one of A to Z.
func IsUpper(c byte) bool { return 'A' <= c && c <= 'Z' }

// IsAlphanumeric reports whether c is a letter or a digit.
func IsAlphanumeric(c byte) bool { return 'a' <= c && c <= 'z' || IsUpper(c) || IsDigit(c) }

// IsTokenByte reports whether c is a tchar of RFC 9110 section 5.6.2, of which field names and challenges consist.
func IsTokenByte(c byte) bool {
	return IsAlphanumeric(c) || strings.IndexByte("!#$%&'*+-.^_`|~", c) >= 0
}
