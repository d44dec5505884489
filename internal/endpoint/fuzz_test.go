package endpoint_test

import (
	"net/http"
	"strings"
	"testing"
	"unicode"
	"unicode/utf8"

	"github.com/cronbearer/cronbearer/internal/dev/mutate"
	"github.com/cronbearer/cronbearer/internal/endpoint"
	"github.com/cronbearer/cronbearer/internal/redact"
)

// FuzzSaid holds that whatever a target answers, what an error quotes of it is one line within its limit without
// invisible characters, and never HTML; and that its ids and its expiry are as short.
func FuzzSaid(fuzz *testing.F) {
	f := mutate.New(fuzz)
	for _, seed := range [][2]string{
		{"application/json", `{"errors":[{"message":"must be a date"}]}`},
		{"text/plain", "not\nnow"},
		{"application/problem+json", `{"title":"x","detail":{"a":["b",1]},"code":40001}`},
		{"text/html", "<p>no</p>"},
		{"", "\ufeff <!doctype html><title>down</title>"},
		{"application/json", `{"error":"<html><body>down"}`},
		{"text/plain", "go \ufeff\u202eaway"},
		{"text/plain; charset=utf-16", "\xff\xfea\x00"},
		{"text/plain", strings.Repeat("\u00e9", 700)},
		{"application/json", `{"message":"` + strings.Repeat(`\u2028`, 400) + `"}`},
	} {
		f.Add(seed[0], []byte(seed[1]))
	}
	f.Fuzz(func(t *testing.T, media string, body []byte) {
		h := http.Header{"Content-Type": {media}, "X-Request-Id": {media}, "Github-Authentication-Token-Expiration": {media}}
		_, unread := endpoint.HeaderExpiry(h)
		quoted := endpoint.Said(h, body)
		if redact.IsMarkup(quoted) {
			t.Errorf("%q, %q: quotes %q", media, body, quoted)
		}
		for _, text := range []string{quoted, endpoint.RequestID(h), unread} {
			if len(text) > redact.MaxQuote || !utf8.ValidString(text) ||
				strings.ContainsFunc(text, isInvisible) {
				t.Errorf("%q, %q: %q", media, body, text)
			}
		}
	})
}

func isInvisible(r rune) bool { return unicode.In(r, unicode.Cc, unicode.Cf, unicode.Zl, unicode.Zp) }
