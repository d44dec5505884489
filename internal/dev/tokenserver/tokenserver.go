// Package tokenserver is the other side of package oauth for unit tests: a provider at example.com that answers
// as a test says and records every request, AWS's STS, and the secrets of their clients. It decides nothing itself: an
// authorization server with a behaviour of its own is package idp.
package tokenserver

import (
	"encoding/base64"
	"fmt"
	"io"
	"log"
	"maps"
	"net/http"
	"net/http/httptest"
	"net/url"
	"slices"
	"strings"
	"sync"
	"testing"

	"github.com/cronbearer/cronbearer/internal/dev/pki"
)

// Request is one request as the server saw it.
type Request struct {
	Method, Path, Query string
	Header              http.Header
	Body                string
	Form                url.Values // of the body, if that is a form
}

// Server answers every host that example.com's certificate covers.
type Server struct {
	Transport http.RoundTripper

	mu   sync.Mutex
	seen []Request
}

// New starts a server that answers the n-th request, from 0, with answer, until the test ends.
func New(t testing.TB, answer func(n int, w http.ResponseWriter)) *Server {
	t.Helper()
	s := &Server{}
	server := httptest.NewUnstartedServer(http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		body, err := io.ReadAll(r.Body)
		if err != nil {
			t.Errorf("no body: %s", err)
		}
		seen := Request{
			Method: r.Method, Path: r.URL.Path, Query: r.URL.RawQuery, Header: r.Header.Clone(), Body: string(body),
		}
		if strings.HasPrefix(r.Header.Get("Content-Type"), "application/x-www-form-urlencoded") {
			if seen.Form, err = url.ParseQuery(seen.Body); err != nil {
				t.Errorf("no form: %s", err)
			}
		}
		s.mu.Lock()
		n := len(s.seen)
		s.seen = append(s.seen, seen)
		s.mu.Unlock()
		answer(n, w)
	}))
	server.Config.ErrorLog = log.New(io.Discard, "", 0)
	server.StartTLS()
	t.Cleanup(server.Close)
	s.Transport = server.Client().Transport
	return s
}

// Requests are those so far, in their order.
func (s *Server) Requests() []Request {
	s.mu.Lock()
	defer s.mu.Unlock()
	return slices.Clone(s.seen)
}

// Grant is an answer with a token that is another one for each n.
func Grant(n int, w http.ResponseWriter) {
	_, _ = fmt.Fprintf(w, `{"access_token":"minted-%04d","token_type":"Bearer","expires_in":3600}`, n)
}

// Answer is one answer, whatever the request.
type Answer struct {
	Status int
	Header http.Header
	Body   string
	Broken bool // the connection is closed instead
}

// Each is the answer to every request.
func (a Answer) Each(_ int, w http.ResponseWriter) {
	if a.Broken {
		panic(http.ErrAbortHandler) //nolint:forbidigo // net/http documents it
	}
	maps.Copy(w.Header(), a.Header)
	w.WriteHeader(a.Status)
	_, _ = io.WriteString(w, a.Body)
}

// ClientCredentials is the oauth2 of a secret with this grant, to be changed by a test.
func ClientCredentials() map[string]any {
	return map[string]any{
		"grant": "client_credentials", "token_url": "https://example.com/token", "client_id": "id",
		"client_secret": "client-secret-1",
	}
}

// JWTBearer is the oauth2 of a secret with this grant.
func JWTBearer() map[string]any {
	return map[string]any{
		"grant": "jwt_bearer", "token_url": "https://example.com/token", "issuer": "me",
		"private_key": pki.SigningKeys().RSA,
	}
}

// RefreshToken is the oauth2 of a secret with this grant.
func RefreshToken() map[string]any {
	return map[string]any{
		"grant": "refresh_token", "token_url": "https://example.com/token", "client_id": "id",
		"client_secret": "client-secret-1", "refresh_token": "refresh-token-1",
	}
}

// JWT is a token of JWT's form with this payload. No one has signed it.
func JWT(payload string) string {
	encode := base64.RawURLEncoding.EncodeToString
	return encode([]byte(`{"alg":"none"}`)) + "." + encode([]byte(payload)) + "." + "c2lnbmF0dXJl"
}
