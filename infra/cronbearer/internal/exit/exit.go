// Package exit has the exit codes of the operator's tool and the error that carries one, so that one switch in one
// place turns whatever a command returns into a code and a message. It prints nothing itself.
package exit

import (
	"context"
	"errors"
	"fmt"
)

// The exit codes, as `cronbearer help exit-codes` lists them.
const (
	// OK: done, or all is well.
	OK = 0
	// No: the answer is no. Mistakes were found, the run failed, the drill did not reach its reader.
	No = 1
	// Usage: the command line is wrong.
	Usage = 2
	// AWS denied the request or was not reached: no credentials, no permission, no stack.
	AWS = 3
	// Declined: a question was answered no, or could not be asked.
	Declined = 4
	// Interrupted by the operator.
	Interrupted = 130
)

// An Error is an exit code with what to print. Without Text nothing is printed: the command has said it all.
type Error struct {
	// Status is one of the exit codes above.
	Status int
	// Code names the error for programs, such as InvalidTemplate or AccessDenied.
	Code string
	// Text says what is wrong, Fix what to do about it, More where to read on. All in plain sentences, without a secret.
	Text, Fix, More string
	// Action is the AWS action that was denied, such as scheduler:UpdateSchedule.
	Action string
	// Err is the cause.
	Err error
}

func (e *Error) Error() string {
	if e.Text == "" && e.Err != nil {
		return e.Err.Error()
	}
	return e.Text
}

func (e *Error) Unwrap() error { return e.Err }

// Failed returns an error for a request whose answer is no.
func Failed(code, format string, arguments ...any) *Error {
	return &Error{Status: No, Code: code, Text: fmt.Sprintf(format, arguments...)}
}

// Usagef returns an error for a command line that is wrong. The usage of the command is printed with it.
func Usagef(format string, arguments ...any) *Error {
	return &Error{Status: Usage, Code: "Usage", Text: fmt.Sprintf(format, arguments...)}
}

// Silent returns an error for a command that has already printed its answer.
func Silent(status int) *Error { return &Error{Status: status, Code: "Reported"} }

// From returns err as an *Error: itself if it is one, the code for an interrupt if that is its cause, and a failure
// otherwise.
func From(err error) *Error {
	if e, ok := errors.AsType[*Error](err); ok {
		return e
	}
	if errors.Is(err, context.Canceled) {
		return &Error{Status: Interrupted, Code: "Interrupted", Text: "interrupted", Err: err}
	}
	return &Error{Status: No, Code: "Failed", Text: err.Error(), Err: err}
}
