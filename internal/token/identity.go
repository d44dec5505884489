package token

import (
	"context"
	"errors"
	"fmt"
	"strings"
	"time"

	"github.com/aws/smithy-go"

	"github.com/cronbearer/cronbearer/internal/bearer"
	"github.com/cronbearer/cronbearer/internal/jsondoc"
	"github.com/cronbearer/cronbearer/internal/redact"
	"github.com/cronbearer/cronbearer/internal/retry"
)

// AWSIdentity asks for a JWT of the function's role, which AWS signs: the token itself, or what proves the client to a
// provider that trusts the account (IAM User Guide, "Outbound identity federation"). No secret at all is stored.
type AWSIdentity struct {
	audiences []string
	algorithm string
	lifetime  time.Duration
}

// IdentityProvider is AWS's STS, as far as identities go (awsclient.STS). It does not retry.
type IdentityProvider interface {
	Host() string
	WebIdentityToken(ctx context.Context, audiences []string, algorithm string, lifetime time.Duration) (string, error)
}

const (
	defaultIdentityLifetime = 5 * time.Minute
	maxAudiences            = 10 // of one request (GetWebIdentityToken)
)

func (p *secretParser) awsIdentity(object jsondoc.Value) *AWSIdentity {
	const where = "aws_identity."
	f := jsondoc.NewFields(object, where, true, &p.problems)
	before := len(p.problems)
	i := &AWSIdentity{
		audiences: p.strings(f, where, "audience"),
		algorithm: p.oneOf(f.String("algorithm"), where+"algorithm", "RS256", "ES384"),
		lifetime:  p.lifetime(f, where, defaultIdentityLifetime),
	}
	switch n := len(i.audiences); {
	case n == 0 && len(p.problems) == before:
		p.problems.Addf("aws_identity.audience is missing: whom the JWT is for; it must be in parameter IdentityAudiences as well")
	case n > maxAudiences:
		p.problems.Addf("aws_identity.audience must be at most %d audiences", maxAudiences)
	}
	return i
}

const (
	stsCall = "AWS STS at"
	// enableIdentity is what an account needs once.
	enableIdentity = "`aws iam enable-outbound-web-identity-federation`"
)

// identity asks for a JWT. The error is for people.
func (x *Exchanger) identity(ctx context.Context, i *AWSIdentity) (string, *attemptError) {
	if x.sts == nil {
		return "", lasting(stsCall, "(none)", "was not asked: only the caller has an AWS identity")
	}
	ctx, cancel := context.WithTimeout(ctx, exchangeTimeout)
	defer cancel()
	token, err := x.sts.WebIdentityToken(ctx, i.audiences, i.algorithm, i.lifetime)
	switch identityCode(err) {
	case "AccessDenied": // IAM is eventually consistent
		if x.pause(ctx, deniedPause) {
			token, err = x.sts.WebIdentityToken(ctx, i.audiences, i.algorithm, i.lifetime)
		}
	case "SessionDurationEscalation": // the function's own session ends before the JWT would
		if i.lifetime > minLifetime {
			token, err = x.sts.WebIdentityToken(ctx, i.audiences, i.algorithm, minLifetime)
		}
	}
	x.scrub.Add(token)
	if err != nil {
		return "", x.identityError(err)
	}
	if err := bearer.Check(token); err != nil {
		return "", lasting(stsCall, x.sts.Host(), "gave a JWT that cannot be used: %s", err)
	}
	return token, nil
}

// identityCode is AWS's code of an error. Codes come with and without Exception at their end. Empty: no answer of AWS.
func identityCode(err error) string {
	api, ok := errors.AsType[smithy.APIError](err)
	if !ok {
		return ""
	}
	return strings.TrimSuffix(api.ErrorCode(), "Exception")
}

// identityError says what to do. Transient is all that is not documented to be permanent.
func (x *Exchanger) identityError(err error) *attemptError {
	host, words := x.sts.Host(), redact.AWS(err)
	switch identityCode(err) {
	case "OutboundWebIdentityFederationDisabled":
		return lasting(stsCall, host, "gives no identity, as the account has outbound identity federation disabled: enable it once with %s", enableIdentity)
	case "AccessDenied":
		return lasting(stsCall, host, "gives no identity (%s): every audience in aws_identity must be in parameter IdentityAudiences of the stack, and the account needs %s once", words, enableIdentity)
	case "JWTPayloadSizeExceeded":
		return lasting(stsCall, host, "gives no identity (%s): aws_identity has too many audiences, or too long ones", words)
	case "SessionDurationEscalation":
		return passing(stsCall, host, "gave no identity (%s): the function's own session is nearly over; write a shorter aws_identity.lifetime", words)
	default:
		return passing(stsCall, host, "gave no identity: %s", words)
	}
}

// passing is a failure that another try may not have.
func passing(from, host, format string, args ...any) *attemptError {
	return &attemptError{next: retry.Next{Retry: true}, MintError: &MintError{From: from, Host: host, Reason: fmt.Sprintf(format, args...)}}
}
