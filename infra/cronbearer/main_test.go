package main_test

import (
	"bytes"
	"context"
	"encoding/json"
	"flag"
	"fmt"
	"os"
	"os/exec"
	"os/signal"
	"path/filepath"
	"regexp"
	"strings"
	"syscall"
	"testing"
	"unicode/utf8"

	"github.com/rogpeppe/go-internal/testscript"
	"github.com/rogpeppe/go-internal/txtar"
	"github.com/santhosh-tekuri/jsonschema/v6"

	"github.com/cronbearer/cronbearer/infra/cronbearer/internal/cli"
	"github.com/cronbearer/cronbearer/infra/cronbearer/internal/exit"
	"github.com/cronbearer/cronbearer/infra/cronbearer/internal/view"
	"github.com/cronbearer/cronbearer/internal/dev/shipped"
)

// update also rewrites the expected output within the scripts: go test ./infra/cronbearer -update.
var update = flag.Bool("update", false, "rewrite what the scripts and docs/cli expect")

// The scripts run the tool's own Main, in processes of their own.
func TestMain(m *testing.M) {
	if os.Getenv(promptEnv) != "" {
		os.Exit(prompt())
	}
	if line := os.Getenv(toolEnv); line != "" {
		os.Exit(tool(strings.Fields(line)))
	}
	testscript.Main(suite{m}, map[string]func(){"cronbearer": func() { os.Exit(tool(os.Args[1:])) }})
}

// tool is the tool's own main.
func tool(arguments []string) int {
	ctx, stop := signal.NotifyContext(context.Background(), os.Interrupt, syscall.SIGTERM)
	defer stop()
	return cli.Main(ctx, arguments, cli.System())
}

// prompt asks for a secret at this process's terminal and prints its length.
func prompt() int {
	io := view.System(os.Getenv)
	text, err := io.Secret(context.Background(), "nothing is shown")
	if err != nil {
		io.Println(err)
		return exit.From(err).Status
	}
	io.Printf("%d bytes\n", len(text))
	return exit.OK
}

// promptEnv makes the test binary ask for a secret, as a process at a terminal does, and print its length.
const promptEnv = "CRONBEARER_TEST_PROMPT"

// toolEnv makes the test binary the tool, with these arguments.
const toolEnv = "CRONBEARER_TEST_TOOL"

// now is the time of every session: a Saturday night, winter in Europe and in America.
const now = "2026-11-28T01:12:00Z"

// TestSessions runs testdata/script. Each script starts in a folder with the shipped template, at one moment, for a
// reader in New York. Its commands besides testscript's own:
//
//	session FILE   runs the lines of FILE that start with "$ " in one shell, as at a terminal of 80 columns, and
//	               compares the whole transcript with FILE; the sessions of the documentation are these
//	schema NAME    validates standard output against docs/cli/schema/NAME.json
//	cloud VERB     a simulated account for the commands that need one
//	functions      build the real functions, once for all scripts, for the commands that run them
func TestSessions(t *testing.T) {
	t.Parallel()
	root, err := filepath.Abs("../..")
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() {
		if all := flag.Lookup("test.run").Value.String(); all != "" {
			return // some of the scripts
		}
		for _, one := range unused() {
			t.Errorf("the policy of a command grants what it never uses: %s", one)
		}
	})
	testscript.Run(t, testscript.Params{
		Dir:                 filepath.Join("testdata", "script"),
		UpdateScripts:       *update,
		RequireExplicitExec: true,
		Setup: func(e *testscript.Env) error {
			e.Setenv("CRONBEARER_TEST_NOW", now)
			e.Setenv("CRONBEARER_TEST_WORD", "otter")
			e.Setenv("TZ", "America/New_York")
			e.Setenv("NO_COLOR", "1")
			e.Setenv("REPOSITORY", root)
			e.Values[cloudKey] = &holder{}
			e.Setenv("GOCACHE", goEnv(t, "GOCACHE"))
			e.Setenv("GOMODCACHE", goEnv(t, "GOMODCACHE"))
			template := filepath.Join(e.WorkDir, "template.yaml")
			if _, err := os.Stat(template); err == nil {
				return nil // the script has its own
			}
			return os.WriteFile(template, []byte(shipped.Template()), 0o600)
		},
		Cmds: map[string]func(*testscript.TestScript, bool, []string){
			"cloud": cloud(root),
			"functions": func(ts *testscript.TestScript, _ bool, _ []string) {
				built, err := functions(root)
				ts.Check(err)
				ts.Setenv("CRONBEARER_TEST_FUNCTIONS", filepath.Dir(built["Caller"]))
			},
			"session": session,
			"schema":  func(ts *testscript.TestScript, neg bool, args []string) { validate(ts, neg, args, root) },
		},
	})
}

func goEnv(t *testing.T, name string) string {
	t.Helper()
	out, err := exec.CommandContext(t.Context(), "go", "env", name).Output()
	if err != nil {
		t.Fatal(err)
	}
	return strings.TrimSpace(string(out))
}

// maxColumns is the width of a page and of the terminal in a session.
const maxColumns = 80

func session(ts *testscript.TestScript, neg bool, args []string) {
	if neg || len(args) != 1 {
		ts.Fatalf("usage: session FILE")
	}
	want := ts.ReadFile(args[0])
	actual := filepath.Join(ts.Getenv("WORK"), ".session")
	ts.Check(os.WriteFile(actual, []byte(transcript(ts, want)), 0o600))
	for i, line := range strings.Split(ts.ReadFile(actual), "\n") {
		if utf8.RuneCountInString(line) > maxColumns {
			ts.Fatalf("line %d is wider than %d columns: %s", i+1, maxColumns, line)
		}
	}
	ts.Check(compare(ts, actual, args[0]))
}

// transcript runs the commands of a session and returns what a terminal would show.
func transcript(ts *testscript.TestScript, text string) string {
	var shell, b strings.Builder
	for _, command := range commandsOf(text) {
		fmt.Fprintf(&shell, "cat <<'@@@'\n$ %s\n@@@\n(exit $status)\n%s\nstatus=$?\n", command, command)
	}
	run := exec.CommandContext(context.Background(), "sh", "-c", "status=0\n"+shell.String())
	run.Dir = ts.MkAbs(".")
	run.Env = append(os.Environ(), "CRONBEARER_FORCE_TTY=80")
	for _, name := range []string{
		"PATH", "HOME", "WORK", "TZ", "NO_COLOR", "REPOSITORY", "CRONBEARER_TEST_NOW", "CRONBEARER_TEST_WORD",
		"CRONBEARER_TEST_FUNCTIONS",
		"CRONBEARER_LOCAL",
		"GOCACHE", "GOMODCACHE",
	} {
		run.Env = append(run.Env, name+"="+ts.Getenv(name))
	}
	run.Stdout, run.Stderr = &b, &b
	_ = run.Run() // the last command's exit code; a session shows it with `echo $?`
	return versionID.ReplaceAllString(b.String(), "version 8f0e6d1c")
}

// versionID is the only random part of a session: the id of a stored version, of which people see the beginning.
var versionID = regexp.MustCompile(`version [0-9a-f]{8}\b`)

var commandLine = regexp.MustCompile(`(?m)^\$ ((?:.*\\\n)*.*)$`)

func commandsOf(session string) []string {
	var commands []string
	for _, m := range commandLine.FindAllStringSubmatch(session, -1) {
		commands = append(commands, m[1])
	}
	return commands
}

// lateness is how long after its planned start a run of a rehearsal ended: real processes, so that its last second is
// the machine's. Package rehearse has the tests of it.
var lateness = regexp.MustCompile(`(?m) +after \d+ s$`)

// compare is testscript's cmp, which also rewrites the script under -update.
func compare(ts *testscript.TestScript, actual, want string) error {
	got, expected := ts.ReadFile(actual), ts.ReadFile(want)
	if lateness.ReplaceAllString(got, "") == lateness.ReplaceAllString(expected, "") {
		return nil
	}
	if *update {
		return rewrite(ts, want, expected, got)
	}
	return fmt.Errorf("%s differs; now it is:\n%s", want, got)
}

func rewrite(ts *testscript.TestScript, name, before, after string) error {
	path := filepath.Join("testdata", "script", ts.Name()+".txtar")
	data, err := os.ReadFile(path)
	if err != nil {
		return err
	}
	section := "-- " + name + " --\n" + before
	if bytes.Count(data, []byte(section)) != 1 {
		return fmt.Errorf("%s: the section %s is not there once", path, name)
	}
	return os.WriteFile(path, bytes.Replace(data, []byte(section), []byte("-- "+name+" --\n"+after), 1), 0o600)
}

func validate(ts *testscript.TestScript, neg bool, args []string, root string) {
	if neg || len(args) != 1 {
		ts.Fatalf("usage: schema NAME")
	}
	schema, err := jsonschema.NewCompiler().Compile(filepath.Join(root, "docs", "cli", "schema", args[0]+".json"))
	ts.Check(err)
	var document any
	ts.Check(json.Unmarshal([]byte(ts.ReadFile("stdout")), &document))
	ts.Check(schema.Validate(document))
}

var sessionBlock = regexp.MustCompile("(?ms)^```session ?([^\\n]*)\\n(.*?)^```$")

// TestSessionsOfTheDocumentation holds each ```session block of the pages against the script that it names, as in
// "```session plan/next": the section next of plan.txtar. -update copies them.
func TestSessionsOfTheDocumentation(t *testing.T) {
	t.Parallel()
	for _, path := range markdown(t) {
		data, err := os.ReadFile(path)
		if err != nil {
			t.Fatal(err)
		}
		after := sessionBlock.ReplaceAllFunc(data, func(block []byte) []byte {
			m := sessionBlock.FindSubmatch(block)
			want, err := section(string(m[1]))
			if err != nil {
				t.Errorf("%s: %v", path, err)
				return block
			}
			return fmt.Appendf(nil, "```session %s\n%s```", m[1], want)
		})
		if bytes.Equal(data, after) {
			continue
		}
		if !*update {
			t.Errorf("%s: a session differs from its script: make generate", path)
		} else if err := os.WriteFile(path, after, 0o600); err != nil {
			t.Fatal(err)
		}
	}
}

func markdown(t *testing.T) []string {
	t.Helper()
	paths := []string{"../../README.md", "../../CONTRIBUTING.md"}
	err := filepath.WalkDir("../../docs", func(path string, _ os.DirEntry, err error) error {
		if strings.HasSuffix(path, ".md") {
			paths = append(paths, path)
		}
		return err
	})
	if err != nil {
		t.Fatal(err)
	}
	return paths
}

// section returns the file of a script, named script/file.
func section(name string) (string, error) {
	script, file, ok := strings.Cut(name, "/")
	if !ok {
		return "", fmt.Errorf("a session block names its script and section, as in ```session plan/next, not %q", name)
	}
	archive, err := txtar.ParseFile(filepath.Join("testdata", "script", script+".txtar"))
	if err != nil {
		return "", err
	}
	for _, f := range archive.Files {
		if f.Name == file {
			return string(f.Data), nil
		}
	}
	return "", fmt.Errorf("%s.txtar has no section %s", script, file)
}
