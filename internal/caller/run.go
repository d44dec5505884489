// Package caller is one run, from the event to the report. It reads the secret (package token), makes the call (package
// endpoint) and, while a rotation is under way, tries the other tokens of its window: a rotation must not look like a
// dead token, nor hide one. What it found is one finding, from which the result, the log line, the text of a failure
// and the metrics are made. Reporting changes no run. It renews nothing: package rotation does.
package caller

import (
	"context"
	"errors"
	"log/slog"
	"time"

	"github.com/cronbearer/cronbearer/internal/clock"
	"github.com/cronbearer/cronbearer/internal/egress"
	"github.com/cronbearer/cronbearer/internal/endpoint"
	"github.com/cronbearer/cronbearer/internal/hosts"
	"github.com/cronbearer/cronbearer/internal/job"
	"github.com/cronbearer/cronbearer/internal/oauth"
	"github.com/cronbearer/cronbearer/internal/redact"
	"github.com/cronbearer/cronbearer/internal/request"
	"github.com/cronbearer/cronbearer/internal/retry"
	"github.com/cronbearer/cronbearer/internal/token"
)

// Caller is what the runs of one environment share. It is safe for concurrent use.
type Caller struct {
	clock             *clock.Clock
	store             *token.Store
	minter            *token.Minter
	targets           *egress.Trust[*endpoint.Client]
	quotes            bool // errors quote the target's message
	allowedHosts      hosts.List
	idempotencyHeader string
}

// run is one run in progress.
type run struct {
	*Caller

	job    job.Job
	target request.Call    // the job's, or that of the secret's probe
	policy endpoint.Policy // of its call
	id     string
	start  time.Time // wall-clock
	log    *slog.Logger

	tried   []attempt    // calls, in order
	settled bool         // a token was given time to become valid
	probe   *token.Probe // the call is that of the secret; nil: the job's
}

// attempt is a call with one token.
type attempt struct {
	version token.Version
	value   redact.Secret
	expiry  time.Time // zero: unknown, or minted
	minted  time.Time // when; zero: it is stored
	with    string    // what recoveredWith says if it is accepted
	answer  endpoint.Answer
	unread  bool // there is an expiry that cannot be read, so that an unknown one does not mean none
}

// run makes the call of the event, and returns what it found.
func (c *Caller) run(ctx context.Context, j job.Job, id string, log *slog.Logger) finding {
	r := &run{Caller: c, job: j, id: id, start: c.clock.Now(), log: log}
	r.target = j.Call
	r.policy = endpoint.Policy{Attempts: j.Attempts, Timeout: j.Timeout, Replayable: j.Replayable(), Rules: j.Rules}
	f := r.find(ctx)
	r.count(&f)
	return f
}

// find leads from the event to the decisive answer. No secret is read for a run that is too late.
func (r *run) find(ctx context.Context) finding {
	j := r.job
	if j.MaxAge > 0 && j.Age(r.start) > j.MaxAge {
		return finding{Result: Result{Outcome: Skipped, Verdict: endpoint.Unknown}}
	}
	version, err := r.secret().Current(ctx, j.Secret)
	if err != nil {
		return unavailable(err, token.Version{})
	}
	if j.Action == job.Check {
		return r.check(ctx, version)
	}
	out, err := j.Request(r.id, r.start, r.idempotencyHeader)
	if err != nil {
		return invalid(err.Error(), version)
	}
	return r.make(ctx, out, version)
}

// count adds up all calls of the run.
func (r *run) count(f *finding) {
	f.target, f.probed = r.target, r.probe != nil
	for _, t := range r.tried {
		f.Attempts += t.answer.Sent
		f.Rejections += t.answer.Rejections
	}
	if len(r.tried) > 1 && f.Verdict == endpoint.Accepted {
		f.RecoveredWith = r.last().with
	}
}

// check makes a run that calls only the secret's own probe, which is judged like a job's call. Without a probe it still
// reads the secret, validates it and publishes its expiry: that is what a check is for.
func (r *run) check(ctx context.Context, version token.Version) finding {
	probe := version.Probe
	if probe == nil {
		return finding{Result: ofVersion(version, Succeeded), undated: undated(version)}
	}
	out, err := probe.Request()
	if err != nil {
		return invalid("probe: "+err.Error(), version)
	}
	r.target, r.probe = probe.Call, probe
	r.policy.Replayable, r.policy.Rules, r.policy.ReadsBody = probe.Call.Replayable(), probe.Rules, true
	f := r.make(ctx, out, version)
	if f.Verdict == endpoint.Accepted && !probe.Judges {
		f.Verdict = endpoint.Unknown // a verify endpoint may accept what the API rejects
	}
	return f
}

// make makes a call with the version's token, and with others if it is rejected. The host is checked for each version
// anew, and before a token is minted: a secret that changed while the run was under way may have removed it.
func (r *run) make(ctx context.Context, out request.Request, version token.Version) finding {
	if !r.bound(version, version).Allows(out.URL) {
		return unbound(out, version)
	}
	first, err := r.tokenOf(ctx, version, redact.Secret{})
	if newer, ok := r.newerThanRejected(ctx, version, err); ok {
		version = newer
		if !r.bound(version, version).Allows(out.URL) {
			return unbound(out, version)
		}
		first, err = r.tokenOf(ctx, version, redact.Secret{})
	}
	if err != nil {
		return unavailable(err, version)
	}
	r.call(ctx, out, first)
	defer r.forgetRejected()
	r.callSettled(ctx, out)
	if r.mayTryAnother() {
		var unusable *finding
		if version, unusable = r.recover(ctx, out, version); unusable != nil {
			return *unusable
		}
	}
	return r.decide(version)
}

// secret reads the job's secret.
func (r *run) secret() token.Keyed { return r.store.Keyed(r.job.SecretKey) }

// bound returns the list that binds a version's token. One without hosts inherits those of AWSCURRENT. Such a version
// may be from before the secret had hosts, and must not be bound more loosely than the current one.
func (r *run) bound(v, current token.Version) hosts.List {
	switch {
	case v.Hosts != nil:
		return *v.Hosts
	case current.Hosts != nil:
		return *current.Hosts
	default:
		return r.allowedHosts
	}
}

// tokenOf returns the version's token, or one minted for it that is not the rejected one. Only the run that minted a
// token warns about its expiry: the token is in memory for all later ones.
func (r *run) tokenOf(ctx context.Context, v token.Version, rejected redact.Secret) (attempt, error) {
	t := attempt{version: v, value: v.Token, expiry: v.Expiry, with: string(v.Stage)}
	if v.Minted() {
		minted, err := r.minter.Mint(ctx, v, rejected)
		if err != nil {
			return attempt{}, err
		}
		t.value, t.minted, t.with = minted.Token, minted.At, "minted" // the expiry is that of the credential
		if minted.Warning != "" && !minted.At.Before(r.start) {       // once, by the run that minted it
			r.warnOf(ctx, v, minted.Warning)
		}
	}
	return t, nil
}

// newerThanRejected re-reads AWSCURRENT after a token request was rejected: the version in memory may be up to five
// minutes old, and a newer one is used immediately. So a client secret that an operator has just replaced works in the
// next run and not after five minutes.
func (r *run) newerThanRejected(ctx context.Context, version token.Version, err error) (token.Version, bool) {
	if failed, ok := errors.AsType[*oauth.Error](err); !ok || !failed.Rejected {
		return token.Version{}, false
	}
	fresh, err := r.secret().CurrentAfter(ctx, r.job.Secret, r.clock.Now())
	if err != nil {
		r.log.WarnContext(ctx, "the secret could not be re-read", "error", err.Error())
		return token.Version{}, false
	}
	return fresh, fresh.ID != version.ID
}

// call makes the call with one token and records it. An expiry in the answer counts only for a stored token whose
// secret states none: its owner knows better.
func (r *run) call(ctx context.Context, out request.Request, t attempt) {
	asked := r.clock.Now()
	t.answer = r.targets.For(t.version.CA).Call(ctx, r.policy, out, t.value)
	if t.expiry.IsZero() && t.minted.IsZero() {
		r.forecast(ctx, &t, asked)
	}
	if !r.quotes {
		t.answer.Said = ""
	}
	r.tried = append(r.tried, t)
}

// forecast reads a token's expiry from the answer to a call with it. The header that some targets send (package
// endpoint, expiry.go) comes before the body of a probe's answer.
func (r *run) forecast(ctx context.Context, t *attempt, asked time.Time) {
	unread := t.answer.Unread
	t.expiry = t.answer.Expiry
	if t.expiry.IsZero() && r.probe != nil && t.answer.Body != nil {
		var problem string
		if t.expiry, problem = r.probe.Expiry(*t.answer.Body, asked); problem != "" {
			unread = problem
		}
	}
	if unread != "" {
		t.unread = true
		r.warnOf(ctx, t.version, unread)
	}
}

// warnOf logs a warning about a secret, as the store does.
func (r *run) warnOf(ctx context.Context, v token.Version, warning string) {
	r.log.WarnContext(ctx, "check the secret", "secret", v.Secret, "version", v.ID, "warning", warning)
}

func (r *run) last() attempt { return r.tried[len(r.tried)-1] }

// Some providers need a moment until they accept a token they issued: GitHub's are rejected for about a second.
const (
	// settling is the pause, and settledAged the age from which a token should have settled.
	settling    = time.Second
	settledAged = 10 * time.Second
)

// callSettled repeats a rejected call, once in a run, with a token that was minted just before, after a moment: at a
// cold start it would be a false alarm, and another token would be as young.
func (r *run) callSettled(ctx context.Context, out request.Request) {
	t := r.last()
	age := r.clock.Now().Sub(t.minted)
	if t.minted.IsZero() || r.settled || age < 0 || age >= settledAged || !r.mayTryAnother() {
		return
	}
	budget := retry.Budget{Now: time.Now}
	budget.Deadline, _ = ctx.Deadline()
	if !budget.Fits(settling) || !retry.Sleep(ctx, settling) {
		return
	}
	r.settled = true
	r.call(ctx, out, t)
}

// mayTryAnother reports whether the last call was rejected and may be repeated. After a 401 or an invalid_token
// challenge nothing was done; after a user's rule that is not certain, so the job must allow it.
func (r *run) mayTryAnother() bool {
	a := r.last().answer
	return a.Verdict == endpoint.Rejected && (a.NotDone || r.policy.Replayable)
}

func (r *run) wasTried(value redact.Secret) bool {
	for _, t := range r.tried {
		if t.value.Equal(value) {
			return true
		}
	}
	return false
}

// decide picks the decisive call: an accepted one, or that of AWSCURRENT as last known, or of the token minted last. So
// the previous token that is accepted in a rotation's window is a success, and its rejection is not the verdict on the
// current one.
func (r *run) decide(current token.Version) finding {
	decisive := r.last()
	if decisive.answer.Verdict != endpoint.Accepted && decisive.minted.IsZero() {
		for _, t := range r.tried {
			if t.value.Equal(current.Token) {
				decisive = t
			}
		}
	}
	a := decisive.answer
	f := finding{
		Result: Result{
			Verdict: a.Verdict, Status: a.Status, TokenVersion: r.last().version.ID, TokenExpiresAt: known(decisive.expiry),
			TargetRequestID: a.RequestID,
		},
		reason: a.Reason, said: a.Said, missesScope: a.MissesScope,
		kind: decisive.version.Kind(), undated: decisive.undated(),
	}
	switch {
	case a.Verdict == endpoint.Accepted:
		f.Outcome = Succeeded
	case a.Verdict == endpoint.Rejected:
		f.Outcome = TokenRejected
	case a.Blocked:
		f.Outcome = InvalidJob
	case a.Status == 0:
		f.Outcome = Unreachable
	default:
		f.Outcome = TargetFailed
	}
	return f
}
