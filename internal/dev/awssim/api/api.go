// Package api is what the models of AWS's services have in common: errors in AWS's form, faults that a test switches
// on, and the access key of a request with the question whether it may. It is not a model of any service, and it does
// not verify signatures.
package api

import (
	"context"
	"fmt"
	"net/http"
	"strings"
	"time"

	"github.com/cronbearer/cronbearer/internal/dev/awssim/iam"
	"github.com/cronbearer/cronbearer/internal/dev/fault"
)

// Clock returns a model's time.
type Clock func() time.Time

// Error is a rejection in AWS's words.
type Error struct {
	Status  int
	Code    string
	Message string
}

func (e *Error) Error() string { return e.Code + ": " + e.Message }

// Reject returns an Error that the caller is to blame for.
func Reject(code, format string, args ...any) *Error {
	return &Error{http.StatusBadRequest, code, fmt.Sprintf(format, args...)}
}

// Fault is what a service does instead of its work, or before it.
type Fault struct {
	Error  *Error        // nil: the request is served anyway
	Delay  time.Duration // real time
	HangUp bool          // no answer: the connection ends
	After  bool          // the work is done first: an answer that is lost
	Times  int           // how many requests; 0: all, until Clear
}

// Faults that every service of AWS knows (each one's "Common errors").
var (
	Throttled   = Fault{Error: &Error{http.StatusBadRequest, "ThrottlingException", "Rate exceeded"}}
	Unavailable = Fault{
		Error: &Error{
			http.StatusServiceUnavailable, "ServiceUnavailable",
			"The request has failed due to a temporary failure of the server.",
		},
	}
	Internal = Fault{
		Error: &Error{http.StatusInternalServerError, "InternalServiceError", "An error occurred on the server side."},
	}
	Denied = Fault{
		Error: &Error{http.StatusBadRequest, "AccessDeniedException", "User is not authorized to perform this action"},
	}
	Expired = Fault{
		Error: &Error{
			http.StatusBadRequest, "ExpiredTokenException", "The security token included in the request is expired",
		},
	}
	HungUp = Fault{HangUp: true}
)

// Once is the fault on the next n requests.
func (f Fault) Once(n int) Fault {
	f.Times = n
	return f
}

// Faults are those that are switched on. The zero value has none. Safe for concurrent use.
type Faults struct{ set fault.Set[aimed] }

// aimed is a fault for one operation and one resource; where one is empty, for all.
type aimed struct {
	operation, resource string
	fault               Fault
}

// Set switches a fault on, for one operation (such as GetSecretValue) and one resource (the name of a secret or an
// alarm) or, where one is empty, for all. The first one that fits counts.
func (f *Faults) Set(operation, resource string, fault Fault) {
	f.set.Add(aimed{operation, resource, fault}, fault.Times)
}

// Clear switches all faults off.
func (f *Faults) Clear() { f.set.Clear() }

// Next is the fault of a request, the zero Fault for none.
func (f *Faults) Next(operation, resource string) Fault {
	return f.set.Next(func(a aimed) bool {
		return (a.operation == "" || a.operation == operation) && (a.resource == "" || a.resource == resource)
	}).fault
}

// Serve does work unless the fault prevents it, and reports whether there is an answer to send.
func (f Fault) Serve(ctx context.Context, work func() (any, *Error)) (answer any, rejected *Error, answered bool) {
	if !fault.Wait(ctx, f.Delay) {
		return nil, nil, false
	}
	if f.After {
		_, _ = work()
	}
	switch {
	case f.HangUp:
		return nil, nil, false
	case f.Error != nil:
		return nil, f.Error, true
	}
	answer, rejected = work()
	return answer, rejected, true
}

// Access is one thing that a caller asks to do, as IAM sees it.
type Access struct {
	Action   string // secretsmanager:GetSecretValue
	Resource string // an ARN
	Context  iam.Context
}

// Authorizer reports whether the holder of an access key may do something; nil if so.
type Authorizer func(accessKey string, access Access) *Error

// AccessKey reads who signed a request (Signature Version 4). The signature itself is not checked: it proves nothing on
// one machine.
func AccessKey(r *http.Request) (string, *Error) {
	header := r.Header.Get("Authorization")
	scope, ok := strings.CutPrefix(header, "AWS4-HMAC-SHA256 Credential=")
	if !ok {
		return "", &Error{http.StatusForbidden, "MissingAuthenticationTokenException", "Missing Authentication Token"}
	}
	key, rest, _ := strings.Cut(scope, "/")
	if key == "" || !strings.Contains(rest, "/aws4_request") || !strings.Contains(rest, "Signature=") {
		return "", &Error{
			http.StatusForbidden, "IncompleteSignatureException", "The request signature does not conform to AWS standards",
		}
	}
	return key, nil
}
