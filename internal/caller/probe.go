package caller

import (
	"context"

	"github.com/cronbearer/cronbearer/internal/endpoint"
	"github.com/cronbearer/cronbearer/internal/token"
)

// check is a run that calls no one but the secret's own probe, which is judged as a job's call is.
func (r *run) check(ctx context.Context, version token.Version) ending {
	probe := version.Probe
	if probe == nil {
		return ending{outcome: Succeeded, verdict: endpoint.Unknown, version: version.ID, expires: version.Expiry, undated: undated(version)}
	}
	out, err := probe.Request()
	if err != nil {
		return invalid("probe: "+err.Error(), version)
	}
	r.target, r.probe = probe.Call, probe
	r.policy.Replayable, r.policy.Rules, r.policy.ReadsBody = probe.Call.Replayable(), probe.Rules, true
	e := r.make(ctx, out, version)
	e.probe = true
	if e.verdict == endpoint.Accepted && !probe.Judges {
		e.verdict = endpoint.Unknown // a verify endpoint may accept what the API rejects
	}
	return e
}
