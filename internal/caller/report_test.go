package caller_test

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"log/slog"
	"net/http"
	"strings"
	"sync/atomic"
	"testing"
	"testing/synctest"
	"time"

	"github.com/aws/aws-lambda-go/lambdacontext"
	"github.com/aws/aws-sdk-go-v2/service/cloudwatch/types"
	"github.com/aws/smithy-go"
	"github.com/google/go-cmp/cmp"

	"github.com/cronbearer/cronbearer/internal/caller"
	"github.com/cronbearer/cronbearer/internal/config"
	"github.com/cronbearer/cronbearer/internal/dev/cwfake"
	"github.com/cronbearer/cronbearer/internal/hosts"
)

// writing is the process's output, of which lines go wrong.
type writing struct {
	*output

	fault cwfake.Hook
	lines int32 // how many
	wrote atomic.Int32
}

func (w *writing) Write(p []byte) (int, error) {
	if w.fault != nil && w.wrote.Add(1) <= w.lines {
		return 0, w.fault(context.Background(), 0)
	}
	return w.output.Write(p)
}

// A fault after the verdict does not change the run: its line, result and error are the same as without it.
func TestReportingChangesNoRun(t *testing.T) {
	t.Parallel()
	canonical := &smithy.GenericAPIError{
		Code: "InvalidSignatureException",
		Message: "The signature does not match. Check it.\nThe Canonical String was 'x-amz-security-token:" +
			secret("session") + "'",
	}
	faults := map[string]cwfake.Hook{
		"panics": func(context.Context, int) error { panic("runtime error: invalid memory address of " + secret("a")) },
		"hangs":  func(context.Context, int) error { time.Sleep(time.Hour); return nil },
		"waits":  func(ctx context.Context, _ int) error { <-ctx.Done(); return ctx.Err() },
		"fails":  func(context.Context, int) error { return canonical },
		"fails as a chain": func(context.Context, int) error {
			return errors.Join(errors.New(strings.Repeat("long ", 1<<16)), canonical)
		},
	}
	places := map[string]func(*cwfake.CloudWatch, *writing, cwfake.Hook){
		"publishing":           func(f *cwfake.CloudWatch, _ *writing, do cwfake.Hook) { f.Put = do },
		"describing the alarm": func(f *cwfake.CloudWatch, _ *writing, do cwfake.Hook) { f.Describe = do },
		"setting the alarm":    func(f *cwfake.CloudWatch, _ *writing, do cwfake.Hook) { f.Set = do },
		"writing the first line": func(f *cwfake.CloudWatch, w *writing, do cwfake.Hook) {
			f.Put = faults["fails"]
			w.fault, w.lines = do, 1
		},
		"a slow first line": func(f *cwfake.CloudWatch, w *writing, do cwfake.Hook) {
			f.Put, w.lines = do, 1
			w.fault = func(context.Context, int) error { time.Sleep(1500 * time.Millisecond); return nil }
		},
		"all of CloudWatch": func(f *cwfake.CloudWatch, _ *writing, do cwfake.Hook) {
			f.Put, f.Describe, f.Set = do, do, do
		},
		"writing every line": func(_ *cwfake.CloudWatch, w *writing, do cwfake.Hook) { w.fault, w.lines = do, 1<<30 },
		"CloudWatch and every line": func(f *cwfake.CloudWatch, w *writing, do cwfake.Hook) {
			f.Put, f.Describe, w.fault, w.lines = do, do, do, 1<<30
		},
	}
	for place, spoil := range places {
		for kind, do := range faults {
			if kind == "waits" && strings.Contains(place, "line") {
				continue // a writer has no context
			}
			for name, status := range map[string]int{
				"succeeded": http.StatusOK, "token_rejected": http.StatusUnauthorized, "target_failed": http.StatusNotFound,
			} {
				t.Run(place+" "+kind+", "+name, func(t *testing.T) {
					t.Parallel()
					synctest.Test(t, func(t *testing.T) {
						want := reported(t, status, func(*cwfake.CloudWatch, *writing) {})
						got := reported(t, status, func(f *cwfake.CloudWatch, w *writing) { spoil(f, w, do) })
						if strings.Contains(place, "every line") || place == "writing the first line" && kind == "hangs" {
							want.lines = nil // the run's own is lost too, as nothing gets past a pipe that is full
						}
						if diff := cmp.Diff(want.lines, got.lines); diff != "" {
							t.Errorf("results of lines of the run (-want +got):\n%s", diff)
						}
						if diff := cmp.Diff(want.response, got.response); diff != "" {
							t.Errorf("the response (-want +got):\n%s", diff)
						}
						// The error of a rejected run goes on with what became of its metric.
						if fmt.Sprintf("%T", want.err) != fmt.Sprintf("%T", got.err) || want.err != nil &&
							!strings.HasPrefix(got.err.Error(), want.err.Error()) {
							t.Errorf("the error is %v, want %v", got.err, want.err)
						}
						time.Sleep(24 * time.Hour) // hanging calls return
					})
				})
			}
		}
	}
}

// reportedRun is the outcome of a run, without its duration.
type reportedRun struct {
	lines    []caller.Result // of log lines of the run
	response *caller.Result
	err      error
}

// reported is a run against a target with a status, when the token's alarm has been on for a day.
func reported(t *testing.T, status int, spoil func(*cwfake.CloudWatch, *writing)) reportedRun {
	t.Helper()
	r := newRig(t, nil)
	allowed, err := hosts.Parse([]string{"example.com"})
	if err != nil {
		t.Fatal(err)
	}
	s := config.Settings{
		MetricNamespace: "N", StackName: "S", SecretPrefix: "S/", AllowedHosts: allowed, SecretCacheTTL: 5 * time.Minute,
		IdempotencyHeader: "Idempotency-Key", RemindAfter: 20 * time.Hour, AlarmPrefix: "S-TokenRejected-",
		LogLevel: slog.LevelInfo,
	}
	out := &writing{output: r.out}
	r.watch.Alarm = cwfake.Alarming(
		"S-TokenRejected-T", types.StateValueAlarm, time.Now().Add(-24*time.Hour),
	)
	spoil(r.watch, out)
	r.secrets.put(current, "v1", secret("a"), 48*time.Hour)
	r.serve(map[string]int{"a": status})
	h := caller.Assemble(s, r.secrets, r.watch, r.net.Transport(), out)
	ctx := lambdacontext.NewContext(t.Context(), &lambdacontext.LambdaContext{AwsRequestID: requestID})
	response, err := h.Invoke(
		ctx, []byte(`{"job":"J","token":"T","secret":"example-api","call":"GET https://example.com/path"}`),
	)
	got := reportedRun{err: err}
	r.leaks(fmt.Sprint(string(response), err, r.out.from(0)))
	for line := range strings.Lines(r.out.from(0)) {
		var record struct {
			Message string        `json:"message"`
			Error   string        `json:"error"`
			Result  caller.Result `json:"result"`
		}
		if err := json.Unmarshal([]byte(line), &record); err != nil {
			t.Errorf("%v: %s", err, line)
		}
		if record.Message != "run" {
			continue
		}
		if err != nil && err.Error() != record.Error {
			t.Errorf("the line says %q, the error %q", record.Error, err)
		}
		record.Result.DurationMS = 0
		got.lines = append(got.lines, record.Result)
	}
	if response != nil {
		got.response = &caller.Result{}
		if err := json.Unmarshal(response, got.response); err != nil {
			t.Errorf("%v: %s", err, response)
		}
		got.response.DurationMS = 0
	}
	return got
}

// A token without an expiry that replaced one that may have warned: without a datum that alarm would stay.
func TestTokenOfUnknownExpiryClearsAWarning(t *testing.T) {
	t.Parallel()
	const day = 24 * time.Hour
	const unknown = "TokenDaysToExpiry S T 3650.0"
	refreshed := `{"token":"` + secret("a") +
		`","oauth2":{"grant":"refresh_token","token_url":"https://auth.example.com/t","client_id":"id","client_secret":"` +
		secret("c") + `","refresh_token":"` + secret("r") + `"}}`
	for name, c := range map[string]struct {
		secret  string
		age     time.Duration
		event   event
		headers map[string]string
		want    string // the datum of the expiry; empty: none
	}{
		"plain, new":               {secret: secret("a"), age: day, want: unknown},
		"plain, just young enough": {secret: secret("a"), age: 35*day - time.Minute, want: unknown},
		"plain, old":               {secret: secret("a"), age: 35 * day},
		"JSON, new":                {secret: `{"token":"` + secret("a") + `"}`, age: day, want: unknown},
		"rotated, new":             {secret: refreshed, age: day, want: unknown},
		"checked only": {
			secret: secret("a"), age: day, event: event{"action": "check", "call": nil}, want: unknown,
		},
		"not bound to the host": {
			secret: secret("a"), age: day, event: event{"call": "GET https://other.example.com/"}, want: unknown,
		},
		"it says when it expires": {secret: `{"token":"` + secret("a") +
			`","expires_at":"2000-01-11"}`, age: day, want: "TokenDaysToExpiry S T 10.0"},
		"the target says when": {
			secret: secret("a"), age: day,
			headers: map[string]string{"Github-Authentication-Token-Expiration": "2000-01-11 00:00:00 UTC"},
			want:    "TokenDaysToExpiry S T 10.0",
		},
		"its expiry cannot be read":  {secret: `{"token":"` + secret("a") + `","expires_at":"next spring"}`, age: day},
		"another type of its expiry": {secret: `{"token":"` + secret("a") + `","expires_at":true}`, age: day},
		"minted, new":                {secret: mintedSecret("c1"), age: day},
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			synctest.Test(t, func(t *testing.T) {
				r := newRig(t, nil)
				r.secrets.put(current, "v1", c.secret, c.age)
				r.net.Handle("auth.example.com:443", func(w http.ResponseWriter, _ *http.Request) {
					_, _ = io.WriteString(w, `{"access_token":"`+secret("a")+`","token_type":"Bearer","expires_in":3600}`)
				})
				r.net.Handle(host, func(w http.ResponseWriter, _ *http.Request) {
					for key, value := range c.headers {
						w.Header().Set(key, value)
					}
				})
				r.run(c.event)
				got := ""
				for _, d := range r.said() {
					if strings.HasPrefix(d, "TokenDaysToExpiry") {
						got += d
					}
				}
				if got != c.want {
					t.Errorf("%q, want %q", got, c.want)
				}
			})
		})
	}
}

// Good news of another version of a secret is news: the alarm that it clears may be younger than five minutes.
func TestGoodNewsOfAnotherVersionIsPublished(t *testing.T) {
	t.Parallel()
	synctest.Test(t, func(t *testing.T) {
		r := newRig(t, func(s *config.Settings) { s.SecretCacheTTL = 0 })
		r.serve(map[string]int{"a": http.StatusOK, "b": http.StatusOK})
		for _, step := range []struct {
			version, token string
			want           []string
		}{
			{
				version: "v1", token: "a",
				want: []string{"TokenRejected S T 0", "TokenDaysToExpiry S T 3650.0", "Heartbeat S J 1"},
			},
			{version: "v1", token: "a"},
			{version: "v2", token: "b", want: []string{"TokenRejected S T 0", "TokenDaysToExpiry S T 3650.0"}},
			{version: "v2", token: "b"},
		} {
			r.secrets.put(current, step.version, secret(step.token), 48*time.Hour)
			time.Sleep(20 * time.Second)
			r.run(nil)
			if diff := cmp.Diff(step.want, r.said()); diff != "" {
				t.Errorf("%s (-want +got):\n%s", step.version, diff)
			}
		}
	})
}

// However long the error of a rejected run is, it says that its alarm may not fire.
func TestErrorNamesARejectionThatIsNotStored(t *testing.T) {
	t.Parallel()
	synctest.Test(t, func(t *testing.T) {
		for name, do := range map[string]cwfake.Hook{
			"panics": func(context.Context, int) error { panic("no schema") },
			"fails":  func(context.Context, int) error { return errors.New("down") },
		} {
			got := reported(t, http.StatusUnauthorized, func(f *cwfake.CloudWatch, _ *writing) { f.Put = do })
			if got.err == nil || !strings.Contains(got.err.Error(), "so its alarm may not fire") ||
				len(got.err.Error()) > 16<<10 {
				t.Errorf("%s: %v", name, got.err)
			}
		}
	})
}
