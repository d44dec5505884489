package bearer_test

import (
	"strings"
	"testing"

	"github.com/cronbearer/cronbearer/internal/bearer"
	"github.com/cronbearer/cronbearer/internal/dev/mutate"
)

// FuzzNormalize holds that what is accepted is a part of the text, can be sent in a header as it is, and is accepted as
// it is; that what was removed is named if anything was; and that an error is one short line without a piece of the
// text.
func FuzzNormalize(fuzz *testing.F) {
	const canary = "Zk3vQ0p8WnXr5TsbLq2e"
	f := mutate.New(fuzz)
	for _, seed := range []string{
		"17|" + canary, `"` + canary + `"`, "'Authorization: Bearer " + canary + "'\r\n", "\ufeff" + canary + "\n",
		"API_TOKEN=" + canary, "bearer" + canary, "Bearer", "authorization:authorization:" + canary, "{" + canary + "}",
		"-----BEGIN PRIVATE KEY-----" + canary, "=========", canary + ";" + canary, " \u2028" + canary, "a\x00" + canary,
	} {
		f.Add(seed)
	}
	f.Fuzz(func(t *testing.T, text string) {
		token, err := bearer.Normalize(text)
		if err != nil {
			if said := err.Error(); len(said) > 200 || strings.ContainsAny(said, "\r\n") || strings.Contains(said, canary[:8]) {
				t.Errorf("%q: %q", text, said)
			}
			return
		}
		if again, err := bearer.Normalize(token); err != nil || again != token {
			t.Errorf("%q is %q, and that is %q, %v", text, token, again, err)
		}
		if !strings.Contains(text, token) || len(token) < 8 || len(token) > bearer.MaxLength ||
			strings.ContainsFunc(token, func(r rune) bool { return r <= ' ' || r > '~' }) ||
			strings.ContainsAny(token, "\"'\\,;<>`") {
			t.Errorf("%q is sent as %q", text, token)
		}
		if removed := bearer.Removed(text); (len(removed) > 0) != (token != text) {
			t.Errorf("%q is %q without %q", text, token, removed)
		}
	})
}
