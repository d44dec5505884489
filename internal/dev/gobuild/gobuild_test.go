package gobuild_test

import (
	"os"
	"path/filepath"
	"strings"
	"testing"

	"github.com/cronbearer/cronbearer/internal/dev/gobuild"
)

func TestFlagsAreTheMakefiles(t *testing.T) {
	t.Parallel()
	text, err := os.ReadFile(filepath.Join("..", "..", "..", "Makefile"))
	if err != nil {
		t.Fatal(err)
	}
	flags := make([]string, len(gobuild.Flags))
	for i, flag := range gobuild.Flags {
		if flags[i] = flag; strings.Contains(flag, " ") {
			flags[i] = `"` + flag + `"`
		}
	}
	if want := "\nGOFLAGS_ALL := " + strings.Join(flags, " ") + "\n"; !strings.Contains(string(text), want) {
		t.Errorf("the Makefile does not have%s", want)
	}
}

func TestProgramThatDoesNotCompileIsReported(t *testing.T) {
	t.Parallel()
	dir := t.TempDir()
	for name, text := range map[string]string{
		"go.mod": "module broken\n", "main.go": "package main\n\nfunc main() { missing() }\n",
	} {
		if err := os.WriteFile(filepath.Join(dir, name), []byte(text), 0o600); err != nil {
			t.Fatal(err)
		}
	}
	err := gobuild.Program{Dir: dir, Package: "."}.To(t.Context(), filepath.Join(dir, "broken"))
	if err == nil || !strings.Contains(err.Error(), "missing") {
		t.Errorf("got %v", err)
	}
}

// TestSourcesOfAFunction: what a test depends on when it builds a function is what the function is made of.
func TestSourcesOfAFunction(t *testing.T) {
	t.Parallel()
	root, err := filepath.Abs(filepath.Join("..", "..", ".."))
	if err != nil {
		t.Fatal(err)
	}
	files, err := gobuild.Program{Dir: root, Package: "./functions/caller"}.Sources()
	if err != nil {
		t.Fatal(err)
	}
	listed := map[string]bool{}
	for _, file := range files {
		if strings.HasSuffix(file, "_test.go") || strings.Contains(file, "/internal/dev/") {
			t.Errorf("the caller is not made of %s", file)
		}
		listed[file] = true
	}
	for _, want := range []string{
		"go.mod", "functions/caller", "functions/caller/main.go", "internal/caller", "internal/caller/run.go",
		"internal/hosts/list.go",
	} {
		if !listed[filepath.Join(root, filepath.FromSlash(want))] {
			t.Errorf("no %s among %d files", want, len(files))
		}
	}
}
