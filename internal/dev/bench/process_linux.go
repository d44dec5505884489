package main

import (
	"fmt"
	"os"
	"path/filepath"
	"slices"
	"strconv"
	"strings"
	"syscall"
	"time"
	"unsafe"
)

// cpuTime is the user and system time of all threads of a process, ended ones included, to the nanosecond. The ticks
// of /proc/PID/stat are 10 ms, longer than all that is measured here.
func cpuTime(pid int) (time.Duration, error) {
	const perProcessClock = 2 // CPUCLOCK_SCHED; clock_getcpuclockid(3) makes a clock's number in the same way
	var at syscall.Timespec
	number := int32(^pid)<<3 | perProcessClock
	if _, _, errno := syscall.Syscall(
		syscall.SYS_CLOCK_GETTIME, uintptr(number), uintptr(unsafe.Pointer(&at)), 0,
	); errno != 0 {
		return 0, fmt.Errorf("CPU clock of process %d: %w", pid, errno)
	}
	return time.Duration(at.Nano()), nil
}

// peakMemory is the most resident memory that a process ever had, in bytes.
func peakMemory(pid int) (int64, error) {
	text, err := os.ReadFile(fmt.Sprintf("/proc/%d/status", pid))
	if err != nil {
		return 0, err
	}
	for line := range strings.Lines(string(text)) {
		if value, ok := strings.CutPrefix(line, "VmHWM:"); ok {
			kilobytes, err := strconv.ParseInt(strings.TrimSuffix(strings.TrimSpace(value), " kB"), 10, 64)
			return kilobytes << 10, err
		}
	}
	return 0, fmt.Errorf("process %d reports no peak of its memory", pid)
}

// limiter emulates a Lambda size by control groups: the process is in the group of the memory from its start, and in
// the group of the CPU from its first request for work. Lambda gives a whole core to the start, and to the runs a share
// of one in windows of 20 ms.
type limiter struct {
	megabytes  int
	start, run []string // directories that a process joins
}

const (
	window        = 20 * time.Millisecond
	memoryPerCore = 1769 // MB; Lambda Developer Guide, "Memory"
)

// newLimiter uses version 2 of control groups where it offers both controllers, and version 1 otherwise.
func newLimiter(mount string, megabytes int) (*limiter, error) {
	quota := window.Microseconds() * int64(megabytes) / memoryPerCore
	period := window.Microseconds()
	name := fmt.Sprintf("cronbearer-bench-%d-%d", os.Getpid(), megabytes)
	if controllers, err := os.ReadFile(filepath.Join(mount, "cgroup.controllers")); err == nil {
		names := strings.Fields(string(controllers))
		if !slices.Contains(names, "cpu") || !slices.Contains(names, "memory") {
			return nil, fmt.Errorf("control groups offer %s, not both cpu and memory", names)
		}
		// Limits of a child need its parent's consent; the parent may hold no process itself, so there are two children.
		parent := filepath.Join(mount, name)
		l := &limiter{
			megabytes: megabytes, start: []string{filepath.Join(parent, "start")}, run: []string{filepath.Join(parent, "run")},
		}
		return l, l.make([]string{parent, l.start[0], l.run[0]}, []setting{
			{filepath.Join(mount, "cgroup.subtree_control"), "+cpu +memory"},
			{filepath.Join(parent, "cgroup.subtree_control"), "+cpu"},
			{filepath.Join(parent, "memory.max"), strconv.Itoa(megabytes << 20)},
			{filepath.Join(l.run[0], "cpu.max"), fmt.Sprintf("%d %d", quota, period)},
		})
	}
	memory, cpu := filepath.Join(mount, "memory", name), filepath.Join(mount, "cpu", name)
	l := &limiter{megabytes: megabytes, start: []string{memory}, run: []string{cpu}}
	return l, l.make([]string{memory, cpu}, []setting{
		{filepath.Join(memory, "memory.limit_in_bytes"), strconv.Itoa(megabytes << 20)},
		{filepath.Join(cpu, "cpu.cfs_period_us"), strconv.FormatInt(period, 10)},
		{filepath.Join(cpu, "cpu.cfs_quota_us"), strconv.FormatInt(quota, 10)},
	})
}

type setting struct{ file, value string }

func (l *limiter) make(directories []string, settings []setting) error {
	for _, d := range directories {
		if err := os.Mkdir(d, 0o755); err != nil { //nolint:gosec // the kernel's own mode for a control group
			l.close()
			return err
		}
	}
	for _, s := range settings {
		if err := write(s.file, s.value); err != nil {
			l.close()
			return err
		}
	}
	return nil
}

// write never creates: a control group has its files already.
func write(name, value string) error {
	file, err := os.OpenFile(name, os.O_WRONLY, 0)
	if err != nil {
		return err
	}
	_, err = file.WriteString(value)
	if closeErr := file.Close(); err == nil {
		err = closeErr
	}
	return err
}

func join(groups []string, pid int) error {
	for _, g := range groups {
		if err := write(filepath.Join(g, "cgroup.procs"), strconv.Itoa(pid)); err != nil {
			return err
		}
	}
	return nil
}

// close removes the groups, which are empty once their processes are gone.
func (l *limiter) close() {
	for _, g := range append(append([]string{}, l.run...), l.start...) {
		_ = os.Remove(g)
	}
	for _, g := range l.run {
		if parent := filepath.Dir(g); strings.HasPrefix(filepath.Base(parent), "cronbearer-bench-") {
			_ = os.Remove(parent)
		}
	}
}
