package secretsmanager

import (
	"context"
	"encoding/json"
	"errors"
	"io"
	"net/http"
	"slices"
	"strconv"
	"strings"
	"sync"
	"time"

	"github.com/cronbearer/cronbearer/internal/dev/awssim/api"
	"github.com/cronbearer/cronbearer/internal/dev/awssim/iam"
	"github.com/cronbearer/cronbearer/internal/dev/fault"
)

// maxRequest is a value's size with room for its escaping.
const maxRequest = 8 * maxValue

// Call is one request that was served or rejected.
type Call struct {
	At        time.Time
	Operation string
	Secret    string // its name, or what was asked for if there is none
	Stage     string
	VersionID string
	AccessKey string
	Rejected  string // AWS's error code; empty: served
}

// Server speaks the protocol of AWS's SDKs for Secrets Manager, JSON 1.1. It is an http.Handler.
type Server struct {
	Store  *Store
	Faults api.Faults // by operation and the secret's name
	// Authorize is asked whether a caller may do an action; nil allows everything.
	Authorize api.Authorizer

	mu     sync.Mutex
	calls  []Call
	unkept bool
	tasks  sync.WaitGroup
}

// NewServer returns a Server for a Store.
func NewServer(store *Store) *Server { return &Server{Store: store} }

// Calls are the requests so far, oldest first; of one operation if one is named.
func (s *Server) Calls(operation string) []Call {
	s.mu.Lock()
	defer s.mu.Unlock()
	return slices.DeleteFunc(slices.Clone(s.calls), func(c Call) bool {
		return operation != "" && c.Operation != operation
	})
}

// Keep switches off, for long replays, that every call is kept.
func (s *Server) Keep(keep bool) {
	s.mu.Lock()
	defer s.mu.Unlock()
	s.unkept = !keep
}

// Forget drops the record of the calls.
func (s *Server) Forget() {
	s.mu.Lock()
	defer s.mu.Unlock()
	s.calls = nil
}

// Wait returns when the rotations that requests have started are over.
func (s *Server) Wait() { s.tasks.Wait() }

// about is what is read of every request before it is known what it asks for.
type about struct{ SecretID, Name, VersionID, VersionStage string }

func (s *Server) ServeHTTP(w http.ResponseWriter, r *http.Request) {
	body, err := io.ReadAll(io.LimitReader(r.Body, maxRequest))
	operation, ok := strings.CutPrefix(r.Header.Get("X-Amz-Target"), "secretsmanager.")
	call := Call{At: s.Store.config.Now(), Operation: operation}
	if err != nil || !ok || r.Method != http.MethodPost || r.URL.Path != "/" {
		s.reject(
			w, call,
			&api.Error{
				Status: http.StatusNotFound, Code: "UnknownOperationException",
				Message: "this is not a request to Secrets Manager",
			},
		)
		return
	}
	var subject about
	if err := json.Unmarshal(body, &subject); err != nil {
		s.reject(w, call, api.Reject("SerializationException", "the body is not JSON"))
		return
	}
	call.Secret, call.Stage, call.VersionID = subject.SecretID+subject.Name, subject.VersionStage, subject.VersionID
	arn := s.Store.arn(call.Secret)
	access := api.Access{Action: "secretsmanager:" + operation, Resource: arn, Context: iam.Context{}}
	var key string
	if subject.VersionStage != "" {
		access.Context["secretsmanager:versionstage"] = []string{subject.VersionStage}
	}
	if found, ok := s.Store.Secret(call.Secret); ok {
		call.Secret, key = found.Name, found.KMSKeyID
		if found.RotationLambdaARN != "" {
			access.Context["secretsmanager:resource/allowrotationlambdaarn"] = []string{found.RotationLambdaARN}
		}
	}
	var rejected *api.Error
	if call.AccessKey, rejected = api.AccessKey(r); rejected == nil && s.Authorize != nil {
		rejected = s.Authorize(call.AccessKey, access)
	}
	for _, action := range keyActions[operation] {
		if rejected == nil && key != "" && s.Authorize != nil {
			rejected = s.useKey(call.AccessKey, action, key)
		}
	}
	if rejected != nil {
		s.reject(w, call, rejected)
		return
	}
	answer, rejected, answered := s.Faults.Next(operation, call.Secret).Serve(r.Context(), func() (any, *api.Error) {
		return s.serve(operation, body)
	})
	switch {
	case !answered:
		call.Rejected = "no answer"
		s.note(call)
		fault.HangUp()
	case rejected != nil:
		s.reject(w, call, rejected)
	default:
		s.note(call)
		write(w, http.StatusOK, answer)
	}
}

// keyActions are what an operation does with a secret's own KMS key, on behalf of the caller (User Guide, "Secret
// encryption and decryption").
var keyActions = map[string][]string{
	"GetSecretValue": {"kms:Decrypt"},
	"PutSecretValue": {"kms:GenerateDataKey", "kms:Decrypt"},
}

func (s *Server) useKey(accessKey, action, key string) *api.Error {
	service := "secretsmanager." + s.Store.config.Region + ".amazonaws.com"
	access := api.Access{Action: action, Resource: key, Context: iam.Context{"kms:viaservice": {service}}}
	if s.Authorize(accessKey, access) != nil {
		return api.Reject("AccessDeniedException", "Access to KMS is not allowed")
	}
	return nil
}

func (s *Server) serve(operation string, body []byte) (any, *api.Error) {
	switch operation {
	case "CreateSecret":
		return decoded(body, s.Store.create)
	case "GetSecretValue":
		return decoded(body, s.Store.get)
	case "PutSecretValue":
		return decoded(body, s.Store.put)
	case "UpdateSecretVersionStage":
		return decoded(body, s.Store.updateStage)
	case "DescribeSecret":
		return decoded(body, s.Store.describe)
	case "ListSecretVersionIds":
		return decoded(body, s.Store.list)
	case "DeleteSecret":
		return decoded(body, s.Store.delete)
	case "RestoreSecret":
		return decoded(body, s.Store.restore)
	case "CancelRotateSecret":
		return decoded(body, s.Store.cancelRotation)
	case "RotateSecret":
		return decoded(body, func(r rotateRequest) (*versionAnswer, *api.Error) {
			start, answer, rejected := s.Store.startRotation(r)
			if start != nil {
				// The rotation outlives the request, as it does at AWS.
				s.tasks.Go(func() { start(context.Background()) })
			}
			return answer, rejected
		})
	}
	return nil, &api.Error{
		Status: http.StatusBadRequest, Code: "UnknownOperationException", Message: "this model does not know " + operation,
	}
}

func decoded[Request, Answer any](body []byte, operation func(Request) (*Answer, *api.Error)) (any, *api.Error) {
	var request Request
	if err := json.Unmarshal(body, &request); err != nil {
		if wrong, ok := errors.AsType[*json.UnmarshalTypeError](err); ok {
			return nil, api.Reject("SerializationException", "%s must be %s", wrong.Field, wrong.Type)
		}
		return nil, api.Reject("SerializationException", "the body cannot be read")
	}
	answer, rejected := operation(request)
	if rejected != nil {
		return nil, rejected
	}
	return answer, nil
}

func (s *Server) reject(w http.ResponseWriter, call Call, e *api.Error) {
	call.Rejected = e.Code
	s.note(call)
	w.Header().Set("X-Amzn-ErrorType", e.Code)
	write(w, e.Status, map[string]string{"__type": e.Code, "Message": e.Message})
}

func (s *Server) note(c Call) {
	s.mu.Lock()
	defer s.mu.Unlock()
	if !s.unkept {
		s.calls = append(s.calls, c)
	}
}

func write(w http.ResponseWriter, status int, answer any) {
	w.Header().Set("Content-Type", "application/x-amz-json-1.1")
	text, err := json.Marshal(answer)
	if err != nil { // the answers are plain structs
		status, text = http.StatusInternalServerError, nil
	}
	w.WriteHeader(status)
	_, _ = w.Write(text)
}

// seconds is a time as JSON 1.1 writes it: seconds since 1970, with milliseconds.
type seconds time.Time

// MarshalJSON writes a number.
func (s seconds) MarshalJSON() ([]byte, error) {
	return strconv.AppendFloat(nil, float64(time.Time(s).UnixMilli())/1000, 'f', -1, 64), nil
}
