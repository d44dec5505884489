package environment

import "sync"

// Configured is made from the configuration once that is good. Until then each Get reads it again: a bad value must not
// end the process, as Lambda would start it over and over. It is safe for concurrent use.
type Configured[T any] struct {
	read func() (T, error)

	mu    sync.Mutex
	value T
	good  bool
}

// NewConfigured reads the configuration at once, so that a good one costs the start and no run.
func NewConfigured[T any](read func() (T, error)) *Configured[T] {
	c := &Configured[T]{read: read}
	_, _ = c.Get()
	return c
}

// Get returns what was made, or what is wrong with the configuration.
func (c *Configured[T]) Get() (T, error) {
	c.mu.Lock()
	defer c.mu.Unlock()
	if c.good {
		return c.value, nil
	}
	value, err := c.read()
	if err == nil {
		c.value, c.good = value, true
	}
	return value, err
}
