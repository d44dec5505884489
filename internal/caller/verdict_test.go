package caller_test

import (
	"context"
	"fmt"
	"io"
	"net/http"
	"strings"
	"testing"
	"testing/synctest"
	"time"

	"github.com/google/go-cmp/cmp"

	"github.com/cronbearer/cronbearer/internal/config"
)

// answer serves all calls of the target in one way.
func (r *rig) answer(status int, headers map[string]string, body string) {
	r.net.Handle(host, func(w http.ResponseWriter, _ *http.Request) {
		for name, value := range headers {
			w.Header().Set(name, value)
		}
		w.WriteHeader(status)
		_, _ = io.WriteString(w, body)
	})
}

// The rows of "Rules and verdicts": what a target says, and what must come out of the run.
func TestAnswersOfTargetsInTheWild(t *testing.T) {
	t.Parallel()
	const slack = `{"ok":false,"error":"token_revoked"}`
	slackRule := event{"reject": event{"json": event{"/error": []any{"invalid_auth", "token_revoked", "token_expired"}}}}
	for name, c := range map[string]struct {
		status   int
		headers  map[string]string
		body     string
		event    event
		outcome  string
		verdict  string
		says     []string
		rejected string // the datum TokenRejected; empty: none
	}{
		"Slack's five words in a 200": {
			status: 200, body: slack, event: slackRule, outcome: "token_rejected", verdict: "rejected",
			says: []string{"reject.json", "error: token_revoked"}, rejected: "1",
		},
		"Slack's other errors in a 200": {
			status: 200, body: `{"ok":false,"error":"channel_not_found"}`, event: slackRule, outcome: "succeeded",
			verdict: "accepted", rejected: "0",
		},
		"Slack's other errors with an expectation": {
			status: 200, body: `{"ok":false,"error":"channel_not_found"}`,
			event:   event{"expect": event{"json": event{"/ok": true}}, "reject": slackRule["reject"]},
			outcome: "target_failed", verdict: "unknown", says: []string{"expect.json", "error: channel_not_found"},
		},
		"GraphQL": {
			status: 200, body: `{"errors":[{"code":"X"},{"code":"UNAUTHENTICATED"}]}`,
			event:   event{"reject": event{"json": event{"/errors/*/code": "UNAUTHENTICATED"}}},
			outcome: "token_rejected", verdict: "rejected", rejected: "1",
		},
		"GraphQL with extensions": {
			status: 200, body: `{"data":null,"errors":[{"message":"m","extensions":{"code":"UNAUTHENTICATED"}}]}`,
			event: event{
				"reject": event{"json": event{"/errors/*/extensions/code": []any{"UNAUTHENTICATED", "AUTHENTICATION_ERROR"}}},
			},
			outcome: "token_rejected", verdict: "rejected", rejected: "1",
		},
		"invalid_token under 403": {
			status: 403, headers: map[string]string{"WWW-Authenticate": `Bearer realm="api", error="invalid_token"`},
			outcome: "token_rejected", verdict: "rejected", says: []string{`403 and its challenge says error="invalid_token"`},
			rejected: "1",
		},
		"invalid_token under 400": {
			status: 400, headers: map[string]string{"WWW-Authenticate": `Bearer error="invalid_token"`},
			outcome: "token_rejected", verdict: "rejected", rejected: "1",
		},
		"insufficient_scope under 401": {
			status:  401,
			headers: map[string]string{"WWW-Authenticate": `Bearer error="insufficient_scope", scope="reports:write"`},
			outcome: "target_failed", verdict: "unknown",
			says: []string{"the target names the scope reports:write", "Grant token T that right"},
		},
		"a missing right under 403": {
			status: 403, body: `{"message":"no access"}`, outcome: "target_failed", verdict: "unknown",
			says: []string{"message: no access", "nothing about token T"},
		},
		"a redirect": {
			status: 301, headers: map[string]string{"Location": "/v1/sync/?session=" + secret("s")}, outcome: "target_failed",
			verdict: "unknown",
			says:    []string{"points to https://example.com/v1/sync/", "redirects are not followed"},
		},
		"words and a request id": {
			status: 422, headers: map[string]string{"X-Request-Id": "abc"}, body: `{"errors":[{"message":"must be a date"}]}`,
			outcome: "target_failed", verdict: "unknown", says: []string{"The target says: message: must be a date."},
		},
		"a sign-in page with 203, expecting JSON": {
			status: 203, headers: map[string]string{"Content-Type": "text/html"}, body: "<html>Sign in",
			event:   event{"expect": event{"contentType": "application/json"}},
			outcome: "target_failed", verdict: "unknown", says: []string{"203", "expect.contentType"},
		},
		"a sign-in page with 203, expecting 200": {
			status: 203, body: "<html>Sign in", event: event{"expect": event{"status": []any{200}}}, outcome: "target_failed",
			verdict: "unknown",
		},
		"a sign-in page with 203 that a rule names": {
			status: 203, body: "<html>Sign in", event: event{"reject": event{"status": []any{203}}}, outcome: "token_rejected",
			verdict: "rejected", rejected: "1",
		},
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			synctest.Test(t, func(t *testing.T) {
				r := newRig(t, nil)
				r.secrets.put(current, "v1", secret("t"), 24*time.Hour)
				r.answer(c.status, c.headers, c.body)
				got := r.run(c.event)
				if string(got.result.Outcome) != c.outcome || string(got.result.Verdict) != c.verdict ||
					got.result.TargetRequestID != c.headers["X-Request-Id"] {
					t.Errorf("%+v", got.result)
				}
				for _, part := range c.says {
					if got.err == nil || !strings.Contains(got.err.Error(), part) {
						t.Errorf("the error does not say %q: %v", part, got.err)
					}
				}
				want := []string{}
				if c.rejected != "" {
					want = append(want, "TokenRejected S T "+c.rejected)
				}
				data := []string{}
				for _, datum := range r.said() {
					if strings.HasPrefix(datum, "TokenRejected") {
						data = append(data, datum)
					}
				}
				if diff := cmp.Diff(want, data); diff != "" {
					t.Errorf("data (-want +got):\n%s", diff)
				}
			})
		})
	}
}

func TestRateLimitThenAcceptedPublishesNoRejection(t *testing.T) {
	t.Parallel()
	synctest.Test(t, func(t *testing.T) {
		r := newRig(t, nil)
		r.secrets.put(current, "v1", secret("t"), 60*24*time.Hour)
		calls := 0
		r.net.Handle(host, func(w http.ResponseWriter, _ *http.Request) {
			if calls++; calls == 1 {
				w.Header().Set("Retry-After", "1")
				w.WriteHeader(http.StatusForbidden)
			}
		})
		got := r.run(event{"reject": event{"status": []any{403}}})
		if got.result.Outcome != "succeeded" || got.result.Attempts != 2 || got.result.Rejections != 0 {
			t.Errorf("%+v", got.result)
		}
		if diff := cmp.Diff([]string{"TokenRejected S T 0", "Heartbeat S J 1"}, r.said()); diff != "" {
			t.Error(diff)
		}
	})
}

// A provider whose tokens are rejected for a moment after they were issued.
func TestMintedTokenThatNeedsAMomentIsNotARejection(t *testing.T) {
	t.Parallel()
	for name, c := range map[string]struct {
		moment   time.Duration // from its issue until a token is accepted
		event    event
		deadline time.Duration // of the invocation; 0: none
		warm     time.Duration // the environment's token was minted this long ago, and is dead now
		outcome  string
		tried    []string
		with     string
	}{
		"accepted after a moment": {
			moment: 900 * time.Millisecond, outcome: "succeeded", tried: []string{"m1", "m1"}, with: "minted",
		},
		"a POST, as a 401 did nothing": {
			moment: 900 * time.Millisecond, event: event{"call": "POST https://example.com/"}, outcome: "succeeded",
			tried: []string{"m1", "m1"}, with: "minted",
		},
		"never accepted": {moment: time.Hour, outcome: "token_rejected", tried: []string{"m1", "m1", "m2"}},
		"no time for a moment": {
			moment: 900 * time.Millisecond, deadline: 3900 * time.Millisecond, outcome: "token_rejected",
			tried: []string{"m1", "m2"},
		},
		"the one minted after a dead one": {
			moment: 900 * time.Millisecond, warm: 30 * time.Minute, outcome: "succeeded", tried: []string{"m1", "m2", "m2"},
			with: "minted",
		},
		"minted by a run just before": {
			moment: 4500 * time.Millisecond, warm: 4 * time.Second, outcome: "succeeded", tried: []string{"m1", "m1"},
			with: "minted",
		},
		"older than what needs a moment": {
			moment: time.Millisecond, warm: 11 * time.Second, outcome: "succeeded", tried: []string{"m1", "m2", "m2"},
			with: "minted",
		},
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			synctest.Test(t, func(t *testing.T) {
				r := newRig(t, nil)
				r.secrets.put(current, "v1", mintedSecret("c1"), 24*time.Hour)
				issued := map[string]time.Time{}
				var tried []string
				r.net.Handle("auth.example.com:443", func(w http.ResponseWriter, _ *http.Request) {
					name := fmt.Sprintf("m%d", len(issued)+1)
					issued[name] = time.Now()
					_, _ = fmt.Fprintf(w, `{"access_token":%q,"token_type":"Bearer","expires_in":3600}`, secret(name))
				})
				warming, dead := c.warm > 0, c.warm > 5*time.Second
				r.net.Handle(host, func(w http.ResponseWriter, request *http.Request) {
					if warming {
						return
					}
					name := strings.TrimPrefix(request.Header.Get("Authorization"), "Bearer "+canary)
					tried = append(tried, name)
					if time.Since(issued[name]) < c.moment || dead && name == "m1" {
						w.WriteHeader(http.StatusUnauthorized)
					}
				})
				if warming {
					r.run(nil)
					warming = false
					time.Sleep(c.warm)
				}
				ctx := t.Context()
				if c.deadline > 0 {
					var cancel context.CancelFunc
					ctx, cancel = context.WithTimeout(ctx, c.deadline)
					defer cancel()
				}
				got := r.runIn(ctx, c.event)
				if string(got.result.Outcome) != c.outcome || got.result.RecoveredWith != c.with {
					t.Errorf("%+v", got.result)
				}
				if diff := cmp.Diff(c.tried, tried); diff != "" {
					t.Errorf("tokens (-want +got):\n%s", diff)
				}
				if again := len(issued); c.outcome == "succeeded" {
					if r.run(nil); len(issued) != again {
						t.Error("the accepted token was forgotten")
					}
				}
			})
		})
	}
}

// A rejected client is not used again for five minutes, but a new version of its secret is, and AWSCURRENT is read each
// time to find it.
func TestRejectedClientIsRetriedWithItsNewSecret(t *testing.T) {
	t.Parallel()
	synctest.Test(t, func(t *testing.T) {
		r := newRig(t, nil)
		r.secrets.put(current, "v1", mintedSecret("c1"), 24*time.Hour)
		mints := r.mint(`401 {"error":"invalid_client"}`, "m1")
		r.serve(map[string]int{"m1": 200})
		for range 3 {
			if got := r.run(nil); got.result.Outcome != "token_rejected" || mints() != 1 {
				t.Fatalf("%+v after %d token requests", got.result, mints())
			}
			time.Sleep(time.Minute)
		}
		r.secrets.put(current, "v2", mintedSecret("c2"), 0)
		if got := r.run(nil); got.result.Outcome != "succeeded" || got.result.TokenVersion != "v2" || mints() != 2 {
			t.Errorf("%+v after %d token requests: %v", got.result, mints(), got.err)
		}
	})
}

func TestRejectionByChallengeRepeatsAPOST(t *testing.T) {
	t.Parallel()
	synctest.Test(t, func(t *testing.T) {
		r := newRig(t, nil)
		r.secrets.put(current, "v1", secret("a"), 24*time.Hour)
		r.run(event{"action": "check"})
		r.secrets.put(current, "v2", secret("b"), time.Minute)
		var tried []string
		r.net.Handle(host, func(w http.ResponseWriter, request *http.Request) {
			name := strings.TrimPrefix(request.Header.Get("Authorization"), "Bearer "+canary)
			if tried = append(tried, name); name == "a" {
				w.Header().Set("WWW-Authenticate", `Bearer error="invalid_token"`)
				w.WriteHeader(http.StatusForbidden)
			}
		})
		got := r.run(event{"call": "POST https://example.com/"})
		if got.result.Outcome != "succeeded" || got.result.RecoveredWith != current || !cmp.Equal(tried, []string{"a", "b"}) {
			t.Errorf("%+v after %q", got.result, tried)
		}
	})
}

func TestLogResponsesNeverQuotesNothing(t *testing.T) {
	t.Parallel()
	synctest.Test(t, func(t *testing.T) {
		r := newRig(t, func(s *config.Settings) { s.LogResponses = false })
		r.secrets.put(current, "v1", secret("t"), 24*time.Hour)
		for _, status := range []int{400, 401, 500} {
			r.answer(status, map[string]string{"X-Request-Id": "abc"}, `{"message":"private words"}`)
			got := r.run(event{"attempts": 1})
			if got.err == nil || strings.Contains(got.log, "private") || strings.Contains(got.log, "The target says") ||
				got.result.TargetRequestID != "abc" {
				t.Errorf("%d: %s", status, got.log)
			}
		}
	})
}

// What a target says is a foreign text: it may hold the token, line breaks and a megabyte of both.
func TestQuotedAnswerIsShortAndScrubbed(t *testing.T) {
	t.Parallel()
	synctest.Test(t, func(t *testing.T) {
		r := newRig(t, nil)
		r.secrets.put(current, "v1", secret("t"), 24*time.Hour)
		for _, body := range []string{
			`{"error":"` + secret("t") + ` is dead"}`,
			"Authorization: Bearer " + secret("t") + "\r\nX: y",
			strings.Repeat("x", 290) + secret("t") + strings.Repeat(secret("t"), 1000),
			`{"message":"` + strings.Repeat("x", 285) + secret("t") + `"}`,
		} {
			r.answer(400, nil, body)
			got := r.run(nil) // which checks for leaks
			_, said, found := strings.Cut(got.err.Error(), "The target says: ")
			said, _, _ = strings.Cut(said, " It says nothing about token")
			if !found || len(said) > 320 || strings.ContainsAny(got.err.Error(), "\r\n") {
				t.Errorf("%d bytes: %s", len(said), got.err)
			}
		}
	})
}
