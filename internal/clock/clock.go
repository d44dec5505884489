// Package clock provides the wall-clock time that every rule about time uses. Waits and time-outs do not use it.
package clock

import (
	"errors"
	"fmt"
	"os"
	"strings"
	"sync/atomic"
	"time"
)

// Clock is the real clock, moved by the offset that a file holds (for tests on one machine). The zero Clock is the
// real one.
type Clock struct {
	file   string
	offset atomic.Int64
}

// New returns a clock that follows file; an empty name means the real clock.
func New(file string) *Clock { return &Clock{file: file} }

// Refresh reads the offset, such as 36h, at the start of a run.
func (c *Clock) Refresh() error {
	if c.file == "" {
		return nil
	}
	text, err := os.ReadFile(c.file)
	if err != nil {
		if path, ok := errors.AsType[*os.PathError](err); ok {
			err = path.Err
		}
		return fmt.Errorf("the file cannot be read: %w", err)
	}
	offset, err := time.ParseDuration(strings.TrimSpace(string(text)))
	if err != nil {
		return errors.New("the file must hold an offset from the real clock such as 36h")
	}
	c.offset.Store(int64(offset))
	return nil
}

// Now returns UTC without a monotonic reading: a Lambda freeze stops the monotonic clock, not the wall clock.
func (c *Clock) Now() time.Time {
	return time.Now().Round(0).UTC().Add(time.Duration(c.offset.Load()))
}
