package mutate_test

import (
	"flag"
	"fmt"
	"testing"

	"github.com/google/go-cmp/cmp"

	"github.com/cronbearer/cronbearer/internal/dev/mutate"
)

func seeds() [][]any {
	return [][]any{
		{"a text", []byte("bytes"), 7, int64(-7), uint16(9), true}, {"", []byte{}, 0, int64(0), uint16(0), false},
	}
}

func TestInputsAreNewAndCanBeRepeated(t *testing.T) {
	t.Parallel()
	const n = 500
	first := mutate.Varied(seeds(), n, 1)
	if diff := cmp.Diff(first, mutate.Varied(seeds(), n, 1)); diff != "" {
		t.Errorf("one seed of chance, two results: %s", diff)
	}
	distinct := map[string]bool{}
	for _, args := range append(first, mutate.Varied(seeds(), n, 2)...) {
		distinct[fmt.Sprint(args...)] = true
	}
	if len(distinct) < 3*n/2 {
		t.Errorf("%d different inputs of %d", len(distinct), 2*n)
	}
}

// FuzzRunsWhatIsAdded: an input of every type arrives at the test, as often as it asked for.
func FuzzRunsWhatIsAdded(f *testing.F) {
	if flag.Lookup("test.fuzz").Value.String() != "" {
		f.Skip("it counts what plain go test runs")
	}
	const n = 20
	m, ran := mutate.New(f), 0
	m.Try(n)
	for _, args := range seeds() {
		m.Add(args...)
	}
	f.Cleanup(func() {
		if ran < n+len(seeds()) {
			f.Errorf("%d inputs ran", ran)
		}
	})
	m.Fuzz(func(*testing.T, string, []byte, int, int64, uint16, bool) { ran++ })
}
