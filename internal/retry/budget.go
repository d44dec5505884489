// Package retry says when a request may go out again, and whether there is time for it.
package retry

import (
	"context"
	"math"
	"math/rand/v2"
	"net/http"
	"strconv"
	"strings"
	"time"
)

const (
	// Reserve is what is kept of the function's time for the report.
	Reserve = 2 * time.Second
	// minAttempt is the least time that an attempt starts with.
	minAttempt = time.Second

	backoffBase = 250 * time.Millisecond
	backoffCap  = 20 * time.Second
)

// Budget says how long a run may go on.
type Budget struct {
	Deadline time.Time // of the invocation; zero: none
	Now      func() time.Time
}

// Attempt is how long the next attempt may take; ok is false when too little is left to begin one.
func (b Budget) Attempt(timeout time.Duration) (time.Duration, bool) {
	left, limited := b.left()
	if !limited {
		return timeout, true
	}
	return min(timeout, left), left >= minAttempt
}

func (b Budget) left() (time.Duration, bool) {
	if b.Deadline.IsZero() {
		return 0, false
	}
	return b.Deadline.Sub(b.Now()) - Reserve, true
}

// Fits tells whether an attempt can begin after waiting for d.
func (b Budget) Fits(d time.Duration) bool {
	left, limited := b.left()
	return !limited || left-d >= minAttempt
}

// Backoff is full jitter (AWS Architecture Blog, "Exponential Backoff And Jitter"): a random wait up to a bound that
// doubles. failed is the number of attempts that failed so far.
func Backoff(failed int) time.Duration {
	bound := min(backoffCap, backoffBase<<min(failed-1, 10))
	return rand.N(bound) + 1 //nolint:gosec // jitter needs no secrecy
}

// After reads the header Retry-After (RFC 9110 section 10.2.3). A date is taken against the answer's own Date, so that two
// clocks that differ do not matter; now stands in where there is none.
func After(h http.Header, now time.Time) (time.Duration, bool) {
	text := strings.TrimSpace(h.Get("Retry-After"))
	if text == "" {
		return 0, false
	}
	if strings.Trim(text, "0123456789") == "" {
		seconds, err := strconv.ParseUint(text, 10, 31)
		if err != nil {
			seconds = math.MaxInt32 // a number too large to read is a long wait all the same
		}
		return time.Duration(seconds) * time.Second, true
	}
	when, err := http.ParseTime(text)
	if err != nil {
		return 0, false
	}
	if date, err := http.ParseTime(h.Get("Date")); err == nil {
		now = date
	}
	return max(0, when.Sub(now)), true
}

// WithMargin is ctx, ended a margin before its deadline: what must still be done then has its time.
func WithMargin(ctx context.Context, margin time.Duration) (context.Context, context.CancelFunc) {
	if deadline, ok := ctx.Deadline(); ok {
		return context.WithDeadline(ctx, deadline.Add(-margin))
	}
	return context.WithCancel(ctx)
}

// Sleep waits, or returns false when ctx ends first.
func Sleep(ctx context.Context, d time.Duration) bool {
	timer := time.NewTimer(d)
	defer timer.Stop()
	select {
	case <-timer.C:
		return true
	case <-ctx.Done():
		return false
	}
}
