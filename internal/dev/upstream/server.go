// Package upstream is the API that a job calls: it knows which bearer tokens are valid and when, answers as a test
// asks, with slow, broken and hostile answers among them, and records every request. It is an http.Handler, and Serve
// puts it on a port over TLS. It is not an authorization server: it compares tokens and issues none (see package idp).
package upstream

import (
	"bytes"
	"compress/gzip"
	"context"
	"fmt"
	"io"
	"maps"
	"net/http"
	"slices"
	"strconv"
	"strings"
	"sync"
	"time"

	"github.com/cronbearer/cronbearer/internal/dev/awssim/api"
	"github.com/cronbearer/cronbearer/internal/dev/fault"
)

// Request is one that arrived.
type Request struct {
	At      time.Time
	Method  string
	Host    string
	Path    string
	Query   string
	Header  http.Header
	Body    []byte
	Token   string // what came as a bearer
	Status  int    // what was answered; 0: nothing, or it was forwarded
	Version string // HTTP/1.1, HTTP/2.0
}

// Answer is what a Server says to one request.
type Answer struct {
	Status int // 0: 200
	Header map[string]string
	Body   string
	Gzip   bool
	// Size makes a body of so many bytes.
	Size int
	// Delay comes before the head, BodyDelay between head and body. Real time; a client that hangs up ends both.
	Delay, BodyDelay time.Duration
	// Cut ends the connection: before the head if CutAfter is 0, else after so many bytes of the body.
	Cut      bool
	CutAfter int
	// Hang answers never, until the client hangs up.
	Hang bool
}

// Answers that tests need often.
var (
	OK       = Answer{Header: map[string]string{"Content-Type": "application/json"}, Body: `{"ok":true}`}
	Rejected = Answer{
		Status: http.StatusUnauthorized,
		Header: map[string]string{"Www-Authenticate": `Bearer error="invalid_token"`, "Content-Type": "application/json"},
		Body:   `{"error":"invalid_token"}`,
	}
	Broken      = Answer{Status: http.StatusInternalServerError, Body: "something went wrong"}
	Unavailable = Answer{Status: http.StatusServiceUnavailable}
	HungUp      = Answer{Cut: true}
)

// life is when a token is good.
type life struct{ from, until time.Time } // zero: always

// Server is the API. The zero value is not usable; New makes one. Safe for concurrent use.
type Server struct {
	now api.Clock

	mu       sync.Mutex
	tokens   map[string]life
	standard Answer
	chosen   func(Request) Answer
	next     []Answer
	rule     func(Request) (Answer, bool)
	forward  http.Handler
	requests []Request
	keep     bool
	served   int
}

// New returns a Server that accepts no token yet and says OK to those that it will accept.
func New(now api.Clock) *Server {
	if now == nil {
		now = time.Now
	}
	return &Server{now: now, tokens: map[string]life{}, standard: OK, keep: true}
}

// Accept makes tokens good from now on, indefinitely.
func (s *Server) Accept(tokens ...string) {
	for _, t := range tokens {
		s.AcceptBetween(t, time.Time{}, time.Time{})
	}
}

// AcceptBetween makes a token good for a time; a zero time has no end on its side.
func (s *Server) AcceptBetween(token string, from, until time.Time) {
	s.mu.Lock()
	defer s.mu.Unlock()
	s.tokens[token] = life{from, until}
}

// Revoke makes tokens bad.
func (s *Server) Revoke(tokens ...string) {
	s.mu.Lock()
	defer s.mu.Unlock()
	for _, t := range tokens {
		delete(s.tokens, t)
	}
}

// Answer is what good tokens get from now on.
func (s *Server) Answer(a Answer) {
	s.mu.Lock()
	defer s.mu.Unlock()
	s.standard = a
}

// AnswerBy chooses what a request with a good token gets, from now on; nil stops it.
func (s *Server) AnswerBy(choose func(Request) Answer) {
	s.mu.Lock()
	defer s.mu.Unlock()
	s.chosen = choose
}

// Next says what the next requests get, whatever their token: one answer each.
func (s *Server) Next(answers ...Answer) {
	s.mu.Lock()
	defer s.mu.Unlock()
	s.next = append(s.next, answers...)
}

// Rule decides before anything else; false leaves a request to the rest. nil stops it.
func (s *Server) Rule(rule func(Request) (Answer, bool)) {
	s.mu.Lock()
	defer s.mu.Unlock()
	s.rule = rule
}

// Forward passes what no rule decides to a handler, such as a proxy to the real API; nil stops it.
func (s *Server) Forward(h http.Handler) {
	s.mu.Lock()
	defer s.mu.Unlock()
	s.forward = h
}

// Keep switches off, for long replays, that every request is kept; they are still counted.
func (s *Server) Keep(keep bool) {
	s.mu.Lock()
	defer s.mu.Unlock()
	s.keep = keep
}

// Requests are those that arrived, oldest first.
func (s *Server) Requests() []Request {
	s.mu.Lock()
	defer s.mu.Unlock()
	return slices.Clone(s.requests)
}

// Served is how many requests arrived.
func (s *Server) Served() int {
	s.mu.Lock()
	defer s.mu.Unlock()
	return s.served
}

// Forget drops the requests so far.
func (s *Server) Forget() {
	s.mu.Lock()
	defer s.mu.Unlock()
	s.requests, s.served = nil, 0
}

// maxKept is how much of a request's body is kept.
const maxKept = 16 << 20

func (s *Server) ServeHTTP(w http.ResponseWriter, r *http.Request) {
	body, err := io.ReadAll(io.LimitReader(r.Body, maxKept))
	if err != nil { // the client hung up
		return
	}
	scheme, token, _ := strings.Cut(r.Header.Get("Authorization"), " ")
	if !strings.EqualFold(scheme, "Bearer") {
		token = ""
	}
	request := Request{
		At: s.now(), Method: r.Method, Host: r.Host, Path: r.URL.EscapedPath(), Query: r.URL.RawQuery,
		Header: maps.Clone(r.Header), Body: body, Token: token, Version: r.Proto,
	}
	answer, forward := s.choose(&request)
	if forward != nil {
		r.Body = io.NopCloser(bytes.NewReader(body))
		forward.ServeHTTP(w, r)
		return
	}
	answer.write(r.Context(), w)
}

// choose returns the answer, or the handler that writes it.
func (s *Server) choose(r *Request) (Answer, http.Handler) {
	s.mu.Lock()
	defer s.mu.Unlock()
	answer, decided := Answer{}, false
	var forward http.Handler
	if s.rule != nil {
		answer, decided = s.rule(*r)
	}
	good, known := s.tokens[r.Token]
	switch {
	case decided:
	case len(s.next) > 0:
		answer, s.next = s.next[0], s.next[1:]
	case s.forward != nil:
		forward = s.forward
	case !known || (!good.from.IsZero() && r.At.Before(good.from)) || (!good.until.IsZero() && !r.At.Before(good.until)):
		answer = Rejected
	case s.chosen != nil:
		answer = s.chosen(*r)
	default:
		answer = s.standard
	}
	if answer.Status == 0 {
		answer.Status = http.StatusOK
	}
	if forward == nil && !answer.Hang && (!answer.Cut || answer.CutAfter > 0) {
		r.Status = answer.Status
	}
	s.served++
	if s.keep {
		s.requests = append(s.requests, *r)
	}
	return answer, forward
}

func (a Answer) write(ctx context.Context, w http.ResponseWriter) {
	switch {
	case a.Hang:
		<-ctx.Done()
		fault.HangUp()
	case !fault.Wait(ctx, a.Delay), a.Cut && a.CutAfter == 0:
		fault.HangUp()
	}
	body := []byte(a.Body)
	if a.Size > 0 {
		body = bytes.Repeat([]byte("x"), a.Size)
	}
	for name, value := range a.Header {
		w.Header().Set(name, value)
	}
	if a.Gzip {
		w.Header().Set("Content-Encoding", "gzip")
		body = zipped(body)
	}
	if !a.Cut && a.Status >= 200 && a.Status != http.StatusNoContent && a.Status != http.StatusNotModified {
		w.Header().Set("Content-Length", strconv.Itoa(len(body)))
	}
	if a.Cut {
		w.Header().Set("Content-Length", strconv.Itoa(max(len(body), a.CutAfter+1)))
		body = body[:min(len(body), a.CutAfter)]
	}
	w.WriteHeader(a.Status)
	if a.BodyDelay > 0 || a.Cut {
		_ = http.NewResponseController(w).Flush()
	}
	if !fault.Wait(ctx, a.BodyDelay) {
		fault.HangUp()
	}
	_, _ = w.Write(body) // a status without a body rejects it
	if a.Cut {
		_ = http.NewResponseController(w).Flush()
		fault.HangUp()
	}
}

func zipped(body []byte) []byte {
	var b bytes.Buffer
	z := gzip.NewWriter(&b)
	if _, err := z.Write(body); err != nil { // a buffer accepts everything
		return nil
	}
	if err := z.Close(); err != nil {
		return nil
	}
	return b.Bytes()
}

// String describes a request in a line, without its token.
func (r Request) String() string {
	return fmt.Sprintf("%s %s%s: %d", r.Method, r.Host, r.Path, r.Status)
}
