package caller_test

import (
	"io"
	"maps"
	"net/http"
	"slices"
	"strings"
	"testing"
	"testing/synctest"
	"time"

	"github.com/google/go-cmp/cmp"
)

// A token that a job uses once a week is probed each day: its death and expiry are known the same day.
func TestCheckMakesTheSecretsProbe(t *testing.T) {
	t.Parallel()
	const opaque = `{"token":"` + canary + `a","probe":{"call":"GET https://example.com/verify",` +
		`"headers":{"X-Version":"2"},"expires_at":"/result/expires_on"`
	day := time.Date(2027, 1, 31, 0, 0, 0, 0, time.UTC)
	tests := map[string]struct {
		secret  string
		status  int
		header  http.Header
		body    string
		event   event
		outcome string
		verdict string
		expires time.Time
		says    string
	}{
		"accepted without rules says nothing": {
			secret: opaque +
				`}}`, status: 200, body: `{"result":{"expires_on":"2027-01-31"}}`, outcome: "succeeded", verdict: "unknown",
			expires: day,
		},
		"accepted by a rule": {
			secret: opaque +
				`,"expect":{"json":{"/success":true}}}}`, status: 200, body: `{"success":true}`, outcome: "succeeded",
			verdict: "accepted",
		},
		"accepted where a rule could have matched": {
			secret: opaque +
				`,"reject":{"json":{"/success":false}}}}`, status: 200, body: `{"success":true}`, outcome: "succeeded",
			verdict: "accepted",
		},
		"empty rules are none": {secret: opaque +
			`,"expect":{},"reject":{}}}`, status: 200, body: `{}`, outcome: "succeeded", verdict: "unknown"},
		"rejected by 401": {secret: opaque +
			`}}`, status: 401, outcome: "token_rejected", verdict: "rejected", says: "answered 401"},
		"rejected by a rule": {
			secret: opaque +
				`,"reject":{"json":{"/success":false}}}}`, status: 200, body: `{"success":false}`, outcome: "token_rejected",
			verdict: "rejected", says: "reject.json",
		},
		"the event's rules do not judge it": {
			secret: opaque + `}}`, status: 403,
			event:   event{"reject": event{"status": []any{403}}, "call": "POST https://example.com/other"},
			outcome: "target_failed", verdict: "unknown", says: "GET example.com failed",
		},
		"it fails": {secret: opaque +
			`}}`, status: 501, outcome: "target_failed", verdict: "unknown", says: "GET example.com failed"},
		"a body that is not JSON": {secret: opaque +
			`}}`, status: 200, body: "<html>", outcome: "succeeded", verdict: "unknown"},
		"a body that cannot be read, and no rule needs": {
			secret: opaque + `}}`, status: 200, header: http.Header{"Content-Encoding": {"zstd"}}, body: "zstd",
			outcome: "succeeded", verdict: "unknown",
		},
		"a body that cannot be read, and a rule needs": {
			secret: opaque + `,"expect":{"json":{"/success":true}}}}`, status: 200,
			header: http.Header{"Content-Encoding": {"zstd"}}, body: "zstd",
			outcome: "target_failed", verdict: "unknown", says: "zstd",
		},
		"an expiry that cannot be read": {secret: opaque +
			`}}`, status: 200, body: `{"result":{"expires_on":"soon"}}`, outcome: "succeeded", verdict: "unknown"},
		"expires_at of the secret is first": {
			secret: strings.Replace(opaque, `"token"`, `"expires_at":"2026-12-31","token"`, 1) + `}}`, status: 200,
			body: `{"result":{"expires_on":"2027-01-31"}}`, outcome: "succeeded", verdict: "unknown",
			expires: time.Date(2026, 12, 31, 0, 0, 0, 0, time.UTC),
		},
		"the header is before the body": {
			secret: opaque + `}}`, status: 200,
			header:  http.Header{"Github-Authentication-Token-Expiration": {"2026-12-31 00:00:00 UTC"}},
			body:    `{"result":{"expires_on":"2027-01-31"}}`,
			outcome: "succeeded", verdict: "unknown", expires: time.Date(2026, 12, 31, 0, 0, 0, 0, time.UTC),
		},
		"a host that the token is not bound to": {secret: strings.Replace(opaque, "example.com", "example.net", 1) +
			`}}`, outcome: "invalid_job", verdict: "unknown", says: "host example.net"},
		"no probe": {secret: secret("a"), outcome: "succeeded", verdict: "unknown"},
	}
	for name, tt := range tests {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			synctest.Test(t, func(t *testing.T) {
				r := newRig(t, nil)
				r.secrets.put(current, "v1", tt.secret, 2*time.Hour)
				calls := 0
				r.net.Handle(host, func(w http.ResponseWriter, req *http.Request) {
					calls++
					if req.Method != http.MethodGet || req.URL.Path != "/verify" || req.Header.Get("Authorization") != "Bearer "+
						secret("a") || req.Header.Get("X-Version") != "2" {
						t.Errorf("%s %s %v", req.Method, req.URL, req.Header)
					}
					maps.Copy(w.Header(), tt.header)
					w.WriteHeader(tt.status)
					_, _ = io.WriteString(w, tt.body)
				})
				change := event{"action": "check"}
				maps.Copy(change, tt.event)
				got := r.run(change)
				if string(got.result.Outcome) != tt.outcome || string(got.result.Verdict) != tt.verdict {
					t.Errorf("%+v, want %s and %s", got.result, tt.outcome, tt.verdict)
				}
				var expires time.Time
				if got.result.TokenExpiresAt != nil {
					expires = *got.result.TokenExpiresAt
				}
				if diff := cmp.Diff(tt.expires, expires); diff != "" {
					t.Errorf("expiry (-want +got):\n%s", diff)
				}
				if got.err != nil && !strings.Contains(got.err.Error(), tt.says) {
					t.Errorf("error %s, want it to say %q", got.err, tt.says)
				}
				if wanted := tt.status != 0; wanted != (calls > 0) || got.result.Attempts != calls {
					t.Errorf("%d calls, %d attempts", calls, got.result.Attempts)
				}
			})
		})
	}
}

// An operator who stores a working client does not wait for five minutes: AWSCURRENT is re-read each time.
func TestRejectedClientIsReReadAndAnotherVersionIsUsedAtOnce(t *testing.T) {
	t.Parallel()
	synctest.Test(t, func(t *testing.T) {
		r := newRig(t, nil)
		r.secrets.put(current, "v1", mintedSecret("c1"), time.Hour)
		r.serve(map[string]int{"m1": 200})
		mints := r.mint(`400 {"error":"invalid_client"}`, `400 {"error":"invalid_client"}`, "m1")
		for i := range 3 {
			got := r.run(nil)
			if got.result.Outcome != "token_rejected" || mints() != 1 {
				t.Fatalf("run %d: %+v after %d token requests", i, got.result, mints())
			}
			if text := got.err.Error(); i > 0 && (!strings.Contains(text, "rejected at ") ||
				!strings.Contains(text, "called again after ")) {
				t.Errorf("run %d does not say when it is called again: %s", i, text)
			}
			time.Sleep(time.Minute)
		}
		r.secrets.put(current, "v2", mintedSecret("c2"), time.Second)
		got := r.run(nil)
		if got.result.Outcome != "token_rejected" || mints() != 2 || got.result.TokenVersion != "v2" {
			t.Errorf("another version is not asked at once: %+v after %d", got.result, mints())
		}
		r.secrets.put(current, "v3", mintedSecret("c3"), time.Second)
		if got = r.run(nil); got.result.Outcome != "succeeded" || mints() != 3 {
			t.Errorf("%+v after %d token requests", got.result, mints())
		}
	})
}

// The expiry of a client secret is known before it comes, whatever becomes of the token.
func TestExpiryOfAClientIsReported(t *testing.T) {
	t.Parallel()
	for name, answer := range map[string]string{"minted": "m1", "rejected": `400 {"error":"invalid_client"}`} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			synctest.Test(t, func(t *testing.T) {
				r := newRig(t, nil)
				r.secrets.put(current, "v1", strings.Replace(mintedSecret("c1"), "{", `{"expires_at":"2027-01-31",`, 1), time.Hour)
				r.serve(map[string]int{"m1": 200})
				r.mint(answer)
				got := r.run(nil)
				if at := got.result.TokenExpiresAt; at == nil || !at.Equal(time.Date(2027, 1, 31, 0, 0, 0, 0, time.UTC)) {
					t.Errorf("%+v", got.result)
				}
			})
		})
	}
}

func TestLoginAtAHostThatTheTokenIsNotBoundToIsAnInvalidJob(t *testing.T) {
	t.Parallel()
	synctest.Test(t, func(t *testing.T) {
		r := newRig(t, nil)
		r.secrets.put(current, "v1", `{"login":{"call":"POST https://example.net/login","body":{"password":"`+canary+
			`pw"},"token":"/token"}}`, time.Hour)
		got := r.run(nil)
		if got.result.Outcome != "invalid_job" || got.result.Verdict != "unknown" ||
			!strings.Contains(got.err.Error(), "example.net") {
			t.Errorf("%+v: %v", got.result, got.err)
		}
	})
}

// An expiry that is there and cannot be read warns: 3650 would say that there is none, and clear an alarm.
func TestExpiryOfAnAnswerThatCannotBeReadWarns(t *testing.T) {
	t.Parallel()
	const (
		probed = `{"token":"` + canary + `a","probe":{"call":"GET https://example.com/verify","expires_in":"/ttl",` +
			`"expires_at":"/at"}}`
		login = `{"login":{"call":"POST https://example.com/login","token":"/t","expires_in":"/ttl","expires_at":"/at"}}`
		days  = "TokenDaysToExpiry S T 3650.0"
	)
	for name, c := range map[string]struct {
		secret, body, header, says string
		days                       bool
	}{
		"a probe's time":                {secret: probed, body: `{"at":"soon"}`, says: "expires_at is neither"},
		"a probe's lifetime":            {secret: probed, body: `{"ttl":[5]}`, says: "expires_in is not a lifetime"},
		"a probe that names none":       {secret: probed, body: `{"at":null}`, days: true},
		"a probe with another that can": {secret: probed, body: `{"ttl":"soon","at":"2027-01-31"}`},
		"the header of a target":        {secret: secret("a"), header: "soon", says: "token-expiration is neither"},
		"a login's time": {secret: login, body: `{"t":"` + canary +
			`m","at":true}`, says: "expires_at is true or false"},
		"a login's lifetime": {secret: login, body: `{"t":"` + canary +
			`m","ttl":"1h"}`, says: "expires_in is not a lifetime"},
		"a login that names no lifetime": {secret: login, body: `{"t":"` + canary + `m"}`},
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			synctest.Test(t, func(t *testing.T) {
				r := newRig(t, nil)
				r.secrets.put(current, "v1", c.secret, 2*time.Hour)
				r.net.Handle(host, func(w http.ResponseWriter, _ *http.Request) {
					if c.header != "" {
						w.Header().Set("Github-Authentication-Token-Expiration", c.header)
					}
					_, _ = io.WriteString(w, c.body)
				})
				action := "call"
				if c.secret == probed {
					action = "check"
				}
				got := r.run(event{"action": action})
				if got.result.Outcome != "succeeded" {
					t.Fatalf("%+v", got.result)
				}
				if warned := strings.Contains(got.log, "check the secret"); warned != (c.says != "") ||
					!strings.Contains(got.log, c.says) {
					t.Errorf("log: %s", got.log)
				}
				said := r.said()
				if published := slices.Contains(said, days); published != c.days {
					t.Errorf("3650 published: %t: %v", published, said)
				}
			})
		})
	}
}
