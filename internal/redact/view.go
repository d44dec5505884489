package redact

import (
	"strconv"
	"strings"
	"unicode/utf16"
	"unicode/utf8"
)

// span is a part of the text that is scrubbed.
type span struct{ from, to int32 }

// view is a text, or what comes out when some of its encoding is undone.
type view struct {
	text  string
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
func (v *view) unescape(mark byte, decode func(string) (string, int)) *view {
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
		next := strings.IndexByte(v.text[i:], mark)
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
	return &view{text: string(out), piece: v.piece, of: v, origin: origin}
}

func unescapePercent(text string) (decoded string, length int) {
	if c, ok := hexDigits(text, 1, 2); ok {
		return string([]byte{byte(c)}), 3 //nolint:gosec // two digits
	}
	return "", 0
}

// unescapeBackslash knows the escapes of JSON and of Go's %q.
func unescapeBackslash(text string) (decoded string, length int) {
	if len(text) < 2 {
		return "", 0
	}
	switch c := text[1]; c {
	case '"', '\\', '/', '\'':
		return text[1:2], 2
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
		if strings.HasPrefix(text[6:], `\u`) {
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
func hexDigits(text string, i, n int) (rune, bool) {
	if len(text) < i+n {
		return 0, false
	}
	v, err := strconv.ParseUint(text[i:i+n], 16, 31)
	return rune(v), err == nil //nolint:gosec // 31 bits
}

// isBase64 tells whether c is of one of the two alphabets of RFC 4648.
func isBase64(c byte) bool {
	_, ok := sextet(c)
	return ok
}

func sextet(c byte) (uint, bool) {
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

// decode reads characters of base64 as bytes, of which the first begins skip bits into the first character. With 0, 2,
// 4 and 6 bits all alignments are covered, whatever stands before the secret in what was encoded, and whatever of it
// was cut off.
func (v *view) decode(from, to, skip int) *view {
	var out strings.Builder
	out.Grow(6 * (to - from) / 8)
	for bit := skip; bit+8 <= 6*(to-from); bit += 8 {
		first, _ := sextet(v.text[from+bit/6])
		second, _ := sextet(v.text[from+bit/6+1])
		out.WriteByte(byte((first<<6 | second) >> (4 - bit%6))) //nolint:gosec // the upper bits belong to the byte before
	}
	return &view{text: out.String(), piece: minPieceBase64, of: v, from: from, skip: skip}
}
