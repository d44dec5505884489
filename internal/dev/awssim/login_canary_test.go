package awssim_test

import (
	"encoding/json"
	"fmt"
	"io"
	"net/http"
	"strings"
	"sync"
	"testing"
	"time"

	"github.com/cronbearer/cronbearer/internal/dev/awssim"
	"github.com/cronbearer/cronbearer/internal/dev/upstream"
)

// TestLoginNeverInOutput: what a login sends and receives, and what we sign, is in no output, though the provider and
// the target repeat all that they are sent.
func TestLoginNeverInOutput(t *testing.T) {
	t.Parallel()
	const (
		password = "fake-password-of-the-login-body"
		apiKey   = "fake-api-key-of-the-login-header"
		granted  = "fake-token-that-the-login-grants"
		server   = "login.example.com"
	)
	key := pemOf(newECKey(t))
	signed := map[string]any{"issuer": "team", "audience": "reports", "algorithm": "ES256", "private_key": key}
	login := map[string]any{
		"call": "POST https://" + server + "/login", "headers": map[string]any{"X-Api-Key": apiKey},
		"body": map[string]any{"password": password}, "token": "/token",
	}
	proven := map[string]any{
		"call": "POST https://" + server + "/login", "headers": map[string]any{"Authorization": "Bearer {{jwt}}"},
		"body": map[string]any{"proof": "{{jwt}}"}, "token": "/token",
	}
	assertion := map[string]any{
		"grant": "jwt_bearer", "token_url": "https://" + server + "/token", "issuer": "team", "subject": "reports",
		"algorithm": "ES256", "private_key": key,
	}
	for name, c := range map[string]struct {
		members map[string]any
		status  int    // of the login; 0: it is not made
		answer  string // of the login, before all that it was sent
		outcome string
	}{
		"login, granted, rejected by the target": {
			members: map[string]any{"login": login}, status: 200, answer: `"token":"` + granted + `"`,
			outcome: "token_rejected",
		},
		"login, rejected": {
			members: map[string]any{"login": login}, status: 401, answer: `"error":"bad_credentials"`,
			outcome: "token_rejected",
		},
		"login, no such path": {
			members: map[string]any{"login": login}, status: 404, answer: `"error":"not_found"`, outcome: "token_rejected",
		},
		"login, a pointer that finds nothing": {
			members: map[string]any{"login": login}, status: 200, answer: `"tokn":"` + granted + `"`,
			outcome: "token_unavailable",
		},
		"login with a JWT, rejected": {
			members: map[string]any{"login": proven, "jwt": signed}, status: 401, answer: `"error":"bad_credentials"`,
			outcome: "token_rejected",
		},
		"login with a JWT, granted": {
			members: map[string]any{"login": proven, "jwt": signed}, status: 200, answer: `"token":"` + granted + `"`,
			outcome: "token_rejected",
		},
		"JWT, rejected by the target": {
			members: map[string]any{"jwt": signed}, status: 0, answer: "", outcome: "token_rejected",
		},
		"assertion, rejected": {
			members: map[string]any{"oauth2": assertion}, status: 400, answer: `"error":"invalid_grant"`,
			outcome: "token_rejected",
		},
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			r := start(t, awssim.Options{Parameters: map[string]string{"LogLevel": "debug"}})
			var mu sync.Mutex
			hidden := []string{password, apiKey, granted}
			must(t, r.Host(server, http.HandlerFunc(func(w http.ResponseWriter, q *http.Request) {
				sent, err := io.ReadAll(q.Body)
				if err != nil {
					return
				}
				mu.Lock()
				defer mu.Unlock()
				hidden = append(hidden, jwtIn(string(sent)), jwtIn(q.Header.Get("Authorization")))
				w.Header().Set("Content-Type", "application/json")
				w.WriteHeader(c.status)
				_, _ = fmt.Fprintf(w, `{%s,"message":%q,"detail":%q}`, c.answer, sent, q.Header.Get("X-Api-Key")+
					q.Header.Get("Authorization"))
			})))
			r.api.Rule(func(q upstream.Request) (upstream.Answer, bool) {
				return upstream.Answer{Status: 401, Body: fmt.Sprintf(`{"message":"token %s is bad"}`, q.Token)}, true
			})
			for line := range strings.Lines(key) {
				if !strings.HasPrefix(line, "-----") {
					hidden = append(hidden, strings.TrimSpace(line))
				}
			}
			c.members["hosts"] = []string{host, server}
			text, err := json.Marshal(c.members)
			must(t, err)
			r.put(string(text))
			must(t, r.InvokeAsync(t.Context(), "Caller", event(nil)))
			r.advance(10 * time.Minute)
			runs := r.Runs()
			run := runs[len(runs)-1]
			if run.Result.Outcome != c.outcome {
				t.Fatalf("%+v\n%s", run.Result, run.Message)
			}
			mu.Lock()
			defer mu.Unlock()
			for _, q := range r.api.Requests() {
				hidden = append(hidden, q.Token)
			}
			for what, text := range r.leaving(run) {
				for _, one := range hidden {
					for form, bad := range forms(one) {
						if bad != "" && strings.Contains(text, bad) {
							t.Fatalf("%s holds %s (%s):\n%s", what, one, form, text)
						}
					}
				}
			}
		})
	}
}

// jwtIn is the first JWT in a text, without its header, which is not a secret; empty if there is none.
func jwtIn(text string) string {
	_, rest, there := strings.Cut(text, "eyJ")
	if !there {
		return ""
	}
	_, rest, _ = strings.Cut(rest, ".")
	end := strings.IndexFunc(rest, func(c rune) bool {
		return !strings.ContainsRune("ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789-_.", c)
	})
	if end < 0 {
		return rest
	}
	return rest[:end]
}
