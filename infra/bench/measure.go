package main

import (
	"context"
	"errors"
	"fmt"
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"time"
)

// path is what the runs of one process meet.
type path struct {
	name   string
	event  func(w *world) string
	failed bool // the subject's answer is an error
	see    func(answer)
	long   bool // many warm runs: what is left when all that is done once is done
}

const (
	pathAccepted = "200"
	pathRejected = "401"
	pathPost     = "POST"

	// The collector lets memory grow for some hundred runs, and some code is first met in the second or third.
	pathLong         = "200, long"
	pathLongRejected = "401, long"
)

// event is what the template's schedules send.
func event(call, expect string) func(*world) string {
	method, at, _ := strings.Cut(call, " ")
	return func(w *world) string {
		return fmt.Sprintf(`{"job":"Bench","action":"call","token":%q,"secret":"example-api","call":"%s https://%s%s",`+
			`"headers":{"Accept":"application/json"},"body":null,"timeout":"30s","attempts":3,"idempotent":false,"maxAge":"","expect":%s,"reject":{},`+
			`"scheduleArn":"arn:aws:scheduler:%s:123456789012:schedule/bench/Bench","scheduledTime":"2026-11-24T09:00:00Z"}`,
			tokenName, method, w.target, at, expect, region)
	}
}

var paths = []path{
	{name: pathAccepted, event: event("GET /accepted", "{}")},
	{name: pathRejected, event: event("GET /rejected", "{}"), failed: true},
	{name: pathPost, event: event("POST /accepted", "{}")},
	{name: pathLong, event: event("GET /accepted", "{}"), long: true},
	{name: pathLongRejected, event: event("GET /rejected", "{}"), failed: true, long: true},
}

// wants tells whether a subject takes a path: what nothing is compared with is not measured.
func (p path) wants(s subject) bool {
	switch p.name {
	case pathAccepted:
		return true
	case pathRejected:
		return s.name != subjectEmpty && !s.peer
	case pathPost:
		return s.name == subjectOurs || s.name == subjectOther || s.name == subjectBare
	case pathLong:
		return !s.peer
	default:
		return s.name == subjectOurs || s.name == subjectOther
	}
}

// sample is what one process of a subject showed.
type sample struct {
	start, first       time.Duration // until the first request for work; of the first run
	cpuStart, cpuFirst time.Duration
	cpuWarm            time.Duration // of one run
	warm               []time.Duration
	peak               int64
	firstAsked         counts
	warmAsked          counts // of all warm runs together
}

// tryout tells how a subject is run.
type tryout struct {
	world     *world
	megabytes int
	limiter   *limiter // nil: a whole core
	warmRuns  int
}

// measure starts a subject, runs it, and ends it.
func (t tryout) measure(ctx context.Context, s subject, p path) (_ sample, err error) {
	out, err := os.CreateTemp(t.world.dir, "output-")
	if err != nil {
		return sample{}, err
	}
	defer func() {
		text, _ := os.ReadFile(out.Name())
		_ = out.Close()
		_ = os.Remove(out.Name())
		if err != nil {
			err = fmt.Errorf("%s, %s: %w\n%s", s.name, p.name, err, tail(text))
		} else if strings.Contains(string(text), tokenValue) {
			err = fmt.Errorf("%s, %s: the token is in its output", s.name, p.name)
		}
	}()
	api, err := newRuntimeAPI()
	if err != nil {
		return sample{}, err
	}
	defer api.close()
	process := exec.CommandContext(ctx, s.command[0], s.command[1:]...)
	process.Env = append(environment(t.world, api.address, t.megabytes), s.env...)
	process.Stdout, process.Stderr, process.Dir = out, out, t.world.dir
	begun := time.Now()
	if err := process.Start(); err != nil {
		return sample{}, err
	}
	ended := make(chan struct{})
	go func() {
		_ = process.Wait()
		close(ended)
	}()
	defer func() {
		_ = process.Process.Kill()
		<-ended
	}()
	if t.limiter != nil {
		if err := join(t.limiter.start, process.Process.Pid); err != nil {
			return sample{}, err
		}
	}
	return t.watch(api, process.Process.Pid, begun, ended, p)
}

var errUnmeasured = errors.New("measured on Linux only")

const patience = 30 * time.Second

func (t tryout) watch(api *runtimeAPI, pid int, begun time.Time, ended <-chan struct{}, p path) (sample, error) {
	var m sample
	asked, err := api.waitForNext(ended, patience)
	if err != nil {
		return m, err
	}
	m.start = asked.Sub(begun)
	atStart, err := cpuTime(pid)
	if err != nil && !errors.Is(err, errUnmeasured) {
		return m, err
	}
	m.cpuStart = atStart
	if t.limiter != nil {
		if err := join(t.limiter.run, pid); err != nil {
			return m, err
		}
	}
	text := []byte(p.event(t.world))
	run := func() (answer, error) {
		a, err := api.invoke(text, ended, patience)
		if err == nil && a.failed != p.failed {
			err = fmt.Errorf("unexpected answer: %s", a.body)
		}
		if err != nil {
			return a, err
		}
		_, err = api.waitForNext(ended, patience)
		return a, err
	}
	before := t.world.counts()
	a, err := run()
	if err != nil {
		return m, err
	}
	m.first = a.took
	if p.see != nil {
		p.see(a)
	}
	m.firstAsked = t.world.counts().minus(before)
	atFirst, _ := cpuTime(pid)
	m.cpuFirst = atFirst - atStart
	before = t.world.counts()
	for range t.warmRuns {
		if a, err = run(); err != nil {
			return m, err
		}
		m.warm = append(m.warm, a.took)
	}
	atEnd, _ := cpuTime(pid)
	if t.warmRuns > 0 {
		m.cpuWarm = (atEnd - atFirst) / time.Duration(t.warmRuns)
	}
	m.warmAsked = t.world.counts().minus(before)
	m.peak, _ = peakMemory(pid)
	return m, nil
}

// tail is the end of what a process wrote.
func tail(text []byte) string {
	const most = 2000
	return string(text[max(0, len(text)-most):])
}

// tidy makes the directory of a run and returns what removes it.
func tidy() (string, func(), error) {
	dir, err := os.MkdirTemp("", "cronbearer-bench-")
	if err != nil {
		return "", nil, err
	}
	dir, err = filepath.EvalSymlinks(dir)
	return dir, func() { _ = os.RemoveAll(dir) }, err
}
