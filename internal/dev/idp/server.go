// Package idp is a model of an OAuth 2.0 authorization server (RFC 6749, RFC 7523, RFC 8693) with one-time refresh
// tokens whose second use revokes the whole family (RFC 9700 section 4.14). It is a model, not a product: it has the
// token endpoint and the four grants that this repository's functions use, its tokens are predictable, and it fails and
// lies when a test asks. Where the RFCs leave a choice it makes the strictest one that a large provider makes, so that
// what passes here passes there.
package idp

import (
	"crypto/sha256"
	"encoding/hex"
	"errors"
	"fmt"
	"slices"
	"sync"
	"time"

	"github.com/cronbearer/cronbearer/internal/dev/fault"
)

// TokenPath is where the token endpoint is; everything else is 404.
const TokenPath = "/token"

const (
	defaultAccessLife = time.Hour
	// defaultAssertionLife is Salesforce's; Google's is an hour. The client cannot know, so the model takes the shorter.
	defaultAssertionLife = 3 * time.Minute
)

// Grant is a grant_type as it is on the wire.
type Grant string

// Grants that the server knows (RFC 6749 sections 4.4.2 and 6, RFC 7523 section 2.1, RFC 8693 section 2.1).
const (
	ClientCredentials Grant = "client_credentials"
	RefreshToken      Grant = "refresh_token"
	JWTBearer         Grant = "urn:ietf:params:oauth:grant-type:jwt-bearer"
	TokenExchange     Grant = "urn:ietf:params:oauth:grant-type:token-exchange"
)

// Policy is what providers decide differently. The zero Policy is the strictest, with access tokens of an hour.
type Policy struct {
	AccessLife    time.Duration // of access tokens; 0: an hour
	RefreshLife   time.Duration // of one refresh token; 0: no end
	AssertionLife time.Duration // the longest that an assertion may still last; 0: three minutes
	Leeway        time.Duration // for the clocks of those who sign assertions

	// Overlap is how long a used refresh token may come again, as with Okta's and Auth0's grace period; 0: not at all.
	Overlap time.Duration
	// Reusable refresh tokens stay as they are and no new one is sent, as with Google.
	Reusable bool
	// ExchangeEndsAccess lets an exchange end the access tokens that the family had, as with GitHub Apps.
	ExchangeEndsAccess bool
	// AccessEndsWithFamily lets access tokens die with the refresh tokens (RFC 7009 section 2.1: "SHOULD"). Without it
	// they last until they expire, as those do that a target checks on its own.
	AccessEndsWithFamily bool

	// Endpoint is the "aud" that assertions must have; empty: the URL that was asked.
	Endpoint string
	// Seed makes the tokens of two servers differ.
	Seed uint64
}

// Tokens are what a client gets after a user has logged in.
type Tokens struct {
	Access, Refresh string
	Expires         time.Time // of Access
}

// Request is one token request, without its credentials.
type Request struct {
	Time    time.Time
	Grant   Grant
	Client  string // that it claimed to be, or without a client the assertion's issuer
	Granted bool   // a token was made, whether or not the answer arrived
	Reused  bool   // a refresh token came again: its family has ended
	Status  int    // of the answer; 0: none was sent
	Error   string // the answer's error code
}

// Count sums requests up.
type Count struct {
	Requests int
	Granted  int // whether or not the answer arrived
	Rejected int // answers that were not 200
	Lost     int // no answer was sent
	Reused   int
}

// family is all that came from one log-in.
type family struct {
	client, scope string
	ended         bool
}

type refreshToken struct {
	family  *family
	expires time.Time // zero: never
	used    time.Time // zero: never
}

type accessToken struct {
	family  *family // nil: of a grant without refresh tokens
	expires time.Time
	ended   bool
}

// Server is the authorization server, an http.Handler. Safe for concurrent use.
type Server struct {
	now func() time.Time

	mu      sync.Mutex
	policy  Policy
	made    int
	clients map[string]Client
	issuers map[string]Issuer
	refresh map[string]*refreshToken
	access  map[string]*accessToken
	seen    map[string]time.Time // assertions by issuer and jti, until they expire
	faults  fault.Set[Fault]
	log     []*Request
}

// New returns a Server that knows no one, on a virtual clock (nil: the real one).
func New(now func() time.Time) *Server {
	if now == nil {
		now = time.Now
	}
	return &Server{
		now: now, clients: map[string]Client{}, issuers: map[string]Issuer{}, refresh: map[string]*refreshToken{},
		access: map[string]*accessToken{}, seen: map[string]time.Time{},
	}
}

// SetPolicy changes the server's mind. Access tokens keep the life that they were given.
func (s *Server) SetPolicy(p Policy) error {
	for name, d := range map[string]time.Duration{
		"AccessLife": p.AccessLife, "RefreshLife": p.RefreshLife, "AssertionLife": p.AssertionLife, "Leeway": p.Leeway,
		"Overlap": p.Overlap,
	} {
		if d < 0 {
			return fmt.Errorf("%s is negative: %s", name, d)
		}
	}
	if p.Reusable && p.Overlap > 0 {
		return errors.New("a Reusable refresh token has no Overlap")
	}
	s.mu.Lock()
	defer s.mu.Unlock()
	s.policy = p
	return nil
}

// LogIn is a user's consent in the browser: it starts a family.
func (s *Server) LogIn(clientID, scope string) (Tokens, error) {
	s.mu.Lock()
	defer s.mu.Unlock()
	c, known := s.clients[clientID]
	switch {
	case !known:
		return Tokens{}, fmt.Errorf("there is no client %s", clientID)
	case !c.may(RefreshToken):
		return Tokens{}, fmt.Errorf("client %s may not use refresh tokens", clientID)
	case !allowed(c.Scopes, scope):
		return Tokens{}, fmt.Errorf("client %s may not have all of scope %q", clientID, scope)
	}
	f := &family{client: clientID, scope: scope}
	access, expires := s.newAccess(f)
	return Tokens{access, s.newRefresh(f), expires}, nil
}

// Valid reports whether an access token is good now: a target asks it.
func (s *Server) Valid(token string) bool {
	s.mu.Lock()
	defer s.mu.Unlock()
	a := s.access[token]
	switch {
	case a == nil || a.ended || !s.now().Before(a.expires):
		return false
	default:
		return a.family == nil || !a.family.ended || !s.policy.AccessEndsWithFamily
	}
}

// StillGood reports whether an exchange of a refresh token would be honoured now. Asking does not use it.
func (s *Server) StillGood(token string) bool {
	s.mu.Lock()
	defer s.mu.Unlock()
	r := s.refresh[token]
	return r != nil && !r.family.ended && !s.expired(r) && !s.spent(r)
}

// Revoke revokes the family of a refresh token, used or not, as a user does who withdraws a consent, and reports
// whether it was alive.
func (s *Server) Revoke(token string) bool {
	s.mu.Lock()
	defer s.mu.Unlock()
	r := s.refresh[token]
	if r == nil || r.family.ended {
		return false
	}
	r.family.ended = true
	return true
}

// RevokeAccess revokes one access token before its time, and reports whether the server knew it.
func (s *Server) RevokeAccess(token string) bool {
	s.mu.Lock()
	defer s.mu.Unlock()
	a := s.access[token]
	if a == nil {
		return false
	}
	a.ended = true
	return true
}

// Requests are the token requests so far, in the order in which they came.
func (s *Server) Requests() []Request {
	s.mu.Lock()
	defer s.mu.Unlock()
	all := make([]Request, len(s.log))
	for i, r := range s.log {
		all[i] = *r
	}
	return all
}

// Count sums up the requests of one grant, or of all if none is named.
func (s *Server) Count(grant Grant) Count {
	var n Count
	for _, r := range s.Requests() {
		if grant != "" && r.Grant != grant {
			continue
		}
		n.Requests++
		n.Granted += one(r.Granted)
		n.Reused += one(r.Reused)
		n.Lost += one(r.Status == 0)
		n.Rejected += one(r.Status != 0 && r.Status != 200)
	}
	return n
}

func one(yes bool) int {
	if yes {
		return 1
	}
	return 0
}

// expired and spent say why a refresh token is no longer accepted. mu is held, as for all that follows.
func (s *Server) expired(r *refreshToken) bool {
	return !r.expires.IsZero() && !s.now().Before(r.expires)
}

func (s *Server) spent(r *refreshToken) bool {
	return !r.used.IsZero() && !s.now().Before(r.used.Add(s.policy.Overlap))
}

func (s *Server) newAccess(f *family) (string, time.Time) {
	life := s.policy.AccessLife
	if life == 0 {
		life = defaultAccessLife
	}
	token, expires := s.mint("access"), s.now().Add(life)
	s.access[token] = &accessToken{family: f, expires: expires}
	return token, expires
}

func (s *Server) newRefresh(f *family) string {
	token, r := s.mint("refresh"), &refreshToken{family: f}
	if s.policy.RefreshLife > 0 {
		r.expires = s.now().Add(s.policy.RefreshLife)
	}
	s.refresh[token] = r
	return token
}

// mint makes tokens that are the same in each run, so that a seeded test repeats itself. A kind and a number make a
// leaked one easy to trace.
func (s *Server) mint(kind string) string {
	s.made++
	sum := sha256.Sum256(fmt.Appendf(nil, "%d %s %d", s.policy.Seed, kind, s.made))
	return fmt.Sprintf("%s-%06d-%s", kind, s.made, hex.EncodeToString(sum[:16]))
}

func (c Client) may(g Grant) bool { return len(c.Grants) == 0 || slices.Contains(c.Grants, g) }
