package token_test

import (
	"crypto/ecdsa"
	"crypto/elliptic"
	"crypto/rand"
	"crypto/sha256"
	"crypto/tls"
	"crypto/x509"
	"crypto/x509/pkix"
	"encoding/base64"
	"encoding/json"
	"encoding/pem"
	"errors"
	"fmt"
	"io"
	"maps"
	"math/big"
	"net/http"
	"net/http/httptest"
	"strings"
	"testing"
	"time"

	"github.com/golang-jwt/jwt/v5"
	"github.com/google/go-cmp/cmp"

	"github.com/cronbearer/cronbearer/internal/hosts"
	"github.com/cronbearer/cronbearer/internal/oauth"
	"github.com/cronbearer/cronbearer/internal/redact"
	"github.com/cronbearer/cronbearer/internal/token"
)

func base64Of(text string) string { return base64.StdEncoding.EncodeToString([]byte(text)) }

func jwtMember() map[string]any {
	return map[string]any{"private_key": keys().rsa, "issuer": "12345", "lifetime": "9m"}
}

// certified is a P-256 key and its certificate.
func certified(t *testing.T, expires time.Time) (key, certificate string, der []byte) {
	t.Helper()
	private, err := ecdsa.GenerateKey(elliptic.P256(), rand.Reader)
	if err != nil {
		t.Fatal(err)
	}
	template := &x509.Certificate{
		SerialNumber: big.NewInt(1), Subject: pkix.Name{CommonName: "x"}, NotBefore: expires.Add(-time.Hour),
		NotAfter: expires,
	}
	if der, err = x509.CreateCertificate(rand.Reader, template, template, private.Public(), private); err != nil {
		t.Fatal(err)
	}
	pkcs8, err := x509.MarshalPKCS8PrivateKey(private)
	if err != nil {
		t.Fatal(err)
	}
	write := func(kind string, der []byte) string {
		return string(pem.EncodeToMemory(&pem.Block{Type: kind, Bytes: der}))
	}
	return write("PRIVATE KEY", pkcs8), write("CERTIFICATE", der), der
}

func TestCertificateIdentifiesTheKeyAndExpires(t *testing.T) {
	t.Parallel()
	expires := time.Date(2028, 2, 29, 12, 0, 0, 0, time.UTC)
	key, certificate, der := certified(t, expires)
	_, other, _ := certified(t, expires)
	base := change{"auth": "private_key_jwt", "client_secret": nil, "private_key": key, "algorithm": "ES256"}
	with := func(certificate string) map[string]any {
		all := clientCredentials()
		maps.Copy(all, base)
		delete(all, "client_secret")
		all["certificate"] = certificate
		return all
	}
	server := newAuthServer(t, grant)
	v := version(t, "v", with(other+certificate), nil) // a chain
	if !v.Expiry.Equal(expires) {
		t.Errorf("expires %s, want the certificate's NotAfter", v.Expiry)
	}
	m, _ := minter(server, time.Now)
	if _, err := m.Mint(t.Context(), v, redact.Secret{}); err != nil {
		t.Fatal(err)
	}
	parsed, _, err := jwt.NewParser().ParseUnverified(server.requests()[0].form.Get("client_assertion"), jwt.MapClaims{})
	sum := sha256.Sum256(der)
	if err != nil || parsed.Header["x5t#S256"] != base64.RawURLEncoding.EncodeToString(sum[:]) {
		t.Errorf("header %v, %v", parsed.Header, err)
	}
	for name, tt := range map[string]struct{ certificate, want string }{
		"of another key": {certificate: other, want: "oauth2.certificate is not the certificate of private_key"},
		"no certificate": {certificate: key, want: "oauth2.certificate holds no certificate"},
		"no PEM":         {certificate: canary, want: "oauth2.certificate holds no certificate"},
		"garbage": {
			certificate: strings.ReplaceAll(keys().garbage, "PRIVATE KEY", "CERTIFICATE"),
			want:        "oauth2.certificate holds a PEM block",
		},
	} {
		_, err := token.ParseSecret(object(t, map[string]any{"oauth2": with(tt.certificate)}, nil), &redact.Scrubber{})
		if err == nil || !strings.Contains(err.Error(), tt.want) {
			t.Errorf("%s: %v", name, err)
		}
	}
}

func TestExpiryOfWhatMints(t *testing.T) {
	t.Parallel()
	day := time.Date(2028, 1, 31, 0, 0, 0, 0, time.UTC)
	key, certificate, _ := certified(t, day)
	exchange := map[string]any{
		"grant": "token_exchange", "token_url": "https://example.com/token", "auth": "none",
		"subject_token": jwtWith(fmt.Sprintf(`{"exp":%d}`, day.Unix())),
	}
	withKey := map[string]any{
		"grant": "client_credentials", "token_url": "https://example.com/token", "client_id": "id", "auth": "private_key_jwt",
		"private_key": key, "algorithm": "ES256", "certificate": certificate,
	}
	tests := map[string]struct {
		secret map[string]any
		want   time.Time
		warns  bool
	}{
		"unknown": {secret: map[string]any{"oauth2": clientCredentials()}},
		"expires_at of a client": {
			secret: map[string]any{"oauth2": clientCredentials(), "expires_at": "2028-01-31"}, want: day,
		},
		"expires_at of a login": {
			secret: map[string]any{"login": json.RawMessage(loginJSON), "expires_at": day.Unix()}, want: day,
		},
		"expires_at of a key": {
			secret: map[string]any{"jwt": jwtMember(), "expires_at": "2028-01-31 00:00:00"}, want: day,
		},
		"certificate": {secret: map[string]any{"oauth2": withKey}, want: day},
		"expires_at before certificate": {
			secret: map[string]any{"oauth2": withKey, "expires_at": "2027-01-31"}, want: day.AddDate(-1, 0, 0),
		},
		"unreadable: the certificate's": {
			secret: map[string]any{"oauth2": withKey, "expires_at": "soon"}, want: day, warns: true,
		},
		"subject_token": {secret: map[string]any{"oauth2": exchange}, want: day},
		"unreadable, and nothing else": {
			secret: map[string]any{"oauth2": clientCredentials(), "expires_at": "soon"}, warns: true,
		},
	}
	for name, tt := range tests {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			d, err := token.ParseSecret(object(t, tt.secret, nil), &redact.Scrubber{})
			if err != nil || !d.Expiry.Equal(tt.want) || (len(d.Warnings) > 0) != tt.warns || d.ExpiryUnreadable != tt.warns {
				t.Errorf("expires %s, want %s; warnings %q; %v", d.Expiry, tt.want, d.Warnings, err)
			}
		})
	}
}

func TestTokenRequestsOfMoreProviders(t *testing.T) {
	t.Parallel()
	basic := "Basic " + base64Of("id:client-secret-1")
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
			var got map[string]string
			var header http.Header
			server := httptest.NewTLSServer(http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
				header, got = r.Header, map[string]string{}
				if tt.json {
					if err := json.NewDecoder(r.Body).Decode(&got); err != nil {
						t.Error(err)
					}
				} else if err := r.ParseForm(); err != nil {
					t.Error(err)
				}
				for name := range r.PostForm {
					got[name] = r.PostForm.Get(name)
				}
				grant(0, w)
			}))
			defer server.Close()
			v := version(t, "v", tt.base, tt.changes)
			if _, err := oauth.NewClient(
				server.Client().Transport, time.Now, &redact.Scrubber{},
			).Once(t.Context(), v.OAuth2); err != nil {
				t.Fatal(err)
			}
			if diff := cmp.Diff(tt.form, got); diff != "" {
				t.Errorf("request (-want +got):\n%s", diff)
			}
			if header.Get("Authorization") != tt.basic || (header.Get("Content-Type") == "application/json") != tt.json {
				t.Errorf("Authorization %q, Content-Type %q", header.Get("Authorization"), header.Get("Content-Type"))
			}
		})
	}
}

func TestRefreshSendsAudience(t *testing.T) {
	t.Parallel()
	server := newAuthServer(t, grant)
	d, err := token.ParseSecret(
		object(
			t,
			map[string]any{"token": "abcdefgh", "oauth2": json.RawMessage(object(t, refreshToken(), change{"audience": "aud"}))},
			nil,
		),
		&redact.Scrubber{},
	)
	if err != nil {
		t.Fatal(err)
	}
	if _, err := oauth.NewClient(
		server.transport, time.Now, &redact.Scrubber{},
	).Once(t.Context(), d.OAuth2); err != nil || server.requests()[0].form.Get("audience") != "aud" {
		t.Errorf("form %v, %v", server.requests()[0].form, err)
	}
}

func TestAssertionAudience(t *testing.T) {
	t.Parallel()
	server := newAuthServer(t, grant)
	m, _ := minter(server, time.Now)
	v := version(
		t, "v", jwtBearer(),
		change{
			"auth": "private_key_jwt", "client_id": "id", "audience": "aud-1",
			"assertion_audience": "https://issuer.example.com",
		},
	)
	if _, err := m.Mint(t.Context(), v, redact.Secret{}); err != nil {
		t.Fatal(err)
	}
	for name, want := range map[string]string{"assertion": "aud-1", "client_assertion": "https://issuer.example.com"} {
		claims := jwt.MapClaims{}
		if _, _, err := jwt.NewParser().ParseUnverified(server.requests()[0].form.Get(name), claims); err != nil ||
			claims["aud"] != want {
			t.Errorf("%s is for %v, want %s (%v)", name, claims["aud"], want, err)
		}
	}
}

func TestOAuth2OfMoreProvidersIsValidated(t *testing.T) {
	t.Parallel()
	exchange := map[string]any{
		"grant": "token_exchange", "token_url": "https://example.com/token", "auth": "none", "subject_token": "subject-1",
	}
	tests := map[string]struct {
		base    map[string]any
		changes change
		want    []string
	}{
		"parameter that is not a string": {
			base: clientCredentials(), changes: change{"parameters": map[string]any{"a": 5}},
			want: []string{"oauth2.parameters: parameter 1 must be a string"},
		},
		"parameter that is set already": {
			base: clientCredentials(), changes: change{"scope": "s", "parameters": map[string]any{"scope": canary}},
			want: []string{"oauth2.parameters: parameter 1 is set by another member"},
		},
		"parameter that is not": {
			base: clientCredentials(), changes: change{"parameters": map[string]any{"client_id": "id"}},
		},
		"parameters of a wrong type": {base: clientCredentials(), changes: change{"parameters": "a=" +
			canary}, want: []string{"oauth2.parameters must be an object"}},
		"unknown format": {
			base: clientCredentials(), changes: change{"format": canary}, want: []string{"oauth2.format must be form or json"},
		},
		"no subject_token": {
			base: exchange, changes: change{"subject_token": nil}, want: []string{"oauth2.subject_token is missing"},
		},
		"short subject_token": {
			base: exchange, changes: change{"subject_token": "1234567"},
			want: []string{"oauth2.subject_token is shorter than 8 bytes"},
		},
		"token_exchange without auth": {
			base: exchange, changes: change{"auth": nil},
			want: []string{"oauth2.client_id is missing", "oauth2.client_secret is missing"},
		},
	}
	for name, tt := range tests {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			_, err := token.ParseSecret(
				object(t, map[string]any{"oauth2": json.RawMessage(object(t, tt.base, tt.changes))}, nil), &redact.Scrubber{},
			)
			wantProblems(t, err, tt.want...)
		})
	}
}

// loginServer returns a test's answer to a login and keeps the request.
type loginServer struct {
	transport http.RoundTripper
	request   *http.Request
	body      string
	count     int
}

func newLoginServer(t *testing.T, answers ...answer) *loginServer {
	t.Helper()
	s := &loginServer{}
	server := httptest.NewTLSServer(http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		body, err := io.ReadAll(r.Body)
		if err != nil {
			t.Error(err)
		}
		s.request, s.body = r, string(body)
		answers[min(s.count, len(answers)-1)].write(w)
		s.count++
	}))
	t.Cleanup(server.Close)
	s.transport = server.Client().Transport
	return s
}

func loginVersion(t *testing.T, login string, more map[string]any) token.Version {
	t.Helper()
	d, err := token.ParseSecret(object(t, map[string]any{"login": json.RawMessage(login)}, more), &redact.Scrubber{})
	if err != nil {
		t.Fatal(err)
	}
	return token.Version{Document: d, Secret: "s", ID: "v", Stage: token.Current}
}

var exampleCom = func() hosts.List {
	list, err := hosts.Parse([]string{"example.com"})
	if err != nil {
		panic(err)
	}
	return list
}()

func TestLoginIsBoundToHosts(t *testing.T) {
	t.Parallel()
	tests := map[string]struct {
		hosts   any // nil: none
		allowed hosts.List
		bound   bool
	}{
		"neither":                       {},
		"allowed":                       {allowed: exampleCom, bound: true},
		"named by the secret":           {hosts: []string{"example.com"}, bound: true},
		"allowed, but not named":        {hosts: []string{"example.net"}, allowed: exampleCom},
		"allowed, but bound to nothing": {hosts: []string{}, allowed: exampleCom},
	}
	for name, tt := range tests {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			server := newLoginServer(t, answer{status: 200, body: `{"token":"abcdefgh"}`})
			m := token.NewMinter(server.transport, tt.allowed, time.Now, &redact.Scrubber{})
			v := loginVersion(t, loginJSON, nil)
			if tt.hosts != nil {
				v = loginVersion(t, loginJSON, map[string]any{"hosts": tt.hosts})
			}
			_, err := m.Mint(t.Context(), v, redact.Secret{})
			failed, _ := errors.AsType[*oauth.Error](err)
			if (err == nil) != tt.bound || !tt.bound && (!failed.Unbound || server.count != 0 ||
				!strings.Contains(err.Error(), "add it to hosts") && !strings.Contains(err.Error(), "Add it to hosts")) {
				t.Errorf("%d calls, %v", server.count, err)
			}
		})
	}
}

func TestLogin(t *testing.T) {
	t.Parallel()
	clock := newWall()
	tests := map[string]struct {
		login       string
		answer      string
		method      string
		contentType string
		body        string
		header      map[string]string
		token       string
		kept        time.Duration // until it is obtained again
	}{
		"JSON": {
			login: loginJSON, answer: `{"token":"abcdefgh"}`, method: "POST", contentType: "application/json",
			body:  `{"user":"u","password":"password-1"}`,
			token: "abcdefgh", kept: 4*time.Minute + 30*time.Second,
		},
		"form": {
			login: `{"call":"PUT https://example.com/login","headers":{"content-type":"application/x-www-form-urlencoded; ` +
				`charset=utf-8"},"body":{"user":"u&v","password":"password 1"},"token":"/data/0/token","expires_in":"/ttl"}`,
			answer: `{"data":[{"token":"Bearer abcdefgh"}],"ttl":"3600"}`, method: "PUT",
			contentType: "application/x-www-form-urlencoded; charset=utf-8", body: "password=password+1&user=u%26v",
			token: "abcdefgh", kept: 59 * time.Minute,
		},
		"text, and times": {
			login: `{"call":"POST https://example.com/login","headers":{"X-At":"{{scheduledTime}}"},"body":"day ` +
				`{{scheduledDate-1d}}","token":"/token","expires_at":"/exp"}`,
			answer: `{"token":"abcdefgh"}`, method: "POST", contentType: "text/plain; charset=utf-8", body: "day 2026-11-23",
			header: map[string]string{"X-At": "2026-11-24T09:00:00Z"},
			token:  "abcdefgh", kept: 4*time.Minute + 30*time.Second,
		},
		"header Authorization, no body": {
			login: `{"call":"GET https://example.com/login","headers":{"Authorization":"Basic YTpiYmJiYmJiYg==",` +
				`"Accept":"text/json"},"token":"/token","expires_at":"/exp"}`,
			answer: `{"token":"abcdefgh","exp":"2026-11-24 11:00:00"}`, method: "GET",
			header: map[string]string{"Authorization": "Basic YTpiYmJiYmJiYg==", "Accept": "text/json"},
			token:  "abcdefgh", kept: 119 * time.Minute,
		},
		"expiry of a JWT": {
			login:  loginJSON,
			answer: `{"token":"` + jwtWith(fmt.Sprintf(`{"exp":%d}`, clock.Now().Add(10*time.Minute).Unix())) + `"}`,
			method: "POST", contentType: "application/json", body: `{"user":"u","password":"password-1"}`,
			token: jwtWith(fmt.Sprintf(`{"exp":%d}`, clock.Now().Add(10*time.Minute).Unix())), kept: 9 * time.Minute,
		},
		"number": {
			login: loginJSON, answer: `{"token":12345678901234567890}`, method: "POST", contentType: "application/json",
			body:  `{"user":"u","password":"password-1"}`,
			token: "12345678901234567890", kept: 4*time.Minute + 30*time.Second,
		},
	}
	for name, tt := range tests {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			clock := newWall()
			server := newLoginServer(t, answer{status: 201, body: tt.answer})
			m := token.NewMinter(server.transport, exampleCom, clock.Now, &redact.Scrubber{})
			v := loginVersion(t, tt.login, nil)
			got, err := m.Mint(t.Context(), v, redact.Secret{})
			if err != nil || got.Token.Reveal() != tt.token {
				t.Fatalf("got %q, %v", got.Token.Reveal(), err)
			}
			if server.request.Method != tt.method || server.body != tt.body ||
				server.request.Header.Get("Content-Type") != tt.contentType {
				t.Errorf("%s, %q, %q", server.request.Method, server.body, server.request.Header.Get("Content-Type"))
			}
			for name, want := range tt.header {
				if got := server.request.Header.Get(name); got != want {
					t.Errorf("header %s: %q, want %q", name, got, want)
				}
			}
			for _, step := range []struct {
				move  time.Duration
				count int
			}{{move: tt.kept - 1, count: 1}, {move: 1, count: 2}} {
				clock.move(step.move)
				if _, err := m.Mint(t.Context(), v, redact.Secret{}); err != nil || server.count != step.count {
					t.Errorf("%d calls, want %d (%v)", server.count, step.count, err)
				}
			}
		})
	}
}

func TestLoginWithASignedJWT(t *testing.T) {
	t.Parallel()
	clock := newWall()
	server := newLoginServer(t, answer{status: 201, body: `{"token":"abcdefgh","expires_at":"2026-11-24T10:00:00Z"}`})
	scrub := &redact.Scrubber{}
	m := token.NewMinter(server.transport, exampleCom, clock.Now, scrub)
	v := loginVersion(t,
		`{"call":"POST https://example.com/app/installations/1/access_tokens","headers":{"Authorization":"Bearer `+
			`{{jwt}}"},"token":"/token","expires_at":"/expires_at"}`,
		map[string]any{"jwt": jwtMember()})
	if _, err := m.Mint(t.Context(), v, redact.Secret{}); err != nil {
		t.Fatal(err)
	}
	signed, _ := strings.CutPrefix(server.request.Header.Get("Authorization"), "Bearer ")
	wantJWT(t, signed, clock.Now(), jwt.MapClaims{"iss": "12345"}, 9*time.Minute)
	if got := scrub.Scrub(signed); strings.Contains(got, signed[20:60]) {
		t.Error("the JWT is not scrubbed")
	}
}

// wantJWT verifies a JWT of keys().rsa.
func wantJWT(t *testing.T, signed string, now time.Time, want jwt.MapClaims, lifetime time.Duration) {
	t.Helper()
	claims := jwt.MapClaims{}
	if _, err := jwt.ParseWithClaims(signed, claims, func(*jwt.Token) (any, error) {
		return keys().publicRSA, nil
	}, jwt.WithTimeFunc(func() time.Time { return now })); err != nil {
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

func TestJWTIsTheToken(t *testing.T) {
	t.Parallel()
	clock := newWall()
	d, err := token.ParseSecret(object(t, map[string]any{"jwt": map[string]any{
		"private_key": keys().rsa, "key_id": "k1", "issuer": "i", "subject": "s", "audience": []string{"a", "b"},
		"claims": map[string]any{"bid": "com.example", "n": 5, "l": []int{1}},
	}}, nil), &redact.Scrubber{})
	if err != nil {
		t.Fatal(err)
	}
	scrub := &redact.Scrubber{}
	m := token.NewMinter(nil, hosts.List{}, clock.Now, scrub) // it asks no one
	v := token.Version{Document: d, Secret: "s", ID: "v"}
	first, err := m.Mint(t.Context(), v, redact.Secret{})
	if err != nil {
		t.Fatal(err)
	}
	wantJWT(t, first.Token.Reveal(), clock.Now(), jwt.MapClaims{
		"iss": "i", "sub": "s", "aud": []any{"a", "b"}, "bid": "com.example", "n": 5.0, "l": []any{1.0},
	}, 10*time.Minute)
	clock.move(9*time.Minute - 1)
	if again, err := m.Mint(t.Context(), v, redact.Secret{}); err != nil || !again.Token.Equal(first.Token) {
		t.Errorf("signed again before a minute is left (%v)", err)
	}
	if other, err := m.Mint(t.Context(), v, first.Token); err != nil || other.Token.Equal(first.Token) {
		t.Errorf("a rejected one is not replaced (%v)", err)
	}
	if got := scrub.Scrub(first.Token.Reveal()); strings.Contains(got, first.Token.Reveal()[20:60]) {
		t.Error("the JWT is not scrubbed")
	}
}

func TestJWTIsValidated(t *testing.T) {
	t.Parallel()
	tests := map[string]struct {
		changes change
		want    []string
	}{
		"nothing but a key": {changes: change{"issuer": nil, "lifetime": nil}},
		"an hour":           {changes: change{"lifetime": "1h"}},
		"a minute":          {changes: change{"lifetime": "60s"}},
		"over an hour":      {changes: change{"lifetime": "61m"}, want: []string{"jwt.lifetime must be"}},
		"below a minute":    {changes: change{"lifetime": "59s"}, want: []string{"jwt.lifetime must be"}},
		"no duration":       {changes: change{"lifetime": canary}, want: []string{"jwt.lifetime must be"}},
		"no key":            {changes: change{"private_key": nil}, want: []string{"jwt.private_key is missing"}},
		"unusable key":      {changes: change{"private_key": canary}, want: []string{"jwt.private_key is not a PEM block"}},
		"wrong algorithm": {
			changes: change{"algorithm": "ES256"}, want: []string{"jwt.algorithm must be RS256 or PS256"},
		},
		"audience of no type":    {changes: change{"audience": 5}, want: []string{"jwt.audience must be a string or a list"}},
		"audience with a number": {changes: change{"audience": []any{"a", 5}}, want: []string{"jwt.audience: entry 2"}},
		"claim that is set": {
			changes: change{"claims": map[string]any{"iss": canary}}, want: []string{"jwt.claims: claim 1 is set"},
		},
		"claim that is not": {changes: change{"claims": map[string]any{"sub": "x"}}},
		"claim of ours": {
			changes: change{"claims": map[string]any{"exp": 5}}, want: []string{"jwt.claims: exp is set for each token"},
		},
		"claims of no type": {changes: change{"claims": "x"}, want: []string{"jwt.claims must be an object"}},
	}
	for name, tt := range tests {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			_, err := token.ParseSecret(
				object(t, map[string]any{"jwt": json.RawMessage(object(t, jwtMember(), tt.changes))}, nil), &redact.Scrubber{},
			)
			wantProblems(t, err, tt.want...)
		})
	}
}

func TestFailedLogins(t *testing.T) {
	t.Parallel()
	rules := func(more string) string { return strings.Replace(loginJSON, `"token"`, more+`,"token"`, 1) }
	tests := map[string]struct {
		login               string // empty: loginJSON
		answer              answer
		rejected, permanent bool
		requests            int // 0: one
		says                string
	}{
		"401": {
			answer: answer{status: 401, body: `{"message":"bad password"}`}, rejected: true, permanent: true,
			says: "the login call to example.com answered 401, bad password",
		},
		"400": {answer: answer{status: 400}, rejected: true, permanent: true, says: "answered 400"},
		"404": {answer: answer{status: 404}, rejected: true, permanent: true, says: "answered 404"},
		"403": {answer: answer{status: 403}, rejected: true, permanent: true, says: "answered 403"},
		"403, rate limit": {
			answer: answer{status: 403, header: http.Header{"Retry-After": {"1"}}}, requests: 3, says: "answered 403",
		},
		"408": {answer: answer{status: 408}, requests: 3, says: "answered 408"},
		"425": {answer: answer{status: 425}, requests: 3, says: "answered 425"},
		"429": {answer: answer{status: 429}, requests: 3, says: "answered 429"},
		"500": {answer: answer{status: 500}, requests: 3, says: "answered 500"},
		"302": {answer: answer{status: 302, header: http.Header{"Location": {"/sign-in?a=" +
			canary}}}, says: "it points to https://example.com/sign-in"},
		"rule for a status": {
			login: rules(`"reject":{"status":[500]}`), answer: answer{status: 500}, rejected: true, permanent: true,
			says: "answered 500",
		},
		"rule for a body": {
			login:  rules(`"reject":{"json":{"/ok":false}}`),
			answer: answer{status: 200, body: `{"ok":false,"error":"bad_auth"}`}, rejected: true, permanent: true,
			says: "bad_auth",
		},
		"rule and a token": {
			login:  rules(`"reject":{"json":{"/ok":false}}`),
			answer: answer{status: 200, body: `{"ok":false,"token":"abcdefgh"}`}, rejected: true, permanent: true,
			says: "answered 200",
		},
		"expect is not met": {
			login:  rules(`"expect":{"json":{"/ok":true}}`),
			answer: answer{status: 200, body: `{"ok":null,"token":"abcdefgh"}`}, says: "does not match expect.json",
		},
		"2xx without a token": {answer: answer{status: 200, body: `{"tokens":"` + canary +
			`"}`}, permanent: true, says: `there is no string at login.token ("/token")`},
		"2xx without JSON": {answer: answer{status: 200, body: "<html>" +
			canary}, permanent: true, says: "there is no string at login.token"},
		"2xx with an object": {answer: answer{status: 200, body: `{"token":{"a":"` + canary +
			`"}}`}, permanent: true, says: "there is no string at login.token"},
		"2xx with an unusable token": {answer: answer{status: 200, body: `{"token":"` + canary +
			` x"}`}, permanent: true, says: "white space inside"},
		"2xx that is cut off": {
			answer: answer{status: 200, header: http.Header{"Content-Length": {"1000"}}, body: `{"token":`}, requests: 3,
			says: "cut off",
		},
		"2xx that is too large": {answer: answer{status: 200, body: strings.Repeat(" ", 1<<20+
			1)}, says: "larger than 1 MiB"},
	}
	for name, tt := range tests {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			server := newLoginServer(t, tt.answer)
			scrub := &redact.Scrubber{}
			scrub.Add(canary)
			m := token.NewMinter(server.transport, exampleCom, newWall().Now, scrub)
			m.SleepWith((&noWait{}).sleep)
			login := tt.login
			if login == "" {
				login = loginJSON
			}
			v := loginVersion(t, login, nil)
			_, err := m.Mint(t.Context(), v, redact.Secret{})
			failed, ok := errors.AsType[*oauth.Error](err)
			if !ok || failed.Rejected != tt.rejected || failed.Permanent != tt.permanent || server.count != max(tt.requests, 1) {
				t.Fatalf("got %#v after %d calls", failed, server.count)
			}
			if text := scrub.Scrub(err.Error()); !strings.Contains(text, tt.says) || strings.Contains(text, canary) ||
				!strings.Contains(text, "example.com") {
				t.Errorf("error %q, want it to say %q", text, tt.says)
			}
			if _, again := m.Mint(t.Context(), v, redact.Secret{}); tt.rejected && (again == nil ||
				!strings.Contains(again.Error(), "rejected at") || server.count != 1) {
				t.Errorf("a rejection is not remembered: %d calls, %v", server.count, again)
			}
		})
	}
}

func TestSecretsOfALoginAreScrubbed(t *testing.T) {
	t.Parallel()
	text := `{"login":{"call":"POST https://example.com/","headers":{"X-Api-Key":"` + canary +
		`-1","X-Api-Version":"2026-11-28"},
		"body":{"username":"alice-and-bob","password":"` + canary + `-2","credentials":{"pin":["` + canary +
		`-3"]}},"token":"/token"}}`
	scrub := &redact.Scrubber{}
	if _, err := token.ParseSecret(text, scrub); err != nil {
		t.Fatal(err)
	}
	for i := range 3 {
		if got := scrub.Scrub(fmt.Sprintf("%s-%d", canary, i+1)); strings.Contains(got, "canary") {
			t.Errorf("%d is not scrubbed: %s", i+1, got)
		}
	}
	for _, plain := range []string{"alice-and-bob", "2026-11-28"} {
		if got := scrub.Scrub(plain); got != plain {
			t.Errorf("%s is scrubbed, and its name does not say credential", plain)
		}
	}
}

func TestCallsOfASecretTrustItsCA(t *testing.T) {
	t.Parallel()
	server := httptest.NewTLSServer(http.HandlerFunc(func(w http.ResponseWriter, _ *http.Request) {
		_, _ = io.WriteString(w, `{"access_token":"abcdefgh","token":"abcdefgh"}`)
	}))
	t.Cleanup(server.Close)
	certificate := string(pem.EncodeToMemory(&pem.Block{Type: "CERTIFICATE", Bytes: server.Certificate().Raw}))
	transport := server.Client().Transport.(*http.Transport).Clone() //nolint:forcetypeassert // httptest documents it
	transport.TLSClientConfig = &tls.Config{RootCAs: x509.NewCertPool(), MinVersion: tls.VersionTLS12}
	for name, tt := range map[string]struct {
		ca    string // empty: none
		reach bool
	}{
		"none":                {},
		"the server's":        {ca: certificate, reach: true},
		"\\n, two characters": {ca: strings.ReplaceAll(certificate, "\n", `\n`), reach: true},
		"another":             {ca: func() string { _, other, _ := certified(t, time.Now().Add(time.Hour)); return other }()},
	} {
		secret := map[string]any{"oauth2": clientCredentials()}
		if tt.ca != "" {
			secret["ca"] = tt.ca
		}
		d, err := token.ParseSecret(object(t, secret, nil), &redact.Scrubber{})
		if err != nil {
			t.Fatal(err)
		}
		m := token.NewMinter(transport, hosts.List{}, time.Now, &redact.Scrubber{})
		m.SleepWith((&noWait{}).sleep)
		if _, err := m.Mint(
			t.Context(), token.Version{Document: d, Secret: "s", ID: "v"}, redact.Secret{},
		); (err == nil) != tt.reach {
			t.Errorf("%s: %v", name, err)
		}
	}
	for text, want := range map[string]string{
		`"x"`: "ca holds no certificate", `5`: "ca must be a string of PEM certificates, not a number",
	} {
		_, err := token.ParseSecret(`{"token":"abcdefgh","ca":`+text+`}`, &redact.Scrubber{})
		wantProblems(t, err, want)
	}
	d, err := token.ParseMember(`{"a":"abcdefgh","ca":"x"}`, "a", &redact.Scrubber{})
	if err != nil || d.CA != nil || len(d.Warnings) != 1 {
		t.Errorf("Key: %v, warnings %q", err, d.Warnings)
	}
}
