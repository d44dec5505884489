// Package rehearse plays faults against a user's own application for a while, and says what they would have been told:
// each message with its delay, and the worst case by arithmetic. It prints nothing.
package rehearse

import (
	"context"
	"fmt"
	"strings"
	"time"

	"github.com/cronbearer/cronbearer/infra/cronbearer/internal/plan"
	"github.com/cronbearer/cronbearer/infra/cronbearer/internal/sandbox"
	"github.com/cronbearer/cronbearer/internal/dev/schedule"
)

// A Planned fault goes on, or is restored, at a time.
type Planned struct {
	At      time.Time
	Fault   sandbox.Fault
	Restore bool
}

// A Message is one line of the story.
type Message struct {
	sandbox.Event

	// Delay since the fault that it follows; 0 for a fault.
	Delay time.Duration `json:"-"`
	// DelaySeconds is Delay for programs.
	DelaySeconds float64 `json:"delaySeconds,omitempty"`
	// Reminder reports an email about an alarm that was already in ALARM.
	Reminder bool `json:"reminder,omitempty"`
}

// A Verdict is how long a dead token went unnoticed, and how long it could.
type Verdict struct {
	Token string `json:"token"`
	// Died is when it was killed, zero if it was not; Notified the first email about it, zero if none came.
	Died     time.Time     `json:"died,omitzero"`
	Notified time.Time     `json:"notified,omitzero"`
	Worst    time.Duration `json:"-"`
	// WorstSeconds is Worst for programs; 0: no job of the token starts again.
	WorstSeconds float64 `json:"worstCaseSeconds"`
	Job          string  `json:"job,omitempty"`
}

// A Report is a finished rehearsal.
type Report struct {
	Start    time.Time       `json:"start"`
	End      time.Time       `json:"end"`
	Runs     int             `json:"runs"`
	Emails   int             `json:"emails"`
	Messages []Message       `json:"messages"`
	Verdicts []Verdict       `json:"tokens"`
	All      []sandbox.Event `json:"-"`
	// PassedOver names what the model does not know.
	PassedOver []string `json:"passedOver"`
}

// A Rehearsal runs in a sandbox.
type Rehearsal struct {
	Sandbox *sandbox.Sandbox
	Plan    []Planned
	For     time.Duration
	// Progress is called after each virtual hour; nil: it is not.
	Progress func(now time.Time)

	report  Report
	fault   time.Time         // of the last one that went on or off
	outcome map[string]string // of each job's last run
	firing  map[string]bool   // alarms in ALARM that an email was sent of
	err     error
}

// Observe takes the sandbox's events. It is given to the sandbox before the rehearsal exists.
func (r *Rehearsal) Observe(e sandbox.Event) {
	if r.outcome == nil {
		r.outcome, r.firing = map[string]string{}, map[string]bool{}
	}
	r.report.All = append(r.report.All, e)
	switch e.Kind {
	case sandbox.KindRun:
		r.report.Runs++
		if r.changed(e) {
			r.add(e, false)
		}
	case sandbox.KindEmail:
		r.report.Emails++
		alarm := strings.HasPrefix(e.Subject, "ALARM")
		r.add(e, alarm && r.firing[e.Alarm])
		r.firing[e.Alarm] = alarm
		r.noticed(e)
	case sandbox.KindFault:
		r.fault = e.At
		r.add(e, false)
	}
}

// changed reports whether a run went otherwise than the job's run before; the first success is no news.
func (r *Rehearsal) changed(e sandbox.Event) bool {
	how := e.Outcome
	if how == "" {
		how = e.ErrorType
	}
	before, known := r.outcome[e.Job]
	r.outcome[e.Job] = how
	return before != how && (known || how != "succeeded")
}

func (r *Rehearsal) add(e sandbox.Event, reminder bool) {
	m := Message{Event: e, Reminder: reminder}
	if e.Kind != sandbox.KindFault && !r.fault.IsZero() {
		m.Delay = e.At.Sub(r.fault)
		m.DelaySeconds = m.Delay.Seconds()
	}
	r.report.Messages = append(r.report.Messages, m)
}

// noticed marks the token that an email is about.
func (r *Rehearsal) noticed(e sandbox.Event) {
	for i := range r.report.Verdicts {
		v := &r.report.Verdicts[i]
		about := e.Alarm == "TokenRejected-"+v.Token && strings.HasPrefix(e.Subject, "ALARM")
		if about && v.Notified.IsZero() && !v.Died.IsZero() {
			v.Notified = e.At
		}
	}
}

// Run plays the plan.
func (r *Rehearsal) Run(ctx context.Context) (*Report, error) {
	s := r.Sandbox
	r.report.Start, r.report.PassedOver = s.Now(), append([]string{}, s.PassedOver()...)
	r.report.End = r.report.Start.Add(r.For)
	for _, name := range s.Tokens() {
		r.report.Verdicts = append(r.report.Verdicts, r.verdict(name))
	}
	for _, p := range r.Plan {
		if p.At.Before(r.report.Start) || p.At.After(r.report.End) {
			return nil, fmt.Errorf("%s at %s is not within the rehearsal", p.Fault, p.At.Format(time.RFC3339))
		}
		s.At(p.At, func(context.Context) { r.play(p) })
	}
	for s.Now().Before(r.report.End) {
		if err := s.Run(ctx, earlier(s.Now().Add(time.Hour), r.report.End)); err != nil {
			return nil, err
		}
		if r.err != nil {
			return nil, r.err
		}
		if r.Progress != nil {
			r.Progress(s.Now())
		}
	}
	return &r.report, nil
}

func earlier(a, b time.Time) time.Time {
	if a.Before(b) {
		return a
	}
	return b
}

func (r *Rehearsal) play(p Planned) {
	var err error
	if p.Restore {
		err = r.Sandbox.Restore(p.Fault)
	} else {
		if p.Fault.Kind == sandbox.Kill {
			for i := range r.report.Verdicts {
				if r.report.Verdicts[i].Token == p.Fault.Name {
					r.report.Verdicts[i].Died = p.At
				}
			}
		}
		err = r.Sandbox.Apply(p.Fault)
	}
	if err != nil && r.err == nil {
		r.err = err
	}
}

func (r *Rehearsal) verdict(token string) Verdict {
	var starts []plan.Start
	for _, j := range r.Sandbox.JobsOf(token) {
		s, err := schedule.Parse(j.Schedule, j.Timezone)
		if err != nil || j.Disabled {
			continue
		}
		starts = append(starts, plan.Start{
			Job: j.Name, Schedule: s, Rate: strings.HasPrefix(j.Schedule, "rate("), Window: j.Window, Timeout: j.Timeout,
		})
	}
	w := plan.NotifiedWithin(starts, r.Sandbox.Now())
	return Verdict{Token: token, Worst: w.Time, WorstSeconds: w.Time.Seconds(), Job: w.Job}
}

// Late returns why a limit is not kept, empty if it is: a token that died was noticed later or not at all, or could be.
func (r *Report) Late(limit time.Duration) []string {
	var why []string
	for _, v := range r.Verdicts {
		switch {
		case !v.Died.IsZero() && v.Notified.IsZero():
			why = append(why, fmt.Sprintf("no one was notified of %s", v.Token))
		case !v.Died.IsZero() && v.Notified.Sub(v.Died) > limit:
			why = append(why, fmt.Sprintf("%s went unnoticed for %s", v.Token, span(v.Notified.Sub(v.Died))))
		case v.Worst == 0:
			why = append(why, fmt.Sprintf("no job of %s starts again", v.Token))
		case v.Worst > limit:
			why = append(why, fmt.Sprintf("%s can go unnoticed for %s", v.Token, span(v.Worst)))
		}
	}
	return why
}

// span writes a duration to the minute: 1h4m.
func span(d time.Duration) string {
	if d < time.Minute {
		return "a minute"
	}
	return strings.TrimSuffix(d.Round(time.Minute).String(), "0s")
}
