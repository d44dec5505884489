// Package caller is one run: event, job, token, target, metric and result, in this order.
package caller

import (
	"time"

	"github.com/cronbearer/cronbearer/internal/endpoint"
	"github.com/cronbearer/cronbearer/internal/metric"
	"github.com/cronbearer/cronbearer/internal/redact"
)

// Outcome is how a run ended.
type Outcome string

// The outcomes. docs/runbooks tells of each what to do.
const (
	Succeeded        Outcome = "succeeded"
	TokenRejected    Outcome = "token_rejected"
	TargetFailed     Outcome = "target_failed"
	Unreachable      Outcome = "unreachable"
	TokenUnavailable Outcome = "token_unavailable"
	InvalidJob       Outcome = "invalid_job"
	Skipped          Outcome = "skipped"
)

// Result is what a run returns and logs.
type Result struct {
	Job            string           `json:"job"`
	Token          string           `json:"token"`
	Outcome        Outcome          `json:"outcome"`
	Verdict        endpoint.Verdict `json:"verdict"`
	Status         int              `json:"status"`     // of the answer that decided; 0: none came
	Attempts       int              `json:"attempts"`   // requests sent to the target
	Rejections     int              `json:"rejections"` // how many of them were rejected
	RecoveredWith  string           `json:"recoveredWith,omitempty"`
	TokenVersion   string           `json:"tokenVersion,omitempty"`   // of the last token used
	TokenExpiresAt *time.Time       `json:"tokenExpiresAt,omitempty"` // of the token that decided
	DurationMS     int64            `json:"durationMs"`
	RunID          string           `json:"runId"`
	RequestID      string           `json:"requestId"`

	TargetRequestID string `json:"targetRequestId,omitempty"` // the target's own, of the answer that decided
}

// scrubbed returns the result as it may leave the process. What is neither from the event nor from the target is made of
// our own words, ids, times and numbers.
func (r Result) scrubbed(scrub *redact.Scrubber) Result {
	r.Job, r.Token = scrub.Clean(r.Job, redact.MaxQuote), scrub.Clean(r.Token, redact.MaxQuote)
	r.TargetRequestID = scrub.Clean(r.TargetRequestID, redact.MaxQuote)
	return r
}

// failed reports whether Lambda is to count the run as an error and keep its event.
func (r Result) failed() bool { return r.Outcome != Succeeded && r.Outcome != Skipped }

// alive is the job's heartbeat. A rejected token does not count against the job: the token's own alarm speaks.
func (r Result) alive() bool { return r.Outcome == Succeeded || r.Verdict == endpoint.Rejected }

// Report is what the run publishes: of the token if the run learned something of it, of the job if its name is known.
func (r Result) Report(at time.Time) metric.Report {
	if r.Outcome == Skipped {
		return metric.Report{}
	}
	rep := metric.Report{At: at, Job: r.Job, Token: r.Token, Version: r.TokenVersion}
	if r.TokenExpiresAt != nil {
		rep.Expires = *r.TokenExpiresAt
	}
	if r.Verdict != endpoint.Unknown && r.Token != "" {
		rejected := r.Verdict == endpoint.Rejected
		rep.Rejected = &rejected
	}
	if r.Job != "" {
		alive := r.alive()
		rep.Alive = &alive
	}
	return rep
}
