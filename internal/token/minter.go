package token

import (
	"context"
	"errors"
	"fmt"
	"net/http"
	"sync"
	"time"

	"github.com/cronbearer/cronbearer/internal/hosts"
	"github.com/cronbearer/cronbearer/internal/oauth"
	"github.com/cronbearer/cronbearer/internal/redact"
	"github.com/cronbearer/cronbearer/internal/retry"
)

const (
	// Some providers lock a client that repeats itself, so no run sends more than this for one token.
	maxMintAttempts = 3 // requests for one token

	// unknownLife is the life of a token whose expires_in is missing or invalid (RFC 6749 section 5.1 makes it
	// optional), and longestLife bounds a valid one.
	unknownLife = 5 * time.Minute
	longestLife = 24 * time.Hour
)

// Minter obtains tokens from providers and keeps them in memory until shortly before they expire. It writes nothing. It
// is safe for concurrent use, with one request at a time for a token.
type Minter struct {
	client  *oauth.Client
	allowed hosts.List // for secrets without hosts
	now     func() time.Time
	sleep   func(context.Context, time.Duration) bool

	mu     sync.Mutex
	minted map[string]*mint
}

// Minted is a token and when it was minted: some providers need a moment until they accept a token they issued.
type Minted struct {
	Token redact.Secret
	At    time.Time // wall-clock
	// Warning says why the token's expiry could not be read. Empty: it was read, or there is none.
	Warning string

	until time.Time // wall-clock; the token is not used after it
}

// mint is what is known of one secret's token.
type mint struct {
	shared[string, Minted] // by the version of the secret

	version   string // of the secret that the token was minted from
	minted    Minted
	rejection *rejection
}

// rejection is remembered, so that no run sends a credential that was just rejected: that locks accounts.
type rejection struct {
	version string
	err     *oauth.Error
	at      time.Time // wall-clock
}

// rejectedFor is how long a rejection is remembered.
const rejectedFor = 5 * time.Minute

// NewMinter returns a Minter. A login to a host that its secret does not list must be to an allowed one. now is
// wall-clock time.
func NewMinter(transport http.RoundTripper, allowed hosts.List, now func() time.Time, scrub *redact.Scrubber) *Minter {
	return &Minter{
		client: oauth.NewClient(transport, now, scrub), allowed: allowed, now: now, sleep: retry.Sleep,
		minted: map[string]*mint{},
	}
}

// WithIdentity makes the Minter obtain the function's own identity from sts.
func (m *Minter) WithIdentity(sts oauth.IdentityProvider) *Minter {
	m.client = m.client.WithIdentity(sts, nil)
	return m
}

// Mint returns a token for the version's client that is not the rejected one. The error is an *oauth.Error. A zero
// rejected is no token's value, so the first one known is returned. Runs that ask at the same time share a request and
// its error, but not a token that one of them has just seen rejected.
func (m *Minter) Mint(ctx context.Context, v Version, rejected redact.Secret) (Minted, error) {
	if err := m.bound(v.Document); err != nil {
		return Minted{}, err
	}
	entry := m.entry(v.Secret)
	minted, err := entry.get(ctx, retry.Reserve, want[string, Minted]{
		key:  v.ID,
		have: func() *outcome[Minted] { return entry.have(v.ID, rejected, m.now()) },
		suits: func(version string, got outcome[Minted]) bool {
			return version == v.ID && (got.err != nil || !got.value.Token.Equal(rejected))
		},
		fetch: func() (Minted, error) { return m.fetch(ctx, v) },
		keep:  func(version string, got outcome[Minted]) { entry.keep(version, got, m.now()) },
	})
	if errors.Is(err, errNoTime) || errors.Is(err, errBroken) {
		return Minted{}, v.noAnswer()
	}
	return minted, err
}

// bound rejects a login to a host that the token is not bound to. A token endpoint is in the secret itself as well,
// but a client sends it only credentials that are meant for it.
func (m *Minter) bound(d Document) error {
	if d.Login == nil {
		return nil
	}
	list := m.allowed
	if d.Hosts != nil {
		list = *d.Hosts
	}
	if u := d.Login.URL(); !list.Allows(u) {
		return &oauth.Error{
			From: oauth.LoginCall, Host: u.Host, Unbound: true, Permanent: true,
			Reason: "was not made: the token is not bound to that host. Add it to hosts in the secret, or to ALLOWED_HOSTS " +
				"(parameter AllowedHosts) if the secret has no hosts",
		}
	}
	return nil
}

// have returns a token that has not expired, or a remembered rejection. More time left than any token is given means
// that the clock was set back since: the token is then minted again.
func (e *mint) have(version string, rejected redact.Secret, now time.Time) *outcome[Minted] {
	left := e.minted.until.Sub(now)
	if e.version == version && 0 < left && left <= longestLife && !e.minted.Token.Equal(rejected) {
		return &outcome[Minted]{value: e.minted}
	}
	if r := e.rejection; r != nil && r.version == version {
		if age := now.Sub(r.at); 0 <= age && age < rejectedFor {
			return &outcome[Minted]{err: r.remembered()}
		}
	}
	return nil
}

// keep remembers rejections only. After another error the next run asks again, and a token that has not expired stays
// in use, whatever became of the request for another.
func (e *mint) keep(version string, got outcome[Minted], now time.Time) {
	e.rejection = nil
	if got.err == nil {
		e.version, e.minted = version, got.value
	}
	if err, ok := errors.AsType[*oauth.Error](got.err); ok && err.Rejected {
		e.rejection = &rejection{version, err, now}
	}
}

// remembered returns a copy: the runs that share the rejection must not add to each other's text.
func (r *rejection) remembered() *oauth.Error {
	e := *r.err
	e.Reason += fmt.Sprintf(" (rejected at %s; to avoid locking the account, it is called again after %s, or when the "+
		"secret has a new version)",
		r.at.UTC().Format(time.RFC3339), r.at.Add(rejectedFor).UTC().Format(time.RFC3339))
	return &e
}

// fetch counts a life from before the request (Granted.Asked): no one knows when during it the token was issued.
func (m *Minter) fetch(ctx context.Context, v Version) (Minted, error) {
	granted, err := m.ask(ctx, v.Document)
	if err != nil {
		return Minted{}, err
	}
	life := granted.Life()
	if life == 0 {
		life = unknownLife
	}
	return Minted{granted.Token, m.now(), granted.Warning, granted.Asked.Add(min(life-margin(life), longestLife))}, nil
}

// Forget drops a rejected token, so that a later run mints another one even if this run may not.
func (m *Minter) Forget(v Version, rejected redact.Secret) {
	entry := m.entry(v.Secret)
	entry.mu.Lock()
	defer entry.mu.Unlock()
	if entry.minted.Token.Equal(rejected) {
		entry.minted.until = time.Time{}
	}
}

// margin is how long before its expiry a token is no longer used: a minute, or a tenth of a short life.
func margin(life time.Duration) time.Duration { return min(time.Minute, life/10) }

func (m *Minter) entry(secret string) *mint {
	m.mu.Lock()
	defer m.mu.Unlock()
	e := m.minted[secret]
	if e == nil {
		e = &mint{}
		m.minted[secret] = e
	}
	return e
}

// ask retries as for a GET: a second token request does no harm. The deadline of ctx is in real time, so the budget
// uses the real clock and not the Minter's, which tests move.
func (m *Minter) ask(ctx context.Context, d Document) (oauth.Granted, error) {
	budget := retry.Budget{Now: time.Now}
	budget.Deadline, _ = ctx.Deadline()
	ctx, cancel := retry.WithMargin(ctx, retry.Reserve)
	defer cancel()
	var granted oauth.Granted
	var err error
	loop := retry.Loop{Budget: budget, Max: maxMintAttempts, Backoff: retry.Backoff, Sleep: m.sleep}
	retry.Do(ctx, loop, func(int) retry.Next {
		granted, err = m.once(ctx, d)
		if failed, ok := errors.AsType[*oauth.Error](err); ok {
			return failed.Next
		}
		return retry.Next{}
	})
	return granted, err
}

// once obtains one token, with one request if it needs one.
func (m *Minter) once(ctx context.Context, d Document) (oauth.Granted, error) {
	client := m.client.Trusting(d.CA)
	switch {
	case d.Login != nil:
		return client.Login(ctx, d.Login, d.JWT, d.Identity)
	case d.OAuth2 != nil:
		return client.Token(ctx, d.OAuth2)
	case d.JWT != nil:
		return client.Sign(d.JWT)
	default:
		return client.Identity(ctx, d.Identity)
	}
}

// noAnswer returns the error of a run whose time was up. It has no Next: the run that waited has no time for another
// request.
func (d Document) noAnswer() *oauth.Error {
	e := &oauth.Error{Reason: "did not answer in time"}
	switch {
	case d.Login != nil:
		e.From, e.Host = oauth.LoginCall, d.Login.URL().Host
	case d.OAuth2 != nil:
		e.Host = d.OAuth2.TokenURL.Host
	default:
		e.From, e.Host = "the secret's", "credential"
	}
	return e
}
