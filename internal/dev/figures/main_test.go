package main

import (
	"os"
	"path/filepath"
	"strconv"
	"strings"
	"testing"

	"github.com/google/go-cmp/cmp"

	"github.com/cronbearer/cronbearer/internal/dev/markdown"
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

// TestReadmeQuotesTheFigures: the line of README.md is the one that the table of docs/robustness.md leads to, and each
// figure of what must not happen is 0.
func TestReadmeQuotesTheFigures(t *testing.T) {
	t.Parallel()
	root := filepath.Join("..", "..", "..")
	page, err := os.ReadFile(filepath.Join(root, "docs", "robustness.md"))
	if err != nil {
		t.Fatal(err)
	}
	var list []figure
	for line := range strings.Lines(string(page)) {
		cells := strings.Split(strings.Trim(strings.TrimSpace(line), "|"), "|")
		if len(cells) != 2 {
			continue
		}
		if n, err := strconv.Atoi(strings.ReplaceAll(strings.TrimSpace(cells[1]), ",", "")); err == nil {
			list = append(list, figure{strings.TrimSpace(cells[0]), n})
		}
	}
	for _, s := range suites("1s") {
		if !has(list, s.prints) {
			t.Errorf("docs/robustness.md has no %q: %s", s.prints, strings.Join(s.command, " "))
		}
	}
	for _, f := range list {
		for _, bad := range []string{"lost", "leaked", "missed", "false", "failed", "not accounted"} {
			if strings.Contains(f.name, bad) && f.number != 0 {
				t.Errorf("%d %s", f.number, f.name)
			}
		}
	}
	readme, err := os.ReadFile(filepath.Join(root, "README.md"))
	if err != nil {
		t.Fatal(err)
	}
	want, err := markdown.SectionBy("make figures", string(readme), "figures", sentence(list))
	if err != nil {
		t.Fatal(err)
	}
	if diff := cmp.Diff(string(readme), want); diff != "" {
		t.Errorf("README.md is not what docs/robustness.md leads to (-README +page):\n%s", diff)
	}
}
