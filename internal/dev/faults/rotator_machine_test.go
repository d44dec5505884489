package faults_test

import (
	"fmt"
	"maps"
	"strings"
	"syscall"
	"testing"
	"time"
)

// renew rotates a secret once, which must renew it.
func (w *world) renew(t *testing.T, name string) {
	t.Helper()
	if err := w.rotate(t, name); err != nil || !w.renewed(t, name) {
		t.Errorf("it is not renewed: %.2000v", err)
	}
}

// TestFaultsOfTheOutputInARotation: a log that takes nothing changes no rotation.
func TestFaultsOfTheOutputInARotation(t *testing.T) {
	t.Parallel()
	each(t, "rotator", outputs, func(o string) string { return strings.ReplaceAll(o, "/", "_") }, func(
		t *testing.T, w *world, output string,
	) {
		t.Helper()
		kinds := renewals()
		if fifo := w.writesTo(t, output); fifo != nil {
			fill(fifo)
			kinds = kinds[:1] // each line waits for its second
		}
		for _, k := range kinds {
			w.renew(t, w.renewable(t, k))
		}
	})
}

// TestFaultsOfTheMachineInARotation: without descriptors or memory a rotation is finished, or is when there are some.
func TestFaultsOfTheMachineInARotation(t *testing.T) {
	t.Parallel()
	type limit struct {
		name, shell string
		env         map[string]string
		enough      bool
	}
	var limits []limit
	for _, n := range []int{11, 12, 13, 14, 16} {
		limits = append(limits, limit{name: fmt.Sprint(n, " descriptors"), shell: fmt.Sprint("ulimit -n ", n)})
	}
	limits = append(
		limits,
		limit{name: "32 descriptors", shell: "ulimit -n 32", enough: true},
		limit{name: "memory of the function's size", shell: fmt.Sprint("ulimit -d ", memory<<10), enough: true},
		limit{name: "GOMEMLIMIT of 4 MiB", env: map[string]string{"GOMEMLIMIT": "4MiB"}, enough: true},
	)
	each(t, "rotator", limits, func(l limit) string { return l.name }, func(t *testing.T, w *world, l limit) {
		t.Helper()
		clock := w.env["CRONBEARER_TEST_CLOCK"]
		delete(w.env, "CRONBEARER_TEST_CLOCK") // a file that each step opens
		maps.Copy(w.env, l.env)
		w.limit = l.shell
		name := w.renewable(t, renewals()[0])
		if l.enough {
			w.renew(t, name)
			return
		}
		_ = w.rotate(t, name)
		w.process.Kill()
		w.process, w.limit, w.env["CRONBEARER_TEST_CLOCK"] = nil, "", clock
		w.turnClock(t, 2*time.Minute)
		w.finish(t, name)
	})
}

// TestFaultsOfTimeInARotation: a clock that jumps, a process that is frozen, and a deadline that is near.
func TestFaultsOfTimeInARotation(t *testing.T) {
	t.Parallel()
	trials := map[string]func(*testing.T, *world, string){
		"the clock jumps": func(t *testing.T, w *world, name string) {
			t.Helper()
			for _, offset := range []time.Duration{
				0, 36 * time.Hour, -36 * time.Hour, 400 * 24 * time.Hour, -400 * 24 * time.Hour, time.Minute, 0,
			} {
				w.turnClock(t, offset)
				w.renew(t, name)
			}
		},
		"frozen between rotations, all connections lost": func(t *testing.T, w *world, name string) {
			t.Helper()
			for range 3 {
				w.renew(t, name)
				must(t, syscall.Kill(w.pid(t), syscall.SIGSTOP))
				for _, d := range []*door{w.secrets, w.metrics, w.target, w.issuer} {
					d.cut()
				}
				time.Sleep(50 * time.Millisecond)
				must(t, syscall.Kill(w.pid(t), syscall.SIGCONT))
			}
			w.renew(t, name)
		},
		"frozen within a rotation": func(t *testing.T, w *world, name string) {
			t.Helper()
			w.start(t)
			pid := w.pid(t)
			thaw := time.AfterFunc(20*time.Millisecond, func() {
				_ = syscall.Kill(pid, syscall.SIGSTOP)
				time.Sleep(1500 * time.Millisecond)
				_ = syscall.Kill(pid, syscall.SIGCONT)
			})
			defer thaw.Stop()
			_ = w.rotate(t, name)
			w.turnClock(t, 2*time.Minute)
			w.finish(t, name)
		},
	}
	for _, left := range []int{2, 10, 30, 60, 120, 800} {
		trials[fmt.Sprint(left, " ms are left")] = func(t *testing.T, w *world, name string) {
			t.Helper()
			w.stepTime = time.Duration(left) * time.Millisecond
			_ = w.rotate(t, name)
			w.stepTime = 0
			w.turnClock(t, 2*time.Minute)
			w.finish(t, name)
		}
	}
	each(t, "rotator", sorted(trials), func(name string) string { return name }, func(
		t *testing.T, w *world, trial string,
	) {
		t.Helper()
		trials[trial](t, w, w.renewable(t, renewals()[2]))
	})
}
