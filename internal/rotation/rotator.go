// Package rotation renews tokens by the rules of Secrets Manager's rotation: four steps, each safe to repeat and to die
// in at any point. It is the only one that writes secrets.
package rotation

import (
	"context"
	"errors"
	"fmt"
	"log/slog"
	"slices"
	"strings"
	"time"

	"github.com/aws/aws-sdk-go-v2/aws"
	"github.com/aws/aws-sdk-go-v2/service/secretsmanager"
	"github.com/aws/aws-sdk-go-v2/service/secretsmanager/types"
	"github.com/aws/smithy-go"

	"github.com/cronbearer/cronbearer/internal/hosts"
	"github.com/cronbearer/cronbearer/internal/job"
	"github.com/cronbearer/cronbearer/internal/redact"
	"github.com/cronbearer/cronbearer/internal/retry"
	"github.com/cronbearer/cronbearer/internal/target"
	"github.com/cronbearer/cronbearer/internal/token"
)

const (
	testTimeout = 30 * time.Second
	// storeTime is kept of a step's time for storing what was renewed, and storeShare bounds it when time is short.
	storeTime  = 15 * time.Second
	storeShare = 3
	// leastTime is what a renewal must have left to begin.
	leastTime = 2 * time.Second
	// storePause is the longest pause between two tries to store what was renewed.
	storePause = time.Second
)

// SecretsManager is the part of *secretsmanager.Client that a rotation takes.
type SecretsManager interface {
	token.SecretsManager
	DescribeSecret(context.Context, *secretsmanager.DescribeSecretInput, ...func(*secretsmanager.Options)) (*secretsmanager.DescribeSecretOutput, error)
	PutSecretValue(context.Context, *secretsmanager.PutSecretValueInput, ...func(*secretsmanager.Options)) (*secretsmanager.PutSecretValueOutput, error)
	UpdateSecretVersionStage(context.Context, *secretsmanager.UpdateSecretVersionStageInput, ...func(*secretsmanager.Options)) (*secretsmanager.UpdateSecretVersionStageOutput, error)
}

// Outcome is how a step ended.
type Outcome string

// The outcomes: the first seven are successes.
const (
	Renewed        Outcome = "renewed"         // createSecret: renewed and stored
	AlreadyRenewed Outcome = "already_renewed" // createSecret: the version has its value
	NothingToSet   Outcome = "nothing_to_set"  // setSecret: the provider knows the token already
	Accepted       Outcome = "accepted"        // testSecret
	NotTested      Outcome = "not_tested"      // testSecret: the secret says no test
	Finished       Outcome = "finished"        // finishSecret
	AlreadyCurrent Outcome = "already_current" // any step
	Refused        Outcome = "refused"         // RotationRefusedError
	LogInAgain     Outcome = "log_in_again"    // LogInAgainError
	Failed         Outcome = "failed"          // RotationFailedError
)

// rotator does the steps. It is safe for concurrent use.
type rotator struct {
	api          SecretsManager
	store        *token.Store
	exchanger    *token.Exchanger
	target       *target.Client
	prefix       string
	allowedHosts hosts.List
	now          func() time.Time // wall-clock
	log          *slog.Logger
	noSettling   bool
}

// rotation is one step on one version.
type rotation struct {
	*rotator
	Event

	stages  map[string][]string
	current string // the version that is AWSCURRENT; empty: none
}

// step does one step of an event for the function with the ARN given.
func (r *rotator) step(ctx context.Context, e Event, function string) (Outcome, error) {
	if !r.underPrefix(e.SecretID) {
		return "", refused("secret %s is not under %s: only secrets whose names begin so are renewed", e.SecretID, r.prefix)
	}
	s := &rotation{rotator: r, Event: e}
	if err := s.check(ctx, function); err != nil {
		return "", err
	}
	if s.Version == s.current {
		if s.Step == FinishSecret {
			s.forgetLabels(ctx)
		}
		return AlreadyCurrent, nil
	}
	if !slices.Contains(s.stages[s.Version], string(token.Pending)) {
		return "", refused("version %s is not AWSPENDING of secret %s: this rotation was given up, or replaced by another", s.Version, s.SecretID)
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

// underPrefix looks at the name in an ARN, or at a name.
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

// check is what AWS's own rotation template checks first, and that it is this function which is to rotate this secret.
func (s *rotation) check(ctx context.Context, function string) error {
	out, err := s.api.DescribeSecret(ctx, &secretsmanager.DescribeSecretInput{SecretId: aws.String(s.SecretID)})
	if err != nil {
		return failed("secret %s could not be described: %s", s.SecretID, explain(err))
	}
	name := aws.ToString(out.Name)
	switch {
	case !strings.HasPrefix(name, s.prefix):
		return refused("secret %s is not under %s: only secrets whose names begin so are renewed", name, s.prefix)
	case !aws.ToBool(out.RotationEnabled):
		return refused("rotation of secret %s is not enabled: deploy infra/rotation.yaml for it", name)
	case !sameFunction(aws.ToString(out.RotationLambdaARN), function):
		return refused("secret %s is rotated by %s, and this is %s", name, aws.ToString(out.RotationLambdaARN), function)
	case out.VersionIdsToStages[s.Version] == nil:
		return refused("secret %s has no version %s", name, s.Version)
	}
	if arn := aws.ToString(out.ARN); arn != "" {
		s.SecretID = arn // what a partial ARN stands for can change
	}
	s.stages = out.VersionIdsToStages
	for version, labels := range s.stages {
		if slices.Contains(labels, string(token.Current)) {
			s.current = version
		}
	}
	return nil
}

// sameFunction compares whole ARNs. Secrets Manager invokes a function by the ARN that stands in the secret, with its
// alias or version if it has one; $LATEST is the same as none.
func sameFunction(configured, invoked string) bool {
	const latest = ":$LATEST"
	configured, invoked = strings.TrimSuffix(configured, latest), strings.TrimSuffix(invoked, latest)
	return configured != "" && configured == invoked
}

// create renews the token and stores it at once.
func (s *rotation) create(ctx context.Context) (Outcome, error) {
	if stored, err := s.hasValue(ctx); stored || err != nil {
		return AlreadyRenewed, err
	}
	if _, err := s.renewable(ctx); err != nil { // before anything is written
		return "", err
	}
	l := newLease(s.api, s.SecretID, s.Version, s.current, s.now, s.log)
	if s.noSettling {
		l.settle = 0
	}
	taken, err := l.take(ctx, s.hasValue)
	if err != nil || !taken {
		l.withdraw(ctx)
		return AlreadyRenewed, err
	}
	// What was read before the lease may be another rotator's past.
	stored, err := s.hasValue(ctx)
	if stored || err != nil {
		l.withdraw(ctx)
		return AlreadyRenewed, err
	}
	current, err := s.renewable(ctx)
	if err != nil {
		l.withdraw(ctx)
		return "", err
	}
	l.during(ctx, func() { err = s.renew(ctx, current) })
	if err != nil {
		l.withdraw(ctx)
		return "", err
	}
	return Renewed, nil // the label stays: it tells finishSecret which version this one was made from
}

// hasValue tells whether the pending version has its value.
func (s *rotation) hasValue(ctx context.Context) (bool, error) {
	_, found, err := s.pending(ctx)
	return found, err
}

// pending reads the pending version. Until it has its value Secrets Manager knows only its id.
func (s *rotation) pending(ctx context.Context) (v token.Version, found bool, err error) {
	v, err = s.store.Staged(ctx, s.SecretID, token.Pending)
	if _, missing := errors.AsType[*types.ResourceNotFoundException](err); missing {
		return token.Version{}, false, nil
	}
	if _, malformed := errors.AsType[*token.MalformedError](err); malformed {
		return token.Version{}, false, refused("%s. Take the label off: aws secretsmanager update-secret-version-stage --secret-id %s --version-stage AWSPENDING --remove-from-version-id %s", err, s.SecretID, s.Version)
	}
	if err != nil {
		return token.Version{}, false, failed("AWSPENDING could not be read: %s", err)
	}
	if v.ID != s.Version {
		return token.Version{}, false, refused("AWSPENDING of secret %s has moved to version %s: this rotation was replaced by another", s.SecretID, v.ID)
	}
	return v, true, nil
}

// renewable reads AWSCURRENT and checks whole what is needed to renew it, as a renewal may end the current token.
func (s *rotation) renewable(ctx context.Context) (token.Version, error) {
	v, err := s.store.Staged(ctx, s.SecretID, token.Current)
	if err != nil {
		return token.Version{}, failed("AWSCURRENT could not be read: %s", err)
	}
	switch {
	case v.ID != s.current:
		return token.Version{}, failed("AWSCURRENT of secret %s moved while it was read. Secrets Manager repeats the step", s.SecretID)
	case v.Minted():
		return token.Version{}, refused("secret %s needs no rotation: the caller gets its token from %s itself. Delete the stack of infra/rotation.yaml", s.SecretID, v.OAuth2.TokenURL.Host)
	case !v.Renewable():
		return token.Version{}, refused("secret %s is static, so nobody can renew it: add oauth2 with grant refresh_token, or rotate (docs/configuration.md), or delete the stack of infra/rotation.yaml", s.SecretID)
	}
	for where, probe := range map[string]*job.Probe{"test": v.Test, "rotate.call": rotateCall(v)} {
		if err := s.bound(v, probe, where); err != nil {
			return token.Version{}, err
		}
	}
	return v, nil
}

func rotateCall(v token.Version) *job.Probe {
	if v.Rotate == nil {
		return nil
	}
	return &v.Rotate.Call
}

// bound refuses a call to a host that the token is not bound to.
func (s *rotation) bound(v token.Version, probe *job.Probe, where string) error {
	if probe == nil {
		return nil
	}
	request, err := probe.Request(nil, nil)
	if err != nil {
		return refused("%s of secret %s: %s", where, s.SecretID, err)
	}
	list := s.allowedHosts
	if v.Hosts != nil {
		list = *v.Hosts
	}
	if !list.Allows(request.URL) {
		return refused("%s of secret %s calls %s, which the token is not bound to: add it to hosts in the secret, or to ALLOWED_HOSTS (parameter AllowedHosts) if the secret has no hosts",
			where, s.SecretID, request.URL.Host)
	}
	return nil
}

// renew asks once for a new token, and stores it before anything else.
func (s *rotation) renew(ctx context.Context, current token.Version) error {
	asking, cancel, ok := askTime(ctx)
	defer cancel()
	if !ok {
		return failed("secret %s was not renewed: too little time was left to ask and to store the answer. Secrets Manager repeats the step", s.SecretID)
	}
	renewal, err := s.exchanger.Renew(asking, current.Document)
	if err == nil {
		return s.put(ctx, current.Renewed(renewal))
	}
	if renewal.RefreshToken.IsZero() {
		return s.notRenewed(err, current)
	}
	// The server has spent the refresh token and given no token that can be used. Without the new one the next
	// rotation would find a dead end.
	if putErr := s.put(ctx, current.Renewed(renewal)); putErr != nil {
		return putErr
	}
	return failed("the token of secret %s was not renewed: %s. Its new refresh token is stored with the current token; the next rotation asks again. See docs/runbooks/rotation-failed.md", s.SecretID, err)
}

// askTime is ctx without the time that storing may need.
func askTime(ctx context.Context) (asking context.Context, cancel context.CancelFunc, ok bool) {
	deadline, limited := ctx.Deadline()
	if !limited {
		asking, cancel = context.WithCancel(ctx)
		return asking, cancel, true
	}
	left := time.Until(deadline)
	left -= min(storeTime, left/storeShare)
	asking, cancel = context.WithTimeout(ctx, left)
	return asking, cancel, left >= leastTime
}

func (s *rotation) notRenewed(err error, current token.Version) error {
	mint, ok := errors.AsType[*token.MintError](err)
	switch {
	case !ok:
		return failed("secret %s was not renewed: %s", s.SecretID, err)
	case mint.Refused && current.Rotate != nil:
		return logInAgain("secret %s was not renewed: %s. The current token is dead, or its answer to an earlier rotation was lost: log in again, get a new token from the provider, and store the whole secret with it as AWSCURRENT. See docs/runbooks/rotation-failed.md", s.SecretID, mint)
	case mint.InvalidGrant:
		return logInAgain("secret %s was not renewed: %s. The refresh token is dead, or the answer that replaced it was lost: log in again at the provider, and store the whole secret with the new refresh_token and token as AWSCURRENT. See docs/runbooks/rotation-failed.md", s.SecretID, mint)
	case mint.Refused:
		return failed("secret %s was not renewed: %s. It refuses the client: look at oauth2.client_id, its secret or key, and oauth2.auth. The refresh token was not used. See docs/runbooks/rotation-failed.md", s.SecretID, mint)
	default:
		return failed("secret %s was not renewed: %s. Secrets Manager repeats the step, which asks once more; the current token stays. See docs/runbooks/rotation-failed.md", s.SecretID, mint)
	}
}

// put stores the renewed secret, over and over until the time is up: if it is lost, a person must log in again. Stages
// are always given: without them PutSecretValue moves AWSCURRENT.
func (s *rotation) put(ctx context.Context, value redact.Secret) error {
	in := &secretsmanager.PutSecretValueInput{
		SecretId:           aws.String(s.SecretID),
		ClientRequestToken: aws.String(s.Version),
		SecretString:       aws.String(value.Reveal()),
		VersionStages:      []string{string(token.Pending)},
	}
	if s.RotationToken != "" {
		in.RotationToken = aws.String(s.RotationToken)
	}
	for n := 1; ; n++ {
		_, err := s.api.PutSecretValue(ctx, in)
		if err == nil {
			return nil
		}
		if _, exists := errors.AsType[*types.ResourceExistsException](err); exists {
			return failed("the renewed token of secret %s was not stored: version %s has another value already. If the next rotation is refused, log in again. See docs/runbooks/rotation-failed.md", s.SecretID, s.Version)
		}
		s.log.WarnContext(ctx, "the renewed token is not stored yet", "secret", s.SecretID, "version", s.Version, "tries", n, "error", explain(err))
		if !retry.Sleep(ctx, min(retry.Backoff(n), storePause)) {
			return failed("the renewed token of secret %s could not be stored (%s) and is lost. If the next rotation is refused, log in again. See docs/runbooks/rotation-failed.md", s.SecretID, explain(err))
		}
	}
}

// test makes the call that the secret gives for it with the pending token.
func (s *rotation) test(ctx context.Context) (Outcome, error) {
	v, err := s.stored(ctx)
	if err != nil {
		return "", err
	}
	if v.Test == nil {
		return NotTested, nil
	}
	if err := s.bound(v, v.Test, "test"); err != nil {
		return "", err
	}
	request, err := v.Test.Request(nil, nil)
	if err != nil {
		return "", refused("test of secret %s: %s", s.SecretID, err)
	}
	deadline, _ := ctx.Deadline()
	answer := s.target.Call(ctx, v.Test.Job(testTimeout), request, v.Token, deadline)
	switch answer.Verdict {
	case target.Accepted:
		return Accepted, nil
	case target.Rejected:
		return "", failed("the test call to %s refuses the new token of secret %s: %s. It is stored as AWSPENDING, and AWSCURRENT stays. See docs/runbooks/rotation-failed.md", request.URL.Host, s.SecretID, answer.Fault)
	default:
		return "", failed("the test call to %s did not accept the new token of secret %s: %s. It is stored as AWSPENDING, and AWSCURRENT stays; Secrets Manager repeats the step. See docs/runbooks/rotation-failed.md", request.URL.Host, s.SecretID, answer.Fault)
	}
}

// stored is the pending version, which must have a value.
func (s *rotation) stored(ctx context.Context) (token.Version, error) {
	v, found, err := s.pending(ctx)
	if err == nil && !found {
		err = refused("version %s of secret %s has no value: createSecret must come first", s.Version, s.SecretID)
	}
	return v, err
}

// finish makes the pending version current, if the version that it was made from still is.
func (s *rotation) finish(ctx context.Context) (Outcome, error) {
	if _, err := s.stored(ctx); err != nil {
		return "", err
	}
	if s.replaced() {
		return "", refused("AWSCURRENT of secret %s was replaced after version %s was renewed from the one before, so it stays. To rotate again, take the label off: aws secretsmanager update-secret-version-stage --secret-id %s --version-stage AWSPENDING --remove-from-version-id %s",
			s.SecretID, s.Version, s.SecretID, s.Version)
	}
	in := &secretsmanager.UpdateSecretVersionStageInput{
		SecretId: aws.String(s.SecretID), VersionStage: aws.String(string(token.Current)), MoveToVersionId: aws.String(s.Version),
	}
	if s.current != "" {
		in.RemoveFromVersionId = aws.String(s.current) // fails if AWSCURRENT is elsewhere by now
	}
	if _, err := s.api.UpdateSecretVersionStage(ctx, in); err != nil && !s.isCurrent(ctx) {
		return "", failed("version %s of secret %s could not be made AWSCURRENT: %s. It is stored as AWSPENDING; Secrets Manager repeats the step", s.Version, s.SecretID, explain(err))
	}
	s.forgetLabels(ctx)
	return Finished, nil
}

// replaced tells whether somebody wrote AWSCURRENT since this version was renewed. Where no label tells what it was
// renewed from, AWS's own template is followed, which does not ask.
func (s *rotation) replaced() bool {
	labelled := false
	for _, a := range announcements(s.stages) {
		if a.version != s.Version {
			continue
		}
		if a.holder == s.current {
			return false
		}
		labelled = true
	}
	return labelled
}

// isCurrent looks whether an earlier try got through, whose answer was lost.
func (s *rotation) isCurrent(ctx context.Context) bool {
	out, err := s.api.DescribeSecret(ctx, &secretsmanager.DescribeSecretInput{SecretId: aws.String(s.SecretID)})
	return err == nil && slices.Contains(out.VersionIdsToStages[s.Version], string(token.Current))
}

// forgetLabels takes the labels of all leases away once the rotation is finished.
func (s *rotation) forgetLabels(ctx context.Context) {
	for _, a := range announcements(s.stages) {
		forget(ctx, s.api, s.SecretID, a, s.log)
	}
}

// explain names AWS's error and quotes its message, or says that no answer came.
func explain(err error) string {
	if api, ok := errors.AsType[smithy.APIError](err); ok {
		return fmt.Sprintf("%s (%s)", api.ErrorCode(), api.ErrorMessage())
	}
	if errors.Is(err, context.DeadlineExceeded) || errors.Is(err, context.Canceled) {
		return "Secrets Manager did not answer in time"
	}
	return "Secrets Manager gave no answer"
}
