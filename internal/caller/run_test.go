package caller_test

import (
	"context"
	"encoding/json"
	"fmt"
	"io"
	"maps"
	"net/http"
	"net/netip"
	"strings"
	"sync"
	"testing"
	"testing/synctest"
	"time"

	"github.com/aws/aws-sdk-go-v2/aws"
	"github.com/aws/aws-sdk-go-v2/service/cloudwatch/types"
	"github.com/google/go-cmp/cmp"
	"github.com/google/go-cmp/cmp/cmpopts"

	"github.com/cronbearer/cronbearer/internal/caller"
	"github.com/cronbearer/cronbearer/internal/config"
	"github.com/cronbearer/cronbearer/internal/dev/cwfake"
	"github.com/cronbearer/cronbearer/internal/dev/smfake"
	"github.com/cronbearer/cronbearer/internal/dev/testnet"
)

// mintedSecret asks https://auth.example.com for its token.
func mintedSecret(clientSecret string) string {
	return `{"oauth2":{"grant":"client_credentials","token_url":"https://auth.example.com/token","client_id":"id",` +
		`"client_secret":"` + secret(
		clientSecret,
	) + `"}}`
}

// mint serves the token endpoint: the n-th request, from 0, is answered with the n-th of answers, the last one for all
// that follow. A text of letters is a token's name, all else a status and a body.
func (r *rig) mint(answers ...string) func() int {
	var mu sync.Mutex
	n := 0
	r.net.Handle("auth.example.com:443", func(w http.ResponseWriter, _ *http.Request) {
		mu.Lock()
		answer := answers[min(n, len(answers)-1)]
		n++
		mu.Unlock()
		status, body := 0, ""
		if _, err := fmt.Sscanf(answer, "%d %s", &status, &body); err == nil {
			w.Header().Set("Content-Type", "application/json")
			w.WriteHeader(status)
			_, _ = io.WriteString(w, body)
			return
		}
		_, _ = fmt.Fprintf(w, `{"access_token":%q,"token_type":"Bearer","expires_in":3600}`, secret(answer))
	})
	return func() int {
		mu.Lock()
		defer mu.Unlock()
		return n
	}
}

// A job's name goes into the result as it is, and may be the token: a user who mixes up two fields writes it there.
func TestResultOfASuccessHoldsNoToken(t *testing.T) {
	t.Parallel()
	synctest.Test(t, func(t *testing.T) {
		r := newRig(t, nil)
		r.secrets.put(current, "v1", secret("t"), 0)
		r.serve(map[string]int{"t": http.StatusOK})
		got := r.run(event{"job": secret("t")}) // which checks for leaks
		if got.err != nil || got.result.Outcome != caller.Succeeded {
			t.Fatalf("error %v, result %+v", got.err, got.result)
		}
	})
}

const (
	runbook   = "docs/runbooks/"
	heartbeat = "Heartbeat S J "
	days      = "TokenDaysToExpiry S T 10.0"
)

// setting is what a run of a test of outcomes meets.
type setting struct {
	secret  string // of AWSCURRENT; empty: static, with expires_at in ten days; -: none
	status  int    // of the target; 0: no one listens
	event   event
	prepare func(*rig)
}

// outcomeCase is a run with its result, its error and what it publishes.
type outcomeCase struct {
	setting
	want  caller.Result // but for what is the same in all
	kind  string
	says  []string
	put   []string
	calls int // to the target
}

func TestAnswerOfTheTargetDecidesTheOutcome(t *testing.T) {
	t.Parallel()
	checkOutcomes(t, map[string]outcomeCase{
		"succeeded": {
			setting: setting{status: 200},
			want:    caller.Result{Outcome: "succeeded", Verdict: "accepted", Status: 200, Attempts: 1, TokenVersion: "v1"},
			kind:    "", says: nil,
			put:   []string{"TokenRejected S T 0", days, heartbeat + "1"},
			calls: 1,
		},
		"rejected": {
			setting: setting{status: 401},
			want: caller.Result{
				Outcome: "token_rejected", Verdict: "rejected", Status: 401, Attempts: 1, Rejections: 1, TokenVersion: "v1",
			},
			kind: "TokenRejectedError",
			says: []string{"the target answered 401", "put-secret-value --secret-id '" + secretID +
				"' --secret-string file://secret.json --region eu-west-1", runbook},
			put:   []string{"TokenRejected S T 1", days, heartbeat + "1"},
			calls: 1,
		},
		"rejected by a rule": {
			setting: setting{status: 403, event: event{"reject": event{"status": []any{403}}}},
			want: caller.Result{
				Outcome: "token_rejected", Verdict: "rejected", Status: 403, Attempts: 1, Rejections: 1, TokenVersion: "v1",
			},
			kind:  "TokenRejectedError",
			says:  []string{"the target answered 403"},
			put:   []string{"TokenRejected S T 1", days, heartbeat + "1"},
			calls: 1,
		},
		"403": {
			setting: setting{status: 403},
			want:    caller.Result{Outcome: "target_failed", Verdict: "unknown", Status: 403, Attempts: 1, TokenVersion: "v1"},
			kind:    "TargetFailedError",
			says:    []string{"GET example.com failed", "403", "nothing about token T", runbook},
			put:     []string{days, heartbeat + "0"},
			calls:   1,
		},
		"404": {
			setting: setting{status: 404},
			want:    caller.Result{Outcome: "target_failed", Verdict: "unknown", Status: 404, Attempts: 1, TokenVersion: "v1"},
			kind:    "TargetFailedError",
			says:    []string{"404"},
			put:     []string{days, heartbeat + "0"},
			calls:   1,
		},
		"302": {
			setting: setting{status: 302},
			want:    caller.Result{Outcome: "target_failed", Verdict: "unknown", Status: 302, Attempts: 1, TokenVersion: "v1"},
			kind:    "TargetFailedError",
			says:    []string{"302"},
			put:     []string{days, heartbeat + "0"},
			calls:   1,
		},
		"503, each time": {
			setting: setting{status: 503},
			want:    caller.Result{Outcome: "target_failed", Verdict: "unknown", Status: 503, Attempts: 3, TokenVersion: "v1"},
			kind:    "TargetFailedError",
			says:    []string{"503"},
			put:     []string{days, heartbeat + "0"},
			calls:   3,
		},
		"2xx that fails expect": {
			setting: setting{status: 200, event: event{"expect": event{"json": event{"/ok": true}}}},
			want:    caller.Result{Outcome: "target_failed", Verdict: "unknown", Status: 200, Attempts: 1, TokenVersion: "v1"},
			kind:    "TargetFailedError",
			says:    []string{"expect.json"},
			put:     []string{days, heartbeat + "0"},
			calls:   1,
		},
		"connection refused": {
			setting: setting{},
			want:    caller.Result{Outcome: "unreachable", Verdict: "unknown", TokenVersion: "v1"},
			kind:    "UnreachableError",
			says:    []string{"the connection was refused", "nothing about token T", runbook},
			put:     []string{days, heartbeat + "0"},
			calls:   0,
		},
		"an address that the guard blocks": {
			setting: setting{prepare: func(r *rig) { r.net.Block(host, netip.MustParseAddr("10.0.0.7")) }},
			want:    caller.Result{Outcome: "invalid_job", Verdict: "unknown", TokenVersion: "v1"},
			kind:    "InvalidJobError",
			says:    []string{"10.0.0.7", "is not public"},
			put:     []string{days, heartbeat + "0"},
			calls:   0,
		},
	})
}

func TestSecretThatCannotBeReadMakesTheTokenUnavailable(t *testing.T) {
	t.Parallel()
	checkOutcomes(t, map[string]outcomeCase{
		"no secret": {
			setting: setting{secret: "-"},
			want:    caller.Result{Outcome: "token_unavailable", Verdict: "rejected"},
			kind:    "TokenUnavailableError",
			says:    []string{"secret " + secretID + " does not exist", "No call was made", runbook},
			put:     []string{"TokenRejected S T 1", heartbeat + "1"},
			calls:   0,
		},
		"secret deleted": {
			setting: setting{prepare: func(r *rig) { r.secrets.Err = apiError("InvalidRequestException") }},
			want:    caller.Result{Outcome: "token_unavailable", Verdict: "rejected"},
			kind:    "TokenUnavailableError",
			says:    []string{"restore-secret"},
			put:     []string{"TokenRejected S T 1", heartbeat + "1"},
			calls:   0,
		},
		"secret denied": {
			setting: setting{prepare: func(r *rig) { r.secrets.Err = apiError("AccessDeniedException") }},
			want:    caller.Result{Outcome: "token_unavailable", Verdict: "rejected"},
			kind:    "TokenUnavailableError",
			says:    []string{"denied"},
			put:     []string{"TokenRejected S T 1", heartbeat + "1"},
			calls:   0,
		},
		"secret malformed": {
			setting: setting{secret: secret("with space ")[:10] + " inside " + secret("x")},
			want:    caller.Result{Outcome: "token_unavailable", Verdict: "rejected"},
			kind:    "TokenUnavailableError",
			says:    []string{"is malformed", "white space inside, at byte 11"},
			put:     []string{"TokenRejected S T 1", heartbeat + "1"},
			calls:   0,
		},
		"Secrets Manager throttled": {
			setting: setting{prepare: func(r *rig) { r.secrets.Err = apiError("ThrottlingException") }},
			want:    caller.Result{Outcome: "token_unavailable", Verdict: "unknown"},
			kind:    "TokenUnavailableError",
			says:    []string{"ThrottlingException"},
			put:     []string{heartbeat + "0"},
			calls:   0,
		},
	})
}

func TestTokenIsSentOnlyToHostsThatItIsBoundTo(t *testing.T) {
	t.Parallel()
	checkOutcomes(t, map[string]outcomeCase{
		"host that ALLOWED_HOSTS does not have": {
			setting: setting{status: 200, event: event{"call": "GET https://example.net/"}},
			want:    caller.Result{Outcome: "invalid_job", Verdict: "unknown", TokenVersion: "v1"},
			kind:    "InvalidJobError",
			says:    []string{"example.net", "ALLOWED_HOSTS"},
			put:     []string{days, heartbeat + "0"},
			calls:   0,
		},
		"port that is not bound": {
			setting: setting{status: 200, event: event{"call": "GET https://example.com:8443/"}},
			want:    caller.Result{Outcome: "invalid_job", Verdict: "unknown", TokenVersion: "v1"},
			kind:    "InvalidJobError",
			says:    []string{"example.com:8443"},
			put:     []string{days, heartbeat + "0"},
			calls:   0,
		},
		"hosts of the secret, not ALLOWED_HOSTS": {
			setting: setting{status: 200, secret: `{"token":"` + secret("v1") + `","hosts":["example.net"]}`},
			want:    caller.Result{Outcome: "invalid_job", Verdict: "unknown", TokenVersion: "v1"},
			kind:    "InvalidJobError",
			says:    []string{"not bound to host example.com"},
			put:     []string{heartbeat + "0"},
			calls:   0,
		},
		"an empty list binds to nothing": {
			setting: setting{status: 200, secret: `{"token":"` + secret("v1") + `","hosts":[]}`},
			want:    caller.Result{Outcome: "invalid_job", Verdict: "unknown", TokenVersion: "v1"},
			kind:    "InvalidJobError",
			says:    []string{"not bound to host example.com"},
			put:     []string{heartbeat + "0"},
			calls:   0,
		},
		"minted for a host that is not bound": {
			setting: setting{
				secret: mintedSecret("c1"), event: event{"call": "GET https://example.net/"},
				prepare: func(r *rig) {
					r.mint("m1")
				},
			},
			want:  caller.Result{Outcome: "invalid_job", Verdict: "unknown", TokenVersion: "v1"},
			kind:  "InvalidJobError",
			says:  []string{"example.net"},
			put:   []string{heartbeat + "0"},
			calls: 0,
		},
	})
}

func TestMintingDecidesTheOutcomeBeforeTheCall(t *testing.T) {
	t.Parallel()
	checkOutcomes(t, map[string]outcomeCase{
		"minted": {
			setting: setting{secret: mintedSecret("c1"), status: 200, prepare: func(r *rig) { r.mint("m1") }},
			want:    caller.Result{Outcome: "succeeded", Verdict: "accepted", Status: 200, Attempts: 1, TokenVersion: "v1"},
			kind:    "", says: nil,
			put:   []string{"TokenRejected S T 0", heartbeat + "1"},
			calls: 1,
		},
		"token request rejected": {
			setting: setting{secret: mintedSecret("c1"), prepare: func(r *rig) {
				r.mint(`401 {"error":"invalid_client","error_description":"` + secret("c1") + `"}`)
			}},
			want:  caller.Result{Outcome: "token_rejected", Verdict: "rejected", TokenVersion: "v1"},
			kind:  "TokenRejectedError",
			says:  []string{"auth.example.com", "invalid_client"},
			put:   []string{"TokenRejected S T 1", heartbeat + "1"},
			calls: 0,
		},
		"token request that no retry fixes": {
			setting: setting{secret: mintedSecret("c1"), prepare: func(r *rig) { r.mint(`400 {"error":"invalid_scope"}`) }},
			want:    caller.Result{Outcome: "token_unavailable", Verdict: "rejected", TokenVersion: "v1"},
			kind:    "TokenUnavailableError",
			says:    []string{"auth.example.com", "invalid_scope"},
			put:     []string{"TokenRejected S T 1", heartbeat + "1"},
			calls:   0,
		},
		"token endpoint down": {
			setting: setting{secret: mintedSecret("c1"), prepare: func(r *rig) { r.mint("503 down") }},
			want:    caller.Result{Outcome: "token_unavailable", Verdict: "unknown", TokenVersion: "v1"},
			kind:    "TokenUnavailableError",
			says:    []string{"auth.example.com", "503"},
			put:     []string{heartbeat + "0"},
			calls:   0,
		},
		"token endpoint that the guard blocks": {
			setting: setting{secret: mintedSecret("c1"), prepare: func(r *rig) {
				r.net.Block("auth.example.com:443", netip.MustParseAddr("169.254.169.254"))
			}},
			want:  caller.Result{Outcome: "token_unavailable", Verdict: "rejected", TokenVersion: "v1"},
			kind:  "TokenUnavailableError",
			says:  []string{"auth.example.com", "169.254.169.254"},
			put:   []string{"TokenRejected S T 1", heartbeat + "1"},
			calls: 0,
		},
	})
}

func TestCheckMakesNoCall(t *testing.T) {
	t.Parallel()
	checkOutcomes(t, map[string]outcomeCase{
		"check": {
			setting: setting{event: event{"action": "check", "call": nil}},
			want:    caller.Result{Outcome: "succeeded", Verdict: "unknown", TokenVersion: "v1"},
			kind:    "", says: nil,
			put:   []string{days, heartbeat + "1"},
			calls: 0,
		},
		"check of an expired token": {
			setting: setting{secret: `{"token":"` + secret("v1") +
				`","expires_at":"1999-12-31"}`, event: event{"action": "check"}},
			want: caller.Result{Outcome: "succeeded", Verdict: "unknown", TokenVersion: "v1"},
			kind: "", says: nil,
			put:   []string{"TokenDaysToExpiry S T -1.0", heartbeat + "1"},
			calls: 0,
		},
		"check of a minted token mints none": {
			setting: setting{secret: mintedSecret("c1"), event: event{"action": "check"}},
			want:    caller.Result{Outcome: "succeeded", Verdict: "unknown", TokenVersion: "v1"},
			kind:    "", says: nil,
			put:   []string{heartbeat + "1"},
			calls: 0,
		},
		"check without a secret": {
			setting: setting{secret: "-", event: event{"action": "check"}},
			want:    caller.Result{Outcome: "token_unavailable", Verdict: "rejected"},
			kind:    "TokenUnavailableError",
			says:    []string{"does not exist"},
			put:     []string{"TokenRejected S T 1", heartbeat + "1"},
			calls:   0,
		},
	})
}

func TestLateRunsAreSkippedAndExpiredTokensCalledWith(t *testing.T) {
	t.Parallel()
	checkOutcomes(t, map[string]outcomeCase{
		"an expired token is called with": {
			setting: setting{secret: `{"token":"` + secret("v1") + `","expires_at":"1999-12-31"}`, status: 200},
			want:    caller.Result{Outcome: "succeeded", Verdict: "accepted", Status: 200, Attempts: 1, TokenVersion: "v1"},
			kind:    "", says: nil,
			put:   []string{"TokenRejected S T 0", "TokenDaysToExpiry S T -1.0", heartbeat + "1"},
			calls: 1,
		},
		"too late": {
			setting: setting{secret: "-", event: event{"maxAge": "1h", "scheduledTime": "1999-12-31T22:59:59Z"}},
			want:    caller.Result{Outcome: "skipped", Verdict: "unknown"},
			kind:    "", says: nil, put: nil, calls: 0,
		},
		"just in time": {
			setting: setting{status: 200, event: event{"maxAge": "1h", "scheduledTime": "1999-12-31T23:00:01Z"}},
			want:    caller.Result{Outcome: "succeeded", Verdict: "accepted", Status: 200, Attempts: 1, TokenVersion: "v1"},
			kind:    "", says: nil,
			put:   []string{"TokenRejected S T 0", days, heartbeat + "1"},
			calls: 1,
		},
		"maxAge without scheduledTime": {
			setting: setting{status: 200, event: event{"maxAge": "1s", "scheduledTime": "<aws.scheduler.scheduled-time>"}},
			want:    caller.Result{Outcome: "succeeded", Verdict: "accepted", Status: 200, Attempts: 1, TokenVersion: "v1"},
			kind:    "", says: nil,
			put:   []string{"TokenRejected S T 0", days, heartbeat + "1"},
			calls: 1,
		},
	})
}

func TestBadEventNamesEveryProblem(t *testing.T) {
	t.Parallel()
	checkOutcomes(t, map[string]outcomeCase{
		"bad event": {
			setting: setting{status: 200, event: event{"attempts": 0, "tiemout": "5s"}},
			want:    caller.Result{Outcome: "invalid_job", Verdict: "unknown"},
			kind:    "InvalidJobError",
			says:    []string{"attempts", "tiemout", runbook},
			put:     []string{heartbeat + "0"},
			calls:   0,
		},
	})
}

func checkOutcomes(t *testing.T, cases map[string]outcomeCase) {
	t.Helper()
	for name, c := range cases {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			synctest.Test(t, func(t *testing.T) {
				r := newRig(t, nil)
				switch c.secret {
				case "-":
				case "":
					r.secrets.put(
						current, "v1",
						fmt.Sprintf(`{"token":%q,"expires_at":%q}`, secret("v1"), time.Now().Add(240*time.Hour).Format(time.RFC3339)),
						90*24*time.Hour,
					)
				default:
					r.secrets.put(current, "v1", c.secret, 90*24*time.Hour)
				}
				calls := func() []string { return nil }
				if c.status != 0 {
					calls = r.serve(map[string]int{"v1": c.status, "m1": c.status})
				}
				if c.prepare != nil {
					c.prepare(r)
				}
				got := r.run(c.event)
				c.want.Job, c.want.Token, c.want.RequestID = "J", "T", requestID
				ignored := cmpopts.IgnoreFields(caller.Result{}, "DurationMS", "RunID", "TokenExpiresAt")
				if diff := cmp.Diff(c.want, got.result, ignored); diff != "" {
					t.Errorf("result (-want +got):\n%s", diff)
				}
				if got.result.RunID == "" || (got.result.TokenExpiresAt != nil) != strings.Contains(
					strings.Join(c.put, " "), "TokenDaysToExpiry",
				) {
					t.Errorf("result %+v", got.result)
				}
				if got.kind() != c.kind {
					t.Errorf("error type %s, want %s: %v", got.kind(), c.kind, got.err)
				}
				if c.kind != "" {
					for _, part := range append(c.says, "job J", "token T") {
						if !strings.Contains(got.err.Error(), part) {
							t.Errorf("the error does not say %q: %s", part, got.err)
						}
					}
				}
				puts := len(r.watch.Puts)
				if diff := cmp.Diff(c.put, r.said()); diff != "" || puts > 1 || (puts == 0) != (c.put == nil) {
					t.Errorf("%d requests, data (-want +got):\n%s", puts, diff)
				}
				if len(calls()) != c.calls {
					t.Errorf("%d calls, want %d", len(calls()), c.calls)
				}
			})
		})
	}
}

// The user's mistakes end a run before a secret is read.
func TestBadEventReadsNoSecret(t *testing.T) {
	t.Parallel()
	cases := map[string]struct {
		event string
		job   string // as far as it can be read
		put   []string
	}{
		"no JSON": {event: `{"job":"J"`, job: "", put: nil},
		"empty":   {event: ``, job: "", put: nil},
		"a list":  {event: `[]`, job: "", put: nil},
		"null":    {event: `null`, job: "", put: nil},
		"job twice": {
			event: `{"job":"J","job":"J","token":"T","secret":"s","call":"GET https://example.com/"}`, job: "", put: nil,
		},
		"job of a bad form": {
			event: `{"job":"J J","token":"T","secret":"s","call":"GET https://example.com/"}`, job: "", put: nil,
		},
		"unknown key": {
			event: `{"job":"J","token":"T","secret":"s","call":"GET https://example.com/","x":1}`, job: "J",
			put: []string{"Heartbeat S J 0"},
		},
		"no token": {
			event: `{"job":"J","secret":"s","call":"GET https://example.com/"}`, job: "J", put: []string{"Heartbeat S J 0"},
		},
		"plain HTTP": {
			event: `{"job":"J","token":"T","secret":"s","call":"GET http://example.com/"}`, job: "J",
			put: []string{"Heartbeat S J 0"},
		},
		"an address": {
			event: `{"job":"J","token":"T","secret":"s","call":"GET https://169.254.169.254/"}`, job: "J",
			put: []string{"Heartbeat S J 0"},
		},
	}
	for name, c := range cases {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			synctest.Test(t, func(t *testing.T) {
				r := newRig(t, nil)
				got := r.invoke(t.Context(), []byte(c.event))
				if got.kind() != "InvalidJobError" || got.result.Outcome != "invalid_job" || got.result.Verdict != "unknown" ||
					got.result.Job != c.job {
					t.Errorf("%v, %+v", got.err, got.result)
				}
				if diff := cmp.Diff(c.put, r.said()); diff != "" {
					t.Errorf("data (-want +got):\n%s", diff)
				}
				if stages := r.secrets.stages(); len(stages) > 0 || len(r.net.Dials()) > 0 {
					t.Errorf("read %q, dialed %q", stages, r.net.Dials())
				}
			})
		})
	}
}

func TestRotationWindow(t *testing.T) {
	t.Parallel()
	const old, young = 90 * 24 * time.Hour, 10 * time.Minute
	type version struct {
		name  string // of its token
		age   time.Duration
		hosts string // JSON
	}
	reject403 := event{"reject": event{"status": []any{403}}}
	with := func(events ...event) event {
		all := event{}
		for _, e := range events {
			maps.Copy(all, e)
		}
		return all
	}
	post := event{"call": "POST https://example.com/"}
	cases := map[string]struct {
		cached  version // AWSCURRENT when the run before read it
		stages  map[string]version
		targets map[string]int
		event   event
		tried   []string // tokens that the target saw, after the run before
		outcome caller.Outcome
		verdict string
		status  int
		rejects int
		with    string
		warns   bool
	}{
		"fresh AWSCURRENT": {
			cached:  version{name: "a", age: old, hosts: ""},
			stages:  map[string]version{current: {name: "b", age: young, hosts: ""}, previous: {name: "a", age: old, hosts: ""}},
			targets: map[string]int{"b": 200},
			tried:   []string{"a", "b"}, outcome: "succeeded", verdict: "accepted", status: 200, rejects: 1, with: current,
		},
		"young AWSPENDING": {
			cached:  version{name: "a", age: old, hosts: ""},
			stages:  map[string]version{current: {name: "a", age: old, hosts: ""}, pending: {name: "p", age: young, hosts: ""}},
			targets: map[string]int{"p": 200},
			tried:   []string{"a", "p"}, outcome: "succeeded", verdict: "accepted", status: 200, rejects: 1, with: pending,
		},
		"old AWSPENDING is not tried": {
			cached: version{name: "a", age: old, hosts: ""},
			stages: map[string]version{
				current: {name: "a", age: old, hosts: ""}, pending: {name: "p", age: time.Hour, hosts: ""},
			},
			targets: map[string]int{"p": 200},
			tried:   []string{"a"}, outcome: "token_rejected", verdict: "rejected", status: 401, rejects: 1,
		},
		"AWSPREVIOUS while AWSCURRENT is young": {
			cached:  version{name: "a", age: young, hosts: ""},
			stages:  map[string]version{current: {name: "a", age: young, hosts: ""}, previous: {name: "z", age: old, hosts: ""}},
			targets: map[string]int{"z": 200},
			tried:   []string{"a", "z"}, outcome: "succeeded", verdict: "accepted", status: 200, rejects: 1, with: previous,
			warns: true,
		},
		"AWSPREVIOUS while AWSCURRENT is not is not tried": {
			cached: version{name: "a", age: time.Hour, hosts: ""},
			stages: map[string]version{
				current: {name: "a", age: time.Hour, hosts: ""}, previous: {name: "z", age: old, hosts: ""},
			},
			targets: map[string]int{"z": 200},
			tried:   []string{"a"}, outcome: "token_rejected", verdict: "rejected", status: 401, rejects: 1,
		},
		"the order, and at most four": {
			cached: version{name: "a", age: old, hosts: ""},
			stages: map[string]version{
				current: {name: "b", age: young, hosts: ""}, pending: {name: "p", age: young, hosts: ""},
				previous: {name: "z", age: old, hosts: ""},
			},
			tried: []string{"a", "b", "p", "z"}, outcome: "token_rejected", verdict: "rejected", status: 401, rejects: 4,
		},
		"the last of four": {
			cached: version{name: "a", age: old, hosts: ""},
			stages: map[string]version{
				current: {name: "b", age: young, hosts: ""}, pending: {name: "p", age: young, hosts: ""},
				previous: {name: "z", age: old, hosts: ""},
			},
			targets: map[string]int{"z": 200},
			tried:   []string{"a", "b", "p", "z"}, outcome: "succeeded", verdict: "accepted", status: 200, rejects: 3,
			with: previous, warns: true,
		},
		"each different value once": {
			cached: version{name: "a", age: old, hosts: ""},
			stages: map[string]version{
				current: {name: "b", age: young, hosts: ""}, pending: {name: "b", age: young, hosts: ""},
				previous: {name: "a", age: old, hosts: ""},
			},
			tried: []string{"a", "b"}, outcome: "token_rejected", verdict: "rejected", status: 401, rejects: 2,
		},
		"accepted stops it": {
			cached: version{name: "a", age: old, hosts: ""},
			stages: map[string]version{
				current: {name: "b", age: young, hosts: ""}, pending: {name: "p", age: young, hosts: ""},
				previous: {name: "z", age: old, hosts: ""},
			},
			targets: map[string]int{"b": 200, "p": 200},
			tried:   []string{"a", "b"}, outcome: "succeeded", verdict: "accepted", status: 200, rejects: 1, with: current,
		},
		"re-read AWSCURRENT fails for another reason: unknown": {
			cached: version{name: "a", age: old, hosts: ""},
			stages: map[string]version{
				current: {name: "b", age: young, hosts: ""}, pending: {name: "p", age: young, hosts: ""},
			},
			targets: map[string]int{"b": 501, "p": 200},
			tried:   []string{"a", "b"}, outcome: "target_failed", verdict: "unknown", status: 501, rejects: 1,
		},
		"AWSPENDING fails for another reason: AWSCURRENT was rejected": {
			cached:  version{name: "a", age: old, hosts: ""},
			stages:  map[string]version{current: {name: "a", age: old, hosts: ""}, pending: {name: "p", age: young, hosts: ""}},
			targets: map[string]int{"p": 501},
			tried:   []string{"a", "p"}, outcome: "token_rejected", verdict: "rejected", status: 401, rejects: 1,
		},
		"another token is retried as the first is": {
			cached: version{name: "a", age: old, hosts: ""},
			stages: map[string]version{current: {name: "b", age: young, hosts: ""}}, targets: map[string]int{"b": 503},
			tried: []string{"a", "b", "b", "b"}, outcome: "target_failed", verdict: "unknown", status: 503, rejects: 1,
		},
		"a budget apart from attempts": {
			cached: version{name: "a", age: old, hosts: ""},
			stages: map[string]version{current: {name: "b", age: young, hosts: ""}}, targets: map[string]int{"b": 200},
			event: event{"attempts": 1},
			tried: []string{"a", "b"}, outcome: "succeeded", verdict: "accepted", status: 200, rejects: 1, with: current,
		},
		"POST after a 401": {
			cached: version{name: "a", age: old, hosts: ""},
			stages: map[string]version{current: {name: "b", age: young, hosts: ""}}, targets: map[string]int{"b": 200},
			event: post,
			tried: []string{"a", "b"}, outcome: "succeeded", verdict: "accepted", status: 200, rejects: 1, with: current,
		},
		"POST after a rejection that was not a 401": {
			cached: version{name: "a", age: old, hosts: ""},
			stages: map[string]version{current: {name: "b", age: young, hosts: ""}}, targets: map[string]int{"a": 403, "b": 200},
			event: with(post, reject403),
			tried: []string{"a"}, outcome: "token_rejected", verdict: "rejected", status: 403, rejects: 1,
		},
		"PATCH after a rejection that was not a 401": {
			cached: version{name: "a", age: old, hosts: ""},
			stages: map[string]version{current: {name: "b", age: young, hosts: ""}}, targets: map[string]int{"a": 403, "b": 200},
			event: with(event{"call": "PATCH https://example.com/"}, reject403),
			tried: []string{"a"}, outcome: "token_rejected", verdict: "rejected", status: 403, rejects: 1,
		},
		"idempotent POST after such a rejection": {
			cached: version{name: "a", age: old, hosts: ""},
			stages: map[string]version{current: {name: "b", age: young, hosts: ""}}, targets: map[string]int{"a": 403, "b": 200},
			event: with(post, reject403, event{"idempotent": true}),
			tried: []string{"a", "b"}, outcome: "succeeded", verdict: "accepted", status: 200, rejects: 1, with: current,
		},
		"GET after such a rejection": {
			cached: version{name: "a", age: old, hosts: ""},
			stages: map[string]version{current: {name: "b", age: young, hosts: ""}}, targets: map[string]int{"a": 403, "b": 200},
			event: reject403,
			tried: []string{"a", "b"}, outcome: "succeeded", verdict: "accepted", status: 200, rejects: 1, with: current,
		},
		"POST, a 401 and then such a rejection": {
			cached: version{name: "a", age: old, hosts: ""},
			stages: map[string]version{
				current: {name: "b", age: young, hosts: ""}, pending: {name: "p", age: young, hosts: ""},
			},
			targets: map[string]int{"b": 403, "p": 200}, event: with(post, reject403),
			tried: []string{"a", "b"}, outcome: "token_rejected", verdict: "rejected", status: 403, rejects: 2,
		},
		"AWSPENDING without hosts inherits AWSCURRENT's": {
			cached: version{name: "a", age: old, hosts: `["example.net"]`},
			stages: map[string]version{
				current: {name: "a", age: old, hosts: `["example.net"]`}, pending: {name: "p", age: young, hosts: ""},
			},
			targets: map[string]int{"p": 200},
			outcome: "invalid_job", verdict: "unknown",
		},
		"AWSPENDING that is bound elsewhere is not tried": {
			cached: version{name: "a", age: old, hosts: `["example.com"]`},
			stages: map[string]version{
				current: {name: "a", age: old, hosts: `["example.com"]`},
				pending: {name: "p", age: young, hosts: `["example.net"]`},
			},
			targets: map[string]int{"p": 200},
			tried:   []string{"a"}, outcome: "token_rejected", verdict: "rejected", status: 401, rejects: 1,
		},
		"AWSPREVIOUS without hosts, bound by AWSCURRENT": {
			cached: version{name: "a", age: young, hosts: `["example.com"]`},
			stages: map[string]version{
				current: {name: "a", age: young, hosts: `["example.com"]`}, previous: {name: "z", age: old, hosts: ""},
			},
			targets: map[string]int{"z": 200},
			tried:   []string{"a", "z"}, outcome: "succeeded", verdict: "accepted", status: 200, rejects: 1, with: previous,
			warns: true,
		},
		"fresh AWSCURRENT that is bound elsewhere": {
			cached: version{name: "a", age: old, hosts: ""},
			stages: map[string]version{
				current: {name: "b", age: young, hosts: `["example.net"]`}, pending: {name: "p", age: young, hosts: ""},
				previous: {name: "a", age: old, hosts: ""},
			},
			targets: map[string]int{"b": 200, "p": 200},
			tried:   []string{"a"}, outcome: "invalid_job", verdict: "unknown", rejects: 1,
		},
		"malformed AWSPENDING": {
			cached: version{name: "a", age: young, hosts: ""},
			stages: map[string]version{
				current: {name: "a", age: young, hosts: ""}, pending: {name: "", age: young, hosts: ""},
				previous: {name: "z", age: old, hosts: ""},
			},
			targets: map[string]int{"z": 200},
			tried:   []string{"a", "z"}, outcome: "succeeded", verdict: "accepted", status: 200, rejects: 1, with: previous,
			warns: true,
		},
	}
	for name, c := range cases {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			synctest.Test(t, func(t *testing.T) {
				r := newRig(t, nil)
				put := func(stage string, v version) {
					text := fmt.Sprintf(`{"token":%q}`, secret(v.name))
					if v.hosts != "" {
						text = fmt.Sprintf(`{"token":%q,"hosts":%s}`, secret(v.name), v.hosts)
					}
					if v.name == "" {
						text = "{"
					}
					r.secrets.put(stage, "version-"+v.name, text, v.age)
				}
				put(current, c.cached)
				r.run(event{"action": "check"})
				for stage, v := range c.stages {
					put(stage, v)
				}
				tried := r.serve(c.targets)
				r.said()
				got := r.run(c.event)
				if diff := cmp.Diff(c.tried, tried(), cmpopts.EquateEmpty()); diff != "" {
					t.Errorf("tokens tried (-want +got):\n%s", diff)
				}
				last := c.cached.name
				if n := len(c.tried); n > 0 {
					last = c.tried[n-1]
				}
				if got.result.Outcome == "invalid_job" && len(c.tried) > 0 {
					last = c.stages[current].name // it is the one that the error is about
				}
				want := caller.Result{
					Job: "J", Token: "T", Outcome: c.outcome, Status: c.status, Attempts: len(c.tried), Rejections: c.rejects,
					RecoveredWith: c.with,
					TokenVersion:  "version-" + last, RequestID: requestID,
				}
				want.Verdict = got.result.Verdict
				if diff := cmp.Diff(
					want, got.result, cmpopts.IgnoreFields(caller.Result{}, "DurationMS", "RunID", "TokenExpiresAt"),
				); diff != "" || string(got.result.Verdict) != c.verdict {
					t.Errorf("verdict %s, want %s; result (-want +got):\n%s", got.result.Verdict, c.verdict, diff)
				}
				if warned := strings.Contains(got.log, "AWSCURRENT is rejected and AWSPREVIOUS accepted"); warned != c.warns {
					t.Errorf("warned: %t, want %t: %s", warned, c.warns, got.log)
				}
				rejected := map[string]string{"accepted": "TokenRejected S T 0", "rejected": "TokenRejected S T 1"}[c.verdict]
				for _, datum := range r.said() {
					if strings.HasPrefix(datum, "TokenRejected") && datum != rejected {
						t.Errorf("published %s, want %q only: a rejection that is recovered from within the run is none", datum, rejected)
					}
				}
			})
		})
	}
}

func TestWindowWhenSecretsManagerFails(t *testing.T) {
	t.Parallel()
	synctest.Test(t, func(t *testing.T) {
		r := newRig(t, nil)
		r.secrets.put(current, "v1", secret("a"), time.Minute)
		r.run(event{"action": "check"})
		r.secrets.Err = apiError("ThrottlingException")
		tried := r.serve(nil)
		got := r.run(nil)
		if got.result.Outcome != "token_rejected" || got.result.Verdict != "rejected" || len(tried()) != 1 {
			t.Errorf("%+v after %q", got.result, tried())
		}
		if !strings.Contains(got.log, "could not be re-read") {
			t.Errorf("log: %s", got.log)
		}
	})
}

func TestMintedTokenIsMintedAgainOnce(t *testing.T) {
	t.Parallel()
	cases := map[string]struct {
		first, then string         // what AWSCURRENT holds at the first read, and when re-read
		answers     []string       // of the token endpoint
		targets     map[string]int // by token
		event       event
		tried       []string
		outcome     caller.Outcome
		verdict     string
		with        string
		mints       int
		says        string
	}{
		"again, accepted": {
			first: mintedSecret("c1"), then: "", answers: []string{"m1", "m2"}, targets: map[string]int{"m2": 200}, event: nil,
			tried: []string{"m1", "m1", "m2"}, outcome: "succeeded", verdict: "accepted", with: "minted", mints: 2, says: "",
		},
		"again, rejected": {
			first: mintedSecret("c1"), then: "", answers: []string{"m1", "m2"}, targets: nil, event: nil,
			tried: []string{"m1", "m1", "m2"}, outcome: "token_rejected", verdict: "rejected", with: "", mints: 2,
			says: "answered 401",
		},
		"again, and then the target fails": {
			first: mintedSecret("c1"), then: "", answers: []string{"m1", "m2"}, targets: map[string]int{"m2": 501}, event: nil,
			tried: []string{"m1", "m1", "m2"}, outcome: "target_failed", verdict: "unknown", with: "", mints: 2, says: "501",
		},
		"with the client's new secret": {
			first: mintedSecret("c1"), then: mintedSecret("c2"), answers: []string{"m1", "m2"},
			targets: map[string]int{"m2": 200}, event: nil, tried: []string{"m1", "m1", "m2"}, outcome: "succeeded",
			verdict: "accepted", with: "minted", mints: 2, says: "",
		},
		"the server returns the same token": {
			first: mintedSecret("c1"), then: "", answers: []string{"m1"}, targets: nil, event: nil,
			tried: []string{"m1", "m1"}, outcome: "token_rejected", verdict: "rejected", with: "", mints: 2,
			says: "answered 401",
		},
		"the server returns none": {
			first: mintedSecret("c1"), then: "", answers: []string{"m1", "501 x"}, targets: nil, event: nil,
			tried: []string{"m1", "m1"}, outcome: "token_rejected", verdict: "rejected", with: "", mints: 2,
			says: "no other token could be minted",
		},
		"the server rejects the client": {
			first: mintedSecret("c1"), then: "", answers: []string{"m1", `401 {"error":"invalid_client"}`}, targets: nil,
			event: nil, tried: []string{"m1", "m1"}, outcome: "token_rejected", verdict: "rejected", with: "", mints: 2,
			says: "invalid_client",
		},
		"POST, not after another rejection": {
			first: mintedSecret("c1"), then: "", answers: []string{"m1", "m2"}, targets: map[string]int{"m1": 403, "m2": 200},
			event: event{"call": "POST https://example.com/", "reject": event{"status": []any{403}}}, tried: []string{"m1"},
			outcome: "token_rejected", verdict: "rejected", with: "", mints: 1, says: "403",
		},
		"minted before, static now": {
			first: mintedSecret("c1"), then: `{"token":"` + secret("a") +
				`"}`, answers: []string{"m1"}, targets: map[string]int{"a": 200}, event: nil, tried: []string{"m1", "m1", "a"},
			outcome: "succeeded", verdict: "accepted", with: current, mints: 1, says: "",
		},
		"static before, minted now": {
			first: secret("a"), then: mintedSecret("c1"), answers: []string{"m1"}, targets: map[string]int{"m1": 200},
			event: nil, tried: []string{"a", "m1"}, outcome: "succeeded", verdict: "accepted", with: "minted", mints: 1,
			says: "",
		},
		"static before, minted now, rejected": {
			first: secret("a"), then: mintedSecret("c1"), answers: []string{`400 {"error":"invalid_client"}`}, targets: nil,
			event: nil, tried: []string{"a"}, outcome: "token_rejected", verdict: "rejected", with: "", mints: 1,
			says: "invalid_client",
		},
		"static before, minted now, server fails": {
			first: secret("a"), then: mintedSecret("c1"), answers: []string{"501 x"}, targets: nil, event: nil,
			tried: []string{"a"}, outcome: "token_unavailable", verdict: "unknown", with: "", mints: 1,
			says: "auth.example.com",
		},
		"minted, then bound elsewhere": {
			first: mintedSecret("c1"), then: strings.Replace(mintedSecret("c2"), "{", `{"hosts":["example.net"],`, 1),
			answers: []string{"m1"}, targets: nil, event: nil, tried: []string{"m1", "m1"}, outcome: "invalid_job",
			verdict: "unknown", with: "", mints: 1, says: "host example.com",
		},
	}
	for name, c := range cases {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			synctest.Test(t, func(t *testing.T) {
				r := newRig(t, nil)
				r.secrets.put(current, "v1", c.first, time.Minute)
				r.secrets.put(previous, "v0", secret("z"), time.Hour) // no use for one that is minted
				r.run(event{"action": "check"})
				if c.then != "" {
					r.secrets.put(current, "v2", c.then, time.Second)
				}
				mints, tried := r.mint(c.answers...), r.serve(c.targets)
				got := r.run(c.event)
				if diff := cmp.Diff(c.tried, tried()); diff != "" {
					t.Errorf("tokens tried (-want +got):\n%s", diff)
				}
				if got.result.Outcome != c.outcome || string(got.result.Verdict) != c.verdict ||
					got.result.RecoveredWith != c.with {
					t.Errorf("%+v; want %s, %s, %q", got.result, c.outcome, c.verdict, c.with)
				}
				if mints() != c.mints {
					t.Errorf("%d token requests, want %d", mints(), c.mints)
				}
				if got.err != nil && !strings.Contains(got.err.Error(), c.says) {
					t.Errorf("the error does not say %q: %s", c.says, got.err)
				}
			})
		})
	}
}

// A rejected minted token is of no more use, even to a run that may not repeat its call.
func TestRejectedMintedTokenIsForgotten(t *testing.T) {
	t.Parallel()
	synctest.Test(t, func(t *testing.T) {
		r := newRig(t, nil)
		r.secrets.put(current, "v1", mintedSecret("c1"), time.Hour)
		r.mint("m1", "m2")
		tried := r.serve(map[string]int{"m1": 403, "m2": 200})
		post := event{"call": "POST https://example.com/", "reject": event{"status": []any{403}}}
		if got := r.run(post); got.result.Outcome != "token_rejected" {
			t.Errorf("%+v", got.result)
		}
		if got := r.run(post); got.result.Outcome != "succeeded" || got.result.RecoveredWith != "" {
			t.Errorf("%+v", got.result)
		}
		if diff := cmp.Diff([]string{"m1", "m2"}, tried()); diff != "" {
			t.Errorf("tokens tried (-want +got):\n%s", diff)
		}
	})
}

func TestTokenIsReadOnceInFiveMinutes(t *testing.T) {
	t.Parallel()
	synctest.Test(t, func(t *testing.T) {
		r := newRig(t, nil)
		r.secrets.put(current, "v1", secret("a"), time.Hour)
		r.serve(map[string]int{"a": 200})
		for range 20 { // one a minute
			r.run(nil)
			time.Sleep(time.Minute)
		}
		if got := len(r.secrets.stages()); got != 4 {
			t.Errorf("%d reads in 20 minutes, want 4", got)
		}
	})
}

func TestExpiryFromTheTarget(t *testing.T) {
	t.Parallel()
	cases := map[string]struct{ secret, want string }{
		"nothing else known": {secret: secret("a"), want: "TokenDaysToExpiry S T 30.0"},
		"expires_at goes first": {secret: `{"token":"` + secret("a") +
			`","expires_at":"2000-01-11"}`, want: "TokenDaysToExpiry S T 10.0"},
		"not for a minted one": {secret: mintedSecret("c1"), want: ""},
	}
	for name, c := range cases {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			synctest.Test(t, func(t *testing.T) {
				r := newRig(t, nil)
				r.secrets.put(current, "v1", c.secret, time.Hour)
				r.mint("m1")
				r.net.Handle(host, func(w http.ResponseWriter, _ *http.Request) {
					w.Header().Set("GitHub-Authentication-Token-Expiration", "2000-01-31 00:00:00 UTC")
				})
				got := r.run(nil)
				said := strings.Join(r.said(), ", ")
				if c.want == "" && strings.Contains(said, "TokenDaysToExpiry") || !strings.Contains(said, c.want) ||
					(got.result.TokenExpiresAt == nil) != (c.want == "") {
					t.Errorf("published %s, result %+v", said, got.result)
				}
			})
		})
	}
}

func TestRunID(t *testing.T) {
	t.Parallel()
	synctest.Test(t, func(t *testing.T) {
		r := newRig(t, nil)
		r.secrets.put(current, "v1", secret("a"), time.Hour)
		var keys, bodies []string
		r.net.Handle(host, func(_ http.ResponseWriter, request *http.Request) {
			body, _ := io.ReadAll(request.Body)
			keys, bodies = append(keys, request.Header.Get("Idempotency-Key")), append(bodies, request.URL.RawQuery+string(body))
		})
		scheduled := event{
			"call":        "POST https://example.com/?for={{scheduledDate}}",
			"body":        event{"id": "{{runId}}", "at": "{{scheduledTime}}"},
			"scheduleArn": "arn:aws:scheduler:eu-west-1:123456789012:schedule/g/n", "scheduledTime": "2000-01-01T00:00:00Z",
		}
		first := r.run(scheduled)
		time.Sleep(26 * time.Hour)
		second := r.run(scheduled)
		if first.result.RunID != second.result.RunID || keys[0] != first.result.RunID || keys[1] != keys[0] ||
			bodies[0] != bodies[1] {
			t.Errorf(
				"the same run delivered twice: %s and %s, keys %q, bodies %q", first.result.RunID, second.result.RunID, keys,
				bodies,
			)
		}
		if !strings.Contains(bodies[0], first.result.RunID) || !strings.Contains(bodies[0], "for=2000-01-01") {
			t.Errorf("body %s", bodies[0])
		}
		scheduled["scheduledTime"] = "2000-01-02T00:00:00Z"
		if third := r.run(scheduled); third.result.RunID == first.result.RunID {
			t.Error("another start has the same id")
		}
	})
}

func TestTimeOfTheInvocation(t *testing.T) {
	t.Parallel()
	cases := map[string]struct {
		prepare func(*rig)
		event   event
		took    time.Duration
		outcome caller.Outcome
		says    string
	}{
		"the target hangs": {
			prepare: func(r *rig) { r.net.Raw(host, func(_ int, c *testnet.Conn) { c.Hang() }) }, event: event{"timeout": "60s"},
			took: 18 * time.Second, outcome: "unreachable", says: "no answer came within",
		},
		"Secrets Manager hangs": {prepare: func(r *rig) {
			r.secrets.Took = smfake.Hang
		}, event: nil, took: 18 * time.Second, outcome: "token_unavailable", says: "did not answer"},
		"the token endpoint hangs": {
			prepare: func(r *rig) {
				r.secrets.put(current, "v1", mintedSecret("c1"), time.Hour)
				r.net.Raw("auth.example.com:443", func(_ int, c *testnet.Conn) { c.Hang() })
			}, event: nil, took: 18 * time.Second, outcome: "token_unavailable", says: "auth.example.com",
		},
		"the token endpoint asks for a long wait": {
			prepare: func(r *rig) {
				r.secrets.put(current, "v1", mintedSecret("c1"), time.Hour)
				r.net.Handle("auth.example.com:443", func(w http.ResponseWriter, _ *http.Request) {
					w.Header().Set("Retry-After", "30")
					w.WriteHeader(http.StatusServiceUnavailable)
				})
			}, event: nil, took: 0, outcome: "token_unavailable", says: "503",
		},
	}
	for name, c := range cases {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			synctest.Test(t, func(t *testing.T) {
				r := newRig(t, nil)
				r.secrets.put(current, "v1", secret("a"), 60*24*time.Hour)
				c.prepare(r)
				ctx, cancel := context.WithTimeout(t.Context(), 20*time.Second)
				defer cancel()
				started := time.Now()
				got := r.runIn(ctx, c.event)
				if took := time.Since(started).Round(10 * time.Millisecond); took > c.took || took < c.took-3*time.Second {
					t.Errorf("it took %s, want %s", took, c.took)
				}
				if got.result.Outcome != c.outcome || got.result.Verdict != "unknown" ||
					!strings.Contains(got.err.Error(), c.says) {
					t.Errorf("%+v, %v", got.result, got.err)
				}
				if diff := cmp.Diff([]string{"Heartbeat S J 0"}, r.said()); diff != "" {
					t.Errorf("data (-want +got):\n%s", diff)
				}
			})
		})
	}
}

func TestNoTimeForAnAttempt(t *testing.T) {
	t.Parallel()
	synctest.Test(t, func(t *testing.T) {
		r := newRig(t, nil)
		r.secrets.put(current, "v1", secret("a"), time.Hour)
		calls := r.serve(map[string]int{"a": 200})
		ctx, cancel := context.WithTimeout(t.Context(), 2900*time.Millisecond)
		defer cancel()
		got := r.runIn(ctx, nil)
		if got.kind() != "UnreachableError" || !strings.Contains(got.err.Error(), "no time was left") ||
			len(calls()) != 0 || got.result.Attempts != 0 {
			t.Errorf("%v, %+v", got.err, got.result)
		}
	})
}

func TestMetricsThatCannotBeStored(t *testing.T) {
	t.Parallel()
	cases := map[string]struct {
		status int
		hang   bool
		kind   string
		says   bool // the error does
		line   string
	}{
		"rejected":          {status: 401, hang: false, kind: "TokenRejectedError", says: true, line: `"TokenRejected":1`},
		"CloudWatch hangs":  {status: 401, hang: true, kind: "TokenRejectedError", says: true, line: `"TokenRejected":1`},
		"succeeded":         {status: 200, hang: false, kind: "", says: false, line: `"TokenRejected":0`},
		"the target failed": {status: 501, hang: false, kind: "TargetFailedError", says: false, line: `"Heartbeat":0`},
	}
	for name, c := range cases {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			synctest.Test(t, func(t *testing.T) {
				r := newRig(t, nil)
				r.secrets.put(current, "v1", secret("a"), 48*time.Hour)
				r.serve(map[string]int{"a": c.status})
				r.watch.Put = cwfake.Fail(apiError("AccessDenied"))
				if c.hang {
					r.watch.Put = func(ctx context.Context, _ int) error { <-ctx.Done(); return ctx.Err() }
				}
				r.watch.Alarm = cwfake.Alarming(
					"S-TokenRejected-T", types.StateValueAlarm, time.Now().Add(-48*time.Hour),
				)
				ctx, cancel := context.WithTimeout(t.Context(), 20*time.Second)
				defer cancel()
				started := time.Now()
				got := r.runIn(ctx, nil)
				if took := time.Since(started); took > 19700*time.Millisecond {
					t.Errorf("it took %s of 20 s: no time is left for the answer", took)
				}
				if got.kind() != c.kind || got.err != nil && strings.Contains(got.err.Error(), "could not be stored") != c.says {
					t.Errorf("error %s: %v", got.kind(), got.err)
				}
				embedded := 0
				for line := range strings.Lines(got.log) {
					var record map[string]any
					if json.Unmarshal([]byte(line), &record) == nil && record["_aws"] != nil {
						embedded++
						if record["level"] != "FATAL" || !strings.Contains(line, c.line) {
							t.Errorf("embedded metric: %s", line)
						}
					}
				}
				if embedded != 1 {
					t.Errorf("%d embedded metric lines, want 1: %s", embedded, got.log)
				}
				if r.watch.Describes != 0 || len(r.watch.Sets) != 0 {
					t.Error("reminded of a rejection that is not stored")
				}
			})
		})
	}
}

func TestReminderComesAfterTheDatum(t *testing.T) {
	t.Parallel()
	synctest.Test(t, func(t *testing.T) {
		r := newRig(t, nil)
		r.secrets.put(current, "v1", secret("a"), 48*time.Hour)
		status := 401
		r.net.Handle(host, func(w http.ResponseWriter, _ *http.Request) { w.WriteHeader(status) })
		r.watch.Alarm = cwfake.Alarming(
			"S-TokenRejected-T", types.StateValueAlarm, time.Now().Add(-48*time.Hour),
		)
		for range 3 {
			r.run(nil)
			time.Sleep(time.Minute)
		}
		if len(r.watch.Sets) != 2 {
			t.Fatalf("%d changes of state in three rejected runs, want 2: one reminder", len(r.watch.Sets))
		}
		reason := aws.ToString(r.watch.Sets[1].StateReason)
		for _, part := range []string{"token T", "Job J", "version v1", "2 days"} {
			if !strings.Contains(reason, part) {
				t.Errorf("the reason does not say %q: %s", part, reason)
			}
		}
		r.leaks(reason)
		// Who proves nothing, or recovers, reminds of nothing.
		for _, status = range []int{501, 200} {
			reads := r.watch.Describes
			if r.run(nil); r.watch.Describes != reads {
				t.Errorf("%d: the alarm was looked at", status)
			}
		}
	})
}

func TestPanicsAreReported(t *testing.T) {
	t.Parallel()
	synctest.Test(t, func(t *testing.T) {
		r := newRig(t, nil)
		r.secrets.put(current, "v1", secret("a"), time.Hour)
		r.serve(map[string]int{"a": 200})
		r.run(nil)
		r.secrets.Panics = fmt.Errorf("the value %s is bad", secret("a"))
		time.Sleep(10 * time.Minute)
		got := r.run(nil)
		if got.kind() != "InternalError" || !strings.Contains(got.err.Error(), "is bad") ||
			!strings.Contains(got.log, "run_test.go") && !strings.Contains(got.log, "goroutine") {
			t.Errorf("%s: %v\n%s", got.kind(), got.err, got.log)
		}
		r.secrets.Panics = nil
		if got := r.run(nil); got.result.Outcome != "succeeded" {
			t.Errorf("the next run: %+v, %v", got.result, got.err)
		}
	})
}

func TestRunLineIsNeverFiltered(t *testing.T) {
	t.Parallel()
	synctest.Test(t, func(t *testing.T) {
		r := newRig(t, func(s *config.Settings) { s.LogLevel = 8 }) // error
		r.secrets.put(current, "v1", `{"token":"`+secret("a")+`","expires_at":"soon"}`, time.Hour)
		r.serve(map[string]int{"a": 200})
		got := r.run(nil) // fails loudly if there is no line
		if strings.Contains(got.log, "WARN") {
			t.Errorf("a warning passed: %s", got.log)
		}
	})
}

func TestManyRunsAtOnce(t *testing.T) {
	t.Parallel()
	synctest.Test(t, func(t *testing.T) {
		r := newRig(t, nil)
		for i := range 5 {
			r.secrets.putInto(fmt.Sprintf("S/s%d", i), current, "v1", secret(fmt.Sprintf("old%d", i)), time.Hour)
		}
		r.secrets.putInto("S/minted", current, "v1", mintedSecret("c1"), time.Hour)
		mints := r.mint("m1")
		statuses := map[string]int{"m1": 200}
		for i := range 5 {
			statuses[fmt.Sprintf("new%d", i)] = 200
		}
		r.serve(statuses)
		runOne := func(i int, name string) ([]byte, error) {
			text := fmt.Sprintf(
				`{"job":"J%d","token":"T-%s","secret":%q,"call":"%s https://example.com/%d"}`, i, name, name,
				[]string{"GET", "POST"}[i%2], i,
			)
			return r.handler.Invoke(t.Context(), []byte(text))
		}
		for i := range 5 { // into memory
			if _, err := runOne(i, fmt.Sprintf("s%d", i)); err == nil {
				t.Fatal("an old token was accepted")
			}
		}
		time.Sleep(time.Second)
		for i := range 5 {
			r.secrets.putInto(fmt.Sprintf("S/s%d", i), current, "v2", secret(fmt.Sprintf("new%d", i)), time.Second)
		}
		r.secrets.stages()
		var wg sync.WaitGroup
		for i := range 50 {
			wg.Go(func() {
				name := fmt.Sprintf("s%d", i%6)
				if i%6 == 5 {
					name = "minted"
				}
				response, err := runOne(i, name)
				var result caller.Result
				if err != nil || json.Unmarshal(response, &result) != nil || result.Outcome != "succeeded" ||
					result.Job != fmt.Sprintf("J%d", i) || result.Token != "T-"+name {
					t.Errorf("run %d: %s, %v", i, response, err)
				}
			})
		}
		wg.Wait()
		if mints() != 1 {
			t.Errorf("%d token requests, want 1", mints())
		}
		if reads := len(r.secrets.stages()); reads > 11 {
			t.Errorf("%d reads: runs with one rejected token share them", reads)
		}
		r.leaks(r.out.from(0))
	})
}
