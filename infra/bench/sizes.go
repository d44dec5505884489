package main

import (
	"context"
	"fmt"
	"io"
	"slices"
	"strconv"
	"strings"

	"github.com/cronbearer/cronbearer/internal/dev/pricing"
)

// targetTime is how long a target is taken to need for its answer where the bench prices a run, in seconds.
const targetTime = 0.2

// sized is a subject at a size of function.
func sized(name string, megabytes int) string { return fmt.Sprintf("%s, %d MB", name, megabytes) }

// measureSizes measures the caller and the SDK's defaults at each emulated size.
func (b *bench) measureSizes(ctx context.Context, list []subject) error {
	var trials []trial
	for text := range strings.SplitSeq(b.options.sizes, ",") {
		megabytes, err := strconv.Atoi(text)
		if err != nil || megabytes < 128 || slices.Contains(b.sizes, megabytes) {
			return fmt.Errorf("-sizes %s: %q is no size of a function in MB, or stands twice", b.options.sizes, text)
		}
		l, err := newLimiter(cgroupMount, megabytes)
		if err != nil {
			return fmt.Errorf("an emulated %d MB: control groups are not to be had here: %w", megabytes, err)
		}
		defer l.close()
		b.sizes = append(b.sizes, megabytes)
		for _, name := range []string{subjectOurs, subjectNaive} {
			s := named(list, name)
			s.name = sized(name, megabytes)
			trials = append(trials, trial{s, paths[0], l, megabytes, b.warm})
		}
	}
	return b.rounds(ctx, func(int) []trial { return slices.Clone(trials) })
}

// printSizes prints a row for each size. The price is that of the time alone, of a million warm runs.
func (b *bench) printSizes(out io.Writer) {
	b.header(out, "-sizes "+b.options.sizes+" ")
	fmt.Fprint(out, "\n| size | SDK's defaults: start + first run ms | cronbearer: start + first run ms | first run ms | warm p50 ms | warm p99 ms | the time of a million runs, with a target that takes 200 ms |\n|---|---|---|---|---|---|---|\n")
	for _, megabytes := range b.sizes {
		ours, naive := key{sized(subjectOurs, megabytes), pathAccepted, true}, key{sized(subjectNaive, megabytes), pathAccepted, true}
		p50 := b.results.each(ours, p50Of).median()
		price := (targetTime + p50/1000) * float64(megabytes) / 1024 * pricing.GBSeconds.USD * 1e6
		fmt.Fprintf(out, "| %d MB | %s | %s | %s | %s | %s | $%.2f |\n", megabytes, spread(b.results.each(naive, coldOf)), spread(b.results.each(ours, coldOf)),
			spread(b.results.each(ours, firstOf)), figure(p50), figure(b.results.pooled(ours).quantile(0.99)), price)
	}
}
