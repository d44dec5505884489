package cli

import (
	"cmp"
	"context"
	"fmt"
	"slices"
	"strings"
	"time"

	"github.com/spf13/cobra"

	"github.com/cronbearer/cronbearer/infra/cronbearer/internal/exit"
	"github.com/cronbearer/cronbearer/infra/cronbearer/internal/failed"
	"github.com/cronbearer/cronbearer/infra/cronbearer/internal/invoke"
	"github.com/cronbearer/cronbearer/infra/cronbearer/internal/view"
)

type failedDocument struct {
	view.Versioned
	accountDocument

	Messages []failed.Message `json:"messages"`
}

func newFailedCommand(a *App) *cobra.Command {
	c := &cobra.Command{
		Use: "failed [<job>]", Short: "List the failed runs and undelivered starts that are kept", GroupID: running,
		Args: cobra.MaximumNArgs(1),
		Long: `List what is kept in the two queues: runs that failed, and starts that could
not be delivered. Nothing is deleted. SQS counts by sampling, so the numbers are
approximate, and what someone else is reading is not shown.

At a terminal the newest error of each kind follows: it names the cause and the
fix.`,
		Example: `  cronbearer failed
  cronbearer failed HourlySync`,
		RunE: func(c *cobra.Command, names []string) error {
			s, err := a.open(c.Context(), c)
			if err != nil {
				return err
			}
			messages, err := a.kept(c.Context(), s, names)
			if err != nil {
				return err
			}
			a.release(c.Context(), s, messages)
			if a.IO.JSON {
				return a.IO.WriteJSON(failedDocument{view.V1, s.document(), append([]failed.Message{}, messages...)})
			}
			a.printFailed(s, messages)
			return nil
		},
	}
	a.describes("failed", failedDocument{})
	return a.needsAccount(c)
}

// release shows messages to others. Where it cannot, the next call would find nothing, so that it is said.
func (a *App) release(ctx context.Context, s *session, messages []failed.Message) {
	if err := failed.Release(ctx, s.SQS, messages); err != nil {
		a.IO.Notef("%v\nWhat was read is hidden from the next call for up to 15 minutes.", s.explained(err))
	}
}

// kept reads the queues: the messages of one job if it is named. The others are released.
func (a *App) kept(ctx context.Context, s *session, names []string) ([]failed.Message, error) {
	messages, err := failed.Read(ctx, s.SQS, s.Stack)
	if err != nil {
		return nil, s.explained(err)
	}
	if len(names) == 0 {
		return messages, nil
	}
	var of, others []failed.Message
	for _, m := range messages {
		if m.Job == names[0] {
			of = append(of, m)
		} else {
			others = append(others, m)
		}
	}
	a.release(ctx, s, others)
	return of, nil
}

func (a *App) printFailed(s *session, messages []failed.Message) {
	groups := failed.Groups(messages)
	if len(groups) == 0 {
		a.IO.Notef("nothing is kept")
		return
	}
	t := a.IO.Table("JOB", "KEPT", "ERROR", "TOKEN", "FIRST", "LAST")
	when := func(at time.Time) string {
		if !a.IO.OutTTY {
			return at.UTC().Format(time.RFC3339)
		}
		return view.Time(at, s.now(), a.IO.Zone)
	}
	for _, g := range groups {
		what := g.ErrorType
		switch {
		case g.Starts && a.IO.OutTTY:
			what = "not delivered" // the code is in the error
		case g.Starts:
			what += " (not delivered)"
		}
		t.Row(cmp.Or(g.Job, "(no job)"), fmt.Sprint(g.Count), what, g.Token, when(g.First), when(g.Last))
	}
	t.Print()
	if !a.IO.OutTTY {
		return
	}
	for _, g := range groups {
		if g.Error != "" {
			a.IO.Println(view.Wrap(g.Error, 2, a.IO.TextWidth())) //nolint:mnd // an indent
		}
	}
	a.IO.Println("Next: cronbearer resend   (the newest of each job, once the cause is fixed)")
}

type resendDocument struct {
	view.Versioned
	accountDocument

	Runs []invoke.Result `json:"runs"`
	// Kept is how many stay in the queues.
	Kept int `json:"kept"`
}

func newResendCommand(a *App) *cobra.Command {
	var all bool
	c := &cobra.Command{
		Use: "resend [<job>] [--all]", Short: "Run again what failed, the newest of each job", GroupID: running,
		Args: cobra.MaximumNArgs(1),
		Long: `Run again what is kept in the queues: the newest of each job, or with --all
everything, oldest first, one at a time. A run keeps its time, its date and its
idempotency key, so a target that has seen it knows it. Its maxAge does not
count.

A message is deleted only when its run has succeeded. A rejected token ends the
runs that use it.`,
		Example: `  cronbearer resend
  cronbearer resend HourlySync --all`,
		RunE: func(c *cobra.Command, names []string) error {
			s, err := a.open(c.Context(), c)
			if err != nil {
				return err
			}
			messages, err := a.kept(c.Context(), s, names)
			if err != nil {
				return err
			}
			chosen, rest := failed.Choose(messages, all)
			a.release(c.Context(), s, rest)
			return a.resend(c.Context(), s, chosen, len(rest))
		},
	}
	c.Flags().BoolVar(&all, "all", false, "send everything, not only the newest of each job")
	a.describes("resend", resendDocument{})
	return a.needsAccount(c)
}

func (a *App) resend(ctx context.Context, s *session, chosen []failed.Message, kept int) error {
	var results []invoke.Result
	var rejected []string // tokens
	bad := 0
	for i, m := range chosen {
		if slices.Contains(rejected, m.Token) {
			a.release(ctx, s, chosen[i:i+1])
			kept++
			continue
		}
		r, err := a.sendAgain(ctx, s, m)
		if err != nil {
			a.release(ctx, s, chosen[i:])
			return s.explained(err)
		}
		results = append(results, r)
		if r.OK() {
			continue
		}
		bad++
		kept++
		a.release(ctx, s, chosen[i:i+1])
		if r.Rejected() {
			rejected = append(rejected, m.Token)
		}
	}
	return a.resent(s, results, rejected, bad, kept)
}

// sendAgain runs one message and deletes it if the run succeeded.
func (a *App) sendAgain(ctx context.Context, s *session, m failed.Message) (invoke.Result, error) {
	event, err := invoke.WithoutMaxAge(m.Event)
	if err != nil {
		return invoke.Result{}, err
	}
	if err := m.Hold(ctx, s.SQS); err != nil {
		return invoke.Result{}, err
	}
	r, err := s.invoke(ctx, event)
	if err != nil {
		return r, err
	}
	note := "stays in the queue"
	if r.OK() {
		if err := m.Delete(ctx, s.SQS); err != nil {
			return r, err
		}
		note = "taken from the queue"
	}
	if !a.IO.JSON {
		a.printRun(m.Job, m.Scheduled, s.now(), r, note)
	}
	return r, nil
}

// printRun writes one line a run: job, its scheduled time, how it went.
func (a *App) printRun(job string, scheduled, now time.Time, r invoke.Result, note string) {
	mark := "✓"
	if !r.OK() {
		mark = "✗"
	}
	if !a.IO.OutTTY {
		a.IO.Println(strings.Join([]string{
			job, scheduled.UTC().Format(time.RFC3339), r.Outcome, r.ErrorType, cmp.Or(note, r.RunID),
		}, "\t"))
		return
	}
	line := fmt.Sprintf("%s  %s  %s %s   %s", job, view.Time(scheduled, now, a.IO.Zone), mark, r.Line(), note)
	a.IO.Println(strings.TrimRight(line, " "))
}

func (a *App) resent(s *session, results []invoke.Result, rejected []string, bad, kept int) error {
	if a.IO.JSON {
		err := a.IO.WriteJSON(resendDocument{view.V1, s.document(), append([]invoke.Result{}, results...), kept})
		if err != nil {
			return err
		}
	} else {
		a.printResent(results, rejected, kept)
	}
	if bad > 0 {
		return exit.Silent(exit.No)
	}
	return nil
}

func (a *App) printResent(results []invoke.Result, rejected []string, kept int) {
	if len(results) == 0 && kept == 0 {
		a.IO.Notef("nothing is kept")
	}
	for _, token := range rejected {
		a.IO.Notef("stopped for %s: it is still rejected\nNext: cronbearer token set %s", token, token)
	}
	if kept > 0 {
		a.IO.Notef("%d stay: cronbearer resend --all, or cronbearer drop <job>", kept)
	}
}

type dropDocument struct {
	view.Versioned
	accountDocument

	Dropped int `json:"dropped"`
}

func newDropCommand(a *App) *cobra.Command {
	var yes bool
	c := &cobra.Command{
		Use: "drop <job>", Short: "Delete what is kept of a job", GroupID: running, Args: arguments("<job>"),
		Long: `Delete the failed runs and undelivered starts that are kept of a job. They
cannot be brought back; their log lines stay. It asks first.`,
		Example: `  cronbearer drop HourlySync
  cronbearer drop HourlySync --yes`,
		RunE: func(c *cobra.Command, names []string) error {
			s, err := a.open(c.Context(), c)
			if err != nil {
				return err
			}
			messages, err := a.kept(c.Context(), s, names)
			if err != nil {
				return err
			}
			if len(messages) == 0 {
				a.IO.Notef("nothing is kept of %s", names[0])
			} else {
				question := "Delete " + view.Count(len(messages), "message") + " of " + names[0] + "?"
				if err := a.IO.Confirm(c.Context(), question, yes); err != nil {
					a.release(c.Context(), s, messages)
					return err
				}
			}
			return a.drop(c.Context(), s, messages)
		},
	}
	c.Flags().BoolVar(&yes, "yes", false, "do not ask")
	a.describes("drop", dropDocument{})
	return a.needsAccount(c)
}

func (a *App) drop(ctx context.Context, s *session, messages []failed.Message) error {
	for i, m := range messages {
		if err := m.Delete(ctx, s.SQS); err != nil {
			a.release(ctx, s, messages[i:])
			a.IO.Notef("%d of %s deleted", i, view.Count(len(messages), "message"))
			return s.explained(err)
		}
	}
	if a.IO.JSON {
		return a.IO.WriteJSON(dropDocument{view.V1, s.document(), len(messages)})
	}
	if len(messages) > 0 {
		a.IO.Printf("✓ %s deleted\n", view.Count(len(messages), "message"))
	}
	return nil
}
