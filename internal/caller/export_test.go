package caller

import (
	"io"
	"net/http"

	"github.com/cronbearer/cronbearer/internal/clock"
	"github.com/cronbearer/cronbearer/internal/config"
	"github.com/cronbearer/cronbearer/internal/execenv"
	"github.com/cronbearer/cronbearer/internal/token"
)

// CloudWatch is the part that a run calls.
type CloudWatch = cloudWatch

// Assemble returns a Handler on fakes for AWS and the network.
func Assemble(
	s config.Settings, secrets token.SecretsManager, cloudWatch CloudWatch, toTargets *http.Transport, out io.Writer,
) *Handler {
	h := NewHandler(func(string) (string, bool) { return "", false }, out)
	env := &execenv.Environment{Clock: clock.New(s.ClockFile), ToAWS: &http.Transport{}, ToTargets: toTargets}
	h.app, h.bad = assemble(s, env, secrets, cloudWatch, h.Scrub, h.Out), nil
	return h
}
