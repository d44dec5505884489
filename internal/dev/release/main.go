// Command release is `make release`: it builds everything that a release publishes, into one folder whose bytes depend
// on the tree alone. It publishes nothing: the workflow release.yml does, and attests what this command has built.
//
//	go run ./internal/dev/release -version 1.2.0 -out .build/release -tools .tools/venv/bin
//	go run ./internal/dev/release -set 1.2.0        # before the commit that is tagged v1.2.0
package main

import (
	"context"
	"errors"
	"flag"
	"fmt"
	"os"
	"strings"

	"github.com/cronbearer/cronbearer/internal/version"
)

func main() {
	r := release{root: "."}
	set := flag.String("set", "", "write this `version` into the tree, and build nothing")
	flag.StringVar(&r.version, "version", version.Current, "the `version` to build")
	flag.StringVar(&r.out, "out", ".build/release", "the `folder` to build into; it is emptied first")
	flag.StringVar(&r.tools, "tools", ".tools/venv/bin", "the `folder` of SAM CLI's Python, from make sam")
	only := flag.String("systems", strings.Join(systems, ","), "the `systems` that the tool is built for")
	flag.Parse()
	var err error
	if *set != "" {
		err = tree(r.root).set(strings.TrimPrefix(*set, "v"))
	} else {
		r.version, r.systems = strings.TrimPrefix(r.version, "v"), strings.Split(*only, ",")
		err = r.build(context.Background())
	}
	if err != nil {
		fmt.Fprintln(os.Stderr, "release:", err)
		os.Exit(1)
	}
}

// errDisagree is why nothing was built.
var errDisagree = errors.New("the tree is of another version: run go run ./internal/dev/release -set <version>")
