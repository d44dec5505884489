// Package sts is a model of the one operation of AWS Security Token Service that the caller uses: GetWebIdentityToken
// (STS API Reference, version 2011-06-15; IAM User Guide, "Outbound identity federation"), over the Query protocol that
// STS speaks. It signs with keys of its own and publishes them as the account's issuer does. It is a model, not STS: it
// knows no other operation, and the signature of a request is not checked.
package sts

import (
	"encoding/xml"
	"io"
	"net/http"
	"net/url"
	"slices"
	"strconv"
	"sync"
	"time"

	"github.com/cronbearer/cronbearer/internal/dev/awssim/api"
	"github.com/cronbearer/cronbearer/internal/dev/awssim/iam"
	"github.com/cronbearer/cronbearer/internal/dev/fault"
)

// Operation is the name that Faults know it by.
const Operation = "GetWebIdentityToken"

// Limits of the operation's parameters.
const (
	maxRequest      = 64 << 10
	maxAudiences    = 10
	maxAudience     = 1000
	defaultDuration = 300
	minDuration     = 60
	maxDuration     = 3600
)

// What an account answers that has not enabled the feature, and a request that no session covers.
var (
	Disabled = api.Fault{Error: &api.Error{
		Status: http.StatusForbidden, Code: "OutboundWebIdentityFederationDisabledException",
		Message: "Outbound web identity federation is not enabled for this account. Enable it first.",
	}}
	TooLarge = api.Fault{Error: &api.Error{
		Status: http.StatusBadRequest, Code: "JWTPayloadSizeExceededException",
		Message: "The requested token payload size exceeds the maximum allowed size.",
	}}
	Escalation = api.Fault{Error: &api.Error{
		Status: http.StatusForbidden, Code: "SessionDurationEscalationException",
		Message: "The requested token duration would extend the session beyond its original expiration time.",
	}}
	Throttled = api.Fault{Error: &api.Error{Status: http.StatusBadRequest, Code: "Throttling", Message: "Rate exceeded"}}
	Expired   = api.Fault{Error: &api.Error{
		Status: http.StatusForbidden, Code: "ExpiredToken", Message: "The security token included in the request is expired",
	}}
)

// Call is one request that was served or rejected.
type Call struct {
	At        time.Time
	AccessKey string
	Audiences []string
	Algorithm string
	Seconds   int
	Rejected  string // AWS's error code; empty: served
	Token     string // that was signed
}

// Config is what a Server depends on.
type Config struct {
	AccountID, Region string
	Now               api.Clock // nil: the real clock
}

// Server speaks the protocol. It is an http.Handler.
type Server struct {
	Faults api.Faults // by Operation
	// Authorize is asked whether a caller may do an action; nil allows everything.
	Authorize api.Authorizer
	// Principal is the ARN of the role that an access key stands for: the "sub" of its tokens.
	Principal func(accessKey string) string

	config Config
	keys   func() (keys, error)

	mu     sync.Mutex
	issuer string // empty: federation is disabled
	calls  []Call
	signed int
}

// NewServer returns a Server of an account that has not enabled the feature.
func NewServer(c Config) *Server {
	if c.Now == nil {
		c.Now = time.Now
	}
	return &Server{config: c, keys: sync.OnceValues(newKeys)}
}

// Enable is iam:EnableOutboundWebIdentityFederation: from now on issuer, an https:// URL, issues tokens.
func (s *Server) Enable(issuer string) {
	s.mu.Lock()
	defer s.mu.Unlock()
	s.issuer = issuer
}

// Disable is iam:DisableOutboundWebIdentityFederation.
func (s *Server) Disable() { s.Enable("") }

// Issuer is the "iss" of the tokens; empty: the feature is disabled.
func (s *Server) Issuer() string {
	s.mu.Lock()
	defer s.mu.Unlock()
	return s.issuer
}

// Calls are the requests so far, oldest first.
func (s *Server) Calls() []Call {
	s.mu.Lock()
	defer s.mu.Unlock()
	return slices.Clone(s.calls)
}

func (s *Server) note(c Call) {
	s.mu.Lock()
	defer s.mu.Unlock()
	s.calls = append(s.calls, c)
}

type result struct {
	XMLName    xml.Name `xml:"https://sts.amazonaws.com/doc/2011-06-15/ GetWebIdentityTokenResponse"`
	Token      string   `xml:"GetWebIdentityTokenResult>WebIdentityToken"`
	Expiration string   `xml:"GetWebIdentityTokenResult>Expiration"`
	RequestID  string   `xml:"ResponseMetadata>RequestId"`
}

type failure struct {
	XMLName   xml.Name `xml:"https://sts.amazonaws.com/doc/2011-06-15/ ErrorResponse"`
	Type      string   `xml:"Error>Type"`
	Code      string   `xml:"Error>Code"`
	Message   string   `xml:"Error>Message"`
	RequestID string   `xml:"RequestId"`
}

const requestID = "00000000-0000-4000-8000-000000000000"

func (s *Server) ServeHTTP(w http.ResponseWriter, r *http.Request) {
	call := Call{At: s.config.Now()}
	form, rejected := readForm(r)
	if rejected == nil {
		rejected = call.read(form)
	}
	if key, unsigned := api.AccessKey(r); rejected == nil {
		call.AccessKey, rejected = key, unsigned
	}
	if rejected == nil && s.Authorize != nil {
		rejected = inSTS(s.Authorize(call.AccessKey, call.access()))
	}
	if rejected != nil {
		s.reject(w, call, rejected)
		return
	}
	answer, rejected, answered := s.Faults.Next(Operation, "").Serve(r.Context(), func() (any, *api.Error) {
		return s.token(&call)
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

func readForm(r *http.Request) (url.Values, *api.Error) {
	body, err := io.ReadAll(io.LimitReader(r.Body, maxRequest))
	if err != nil || r.Method != http.MethodPost || r.URL.Path != "/" ||
		r.Header.Get("Content-Type") != "application/x-www-form-urlencoded" {
		return nil, api.Reject("MalformedQueryString", "this is not a request to STS")
	}
	form, err := url.ParseQuery(string(body))
	if err != nil {
		return nil, api.Reject("MalformedQueryString", "The query string contains a syntax error")
	}
	if form.Get("Action") != Operation || form.Get("Version") != "2011-06-15" {
		return nil, api.Reject(
			"InvalidAction", "Could not find operation %s for version %s", form.Get("Action"), form.Get("Version"),
		)
	}
	return form, nil
}

// read checks the parameters as the API reference has them.
func (c *Call) read(form url.Values) *api.Error {
	known := []string{"Action", "Version", "SigningAlgorithm", "DurationSeconds"}
	for i := 1; form.Has("Audience.member." + strconv.Itoa(i)); i++ {
		name := "Audience.member." + strconv.Itoa(i)
		known = append(known, name)
		c.Audiences = append(c.Audiences, form.Get(name))
	}
	for name, values := range form {
		if !slices.Contains(known, name) || len(values) != 1 {
			return api.Reject("ValidationError", "this model does not know %s", name)
		}
	}
	if n := len(c.Audiences); n == 0 || n > maxAudiences || slices.ContainsFunc(c.Audiences, func(a string) bool {
		return a == "" || len(a) > maxAudience
	}) {
		return api.Reject("ValidationError", "Audience must have 1 to 10 members of 1 to 1000 characters")
	}
	c.Algorithm, c.Seconds = form.Get("SigningAlgorithm"), defaultDuration
	if c.Algorithm != "RS256" && c.Algorithm != "ES384" {
		return api.Reject("ValidationError", "SigningAlgorithm must be RS256 or ES384")
	}
	if text := form.Get("DurationSeconds"); text != "" {
		var err error
		if c.Seconds, err = strconv.Atoi(text); err != nil || c.Seconds < minDuration || c.Seconds > maxDuration {
			return api.Reject("ValidationError", "DurationSeconds must be 60 to 3600")
		}
	}
	return nil
}

func (c *Call) access() api.Access {
	return api.Access{Action: "sts:" + Operation, Resource: "*", Context: iam.Context{
		"sts:identitytokenaudience": c.Audiences, "sts:durationseconds": {strconv.Itoa(c.Seconds)},
		"sts:signingalgorithm": {c.Algorithm},
	}}
}

// inSTS writes a rejection as STS does, whose codes are older than those of the services that speak JSON.
func inSTS(e *api.Error) *api.Error {
	codes := map[string]string{
		"AccessDeniedException": "AccessDenied", "UnrecognizedClientException": "InvalidClientTokenId",
	}
	if e == nil || codes[e.Code] == "" {
		return e
	}
	return &api.Error{Status: http.StatusForbidden, Code: codes[e.Code], Message: e.Message}
}

func (s *Server) token(c *Call) (any, *api.Error) {
	issuer := s.Issuer()
	if issuer == "" {
		return nil, Disabled.Error
	}
	expires := c.At.Add(time.Duration(c.Seconds) * time.Second)
	token, err := s.sign(issuer, *c, expires)
	if err != nil { // of keys that are our own
		return nil, &api.Error{Status: http.StatusInternalServerError, Code: "InternalFailure", Message: err.Error()}
	}
	c.Token = token
	return result{Token: token, Expiration: expires.UTC().Format(time.RFC3339), RequestID: requestID}, nil
}

func (s *Server) reject(w http.ResponseWriter, call Call, e *api.Error) {
	call.Rejected = e.Code
	s.note(call)
	write(w, e.Status, failure{Type: "Sender", Code: e.Code, Message: e.Message, RequestID: requestID})
}

func write(w http.ResponseWriter, status int, answer any) {
	w.Header().Set("Content-Type", "text/xml")
	text, err := xml.MarshalIndent(answer, "", "  ")
	if err != nil { // the answers are plain structs
		status, text = http.StatusInternalServerError, nil
	}
	w.WriteHeader(status)
	_, _ = w.Write(text)
}
