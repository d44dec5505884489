package main

import (
	"bufio"
	"bytes"
	"context"
	"fmt"
	"os/exec"
	"path/filepath"
	"strconv"
	"strings"

	"github.com/cronbearer/cronbearer/internal/dev/gobuild"
)

// artifacts are the sizes of what is deployed, and what its packages take before main.
type artifacts struct {
	zip, emptyZip   int64     // bytes, arm64
	init, emptyInit []float64 // ms, of each start
	initBytes       int64     // what it allocates
}

func (a artifacts) zipRatio() float64 { return float64(a.zip) / max(float64(a.emptyZip), 1) }

func (a artifacts) initRatio() float64 {
	if len(a.init) == 0 {
		return 0
	}
	return summarize(a.init).Center / summarize(a.emptyInit).Center
}

// zips builds both programs for Lambda.
func (a *artifacts) zips(ctx context.Context, root, dir string) error {
	sizer := filepath.Join(dir, "zipsize")
	if err := (gobuild.Program{Dir: root, Package: "./internal/dev/bench/zipsize"}).To(ctx, sizer); err != nil {
		return err
	}
	for name, size := range map[string]*int64{subjectOurs: &a.zip, subjectEmpty: &a.emptyZip} {
		b := buildOf(root, name)
		b.Env = []string{"GOOS=linux", "GOARCH=arm64"}
		output := filepath.Join(dir, "bootstrap-"+name)
		if err := b.To(ctx, output); err != nil {
			return err
		}
		text, err := exec.CommandContext(ctx, sizer, output).Output()
		if err != nil {
			return fmt.Errorf("zip %s: %w", b.Package, err)
		}
		if *size, err = strconv.ParseInt(strings.TrimSpace(string(text)), 10, 64); err != nil {
			return err
		}
	}
	return nil
}

// traceInits traces the starts of both programs by turns. They lie in dir.
func (a *artifacts) traceInits(ctx context.Context, dir string, times int) error {
	for range times {
		ours, bytes, err := traceInit(ctx, filepath.Join(dir, subjectOurs))
		if err != nil {
			return err
		}
		empty, _, err := traceInit(ctx, filepath.Join(dir, subjectEmpty))
		if err != nil {
			return err
		}
		a.init, a.emptyInit, a.initBytes = append(a.init, ours), append(a.emptyInit, empty), bytes
	}
	return nil
}

// traceInit starts a program without a Runtime API, so that it ends when its packages and its own start are done, and
// sums what GODEBUG=inittrace=1 prints.
func traceInit(ctx context.Context, program string) (milliseconds float64, size int64, err error) {
	cmd := exec.CommandContext(ctx, program)
	cmd.Env = []string{"GODEBUG=inittrace=1"}
	text, _ := cmd.CombinedOutput() // it must fail: there is no work to ask for
	lines := bufio.NewScanner(bytes.NewReader(text))
	for lines.Scan() {
		var name string
		var at, took float64
		var allocated int64
		if n, _ := fmt.Sscanf(lines.Text(), "init %s @%f ms, %f ms clock, %d bytes", &name, &at, &took, &allocated); n == 4 {
			milliseconds += took
			size += allocated
		}
	}
	if milliseconds == 0 {
		return 0, 0, fmt.Errorf("%s printed no trace of its packages:\n%s", program, tail(text))
	}
	return milliseconds, size, lines.Err()
}
