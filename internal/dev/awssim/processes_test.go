package awssim_test

import (
	"fmt"
	"os"
	"runtime"
	"strconv"
	"strings"
	"sync"
	"testing"

	"github.com/cronbearer/cronbearer/internal/dev/awssim"
	"github.com/cronbearer/cronbearer/internal/dev/awssim/awssimtest"
)

// TestTenProcesses: ten environments side by side, each with many runs, share nothing but the services; none fails, and
// none grows.
func TestTenProcesses(t *testing.T) {
	t.Parallel()
	const processes, maxMemory = 10, 32 << 20
	runs := 1000
	if testing.Short() || awssimtest.RaceEnabled {
		runs = 100
	}
	r := start(t, awssim.Options{Light: true})
	var wg sync.WaitGroup
	for p := range processes {
		wg.Go(func() {
			for n := range runs {
				run, err := r.Invoke(
					t.Context(), "Caller",
					event(map[string]any{"job": fmt.Sprint("Job", p), "call": fmt.Sprintf("GET https://%s/%d/%d", host, p, n)}),
				)
				if err != nil || run.Result.Outcome != "succeeded" {
					t.Errorf("process %d, run %d: %v %s", p, n, err, run.Message)
					return
				}
			}
		})
	}
	wg.Wait()
	if got := r.api.Served(); got != processes*runs {
		t.Errorf("%d requests arrived, want %d", got, processes*runs)
	}
	if n := r.Function("Caller").Started(); n > processes {
		t.Errorf("%d processes were started", n)
	}
	if runtime.GOOS != "linux" || awssimtest.RaceEnabled {
		return
	}
	for _, pid := range r.Function("Caller").PIDs() {
		if peak := peakMemory(t, pid); peak > maxMemory {
			t.Errorf("a process took %d MiB at its peak", peak>>20)
		} else {
			t.Logf("peak: %.1f MiB", float64(peak)/(1<<20))
		}
	}
}

// peakMemory is the highest resident set (proc(5), VmHWM).
func peakMemory(t *testing.T, pid int) int {
	t.Helper()
	text, err := os.ReadFile(fmt.Sprintf("/proc/%d/status", pid))
	if err != nil {
		t.Fatal(err)
	}
	for line := range strings.Lines(string(text)) {
		if rest, ok := strings.CutPrefix(line, "VmHWM:"); ok {
			kib, err := strconv.Atoi(strings.Fields(rest)[0])
			if err != nil {
				t.Fatal(err)
			}
			return kib << 10
		}
	}
	t.Fatal("no VmHWM")
	return 0
}

// TestKilledProcess: an environment that dies costs the run that it had, and no other.
func TestKilledProcess(t *testing.T) {
	t.Parallel()
	r := start(t, awssim.Options{})
	r.invoke(event(nil))
	r.Function("Caller").KillIdle()
	if run := r.invoke(event(nil)); run.Result.Outcome != "succeeded" || !run.Cold {
		t.Errorf("after its death: %+v, cold %t", run.Result, run.Cold)
	}
}
