package main

import (
	"context"
	"crypto/x509"
	"encoding/base64"
	"encoding/pem"
	"errors"
	"fmt"
	"slices"
	"sync"
	"time"

	"github.com/go-jose/go-jose/v4"
	"github.com/zitadel/oidc/v3/example/server/storage"
	"github.com/zitadel/oidc/v3/pkg/oidc"
	"github.com/zitadel/oidc/v3/pkg/op"
)

// clientMetadata is a client as RFC 7591 writes one; certificate is ours.
type clientMetadata struct {
	ID          string             `json:"client_id"`
	Secret      string             `json:"client_secret"`
	Auth        oidc.AuthMethod    `json:"token_endpoint_auth_method"`
	Grants      []oidc.GrantType   `json:"grant_types"`
	JWKS        jose.JSONWebKeySet `json:"jwks"`
	Certificate string             `json:"certificate"` // whose thumbprint its assertions must name
}

// client is their example's, with what its constructors do not accept.
type client struct {
	*storage.Client

	auth   oidc.AuthMethod
	grants []oidc.GrantType
}

func (c client) AuthMethod() oidc.AuthMethod  { return c.auth }
func (c client) GrantTypes() []oidc.GrantType { return c.grants }

// users has every account: who may log in is not what is tried here.
type users struct{}

func (users) GetUserByID(id string) *storage.User { return &storage.User{ID: id, IsAdmin: true} }

func (users) GetUserByUsername(id string) *storage.User { return &storage.User{ID: id, IsAdmin: true} }
func (users) ExampleClientID() string                   { return storage.ServiceUserID }

// store is their example's in-memory storage, with clients, scopes and trusted keys of the check's.
type store struct {
	*storage.Storage

	issuer  string
	mu      sync.Mutex
	secrets map[string]*storage.Client // shared with Storage
	clients map[string]clientMetadata
	issuers map[string]jose.JSONWebKeySet // of jwt_bearer and token_exchange, by name
	tokens  map[string]issued             // by id: their Storage does not show it
	used    map[string]owner              // refresh tokens that were exchanged
}

// issued is what an access token was asked for.
type issued struct {
	client           string
	audience, scopes []string
}

type owner struct{ user, client string }

var (
	_ op.ClientCredentialsStorage           = (*store)(nil)
	_ op.TokenExchangeStorage               = (*store)(nil)
	_ op.TokenExchangeTokensVerifierStorage = (*store)(nil)
)

func newStore(issuer string, clients []clientMetadata) *store {
	s := &store{
		issuer: issuer, secrets: map[string]*storage.Client{}, clients: map[string]clientMetadata{},
		issuers: map[string]jose.JSONWebKeySet{}, tokens: map[string]issued{}, used: map[string]owner{},
	}
	s.Storage = storage.NewStorageWithClients(users{}, s.secrets)
	for _, c := range clients {
		s.register(c)
	}
	return s
}

// register is for times when no request is under way.
func (s *store) register(c clientMetadata) {
	s.mu.Lock()
	defer s.mu.Unlock()
	s.clients[c.ID], s.secrets[c.ID] = c, storage.WebClient(c.ID, c.Secret)
}

func (s *store) trust(issuer string, keys jose.JSONWebKeySet) {
	s.mu.Lock()
	defer s.mu.Unlock()
	s.issuers[issuer] = keys
}

func (s *store) GetClientByClientID(_ context.Context, id string) (op.Client, error) {
	s.mu.Lock()
	defer s.mu.Unlock()
	c, known := s.clients[id]
	if !known {
		return nil, errors.New("unknown client")
	}
	return client{Client: s.secrets[id], auth: c.Auth, grants: c.Grants}, nil
}

func (s *store) ClientCredentials(ctx context.Context, id, secret string) (op.Client, error) {
	c, err := s.GetClientByClientID(ctx, id)
	if err != nil {
		return nil, err
	}
	switch c.AuthMethod() {
	case oidc.AuthMethodBasic, oidc.AuthMethodPost:
		err = s.AuthorizeClientIDSecret(ctx, id, secret)
	case oidc.AuthMethodNone:
	default:
		err = errors.New("this client has a key")
	}
	return c, err
}

func (s *store) ClientCredentialsTokenRequest(_ context.Context, id string, scopes []string) (op.TokenRequest, error) {
	return &oidc.JWTTokenRequest{Subject: id, Audience: []string{id}, Scopes: scopes}, allowed(scopes)
}

func (s *store) ValidateJWTProfileScopes(_ context.Context, _ string, scopes []string) ([]string, error) {
	return scopes, allowed(scopes)
}

func allowed(scopes []string) error {
	for _, scope := range scopes {
		if scope != "reports:read" {
			return oidc.ErrInvalidScope().WithDescription("scope %s is not for this client", scope)
		}
	}
	return nil
}

// GetKeyByIDAndClientID finds a client's or an issuer's key. An assertion without kid has the only one.
func (s *store) GetKeyByIDAndClientID(_ context.Context, keyID, name string) (*jose.JSONWebKey, error) {
	s.mu.Lock()
	defer s.mu.Unlock()
	for _, set := range []jose.JSONWebKeySet{s.clients[name].JWKS, s.issuers[name]} {
		if found := set.Key(keyID); len(found) == 1 {
			return &found[0], nil
		}
		if keyID == "" && len(set.Keys) == 1 {
			return &set.Keys[0], nil
		}
	}
	return nil, errors.New("no such key")
}

// checkThumbprint has go-jose hold the assertion's x5t#S256 against the client's certificate, as a JWK may carry both
// (RFC 7517 sections 4.7 and 4.9). Entra finds the key by it.
func (s *store) checkThumbprint(id, assertion string) error {
	s.mu.Lock()
	text := s.clients[id].Certificate
	s.mu.Unlock()
	if text == "" {
		return nil
	}
	block, _ := pem.Decode([]byte(text))
	if block == nil {
		return errors.New("the client's certificate is not PEM")
	}
	certificate, err := x509.ParseCertificate(block.Bytes)
	if err != nil {
		return fmt.Errorf("the client's certificate: %w", err)
	}
	parsed, err := jose.ParseSignedCompact(assertion, []jose.SignatureAlgorithm{jose.RS256, jose.PS256, jose.ES256})
	if err != nil {
		return fmt.Errorf("parse: %w", err)
	}
	given, _ := parsed.Signatures[0].Header.ExtraHeaders["x5t#S256"].(string)
	thumbprint, err := base64.RawURLEncoding.DecodeString(given)
	if err != nil || given == "" {
		return errors.New("there is no x5t#S256")
	}
	both := jose.JSONWebKey{
		Key: certificate.PublicKey, Certificates: []*x509.Certificate{certificate}, CertificateThumbprintSHA256: thumbprint,
	}
	if _, err := both.MarshalJSON(); err != nil { // if they do not fit
		return fmt.Errorf("x5t#S256: %w", err)
	}
	return nil
}

// VerifyExchangeSubjectToken accepts a JWT of a trusted issuer for this server.
func (s *store) VerifyExchangeSubjectToken(
	ctx context.Context, token string, kind oidc.TokenType,
) (string, string, map[string]any, error) {
	if kind != oidc.JWTTokenType {
		return "", "", nil, errors.New("not a token of this server")
	}
	const maxAge = time.Hour
	anySubject := op.SubjectCheck(func(*oidc.JWTTokenRequest) error { return nil })
	verified, err := op.VerifyJWTAssertion(
		ctx, token, op.NewJWTProfileVerifier(s, s.issuer, maxAge, time.Second, anySubject),
	)
	if err != nil {
		return "", "", nil, fmt.Errorf("subject token: %w", err)
	}
	return token, verified.Subject, nil, nil
}

// VerifyExchangeActorToken accepts none.
func (s *store) VerifyExchangeActorToken(
	context.Context, string, oidc.TokenType,
) (string, string, map[string]any, error) {
	return "", "", nil, errors.New("no actor is known")
}

func (s *store) ValidateTokenExchangeRequest(_ context.Context, request op.TokenExchangeRequest) error {
	if request.GetRequestedTokenType() == "" {
		request.SetRequestedTokenType(oidc.AccessTokenType)
	}
	for _, name := range slices.Concat(request.GetAudience(), request.GetResourses()) {
		if name != api {
			return oidc.ErrInvalidTarget().WithDescription("unknown audience")
		}
	}
	return allowed(request.GetScopes())
}

const api = "https://reports.example.com"

func (s *store) CreateAccessToken(ctx context.Context, request op.TokenRequest) (string, time.Time, error) {
	id, expires, err := s.Storage.CreateAccessToken(ctx, request)
	s.remember(id, request)
	return id, expires, err
}

// CreateAccessAndRefreshTokens remembers the refresh token that was exchanged.
func (s *store) CreateAccessAndRefreshTokens(
	ctx context.Context, request op.TokenRequest, current string,
) (string, string, time.Time, error) {
	id, refresh, expires, err := s.Storage.CreateAccessAndRefreshTokens(ctx, request, current)
	s.remember(id, request)
	if r, ok := request.(op.RefreshTokenRequest); ok && err == nil {
		s.mu.Lock()
		s.used[current] = owner{user: r.GetSubject(), client: r.GetClientID()}
		s.mu.Unlock()
	}
	return id, refresh, expires, err
}

// TokenRequestByRefreshToken revokes the session of a refresh token that is used twice (RFC 9700 section 4.14.2). Their
// example only rejects it.
func (s *store) TokenRequestByRefreshToken(ctx context.Context, token string) (op.RefreshTokenRequest, error) {
	request, err := s.Storage.TokenRequestByRefreshToken(ctx, token)
	if err == nil {
		return request, nil
	}
	s.mu.Lock()
	o, reused := s.used[token]
	s.mu.Unlock()
	if reused {
		err = errors.Join(err, s.TerminateSession(ctx, o.user, o.client))
	}
	return nil, err
}

func (s *store) remember(id string, request op.TokenRequest) {
	i := issued{client: request.GetSubject(), audience: request.GetAudience(), scopes: request.GetScopes()}
	// their client_credentials and jwt_bearer have only a subject
	if known, ok := request.(interface{ GetClientID() string }); ok {
		i.client = known.GetClientID()
	}
	if exchange, ok := request.(op.TokenExchangeRequest); ok {
		i.audience = slices.Concat(i.audience, exchange.GetResourses())
	}
	s.mu.Lock()
	defer s.mu.Unlock()
	s.tokens[id] = i
}

// find returns what an access token was issued for, if their storage accepts it now.
func (s *store) find(ctx context.Context, id, subject string) (issued, bool) {
	if err := s.SetUserinfoFromToken(ctx, new(oidc.UserInfo), id, subject, ""); err != nil {
		return issued{}, false
	}
	s.mu.Lock()
	defer s.mu.Unlock()
	return s.tokens[id], true
}
