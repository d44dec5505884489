// Package jsondoc reads JSON strictly: one value, valid UTF-8, no key twice, numbers kept as written, order kept.
// encoding/json by default uses the last of two equal keys, matches keys without regard to case and replaces bad bytes,
// each of which would let an event or a secret mean something other than what its author sees.
package jsondoc

import (
	"bytes"
	"encoding/json"
	"errors"
	"fmt"
	"slices"
	"strconv"
	"strings"
	"unicode/utf16"
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

// SyntaxError says that a document is not one JSON value. It names a place and never its content,
// as the document may be a secret.
type SyntaxError struct {
	Offset int64 // bytes read before the error
	Reason string
}

func (e *SyntaxError) Error() string {
	return fmt.Sprintf("not valid JSON at byte %d: %s", e.Offset, e.Reason)
}

// Duplicate is a duplicate key of an object.
type Duplicate struct {
	Path   string // RFC 6901 pointer to the object; a long one ends in /…
	Name   string
	Offset int64
}

// maxPath bounds Duplicate.Path: a hostile document of 1 MiB can nest 10,000 keys of 100 bytes.
const maxPath = 256

// Parse reads one JSON value. The error is a *SyntaxError. Duplicate keys are not an error of Parse: they are
// listed, and the first one counts.
//
// A function of 128 MB parses what a target sends, so time and memory are linear in the document's size whatever it
// holds. The decoder of encoding/json needs 250 MB and two seconds for 1 MiB of [0,0,…].
func Parse(data []byte) (Value, []Duplicate, error) {
	if at := invalidUTF8(data); at >= 0 {
		return Value{}, nil, &SyntaxError{int64(at), "the bytes are not UTF-8"}
	}
	if !json.Valid(data) {
		return Value{}, nil, explain(data, json.Unmarshal(data, new(json.RawMessage)))
	}
	if at := loneSurrogate(data); at >= 0 {
		return Value{}, nil, &SyntaxError{
			int64(at), "half of a surrogate pair, which is not a character (RFC 8259 section 8.2)",
		}
	}
	text := string(data)
	p := parser{text: text, commas: countCommas(text)}
	v := p.value()
	return v, p.duplicates, nil
}

// loneSurrogate returns the place of an escape such as \ud800 that is not part of a pair, -1 if there is none.
// encoding/json replaces it by U+FFFD without an error, so two different keys could become equal.
func loneSurrogate(data []byte) int {
	for i := 0; ; {
		next := bytes.IndexByte(data[i:], '\\') // backslashes occur in strings only
		if next < 0 {
			return -1
		}
		i += next
		first := escaped(data[i:])
		switch {
		case first < 0:
			i += len(`\n`)
		case !utf16.IsSurrogate(first):
			i += len(`\u0000`)
		case utf16.DecodeRune(first, escaped(data[i+len(`\u0000`):])) == utf8.RuneError:
			return i
		default:
			i += len(`\u0000\u0000`)
		}
	}
}

// escaped returns the code unit of the \u escape at the start of data, -1 if there is none.
func escaped(data []byte) rune {
	if len(data) < len(`\u0000`) || data[0] != '\\' || data[1] != 'u' {
		return -1
	}
	n, err := strconv.ParseUint(string(data[2:6]), 16, 16)
	if err != nil {
		return -1
	}
	return rune(n)
}

// explain replaces the text of encoding/json, which quotes the character at the error: the document may be a secret.
func explain(data []byte, err error) *SyntaxError {
	syntax, ok := errors.AsType[*json.SyntaxError](err)
	if !ok {
		return &SyntaxError{0, "cannot be read"}
	}
	reason := "unexpected character"
	switch text := syntax.Error(); {
	case syntax.Offset >= int64(len(bytes.TrimRight(data, " \t\r\n"))) && strings.Contains(text, "unexpected end"):
		reason = "it ends too early"
	case strings.Contains(text, "after top-level value"):
		reason = "something follows the value"
	case strings.Contains(text, "max depth"):
		reason = "it is nested too deeply"
	}
	return &SyntaxError{syntax.Offset, reason}
}

// invalidUTF8 returns the place of the first byte that is not UTF-8 (RFC 8259 section 8.1), -1 if there is none.
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

// countCommas counts the commas of each list and object, in the order in which they begin, so that each is allocated
// once at its size. Growing slices by append would cost twice the memory of a large document. A comma in a string is
// not counted.
func countCommas(text string) []int {
	var commas, open []int
	for i := 0; i < len(text); i++ {
		switch text[i] {
		case '"':
			i = stringEnd(text, i)
		case '[', '{':
			open = append(open, len(commas))
			commas = append(commas, 0)
		case ',':
			commas[open[len(open)-1]]++
		case ']', '}':
			open = open[:len(open)-1]
		}
	}
	return commas
}

// stringEnd returns the place of the quote that ends the string that begins at i.
func stringEnd(text string, i int) int {
	for i++; text[i] != '"'; i++ {
		if text[i] == '\\' {
			i++
		}
	}
	return i
}

// parser reads a document whose syntax has been checked. It has no error paths: json.Valid has accepted every byte, so
// an index out of range here is a defect, which the fuzz tests look for. Its recursion is bounded by the 10,000 levels
// that json.Valid accepts.
type parser struct {
	text       string
	at         int
	commas     []int
	duplicates []Duplicate
	path       []step // to the value that is being read
}

// step is one token of a pointer: an index, or a name if index is -1.
type step struct {
	name  string
	index int
}

// value keeps a number as it is written: 1.0, 1e400 and an id of twenty digits all survive.
func (p *parser) value() Value {
	p.skipSpace()
	switch begin := p.at; p.text[begin] {
	case '{':
		return p.object()
	case '[':
		return p.array()
	case '"':
		return Value{Kind: String, Text: p.string()}
	default:
		end := strings.IndexAny(p.text[begin:], ",]} \t\r\n")
		if end < 0 {
			end = len(p.text) - begin
		}
		p.at += end
		switch literal := p.text[begin:p.at]; literal {
		case "null":
			return Value{Kind: Null}
		case "true", "false":
			return Value{Kind: Bool, Text: literal}
		default:
			return Value{Kind: Number, Text: literal}
		}
	}
}

func (p *parser) skipSpace() {
	for ; p.at < len(p.text); p.at++ {
		if c := p.text[p.at]; c != ' ' && c != '\t' && c != '\r' && c != '\n' {
			return
		}
	}
}

// string shares the memory of the document if there is no escape; only other strings are copied.
func (p *parser) string() string {
	begin, end := p.at, stringEnd(p.text, p.at)
	p.at = end + 1
	if text := p.text[begin+1 : end]; strings.IndexByte(text, '\\') < 0 {
		return text
	}
	var text string
	_ = json.Unmarshal([]byte(p.text[begin:p.at]), &text) // its syntax has been checked
	return text
}

// open skips the bracket that begins a list or an object and returns the number of its values.
func (p *parser) open() int {
	p.at++
	commas := p.commas[0]
	p.commas = p.commas[1:]
	if p.skipSpace(); p.text[p.at] == ']' || p.text[p.at] == '}' {
		return 0
	}
	return commas + 1
}

// next skips the comma or the bracket after a value.
func (p *parser) next() {
	p.skipSpace()
	p.at++
}

func (p *parser) array() Value {
	n := p.open()
	v := Value{Kind: Array}
	if n == 0 {
		p.next()
		return v
	}
	v.Items = make([]Value, n)
	p.path = append(p.path, step{})
	for i := range v.Items {
		p.path[len(p.path)-1].index = i
		v.Items[i] = p.value()
		p.next()
	}
	p.path = p.path[:len(p.path)-1]
	return v
}

// object drops the later one of two equal keys. Its value is read anyway, for the duplicates in it.
func (p *parser) object() Value {
	n := p.open()
	v := Value{Kind: Object}
	if n == 0 {
		p.next()
		return v
	}
	v.Members = make([]Member, 0, n)
	seen := names{}
	if n > fewNames {
		seen.many = make(map[string]bool, n)
	}
	path := ""
	for range n {
		p.skipSpace()
		m := Member{Name: p.string()}
		m.Offset = int64(p.at)
		p.next() // the colon
		p.path = append(p.path, step{m.Name, -1})
		m.Value = p.value()
		p.path = p.path[:len(p.path)-1]
		p.next()
		if seen.has(v.Members, m.Name) {
			if path == "" {
				path = p.pointer()
			}
			p.duplicates = append(p.duplicates, Duplicate{path, m.Name, m.Offset})
			continue
		}
		v.Members = append(v.Members, m)
	}
	return v
}

// fewNames is up to how many names a linear search is faster than a map.
const fewNames = 32

// names are the names that an object has so far.
type names struct{ many map[string]bool }

// has reports whether the name is already there, and adds it.
func (n *names) has(members []Member, name string) bool {
	if n.many == nil {
		return slices.ContainsFunc(members, func(m Member) bool { return m.Name == name })
	}
	there := n.many[name]
	n.many[name] = true
	return there
}

// pointer is written only when a duplicate is found, as a path for each value would cost more than the values.
func (p *parser) pointer() string {
	var b strings.Builder
	for _, s := range p.path {
		if b.Len() > maxPath {
			return b.String() + "/…"
		}
		b.WriteByte('/')
		switch {
		case s.index >= 0:
			b.WriteString(strconv.Itoa(s.index))
		case len(s.name) > maxPath:
			b.WriteString("…")
		default:
			b.WriteString(escape(s.name))
		}
	}
	return b.String()
}

// Get returns the value of an object's key, Absent if it has none. It searches linearly: the objects that are asked for
// names have a few dozen.
func (v Value) Get(name string) Value {
	for _, m := range v.Members {
		if m.Name == name {
			return m.Value
		}
	}
	return Value{}
}

// AppendJSON appends v as compact JSON. Strings go through change first; nil changes nothing. Numbers and the order of
// members stay, so that a secret that is read and written back differs only in what was changed, and in white space.
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
		return AppendString(dst, text)
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
			dst = append(AppendString(dst, m.Name), ':')
			dst = m.Value.AppendJSON(dst, change)
		}
		return append(dst, '}')
	}
	return dst
}

// AppendString appends s as a JSON string: json.Marshal of a string without its HTML escapes, which would change a
// signed or hashed body.
func AppendString(dst []byte, s string) []byte {
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

// equalNumbers compares whole numbers exactly, however long and however written, as ids have more digits than a double
// holds, and fractions as IEEE 754 doubles, the precision that RFC 8259 section 6 advises to expect. So 1.0 equals 1,
// and 9007199254740993 does not equal 9007199254740992.
func equalNumbers(a, b string) bool {
	if a == b {
		return true
	}
	m, okM := readDecimal(a)
	n, okN := readDecimal(b)
	if !okM || !okN {
		return false
	}
	if m == n || (m.exponent >= 0 && n.exponent >= 0) {
		return m == n
	}
	x, errX := strconv.ParseFloat(a, 64)
	y, errY := strconv.ParseFloat(b, 64)
	return errX == nil && errY == nil && x == y
}

// decimal is digits × 10^exponent, with neither a leading nor a trailing zero. Zero has no digits.
type decimal struct {
	negative bool
	digits   string
	exponent int64
}

// readDecimal fails on a power of ten of more than nine digits or so, which no one intends.
func readDecimal(literal string) (d decimal, ok bool) {
	text, negative := strings.CutPrefix(literal, "-")
	mantissa, power := text, "0"
	if i := strings.IndexAny(text, "eE"); i >= 0 {
		mantissa, power = text[:i], text[i+1:]
	}
	whole, fraction, _ := strings.Cut(mantissa, ".")
	digits := strings.TrimRight(whole+fraction, "0")
	exponent, err := strconv.ParseInt(power, 10, 32)
	exponent += int64(len(whole) - len(digits))
	if digits = strings.TrimLeft(digits, "0"); digits == "" {
		return decimal{}, true
	}
	return decimal{negative, digits, exponent}, err == nil
}
