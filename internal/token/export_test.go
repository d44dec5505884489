package token

import (
	"context"
	"time"
)

// SleepWith replaces a Minter's waiting.
func (m *Minter) SleepWith(sleep func(context.Context, time.Duration) bool) { m.sleep = sleep }

// SleepWith replaces a Store's waiting.
func (s *Store) SleepWith(sleep func(context.Context, time.Duration) bool) { s.sleep = sleep }

// PauseWith replaces a Minter's waiting for IAM.
func (m *Minter) PauseWith(pause func(context.Context, time.Duration) bool) {
	m.exchanger.pause = pause
}
