package caller

import (
	"context"
	"errors"
	"fmt"
	"log/slog"
	"strings"
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

// window is how long after a rotation its other version may be tried.
const window = time.Hour

// Caller holds what the runs of one environment share. It is safe for concurrent use.
type Caller struct {
	clock             *clock.Clock
	store             *token.Store
	minter            *token.Minter
	targets           *egress.Trust[*endpoint.Client]
	quotes            bool // what targets say of a failure
	allowedHosts      hosts.List
	idempotencyHeader string
}

// run is one run under way.
type run struct {
	*Caller

	job      job.Job
	target   request.Call    // the job's, or that of the secret's probe
	policy   endpoint.Policy // of its call
	id       string
	start    time.Time // wall-clock
	deadline time.Time // real; zero: none
	log      *slog.Logger

	tried   []try        // calls, in order
	settled bool         // a token got its moment
	probe   *token.Probe // the call is that of the secret; nil: the job's
}

// try is a call with one token.
type try struct {
	version token.Version
	value   redact.Secret
	expiry  time.Time // zero: unknown, or minted
	minted  time.Time // when; zero: it is stored
	with    string    // what recoveredWith says if it is accepted
	answer  endpoint.Answer
	unread  bool // there is an expiry that cannot be read, so that an unknown one does not mean none
}

// ending is how a run ended.
type ending struct {
	outcome Outcome
	verdict endpoint.Verdict
	status  int
	fault   string // empty when it did not fail
	said    string // by the target
	err     error  // why there was no token
	kind    token.Kind
	version string // of the secret; the last one used where several were
	expires time.Time
	undated time.Time // of what metric.Report says

	targetRequestID string
	missesScope     bool
	probe           bool // the call was that of the secret
}

// run makes the call that the event wants, and tells how it went.
func (c *Caller) run(ctx context.Context, j job.Job, id string, log *slog.Logger) (ending, *run) {
	r := &run{Caller: c, job: j, id: id, start: c.clock.Now(), log: log}
	r.target = j.Call
	r.policy = endpoint.Policy{Attempts: j.Attempts, Timeout: j.Timeout, Replayable: j.Replayable(), Rules: j.Rules}
	r.deadline, _ = ctx.Deadline()
	if j.MaxAge > 0 && j.Age(r.start) > j.MaxAge {
		return ending{outcome: Skipped, verdict: endpoint.Unknown}, r
	}
	version, err := r.secret().Current(ctx, j.Secret)
	if err != nil {
		return unavailable(err, token.Version{}), r
	}
	if j.Action == job.Check {
		return r.check(ctx, version), r
	}
	out, err := j.Request(id, r.start, c.idempotencyHeader)
	if err != nil {
		return invalid(err.Error(), version), r
	}
	return r.make(ctx, out, version), r
}

// make makes a call with the version's token, and with others where it is rejected.
func (r *run) make(ctx context.Context, out request.Request, version token.Version) ending {
	if !r.bound(version, version).Allows(out.URL) {
		return unbound(out, version)
	}
	first, err := r.tokenOf(ctx, version, redact.Secret{})
	if newer, ok := r.newerThanRefused(ctx, version, err); ok {
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
		var unusable *ending
		if version, unusable = r.recover(ctx, out, version); unusable != nil {
			return *unusable
		}
	}
	return r.decide(version)
}

func unbound(out request.Request, v token.Version) ending {
	return invalid(fmt.Sprintf("host %s is not one that the token is bound to: add it to hosts in the secret, or to ALLOWED_HOSTS (parameter AllowedHosts) if the secret has no hosts", out.URL.Host), v)
}

// secret reads the job's secret.
func (r *run) secret() token.Keyed { return r.store.Keyed(r.job.SecretKey) }

// bound is the list that binds a version's token. One without hosts inherits those of AWSCURRENT.
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

// tokenOf is the version's token, or one minted for it that is not the rejected one.
func (r *run) tokenOf(ctx context.Context, v token.Version, rejected redact.Secret) (try, error) {
	t := try{version: v, value: v.Token, expiry: v.Expiry, with: string(v.Stage)}
	if v.Minted() {
		minted, err := r.minter.Mint(ctx, v, rejected)
		if err != nil {
			return try{}, err
		}
		t.value, t.minted, t.with = minted.Token, minted.At, "minted" // the expiry is that of what mints
		if minted.Warning != "" && !minted.At.Before(r.start) {       // once, by the run that minted it
			r.warnOf(ctx, v, minted.Warning)
		}
	}
	return t, nil
}

// newerThanRefused reads AWSCURRENT afresh when a token request was refused: the version in memory may be up to five
// minutes old, and what replaced it is asked at once.
func (r *run) newerThanRefused(ctx context.Context, version token.Version, err error) (token.Version, bool) {
	if refused, ok := errors.AsType[*oauth.Error](err); !ok || !refused.Refused {
		return token.Version{}, false
	}
	fresh, err := r.secret().CurrentAfter(ctx, r.job.Secret, r.clock.Now())
	if err != nil {
		r.log.WarnContext(ctx, "the secret could not be read afresh", "error", err.Error())
		return token.Version{}, false
	}
	return fresh, fresh.ID != version.ID
}

func (r *run) call(ctx context.Context, out request.Request, t try) {
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

// forecast reads a token's expiry from the answer to a call with it.
func (r *run) forecast(ctx context.Context, t *try, asked time.Time) {
	unread := t.answer.Unread
	t.expiry = t.answer.Expiry
	if t.expiry.IsZero() && r.probe != nil && t.answer.Body != nil {
		var fault string
		if t.expiry, fault = r.probe.Expiry(*t.answer.Body, asked); fault != "" {
			unread = fault
		}
	}
	if unread != "" {
		t.unread = true
		r.warnOf(ctx, t.version, unread)
	}
}

// warnOf logs what is odd about a secret, as the store does.
func (r *run) warnOf(ctx context.Context, v token.Version, warning string) {
	r.log.WarnContext(ctx, "check the secret", "secret", v.Secret, "version", v.ID, "warning", warning)
}

func (r *run) last() try { return r.tried[len(r.tried)-1] }

// Some providers need a moment until they accept what they gave: GitHub's tokens are refused for about a second.
const (
	settling    = time.Second
	settledAged = 10 * time.Second
)

// callSettled repeats a rejected call, once in a run, with a token that was minted just before, after a moment: at a cold
// start it would be a false alarm, and another token would be as young.
func (r *run) callSettled(ctx context.Context, out request.Request) {
	t := r.last()
	age := r.clock.Now().Sub(t.minted)
	if t.minted.IsZero() || r.settled || age < 0 || age >= settledAged || !r.mayTryAnother() {
		return
	}
	budget := retry.Budget{Deadline: r.deadline, Now: time.Now}
	if !budget.Fits(settling) || !retry.Sleep(ctx, settling) {
		return
	}
	r.settled = true
	r.call(ctx, out, t)
}

// mayTryAnother reports whether the last call was rejected and may be repeated. After a 401 or an invalid_token challenge
// nothing was done; after a rule of the user's that is not sure, so the job must allow it.
func (r *run) mayTryAnother() bool {
	a := r.last().answer
	return a.Verdict == endpoint.Rejected && (a.NotDone || r.policy.Replayable)
}

// recover tries the tokens of the rotation window, each different value once: AWSCURRENT read afresh, AWSPENDING while
// it is young, AWSPREVIOUS while AWSCURRENT is. Outside the window no other token is tried, so that a rotation that
// wrote a dead token cannot hide behind the one before. It returns AWSCURRENT as last known, and an ending if that has
// another token that cannot be used, so that nothing is known of it.
func (r *run) recover(ctx context.Context, out request.Request, current token.Version) (token.Version, *ending) {
	fresh, err := r.secret().CurrentAfter(ctx, r.job.Secret, r.clock.Now())
	if err != nil {
		r.log.WarnContext(ctx, "the secret could not be read afresh", "error", err.Error())
	} else {
		current = fresh
		switch {
		case !r.last().minted.IsZero() || fresh.Minted():
			return current, r.mintAgain(ctx, out, current)
		case r.wasTried(fresh.Token):
		case !r.bound(fresh, fresh).Allows(out.URL):
			e := unbound(out, fresh)
			return current, &e
		default:
			r.callVersion(ctx, out, fresh)
		}
	}
	if !r.last().minted.IsZero() {
		return current, nil
	}
	for _, stage := range []token.Stage{token.Pending, token.Previous} {
		if !r.mayTryAnother() {
			break
		}
		if stage == token.Previous && !current.YoungerThan(window, r.clock.Now()) {
			break
		}
		other, err := r.secret().Staged(ctx, r.job.Secret, stage)
		if err != nil {
			r.log.DebugContext(ctx, "no other token in this stage", "stage", stage, "error", err.Error())
			continue
		}
		young := stage == token.Previous || other.YoungerThan(window, r.clock.Now())
		if young && !other.Minted() && !r.wasTried(other.Token) && r.bound(other, current).Allows(out.URL) {
			r.callVersion(ctx, out, other)
		}
	}
	if last := r.last(); last.answer.Verdict == endpoint.Accepted && last.with == string(token.Previous) {
		r.log.WarnContext(ctx, "AWSCURRENT is refused and AWSPREVIOUS accepted: the rotation wrote a token that does not work yet",
			"secret", current.Secret, "refused_version", current.ID, "accepted_version", last.version.ID)
	}
	return current, nil
}

func (r *run) callVersion(ctx context.Context, out request.Request, v token.Version) {
	if t, err := r.tokenOf(ctx, v, redact.Secret{}); err == nil {
		r.call(ctx, out, t)
	}
}

// mintAgain mints once more: the server may have ended the token before its time, or the client's credential changed.
// When it fails, the verdict on the token that was minted before stands. One that was not minted is of the past.
func (r *run) mintAgain(ctx context.Context, out request.Request, current token.Version) *ending {
	if !r.bound(current, current).Allows(out.URL) {
		e := unbound(out, current)
		return &e
	}
	t, err := r.tokenOf(ctx, current, r.last().value)
	if err != nil {
		r.log.WarnContext(ctx, "no other token could be minted", "error", err.Error())
		if !r.last().minted.IsZero() {
			r.tried[len(r.tried)-1].answer.Fault += ", and no other token could be minted: " + err.Error()
			return nil
		}
		e := unavailable(err, current)
		return &e
	}
	if !r.wasTried(t.value) {
		r.call(ctx, out, t)
		r.callSettled(ctx, out)
	}
	return nil
}

// forgetRejected lets a later run mint, even if this one may not repeat its call.
func (r *run) forgetRejected() {
	accepted := r.last().answer.Verdict == endpoint.Accepted
	for _, t := range r.tried {
		if !t.minted.IsZero() && t.answer.Verdict == endpoint.Rejected && !(accepted && t.value.Equal(r.last().value)) {
			r.minter.Forget(t.version, t.value)
		}
	}
}

func (r *run) wasTried(value redact.Secret) bool {
	for _, t := range r.tried {
		if t.value.Equal(value) {
			return true
		}
	}
	return false
}

// decide picks the call that counts: an accepted one, or that of AWSCURRENT as last known, or of the token minted last.
func (r *run) decide(current token.Version) ending {
	decisive := r.last()
	if decisive.answer.Verdict != endpoint.Accepted && decisive.minted.IsZero() {
		for _, t := range r.tried {
			if t.value.Equal(current.Token) {
				decisive = t
			}
		}
	}
	a := decisive.answer
	e := ending{
		verdict: a.Verdict, status: a.Status, fault: a.Fault, said: a.Said, kind: decisive.version.Kind(), version: r.last().version.ID,
		expires: decisive.expiry, undated: decisive.undated(), targetRequestID: a.RequestID, missesScope: a.MissesScope,
	}
	switch {
	case a.Verdict == endpoint.Accepted:
		e.outcome = Succeeded
	case a.Verdict == endpoint.Rejected:
		e.outcome = TokenRejected
	case a.Refused:
		e.outcome = InvalidJob
	case a.Status == 0:
		e.outcome = Unreachable
	default:
		e.outcome = TargetFailed
	}
	return e
}

// unavailable is the end of a run without a token. v is the version it was to come from, if one was read.
func unavailable(err error, v token.Version) ending {
	e := ending{outcome: TokenUnavailable, verdict: endpoint.Unknown, fault: strings.TrimSuffix(err.Error(), "."), err: err, version: v.ID, expires: v.Expiry}
	if v.ID != "" {
		e.kind = v.Kind()
	}
	if u, ok := errors.AsType[*token.UnavailableError](err); ok && u.Lasting {
		e.verdict = endpoint.Rejected
	}
	if m, ok := errors.AsType[*oauth.Error](err); ok {
		switch {
		case m.Unbound:
			e.outcome = InvalidJob
		case m.Lasting:
			e.verdict = endpoint.Rejected
		}
		if m.Refused {
			e.outcome, e.status = TokenRejected, 0
		}
	}
	return e
}

func invalid(fault string, v token.Version) ending {
	return ending{outcome: InvalidJob, verdict: endpoint.Unknown, fault: fault, version: v.ID, expires: v.Expiry, undated: undated(v)}
}

func (t try) undated() time.Time {
	if t.unread {
		return time.Time{}
	}
	return undated(t.version)
}

// undated is when a version was created whose token says nothing of its expiry. Zero: it does, readable or not, or the
// token is minted and lives as long as its client.
func undated(v token.Version) time.Time {
	if v.Minted() || !v.Expiry.IsZero() || v.ExpiryUnreadable {
		return time.Time{}
	}
	return v.Created
}

// fill writes what the run learned into the result.
func (e ending) fill(res *Result, r *run) {
	res.Outcome, res.Verdict, res.Status, res.TokenVersion = e.outcome, e.verdict, e.status, e.version
	res.TargetRequestID = e.targetRequestID
	for _, t := range r.tried {
		res.Attempts += t.answer.Sent
		res.Rejections += t.answer.Rejections
	}
	if len(r.tried) > 1 && e.verdict == endpoint.Accepted {
		res.RecoveredWith = r.last().with
	}
	if !e.expires.IsZero() {
		res.TokenExpiresAt = &e.expires
	}
}
