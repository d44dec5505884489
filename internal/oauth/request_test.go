package oauth_test

import (
	"crypto"
	"encoding/base64"
	"encoding/json"
	"errors"
	"maps"
	"net/http"
	"net/url"
	"strings"
	"testing"
	"time"

	"github.com/golang-jwt/jwt/v5"
	"github.com/google/go-cmp/cmp"

	"github.com/cronbearer/cronbearer/internal/dev/pki"
	"github.com/cronbearer/cronbearer/internal/dev/tokenserver"
	"github.com/cronbearer/cronbearer/internal/egress"
	"github.com/cronbearer/cronbearer/internal/oauth"
	"github.com/cronbearer/cronbearer/internal/redact"
)

func TestTokenRequest(t *testing.T) {
	t.Parallel()
	basic := "Basic " + base64.StdEncoding.EncodeToString([]byte("id:client-secret-1"))
	cases := map[string]struct {
		oauth2 *oauth.Config
		basic  string
		form   url.Values // but for assertions
		signed []string   // form parameters that hold an assertion
	}{
		"client_credentials": {
			oauth2: config(t, clientCredentials(), nil), basic: basic,
			form: url.Values{"grant_type": {"client_credentials"}}, signed: nil,
		},
		"scope and audience": {
			oauth2: config(t, clientCredentials(), change{"scope": "a b", "audience": "https://api.example.com/"}),
			basic:  basic,
			form:   url.Values{"grant_type": {"client_credentials"}, "scope": {"a b"}, "audience": {"https://api.example.com/"}},
			signed: nil,
		},
		"basic is form-encoded first (RFC 6749 section 2.3.1)": {
			oauth2: config(t, clientCredentials(), change{"client_id": "a:b", "client_secret": "pass word+%ü"}),
			basic:  "Basic " + base64.StdEncoding.EncodeToString([]byte("a%3Ab:pass+word%2B%25%C3%BC")),
			form:   url.Values{"grant_type": {"client_credentials"}},
			signed: nil,
		},
		"basic_raw is not encoded": {
			oauth2: config(t, clientCredentials(), change{"auth": "basic_raw", "client_secret": "a/b+c=d%"}),
			basic:  "Basic " + base64.StdEncoding.EncodeToString([]byte("id:a/b+c=d%")),
			form:   url.Values{"grant_type": {"client_credentials"}},
			signed: nil,
		},
		"body": {
			oauth2: config(t, clientCredentials(), change{"auth": "body"}), basic: "",
			form:   url.Values{"grant_type": {"client_credentials"}, "client_id": {"id"}, "client_secret": {"client-secret-1"}},
			signed: nil,
		},
		"private_key_jwt": {
			oauth2: config(t, clientCredentials(), change{"auth": "private_key_jwt", "private_key": pki.SigningKeys().RSA}),
			basic:  "",
			form: url.Values{
				"grant_type": {"client_credentials"}, "client_id": {"id"},
				"client_assertion_type": {"urn:ietf:params:oauth:client-assertion-type:jwt-bearer"},
			},
			signed: []string{"client_assertion"},
		},
		"jwt_bearer": {
			oauth2: config(t, jwtBearer(), change{"scope": "a b", "audience": "aud"}), basic: "",
			form:   url.Values{"grant_type": {"urn:ietf:params:oauth:grant-type:jwt-bearer"}, "scope": {"a b"}},
			signed: []string{"assertion"},
		},
		"jwt_bearer of a public client": {
			oauth2: config(t, jwtBearer(), change{"client_id": "id"}), basic: "",
			form:   url.Values{"grant_type": {"urn:ietf:params:oauth:grant-type:jwt-bearer"}, "client_id": {"id"}},
			signed: []string{"assertion"},
		},
		"jwt_bearer and a client secret": {
			oauth2: config(t, jwtBearer(), change{"client_id": "id", "client_secret": "client-secret-1"}),
			basic:  basic,
			form:   url.Values{"grant_type": {"urn:ietf:params:oauth:grant-type:jwt-bearer"}},
			signed: []string{"assertion"},
		},
		"jwt_bearer and private_key_jwt": {
			oauth2: config(t, jwtBearer(), change{"client_id": "id", "auth": "private_key_jwt"}), basic: "",
			form: url.Values{
				"grant_type": {"urn:ietf:params:oauth:grant-type:jwt-bearer"}, "client_id": {"id"},
				"client_assertion_type": {"urn:ietf:params:oauth:client-assertion-type:jwt-bearer"},
			},
			signed: []string{"assertion", "client_assertion"},
		},
		"refresh_token": {
			oauth2: config(t, refreshToken(), nil), basic: basic,
			form: url.Values{"grant_type": {"refresh_token"}, "refresh_token": {"refresh-token-1"}}, signed: nil,
		},
		"refresh_token of a public client": {
			oauth2: config(t, refreshToken(), change{"auth": "body", "client_secret": nil, "scope": "a"}), basic: "",
			form: url.Values{
				"grant_type": {"refresh_token"}, "refresh_token": {"refresh-token-1"}, "client_id": {"id"}, "scope": {"a"},
			},
			signed: nil,
		},
	}
	for name, c := range cases {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			server := tokenserver.New(t, tokenserver.Grant)
			c.oauth2.TokenURL.RawQuery = "tenant=1"
			if _, err := oauth.NewClient(
				server.Transport, time.Now, &redact.Scrubber{},
			).Once(t.Context(), c.oauth2); err != nil {
				t.Fatal(err)
			}
			requests := server.Requests()
			if len(requests) != 1 {
				t.Fatalf("%d requests, want 1", len(requests))
			}
			r := requests[0]
			if r.Method != http.MethodPost || r.Path != "/token" || r.Query != "tenant=1" {
				t.Errorf("%s %s?%s", r.Method, r.Path, r.Query)
			}
			if got := r.Header.Get("Content-Type"); got != "application/x-www-form-urlencoded" {
				t.Errorf("Content-Type %s", got)
			}
			if got := r.Header.Get("Accept"); got != "application/json" {
				t.Errorf("Accept %s", got)
			}
			if diff := cmp.Diff(c.basic, r.Header.Get("Authorization")); diff != "" {
				t.Errorf("Authorization (-want +got):\n%s", diff)
			}
			got := maps.Clone(r.Form)
			for _, name := range c.signed {
				if got.Get(name) == "" {
					t.Errorf("there is no %s", name)
				}
				got.Del(name)
			}
			if diff := cmp.Diff(c.form, got); diff != "" {
				t.Errorf("form (-want +got):\n%s", diff)
			}
		})
	}
}

func TestAssertions(t *testing.T) {
	t.Parallel()
	k := pki.SigningKeys()
	iat, exp := float64(now.Add(-30*time.Second).Unix()), float64(now.Add(150*time.Second).Unix())
	cases := map[string]struct {
		base      map[string]any
		changes   change
		parameter string
		algorithm string
		kid       any
		public    crypto.PublicKey
		claims    jwt.MapClaims // but for jti
	}{
		"jwt_bearer, RS256": {
			base: jwtBearer(), changes: nil, parameter: "assertion", algorithm: "RS256", kid: nil, public: k.PublicRSA,
			claims: jwt.MapClaims{"iss": "me", "aud": "https://example.com/token", "iat": iat, "exp": exp},
		},
		"jwt_bearer, all claims": {
			base:      jwtBearer(),
			changes:   change{"subject": "you", "audience": "aud", "scope": "a b", "key_id": "k1"},
			parameter: "assertion", algorithm: "RS256", kid: "k1", public: k.PublicRSA,
			claims: jwt.MapClaims{"iss": "me", "sub": "you", "aud": "aud", "scope": "a b", "iat": iat, "exp": exp},
		},
		"PS256": {
			base:      jwtBearer(),
			changes:   change{"algorithm": "PS256"},
			parameter: "assertion", algorithm: "PS256", kid: nil, public: k.PublicRSA,
			claims: jwt.MapClaims{"iss": "me", "aud": "https://example.com/token", "iat": iat, "exp": exp},
		},
		"ES256": {
			base:      jwtBearer(),
			changes:   change{"algorithm": "ES256", "private_key": k.P256},
			parameter: "assertion", algorithm: "ES256", kid: nil, public: k.PublicP256,
			claims: jwt.MapClaims{"iss": "me", "aud": "https://example.com/token", "iat": iat, "exp": exp},
		},
		"ES256 from SEC 1": {
			base:      jwtBearer(),
			changes:   change{"algorithm": "ES256", "private_key": k.SEC1},
			parameter: "assertion", algorithm: "ES256", kid: nil, public: k.PublicP256,
			claims: jwt.MapClaims{"iss": "me", "aud": "https://example.com/token", "iat": iat, "exp": exp},
		},
		"EdDSA": {
			base:      jwtBearer(),
			changes:   change{"algorithm": "EdDSA", "private_key": k.Ed25519},
			parameter: "assertion", algorithm: "EdDSA", kid: nil, public: k.PublicEd25519,
			claims: jwt.MapClaims{"iss": "me", "aud": "https://example.com/token", "iat": iat, "exp": exp},
		},
		"private_key_jwt is for token_url, whatever audience says": {
			base: clientCredentials(),
			changes: change{
				"auth": "private_key_jwt", "private_key": k.PKCS1, "key_id": "k2", "scope": "a", "audience": "aud",
			},
			parameter: "client_assertion", algorithm: "RS256", kid: "k2", public: k.PublicRSA,
			claims: jwt.MapClaims{"iss": "id", "sub": "id", "aud": "https://example.com/token", "iat": iat, "exp": exp},
		},
		"private_key_jwt next to jwt_bearer": {
			base:      jwtBearer(),
			changes:   change{"auth": "private_key_jwt", "client_id": "id", "audience": "aud", "scope": "a"},
			parameter: "client_assertion", algorithm: "RS256", kid: nil, public: k.PublicRSA,
			claims: jwt.MapClaims{"iss": "id", "sub": "id", "aud": "https://example.com/token", "iat": iat, "exp": exp},
		},
	}
	for name, c := range cases {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			server := tokenserver.New(t, tokenserver.Grant)
			scrub := &redact.Scrubber{}
			x := oauth.NewClient(server.Transport, clock, scrub)
			ids := map[string]bool{}
			for range 2 {
				if _, err := x.Once(t.Context(), config(t, c.base, c.changes)); err != nil {
					t.Fatal(err)
				}
			}
			for _, r := range server.Requests() {
				assertion := r.Form.Get(c.parameter)
				claims := jwt.MapClaims{}
				parsed, err := jwt.ParseWithClaims(assertion, claims, func(*jwt.Token) (any, error) { return c.public, nil },
					jwt.WithValidMethods([]string{c.algorithm}), jwt.WithTimeFunc(func() time.Time { return now }), jwt.WithIssuedAt())
				if err != nil {
					t.Fatalf("the assertion does not verify: %s", err)
				}
				if parsed.Header["kid"] != c.kid {
					t.Errorf("kid %v, want %v", parsed.Header["kid"], c.kid)
				}
				id, _ := claims["jti"].(string)
				if id == "" || ids[id] {
					t.Errorf("jti %q is missing or used before", id)
				}
				ids[id] = true
				delete(claims, "jti")
				if diff := cmp.Diff(c.claims, claims); diff != "" {
					t.Errorf("claims (-want +got):\n%s", diff)
				}
				if got := scrub.Scrub("x " + assertion); strings.Contains(got, assertion[len(assertion)-20:]) {
					t.Error("the assertion is not scrubbed")
				}
			}
		})
	}
}

func TestOnceSendsOneRequest(t *testing.T) {
	t.Parallel()
	server := tokenserver.New(t, func(_ int, w http.ResponseWriter) { w.WriteHeader(http.StatusServiceUnavailable) })
	x := oauth.NewClient(server.Transport, time.Now, &redact.Scrubber{})
	if _, err := x.Once(t.Context(), config(t, clientCredentials(), nil)); err == nil ||
		len(server.Requests()) != 1 {
		t.Errorf("%d requests, %v", len(server.Requests()), err)
	}
}

func TestTokenEndpointThatTheGuardRejects(t *testing.T) {
	t.Parallel()
	x := oauth.NewClient(egress.NewTransport(nil, egress.Guard{}), clock, &redact.Scrubber{})
	_, err := x.Token(
		t.Context(), config(t, clientCredentials(), change{"token_url": "https://localhost:8443/token"}),
	)
	failed, ok := errors.AsType[*oauth.Error](err)
	if !ok || failed.Rejected || !failed.Permanent || failed.Next.Retry {
		t.Fatalf("got %v, want a permanent *oauth.Error that is not retried", err)
	}
	if text := err.Error(); !strings.Contains(text, "localhost:8443") || !strings.Contains(text, "is not public") {
		t.Errorf("error %q", text)
	}
}

func TestTokenRequestsOfMoreProviders(t *testing.T) {
	t.Parallel()
	basic := "Basic " + base64.StdEncoding.EncodeToString([]byte("id:client-secret-1"))
	tests := map[string]struct {
		base    map[string]any
		changes change
		basic   string
		json    bool
		form    map[string]string
	}{
		"parameters": {
			base: clientCredentials(), changes: change{"parameters": map[string]string{"resource": "https://api.example.com/"}},
			basic: basic,
			form:  map[string]string{"grant_type": "client_credentials", "resource": "https://api.example.com/"},
		},
		"another grant_type (Zoom)": {
			base:    clientCredentials(),
			changes: change{"parameters": map[string]string{"grant_type": "account_credentials", "account_id": "a"}},
			basic:   basic,
			form:    map[string]string{"grant_type": "account_credentials", "account_id": "a"},
		},
		"JSON": {
			base: clientCredentials(), changes: change{"format": "json", "auth": "body", "scope": "a \"b\""}, json: true,
			form: map[string]string{
				"grant_type": "client_credentials", "client_id": "id", "client_secret": "client-secret-1", "scope": `a "b"`,
			},
		},
		"JSON with basic": {
			base: clientCredentials(), changes: change{"format": "json"}, json: true, basic: basic,
			form: map[string]string{"grant_type": "client_credentials"},
		},
		"no authentication": {
			base: clientCredentials(), changes: change{"auth": "none", "client_secret": nil},
			form: map[string]string{"grant_type": "client_credentials", "client_id": "id"},
		},
		"no client": {
			base: clientCredentials(), changes: change{"auth": "none", "client_secret": nil, "client_id": nil},
			form: map[string]string{"grant_type": "client_credentials"},
		},
		"token_exchange": {
			base: map[string]any{
				"grant": "token_exchange", "token_url": "https://example.com/token", "auth": "none", "subject_token": "subject-1",
				"audience": "aud",
			},
			form: map[string]string{
				"grant_type": "urn:ietf:params:oauth:grant-type:token-exchange", "subject_token": "subject-1",
				"subject_token_type": "urn:ietf:params:oauth:token-type:jwt", "audience": "aud",
			},
		},
		"token_exchange, all of it": {
			base: map[string]any{
				"grant": "token_exchange", "token_url": "https://example.com/token", "client_id": "id",
				"client_secret": "client-secret-1", "subject_token": "subject-1",
				"subject_token_type": "x", "requested_token_type": "y", "scope": "s",
			},
			basic: basic,
			form: map[string]string{
				"grant_type": "urn:ietf:params:oauth:grant-type:token-exchange", "subject_token": "subject-1",
				"subject_token_type": "x", "requested_token_type": "y", "scope": "s",
			},
		},
	}
	for name, tt := range tests {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			server := tokenserver.New(t, tokenserver.Grant)
			if _, err := client(server).Once(t.Context(), config(t, tt.base, tt.changes)); err != nil {
				t.Fatal(err)
			}
			sent, got := server.Requests()[0], map[string]string{}
			if tt.json {
				if err := json.Unmarshal([]byte(sent.Body), &got); err != nil {
					t.Error(err)
				}
			}
			for name := range sent.Form {
				got[name] = sent.Form.Get(name)
			}
			if diff := cmp.Diff(tt.form, got); diff != "" {
				t.Errorf("request (-want +got):\n%s", diff)
			}
			if h := sent.Header; h.Get("Authorization") != tt.basic || (h.Get("Content-Type") == "application/json") != tt.json {
				t.Errorf("Authorization %q, Content-Type %q", h.Get("Authorization"), h.Get("Content-Type"))
			}
		})
	}
}

func TestRefreshSendsAudience(t *testing.T) {
	t.Parallel()
	server := tokenserver.New(t, tokenserver.Grant)
	if _, err := client(server).Once(
		t.Context(), config(t, refreshToken(), change{"audience": "aud"}),
	); err != nil || server.Requests()[0].Form.Get("audience") != "aud" {
		t.Errorf("requests %v, %v", server.Requests(), err)
	}
}

func TestAssertionAudience(t *testing.T) {
	t.Parallel()
	server := tokenserver.New(t, tokenserver.Grant)
	o := config(
		t, jwtBearer(),
		change{
			"auth": "private_key_jwt", "client_id": "id", "audience": "aud-1",
			"assertion_audience": "https://issuer.example.com",
		},
	)
	if _, err := client(server).Token(t.Context(), o); err != nil {
		t.Fatal(err)
	}
	for name, want := range map[string]string{"assertion": "aud-1", "client_assertion": "https://issuer.example.com"} {
		claims := jwt.MapClaims{}
		if _, _, err := jwt.NewParser().ParseUnverified(server.Requests()[0].Form.Get(name), claims); err != nil ||
			claims["aud"] != want {
			t.Errorf("%s is for %v, want %s (%v)", name, claims["aud"], want, err)
		}
	}
}
