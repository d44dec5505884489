package plan

import (
	"container/heap"
	"time"

	"github.com/cronbearer/cronbearer/internal/dev/schedule"
)

// What passes between a start and a message: Scheduler starts "within the minute" (Scheduler User Guide, "Schedule types"), and
// CloudWatch's alarm of one period of a minute is evaluated within two of them.
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
}

// Within is how long a dead token can go unnoticed.
type Within struct {
	// Time is the longest; 0 if no job of the token starts again, so that no one is notified.
	Time time.Duration
	// Gap is the longest time between two starts of any of its jobs, and Job the one that ends it most often.
	Gap time.Duration
	Job string
}

// enough is a gap below which the union of several schedules is not counted out: no job's own gap is longer.
const enough = 15 * time.Minute

// year is how far the union of several schedules is counted.
const year = 366 * 24 * time.Hour

// NotifiedWithin returns how long a token that dies right after a start can go unnoticed: the longest gap between the starts of all
// its jobs, Scheduler's minute and window, a run, and CloudWatch's minutes. The phase of a rate is not known, so that it only bounds
// the gap by its own.
func NotifiedWithin(starts []Start, now time.Time) Within {
	var w Within
	var crons []Start
	var slack time.Duration
	for _, s := range starts {
		gap := s.Schedule.LongestGap()
		if gap == 0 {
			continue // one start, or none
		}
		if w.Gap == 0 || gap < w.Gap {
			w.Gap, w.Job = gap, s.Job
		}
		slack = max(slack, s.Window+s.Timeout)
		if !s.Rate {
			crons = append(crons, s)
		}
	}
	if w.Gap == 0 {
		return Within{}
	}
	if len(crons) > 1 && w.Gap > enough {
		if gap := unionGap(crons, now); gap > 0 && gap < w.Gap {
			w.Gap = gap
		}
	}
	w.Time = w.Gap + schedulerDelay + slack + cloudWatchDelay
	return w
}

// unionGap is the longest time between two starts of any of the schedules within a year.
func unionGap(starts []Start, now time.Time) time.Duration {
	var queue nexts
	for _, s := range starts {
		if at, ok := s.Schedule.Next(now); ok {
			queue = append(queue, next{at, s.Schedule})
		}
	}
	heap.Init(&queue)
	longest, last := time.Duration(0), time.Time{}
	for len(queue) > 0 && queue[0].at.Before(now.Add(year)) {
		if !last.IsZero() {
			longest = max(longest, queue[0].at.Sub(last))
		}
		last = queue[0].at
		if at, ok := queue[0].schedule.Next(last); ok {
			queue[0].at = at
			heap.Fix(&queue, 0)
		} else {
			heap.Pop(&queue)
		}
	}
	return longest
}

// next is the next start of a schedule.
type next struct {
	at       time.Time
	schedule *schedule.Schedule
}

// nexts is a container/heap.
type nexts []next

func (n nexts) Len() int           { return len(n) }
func (n nexts) Less(i, j int) bool { return n[i].at.Before(n[j].at) }
func (n nexts) Swap(i, j int)      { n[i], n[j] = n[j], n[i] }
func (n *nexts) Push(x any)        { *n = append(*n, x.(next)) } //nolint:forcetypeassert // container/heap
func (n *nexts) Pop() any {
	last := (*n)[len(*n)-1]
	*n = (*n)[:len(*n)-1]
	return last
}
