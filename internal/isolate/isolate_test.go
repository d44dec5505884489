package isolate_test

import (
	"context"
	"errors"
	"strings"
	"testing"
	"testing/synctest"
	"time"

	"github.com/cronbearer/cronbearer/internal/isolate"
)

func TestRunReturnsWhatTheFunctionDoes(t *testing.T) {
	t.Parallel()
	failure := errors.New("refused")
	for name, c := range map[string]struct {
		f    func(context.Context) error
		want error
		took time.Duration
	}{
		"it succeeds": {f: func(context.Context) error { return nil }},
		"it fails":    {f: func(context.Context) error { return failure }, want: failure},
		"it obeys its context": {f: func(ctx context.Context) error {
			<-ctx.Done()
			return ctx.Err()
		}, want: context.DeadlineExceeded, took: time.Second},
		"it answers at the last": {f: func(context.Context) error {
			time.Sleep(time.Second + 50*time.Millisecond)
			return nil
		}, took: 1050 * time.Millisecond},
		"it hangs": {f: func(context.Context) error {
			time.Sleep(time.Hour)
			return nil
		}, want: isolate.ErrHung, took: 1100 * time.Millisecond},
		"it hangs, then it fails": {f: func(context.Context) error {
			time.Sleep(time.Hour)
			panic("late")
		}, want: isolate.ErrHung, took: 1100 * time.Millisecond},
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			synctest.Test(t, func(t *testing.T) {
				start := time.Now()
				if err := isolate.Run(t.Context(), time.Second, c.f); !errors.Is(err, c.want) {
					t.Errorf("%v, want %v", err, c.want)
				}
				if took := time.Since(start); took != c.took {
					t.Errorf("it took %s, want %s", took, c.took)
				}
				time.Sleep(2 * time.Hour) // hanging calls return
			})
		})
	}
}

func TestRunEndsWithItsContext(t *testing.T) {
	t.Parallel()
	synctest.Test(t, func(t *testing.T) {
		ctx, cancel := context.WithTimeout(t.Context(), 300*time.Millisecond)
		defer cancel()
		start := time.Now()
		err := isolate.Run(ctx, time.Minute, func(context.Context) error { time.Sleep(time.Hour); return nil })
		if took := time.Since(start); !errors.Is(err, isolate.ErrHung) || took != 400*time.Millisecond {
			t.Errorf("%v after %s", err, took)
		}
		time.Sleep(2 * time.Hour)
	})
}

func TestPanicsBecomeErrors(t *testing.T) {
	t.Parallel()
	var none *strings.Builder
	for name, f := range map[string]func() error{
		"of a library": func() error { none.Reset(); return nil },
		"of a value":   func() error { panic(errors.New("nil pointer dereference")) },
	} {
		for how, run := range map[string]func() error{
			"Run":   func() error { return isolate.Run(t.Context(), time.Minute, func(context.Context) error { return f() }) },
			"Catch": func() error { return isolate.Catch(f) },
		} {
			caught, ok := errors.AsType[*isolate.PanicError](run())
			if !ok || !strings.Contains(caught.Error(), "nil pointer dereference") ||
				!strings.Contains(string(caught.Stack), "isolate_test") {
				t.Errorf("%s, %s: %v", name, how, caught)
			}
		}
	}
}
