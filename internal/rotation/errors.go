package rotation

import "fmt"

// Lambda shows the name of the error's type. The text is for whoever reads it at three in the morning.
type (
	// RotationRefusedError reports that the rotator does not act on this event or this secret, or that it gave a rotation
	// up because an operator replaced the credential.
	RotationRefusedError struct{ text }
	// ReauthorizationRequiredError reports that the provider rejects what the token is renewed with. Only a new
	// authorization at the provider resolves it.
	ReauthorizationRequiredError struct{ text }
	// RotationFailedError reports that a step could not be done. It is safe to repeat.
	RotationFailedError struct{ text }
	// InternalError reports that a step ended in an internal error.
	InternalError struct{ text }
)

type text string

func (t text) Error() string { return string(t) }

func refused(format string, args ...any) error {
	return &RotationRefusedError{text(fmt.Sprintf(format, args...))}
}

func reauthorize(format string, args ...any) error {
	return &ReauthorizationRequiredError{text(fmt.Sprintf(format, args...))}
}

func failed(format string, args ...any) error {
	return &RotationFailedError{text(fmt.Sprintf(format, args...))}
}
