package schedule

import (
	"errors"
	"fmt"
	"math/bits"
	"slices"
	"strings"
	"time"
)

const (
	firstYear = 1970
	lastYear  = 2199
	// presentYear is where LongestGap begins: the clock changes of the past, some
	// of whole days, do not come again.
	presentYear = 2026
)

// field is one row of AWS's table of fields, values and wildcards.
type field struct {
	name     string
	min, max int
	names    []string // of the values from min up
	slash    bool     // "/" is among its wildcards
	circular bool     // a range may run over the end: AWS's own "20-2" hours, "NOV-FEB"
	example  string
}

func fields() [6]field {
	return [6]field{
		{name: "minutes", min: 0, max: 59, slash: true, circular: true, example: "0, 0/15 or 5,35"},
		{name: "hours", min: 0, max: 23, slash: true, circular: true, example: "9, 8-17 or 0/6"},
		{name: "day-of-month", min: 1, max: 31, slash: true, circular: true, example: "1, 1-15, L, 3W or ?"},
		{
			name: "month", min: 1, max: 12, slash: true, circular: true, example: "*, 1-6 or JAN,JUL",
			names: []string{"JAN", "FEB", "MAR", "APR", "MAY", "JUN", "JUL", "AUG", "SEP", "OCT", "NOV", "DEC"},
		},
		{
			name: "day-of-week", min: 1, max: 7, circular: true, example: "MON-FRI, 6L, 3#2 or ?",
			names: []string{"SUN", "MON", "TUE", "WED", "THU", "FRI", "SAT"},
		},
		{name: "year", min: firstYear, max: lastYear, slash: true, example: "* or 2026-2030"},
	}
}

// set holds values of a field, counted from its least one. 230 years fit.
type set [4]uint64

func (s *set) add(i int)     { s[i/64] |= 1 << (i % 64) }
func (s set) has(i int) bool { return s[i/64]&(1<<(i%64)) != 0 }

// timetable is a cron expression, compiled: the local times of a matching day, and
// the rules that say which days match.
type timetable struct {
	starts []int64 // seconds after local midnight, ascending
	months set
	years  set

	// Either the days of the month …
	days    set
	lastDay bool // L, LW, L-3
	before  int  // the 3 of L-3
	working bool // the W of LW
	nearest int  // 3W
	// … or those of the week.
	byWeek   bool
	weekdays set
	lastOf   int // 6L
	nth      int // the 2 of 3#2
	nthOf    int // the 3 of 3#2
}

// parseTimetable parses six fields, or five: "one optional field, year".
func parseTimetable(text string) (timetable, error) {
	var t timetable
	words := strings.Fields(text)
	if len(words) == 5 {
		words = append(words, "*")
	}
	if len(words) != 6 {
		return t, fmt.Errorf(
			"cron has %d fields; it needs six, separated by white space: minutes hours day-of-month month day-of-week "+
				"year (the year may be left out)",
			len(words),
		)
	}
	f := fields()
	var minutes, hours set
	errs := []error{
		f[0].parse(words[0], &minutes),
		f[1].parse(words[1], &hours),
		f[3].parse(words[3], &t.months),
		f[5].parse(words[5], &t.years),
	}
	dom, dow := words[2], words[4]
	t.byWeek = dom == "?"
	switch {
	case dom == "?" && dow == "?":
		errs = append(
			errs, errors.New("day-of-month and day-of-week are both \"?\"; write one of them, such as * for every day"),
		)
	case dom != "?" && dow != "?":
		errs = append(errs, errors.New("day-of-month and day-of-week cannot be combined; put ? into one of them"))
	}
	if dom != "?" {
		errs = append(errs, t.parseDayOfMonth(f[2], dom))
	}
	if dow != "?" {
		errs = append(errs, t.parseDayOfWeek(f[4], dow))
	}
	for h := range 24 {
		for m := range 60 {
			if hours.has(h) && minutes.has(m) {
				t.starts = append(t.starts, int64(h*3600+m*60))
			}
		}
	}
	return t, errors.Join(errs...)
}

// parseDayOfMonth reads L, LW, L-3 and nW in addition to the usual forms. AWS's page has
// neither LW (the month's last weekday) nor L-3 (three days before its last); that
// EventBridge accepts them, as Quartz does, is known from reports
// (grumBit/aws_cron_expression_validator#18).
func (t *timetable) parseDayOfMonth(f field, text string) error {
	if before, ok := strings.CutPrefix(text, "L"); ok {
		t.lastDay, t.working = true, before == "W"
		if before == "" || t.working {
			return nil
		}
		if n, ok := number(strings.TrimPrefix(before, "-"), 2); ok && before[0] == '-' && n >= 1 && n < f.max {
			t.before = n
			return nil
		}
	}
	if day, ok := strings.CutSuffix(text, "W"); ok {
		if n, ok := f.value(day); ok {
			t.nearest = n
			return nil
		}
	}
	if strings.ContainsAny(text, "LW") {
		return fmt.Errorf(
			"day-of-month %q: AWS knows L (the last day), LW (the last weekday), L-3 (three days before the last) and 3W "+
				"(the weekday nearest to the 3rd), each alone in the field",
			clip(text),
		)
	}
	return f.parse(text, &t.days)
}

// parseDayOfWeek reads L, nL and n#m in addition to the usual forms: "you can define only
// one expression in the day-of-week field" with #.
func (t *timetable) parseDayOfWeek(f field, text string) error {
	if text == "L" { // "the last day of the … week"
		t.weekdays.add(f.max - f.min)
		return nil
	}
	if day, ok := strings.CutSuffix(text, "L"); ok {
		if n, ok := f.value(day); ok {
			t.lastOf = n
			return nil
		}
		return fmt.Errorf(
			"day-of-week %q: AWS knows L (Saturday) and 6L (the month's last Friday), each alone in the field", clip(text),
		)
	}
	if day, nth, ok := strings.Cut(text, "#"); ok {
		n, okDay := f.value(day)
		m, okNth := number(nth, 1)
		if okDay && okNth && m >= 1 && m <= 5 {
			t.nthOf, t.nth = n, m
			return nil
		}
		return fmt.Errorf(
			"day-of-week %q: write one day, # and 1 to 5, such as 3#2 for the second Tuesday, alone in the field", clip(text),
		)
	}
	return f.parse(text, &t.weekdays)
}

// parse reads a list of values, ranges and increments.
func (f field) parse(text string, into *set) error {
	var errs []error
	for part := range strings.SplitSeq(text, ",") {
		if err := f.parsePart(part, into); err != nil {
			errs = append(errs, err)
		}
	}
	return errors.Join(errs...)
}

func (f field) parsePart(part string, into *set) error {
	values, increment, hasStep := strings.Cut(part, "/")
	if hasStep && !f.slash {
		return fmt.Errorf(
			"%s %q: / is not among the wildcards of this field; write the values, such as %s", f.name, clip(part), f.example,
		)
	}
	first, last, ok := f.span(values, hasStep)
	if !ok {
		return fmt.Errorf("%s %q: write values from %s, such as %s", f.name, clip(part), f.bounds(), f.example)
	}
	if last < first && !f.circular {
		return fmt.Errorf("%s %q: the range ends before it begins; swap its ends", f.name, clip(part))
	}
	size := f.max - f.min + 1
	step := 1
	if hasStep {
		// A step as long as the field says nothing. Quartz rejects it; AWS does not say.
		if step, ok = number(increment, 3); !ok || step < 1 || step >= size {
			return fmt.Errorf("%s %q: the increment after / must be a number from 1 to %d", f.name, clip(part), size-1)
		}
	}
	for i := 0; i <= (last-first+size)%size; i += step {
		into.add((first - f.min + i) % size)
	}
	return nil
}

// span returns the ends of what comes before a "/": *, a value or a range. A single
// value with an increment runs to the end of the field: 1/10 is 1, 11, 21, ….
func (f field) span(text string, toEnd bool) (first, last int, ok bool) {
	if text == "*" {
		return f.min, f.max, true
	}
	from, to, isRange := strings.Cut(text, "-")
	if first, ok = f.value(from); !ok {
		return 0, 0, false
	}
	switch {
	case isRange:
		last, ok = f.value(to)
	case toEnd:
		last = f.max
	default:
		last = first
	}
	return first, last, ok
}

// value reads a number or a name. AWS writes names in capitals, and accepts them in
// any case (serverless-local-schedule#12).
func (f field) value(text string) (int, bool) {
	if i := slices.Index(f.names, strings.ToUpper(text)); i >= 0 {
		return f.min + i, true
	}
	n, ok := number(text, 4)
	return n, ok && n >= f.min && n <= f.max
}

func (f field) bounds() string {
	text := fmt.Sprintf("%d to %d", f.min, f.max)
	if len(f.names) > 0 {
		text += fmt.Sprintf(" or %s to %s", f.names[0], f.names[len(f.names)-1])
	}
	return text
}

// NumberedDays names the days that a day-of-week field of plain numbers stands for,
// and how to write them: "1-5" is "Sunday to Thursday", SUN-THU. Other crons count
// from Monday or from Sunday as 0, so people are often a day off. 2-6 and 1-7 are
// written by those who know; of them, and of any other field, it is "".
func (s *Schedule) NumberedDays() (field, days, names string) {
	words := strings.Fields(strings.TrimSuffix(strings.TrimPrefix(s.expression, "cron("), ")"))
	if s.kind != cron || len(words) < 5 || strings.Trim(words[4], "0123456789,-") != "" || words[4] == "2-6" ||
		words[4] == "1-7" {
		return "", "", ""
	}
	week := fields()[4]
	var spoken, written []string
	for part := range strings.SplitSeq(words[4], ",") {
		first, last, _ := week.span(part, false)
		day, name := time.Weekday(first-1).String(), week.names[first-1]
		if last != first {
			day, name = day+" to "+time.Weekday(last-1).String(), name+"-"+week.names[last-1]
		}
		spoken, written = append(spoken, day), append(written, name)
	}
	return words[4], strings.Join(spoken, ", "), strings.Join(written, ",")
}

// monthDays returns the matching days of a month as bits: bit 1 is the 1st.
func (t *timetable) monthDays(year int, month time.Month) uint32 {
	if !t.years.has(year-firstYear) || !t.months.has(int(month)-1) {
		return 0
	}
	first := time.Date(year, month, 1, 0, 0, 0, 0, time.UTC)
	length := first.AddDate(0, 1, -1).Day()
	weekday := func(day int) int { return (int(first.Weekday())+day-1)%7 + 1 } // 1 is Sunday
	switch {
	case t.lastDay && t.before >= length: // L-30 in a month of 30 days
		return 0
	case t.lastDay && t.working:
		return 1 << nearestWeekday(length, length, weekday(length))
	case t.lastDay:
		return 1 << (length - t.before)
	case t.nearest > length: // 31W in a month of 30 days: no such day to be near to
		return 0
	case t.nearest > 0:
		return 1 << nearestWeekday(t.nearest, length, weekday(t.nearest))
	}
	var mask uint32
	for day := 1; day <= length; day++ {
		if t.matches(day, weekday(day), length) {
			mask |= 1 << day
		}
	}
	return mask
}

func (t *timetable) matches(day, weekday, length int) bool {
	switch {
	case !t.byWeek:
		return t.days.has(day - 1)
	case t.lastOf > 0:
		return weekday == t.lastOf && day > length-7
	case t.nth > 0:
		return weekday == t.nthOf && (day+6)/7 == t.nth
	}
	return t.weekdays.has(weekday - 1)
}

// nearestWeekday moves a Saturday or Sunday to the nearest working day, as Quartz
// does within the month: 1W on a Saturday is the 3rd.
func nearestWeekday(day, length, weekday int) int {
	switch {
	case weekday == 7 && day > 1:
		return day - 1
	case weekday == 7:
		return day + 2
	case weekday == 1 && day < length:
		return day + 1
	case weekday == 1:
		return day - 2
	}
	return day
}

// next walks months, their matching days and those days' times.
func (t *timetable) next(after time.Time, zone *time.Location) (time.Time, bool) {
	// One day back: where clocks go back over midnight, yesterday is not over yet.
	from := after.In(zone).AddDate(0, 0, -1)
	_, offset := after.In(zone).Zone()
	// No zone has gone back, since 1970, over times that it had jumped over less than
	// a day before; three hours are to spare for the shifts themselves.
	earliest := after.Unix() + int64(offset) - 3*3600
	c := &clock{zone: zone}
	for year := max(from.Year(), firstYear); year <= lastYear; year++ {
		month := time.January
		if year == from.Year() {
			month = from.Month()
		}
		for ; month <= time.December; month++ {
			for mask := t.monthDays(year, month); mask != 0; mask &= mask - 1 {
				midnight := time.Date(year, month, bits.TrailingZeros32(mask), 0, 0, 0, 0, time.UTC).Unix()
				i, _ := slices.BinarySearch(t.starts, earliest-midnight)
				for _, start := range t.starts[i:] {
					if at, ok := c.instant(midnight + start); ok && at > after.Unix() {
						return time.Unix(at, 0).UTC(), true
					}
				}
			}
		}
	}
	return time.Time{}, false
}

// longestGap visits every matching day. Days far from clock changes are all alike
// within: only their first and last start are looked at.
func (t *timetable) longestGap(zone *time.Location) time.Duration {
	var within int64
	for i := 1; i < len(t.starts); i++ {
		within = max(within, t.starts[i]-t.starts[i-1])
	}
	var longest, previous int64
	seen := false
	visit := func(at int64) {
		if seen {
			longest = max(longest, at-previous)
		}
		previous, seen = at, true
	}
	c := &clock{zone: zone}
	for year := t.gapsFrom(); year <= lastYear; year++ {
		for month := time.January; month <= time.December; month++ {
			for mask := t.monthDays(year, month); mask != 0; mask &= mask - 1 {
				midnight := time.Date(year, month, bits.TrailingZeros32(mask), 0, 0, 0, 0, time.UTC).Unix()
				if offset, ok := c.steady(midnight); ok {
					visit(midnight + t.starts[0] - offset)
					longest = max(longest, within)
					previous = midnight + t.starts[len(t.starts)-1] - offset
					continue
				}
				for _, start := range t.starts {
					if at, ok := c.instant(midnight + start); ok {
						visit(at)
					}
				}
			}
		}
	}
	return time.Duration(longest) * time.Second
}

func (t *timetable) gapsFrom() int {
	for year := presentYear; year <= lastYear; year++ {
		if t.years.has(year - firstYear) {
			return year
		}
	}
	return firstYear
}
