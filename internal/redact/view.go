package redact

import (
	"bytes"
	"slices"
	"strconv"
	"strings"
	"unicode/utf16"
	"unicode/utf8"
)

// span is a part of the text that is scrubbed.
type span struct{ from, to int32 }

// view is a text, or what comes out when some of its encoding is undone.
type view struct {
	text  []byte
	piece int // the shortest piece of a secret that counts

	of         *view  // what was decoded; nil: this is the text itself
	origin     []span // of unescape: what each byte was made of
	from, skip int    // of decode: where the first byte begins
}

// origins is the part of the text that the bytes from from to to were made of.
func (v *view) origins(from, to int) span {
	switch {
	case v.of == nil:
		return span{int32(from), int32(to)} //nolint:gosec // a text of 2 GiB does not fit into a Lambda function
	case v.origin != nil:
		return v.of.origins(int(v.origin[from].from), int(v.origin[to-1].to))
	default:
		return v.of.origins(v.from+(v.skip+8*from)/6, v.from+(v.skip+8*(to-1))/6+2)
	}
}

// unescape undoes one layer of the escapes that begin with mark. The result is nil if there are none.
// decode returns one escape's meaning and length, which is 0 if it is none after all.
func (v *view) unescape(mark byte, decode func([]byte) (string, int)) *view {
	var out []byte
	var origin []span
	keep := func(from, to int) {
		out = append(out, v.text[from:to]...)
		for i := from; i < to; i++ {
			origin = append(origin, span{int32(i), int32(i + 1)}) //nolint:gosec // see origins
		}
	}
	done := 0
	for i := 0; i < len(v.text); {
		next := bytes.IndexByte(v.text[i:], mark)
		if next < 0 {
			break
		}
		i += next
		decoded, n := decode(v.text[i:])
		if n == 0 {
			i++
			continue
		}
		if out == nil {
			out, origin = make([]byte, 0, len(v.text)), make([]span, 0, len(v.text))
		}
		keep(done, i)
		out = append(out, decoded...)
		for range len(decoded) {
			origin = append(origin, span{int32(i), int32(i + n)}) //nolint:gosec // see origins
		}
		i += n
		done = i
	}
	if out == nil {
		return nil
	}
	keep(done, len(v.text))
	return &view{text: out, piece: v.piece, of: v, origin: origin}
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

// hexDigits reads n hexadecimal digits at i.
func hexDigits(text []byte, i, n int) (rune, bool) {
	if len(text) < i+n {
		return 0, false
	}
	v, err := strconv.ParseUint(string(text[i:i+n]), 16, 31)
	return rune(v), err == nil
}

// sextets are the values of the characters of both alphabets of RFC 4648, and notBase64 of the rest.
var sextets = func() (table [256]uint8) {
	for c := range table {
		table[c] = notBase64
	}
	for i := range 26 {
		table['A'+i], table['a'+i] = uint8(i), uint8(26+i)
	}
	for i := range 10 {
		table['0'+i] = uint8(52 + i)
	}
	table['+'], table['-'], table['/'], table['_'] = 62, 62, 63, 63
	return table
}()

const notBase64 = 64

func isBase64(c byte) bool { return sextets[c] != notBase64 }

// decode makes v of characters of base64 in another view, read as bytes of which the first begins skip bits into the
// first character. With 0, 2, 4 and 6 bits all alignments are covered, whatever stands before the secret in what was
// encoded, and whatever of it was cut off.
func (v *view) decode(of *view, from, to, skip int) {
	characters := of.text[from:to]
	text := slices.Grow(v.text[:0], len(characters))[:(6*len(characters)-skip)/8]
	pending, bits, n := uint(0), -skip, 0
	for _, c := range characters {
		pending = pending<<6 | uint(sextets[c])
		if bits += 6; bits >= 8 {
			bits -= 8
			text[n] = byte(pending >> bits) //nolint:gosec // the upper bits belong to the byte before
			n++
		}
	}
	*v = view{text: text, piece: minPieceBase64, of: of, from: from, skip: skip}
}
