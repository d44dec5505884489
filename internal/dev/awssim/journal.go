package awssim

import (
	"encoding/json"
	"errors"
	"slices"
	"sync"
	"time"

	"github.com/cronbearer/cronbearer/internal/dev/awssim/lambda"
	"github.com/cronbearer/cronbearer/internal/dev/awssim/notify"
	"github.com/cronbearer/cronbearer/internal/dev/awssim/secretsmanager"
)

// Event is something that happened; one of the fields is set.
type Event struct {
	At       time.Time
	Run      *Run
	Alarm    *notify.Change
	Email    *notify.Email
	Rotation *secretsmanager.Rotation
}

// Run is one run of a function.
type Run struct {
	lambda.Invocation

	Function string // logical id
	Result   Result // of the caller's runs
}

// Result is the result in the caller's log line of a run.
type Result struct {
	Job, Token, Outcome, Verdict, RecoveredWith, TokenVersion string
	Status, Attempts, Rejections                              int
	RunID, RequestID                                          string
	TokenExpiresAt                                            *time.Time
}

// newRun parses the run's line, which has the same shape on success and on failure.
func newRun(id string, i lambda.Invocation) Run {
	r := Run{Invocation: i, Function: id}
	for _, line := range i.Lines() {
		if line["message"] != "run" {
			continue
		}
		if text, err := json.Marshal(line["result"]); err == nil {
			_ = json.Unmarshal(text, &r.Result) // a line of another shape leaves it empty, which no test reads as a result
		}
	}
	return r
}

// journal records what happens and passes it to the observer. It knows nothing of the other parts. Safe for concurrent
// use.
type journal struct {
	light     bool // passes events on and records none
	observer  func(Event)
	observing sync.Mutex // one call of observer at a time

	mu          sync.Mutex
	runs        []Run
	emails      []notify.Email
	changes     []notify.Change
	undelivered []error
	broken      []error
}

func (j *journal) observe(e Event) {
	if !j.light {
		j.record(e)
	}
	if j.observer != nil {
		j.observing.Lock()
		defer j.observing.Unlock()
		j.observer(e)
	}
}

func (j *journal) record(e Event) {
	j.mu.Lock()
	defer j.mu.Unlock()
	switch {
	case e.Run != nil:
		j.runs = append(j.runs, *e.Run)
	case e.Alarm != nil:
		j.changes = append(j.changes, *e.Alarm)
	case e.Email != nil:
		j.emails = append(j.emails, *e.Email)
	}
}

// ran records an invocation of a function, by its logical id.
func (j *journal) ran(id string, i lambda.Invocation) Run {
	r := newRun(id, i)
	j.observe(Event{At: i.At, Run: &r})
	return r
}

func (j *journal) lost(message error) {
	j.mu.Lock()
	defer j.mu.Unlock()
	j.undelivered = append(j.undelivered, message)
}

// broke records an error of this machine, such as a binary that does not start, until takeBroken returns it.
func (j *journal) broke(err error) {
	j.mu.Lock()
	defer j.mu.Unlock()
	j.broken = append(j.broken, err)
}

func (j *journal) takeBroken() error {
	j.mu.Lock()
	defer j.mu.Unlock()
	err := errors.Join(j.broken...)
	j.broken = nil
	return err
}

// Runs returns all runs of functions so far, including those of Invoke.
func (j *journal) Runs() []Run {
	j.mu.Lock()
	defer j.mu.Unlock()
	return slices.Clone(j.runs)
}

// Emails returns the emails so far; those about one alarm if it is named.
func (j *journal) Emails(alarmName string) []notify.Email {
	j.mu.Lock()
	defer j.mu.Unlock()
	return slices.DeleteFunc(slices.Clone(j.emails), func(m notify.Email) bool {
		return alarmName != "" && m.Alarm != alarmName
	})
}

// Changes returns the alarms' changes of state so far; those of one alarm if it is named.
func (j *journal) Changes(alarmName string) []notify.Change {
	j.mu.Lock()
	defer j.mu.Unlock()
	return slices.DeleteFunc(slices.Clone(j.changes), func(n notify.Change) bool {
		return alarmName != "" && n.Alarm.Name != alarmName
	})
}

// Undelivered returns why messages were not delivered: their topic does not exist, or its policy denies the publisher.
func (j *journal) Undelivered() []error {
	j.mu.Lock()
	defer j.mu.Unlock()
	return slices.Clone(j.undelivered)
}
