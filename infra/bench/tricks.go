package main

import (
	"context"
	"encoding/json"
	"fmt"
	"io"
	"os"
	"path/filepath"
	"slices"
	"strings"
)

// trick is something that makes the caller faster or smaller, with a caller that does without it. Both are measured in
// the same shuffled rounds, so that each trick shows what it buys.
type trick struct {
	what  string
	edits []edit // of the sources, by go build -overlay
	tags  string // instead of ourTags
	env   string // NAME=VALUE; no build of its own
	shows []shown
}

// edit replaces a text that stands in a file once.
type edit struct{ file, old, new string }

// shown is a measure that a trick is for.
type shown struct {
	text     string
	path     string
	emulated bool
	of       func(sample) float64 // nil: the size of the arm64 zip
	unit     string
}

var (
	showStart     = shown{"start", pathAccepted, false, startOf, "ms"}
	showCPUStart  = shown{"its CPU", pathAccepted, false, cpuStartOf, "ms"}
	showCPUFirst  = shown{"first run's CPU", pathAccepted, false, cpuFirstOf, "ms"}
	showFirst128  = shown{"first run, emulated", pathAccepted, true, firstOf, "ms"}
	showCPUWarm   = shown{"warm run's CPU", pathLong, false, cpuWarmOf, "ms"}
	showP50Warm   = shown{"its p50", pathLong, false, p50Of, "ms"}
	showCPUReject = shown{"rejected run's CPU", pathLongRejected, false, cpuWarmOf, "ms"}
	showCPUPost   = shown{"CPU of a POST, which opens a connection each time", pathPost, false, cpuWarmOf, "ms"}
	showPeak      = shown{"peak memory", pathLong, false, peakOf, "MiB"}
	showZip       = shown{text: "arm64 zip", unit: "MB"}
)

var tricks = []trick{
	{
		what: "roots read from the bundle only, not from the directories too", env: "SSL_CERT_DIR=/etc/ssl/certs",
		shows: []shown{showStart, showCPUStart},
	},
	{
		what: "connections to Secrets Manager and CloudWatch opened in the start",
		edits: []edit{{
			"internal/caller/app.go", "environment.New(s, awsclient.SecretsManagerURL(s), awsclient.CloudWatchURL(s))", "environment.New(s)",
		}},
		shows: []shown{showCPUFirst, showFirst128, showStart},
	},
	{
		what:  "the SDK's part of a first run rehearsed in the start",
		edits: []edit{{"internal/caller/app.go", "	_ = awsclient.Rehearse(secrets, cloudWatch)\n", ""}},
		shows: []shown{showCPUFirst, showFirst128, showCPUStart},
	},
	{
		what: "one processor below 1,769 MB", env: "GOMAXPROCS=2",
		shows: []shown{showCPUWarm, showCPUReject},
	},
	{
		what:  "Lambda answered in one write",
		edits: []edit{{"functions/caller/main.go", "	tuning.RuntimeAPI(http.DefaultTransport)\n", ""}, {"functions/caller/main.go", "	\"net/http\"\n", ""}},
		shows: []shown{showCPUWarm, showP50Warm},
	},
	{
		what:  "requests to AWS sent in one write",
		edits: []edit{{"internal/awsclient/awsclient.go", "client{transport, timeout}", "&http.Client{Transport: transport, Timeout: timeout}"}},
		shows: []shown{showCPUReject},
	},
	{
		what:  "a rejection alarm looked at once in five minutes",
		edits: []edit{{"internal/metric/reminder.go", "lookAgain = repeatAfter", "lookAgain = 0 * repeatAfter"}},
		shows: []shown{showCPUReject},
	},
	{
		what:  "TLS sessions kept",
		edits: []edit{{"internal/outbound/transport.go", ", ClientSessionCache: tls.NewLRUClientSessionCache(64)", ""}},
		shows: []shown{showCPUPost},
	},
	{
		what: "HTTP/2, which nothing here speaks, left out", tags: otherTags,
		shows: []shown{showZip, showCPUStart},
	},
}

// dropped are those that bought nothing: what is deployed does without them.
var dropped = []trick{
	{what: "GOGC=400", env: "GOGC=400", shows: []shown{showCPUWarm, showPeak}},
	{
		what:  "a collection at the end of the start",
		edits: []edit{{"functions/caller/main.go", "	lambda.Start(handler)", "	runtime.GC()\n	lambda.Start(handler)"}, {"functions/caller/main.go", "	\"os\"\n", "	\"os\"\n	\"runtime\"\n"}},
		shows: []shown{showCPUStart, showCPUFirst, showPeak},
	},
}

// overlay writes the edited files into dir, and the list of them for go build -overlay.
func overlay(root, dir string, edits []edit) (string, error) {
	replaced := map[string]string{}
	for i, e := range edits {
		name := filepath.Join(root, e.file)
		from := name
		if to, ok := replaced[name]; ok {
			from = to
		}
		text, err := os.ReadFile(from)
		if err != nil {
			return "", err
		}
		if n := strings.Count(string(text), e.old); n != 1 {
			return "", fmt.Errorf("%s has %q %d times, want once: write the trick anew", e.file, e.old, n)
		}
		to := filepath.Join(dir, fmt.Sprintf("%d-%s", i, filepath.Base(e.file)))
		if err := os.WriteFile(to, []byte(strings.Replace(string(text), e.old, e.new, 1)), 0o600); err != nil {
			return "", err
		}
		replaced[name] = to
	}
	text, err := json.Marshal(map[string]any{"Replace": replaced})
	if err != nil {
		return "", err
	}
	list := filepath.Join(dir, "overlay.json")
	return list, os.WriteFile(list, text, 0o600)
}

// otherwise names the caller that does without a trick, or has one that was dropped.
func (t trick) otherwise() string { return "not: " + t.what }

// without is the subject that does without a trick, or has one that was dropped.
func (t trick) without(ctx context.Context, root string, w *world, ours subject) (subject, error) {
	s := ours
	s.name, s.what = t.otherwise(), ""
	if t.env != "" {
		s.env = append(slices.Clone(s.env), t.env)
		return s, nil
	}
	dir, err := os.MkdirTemp(w.dir, "trick-")
	if err != nil {
		return s, err
	}
	s.command = []string{filepath.Join(dir, "caller")}
	how := buildOf(root, subjectOurs)
	if t.tags != "" {
		how.tags = t.tags
	}
	if len(t.edits) > 0 {
		list, err := overlay(root, dir, t.edits)
		if err != nil {
			return s, err
		}
		how.flags = []string{"-overlay", list}
	}
	return s, how.to(ctx, s.command[0])
}

// measureTricks measures each trick against ours and returns the table of what it buys.
func (b *bench) measureTricks(ctx context.Context, root string, ours subject) error {
	b.list = []subject{ours}
	b.wants = map[string][]shown{}
	for _, t := range slices.Concat(tricks, dropped) {
		s, err := t.without(ctx, root, b.world, ours)
		if err != nil {
			return fmt.Errorf("%s: %w", t.what, err)
		}
		b.list = append(b.list, s)
		b.wants[s.name] = t.shows
		b.wants[ours.name] = append(b.wants[ours.name], t.shows...)
	}
	if err := b.rounds(ctx, b.trials); err != nil {
		return err
	}
	how := buildOf(root, subjectOurs)
	var err error
	if _, b.zip, err = buildForLambda(ctx, root, b.world.dir, how); err != nil {
		return err
	}
	how.tags = otherTags
	_, b.zipWithHTTP2, err = buildForLambda(ctx, root, b.world.dir, how)
	return err
}

func (b *bench) printTricks(out io.Writer) {
	b.header(out, "-tricks ")
	fmt.Fprint(out, "\n| trick | measure | without | with | |\n|---|---|---|---|---|\n")
	for _, t := range tricks {
		b.rows(out, t, false)
	}
	fmt.Fprint(out, "\n| tried and dropped | measure | without | with | |\n|---|---|---|---|---|\n")
	for _, t := range dropped {
		b.rows(out, t, true)
	}
}

// rows prints a row for each measure of a trick. What is deployed has it, or does without one that was dropped.
func (b *bench) rows(out io.Writer, t trick, isDropped bool) {
	what := t.what
	for _, s := range t.shows {
		without, with := b.both(t, s)
		if isDropped {
			without, with = with, without
		}
		if r := ratioOf(with, without); r.value > 0 {
			fmt.Fprintf(out, "| %s | %s | %s %s | %s %s | %s (%s to %s) |\n", what, s.text, figure(without.median()), s.unit, figure(with.median()), s.unit,
				percent(r.value-1), percent(r.low-1), percent(r.high-1))
		} else {
			fmt.Fprintf(out, "| %s | %s | not measured | | |\n", what, s.text)
		}
		what = ""
	}
}

// both is a measure of the caller otherwise and as it is deployed.
func (b *bench) both(t trick, s shown) (otherwise, deployed values) {
	if s.of == nil {
		return values{float64(b.zipWithHTTP2) / 1e6}, values{float64(b.zip) / 1e6}
	}
	return b.results.each(key{t.otherwise(), s.path, s.emulated}, s.of), b.results.each(key{subjectOurs, s.path, s.emulated}, s.of)
}

func percent(v float64) string { return fmt.Sprintf("%+.0f %%", 100*v) }
