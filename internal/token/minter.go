package token

import (
	"context"
	"net/http"
	"sync"
	"time"

	"github.com/cronbearer/cronbearer/internal/redact"
	"github.com/cronbearer/cronbearer/internal/retry"
)

const (
	mintTries = 3 // requests of a minting at most

	// unknownLife is what a token gets whose expires_in is missing or makes no sense (RFC 6749 section 5.1 leaves it
	// open), and longestLife bounds one that does.
	unknownLife = 5 * time.Minute
	longestLife = 24 * time.Hour
)

// Minter gets tokens from token endpoints and keeps them in memory until shortly before they end. It writes nothing. It
// is safe for concurrent use, with one request at a time for a token.
type Minter struct {
	exchanger *Exchanger
	now       func() time.Time
	sleep     func(context.Context, time.Duration) bool

	mu     sync.Mutex
	minted map[string]*mint
}

type mint struct {
	turn    turn
	version string // of the secret that the token was minted from
	token   redact.Secret
	until   time.Time // wall-clock
}

// NewMinter makes a Minter. now is wall-clock time.
func NewMinter(transport http.RoundTripper, now func() time.Time, scrub *redact.Scrubber) *Minter {
	return &Minter{exchanger: NewExchanger(transport, now, scrub), now: now, sleep: retry.Sleep, minted: map[string]*mint{}}
}

// Mint returns a token for the version's client that is not the rejected one. The error is a *MintError.
func (m *Minter) Mint(ctx context.Context, v Version, rejected redact.Secret) (redact.Secret, error) {
	entry := m.entry(v.Secret)
	if !entry.turn.begin(ctx, retry.Reserve) {
		return redact.Secret{}, &MintError{Host: v.OAuth2.TokenURL.Host, Reason: "did not answer in time"}
	}
	defer entry.turn.end()

	left := entry.until.Sub(m.now())
	if entry.version == v.ID && 0 < left && left <= longestLife && !entry.token.Equal(rejected) {
		return entry.token, nil
	}
	granted, err := m.ask(ctx, v.OAuth2)
	if err != nil {
		return redact.Secret{}, err
	}
	life := granted.Life()
	if life == 0 {
		life = unknownLife
	}
	entry.version, entry.token = v.ID, granted.Token
	entry.until = granted.Asked.Add(min(life-margin(life), longestLife))
	return granted.Token, nil
}

// Forget drops a rejected token, so that a later run mints another one even if this run may not.
func (m *Minter) Forget(ctx context.Context, v Version, rejected redact.Secret) {
	entry := m.entry(v.Secret)
	if !entry.turn.begin(ctx, retry.Reserve) {
		return
	}
	defer entry.turn.end()
	if entry.token.Equal(rejected) {
		entry.until = time.Time{}
	}
}

// margin is how long before its end a token is no longer used: a minute, or a tenth of a short life.
func margin(life time.Duration) time.Duration { return min(time.Minute, life/10) }

func (m *Minter) entry(secret string) *mint {
	m.mu.Lock()
	defer m.mu.Unlock()
	e := m.minted[secret]
	if e == nil {
		e = &mint{turn: newTurn()}
		m.minted[secret] = e
	}
	return e
}

// ask retries as a GET would be: a token request changes nothing that a second one could harm.
func (m *Minter) ask(ctx context.Context, o *OAuth2) (Granted, error) {
	budget := retry.Budget{Now: time.Now}
	budget.Deadline, _ = ctx.Deadline()
	ctx, cancel := retry.WithMargin(ctx, retry.Reserve)
	defer cancel()
	for n := 1; ; n++ {
		granted, failed := m.exchanger.attempt(ctx, o)
		if failed == nil {
			return granted, nil
		}
		wait := retry.Backoff(n)
		if failed.hasRetryAfter {
			wait = failed.retryAfter
		}
		if !failed.retry || n == mintTries || !budget.Fits(wait) || !m.sleep(ctx, wait) {
			return Granted{}, failed.MintError
		}
	}
}
