package cli

import (
	"bytes"
	"errors"
	"fmt"
	"io/fs"
	"os"
	"path/filepath"
	"slices"
	"strconv"
	"strings"
	"time"
	"unicode"

	"github.com/spf13/cobra"

	"github.com/cronbearer/cronbearer/infra/cronbearer/internal/edit"
	"github.com/cronbearer/cronbearer/infra/cronbearer/internal/exit"
	"github.com/cronbearer/cronbearer/infra/cronbearer/internal/view"
	"github.com/cronbearer/cronbearer/internal/dev/lint"
	"github.com/cronbearer/cronbearer/internal/dev/pricing"
	"github.com/cronbearer/cronbearer/internal/dev/schedule"
)

type editDocument struct {
	view.Versioned

	Template string     `json:"template"`
	Written  bool       `json:"written"`
	Lines    []editLine `json:"lines"`
}

type editLine struct {
	Kind   string `json:"kind"          jsonschema:"+ is new, - is gone, ~ is new text in the place of an old one"`
	Number int    `json:"number"`
	Text   string `json:"text"`
	Was    string `json:"was,omitempty"`
}

// order is that of the keys of a new row; the others follow by name.
var order = []string{"Secret", "Schedule", "Timezone", "Call", "Token", "Headers", "Body", "SilentAfter", "WarnDays"}

// flagOf is the flag of a key: SilentAfter is --silent-after.
func flagOf(key string) string {
	var b strings.Builder
	for i, r := range key {
		if unicode.IsUpper(r) && i > 0 {
			b.WriteByte('-')
		}
		b.WriteRune(unicode.ToLower(r))
	}
	return b.String()
}

// questions are what is asked for a key that is missing.
var questions = map[string]string{
	"Schedule": "Schedule, such as rate(1 hour) or cron(30 1 * * ? *)",
	"Call":     "Call, such as GET https://api.example.com/v1/sync",
	"Token":    "Token, by its name in the template", "Secret": "Secret, by its name without the stack's",
}

func newNewCommand(a *App) *cobra.Command {
	return group("new <command>", writing, "Write a job or a token into the template",
		`Write a job or a token into the template. Only the lines of the new row change:
comments, quotes and empty lines stay. The row is checked before it is written.
What is missing is asked for at a terminal.`,
		newRowCommand(a, edit.Jobs, "job", `  cronbearer new job NightlyExport --token ExampleApi \
    --schedule 'cron(30 1 * * ? *)' --timezone Europe/London \
    --call 'POST https://api.example.com/v1/exports'`),
		newRowCommand(a, edit.Tokens, "token", `  cronbearer new token BillingApi --secret billing-api --warn-days 14`))
}

func newRowCommand(a *App, mapping, noun, example string) *cobra.Command {
	values := map[string]*string{}
	var dry bool
	c := &cobra.Command{
		Use: noun + " <name>", Short: "Write a " + noun + " into the template", Args: arguments("<name>"),
		Long: "Write a " + noun + ` into the template, and its name into the list of its loop. It
shows the lines that change. The values of the flags are those of the keys in
docs/configuration.md.`,
		Example: example,
		RunE: func(_ *cobra.Command, names []string) error {
			return a.newRow(mapping, names[0], values, dry)
		},
	}
	for _, key := range lint.Keys(mapping) {
		values[key.Name] = c.Flags().String(flagOf(key.Name), "", "the key `"+key.Name+"`")
	}
	c.Flags().BoolVar(&dry, "dry-run", false, "show the lines and write nothing")
	a.describes("new "+noun, editDocument{})
	return c
}

func (a *App) newRow(mapping, name string, values map[string]*string, dry bool) error {
	row := edit.Row{Name: name}
	if err := a.askMissing(mapping, values); err != nil {
		return err
	}
	keys := lint.Keys(mapping)
	slices.SortStableFunc(keys, func(x, y lint.Key) int { return place(x.Name) - place(y.Name) })
	for _, key := range keys {
		if value := *values[key.Name]; value != "" {
			if err := credential(key.Name, value); err != nil {
				return err
			}
			row.Keys = append(row.Keys, edit.Key{Name: key.Name, Value: value})
		}
	}
	return a.editTemplate(dry, func(data []byte) ([]byte, error) { return edit.Add(data, mapping, row) }, func() {
		if mapping == edit.Jobs {
			a.announceJob(row)
		}
		a.IO.Printf("Next: cronbearer plan%s\n", map[bool]string{true: " " + name, false: ""}[mapping == edit.Jobs])
	})
}

func place(key string) int {
	if i := slices.Index(order, key); i >= 0 {
		return i
	}
	return len(order)
}

// askMissing asks for the keys that a row needs, and computes SilentAfter.
func (a *App) askMissing(mapping string, values map[string]*string) error {
	keys := lint.Keys(mapping)
	slices.SortStableFunc(keys, func(x, y lint.Key) int { return place(x.Name) - place(y.Name) })
	for _, key := range keys {
		if !key.Required || *values[key.Name] != "" {
			continue
		}
		if key.Name == "SilentAfter" {
			hours, watched, err := leastSilentAfter(*values["Schedule"], *values["Timezone"], *values["Window"])
			if err != nil {
				return exit.Failed("InvalidSchedule", "%v", err)
			}
			*values["SilentAfter"] = strconv.Itoa(hours)
			if !watched && *values["Watch"] == "" {
				*values["Watch"] = "ignore"
			}
			continue
		}
		question := questions[key.Name]
		if question == "" {
			question = key.Name
		}
		answer, err := a.IO.Ask(question, "--"+flagOf(key.Name))
		if err != nil {
			return err
		}
		*values[key.Name] = answer
	}
	return nil
}

// leastSilentAfter computes the least SilentAfter of a schedule.
func leastSilentAfter(expression, zone, window string) (hours int, watched bool, err error) {
	s, err := schedule.Parse(expression, zone)
	if err != nil {
		return 0, false, err
	}
	minutes, err := strconv.Atoi(window)
	if window != "" && err != nil {
		return 0, false, fmt.Errorf("Window %q is not a number of minutes", window) //nolint:staticcheck // the name of a key
	}
	hours, watched = lint.Silence(s, time.Duration(minutes)*time.Minute)
	return hours, watched, nil
}

// credential refuses a value that looks like a token: those belong in the secret.
func credential(key, value string) error {
	if what := lint.Credential(key, value); what != "" {
		e := exit.Failed("Credential", "%s has %s: a template is no place for a token", key, what)
		e.Fix = "store it as a secret: cronbearer token set <token>"
		return e
	}
	return nil
}

// announceJob says when the new job starts first, and what it costs.
func (a *App) announceJob(row edit.Row) {
	s, err := schedule.Parse(row.Get("Schedule"), row.Get("Timezone"))
	if err != nil {
		return
	}
	price := pricing.Alarms.USD + pricing.Metrics.USD
	if strings.HasPrefix(row.Get("Schedule"), "rate(") {
		a.IO.Printf("Starts as soon as it is deployed. $%.2f a month and its runs.\n", price)
		return
	}
	if next, ok := s.Next(a.Now()); ok {
		zone, err := time.LoadLocation(row.Get("Timezone"))
		if err != nil {
			zone = time.UTC
		}
		a.IO.Printf("Starts first %s. $%.2f a month and its runs.\n", next.In(zone).Format("Mon 2 Jan 15:04 MST"), price)
	}
}

func newSetCommand(a *App) *cobra.Command {
	var dry bool
	c := &cobra.Command{
		Use: "set <job or token> <Key>=<value>...", Short: "Change keys of a job or a token of the template",
		GroupID: writing,
		Long: `Change keys of a job or a token of the template. An empty value removes the key.
Only the lines of those keys change.`,
		Example: `  cronbearer set HourlySync Timeout=2m Attempts=5
  cronbearer set ExampleApi WarnDays=7`,
		Args: func(c *cobra.Command, given []string) error {
			if len(given) < 2 { //nolint:mnd // a name and a change
				return exit.Usagef("%s needs a name and at least one <Key>=<value>", c.CommandPath())
			}
			return nil
		},
		RunE: func(_ *cobra.Command, given []string) error { return a.setKeys(given[0], given[1:], dry) },
	}
	c.Flags().BoolVar(&dry, "dry-run", false, "show the lines and write nothing")
	a.describes("set", editDocument{})
	return c
}

func (a *App) setKeys(name string, changes []string, dry bool) error {
	var keys []edit.Key
	for _, change := range changes {
		key, value, ok := strings.Cut(change, "=")
		if !ok || key == "" {
			return exit.Usagef("a change is written <Key>=<value>")
		}
		if err := credential(key, value); err != nil {
			return err
		}
		keys = append(keys, edit.Key{Name: key, Value: value})
	}
	mapping, err := a.mappingOf(name)
	if err != nil {
		return err
	}
	return a.editTemplate(dry, func(data []byte) ([]byte, error) { return edit.Set(data, mapping, name, keys) }, func() {
		a.IO.Println("Next: cronbearer plan")
	})
}

// mappingOf finds out whether a name is a job's or a token's.
func (a *App) mappingOf(name string) (string, error) {
	data, err := a.ReadTemplate()
	if err != nil {
		return "", err
	}
	for _, mapping := range []string{edit.Jobs, edit.Tokens} {
		if _, err := edit.Find(data, mapping, name); err == nil {
			return mapping, nil
		}
	}
	return "", exit.Failed("NoRow", "%s has no job and no token of that name", a.Template)
}

func newRemoveCommand(a *App) *cobra.Command {
	row := func(mapping, noun, example string) *cobra.Command {
		var dry bool
		c := &cobra.Command{
			Use: noun + " <name>", Short: "Remove a " + noun + " from the template", Args: arguments("<name>"),
			Long: "Remove a " + noun + ` from the template, and its name from the list of its loop. The
deployment that follows deletes its alarms and its schedule; no secret is
touched.`,
			Example: example,
			RunE: func(_ *cobra.Command, names []string) error {
				if mapping == edit.Tokens {
					if err := a.unusedToken(names[0]); err != nil {
						return err
					}
				}
				return a.editTemplate(dry, func(data []byte) ([]byte, error) {
					return edit.Remove(data, mapping, names[0])
				}, func() {
					a.IO.Println("Next: cronbearer plan")
				})
			},
		}
		c.Flags().BoolVar(&dry, "dry-run", false, "show the lines and write nothing")
		a.describes("remove "+noun, editDocument{})
		return c
	}
	return group("remove <command>", writing, "Remove a job or a token from the template",
		`Remove a job or a token from the template. Only its lines change.`,
		row(edit.Jobs, "job", `  cronbearer remove job NightlyExport`),
		row(edit.Tokens, "token", `  cronbearer remove token BillingApi`))
}

// unusedToken fails if a job still uses the token.
func (a *App) unusedToken(name string) error {
	data, err := a.ReadTemplate()
	if err != nil {
		return err
	}
	rows, err := edit.Rows(data, edit.Jobs)
	if err != nil {
		return exit.Failed("InvalidTemplate", "%v", err)
	}
	var users []string
	for _, row := range rows {
		if row.Get("Token") == name {
			users = append(users, row.Name)
		}
	}
	if len(users) > 0 {
		e := exit.Failed("TokenInUse", "%s is the token of %s", name, strings.Join(users, ", "))
		e.Fix = "remove those jobs first, or give them another token: cronbearer set <job> Token=<token>"
		return e
	}
	return nil
}

// editTemplate changes the template: it checks the result, shows the lines and writes it. done says what comes next,
// for people.
func (a *App) editTemplate(dry bool, change func([]byte) ([]byte, error), done func()) error {
	before, err := a.ReadTemplate()
	if err != nil {
		return err
	}
	after, err := change(before)
	switch {
	case errors.Is(err, edit.ErrExists):
		return exit.Failed("Exists", "%s has a row of that name already", a.Template)
	case errors.Is(err, edit.ErrMissing):
		return exit.Failed("NoRow", "%s has no row of that name", a.Template)
	case err != nil:
		e := exit.Failed("NotEdited", "%v", err)
		e.Fix = "nothing was written"
		return e
	}
	warnings, err := a.newProblems(before, after)
	if err != nil {
		return err
	}
	lines := edit.Diff(before, after)
	if !dry && !bytes.Equal(before, after) {
		if err := replace(a.Template, after); err != nil {
			return exit.Failed("NotWritten", "%v", err)
		}
	}
	if a.IO.JSON {
		d := editDocument{Versioned: view.V1, Template: a.Template, Written: !dry, Lines: []editLine{}}
		for _, l := range lines {
			d.Lines = append(d.Lines, editLine{string(l.Kind), l.Number, l.Text, l.Was})
		}
		return a.IO.WriteJSON(d)
	}
	a.printLines(lines)
	for _, text := range warnings {
		a.IO.Notef("warning: %s", text)
	}
	if dry {
		a.IO.Notef("nothing was written")
	} else if a.IO.OutTTY {
		done()
	}
	return nil
}

// newProblems fails with the mistakes that an edit brings, and returns the warnings.
func (a *App) newProblems(before, after []byte) (warnings []string, err error) {
	read := func(data []byte) map[string]lint.Problem {
		found := map[string]lint.Problem{}
		for _, p := range lint.Template(data, lint.Options{Now: a.Now()}) {
			found[p.Place+"\n"+p.Key+"\n"+p.Text] = p
		}
		return found
	}
	old := read(before)
	var mistakes []string
	for key, p := range read(after) {
		if _, known := old[key]; known {
			continue
		}
		switch p.Severity {
		case lint.Mistake:
			mistakes = append(mistakes, p.Message())
		case lint.Warning:
			warnings = append(warnings, p.Message())
		}
	}
	slices.Sort(mistakes)
	slices.Sort(warnings)
	if len(mistakes) == 0 {
		return warnings, nil
	}
	e := exit.Failed("Mistakes", "%s", strings.Join(mistakes, "\n"))
	e.Fix = "nothing was written"
	return nil, e
}

// replace writes a file in one step, with the mode that it had.
func replace(path string, data []byte) (err error) {
	mode := fs.FileMode(0o644)
	if info, err := os.Stat(path); err == nil {
		mode = info.Mode().Perm()
	}
	f, err := os.CreateTemp(filepath.Dir(path), ".cronbearer-*")
	if err != nil {
		return err //nolint:wrapcheck // it names the file
	}
	defer func() {
		if err != nil {
			err = errors.Join(err, os.Remove(f.Name()))
		}
	}()
	_, err = f.Write(data)
	if err = errors.Join(err, f.Chmod(mode), f.Close()); err != nil {
		return err
	}
	return os.Rename(f.Name(), path) //nolint:wrapcheck // it names the file
}

// printLines shows what changes: the line's number, and its text as far as the terminal is wide. Of a long line that
// changes only in part it is the part.
func (a *App) printLines(lines []edit.Line) {
	if a.IO.OutTTY {
		a.IO.Println(a.Template)
	}
	for _, l := range lines {
		head := fmt.Sprintf(" %c %-5d ", l.Kind, l.Number)
		text := strings.TrimRight(l.Text, " ")
		if a.IO.OutTTY {
			text = clipped(text, commonPrefix(l.Text, l.Was), a.IO.Width-len(head))
		}
		a.IO.Println(strings.TrimRight(head+text, " "))
	}
}

func commonPrefix(a, b string) int {
	n := 0
	for n < len(a) && n < len(b) && a[n] == b[n] {
		n++
	}
	return n
}

// clipped cuts a text to a width so that what is at a byte stays visible.
func clipped(text string, at, width int) string {
	runes := []rune(text)
	if len(runes) <= width {
		return text
	}
	const before = 20
	start := max(0, min(len([]rune(text[:at]))-before, len(runes)-width+1))
	if start == 0 {
		return string(runes[:width-1]) + "…"
	}
	end := min(len(runes), start+width-1)
	out := "…" + string(runes[start:end])
	if end < len(runes) {
		out = "…" + string(runes[start:end-1]) + "…"
	}
	return out
}
