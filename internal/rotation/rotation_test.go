package rotation_test

import (
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"maps"
	"net/http"
	"reflect"
	"regexp"
	"strings"
	"testing"
	"testing/synctest"
	"time"

	"github.com/aws/aws-sdk-go-v2/aws"
	"github.com/aws/aws-sdk-go-v2/service/secretsmanager/types"
	"github.com/google/go-cmp/cmp"

	"github.com/cronbearer/cronbearer/internal/oauth"
	"github.com/cronbearer/cronbearer/internal/redact"
	"github.com/cronbearer/cronbearer/internal/rotation"
	"github.com/cronbearer/cronbearer/internal/token"
)

// rotatable is a secret with a provider's "new token" call.
func rotatable(access, _ string) string {
	return fmt.Sprintf(
		`{"token":%q,"rotate":{"call":"POST https://id.example.com/rotate","headers":{"X-Api-Version":"2026-11-01"},`+
			`"body":{"days":30},"token":"/data/token","expires_at":"/data/ends"}}`,
		access,
	)
}

// errorName is what Lambda shows.
func errorName(err error) string {
	if err == nil {
		return ""
	}
	return reflect.TypeOf(err).Elem().Name()
}

func TestRotation(t *testing.T) {
	t.Parallel()
	synctest.Test(t, func(t *testing.T) {
		w := newWorld(t, refreshable)
		before := w.sm.Label(current)
		p := w.start()
		defer p.close()
		version := w.sm.Rotate()
		for _, want := range []struct {
			step    rotation.Step
			outcome string
		}{
			{step: rotation.CreateSecret, outcome: "renewed"},
			{step: rotation.CreateSecret, outcome: "already_renewed"},
			{step: rotation.SetSecret, outcome: "nothing_to_set"},
			{step: rotation.SetSecret, outcome: "nothing_to_set"},
			{step: rotation.TestSecret, outcome: "accepted"},
			{step: rotation.TestSecret, outcome: "accepted"},
			{step: rotation.FinishSecret, outcome: "finished"},
			{step: rotation.FinishSecret, outcome: "already_current"},
			{step: rotation.CreateSecret, outcome: "already_current"},
			{step: rotation.TestSecret, outcome: "already_current"},
		} {
			got, err := p.invoke(event(want.step, version))
			if err != nil || got != fmt.Sprintf(`{"outcome":%q}`, want.outcome) {
				t.Errorf("%s = %s, %v; want %s", want.step, got, err, want.outcome)
			}
		}
		if w.sm.Label(current) != version || w.sm.Label(previous) != before {
			t.Errorf("AWSCURRENT %s, AWSPREVIOUS %s; want %s, %s", w.sm.Label(current), w.sm.Label(previous), version, before)
		}
		if _, posts := w.provider.counts(); posts != 1 {
			t.Errorf("%d token requests", posts)
		}
		if left := leases(w.sm); len(left) > 0 {
			t.Errorf("labels are left: %v", left)
		}
		first, _, _ := strings.Cut(p.out.String(), "\n")
		var line map[string]any
		if err := json.Unmarshal([]byte(first), &line); err != nil {
			t.Fatal(err)
		}
		delete(line, "timestamp")
		delete(line, "duration_ms")
		want := map[string]any{
			"level": "INFO", "message": "rotation step", "requestId": "request",
			"secret": secretARN, "step": "createSecret", "version": version, "outcome": "renewed",
		}
		if diff := cmp.Diff(want, line); diff != "" {
			t.Error(diff)
		}
		if lines := strings.Count(p.out.String(), "\n"); lines != 10 {
			t.Errorf("%d log lines of 10 steps:\n%s", lines, p.out)
		}
	})
}

// TestWhatIsStored compares the secrets before and after, with the tokens of the provider in place of those of before.
func TestWhatIsStored(t *testing.T) {
	t.Parallel()
	const ends = "2000-01-01T01:00:00Z" // the bubble begins with the year
	const oauth2 = `"oauth2":{"grant":"refresh_token","token_url":"https://id.example.com/token","client_id":"client",` +
		`"refresh_token":"REFRESH","client_secret":"canary-client-secret"}`
	for name, tc := range map[string]struct {
		before, after string
		answer        map[string]any // nil removes
	}{
		"keys and their order stay": {
			before: `{"hosts":["id.example.com"],` + oauth2 +
				`,"expires_at":"2000-01-01","token":"ACCESS","test":"GET https://id.example.com/test"}`,
			after: `{"hosts":["id.example.com"],` + oauth2 + `,"expires_at":"` + ends +
				`","token":"ACCESS","test":"GET https://id.example.com/test"}`,
		},
		"an expiry comes after the token": {
			before: `{"token":"ACCESS",` + oauth2 + `}`,
			after:  `{"token":"ACCESS","expires_at":"` + ends + `",` + oauth2 + `}`,
		},
		"an unknown expiry goes": {
			before: `{"token":"ACCESS","expires_at":"2000-01-01",` + oauth2 + `}`,
			after:  `{"token":"ACCESS",` + oauth2 + `}`,
			answer: map[string]any{"expires_in": nil},
		},
		"a senseless expiry goes": {
			before: `{"token":"ACCESS","expires_at":"2000-01-01",` + oauth2 + `}`,
			after:  `{"token":"ACCESS",` + oauth2 + `}`,
			answer: map[string]any{"expires_in": -1},
		},
		"a date is midnight UTC": {
			before: rotatable("ACCESS", ""),
			after:  strings.Replace(rotatable("ACCESS", ""), `"ACCESS",`, `"ACCESS","expires_at":"2027-01-31T00:00:00Z",`, 1),
		},
		"no expiry in the answer": {
			before: strings.Replace(rotatable("ACCESS", ""), `"ACCESS",`, `"ACCESS","expires_at":"2000-01-01T00:00:00Z",`, 1),
			after:  rotatable("ACCESS", ""),
			answer: map[string]any{"ends": nil},
		},
	} {
		synctest.Test(t, func(t *testing.T) {
			var firstAccess, firstRefresh, lastAccess, lastRefresh string
			lastRefresh = "none"
			w := newWorld(t, func(access, refresh string) string {
				firstAccess, firstRefresh = access, refresh
				return strings.NewReplacer("ACCESS", access, "REFRESH", refresh).Replace(tc.before)
			})
			w.provider.answer = func(_ http.ResponseWriter, body map[string]any) bool {
				if data, ok := body["data"].(map[string]any); ok {
					lastAccess, _ = data["token"].(string)
					change(data, tc.answer)
					return false
				}
				lastAccess, _ = body["access_token"].(string)
				lastRefresh, _ = body["refresh_token"].(string)
				change(body, tc.answer)
				return false
			}
			p := w.start()
			if err := p.all(); err != nil {
				t.Errorf("%s: %v", name, err)
			}
			p.close()
			got := strings.NewReplacer(
				lastAccess, "ACCESS", lastRefresh, "REFRESH", firstAccess, "OLD ACCESS", firstRefresh, "OLD REFRESH",
			).Replace(w.sm.Value(current))
			if got != tc.after {
				t.Errorf("%s:\n got %s\nwant %s", name, got, tc.after)
			}
		})
	}
}

func change(body, by map[string]any) {
	for k, v := range by {
		if v == nil {
			delete(body, k)
		} else {
			body[k] = v
		}
	}
}

func TestRefreshTokenThatGoesOn(t *testing.T) {
	t.Parallel()
	synctest.Test(t, func(t *testing.T) {
		w := newWorld(t, refreshable)
		before := w.stored()
		w.provider.answer = func(_ http.ResponseWriter, body map[string]any) bool {
			delete(body, "refresh_token")
			return false
		}
		p := w.start()
		defer p.close()
		if err := p.all(); err != nil {
			t.Fatal(err)
		}
		if w.stored() != before {
			t.Error("the refresh token is another")
		}
	})
}

// TestRejections: no request is sent and nothing is written.
func TestRejections(t *testing.T) {
	t.Parallel()
	good := event(rotation.CreateSecret, "VERSION")
	with := func(before, after string) string { return strings.Replace(good, before, after, 1) }
	for name, tc := range map[string]struct {
		event    string
		function string
		prepare  func(*world)
		secret   func(access, refresh string) string
		want     string // in the error
	}{
		"no JSON":                     {event: `{"Step":`, want: "not valid JSON"},
		"no object":                   {event: `[]`, want: "must be an object"},
		"a key twice":                 {event: with(`{`, `{"Step":"setSecret",`), want: "duplicate key"},
		"a key of the wrong type":     {event: with(`"createSecret"`, `1`), want: "Step must be a string"},
		"everything missing":          {event: `{}`, want: "Step is missing"},
		"an unknown step":             {event: with("createSecret", "create secret"), want: "Step must be createSecret"},
		"a name not under the prefix": {event: with(secretARN, "other/example-api"), want: "not under stack/"},
		"an ARN not under the prefix": {event: with("secret:stack/", "secret:stack2/"), want: "not under stack/"},
		"an ARN of another service":   {event: with(":secretsmanager:", ":ssm:"), want: "not under stack/"},
		"a path that looks like it":   {event: with(secretARN, "arn:stack/"), want: "not under stack/"},
		"a long id": {event: with(secretARN, "stack/"+
			strings.Repeat("x", 3000)), want: "SecretId is longer"},
		"rotation not enabled": {prepare: func(w *world) { w.sm.Enabled = false }, want: "not enabled"},
		"another function":     {function: function + "x", want: "is rotated by"},
		"an alias of it":       {function: function + ":live", want: "is rotated by"},
		"no function": {function: "none", prepare: func(w *world) {
			w.sm.Function = ""
		}, want: "is rotated by"},
		"another account's function": {
			function: strings.Replace(function, "123456789012", "210987654321", 1), want: "is rotated by",
		},
		"an unknown version": {
			event: with("VERSION", "00000000-0000-4000-8000-000000000000"), want: "has no version",
		},
		"a version that is past": {prepare: func(w *world) {
			w.sm.PutByHand(w.sm.Value(current))
			w.sm.Labels["mine"] = w.sm.Labels[pending]
			w.sm.Labels[pending] = w.sm.Labels[current]
		}, want: "is not AWSPENDING"},
		"a static token": {secret: func(access, _ string) string {
			return access
		}, want: "add oauth2 with grant refresh_token, or rotate"},
		"a static object": {secret: func(access, _ string) string {
			return `{"token":"` + access + `"}`
		}, want: "is static"},
		"a minted token": {secret: minted, want: "needs no rotation"},
		"a malformed secret": {secret: func(access, _ string) string {
			return `{"tokn":"` + access + `"}`
		}, want: "malformed"},
		"a rotate call elsewhere": {secret: func(access, refresh string) string {
			return strings.Replace(rotatable(access, refresh), "id.example.com", "evil.example.com", 1)
		}, want: "rotate.call of secret " + secretARN + " calls evil.example.com"},
		"a test call elsewhere": {secret: func(access, refresh string) string {
			return strings.Replace(refreshable(access, refresh), "GET https://id.example.com", "GET https://evil.example.com", 1)
		}, want: "test of secret " + secretARN + " calls evil.example.com"},
		"a test call to a host that hosts leaves out": {secret: func(access, refresh string) string {
			return strings.Replace(refreshable(access, refresh), `["id.example.com"]`, `["api.example.com"]`, 1)
		}, want: "not bound to"},
		"a rotate call that is half": {secret: func(access, refresh string) string {
			return strings.Replace(rotatable(access, refresh), `"/data/token"`, `"data"`, 1)
		}, want: "rotate.token"},
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			synctest.Test(t, func(t *testing.T) {
				secret := tc.secret
				if secret == nil {
					secret = refreshable
				}
				w := newWorld(t, secret)
				text := tc.event
				if text == "" {
					text = good
				}
				text = strings.Replace(text, "VERSION", w.sm.Rotate(), 1)
				if tc.prepare != nil {
					tc.prepare(w)
				}
				p := w.start()
				defer p.close()
				arn := tc.function
				if arn == "" {
					arn = function
				}
				writes := len(w.sm.Past)
				_, err := p.invokeAs(arn, text)
				wantName := "RotationRefusedError"
				if strings.Contains(name, "malformed") || strings.Contains(name, "half") {
					wantName = "RotationFailedError"
				}
				if errorName(err) != wantName || !strings.Contains(err.Error(), tc.want) {
					t.Errorf("%s: %v; want %s with %q", errorName(err), err, wantName, tc.want)
				}
				if _, posts := w.provider.counts(); posts != 0 || len(w.sm.Past) != writes {
					t.Errorf("%d requests, %d writes", posts, len(w.sm.Past)-writes)
				}
				if !strings.Contains(p.out.String(), `"message":"rotation step"`) {
					t.Errorf("no log line: %s", p.out)
				}
			})
		})
	}
}

func minted(string, string) string {
	return `{"oauth2":{"grant":"client_credentials","token_url":"https://id.example.com/token","client_id":"client",` +
		`"client_secret":"canary-client-secret"}}`
}

// TestOwnARN: an alias or version is part of the name that Secrets Manager calls.
func TestOwnARN(t *testing.T) {
	t.Parallel()
	for _, arns := range [][2]string{
		{function, function},
		{function, function + ":$LATEST"},
		{function + ":$LATEST", function},
		{function + ":live", function + ":live"},
	} {
		synctest.Test(t, func(t *testing.T) {
			w := newWorld(t, refreshable)
			w.sm.Function = arns[0]
			p := w.start()
			defer p.close()
			if _, err := p.invokeAs(arns[1], event(rotation.CreateSecret, w.sm.Rotate())); err != nil {
				t.Errorf("%s as %s: %v", arns[0], arns[1], err)
			}
		})
	}
}

// TestEventOfTomorrow: a key that AWS adds one day does not end the rotations. RotationToken goes back with the value.
func TestEventOfTomorrow(t *testing.T) {
	t.Parallel()
	synctest.Test(t, func(t *testing.T) {
		w := newWorld(t, refreshable)
		p := w.start()
		defer p.close()
		text := strings.Replace(
			event(rotation.CreateSecret, w.sm.Rotate()), "{",
			`{"RotationToken":"canary-rotation-token-0123456789abcdef","Region":"eu-west-1",`, 1,
		)
		if _, err := p.invoke(text); err != nil {
			t.Fatal(err)
		}
	})
}

// TestOutOfOrder: no step treats a version without a value as one that has it.
func TestOutOfOrder(t *testing.T) {
	t.Parallel()
	for _, step := range []rotation.Step{rotation.TestSecret, rotation.FinishSecret} {
		synctest.Test(t, func(t *testing.T) {
			w := newWorld(t, refreshable)
			before := w.sm.Label(current)
			p := w.start()
			defer p.close()
			w.sm.Rotate()
			_, err := p.do(step)
			if errorName(err) != "RotationRefusedError" || !strings.Contains(err.Error(), "has no value") {
				t.Errorf("%s: %v", step, err)
			}
			if w.sm.Label(current) != before {
				t.Error("AWSCURRENT moved")
			}
		})
	}
}

// TestAnswers: answers of the provider without a new token. Each step makes one request.
func TestAnswers(t *testing.T) {
	t.Parallel()
	status := func(code int, body map[string]any) func(http.ResponseWriter, map[string]any) bool {
		return func(w http.ResponseWriter, _ map[string]any) bool {
			reply(w, code, body)
			return true
		}
	}
	wrongClient := func(access, refresh string) string {
		return strings.Replace(refreshable(access, refresh), "canary-client-secret", "canary-wrong-secret", 1)
	}
	deadToken := func(_, _ string) string { return rotatable(canary+"-dead-token", "") }
	deadRefresh := func(access, _ string) string { return refreshable(access, canary+"-dead-refresh-token") }
	for name, tc := range map[string]struct {
		secret func(access, refresh string) string
		answer func(http.ResponseWriter, map[string]any) bool
		typ    string
		want   string
	}{
		"refresh: dead token": {secret: deadRefresh, typ: "ReauthorizationRequiredError", want: "Re-authorize"},
		"refresh: wrong client": {
			secret: wrongClient, typ: "RotationFailedError", want: "The provider rejects the client",
		},
		"refresh: 503": {
			answer: status(503, map[string]any{"error": "temporarily_unavailable"}), typ: "RotationFailedError",
			want: "answered 503, temporarily_unavailable",
		},
		"refresh: 302": {answer: status(302, nil), typ: "RotationFailedError", want: "answered 302"},
		"refresh: no token": {
			answer: status(200, map[string]any{"token_type": "Bearer"}), typ: "RotationFailedError",
			want: "without an access_token",
		},
		"refresh: not Bearer": {answer: status(200, map[string]any{"token_type": "mac", "access_token": canary +
			"-mac-token"}), typ: "RotationFailedError", want: "token_type is mac"},
		"refresh: white space": {answer: status(200, map[string]any{"token_type": "Bearer", "access_token": canary +
			" in two words"}), typ: "RotationFailedError", want: "white space inside"},
		"refresh: hangs up": {answer: func(http.ResponseWriter, map[string]any) bool {
			panic(http.ErrAbortHandler)
		}, typ: "RotationFailedError", want: "did not answer"},
		"rotate: dead token": {secret: deadToken, typ: "ReauthorizationRequiredError", want: "Re-authorize"},
		"rotate: 500": {
			secret: rotatable, answer: status(500, nil), typ: "RotationFailedError", want: "answered 500",
		},
		"rotate: no token": {
			secret: rotatable, answer: status(201, map[string]any{"data": nil}), typ: "RotationFailedError",
			want: `no string at rotate.token ("/data/token")`,
		},
		"rotate: unusable token": {
			secret: rotatable, answer: status(200, map[string]any{"data": map[string]any{"token": canary + "\n"}}),
			typ: "RotationFailedError", want: "cannot be used",
		},
		"rotate: another's message": {
			secret: rotatable, answer: status(403, map[string]any{"error": "insufficient_scope"}), typ: "RotationFailedError",
			want: "answered 403, insufficient_scope",
		},
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			synctest.Test(t, func(t *testing.T) {
				secret := tc.secret
				if secret == nil {
					secret = refreshable
				}
				w := newWorld(t, secret)
				w.provider.answer = tc.answer
				p := w.start()
				defer p.close()
				version := w.sm.Rotate()
				started := time.Now()
				_, err := p.invoke(event(rotation.CreateSecret, version))
				if errorName(err) != tc.typ || !strings.Contains(err.Error(), tc.want) {
					t.Errorf("%s: %v; want %s with %q", errorName(err), err, tc.typ, tc.want)
				}
				if _, posts := w.provider.counts(); posts > 1 {
					t.Errorf("%d requests in one step", posts)
				}
				if w.sm.Value(pending) != "" {
					t.Error("something was stored")
				}
				if left := leases(w.sm); len(left) > 0 {
					t.Errorf("the next step must wait for %v", left)
				}
				if took := time.Since(started); took > 2*time.Second {
					t.Errorf("the step took %s", took)
				}
			})
		})
	}
}

// TestRequestIsRepeatedOnceAfterALostAnswer: when the step is repeated, and not before. The server treats it as theft.
func TestRequestIsRepeatedOnceAfterALostAnswer(t *testing.T) {
	t.Parallel()
	synctest.Test(t, func(t *testing.T) {
		w := newWorld(t, refreshable)
		w.provider.answer = func(http.ResponseWriter, map[string]any) bool { panic(http.ErrAbortHandler) }
		p := w.start()
		defer p.close()
		version := w.sm.Rotate()
		for i, want := range []string{"RotationFailedError", "ReauthorizationRequiredError", "ReauthorizationRequiredError"} {
			_, err := p.invoke(event(rotation.CreateSecret, version))
			// The rejection is remembered: a dead refresh token is not posted again.
			if _, posts := w.provider.counts(); errorName(err) != want || posts != min(i+1, 2) {
				t.Errorf("step %d: %v, %d requests; want %s", i+1, err, posts, want)
			}
		}
		w.provider.answer = nil
		w.sm.PutByHand(refreshable(w.provider.logIn()))
		if err := p.all(); err != nil {
			t.Errorf("after an operator re-authorized: %v", err)
		}
		if w.sm.Label(current) != version {
			t.Error("the rotation that waited was not finished")
		}
	})
}

// TestUnusableAnswerIsKept: the body of a 2xx is stored under its own label, the pending version stays without a value,
// no rotation finishes with the old token, and the repeated step exchanges the refresh token that was kept.
func TestUnusableAnswerIsKept(t *testing.T) {
	t.Parallel()
	rewrite := func(change func(map[string]any)) func(http.ResponseWriter, map[string]any) bool {
		return func(_ http.ResponseWriter, body map[string]any) bool {
			change(body)
			return false
		}
	}
	raw := func(status int, text func(body map[string]any) string) func(http.ResponseWriter, map[string]any) bool {
		return func(w http.ResponseWriter, body map[string]any) bool {
			w.WriteHeader(status)
			_, _ = io.WriteString(w, text(body))
			return true
		}
	}
	for name, answer := range map[string]func(http.ResponseWriter, map[string]any) bool{
		"a token_type that a Bearer header cannot carry": rewrite(func(b map[string]any) { b["token_type"] = "mac" }),
		"no access_token":      rewrite(func(b map[string]any) { delete(b, "access_token") }),
		"white space inside":   rewrite(func(b map[string]any) { b["access_token"] = "in two words" }),
		"a list":               rewrite(func(b map[string]any) { b["access_token"] = []string{"x"} }),
		"too large a document": rewrite(func(b map[string]any) { b["access_token"] = strings.Repeat("x", 70_000) }),
		"nested": rewrite(func(b map[string]any) {
			b["data"] = maps.Clone(b)
			delete(b, "access_token")
			delete(b, "refresh_token")
		}),
		"form-encoded": raw(200, func(b map[string]any) string {
			return "token_type=bearer&refresh_token=" + fmt.Sprint(b["refresh_token"])
		}),
		"cut off in the middle": raw(203, func(b map[string]any) string {
			return fmt.Sprintf(`{"refresh_token":%q,"access_tok`, b["refresh_token"])
		}),
		"with a byte order mark, and text after it": raw(201, func(b map[string]any) string {
			return fmt.Sprintf("\ufeff{\"refresh_token\":%q} and more", b["refresh_token"])
		}),
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			synctest.Test(t, func(t *testing.T) {
				w := newWorld(t, refreshable)
				before := w.sm.Label(current)
				w.provider.answer = answer
				p := w.start()
				defer p.close()
				version := w.sm.Rotate()
				_, err := p.do(rotation.CreateSecret)
				if errorName(err) != "RotationFailedError" || !strings.Contains(err.Error(), rotation.KeptLabel) ||
					strings.Contains(err.Error(), "AWSCURRENT stays") {
					t.Errorf("%v", err)
				}
				var kept struct {
					KeptFor      string `json:"kept_for"`
					Answer       string `json:"answer"`
					RefreshToken string `json:"refresh_token"`
				}
				if err := json.Unmarshal([]byte(w.sm.Value(rotation.KeptLabel)), &kept); err != nil || kept.KeptFor != version ||
					kept.Answer == "" || !w.provider.honours(kept.RefreshToken) {
					t.Fatalf("kept: %.300s, %v", w.sm.Value(rotation.KeptLabel), err)
				}
				if _, err := p.do(rotation.FinishSecret); errorName(err) != "RotationRefusedError" ||
					w.sm.Label(current) != before || w.sm.Value(pending) != "" {
					t.Errorf("finishSecret: %v", err)
				}
				w.provider.answer = nil
				if err := p.all(); err != nil {
					t.Error(err)
				}
				if exchanges, posts := w.provider.counts(); exchanges != 2 || posts != 2 || w.provider.reuses != 0 ||
					!w.provider.honours(w.stored()) {
					t.Errorf("%d exchanges of %d, %d reuses", exchanges, posts, w.provider.reuses)
				}
				if left := ours(w.sm); len(left) > 0 || w.sm.Label(current) != version {
					t.Errorf("left: %v", left)
				}
			})
		})
	}
}

// TestStoring is tried until the time is up: the answer is there and must not be lost.
func TestStoring(t *testing.T) {
	t.Parallel()
	throttled := &types.InternalServiceError{Message: aws.String("busy")}
	for name, tc := range map[string]struct {
		failures int
		lost     bool // it was stored, and the answer did not come
		want     string
	}{
		"at once":                   {},
		"after many failures":       {failures: 100},
		"stored, answer lost":       {failures: 3, lost: true},
		"never":                     {failures: 1 << 30, want: "RotationFailedError"},
		"never, though it is there": {failures: 1 << 30, lost: true, want: "RotationFailedError"},
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			synctest.Test(t, func(t *testing.T) {
				w := newWorld(t, refreshable)
				p := w.start()
				defer p.close()
				tries := 0
				fault := func(operation string) error {
					if operation != "PutSecretValue" || tries >= tc.failures {
						return nil
					}
					tries++
					return throttled
				}
				if tc.lost {
					p.lost = fault
				} else {
					p.fault = fault
				}
				started := time.Now()
				version := w.sm.Rotate()
				_, err := p.invoke(event(rotation.CreateSecret, version))
				if errorName(err) != tc.want {
					t.Errorf("%v; want %q", err, tc.want)
				}
				if tc.want != "" && (!strings.Contains(err.Error(), "e-authorize") || time.Since(started) < limit-5*time.Second) {
					t.Errorf("gave up after %s: %v", time.Since(started), err)
				}
				if _, posts := w.provider.counts(); posts != 1 {
					t.Errorf("%d token requests", posts)
				}
				if stored := w.sm.Value(pending) != ""; stored != (tc.want == "" || tc.lost) {
					t.Errorf("stored: %t", stored)
				}
			})
		})
	}
}

// TestLostAnswersOfSecretsManager: each operation's answer is lost once, in turn. Repeated steps get through.
func TestLostAnswersOfSecretsManager(t *testing.T) {
	t.Parallel()
	for nth := range 30 {
		synctest.Test(t, func(t *testing.T) {
			w := newWorld(t, refreshable)
			p := w.start()
			defer p.close()
			n := 0
			p.lost = func(string) error {
				if n++; n == nth {
					return errNoAnswer
				}
				return nil
			}
			err := p.all()
			if err != nil {
				time.Sleep(time.Minute)
				err = p.all()
			}
			if err != nil {
				t.Errorf("answer %d: %v", nth, err)
			}
			if _, posts := w.provider.counts(); posts != 1 {
				t.Errorf("answer %d: %d token requests", nth, posts)
			}
			if !w.provider.honours(w.stored()) {
				t.Errorf("answer %d: the stored refresh token is dead", nth)
			}
		})
	}
}

func TestTestSecret(t *testing.T) {
	t.Parallel()
	for name, tc := range map[string]struct {
		status int
		secret func(access, refresh string) string
		want   string
		err    string
	}{
		"accepted":                 {status: 204, want: `{"outcome":"accepted"}`},
		"rejected":                 {status: 401, err: "rejects the new token"},
		"forbidden proves nothing": {status: 403, err: "did not accept the new token"},
		"down":                     {status: 503, err: "did not accept the new token"},
		"none":                     {secret: rotatable, want: `{"outcome":"not_tested"}`},
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			synctest.Test(t, func(t *testing.T) {
				secret := tc.secret
				if secret == nil {
					secret = refreshable
				}
				w := newWorld(t, secret)
				w.provider.test = tc.status
				before := w.sm.Label(current)
				p := w.start()
				defer p.close()
				w.sm.Rotate()
				if _, err := p.do(rotation.CreateSecret); err != nil {
					t.Fatal(err)
				}
				got, err := p.do(rotation.TestSecret)
				if got != tc.want || (err == nil) != (tc.err == "") || err != nil && (errorName(err) != "RotationFailedError" ||
					!strings.Contains(err.Error(), tc.err)) {
					t.Errorf("%s, %v", got, err)
				}
				if w.sm.Label(current) != before {
					t.Error("AWSCURRENT moved")
				}
			})
		})
	}
}

// TestOperatorReplacesTheCredential between the steps: theirs wins, what the rotation had is kept, AWSPENDING goes, and
// nothing is published to the alarm. The next rotation starts from theirs.
func TestOperatorReplacesTheCredential(t *testing.T) {
	t.Parallel()
	for _, step := range []rotation.Step{rotation.TestSecret, rotation.FinishSecret} {
		synctest.Test(t, func(t *testing.T) {
			w := newWorld(t, refreshable)
			p := w.start()
			defer p.close()
			w.sm.Rotate()
			if _, err := p.do(rotation.CreateSecret); err != nil {
				t.Fatal(err)
			}
			renewed := w.stored()
			byHand := w.sm.PutByHand(refreshable(w.provider.logIn()))
			_, err := p.do(step)
			if errorName(err) != "RotationRefusedError" || strings.Contains(err.Error(), "aws secretsmanager") {
				t.Errorf("%v", err)
			}
			if w.sm.Label(current) != byHand || w.sm.Label(pending) != "" ||
				!strings.Contains(w.sm.Value(rotation.KeptLabel), renewed) || w.published() != "" {
				t.Errorf("AWSPENDING %s, kept %s", w.sm.Label(pending), w.sm.Value(rotation.KeptLabel))
			}
			if err := p.all(); err != nil || !w.provider.honours(w.stored()) || w.provider.reuses != 0 || w.published() != "0" {
				t.Errorf("the next rotation: %v", err)
			}
		})
	}
}

// TestOperatorReplacesTheClient: theirs wins, and the next rotation uses their client and the refresh token that was
// kept.
func TestOperatorReplacesTheClient(t *testing.T) {
	t.Parallel()
	synctest.Test(t, func(t *testing.T) {
		w := newWorld(t, refreshable)
		p := w.start()
		defer p.close()
		w.sm.Rotate()
		if _, err := p.do(rotation.CreateSecret); err != nil {
			t.Fatal(err)
		}
		w.sm.PutByHand(strings.Replace(w.sm.Value(current), `"client_id":"client"`, `"client_id":"another"`, 1))
		if _, err := p.do(rotation.FinishSecret); errorName(err) != "RotationRefusedError" ||
			!strings.Contains(err.Error(), "client_id") {
			t.Errorf("%v", err)
		}
		if err := p.all(); err != nil || !w.provider.honours(w.stored()) || w.provider.reuses != 0 ||
			!strings.Contains(w.sm.Value(current), `"another"`) {
			t.Errorf("the next rotation: %v, %d reuses", err, w.provider.reuses)
		}
	})
}

// TestOperatorEditsTheRest: the new token goes into the secret as it was edited.
func TestOperatorEditsTheRest(t *testing.T) {
	t.Parallel()
	tested := func(access, refresh string) string {
		return strings.Replace(rotatable(access, refresh), "{", `{"test":"GET https://id.example.com/test",`, 1)
	}
	edited := func(text string, n int) string {
		return regexp.MustCompile(`/test[?0-9]*"`).ReplaceAllString(text, fmt.Sprintf(`/test?%d"`, n))
	}
	for name, secret := range map[string]func(access, refresh string) string{"oauth2": refreshable, "rotate": tested} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			for edits := 1; edits <= 2; edits++ { // after the second, what was renewed from is AWSPREVIOUS no more
				synctest.Test(t, func(t *testing.T) {
					w := newWorld(t, secret)
					p := w.start()
					defer p.close()
					w.sm.Rotate()
					if _, err := p.do(rotation.CreateSecret); err != nil {
						t.Fatal(err)
					}
					renewed := w.sm.Value(pending)
					for n := range edits {
						w.sm.PutByHand(edited(w.sm.Value(current), n))
					}
					if got, err := p.do(rotation.TestSecret); err != nil {
						t.Errorf("%s, %v", got, err)
					}
					if got, err := p.do(rotation.FinishSecret); err != nil || got != `{"outcome":"merged"}` {
						t.Fatalf("%s, %v", got, err)
					}
					want := edited(renewed, edits-1)
					if got := w.sm.Value(current); got != want || w.sm.Label(pending) != "" || len(ours(w.sm)) > 0 ||
						w.published() != "0" {
						t.Errorf("got %s\nwant %s\nlabels %v", got, want, ours(w.sm))
					}
					if err := p.all(); err != nil || w.provider.reuses != 0 {
						t.Errorf("the next rotation: %v", err)
					}
				})
			}
		})
	}
}

// TestFinishSecret compares and swaps: AWSCURRENT that moves after it was looked at stays where it is.
func TestFinishSecret(t *testing.T) {
	t.Parallel()
	for name, moves := range map[string]bool{"another call is faster": true, "its own answer is lost": false} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			synctest.Test(t, func(t *testing.T) {
				w := newWorld(t, refreshable)
				p := w.start()
				defer p.close()
				version := w.sm.Rotate()
				if _, err := p.do(rotation.CreateSecret); err != nil {
					t.Fatal(err)
				}
				const swap = "UpdateSecretVersionStage AWSCURRENT"
				byHand := ""
				p.fault = func(operation string) error {
					if moves && operation == swap {
						byHand = w.sm.PutByHand(refreshable(w.provider.logIn()))
					}
					return nil
				}
				p.lost = func(operation string) error {
					if !moves && operation == swap {
						return errNoAnswer
					}
					return nil
				}
				_, err := p.do(rotation.FinishSecret)
				switch {
				case moves && (errorName(err) != "RotationFailedError" || w.sm.Label(current) != byHand):
					t.Errorf("%v; AWSCURRENT %s, by hand %s", err, w.sm.Label(current), byHand)
				case !moves && (err != nil || w.sm.Label(current) != version):
					t.Errorf("%v; AWSCURRENT %s, want %s", err, w.sm.Label(current), version)
				}
			})
		})
	}
}

// TestSecretsManagerFails: each operation in turn, for good. The error says what, no secret, and nothing is half done.
func TestSecretsManagerFails(t *testing.T) {
	t.Parallel()
	denied := &types.InvalidRequestException{Message: aws.String("You can't do that.")}
	for step, operations := range map[rotation.Step][]string{
		rotation.CreateSecret: {
			"DescribeSecret", "GetSecretValue AWSPENDING", "GetSecretValue AWSCURRENT",
			"UpdateSecretVersionStage " + rotation.LeaseLabel,
		},
		rotation.TestSecret:   {"DescribeSecret", "GetSecretValue AWSPENDING"},
		rotation.FinishSecret: {"DescribeSecret", "GetSecretValue AWSPENDING", "UpdateSecretVersionStage AWSCURRENT"},
	} {
		for _, operation := range operations {
			t.Run(string(step)+" "+operation, func(t *testing.T) {
				t.Parallel()
				synctest.Test(t, func(t *testing.T) {
					w := newWorld(t, refreshable)
					p := w.start()
					defer p.close()
					version := w.sm.Rotate()
					if step != rotation.CreateSecret {
						if _, err := p.do(rotation.CreateSecret); err != nil {
							t.Fatal(err)
						}
					}
					p.fault = func(o string) error {
						if strings.HasPrefix(o, operation) {
							return denied
						}
						return nil
					}
					_, before := w.provider.counts()
					_, err := p.invoke(event(step, version))
					if errorName(err) != "RotationFailedError" {
						t.Errorf("%v", err)
					}
					if _, posts := w.provider.counts(); posts != before {
						t.Errorf("%d requests", posts)
					}
				})
			})
		}
	}
}

// TestInternalError: it fails the step, not the process.
func TestInternalError(t *testing.T) {
	t.Parallel()
	synctest.Test(t, func(t *testing.T) {
		w := newWorld(t, refreshable)
		p := w.start()
		defer p.close()
		p.fault = func(operation string) error {
			if operation == "PutSecretValue" {
				panic("at " + w.sm.Value(current))
			}
			return nil
		}
		w.sm.Rotate()
		if _, err := p.do(rotation.CreateSecret); errorName(err) != "InternalError" {
			t.Errorf("%v", err)
		}
	})
}

// TestLabelsOfOthers: a label that claims too much, or is unreadable, blocks no one and is removed.
func TestLabelsOfOthers(t *testing.T) {
	t.Parallel()
	synctest.Test(t, func(t *testing.T) {
		w := newWorld(t, refreshable)
		for _, rest := range []string{"9999999999999.x.y", "", "x", "0000000000000.a.b"} {
			w.sm.Labels[rotation.LeaseLabel+rest] = w.sm.Labels[current]
		}
		w.sm.Labels["mine"] = w.sm.Labels[current]
		p := w.start()
		defer p.close()
		started := time.Now()
		if err := p.all(); err != nil {
			t.Fatal(err)
		}
		if took := time.Since(started); took > time.Second {
			t.Errorf("waited %s", took)
		}
		if left := leases(w.sm); len(left) > 0 || w.sm.Label("mine") == "" {
			t.Errorf("left: %v", left)
		}
	})
}

// TestAnotherRotatorForAsLongAsThereIsTime: who waits for another one says so at the end, and not that AWS did not
// answer; its alarm stays quiet.
func TestAnotherRotatorForAsLongAsThereIsTime(t *testing.T) {
	t.Parallel()
	synctest.Test(t, func(t *testing.T) {
		w := newWorld(t, refreshable)
		p := w.start()
		defer p.close()
		var before string
		p.fault = func(operation string) error { // the other one extends its lease before each check
			if operation == "DescribeSecret" {
				time.Sleep(3 * time.Millisecond) // the time must end in a wait, not in a look
				label := fmt.Sprintf("%s%013d.other.v", rotation.LeaseLabel, time.Now().Add(10*time.Second).UnixMilli())
				delete(w.sm.Labels, before)
				w.sm.Labels[label], before = w.sm.Labels[current], label
			}
			return nil
		}
		w.sm.Rotate()
		started := time.Now()
		_, err := p.do(rotation.CreateSecret)
		if errorName(err) != "RotationFailedError" ||
			!strings.Contains(err.Error(), "another rotator held the lease for as long as there was time to wait") {
			t.Errorf("%v", err)
		}
		if took := time.Since(started); took > limit-11*time.Second || took < limit-15*time.Second {
			t.Errorf("waited %s of five minutes", took)
		}
		if got := w.published(); got != "" {
			t.Errorf("published RotationFailed %s, though the other one renews", got)
		}
	})
}

// TestConfiguration: an invalid value fails each step with the variable's name, and the process continues.
func TestConfiguration(t *testing.T) {
	t.Parallel()
	var out output
	h := rotation.NewHandler(func(name string) (string, bool) {
		v, ok := map[string]string{"AWS_REGION": "eu-west-1", "ALLOWED_HOSTS": "10.0.0.1"}[name]
		return v, ok
	}, &out)
	for range 2 {
		_, err := h.Invoke(t.Context(), []byte(event(rotation.CreateSecret, "v")))
		if errorName(err) != "RotationRefusedError" || !strings.Contains(err.Error(), "SECRET_PREFIX: is missing") ||
			!strings.Contains(err.Error(), "ALLOWED_HOSTS: ") {
			t.Errorf("%v", err)
		}
	}
}

// TestRenewedRoundTrip: whatever a secret says, a renewal changes nothing but what it must.
func TestRenewedRoundTrip(t *testing.T) {
	t.Parallel()
	const secret = `{"token":"ACCESS-OLD","hosts":["a.example.com","*.b.example.com:8443"],"expires_at":null,` +
		`"rotate":{"call":"POST https://a.example.com/r?x=%20\u00e4","headers":{"X-Tab":"a\tb, c d"},"body":{"n":1.50,` +
		`"big":12345678901234567890,"s":"\u2028\"\\/<>&","l":[null,true,{}]},"token":"/a~1b/0"}}`
	d, err := token.ParseSecret(secret, &redact.Scrubber{})
	if err != nil {
		t.Fatal(err)
	}
	var before, after map[string]any
	renewed := rotation.RenewedDocument(d, oauth.Granted{Token: redact.New("ACCESS-NEW")}).Reveal()
	if err := errors.Join(json.Unmarshal([]byte(secret), &before), json.Unmarshal([]byte(renewed), &after)); err != nil {
		t.Fatal(err)
	}
	before["token"] = "ACCESS-NEW"
	delete(before, "expires_at")
	if diff := cmp.Diff(before, after); diff != "" {
		t.Error(diff)
	}
	if !strings.Contains(renewed, `"n":1.50,"big":12345678901234567890`) {
		t.Errorf("numbers are not as written: %s", renewed)
	}
}
