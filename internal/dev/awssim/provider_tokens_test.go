package awssim_test

import (
	"encoding/json"
	"fmt"
	"io"
	"net/http"
	"path/filepath"
	"regexp"
	"strings"
	"testing"
	"time"

	"github.com/cronbearer/cronbearer/internal/dev/awssim"
	"github.com/cronbearer/cronbearer/internal/dev/awssim/awssimtest"
	"github.com/cronbearer/cronbearer/internal/dev/upstream"
)

func daysPublished(r *rig) (days float64, found bool) {
	for _, d := range r.CloudWatch.Data("") {
		if d.Metric == "TokenDaysToExpiry" {
			days, found = d.Value(), true
		}
	}
	return days, found
}

// TestProviderPagesKnowTheExpiryOfStoredTokens: what a provider says of a token that it does not sign, as its
// documents describe it: a header of each answer, or the answer to the page's probe. And what it answers to a revoked
// one.
func TestProviderPagesKnowTheExpiryOfStoredTokens(t *testing.T) {
	t.Parallel()
	until := awssim.Start.AddDate(0, 0, 40)
	asJSON := map[string]string{"Content-Type": "application/json"}
	cases := map[string]struct {
		page    string
		block   int
		api     string
		probe   string          // its path; empty: the expiry comes with each answer
		good    upstream.Answer // to the probe, or to a call
		revoked upstream.Answer
		days    float64
	}{
		"GitHub, a personal access token": {
			page: "github.md", api: "api.github.com", days: 40,
			good: upstream.Answer{Header: map[string]string{
				"github-authentication-token-expiration": until.Format("2006-01-02 15:04:05 UTC"),
			}},
			revoked: upstream.Answer{Status: 401, Header: asJSON, Body: `{"message":"Bad credentials","status":"401"}`},
		},
		"Cloudflare": {
			page: "cloudflare.md", api: "api.cloudflare.com", probe: "/client/v4/user/tokens/verify", days: 40,
			good: upstream.Answer{Header: asJSON, Body: fmt.Sprintf(
				`{"success":true,"errors":[],"result":{"id":"a","status":"active","expires_on":%q}}`, until.Format(time.RFC3339))},
			revoked: upstream.Answer{
				Status: 401, Header: asJSON,
				Body: `{"success":false,"errors":[{"code":1000,"message":"Invalid API Token"}],"result":null}`,
			},
		},
		"GitLab, a probe": {
			page: "gitlab.md", block: 1, api: "gitlab.example.com", probe: "/api/v4/personal_access_tokens/self",
			days: 40 - 8.0/24,
			good: upstream.Answer{
				Header: asJSON, Body: fmt.Sprintf(`{"id":1,"active":true,"expires_at":%q}`, until.Format("2006-01-02")),
			},
			revoked: upstream.Answer{
				Status: 401, Header: asJSON, Body: `{"error":"invalid_token","error_description":"Token was revoked."}`,
			},
		},
	}
	for name, c := range cases {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			r := start(t, awssim.Options{Hosts: []string{c.api}, Parameters: map[string]string{"AllowedHosts": c.api}})
			revoked := false
			r.Target(c.api).Rule(func(q upstream.Request) (upstream.Answer, bool) {
				switch {
				case q.Token != filler:
					return upstream.Answer{Status: 400, Body: "another token"}, true
				case revoked:
					return c.revoked, true
				case c.probe != "" && q.Path != c.probe:
					return upstream.Answer{Status: 404, Body: "another path"}, true
				}
				return c.good, true
			})
			r.putLocal(pageSecret(t, c.page, c.block, signingKeys(t)))
			run := r.invoke(event(map[string]any{"call": "GET https://" + c.api + "/v1/things", "action": action(c.probe)}))
			if days, found := daysPublished(r); run.Result.Outcome != "succeeded" || !found || days < c.days-0.01 ||
				days > c.days+0.01 {
				t.Fatalf("%+v, %v days to expiry, want %v\n%s", run.Result, days, c.days, run.Message)
			}
			revoked = true
			run = r.invoke(event(map[string]any{"call": "GET https://" + c.api + "/v1/things", "action": action(c.probe)}))
			if run.Result.Outcome != "token_rejected" || run.Result.Verdict != "rejected" {
				t.Errorf("revoked: %+v\n%s", run.Result, run.Message)
			}
			if strings.Contains(fmt.Sprint(run.Stdout, run.Message), filler) {
				t.Error("the token is in the output")
			}
		})
	}
}

func action(probe string) string {
	if probe == "" {
		return "call"
	}
	return "check"
}

// TestProviderPagesRenewTheirTokens runs the real rotator with the JSON of the pages of which the token is renewed: the
// new token is used, the credential is replaced, and a dead one is named.
func TestProviderPagesRenewTheirTokens(t *testing.T) {
	t.Parallel()
	cases := map[string]struct {
		page      string
		block     int
		api       string
		auth      string // the token endpoint's host; empty: the API's
		path      string
		check     func(q asked, token, refresh string) string
		answer    func(token, refresh string) (int, string)
		rejection upstream.Answer
		failure   string // the error's type once the credential is dead
	}{
		"generic, a refresh token": {
			page: "generic-oauth2.md", block: 3, api: "api.example.com", auth: "auth.example.com", path: "/oauth2/token",
			check: func(q asked, _, refresh string) string {
				if q.user != filler || q.pass != filler {
					return "the client is not authenticated by Basic"
				}
				return want(q, map[string]string{"grant_type": "refresh_token", "refresh_token": refresh})
			},
			answer: func(token, refresh string) (int, string) {
				return 200, fmt.Sprintf(
					`{"access_token":%q,"refresh_token":%q,"token_type":"Bearer","expires_in":3600}`, token, refresh,
				)
			},
			rejection: oauthError(400, `{"error":"invalid_grant","error_description":"revoked"}`),
			failure:   "ReauthorizationRequiredError",
		},
		"GitHub, a user's token of an app": { // 200 with an error, and no status of RFC 6749
			page: "github.md", block: 1, api: "api.github.com", auth: "github.com", path: "/login/oauth/access_token",
			check: func(q asked, _, refresh string) string {
				return want(q, map[string]string{
					"grant_type": "refresh_token", "refresh_token": refresh, "client_id": filler, "client_secret": filler,
				})
			},
			answer: func(token, refresh string) (int, string) {
				return 200, fmt.Sprintf(
					`{"access_token":%q,"expires_in":28800,"refresh_token":%q,"refresh_token_expires_in":15897600,`+
						`"token_type":"bearer","scope":""}`,
					token, refresh)
			},
			rejection: oauthError(
				200, `{"error":"bad_refresh_token","error_description":"The refresh token passed is incorrect or expired."}`,
			),
			failure: "ReauthorizationRequiredError",
		},
		"GitLab, rotate": {
			page: "gitlab.md", api: "gitlab.example.com", path: "/api/v4/personal_access_tokens/self/rotate",
			check: func(q asked, token, _ string) string {
				if q.bearer != token {
					return "another token"
				}
				return ""
			},
			answer: func(token, _ string) (int, string) {
				return 200, fmt.Sprintf(
					`{"id":43,"name":"cron","revoked":false,"active":true,"token":%q,"expires_at":"2026-11-09"}`, token,
				)
			},
			rejection: oauthError(401, `{"error":"invalid_token","error_description":"Token was revoked."}`),
			failure:   "ReauthorizationRequiredError",
		},
	}
	for name, c := range cases {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			r := start(t, awssim.Options{
				Hosts: []string{c.api}, Parameters: map[string]string{"AllowedHosts": c.api}, Binaries: awssimtest.Binaries(t),
				NoStarts: true,
			})
			token, refresh, renewals, revoked := filler, filler, 0, false
			renew := func(q asked) upstream.Answer {
				if q.method != http.MethodPost || q.path != c.path {
					t.Errorf("%s %s is not where tokens are renewed", q.method, q.path)
				}
				if wrong := c.check(q, token, refresh); wrong != "" {
					t.Errorf("%s would reject the request: %s", c.page, wrong)
				}
				if revoked {
					return c.rejection
				}
				renewals++
				token, refresh = fmt.Sprintf("renewed-token-%d-abcdef", renewals), fmt.Sprintf(
					"renewed-refresh-%d-abcdef", renewals,
				)
				status, body := c.answer(token, refresh)
				return oauthError(status, body)
			}
			r.Target(c.api).Rule(func(q upstream.Request) (upstream.Answer, bool) {
				if c.auth == "" && q.Path == c.path {
					return renew(understand(q.Method, q.Path, q.Header, q.Body)), true
				}
				if q.Token != token {
					return upstream.Answer{Status: http.StatusUnauthorized}, true
				}
				return upstream.OK, true
			})
			if c.auth != "" {
				must(t, r.Host(c.auth, http.HandlerFunc(func(w http.ResponseWriter, q *http.Request) {
					body, _ := io.ReadAll(q.Body)
					a := renew(understand(q.Method, q.URL.Path, q.Header, body))
					w.Header().Set("Content-Type", "application/json")
					w.WriteHeader(a.Status)
					_, _ = io.WriteString(w, a.Body)
				})))
			}
			text := pageSecret(t, c.page, c.block, signingKeys(t))
			text = regexp.MustCompile(`"test": "[^"]*"`).ReplaceAllStringFunc(text, r.Local)
			r.putLocal(text)
			_, err := r.AddRotation(filepath.Join(awssimtest.Root(), "infra", "rotation.yaml"), secret, "rate(30 minutes)")
			must(t, err)
			rotate := func() (string, string) {
				must(t, r.Secrets.RotateSecret(t.Context(), r.SecretID(secret)))
				r.SecretsAPI.Wait()
				for _, run := range r.Runs() {
					if run.Function == "Rotator" && run.Failed {
						return run.ErrorType, run.Message
					}
				}
				return "", ""
			}
			if failed, message := rotate(); failed != "" || renewals != 1 {
				t.Fatalf("%d renewals, %s: %s", renewals, failed, message)
			}
			if run := r.invoke(event(map[string]any{"call": "GET https://" + c.api +
				"/v1/things"})); run.Result.Outcome != "succeeded" {
				t.Errorf("with the new token: %+v\n%s", run.Result, run.Message)
			}
			if stored, _ := r.Secrets.Value(r.SecretID(secret), "AWSCURRENT"); !strings.Contains(stored, token) ||
				strings.Contains(stored, `"refresh_token"`) != (c.auth != "") || c.auth != "" &&
				!strings.Contains(stored, refresh) || !json.Valid([]byte(stored)) {
				t.Error("AWSCURRENT does not hold what the provider granted last")
			}
			revoked = true
			if failed, message := rotate(); failed != c.failure || strings.Contains(message, "renewed-") {
				t.Errorf("revoked: %s, want %s: %s", failed, c.failure, message)
			}
		})
	}
}
