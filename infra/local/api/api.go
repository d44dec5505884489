// Package api is what the models of AWS's services have in common: their errors, the faults that a test asks for, and
// who is calling.
package api

import (
	"context"
	"fmt"
	"net/http"
	"slices"
	"strings"
	"sync"
	"time"
)

// Clock tells a model the time.
type Clock func() time.Time

// Error is a refusal in AWS's words.
type Error struct {
	Status  int
	Code    string
	Message string
}

func (e *Error) Error() string { return e.Code + ": " + e.Message }

// Refuse makes an Error that the caller is to blame for.
func Refuse(code, format string, args ...any) *Error {
	return &Error{http.StatusBadRequest, code, fmt.Sprintf(format, args...)}
}

// Fault is what a service does instead of its work, or before it.
type Fault struct {
	Error  *Error        // nil: the request is served all the same
	Delay  time.Duration // real time
	HangUp bool          // no answer: the connection ends
	After  bool          // the work is done first: an answer that is lost
	Times  int           // how many requests; 0: all, until Clear
}

// Faults that every service of AWS knows (each one's "Common errors").
var (
	Throttled   = Fault{Error: &Error{http.StatusBadRequest, "ThrottlingException", "Rate exceeded"}}
	Unavailable = Fault{Error: &Error{http.StatusServiceUnavailable, "ServiceUnavailable", "The request has failed due to a temporary failure of the server."}}
	Internal    = Fault{Error: &Error{http.StatusInternalServerError, "InternalServiceError", "An error occurred on the server side."}}
	Denied      = Fault{Error: &Error{http.StatusBadRequest, "AccessDeniedException", "User is not authorized to perform this action"}}
	Expired     = Fault{Error: &Error{http.StatusBadRequest, "ExpiredTokenException", "The security token included in the request is expired"}}
	HungUp      = Fault{HangUp: true}
)

// Once is the fault on the next n requests.
func (f Fault) Once(n int) Fault {
	f.Times = n
	return f
}

// Faults are those that are switched on. The zero value has none. Safe for concurrent use.
type Faults struct {
	mu    sync.Mutex
	rules []*rule
}

type rule struct {
	operation, resource string
	fault               Fault
	left                int
}

// Set switches a fault on, for one operation (such as GetSecretValue) and one resource (the name of a secret or an
// alarm) or, where one is empty, for all. The last one that fits counts.
func (f *Faults) Set(operation, resource string, fault Fault) {
	f.mu.Lock()
	defer f.mu.Unlock()
	f.rules = append(f.rules, &rule{operation, resource, fault, fault.Times})
}

// Clear switches all faults off.
func (f *Faults) Clear() {
	f.mu.Lock()
	defer f.mu.Unlock()
	f.rules = nil
}

// Next gives the fault of a request, the zero Fault for none.
func (f *Faults) Next(operation, resource string) Fault {
	f.mu.Lock()
	defer f.mu.Unlock()
	for _, r := range slices.Backward(f.rules) {
		if (r.operation != "" && r.operation != operation) || (r.resource != "" && r.resource != resource) {
			continue
		}
		if r.fault.Times > 0 {
			if r.left == 0 {
				continue
			}
			r.left--
		}
		return r.fault
	}
	return Fault{}
}

// Serve does work unless the fault prevents it, and tells whether there is an answer to send.
func (f Fault) Serve(ctx context.Context, work func() (any, *Error)) (answer any, refused *Error, answered bool) {
	if f.Delay > 0 {
		timer := time.NewTimer(f.Delay)
		defer timer.Stop()
		select {
		case <-timer.C:
		case <-ctx.Done():
			return nil, nil, false
		}
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
	answer, refused = work()
	return answer, refused, true
}

// HangUp ends the connection of a request without an answer, on HTTP/1.1 and HTTP/2 alike.
func HangUp() {
	panic(http.ErrAbortHandler) //nolint:forbidigo // net/http's own way to abort a response; the server recovers it in silence
}

// Access is one thing that a caller wants to do, as IAM sees it.
type Access struct {
	Action   string // secretsmanager:GetSecretValue
	Resource string // an ARN
	Context  map[string]string
}

// Authorizer says whether the holder of an access key may do something; nil if so.
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
		return "", &Error{http.StatusForbidden, "IncompleteSignatureException", "The request signature does not conform to AWS standards"}
	}
	return key, nil
}
