package token_test

import (
	"strings"
	"testing"

	"github.com/cronbearer/cronbearer/internal/redact"
	"github.com/cronbearer/cronbearer/internal/token"
)

// A secret that was once stored wrongly must not redact our words from texts forever; what looks like a credential in
// it is registered anyway.
func TestUnreadableSecretLeavesOurWordsAlone(t *testing.T) {
	t.Parallel()
	const credential = "Zk3vQ0p8WnXr5TsbLq2e"
	const document = `{"token":"` + credential +
		`","hosts":["api2.example-service.com"],"expires_at":"2026-11-28T09:00:00Z",` +
		`"oauth2":{"grant":"client_credentials","token_url":"https://dev-12345678.example-service.com/oauth2/token"}}`
	const ours = `outcome "token_rejected", the token endpoint dev-12345678.example-service.com answered 400; ` +
		`api2.example-service.com; ` +
		`"token":"…","hosts":["…"]; grant client_credentials; "oauth2":{"grant":"client_credentials",` +
		`"token_url":"https://…"}; 2026-11-28T09:00:00Z`
	for name, text := range map[string]string{
		"in the quotes of a shell": "'" + document + "'",
		"in quotes, escaped":       `"` + strings.ReplaceAll(document, `"`, `\"`) + `"`,
		"cut off":                  document[:len(document)-2],
		"twice":                    document + document,
		"with a comment":           "// the token of the API\n" + document,
		"an environment file": "API_TOKEN=" + credential +
			"\nHOST=dev-12345678.example-service.com\nGRANT=client_credentials\n",
	} {
		for key, parse := range map[string]func(string, *redact.Scrubber) (token.Document, error){
			"": token.ParseSecret,
			"with a Key": func(text string, scrub *redact.Scrubber) (token.Document, error) {
				return token.Parse(text, "api_key", scrub)
			},
		} {
			t.Run(name+key, func(t *testing.T) {
				t.Parallel()
				scrub := &redact.Scrubber{}
				if _, err := parse(text, scrub); err == nil {
					t.Fatal("it was read")
				} else if strings.Contains(err.Error(), credential) {
					t.Errorf("the error shows the credential: %v", err)
				}
				if got := scrub.Scrub(ours); got != ours {
					t.Errorf("our own words became %s", got)
				}
				if got := scrub.Scrub("x " + credential); got != "x [redacted]" {
					t.Errorf("the credential became %s", got)
				}
			})
		}
	}
}
