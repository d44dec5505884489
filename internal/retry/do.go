package retry

import (
	"context"
	"time"
)

// Loop is how a request is retried. The zero Budget and the zero Max are no limit: then only ctx ends the loop.
type Loop struct {
	Budget  Budget
	Max     int                                             // attempts, the first included
	Backoff func(failed int) time.Duration                  // if the other side asks for no wait
	Sleep   func(ctx context.Context, d time.Duration) bool // returns false if ctx is done first
}

// Next is what follows an attempt. The zero Next: nothing, its outcome is final.
type Next struct {
	Retry   bool
	Wait    time.Duration // that the other side asks for (Retry-After); it counts only if HasWait
	HasWait bool
}

// Do makes attempts until one needs no retry, until the attempts are used up, or until none could start after the wait:
// a wait that does not fit ends the loop at once, so that its caller can report with time to spare.
func Do(ctx context.Context, l Loop, attempt func(n int) Next) {
	for n := 1; ; n++ {
		next := attempt(n)
		if !next.Retry || n == l.Max {
			return
		}
		wait := next.Wait
		if !next.HasWait {
			wait = l.Backoff(n)
		}
		if !l.Budget.Fits(wait) || !l.Sleep(ctx, wait) {
			return
		}
	}
}

// BackoffUpTo is Backoff with a lower maximum.
func BackoffUpTo(longest time.Duration) func(failed int) time.Duration {
	return func(failed int) time.Duration { return min(Backoff(failed), longest) }
}
