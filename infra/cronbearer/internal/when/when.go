// Package when reads the times that people type: "Mon 08:00", "tomorrow", "2026-11-30 08:00", "+3h". A time without a
// zone is the reader's.
package when

import (
	"fmt"
	"strconv"
	"strings"
	"time"
)

// Forms names what Parse reads, for help and errors.
const Forms = "2026-11-30T08:00Z, 2026-11-30 08:00, Mon 08:00, tomorrow, 08:00, +3h, -2d"

// Direction says which of the two days or times of day is meant where the text leaves it open.
type Direction int

// A Future time is the next one, a Past time the last one.
const (
	Future Direction = iota
	Past
)

var layouts = []string{
	"2006-01-02T15:04:05", "2006-01-02T15:04", "2006-01-02 15:04:05", "2006-01-02 15:04", "2006-01-02", "20060102T1504",
}

var zoned = []string{time.RFC3339, "2006-01-02T15:04Z07:00", "2006-01-02 15:04Z07:00", "2006-01-02T15Z07:00"}

// Parse returns the time that a text names, seen from now.
func Parse(text string, now time.Time, zone *time.Location, direction Direction) (time.Time, error) {
	clean := strings.TrimSpace(text)
	for _, layout := range zoned {
		if at, err := time.Parse(layout, clean); err == nil {
			return at, nil
		}
	}
	for _, layout := range layouts {
		if at, err := time.ParseInLocation(layout, clean, zone); err == nil {
			return at, nil
		}
	}
	if at, ok := relative(clean, now); ok {
		return at, nil
	}
	if at, ok := spoken(clean, now.In(zone), direction); ok {
		return at, nil
	}
	return time.Time{}, fmt.Errorf("%q is not a time: write one as %s", text, Forms)
}

// relative reads +3h, -2d, now.
func relative(text string, now time.Time) (time.Time, bool) {
	if strings.EqualFold(text, "now") {
		return now, true
	}
	if text == "" || text[0] != '+' && text[0] != '-' {
		return time.Time{}, false
	}
	d, ok := Duration(text[1:])
	if !ok {
		return time.Time{}, false
	}
	if text[0] == '-' {
		d = -d
	}
	return now.Add(d), true
}

// Duration reads 90m, 3h, 7d, 2w, and whatever time.ParseDuration reads.
func Duration(text string) (time.Duration, bool) {
	const day = 24 * time.Hour
	for suffix, unit := range map[string]time.Duration{"d": day, "w": 7 * day} {
		if number, ok := strings.CutSuffix(text, suffix); ok {
			n, err := strconv.Atoi(number)
			return time.Duration(n) * unit, err == nil && n >= 0
		}
	}
	d, err := time.ParseDuration(text)
	return d, err == nil && d >= 0
}

// spoken reads a day (today, tomorrow, yesterday, a weekday), a time of day, or both.
func spoken(text string, now time.Time, direction Direction) (time.Time, bool) {
	if text == "" {
		return time.Time{}, false
	}
	day, clock, found := strings.Cut(text, " ")
	if !found {
		if _, _, ok := timeOfDay(text); ok {
			day, clock = "", text
		} else if i := strings.IndexFunc(text, func(r rune) bool { return r >= '0' && r <= '9' }); i > 0 {
			day, clock = text[:i], text[i:] // tue10:07
		} else {
			clock = "00:00"
		}
	}
	hour, minute, ok := timeOfDay(strings.TrimSpace(clock))
	if !ok {
		return time.Time{}, false
	}
	on := func(offset int) time.Time {
		return time.Date(now.Year(), now.Month(), now.Day()+offset, hour, minute, 0, 0, now.Location())
	}
	switch strings.ToLower(day) {
	case "today":
		return on(0), true
	case "tomorrow":
		return on(1), true
	case "yesterday":
		return on(-1), true
	case "":
		return nearest(on, now, direction, 1), true
	}
	for weekday := time.Sunday; weekday <= time.Saturday; weekday++ {
		name := strings.ToLower(weekday.String())
		if lower := strings.ToLower(day); lower == name || lower == name[:3] {
			return nearest(func(n int) time.Time {
				return on(int(weekday) - int(now.Weekday()) + n)
			}, now, direction, 7), true //nolint:mnd // days of a week
		}
	}
	return time.Time{}, false
}

// nearest returns the next or the last of the times that repeat every step days.
func nearest(on func(int) time.Time, now time.Time, direction Direction, step int) time.Time {
	if direction == Future {
		for n := -step; ; n += step {
			if at := on(n); at.After(now) {
				return at
			}
		}
	}
	for n := step; ; n -= step {
		if at := on(n); !at.After(now) {
			return at
		}
	}
}

func timeOfDay(text string) (hour, minute int, ok bool) {
	at, err := time.Parse("15:04", text)
	return at.Hour(), at.Minute(), err == nil
}
