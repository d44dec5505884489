package caller

import (
	"io"
	"log/slog"

	"github.com/cronbearer/cronbearer/internal/awsclient"
	"github.com/cronbearer/cronbearer/internal/environment"
	"github.com/cronbearer/cronbearer/internal/logs"
	"github.com/cronbearer/cronbearer/internal/metric"
	"github.com/cronbearer/cronbearer/internal/outbound"
	"github.com/cronbearer/cronbearer/internal/redact"
	"github.com/cronbearer/cronbearer/internal/retry"
	"github.com/cronbearer/cronbearer/internal/settings"
	"github.com/cronbearer/cronbearer/internal/target"
	"github.com/cronbearer/cronbearer/internal/token"
)

// app is what one environment holds for its runs.
type app struct {
	*environment.Environment

	settings  settings.Settings
	store     *token.Store
	publisher *metric.Publisher
	reminder  *metric.Reminder
	caller    *Caller
	log       *slog.Logger
}

func newApp(s settings.Settings, scrub *redact.Scrubber, out io.Writer) (*app, error) {
	env, err := environment.New(s, awsclient.SecretsManagerURL(s), awsclient.CloudWatchURL(s))
	if err != nil {
		return nil, err
	}
	secrets, cloudWatch := awsclient.SecretsManager(s, env.ToAWS), awsclient.CloudWatch(s, env.ToAWS)
	return assemble(s, env, secrets, cloudWatch, scrub, out), nil
}

// cloudWatch is the part of *cloudwatch.Client that a run takes.
type cloudWatch interface {
	metric.CloudWatch
	metric.Alarms
}

func assemble(s settings.Settings, env *environment.Environment, secrets token.SecretsManager, cloudWatch cloudWatch, scrub *redact.Scrubber, out io.Writer) *app {
	a := &app{
		Environment: env,
		settings:    s,
		publisher:   metric.NewPublisher(cloudWatch, s.MetricNamespace, s.StackName),
		log:         logs.New(out, s.LogLevel, scrub),
	}
	a.store = token.NewStore(secrets, token.StoreOptions{Prefix: s.SecretPrefix, Region: s.Region, TTL: s.SecretCacheTTL, Margin: retry.Reserve, Now: a.Clock.Now}, scrub, a.log)
	a.reminder = metric.NewReminder(cloudWatch, s.AlarmPrefix, s.RemindAfter, a.Clock.Now, retry.Sleep, a.log)
	a.caller = &Caller{
		clock:             a.Clock,
		store:             a.store,
		minter:            token.NewMinter(env.ToTargets, s.AllowedHosts, a.Clock.Now, scrub).WithIdentity(awsclient.NewSTS(s, env.ToAWS)),
		targets:           outbound.NewTrust(env.ToTargets, target.NewClient),
		quotes:            s.LogResponses,
		allowedHosts:      s.AllowedHosts,
		idempotencyHeader: s.IdempotencyHeader,
	}
	return a
}
