package idp_test

import (
	"context"
	"crypto/ecdsa"
	"crypto/ed25519"
	"crypto/elliptic"
	"crypto/rand"
	"crypto/rsa"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"maps"
	"net/http"
	"net/http/httptest"
	"net/url"
	"slices"
	"strings"
	"sync"
	"testing"
	"time"

	"github.com/golang-jwt/jwt/v5"
	"github.com/google/go-cmp/cmp"

	"github.com/cronbearer/cronbearer/internal/dev/idp"
)

const secret = "s%cret+/ with: odd signs"

// clock is virtual: time passes when the test says so.
type clock struct {
	mu sync.Mutex
	at time.Time
}

func (c *clock) now() time.Time {
	c.mu.Lock()
	defer c.mu.Unlock()
	return c.at
}

func (c *clock) pass(d time.Duration) {
	c.mu.Lock()
	defer c.mu.Unlock()
	c.at = c.at.Add(d)
}

type keyring struct {
	rsa, otherRSA *rsa.PrivateKey
	ec            *ecdsa.PrivateKey
	ed            ed25519.PrivateKey
}

// keys are made once: RSA takes its time.
var keys = sync.OnceValue(func() keyring {
	var k keyring
	var problems [4]error
	k.rsa, problems[0] = rsa.GenerateKey(rand.Reader, 2048)
	k.otherRSA, problems[1] = rsa.GenerateKey(rand.Reader, 2048)
	k.ec, problems[2] = ecdsa.GenerateKey(elliptic.P256(), rand.Reader)
	_, k.ed, problems[3] = ed25519.GenerateKey(rand.Reader)
	if err := errors.Join(problems[:]...); err != nil {
		panic(err)
	}
	return k
})

type world struct {
	t     *testing.T
	clock *clock
	*idp.Server

	url string
}

func newWorld(t *testing.T) *world {
	t.Helper()
	c := &clock{at: time.Date(2027, 1, 1, 0, 0, 0, 0, time.UTC)}
	s := idp.New(c.now)
	web := httptest.NewServer(s)
	t.Cleanup(web.Close)
	w := &world{t, c, s, web.URL + idp.TokenPath}
	all := []idp.Key{
		{ID: "rsa", Public: &keys().rsa.PublicKey}, {ID: "ec", Public: &keys().ec.PublicKey}, {Public: keys().ed.Public()},
	}
	for _, client := range []idp.Client{
		{ID: "basic", Auth: idp.AuthBasic, Secret: secret, Scopes: []string{"read", "write"}},
		{ID: "body", Auth: idp.AuthBody, Secret: secret},
		{ID: "signed", Auth: idp.AuthPrivateKeyJWT, Keys: all},
		{ID: "ps256", Auth: idp.AuthPrivateKeyJWT, Keys: []idp.Key{{Algorithm: "PS256", Public: &keys().rsa.PublicKey}}},
		{ID: "public", Auth: idp.AuthNone},
		{ID: "refreshing", Auth: idp.AuthBody, Secret: secret, Grants: []idp.Grant{idp.RefreshToken}},
	} {
		w.must(s.Register(client))
	}
	w.must(s.Trust(idp.Issuer{ID: "issuer", Keys: all, Subjects: []string{"robot"}, Scopes: []string{"read"}}))
	w.must(s.Trust(idp.Issuer{ID: "elsewhere", Keys: all, Audience: "https://login.example.com", NoSubject: true}))
	return w
}

func (w *world) must(err error) {
	w.t.Helper()
	if err != nil {
		w.t.Fatal(err)
	}
}

func (w *world) policy(p idp.Policy) {
	w.t.Helper()
	w.must(w.SetPolicy(p))
}

func (w *world) logIn(client, scope string) idp.Tokens {
	w.t.Helper()
	tokens, err := w.LogIn(client, scope)
	w.must(err)
	return tokens
}

// assertion signs claims over those of a good one; nil leaves a claim away.
func (w *world) assertion(method jwt.SigningMethod, key any, issuer string, changes map[string]any) string {
	w.t.Helper()
	now := w.clock.now()
	claims := jwt.MapClaims{
		"iss": issuer, "sub": issuer, "aud": w.url, "jti": rand.Text(),
		"iat": now.Unix(), "exp": now.Add(2 * time.Minute).Unix(),
	}
	token := jwt.NewWithClaims(method, claims)
	for name, v := range changes {
		switch {
		case name == "kid":
			token.Header["kid"] = v
		case v == nil:
			delete(claims, name)
		default:
			claims[name] = v
		}
	}
	signed, err := token.SignedString(key)
	w.must(err)
	return signed
}

type answer struct {
	status int
	header http.Header
	body   map[string]any
}

func (a answer) text(name string) string {
	v, _ := a.body[name].(string)
	return v
}

type request struct {
	method, url, kind, body string
	form                    url.Values
	basic                   []string
}

// send returns an error if there was no whole answer.
func (w *world) send(ctx context.Context, r request) (answer, error) {
	w.t.Helper()
	if r.method == "" {
		r.method = http.MethodPost
	}
	if r.url == "" {
		r.url = w.url
	}
	if r.kind == "" {
		r.kind = "application/x-www-form-urlencoded"
	}
	if r.body == "" {
		r.body = r.form.Encode()
	}
	q, err := http.NewRequestWithContext(ctx, r.method, r.url, strings.NewReader(r.body))
	w.must(err)
	q.Header.Set("Content-Type", r.kind)
	if r.basic != nil {
		q.SetBasicAuth(r.basic[0], r.basic[1])
	}
	response, err := http.DefaultClient.Do(q)
	if err != nil {
		return answer{}, fmt.Errorf("send: %w", err)
	}
	defer func() { _ = response.Body.Close() }()
	text, err := io.ReadAll(response.Body)
	if err != nil {
		return answer{}, fmt.Errorf("read: %w", err)
	}
	a := answer{status: response.StatusCode, header: response.Header}
	if strings.HasPrefix(response.Header.Get("Content-Type"), "application/json") {
		w.must(json.Unmarshal(text, &a.body))
	} else {
		a.body = map[string]any{"text": string(text)}
	}
	return a, nil
}

func (w *world) post(r request) answer {
	w.t.Helper()
	a, err := w.send(w.t.Context(), r)
	w.must(err)
	return a
}

// form makes one of pairs.
func form(pairs ...string) url.Values {
	v := url.Values{}
	for i := 0; i < len(pairs); i += 2 {
		v.Add(pairs[i], pairs[i+1])
	}
	return v
}

func asBody(client string, pairs ...string) request {
	return request{form: form(append([]string{"client_id", client, "client_secret", secret}, pairs...)...)}
}

func refreshing(token string) request {
	return asBody("body", "grant_type", "refresh_token", "refresh_token", token)
}

func signed(assertion string, pairs ...string) request {
	return request{form: form(append([]string{
		"grant_type", "client_credentials", "client_assertion_type", "urn:ietf:params:oauth:client-assertion-type:jwt-bearer",
		"client_assertion", assertion,
	}, pairs...)...)}
}

func bearer(assertion string, pairs ...string) request {
	return request{form: form(append([]string{"grant_type", string(idp.JWTBearer), "assertion", assertion}, pairs...)...)}
}

func TestGranted(t *testing.T) {
	t.Parallel()
	escaped := []string{"basic", url.QueryEscape(secret)}
	for name, c := range map[string]struct {
		request func(w *world) request
		scope   any
	}{
		"client_credentials, basic": {request: func(*world) request {
			return request{form: form("grant_type", "client_credentials", "scope", "read write"), basic: escaped}
		}, scope: "read write"},
		"basic, with client_id too": {request: func(*world) request {
			return request{form: form("grant_type", "client_credentials", "client_id", "basic"), basic: escaped}
		}, scope: nil},
		"a parameter without a value is none": {request: func(*world) request {
			return request{form: form("grant_type", "client_credentials", "scope", "", "client_secret", ""), basic: escaped}
		}, scope: nil},
		"client_credentials, body": {request: func(*world) request {
			return asBody("body", "grant_type", "client_credentials", "audience", "x")
		}, scope: nil},
		"private_key_jwt, RS256": {request: func(w *world) request {
			return signed(
				w.assertion(jwt.SigningMethodRS256, keys().rsa, "signed", map[string]any{"kid": "rsa"}), "client_id", "signed",
			)
		}, scope: nil},
		"private_key_jwt, PS256": {request: func(w *world) request {
			return signed(w.assertion(jwt.SigningMethodPS256, keys().rsa, "signed", nil))
		}, scope: nil},
		"private_key_jwt, ES256": {request: func(w *world) request {
			return signed(w.assertion(jwt.SigningMethodES256, keys().ec, "signed", nil))
		}, scope: nil},
		"private_key_jwt, EdDSA, a kid for a key without": {request: func(w *world) request {
			return signed(w.assertion(jwt.SigningMethodEdDSA, keys().ed, "signed", map[string]any{"kid": "any"}))
		}, scope: nil},
		"private_key_jwt, aud in a list": {request: func(w *world) request {
			return signed(w.assertion(jwt.SigningMethodRS256, keys().rsa, "signed", map[string]any{"aud": []string{"x", w.url}}))
		}, scope: nil},
		"jwt_bearer": {request: func(w *world) request {
			return bearer(
				w.assertion(jwt.SigningMethodRS256, keys().rsa, "issuer", map[string]any{"sub": "robot"}), "scope", "read",
			)
		}, scope: "read"},
		"jwt_bearer, scope as a claim": {request: func(w *world) request {
			return bearer(
				w.assertion(jwt.SigningMethodRS256, keys().rsa, "issuer", map[string]any{"sub": "robot", "scope": "read"}),
			)
		}, scope: "read"},
		"jwt_bearer, its own aud, no sub": {request: func(w *world) request {
			return bearer(
				w.assertion(
					jwt.SigningMethodES256, keys().ec, "elsewhere", map[string]any{"sub": nil, "aud": "https://login.example.com"},
				),
			)
		}, scope: nil},
		"jwt_bearer of a client": {request: func(w *world) request {
			r := asBody("body", "grant_type", string(idp.JWTBearer))
			r.form.Set("assertion", w.assertion(jwt.SigningMethodRS256, keys().rsa, "issuer", map[string]any{"sub": "robot"}))
			return r
		}, scope: nil},
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			w := newWorld(t)
			a := w.post(c.request(w))
			token := a.text("access_token")
			if diff := cmp.Diff(
				map[string]any{"access_token": token, "token_type": "Bearer", "expires_in": 3600.0}, without(a.body, "scope"),
			); diff != "" || a.status != http.StatusOK {
				t.Fatalf("status %d (-want +got):\n%s", a.status, diff)
			}
			if a.body["scope"] != c.scope || a.header.Get("Cache-Control") != "no-store" {
				t.Errorf("scope %v, want %v; header %v", a.body["scope"], c.scope, a.header)
			}
			w.clock.pass(time.Hour - time.Second)
			if !w.Valid(token) {
				t.Error("the token ended before its time")
			}
			w.clock.pass(time.Second)
			if w.Valid(token) {
				t.Error("the token outlived its time")
			}
			if n := w.Count(""); n != (idp.Count{Requests: 1, Granted: 1}) {
				t.Errorf("counted %+v", n)
			}
		})
	}
}

func without(body map[string]any, key string) map[string]any {
	body = maps.Clone(body)
	delete(body, key)
	return body
}

func TestRejected(t *testing.T) {
	t.Parallel()
	ok := func(client string) request { return asBody(client, "grant_type", "client_credentials") }
	minute := func(w *world, n int) int64 { return w.clock.now().Add(time.Duration(n) * time.Minute).Unix() }
	asClient := func(changes map[string]any) func(*world) request {
		return func(w *world) request {
			return signed(w.assertion(jwt.SigningMethodRS256, keys().rsa, "signed", changes))
		}
	}
	asIssuer := func(changes map[string]any) func(*world) request {
		return func(w *world) request {
			if _, own := changes["sub"]; !own {
				changes["sub"] = "robot"
			}
			return bearer(w.assertion(jwt.SigningMethodRS256, keys().rsa, "issuer", changes))
		}
	}
	is := func(r request) func(*world) request { return func(*world) request { return r } }
	const invalidClient, invalidGrant, invalidRequest = "401 invalid_client", "400 invalid_grant", "400 invalid_request"
	for name, c := range map[string]struct {
		request func(w *world) request
		want    string
	}{
		"another path": {request: func(w *world) request { return request{url: w.url + "s"} }, want: "404 "},
		"GET":          {request: is(request{method: http.MethodGet}), want: "405 "},
		"parameters in the URL": {request: func(w *world) request {
			r := ok("body")
			r.url = w.url + "?scope=read"
			return r
		}, want: invalidRequest},
		"JSON":    {request: is(request{kind: "application/json", body: "{}"}), want: invalidRequest},
		"no form": {request: is(request{body: "%zz"}), want: invalidRequest},
		"too large": {
			request: is(asBody("body", "grant_type", "client_credentials", "x", strings.Repeat("x", 1<<16))),
			want:    invalidRequest,
		},
		"no grant_type": {request: is(asBody("body")), want: invalidRequest},
		"a parameter twice": {
			request: is(asBody("body", "grant_type", "client_credentials", "scope", "a", "scope", "b")), want: invalidRequest,
		},
		"an unknown grant": {
			request: is(asBody("body", "grant_type", "password")), want: "400 unsupported_grant_type",
		},
		"no client": {
			request: is(request{form: form("grant_type", "client_credentials")}), want: invalidClient,
		},
		"an unknown client": {request: is(ok("unknown")), want: invalidClient},
		"another way: body": {request: is(ok("basic")), want: invalidClient},
		"another way: basic": {
			request: is(
				request{form: form("grant_type", "client_credentials"), basic: []string{"body", url.QueryEscape(secret)}},
			),
			want: invalidClient,
		},
		"another way: none": {
			request: is(request{form: form("grant_type", "client_credentials", "client_id", "body")}), want: invalidClient,
		},
		"a secret not encoded": {
			request: is(request{form: form("grant_type", "client_credentials"), basic: []string{"basic", secret}}),
			want:    invalidClient,
		},
		"a wrong secret, in basic": {
			request: is(request{form: form("grant_type", "client_credentials"), basic: []string{"basic", "wrong"}}),
			want:    invalidClient,
		},
		"a wrong secret, in body": {
			request: is(request{form: form("grant_type", "client_credentials", "client_id", "body", "client_secret", "wrong")}),
			want:    invalidClient,
		},
		"two clients": {
			request: is(
				request{
					form:  form("grant_type", "client_credentials", "client_id", "body"),
					basic: []string{"basic", url.QueryEscape(secret)},
				},
			),
			want: invalidRequest,
		},
		"two ways": {
			request: is(
				request{
					form:  form("grant_type", "client_credentials", "client_secret", secret),
					basic: []string{"basic", url.QueryEscape(secret)},
				},
			),
			want: invalidRequest,
		},
		"a grant that the client may not": {request: is(ok("refreshing")), want: "400 unauthorized_client"},
		"a public client's credentials": {
			request: is(request{form: form("grant_type", "client_credentials", "client_id", "public")}),
			want:    "400 unauthorized_client",
		},
		"a scope that the client may not": {
			request: is(
				request{
					form:  form("grant_type", "client_credentials", "scope", "read admin"),
					basic: []string{"basic", url.QueryEscape(secret)},
				},
			),
			want: "400 invalid_scope",
		},
		"no refresh_token":         {request: is(asBody("body", "grant_type", "refresh_token")), want: invalidRequest},
		"an unknown refresh_token": {request: is(refreshing("unknown-refresh-token")), want: invalidGrant},
		"another's refresh_token": {request: func(w *world) request {
			return refreshing(w.logIn("refreshing", "").Refresh)
		}, want: invalidGrant},
		"an access for a refresh": {request: func(w *world) request {
			return refreshing(w.logIn("body", "").Access)
		}, want: invalidGrant},
		"more scope than granted": {request: func(w *world) request {
			return wider(refreshing(w.logIn("body", "read").Refresh))
		}, want: "400 invalid_scope"},
		"a scope, and none granted": {request: func(w *world) request {
			return wider(refreshing(w.logIn("body", "").Refresh))
		}, want: "400 invalid_scope"},

		"client assertion: of another type": {request: func(w *world) request {
			r := asClient(nil)(w)
			r.form.Set("client_assertion_type", "saml")
			return r
		}, want: invalidClient},
		"client assertion: no JWT": {request: is(signed("e30")), want: invalidClient},
		"client assertion: unsigned": {request: func(w *world) request {
			return signed(w.assertion(jwt.SigningMethodNone, jwt.UnsafeAllowNoneSignatureType, "signed", nil))
		}, want: invalidClient},
		"client assertion: by a secret": {request: func(w *world) request {
			return signed(w.assertion(jwt.SigningMethodHS256, []byte(secret), "signed", nil))
		}, want: invalidClient},
		"client assertion: by another key": {request: func(w *world) request {
			return signed(w.assertion(jwt.SigningMethodRS256, keys().otherRSA, "signed", nil))
		}, want: invalidClient},
		"client assertion: another algorithm": {request: func(w *world) request {
			return signed(w.assertion(jwt.SigningMethodRS256, keys().rsa, "ps256", nil))
		}, want: invalidClient},
		"client assertion: another kid": {request: asClient(map[string]any{"kid": "ec"}), want: invalidClient},
		"client assertion: of a client without keys": {
			request: func(w *world) request { return signed(w.assertion(jwt.SigningMethodRS256, keys().rsa, "body", nil)) },
			want:    invalidClient,
		},
		"client assertion: another client_id": {request: func(w *world) request {
			return signed(w.assertion(jwt.SigningMethodRS256, keys().rsa, "signed", nil), "client_id", "body")
		}, want: invalidClient},
		"client assertion: another sub": {request: asClient(map[string]any{"sub": "body"}), want: invalidClient},
		"client assertion: no iss":      {request: asClient(map[string]any{"iss": nil}), want: invalidClient},
		"client assertion: another aud": {
			request: asClient(map[string]any{"aud": "https://other.example.com/token"}), want: invalidClient,
		},
		"client assertion: no aud": {request: asClient(map[string]any{"aud": nil}), want: invalidClient},
		"client assertion: no exp": {request: asClient(map[string]any{"exp": nil}), want: invalidClient},
		"client assertion: no iat": {request: asClient(map[string]any{"iat": nil}), want: invalidClient},
		"client assertion: no jti": {request: asClient(map[string]any{"jti": nil}), want: invalidClient},
		"client assertion: expired": {request: func(w *world) request {
			return asClient(map[string]any{"exp": minute(w, 0)})(w)
		}, want: invalidClient},
		"client assertion: from the future": {
			request: func(w *world) request { return asClient(map[string]any{"iat": minute(w, 1)})(w) }, want: invalidClient,
		},
		"client assertion: not yet": {request: func(w *world) request {
			return asClient(map[string]any{"nbf": minute(w, 1)})(w)
		}, want: invalidClient},
		"client assertion: lasts too long": {request: func(w *world) request {
			return asClient(map[string]any{"exp": minute(w, 4)})(w)
		}, want: invalidClient},
		"client assertion: a replay": {request: func(w *world) request {
			r := asClient(nil)(w)
			w.post(r)
			return r
		}, want: invalidClient},

		"jwt_bearer: no assertion": {
			request: is(request{form: form("grant_type", string(idp.JWTBearer))}), want: invalidRequest,
		},
		"jwt_bearer: no JWT":         {request: is(bearer("x.y.z")), want: invalidGrant},
		"jwt_bearer: an unknown iss": {request: asIssuer(map[string]any{"iss": "stranger"}), want: invalidGrant},
		"jwt_bearer: another sub":    {request: asIssuer(map[string]any{"sub": "boss"}), want: invalidGrant},
		"jwt_bearer: no sub":         {request: asIssuer(map[string]any{"sub": nil}), want: invalidGrant},
		"jwt_bearer: sub a number":   {request: asIssuer(map[string]any{"sub": 7}), want: invalidGrant},
		"jwt_bearer: another aud": {
			request: asIssuer(map[string]any{"aud": "https://login.example.com"}), want: invalidGrant,
		},
		"jwt_bearer: expired": {request: func(w *world) request {
			return asIssuer(map[string]any{"exp": minute(w, -1)})(w)
		}, want: invalidGrant},
		"jwt_bearer: lasts too long": {request: func(w *world) request {
			return asIssuer(map[string]any{"exp": minute(w, 60)})(w)
		}, want: invalidGrant},
		"jwt_bearer: scope parameter": {request: func(w *world) request {
			return wider(asIssuer(map[string]any{})(w))
		}, want: "400 invalid_scope"},
		"jwt_bearer: scope claim": {request: asIssuer(map[string]any{"scope": "read write"}), want: "400 invalid_scope"},
		"jwt_bearer: by another key": {request: func(w *world) request {
			return bearer(w.assertion(jwt.SigningMethodRS256, keys().otherRSA, "issuer", map[string]any{"sub": "robot"}))
		}, want: invalidGrant},
		"jwt_bearer: of a bad client": {request: func(w *world) request {
			r := asIssuer(map[string]any{})(w)
			r.basic = []string{"basic", "wrong"}
			return r
		}, want: invalidClient},
		"jwt_bearer: client may not": {
			request: is(asBody("refreshing", "grant_type", string(idp.JWTBearer))), want: "400 unauthorized_client",
		},
		"jwt_bearer: a replay": {request: func(w *world) request {
			r := asIssuer(map[string]any{})(w)
			w.post(r)
			return r
		}, want: invalidGrant},
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			w := newWorld(t)
			r := c.request(w)
			before := len(w.Requests())
			a := w.post(r)
			if got := fmt.Sprintf("%d %s", a.status, a.text("error")); got != c.want {
				t.Fatalf("got %q, want %q; body %v", got, c.want, a.body)
			}
			if a.status == http.StatusUnauthorized && (r.basic != nil) != (a.header.Get("WWW-Authenticate") != "") {
				t.Errorf("WWW-Authenticate %q", a.header.Get("WWW-Authenticate"))
			}
			if strings.ContainsAny(a.text("error_description"), "\"\\\n") {
				t.Errorf("error_description has what RFC 6749 forbids: %q", a.text("error_description"))
			}
			if a.status >= 404 {
				before-- // no token request
			}
			log := w.Requests()
			if len(log) != before+1 {
				t.Fatalf("%d requests were counted, %d before", len(log), before)
			}
			if a.status < 404 {
				if last := log[len(log)-1]; last.Granted || last.Reused || last.Status != a.status ||
					last.Error != a.text("error") {
					t.Errorf("logged %+v", last)
				}
			}
		})
	}
}

func wider(r request) request {
	r.form = maps.Clone(r.form)
	r.form.Set("scope", "read write")
	return r
}

func TestRejectedScopeLeavesTheRefreshTokenAlone(t *testing.T) {
	t.Parallel()
	w := newWorld(t)
	token := w.logIn("body", "read").Refresh
	w.post(wider(refreshing(token)))
	if !w.StillGood(token) {
		t.Error("a rejected request used the refresh token up")
	}
}

func TestOneTimeRefreshTokens(t *testing.T) {
	t.Parallel()
	w := newWorld(t)
	first := w.logIn("body", "read write")
	other := w.logIn("body", "read")
	if !w.Valid(first.Access) || !first.Expires.Equal(w.clock.now().Add(time.Hour)) {
		t.Errorf("logged in until %s", first.Expires)
	}
	narrow := refreshing(first.Refresh)
	narrow.form.Set("scope", "read")
	second := w.post(narrow)
	if second.text("scope") != "read" {
		t.Errorf("scope %v", second.body["scope"])
	}
	third := w.post(refreshing(second.text("refresh_token")))
	if third.text("scope") != "read write" {
		t.Errorf("a narrower token narrowed the consent: %v", third.body["scope"])
	}
	for _, used := range []string{first.Refresh, second.text("refresh_token")} {
		if w.StillGood(used) {
			t.Errorf("%s is still good", used)
		}
	}
	if !w.StillGood(third.text("refresh_token")) || !w.Valid(first.Access) {
		t.Error("an exchange ended what it should not")
	}

	if a := w.post(refreshing(first.Refresh)); a.status != http.StatusBadRequest || a.text("error") != "invalid_grant" {
		t.Fatalf("a second use was answered with %d %v", a.status, a.body)
	}
	if w.StillGood(third.text("refresh_token")) {
		t.Error("the family outlived a reuse")
	}
	if !w.StillGood(other.Refresh) {
		t.Error("a reuse ended another log-in")
	}
	if !w.Valid(third.text("access_token")) {
		t.Error("access tokens ended, although the policy says that they last")
	}
	if a := w.post(refreshing(third.text("refresh_token"))); a.text("error") != "invalid_grant" {
		t.Errorf("a revoked refresh token: %v", a.body)
	}
	w.post(refreshing(first.Refresh)) // a third time: nothing is left to end
	if n := w.Count(idp.RefreshToken); n != (idp.Count{Requests: 5, Granted: 2, Rejected: 3, Reused: 1}) {
		t.Errorf("counted %+v", n)
	}
}

func TestRefreshTokenAtTwoPlacesAtOnce(t *testing.T) {
	t.Parallel()
	w := newWorld(t)
	token := w.logIn("body", "").Refresh
	var all sync.WaitGroup
	fresh := make(chan string, 20)
	for range cap(fresh) {
		all.Go(func() {
			a, err := w.send(t.Context(), refreshing(token))
			if err != nil {
				t.Error(err)
			}
			if a.status == http.StatusOK {
				fresh <- a.text("refresh_token")
			}
		})
	}
	all.Wait()
	close(fresh)
	n := w.Count("")
	if n.Granted != 1 || n.Rejected != 19 || n.Reused != 1 || len(fresh) != 1 {
		t.Errorf("counted %+v", n)
	}
	if w.StillGood(<-fresh) {
		t.Error("the family outlived a reuse")
	}
}

func TestPolicies(t *testing.T) {
	t.Parallel()
	for name, c := range map[string]struct {
		policy idp.Policy
		try    func(w *world, in idp.Tokens)
	}{
		"AccessLife": {policy: idp.Policy{AccessLife: time.Minute}, try: func(w *world, in idp.Tokens) {
			w.clock.pass(59 * time.Second)
			w.is("valid before", w.Valid(in.Access), true)
			w.clock.pass(time.Second)
			w.is("valid after", w.Valid(in.Access), false)
			w.is("expires_in", w.post(refreshing(in.Refresh)).body["expires_in"] == 60.0, true)
		}},
		"RefreshLife": {policy: idp.Policy{RefreshLife: time.Hour}, try: func(w *world, in idp.Tokens) {
			w.clock.pass(time.Hour - 1)
			w.is("good before", w.StillGood(in.Refresh), true)
			next := w.post(refreshing(in.Refresh)).text("refresh_token")
			w.clock.pass(time.Hour)
			w.is("good after", w.StillGood(next), false)
			w.is("rejected", w.post(refreshing(next)).text("error") == "invalid_grant", true)
			w.is("no reuse", w.Count("").Reused == 0, true)
		}},
		"Overlap": {policy: idp.Policy{Overlap: time.Minute}, try: func(w *world, in idp.Tokens) {
			first := w.post(refreshing(in.Refresh)).text("refresh_token")
			w.clock.pass(time.Minute - 1)
			w.is("good within", w.StillGood(in.Refresh), true)
			second := w.post(refreshing(in.Refresh)).text("refresh_token")
			w.is("both good", w.StillGood(first) && w.StillGood(second) && first != second, true)
			w.clock.pass(1)
			w.is("good after", w.StillGood(in.Refresh), false)
			w.is("rejected", w.post(refreshing(in.Refresh)).text("error") == "invalid_grant", true)
			w.is("both ended", w.StillGood(first) || w.StillGood(second), false)
		}},
		"Reusable": {policy: idp.Policy{Reusable: true}, try: func(w *world, in idp.Tokens) {
			for range 2 {
				a := w.post(refreshing(in.Refresh))
				w.is("granted", w.Valid(a.text("access_token")), true)
				w.is("no new one", a.body["refresh_token"] == nil, true)
			}
			w.is("revoked", w.Revoke(in.Refresh), true)
			w.is("good after", w.StillGood(in.Refresh), false)
		}},
		"ExchangeEndsAccess": {policy: idp.Policy{ExchangeEndsAccess: true}, try: func(w *world, in idp.Tokens) {
			other := w.logIn("body", "")
			a := w.post(refreshing(in.Refresh))
			w.is("the old one", w.Valid(in.Access), false)
			w.is("the new one", w.Valid(a.text("access_token")), true)
			w.is("another log-in's", w.Valid(other.Access), true)
		}},
		"AccessEndsWithFamily": {policy: idp.Policy{AccessEndsWithFamily: true}, try: func(w *world, in idp.Tokens) {
			w.is("revoked", w.Revoke(in.Refresh), true)
			w.is("valid after", w.Valid(in.Access), false)
		}},
		"Endpoint": {policy: idp.Policy{Endpoint: "https://id.example.com/token"}, try: func(w *world, _ idp.Tokens) {
			try := func(aud string) int {
				return w.post(signed(w.assertion(jwt.SigningMethodRS256, keys().rsa, "signed", map[string]any{"aud": aud}))).status
			}
			w.is("the one", try("https://id.example.com/token") == http.StatusOK, true)
			w.is("the URL", try(w.url) == http.StatusUnauthorized, true)
		}},
		"AssertionLife and Leeway": {
			policy: idp.Policy{AssertionLife: time.Hour, Leeway: time.Minute},
			try: func(w *world, _ idp.Tokens) {
				now := w.clock.now()
				r := signed(w.assertion(jwt.SigningMethodRS256, keys().rsa, "signed", map[string]any{
					"iat": now.Add(30 * time.Second).Unix(), "exp": now.Add(time.Hour + 30*time.Second).Unix(),
				}))
				w.is("accepted", w.post(r).status == http.StatusOK, true)
				w.clock.pass(time.Hour + 89*time.Second)
				w.is(
					"a replay until its end",
					w.post(r).text("error_description") == "the client assertion is rejected: its jti came before: a replay", true,
				)
			},
		},
		"Seed": {policy: idp.Policy{Seed: 7}, try: func(w *world, in idp.Tokens) {
			w.is("another's token", newWorld(w.t).logIn("body", "").Access == in.Access, false)
		}},
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			w := newWorld(t)
			w.policy(c.policy)
			c.try(w, w.logIn("body", ""))
		})
	}
}

func (w *world) is(what string, got, want bool) {
	w.t.Helper()
	if got != want {
		w.t.Errorf("%s: %v, want %v", what, got, want)
	}
}

func TestRevokeAndRevokeAccess(t *testing.T) {
	t.Parallel()
	w := newWorld(t)
	in := w.logIn("body", "")
	next := w.post(refreshing(in.Refresh)).text("refresh_token")
	for range 2 {
		w.is("asking does not use it", w.StillGood(next), true)
	}
	w.is("by a used one", w.Revoke(in.Refresh), true)
	w.is("its successor", w.StillGood(next), false)
	w.is("twice", w.Revoke(next), false)
	w.is("an unknown one", w.Revoke("unknown-refresh-token"), false)
	w.is("access lasts", w.Valid(in.Access), true)
	w.is("ended", w.RevokeAccess(in.Access), true)
	w.is("access after", w.Valid(in.Access), false)
	w.is("revoke an unknown one", w.RevokeAccess("unknown-access-token"), false)
	w.is("an unknown one is valid", w.Valid("unknown-access-token") || w.Valid(""), false)
	w.is("a refresh token is valid", w.Valid(next), false)
	if got, want := w.Requests(), []idp.Request{
		{Time: w.clock.now(), Grant: idp.RefreshToken, Client: "body", Granted: true, Status: 200},
	}; !cmp.Equal(got, want) {
		t.Error(cmp.Diff(want, got))
	}
}

func TestSameEachTime(t *testing.T) {
	t.Parallel()
	tokens := func() []string {
		w := newWorld(t)
		in := w.logIn("body", "")
		a := w.post(refreshing(in.Refresh))
		return []string{in.Access, in.Refresh, a.text("access_token"), a.text("refresh_token")}
	}
	if one, two := tokens(), tokens(); !slices.Equal(one, two) {
		t.Error(cmp.Diff(one, two))
	}
}

func TestKeysAreChanged(t *testing.T) {
	t.Parallel()
	w := newWorld(t)
	try := func(key *rsa.PrivateKey, kid string) int {
		return w.post(signed(w.assertion(jwt.SigningMethodRS256, key, "signed", map[string]any{"kid": kid}))).status
	}
	older, newer := idp.Key{ID: "1", Public: &keys().rsa.PublicKey}, idp.Key{ID: "2", Public: &keys().otherRSA.PublicKey}
	for name, c := range map[string]struct {
		keys         []idp.Key
		older, newer int
	}{
		"before": {keys: []idp.Key{older}, older: 200, newer: 401},
		"both":   {keys: []idp.Key{older, newer}, older: 200, newer: 200},
		"after":  {keys: []idp.Key{newer}, older: 401, newer: 200},
	} {
		w.must(w.Register(idp.Client{ID: "signed", Auth: idp.AuthPrivateKeyJWT, Keys: c.keys}))
		if one, two := try(keys().rsa, "1"), try(keys().otherRSA, "2"); one != c.older || two != c.newer {
			t.Errorf("%s: %d and %d, want %d and %d", name, one, two, c.older, c.newer)
		}
	}
}

func TestMisuse(t *testing.T) {
	t.Parallel()
	w := newWorld(t)
	small, err := rsa.GenerateKey(rand.Reader, 1024)
	w.must(err)
	wide, err := ecdsa.GenerateKey(elliptic.P521(), rand.Reader)
	w.must(err)
	good := []idp.Key{{Public: keys().ed.Public()}}
	logIn := func(client, scope string) error { _, err := w.LogIn(client, scope); return err }
	for name, err := range map[string]error{
		"a client without ID":          w.Register(idp.Client{Auth: idp.AuthNone}),
		"a client without Auth":        w.Register(idp.Client{ID: "x"}),
		"basic without a secret":       w.Register(idp.Client{ID: "x", Auth: idp.AuthBasic}),
		"body with keys":               w.Register(idp.Client{ID: "x", Auth: idp.AuthBody, Secret: secret, Keys: good}),
		"private_key_jwt without keys": w.Register(idp.Client{ID: "x", Auth: idp.AuthPrivateKeyJWT}),
		"private_key_jwt with a secret": w.Register(
			idp.Client{ID: "x", Auth: idp.AuthPrivateKeyJWT, Keys: good, Secret: secret},
		),
		"none with a secret": w.Register(idp.Client{ID: "x", Auth: idp.AuthNone, Secret: secret}),
		"an unknown grant": w.Register(
			idp.Client{ID: "x", Auth: idp.AuthNone, Grants: []idp.Grant{"password"}},
		),
		"RSA of 1024 bits": w.Register(
			idp.Client{ID: "x", Auth: idp.AuthPrivateKeyJWT, Keys: []idp.Key{{Public: &small.PublicKey}}},
		),
		"P-521": w.Register(
			idp.Client{ID: "x", Auth: idp.AuthPrivateKeyJWT, Keys: []idp.Key{{Public: &wide.PublicKey}}},
		),
		"a private key": w.Trust(idp.Issuer{ID: "x", Keys: []idp.Key{{Public: keys().rsa}}}),
		"an algorithm of another key": w.Trust(
			idp.Issuer{ID: "x", Keys: []idp.Key{{Public: keys().ed.Public(), Algorithm: "RS256"}}},
		),
		"an issuer without keys":           w.Trust(idp.Issuer{ID: "x"}),
		"an issuer without ID":             w.Trust(idp.Issuer{Keys: good}),
		"a negative life":                  w.SetPolicy(idp.Policy{AccessLife: -1}),
		"Reusable with Overlap":            w.SetPolicy(idp.Policy{Reusable: true, Overlap: 1}),
		"a log-in for an unknown client":   logIn("x", ""),
		"a log-in with too much scope":     logIn("basic", "admin"),
		"a fault that does nothing":        w.Fail(idp.Fault{Times: 1}),
		"a fault with a negative delay":    w.Fail(idp.Slow(-1)),
		"a fault with a good status":       w.Fail(idp.Failing(200, "")),
		"a fault with a code alone":        w.Fail(idp.Fault{Error: "invalid_grant"}),
		"a fault with Retry-After alone":   w.Fail(idp.Fault{HangUp: true, RetryAfter: "1"}),
		"a fault for less than no request": w.Fail(idp.HungUp().First(-1)),
	} {
		if err == nil {
			t.Errorf("%s was accepted", name)
		}
	}
	w.must(
		w.Register(idp.Client{ID: "minting", Auth: idp.AuthBody, Secret: secret, Grants: []idp.Grant{idp.ClientCredentials}}),
	)
	if logIn("minting", "") == nil {
		t.Error("a log-in for a client that may not refresh was accepted")
	}
	if a := w.post(asBody("body", "grant_type", "client_credentials")); a.status != http.StatusOK {
		t.Errorf("a rejected fault or policy had its effect: %d", a.status)
	}
}

func TestTheRealClock(t *testing.T) {
	t.Parallel()
	s := idp.New(nil)
	if err := s.Register(idp.Client{ID: "c", Auth: idp.AuthNone}); err != nil {
		t.Fatal(err)
	}
	tokens, err := s.LogIn("c", "")
	if err != nil || !s.Valid(tokens.Access) || time.Until(tokens.Expires) > time.Hour ||
		time.Until(tokens.Expires) < 59*time.Minute {
		t.Errorf("until %s, %v", tokens.Expires, err)
	}
}
