package redact_test

import (
	"bytes"
	"encoding/base64"
	"encoding/json"
	"errors"
	"fmt"
	"log/slog"
	"net/url"
	"strconv"
	"strings"
	"sync"
	"testing"
	"unicode/utf16"
	"unicode/utf8"

	"github.com/google/go-cmp/cmp"

	"github.com/cronbearer/cronbearer/internal/redact"
)

const (
	token   = "ghp_16C7e42F292c6912E7710c838347Ae178B4a~+/x9=="
	short   = "s3cr3t+/"
	awkward = "pa\"ss\\w%41rd <é😀>\n" + `\u0041\n%2F & more/of+it`
	pemKey  = "-----BEGIN PRIVATE KEY-----\nMIGHAgEAMBMGByqGSM49AgEGCCqGSM49AwEHBG0wawIBAQQg\nevZzL1gdAFr88hb2OF\n-----END PRIVATE KEY-----\n"
)

// encoding is one way in which a text may be written. It leaves what stands beside a secret to itself, but for base64.
type encoding struct {
	name   string
	encode func(string) string
	base64 *base64.Encoding
}

func encodings() []encoding {
	return []encoding{
		{name: "JSON", encode: func(s string) string { b, _ := json.Marshal(s); return string(b[1 : len(b)-1]) }},
		{name: "JSON, all \\u", encode: allUnicode("\\u%04x")},
		{name: "JSON, all \\u upper case", encode: allUnicode("\\u%04X")},
		{name: "JSON, slashes", encode: func(s string) string {
			return strings.NewReplacer(`\`, `\\`, `"`, `\"`, "/", `\/`, "\n", `\n`, "\b", `\b`, "\f", `\f`).Replace(s)
		}},
		{name: "Go", encode: func(s string) string { q := strconv.Quote(s); return q[1 : len(q)-1] }},
		{name: "Go, ASCII", encode: func(s string) string { q := strconv.QuoteToASCII(s); return q[1 : len(q)-1] }},
		{name: "query", encode: url.QueryEscape},
		{name: "path", encode: url.PathEscape},
		{name: "percent, all lower case", encode: allBytes("%%%02x")},
		{name: "percent, all upper case", encode: allBytes("%%%02X")},
		{name: "base64", base64: base64.RawStdEncoding},
		{name: "base64url", base64: base64.RawURLEncoding},
	}
}

func allBytes(format string) func(string) string {
	return func(s string) string {
		var b strings.Builder
		for _, c := range []byte(s) {
			fmt.Fprintf(&b, format, c)
		}
		return b.String()
	}
}

func allUnicode(format string) func(string) string {
	return func(s string) string {
		var b strings.Builder
		for _, c := range utf16.Encode([]rune(s)) {
			fmt.Fprintf(&b, format, c)
		}
		return b.String()
	}
}

// apply encodes a whole text.
func (e encoding) apply(s string) string {
	if e.base64 != nil {
		return e.base64.EncodeToString([]byte(s))
	}
	return e.encode(s)
}

// forms lists how s may stand in a text that was encoded as a whole: with base64 one form for each alignment, of which
// only the characters that s alone decides.
func (e encoding) forms(s string) []string {
	if e.base64 == nil {
		return []string{e.encode(s)}
	}
	var list []string
	for shift := range 3 {
		padded := append(make([]byte, shift), s...)
		first, last := (8*shift+5)/6, 8*len(padded)/6
		list = append(list, e.base64.EncodeToString(padded)[first:last])
	}
	return list
}

// found returns what is in text of the secret, or of a piece of it of 16 bytes, in the given layers of encoding.
func found(text, secret string, layers []encoding) string {
	for from := 0; from+min(16, len(secret)) <= len(secret); from++ {
		piece := secret[from : from+min(16, len(secret))]
		if !utf8.ValidString(piece) {
			continue
		}
		forms := []string{piece}
		for _, layer := range layers {
			var next []string
			for _, f := range forms {
				next = append(next, layer.forms(f)...)
			}
			forms = next
		}
		for _, f := range forms {
			if strings.Contains(text, f) {
				return fmt.Sprintf("%q, which is %q", f, piece)
			}
		}
	}
	return ""
}

func names(layers []encoding) string {
	list := make([]string, len(layers))
	for i, l := range layers {
		list[i] = l.name
	}
	return strings.Join(list, " in ")
}

func TestScrubEveryEncodingInEveryOther(t *testing.T) {
	t.Parallel()
	combinations := [][]encoding{nil}
	for i, a := range encodings() {
		combinations = append(combinations, []encoding{a})
		for j, b := range encodings() {
			combinations = append(combinations, []encoding{a, b})
			for k, c := range encodings() {
				if (i+j+k)%4 == 0 { // all take a minute with the race detector; FuzzScrub has them all
					combinations = append(combinations, []encoding{a, b, c})
				}
			}
		}
	}
	for name, secret := range map[string]string{"token": token, "short": short, "awkward": awkward, "key": pemKey} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			var s redact.Scrubber
			s.Add(secret)
			for i, layers := range combinations {
				if len(layers) == 3 && len(secret) > 100 {
					continue // it takes long, and the others show it
				}
				before, after := "GET /?q=x"[:5+i%5]+"\x00", "\x00 failed"
				text := before + secret + after
				for _, l := range layers {
					text = l.apply(text)
				}
				got := s.Scrub(text)
				if !strings.Contains(got, redact.Redacted) {
					t.Fatalf("%s: nothing was found in %q", names(layers), text)
				}
				if piece := found(got, secret, layers); piece != "" {
					t.Fatalf("%s: %q holds %s", names(layers), got, piece)
				}
			}
		})
	}
}

func TestScrubKeepsTheRest(t *testing.T) {
	t.Parallel()
	var s redact.Scrubber
	s.Add("", "7 bytes", token, token, short)
	for name, c := range map[string]struct{ text, want string }{
		"nothing":                       {"", ""},
		"an honest text":                {"job DailyReport: the target answered 401", "job DailyReport: the target answered 401"},
		"the secret alone":              {token, "[redacted]"},
		"a short secret alone":          {short, "[redacted]"},
		"in a sentence":                 {"Bearer " + token + " was refused", "Bearer [redacted] was refused"},
		"two secrets":                   {token + short + " " + short, "[redacted][redacted] [redacted]"},
		"the first 16 bytes":            {"x" + token[:16] + "?", "x[redacted]?"},
		"the last 16 bytes":             {"x" + token[len(token)-16:] + "?", "x[redacted]?"},
		"16 bytes from the middle":      {"." + token[9:25] + ".", ".[redacted]."},
		"15 bytes":                      {"." + token[9:24] + ".", "." + token[9:24] + "."},
		"most of a short one":           {short[:7] + ".", short[:7] + "."},
		"what is too short to register": {"7 bytes", "7 bytes"},
		"percent-encoded":               {"a=" + url.QueryEscape(short) + "&b=%20", "a=[redacted]&b=%20"},
		"in JSON":                       {`{"a":"s3cr3t\u002b\/","b":"\n"}`, `{"a":"[redacted]","b":"\n"}`},
		"basic authentication":          {"Basic " + base64.StdEncoding.EncodeToString([]byte("id:"+short)), "Basic aWQ6[redacted]="},
		"RFC 6749's basic authentication": {
			"Basic " + base64.StdEncoding.EncodeToString([]byte("id:"+url.QueryEscape(short))), "Basic aWQ6[redacted]",
		},
		"16 characters of base64": {
			"." + base64.StdEncoding.EncodeToString([]byte(token))[5:21] + ".", ".[redacted]Y.", // the last character has bits of a byte that is not whole
		},
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			if diff := cmp.Diff(c.want, s.Scrub(c.text)); diff != "" {
				t.Error(diff)
			}
		})
	}
}

func TestScrubKnowsSpacesAsPlusSigns(t *testing.T) {
	t.Parallel()
	const secret = "correct horse+battery staple"
	var s redact.Scrubber
	s.Add(secret)
	for _, text := range []string{"correct+horse%2Bbattery+staple", "correct%20horse%2bbattery%20staple", "correct+horse%2Bbattery", base64.StdEncoding.EncodeToString([]byte("id:correct+horse%2Bbattery+staple"))} {
		if got := s.Scrub("a=" + text + "&"); strings.Contains(got, text) || !strings.Contains(got, redact.Redacted) {
			t.Errorf("%s became %s", text, got)
		}
	}
}

func TestScrubNothingRegistered(t *testing.T) {
	t.Parallel()
	var s redact.Scrubber
	if got := s.Scrub(token); got != token {
		t.Error(got)
	}
}

// A log line must stay JSON, although a match may begin or end in the middle of one of its escapes.
func TestScrubKeepsJSONAndUTF8Valid(t *testing.T) {
	t.Parallel()
	for name, c := range map[string]struct{ secret, text string }{
		"it begins like the escape before it":  {"nABCDEFGHIJKLMNOPQ", "line\nABCDEFGHIJKLMNOPQ"},
		"it begins like digits of an escape":   {"01ABCDEFGHIJKLMNOPQ", "\x01ABCDEFGHIJKLMNOPQ"},
		"it ends like the escape after it":     {`ABCDEFGHIJKLMNOPQ\`, "ABCDEFGHIJKLMNOPQ\n"},
		"a character with the same last bytes": {"\u00e9ABCDEFGHIJKLMNOPQ", "\u0129ABCDEFGHIJKLMNOPQ"},
		"a character with the same first byte": {"ABCDEFGHIJKLMNOPQ\u00e9", "ABCDEFGHIJKLMNOPQ\u00e8"},
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			var s redact.Scrubber
			s.Add(c.secret)
			line, err := json.Marshal(map[string]string{"text": c.text})
			if err != nil {
				t.Fatal(err)
			}
			got := s.Scrub(string(line))
			if !json.Valid([]byte(got)) || !utf8.ValidString(got) || strings.Contains(got, "ABCDEFGHIJKLMNOPQ") {
				t.Errorf("%s became %s", line, got)
			}
		})
	}
}

func TestScrubOverlappingSecrets(t *testing.T) {
	t.Parallel()
	var s redact.Scrubber
	all := "abcdefghijklmnopqrstuvwxyz0123456789ABCDEFGHIJKLMNOPQRSTUVWXYZ"
	s.Add(all[:30], all[20:50], all[45:])
	if got := s.Scrub("<" + all + ">"); got != "<[redacted]>" {
		t.Error(got)
	}
	var same redact.Scrubber
	same.Add(strings.Repeat("a", 8192))
	if got := same.Scrub("<" + strings.Repeat("a", 20000) + ">"); strings.Contains(got, strings.Repeat("a", 16)) {
		t.Error("a secret of one letter is still there")
	}
}

func TestScrubberForgetsTheOldestOnly(t *testing.T) {
	t.Parallel()
	numbered := func(i int) string { return fmt.Sprintf("%016x", uint64(i)*0x9E3779B97F4A7C15) }
	var s redact.Scrubber
	for i := range 3000 {
		s.Add(numbered(i))
		s.Add(token) // a secret that is still being read
	}
	for name, secret := range map[string]string{"the last": numbered(2999), "one of the last 800": numbered(2200), "one that is still in use": token} {
		if got := s.Scrub(secret); got != redact.Redacted {
			t.Errorf("%s: %s", name, got)
		}
	}
	if got := s.Scrub(numbered(0)); got != numbered(0) {
		t.Error("the index grows without bound")
	}
}

func TestScrubberIsSafeForConcurrentUse(t *testing.T) {
	t.Parallel()
	var s redact.Scrubber
	s.Add(token)
	var group sync.WaitGroup
	for i := range 8 {
		group.Go(func() {
			for j := range 100 {
				s.Add(fmt.Sprintf("another secret %d of %d", j, i))
				if got := s.Scrub("x " + token); got != "x [redacted]" {
					t.Error(got)
				}
			}
		})
	}
	group.Wait()
}

func TestWriter(t *testing.T) {
	t.Parallel()
	var s redact.Scrubber
	s.Add(awkward)
	var out bytes.Buffer
	log := slog.New(slog.NewJSONHandler(s.Writer(&out), nil))
	log.Info(awkward, "error", errors.New("wrapped: "+awkward), "url", "https://a/?"+url.QueryEscape(awkward), awkward, 1)
	var line map[string]any
	if err := json.Unmarshal(out.Bytes(), &line); err != nil {
		t.Fatalf("%v: %s", err, out.Bytes())
	}
	delete(line, "time")
	want := map[string]any{"level": "INFO", "msg": "[redacted]", "error": "wrapped: [redacted]", "url": "https://a/?[redacted]", "[redacted]": 1.0}
	if diff := cmp.Diff(want, line); diff != "" {
		t.Error(diff)
	}

	if n, err := s.Writer(&out).Write([]byte(awkward + "\n")); n != len(awkward)+1 || err != nil {
		t.Errorf("Write = %d, %v: the caller would take that for a short write", n, err)
	}
	broken := errors.New("broken pipe")
	if _, err := s.Writer(writerFunc(func([]byte) (int, error) { return 0, broken })).Write([]byte("x")); !errors.Is(err, broken) {
		t.Errorf("Write = %v", err)
	}
}

type writerFunc func([]byte) (int, error)

func (f writerFunc) Write(p []byte) (int, error) { return f(p) }

// Property: whatever stands around it and whatever it was encoded in, up to three layers deep, no secret of 8 bytes or
// more is left, nor a piece of 16.
func FuzzScrub(f *testing.F) {
	f.Add(token, "Authorization: Bearer ", " was refused", []byte{})
	f.Add(awkward, `{"a":"`, `"}`, []byte{0, 6, 10})
	f.Add(short, "id:", "", []byte{7, 11, 1})
	f.Add(pemKey, "\\", "%", []byte{3, 9, 5})
	f.Fuzz(func(t *testing.T, secret, before, after string, chosen []byte) {
		all := encodings()
		if len(secret) < redact.MinSecret || len(secret) > 100 || len(before)+len(after) > 100 || len(chosen) > 3 ||
			!utf8.ValidString(secret+before+after) || strings.Contains(redact.Redacted, secret) {
			return
		}
		before += " " // half an escape just before the secret would hide its first byte, here and from any reader
		var layers []encoding
		for _, c := range chosen {
			layers = append(layers, all[int(c)%len(all)])
		}
		wrap := func(text string) string {
			text = before + text + after
			for _, layer := range layers {
				text = before + layer.apply(text) + after
			}
			return text
		}
		// In base64 the last bits of a secret are not looked for. What surrounds it may be the same but for those.
		if found(wrap(almost(secret)), secret, layers) != "" {
			return
		}
		var s redact.Scrubber
		s.Add(secret)
		if got := s.Scrub(wrap(secret)); found(got, secret, layers) != "" {
			t.Fatalf("%q holds %s", got, found(got, secret, layers))
		}
	})
}

// almost changes bits in the middle of a text, in characters of one byte.
func almost(text string) string {
	b := []byte(text)
	for i := range b {
		if i%8 >= 2 && i%8 < 6 && b[i] < utf8.RuneSelf {
			b[i] ^= 1
		}
	}
	return string(b)
}

func BenchmarkScrub(b *testing.B) {
	var s redact.Scrubber
	for i := range 20 {
		s.Add(strings.Repeat(strconv.Itoa(i), 4) + token)
	}
	line := `{"timestamp":"2027-01-31T09:00:00.123456789Z","level":"ERROR","message":"run","result":{"job":"DailyReport","token":"ExampleApi","outcome":"token_rejected","verdict":"rejected","status":401,"attempts":1,"rejections":1,"tokenVersion":"EXAMPLE1-90ab-cdef-fedc-ba987EXAMPLE","durationMs":412,"runId":"2f1e5ac9-42f7-5f4c-8d1f-3a1de4f0c0de","requestId":"8476a536-e9f4-11e8-9739-2dfe598c3fcd"},"error":"job DailyReport: token ExampleApi is refused: the target answered 401. Put a working one into its secret: aws secretsmanager put-secret-value --secret-id cronbearer/example-api --secret-string file://token.txt. See docs/runbooks/token-rejected.md"}`
	for name, text := range map[string]string{"clean": line, "with a token": line[:100] + token + line[100:]} {
		b.Run(name, func(b *testing.B) {
			b.ReportAllocs()
			b.SetBytes(int64(len(text)))
			for b.Loop() {
				s.Scrub(text)
			}
		})
	}
}
