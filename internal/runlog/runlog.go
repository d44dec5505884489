// Package runlog writes one line of JSON for each record, in the form that Lambda's log filter reads: level, message
// and an RFC 3339 timestamp (Lambda Developer Guide, "Log-level filtering"). External texts in a line are scrubbed and
// truncated before they become JSON, so that no secret and no size breaks the line; what we write ourselves, keys,
// times, levels, messages and request ids, is left alone.
package runlog

import (
	"bytes"
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"log/slog"
	"strings"
	"time"

	"github.com/aws/aws-lambda-go/lambdacontext"

	"github.com/cronbearer/cronbearer/internal/isolate"
	"github.com/cronbearer/cronbearer/internal/redact"
)

// A line has at most redact.MaxLine bytes: JSON needs at most twice the size of its values, which have maxValues
// together, and each of those that With adds maxWith.
const (
	maxValues = 22 << 10
	maxWith   = 2 << 10
)

// New returns a logger of records at a level and above. Each has the request id of the run whose context it is
// passed.
func New(w io.Writer, level slog.Level, scrub *redact.Scrubber) *slog.Logger {
	return slog.New(handler{
		slog.NewJSONHandler(w, &slog.HandlerOptions{Level: level, ReplaceAttr: lambdacontext.ReplaceAttr}), scrub,
	})
}

type handler struct {
	slog.Handler

	scrub *redact.Scrubber
}

// Handle writes a record. A value that panics loses its line.
func (h handler) Handle(ctx context.Context, r slog.Record) error {
	return isolate.Catch(func() error {
		line := slog.NewRecord(r.Time, r.Level, r.Message, r.PC)
		room := maxValues
		r.Attrs(func(a slog.Attr) bool {
			line.AddAttrs(h.clean(a, &room))
			return true
		})
		if lc, ok := lambdacontext.FromContext(ctx); ok {
			line.AddAttrs(slog.String("requestId", redact.Limit(lc.AwsRequestID, redact.MaxQuote)))
		}
		return h.Handler.Handle(ctx, line)
	})
}

// WithAttrs cleans the attributes when they are added, so a secret that is registered later is not removed from them.
func (h handler) WithAttrs(attrs []slog.Attr) slog.Handler {
	clean := make([]slog.Attr, len(attrs))
	for i, a := range attrs {
		room := maxWith
		clean[i] = h.clean(a, &room)
	}
	return handler{h.Handler.WithAttrs(clean), h.scrub}
}

func (h handler) WithGroup(name string) slog.Handler {
	return handler{h.Handler.WithGroup(name), h.scrub}
}

// clean returns an attribute whose value may leave the process and fits into the room, and takes it from there.
func (h handler) clean(a slog.Attr, room *int) slog.Attr {
	value := a.Value.Resolve()
	text := ""
	switch value.Kind() {
	case slog.KindString:
		text = value.String()
	case slog.KindGroup:
		var group []slog.Attr
		for _, member := range value.Group() {
			group = append(group, h.clean(member, room))
		}
		return slog.Attr{Key: a.Key, Value: slog.GroupValue(group...)}
	case slog.KindAny:
		switch v := value.Any().(type) {
		case json.RawMessage: // of values that are clean
			*room -= len(v)
			return slog.Any(a.Key, v)
		case error:
			text = v.Error()
		default:
			text = fmt.Sprint(v)
		}
	default:
		return slog.Attr{Key: a.Key, Value: value}
	}
	text = h.scrub.Clean(text, min(max(0, *room), redact.MaxError))
	*room -= len(text)
	return slog.String(a.Key, text)
}

// patience is how long a line waits for a reader of the process's output.
const patience = time.Second

// Guard returns a writer that neither panics nor hangs, even if w does. What it cannot write is lost. One line is
// written at a time. A pipe that no one reads costs each line its patience, and never the run.
func Guard(w io.Writer) io.Writer { return &guard{to: w, turn: make(chan struct{}, 1)} }

type guard struct {
	to   io.Writer
	turn chan struct{}
}

var errBlocked = errors.New("an earlier line is still being written")

func (g *guard) Write(line []byte) (int, error) {
	timer := time.NewTimer(patience)
	defer timer.Stop()
	select {
	case g.turn <- struct{}{}:
	case <-timer.C:
		return 0, errBlocked
	}
	line = bytes.Clone(line) // its owner reuses it, even while the writer hangs
	err := isolate.Run(context.Background(), patience, func(context.Context) error {
		defer func() { <-g.turn }()
		_, err := g.to.Write(line)
		return err //nolint:wrapcheck // it replaces the writer
	})
	if err != nil {
		return 0, err
	}
	return len(line), nil
}

// Runtime receives what aws-lambda-go itself logs: a repetition of the error that the run's line already has, which is
// dropped, and errors of the Runtime API. aws-lambda-go has no setting for either; its output is package log's
// (lambda/errors.go and invoke_loop.go there).
func Runtime(w io.Writer, scrub *redact.Scrubber) io.Writer {
	return runtime{New(w, slog.LevelInfo, scrub)}
}

type runtime struct{ log *slog.Logger }

func (r runtime) Write(p []byte) (int, error) {
	if !strings.Contains(string(p), `"errorMessage":`) {
		r.log.Error("runtime", "error", strings.TrimSpace(string(p)))
	}
	return len(p), nil
}
