package caller

import (
	"context"
	"encoding/json"
	"errors"
	"io"
	"strings"
	"time"

	"github.com/cronbearer/cronbearer/internal/alarm"
	"github.com/cronbearer/cronbearer/internal/config"
	"github.com/cronbearer/cronbearer/internal/endpoint"
	"github.com/cronbearer/cronbearer/internal/handler"
	"github.com/cronbearer/cronbearer/internal/job"
	"github.com/cronbearer/cronbearer/internal/metric"
	"github.com/cronbearer/cronbearer/internal/redact"
	"github.com/cronbearer/cronbearer/internal/token"
)

// Handler implements lambda.Handler for scheduled runs.
type Handler struct {
	*handler.Handler

	app *app
	bad error // why there is no app
}

// NewHandler returns a Handler that logs to out. The configuration is read once, as Lambda starts a new environment for
// each change of it.
func NewHandler(lookup config.LookupEnv, out io.Writer) *Handler {
	h := &Handler{}
	h.Handler = handler.New(lookup, out, h.invoke)
	s, err := config.Read(lookup)
	if err == nil {
		h.app, err = newApp(s, h.Scrub, h.Out)
	}
	h.bad = err
	return h
}

// invoke makes one run: from the event to the finding, its report and the result. Everything after the verdict only
// reports it: a metric, a reminder or a log line that fails changes neither outcome nor result (docs/decisions/0010).
func (h *Handler) invoke(ctx context.Context, call handler.Invocation) (json.RawMessage, error) {
	if err := handler.Begin(h.app, h.bad); err != nil {
		return h.misconfigured(ctx, call, err)
	}
	a := h.app
	defer a.End()

	j, jobErr := job.Parse(call.Event, job.Options{IdempotencyHeader: a.settings.IdempotencyHeader})
	runID := j.RunID(call.RequestID)
	var f finding
	if jobErr == nil {
		f = a.caller.run(ctx, j, runID, a.log)
	} else {
		f = invalid(jobErr.Error(), token.Version{})
	}
	f.Job, f.Token, f.RunID, f.RequestID = j.Name, j.Token, runID, call.RequestID
	message := ""
	if f.failed() {
		message = f.message(secretCommands{
			token: j.Token, id: a.store.ID(j.Secret), key: j.SecretKey, stack: a.settings.StackName, region: a.settings.Region,
		})
	}
	if err := h.report(ctx, a, f); err != nil {
		h.Log.ErrorContext(ctx, "the metrics could not be stored", "error", err.Error())
		if f.Verdict == endpoint.Rejected {
			unpublished := ". Its metric could not be stored (" + err.Error() +
				"), so its alarm may not fire; the log has it as an embedded metric"
			message = redact.Limit(message, redact.MaxError-len(unpublished)) + unpublished
		}
	}
	f.DurationMS = time.Since(call.Started).Milliseconds()
	return h.finish(ctx, f.Result, message)
}

// report publishes, and reminds of a rejection that is stored. Anything that goes wrong is an error, and changes
// nothing else. A reminder follows only a rejection that is stored: what SetAlarmState sets lasts until the alarm is
// evaluated next (CloudWatch API Reference), on the data that are there then.
func (h *Handler) report(ctx context.Context, a *app, f finding) error {
	return h.Catch(ctx, func() error {
		err := a.publisher.Publish(ctx, f.report(a.Clock.Now()))
		// Not by the logger: the embedded metric format requires a line of its own, and a level that no filter drops.
		if notStored, ok := errors.AsType[*metric.NotStoredError](err); ok {
			_, _ = h.Out.Write(notStored.Line)
		}
		if err == nil && f.Verdict == endpoint.Rejected {
			a.reminder.Remind(ctx, alarm.Rejection{Token: f.Token, Job: h.Scrub.Scrub(f.Job), Version: f.TokenVersion})
		}
		return err
	})
}

// finish logs the run's one line and returns its result, or its error. It is the only place that logs a run, so that
// each has one line, success or not.
func (h *Handler) finish(ctx context.Context, res Result, message string) (json.RawMessage, error) {
	result, err := h.JSON(res.scrubbed(h.Scrub))
	if err != nil {
		return nil, err
	}
	if res.failed() {
		err := typedError(res.Outcome, h.Scrub.Clean(message, redact.MaxError))
		h.Log.ErrorContext(ctx, "run", "result", result, "error", err)
		return nil, err
	}
	h.Log.InfoContext(ctx, "run", "result", result)
	return result, nil
}

// misconfigured finishes a run whose configuration cannot be read. There is nowhere to publish it. The event is parsed
// nevertheless, for the names under which the run is logged, and because its problems are better known now than after
// the next deployment.
func (h *Handler) misconfigured(
	ctx context.Context, call handler.Invocation, cause error,
) (json.RawMessage, error) {
	j, jobErr := job.Parse(call.Event, job.Options{})
	f := finding{
		Result: Result{
			Job: j.Name, Token: j.Token, Outcome: InvalidJob, Verdict: endpoint.Unknown,
			RunID: j.RunID(call.RequestID), RequestID: call.RequestID, DurationMS: time.Since(call.Started).Milliseconds(),
		},
		reason: strings.ReplaceAll(errors.Join(cause, jobErr).Error(), "\n", "; "),
	}
	return h.finish(ctx, f.Result, f.message(secretCommands{}))
}
