package schedule_test

import (
	"fmt"
	"math/rand/v2"
	"slices"
	"strings"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"

	"github.com/cronbearer/cronbearer/internal/dev/schedule"
)

// zones are those with the strangest clocks: half an hour (Lord Howe), two hours (Troll), changes at midnight (Beirut,
// Cairo, Havana, Santiago, Asunción), an hour back in summer (Dublin), and offsets of quarters of an hour.
var zones = []string{
	"UTC", "Europe/London", "Europe/Dublin", "America/New_York", "Australia/Lord_Howe", "Australia/Sydney",
	"Antarctica/Troll", "Asia/Beirut", "Africa/Cairo", "America/Havana", "America/Santiago", "America/Asuncion",
	"Africa/Casablanca", "Asia/Jerusalem", "Pacific/Chatham", "America/St_Johns", "Asia/Kathmandu", "America/Nuuk",
	"Atlantic/Azores", "Pacific/Apia",
}

// plainSet is a random field of plain values, as text and as the values that are in it.
func plainSet(r *rand.Rand, low, high, most int) (string, map[int]bool) {
	if r.IntN(3) == 0 {
		set := map[int]bool{}
		for v := low; v <= high; v++ {
			set[v] = true
		}
		return "*", set
	}
	set, words := map[int]bool{}, []string{}
	for range 1 + r.IntN(most) {
		v := low + r.IntN(high-low+1)
		set[v] = true
		words = append(words, fmt.Sprint(v))
	}
	return strings.Join(words, ","), set
}

// minutes is what the zone's clocks show, minute by minute: the oracle knows no offsets and no rules but this.
type minute struct {
	at      int64
	reading string
	hour    int
	minute  int
	weekday int
	month   int
}

func walk(zone *time.Location, from time.Time, days int) []minute {
	var list []minute
	for m := range days * 24 * 60 {
		at := from.Add(time.Duration(m) * time.Minute).In(zone)
		list = append(list, minute{
			at.Unix(), at.Format("2006-01-02T15:04"), at.Hour(), at.Minute(), int(at.Weekday()) + 1, int(at.Month()),
		})
	}
	return list
}

// changes returns the clock changes of a zone within a year by looking at each minute's offset.
func changes(zone *time.Location, from time.Time) []time.Time {
	var list []time.Time
	_, before := from.In(zone).Zone()
	for at := from; at.Before(from.AddDate(1, 0, 0)); at = at.Add(15 * time.Minute) {
		if _, offset := at.In(zone).Zone(); offset != before {
			list, before = append(list, at), offset
		}
	}
	return list
}

type stretch struct {
	zone    string
	from    time.Time
	minutes []minute
	// all readings in order, as a calendar has them: those that no minute shows are lost
	calendar []minute
}

// stretches are four days around each clock change of the zones within a year.
func stretches(t *testing.T) []stretch {
	t.Helper()
	var list []stretch
	for _, name := range zones {
		zone, err := time.LoadLocation(name)
		if err != nil {
			t.Fatal(err)
		}
		begin := moment(t, "2026-11-28T00:00:00Z")
		at := changes(zone, begin)
		if len(at) == 0 {
			at = []time.Time{begin.AddDate(0, 1, 0)}
		}
		for _, change := range at {
			s := stretch{zone: name, from: change.Add(-36 * time.Hour).Truncate(time.Minute)}
			s.minutes = walk(zone, s.from, 3)
			local := s.from.In(zone)
			first := time.Date(local.Year(), local.Month(), local.Day(), local.Hour(), local.Minute(), 0, 0, time.UTC)
			s.calendar = walk(time.UTC, first, 3)
			list = append(list, s)
		}
	}
	return list
}

// TestClocksAndBetweenAgainstABruteForceReader reads 10,000 random expressions minute by minute around clock changes:
// the starts, their number, the longest gap, and what is lost or doubled must be the same.
func TestClocksAndBetweenAgainstABruteForceReader(t *testing.T) {
	t.Parallel()
	expressions := 10_000
	if testing.Short() {
		expressions = 500
	}
	all := stretches(t)
	r := rand.New(rand.NewPCG(1, 2))
	lost, twice := 0, 0
	for i := range expressions {
		st := all[i%len(all)]
		minuteText, minuteSet := plainSet(r, 0, 59, 4)
		hourText, hourSet := plainSet(r, 0, 5, 3)
		if i%7 == 0 {
			hourText, hourSet = plainSet(r, 0, 23, 5)
		}
		if hourText == "*" {
			hourSet = nil
		}
		dayText, daySet := plainSet(r, 1, 7, 4)
		s := parse(t, fmt.Sprintf("cron(%s %s ? * %s *)", minuteText, hourText, dayText), st.zone)
		matches := func(m minute) bool {
			return minuteSet[m.minute] && (hourSet == nil || hourSet[m.hour]) && daySet[m.weekday]
		}
		shown := map[string]int{}
		var want []int64
		for _, m := range st.minutes {
			shown[m.reading]++
			if matches(m) && shown[m.reading] == 1 {
				want = append(want, m.at)
			}
		}
		to := st.from.Add(time.Duration(len(st.minutes)) * time.Minute)
		var got []int64
		for at := range s.Between(st.from, to) {
			got = append(got, at.Unix())
		}
		if !slices.Equal(got, want) {
			t.Fatalf("%s in %s from %s: starts\n%s", s, st.zone, st.from, cmp.Diff(want, got))
		}
		if n := s.Count(st.from, to); n != len(want) {
			t.Fatalf("%s in %s from %s: Count is %d, want %d", s, st.zone, st.from, n, len(want))
		}
		if i%50 == 0 { // it reads 174 years
			longest := int64(s.LongestGap() / time.Second)
			for j := 1; j < len(want); j++ {
				if gap := want[j] - want[j-1]; gap > longest {
					t.Fatalf("%s in %s: a gap of %d s is longer than the longest, %d s", s, st.zone, gap, longest)
				}
			}
		}
		last := st.minutes[len(st.minutes)-1].reading
		var clocks []string
		for _, m := range st.calendar {
			if n := shown[m.reading]; n != 1 && matches(m) && m.reading < last {
				clocks = append(clocks, map[bool]string{true: "lost ", false: "twice "}[n == 0]+m.reading)
			}
		}
		var found []string
		for _, c := range s.Clocks(st.from, to) {
			found = append(found, string(c.Kind)+" "+c.Local.Format("2006-01-02T15:04"))
			lost += map[bool]int{true: 1}[c.Kind == schedule.Lost]
			twice += map[bool]int{true: 1}[c.Kind == schedule.Twice]
		}
		if diff := cmp.Diff(clocks, found); diff != "" {
			t.Fatalf("%s in %s from %s: clocks (-want +got)\n%s", s, st.zone, st.from, diff)
		}
	}
	if lost == 0 || twice == 0 {
		t.Errorf("%d lost and %d doubled starts were compared", lost, twice)
	}
}

func TestClocksOfAYear(t *testing.T) {
	t.Parallel()
	for name, c := range map[string]struct {
		expression, zone string
		want             []string
	}{
		"the hour that London skips and repeats": {
			expression: "cron(30 1 * * ? *)", zone: "Europe/London",
			want: []string{"lost 2027-03-28T01:30", "twice 2027-10-31T01:30"},
		},
		"a quarter of an hour after Lord Howe's half": {
			expression: "cron(15 2 * * ? *)", zone: "Australia/Lord_Howe",
			want: []string{"lost 2027-10-03T02:15"},
		},
		"Lord Howe's repeated half hour": {
			expression: "cron(45 1 * * ? *)", zone: "Australia/Lord_Howe", want: []string{"twice 2027-04-04T01:45"},
		},
		"a midnight that Cairo skips": {
			expression: "cron(0 0 * * ? *)", zone: "Africa/Cairo", want: []string{"lost 2027-04-30T00:00"},
		},
		"not on the day of the week":       {expression: "cron(30 1 ? * MON-FRI *)", zone: "Europe/London"},
		"elapsed time":                     {expression: "rate(1 hour)", zone: "Europe/London"},
		"UTC has no changes":               {expression: "cron(30 1 * * ? *)"},
		"the end of the skipped hour runs": {expression: "cron(0 2 * * ? *)", zone: "Europe/London"},
	} {
		from := moment(t, "2026-11-28T01:12:00Z")
		var got []string
		for _, clock := range parse(t, c.expression, c.zone).Clocks(from, from.AddDate(1, 0, 0)) {
			got = append(got, string(clock.Kind)+" "+clock.Local.Format("2006-01-02T15:04"))
		}
		if diff := cmp.Diff(c.want, got); diff != "" {
			t.Errorf("%s (-want +got)\n%s", name, diff)
		}
	}
}

// TestBetweenIsNextRepeated: days of the month, years, rates and one-time schedules too.
func TestBetweenIsNextRepeated(t *testing.T) {
	t.Parallel()
	from := moment(t, "2026-12-31T10:07:30Z")
	for _, expression := range []string{
		"cron(0 9 L * ? *)", "cron(0/7 0 1W * ? *)", "cron(0 0 1 1 ? 2027)", "cron(30 12 ? * 6L *)", "cron(0 4 29 2 ? *)",
		"rate(7 hours)", "at(2027-02-03T04:05:06)", "at(2025-02-03T04:05:06)",
	} {
		s := parse(t, expression, "America/New_York").Anchored(from)
		to := from.AddDate(3, 0, 0)
		var want, got []time.Time
		for at, ok := s.Next(from.Add(-time.Nanosecond)); ok && at.Before(to); at, ok = s.Next(at) {
			want = append(want, at)
		}
		for at := range s.Between(from, to) {
			got = append(got, at)
		}
		if diff := cmp.Diff(want, got); diff != "" || s.Count(from, to) != len(want) {
			t.Errorf("%s: Count %d, want %d (-want +got)\n%s", expression, s.Count(from, to), len(want), diff)
		}
	}
}
