package cli

import (
	"context"
	"time"

	"github.com/aws/aws-sdk-go-v2/aws"
	"github.com/spf13/cobra"

	"github.com/cronbearer/cronbearer/infra/cronbearer/internal/account"
	"github.com/cronbearer/cronbearer/infra/cronbearer/internal/edit"
	"github.com/cronbearer/cronbearer/infra/cronbearer/internal/exit"
	"github.com/cronbearer/cronbearer/infra/cronbearer/internal/pause"
	"github.com/cronbearer/cronbearer/infra/cronbearer/internal/view"
	"github.com/cronbearer/cronbearer/infra/cronbearer/internal/when"
)

type pauseDocument struct {
	view.Versioned
	accountDocument

	Job        string     `json:"job"`
	Until      *time.Time `json:"until"` // null: until it is resumed
	MutedUntil time.Time  `json:"mutedUntil"`
}

func newPauseCommand(a *App) *cobra.Command {
	var until string
	var inTemplate bool
	c := &cobra.Command{
		Use: "pause <job> [--until <time>] [--template]", Short: "Stop a job without a deployment", GroupID: running,
		Args: arguments("<job>"),
		Long: `Stop a job without a deployment, and mute its Silent alarm meanwhile. With
--until it starts again automatically: the time becomes the schedule's own
StartDate.

template.yaml does not know of the pause. A deployment that changes the job
starts it at once. With --template nothing is done in the account: the template
gets State: DISABLED, which holds from the next deployment on. To stop a job now
and for good, do both.

An alarm can be muted for 15 days; in a longer pause it fires then. The phase of
a rate(...) schedule moves to the time at which it starts again.

Times: ` + when.Forms,
		Example: `  cronbearer pause HourlySync --until 'Mon 08:00'
  cronbearer pause HourlySync
  cronbearer pause HourlySync --template`,
		RunE: func(c *cobra.Command, names []string) error {
			if inTemplate {
				return a.disable(names[0])
			}
			s, err := a.open(c.Context(), c)
			if err != nil {
				return err
			}
			var at time.Time
			if until != "" {
				if at, err = when.Parse(until, s.now(), a.IO.Zone, when.Future); err != nil {
					return exit.Usagef("--until: %v", err)
				}
				if !at.After(s.now()) {
					return exit.Usagef("--until %s is past: %s", until, at.In(a.IO.Zone).Format(time.RFC1123))
				}
			}
			return a.pause(c.Context(), s, names[0], at)
		},
	}
	c.Flags().StringVar(&until, "until", "", "the `time` at which it starts again")
	a.templateFlags(c, &inTemplate, "write State: DISABLED into the template, and do nothing in the account")
	c.MarkFlagsMutuallyExclusive("until", "template")
	a.describes("pause", pauseDocument{})
	a.describes("pause --template", editDocument{})
	return a.needsAccount(c)
}

// templateFlags makes --template the switch that operators expect of pause and resume: here -t alone names the file.
func (a *App) templateFlags(c *cobra.Command, inTemplate *bool, usage string) {
	c.Flags().BoolVar(inTemplate, "template", false, usage)
	c.Flags().StringVarP(&a.Template, "template-file", "t", defaultTemplate, "the template to read, a `file`")
}

// disable writes the pause into the template.
func (a *App) disable(name string) error {
	return a.setState(name, "DISABLED", "It stops with the next deployment. To stop it now: cronbearer pause "+name)
}

// enable takes it out again.
func (a *App) enable(name string) error {
	return a.setState(name, "", "It starts with the next deployment. If it is paused in the account, too: cronbearer "+
		"resume "+name)
}

func (a *App) setState(name, state, note string) error {
	before, err := a.ReadTemplate()
	if err != nil {
		return err
	}
	_, row, err := a.find(before, name, kindJob)
	if err != nil {
		return err
	}
	if state == "" && row.Get("State") != "DISABLED" {
		return exit.Failed("NotPaused", "%s is not disabled in %s", name, a.Template)
	}
	after, err := edit.Set(before, edit.Jobs, name, []edit.Key{{Name: "State", Value: state}})
	if err != nil {
		return a.editError(err)
	}
	return a.write(change{kind: kindJob, name: name, before: before, after: after, notes: []string{note}})
}

func (a *App) pause(ctx context.Context, s *session, name string, until time.Time) error {
	j, err := account.FindJob(ctx, s.Scheduler, s.Stack, name)
	if err != nil {
		return s.explained(err)
	}
	window, err := silentAfter(ctx, s, name)
	if err != nil {
		return s.explained(err)
	}
	p, err := pause.Job(ctx, s.Clients, s.Stack, j, until, s.now(), window)
	if err != nil {
		return s.explained(err)
	}
	if a.IO.JSON {
		d := pauseDocument{Versioned: view.V1, accountDocument: s.document(), Job: name, MutedUntil: p.MutedUntil.UTC()}
		if !until.IsZero() {
			d.Until = aws.Time(until.UTC())
		}
		return a.IO.WriteJSON(d)
	}
	stamp := func(at time.Time) string { return at.In(a.IO.Zone).Format("Mon 2 Jan 15:04 MST") }
	if until.IsZero() {
		a.IO.Printf("✓ %s starts no more. It needs: cronbearer resume %s\n", name, name)
	} else {
		a.IO.Printf("✓ %s starts again automatically from %s\n", name, stamp(until))
	}
	a.IO.Printf("✓ Silent-%s is muted until %s\n", name, stamp(p.MutedUntil))
	a.IO.Notef(
		"template.yaml does not know of it: a deployment that changes this job starts it. cronbearer pause %s --template "+
			"writes State: DISABLED there.", name,
	)
	return nil
}

// silentAfter returns the window of a job's Silent alarm; 0 if it has none.
func silentAfter(ctx context.Context, s *session, job string) (time.Duration, error) {
	alarms, err := account.FindAlarms(ctx, s.CloudWatch, s.Stack)
	for _, one := range alarms {
		if one.Kind == "Silent" && one.Of == job {
			return time.Duration(aws.ToInt32(one.Period)) * time.Second * time.Duration(aws.ToInt32(one.EvaluationPeriods)), nil
		}
	}
	return 0, err
}

type resumeDocument struct {
	view.Versioned
	accountDocument

	Job    string      `json:"job"`
	Missed []time.Time `json:"missed"`
}

// maxMissed bounds how many missed starts are listed.
const maxMissed = 1000

func newResumeCommand(a *App) *cobra.Command {
	var inTemplate bool
	c := &cobra.Command{
		Use: "resume <job> [--template]", Short: "Start a paused job again", GroupID: running, Args: arguments("<job>"),
		Long: `Start a paused job again, and let its Silent alarm act. It lists the starts
that were missed, and the command that runs them.

With --template nothing is done in the account: State: DISABLED is removed from
the template, and the job starts with the next deployment.`,
		Example: `  cronbearer resume HourlySync
  cronbearer resume HourlySync --template`,
		RunE: func(c *cobra.Command, names []string) error {
			if inTemplate {
				return a.enable(names[0])
			}
			s, err := a.open(c.Context(), c)
			if err != nil {
				return err
			}
			return a.resume(c.Context(), s, names[0])
		},
	}
	a.templateFlags(c, &inTemplate, "remove State: DISABLED from the template, and do nothing in the account")
	a.describes("resume", resumeDocument{})
	a.describes("resume --template", editDocument{})
	return a.needsAccount(c)
}

func (a *App) resume(ctx context.Context, s *session, name string) error {
	j, err := account.FindJob(ctx, s.Scheduler, s.Stack, name)
	if err != nil {
		return s.explained(err)
	}
	if !j.Paused(s.now()) {
		return exit.Failed("NotPaused", "%s is not paused", name)
	}
	// What changed a schedule last was the pause: it says since when.
	since := aws.ToTime(j.Schedule.LastModificationDate)
	j.Schedule.StartDate = nil
	missed, more, err := pause.Starts(j, since, s.now(), maxMissed)
	if err != nil {
		return err
	}
	if err := pause.Resume(ctx, s.Clients, s.Stack, j); err != nil {
		return s.explained(err)
	}
	if a.IO.JSON {
		return a.IO.WriteJSON(resumeDocument{view.V1, s.document(), name, append([]time.Time{}, missed...)})
	}
	a.IO.Printf("✓ %s starts again, and Silent-%s acts again\n", name, name)
	if len(missed) == 0 {
		return nil
	}
	count := view.Count(len(missed), "start")
	if more {
		count = "more than " + count
	}
	a.IO.Printf("%s missed since %s. To run them:\n", count, view.Time(since, s.now(), a.IO.Zone))
	a.IO.Printf("  cronbearer backfill %s --from %s --to %s\n", name,
		since.UTC().Format("2006-01-02T15:04Z"), s.now().UTC().Format("2006-01-02T15:04Z"))
	return nil
}
