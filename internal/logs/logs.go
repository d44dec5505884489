// Package logs writes one line of JSON for each record, in the form that Lambda's log filter reads: level, message and
// an RFC 3339 timestamp (Lambda Developer Guide, "Log-level filtering").
package logs

import (
	"context"
	"io"
	"log/slog"
	"strings"
	"time"

	"github.com/aws/aws-lambda-go/lambdacontext"

	"github.com/cronbearer/cronbearer/internal/jsondoc"
)

// New makes a logger. Records carry the request id of the run whose context they are given.
func New(w io.Writer, level slog.Level) *slog.Logger {
	return slog.New(handler{slog.NewJSONHandler(w, &slog.HandlerOptions{Level: level, ReplaceAttr: lambdacontext.ReplaceAttr})})
}

type handler struct{ slog.Handler }

func (h handler) Handle(ctx context.Context, r slog.Record) error {
	if lc, ok := lambdacontext.FromContext(ctx); ok {
		r.AddAttrs(slog.String("requestId", lc.AwsRequestID))
	}
	return h.Handler.Handle(ctx, r)
}

func (h handler) WithAttrs(attrs []slog.Attr) slog.Handler {
	return handler{h.Handler.WithAttrs(attrs)}
}
func (h handler) WithGroup(name string) slog.Handler { return handler{h.Handler.WithGroup(name)} }

// RunLine is the one line of a run, in the form of New's: result is JSON, and an empty fault is left out. It is made by
// hand: slog takes eight times as long (BenchmarkRunLine), a tenth of what the caller adds to a call.
func RunLine(at time.Time, level slog.Level, result []byte, fault, requestID string) []byte {
	line := make([]byte, 0, 256+len(result)+len(fault))
	line = append(line, `{"timestamp":"`...)
	line = at.AppendFormat(line, time.RFC3339Nano)
	line = append(line, `","level":"`...)
	line = append(line, level.String()...)
	line = append(line, `","message":"run","result":`...)
	line = append(line, result...)
	if fault != "" {
		line = append(line, `,"error":`...)
		line = jsondoc.AppendString(line, strings.ToValidUTF8(fault, "\ufffd"))
	}
	line = append(line, `,"requestId":`...)
	line = jsondoc.AppendString(line, requestID)
	return append(line, "}\n"...)
}

// Runtime takes what aws-lambda-go logs by itself: a repetition of the error that the run's line has already, which is
// dropped, and faults of the Runtime API.
func Runtime(w io.Writer) io.Writer { return runtime{New(w, slog.LevelInfo)} }

type runtime struct{ log *slog.Logger }

func (r runtime) Write(p []byte) (int, error) {
	if !strings.Contains(string(p), `"errorMessage":`) {
		r.log.Error("runtime", "error", strings.TrimSpace(string(p)))
	}
	return len(p), nil
}
