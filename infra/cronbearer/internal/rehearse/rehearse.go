// Package rehearse plays faults against a user's own application for a while, and says what they would have been told:
// each message with its delay, and the worst case by arithmetic. It prints nothing.
package rehearse

import (
	"cmp"
	"context"
	"fmt"
	"slices"
	"strings"
	"time"

	"github.com/cronbearer/cronbearer/infra/cronbearer/internal/plan"
	"github.com/cronbearer/cronbearer/infra/cronbearer/internal/sandbox"
	"github.com/cronbearer/cronbearer/infra/cronbearer/internal/view"
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
	// Recipients got the same email.
	Recipients []string `json:"recipients,omitempty"`
}

// A Death is a token that was killed.
type Death struct {
	At time.Time `json:"at"`
	// Notified is the first email about it, zero if none came; Over is when the token was good again, zero if it was not.
	Notified time.Time `json:"notified,omitzero"`
	Over     time.Time `json:"over,omitzero"`
}

// unnoticed is how long no one knew, seen from a moment, and whether someone was notified at all.
func (d Death) unnoticed(end time.Time) (time.Duration, bool) {
	switch {
	case !d.Notified.IsZero():
		return d.Notified.Sub(d.At), true
	case !d.Over.IsZero():
		return d.Over.Sub(d.At), false
	}
	return end.Sub(d.At), false
}

// A Verdict is how long a dead token went unnoticed, and how long it could.
type Verdict struct {
	Token  string        `json:"token"`
	Deaths []Death       `json:"deaths"`
	Worst  time.Duration `json:"-"`
	// WorstSeconds is Worst for programs; 0: no job of the token starts again.
	WorstSeconds float64 `json:"worstCaseSeconds"`
	Job          string  `json:"job,omitempty"`
}

// dying returns the death that is not over; nil if there is none.
func (v *Verdict) dying() *Death {
	if n := len(v.Deaths); n > 0 && v.Deaths[n-1].Over.IsZero() {
		return &v.Deaths[n-1]
	}
	return nil
}

// A Report is a finished rehearsal.
type Report struct {
	Start    time.Time `json:"start"`
	End      time.Time `json:"end"`
	Runs     int       `json:"runs"`
	Emails   int       `json:"emails"`
	Messages []Message `json:"messages"`
	// Readers are subscribed and have confirmed, at the end.
	Readers  []string        `json:"readers"`
	Verdicts []Verdict       `json:"tokens"`
	All      []sandbox.Event `json:"-"`
	// PassedOver names what the model does not know, and NotRun the jobs that did not start, with the reason.
	PassedOver []string `json:"passedOver"`
	NotRun     []string `json:"notRun"`
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
	outcome map[string]string // of each job's last run and each token's last rotation
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
		r.recovered(e)
		if r.changed(e.Job, cmp.Or(e.Outcome, e.ErrorType)) {
			r.add(e, false)
		}
	case sandbox.KindRotation:
		if r.changed("rotation of "+e.Token, e.Outcome) {
			r.add(e, false)
		}
	case sandbox.KindEmail:
		r.email(e)
	case sandbox.KindFault:
		r.fault = e.At
		r.add(e, false)
	}
}

// changed reports whether something is different from the last time; the first success is no news.
func (r *Rehearsal) changed(what, how string) bool {
	before, known := r.outcome[what]
	r.outcome[what] = how
	return before != how && (known || how != "succeeded")
}

// email adds one, or its recipient to the one before, which said the same.
func (r *Rehearsal) email(e sandbox.Event) {
	r.report.Emails++
	r.noticed(e)
	if n := len(r.report.Messages); n > 0 {
		last := &r.report.Messages[n-1]
		if last.Kind == e.Kind && last.Alarm == e.Alarm && last.At.Equal(e.At) && state(last.Subject) == state(e.Subject) {
			last.Recipients = append(last.Recipients, e.Recipient)
			return
		}
	}
	alarm := state(e.Subject) == "ALARM"
	r.add(e, alarm && r.firing[e.Alarm])
	r.firing[e.Alarm] = alarm
	r.report.Messages[len(r.report.Messages)-1].Recipients = []string{e.Recipient}
}

// state is what an email's subject says of the alarm: ALARM, OK, INSUFFICIENT_DATA.
func state(subject string) string {
	word, _, _ := strings.Cut(subject, ":")
	return word
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
		if e.Alarm != "TokenRejected-"+v.Token || state(e.Subject) != "ALARM" {
			continue
		}
		if d := v.dying(); d != nil && d.Notified.IsZero() {
			d.Notified = e.At
		}
	}
}

// recovered ends the death of a token that a run was accepted with, such as one that the rotator has replaced.
func (r *Rehearsal) recovered(e sandbox.Event) {
	if e.Verdict == "accepted" {
		r.over(e.Token, e.At)
	}
}

func (r *Rehearsal) over(token string, at time.Time) {
	for i := range r.report.Verdicts {
		if v := &r.report.Verdicts[i]; v.Token == token {
			if d := v.dying(); d != nil && at.After(d.At) {
				d.Over = at
			}
		}
	}
}

// Run plays the plan.
func (r *Rehearsal) Run(ctx context.Context) (*Report, error) {
	s := r.Sandbox
	r.report.Start, r.report.PassedOver = s.Now(), append([]string{}, s.PassedOver()...)
	r.report.End = r.report.Start.Add(r.For)
	if err := r.verdicts(); err != nil {
		return nil, err
	}
	for _, p := range r.Plan {
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
	r.report.Readers, r.report.NotRun = append([]string{}, s.Readers()...), r.notRun()
	return &r.report, nil
}

// notRun names the jobs that did not start.
func (r *Rehearsal) notRun() []string {
	list := []string{}
	for _, j := range r.Sandbox.Jobs() {
		switch _, ran := r.outcome[j.Name]; {
		case j.Disabled:
			list = append(list, j.Name+" is disabled")
		case !ran:
			list = append(list, fmt.Sprintf("%s did not start: %s", j.Name, j.Schedule))
		}
	}
	return list
}

func earlier(a, b time.Time) time.Time {
	if a.Before(b) {
		return a
	}
	return b
}

func (r *Rehearsal) play(p Planned) {
	tokens := r.Sandbox.Sharing(p.Fault.Name)
	var err error
	if p.Restore {
		err = r.Sandbox.Restore(p.Fault)
	} else {
		err = r.Sandbox.Apply(p.Fault)
	}
	if err != nil {
		r.err = cmp.Or(r.err, err)
		return
	}
	if p.Fault.Kind != sandbox.Kill {
		return
	}
	for i := range r.report.Verdicts {
		v := &r.report.Verdicts[i]
		switch {
		case !slices.Contains(tokens, v.Token):
		case p.Restore:
			r.over(v.Token, p.At)
		case v.dying() == nil:
			v.Deaths = append(v.Deaths, Death{At: p.At})
		}
	}
}

// verdicts are those of the tokens that jobs use, with the worst case of `cronbearer plan`.
func (r *Rehearsal) verdicts() error {
	p, err := plan.Of(r.Sandbox.Stack, r.Sandbox.Now())
	if err != nil {
		return err
	}
	for _, name := range r.Sandbox.Tokens() {
		v := Verdict{Token: name, Deaths: []Death{}}
		if i := slices.IndexFunc(p.Tokens, func(t plan.Token) bool { return t.Name == name }); i >= 0 {
			w := p.Tokens[i].Within
			v.Worst, v.WorstSeconds, v.Job = w.Time, w.Time.Seconds(), w.Job
		}
		r.report.Verdicts = append(r.report.Verdicts, v)
	}
	return nil
}

// Late returns why a limit is not kept, empty if it is: a token that died was noticed later or not at all, or could be,
// or no one would get an email.
func (r *Report) Late(limit time.Duration) []string {
	var why []string
	if len(r.Readers) == 0 {
		why = append(why, "no one is subscribed and confirmed")
	}
	for _, v := range r.Verdicts {
		if said := v.late(limit, r.End); said != "" {
			why = append(why, said)
		}
	}
	return why
}

func (v Verdict) late(limit time.Duration, end time.Time) string {
	for _, d := range v.Deaths {
		unnoticed, notified := d.unnoticed(end)
		switch {
		case unnoticed <= limit:
		case !notified:
			return "no one was notified of " + v.Token
		default:
			return fmt.Sprintf("%s went unnoticed for %s", v.Token, view.Exact(unnoticed))
		}
	}
	switch {
	case v.Worst == 0:
		return fmt.Sprintf("no job of %s starts again", v.Token)
	case v.Worst > limit:
		return fmt.Sprintf("%s can go unnoticed for %s", v.Token, view.Exact(v.Worst))
	}
	return ""
}
