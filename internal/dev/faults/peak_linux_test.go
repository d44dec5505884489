package faults_test

import (
	"fmt"
	"os"
	"strconv"
	"strings"
)

// resetPeak forgets the most memory that a process has taken (proc(5), clear_refs).
func resetPeak(pid int) {
	_ = os.WriteFile(fmt.Sprintf("/proc/%d/clear_refs", pid), []byte("5"), 0o600) // then peak is that of earlier runs
}

// peak is the most memory that a process took, in bytes; 0: unknown.
func peak(pid int) int {
	text, _ := os.ReadFile(fmt.Sprintf("/proc/%d/status", pid)) // it may be gone
	for line := range strings.Lines(string(text)) {
		if rest, ok := strings.CutPrefix(line, "VmHWM:"); ok {
			kilobytes, _ := strconv.Atoi(strings.Fields(rest)[0])
			return kilobytes << 10
		}
	}
	return 0
}
