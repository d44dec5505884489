package caller

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"log/slog"
	"runtime/debug"
	"strings"
	"time"

	"github.com/aws/aws-lambda-go/lambdacontext"

	"github.com/cronbearer/cronbearer/internal/alarm"
	"github.com/cronbearer/cronbearer/internal/awsclient"
	"github.com/cronbearer/cronbearer/internal/config"
	"github.com/cronbearer/cronbearer/internal/endpoint"
	"github.com/cronbearer/cronbearer/internal/isolate"
	"github.com/cronbearer/cronbearer/internal/job"
	"github.com/cronbearer/cronbearer/internal/metric"
	"github.com/cronbearer/cronbearer/internal/redact"
	"github.com/cronbearer/cronbearer/internal/runlog"
	"github.com/cronbearer/cronbearer/internal/token"
)

// Handler implements lambda.Handler on the event's bytes. aws-lambda-go's typed handlers decode the event themselves
// and turn a broken one into a SyntaxError, of which no one would learn which job it was.
type Handler struct {
	app         *app
	bad         error // why there is no app
	scrub       *redact.Scrubber
	credentials []redact.Secret // the function's own, which stay registered
	out         io.Writer
	log         *slog.Logger // of what LOG_LEVEL never filters
}

// NewHandler returns a Handler that logs to out. A bad configuration must not end the process, which Lambda would start
// over and over: each run reports it. It is read once, as Lambda starts a new environment for each change of it.
func NewHandler(lookup config.LookupEnv, out io.Writer) *Handler {
	h := newHandler(out)
	h.credentials = awsclient.KeepCredentials(lookup, h.scrub)
	s, err := config.Read(lookup)
	if err == nil {
		h.app, err = newApp(s, h.scrub, h.out)
	}
	h.bad = err
	return h
}

func newHandler(out io.Writer) *Handler {
	scrub := &redact.Scrubber{}
	out = runlog.Guard(out)
	return &Handler{scrub: scrub, out: out, log: runlog.New(out, slog.LevelDebug, scrub)}
}

// RuntimeLog takes what aws-lambda-go logs by itself.
func (h *Handler) RuntimeLog() io.Writer { return runlog.Runtime(h.out, h.scrub) }

// Invoke is one run. It returns the result, or an error with the name of the outcome.
func (h *Handler) Invoke(ctx context.Context, event []byte) (response []byte, err error) {
	started := time.Now()
	requestID := ""
	if lc, ok := lambdacontext.FromContext(ctx); ok {
		requestID = lc.AwsRequestID
	}
	defer func() {
		if value := recover(); value != nil {
			h.log.ErrorContext(ctx, "the program failed", "panic", fmt.Sprint(value), "stack", string(debug.Stack()))
			response, err = nil, &InternalError{
				text(h.scrub.Clean(fmt.Sprintf("internal error, please report it: %v", value), redact.MaxError)),
			}
		}
	}()

	a, configurationErr := h.app, h.bad
	if configurationErr == nil {
		if err := a.Begin(); err != nil {
			configurationErr = fmt.Errorf("environment variable %s: %w", config.TestClock, err)
		}
	}
	if configurationErr != nil {
		return h.misconfigured(ctx, event, requestID, started, configurationErr)
	}
	defer a.End()

	j, jobErr := job.Parse(event, job.Options{IdempotencyHeader: a.settings.IdempotencyHeader})
	runID := j.RunID(requestID)
	var f finding
	if jobErr == nil {
		f = a.caller.run(ctx, j, runID, a.log)
	} else {
		f = invalid(jobErr.Error(), token.Version{})
	}
	f.Job, f.Token, f.RunID, f.RequestID = j.Name, j.Token, runID, requestID
	message := ""
	if f.failed() {
		message = f.message(secretCommands{id: a.store.ID(j.Secret), key: j.SecretKey, region: a.settings.Region})
	}
	if err := h.report(ctx, a, f); err != nil {
		h.log.ErrorContext(ctx, "the metrics could not be stored", "error", err.Error())
		if f.Verdict == endpoint.Rejected {
			unpublished := ". Its metric could not be stored (" + err.Error() +
				"), so its alarm may not fire; the log has it as an embedded metric"
			message = redact.Limit(message, redact.MaxError-len(unpublished)) + unpublished
		}
	}
	f.DurationMS = time.Since(started).Milliseconds()
	return h.finish(ctx, f.Result, message)
}

// report publishes, and reminds of a rejection that is stored. Whatever goes wrong is an error, and changes nothing
// else.
func (h *Handler) report(ctx context.Context, a *app, f finding) error {
	err := isolate.Catch(func() error {
		err := a.publisher.Publish(ctx, f.report(a.Clock.Now()))
		if notStored, ok := errors.AsType[*metric.NotStoredError](err); ok {
			_, _ = h.out.Write(notStored.Line)
		}
		if err == nil && f.Verdict == endpoint.Rejected {
			a.reminder.Remind(ctx, alarm.Rejection{Token: f.Token, Job: h.scrub.Scrub(f.Job), Version: f.TokenVersion})
		}
		return err
	})
	if caught, ok := errors.AsType[*isolate.PanicError](err); ok {
		h.log.ErrorContext(ctx, "the program failed", "panic", fmt.Sprint(caught.Value), "stack", string(caught.Stack))
	}
	return err
}

// finish logs the run's one line, which LOG_LEVEL never filters, and returns its result, or its error.
func (h *Handler) finish(ctx context.Context, res Result, message string) ([]byte, error) {
	result, err := json.Marshal(res.scrubbed(h.scrub))
	if err != nil {
		return nil, &InternalError{text("internal error, please report it: the result: " + err.Error())}
	}
	if res.failed() {
		err := typedError(res.Outcome, h.scrub.Clean(message, redact.MaxError))
		h.log.ErrorContext(ctx, "run", "result", json.RawMessage(result), "error", err)
		return nil, err
	}
	h.log.InfoContext(ctx, "run", "result", json.RawMessage(result))
	return result, nil
}

// misconfigured ends a run whose configuration cannot be read. There is no one to publish to.
func (h *Handler) misconfigured(
	ctx context.Context, event []byte, requestID string, started time.Time, cause error,
) ([]byte, error) {
	j, jobErr := job.Parse(event, job.Options{})
	f := finding{
		Result: Result{
			Job: j.Name, Token: j.Token, Outcome: InvalidJob, Verdict: endpoint.Unknown,
			RunID: j.RunID(requestID), RequestID: requestID, DurationMS: time.Since(started).Milliseconds(),
		},
		reason: strings.ReplaceAll(errors.Join(cause, jobErr).Error(), "\n", "; "),
	}
	return h.finish(ctx, f.Result, f.message(secretCommands{}))
}
