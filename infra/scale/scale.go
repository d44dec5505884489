// Package scale answers on paper what many schedules at one moment ask of an account's quotas, how wide Window must
// be, and what a month costs. Its tests hold docs/scale-and-cost.md to it.
package scale

import (
	"fmt"
	"math"
	"strings"
	"time"
)

// Quotas are an account's defaults in us-east-1, a second each unless said otherwise. AWS raises each on request.
// Sources, read on 24 November 2026: EventBridge Scheduler User Guide, "Quotas"; Lambda Developer Guide, "Lambda scaling
// behavior" and "Understanding Lambda function scaling"; Secrets Manager User Guide, "Quotas"; CloudWatch User Guide,
// "Service quotas".
type Quotas struct {
	SchedulerStarts   float64 // Invocations throttle limit
	LambdaConcurrency float64 // executions at once, all functions of the account together
	LambdaGrowth      float64 // more environments of one function in ten seconds
	SecretReads       float64 // GetSecretValue and DescribeSecret together
	MetricPuts        float64 // PutMetricData
}

// Defaults are what an account has that never asked for more.
var Defaults = Quotas{SchedulerStarts: 1000, LambdaConcurrency: 1000, LambdaGrowth: 1000, SecretReads: 10_000, MetricPuts: 500}

// Fleet is many jobs with the same schedule.
type Fleet struct {
	Jobs         int
	JobsPerToken int
	JobsPerStack int
	RunsPerMonth int           // of each job
	Run          time.Duration // billed, of a run in a warm environment
	Cold         time.Duration // billed, of an environment's start and first run
	ColdShare    float64       // how many of the runs are first ones
	LogBytes     int           // of each run, Lambda's own lines included
}

// Load is what one start of all jobs, spread over a window, asks for.
type Load struct {
	Starts      float64 // a second
	Concurrency float64
	SecretReads float64 // a second, if no environment meets a token again
	MetricPuts  float64 // a second
	Duration    time.Duration
}

// LoadOver spreads the starts evenly over a window. Without one Scheduler starts as many in a second as it may.
func (f Fleet) LoadOver(window time.Duration, q Quotas) Load {
	starts := q.SchedulerStarts
	if window > 0 {
		starts = math.Min(starts, float64(f.Jobs)/window.Seconds())
	}
	starts = math.Min(starts, float64(f.Jobs))
	return Load{
		Starts: starts, Concurrency: starts * f.Run.Seconds(), SecretReads: starts, MetricPuts: starts,
		Duration: time.Duration(float64(f.Jobs) / starts * float64(time.Second)),
	}
}

// Over lists the quotas that a load exceeds.
func (l Load) Over(q Quotas) []string {
	var over []string
	for _, c := range []struct {
		name         string
		asked, quota float64
	}{
		{"Scheduler's starts", l.Starts, q.SchedulerStarts},
		{"Lambda's concurrency", l.Concurrency, q.LambdaConcurrency},
		{"Lambda's growth", l.Concurrency, q.LambdaGrowth},
		{"Secrets Manager's reads", l.SecretReads, q.SecretReads},
		{"PutMetricData", l.MetricPuts, q.MetricPuts},
	} {
		if c.asked > c.quota {
			over = append(over, c.name)
		}
	}
	return over
}

// Window is the least number of whole minutes within which no quota is exceeded; 0 means on time. A third of each quota
// is left to the rest of the account and to second tries.
func (f Fleet) Window(q Quotas) int {
	const share = 2.0 / 3
	within := Quotas{q.SchedulerStarts * share, q.LambdaConcurrency * share, q.LambdaGrowth * share, q.SecretReads * share, q.MetricPuts * share}
	onTime := f.LoadOver(0, Quotas{SchedulerStarts: math.Inf(1)})
	if len(onTime.Over(within)) == 0 {
		return 0
	}
	for minutes := 1; minutes <= 1440; minutes++ {
		if len(f.LoadOver(time.Duration(minutes)*time.Minute, q).Over(within)) == 0 {
			return minutes
		}
	}
	return -1
}

// Prices are list prices in us-east-1 in dollars, without any free tier.
type Prices struct {
	SchedulerMillion, RequestMillion, GBSecond, SecretMonth, SecretReads10k, PutsThousand, AlarmMonth, LogGB, KeyMonth float64

	MetricFirst, MetricNext float64 // a month, of the first 10,000 and of the next 240,000
}

// List is of 24 November 2026; docs/scale-and-cost.md has the source of each.
var List = Prices{
	SchedulerMillion: 1, RequestMillion: 0.20, GBSecond: 0.0000133334, SecretMonth: 0.40, SecretReads10k: 0.05,
	PutsThousand: 0.01, AlarmMonth: 0.10, LogGB: 0.50, KeyMonth: 1, MetricFirst: 0.30, MetricNext: 0.10,
}

const (
	memoryGB       = 0.125
	stackAlarms    = 6
	alarmsPerToken = 2
	alarmsPerJob   = 1
	seriesPerToken = 2 // TokenRejected, TokenDaysToExpiry
	seriesPerJob   = 1 // Heartbeat
	firstTier      = 10_000
)

// AlarmsInTemplate is how many the template writes down, those of a token and of a job once each.
const AlarmsInTemplate = stackAlarms + alarmsPerToken + alarmsPerJob

// Item is a line of a month's bill.
type Item struct {
	What    string
	Amount  float64
	Unit    string
	Dollars float64
}

func (f Fleet) tokens() int { return (f.Jobs + f.JobsPerToken - 1) / f.JobsPerToken }
func (f Fleet) stacks() int { return (f.Jobs + f.JobsPerStack - 1) / f.JobsPerStack }

// Bill is what a month costs. Runs are an hour apart or so: each publishes, and each reads its secret, as nothing good
// said or read is kept for longer than five minutes.
func (f Fleet) Bill(p Prices) []Item {
	runs := float64(f.Jobs * f.RunsPerMonth)
	seconds := runs * ((1-f.ColdShare)*f.Run.Seconds() + f.ColdShare*f.Cold.Seconds())
	series := float64(f.Jobs*seriesPerJob + f.tokens()*seriesPerToken)
	alarms := float64(f.Jobs*alarmsPerJob + f.tokens()*alarmsPerToken + f.stacks()*stackAlarms)
	logs := runs * float64(f.LogBytes) / 1e9
	return []Item{
		{"schedule starts", runs, "", runs / 1e6 * p.SchedulerMillion},
		{"function requests", runs, "", runs / 1e6 * p.RequestMillion},
		{"function time", seconds * memoryGB, "GB-s", seconds * memoryGB * p.GBSecond},
		{"secret reads", runs, "", runs / 1e4 * p.SecretReads10k},
		{"secrets", float64(f.tokens()), "", float64(f.tokens()) * p.SecretMonth},
		{"metric calls", runs, "", runs / 1e3 * p.PutsThousand},
		{"metrics", series, "", math.Min(series, firstTier)*p.MetricFirst + math.Max(series-firstTier, 0)*p.MetricNext},
		{"alarms", alarms, "", alarms * p.AlarmMonth},
		{"logs", logs, "GB", logs * p.LogGB},
		{"keys", float64(f.stacks()), "", float64(f.stacks()) * p.KeyMonth},
	}
}

// Total adds a bill up.
func Total(bill []Item) float64 {
	sum := 0.0
	for _, i := range bill {
		sum += i.Dollars
	}
	return sum
}

// Tables are the part of docs/scale-and-cost.md that is arithmetic, as Markdown.
func Tables(small, large Fleet, q Quotas, p Prices) string {
	var b strings.Builder
	fmt.Fprintf(&b, "One start of %s jobs, each %s long, at the top of an hour:\n\n", number(float64(large.Jobs)), large.Run)
	fmt.Fprintf(&b, "| `Window` | starts a second | all started after | at once in Lambda (%s) | secret reads a second (%s) | metric calls a second (%s) | over the default quota |\n|---|---|---|---|---|---|---|\n",
		number(q.LambdaConcurrency), number(q.SecretReads), number(q.MetricPuts))
	needed := large.Window(q)
	for _, minutes := range []int{0, 2, needed, 15, 60} {
		l := large.LoadOver(time.Duration(minutes)*time.Minute, q)
		over := strings.Join(l.Over(q), ", ")
		if over == "" {
			over = "none"
		}
		name := fmt.Sprintf("%d min", minutes)
		if minutes == 0 {
			name = "none"
		}
		if minutes == needed {
			name = "**" + name + "**"
		}
		fmt.Fprintf(&b, "| %s | %s | %s | %s | %s | %s | %s |\n", name, number(l.Starts), l.Duration.Round(time.Second), number(l.Concurrency), number(l.SecretReads), number(l.MetricPuts), over)
	}
	fmt.Fprintf(&b, "\n`Window: %d` is the least that leaves a third of every default quota free; %s jobs need none.\n", needed, number(float64(small.Jobs)))
	fmt.Fprintf(&b, "\nA month at list prices, each job once an hour:\n\n| item | %s jobs | $ | %s jobs | $ |\n|---|---|---|---|---|\n", number(float64(small.Jobs)), number(float64(large.Jobs)))
	few, many := small.Bill(p), large.Bill(p)
	for i := range few {
		fmt.Fprintf(&b, "| %s | %s %s | %s | %s %s | %s |\n", few[i].What, number(few[i].Amount), few[i].Unit, dollars(few[i].Dollars), number(many[i].Amount), many[i].Unit, dollars(many[i].Dollars))
	}
	fmt.Fprintf(&b, "| **total** | | **%s** | | **%s** |\n", dollars(Total(few)), dollars(Total(many)))
	fmt.Fprintf(&b, "| of one job | | %s | | %s |\n", dollars(Total(few)/float64(small.Jobs)), dollars(Total(many)/float64(large.Jobs)))
	return strings.ReplaceAll(b.String(), "  |", " |")
}

func dollars(v float64) string {
	if v >= 100 {
		return number(v)
	}
	return fmt.Sprintf("%.2f", v)
}

// number writes 73000000 as 73,000,000, and what is below ten with the digits that it has.
func number(v float64) string {
	if v < 10 && v != math.Trunc(v) {
		return fmt.Sprintf("%.2g", v)
	}
	text := fmt.Sprintf("%.0f", v)
	for at := len(text) - 3; at > 0; at -= 3 {
		text = text[:at] + "," + text[at:]
	}
	return text
}
