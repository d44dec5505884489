package faults_test

import (
	"encoding/json"
	"fmt"
	"maps"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"syscall"
	"testing"
	"time"
)

// answered is how a run ended by its answer to Lambda, for when its output is lost.
func answered(t *testing.T, r run) string {
	t.Helper()
	if r.Failed {
		return r.ErrorType
	}
	var result struct{ Outcome string }
	must(t, json.Unmarshal(r.Payload, &result))
	return result.Outcome
}

// call makes a run with a new secret of a kind.
func (w *world) call(t *testing.T, k kind, timeout time.Duration, fields map[string]any) run {
	t.Helper()
	w.path = "/v1/sync"
	w.made++
	name := fmt.Sprintf("%s-%d", k.label(), w.made)
	document, more := k.secret(t, w, nil)
	w.put(t, name, document)
	event := map[string]any{
		"job": "Job-" + name, "token": name, "secret": name, "call": "GET https://" + w.target.address + w.path,
	}
	maps.Copy(event, fields)
	maps.Copy(event, more)
	return w.invoke(t, event, timeout)
}

// outputs are those of a process that takes nothing.
var outputs = []string{">&-", ">/dev/full", "2>&-", "2>/dev/full", ">&- 2>&-", ">fifo"}

// TestFaultsOfTheOutput: a log that takes nothing changes no run.
func TestFaultsOfTheOutput(t *testing.T) {
	t.Parallel()
	each(t, "caller", outputs, func(o string) string { return strings.ReplaceAll(o, "/", "_") }, func(
		t *testing.T, w *world, output string,
	) {
		t.Helper()
		fifo := w.writesTo(t, output)
		for i, path := range []string{"", rejectedPath, "", rejectedPath} {
			if fifo != nil {
				fill(fifo)
			}
			want := "succeeded"
			fields := map[string]any{}
			if path != "" {
				want, fields["call"] = "TokenRejectedError", "GET https://"+w.target.address+path
			}
			if got := answered(t, w.call(t, kinds()[i%3], functionTime, fields)); got != want {
				t.Errorf("run %d: got %s, want %s", i, got, want)
			}
		}
		if fifo == nil {
			return
		}
		drain(fifo)
		w.call(t, kinds()[0], functionTime, nil)
		if text := drain(fifo); !strings.Contains(text, `"outcome":"succeeded"`) {
			t.Errorf("the next line is lost, too: %q", text)
		}
	})
}

// writesTo directs the output of the process, and returns the pipe if it is one.
func (w *world) writesTo(t *testing.T, output string) *os.File {
	t.Helper()
	w.output = output
	if output != ">fifo" {
		return nil
	}
	path := filepath.Join(w.dir, "fifo")
	must(t, syscall.Mkfifo(path, 0o600))
	fifo, err := os.OpenFile(path, os.O_RDWR|syscall.O_NONBLOCK, 0)
	must(t, err)
	t.Cleanup(func() { _ = fifo.Close() })
	w.output = ">'" + path + "'"
	return fifo
}

// fill leaves no room in a pipe.
func fill(pipe *os.File) {
	fd := int(pipe.Fd())
	_ = syscall.SetNonblock(fd, true)
	for _, size := range []int{64 << 10, 4 << 10, 1} {
		block := make([]byte, size)
		for {
			if _, err := syscall.Write(fd, block); err != nil {
				break
			}
		}
	}
}

// drain empties a pipe.
func drain(pipe *os.File) string {
	fd := int(pipe.Fd())
	_ = syscall.SetNonblock(fd, true)
	var text strings.Builder
	block := make([]byte, 64<<10)
	for {
		n, err := syscall.Read(fd, block)
		if err != nil || n == 0 {
			time.Sleep(50 * time.Millisecond) // of a writer that was waiting
			if n, err = syscall.Read(fd, block); err != nil || n == 0 {
				return text.String()
			}
		}
		text.Write(block[:n])
	}
}

// TestFaultsOfTheMachine: without descriptors or memory a run says so, and nothing of the token.
func TestFaultsOfTheMachine(t *testing.T) {
	t.Parallel()
	type limit struct {
		name, shell string
		env         map[string]string
		want        []string
	}
	var limits []limit
	for _, n := range []int{10, 11, 12, 13, 14, 16} { // with less it does not start
		limits = append(limits, limit{
			name: fmt.Sprint(n, " descriptors"), shell: fmt.Sprint("ulimit -n ", n),
			want: []string{"succeeded", "TokenUnavailableError", "UnreachableError"},
		})
	}
	limits = append(
		limits,
		limit{name: "32 descriptors", shell: "ulimit -n 32", want: []string{"succeeded"}},
		limit{
			name: "memory of the function's size", shell: fmt.Sprint("ulimit -d ", memory<<10), want: []string{"succeeded"},
		},
		limit{name: "GOMEMLIMIT of 4 MiB", env: map[string]string{"GOMEMLIMIT": "4MiB"}, want: []string{"succeeded"}},
	)
	each(t, "caller", limits, func(l limit) string { return l.name }, func(t *testing.T, w *world, l limit) {
		t.Helper()
		w.limit = l.shell
		delete(w.env, "CRONBEARER_TEST_CLOCK") // a file that each run opens
		maps.Copy(w.env, l.env)
		for i, k := range kinds() {
			if i == 4 { //nolint:mnd // on the way
				w.target.smash(breakage{serve: zipped(bomb(), "gzip")}, nil)
			}
			r := w.call(t, k, functionTime, nil)
			if got := answered(t, r); !slices.Contains(l.want, got) {
				t.Errorf("%s: got %s, want one of %v\n%.2000s", k.name, got, l.want, r.Message)
			}
			if strings.Contains(r.stdout, `"verdict":"rejected"`) {
				t.Errorf("%s: the token is blamed: %.2000s", k.name, r.stdout)
			}
			w.target.heal()
		}
	})
}

// TestFaultsOfTime: a clock that jumps, a process that is frozen, and a deadline that is near.
func TestFaultsOfTime(t *testing.T) {
	t.Parallel()
	trials := map[string]func(*testing.T, *world, kind){
		"the clock jumps": func(t *testing.T, w *world, k kind) {
			t.Helper()
			for _, offset := range []time.Duration{
				0, 36 * time.Hour, -36 * time.Hour, 400 * 24 * time.Hour, -400 * 24 * time.Hour, time.Minute, -time.Minute, 0,
			} {
				w.turnClock(t, offset)
				w.good(t, k)
			}
		},
		"the clock jumps under one secret": func(t *testing.T, w *world, k kind) {
			t.Helper()
			document, fields := k.secret(t, w, nil)
			name := "one-" + k.label()
			w.put(t, name, document)
			for i, offset := range []time.Duration{0, -time.Hour, time.Hour, 48 * time.Hour, -48 * time.Hour, 0} {
				w.turnClock(t, offset)
				event := map[string]any{
					"job": fmt.Sprint("Job-", name, i), "token": name, "secret": name,
					"call": "GET https://" + w.target.address + w.path,
				}
				maps.Copy(event, fields)
				if r := w.invoke(t, event, functionTime); answered(t, r) != "succeeded" {
					t.Errorf("at %s: %.2000s", offset, r.Message)
				}
			}
		},
		"a clock that cannot be read": func(t *testing.T, w *world, k kind) {
			t.Helper()
			must(t, os.WriteFile(w.clock, []byte("soon"), 0o600))
			if got := answered(t, w.call(t, k, functionTime, nil)); got != "InvalidJobError" {
				t.Errorf("got %s", got)
			}
			w.turnClock(t, 0)
			w.good(t, k)
		},
		"frozen between runs, all connections lost": func(t *testing.T, w *world, k kind) {
			t.Helper()
			for range 5 {
				w.good(t, k)
				must(t, syscall.Kill(w.pid(t), syscall.SIGSTOP))
				for _, d := range []*door{w.secrets, w.metrics, w.identity, w.target, w.issuer} {
					d.cut()
				}
				time.Sleep(50 * time.Millisecond)
				must(t, syscall.Kill(w.pid(t), syscall.SIGCONT))
				r := w.call(t, k, functionTime, map[string]any{
					"call": "POST https://" + w.target.address + w.path, "body": "once", "attempts": 1,
				})
				if got := answered(t, r); got != "succeeded" {
					t.Errorf("after the freeze: %s %.2000s", got, r.Message)
				}
			}
		},
		"frozen within a run": func(t *testing.T, w *world, k kind) {
			t.Helper()
			w.start(t)
			pid := w.pid(t)
			thaw := time.AfterFunc(0, func() {
				time.Sleep(20 * time.Millisecond)
				_ = syscall.Kill(pid, syscall.SIGSTOP)
				time.Sleep(1500 * time.Millisecond)
				_ = syscall.Kill(pid, syscall.SIGCONT)
			})
			defer thaw.Stop()
			w.target.smash(breakage{serve: answersAfter(100 * time.Millisecond)}, nil)
			r := w.call(t, k, functionTime, map[string]any{"timeout": "1s"})
			w.target.heal()
			if got := answered(t, r); got != "succeeded" {
				t.Errorf("%s: %.2000s", got, r.Message)
			}
		},
	}
	for _, left := range []int{800, 1200, 1900, 2100, 2600, 2900} {
		trials[fmt.Sprint(left, " ms are left")] = func(t *testing.T, w *world, k kind) {
			t.Helper()
			w.good(t, k) // the start is not what is tried
			r := w.call(t, k, time.Duration(left)*time.Millisecond, nil)
			if got := answered(t, r); got != "UnreachableError" && got != "TokenUnavailableError" {
				t.Errorf("got %s", got)
			}
			if got := resultOf(r); got.verdict != "unknown" {
				t.Errorf("the token is blamed: %v", got)
			}
		}
	}
	type pair struct {
		name string
		kind kind
	}
	var list []pair
	for i, name := range sorted(trials) {
		for j, k := range kinds() {
			if *everything || j == 5*i%len(kinds()) || j == (5*i+9)%len(kinds()) {
				list = append(list, pair{name, k})
			}
		}
	}
	each(t, "caller", list, func(p pair) string { return p.name + "/" + p.kind.name }, func(
		t *testing.T, w *world, p pair,
	) {
		t.Helper()
		trials[p.name](t, w, p.kind)
	})
}

// each runs trials with a process of a function for each.
func each[T any](t *testing.T, function string, trials []T, name func(T) string, try func(*testing.T, *world, T)) {
	t.Helper()
	several(t, trials, name, func(int) func(*testing.T, T) {
		return func(t *testing.T, trial T) {
			t.Helper()
			try(t, newWorld(t, function), trial)
		}
	})
}

// TestFaultsOfDNS: a name that does not exist, of the target (RFC 6761 keeps .invalid for that), is no verdict.
func TestFaultsOfDNS(t *testing.T) {
	t.Parallel()
	each(t, "caller", kinds()[:3], func(k kind) string { return k.name }, func(t *testing.T, w *world, k kind) {
		t.Helper()
		r := w.call(t, k, functionTime, map[string]any{"call": "GET https://nowhere.invalid/v1/sync", "attempts": 1})
		if got := answered(t, r); got != "UnreachableError" || resultOf(r).verdict != "unknown" {
			t.Errorf("got %s: %.2000s", got, r.Message)
		}
		if !strings.Contains(r.Message, "DNS") && !strings.Contains(r.Message, "could not be resolved") {
			t.Errorf("the error does not say why: %.2000s", r.Message)
		}
		w.good(t, k)
	})
}

// good makes a run that has to succeed, and whose metrics have to be stored.
func (w *world) good(t *testing.T, k kind) {
	t.Helper()
	r := w.call(t, k, functionTime, nil)
	if got := answered(t, r); got != "succeeded" {
		t.Errorf("got %s: %.2000s", got, r.Message)
	}
	if strings.Contains(r.stdout, "_aws") {
		t.Errorf("metrics in the log: %.2000s", r.stdout)
	}
}
