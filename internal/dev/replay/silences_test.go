package replay_test

import (
	"fmt"
	"testing"
	"time"

	"github.com/cronbearer/cronbearer/internal/caller"
	"github.com/cronbearer/cronbearer/internal/dev/awssim"
	"github.com/cronbearer/cronbearer/internal/dev/awssim/alarm"
	"github.com/cronbearer/cronbearer/internal/dev/schedule"
	"github.com/cronbearer/cronbearer/internal/endpoint"
	"github.com/cronbearer/cronbearer/internal/metric"
)

// silence is what becomes of one job's trouble of thirty days.
type silence struct {
	pace, trouble string
	silentAfter   int
	schedule      *schedule.Schedule
	actions       int           // messages of the alarm itself to its topic
	emails        int           // what an operator gets, the one of the end included
	first         time.Duration // from the start of the trouble to the first email; zero: none came
}

// The troubles that a job can have.
const (
	keepsFailing = "each run fails"
	newAndFails  = "new, and each run fails"
	stopsRunning = "no run starts"
)

const (
	wellBefore = 10 * 24 * time.Hour
	trouble    = 30 * 24 * time.Hour
	wellAfter  = 6 * 24 * time.Hour
)

// silences puts jobs of every pace through every kind of trouble.
func silences(t *testing.T, m mistake) []*silence {
	t.Helper()
	var list []*silence
	var jobs []row
	byName := map[string]*silence{}
	start := awssim.Start
	for _, pace := range []string{
		"rate(15 minutes)", "rate(1 hour)", "rate(2 hours)", "rate(3 hours)", "rate(4 hours)", "rate(6 hours)",
		"cron(0 9 * * ? *)", "cron(0 9 ? * MON-FRI *)", "rate(3 days)",
	} {
		parsed, err := schedule.Parse(pace, "Europe/London")
		if err != nil {
			t.Fatal(err)
		}
		for _, what := range []string{keepsFailing, newAndFails, stopsRunning} {
			s := &silence{
				pace: pace, trouble: what, schedule: parsed.Anchored(start),
				silentAfter: schedule.LeastSilentAfter(parsed.LongestGap(), 0, longestRun),
			}
			name := fmt.Sprintf("Job%d", len(list))
			list, byName[name] = append(list, s), s
			jobs = append(jobs, job(name, pace, london, "/v1/sync", "ExampleApi", s.silentAfter))
		}
	}
	silent := func(alarmName string) *silence {
		if kind, owner := split(alarmName); kind == "Silent" {
			return byName[owner]
		}
		return nil
	}
	w := newWorld(t, writeTemplate(t, oneToken, jobs, m), start, func(e awssim.Event) {
		switch {
		case e.Alarm != nil:
			if s := silent(e.Alarm.Alarm.Name); s != nil && e.Alarm.To != alarm.OK {
				s.actions++
			}
		case e.Email != nil:
			if s := silent(e.Email.Alarm); s != nil {
				if s.emails++; s.emails == 1 {
					s.first = e.At.Sub(start)
					if s.trouble != newAndFails {
						s.first -= wellBefore
					}
				}
			}
		}
	})
	publisher := metric.NewPublisher(w, metric.DefaultNamespace, w.Stack.StackName)
	for i, s := range list {
		w.runs(publisher, jobs[i].name, s, start)
	}
	w.play(start.Add(wellBefore + trouble + wellAfter))
	return list
}

// runs plans a job's runs, each when the one before is done.
func (w *world) runs(p *metric.Publisher, name string, s *silence, start time.Time) {
	var next func(after time.Time)
	next = func(after time.Time) {
		nominal, ok := s.schedule.Next(after)
		if !ok {
			return
		}
		w.plan(nominal.Add(20*time.Second), func(at time.Time) {
			since := at.Sub(start)
			troubled := since < wellBefore+trouble && (since >= wellBefore || s.trouble == newAndFails)
			res := caller.Result{Job: name, Outcome: caller.Succeeded, Verdict: endpoint.Unknown}
			if troubled {
				res.Outcome = caller.TargetFailed
			}
			if !troubled || s.trouble != stopsRunning {
				if err := p.Publish(w.t.Context(), res.Report(at)); err != nil {
					w.t.Error(err)
				}
			}
			next(nominal)
		})
	}
	next(start.Add(-time.Nanosecond))
}

// TestSilenceIsOneEmailAndItsEndAnother: at whatever pace the job runs, and however its alarm flaps between ALARM and
// INSUFFICIENT_DATA; and the first comes in time.
func TestSilenceIsOneEmailAndItsEndAnother(t *testing.T) {
	t.Parallel()
	flaps := 0
	for _, s := range silences(t, mistake{}) {
		t.Logf("%-24s SilentAfter %2d, %-24s %4d messages of the alarm, %d emails, the first after %s",
			s.pace, s.silentAfter, s.trouble+":", s.actions, s.emails, s.first.Truncate(time.Minute))
		if s.emails != 2 || s.actions < 1 {
			t.Errorf("%s, %s: %d emails", s.pace, s.trouble, s.emails)
		}
		// The alarm evaluates two periods more than SilentAfter.
		if s.first <= 0 || s.first > time.Duration(s.silentAfter+2)*time.Hour+2*time.Minute {
			t.Errorf("%s, %s: the first email after %s", s.pace, s.trouble, s.first)
		}
		flaps = max(flaps, s.actions)
	}
	// The day on which it no longer flaps, the filter and the rule can go.
	if flaps < 100 {
		t.Errorf("no alarm flaps any more: %d messages at most", flaps)
	}
}

// TestEmailOfEachChangeWouldBeSeen: without the filter of the template, the count above is another.
func TestEmailOfEachChangeWouldBeSeen(t *testing.T) {
	t.Parallel()
	const filter = "          - NewStateValue: [ALARM]\n" +
		"            AlarmName: [{ anything-but: { prefix: !Sub '${AWS::StackName}-Silent-' } }]\n"
	emails := 0
	for _, s := range silences(t, mistake{filter, "          - NewStateValue: [ALARM, INSUFFICIENT_DATA]\n"}) {
		emails = max(emails, s.emails)
	}
	if emails < 100 {
		t.Errorf("%d emails at most", emails)
	}
}
