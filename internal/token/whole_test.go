package token_test

import (
	"encoding/json"
	"fmt"
	"maps"
	"net/http"
	"strings"
	"testing"
	"time"

	"github.com/cronbearer/cronbearer/internal/dev/pki"
	"github.com/cronbearer/cronbearer/internal/dev/tokenserver"
	"github.com/cronbearer/cronbearer/internal/oauth"
	"github.com/cronbearer/cronbearer/internal/redact"
	"github.com/cronbearer/cronbearer/internal/token"
)

// TestSecretThatParsesCanBeUsed puts every odd value into every member of every kind, one at a time: what parses has
// one token or one way to obtain it, and using it does not panic. An empty aws_identity once did.
func TestSecretThatParsesCanBeUsed(t *testing.T) {
	t.Parallel()
	key := pki.SigningKeys().P256
	client := func(grant string, more map[string]any) map[string]any {
		o := map[string]any{
			"grant": grant, "token_url": "https://example.com/token", "client_id": "id", "client_secret": canary + "cs",
			"auth": "body",
		}
		maps.Copy(o, more)
		return o
	}
	login := map[string]any{
		"call": "POST https://example.com/login", "headers": map[string]any{"X": "{{jwt}}{{awsIdentity}}"},
		"body":  map[string]any{"a": "b"},
		"token": "/access_token", "expires_in": "/ttl", "expires_at": "/at",
		"expect": map[string]any{"status": []any{200}}, "reject": map[string]any{"json": map[string]any{"/a": 1}},
	}
	jwt := map[string]any{
		"private_key": key, "algorithm": "ES256", "key_id": "k", "issuer": "i", "subject": "s", "audience": "a",
		"lifetime": "5m",
		"claims":   map[string]any{"c": 1},
	}
	identity := map[string]any{"audience": "a", "algorithm": "RS256", "lifetime": "5m"}
	kinds := []map[string]any{
		{"token": canary, "expires_at": "2030-01-01", "hosts": []any{"example.com"}},
		{
			"oauth2": client(
				"client_credentials",
				map[string]any{"scope": "s", "audience": "a", "parameters": map[string]any{"p": "q"}, "format": "json"},
			),
		},
		{
			"oauth2": client(
				"client_credentials",
				map[string]any{
					"auth": "private_key_jwt", "private_key": key, "algorithm": "ES256", "assertion_audience": "x", "key_id": "k",
				},
			),
		},
		{
			"oauth2": client(
				"jwt_bearer",
				map[string]any{"private_key": key, "algorithm": "ES256", "issuer": "i", "subject": "s", "audience": "a"},
			),
		},
		{
			"oauth2": client(
				"token_exchange",
				map[string]any{"assertion": "aws_identity", "subject_token_type": "x", "requested_token_type": "y"},
			),
			"aws_identity": identity,
		},
		{"oauth2": client("token_exchange", map[string]any{"subject_token": canary + "st"})},
		{"oauth2": client("client_credentials", map[string]any{"auth": "aws_identity"}), "aws_identity": identity},
		{"login": login, "jwt": jwt, "aws_identity": identity},
		{"jwt": jwt},
		{"aws_identity": identity},
		{"token": canary, "oauth2": client("refresh_token", map[string]any{"refresh_token": canary +
			"rt"}), "test": "GET https://example.com/test"},
		{
			"token": canary,
			"rotate": map[string]any{
				"call": "POST https://example.com/rotate", "headers": map[string]any{"X": "y"}, "body": map[string]any{"a": "b"},
				"token": "/token", "expires_at": "/at", "expires_in": "/in",
			},
		},
		{
			"token": canary,
			"probe": map[string]any{
				"call": "GET https://example.com/probe", "headers": map[string]any{"X": "y"}, "expires_at": "/at",
				"expect": map[string]any{}, "reject": map[string]any{},
			},
		},
	}
	odd := []any{
		nil, "", " ", "{}", "[]", "null", "x", map[string]any{}, []any{}, []any{nil}, map[string]any{"": nil}, 0, true,
	}
	tried, used := 0, 0
	for _, kind := range kinds {
		for _, place := range places(kind) {
			for _, value := range odd {
				tried++
				if usable(t, edited(kind, place, value)) {
					used++
				}
			}
		}
	}
	t.Logf("%d secrets, %d of them can be used", tried, used)
	if used < tried/10 {
		t.Error("most are rejected: the kinds themselves are unusable")
	}
}

// places lists every member by its path.
func places(kind map[string]any) []string {
	all := []string{
		"token", "oauth2", "login", "jwt", "aws_identity", "rotate", "probe", "test", "ca", "hosts", "expires_at",
	}
	for name, v := range kind {
		if inner, ok := v.(map[string]any); ok {
			for member := range inner {
				all = append(all, name+"/"+member)
			}
		}
	}
	return all
}

func edited(kind map[string]any, place string, value any) string {
	whole := map[string]any{}
	for name, v := range kind {
		if inner, ok := v.(map[string]any); ok {
			v = maps.Clone(inner)
		}
		whole[name] = v
	}
	if name, member, nested := strings.Cut(place, "/"); nested {
		whole[name].(map[string]any)[member] = value //nolint:forcetypeassert // it is one
	} else {
		whole[name] = value
	}
	text, _ := json.Marshal(whole)
	return string(text)
}

func usable(t *testing.T, text string) bool {
	t.Helper()
	defer func() {
		if p := recover(); p != nil {
			t.Errorf("%s: panic: %v", text, p)
		}
	}()
	scrub := &redact.Scrubber{}
	d, err := token.ParseSecret(text, scrub)
	if err != nil {
		if err.Error() == "" {
			t.Errorf("%s: an error that says nothing", text)
		}
		return false
	}
	if d.Probe != nil {
		_, _ = d.Probe.Request()
	}
	ways := 0
	for _, there := range []bool{!d.Token.IsZero(), d.Login != nil, d.OAuth2 != nil &&
		d.OAuth2.Grant != oauth.RefreshToken} {
		if there {
			ways++
		}
	}
	if ways == 0 && (d.JWT == nil) == (d.Identity == nil) || ways > 1 {
		t.Errorf("%s: %d tokens or ways to obtain one", text, ways)
		return false
	}
	if !d.Minted() {
		return true
	}
	answers := roundTripper(func(r *http.Request) (*http.Response, error) {
		return respond(r, http.StatusOK, fmt.Sprintf(`{"access_token":%q}`, canary+"m")), nil
	})
	m := token.NewMinter(answers, exampleCom, time.Now, scrub).WithImpatientIdentity(
		&tokenserver.STS{Now: time.Now}, noPause,
	)
	m.SleepWith((&noWait{}).sleep)
	got, err := m.Mint(
		t.Context(), token.Version{Document: d, Secret: "s", ID: "v", Stage: token.Current}, redact.Secret{},
	)
	if err == nil && got.Token.IsZero() {
		t.Errorf("%s: no token and no error", text)
	}
	return err == nil
}

// TestCallsOfASecretAskForNoEncoding: the transport asks for what it decodes.
func TestCallsOfASecretAskForNoEncoding(t *testing.T) {
	t.Parallel()
	d, err := token.ParseSecret(
		`{"login":{"call":"POST https://example.com/login","headers":{"accept-encoding":"gzip, br","X-A":"b"},"token":"/t"}}`,
		&redact.Scrubber{},
	)
	if err != nil {
		t.Fatal(err)
	}
	answers := roundTripper(func(r *http.Request) (*http.Response, error) {
		if got := r.Header.Get("Accept-Encoding"); got != "" || r.Header.Get("X-A") != "b" {
			t.Errorf("headers %v", r.Header)
		}
		return respond(r, http.StatusOK, `{"t":"`+canary+`"}`), nil
	})
	m := token.NewMinter(answers, exampleCom, time.Now, &redact.Scrubber{})
	if _, err := m.Mint(
		t.Context(), token.Version{Document: d, Secret: "s", ID: "v", Stage: token.Current}, redact.Secret{},
	); err != nil {
		t.Error(err)
	}
}
