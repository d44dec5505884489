package year

import (
	"context"
	"fmt"
	"time"

	"github.com/cronbearer/cronbearer/infra/local"
	"github.com/cronbearer/cronbearer/infra/local/alarm"
	"github.com/cronbearer/cronbearer/infra/replay/scenes"
	"github.com/cronbearer/cronbearer/infra/schedule"
	"github.com/cronbearer/cronbearer/internal/metric"
)

// Silence is what became of one job's trouble of thirty days.
type Silence struct {
	Schedule, Trouble string
	SilentAfter       int
	// Actions are the messages of the alarm itself to its topic, Mails what a person gets, the end included.
	Actions, Mails int
	// First is how long after the trouble began the first mail came; zero: none did.
	First time.Duration
}

func (s Silence) String() string {
	return fmt.Sprintf("%-24s SilentAfter %2d, %-31s %4d messages of the alarm, %d mails, the first after %s",
		s.Schedule, s.SilentAfter, s.Trouble+":", s.Actions, s.Mails, s.First)
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

// Silences gives jobs of every pace every trouble.
func Silences(ctx context.Context, template string) ([]Silence, error) {
	paces := []string{"rate(15 minutes)", "rate(1 hour)", "rate(2 hours)", "rate(3 hours)", "rate(4 hours)", "rate(6 hours)", "cron(0 9 * * ? *)", "cron(0 9 ? * MON-FRI *)", "rate(3 days)"}
	var silences []*Silence
	var rows []scenes.Row
	var schedules []*schedule.Schedule
	start := local.Start
	for _, pace := range paces {
		parsed, err := schedule.Parse(pace, "Europe/London")
		if err != nil {
			return nil, fmt.Errorf("silences: %w", err)
		}
		for _, what := range []string{keepsFailing, newAndFails, stopsRunning} {
			s := &Silence{Schedule: pace, Trouble: what, SilentAfter: schedule.LeastSilentAfter(parsed.LongestGap(), 0, longestRun)}
			rows = append(rows, scenes.Row{Name: fmt.Sprintf("Job%d", len(silences)), Keys: fmt.Sprintf(
				`{ Schedule: "%s", Timezone: Europe/London, Call: "GET https://api.example.com/v1/sync", Token: ExampleApi, SilentAfter: %d }`, pace, s.SilentAfter)})
			silences, schedules = append(silences, s), append(schedules, parsed.Anchored(start))
		}
	}
	byName := map[string]*Silence{}
	for i, r := range rows {
		byName[r.Name] = silences[i]
	}
	observe := func(e local.Event) {
		switch {
		case e.Alarm != nil:
			if s := silenceOf(byName, e.Alarm.Alarm.Name); s != nil && e.Alarm.To != alarm.OK {
				s.Actions++
			}
		case e.Mail != nil:
			if s := silenceOf(byName, e.Mail.Alarm); s != nil {
				if s.Mails++; s.Mails == 1 {
					s.First = e.At.Sub(start)
					if s.Trouble != newAndFails {
						s.First -= wellBefore
					}
				}
			}
		}
	}
	err := deploy(template, start, nil, rows, observe, func(w *world) error {
		publisher := metric.NewPublisher(w, metric.DefaultNamespace, w.Stack.StackName)
		for i, s := range silences {
			w.runs(ctx, publisher, rows[i].Name, s.Trouble, schedules[i], start)
		}
		return w.play(ctx, start.Add(wellBefore+trouble+wellAfter))
	})
	list := make([]Silence, len(silences))
	for i, s := range silences {
		s.First = s.First.Truncate(time.Minute)
		list[i] = *s
	}
	return list, err
}

func silenceOf(byName map[string]*Silence, name string) *Silence {
	if kind, owner := split(name); kind == "Silent" {
		return byName[owner]
	}
	return nil
}

// runs plans a job's runs, each when the one before is done.
func (w *world) runs(ctx context.Context, p *metric.Publisher, name, what string, s *schedule.Schedule, begin time.Time) {
	var next func(after time.Time)
	next = func(after time.Time) {
		nominal, ok := s.Next(after)
		if !ok {
			return
		}
		w.plan(nominal.Add(20*time.Second), func(at time.Time) {
			since := at.Sub(begin)
			troubled := since < wellBefore+trouble && (since >= wellBefore || what == newAndFails)
			if alive := !troubled; alive || what != stopsRunning {
				// What this tells of a failure to publish nobody waits for: the model takes everything here.
				_ = p.Publish(ctx, metric.Report{At: at, Job: name, Alive: &alive})
			}
			next(nominal)
		})
	}
	next(begin.Add(-time.Nanosecond))
}
