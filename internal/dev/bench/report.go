package main

import (
	"cmp"
	"fmt"
	"io"
	"math"
	"slices"
	"time"

	"golang.org/x/perf/benchmath"
)

// key names a row of the table.
type key struct {
	subject   string
	path      string
	megabytes int // emulated; 0: a whole core
}

// results are what all rounds showed.
type results struct {
	samples   map[key][]sample
	artifacts artifacts
	peak      int64 // the largest with a hostile body, in bytes
	skipped   []string
}

func milliseconds(d time.Duration) float64 { return float64(d) / float64(time.Millisecond) }

// quantile is by nearest rank, of sorted values.
func quantile(v []time.Duration, q float64) time.Duration {
	if len(v) == 0 {
		return 0
	}
	return v[max(0, int(math.Ceil(q*float64(len(v))))-1)]
}

// measure is a column of the table: a number of each process.
type measure struct {
	title string
	of    func(sample) float64
}

var (
	start    = measure{"start, ms", func(s sample) float64 { return milliseconds(s.start) }}
	first    = measure{"first run, ms", func(s sample) float64 { return milliseconds(s.first) }}
	cold     = measure{"start + first run, ms", func(s sample) float64 { return milliseconds(s.start + s.first) }}
	cpuStart = measure{"start, CPU ms", func(s sample) float64 { return milliseconds(s.cpuStart) }}
	cpuFirst = measure{"first run, CPU ms", func(s sample) float64 { return milliseconds(s.cpuFirst) }}
	p50      = measure{"warm p50, ms", func(s sample) float64 { return milliseconds(quantile(s.warm, 0.5)) }}
	p99      = measure{"warm p99, ms", func(s sample) float64 { return milliseconds(quantile(s.warm, 0.99)) }}
	cpuWarm  = measure{"warm run, CPU ms", func(s sample) float64 { return milliseconds(s.cpuWarm) }}
	peak     = measure{"peak, MiB", func(s sample) float64 { return float64(s.peak) / oneMiB }}
)

var measures = []measure{start, first, cold, cpuStart, cpuFirst, p50, p99, cpuWarm, peak}

func summarize(values []float64) benchmath.Summary {
	return benchmath.AssumeNothing.Summary(benchmath.NewSample(slices.Clone(values), &benchmath.DefaultThresholds), 0.95)
}

// summary is the median of a row's processes with its confidence interval at 95 %.
func (r *results) summary(k key, m measure) (benchmath.Summary, bool) {
	var values []float64
	for _, s := range r.samples[k] {
		values = append(values, m.of(s))
	}
	if len(values) == 0 {
		return benchmath.Summary{}, false
	}
	return summarize(values), true
}

// table prints a row for each subject, answer and size, in the order of the subjects.
func (r *results) table(out io.Writer, list []subject) {
	fmt.Fprint(out, "\n| subject | answer | size | n |")
	for _, m := range measures {
		fmt.Fprintf(out, " %s |", m.title)
	}
	fmt.Fprint(out, "\n| --- | --- | --- | --- |")
	for range measures {
		fmt.Fprint(out, " --- |")
	}
	fmt.Fprintln(out)
	rows := make([]key, 0, len(r.samples))
	for k := range r.samples {
		rows = append(rows, k)
	}
	order := func(k key) int { return slices.IndexFunc(list, func(s subject) bool { return s.name == k.subject }) }
	slices.SortFunc(rows, func(a, b key) int {
		return cmp.Or(cmp.Compare(a.megabytes, b.megabytes), cmp.Compare(a.path, b.path), cmp.Compare(order(a), order(b)))
	})
	answers := map[string]string{accepted.at: "200", rejected.at: "401"}
	for _, k := range rows {
		size := "whole core"
		if k.megabytes > 0 {
			size = fmt.Sprintf("%d MB", k.megabytes)
		}
		fmt.Fprintf(out, "| %s | %s | %s | %d |", k.subject, answers[k.path], size, len(r.samples[k]))
		for _, m := range measures {
			s, _ := r.summary(k, m)
			fmt.Fprintf(out, " %s ±%s |", figure(s.Center), s.PctRangeString())
		}
		fmt.Fprintln(out)
	}
}

// figure prints three digits that mean something.
func figure(v float64) string {
	switch {
	case v >= 100:
		return fmt.Sprintf("%.0f", v)
	case v >= 10:
		return fmt.Sprintf("%.1f", v)
	case v >= 1:
		return fmt.Sprintf("%.2f", v)
	default:
		return fmt.Sprintf("%.3f", v)
	}
}
