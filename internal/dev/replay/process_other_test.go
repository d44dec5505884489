//go:build !linux

package replay_test

import "testing"

// What a process has is read from proc(5), which only Linux has.

func processUsage(_ *testing.T, name string, _ int) usage { return usage{process: name} }

func quit(*testing.T, int) (goroutines int, known bool) { return 0, false }
