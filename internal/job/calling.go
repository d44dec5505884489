package job

import "github.com/cronbearer/cronbearer/internal/jsondoc"

// Calling is the job with the call of a probe in place of its own: the event's rules do not judge it. The answer's body is
// read whole, as an expiry may stand in it.
func (j Job) Calling(p Probe, rules Rules) Job {
	j.Action, j.Method, j.location = Call, p.Method, p.location
	j.headers, j.body, j.Rules, j.Idempotent, j.ReadsBody = nil, jsondoc.Value{}, rules, false, true
	return j
}
