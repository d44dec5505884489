// Command keep copies inputs of fuzz tests from go test's cache, where the fuzzer leaves what it has found, to
// testdata/fuzz: the few that reach code which the test's seeds and their variations do not reach. Plain go test tries
// them again and varies them. Run it after a long make fuzz.
//
//	go run ./internal/dev/mutate/keep [Pattern]
package main

import (
	"context"
	"fmt"
	"maps"
	"os"
	"os/exec"
	"path/filepath"
	"slices"
	"strings"
)

const (
	maxKept = 12      // inputs of a test
	maxSize = 2 << 10 // bytes of one
)

func main() {
	if err := keepAll(strings.Join(os.Args[1:], " ")); err != nil {
		fmt.Fprintln(os.Stderr, "keep:", err)
		os.Exit(1)
	}
}

func keepAll(pattern string) error {
	cache, err := output("go", "env", "GOCACHE")
	if err != nil {
		return err
	}
	tests, err := output("sh", "internal/dev/check/fuzz.sh", "list", pattern)
	if err != nil {
		return err
	}
	module, err := output("go", "list", "-m")
	if err != nil {
		return err
	}
	module = strings.TrimSpace(module)
	covered := module + "/internal/...," + module + "/infra/..."
	dir, err := os.MkdirTemp("", "keep-")
	if err != nil {
		return err
	}
	defer func() { _ = os.RemoveAll(dir) }()
	for test := range strings.Lines(tests) {
		pkg, name, _ := strings.Cut(strings.TrimSpace(test), " ")
		binary := filepath.Join(dir, strings.ReplaceAll(pkg, "/", "_"))
		if _, err := os.Stat(binary); err != nil {
			if _, err := output("go", "test", "-c", "-o", binary, "-coverpkg", covered, pkg); err != nil {
				return err
			}
		}
		f := fuzzTest{dir: pkg, name: name, binary: binary, profile: filepath.Join(dir, "profile")}
		if err := f.keep(filepath.Join(strings.TrimSpace(cache), "fuzz", module, pkg, name)); err != nil {
			return err
		}
	}
	return nil
}

type fuzzTest struct {
	dir, name, binary, profile string
}

// keep tries the inputs of a directory, the shortest first.
func (f fuzzTest) keep(found string) error {
	inputs, err := candidates(found)
	if err != nil {
		return err
	}
	reached, err := f.run(f.name)
	if err != nil {
		return err
	}
	target, kept := filepath.Join(f.dir, "testdata", "fuzz", f.name), 0
	for _, input := range inputs {
		text, err := os.ReadFile(input)
		if err == nil {
			err = os.MkdirAll(target, 0o750)
		}
		if err != nil {
			return err
		}
		file := filepath.Join(target, filepath.Base(input))
		if _, err := os.Stat(file); err == nil || kept == maxKept {
			continue // it is one of those that are kept
		}
		if err := os.WriteFile(file, text, 0o600); err != nil {
			return err
		}
		now, err := f.run(f.name + "/^" + filepath.Base(input) + "$")
		if err != nil {
			return fmt.Errorf("%s fails: %w", file, err)
		}
		if !adds(reached, now) {
			if err := os.Remove(file); err != nil {
				return err
			}
			continue
		}
		kept++
	}
	_ = os.Remove(target) // if it is empty
	fmt.Printf("%s %s: %d of %d inputs are kept\n", f.dir, f.name, kept, len(inputs))
	return nil
}

// candidates are the inputs that are short enough.
func candidates(dir string) ([]string, error) {
	files, err := filepath.Glob(filepath.Join(dir, "*"))
	if err != nil {
		return nil, err
	}
	sizes := map[string]int64{}
	for _, file := range files {
		info, err := os.Stat(file)
		if err != nil {
			return nil, err
		}
		sizes[file] = info.Size()
	}
	files = slices.DeleteFunc(files, func(file string) bool { return sizes[file] > maxSize })
	slices.SortStableFunc(files, func(a, b string) int { return int(sizes[a] - sizes[b]) })
	return files, nil
}

// run returns the blocks of code that a test reaches.
func (f fuzzTest) run(pattern string) (map[string]bool, error) {
	command := exec.CommandContext(
		context.Background(), f.binary, "-test.run", "^"+pattern, "-test.coverprofile", f.profile,
	)
	command.Dir = f.dir
	if text, err := command.CombinedOutput(); err != nil {
		return nil, fmt.Errorf("%s: %w\n%s", pattern, err, text)
	}
	text, err := os.ReadFile(f.profile)
	if err != nil {
		return nil, err
	}
	reached := map[string]bool{}
	for line := range strings.Lines(string(text)) {
		if block, times, ok := strings.Cut(line, " "); ok && !strings.HasSuffix(times, " 0\n") {
			reached[block] = true
		}
	}
	return reached, nil
}

// adds adds blocks to those that were reached before, and reports whether there were new ones.
func adds(reached, now map[string]bool) bool {
	before := len(reached)
	maps.Copy(reached, now)
	return len(reached) > before
}

func output(name string, arguments ...string) (string, error) {
	var problems strings.Builder
	command := exec.CommandContext(context.Background(), name, arguments...)
	command.Stderr = &problems // go test warns of each package that a test does not need
	text, err := command.Output()
	if err != nil {
		return "", fmt.Errorf("%s: %w\n%s", name, err, &problems)
	}
	return string(text), nil
}
