// Command zitadel is the second authorization server of the interoperability checks: the provider of
// github.com/zitadel/oidc, certified by the OpenID Foundation and of another family than the first (Go and go-jose, not
// Node.js and jose), over HTTPS on loopback. What decides here is theirs: reading requests, client authentication,
// assertions, token exchange, and the storage of their example, which keeps and rotates tokens. Ours are the clients,
// the scopes, whose keys are trusted, that reuse of a refresh token revokes the session. It is a module of its own, so
// that none of it reaches the functions' go.mod.
//
// It is driven like server.mjs: lines of JSON on standard input, each answered with one line on standard output. The
// first line is the configuration. It exits when standard input is closed, so that it never outlives the check.
package main

import (
	"bufio"
	"context"
	"crypto/rand"
	"crypto/tls"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"log/slog"
	"net"
	"net/http"
	"net/http/httptest"
	"os"
	"strings"
	"sync/atomic"
	"time"

	"github.com/go-jose/go-jose/v4"
	"github.com/zitadel/oidc/v3/example/server/storage"
	"github.com/zitadel/oidc/v3/pkg/oidc"
	"github.com/zitadel/oidc/v3/pkg/op"
)

func main() {
	if err := run(os.Stdin, os.Stdout); err != nil {
		fmt.Fprintln(os.Stderr, "zitadel:", err)
		os.Exit(1)
	}
}

// configuration is the first line.
type configuration struct {
	Cert    string           `json:"cert"`
	Key     string           `json:"key"`
	Clients []clientMetadata `json:"clients"`
}

// command is each line after it.
type command struct {
	Command  string             `json:"command"`
	Metadata clientMetadata     `json:"metadata"`
	Name     string             `json:"name"`
	JWKS     jose.JSONWebKeySet `json:"jwks"`
	Client   string             `json:"client"`
	Account  string             `json:"account"`
	Scope    string             `json:"scope"`
	Token    string             `json:"token"`
}

// answer is what a line is answered with.
type answer struct {
	Issuer       string   `json:"issuer,omitempty"`
	TokenURL     string   `json:"token_url,omitempty"`
	Error        string   `json:"error,omitempty"`
	Requests     int64    `json:"requests"` // to the token endpoint, since the start
	RefreshToken string   `json:"refresh_token,omitempty"`
	Client       string   `json:"client,omitempty"`
	Account      string   `json:"account,omitempty"`
	Scope        string   `json:"scope,omitempty"`
	Audience     []string `json:"audience,omitempty"`
}

func run(in io.Reader, out io.Writer) error {
	slog.SetDefault(slog.New(slog.DiscardHandler)) // the library logs each request
	lines := json.NewDecoder(bufio.NewReader(in))
	var config configuration
	if err := lines.Decode(&config); err != nil {
		return fmt.Errorf("read the configuration: %w", err)
	}
	certificate, err := tls.X509KeyPair([]byte(config.Cert), []byte(config.Key))
	if err != nil {
		return fmt.Errorf("read the certificate: %w", err)
	}
	listener, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		return fmt.Errorf("listen: %w", err)
	}
	issuer := "https://localhost:" + listener.Addr().String()[strings.LastIndex(listener.Addr().String(), ":")+1:]
	s, err := newServer(issuer, config.Clients)
	if err != nil {
		return err
	}
	web := &http.Server{
		Handler: s.handler(), ReadHeaderTimeout: time.Minute,
		TLSConfig: &tls.Config{Certificates: []tls.Certificate{certificate}, MinVersion: tls.VersionTLS12},
	}
	go func() { _ = web.ServeTLS(listener, "", "") }() // the process ends with its input
	answers := json.NewEncoder(out)
	for next := (answer{Issuer: issuer, TokenURL: issuer + s.Endpoints().Token.Relative()}); ; {
		if err := answers.Encode(next); err != nil { //nolint:gosec // the check stores the refresh token, as an operator does
			return fmt.Errorf("write an answer: %w", err)
		}
		var c command
		if err := lines.Decode(&c); errors.Is(err, io.EOF) {
			return nil
		} else if err != nil {
			return fmt.Errorf("read a command: %w", err)
		}
		if next, err = s.do(context.Background(), c); err != nil {
			next = answer{Error: err.Error()}
		}
		next.Requests = s.requests.Load()
	}
}

// server is their server with our way of authenticating clients by a key.
type server struct {
	*op.LegacyServer

	store    *store
	provider *op.Provider
	requests atomic.Int64
	losing   atomic.Bool
}

func newServer(issuer string, clients []clientMetadata) (*server, error) {
	var secret [32]byte
	_, _ = rand.Read(secret[:]) // never fails
	st := newStore(issuer, clients)
	provider, err := op.NewProvider(&op.Config{
		CryptoKey: secret, CryptoKeyId: "key", AuthMethodPost: true, AuthMethodPrivateKeyJWT: true,
		GrantTypeRefreshToken: true,
	}, st, op.StaticIssuer(issuer))
	if err != nil {
		return nil, fmt.Errorf("the provider: %w", err)
	}
	return &server{LegacyServer: op.NewLegacyServer(provider, provider.Endpoints()), store: st, provider: provider}, nil
}

func (s *server) handler() http.Handler {
	next := op.RegisterLegacyServer(s, op.AuthorizeCallbackHandler(s.provider))
	return http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		if r.URL.Path == s.Endpoints().Token.Relative() {
			s.requests.Add(1)
			if s.losing.CompareAndSwap(true, false) {
				next.ServeHTTP(httptest.NewRecorder(), r)
				panic(http.ErrAbortHandler) //nolint:forbidigo // how a handler hangs up
			}
		}
		next.ServeHTTP(w, r)
	})
}

// VerifyClient accepts a client assertion for each grant, where LegacyServer looks only for a secret with
// client_credentials, and answers a wrong one with invalid_client, where it answers 500. The verification itself is the
// library's.
func (s *server) VerifyClient(ctx context.Context, r *op.Request[op.ClientCredentials]) (op.Client, error) {
	if r.Data.ClientAssertion == "" {
		client, err := s.LegacyServer.VerifyClient(ctx, r)
		if err != nil {
			return nil, asOAuth(err, oidc.ErrInvalidClient())
		}
		return client, nil
	}
	verified, err := op.AuthorizePrivateJWTKey(ctx, r.Data.ClientAssertion, s.provider)
	if err != nil {
		return nil, oidc.ErrInvalidClient().WithDescription("assertion: %s", err).WithParent(err)
	}
	if err := s.store.checkThumbprint(verified.GetID(), r.Data.ClientAssertion); err != nil {
		return nil, oidc.ErrInvalidClient().WithDescription("assertion: %s", err)
	}
	return verified, nil
}

// asOAuth is err, or fallback where err is none of OAuth's.
func asOAuth(err error, fallback *oidc.Error) error {
	if oidc.DefaultToServerError(err, "").ErrorType == oidc.ServerError {
		return fallback.WithParent(err)
	}
	return err
}

func (s *server) do(ctx context.Context, c command) (answer, error) {
	switch c.Command {
	case "client":
		s.store.register(c.Metadata)
		return answer{}, nil
	case "issuer":
		s.store.trust(c.Name, c.JWKS)
		return answer{}, nil
	case "login":
		// As their code flow does after the browser: an access token and the first refresh token.
		_, refresh, _, err := s.store.CreateAccessAndRefreshTokens(ctx, &storage.AuthRequest{
			ApplicationID: c.Client, UserID: c.Account, Scopes: strings.Fields(c.Scope),
		}, "")
		return answer{RefreshToken: refresh}, err
	case "lose": // the connection breaks after the next token request was served
		s.losing.Store(true)
		return answer{}, nil
	case "find":
		return s.find(ctx, c.Token), nil
	default:
		return answer{}, fmt.Errorf("unknown command %q", c.Command)
	}
}

// find reports whose access token it is, as far as the server honours it now.
func (s *server) find(ctx context.Context, token string) answer {
	plain, err := s.provider.Crypto().Decrypt(token)
	if err != nil {
		return answer{}
	}
	id, subject, _ := strings.Cut(plain, ":")
	found, honoured := s.store.find(ctx, id, subject)
	if !honoured {
		return answer{}
	}
	return answer{Client: found.client, Account: subject, Scope: strings.Join(found.scopes, " "), Audience: found.audience}
}
