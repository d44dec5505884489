package cli_test

import (
	"bytes"
	"context"
	"encoding/json"
	"flag"
	"fmt"
	"io"
	"maps"
	"os"
	"path/filepath"
	"reflect"
	"regexp"
	"slices"
	"strings"
	"testing"
	"time"

	"github.com/google/jsonschema-go/jsonschema"
	"github.com/spf13/cobra"
	"github.com/spf13/cobra/doc"

	"github.com/cronbearer/cronbearer/infra/cronbearer/internal/account"
	"github.com/cronbearer/cronbearer/infra/cronbearer/internal/cli"
	"github.com/cronbearer/cronbearer/infra/cronbearer/internal/exit"
	"github.com/cronbearer/cronbearer/infra/cronbearer/internal/view"
)

var update = flag.Bool("update", false, "rewrite docs/cli")

const pages = "../../../../docs/cli"

// app returns an App without a terminal, in an empty folder, and what it wrote.
func app(t *testing.T) (*cli.App, *bytes.Buffer, *bytes.Buffer) {
	t.Helper()
	var out, errs bytes.Buffer
	return &cli.App{
		IO:     &view.IO{In: strings.NewReader(""), Out: &out, Err: &errs, Width: view.DefaultWidth, Zone: time.UTC},
		Now:    func() time.Time { return time.Date(2026, 11, 28, 1, 12, 0, 0, time.UTC) },
		Getenv: func(string) string { return "" },
		Dial: func(context.Context, cli.AccountOptions, string) (account.Clients, error) {
			return account.Clients{}, &exit.Error{Status: exit.AWS, Code: "NoCredentials", Text: "there are no AWS credentials"}
		},
	}, &out, &errs
}

func tree(t *testing.T) *cobra.Command {
	t.Helper()
	a, _, _ := app(t)
	root := cli.Root(a)
	root.InitDefaultHelpCmd()
	root.InitDefaultCompletionCmd()
	return root
}

func each(c *cobra.Command, do func(*cobra.Command)) {
	do(c)
	for _, sub := range c.Commands() {
		each(sub, do)
	}
}

// own reports whether a command is ours: not cobra's completion and help.
func own(c *cobra.Command) bool {
	return !strings.HasPrefix(c.CommandPath(), "cronbearer completion") && c.Name() != "help"
}

// TestReferenceIsGenerated holds docs/cli against the command tree: -update rewrites it.
func TestReferenceIsGenerated(t *testing.T) {
	t.Parallel()
	root := tree(t)
	root.DisableAutoGenTag = true
	folder := t.TempDir()
	if err := doc.GenMarkdownTree(root, folder); err != nil {
		t.Fatal(err)
	}
	want := map[string][]byte{}
	for _, path := range glob(t, folder, "*.md") {
		data, err := os.ReadFile(filepath.Join(folder, path))
		if err != nil {
			t.Fatal(err)
		}
		want[path] = []byte(readable(string(data)))
	}
	compareFolder(t, pages, "cronbearer*.md", want)
}

var (
	synopsis = regexp.MustCompile("(?s)### Synopsis\n\n(.*?)\n+(```\n|### )")
	opened   = regexp.MustCompile("(?ms)^```\n(.*?^```$)")
)

// readable is one of cobra's pages as Markdown shows it best: help is text for a terminal, where <word> is no HTML and
// a line break is one. The page's title is its first heading.
func readable(page string) string {
	page = synopsis.ReplaceAllString(page, "### Synopsis\n\n```\n$1\n```\n\n$2")
	page = opened.ReplaceAllString(page, "```text\n$1")
	page = strings.NewReplacer("\n### ", "\n## ", "\t - ", " - ", "\t", "    ").Replace(page)
	return strings.TrimRight(strings.TrimPrefix(page, "#"), "\n") + "\n"
}

// TestSchemasAreGenerated holds docs/cli/schema against the types of the documents.
func TestSchemasAreGenerated(t *testing.T) {
	t.Parallel()
	a, _, _ := app(t)
	cli.Root(a)
	want := map[string][]byte{}
	for path, document := range a.Documents() {
		schema, err := jsonschema.ForType(reflect.TypeOf(document), &jsonschema.ForOptions{})
		if err != nil {
			t.Fatal(err)
		}
		open(schema)
		schema.Schema = "https://json-schema.org/draft/2020-12/schema"
		schema.Title = "The output of cronbearer " + path + " --json"
		data, err := json.MarshalIndent(schema, "", "  ")
		if err != nil {
			t.Fatal(err)
		}
		want[strings.ReplaceAll(path, " ", "-")+".json"] = append(data, '\n')
	}
	compareFolder(t, filepath.Join(pages, "schema"), "*.json", want)
}

// open lets a document have members that its schema does not know, as members are added within a version.
func open(s *jsonschema.Schema) {
	if s == nil {
		return
	}
	s.AdditionalProperties = nil
	open(s.Items)
	for _, member := range s.Properties {
		open(member)
	}
}

func glob(t *testing.T, folder, pattern string) []string {
	t.Helper()
	paths, err := filepath.Glob(filepath.Join(folder, pattern))
	if err != nil {
		t.Fatal(err)
	}
	for i, p := range paths {
		paths[i] = filepath.Base(p)
	}
	return paths
}

func compareFolder(t *testing.T, folder, pattern string, want map[string][]byte) {
	t.Helper()
	if *update {
		rewriteFolder(t, folder, pattern, want)
	}
	for _, name := range slices.Sorted(maps.Keys(want)) {
		if got, err := os.ReadFile(filepath.Join(folder, name)); err != nil || !bytes.Equal(got, want[name]) {
			t.Errorf("%s/%s is out of date: make generate (%v)", folder, name, err)
		}
	}
	for _, name := range glob(t, folder, pattern) {
		if want[name] == nil {
			t.Errorf("%s/%s belongs to nothing: make generate", folder, name)
		}
	}
}

func rewriteFolder(t *testing.T, folder, pattern string, want map[string][]byte) {
	t.Helper()
	if err := os.MkdirAll(folder, 0o750); err != nil {
		t.Fatal(err)
	}
	for _, name := range glob(t, folder, pattern) {
		if err := os.Remove(filepath.Join(folder, name)); err != nil {
			t.Fatal(err)
		}
	}
	for name, data := range want {
		if err := os.WriteFile(filepath.Join(folder, name), data, 0o600); err != nil {
			t.Fatal(err)
		}
	}
}

func TestEveryCommandExplainsItself(t *testing.T) {
	t.Parallel()
	scripts := allScripts(t)
	each(tree(t), func(c *cobra.Command) {
		if !own(c) {
			return
		}
		path := c.CommandPath()
		if c.Short == "" || c.Long == "" || strings.HasSuffix(c.Short, ".") {
			t.Errorf("%s: needs a Short without a full stop, and a Long", path)
		}
		for line := range strings.SplitSeq(c.Long+"\n"+c.Example, "\n") {
			if len([]rune(line)) > view.DefaultWidth {
				t.Errorf("%s: wider than %d columns: %s", path, view.DefaultWidth, line)
			}
		}
		if !c.Runnable() || c.HasSubCommands() || c.Hidden {
			return
		}
		if c.Example == "" {
			t.Errorf("%s: has no example", path)
		}
		for line := range strings.SplitSeq(c.Example, "\n") {
			command := strings.TrimSpace(line)
			if command != "" && !strings.HasPrefix(command, "#") && !strings.Contains(scripts, command) {
				t.Errorf("%s: no script runs the example: %s", path, command)
			}
		}
	})
}

func allScripts(t *testing.T) string {
	t.Helper()
	var b strings.Builder
	const folder = "../../testdata/script"
	for _, name := range glob(t, folder, "*.txtar") {
		data, err := os.ReadFile(filepath.Join(folder, name))
		if err != nil {
			t.Fatal(err)
		}
		b.Write(data)
	}
	return b.String()
}

// TestJSONIsOneDocument runs each command that has --json with a closed standard input and no terminal, in a folder
// without a template: what is written is one document on one stream, and the exit code fits.
func TestJSONIsOneDocument(t *testing.T) {
	t.Parallel()
	each(tree(t), func(c *cobra.Command) {
		if !own(c) || !c.Runnable() || c.HasSubCommands() {
			return
		}
		t.Run(c.CommandPath(), func(t *testing.T) {
			t.Parallel()
			a, out, errs := app(t)
			arguments := append(strings.Fields(c.CommandPath())[1:], "--json", "-t", filepath.Join(t.TempDir(), "none.yaml"))
			status := cli.Main(t.Context(), arguments, a)
			if status == exit.OK {
				one(t, out, "version")
				return
			}
			one(t, errs, "error")
			if out.Len() > 0 {
				t.Errorf("exit code %d, and standard output: %s", status, out)
			}
		})
	})
}

func one(t *testing.T, from io.Reader, member string) {
	t.Helper()
	decoder := json.NewDecoder(from)
	var document map[string]any
	if err := decoder.Decode(&document); err != nil || document[member] == nil {
		t.Errorf("no document with %q: %v, %v", member, document, err)
	}
	if decoder.More() {
		t.Error("more than one document")
	}
}

func TestUsageErrorsExitWithTwo(t *testing.T) {
	t.Parallel()
	for name, arguments := range map[string][]string{
		"unknown command":    {"nonsense"},
		"unknown flag":       {"version", "--nonsense"},
		"too many arguments": {"version", "extra"},
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			a, out, errs := app(t)
			if status := cli.Main(t.Context(), arguments, a); status != exit.Usage || out.Len() > 0 ||
				!regexp.MustCompile(`(?m)^Usage: cronbearer`).Match(errs.Bytes()) {
				t.Errorf("%d, %q, %q", status, out, errs)
			}
		})
	}
}

func TestCompletionsAreWritten(t *testing.T) {
	t.Parallel()
	for _, shell := range []string{"bash", "zsh", "fish"} {
		a, out, _ := app(t)
		if status := cli.Main(t.Context(), []string{"completion", shell}, a); status != exit.OK || out.Len() < 1000 {
			t.Error(fmt.Sprint(shell, status, out.Len()))
		}
	}
}

// TestEveryCommandIsATarget: with only Go and make, an operator runs `make plan`; check is make's own, so it is `make
// check-jobs`.
func TestEveryCommandIsATarget(t *testing.T) {
	t.Parallel()
	data, err := os.ReadFile("../../../../Makefile")
	if err != nil {
		t.Fatal(err)
	}
	list := regexp.MustCompile(`(?m)^TOOL :=(.*)$`).FindSubmatch(data)
	if list == nil {
		t.Fatal("the Makefile has no TOOL")
	}
	targets := strings.Fields(string(list[1]))
	for _, c := range tree(t).Commands() {
		name := c.Name()
		if name == "check" {
			name = "check-jobs"
		}
		if own(c) && c.Runnable() && !c.Hidden && name != "version" && !slices.Contains(targets, name) {
			t.Errorf("no target runs cronbearer %s: add it to TOOL in the Makefile", c.Name())
		}
	}
}
