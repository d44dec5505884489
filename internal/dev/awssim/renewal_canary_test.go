package awssim_test

import (
	"encoding/json"
	"fmt"
	"maps"
	"strings"
	"testing"
	"time"

	"github.com/cronbearer/cronbearer/internal/dev/awssim"
	"github.com/cronbearer/cronbearer/internal/dev/idp"
	"github.com/cronbearer/cronbearer/internal/dev/upstream"
)

// keyClient authenticates with a private key.
const keyClient = "cronbearer-with-a-key"

// register registers keyClient and returns its private key.
func (r *renewal) register() string {
	r.t.Helper()
	key := newECKey(r.t)
	must(
		r.t,
		r.auth.Register(
			idp.Client{ID: keyClient, Auth: idp.AuthPrivateKeyJWT, Keys: []idp.Key{{ID: "key-1", Public: &key.PublicKey}}},
		),
	)
	return pemOf(key)
}

// hidden is every secret string that was stored or granted.
func (r *renewal) hidden() []string {
	r.t.Helper()
	var all []string
	found, _ := r.Secrets.Secret(r.SecretID(secret))
	for _, v := range found.Versions {
		var value struct {
			Token  string
			OAuth2 map[string]string
			Rotate struct{ Headers map[string]string }
		}
		if v.Text == nil || json.Unmarshal([]byte(*v.Text), &value) != nil {
			continue
		}
		all = append(
			all, value.Token, value.OAuth2["refresh_token"], value.OAuth2["client_secret"], value.Rotate.Headers["X-Api-Key"],
		)
		for line := range strings.Lines(value.OAuth2["private_key"]) {
			if !strings.HasPrefix(line, "-----") {
				all = append(all, strings.TrimSpace(line))
			}
		}
	}
	for _, q := range r.api.Requests() {
		all = append(all, q.Token)
	}
	return all
}

// said is everything that left the two functions, and what the services made of it.
func (r *renewal) said() string {
	var b strings.Builder
	for _, run := range r.Runs() {
		fmt.Fprintf(&b, "%s\n%s\n%s\n%s\n%s\n", run.Stdout, run.Stderr, run.Payload, run.ErrorType, run.Message)
	}
	for _, name := range []string{"FailedRuns", "DeadLetters"} {
		fmt.Fprintf(&b, "%+v\n", r.Queue(name).Messages())
	}
	for _, rotation := range r.Secrets.Rotations() {
		fmt.Fprintf(&b, "%v\n", rotation.Err)
	}
	fmt.Fprintf(&b, "%+v\n%+v\n%+v\n", r.CloudWatch.Calls(""), r.Emails(""), r.Changes(""))
	return b.String()
}

// TestSecretsNeverInOutput: both functions, with every kind of secret string, and a server and an API that quote what
// they are sent wherever they can.
func TestSecretsNeverInOutput(t *testing.T) {
	t.Parallel()
	echo := func(r *renewal, status int) {
		r.api.Rule(func(q upstream.Request) (upstream.Answer, bool) {
			quoted := fmt.Sprintf(`{"error":%q,"key":%q}`, "token "+q.Token+" is bad", q.Header.Get("X-Api-Key"))
			return upstream.Answer{
				Status: status, Body: quoted,
				Header: map[string]string{"Www-Authenticate": `Bearer error="` + q.Token + `"`, "Location": "https://" + host +
					"/" + q.Token},
			}, true
		})
	}
	rejects := func(status int, code string) func(*renewal) {
		return func(r *renewal) {
			f := idp.Failing(status, code)
			f.Echo = true
			must(r.t, r.auth.Fail(f))
		}
	}
	minted := func(grant string, more map[string]any) func(*renewal) {
		return func(r *renewal) {
			oauth2 := map[string]any{"grant": grant, "token_url": "https://" + issuer +
				idp.TokenPath, "client_id": keyClient, "private_key": r.register(), "algorithm": "ES256", "key_id": "key-1"}
			maps.Copy(oauth2, more)
			text, err := json.Marshal(map[string]any{"oauth2": oauth2})
			must(r.t, err)
			_, err = r.PutSecret(secret, string(text))
			must(r.t, err)
		}
	}
	both := func(all ...func(*renewal)) func(*renewal) {
		return func(r *renewal) {
			for _, one := range all {
				one(r)
			}
		}
	}
	rotating := func(r *renewal) {
		text, err := json.Marshal(map[string]any{
			"token": first + "-to-be-rotated",
			"rotate": map[string]any{"call": "POST https://" + host +
				"/rotate", "token": "/token", "headers": map[string]string{"X-Api-Key": "fake-api-key-of-the-rotate-call"}},
		})
		must(r.t, err)
		_, err = r.PutSecret(secret, string(text))
		must(r.t, err)
	}
	cases := map[string]func(*renewal){
		"all goes well":               func(*renewal) {},
		"the new token is rejected":   func(r *renewal) { echo(r, 401) },
		"the API fails":               func(r *renewal) { echo(r, 500) },
		"the API redirects":           func(r *renewal) { echo(r, 302) },
		"the refresh token is dead":   rejects(400, "invalid_grant"),
		"the client is rejected":      rejects(401, "invalid_client"),
		"the server fails":            rejects(500, "server_error"),
		"a token that cannot be used": func(r *renewal) { must(r.t, r.auth.Fail(idp.TokenType("mac"))) },
		"an answer that is cut off":   func(r *renewal) { must(r.t, r.auth.Fail(idp.CutOff())) },
		"an unknown key": func(r *renewal) {
			r.logIn(map[string]any{"tokn": "fake-token-with-a-wrong-key"})
		},
		"rotate":             both(rotating, func(r *renewal) { echo(r, 200) }),
		"rotate is rejected": both(rotating, func(r *renewal) { echo(r, 401) }),
		"minted with a key":  minted("client_credentials", map[string]any{"auth": "private_key_jwt"}),
		"minted with a key, and rejected": both(
			minted("client_credentials", map[string]any{"auth": "private_key_jwt"}), rejects(401, "invalid_client"),
		),
		"minted by an assertion, rejected": both(
			minted("jwt_bearer", map[string]any{"issuer": "https://issuer.example.com", "subject": "reports"}),
			rejects(400, "invalid_grant"),
		),
		"minted, and the API rejects them": both(minted(
			"client_credentials", map[string]any{"auth": "private_key_jwt"},
		), func(r *renewal) {
			echo(r, 401)
		}),
	}
	for name, spoil := range cases {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			r := startRenewal(
				t, awssim.Options{NoStarts: true, Deadline: 8 * time.Second, Parameters: map[string]string{"LogLevel": "debug"}},
			)
			r.deploy()
			spoil(r)
			_ = r.Secrets.RotateSecret(t.Context(), r.SecretID(secret)) // how it goes is in what was said
			must(t, r.InvokeAsync(t.Context(), "Caller", event(nil)))
			r.pass(6 * time.Minute)
			said := r.said()
			if !strings.Contains(said, "rotation step") || !strings.Contains(said, `"message":"run"`) {
				t.Fatalf("a function did not run:\n%s", said)
			}
			hidden := r.hidden()
			for _, one := range hidden {
				if one == "" {
					continue
				}
				for form, bad := range forms(one) {
					if strings.Contains(said, bad) {
						t.Errorf("%s was said (%s):\n%.4000s", one, form, said)
					}
				}
			}
			if len(hidden) < 3 {
				t.Errorf("only %d secrets were there to be said", len(hidden))
			}
		})
	}
}
