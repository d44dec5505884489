package jsondoc

import (
	"encoding/json"
	"errors"
	"unicode/utf8"
)

// ParseLeniently is Parse of what Check takes: half of a surrogate pair is U+FFFD in it.
func ParseLeniently(data []byte) (Value, error) {
	if !utf8.Valid(data) || !json.Valid(data) {
		return Value{}, errors.New("not JSON")
	}
	p := parser{text: string(data), commas: countCommas(string(data))}
	return p.value(), nil
}

// Equal is what Document.Has must report of a text, computed from trees: objects without regard to order, numbers by
// value.
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
