// Package metric publishes the findings of a run or a rotation to CloudWatch: whether a token was rejected, when it
// expires, that a job is alive. It decides no verdict and changes no alarm (package alarm). Silence is visible, so
// success is published as well; but good news is not repeated within minutes, as each datum is billed, and bad news is
// always published. What CloudWatch does not store is returned in the embedded metric format for the log. What this
// package does changes no run: its panics, hangs and failures are errors (package isolate).
package metric

import "time"

// Names of the metrics and of their dimensions. The template's alarms use the same; a test compares them.
const (
	DefaultNamespace = "Cronbearer"

	TokenRejected     = "TokenRejected"
	TokenDaysToExpiry = "TokenDaysToExpiry"
	Heartbeat         = "Heartbeat"
	RotationFailed    = "RotationFailed"

	DimensionStack  = "Stack"
	DimensionToken  = "Token"
	DimensionJob    = "Job"
	DimensionSecret = "Secret"
)

// UnknownExpiry is the TokenDaysToExpiry of a token without an expiry that replaced another one not long ago. The
// previous one may have fired TokenExpiring, which keeps its state until there is a datum. Readers show it as unknown.
const (
	UnknownExpiry = 3650
	replacedFor   = 35 * 24 * time.Hour // longer than any window of a warning that still makes sense
)

// Report is what one run publishes. A nil pointer or a zero time publishes nothing.
type Report struct {
	At       time.Time // the moment of the verdict, wall-clock
	Job      string
	Token    string
	Version  string    // of the secret; the token of another version is news
	Rejected *bool     // true: the token was rejected; false: it was accepted
	Expires  time.Time // zero: unknown
	Undated  time.Time // when the version was created, of a static or rotated token with no expiry at all, readable or not
	Alive    *bool     // the job's heartbeat
}

// datum is one value of one metric. Its dimensions are Stack and, under the name dimension, value's owner.
type datum struct {
	metric    string
	dimension string // DimensionToken, DimensionJob or DimensionSecret
	owner     string
	value     float64
	good      bool
	version   string    // of the token: another version is not a repetition
	expires   time.Time // of TokenDaysToExpiry: the same
}

// data lists the report's values, in a fixed order.
func (r Report) data() []datum {
	list := make([]datum, 0, 3)
	if r.Rejected != nil {
		list = append(list, datum{
			metric: TokenRejected, dimension: DimensionToken, owner: r.Token, value: number(*r.Rejected), good: !*r.Rejected,
			version: r.Version,
		})
	}
	if days, ok := r.daysToExpiry(); ok {
		list = append(list, datum{
			metric: TokenDaysToExpiry, dimension: DimensionToken, owner: r.Token, value: days, good: true, version: r.Version,
			expires: r.Expires,
		})
	}
	if r.Alive != nil {
		list = append(
			list, datum{metric: Heartbeat, dimension: DimensionJob, owner: r.Job, value: number(*r.Alive), good: *r.Alive},
		)
	}
	return list
}

func (r Report) daysToExpiry() (float64, bool) {
	switch {
	case !r.Expires.IsZero():
		return r.Expires.Sub(r.At).Hours() / 24, true
	case !r.Undated.IsZero() && r.At.Sub(r.Undated) < replacedFor:
		return UnknownExpiry, true
	default:
		return 0, false
	}
}

func number(b bool) float64 {
	if b {
		return 1
	}
	return 0
}
