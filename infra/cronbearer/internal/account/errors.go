package account

import (
	"context"
	"errors"
	"fmt"
	"net"
	"strings"

	"github.com/aws/smithy-go"

	"github.com/cronbearer/cronbearer/infra/cronbearer/internal/exit"
)

// Explain returns an error of a request to AWS as the tool reports it: what was denied and on what, that there are no
// credentials, that nothing was reached. action is IAM's name of it, on what it was asked for.
func Explain(action, on string, err error) error {
	if err == nil {
		return nil
	}
	if e, ok := errors.AsType[*exit.Error](err); ok {
		return e
	}
	if errors.Is(err, context.Canceled) {
		return exit.From(err)
	}
	e := &exit.Error{Status: exit.AWS, Action: action, Err: err}
	api, isAPI := errors.AsType[smithy.APIError](err)
	_, isNet := errors.AsType[net.Error](err)
	switch {
	case isAPI && denied(api.ErrorCode()):
		e.Code, e.Text = "AccessDenied", "Not allowed: "+action+target(on)
		e.Fix = "cronbearer rights prints the policy that it needs"
	case isAPI && throttled(api.ErrorCode()):
		e.Code, e.Text, e.Fix = "Throttled", "AWS throttled "+action+target(on), "try again in a minute"
	case isAPI && expired(api.ErrorCode()):
		e.Code, e.Text = "NoCredentials", "the AWS credentials have expired or are not valid"
		e.Fix = "sign in again: aws sso login"
	case isAPI:
		e.Code = api.ErrorCode()
		e.Text = fmt.Sprintf("%s%s: %s: %s", action, target(on), api.ErrorCode(), firstSentence(api.ErrorMessage()))
	case strings.Contains(err.Error(), "failed to refresh cached credentials"),
		strings.Contains(err.Error(), "get identity: get credentials"):
		e.Code, e.Text = "NoCredentials", "there are no AWS credentials"
		e.Fix = "sign in with aws sso login or aws configure, or choose another --profile"
	case isNet, errors.Is(err, context.DeadlineExceeded):
		e.Code, e.Text, e.Fix = "NotReached", "AWS was not reached for "+action, "check the network and --region"
	default:
		e.Code, e.Text = "RequestFailed", action+target(on)+": "+firstSentence(err.Error())
	}
	return e
}

func target(on string) string {
	if on == "" {
		return ""
	}
	return " on " + on
}

func denied(code string) bool {
	return strings.HasPrefix(code, "AccessDenied") || strings.HasPrefix(code, "AuthorizationError") ||
		code == "UnauthorizedOperation" || code == "KMSAccessDeniedException"
}

func throttled(code string) bool {
	return strings.HasPrefix(code, "Throttl") || strings.HasPrefix(code, "TooManyRequests") ||
		code == "RequestLimitExceeded"
}

func expired(code string) bool {
	switch strings.TrimSuffix(code, "Exception") {
	case "ExpiredToken", "UnrecognizedClient", "InvalidClientTokenId", "InvalidSignature", "SignatureDoesNotMatch":
		return true
	}
	return false
}

// firstSentence keeps a foreign text short: the rest of AWS's messages repeats the request.
func firstSentence(text string) string {
	text, _, _ = strings.Cut(text, "\n")
	if i := strings.Index(text, ". "); i > 0 {
		text = text[:i+1]
	}
	const longest = 300
	return text[:min(len(text), longest)]
}

// isCode reports whether an error is AWS's of a code.
func isCode(err error, code string) bool {
	api, ok := errors.AsType[smithy.APIError](err)
	return ok && api.ErrorCode() == code
}
