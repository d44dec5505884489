// Package growth compares durations side by side in one run, so that a test can hold that a cost grows no faster than
// its input without knowing how fast the machine is, or who else uses it.
package growth

import (
	"testing"
	"time"
)

const (
	// Factor is how much larger the large input of Linear is.
	Factor = 8
	// slack is what a linear cost may appear to grow by beyond Factor: caches, collections of garbage. A quadratic one
	// grows by Factor times Factor.
	slack = 3
	// rounds are tried until one is good: a neighbour on the machine makes single ones slow, but not the fastest of all.
	rounds = 12
)

// Linear fails the test if what prepare(Factor*n) returns takes much longer than Factor times what prepare(n) returns.
// The small one should take some 100 µs at least.
func Linear(t testing.TB, what string, n int, prepare func(n int) func()) {
	t.Helper()
	small, large := prepare(n), prepare(Factor*n)
	if least, most, ok := compare(large, small, Factor*slack); !ok {
		t.Errorf("%s: %s for %d, %s for %d: not linear", what, most, n, least, Factor*n)
	}
}

// Faster fails the test if fast is not faster than slow.
func Faster(t testing.TB, what string, fast, slow func()) {
	t.Helper()
	if took, limit, ok := compare(fast, slow, 1); !ok {
		t.Errorf("%s takes %s, and what it must beat %s", what, took, limit)
	}
}

// compare reports whether the fastest try of one takes at most factor times the fastest of other, and both.
func compare(one, other func(), factor int) (tookOne, tookOther time.Duration, ok bool) {
	for range rounds {
		tookOther = least(tookOther, other)
		tookOne = least(tookOne, one)
		if tookOne <= time.Duration(factor)*tookOther {
			return tookOne, tookOther, true
		}
	}
	return tookOne, tookOther, false
}

func least(before time.Duration, work func()) time.Duration {
	started := time.Now()
	work()
	if took := time.Since(started); before == 0 || took < before {
		return max(took, 1)
	}
	return before
}
