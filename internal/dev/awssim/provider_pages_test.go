package awssim_test

import (
	"crypto"
	"crypto/ecdsa"
	"crypto/ed25519"
	"crypto/elliptic"
	"crypto/rand"
	"crypto/rsa"
	"crypto/sha256"
	"crypto/x509"
	"encoding/base64"
	"encoding/json"
	"encoding/pem"
	"fmt"
	"io"
	"maps"
	"math/big"
	"net/http"
	"net/url"
	"os"
	"path/filepath"
	"regexp"
	"slices"
	"strings"
	"sync"
	"testing"
	"time"

	"github.com/golang-jwt/jwt/v5"

	"github.com/cronbearer/cronbearer/internal/dev/awssim"
	"github.com/cronbearer/cronbearer/internal/dev/awssim/awssimtest"
	"github.com/cronbearer/cronbearer/internal/dev/upstream"
)

// filler is what a reader would write into a page's placeholder.
const filler = "value-0123456789abcdef"

// asked is a request as a stand-in sees it.
type asked struct {
	method, path string
	header       http.Header
	fields       map[string]string // of a form, or of a JSON object; what is not a string as JSON
	isJSON       bool
	user, pass   string // Basic
	bearer       string
}

// provider is one whose page shows how its token is obtained, as its documents describe it.
type provider struct {
	page  string
	block int    // which of the page's secrets
	api   string // the host that jobs call
	auth  string // the host of the token endpoint; empty: the API's
	path  string // of the token endpoint; empty: the JWT that we sign is the token
	life  time.Duration
	// check reports what the provider would reject in a request for a token; empty: nothing.
	check func(r *provided, q asked) string
	// grant is the documented answer; nil: RFC 6749's.
	grant func(token string, until time.Time, life time.Duration) (status int, body string)
	// reject is the documented rejection of a credential that was revoked, outcome and words what becomes of it.
	reject  upstream.Answer
	outcome string
	words   string
}

// provided is a cloud with one provider.
type provided struct {
	*rig
	p provider

	keys    map[string]crypto.Signer
	mu      sync.Mutex
	granted map[string]time.Time
	secrets []string // what may never come out
	ids     []string // of assertions
	revoked bool
	tokens  int
}

func oauthError(status int, body string) upstream.Answer {
	return upstream.Answer{Status: status, Header: map[string]string{"Content-Type": "application/json"}, Body: body}
}

// want names the first field that is not as wanted; * stands for anything.
func want(q asked, fields map[string]string) string {
	for name, value := range fields {
		if got, ok := q.fields[name]; !ok || value != "*" && got != value {
			return fmt.Sprintf("%s is %q, not %q", name, got, value)
		}
	}
	for name := range q.fields {
		if _, ok := fields[name]; !ok {
			return "an unknown parameter " + name
		}
	}
	return ""
}

// signed verifies a JWT that we signed: its key, its claims, and that none comes twice (RFC 7523 section 3).
func (r *provided) signed(text, algorithm string, claims map[string]string, longest time.Duration) string {
	key := map[string]string{"ES256": "EC", "EdDSA": "Ed25519"}[algorithm]
	if key == "" {
		key = "RSA"
	}
	all := jwt.MapClaims{}
	_, err := jwt.NewParser(jwt.WithTimeFunc(r.Now), jwt.WithValidMethods([]string{algorithm}), jwt.WithIssuedAt(),
		jwt.WithExpirationRequired()).ParseWithClaims(text, all, func(*jwt.Token) (any, error) {
		return r.keys[key].Public(), nil
	})
	if err != nil {
		return err.Error()
	}
	for name, value := range claims {
		if got := r.Public(fmt.Sprint(all[name])); got != value { // an audience is a host of this machine here
			return fmt.Sprintf("claim %s is %q, not %q", name, got, value)
		}
	}
	if until, _ := all.GetExpirationTime(); until.After(r.Now().Add(longest)) {
		return "exp is too far off"
	}
	id, _ := all["jti"].(string)
	r.mu.Lock()
	defer r.mu.Unlock()
	if id == "" || slices.Contains(r.ids, id) {
		return "a jti that is missing or was used before"
	}
	r.ids = append(r.ids, id)
	return ""
}

func clientCredentials(basic bool, more map[string]string) func(*provided, asked) string {
	return func(_ *provided, q asked) string {
		fields := map[string]string{"grant_type": "client_credentials"}
		maps.Copy(fields, more)
		if basic {
			if q.user != filler || q.pass != filler {
				return "the client is not authenticated by Basic"
			}
		} else {
			fields["client_id"], fields["client_secret"] = filler, filler
		}
		return want(q, fields)
	}
}

// privateKeyJWT is RFC 7523 section 2.2, as the provider at audience requires it.
func privateKeyJWT(algorithm, audience string, more map[string]string) func(*provided, asked) string {
	return func(r *provided, q asked) string {
		fields := map[string]string{
			"grant_type": "client_credentials", "client_assertion": "*", "client_assertion_type": clientType,
		}
		maps.Copy(fields, more)
		if _, ok := q.fields["client_id"]; ok { // allowed, if it is the same
			fields["client_id"] = filler
		}
		if wrong := want(q, fields); wrong != "" {
			return wrong
		}
		claims := map[string]string{"iss": filler, "sub": filler, "aud": audience}
		return r.signed(q.fields["client_assertion"], algorithm, claims, time.Hour)
	}
}

func jwtBearer(algorithm string, claims map[string]string, fields map[string]string) func(*provided, asked) string {
	return func(r *provided, q asked) string {
		all := map[string]string{"grant_type": bearerType, "assertion": "*"}
		maps.Copy(all, fields)
		if wrong := want(q, all); wrong != "" {
			return wrong
		}
		return r.signed(q.fields["assertion"], algorithm, claims, time.Hour)
	}
}

// providers are what the pages promise, each as its provider's documents describe it; the pages name the sources.
func providers() map[string]provider {
	invalidClient := oauthError(401, `{"error":"invalid_client","error_description":"Client authentication failed"}`)
	entraPath, entraScope := "/"+filler+"/oauth2/v2.0/token", "https://graph.microsoft.com/.default"
	entraRejection := oauthError(
		401, `{"error":"invalid_client","error_description":"AADSTS7000222: The provided client secret keys are expired."}`,
	)
	vault := func(token string, _ time.Time, life time.Duration) (int, string) {
		return 200, fmt.Sprintf(
			`{"auth":{"client_token":%q,"lease_duration":%d,"renewable":true}}`, token, int(life.Seconds()),
		)
	}
	return map[string]provider{
		"Auth0": {
			page: "auth0.md", api: "api.example.com", auth: filler + ".eu.auth0.com", path: "/oauth/token", life: 24 * time.Hour,
			check:  clientCredentials(false, map[string]string{"audience": "https://api.example.com/"}),
			reject: oauthError(401, `{"error":"access_denied","error_description":"Unauthorized"}`), outcome: "token_rejected",
			words: "access_denied",
		},
		"Azure DevOps": {
			page: "azure-devops.md", api: "dev.azure.com", auth: "login.microsoftonline.com", path: entraPath, life: time.Hour,
			check:  clientCredentials(false, map[string]string{"scope": "499b84ac-1321-427f-aa17-267ca6975798/.default"}),
			reject: entraRejection, outcome: "token_rejected", words: "AADSTS7000222",
		},
		"Entra ID, client secret": {
			page: "entra-id.md", api: "graph.microsoft.com", auth: "login.microsoftonline.com", path: entraPath, life: time.Hour,
			check: clientCredentials(false, map[string]string{"scope": entraScope}), reject: entraRejection,
			outcome: "token_rejected", words: "AADSTS7000222",
		},
		"Entra ID, certificate": {
			page: "entra-id.md", block: 1, api: "graph.microsoft.com", auth: "login.microsoftonline.com", path: entraPath,
			life: time.Hour,
			check: func(r *provided, q asked) string {
				if wrong := privateKeyJWT("PS256", "https://login.microsoftonline.com"+
					entraPath, map[string]string{"scope": entraScope})(r, q); wrong != "" {
					return wrong
				}
				head, _, _ := strings.Cut(q.fields["client_assertion"], ".")
				text, _ := base64.RawURLEncoding.DecodeString(head)
				var header struct {
					Thumbprint string `json:"x5t#S256"`
				}
				_ = json.Unmarshal(text, &header)
				if header.Thumbprint != thumbprint(r.keys) {
					return "the header's x5t#S256 is not the certificate's"
				}
				return ""
			},
			reject: oauthError(
				401, `{"error":"invalid_client","error_description":"AADSTS700027: The certificate was not found."}`,
			),
			outcome: "token_rejected", words: "AADSTS700027",
		},
		"generic, a JSON login": {
			page: "generic-login.md", api: "api.example.com", path: "/v1/login", life: 30 * time.Minute,
			check: func(_ *provided, q asked) string {
				return want(q, map[string]string{"username": "reports", "password": filler})
			},
			grant: func(token string, _ time.Time, life time.Duration) (int, string) {
				return 200, fmt.Sprintf(`{"data":{"token":%q,"ttl":%d}}`, token, int(life.Seconds()))
			},
			reject: oauthError(403, `{"message":"wrong password"}`), outcome: "token_rejected", words: "wrong password",
		},
		"generic, a form login": {
			page: "generic-login.md", block: 1, api: "api.example.com", auth: "auth.example.com", path: "/session",
			life: 2 * time.Hour,
			check: func(_ *provided, q asked) string {
				if q.isJSON || q.header.Get("X-Api-Key") != filler {
					return "no form, or no API key"
				}
				return want(q, map[string]string{"user": "reports", "secret": filler})
			},
			grant: func(token string, until time.Time, _ time.Duration) (int, string) {
				return 201, fmt.Sprintf(`{"ok":true,"session":{"id":%q,"until":%q}}`, token, until.Format(time.RFC3339))
			},
			reject: oauthError(200, `{"ok":false,"error":"locked"}`), outcome: "token_rejected",
		},
		"generic, client_credentials": {
			page: "generic-oauth2.md", api: "api.example.com", auth: "auth.example.com", path: "/oauth2/token", life: time.Hour,
			check: clientCredentials(true, map[string]string{"scope": "reports:read"}), reject: invalidClient,
			outcome: "token_rejected", words: "invalid_client",
		},
		"generic, private_key_jwt": {
			page: "generic-oauth2.md", block: 1, api: "api.example.com", auth: "auth.example.com", path: "/oauth2/token",
			life:  time.Hour,
			check: privateKeyJWT("ES256", "https://auth.example.com/oauth2/token", nil), reject: invalidClient,
			outcome: "token_rejected", words: "invalid_client",
		},
		"generic, jwt_bearer": {
			page: "generic-oauth2.md", block: 2, api: "api.example.com", auth: "auth.example.com", path: "/oauth2/token",
			life: time.Hour,
			check: jwtBearer("EdDSA", map[string]string{
				"iss": "https://jobs.example.com", "sub": "reports@example.com", "aud": "https://auth.example.com",
				"scope": "reports:read",
			}, map[string]string{"scope": "reports:read"}),
			reject:  oauthError(400, `{"error":"invalid_grant","error_description":"the key was revoked"}`),
			outcome: "token_rejected", words: "the key was revoked",
		},
		"generic, token_exchange": {
			page: "generic-oauth2.md", block: 4, api: "api.example.com", auth: "auth.example.com", path: "/oauth2/token",
			life: time.Hour,
			check: func(_ *provided, q asked) string {
				if !q.isJSON {
					return "the request is not JSON"
				}
				return want(q, map[string]string{
					"grant_type": exchangeType, "client_id": filler, "subject_token": filler, "subject_token_type": jwtTokenType,
					"audience": "https://api.example.com", "resource": "https://api.example.com/",
				})
			},
			reject: oauthError(400, `{"error":"invalid_grant"}`), outcome: "token_rejected", words: "invalid_grant",
		},
		"GitHub App": {
			page: "github.md", block: 2, api: "api.github.com", path: "/app/installations/" + filler + "/access_tokens",
			life: time.Hour,
			check: func(r *provided, q asked) string {
				if q.header.Get("Accept") != "application/vnd.github+json" || q.header.Get("X-Github-Api-Version") != "2022-11-28" {
					return "a header that GitHub asks for is missing"
				}
				return r.signed(q.bearer, "RS256", map[string]string{"iss": filler}, 10*time.Minute)
			},
			grant: func(token string, until time.Time, _ time.Duration) (int, string) {
				return 201, fmt.Sprintf(
					`{"token":%q,"expires_at":%q,"permissions":{"contents":"read"}}`, token, until.Format(time.RFC3339),
				)
			},
			reject:  oauthError(401, `{"message":"A JSON web token could not be decoded","status":"401"}`),
			outcome: "token_rejected", words: "could not be decoded",
		},
		"Google, a service account": {
			page: "google.md", api: "storage.googleapis.com", auth: "oauth2.googleapis.com", path: "/token", life: time.Hour,
			check: jwtBearer("RS256", map[string]string{
				"iss": filler + "@" + filler + ".iam.gserviceaccount.com", "aud": "https://oauth2.googleapis.com/token",
				"scope": "https://www.googleapis.com/auth/cloud-platform.read-only",
			}, map[string]string{"scope": "https://www.googleapis.com/auth/cloud-platform.read-only"}),
			reject:  oauthError(400, `{"error":"invalid_grant","error_description":"Invalid JWT Signature."}`),
			outcome: "token_rejected", words: "Invalid JWT Signature",
		},
		"Keycloak": {
			page: "keycloak.md", api: "api.example.com", auth: "sso.example.com",
			path: "/realms/" + filler + "/protocol/openid-connect/token", life: 5 * time.Minute,
			check: clientCredentials(true, nil),
			reject: oauthError(
				401, `{"error":"unauthorized_client","error_description":"Invalid client or Invalid client credentials"}`,
			),
			outcome: "token_rejected", words: "Invalid client credentials",
		},
		"Keycloak, private_key_jwt": {
			page: "keycloak.md", block: 1, api: "api.example.com", auth: "sso.example.com",
			path: "/realms/" + filler + "/protocol/openid-connect/token", life: 5 * time.Minute,
			check: privateKeyJWT("RS256", "https://sso.example.com/realms/"+filler+"/protocol/openid-connect/token", nil),
			reject: oauthError(
				400, `{"error":"invalid_client","error_description":"Client authentication with signed JWT failed"}`,
			),
			outcome: "token_rejected", words: "signed JWT failed",
		},
		"Okta": {
			page: "okta.md", api: "api.example.com", auth: filler + ".okta.com", path: "/oauth2/default/v1/token",
			life:  time.Hour,
			check: clientCredentials(true, map[string]string{"scope": "reports.read"}),
			reject: oauthError(
				401,
				`{"errorCode":"invalid_client","errorSummary":"Invalid value for 'client_id' parameter.",`+
					`"errorLink":"invalid_client","errorId":"oae1","errorCauses":[]}`,
			),
			outcome: "token_rejected", words: "Invalid value for 'client_id'",
		},
		"Okta, its own API": {
			page: "okta.md", block: 1, api: filler + ".okta.com", path: "/oauth2/v1/token", life: time.Hour,
			check: privateKeyJWT("RS256", "https://"+filler+
				".okta.com/oauth2/v1/token", map[string]string{"scope": "okta.logs.read"}),
			reject: oauthError(
				401, `{"error":"invalid_client","error_description":"The client_assertion signature is invalid."}`,
			),
			outcome: "token_rejected", words: "signature is invalid",
		},
		"Salesforce": {
			page: "salesforce.md", api: filler + ".my.salesforce.com", path: "/services/oauth2/token", life: 5 * time.Minute,
			check: jwtBearer("RS256", map[string]string{"iss": filler, "sub": filler +
				"@example.com", "aud": "https://login.salesforce.com"}, nil),
			grant: func(token string, _ time.Time, _ time.Duration) (int, string) { // no expires_in
				return 200, fmt.Sprintf(
					`{"access_token":%q,"scope":"api","instance_url":"https://x.my.salesforce.com","token_type":"Bearer"}`, token,
				)
			},
			reject:  oauthError(400, `{"error":"invalid_grant","error_description":"user hasn't approved this consumer"}`),
			outcome: "token_rejected", words: "approved this consumer",
		},
		"Snowflake, a key pair": {page: "snowflake.md", api: filler +
			".snowflakecomputing.com", life: 30 * time.Minute, outcome: "token_rejected"},
		"App Store Connect": {
			page: "app-store-connect.md", api: "api.appstoreconnect.apple.com", life: 15 * time.Minute,
			outcome: "token_rejected",
		},
		"Vault, AppRole": {
			page: "vault.md", api: "vault.example.com:8200", path: "/v1/auth/approle/login", life: time.Hour, grant: vault,
			check: func(_ *provided, q asked) string {
				return want(q, map[string]string{"role_id": filler, "secret_id": filler})
			},
			reject: oauthError(400, `{"errors":["invalid role or secret ID"]}`), outcome: "token_rejected",
			words: "invalid role or secret ID",
		},
		"Vault, a JWT": {
			page: "vault.md", block: 1, api: "vault.example.com:8200", path: "/v1/auth/jwt/login", life: time.Hour, grant: vault,
			check: func(r *provided, q asked) string {
				if wrong := want(q, map[string]string{"role": "reports", "jwt": "*"}); wrong != "" {
					return wrong
				}
				return r.signed(
					q.fields["jwt"], "RS256", map[string]string{"iss": "cronbearer", "sub": "reports", "aud": "vault"},
					5*time.Minute,
				)
			},
			reject: oauthError(400, `{"errors":["error validating token: invalid signature"]}`), outcome: "token_rejected",
			words: "invalid signature",
		},
		"Zoom": {
			page: "zoom.md", api: "api.zoom.us", auth: "zoom.us", path: "/oauth/token", life: time.Hour,
			check: func(_ *provided, q asked) string {
				if q.user != filler || q.pass != filler {
					return "the client is not authenticated by Basic"
				}
				return want(q, map[string]string{"grant_type": "account_credentials", "account_id": filler})
			},
			reject:  oauthError(400, `{"reason":"Invalid client_id or client_secret","error":"invalid_client"}`),
			outcome: "token_rejected", words: "Invalid client_id or client_secret",
		},
	}
}

// TestProviderPagesObtainTokens runs the real caller with the JSON of each page, against a stand-in that answers as
// that provider documents: granted, used until it expires, granted again, rejected. The real services were not tried.
func TestProviderPagesObtainTokens(t *testing.T) {
	t.Parallel()
	for name, p := range providers() {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			r := offer(t, p)
			call := event(map[string]any{"call": "GET https://" + p.api + "/v1/things"})
			for i, step := range []struct {
				pass   time.Duration
				tokens int
			}{{pass: 0, tokens: 1}, {pass: p.life / 2, tokens: 1}, {pass: p.life, tokens: 2}} {
				r.advance(step.pass)
				if run := r.invoke(call); run.Result.Outcome != "succeeded" {
					t.Fatalf("run %d: %+v\n%s", i+1, run.Result, run.Message)
				}
				if p.path != "" && r.tokens != step.tokens {
					t.Errorf("run %d: %d tokens were granted, want %d", i+1, r.tokens, step.tokens)
				}
			}
			r.mu.Lock()
			r.revoked = true
			r.mu.Unlock()
			r.advance(2 * p.life)
			run := r.invoke(call)
			if run.Result.Outcome != p.outcome || run.Result.Verdict != "rejected" || !strings.Contains(run.Message, p.words) {
				t.Errorf("rejected: %+v\n%s\nwant the provider's words %q", run.Result, run.Message, p.words)
			}
			r.nothingLeaked(t)
		})
	}
}

// offer deploys with the page's secret and a provider that grants it tokens.
func offer(t *testing.T, p provider) *provided {
	t.Helper()
	keys := signingKeys(t)
	r := &provided{p: p, keys: keys, granted: map[string]time.Time{}}
	r.rig = start(t, awssim.Options{Hosts: []string{p.api}, Parameters: map[string]string{"AllowedHosts": p.api}})
	r.Target(p.api).Rule(func(q upstream.Request) (upstream.Answer, bool) {
		if p.auth == "" && p.path != "" && q.Path == p.path {
			return r.token(t, understand(q.Method, q.Path, q.Header, q.Body)), true
		}
		if r.good(t, q.Token) {
			return upstream.OK, true
		}
		return upstream.Answer{Status: http.StatusUnauthorized}, true
	})
	if p.auth != "" {
		must(t, r.Host(p.auth, http.HandlerFunc(func(w http.ResponseWriter, q *http.Request) {
			body, _ := io.ReadAll(q.Body)
			a := r.token(t, understand(q.Method, q.URL.Path, q.Header, body))
			for name, value := range a.Header {
				w.Header().Set(name, value)
			}
			w.WriteHeader(a.Status)
			_, _ = io.WriteString(w, a.Body)
		})))
	}
	text := pageSecret(t, p.page, p.block, keys)
	text = strings.Replace(text, `"*.googleapis.com"`, `"`+p.api+`"`, 1)
	r.putLocal(text)
	for _, key := range keys {
		der, err := x509.MarshalPKCS8PrivateKey(key)
		must(t, err)
		text := base64.StdEncoding.EncodeToString(der)
		r.secrets = append(r.secrets, text[len(text)-32:])
	}
	return r
}

// good reports whether the API accepts a token: one that was granted and lives, or a JWT of ours.
func (r *provided) good(t *testing.T, token string) bool {
	t.Helper()
	if r.p.path == "" {
		return !r.isRevoked() && r.ownJWT(token) == ""
	}
	r.mu.Lock()
	defer r.mu.Unlock()
	return r.Now().Before(r.granted[token])
}

func (r *provided) isRevoked() bool {
	r.mu.Lock()
	defer r.mu.Unlock()
	return r.revoked
}

// ownJWT is what the two APIs want of the JWT that is the token itself.
func (r *provided) ownJWT(text string) string {
	all := jwt.MapClaims{}
	key, method, claims := "RSA", "RS256", map[string]string{"iss": filler + "." + filler + ".SHA256:" +
		filler, "sub": filler + "." + filler}
	if r.p.page == "app-store-connect.md" {
		key, method, claims = "EC", "ES256", map[string]string{"iss": filler, "aud": "appstoreconnect-v1"}
	}
	parsed, err := jwt.NewParser(
		jwt.WithTimeFunc(r.Now), jwt.WithValidMethods([]string{method}), jwt.WithExpirationRequired(),
	).
		ParseWithClaims(text, all, func(*jwt.Token) (any, error) { return r.keys[key].Public(), nil })
	if err != nil {
		return err.Error()
	}
	for name, value := range claims {
		if fmt.Sprint(all[name]) != value {
			return "claim " + name
		}
	}
	if method == "ES256" && parsed.Header["kid"] != filler {
		return "no kid" // "The request is unauthorized if the key ID is missing"
	}
	issued, _ := all.GetIssuedAt()
	until, _ := all.GetExpirationTime()
	if method == "ES256" && until.Sub(issued.Time) > 20*time.Minute {
		return "it lives longer than 20 minutes"
	}
	return ""
}

// token is the token endpoint.
func (r *provided) token(t *testing.T, q asked) upstream.Answer {
	t.Helper()
	if q.method != http.MethodPost || q.path != r.p.path {
		t.Errorf("%s %s is not the token endpoint", q.method, q.path)
	}
	if wrong := r.p.check(r, q); wrong != "" {
		t.Errorf("%s would reject the request: %s", r.p.page, wrong)
		return oauthError(http.StatusBadRequest, `{"error":"invalid_request"}`)
	}
	if r.isRevoked() {
		return r.p.reject
	}
	r.mu.Lock()
	defer r.mu.Unlock()
	r.tokens++
	token := "00D!granted." + rand.Text() // Salesforce's hold an exclamation mark
	until := r.Now().Add(r.p.life).Truncate(time.Second)
	r.granted[token] = until
	r.secrets = append(r.secrets, token)
	if r.p.grant != nil {
		status, body := r.p.grant(token, until, r.p.life)
		return oauthError(status, body)
	}
	return oauthError(
		http.StatusOK,
		fmt.Sprintf(`{"access_token":%q,"token_type":"Bearer","expires_in":%d}`, token, int(r.p.life.Seconds())),
	)
}

// understand reads a request as a provider does: a form, or an object of JSON.
func understand(method, path string, header http.Header, body []byte) asked {
	q := asked{method: method, path: path, header: header, fields: map[string]string{}}
	q.isJSON = strings.HasPrefix(header.Get("Content-Type"), "application/json")
	if q.isJSON {
		var object map[string]any
		_ = json.Unmarshal(body, &object)
		for name, value := range object {
			if text, ok := value.(string); ok {
				q.fields[name] = text
				continue
			}
			text, _ := json.Marshal(value)
			q.fields[name] = string(text)
		}
	} else if form, err := url.ParseQuery(string(body)); err == nil {
		for name := range form {
			q.fields[name] = form.Get(name)
		}
	}
	q.bearer = strings.TrimPrefix(header.Get("Authorization"), "Bearer ")
	request := http.Request{Header: header}
	if user, pass, ok := request.BasicAuth(); ok { // RFC 6749 section 2.3.1: form-encoded
		q.user, _ = url.QueryUnescape(user)
		q.pass, _ = url.QueryUnescape(pass)
	}
	return q
}

// nothingLeaked looks for what was granted, and for the keys, in all that the functions wrote. What the pages'
// placeholders stand for is looked for by the canary tests.
func (r *provided) nothingLeaked(t *testing.T) {
	t.Helper()
	for _, run := range r.Runs() {
		for _, secret := range r.secrets { // the filler is in public ids, too
			if strings.Contains(fmt.Sprint(run.Stdout, run.Stderr, run.Message), secret) {
				t.Errorf("a run of %s wrote a secret", run.Function)
			}
		}
	}
}

func signingKeys(t *testing.T) map[string]crypto.Signer {
	t.Helper()
	rsaKey, err := rsa.GenerateKey(rand.Reader, 2048)
	must(t, err)
	ecKey, err := ecdsa.GenerateKey(elliptic.P256(), rand.Reader)
	must(t, err)
	_, edKey, err := ed25519.GenerateKey(rand.Reader)
	must(t, err)
	return map[string]crypto.Signer{"RSA": rsaKey, "EC": ecKey, "Ed25519": edKey}
}

// certificate is the RSA key's: the same each time.
func certificate(keys map[string]crypto.Signer) []byte {
	template := &x509.Certificate{
		SerialNumber: big.NewInt(1), NotBefore: awssim.Start.Add(-time.Hour), NotAfter: awssim.Start.AddDate(1, 0, 0),
		SignatureAlgorithm: x509.SHA256WithRSA, // the same bytes each time, as PSS has a salt
	}
	der, err := x509.CreateCertificate(rand.Reader, template, template, keys["RSA"].Public(), keys["RSA"])
	if err != nil {
		return nil // a key of this test's own
	}
	return der
}

func thumbprint(keys map[string]crypto.Signer) string {
	sum := sha256.Sum256(certificate(keys))
	return base64.RawURLEncoding.EncodeToString(sum[:])
}

// pageSecret is a secret of a page, with a value for each placeholder.
func pageSecret(t *testing.T, page string, block int, keys map[string]crypto.Signer) string {
	t.Helper()
	text, err := os.ReadFile(filepath.Join(awssimtest.Root(), "docs", "providers", page))
	must(t, err)
	blocks := regexp.MustCompile("(?ms)^```json secret\n(.*?)^```$").FindAllStringSubmatch(string(text), -1)
	if len(blocks) <= block {
		t.Fatalf("%s has %d secrets", page, len(blocks))
	}
	pemText := func(kind string, der []byte) string {
		quoted, err := json.Marshal(string(pem.EncodeToMemory(&pem.Block{Type: kind, Bytes: der})))
		must(t, err)
		return strings.Trim(string(quoted), `"`)
	}
	return regexp.MustCompile(`<[^<>"]+>`).ReplaceAllStringFunc(blocks[block][1], func(p string) string {
		if kind, _, ok := strings.Cut(strings.Trim(p, "<"), " private key"); ok {
			der, err := x509.MarshalPKCS8PrivateKey(keys[kind])
			must(t, err)
			return pemText("PRIVATE KEY", der)
		}
		if strings.HasPrefix(p, "<RSA certificate") {
			return pemText("CERTIFICATE", certificate(keys))
		}
		return filler
	})
}
