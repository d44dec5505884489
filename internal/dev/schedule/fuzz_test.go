package schedule_test

import (
	"testing"
	"time"

	"github.com/cronbearer/cronbearer/internal/dev/mutate"
	"github.com/cronbearer/cronbearer/internal/dev/schedule"
)

// FuzzNext checks that Parse never panics, that Next is strictly after what it is
// asked for, leaves nothing out between two starts, and that a start of a cron
// expression is one by the expression itself: at whole minutes, found again from
// one second before; and that no two successive starts are further apart than
// LongestGap says.
func FuzzNext(fuzz *testing.F) {
	f := mutate.New(fuzz)
	for _, seed := range []struct{ expression, zone string }{
		{expression: "cron(0 9 ? * MON-FRI *)", zone: "Europe/London"},
		{expression: "cron(0/15 20-2 1-15 NOV-FEB ? 2026-2030)", zone: "America/New_York"},
		{expression: "cron(30 2 3W * ? *)", zone: "Australia/Lord_Howe"},
		{expression: "cron(15 10 ? * 6L 2022-2023)", zone: ""},
		{expression: "cron(0 0 ? * 3#2 *)", zone: "Pacific/Apia"},
		{expression: "cron(* * L * ?)", zone: "America/Havana"},
		{expression: "rate(5 minutes)", zone: "UTC"},
		{expression: "at(2027-10-31T01:30:00)", zone: "Europe/London"},
		{expression: "cron(0,,0-/ # L W ? *)", zone: "right/UTC"},
	} {
		f.Add(seed.expression, seed.zone, int64(1800000000))
	}
	f.Fuzz(func(t *testing.T, expression, zone string, from int64) {
		s, err := schedule.Parse(expression, zone)
		if err != nil {
			return
		}
		longest := s.LongestGap()
		at := time.Unix(from%(1<<40), 0)
		for i := range 20 {
			next, ok := s.Next(at)
			if !ok {
				return
			}
			if !next.After(at) {
				t.Fatalf("%s: %s is not after %s", s, next, at)
			}
			if gap := next.Sub(at); i > 0 && at.Year() >= 2026 && next.Year() < 2200 && gap > longest {
				t.Fatalf("%s: %s lie between %s and %s, more than %s", s, gap, at, next, longest)
			}
			if again, ok := s.Next(next.Add(-time.Second)); !ok || !again.Equal(next) {
				t.Fatalf("%s: after %s came %s, but one second before it comes %s", s, at, next, again)
			}
			if middle := at.Add(next.Sub(at) / 2); middle.Before(next) {
				if again, ok := s.Next(middle); !ok || !again.Equal(next) {
					t.Fatalf("%s: after %s came %s, but after %s comes %s", s, at, next, middle, again)
				}
			}
			at = next
		}
	})
}

// oracle reports, minute by minute and by another way than the package, whether an
// expression of plain sets starts at a moment: its local reading matches, and no
// earlier moment of the same day had the same reading.
func oracle(at time.Time, minutes, hours, weekdays map[int]bool) bool {
	if !minutes[at.Minute()] || !hours[at.Hour()] || !weekdays[int(at.Weekday())+1] {
		return false
	}
	const reading = "2006-01-02 15:04"
	for back := time.Minute; back <= 3*time.Hour; back += time.Minute {
		if at.Add(-back).Format(reading) == at.Format(reading) {
			return false
		}
	}
	return true
}

func TestNextAgainstAMinuteWalk(t *testing.T) {
	t.Parallel()
	values := func(from, to, step int) map[int]bool {
		m := map[int]bool{}
		for v := from; v <= to; v += step {
			m[v] = true
		}
		return m
	}
	tests := []struct {
		expression               string
		minutes, hours, weekdays map[int]bool
	}{
		{expression: "cron(0/20 0-4 ? * * *)", minutes: values(0, 59, 20), hours: values(0, 4, 1), weekdays: values(1, 7, 1)},
		{
			expression: "cron(7-50/9 1/2 ? * SUN,MON *)", minutes: values(7, 50, 9), hours: values(1, 23, 2),
			weekdays: values(1, 2, 1),
		},
		{expression: "cron(30 2 ? * 1 *)", minutes: values(30, 30, 1), hours: values(2, 2, 1), weekdays: values(1, 1, 1)},
	}
	// Each stretch holds a change of the zone's clocks.
	stretches := []struct{ zone, from string }{
		{zone: "Europe/London", from: "2027-03-26T12:00:00Z"},
		{zone: "Europe/London", from: "2027-10-29T12:00:00Z"},
		{zone: "America/New_York", from: "2027-03-12T12:00:00Z"},
		{zone: "America/New_York", from: "2027-11-05T12:00:00Z"},
		{zone: "Australia/Lord_Howe", from: "2027-04-02T12:00:00Z"},
		{zone: "Australia/Lord_Howe", from: "2027-10-01T12:00:00Z"},
		{zone: "America/Havana", from: "2027-11-05T12:00:00Z"},
		{zone: "Antarctica/Troll", from: "2027-10-29T12:00:00Z"},
	}
	for _, test := range tests {
		for _, stretch := range stretches {
			t.Run(test.expression+" "+stretch.zone+" "+stretch.from[:7], func(t *testing.T) {
				t.Parallel()
				s := parse(t, test.expression, stretch.zone)
				zone, err := time.LoadLocation(stretch.zone)
				if err != nil {
					t.Fatal(err)
				}
				at := moment(t, stretch.from)
				next, _ := s.Next(at)
				for range 4 * 24 * 60 {
					at = at.Add(time.Minute)
					want := oracle(at.In(zone), test.minutes, test.hours, test.weekdays)
					if got := next.Equal(at); got != want {
						t.Fatalf("%s: starts %t, want %t; next is %s", at.In(zone), got, want, next.In(zone))
					}
					if want {
						next, _ = s.Next(at)
					}
				}
			})
		}
	}
}
