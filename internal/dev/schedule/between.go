package schedule

import (
	"iter"
	"math/bits"
	"slices"
	"time"
)

// Rate reports whether the schedule counts elapsed time from the moment that it is deployed: rate(…).
func (s *Schedule) Rate() bool { return s.kind == rate }

// Between yields the starts from a moment until before another, ascending: what Next would return one after the other,
// and fast enough for a schedule of every minute and a year.
func (s *Schedule) Between(from, to time.Time) iter.Seq[time.Time] {
	return func(yield func(time.Time) bool) {
		if s.kind == cron {
			s.table.between(from.Unix(), to.Unix(), s.zone, func(at int64) bool { return yield(time.Unix(at, 0).UTC()) })
			return
		}
		for at, ok := s.Next(from.Add(-time.Nanosecond)); ok && at.Before(to); at, ok = s.Next(at) {
			if !yield(at) {
				return
			}
		}
	}
}

// Count returns how many starts there are from a moment until before another. A rate counts from the first.
func (s *Schedule) Count(from, to time.Time) int {
	n := 0
	switch s.kind {
	case rate:
		if d := to.Sub(from); d > 0 {
			n = int((d-1)/s.interval) + 1
		}
	case cron:
		s.table.between(from.Unix(), to.Unix(), s.zone, func(int64) bool { n++; return true })
	case oneTime:
		if !s.at.Before(from) && s.at.Before(to) {
			n = 1
		}
	}
	return n
}

// between walks the days around a stretch of time. Far from clock changes a day has one offset.
func (t *timetable) between(from, to int64, zone *time.Location, yield func(int64) bool) {
	c := &clock{zone: zone}
	for midnight, mask := range t.dates(from, to) {
		for ; mask != 0; mask &= mask - 1 {
			day := midnight + int64(bits.TrailingZeros32(mask)-1)*24*3600
			offset, steady := c.steady(day)
			for _, start := range t.starts {
				at, ok := day+start-offset, true
				if !steady {
					at, ok = c.instant(day + start)
				}
				if ok && at >= from && at < to && !yield(at) {
					return
				}
			}
		}
	}
}

// dates yields the months around a stretch of time, each as the midnight of its first day and the bits of the days that
// match and may touch it.
func (t *timetable) dates(from, to int64) iter.Seq2[int64, uint32] {
	return func(yield func(int64, uint32) bool) {
		first, last := time.Unix(from-reach, 0).UTC(), time.Unix(to+reach, 0).UTC()
		month := time.Date(first.Year(), first.Month(), 1, 0, 0, 0, 0, time.UTC)
		for ; !month.After(last) && month.Year() <= lastYear; month = month.AddDate(0, 1, 0) {
			if month.Year() < firstYear {
				continue
			}
			mask := t.monthDays(month.Year(), month.Month())
			if month.Year() == first.Year() && month.Month() == first.Month() {
				mask &^= 1<<first.Day() - 1
			}
			if month.Year() == last.Year() && month.Month() == last.Month() {
				mask &= 1<<(last.Day()+1) - 1
			}
			if !yield(month.Unix(), mask) {
				return
			}
		}
	}
}

// ClockKind says what a change of the clocks does to a start.
type ClockKind string

// A Lost start is at a time that the clocks jump over: no run. One that comes Twice is at a time that they repeat: one
// run, at the first ("Daylight savings time on EventBridge Scheduler").
const (
	Lost  ClockKind = "lost"
	Twice ClockKind = "twice"
)

// A Clock is a start that a change of the clocks loses, or would double.
type Clock struct {
	Local time.Time // what the zone's clocks show, as a time in UTC
	At    time.Time // when the clocks change
	Kind  ClockKind
}

// Clocks returns the starts that are lost, or whose time comes twice, by the clock changes from a moment until before
// another. Rates are elapsed time, and at(…) is checked by Parse: neither has any.
func (s *Schedule) Clocks(from, to time.Time) []Clock {
	if s.kind != cron {
		return nil
	}
	var found []Clock
	c := &clock{zone: s.zone}
	before := c.spanAt(from.Unix() - 1)
	for before.end < to.Unix() {
		after := c.spanAt(before.end)
		low, high, kind := before.end+before.offset, before.end+after.offset, Lost
		if low > high {
			low, high, kind = high, low, Twice
		}
		for _, wall := range s.table.readings(low, high) {
			found = append(found, Clock{
				Local: time.Unix(wall, 0).UTC(), At: time.Unix(before.end, 0).UTC(), Kind: kind,
			})
		}
		before = after
	}
	return found
}

// readings returns the local times of the timetable from a reading until before another.
func (t *timetable) readings(low, high int64) []int64 {
	if low == high {
		return nil
	}
	var walls []int64
	for midnight, mask := range t.dates(low, high) {
		for ; mask != 0; mask &= mask - 1 {
			day := midnight + int64(bits.TrailingZeros32(mask)-1)*24*3600
			from, _ := slices.BinarySearch(t.starts, low-day)
			to, _ := slices.BinarySearch(t.starts, high-day)
			for _, start := range t.starts[from:to] {
				walls = append(walls, day+start)
			}
		}
	}
	return walls
}
