// Package jsondoc reads JSON strictly: one value, valid UTF-8, no key twice, numbers kept as written, order kept.
// encoding/json alone takes the last of two equal keys, matches keys without regard to case and replaces bad bytes,
// each of which would let an event or a secret mean something other than what its author sees.
package jsondoc

import (
	"bytes"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"strconv"
	"strings"
	"unicode/utf8"
)

// Kind is the JSON type of a Value.
type Kind int

// The kinds of RFC 8259 section 3; Absent is no value at all.
const (
	Absent Kind = iota
	Null
	Bool
	Number
	String
	Array
	Object
)

func (k Kind) String() string {
	return [...]string{"nothing", "null", "true or false", "a number", "a string", "a list", "an object"}[k]
}

// Member is one key of an object with its value, in the order of the document.
type Member struct {
	Name   string
	Value  Value
	Offset int64 // of the byte after the key
}

// Value is one JSON value. The zero Value is Absent.
type Value struct {
	Kind    Kind
	Text    string // of a String; of a Number its literal; of a Bool "true" or "false"
	Items   []Value
	Members []Member
}

// SyntaxError says that a document is not one JSON value. It names a place and never what stands there,
// as the document may be a secret.
type SyntaxError struct {
	Offset int64 // bytes read before the fault
	Reason string
}

func (e *SyntaxError) Error() string {
	return fmt.Sprintf("not valid JSON at byte %d: %s", e.Offset, e.Reason)
}

// Duplicate is a key that an object has twice.
type Duplicate struct {
	Path   string // RFC 6901 pointer to the object
	Name   string
	Offset int64
}

// Parse reads one JSON value. The error is a *SyntaxError. Keys that stand twice are not an error of Parse: they are
// listed, and the first one counts.
func Parse(data []byte) (Value, []Duplicate, error) {
	if at := invalidUTF8(data); at >= 0 {
		return Value{}, nil, &SyntaxError{int64(at), "the bytes are not UTF-8"}
	}
	// The decoder's Token accepts only valid documents when the whole was checked first.
	if err := json.Unmarshal(data, new(json.RawMessage)); err != nil {
		if syntax, ok := errors.AsType[*json.SyntaxError](err); ok {
			reason := "unexpected character"
			if syntax.Offset >= int64(len(bytes.TrimRight(data, " \t\r\n"))) && strings.Contains(syntax.Error(), "unexpected end") {
				reason = "it ends too early"
			} else if strings.Contains(syntax.Error(), "after top-level value") {
				reason = "something follows the value"
			}
			return Value{}, nil, &SyntaxError{syntax.Offset, reason}
		}
		return Value{}, nil, &SyntaxError{0, "cannot be read"}
	}
	p := parser{decoder: json.NewDecoder(bytes.NewReader(data))}
	p.decoder.UseNumber()
	v, err := p.value("")
	if err != nil {
		return Value{}, nil, &SyntaxError{p.decoder.InputOffset(), "cannot be read"}
	}
	return v, p.duplicates, nil
}

func invalidUTF8(data []byte) int {
	if utf8.Valid(data) {
		return -1
	}
	for i := 0; i < len(data); {
		r, n := utf8.DecodeRune(data[i:])
		if r == utf8.RuneError && n == 1 {
			return i
		}
		i += n
	}
	return -1
}

type parser struct {
	decoder    *json.Decoder
	duplicates []Duplicate
}

func (p *parser) value(path string) (Value, error) {
	t, err := p.decoder.Token()
	if err != nil {
		return Value{}, err
	}
	switch t := t.(type) {
	case nil:
		return Value{Kind: Null}, nil
	case bool:
		return Value{Kind: Bool, Text: strconv.FormatBool(t)}, nil
	case json.Number:
		return Value{Kind: Number, Text: t.String()}, nil
	case string:
		return Value{Kind: String, Text: t}, nil
	case json.Delim:
		if t == '[' {
			return p.array(path)
		}
		return p.object(path)
	}
	return Value{}, io.ErrUnexpectedEOF
}

func (p *parser) array(path string) (Value, error) {
	v := Value{Kind: Array}
	for i := 0; p.decoder.More(); i++ {
		item, err := p.value(path + "/" + strconv.Itoa(i))
		if err != nil {
			return Value{}, err
		}
		v.Items = append(v.Items, item)
	}
	_, err := p.decoder.Token()
	return v, err
}

func (p *parser) object(path string) (Value, error) {
	v := Value{Kind: Object}
	seen := map[string]bool{}
	for p.decoder.More() {
		t, err := p.decoder.Token()
		if err != nil {
			return Value{}, err
		}
		name, ok := t.(string)
		if !ok {
			return Value{}, io.ErrUnexpectedEOF
		}
		offset := p.decoder.InputOffset()
		value, err := p.value(path + "/" + escape(name))
		if err != nil {
			return Value{}, err
		}
		if seen[name] {
			p.duplicates = append(p.duplicates, Duplicate{path, name, offset})
			continue
		}
		seen[name] = true
		v.Members = append(v.Members, Member{name, value, offset})
	}
	_, err := p.decoder.Token()
	return v, err
}

// Get returns the value of an object's key, Absent if it has none.
func (v Value) Get(name string) Value {
	for _, m := range v.Members {
		if m.Name == name {
			return m.Value
		}
	}
	return Value{}
}

// AppendJSON appends v as compact JSON. Strings go through change first; nil changes nothing.
func (v Value) AppendJSON(dst []byte, change func(string) string) []byte {
	switch v.Kind {
	case Absent, Null:
		return append(dst, "null"...)
	case Bool, Number:
		return append(dst, v.Text...)
	case String:
		text := v.Text
		if change != nil {
			text = change(text)
		}
		return appendString(dst, text)
	case Array:
		dst = append(dst, '[')
		for i, item := range v.Items {
			if i > 0 {
				dst = append(dst, ',')
			}
			dst = item.AppendJSON(dst, change)
		}
		return append(dst, ']')
	case Object:
		dst = append(dst, '{')
		for i, m := range v.Members {
			if i > 0 {
				dst = append(dst, ',')
			}
			dst = append(appendString(dst, m.Name), ':')
			dst = m.Value.AppendJSON(dst, change)
		}
		return append(dst, '}')
	}
	return dst
}

// appendString is json.Marshal of a string without its HTML escapes, which would change a signed or hashed body.
func appendString(dst []byte, s string) []byte {
	const hex = "0123456789abcdef"
	dst = append(dst, '"')
	for i := range len(s) {
		switch c := s[i]; {
		case c == '"' || c == '\\':
			dst = append(dst, '\\', c)
		case c == '\n':
			dst = append(dst, '\\', 'n')
		case c == '\r':
			dst = append(dst, '\\', 'r')
		case c == '\t':
			dst = append(dst, '\\', 't')
		case c < 0x20:
			dst = append(dst, '\\', 'u', '0', '0', hex[c>>4], hex[c&15])
		default:
			dst = append(dst, c)
		}
	}
	return append(dst, '"')
}

// Equal tells whether two values mean the same: objects without regard to order, numbers by value.
func Equal(a, b Value) bool {
	if a.Kind != b.Kind {
		return false
	}
	switch a.Kind {
	case Number:
		return equalNumbers(a.Text, b.Text)
	case Array:
		if len(a.Items) != len(b.Items) {
			return false
		}
		for i := range a.Items {
			if !Equal(a.Items[i], b.Items[i]) {
				return false
			}
		}
		return true
	case Object:
		if len(a.Members) != len(b.Members) {
			return false
		}
		for _, m := range a.Members {
			if other := b.Get(m.Name); other.Kind == Absent || !Equal(m.Value, other) {
				return false
			}
		}
		return true
	default:
		return a.Text == b.Text
	}
}

// equalNumbers compares integers exactly and everything else as IEEE 754 doubles, the precision that RFC 8259
// section 6 tells to expect.
func equalNumbers(a, b string) bool {
	if a == b {
		return true
	}
	m, errM := strconv.ParseInt(a, 10, 64)
	n, errN := strconv.ParseInt(b, 10, 64)
	if errM == nil && errN == nil {
		return m == n
	}
	x, errX := strconv.ParseFloat(a, 64)
	y, errY := strconv.ParseFloat(b, 64)
	return errX == nil && errY == nil && x == y
}
