package replay_test

import (
	"fmt"
	"os"
	"strconv"
	"strings"
	"syscall"
	"testing"
	"time"
)

// processUsage reads proc(5).
func processUsage(t *testing.T, name string, pid int) usage {
	t.Helper()
	u := usage{process: name}
	text, err := os.ReadFile(fmt.Sprintf("/proc/%d/status", pid))
	if err != nil {
		t.Fatal(err)
	}
	for line := range strings.Lines(string(text)) {
		fields := strings.Fields(line)
		if len(fields) < 2 { //nolint:mnd // a name and a number
			continue
		}
		n, _ := strconv.Atoi(fields[1])
		switch fields[0] {
		case "VmRSS:":
			u.memory = n << 10
		case "Threads:":
			u.threads = n
		}
	}
	open, err := os.ReadDir(fmt.Sprintf("/proc/%d/fd", pid))
	if err != nil {
		t.Fatal(err)
	}
	u.open = len(open)
	return u
}

// quit ends a Go program by SIGQUIT, on which it lists its goroutines, and counts them.
func quit(t *testing.T, pid int) (goroutines int, known bool) {
	t.Helper()
	stderr, err := os.Open(fmt.Sprintf("/proc/%d/fd/2", pid)) // the file itself, which may be removed with the process
	if err != nil {
		t.Fatal(err)
	}
	defer func() { _ = stderr.Close() }()
	if err := syscall.Kill(pid, syscall.SIGQUIT); err != nil {
		t.Fatal(err)
	}
	for range 1000 {
		if syscall.Kill(pid, 0) != nil { // its parent has waited for it
			break
		}
		time.Sleep(5 * time.Millisecond)
	}
	text, err := os.ReadFile(stderr.Name())
	if err != nil { // the process is gone, and its folder in /proc with it
		text = make([]byte, 1<<20)
		n, _ := stderr.ReadAt(text, 0)
		text = text[:n]
	}
	return strings.Count("\n"+string(text), "\ngoroutine "), true
}
