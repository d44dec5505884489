package cli

import (
	"context"
	"fmt"
	"time"

	"github.com/spf13/cobra"

	"github.com/cronbearer/cronbearer/infra/cronbearer/internal/account"
	"github.com/cronbearer/cronbearer/infra/cronbearer/internal/exit"
	"github.com/cronbearer/cronbearer/infra/cronbearer/internal/invoke"
	"github.com/cronbearer/cronbearer/infra/cronbearer/internal/pause"
	"github.com/cronbearer/cronbearer/infra/cronbearer/internal/view"
	"github.com/cronbearer/cronbearer/infra/cronbearer/internal/when"
)

type backfillDocument struct {
	view.Versioned
	accountDocument

	Runs []invoke.Result `json:"runs"`
	// NotRun are the starts that a rejected token left out.
	NotRun []time.Time `json:"notRun"`
}

// maxBackfill bounds how many runs one command makes: each takes as long as its target.
const maxBackfill = 1000

func newBackfillCommand(a *App) *cobra.Command {
	var from, to string
	var yes bool
	c := &cobra.Command{
		Use: "backfill <job> --from <time> [--to <time>]", Short: "Run the starts that a job has missed", GroupID: running,
		Args: arguments("<job>"),
		Long: `Run the starts that a job has missed, oldest first, one at a time. It lists
them and asks first. Each run has the time, the date and the idempotency key
that the missed one would have had, so a target that has seen it knows it.

A rejected token ends it. What fails here is in no queue afterwards.

Times: ` + when.Forms,
		Example: `  cronbearer backfill HourlySync --from 2026-11-28T02:00Z --to 2026-11-28T04:30Z
  cronbearer backfill DailyReport --from -3d --yes`,
		RunE: func(c *cobra.Command, names []string) error {
			if from == "" {
				return exit.Usagef("backfill needs --from")
			}
			s, err := a.open(c.Context(), c)
			if err != nil {
				return err
			}
			start, err := when.Parse(from, s.now(), a.IO.Zone, when.Past)
			if err != nil {
				return exit.Usagef("--from: %v", err)
			}
			end := s.now()
			if to != "" {
				if end, err = when.Parse(to, s.now(), a.IO.Zone, when.Past); err != nil {
					return exit.Usagef("--to: %v", err)
				}
			}
			if end.After(s.now()) || end.Before(start) {
				return exit.Usagef("--from and --to must be in the past, and in that order")
			}
			return a.backfill(c.Context(), s, names[0], start, end, yes)
		},
	}
	c.Flags().StringVar(&from, "from", "", "the `time` of the first start")
	c.Flags().StringVar(&to, "to", "", "the `time` of the last start (now)")
	c.Flags().BoolVar(&yes, "yes", false, "do not ask")
	a.describes("backfill", backfillDocument{})
	return a.needsAccount(c)
}

func (a *App) backfill(ctx context.Context, s *session, name string, from, to time.Time, yes bool) error {
	j, err := account.FindJob(ctx, s.Scheduler, s.Stack, name)
	if err != nil {
		return s.explained(err)
	}
	starts, more, err := pause.Starts(j, from, to, maxBackfill)
	switch {
	case err != nil:
		return err
	case more:
		return exit.Failed(
			"TooMany", "%s starts more than %d times between the two: choose a shorter time", name, maxBackfill,
		)
	case len(starts) == 0:
		return exit.Failed("NoStart", "%s does not start between the two", name)
	}
	if !yes {
		a.listStarts(name, starts, s.now())
	}
	if err := a.IO.Confirm(ctx, "Run "+view.Count(len(starts), "start")+" of "+name+"?", yes); err != nil {
		return err
	}
	return a.backfilled(ctx, s, j, starts)
}

// listStarts names what is about to run, the first and the last of many.
func (a *App) listStarts(name string, starts []time.Time, now time.Time) {
	if a.IO.JSON || !a.IO.OutTTY {
		return
	}
	const most = 10
	for i, at := range starts {
		if i == most-1 && len(starts) > most {
			a.IO.Printf("  … %d more, the last %s\n", len(starts)-i, view.Time(starts[len(starts)-1], now, a.IO.Zone))
			break
		}
		a.IO.Printf("  %s  %s\n", name, view.Time(at, now, a.IO.Zone))
	}
}

func (a *App) backfilled(ctx context.Context, s *session, j account.Job, starts []time.Time) error {
	d := backfillDocument{
		Versioned: view.V1, accountDocument: s.document(), Runs: []invoke.Result{}, NotRun: []time.Time{},
	}
	bad := 0
	for i, at := range starts {
		event, err := invoke.WithoutMaxAge(j.Event(at))
		if err != nil {
			return err
		}
		r, err := s.invoke(ctx, event)
		if err != nil {
			return err
		}
		d.Runs = append(d.Runs, r)
		if !a.IO.JSON {
			a.printRun(j.Name, at, s.now(), r, "")
		}
		if !r.OK() {
			bad++
		}
		if r.Rejected() {
			d.NotRun = append(d.NotRun, starts[i+1:]...)
			break
		}
	}
	if a.IO.JSON {
		if err := a.IO.WriteJSON(d); err != nil {
			return err
		}
	} else if len(d.NotRun) > 0 {
		a.IO.Notef("%s", fmt.Sprintf("stopped: the token %s is rejected, and %s not made\nNext: cronbearer token set %s",
			j.Token, runsWere(len(d.NotRun)), j.Token))
	}
	if bad > 0 {
		return exit.Silent(exit.No)
	}
	return nil
}

func runsWere(n int) string {
	if n == 1 {
		return "1 run was"
	}
	return fmt.Sprintf("%d runs were", n)
}
