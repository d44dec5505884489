package docs_test

import (
	"fmt"
	"os"
	"path"
	"path/filepath"
	"slices"
	"strings"
	"testing"

	"github.com/cronbearer/cronbearer/internal/dev/markdown"
)

// ran are the commands that pages show without a mark, by their first words, and what runs each of them: a file of the
// repository and words of it. Those of cronbearer are held by TestPagesShowCommandsThatScriptsRun in the tool.
var ran = map[string]struct{ file, words string }{
	"git clone":      {".github/workflows/ci.yml", "uses: actions/checkout@"},
	"git merge-file": {"internal/dev/shipped/upgrade_test.go", `"git", "merge-file"`},
	".tools/venv/bin/python internal/dev/check/sam_expand.py --open": {"internal/dev/release/release.go", `"--open"`},
	"go test ./...": {"Makefile", "-shuffle=on $(filter-out $(CALCULATIONS),$(PACKAGES))"},
	"jq":            {"docs/providers/providers_test.go", "func TestJQWritesSecrets"},
	"make demo":     {"internal/dev/check/fork.sh", "step make demo"},
	"make generate": {"Makefile", "go run ./internal/dev/generate -check"},
	"make test":     {".ci/run", "\nmake test\n"},
}

// everyday are commands that prove nothing about the project. A variable is the reader's editor.
var everyday = []string{"cd", "cp", "mv", "rm", "umask", markdown.Unknown}

// shells are the blocks of commands of each page.
func shells(t *testing.T) map[string][]markdown.Shell {
	t.Helper()
	all := map[string][]markdown.Shell{}
	for _, name := range repository(t).pages() {
		file := func(name string) string { return filepath.Join("..", filepath.FromSlash(name)) }
		index, _ := os.ReadFile(file(path.Join(path.Dir(name), "README.md"))) // a folder may have none
		found, err := markdown.Shells(read(t, file(name)), string(index))
		if err != nil {
			t.Errorf("%s: %v", name, err)
		}
		if len(found) > 0 {
			all[name] = found
		}
	}
	return all
}

// TestEachCommandIsRunOrMarked: a command that a page shows is one that a test runs, or its block or page says what it
// needs.
func TestEachCommandIsRunOrMarked(t *testing.T) {
	t.Parallel()
	used := map[string]bool{}
	for name, blocks := range shells(t) {
		for _, b := range blocks {
			for _, call := range b.Calls {
				if b.Mark == "" && !isTool(call) && !isRun(call, used) {
					t.Errorf("%s:%d: no test runs %q: mark its block with `# needs an AWS account`, the page with %q, or "+
						"name its test in docs/commands_test.go", name, b.Line, strings.Join(call, " "), markdown.PageMark)
				}
			}
		}
	}
	for command, by := range ran {
		if !used[command] {
			t.Errorf("no page shows %q", command)
		}
		if !strings.Contains(read(t, filepath.Join("..", by.file)), by.words) {
			t.Errorf("%s does not run %q: it has no %q", by.file, command, by.words)
		}
	}
}

// isTool reports whether a command is the operator's tool, however it is started.
func isTool(call []string) bool {
	text := strings.Join(call, " ")
	return call[0] == "cronbearer" || strings.HasPrefix(text, "go run ./infra/cronbearer") ||
		strings.HasPrefix(text, "go install github.com/cronbearer/cronbearer/infra/cronbearer@")
}

func isRun(call []string, used map[string]bool) bool {
	if slices.Contains(everyday, call[0]) {
		return true
	}
	for command := range ran {
		if strings.HasPrefix(strings.Join(call, " ")+" ", command+" ") {
			used[command] = true
			return true
		}
	}
	return false
}

// TestLiveAccountListsTheCommands that no test runs as they are: each page with a mark, and its commands.
func TestLiveAccountListsTheCommands(t *testing.T) {
	t.Parallel()
	var rows []string
	for name, blocks := range shells(t) {
		var commands []string
		for _, b := range blocks {
			for _, call := range b.Calls {
				if b.Mark == markdown.Account && !slices.Contains(everyday, call[0]) {
					commands = append(commands, "`"+short(call)+"`")
				}
			}
		}
		slices.Sort(commands)
		if commands = slices.Compact(commands); len(commands) > 0 {
			to, err := filepath.Rel("docs", name)
			if err != nil {
				t.Fatal(err)
			}
			rows = append(rows, fmt.Sprintf("| [%s](%s) | %s |", name, filepath.ToSlash(to), strings.Join(commands, ", ")))
		}
	}
	slices.Sort(rows)
	generated(t, "live-account.md", map[string]string{
		"commands": "| page | commands |\n| --- | --- |\n" + strings.Join(rows, "\n"),
	})
}

// short is a command without what is different for each reader: its name and those of its subcommands.
func short(call []string) string {
	n := 1
	for n < min(len(call), 3) && plain(call[n]) {
		n++
	}
	return strings.Join(call[:n], " ")
}

func plain(word string) bool {
	return strings.Trim(word, "abcdefghijklmnopqrstuvwxyz-") == "" && !strings.HasPrefix(word, "-")
}

// TestCommandsThatNoTestRunsAreFound: each way in which a command is covered, and one that is not.
func TestCommandsThatNoTestRunsAreFound(t *testing.T) {
	t.Parallel()
	for text, want := range map[string]bool{
		"make test": true, "make tests": false, "make deploy": false, "make": false, "rm x": true, "$EDITOR x": true,
		"aws sts get-caller-identity": false, "git clone x": true, "git cloned x": false,
	} {
		calls, err := markdown.Calls(text)
		if err != nil {
			t.Fatal(err)
		}
		if got := isRun(calls[0], map[string]bool{}); got != want {
			t.Errorf("%s: %v", text, got)
		}
	}
}

// TestNoPageDeletesACredentialUnsaid: a page that shows how to delete a secret says that this destroys it, and leaves
// time to change one's mind.
func TestNoPageDeletesACredentialUnsaid(t *testing.T) {
	t.Parallel()
	deletes := 0
	for _, name := range repository(t).pages() {
		page := read(t, filepath.Join("..", filepath.FromSlash(name)))
		for _, problem := range unsaid(page) {
			t.Errorf("%s %s", name, problem)
		}
		deletes += strings.Count(page, "delete-secret --")
	}
	if deletes == 0 {
		t.Error("no page says how to delete a secret")
	}
	const command, said = "`delete-secret --secret-id x", "destroys it; restore-secret"
	for page, want := range map[string]int{
		command + " --recovery-window-in-days 30` " + said:                                 0,
		command + " --recovery-window-in-days 30`":                                         1,
		command + "` " + said:                                                              1,
		command + " --force-delete-without-recovery --recovery-window-in-days 30` " + said: 1,
		"delete-secret": 0,
	} {
		if got := unsaid(page); len(got) != want {
			t.Errorf("%s: %q", page, got)
		}
	}
}

func unsaid(page string) (problems []string) {
	if !strings.Contains(page, "delete-secret --") { // only named
		return nil
	}
	if strings.Contains(page, "force-delete-without-recovery") {
		problems = append(problems, "deletes a secret at once")
	}
	if !strings.Contains(page, "--recovery-window-in-days") {
		problems = append(problems, "deletes a secret without a recovery window")
	}
	if !strings.Contains(page, "destroys") || !strings.Contains(page, "restore-secret") {
		problems = append(problems, "does not say that a deleted secret is destroyed, and how to restore it")
	}
	return problems
}
