package main

import (
	"archive/zip"
	"bytes"
	"io"
	"os"
	"path/filepath"
	"strings"
	"testing"
	"time"

	"github.com/cronbearer/cronbearer/internal/dev/cfn"
	"github.com/cronbearer/cronbearer/internal/dev/shipped"
	"github.com/cronbearer/cronbearer/internal/version"
)

// copied is a tree with the files that name the version, where template.yaml is the shipped one, and a changelog.
func copied(t *testing.T, changes string) tree {
	t.Helper()
	dir := t.TempDir()
	source, err := os.ReadFile("../../version/version.go")
	if err != nil {
		t.Fatal(err)
	}
	for name, text := range map[string]string{
		"internal/version/version.go": string(source), "template.yaml": shipped.Template(), shipped.Path: shipped.Template(),
		changelog: "# Changelog\n\n" + changes, previous: "Resources: {}\n",
	} {
		write(t, filepath.Join(dir, name), text)
	}
	return tree(dir)
}

func write(t *testing.T, path, text string) {
	t.Helper()
	if err := os.MkdirAll(filepath.Dir(path), 0o750); err != nil {
		t.Fatal(err)
	}
	if err := os.WriteFile(path, []byte(text), 0o600); err != nil {
		t.Fatal(err)
	}
}

func TestEveryPlaceNamesTheVersion(t *testing.T) {
	t.Parallel()
	dir := copied(t, "## Unreleased\n\n* one\n")
	if err := dir.check(version.Current); err != nil {
		t.Errorf("the repository: %v", err)
	}
	for _, next := range []string{"1.2.0", "1.3.0-dev", "2.0.0-rc.1"} {
		if err := dir.set(next); err != nil {
			t.Fatal(err)
		}
		if err := dir.check(next); err != nil {
			t.Errorf("after -set %s: %v", next, err)
		}
	}
	write(t, filepath.Join(string(dir), "template.yaml"), "Resources: {}\n")
	err := dir.check("1.2.0")
	if err == nil {
		t.Fatal("a tree of another version was built")
	}
	for _, want := range []string{
		"version.go: has 2.0.0-rc.1, not 1.2.0", "template.yaml: has no version", "template.yaml: has 2.0.0-rc.1", "-set",
	} {
		if !strings.Contains(err.Error(), want) {
			t.Errorf("%q does not say %q", err, want)
		}
	}
}

// TestTemplateOfTheLastReleaseIsKept: upgrades are tried from it.
func TestTemplateOfTheLastReleaseIsKept(t *testing.T) {
	t.Parallel()
	dir := copied(t, "## Unreleased\n\n* one\n")
	for _, row := range []struct{ set, want string }{
		{set: "1.2.0-rc.1", want: ""}, // from the version of today, which is none that was released
		{set: "1.2.0", want: ""},
		{set: "1.3.0-dev", want: "1.2.0"},
		{set: "1.3.0-rc.1", want: "1.2.0"},
		{set: "1.3.0", want: "1.2.0"},
		{set: "1.4.0-dev", want: "1.3.0"},
	} {
		if err := dir.set(row.set); err != nil {
			t.Fatal(err)
		}
		data, err := os.ReadFile(filepath.Join(string(dir), previous))
		if err != nil {
			t.Fatal(err)
		}
		got := ""
		if found := outputVersion.FindSubmatch(data); found != nil {
			got = string(found[2])
		}
		if got != row.want {
			t.Errorf("after %s an upgrade is tried from %q, not %q", row.set, got, row.want)
		}
	}
}

func TestOnlySemanticVersionsAreSet(t *testing.T) {
	t.Parallel()
	for _, bad := range []string{
		"", "1", "1.2", "1.2.x", "01.2.0", "1.2.0+build", "1.2.0 ", "1.2.0\n", "1.2.0-", "x1.2.0",
	} {
		dir := copied(t, "## Unreleased\n\n* one\n")
		if err := dir.set(bad); err == nil {
			t.Errorf("%q was set", bad)
		}
		if err := dir.check(version.Current); err != nil {
			t.Errorf("after %q: %v", bad, err)
		}
	}
}

func TestNotesAreTheChangesOfTheVersion(t *testing.T) {
	t.Parallel()
	const changes = "## Unreleased\n\n* three\n\n## 1.2.0\n\n* two\n* again\n\n## 1.1.0\n\n* one\n\n## 1.0.0\n"
	for _, row := range []struct{ version, want string }{
		{version: "1.2.0", want: "* two\n* again\n"},
		{version: "1.1.0", want: "* one\n"},
		{version: "1.3.0-dev", want: "* three\n"},
		{version: "1.0.0", want: ""}, // empty
		{version: "1.3.0", want: ""}, // absent
		{version: "1.2", want: ""},
	} {
		got, err := copied(t, changes).notes(row.version)
		if got != row.want || (err == nil) != (row.want != "") {
			t.Errorf("%s: %q, %v; want %q", row.version, got, err, row.want)
		}
	}
}

func TestReleaseCutsTheChangelogOnce(t *testing.T) {
	t.Parallel()
	dir := copied(t, "## Unreleased\n\n* three\n\n## 1.2.0\n\n* two\n")
	for _, next := range []string{"1.3.0", "1.3.0", "1.4.0-dev"} {
		if err := dir.set(next); err != nil {
			t.Fatal(err)
		}
	}
	for name, want := range map[string]string{"1.3.0": "* three\n", "1.2.0": "* two\n", "1.4.0-dev": "Nothing yet.\n"} {
		if got, err := dir.notes(name); err != nil || got != want {
			t.Errorf("%s: %q, %v; want %q", name, got, err, want)
		}
	}
}

func TestLicencesAreRecognizedAndHeldToTheList(t *testing.T) {
	t.Parallel()
	const bsd = "Redistribution and use in source and binary forms, with or without\nmodification, are permitted"
	for _, row := range []struct{ name, file, text, want string }{
		{name: "Apache", file: "LICENSE.txt", text: "Apache License\n   Version 2.0, January 2004\n", want: "Apache-2.0"},
		{
			name: "MIT", file: "LICENSE", want: "MIT",
			text: "Permission is hereby granted, free of charge, to any person obtaining a copy",
		},
		{name: "BSD of two clauses", file: "LICENCE", text: bsd, want: "BSD-2-Clause"},
		{
			name: "BSD of three clauses", file: "LICENSE.md", want: "BSD-3-Clause",
			text: bsd + "\nNeither the name of the holder nor\nthe names of others may be used to endorse",
		},
		{
			name: "ISC", file: "COPYING", want: "ISC",
			text: "Permission to use, copy, modify, and distribute this software for any purpose",
		},
		{name: "GPL", file: "COPYING", text: "GNU GENERAL PUBLIC LICENSE\nVersion 3, 29 June 2007"},
		{name: "none of a name that is known", file: "README", text: "Apache License\nVersion 2.0, January 2004"},
		{name: "empty", file: "LICENSE"},
	} {
		dir := t.TempDir()
		write(t, filepath.Join(dir, row.file), row.text)
		all, err := read(map[string]string{"example.com/" + row.name: dir})
		if row.want == "" {
			if err == nil || !strings.Contains(err.Error(), "example.com/"+row.name) {
				t.Errorf("%s: %v was allowed: %v", row.name, all, err)
			}
			continue
		}
		if err != nil || all[0].License != row.want || !strings.Contains(all.text(), row.text) {
			t.Errorf("%s: %v, %v; want %s", row.name, all, err, row.want)
		}
	}
}

// TestLicencesOfWhatIsPublishedAreAllowed reads the real modules.
func TestLicencesOfWhatIsPublishedAreAllowed(t *testing.T) {
	t.Parallel()
	all, err := thirdParty(t.Context(), "../../..")
	if err != nil {
		t.Fatal(err)
	}
	text := all.text()
	for _, want := range []string{
		"github.com/aws/aws-lambda-go, Apache-2.0", "\nstd, BSD-3-Clause", "github.com/spf13/cobra, ", "mousetrap, ",
	} {
		if !strings.Contains(text, want) {
			t.Errorf("the notices do not have %q", want)
		}
	}
}

// TestPackagedTemplateDiffersOnlyInWhereTheCodeIs from the shipped one.
func TestPackagedTemplateDiffersOnlyInWhereTheCodeIs(t *testing.T) {
	t.Parallel()
	text, err := packaged(shipped.Template())
	if err != nil {
		t.Fatal(err)
	}
	stack, err := cfn.Parse([]byte(text), cfn.Options{Parameters: map[string]string{"AllowedHosts": "api.example.com"}})
	if err != nil {
		t.Fatal(err)
	}
	if len(stack.Resources) == 0 {
		t.Error("no resources")
	}
	undone := text
	for _, name := range []string{"caller", "rotator"} {
		if strings.Count(text, "CodeUri: "+name+".zip\n") != 1 {
			t.Errorf("%s.zip is not in it once", name)
		}
		undone = strings.Replace(undone, "CodeUri: "+name+".zip\n", "CodeUri: .\n", 1)
	}
	const built = "    Metadata:\n      BuildMethod: makefile\n"
	if want := strings.ReplaceAll(shipped.Template(), built, ""); undone != want {
		t.Error("something else is different")
	}
	if _, err := packaged(strings.Replace(shipped.Template(), "CodeUri: .", "CodeUri: src", 1)); err == nil {
		t.Error("a template that is built in another way was packaged")
	}
}

func TestArchivesDependOnTheirContentAlone(t *testing.T) {
	t.Parallel()
	for _, name := range []string{"a.zip", "a.tar.gz"} {
		var archives [][]byte
		for i := range 2 {
			dir := t.TempDir()
			program := filepath.Join(dir, "program")
			write(t, program, "bytes")
			when := time.Date(2020+i, 1, 1, 0, 0, 0, 0, time.UTC)
			if err := os.Chtimes(program, when, when); err != nil {
				t.Fatal(err)
			}
			path := filepath.Join(dir, name)
			boot := entry{name: "bootstrap", from: program, executable: true}
			if err := pack(path, boot, entry{name: "b", text: "x"}); err != nil {
				t.Fatal(err)
			}
			data, err := os.ReadFile(path)
			if err != nil {
				t.Fatal(err)
			}
			archives = append(archives, data)
		}
		if !bytes.Equal(archives[0], archives[1]) {
			t.Errorf("%s depends on the file's time or folder", name)
		}
	}
}

// TestFunctionsAreExecutableInTheirArchive: Lambda starts bootstrap, whose mode it takes from the zip file.
func TestFunctionsAreExecutableInTheirArchive(t *testing.T) {
	t.Parallel()
	dir := t.TempDir()
	write(t, filepath.Join(dir, "program"), "bytes")
	path := filepath.Join(dir, "a.zip")
	if err := pack(path, entry{name: "bootstrap", from: filepath.Join(dir, "program"), executable: true}); err != nil {
		t.Fatal(err)
	}
	archive, err := zip.OpenReader(path)
	if err != nil {
		t.Fatal(err)
	}
	defer archive.Close() //nolint:errcheck // read only
	file := archive.File[0]
	content, err := file.Open()
	if err != nil {
		t.Fatal(err)
	}
	data, err := io.ReadAll(content)
	if err != nil || string(data) != "bytes" || file.Mode() != 0o755 {
		t.Errorf("%s: %s, %q, %v", file.Name, file.Mode(), data, err)
	}
}

// TestSumsAreThoseOfEveryFile in the form that sha256sum -c reads.
func TestSumsAreThoseOfEveryFile(t *testing.T) {
	t.Parallel()
	r := release{out: t.TempDir()}
	write(t, filepath.Join(r.out, "b"), "abc")
	write(t, filepath.Join(r.out, "a"), "")
	if err := r.sums(); err != nil {
		t.Fatal(err)
	}
	data, err := os.ReadFile(filepath.Join(r.out, checksums))
	const want = "e3b0c44298fc1c149afbf4c8996fb92427ae41e4649b934ca495991b7852b855  a\n" +
		"ba7816bf8f01cfea414140de5dae2223b00361a396177a9cb410ff61f20015ad  b\n"
	if err != nil || string(data) != want {
		t.Errorf("%s, %v", data, err)
	}
}
