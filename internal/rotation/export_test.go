package rotation

import (
	"io"

	"github.com/cronbearer/cronbearer/internal/environment"
	"github.com/cronbearer/cronbearer/internal/settings"
)

// LeaseLabel begins the labels of a lease.
const LeaseLabel = leaseLabel

// NewTestHandler makes a Handler on a Secrets Manager of the test's.
func NewTestHandler(s settings.Settings, env *environment.Environment, api SecretsManager, out io.Writer) *Handler {
	h := NewHandler(func(string) (string, bool) { return "", false }, out)
	h.app, h.bad = &app{env, h.newRotator(s, env, api)}, nil
	return h
}
