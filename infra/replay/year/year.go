// Package year replays what a year brings to many jobs: outcomes are drawn by chance, go through the real
// metric.Publisher and metric.Reminder, and the local cloud's model of CloudWatch, SNS and EventBridge makes messages of
// them. No function runs: what a run makes of its outcome (verdict, heartbeat) is what package caller does, written down
// once more in report. Against the truth, which it knows, it checks what the alarms say.
package year

import (
	"context"
	"errors"
	"fmt"
	"log/slog"
	"maps"
	"math/rand/v2"
	"slices"
	"strings"
	"time"

	"github.com/aws/aws-sdk-go-v2/aws"
	"github.com/aws/aws-sdk-go-v2/service/cloudwatch"

	"github.com/cronbearer/cronbearer/infra/local"
	"github.com/cronbearer/cronbearer/infra/local/alarm"
	"github.com/cronbearer/cronbearer/infra/replay/scenes"
	"github.com/cronbearer/cronbearer/infra/schedule"
	"github.com/cronbearer/cronbearer/internal/metric"
)

// Options say what is replayed.
type Options struct {
	Template   string
	Jobs, Days int
	Seed       uint64
}

const (
	tokenCount   = 30
	hostCount    = 12
	environments = 6
	longestRun   = 15 * time.Minute
	remindAfter  = 20 * time.Hour
	warnDays     = 7
)

// Start is a January: the year has both clock changes.
var Start = time.Date(2027, time.January, 1, 0, 0, 0, 0, time.UTC)

// token is one credential and what is true of it.
type token struct {
	name    string
	good    bool
	expires time.Time // zero: unknown
	version int

	verdict       string // of the last run that had one
	stored        string // of the last one that CloudWatch has, by its time
	storedAt      time.Time
	episode       int // counts rejections that follow an acceptance
	began         time.Time
	raised        int // the episode that the alarm last told
	warned        int // the version that TokenExpiring last told
	toldAt        time.Time
	sawWarnPeriod bool // a run read the token within WarnDays of its end
}

// job is one job and what is true of it.
type job struct {
	name        string
	token       *token
	host        *host
	schedule    *schedule.Schedule
	silentAfter time.Duration
	worked      time.Time // last heartbeat of 1 that CloudWatch has
	silent      bool      // told
}

type host struct{ down, broken bool }

// replay is one year under way.
type replay struct {
	*world

	options    Options
	chance     *rand.Rand
	end        time.Time
	tokens     map[string]*token
	jobs       map[string]*job
	hosts      []*host
	publishers []*metric.Publisher
	reminder   *metric.Reminder
	noMetrics  bool // CloudWatch is down
	counts     Counts
}

// Replay plays it. The error names what was not as it must be.
func Replay(ctx context.Context, o Options) (Counts, error) {
	r := &replay{
		options: o, chance: rand.New(rand.NewPCG(o.Seed, 2027)), //nolint:gosec // the same each time
		end: Start.Add(time.Duration(o.Days) * 24 * time.Hour), tokens: map[string]*token{}, jobs: map[string]*job{},
		counts: Counts{Outcomes: map[string]int{}, Mails: map[string]int{}},
	}
	tokens, jobs, err := r.make()
	if err != nil {
		return r.counts, err
	}
	err = deploy(o.Template, Start, tokens, jobs, r.observe, func(w *world) error {
		r.world = w
		w.down = r.refuses
		for range environments {
			r.publishers = append(r.publishers, metric.NewPublisher(w, metric.DefaultNamespace, w.Stack.StackName))
		}
		r.reminder = metric.NewReminder(w, w.Stack.StackName+"-TokenRejected-", remindAfter, w.Now,
			func(context.Context, time.Duration) bool { return true }, slog.New(slog.DiscardHandler))
		r.plans(ctx)
		if err := w.play(ctx, r.end); err != nil {
			return err
		}
		for _, t := range r.tokens {
			r.untold(t)
		}
		return nil
	})
	return r.counts, errors.Join(err, r.counts.check())
}

// make draws tokens and jobs.
func (r *replay) make() (tokens, jobs []scenes.Row, err error) {
	for i := range tokenCount {
		t := &token{name: fmt.Sprintf("Token%d", i), good: true}
		r.tokens[t.name] = t
		tokens = append(tokens, scenes.Row{Name: t.name, Keys: fmt.Sprintf("{ Secret: token-%d, WarnDays: %g }", i, warnDaysOf(i))})
	}
	for range hostCount {
		r.hosts = append(r.hosts, &host{})
	}
	zones := []string{"Europe/London", "America/New_York", "Australia/Sydney", "America/Sao_Paulo", "Asia/Kolkata", "UTC"}
	for i := range r.options.Jobs {
		zone := zones[i%len(zones)]
		expressions := []string{
			"rate(15 minutes)", "rate(1 hour)", "rate(1 hour)", "rate(1 hour)", fmt.Sprintf("cron(%d * * * ? *)", (i+i/tokenCount*7)%60), "rate(6 hours)",
			fmt.Sprintf("cron(%d %d * * ? *)", i%60, i%24), "cron(30 2 * * ? *)", "cron(0 9 ? * MON-FRI *)", "cron(30 1 * * ? *)",
		}
		s, err := schedule.Parse(expressions[i%len(expressions)], zone)
		if err != nil {
			return nil, nil, fmt.Errorf("year: %w", err)
		}
		hours := schedule.LeastSilentAfter(s.LongestGap(), 0, longestRun)
		j := &job{
			name: fmt.Sprintf("Job%d", i), token: r.tokens[fmt.Sprintf("Token%d", i%tokenCount)], host: r.hosts[i%hostCount],
			// Rates count from another minute each: runs in one minute would make up for each other's lost data.
			schedule: s.Anchored(Start.Add(time.Duration((i*13+i/tokenCount*7)%60) * time.Minute)), silentAfter: time.Duration(hours) * time.Hour, worked: Start,
		}
		r.jobs[j.name] = j
		jobs = append(jobs, scenes.Row{Name: j.name, Keys: fmt.Sprintf(
			`{ Schedule: "%s", Timezone: %s, Call: "GET https://api.example.com/v1/%d", Token: %s, SilentAfter: %d }`, s, zone, i, j.token.name, hours)})
	}
	return tokens, jobs, nil
}

// warnDaysOf: a rotated token gets less than its renewal leaves.
func warnDaysOf(i int) float64 {
	if i%3 == 2 {
		return 0.3
	}
	return warnDays
}

func (r *replay) between(least, most time.Duration) time.Duration {
	return least + time.Duration(r.chance.Int64N(int64(most-least)))
}

func (r *replay) oneIn(n int) bool { return r.chance.IntN(n) == 0 }

// plans draws what happens to the world, and starts the jobs.
func (r *replay) plans(ctx context.Context) {
	for i := range tokenCount {
		t := r.tokens[fmt.Sprintf("Token%d", i)]
		switch i % 3 {
		case 0:
			r.revoked(t)
		case 1:
			r.expiring(t)
		case 2:
			r.rotated(t)
		}
	}
	for _, h := range r.hosts {
		r.outages(h)
	}
	r.metricsDown()
	r.morning(Start.Add(32 * time.Hour))
	for i := range r.options.Jobs {
		r.start(ctx, r.jobs[fmt.Sprintf("Job%d", i)], Start.Add(-time.Nanosecond))
	}
}

// revoked: a token without an end that somebody revokes every four months or so, and that a person mends within days.
func (r *replay) revoked(t *token) {
	r.plan(r.at.Add(r.between(24*time.Hour, 240*24*time.Hour)), func(at time.Time) {
		r.die(t)
		r.plan(at.Add(r.between(10*time.Minute, 96*time.Hour)), func(time.Time) {
			r.renew(t, time.Time{})
			r.revoked(t)
		})
	})
}

// expiring: a token of 90 days that a person renews when the alarm warns, or some days too late.
func (r *replay) expiring(t *token) {
	life := 90 * 24 * time.Hour
	if t.version == 0 {
		life = r.between(20*24*time.Hour, life)
	}
	r.renew(t, r.at.Add(life))
	renewal := t.expires.Add(-warnDays * 24 * time.Hour).Add(r.between(time.Hour, 10*24*time.Hour))
	if renewal.After(t.expires) {
		r.plan(t.expires, func(time.Time) {
			r.die(t)
			r.counts.Expired++
			if t.sawWarnPeriod && r.AlarmState("TokenExpiring-"+t.name) != alarm.InAlarm {
				r.counts.problem("token %s expired at %s without a warning", t.name, t.expires)
			}
		})
	}
	r.plan(renewal, func(time.Time) { r.expiring(t) })
}

// rotated: a token of a day that the rotator renews every twelve hours. One renewal in sixty fails, and with it up to
// four that follow.
func (r *replay) rotated(t *token) {
	r.counts.Rotations++
	r.renew(t, r.at.Add(24*time.Hour))
	next := r.at.Add(12 * time.Hour)
	if r.oneIn(60) {
		next = next.Add(time.Duration(1+r.chance.IntN(4)) * 12 * time.Hour)
	}
	if version := t.version; next.After(t.expires) {
		r.plan(t.expires, func(time.Time) {
			if t.version == version {
				r.die(t)
				r.counts.Expired++
			}
		})
	}
	r.plan(next, func(time.Time) { r.rotated(t) })
}

func (r *replay) die(t *token) {
	t.good = false
	r.counts.Deaths++
}

func (r *replay) renew(t *token, expires time.Time) {
	t.good, t.expires, t.sawWarnPeriod = true, expires, false
	t.version++
}

// outages: a host is down, or answers 500, for minutes or half a day, every three weeks or so.
func (r *replay) outages(h *host) {
	r.plan(r.at.Add(r.between(time.Hour, 40*24*time.Hour)), func(at time.Time) {
		r.counts.Outages++
		h.down = r.oneIn(2)
		h.broken = !h.down
		d := r.between(2*time.Minute, time.Hour)
		if r.oneIn(4) {
			d = r.between(time.Hour, 14*time.Hour)
		}
		r.plan(at.Add(d), func(time.Time) {
			h.down, h.broken = false, false
			r.outages(h)
		})
	})
}

// metricsDown: CloudWatch takes nothing for an hour or two, a few times a year.
func (r *replay) metricsDown() {
	r.plan(r.at.Add(r.between(20*24*time.Hour, 120*24*time.Hour)), func(at time.Time) {
		r.noMetrics = true
		r.plan(at.Add(r.between(10*time.Minute, 2*time.Hour)), func(time.Time) {
			r.noMetrics = false
			r.metricsDown()
		})
	})
}

// morning: a person deals with the failed runs.
func (r *replay) morning(at time.Time) {
	r.plan(at, func(at time.Time) {
		q := r.Queue("FailedRuns")
		if len(q.Messages()) > 0 {
			q.Purge()
			r.counts.Purges++
		}
		r.morning(at.Add(24 * time.Hour))
	})
}

// start plans a job's next run. Scheduler delivers one start in two thousand twice, and loses one in twenty thousand.
func (r *replay) start(ctx context.Context, j *job, after time.Time) {
	nominal, ok := j.schedule.Next(after)
	if !ok {
		return
	}
	late := r.between(0, 55*time.Second)
	r.plan(nominal.Add(late), func(at time.Time) {
		r.start(ctx, j, nominal)
		if r.oneIn(20000) {
			r.counts.Lost++
			return
		}
		r.run(ctx, j, at)
		if r.oneIn(2000) {
			r.counts.Duplicates++
			r.plan(at.Add(r.between(time.Second, 3*time.Minute)), func(at time.Time) { r.run(ctx, j, at) })
		}
	})
}

// run draws an outcome and reports it, as package caller does.
func (r *replay) run(ctx context.Context, j *job, at time.Time) {
	t := j.token
	outcome := "succeeded"
	switch {
	case j.host.down:
		outcome = "unreachable"
	case j.host.broken || r.oneIn(3000):
		outcome = "target_failed"
	case !t.good:
		outcome = "token_rejected"
	}
	r.counts.Runs++
	r.counts.Outcomes[outcome]++
	report := metric.Report{At: at, Job: j.name, Token: t.name, Expires: t.expires}
	rejected := outcome == "token_rejected"
	if rejected || outcome == "succeeded" {
		report.Rejected = &rejected
	}
	alive := rejected || outcome == "succeeded"
	report.Alive = &alive

	err := r.publishers[r.chance.IntN(environments)].Publish(ctx, report)
	if outcome != "succeeded" {
		if sent := r.Queue("FailedRuns").Send(`{"requestContext":{"condition":"RetriesExhausted"}}`, nil); sent != nil {
			r.counts.problem("the queue refuses: %v", sent)
		}
	}
	if left := t.expires.Sub(at); !t.expires.IsZero() && left < warnDays*24*time.Hour-2*time.Hour && err == nil {
		t.sawWarnPeriod = true
	}
	r.learn(t, report, err == nil)
	if alive && err == nil {
		j.worked, j.silent = at, false
	}
	if rejected && err == nil {
		r.reminder.Remind(ctx, metric.Rejection{Token: t.name, Job: j.name, Version: fmt.Sprint(t.version)})
	}
	if r.oneIn(5000) { // an environment ends, and with it what it remembers
		r.publishers[r.chance.IntN(environments)] = metric.NewPublisher(r.world, metric.DefaultNamespace, r.Stack.StackName)
	}
}

// learn keeps the truth about a token, and makes sure of what must follow on a rejection that is stored.
func (r *replay) learn(t *token, report metric.Report, stored bool) {
	if report.Rejected == nil {
		return
	}
	verdict := "accepted"
	if *report.Rejected {
		verdict = "rejected"
		if t.verdict != "rejected" {
			r.untold(t)
			t.episode++
			t.began = report.At
			r.counts.Episodes++
		}
	}
	t.verdict = verdict
	if !stored {
		return
	}
	t.stored, t.storedAt = verdict, report.At
	if verdict == "rejected" {
		episode := t.episode
		r.plan(report.At.Truncate(time.Minute).Add(time.Minute+time.Second), func(at time.Time) {
			if r.AlarmState("TokenRejected-"+t.name) != alarm.InAlarm || t.raised < episode {
				r.counts.Missed++
				r.counts.problem("at %s the alarm of %s does not tell the rejection of the minute before", at, t.name)
			}
		})
	}
}

// untold counts a rejection that ended before its alarm told of it: its data were late or lost, and no other run met it.
func (r *replay) untold(t *token) {
	if t.raised < t.episode {
		r.counts.Untold++
	}
}

// refuses: one PutMetricData in forty fails, and all while CloudWatch is down. The data come late, through the
// log, or not at all.
func (r *replay) refuses(in *cloudwatch.PutMetricDataInput) bool {
	if !r.noMetrics && !r.oneIn(40) {
		return false
	}
	r.counts.Late++
	if r.oneIn(10) {
		r.counts.Gone++
		return true
	}
	r.plan(r.at.Add(r.between(30*time.Second, 25*time.Minute)), func(time.Time) {
		r.store(in)
		for _, d := range in.MetricData {
			owner := aws.ToString(d.Dimensions[1].Value)
			switch metricName := aws.ToString(d.MetricName); {
			case metricName == metric.TokenRejected && r.tokens[owner].storedAt.Before(aws.ToTime(d.Timestamp)):
				t := r.tokens[owner]
				t.storedAt, t.stored = aws.ToTime(d.Timestamp), "accepted"
				if aws.ToFloat64(d.Value) == 1 {
					t.stored = "rejected"
				}
			case metricName == metric.Heartbeat && aws.ToFloat64(d.Value) == 1 && r.jobs[owner].worked.Before(aws.ToTime(d.Timestamp)):
				r.jobs[owner].worked = aws.ToTime(d.Timestamp)
			}
		}
	})
	return true
}

// observe holds what the alarms say against the truth.
func (r *replay) observe(e local.Event) {
	switch {
	case e.Alarm != nil:
		kind, owner := split(e.Alarm.Alarm.Name)
		switch kind {
		case "TokenRejected":
			r.rejection(r.tokens[owner], e)
		case "TokenExpiring":
			r.expiry(r.tokens[owner], e)
		case "Silent":
			r.silence(r.jobs[owner], e)
		}
	case e.Mail != nil:
		kind, _ := split(e.Mail.Alarm)
		state, _, ok := strings.Cut(e.Mail.Subject, ":")
		switch {
		case strings.Contains(e.Mail.Body, "Reminder: token"):
			state = "reminder"
		case !ok && strings.Contains(e.Mail.Body, "The silence is over"):
			state = "end"
		case !ok:
			state = "never worked"
		}
		r.counts.Mails[kind+" "+state]++
	}
}

func (r *replay) rejection(t *token, e local.Event) {
	change := e.Alarm
	switch {
	case change.To == alarm.InAlarm && strings.HasPrefix(change.Reason, "Reminder: "):
		if e.At.Sub(t.toldAt) < remindAfter {
			r.counts.problem("%s: a reminder of %s after %s", e.At, t.name, e.At.Sub(t.toldAt))
		}
		t.toldAt = e.At
	case change.To == alarm.InAlarm:
		if t.raised == t.episode {
			r.counts.Flaps++
			r.counts.problem("%s: the alarm of %s tells the same rejection twice", e.At, t.name)
		}
		t.raised, t.toldAt = t.episode, e.At
		// Two minutes are the rule: the minute's end, and an evaluation.
		if wait := e.At.Sub(t.began); wait > 2*time.Minute {
			r.counts.ToldLate++
			r.counts.Latest = max(r.counts.Latest, wait)
		}
	case change.To == alarm.OK && t.stored != "accepted":
		r.counts.FalseOK++
		r.counts.problem("%s: OK of %s, whose last verdict is %q", e.At, t.name, t.stored)
	}
}

func (r *replay) expiry(t *token, e local.Event) {
	left := t.expires.Sub(e.At).Hours() / 24
	switch e.Alarm.To {
	case alarm.InAlarm:
		if t.warned == t.version {
			r.counts.Flaps++
			r.counts.problem("%s: %s is said twice to expire", e.At, t.name)
		}
		t.warned = t.version
	case alarm.OK:
		if left < e.Alarm.Alarm.Threshold {
			r.counts.FalseOK++
			r.counts.problem("%s: %s is said not to expire, and has %.2f days left", e.At, t.name, left)
		}
	case alarm.InsufficientData:
	}
}

func (r *replay) silence(j *job, e local.Event) {
	if e.Alarm.To == alarm.OK || e.Alarm.From != alarm.OK {
		return
	}
	r.counts.Silences++
	// An hour less: the period in which the last sign of life stands may have been as long.
	if since := e.At.Sub(j.worked); since < j.silentAfter-time.Hour {
		r.counts.FalseSilences++
		r.counts.problem("%s: silence of %s, which worked %s before", e.At, j.name, since)
	}
}

// Counts are what came of a year.
type Counts struct {
	Runs                   int
	Outcomes               map[string]int
	Deaths, Expired        int // tokens that died, and those of them by their own end
	Rotations, Outages     int
	Lost, Duplicates       int // starts
	Late, Gone             int // data that CloudWatch did not take, and those of them that never came
	Episodes               int // a rejection after an acceptance
	Silences, Purges       int
	Mails                  map[string]int
	Missed, FalseOK, Flaps int
	ToldLate, Untold       int           // as the data were late or lost
	Latest                 time.Duration // from the first rejection to its alarm
	FalseSilences          int
	Problems               []string
}

func (c *Counts) problem(format string, args ...any) {
	if len(c.Problems) < 20 {
		c.Problems = append(c.Problems, fmt.Sprintf(format, args...))
	}
}

func (c *Counts) check() error {
	var problems []error
	for _, p := range c.Problems {
		problems = append(problems, errors.New(p))
	}
	return errors.Join(problems...)
}

func (c *Counts) String() string {
	var b strings.Builder
	fmt.Fprintf(&b, "  %d runs:", c.Runs)
	for _, outcome := range slices.Sorted(maps.Keys(c.Outcomes)) {
		fmt.Fprintf(&b, " %d %s,", c.Outcomes[outcome], outcome)
	}
	fmt.Fprintf(&b, " %d starts lost, %d doubled\n", c.Lost, c.Duplicates)
	fmt.Fprintf(&b, "  %d tokens died, %d of them by their own end; %d rotations; %d outages of hosts; %d data late, %d of them lost\n",
		c.Deaths, c.Expired, c.Rotations, c.Outages, c.Late, c.Gone)
	fmt.Fprintf(&b, "  %d rejections began; missed: %d; false OK: %d; told twice: %d; silences: %d, false: %d\n",
		c.Episodes, c.Missed, c.FalseOK, c.Flaps, c.Silences, c.FalseSilences)
	fmt.Fprintf(&b, "  of those rejections %d were told later than after two minutes, as their data were late or lost, the last after %s; never told: %d\n",
		c.ToldLate, c.Latest.Truncate(time.Minute), c.Untold)
	total := 0
	for _, n := range c.Mails {
		total += n
	}
	fmt.Fprintf(&b, "  %d mails:", total)
	for _, kind := range slices.Sorted(maps.Keys(c.Mails)) {
		fmt.Fprintf(&b, "\n    %5d × %s", c.Mails[kind], kind)
	}
	return b.String()
}
