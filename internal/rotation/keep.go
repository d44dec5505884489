package rotation

import (
	"context"
	"crypto/sha256"
	"encoding/hex"
	"errors"
	"fmt"
	"strconv"
	"strings"
	"time"

	"github.com/aws/aws-sdk-go-v2/aws"
	"github.com/aws/aws-sdk-go-v2/service/secretsmanager"
	"github.com/aws/aws-sdk-go-v2/service/secretsmanager/types"
	"github.com/aws/smithy-go"

	"github.com/cronbearer/cronbearer/internal/jsondoc"
	"github.com/cronbearer/cronbearer/internal/redact"
	"github.com/cronbearer/cronbearer/internal/retry"
	"github.com/cronbearer/cronbearer/internal/token"
)

const (
	// maxValue is the size of a secret's value (API Reference, PutSecretValue, SecretString).
	maxValue = 65536
	// storePause is the longest pause between two attempts to store a provider's answer.
	storePause = time.Second

	keptID   = "cronbearer-kept-"
	mergedID = "cronbearer-merge-"

	// hurried is how many consecutive unusable answers are followed by another request without a pause, and unhurried the
	// pause before each later one: every answer uses a version, of which a secret has a hundred in a day.
	hurried   = 3
	unhurried = 15 * time.Minute
)

// kept is a provider's answer that could not become a new version: the content of the version with keptLabel.
type kept struct {
	id           string // of that version; empty: none
	created      time.Time
	from         string // the version that the answer was meant to renew
	answer       redact.Secret
	refreshToken redact.Secret // zero: none in it
	credential   redact.Secret // of AWSCURRENT, that the request used
}

// text returns the version's value, cut to the size that Secrets Manager accepts. What is cut is the end of the answer:
// its refresh token is in a member of its own and survives.
func (k kept) text() string {
	value := func(answer string) string {
		str := func(s string) jsondoc.Value { return jsondoc.Value{Kind: jsondoc.String, Text: s} }
		return string(jsondoc.Value{Kind: jsondoc.Object, Members: []jsondoc.Member{
			{Name: "kept_for", Value: str(k.from)},
			{Name: "answer", Value: str(answer)},
			{Name: "refresh_token", Value: str(k.refreshToken.Reveal())},
		}}.AppendJSON(nil, nil))
	}
	answer := strings.ToValidUTF8(k.answer.Reveal(), "\ufffd")
	text := value(answer)
	for len(text) > maxValue && answer != "" {
		answer = strings.ToValidUTF8(answer[:len(answer)*9/10], "")
		text = value(answer)
	}
	return text
}

// versionID is derived from the content, so that storing it twice is idempotent, and from the credential, so that a
// later step knows whether AWSCURRENT still has it. number counts the answers to one credential.
func versionID(text string, credential redact.Secret, number int) string {
	sum := sha256.Sum256([]byte(text + "\x00" + credential.Reveal()))
	return fmt.Sprintf("%s%03d-%s", keptID, min(number, 999), hex.EncodeToString(sum[:16]))
}

// number returns the number of a kept version; 0: it was not written by the rotator.
func (k kept) number() int {
	rest, ours := strings.CutPrefix(k.id, keptID)
	digits, _, found := strings.Cut(rest, "-")
	n, err := strconv.Atoi(digits)
	if !ours || !found || err != nil {
		return 0
	}
	return n
}

// answers reports whether this is the answer to the credential of AWSCURRENT, even if the rest of the secret has been
// edited since. A version that an operator labelled by hand has no such id, and counts for the rotation that it names.
func (k kept) answers(text string, credential redact.Secret, version string) bool {
	if n := k.number(); n > 0 {
		return versionID(text, credential, n) == k.id
	}
	return k.id != "" && k.from == version
}

// memory reads the kept answer to a credential. The zero value: there is none.
func (s *rotation) memory(ctx context.Context, credential redact.Secret) (kept, error) {
	if s.labels.holder(keptLabel) == "" {
		return kept{}, nil
	}
	text, k, err := s.read(ctx, keptLabel)
	if _, missing := errors.AsType[*types.ResourceNotFoundException](err); missing {
		return kept{}, nil
	}
	if err != nil {
		return kept{}, failed(
			"version %s, in which an answer of the provider is kept, could not be read: %s", keptLabel, explain(err),
		)
	}
	doc, _, _ := jsondoc.Parse([]byte(text))
	k.from = doc.Get("kept_for").Text
	k.answer = s.scrub.Keep(doc.Get("answer").Text)
	k.refreshToken = s.scrub.Keep(doc.Get("refresh_token").Text)
	if !k.answers(text, credential, s.Version) {
		return kept{}, nil
	}
	return k, nil
}

// read reads a version as it is.
func (s *rotation) read(ctx context.Context, label string) (text string, k kept, err error) {
	out, err := s.api.GetSecretValue(
		ctx, &secretsmanager.GetSecretValueInput{SecretId: aws.String(s.SecretID), VersionStage: aws.String(label)},
	)
	if err != nil {
		return "", kept{}, err
	}
	return aws.ToString(out.SecretString), kept{id: aws.ToString(out.VersionId), created: aws.ToTime(out.CreatedDate)}, nil
}

// keep stores an answer that cannot become the new version. before is the kept answer to the same credential.
func (s *rotation) keep(ctx context.Context, k, before kept) (id string, err error) {
	k.from = s.Version
	text := k.text()
	id = versionID(text, k.credential, before.number()+1)
	return id, s.put(ctx, id, redact.New(text), keptLabel)
}

// Reasons why a value is not stored.
var (
	errOccupied   = errors.New("the version already has another value")
	errImpossible = errors.New("Secrets Manager rejects it")
	errNoTime     = errors.New("there was no time left to store it")
)

// put stores a provider's answer, and retries until the time is up: what is lost now may be lost permanently. Stages
// are always set: without them PutSecretValue moves AWSCURRENT. A ClientRequestToken that exists with the same value is
// a success (API Reference, PutSecretValue), so a request whose answer was lost can be repeated.
func (s *rotation) put(ctx context.Context, version string, value redact.Secret, stage string) error {
	in := &secretsmanager.PutSecretValueInput{
		SecretId:           aws.String(s.SecretID),
		ClientRequestToken: aws.String(version),
		SecretString:       aws.String(value.Reveal()),
		VersionStages:      []string{stage},
	}
	if s.RotationToken != "" {
		in.RotationToken = aws.String(s.RotationToken)
	}
	var failure error
	loop := retry.Loop{Backoff: retry.BackoffUpTo(storePause), Sleep: retry.Sleep}
	retry.Do(ctx, loop, func(n int) retry.Next {
		_, err := s.api.PutSecretValue(ctx, in)
		if err == nil {
			failure = nil
			return retry.Next{}
		}
		if _, exists := errors.AsType[*types.ResourceExistsException](err); exists {
			failure = errOccupied
			return retry.Next{}
		}
		if permanent(err) {
			failure = fmt.Errorf("%w (%s)", errImpossible, explain(err))
			return retry.Next{}
		}
		s.log.WarnContext(
			ctx, "the provider's answer is not stored yet", "secret", s.SecretID, "version", version, "tries", n, "error",
			explain(err),
		)
		failure = fmt.Errorf("%w (%s)", errNoTime, explain(err))
		return retry.Next{Retry: true}
	})
	return failure
}

// permanent reports whether the same request can never succeed. It lists what is documented as the request's own fault;
// a quota that is exceeded (LimitExceededException) is not, as versions expire.
func permanent(err error) bool {
	api, ok := errors.AsType[smithy.APIError](err)
	if !ok {
		return false
	}
	switch api.ErrorCode() {
	case "InvalidParameterException", "ValidationException", "SerializationException", "ResourceNotFoundException":
		return true
	default:
		return false
	}
}

// giveUp abandons a rotation whose new token is no longer needed. Its answer is kept, and AWSPENDING is removed, as
// it would block every later RotateSecret. It is the operator's decision and not a failure, so nothing is published.
func (s *rotation) giveUp(ctx context.Context, why string, had kept) error {
	where := ""
	if !had.answer.IsZero() {
		id, err := s.keep(ctx, had, kept{})
		if err != nil {
			return failed(
				"the rotation of secret %s should be abandoned (%s), but its token could not be kept: %s. Secrets Manager "+
					"retries the step",
				s.SecretID, why, err,
			)
		}
		where = fmt.Sprintf(" The provider's answer is kept in version %s (label %s).", id, keptLabel)
	}
	if err := detach(ctx, s.api, s.SecretID, mark{string(token.Pending), s.Version}); err != nil {
		return failed(
			"the rotation of secret %s should be abandoned (%s), but AWSPENDING could not be removed: %s. Secrets Manager "+
				"retries the step",
			s.SecretID, why, explain(err),
		)
	}
	for _, m := range append(s.labels.marks(leaseLabel), s.labels.marks(rejectedLabel)...) {
		forget(ctx, s.api, s.SecretID, m, s.log)
	}
	s.report.count(false)
	return refused(
		"the rotation of secret %s was abandoned: %s.%s The next rotation starts from AWSCURRENT as it is now", s.SecretID,
		why, where,
	)
}

// tidy removes all labels that a finished rotation no longer needs.
func (s *rotation) tidy(ctx context.Context) {
	for _, m := range s.labels.marks(ourLabels) {
		forget(ctx, s.api, s.SecretID, m, s.log)
	}
}
