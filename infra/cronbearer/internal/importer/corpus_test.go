package importer_test

import (
	"fmt"
	"os"
	"slices"
	"strconv"
	"strings"
	"testing"
	"time"

	"github.com/cronbearer/cronbearer/infra/cronbearer/internal/importer"
	"github.com/cronbearer/cronbearer/internal/dev/schedule"
)

var (
	now   = time.Date(2026, 11, 28, 1, 12, 0, 0, time.UTC)
	until = now.AddDate(2, 0, 0)
)

// TestCorpusStartsAsBeforeButForAnnouncedClockChanges compares each line's starts over two years: those of cron, as
// cron.c makes them minute by minute, and those of the jobs, as AWS's rules make them. Where they differ, Import has
// said so.
func TestCorpusStartsAsBeforeButForAnnouncedClockChanges(t *testing.T) {
	t.Parallel()
	data, err := os.ReadFile("testdata/corpus.crontab")
	if err != nil {
		t.Fatal(err)
	}
	result, err := importer.Import("crontab", data, importer.Options{Now: now, Until: until})
	if err != nil {
		t.Fatal(err)
	}
	entries := map[int]importer.Entry{}
	for _, e := range result.Entries {
		entries[e.Line] = e
	}
	lines, clocks, zone := 0, 0, ""
	var days []daemonMinute
	for i, line := range strings.Split(string(data), "\n") {
		if name, ok := strings.CutPrefix(line, "CRON_TZ="); ok {
			zone, days = name, daemon(t, name)
		}
		if line == "" || strings.ContainsAny(line[:1], "#ABCDEFGHIJKLMNOPQRSTUVWXYZ") {
			continue
		}
		lines++
		e := entries[i+1]
		if len(e.Jobs) == 0 {
			t.Errorf("line %d (%s): not taken over: %s", i+1, line, e.Reason)
			continue
		}
		clocks += len(e.Starts.Clocks)
		compareStarts(t, fmt.Sprintf("line %d, %s, %.40s", i+1, zone, line), cronStarts(t, line, days), e)
	}
	const fewest = 100
	if lines < fewest || clocks < fewest {
		t.Errorf("%d lines, %d clock changes: the corpus shows too little", lines, clocks)
	}
	if !slices.Equal(result.PlainText, []int{4}) {
		t.Errorf("lines with plain text: %v", result.PlainText)
	}
}

// TestSourcesThatGoByTheClockStartAsBeforeButForAnnouncedClockChanges is the same for Kubernetes, GitHub and Cloud
// Scheduler, which start a job whenever the clock shows its time: not when the clocks jump over it, and twice when they
// repeat it.
func TestSourcesThatGoByTheClockStartAsBeforeButForAnnouncedClockChanges(t *testing.T) {
	t.Parallel()
	clocks := 0
	for _, zone := range []string{"Europe/London", "America/New_York", "Australia/Lord_Howe"} {
		looks := byTheClock(t, zone)
		for _, times := range []string{"30 1 * * *", "15 2 * * *", "0 * * * *", "*/30 1-2 * * 0", "0 9 * * 1-5"} {
			data := "kind: CronJob\nmetadata: { name: a }\nspec: { timeZone: " + zone + ", schedule: '" + times + "', " +
				"jobTemplate: { spec: { template: { spec: { containers: [{ image: curl, " +
				"args: [--oauth2-bearer, $TOKEN, 'https://api.example.com/'] }] } } } } }\n"
			result, err := importer.Import("k8s", []byte(data), importer.Options{Now: now, Until: until})
			if err != nil || len(result.Entries) != 1 || len(result.Entries[0].Jobs) != 1 {
				t.Fatalf("%s: %+v, %v", times, result, err)
			}
			clocks += len(result.Entries[0].Starts.Clocks)
			compareStarts(t, zone+" "+times, cronStarts(t, times, looks), result.Entries[0])
		}
	}
	if clocks == 0 {
		t.Error("no change of the clocks was met")
	}
}

func byTheClock(t *testing.T, name string) []daemonMinute {
	t.Helper()
	zone, err := time.LoadLocation(name)
	if err != nil {
		t.Fatal(err)
	}
	var looks []daemonMinute
	for at := now.Unix() + 60; at <= until.Unix(); at += 60 {
		_, offset := time.Unix(at, 0).In(zone).Zone()
		looks = append(looks, daemonMinute{at, time.Unix(at+int64(offset), 0).UTC(), true, true})
	}
	return looks
}

func compareStarts(t *testing.T, what string, old []int64, e importer.Entry) {
	t.Helper()
	var replaced []int64
	for _, j := range e.Jobs {
		s, err := schedule.Parse(j.Schedule, j.Timezone)
		if err != nil {
			t.Errorf("%s: %v", what, err)
			return
		}
		for at, ok := s.Next(now); ok && !at.After(until); at, ok = s.Next(at) {
			replaced = append(replaced, at.Unix())
		}
	}
	slices.Sort(replaced)
	twice := firstTwice(replaced)
	replaced = slices.Compact(replaced)
	var lost, added []int64
	for _, c := range e.Starts.Clocks {
		lost, added = append(lost, unix(c.Lost)...), append(added, unix(c.Added)...)
	}
	if onlyOld := without(old, replaced); !slices.Equal(onlyOld, lost) {
		t.Errorf("%s: starts only before: %s; announced: %s", what, show(onlyOld), show(lost))
	}
	if onlyNew := without(replaced, old); !slices.Equal(onlyNew, added) {
		t.Errorf("%s: starts only after: %s; announced: %s", what, show(onlyNew), show(added))
	}
	if next := old[:min(3, len(old))]; !slices.Equal(next, unix(e.Starts.Old)[:len(next)]) {
		t.Errorf("%s: next before: %s; said: %s", what, show(next), show(unix(e.Starts.Old)))
	}
	if next := replaced[:min(3, len(replaced))]; !slices.Equal(next, unix(e.Starts.New)[:len(next)]) {
		t.Errorf("%s: next after: %s; said: %s", what, show(next), show(unix(e.Starts.New)))
	}
	if !e.Starts.Agree {
		t.Errorf("%s: said not to agree", what)
	}
	if (e.Starts.Twice == nil) != (twice == 0) || twice != 0 && e.Starts.Twice.Unix() != twice {
		t.Errorf("%s: both jobs start first at %s, said: %v", what, show([]int64{twice}), e.Starts.Twice)
	}
}

func unix(times []time.Time) []int64 {
	seconds := make([]int64, len(times))
	for i, at := range times {
		seconds[i] = at.Unix()
	}
	return seconds
}

func show(seconds []int64) string {
	var texts []string
	for _, s := range seconds[:min(5, len(seconds))] {
		texts = append(texts, time.Unix(s, 0).UTC().Format(time.RFC3339))
	}
	return fmt.Sprintf("%d %v", len(seconds), texts)
}

// without returns the elements of a sorted list that another does not have.
func without(a, b []int64) []int64 {
	rest := []int64{}
	for _, v := range a {
		for len(b) > 0 && b[0] < v {
			b = b[1:]
		}
		if len(b) == 0 || b[0] != v {
			rest = append(rest, v)
		}
	}
	return rest
}

func firstTwice(sorted []int64) int64 {
	for i := 1; i < len(sorted); i++ {
		if sorted[i] == sorted[i-1] {
			return sorted[i]
		}
	}
	return 0
}

// daemonMinute is one look of cron's daemon at its clock: the local time for which it starts jobs.
type daemonMinute struct {
	unix        int64
	local       time.Time // the reading, as UTC
	wild, fixed bool
}

// daemon replays the main loop of vixie cron (cron.c) over two years: it keeps a virtual time, catches up when the
// clocks jump ahead, and waits when they go back. Jobs with * in minutes or hours go by the clock, the others by the
// virtual time.
func daemon(t *testing.T, name string) []daemonMinute {
	t.Helper()
	zone, err := time.LoadLocation(name)
	if err != nil {
		t.Fatal(err)
	}
	reading := func(unix int64) int64 {
		_, offset := time.Unix(unix, 0).In(zone).Zone()
		return (unix + int64(offset)) / 60
	}
	var looks []daemonMinute
	look := func(unix, minute int64, wild, fixed bool) {
		looks = append(looks, daemonMinute{unix, time.Unix(minute*60, 0).UTC(), wild, fixed})
	}
	virtual := reading(now.Unix())
	for unix := now.Unix() + 60; unix <= until.Unix(); unix += 60 {
		running := reading(unix)
		switch ahead := running - virtual; {
		case ahead > 0 && ahead < 5:
			for virtual < running {
				virtual++
				look(unix, virtual, true, true)
			}
		case ahead > 0 && ahead < 3*60:
			look(unix, running, true, false)
			for virtual < running {
				virtual++
				look(unix, virtual, false, true)
			}
		case ahead <= 0 && ahead > -3*60:
			look(unix, running, true, false)
		default:
			virtual = running
			look(unix, running, true, true)
		}
	}
	return looks
}

// cronStarts reads a line's schedule by the rules of crontab(5), in a way of its own, and returns when the daemon
// starts it.
func cronStarts(t *testing.T, line string, looks []daemonMinute) []int64 {
	t.Helper()
	words := strings.Fields(line)
	if meaning := map[string]string{
		"@hourly": "0 * * * *", "@daily": "0 0 * * *", "@midnight": "0 0 * * *", "@weekly": "0 0 * * 0",
		"@monthly": "0 0 1 * *", "@yearly": "0 0 1 1 *", "@annually": "0 0 1 1 *",
	}[words[0]]; meaning != "" {
		words = strings.Fields(meaning)
	}
	minutes, hours := allowed(t, words[0], 0, 59), allowed(t, words[1], 0, 23)
	days, months, weekdays := allowed(t, words[2], 1, 31), allowed(t, words[3], 1, 12), allowed(t, words[4], 0, 7)
	weekdays[0] = weekdays[0] || weekdays[7]
	dayStar, weekStar := words[2][0] == '*', words[4][0] == '*'
	wild := words[0][0] == '*' || words[1][0] == '*'
	var starts []int64
	for _, l := range looks {
		if (wild && !l.wild) || (!wild && !l.fixed) || !minutes[l.local.Minute()] || !hours[l.local.Hour()] ||
			!months[l.local.Month()] {
			continue
		}
		inMonth, inWeek := days[l.local.Day()], weekdays[l.local.Weekday()]
		if (dayStar || weekStar) && inMonth && inWeek || !dayStar && !weekStar && (inMonth || inWeek) {
			starts = append(starts, l.unix)
		}
	}
	return slices.Compact(starts)
}

func allowed(t *testing.T, text string, low, high int) []bool {
	t.Helper()
	ok := make([]bool, 60)
	for v := low; v <= high; v++ {
		for item := range strings.SplitSeq(text, ",") {
			ok[v] = ok[v] || fits(t, item, v, low, high)
		}
	}
	return ok
}

func fits(t *testing.T, item string, v, low, high int) bool {
	t.Helper()
	span, step, stepped := strings.Cut(item, "/")
	from, to, ranged := strings.Cut(span, "-")
	switch {
	case span == "*":
		from, to = strconv.Itoa(low), strconv.Itoa(high)
	case !ranged && stepped:
		to = strconv.Itoa(high)
	case !ranged:
		to = from
	}
	every := 1
	if stepped {
		every = value(t, step)
	}
	first, last := value(t, from), value(t, to)
	return first <= v && v <= last && (v-first)%every == 0
}

func value(t *testing.T, text string) int {
	t.Helper()
	for i, name := range []string{"sun", "mon", "tue", "wed", "thu", "fri", "sat"} {
		if strings.EqualFold(name, text) {
			return i
		}
	}
	if at, err := time.Parse("Jan", text); err == nil {
		return int(at.Month())
	}
	n, err := strconv.Atoi(text)
	if err != nil {
		t.Fatalf("%q: %v", text, err)
	}
	return n
}
