package cli

import (
	"fmt"
	"slices"
	"strconv"
	"strings"
	"time"
	"unicode/utf8"

	"github.com/spf13/cobra"

	"github.com/cronbearer/cronbearer/infra/cronbearer/internal/edit"
	"github.com/cronbearer/cronbearer/infra/cronbearer/internal/exit"
	"github.com/cronbearer/cronbearer/infra/cronbearer/internal/plan"
	"github.com/cronbearer/cronbearer/infra/cronbearer/internal/view"
	"github.com/cronbearer/cronbearer/internal/dev/lint"
)

// What new, set and remove have in common: the change is checked before it is written, and shown.

type editDocument struct {
	view.Versioned

	Template string         `json:"template"`
	Kind     string         `json:"kind"     jsonschema:"job or token"`
	Name     string         `json:"name"`
	Written  bool           `json:"written"  jsonschema:"false with --dry-run, and if the result would have mistakes"`
	Lines    []editLine     `json:"lines"`
	Mistakes int            `json:"mistakes"`
	Problems []checkProblem `json:"problems" jsonschema:"of the result"`
	// Of the job, if it is one and still there.
	Next         string  `json:"next,omitempty"         jsonschema:"the next start, if it can be known"`
	SilentAfter  int     `json:"silentAfter,omitempty"`
	MonthlyPrice float64 `json:"monthlyPrice,omitempty"`
}

type editLine struct {
	Change string `json:"change" jsonschema:"added, removed or changed"`
	Line   int    `json:"line"   jsonschema:"in the result; of a removed line, in the template before"`
	Text   string `json:"text"`
	Was    string `json:"was,omitempty"`
}

// change is an edit of the template that is not written yet.
type change struct {
	kind, name    string // job or token
	before, after []byte
	dry           bool
	// strict: any mistake of the result keeps it from being written. Else only those that were not there before.
	strict bool
	// notes are printed below the diff.
	notes []string
}

// The kinds of rows, as they are called on the command line.
const (
	kindJob   = "job"
	kindToken = "token"
)

func mappingOf(kind string) string {
	if kind == kindToken {
		return edit.Tokens
	}
	return edit.Jobs
}

func dryRunFlag(c *cobra.Command, dry *bool) {
	c.Flags().BoolVar(dry, "dry-run", false, "print the change, and write nothing")
}

func (a *App) file() lint.File {
	return lint.File{Path: a.Template, Env: a.Env, Options: lint.Options{Now: a.Now()}}
}

// write checks the result of an edit, prints the change and writes it.
func (a *App) write(c change) error {
	problems, err := a.newProblems(c)
	if err != nil {
		return err
	}
	d := a.editDocument(c, problems)
	if d.Mistakes == 0 && !c.dry {
		if err := edit.Replace(a.Template, c.before, c.after); err != nil {
			return &exit.Error{Status: exit.No, Code: "NotWritten", Text: err.Error(), Err: err}
		}
		d.Written = true
	}
	if a.IO.JSON {
		if err := a.IO.WriteJSON(d); err != nil {
			return err
		}
	} else {
		a.printChange(c, d, problems)
	}
	if d.Mistakes > 0 {
		return exit.Silent(exit.No)
	}
	return nil
}

// newProblems returns the problems of the result that are about the change.
func (a *App) newProblems(c change) ([]lint.Problem, error) {
	before, err := a.file().Would(c.before)
	if err != nil {
		return nil, unreadable(err)
	}
	if n := mistakes(before); c.strict && n > 0 {
		return nil, &exit.Error{
			Status: exit.No, Code: "InvalidTemplate",
			Text: a.Template + " has " + view.Count(n, "mistake") + " already, so nothing was written",
			Fix:  "cronbearer check lists them",
		}
	}
	after, err := a.file().Would(c.after)
	if err != nil {
		return nil, unreadable(err)
	}
	return slices.DeleteFunc(after, func(p lint.Problem) bool {
		return slices.ContainsFunc(before, func(old lint.Problem) bool { return old.String() == p.String() })
	}), nil
}

func mistakes(problems []lint.Problem) int {
	n := 0
	for _, p := range problems {
		if p.Severity == lint.Mistake {
			n++
		}
	}
	return n
}

func (a *App) editDocument(c change, problems []lint.Problem) editDocument {
	checked := document(a.Template, problems)
	d := editDocument{
		Versioned: view.V1, Template: a.Template, Kind: c.kind, Name: c.name, Lines: []editLine{},
		Mistakes: checked.Mistakes, Problems: checked.Problems,
	}
	for _, l := range edit.Diff(c.before, c.after) {
		word := map[byte]string{'+': "added", '-': "removed", '~': "changed"}[l.Kind]
		d.Lines = append(d.Lines, editLine{word, l.Number, l.Text, l.Was})
	}
	if j, ok := a.planned(c); ok {
		d.SilentAfter, d.MonthlyPrice = j.SilentAfter, j.Price()
		if len(j.Next) > 0 {
			d.Next = j.Next[0].UTC().Format(time.RFC3339)
		}
	}
	return d
}

// planned returns what the job of a change will do, if it is one.
func (a *App) planned(c change) (plan.Job, bool) {
	stack, _, err := a.planStack()
	if err != nil || c.kind != kindJob {
		return plan.Job{}, false
	}
	p, err := plan.Read(c.after, stack, a.Now())
	if err != nil {
		return plan.Job{}, false
	}
	return p.Job(c.name)
}

func (a *App) printChange(c change, d editDocument, problems []lint.Problem) {
	a.printDiff(c.before, c.after)
	if len(d.Lines) == 0 {
		a.IO.Notef("Nothing to change.")
		return
	}
	for _, p := range problems {
		if p.Severity == lint.Note {
			continue
		}
		a.IO.Notef("%s: %s: %s", p.Severity, p.Where(), p.Text)
		if p.Fix != "" {
			fmt.Fprintln(a.IO.Err, view.Wrap("Fix: "+p.Fix, 2, a.IO.TextWidth())) //nolint:mnd // an indent
		}
	}
	switch {
	case d.Mistakes > 0:
		a.IO.Notef("Nothing was written.")
	case c.dry:
		a.IO.Notef("Nothing was written (--dry-run).")
	default:
		for _, n := range c.notes {
			a.IO.Notef("%s", n)
		}
	}
}

// printDiff prints the lines that differ: with numbers for people, whole for programs.
func (a *App) printDiff(before, after []byte) {
	lines := edit.Diff(before, after)
	width := 0
	for _, l := range lines {
		width = max(width, len(strconv.Itoa(l.Number)))
	}
	if a.IO.OutTTY && len(lines) > 0 {
		a.IO.Println(a.Template)
	}
	for _, l := range lines {
		if !a.IO.OutTTY {
			a.IO.Printf("%c\t%d\t%s\n", l.Kind, l.Number, l.Text)
			continue
		}
		head := fmt.Sprintf(" %c %-*d ", l.Kind, width, l.Number)
		a.IO.Println(fitted(head, l.Text, a.IO.Width))
	}
}

// fitted is a line without the comment at its end if it is too long, and wrapped if it still is.
func fitted(head, text string, width int) string {
	if at := strings.LastIndex(text, " #"); utf8.RuneCountInString(head+text) > width && at > 0 &&
		strings.Count(text[:at], "'")%2+strings.Count(text[:at], `"`)%2 == 0 {
		text = strings.TrimRight(text[:at], " ")
	}
	if utf8.RuneCountInString(head+text) <= width {
		return head + text
	}
	words := strings.TrimLeft(text, " ")
	margin := len(head) + len(text) - len(words)
	return head + text[:len(text)-len(words)] + view.Wrap(words, margin, width)[margin:]
}

// noCredentials rejects what may not stand in a template, without showing it.
func noCredentials(keys []edit.Key, flag func(key string) string) error {
	for _, k := range keys {
		if found := lint.Credential(k.Name, k.Value); found != "" {
			e := &exit.Error{
				Status: exit.No, Code: "CredentialInTemplate",
				Text: fmt.Sprintf("%s holds a credential (%s), and the template is no place for one: nothing was written",
					flag(k.Name), found),
				Fix: "The caller sends one secret, the job's token, as Authorization: Bearer. Store it with cronbearer token " +
					"set, and revoke it if it was ever in a file or a shell's history.",
			}
			if k.Name == "Secret" {
				e.Fix = "Give the name of the secret, and store the token itself with cronbearer token set."
			}
			return e
		}
	}
	return nil
}

// names completes the names of rows.
func (a *App) names(kinds ...string) []string {
	data, err := a.ReadTemplate()
	if err != nil {
		return nil
	}
	var found []string
	for _, kind := range kinds {
		rows, _ := edit.Rows(data, mappingOf(kind)) // what is wrong with it, check says
		for _, r := range rows {
			found = append(found, r.Name)
		}
	}
	return found
}

// editError explains an error of package edit.
func (a *App) editError(err error) error {
	return &exit.Error{
		Status: exit.No, Code: "NotEdited", Text: a.Template + ": " + lint.Concealed(err.Error()), Err: err,
	}
}
