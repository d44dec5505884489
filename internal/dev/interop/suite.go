package main

import (
	"bytes"
	"context"
	"crypto/rand"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"net/http"
	"os/exec"
	"strings"
	"sync"
	"time"

	"github.com/cronbearer/cronbearer/internal/dev/pki"
	"github.com/cronbearer/cronbearer/internal/egress"
	"github.com/cronbearer/cronbearer/internal/keys"
	"github.com/cronbearer/cronbearer/internal/oauth"
	"github.com/cronbearer/cronbearer/internal/redact"
	"github.com/cronbearer/cronbearer/internal/token"
)

// suite runs the checks, one after the other, with one server after the other.
type suite struct {
	out       io.Writer
	binaries  map[string]string // of the functions, by logical id
	server    *server
	with      other
	authority *pki.Authority
	transport http.RoundTripper
	scrub     *redact.Scrubber
	keys      map[string]key    // of clients and issuers, by id
	passwords map[string]string // of clients, by id
	secrets   []string          // must be in no error
	texts     []string          // the errors seen
}

const (
	// Printable ASCII that a client's id and secret may hold (RFC 6749 appendices A.1 and A.2) and that basic's form
	// encoding (section 2.3.1) has to survive.
	awkwardID = "awkward: id+100%/=&"
	awkward   = ` :+%20/=&~*'"`
	// Characters that form encoding escapes, and that a server finds unchanged if they were not.
	unescaped = `!*'(),/:;=?@~&`
)

type check struct {
	name string
	run  func(context.Context) error
}

// other is an authorization server that others wrote.
type other struct {
	name string
	// command is the program that runs it.
	command func(context.Context) *exec.Cmd
	// issuerOnly: it accepts its issuer alone as the audience of an assertion (RFC 7523bis), and not its token endpoint.
	issuerOnly bool
	// clients are those that no other server registers.
	clients []map[string]any
	// gaps are what it does not have, and so is not tried with it, or only that it rejects it.
	gaps   []string
	checks func(*suite, *world) [][]check
}

func newSuite(binaries map[string]string, out io.Writer) (*suite, error) {
	s := &suite{
		out: out, binaries: binaries, scrub: &redact.Scrubber{}, keys: map[string]key{}, passwords: map[string]string{},
	}
	var err error
	if s.authority, err = pki.New(); err != nil {
		return nil, err
	}
	s.transport = egress.NewTransport(s.authority.Pool(), egress.Guard{AllowLoopback: true})
	for _, algorithm := range algorithms {
		for _, name := range []string{"client-" + algorithm, "issuer-" + algorithm} {
			if s.keys[name], err = newKey(name, algorithm); err != nil {
				return nil, err
			}
			s.secrets = append(s.secrets, s.keys[name].pem)
		}
	}
	if s.keys["server"], err = newKey("server", string(keys.RS256)); err != nil {
		return nil, err
	}
	return s, nil
}

// try runs the checks of one server and returns how many passed.
func (s *suite) try(ctx context.Context, with other) (passed int, err error) {
	certificate, private, err := s.authority.ServerPEM()
	if err != nil {
		return 0, fmt.Errorf("the server's certificate: %w", err)
	}
	s.with, s.texts = with, nil
	s.server, err = startServer(with.command(ctx), configuration{
		Cert: string(certificate), Key: string(private), CookieKey: rand.Text(),
		JWKS: jwks{Keys: []map[string]string{s.keys["server"].private}}, Clients: append(s.clients(), with.clients...),
	})
	if err != nil {
		return 0, err
	}
	defer func() { err = errors.Join(err, s.server.close()) }()
	w, err := s.open(map[string]string{"IdentityAudiences": s.server.issuer + "," + elsewhere})
	if err != nil {
		return 0, err
	}
	defer func() { err = errors.Join(err, w.Close()) }()
	if err := s.trustOwn(); err != nil {
		return 0, err
	}
	for _, list := range append(with.checks(s, w), s.last()) {
		for _, c := range list {
			start := time.Now()
			if err := c.run(ctx); err != nil {
				_, _ = fmt.Fprintf(s.out, "FAIL %s\n", c.name)
				return passed, fmt.Errorf("%s: %s: %w", with.name, c.name, err)
			}
			passed++
			_, _ = fmt.Fprintf(s.out, "ok   %s (%s)\n", c.name, time.Since(start).Round(time.Millisecond))
		}
	}
	for _, gap := range with.gaps {
		_, _ = fmt.Fprintf(s.out, "gap  %s: %s\n", with.name, gap)
	}
	return passed, nil
}

// password makes a client's secret and remembers it.
func (s *suite) password() string {
	p := rand.Text()
	s.secrets = append(s.secrets, p)
	return p
}

// parse reads a secret as both functions do.
func (s *suite) parse(oauth2 map[string]any, more ...string) (token.Document, error) {
	secret := map[string]any{"oauth2": oauth2}
	if len(more) > 0 {
		secret["token"] = more[0]
	}
	if _, given := oauth2["token_url"]; !given {
		oauth2["token_url"] = s.server.tokenURL
	}
	text, err := json.Marshal(secret)
	if err != nil {
		return token.Document{}, fmt.Errorf("a secret: %w", err)
	}
	d, err := token.ParseSecret(string(text), s.scrub)
	if err != nil {
		return token.Document{}, fmt.Errorf("parse the secret: %w", err)
	}
	return d, nil
}

// ask makes one token request.
func (s *suite) ask(ctx context.Context, oauth2 map[string]any, options ...option) (oauth.Granted, error) {
	e := exchange{transport: s.transport, now: time.Now}
	for _, o := range options {
		o(&e)
	}
	d, err := s.parse(oauth2, e.current...)
	if err != nil {
		return oauth.Granted{}, err
	}
	granted, err := oauth.NewClient(e.transport, e.now, s.scrub).Once(ctx, d.OAuth2)
	if err != nil {
		s.texts = append(s.texts, err.Error())
		return oauth.Granted{}, fmt.Errorf("ask: %w", err)
	}
	s.secrets = append(s.secrets, granted.Token.Reveal())
	if !granted.RefreshToken.IsZero() {
		s.secrets = append(s.secrets, granted.RefreshToken.Reveal())
	}
	return granted, nil
}

type exchange struct {
	transport http.RoundTripper
	now       func() time.Time
	current   []string // the secret's token: a refreshed one has one
}

type option func(*exchange)

func through(t http.RoundTripper) option { return func(e *exchange) { e.transport = t } }
func withCurrent(token string) option    { return func(e *exchange) { e.current = []string{token} } }

func clockOff(d time.Duration) option {
	return func(e *exchange) { e.now = func() time.Time { return time.Now().Add(d) } }
}

// granted asks for a token and makes sure that the server honours it for this client.
func (s *suite) granted(ctx context.Context, oauth2 map[string]any, options ...option) error {
	g, err := s.ask(ctx, oauth2, options...)
	if err != nil {
		return err
	}
	return s.honoured(g, oauth2["client_id"])
}

func (s *suite) honoured(g oauth.Granted, client any) error {
	found, err := s.server.find(g.Token.Reveal())
	switch {
	case err != nil:
		return err
	case found.Client != client:
		return fmt.Errorf("the server honours the token for client %q, not for %q", found.Client, client)
	case g.Life() <= 0:
		return fmt.Errorf("the token lives %s", g.Life())
	}
	return nil
}

// kind is what a failed token request says of the credential.
type kind struct{ rejected, permanent bool }

var (
	rejectedKind  = kind{true, true}
	mistakeKind   = kind{false, true}
	transientKind = kind{false, false}
)

// fails asks for a token and requires an error of a kind whose text holds all the words.
func (s *suite) fails(ctx context.Context, want kind, words string, oauth2 map[string]any, options ...option) error {
	_, err := s.ask(ctx, oauth2, options...)
	return s.isKind(err, want, words)
}

func (s *suite) isKind(err error, want kind, words string) error {
	minting, ok := errors.AsType[*oauth.Error](err)
	switch {
	case err == nil:
		return errors.New("a token was granted")
	case !ok:
		return fmt.Errorf("not an oauth.Error: %w", err)
	case minting.Rejected != want.rejected || minting.Permanent != want.permanent:
		return fmt.Errorf("rejected is %t and permanent %t, in: %w", minting.Rejected, minting.Permanent, err)
	case !strings.HasPrefix(minting.Error(), "the token endpoint "+strings.TrimPrefix(s.server.issuer, "https://")):
		return fmt.Errorf("the error does not name the host: %w", err)
	}
	for word := range strings.SplitSeq(words, "|") {
		if !strings.Contains(minting.Error(), word) {
			return fmt.Errorf("the error does not say %q: %w", word, err)
		}
	}
	return nil
}

// wire is a transport that keeps the bodies sent and can lose the first answers, after the server has acted.
type wire struct {
	next   http.RoundTripper
	lose   int
	mu     sync.Mutex
	bodies []string
}

func (w *wire) RoundTrip(request *http.Request) (*http.Response, error) {
	body, err := io.ReadAll(request.Body)
	if err != nil {
		return nil, fmt.Errorf("read the request: %w", err)
	}
	request = request.Clone(request.Context())
	request.Body = io.NopCloser(bytes.NewReader(body))
	response, err := w.next.RoundTrip(request)
	if err != nil {
		return nil, fmt.Errorf("pass on: %w", err)
	}
	w.mu.Lock()
	defer w.mu.Unlock()
	w.bodies = append(w.bodies, string(body))
	if len(w.bodies) <= w.lose {
		_ = response.Body.Close()
		return nil, errLost
	}
	return response, nil
}

var errLost = errors.New("connection reset")

// last checks everything that was said.
func (s *suite) last() []check {
	return []check{{"no error shows a client secret, a private key, an assertion or a token", func(context.Context) error {
		for _, text := range s.texts {
			for _, secret := range s.secrets {
				if strings.Contains(text, secret) {
					return errors.New("one does")
				}
			}
			if strings.Contains(text, "eyJ") || strings.Contains(text, "PRIVATE KEY") {
				return errors.New("one does")
			}
		}
		if len(s.texts) == 0 {
			return errors.New("no error was seen")
		}
		return nil
	}}}
}
