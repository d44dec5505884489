// Package lambda is a model of Lambda around one function: the Runtime API that a process asks for its events, the
// execution environments with their processes, and what becomes of an asynchronous event. The process is the real
// binary. It is a model, not Lambda: no sandbox, no share of a core, no billing.
package lambda

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"net"
	"net/http"
	"strconv"
	"strings"
	"sync"
	"time"
)

const (
	version = "/2018-06-01/runtime/"
	// maxResponse: "6 MB each for request and response (synchronous)" (Lambda quotas).
	maxResponse = 6 << 20
)

// Event is one invocation that a process gets.
type Event struct {
	RequestID   string
	Payload     []byte
	Deadline    time.Time // real
	FunctionARN string
	TraceID     string
}

// Answer is what a process returned.
type Answer struct {
	Payload   []byte
	Failed    bool   // it came as an error
	ErrorType string // of an error
	Message   string // of an error
}

// API is the Runtime API of one execution environment, as in the Lambda Developer Guide, "Using the Lambda runtime API
// for custom runtimes". Any number of loops may ask it for events, as a process of a function with
// AWS_LAMBDA_MAX_CONCURRENCY does.
type API struct {
	listener net.Listener
	server   *http.Server

	events chan *pending
	closed chan struct{}
	once   sync.Once

	mu      sync.Mutex
	waiting int // loops that ask for an event
	idle    chan struct{}
	running map[string]*pending
	init    *Answer
}

type pending struct {
	Event

	answer chan Answer
}

// ErrClosed says that the environment is gone.
var ErrClosed = errors.New("the execution environment is closed")

// Listen starts a Runtime API on a port of this machine.
func Listen() (*API, error) {
	listener, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		return nil, fmt.Errorf("runtime API: %w", err)
	}
	a := &API{
		listener: listener, events: make(chan *pending), closed: make(chan struct{}),
		idle: make(chan struct{}, 1), running: map[string]*pending{},
	}
	mux := http.NewServeMux()
	mux.HandleFunc("GET "+version+"invocation/next", a.next)
	mux.HandleFunc("POST "+version+"invocation/{id}/response", a.respond(false))
	mux.HandleFunc("POST "+version+"invocation/{id}/error", a.respond(true))
	mux.HandleFunc("POST "+version+"init/error", a.initError)
	a.server = &http.Server{Handler: mux, ReadHeaderTimeout: time.Minute}
	go func() { _ = a.server.Serve(listener) }() // ends with Close
	return a, nil
}

// Address is the value of AWS_LAMBDA_RUNTIME_API.
func (a *API) Address() string { return a.listener.Addr().String() }

// Close stops it. What waits for an answer gets ErrClosed.
func (a *API) Close() {
	a.once.Do(func() {
		close(a.closed)
		_ = a.server.Close()
	})
}

// Invoke hands an event to the next loop that asks, and waits for its answer.
func (a *API) Invoke(ctx context.Context, e Event) (Answer, error) {
	p := &pending{Event: e, answer: make(chan Answer, 1)}
	select {
	case a.events <- p:
	case <-a.closed:
		return Answer{}, ErrClosed
	case <-ctx.Done():
		return Answer{}, context.Cause(ctx)
	}
	select {
	case answer := <-p.answer:
		return answer, nil
	case <-a.closed:
		return Answer{}, ErrClosed
	case <-ctx.Done():
		return Answer{}, context.Cause(ctx)
	}
}

// Idle waits until a loop asks for its next event: only then is an invocation complete, and the process may be frozen.
func (a *API) Idle(ctx context.Context) error {
	for {
		a.mu.Lock()
		idle := a.waiting > 0
		a.mu.Unlock()
		if idle {
			return nil
		}
		select {
		case <-a.idle:
		case <-a.closed:
			return ErrClosed
		case <-ctx.Done():
			return context.Cause(ctx)
		}
	}
}

// InitError is what the process reported of its start, if it did.
func (a *API) InitError() (Answer, bool) {
	a.mu.Lock()
	defer a.mu.Unlock()
	if a.init == nil {
		return Answer{}, false
	}
	return *a.init, true
}

func (a *API) next(w http.ResponseWriter, r *http.Request) {
	a.mu.Lock()
	a.waiting++
	a.mu.Unlock()
	select {
	case a.idle <- struct{}{}:
	default:
	}
	p := a.take(r.Context())
	if p == nil {
		http.Error(w, "closed", http.StatusGone)
		return
	}
	h := w.Header()
	h.Set("Content-Type", "application/json")
	h.Set("Lambda-Runtime-Aws-Request-Id", p.RequestID)
	h.Set("Lambda-Runtime-Deadline-Ms", strconv.FormatInt(p.Deadline.UnixMilli(), 10))
	h.Set("Lambda-Runtime-Invoked-Function-Arn", p.FunctionARN)
	if p.TraceID != "" {
		h.Set("Lambda-Runtime-Trace-Id", p.TraceID)
	}
	_, _ = w.Write(p.Payload)
}

// take waits for an event. The loop counts as waiting until it has one, and not a moment longer: its answer may come
// before the request for the event is done with.
func (a *API) take(ctx context.Context) *pending {
	var p *pending
	select {
	case p = <-a.events:
	case <-a.closed:
	case <-ctx.Done():
	}
	a.mu.Lock()
	defer a.mu.Unlock()
	a.waiting--
	if p != nil {
		a.running[p.RequestID] = p
	}
	return p
}

func (a *API) respond(failed bool) http.HandlerFunc {
	return func(w http.ResponseWriter, r *http.Request) {
		body, err := io.ReadAll(io.LimitReader(r.Body, maxResponse+1))
		id := r.PathValue("id")
		a.mu.Lock()
		p := a.running[id]
		delete(a.running, id)
		a.mu.Unlock()
		switch {
		case p == nil:
			reject(w, http.StatusBadRequest, "InvalidRequestID", "there is no such invocation")
			return
		case err != nil:
			p.answer <- failure("Runtime.TruncatedResponse", "the response was cut off")
			return
		case len(body) > maxResponse:
			p.answer <- failure(
				"Function.ResponseSizeTooLarge",
				fmt.Sprintf("Response payload size exceeded maximum allowed payload size (%d bytes).", maxResponse),
			)
			reject(w, http.StatusRequestEntityTooLarge, "RequestEntityTooLarge", "Exceeded maximum allowed payload size")
			return
		}
		answer := Answer{Payload: body, Failed: failed}
		if failed {
			answer = readError(body)
		}
		w.Header().Set("Content-Type", "application/json")
		w.WriteHeader(http.StatusAccepted)
		_, _ = io.WriteString(w, `{"status":"OK"}`)
		_ = http.NewResponseController(w).Flush()
		p.answer <- answer
	}
}

func (a *API) initError(w http.ResponseWriter, r *http.Request) {
	body, _ := io.ReadAll(io.LimitReader(r.Body, maxResponse)) // what came is all there is to report
	answer := readError(body)
	a.mu.Lock()
	a.init = &answer
	a.mu.Unlock()
	w.WriteHeader(http.StatusAccepted)
	_, _ = io.WriteString(w, `{"status":"OK"}`)
}

func readError(body []byte) Answer {
	var e struct{ ErrorType, ErrorMessage string }
	if json.Unmarshal(body, &e) != nil {
		return Answer{Payload: body, Failed: true, ErrorType: "Runtime.Unknown", Message: strings.TrimSpace(string(body))}
	}
	return Answer{Payload: body, Failed: true, ErrorType: e.ErrorType, Message: e.ErrorMessage}
}

// failure is an error that Lambda itself reports.
func failure(kind, message string) Answer {
	body, err := json.Marshal(map[string]string{"errorType": kind, "errorMessage": message})
	if err != nil { // two strings
		body = nil
	}
	return Answer{Payload: body, Failed: true, ErrorType: kind, Message: message}
}

func reject(w http.ResponseWriter, status int, kind, message string) {
	w.Header().Set("Content-Type", "application/json")
	w.WriteHeader(status)
	_, _ = w.Write(failure(kind, message).Payload)
}
