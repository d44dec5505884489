package main

import (
	"fmt"
	"io"
)

// key names a column of samples.
type key struct {
	subject, path string
	emulated      bool
}

// results are the samples of all rounds, in the order of the rounds.
type results struct {
	samples   map[key][]sample
	artifacts artifacts
	growth    map[string]int64 // peak memory by kind of body, in bytes
	megabytes int              // of the emulated function; 0: none
	skipped   []string
}

func (r *results) each(k key, of func(sample) float64) values {
	var v values
	for _, s := range r.samples[k] {
		v = append(v, of(s))
	}
	return v
}

func startOf(s sample) float64    { return milliseconds(s.start) }
func firstOf(s sample) float64    { return milliseconds(s.first) }
func coldOf(s sample) float64     { return milliseconds(s.start + s.first) }
func cpuStartOf(s sample) float64 { return milliseconds(s.cpuStart) }
func cpuFirstOf(s sample) float64 { return milliseconds(s.cpuFirst) }
func cpuWarmOf(s sample) float64  { return milliseconds(s.cpuWarm) }
func peakOf(s sample) float64     { return float64(s.peak) / oneMiB }
func p50Of(s sample) float64      { return warmOf(s).median() }

// p99Of is the slowest but one in a hundred of one process's runs; with fewer than 100 runs the slowest.
func p99Of(s sample) float64 { return warmOf(s).quantile(0.99) }

func warmOf(s sample) values {
	var v values
	for _, d := range s.warm {
		v = append(v, milliseconds(d))
	}
	return v
}

// pooled are the warm runs of all processes together.
func (r *results) pooled(k key) values {
	var v values
	for _, s := range r.samples[k] {
		v = append(v, warmOf(s)...)
	}
	return v
}

// summary prints what matters most in three lines.
func (r *results) summary(out io.Writer) {
	ours, naive := key{subjectOurs, pathAccepted, false}, key{subjectNaive, pathAccepted, false}
	small, smallNaive := key{subjectOurs, pathAccepted, true}, key{subjectNaive, pathAccepted, true}
	long, longBare, longNaive := key{subjectOurs, pathLong, false}, key{subjectBare, pathLong, false}, key{subjectNaive, pathLong, false}
	median := func(k key, of func(sample) float64) float64 { return r.each(k, of).median() }
	fmt.Fprintf(out, "- From nothing to the end of the first run: %s ms, where the SDK's defaults take %s ms", figure(median(ours, coldOf)), figure(median(naive, coldOf)))
	if r.megabytes > 0 {
		fmt.Fprintf(out, "; at an emulated %d MB %s ms and %s ms", r.megabytes, figure(median(small, coldOf)), figure(median(smallNaive, coldOf)))
	}
	warm := median(long, cpuWarmOf)
	fmt.Fprintf(out, ".\n- A warm run: %s ms of CPU, %.2f × a bare HTTPS call and %.2f × the SDK's defaults; %.0f calls to AWS within five minutes of the last.\n",
		figure(warm), warm/median(longBare, cpuWarmOf), warm/median(longNaive, cpuWarmOf), r.each(long, func(s sample) float64 { return float64(s.warmAsked.aws()) }).max())
	worst := int64(0)
	for _, peak := range r.growth {
		worst = max(worst, peak)
	}
	fmt.Fprintf(out, "- %.0f MiB of memory, %.0f MiB whatever a target sends, and %.1f MB of zip for arm64.\n", median(long, peakOf), float64(worst)/oneMiB, float64(r.artifacts.zip)/1e6)
}

// tables prints what was measured as Markdown.
func (r *results) tables(out io.Writer, list []subject) {
	for _, emulated := range []bool{false, true} {
		for _, p := range paths {
			r.table(out, list, p.name, emulated)
		}
	}
}

func (r *results) table(out io.Writer, list []subject, path string, emulated bool) {
	floor := key{subjectEmpty, pathAccepted, emulated}
	processes := 0
	for _, s := range list {
		processes = max(processes, len(r.samples[key{s.name, path, emulated}]))
	}
	if processes == 0 {
		return
	}
	size := "a whole core"
	if emulated {
		size = fmt.Sprintf("%d MB emulated", r.megabytes)
	}
	answer := "target answers 200"
	switch path {
	case pathRejected:
		answer = "target answers 401"
	case pathPost:
		answer = "POST that must not go out twice, target answers 200"
	case pathLong:
		answer = "target answers 200, many runs in each process"
	case pathLongRejected:
		answer = "target answers 401, many runs in each process"
	}
	fmt.Fprintf(out, "\n**%s, %s** (medians of %d processes, min–max in brackets, then × empty)\n\n", size, answer, processes)
	fmt.Fprintln(out, "| subject | start ms | first run ms | start + first ms | × empty | warm p50 ms | warm p99 ms | CPU start ms | CPU first ms | CPU warm ms | peak MiB |")
	fmt.Fprintln(out, "|---|---|---|---|---|---|---|---|---|---|---|")
	for _, s := range list {
		k := key{s.name, path, emulated}
		if len(r.samples[k]) == 0 {
			continue
		}
		cold := r.each(k, coldOf)
		times := "–"
		if least := r.each(floor, coldOf).median(); least > 0 {
			times = figure(cold.median() / least)
		}
		fmt.Fprintf(out, "| %s | %s | %s | %s | %s | %s | %s | %s | %s | %s | %s |\n", s.name,
			spread(r.each(k, startOf)), spread(r.each(k, firstOf)), spread(cold), times,
			spread(r.each(k, p50Of)), figure(r.pooled(k).quantile(0.99)),
			spread(r.each(k, cpuStartOf)), spread(r.each(k, cpuFirstOf)), spread(r.each(k, cpuWarmOf)), spread(r.each(k, peakOf)))
	}
}

func spread(v values) string {
	return fmt.Sprintf("%s (%s–%s)", figure(v.median()), figure(v.min()), figure(v.max()))
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
