package rotation

import (
	"context"
	"encoding/json"
	"errors"
	"io"
	"strings"
	"time"

	"github.com/aws/aws-sdk-go-v2/service/cloudwatch"

	"github.com/cronbearer/cronbearer/internal/awsclient"
	"github.com/cronbearer/cronbearer/internal/config"
	"github.com/cronbearer/cronbearer/internal/egress"
	"github.com/cronbearer/cronbearer/internal/endpoint"
	"github.com/cronbearer/cronbearer/internal/execenv"
	"github.com/cronbearer/cronbearer/internal/handler"
	"github.com/cronbearer/cronbearer/internal/metric"
	"github.com/cronbearer/cronbearer/internal/oauth"
	"github.com/cronbearer/cronbearer/internal/redact"
	"github.com/cronbearer/cronbearer/internal/retry"
	"github.com/cronbearer/cronbearer/internal/runlog"
	"github.com/cronbearer/cronbearer/internal/token"
	"github.com/cronbearer/cronbearer/internal/version"
)

const (
	// lastWords is the part of a step's time that is reserved for the log line and the answer to Lambda.
	lastWords = time.Second
	// alarmTime is how long before its time is up a step counts as failed: then all work stops except storing a
	// provider's answer, and the alarm's metric is published. alarmShare bounds it when time is short.
	alarmTime  = 10 * time.Second
	alarmShare = 3
)

// Handler implements lambda.Handler for the steps of rotations.
type Handler struct {
	*handler.Handler

	app *app
	bad error // why there is no app
}

// app is what one environment keeps for its steps.
type app struct {
	*execenv.Environment

	rotator   *rotator
	publisher *metric.Publisher
}

// result is what a step returns. Secrets Manager does not read it.
type result struct {
	Outcome Outcome `json:"outcome"`
}

// NewHandler returns a Handler that logs to out.
func NewHandler(lookup config.LookupEnv, out io.Writer) *Handler {
	h := &Handler{}
	h.Handler = handler.New(lookup, out, h.invoke)
	h.app, h.bad = h.newApp(lookup)
	return h
}

// newApp continues if only the metric's variables are invalid: a rotation that works is worth more than its metric.
func (h *Handler) newApp(lookup config.LookupEnv) (*app, error) {
	s, metrics, err := config.ReadRotator(lookup)
	if err != nil {
		return nil, err
	}
	env, err := execenv.New(s, awsclient.SecretsManagerURL(s))
	if err != nil {
		return nil, err
	}
	var cloudWatch metric.CloudWatch = awsclient.CloudWatch(s, env.ToAWS)
	if metrics != nil {
		cloudWatch = unusable{metrics}
	}
	a := h.assemble(s, env, awsclient.SecretsManager(s, env.ToAWS), cloudWatch)
	a.rotator.log.Info("start", "version", version.Current)
	return a, nil
}

// unusable replaces CloudWatch if the metric's variables are invalid: each datum becomes a log line.
type unusable struct{ err error }

func (u unusable) PutMetricData(
	context.Context, *cloudwatch.PutMetricDataInput, ...func(*cloudwatch.Options),
) (*cloudwatch.PutMetricDataOutput, error) {
	return nil, u.err
}

func (h *Handler) assemble(
	s config.Settings, env *execenv.Environment, api SecretsManager, cloudWatch metric.CloudWatch,
) *app {
	log := runlog.New(h.Out, s.LogLevel, h.Scrub)
	return &app{env, &rotator{
		api: api,
		store: token.NewStore(
			api, token.StoreOptions{Prefix: s.SecretPrefix, Region: s.Region, Now: env.Clock.Now}, h.Scrub, log,
		),
		oauth:        oauth.NewClient(egress.OnceOnly(env.ToTargets), env.Clock.Now, h.Scrub),
		targets:      egress.NewTrust(env.ToTargets, endpoint.NewClient),
		scrub:        h.Scrub,
		prefix:       s.SecretPrefix,
		allowedHosts: s.AllowedHosts,
		now:          env.Clock.Now,
		log:          log,
		noSettling:   s.NoSettling,
		quotes:       s.LogResponses,
	}, metric.NewPublisher(cloudWatch, s.MetricNamespace, s.StackName)}
}

// invoke runs one step of a rotation. A panic fails it like any other error: its metric is published anyway.
func (h *Handler) invoke(ctx context.Context, call handler.Invocation) (json.RawMessage, error) {
	s := &rotation{}
	var outcome Outcome
	err := h.Catch(ctx, func() (err error) {
		outcome, err = h.step(ctx, s, call)
		return err
	})
	h.report(ctx, s, outcome, err)
	log := h.Log.With(
		"secret", s.SecretID, "step", s.Step, "version", s.Version,
		"duration_ms", time.Since(call.Started).Milliseconds(),
	)
	if err != nil {
		outcome, err = h.typed(err)
		log.ErrorContext(ctx, "rotation step", "outcome", outcome, "error", err.Error())
		return nil, err
	}
	log.InfoContext(ctx, "rotation step", "outcome", outcome)
	return h.JSON(result{outcome})
}

// step runs the step of an event. A step that is killed with its environment publishes nothing, so a failure is
// published shortly before its time is up, while the work of storing an answer goes on.
func (h *Handler) step(ctx context.Context, s *rotation, call handler.Invocation) (Outcome, error) {
	e, eventErr := parseEvent(call.Event)
	s.Event = e
	h.Scrub.Add(e.RotationToken)
	if err := handler.Begin(h.app, h.bad); err != nil {
		return "", refused("the rotator is not configured: %s", strings.ReplaceAll(err.Error(), "\n", "; "))
	}
	a := h.app
	defer a.End()
	if eventErr != nil {
		return "", eventErr
	}
	s.rotator = a.rotator
	storing, cancel := retry.WithMargin(ctx, lastWords)
	defer cancel()
	if deadline, ok := storing.Deadline(); ok {
		left := time.Until(deadline)
		s.until = deadline.Add(-min(alarmTime, left/alarmShare))
		published := make(chan struct{})
		alarm := time.AfterFunc(time.Until(s.until), func() {
			defer close(published)
			h.publish(ctx, s, true)
		})
		defer func() {
			if !alarm.Stop() {
				<-published
			}
		}()
	}
	return a.rotator.step(storing, s, call.FunctionARN)
}

// report publishes the result of a rotation: that one of its own steps failed, or that it is finished.
func (h *Handler) report(ctx context.Context, s *rotation, outcome Outcome, err error) {
	switch {
	case err != nil:
		h.publish(ctx, s, true)
	case outcome == Finished, outcome == Merged, outcome == AlreadyCurrent && s.Step == FinishSecret:
		h.publish(ctx, s, false)
	}
}

// publish never fails the step. What CloudWatch does not store is written as an embedded metric.
func (h *Handler) publish(ctx context.Context, s *rotation, hasFailed bool) {
	if !s.report.news(hasFailed) {
		return
	}
	err := h.app.publisher.PublishRotation(ctx, s.now(), s.name, hasFailed)
	if lost, ok := errors.AsType[*metric.NotStoredError](err); ok {
		h.Log.WarnContext(ctx, "the metric of a rotation could not be stored",
			"secret", s.SecretID, "error", lost.Error())
		_, _ = h.Out.Write(lost.Line)
	}
}

// typed scrubs an error and gives it the type that Lambda shows.
func (h *Handler) typed(err error) (Outcome, error) {
	t := handler.Text(h.Scrub.Clean(err.Error(), redact.MaxError))
	if _, ok := errors.AsType[*RotationRefusedError](err); ok {
		return Refused, &RotationRefusedError{t}
	}
	if _, ok := errors.AsType[*ReauthorizationRequiredError](err); ok {
		return ReauthorizationRequired, &ReauthorizationRequiredError{t}
	}
	if _, ok := errors.AsType[*handler.InternalError](err); ok {
		return Failed, &handler.InternalError{Text: t}
	}
	return Failed, &RotationFailedError{t}
}
