package main

import (
	"fmt"
	"io"
	"strings"
	"time"

	"github.com/cronbearer/cronbearer/internal/dev/awssim"
	"github.com/cronbearer/cronbearer/internal/dev/awssim/alarm"
	"github.com/cronbearer/cronbearer/internal/dev/awssim/notify"
)

// page writes what happens, a line each.
type page struct {
	out    io.Writer
	colour bool
	public func(string) string
}

const (
	red    = "31"
	green  = "32"
	yellow = "33"
	bold   = "1"
	dim    = "2"
)

func (p *page) paint(code, text string) string {
	if !p.colour || code == "" {
		return text
	}
	return "\x1b[" + code + "m" + text + "\x1b[0m"
}

func (p *page) line(format string, args ...any) { fmt.Fprintf(p.out, format+"\n", args...) }

func (p *page) title() {
	p.line(
		"%s",
		p.paint(
			bold, "Cronbearer on a model of AWS (not AWS itself): the real template.yaml, the real binary, a virtual clock.",
		),
	)
	p.line("")
	p.line(
		"%s",
		p.paint(dim, fmt.Sprintf("%-9s  %-12s %6s  %-15s %-9s %s", "time", "job", "status", "outcome", "verdict", "alarm")),
	)
}

func clock(t time.Time) string { return t.UTC().Format("Mon 15:04") }

// narrate writes what an operator, or the world, does.
func (p *page) narrate(at time.Time, text string) {
	p.line("%-9s  %s", clock(at), p.paint(bold, "» "+text))
}

// observe writes a line for a run, a change of an alarm's state that someone is called with, and an email.
func (p *page) observe(e awssim.Event) {
	switch {
	case e.Run != nil:
		r := e.Run.Result
		status := "-"
		if r.Status != 0 {
			status = fmt.Sprint(r.Status)
		}
		p.line("%-9s  %-12s %6s  %s %s", clock(e.At), r.Job, status,
			p.paint(tone(r.Outcome), fmt.Sprintf("%-15s", r.Outcome)), p.paint(tone(r.Verdict), r.Verdict))
	case e.Alarm != nil:
		if worthTelling(*e.Alarm) {
			p.line(
				"%-9s  %-46s %s", clock(e.At), "",
				p.paint(tone(string(e.Alarm.To)), fmt.Sprintf("%s: %s → %s", e.Alarm.Alarm.Name, e.Alarm.From, e.Alarm.To)),
			)
		}
	case e.Email != nil:
		p.line("%-9s  %-46s %s", clock(e.At), "", "✉ to "+e.Email.To+": "+e.Email.Subject)
	}
}

// worthTelling leaves out that new alarms find their first state.
func worthTelling(c notify.Change) bool {
	return c.From != alarm.InsufficientData || c.To != alarm.OK
}

func tone(word string) string {
	switch word {
	case "succeeded", "accepted", "OK":
		return green
	case "token_rejected", "rejected", "ALARM":
		return red
	case "target_failed", "INSUFFICIENT_DATA":
		return yellow
	}
	return ""
}

// email shows what an operator reads.
func (p *page) email(m notify.Email) {
	p.line("")
	p.line("%s", p.paint(dim, "┌─ email to "+m.To+" "+strings.Repeat("─", 80)))
	bar := p.paint(dim, "│ ")
	p.line("%sSubject: %s", bar, p.paint(bold, m.Subject))
	p.line("%s", p.paint(dim, "│"))
	for text := range strings.SplitSeq(strings.TrimRight(p.public(m.Body), "\n"), "\n") {
		if text = strings.TrimRight(text, " "); text == "" {
			p.line("%s", p.paint(dim, "│"))
			continue
		}
		p.line("%s%s", bar, text)
	}
	p.line("%s", p.paint(dim, "└"+strings.Repeat("─", 92)))
	p.line("")
}
