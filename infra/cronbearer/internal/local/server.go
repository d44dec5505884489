package local

import (
	"bytes"
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"net/http"
	"slices"
	"strings"
	"sync"
	"sync/atomic"
	"time"

	"github.com/cronbearer/cronbearer/infra/cronbearer/internal/rights"
	"github.com/cronbearer/cronbearer/internal/dev/awssim"
	"github.com/cronbearer/cronbearer/internal/dev/awssim/api"
	"github.com/cronbearer/cronbearer/internal/dev/awssim/iam"
)

// A Server lets commands use a simulated account. It is an http.Handler for callPath and nothing else.
type Server struct {
	// Faults are switched on by the action's name ("GetSchedule"), for tests.
	Faults api.Faults
	// Unlimited lets every command do everything, as an administrator's role does.
	Unlimited atomic.Bool

	// Rules are what EventBridge has in addition.
	Rules Rules

	cloud      *awssim.Cloud
	operations map[string]operation
	started    time.Time

	mu    sync.Mutex
	peers []*Server // the other stacks of the account
	calls []Call
	// topicTags are the tags of topics, by ARN.
	topicTags map[string]map[string]string
}

// A Call is one request of a command.
type Call struct{ Command, Action, Resource, Rejected string }

// operation is one action: what it touches, as IAM sees it, and what it does.
type operation struct {
	access func(input json.RawMessage) ([]access, error)
	do     func(ctx context.Context, input json.RawMessage) (any, error)
}

// access is one right that an action needs; a few need two. Without an action it is none.
type access struct {
	action, resource string
	context          iam.Context
}

// NewServer returns a Server for an account.
func NewServer(cloud *awssim.Cloud) *Server {
	s := &Server{
		cloud: cloud, operations: map[string]operation{}, started: cloud.Now(), topicTags: map[string]map[string]string{},
	}
	s.register()
	return s
}

func (s *Server) register() {
	for _, register := range []func(){
		s.registerSTS, s.registerCloudFormation, s.registerCloudWatch, s.registerLogs, s.registerEventBridge, s.registerKMS,
		s.registerLambda, s.registerScheduler, s.registerSecretsManager, s.registerSNS, s.registerSQS,
	} {
		register()
	}
}

// on registers an action. resource returns the ARN that the action touches, "*" where IAM does not narrow it.
func on[In, Out any](
	s *Server, action string, resource func(*In) string,
	do func(context.Context, *In) (*Out, error), more ...func(*In) access,
) {
	s.operations[action] = operation{
		access: func(input json.RawMessage) ([]access, error) {
			in := new(In)
			if err := json.Unmarshal(input, in); err != nil {
				return nil, err //nolint:wrapcheck // the caller names the action
			}
			needed := []access{{action: Permission(action), resource: resource(in)}}
			for _, another := range more {
				needed = append(needed, another(in))
			}
			return needed, nil
		},
		do: func(ctx context.Context, input json.RawMessage) (any, error) {
			in := new(In)
			if err := json.Unmarshal(input, in); err != nil {
				return nil, err //nolint:wrapcheck // the caller names the action
			}
			return do(ctx, in)
		},
	}
}

// Permissions returns the permissions of the actions that a Server knows, in order.
func Permissions() []string {
	s := &Server{operations: map[string]operation{}}
	s.register()
	var list []string
	for action := range s.operations {
		list = append(list, Permission(action))
	}
	slices.Sort(list)
	return list
}

// Permission returns the permission of an action: the same name, but for Lambda's Invoke.
func Permission(action string) string {
	if action == "lambda:Invoke" {
		return "lambda:InvokeFunction"
	}
	return action
}

// Join adds another stack to the account. A request is answered by the stack that its input names: physical names begin
// with that of the stack.
func (s *Server) Join(peer *Server) {
	s.mu.Lock()
	defer s.mu.Unlock()
	s.peers = append(s.peers, peer)
}

// joined are the other stacks of now.
func (s *Server) joined() []*Server {
	s.mu.Lock()
	defer s.mu.Unlock()
	return slices.Clone(s.peers)
}

func (s *Server) of(q request) *Server {
	for _, peer := range s.joined() {
		if bytes.Contains(q.Input, []byte(peer.cloud.Stack.StackName)) {
			return peer
		}
	}
	return s
}

// Calls returns the requests so far.
func (s *Server) Calls() []Call {
	s.mu.Lock()
	defer s.mu.Unlock()
	return slices.Clone(s.calls)
}

// ServeHTTP answers a command. Only this machine's own programs may call: a page in a browser names itself as the
// origin.
func (s *Server) ServeHTTP(w http.ResponseWriter, r *http.Request) {
	if r.Method != http.MethodPost || r.URL.Path != callPath || r.Header.Get("Origin") != "" ||
		!strings.HasPrefix(r.Host, "127.0.0.1:") && !strings.HasPrefix(r.Host, "localhost:") {
		http.Error(w, "not found", http.StatusNotFound)
		return
	}
	var q request
	if err := json.NewDecoder(http.MaxBytesReader(w, r.Body, maxAnswer)).Decode(&q); err != nil {
		http.Error(w, err.Error(), http.StatusBadRequest)
		return
	}
	var answer response
	out, err := s.serve(r.Context(), q)
	if err == nil {
		answer.Output, err = json.Marshal(out)
	}
	if err != nil {
		answer = response{Error: faultOf(err)}
	}
	w.Header().Set("Content-Type", "application/json")
	_ = json.NewEncoder(w).Encode(answer) // the command is gone
}

func faultOf(err error) *fault {
	if e, ok := errors.AsType[*api.Error](err); ok {
		return &fault{Code: e.Code, Message: e.Message}
	}
	return &fault{Code: "InternalFailure", Message: err.Error()}
}

func (s *Server) serve(ctx context.Context, q request) (any, error) {
	call := Call{Command: q.Command, Action: q.Action}
	out, err := s.perform(ctx, q, &call)
	if err != nil {
		call.Rejected = faultOf(err).Code
	}
	s.mu.Lock()
	s.calls = append(s.calls, call)
	s.mu.Unlock()
	return out, err
}

func (s *Server) perform(ctx context.Context, q request, call *Call) (any, error) {
	if q.Action == aboutAction {
		return About{Region: s.cloud.Stack.Region, StackName: s.cloud.Stack.StackName, Now: s.cloud.Now()}, nil
	}
	operation, ok := s.of(q).operations[q.Action]
	if !ok {
		return nil, api.Reject("UnknownOperationException", "this model knows no %s", q.Action)
	}
	needed, err := operation.access(q.Input)
	if err != nil {
		return nil, api.Reject("ValidationException", "%s: %v", q.Action, err)
	}
	call.Resource = needed[0].resource
	_, name, _ := strings.Cut(q.Action, ":")
	answer, rejected, answered := s.Faults.Next(name, "").Serve(ctx, func() (any, *api.Error) {
		if denied := s.authorize(q.Command, needed); denied != nil {
			return nil, denied
		}
		out, err := operation.do(ctx, q.Input)
		if err == nil {
			return out, nil
		}
		if e, ok := errors.AsType[*api.Error](err); ok {
			return nil, e
		}
		return nil, api.Reject("InternalFailure", "%v", err)
	})
	switch {
	case !answered:
		return nil, api.Reject("RequestTimeout", "no answer")
	case rejected != nil:
		return nil, rejected
	}
	return answer, nil
}

// authorize asks the command's own policy.
func (s *Server) authorize(command string, needed []access) *api.Error {
	if s.Unlimited.Load() {
		return nil
	}
	stack := s.cloud.Stack
	policy := rights.Policy(rights.Of(command), map[string]string{
		"StackName": rights.StackOf(command, stack.StackName), "AWS::Region": stack.Region, "AWS::AccountId": stack.AccountID,
		"AWS::Partition": stack.Partition,
	})
	role, err := roleOf(policy)
	if err != nil {
		return api.Reject("InternalFailure", "the policy of %s: %v", command, err)
	}
	for _, a := range needed {
		if a.action != "" && a.action != "sts:GetCallerIdentity" && !role.Allows(a.action, a.resource, a.context) {
			return api.Reject("AccessDeniedException",
				"User: %s is not authorized to perform: %s on resource: %s because no identity-based policy allows the %s action",
				s.principal(), a.action, a.resource, a.action)
		}
	}
	return nil
}

func roleOf(policy rights.Document) (iam.Role, error) {
	text, err := json.Marshal(policy)
	if err != nil {
		return iam.Role{}, err
	}
	var document any
	if err := json.Unmarshal(text, &document); err != nil {
		return iam.Role{}, err //nolint:wrapcheck // plain data
	}
	return iam.Parse([]any{map[string]any{"PolicyName": "command", "PolicyDocument": document}})
}

func (s *Server) principal() string {
	return fmt.Sprintf("arn:%s:sts::%s:assumed-role/Operator/you", s.cloud.Stack.Partition, s.cloud.Stack.AccountID)
}

func (s *Server) arn(service, resource string) string {
	stack := s.cloud.Stack
	return strings.Join([]string{"arn", stack.Partition, service, stack.Region, stack.AccountID, resource}, ":")
}
