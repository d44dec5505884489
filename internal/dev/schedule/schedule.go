// Package schedule reads the expressions of EventBridge Scheduler and says when
// they start a run: rate(…), cron(…) and at(…), in a time zone.
//
// The rules are those of AWS's page "Schedule types in EventBridge Scheduler"
// and of CreateSchedule's ScheduleExpression. Where AWS says nothing, an
// expression is rejected rather than guessed: what this package accepts, AWS's
// words allow. No cron library does that: they know seconds, other week days,
// no "?", and repeat or move what falls into a change of the clocks.
//
// It is not part of the deployed functions. The local cloud fires schedules with
// it, and the template's tests read every job's expression with it.
package schedule

import (
	"errors"
	"fmt"
	"math"
	"strconv"
	"strings"
	"time"
	_ "time/tzdata" // the answer must not depend on what the machine has installed
)

// Limits of CreateSchedule: ScheduleExpression and ScheduleExpressionTimezone.
const (
	maxExpression = 256
	maxTimezone   = 50
)

// longestRate keeps an interval, and LeastSilentAfter's sum of it, within a
// time.Duration. AWS names no limit.
const longestRate = 100 * 365 * 24 * time.Hour

type kind int

const (
	rate kind = iota + 1
	cron
	oneTime
)

// Schedule is a parsed expression. It does not change, so many goroutines may use it.
type Schedule struct {
	expression string
	kind       kind
	zone       *time.Location
	interval   time.Duration // rate
	anchor     time.Time     // rate
	table      timetable     // cron
	at         time.Time     // at
}

// Parse reads an expression in an IANA time zone, UTC if that is empty. Its
// error names every problem, each with what to write instead.
func Parse(expression, timezone string) (*Schedule, error) {
	s := &Schedule{expression: expression, anchor: time.Unix(0, 0).UTC()}
	zone, zoneErr := loadZone(timezone)
	s.zone = zone
	var errs []error
	if n := len(expression); n > maxExpression {
		errs = append(errs, fmt.Errorf("the expression has %d characters; AWS allows %d", n, maxExpression))
	}
	form, inner, ok := strings.Cut(expression, "(")
	if ok {
		inner, ok = strings.CutSuffix(inner, ")")
	}
	if !ok {
		form = ""
	}
	switch form {
	case "rate":
		interval, err := parseRate(inner)
		s.kind, s.interval = rate, interval
		errs = append(errs, err)
	case "cron":
		table, err := parseTimetable(inner)
		s.kind, s.table = cron, table
		errs = append(errs, err)
		if err == nil && zoneErr == nil {
			if _, ok := s.Next(time.Unix(0, 0).AddDate(-1, 0, 0)); !ok {
				errs = append(
					errs,
					errors.New(
						"it never runs: no date of its months and years has such a day and time; change the day-of-month, month or year",
					),
				)
			}
		}
	case "at":
		at, err := parseAt(inner, zone)
		s.kind, s.at = oneTime, at
		errs = append(errs, err)
	default:
		errs = append(
			errs,
			errors.New(
				"it must be rate(value unit), cron(minutes hours day-of-month month day-of-week year) or "+
					"at(yyyy-mm-ddThh:mm:ss), in small letters and with nothing around it",
			),
		)
	}
	if err := errors.Join(append(errs, zoneErr)...); err != nil {
		return nil, fmt.Errorf("schedule %q: %w", clip(expression), err)
	}
	return s, nil
}

// String returns the expression.
func (s *Schedule) String() string { return s.expression }

// OneTime reports whether the schedule starts one run only: at(…).
func (s *Schedule) OneTime() bool { return s.kind == oneTime }

// Anchored says when the schedule was made: a rate starts its first run then, and
// the next ones counted from it ("If you do not provide a StartDate for a
// rate-based schedule, your schedule starts invoking the target immediately").
// Without it a rate counts from the start of 1970. Other schedules stay as they are.
func (s *Schedule) Anchored(start time.Time) *Schedule {
	c := *s
	c.anchor = start
	return &c
}

// Next returns the first start strictly after a moment, in UTC, and false if none
// follows. A rate is elapsed time and knows no clock changes. A cron time that the
// clocks jump over is skipped; one that they repeat counts once, "before the shift
// occurs".
func (s *Schedule) Next(after time.Time) (time.Time, bool) {
	switch s.kind {
	case rate:
		return s.nextRate(after), true
	case cron:
		return s.table.next(after, s.zone)
	case oneTime:
		return s.at, s.at.After(after)
	}
	return time.Time{}, false
}

// nextRate counts in Unix seconds: Time.Sub ends at 292 years.
func (s *Schedule) nextRate(after time.Time) time.Time {
	if after.Before(s.anchor) {
		return s.anchor.UTC()
	}
	step := int64(s.interval / time.Second)
	passed := (after.Unix() - s.anchor.Unix()) / step
	next := time.Unix(s.anchor.Unix()+passed*step, int64(s.anchor.Nanosecond()))
	for !next.After(after) {
		next = next.Add(s.interval)
	}
	return next.UTC()
}

// LongestGap is the longest time between two successive starts from 2026 to 2199,
// the last year that AWS's expressions know, so leap years and clock changes are
// in it; of years before 2026 if the expression names no other. It is 0 if at most
// one run ever starts.
func (s *Schedule) LongestGap() time.Duration {
	switch s.kind {
	case rate:
		return s.interval
	case cron:
		return s.table.longestGap(s.zone)
	}
	return 0
}

// LeastSilentAfter is the smallest SilentAfter, in whole hours, that a healthy job
// never trips over: the longest gap between two starts, the flexible window, one
// run and one hour for the rest (Scheduler's 60 seconds, queueing, the hour that a
// heartbeat is counted in).
func LeastSilentAfter(gap, window, run time.Duration) int {
	return int(math.Ceil((gap + window + run + time.Hour).Hours()))
}

// units of a rate. AWS's guide lists the plurals, CreateSchedule both, and neither
// ties them to the value as EventBridge's older rules do: the guide itself writes
// rate(1 days).
func unitOf(word string) time.Duration {
	switch word {
	case "minute", "minutes":
		return time.Minute
	case "hour", "hours":
		return time.Hour
	case "day", "days":
		return 24 * time.Hour
	}
	return 0
}

func parseRate(text string) (time.Duration, error) {
	fields := strings.Fields(text)
	if len(fields) != 2 {
		return 0, errors.New("rate needs a value and a unit with white space between them, such as rate(5 minutes)")
	}
	var errs []error
	unit := unitOf(fields[1])
	if unit == 0 {
		errs = append(errs, fmt.Errorf("rate does not know the unit %q; write minutes, hours or days", clip(fields[1])))
	}
	value, ok := number(fields[0], 9)
	if !ok || value < 1 {
		errs = append(errs, fmt.Errorf("the rate's value %q is not a whole number from 1 up", clip(fields[0])))
	} else if unit > 0 && time.Duration(value) > longestRate/unit {
		errs = append(errs, fmt.Errorf("a rate of %d %s is longer than a hundred years", value, fields[1]))
	}
	return time.Duration(value) * unit, errors.Join(errs...)
}

// parseAt rejects a time that the clocks jump over: of one-time schedules AWS does
// not say whether it is skipped or moved. zone may be nil, which is another error.
func parseAt(text string, zone *time.Location) (time.Time, error) {
	const layout = "2006-01-02T15:04:05"
	wall, err := time.Parse(layout, text)
	if err != nil || wall.Format(layout) != text {
		return time.Time{}, fmt.Errorf(
			"at needs a date and time that exist, as yyyy-mm-ddThh:mm:ss without a zone, not %q", clip(text),
		)
	}
	if zone == nil {
		return time.Time{}, nil
	}
	at, ok := (&clock{zone: zone}).instant(wall.Unix())
	if !ok {
		return time.Time{}, fmt.Errorf("%s does not exist in %s: the clocks jump over it; choose another time", text, zone)
	}
	return time.Unix(at, 0).UTC(), nil
}

// loadZone rejects what Go and file systems know and IANA does not: Local, and the
// variants of the zones with leap seconds.
func loadZone(name string) (*time.Location, error) {
	if name == "" {
		return time.UTC, nil
	}
	foreign := name == "Local" || len(name) > maxTimezone ||
		strings.HasPrefix(name, "right/") || strings.HasPrefix(name, "posix")
	if !foreign {
		if zone, err := time.LoadLocation(name); err == nil {
			return zone, nil
		}
	}
	return nil, &ZoneError{name}
}

// ZoneError is the error of a time zone that does not exist.
type ZoneError struct{ Name string }

func (e *ZoneError) Error() string {
	return fmt.Sprintf(
		"%q is not an IANA time zone; write its full name, such as Europe/London, or leave it out for UTC", clip(e.Name),
	)
}

// number reads decimal digits and nothing else: no sign, no space, no fraction.
func number(text string, digits int) (int, bool) {
	if text == "" || len(text) > digits || strings.Trim(text, "0123456789") != "" {
		return 0, false
	}
	n, err := strconv.Atoi(text)
	return n, err == nil
}

// clip keeps an error readable whatever was pasted into the expression.
func clip(text string) string {
	const most = 80
	if len(text) <= most {
		return text
	}
	return text[:most] + "…"
}
