package jsondoc

import (
	"errors"
	"strings"
)

// Pointer is a valid RFC 6901 JSON pointer. The zero Pointer refers to the whole document.
type Pointer struct {
	text   string
	tokens []string
}

// ParsePointer checks a pointer's syntax (RFC 6901 section 3).
func ParsePointer(text string) (Pointer, error) {
	if text == "" {
		return Pointer{}, nil
	}
	if text[0] != '/' {
		return Pointer{}, errors.New("must be empty or begin with / (RFC 6901)")
	}
	tokens := strings.Split(text[1:], "/")
	for i, t := range tokens {
		if strings.Count(t, "~") != strings.Count(t, "~0")+strings.Count(t, "~1") {
			return Pointer{}, errors.New("~ must be followed by 0 or 1 (RFC 6901)")
		}
		// ~1 first: in the other order ~01 would become / instead of ~1 (RFC 6901 section 4).
		tokens[i] = strings.ReplaceAll(strings.ReplaceAll(t, "~1", "/"), "~0", "~")
	}
	return Pointer{text, tokens}, nil
}

func (p Pointer) String() string { return p.text }

// Lookup returns what the pointer refers to in v, Absent if there is nothing.
func (p Pointer) Lookup(v Value) Value {
	for _, t := range p.tokens {
		switch v.Kind {
		case Object:
			v = v.Get(t)
		case Array:
			i := listIndex(t)
			if i < 0 || i >= len(v.Items) {
				return Value{}
			}
			v = v.Items[i]
		default:
			return Value{}
		}
	}
	return v
}

func escape(token string) string {
	return strings.ReplaceAll(strings.ReplaceAll(token, "~", "~0"), "/", "~1")
}
