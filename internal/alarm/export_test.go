package alarm

import "time"

// SpreadBy replaces a Reminder's random wait.
func (r *Reminder) SpreadBy(spread func() time.Duration) { r.spread = spread }

// Spread is how long a Reminder waits before it acts.
func (r *Reminder) Spread() time.Duration { return r.spread() }
