package rotation

import (
	"context"
	"io"

	"github.com/cronbearer/cronbearer/internal/config"
	"github.com/cronbearer/cronbearer/internal/execenv"
	"github.com/cronbearer/cronbearer/internal/metric"
	"github.com/cronbearer/cronbearer/internal/oauth"
	"github.com/cronbearer/cronbearer/internal/redact"
	"github.com/cronbearer/cronbearer/internal/token"
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
func NewTestHandler(
	s config.Settings, env *execenv.Environment, api SecretsManager, cloudWatch metric.CloudWatch, out io.Writer,
) *Handler {
	h := NewHandler(func(string) (string, bool) { return "", false }, out)
	h.app, h.bad = h.assemble(s, env, api, cloudWatch), nil
	return h
}

// RenewedDocument is a secret's JSON with what was granted for it.
var RenewedDocument = renewed

// Renew asks a provider for what renews a document.
func Renew(ctx context.Context, client *oauth.Client, d token.Document) error {
	_, err := (&rotator{oauth: client, scrub: &redact.Scrubber{}}).askFor(ctx, d, "v")
	return err
}
