package rotation

import (
	"context"
	"crypto/sha256"
	"encoding/hex"
	"errors"
	"fmt"

	"github.com/aws/aws-sdk-go-v2/service/secretsmanager/types"

	"github.com/cronbearer/cronbearer/internal/redact"
	"github.com/cronbearer/cronbearer/internal/token"
)

// edit is what an operator has changed in AWSCURRENT since the pending version was renewed from the previous one. The
// zero edit: AWSCURRENT is the version that was renewed from, or no label says which that was.
type edit struct {
	made       bool
	theirs     bool          // they replaced the credential
	why        string        // what they replaced
	merged     bool          // AWSCURRENT has the new token already
	current    token.Version // if made
	credential redact.Secret // that the pending version was renewed with
}

// edited compares AWSCURRENT with the version that the pending one was renewed from. If no label records which that
// was, it follows AWS's own template, which does not check. Only what a renewal writes or sends decides whose secret it
// is; any other edit is merged.
func (s *rotation) edited(ctx context.Context, v token.Version) (edit, error) {
	var base mark
	for _, a := range announcements(s.labels) {
		if a.version != s.Version {
			continue
		}
		if a.holder == s.current {
			return edit{}, nil
		}
		base = a.mark
	}
	if base.label == "" {
		return edit{}, nil
	}
	from, err := s.store.Staged(ctx, s.SecretID, token.Stage(base.label))
	if err != nil {
		return edit{}, failed(
			"version %s of secret %s, which the token was renewed from, could not be read: %s. Secrets Manager retries the step",
			base.holder, s.SecretID, err,
		)
	}
	e := edit{made: true, credential: credentialOf(from.Document)}
	e.current, err = s.store.Staged(ctx, s.SecretID, token.Current)
	if malformed, ok := errors.AsType[*token.MalformedError](err); ok {
		e.theirs, e.why = true, "it is malformed: "+malformed.Error()
		return e, nil
	}
	if err != nil {
		return edit{}, failed("AWSCURRENT could not be read: %s", err)
	}
	e.why = replaced(e.current.Document, from.Document)
	e.merged = e.why != "" && replaced(e.current.Document, v.Document) == ""
	e.theirs = e.why != "" && !e.merged
	return e, nil
}

// yieldTo abandons the rotation in favour of the operator's edit. What was granted is kept, as it may still be needed.
func (s *rotation) yieldTo(ctx context.Context, v token.Version, e edit) error {
	why := fmt.Sprintf(
		"AWSCURRENT was replaced while the token was renewed, and the stored value takes precedence (%s)", e.why,
	)
	return s.giveUp(ctx, why, kept{answer: jsonOf(v.Document), refreshToken: refreshTokenOf(v), credential: e.credential})
}

// finish makes the pending version current, if the version that it was made from is still current.
func (s *rotation) finish(ctx context.Context) (Outcome, error) {
	v, err := s.stored(ctx)
	if err != nil {
		return "", err
	}
	e, err := s.edited(ctx, v)
	switch {
	case err != nil:
		return "", err
	case e.theirs:
		return "", s.yieldTo(ctx, v, e)
	case e.made:
		return s.merge(ctx, v, e)
	}
	if err := attach(ctx, s.api, s.SecretID, string(token.Current), s.Version, s.current); err != nil &&
		!s.isCurrent(ctx, s.Version) {
		return "", failed(
			"version %s of secret %s could not be made AWSCURRENT: %s. It is stored as AWSPENDING; Secrets Manager retries "+
				"the step",
			s.Version, s.SecretID, explain(err),
		)
	}
	s.tidy(ctx)
	return Finished, nil
}

// merge puts the new token into the secret as an operator has edited it: a version of its own, as the pending one
// cannot be changed, which becomes AWSCURRENT by compare-and-swap. Then AWSPENDING is removed, as it would block every
// later RotateSecret. Each part can be repeated.
func (s *rotation) merge(ctx context.Context, v token.Version, e edit) (Outcome, error) {
	if !e.merged {
		value := renewed(e.current.Document, writtenInto(v.Document))
		if _, err := token.ParseSecret(value.Reveal(), s.scrub); err != nil || len(value.Reveal()) > maxValue {
			e.why = "with the new token it would not be a usable secret"
			return "", s.yieldTo(ctx, v, e)
		}
		// The same id in a repeated step, so that PutSecretValue with the same value is no new version (API Reference,
		// ClientRequestToken).
		sum := sha256.Sum256([]byte(s.Version + "\x00" + e.current.ID))
		id := mergedID + hex.EncodeToString(sum[:16])
		if err := s.put(ctx, id, value, mergedLabel); err != nil {
			return "", failed(
				"the new token of secret %s could not be merged into AWSCURRENT, which was edited: %s. It is stored as "+
					"AWSPENDING; Secrets Manager retries the step",
				s.SecretID, err,
			)
		}
		if err := attach(ctx, s.api, s.SecretID, string(token.Current), id, e.current.ID); err != nil &&
			!s.isCurrent(ctx, id) {
			return "", failed(
				"version %s of secret %s could not be made AWSCURRENT: %s. The new token is stored as AWSPENDING; Secrets "+
					"Manager retries the step",
				id, s.SecretID, explain(err),
			)
		}
		if _, err := s.describe(ctx); err != nil {
			return "", err
		}
	}
	s.tidy(ctx)
	err := detach(ctx, s.api, s.SecretID, mark{string(token.Pending), s.Version})
	if _, gone := errors.AsType[*types.InvalidParameterException](err); err != nil && !gone {
		return "", failed(
			"the new token of secret %s is AWSCURRENT, but AWSPENDING could not be removed: %s. Secrets Manager retries "+
				"the step",
			s.SecretID, explain(err),
		)
	}
	return Merged, nil
}

// isCurrent reports whether an earlier attempt succeeded whose answer was lost.
func (s *rotation) isCurrent(ctx context.Context, version string) bool {
	_, err := s.describe(ctx)
	return err == nil && s.current == version
}

func refreshTokenOf(v token.Version) redact.Secret {
	if v.OAuth2 == nil {
		return redact.Secret{}
	}
	return v.OAuth2.RefreshToken
}
