// Command interop tries Cronbearer's token requests against two certified authorization servers that others wrote
// (oidc-provider, from npm, and zitadel/oidc, a Go module): every grant and every client authentication, rejected
// credentials, replay, rotation of refresh tokens and of keys, and the real binaries in the local cloud. Run it by make
// check-interop.
//
// It needs Node.js and npm, installs what package-lock.json pins into internal/dev/interop/node_modules, and talks to
// loopback only. It prints a line for each check and stops with an error at the first that fails. What a server does
// not have is printed as well.
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
	zitadel := flag.String(
		"zitadel", filepath.Join(".tools", "interop", "zitadel"), "the second server, built by interop.sh",
	)
	binaries := flag.String(
		"binaries", filepath.Join(".build", "native"), "the folder of caller and rotator, from `make native`",
	)
	flag.Parse()
	if err := run(*dir, *zitadel, *binaries, os.Stdout); err != nil {
		fmt.Fprintln(os.Stderr, "interop:", err)
		os.Exit(1)
	}
}

func run(dir, zitadel, binaries string, out io.Writer) error {
	const limit = 5 * time.Minute
	ctx, cancel := context.WithTimeout(context.Background(), limit)
	defer cancel()
	start := time.Now()
	if err := install(ctx, dir); err != nil {
		return err
	}
	_, _ = fmt.Fprintf(out, "npm ci took %s\n", time.Since(start).Round(time.Millisecond))
	s, err := newSuite(
		map[string]string{"Caller": absolute(binaries, "caller"), "Rotator": absolute(binaries, "rotator")}, out,
	)
	if err != nil {
		return err
	}
	for _, with := range []other{oidcProvider(dir), zitadelOIDC(absolute(zitadel))} {
		start := time.Now()
		passed, err := s.try(ctx, with)
		if err != nil {
			return err
		}
		_, _ = fmt.Fprintf(out, "%s: %d checks passed in %s\n", with.name, passed, time.Since(start).Round(time.Millisecond))
	}
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
				"the checks run the authorization server oidc-provider with it and cannot be left out", program)
		}
	}
	if _, err := os.Stat(filepath.Join(dir, "package-lock.json")); err != nil {
		return errors.New("there is no package-lock.json in " + dir + ": run this from the module's root")
	}
	npm := exec.CommandContext(
		ctx, "npm", "ci", "--prefix", dir, "--ignore-scripts", "--no-audit", "--no-fund", "--loglevel=error",
	)
	if text, err := npm.CombinedOutput(); err != nil {
		return fmt.Errorf("npm ci: %w\n%s", err, text)
	}
	return nil
}
