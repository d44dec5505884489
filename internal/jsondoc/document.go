package jsondoc

import (
	"bytes"
	"encoding/json"
	"slices"
	"strconv"
	"unicode/utf8"
)

// Document is JSON text that is read in place. A target's body may hold half a million values in 1 MiB, and a tree of
// them needs a hundred times the text: more than a function of 128 MB has. Each of its methods goes through the text
// from the start, which for the few pointers of a rule costs less than any index.
type Document struct{ text string }

// Check reads the document of an answer. ok is false for what Parse rejects. Half of a surrogate pair, which Parse
// rejects, is read as U+FFFD, as encoding/json does: what a target sends is not the user's mistake.
func Check(data []byte) (d Document, ok bool) {
	if !utf8.Valid(data) || !json.Valid(data) {
		return Document{}, false
	}
	return Document{string(bytes.TrimSpace(data))}, true
}

// IsZero reports whether there is no document.
func (d Document) IsZero() bool { return d.text == "" }

// anyChild is the segment of a pointer that Has matches with any element of a list and any member of an object.
const anyChild = "*"

// Has reports whether the document has one of these scalars at a place, or at one of the places that segments * match.
// Numbers are compared by value, a number, true or false with a string by its JSON text, null with null only. Of
// duplicate keys the first one counts. Each byte is read once, whatever the document and the pointer are.
func (d Document) Has(p Pointer, wanted ...Value) bool {
	if d.IsZero() {
		return false
	}
	r := reader{text: d.text}
	return r.find(p.tokens, anyChild, func() bool { return r.matches(wanted) })
}

// reader goes through a document whose syntax has been checked.
type reader struct {
	text string
	at   int
}

func (r *reader) skipSpace() {
	for r.at < len(r.text) && isSpace(r.text[r.at]) {
		r.at++
	}
}

func isSpace(c byte) bool { return c == ' ' || c == '\t' || c == '\r' || c == '\n' }

// find stops at a value that is at the place and that accept, which skips the value or returns true, accepts. Otherwise
// it skips the value here. A token that equals each matches each child. Of duplicate keys only the first is followed,
// as in Parse.
func (r *reader) find(tokens []string, each string, accept func() bool) bool {
	r.skipSpace()
	if len(tokens) == 0 {
		return accept()
	}
	inObject := r.text[r.at] == '{'
	if !inObject && r.text[r.at] != '[' {
		r.skip()
		return false
	}
	token, index, found := tokens[0], listIndex(tokens[0]), false
	for i := 0; r.next(); i++ {
		chosen := i == index
		if inObject {
			chosen = r.name() == token && !found
		}
		if !chosen && (token != each || each == "") {
			r.skip()
			continue
		}
		found = true
		if r.find(tokens[1:], each, accept) {
			return true
		}
	}
	return false
}

// listIndex returns the index in a list that a segment is (RFC 6901 section 4), -1 if it is none. 01 and +1 are none:
// the RFC allows neither leading zeros nor a sign.
func listIndex(token string) int {
	i, err := strconv.Atoi(token)
	if err != nil || i < 0 || strconv.Itoa(i) != token {
		return -1
	}
	return i
}

// next skips the bracket or comma before an element; at the end it skips the closing bracket and returns false.
func (r *reader) next() bool {
	r.skipSpace()
	opens := r.text[r.at] == '{' || r.text[r.at] == '['
	closes := r.text[r.at] == '}' || r.text[r.at] == ']'
	r.at++
	if opens {
		if r.skipSpace(); r.text[r.at] == '}' || r.text[r.at] == ']' {
			r.at++
			return false
		}
	}
	return !closes
}

// name reads a key and skips its colon.
func (r *reader) name() string {
	r.skipSpace()
	name := r.string()
	r.skipSpace()
	r.at++
	return name
}

func (r *reader) string() string {
	p := parser{text: r.text, at: r.at}
	text := p.string()
	r.at = p.at
	return text
}

// skip skips a value. It counts brackets without telling their kinds apart, since the syntax has been checked.
func (r *reader) skip() {
	r.skipSpace()
	for depth := 0; r.at < len(r.text); r.at++ {
		switch r.text[r.at] {
		case '"':
			r.at = stringEnd(r.text, r.at)
		case '{', '[':
			depth++
			continue
		case '}', ']':
			if depth == 0 {
				return // the bracket of what holds a scalar
			}
			depth--
		case ',', ' ', '\t', '\r', '\n':
			if depth == 0 {
				return
			}
			continue
		default:
			continue
		}
		if depth == 0 {
			r.at++
			return
		}
	}
}

// matches compares the value here with scalars, and skips it. The string "null" does not match null.
func (r *reader) matches(wanted []Value) bool {
	switch r.text[r.at] {
	case '{', '[':
		r.skip()
		return false
	case '"':
		text := r.string()
		return slices.ContainsFunc(wanted, func(v Value) bool { return v.Kind != Null && v.Text == text })
	}
	begin := r.at
	r.skip()
	literal := r.text[begin:r.at]
	return slices.ContainsFunc(wanted, func(v Value) bool {
		switch {
		case v.Kind == Null || literal == "null":
			return v.Kind == Null && literal == "null"
		case v.Kind == Number && (literal[0] == '-' || isDigit(literal[0])):
			return equalNumbers(literal, v.Text)
		default:
			return v.Text == literal
		}
	})
}

func isDigit(c byte) bool { return '0' <= c && c <= '9' }
