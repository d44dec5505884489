package faults_test

import (
	"bytes"
	"compress/gzip"
	"encoding/base64"
	"encoding/hex"
	"fmt"
	"html"
	"io"
	"mime/quotedprintable"
	"net/url"
	"regexp"
	"strconv"
	"strings"
	"testing"
	"unicode/utf16"
)

// piece is the size from which a part of a secret counts as it.
const piece = 16

// canaries are secrets to look for. It is a judge of its own, which shares no code with the scrubber: it knows each
// piece of a secret in the encodings whose letters depend on their place (base64, hexadecimal), and undoes the others.
type canaries struct {
	names  map[string]string // of the secret, by a piece of it in one of the encodings
	secret map[string]bool
	begins []uint64 // a bit for each beginning of a piece, by begin: almost every place of a text is none
}

// begin is where the bit of a text's first four bytes is.
func begin(text string) uint32 {
	return (uint32(text[0]) | uint32(text[1])<<8 | uint32(text[2])<<16 | uint32(text[3])<<24) * 2654435761 >> 12
}

const (
	base64Piece = 20 // of base64 are 15 bytes; where a piece begins between two letters, of 14
	hexPiece    = 2 * piece
)

func newCanaries() *canaries {
	return &canaries{map[string]string{}, map[string]bool{}, make([]uint64, 1<<14)}
}

func (c *canaries) add(name, secret string) {
	if len(secret) < piece || c.secret[secret] {
		return
	}
	c.secret[secret] = true
	windows := func(text string, size int) {
		for at := 0; at+size <= len(text); at++ {
			c.names[text[at:at+size]] = name
			bit := begin(text[at:])
			c.begins[bit>>6] |= 1 << (bit & 63)
		}
	}
	windows(secret, piece)
	windows(hex.EncodeToString([]byte(secret)), hexPiece)
	for skip := range 3 {
		for _, encoding := range []*base64.Encoding{base64.RawStdEncoding, base64.RawURLEncoding} {
			text := encoding.EncodeToString(append(make([]byte, skip), secret...))
			// The first letters after what was skipped, and the last one, hold bits of other bytes.
			windows(text[min(len(text), []int{0, 2, 3}[skip]):len(text)-1], base64Piece)
		}
	}
}

// find returns the names of the secrets in a text, and how many bytes of it are theirs.
func (c *canaries) find(text string) (names map[string]bool, leaked int) {
	names = map[string]bool{}
	for _, view := range views(text, 2) {
		lower := strings.ToLower(view)
		for at := range max(0, len(view)-piece+1) {
			bit := begin(lower[min(at, len(lower)-piece):])
			if same := len(lower) == len(view); c.begins[bit>>6]&(1<<(bit&63)) == 0 || !same {
				if bit = begin(view[at:]); c.begins[bit>>6]&(1<<(bit&63)) == 0 {
					continue
				}
			}
			for _, size := range []int{piece, base64Piece, hexPiece} {
				if at+size > len(view) {
					continue
				}
				name, ok := c.names[view[at:at+size]]
				if !ok && size == hexPiece && len(lower) == len(view) {
					name, ok = c.names[lower[at:at+size]]
				}
				if ok {
					names[name] = true
					leaked++
				}
			}
		}
	}
	return names, leaked
}

var (
	backslashU = regexp.MustCompile(`\\u[0-9A-Fa-f]{4}|\\x[0-9A-Fa-f]{2}|\\[nrtbf/"'\\]`)
	percent    = regexp.MustCompile(`%[0-9A-Fa-f]{2}`)
	spaces     = strings.NewReplacer("\n", "", "\r", "", " ", "", `\n`, "", "\x00", "")
)

// views are a text and what it is once encodings are undone, in each order.
func views(text string, depth int) []string {
	list := []string{text}
	if depth == 0 {
		return list
	}
	undone := []string{
		percent.ReplaceAllStringFunc(text, func(s string) string {
			plain, err := url.PathUnescape(s)
			if err != nil {
				return s
			}
			return plain
		}),
		backslashU.ReplaceAllStringFunc(text, func(s string) string {
			if strings.HasPrefix(s, `\x`) {
				n, _ := strconv.ParseUint(s[2:], 16, 8) // two digits
				return string([]byte{byte(n)})
			}
			if strings.HasPrefix(s, `\u`) {
				n, _ := strconv.ParseUint(s[2:], 16, 16) // four digits
				return string(rune(n))
			}
			return strings.NewReplacer(
				`\n`, "\n", `\r`, "\r", `\t`, "\t", `\b`, "\b", `\f`, "\f", `\/`, "/", `\"`, `"`, `\'`, `'`, `\\`, `\`,
			).Replace(s)
		}),
		html.UnescapeString(text), spaces.Replace(text),
	}
	if strings.Contains(text, "=") {
		plain, _ := io.ReadAll(quotedprintable.NewReader(strings.NewReader(text))) // as far as it is
		undone = append(undone, string(plain))
	}
	if at := strings.Index(text, "\x1f\x8b"); at >= 0 {
		if reader, err := gzip.NewReader(strings.NewReader(text[at:])); err == nil {
			plain, _ := io.ReadAll(io.LimitReader(reader, 1<<20)) // as far as it goes
			undone = append(undone, string(plain))
		}
	}
	for _, plain := range undone {
		if plain != text {
			list = append(list, views(plain, depth-1)...)
		}
	}
	return list
}

// encodings are the ways in which a hostile peer repeats what it was sent.
func encodings() map[string]func(string) string {
	all := map[string]func(string) string{
		"as it is":   func(s string) string { return s },
		"half of it": func(s string) string { return s[len(s)/4 : 3*len(s)/4] },
		"base64":     func(s string) string { return base64.StdEncoding.EncodeToString([]byte(s)) },
		"base64url":  func(s string) string { return base64.RawURLEncoding.EncodeToString([]byte("x" + s)) },
		"base64 after two bytes": func(s string) string {
			return base64.StdEncoding.EncodeToString([]byte("ab" + s))
		},
		"hexadecimal":   func(s string) string { return hex.EncodeToString([]byte(s)) },
		"HEXADECIMAL":   func(s string) string { return strings.ToUpper(hex.EncodeToString([]byte(s))) },
		"query":         url.QueryEscape,
		"percent":       func(s string) string { return eachByte(s, "%%%02X") },
		"percent twice": func(s string) string { return url.QueryEscape(eachByte(s, "%%%02x")) },
		`\u`:            func(s string) string { return eachByte(s, `\u%04x`) },
		`\\u`:           func(s string) string { return eachByte(s, `\\u%04x`) },
		"HTML":          html.EscapeString,
		"HTML numbers":  func(s string) string { return eachByte(s, "&#%d;") },
		"UTF-16": func(s string) string {
			var text []byte
			for _, unit := range utf16.Encode([]rune(s)) {
				text = append(text, byte(unit), byte(unit>>8))
			}
			return string(text)
		},
		"quoted-printable": func(s string) string { return eachByte(s, "=%02X") },
		"gzip": func(s string) string {
			var zipped bytes.Buffer
			w := gzip.NewWriter(&zipped)
			_, _ = io.WriteString(w, s) // into memory
			_ = w.Close()
			return zipped.String()
		},
	}
	return all
}

func eachByte(s, format string) string {
	var text strings.Builder
	for i := range len(s) {
		_, _ = fmt.Fprintf(&text, format, s[i])
	}
	return text.String()
}

// TestLeaksAreSeen: the judge finds a secret, and a piece of it, in every encoding that it is to find.
func TestLeaksAreSeen(t *testing.T) {
	t.Parallel()
	const secret = "fake+canary/of=forty|bytes!0123456789abcd"
	c := newCanaries()
	c.add("it", secret)
	for name, encode := range encodings() {
		for _, part := range []string{secret, secret[3 : 3+35]} {
			text := `{"message":"x ` + encode(part) + ` y"}`
			if names, leaked := c.find(text); !names["it"] || leaked == 0 {
				t.Errorf("%s: not found in %q", name, text)
			}
		}
	}
	if names, _ := c.find(`{"message":"[redacted] fake+canary of"}`); len(names) > 0 {
		t.Errorf("%v found where there is none", names)
	}
}
