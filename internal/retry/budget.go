// Package retry is the one policy of repeating a request: which statuses are transient (RFC 9110 section 15), how long
// a server asks clients to wait (Retry-After, rate limit headers), full jitter where it does not, and whether a wait
// leaves time for an attempt and for the report. Whether a request may be sent twice at all is the caller's decision.
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
	// minAttempt is the minimum time that an attempt starts with.
	minAttempt = time.Second

	backoffBase = 250 * time.Millisecond
	backoffCap  = 20 * time.Second
)

// Budget is the time that a run has.
type Budget struct {
	Deadline time.Time // of the invocation; zero: none
	Now      func() time.Time
}

// Attempt returns how long the next attempt may take; ok is false if too little is left to start one.
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

// Fits reports whether an attempt can start after waiting for d.
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

// After reads the header Retry-After (RFC 9110 section 10.2.3).
func After(h http.Header, now time.Time) (time.Duration, bool) {
	text := strings.TrimSpace(h.Get("Retry-After"))
	if text == "" {
		return 0, false
	}
	if strings.Trim(text, "0123456789") == "" {
		seconds, err := strconv.ParseUint(text, 10, 31)
		if err != nil {
			seconds = math.MaxInt32 // a number too large to read is a long wait anyway
		}
		return time.Duration(seconds) * time.Second, true
	}
	when, err := http.ParseTime(text)
	if err != nil {
		return 0, false
	}
	return until(when, h, now), true
}

// Exhausted reports whether x-ratelimit-remaining says that no request is left.
func Exhausted(h http.Header) bool {
	text := strings.TrimSpace(h.Get("X-Ratelimit-Remaining"))
	return text != "" && strings.Trim(text, "0") == ""
}

// Reset reads x-ratelimit-reset: when requests are allowed again, in Unix seconds (GitHub's REST documentation,
// "Rate limits"). Some APIs write the seconds that are left instead: what is not a time of this century is ignored.
func Reset(h http.Header, now time.Time) (time.Duration, bool) {
	const earliest, latest = 946684800, 4102444800 // the years 2000 and 2100
	seconds, err := strconv.ParseInt(strings.TrimSpace(h.Get("X-Ratelimit-Reset")), 10, 64)
	if err != nil || seconds < earliest || seconds > latest {
		return 0, false
	}
	return until(time.Unix(seconds, 0), h, now), true
}

// until counts from the answer's own Date, so that clock drift does not matter; now is used if there is
// none.
func until(when time.Time, h http.Header, now time.Time) time.Duration {
	if date, err := http.ParseTime(h.Get("Date")); err == nil {
		now = date
	}
	return max(0, when.Sub(now))
}

// WithMargin returns ctx with a deadline earlier by a margin, which is left for what must still be done then.
func WithMargin(ctx context.Context, margin time.Duration) (context.Context, context.CancelFunc) {
	if deadline, ok := ctx.Deadline(); ok {
		return context.WithDeadline(ctx, deadline.Add(-margin))
	}
	return context.WithCancel(ctx)
}

// Sleep waits, or returns false if ctx is done first.
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
