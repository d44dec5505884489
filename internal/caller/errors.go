package caller

import "github.com/cronbearer/cronbearer/internal/handler"

// Lambda reports the name of the error's Go type as errorType, in the answer and in the record that a failed invocation
// leaves in the queue, so each failed outcome has one. The outermost error is typed and never a wrapper, whose name
// would be wrapError (aws-lambda-go, lambda/errors.go). The text is for the operator who reads it at three in the
// morning.
type (
	// TokenRejectedError reports that the target, or the token endpoint, rejects the credential.
	TokenRejectedError struct{ handler.Text }
	// TargetFailedError reports that the target's answer does not match expect.
	TargetFailedError struct{ handler.Text }
	// UnreachableError reports that no complete answer arrived.
	UnreachableError struct{ handler.Text }
	// TokenUnavailableError reports that there was no token for the call.
	TokenUnavailableError struct{ handler.Text }
	// InvalidJobError reports that the event, its binding or the function's configuration is wrong.
	InvalidJobError struct{ handler.Text }
)

// typedError returns a failed outcome's error with its type.
func typedError(o Outcome, message string) error {
	t := handler.Text(message)
	switch o {
	case TokenRejected:
		return &TokenRejectedError{t}
	case TargetFailed:
		return &TargetFailedError{t}
	case Unreachable:
		return &UnreachableError{t}
	case TokenUnavailable:
		return &TokenUnavailableError{t}
	default:
		return &InvalidJobError{t}
	}
}
