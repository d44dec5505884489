package token

import (
	"context"
	"errors"
	"sync"
	"time"

	"github.com/cronbearer/cronbearer/internal/retry"
)

var (
	errNoTime = errors.New("no time is left to wait")
	errBroken = errors.New("the fetch broke off")
)

// shared lets one run at a time fetch what others wait for. Those that wait share the fetch's failure as well: if each
// of them asked again, one after the other, they would end with their time and not with an answer.
type shared[K, V any] struct {
	mu       sync.Mutex // guards what have and keep of a want use, too
	underway *flight[K, V]
}

// flight is one fetch. Its outcome is set before done is closed.
type flight[K, V any] struct {
	outcome[V]

	key  K
	done chan struct{}
}

type outcome[V any] struct {
	value V
	err   error
}

// want is what a run wants of a shared.
type want[K, V any] struct {
	key   K
	have  func() *outcome[V]          // what is known without a fetch, or nil
	suits func(K, outcome[V]) bool    // reports whether another run's flight, which is over, is an answer
	fetch func() (V, error)           // without the lock
	keep  func(key K, got outcome[V]) // once for each fetch
}

// get returns errNoTime when the time of ctx is up first, but for a margin that is needed for something else.
func (s *shared[K, V]) get(ctx context.Context, margin time.Duration, w want[K, V]) (V, error) {
	for {
		s.mu.Lock()
		if known := w.have(); known != nil {
			s.mu.Unlock()
			return known.value, known.err
		}
		f := s.underway
		if f == nil {
			f = &flight[K, V]{key: w.key, done: make(chan struct{})}
			s.underway = f
			s.mu.Unlock()
			s.lead(f, w)
			return f.value, f.err
		}
		s.mu.Unlock()
		if !wait(ctx, margin, f.done) {
			var none V
			return none, errNoTime
		}
		if w.suits(f.key, f.outcome) {
			return f.value, f.err
		}
	}
}

// lead fetches for this run and for those that wait. A panic must not leave them waiting.
func (s *shared[K, V]) lead(f *flight[K, V], w want[K, V]) {
	f.err = errBroken
	defer func() {
		s.mu.Lock()
		defer s.mu.Unlock()
		w.keep(f.key, f.outcome)
		s.underway = nil
		close(f.done)
	}()
	f.value, f.err = w.fetch()
}

func wait(ctx context.Context, margin time.Duration, done <-chan struct{}) bool {
	ctx, cancel := retry.WithMargin(ctx, margin)
	defer cancel()
	select {
	case <-done:
		return true
	case <-ctx.Done():
		return false
	}
}
