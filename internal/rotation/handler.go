package rotation

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

	"github.com/cronbearer/cronbearer/internal/awsclient"
	"github.com/cronbearer/cronbearer/internal/environment"
	"github.com/cronbearer/cronbearer/internal/logs"
	"github.com/cronbearer/cronbearer/internal/outbound"
	"github.com/cronbearer/cronbearer/internal/redact"
	"github.com/cronbearer/cronbearer/internal/retry"
	"github.com/cronbearer/cronbearer/internal/settings"
	"github.com/cronbearer/cronbearer/internal/target"
	"github.com/cronbearer/cronbearer/internal/token"
)

// lastWords is what is kept of a step's time for the log line and the answer to Lambda.
const lastWords = time.Second

// Handler implements lambda.Handler on the event's bytes.
type Handler struct {
	app         *app
	bad         error // why there is no app
	scrub       *redact.Scrubber
	credentials []redact.Secret // the function's own, which stay registered
	out         io.Writer
}

// app is what one environment holds for its steps.
type app struct {
	*environment.Environment

	rotator *rotator
}

// result is what a step returns. Secrets Manager does not read it.
type result struct {
	Outcome Outcome `json:"outcome"`
}

// NewHandler returns a Handler that logs to out. A bad configuration must not end the process, which Lambda would start
// over and over: each step reports it.
func NewHandler(lookup settings.LookupEnv, out io.Writer) *Handler {
	scrub := &redact.Scrubber{}
	h := &Handler{scrub: scrub, credentials: awsclient.KeepCredentials(lookup, scrub), out: logs.Guard(out)}
	h.app, h.bad = h.newApp(lookup)
	return h
}

func (h *Handler) newApp(lookup settings.LookupEnv) (*app, error) {
	s, _, err := settings.ReadRotator(lookup)
	if err != nil {
		return nil, err
	}
	env, err := environment.New(s, awsclient.SecretsManagerURL(s))
	if err != nil {
		return nil, err
	}
	return &app{env, h.newRotator(s, env, awsclient.SecretsManager(s, env.ToAWS))}, nil
}

func (h *Handler) newRotator(s settings.Settings, env *environment.Environment, api SecretsManager) *rotator {
	log := logs.New(h.out, s.LogLevel, h.scrub)
	return &rotator{
		api:          api,
		store:        token.NewStore(api, token.StoreOptions{Prefix: s.SecretPrefix, Region: s.Region, Now: env.Clock.Now}, h.scrub, log),
		exchanger:    token.NewExchanger(outbound.OnceOnly(env.ToTargets), env.Clock.Now, h.scrub),
		target:       target.NewClient(env.ToTargets),
		prefix:       s.SecretPrefix,
		allowedHosts: s.AllowedHosts,
		now:          env.Clock.Now,
		log:          log,
		noSettling:   s.NoSettling,
	}
}

// RuntimeLog takes what aws-lambda-go logs by itself.
func (h *Handler) RuntimeLog() io.Writer { return logs.Runtime(h.out, h.scrub) }

// Invoke is one step of a rotation. It returns how it ended, or a typed error.
func (h *Handler) Invoke(ctx context.Context, data []byte) (response []byte, err error) {
	begun := time.Now()
	log := logs.New(h.out, slog.LevelDebug, h.scrub) // LOG_LEVEL never filters the line of a step
	defer func() {
		if fault := recover(); fault != nil {
			log.ErrorContext(ctx, "the program failed", "panic", fmt.Sprint(fault), "stack", string(debug.Stack()))
			response, err = nil, &InternalError{text(h.scrub.Clean(fmt.Sprintf("internal error, please report it: %v", fault), redact.MaxError))}
		}
	}()
	e, outcome, err := h.step(ctx, data)
	log = log.With("secret", e.SecretID, "step", e.Step, "version", e.Version, "duration_ms", time.Since(begun).Milliseconds())
	if err != nil {
		outcome, err = h.typed(err)
		log.ErrorContext(ctx, "rotation step", "outcome", outcome, "error", err.Error())
		return nil, err
	}
	log.InfoContext(ctx, "rotation step", "outcome", outcome)
	return json.Marshal(result{outcome})
}

func (h *Handler) step(ctx context.Context, data []byte) (Event, Outcome, error) {
	e, eventErr := parseEvent(data)
	h.scrub.Add(e.RotationToken)
	a, err := h.app, h.bad
	if err == nil {
		if clockErr := a.Begin(); clockErr != nil {
			err = fmt.Errorf("environment variable %s: %w", settings.TestClock, clockErr)
		}
	}
	if err != nil {
		return e, "", refused("the rotator is not configured: %s", strings.ReplaceAll(err.Error(), "\n", "; "))
	}
	defer a.End()
	if eventErr != nil {
		return e, "", eventErr
	}
	ctx, cancel := retry.WithMargin(ctx, lastWords)
	defer cancel()
	function := ""
	if lc, ok := lambdacontext.FromContext(ctx); ok {
		function = lc.InvokedFunctionArn
	}
	outcome, err := a.rotator.step(ctx, e, function)
	return e, outcome, err
}

// typed scrubs an error and gives it the type that Lambda shows.
func (h *Handler) typed(err error) (Outcome, error) {
	t := text(h.scrub.Clean(err.Error(), redact.MaxError))
	if _, ok := errors.AsType[*RotationRefusedError](err); ok {
		return Refused, &RotationRefusedError{t}
	}
	if _, ok := errors.AsType[*LogInAgainError](err); ok {
		return LogInAgain, &LogInAgainError{t}
	}
	return Failed, &RotationFailedError{t}
}
