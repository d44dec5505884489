package oauth

import (
	"context"
	"errors"
	"fmt"
	"strings"
	"time"

	"github.com/aws/smithy-go"

	"github.com/cronbearer/cronbearer/internal/bearer"
	"github.com/cronbearer/cronbearer/internal/redact"
	"github.com/cronbearer/cronbearer/internal/retry"
)

// AWSIdentity is a request for a JWT of the function's role, which AWS signs: the token itself, or what authenticates
// the client to a provider that trusts the account (IAM User Guide, "Outbound identity federation"). No secret is
// stored.
type AWSIdentity struct {
	Audiences []string
	Algorithm string
	Lifetime  time.Duration
}

// IdentityProvider is the part of AWS STS that issues identities (awsclient.STS). It does not retry.
type IdentityProvider interface {
	Host() string
	WebIdentityToken(ctx context.Context, audiences []string, algorithm string, lifetime time.Duration) (string, error)
}

const (
	stsCall = "AWS STS at"
	// enableIdentity is the command that an account needs once.
	enableIdentity = "`aws iam enable-outbound-web-identity-federation`"
)

// Identity returns a JWT of the function's role as a token. The error is an *Error. Its expiry is the JWT's own, as AWS
// may issue a shorter one; if that cannot be read it is assumed to be the shortest.
func (c *Client) Identity(ctx context.Context, i *AWSIdentity) (Granted, error) {
	asked := c.now()
	identity, failed := c.identity(ctx, i)
	if failed != nil {
		return Granted{}, failed
	}
	expires, err := bearer.JWTExpiry(identity)
	if err != nil || !expires.After(asked) {
		expires = asked.Add(MinLifetime)
	}
	return Granted{Token: c.scrub.Keep(identity), Asked: asked, Expiry: expires}, nil
}

// identity requests a JWT. Two errors are worth one more request each: a permission that was just granted, and a JWT
// that would outlive the session of the role.
func (c *Client) identity(ctx context.Context, i *AWSIdentity) (string, *Error) {
	if c.sts == nil {
		return "", permanent(stsCall, "(none)", "was not called: only the caller has an AWS identity")
	}
	ctx, cancel := context.WithTimeout(ctx, exchangeTimeout)
	defer cancel()
	token, err := c.sts.WebIdentityToken(ctx, i.Audiences, i.Algorithm, i.Lifetime)
	switch identityCode(err) {
	case "AccessDenied": // IAM is eventually consistent
		if c.pause(ctx, retry.ForIAM) {
			token, err = c.sts.WebIdentityToken(ctx, i.Audiences, i.Algorithm, i.Lifetime)
		}
	case "SessionDurationEscalation": // the function's own session expires before the JWT would
		if i.Lifetime > MinLifetime {
			token, err = c.sts.WebIdentityToken(ctx, i.Audiences, i.Algorithm, MinLifetime)
		}
	}
	c.scrub.Add(token)
	if err != nil {
		return "", c.identityError(err)
	}
	if err := bearer.Check(token); err != nil {
		return "", permanent(stsCall, c.sts.Host(), "returned a JWT that cannot be used: %s", err)
	}
	return token, nil
}

// identityCode is AWS's code of an error. Codes come with and without the suffix Exception. Empty: AWS did not answer.
func identityCode(err error) string {
	api, ok := errors.AsType[smithy.APIError](err)
	if !ok {
		return ""
	}
	return strings.TrimSuffix(api.ErrorCode(), "Exception")
}

// identityError says what to do. Everything that is not documented as permanent is transient. So an error that AWS adds
// later never stops the runs before an operator has seen it.
func (c *Client) identityError(err error) *Error {
	host, words := c.sts.Host(), redact.AWS(err)
	switch identityCode(err) {
	case "OutboundWebIdentityFederationDisabled":
		return permanent(
			stsCall, host,
			"issued no identity token: outbound identity federation is disabled for the account. Enable it once with %s",
			enableIdentity,
		)
	case "AccessDenied":
		return permanent(
			stsCall, host,
			"issued no identity token (%s): every audience in aws_identity must be in parameter IdentityAudiences of the "+
				"stack, and the account needs %s once",
			words, enableIdentity,
		)
	case "JWTPayloadSizeExceeded":
		return permanent(
			stsCall, host,
			"issued no identity token (%s): aws_identity has too many audiences, or audiences that are too long", words,
		)
	case "SessionDurationEscalation":
		return transient(
			stsCall, host,
			"issued no identity token (%s): the function's own session is about to expire; set a shorter "+
				"aws_identity.lifetime",
			words,
		)
	default:
		return transient(stsCall, host, "issued no identity token: %s", words)
	}
}

// transient returns an error that a retry may fix.
func transient(from, host, format string, args ...any) *Error {
	return &Error{From: from, Host: host, Reason: fmt.Sprintf(format, args...), Next: retry.Next{Retry: true}}
}
