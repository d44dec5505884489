package redact_test

import (
	"crypto/sha256"
	"encoding/base64"
	"encoding/json"
	"fmt"
	"net/url"
	"runtime"
	"strconv"
	"strings"
	"sync"
	"testing"
	"unicode/utf16"
	"unicode/utf8"

	"github.com/google/go-cmp/cmp"

	"github.com/cronbearer/cronbearer/internal/dev/growth"
	"github.com/cronbearer/cronbearer/internal/dev/mutate"
	"github.com/cronbearer/cronbearer/internal/redact"
)

const (
	token   = "ghp_16C7e42F292c6912E7710c838347Ae178B4a~+/x9=="
	short   = "s3cr3t+/"
	awkward = "pa\"ss\\w%41rd <é😀>\n" + `\u0041\n%2F & more/of+it`
	pemKey  = "-----BEGIN PRIVATE " +
		"KEY-----\nMIGHAgEAMBMGByqGSM49AgEGCCqGSM49AwEHBG0wawIBAQQg\nevZzL1gdAFr88hb2OF\n-----END PRIVATE KEY-----\n"
)

// encoding is one way in which a text may be written. It does not change what is next to a secret, except for base64.
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
		{name: "hexadecimal", encode: allBytes("%02x")},
		{name: "hexadecimal, upper case", encode: allBytes("%02X")},
		{name: "quoted-printable", encode: allBytes("=%02X")},
		{name: "HTML, all numbers", encode: allCharacters("&#%d;")},
		{name: "HTML, all numbers without semicolons", encode: allCharacters("&#x%x")},
		{name: "UTF-16", encode: allCharacters("%c\x00")},
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

func allCharacters(format string) func(string) string {
	return func(s string) string {
		var b strings.Builder
		for _, c := range s {
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

// forms lists how s may appear in a text that was encoded as a whole: with base64 one form for each alignment, of which
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
		if !utf8.ValidString(piece) || redact.IsPublic(piece) || strings.Contains(piece, "--") ||
			strings.Contains(piece, "PRIVATE") {
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
				if (i+j+k)%7 == 0 { // all take a minute with the race detector; FuzzScrub has them all
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
		"nothing": {text: "", want: ""},
		"an honest text": {
			text: "job DailyReport: the target answered 401", want: "job DailyReport: the target answered 401",
		},
		"the secret alone":              {text: token, want: "[redacted]"},
		"a short secret alone":          {text: short, want: "[redacted]"},
		"in a sentence":                 {text: "Bearer " + token + " was rejected", want: "Bearer [redacted] was rejected"},
		"two secrets":                   {text: token + short + " " + short, want: "[redacted][redacted] [redacted]"},
		"the first 16 bytes":            {text: "x" + token[:16] + "?", want: "x[redacted]?"},
		"the last 16 bytes":             {text: "x" + token[len(token)-16:] + "?", want: "x[redacted]?"},
		"16 bytes from the middle":      {text: "." + token[9:25] + ".", want: ".[redacted]."},
		"15 bytes":                      {text: "." + token[9:24] + ".", want: "." + token[9:24] + "."},
		"most of a short one":           {text: short[:7] + ".", want: short[:7] + "."},
		"what is too short to register": {text: "7 bytes", want: "7 bytes"},
		"percent-encoded":               {text: "a=" + url.QueryEscape(short) + "&b=%20", want: "a=[redacted]&b=%20"},
		"in JSON":                       {text: `{"a":"s3cr3t\u002b\/","b":"\n"}`, want: `{"a":"[redacted]","b":"\n"}`},
		"basic authentication": {text: "Basic " + base64.StdEncoding.EncodeToString([]byte("id:"+
			short)), want: "Basic aWQ6[redacted]="},
		"RFC 6749's basic authentication": {
			text: "Basic " + base64.StdEncoding.EncodeToString([]byte("id:"+url.QueryEscape(short))),
			want: "Basic aWQ6[redacted]",
		},
		"16 characters of base64": {
			// the last character has bits of a byte that is not whole
			text: "." + base64.StdEncoding.EncodeToString([]byte(token))[5:21] + ".", want: ".[redacted]Y.",
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
	for _, text := range []string{
		"correct+horse%2Bbattery+staple", "correct%20horse%2bbattery%20staple", "correct+horse%2Bbattery",
		base64.StdEncoding.EncodeToString([]byte("id:correct+horse%2Bbattery+staple")),
	} {
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

func TestScrubLeavesWholeCharacters(t *testing.T) {
	t.Parallel()
	for name, c := range map[string]struct{ secret, text string }{
		"a character with the same last bytes": {secret: "\u00e9ABCDEFGHIJKLMNOPQ", text: "\u0129ABCDEFGHIJKLMNOPQ"},
		"a character with the same first byte": {secret: "ABCDEFGHIJKLMNOPQ\u00e9", text: "ABCDEFGHIJKLMNOPQ\u00e8"},
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			var s redact.Scrubber
			s.Add(c.secret)
			if got := s.Scrub(c.text); got != redact.Redacted {
				t.Errorf("%q became %q", c.text, got)
			}
		})
	}
}

// What we say about a secret is not secret, even if the secret has it in itself.
func TestScrubKeepsOurOwnWords(t *testing.T) {
	t.Parallel()
	const quoted = `'{"token":"abcdefghijklmnop1234","oauth2":{"grant":"client_credentials",` +
		`"token_url":"https://id.example.com/token"}}'`
	for name, c := range map[string]struct{ secret, text string }{
		"the frame of a key": {
			secret: pemKey,
			text:   "private_key is not a PEM block (-----BEGIN PRIVATE KEY----- …); in JSON its line breaks are written \\n",
		},
		"a key in one line": {
			secret: strings.ReplaceAll(pemKey, "\n", `\n`),
			text:   `it begins with -----BEGIN PRIVATE KEY-----\nMII… and ends with \n-----END PRIVATE KEY-----\n`,
		},
		"a key of another kind": {
			secret: strings.ReplaceAll(pemKey, "PRIVATE", "RSA PRIVATE"), text: "-----BEGIN RSA PRIVATE KEY-----",
		},
		"an API's version": {secret: "2026-11-28", text: "it expires at 2026-11-28T09:00:00Z, on 2026-11-28"},
		"a time":           {secret: "2026-11-28T09:00:00Z", text: "rejected at 2026-11-28T09:00:00Z"},
		"a document's own words": {
			secret: quoted, text: `"grant": "client_credentials" and "grant":"client_credentials" need client_credentials`,
		},
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			var s redact.Scrubber
			s.Add(c.secret)
			if got := s.Scrub(c.text); got != c.text {
				t.Errorf("%s became %s", c.text, got)
			}
			if got := s.Scrub("<" + c.secret + ">"); !redact.IsPublic(c.secret) &&
				strings.Contains(got, c.secret[len(c.secret)/3:len(c.secret)/3+16]) {
				t.Errorf("the secret itself became %s", got)
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

func numbered(i int) string { return fmt.Sprintf("%x", sha256.Sum256([]byte(strconv.Itoa(i))))[:32] }

func TestWhatIsInUseIsNeverForgotten(t *testing.T) {
	t.Parallel()
	var s redact.Scrubber
	var held []redact.Secret
	older, version := s.Holder(), s.Holder()
	for i := range 50 {
		held = append(held, s.Keep(fmt.Sprintf("held-%d-", i)+numbered(i)))
		older.Add(fmt.Sprintf("version-%d-", i)+numbered(i), "7 bytes")
		version.Add(fmt.Sprintf("version-%d-", i) + numbered(i))
	}
	runtime.KeepAlive(older)
	largest := 0
	for i := range 30_000 {
		s.Add(numbered(i))
		largest = max(largest, s.Size())
		if i%10_000 == 0 {
			runtime.GC()
		}
	}
	for i, secret := range held {
		if got := s.Scrub(secret.Reveal()); got != redact.Redacted {
			t.Errorf("secret %d is in use and came out: %s", i, got)
		}
		if got := s.Scrub(fmt.Sprintf("version-%d-", i) + numbered(i)); got != redact.Redacted {
			t.Errorf("secret %d of a version in use came out: %s", i, got)
		}
	}
	runtime.KeepAlive(held)
	runtime.KeepAlive(version)
	for name, i := range map[string]int{"the last": 29_999, "one of the last thousand": 29_000} {
		if got := s.Scrub(numbered(i)); got != redact.Redacted {
			t.Errorf("%s came out: %s", name, got)
		}
	}
	if got := s.Scrub(numbered(100)); got != numbered(100) {
		t.Error("nothing was forgotten")
	}
	if largest > 300<<10 {
		t.Errorf("%d bytes are looked for", largest)
	}
}

func TestWhatIsNoLongerHeldIsForgotten(t *testing.T) {
	t.Parallel()
	var s redact.Scrubber
	for i := range 300 { // 2.4 MB in all
		_ = s.Keep(strings.Repeat(numbered(i), 200))
		s.Holder().Add(strings.Repeat(numbered(i), 56))
		if i%10 == 0 {
			runtime.GC()
		}
	}
	if size := s.Size(); size > 600<<10 {
		t.Errorf("%d bytes are looked for", size)
	}
}

func TestKeepWrapsWhatItRegisters(t *testing.T) {
	t.Parallel()
	var s redact.Scrubber
	for _, value := range []string{"", "7 bytes", short, token, strings.Repeat("long", 1<<18)} {
		first, second := s.Keep(value), s.Keep(value)
		if first.Reveal() != value || second.Reveal() != value || !first.Equal(second) {
			t.Errorf("%d bytes are no longer themselves", len(value))
		}
		if got := s.Scrub("a " + token + " b"); value == token && got != "a [redacted] b" {
			t.Error(got)
		}
	}
	// Two that are too long to be distinguished by what is searched for.
	one, other := s.Keep(strings.Repeat("x", 9000)+"1"), s.Keep(strings.Repeat("x", 9000)+"2")
	if one.Equal(other) {
		t.Error("two secrets became one")
	}
}

// A "token" of a megabyte, which is used by no one, must not cost megabytes. Its beginning is what could be quoted.
func TestLongSecretsCostLittle(t *testing.T) { //nolint:paralleltest // it measures memory
	var s redact.Scrubber
	var before, after runtime.MemStats
	runtime.GC()
	runtime.ReadMemStats(&before)
	for i := range 12 {
		s.Add(strings.Repeat(numbered(i), 1<<15))
	}
	runtime.GC()
	runtime.ReadMemStats(&after)
	if grown := int64(after.HeapAlloc) - int64(before.HeapAlloc); grown > 4<<20 {
		t.Errorf("the index grew by %d bytes", grown)
	}
	if got := s.Scrub("x" + strings.Repeat(numbered(11), 4)); got != "x"+redact.Redacted {
		t.Error(got)
	}
}

// A megabyte takes a fraction of a second, whatever an endpoint returns. In quadratic time it would be hours.
func TestScrubTakesLinearTime(t *testing.T) {
	t.Parallel()
	var s redact.Scrubber
	s.Add(token, short, strings.Repeat("a", 4000), strings.Repeat("QUFB", 1000))
	for name, unit := range map[string]string{
		"a secret's letter": "a", "base64 of it": "YWFh", "base64 in base64": "UVVGQg==", "percents": "%25",
		"backslashes": `\\`, "escapes": `\u005c`,
		"almost a piece": token[:15] + " ", "words": "honest text ", "one letter": "V",
		"quoted-printable": "=3D", "HTML": "&#38;", "UTF-16": "a\x00", "marks": `%\&=`,
	} {
		growth.Linear(t, name, 1<<14, func(n int) func() {
			text := strings.Repeat(unit, n/len(unit))
			return func() { s.Scrub(text) }
		})
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

// FuzzScrub holds that whatever is around a secret and whatever it was encoded in, up to three layers deep, no secret
// of 8 bytes or more is left, nor a piece of 16; that a text which shares nothing with the secret stays as it is, our
// own words among them; that UTF-8 stays UTF-8; and that a document of JSON stays one.
func FuzzScrub(fuzz *testing.F) {
	f := mutate.New(fuzz)
	f.Add(token, "Authorization: Bearer ", " was rejected", []byte{})
	f.Add(awkward, `{"a":"`, `"}`, []byte{0, 6, 10})
	f.Add(short, "id:", "", []byte{7, 11, 1})
	f.Add(pemKey, "\\", "%", []byte{3, 9, 5})
	f.Add("u0041bcdefgh", "Abcdefgh", "\n", []byte{12, 0})
	f.Add(`abcdefgh\`, `abcdefgh"`, `\`, []byte{0, 0})
	f.Add("0123456789", `{"a":`, `}`, []byte{0})
	f.Add(`0123456","b":"789`, `{"a":"`, `"}`, []byte{0})
	f.Fuzz(func(t *testing.T, secret, before, after string, chosen []byte) {
		all := encodings()
		if len(secret) < redact.MinSecret || len(secret) > 100 || len(before)+len(after) > 100 || len(chosen) > 3 ||
			!utf8.ValidString(secret+before+after) || strings.Contains(redact.Redacted, secret) {
			return
		}
		var s redact.Scrubber
		s.Add(secret)
		for _, ours := range append(ourWords(), before+after) {
			if got := s.Scrub(ours); got != ours && !shares(ours, secret) {
				t.Fatalf("%q becomes %q", ours, got)
			}
		}
		staysJSON(t, &s, secret, before, after)
		before += " " // half an escape just before the secret would hide its first byte, here and from any reader
		var layers []encoding
		for _, c := range chosen {
			layers = append(layers, all[int(c)%len(all)])
			if layers[len(layers)-1].name == "UTF-16" && strings.ContainsFunc(secret+before+after, isNotVisible) {
				return // that encoding is UTF-16 for visible ASCII only
			}
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
		got := s.Scrub(wrap(secret))
		if found(got, secret, layers) != "" {
			t.Fatalf("%q holds %s", got, found(got, secret, layers))
		}
		if utf8.ValidString(wrap(secret)) && !utf8.ValidString(got) {
			t.Fatalf("%q is not UTF-8", got)
		}
	})
}

// ourWords are texts that leave the process often.
func ourWords() []string {
	return []string{
		"job DailyReport: token ExampleApi is rejected: https://api.example.com answered 401",
		`{"level":"ERROR","message":"run","result":{"outcome":"token_rejected","status":401,"rejections":1}}`,
		"grant must be client_credentials, refresh_token, jwt_bearer, token_exchange or account_credentials",
		"an ARN: arn:aws:secretsmanager:eu-west-1:123456789012:secret:cronbearer/example-api-AbCdEf",
		"it expires at 2027-01-31T09:00:00Z; version 2f1e5ac9-42f7-5f4c-8d1f-3a1de4f0c0de",
	}
}

// shares reports whether a text may hold something of a secret: after undoing what is an escape in it, eight bytes.
func shares(text, secret string) bool {
	if strings.ContainsAny(text, `\%`) {
		return true // FuzzScrub's other properties are about those
	}
	space := strings.NewReplacer("+", " ", "\n", " ", "\t", " ", "\r", " ").Replace
	text, secret = space(text), space(secret)
	for at := 0; at+redact.MinSecret <= len(secret); at++ {
		if strings.Contains(text, secret[at:at+redact.MinSecret]) {
			return true
		}
	}
	return strings.ContainsFunc(secret, func(r rune) bool { return r <= ' ' || r > '~' }) // it is known in one line, too
}

func isNotVisible(r rune) bool { return r < ' ' || r > '~' }

// staysJSON scrubs documents that hold the secret in a string, as encoding/json and others write one, or as they are.
func staysJSON(t *testing.T, s *redact.Scrubber, secret, before, after string) {
	t.Helper()
	documents := []string{before + secret + after, `{"a":` + secret + `}`}
	for _, e := range encodings()[:4] {
		value := e.encode(before + secret + after)
		documents = append(documents, `{"a":"`+value+`"}`, `["x","`+value+`",{"b":null}]`)
	}
	for _, document := range documents {
		got := s.Scrub(document)
		if json.Valid([]byte(document)) && strings.ContainsAny(document, "{[") && !json.Valid([]byte(got)) {
			t.Fatalf("%s becomes %s", document, got)
		}
	}
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
	line := `{"timestamp":"2027-01-31T09:00:00.123456789Z","level":"ERROR","message":"run",` +
		`"result":{"job":"DailyReport","token":"ExampleApi","outcome":"token_rejected","verdict":"rejected","status":401,` +
		`"attempts":1,"rejections":1,"tokenVersion":"EXAMPLE1-90ab-cdef-fedc-ba987EXAMPLE","durationMs":412,` +
		`"runId":"2f1e5ac9-42f7-5f4c-8d1f-3a1de4f0c0de","requestId":"8476a536-e9f4-11e8-9739-2dfe598c3fcd"},"error":"job ` +
		`DailyReport: token ExampleApi is refused: the target answered 401. Put a working one into its secret: aws ` +
		`secretsmanager put-secret-value --secret-id cronbearer/example-api --secret-string file://token.txt. See ` +
		`docs/runbooks/token-rejected.md"}`
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

// A dead token on a job of every minute is read in each run: what a run costs must not grow with the runs before it.
func TestSecretThatIsReadOftenCostsEachReadTheSame(t *testing.T) {
	t.Parallel()
	var scrub redact.Scrubber
	var held []*redact.Holder
	var secrets []redact.Secret
	growth.Linear(t, "reads", 2_000, func(reads int) func() {
		return func() {
			for range reads {
				holder := scrub.Holder()
				holder.Add("token-0123456789abcdef")
				held, secrets = append(held, holder), append(secrets, scrub.Keep("token-0123456789abcdef"))
			}
		}
	})
	if got := scrub.Scrub("token-0123456789abcdef"); got != redact.Redacted {
		t.Errorf("%q is not scrubbed", got)
	}
	runtime.KeepAlive(held)
	runtime.KeepAlive(secrets)
}
