package main

import (
	"bytes"
	"cmp"
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"os"
	"os/exec"
	"path/filepath"
	"regexp"
	"slices"
	"strings"
)

// component is a module of others that is compiled into what we publish.
type component struct {
	Path, License string // the licence by SPDX's name
	Texts         string // LICENSE and NOTICE, as they ask for
}

type components []component

// allowed are licences under which a program may be given away with Apache-2.0 and a copy of their texts.
var allowed = []string{"Apache-2.0", "BSD-2-Clause", "BSD-3-Clause", "ISC", "MIT"}

// licenses recognizes a licence by words that only it has. The first that matches is it.
var licenses = []struct {
	name  string
	words *regexp.Regexp
}{
	{"Apache-2.0", regexp.MustCompile(`Apache License\s+Version 2\.0, January 2004`)},
	{"MIT", regexp.MustCompile(`Permission is hereby granted, free of charge, to any person obtaining a copy`)},
	{"ISC", regexp.MustCompile(`Permission to use, copy, modify, and(/or)? distribute this software for any\s+purpose`)},
	{"BSD-3-Clause", regexp.MustCompile(
		`(?s)Redistribution and use in source and binary forms.*[Nn]either the name.*may be used to endorse`,
	)},
	{"BSD-2-Clause", regexp.MustCompile(`Redistribution and use in source and binary forms`)},
}

// thirdParty reads the licence of each module of what we publish. One that is not allowed, or not recognized, is an
// error: nothing is published with it.
func thirdParty(ctx context.Context, root string) (components, error) {
	goroot, err := exec.CommandContext(ctx, "go", "env", "GOROOT").Output()
	if err != nil {
		return nil, fmt.Errorf("go env: %w", err)
	}
	folders := map[string]string{"std": strings.TrimSpace(string(goroot))}
	for _, pair := range systems { // some modules are compiled in on one system only
		system, arch, _ := strings.Cut(pair, "/")
		command := exec.CommandContext(ctx, "go", "list", "-deps", "-tags", "lambda.norpc", "-json=Module",
			"./functions/caller", "./functions/rotator", tool)
		command.Dir, command.Stderr = root, os.Stderr
		command.Env = append(os.Environ(), "GOOS="+system, "GOARCH="+arch, "CGO_ENABLED=0")
		list, err := command.Output()
		if err != nil {
			return nil, fmt.Errorf("go list for %s: %w", pair, err)
		}
		if err := addModules(folders, list); err != nil {
			return nil, err
		}
	}
	return read(folders)
}

// addModules adds the folders of modules from the output of go list -json=Module.
func addModules(folders map[string]string, list []byte) error {
	for decoder := json.NewDecoder(bytes.NewReader(list)); ; {
		var p struct {
			Module *struct {
				Path, Dir string
				Main      bool
			}
		}
		if err := decoder.Decode(&p); errors.Is(err, io.EOF) {
			return nil
		} else if err != nil {
			return fmt.Errorf("go list: %w", err)
		}
		if p.Module != nil && !p.Module.Main {
			folders[p.Module.Path] = p.Module.Dir
		}
	}
}

func read(folders map[string]string) (components, error) {
	var all components
	var problems []error
	for module, folder := range folders {
		c, err := readComponent(module, folder)
		if err == nil && !slices.Contains(allowed, c.License) {
			err = fmt.Errorf("%s: %s is not an allowed licence", module, c.License)
		}
		if err != nil {
			problems = append(problems, err)
		}
		all = append(all, c)
	}
	slices.SortFunc(all, func(a, b component) int { return cmp.Compare(a.Path, b.Path) })
	return all, errors.Join(problems...)
}

func readComponent(module, folder string) (component, error) {
	c := component{Path: module}
	files, err := filepath.Glob(filepath.Join(folder, "[LNC][IOC][CTP][EIY][NCI]*")) // LICENSE, LICENCE, NOTICE, COPYING
	if err != nil {
		return c, err
	}
	for _, file := range files {
		data, err := os.ReadFile(file) // #nosec G304: of a module
		if err != nil {
			return c, err
		}
		text := string(data)
		for _, l := range licenses {
			if c.License == "" && l.words.MatchString(text) {
				c.License = l.name
			}
		}
		c.Texts += strings.TrimSpace(text) + "\n\n"
	}
	if c.License == "" {
		return c, fmt.Errorf("%s: no licence that is known here, in %d files", module, len(files))
	}
	return c, nil
}

// text is what goes with a program.
func (all components) text() string {
	var b strings.Builder
	b.WriteString("Cronbearer contains these modules of others.\n")
	line := strings.Repeat("=", 80)
	for _, c := range all {
		fmt.Fprintf(&b, "\n%s\n%s, %s\n%s\n\n%s", line, c.Path, c.License, line, c.Texts)
	}
	return b.String()
}
