// Command bench measures the caller against other ways to do its job, and against its targets. Run it from within the
// repository: go run ./internal/dev/bench -memory 128
//
// It starts real processes in shuffled rounds on the simulator's Runtime API, Secrets Manager, CloudWatch and target,
// and prints medians with their confidence intervals as Markdown. Absolute times are this machine's; the ratios are
// between processes of the same minutes. A target that is missed is printed and is not an error; what could not run is.
package main

import (
	"context"
	"flag"
	"fmt"
	"io"
	"math/rand/v2"
	"os"
	"os/signal"
	"runtime"
	"slices"
	"strconv"
	"strings"
	"time"
)

type options struct {
	rounds, peerRounds, warm int
	seed                     uint64
	only, memory             string
}

func main() {
	var o options
	flag.IntVar(&o.rounds, "rounds", 15, "processes of each subject on each answer")
	flag.IntVar(&o.peerRounds, "peer-rounds", 6, "the same for Python and Node.js")
	flag.IntVar(&o.warm, "warm", 1000, "warm runs of each process with a whole core; the others have 40")
	flag.StringVar(
		&o.memory, "memory", "",
		"also emulate functions of so many MB, such as 128,512, by control groups: needs Linux and root",
	)
	flag.Uint64Var(&o.seed, "seed", 1, "of the rounds' order")
	flag.StringVar(&o.only, "only", "", "comma-separated subjects; all without it")
	flag.Parse()
	ctx, stop := signal.NotifyContext(context.Background(), os.Interrupt)
	defer stop()
	if err := run(ctx, o, os.Stdout); err != nil {
		fmt.Fprintln(os.Stderr, "bench:", err)
		stop()
		os.Exit(1)
	}
}

const (
	// defaultMemory is the template's MemorySize: what the programs get when no size is emulated.
	defaultMemory = 128
	// shortWarm is how many warm runs a process has where each is slow, or shows nothing new.
	shortWarm   = 40
	cgroupMount = "/sys/fs/cgroup"
)

func run(ctx context.Context, o options, out io.Writer) error {
	dir, err := os.MkdirTemp("", "cronbearer-bench-")
	if err != nil {
		return err
	}
	defer func() { _ = os.RemoveAll(dir) }()
	root, err := moduleRoot(ctx)
	if err != nil {
		return err
	}
	w, err := newWorld(dir)
	if err != nil {
		return err
	}
	defer w.close()
	b := bench{options: o, world: w, results: results{samples: map[key][]sample{}}}
	if b.list, err = subjects(ctx, root, w); err != nil {
		return err
	}
	defer b.release()
	if err := b.limit(); err != nil {
		return err
	}
	if b.wanted(subjectOurs) && b.wanted(subjectEmpty) {
		if err := b.results.artifacts.zips(ctx, root, dir); err != nil {
			return err
		}
	}
	if b.wanted(subjectOurs) {
		if err := b.feed(ctx); err != nil {
			return err
		}
	}
	if err := b.rounds(ctx); err != nil {
		return err
	}
	b.print(out)
	return nil
}

type bench struct {
	options

	world    *world
	list     []subject
	limiters []*limiter // of the emulated sizes
	results  results
}

func (b *bench) wanted(name string) bool {
	return b.only == "" || slices.Contains(strings.Split(b.only, ","), name)
}

// limit makes the control groups of the emulated sizes. A machine that has none is measured without.
func (b *bench) limit() error {
	if b.memory == "" {
		return nil
	}
	for text := range strings.SplitSeq(b.memory, ",") {
		megabytes, err := strconv.Atoi(text)
		if err != nil || megabytes < defaultMemory {
			return fmt.Errorf("-memory %s: %q is not a memory size in MB", b.memory, text)
		}
		l, err := newLimiter(cgroupMount, megabytes)
		if err != nil {
			b.results.skipped = append(
				b.results.skipped, fmt.Sprintf("the emulated %d MB: control groups are not available here: %s", megabytes, err),
			)
			continue
		}
		b.limiters = append(b.limiters, l)
	}
	return nil
}

func (b *bench) release() {
	for _, l := range b.limiters {
		l.close()
	}
}

// feed finds the peak memory with the answers that try to fill it.
func (b *bench) feed(ctx context.Context) error {
	for _, p := range bodies {
		m, err := tryout{
			world: b.world, subject: named(b.list, subjectOurs), path: p, megabytes: defaultMemory, warm: 5,
		}.measure(ctx)
		if err != nil {
			return err
		}
		b.results.peak = max(b.results.peak, m.peak)
	}
	return nil
}

// rounds measures every subject on every answer and size once in each round, in an order of its own each time.
func (b *bench) rounds(ctx context.Context) error {
	const initTraces = 3                        // of a millisecond or two each
	shuffle := rand.New(rand.NewPCG(b.seed, 0)) //nolint:gosec // an order that can be repeated
	for n := range b.options.rounds {
		if b.results.artifacts.zip > 0 {
			if err := b.results.artifacts.traceInits(ctx, b.world.dir, initTraces); err != nil {
				return err
			}
		}
		list := b.tryouts(n)
		shuffle.Shuffle(len(list), func(i, j int) { list[i], list[j] = list[j], list[i] })
		for _, t := range list {
			m, err := t.measure(ctx)
			if err != nil {
				return err
			}
			k := key{subject: t.subject.name, path: t.path.at}
			if t.limiter != nil {
				k.megabytes = t.megabytes
			}
			b.results.samples[k] = append(b.results.samples[k], m)
		}
		fmt.Fprintf(os.Stderr, "\rround %d of %d", n+1, b.options.rounds)
	}
	fmt.Fprintln(os.Stderr)
	return nil
}

func (b *bench) tryouts(round int) []tryout {
	var list []tryout
	for _, s := range b.list {
		if s.absent != "" || s.peer && round >= b.peerRounds || !b.wanted(s.name) {
			continue
		}
		warm := b.warm
		if s.peer {
			warm = shortWarm
		}
		t := tryout{world: b.world, subject: s, path: accepted, megabytes: defaultMemory, warm: warm}
		list = append(list, t)
		if s.rejects {
			t.path = rejected
			list = append(list, t)
		}
		for _, l := range b.limiters {
			list = append(
				list, tryout{world: b.world, subject: s, path: accepted, megabytes: l.megabytes, limiter: l, warm: shortWarm},
			)
		}
	}
	return list
}

func (b *bench) print(out io.Writer) {
	fmt.Fprintf(out,
		"%s, %d %s cores, %s, seed %d, %d rounds (Python and Node.js: %d), %d warm runs (the two, and emulated sizes: %d).\n",
		time.Now().UTC().Format("2 January 2006"), runtime.NumCPU(), runtime.GOARCH, runtime.Version(), b.seed,
		b.options.rounds, min(b.peerRounds, b.options.rounds), b.warm, shortWarm)
	fmt.Fprint(out, "Medians of processes with their confidence intervals at 95 %.\n\n")
	for _, s := range b.list {
		if s.absent != "" {
			b.results.skipped = append(b.results.skipped, s.name+": "+s.absent)
		}
		fmt.Fprintf(out, "* %s: %s\n", s.name, s.what)
	}
	for _, s := range b.results.skipped {
		fmt.Fprintf(out, "\nSkipped: %s\n", s)
	}
	b.results.table(out, b.list)
	b.results.judge(out)
	fmt.Fprint(out, "\nT11 and T12 are computed: docs/performance.md and docs/costs.md.\n")
}
