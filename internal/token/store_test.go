package token_test

import (
	"bytes"
	"context"
	"errors"
	"fmt"
	"io"
	"log/slog"
	"strings"
	"sync"
	"testing"
	"testing/synctest"
	"time"

	"github.com/aws/aws-sdk-go-v2/aws"
	"github.com/aws/aws-sdk-go-v2/service/secretsmanager"
	"github.com/aws/aws-sdk-go-v2/service/secretsmanager/types"
	"github.com/aws/smithy-go"
	"github.com/google/go-cmp/cmp"

	"github.com/cronbearer/cronbearer/internal/dev/smfake"
	"github.com/cronbearer/cronbearer/internal/redact"
	"github.com/cronbearer/cronbearer/internal/retry"
	"github.com/cronbearer/cronbearer/internal/token"
)

// reader is Secrets Manager, with the values that most of these tests read.
type reader struct{ *smfake.Reader }

func newSecrets(t *testing.T) reader {
	t.Helper()
	return reader{smfake.NewReader(t)}
}

func (r reader) put(id string, stage token.Stage, version, text string) {
	r.Put(id, string(stage), version, text, time.Time{})
}

// wall is a clock that a test moves.
type wall struct {
	mu  sync.Mutex
	now time.Time
}

func newWall() *wall { return &wall{now: time.Date(2026, 11, 24, 9, 0, 0, 0, time.UTC)} }

func (w *wall) Now() time.Time {
	w.mu.Lock()
	defer w.mu.Unlock()
	return w.now
}

func (w *wall) move(d time.Duration) {
	w.mu.Lock()
	defer w.mu.Unlock()
	w.now = w.now.Add(d)
}

func noPause(context.Context, time.Duration) bool { return true }

func quiet() *slog.Logger { return slog.New(slog.NewTextHandler(io.Discard, nil)) }

func current(t *testing.T, s *token.Store, id string) token.Version {
	t.Helper()
	v, err := s.Current(t.Context(), id)
	if err != nil {
		t.Fatalf("Current(%s): %s", id, err)
	}
	return v
}

const throttled = "ThrottlingException"

func apiError(code string) error {
	return &smithy.OperationError{
		ServiceID: "Secrets Manager", OperationName: "GetSecretValue",
		Err: &smithy.GenericAPIError{Code: code, Message: "message with " + canary},
	}
}

func TestStoreKeepsCurrentForItsTTL(t *testing.T) {
	t.Parallel()
	steps := []struct {
		move  time.Duration
		reads int
		why   string
	}{
		{move: 0, reads: 1, why: "the first read"},
		{move: 0, reads: 1, why: "at once"},
		{move: 5*time.Minute - time.Nanosecond, reads: 1, why: "just before its end"},
		{move: time.Nanosecond, reads: 2, why: "at its end"},
		{move: 3 * time.Hour, reads: 3, why: "after a freeze: only the wall clock has moved"},
		{move: -time.Hour, reads: 4, why: "the clock jumped back: its age is not known"},
		{move: time.Minute, reads: 4, why: "young by the clock as it is now"},
	}
	api, clock := newSecrets(t), newWall()
	api.put("p/s", token.Current, "v1", "abcdefgh")
	s := token.NewStore(
		api, token.StoreOptions{Prefix: "p/", TTL: 5 * time.Minute, Margin: retry.Reserve, Now: clock.Now},
		&redact.Scrubber{}, quiet(),
	)
	for _, step := range steps {
		clock.move(step.move)
		if v := current(t, s, "s"); v.ID != "v1" || v.Token.Reveal() != "abcdefgh" || v.Stage != token.Current ||
			v.Secret != "p/s" {
			t.Errorf("%s: got %+v", step.why, v)
		}
		if api.Count() != step.reads {
			t.Fatalf("%s: %d reads, want %d", step.why, api.Count(), step.reads)
		}
	}
}

func TestStoreWithoutTTLReadsEachTime(t *testing.T) {
	t.Parallel()
	api, clock := newSecrets(t), newWall()
	api.put("s", token.Current, "v1", "abcdefgh")
	s := token.NewStore(api, token.StoreOptions{Margin: retry.Reserve, Now: clock.Now}, &redact.Scrubber{}, quiet())
	current(t, s, "s")
	api.put("s", token.Current, "v2", "ijklmnop")
	if v := current(t, s, "s"); v.ID != "v2" || api.Count() != 2 {
		t.Errorf("got version %s after %d reads", v.ID, api.Count())
	}
}

func TestStorePrependsThePrefixToNames(t *testing.T) {
	t.Parallel()
	arn := "arn:aws:secretsmanager:eu-west-1:123456789012:secret:other/s-AbCdEf"
	s := token.NewStore(newSecrets(t), token.StoreOptions{Prefix: "stack/"}, &redact.Scrubber{}, quiet())
	for secret, want := range map[string]string{"s": "stack/s", "stack/s": "stack/s", "stacks": "stack/stacks", arn: arn} {
		if got := s.ID(secret); got != want {
			t.Errorf("ID(%s) = %s, want %s", secret, got, want)
		}
	}
}

func TestStoreReadsOneAtATime(t *testing.T) {
	t.Parallel()
	synctest.Test(t, func(t *testing.T) {
		api := newSecrets(t)
		api.Took = time.Second
		api.put("a", token.Current, "v1", "abcdefgh")
		api.put("b", token.Current, "v1", "ijklmnop")
		s := token.NewStore(
			api, token.StoreOptions{TTL: time.Minute, Margin: retry.Reserve, Now: time.Now}, &redact.Scrubber{}, quiet(),
		)
		var wg sync.WaitGroup
		for range 50 {
			wg.Go(func() { current(t, s, "a") })
		}
		wg.Wait()
		if api.Count() != 1 {
			t.Errorf("%d reads for 50 runs at once, want 1", api.Count())
		}
		// Another secret does not wait for it.
		time.Sleep(2 * time.Minute)
		start := time.Now()
		wg.Go(func() { current(t, s, "a") })
		wg.Go(func() { current(t, s, "b") })
		wg.Wait()
		if took := time.Since(start); took != time.Second {
			t.Errorf("two secrets took %s, one after the other", took)
		}
	})
}

func TestCurrentAfterIsSharedByManyRuns(t *testing.T) {
	t.Parallel()
	synctest.Test(t, func(t *testing.T) {
		api := newSecrets(t)
		api.put("s", token.Current, "v1", "abcdefgh")
		s := token.NewStore(
			api, token.StoreOptions{TTL: 5 * time.Minute, Margin: retry.Reserve, Now: time.Now}, &redact.Scrubber{}, quiet(),
		)
		current(t, s, "s")
		api.put("s", token.Current, "v2", "ijklmnop")
		api.Took = time.Second
		var wg sync.WaitGroup
		rejected := time.Now()
		time.Sleep(time.Millisecond)
		for range 50 {
			wg.Go(func() {
				v, err := s.CurrentAfter(t.Context(), "s", rejected)
				if err != nil || v.ID != "v2" {
					t.Errorf("got %s, %v; want v2", v.ID, err)
				}
			})
		}
		wg.Wait()
		if api.Count() != 2 {
			t.Errorf("%d reads, want 2: the first and one for the 50 runs", api.Count())
		}
		if v := current(t, s, "s"); v.ID != "v2" || api.Count() != 2 {
			t.Errorf("the fresh version is not kept: %s after %d reads", v.ID, api.Count())
		}
		time.Sleep(time.Millisecond)
		if _, err := s.CurrentAfter(t.Context(), "s", time.Now()); err != nil || api.Count() != 3 {
			t.Errorf("a later rejection reads again: %d reads, want 3 (%v)", api.Count(), err)
		}
	})
}

// A read that was under way when the token was rejected may have been answered before the rotation.
func TestCurrentAfterTrustsNoReadThatStartedBefore(t *testing.T) {
	t.Parallel()
	synctest.Test(t, func(t *testing.T) {
		api := newSecrets(t)
		api.Took = 2 * time.Second
		api.put("s", token.Current, "v1", "abcdefgh")
		s := token.NewStore(
			api, token.StoreOptions{TTL: 5 * time.Minute, Margin: retry.Reserve, Now: time.Now}, &redact.Scrubber{}, quiet(),
		)
		var wg sync.WaitGroup
		wg.Go(func() { current(t, s, "s") })
		time.Sleep(time.Second)
		api.put("s", token.Current, "v2", "ijklmnop")
		v, err := s.CurrentAfter(t.Context(), "s", time.Now())
		if err != nil || v.ID != "v2" {
			t.Errorf("got %s, %v; want v2", v.ID, err)
		}
		wg.Wait()
	})
}

func TestCurrentAfterNeverServesWhatIsStale(t *testing.T) {
	t.Parallel()
	api, clock := newSecrets(t), newWall()
	api.put("s", token.Current, "v1", "abcdefgh")
	s := token.NewStore(
		api, token.StoreOptions{TTL: time.Minute, Margin: retry.Reserve, Now: clock.Now}, &redact.Scrubber{}, quiet(),
	)
	current(t, s, "s")
	api.Fail(apiError(throttled))
	if v, err := s.CurrentAfter(t.Context(), "s", clock.Now()); err == nil {
		t.Errorf("got %s, want an error", v.ID)
	}
	if v := current(t, s, "s"); v.ID != "v1" {
		t.Errorf("the failure dropped what was kept")
	}
	clock.move(-time.Hour) // the read lies in the future now
	api.Fail(nil)
	before := api.Count()
	if _, err := s.CurrentAfter(t.Context(), "s", clock.Now()); err != nil || api.Count() != before+1 {
		t.Errorf("a read from the future was trusted (%v)", err)
	}
}

func TestStaleTokenServesWhileSecretsManagerFails(t *testing.T) {
	t.Parallel()
	cases := map[string]struct {
		err   error
		age   time.Duration
		stale bool
	}{
		"throttled":               {err: apiError(throttled), age: 59 * time.Minute, stale: true},
		"last moment":             {err: apiError(throttled), age: time.Hour - time.Nanosecond, stale: true},
		"an hour old":             {err: apiError(throttled), age: time.Hour, stale: false},
		"internal error":          {err: &types.InternalServiceError{}, age: 30 * time.Minute, stale: true},
		"own credentials expired": {err: apiError("ExpiredTokenException"), age: 30 * time.Minute, stale: true},
		"own credentials unknown": {err: apiError("UnrecognizedClientException"), age: 30 * time.Minute, stale: true},
		"an unknown code":         {err: apiError("WhateverException"), age: 30 * time.Minute, stale: true},
		"no answer":               {err: errors.New("dial tcp: i/o timeout"), age: 30 * time.Minute, stale: true},
		"the clock jumped back":   {err: apiError(throttled), age: -time.Minute, stale: false},
		"missing":                 {err: &types.ResourceNotFoundException{}, age: 10 * time.Minute, stale: false},
		"deleted":                 {err: &types.InvalidRequestException{}, age: 10 * time.Minute, stale: false},
		"denied":                  {err: apiError("AccessDeniedException"), age: 10 * time.Minute, stale: false},
		"undecryptable":           {err: &types.DecryptionFailure{}, age: 10 * time.Minute, stale: false},
	}
	for name, c := range cases {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			var out bytes.Buffer
			api, clock := newSecrets(t), newWall()
			api.put("s", token.Current, "v1", "abcdefgh")
			s := token.NewStore(
				api, token.StoreOptions{TTL: time.Minute, Margin: retry.Reserve, Now: clock.Now}, &redact.Scrubber{},
				slog.New(slog.NewTextHandler(&out, nil)),
			)
			s.SleepWith(noPause)
			current(t, s, "s")
			clock.move(c.age)
			api.Fail(c.err)
			v, err := s.Current(t.Context(), "s")
			if stale := err == nil; stale != c.stale {
				t.Fatalf("got %q, %v; want the stale token: %t", v.ID, err, c.stale)
			}
			if said := strings.Contains(out.String(), "the token read before is used"); said != c.stale {
				t.Errorf("the log says so: %t, want %t: %s", said, c.stale, out.String())
			}
			// The failure is not kept.
			api.Fail(nil)
			if v := current(t, s, "s"); v.ID != "v1" {
				t.Errorf("got %q afterwards", v.ID)
			}
		})
	}
}

func TestPermanentErrorDropsWhatWasKept(t *testing.T) {
	t.Parallel()
	api, clock := newSecrets(t), newWall()
	api.put("s", token.Current, "v1", "abcdefgh")
	s := token.NewStore(
		api, token.StoreOptions{TTL: time.Minute, Margin: retry.Reserve, Now: clock.Now}, &redact.Scrubber{}, quiet(),
	)
	s.SleepWith(noPause)
	current(t, s, "s")
	clock.move(2 * time.Minute)
	api.Fail(apiError("AccessDeniedException"))
	if _, err := s.Current(t.Context(), "s"); err == nil {
		t.Fatal("denied, and yet read")
	}
	api.Fail(apiError(throttled))
	if v, err := s.Current(t.Context(), "s"); err == nil {
		t.Errorf("version %s came back after it was denied", v.ID)
	}
}

func TestReadErrorsAreClassified(t *testing.T) {
	t.Parallel()
	cases := map[string]struct {
		err       error
		permanent bool
		says      string
	}{
		"missing": {
			err: &types.ResourceNotFoundException{}, permanent: true, says: "does not exist or has no version AWSCURRENT",
		},
		"deleted":       {err: &types.InvalidRequestException{}, permanent: true, says: "restore it"},
		"denied":        {err: apiError("AccessDeniedException"), permanent: true, says: "is denied"},
		"undecryptable": {err: &types.DecryptionFailure{}, permanent: true, says: "cannot be decrypted"},
		"undecryptable, as the documentation's samples have it": {
			err: apiError("DecryptionFailureException"), permanent: true, says: "cannot be decrypted",
		},
		"internal error": {err: &types.InternalServiceError{}, permanent: false, says: "InternalServiceError"},
		"throttled":      {err: apiError(throttled), permanent: false, says: throttled},
		"invalid parameter": {
			err: &types.InvalidParameterException{}, permanent: false, says: "InvalidParameterException",
		},
		"own credentials expired": {err: apiError("ExpiredTokenException"), permanent: false, says: "ExpiredTokenException"},
		"own credentials missing": {
			err: errors.New("the function has no AWS credentials"), permanent: false, says: "did not answer",
		},
		"deadline": {err: context.DeadlineExceeded, permanent: false, says: "did not answer"},
	}
	for name, c := range cases {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			api := newSecrets(t)
			api.Fail(c.err)
			s := token.NewStore(
				api, token.StoreOptions{Prefix: "p/", TTL: time.Minute, Margin: retry.Reserve, Now: time.Now}, &redact.Scrubber{},
				quiet(),
			)
			s.SleepWith(noPause)
			_, err := s.Current(t.Context(), "s")
			unavailable, ok := errors.AsType[*token.UnavailableError](err)
			if !ok {
				t.Fatalf("got %v, want an *UnavailableError", err)
			}
			if unavailable.Permanent != c.permanent || unavailable.Secret != "p/s" {
				t.Errorf("permanent: %t, want %t; secret %s", unavailable.Permanent, c.permanent, unavailable.Secret)
			}
			if text := err.Error(); !strings.Contains(text, c.says) || !strings.Contains(text, "p/s") ||
				strings.Contains(text, canary) {
				t.Errorf("error %q, want it to name p/s and %q, and nothing of AWS's own text", text, c.says)
			}
		})
	}
}

func TestMalformedSecretIsPermanentAndNotKept(t *testing.T) {
	t.Parallel()
	api := newSecrets(t)
	api.put("s", token.Current, "v1", `{"token":"`+canary+` "x"}`)
	s := token.NewStore(
		api, token.StoreOptions{TTL: time.Hour, Margin: retry.Reserve, Now: time.Now}, &redact.Scrubber{}, quiet(),
	)
	_, err := s.Current(t.Context(), "s")
	unavailable, ok := errors.AsType[*token.UnavailableError](err)
	if !ok || !unavailable.Permanent {
		t.Fatalf("got %v, want a permanent *UnavailableError", err)
	}
	if text := err.Error(); strings.Contains(text, canary) || !strings.Contains(text, "v1") ||
		!strings.Contains(text, "AWSCURRENT") {
		t.Errorf("error %q must name version and stage and no value", text)
	}
	api.put("s", token.Current, "v2", "abcdefgh")
	if v := current(t, s, "s"); v.ID != "v2" {
		t.Errorf("got %s after it was fixed", v.ID)
	}
}

func TestSecretBinaryIsText(t *testing.T) {
	t.Parallel()
	cases := map[string]struct {
		out  secretsmanager.GetSecretValueOutput
		want string
	}{
		"text": {
			out: secretsmanager.GetSecretValueOutput{SecretBinary: []byte("\ufeffabcdefgh\n")}, want: "abcdefgh",
		},
		"object": {
			out: secretsmanager.GetSecretValueOutput{SecretBinary: []byte(`{"token":"abcdefgh"}`)}, want: "abcdefgh",
		},
		"bytes": {
			out:  secretsmanager.GetSecretValueOutput{SecretBinary: []byte{0xff, 0xfe, 'a', 0, 'b', 0, 'c', 0, 'd', 0}},
			want: "",
		},
		"UTF-16, little endian": {
			out:  secretsmanager.GetSecretValueOutput{SecretBinary: []byte("\xff\xfea\x00b\x00c\x00d\x00e\x00f\x00g\x00h\x00")},
			want: "abcdefgh",
		},
		"UTF-16, big endian": {
			out: secretsmanager.GetSecretValueOutput{
				SecretBinary: []byte("\xfe\xff\x00a\x00b\x00c\x00d\x00e\x00f\x00g\x00h\x00\n"),
			},
			want: "abcdefgh",
		},
		"UTF-16, cut off": {
			out:  secretsmanager.GetSecretValueOutput{SecretBinary: []byte("\xfe\xff\x00a\x00b\x00c\x00d\x00e\x00f\x00g\x00")},
			want: "",
		},
		"empty text": {out: secretsmanager.GetSecretValueOutput{SecretString: aws.String("")}, want: ""},
	}
	for name, c := range cases {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			api := newSecrets(t)
			api.PutRaw("s", "AWSCURRENT", &c.out)
			s := token.NewStore(api, token.StoreOptions{Margin: retry.Reserve, Now: time.Now}, &redact.Scrubber{}, quiet())
			v, err := s.Current(t.Context(), "s")
			if got := v.Token.Reveal(); got != c.want || (err == nil) != (c.want != "") {
				t.Errorf("got %q, %v; want %q", got, err, c.want)
			}
		})
	}
}

func TestStagedIsNeverFromMemory(t *testing.T) {
	t.Parallel()
	api := newSecrets(t)
	for _, stage := range []token.Stage{token.Current, token.Pending, token.Previous} {
		api.put("s", stage, string(stage)+"-1", "abcdefgh")
	}
	made := time.Date(2026, 11, 24, 8, 30, 0, 0, time.UTC)
	api.Put("s", "AWSPENDING", "AWSPENDING-1", "abcdefgh", made)
	s := token.NewStore(
		api, token.StoreOptions{TTL: time.Hour, Margin: retry.Reserve, Now: time.Now}, &redact.Scrubber{}, quiet(),
	)
	current(t, s, "s")
	for range 2 {
		for _, stage := range []token.Stage{token.Pending, token.Previous} {
			v, err := s.Staged(t.Context(), "s", stage)
			if err != nil || v.ID != string(stage)+"-1" || v.Stage != stage {
				t.Errorf("Staged(%s) = %s %s, %v", stage, v.ID, v.Stage, err)
			}
		}
	}
	want := []string{"s AWSCURRENT", "s AWSPENDING", "s AWSPREVIOUS", "s AWSPENDING", "s AWSPREVIOUS"}
	if diff := cmp.Diff(want, api.Reads()); diff != "" {
		t.Errorf("reads (-want +got):\n%s", diff)
	}
	v, err := s.Staged(t.Context(), "s", token.Pending)
	if err != nil {
		t.Fatal(err)
	}
	for _, c := range []struct {
		now   time.Time
		young bool
	}{{now: made, young: true}, {now: made.Add(time.Hour - 1), young: true}, {now: made.Add(time.Hour), young: false}} {
		if got := v.YoungerThan(time.Hour, c.now); got != c.young {
			t.Errorf("at %s: younger than an hour: %t", c.now, got)
		}
	}
	if v, _ := s.Staged(t.Context(), "s", token.Previous); v.YoungerThan(time.Hour, made) {
		t.Error("a version of unknown age is not young")
	}
}

// The report keeps its time, whatever Secrets Manager does.
func TestWaitingForAReadLeavesTimeForTheReport(t *testing.T) {
	t.Parallel()
	const left, wait = 10 * time.Second, 10*time.Second - retry.Reserve
	synctest.Test(t, func(t *testing.T) {
		api := newSecrets(t)
		api.Took = time.Minute
		api.put("s", token.Current, "v1", "abcdefgh")
		s := token.NewStore(
			api, token.StoreOptions{TTL: time.Hour, Margin: retry.Reserve, Now: time.Now}, &redact.Scrubber{}, quiet(),
		)
		var wg sync.WaitGroup
		wg.Go(func() { current(t, s, "s") })
		synctest.Wait()
		for what, read := range map[string]func(context.Context) error{
			"another's read": func(ctx context.Context) error { _, err := s.Current(ctx, "s"); return err },
			"its own read":   func(ctx context.Context) error { _, err := s.Staged(ctx, "s", token.Pending); return err },
		} {
			ctx, cancel := context.WithTimeout(t.Context(), left)
			start := time.Now()
			err := read(ctx)
			cancel()
			unavailable, ok := errors.AsType[*token.UnavailableError](err)
			if !ok || unavailable.Permanent || !errors.Is(err, context.DeadlineExceeded) || time.Since(start) != wait {
				t.Errorf("%s: got %v after %s, want it to return after %s", what, err, time.Since(start), wait)
			}
		}
		wg.Wait()
	})
}

func TestMalformedExpiryIsLogged(t *testing.T) {
	t.Parallel()
	var out bytes.Buffer
	api := newSecrets(t)
	api.put("s", token.Current, "v1", fmt.Sprintf(`{"token":"abcdefgh","expires_at":%q}`, canary))
	s := token.NewStore(
		api, token.StoreOptions{Margin: retry.Reserve, Now: time.Now}, &redact.Scrubber{},
		slog.New(slog.NewTextHandler(&out, nil)),
	)
	current(t, s, "s")
	if text := out.String(); !strings.Contains(text, "level=WARN") || !strings.Contains(text, "expires_at") ||
		strings.Contains(text, canary) {
		t.Errorf("log: %s", text)
	}
}

func denied() error { return apiError("AccessDeniedException") }

// IAM is eventually consistent: after a deployment the first answer may come from before it.
func TestFirstDenialIsRetriedWithinFiveSeconds(t *testing.T) {
	t.Parallel()
	synctest.Test(t, func(t *testing.T) {
		api := newSecrets(t)
		api.put("s", token.Current, "v1", "abcdefgh")
		api.First = denied()
		s := token.NewStore(api, token.StoreOptions{Now: time.Now}, &redact.Scrubber{}, quiet())
		started := time.Now()
		v, err := s.Current(t.Context(), "s")
		if err != nil || v.ID != "v1" || time.Since(started) > 5*time.Second || api.Count() != 2 {
			t.Errorf("got %s, %v, after %s and %d reads", v.ID, err, time.Since(started), api.Count())
		}
		api.Fail(denied())
		_, err = s.Current(t.Context(), "s")
		if unavailable, ok := errors.AsType[*token.UnavailableError](err); !ok || !unavailable.Permanent || api.Count() != 4 {
			t.Errorf("got %v after %d reads, want a permanent error after two", err, api.Count())
		}
		ctx, cancel := context.WithTimeout(t.Context(), time.Second)
		defer cancel()
		if _, err = s.Current(ctx, "s"); err == nil || api.Count() != 5 {
			t.Errorf("got %v after %d reads: there was no time for a second one", err, api.Count())
		}
	})
}

func TestAnswerWithoutAValueIsTransient(t *testing.T) {
	t.Parallel()
	api, clock := newSecrets(t), newWall()
	api.put("s", token.Current, "v1", "abcdefgh")
	s := token.NewStore(api, token.StoreOptions{TTL: time.Minute, Now: clock.Now}, &redact.Scrubber{}, quiet())
	current(t, s, "s")
	api.PutRaw("s", "AWSCURRENT", &secretsmanager.GetSecretValueOutput{VersionId: aws.String("v2")})
	clock.move(2 * time.Minute)
	if v := current(t, s, "s"); v.ID != "v1" {
		t.Errorf("got %s, want the version read before", v.ID)
	}
	clock.move(time.Hour)
	_, err := s.Current(t.Context(), "s")
	if unavailable, ok := errors.AsType[*token.UnavailableError](err); !ok || unavailable.Permanent ||
		!strings.Contains(err.Error(), "without a value") {
		t.Errorf("got %v, want a transient error", err)
	}
}

// A version's id is in each result and log line, whose sizes have limits.
func TestVersionIDHasALength(t *testing.T) {
	t.Parallel()
	api, clock := newSecrets(t), newWall()
	s := token.NewStore(api, token.StoreOptions{TTL: time.Minute, Now: clock.Now}, &redact.Scrubber{}, quiet())
	api.PutRaw("s", "AWSCURRENT", &secretsmanager.GetSecretValueOutput{
		VersionId: aws.String(strings.Repeat("v", 1<<20)), SecretString: aws.String("abcdefgh"),
	})
	if v := current(t, s, "s"); len(v.ID) > 64 {
		t.Errorf("an id of %d bytes", len(v.ID))
	}
}

func TestSecretOfAnotherRegionSaysSo(t *testing.T) {
	t.Parallel()
	const there, here = "arn:aws:secretsmanager:us-east-1:123456789012:secret:x-AbC" +
		"dEf", "arn:aws:secretsmanager:eu-west-1:123456789012:secret:x-AbCdEf"
	tests := map[string]struct {
		secret string
		err    error
		says   bool
	}{
		"missing, another Region": {secret: there, says: true},
		"denied, another Region":  {secret: there, err: denied(), says: true},
		"missing, this Region":    {secret: here},
		"denied, this Region":     {secret: here, err: denied()},
		"missing, a name":         {secret: "us-east-1:x"},
	}
	for name, tt := range tests {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			api := newSecrets(t)
			api.Fail(tt.err)
			s := token.NewStore(api, token.StoreOptions{Region: "eu-west-1", Now: time.Now}, &redact.Scrubber{}, quiet())
			s.SleepWith(noPause)
			_, err := s.Current(t.Context(), tt.secret)
			if err == nil || strings.Contains(err.Error(), "Region us-east-1") != tt.says {
				t.Errorf("error %v, want it to name the Region: %t", err, tt.says)
			}
		})
	}
}

func TestRunsThatWaitForOneReadShareItsFailureAndTakeTheStaleToken(t *testing.T) {
	t.Parallel()
	synctest.Test(t, func(t *testing.T) {
		api := newSecrets(t)
		api.put("s", token.Current, "v1", "abcdefgh")
		s := token.NewStore(
			api, token.StoreOptions{TTL: 5 * time.Minute, Margin: retry.Reserve, Now: time.Now}, &redact.Scrubber{}, quiet(),
		)
		current(t, s, "s")
		time.Sleep(6 * time.Minute)
		api.Took = 17 * time.Second // what three tries of the SDK take
		api.Fail(errors.New("i/o timeout"))
		started := time.Now()
		var wg sync.WaitGroup
		for i := range 8 {
			wg.Go(func() {
				time.Sleep(time.Duration(i) * time.Second)
				ctx, cancel := context.WithTimeout(t.Context(), 20*time.Second)
				defer cancel()
				if v, err := s.Current(ctx, "s"); err != nil || v.ID != "v1" || time.Since(started) != 17*time.Second {
					t.Errorf("run %d: got %q, %v after %s", i, v.ID, err, time.Since(started))
				}
			})
		}
		wg.Wait()
		if api.Count() != 2 {
			t.Errorf("%d reads, want one for the eight runs", api.Count()-1)
		}
		api.Took = 0
		current(t, s, "s") // one that comes later asks anew
		if api.Count() != 3 {
			t.Errorf("%d reads: the failure was remembered", api.Count())
		}
	})
}

// A run whose time is up before the read that it waits for takes the stale token as well.
func TestRunWithLittleTimeTakesTheStaleToken(t *testing.T) {
	t.Parallel()
	synctest.Test(t, func(t *testing.T) {
		api := newSecrets(t)
		api.put("s", token.Current, "v1", "abcdefgh")
		s := token.NewStore(api, token.StoreOptions{Margin: retry.Reserve, Now: time.Now}, &redact.Scrubber{}, quiet())
		current(t, s, "s")
		time.Sleep(time.Minute)
		api.Took = time.Minute
		var wg sync.WaitGroup
		wg.Go(func() { current(t, s, "s") })
		synctest.Wait()
		ctx, cancel := context.WithTimeout(t.Context(), 10*time.Second)
		defer cancel()
		if v, err := s.Current(ctx, "s"); err != nil || v.ID != "v1" {
			t.Errorf("got %q, %v", v.ID, err)
		}
		wg.Wait()
	})
}

func TestOneVersionWarnsOnce(t *testing.T) {
	t.Parallel()
	var out bytes.Buffer
	api := newSecrets(t)
	s := token.NewStore(
		api, token.StoreOptions{Now: time.Now}, &redact.Scrubber{}, slog.New(slog.NewTextHandler(&out, nil)),
	)
	for i, want := range []int{1, 1, 2} {
		api.put("s", token.Current, fmt.Sprintf("v%d", i/2), `{"token":"abcdefgh","expires_at":"soon"}`)
		current(t, s, "s")
		if got := strings.Count(out.String(), "level=WARN"); got != want {
			t.Errorf("read %d: %d warnings, want %d: %s", i+1, got, want, out.String())
		}
	}
}

func TestKeyedReadsOfOneSecretAreKeptApart(t *testing.T) {
	t.Parallel()
	api := newSecrets(t)
	api.put("s", token.Current, "v1", `{"a":"token-of-a","b":"token-of-b"}`)
	s := token.NewStore(api, token.StoreOptions{TTL: time.Hour, Now: time.Now}, &redact.Scrubber{}, quiet())
	for range 2 {
		for key, want := range map[string]string{"a": "token-of-a", "/b": "token-of-b"} {
			if v, err := s.Keyed(key).Current(t.Context(), "s"); err != nil || v.Token.Reveal() != want {
				t.Errorf("Key %s: got %q, %v", key, v.Token.Reveal(), err)
			}
		}
	}
	if api.Count() != 2 {
		t.Errorf("%d reads, want one for each Key", api.Count())
	}
}
