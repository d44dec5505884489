package growth_test

import (
	"strings"
	"testing"
	"testing/synctest"
	"time"

	"github.com/cronbearer/cronbearer/internal/dev/growth"
)

// failures is a test that records its failures.
type failures struct {
	testing.TB

	all []string
}

func (f *failures) Helper() {}

func (f *failures) Errorf(format string, _ ...any) { f.all = append(f.all, format) }

func TestLinearTellsGrowthApart(t *testing.T) {
	t.Parallel()
	for name, c := range map[string]struct {
		cost func(n int) time.Duration
		ok   bool
	}{
		"constant":  {cost: func(int) time.Duration { return time.Millisecond }, ok: true},
		"linear":    {cost: func(n int) time.Duration { return time.Duration(n) * time.Millisecond }, ok: true},
		"quadratic": {cost: func(n int) time.Duration { return time.Duration(n*n) * time.Millisecond }},
	} {
		synctest.Test(t, func(t *testing.T) {
			f := &failures{TB: t}
			growth.Linear(f, name, 4, func(n int) func() { return func() { time.Sleep(c.cost(n)) } })
			if (len(f.all) == 0) != c.ok {
				t.Errorf("%s: %v", name, f.all)
			}
		})
	}
}

// TestNeighboursAreForgiven: a machine that is busy makes some tries slow, whichever of the two they are of.
func TestNeighboursAreForgiven(t *testing.T) {
	t.Parallel()
	synctest.Test(t, func(t *testing.T) {
		f, tries := &failures{TB: t}, 0
		growth.Linear(f, "linear", 1, func(n int) func() {
			return func() {
				if tries++; tries < 6 && n > 1 {
					time.Sleep(time.Hour)
				}
				time.Sleep(time.Duration(n) * time.Millisecond)
			}
		})
		growth.Faster(f, "one", func() { time.Sleep(time.Second) }, func() { time.Sleep(2 * time.Second) })
		if len(f.all) != 0 {
			t.Error(f.all)
		}
		growth.Faster(f, "two", func() { time.Sleep(3 * time.Second) }, func() { time.Sleep(2 * time.Second) })
		if len(f.all) != 1 || !strings.Contains(f.all[0], "must beat") {
			t.Error(f.all)
		}
	})
}
