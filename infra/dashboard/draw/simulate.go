package main

import (
	"bytes"
	"encoding/json"
	"fmt"
	"log/slog"
	"math/rand/v2"
	"slices"
	"time"

	"github.com/cronbearer/cronbearer/infra/dashboard/insights"
	"github.com/cronbearer/cronbearer/internal/caller"
	"github.com/cronbearer/cronbearer/internal/logs"
	"github.com/cronbearer/cronbearer/internal/metric"
	"github.com/cronbearer/cronbearer/internal/target"
)

// now is when the picture is taken: a Monday afternoon.
var now = time.Date(2026, time.November, 23, 14, 40, 0, 0, time.UTC)

const week = 7 * 24 * time.Hour

// sample is one datum of a metric.
type sample struct {
	at    time.Time
	value float64
}

// series is a metric with its dimensions, written as one text.
type series struct {
	namespace, name string
	dimensions      [2]string // the one beside Stack, or the only one
}

// world is a week of one stack, made up, from which CloudWatch's metrics and the log lines follow.
type world struct {
	random  *rand.Rand
	samples map[series][]sample
	lines   []insights.Line
	names   names
}

// names are what AWS called the stack's resources.
type names struct{ namespace, function, group, failedRuns, deadLetters string }

// token is dead in its outages.
type token struct {
	name    string
	ends    time.Time // zero: not known
	outages [][2]time.Time
}

type job struct {
	name   string
	token  string
	starts func(t time.Time) bool // asked each minute
	took   float64                // ms, about
	broken [][2]time.Time
}

func at(day, hour, minute int) time.Time {
	return time.Date(2026, time.November, day, hour, minute, 0, 0, time.UTC)
}

func within(t time.Time, spans [][2]time.Time) bool {
	return slices.ContainsFunc(spans, func(s [2]time.Time) bool { return !t.Before(s[0]) && t.Before(s[1]) })
}

var (
	tokens = []token{
		{name: "ExampleApi", ends: at(27, 2, 0).AddDate(0, 1, 0), outages: [][2]time.Time{{at(18, 9, 40), at(18, 13, 5)}, {at(23, 11, 30), at(30, 0, 0)}}},
		{name: "Billing", ends: at(29, 6, 0)},
		{name: "Crm"}, // minted
	}
	jobs = []job{
		{name: "DailyReport", token: "ExampleApi", took: 2400, starts: func(t time.Time) bool {
			return t.Hour() == 9 && t.Minute() == 0 && t.Weekday() != time.Saturday && t.Weekday() != time.Sunday
		}},
		{name: "HourlySync", token: "ExampleApi", took: 420, starts: func(t time.Time) bool { return t.Minute() == 0 }},
		{name: "InvoiceExport", token: "Billing", took: 1300, starts: func(t time.Time) bool { return t.Hour()%6 == 2 && t.Minute() == 15 }, broken: [][2]time.Time{{at(20, 2, 0), at(20, 15, 0)}}},
		{name: "CrmMirror", token: "Crm", took: 260, starts: func(t time.Time) bool { return t.Minute()%30 == 10 }},
		{name: "NightlyCleanup", token: "Crm", took: 5200, starts: func(t time.Time) bool { return t.Hour() == 3 && t.Minute() == 0 }, broken: [][2]time.Time{{at(21, 3, 0), at(21, 4, 0)}}},
	}
	// emptied is when somebody sent the failed runs again.
	emptied = []time.Time{at(18, 13, 20), at(20, 16, 0), at(21, 8, 30)}
)

// simulate makes up the week. It is the same each time.
func simulate(n names) *world {
	w := &world{random: rand.New(rand.NewPCG(1, 2)), samples: map[series][]sample{}, names: n} //nolint:gosec // a picture needs no secrecy
	kept := 0.0
	for t := now.Add(-week); t.Before(now); t = t.Add(time.Minute) {
		if slices.Contains(emptied, t) {
			kept = 0
		}
		for _, j := range jobs {
			if j.starts(t) && w.run(j, t) {
				kept++
			}
		}
		if t.Minute()%5 == 0 && (kept > 0 || slices.ContainsFunc(emptied, func(e time.Time) bool { return t.Sub(e) >= 0 && t.Sub(e) < 2*time.Hour })) {
			w.add("AWS/SQS", "ApproximateNumberOfMessagesVisible", [2]string{"QueueName", n.failedRuns}, t, kept)
		}
	}
	w.add("AWS/SQS", "ApproximateNumberOfMessagesVisible", [2]string{"QueueName", n.deadLetters}, now.Add(-week), 0)
	return w
}

func (w *world) add(namespace, name string, dimension [2]string, t time.Time, value float64) {
	key := series{namespace, name, dimension}
	w.samples[key] = append(w.samples[key], sample{t, value})
}

// run is one run and what it leaves behind. It says whether the run failed.
func (w *world) run(j job, t time.Time) bool {
	tok := tokens[slices.IndexFunc(tokens, func(k token) bool { return k.name == j.token })]
	res := caller.Result{
		Job: j.name, Token: j.token, Outcome: caller.Succeeded, Verdict: target.Accepted, Status: 200, Attempts: 1,
		TokenVersion: "8f0e6d1c-3a52-4a7e-9d57-2b1f6c0a9e11", RunID: fmt.Sprintf("%08x-0000-5000-8000-%012x", t.Unix(), len(w.lines)),
		RequestID: fmt.Sprintf("%08x-0000-4000-8000-%012x", t.Unix(), len(w.lines)), DurationMS: int64(j.took * (0.7 + w.random.ExpFloat64()/3)),
	}
	if !tok.ends.IsZero() {
		res.TokenExpiresAt = &tok.ends
	}
	why := ""
	switch {
	case within(t, tok.outages):
		res.Outcome, res.Verdict, res.Status, res.Attempts, res.Rejections = caller.TokenRejected, target.Rejected, 401, 1, 1
		why = fmt.Sprintf("job %s: token %s is refused: the target answered 401 Unauthorized (invalid_token). Put a working one into its secret: aws secretsmanager put-secret-value …", j.name, j.token)
	case within(t, j.broken) && j.token == "Crm":
		res.Outcome, res.Verdict, res.Status, res.Attempts, res.DurationMS = caller.Unreachable, target.Unknown, 0, 3, 9340
		why = fmt.Sprintf("job %s: POST crm.example.com failed: connection refused, three times. It says nothing of token Crm.", j.name)
	case within(t, j.broken):
		res.Outcome, res.Verdict, res.Status, res.Attempts, res.DurationMS = caller.TargetFailed, target.Unknown, 503, 3, res.DurationMS+2600
		why = fmt.Sprintf("job %s: POST billing.example.com failed: the target answered 503 Service Unavailable, three times. It says nothing of token %s.", j.name, j.token)
	case j.name == "CrmMirror" && w.random.IntN(60) == 0:
		res.Attempts, res.Rejections, res.RecoveredWith = 2, 1, "minted"
	}
	w.log(res, t, why)

	n, stored := w.names, t.Add(time.Duration(res.DurationMS)*time.Millisecond)
	ofToken, ofJob := [2]string{metric.DimensionToken, j.token}, [2]string{metric.DimensionJob, j.name}
	if res.Verdict != target.Unknown {
		w.add(n.namespace, metric.TokenRejected, ofToken, stored, number(res.Verdict == target.Rejected))
	}
	if res.TokenExpiresAt != nil {
		w.add(n.namespace, metric.TokenDaysToExpiry, ofToken, stored, tok.ends.Sub(stored).Hours()/24)
	}
	w.add(n.namespace, metric.Heartbeat, ofJob, stored, number(res.Outcome == caller.Succeeded || res.Verdict == target.Rejected))
	w.add("AWS/Lambda", "Duration", [2]string{"FunctionName", n.function}, t, float64(res.DurationMS))
	w.add("AWS/Lambda", "Invocations", [2]string{"FunctionName", n.function}, t, 1)
	w.add("AWS/Lambda", "Throttles", [2]string{"FunctionName", n.function}, t, 0)
	w.add("AWS/Scheduler", "InvocationAttemptCount", [2]string{"ScheduleGroup", n.group}, t, 1)
	return why != ""
}

func number(b bool) float64 {
	if b {
		return 1
	}
	return 0
}

// log writes the line of the run with the program's own types, at the time that is simulated.
func (w *world) log(res caller.Result, t time.Time, why string) {
	var out bytes.Buffer
	log := logs.New(&out, slog.LevelInfo)
	if why == "" {
		log.Info("run", "result", res)
	} else {
		log.Error("run", "result", res, "error", why)
	}
	var line map[string]any
	if err := json.Unmarshal(out.Bytes(), &line); err != nil { // it was marshalled a moment ago
		return
	}
	line["timestamp"] = t.Add(time.Duration(res.DurationMS) * time.Millisecond).Format("2006-01-02T15:04:05.000Z")
	text, err := json.Marshal(line)
	if err != nil {
		return
	}
	if flat, err := insights.Flatten(t, text); err == nil {
		w.lines = append(w.lines, flat)
	}
}
