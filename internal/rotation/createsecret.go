package rotation

import (
	"context"
	"errors"
	"fmt"
	"time"

	"github.com/cronbearer/cronbearer/internal/oauth"
	"github.com/cronbearer/cronbearer/internal/redact"
	"github.com/cronbearer/cronbearer/internal/retry"
	"github.com/cronbearer/cronbearer/internal/token"
)

const (
	// storeTime is reserved of a step's time for storing what was renewed, and storeShare bounds it when time is short.
	storeTime  = 15 * time.Second
	storeShare = 3
	// minAskTime is what a renewal must have left to start.
	minAskTime = 2 * time.Second
	// leaseMargin is how much earlier than all other work the wait for another rotator stops.
	leaseMargin = time.Second
)

// plan is what a renewal starts from. A plan is made twice, before the lease is taken and under it, and only the second
// is used: the first one only spares a rotation that cannot succeed the labels.
type plan struct {
	current token.Version
	ask     token.Document // current, with the newest refresh token
	kept    kept           // the kept answer to an earlier request with the same credential
	found   oauth.Granted  // in kept
}

// create renews the token and stores it at once. The order keeps every state repeatable: nothing is written before the
// plan is sound, nothing is sent before the lease is held and everything was read again, and no step returns before the
// answer is stored.
func (s *rotation) create(ctx context.Context) (Outcome, error) {
	if stored, err := s.hasValue(ctx); stored || err != nil {
		return AlreadyRenewed, err
	}
	if _, err := s.plan(ctx); err != nil { // before anything is written
		return "", err
	}
	l := newLease(s.api, s.SecretID, s.Version, s.current, s.now, s.log)
	if s.noSettling {
		l.settle = 0
	}
	taken, err := s.take(ctx, l)
	if err != nil || !taken {
		l.withdraw(ctx)
		return AlreadyRenewed, err
	}
	p, stored, err := s.look(ctx, l)
	if stored || err != nil {
		l.withdraw(ctx)
		return AlreadyRenewed, err
	}
	l.during(ctx, func() { err = s.renew(ctx, p) })
	if err != nil {
		l.withdraw(ctx)
		return "", err
	}
	return Renewed, nil // the label stays: it records which version this one was made from
}

// take acquires the lease. A lease that another rotator holds is not a failure of the rotation.
func (s *rotation) take(ctx context.Context, l *lease) (bool, error) {
	ctx, cancel := s.working(ctx)
	defer cancel()
	ctx, cancelWait := retry.WithMargin(ctx, leaseMargin)
	defer cancelWait()
	taken, err := l.take(ctx, s.hasValue)
	if errors.Is(err, errHeld) {
		s.report.count(false)
		return false, failed("%s", err)
	}
	return taken, err
}

// look reads everything again under the lease: what was read before may be stale. Between plan and lease another
// rotator may have finished, or an operator stored a new secret.
func (s *rotation) look(ctx context.Context, l *lease) (p plan, stored bool, err error) {
	if stored, err := s.hasValue(ctx); stored || err != nil {
		return plan{}, stored, err
	}
	if _, err := s.describe(ctx); err != nil {
		return plan{}, false, err
	}
	if s.current != l.base {
		s.report.count(false) // an operator has just stored a new one
		return plan{}, false, failed(
			"AWSCURRENT of secret %s has just been replaced. Secrets Manager retries the step, which starts from the new one",
			s.SecretID,
		)
	}
	p, err = s.plan(ctx)
	return p, false, err
}

// hasValue reports whether the pending version has a value.
func (s *rotation) hasValue(ctx context.Context) (bool, error) {
	_, found, err := s.pending(ctx)
	return found, err
}

// plan reads AWSCURRENT, validates everything that is needed to renew it, as a renewal may revoke the current token,
// and checks whether a request makes sense.
func (s *rotation) plan(ctx context.Context) (plan, error) {
	current, err := s.renewable(ctx)
	if err != nil {
		return plan{}, err
	}
	if at, ok := s.rejection(); ok {
		return plan{}, s.reauthorize(current, fmt.Sprintf(
			"the provider rejected it at %s, and it is not sent again before %s",
			at.Format(time.RFC3339), at.Add(remembered).Format(time.RFC3339)))
	}
	k, err := s.memory(ctx, credentialOf(current.Document))
	if err != nil {
		return plan{}, err
	}
	p := plan{current: current, ask: current.Document, kept: k}
	switch {
	case k.id == "":
	case current.Rotate != nil:
		// An operator who stores the secret again may have corrected the pointers, or may need another call.
		if p.found, err = current.Rotate.Read(k.answer, k.created, s.scrub); err != nil && !current.Created.After(k.created) {
			return plan{}, failed(
				"secret %s was not renewed: the provider has already answered, and its answer cannot be used: %s. %s", s.SecretID,
				err, s.whereRotated(k.id),
			)
		}
	case k.number() >= hurried && s.now().Sub(k.created) < unhurried:
		return plan{}, failed("secret %s was not renewed: the last %d answers of the provider could not be used. The next "+
			"request is sent at %s. The last answer is kept in version %s (label %s). %s",
			s.SecretID, k.number(), k.created.Add(unhurried).UTC().Format(time.RFC3339), k.id, keptLabel, runbook)
	case !k.refreshToken.IsZero():
		p.ask = askingWith(current.Document, k.refreshToken)
	}
	return p, nil
}

// renewable reads AWSCURRENT and rejects one that cannot be renewed. A call to a host that the token is not bound to is
// found here, before the refresh token is spent, and not in testSecret after it.
func (s *rotation) renewable(ctx context.Context) (token.Version, error) {
	v, err := s.store.Staged(ctx, s.SecretID, token.Current)
	if err != nil {
		return token.Version{}, failed("AWSCURRENT could not be read: %s", err)
	}
	switch {
	case v.ID != s.current:
		return token.Version{}, failed(
			"AWSCURRENT of secret %s moved while it was read. Secrets Manager retries the step", s.SecretID,
		)
	case v.Minted():
		return token.Version{}, refused(
			"secret %s needs no rotation: the caller obtains its token itself. Delete the stack of infra/rotation.yaml",
			s.SecretID,
		)
	case !v.Renewable():
		return token.Version{}, refused(
			"secret %s is static, so it cannot be renewed: add oauth2 with grant refresh_token, or rotate "+
				"(docs/configuration.md), or delete the stack of infra/rotation.yaml",
			s.SecretID,
		)
	}
	if v.Test != nil {
		if err := s.bound(v, v.Test.URL(), "test"); err != nil {
			return token.Version{}, err
		}
	}
	if v.Rotate != nil {
		if err := s.bound(v, v.Rotate.URL(), "rotate.call"); err != nil {
			return token.Version{}, err
		}
	}
	return v, nil
}

// renew requests a new token once, and stores the answer before anything else. Whatever goes wrong after an answer has
// arrived, the answer is stored: as the new version if it is usable, as a kept one if not. Only a rejection without a
// refresh token holds nothing that could be lost.
func (s *rotation) renew(ctx context.Context, p plan) error {
	granted, err := s.ask(ctx, p)
	if err == nil {
		var value redact.Secret
		if value, err = s.newVersion(ctx, p, granted); err == nil {
			err = s.put(ctx, s.Version, value, string(token.Pending))
		}
		switch {
		case err == nil:
			return nil
		case errors.Is(err, errNoTime):
			return failed(
				"the renewed token of secret %s could not be stored and is lost: %s. If the next rotation is rejected, "+
					"re-authorize. %s",
				s.SecretID, err, runbook,
			)
		}
	}
	if granted.Raw.IsZero() || rejectedBy(err) && granted.RefreshToken.IsZero() {
		return s.notRenewed(ctx, p, err)
	}
	if !p.found.Token.IsZero() {
		return failed("secret %s was not renewed: %s. %s", s.SecretID, err, s.whereRotated(p.kept.id))
	}
	id, keepErr := s.keep(
		ctx,
		kept{answer: granted.Raw, refreshToken: p.newest(granted).RefreshToken, credential: credentialOf(p.current.Document)},
		p.kept,
	)
	if keepErr != nil {
		return failed(
			"secret %s was not renewed: %s; and the provider's answer could not be kept and is lost: %s. If the next "+
				"rotation is rejected, re-authorize. %s",
			s.SecretID, err, keepErr, runbook,
		)
	}
	if p.current.Rotate != nil {
		return failed("secret %s was not renewed: %s. %s", s.SecretID, err, s.whereRotated(id))
	}
	return failed("secret %s was not renewed: %s. The answer is kept in version %s (label %s), as the refresh token in "+
		"AWSCURRENT is probably dead. Secrets Manager retries the step, which sends the newest one. %s",
		s.SecretID, err, id, keptLabel, runbook)
}

// whereRotated explains what to do with the answer of a "new token" call.
func (s *rotation) whereRotated(id string) string {
	return fmt.Sprintf("The answer is kept in version %s; the token in AWSCURRENT is probably dead, and the provider "+
		"is not called again while it is there. "+
		"Read the answer: aws secretsmanager get-secret-value --secret-id %s --version-stage %s --query SecretString "+
		"--output text. "+
		"Correct the pointers of rotate in the secret, or store the whole secret with the token of that answer; to have "+
		"the provider called again, store it unchanged (cronbearer token set %s --file secret.json). %s",
		id, s.SecretID, keptLabel, s.SecretID, runbook)
}

// ask returns the kept answer if it can be used now, or calls the provider.
func (s *rotation) ask(ctx context.Context, p plan) (oauth.Granted, error) {
	if !p.found.Token.IsZero() {
		return p.found, nil
	}
	asking, cancel, ok := askTime(ctx)
	defer cancel()
	if !ok {
		return oauth.Granted{}, errors.New(
			"too little time was left to call the provider and store its answer. Secrets Manager retries the step",
		)
	}
	return s.askFor(asking, p.ask, s.Version)
}

// newest returns what was granted, with the refresh token that was sent if the answer has none: it stays valid (RFC
// 6749 section 6). A refresh token that was kept before counts as the one that was sent.
func (p plan) newest(granted oauth.Granted) oauth.Granted {
	if granted.RefreshToken.IsZero() && p.ask.OAuth2 != nil {
		granted.RefreshToken = p.ask.OAuth2.RefreshToken
	}
	return granted
}

// newVersion returns the renewed secret, which this program must be able to read and Secrets Manager to store. What
// cannot be read back would be an AWSPENDING that blocks every later rotation, so it is an error here, and the answer
// is kept instead.
func (s *rotation) newVersion(ctx context.Context, p plan, granted oauth.Granted) (redact.Secret, error) {
	value := renewed(p.current.Document, p.newest(granted))
	if size := len(value.Reveal()); size > maxValue {
		return redact.Secret{}, fmt.Errorf(
			"with the new token the secret has %d bytes, and Secrets Manager accepts %d", size, maxValue,
		)
	}
	parsed, err := token.ParseSecret(value.Reveal(), s.scrub)
	if err != nil {
		return redact.Secret{}, fmt.Errorf("with the answer the secret would be malformed: %w", err)
	}
	if parsed.Expiry.IsZero() && !p.current.Expiry.IsZero() {
		s.log.WarnContext(ctx, "the expiry of the renewed token is unknown",
			"secret", s.SecretID, "version", s.Version)
	}
	return value, nil
}

// askTime returns ctx without the time that storing may need. A provider that answers late is worth less than an answer
// that can be stored: the reserve is the store's.
func askTime(ctx context.Context) (asking context.Context, cancel context.CancelFunc, ok bool) {
	deadline, limited := ctx.Deadline()
	if !limited {
		asking, cancel = context.WithCancel(ctx)
		return asking, cancel, true
	}
	left := time.Until(deadline)
	left -= min(storeTime, left/storeShare)
	asking, cancel = context.WithTimeout(ctx, left)
	return asking, cancel, left >= minAskTime
}

// rejectedBy reports whether the provider rejected the credential, so that nothing has changed.
func rejectedBy(err error) bool {
	mint, ok := errors.AsType[*oauth.Error](err)
	return ok && mint.Rejected
}

// notRenewed remembers a rejection only if it is of the credential that AWSCURRENT holds: that of a client can be
// repaired at the provider, without a new version.
func (s *rotation) notRenewed(ctx context.Context, p plan, err error) error {
	mint, ok := errors.AsType[*oauth.Error](err)
	switch {
	case !ok:
		return failed("secret %s was not renewed: %s. %s", s.SecretID, err, runbook)
	case mint.Rejected && (p.current.Rotate != nil || mint.InvalidGrant):
		s.remember(ctx)
		return s.reauthorize(p.current, mint.Error())
	case mint.Rejected:
		return failed(
			"secret %s was not renewed: %s. The provider rejects the client; the refresh token was not used. %s", s.SecretID,
			mint, runbook,
		)
	default:
		return failed(
			"secret %s was not renewed: %s. Secrets Manager retries the step, which makes one request. %s", s.SecretID, mint,
			runbook,
		)
	}
}

// reauthorize explains what an operator must do. Neither command does harm: what it replaces is dead.
func (s *rotation) reauthorize(current token.Version, why string) error {
	what, members := "the refresh token", "the new refresh_token and token"
	if current.Rotate != nil {
		what, members = "the current token", "a new token"
	}
	return reauthorize("secret %[1]s was not renewed: %[2]s is dead, or the answer that replaced it was lost: %[3]s. "+
		"Re-authorize at the provider, store the whole secret again with %[4]s "+
		"(cronbearer token set %[1]s --file secret.json, or "+
		"aws secretsmanager put-secret-value --secret-id %[1]s --secret-string file://secret.json), and start the "+
		"rotation again (cronbearer token rotate %[1]s, or aws secretsmanager rotate-secret --secret-id %[1]s). %[5]s",
		s.SecretID, what, why, members, runbook)
}
