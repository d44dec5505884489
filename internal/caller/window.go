package caller

import (
	"context"
	"time"

	"github.com/cronbearer/cronbearer/internal/endpoint"
	"github.com/cronbearer/cronbearer/internal/redact"
	"github.com/cronbearer/cronbearer/internal/request"
	"github.com/cronbearer/cronbearer/internal/token"
)

// window is how long after a rotation its other version may be tried.
const window = time.Hour

// recover tries the tokens of the rotation window, each different value once: AWSCURRENT re-read, AWSPENDING while it
// is young, AWSPREVIOUS while AWSCURRENT is. Outside the window no other token is tried, so that a rotation that wrote
// a dead token cannot hide behind the previous one. It returns AWSCURRENT as last known, and a finding if that has
// another token that cannot be used, so that nothing is known about it.
func (r *run) recover(ctx context.Context, out request.Request, current token.Version) (token.Version, *finding) {
	fresh, err := r.secret().CurrentAfter(ctx, r.job.Secret, r.clock.Now())
	if err != nil {
		r.log.WarnContext(ctx, "the secret could not be re-read", "error", err.Error())
	} else {
		current = fresh
		switch {
		case !r.last().minted.IsZero() || fresh.Minted():
			return current, r.mintAgain(ctx, out, current)
		case r.wasTried(fresh.Token):
		case !r.bound(fresh, fresh).Allows(out.URL):
			f := unbound(out, fresh)
			return current, &f
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
		r.log.WarnContext(ctx,
			"AWSCURRENT is rejected and AWSPREVIOUS accepted: the rotation wrote a token that does not work yet",
			"secret", current.Secret, "rejected_version", current.ID, "accepted_version", last.version.ID)
	}
	return current, nil
}

// callVersion ignores an error, as only stored tokens get here, and those are never minted.
func (r *run) callVersion(ctx context.Context, out request.Request, v token.Version) {
	if t, err := r.tokenOf(ctx, v, redact.Secret{}); err == nil {
		r.call(ctx, out, t)
	}
}

// mintAgain mints another token: the server may have revoked the first before its expiry, or the client's credential
// changed. If it fails, the verdict on the previously minted token stays. One that was not minted is
// obsolete.
func (r *run) mintAgain(ctx context.Context, out request.Request, current token.Version) *finding {
	if !r.bound(current, current).Allows(out.URL) {
		f := unbound(out, current)
		return &f
	}
	t, err := r.tokenOf(ctx, current, r.last().value)
	if err != nil {
		r.log.WarnContext(ctx, "no other token could be minted", "error", err.Error())
		if !r.last().minted.IsZero() {
			r.tried[len(r.tried)-1].answer.Reason += ", and no other token could be minted: " + err.Error()
			return nil
		}
		f := unavailable(err, current)
		return &f
	}
	if !r.wasTried(t.value) {
		r.call(ctx, out, t)
		r.callSettled(ctx, out)
	}
	return nil
}

// forgetRejected lets a later run mint, even if this one may not repeat its call. One that was accepted when it was
// repeated (callSettled) stays.
func (r *run) forgetRejected() {
	accepted := r.last().answer.Verdict == endpoint.Accepted
	for _, t := range r.tried {
		if !t.minted.IsZero() && t.answer.Verdict == endpoint.Rejected && !(accepted && t.value.Equal(r.last().value)) {
			r.minter.Forget(t.version, t.value)
		}
	}
}
