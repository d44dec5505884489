// Command interop tries Cronbearer's token requests against a certified authorisation server that others wrote
// (oidc-provider, from npm): every grant and every client authentication, refused credentials, replay, rotation of
// refresh tokens and of keys, and the real binaries in the local cloud. Run it by make check-interop.
//
// It needs Node.js and npm, installs what package-lock.json pins into internal/dev/interop/node_modules, and talks to loopback
// only. It prints a line for each check and ends with an error at the first that fails. It skips nothing.
package main

import (
	"context"
	"errors"
	"flag"
	"fmt"
	"io"
	"os"
	"os/exec"
	"path/filepath"
	"time"
)

func main() {
	dir := flag.String("dir", filepath.Join("internal", "dev", "interop"), "the folder that holds server.mjs")
	binaries := flag.String("binaries", filepath.Join(".build", "native"), "the folder of caller and rotator, from `make native`")
	flag.Parse()
	if err := run(*dir, *binaries, os.Stdout); err != nil {
		fmt.Fprintln(os.Stderr, "interop:", err)
		os.Exit(1)
	}
}

func run(dir, binaries string, out io.Writer) error {
	const limit = 5 * time.Minute
	ctx, cancel := context.WithTimeout(context.Background(), limit)
	defer cancel()
	start := time.Now()
	if err := install(ctx, dir); err != nil {
		return err
	}
	_, _ = fmt.Fprintf(out, "npm ci took %s\n", time.Since(start).Round(time.Millisecond))
	s, err := newSuite(ctx, dir, map[string]string{
		"Caller": absolute(binaries, "caller"), "Rotator": absolute(binaries, "rotator"),
	}, out)
	if err != nil {
		return err
	}
	err = s.run(ctx)
	if closeErr := s.server.close(); err == nil {
		err = closeErr
	}
	if err != nil {
		return err
	}
	_, _ = fmt.Fprintf(out, "%d checks passed in %s\n", s.passed, time.Since(start).Round(time.Millisecond))
	return nil
}

// absolute is the path for a process that runs in another folder.
func absolute(elements ...string) string {
	path := filepath.Join(elements...)
	if whole, err := filepath.Abs(path); err == nil {
		return whole
	}
	return path
}

// install puts what package-lock.json pins into node_modules. No package's script runs.
func install(ctx context.Context, dir string) error {
	for _, program := range []string{"node", "npm"} {
		if _, err := exec.LookPath(program); err != nil {
			return fmt.Errorf("%s is missing: install Node.js 22 or later (20.12 works too); "+
				"the checks run the authorisation server oidc-provider with it and cannot be left out", program)
		}
	}
	if _, err := os.Stat(filepath.Join(dir, "package-lock.json")); err != nil {
		return errors.New("there is no package-lock.json in " + dir + ": run this from the module's root")
	}
	npm := exec.CommandContext(ctx, "npm", "ci", "--prefix", dir, "--ignore-scripts", "--no-audit", "--no-fund", "--loglevel=error")
	if text, err := npm.CombinedOutput(); err != nil {
		return fmt.Errorf("npm ci: %w\n%s", err, text)
	}
	return nil
}
