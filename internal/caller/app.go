package caller

import (
	"io"
	"log/slog"
	"net/http"
	"sync/atomic"
	"time"

	"github.com/cronbearer/cronbearer/internal/awsclient"
	"github.com/cronbearer/cronbearer/internal/clock"
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
	settings   settings.Settings
	clock      *clock.Clock
	store      *token.Store
	publisher  *metric.Publisher
	reminder   *metric.Reminder
	caller     *Caller
	log        *slog.Logger
	runLog     *slog.Logger // not filtered by LOG_LEVEL
	transports []*http.Transport
	lastUse    atomic.Int64 // Unix time in nanoseconds, real
}

// maxIdle is how long a connection is trusted across a pause between runs. A frozen environment notices neither the
// time nor that the other side hung up.
const maxIdle = 30 * time.Second

func newApp(s settings.Settings, scrub *redact.Scrubber, out io.Writer) (*app, error) {
	roots, err := outbound.Roots(s.ExtraCAs)
	if err != nil {
		return nil, err
	}
	toAWS := awsclient.NewTransport(s, roots)
	toTargets := outbound.NewTransport(roots, outbound.Guard{AllowPrivate: s.AllowPrivateTargets, AllowLoopback: s.AllowLoopback})
	secrets, cloudWatch := awsclient.SecretsManager(s, toAWS), awsclient.CloudWatch(s, toAWS)

	a := &app{
		settings:   s,
		clock:      clock.New(s.ClockFile),
		publisher:  metric.NewPublisher(cloudWatch, s.MetricNamespace, s.StackName),
		log:        logs.New(out, s.LogLevel),
		runLog:     logs.New(out, slog.LevelDebug),
		transports: []*http.Transport{toAWS, toTargets},
	}
	a.store = token.NewStore(secrets, s.SecretPrefix, s.SecretCacheTTL, a.clock.Now, scrub, a.log)
	a.reminder = metric.NewReminder(cloudWatch, s.AlarmPrefix, s.RemindAfter, a.clock.Now, retry.Sleep, a.log)
	a.caller = &Caller{
		clock:             a.clock,
		store:             a.store,
		minter:            token.NewMinter(toTargets, a.clock.Now, scrub),
		target:            target.NewClient(toTargets),
		allowedHosts:      s.AllowedHosts,
		idempotencyHeader: s.IdempotencyHeader,
	}
	return a, nil
}

// beginRun undoes what a freeze breaks.
func (a *app) beginRun() error {
	if pause := time.Since(time.Unix(0, a.lastUse.Load())); pause > maxIdle || pause < 0 {
		for _, t := range a.transports {
			t.CloseIdleConnections()
		}
	}
	a.endRun()
	return a.clock.Refresh()
}

func (a *app) endRun() { a.lastUse.Store(time.Now().UnixNano()) }
