package main

import (
	"io/fs"
	"os"
	"path"
	"path/filepath"
	"regexp"
	"slices"
	"strings"
	"testing"

	"github.com/google/go-cmp/cmp"
)

const root = "../../.."

// files are those of the repository whose names end in suffix, without tools, builds and what npm installs.
func files(t *testing.T, suffix string) []string {
	t.Helper()
	var list []string
	err := filepath.WalkDir(root, func(name string, entry fs.DirEntry, err error) error {
		if err != nil {
			return err
		}
		relative, err := filepath.Rel(root, name)
		if err != nil {
			return err
		}
		base := entry.Name()
		switch {
		case entry.IsDir() && relative != "." && (strings.HasPrefix(base, ".") || base == "node_modules"):
			return filepath.SkipDir
		case !entry.IsDir() && strings.HasSuffix(base, suffix):
			list = append(list, filepath.ToSlash(relative))
		}
		return nil
	})
	if err != nil {
		t.Fatal(err)
	}
	return list
}

func read(t *testing.T, name string) string {
	t.Helper()
	text, err := os.ReadFile(filepath.Join(root, filepath.FromSlash(name)))
	if err != nil {
		t.Fatal(err)
	}
	return string(text)
}

// TestNoGeneratorIsForgotten: whatever package has tests with -update is in the list, with tests that exist.
func TestNoGeneratorIsForgotten(t *testing.T) {
	t.Parallel()
	declares := regexp.MustCompile(`flag\.Bool\("update", `)
	sources := map[string]string{} // the tests of each package
	for _, name := range files(t, "_test.go") {
		sources[path.Dir(name)] += read(t, name)
	}
	var want, got []string
	for name, source := range sources {
		if declares.MatchString(source) {
			want = append(want, name)
		}
	}
	for _, g := range generators() {
		got = append(got, g.Package)
		for _, test := range g.Tests {
			if !strings.Contains(sources[g.Package], "\nfunc "+test+"(t *testing.T)") {
				t.Errorf("%s has no %s", g.Package, test)
			}
		}
	}
	slices.Sort(want)
	slices.Sort(got)
	if diff := cmp.Diff(want, got); diff != "" {
		t.Errorf("packages with -update (-tree +make generate)\n%s", diff)
	}
}

// TestGeneratedFilesAreThere: each pattern matches a file, and each page that says it is generated matches a pattern.
func TestGeneratedFilesAreThere(t *testing.T) {
	t.Parallel()
	for _, g := range generators() {
		for _, pattern := range g.Writes {
			if matches, err := filepath.Glob(filepath.Join(root, pattern)); err != nil || len(matches) == 0 {
				t.Errorf("%s writes no %s (%v)", g.Package, pattern, err)
			}
		}
	}
	marked := regexp.MustCompile(`(?mi)^<!-- .*\bmake generate\b.* -->$`)
	for _, name := range files(t, ".md") {
		if marked.MatchString(read(t, name)) &&
			!slices.ContainsFunc(generators(), func(g generator) bool { return g.writes(name) }) {
			t.Errorf("%s says that make generate writes it, which knows nothing of it", name)
		}
	}
}

// TestCheckWritesNothing: only without -check do the tests get -update.
func TestCheckWritesNothing(t *testing.T) {
	t.Parallel()
	g := generator{Package: "a/b", Tests: []string{"TestA", "TestB"}}
	for check, want := range map[bool]string{
		true:  "test ./a/b -run ^(TestA|TestB)$",
		false: "test ./a/b -run ^(TestA|TestB)$ -update",
	} {
		if got := strings.Join(g.arguments(check), " "); got != want {
			t.Errorf("check %t: %s, want %s", check, got, want)
		}
	}
}
