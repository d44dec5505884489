package idp

import (
	"cmp"
	"crypto"
	"crypto/ecdsa"
	"crypto/ed25519"
	"crypto/elliptic"
	"crypto/rsa"
	"errors"
	"fmt"
	"net/http"
	"net/url"
	"slices"
	"strings"
	"time"

	"github.com/golang-jwt/jwt/v5"
)

// assertionType of a client's (RFC 7523 section 2.2).
const assertionType = "urn:ietf:params:oauth:client-assertion-type:jwt-bearer"

// minRSA is in bits (RFC 7518 sections 3.3 and 3.5).
const minRSA = 2048

// Auth is how a client proves who it is, by its name in RFC 8414.
type Auth string

// Ways of authentication. A client has one, and no other is accepted from it.
const (
	AuthBasic         Auth = "client_secret_basic"
	AuthBody          Auth = "client_secret_post"
	AuthPrivateKeyJWT Auth = "private_key_jwt"
	AuthNone          Auth = "none" // a public client, which only says its name
)

// Key verifies assertions.
type Key struct {
	ID        string // "kid"; empty: an assertion need not name it
	Algorithm string // RS256, PS256, ES256, ES384 or EdDSA; empty: any that the key is fit for
	Public    crypto.PublicKey
}

// Client is one that the server knows.
type Client struct {
	ID     string
	Auth   Auth
	Secret string // for AuthBasic and AuthBody
	Keys   []Key  // for AuthPrivateKeyJWT; several while they are being changed
	// Federated is whose assertion AuthPrivateKeyJWT accepts instead of one that Keys verify.
	Federated *Federation
	Grants    []Grant // that it may use; none: all
	Scopes    []string
}

// Federation is a trusted issuer's word for a client, which then holds no credential of its own (Microsoft Entra's
// "federated identity credential"). All three must be equal to the assertion's.
type Federation struct{ Issuer, Subject, Audience string }

// Issuer is one whose assertions jwt_bearer and token_exchange accept, and clients that are Federated.
type Issuer struct {
	ID        string // "iss"
	Audience  string // "aud"; empty: the token endpoint
	Keys      []Key
	Life      time.Duration // the longest that its assertions may still last; 0: the policy's
	Subjects  []string      // that it may speak for; none: all
	NoSubject bool          // "sub" may be missing, as with Google, although RFC 7523 section 3 requires it
	Scopes    []string      // that it may ask for, as a parameter or as a claim; none: all
}

var grants = []Grant{ClientCredentials, RefreshToken, JWTBearer, TokenExchange}

// signing are the algorithms of assertions. ES384 is one of AWS's.
var signing = []string{"RS256", "PS256", "ES256", "ES384", "EdDSA"}

// Register makes a client known, or replaces it.
func (s *Server) Register(c Client) error {
	var problems []error
	if c.ID == "" {
		problems = append(problems, errors.New("a client needs an ID"))
	}
	switch c.Auth {
	case AuthBasic, AuthBody:
		if c.Secret == "" || len(c.Keys) > 0 {
			problems = append(problems, fmt.Errorf("client %s with %s has a Secret and no Keys", c.ID, c.Auth))
		}
	case AuthPrivateKeyJWT:
		if c.Secret != "" || (len(c.Keys) == 0) == (c.Federated == nil) {
			problems = append(
				problems, fmt.Errorf("client %s with %s has Keys or is Federated, and has no Secret", c.ID, c.Auth),
			)
		}
	case AuthNone:
		if c.Secret != "" || len(c.Keys) > 0 {
			problems = append(problems, fmt.Errorf("client %s with %s has neither Secret nor Keys", c.ID, c.Auth))
		}
	default:
		problems = append(problems, fmt.Errorf("client %s: unknown Auth %q", c.ID, c.Auth))
	}
	for _, g := range c.Grants {
		if !slices.Contains(grants, g) {
			problems = append(problems, fmt.Errorf("client %s: unknown grant %q", c.ID, g))
		}
	}
	for _, k := range c.Keys {
		problems = append(problems, k.check())
	}
	if err := errors.Join(problems...); err != nil {
		return err
	}
	s.mu.Lock()
	defer s.mu.Unlock()
	c.Keys, c.Grants, c.Scopes = slices.Clone(c.Keys), slices.Clone(c.Grants), slices.Clone(c.Scopes)
	s.clients[c.ID] = c
	return nil
}

// Trust makes an issuer known, or replaces it.
func (s *Server) Trust(i Issuer) error {
	var problems []error
	if i.ID == "" || len(i.Keys) == 0 {
		problems = append(problems, fmt.Errorf("issuer %q needs an ID and Keys", i.ID))
	}
	for _, k := range i.Keys {
		problems = append(problems, k.check())
	}
	if err := errors.Join(problems...); err != nil {
		return err
	}
	s.mu.Lock()
	defer s.mu.Unlock()
	i.Keys, i.Subjects, i.Scopes = slices.Clone(i.Keys), slices.Clone(i.Subjects), slices.Clone(i.Scopes)
	s.issuers[i.ID] = i
	return nil
}

// algorithms that a key is fit for, none if it is not known.
func (k Key) algorithms() []string {
	switch public := k.Public.(type) {
	case *rsa.PublicKey:
		if public.N.BitLen() >= minRSA {
			return []string{"RS256", "PS256"}
		}
	case *ecdsa.PublicKey:
		switch public.Curve {
		case elliptic.P256():
			return []string{"ES256"}
		case elliptic.P384():
			return []string{"ES384"}
		}
	case ed25519.PublicKey:
		return []string{"EdDSA"}
	}
	return nil
}

func (k Key) check() error {
	fit := k.algorithms()
	switch {
	case len(fit) == 0:
		return fmt.Errorf("key %q (%T) is not RSA of %d bits or more, P-256, P-384 or Ed25519", k.ID, k.Public, minRSA)
	case k.Algorithm != "" && !slices.Contains(fit, k.Algorithm):
		return fmt.Errorf("key %q (%T) is not for %s", k.ID, k.Public, k.Algorithm)
	}
	return nil
}

// fits reports whether a key may have signed what has this header.
func (k Key) fits(header map[string]any) bool {
	algorithm, _ := header["alg"].(string)
	id, named := header["kid"].(string)
	return (!named || k.ID == "" || k.ID == id) &&
		(k.Algorithm == "" || k.Algorithm == algorithm) && slices.Contains(k.algorithms(), algorithm)
}

// rejection is an answer of RFC 6749 section 5.2.
type rejection struct {
	status            int
	code, description string
	challenge         bool // the client tried the Authorization header
	reused            bool
}

func reject(code, format string, args ...any) *rejection {
	return &rejection{status: http.StatusBadRequest, code: code, description: fmt.Sprintf(format, args...)}
}

// unknownClient is invalid_client. One text for all that can be wrong with a secret: a server does not help to guess.
func unknownClient(byHeader bool, description string) *rejection {
	return &rejection{
		status: http.StatusUnauthorized, code: "invalid_client", description: description, challenge: byHeader,
	}
}

// identify returns the client that asks. known is false if the request does not say; only jwt_bearer may do that.
func (s *Server) identify(
	r *http.Request, form url.Values, endpoint string,
) (c Client, known bool, rejected *rejection) {
	header := r.Header.Get("Authorization")
	byHeader, byBody, byAssertion := header != "", form.Has("client_secret"), form.Has("client_assertion") ||
		form.Has("client_assertion_type")
	if one(byHeader)+one(byBody)+one(byAssertion) > 1 {
		return c, false, reject("invalid_request", "a client authenticates in one way only (RFC 6749 section 2.3)")
	}
	switch {
	case byHeader:
		return s.identifyBasic(r, form)
	case byAssertion:
		return s.identifyAssertion(form, endpoint)
	case !form.Has("client_id"):
		return c, false, nil
	}
	c, known = s.clients[form.Get("client_id")]
	if !known || (byBody && (c.Auth != AuthBody || c.Secret != form.Get("client_secret"))) || (!byBody &&
		c.Auth != AuthNone) {
		return c, false, unknownClient(false, "unknown client, wrong secret, or another way of authentication")
	}
	return c, true, nil
}

func (s *Server) identifyBasic(r *http.Request, form url.Values) (Client, bool, *rejection) {
	no := unknownClient(true, "unknown client, wrong secret, or another way of authentication")
	id, secret, ok := r.BasicAuth()
	if !ok {
		return Client{}, false, no
	}
	// Both are form-encoded first (RFC 6749 section 2.3.1), which many clients forget and most secrets forgive.
	id, idErr := url.QueryUnescape(id)
	secret, secretErr := url.QueryUnescape(secret)
	c, known := s.clients[id]
	if idErr != nil || secretErr != nil || !known || c.Auth != AuthBasic || c.Secret != secret {
		return Client{}, false, no
	}
	if form.Has("client_id") && form.Get("client_id") != id {
		return Client{}, false, reject("invalid_request", "client_id is not the client of the Authorization header")
	}
	return c, true, nil
}

func (s *Server) identifyAssertion(form url.Values, endpoint string) (Client, bool, *rejection) {
	no := func(format string, args ...any) (Client, bool, *rejection) {
		return Client{}, false, unknownClient(false, "the client assertion is rejected: "+fmt.Sprintf(format, args...))
	}
	if form.Get("client_assertion_type") != assertionType {
		return no("client_assertion_type is not %s", assertionType)
	}
	text := form.Get("client_assertion")
	if c, known := s.clients[form.Get("client_id")]; known && c.Federated != nil {
		// The client cannot be identified by its assertion: many may have one subject.
		issuer := s.issuers[c.Federated.Issuer]
		if _, err := s.verify(
			text, issuer.Keys, c.Federated.Audience, issuer.Life, jwt.WithIssuer(issuer.ID),
			jwt.WithSubject(c.Federated.Subject),
		); err != nil {
			return no("%s", err)
		}
		return c, true, nil
	}
	id, err := issuerOf(text)
	if err != nil {
		return no("%s", err)
	}
	c, known := s.clients[id]
	if !known || c.Federated != nil || c.Auth != AuthPrivateKeyJWT {
		return no("unknown client, or another way of authentication")
	}
	if form.Has("client_id") && form.Get("client_id") != id {
		return no("client_id is another client")
	}
	// iss and sub are both the client (RFC 7523 section 3, OpenID Connect Core section 9).
	if _, err := s.verify(text, c.Keys, endpoint, 0, jwt.WithSubject(id)); err != nil {
		return no("%s", err)
	}
	return c, true, nil
}

// issuerOf reads who claims to have signed an assertion, to know with which key to verify it.
func issuerOf(assertion string) (string, error) {
	claims := jwt.MapClaims{}
	if _, _, err := jwt.NewParser().ParseUnverified(assertion, claims); err != nil {
		return "", errors.New("it is not a JWT")
	}
	issuer, err := claims.GetIssuer()
	if err != nil || issuer == "" {
		return "", errors.New("it has no iss")
	}
	return issuer, nil
}

// verify checks an assertion (RFC 7523 section 3). iat and jti are wanted, although the RFC leaves them open: some
// providers want them, and none minds. longest is how long it may still last; 0: as the policy says.
func (s *Server) verify(
	assertion string, keys []Key, audience string, longest time.Duration, more ...jwt.ParserOption,
) (jwt.MapClaims, error) {
	claims := jwt.MapClaims{}
	options := append([]jwt.ParserOption{
		jwt.WithTimeFunc(s.now), jwt.WithLeeway(s.policy.Leeway), jwt.WithIssuedAt(), jwt.WithAudience(audience),
		jwt.WithStrictDecoding(), jwt.WithValidMethods(signing),
	}, more...)
	_, err := jwt.NewParser(options...).ParseWithClaims(assertion, claims, func(t *jwt.Token) (any, error) {
		var set jwt.VerificationKeySet
		for _, k := range keys {
			if k.fits(t.Header) {
				set.Keys = append(set.Keys, k.Public)
			}
		}
		if len(set.Keys) == 0 {
			return nil, errors.New("no key has its kid and alg")
		}
		return set, nil
	})
	if err != nil {
		return nil, err
	}
	issued, err := claims.GetIssuedAt()
	if err != nil || issued == nil {
		return nil, errors.New("it has no iat")
	}
	expires, err := claims.GetExpirationTime()
	if err != nil || expires == nil {
		return nil, errors.New("it has no exp")
	}
	longest = cmp.Or(longest, s.policy.AssertionLife, defaultAssertionLife)
	if left := expires.Sub(s.now()); left > longest+s.policy.Leeway {
		return nil, fmt.Errorf("it lasts for %s more, at most %s is accepted", left.Round(time.Second), longest)
	}
	return claims, s.once(claims, expires.Time)
}

// once rejects an assertion that came before (RFC 7523 section 5.2: jti).
func (s *Server) once(claims jwt.MapClaims, expires time.Time) error {
	issuer, _ := claims.GetIssuer()
	id, _ := claims["jti"].(string)
	if id == "" {
		return errors.New("it has no jti")
	}
	now := s.now()
	for key, until := range s.seen {
		if !now.Before(until) {
			delete(s.seen, key)
		}
	}
	key := issuer + "\x00" + id
	if _, again := s.seen[key]; again {
		return errors.New("its jti came before: a replay")
	}
	s.seen[key] = expires.Add(s.policy.Leeway)
	return nil
}

// allowed reports whether all of a scope is in a list; an empty list has everything.
func allowed(list []string, scope string) bool {
	if len(list) == 0 {
		return true
	}
	for part := range strings.FieldsSeq(scope) {
		if !slices.Contains(list, part) {
			return false
		}
	}
	return true
}
