package main

import (
	"context"
	"errors"
	"fmt"
	"os"
	"os/exec"
	"slices"
	"strings"
	"time"

	"github.com/cronbearer/cronbearer/internal/dev/awssim/lambda"
)

// path is what the runs of one process meet.
type path struct {
	at     string
	expect string
	failed bool // the subject's answer is an error
}

var (
	accepted = path{at: "/accepted", expect: "{}"}
	rejected = path{at: "/rejected", expect: "{}", failed: true}
)

// bodies are answers that try to fill the memory, with rules that look into them.
var bodies = []path{
	{at: "/large", expect: "{}"},
	{at: "/list", expect: `{"json":{"/ok":true}}`},
	{at: "/bomb", expect: `{"json":{"/ok":true}}`, failed: true},
}

// event is what the template's schedules send.
func (p path) event(w *world) []byte {
	return fmt.Appendf(nil, `{"job":"Bench","action":"call","token":%q,"secret":"example-api","call":"GET https://%s%s",`+
		`"headers":{"Accept":"application/json"},"body":null,"timeout":"30s","attempts":3,"idempotent":false,"maxAge":"",`+
		`"expect":%s,"reject":{},`+
		`"scheduleArn":"arn:aws:scheduler:%s:123456789012:schedule/bench/Bench","scheduledTime":"2026-11-24T09:00:00Z"}`,
		tokenName, w.target, p.at, p.expect, region)
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

// tryout is how a process is run.
type tryout struct {
	world     *world
	subject   subject
	path      path
	megabytes int      // what the process is called with its size
	limiter   *limiter // nil: a whole core
	warm      int
}

const patience = 30 * time.Second

var errUnmeasured = errors.New("measured on Linux only")

// measure starts a process, runs it, and ends it.
func (t tryout) measure(ctx context.Context) (m sample, err error) {
	api, err := lambda.Listen()
	if err != nil {
		return m, err
	}
	defer api.Close()
	out, err := os.CreateTemp(t.world.dir, "output-")
	if err != nil {
		return m, err
	}
	defer func() {
		if err != nil {
			text, _ := os.ReadFile(out.Name())
			err = fmt.Errorf("%s, %s: %w\n%s", t.subject.name, t.path.at, err, tail(text))
		}
		_ = out.Close()
		_ = os.Remove(out.Name())
	}()
	ctx, cancel := context.WithCancel(ctx)
	defer cancel()
	process := exec.CommandContext(ctx, t.subject.command[0], t.subject.command[1:]...)
	process.Env = append(environment(t.world, api.Address(), t.megabytes), t.subject.env...)
	process.Stdout, process.Stderr, process.Dir = out, out, t.world.dir
	started := time.Now()
	if err := process.Start(); err != nil {
		return m, err
	}
	defer func() { _ = process.Wait() }() // after the cancel below, which ends it
	defer cancel()
	if t.limiter != nil {
		if err := join(t.limiter.start, process.Process.Pid); err != nil {
			return m, err
		}
	}
	return t.watch(ctx, api, process.Process.Pid, started)
}

func (t tryout) watch(ctx context.Context, api *lambda.API, pid int, started time.Time) (m sample, err error) {
	if err := idle(ctx, api); err != nil {
		return m, err
	}
	m.start = time.Since(started)
	if m.cpuStart, err = cpuTime(pid); err != nil && !errors.Is(err, errUnmeasured) {
		return m, err
	}
	if t.limiter != nil {
		if err := join(t.limiter.run, pid); err != nil {
			return m, err
		}
	}
	before := t.world.counts()
	if m.first, err = t.run(ctx, api, 0); err != nil {
		return m, err
	}
	m.firstAsked = t.world.counts().minus(before)
	atFirst, _ := cpuTime(pid)
	m.cpuFirst = atFirst - m.cpuStart
	before = t.world.counts()
	for n := range t.warm {
		took, err := t.run(ctx, api, n+1)
		if err != nil {
			return m, err
		}
		m.warm = append(m.warm, took)
	}
	slices.Sort(m.warm)
	atEnd, _ := cpuTime(pid)
	m.cpuWarm = (atEnd - atFirst) / time.Duration(max(t.warm, 1))
	m.warmAsked = t.world.counts().minus(before)
	m.peak, _ = peakMemory(pid)
	return m, nil
}

// run is one invocation: from the event to the answer, without what the process does before it asks for the next one.
func (t tryout) run(ctx context.Context, api *lambda.API, n int) (time.Duration, error) {
	limited, cancel := context.WithTimeout(ctx, patience)
	defer cancel()
	e := lambda.Event{
		RequestID: fmt.Sprintf("8476a536-e9f4-11e8-9739-%012d", n), Payload: t.path.event(t.world),
		Deadline:    time.Now().Add(2 * time.Minute),
		FunctionARN: "arn:aws:lambda:" + region + ":123456789012:function:bench",
		TraceID:     "Root=1-5bef4de7-ad49b0e87f6ef6c87fc2e700;Parent=9a9197af755a6419;Sampled=0",
	}
	started := time.Now()
	answer, err := api.Invoke(limited, e)
	took := time.Since(started)
	if err != nil {
		return took, err
	}
	if answer.Failed != t.path.failed {
		return took, fmt.Errorf("unexpected answer: %s", answer.Payload)
	}
	return took, idle(ctx, api)
}

func idle(ctx context.Context, api *lambda.API) error {
	ctx, cancel := context.WithTimeout(ctx, patience)
	defer cancel()
	return api.Idle(ctx)
}

// tail is the end of what a process wrote.
func tail(text []byte) string {
	const most = 2000
	return strings.ToValidUTF8(string(text[max(0, len(text)-most):]), "?")
}
