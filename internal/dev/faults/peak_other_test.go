//go:build !linux

package faults_test

func resetPeak(int) {}

// peak is known on Linux only.
func peak(int) int { return 0 }
