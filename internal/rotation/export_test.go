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
	_, err := Ask(ctx, client, d, &redact.Scrubber{})
	return err
}

// Ask is Renew with what was granted.
func Ask(
	ctx context.Context, client *oauth.Client, d token.Document, scrub *redact.Scrubber,
) (oauth.Granted, error) {
	return (&rotator{oauth: client, scrub: scrub}).askFor(ctx, d, "v")
}

// ParseEvent reads an event.
var ParseEvent = parseEvent

// KeptText is the value of the version that keeps an answer which could not become a new version.
func KeptText(from, answer, refreshToken string) string {
	return kept{from: from, answer: redact.New(answer), refreshToken: redact.New(refreshToken)}.text()
}
