// Package fault decides which request a simulated service answers wrongly: faults are switched on, befall the requests
// that they fit, and are over after some of them or when they are cleared. What a fault does is each service's own.
package fault

import (
	"context"
	"net/http"
	"sync"
	"time"
)

// Set holds the faults that are switched on. The zero value has none. Safe for concurrent use.
type Set[F any] struct {
	mu    sync.Mutex
	rules []*rule[F]
}

type rule[F any] struct {
	fault   F
	forever bool
	left    int
}

// Add switches a fault on for the next n requests that it fits; 0: for all, until Clear.
func (s *Set[F]) Add(f F, n int) {
	s.mu.Lock()
	defer s.mu.Unlock()
	s.rules = append(s.rules, &rule[F]{f, n == 0, n})
}

// Clear switches all faults off.
func (s *Set[F]) Clear() {
	s.mu.Lock()
	defer s.mu.Unlock()
	s.rules = nil
}

// Next is the fault of a request, and zero if there is none: of those that fit, the one that was switched on first,
// until its requests are over. nil fits all.
func (s *Set[F]) Next(fits func(F) bool) F {
	s.mu.Lock()
	defer s.mu.Unlock()
	for _, r := range s.rules {
		if (r.forever || r.left > 0) && (fits == nil || fits(r.fault)) {
			r.left--
			return r.fault
		}
	}
	var none F
	return none
}

// Wait waits in real time, and reports whether the client still does.
func Wait(ctx context.Context, d time.Duration) bool {
	if d <= 0 {
		return true
	}
	timer := time.NewTimer(d)
	defer timer.Stop()
	select {
	case <-timer.C:
		return true
	case <-ctx.Done():
		return false
	}
}

// HangUp ends the connection of a request without an answer, on HTTP/1.1 and HTTP/2 alike.
func HangUp() {
	// net/http's own way to abort a response; its server recovers it in silence.
	panic(http.ErrAbortHandler) //nolint:forbidigo // see above
}
