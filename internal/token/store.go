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

// maxStale is how long a token that was read earlier is used while Secrets Manager does not answer. An outage of
// Secrets Manager must not stop the jobs; after an hour the previous version of a rotated token may be revoked, and a
// rejection would prove nothing about the current one. A permanent error (denied, deleted) is not an outage: it applies
// immediately, because it may be how an operator withdraws a token.
const maxStale = time.Hour

// maxVersionID is the length of the longest id of a version (Secrets Manager API Reference, GetSecretValue). It is in
// each result.
const maxVersionID = 64

// SecretsManager is the part of *secretsmanager.Client that reading calls.
type SecretsManager interface {
	GetSecretValue(
		context.Context, *secretsmanager.GetSecretValueInput, ...func(*secretsmanager.Options),
	) (*secretsmanager.GetSecretValueOutput, error)
}

// Version is one version of a secret, read and checked.
type Version struct {
	Document

	Secret  string // the id it was read by
	ID      string
	Stage   Stage
	Created time.Time // zero: unknown

	fetched time.Time // when its reading started
}

// YoungerThan reports whether the version was made less than d before now. A version without CreatedDate
// is not young, so that it is not tried in a rotation's window.
func (v Version) YoungerThan(d time.Duration, now time.Time) bool {
	return !v.Created.IsZero() && now.Sub(v.Created) < d
}

// UnavailableError says why a token is not available.
type UnavailableError struct {
	Secret    string
	Reason    string
	Permanent bool // permanent: the secret is missing, deleted, denied, undecryptable or malformed
	Err       error
}

func (e *UnavailableError) Error() string { return e.Reason }
func (e *UnavailableError) Unwrap() error { return e.Err }

// StoreOptions configure a Store. Now must not follow the monotonic clock: that one stops while Lambda freezes the
// environment, so that a secret of three hours ago would count as fresh.
type StoreOptions struct {
	Prefix string           // is prepended to names that are neither ARNs nor have it already
	Region string           // of the function, to recognize the ARN of a secret in another one
	TTL    time.Duration    // how long AWSCURRENT is kept
	Margin time.Duration    // the part of its context's time that a read does not use
	Now    func() time.Time // wall-clock time
}

// Store reads secrets and keeps AWSCURRENT for a while. It is safe for concurrent use, with one fetch of a secret at a
// time. AWS's own caching library is not used: see docs/decisions.
type Store struct {
	StoreOptions

	api   SecretsManager
	scrub *redact.Scrubber
	log   *slog.Logger
	sleep func(context.Context, time.Duration) bool

	mu      sync.Mutex
	entries map[entryKey]*entry
	warned  map[string]string // version id by secret: each version is warned about once
}

type entryKey struct{ id, key string }

// entry is one secret, read with one Key. Its version outlives the TTL, as what is used while Secrets Manager does not
// answer.
type entry struct {
	shared[time.Time, Version] // by when the reading started

	version *Version // the last one read; nil: none
}

// NewStore returns a Store.
func NewStore(api SecretsManager, o StoreOptions, scrub *redact.Scrubber, log *slog.Logger) *Store {
	return &Store{
		StoreOptions: o, api: api, scrub: scrub, log: log, sleep: retry.Sleep,
		entries: map[entryKey]*entry{}, warned: map[string]string{},
	}
}

// ID returns the SecretId of a name or ARN.
func (s *Store) ID(secret string) string {
	if strings.HasPrefix(secret, "arn:") || strings.HasPrefix(secret, s.Prefix) {
		return secret
	}
	return s.Prefix + secret
}

// Current is Keyed("").Current.
func (s *Store) Current(ctx context.Context, secret string) (Version, error) {
	return s.Keyed("").Current(ctx, secret)
}

// CurrentAfter is Keyed("").CurrentAfter.
func (s *Store) CurrentAfter(ctx context.Context, secret string, moment time.Time) (Version, error) {
	return s.Keyed("").CurrentAfter(ctx, secret, moment)
}

// Staged is Keyed("").Staged.
func (s *Store) Staged(ctx context.Context, secret string, stage Stage) (Version, error) {
	return s.Keyed("").Staged(ctx, secret, stage)
}

// Keyed reads secrets whose token is selected by Key: a member's name, or a JSON pointer. With "" they have the form
// that is documented for secrets (docs/configuration.md).
type Keyed struct {
	store *Store
	key   string
}

// Keyed returns a reader with this Key.
func (s *Store) Keyed(key string) Keyed { return Keyed{s, key} }

// Current returns AWSCURRENT, from memory while it is younger than the TTL. While Secrets Manager fails for a transient
// reason, or a run's time to wait for it is up, a version read within the last hour is used. The error is an
// *UnavailableError.
func (k Keyed) Current(ctx context.Context, secret string) (Version, error) {
	s, id := k.store, k.store.ID(secret)
	e := s.entry(entryKey{id, k.key})
	v, err := k.read(ctx, id, e, freshness{ttl: s.TTL})
	if unavailable, ok := errors.AsType[*UnavailableError](err); !ok || unavailable.Permanent {
		return v, err
	}
	if stale, age, ok := e.stale(s.Now()); ok {
		s.log.WarnContext(ctx, "secrets manager failed; the token read before is used",
			"secret", id, "age_seconds", int(age.Seconds()), "error", err.Error())
		return stale, nil
	}
	return v, err
}

// CurrentAfter returns AWSCURRENT as read after the moment given, so that many runs with one rejected token share a
// read. Unlike Current it never falls back to an older version: the caller has just seen that one rejected. The error
// is an *UnavailableError.
func (k Keyed) CurrentAfter(ctx context.Context, secret string, moment time.Time) (Version, error) {
	id := k.store.ID(secret)
	return k.read(ctx, id, k.store.entry(entryKey{id, k.key}), freshness{after: moment})
}

// freshness is what a version in memory must have: an age below the ttl, or a read that started after a moment.
type freshness struct {
	ttl   time.Duration
	after time.Time
}

// has treats a negative age as too old: the clock was set back, and how old the version really is is unknown.
func (f freshness) has(v *Version, now time.Time) bool {
	if v == nil {
		return false
	}
	age := now.Sub(v.fetched)
	return 0 <= age && (age < f.ttl || !f.after.IsZero() && v.fetched.After(f.after))
}

// read returns a fresh version: from memory, from another run's read that started after the moment, or from its own. An
// aborted fetch of another run counts as no answer, as nothing is known of the secret then.
func (k Keyed) read(ctx context.Context, id string, e *entry, need freshness) (Version, error) {
	e.mu.Lock()
	if need.has(e.version, k.store.Now()) { // almost always, and cheaper than get
		defer e.mu.Unlock()
		return *e.version, nil
	}
	e.mu.Unlock()
	v, err := k.readNow(ctx, id, e, need)
	if errors.Is(err, errNoTime) || errors.Is(err, errBroken) {
		return v, &UnavailableError{id, "Secrets Manager did not answer in time", false, context.DeadlineExceeded}
	}
	return v, err
}

// readNow shares the read of another run only if it started after the moment that is needed: one that started before
// may have been answered with the version that was rejected since. Without such a moment any read will do.
func (k Keyed) readNow(ctx context.Context, id string, e *entry, need freshness) (Version, error) {
	return e.get(ctx, k.store.Margin, want[time.Time, Version]{
		key: k.store.Now(),
		have: func() *outcome[Version] {
			if need.has(e.version, k.store.Now()) {
				return &outcome[Version]{value: *e.version}
			}
			return nil
		},
		suits: func(started time.Time, _ outcome[Version]) bool { return started.After(need.after) },
		fetch: func() (Version, error) { return k.Staged(ctx, id, Current) },
		keep:  func(_ time.Time, got outcome[Version]) { e.keep(got) },
	})
}

// keep drops the version after a permanent error: if that is how an operator withdrew the token, a later outage must
// not bring it back. After a transient one it stays, for stale.
func (e *entry) keep(got outcome[Version]) {
	switch unavailable, ok := errors.AsType[*UnavailableError](got.err); {
	case got.err == nil:
		e.version = &got.value
	case ok && unavailable.Permanent:
		e.version = nil
	}
}

func (e *entry) stale(now time.Time) (Version, time.Duration, bool) {
	e.mu.Lock()
	defer e.mu.Unlock()
	if e.version == nil {
		return Version{}, 0, false
	}
	age := now.Sub(e.version.fetched)
	return *e.version, age, 0 <= age && age < maxStale
}

func (s *Store) entry(key entryKey) *entry {
	s.mu.Lock()
	defer s.mu.Unlock()
	e := s.entries[key]
	if e == nil {
		e = &entry{}
		s.entries[key] = e
	}
	return e
}

// Staged reads the version with a stage, never from memory. The stage is always sent: the caller's role allows no
// read without it.
func (k Keyed) Staged(ctx context.Context, secret string, stage Stage) (Version, error) {
	s := k.store
	ctx, cancel := retry.WithMargin(ctx, s.Margin)
	defer cancel()
	id := s.ID(secret)
	started := s.Now() // what is written while the answer is in transit is not read
	out, err := s.fetch(ctx, id, stage)
	if err != nil {
		return Version{}, s.unavailable(id, stage, err)
	}
	versionID := redact.Limit(aws.ToString(out.VersionId), maxVersionID)
	// Such an answer is not documented, so it proves nothing about the token: transient.
	if out.SecretString == nil && out.SecretBinary == nil {
		return Version{}, &UnavailableError{
			id, fmt.Sprintf("Secrets Manager answered without a value for secret %s, version %s (%s)", id, versionID, stage),
			false, nil,
		}
	}
	doc, err := Parse(textOf(out), k.key, s.scrub)
	if err != nil {
		return Version{}, &UnavailableError{
			id, fmt.Sprintf("secret %s, version %s (%s), is malformed: %s", id, versionID, stage, err), true, err,
		}
	}
	s.warn(ctx, id, versionID, doc.Warnings)
	return Version{
		Document: doc, Secret: id, ID: versionID, Stage: stage, Created: aws.ToTime(out.CreatedDate), fetched: started,
	}, nil
}

// fetch retries once if the first request is denied: IAM is eventually consistent. A role that the same deployment
// created or changed may not be in effect yet in the first run.
func (s *Store) fetch(ctx context.Context, id string, stage Stage) (*secretsmanager.GetSecretValueOutput, error) {
	in := &secretsmanager.GetSecretValueInput{SecretId: aws.String(id), VersionStage: aws.String(string(stage))}
	out, err := s.api.GetSecretValue(ctx, in)
	if isDenied(err) && s.sleep(ctx, retry.ForIAM) {
		out, err = s.api.GetSecretValue(ctx, in)
	}
	return out, err
}

func isDenied(err error) bool {
	api, ok := errors.AsType[smithy.APIError](err)
	return ok && (api.ErrorCode() == "AccessDeniedException" || api.ErrorCode() == "AccessDenied")
}

// warn logs the warnings of a version's document, once for each version. Otherwise each run that reads the secret, up
// to one every TTL, would repeat them.
func (s *Store) warn(ctx context.Context, id, versionID string, warnings []string) {
	s.mu.Lock()
	known := s.warned[id] == versionID
	s.warned[id] = versionID
	s.mu.Unlock()
	for _, w := range warnings {
		if !known {
			s.log.WarnContext(ctx, "check the secret", "secret", id, "version", versionID, "warning", w)
		}
	}
}

// unavailable distinguishes permanent and transient errors of GetSecretValue. Only what AWS documents as such is
// permanent (API Reference, GetSecretValue); the function's own expired or missing credentials say nothing about the
// token.
func (s *Store) unavailable(id string, stage Stage, err error) *UnavailableError {
	e := &UnavailableError{Secret: id, Err: err}
	code := "no answer"
	if api, ok := errors.AsType[smithy.APIError](err); ok {
		code = api.ErrorCode()
	}
	if isDenied(err) {
		code = "AccessDeniedException"
	}
	switch code {
	// The same code for a missing secret, a stage that no version has, and a secret without any value.
	case "ResourceNotFoundException":
		e.Permanent, e.Reason = true, fmt.Sprintf(
			"secret %s does not exist or has no version %s: create it, or store a value in it", id, stage,
		)
		if region := s.otherRegion(id); region != "" {
			e.Reason = fmt.Sprintf(
				"secret %s is in Region %s, and this function reads secrets of %s only: replicate it to %s, or deploy to %s", id,
				region, s.Region, s.Region, region,
			)
		}
	// Of the causes in the API Reference only this one is possible: no version id is sent that could contradict the stage.
	case "InvalidRequestException":
		e.Permanent, e.Reason = true, fmt.Sprintf(
			"secret %s is scheduled for deletion: restore it", id,
		)
	// It does not say which of the three denied it: the role's policy, the secret's, or that of the KMS key.
	case "AccessDeniedException":
		e.Permanent, e.Reason = true, fmt.Sprintf(
			"reading secret %s is denied: it must be under the stack's prefix or in ExtraSecretArns, and its KMS key must be "+
				"SecretsKeyArn",
			id,
		)
		if region := s.otherRegion(id); region != "" {
			e.Reason += fmt.Sprintf("; it is in Region %s, and this function reads secrets of %s only", region, s.Region)
		}
	case "DecryptionFailure", "DecryptionFailureException":
		e.Permanent, e.Reason = true, fmt.Sprintf("secret %s cannot be decrypted: check its KMS key", id)
	case "no answer":
		e.Reason = fmt.Sprintf("Secrets Manager did not answer for secret %s", id)
	default:
		e.Reason = fmt.Sprintf("Secrets Manager failed for secret %s: %s", id, code)
	}
	return e
}

// otherRegion returns the Region in an ARN if it is not the function's: GetSecretValue does not find such a secret.
func (s *Store) otherRegion(id string) string {
	parts := strings.Split(id, ":")
	if len(parts) < 4 || parts[0] != "arn" || parts[3] == s.Region || s.Region == "" {
		return ""
	}
	return parts[3]
}
