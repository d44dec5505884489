// Package logs writes one line of JSON for each record, in the form that Lambda's log filter reads: level, message and
// an RFC 3339 timestamp (Lambda Developer Guide, "Log-level filtering").
package logs

import (
	"context"
	"io"
	"log/slog"
	"strings"

	"github.com/aws/aws-lambda-go/lambdacontext"
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
