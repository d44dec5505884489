package main

import (
	"fmt"
	"io"
)

// target is a promise of the project, as a ratio within one run or as a size.
type target struct {
	text  string
	limit float64
	// of measures it; ok tells whether it could be measured.
	of     func(r *results) (m ratio, ok bool)
	format string
}

func (r *results) compare(a, b key, of func(sample) float64) (ratio, bool) {
	m := ratioOf(r.each(a, of), r.each(b, of))
	return m, m.value > 0
}

func exactly(v float64) ratio { return ratio{v, v, v} }

// targets are those of the project's contract on speed, in its order.
func targets(r *results) []target {
	ours, empty := key{subjectOurs, pathAccepted, false}, key{subjectEmpty, pathAccepted, false}
	naive := key{subjectNaive, pathAccepted, false}
	long, longEmpty := key{subjectOurs, pathLong, false}, key{subjectEmpty, pathLong, false}
	longBare, longNaive, longRejected := key{subjectBare, pathLong, false}, key{subjectNaive, pathLong, false}, key{subjectOurs, pathLongRejected, false}
	against := func(a, b key, of func(sample) float64) func(*results) (ratio, bool) {
		return func(r *results) (ratio, bool) { return r.compare(a, b, of) }
	}
	known := func(v float64) func(*results) (ratio, bool) {
		return func(*results) (ratio, bool) { return exactly(v), v > 0 }
	}
	list := []target{
		{"start + first run ≤ 5.0 × empty", 5.0, against(ours, empty, coldOf), "%.2f ×"},
		{"start + first run ≤ 0.60 × naive", 0.60, against(ours, naive, coldOf), "%.3f ×"},
	}
	small, smallNaive := ours, naive
	small.emulated, smallNaive.emulated = true, true
	size := "128 MB emulated"
	if r.megabytes > 0 {
		size = fmt.Sprintf("%d MB emulated", r.megabytes)
	}
	list = append(list,
		target{size + ": start + first run ≤ 0.08 × naive", 0.08, against(small, smallNaive, coldOf), "%.3f ×"},
		target{"warm run, CPU ≤ 1.15 × the bare call", 1.15, against(long, longBare, cpuWarmOf), "%.2f ×"},
		target{"warm run, p50 ≤ 1.15 × the bare call", 1.15, against(long, longBare, p50Of), "%.2f ×"},
		target{"warm run, p99 ≤ 0.25 × naive", 0.25, func(r *results) (ratio, bool) {
			m, ok := r.compare(long, longNaive, p99Of)
			m.value = r.pooled(long).quantile(0.99) / max(r.pooled(longNaive).quantile(0.99), 1e-9)
			return m, ok
		}, "%.3f ×"},
		target{"rejected run, CPU ≤ 2.3 × our accepted run", 2.3, against(longRejected, long, cpuWarmOf), "%.2f ×"},
		target{"peak memory ≤ 2.0 × empty", 2.0, against(long, longEmpty, peakOf), "%.2f ×"},
		target{"peak memory ≤ 16 MiB", 16, func(r *results) (ratio, bool) {
			v := r.each(long, peakOf)
			return ratio{v.median(), v.quantile(0.25), v.quantile(0.75)}, v.median() > 0
		}, "%.1f MiB"},
		target{"peak memory, whatever the body: + 10 MiB at most", 10, func(r *results) (ratio, bool) {
			worst := int64(0)
			for _, peak := range r.growth {
				worst = max(worst, peak)
			}
			return exactly(float64(worst)/oneMiB - r.each(long, peakOf).median()), worst > 0
		}, "%.1f MiB"},
		target{"arm64 zip ≤ 3.3 MB", 3.3, known(float64(r.artifacts.zip) / 1e6), "%.2f MB"},
		target{"arm64 zip ≤ 1.35 × empty", 1.35, known(float64(r.artifacts.zip) / float64(max(r.artifacts.emptyZip, 1))), "%.2f ×"},
		target{"package init ≤ 2.8 × empty", 2.8, func(r *results) (ratio, bool) {
			m := ratioOf(r.artifacts.clock, r.artifacts.emptyClock)
			return m, m.value > 0
		}, "%.2f ×"},
		target{"AWS calls in a warm accepted run: 0", 0, func(r *results) (ratio, bool) {
			worst := int64(0)
			for _, k := range []key{ours, long} {
				for _, s := range r.samples[k] {
					worst = max(worst, s.warmAsked.aws())
				}
			}
			return exactly(float64(worst)), len(r.samples[ours]) > 0
		}, "%.0f"},
	)
	return list
}

// judge prints each target with what was measured, and returns how many could not be measured.
func (r *results) judge(out io.Writer) (unmeasured int) {
	fmt.Fprint(out, "\n**Targets** (ratios of medians; in brackets the middle half of the rounds' own ratios)\n\n| target | measured | holds |\n|---|---|---|\n")
	for _, t := range targets(r) {
		m, ok := t.of(r)
		if !ok {
			unmeasured++
			fmt.Fprintf(out, "| %s | not measured | – |\n", t.text)
			continue
		}
		text := fmt.Sprintf(t.format, m.value)
		if m.low != m.high {
			text += fmt.Sprintf(" (%s–%s)", figure(m.low), figure(m.high))
		}
		holds := "yes"
		if m.value > t.limit {
			holds = "**no**"
		}
		fmt.Fprintf(out, "| %s | %s | %s |\n", t.text, text, holds)
	}
	return unmeasured
}

// facts prints what stands behind the targets and is no ratio.
func (r *results) facts(out io.Writer) {
	a := r.artifacts
	fmt.Fprintf(out, "\n**Sizes** (arm64): binary %.2f MB (empty %.2f), zip %.2f MB (empty %.2f). **Package init**: %d packages, %d KB, %s ms (empty: %d, %d KB, %s ms).\n",
		float64(a.binary)/1e6, float64(a.emptyBinary)/1e6, float64(a.zip)/1e6, float64(a.emptyZip)/1e6,
		a.trace.packages, a.trace.bytes/1000, figure(a.clock.median()), a.emptyTrace.packages, a.emptyTrace.bytes/1000, figure(a.emptyClock.median()))
	for _, p := range []string{pathAccepted, pathRejected, pathPost} {
		list := r.samples[key{subjectOurs, p, false}]
		if len(list) == 0 || len(list[0].warm) == 0 {
			continue
		}
		first, warm, runs := list[0].firstAsked, list[0].warmAsked, float64(len(list[0].warm))
		fmt.Fprintf(out, "\n%s: first run: %d secret reads, %d metric and %d alarm calls, %d handshakes; each warm run: %.2f, %.2f, %.2f and %.2f.\n",
			p, first.reads, first.puts, first.describes, first.handshakes,
			float64(warm.reads)/runs, float64(warm.puts)/runs, float64(warm.describes)/runs, float64(warm.handshakes)/runs)
	}
	for _, kind := range bodyKinds {
		if peak, ok := r.growth[kind.name]; ok {
			fmt.Fprintf(out, "\nPeak memory with %s: %.1f MiB.\n", kind.what, float64(peak)/oneMiB)
		}
	}
}
