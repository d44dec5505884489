package main

import (
	"fmt"
	"io"
	"math"
	"strings"
)

// interval is a measured number, with the bounds that the confidence intervals of its parts leave it.
type interval struct{ value, low, high float64 }

// goal is a promise of the project: a ratio within one run, or a size.
type goal struct {
	name, text string
	limit      float64
	unit       string
	of         func(r *results) (interval, bool) // false: not measured
}

// ratio is that of two rows' medians.
func ratio(a, b key, m measure) func(*results) (interval, bool) {
	return func(r *results) (interval, bool) {
		x, ok := r.summary(a, m)
		y, okY := r.summary(b, m)
		if !ok || !okY || y.Center <= 0 {
			return interval{}, false
		}
		return interval{x.Center / y.Center, x.Lo / y.Hi, x.Hi / max(y.Lo, 1e-9)}, true
	}
}

// exactly is a number that does not vary; 0 is one that was not measured.
func exactly(of func(r *results) float64) func(*results) (interval, bool) {
	return func(r *results) (interval, bool) {
		v := of(r)
		return interval{v, v, v}, v > 0
	}
}

func row(subject string, p path, megabytes int) key { return key{subject, p.at, megabytes} }

// targets are those of the project's contract on speed. T11 and T12 are computed: docs/performance.md and
// docs/costs.md.
func targets() []goal {
	ours, empty := row(subjectOurs, accepted, 0), row(subjectEmpty, accepted, 0)
	bare, naive := row(subjectBare, accepted, 0), row(subjectNaive, accepted, 0)
	return []goal{
		{"T1", "start + first run / empty", 5.0, "×", ratio(ours, empty, cold)},
		{"T1", "start + first run / naive", 0.60, "×", ratio(ours, naive, cold)},
		{"T2", "first run's CPU / empty", 5.0, "×", ratio(ours, empty, cpuFirst)},
		{
			"T3", "128 MB: start + first run / naive", 0.10, "×",
			ratio(row(subjectOurs, accepted, 128), row(subjectNaive, accepted, 128), cold),
		},
		{"T4", "warm run's CPU / bare", 1.40, "×", ratio(ours, bare, cpuWarm)},
		{"T4", "warm p50 / bare", 1.30, "×", ratio(ours, bare, p50)},
		{"T5", "warm run's CPU / naive", 0.35, "×", ratio(ours, naive, cpuWarm)},
		{"T5", "warm p99 / naive", 0.30, "×", ratio(ours, naive, p99)},
		{
			"T6", "rejected run's CPU / naive's", 1.0, "×",
			ratio(row(subjectOurs, rejected, 0), row(subjectNaive, rejected, 0), cpuWarm),
		},
		{"T7", "peak memory / empty", 2.0, "×", ratio(ours, empty, peak)},
		{"T7", "peak memory", 16, "MiB", peakMedian(ours)},
		{"T7", "peak memory with any body, above that", 10, "MiB", exactly(func(r *results) float64 {
			usual, _ := r.summary(ours, peak)
			if r.peak == 0 || usual.Center == 0 {
				return 0
			}
			return max(float64(r.peak)/oneMiB-usual.Center, 1e-3)
		})},
		{"T8", "arm64 zip", 3.6, "MB", exactly(func(r *results) float64 { return float64(r.artifacts.zip) / 1e6 })},
		{"T8", "arm64 zip / empty", 1.40, "×", exactly(func(r *results) float64 { return r.artifacts.zipRatio() })},
		{"T9", "package init / empty", 3.0, "×", exactly(func(r *results) float64 { return r.artifacts.initRatio() })},
		{"T10", "AWS calls in a warm accepted run", 0, "", asked(ours, func(c counts) int64 {
			return c.reads + c.puts + c.describes
		})},
		{"T10", "metric calls in a warm rejected run", 1, "", asked(row(subjectOurs, rejected, 0), func(c counts) int64 {
			return c.puts
		})},
		{"T10", "reads in a warm rejected run", 3, "", asked(row(subjectOurs, rejected, 0), func(c counts) int64 {
			return c.reads
		})},
	}
}

func peakMedian(k key) func(*results) (interval, bool) {
	return func(r *results) (interval, bool) {
		s, ok := r.summary(k, peak)
		return interval{s.Center, s.Lo, s.Hi}, ok && s.Center > 0
	}
}

// asked is the mean over the warm runs of the process that asked the most.
func asked(k key, of func(counts) int64) func(*results) (interval, bool) {
	return func(r *results) (interval, bool) {
		worst, measured := 0.0, false
		for _, s := range r.samples[k] {
			if len(s.warm) > 0 {
				worst, measured = max(worst, float64(of(s.warmAsked))/float64(len(s.warm))), true
			}
		}
		return interval{worst, worst, worst}, measured
	}
}

// judge prints each target with what was measured.
func (r *results) judge(out io.Writer) {
	fmt.Fprint(out, "\n| target | | limit | measured | holds |\n| --- | --- | --- | --- | --- |\n")
	for _, t := range targets() {
		m, ok := t.of(r)
		measured, holds := "not measured", "–"
		if ok {
			measured, holds = strings.TrimSpace(figure(m.value)+" "+t.unit), "yes"
			if m.low != m.high && !math.IsInf(m.high, 0) && !math.IsNaN(m.low) { // too few processes for an interval
				measured += fmt.Sprintf(" (%s–%s)", figure(m.low), figure(m.high))
			}
			if m.value > t.limit {
				holds = "**no**"
			}
		}
		limit := strings.TrimSpace(figure(t.limit) + " " + t.unit)
		fmt.Fprintf(out, "| %s | %s | ≤ %s | %s | %s |\n", t.name, t.text, limit, measured, holds)
	}
}
