package rotation

import (
	"fmt"

	"github.com/cronbearer/cronbearer/internal/handler"
)

// Lambda shows the name of the error's type. The text is for the operator who reads it at three in the morning.
type (
	// RotationRefusedError reports that the rotator does not act on this event or this secret, or that it abandoned a
	// rotation because an operator replaced the credential.
	RotationRefusedError struct{ handler.Text }
	// ReauthorizationRequiredError reports that the provider rejects what the token is renewed with. Only a new
	// authorization at the provider resolves it.
	ReauthorizationRequiredError struct{ handler.Text }
	// RotationFailedError reports that a step failed. It is safe to retry.
	RotationFailedError struct{ handler.Text }
)

func refused(format string, args ...any) error {
	return &RotationRefusedError{handler.Text(fmt.Sprintf(format, args...))}
}

func reauthorize(format string, args ...any) error {
	return &ReauthorizationRequiredError{handler.Text(fmt.Sprintf(format, args...))}
}

func failed(format string, args ...any) error {
	return &RotationFailedError{handler.Text(fmt.Sprintf(format, args...))}
}
