package main

import (
	"os"
	"path/filepath"
	"strings"
	"testing"
	"time"

	"github.com/cronbearer/cronbearer/internal/dev/gobuild"
)

// The gates are the targets that no machine's mood can change: T8, T9 and T10. What needs a quiet machine is the
// bench's.
func TestGates(t *testing.T) {
	t.Parallel()
	root, err := moduleRoot(t.Context())
	if err != nil {
		t.Fatal(err)
	}
	sizer := gobuild.Program{Dir: root, Package: "./internal/dev/bench/zipsize"}
	if err := gobuild.DependOn(buildOf(root, subjectOurs), buildOf(root, subjectEmpty), sizer); err != nil {
		t.Fatal(err)
	}
	w, err := newWorld(t.TempDir())
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(w.close)
	for _, name := range []string{subjectOurs, subjectEmpty} {
		if err := buildOf(root, name).To(t.Context(), filepath.Join(w.dir, name)); err != nil {
			t.Fatal(err)
		}
	}
	r := results{samples: map[key][]sample{}}
	if err := r.artifacts.zips(t.Context(), root, w.dir); err != nil {
		t.Fatal(err)
	}
	traceQuietly(t, &r.artifacts, w.dir)
	ours := subject{name: subjectOurs, command: []string{filepath.Join(w.dir, subjectOurs)}, env: oursEnv(w)}
	for p, want := range map[path]counts{accepted: {reads: 1, puts: 1}, rejected: {reads: 3, puts: 1, describes: 1}} {
		m, err := tryout{world: w, subject: ours, path: p, megabytes: defaultMemory, warm: 10}.measure(t.Context())
		if err != nil {
			t.Fatal(err)
		}
		if m.firstAsked != want {
			t.Errorf("first run on %s: AWS got %+v, want %+v", p.at, m.firstAsked, want)
		}
		if m.warmAsked.describes > 0 {
			t.Errorf("ten runs on %s: the alarm was looked at %d times within five minutes", p.at, m.warmAsked.describes)
		}
		k := key{subject: subjectOurs, path: p.at}
		r.samples[k] = append(r.samples[k], m)
	}
	gates := 0
	for _, target := range targets() {
		if target.name != "T8" && target.name != "T9" && target.name != "T10" {
			continue
		}
		gates++
		limit := target.limit
		if known, ok := missed[target.text]; ok {
			limit = known
		}
		m, ok := target.of(&r)
		t.Logf("%s: %s: %.3f %s, target %g, gate %g", target.name, target.text, m.value, target.unit, target.limit, limit)
		if !ok || m.value > limit {
			t.Errorf("%s: %s: %.3f %s, gate %g", target.name, target.text, m.value, target.unit, limit)
		}
	}
	if gates != 6 {
		t.Errorf("%d gates, want 6", gates)
	}
}

// missed are the gates of targets that are known to be missed, with the reason in docs/performance.md, "Zip size": what
// was measured and 1 %, so that it does not get worse. The bench goes on reporting the target.
var missed = map[string]float64{"arm64 zip / empty": 1.44}

// traceQuietly measures the packages' start until one of several tries is below the target: a busy machine makes a
// median of 15 starts wrong by a tenth either way, and a start that has really grown is above it in every try. What the
// start allocates does not vary; the schemas and endpoints of the SDK's two clients are most of it, and
// aws-sdk-go-v2/config would add a half.
func traceQuietly(t *testing.T, a *artifacts, dir string) {
	t.Helper()
	const tries, starts, limit = 6, 15, 3.0
	for range tries {
		a.init, a.emptyInit = nil, nil
		if err := a.traceInits(t.Context(), dir, starts); err != nil {
			t.Fatal(err)
		}
		if a.initRatio() <= limit {
			break
		}
	}
	if got := float64(a.initBytes) / 1e6; got > 0.80 {
		t.Errorf("package init allocates %.2f MB, at most 0.80", got)
	}
}

// make bench is not run by the tests: a subject that has moved would be missed at the next measuring.
func TestSubjectsAreWhereTheyAreBuilt(t *testing.T) {
	t.Parallel()
	root, err := moduleRoot(t.Context())
	if err != nil {
		t.Fatal(err)
	}
	paths := []string{peer(root, "naive.py"), peer(root, "naive.js")}
	for _, name := range []string{subjectEmpty, subjectBare, subjectNaive, subjectOurs} {
		p := buildOf(root, name)
		paths = append(paths, filepath.Join(p.Dir, p.Package, "main.go"))
	}
	for _, path := range paths {
		if _, err := os.Stat(path); err != nil {
			t.Error(err)
		}
	}
}

func TestTargetsAreJudged(t *testing.T) {
	t.Parallel()
	r := results{samples: map[key][]sample{}}
	for subject, start := range map[string]time.Duration{
		subjectEmpty: time.Millisecond, subjectOurs: 6 * time.Millisecond, subjectNaive: 20 * time.Millisecond,
	} {
		for range 6 {
			k := row(subject, accepted, 0)
			r.samples[k] = append(r.samples[k], sample{start: start, peak: oneMiB, warm: []time.Duration{1, 2, 3}})
		}
	}
	var out strings.Builder
	r.table(&out, []subject{{name: subjectNaive}, {name: subjectOurs}, {name: subjectEmpty}})
	r.judge(&out)
	for _, line := range []string{
		"\n| cronbearer | 200 | whole core | 6 | 6.00 ±0% | 0.000 ±0% | 6.00 ±0% |",
		"\n| T1 | start + first run / empty | ≤ 5.00 × | 6.00 × | **no** |\n",
		"\n| T1 | start + first run / naive | ≤ 0.600 × | 0.300 × | yes |\n",
		"\n| T4 | warm run's CPU / bare | ≤ 1.40 × | not measured | – |\n",
		"\n| T10 | AWS calls in a warm accepted run | ≤ 0.000 | 0.000 | yes |\n",
	} {
		if !strings.Contains(out.String(), line) {
			t.Errorf("no line %s in\n%s", line, out.String())
		}
	}
}

func TestQuantileIsByNearestRank(t *testing.T) {
	t.Parallel()
	v := []time.Duration{1, 2, 3, 4, 5}
	if quantile(v, 0.5) != 3 || quantile(v, 0.99) != 5 || quantile(v, 0) != 1 || quantile(nil, 0.5) != 0 {
		t.Error("order statistics are wrong")
	}
}
