// Package cli is the command tree of the operator's tool: one file a command, with its flags, its wiring and its
// printing. What a command computes lives in a package of its subject, without cobra and without printing. Commands
// reach the world through App alone, so that a test can give them another clock, another folder and other streams.
package cli

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"os"
	"slices"
	"strings"
	"time"

	"github.com/spf13/cobra"

	"github.com/cronbearer/cronbearer/infra/cronbearer/internal/account"
	"github.com/cronbearer/cronbearer/infra/cronbearer/internal/exit"
	"github.com/cronbearer/cronbearer/infra/cronbearer/internal/view"
)

// App is what commands may use.
type App struct {
	IO     *view.IO
	Now    func() time.Time
	Getenv func(string) string
	// Template is the path of the template that -t names.
	Template string
	// Env is the environment of samconfig.toml that --env names.
	Env string
	// Dial returns the clients of the account for a command; nil: AWS's, or the simulated account of --local.
	Dial func(ctx context.Context, o AccountOptions, command string) (account.Clients, error)

	account   AccountOptions
	documents map[string]any
}

// System returns the process's own App. CRONBEARER_TEST_NOW=<RFC 3339> stops its clock, for tests and recordings.
func System() *App {
	now := time.Now
	if at, err := time.Parse(time.RFC3339, os.Getenv("CRONBEARER_TEST_NOW")); err == nil {
		now = func() time.Time { return at }
	}
	return &App{IO: view.System(os.Getenv), Now: now, Getenv: os.Getenv, Dial: dial}
}

// Main runs the command that the arguments name and returns the exit code.
func Main(ctx context.Context, arguments []string, a *App) int {
	root := Root(a) //nolint:contextcheck // a command has the context of its execution
	root.SetArgs(arguments)
	a.IO.JSON = slices.Contains(arguments, "--json")
	command, err := root.ExecuteContextC(ctx)
	if err == nil {
		return exit.OK
	}
	e, ok := errors.AsType[*exit.Error](err)
	if !ok {
		// Whatever a command returns is an *exit.Error (see settle); the rest is cobra's word on the command line.
		e = exit.Usagef("%v", err)
	}
	a.report(command, e)
	return e.Status
}

// report is the one place that prints an error.
func (a *App) report(command *cobra.Command, e *exit.Error) {
	switch {
	case e.Code == "Reported":
	case a.IO.JSON:
		a.reportJSON(e)
	default:
		fmt.Fprintln(a.IO.Err, view.Wrap(e.Error(), 0, a.IO.TextWidth()))
		for _, text := range []string{e.Fix, e.More} {
			if text != "" {
				fmt.Fprintln(a.IO.Err, view.Wrap(text, 2, a.IO.TextWidth())) //nolint:mnd // an indent
			}
		}
		if e.Status == exit.Usage {
			fmt.Fprintf(a.IO.Err, "Usage: %s\n%s --help prints more.\n", command.UseLine(), command.CommandPath())
		}
	}
}

type errorDocument struct {
	Error struct {
		Code    string `json:"code"`
		Action  string `json:"action,omitempty"`
		Message string `json:"message"`
		Fix     string `json:"fix,omitempty"`
	} `json:"error"`
}

func (a *App) reportJSON(e *exit.Error) {
	var d errorDocument
	d.Error.Code, d.Error.Action, d.Error.Message, d.Error.Fix = e.Code, e.Action, e.Error(), e.Fix
	encoder := json.NewEncoder(a.IO.Err)
	encoder.SetEscapeHTML(false)
	_ = encoder.Encode(d) // standard error is closed: there is no one to say it to
}

// Groups of the command list.
const (
	writing   = "writing"
	running   = "running"
	tokens    = "tokens"
	reference = "reference"
)

// defaultTemplate is the template of the folder in which the tool runs.
const defaultTemplate = "template.yaml"

// Root returns the command tree.
func Root(a *App) *cobra.Command {
	a.documents = map[string]any{}
	root := &cobra.Command{
		Use:   "cronbearer <command>",
		Short: "Check, plan, write and operate scheduled calls with bearer tokens",
		Long: `Check, plan, write and operate the jobs of a Cronbearer application.

The commands that write work offline, on template.yaml. The commands that run
need an AWS account with the application deployed.`,
		SilenceErrors: true,
		SilenceUsage:  true,
		RunE:          func(c *cobra.Command, _ []string) error { return c.Help() },
	}
	root.SetOut(a.IO.Out)
	root.SetErr(a.IO.Err)
	root.SetIn(a.IO.In)
	root.SetUsageTemplate(usage)
	flags := root.PersistentFlags()
	flags.StringVarP(&a.Template, "template", "t", defaultTemplate, "the template to read")
	flags.StringVar(&a.Env, "env", "default", "the environment of samconfig.toml next to the template")
	flags.BoolVar(&a.IO.JSON, "json", false, "print one JSON document (cronbearer help json)")
	root.AddGroup(
		&cobra.Group{ID: writing, Title: "Write jobs (offline):"},
		&cobra.Group{ID: running, Title: "Run jobs (in an account):"},
		&cobra.Group{ID: tokens, Title: "Keep tokens:"},
		&cobra.Group{ID: reference, Title: "Reference:"},
	)
	root.SetHelpCommandGroupID(reference)
	root.SetCompletionCommandGroupID(reference)
	root.AddCommand(a.commands()...)
	root.AddCommand(topics()...)
	settle(root)
	return root
}

// commands lists the commands, in the order of a job's life.
func (a *App) commands() []*cobra.Command {
	return []*cobra.Command{
		newCheckCommand(a),
		newPlanCommand(a),
		newNewCommand(a),
		newSetCommand(a),
		newRemoveCommand(a),
		newRenderCommand(a),
		newRunCommand(a),
		newDevCommand(a),
		newRehearseCommand(a),
		newStatusCommand(a),
		newRunsCommand(a),
		newFailedCommand(a),
		newResendCommand(a),
		newDropCommand(a),
		newPauseCommand(a),
		newResumeCommand(a),
		newBackfillCommand(a),
		newDrillCommand(a),
		newTokenCommand(a),
		newRightsCommand(a),
		newImportCommand(a),
		newVersionCommand(a),
	}
}

// group returns a command that only has others below it.
func group(use, id, short, long string, commands ...*cobra.Command) *cobra.Command {
	c := &cobra.Command{
		Use: use, GroupID: id, Short: short, Long: long,
		Args: func(c *cobra.Command, arguments []string) error {
			if len(arguments) == 0 {
				return nil
			}
			text := fmt.Sprintf("unknown command %q for %q", arguments[0], c.CommandPath())
			if near := c.SuggestionsFor(arguments[0]); len(near) > 0 {
				text += fmt.Sprintf("\n\nDid you mean this?\n\t%s\n", strings.Join(near, "\n\t"))
			}
			return exit.Usagef("%s", text)
		},
		RunE: func(c *cobra.Command, _ []string) error { return c.Help() },
	}
	c.AddCommand(commands...)
	return c
}

// arguments returns a check of the number of arguments, which are named as in the usage line.
func arguments(names ...string) cobra.PositionalArgs {
	return func(c *cobra.Command, given []string) error {
		switch {
		case len(given) > len(names) && len(names) == 0:
			return exit.Usagef("%s accepts no argument", c.CommandPath()) // which may be a token, so that it is not shown
		case len(given) > len(names):
			return exit.Usagef("%s accepts %d argument(s), and %d were given", c.CommandPath(), len(names), len(given))
		case len(given) < len(names):
			return exit.Usagef("%s needs %s", c.CommandPath(), strings.Join(names[len(given):], " and "))
		}
		return nil
	}
}

// settle makes each error of a command an *exit.Error, so that what is left are errors of the command line.
func settle(c *cobra.Command) {
	if run := c.RunE; run != nil {
		c.RunE = func(c *cobra.Command, arguments []string) error {
			if err := run(c, arguments); err != nil {
				return exit.From(err)
			}
			return nil
		}
	}
	for _, sub := range c.Commands() {
		settle(sub)
	}
}

// describes registers the type of a command's JSON document, from which its schema in docs/cli/schema is generated.
func (a *App) describes(path string, document any) { a.documents[path] = document }

// Documents returns a value of each command's JSON document, by the command's path without the tool's name.
func (a *App) Documents() map[string]any { return a.documents }

// ReadTemplate returns the template that -t names.
func (a *App) ReadTemplate() ([]byte, error) {
	data, err := os.ReadFile(a.Template)
	if err != nil {
		return nil, &exit.Error{
			Status: exit.No, Code: "TemplateUnreadable", Text: err.Error(), Err: err,
			Fix: "run it in the folder of template.yaml, or name the file with -t",
		}
	}
	return data, nil
}

// usage is cobra's usage template, with flags wrapped at the width of a page.
const usage = `Usage:
  {{.UseLine}}{{if .HasAvailableSubCommands}}{{if .Runnable}}
  {{.CommandPath}} <command>{{end}}{{end}}{{if .HasExample}}

Examples:
{{.Example}}{{end}}{{if .HasAvailableSubCommands}}{{$cmds := .Commands}}{{if eq (len .Groups) 0}}

Commands:{{range $cmds}}{{if .IsAvailableCommand}}
  {{rpad .Name .NamePadding}} {{.Short}}{{end}}{{end}}{{else}}{{range $group := .Groups}}{{$used :=
  false}}{{range $cmds}}{{if
  and (eq .GroupID $group.ID) (or .IsAvailableCommand (eq .Name "help"))}}{{if not $used}}{{$used = true}}

{{$group.Title}}{{end}}
  {{rpad .Name .NamePadding}} {{.Short}}{{end}}{{end}}{{end}}{{end}}{{end}}{{if .HasAvailableLocalFlags}}

Flags:
{{.LocalFlags.FlagUsagesWrapped 80 | trimTrailingWhitespaces}}{{end}}{{if .HasAvailableInheritedFlags}}

Global flags:
{{.InheritedFlags.FlagUsagesWrapped 80 | trimTrailingWhitespaces}}{{end}}{{if .HasHelpSubCommands}}

Help topics:{{range .Commands}}{{if .IsAdditionalHelpTopicCommand}}
  {{rpad .Name .NamePadding}} {{.Short}}{{end}}{{end}}{{end}}
`
