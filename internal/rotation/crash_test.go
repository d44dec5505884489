package rotation_test

import (
	"errors"
	"math/rand/v2"
	"sync"
	"testing"
	"testing/synctest"
	"time"

	"github.com/cronbearer/cronbearer/internal/rotation"
)

// TestRotatorDiesAnywhere kills rotators before and after everything that they do, 1,000 seeded times, with Secrets
// Manager repeating the rotation as it does. The refresh token in the store must be one that the server honours, but in
// the one window that no rotator can close: the server has answered, and the answer is not stored.
func TestRotatorDiesAnywhere(t *testing.T) {
	t.Parallel()
	const seeds = 1000
	var killed, windows, logins, rotated int
	for seed := range uint64(seeds) {
		synctest.Test(t, func(t *testing.T) {
			random := rand.New(rand.NewPCG(seed, 4))
			w := newWorld(t, refreshable)
			for range 3 { // rotations
				for tries := 1; ; tries++ {
					before, alive := w.stored(), w.provider.honours(w.stored())
					p := w.start()
					if random.IntN(4) > 0 && tries < 6 {
						p.dieAt = 1 + random.Int32N(50)
					}
					err := p.all()
					p.close()
					honoured := w.provider.honours(w.stored())
					if err == nil {
						if !honoured {
							t.Fatalf("seed %d: a rotation succeeded, and its refresh token is dead", seed)
						}
						rotated++
						break
					}
					if errors.Is(err, errDied) {
						killed++
						if !honoured && w.stored() != before {
							t.Fatalf("seed %d: the store changed to a dead refresh token", seed)
						}
						if alive && !honoured {
							windows++
						}
						continue
					}
					if _, ok := errors.AsType[*rotation.ReauthorizationRequiredError](err); !ok || honoured {
						t.Fatalf("seed %d: %v", seed, err)
					}
					logins++
					w.sm.PutByHand(refreshable(w.provider.logIn()))
				}
			}
			if left := leases(w.sm); len(left) > 0 {
				t.Errorf("seed %d: labels are left: %v", seed, left)
			}
		})
	}
	if windows != logins {
		t.Errorf("%d answers were lost, and %d rotations asked to re-authorize", windows, logins)
	}
	t.Logf("%d rotations, %d processes killed, %d of them between the server's answer and the store (all ended in %q)",
		rotated, killed, windows, "re-authorize")
}

// asked is the move at which a rotator's token request arrives: until then its death costs nothing.
const asked = 17

// TestConcurrentRotators lets two to four rotators at one version, at random moments and speeds, with a DescribeSecret
// that may be behind, and sometimes after one that died with the lease. The refresh token is exchanged once.
func TestConcurrentRotators(t *testing.T) {
	t.Parallel()
	for seed := range uint64(500) {
		synctest.Test(t, func(t *testing.T) {
			random := rand.New(rand.NewPCG(seed, 5))
			w := newWorld(t, refreshable)
			w.sm.Lag = time.Duration(random.IntN(100)) * time.Millisecond
			slow := time.Duration(1 + random.IntN(20_000))
			w.provider.delay = func() time.Duration { return slow * time.Millisecond }
			version := w.sm.Rotate()
			time.Sleep(time.Second) // Secrets Manager's own call comes after it has settled
			if random.IntN(3) == 0 {
				p := w.start()
				p.dieAt = 1 + random.Int32N(asked)
				if _, err := p.invoke(event(rotation.CreateSecret, version)); !errors.Is(err, errDied) {
					t.Fatalf("seed %d: the first one lives: %v", seed, err)
				}
				p.close()
			}
			var all sync.WaitGroup
			for range 2 + random.IntN(3) {
				start := time.Duration(random.IntN(500)) * time.Millisecond
				pace := time.Duration(1+random.IntN(50)) * time.Millisecond
				all.Go(func() {
					time.Sleep(start)
					p := w.start()
					defer p.close()
					p.latency = func() time.Duration { return rand.N(pace) }
					if _, err := p.invoke(event(rotation.CreateSecret, version)); err != nil {
						t.Errorf("seed %d: %v", seed, err)
					}
				})
			}
			all.Wait()
			if exchanges, posts := w.provider.counts(); exchanges != 1 || posts != 1 {
				t.Errorf("seed %d: %d exchanges, %d requests", seed, exchanges, posts)
			}
			if !w.provider.honours(w.stored()) {
				t.Errorf("seed %d: the stored refresh token is dead", seed)
			}
			p := w.start()
			defer p.close()
			w.sm.Lag = 0
			if _, err := p.do(rotation.FinishSecret); err != nil {
				t.Errorf("seed %d: %v", seed, err)
			}
			if left := leases(w.sm); len(left) > 0 {
				t.Errorf("seed %d: labels are left: %v", seed, left)
			}
		})
	}
}

// TestAnswerAfterMinutes: a rotator that waits keeps its lease, and others wait for it.
func TestAnswerAfterMinutes(t *testing.T) {
	t.Parallel()
	synctest.Test(t, func(t *testing.T) {
		w := newWorld(t, refreshable)
		w.provider.delay = func() time.Duration { return 3 * time.Minute }
		version := w.sm.Rotate()
		var all sync.WaitGroup
		for i := range 3 {
			all.Go(func() {
				time.Sleep(time.Duration(i) * 20 * time.Second)
				p := w.start()
				defer p.close()
				if _, err := p.invoke(event(rotation.CreateSecret, version)); err != nil {
					t.Error(err)
				}
			})
		}
		all.Wait()
		if _, posts := w.provider.counts(); posts != 1 {
			t.Errorf("%d token requests", posts)
		}
	})
}

// TestRotationEveryQuarterOfAnHour stays below a hundred versions.
func TestRotationEveryQuarterOfAnHour(t *testing.T) {
	t.Parallel()
	synctest.Test(t, func(t *testing.T) {
		w := newWorld(t, refreshable)
		p := w.start()
		defer p.close()
		for n := range 3 * 96 {
			if err := p.all(); err != nil {
				t.Fatalf("rotation %d: %v", n, err)
			}
			time.Sleep(15 * time.Minute)
		}
	})
}
