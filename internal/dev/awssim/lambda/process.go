package lambda

import (
	"context"
	"errors"
	"fmt"
	"io"
	"os"
	"os/exec"
	"path/filepath"
	"sync"
	"time"
)

// maxInit: "The Init phase is limited to 10 seconds" (Lambda Developer Guide, "execution environment lifecycle").
const maxInit = 10 * time.Second

// logKept is how much of a consumed log file may lie on disk before it is emptied.
const logKept = 1 << 20

// Process is one execution environment: a process and its Runtime API.
type Process struct {
	// Grace is how long after its deadline an invocation may still answer. Lambda gives none; a test on a machine with
	// other work may have to.
	Grace time.Duration

	api    *API
	pid    int
	kill   context.CancelFunc
	exited chan struct{}
	exit   error // why, once exited is closed

	// The process writes to files, not to pipes: what it wrote before it asked for its next event is there to read
	// then, and a process that writes much never waits for a reader.
	stdout, stderr *log
}

// errExited is the cause of a context that ended with the process.
var errExited = errors.New("the process has exited")

// Start runs a binary with exactly this environment and AWS_LAMBDA_RUNTIME_API, and waits until it asks for its first
// event. Its log files are kept in dir.
func Start(ctx context.Context, binary string, environment []string, dir string) (*Process, error) {
	runtimeAPI, err := Listen()
	if err != nil {
		return nil, err
	}
	p := &Process{api: runtimeAPI, exited: make(chan struct{})}
	if p.stdout, err = newLog(dir, "stdout-*"); err == nil {
		p.stderr, err = newLog(dir, "stderr-*")
	}
	if err != nil {
		p.cleanUp()
		return nil, err
	}
	life, kill := context.WithCancel(context.WithoutCancel(ctx)) // the environment outlives the run that made it
	p.kill = kill
	command := exec.CommandContext(life, binary)
	command.Env = append(append([]string{}, environment...), "AWS_LAMBDA_RUNTIME_API="+runtimeAPI.Address())
	command.Dir = dir
	command.Stdout, command.Stderr = p.stdout.file, p.stderr.file
	if err := command.Start(); err != nil {
		kill()
		p.cleanUp()
		return nil, fmt.Errorf("start %s: %w", filepath.Base(binary), err)
	}
	p.pid = command.Process.Pid
	go func() {
		p.exit = command.Wait()
		close(p.exited)
	}()
	ctx, cancel := p.alive(ctx, maxInit)
	defer cancel()
	if err := runtimeAPI.Idle(ctx); err != nil {
		out := p.Output()
		p.Close()
		return nil, fmt.Errorf("init of %s: %w\n%s%s", filepath.Base(binary), err, out.Stdout, out.Stderr)
	}
	return p, nil
}

// alive is a context that ends with the process, or after a time.
func (p *Process) alive(ctx context.Context, limit time.Duration) (context.Context, context.CancelFunc) {
	ctx, stop := context.WithTimeoutCause(ctx, limit, context.DeadlineExceeded)
	ctx, cancel := context.WithCancelCause(ctx)
	done := make(chan struct{})
	go func() {
		select {
		case <-p.exited:
			cancel(errExited)
		case <-done:
		}
	}()
	return ctx, sync.OnceFunc(func() {
		close(done)
		cancel(nil)
		stop()
	})
}

// Invoke runs one event, and returns when the process asks for the next one. Dead means that the process is gone, or
// was ended here because its time was up.
func (p *Process) Invoke(ctx context.Context, e Event, timeout time.Duration) (answer Answer, dead bool, err error) {
	e.Deadline = time.Now().Add(timeout)
	run, cancel := p.alive(ctx, timeout+p.Grace)
	defer cancel()
	answer, err = p.api.Invoke(run, e)
	if err == nil {
		// The runtime may end after its answer, as aws-lambda-go does after a panic: the answer stands.
		if p.api.Idle(run) == nil {
			return answer, false, nil
		}
		if ctx.Err() == nil {
			return answer, true, nil
		}
	}
	switch {
	case errors.Is(err, errExited):
		return failure(
			"Runtime.ExitError", fmt.Sprintf("RequestId: %s Error: Runtime exited %s", e.RequestID, p.how()),
		), true, nil
	case errors.Is(err, context.DeadlineExceeded) && ctx.Err() == nil:
		return failure(
			"Sandbox.Timedout",
			fmt.Sprintf("RequestId: %s Error: Task timed out after %.2f seconds", e.RequestID, timeout.Seconds()),
		), true, nil
	case err == nil:
		err = context.Cause(ctx)
	}
	return Answer{}, true, fmt.Errorf("invocation %s: %w", e.RequestID, err)
}

func (p *Process) how() string {
	if p.exit == nil {
		return "without providing a reason"
	}
	return "with error: " + p.exit.Error()
}

// Exited is closed when the process is gone.
func (p *Process) Exited() <-chan struct{} { return p.exited }

// Kill stops the process as SIGKILL does, and waits for its end.
func (p *Process) Kill() {
	p.kill()
	<-p.exited
}

// Output is what the process wrote since it was last asked for.
type Output struct{ Stdout, Stderr []byte }

// Output returns and clears what was written. Call it between two invocations.
func (p *Process) Output() Output { return Output{p.stdout.take(), p.stderr.take()} }

// Close stops the process and what belongs to it.
func (p *Process) Close() {
	p.Kill()
	p.cleanUp()
}

func (p *Process) cleanUp() {
	p.api.Close()
	p.stdout.close()
	p.stderr.close()
}

// log is a file that a process appends to.
type log struct {
	file *os.File
	read int64
}

func newLog(dir, pattern string) (*log, error) {
	created, err := os.CreateTemp(dir, pattern)
	if err != nil {
		return nil, fmt.Errorf("log of a process: %w", err)
	}
	name := created.Name()
	_ = created.Close() // it was not written to
	file, err := os.OpenFile(name, os.O_RDWR|os.O_APPEND, 0o600)
	if err != nil {
		return nil, fmt.Errorf("log of a process: %w", err)
	}
	return &log{file: file}, nil
}

func (l *log) take() []byte {
	text, err := io.ReadAll(io.NewSectionReader(l.file, l.read, 1<<62))
	if err != nil {
		return fmt.Appendf(text, "[the log cannot be read: %s]", err)
	}
	if l.read += int64(len(text)); l.read > logKept && l.file.Truncate(0) == nil {
		l.read = 0
	}
	return text
}

func (l *log) close() {
	if l != nil {
		_ = l.file.Close() // all was read
		_ = os.Remove(l.file.Name())
	}
}
