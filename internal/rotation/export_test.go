package rotation

import (
	"io"

	"github.com/cronbearer/cronbearer/internal/config"
	"github.com/cronbearer/cronbearer/internal/execenv"
	"github.com/cronbearer/cronbearer/internal/metric"
)

// The labels of the rotator.
const (
	LeaseLabel    = leaseLabel
	KeptLabel     = keptLabel
	RefusedLabel  = refusedLabel
	RejectedLabel = rejectedLabel
	OurLabels     = ourLabels
)

// NewTestHandler returns a Handler on a Secrets Manager and a CloudWatch of the test's.
func NewTestHandler(s config.Settings, env *execenv.Environment, api SecretsManager, cloudWatch metric.CloudWatch, out io.Writer) *Handler {
	h := NewHandler(func(string) (string, bool) { return "", false }, out)
	h.app, h.bad = h.assemble(s, env, api, cloudWatch), nil
	return h
}
