// Command generate rewrites every generated page and golden file of the repository. Each has a test that compares it
// with what it is made from, and that writes it under -update; this command knows all of those tests, and one of its
// own fails when it misses one. It generates nothing itself.
//
//	go run ./internal/dev/generate          # make generate
//	go run ./internal/dev/generate -check   # compares only: what has not changed comes from go test's cache
package main

import (
	"context"
	"flag"
	"fmt"
	"os"
	"os/exec"
	"path"
	"slices"
	"strings"
)

// generator is a package whose tests write files under -update.
type generator struct {
	Package string   // from the top of the repository
	Tests   []string // those that do
	Writes  []string // patterns of path.Match
}

// generators are all of them, in an order in which no file is made from one that comes later: the reference of the
// operator's tool is checked by its sessions, which pages quote.
func generators() []generator {
	return []generator{
		{
			Package: "internal/caller",
			Tests:   []string{"TestErrorTexts"},
			Writes:  []string{"internal/caller/testdata/texts.golden"},
		},
		{
			Package: "internal/dev/shipped",
			Tests:   []string{"TestTemplateBecomes"},
			Writes:  []string{"internal/dev/shipped/testdata/*.golden"},
		},
		{
			Package: "internal/dev/pricing",
			Tests:   []string{"TestPageOfCosts"},
			Writes:  []string{"docs/costs.md"},
		},
		{
			Package: "docs",
			Tests: []string{
				"TestConfigurationPageIsGenerated", "TestArchitecturePageIsGenerated", "TestLiveAccountListsTheCommands",
				"TestWorkflowIsShown",
			},
			Writes: []string{
				"docs/configuration.md", "docs/architecture.md", "docs/live-account.md", "docs/environments.md",
			},
		},
		{
			Package: "internal/dev/mutate",
			Tests:   []string{"TestFuzzTestsAreListed"},
			Writes:  []string{"docs/robustness.md"},
		},
		{
			Package: "internal/dev/replay",
			Tests:   []string{"TestEachAlarmIsFiredAndClearedByItsRealCause"},
			Writes:  []string{"docs/messages.md"},
		},
		{
			Package: "internal/dev/notifications",
			Tests:   []string{"TestDrill", "TestDiedTokenReachesOtherConsumers"},
			Writes:  []string{"docs/notifications.md"},
		},
		{
			Package: "infra/cronbearer/internal/rights",
			Tests:   []string{"TestOperatorTemplateIsGenerated"},
			Writes:  []string{"infra/operator.yaml"},
		},
		{
			Package: "infra/cronbearer/internal/cli",
			Tests:   []string{"TestReferenceIsGenerated", "TestSchemasAreGenerated"},
			Writes:  []string{"docs/cli/*.md", "docs/cli/schema/*.json"},
		},
		{
			Package: "infra/cronbearer/internal/importer",
			Tests:   []string{"TestKindsBecomeJobs"},
			Writes:  []string{"infra/cronbearer/internal/importer/testdata/*.golden"},
		},
		{
			Package: "infra/cronbearer",
			Tests:   []string{"TestSessions", "TestSessionsOfTheDocumentation"},
			Writes:  []string{"infra/cronbearer/testdata/script/*.txtar"},
		},
	}
}

func main() {
	check := flag.Bool("check", false, "write nothing, and fail if something is out of date")
	flag.Parse()
	for _, g := range generators() {
		arguments := g.arguments(*check)
		if !*check {
			fmt.Println("go", strings.Join(arguments, " "))
		}
		command := exec.CommandContext(context.Background(), "go", arguments...)
		command.Stderr = os.Stderr
		if output, err := command.Output(); err != nil {
			fmt.Fprintf(os.Stderr, "%s\ngenerate: %s: %v", output, g.Package, err)
			if *check {
				fmt.Fprint(os.Stderr, ": run make generate")
			}
			fmt.Fprintln(os.Stderr)
			os.Exit(1)
		}
	}
}

// arguments of the go command. Only a package that has the flag may be given it, so each is a command of its own.
func (g generator) arguments(check bool) []string {
	list := []string{"test", "./" + g.Package, "-run", "^(" + strings.Join(g.Tests, "|") + ")$"}
	if !check {
		list = append(list, "-update")
	}
	return list
}

// writes reports whether a file is one of the generator's.
func (g generator) writes(file string) bool {
	return slices.ContainsFunc(g.Writes, func(pattern string) bool {
		matched, err := path.Match(pattern, file)
		return err == nil && matched
	})
}
