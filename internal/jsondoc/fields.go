package jsondoc

import (
	"fmt"
	"slices"
	"strconv"
	"strings"
)

// Problems collects everything that is wrong with an input, so that its author can fix it at once. Those after the
// twentieth are only counted: they are empty strings.
type Problems []string

const maxListed = 20

// Addf adds a problem.
func (p *Problems) Addf(format string, args ...any) {
	text := ""
	if len(*p) < maxListed {
		text = fmt.Sprintf(format, args...)
	}
	*p = append(*p, text)
}

// Listed returns the first twenty, and the number of those that follow.
func (p Problems) Listed() []string {
	if len(p) <= maxListed {
		return p
	}
	return append(slices.Clip(p[:maxListed]), "and "+thousands(len(p)-maxListed)+" more")
}

func (p Problems) String() string { return strings.Join(p.Listed(), "; ") }

// thousands writes 19980 as 19,980.
func thousands(n int) string {
	text := strconv.Itoa(n)
	for i := len(text) - 3; i > 0; i -= 3 {
		text = text[:i] + "," + text[i:]
	}
	return text
}

// Fields reads the keys of one object by name and reports wrong types and, at Done, the keys that were not read.
// null counts as absent, and so does the empty value of an optional key's own type ("" and {}; an empty list is one
// that holds nothing).
type Fields struct {
	object   Value
	where    string // prefix of the names in problems, such as "expect."
	secret   bool   // do not print unknown names: they may be what the user pasted into the wrong place
	problems *Problems
	known    []string
}

// NewFields reads v, which is an object. With secret, problems never show a name that is not a known one.
func NewFields(v Value, where string, secret bool, problems *Problems) *Fields {
	const usual = 20
	return &Fields{object: v, where: where, secret: secret, problems: problems, known: make([]string, 0, usual)}
}

// get remembers the name as a known one, so that Done and its texts need no list of their own.
func (f *Fields) get(name string, want Kind) (Value, bool) {
	f.known = append(f.known, name)
	v := f.object.Get(name)
	if v.Kind == Absent || v.Kind == Null {
		return Value{}, false
	}
	if v.Kind != want {
		f.problems.Addf("%s%s must be %s, not %s", f.where, name, want, v.Kind)
		return Value{}, false
	}
	return v, true
}

// String reads an optional string.
func (f *Fields) String(name string) string {
	v, _ := f.get(name, String)
	return v.Text
}

// Required reads a string that must be present and not empty.
func (f *Fields) Required(name, what string) string {
	before := len(*f.problems)
	text := f.String(name)
	if text == "" && len(*f.problems) == before {
		f.problems.Addf("%s%s is missing: %s", f.where, name, what)
	}
	return text
}

// Bool reads an optional boolean, false by default.
func (f *Fields) Bool(name string) bool {
	v, _ := f.get(name, Bool)
	return v.Text == "true"
}

// Int reads an optional whole number between low and high.
func (f *Fields) Int(name string, low, high, fallback int) int {
	v, ok := f.get(name, Number)
	if !ok {
		return fallback
	}
	n, whole := WholeNumber(v)
	if !whole || n < low || n > high {
		f.problems.Addf("%s%s must be a whole number from %d to %d", f.where, name, low, high)
		return fallback
	}
	return n
}

// WholeNumber reads a number without a fraction, 2.0 and 2e0 included. JSON has one type of number, and other programs
// write whole ones with a fraction or an exponent.
func WholeNumber(v Value) (int, bool) {
	const maxDigits = 19 // of an int
	if v.Kind != Number {
		return 0, false
	}
	d, ok := readDecimal(v.Text)
	if !ok || d.exponent < 0 || int64(len(d.digits))+d.exponent > maxDigits {
		return 0, false
	}
	digits := "0" + d.digits + strings.Repeat("0", int(d.exponent))
	if d.negative {
		digits = "-" + digits
	}
	n, err := strconv.Atoi(digits)
	return n, err == nil
}

// Object reads an optional object; an empty one counts as absent.
func (f *Fields) Object(name string) (Value, bool) {
	v, ok := f.get(name, Object)
	return v, ok && len(v.Members) > 0
}

// Array reads an optional list.
func (f *Fields) Array(name string) (Value, bool) { return f.get(name, Array) }

// Any reads a value of any type; ok is false if it is null or absent.
func (f *Fields) Any(name string) (v Value, ok bool) {
	f.known = append(f.known, name)
	v = f.object.Get(name)
	return v, v.Kind != Absent && v.Kind != Null
}

// Done reports the keys that were not read. With secret the key's place is given instead of its name. A key that
// differs in case only is always named: it is one of ours.
func (f *Fields) Done() {
	var names []string
	for _, m := range f.object.Members {
		if slices.Contains(f.known, m.Name) {
			continue
		}
		if names == nil {
			names = slices.Compact(slices.Sorted(slices.Values(f.known)))
		}
		known := slices.IndexFunc(names, func(known string) bool { return strings.EqualFold(known, m.Name) })
		switch {
		case known >= 0:
			f.problems.Addf(
				"unknown key %s in %s: write it %s (keys are case-sensitive)", Quote(m.Name), f.place(), names[known],
			)
		case f.secret:
			f.problems.Addf(
				"unknown key in %s that ends at byte %d; known are %s", f.place(), m.Offset, strings.Join(names, ", "),
			)
		default:
			f.problems.Addf("unknown key %s in %s; known are %s", Quote(m.Name), f.place(), strings.Join(names, ", "))
		}
	}
}

func (f *Fields) place() string {
	if f.where == "" {
		return "the object"
	}
	return strings.TrimSuffix(f.where, ".")
}

// Quote returns a word of an external document, quoted, in a length that fits a log line and an email.
func Quote(text string) string { return strconv.Quote(Shorten(text)) }

// Shorten returns the beginning of a word, for texts that show a name without quotes.
func Shorten(text string) string {
	const limit = 64
	if len(text) > limit {
		text = strings.ToValidUTF8(text[:limit], "") + "…" // the cut may be inside a character
	}
	return text
}
