package caller

import (
	"errors"
	"fmt"
	"strings"
	"time"

	"github.com/cronbearer/cronbearer/internal/endpoint"
	"github.com/cronbearer/cronbearer/internal/metric"
	"github.com/cronbearer/cronbearer/internal/oauth"
	"github.com/cronbearer/cronbearer/internal/redact"
	"github.com/cronbearer/cronbearer/internal/request"
	"github.com/cronbearer/cronbearer/internal/token"
)

// Outcome is how a run ended.
type Outcome string

// The outcomes. docs/runbooks has a page for each.
const (
	Succeeded        Outcome = "succeeded"
	TokenRejected    Outcome = "token_rejected"
	TargetFailed     Outcome = "target_failed"
	Unreachable      Outcome = "unreachable"
	TokenUnavailable Outcome = "token_unavailable"
	InvalidJob       Outcome = "invalid_job"
	Skipped          Outcome = "skipped"
)

// Result is what a run returns and logs. Its members are queried in the log and read by those who invoke the function:
// they are added to, but not renamed.
type Result struct {
	Job            string           `json:"job"`
	Token          string           `json:"token"`
	Outcome        Outcome          `json:"outcome"`
	Verdict        endpoint.Verdict `json:"verdict"`
	Status         int              `json:"status"`     // of the decisive answer; 0: there was none
	Attempts       int              `json:"attempts"`   // requests sent to the target
	Rejections     int              `json:"rejections"` // how many of them were rejected
	RecoveredWith  string           `json:"recoveredWith,omitempty"`
	TokenVersion   string           `json:"tokenVersion,omitempty"`   // of the last token used
	TokenExpiresAt *time.Time       `json:"tokenExpiresAt,omitempty"` // of the decisive token
	DurationMS     int64            `json:"durationMs"`
	RunID          string           `json:"runId"`
	RequestID      string           `json:"requestId"`

	TargetRequestID string `json:"targetRequestId,omitempty"` // the target's own, of the decisive answer
}

// scrubbed returns the result as it may leave the process. Everything else in it is made
// of our own words, ids, times and numbers.
func (r Result) scrubbed(scrub *redact.Scrubber) Result {
	r.Job, r.Token = scrub.Clean(r.Job, redact.MaxQuote), scrub.Clean(r.Token, redact.MaxQuote)
	r.TargetRequestID = scrub.Clean(r.TargetRequestID, redact.MaxQuote)
	return r
}

// failed reports whether Lambda must count the run as an error and keep its event.
func (r Result) failed() bool { return r.Outcome != Succeeded && r.Outcome != Skipped }

// alive is the job's heartbeat. A rejected token does not count against the job: the token's own alarm reports it.
// Without that, every job of a dead token would raise an alarm of its own, a hundred messages about one fact
// (docs/decisions/0005).
func (r Result) alive() bool { return r.Outcome == Succeeded || r.Verdict == endpoint.Rejected }

// finding is what a run found, from the decisive answer to the report: its Result, and what the text for the
// operator and the metrics need in addition.
type finding struct {
	Result

	reason      string // empty if it did not fail
	said        string // the target's message about it
	err         error  // why there was no token
	kind        token.Kind
	undated     time.Time // as in metric.Report
	missesScope bool
	target      request.Call // that was called, or should have been
	probed      bool         // it is the secret's probe
}

// ofVersion returns the result of a run that proved nothing about a version's token.
func ofVersion(v token.Version, o Outcome) Result {
	return Result{Outcome: o, Verdict: endpoint.Unknown, TokenVersion: v.ID, TokenExpiresAt: known(v.Expiry)}
}

// known returns a time, nil for none.
func known(t time.Time) *time.Time {
	if t.IsZero() {
		return nil
	}
	return &t
}

// unavailable returns the finding of a run without a token. v is the version that should have provided it, if one was
// read. A permanent reason counts as a rejection: it stays until an operator acts, as that of a dead token does. A
// transient one proves nothing about the token.
func unavailable(err error, v token.Version) finding {
	f := finding{Result: ofVersion(v, TokenUnavailable), reason: strings.TrimSuffix(err.Error(), "."), err: err}
	if v.ID != "" {
		f.kind = v.Kind()
	}
	if u, ok := errors.AsType[*token.UnavailableError](err); ok && u.Permanent {
		f.Verdict = endpoint.Rejected
	}
	if m, ok := errors.AsType[*oauth.Error](err); ok {
		switch {
		case m.Unbound:
			f.Outcome = InvalidJob
		case m.Permanent:
			f.Verdict = endpoint.Rejected
		}
		if m.Rejected {
			f.Outcome = TokenRejected
		}
	}
	return f
}

// invalid returns the finding of a run that made no call because of how it is configured. It proves nothing about the
// token, but what the secret says of its expiry is published anyway.
func invalid(reason string, v token.Version) finding {
	return finding{Result: ofVersion(v, InvalidJob), reason: reason, undated: undated(v)}
}

func (t attempt) undated() time.Time {
	if t.unread {
		return time.Time{}
	}
	return undated(t.version)
}

// undated returns when a version whose token has no expiry was created. Zero: it has one, readable or not, or the token
// is minted and lives as long as its client. A token without an expiry that has replaced one with an expiry must clear
// the alarm of that one (metric.UnknownExpiry).
func undated(v token.Version) time.Time {
	if v.Minted() || !v.Expiry.IsZero() || v.ExpiryUnreadable {
		return time.Time{}
	}
	return v.Created
}

// unbound names the host and not the list: the event's author learns what to add, and no one what else is allowed.
func unbound(out request.Request, v token.Version) finding {
	return invalid(
		fmt.Sprintf(
			"the token is not bound to host %s: add it to hosts in the secret, or to ALLOWED_HOSTS (parameter "+
				"AllowedHosts) if the secret has no hosts",
			out.URL.Host,
		),
		v,
	)
}

// report adds to the result's report what only the secret's document knows.
func (f finding) report(at time.Time) metric.Report {
	rep := f.Result.Report(at)
	rep.Undated = f.undated
	return rep
}

// Report returns what the run publishes: about the token if the run proved something, about the job if its name is
// known. A run that was skipped publishes nothing, not even a heartbeat: it did nothing. The job's name is unknown only
// in an invalid event.
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
