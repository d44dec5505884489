package crowd_test

import (
	"fmt"
	"maps"
	"sync"
	"testing"
	"time"

	"github.com/cronbearer/cronbearer/internal/caller"
	"github.com/cronbearer/cronbearer/internal/dev/awssim/secretsmanager"
	"github.com/cronbearer/cronbearer/internal/dev/idp"
	"github.com/cronbearer/cronbearer/internal/dev/upstream"
)

// kinds of providers, by what becomes of the tokens in a rotation.
const (
	endsWhenStored = iota // the old token ends as soon as the new one is AWSPENDING
	endsWhenMoved         // the old token ends when the new one is AWSCURRENT
	endsLater             // the old token has its hour
	beginsLater           // the API takes the new token only after a while
	kinds
)

// crowd is ten callers who run while the token is rotated.
type crowd struct {
	*stage

	mu        sync.Mutex
	changed   sync.Cond
	phase     int
	over      bool
	began     map[int]int // by caller that runs: the phase in which its run began
	ended     int         // the latest phase of which a run has ended
	recovered map[string]int
	runs      int

	tokens map[string]map[string]bool // by the run's path
	early  string                     // token that the API does not take yet
}

// TestTenCallersDuringRotations: a token is rotated a thousand times, every 15 minutes, as often as it may be. Ten callers
// run before, between and after the steps. None fails, whatever the provider does with the old token and the new, and
// none tries more than four tokens. A run meets one rotation at most: it lasts 15 minutes at the longest.
func TestTenCallersDuringRotations(t *testing.T) {
	t.Parallel()
	const callers, rotations, turns = 10, 1000, 10
	c := &crowd{stage: newStage(t), began: map[int]int{}, recovered: map[string]int{}, tokens: map[string]map[string]bool{}}
	c.changed.L = &c.mu
	c.api.Rule(c.answer)
	tokens, err := c.auth.LogIn(clientID, "")
	must(t, err)
	c.put(map[string]any{"grant": "refresh_token", "refresh_token": tokens.Refresh}, map[string]any{"token": tokens.Access, "test": "GET https://" + c.apiHost + "/test"})
	must(t, c.store.EnableRotation(secret, lambdaARN))

	var wg sync.WaitGroup
	for n := range callers {
		wg.Go(func() { c.call(n, turns, c.newCaller()) })
	}
	for n := range rotations {
		if !c.rotation(n % kinds) {
			break
		}
	}
	c.mu.Lock()
	c.over = true
	c.changed.Broadcast()
	c.mu.Unlock()
	wg.Wait()

	if n := c.auth.Count(idp.RefreshToken); n != (idp.Count{Requests: rotations, Granted: rotations}) {
		t.Errorf("exchanges: %+v", n)
	}
	// Which way a run meets a rotation is the scheduler's choice: on a busy machine one of the three may not come up. Each
	// is tried by itself in window_test.go of internal/dev/awssim.
	if len(c.recovered) < 2 {
		t.Errorf("runs met rotations only so: %v", c.recovered)
	}
	c.silent()
	t.Logf("%d runs during %d rotations; %v met one", c.runs, rotations, c.recovered)
}

// answer is the API's: it keeps which tokens a run has tried.
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

// call runs a caller in two phases that follow each other, out of many: so it comes with a token that it has kept.
func (c *crowd) call(n, turns int, h *caller.Handler) {
	last := 0
	for run := 0; ; run++ {
		c.mu.Lock()
		for !c.over && (c.phase <= last || (c.phase+2*n)%(2*turns) > 1) {
			c.changed.Wait()
		}
		if c.over {
			c.mu.Unlock()
			return
		}
		last = c.phase
		c.began[n] = last
		path := fmt.Sprintf("caller-%d/%d", n, run)
		c.tokens["/"+path] = map[string]bool{}
		c.mu.Unlock()

		result, err := c.run(h, path)

		c.mu.Lock()
		delete(c.began, n)
		c.ended = max(c.ended, last)
		c.runs++
		if result.RecoveredWith != "" {
			c.recovered[result.RecoveredWith]++
		}
		tried := c.tokens["/"+path]
		delete(c.tokens, "/"+path)
		c.changed.Broadcast()
		c.mu.Unlock()
		if err != nil || len(tried) > 4 {
			c.t.Errorf("run %s tried %d tokens: %v", path, len(tried), err)
		}
	}
}

// begin starts a phase and waits for a run of it.
func (c *crowd) begin() {
	c.mu.Lock()
	defer c.mu.Unlock()
	c.phase++
	c.changed.Broadcast()
	for phase := c.phase; c.ended < phase && !c.t.Failed(); {
		c.changed.Wait()
	}
}

// rotation is one, with what the provider does at the steps; false: it failed.
func (c *crowd) rotation(kind int) bool {
	// The runs that saw the last rotation come to their end.
	c.mu.Lock()
	for len(c.began) > 0 && earliest(c.began) < c.phase {
		c.changed.Wait()
	}
	c.early = ""
	c.mu.Unlock()
	c.pass(15 * time.Minute)
	c.begin()

	old := c.accessToken(secretsmanager.Current)
	c.after = func(e secretsmanager.RotationEvent) { c.provider(kind, e.Step, old) }
	must(c.t, c.store.RotateSecret(c.t.Context(), secret))
	c.mu.Lock()
	c.phase++ // runs that begin from now on have not seen it
	c.mu.Unlock()
	all := c.store.Rotations()
	if err := all[len(all)-1].Err; err != nil {
		c.t.Errorf("rotation %d: %v", len(all), err)
	}
	return !c.t.Failed()
}

// provider does what its kind does after a step.
func (c *crowd) provider(kind int, step, old string) {
	switch {
	case kind == endsWhenStored && step == "createSecret", kind == endsWhenMoved && step == "finishSecret":
		c.auth.EndAccess(old)
	case kind == beginsLater && step == "createSecret":
		c.mu.Lock()
		c.early = c.accessToken(secretsmanager.Pending)
		c.mu.Unlock()
		return
	case kind == beginsLater && step == "finishSecret":
		c.begin() // one more, so that those who come with a token that they have kept are not always the same
	case kind == endsLater && step == "testSecret":
	default:
		return
	}
	c.begin()
}

func earliest(began map[int]int) int {
	first := int(^uint(0) >> 1)
	for phase := range maps.Values(began) {
		first = min(first, phase)
	}
	return first
}
