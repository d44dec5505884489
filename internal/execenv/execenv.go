// Package execenv holds what a Lambda execution environment keeps between runs: the clock and the connections. Lambda
// freezes an environment after each run and may thaw it hours later; Begin and End enclose each run so that what a
// freeze breaks is not used after it.
package execenv

import (
	"net/http"
	"net/url"
	"sync/atomic"
	"time"

	"github.com/cronbearer/cronbearer/internal/awsclient"
	"github.com/cronbearer/cronbearer/internal/clock"
	"github.com/cronbearer/cronbearer/internal/config"
	"github.com/cronbearer/cronbearer/internal/egress"
)

// maxIdle is how long a connection is trusted across a pause between runs. A frozen environment notices neither the
// passage of time nor a connection that was closed.
const maxIdle = 30 * time.Second

// Environment is safe for concurrent use.
type Environment struct {
	Clock     *clock.Clock
	ToAWS     *http.Transport
	ToTargets *http.Transport

	lastUse atomic.Int64 // Unix time in nanoseconds, real
}

// New opens connections to the services at these URLs ahead of their use.
func New(s config.Settings, services ...url.URL) (*Environment, error) {
	roots, err := egress.Roots(s.ExtraCAs)
	if err != nil {
		return nil, err
	}
	return &Environment{
		Clock: clock.New(s.ClockFile),
		ToAWS: awsclient.NewTransport(roots, services...),
		ToTargets: egress.NewTransport(
			roots, egress.Guard{AllowPrivate: s.AllowPrivateTargets, AllowLoopback: s.AllowLoopback},
		),
	}, nil
}

// Begin replaces what a freeze breaks.
func (e *Environment) Begin() error {
	if pause := time.Since(time.Unix(0, e.lastUse.Load())); pause > maxIdle || pause < 0 {
		e.ToAWS.CloseIdleConnections()
		e.ToTargets.CloseIdleConnections()
	}
	e.End()
	return e.Clock.Refresh()
}

// End records when the environment was last used.
func (e *Environment) End() { e.lastUse.Store(time.Now().UnixNano()) }
