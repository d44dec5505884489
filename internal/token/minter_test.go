package token_test

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"net/http"
	"strings"
	"sync"
	"testing"
	"time"

	"github.com/golang-jwt/jwt/v5"

	"github.com/cronbearer/cronbearer/internal/dev/tokenserver"
	"github.com/cronbearer/cronbearer/internal/hosts"
	"github.com/cronbearer/cronbearer/internal/oauth"
	"github.com/cronbearer/cronbearer/internal/redact"
	"github.com/cronbearer/cronbearer/internal/token"
)

// noWait is a sleep that records and does not wait.
type noWait struct {
	mu    sync.Mutex
	waits []time.Duration
}

func (s *noWait) sleep(ctx context.Context, d time.Duration) bool {
	s.mu.Lock()
	defer s.mu.Unlock()
	s.waits = append(s.waits, d)
	return ctx.Err() == nil
}

func minter(s *tokenserver.Server, clock func() time.Time) (*token.Minter, *noWait) {
	m, waits := token.NewMinter(s.Transport, hosts.List{}, clock, &redact.Scrubber{}), &noWait{}
	m.SleepWith(waits.sleep)
	return m, waits
}

// version is one of a secret with oauth2 and these changes.
func version(t *testing.T, id string, base map[string]any, changes change) token.Version {
	t.Helper()
	d, err := token.ParseSecret(
		object(t, map[string]any{"oauth2": json.RawMessage(object(t, base, changes))}, nil), &redact.Scrubber{},
	)
	if err != nil {
		t.Fatal(err)
	}
	return token.Version{Document: d, Secret: "s", ID: id, Stage: token.Current}
}

func TestEachRetryHasItsOwnAssertion(t *testing.T) {
	t.Parallel()
	server := tokenserver.New(t, func(_ int, w http.ResponseWriter) { w.WriteHeader(http.StatusServiceUnavailable) })
	m, waits := minter(server, time.Now)
	if _, err := m.Mint(t.Context(), version(t, "v", jwtBearer(), nil), redact.Secret{}); err == nil {
		t.Fatal("minted from a server that is down")
	}
	ids := map[any]bool{}
	for _, r := range server.Requests() {
		claims := jwt.MapClaims{}
		if _, _, err := jwt.NewParser().ParseUnverified(r.Form.Get("assertion"), claims); err != nil {
			t.Fatal(err)
		}
		ids[claims["jti"]] = true
	}
	if len(server.Requests()) != 3 || len(ids) != 3 || len(waits.waits) != 2 {
		t.Errorf("%d requests with %d ids and %d waits, want 3, 3 and 2", len(server.Requests()), len(ids), len(waits.waits))
	}
}

func TestMintingIsRetried(t *testing.T) {
	t.Parallel()
	retryAfter := func(status int, text string) answer {
		return answer{Status: status, Header: http.Header{"Retry-After": {text}, "Date": {"Tue, 24 Nov 2026 09:00:00 GMT"}}}
	}
	cases := map[string]struct {
		first answer
		wait  time.Duration // -1: some jitter
	}{
		"503":                        {first: answer{Status: 503}, wait: -1},
		"connection broken":          {first: answer{Broken: true}, wait: -1},
		"Retry-After":                {first: retryAfter(503, "7"), wait: 7 * time.Second},
		"Retry-After of a 429":       {first: retryAfter(429, "9"), wait: 9 * time.Second},
		"Retry-After as a date":      {first: retryAfter(503, "Tue, 24 Nov 2026 09:00:11 GMT"), wait: 11 * time.Second},
		"Retry-After that is broken": {first: retryAfter(503, "soon"), wait: -1},
	}
	for name, c := range cases {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			server := tokenserver.New(t, func(n int, w http.ResponseWriter) {
				if n == 0 {
					c.first.Each(n, w)
				} else {
					tokenserver.Grant(n, w)
				}
			})
			m, waits := minter(server, time.Now)
			got, err := m.Mint(t.Context(), version(t, "v", clientCredentials(), nil), redact.Secret{})
			if err != nil || got.Token.Reveal() != "minted-0001" {
				t.Fatalf("got %q, %v", got.Token.Reveal(), err)
			}
			if len(waits.waits) != 1 || c.wait >= 0 && waits.waits[0] != c.wait || c.wait < 0 &&
				waits.waits[0] > 250*time.Millisecond {
				t.Errorf("waits %v, want %s", waits.waits, c.wait)
			}
		})
	}
}

func TestMintingStopsWhenRetryAfterDoesNotFit(t *testing.T) {
	t.Parallel()
	for _, text := range []string{"60", "99999999999999999999"} {
		server := tokenserver.New(t, answer{Status: 503, Header: http.Header{"Retry-After": {text}}}.Each)
		m, waits := minter(server, time.Now)
		ctx, cancel := context.WithTimeout(t.Context(), 30*time.Second)
		defer cancel()
		if _, err := m.Mint(ctx, version(t, "v", clientCredentials(), nil), redact.Secret{}); err == nil {
			t.Fatal("minted")
		}
		if len(server.Requests()) != 1 || len(waits.waits) != 0 {
			t.Errorf("Retry-After %s: %d requests, waits %v", text, len(server.Requests()), waits.waits)
		}
	}
}

// expires_in decides how long a minted token is kept: until a minute, or a tenth of its life, before its end.
func TestMintedTokenIsKeptUntilShortlyBeforeItExpires(t *testing.T) {
	t.Parallel()
	cases := map[string]struct {
		expiresIn string // JSON; empty: absent
		kept      time.Duration
	}{
		"an hour":            {expiresIn: `3600`, kept: 59 * time.Minute},
		"ten minutes":        {expiresIn: `600`, kept: 9 * time.Minute},
		"a minute":           {expiresIn: `60`, kept: 54 * time.Second},
		"a second":           {expiresIn: `1`, kept: 900 * time.Millisecond},
		"fractional":         {expiresIn: `3600.9`, kept: 59 * time.Minute},
		"text":               {expiresIn: `"3600"`, kept: 59 * time.Minute},
		"text with spaces":   {expiresIn: `" 3600 "`, kept: 59 * time.Minute},
		"more than a day":    {expiresIn: `864000`, kept: 24 * time.Hour},
		"absent":             {expiresIn: ``, kept: 4*time.Minute + 30*time.Second},
		"null":               {expiresIn: `null`, kept: 4*time.Minute + 30*time.Second},
		"zero":               {expiresIn: `0`, kept: 4*time.Minute + 30*time.Second},
		"negative":           {expiresIn: `-5`, kept: 4*time.Minute + 30*time.Second},
		"less than a second": {expiresIn: `0.5`, kept: 4*time.Minute + 30*time.Second},
		"absurd":             {expiresIn: `1e300`, kept: 4*time.Minute + 30*time.Second},
		"beyond numbers":     {expiresIn: `1e999`, kept: 4*time.Minute + 30*time.Second},
		"text that is none":  {expiresIn: `"never"`, kept: 4*time.Minute + 30*time.Second},
		"text Inf":           {expiresIn: `"Inf"`, kept: 4*time.Minute + 30*time.Second},
		"text NaN":           {expiresIn: `"NaN"`, kept: 4*time.Minute + 30*time.Second},
		"a list":             {expiresIn: `[3600]`, kept: 4*time.Minute + 30*time.Second},
		"true":               {expiresIn: `true`, kept: 4*time.Minute + 30*time.Second},
		"ten years":          {expiresIn: `315360000`, kept: 24 * time.Hour},
		"over ten years":     {expiresIn: `315360001`, kept: 4*time.Minute + 30*time.Second},
		"a point in time":    {expiresIn: fmt.Sprint(newWall().Now().Add(2 * time.Hour).Unix()), kept: 119 * time.Minute},
		"point, milliseconds": {
			expiresIn: fmt.Sprintf("%q", fmt.Sprint(newWall().Now().Add(2*time.Hour).UnixMilli())), kept: 119 * time.Minute,
		},
		"point of the past": {expiresIn: fmt.Sprint(newWall().Now().Add(-2 * time.Hour).Unix()), kept: 4*time.Minute +
			30*time.Second},
		"point in 20 years": {expiresIn: fmt.Sprint(newWall().Now().AddDate(20, 0, 0).Unix()), kept: 4*time.Minute +
			30*time.Second},
	}
	for name, c := range cases {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			server := tokenserver.New(t, func(n int, w http.ResponseWriter) {
				member := ""
				if c.expiresIn != "" {
					member = `,"expires_in":` + c.expiresIn
				}
				_, _ = fmt.Fprintf(w, `{"access_token":"minted-%04d","token_type":"Bearer"%s}`, n, member)
			})
			clock := newWall()
			m, _ := minter(server, clock.Now)
			v := version(t, "v", clientCredentials(), nil)
			mint := func() string {
				got, err := m.Mint(t.Context(), v, redact.Secret{})
				if err != nil {
					t.Fatal(err)
				}
				return got.Token.Reveal()
			}
			first := mint()
			clock.move(c.kept - 1)
			if got := mint(); got != first {
				t.Errorf("minted again before %s", c.kept)
			}
			clock.move(1)
			if got := mint(); got == first {
				t.Errorf("still kept after %s", c.kept)
			}
		})
	}
}

func TestLifetimeCountsFromBeforeTheRequest(t *testing.T) {
	t.Parallel()
	clock := newWall()
	server := tokenserver.New(t, func(n int, w http.ResponseWriter) {
		clock.move(30 * time.Second)
		tokenserver.Grant(n, w)
	})
	m, _ := minter(server, clock.Now)
	v := version(t, "v", clientCredentials(), nil)
	for _, step := range []struct {
		move     time.Duration
		requests int
	}{{move: 0, requests: 1}, {move: 58*time.Minute + 29*time.Second, requests: 1}, {move: time.Second, requests: 2}} {
		clock.move(step.move)
		if _, err := m.Mint(t.Context(), v, redact.Secret{}); err != nil || len(server.Requests()) != step.requests {
			t.Fatalf("after %s: %d requests, want %d (%v)", step.move, len(server.Requests()), step.requests, err)
		}
	}
}

func TestMintedAgain(t *testing.T) {
	t.Parallel()
	server := tokenserver.New(t, tokenserver.Grant)
	clock := newWall()
	m, _ := minter(server, clock.Now)
	v1, v2 := version(t, "v1", clientCredentials(), nil), version(t, "v2", clientCredentials(), nil)
	other := v1
	other.Secret = "other"
	var last redact.Secret
	steps := []struct {
		why      string
		version  token.Version
		rejected func() redact.Secret
		move     time.Duration
		forget   bool
		want     string
	}{
		{why: "first", version: v1, rejected: nil, move: 0, forget: false, want: "minted-0000"},
		{why: "kept", version: v1, rejected: nil, move: time.Minute, forget: false, want: "minted-0000"},
		{why: "another secret", version: other, rejected: nil, move: 0, forget: false, want: "minted-0001"},
		{why: "the secret's version changed", version: v2, rejected: nil, move: 0, forget: false, want: "minted-0002"},
		{why: "the one before was rejected", version: v2, rejected: func() redact.Secret {
			return redact.New("minted-0000")
		}, move: 0, forget: false, want: "minted-0002"},
		{why: "this one was rejected", version: v2, rejected: func() redact.Secret {
			return last
		}, move: 0, forget: false, want: "minted-0003"},
		{why: "the new one is kept", version: v2, rejected: nil, move: 0, forget: false, want: "minted-0003"},
		{why: "forgotten", version: v2, rejected: nil, move: 0, forget: true, want: "minted-0004"},
		{
			why: "the clock jumped back by days", version: v2, rejected: nil, move: -72 * time.Hour, forget: false,
			want: "minted-0005",
		},
		{why: "the clock jumped on", version: v2, rejected: nil, move: 2 * time.Hour, forget: false, want: "minted-0006"},
	}
	for _, step := range steps {
		clock.move(step.move)
		rejected := redact.Secret{}
		if step.rejected != nil {
			rejected = step.rejected()
		}
		if step.forget {
			m.Forget(step.version, redact.New("minted-9999"))
			m.Forget(step.version, last)
		}
		got, err := m.Mint(t.Context(), step.version, rejected)
		if err != nil || got.Token.Reveal() != step.want {
			t.Fatalf("%s: got %q, %v; want %q", step.why, got.Token.Reveal(), err, step.want)
		}
		last = got.Token
	}
}

func TestTransientFailureToMintIsNotRemembered(t *testing.T) {
	t.Parallel()
	server := tokenserver.New(t, func(n int, w http.ResponseWriter) {
		if n == 0 {
			answer{Status: 501}.Each(n, w)
		} else {
			tokenserver.Grant(n, w)
		}
	})
	m, _ := minter(server, time.Now)
	v := version(t, "v", clientCredentials(), nil)
	if _, err := m.Mint(t.Context(), v, redact.Secret{}); err == nil {
		t.Fatal("minted though the server failed")
	}
	if got, err := m.Mint(t.Context(), v, redact.Secret{}); err != nil || got.Token.Reveal() != "minted-0001" {
		t.Errorf("got %q, %v", got.Token.Reveal(), err)
	}
}

// A client that was rejected is called again after five minutes: a job that runs every minute would lock its account.
func TestRejectionIsRememberedForItsVersion(t *testing.T) {
	t.Parallel()
	rejecting := true
	server := tokenserver.New(t, func(n int, w http.ResponseWriter) {
		if rejecting {
			answer{Status: 400, Body: `{"error":"invalid_client"}`}.Each(n, w)
		} else {
			tokenserver.Grant(n, w)
		}
	})
	clock := newWall()
	m, _ := minter(server, clock.Now)
	v1, v2 := version(t, "v1", clientCredentials(), nil), version(t, "v2", clientCredentials(), nil)
	steps := []struct {
		why      string
		move     time.Duration
		version  token.Version
		requests int
		says     string
	}{
		{why: "rejected", version: v1, requests: 1, says: "answered 400, invalid_client"},
		{why: "remembered at once", version: v1, requests: 1, says: "rejected at 2026-11-24T09:00:00Z"},
		{
			why: "remembered until the last moment", move: 5*time.Minute - 1, version: v1, requests: 1,
			says: "called again after 2026-11-24T09:05:00Z",
		},
		{why: "asked again", move: 1, version: v1, requests: 2, says: "invalid_client"},
		{
			why: "remembered from then on", move: 4 * time.Minute, version: v1, requests: 2,
			says: "rejected at 2026-11-24T09:05:00Z",
		},
		{why: "another version is asked at once", version: v2, requests: 3, says: "invalid_client"},
		{why: "and remembered", version: v2, requests: 3, says: "rejected at 2026-11-24T09:09:00Z"},
		{why: "the clock jumped back", move: -time.Hour, version: v2, requests: 4, says: "invalid_client"},
	}
	for _, step := range steps {
		clock.move(step.move)
		_, err := m.Mint(t.Context(), step.version, redact.Secret{})
		failed, ok := errors.AsType[*oauth.Error](err)
		if !ok || !failed.Rejected || !failed.Permanent || !strings.Contains(err.Error(), step.says) ||
			len(server.Requests()) != step.requests {
			t.Fatalf("%s: %d requests, want %d; %v", step.why, len(server.Requests()), step.requests, err)
		}
	}
	rejecting = false
	clock.move(5 * time.Minute)
	if got, err := m.Mint(t.Context(), v2, redact.Secret{}); err != nil || !got.At.Equal(clock.Now()) {
		t.Errorf("minted at %s, %v", got.At, err)
	}
	if _, err := m.Mint(t.Context(), v2, redact.Secret{}); err != nil || len(server.Requests()) != 5 {
		t.Errorf("%d requests, %v", len(server.Requests()), err)
	}
}

// Some providers reject a token in the second after they issued it, so the run must know its age.
func TestMintedTokenKnowsWhenItWasMinted(t *testing.T) {
	t.Parallel()
	clock := newWall()
	m, _ := minter(tokenserver.New(t, tokenserver.Grant), clock.Now)
	v, at := version(t, "v", clientCredentials(), nil), clock.Now()
	for range 2 {
		got, err := m.Mint(t.Context(), v, redact.Secret{})
		if err != nil || !got.At.Equal(at) {
			t.Errorf("minted at %s, want %s (%v)", got.At, at, err)
		}
		clock.move(time.Minute)
	}
}

func TestRunsThatWaitForOneMintingShareItsFailure(t *testing.T) {
	t.Parallel()
	const runs = 20
	waiting := make(chan struct{})
	server := tokenserver.New(t, func(_ int, w http.ResponseWriter) {
		<-waiting
		w.WriteHeader(http.StatusNotImplemented)
	})
	m, _ := minter(server, time.Now)
	v := version(t, "v", clientCredentials(), nil)
	var wg sync.WaitGroup
	for range runs {
		wg.Go(func() {
			if _, err := m.Mint(t.Context(), v, redact.Secret{}); err == nil {
				t.Error("minted from a server that is down")
			}
		})
	}
	for len(server.Requests()) == 0 {
		time.Sleep(time.Millisecond)
	}
	time.Sleep(20 * time.Millisecond) // the others wait by now
	close(waiting)
	wg.Wait()
	if n := len(server.Requests()); n > 2 {
		t.Errorf("%d requests for %d runs at once", n, runs)
	}
}

func TestOneTokenRequestAtATime(t *testing.T) {
	t.Parallel()
	var mu sync.Mutex
	running, most := 0, 0
	server := tokenserver.New(t, func(n int, w http.ResponseWriter) {
		mu.Lock()
		running++
		most = max(most, running)
		mu.Unlock()
		time.Sleep(5 * time.Millisecond)
		mu.Lock()
		running--
		mu.Unlock()
		tokenserver.Grant(n, w)
	})
	m, _ := minter(server, time.Now)
	v := version(t, "v", clientCredentials(), nil)
	hundred := func(rejected redact.Secret, want string) {
		var wg sync.WaitGroup
		for range 100 {
			wg.Go(func() {
				if got, err := m.Mint(t.Context(), v, rejected); err != nil || got.Token.Reveal() != want {
					t.Errorf("got %q, %v; want %q", got.Token.Reveal(), err, want)
				}
			})
		}
		wg.Wait()
	}
	hundred(redact.Secret{}, "minted-0000")
	hundred(redact.New("minted-0000"), "minted-0001") // all of them were rejected with it
	if len(server.Requests()) != 2 || most != 1 {
		t.Errorf("%d requests, %d at once; want 2, one at a time", len(server.Requests()), most)
	}
}

func TestWaitForAMintingStopsWithTheRun(t *testing.T) {
	t.Parallel()
	release := make(chan struct{})
	server := tokenserver.New(t, func(n int, w http.ResponseWriter) {
		<-release
		tokenserver.Grant(n, w)
	})
	m, _ := minter(server, time.Now)
	v := version(t, "v", clientCredentials(), nil)
	started := make(chan struct{})
	var wg sync.WaitGroup
	wg.Go(func() {
		close(started)
		if _, err := m.Mint(t.Context(), v, redact.Secret{}); err != nil {
			t.Error(err)
		}
	})
	<-started
	for len(server.Requests()) == 0 {
		time.Sleep(time.Millisecond)
	}
	ctx, cancel := context.WithCancel(t.Context())
	cancel()
	_, err := m.Mint(ctx, v, redact.Secret{})
	if failed, ok := errors.AsType[*oauth.Error](err); !ok || failed.Permanent || failed.Host != "example.com" {
		t.Errorf("got %v, want a transient *oauth.Error", err)
	}
	m.Forget(v, redact.New("minted-0000")) // returns
	close(release)
	wg.Wait()
}
