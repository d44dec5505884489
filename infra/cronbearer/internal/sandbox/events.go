package sandbox

import (
	"encoding/json"
	"strings"
	"time"

	"github.com/cronbearer/cronbearer/internal/dev/awssim"
)

// The kinds of events.
const (
	KindRun      = "run"
	KindAlarm    = "alarm"
	KindEmail    = "email"
	KindRotation = "rotation"
	KindFault    = "fault"
)

// An Event is something that happened, as a user sees it. It has no secret: the functions' own words are scrubbed,
// and the requests are not in it.
type Event struct {
	At   time.Time `json:"at"`
	Kind string    `json:"kind"`
	// Of a run.
	Job       string `json:"job,omitempty"`
	Token     string `json:"token,omitempty"`
	Outcome   string `json:"outcome,omitempty"`
	Verdict   string `json:"verdict,omitempty"`
	Status    int    `json:"status,omitempty"`
	RunID     string `json:"runId,omitempty"`
	ErrorType string `json:"errorType,omitempty"`
	// Of an alarm, by its name without the stack's.
	Alarm string `json:"alarm,omitempty"`
	From  string `json:"from,omitempty"`
	To    string `json:"to,omitempty"`
	// Of an email.
	Recipient string `json:"recipient,omitempty"`
	Subject   string `json:"subject,omitempty"`
	// Of a fault.
	Fault Kind `json:"fault,omitempty"`
	// Text is an error, an email's body, a fault in words.
	Text string `json:"text,omitempty"`
}

func (s *Sandbox) note(e Event) {
	if e.At.IsZero() {
		e.At = s.Now()
	}
	e.At = e.At.UTC().Truncate(time.Millisecond)
	s.mu.Lock()
	s.events++
	s.mu.Unlock()
	if s.options.Observe != nil {
		s.observing.Lock()
		defer s.observing.Unlock()
		s.options.Observe(e)
	}
}

// observe translates what the model reports. Alarms that leave the state of a new alarm for OK are no news.
func (s *Sandbox) observe(e awssim.Event) {
	out := Event{At: e.At}
	switch {
	case e.Run != nil:
		r := e.Run
		if r.Function != "Caller" {
			return // of the rotator's steps a rotation is the sum
		}
		out.Kind, out.Job, out.Token, out.Outcome = KindRun, r.Result.Job, r.Result.Token, r.Result.Outcome
		out.Verdict, out.Status, out.RunID = r.Result.Verdict, r.Result.Status, r.Result.RunID
		out.ErrorType, out.Text = r.ErrorType, s.public(r.Message)
		if out.Job == "" { // it crashed, or its time was up
			out.Job, out.Token = eventOf(r.Event)
		}
	case e.Alarm != nil:
		out.Kind, out.Alarm = KindAlarm, s.short(e.Alarm.Alarm.Name)
		out.From, out.To, out.Text = string(e.Alarm.From), string(e.Alarm.To), s.public(e.Alarm.Reason)
	case e.Email != nil:
		out.Kind, out.Alarm, out.Recipient = KindEmail, s.short(e.Email.Alarm), e.Email.To
		out.Subject, out.Text = s.public(e.Email.Subject), s.public(e.Email.Body)
	case e.Rotation != nil:
		out.Kind, out.Token, out.Outcome = KindRotation, s.tokenBySecret(e.Rotation.Secret), "succeeded"
		if e.Rotation.Err != nil {
			out.Outcome, out.Text = "failed", s.public(e.Rotation.Err.Error())
		}
	}
	s.note(out)
}

// eventOf returns the job and the token of a run that said nothing itself.
func eventOf(input []byte) (job, token string) {
	var e event
	_ = json.Unmarshal(input, &e) // a schedule's own Input is JSON
	return e.Job, e.Token
}

// tokenBySecret returns the token whose secret has a name; the name itself if there is none.
func (s *Sandbox) tokenBySecret(id string) string {
	for _, name := range s.Tokens() {
		if s.SecretID(s.tokens[name].Secret) == id {
			return name
		}
	}
	return id
}

// public is a text with the world's names in place of this machine's. The first events come before there is a cloud.
func (s *Sandbox) public(text string) string {
	if s.Cloud == nil {
		return text
	}
	return s.Public(text)
}

func (s *Sandbox) short(alarm string) string {
	if s.Cloud == nil {
		return alarm
	}
	return strings.TrimPrefix(alarm, s.Stack.StackName+"-")
}
