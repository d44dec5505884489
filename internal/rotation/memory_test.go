package rotation_test

import (
	"errors"
	"fmt"
	"io"
	"net/http"
	"strings"
	"testing"
	"testing/synctest"
	"time"

	"github.com/aws/aws-sdk-go-v2/service/secretsmanager/types"
	"github.com/google/go-cmp/cmp"

	"github.com/cronbearer/cronbearer/internal/rotation"
)

// TestDeadRefreshTokenIsPostedOnce: the rejection is remembered in one label, for a day or until AWSCURRENT is
// replaced, by later steps and later rotations.
func TestDeadRefreshTokenIsPostedOnce(t *testing.T) {
	t.Parallel()
	dead := func(access, _ string) string { return refreshable(access, canary+"-dead-refresh-token") }
	deadToken := func(_, _ string) string { return rotatable(canary+"-dead-token", "") }
	for name, secret := range map[string]func(access, refresh string) string{"refresh_token": dead, "rotate": deadToken} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			synctest.Test(t, func(t *testing.T) {
				w := newWorld(t, secret)
				for n := range 3 * 96 { // a rotation each 15 minutes; AWSPENDING is removed now and then
					p := w.start()
					if n%10 == 9 {
						w.sm.TakeOff(pending)
					}
					err := p.all()
					p.close()
					if errorName(errors.Unwrap(err)) != "ReauthorizationRequiredError" ||
						!strings.Contains(err.Error(), "put-secret-value") {
						t.Fatalf("%v", err)
					}
					if _, posts := w.provider.counts(); posts != 1+n/96 {
						t.Fatalf("rotation %d: posted %d times", n, posts)
					}
					if list := ours(w.sm); len(list) != 1 || !strings.HasPrefix(list[0], rotation.RefusedLabel) {
						t.Fatalf("labels %v", list)
					}
					if got := w.published(); got != "1" {
						t.Fatalf("published %q", got)
					}
					time.Sleep(15 * time.Minute)
				}
				w.sm.PutByHand(refreshable(w.provider.logIn()))
				p := w.start()
				defer p.close()
				if err := p.all(); err != nil || len(ours(w.sm)) > 0 {
					t.Errorf("re-authorized: %v, %v", err, ours(w.sm))
				}
			})
		})
	}
}

// TestUnusableRotateAnswer: the provider has ended the old token, so it is not called again while that is AWSCURRENT.
// Its answer is kept, and is used as soon as the pointers of rotate fit it.
func TestUnusableRotateAnswer(t *testing.T) {
	t.Parallel()
	for name, answer := range map[string]func(fresh string) string{
		"another place": func(fresh string) string { return fmt.Sprintf(`{"token":%q,"ends":"2027-01-31"}`, fresh) },
		"plain text":    func(fresh string) string { return fresh },
		"an odd token":  func(fresh string) string { return fmt.Sprintf(`{"data":{"token":%q}}`, fresh+" and more") },
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			synctest.Test(t, func(t *testing.T) {
				w := newWorld(t, rotatable)
				before := w.sm.Label(current)
				var fresh string
				w.provider.answer = func(rw http.ResponseWriter, body map[string]any) bool {
					data, _ := body["data"].(map[string]any)
					fresh, _ = data["token"].(string)
					_, _ = io.WriteString(rw, answer(fresh))
					return true
				}
				p := w.start()
				defer p.close()
				for range 3 {
					err := p.all()
					if errorName(errors.Unwrap(err)) != "RotationFailedError" ||
						!strings.Contains(err.Error(), rotation.KeptLabel) || !strings.Contains(err.Error(), "probably dead") {
						t.Errorf("%v", err)
					}
				}
				w.sm.TakeOff(pending) // another rotation of the same AWSCURRENT
				if err := p.all(); err == nil {
					t.Error("renewed")
				}
				if _, posts := w.provider.counts(); posts != 1 || w.sm.Label(current) != before ||
					!strings.Contains(w.sm.Value(rotation.KeptLabel), fresh) {
					t.Errorf("%d calls, kept %s", posts, w.sm.Value(rotation.KeptLabel))
				}
				if name == "another place" {
					w.sm.PutByHand(strings.ReplaceAll(w.sm.Value(current), "/data/", "/"))
				} else {
					w.sm.PutByHand(rotatable(fresh, ""))
					w.provider.answer = nil
				}
				if err := p.all(); err != nil || len(ours(w.sm)) > 0 {
					t.Errorf("corrected: %v, %v", err, ours(w.sm))
				}
				if _, posts := w.provider.counts(); name == "another place" && (posts != 1 ||
					!strings.Contains(w.sm.Value(current), `"token":"`+fresh+`","expires_at":"2027-01-31T00:00:00Z"`)) {
					t.Errorf("%d calls; %s", posts, w.sm.Value(current))
				}
			})
		})
	}
}

// TestManyUnusableAnswers leave room among the hundred versions that a secret keeps for a day, and lose no refresh
// token.
func TestManyUnusableAnswers(t *testing.T) {
	t.Parallel()
	synctest.Test(t, func(t *testing.T) {
		w := newWorld(t, refreshable)
		w.provider.answer = func(_ http.ResponseWriter, body map[string]any) bool {
			body["token_type"] = "DPoP"
			return false
		}
		for range 4 * 96 { // Scheduler's retries run the rotation again, too
			p := w.start()
			if err := p.all(); errorName(errors.Unwrap(err)) != "RotationFailedError" || strings.Contains(err.Error(), "lost") {
				t.Fatalf("%v", err)
			}
			p.close()
			time.Sleep(4 * time.Minute)
		}
		w.provider.answer = nil
		time.Sleep(15 * time.Minute)
		p := w.start()
		defer p.close()
		if err := p.all(); err != nil || w.provider.reuses != 0 || !w.provider.honours(w.stored()) {
			t.Errorf("%v, %d reuses", err, w.provider.reuses)
		}
	})
}

// TestTestTargetDownForLongerThanTheTokenLives: the renewal continues automatically afterwards.
func TestTestTargetDownForLongerThanTheTokenLives(t *testing.T) {
	t.Parallel()
	for name, c := range map[string]struct {
		expiresIn any
		status    int
		after     time.Duration // the step passes without a test
		current   string        // expires_at of AWSCURRENT
	}{
		"half its life unknown":          {expiresIn: 3600, status: 503, after: 30 * time.Minute},
		"forbidden is unknown, too":      {expiresIn: 3600, status: 403, after: 30 * time.Minute},
		"an unknown life is an hour":     {status: 503, after: 30 * time.Minute},
		"rejected, AWSCURRENT unexpired": {expiresIn: 3600, status: 401, after: time.Hour, current: "2030-01-01T00:00:00Z"},
		"rejected, AWSCURRENT expired":   {expiresIn: 36000, status: 401, after: time.Hour, current: "2000-01-01T01:00:00Z"},
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			synctest.Test(t, func(t *testing.T) {
				w := newWorld(t, func(access, refresh string) string {
					secret := refreshable(access, refresh)
					if c.current != "" {
						secret = strings.Replace(secret, "2000-01-01T01:00:00Z", c.current, 1)
					}
					return secret
				})
				w.provider.answer = func(_ http.ResponseWriter, body map[string]any) bool {
					change(body, map[string]any{"expires_in": c.expiresIn})
					return false
				}
				w.provider.test = c.status
				started := time.Now()
				p := w.start()
				defer p.close()
				for {
					err := p.all()
					if err == nil {
						break
					}
					if errorName(errors.Unwrap(err)) != "RotationFailedError" || !strings.Contains(err.Error(), "testSecret") {
						t.Fatalf("%v", err)
					}
					time.Sleep(time.Minute)
				}
				if took := time.Since(started); took < c.after || took > c.after+7*time.Minute {
					t.Errorf("finished after %s", took)
				}
				w.provider.answer, w.provider.test = nil, 0
				if err := p.all(); err != nil || w.provider.reuses != 0 || !w.provider.honours(w.stored()) || len(ours(w.sm)) > 0 {
					t.Errorf("the next: %v", err)
				}
			})
		})
	}
}

// TestRotateTokenIsTestedIndefinitely: without a refresh token there is nothing to hurry for.
func TestRotateTokenIsTestedIndefinitely(t *testing.T) {
	t.Parallel()
	synctest.Test(t, func(t *testing.T) {
		w := newWorld(t, func(access, refresh string) string {
			return strings.Replace(rotatable(access, refresh), "{", `{"test":"GET https://id.example.com/test",`, 1)
		})
		w.provider.test = 503
		p := w.start()
		defer p.close()
		for range 3 {
			if err := p.all(); err == nil {
				t.Fatal("finished")
			}
			time.Sleep(365 * 24 * time.Hour)
		}
		w.provider.test = 0
		if err := p.all(); err != nil {
			t.Error(err)
		}
	})
}

// TestTestIsRetriedForAsLongAsThereIsTime: the target is back after four minutes.
func TestTestIsRetriedForAsLongAsThereIsTime(t *testing.T) {
	t.Parallel()
	synctest.Test(t, func(t *testing.T) {
		w := newWorld(t, refreshable)
		w.provider.test = 503
		go func() {
			time.Sleep(4 * time.Minute)
			w.provider.mu.Lock()
			defer w.provider.mu.Unlock()
			w.provider.test = 0
		}()
		p := w.start()
		defer p.close()
		if err := p.all(); err != nil || w.published() != "0" {
			t.Error(err)
		}
		time.Sleep(5 * time.Minute)
	})
}

// TestRotationFailedMetric: 1 for a step that fails by itself, once, and 0 for a rotation that is finished.
func TestRotationFailedMetric(t *testing.T) {
	t.Parallel()
	down := func(http.ResponseWriter, map[string]any) bool { panic(http.ErrAbortHandler) }
	for name, c := range map[string]struct {
		do   func(*process) error
		want string
	}{
		"a rotation": {do: func(p *process) error { return p.all() }, want: "0"},
		"finishSecret again": {do: func(p *process) error {
			_ = p.all()
			_, err := p.do(rotation.FinishSecret)
			return err
		}, want: "0, 0"},
		"createSecret again": {do: func(p *process) error {
			_ = p.all()
			_, err := p.do(rotation.CreateSecret)
			return err
		}, want: "0"},
		"the provider is down": {do: func(p *process) error {
			p.world.provider.answer = down
			_ = p.all()
			return nil
		}, want: "1"},
		"a static secret": {do: func(p *process) error {
			p.world.sm.PutByHand("a-static-token-0123")
			_ = p.all()
			return nil
		}, want: "1"},
		"rotation is not enabled": {do: func(p *process) error {
			p.world.sm.Enabled = false
			_ = p.all()
			return nil
		}, want: ""},
		"another function": {do: func(p *process) error {
			p.world.sm.Function = "x"
			_ = p.all()
			return nil
		}, want: ""},
		"Secrets Manager is down": {do: func(p *process) error {
			p.fault = func(string) error { return errNoAnswer }
			_ = p.all()
			return nil
		}, want: ""},
		"a version without value": {do: func(p *process) error {
			p.world.sm.Rotate()
			_, _ = p.do(rotation.TestSecret)
			_, _ = p.do(rotation.FinishSecret)
			return nil
		}, want: ""},
		"the lone test of a start": {do: loneTest, want: ""},
		"a panic": {do: func(p *process) error {
			p.fault = func(operation string) error {
				if operation == "PutSecretValue" {
					panic("at " + p.world.sm.Value(current))
				}
				return nil
			}
			_ = p.all()
			return nil
		}, want: "1"},
		"a store that lasts until the time is up": {do: func(p *process) error {
			p.fault = func(operation string) error {
				if operation == "PutSecretValue" {
					return &types.InternalServiceError{}
				}
				return nil
			}
			_ = p.all()
			return nil
		}, want: "1"},
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			synctest.Test(t, func(t *testing.T) {
				w := newWorld(t, refreshable)
				p := w.start()
				defer p.close()
				if err := c.do(p); err != nil {
					t.Error(err)
				}
				if got := w.published(); got != c.want {
					t.Errorf("published %q, want %q", got, c.want)
				}
			})
		})
	}
}

// loneTest is what Secrets Manager does when rotation is switched on without rotating at once.
func loneTest(p *process) error {
	p.world.provider.test = http.StatusServiceUnavailable
	version := p.world.sm.Rotate()
	p.world.sm.Lock()
	value := *p.world.sm.Values[p.world.sm.Labels[current]]
	p.world.sm.Values[version] = &value
	p.world.sm.Unlock()
	if _, err := p.do(rotation.TestSecret); err == nil {
		return errors.New("the test target is down, and the step succeeded")
	}
	return nil
}

// TestAlarmGoesOutTenSecondsBeforeTheEnd, while storing goes on.
func TestAlarmGoesOutTenSecondsBeforeTheEnd(t *testing.T) {
	t.Parallel()
	synctest.Test(t, func(t *testing.T) {
		w := newWorld(t, refreshable)
		p := w.start()
		defer p.close()
		started := time.Now()
		var at time.Duration
		p.fault = func(operation string) error {
			switch {
			case operation == "PutMetricData":
				at = time.Since(started)
			case operation == "PutSecretValue" && time.Since(started) < limit-5*time.Second:
				return &types.InternalServiceError{}
			}
			return nil
		}
		w.sm.Rotate()
		if _, err := p.do(rotation.CreateSecret); err != nil || w.published() != "1" || at < limit-12*time.Second ||
			at > limit-9*time.Second {
			t.Errorf("%v; published at %s", err, at)
		}
		if w.sm.Value(pending) == "" {
			t.Error("nothing was stored")
		}
	})
}

// TestMetricThatCannotBePublished becomes a line, and changes nothing.
func TestMetricThatCannotBePublished(t *testing.T) {
	t.Parallel()
	for name, fault := range map[string]func() error{
		"refused": func() error { return errNoAnswer },
		"panics":  func() error { panic("unknown member") },
		"hangs":   func() error { time.Sleep(time.Hour); return nil },
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			synctest.Test(t, func(t *testing.T) {
				w := newWorld(t, refreshable)
				p := w.start()
				defer p.close()
				p.fault = func(operation string) error {
					if operation == "PutMetricData" {
						return fault()
					}
					return nil
				}
				if err := p.all(); err != nil {
					t.Error(err)
				}
				if out := p.out.String(); !strings.Contains(out, `"RotationFailed":0`) ||
					!strings.Contains(out, `"Secret":"example-api"`) || !strings.Contains(out, `"level":"FATAL"`) {
					t.Errorf("%s", out)
				}
				time.Sleep(2 * time.Hour)
			})
		})
	}
}

// TestStepNames: AWS's guide writes them in two ways.
func TestStepNames(t *testing.T) {
	t.Parallel()
	synctest.Test(t, func(t *testing.T) {
		w := newWorld(t, refreshable)
		p := w.start()
		defer p.close()
		version := w.sm.Rotate()
		for _, step := range []rotation.Step{"create_secret", "set_secret", "test_secret", "finish_secret"} {
			if _, err := p.invoke(event(step, version)); err != nil {
				t.Errorf("%s: %v", step, err)
			}
		}
		if w.sm.Label(current) != version || w.published() != "0" {
			t.Error("not finished")
		}
	})
}

// TestRotateCall goes out with the current token, its placeholders filled (the id of the new version makes names
// unique), and headers of any length; a lifetime in seconds counts from the call.
func TestRotateCall(t *testing.T) {
	t.Parallel()
	synctest.Test(t, func(t *testing.T) {
		var token string
		w := newWorld(t, func(access, _ string) string {
			token = access
			return fmt.Sprintf(`{"token":%q,"rotate":{"call":"POST https://id.example.com/rotate?on={{scheduledDate}}&`+
				`id={{runId}}",`+
				`"headers":{"X-Api-Version":"2","X-Empty":"","X-At":"{{scheduledTime+1h}}"},`+
				`"body":{"name":"cron-{{runId}}","expires_at":"{{scheduledDate+30d}}"},"token":"/data/token",`+
				`"expires_in":"/data/ttl"}}`,
				access)
		})
		version := w.sm.Rotate()
		w.provider.before = func(_ http.ResponseWriter, r *http.Request) bool {
			body, _ := io.ReadAll(r.Body)
			got := []string{
				r.Method + " " + r.URL.RequestURI(), r.Header.Get("Authorization"), r.Header.Get("X-Api-Version"),
				r.Header.Get("X-At"),
				r.Header.Get("Content-Type"), string(body),
			}
			want := []string{
				"POST /rotate?on=2000-01-01&id=" + version, "Bearer " + token, "2", "2000-01-01T01:00:00Z",
				"application/json", `{"name":"cron-` + version + `","expires_at":"2000-01-31"}`,
			}
			if diff := cmp.Diff(want, got); diff != "" {
				t.Errorf("(-want +got)\n%s", diff)
			}
			return false
		}
		w.provider.answer = func(_ http.ResponseWriter, body map[string]any) bool {
			data, _ := body["data"].(map[string]any)
			data["ttl"] = 86400
			return false
		}
		p := w.start()
		defer p.close()
		if err := p.all(); err != nil || !strings.Contains(w.sm.Value(current), `"expires_at":"2000-01-02T00:00:00Z"`) {
			t.Errorf("%v; %s", err, w.sm.Value(current))
		}
	})
}

// TestRefreshAnswers that other programs stumble over.
func TestRefreshAnswers(t *testing.T) {
	t.Parallel()
	for name, c := range map[string]struct {
		status int
		change map[string]any
		want   string // in AWSCURRENT
		warns  bool
	}{
		"201":                      {status: http.StatusCreated},
		"202 without a token_type": {status: http.StatusAccepted, change: map[string]any{"token_type": nil}},
		"a number as refresh_token": {
			status: http.StatusOK, change: map[string]any{"refresh_token": 123456789012},
			want: `"refresh_token":"123456789012"`,
		},
		"no refresh_token": {
			status: http.StatusOK, change: map[string]any{"refresh_token": nil}, want: `"refresh_token":"` + canary,
		},
		"no expires_in, where it was known": {status: http.StatusOK, change: map[string]any{"expires_in": nil}, warns: true},
		"an expires_in that makes no sense": {
			status: http.StatusOK, change: map[string]any{"expires_in": "soon"}, warns: true,
		},
		"a token with a bar": {status: http.StatusOK, change: map[string]any{"access_token": "17|" +
			canary + "Zk3vQ0p8WnXr5TsbLq2e"}, want: `"token":"17|` + canary},
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			synctest.Test(t, func(t *testing.T) {
				w := newWorld(t, refreshable)
				w.provider.test = http.StatusOK
				w.provider.answer = func(rw http.ResponseWriter, body map[string]any) bool {
					change(body, c.change)
					reply(rw, c.status, body)
					return true
				}
				p := w.start()
				defer p.close()
				if err := p.all(); err != nil {
					t.Fatal(err)
				}
				if got := w.sm.Value(current); c.want != "" && !strings.Contains(got, c.want) {
					t.Errorf("no %s in %s", c.want, got)
				}
				if warned := strings.Contains(p.out.String(), "expiry of the renewed token is unknown"); warned != c.warns {
					t.Errorf("warned: %t\n%s", warned, p.out)
				}
				if exchanges, _ := w.provider.counts(); exchanges != 1 {
					t.Errorf("%d exchanges", exchanges)
				}
			})
		})
	}
}

// TestLabelsStayWithinTwenty: an operator has thirteen of their own, AWS three.
func TestLabelsStayWithinTwenty(t *testing.T) {
	t.Parallel()
	synctest.Test(t, func(t *testing.T) {
		w := newWorld(t, refreshable)
		for n := range 13 {
			w.sm.Labels[fmt.Sprintf("mine-%d", n)] = w.sm.Labels[current]
		}
		for n := range 40 {
			p := w.start()
			switch w.provider.answer, w.provider.test = nil, 0; n % 4 {
			case 1:
				w.provider.answer = func(_ http.ResponseWriter, body map[string]any) bool {
					delete(body, "access_token")
					return false
				}
			case 2:
				p.dieAt = 14
			case 3:
				w.provider.test = 401
			}
			_ = p.all()
			p.close()
			if len(w.sm.Labels) > 20 {
				t.Fatalf("%v", w.sm.Labels)
			}
			time.Sleep(7 * time.Minute)
		}
		w.provider.answer, w.provider.test = nil, 0
		p := w.start()
		defer p.close()
		if err := p.all(); err != nil || w.provider.reuses > 0 {
			t.Error(err)
		}
	})
}

// TestTokenThatSettles: the target rejects it for a moment after its issue.
func TestTokenThatSettles(t *testing.T) {
	t.Parallel()
	synctest.Test(t, func(t *testing.T) {
		w := newWorld(t, refreshable)
		tests := 0
		w.provider.before = func(rw http.ResponseWriter, r *http.Request) bool {
			if r.URL.Path != "/test" {
				return false
			}
			if tests++; tests == 1 {
				rw.WriteHeader(http.StatusUnauthorized)
				return true
			}
			return false
		}
		p := w.start()
		defer p.close()
		if err := p.all(); err != nil || tests != 2 || w.published() != "0" {
			t.Errorf("%v after %d tests", err, tests)
		}
	})
}
