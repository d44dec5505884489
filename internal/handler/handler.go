// Package handler is the skeleton of both functions: everything around their actual work. It receives the event's
// bytes, because aws-lambda-go's typed handlers decode the event themselves and turn a bad one into a SyntaxError,
// which does not name the job or the secret. A panic becomes an InternalError, as Lambda would end the environment for
// it and lose the metrics. The line of an invocation goes to a log that LOG_LEVEL never filters, and what leaves the
// process is scrubbed, also of the function's own credentials. It handles neither jobs nor rotations.
package handler

import (
	"context"
	"encoding/json"
	"fmt"
	"io"
	"log/slog"
	"time"

	"github.com/aws/aws-lambda-go/lambdacontext"

	"github.com/cronbearer/cronbearer/internal/awsclient"
	"github.com/cronbearer/cronbearer/internal/config"
	"github.com/cronbearer/cronbearer/internal/isolate"
	"github.com/cronbearer/cronbearer/internal/redact"
	"github.com/cronbearer/cronbearer/internal/runlog"
)

// Text is the message of an error that a function returns. Lambda reports the name of an error's type as errorType, so
// each outcome that is a failure has a type of its own, which embeds a Text.
type Text string //nolint:errname // part of an error

func (t Text) Error() string { return string(t) }

// InternalError reports that an invocation ended in an internal error.
type InternalError struct{ Text }

// Function is what a function does with an invocation. It logs the one line and returns the result, or a typed error
// that is scrubbed.
type Function func(context.Context, Invocation) (json.RawMessage, error)

// Invocation is what Lambda reports about one invocation.
type Invocation struct {
	Event       []byte
	Started     time.Time
	RequestID   string
	FunctionARN string // with the alias or version that was invoked
}

// Handler implements lambda.Handler.
type Handler struct {
	Scrub *redact.Scrubber
	Out   io.Writer
	Log   *slog.Logger // for lines that LOG_LEVEL never filters

	credentials []redact.Secret // the function's own, which stay registered
	function    Function
}

// New returns a Handler that logs to out.
func New(lookup config.LookupEnv, out io.Writer, function Function) *Handler {
	scrub := &redact.Scrubber{}
	out = runlog.Guard(out)
	return &Handler{
		Scrub: scrub, Out: out, Log: runlog.New(out, slog.LevelDebug, scrub),
		credentials: awsclient.KeepCredentials(lookup, scrub), function: function,
	}
}

// RuntimeLog receives what aws-lambda-go itself logs.
func (h *Handler) RuntimeLog() io.Writer { return runlog.Runtime(h.Out, h.Scrub) }

// Invoke handles one invocation.
func (h *Handler) Invoke(ctx context.Context, event []byte) (result []byte, err error) {
	call := Invocation{Event: event, Started: time.Now()}
	if lc, ok := lambdacontext.FromContext(ctx); ok {
		call.RequestID, call.FunctionARN = lc.AwsRequestID, lc.InvokedFunctionArn
	}
	err = h.Catch(ctx, func() error {
		result, err = h.function(ctx, call)
		return err
	})
	if err != nil {
		return nil, err
	}
	return result, nil
}

// Catch calls f, logs its panic with the stack, and returns it as an *InternalError.
func (h *Handler) Catch(ctx context.Context, f func() error) error {
	err := isolate.Catch(f)
	if caught, ok := err.(*isolate.PanicError); ok { //nolint:errorlint // f's own panic, not one that it has recovered
		h.Log.ErrorContext(ctx, "the program failed", "panic", fmt.Sprint(caught.Value), "stack", string(caught.Stack))
		return h.Internal(caught.Value)
	}
	return err
}

// Internal returns the error for what only a bug can cause. The type is its own outcome: an operator can do nothing
// about it but report it.
func (h *Handler) Internal(cause any) error {
	text := h.Scrub.Clean(fmt.Sprintf("internal error, please report it: %v", cause), redact.MaxError)
	return &InternalError{Text(text)}
}

// Environment is what outlives an invocation (package execenv).
type Environment interface{ Begin() error }

// Begin prepares the environment for an invocation. A bad configuration, for which there is no environment, must not
// end the process, which Lambda would restart repeatedly: each invocation reports it.
func Begin(env Environment, configuration error) error {
	if configuration != nil {
		return configuration
	}
	if err := env.Begin(); err != nil {
		return fmt.Errorf("environment variable %s: %w", config.TestClock, err)
	}
	return nil
}

// JSON returns v as an invocation's result. Only a bug can make it fail.
func (h *Handler) JSON(v any) (json.RawMessage, error) {
	result, err := json.Marshal(v)
	if err != nil {
		return nil, h.Internal("the result: " + err.Error())
	}
	return result, nil
}
