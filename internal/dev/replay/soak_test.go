package replay_test

import (
	"bytes"
	"context"
	"encoding/json"
	"errors"
	"flag"
	"fmt"
	"math/rand/v2"
	"net/http"
	"path/filepath"
	"slices"
	"strings"
	"testing"
	"time"

	"github.com/cronbearer/cronbearer/internal/dev/awssim"
	"github.com/cronbearer/cronbearer/internal/dev/awssim/alarm"
	"github.com/cronbearer/cronbearer/internal/dev/awssim/api"
	"github.com/cronbearer/cronbearer/internal/dev/awssim/awssimtest"
	"github.com/cronbearer/cronbearer/internal/dev/idp"
	"github.com/cronbearer/cronbearer/internal/dev/upstream"
	"github.com/cronbearer/cronbearer/internal/metric"
)

// soakRuns is what make soak sets.
var soakRuns = flag.Int("soak", 1000, "how many runs TestSoak makes")

const (
	soakJobs = 20
	// windows is in how many parts the soak is measured. The first is not compared: caches fill, and it ends with a
	// restart.
	windows = 10
)

// soak is a caller and a rotator, each one process, under random faults of everything around them.
type soak struct {
	*stage

	chance  *rand.Rand
	answers []int  // statuses that the current run's requests were answered with; 0: none
	hangUps int    // how many of the next requests get no answer
	event   []byte // of the last run
	good    map[string]bool
	stored  map[string]int // tokens that were ever in a secret, by how often they were found in an output

	counts     counts
	duplicates int
	problems   []string
}

func (s *soak) oneIn(n int) bool { return s.chance.IntN(n) == 0 }

// TestSoak: however many runs there are and whatever fails around them, the processes do not grow, every start is
// accounted for exactly once, in the log, in Lambda's metrics, in the application's own and in the queues, each run
// says what its requests were answered with, and no token is in an output.
func TestSoak(t *testing.T) {
	t.Parallel()
	s := newSoak(t)
	minutes := *soakRuns / soakJobs
	begin := s.Now()
	var measured [][]usage
	for w := range windows {
		s.pass(begin.Add(time.Duration(minutes*(w+1)/windows)*time.Minute - 10*time.Second).Sub(s.Now()))
		measured = append(measured, s.measure())
		if w == 0 {
			s.goroutines("at the beginning") // it ends the processes
		}
	}
	s.drain()
	s.grown(measured)
	s.goroutines("at the end")
	s.addUp(minutes * soakJobs)
	t.Logf("%d jobs for %d minutes%s", soakJobs, minutes, s.counts)
	for _, p := range s.problems {
		t.Error(p)
	}
	for _, happened := range []string{
		"runs: succeeded", "runs: token_rejected", "runs: target_failed", "runs: unreachable", "rotations: finished",
		"faults: answers of the target", "faults: CloudWatch", "faults: Secrets Manager", "faults: deliveries",
	} {
		if s.counts[happened] == 0 {
			t.Errorf("too little happened to prove anything: no %s", happened)
		}
	}
	leaked := 0
	for token, times := range s.stored {
		leaked += times * len(token)
	}
	t.Logf("figures: runs under random faults %d", s.counts.sum("runs: "))
	t.Logf("figures: faults injected %d", s.counts.sum("faults: "))
	t.Logf("figures: starts not accounted for %d", s.counts["PROBLEM: starts"])
	t.Logf("figures: bytes of tokens leaked in the soak %d", leaked)
}

// sum adds up the counts whose names begin alike.
func (c counts) sum(prefix string) (n int) {
	for name, count := range c {
		if strings.HasPrefix(name, prefix) {
			n += count
		}
	}
	return n
}

// newSoak deploys twenty jobs that run each minute with four tokens: two static ones, one that the caller mints and one
// that the rotator renews.
func newSoak(t *testing.T) *soak {
	t.Helper()
	s := &soak{
		chance: rand.New(rand.NewPCG(19, 5)), good: map[string]bool{}, stored: map[string]int{}, counts: counts{},
	}
	var tokens, jobs []row
	for i := range 4 {
		tokens = append(tokens, row{fmt.Sprintf("Token%d", i), fmt.Sprintf("{ Secret: token-%d }", i)})
	}
	for i := range soakJobs {
		jobs = append(jobs, row{fmt.Sprintf("Job%d", i), fmt.Sprintf(
			`{ Schedule: "rate(1 minute)", Call: "GET https://%s/v1/%d", Token: Token%d, SilentAfter: 2, `+
				`Attempts: 1, Timeout: 5s }`, host, i, i%4)})
	}
	s.stage = &stage{t: t, Cloud: awssimtest.Start(t, awssim.Options{
		Template: writeTemplate(t, tokens, jobs, mistake{}), Binaries: awssimtest.Binaries(t), Seed: 1, Light: true,
		Observe: s.observe,
	})}
	s.CloudWatch.Keep(true) // its data are counted
	s.api = s.Target(host)
	s.api.Rule(s.answer)
	s.auth = idp.New(s.Now)
	s.must(s.auth.Register(idp.Client{ID: client, Auth: idp.AuthBasic, Secret: password}))
	s.must(s.Host(issuer, s.auth))
	s.replace("token-0")
	s.replace("token-1")
	s.putOAuth("token-2", map[string]any{"grant": "client_credentials"})
	tokensOf, err := s.auth.LogIn(client, "")
	s.must(err)
	s.putOAuth("token-3", map[string]any{
		"grant": "refresh_token", "refresh_token": tokensOf.Refresh, "token": tokensOf.Access,
	})
	_, err = s.AddRotation(filepath.Join(awssimtest.Root(), "infra", "rotation.yaml"), "token-3", "rate(20 minutes)")
	s.must(err)
	s.plan(s.Now().Add(time.Minute))
	return s
}

// replace is an operator who stores a new token.
func (s *soak) replace(secret string) {
	token := fmt.Sprintf("fake-%s-%016x", secret, s.chance.Uint64())
	for old := range s.good {
		if strings.Contains(old, secret) {
			delete(s.good, old)
		}
	}
	s.good[token] = true
	s.keep(token)
	_, err := s.PutSecret(secret, token)
	s.must(err)
}

// keep remembers what may be in no output.
func (s *soak) keep(token string) {
	if _, known := s.stored[token]; !known {
		s.stored[token] = 0
	}
}

func (s *soak) putOAuth(secret string, oauth2 map[string]any) {
	value := map[string]any{"hosts": []string{host}, "oauth2": oauth2}
	if token, ok := oauth2["token"]; ok {
		value["token"] = token
		delete(oauth2, "token")
	}
	oauth2["token_url"], oauth2["client_id"], oauth2["client_secret"] = "https://"+issuer+idp.TokenPath, client, password
	s.keep(password)
	text, err := json.Marshal(value)
	s.must(err)
	_, err = s.PutSecret(secret, string(text))
	s.must(err)
}

// plan does something to the world each minute.
func (s *soak) plan(at time.Time) {
	s.At(at, func(ctx context.Context) {
		s.plan(at.Add(time.Minute))
		s.mischief(ctx)
	})
}

// mischief is what happens in a minute, or does not.
func (s *soak) mischief(ctx context.Context) {
	s.ExhaustConcurrency(false)
	if s.oneIn(60) {
		s.ExhaustConcurrency(true)
		s.counts["faults: concurrency"]++
	}
	if s.oneIn(30) {
		s.FailStarts(errors.New("ServiceUnavailable: a fault"), 1+s.chance.IntN(3))
		s.counts["faults: deliveries"]++
	}
	faults := []api.Fault{api.Throttled, api.Unavailable, api.Internal, api.Denied, {HangUp: true}}
	fault := faults[s.chance.IntN(len(faults))]
	fault.Times = 1 + s.chance.IntN(4)
	if s.oneIn(40) {
		s.CloudWatch.Faults.Set("PutMetricData", "", fault)
		s.counts["faults: CloudWatch"]++
	}
	if s.oneIn(20) {
		s.SecretsAPI.Faults.Set("GetSecretValue", "", fault)
		s.counts["faults: Secrets Manager"]++
	}
	if s.oneIn(60) {
		list := []idp.Fault{idp.Failing(http.StatusServiceUnavailable, ""), idp.HungUp(), idp.Page()}
		s.must(s.auth.Fail(list[s.chance.IntN(2)].First(1 + s.chance.IntN(2))))
		s.counts["faults: authorization server"]++
	}
	if s.oneIn(50) {
		s.counts["faults: tokens revoked"]++
		for token := range s.good {
			if strings.Contains(token, "token-1") {
				delete(s.good, token)
			}
		}
		s.At(s.Now().Add(time.Duration(5+s.chance.IntN(10))*time.Minute), func(context.Context) { s.replace("token-1") })
	}
	if s.event != nil && s.oneIn(10) {
		s.counts["faults: starts doubled"]++
		s.duplicates++
		s.must(s.InvokeAsync(ctx, "Caller", s.event))
	}
}

// answer is what the target says to a request.
func (s *soak) answer(q upstream.Request) (upstream.Answer, bool) {
	s.keep(q.Token)
	a := upstream.Rejected
	switch {
	case s.hangUps > 0:
		s.hangUps--
		a = upstream.HungUp
	case s.good[q.Token] || s.auth.Valid(q.Token):
		a = s.draw()
	}
	status := a.Status
	if status == 0 && !a.Hang && !(a.Cut && a.CutAfter == 0) {
		status = http.StatusOK
	}
	s.answers = append(s.answers, status)
	return a, true
}

// draw is a good answer, or one of many kinds that are not.
func (s *soak) draw() upstream.Answer {
	if !s.oneIn(8) {
		return upstream.OK
	}
	s.counts["faults: answers of the target"]++
	switch {
	case s.oneIn(500): // it costs its time-out in real time
		return upstream.Answer{Hang: true}
	case s.oneIn(14): // net/http repeats a GET on a connection that was open already, once
		s.hangUps = s.chance.IntN(2)
		return upstream.HungUp
	}
	list := []upstream.Answer{
		upstream.Broken, upstream.Unavailable, upstream.Rejected,
		{Status: 404},
		{Status: 204},
		{Status: 429, Header: map[string]string{"Retry-After": "1"}},
		{Size: 1 << 20},
		{Cut: true, CutAfter: 10, Size: 100},
		{Status: 302, Header: map[string]string{"Location": "https://" + issuer + "/"}},
		{Body: "\x00\xff", Gzip: true},
		{Status: 500, Body: strings.Repeat("a long page ", 10_000)},
		{Status: 403, Body: "{"},
		{Status: 599},
	}
	return list[s.chance.IntN(len(list))]
}

func (s *soak) problem(kind, format string, args ...any) {
	s.counts["PROBLEM: "+kind]++
	if len(s.problems) < 20 {
		s.problems = append(s.problems, kind+": "+fmt.Sprintf(format, args...))
	}
}

// observe compares a run with what its requests were answered with.
func (s *soak) observe(e awssim.Event) {
	switch {
	case e.Rotation != nil && e.Rotation.Err == nil:
		s.counts["rotations: finished"]++
	case e.Rotation != nil:
		s.counts["rotations: failed"]++
	}
	if e.Run == nil {
		return
	}
	s.silent(*e.Run)
	if e.Run.Function != "Caller" {
		s.counts["steps of rotations"]++
		return
	}
	answers := s.answers
	s.answers, s.event = nil, e.Run.Event
	s.judge(*e.Run, answers)
}

// silent checks that no token is in what a run said.
func (s *soak) silent(r awssim.Run) {
	for token := range s.stored {
		for _, said := range [][]byte{r.Stdout, r.Stderr, r.Payload} {
			if n := bytes.Count(said, []byte(token)); n > 0 {
				s.stored[token] += n
				s.problem("leak", "%s", said)
			}
		}
	}
}

func (s *soak) judge(r awssim.Run, answers []int) {
	result := r.Result
	s.counts["runs: "+result.Outcome]++
	s.counts["requests"] += len(answers)
	lines := 0
	for _, line := range r.Lines() {
		switch line["message"] {
		case "run":
			lines++
		case "metrics that CloudWatch did not take":
			s.count(line[metric.TokenRejected], line[metric.Heartbeat])
			s.counts["metrics in the log"]++
		}
	}
	switch {
	case lines != 1:
		s.problem("lines of a run", "%d: %s%s", lines, r.Stdout, r.Stderr)
	case result.Attempts != len(answers):
		s.problem("attempts", "%+v, but %d requests arrived", result, len(answers))
	case r.Failed != (result.Outcome != "succeeded"):
		s.problem("failure", "%+v, failed: %t", result, r.Failed)
	case !slices.Contains(possible(answers), result.Outcome):
		s.problem("outcome", "%+v after answers %v", result, answers)
	}
	if result.Verdict == "rejected" {
		s.counts["verdicts: rejected"]++
	}
	if result.Outcome != "succeeded" && result.Verdict != "rejected" {
		s.counts["verdicts: no heartbeat"]++
	}
}

// possible are the outcomes of a run whose requests were answered so: the last one decides, but for a rejection, after
// which other tokens are tried.
func possible(answers []int) []string {
	if len(answers) == 0 {
		return []string{"token_unavailable", "token_rejected"} // no token, so no request; rejected: its client
	}
	kind := func(status int) string {
		switch {
		case status == 0:
			return "unreachable"
		case status == http.StatusUnauthorized:
			return "token_rejected"
		case 200 <= status && status <= 299:
			return "succeeded"
		default:
			return "target_failed"
		}
	}
	last := kind(answers[len(answers)-1])
	if last != "succeeded" && slices.Contains(answers, http.StatusUnauthorized) {
		return []string{last, "token_rejected"}
	}
	return []string{last}
}

// count counts bad news, which is published each time, wherever it went.
func (s *soak) count(rejected, heartbeat any) {
	if rejected == 1.0 {
		s.counts["metrics of rejected tokens"]++
	}
	if heartbeat == 0.0 {
		s.counts["metrics of missing heartbeats"]++
	}
}

// drain lets what is under way come to its end, without new starts.
func (s *soak) drain() {
	s.PauseStarts(true)
	s.ClearStarts()
	s.pass(30 * time.Minute)
}

// addUp checks that what was counted in different places is the same.
func (s *soak) addUp(planned int) {
	for _, d := range s.CloudWatch.Data("") {
		switch d.Metric {
		case metric.TokenRejected:
			s.count(d.Value(), nil)
		case metric.Heartbeat:
			s.count(nil, d.Value())
		}
	}
	runs, failed := s.counts.sum("runs: "), s.counts.sum("runs: ")-s.counts["runs: succeeded"]
	dead, kept := 0, s.Queue("FailedRuns").Sent()
	for _, m := range s.Queue("DeadLetters").Messages() {
		if strings.Contains(m.Body, `"job"`) { // not a start of a rotation
			dead++
		}
	}
	steps := s.counts["steps of rotations"]
	for _, c := range []struct {
		what      string
		got, want int
	}{
		{"starts", runs + dead, planned + s.duplicates},
		{"events kept of failed runs", kept, failed},
		{"Lambda's Invocations", s.lambda("Invocations", "Caller"), runs},
		{"Lambda's Errors", s.lambda("Errors", "Caller"), failed},
		{"Lambda's Invocations of the rotator", s.lambda("Invocations", "Rotator"), steps},
		{"requests at the target", s.api.Served(), s.counts["requests"]},
		{"data of rejected tokens", s.counts["metrics of rejected tokens"], s.counts["verdicts: rejected"]},
		{"data of missing heartbeats", s.counts["metrics of missing heartbeats"], s.counts["verdicts: no heartbeat"]},
	} {
		if c.got != c.want {
			s.problem("starts", "%d %s, and there must be %d", c.got, c.what, c.want)
		}
	}
}

// lambda is the sum of one of Lambda's own metrics.
func (s *soak) lambda(name, function string) (sum int) {
	for _, p := range s.Samples.Aggregate(alarm.Metric{
		Namespace: "AWS/Lambda", Name: name,
		Dimensions: []alarm.Dimension{{Name: "FunctionName", Value: s.Function(function).Name()}},
	}, "Sum", time.Hour, s.began().Truncate(time.Hour), s.Now().Add(time.Hour)) {
		sum += int(p.Value)
	}
	return sum
}

func (s *soak) began() time.Time { return awssim.Start }

// usage is what one process has of the machine.
type usage struct {
	process      string
	memory, open int // bytes, descriptors
	threads      int
}

// measure looks at the processes of the functions.
func (s *soak) measure() []usage {
	s.t.Helper()
	var list []usage
	for _, function := range []string{"Caller", "Rotator"} {
		for _, pid := range s.Function(function).PIDs() {
			list = append(list, processUsage(s.t, function, pid))
		}
	}
	return list
}

// grown compares each part of the soak with the second. A process that keeps a kilobyte of each run grows by 90 MB in
// 100,000 runs.
func (s *soak) grown(measured [][]usage) {
	s.t.Helper()
	const moreMemory, moreOpen, moreThreads = 6 << 20, 4, 8
	find := func(list []usage, process string) (usage, bool) {
		i := slices.IndexFunc(list, func(u usage) bool { return u.process == process })
		if i < 0 {
			return usage{}, false
		}
		return list[i], true
	}
	for w, list := range measured[2:] {
		for _, now := range list {
			before, ok := find(measured[1], now.process)
			if !ok {
				continue
			}
			memory := now.memory - before.memory
			if awssimtest.RaceEnabled { // its shadow memory grows with what was ever touched
				memory /= 10
			}
			if memory > moreMemory || now.open-before.open > moreOpen || now.threads-before.threads > moreThreads {
				s.problem("growth", "%+v in part 2 of %d, %+v in part %d", before, windows, now, w+3)
			}
		}
	}
	s.t.Logf("part 2: %+v\npart %d: %+v", measured[1], windows, measured[windows-1])
}

// TestGrowthIsSeen: what the soak measures, it can see.
func TestGrowthIsSeen(t *testing.T) {
	t.Parallel()
	const mib = 1 << 20
	before := usage{process: "Caller", memory: 16 * mib, open: 14, threads: 5}
	for name, c := range map[string]struct {
		more usage
		want int
	}{
		"none":        {more: usage{memory: mib, open: 2, threads: 3}},
		"memory":      {more: usage{memory: 80 * mib}, want: 1},
		"descriptors": {more: usage{open: 9}, want: 1},
		"threads":     {more: usage{threads: 20}, want: 1},
	} {
		s := &soak{stage: &stage{t: t}, counts: counts{}}
		after := before
		after.memory, after.open, after.threads =
			after.memory+c.more.memory, after.open+c.more.open, after.threads+c.more.threads
		measured := slices.Repeat([][]usage{{before}}, windows)
		measured[windows/2] = []usage{after}
		if s.grown(measured); s.counts["PROBLEM: growth"] != c.want {
			t.Errorf("%s: %d", name, s.counts["PROBLEM: growth"])
		}
	}
}

// goroutines ends the functions' processes as SIGQUIT does, and counts what was running in them.
func (s *soak) goroutines(when string) {
	s.t.Helper()
	const most = 40 // some fifteen: connections to AWS and targets, the runtime client
	for _, function := range []string{"Caller", "Rotator"} {
		for _, pid := range s.Function(function).PIDs() {
			n, known := quit(s.t, pid)
			if !known {
				continue
			}
			s.t.Logf("%s has %d goroutines %s", function, n, when)
			if n > most {
				s.problem("growth", "%s has %d goroutines %s", function, n, when)
			}
		}
		s.Function(function).Restart() // to forget the processes that are gone
	}
}
