package caller

import (
	"io"
	"log/slog"

	"github.com/cronbearer/cronbearer/internal/alarm"
	"github.com/cronbearer/cronbearer/internal/awsclient"
	"github.com/cronbearer/cronbearer/internal/config"
	"github.com/cronbearer/cronbearer/internal/egress"
	"github.com/cronbearer/cronbearer/internal/endpoint"
	"github.com/cronbearer/cronbearer/internal/execenv"
	"github.com/cronbearer/cronbearer/internal/metric"
	"github.com/cronbearer/cronbearer/internal/redact"
	"github.com/cronbearer/cronbearer/internal/retry"
	"github.com/cronbearer/cronbearer/internal/runlog"
	"github.com/cronbearer/cronbearer/internal/token"
	"github.com/cronbearer/cronbearer/internal/version"
)

// app is what one environment keeps for its runs.
type app struct {
	*execenv.Environment

	settings  config.Settings
	store     *token.Store
	publisher *metric.Publisher
	reminder  *alarm.Reminder
	caller    *Caller
	log       *slog.Logger
}

// newApp connects to the two services that every run calls while Lambda still gives the start a full core. The token's
// own host is not known before the first event.
func newApp(s config.Settings, scrub *redact.Scrubber, out io.Writer) (*app, error) {
	env, err := execenv.New(s, awsclient.SecretsManagerURL(s), awsclient.CloudWatchURL(s))
	if err != nil {
		return nil, err
	}
	secrets, cloudWatch := awsclient.SecretsManager(s, env.ToAWS), awsclient.CloudWatch(s, env.ToAWS)
	a := assemble(s, env, secrets, cloudWatch, scrub, out)
	a.log.Info("start", "version", version.Current)
	return a, nil
}

// cloudWatch is the part of *cloudwatch.Client that a run calls.
type cloudWatch interface {
	metric.CloudWatch
	alarm.CloudWatch
}

// assemble wires what tests replace by fakes: the two services and the output.
func assemble(
	s config.Settings, env *execenv.Environment, secrets token.SecretsManager, cloudWatch cloudWatch,
	scrub *redact.Scrubber, out io.Writer,
) *app {
	a := &app{
		Environment: env,
		settings:    s,
		publisher:   metric.NewPublisher(cloudWatch, s.MetricNamespace, s.StackName),
		log:         runlog.New(out, s.LogLevel, scrub),
	}
	a.store = token.NewStore(
		secrets,
		token.StoreOptions{
			Prefix: s.SecretPrefix, Region: s.Region, TTL: s.SecretCacheTTL, Margin: retry.Reserve, Now: a.Clock.Now,
		},
		scrub, a.log,
	)
	a.reminder = alarm.NewReminder(cloudWatch, s.AlarmPrefix, s.RemindAfter, a.Clock.Now, retry.Sleep, a.log)
	a.caller = &Caller{
		clock: a.Clock,
		store: a.store,
		minter: token.NewMinter(
			env.ToTargets, s.AllowedHosts, a.Clock.Now, scrub,
		).WithIdentity(awsclient.NewSTS(s, env.ToAWS)),
		targets:           egress.NewTrust(env.ToTargets, endpoint.NewClient),
		quotes:            s.LogResponses,
		allowedHosts:      s.AllowedHosts,
		idempotencyHeader: s.IdempotencyHeader,
	}
	return a
}
