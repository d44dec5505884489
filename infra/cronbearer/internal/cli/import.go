package cli

import (
	"context"
	"fmt"
	"io"
	"net/url"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"time"

	"github.com/spf13/cobra"

	"github.com/cronbearer/cronbearer/infra/cronbearer/internal/account"
	"github.com/cronbearer/cronbearer/infra/cronbearer/internal/edit"
	"github.com/cronbearer/cronbearer/infra/cronbearer/internal/exit"
	"github.com/cronbearer/cronbearer/infra/cronbearer/internal/importer"
	"github.com/cronbearer/cronbearer/infra/cronbearer/internal/view"
	"github.com/cronbearer/cronbearer/internal/dev/cfn"
	"github.com/cronbearer/cronbearer/internal/dev/samconfig"
	"github.com/cronbearer/cronbearer/internal/hosts"
)

type importDocument struct {
	view.Versioned

	Entries []importEntry `json:"entries"`
	Tokens  []importToken `json:"tokens"`
	// Hosts are those that AllowedHosts must have.
	Hosts []string `json:"hosts"`
	// PlainTextLines are the lines of the source that hold credentials.
	PlainTextLines []int    `json:"plainTextLines"`
	Notes          []string `json:"notes"`
	// Written reports whether the template was changed.
	Written bool `json:"written"`
}

type importEntry struct {
	Line   int              `json:"line"`
	Source string           `json:"source"`
	Jobs   []importJob      `json:"jobs"`
	Reason string           `json:"reason,omitempty"`
	Notes  []string         `json:"notes"`
	Zone   string           `json:"zone,omitempty"`
	Starts *importer.Starts `json:"starts,omitempty"`
}

type importJob struct {
	Name string            `json:"name"`
	Keys map[string]string `json:"keys"`
}

type importToken struct {
	Name      string `json:"name"`
	Secret    string `json:"secret"`
	Lines     []int  `json:"lines"`
	PlainText bool   `json:"plainText"`
}

type importFlags struct {
	dry         bool
	zone, token string
}

func newImportCommand(a *App) *cobra.Command {
	var f importFlags
	c := &cobra.Command{
		Use: "import <kind> [<file>]", Short: "Take over jobs of a crontab or another scheduler", GroupID: writing,
		Long:              importLong(),
		Example:           importExample,
		ValidArgsFunction: completeKinds,
		Args: func(c *cobra.Command, given []string) error {
			if len(given) == 1 && given[0] == kindEventBridge {
				return nil // of an account
			}
			return arguments("a kind", "a file (or - for standard input)")(c, given)
		},
		RunE: func(c *cobra.Command, given []string) error {
			if len(given) == 1 {
				return a.importFrom(given[0], "the account", f, func() ([]byte, error) { return a.readRules(c.Context()) })
			}
			return a.importFrom(given[0], given[1], f, func() ([]byte, error) { return a.readSource(given[1]) })
		},
	}
	c.Flags().BoolVar(&f.dry, "dry", false, "print what would be written, and write nothing")
	c.Flags().BoolVar(&f.dry, "dry-run", false, "the same as --dry")
	c.Flags().StringVar(&f.zone, "timezone", "", "the time zone of times that have none (default UTC)")
	c.Flags().StringVar(&f.token, "token", "", "the name of the token for calls that send none")
	a.describes("import", importDocument{})
	return a.readsAccount(c)
}

// kindEventBridge is the kind that an account has, too.
const kindEventBridge = "eventbridge"

// readRules reads the rules of the account.
func (a *App) readRules(ctx context.Context) ([]byte, error) {
	s, err := a.connect(ctx, "import")
	if err != nil {
		return nil, err
	}
	data, err := account.Rules(ctx, s.EventBridge)
	return data, s.explained(err)
}

const importExample = `  cronbearer import crontab mycrontab --dry
  crontab -l | cronbearer import crontab - --timezone Europe/London --dry
  cronbearer import github .github/workflows/nightly.yml
  cronbearer import eventbridge rules.json --dry
  cronbearer import eventbridge --dry`

func importLong() string {
	var b strings.Builder
	b.WriteString(`Read the schedules of another program and add jobs and tokens like them to the
template. Nothing of the source is run and nothing is called. Without a file
eventbridge reads the rules of an account, and changes nothing there.

Kinds:
`)
	for _, k := range importer.Kinds() {
		fmt.Fprintf(&b, "  %-12s %s\n", k.Name, k.Title)
	}
	b.WriteString(`
Each call is shown with its next starts, the old ones by the rules of the other
program and the new ones by AWS's, and where changes of the clocks will make
them differ. What cannot be taken over is named with the reason.

Tokens that are found in the source are written nowhere. The lines that hold
them are named: store a new token and revoke the old one.`)
	return b.String()
}

func completeKinds(_ *cobra.Command, given []string, _ string) ([]string, cobra.ShellCompDirective) {
	if len(given) > 0 {
		return nil, cobra.ShellCompDirectiveDefault
	}
	var kinds []string
	for _, k := range importer.Kinds() {
		kinds = append(kinds, k.Name+"\t"+k.Title)
	}
	return kinds, cobra.ShellCompDirectiveNoFileComp
}

func (a *App) importFrom(kind, path string, f importFlags, read func() ([]byte, error)) error {
	if err := knownKind(kind); err != nil {
		return err
	}
	data, err := read()
	if err != nil {
		return err
	}
	template, err := a.ReadTemplate()
	if err != nil && !f.dry {
		return err
	}
	o, err := a.importOptions(template, f)
	if err != nil {
		return err
	}
	result, err := importer.Import(kind, data, o)
	if err != nil {
		return exit.Failed("SourceUnreadable", "%s: %s", path, err)
	}
	return a.imported(path, template, result, f)
}

func knownKind(kind string) error {
	var names []string
	for _, k := range importer.Kinds() {
		names = append(names, k.Name)
	}
	if !slices.Contains(names, kind) {
		return exit.Usagef("the kind is one of %s", strings.Join(names, ", "))
	}
	return nil
}

func (a *App) readSource(path string) ([]byte, error) {
	var data []byte
	var err error
	if path == "-" {
		data, err = io.ReadAll(a.IO.In)
	} else {
		data, err = os.ReadFile(path)
	}
	if err != nil {
		return nil, &exit.Error{Status: exit.No, Code: "SourceUnreadable", Text: err.Error(), Err: err}
	}
	return data, nil
}

// importOptions reads the names of a template that may be missing.
func (a *App) importOptions(template []byte, f importFlags) (importer.Options, error) {
	o := importer.Options{Now: a.Now(), Zone: f.zone, Token: f.token, Calls: map[string]string{}}
	if f.zone != "" {
		if _, err := time.LoadLocation(f.zone); err != nil || f.zone == "Local" {
			return o, exit.Usagef("--timezone %s is not an IANA time zone, such as Europe/London", f.zone)
		}
	}
	stack, _ := cfn.Parse(template, cfn.Options{Guess: true}) // what is wrong with it, check says
	if stack == nil {
		return o, nil
	}
	for name := range stack.Mappings["Tokens"] {
		o.Tokens = append(o.Tokens, name)
	}
	for name, keys := range stack.Mappings["Jobs"] {
		o.Jobs = append(o.Jobs, name)
		text := func(key, fallback string) string {
			if value, ok := keys[key].(string); ok {
				return value
			}
			return fallback
		}
		o.Calls[importer.Identity(text("Schedule", ""), text("Timezone", "UTC"), text("Call", ""))] = name
	}
	if f.token != "" && len(template) > 0 && !slices.Contains(o.Tokens, f.token) {
		return o, exit.Usagef("--token %s: the template has no such token", f.token)
	}
	return o, nil
}

// imported adds what was found to the template, unless that is only to be shown, and prints it.
func (a *App) imported(path string, template []byte, result *importer.Result, f importFlags) error {
	if path == "-" {
		path = "standard input"
	}
	after, err := withRows(template, result)
	if err != nil && !f.dry {
		return err
	}
	written := !f.dry && len(result.Jobs()) > 0
	if written {
		if err := edit.Replace(a.Template, template, after); err != nil {
			return err
		}
	}
	switch {
	case a.IO.JSON:
		if err := a.IO.WriteJSON(importDocumentOf(result, written)); err != nil {
			return err
		}
	case !a.IO.OutTTY:
		a.importTable(path, result)
	default:
		a.importReport(result)
		if err != nil {
			a.IO.Println("\n" + view.Wrap(err.Error(), 0, a.IO.TextWidth()))
		} else {
			a.IO.Println()
			a.printDiff(template, after)
		}
		a.importSummary(path, result, written)
	}
	if len(result.Jobs()) == 0 {
		return exit.Silent(exit.No)
	}
	return nil
}

// withRows returns the template with the tokens and jobs.
func withRows(template []byte, r *importer.Result) ([]byte, error) {
	if len(r.Jobs()) == 0 || len(template) == 0 {
		return template, nil
	}
	after := template
	add := func(mapping, name string, keys [][2]string) error {
		row := edit.Row{Name: name}
		for _, k := range keys {
			row.Keys = append(row.Keys, edit.Key{Name: k[0], Value: k[1]})
		}
		var err error
		if after, err = edit.Add(after, mapping, row); err != nil {
			return &exit.Error{
				Status: exit.No, Code: "TemplateNotEdited", Text: fmt.Sprintf("%s %s: %v", mapping, name, err), Err: err,
				Fix: "Nothing was written. --dry --json has the rows, to be written by hand.",
			}
		}
		return nil
	}
	for _, t := range r.Tokens {
		if err := add(edit.Tokens, t.Name, [][2]string{{"Secret", t.Secret}}); err != nil {
			return nil, err
		}
	}
	for _, j := range r.Jobs() {
		if err := add(edit.Jobs, j.Name, j.Keys()); err != nil {
			return nil, err
		}
	}
	return after, nil
}

func importDocumentOf(r *importer.Result, written bool) importDocument {
	d := importDocument{
		Versioned: view.V1, Entries: []importEntry{}, Tokens: []importToken{}, Hosts: list(r.Hosts),
		PlainTextLines: list(r.PlainText), Notes: list(r.Notes), Written: written,
	}
	for _, e := range r.Entries {
		entry := importEntry{
			Line: e.Line, Source: e.Source, Jobs: []importJob{}, Reason: e.Reason, Notes: list(e.Notes), Zone: e.Zone,
			Starts: utc(e.Starts),
		}
		for _, j := range e.Jobs {
			keys := map[string]string{}
			for _, k := range j.Keys() {
				keys[k[0]] = k[1]
			}
			entry.Jobs = append(entry.Jobs, importJob{j.Name, keys})
		}
		d.Entries = append(d.Entries, entry)
	}
	for _, t := range r.Tokens {
		d.Tokens = append(d.Tokens, importToken{t.Name, t.Secret, t.Lines, t.PlainText})
	}
	return d
}

// list is never null in JSON.
func list[T any](values []T) []T {
	if values == nil {
		return []T{}
	}
	return values
}

// utc is the same starts in UTC, as all times of a document are.
func utc(s *importer.Starts) *importer.Starts {
	if s == nil {
		return nil
	}
	all := func(times []time.Time) []time.Time {
		var converted []time.Time
		for _, at := range times {
			converted = append(converted, at.UTC())
		}
		return converted
	}
	c := importer.Starts{Old: list(all(s.Old)), New: list(all(s.New)), Agree: s.Agree, Twice: s.Twice}
	for _, change := range s.Clocks {
		c.Clocks = append(c.Clocks, importer.ClockChange{
			At: change.At.UTC(), Lost: all(change.Lost), Added: all(change.Added),
		})
	}
	return &c
}

// importTable prints a line for each job, and for each call that was not taken over.
func (a *App) importTable(path string, r *importer.Result) {
	t := a.IO.Table("LINE", "JOB", "SCHEDULE", "TIMEZONE", "CALL", "TOKEN", "REASON")
	for _, e := range r.Entries {
		line := fmt.Sprint(e.Line)
		for _, j := range e.Jobs {
			t.Row(line, j.Name, j.Schedule, j.Timezone, j.Call, j.Token, "")
		}
		if len(e.Jobs) == 0 {
			t.Row(line, "", "", "", "", "", e.Reason)
		}
	}
	t.Print()
	if len(r.PlainText) > 0 {
		a.IO.Notef("%s", view.Wrap(plainText(path, r), 0, a.IO.TextWidth()))
	}
}

func plainText(path string, r *importer.Result) string {
	verb := "hold"
	if len(r.PlainText) == 1 {
		verb = "holds"
	}
	return fmt.Sprintf("%s of %s %s credentials in plain text. They are written nowhere; store new ones and revoke these.",
		capital(importer.Lines(r.PlainText)), path, verb)
}

func capital(text string) string { return strings.ToUpper(text[:1]) + text[1:] }

// importReport prints for people.
func (a *App) importReport(r *importer.Result) {
	width := 0
	for _, e := range r.Entries {
		width = max(width, len(fmt.Sprint(e.Line)))
	}
	for _, e := range r.Entries {
		a.importEntry(e, width)
	}
}

// importEntry prints one call.
func (a *App) importEntry(e importer.Entry, width int) {
	const before, after = len("line "), 2
	indent := before + width + after
	say := func(text string) { a.IO.Println(view.Wrap(text, indent, a.IO.TextWidth())) }
	head := e.Source
	switch {
	case len(e.Jobs) == 0:
		head = "not taken over: " + e.Reason
		if e.Source != "" {
			head = e.Source + " is not taken over: " + e.Reason
		}
	case len(e.Jobs) == 1:
		head += " → job " + e.Jobs[0].Name
	default:
		head += " → jobs " + e.Jobs[0].Name + " and " + e.Jobs[1].Name
	}
	text := strings.TrimLeft(view.Wrap(head, indent, a.IO.TextWidth()), " ")
	a.IO.Printf("line %*d%s%s\n", width, e.Line, strings.Repeat(" ", after), text)
	for _, j := range e.Jobs {
		line := j.Schedule + ", " + e.Zone
		if e.ZoneFrom != "" && e.ZoneFrom != importer.Assumed {
			line += " (" + e.ZoneFrom + ")"
		}
		say(line)
	}
	if e.Starts != nil {
		a.importStarts(*e.Starts, indent)
	}
	for _, n := range e.Notes {
		say(n)
	}
}

// importStarts prints the old and the new starts, one below the other.
func (a *App) importStarts(s importer.Starts, indent int) {
	row := func(name string, times []time.Time) string {
		words := []string{strings.Repeat(" ", indent) + name}
		for _, at := range times {
			words = append(words, at.Format("Mon _2 Jan 15:04"))
		}
		return strings.Join(words, "  ")
	}
	verdict := "  agree"
	if !s.Agree {
		verdict = "  DIFFER"
	}
	a.IO.Println(row("old", s.Old))
	a.IO.Println(row("new", s.New) + verdict)
	const most = 2
	for _, c := range s.Clocks[:min(most, len(s.Clocks))] {
		a.IO.Println(view.Wrap(clockText(c), indent, a.IO.TextWidth()))
	}
	if more := len(s.Clocks) - most; more > 0 {
		a.IO.Println(view.Wrap(view.Count(more, "more change")+" of the clocks within a year", indent, a.IO.TextWidth()))
	}
	if s.Twice != nil {
		zone := s.New[0].Location()
		a.IO.Println(view.Wrap("Both jobs start on "+s.Twice.In(zone).Format("Mon 2 Jan 2006 15:04")+
			", where the old job started once", indent, a.IO.TextWidth()))
	}
}

// clockText says what a change of the clocks does to a job.
func clockText(c importer.ClockChange) string {
	day := c.At.Format("Mon 2 Jan 2006")
	_, before := c.At.Add(-time.Second).Zone()
	_, now := c.At.Zone()
	var text string
	switch {
	case len(c.Lost) > 0 && now > before:
		text = fmt.Sprintf("%s the clocks jump over a start: the old job runs at %s, the new one does not", day,
			c.Lost[0].Format("15:04"))
	case len(c.Lost) > 0:
		text = fmt.Sprintf("%s the clocks go back: the old job starts again (%s), the new one does not", day,
			view.Count(len(c.Lost), "start"))
	}
	if len(c.Added) > 0 {
		text = strings.TrimPrefix(text+"; the new job also starts on "+c.Added[0].Format("Mon 2 Jan 2006 15:04"), "; ")
	}
	return text
}

func (a *App) importSummary(path string, r *importer.Result, written bool) {
	say := func(text string) { a.IO.Println(view.Wrap(text, 0, a.IO.TextWidth())) }
	a.IO.Println()
	for _, n := range r.Notes {
		say(n)
	}
	missed := 0
	for _, e := range r.Entries {
		if len(e.Jobs) == 0 {
			missed++
		}
	}
	text := view.Count(len(r.Jobs()), "job") + " and " + view.Count(len(r.Tokens), "token")
	if written {
		text += " added to " + a.Template
	}
	text += "."
	if missed > 0 {
		text += " Not taken over: " + view.Count(missed, "call") + "."
	}
	say(text)
	if missing := a.notAllowed(r.Hosts); len(missing) > 0 {
		say("AllowedHosts must have " + strings.Join(missing, ", ") + ".")
	}
	if len(r.PlainText) > 0 {
		say(plainText(path, r))
	}
	for i, t := range r.Tokens {
		prefix := "      "
		if i == 0 {
			prefix = "Next: "
		}
		a.IO.Println(prefix + "cronbearer token set " + t.Name)
	}
}

// notAllowed returns the hosts that AllowedHosts, as samconfig.toml has saved it, does not have.
func (a *App) notAllowed(names []string) []string {
	saved, err := samconfig.Read(filepath.Join(filepath.Dir(a.Template), "samconfig.toml"), a.Env)
	if err != nil {
		return names
	}
	allowed, err := hosts.ParseCommaSeparated(saved.Parameters["AllowedHosts"])
	if err != nil {
		return names
	}
	return slices.DeleteFunc(slices.Clone(names), func(name string) bool {
		return allowed.Allows(&url.URL{Scheme: "https", Host: name})
	})
}
