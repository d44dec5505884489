package oauth_test

import (
	"encoding/json"
	"errors"
	"fmt"
	"net/http"
	"strings"
	"testing"
	"time"

	"github.com/golang-jwt/jwt/v5"
	"github.com/google/go-cmp/cmp"

	"github.com/cronbearer/cronbearer/internal/dev/pki"
	"github.com/cronbearer/cronbearer/internal/dev/tokenserver"
	"github.com/cronbearer/cronbearer/internal/oauth"
	"github.com/cronbearer/cronbearer/internal/redact"
)

const loginJSON = `{"call":"POST https://example.com/login","body":{"user":"u","password":"password-1"},` +
	`"token":"/token"}`

// login is that of a secret.
func login(t *testing.T, text string) *oauth.Login {
	t.Helper()
	return parsed(t, map[string]any{"login": json.RawMessage(text)}).Login
}

func TestLogin(t *testing.T) {
	t.Parallel()
	tests := map[string]struct {
		login       string
		answer      string
		method      string
		contentType string
		body        string
		header      map[string]string
		token       string
		lives       time.Duration // 0: unknown
	}{
		"JSON": {
			login: loginJSON, answer: `{"token":"abcdefgh"}`, method: "POST", contentType: "application/json",
			body:  `{"user":"u","password":"password-1"}`,
			token: "abcdefgh", lives: 0,
		},
		"form": {
			login: `{"call":"PUT https://example.com/login","headers":{"content-type":"application/x-www-form-urlencoded; ` +
				`charset=utf-8"},"body":{"user":"u&v","password":"password 1"},"token":"/data/0/token","expires_in":"/ttl"}`,
			answer: `{"data":[{"token":"Bearer abcdefgh"}],"ttl":"3600"}`, method: "PUT",
			contentType: "application/x-www-form-urlencoded; charset=utf-8", body: "password=password+1&user=u%26v",
			token: "abcdefgh", lives: time.Hour,
		},
		"text, and times": {
			login: `{"call":"POST https://example.com/login","headers":{"X-At":"{{scheduledTime}}"},"body":"day ` +
				`{{scheduledDate-1d}}","token":"/token","expires_at":"/exp"}`,
			answer: `{"token":"abcdefgh"}`, method: "POST", contentType: "text/plain; charset=utf-8", body: "day 2026-11-23",
			header: map[string]string{"X-At": "2026-11-24T09:00:00Z"},
			token:  "abcdefgh", lives: 0,
		},
		"header Authorization, no body": {
			login: `{"call":"GET https://example.com/login","headers":{"Authorization":"Basic YTpiYmJiYmJiYg==",` +
				`"Accept":"text/json"},"token":"/token","expires_at":"/exp"}`,
			answer: `{"token":"abcdefgh","exp":"2026-11-24 11:00:00"}`, method: "GET",
			header: map[string]string{"Authorization": "Basic YTpiYmJiYmJiYg==", "Accept": "text/json"},
			token:  "abcdefgh", lives: 2 * time.Hour,
		},
		"expiry of a JWT": {
			login:  loginJSON,
			answer: `{"token":"` + jwtWith(fmt.Sprintf(`{"exp":%d}`, now.Add(10*time.Minute).Unix())) + `"}`,
			method: "POST", contentType: "application/json", body: `{"user":"u","password":"password-1"}`,
			token: jwtWith(fmt.Sprintf(`{"exp":%d}`, now.Add(10*time.Minute).Unix())), lives: 10 * time.Minute,
		},
		"number": {
			login: loginJSON, answer: `{"token":12345678901234567890}`, method: "POST", contentType: "application/json",
			body:  `{"user":"u","password":"password-1"}`,
			token: "12345678901234567890", lives: 0,
		},
	}
	for name, tt := range tests {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			server := tokenserver.New(t, answer{Status: 201, Body: tt.answer}.Each)
			got, err := client(server).Login(t.Context(), login(t, tt.login), nil, nil)
			if err != nil || got.Token.Reveal() != tt.token || got.Life() != tt.lives {
				t.Fatalf("got %q for %s, %v", got.Token.Reveal(), got.Life(), err)
			}
			sent := server.Requests()[0]
			if sent.Method != tt.method || sent.Body != tt.body || sent.Header.Get("Content-Type") != tt.contentType {
				t.Errorf("%s, %q, %q", sent.Method, sent.Body, sent.Header.Get("Content-Type"))
			}
			for name, want := range tt.header {
				if got := sent.Header.Get(name); got != want {
					t.Errorf("header %s: %q, want %q", name, got, want)
				}
			}
		})
	}
}

func TestLoginWithASignedJWT(t *testing.T) {
	t.Parallel()
	server := tokenserver.New(
		t, answer{Status: 201, Body: `{"token":"abcdefgh","expires_at":"2026-11-24T10:00:00Z"}`}.Each,
	)
	scrub := &redact.Scrubber{}
	d := parsed(t, map[string]any{
		"login": json.RawMessage(`{"call":"POST https://example.com/app/installations/1/access_tokens",` +
			`"headers":{"Authorization":"Bearer {{jwt}}"},"token":"/token","expires_at":"/expires_at"}`),
		"jwt": map[string]any{"private_key": pki.SigningKeys().RSA, "issuer": "12345", "lifetime": "9m"},
	})
	got, err := oauth.NewClient(server.Transport, clock, scrub).Login(t.Context(), d.Login, d.JWT, nil)
	if err != nil || got.Life() != time.Hour {
		t.Fatalf("lives %s, %v", got.Life(), err)
	}
	signed, _ := strings.CutPrefix(server.Requests()[0].Header.Get("Authorization"), "Bearer ")
	wantJWT(t, signed, jwt.MapClaims{"iss": "12345"}, 9*time.Minute)
	if got := scrub.Scrub(signed); strings.Contains(got, signed[20:60]) {
		t.Error("the JWT is not scrubbed")
	}
}

func TestJWTIsSignedWithTheSecretsClaims(t *testing.T) {
	t.Parallel()
	d := parsed(t, map[string]any{"jwt": map[string]any{
		"private_key": pki.SigningKeys().RSA, "key_id": "k1", "issuer": "i", "subject": "s", "audience": []string{"a", "b"},
		"claims": map[string]any{"bid": "com.example", "n": 5, "l": []int{1}},
	}})
	scrub := &redact.Scrubber{}
	got, err := oauth.NewClient(nil, clock, scrub).Sign(d.JWT) // it asks no one
	if err != nil || got.Life() != 10*time.Minute {
		t.Fatalf("lives %s, %v", got.Life(), err)
	}
	signed := got.Token.Reveal()
	wantJWT(t, signed, jwt.MapClaims{
		"iss": "i", "sub": "s", "aud": []any{"a", "b"}, "bid": "com.example", "n": 5.0, "l": []any{1.0},
	}, 10*time.Minute)
	if got := scrub.Scrub(signed); strings.Contains(got, signed[20:60]) {
		t.Error("the JWT is not scrubbed")
	}
}

// wantJWT verifies a JWT of pki.SigningKeys().RSA.
func wantJWT(t *testing.T, signed string, want jwt.MapClaims, lifetime time.Duration) {
	t.Helper()
	claims := jwt.MapClaims{}
	if _, err := jwt.ParseWithClaims(signed, claims, func(*jwt.Token) (any, error) {
		return pki.SigningKeys().PublicRSA, nil
	}, jwt.WithTimeFunc(clock)); err != nil {
		t.Fatalf("%q does not verify: %s", signed, err)
	}
	if claims["jti"] == "" || claims["iat"] != float64(now.Add(-time.Minute).Unix()) ||
		claims["exp"] != float64(now.Add(lifetime).Unix()) {
		t.Errorf("claims %v", claims)
	}
	delete(claims, "jti")
	delete(claims, "iat")
	delete(claims, "exp")
	if diff := cmp.Diff(want, claims); diff != "" {
		t.Errorf("claims (-want +got):\n%s", diff)
	}
}

func TestFailedLogins(t *testing.T) {
	t.Parallel()
	rules := func(more string) string { return strings.Replace(loginJSON, `"token"`, more+`,"token"`, 1) }
	tests := map[string]struct {
		login               string // empty: loginJSON
		answer              answer
		rejected, permanent bool
		retried             bool // another call may follow
		says                string
	}{
		"401": {
			answer: answer{Status: 401, Body: `{"message":"bad password"}`}, rejected: true, permanent: true,
			says: "the login call to example.com answered 401, bad password",
		},
		"400": {answer: answer{Status: 400}, rejected: true, permanent: true, says: "answered 400"},
		"404": {answer: answer{Status: 404}, rejected: true, permanent: true, says: "answered 404"},
		"403": {answer: answer{Status: 403}, rejected: true, permanent: true, says: "answered 403"},
		"403, rate limit": {
			answer: answer{Status: 403, Header: http.Header{"Retry-After": {"1"}}}, retried: true, says: "answered 403",
		},
		"408": {answer: answer{Status: 408}, retried: true, says: "answered 408"},
		"425": {answer: answer{Status: 425}, retried: true, says: "answered 425"},
		"429": {answer: answer{Status: 429}, retried: true, says: "answered 429"},
		"500": {answer: answer{Status: 500}, retried: true, says: "answered 500"},
		"302": {answer: answer{Status: 302, Header: http.Header{"Location": {"/sign-in?a=" +
			canary}}}, says: "it points to https://example.com/sign-in"},
		"rule for a status": {
			login: rules(`"reject":{"status":[500]}`), answer: answer{Status: 500}, rejected: true, permanent: true,
			says: "answered 500",
		},
		"rule for a body": {
			login:  rules(`"reject":{"json":{"/ok":false}}`),
			answer: answer{Status: 200, Body: `{"ok":false,"error":"bad_auth"}`}, rejected: true, permanent: true,
			says: "bad_auth",
		},
		"rule and a token": {
			login:  rules(`"reject":{"json":{"/ok":false}}`),
			answer: answer{Status: 200, Body: `{"ok":false,"token":"abcdefgh"}`}, rejected: true, permanent: true,
			says: "answered 200",
		},
		"expect is not met": {
			login:  rules(`"expect":{"json":{"/ok":true}}`),
			answer: answer{Status: 200, Body: `{"ok":null,"token":"abcdefgh"}`}, says: "does not match expect.json",
		},
		"2xx without a token": {answer: answer{Status: 200, Body: `{"tokens":"` + canary +
			`"}`}, permanent: true, says: `there is no string at login.token ("/token")`},
		"2xx without JSON": {answer: answer{Status: 200, Body: "<html>" +
			canary}, permanent: true, says: "there is no string at login.token"},
		"2xx with an object": {answer: answer{Status: 200, Body: `{"token":{"a":"` + canary +
			`"}}`}, permanent: true, says: "there is no string at login.token"},
		"2xx with an unusable token": {answer: answer{Status: 200, Body: `{"token":"` + canary +
			` x"}`}, permanent: true, says: "white space inside"},
		"2xx that is cut off": {
			answer: answer{Status: 200, Header: http.Header{"Content-Length": {"1000"}}, Body: `{"token":`}, retried: true,
			says: "cut off",
		},
		"2xx that is too large": {answer: answer{Status: 200, Body: strings.Repeat(" ", 1<<20+
			1)}, says: "larger than 1 MiB"},
	}
	for name, tt := range tests {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			server := tokenserver.New(t, tt.answer.Each)
			scrub := &redact.Scrubber{}
			scrub.Add(canary)
			text := tt.login
			if text == "" {
				text = loginJSON
			}
			_, err := client(server).Login(t.Context(), login(t, text), nil, nil)
			failed, ok := errors.AsType[*oauth.Error](err)
			if !ok || failed.Rejected != tt.rejected || failed.Permanent != tt.permanent || failed.Next.Retry != tt.retried {
				t.Fatalf("got %#v", failed)
			}
			if text := scrub.Scrub(err.Error()); !strings.Contains(text, tt.says) || strings.Contains(text, canary) ||
				!strings.Contains(text, "example.com") {
				t.Errorf("error %q, want it to say %q", text, tt.says)
			}
		})
	}
}
