// Command commands prints the commands of the AWS CLI that pages show and alarms send, one JSON list of words a line.
// Before them are the file, and whether the command is whole or only named. make check holds them against the API
// models that the AWS CLI is made from.
//
//	go run ./internal/dev/check/commands
package main

import (
	"encoding/json"
	"fmt"
	"io/fs"
	"os"
	"path/filepath"
	"regexp"
	"strings"

	"github.com/cronbearer/cronbearer/internal/dev/markdown"
	"github.com/cronbearer/cronbearer/internal/dev/shipped"
)

func main() {
	if err := run(); err != nil {
		fmt.Fprintln(os.Stderr, err)
		os.Exit(1)
	}
}

var (
	span = regexp.MustCompile("`(aws [a-z][^`]*)`")
	// A command of a description is the rest of its line; CloudFormation's references are its placeholders.
	described = regexp.MustCompile(`(?m)\b(aws [a-z0-9-]+ [a-z-]+ [X<-][^\n]*)`)
	reference = regexp.MustCompile(`\$\{[A-Za-z:.]+\}`)
)

func run() error {
	encoder := json.NewEncoder(os.Stdout)
	return filepath.WalkDir(".", func(path string, entry fs.DirEntry, err error) error {
		if err != nil {
			return err
		}
		if entry.IsDir() && (strings.HasPrefix(entry.Name(), ".") && path != "." || entry.Name() == "node_modules") {
			return filepath.SkipDir
		}
		page := strings.HasSuffix(path, ".md")
		if !page && path != shipped.Path && (!strings.HasPrefix(path, "infra/") || filepath.Ext(path) != ".yaml") {
			return nil
		}
		data, err := os.ReadFile(path) // #nosec G122: our own tree
		if err != nil {
			return err
		}
		calls, err := callsOf(string(data), page)
		if err != nil {
			return fmt.Errorf("%s: %w", path, err)
		}
		for _, call := range calls {
			if err := encoder.Encode(append([]string{path}, call...)); err != nil {
				return err
			}
		}
		return nil
	})
}

// How a text has a command.
const (
	whole = "whole"
	named = "named"
)

func callsOf(text string, page bool) ([][]string, error) {
	var all [][]string
	add := func(how string, calls [][]string) {
		for _, call := range calls {
			if call[0] == "aws" && len(call) > 2 { //nolint:mnd // aws, service, operation
				all = append(all, append([]string{how}, call...))
			}
		}
	}
	if !page {
		for _, m := range described.FindAllStringSubmatch(reference.ReplaceAllString(text, markdown.Unknown), -1) {
			calls, err := markdown.Calls(m[1])
			if err != nil {
				return nil, err
			}
			add(whole, calls)
		}
		return all, nil
	}
	blocks, err := markdown.Shells(text, "")
	if err != nil {
		return nil, err
	}
	for _, b := range blocks {
		add(whole, b.Calls)
	}
	for _, m := range span.FindAllStringSubmatch(text, -1) {
		calls, err := markdown.Calls(strings.ReplaceAll(m[1], "…", markdown.Unknown))
		if err != nil {
			return nil, err
		}
		add(named, calls)
	}
	return all, nil
}
