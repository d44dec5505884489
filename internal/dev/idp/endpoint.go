package idp

import (
	"encoding/json"
	"io"
	"mime"
	"net/http"
	"net/url"
	"slices"
	"strings"
	"time"

	"github.com/cronbearer/cronbearer/internal/dev/fault"
)

// maxForm is far more than any assertion needs.
const maxForm = 64 << 10

// ServeHTTP is the token endpoint.
func (s *Server) ServeHTTP(w http.ResponseWriter, r *http.Request) {
	if r.URL.Path != TokenPath {
		http.NotFound(w, r)
		return
	}
	if r.Method != http.MethodPost {
		w.Header().Set("Allow", http.MethodPost)
		http.Error(w, "the token endpoint accepts POST only (RFC 6749 section 3.2)", http.StatusMethodNotAllowed)
		return
	}
	form, unreadable := readForm(w, r)
	grant := Grant(form.Get("grant_type"))
	entry, wrong := s.arrived(grant, form.Get("client_id"))
	if !fault.Wait(r.Context(), wrong.Delay) || wrong.HangUp {
		fault.HangUp()
	}
	if wrong.Status != 0 {
		s.ended(entry, wrong.Status, wrong.Error)
		wrong.reject(w, form, r.Header.Get("Authorization"))
		return
	}
	body, rejected := map[string]any(nil), unreadable
	if rejected == nil {
		body, rejected = s.serve(r, form, entry)
	}
	if !fault.Wait(r.Context(), wrong.Hold) || wrong.Lost {
		fault.HangUp()
	}
	if rejected != nil {
		s.ended(entry, rejected.status, rejected.code)
		rejected.write(w)
		return
	}
	s.ended(entry, http.StatusOK, "")
	wrong.write(w, body)
}

// readForm rejects what RFC 6749 sections 2.3.1 and 3.2 forbid.
func readForm(w http.ResponseWriter, r *http.Request) (url.Values, *rejection) {
	if r.URL.RawQuery != "" {
		return nil, reject("invalid_request", "parameters belong into the body, not into the URL")
	}
	if kind, _, err := mime.ParseMediaType(r.Header.Get("Content-Type")); err != nil ||
		kind != "application/x-www-form-urlencoded" {
		return nil, reject("invalid_request", "the body must be application/x-www-form-urlencoded")
	}
	text, err := io.ReadAll(http.MaxBytesReader(w, r.Body, maxForm))
	if err != nil {
		return nil, reject("invalid_request", "the body is cut off, or larger than %d bytes", maxForm)
	}
	form, err := url.ParseQuery(string(text))
	if err != nil {
		return nil, reject("invalid_request", "the body is not a form")
	}
	for name, values := range form {
		if len(values) > 1 {
			return form, reject("invalid_request", "%s comes more than once", name)
		}
		if values[0] == "" {
			form.Del(name) // "Parameters sent without a value MUST be treated as if they were omitted": section 3.2
		}
	}
	if !form.Has("grant_type") {
		return form, reject("invalid_request", "there is no grant_type")
	}
	return form, nil
}

func (s *Server) arrived(grant Grant, client string) (*Request, Fault) {
	s.mu.Lock()
	defer s.mu.Unlock()
	entry := &Request{Time: s.now(), Grant: grant, Client: client}
	s.log = append(s.log, entry)
	return entry, s.fault(grant)
}

func (s *Server) ended(entry *Request, status int, code string) {
	s.mu.Lock()
	defer s.mu.Unlock()
	entry.Status, entry.Error = status, code
}

// serve does a grant's work, all of it at once: of two requests with the same refresh token one is the first.
func (s *Server) serve(r *http.Request, form url.Values, entry *Request) (map[string]any, *rejection) {
	s.mu.Lock()
	defer s.mu.Unlock()
	endpoint := s.policy.Endpoint
	if endpoint == "" {
		endpoint = asked(r)
	}
	client, known, rejected := s.identify(r, form, endpoint)
	if rejected == nil && known {
		entry.Client = client.ID
	}
	var body map[string]any
	if rejected == nil {
		body, rejected = s.grant(client, known, form, endpoint, entry)
	}
	if rejected != nil {
		entry.Reused = rejected.reused
		return nil, rejected
	}
	entry.Granted = true
	return body, nil
}

// asked is the URL of a request.
func asked(r *http.Request) string {
	scheme := "http"
	if r.TLS != nil {
		scheme = "https"
	}
	return scheme + "://" + r.Host + r.URL.Path
}

func (s *Server) grant(
	client Client, known bool, form url.Values, endpoint string, entry *Request,
) (map[string]any, *rejection) {
	grant := entry.Grant
	if !slices.Contains(grants, grant) {
		return nil, reject("unsupported_grant_type", "this server does not know the grant type")
	}
	// RFC 7523 section 3.1, RFC 8693 section 2.1: it is optional
	if !known && grant != JWTBearer && grant != TokenExchange {
		return nil, unknownClient(false, "the client does not say who it is")
	}
	if known && !client.may(grant) {
		return nil, reject("unauthorized_client", "this client may not use this grant")
	}
	switch grant {
	case ClientCredentials:
		if client.Auth == AuthNone { // RFC 6749 section 4.4
			return nil, reject("unauthorized_client", "a client without credentials may not use this grant")
		}
		if !allowed(client.Scopes, form.Get("scope")) {
			return nil, reject("invalid_scope", "this client may not have all of the scope")
		}
		return s.answer(nil, form.Get("scope")), nil // no refresh token: section 4.4.3
	case RefreshToken:
		return s.exchange(client, form)
	case TokenExchange:
		return s.tokenExchange(form, endpoint, entry)
	default:
		if !form.Has("assertion") {
			return nil, reject("invalid_request", "there is no assertion")
		}
		return s.assertion(form.Get("assertion"), "invalid_grant", form, endpoint, entry)
	}
}

// exchange returns a new refresh token for an old one, which is revoked with it. One that is used again revokes them
// all: the server cannot tell the thief from the client (RFC 9700 section 4.14.2).
func (s *Server) exchange(client Client, form url.Values) (map[string]any, *rejection) {
	if !form.Has("refresh_token") {
		return nil, reject("invalid_request", "there is no refresh_token")
	}
	r := s.refresh[form.Get("refresh_token")]
	switch {
	case r == nil || r.family.client != client.ID:
		return nil, reject("invalid_grant", "the refresh token is unknown, or another client's")
	case s.spent(r):
		rejected := reject("invalid_grant", "the refresh token was used before; all that came from it is revoked")
		rejected.reused = !r.family.ended
		r.family.ended = true
		return nil, rejected
	case r.family.ended:
		return nil, reject("invalid_grant", "the refresh token is revoked")
	case s.expired(r):
		return nil, reject("invalid_grant", "the refresh token has expired")
	}
	scope := r.family.scope
	if form.Has("scope") {
		scope = form.Get("scope")
		if granted := strings.Fields(r.family.scope); len(granted) == 0 || !allowed(granted, scope) { // section 6
			return nil, reject("invalid_scope", "the scope is more than what was granted")
		}
	}
	if s.policy.ExchangeEndsAccess {
		for _, a := range s.access {
			a.ended = a.ended || a.family == r.family
		}
	}
	body := s.answer(r.family, scope)
	if !s.policy.Reusable {
		if r.used.IsZero() {
			r.used = s.now()
		}
		body["refresh_token"] = s.newRefresh(r.family)
	}
	return body, nil
}

// Types of tokens that token_exchange knows (RFC 8693 section 3).
const (
	typeJWT    = "urn:ietf:params:oauth:token-type:jwt"
	typeID     = "urn:ietf:params:oauth:token-type:id_token"
	typeAccess = "urn:ietf:params:oauth:token-type:access_token"
)

// tokenExchange is RFC 8693 for one who acts for itself. "If either the subject_token or actor_token are invalid for
// any reason […] the error code MUST be invalid_request" (section 2.2.2).
func (s *Server) tokenExchange(form url.Values, endpoint string, entry *Request) (map[string]any, *rejection) {
	kind := form.Get("subject_token_type")
	switch {
	case !form.Has("subject_token") || (kind != typeJWT && kind != typeID):
		return nil, reject("invalid_request", "there is no subject_token that is a JWT")
	case form.Has("requested_token_type") && form.Get("requested_token_type") != typeAccess:
		return nil, reject("invalid_request", "this server issues access tokens only")
	case form.Has("actor_token"):
		return nil, reject("invalid_request", "this server knows no actors")
	}
	body, rejected := s.assertion(form.Get("subject_token"), "invalid_request", form, endpoint, entry)
	if rejected == nil {
		body["issued_token_type"] = typeAccess // required: section 2.2.1
	}
	return body, rejected
}

// assertion grants what the issuer of a JWT may have. code is the error of one that is rejected.
func (s *Server) assertion(
	text, code string, form url.Values, endpoint string, entry *Request,
) (map[string]any, *rejection) {
	no := func(reason string) (map[string]any, *rejection) {
		return nil, reject(code, "the assertion is rejected: %s", reason)
	}
	id, err := issuerOf(text)
	if err != nil {
		return no(err.Error())
	}
	if entry.Client == "" {
		entry.Client = id
	}
	issuer, trusted := s.issuers[id]
	if !trusted {
		return no("its iss is unknown")
	}
	if issuer.Audience != "" {
		endpoint = issuer.Audience
	}
	claims, err := s.verify(text, issuer.Keys, endpoint, issuer.Life)
	if err != nil {
		return no(err.Error())
	}
	subject, err := claims.GetSubject()
	switch {
	case err != nil:
		return no("its sub is not text")
	case subject == "" && !issuer.NoSubject:
		return no("it has no sub")
	case subject != "" && len(issuer.Subjects) > 0 && !slices.Contains(issuer.Subjects, subject):
		return no("its iss may not speak for its sub")
	}
	scope := form.Get("scope")
	if scope == "" {
		scope, _ = claims["scope"].(string) // Google reads only this one
	}
	if !allowed(issuer.Scopes, scope) {
		return nil, reject("invalid_scope", "this issuer may not have all of the scope")
	}
	return s.answer(nil, scope), nil
}

// answer is that of RFC 6749 section 5.1, with a new access token.
func (s *Server) answer(f *family, scope string) map[string]any {
	token, expires := s.newAccess(f)
	body := map[string]any{
		"access_token": token, "token_type": "Bearer", "expires_in": int64(expires.Sub(s.now()) / time.Second),
	}
	if scope != "" {
		body["scope"] = scope
	}
	return body
}

func (r *rejection) write(w http.ResponseWriter) {
	if r.challenge {
		w.Header().Set("WWW-Authenticate", `Basic realm="model"`)
	}
	send(w, r.status, map[string]any{"error": r.code, "error_description": printable(r.description)})
}

// printable leaves what an error_description may have: ASCII without quotes and backslashes (RFC 6749 section 5.2).
func printable(text string) string {
	return strings.Map(func(c rune) rune {
		switch {
		case c == '"' || c == '\\':
			return '\''
		case c < ' ' || c > '~':
			return ' '
		}
		return c
	}, text)
}

func send(w http.ResponseWriter, status int, body map[string]any) {
	head(w)
	w.WriteHeader(status)
	_ = json.NewEncoder(w).Encode(body) // who hung up needs no answer
}

func head(w http.ResponseWriter) {
	w.Header().Set("Content-Type", "application/json")
	w.Header().Set("Cache-Control", "no-store") // RFC 6749 section 5.1
}
