package main

import (
	"fmt"
	"math/rand/v2"
	"strings"
	"time"

	"github.com/cronbearer/cronbearer/internal/dev/schedule"
)

const (
	expressions = 4000
	starts      = 5 // of each expression
)

// schedules emits {"expression": …, "from": …, "next": […]}, times in seconds since 1970; "error" instead of next for
// what is rejected here. All are in UTC: what clocks do is no matter of the expression.
func schedules(emit func(any) error) error {
	random := rand.New(rand.NewPCG(1, 2)) //nolint:gosec // the same expressions each time
	from := time.Date(2026, time.November, 28, 12, 34, 56, 0, time.UTC)
	for range expressions {
		expression := cron(random)
		line := map[string]any{"expression": expression, "from": from.Unix()}
		s, err := schedule.Parse("cron("+expression+")", "")
		if err != nil {
			line["error"] = err.Error()
		} else {
			next := []int64{}
			for at, ok := s.Next(from); ok && len(next) < starts; at, ok = s.Next(at) {
				next = append(next, at.Unix())
			}
			line["next"] = next
		}
		if err := emit(line); err != nil {
			return err
		}
		from = from.Add(7919 * time.Minute) // over decades
		if from.Year() > 2090 {
			from = from.AddDate(-64, 0, 0)
		}
	}
	return nil
}

var (
	months = strings.Fields("JAN FEB MAR APR MAY JUN JUL AUG SEP OCT NOV DEC")
	days   = strings.Fields("SUN MON TUE WED THU FRI SAT")
)

// cron makes an expression; a few of them have a value too many.
func cron(r *rand.Rand) string {
	day, weekday := dayOfMonth(r), "?"
	if r.IntN(2) == 0 {
		day, weekday = "?", dayOfWeek(r)
	}
	year := "*"
	if r.IntN(4) == 0 {
		if year = field(r, 2026, 2099, nil); strings.Contains(year, "/") { // aws-croniter knows no steps of years
			year = "2031,2044-2047"
		}
	}
	minute := field(r, 0, 59, nil)
	if r.IntN(100) == 0 {
		minute = "60"
	}
	return strings.Join([]string{
		minute, field(r, 0, 23, nil), day, field(r, 1, 12, months), weekday, year,
	}, " ")
}

func dayOfMonth(r *rand.Rand) string {
	switch r.IntN(6) {
	case 0:
		return "L"
	case 1:
		return fmt.Sprintf("%dW", 1+r.IntN(31))
	}
	return field(r, 1, 31, nil)
}

func dayOfWeek(r *rand.Rand) string {
	switch r.IntN(6) {
	case 0:
		return fmt.Sprintf("%dL", 1+r.IntN(7))
	case 1:
		return fmt.Sprintf("%d#%d", 1+r.IntN(7), 1+r.IntN(5))
	}
	return field(r, 1, 7, days)
}

// field is *, a step, a value, a range, or a list of values and ranges; values may have names.
func field(r *rand.Rand, low, high int, names []string) string {
	value := func(from int) (string, int) {
		n := from + r.IntN(high-from+1)
		if names != nil && r.IntN(2) == 0 {
			return names[n-1], n
		}
		return fmt.Sprint(n), n
	}
	span := func() string {
		first, n := value(low)
		last, _ := value(n)
		return first + "-" + last
	}
	switch r.IntN(6) {
	case 0:
		return "*"
	case 1:
		start, _ := value(low)
		if names != nil || r.IntN(2) == 0 {
			start = "*"
		}
		return fmt.Sprintf("%s/%d", start, 1+r.IntN((high-low)/2+1))
	case 2:
		return span()
	case 3:
		first, _ := value(low)
		return first + "," + span()
	}
	one, _ := value(low)
	return one
}
