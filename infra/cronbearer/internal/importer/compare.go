package importer

import (
	"slices"
	"time"

	"github.com/cronbearer/cronbearer/internal/dev/schedule"
)

// A ClockChange is what a change of the clocks makes of a job's starts, where the source's scheduler and AWS differ:
// AWS skips a time that the clocks jump over, and starts once at one that they repeat.
type ClockChange struct {
	At time.Time `json:"at"`
	// Lost are starts that only the source makes, Added those that only AWS makes.
	Lost  []time.Time `json:"lost,omitempty"`
	Added []time.Time `json:"added,omitempty"`
}

// Starts are the next starts by the source's own rules and by AWS's.
type Starts struct {
	Old []time.Time `json:"old"`
	New []time.Time `json:"new"`
	// Agree reports whether they are the same, changes of the clocks apart.
	Agree  bool          `json:"agree"`
	Clocks []ClockChange `json:"clocks,omitempty"`
	// Twice is the next moment at which both jobs of one line start, where the source starts once.
	Twice *time.Time `json:"twice,omitempty"`
}

const (
	shown    = 3
	compared = 60
)

// compare holds the source's starts against those of the expressions that replace it. Clocks are looked at from now to
// until.
func compare(t timetable, zone *time.Location, schedules []*schedule.Schedule, now, until time.Time) Starts {
	s := Starts{Agree: true}
	oldAt, newAt := now, now
	last := until.AddDate(yearsAhead, 0, 0)
	for i := 0; i < compared && oldAt.Before(last); i++ {
		before, hasOld := t.next(oldAt, zone)
		after, hasNew := nextOf(schedules, newAt)
		if i < shown && hasOld {
			s.Old = append(s.Old, before.In(zone))
		}
		if i < shown && hasNew {
			s.New = append(s.New, after.In(zone))
		}
		if !hasOld || !hasNew {
			s.Agree = s.Agree && hasOld == hasNew
			break
		}
		if !before.Equal(after) {
			s.Agree = false
			break
		}
		oldAt, newAt = before, after
	}
	s.Clocks = clockChanges(t, zone, schedules, now, until)
	if !s.Agree && len(s.Old) > 0 && len(s.New) > 0 {
		s.Agree = onlyClocks(t, zone, schedules, now, s.Clocks)
	}
	s.Twice = twice(schedules, now, until)
	return s
}

// onlyClocks reports whether the starts, those of clock changes left out, are the same.
func onlyClocks(
	t timetable, zone *time.Location, schedules []*schedule.Schedule, now time.Time, clocks []ClockChange,
) bool {
	var odd []time.Time
	for _, c := range clocks {
		odd = append(append(odd, c.Lost...), c.Added...)
	}
	known := func(at time.Time) bool { return slices.ContainsFunc(odd, at.Equal) }
	oldAt, newAt := now, now
	for range compared {
		before, okOld := t.next(oldAt, zone)
		for okOld && known(before) {
			before, okOld = t.next(before, zone)
		}
		after, okNew := nextOf(schedules, newAt)
		for okNew && known(after) {
			after, okNew = nextOf(schedules, after)
		}
		if okOld != okNew || okOld && !before.Equal(after) {
			return false
		}
		if !okOld {
			return true
		}
		oldAt, newAt = before, after
	}
	return true
}

func nextOf(schedules []*schedule.Schedule, after time.Time) (first time.Time, ok bool) {
	for _, s := range schedules {
		if at, found := s.Next(after); found && (!ok || at.Before(first)) {
			first, ok = at, true
		}
	}
	return first, ok
}

// clockChanges compares the hours around each change of the zone's clocks.
func clockChanges(
	t timetable, zone *time.Location, schedules []*schedule.Schedule, from, until time.Time,
) []ClockChange {
	const around = 4 * time.Hour
	var changes []ClockChange
	for _, at := range transitions(zone, from, until) {
		begin, end := later(at.Add(-around), from), earlier(at.Add(around), until)
		c := ClockChange{At: at}
		before, after := map[int64]bool{}, map[int64]bool{}
		for m := begin.Truncate(time.Minute).Add(time.Minute); !m.After(end); m = m.Add(time.Minute) {
			if t.starts(m.In(zone)) {
				before[m.Unix()] = true
			}
		}
		for m, ok := nextOf(schedules, begin); ok && !m.After(end); m, ok = nextOf(schedules, m) {
			after[m.Unix()] = true
			if !before[m.Unix()] {
				c.Added = append(c.Added, m.In(zone))
			}
		}
		for m := range before {
			if !after[m] {
				c.Lost = append(c.Lost, time.Unix(m, 0).In(zone))
			}
		}
		slices.SortFunc(c.Lost, time.Time.Compare)
		if len(c.Lost)+len(c.Added) > 0 {
			changes = append(changes, c)
		}
	}
	return changes
}

// transitions returns the changes of a zone's clocks. They are found day by day: time.ZoneBounds is off at the end of
// leap years, of which package schedule knows.
func transitions(zone *time.Location, from, until time.Time) []time.Time {
	offset := func(at time.Time) int {
		_, seconds := at.In(zone).Zone()
		return seconds
	}
	var found []time.Time
	for at := from; at.Before(until); {
		next := at.Add(24 * time.Hour) //nolint:mnd // a day
		if offset(at) != offset(next) {
			low, high := at.Unix(), next.Unix()
			for high-low > 1 {
				middle := (low + high) / 2 //nolint:mnd // bisection
				if offset(time.Unix(middle, 0)) == offset(at) {
					low = middle
				} else {
					high = middle
				}
			}
			found = append(found, time.Unix(high, 0).In(zone))
		}
		at = next
	}
	return found
}

// twice returns the next moment at which two schedules start. It looks as far ahead as the clocks are compared.
func twice(schedules []*schedule.Schedule, now, until time.Time) *time.Time {
	const pair = 2
	if len(schedules) < pair {
		return nil
	}
	a, okA := schedules[0].Next(now)
	b, okB := schedules[1].Next(now)
	for okA && okB && earlier(a, b).Before(until) {
		switch a.Compare(b) {
		case 0:
			return &a
		case -1:
			a, okA = schedules[0].Next(b.Add(-time.Second))
		default:
			b, okB = schedules[1].Next(a.Add(-time.Second))
		}
	}
	return nil
}

func later(a, b time.Time) time.Time {
	if a.After(b) {
		return a
	}
	return b
}

func earlier(a, b time.Time) time.Time {
	if a.Before(b) {
		return a
	}
	return b
}
