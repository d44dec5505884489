//go:build !linux

package main

import "time"

func cpuTime(int) (time.Duration, error) { return 0, errUnmeasured }
func peakMemory(int) (int64, error)      { return 0, errUnmeasured }

type limiter struct {
	megabytes  int
	start, run []string
}

func newLimiter(string, int) (*limiter, error) { return nil, errUnmeasured }
func join([]string, int) error                 { return errUnmeasured }
func (*limiter) close()                        {}
