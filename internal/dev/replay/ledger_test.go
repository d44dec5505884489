package replay_test

import (
	"slices"
	"strconv"
	"strings"
	"testing"
	"time"

	"github.com/cronbearer/cronbearer/internal/dev/awssim/alarm"
	"github.com/cronbearer/cronbearer/internal/endpoint"
)

// ledger is what happened in a year, as plain lists. What had to happen is worked out from them afterwards, by walking
// over every minute and every run, without anything that the year itself, the schedules or the alarms use.
type ledger struct {
	starts  map[string][]int64 // by job: the minutes in which it was due and ran, or was lost by Scheduler; Unix
	facts   map[string][]fact  // by token: what its runs found, by time
	changes map[string][]alarmChange

	lost, doubled, failed int
}

// fact is a run's verdict, in nanoseconds of Unix.
type fact struct {
	at, stored int64 // stored: when CloudWatch got it; 0: never
	rejected   bool
}

// alarmChange is one of a TokenRejected alarm.
type alarmChange struct {
	at int64
	to alarm.State
}

func newLedger() *ledger {
	return &ledger{starts: map[string][]int64{}, facts: map[string][]fact{}, changes: map[string][]alarmChange{}}
}

func (l *ledger) due(job string, nominal time.Time) {
	l.starts[job] = append(l.starts[job], nominal.Unix())
}

func (l *ledger) found(token string, verdict endpoint.Verdict, at time.Time, stored bool) {
	f := fact{at: at.UnixNano(), rejected: verdict == endpoint.Rejected}
	if stored {
		f.stored = f.at
	}
	l.facts[token] = append(l.facts[token], f)
}

// late notes that a run's data have arrived.
func (l *ledger) late(token string, at, stored time.Time) {
	facts := l.facts[token]
	i, found := slices.BinarySearchFunc(facts, at.UnixNano(), func(f fact, at int64) int { return int(f.at - at) })
	if found {
		facts[i].stored = stored.UnixNano()
	}
}

// account is what audit found.
type account struct {
	due, rejections int
	wrong           counts // what must not happen, by its name; 0 of all if all is well
}

// audit compares what happened with what had to happen.
func (l *ledger) audit(t *testing.T, y *year) account {
	t.Helper()
	a := account{wrong: counts{}}
	calendars, ran := map[string]*calendar{}, 0
	for _, w := range y.order {
		if calendars[w.zone] == nil {
			calendars[w.zone] = newCalendar(t, w.zone, newYear, y.end)
		}
		due := calendars[w.zone].due(t, w.schedule.String(), w.anchor)
		a.due += len(due)
		ran += len(l.starts[w.name])
		a.wrong["lost runs"] += len(difference(due, l.starts[w.name]))
		a.wrong["runs that were not due"] += len(difference(l.starts[w.name], due))
	}
	a.wrong["starts without a run"] = ran - l.lost + l.doubled - y.counts.sum("runs: ")
	a.wrong["failed runs that are gone"] = l.failed - y.Queue("FailedRuns").Sent()
	for token := range y.tokens {
		missed, rejections := l.missed(token, y.end)
		tooSoon, unfounded := l.unfounded(token)
		a.rejections += rejections
		a.wrong["missed rejections"] += missed
		a.wrong["false OK"] += tooSoon
		a.wrong["alarms without a rejection"] += unfounded
	}
	return a
}

// difference are the elements of sorted a that sorted b does not have.
func difference(a, b []int64) (only []int64) {
	for _, x := range a {
		if _, found := slices.BinarySearch(b, x); !found {
			only = append(only, x)
		}
	}
	return only
}

// missed counts the rejected runs whose data arrived at once, and of these the ones that no alarm reports: it is in
// ALARM at some time in the two minutes that follow.
func (l *ledger) missed(token string, end time.Time) (missed, rejections int) {
	for _, f := range l.facts[token] {
		within := f.at + int64(2*time.Minute)
		if !f.rejected || within > end.UnixNano() {
			continue
		}
		rejections++
		if f.stored == f.at && !l.alarmed(token, f.at, within) {
			missed++
		}
	}
	return missed, rejections
}

// alarmed reports whether a token's alarm was in ALARM at some time from one moment to another.
func (l *ledger) alarmed(token string, from, to int64) bool {
	state := alarm.InsufficientData
	for _, c := range l.changes[token] {
		if c.at > to {
			break
		}
		if c.at > from && (state == alarm.InAlarm || c.to == alarm.InAlarm) {
			return true
		}
		state = c.to
	}
	return state == alarm.InAlarm
}

// unfounded counts the changes to OK though the last verdict that CloudWatch had was a rejection, and those to ALARM
// without one that had just arrived.
func (l *ledger) unfounded(token string) (ok, alarms int) {
	for _, c := range l.changes[token] {
		last, recent := fact{at: -1}, false
		for _, f := range l.facts[token] {
			if f.at > c.at {
				break
			}
			if f.stored == 0 || f.stored > c.at {
				continue
			}
			last = f // they are by time
			recent = recent || f.rejected && f.stored > c.at-int64(2*time.Minute)
		}
		if c.to == alarm.OK && last.rejected {
			ok++
		}
		if c.to == alarm.InAlarm && !recent {
			alarms++
		}
	}
	return ok, alarms
}

// calendar is every minute of a time as a clock on a wall shows it.
type calendar struct {
	minutes []wall
	first   int64
}

type wall struct {
	hour, minute int8
	weekday      time.Weekday
	again        bool // the clock showed the same before: it was set back
}

func newCalendar(t *testing.T, zone string, from, to time.Time) *calendar {
	t.Helper()
	location, err := time.LoadLocation(zone)
	if err != nil {
		t.Fatal(err)
	}
	c := &calendar{first: from.Unix()}
	type reading struct{ day, minute int }
	seen := map[reading]bool{}
	for at := from; at.Before(to); at = at.Add(time.Minute) {
		l := at.In(location)
		r := reading{l.YearDay(), l.Hour()*60 + l.Minute()}
		if r.minute == 0 && r.day > 2 { // what was days ago does not come again
			for m := range 24 * 60 {
				delete(seen, reading{r.day - 2, m})
			}
		}
		c.minutes = append(c.minutes, wall{int8(l.Hour()), int8(l.Minute()), l.Weekday(), seen[r]})
		seen[r] = true
	}
	return c
}

// due are the minutes at which an expression of this year's kinds is due: a rate, or a cron expression of a minute, an
// hour or all, and all days or those from Monday to Friday.
func (c *calendar) due(t *testing.T, expression string, anchor time.Time) (list []int64) {
	t.Helper()
	inner := strings.TrimSuffix(expression[strings.IndexByte(expression, '(')+1:], ")")
	fields := strings.Fields(inner)
	number := func(text string) int {
		n, err := strconv.Atoi(text)
		if err != nil {
			t.Fatalf("%s: %v", expression, err)
		}
		return n
	}
	if strings.HasPrefix(expression, "rate") {
		step := int64(number(fields[0])) * map[string]int64{"minutes": 60, "hour": 3600, "hours": 3600}[fields[1]]
		for at := anchor.Unix(); at < c.first+int64(len(c.minutes))*60; at += step {
			list = append(list, at)
		}
		return list
	}
	if days := strings.Join(fields[2:], " "); days != "* * ? *" && days != "? * MON-FRI *" {
		t.Fatalf("%s is of a kind that is not walked", expression)
	}
	for i, m := range c.minutes {
		if m.again || int(m.minute) != number(fields[0]) || fields[1] != "*" && int(m.hour) != number(fields[1]) ||
			fields[4] == "MON-FRI" && (m.weekday == time.Saturday || m.weekday == time.Sunday) {
			continue
		}
		list = append(list, c.first+int64(i)*60)
	}
	return list
}

// TestAccountSeesWhatIsLost: a start, a record of a failed run and a run are taken away, one of each.
func TestAccountSeesWhatIsLost(t *testing.T) {
	t.Parallel()
	y := replay(t, 12, 2, 5, mistake{})
	job := y.order[5].name
	y.ledger.starts[job] = append([]int64{newYear.Unix() + 1}, y.ledger.starts[job][1:]...)
	y.ledger.failed++
	y.counts["runs: succeeded"]--
	found := y.ledger.audit(t, y)
	want := counts{"lost runs": 1, "runs that were not due": 1, "failed runs that are gone": 1, "starts without a run": 1}
	for name, n := range found.wrong {
		if n != want[name] {
			t.Errorf("%d %s, want %d", n, name, want[name])
		}
	}
}
