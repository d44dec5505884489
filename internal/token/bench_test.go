package token_test

import (
	"testing"

	"github.com/cronbearer/cronbearer/internal/redact"
	"github.com/cronbearer/cronbearer/internal/token"
)

func BenchmarkParseSecret(b *testing.B) {
	for name, text := range map[string]string{
		"text": "\ufeff \"Bearer ghp_0123456789abcdefghijklmnopqrstuvwxyz\"\n",
		"JSON": `{"token":"Bearer ghp_0123456789abcdefghijklmnopqrstuvwxyz","expires_at":"2027-01-31T00:00:00Z",` +
			`"hosts":["api.example.com"]}`,
	} {
		b.Run(name, func(b *testing.B) {
			var scrub redact.Scrubber
			b.ReportAllocs()
			for b.Loop() {
				if _, err := token.ParseSecret(text, &scrub); err != nil {
					b.Fatal(err)
				}
			}
		})
	}
}
