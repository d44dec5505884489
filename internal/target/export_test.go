package target

import (
	"context"
	"time"
)

// WaitWith replaces a Client's waiting, its jitter and its clock.
func (c *Client) WaitWith(sleep func(context.Context, time.Duration) bool, backoff func(int) time.Duration, now func() time.Time) {
	c.sleep, c.backoff, c.now = sleep, backoff, now
}
