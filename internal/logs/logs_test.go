package logs_test

import (
	"bytes"
	"context"
	"encoding/json"
	"errors"
	"io"
	"log"
	"log/slog"
	"testing"
	"time"

	"github.com/aws/aws-lambda-go/lambdacontext"
	"github.com/google/go-cmp/cmp"

	"github.com/cronbearer/cronbearer/internal/logs"
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
		"with a run":      {run, func(ctx context.Context, l *slog.Logger) { l.ErrorContext(ctx, "run", "error", errors.New("a\nb")) }, map[string]any{"level": "ERROR", "message": "run", "error": "a\nb", "requestId": "8476a536"}},
		"without":         {t.Context(), func(ctx context.Context, l *slog.Logger) { l.WarnContext(ctx, "m", "n", 1) }, map[string]any{"level": "WARN", "message": "m", "n": 1.0}},
		"with attributes": {run, func(ctx context.Context, l *slog.Logger) { l.With("k", "v").InfoContext(ctx, "m") }, map[string]any{"level": "INFO", "message": "m", "k": "v", "requestId": "8476a536"}},
		"many attributes": {run, func(ctx context.Context, l *slog.Logger) {
			l.DebugContext(ctx, "m", "a", 1, "b", 2, "c", 3, "d", 4, "e", 5, "f", 6)
		}, map[string]any{"level": "DEBUG", "message": "m", "a": 1.0, "b": 2.0, "c": 3.0, "d": 4.0, "e": 5.0, "f": 6.0, "requestId": "8476a536"}},
		"in a group": {t.Context(), func(ctx context.Context, l *slog.Logger) {
			l.WithGroup("g").InfoContext(ctx, "m", "message", "v")
		}, map[string]any{"level": "INFO", "message": "m", "g": map[string]any{"message": "v"}}},
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			var out bytes.Buffer
			c.call(c.ctx, logs.New(&out, slog.LevelDebug))
			if diff := cmp.Diff(c.want, read(t, out.Bytes())); diff != "" {
				t.Error(diff)
			}
		})
	}
}

// The run's line is made by hand, and must be what slog would have made.
func TestRunLineIsALineOfTheLogger(t *testing.T) {
	t.Parallel()
	const result = `{"job":"J","status":200}`
	for name, c := range map[string]struct {
		level            slog.Level
		fault, requestID string
	}{
		"it succeeded":         {slog.LevelInfo, "", "8476a536"},
		"it failed":            {slog.LevelError, "job J: token T is refused: <the target> answered 401 & more", "8476a536"},
		"no request id":        {slog.LevelInfo, "", ""},
		"quotes and breaks":    {slog.LevelError, "a \"b\" \\ c\nd\te\r\x01\x7f", "\"\n"},
		"letters of all sorts": {slog.LevelError, "é 世 🙂", "é"},
		"bytes that are none":  {slog.LevelError, "a\xff\xfeb", ""},
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			var out bytes.Buffer
			ctx := lambdacontext.NewContext(t.Context(), &lambdacontext.LambdaContext{AwsRequestID: c.requestID})
			attributes := []slog.Attr{slog.Any("result", json.RawMessage(result))}
			if c.fault != "" {
				attributes = append(attributes, slog.String("error", c.fault))
			}
			logs.New(&out, slog.LevelDebug).LogAttrs(ctx, c.level, "run", attributes...)
			want := read(t, out.Bytes())
			if c.fault == "a\xff\xfeb" {
				want["error"] = "a\ufffdb" // slog writes one for each byte
			}
			if diff := cmp.Diff(want, read(t, logs.RunLine(time.Now(), c.level, []byte(result), c.fault, c.requestID))); diff != "" {
				t.Error(diff)
			}
		})
	}
}

// BenchmarkRunLine compares the line made by hand with slog's.
func BenchmarkRunLine(b *testing.B) {
	const requestID = "8476a536-e9f4-11e8-9739-2dfe598c3fcd"
	result := []byte(`{"job":"DailyReport","token":"ExampleApi","outcome":"succeeded","verdict":"accepted","status":200,"attempts":1,"rejections":0,"durationMs":212,"runId":"DailyReport-20261124T090000Z","requestId":"` + requestID + `"}`)
	b.Run("by=hand", func(b *testing.B) {
		b.ReportAllocs()
		for b.Loop() {
			_, _ = io.Discard.Write(logs.RunLine(time.Now(), slog.LevelInfo, result, "", requestID))
		}
	})
	b.Run("by=slog", func(b *testing.B) {
		log := logs.New(io.Discard, slog.LevelInfo)
		ctx := lambdacontext.NewContext(b.Context(), &lambdacontext.LambdaContext{AwsRequestID: requestID})
		b.ReportAllocs()
		for b.Loop() {
			log.LogAttrs(ctx, slog.LevelInfo, "run", slog.Any("result", json.RawMessage(result)))
		}
	})
}

func TestLevel(t *testing.T) {
	t.Parallel()
	all := []slog.Level{slog.LevelDebug, slog.LevelInfo, slog.LevelWarn, slog.LevelError}
	for i, least := range all {
		for j, level := range all {
			var out bytes.Buffer
			logs.New(&out, least).With("k", "v").Log(t.Context(), level, "m")
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
	runtime := log.New(logs.Runtime(&out), "", 0)
	runtime.Printf(`{"errorMessage":"job J: token T is refused","errorType":"TokenRejectedError"}`)
	if out.Len() > 0 {
		t.Errorf("the error stands there twice: %s", &out)
	}
	runtime.Printf("failed to GET from runtime API: %v", io.ErrUnexpectedEOF)
	want := map[string]any{"level": "ERROR", "message": "runtime", "error": "failed to GET from runtime API: unexpected EOF"}
	if diff := cmp.Diff(want, read(t, out.Bytes())); diff != "" {
		t.Error(diff)
	}
	if n, err := logs.Runtime(&out).Write([]byte("x\n")); n != 2 || err != nil {
		t.Errorf("Write = %d, %v", n, err)
	}
}
