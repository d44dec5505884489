package importer

import (
	"errors"
	"fmt"
	"slices"
	"strconv"
	"strings"
	"time"
)

// timetable is when a job starts, as cron's five fields say it: sets of minutes, hours, days, months and days of the
// week.
type timetable struct {
	minutes, hours, days, months, weekdays set
	// either: on days that fit one of the two day fields. Without it a day must fit both.
	either bool
	// catchUp: cron's daemon starts a job of fixed times once when the clocks jump over its time, and not again when they
	// repeat it. Without it, and for a job with * in its minutes or hours, a start is whenever the clock shows the time.
	catchUp bool
}

// set holds small numbers.
type set uint64

func (s set) has(i int) bool { return s>>i&1 == 1 }

func span(first, last, step int) set {
	var s set
	for i := first; i <= last; i += step {
		s |= 1 << i
	}
	return s
}

// A dialect is how a program reads five fields where they differ.
type dialect struct {
	// stepIsStar: */2 in a day field counts as *, so that a day must fit both fields.
	stepIsStar bool
	// catchUp: see timetable.
	catchUp bool
}

var (
	// vixie is cron of Linux and the BSDs: a field that begins with * restricts nothing, whatever its step
	// (crontab(5), entry.c).
	vixie = dialect{stepIsStar: true, catchUp: true}
	// wallClock is GitHub, Cloud Scheduler and Kubernetes (robfig/cron, whose */2 restricts).
	wallClock = dialect{}
)

type field struct {
	name        string
	first, last int
	names       []string
}

var fields = []field{
	{name: "minute", last: 59},
	{name: "hour", last: 23},
	{name: "day of the month", first: 1, last: 31},
	{
		name: "month", first: 1, last: 12,
		names: []string{"", "jan", "feb", "mar", "apr", "may", "jun", "jul", "aug", "sep", "oct", "nov", "dec"},
	},
	{name: "day of the week", last: 7, names: weekdayNames},
}

var weekdayNames = []string{"sun", "mon", "tue", "wed", "thu", "fri", "sat"}

var nicknames = map[string]string{
	"@yearly": "0 0 1 1 *", "@annually": "0 0 1 1 *", "@monthly": "0 0 1 * *", "@weekly": "0 0 * * 0",
	"@daily": "0 0 * * *", "@midnight": "0 0 * * *", "@hourly": "0 * * * *", "@every_minute": "* * * * *",
}

// parseCron reads five fields or a nickname.
func parseCron(text string, d dialect) (timetable, error) {
	if strings.HasPrefix(text, "@") {
		meaning, ok := nicknames[strings.ToLower(text)]
		switch {
		case strings.EqualFold(text, "@reboot"):
			return timetable{}, errors.New("@reboot has no time: nothing boots here")
		case !ok:
			return timetable{}, errors.New("there is no such nickname")
		}
		text = meaning
	}
	words := strings.Fields(text)
	if len(words) != len(fields) {
		return timetable{}, fmt.Errorf("cron has five fields, not %d", len(words))
	}
	var sets [5]set
	for i, f := range fields {
		s, err := f.parse(words[i])
		if err != nil {
			return timetable{}, err
		}
		sets[i] = s
	}
	if sets[4].has(7) {
		sets[4] = sets[4]&^(1<<7) | 1
	}
	star := func(i int) bool {
		return words[i] == "*" || words[i] == "?" || d.stepIsStar && strings.HasPrefix(words[i], "*")
	}
	t := timetable{minutes: sets[0], hours: sets[1], days: sets[2], months: sets[3], weekdays: sets[4]}
	t.either = !star(2) && !star(4)
	t.catchUp = d.catchUp && !strings.HasPrefix(words[0], "*") && !strings.HasPrefix(words[1], "*")
	return t, nil
}

func (f field) parse(text string) (set, error) {
	var s set
	for part := range strings.SplitSeq(text, ",") {
		some, ok := f.parsePart(part)
		if !ok {
			return 0, fmt.Errorf("its %s is none that cron knows", f.name)
		}
		s |= some
	}
	return s, nil
}

// parsePart reads *, 5, 1-5, each also with a step. A step after a number runs to the field's end, as in cronie and
// robfig.
func (f field) parsePart(text string) (set, bool) {
	values, stepText, stepped := strings.Cut(text, "/")
	step := 1
	if stepped {
		var ok bool
		if step, ok = digits(stepText); !ok || step < 1 {
			return 0, false
		}
	}
	if values == "*" || values == "?" && f.first == 1 && f.last == 31 || values == "?" && f.last == 7 {
		return span(f.first, f.last, step), true
	}
	from, to, ranged := strings.Cut(values, "-")
	first, ok := f.value(from)
	if !ok {
		return 0, false
	}
	last := first
	if ranged {
		if last, ok = f.value(to); !ok {
			return 0, false
		}
	} else if stepped {
		last = f.last
	}
	return span(first, last, step), first <= last
}

func (f field) value(text string) (int, bool) {
	if i := slices.Index(f.names, strings.ToLower(text)); i >= 0 && text != "" {
		return i, true
	}
	n, ok := digits(text)
	return n, ok && f.first <= n && n <= f.last
}

func digits(text string) (int, bool) {
	if text == "" || len(text) > 4 || strings.Trim(text, "0123456789") != "" {
		return 0, false
	}
	n, err := strconv.Atoi(text)
	return n, err == nil
}

const (
	allDays     = set(1<<32 - 2)
	allWeekdays = set(1<<7 - 1)
)

// A part is one expression of EventBridge Scheduler, which accepts the days of the month or those of the week.
type part struct {
	expression string
	// suffix tells the jobs of one line apart: Days, Fridays.
	suffix string
}

var errBothDays = errors.New("cron starts it on days that fit both day fields, and AWS accepts one of the two: " +
	"let the endpoint check the other")

// parts returns the expressions that together are the timetable. Days of the week are written as names: AWS counts them
// from Sunday as 1.
func (t timetable) parts() ([]part, error) {
	byDay, byWeek := t.days != allDays, t.weekdays != allWeekdays
	if t.either && (!byDay || !byWeek) {
		byDay, byWeek = false, false
	}
	head := list(t.minutes, 0, 59) + " " + list(t.hours, 0, 23) + " "
	months := list(t.months, 1, 12)
	daily := func(days string) string { return "cron(" + head + days + " " + months + " ? *)" }
	weekly := "cron(" + head + "? " + months + " " + weekdayList(t.weekdays) + " *)"
	switch {
	case byDay && byWeek && !t.either:
		return nil, errBothDays
	case byDay && byWeek:
		return []part{{daily(list(t.days, 1, 31)), "Days"}, {weekly, weekdaySuffix(t.weekdays)}}, nil
	case byWeek:
		return []part{{expression: weekly}}, nil
	case byDay:
		return []part{{expression: daily(list(t.days, 1, 31))}}, nil
	default:
		return []part{{expression: daily("*")}}, nil
	}
}

// list writes a set in AWS's words: *, a step that runs to the end of the field, else ranges and numbers.
func list(s set, first, last int) string {
	values := valuesOf(s, first, last)
	if len(values) == last-first+1 {
		return "*"
	}
	if text, ok := steps(values, last); ok {
		return text
	}
	var parts []string
	for i := 0; i < len(values); {
		j := i
		for j+1 < len(values) && values[j+1] == values[j]+1 {
			j++
		}
		if j > i {
			parts = append(parts, fmt.Sprintf("%d-%d", values[i], values[j]))
		} else {
			parts = append(parts, strconv.Itoa(values[i]))
		}
		i = j + 1
	}
	return strings.Join(parts, ",")
}

func valuesOf(s set, first, last int) []int {
	var values []int
	for i := first; i <= last; i++ {
		if s.has(i) {
			values = append(values, i)
		}
	}
	return values
}

// steps writes three values and more that are equally far apart up to the end of the field.
func steps(values []int, last int) (string, bool) {
	const fewest = 3
	if len(values) < fewest {
		return "", false
	}
	step := values[1] - values[0]
	for i := range values[1:] {
		if values[i+1]-values[i] != step {
			return "", false
		}
	}
	if step == 1 || values[len(values)-1]+step <= last {
		return "", false
	}
	return fmt.Sprintf("%d/%d", values[0], step), true
}

// weekdayList writes days by name, Monday first, so that the weekend is one range.
func weekdayList(s set) string {
	monday := s >> 1 & (1<<6 - 1)
	if s.has(0) {
		monday |= 1 << 6
	}
	name := func(i int) string { return strings.ToUpper(weekdayNames[(i+1)%7]) }
	var parts []string
	for i := 0; i < 7; i++ {
		if !monday.has(i) {
			continue
		}
		j := i
		for j < 6 && monday.has(j+1) {
			j++
		}
		switch j - i {
		case 0:
			parts = append(parts, name(i))
		case 1:
			parts = append(parts, name(i), name(j))
		default:
			parts = append(parts, name(i)+"-"+name(j))
		}
		i = j
	}
	return strings.Join(parts, ",")
}

func weekdaySuffix(s set) string {
	if days := valuesOf(s, 0, 6); len(days) == 1 {
		return time.Weekday(days[0]).String() + "s"
	}
	return "Weekdays"
}

// day reports whether a local date fits.
func (t timetable) day(at time.Time) bool {
	inMonth, inWeek := t.days.has(at.Day()), t.weekdays.has(int(at.Weekday()))
	if t.either {
		return t.months.has(int(at.Month())) && (inMonth || inWeek)
	}
	return t.months.has(int(at.Month())) && inMonth && inWeek
}

// shows reports whether a clock that shows this starts the job.
func (t timetable) shows(at time.Time) bool {
	return t.minutes.has(at.Minute()) && t.hours.has(at.Hour()) && t.day(at)
}

// longestCatchUp is how far the clocks may jump for cron to run what it has missed (cron(8)).
const longestCatchUp = 3 * time.Hour

// starts reports whether the source's own scheduler starts the job in a minute.
func (t timetable) starts(at time.Time) bool {
	if !t.catchUp {
		return t.shows(at)
	}
	begin, _ := at.ZoneBounds()
	if begin.IsZero() || at.Sub(begin) >= longestCatchUp {
		return t.shows(at)
	}
	_, before := begin.Add(-time.Second).Zone()
	_, now := at.Zone()
	jump := time.Duration(now-before) * time.Second
	switch {
	case jump < 0 && at.Sub(begin) < -jump:
		return false // the clocks repeat these times, and it has run
	case 0 < jump && jump < longestCatchUp && at.Equal(begin):
		return t.shows(at) || t.missed(at, jump)
	}
	return t.shows(at)
}

// missed reports whether the clocks, which now show at, have jumped over a start.
func (t timetable) missed(at time.Time, jump time.Duration) bool {
	wall := time.Date(at.Year(), at.Month(), at.Day(), at.Hour(), at.Minute(), 0, 0, time.UTC)
	for m := wall.Add(-jump); m.Before(wall); m = m.Add(time.Minute) {
		if t.shows(m) {
			return true
		}
	}
	return false
}

// yearsAhead is how far next looks: 29 February comes within eight years.
const yearsAhead = 9

// next returns the first start after a moment, by the source's own rules.
func (t timetable) next(after time.Time, zone *time.Location) (time.Time, bool) {
	at := after.In(zone).Truncate(time.Minute).Add(time.Minute)
	for end := after.AddDate(yearsAhead, 0, 0); at.Before(end); {
		if !t.day(at) && !t.day(at.Add(-longestCatchUp)) {
			// To the next full quarter: no zone is off by less.
			at = at.Truncate(15 * time.Minute).Add(15 * time.Minute) //nolint:mnd // see above
			continue
		}
		if t.starts(at) {
			return at, true
		}
		at = at.Add(time.Minute)
	}
	return time.Time{}, false
}
