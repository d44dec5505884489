package main

import (
	"bufio"
	"bytes"
	"context"
	"fmt"
	"os"
	"os/exec"
	"path/filepath"
	"slices"
	"strconv"
	"strings"
)

// artifacts are what the build gives, and what the packages do before main.
type artifacts struct {
	zip, emptyZip       int64 // bytes, arm64
	binary, emptyBinary int64
	trace, emptyTrace   initTrace
	clock, emptyClock   values // ms, of each start
}

// buildForLambda builds a program for arm64 and returns the size of the binary and of its zip.
func buildForLambda(ctx context.Context, root, dir string, b build) (binary, zipped int64, err error) {
	b.env = append(slices.Clone(b.env), "GOOS=linux", "GOARCH=arm64")
	output := filepath.Join(dir, "bootstrap")
	if err := b.to(ctx, output); err != nil {
		return 0, 0, err
	}
	info, err := os.Stat(output)
	if err != nil {
		return 0, 0, err
	}
	sizer := filepath.Join(dir, "zipsize")
	if err := (build{dir: root, pkg: "./infra/bench/zipsize"}).to(ctx, sizer); err != nil {
		return 0, 0, err
	}
	text, err := exec.CommandContext(ctx, sizer, output).Output()
	if err != nil {
		return 0, 0, fmt.Errorf("zip %s: %w", b.pkg, err)
	}
	zipped, err = strconv.ParseInt(strings.TrimSpace(string(text)), 10, 64)
	return info.Size(), zipped, err
}

// initTrace sums what GODEBUG=inittrace=1 tells.
type initTrace struct {
	packages      int
	bytes, allocs int64
	milliseconds  float64
}

// traceInit starts a program without a Runtime API, so that it ends when its packages and its own start are done.
func traceInit(ctx context.Context, program string, env []string) (initTrace, error) {
	cmd := exec.CommandContext(ctx, program)
	cmd.Env = append([]string{"GODEBUG=inittrace=1"}, env...)
	text, _ := cmd.CombinedOutput() // it must fail: there is no work to ask for
	var sum initTrace
	lines := bufio.NewScanner(bytes.NewReader(text))
	for lines.Scan() {
		if !strings.HasPrefix(lines.Text(), "init ") {
			continue
		}
		var name string
		var at, took float64
		var size, allocs int64
		if _, err := fmt.Sscanf(lines.Text(), "init %s @%f ms, %f ms clock, %d bytes, %d allocs", &name, &at, &took, &size, &allocs); err != nil {
			return sum, fmt.Errorf("read %q: %w", lines.Text(), err)
		}
		sum.packages++
		sum.bytes += size
		sum.allocs += allocs
		sum.milliseconds += took
	}
	if sum.packages == 0 {
		return sum, fmt.Errorf("%s printed no trace of its packages:\n%s", program, tail(text))
	}
	return sum, lines.Err()
}

// measureArtifacts builds for Lambda, and traces the start of the programs once.
func measureArtifacts(ctx context.Context, root string, w *world) (a artifacts, err error) {
	if a.binary, a.zip, err = buildForLambda(ctx, root, w.dir, buildOf(root, subjectOurs)); err != nil {
		return a, err
	}
	if a.emptyBinary, a.emptyZip, err = buildForLambda(ctx, root, w.dir, buildOf(root, subjectEmpty)); err != nil {
		return a, err
	}
	return a, a.traceInits(ctx, w, 1)
}

// traceInits traces the starts of the programs by turns.
func (a *artifacts) traceInits(ctx context.Context, w *world, times int) error {
	for range times {
		for _, p := range []struct {
			name  string
			last  *initTrace
			clock *values
		}{{subjectOurs, &a.trace, &a.clock}, {subjectEmpty, &a.emptyTrace, &a.emptyClock}} {
			trace, err := traceInit(ctx, filepath.Join(w.dir, p.name), nil)
			if err != nil {
				return err
			}
			*p.last = trace
			*p.clock = append(*p.clock, trace.milliseconds)
		}
	}
	return nil
}
