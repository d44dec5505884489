// Package isolate keeps what is done next to a run from changing it. Metrics, reminders and log lines are worth less
// than the verdict that they report: a library that panics on an unknown answer, a connection that ignores its deadline
// or a pipe that no one reads must affect only the report, never the run.
package isolate

import (
	"context"
	"errors"
	"fmt"
	"runtime/debug"
	"time"
)

// LastWords is the part of a function's time that is reserved for its log line and the answer to Lambda: no report uses
// it.
const LastWords = 300 * time.Millisecond

// grace is how long a function whose context is done may still take to return its result.
const grace = 100 * time.Millisecond

// ErrHung is returned for a function that continues although its context is done. Its goroutine is abandoned.
var ErrHung = errors.New("it did not return in time")

// PanicError is a panic that was caught.
type PanicError struct {
	Value any
	Stack []byte
}

func (e *PanicError) Error() string { return fmt.Sprintf("internal error: panic: %v", e.Value) }

// Run calls f in its own goroutine and waits for it: for limit at most, and no longer than ctx and a tenth of a
// second. A panic or a hang of f is returned as an error.
func Run(ctx context.Context, limit time.Duration, f func(context.Context) error) error {
	ctx, cancel := context.WithTimeout(ctx, limit)
	defer cancel()
	done := make(chan error, 1)
	go func() { done <- Catch(func() error { return f(ctx) }) }()
	select {
	case err := <-done:
		return err
	case <-ctx.Done():
	}
	last := time.NewTimer(grace)
	defer last.Stop()
	select {
	case err := <-done:
		return err
	case <-last.C:
		return ErrHung
	}
}

// Catch calls f and returns its panic as a *PanicError.
func Catch(f func() error) (err error) {
	defer func() {
		if value := recover(); value != nil {
			err = &PanicError{Value: value, Stack: debug.Stack()}
		}
	}()
	return f()
}
