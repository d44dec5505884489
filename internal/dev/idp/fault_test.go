package idp_test

import (
	"context"
	"encoding/json"
	"fmt"
	"net/http"
	"net/url"
	"runtime"
	"strings"
	"testing"
	"time"

	"github.com/cronbearer/cronbearer/internal/dev/idp"
)

func TestFaults(t *testing.T) {
	t.Parallel()
	const mebibyte = 1 << 20
	for name, c := range map[string]struct {
		fault idp.Fault
		// exchanged: the refresh token was used, whatever the client heard.
		exchanged, answered bool
		status              int
		sees                func(a answer) error
	}{
		"hung up": {fault: idp.HungUp(), exchanged: false, answered: false, status: 0, sees: nil},
		"lost":    {fault: idp.Lost(), exchanged: true, answered: false, status: 0, sees: nil},
		"cut off": {fault: idp.CutOff(), exchanged: true, answered: false, status: 200, sees: nil},
		"invalid_grant": {
			fault: idp.Failing(400, "invalid_grant"), exchanged: false, answered: true, status: 400,
			sees: has("error", "invalid_grant"),
		},
		"a page from a proxy": {fault: idp.Failing(502, ""), exchanged: false, answered: true, status: 502, sees: nil},
		"try again later": {
			fault:     idp.Fault{Status: 503, Error: "temporarily_unavailable", RetryAfter: "7"},
			exchanged: false, answered: true, status: 503, sees: func(a answer) error {
				return same(a.header.Get("Retry-After"), "7")
			},
		},
		"a captive portal": {fault: idp.Page(), exchanged: true, answered: true, status: 200, sees: nil},
		"another token_type": {
			fault: idp.TokenType("mac"), exchanged: true, answered: true, status: 200, sees: has("token_type", "mac"),
		},
		"token_type a number": {
			fault: idp.TokenType(1), exchanged: true, answered: true, status: 200, sees: has("token_type", 1.0),
		},
		"no token_type": {
			fault: idp.Without("token_type"), exchanged: true, answered: true, status: 200, sees: has("token_type", nil),
		},
		"no expires_in": {
			fault: idp.Without("expires_in"), exchanged: true, answered: true, status: 200, sees: has("expires_in", nil),
		},
		"expires_in as text": {
			fault: idp.ExpiresIn("3600"), exchanged: true, answered: true, status: 200, sees: has("expires_in", "3600"),
		},
		"negative expires_in": {
			fault: idp.ExpiresIn(-1), exchanged: true, answered: true, status: 200, sees: has("expires_in", -1.0),
		},
		"absurd expires_in": {
			fault: idp.ExpiresIn(json.Number("1e300")), exchanged: true, answered: true, status: 200,
			sees: has("expires_in", 1e300),
		},
		"no access_token": {
			fault: idp.Without("access_token"), exchanged: true, answered: true, status: 200, sees: has("access_token", nil),
		},
		"no refresh_token": {
			fault: idp.Without("refresh_token"), exchanged: true, answered: true, status: 200, sees: has("refresh_token", nil),
		},
		"a large body": {
			fault: idp.Oversized(mebibyte), exchanged: true, answered: true, status: 200,
			sees: func(a answer) error {
				if n := len(a.text("padding")); n < mebibyte {
					return fmt.Errorf("%d bytes", n)
				}
				return nil
			},
		},
		"an echo": {
			fault: idp.Fault{Status: 401, Error: "invalid_client", Echo: true}, exchanged: false, answered: true,
			status: 401, sees: func(a answer) error {
				if text := a.text("error_description"); !strings.Contains(text, secret) ||
					!strings.Contains(text, url.QueryEscape(secret)) {
					return fmt.Errorf("no secret in %q", text)
				}
				return nil
			},
		},
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			w := newWorld(t)
			token := w.logIn("body", "").Refresh
			w.must(w.Fail(c.fault.First(1)))
			a, err := w.send(t.Context(), refreshing(token))
			if (err == nil) != c.answered {
				t.Fatalf("answer %v, error %v", a.body, err)
			}
			if c.answered && a.status != c.status {
				t.Errorf("status %d, want %d", a.status, c.status)
			}
			if c.sees != nil {
				if err := c.sees(a); err != nil {
					t.Error(err)
				}
			}
			if w.StillGood(token) == c.exchanged {
				t.Errorf("the refresh token is still good: %v", w.StillGood(token))
			}
			log := w.Requests()
			if len(log) != 1 || log[0].Granted != c.exchanged || log[0].Status != c.status || log[0].Reused {
				t.Errorf("logged %+v", log)
			}
			if n := w.Count(""); n.Lost != boolean(c.status == 0) || n.Rejected != boolean(c.status >= 400) {
				t.Errorf("counted %+v", n)
			}

			// It befell one request. The next meets the server as it is.
			want := http.StatusOK
			if c.exchanged {
				want = http.StatusBadRequest
			}
			if a := w.post(refreshing(token)); a.status != want {
				t.Errorf("then %d %v, want %d", a.status, a.body, want)
			}
		})
	}
}

func has(name string, want any) func(answer) error {
	return func(a answer) error { return same(a.body[name], want) }
}

func same(got, want any) error {
	if got != want {
		return fmt.Errorf("got %v (%T), want %v", got, got, want)
	}
	return nil
}

func boolean(yes bool) int {
	if yes {
		return 1
	}
	return 0
}

// A client that hangs up on a slow server: before the work nothing has happened, after it a refresh token is gone.
func TestSlow(t *testing.T) {
	t.Parallel()
	for name, c := range map[string]struct {
		fault     idp.Fault
		exchanged bool
	}{
		"before the work": {fault: idp.Slow(time.Hour), exchanged: false},
		"after the work":  {fault: idp.SlowAfter(time.Hour), exchanged: true},
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			w := newWorld(t)
			token := w.logIn("body", "").Refresh
			w.must(w.Fail(c.fault))
			ctx, hangUp := context.WithCancel(t.Context())
			gone := make(chan error)
			go func() {
				_, err := w.send(ctx, refreshing(token))
				gone <- err
			}()
			for { // until the request has come as far as it does
				if log := w.Requests(); len(log) == 1 && log[0].Granted == c.exchanged {
					break
				}
				runtime.Gosched()
			}
			hangUp()
			if err := <-gone; err == nil {
				t.Error("a slow server answered at once")
			}
			if w.StillGood(token) == c.exchanged {
				t.Errorf("the refresh token is still good: %v", w.StillGood(token))
			}
			if n := w.Count(""); n.Lost != 1 || n.Requests != 1 {
				t.Errorf("counted %+v", n)
			}
		})
	}
	t.Run("but not too slow", func(t *testing.T) {
		t.Parallel()
		w := newWorld(t)
		w.must(w.Fail(idp.Fault{Delay: time.Nanosecond, Hold: time.Nanosecond}))
		if a := w.post(asBody("body", "grant_type", "client_credentials")); a.status != http.StatusOK {
			t.Errorf("status %d", a.status)
		}
	})
}

func TestWhichFault(t *testing.T) {
	t.Parallel()
	w := newWorld(t)
	token := w.logIn("body", "").Refresh
	mint := func() int { return w.post(asBody("body", "grant_type", "client_credentials")).status }
	refresh := func() int {
		a := w.post(refreshing(token))
		if a.status == http.StatusOK {
			token = a.text("refresh_token")
		}
		return a.status
	}
	w.must(w.Fail(idp.Failing(503, "").First(2)))
	w.must(w.Fail(idp.Failing(400, "invalid_grant").On(idp.RefreshToken)))
	for i, step := range []struct {
		ask  func() int
		want int
	}{
		{ask: mint, want: 503},
		{ask: refresh, want: 503},
		{ask: mint, want: 200},
		{ask: refresh, want: 400},
		{ask: refresh, want: 400},
		{ask: mint, want: 200},
	} {
		if got := step.ask(); got != step.want {
			t.Errorf("request %d: %d, want %d", i, got, step.want)
		}
	}
	w.Heal()
	if got := refresh(); got != http.StatusOK {
		t.Errorf("after Heal: %d", got)
	}
	for grant, want := range map[idp.Grant]idp.Count{
		idp.ClientCredentials: {Requests: 3, Granted: 2, Rejected: 1},
		idp.RefreshToken:      {Requests: 4, Granted: 1, Rejected: 3},
		idp.JWTBearer:         {},
	} {
		if got := w.Count(grant); got != want {
			t.Errorf("%s: counted %+v, want %+v", grant, got, want)
		}
	}
}
