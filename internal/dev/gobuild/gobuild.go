// Package gobuild builds Go programs for tests and measurements, as the Makefile builds the functions. It is the only
// place outside the Makefile that has their flags; a test compares the two.
package gobuild

import (
	"context"
	"fmt"
	"os"
	"os/exec"
	"path/filepath"
	"slices"
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
	if err := DependOn(root, "functions", "internal", "go.mod", "go.sum"); err != nil {
		return Program{}, err
	}
	return Program{Dir: root, Package: "./functions/" + name}, nil
}

// DependOn looks at files of which other processes make programs, so that go test knows that a result depends on them:
// it knows nothing of what another go command reads, and would show a result of yesterday.
func DependOn(root string, names ...string) error {
	for _, name := range names {
		err := filepath.WalkDir(filepath.Join(root, name), func(path string, entry os.DirEntry, err error) error {
			switch {
			case err != nil:
				return err
			case entry.Name() == "node_modules":
				return filepath.SkipDir
			}
			_, err = os.Stat(path)
			return err
		})
		if err != nil {
			return fmt.Errorf("sources: %w", err)
		}
	}
	return nil
}
