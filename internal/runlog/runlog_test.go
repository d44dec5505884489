package runlog_test

import (
	"bytes"
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"log"
	"log/slog"
	"strconv"
	"strings"
	"testing"
	"testing/synctest"
	"time"

	"github.com/aws/aws-lambda-go/lambdacontext"
	"github.com/google/go-cmp/cmp"

	"github.com/cronbearer/cronbearer/internal/dev/mutate"
	"github.com/cronbearer/cronbearer/internal/isolate"
	"github.com/cronbearer/cronbearer/internal/redact"
	"github.com/cronbearer/cronbearer/internal/runlog"
)

// read checks the time of a line of JSON and returns the rest.
func read(t *testing.T, line []byte) map[string]any {
	t.Helper()
	if bytes.Count(line, []byte("\n")) != 1 || !bytes.HasSuffix(line, []byte("\n")) {
		t.Fatalf("not one line: %s", line)
	}
	var record map[string]any
	if err := json.Unmarshal(line, &record); err != nil {
		t.Fatalf("%v: %s", err, line)
	}
	stamp, _ := record["timestamp"].(string)
	if at, err := time.Parse(time.RFC3339, stamp); err != nil || time.Since(at).Abs() > time.Minute {
		t.Errorf("timestamp %q: %v", stamp, err)
	}
	delete(record, "timestamp")
	return record
}

func TestLineIsWhatLambdaFilters(t *testing.T) {
	t.Parallel()
	run := lambdacontext.NewContext(t.Context(), &lambdacontext.LambdaContext{AwsRequestID: "8476a536"})
	for name, c := range map[string]struct {
		ctx  context.Context
		call func(context.Context, *slog.Logger)
		want map[string]any
	}{
		"with a run": {ctx: run, call: func(ctx context.Context, l *slog.Logger) {
			l.ErrorContext(ctx, "run", "error", errors.New("a\nb"))
		}, want: map[string]any{"level": "ERROR", "message": "run", "error": "a\nb", "requestId": "8476a536"}},
		"without": {ctx: t.Context(), call: func(ctx context.Context, l *slog.Logger) {
			l.WarnContext(ctx, "m", "n", 1)
		}, want: map[string]any{"level": "WARN", "message": "m", "n": 1.0}},
		"with attributes": {ctx: run, call: func(ctx context.Context, l *slog.Logger) {
			l.With("k", "v").InfoContext(ctx, "m")
		}, want: map[string]any{"level": "INFO", "message": "m", "k": "v", "requestId": "8476a536"}},
		"many attributes": {
			ctx: run, call: func(ctx context.Context, l *slog.Logger) {
				l.DebugContext(ctx, "m", "a", 1, "b", 2, "c", 3, "d", 4, "e", 5, "f", 6)
			},
			want: map[string]any{
				"level": "DEBUG", "message": "m", "a": 1.0, "b": 2.0, "c": 3.0, "d": 4.0, "e": 5.0, "f": 6.0,
				"requestId": "8476a536",
			},
		},
		"in a group": {ctx: t.Context(), call: func(ctx context.Context, l *slog.Logger) {
			l.WithGroup("g").InfoContext(ctx, "m", "message", "v")
		}, want: map[string]any{"level": "INFO", "message": "m", "g": map[string]any{"message": "v"}}},
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			var out bytes.Buffer
			c.call(c.ctx, runlog.New(&out, slog.LevelDebug, &redact.Scrubber{}))
			if diff := cmp.Diff(c.want, read(t, out.Bytes())); diff != "" {
				t.Error(diff)
			}
		})
	}
}

// A run's line has its result as it is, and its error as the error is.
func TestLineOfARun(t *testing.T) {
	t.Parallel()
	for name, message := range map[string]string{
		"words":                "job J: token T is rejected: <the target> answered 401 & more",
		"quotes and breaks":    "a \"b\" \\ c\nd\te",
		"letters of all sorts": "é 世 🙂",
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			var out bytes.Buffer
			runlog.New(&out, slog.LevelInfo, &redact.Scrubber{}).Error(
				"run", "result", json.RawMessage(`{"job":"J","status":200}`), "error", errors.New(message),
			)
			want := map[string]any{
				"level": "ERROR", "message": "run", "result": map[string]any{"job": "J", "status": 200.0}, "error": message,
			}
			if diff := cmp.Diff(want, read(t, out.Bytes())); diff != "" {
				t.Error(diff)
			}
		})
	}
}

const secret = `pa"ss\w%41rd-of-16-bytes`

type stringer struct{}

func (stringer) String() string { return "a stringer with " + secret }

type panicking struct{}

func (panicking) Error() string { panic("no text") }

func TestValuesAreScrubbedBeforeTheyBecomeJSON(t *testing.T) {
	t.Parallel()
	var scrub redact.Scrubber
	scrub.Add(secret, "timestamp", "2026-11-28", "ERROR-of-8", "message", "8476a536", "the metrics")
	var out bytes.Buffer
	ctx := lambdacontext.NewContext(t.Context(), &lambdacontext.LambdaContext{AwsRequestID: "8476a536"})
	log := runlog.New(&out, slog.LevelDebug, &scrub).With("with", secret)
	log.ErrorContext(ctx, "the metrics could not be stored", "error", fmt.Errorf("wrapped: %s", secret), "text",
		"["+secret+"]", "quoted", strconv.Quote(secret),
		"stringer", stringer{}, "timestamp_of_it", 7, slog.Group("group", "inner", secret), "duration", time.Second, "list",
		[]string{"a", secret})
	want := map[string]any{
		"level": "ERROR", "message": "the metrics could not be stored", "requestId": "8476a536", "with": "[redacted]",
		"error": "wrapped: [redacted]",
		"text":  "[[redacted]]", "quoted": `"[redacted]"`, "stringer": "a stringer with [redacted]", "timestamp_of_it": 7.0,
		"group": map[string]any{"inner": "[redacted]"}, "duration": 1e9, "list": "[a [redacted]]",
	}
	if diff := cmp.Diff(want, read(t, out.Bytes())); diff != "" {
		t.Error(diff)
	}
}

func TestValueThatPanicsCostsItsLineOnly(t *testing.T) {
	t.Parallel()
	var out bytes.Buffer
	log := runlog.New(&out, slog.LevelDebug, &redact.Scrubber{})
	log.Error("m", "error", panicking{})
	log.Info("next")
	if want := (map[string]any{"level": "INFO", "message": "next"}); cmp.Diff(want, read(t, out.Bytes())) != "" {
		t.Error(out.String())
	}
}

func TestLinesAreShort(t *testing.T) {
	t.Parallel()
	for name, text := range map[string]string{
		"letters": strings.Repeat("a", 1<<20), "quotes": strings.Repeat(`"`, 1<<20),
		"control characters": strings.Repeat("\x01", 1<<20),
		"bytes":              strings.Repeat("\xff", 1<<20), "breaks": strings.Repeat("\n", 1<<20),
		"line separators": strings.Repeat("\u2028", 1<<19),
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			var out bytes.Buffer
			log := runlog.New(&out, slog.LevelDebug, &redact.Scrubber{}).With("a", text, "b", text, "c", text, "d", text)
			log.Error("m", "error", errors.New(text), "panic", text, "stack", text, "again", text, "zero", text)
			line := read(t, out.Bytes())
			if out.Len() > redact.MaxLine || len(line) != 11 {
				t.Errorf("%d bytes, %d keys", out.Len(), len(line))
			}
			out.Reset()
			log.Info("run", "result", json.RawMessage(`{"job":"J"}`), "error", text)
			least := redact.MaxError - 8
			if name == "bytes" { // all of them become one
				least = 1
			}
			if got, _ := read(t, out.Bytes())["error"].(string); len(got) < least || len(got) > redact.MaxError ||
				out.Len() > redact.MaxLine {
				t.Errorf("an error of %d bytes in a line of %d", len(got), out.Len())
			}
		})
	}
}

// Property: whatever a secret is and wherever it is, a line stays one line of JSON with its keys, time and level,
// and the secret is not in it.
func FuzzLine(fuzz *testing.F) {
	f := mutate.New(fuzz)
	f.Add(secret, "before ", " after")
	f.Add("2026-11-28", "", "T09:00:00Z")
	f.Add(`"timestamp":"`, `{"a":"`, `"}`)
	f.Add("[redacted]12", "\\", "\"")
	f.Fuzz(func(t *testing.T, secret, before, after string) {
		if len(secret) < redact.MinSecret || len(secret)+len(before)+len(after) > 4096 {
			return
		}
		var scrub redact.Scrubber
		scrub.Add(secret)
		text := before + secret + after
		clean := scrub.Clean(text, redact.MaxError)
		var out bytes.Buffer
		runlog.New(&out, slog.LevelDebug, &scrub).Error("a message of ours", "text", text, "error", errors.New(text), "n", 1)
		line := read(t, out.Bytes())
		want := map[string]any{"level": "ERROR", "message": "a message of ours", "text": clean, "error": clean, "n": 1.0}
		if diff := cmp.Diff(want, line); diff != "" {
			t.Error(diff)
		}
	})
}

func TestGuardedWriter(t *testing.T) {
	t.Parallel()
	broken := errors.New("broken pipe")
	for name, c := range map[string]struct {
		write func([]byte) (int, error)
		want  error
		took  time.Duration
	}{
		"it works":  {write: func(p []byte) (int, error) { return len(p), nil }},
		"it fails":  {write: func([]byte) (int, error) { return 0, broken }, want: broken},
		"it panics": {write: func([]byte) (int, error) { panic("closed") }, want: &isolate.PanicError{}},
		"it hangs": {
			write: func([]byte) (int, error) { time.Sleep(time.Minute); return 0, nil }, want: isolate.ErrHung,
			took: 1100 * time.Millisecond,
		},
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			synctest.Test(t, func(t *testing.T) {
				begin := time.Now()
				n, err := runlog.Guard(writerFunc(c.write)).Write([]byte("line\n"))
				_, panicked := errors.AsType[*isolate.PanicError](err)
				_, wantPanic := errors.AsType[*isolate.PanicError](c.want)
				if panicked != wantPanic || !wantPanic && !errors.Is(err, c.want) || (err == nil) != (n == 5) {
					t.Errorf("Write = %d, %v", n, err)
				}
				if took := time.Since(begin); took != c.took {
					t.Errorf("it took %s, want %s", took, c.took)
				}
				time.Sleep(time.Hour)
			})
		})
	}
}

func TestGuardedWriterRecovers(t *testing.T) {
	t.Parallel()
	synctest.Test(t, func(t *testing.T) {
		var out bytes.Buffer
		hang := true
		w := runlog.Guard(writerFunc(func(p []byte) (int, error) {
			if hang {
				hang = false
				time.Sleep(10 * time.Second)
			}
			return out.Write(p)
		}))
		line := []byte("first\n")
		if _, err := w.Write(line); !errors.Is(err, isolate.ErrHung) {
			t.Error(err)
		}
		copy(line, "XXXXX") // slog uses its buffer again
		if _, err := w.Write([]byte("second\n")); err == nil {
			t.Error("it was written next to the first")
		}
		time.Sleep(time.Minute)
		if _, err := w.Write([]byte("third\n")); err != nil || out.String() != "first\nthird\n" {
			t.Errorf("%v: %q", err, out.String())
		}
	})
}

type writerFunc func([]byte) (int, error)

func (f writerFunc) Write(p []byte) (int, error) { return f(p) }

func TestLevel(t *testing.T) {
	t.Parallel()
	all := []slog.Level{slog.LevelDebug, slog.LevelInfo, slog.LevelWarn, slog.LevelError}
	for i, least := range all {
		for j, level := range all {
			var out bytes.Buffer
			runlog.New(&out, least, &redact.Scrubber{}).With("k", "v").Log(t.Context(), level, "m")
			if written := out.Len() > 0; written != (j >= i) {
				t.Errorf("%s at %s: written %t", level, least, written)
			}
		}
	}
}

// aws-lambda-go prints each error that the handler returns, which the run's own line has already.
func TestRuntimeDropsRepetitions(t *testing.T) {
	t.Parallel()
	var out bytes.Buffer
	runtime := log.New(runlog.Runtime(&out, &redact.Scrubber{}), "", 0)
	runtime.Printf(`{"errorMessage":"job J: token T is rejected","errorType":"TokenRejectedError"}`)
	if out.Len() > 0 {
		t.Errorf("the error appears twice: %s", &out)
	}
	runtime.Printf("failed to GET from runtime API: %v", io.ErrUnexpectedEOF)
	want := map[string]any{
		"level": "ERROR", "message": "runtime", "error": "failed to GET from runtime API: unexpected EOF",
	}
	if diff := cmp.Diff(want, read(t, out.Bytes())); diff != "" {
		t.Error(diff)
	}
	if n, err := runlog.Runtime(&out, &redact.Scrubber{}).Write([]byte("x\n")); n != 2 || err != nil {
		t.Errorf("Write = %d, %v", n, err)
	}
}
