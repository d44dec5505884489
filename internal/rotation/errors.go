package rotation

import "fmt"

// Lambda shows the name of the error's type. The text is for the person who reads it at three in the morning.
type (
	// RotationRefusedError says that the rotator does not act on this event, or not on this secret.
	RotationRefusedError struct{ text }
	// LogInAgainError says that the provider refuses what the token is renewed with. Only a person can mend it.
	LogInAgainError struct{ text }
	// RotationFailedError says that a step could not be done. It is safe to repeat.
	RotationFailedError struct{ text }
	// InternalError says that a step ended in an internal error.
	InternalError struct{ text }
)

type text string

func (t text) Error() string { return string(t) }

func refused(format string, args ...any) error {
	return &RotationRefusedError{text(fmt.Sprintf(format, args...))}
}

func logInAgain(format string, args ...any) error {
	return &LogInAgainError{text(fmt.Sprintf(format, args...))}
}

func failed(format string, args ...any) error {
	return &RotationFailedError{text(fmt.Sprintf(format, args...))}
}
