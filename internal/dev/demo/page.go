package main

import (
	"fmt"
	"io"
	"strings"
	"time"
	"unicode/utf8"

	"github.com/cronbearer/cronbearer/internal/dev/awssim"
	"github.com/cronbearer/cronbearer/internal/dev/awssim/alarm"
	"github.com/cronbearer/cronbearer/internal/dev/awssim/notify"
)

// page writes what happens, a line each.
type page struct {
	out    io.Writer
	colour bool
	public func(string) string
	stack  string // its alarms are written without this prefix of theirs
}

// columns is the width that the story keeps to, so that no terminal or page breaks its lines anywhere else.
const columns = 100

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
		p.paint(bold, "Cronbearer on a model of AWS, not AWS itself: the real template and binaries, a virtual clock."),
	)
	p.line("")
	p.line(
		"%s",
		p.paint(dim, fmt.Sprintf("%-9s  %-12s %6s  %-15s %-9s %s", "time", "job", "status", "outcome", "verdict", "alarm")),
	)
}

// paragraph writes text in lines of at most columns. The first begins with lead, the others with as much space.
func (p *page) paragraph(code, lead, text string) {
	indent := strings.Repeat(" ", utf8.RuneCountInString(lead))
	for i, line := range wrap(text, columns-len(indent)) {
		if i > 0 {
			lead = indent
		}
		p.line("%s%s", lead, p.paint(code, line))
	}
}

// wrap breaks text between words, and a word that is longer than a line within it.
func wrap(text string, width int) []string {
	var lines []string
	line := ""
	for word := range strings.SplitSeq(text, " ") {
		if line != "" && utf8.RuneCountInString(line+" "+word) > width {
			lines, line = append(lines, strings.TrimRight(line, " ")), ""
		}
		if line != "" {
			line += " "
		}
		for line += word; utf8.RuneCountInString(line) > width; {
			head := string([]rune(line)[:width])
			lines, line = append(lines, head), line[len(head):]
		}
	}
	return append(lines, line)
}

func clock(t time.Time) string { return t.UTC().Format("Mon 15:04") }

// narrate writes what an operator, or the world, does.
func (p *page) narrate(at time.Time, text string) {
	p.paragraph(bold, fmt.Sprintf("%-9s  » ", clock(at)), text)
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
				p.paint(tone(string(e.Alarm.To)), fmt.Sprintf("%s: %s → %s", strings.TrimPrefix(e.Alarm.Alarm.Name, p.stack+
					"-"), e.Alarm.From, e.Alarm.To)),
			)
		}
	case e.Email != nil:
		p.line("%-9s  ✉ to %s: %s", clock(e.At), e.Email.To, e.Email.Subject)
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

// email shows what an operator reads, without the alarm's configuration at its end.
func (p *page) email(m notify.Email) {
	title := "┌─ email to " + m.To + " "
	p.line("")
	p.line("%s", p.paint(dim, title+strings.Repeat("─", columns-utf8.RuneCountInString(title))))
	p.boxed(bold, "Subject: "+m.Subject)
	p.boxed("", "")
	body, _, _ := strings.Cut(p.public(m.Body), "\n\nThreshold:\n")
	for text := range strings.SplitSeq(strings.TrimRight(body, "\n"), "\n") {
		p.boxed("", text)
	}
	p.line("%s", p.paint(dim, "└"+strings.Repeat("─", columns-1)))
	p.line("")
}

func (p *page) boxed(code, text string) {
	const bar = "│ "
	for _, line := range wrap(strings.TrimRight(text, " "), columns-utf8.RuneCountInString(bar)) {
		if line == "" {
			p.line("%s", p.paint(dim, strings.TrimRight(bar, " ")))
			continue
		}
		p.line("%s%s", p.paint(dim, bar), p.paint(code, line))
	}
}
