// Package pricing adds up what stacks cost a month, each line with its quantity and unit price, from the number of
// tokens and each job's own number of starts. Prices are list prices of us-east-1 without free tiers, read once: it is
// no price list of AWS, asks AWS nothing, and leaves out what only failures use (SQS, SNS) or what stays below a cent
// (KMS requests, the rotator's runs).
package pricing

import "time"

// AsOf is when the prices were read.
const AsOf = "24 November 2026"

// Region is whose list prices they are.
const Region = "us-east-1"

// Price is what one unit costs.
type Price struct {
	What   string
	USD    float64
	Source string
}

// AWS's price pages load their figures by script, so most sources are others'. docs/costs.md has them all.
var (
	Starts = Price{
		"EventBridge Scheduler, a million starts", 1.00, "cloudburn.io, Amazon EventBridge pricing, March 2026",
	}
	Requests     = Price{"Lambda, a million requests", 0.20, "Lambda cost notes of mariano/lambda_local_runner, as stored"}
	GBSeconds    = Price{"Lambda arm64, a GB-second", 0.0000133334, "the same"}
	Secrets      = Price{"Secrets Manager, a secret and month", 0.40, "hivebook.wiki, AWS Secrets Manager"}
	SecretReads  = Price{"Secrets Manager, 10,000 calls", 0.05, "the same"}
	Metrics      = Price{"CloudWatch, a metric and month", 0.30, "signoz.io, CloudWatch pricing, February 2026"}
	MoreMetrics  = Price{"CloudWatch, a metric and month from the 10,001st", 0.10, "from memory"}
	MetricCalls  = Price{"CloudWatch, 1,000 `PutMetricData`", 0.01, "from memory"}
	Alarms       = Price{"CloudWatch, an alarm and month", 0.10, "from memory"}
	LogGigabytes = Price{"CloudWatch Logs, a GB ingested", 0.50, "factualminds.com, CloudWatch pricing, June 2026"}
	Keys         = Price{"KMS, a key and month", 1.00, "factualminds.com, AWS KMS pricing, June 2026"}
)

// List is every price that Month uses.
var List = []Price{
	Starts, Requests, GBSeconds, Secrets, SecretReads, Metrics, MoreMetrics, MetricCalls, Alarms, LogGigabytes, Keys,
}

// What template.yaml makes for each. A test counts them there.
const (
	StackAlarms  = 5
	TokenAlarms  = 2
	JobAlarms    = 1
	MemoryGB     = 0.125
	firstMetrics = 10_000 // of an account, at the first price
	logBytes     = 1100   // of each run, Lambda's own lines included
)

// Month is 730 hours, as in AWS's own calculator.
const Month = 730 * time.Hour

// maxNews is how often a month a job reads its secret and publishes: nothing good that was read or said is asked for or
// repeated within five minutes.
const maxNews = float64(Month / (5 * time.Minute))

// DefaultRun is the billed time of a run whose target answers in 200 ms, in an environment that is started for it, as
// for a job once an hour.
const DefaultRun = 320 * time.Millisecond

// Stack is what one stack is billed for.
type Stack struct {
	OwnTopic bool // and with it a key; false: AlarmTopicArn
	Tokens   []Token
	Jobs     []Job
}

// Token is one of the stack's. Runs publish the days until it expires if they know when.
type Token struct{ Expires bool }

// Job is one of the stack's.
type Job struct {
	Starts float64       // a month
	Run    time.Duration // billed for each; zero: DefaultRun
}

// Item is a line of a bill.
type Item struct {
	Group    string // stack, tokens, jobs or runs
	What     string
	Quantity float64
	Unit     float64 // price of one, in dollars
}

// Amount is the line's, in dollars.
func (i Item) Amount() float64 { return i.Quantity * i.Unit }

// Bill is what a month of the stacks costs in one account.
func Bill(stacks ...Stack) []Item {
	var keys, tokens, tokenMetrics, jobs, starts, seconds, news float64
	for _, s := range stacks {
		if s.OwnTopic {
			keys++
		}
		for _, t := range s.Tokens {
			tokens++
			tokenMetrics++ // TokenRejected
			if t.Expires {
				tokenMetrics++ // TokenDaysToExpiry
			}
		}
		for _, j := range s.Jobs {
			run := j.Run
			if run == 0 {
				run = DefaultRun
			}
			jobs++
			starts += j.Starts
			seconds += j.Starts * run.Seconds()
			news += min(j.Starts, maxNews)
		}
	}
	metric := metricPrice(tokenMetrics + jobs)
	return []Item{
		{"stack", "keys", keys, Keys.USD},
		{"stack", "alarms", float64(len(stacks)) * StackAlarms, Alarms.USD},
		{"tokens", "secrets", tokens, Secrets.USD},
		{"tokens", "alarms", tokens * TokenAlarms, Alarms.USD},
		{"tokens", "metrics", tokenMetrics, metric},
		{"jobs", "alarms", jobs * JobAlarms, Alarms.USD},
		{"jobs", "metrics", jobs, metric},
		{"runs", "starts", starts, Starts.USD / 1e6},
		{"runs", "function requests", starts, Requests.USD / 1e6},
		{"runs", "GB-seconds", seconds * MemoryGB, GBSeconds.USD},
		{"runs", "secret reads", news, SecretReads.USD / 1e4},
		{"runs", "metric calls", news, MetricCalls.USD / 1e3},
		{"runs", "GB of logs", starts * logBytes / 1e9, LogGigabytes.USD},
	}
}

// metricPrice is what one of so many costs on average.
func metricPrice(count float64) float64 {
	more := max(count-firstMetrics, 0)
	if more == 0 {
		return Metrics.USD
	}
	return (firstMetrics*Metrics.USD + more*MoreMetrics.USD) / count
}

// Total adds a bill up, or the groups of it that are named.
func Total(bill []Item, groups ...string) float64 {
	sum := 0.0
	for _, i := range bill {
		named := len(groups) == 0
		for _, g := range groups {
			named = named || g == i.Group
		}
		if named {
			sum += i.Amount()
		}
	}
	return sum
}
