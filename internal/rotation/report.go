package rotation

import "sync"

// report is what a step publishes for the alarm of its secret.
type report struct {
	mu     sync.Mutex
	counts bool // a failure now would be the rotation's own
	failed bool // published
}

// count records whether a failure from now on is the rotation's own: not that of an event that is rejected, of a
// version without a value, of a wait for another rotator, or of a rotation that an operator has replaced.
func (r *report) count(yes bool) {
	r.mu.Lock()
	defer r.mu.Unlock()
	r.counts = yes
}

// news reports whether a datum must be published. A failure is published once, at the end of the step or
// shortly before its time is up.
func (r *report) news(hasFailed bool) bool {
	r.mu.Lock()
	defer r.mu.Unlock()
	if !r.counts || hasFailed && r.failed {
		return false
	}
	r.failed = hasFailed
	return true
}
