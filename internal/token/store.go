package token

import (
	"context"
	"errors"
	"fmt"
	"log/slog"
	"strings"
	"sync"
	"time"

	"github.com/aws/aws-sdk-go-v2/aws"
	"github.com/aws/aws-sdk-go-v2/service/secretsmanager"
	"github.com/aws/smithy-go"

	"github.com/cronbearer/cronbearer/internal/redact"
	"github.com/cronbearer/cronbearer/internal/retry"
)

// Stage is a label of a secret's version (Secrets Manager User Guide, "Secret versions").
type Stage string

// The stages that a rotation moves.
const (
	Current  Stage = "AWSCURRENT"
	Pending  Stage = "AWSPENDING"
	Previous Stage = "AWSPREVIOUS"
)

// maxStale is how long a token that was read before serves while Secrets Manager does not answer.
const maxStale = time.Hour

// SecretsManager is the part of *secretsmanager.Client that reading takes.
type SecretsManager interface {
	GetSecretValue(context.Context, *secretsmanager.GetSecretValueInput, ...func(*secretsmanager.Options)) (*secretsmanager.GetSecretValueOutput, error)
}

// Version is one version of a secret, read and checked.
type Version struct {
	Document

	Secret  string // the id it was read by
	ID      string
	Stage   Stage
	Created time.Time // zero: not told

	fetched time.Time // when its reading began
}

// YoungerThan tells whether the version was made less than d before now.
func (v Version) YoungerThan(d time.Duration, now time.Time) bool {
	return !v.Created.IsZero() && now.Sub(v.Created) < d
}

// UnavailableError says why a token cannot be had.
type UnavailableError struct {
	Secret  string
	Reason  string
	Lasting bool // no retry mends it: missing, deleted, denied, undecryptable or malformed
	Err     error
}

func (e *UnavailableError) Error() string { return e.Reason }
func (e *UnavailableError) Unwrap() error { return e.Err }

// Store reads secrets and keeps AWSCURRENT for a while. It is safe for concurrent use, with one fetch of a secret at a
// time. AWS's own caching library is not used: docs/decisions says why.
type Store struct {
	api    SecretsManager
	prefix string
	ttl    time.Duration
	margin time.Duration
	now    func() time.Time
	scrub  *redact.Scrubber
	log    *slog.Logger

	mu      sync.Mutex
	entries map[string]*entry
}

type entry struct {
	turn    turn
	version *Version // guarded by turn
}

// NewStore makes a Store. prefix goes before names that are neither ARNs nor under it already; margin is what a reading
// leaves of its context's time; now is wall-clock time.
func NewStore(api SecretsManager, prefix string, ttl, margin time.Duration, now func() time.Time, scrub *redact.Scrubber, log *slog.Logger) *Store {
	return &Store{api: api, prefix: prefix, ttl: ttl, margin: margin, now: now, scrub: scrub, log: log, entries: map[string]*entry{}}
}

// ID is the SecretId of a name or ARN.
func (s *Store) ID(secret string) string {
	if strings.HasPrefix(secret, "arn:") || strings.HasPrefix(secret, s.prefix) {
		return secret
	}
	return s.prefix + secret
}

// Current returns AWSCURRENT, from memory while it is younger than the TTL. When Secrets Manager fails for a passing
// reason, a version read within the last hour serves. The error is an *UnavailableError.
func (s *Store) Current(ctx context.Context, secret string) (Version, error) {
	return s.current(ctx, secret, func(v Version, now time.Time) bool {
		age := now.Sub(v.fetched)
		return 0 <= age && age < s.ttl
	}, maxStale)
}

// CurrentAfter returns AWSCURRENT as read after the moment given, so that many runs with one rejected token share a
// read.
func (s *Store) CurrentAfter(ctx context.Context, secret string, moment time.Time) (Version, error) {
	return s.current(ctx, secret, func(v Version, now time.Time) bool {
		return v.fetched.After(moment) && !v.fetched.After(now)
	}, 0)
}

func (s *Store) current(ctx context.Context, secret string, fresh func(Version, time.Time) bool, stale time.Duration) (Version, error) {
	id := s.ID(secret)
	e := s.entry(id)
	if !e.turn.begin(ctx, s.margin) {
		return Version{}, &UnavailableError{id, "Secrets Manager did not answer in time", false, context.DeadlineExceeded}
	}
	defer e.turn.end()

	if e.version != nil && fresh(*e.version, s.now()) {
		return *e.version, nil
	}
	v, err := s.Staged(ctx, secret, Current)
	if err == nil {
		e.version = &v
		return v, nil
	}
	if unavailable, ok := errors.AsType[*UnavailableError](err); ok && unavailable.Lasting {
		e.version = nil
		return Version{}, err
	}
	if e.version != nil && stale > 0 {
		if age := s.now().Sub(e.version.fetched); 0 <= age && age < stale {
			s.log.WarnContext(ctx, "secrets manager failed; the token read before is used",
				"secret", id, "age_seconds", int(age.Seconds()), "error", err.Error())
			return *e.version, nil
		}
	}
	return Version{}, err
}

func (s *Store) entry(id string) *entry {
	s.mu.Lock()
	defer s.mu.Unlock()
	e := s.entries[id]
	if e == nil {
		e = &entry{turn: newTurn()}
		s.entries[id] = e
	}
	return e
}

// Staged reads the version with a stage, never from memory. The stage is always sent: the caller's role allows no
// reading without it.
func (s *Store) Staged(ctx context.Context, secret string, stage Stage) (Version, error) {
	ctx, cancel := retry.WithMargin(ctx, s.margin)
	defer cancel()
	id := s.ID(secret)
	begun := s.now() // what is written while the answer travels is not read
	out, err := s.api.GetSecretValue(ctx, &secretsmanager.GetSecretValueInput{SecretId: aws.String(id), VersionStage: aws.String(string(stage))})
	if err != nil {
		return Version{}, unavailable(id, stage, err)
	}
	text := aws.ToString(out.SecretString)
	if out.SecretString == nil {
		text = string(out.SecretBinary)
	}
	doc, err := ParseSecret(text, s.scrub)
	if err != nil {
		return Version{}, &UnavailableError{id, fmt.Sprintf("secret %s, version %s (%s), is malformed: %s", id, aws.ToString(out.VersionId), stage, err), true, err}
	}
	for _, w := range doc.Warnings {
		s.log.WarnContext(ctx, "the secret has a fault", "secret", id, "version", aws.ToString(out.VersionId), "fault", w)
	}
	return Version{Document: doc, Secret: id, ID: aws.ToString(out.VersionId), Stage: stage, Created: aws.ToTime(out.CreatedDate), fetched: begun}, nil
}

// unavailable sorts an error of GetSecretValue. Lasting is only what AWS names as such (API Reference, GetSecretValue);
// the function's own expired or missing credentials say nothing of the token.
func unavailable(id string, stage Stage, err error) *UnavailableError {
	e := &UnavailableError{Secret: id, Err: err}
	code := "no answer"
	if api, ok := errors.AsType[smithy.APIError](err); ok {
		code = api.ErrorCode()
	}
	switch code {
	case "ResourceNotFoundException":
		e.Lasting, e.Reason = true, fmt.Sprintf("secret %s does not exist or has no version %s: create it, or put a value into it", id, stage)
	case "InvalidRequestException":
		e.Lasting, e.Reason = true, fmt.Sprintf("secret %s is scheduled for deletion: restore it (aws secretsmanager restore-secret)", id)
	case "AccessDeniedException", "AccessDenied":
		e.Lasting, e.Reason = true, fmt.Sprintf("reading secret %s is denied: it must be under the stack's prefix or in ExtraSecretArns, and its KMS key must be SecretsKeyArn", id)
	case "DecryptionFailure", "DecryptionFailureException":
		e.Lasting, e.Reason = true, fmt.Sprintf("secret %s cannot be decrypted: look at its KMS key", id)
	case "no answer":
		e.Reason = fmt.Sprintf("Secrets Manager did not answer for secret %s", id)
	default:
		e.Reason = fmt.Sprintf("Secrets Manager failed for secret %s: %s", id, code)
	}
	return e
}
