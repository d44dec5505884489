// Command bench measures the caller against other ways to do its job, and against its targets. Run it from within the
// repository: go run ./infra/bench -memory 128
//
// It plays Lambda's Runtime API, Secrets Manager, CloudWatch and a target on loopback, starts real processes in
// shuffled rounds, and prints medians, spreads and ratios as Markdown. Absolute times are this machine's; the ratios
// are between processes of the same minutes. A target that is missed is printed and is no error; what could not run is.
package main

import (
	"bytes"
	"context"
	"errors"
	"flag"
	"fmt"
	"io"
	"math/rand/v2"
	"os"
	"os/signal"
	"path/filepath"
	"runtime"
	"slices"
	"strings"
	"time"
)

type options struct {
	rounds, peerRounds, warm, long, memory int
	seed                                   uint64
	only, docs, readme, other, otherEnv    string
	sizes                                  string
}

func main() {
	var o options
	flag.IntVar(&o.rounds, "rounds", 15, "processes of each subject on each path")
	flag.IntVar(&o.peerRounds, "peer-rounds", 5, "the same for Python and Node.js")
	flag.IntVar(&o.warm, "warm", 40, "warm runs of each other process")
	flag.IntVar(&o.long, "long", 1000, "warm runs of those processes that are to show how it is in the long run")
	flag.IntVar(&o.memory, "memory", 0, "also emulate a function of so many MB by control groups: needs Linux and root")
	flag.Uint64Var(&o.seed, "seed", 1, "of the rounds' order")
	flag.StringVar(&o.only, "only", "", "comma-separated subjects; all without it")
	flag.StringVar(&o.other, "other", "", "also measure this caller binary: what a change buys")
	flag.StringVar(&o.otherEnv, "other-env", "", "NAME=VALUE in the other caller's environment; without -other of our own binary")
	flag.StringVar(&o.sizes, "sizes", "", "measure instead what the size of the function does, at these emulated sizes in MB: 128,256,512")
	flag.StringVar(&o.docs, "docs", "", "write the tables and the plot into this Markdown file as well, between its marks")
	flag.StringVar(&o.readme, "readme", "", "write the three lines that matter most into this Markdown file, between its marks")
	flag.Parse()
	ctx, stop := signal.NotifyContext(context.Background(), os.Interrupt)
	defer stop()
	if err := run(ctx, o, os.Stdout); err != nil {
		fmt.Fprintln(os.Stderr, "bench:", err)
		stop()
		os.Exit(1)
	}
}

// defaultMemory is the template's MemorySize: what the programs are told when no size is emulated.
const defaultMemory = 128

func run(ctx context.Context, o options, out io.Writer) error {
	dir, remove, err := tidy()
	if err != nil {
		return err
	}
	defer remove()
	root, err := moduleRoot(ctx)
	if err != nil {
		return err
	}
	w, err := newWorld(dir)
	if err != nil {
		return err
	}
	defer w.close()
	list, err := subjects(ctx, root, w)
	if err != nil {
		return err
	}
	if o.other != "" || o.otherEnv != "" {
		list = append(list, otherCaller(named(list, subjectOurs), o))
	}
	b := bench{options: o, world: w, list: list, results: results{samples: map[key][]sample{}}}
	if o.memory > 0 && o.sizes == "" {
		if b.limiter, err = newLimiter(cgroupMount, o.memory); err != nil {
			b.results.skipped = append(b.results.skipped, fmt.Sprintf("the emulated %d MB: control groups are not to be had here: %s", o.memory, err))
		} else {
			defer b.limiter.close()
			b.results.megabytes = o.memory
		}
	}
	ours := named(list, subjectOurs)
	if o.sizes != "" {
		if err := b.measureSizes(ctx, list); err != nil {
			return err
		}
		return b.tell(out, sizesMarks, b.printSizes)
	}
	if b.results.artifacts, err = measureArtifacts(ctx, root, w); err != nil {
		return err
	}
	whole := tryout{world: w, megabytes: defaultMemory}
	safe, err := whole.checkSafety(ctx, ours)
	if err != nil {
		return err
	}
	if b.results.growth, err = whole.measureGrowth(ctx, ours); err != nil {
		return err
	}
	if err := b.rounds(ctx, b.trials); err != nil {
		return err
	}
	if o.docs != "" {
		if err := os.WriteFile(filepath.Join(filepath.Dir(o.docs), plotName), []byte(b.results.plot(list)), 0o644); err != nil { //nolint:gosec // a picture that everyone looks at
			return err
		}
	}
	if o.readme != "" {
		var text bytes.Buffer
		b.results.summary(&text)
		if err := document(o.readme, readmeMarks, text.String()); err != nil {
			return err
		}
	}
	return b.tell(out, benchMarks, func(out io.Writer) { b.print(out, safe) })
}

// tell prints, and writes the same into the document.
func (b *bench) tell(out io.Writer, m marks, write func(io.Writer)) error {
	var text bytes.Buffer
	write(&text)
	_, _ = out.Write(text.Bytes())
	if b.docs == "" {
		return nil
	}
	return document(b.docs, m, text.String())
}

// plotName is the picture beside the document.
const plotName = "start-and-first-run.svg"

// otherCaller is ours, s, but for the binary or a variable.
func otherCaller(s subject, o options) subject {
	s.name, s.what = subjectOther, "the caller, otherwise: "+strings.TrimSpace(o.other+" "+o.otherEnv)
	if o.other != "" {
		s.command = []string{o.other}
	}
	if o.otherEnv != "" {
		s.env = append(slices.Clone(s.env), o.otherEnv)
	}
	return s
}

const cgroupMount = "/sys/fs/cgroup"

type bench struct {
	options

	world   *world
	list    []subject
	limiter *limiter
	results results

	sizes []int // MB, of -sizes
}

// initTraces is how often in a round the packages' start is traced: it takes a millisecond or two, and is a noisy one.
const initTraces = 5

// trial is one process to be measured.
type trial struct {
	subject   subject
	path      path
	limiter   *limiter
	megabytes int // what the process is told of its size
	warm      int
}

// rounds measures every subject on every path once in each round, in an order of its own each time.
func (b *bench) rounds(ctx context.Context, trials func(round int) []trial) error {
	shuffle := rand.New(rand.NewPCG(b.seed, 0)) //nolint:gosec // an order that can be repeated
	for n := range b.options.rounds {
		if b.results.artifacts.zip > 0 {
			if err := b.results.artifacts.traceInits(ctx, b.world, initTraces); err != nil {
				return err
			}
		}
		list := trials(n)
		shuffle.Shuffle(len(list), func(i, j int) { list[i], list[j] = list[j], list[i] })
		for _, t := range list {
			m, err := tryout{b.world, t.megabytes, t.limiter, t.warm}.measure(ctx, t.subject, t.path)
			if errors.Is(err, context.Canceled) || ctx.Err() != nil {
				return errors.New("interrupted")
			}
			if err != nil {
				return err
			}
			k := key{t.subject.name, t.path.name, t.limiter != nil}
			b.results.samples[k] = append(b.results.samples[k], m)
		}
		fmt.Fprintf(os.Stderr, "\rround %d of %d", n+1, b.options.rounds)
	}
	fmt.Fprintln(os.Stderr)
	return nil
}

func (b *bench) trials(round int) []trial {
	var list []trial
	for _, s := range b.list {
		if s.absent != "" || s.peer && round >= b.peerRounds || !b.wanted(s.name) {
			continue
		}
		add := func(p path, l *limiter, warm int) {
			megabytes := defaultMemory
			if l != nil {
				megabytes = b.memory
			}
			list = append(list, trial{s, p, l, megabytes, warm})
		}
		for _, p := range paths {
			if !p.wants(s) {
				continue
			}
			if p.long {
				add(p, nil, b.long)
				continue
			}
			add(p, nil, b.warm)
			if b.limiter != nil && p.name != pathPost {
				add(p, b.limiter, b.warm)
			}
		}
	}
	return list
}

func (b *bench) wanted(name string) bool {
	return b.only == "" || slices.Contains(strings.Split(b.only, ","), name)
}

// header says when and by what was measured.
func (b *bench) header(out io.Writer, flags string) {
	fmt.Fprintf(out, "Measured on %s with %d %s cores, %s, seed %d, %d rounds of %d", time.Now().UTC().Format("2 January 2006"),
		runtime.NumCPU(), runtime.GOARCH, runtime.Version(), b.seed, b.options.rounds, b.warm)
	if b.options.sizes == "" {
		fmt.Fprintf(out, " or %d", b.long)
	}
	fmt.Fprint(out, " warm runs")
	if flags == "" { // the comparison
		fmt.Fprintf(out, " (Python and Node.js: %d rounds)", min(b.peerRounds, b.options.rounds))
	}
	if b.limiter != nil {
		flags += fmt.Sprintf("-memory %d ", b.memory)
	}
	fmt.Fprintf(out, ", by:\n\n    go run ./infra/bench %s-rounds %d -warm %d\n", flags, b.options.rounds, b.warm)
}

func (b *bench) print(out io.Writer, safe []string) {
	b.header(out, "")
	fmt.Fprint(out, "\n| subject | |\n|---|---|\n")
	for _, s := range b.list {
		what := s.what
		if s.absent != "" {
			what += "; skipped: " + s.absent
		}
		fmt.Fprintf(out, "| %s | %s |\n", s.name, what)
	}
	for _, s := range b.results.skipped {
		fmt.Fprintf(out, "\nSkipped: %s\n", s)
	}
	b.results.judge(out)
	b.results.facts(out)
	fmt.Fprintf(out, "\n**Safety** of the measured binary: %s.\n", strings.Join(safe, "; "))
	b.results.tables(out, b.list)
}
