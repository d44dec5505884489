package cli

import (
	"context"
	"encoding/json"
	"fmt"
	"maps"
	"slices"
	"strings"
	"time"

	"github.com/spf13/cobra"

	"github.com/cronbearer/cronbearer/infra/cronbearer/internal/account"
	"github.com/cronbearer/cronbearer/infra/cronbearer/internal/exit"
	"github.com/cronbearer/cronbearer/infra/cronbearer/internal/invoke"
	"github.com/cronbearer/cronbearer/infra/cronbearer/internal/view"
	"github.com/cronbearer/cronbearer/infra/cronbearer/internal/when"
)

// loggedRun is a run of the log, as a line of --follow --json and in the document.
type loggedRun struct {
	At time.Time `json:"at"`
	invoke.Result
}

type runsDocument struct {
	view.Versioned
	accountDocument

	Runs []loggedRun `json:"runs"`
}

// runsOptions are the flags of runs.
type runsOptions struct {
	since          string
	failed, follow bool
}

// followEvery is how often --follow reads the log again.
const followEvery = 2 * time.Second

func newRunsCommand(a *App) *cobra.Command {
	var o runsOptions
	c := &cobra.Command{
		Use: "runs [<job>] [--since <duration>] [--failed] [--follow]", Short: "List the runs in the caller's log",
		GroupID: running, Args: cobra.MaximumNArgs(1),
		Long: `List the runs in the caller's log, oldest first: of all jobs, or of one. The
log is some seconds behind. With --follow it goes on until it is interrupted,
and with --json it then prints one object a line.

At a terminal the error of each job whose newest run failed follows: it names
the cause and the fix.`,
		Example: `  cronbearer runs --since 1d
  cronbearer runs HourlySync --failed`,
		RunE: func(c *cobra.Command, names []string) error {
			since, ok := when.Duration(o.since)
			if !ok || since == 0 {
				return exit.Usagef("--since: %q is not a duration: write 90m, 12h, 7d", o.since)
			}
			s, err := a.open(c.Context(), c)
			if err != nil {
				return err
			}
			if len(names) > 0 && s.Stack.Physical("Job"+names[0]) == "" {
				return exit.Failed("NoJob", "the stack %s has no job %s", s.Stack.Name, names[0])
			}
			return s.explained(a.runs(c.Context(), s, strings.Join(names, ""), since, o))
		},
	}
	flags := c.Flags()
	flags.StringVar(&o.since, "since", "1d", "how far back, as a `duration`")
	flags.BoolVar(&o.failed, "failed", false, "only runs that did not succeed")
	flags.BoolVar(&o.follow, "follow", false, "go on until interrupted")
	a.describes("runs", runsDocument{})
	return a.needsAccount(c)
}

func (a *App) runs(ctx context.Context, s *session, job string, since time.Duration, o runsOptions) error {
	now := s.now()
	seen := map[string]bool{}
	start := now.Add(-since)
	for {
		runs, err := account.LoggedRuns(ctx, s.Logs, s.Stack, start, s.now(), seen)
		if err != nil {
			return err
		}
		chosen := chooseRuns(s, runs, job, o.failed)
		if !o.follow {
			return a.printRuns(s, chosen)
		}
		if err := a.printFollowed(s, chosen); err != nil {
			return err
		}
		if err := wait(ctx, followEvery); err != nil {
			return err
		}
	}
}

func chooseRuns(s *session, runs []account.LoggedRun, job string, failed bool) []loggedRun {
	chosen := []loggedRun{}
	for _, one := range runs {
		r := loggedRun{At: one.At}
		if json.Unmarshal(one.Result, &r.Result) != nil {
			continue // a line of another shape
		}
		r.Error = one.Error
		if s.Simulated {
			r.DurationMS = 0
		}
		if (job == "" || r.Job == job) && (!failed || !r.OK()) {
			chosen = append(chosen, r)
		}
	}
	return chosen
}

func (a *App) printRuns(s *session, runs []loggedRun) error {
	if a.IO.JSON {
		return a.IO.WriteJSON(runsDocument{view.V1, s.document(), runs})
	}
	if len(runs) == 0 {
		a.IO.Notef("no run")
		return nil
	}
	t := a.IO.Table("TIME", "JOB", "OUTCOME", "STATUS", "ATTEMPTS", "TOKEN")
	for _, r := range runs {
		t.Row(a.runCells(s, r)...)
	}
	t.Print()
	a.printErrors(runs)
	return nil
}

// printErrors quotes, for each job whose newest run failed, that run's error: it names the cause and the fix.
func (a *App) printErrors(runs []loggedRun) {
	if !a.IO.OutTTY {
		return
	}
	newest := map[string]invoke.Result{}
	for _, r := range runs {
		newest[r.Job] = r.Result
	}
	for _, job := range slices.Sorted(maps.Keys(newest)) {
		if r := newest[job]; !r.OK() && r.Error != "" {
			a.IO.Println(view.Wrap(r.Error, 2, a.IO.TextWidth())) //nolint:mnd // an indent
		}
	}
}

func (a *App) runCells(s *session, r loggedRun) []string {
	at := r.At.UTC().Format(time.RFC3339)
	mark := ""
	if a.IO.OutTTY {
		at, mark = view.Time(r.At, s.now(), a.IO.Zone), "✓ "
		if !r.OK() {
			mark = "✗ "
		}
	}
	status := "-"
	if r.Status != 0 {
		status = fmt.Sprint(r.Status)
	}
	return []string{at, r.Job, mark + r.Outcome, status, fmt.Sprint(r.Attempts), r.Token}
}

// printFollowed writes each run as it comes, one line each.
func (a *App) printFollowed(s *session, runs []loggedRun) error {
	for _, r := range runs {
		if !a.IO.JSON {
			a.IO.Println(strings.Join(a.runCells(s, r), map[bool]string{true: "  ", false: "\t"}[a.IO.OutTTY]))
			continue
		}
		line, err := json.Marshal(r)
		if err != nil { // plain data
			return err
		}
		a.IO.Println(string(line))
	}
	return nil
}
