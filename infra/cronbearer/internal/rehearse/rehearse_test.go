package rehearse_test

import (
	"os"
	"slices"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"

	"github.com/cronbearer/cronbearer/infra/cronbearer/internal/rehearse"
	"github.com/cronbearer/cronbearer/infra/cronbearer/internal/sandbox"
	"github.com/cronbearer/cronbearer/internal/dev/awssim/awssimtest"
)

func TestMain(m *testing.M) { os.Exit(awssimtest.Main(m)) }

var start = time.Date(2026, time.November, 2, 8, 7, 0, 0, time.UTC)

func at(hours float64) time.Time { return start.Add(time.Duration(hours * float64(time.Hour))) }

func TestLimitIsKept(t *testing.T) {
	t.Parallel()
	const hour = time.Hour
	type deaths = []rehearse.Death
	cases := map[string]struct {
		deaths []rehearse.Death
		worst  time.Duration
		unread bool
		want   []string
	}{
		"nothing died":                {worst: hour},
		"noticed in time":             {worst: hour, deaths: deaths{{At: at(1), Notified: at(2)}}},
		"noticed at the last moment":  {worst: 2 * hour, deaths: deaths{{At: at(1), Notified: at(3)}}},
		"over before anyone can know": {worst: hour, deaths: deaths{{At: at(1), Over: at(2)}}},
		"noticed late": {
			worst: hour, deaths: deaths{{At: at(1), Notified: at(4.5)}}, want: []string{"Api went unnoticed for 3 h 30 min"},
		},
		"the second time late": {
			worst: hour, deaths: deaths{{At: at(1), Notified: at(2), Over: at(3)}, {At: at(4), Notified: at(7)}},
			want: []string{"Api went unnoticed for 3 h"},
		},
		"never noticed": {
			worst: hour, deaths: deaths{{At: at(1)}}, want: []string{"no one was notified of Api"},
		},
		"over, but too late": {
			worst: hour, deaths: deaths{{At: at(1), Over: at(5)}}, want: []string{"no one was notified of Api"},
		},
		"it can take longer":   {worst: 3 * hour, want: []string{"Api can go unnoticed for 3 h"}},
		"nothing starts again": {want: []string{"no job of Api starts again"}},
		"no one is subscribed": {worst: hour, unread: true, want: []string{"no one is subscribed and confirmed"}},
		"no one, and it takes longer": {
			worst: 3 * hour, unread: true,
			want: []string{"no one is subscribed and confirmed", "Api can go unnoticed for 3 h"},
		},
	}
	for name, c := range cases {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			r := rehearse.Report{
				Start: start, End: at(24), Readers: []string{"you@example.com"},
				Verdicts: []rehearse.Verdict{{Token: "Api", Deaths: c.deaths, Worst: c.worst}},
			}
			if c.unread {
				r.Readers = nil
			}
			if diff := cmp.Diff(c.want, r.Late(2*time.Hour)); diff != "" {
				t.Error(diff)
			}
		})
	}
}

// play rehearses the shipped template.
func play(t *testing.T, length time.Duration, plan ...rehearse.Planned) *rehearse.Report {
	t.Helper()
	r := &rehearse.Rehearsal{For: length, Plan: plan}
	s, err := sandbox.New(t.Context(), sandbox.Options{
		Template: awssimtest.Template(), Start: start, Binaries: awssimtest.Binaries(t), Observe: r.Observe,
	})
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() {
		if err := s.Close(); err != nil {
			t.Error(err)
		}
	})
	r.Sandbox = s
	report, err := r.Run(t.Context())
	if err != nil {
		t.Fatal(err)
	}
	return report
}

var kill = sandbox.Fault{Kind: sandbox.Kill, Name: "ExampleApi"}

// TestTokenThatDiesTwice: each death has its own email, its own delay and its own end.
func TestTokenThatDiesTwice(t *testing.T) {
	t.Parallel()
	report := play(
		t, 9*time.Hour, rehearse.Planned{At: at(2), Fault: kill}, rehearse.Planned{At: at(4), Fault: kill, Restore: true},
		rehearse.Planned{At: at(6), Fault: kill},
	)
	deaths := report.Verdicts[0].Deaths
	if len(deaths) != 2 {
		t.Fatalf("deaths: %+v", deaths)
	}
	for i, d := range deaths {
		if delay := d.Notified.Sub(d.At); delay <= 0 || delay > report.Verdicts[0].Worst {
			t.Errorf("death %d: notified after %s, at most %s", i+1, delay, report.Verdicts[0].Worst)
		}
	}
	if !deaths[0].Over.Equal(at(4)) || !deaths[1].Over.IsZero() {
		t.Errorf("over: %s, %s", deaths[0].Over, deaths[1].Over)
	}
}

// TestDeathThatNoRunMeets: a token that is replaced before a job needs it is no late notice.
func TestDeathThatNoRunMeets(t *testing.T) {
	t.Parallel()
	report := play(
		t, 3*time.Hour, rehearse.Planned{At: at(1.2), Fault: kill},
		rehearse.Planned{At: at(1.5), Fault: kill, Restore: true},
	)
	if late := report.Late(2 * time.Hour); len(late) > 0 || report.Emails > 0 {
		t.Errorf("%v, %d emails", late, report.Emails)
	}
}

// TestMessagesAreNews: what goes on as before is not in the story, and an alarm's second email is a reminder.
func TestMessagesAreNews(t *testing.T) {
	t.Parallel()
	report := play(t, 3*24*time.Hour, rehearse.Planned{At: at(2.5), Fault: kill})
	emails, reminders := 0, 0
	for _, m := range report.Messages {
		if m.Kind == sandbox.KindEmail && m.Alarm == "TokenRejected-ExampleApi" {
			emails++
			if m.Reminder {
				reminders++
			}
		}
		if m.Kind == sandbox.KindRun && m.Outcome == "succeeded" {
			t.Errorf("no news: %+v", m.Event)
		}
		if m.Kind != sandbox.KindFault && m.At.After(at(2.5)) && (m.Delay-m.At.Sub(at(2.5))).Abs() > time.Second {
			t.Errorf("%s: delay %s", m.At, m.Delay)
		}
	}
	if emails < 2 || reminders != emails-1 {
		t.Errorf("%d emails, %d of them reminders", emails, reminders)
	}
	if runs := len(report.All); report.Runs == 0 || runs <= len(report.Messages) || !slices.IsSortedFunc(
		report.Messages, func(a, b rehearse.Message) int { return a.At.Compare(b.At) },
	) {
		t.Errorf("%d runs, %d events, %d messages", report.Runs, runs, len(report.Messages))
	}
}
