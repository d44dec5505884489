package token

import (
	"context"

	"github.com/cronbearer/cronbearer/internal/retry"
)

// turn lets one run at a time ask for something that others wait for.
type turn chan struct{}

func newTurn() turn {
	t := make(turn, 1)
	t.end()
	return t
}

// begin waits. It is false when the time is up first: the report needs the rest.
func (t turn) begin(ctx context.Context) bool {
	select {
	case <-t:
		return true
	default:
	}
	ctx, cancel := retry.WithMargin(ctx, retry.Reserve)
	defer cancel()
	select {
	case <-t:
		return true
	case <-ctx.Done():
		return false
	}
}

func (t turn) end() { t <- struct{}{} }
