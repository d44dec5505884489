package awssim_test

import (
	"crypto/rand"
	"encoding/json"
	"fmt"
	"io"
	"net/http"
	"net/url"
	"os"
	"path/filepath"
	"regexp"
	"strings"
	"sync"
	"testing"
	"time"

	"github.com/cronbearer/cronbearer/internal/dev/awssim"
	"github.com/cronbearer/cronbearer/internal/dev/awssim/awssimtest"
	"github.com/cronbearer/cronbearer/internal/dev/upstream"
)

// standIn is a provider's token endpoint as its documents describe it.
type standIn struct {
	page      string // in docs/providers
	block     int    // which of the page's secrets with an AWS identity
	api       string // the host that is called
	host      string // of the token endpoint; empty: the API verifies the JWT itself
	path      string
	json      bool              // the request's form
	form      map[string]string // what it must be; JWT stands for the identity, * for anything
	header    map[string]string
	proof     string // the parameter that holds the JWT
	rejection string // the answer, with status, to what it does not trust
	status    int
	outcome   string // of such a run
}

const (
	exchangeType = "urn:ietf:params:oauth:grant-type:token-exchange"
	bearerType   = "urn:ietf:params:oauth:grant-type:jwt-bearer"
	clientType   = "urn:ietf:params:oauth:client-assertion-type:jwt-bearer"
	jwtTokenType = "urn:ietf:params:oauth:token-type:jwt"
)

// TestProvidersThatTakeIdentities runs the real binary with the JSON of the pages, against stand-ins that answer as the
// providers document and verify what AWS signed by the published keys: granted, reused, expired, rejected. The real
// providers were not tried.
func TestProvidersThatTakeIdentities(t *testing.T) {
	t.Parallel()
	anthropic := standIn{
		page: "anthropic.md", api: "api.anthropic.com", host: "api.anthropic.com", path: "/v1/oauth/token", json: true,
		proof: "assertion",
		form: map[string]string{
			"grant_type": bearerType, "assertion": "JWT", "federation_rule_id": "*", "organization_id": "*",
			"service_account_id": "*",
		},
		status: 400, rejection: `{"error":"invalid_grant","error_description":"no federation rule matches"}`,
		outcome: "token_rejected",
	}
	anthropicLogin := anthropic
	anthropicLogin.block, anthropicLogin.header = 1, map[string]string{"Anthropic-Beta": "oidc-federation-2026-04-01"}
	cases := map[string]standIn{
		"Entra ID": {
			page: "entra-id.md", api: "graph.microsoft.com", host: "login.microsoftonline.com", path: "/value/oauth2/v2.0/token",
			proof: "client_assertion",
			form: map[string]string{
				"grant_type": "client_credentials", "client_id": "value", "scope": "https://graph.microsoft.com/.default",
				"client_assertion": "JWT", "client_assertion_type": clientType,
			},
			status: 401,
			rejection: `{"error":"invalid_client","error_description":"AADSTS700213: No matching federated identity record ` +
				`found"}`,
			outcome: "token_rejected",
		},
		"Google Cloud": {
			page: "google.md", api: "storage.googleapis.com", host: "sts.googleapis.com", path: "/v1/token",
			proof: "subject_token",
			form: map[string]string{
				"grant_type": exchangeType, "subject_token": "JWT", "subject_token_type": jwtTokenType,
				"scope":                "https://www.googleapis.com/auth/cloud-platform",
				"requested_token_type": "urn:ietf:params:oauth:token-type:access_token",
				"audience": "//iam.googleapis.com/projects/value/locations/global/workloadIdentityPools/value/provid" +
					"ers/value",
			},
			status: 400, rejection: `{"error":"invalid_grant","error_description":"The audience in ID Token does not match"}`,
			outcome: "token_rejected",
		},
		"OpenAI": {
			page: "openai.md", api: "api.openai.com", host: "auth.openai.com", path: "/oauth/token", json: true,
			proof: "subject_token",
			form: map[string]string{
				"grant_type": exchangeType, "subject_token": "JWT", "subject_token_type": jwtTokenType,
				"identity_provider_id": "value", "service_account_id": "value",
			},
			status: 400, rejection: `{"error":"invalid_grant"}`, outcome: "token_rejected",
		},
		"Anthropic":          anthropic,
		"Anthropic, a login": anthropicLogin,
		"Buildkite": {
			page: "buildkite.md", api: "api.buildkite.com", host: "buildkite.com", path: "/oauth/token",
			proof: "client_assertion",
			form: map[string]string{
				"grant_type": "client_credentials", "client_id": "value", "scope": "read_builds",
				"client_assertion": "JWT", "client_assertion_type": clientType,
			},
			status: 401, rejection: `{"error":"invalid_client"}`, outcome: "token_rejected",
		},
		"an Application Load Balancer": {page: "alb.md", api: "api.example.com", outcome: "token_rejected"},
	}
	for name, s := range cases {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			s.run(t)
		})
	}
}

func (s standIn) run(t *testing.T) {
	t.Helper()
	secret := s.secret(t)
	var members struct {
		Identity struct{ Audience string } `json:"aws_identity"`
	}
	must(t, json.Unmarshal([]byte(secret), &members))
	r := &federated{rig: start(t, awssim.Options{
		Hosts:      []string{s.api},
		Parameters: map[string]string{"IdentityAudiences": members.Identity.Audience, "AllowedHosts": s.api},
	})}
	r.audience, r.algorithms = members.Identity.Audience, []string{"RS256", "ES384"}
	if s.host == "" {
		r.algorithms = []string{"RS256"} // a load balancer accepts no other
	}
	must(t, r.trust())
	var granted sync.Map // tokens: until when
	api := r.Target(s.api)
	api.Rule(func(q upstream.Request) (upstream.Answer, bool) {
		if s.host == "" {
			return upstream.OK, r.verify(q.Token) == nil
		}
		until, ok := granted.Load(q.Token)
		return upstream.OK, ok && r.Now().Before(until.(time.Time))
	})
	endpoint := http.HandlerFunc(func(w http.ResponseWriter, q *http.Request) { s.serve(t, r, &granted, w, q) })
	switch s.host {
	case "":
	case s.api: // one host for both
		must(t, r.Host("token."+s.host, endpoint))
		secret = strings.Replace(secret, "https://"+s.host+s.path, "https://token."+s.host+s.path, 1)
		secret = strings.Replace(secret, `"hosts": [`, `"hosts": ["token.`+s.host+`", `, 1)
	default:
		must(t, r.Host(s.host, endpoint))
	}
	r.putLocal(secret)
	call := event(map[string]any{"call": "GET https://" + s.api + "/v1/things"})
	life := time.Hour
	if s.host == "" {
		life = 5 * time.Minute
	}
	for i, step := range []struct {
		pass   time.Duration
		tokens int
	}{{pass: 0, tokens: 1}, {pass: life / 2, tokens: 1}, {pass: life / 2, tokens: 2}} {
		r.advance(step.pass)
		if run := r.invoke(call); run.Result.Outcome != "succeeded" || len(r.STS.Calls()) != step.tokens {
			t.Fatalf("run %d, %d identities: %+v\n%s", i+1, len(r.STS.Calls()), run.Result, run.Message)
		}
	}
	// The provider trusts another role from now on.
	other := "arn:aws:iam::123456789012:role/Other"
	r.subject.Store(&other)
	r.advance(life)
	if run := r.invoke(call); run.Result.Outcome != s.outcome || run.Result.Verdict != "rejected" {
		t.Errorf("rejected: %+v\n%s", run.Result, run.Message)
	}
}

// secret is the page's, with a value for each placeholder.
func (s standIn) secret(t *testing.T) string {
	t.Helper()
	page, err := os.ReadFile(filepath.Join(awssimtest.Root(), "docs", "providers", s.page))
	must(t, err)
	var found []string
	for _, block := range regexp.MustCompile("(?ms)^```json secret\n(.*?)^```$").FindAllStringSubmatch(string(page), -1) {
		if strings.Contains(block[1], `"aws_identity"`) {
			found = append(found, regexp.MustCompile(`<[^<>"]+>`).ReplaceAllString(block[1], "value"))
		}
	}
	if len(found) <= s.block {
		t.Fatalf("%s has %d secrets with an AWS identity", s.page, len(found))
	}
	return found[s.block]
}

// serve grants a token for an hour to an identity that it trusts.
func (s standIn) serve(t *testing.T, r *federated, granted *sync.Map, w http.ResponseWriter, q *http.Request) {
	t.Helper()
	body, err := io.ReadAll(q.Body)
	if err != nil {
		t.Error(err)
	}
	got := map[string]string{}
	if s.json {
		if err := json.Unmarshal(body, &got); err != nil {
			t.Errorf("the request is not an object of strings: %v", err)
		}
	} else if form, err := url.ParseQuery(string(body)); err == nil {
		for name := range form {
			got[name] = form.Get(name)
		}
	}
	proof := got[s.proof]
	for name := range s.form {
		if s.form[name] == "*" && got[name] != "" || s.form[name] == "JWT" && got[name] == proof {
			got[name] = s.form[name]
		}
	}
	for name, want := range s.header {
		if q.Header.Get(name) != want {
			t.Errorf("header %s is %q", name, q.Header.Get(name))
		}
	}
	if want, have := fmt.Sprint(s.form), fmt.Sprint(got); q.URL.Path != s.path || q.Header.Get("Authorization") != "" ||
		have != want {
		t.Errorf("POST %s\ngot  %s\nwant %s", q.URL.Path, have, want)
	}
	w.Header().Set("Content-Type", "application/json")
	if r.verify(proof) != nil {
		w.WriteHeader(s.status)
		_, _ = io.WriteString(w, s.rejection)
		return
	}
	token := "granted-" + rand.Text()
	granted.Store(token, r.Now().Add(time.Hour))
	_, _ = fmt.Fprintf(w, `{"access_token":%q,"token_type":"Bearer","expires_in":3600}`, token)
}

// putLocal stores a secret in which only what is called is a host of this machine: audiences and scopes are URLs, too.
func (r *rig) putLocal(secret string) {
	r.t.Helper()
	for _, pattern := range []string{`"token_url": "[^"]*"`, `"call": "[^"]*"`, `"hosts": \[[^\]]*\]`} {
		secret = regexp.MustCompile(pattern).ReplaceAllStringFunc(secret, r.Local)
	}
	if _, err := r.Secrets.Put(r.SecretID("example-api"), secret); err != nil {
		r.t.Fatal(err)
	}
}
