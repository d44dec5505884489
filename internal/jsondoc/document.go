package jsondoc

import (
	"bytes"
	"encoding/json"
	"strconv"
	"unicode/utf8"
)

// Document is JSON text that is looked into where it stands. What a target sends may hold half a million values in
// 1 MiB, and a tree of them takes a hundred times the text: more than a function of 128 MB has.
type Document struct{ text string }

// Check reads the document of an answer. ok is false for what Parse refuses.
func Check(data []byte) (d Document, ok bool) {
	if !utf8.Valid(data) || !json.Valid(data) {
		return Document{}, false
	}
	return Document{string(bytes.TrimSpace(data))}, true
}

// IsZero tells whether there is no document.
func (d Document) IsZero() bool { return d.text == "" }

// Has tells whether the document has this value at a place. Of keys that stand twice the first one counts.
func (d Document) Has(p Pointer, want Value) bool {
	if d.IsZero() {
		return false
	}
	r := reader{text: d.text}
	for _, token := range p.tokens {
		if !r.descend(token) {
			return false
		}
	}
	return r.equals(want)
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

// descend goes to the value of an object's key or to an element of a list.
func (r *reader) descend(token string) bool {
	r.skipSpace()
	switch r.text[r.at] {
	case '{':
		for r.next() {
			if r.name() == token {
				return true
			}
			r.skip()
		}
	case '[':
		index, err := strconv.Atoi(token)
		if err != nil || index < 0 || strconv.Itoa(index) != token {
			return false
		}
		for i := 0; r.next(); i++ {
			if i == index {
				return true
			}
			r.skip()
		}
	}
	return false
}

// next goes behind the bracket or comma before an element; it is false, and behind the closing bracket, at the end.
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

// name reads a key and goes behind its colon.
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

// skip goes behind a value.
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

// equals reports whether the value here means the same as want: objects without regard to order, numbers by value. It goes
// behind the value if so.
func (r *reader) equals(want Value) bool {
	r.skipSpace()
	switch r.text[r.at] {
	case '{':
		return want.Kind == Object && r.equalsObject(want.Members)
	case '[':
		return want.Kind == Array && r.equalsArray(want.Items)
	case '"':
		return want.Kind == String && r.string() == want.Text
	}
	begin := r.at
	r.skip()
	switch literal := r.text[begin:r.at]; literal {
	case "null":
		return want.Kind == Null
	case "true", "false":
		return want.Kind == Bool && want.Text == literal
	default:
		return want.Kind == Number && equalNumbers(literal, want.Text)
	}
}

func (r *reader) equalsArray(want []Value) bool {
	i := 0
	for ; r.next(); i++ {
		if i == len(want) || !r.equals(want[i]) {
			return false
		}
	}
	return i == len(want)
}

func (r *reader) equalsObject(want []Member) bool {
	index := make(map[string]int, len(want))
	for i, m := range want {
		index[m.Name] = i
	}
	found := make([]bool, len(want))
	count := 0
	for r.next() {
		i, known := index[r.name()]
		switch {
		case !known:
			return false
		case found[i]:
			r.skip()
		case !r.equals(want[i].Value):
			return false
		default:
			found[i] = true
			count++
		}
	}
	return count == len(want)
}
