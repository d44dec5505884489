package cli

import (
	"bytes"
	"context"
	"errors"
	"fmt"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"time"

	"github.com/spf13/cobra"

	"github.com/cronbearer/cronbearer/infra/cronbearer/internal/exit"
	"github.com/cronbearer/cronbearer/infra/cronbearer/internal/page"
	"github.com/cronbearer/cronbearer/infra/cronbearer/internal/rehearse"
	"github.com/cronbearer/cronbearer/infra/cronbearer/internal/sandbox"
	"github.com/cronbearer/cronbearer/infra/cronbearer/internal/view"
	"github.com/cronbearer/cronbearer/infra/cronbearer/internal/when"
	"github.com/cronbearer/cronbearer/internal/dev/samconfig"
)

type rehearseDocument struct {
	view.Versioned
	*rehearse.Report
}

// rehearsal is the command line.
type rehearsal struct {
	kill, restore, fault []string
	minted, rotated      []string
	length, start, limit string
	page                 string
}

func newRehearseCommand(a *App) *cobra.Command {
	var o rehearsal
	c := &cobra.Command{
		Use: "rehearse [--kill <token>@<time>] [--fault <kind>:<name>@<time>]...", GroupID: writing, Args: arguments(),
		Short: "Play faults against your own template, and see what you would be told",
		Long: `Run your own template with the real functions on a model of AWS, on a virtual
clock: this token dies on Tuesday, and what would you be told, when, how often?
It prints each message with its delay, and the worst case by arithmetic. What
the template does not have is invented: a value for each secret, and an API
behind each host that answers what the jobs expect.

Faults, with what they are named with:
` + faultKinds() + `
--restore takes the name of a token, or what --fault has, and ends it; a killed
token is replaced by a new one. * names all tokens.

How a token is renewed stands in its secret, which the template does not have:
--minted is one of a client's credentials, which the caller exchanges, and
--rotated one of a refresh token, which infra/rotation.yaml renews every 30
minutes. To kill a minted token revokes the client.

As a step of CI: with --notified-within the exit code is 1 if a dead token went,
or could go, unnoticed for longer, or if no one is subscribed to the alarms.

It is a model, not AWS.

Times: ` + when.Forms,
		Example: `  cronbearer rehearse --kill ExampleApi@tue10:07 --restore ExampleApi@thu14:07
  cronbearer rehearse --kill '*' --notified-within 2h
  cronbearer rehearse --fault 500:api.example.com@+2h --for 5h`,
		RunE: func(c *cobra.Command, _ []string) error { return a.rehearse(c.Context(), o) },
	}
	flags := c.Flags()
	flags.StringArrayVar(&o.kill, "kill", nil, "a `token@time` that dies (the time: after an hour)")
	flags.StringArrayVar(&o.restore, "restore", nil, "a `token@time`, or a fault, that is restored")
	flags.StringArrayVar(&o.fault, "fault", nil, "a fault, as `kind:name@time`")
	flags.StringArrayVar(&o.minted, "minted", nil, "a `token` that the caller gets with a client's credentials")
	flags.StringArrayVar(&o.rotated, "rotated", nil, "a `token` that the rotator renews")
	flags.StringVar(&o.length, "for", "7d", "how `long` the rehearsal is")
	flags.StringVar(&o.start, "start", "", "the `time` at which it begins (now)")
	flags.StringVar(
		&o.limit, "notified-within", "", "exit with 1 if a dead token can go unnoticed for longer than this `duration`",
	)
	flags.StringVar(&o.page, "page", "", "also write a page that shows it, one self-contained HTML `file`")
	a.describes("rehearse", rehearseDocument{})
	return c
}

func faultKinds() string {
	var lines []string
	for kind, of := range sandbox.Kinds() {
		line := "  " + string(kind)
		if of != "" {
			line += ":<" + of + ">"
		}
		lines = append(lines, line)
	}
	slices.Sort(lines)
	return strings.Join(lines, "\n") + "\n"
}

func (a *App) rehearse(ctx context.Context, o rehearsal) error {
	start, length, limit, err := o.times(a)
	if err != nil {
		return err
	}
	if _, err := a.ReadTemplate(); err != nil {
		return err
	}
	r := &rehearse.Rehearsal{For: length}
	s, err := a.sandbox(ctx, sandbox.Options{Start: start, Observe: r.Observe, Renewals: o.renewals()})
	if err != nil {
		return err
	}
	defer s.Close() //nolint:errcheck // what is left is in the system's folder for what is temporary
	r.Sandbox = s
	if r.Plan, err = o.plan(a, s, start); err != nil {
		return err
	}
	if err := fits(r.Plan, start, length, limit); err != nil {
		return err
	}
	if a.IO.InTTY && a.IO.OutTTY && !a.IO.JSON {
		r.Progress = func(now time.Time) { fmt.Fprintf(a.IO.Err, "\r%s", now.In(a.IO.Zone).Format("Mon 2 Jan 15:04")) }
	}
	report, err := r.Run(ctx)
	if r.Progress != nil {
		fmt.Fprint(a.IO.Err, "\r                    \r")
	}
	if err != nil {
		return exit.From(fmt.Errorf("rehearse: %w", err))
	}
	if o.page != "" {
		if err := writePage(o.page, s, report); err != nil {
			return err
		}
	}
	if a.IO.JSON {
		err = a.IO.WriteJSON(rehearseDocument{view.V1, report})
	} else {
		a.printRehearsal(report)
	}
	if err != nil || limit == 0 {
		return err
	}
	if late := report.Late(limit); len(late) > 0 {
		if !a.IO.JSON {
			a.IO.Println("✗ " + strings.Join(late, "; "))
		}
		return exit.Silent(exit.No)
	}
	return nil
}

// writePage writes the page of a finished rehearsal.
func writePage(path string, s *sandbox.Sandbox, r *rehearse.Report) error {
	d := page.Document{
		Stack: s.Stack.StackName, Start: r.Start, Now: r.End, Jobs: page.JobsOf(s), Events: r.All,
	}
	on := s.On()
	for _, name := range s.Tokens() {
		killed := slices.Contains(on, sandbox.Fault{Kind: sandbox.Kill, Name: name})
		d.Tokens = append(d.Tokens, page.Token{Name: name, Killed: killed})
	}
	var b bytes.Buffer
	if err := page.Write(&b, d); err != nil {
		return exit.From(err)
	}
	if err := os.WriteFile(path, b.Bytes(), 0o644); err != nil { //nolint:gosec // to be read by others
		return exit.Failed("PageNotWritten", "%v", err)
	}
	return nil
}

func (o rehearsal) times(a *App) (start time.Time, length, limit time.Duration, err error) {
	start = a.Now().UTC().Truncate(time.Minute)
	if o.start != "" {
		if start, err = when.Parse(o.start, a.Now(), a.IO.Zone, when.Future); err != nil {
			return start, 0, 0, exit.Usagef("--start: %v", err)
		}
	}
	length, ok := when.Duration(o.length)
	if !ok || length == 0 {
		return start, 0, 0, exit.Usagef("--for: %q is not a duration: write 90m, 12h, 7d", o.length)
	}
	if o.limit != "" {
		if limit, ok = when.Duration(o.limit); !ok || limit == 0 {
			return start, 0, 0, exit.Usagef("--notified-within: %q is not a duration: write 90m, 2h, 1d", o.limit)
		}
	}
	return start, length, limit, nil
}

// sandbox deploys the template of -t, with what samconfig.toml has for its parameters.
func (a *App) sandbox(ctx context.Context, o sandbox.Options) (*sandbox.Sandbox, error) {
	saved, err := samconfig.Read(a.samconfigPath(), a.Env)
	if err != nil && !isNotExist(err) {
		return nil, &exit.Error{Status: exit.No, Code: "SamconfigUnreadable", Text: err.Error(), Err: err}
	}
	o.Template, o.Stack, o.Parameters, o.Binaries = a.Template, saved.Stack, saved.Parameters, a.testBinaries()
	s, err := sandbox.New(ctx, o)
	if unknown, ok := errors.AsType[*sandbox.UnknownTokenError](err); ok {
		return nil, exit.Usagef("%v", unknown)
	}
	if err != nil {
		return nil, &exit.Error{
			Status: exit.No, Code: "InvalidTemplate", Text: err.Error(), Err: err, Fix: "cronbearer check names every mistake",
		}
	}
	return s, nil
}

// renewals are those of --minted and --rotated, and of the faults that only a rotated token can have.
func (o rehearsal) renewals() map[string]sandbox.Renewal {
	all := map[string]sandbox.Renewal{}
	for _, name := range o.minted {
		all[name] = sandbox.Minted
	}
	for _, name := range o.rotated {
		all[name] = sandbox.Rotated
	}
	for _, text := range o.fault {
		if name, ok := strings.CutPrefix(text, string(sandbox.RefreshRevoked)+":"); ok {
			name, _, _ = strings.Cut(name, "@")
			all[name] = sandbox.Rotated
		}
	}
	return all
}

// fits makes sure that each fault is within the rehearsal, and that a limit has the time to pass.
func fits(plan []rehearse.Planned, start time.Time, length, limit time.Duration) error {
	for _, p := range plan {
		after := p.At.Sub(start)
		if p.Fault.Kind == sandbox.Kill && !p.Restore {
			after += limit
		}
		switch {
		case p.At.Before(start):
			return exit.Usagef("%s at %s is before the rehearsal begins", p.Fault, p.At.Format(time.RFC3339))
		case after > length:
			return exit.Usagef("%s at %s needs a longer rehearsal: --for %dh", p.Fault, p.At.Format(time.RFC3339),
				int(after.Hours())+1)
		}
	}
	return nil
}

// testBinaries are functions that a test has built; nil outside of tests.
func (a *App) testBinaries() map[string]string {
	folder := a.Getenv("CRONBEARER_TEST_FUNCTIONS")
	if folder == "" {
		return nil
	}
	return map[string]string{"Caller": filepath.Join(folder, "caller"), "Rotator": filepath.Join(folder, "rotator")}
}

// plan reads the faults of the command line.
func (o rehearsal) plan(a *App, s *sandbox.Sandbox, start time.Time) ([]rehearse.Planned, error) {
	var planned []rehearse.Planned
	add := func(texts []string, flag string, restore bool, kindOf func(string) (sandbox.Kind, string, error)) error {
		for _, text := range texts {
			name, at, err := a.timed(text, start)
			if err != nil {
				return exit.Usagef("%s: %v", flag, err)
			}
			kind, name, err := kindOf(name)
			if err != nil {
				return exit.Usagef("%s: %v", flag, err)
			}
			names := []string{name}
			if name == "*" {
				names = s.Tokens()
			}
			for _, one := range names {
				planned = append(planned, rehearse.Planned{At: at, Fault: sandbox.Fault{Kind: kind, Name: one}, Restore: restore})
			}
		}
		return nil
	}
	kill := func(name string) (sandbox.Kind, string, error) { return sandbox.Kill, name, known(s, name) }
	if err := add(o.kill, "--kill", false, kill); err != nil {
		return nil, err
	}
	if err := add(o.fault, "--fault", false, faultOf); err != nil {
		return nil, err
	}
	err := add(o.restore, "--restore", true, func(text string) (sandbox.Kind, string, error) {
		if !strings.Contains(text, ":") && known(s, text) == nil {
			return kill(text)
		}
		return faultOf(text)
	})
	return planned, err
}

// timed splits name@time; without a time it is after an hour. An email address has an @ of its own.
func (a *App) timed(text string, start time.Time) (name string, at time.Time, err error) {
	i := strings.LastIndexByte(text, '@')
	isEmail := strings.HasPrefix(text, string(sandbox.Unconfirmed)+":") && strings.Count(text, "@") == 1
	if i < 0 || isEmail {
		return text, start.Add(time.Hour), nil
	}
	at, err = when.Parse(text[i+1:], start, a.IO.Zone, when.Future)
	return text[:i], at, err
}

func known(s *sandbox.Sandbox, token string) error {
	if token == "*" || slices.Contains(s.Tokens(), token) {
		return nil
	}
	return &sandbox.UnknownTokenError{Name: token, Known: s.Tokens()}
}

// faultOf reads "500:api.example.com" and "role-denied".
func faultOf(text string) (sandbox.Kind, string, error) {
	kind, name, _ := strings.Cut(text, ":")
	of, ok := sandbox.Kinds()[sandbox.Kind(kind)]
	switch {
	case !ok:
		return "", "", fmt.Errorf("there is no fault %q: cronbearer rehearse --help lists them", kind)
	case of == "" && name != "":
		return "", "", fmt.Errorf("%s takes no name", kind)
	case of != "" && name == "":
		return "", "", fmt.Errorf("%s needs a %s: %s:<%s>", kind, of, kind, of)
	}
	return sandbox.Kind(kind), name, nil
}

func (a *App) printRehearsal(r *rehearse.Report) {
	for _, text := range r.PassedOver {
		a.IO.Notef("the model leaves out %s", text)
	}
	for _, text := range r.NotRun {
		a.IO.Notef("%s", text)
	}
	for _, m := range r.Messages {
		if !a.IO.OutTTY {
			a.IO.Println(strings.Join([]string{
				m.At.UTC().Format(time.RFC3339), m.Kind, rehearsalLine(m), m.Delay.Round(time.Second).String(),
			}, "\t"))
			continue
		}
		line := m.At.In(a.IO.Zone).Format("Mon 15:04") + "   " + rehearsalLine(m)
		a.IO.Println(withDelay(line, m.Delay))
	}
	if !a.IO.OutTTY {
		return
	}
	a.IO.Printf("%s of the real functions in %s, %s. Times are %s.\n",
		view.Count(r.Runs, "run"), view.Span(r.End.Sub(r.Start)), view.Count(r.Emails, "email"),
		r.Start.In(a.IO.Zone).Format("MST"))
	for _, v := range r.Verdicts {
		if v.Worst == 0 {
			a.IO.Printf("%s: no job starts again, so no one would be notified\n", v.Token)
			continue
		}
		a.IO.Printf("%s: notified within %s in the worst case, by %s\n", v.Token, view.Exact(v.Worst), v.Job)
	}
	if len(r.Readers) == 0 {
		a.IO.Println("No one is subscribed and confirmed: alarms reach no one.")
	}
}

// withDelay adds how long after the fault it was, on a line of its own if there is no room.
func withDelay(line string, delay time.Duration) string {
	const column, exact = 61, 90 * time.Minute
	switch {
	case delay <= 0:
		return line
	case len(line) >= column:
		line += "\n"
	default:
		line += strings.Repeat(" ", column-len(line))
	}
	said := view.Span(delay)
	if delay >= exact {
		said = view.Exact(delay)
	}
	if strings.HasSuffix(line, "\n") {
		return line + strings.Repeat(" ", column) + " after " + said
	}
	return line + " after " + said
}

// rehearsalLine says what happened in a few words.
func rehearsalLine(m rehearse.Message) string {
	switch m.Kind {
	case sandbox.KindRun:
		if m.Outcome == "" {
			return m.Job + ": " + m.ErrorType
		}
		return m.Job + ": " + m.Outcome
	case sandbox.KindEmail:
		state, _, _ := strings.Cut(m.Subject, ":")
		line := "email " + state + " " + m.Alarm
		if len(m.Recipients) > 1 {
			line += fmt.Sprintf(" to %d readers", len(m.Recipients))
		}
		if m.Reminder {
			line += ", a reminder"
		}
		return line
	}
	if m.Kind == sandbox.KindRotation {
		return "rotation of " + m.Token + ": " + m.Outcome
	}
	return m.Text
}
