package schedule_test

import (
	"strings"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"

	"github.com/cronbearer/cronbearer/internal/dev/growth"
	"github.com/cronbearer/cronbearer/internal/dev/schedule"
)

func parse(t *testing.T, expression, zone string) *schedule.Schedule {
	t.Helper()
	s, err := schedule.Parse(expression, zone)
	if err != nil {
		t.Fatal(err)
	}
	return s
}

func moment(t *testing.T, text string) time.Time {
	t.Helper()
	at, err := time.Parse(time.RFC3339, text)
	if err != nil {
		t.Fatal(err)
	}
	return at
}

// starts lists the first n starts after a moment, as the zone's clocks show them.
func starts(t *testing.T, s *schedule.Schedule, after, zone string, n int) []string {
	t.Helper()
	loc, err := time.LoadLocation(zone)
	if err != nil {
		t.Fatal(err)
	}
	var got []string
	at := moment(t, after)
	for range n {
		next, ok := s.Next(at)
		if !ok {
			break
		}
		got = append(got, next.In(loc).Format("2006-01-02 15:04 -0700"))
		at = next
	}
	return got
}

// The expressions of AWS's pages "Schedule types in EventBridge Scheduler" and
// "Setting a schedule pattern for scheduled rules", and one for each wildcard.
func TestNextStarts(t *testing.T) {
	t.Parallel()
	tests := map[string]struct {
		expression, after string
		want              []string
	}{
		"aws: 10:00 every day": {
			expression: "cron(0 10 * * ? *)", after: "2026-11-24T10:00:00Z",
			want: []string{"2026-11-25 10:00", "2026-11-26 10:00"},
		},
		"aws: 12:15 every day": {
			expression: "cron(15 12 * * ? *)", after: "2026-12-31T12:15:00Z", want: []string{"2027-01-01 12:15"},
		},
		"aws: 18:00 Monday to Friday": {
			expression: "cron(0 18 ? * MON-FRI *)", after: "2026-11-26T18:00:00Z",
			want: []string{"2026-11-27 18:00", "2026-11-30 18:00"},
		},
		"aws: 08:00 on the 1st": {
			expression: "cron(0 8 1 * ? *)", after: "2026-11-24T00:00:00Z",
			want: []string{"2026-12-01 08:00", "2027-01-01 08:00"},
		},
		"aws: every 15 minutes": {
			expression: "cron(0/15 * * * ? *)", after: "2026-11-24T09:30:30Z",
			want: []string{"2026-11-24 09:45", "2026-11-24 10:00"},
		},
		"aws: 10 minutes on week days": {
			expression: "cron(0/10 * ? * MON-FRI *)", after: "2026-11-27T23:45:00Z",
			want: []string{"2026-11-27 23:50", "2026-11-30 00:00"},
		},
		"aws: 5 minutes, 8 to 17:55": {
			expression: "cron(0/5 8-17 ? * MON-FRI *)", after: "2026-11-24T17:50:00Z",
			want: []string{"2026-11-24 17:55", "2026-11-25 08:00"},
		},
		"aws: 30 minutes, 20 to 2": {
			expression: "cron(0/30 20-2 ? * MON-FRI *)", after: "2026-11-27T22:30:00Z",
			want: []string{
				"2026-11-27 23:00", "2026-11-27 23:30", "2026-11-30 00:00", "2026-11-30 00:30", "2026-11-30 01:00",
				"2026-11-30 01:30", "2026-11-30 02:00", "2026-11-30 02:30", "2026-11-30 20:00",
			},
		},
		"aws: last Friday, 2022-2023": {
			expression: "cron(15 10 ? * 6L 2022-2023)", after: "2023-11-01T00:00:00Z",
			want: []string{"2023-11-24 10:15", "2023-12-29 10:15"},
		},
		"aws: 1/10 minutes": {
			expression: "cron(1/10 0 * * ? *)", after: "2026-11-24T00:40:00Z",
			want: []string{"2026-11-24 00:41", "2026-11-24 00:51", "2026-11-25 00:01"},
		},
		"aws: 3W": {
			expression: "cron(0 0 3W * ? *)", after: "2026-09-30T00:00:00Z",
			want: []string{"2026-10-02 00:00", "2026-11-03 00:00", "2026-12-03 00:00", "2027-01-04 00:00"},
		},
		"aws: 3#2": {
			expression: "cron(0 0 ? * 3#2 *)", after: "2026-11-24T00:00:00Z",
			want: []string{"2026-12-08 00:00", "2027-01-12 00:00"},
		},
		"aws: days 1-15": {
			expression: "cron(0 0 1-15 * ? *)", after: "2026-11-14T00:00:00Z",
			want: []string{"2026-11-15 00:00", "2026-12-01 00:00"},
		},
		"aws: JAN,FEB,MAR": {
			expression: "cron(0 0 1 JAN,FEB,MAR ? *)", after: "2026-11-24T00:00:00Z",
			want: []string{"2027-01-01 00:00", "2027-02-01 00:00", "2027-03-01 00:00", "2028-01-01 00:00"},
		},
		"last weekday": {
			expression: "cron(0 21 LW * ? *)", after: "2027-01-01T00:00:00Z",
			want: []string{"2027-01-29 21:00", "2027-02-26 21:00", "2027-03-31 21:00"},
		},
		"three days before the last": {
			expression: "cron(0 0 L-3 * ? *)", after: "2027-01-01T00:00:00Z",
			want: []string{"2027-01-28 00:00", "2027-02-25 00:00", "2027-03-28 00:00"},
		},
		"thirty days before the last": {
			expression: "cron(0 0 L-30 * ? *)", after: "2027-01-02T00:00:00Z",
			want: []string{"2027-03-01 00:00", "2027-05-01 00:00"},
		},
		"names in small letters": {
			expression: "cron(0 0 ? jan mon-fri *)", after: "2027-01-01T00:00:00Z", want: []string{"2027-01-04 00:00"},
		},
		"names in any case": {
			expression: "cron(0 0 ? Feb mOn *)", after: "2027-01-01T00:00:00Z", want: []string{"2027-02-01 00:00"},
		},
		"aws: first Monday": {
			expression: "cron(0 8 ? * MON#1 *)", after: "2026-11-24T00:00:00Z",
			want: []string{"2026-12-07 08:00", "2027-01-04 08:00"},
		},
		"year left out": {
			expression: "cron(0 10 * * ?)", after: "2026-11-24T10:00:00Z", want: []string{"2026-11-25 10:00"},
		},

		"last day of the month": {
			expression: "cron(59 23 L * ? *)", after: "2028-01-31T23:59:00Z",
			want: []string{"2028-02-29 23:59", "2028-03-31 23:59", "2028-04-30 23:59"},
		},
		"last day of the week": {
			expression: "cron(0 12 ? * L *)", after: "2026-11-24T00:00:00Z",
			want: []string{"2026-11-28 12:00", "2026-12-05 12:00"},
		},
		"1W on a Saturday": {
			expression: "cron(0 0 1W 8 ? 2026)", after: "2026-07-01T00:00:00Z", want: []string{"2026-08-03 00:00"},
		},
		"31W on a Sunday": {
			expression: "cron(0 0 31W 5 ? 2026)", after: "2026-05-01T00:00:00Z", want: []string{"2026-05-29 00:00"},
		},
		"31W skips short months": {
			expression: "cron(0 0 31W * ? *)", after: "2026-09-01T00:00:00Z",
			want: []string{"2026-10-30 00:00", "2026-12-31 00:00"},
		},
		"fifth Monday": {
			expression: "cron(0 0 ? * 2#5 *)", after: "2026-11-24T00:00:00Z",
			want: []string{"2026-11-30 00:00", "2027-03-29 00:00"},
		},
		"leap day": {
			expression: "cron(0 12 29 FEB ? *)", after: "2026-11-24T00:00:00Z",
			want: []string{"2028-02-29 12:00", "2032-02-29 12:00"},
		},
		"no leap day in 2100": {
			expression: "cron(0 12 29 2 ? *)", after: "2096-03-01T00:00:00Z", want: []string{"2104-02-29 12:00"},
		},
		"range over the new year": {
			expression: "cron(0 0 1 NOV-FEB ? *)", after: "2026-11-24T00:00:00Z",
			want: []string{"2026-12-01 00:00", "2027-01-01 00:00", "2027-02-01 00:00", "2027-11-01 00:00"},
		},
		"range over the week's end": {
			expression: "cron(0 0 ? * FRI-MON *)", after: "2026-11-26T00:00:00Z",
			want: []string{"2026-11-27 00:00", "2026-11-28 00:00", "2026-11-29 00:00", "2026-11-30 00:00", "2026-12-04 00:00"},
		},
		"range with an increment": {
			expression: "cron(0 8-17/3 * * ? *)", after: "2026-11-24T10:00:00Z",
			want: []string{"2026-11-24 11:00", "2026-11-24 14:00", "2026-11-24 17:00", "2026-11-25 08:00"},
		},
		"wrapped range and increment": {
			expression: "cron(0 22-4/2 * * ? *)", after: "2026-11-24T21:00:00Z",
			want: []string{"2026-11-24 22:00", "2026-11-25 00:00", "2026-11-25 02:00", "2026-11-25 04:00", "2026-11-25 22:00"},
		},
		"mixed list": {
			expression: "cron(5,20-22,50/5 0 * * ? *)", after: "2026-11-24T00:00:00Z",
			want: []string{
				"2026-11-24 00:05", "2026-11-24 00:20", "2026-11-24 00:21", "2026-11-24 00:22", "2026-11-24 00:50",
				"2026-11-24 00:55", "2026-11-25 00:05",
			},
		},
		"every second year": {
			expression: "cron(0 0 1 1 ? 2027/2)", after: "2026-11-24T00:00:00Z",
			want: []string{"2027-01-01 00:00", "2029-01-01 00:00"},
		},
		"day 1 is Sunday": {
			expression: "cron(0 0 ? * 1 *)", after: "2026-11-24T00:00:00Z", want: []string{"2026-11-29 00:00"},
		},
		"to the end of the years": {
			expression: "cron(0 0 31 12 ? *)", after: "2198-12-30T00:00:00Z",
			want: []string{"2198-12-31 00:00", "2199-12-31 00:00"},
		},
		"white space": {
			expression: "cron( 0  10\t* * ?  * )", after: "2026-11-24T10:00:00Z", want: []string{"2026-11-25 10:00"},
		},
	}
	for name, test := range tests {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			n := len(test.want)
			if test.expression == "cron(15 10 ? * 6L 2022-2023)" || strings.Contains(test.expression, "? 2026)") ||
				strings.HasPrefix(test.after, "2198") {
				n++ // nothing may follow
			}
			got := starts(t, parse(t, test.expression, ""), test.after, "UTC", n)
			for i := range got {
				got[i] = strings.TrimSuffix(got[i], " +0000")
			}
			if diff := cmp.Diff(test.want, got); diff != "" {
				t.Error(diff)
			}
		})
	}
}

// AWS: "When time shifts forward in the Spring, if a cron expression falls on a
// non-existent date and time, your schedule invocation is skipped. When time shifts
// backwards in the Fall, your schedule runs only once …  before the shift occurs".
func TestClockChanges(t *testing.T) {
	t.Parallel()
	tests := map[string]struct {
		expression, zone, after string
		want                    []string
	}{
		"aws: Los Angeles, spring": {
			expression: "cron(30 2 * * ? *)", zone: "America/Los_Angeles", after: "2027-03-13T00:00:00Z",
			want: []string{"2027-03-13 02:30 -0800", "2027-03-15 02:30 -0700"},
		},
		"aws: Los Angeles, fall": {
			expression: "cron(30 1 * * ? *)", zone: "America/Los_Angeles", after: "2027-11-06T12:00:00Z",
			want: []string{"2027-11-07 01:30 -0700", "2027-11-08 01:30 -0800"},
		},
		"London, spring": {
			expression: "cron(30 1 * * ? *)", zone: "Europe/London", after: "2027-03-27T12:00:00Z",
			want: []string{"2027-03-29 01:30 +0100"},
		},
		"London, autumn": {
			expression: "cron(30 1 * * ? *)", zone: "Europe/London", after: "2027-10-30T12:00:00Z",
			want: []string{"2027-10-31 01:30 +0100", "2027-11-01 01:30 +0000"},
		},
		"London, asked within the repeated hour": {
			expression: "cron(30 1 * * ? *)", zone: "Europe/London", after: "2027-10-31T01:15:00Z",
			want: []string{"2027-11-01 01:30 +0000"},
		},
		"London, every hour in autumn": {
			expression: "cron(0 * * * ? *)", zone: "Europe/London", after: "2027-10-30T23:00:00Z",
			want: []string{"2027-10-31 01:00 +0100", "2027-10-31 02:00 +0000"},
		},
		"London, every hour in spring": {
			expression: "cron(0 * * * ? *)", zone: "Europe/London", after: "2027-03-28T00:00:00Z",
			want: []string{"2027-03-28 02:00 +0100"},
		},
		"New York, spring": {
			expression: "cron(0 2 * * ? *)", zone: "America/New_York", after: "2027-03-13T12:00:00Z",
			want: []string{"2027-03-15 02:00 -0400"},
		},
		"New York, last minute before": {
			expression: "cron(59 1 * * ? *)", zone: "America/New_York", after: "2027-03-13T12:00:00Z",
			want: []string{"2027-03-14 01:59 -0500"},
		},
		"New York, first minute after": {
			expression: "cron(0 3 * * ? *)", zone: "America/New_York", after: "2027-03-13T12:00:00Z",
			want: []string{"2027-03-14 03:00 -0400"},
		},
		"New York, fall": {
			expression: "cron(0/30 1 * * ? *)", zone: "America/New_York", after: "2027-11-07T04:00:00Z",
			want: []string{"2027-11-07 01:00 -0400", "2027-11-07 01:30 -0400", "2027-11-08 01:00 -0500"},
		},
		"Lord Howe, half an hour lost": {
			expression: "cron(0/15 2 * * ? *)", zone: "Australia/Lord_Howe",
			after: "2027-10-02T00:00:00Z", want: []string{
				"2027-10-03 02:30 +1100", "2027-10-03 02:45 +1100", "2027-10-04 02:00 +1100",
			},
		},
		"Lord Howe, half an hour twice": {
			expression: "cron(0/15 1 * * ? *)", zone: "Australia/Lord_Howe",
			after: "2027-04-03T00:00:00Z", want: []string{
				"2027-04-04 01:00 +1100", "2027-04-04 01:15 +1100", "2027-04-04 01:30 +1100", "2027-04-04 01:45 +1100",
				"2027-04-05 01:00 +1030",
			},
		},
		"Havana, midnight twice": {
			expression: "cron(30 0 * * ? *)", zone: "America/Havana", after: "2027-11-06T12:00:00Z",
			want: []string{"2027-11-07 00:30 -0400", "2027-11-08 00:30 -0500"},
		},
		"Beirut, midnight lost": {
			expression: "cron(0 0 * * ? *)", zone: "Asia/Beirut", after: "2027-03-26T23:00:00Z",
			want: []string{"2027-03-29 00:00 +0300"},
		},
		"Apia, a day lost": {
			expression: "cron(0 12 * * ? 2011)", zone: "Pacific/Apia", after: "2011-12-29T00:00:00Z",
			want: []string{"2011-12-29 12:00 -1000", "2011-12-31 12:00 +1400"},
		},
		"a rate is elapsed time": {
			expression: "rate(1 days)", zone: "Europe/London", after: "2027-03-27T12:00:00Z",
			want: []string{"2027-03-28 00:00 +0000", "2027-03-29 01:00 +0100"},
		},
	}
	for name, test := range tests {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			got := starts(t, parse(t, test.expression, test.zone), test.after, test.zone, len(test.want))
			if diff := cmp.Diff(test.want, got); diff != "" {
				t.Error(diff)
			}
		})
	}
}

func TestRateCountsFromItsAnchor(t *testing.T) {
	t.Parallel()
	made := time.Date(2026, 11, 24, 9, 7, 13, 250, time.UTC)
	s := parse(t, "rate(90 minutes)", "").Anchored(made)
	for after, want := range map[time.Time]time.Time{
		made.Add(-time.Hour):         made,
		made.Add(-1):                 made,
		made:                         made.Add(90 * time.Minute),
		made.Add(90*time.Minute - 1): made.Add(90 * time.Minute),
		made.Add(90 * time.Minute):   made.Add(180 * time.Minute),
		made.Add(365 * 24 * time.Hour): made.Add(365*24*time.Hour +
			90*time.Minute - (365*24*time.Hour)%(90*time.Minute)),
		made.Add(1<<63 - 1).Add(1<<63 - 1):       {},
		time.Date(1, 1, 1, 0, 0, 0, 0, time.UTC): made,
	} {
		got, ok := s.Next(after)
		if !ok || (!want.IsZero() && !got.Equal(want)) || !got.After(after) {
			t.Errorf("after %s: %s, %t; want %s", after, got, ok, want)
		}
	}
	other := parse(t, "cron(0 10 * * ? *)", "")
	first, _ := other.Next(made)
	if again, _ := other.Anchored(made).Next(made); !again.Equal(first) {
		t.Errorf("a cron schedule moved with its anchor: %s, %s", first, again)
	}
}

func TestOneTime(t *testing.T) {
	t.Parallel()
	s := parse(t, "at(2022-11-20T13:00:00)", "America/Los_Angeles") // AWS's example, "1pm UTC-8"
	want := moment(t, "2022-11-20T21:00:00Z")
	if got, ok := s.Next(want.Add(-1)); !ok || !got.Equal(want) || !s.OneTime() || s.LongestGap() != 0 {
		t.Errorf("got %s, %t, %t, %s", got, ok, s.OneTime(), s.LongestGap())
	}
	if got, ok := s.Next(want); ok {
		t.Errorf("started again at %s", got)
	}
	twice := parse(t, "at(2027-10-31T01:30:00)", "Europe/London")
	if got, _ := twice.Next(moment(t, "2027-01-01T00:00:00Z")); !got.Equal(moment(t, "2027-10-31T00:30:00Z")) {
		t.Errorf("a repeated time is its first one, not %s", got)
	}
	if parse(t, "rate(1 hour)", "").OneTime() || parse(t, "cron(0 10 * * ? *)", "").OneTime() {
		t.Error("recurring schedules are not one-time")
	}
}

func TestRejections(t *testing.T) {
	t.Parallel()
	tests := map[string]struct {
		expression, zone string
		want             []string // each in the error
	}{
		"empty":        {expression: "", zone: "", want: []string{"rate(value unit)"}},
		"crontab":      {expression: "0 9 * * 1-5", zone: "", want: []string{"cron(minutes hours"}},
		"capitals":     {expression: "CRON(0 10 * * ? *)", zone: "", want: []string{"small letters"}},
		"space around": {expression: " rate(1 hour)", zone: "", want: []string{"nothing around it"}},
		"unclosed":     {expression: "rate(1 hour", zone: "", want: []string{"must be rate"}},
		"too long": {expression: "cron(" + strings.Repeat("0,", 130) +
			"0 10 * * ? *)", zone: "", want: []string{"AWS allows 256"}},
		"rate: no unit": {expression: "rate(5)", zone: "", want: []string{"a value and a unit"}},
		"rate: seconds": {
			expression: "rate(30 seconds)", zone: "", want: []string{`"seconds"`, "minutes, hours or days"},
		},
		"rate: zero":               {expression: "rate(0 hours)", zone: "", want: []string{`"0"`}},
		"rate: fraction":           {expression: "rate(1.5 hours)", zone: "", want: []string{`"1.5"`}},
		"rate: sign":               {expression: "rate(+5 hours)", zone: "", want: []string{`"+5"`}},
		"rate: both wrong":         {expression: "rate(-1 weeks)", zone: "", want: []string{`"-1"`, `"weeks"`}},
		"rate: endless":            {expression: "rate(999999999 days)", zone: "", want: []string{"hundred years"}},
		"cron: four fields":        {expression: "cron(0 10 * *)", zone: "", want: []string{"has 4 fields"}},
		"cron: seconds":            {expression: "cron(0 0 10 * * ? *)", zone: "", want: []string{"has 7 fields"}},
		"cron: both days":          {expression: "cron(0 10 * * MON *)", zone: "", want: []string{"put ? into one"}},
		"cron: both stars":         {expression: "cron(0 10 * * * *)", zone: "", want: []string{"put ? into one"}},
		"cron: both questions":     {expression: "cron(0 10 ? * ? *)", zone: "", want: []string{"both"}},
		"cron: question elsewhere": {expression: "cron(? 10 * * ? *)", zone: "", want: []string{`minutes "?"`}},
		"cron: minute 60":          {expression: "cron(60 10 * * ? *)", zone: "", want: []string{"minutes", "0 to 59"}},
		"cron: hour 24":            {expression: "cron(0 24 * * ? *)", zone: "", want: []string{"hours", "0 to 23"}},
		"cron: day 0":              {expression: "cron(0 0 0 * ? *)", zone: "", want: []string{"day-of-month", "1 to 31"}},
		"cron: month 13":           {expression: "cron(0 0 1 13 ? *)", zone: "", want: []string{"month", "JAN to DEC"}},
		"cron: weekday 0":          {expression: "cron(0 0 ? * 0 *)", zone: "", want: []string{"day-of-week", "1 to 7"}},
		"cron: long name":          {expression: "cron(0 0 ? * MONDAY *)", zone: "", want: []string{"SUN to SAT"}},
		"cron: year 1969":          {expression: "cron(0 0 1 1 ? 1969)", zone: "", want: []string{"1970 to 2199"}},
		"cron: year 2200":          {expression: "cron(0 0 1 1 ? 2200)", zone: "", want: []string{"1970 to 2199"}},
		"cron: years backwards":    {expression: "cron(0 0 1 1 ? 2030-2027)", zone: "", want: []string{"swap its ends"}},
		"cron: increment 0":        {expression: "cron(0/0 * * * ? *)", zone: "", want: []string{"1 to 59"}},
		"cron: increment 60":       {expression: "cron(0/60 * * * ? *)", zone: "", want: []string{"1 to 59"}},
		"cron: no start":           {expression: "cron(/5 * * * ? *)", zone: "", want: []string{`"/5"`}},
		"cron: slash in weekdays":  {expression: "cron(0 0 ? * 2/2 *)", zone: "", want: []string{"not among the wildcards"}},
		"cron: LW in a list":       {expression: "cron(0 0 1,LW * ? *)", zone: "", want: []string{"each alone"}},
		"cron: L-0": {
			expression: "cron(0 0 L-0 * ? *)", zone: "", want: []string{"L-3 (three days before the last)"},
		},
		"cron: L-31":              {expression: "cron(0 0 L-31 * ? *)", zone: "", want: []string{"each alone"}},
		"cron: L3":                {expression: "cron(0 0 L3 * ? *)", zone: "", want: []string{"each alone"}},
		"cron: L-3W":              {expression: "cron(0 0 L-3W * ? *)", zone: "", want: []string{"each alone"}},
		"cron: L in a list":       {expression: "cron(0 0 1,L * ? *)", zone: "", want: []string{"each alone"}},
		"cron: W in a list":       {expression: "cron(0 0 1W,15W * ? *)", zone: "", want: []string{"each alone"}},
		"cron: 32W":               {expression: "cron(0 0 32W * ? *)", zone: "", want: []string{"each alone"}},
		"aws: 3#1,6#3":            {expression: "cron(0 0 ? * 3#1,6#3 *)", zone: "", want: []string{"alone in the field"}},
		"cron: sixth Monday":      {expression: "cron(0 0 ? * 2#6 *)", zone: "", want: []string{"1 to 5"}},
		"cron: W in weekdays":     {expression: "cron(0 0 ? * 3W *)", zone: "", want: []string{"day-of-week"}},
		"cron: empty list entry":  {expression: "cron(0,,5 0 * * ? *)", zone: "", want: []string{`minutes ""`}},
		"cron: no such date":      {expression: "cron(0 0 31 2,4 ? *)", zone: "", want: []string{"never runs"}},
		"cron: no such leap year": {expression: "cron(0 0 29 2 ? 2027)", zone: "", want: []string{"never runs"}},
		"cron: jumped over": {
			expression: "cron(30 1 28 3 ? 2027)", zone: "Europe/London", want: []string{"never runs"},
		},
		"cron: everything wrong": {
			expression: "cron(60 24 * 13 * 1)", zone: "Mars/Olympus",
			want: []string{"minutes", "hours", "month", "put ?", "year", "Mars/Olympus"},
		},
		"at: no time":     {expression: "at(2027-01-01)", zone: "", want: []string{"yyyy-mm-ddThh:mm:ss"}},
		"at: zone":        {expression: "at(2027-01-01T00:00:00Z)", zone: "", want: []string{"without a zone"}},
		"at: 30 February": {expression: "at(2027-02-30T00:00:00)", zone: "", want: []string{"that exist"}},
		"at: fraction":    {expression: "at(2027-01-01T00:00:00.5)", zone: "", want: []string{"yyyy-mm-dd"}},
		"at: jumped over": {
			expression: "at(2027-03-28T01:30:00)", zone: "Europe/London", want: []string{"does not exist in Europe/London"},
		},
		"zone: Local": {expression: "rate(1 hour)", zone: "Local", want: []string{"not an IANA time zone"}},
		"zone: path":  {expression: "rate(1 hour)", zone: "../UTC", want: []string{"not an IANA time zone"}},
		"zone: leap seconds": {
			expression: "rate(1 hour)", zone: "right/Europe/London", want: []string{"not an IANA time zone"},
		},
		"zone: offset": {expression: "rate(1 hour)", zone: "+01:00", want: []string{"not an IANA time zone"}},
	}
	for name, test := range tests {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			s, err := schedule.Parse(test.expression, test.zone)
			if err == nil {
				t.Fatalf("accepted: %s", s)
			}
			for _, want := range test.want {
				if !strings.Contains(err.Error(), want) {
					t.Errorf("the error does not name %q:\n%s", want, err)
				}
			}
		})
	}
}

func TestRatesTakeBothNumbers(t *testing.T) {
	t.Parallel()
	for expression, want := range map[string]time.Duration{
		"rate(1 minute)": time.Minute, "rate(1 minutes)": time.Minute, "rate(5 minutes)": 5 * time.Minute,
		"rate(1 hour)": time.Hour, "rate(2 hour)": 2 * time.Hour, "rate(12 hours)": 12 * time.Hour,
		"rate(1 day)": 24 * time.Hour, "rate(1 days)": 24 * time.Hour, "rate(7 days)": 168 * time.Hour,
	} {
		if got := parse(t, expression, "").LongestGap(); got != want {
			t.Errorf("%s: %s, want %s", expression, got, want)
		}
	}
}

func TestLongestGap(t *testing.T) {
	t.Parallel()
	const day = 24 * time.Hour
	tests := map[string]struct {
		expression, zone string
		want             time.Duration
	}{
		"daily":                 {expression: "cron(0 10 * * ? *)", zone: "", want: day},
		"daily, clocks go back": {expression: "cron(0 10 * * ? *)", zone: "Europe/London", want: 25 * time.Hour},
		"daily, the lost hour":  {expression: "cron(30 1 * * ? *)", zone: "Europe/London", want: 2*day - time.Hour},
		"daily, Lord Howe's half hour": {expression: "cron(0 10 * * ? *)", zone: "Australia/Lord_Howe", want: day +
			30*time.Minute},
		"hourly":                    {expression: "cron(0 * * * ? *)", zone: "", want: time.Hour},
		"hourly, the repeated hour": {expression: "cron(0 * * * ? *)", zone: "Europe/London", want: 2 * time.Hour},
		"hourly, the repeated half hour": {
			expression: "cron(0 * * * ? *)", zone: "Australia/Lord_Howe", want: 90 * time.Minute,
		},
		"every minute":                   {expression: "cron(* * * * ? *)", zone: "", want: time.Minute},
		"every minute, the hour twice":   {expression: "cron(* * * * ? *)", zone: "America/New_York", want: 61 * time.Minute},
		"every minute, no clock changes": {expression: "cron(* * * * ? *)", zone: "Asia/Kolkata", want: time.Minute},
		"working days":                   {expression: "cron(0 9 ? * MON-FRI *)", zone: "", want: 3 * day},
		"working days, London": {expression: "cron(0 9 ? * MON-FRI *)", zone: "Europe/London", want: 3*day +
			time.Hour},
		"working hours": {expression: "cron(0/15 9-17 ? * MON-FRI *)", zone: "", want: 2*day +
			15*time.Hour + 15*time.Minute},
		"weekly":             {expression: "cron(0 9 ? * MON *)", zone: "", want: 7 * day},
		"monthly":            {expression: "cron(0 9 1 * ? *)", zone: "", want: 31 * day},
		"month's last day":   {expression: "cron(0 9 L * ? *)", zone: "", want: 31 * day},
		"31st":               {expression: "cron(0 9 31 * ? *)", zone: "", want: 61 * day},
		"yearly":             {expression: "cron(0 0 1 1 ? *)", zone: "", want: 366 * day},
		"leap day over 2100": {expression: "cron(0 0 29 2 ? *)", zone: "", want: (8*365 + 1) * day},
		"two times a day":    {expression: "cron(0 8,20 * * ? *)", zone: "", want: 12 * time.Hour},
		"past years only":    {expression: "cron(0 0 1 1 ? 2019-2021)", zone: "", want: 366 * day},
		"one start":          {expression: "cron(0 0 1 1 ? 2027)", zone: "", want: 0},
		"two years apart":    {expression: "cron(0 0 1 1 ? 2027,2029)", zone: "", want: 731 * day},
	}
	for name, test := range tests {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			if got := parse(t, test.expression, test.zone).LongestGap(); got != test.want {
				t.Errorf("got %s, want %s", got, test.want)
			}
		})
	}
}

// The structure that LongestGap uses must say what walking every start says.
func TestLongestGapIsThatOfEveryStart(t *testing.T) {
	t.Parallel()
	for _, expression := range []string{
		"cron(0/7 * * * ? 2027)", "cron(30 0,1,2,3 * * ? 2026-2028)", "cron(0 5 ? * 1L 2026-2060)",
		"cron(0/20 1-2 ? * SUN 2026-2032)",
		"cron(15 23-1 1-7 3,10,11 ? 2026-2040)", "cron(0 2 3W * ? 2026-2050)", "cron(59 0,23 ? * 1 2026-2040)",
	} {
		for _, zone := range []string{
			"UTC", "Europe/London", "America/New_York", "Australia/Lord_Howe", "America/Havana", "Africa/Casablanca",
		} {
			t.Run(expression+" "+zone, func(t *testing.T) {
				t.Parallel()
				s := parse(t, expression, zone)
				var want time.Duration
				at, ok := s.Next(time.Date(2025, 12, 31, 0, 0, 0, 0, time.UTC))
				for ok {
					var next time.Time
					if next, ok = s.Next(at); ok {
						want = max(want, next.Sub(at))
						at = next
					}
				}
				if got := s.LongestGap(); got != want {
					t.Errorf("got %s, want %s", got, want)
				}
			})
		}
	}
}

// TestLongestGapIsFast: of 174 years, it takes less than the starts of two months taken one by one.
func TestLongestGapIsFast(t *testing.T) {
	t.Parallel()
	s := parse(t, "cron(* * * * ? *)", "Africa/Casablanca") // two changes more each year than others, for Ramadan
	growth.Faster(t, "the longest gap", func() { s.LongestGap() }, func() {
		at := time.Date(2026, 1, 1, 0, 0, 0, 0, time.UTC)
		for at.Month() < time.March {
			at, _ = s.Next(at)
		}
	})
}

func TestLeastSilentAfter(t *testing.T) {
	t.Parallel()
	tests := map[string]struct {
		gap, window, run time.Duration
		want             int
	}{
		"hourly":                    {gap: time.Hour, window: 0, run: 15 * time.Minute, want: 3},
		"hourly, no time to run":    {gap: time.Hour, window: 0, run: 0, want: 2},
		"working days, London":      {gap: 73 * time.Hour, window: 0, run: 15 * time.Minute, want: 75},
		"working days, with window": {gap: 73 * time.Hour, window: 45 * time.Minute, run: 15 * time.Minute, want: 75},
		"a nanosecond more":         {gap: 73 * time.Hour, window: 45 * time.Minute, run: 15*time.Minute + 1, want: 76},
	}
	for name, test := range tests {
		if got := schedule.LeastSilentAfter(test.gap, test.window, test.run); got != test.want {
			t.Errorf("%s: %d, want %d", name, got, test.want)
		}
	}
}

func BenchmarkLongestGapEveryMinute(b *testing.B) {
	s, err := schedule.Parse("cron(* * * * ? *)", "Europe/London")
	if err != nil {
		b.Fatal(err)
	}
	for b.Loop() {
		s.LongestGap()
	}
}

func BenchmarkNextEveryMinute(b *testing.B) {
	s, err := schedule.Parse("cron(* * * * ? *)", "Europe/London")
	if err != nil {
		b.Fatal(err)
	}
	at := time.Date(2026, 11, 24, 9, 0, 0, 0, time.UTC)
	for b.Loop() {
		at, _ = s.Next(at)
	}
}

func TestNumberedDaysAreNamed(t *testing.T) {
	t.Parallel()
	for expression, want := range map[string][3]string{
		"cron(0 9 ? * 1-5)":       {"1-5", "Sunday to Thursday", "SUN-THU"},
		"cron(0 9 ? * 1,7,3-4 *)": {"1,7,3-4", "Sunday, Saturday, Tuesday to Wednesday", "SUN,SAT,TUE-WED"},
		"cron(0 9 ? * 2-6 *)":     {},
		"cron(0 9 ? * MON *)":     {},
		"cron(0 9 ? * 6L *)":      {},
		"cron(0 9 ? * 3#2 *)":     {},
		"cron(0 9 1 * ? *)":       {},
		"rate(5 minutes)":         {},
	} {
		field, days, names := parse(t, expression, "").NumberedDays()
		if got := [3]string{field, days, names}; got != want {
			t.Errorf("%s: %q, want %q", expression, got, want)
		}
	}
}
