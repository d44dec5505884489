package crowd_test

import (
	"fmt"
	"sync"
	"testing"
	"time"

	"github.com/cronbearer/cronbearer/internal/caller"
	"github.com/cronbearer/cronbearer/internal/dev/awssim/secretsmanager"
	"github.com/cronbearer/cronbearer/internal/dev/idp"
	"github.com/cronbearer/cronbearer/internal/dev/upstream"
)

// provider is a kind of providers, by what becomes of the tokens in a rotation. Its window is the step after which a
// run can meet the rotation.
type provider struct {
	name    string
	window  string
	revokes bool // the old token, at the window
	delays  bool // the API accepts the new token only when the rotation is over

	kept, fresh string // with what a run recovers in the window that kept the old token, and one that did not
}

var providers = []provider{
	{
		name: "revokes the old token when the new one is stored", window: "createSecret", revokes: true,
		kept: "AWSPENDING", fresh: "AWSPENDING",
	},
	{name: "revokes the old token when the new one is current", window: "finishSecret", revokes: true, kept: "AWSCURRENT"},
	{name: "lets the old token expire", window: "testSecret"},
	{name: "accepts the new token only later", window: "finishSecret", delays: true, fresh: "AWSPREVIOUS"},
}

// crowd is callers who run while the token is rotated.
type crowd struct {
	*stage

	callers []*caller.Handler
	racing  sync.WaitGroup // runs that no step waits for

	mu        sync.Mutex
	runs      int
	recovered map[string]int
	tokens    map[string]map[string]bool // by the run's path
	early     string                     // token that the API does not accept yet
}

// TestTenCallersDuringRotations: a token is rotated a thousand times, every 15 minutes, as often as it may be. Ten
// callers run before, between and after the steps. None fails, whatever the provider does with the old token and the
// new, and none tries more than four tokens. Each rotation holds its window open until two runs have met it: one that
// kept the old token, and one that reads the secret. A run meets one rotation at most: it lasts 15 minutes at the
// longest.
func TestTenCallersDuringRotations(t *testing.T) {
	t.Parallel()
	const callers, rotations = 10, 1000
	c := &crowd{stage: newStage(t), recovered: map[string]int{}, tokens: map[string]map[string]bool{}}
	for range callers {
		c.callers = append(c.callers, c.newCaller())
	}
	c.api.Rule(c.answer)
	tokens, err := c.auth.LogIn(clientID, "")
	must(t, err)
	c.put(
		map[string]any{"grant": "refresh_token", "refresh_token": tokens.Refresh},
		map[string]any{"token": tokens.Access, "test": "GET https://" + c.apiHost + "/test"},
	)
	must(t, c.store.EnableRotation(secret, lambdaARN))

	for n := range rotations {
		if c.rotate(n, providers[n%len(providers)]); t.Failed() {
			break
		}
	}
	c.racing.Wait()
	if n := c.auth.Count(idp.RefreshToken); n != (idp.Count{Requests: rotations, Granted: rotations}) {
		t.Errorf("exchanges: %+v", n)
	}
	c.silent()
	t.Logf("%d runs during %d rotations; %v recovered", c.runs, rotations, c.recovered)
}

// answer is the API's: it records which tokens a run has tried.
func (c *crowd) answer(q upstream.Request) (upstream.Answer, bool) {
	c.mu.Lock()
	defer c.mu.Unlock()
	if tried := c.tokens[q.Path]; tried != nil {
		tried[q.Token] = true
	}
	if q.Path != "/test" && q.Token == c.early {
		return upstream.Rejected, true
	}
	return upstream.OK, c.auth.Valid(q.Token)
}

// call runs a caller, and returns with what the run recovered.
func (c *crowd) call(n int) string {
	n %= len(c.callers)
	c.mu.Lock()
	path := fmt.Sprintf("caller-%d/%d", n, c.runs)
	c.runs++
	c.tokens["/"+path] = map[string]bool{}
	c.mu.Unlock()

	result, err := c.run(c.callers[n], path)

	c.mu.Lock()
	defer c.mu.Unlock()
	tried := c.tokens["/"+path]
	delete(c.tokens, "/"+path)
	if err != nil || len(tried) > 4 {
		c.t.Errorf("run %s tried %d tokens: %v", path, len(tried), err)
	}
	if result.RecoveredWith != "" {
		c.recovered[result.RecoveredWith]++
	}
	return result.RecoveredWith
}

// race starts a run that the rotation does not wait for.
func (c *crowd) race(n int) { c.racing.Go(func() { c.call(n) }) }

// rotate is one rotation. Caller n keeps the old token, n+1 has none that is young enough, and the next two run across
// the steps.
func (c *crowd) rotate(n int, p provider) {
	c.racing.Wait() // the runs that saw the last rotation
	c.early = ""
	c.pass(15 * time.Minute)
	c.call(n)

	old := c.accessToken(secretsmanager.Current)
	c.after = func(e secretsmanager.RotationEvent) {
		if p.delays && e.Step == "createSecret" {
			c.mu.Lock()
			c.early = c.accessToken(secretsmanager.Pending)
			c.mu.Unlock()
		}
		switch e.Step {
		case "createSecret":
			c.race(n + 2)
		case "finishSecret":
			c.race(n + 3)
		}
		if e.Step == p.window {
			if p.revokes {
				c.auth.RevokeAccess(old)
			}
			c.hold(n, p)
		}
	}
	must(c.t, c.store.RotateSecret(c.t.Context(), secret))
	all := c.store.Rotations()
	if err := all[len(all)-1].Err; err != nil {
		c.t.Errorf("rotation %d: %v", len(all), err)
	}
}

// hold keeps the rotation's window open until a run with the old token and a run without have met it.
func (c *crowd) hold(n int, p provider) {
	var kept, fresh string
	var wg sync.WaitGroup
	wg.Go(func() { kept = c.call(n) })
	wg.Go(func() { fresh = c.call(n + 1) })
	wg.Wait()
	if kept != p.kept || fresh != p.fresh {
		c.t.Errorf(
			"rotation %d, a provider that %s: runs recovered with %q and %q, want %q and %q", n, p.name, kept, fresh, p.kept,
			p.fresh,
		)
	}
}
