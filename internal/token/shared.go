package token

import (
	"context"
	"errors"
	"sync"
	"time"

	"github.com/cronbearer/cronbearer/internal/retry"
)

var (
	errNoTime = errors.New("there is no time left to wait")
	errBroken = errors.New("the fetch was aborted")
)

// shared lets one run at a time fetch what others wait for. Those that wait share its failure as well: if each of them
// retried, one after the other, they would run out of time without an answer. golang.org/x/sync/singleflight leaves to
// each caller what matters here: a second look at the memory under the lock, a wait that ends before the deadline, and
// that an answer to an older question is none to a newer one.
type shared[K, V any] struct {
	mu       sync.Mutex // also guards what have and keep of a want use
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

// want is what a run needs from a shared. K identifies a flight: for a secret when its reading started, for a token the
// version it is minted from.
type want[K, V any] struct {
	key   K
	have  func() *outcome[V]          // what is known without a fetch, or nil
	suits func(K, outcome[V]) bool    // reports whether another run's flight, which is over, is an answer
	fetch func() (V, error)           // without the lock
	keep  func(key K, got outcome[V]) // once for each fetch
}

// get returns errNoTime when the time of ctx, less a margin that is needed for something else, is up first.
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

// lead fetches for this run and for those that wait. A panic must not leave the others waiting.
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
