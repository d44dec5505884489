package docs_test

import (
	"path/filepath"
	"regexp"
	"strings"
	"testing"
)

// TestDecisionsAreListedByTheirTitles: the index has each record under its number, in the words of its heading.
func TestDecisionsAreListedByTheirTitles(t *testing.T) {
	t.Parallel()
	records, err := filepath.Glob(filepath.Join("decisions", "0*.md"))
	if err != nil || len(records) < 10 {
		t.Fatalf("%d records, %v", len(records), err)
	}
	index := read(t, filepath.Join("decisions", "README.md"))
	for _, name := range records {
		m := regexp.MustCompile(`^# (\d+)\. (.+)\n`).FindStringSubmatch(read(t, name))
		if m == nil {
			t.Errorf("%s has no title with its number", name)
			continue
		}
		if row := "| [" + m[1] + "](" + filepath.Base(name) + ") | " + m[2] + " |"; !strings.Contains(index, row) {
			t.Errorf("docs/decisions/README.md has no row %s", row)
		}
	}
}
