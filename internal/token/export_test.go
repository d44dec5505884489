package token

import (
	"context"
	"time"

	"github.com/cronbearer/cronbearer/internal/oauth"
)

// SleepWith replaces a Minter's waiting.
func (m *Minter) SleepWith(sleep func(context.Context, time.Duration) bool) { m.sleep = sleep }

// SleepWith replaces a Store's waiting.
func (s *Store) SleepWith(sleep func(context.Context, time.Duration) bool) { s.sleep = sleep }

// WithImpatientIdentity is WithIdentity with a waiting for IAM of the test's.
func (m *Minter) WithImpatientIdentity(
	sts oauth.IdentityProvider, pause func(context.Context, time.Duration) bool,
) *Minter {
	m.client = m.client.WithIdentity(sts, pause)
	return m
}
