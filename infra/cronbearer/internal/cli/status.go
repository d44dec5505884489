package cli

import (
	"context"
	"fmt"
	"strings"
	"time"

	"github.com/spf13/cobra"

	"github.com/cronbearer/cronbearer/infra/cronbearer/internal/exit"
	"github.com/cronbearer/cronbearer/infra/cronbearer/internal/status"
	"github.com/cronbearer/cronbearer/infra/cronbearer/internal/view"
)

type statusDocument struct {
	view.Versioned
	accountDocument
	*status.Report
}

// watchEvery is how often --watch reads again.
const watchEvery = 30 * time.Second

// statusOptions are the flags of status.
type statusOptions struct{ watch, exitCode, allStacks bool }

func newStatusCommand(a *App) *cobra.Command {
	var o statusOptions
	c := &cobra.Command{
		Use:   "status [<token>|<job>] [--all-stacks] [--watch] [--exit-code]",
		Short: "Show tokens, jobs, queues and people, and what to do next", GroupID: running,
		Args: cobra.MaximumNArgs(1),
		Long: `Show the state of a deployed application: each token with its verdict, its
expiry and its age; each job with its last run and its next start; what is kept
in the queues; who is notified, and when that was last tried. The last line is
the next command to type. With the name of a token or a job only that one and
what belongs to it are shown.

With --all-stacks it is one line for each Cronbearer stack of the account and
Region. That needs rights beyond one stack, which are printed by
cronbearer rights status --all-stacks.

What could not be read is shown as ?, with the reason. With --exit-code the exit
code is 1 while an alarm is in ALARM, and if the alarms could not be read.`,
		Example: `  cronbearer status
  cronbearer status --json
  cronbearer status --exit-code
  cronbearer status ExampleApi
  cronbearer status --all-stacks`,
		RunE: func(c *cobra.Command, names []string) error {
			if o.allStacks {
				if len(names) > 0 {
					return exit.Usagef("--all-stacks shows all of each stack: leave out the name")
				}
				return a.watched(c.Context(), o, func() error { return a.statusOfAll(c, o) })
			}
			s, err := a.open(c.Context(), c)
			if err != nil {
				return err
			}
			return a.watched(c.Context(), o, func() error { return a.status(c.Context(), s, names, o) })
		},
	}
	c.Flags().BoolVar(&o.allStacks, "all-stacks", false, "one line for each Cronbearer stack of the account")
	c.Flags().BoolVar(&o.watch, "watch", false, "read again every 30 seconds until interrupted")
	c.Flags().BoolVar(&o.exitCode, "exit-code", false, "exit with 1 while an alarm is in ALARM")
	a.describes("status", statusDocument{})
	a.describes("status --all-stacks", statusOfAllDocument{})
	a.needsAccount(c).MarkFlagsMutuallyExclusive("all-stacks", "stack")
	return c
}

// watched does something once, or with --watch until an interrupt.
func (a *App) watched(ctx context.Context, o statusOptions, do func() error) error {
	for {
		if err := do(); err != nil && exit.From(err).Code != "Reported" || !o.watch {
			return err
		}
		if err := wait(ctx, watchEvery); err != nil {
			return err
		}
		a.IO.Println()
	}
}

func (a *App) status(ctx context.Context, s *session, names []string, o statusOptions) error {
	report := status.Read(ctx, s.Clients, s.Stack, s.now())
	if len(names) > 0 && !report.Only(names[0]) && len(report.Unknown) == 0 {
		return &exit.Error{
			Status: exit.No, Code: "NotFound", Text: "the stack " + s.Stack.Name + " has no token or job of that name",
			Fix: "cronbearer status lists them",
		}
	}
	if err := a.printStatus(s, report); err != nil {
		return err
	}
	return statusError(report, o.exitCode)
}

func wait(ctx context.Context, d time.Duration) error {
	select {
	case <-ctx.Done():
		return ctx.Err()
	case <-time.After(d):
		return nil
	}
}

func statusError(r *status.Report, exitCode bool) error {
	if exitCode && alarming(r) {
		return exit.Silent(exit.No)
	}
	return nil
}

// alarming reports whether an alarm is in ALARM, for all that is known.
func alarming(r *status.Report) bool { return len(r.InAlarm) > 0 || r.Unknown["alarms"] != "" }

func (a *App) printStatus(s *session, r *status.Report) error {
	if a.IO.JSON {
		return a.IO.WriteJSON(statusDocument{view.V1, s.document(), r})
	}
	if !a.IO.OutTTY {
		a.printStatusLines(r)
		return nil
	}
	alarms := "no alarm is in ALARM"
	if n := len(r.InAlarm); n > 0 {
		alarms = view.Count(n, "alarm") + " in ALARM"
	}
	a.IO.Printf("Deployed %s, %s. Times are %s.\n\n", view.Ago(r.Deployed, r.At), alarms, r.At.In(a.IO.Zone).Format("MST"))
	a.printTokens(r)
	a.IO.Println()
	a.printJobs(r)
	a.IO.Println()
	a.printPeople(r)
	for _, j := range r.Jobs {
		if j.Drift != "" {
			a.IO.Println(view.Wrap(j.Name+" "+j.Drift+".", 0, a.IO.TextWidth()))
		}
	}
	for _, name := range r.Names() {
		a.IO.Println("? " + strings.TrimLeft(view.Wrap(name+": "+
			r.Unknown[name], 2, a.IO.TextWidth()), " ")) //nolint:mnd // the mark
	}
	if r.Next == "" {
		a.IO.Println("Nothing to do.")
		return nil
	}
	a.IO.Printf("Next: %s   (%s)\n", r.Next, r.Why)
	return nil
}

func (a *App) printTokens(r *status.Report) {
	t := a.IO.Table("TOKEN", "VERDICT", "SINCE", "EXPIRES", "STORED")
	for _, token := range r.Tokens {
		t.Row(token.Name, verdictText(token), a.since(token, r.At), a.expiry(token, r.At), a.stored(token, r))
	}
	t.Print()
}

func verdictText(t status.Token) string {
	switch {
	case t.Missing:
		return "✗ no such secret"
	case t.Verdict == status.Rejected && t.Status != 0:
		return fmt.Sprintf("✗ rejected, %d", t.Status)
	case t.Verdict == status.Rejected:
		return "✗ rejected"
	case t.Verdict == status.Accepted:
		return "✓ accepted"
	case t.Verdict == status.NeverUsed:
		return "‖ never used"
	}
	return "?"
}

func (a *App) since(t status.Token, now time.Time) string {
	if t.Since == nil {
		return "-"
	}
	if t.Verdict == status.Accepted {
		return view.Ago(*t.Since, now)
	}
	return view.Time(*t.Since, now, a.IO.Zone)
}

func (a *App) expiry(t status.Token, now time.Time) string {
	switch {
	case t.Rotated:
		return "renewed by us"
	case t.Expires == nil:
		return "not known"
	}
	return view.Date(*t.Expires, now, a.IO.Zone) + ", " + view.Ago(*t.Expires, now)
}

func (a *App) stored(t status.Token, r *status.Report) string {
	if t.Stored == nil {
		return "?"
	}
	return view.Ago(*t.Stored, r.At)
}

func (a *App) printJobs(r *status.Report) {
	t := a.IO.Table("JOB", "LAST RUN", "LAST SUCCESS", "NEXT")
	for _, j := range r.Jobs {
		last, worked := lastRun(j), "-"
		if r.Unknown["runs"] != "" {
			last, worked = "?", "?"
		} else if j.LastSuccess != nil {
			worked = view.Time(*j.LastSuccess, r.At, a.IO.Zone)
		}
		if j.Silent {
			worked += ", silent"
		}
		t.Row(j.Name, last, worked, a.next(j, r.At))
	}
	t.Print()
}

func lastRun(j status.Job) string {
	switch j.Outcome {
	case "":
		return "never"
	case "succeeded", "skipped":
		return "✓ " + j.Outcome
	}
	return "✗ " + j.Outcome
}

func (a *App) next(j status.Job, now time.Time) string {
	if j.Next == nil {
		if j.Paused {
			return "‖ paused"
		}
		return "none"
	}
	text := view.Time(*j.Next, now, a.IO.Zone) + ", " + view.Ago(*j.Next, now)
	if j.Paused {
		return "‖ paused until " + text
	}
	return text
}

func (a *App) printPeople(r *status.Report) {
	count := func(n *int, noun string) string {
		if n == nil {
			return "? " + noun + "s"
		}
		return view.Count(*n, noun)
	}
	a.IO.Printf(
		"QUEUED       %s, %s\n", count(r.Queues.FailedRuns, "failed run"), count(r.Queues.DeadLetters, "undelivered start"),
	)
	if len(r.InAlarm) > 0 {
		const label = "IN ALARM     "
		a.IO.Println(label + strings.TrimLeft(view.Wrap(strings.Join(r.InAlarm, " "), len(label), a.IO.TextWidth()), " "))
	}
	var people []string
	for _, one := range r.Subscribers {
		mark := "✓"
		if !one.Confirmed {
			mark = "✗ not confirmed"
		}
		people = append(people, one.Endpoint+" "+mark)
	}
	text := strings.Join(people, "   ")
	if len(people) == 0 {
		text = "no one"
		if r.Unknown["subscribers"] != "" {
			text = "?"
		}
	}
	a.IO.Println("SUBSCRIBERS  " + strings.TrimLeft(view.Wrap(text, len("SUBSCRIBERS  "), a.IO.TextWidth()), " "))
	switch {
	case r.LastDrill == nil:
		a.IO.Println("             no drill yet")
	case r.LastDrill.OK:
		a.IO.Println("             last drill " + view.Ago(r.LastDrill.At, r.At))
	default:
		a.IO.Println("             last drill " + view.Ago(r.LastDrill.At, r.At) + ": not everyone was reached")
	}
}

// printStatusLines writes one line a fact, for programs.
func (a *App) printStatusLines(r *status.Report) {
	stamp := func(at *time.Time) string {
		if at == nil {
			return ""
		}
		return at.UTC().Format(time.RFC3339)
	}
	line := func(cells ...string) { a.IO.Println(strings.Join(cells, "\t")) }
	for _, t := range r.Tokens {
		line("token", t.Name, t.Verdict, stamp(t.Since), stamp(t.Expires), stamp(t.Stored))
	}
	for _, j := range r.Jobs {
		line("job", j.Name, j.Outcome, stamp(j.LastRun), stamp(j.LastSuccess), stamp(j.Next))
	}
	for _, j := range r.Jobs {
		if j.Drift != "" {
			line("drift", j.Name, j.Drift)
		}
	}
	for _, one := range r.Subscribers {
		line("subscriber", one.Endpoint, fmt.Sprint(one.Confirmed))
	}
	for _, name := range r.InAlarm {
		line("alarm", name)
	}
	for _, name := range r.Names() {
		line("unknown", name, r.Unknown[name])
	}
	line("next", r.Next)
}
