package token

import (
	"context"
	"time"

	"github.com/cronbearer/cronbearer/internal/retry"
)

// turn lets one run at a time ask for something that others wait for.
type turn chan struct{}

func newTurn() turn {
	t := make(turn, 1)
	t.end()
	return t
}

// begin waits. It is false when the time is up first, but for a margin that somebody needs for something else.
func (t turn) begin(ctx context.Context, margin time.Duration) bool {
	select {
	case <-t:
		return true
	default:
	}
	ctx, cancel := retry.WithMargin(ctx, margin)
	defer cancel()
	select {
	case <-t:
		return true
	case <-ctx.Done():
		return false
	}
}

func (t turn) end() { t <- struct{}{} }
