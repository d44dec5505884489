// Command deploy is `make deploy`: it builds and deploys with SAM CLI, after the checks whose failure would leave a
// half-made stack. With -check it only checks the template, which is `make validate`: what `cronbearer check` prints to
// a pipe, but without AWS's clients, which take a minute to compile. ENV names an environment of samconfig.toml, so
// that one copy of the repository may deploy several stacks.
//
//	go run ./internal/dev/deploy [-check] [-env prod] [-tools .tools/venv/bin] [-template template.yaml]
package main

import (
	"cmp"
	"context"
	"errors"
	"flag"
	"fmt"
	"io"
	"os"
	"os/exec"
	"path/filepath"
	"strconv"
	"strings"
	"time"

	"github.com/cronbearer/cronbearer/internal/dev/lint"
	"github.com/cronbearer/cronbearer/internal/dev/samconfig"
)

func main() {
	d := deployment{out: os.Stderr, now: time.Now(), sam: os.Getenv("SAM")}
	flag.StringVar(&d.env, "env", "default", "the `environment` of samconfig.toml")
	flag.StringVar(&d.template, "template", "template.yaml", "the `file` to deploy")
	tools := flag.String("tools", ".tools/venv/bin", "the `folder` into which make sam puts SAM CLI")
	only := flag.Bool("check", false, "only check the template")
	flag.Parse()
	if _, err := os.Stat(filepath.Join(*tools, "sam")); d.sam == "" && err == nil {
		d.sam = filepath.Join(*tools, "sam")
	}
	d.sam = cmp.Or(d.sam, "sam")
	run := d.run
	if *only {
		run = d.validate
	}
	if err := run(context.Background()); err != nil {
		fmt.Fprintln(os.Stderr, err)
		os.Exit(1)
	}
}

type deployment struct {
	sam, env, template string
	out                io.Writer
	now                time.Time
}

func (d deployment) run(ctx context.Context) error {
	if err := d.version(ctx); err != nil {
		return err
	}
	saved, err := samconfig.Read(filepath.Join(filepath.Dir(d.template), "samconfig.toml"), d.env)
	if err != nil {
		return err
	}
	c := config{saved}
	if err := d.check(c); err != nil {
		return err
	}
	if err := d.command(
		ctx, "build", "--config-env", d.env, "--language-extensions", "--template", d.template,
	); err != nil {
		return err
	}
	return d.command(ctx, c.arguments(d.env)...)
}

// oldest is the first SAM CLI that knows the loops of the template.
const oldest = 160

func (d deployment) version(ctx context.Context) error {
	out, err := exec.CommandContext(ctx, d.sam, "--version").Output() // #nosec G204: the user's own SAM CLI
	if err != nil {
		return errors.New(
			"make deploy needs SAM CLI 1.160 or newer: install it, or run make sam first, which needs Python only",
		)
	}
	fields := strings.Fields(string(out))
	version := fields[len(fields)-1]
	major, rest, _ := strings.Cut(version, ".")
	minor, _, _ := strings.Cut(rest, ".")
	if n, err := strconv.Atoi(minor); major == "1" && err == nil && n < oldest {
		return fmt.Errorf("make deploy needs SAM CLI 1.%d or newer, which knows the loops of template.yaml; this is %s: "+
			"update it, or run make sam first",
			oldest, version)
	}
	fmt.Fprintln(d.out, "SAM CLI", version)
	return nil
}

// validate is `cronbearer check`.
func (d deployment) validate(context.Context) error {
	mistakes, err := d.list(lint.Options{Now: d.now})
	if err == nil && mistakes > 0 {
		err = fmt.Errorf("%s has mistakes: %d", d.template, mistakes)
	}
	if err == nil {
		fmt.Fprintf(d.out, "%s: no mistakes\n", d.template)
	}
	return err
}

// check is `cronbearer check --deploy`.
func (d deployment) check(c config) error {
	mistakes, err := d.list(lint.Options{Deploy: true, Asked: c.asks(), Now: d.now})
	if err == nil && mistakes > 0 {
		err = fmt.Errorf("not deployed: fix %s first", d.template)
	}
	return err
}

// list prints what is wrong with the template and returns the number of mistakes.
func (d deployment) list(o lint.Options) (mistakes int, err error) {
	problems, err := lint.File{Path: d.template, Env: d.env, Options: o}.Check()
	for _, p := range problems {
		if p.Severity == lint.Mistake {
			mistakes++
		}
		fmt.Fprintln(d.out, p.In(d.template))
	}
	return mistakes, err
}

func (d deployment) command(ctx context.Context, arguments ...string) error {
	fmt.Fprintln(d.out, "sam", strings.Join(arguments, " "))
	command := exec.CommandContext(ctx, d.sam, arguments...) // #nosec G204: the user's own SAM CLI
	command.Stdin, command.Stdout, command.Stderr = os.Stdin, os.Stdout, os.Stderr
	if err := command.Run(); err != nil {
		return fmt.Errorf("sam %s: %w", arguments[0], err)
	}
	return nil
}
