// Command demo shows how a token dies and comes back, and how another renews itself for a day: jobs of the real
// shipped template, run by the real binaries, on a model of AWS (package awssim) and a virtual clock. It exits
// with 1 if the story does not come out. It needs no AWS account and no network, and it is not a proof: the tests are.
package main

import (
	"context"
	"errors"
	"flag"
	"fmt"
	"io"
	"os"
	"path/filepath"
	"time"

	"github.com/cronbearer/cronbearer/internal/dev/awssim"
	"github.com/cronbearer/cronbearer/internal/dev/shipped"
)

func main() {
	binary := flag.String("binary", filepath.Join(".build", "native", "caller"), "the caller, as `make native` builds it")
	template := flag.String("template", shipped.Path, "the application's template")
	flag.Parse()
	if err := run(context.Background(), os.Stdout, *binary, *template, colourful(os.Stdout)); err != nil {
		fmt.Fprintln(os.Stderr, "demo: the story did not come out:", err)
		os.Exit(1)
	}
}

// colourful: a terminal that no one has asked to stay plain (no-color.org).
func colourful(f *os.File) bool {
	info, err := f.Stat()
	return err == nil && info.Mode()&os.ModeCharDevice != 0 && os.Getenv("NO_COLOR") == "" && os.Getenv("TERM") != "dumb"
}

func run(ctx context.Context, out io.Writer, binary, template string, colour bool) (err error) {
	rotator := filepath.Join(filepath.Dir(binary), "rotator")
	for _, needed := range []string{binary, rotator, template} {
		if _, statErr := os.Stat(needed); statErr != nil {
			return fmt.Errorf("%s is not there: run `make demo` at the top of the repository", needed)
		}
	}
	binaries := map[string]string{"Caller": binary, "Rotator": rotator}
	for id, path := range binaries {
		if binaries[id], err = filepath.Abs(path); err != nil {
			return fmt.Errorf("where the binary is: %w", err)
		}
	}
	p := &page{out: out, colour: colour}
	cloud, err := awssim.New(awssim.Options{
		Template: template, Binaries: binaries, Observe: p.observe,
		// Hourly runs find no warm environment, as on Lambda.
		IdleLife: 10 * time.Minute,
	})
	if err != nil {
		return err
	}
	p.public, p.stack = cloud.Public, cloud.Stack.StackName
	defer func() { err = errors.Join(err, cloud.Close()) }()
	if err := (&story{cloud: cloud, page: p}).play(ctx); err != nil {
		return err
	}
	return playRenewal(ctx, p, binaries, template)
}
