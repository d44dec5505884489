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
	if !v.hasEscape(mark, decode) {
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
	return plain
}

// hasEscape spares a view that would be the text itself.
func (v *view) hasEscape(mark byte, decode func([]byte) (string, int)) bool {
	for at := 0; ; at++ {
		next := bytes.IndexByte(v.text[at:], mark)
		if next < 0 {
			return false
		}
		at += next
		if _, length := decode(v.text[at:]); length > 0 {
			return true
		}
	}
}

func unescapePercent(text []byte) (decoded string, length int) {
	if c, ok := hexDigits(text, 1, 2); ok {
		return string([]byte{byte(c)}), 3 //nolint:gosec // two digits
	}
	return "", 0
}

// unescapeHTML knows character references by number, also those whose semicolon is missing or was cut off, and those
// that every escaping function writes by name.
func unescapeHTML(text []byte) (decoded string, length int) {
	if number, found := bytes.CutPrefix(text, []byte("&#")); found {
		return unescapeNumber(number)
	}
	end := bytes.IndexByte(text[:min(len(text), len("&quot;"))], ';')
	if end < 0 {
		return "", 0
	}
	if plain, ok := namedHTML[string(text[1:end])]; ok {
		return plain, end + 1
	}
	return "", 0
}

// unescapeNumber reads what follows &#.
func unescapeNumber(text []byte) (decoded string, length int) {
	const longest = 8 // digits
	at, base := 0, 10
	if len(text) > 0 && text[0]|0x20 == 'x' {
		at, base = 1, 16
	}
	end := at
	for end < len(text) && end-at < longest && isHex(text[end]) && (base == 16 || text[end] <= '9') {
		end++
	}
	r, err := strconv.ParseUint(string(text[at:end]), base, 21)
	if err != nil {
		return "", 0
	}
	if end < len(text) && text[end] == ';' {
		end++
	}
	return string(rune(r)), end + len("&#")
}

var namedHTML = map[string]string{"amp": "&", "lt": "<", "gt": ">", "quot": `"`, "apos": "'", "nbsp": " "}

// unescapeQuoted knows quoted-printable (RFC 2045 section 6.7).
func unescapeQuoted(text []byte) (decoded string, length int) {
	if c, ok := hexDigits(text, 1, 2); ok {
		return string([]byte{byte(c)}), 3 //nolint:gosec // two digits
	}
	return "", 0
}

// maxFiller is how many bytes stand between two letters of a text in UTF-32.
const maxFiller = 3

// spaced are views of the parts in which each letter stands alone: a text in UTF-16 or UTF-32, before or after our own
// functions have replaced its zero bytes by spaces or U+FFFD.
func (v *view) spaced() iter.Seq[*view] {
	return func(yield func(*view) bool) {
		for _, filler := range []string{"\x00", " ", "\ufffd"} {
			for at := 0; ; {
				first := bytes.Index(v.text[at:], []byte(filler))
				if first < 0 {
					break
				}
				letters, end := v.lettersBetween(at+first, filler)
				if len(letters) >= wordSize && !yield(v.only(letters)) {
					return
				}
				at = max(end, at+first+len(filler))
			}
		}
	}
}

// lettersBetween returns the letters that stand alone around the first filler, and where they end.
func (v *view) lettersBetween(first int, filler string) (letters []span, end int) {
	_, before := utf8.DecodeLastRune(v.text[:first])
	for end = first - before; end < len(v.text); {
		_, size := utf8.DecodeRune(v.text[end:])
		letters = append(letters, span{end, end + size})
		end += size
		fillers := 0
		for fillers < maxFiller && bytes.HasPrefix(v.text[end:], []byte(filler)) {
			end += len(filler)
			fillers++
		}
		if fillers == 0 {
			return letters, end
		}
	}
	return letters, end
}

// only is a view of some parts.
func (v *view) only(parts []span) *view {
	plain := &view{piece: v.piece, of: v}
	for _, p := range parts {
		for at := p.from; at < p.to; at++ {
			plain.text = append(plain.text, v.text[at])
			plain.origin = append(plain.origin, span{at, at + 1})
		}
	}
	return plain
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
