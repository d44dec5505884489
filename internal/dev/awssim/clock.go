package awssim

import (
	"fmt"
	"os"
	"path/filepath"
	"sync"
	"time"
)

// clock is the virtual clock: the real one, moved by an offset. It is set forward from event to event and
// advances in real time in between. The binaries' clock follows the offset through a file. It never goes back: what is
// due while a run takes its real time comes late.
type clock struct {
	file string

	mu      sync.Mutex
	offset  time.Duration
	written bool
}

func (c *clock) Now() time.Time {
	c.mu.Lock()
	defer c.mu.Unlock()
	return c.now()
}

func (c *clock) now() time.Time { return time.Now().Round(0).UTC().Add(c.offset) }

// set moves the clock forward to a moment; one that has passed changes nothing.
func (c *clock) set(to time.Time) {
	c.mu.Lock()
	defer c.mu.Unlock()
	if now := c.now(); to.After(now) {
		c.offset += to.Sub(now)
		c.written = false
	}
}

// start sets the clock to any moment.
func (c *clock) start(at time.Time) {
	c.mu.Lock()
	defer c.mu.Unlock()
	c.offset += at.Sub(c.now())
	c.written = false
}

// publish writes the offset where the binaries read it, in one rename.
func (c *clock) publish() error {
	c.mu.Lock()
	defer c.mu.Unlock()
	if c.written {
		return nil
	}
	next := c.file + ".next"
	if err := os.WriteFile(next, []byte(c.offset.String()+"\n"), 0o600); err != nil {
		return fmt.Errorf("clock for the binaries: %w", err)
	}
	if err := os.Rename(next, c.file); err != nil {
		return fmt.Errorf("clock for the binaries: %w", err)
	}
	c.written = true
	return nil
}

func newClock(dir string, at time.Time) *clock {
	c := &clock{file: filepath.Join(dir, "clock")}
	c.start(at)
	return c
}
