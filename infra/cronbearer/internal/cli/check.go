package cli

import (
	"errors"
	"fmt"
	"io/fs"
	"strings"

	"github.com/spf13/cobra"

	"github.com/cronbearer/cronbearer/infra/cronbearer/internal/exit"
	"github.com/cronbearer/cronbearer/infra/cronbearer/internal/view"
	"github.com/cronbearer/cronbearer/internal/dev/lint"
)

type checkDocument struct {
	view.Versioned

	Template string         `json:"template"`
	Mistakes int            `json:"mistakes"`
	Warnings int            `json:"warnings"`
	Complete bool           `json:"complete" jsonschema:"false: a mistake of YAML kept the rest from being checked"`
	Problems []checkProblem `json:"problems"`
}

type checkProblem struct {
	Severity string `json:"severity" jsonschema:"error, warning or note"`
	Line     int    `json:"line"`
	Column   int    `json:"column"   jsonschema:"from 1, in characters"`
	Place    string `json:"place,omitempty"`
	Key      string `json:"key,omitempty"`
	Text     string `json:"text"`
	Fix      string `json:"fix,omitempty"`
}

// checkOptions are the flags of check.
type checkOptions struct {
	file   lint.File
	format string
	sameAs string
	strict bool
}

// The formats of check. JSON is the same as --json.
const (
	formatText   = "text"
	formatGitHub = "github"
	formatJSON   = "json"
)

func newCheckCommand(a *App) *cobra.Command {
	o := &checkOptions{file: lint.File{Parameters: map[string]string{}}}
	var parameters []string
	c := &cobra.Command{
		Use:     "check",
		Short:   "List every mistake of the template with its line and its fix",
		GroupID: writing,
		Args:    arguments(),
		Long: `List every mistake of the template at once, each with its line, its column and
its fix: what CloudFormation, EventBridge Scheduler or the caller would reject,
and tokens or jobs that no alarm watches.

A warning is about something that is allowed and seldom meant, such as numbers
for days of the week, where AWS counts from Sunday = 1, a time zone without
daylight saving time, or a host that is not in AllowedHosts. It changes the exit
code only with --strict. A note is for information.

The name of the stack and the parameters are those that samconfig.toml has
saved for the environment, unless they are given.`,
		Example: `  cronbearer check
  # Before a deployment: AllowedHosts is required, example hosts are mistakes
  cronbearer check --deploy
  # In a workflow of GitHub Actions, which shows the problems in the diff
  cronbearer check --strict --format github`,
		RunE: func(*cobra.Command, []string) error {
			if err := o.set(a, parameters); err != nil {
				return err
			}
			return a.check(o)
		},
	}
	flags := c.Flags()
	flags.BoolVar(&o.file.Options.Deploy, "deploy", false, "also reject hosts that are only examples, and require "+
		"AllowedHosts")
	flags.BoolVar(&o.strict, "strict", false, "exit with 1 on warnings too")
	flags.StringVar(&o.format, "format", formatText, "`text`, github or json")
	flags.StringVar(&o.file.Stack, "stack", "", "the `name` of the stack (samconfig.toml)")
	flags.StringArrayVar(&parameters, "parameter", nil, "a parameter as `Name=value`, repeatable (samconfig.toml)")
	flags.StringVar(&o.sameAs, "same-as", "", "also compare with this `file`, the template as SAM CLI expands it")
	_ = flags.MarkHidden("same-as")
	_ = c.RegisterFlagCompletionFunc("format", cobra.FixedCompletions(
		[]string{formatText, formatGitHub, formatJSON}, cobra.ShellCompDirectiveNoFileComp,
	))
	a.describes("check", checkDocument{})
	return c
}

func (o *checkOptions) set(a *App, parameters []string) error {
	for _, p := range parameters {
		name, value, ok := strings.Cut(p, "=")
		if !ok {
			return exit.Usagef("--parameter must be Name=value")
		}
		o.file.Parameters[name] = value
	}
	switch o.format {
	case formatText, formatGitHub:
	case formatJSON:
		a.IO.JSON = true
	default:
		return exit.Usagef("--format is %s, %s or %s", formatText, formatGitHub, formatJSON)
	}
	o.file.Path, o.file.Env, o.file.Options.Now = a.Template, a.Env, a.Now()
	return nil
}

func (a *App) check(o *checkOptions) error {
	problems, err := o.file.Check()
	if err != nil {
		return unreadable(err)
	}
	if o.sameAs != "" {
		differences, err := o.file.Same(o.sameAs)
		if err != nil {
			return unreadable(err)
		}
		for _, d := range differences {
			problems = append(problems, lint.Problem{Text: d, Line: 1, Column: 1})
		}
	}
	d := document(a.Template, problems)
	switch {
	case a.IO.JSON:
		err = a.IO.WriteJSON(d)
	case o.format == formatGitHub:
		a.printForGitHub(problems)
	default:
		a.printProblems(d, problems)
	}
	if err == nil && (d.Mistakes > 0 || o.strict && d.Warnings > 0) {
		return exit.Silent(exit.No)
	}
	return err
}

// unreadable is the error of a template, or a file next to it, that cannot be read.
func unreadable(err error) error {
	e := &exit.Error{Status: exit.No, Code: "TemplateUnreadable", Text: err.Error(), Err: err}
	if errors.Is(err, fs.ErrNotExist) {
		e.Fix = "run it in the folder of template.yaml, or name the file with -t"
	}
	return e
}

func document(template string, problems []lint.Problem) checkDocument {
	d := checkDocument{Versioned: view.V1, Template: template, Complete: true, Problems: []checkProblem{}}
	for _, p := range problems {
		switch p.Severity {
		case lint.Mistake:
			d.Mistakes++
		case lint.Warning:
			d.Warnings++
		case lint.Note:
		}
		d.Complete = d.Complete && !p.Unread
		d.Problems = append(d.Problems, checkProblem{p.Severity.String(), p.Line, p.Column, p.Place, p.Key, p.Text, p.Fix})
	}
	return d
}

// unchecked is said after a mistake of YAML.
const unchecked = "The rest of the template is checked once it is YAML."

func (a *App) printProblems(d checkDocument, problems []lint.Problem) {
	if !a.IO.OutTTY {
		for _, p := range problems {
			a.IO.Println(p.In(d.Template))
		}
		if !d.Complete {
			a.IO.Notef("%s", unchecked)
		}
		a.IO.Notef("%s: %s", d.Template, d.count())
		return
	}
	const margin = 4
	for _, p := range problems {
		head := fmt.Sprintf("%s:%d:%d: %s: %s", d.Template, p.Line, p.Column, a.painted(p.Severity), p.Where())
		a.IO.Println(strings.TrimSuffix(head, ": "))
		a.IO.Println(view.Wrap(p.Text, margin, a.IO.TextWidth()))
		if p.Fix != "" {
			a.IO.Println(view.Wrap("Fix: "+p.Fix, margin, a.IO.TextWidth()))
		}
		a.IO.Println()
	}
	if !d.Complete {
		a.IO.Println(unchecked)
	}
	a.IO.Printf("%s: %s\n", d.Template, d.count())
}

// painted is the word for a severity, in colour where the terminal has it.
func (a *App) painted(s lint.Severity) string {
	color := map[lint.Severity]string{lint.Mistake: "31", lint.Warning: "33", lint.Note: "36"}[s]
	if !a.IO.Color {
		return s.String()
	}
	return "\x1b[" + color + "m" + s.String() + "\x1b[0m"
}

func (d checkDocument) count() string {
	text := "no mistakes"
	if d.Mistakes > 0 {
		text = view.Count(d.Mistakes, "mistake")
	}
	if d.Warnings > 0 {
		text += ", " + view.Count(d.Warnings, "warning")
	}
	return text
}

// printForGitHub writes workflow commands, from which GitHub Actions makes annotations.
func (a *App) printForGitHub(problems []lint.Problem) {
	for _, p := range problems {
		command := map[lint.Severity]string{lint.Mistake: "error", lint.Warning: "warning", lint.Note: "notice"}[p.Severity]
		a.IO.Printf("::%s file=%s,line=%d,col=%d::%s\n",
			command, escapeProperty(a.Template), p.Line, p.Column, escapeData(p.Message()))
	}
}

// escapeData and escapeProperty are those of GitHub's own toolkit (@actions/core, command.ts).
func escapeData(text string) string {
	return strings.NewReplacer("%", "%25", "\r", "%0D", "\n", "%0A").Replace(text)
}

func escapeProperty(text string) string {
	return strings.NewReplacer("%", "%25", "\r", "%0D", "\n", "%0A", ":", "%3A", ",", "%2C").Replace(text)
}
