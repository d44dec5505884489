// Package rotation renews tokens by the protocol of Secrets Manager's rotation: four steps, each safe to repeat and to
// be killed in at any point. It is the only one that writes secrets, and it publishes one metric, RotationFailed.
//
// Its policy: what a provider has answered is in Secrets Manager before a step returns, usable or not; a credential
// that was answered to is not sent again; a rotation without a new token that works never finishes; and no state needs
// an operator unless the provider says so. docs/decisions/0007 and 0011 have the reasons.
package rotation

import (
	"context"
	"errors"
	"fmt"
	"log/slog"
	"net/url"
	"slices"
	"strings"
	"time"

	"github.com/aws/aws-sdk-go-v2/aws"
	"github.com/aws/aws-sdk-go-v2/service/secretsmanager"
	"github.com/aws/aws-sdk-go-v2/service/secretsmanager/types"

	"github.com/cronbearer/cronbearer/internal/egress"
	"github.com/cronbearer/cronbearer/internal/endpoint"
	"github.com/cronbearer/cronbearer/internal/hosts"
	"github.com/cronbearer/cronbearer/internal/oauth"
	"github.com/cronbearer/cronbearer/internal/redact"
	"github.com/cronbearer/cronbearer/internal/token"
)

const (
	// remembered is how long a rejected credential is not sent again, unless AWSCURRENT is replaced.
	remembered = 24 * time.Hour
	// unknownLife is the assumed life of a token without an expiry: the usual expires_in.
	unknownLife = time.Hour

	runbook = "See docs/runbooks/rotation-failed.md"
)

// SecretsManager is the part of *secretsmanager.Client that a rotation calls.
type SecretsManager interface {
	token.SecretsManager
	DescribeSecret(
		context.Context, *secretsmanager.DescribeSecretInput, ...func(*secretsmanager.Options),
	) (*secretsmanager.DescribeSecretOutput, error)
	PutSecretValue(
		context.Context, *secretsmanager.PutSecretValueInput, ...func(*secretsmanager.Options),
	) (*secretsmanager.PutSecretValueOutput, error)
	UpdateSecretVersionStage(
		context.Context, *secretsmanager.UpdateSecretVersionStageInput, ...func(*secretsmanager.Options),
	) (*secretsmanager.UpdateSecretVersionStageOutput, error)
}

// Outcome is how a step ended.
type Outcome string

// The outcomes. The last three are errors.
const (
	Renewed        Outcome = "renewed"         // createSecret: renewed and stored
	AlreadyRenewed Outcome = "already_renewed" // createSecret: the version has its value
	NothingToSet   Outcome = "nothing_to_set"  // setSecret: the provider already knows the token
	Accepted       Outcome = "accepted"        // testSecret
	NotTested      Outcome = "not_tested"      // testSecret: the secret has no test, or the token is finished without it
	Finished       Outcome = "finished"        // finishSecret
	Merged         Outcome = "merged"          // finishSecret: into the secret as an operator has edited it
	AlreadyCurrent Outcome = "already_current" // any step

	Refused                 Outcome = "refused"                  // RotationRefusedError
	ReauthorizationRequired Outcome = "reauthorization_required" // ReauthorizationRequiredError
	Failed                  Outcome = "failed"                   // RotationFailedError
)

// rotator runs the steps. It is safe for concurrent use.
type rotator struct {
	api          SecretsManager
	store        *token.Store
	oauth        *oauth.Client
	targets      *egress.Trust[*endpoint.Client]
	scrub        *redact.Scrubber
	prefix       string
	allowedHosts hosts.List
	now          func() time.Time // wall-clock
	log          *slog.Logger
	noSettling   bool
	quotes       bool // errors quote the target's message
}

// rotation is one step on one version.
type rotation struct {
	*rotator
	Event
	report

	until   time.Time // of all work except storing a provider's answer; zero: no limit
	name    string    // of the secret, after the prefix
	labels  labels
	current string // the version that is AWSCURRENT; empty: none
}

// step runs one step for the function with the ARN given. What it is allowed to act on is checked in each step anew:
// between two of them an operator may have turned rotation off, or given it to another function.
func (r *rotator) step(ctx context.Context, s *rotation, function string) (Outcome, error) {
	if !s.underPrefix(s.SecretID) {
		return "", refused("secret %s is not under %s: only secrets with this prefix are renewed", s.SecretID, s.prefix)
	}
	if err := s.check(ctx, function); err != nil {
		return "", err
	}
	if s.Version == s.current {
		if s.Step == FinishSecret {
			s.report.count(true)
			s.tidy(ctx)
		}
		return AlreadyCurrent, nil
	}
	if !slices.Contains(s.labels[s.Version], string(token.Pending)) {
		return "", refused(
			"version %s is not AWSPENDING of secret %s: this rotation was abandoned, or replaced by another", s.Version,
			s.SecretID,
		)
	}
	if s.Step != TestSecret || s.renewedHere() {
		s.report.count(true)
	}
	switch s.Step {
	case CreateSecret:
		return s.create(ctx)
	case SetSecret:
		return NothingToSet, nil
	case TestSecret:
		return s.test(ctx)
	default:
		return s.finish(ctx)
	}
}

// renewedHere reports whether createSecret of this rotator has created the version. If rotation is turned on without
// rotating immediately, Secrets Manager calls only testSecret, for a version that it creates and removes again (API
// Reference, RotateSecret, RotateImmediately): its result says nothing about a renewal.
func (s *rotation) renewedHere() bool {
	return slices.ContainsFunc(announcements(s.labels), func(a announcement) bool { return a.version == s.Version })
}

// underPrefix reports whether a name, or the name in an ARN, has the stack's prefix. Without a prefix nothing is: an
// empty one would make every secret of the account the rotator's. It is checked before the secret is described, so that
// a forged event learns nothing about others.
func (r *rotator) underPrefix(secretID string) bool {
	name := secretID
	if strings.HasPrefix(secretID, "arn:") {
		parts := strings.SplitN(secretID, ":", 7)
		if len(parts) != 7 || parts[2] != "secretsmanager" || parts[5] != "secret" {
			return false
		}
		name = parts[6]
	}
	return r.prefix != "" && strings.HasPrefix(name, r.prefix)
}

// check validates what AWS's own rotation template validates, and that this function is configured to rotate the
// secret.
func (s *rotation) check(ctx context.Context, function string) error {
	out, err := s.describe(ctx)
	if err != nil {
		return err
	}
	name := aws.ToString(out.Name)
	switch {
	case !strings.HasPrefix(name, s.prefix):
		return refused("secret %s is not under %s: only secrets with this prefix are renewed", name, s.prefix)
	case !aws.ToBool(out.RotationEnabled):
		return refused("rotation of secret %s is not enabled: deploy infra/rotation.yaml for it", name)
	case !sameFunction(aws.ToString(out.RotationLambdaARN), function):
		return refused("secret %s is rotated by %s, and this is %s", name, aws.ToString(out.RotationLambdaARN), function)
	case out.VersionIdsToStages[s.Version] == nil:
		return refused("secret %s has no version %s", name, s.Version)
	}
	s.name = strings.TrimPrefix(name, s.prefix)
	if arn := aws.ToString(out.ARN); arn != "" {
		s.SecretID = arn // what a partial ARN refers to can change
	}
	return nil
}

// describe reads the labels.
func (s *rotation) describe(ctx context.Context) (*secretsmanager.DescribeSecretOutput, error) {
	out, err := s.api.DescribeSecret(ctx, &secretsmanager.DescribeSecretInput{SecretId: aws.String(s.SecretID)})
	if err != nil {
		return nil, failed("secret %s could not be described: %s", s.SecretID, explain(err))
	}
	s.labels = out.VersionIdsToStages
	s.current = s.labels.holder(string(token.Current))
	return out, nil
}

// sameFunction compares whole ARNs. Secrets Manager invokes a function by the ARN in the secret, with its alias or
// version if it has one; $LATEST is the same as none.
func sameFunction(configured, invoked string) bool {
	const latest = ":$LATEST"
	configured, invoked = strings.TrimSuffix(configured, latest), strings.TrimSuffix(invoked, latest)
	return configured != "" && configured == invoked
}

// working returns ctx with the time at which everything except storing must stop.
func (s *rotation) working(ctx context.Context) (context.Context, context.CancelFunc) {
	if s.until.IsZero() {
		return context.WithCancel(ctx)
	}
	return context.WithDeadline(ctx, s.until)
}

// pending reads the pending version. Until it has a value Secrets Manager knows only its id. One that cannot be read
// was not written by us: it is abandoned, as it would block every later RotateSecret. found is false while createSecret
// has not stored anything.
func (s *rotation) pending(ctx context.Context) (v token.Version, found bool, err error) {
	v, err = s.store.Staged(ctx, s.SecretID, token.Pending)
	if _, missing := errors.AsType[*types.ResourceNotFoundException](err); missing {
		return token.Version{}, false, nil
	}
	if _, malformed := errors.AsType[*token.MalformedError](err); malformed {
		return token.Version{}, false, s.foreign(ctx, err)
	}
	if err != nil {
		return token.Version{}, false, failed("AWSPENDING could not be read: %s", err)
	}
	if v.ID != s.Version {
		s.report.count(false)
		return token.Version{}, false, refused(
			"AWSPENDING of secret %s has moved to version %s: this rotation was replaced by another", s.SecretID, v.ID,
		)
	}
	return v, true, nil
}

// foreign abandons a rotation whose pending version cannot be read. Its content is kept: someone may have stored a
// credential there by hand.
func (s *rotation) foreign(ctx context.Context, why error) error {
	text, _, err := s.read(ctx, string(token.Pending))
	if err != nil {
		return failed("AWSPENDING could not be read: %s", explain(err))
	}
	answer := redact.New(text)
	return s.giveUp(
		ctx, fmt.Sprintf("AWSPENDING was not written by the rotator: %s", why),
		kept{answer: answer, refreshToken: refreshTokenIn(answer, s.scrub)},
	)
}

// stored returns the pending version, which must have a value.
func (s *rotation) stored(ctx context.Context) (token.Version, error) {
	v, found, err := s.pending(ctx)
	if err == nil && !found {
		s.report.count(false) // createSecret, which stored none, has already failed
		err = refused("version %s of secret %s has no value: createSecret must come first", s.Version, s.SecretID)
	}
	return v, err
}

// bound rejects a call to a host that the token is not bound to.
func (s *rotation) bound(v token.Version, to *url.URL, where string) error {
	list := s.allowedHosts
	if v.Hosts != nil {
		list = *v.Hosts
	}
	if !list.Allows(to) {
		return refused("%s of secret %s calls %s, which the token is not bound to: add it to hosts in the secret, or to "+
			"ALLOWED_HOSTS (parameter AllowedHosts) if the secret has no hosts",
			where, s.SecretID, to.Host)
	}
	return nil
}

// explain returns AWS's error in a form that may be shown.
func explain(err error) string {
	if errors.Is(err, context.DeadlineExceeded) || errors.Is(err, context.Canceled) {
		return "Secrets Manager did not answer in time"
	}
	return redact.AWS(err).Error()
}
