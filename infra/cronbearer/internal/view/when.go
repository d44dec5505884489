package view

import (
	"fmt"
	"math"
	"time"
)

// Day is 24 hours.
const Day = 24 * time.Hour

// Time writes a time for people: "Tue 10:00" within a week, "Tue 1 Dec 10:00" within half a year, with the
// year beyond. The zone's name is left to the caller.
func Time(at, now time.Time, zone *time.Location) string {
	at, distance := at.In(zone), at.Sub(now)
	switch {
	case distance.Abs() < 6*Day:
		return at.Format("Mon 15:04")
	case distance.Abs() < 180*Day:
		return at.Format("Mon 2 Jan 15:04")
	}
	return at.Format("2 Jan 2006 15:04")
}

// Date writes the day of a time: "31 Jan", with the year if it is another one.
func Date(at, now time.Time, zone *time.Location) string {
	if at.In(zone).Year() == now.In(zone).Year() {
		return at.In(zone).Format("2 Jan")
	}
	return at.In(zone).Format("2 Jan 2006")
}

// Span writes a length of time in its largest unit: "12 s", "3 min", "7 h", "64 days".
func Span(d time.Duration) string {
	d = d.Abs()
	round := func(unit time.Duration) int { return int(math.Round(float64(d) / float64(unit))) }
	switch {
	case d < 59*time.Second:
		return fmt.Sprintf("%d s", round(time.Second))
	case d < 90*time.Minute:
		return fmt.Sprintf("%d min", round(time.Minute))
	case d < 48*time.Hour:
		return fmt.Sprintf("%d h", round(time.Hour))
	}
	return Count(round(Day), "day")
}

// Ago writes how long ago a time was, or how far ahead it is: "2 min ago", "in 56 min".
func Ago(at, now time.Time) string {
	if at.After(now) {
		return "in " + Span(at.Sub(now))
	}
	return Span(now.Sub(at)) + " ago"
}

// Count writes a number with its noun: "1 job", "2 jobs".
func Count(n int, noun string) string {
	if n == 1 {
		return "1 " + noun
	}
	return fmt.Sprintf("%d %ss", n, noun)
}

// Exact writes a length of time to the minute: "1 h 3 min", "3 days 2 h".
func Exact(d time.Duration) string {
	d = d.Round(time.Minute)
	days, hours, minutes := d/Day, d%Day/time.Hour, d%time.Hour/time.Minute
	switch {
	case days > 0 && hours > 0:
		return fmt.Sprintf("%s %d h", Count(int(days), "day"), hours)
	case days > 0:
		return Count(int(days), "day")
	case hours > 0 && minutes > 0:
		return fmt.Sprintf("%d h %d min", hours, minutes)
	case hours > 0:
		return fmt.Sprintf("%d h", hours)
	}
	return fmt.Sprintf("%d min", max(1, minutes))
}
