package gobuild_test

import (
	"go/ast"
	"go/parser"
	"go/token"
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

// TestCalculationsShareNothing: what make test runs without the race detector starts no goroutine, tests aside (those
// run in parallel), and has nothing that only goroutines need.
func TestCalculationsShareNothing(t *testing.T) {
	t.Parallel()
	root := filepath.Join("..", "..", "..")
	text, err := os.ReadFile(filepath.Join(root, "Makefile"))
	if err != nil {
		t.Fatal(err)
	}
	_, rest, _ := strings.Cut(strings.ReplaceAll(string(text), "\\\n", ""), "\nCALCULATIONS := $(addprefix ./,")
	list, _, found := strings.Cut(rest, ")\n")
	if !found {
		t.Fatal("the Makefile has no CALCULATIONS")
	}
	for folder := range strings.FieldsSeq(list) {
		files, err := filepath.Glob(filepath.Join(root, folder, "*.go"))
		if err != nil || len(files) == 0 {
			t.Fatalf("%s: %v, %v", folder, files, err)
		}
		for _, name := range files {
			file, err := parser.ParseFile(token.NewFileSet(), name, nil, 0)
			if err != nil {
				t.Fatal(err)
			}
			for _, i := range file.Imports {
				if path := strings.Trim(i.Path.Value, `"`); strings.HasPrefix(path, "sync") || path == "testing/synctest" {
					t.Errorf("%s imports %s", name, path)
				}
			}
			ast.Inspect(file, func(n ast.Node) bool {
				if _, ok := n.(*ast.GoStmt); ok {
					t.Errorf("%s starts a goroutine", name)
				}
				return true
			})
		}
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
