package cli_test

import (
	"fmt"
	"maps"
	"os"
	"path/filepath"
	"regexp"
	"slices"
	"strings"
	"testing"

	"github.com/spf13/cobra"
	"github.com/spf13/pflag"

	"github.com/cronbearer/cronbearer/internal/dev/markdown"
)

const repository = "../../../.."

// call is a command line of the tool: the path of its command, and the names of its flags.
type call struct {
	path  string
	flags []string
	// account reports whether the command needs an account.
	account bool
}

// parse reads a command line as the tool does, without running it.
func parse(t *testing.T, words []string) (call, error) {
	t.Helper()
	root := tree(t)
	found, rest, err := root.Find(words)
	if err != nil {
		return call{}, err
	}
	if err := found.ParseFlags(rest); err != nil {
		return call{}, fmt.Errorf("%s: %w", found.CommandPath(), err)
	}
	if err := found.ValidateArgs(found.Flags().Args()); err != nil {
		return call{}, fmt.Errorf("%s: %w", found.CommandPath(), err)
	}
	c := call{path: found.CommandPath(), account: found.Flags().Lookup("profile") != nil}
	found.Flags().Visit(func(f *pflag.Flag) { c.flags = append(c.flags, f.Name) })
	if slices.Contains(c.flags, "dry") {
		c.account = false
	}
	return c, nil
}

var arguments = regexp.MustCompile(`^ARGS=`)

// tool returns the arguments of the operator's tool in a command, or false if it is another command.
func tool(words []string) ([]string, bool) {
	switch {
	case words[0] == "cronbearer":
		return words[1:], true
	case words[0] == "go" && len(words) > 2 && words[1] == "run" && strings.Contains(words[2], "infra/cronbearer"):
		return words[3:], true
	case words[0] == "make" && len(words) > 1:
		name := strings.TrimSuffix(words[1], "-jobs")
		// The Makefile's own targets of these names are in its rules; `make check` is one of them.
		if words[1] == "check" || !slices.Contains(makeTool(), words[1]) {
			return nil, false
		}
		list := []string{name}
		for _, word := range words[2:] {
			list = append(list, strings.Fields(arguments.ReplaceAllString(word, ""))...)
		}
		return list, true
	}
	return nil, false
}

// makeTool are the commands that the Makefile passes on.
func makeTool() []string {
	text, err := os.ReadFile(filepath.Join(repository, "Makefile"))
	if err != nil {
		panic(err)
	}
	return strings.Fields(regexp.MustCompile(`(?m)^TOOL := (.*)$`).FindStringSubmatch(string(text))[1])
}

// scripted are the command lines of the scripts that tests run: the flags with which each command is run.
func scripted(t *testing.T) map[string]map[string]bool {
	t.Helper()
	all := map[string]map[string]bool{}
	lines := regexp.MustCompile(`(?m)^(?:\$ |! |exec |! exec )?.*\bcronbearer .*$`)
	for _, path := range glob(t, filepath.Join(repository, "infra/cronbearer/testdata/script"), "*.txtar") {
		data, err := os.ReadFile(filepath.Join(repository, "infra/cronbearer/testdata/script", path))
		if err != nil {
			t.Fatal(err)
		}
		text := strings.ReplaceAll(string(data), "\\\n", " ")
		for _, line := range lines.FindAllString(text, -1) {
			_, rest, _ := strings.Cut(line, "cronbearer ")
			calls, err := markdown.Calls("cronbearer " + strings.TrimSuffix(strings.TrimSpace(rest), "&cronbearer&"))
			if err != nil || len(calls) == 0 {
				continue // prose
			}
			c, err := parse(t, calls[0][1:])
			if err != nil {
				continue // a script of wrong command lines
			}
			if all[c.path] == nil {
				all[c.path] = map[string]bool{}
			}
			for _, name := range c.flags {
				all[c.path][name] = true
			}
		}
	}
	return all
}

// pagesOf are the Markdown files of the repository with their text, and each folder's index.
func pagesOf(t *testing.T) map[string]string {
	t.Helper()
	all := map[string]string{}
	for _, folder := range []string{".", "docs", "docs/runbooks", "docs/providers", "docs/decisions", "infra"} {
		for _, name := range glob(t, filepath.Join(repository, folder), "*.md") {
			data, err := os.ReadFile(filepath.Join(repository, folder, name))
			if err != nil {
				t.Fatal(err)
			}
			all[filepath.Join(folder, name)] = string(data)
		}
	}
	return all
}

// shown returns what is wrong with the tool's command lines in the blocks of a page, and their number.
func shown(t *testing.T, page, index string, scripts map[string]map[string]bool) (problems []string, seen int) {
	t.Helper()
	blocks, err := markdown.Shells(page, index)
	if err != nil {
		return []string{err.Error()}, 0
	}
	for _, b := range blocks {
		add := func(format string, values ...any) {
			problems = append(problems, fmt.Sprintf("line %d: ", b.Line)+fmt.Sprintf(format, values...))
		}
		for _, words := range b.Calls {
			line, ok := tool(words)
			if !ok {
				continue
			}
			seen++
			c, err := parse(t, line)
			switch {
			case err != nil:
				add("%q: %v", strings.Join(words, " "), err)
			case c.account && b.Mark == "":
				add("%q needs an account: mark its block", strings.Join(words, " "))
			case scripts[c.path] == nil:
				add("no script runs %q", c.path)
			}
			for _, flag := range c.flags {
				if !scripts[c.path][flag] {
					add("no script runs %s with --%s", c.path, flag)
				}
			}
		}
	}
	return problems, seen
}

// TestPagesShowCommandsThatScriptsRun: every command line of the tool in a block of a page is one that the tool
// accepts. One that needs an account is marked; a script runs the command, and with each of its flags.
func TestPagesShowCommandsThatScriptsRun(t *testing.T) {
	t.Parallel()
	scripts, pages, sum := scripted(t), pagesOf(t), 0
	for name, page := range pages {
		problems, seen := shown(t, page, pages[filepath.Join(filepath.Dir(name), "README.md")], scripts)
		for _, problem := range problems {
			t.Errorf("%s: %s", name, problem)
		}
		sum += seen
	}
	if sum == 0 {
		t.Error("no page shows the tool")
	}
}

// TestWrongCommandLinesOfPagesAreFound: each kind of mistake, and its right form.
func TestWrongCommandLinesOfPagesAreFound(t *testing.T) {
	t.Parallel()
	scripts := scripted(t)
	for text, want := range map[string]string{
		"cronbearer check --strict":                                      "",
		"cronbearer plan HourlySync && aws sts get-caller-identity":      "",
		"# needs an AWS account\ncronbearer status":                      "",
		"# needs an AWS account\nmake token ARGS='set ExampleApi'":       "",
		"cronbearer run HourlySync --dry":                                "",
		"make check":                                                     "",
		"cronbearer chekc":                                               `unknown command "chekc"`,
		"cronbearer check --strictly":                                    "unknown flag: --strictly",
		"cronbearer status":                                              "needs an account",
		"make status":                                                    "needs an account",
		"# needs an AWS account\ncronbearer token set":                   "needs <token>",
		"go run ./infra/cronbearer check template.yaml --nothing":        "unknown flag",
		"# needs an AWS account\necho $(cronbearer resend --everything)": "unknown flag: --everything",
	} {
		got, _ := shown(t, "```sh\n"+text+"\n```", "", scripts)
		if all := strings.Join(got, "\n"); (want == "") != (all == "") || !strings.Contains(all, want) {
			t.Errorf("%q: %q, want %q", text, all, want)
		}
	}
	if got, _ := shown(t, "```sh\ncronbearer check --strict\n```", "", nil); len(got) != 2 { //nolint:mnd // command, flag
		t.Errorf("a command that no script runs: %q", got)
	}
	for text, want := range map[string]string{
		"cronbearer status --watch": "", "cronbearer token": "", "cronbearer pause": "",
		"cronbearer statsu": "unknown command", "cronbearer status --wach": "no flag --wach",
		"cronbearer token fix": "no command fix",
	} {
		err := named(t, text)
		if (want == "") != (err == nil) || err != nil && !strings.Contains(err.Error(), want) {
			t.Errorf("%q: %v, want %q", text, err, want)
		}
	}
}

var span = regexp.MustCompile("`(cronbearer [^`]+|make [a-z-]+ ARGS=[^`]+)`")

// TestPagesNameCommandsOfTheTool: a command in the text of a page exists, and has the flags that the text names.
func TestPagesNameCommandsOfTheTool(t *testing.T) {
	t.Parallel()
	pages := pagesOf(t)
	for _, name := range slices.Sorted(maps.Keys(pages)) {
		for _, m := range span.FindAllStringSubmatch(pages[name], -1) {
			if err := named(t, m[1]); err != nil {
				t.Errorf("%s: `%s`: %v", name, m[1], err)
			}
		}
	}
}

// named checks a command that is named with its flags, but perhaps without its arguments.
func named(t *testing.T, text string) error {
	t.Helper()
	calls, err := markdown.Calls(text)
	if err != nil {
		return err
	}
	line, ok := tool(calls[0])
	if !ok {
		return nil
	}
	found, rest, err := tree(t).Find(line)
	if err != nil {
		return err
	}
	if found.HasSubCommands() && len(rest) > 0 && found.Parent() != nil && !strings.HasPrefix(rest[0], "-") {
		return fmt.Errorf("%s has no command %s", found.CommandPath(), rest[0])
	}
	return flagsOf(found, rest)
}

func flagsOf(c *cobra.Command, rest []string) error {
	c.InheritedFlags() // makes those of the root known
	for _, word := range rest {
		name, isLong := strings.CutPrefix(word, "--")
		name, _, _ = strings.Cut(name, "=")
		if isLong && c.Flags().Lookup(name) == nil && c.InheritedFlags().Lookup(name) == nil && name != "help" {
			return fmt.Errorf("%s has no flag --%s", c.CommandPath(), name)
		}
	}
	return nil
}
