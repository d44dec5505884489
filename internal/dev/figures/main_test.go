package main

import (
	"strings"
	"testing"

	"github.com/google/go-cmp/cmp"
)

const log = `=== RUN   TestSoak
    soak_test.go:89: figures: runs under random faults 12
    soak_test.go:92: figures: bytes of tokens leaked in the soak 0
figures: inputs fuzzed 1234567
    soak_test.go:89: figures: runs under random faults 100003
ok figures: none
figures: not a number x7
`

func TestFiguresAreReadFromWhatTestsPrint(t *testing.T) {
	t.Parallel()
	got := read(log)
	want := []figure{
		{"bytes of tokens leaked in the soak", 0}, {"inputs fuzzed", 1234567}, {"runs under random faults", 100003},
	}
	if diff := cmp.Diff(want, got, cmp.AllowUnexported(figure{})); diff != "" {
		t.Error(diff)
	}
	for _, part := range []string{"| inputs fuzzed | 1,234,567 |", "| runs under random faults | 100,003 |"} {
		if page := table(got, "a machine"); !strings.Contains(page, part) {
			t.Errorf("no %s in %s", part, page)
		}
	}
	if text := sentence(got); !strings.HasPrefix(text, "1,234,567 fuzzed inputs, 0 faults, 100,003 runs under faults") {
		t.Error(text)
	}
}
