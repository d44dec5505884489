package fault_test

import (
	"slices"
	"testing"

	"github.com/cronbearer/cronbearer/internal/dev/fault"
)

func TestFirstFaultThatFitsCountsUntilItsRequestsAreOver(t *testing.T) {
	t.Parallel()
	var set fault.Set[string]
	next := func(n int, fits func(string) bool) (list []string) {
		for range n {
			list = append(list, set.Next(fits))
		}
		return list
	}
	set.Add("two", 2)
	set.Add("always", 0)
	set.Add("never reached", 0)
	if got := next(4, nil); !slices.Equal(got, []string{"two", "two", "always", "always"}) {
		t.Errorf("got %q", got)
	}
	if got := next(2, func(f string) bool { return f == "two" }); !slices.Equal(got, []string{"", ""}) {
		t.Errorf("a fault whose requests are over befalls %q", got)
	}
	set.Clear()
	if got := next(1, nil); got[0] != "" {
		t.Errorf("a fault that was cleared befalls a request: %q", got)
	}
}
