package plan

import (
	"slices"
	"time"

	"github.com/cronbearer/cronbearer/internal/dev/schedule"
)

// What passes between a start and a message: Scheduler starts "within the minute" (Scheduler User Guide, "Schedule
// types"), and CloudWatch's alarm of one period of a minute is evaluated within two of them.
const (
	schedulerDelay  = time.Minute
	cloudWatchDelay = 2 * time.Minute
)

// A Start is how one job of a token starts.
type Start struct {
	Job      string
	Schedule *schedule.Schedule
	Rate     bool // it counts from a moment that is not known before it is deployed
	Window   time.Duration
	Timeout  time.Duration
	Gap      time.Duration // of the schedule, where it is known already; 0: read from it
}

// Within is how long a dead token can go unnoticed.
type Within struct {
	// Time is the longest; 0 if no job of the token starts again, so that no one is notified.
	Time time.Duration
	// Gap is the time between two starts that it is made of, and Job the one that ends it: it may start as much as Window
	// late and run for Timeout.
	Gap             time.Duration
	Job             string
	Window, Timeout time.Duration
}

// year is how far the starts of several jobs are counted.
const year = 365 * 24 * time.Hour

// NotifiedWithin returns how long a token that dies right after a start can go unnoticed: the longest time until one of
// its jobs has started again, with Scheduler's minute and window, a run, and CloudWatch's minutes. The phase of a rate
// is not known, so that it only bounds the time by its own gap, wherever the others start.
func NotifiedWithin(starts []Start, now time.Time) Within {
	var w Within
	var crons []Start
	for _, s := range starts {
		gap := s.Gap
		if gap == 0 {
			gap = s.Schedule.LongestGap()
		}
		if gap == 0 {
			continue // one start, or none
		}
		if found := s.within(gap); w.Time == 0 || found.Time < w.Time {
			w = found
		}
		if !s.Rate {
			crons = append(crons, s)
		}
	}
	if len(crons) > 1 {
		if found := union(crons, now); found.Time > 0 && found.Time < w.Time {
			w = found
		}
	}
	return w
}

func (s Start) within(gap time.Duration) Within {
	return Within{
		Time: gap + schedulerDelay + s.Window + s.Timeout + cloudWatchDelay,
		Gap:  gap, Job: s.Job, Window: s.Window, Timeout: s.Timeout,
	}
}

// union is the longest time within a year until one of several jobs has run. Each minute of the year has the job that
// starts in it and is done first; seen from the end, each start that follows a pause is the end of it, unless a later
// one is done earlier.
func union(starts []Start, now time.Time) Within {
	from := now.Truncate(time.Minute)
	first := make([]int32, year/time.Minute) // the job of each minute, from 1
	done := func(i int32) time.Duration { return starts[i-1].Window + starts[i-1].Timeout }
	for i, s := range starts {
		job := int32(i + 1)
		for at := range s.Schedule.Between(from, from.Add(year)) {
			m := at.Sub(from) / time.Minute
			if first[m] == 0 || done(job) < done(first[m]) {
				first[m] = job
			}
		}
	}
	var worst Within
	best, bestAt := int32(0), 0
	for m, job := range slices.Backward(first) {
		if job == 0 {
			continue
		}
		if best > 0 { // the token dies right after this start, and is found out by the best of those that follow
			if found := starts[best-1].within(time.Duration(bestAt-m) * time.Minute); found.Time > worst.Time {
				worst = found
			}
		}
		if best == 0 || time.Duration(m)*time.Minute+done(job) <= time.Duration(bestAt)*time.Minute+done(best) {
			best, bestAt = job, m
		}
	}
	return worst
}
