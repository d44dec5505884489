package redact

import (
	"bytes"
	"iter"
	"strconv"
	"strings"
	"unicode/utf16"
	"unicode/utf8"
)

// span is a part of a text.
type span struct{ from, to int }

// view is a text, or the result of undoing some of its encoding.
type view struct {
	text  []byte
	piece int // the shortest piece of a secret that counts

	of         *view  // what was decoded; nil: this is the text itself
	origin     []span // of unescape: what each byte was made of
	from, skip int    // of decode: where the first byte begins
}

// origins returns the part of the text itself that the bytes between from and to were made of.
func (v *view) origins(from, to int) span {
	switch {
	case v.of == nil:
		return span{from, to}
	case v.origin != nil:
		return v.of.origins(v.origin[from].from, v.origin[to-1].to)
	default:
		return v.of.origins(v.from+(v.skip+8*from)/6, v.from+(v.skip+8*(to-1))/6+2)
	}
}

// unescape undoes one layer of the escapes that begin with mark. decode returns an escape's value and length, which
// is 0 if it is not an escape. The result is nil if there are none.
func (v *view) unescape(mark byte, decode func([]byte) (string, int)) *view {
	if bytes.IndexByte(v.text, mark) < 0 {
		return nil
	}
	plain := &view{piece: v.piece, of: v, text: make([]byte, 0, len(v.text)), origin: make([]span, 0, len(v.text))}
	for at := 0; at < len(v.text); {
		meaning, length := string(v.text[at:at+1]), 1
		if v.text[at] == mark {
			if decoded, n := decode(v.text[at:]); n > 0 {
				meaning, length = decoded, n
			}
		}
		plain.text = append(plain.text, meaning...)
		for range len(meaning) {
			plain.origin = append(plain.origin, span{at, at + length})
		}
		at += length
	}
	if len(plain.text) == len(v.text) {
		return nil
	}
	return plain
}

func unescapePercent(text []byte) (decoded string, length int) {
	if c, ok := hexDigits(text, 1, 2); ok {
		return string([]byte{byte(c)}), 3 //nolint:gosec // two digits
	}
	return "", 0
}

// unescapeBackslash knows the escapes of JSON and of Go's %q.
func unescapeBackslash(text []byte) (decoded string, length int) {
	if len(text) < 2 {
		return "", 0
	}
	switch c := text[1]; c {
	case '"', '\\', '/', '\'':
		return string(text[1:2]), 2
	case 'a', 'b', 'f', 'n', 'r', 't', 'v':
		const controls = "a\ab\bf\fn\nr\rt\tv\v"
		at := strings.IndexByte(controls, c)
		return controls[at+1 : at+2], 2
	case 'x':
		if r, ok := hexDigits(text, 2, 2); ok {
			return string([]byte{byte(r)}), 4 //nolint:gosec // two digits
		}
	case 'u':
		high, ok := hexDigits(text, 2, 4)
		if !ok {
			break
		}
		if bytes.HasPrefix(text[6:], []byte(`\u`)) {
			if low, ok := hexDigits(text, 8, 4); ok {
				if r := utf16.DecodeRune(high, low); r != utf8.RuneError {
					return string(r), 12
				}
			}
		}
		return string(high), 6
	case 'U':
		if r, ok := hexDigits(text, 2, 8); ok {
			return string(r), 10
		}
	}
	return "", 0
}

// decodeHex reads each two hexadecimal digits as a byte.
func (v *view) decodeHex(from, to int) *view {
	size := (to - from) / 2
	plain := &view{piece: v.piece, of: v, text: make([]byte, size), origin: make([]span, size)}
	for i := range size {
		at := from + 2*i
		plain.text[i] = hexValue(v.text[at])<<4 | hexValue(v.text[at+1])
		plain.origin[i] = span{at, at + 2}
	}
	return plain
}

func isHex(c byte) bool { return '0' <= c && c <= '9' || 'a' <= c && c <= 'f' || 'A' <= c && c <= 'F' }

func hexValue(c byte) byte {
	if c <= '9' {
		return c - '0'
	}
	return c&0xf + 9 //nolint:mnd // a letter's last four bits begin with 1
}

// runs are the parts of the view whose bytes are all of a kind, as long as they can be.
func (v *view) runs(isOne func(byte) bool) iter.Seq[span] {
	return func(yield func(span) bool) {
		for from := 0; from < len(v.text); from++ {
			to := from
			for to < len(v.text) && isOne(v.text[to]) {
				to++
			}
			if to > from && !yield(span{from, to}) {
				return
			}
			from = to
		}
	}
}

// hexDigits reads n hexadecimal digits at i.
func hexDigits(text []byte, i, n int) (rune, bool) {
	if len(text) < i+n {
		return 0, false
	}
	v, err := strconv.ParseUint(string(text[i:i+n]), 16, 31)
	return rune(v), err == nil
}

// sextet returns the value of a character of either alphabet of RFC 4648.
func sextet(c byte) (value uint, ok bool) {
	switch {
	case 'A' <= c && c <= 'Z':
		return uint(c - 'A'), true
	case 'a' <= c && c <= 'z':
		return uint(c-'a') + 26, true
	case '0' <= c && c <= '9':
		return uint(c-'0') + 52, true
	case c == '+', c == '-':
		return 62, true
	case c == '/', c == '_':
		return 63, true
	default:
		return 0, false
	}
}

func isBase64(c byte) bool {
	_, ok := sextet(c)
	return ok
}

// decode reads characters of base64 as bytes of which the first begins skip bits into the first character. With 0, 2, 4
// and 6 bits all alignments are covered, whatever precedes the secret in what was encoded, and whatever of it was
// cut off.
func (v *view) decode(from, to, skip int) *view {
	plain := &view{text: make([]byte, 0, 6*(to-from)/8), piece: minPieceBase64, of: v, from: from, skip: skip}
	pending, bits := uint(0), -skip
	for _, c := range v.text[from:to] {
		value, _ := sextet(c)
		pending = pending<<6 | value
		if bits += 6; bits >= 8 {
			bits -= 8
			plain.text = append(plain.text, byte(pending>>bits)) //nolint:gosec // the upper bits belong to the byte before
		}
	}
	return plain
}
