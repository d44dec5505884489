package lambda

import (
	"bytes"
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"slices"
	"sync"
	"time"

	"github.com/cronbearer/cronbearer/internal/dev/awssim/api"
)

// Config is a function, with the binary that stands for its code.
type Config struct {
	Name, ARN   string
	Binary      string
	Environment []string
	Timeout     time.Duration // 0: 900 s
	Dir         string        // for files of the processes
	Now         api.Clock
	NewID       func() string // request ids
	Before      func() error  // called ahead of each invocation

	// MaxConcurrency is how many events may run at once; more are throttled. 0: any number.
	MaxConcurrency int
	// IdleLife is how long an environment without work is kept, on the clock; 0: indefinitely. AWS promises nothing;
	// 5 to 15 minutes is what others have measured.
	IdleLife time.Duration
}

const longestTimeout = 900 * time.Second

// Invocation is one run of the function.
type Invocation struct {
	At        time.Time
	RequestID string
	Event     []byte
	Payload   []byte // what it returned, or its error as Lambda shows it
	Failed    bool
	ErrorType string
	Message   string // of the error
	Stdout    []byte
	Stderr    []byte
	Cold      bool // it started an environment
	Process   int  // number of the environment, from 1
}

// Lines are the lines of Stdout that hold a JSON object.
func (i Invocation) Lines() []map[string]any {
	var lines []map[string]any
	for text := range bytes.Lines(i.Stdout) {
		var line map[string]any
		if json.Unmarshal(text, &line) == nil {
			lines = append(lines, line)
		}
	}
	return lines
}

// ErrThrottled says that MaxConcurrency events are running (429 TooManyRequestsException).
var ErrThrottled = errors.New("TooManyRequestsException: Rate Exceeded.")

// Function runs events, each in an environment of its own, kept warm for the next. Safe for concurrent use.
type Function struct {
	config Config

	mu        sync.Mutex
	idle      []*environment // last used last
	busy      int
	started   int
	closed    bool
	exhausted bool
}

type environment struct {
	*Process

	number int
	used   time.Time
}

// NewFunction returns a Function; no process runs before its first event.
func NewFunction(c Config) *Function {
	if c.Timeout == 0 {
		c.Timeout = longestTimeout
	}
	return &Function{config: c}
}

// ARN of the function.
func (f *Function) ARN() string { return f.config.ARN }

// Name of the function.
func (f *Function) Name() string { return f.config.Name }

// Started is how many environments were started so far.
func (f *Function) Started() int {
	f.mu.Lock()
	defer f.mu.Unlock()
	return f.started
}

// PIDs are the processes without work.
func (f *Function) PIDs() []int {
	f.mu.Lock()
	defer f.mu.Unlock()
	var list []int
	for _, e := range f.idle {
		list = append(list, e.pid)
	}
	return list
}

// Invoke runs one event. An error means that it was not run: throttled, or the binary does not start. What the function
// itself got wrong is in the Invocation.
func (f *Function) Invoke(ctx context.Context, event []byte) (Invocation, error) {
	return f.invoke(ctx, event, f.config.NewID())
}

func (f *Function) invoke(ctx context.Context, event []byte, id string) (Invocation, error) {
	if !json.Valid(event) {
		return Invocation{}, fmt.Errorf("InvalidRequestContentException: the event is not JSON: %.40q", event)
	}
	if f.config.Before != nil {
		if err := f.config.Before(); err != nil {
			return Invocation{}, err
		}
	}
	i := Invocation{At: f.config.Now(), RequestID: id, Event: event}
	e, cold, err := f.acquire(ctx)
	if err != nil {
		return i, err
	}
	i.Cold, i.Process = cold, e.number
	answer, dead, err := e.Invoke(
		ctx, Event{RequestID: id, Payload: event, FunctionARN: f.config.ARN, TraceID: traceID(i.At, id)}, f.config.Timeout,
	)
	out := e.Output()
	i.Payload, i.Failed, i.ErrorType, i.Message = answer.Payload, answer.Failed, answer.ErrorType, answer.Message
	i.Stdout, i.Stderr = out.Stdout, out.Stderr
	f.release(e, dead)
	return i, err
}

func traceID(at time.Time, id string) string {
	hex := bytes.ReplaceAll([]byte(id), []byte("-"), nil)
	return fmt.Sprintf("Root=1-%08x-%.24s;Sampled=0", uint32(at.Unix()), hex)
}

// acquire returns the environment that was used last, or starts one.
func (f *Function) acquire(ctx context.Context) (e *environment, cold bool, err error) {
	f.mu.Lock()
	if f.closed {
		f.mu.Unlock()
		return nil, false, ErrClosed
	}
	if f.exhausted || f.config.MaxConcurrency > 0 && f.busy >= f.config.MaxConcurrency {
		f.mu.Unlock()
		return nil, false, ErrThrottled
	}
	f.busy++
	for len(f.idle) > 0 {
		last := f.idle[len(f.idle)-1]
		f.idle = f.idle[:len(f.idle)-1]
		select {
		case <-last.Exited(): // it died between two events
			last.Close()
			continue
		default:
		}
		f.mu.Unlock()
		return last, false, nil
	}
	f.started++
	number := f.started
	f.mu.Unlock()
	p, err := Start(ctx, f.config.Binary, f.config.Environment, f.config.Dir)
	if err != nil {
		f.mu.Lock()
		f.busy--
		f.mu.Unlock()
		return nil, false, err
	}
	return &environment{Process: p, number: number}, true, nil
}

func (f *Function) release(e *environment, dead bool) {
	f.mu.Lock()
	defer f.mu.Unlock()
	f.busy--
	if dead || f.closed {
		e.Close()
		return
	}
	e.used = f.config.Now()
	f.idle = append(f.idle, e)
}

// ExhaustConcurrency lets other functions take all of the account's concurrency, or give it back.
func (f *Function) ExhaustConcurrency(exhausted bool) {
	f.mu.Lock()
	defer f.mu.Unlock()
	f.exhausted = exhausted
}

// Reap stops the environments that had no work for too long.
func (f *Function) Reap() {
	if f.config.IdleLife == 0 {
		return
	}
	f.mu.Lock()
	defer f.mu.Unlock()
	f.idle = slices.DeleteFunc(f.idle, func(e *environment) bool {
		old := f.config.Now().Sub(e.used) >= f.config.IdleLife
		if old {
			e.Close()
		}
		return old
	})
}

// Restart stops all environments without work, as a deployment does: the next event starts cold.
func (f *Function) Restart() {
	f.mu.Lock()
	defer f.mu.Unlock()
	for _, e := range f.idle {
		e.Close()
	}
	f.idle = nil
}

// KillIdle kills the processes of environments without work, which the next event notices.
func (f *Function) KillIdle() {
	f.mu.Lock()
	defer f.mu.Unlock()
	for _, e := range f.idle {
		e.Kill()
	}
}

// Close stops all environments.
func (f *Function) Close() {
	f.mu.Lock()
	f.closed = true
	f.mu.Unlock()
	f.Restart()
}
