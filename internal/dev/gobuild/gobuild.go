// Package gobuild builds Go programs for tests and measurements, as the Makefile builds the functions. It is the only
// place outside the Makefile that has their flags; a test compares the two.
package gobuild

import (
	"context"
	"fmt"
	"os"
	"os/exec"
	"slices"
	"strings"
)

// Flags are the Makefile's GOFLAGS_ALL.
var Flags = []string{"-trimpath", "-buildvcs=false", "-tags", "lambda.norpc", "-ldflags", "-s -w"}

// Program is a package to build.
type Program struct {
	Dir     string   // of the module, or below it
	Package string   // ./functions/caller
	Env     []string // added to this process's own
	Race    bool     // with the race detector, which needs cgo
}

// To writes the binary.
func (p Program) To(ctx context.Context, output string) error {
	flags, cgo := Flags, "CGO_ENABLED=0"
	if p.Race {
		// Without -trimpath, which would compile everything again next to what the tests need anyway.
		flags, cgo = append([]string{"-race"}, Flags[1:]...), "CGO_ENABLED=1"
	}
	command := exec.CommandContext(ctx, "go", slices.Concat(
		[]string{"build"}, flags, []string{"-o", output, p.Package},
	)...)
	command.Dir, command.Env = p.Dir, slices.Concat(os.Environ(), []string{cgo}, p.Env)
	if text, err := command.CombinedOutput(); err != nil {
		return fmt.Errorf("build %s: %w\n%s", p.Package, err, text)
	}
	return nil
}

// Function is functions/<name> of the repository, on whose sources the caller's test then depends.
func Function(root, name string) (Program, error) {
	p := Program{Dir: root, Package: "./functions/" + name}
	return p, DependOn(p)
}

// DependOn reads the sources of programs, so that go test knows that a result depends on them: it knows nothing of
// what another go command reads, and would show a result of yesterday. It reads nothing else: an edit of a test, or
// of a package that no program imports, leaves the result in the cache.
func DependOn(programs ...Program) error {
	for _, p := range programs {
		files, err := p.Sources()
		if err != nil {
			return err
		}
		for _, file := range files {
			if _, err := os.Stat(file); err != nil {
				return fmt.Errorf("sources: %w", err)
			}
		}
	}
	return nil
}

// Sources are the files of the program's module that it is made of, and their folders: those change when a file is
// added. The other modules are versioned by go.mod.
func (p Program) Sources() ([]string, error) {
	const format = `{{with .Module}}{{if .Main}}{{.GoMod}}{{"\n"}}{{$.Dir}}{{"\n"}}` +
		`{{range $.GoFiles}}{{$.Dir}}/{{.}}{{"\n"}}{{end}}{{range $.EmbedFiles}}{{$.Dir}}/{{.}}{{"\n"}}{{end}}{{end}}{{end}}`
	// The list itself must not be an input of the test, so another process makes it.
	command := exec.Command("go", "list", "-deps", "-tags", "lambda.norpc", "-f", format, p.Package) //nolint:noctx // ms
	command.Dir = p.Dir
	text, err := command.Output()
	if err != nil {
		return nil, fmt.Errorf("sources of %s: %w", p.Package, err)
	}
	files := strings.Fields(string(text))
	slices.Sort(files)
	return slices.Compact(files), nil
}
