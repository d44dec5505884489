package rotation

import (
	"context"
	"time"

	"github.com/cronbearer/cronbearer/internal/endpoint"
	"github.com/cronbearer/cronbearer/internal/request"
	"github.com/cronbearer/cronbearer/internal/retry"
	"github.com/cronbearer/cronbearer/internal/token"
)

const (
	testAttempts = 3                // in one call
	testTimeout  = 30 * time.Second // of one attempt
	testPause    = 20 * time.Second // at most, between two calls
	// Some providers reject a token for a moment after they have issued it.
	settling      = 10 * time.Second
	settlingPause = time.Second
)

// test makes the secret's test call with the pending token until there is a verdict or the time is up. It judges by the
// default rules, 2xx or not, as the secret's test is to prove the token and not the provider's data.
func (s *rotation) test(ctx context.Context) (Outcome, error) {
	v, err := s.stored(ctx)
	if err != nil {
		return "", err
	}
	edit, err := s.edited(ctx, v)
	if err != nil {
		return "", err
	}
	if edit.theirs {
		return "", s.yieldTo(ctx, v, edit)
	}
	if v.Test == nil {
		return NotTested, nil
	}
	if s.overdue(v) {
		s.log.WarnContext(ctx, "the new token is finished without a test",
			"secret", s.SecretID, "version", s.Version)
		return NotTested, nil
	}
	if err := s.bound(v, v.Test.URL(), "test"); err != nil {
		return "", err
	}
	return s.tryToken(ctx, v)
}

// overdue reports whether waiting for a verdict would lose more than it protects. With a refresh token a pending token
// that has expired, or was not tested for half its life, must not block the next renewal: the only refresh token
// that works is in it. One that the test has rejected is not overdue before it expires.
func (s *rotation) overdue(v token.Version) bool {
	born := s.born(v)
	if v.OAuth2 == nil {
		return false
	}
	life := expiryOf(v, born).Sub(born)
	rejected := s.labels.holder(rejectedLabel) == s.Version
	return s.expired(v, born) || !rejected && !s.now().Before(born.Add(life/2))
}

// born returns when the provider issued the pending token: shortly before the last label of the lease that it was
// renewed under was due to expire. The version itself may be as old as the first attempt of a rotation that needed
// several. A time in the future is ignored: no lease that was taken has it.
func (s *rotation) born(v token.Version) time.Time {
	born := v.Created
	for _, a := range announcements(s.labels) {
		if at := a.until.Add(-leaseLife); a.version == s.Version && at.After(born) && !at.After(s.now()) {
			born = at
		}
	}
	if born.IsZero() {
		return s.now()
	}
	return born
}

// expiryOf returns when a token expires; an unknown expiry counts as an hour.
func expiryOf(v token.Version, born time.Time) time.Time {
	if v.Expiry.IsZero() {
		return born.Add(unknownLife)
	}
	return v.Expiry
}

// expired reports false for a token without a known expiry or age.
func (s *rotation) expired(v token.Version, born time.Time) bool {
	return (!v.Expiry.IsZero() || !born.IsZero()) && !s.now().Before(expiryOf(v, born))
}

// tryToken retries after an unknown verdict for as long as the step lasts: a test target that is down for minutes must
// not discard a good token. A rejection is not, except for one that may only be too young.
func (s *rotation) tryToken(ctx context.Context, v token.Version) (Outcome, error) {
	test, err := v.Test.Fill(request.Values{}, nil, nil)
	if err != nil {
		return "", refused("test of secret %s: %s", s.SecretID, err)
	}
	working, cancel := s.working(ctx)
	defer cancel()
	policy := endpoint.Policy{
		Attempts: testAttempts, Timeout: testTimeout, Replayable: v.Test.Replayable(), Rules: request.DefaultRules(),
	}
	var answer endpoint.Answer
	loop := retry.Loop{Backoff: retry.BackoffUpTo(testPause), Sleep: retry.Sleep}
	retry.Do(working, loop, func(n int) retry.Next {
		answer = s.targets.For(v.CA).Call(working, policy, test, v.Token)
		switch {
		case answer.Verdict == endpoint.Unknown:
			return retry.Next{Retry: !answer.Blocked}
		case answer.Verdict == endpoint.Rejected && n == 1 && s.now().Sub(s.born(v)) < settling:
			return retry.Next{Retry: true, Wait: settlingPause, HasWait: true}
		default:
			return retry.Next{}
		}
	})
	switch answer.Verdict {
	case endpoint.Accepted:
		return Accepted, nil
	case endpoint.Rejected:
		return s.rejected(ctx, v, test.URL.Host, s.why(answer))
	default:
		return "", failed(
			"the test call to %s did not accept the new token of secret %s: %s. It is stored as AWSPENDING. Secrets Manager "+
				"retries the step. %s",
			test.URL.Host, s.SecretID, s.why(answer), runbook,
		)
	}
}

// rejected fails the step unless AWSCURRENT has expired, which leaves nothing to protect. The label remembers the
// rejection for the repeated step: a token that was rejected is not overdue (see overdue).
func (s *rotation) rejected(ctx context.Context, v token.Version, host, why string) (Outcome, error) {
	current, err := s.store.Staged(ctx, s.SecretID, token.Current)
	if err == nil && v.OAuth2 != nil && s.expired(current, current.Created) {
		s.log.WarnContext(ctx, "the new token is finished although the test call rejects it",
			"secret", s.SecretID, "version", s.Version, "error", why)
		return NotTested, nil
	}
	if s.labels.holder(rejectedLabel) != s.Version {
		if err := attach(ctx, s.api, s.SecretID, rejectedLabel, s.Version, s.labels.holder(rejectedLabel)); err != nil {
			s.log.WarnContext(
				ctx, "the rejection by the test call could not be recorded", "secret", s.SecretID, "version", s.Version, "error",
				explain(err),
			)
		}
	}
	return "", failed(
		"the test call to %s rejects the new token of secret %s: %s. It is stored as AWSPENDING. %s", host, s.SecretID, why,
		runbook,
	)
}

// why explains what was wrong with an answer to a test call, with the target's own message if it may be shown.
func (s *rotation) why(a endpoint.Answer) string {
	if !s.quotes || a.Said == "" {
		return a.Reason
	}
	return a.Reason + ": " + a.Said
}
