package check

import (
	"errors"
	"strings"
	"time"

	"github.com/cronbearer/cronbearer/infra/schedule"
	"github.com/cronbearer/cronbearer/internal/job"
)

const (
	// longestRun is the function's Timeout.
	longestRun = 900 * time.Second
	// longestRotation is the rotator's: a renewed token is tried to be stored until the time is up.
	longestRotation = 300 * time.Second
	// delivery is how late Scheduler may deliver a start, and Lambda begin it.
	delivery = 15 * time.Minute

	// maxInput is EventBridge Scheduler's limit of an event in bytes.
	maxInput = 256 << 10
)

// jobs checks what each job becomes: its event, its schedule and its alarm.
func (c *checker) jobs() {
	for _, name := range c.stack.Loop(jobs) {
		if c.broken[jobs+"."+name] {
			continue
		}
		where, row := jobs+"."+name, c.stack.Mappings[jobs][name]
		properties := c.stack.Resources["Job"+name].Properties
		event := c.event(where, name, textAt(properties, "Target", "Input"))
		c.window(where, properties, row)
		c.silence(where, properties, row, event)
		c.alarm("Silent"+name, c.silent(name, row))
	}
}

// event is what the caller makes of a schedule's Input.
func (c *checker) event(where, name, input string) job.Job {
	if len(input) > maxInput {
		c.add(where, "its event has %d bytes, more than Scheduler's %d", len(input), maxInput)
	}
	event, err := job.Parse([]byte(input), job.Options{IdempotencyHeader: c.stack.Values["IdempotencyHeader"]})
	var invalid *job.InvalidError
	switch {
	case errors.As(err, &invalid):
		for _, problem := range invalid.Problems.Listed() {
			c.add(where, "the caller would refuse its event: %s", problem)
		}
	case err != nil:
		c.add(where, "the caller would refuse its event: %v", err)
	case event.Name != name:
		c.add(where, "its event is for job %s", event.Name)
	}
	return event
}

// window holds the flexible start against the row: no Window, no minutes.
func (c *checker) window(where string, properties, row map[string]any) {
	want := map[string]any{"Mode": "OFF"}
	if minutes, ok := row["Window"]; ok {
		want = map[string]any{"Mode": "FLEXIBLE", "MaximumWindowInMinutes": minutes}
	}
	c.same(where+" FlexibleTimeWindow", properties["FlexibleTimeWindow"], want)
}

// silence computes the least SilentAfter that does not cry wolf, and what else hangs on the schedule.
func (c *checker) silence(where string, properties, row map[string]any, event job.Job) {
	s, err := schedule.Parse(textAt(properties, "ScheduleExpression"), textAt(properties, "ScheduleExpressionTimezone"))
	if err != nil {
		c.add(where, "%v", err)
		return
	}
	if _, ok := s.Next(c.options.Now); !ok {
		c.add(where, "Schedule %s never starts a run again", textAt(properties, "ScheduleExpression"))
		return
	}
	window := time.Duration(numberAt(row, "Window")) * time.Minute
	if event.MaxAge > 0 && event.MaxAge <= window+delivery {
		c.add(where, "MaxAge must be more than %s (the Window plus the 15 minutes of delivery), or runs that are on time are skipped", plain(window+delivery))
	}
	if textAt(row, "Watch") == "ignore" {
		return
	}
	gap := s.LongestGap()
	least := schedule.LeastSilentAfter(gap, window, longestRun)
	switch {
	case s.OneTime():
		c.add(where, "a job that runs once is silent ever after: set Watch: ignore")
	case least > maxSilentAfter:
		c.add(where, "SilentAfter would have to be %d and may be %d at most: set Watch: ignore", least, maxSilentAfter)
	case int(numberAt(row, "SilentAfter")) < least:
		c.add(where, "SilentAfter must be at least %d: the longest gap between two starts is %s, plus a Window of %s, one run, one hour",
			least, plain(gap), plain(window))
	}
}

// plain writes a duration without its zeros: 72h, not 72h0m0s.
func plain(d time.Duration) string {
	text := strings.TrimSuffix(d.String(), "0s")
	if strings.HasSuffix(text, "h0m") {
		text = strings.TrimSuffix(text, "0m")
	}
	if text == "" {
		return "0"
	}
	return text
}

// deployable refuses hosts that nobody can own: the examples are to be edited first.
func (c *checker) deployable() {
	for _, name := range c.stack.Loop(jobs) {
		input := textAt(c.stack.Resources["Job"+name].Properties, "Target", "Input")
		event, err := job.Parse([]byte(input), job.Options{})
		if err == nil && reserved(event.Host()) {
			c.add(jobs+"."+name, "it still calls %s, which is an example: write your own host", event.Host())
		}
	}
	for host := range strings.SplitSeq(c.stack.Values[allowedHosts], ",") {
		if reserved(host) {
			c.add("parameter "+allowedHosts, "%s is an example: write your own host", strings.TrimSpace(host))
		}
	}
}

// reserved says whether a host stands under a name that RFC 2606 and RFC 6761 keep for examples and tests.
func reserved(host string) bool {
	host, _, _ = strings.Cut(strings.ToLower(strings.TrimSpace(host)), ":")
	host = "." + strings.TrimSuffix(strings.TrimPrefix(host, "*."), ".")
	for _, name := range []string{".example.com", ".example.net", ".example.org", ".example", ".test", ".invalid", ".localhost"} {
		if strings.HasSuffix(host, name) {
			return true
		}
	}
	return false
}
