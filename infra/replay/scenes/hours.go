package scenes

import (
	"context"
	"fmt"
	"maps"
	"slices"
	"strings"
	"time"

	"github.com/cronbearer/cronbearer/infra/local"
	"github.com/cronbearer/cronbearer/infra/local/notify"
)

// Part is a stretch of the replay, with what a person got in it: how many mails of each beginning of a subject.
type Part struct {
	What  string
	Runs  int // that ended in it
	Mails map[string]int
}

// Total is the number of its mails.
func (p Part) Total() int {
	n := 0
	for _, count := range p.Mails {
		n += count
	}
	return n
}

func (p Part) String() string {
	var b strings.Builder
	fmt.Fprintf(&b, "%-62s %4d runs, %d mails", p.What, p.Runs, p.Total())
	for _, subject := range slices.Sorted(maps.Keys(p.Mails)) {
		fmt.Fprintf(&b, "\n    %d × %s", p.Mails[subject], subject)
	}
	return b.String()
}

// FortyEightHours is one dead token on ten hourly jobs for two days, its mending, and then one job that stops running.
// Every run is one of the real binary.
func (m Machine) FortyEightHours(ctx context.Context, seed uint64) (parts []Part, err error) {
	var jobs []Row
	for i := range 10 {
		jobs = append(jobs, Row{
			fmt.Sprintf("Hourly%d", i),
			fmt.Sprintf(`{ Schedule: rate(1 hour), Call: "GET https://%s/v1/%d", Token: ExampleApi, SilentAfter: 3 }`, host, i),
		})
	}
	err = m.open(local.Options{Seed: seed}, nil, jobs, func(s *stage) error {
		steps := []struct {
			what string
			do   func() error
			d    time.Duration
		}{
			{"The token is good", func() error { return nil }, 6*time.Hour + 30*time.Minute},
			{"The token is dead for 48 hours", func() error { s.api.Revoke(first); return nil }, 48 * time.Hour},
			{"A person stores a new one, and deals with the failed runs", func() error {
				s.api.Accept(second)
				s.Queue("FailedRuns").Purge()
				return s.put(second)
			}, 6 * time.Hour},
			{"One job is switched off", func() error { return s.SwitchOff("JobHourly3", true) }, 12 * time.Hour},
			{"It is switched on again", func() error { return s.SwitchOff("JobHourly3", false) }, 6 * time.Hour},
		}
		runs, mails := 0, 0
		for _, step := range steps {
			if err := step.do(); err != nil {
				return fmt.Errorf("%s: %w", step.what, err)
			}
			if err := s.pass(ctx, step.d); err != nil {
				return fmt.Errorf("%s: %w", step.what, err)
			}
			all := s.Mails("")
			part := Part{What: step.what, Runs: len(s.Runs()) - runs, Mails: map[string]int{}}
			for _, mail := range all[mails:] {
				part.Mails[kind(mail)]++
			}
			runs, mails = len(s.Runs()), len(all)
			parts = append(parts, part)
		}
		for _, undelivered := range s.Undelivered() {
			return fmt.Errorf("a message was not delivered: %w", undelivered)
		}
		return nil
	})
	return parts, err
}

// CheckHours says what of FortyEightHours is not as it must be: one message for one dead token, whatever hangs on it.
func CheckHours(parts []Part) error {
	const token, silent = "cronbearer-TokenRejected-ExampleApi", "cronbearer-Silent-Hourly3"
	want := []map[string]int{
		{},
		{"ALARM " + token: 1, "reminder of " + token: 2, "ALARM cronbearer-FailedRuns": 1},
		{"OK " + token: 1, "OK cronbearer-FailedRuns": 1},
		{"INSUFFICIENT_DATA " + silent: 1},
		{"end of " + silent: 1},
	}
	if len(parts) != len(want) {
		return fmt.Errorf("%d parts, not %d", len(parts), len(want))
	}
	for i, part := range parts {
		if !maps.Equal(part.Mails, want[i]) {
			return fmt.Errorf("%s: mails %v, not %v", part.What, part.Mails, want[i])
		}
	}
	return nil
}

// kind sums a mail up: "ALARM cronbearer-FailedRuns", "reminder of cronbearer-TokenRejected-ExampleApi".
func kind(m notify.Mail) string {
	switch {
	case strings.Contains(m.Body, "Reminder: token"):
		return "reminder of " + m.Alarm
	case strings.Contains(m.Body, "The silence is over"):
		return "end of " + m.Alarm
	case strings.Contains(m.Body, "has not worked once"):
		return "never worked: " + m.Alarm
	}
	state, _, _ := strings.Cut(m.Subject, ":")
	return state + " " + m.Alarm
}
