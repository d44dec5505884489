package cli

import (
	"context"
	"encoding/json"
	"errors"
	"net/http"
	"strings"
	"time"

	"github.com/spf13/cobra"

	"github.com/cronbearer/cronbearer/infra/cronbearer/internal/account"
	"github.com/cronbearer/cronbearer/infra/cronbearer/internal/exit"
	"github.com/cronbearer/cronbearer/infra/cronbearer/internal/invoke"
	"github.com/cronbearer/cronbearer/infra/cronbearer/internal/render"
	"github.com/cronbearer/cronbearer/infra/cronbearer/internal/view"
	"github.com/cronbearer/cronbearer/infra/cronbearer/internal/when"
	"github.com/cronbearer/cronbearer/internal/dev/cfn"
	"github.com/cronbearer/cronbearer/internal/dev/samconfig"
	"github.com/cronbearer/cronbearer/internal/job"
)

type renderDocument struct {
	view.Versioned

	Event map[string]any `json:"event"`
}

func newRenderCommand(a *App) *cobra.Command {
	var at string
	c := &cobra.Command{
		Use: "render <job> [--at <time>]", Short: "Print the event that a schedule will send", GroupID: writing,
		Args: arguments("<job>"),
		Long: `Print the event that the schedule of a job will send to the caller, as the
template has it: for now, or for the time of --at. Its schedule ARN is made up,
as CloudFormation chooses the names.

Times: ` + when.Forms,
		Example: `  cronbearer render DailyReport
  cronbearer render DailyReport --at 2026-11-30T09:00Z`,
		RunE: func(_ *cobra.Command, names []string) error {
			s, when, err := a.templateStart(names[0], at)
			if err != nil {
				return err
			}
			event := s.Event(when)
			if a.IO.JSON {
				d := renderDocument{Versioned: view.V1}
				if err := json.Unmarshal(event, &d.Event); err != nil {
					return exit.Failed("InvalidJob", "the event is not JSON: %v", err)
				}
				return a.IO.WriteJSON(d)
			}
			a.IO.Println(render.Indented(event))
			return nil
		},
	}
	c.Flags().StringVar(&at, "at", "", "the `time` of the start")
	a.describes("render", renderDocument{})
	return c
}

// templateStart finds a job of the template, and the time of its start: the one given, or now.
func (a *App) templateStart(name, at string) (render.Schedule, time.Time, error) {
	data, err := a.ReadTemplate()
	if err != nil {
		return render.Schedule{}, time.Time{}, err
	}
	saved, err := samconfig.Read(a.samconfigPath(), a.Env)
	if err != nil && !isNotExist(err) {
		return render.Schedule{}, time.Time{}, &exit.Error{
			Status: exit.No, Code: "SamconfigUnreadable", Text: err.Error(), Err: err,
		}
	}
	stack, err := cfn.Parse(data, cfn.Options{StackName: saved.Stack, Parameters: saved.Parameters, Guess: true})
	if err != nil {
		return render.Schedule{}, time.Time{}, &exit.Error{
			Status: exit.No, Code: "InvalidTemplate", Text: a.Template + " has mistakes", Err: err,
			Fix: "cronbearer check names them",
		}
	}
	s, err := render.Find(stack, name)
	if err != nil {
		return s, time.Time{}, exit.Failed("NoJob", "%v", err)
	}
	moment, err := a.startTime(at, a.Now())
	return s, moment, err
}

// startTime reads --at; without one it is now.
func (a *App) startTime(at string, now time.Time) (time.Time, error) {
	if at == "" {
		return now.UTC().Truncate(time.Second), nil
	}
	moment, err := when.Parse(at, now, a.IO.Zone, when.Future)
	if err != nil {
		return moment, exit.Usagef("--at: %v", err)
	}
	return moment, nil
}

type runDocument struct {
	view.Versioned
	accountDocument

	Run invoke.Result `json:"run"`
}

type dryDocument struct {
	view.Versioned

	Method  string      `json:"method,omitempty"`
	URL     string      `json:"url,omitempty"`
	Headers http.Header `json:"headers,omitempty"`
	Body    string      `json:"body,omitempty"`
	RunID   string      `json:"runId"`
	Rules   []string    `json:"rules"`
}

func newRunCommand(a *App) *cobra.Command {
	var dry bool
	var at string
	c := &cobra.Command{
		Use: "run <job> [--dry] [--at <time>]", Short: "Run a job now, or show what it would send", GroupID: running,
		Args: arguments("<job>"),
		Long: `Run a job now and wait: the caller gets the event that the job's own schedule
sends. With --at it is the run of that time, with the same idempotency key and
date: so a run that was missed is made later. Lambda keeps nothing of a run that
is made like this, so its failure is in no queue.

With --dry nothing is sent: it prints the request as the caller will send it,
from the template or, with --stack or --local, from the deployed schedule. The
token is not in it.

Times: ` + when.Forms,
		Example: `  cronbearer run DailyReport --dry --at 2026-11-30T09:00Z
  cronbearer run HourlySync
  cronbearer run HourlySync --at 2026-11-28T01:12Z`,
		RunE: func(c *cobra.Command, names []string) error {
			if dry && !c.Flags().Changed("stack") && !c.Flags().Changed("local") {
				s, moment, err := a.templateStart(names[0], at)
				if err != nil {
					return err
				}
				return a.dryRun(c.Context(), s.Event(moment), a.Now())
			}
			s, err := a.open(c.Context(), c)
			if err != nil {
				return err
			}
			return s.explained(a.run(c.Context(), s, names[0], at, dry))
		},
	}
	c.Flags().BoolVar(&dry, "dry", false, "print the request and send nothing")
	c.Flags().StringVar(&at, "at", "", "the `time` of the start (now)")
	a.describes("run", runDocument{})
	a.describes("run --dry", dryDocument{})
	return a.needsAccount(c)
}

func (a *App) run(ctx context.Context, s *session, name, at string, dry bool) error {
	j, err := account.FindJob(ctx, s.Scheduler, s.Stack, name)
	if err != nil {
		return err
	}
	moment, err := a.startTime(at, s.now())
	if err != nil {
		return err
	}
	event := j.Event(moment)
	if dry {
		return a.dryRun(ctx, event, s.now())
	}
	if at != "" {
		if event, err = invoke.WithoutMaxAge(event); err != nil {
			return err
		}
	}
	r, err := s.invoke(ctx, event)
	if err != nil {
		return err
	}
	if a.IO.JSON {
		err = a.IO.WriteJSON(runDocument{view.V1, s.document(), r})
	} else {
		a.printRun(j.Name, moment, s.now(), r, "")
		if r.Error != "" && a.IO.OutTTY {
			a.IO.Println(view.Wrap(r.Error, 2, a.IO.TextWidth())) //nolint:mnd // an indent
		}
	}
	if err == nil && !r.OK() {
		return exit.Silent(exit.No)
	}
	return err
}

// idempotencyHeader is the caller's default (docs/configuration.md, IdempotencyHeader).
const idempotencyHeader = "Idempotency-Key"

func (a *App) dryRun(ctx context.Context, event []byte, now time.Time) error {
	r, err := request(event, now)
	if err != nil {
		return err
	}
	if a.IO.JSON {
		d := dryDocument{Versioned: view.V1, RunID: r.RunID, Rules: append([]string{}, r.Rules()...)}
		if r.URL != nil {
			d.Method, d.URL, d.Headers, d.Body = r.Method, r.URL.String(), r.Header, string(r.Body)
		}
		return a.IO.WriteJSON(d)
	}
	a.IO.Printf("%s", r.Text(ctx))
	if a.IO.OutTTY {
		a.IO.Println("\n" + view.Wrap("Not sent. "+strings.Join(r.Rules(), " "), 0, a.IO.TextWidth()))
	}
	return nil
}

func request(event []byte, now time.Time) (render.Request, error) {
	r, err := render.NewRequest(event, now, idempotencyHeader)
	if invalid, ok := errors.AsType[*job.InvalidError](err); ok {
		e := exit.Failed("InvalidJob", "the caller would reject the event: %s", strings.Join(invalid.Problems, "; "))
		e.Fix = "cronbearer check names the place"
		return r, e
	}
	return r, err
}
