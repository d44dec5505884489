package replay_test

import (
	"context"
	"flag"
	"fmt"
	"log/slog"
	"math/rand/v2"
	"strings"
	"testing"
	"time"

	"github.com/aws/aws-sdk-go-v2/aws"
	"github.com/aws/aws-sdk-go-v2/service/cloudwatch"
	"github.com/google/go-cmp/cmp"

	reminding "github.com/cronbearer/cronbearer/internal/alarm"
	"github.com/cronbearer/cronbearer/internal/caller"
	"github.com/cronbearer/cronbearer/internal/dev/awssim"
	"github.com/cronbearer/cronbearer/internal/dev/awssim/alarm"
	"github.com/cronbearer/cronbearer/internal/dev/awssim/awssimtest"
	"github.com/cronbearer/cronbearer/internal/dev/schedule"
	"github.com/cronbearer/cronbearer/internal/endpoint"
	"github.com/cronbearer/cronbearer/internal/metric"
)

const (
	tokenCount   = 30
	hostCount    = 12
	environments = 6
	remindAfter  = 20 * time.Hour
	warnDays     = 7
	day          = 24 * time.Hour
)

// newYear is a January: the year has both clock changes.
var newYear = time.Date(2027, time.January, 1, 0, 0, 0, 0, time.UTC)

// credential is one token and what is true of it.
type credential struct {
	name    string
	good    bool
	expires time.Time // zero: unknown
	version int

	verdict       endpoint.Verdict // of the last run that had one
	stored        endpoint.Verdict // of the last one that CloudWatch has, by its time
	storedAt      time.Time
	episode       int // counts rejections that follow an acceptance
	began         time.Time
	raised        int // the episode that the alarm reported last
	warned        int // the version that TokenExpiring reported last
	reportedAt    time.Time
	sawWarnPeriod bool // a run read the token within WarnDays of its expiry
}

// worker is one job and what is true of it.
type worker struct {
	name        string
	token       *credential
	host        *remote
	schedule    *schedule.Schedule
	zone        string
	anchor      time.Time // of a rate
	silentAfter time.Duration
	worked      time.Time // last heartbeat of 1 that CloudWatch has
}

type remote struct{ down, broken bool }

// year is a replay: outcomes are drawn by chance, become reports by caller.Result's own mapping, go through the real
// metric.Publisher and reminding.Reminder, and the model of CloudWatch, SNS and EventBridge makes messages of them.
// What the alarms say is compared with the truth, which the year knows.
type year struct {
	*world

	chance     *rand.Rand
	tokens     map[string]*credential
	jobs       map[string]*worker
	order      []*worker
	hosts      []*remote
	publishers []*metric.Publisher
	reminder   *reminding.Reminder
	noMetrics  bool // CloudWatch is down
	end        time.Time
	ledger     *ledger
	counts     counts
	problems   []string
}

// replay plays a number of jobs for some days.
func replay(t *testing.T, jobs, days int, seed uint64, m mistake) *year {
	t.Helper()
	y := &year{
		chance: rand.New(rand.NewPCG(seed, 2027)),
		tokens: map[string]*credential{}, jobs: map[string]*worker{}, counts: counts{},
		end: newYear.Add(time.Duration(days) * day), ledger: newLedger(),
	}
	y.world = newWorld(t, writeTemplate(t, y.drawTokens(), y.drawJobs(t, jobs), m), newYear, y.observe)
	y.down = y.loses
	for range environments {
		y.publishers = append(y.publishers, metric.NewPublisher(y, metric.DefaultNamespace, y.Stack.StackName))
	}
	y.reminder = reminding.NewReminder(y, y.Stack.StackName+"-TokenRejected-", remindAfter, y.Now,
		func(context.Context, time.Duration) bool { return true }, slog.New(slog.DiscardHandler))
	y.plans()
	y.play(y.end)
	for _, c := range y.tokens {
		y.unreported(c)
	}
	return y
}

// What make soak sets; 0: what make test affords.
var (
	yearJobs = flag.Int("jobs", 0, "how many jobs TestYear has")
	yearDays = flag.Int("days", 0, "how many days TestYear has")
)

// TestYear: each rejection is reported within two minutes of its data, once; no alarm says that all is well when it is
// not, or that a job is silent that is not; and no run is lost, as an account that shares no code with the rest shows.
// With -short, and under the race detector, which finds nothing here, it is the first quarter of forty jobs,
// which has changes of the clocks.
func TestYear(t *testing.T) {
	t.Parallel()
	jobs, days := 200, 366
	switch {
	case *yearJobs > 0 && *yearDays > 0:
		jobs, days = *yearJobs, *yearDays
	case awssimtest.RaceEnabled || testing.Short():
		jobs, days = 40, 95
	}
	y := replay(t, jobs, days, 1, mistake{})
	found := y.ledger.audit(t, y)
	for name, n := range found.wrong {
		if n != 0 {
			t.Errorf("%d %s", n, name)
		}
	}
	t.Logf("figures: days replayed %d", days)
	t.Logf("figures: jobs replayed %d", jobs)
	t.Logf("figures: runs due in the replay %d", found.due)
	t.Logf("figures: runs lost in the replay %d", found.wrong["lost runs"])
	t.Logf("figures: rejected runs in the replay %d", found.rejections)
	t.Logf("figures: rejections missed in the replay %d", found.wrong["missed rejections"])
	t.Logf("figures: false OK in the replay %d", found.wrong["false OK"])
	t.Logf("%d jobs for %d days%s", jobs, days, y.counts)
	for _, problem := range y.problems {
		t.Error(problem)
	}
	if late := y.counts[lateWarnings]; late > 2+found.due/1_000_000 {
		t.Errorf("%d %s", late, lateWarnings)
	}
	for _, happened := range []string{
		"runs: succeeded", "runs: token_rejected", "runs: unreachable", "runs: target_failed", "starts doubled", "rejections",
		"data late", "data lost", "emails: TokenRejected ALARM", "emails: TokenExpiring ALARM", "emails: FailedRuns ALARM",
	} {
		if y.counts[happened] == 0 {
			t.Errorf("too little happened to prove anything: no %s", happened)
		}
	}
}

// TestSameSeedIsTheSameYear: what a count says can be looked into.
func TestSameSeedIsTheSameYear(t *testing.T) {
	t.Parallel()
	if diff := cmp.Diff(replay(t, 30, 6, 3, mistake{}).counts, replay(t, 30, 6, 3, mistake{}).counts); diff != "" {
		t.Error(diff)
	}
}

// TestMistakesInAlarmsAreSeenInAYear: what the replay checks, it can see.
func TestMistakesInAlarmsAreSeenInAYear(t *testing.T) {
	t.Parallel()
	const one = "          EvaluationPeriods: 1\n          DatapointsToAlarm: 1\n"
	for name, c := range map[string]struct {
		mistake mistake
		want    []string
		audit   string
	}{
		"an alarm that forgets": {
			mistake: mistake{"TreatMissingData: ignore", "TreatMissingData: notBreaching"},
			want:    []string{"false OK", "reported twice"}, audit: "false OK",
		},
		"an alarm that needs two minutes": {
			mistake: mistake{one, strings.ReplaceAll(one, "1", "2")}, want: []string{"missed"},
			audit: "missed rejections",
		},
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			y := replay(t, 60, 12, 7, c.mistake)
			for _, problem := range c.want {
				if y.counts["PROBLEM: "+problem] == 0 {
					t.Errorf("no %s%s", problem, y.counts)
				}
			}
			if found := y.ledger.audit(t, y); found.wrong[c.audit] == 0 {
				t.Errorf("the account has no %s%s", c.audit, found.wrong)
			}
		})
	}
}

// drawTokens: a rotated token gets less warning than its renewal leaves.
func (y *year) drawTokens() []row {
	var rows []row
	for i := range tokenCount {
		c := &credential{name: fmt.Sprintf("Token%d", i), good: true}
		y.tokens[c.name] = c
		warn := any(warnDays)
		if i%3 == 2 {
			warn = 0.3
		}
		rows = append(rows, row{c.name, fmt.Sprintf("{ Secret: token-%d, WarnDays: %v }", i, warn)})
	}
	return rows
}

func (y *year) drawJobs(t *testing.T, count int) []row {
	t.Helper()
	for range hostCount {
		y.hosts = append(y.hosts, &remote{})
	}
	zones := []string{"Europe/London", "America/New_York", "Australia/Sydney", "America/Sao_Paulo", "Asia/Kolkata", "UTC"}
	var rows []row
	for i := range count {
		zone := zones[i%len(zones)]
		expressions := []string{
			"rate(15 minutes)", "rate(1 hour)", "rate(1 hour)", "rate(1 hour)",
			fmt.Sprintf("cron(%d * * * ? *)", (i+i/tokenCount*7)%60), "rate(6 hours)",
			fmt.Sprintf("cron(%d %d * * ? *)", i%60, i%24), "cron(30 2 * * ? *)", "cron(0 9 ? * MON-FRI *)",
			"cron(30 1 * * ? *)",
		}
		s, err := schedule.Parse(expressions[i%len(expressions)], zone)
		if err != nil {
			t.Fatal(err)
		}
		hours := schedule.LeastSilentAfter(s.LongestGap(), 0, longestRun)
		w := &worker{
			name: fmt.Sprintf("Job%d", i), token: y.tokens[fmt.Sprintf("Token%d", i%tokenCount)], host: y.hosts[i%hostCount],
			// Rates count from another minute each: runs in one minute would make up for each other's lost data.
			anchor:      newYear.Add(time.Duration((i*13+i/tokenCount*7)%60) * time.Minute),
			zone:        zone,
			silentAfter: time.Duration(hours) * time.Hour, worked: newYear,
		}
		w.schedule = s.Anchored(w.anchor)
		y.jobs[w.name], y.order = w, append(y.order, w)
		rows = append(rows, job(w.name, s.String(), zone, fmt.Sprintf("/v1/%d", i), w.token.name, hours))
	}
	return rows
}

func (y *year) between(least, most time.Duration) time.Duration {
	return least + time.Duration(y.chance.Int64N(int64(most-least)))
}

func (y *year) oneIn(n int) bool { return y.chance.IntN(n) == 0 }

// problem is something that must not happen; the texts of the first are kept.
func (y *year) problem(kind, format string, args ...any) {
	y.counts["PROBLEM: "+kind]++
	if len(y.problems) < 20 {
		y.problems = append(y.problems, kind+": "+fmt.Sprintf(format, args...))
	}
}

// plans draws what happens to the world, and starts the jobs.
func (y *year) plans() {
	for i := range tokenCount {
		c := y.tokens[fmt.Sprintf("Token%d", i)]
		[]func(*credential){y.revoked, y.expiring, y.rotated}[i%3](c)
	}
	for _, e := range y.hosts {
		y.outages(e)
	}
	y.metricsDown()
	y.morning(newYear.Add(32 * time.Hour))
	for _, w := range y.order {
		y.start(w, newYear.Add(-time.Nanosecond))
	}
}

// revoked: a token that does not expire, that someone revokes every four months or so, and that an operator replaces
// within days.
func (y *year) revoked(c *credential) {
	y.plan(y.at.Add(y.between(day, 240*day)), func(at time.Time) {
		y.die(c, "tokens revoked")
		y.plan(at.Add(y.between(10*time.Minute, 96*time.Hour)), func(time.Time) {
			y.renew(c, time.Time{})
			y.revoked(c)
		})
	})
}

// expiring: a token of 90 days that an operator renews when the alarm warns, or some days too late.
func (y *year) expiring(c *credential) {
	life := 90 * day
	if c.version == 0 {
		life = y.between(20*day, life)
	}
	y.renew(c, y.at.Add(life))
	renewal := c.expires.Add(-warnDays * day).Add(y.between(time.Hour, 10*day))
	if renewal.After(c.expires) {
		y.plan(c.expires, func(time.Time) {
			y.die(c, "tokens expired")
			if c.sawWarnPeriod && y.AlarmState("TokenExpiring-"+c.name) != alarm.InAlarm {
				y.problem("expired without a warning", "token %s at %s", c.name, c.expires)
			}
		})
	}
	y.plan(renewal, func(time.Time) { y.expiring(c) })
}

// rotated: a token of a day that the rotator renews every twelve hours. One renewal in sixty fails, and with it up to
// four that follow.
func (y *year) rotated(c *credential) {
	y.counts["rotations"]++
	y.renew(c, y.at.Add(day))
	next := y.at.Add(day / 2)
	if y.oneIn(60) {
		next = next.Add(time.Duration(1+y.chance.IntN(4)) * day / 2)
	}
	if version := c.version; next.After(c.expires) {
		y.plan(c.expires, func(time.Time) {
			if c.version == version {
				y.die(c, "tokens expired")
			}
		})
	}
	y.plan(next, func(time.Time) { y.rotated(c) })
}

func (y *year) die(c *credential, how string) {
	c.good = false
	y.counts[how]++
}

func (y *year) renew(c *credential, expires time.Time) {
	c.good, c.expires, c.sawWarnPeriod = true, expires, false
	c.version++
}

// outages: a host is down, or answers 500, for minutes or half a day, every three weeks or so.
func (y *year) outages(e *remote) {
	y.plan(y.at.Add(y.between(time.Hour, 40*day)), func(at time.Time) {
		y.counts["outages of hosts"]++
		e.down = y.oneIn(2)
		e.broken = !e.down
		d := y.between(2*time.Minute, time.Hour)
		if y.oneIn(4) {
			d = y.between(time.Hour, 14*time.Hour)
		}
		y.plan(at.Add(d), func(time.Time) {
			e.down, e.broken = false, false
			y.outages(e)
		})
	})
}

// metricsDown: CloudWatch accepts nothing for an hour or two, a few times a year.
func (y *year) metricsDown() {
	y.plan(y.at.Add(y.between(20*day, 120*day)), func(at time.Time) {
		y.noMetrics = true
		y.plan(at.Add(y.between(10*time.Minute, 2*time.Hour)), func(time.Time) {
			y.noMetrics = false
			y.metricsDown()
		})
	})
}

// morning: an operator deals with the failed runs.
func (y *year) morning(at time.Time) {
	y.plan(at, func(at time.Time) {
		y.Queue("FailedRuns").Purge()
		y.morning(at.Add(day))
	})
}

// start plans a job's next run. Scheduler delivers one start in two thousand twice, and loses one in twenty thousand.
func (y *year) start(w *worker, after time.Time) {
	nominal, ok := w.schedule.Next(after)
	if !ok || !nominal.Before(y.end) {
		return
	}
	y.plan(nominal.Add(y.between(0, 55*time.Second)), func(at time.Time) {
		y.start(w, nominal)
		y.ledger.due(w.name, nominal)
		if y.oneIn(20000) {
			y.counts["starts lost"]++
			y.ledger.lost++
			return
		}
		y.run(w, at)
		if y.oneIn(2000) {
			y.counts["starts doubled"]++
			y.plan(at.Add(y.between(time.Second, 3*time.Minute)), func(at time.Time) {
				y.ledger.doubled++
				y.run(w, at)
			})
		}
	})
}

// draw is what a run finds.
func (y *year) draw(w *worker) (caller.Outcome, endpoint.Verdict) {
	switch {
	case w.host.down:
		return caller.Unreachable, endpoint.Unknown
	case w.host.broken || y.oneIn(3000):
		return caller.TargetFailed, endpoint.Unknown
	case !w.token.good:
		return caller.TokenRejected, endpoint.Rejected
	default:
		return caller.Succeeded, endpoint.Accepted
	}
}

func (y *year) run(w *worker, at time.Time) {
	c := w.token
	res := caller.Result{Job: w.name, Token: c.name}
	res.Outcome, res.Verdict = y.draw(w)
	if !c.expires.IsZero() {
		res.TokenExpiresAt = &c.expires
	}
	y.counts["runs: "+string(res.Outcome)]++
	stored := y.publishers[y.chance.IntN(environments)].Publish(y.t.Context(), res.Report(at)) == nil
	if res.Outcome != caller.Succeeded {
		y.ledger.failed++
		if err := y.Queue("FailedRuns").Send(`{"requestContext":{"condition":"RetriesExhausted"}}`, nil); err != nil {
			y.problem("lost record", "%v", err)
		}
	}
	y.learn(c, res.Verdict, at, stored)
	if stored {
		if left := c.expires.Sub(at); !c.expires.IsZero() && left < warnDays*day-2*time.Hour {
			c.sawWarnPeriod = true
		}
		if res.Verdict != endpoint.Unknown { // the job's target answered
			w.worked = at
		}
		if res.Verdict == endpoint.Rejected {
			y.reminder.Remind(y.t.Context(), reminding.Rejection{Token: c.name, Job: w.name, Version: fmt.Sprint(c.version)})
		}
	}
	if y.oneIn(5000) { // an environment is stopped, and with it what it remembers
		y.publishers[y.chance.IntN(environments)] = metric.NewPublisher(y, metric.DefaultNamespace, y.Stack.StackName)
	}
}

// learn keeps the truth about a token, and checks what must follow on a rejection that is stored.
func (y *year) learn(c *credential, verdict endpoint.Verdict, at time.Time, stored bool) {
	if verdict == endpoint.Unknown {
		return
	}
	y.ledger.found(c.name, verdict, at, stored)
	if verdict == endpoint.Rejected && c.verdict != endpoint.Rejected {
		y.unreported(c)
		c.episode++
		c.began = at
		y.counts["rejections"]++
	}
	c.verdict = verdict
	if !stored {
		return
	}
	c.stored, c.storedAt = verdict, at
	if episode := c.episode; verdict == endpoint.Rejected {
		y.plan(at.Truncate(time.Minute).Add(time.Minute+time.Second), func(at time.Time) {
			if y.AlarmState("TokenRejected-"+c.name) != alarm.InAlarm || c.raised < episode {
				y.problem("missed", "at %s the alarm of %s does not report the rejection of the minute before", at, c.name)
			}
		})
	}
}

// unreported counts a rejection that was over before its alarm reported it: its data were late or lost, and no other
// run met it.
func (y *year) unreported(c *credential) {
	if c.raised < c.episode {
		y.counts["rejections never reported, as their data were late or lost"]++
	}
}

// loses: one PutMetricData in forty fails, and all while CloudWatch is down. The data come late, through the log, or
// not at all.
func (y *year) loses(in *cloudwatch.PutMetricDataInput) bool {
	if !y.noMetrics && !y.oneIn(40) {
		return false
	}
	if y.oneIn(10) {
		y.counts["data lost"]++
		return true
	}
	y.counts["data late"]++
	y.plan(y.at.Add(y.between(30*time.Second, 25*time.Minute)), func(now time.Time) {
		y.store(in)
		for _, d := range in.MetricData {
			owner, at, one := aws.ToString(d.Dimensions[1].Value), aws.ToTime(d.Timestamp), aws.ToFloat64(d.Value) == 1
			if aws.ToString(d.MetricName) == metric.TokenRejected {
				y.ledger.late(owner, at, now)
			}
			switch name := aws.ToString(d.MetricName); {
			case name == metric.TokenRejected && y.tokens[owner].storedAt.Before(at):
				c := y.tokens[owner]
				c.storedAt, c.stored = at, map[bool]endpoint.Verdict{true: endpoint.Rejected, false: endpoint.Accepted}[one]
			case name == metric.Heartbeat && one && y.jobs[owner].worked.Before(at):
				y.jobs[owner].worked = at
			}
		}
	})
	return true
}

// observe compares what the alarms say with the truth.
func (y *year) observe(e awssim.Event) {
	switch {
	case e.Alarm != nil:
		kind, owner := split(e.Alarm.Alarm.Name)
		switch kind {
		case "TokenRejected":
			y.rejection(y.tokens[owner], e)
		case "TokenExpiring":
			y.expiry(y.tokens[owner], e)
		case "Silent":
			y.silence(y.jobs[owner], e)
		}
	case e.Email != nil:
		of, _ := split(e.Email.Alarm)
		what := strings.TrimSpace(strings.TrimSuffix(kind(*e.Email), e.Email.Alarm))
		y.counts["emails: "+of+" "+what]++
	}
}

func (y *year) rejection(c *credential, e awssim.Event) {
	change := e.Alarm
	if !strings.HasPrefix(change.Reason, "Reminder: ") {
		y.ledger.changes[c.name] = append(y.ledger.changes[c.name], alarmChange{e.At.UnixNano(), change.To})
	}
	switch {
	case change.To == alarm.InAlarm && strings.HasPrefix(change.Reason, "Reminder: "):
		if e.At.Sub(c.reportedAt) < remindAfter {
			y.problem("early reminder", "%s: of %s after %s", e.At, c.name, e.At.Sub(c.reportedAt))
		}
		c.reportedAt = e.At
	case change.To == alarm.InAlarm:
		if c.raised == c.episode {
			y.problem("reported twice", "%s: a rejection of %s", e.At, c.name)
		}
		c.raised, c.reportedAt = c.episode, e.At
		// Two minutes are the rule: the minute's end, and an evaluation.
		if e.At.Sub(c.began) > 2*time.Minute {
			y.counts["rejections reported after more than two minutes, as their data were late or lost"]++
		}
	case change.To == alarm.OK && c.stored != endpoint.Accepted:
		y.problem("false OK", "%s: of %s, whose last verdict is %q", e.At, c.name, c.stored)
	}
}

const lateWarnings = "warnings of a token that had been renewed, as the data since were late or lost"

func (y *year) expiry(c *credential, e awssim.Event) {
	left := c.expires.Sub(e.At).Hours() / 24
	switch {
	// While there are no newer data, CloudWatch evaluates older ones, of the hour in which the token was renewed.
	case e.Alarm.To == alarm.InAlarm && left >= e.Alarm.Alarm.Threshold:
		y.counts[lateWarnings]++
	case e.Alarm.To == alarm.InAlarm && c.warned == c.version:
		y.problem("reported twice", "%s: the expiry of %s", e.At, c.name)
	case e.Alarm.To == alarm.InAlarm:
		c.warned = c.version
	case e.Alarm.To == alarm.OK && left < e.Alarm.Alarm.Threshold:
		y.problem("false OK", "%s: %s expires in %.2f days", e.At, c.name, left)
	}
}

func (y *year) silence(w *worker, e awssim.Event) {
	if e.Alarm.To == alarm.OK || e.Alarm.From != alarm.OK {
		return
	}
	y.counts["silences"]++
	// An hour less: the period of the last heartbeat may have been as long.
	if since := e.At.Sub(w.worked); since < w.silentAfter-time.Hour {
		y.problem("false silence", "%s: %s, which worked %s before", e.At, w.name, since)
	}
}
