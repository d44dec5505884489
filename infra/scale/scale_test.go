package scale_test

import (
	"flag"
	"math"
	"os"
	"strings"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"

	"github.com/cronbearer/cronbearer/infra/scale"
)

var update = flag.Bool("update", false, "write the tables into docs/scale-and-cost.md")

// The target takes 200 ms and the network 50 ms more in a first run; the bench has the caller's own part.
var (
	ten     = scale.Fleet{Jobs: 10, JobsPerToken: 5, JobsPerStack: 200, RunsPerMonth: 730, Run: 210 * time.Millisecond, Cold: 320 * time.Millisecond, ColdShare: 1, LogBytes: 1100}
	hundred = scale.Fleet{Jobs: 100_000, JobsPerToken: 10, JobsPerStack: 200, RunsPerMonth: 730, Run: 210 * time.Millisecond, Cold: 320 * time.Millisecond, ColdShare: 0.01, LogBytes: 1100}
)

func TestLoad(t *testing.T) {
	t.Parallel()
	for name, c := range map[string]struct {
		fleet  scale.Fleet
		window time.Duration
		starts float64
		lasts  time.Duration
		over   []string
	}{
		"ten on time":                       {ten, 0, 10, time.Second, nil},
		"a hundred thousand on time":        {hundred, 0, 1000, 100 * time.Second, []string{"PutMetricData"}},
		"a hundred thousand in 2 minutes":   {hundred, 2 * time.Minute, 100_000.0 / 120, 2 * time.Minute, []string{"PutMetricData"}},
		"a hundred thousand in 5 minutes":   {hundred, 5 * time.Minute, 100_000.0 / 300, 5 * time.Minute, nil},
		"slow targets, a minute each":       {slow(time.Minute), 15 * time.Minute, 100_000.0 / 900, 15 * time.Minute, []string{"Lambda's concurrency", "Lambda's growth"}},
		"slow targets, spread over 2 hours": {slow(time.Minute), 2 * time.Hour, 100_000.0 / 7200, 2 * time.Hour, nil},
	} {
		l := c.fleet.LoadOver(c.window, scale.Defaults)
		if math.Abs(l.Starts-c.starts) > 1e-9 || (l.Duration-c.lasts).Abs() > time.Millisecond {
			t.Errorf("%s: %.3f starts a second for %s", name, l.Starts, l.Duration)
		}
		if diff := cmp.Diff(c.over, l.Over(scale.Defaults)); diff != "" {
			t.Errorf("%s: over quota (-want +got)\n%s", name, diff)
		}
	}
}

func slow(run time.Duration) scale.Fleet {
	f := hundred
	f.Run = run
	return f
}

func TestWindow(t *testing.T) {
	t.Parallel()
	for _, c := range []struct {
		fleet scale.Fleet
		want  int
	}{
		{ten, 0},
		{hundred, 5},                 // two thirds of 500 metric calls: 100,000 / 333 s
		{slow(time.Minute), 150},     // two thirds of 1,000 at once: 100,000 × 60 s / 667
		{slow(15 * time.Minute), -1}, // not within a day
	} {
		if got := c.fleet.Window(scale.Defaults); got != c.want {
			t.Errorf("%d jobs of %s: %d minutes, want %d", c.fleet.Jobs, c.fleet.Run, got, c.want)
		}
	}
}

func TestBill(t *testing.T) {
	t.Parallel()
	got := map[string]float64{}
	for _, i := range hundred.Bill(scale.List) {
		got[i.What] = math.Round(i.Dollars)
	}
	want := map[string]float64{
		"schedule starts":   73,                  // 73 million
		"function requests": 15,                  // 73 million at 0.20
		"function time":     26,                  // 73 million × 0.2111 s × 0.125 GB
		"secret reads":      365,                 // 73 million at 5 a million
		"secrets":           4000,                // 10,000
		"metric calls":      730,                 // 73 million at 10 a million
		"metrics":           3000 + 11_000,       // 120,000: 10,000 at 0.30, the rest at 0.10
		"alarms":            10_000 + 2000 + 300, // of jobs, of tokens, of 500 stacks
		"logs":              40,                  // 80 GB
		"keys":              500,
	}
	if diff := cmp.Diff(want, got); diff != "" {
		t.Errorf("(-want +got)\n%s", diff)
	}
}

// What the arithmetic takes from the template must be what the template has.
func TestTemplateHasTheAlarmsThatAreCounted(t *testing.T) {
	t.Parallel()
	text, err := os.ReadFile("../shipped/template.yaml")
	if err != nil {
		t.Fatal(err)
	}
	if got := strings.Count(string(text), "Type: AWS::CloudWatch::Alarm"); got != scale.AlarmsInTemplate {
		t.Errorf("%d alarms in the template, %d in the arithmetic", got, scale.AlarmsInTemplate)
	}
	if got := strings.Count(string(text), "Type: AWS::KMS::Key"); got != 1 {
		t.Errorf("%d keys in the template, 1 in the arithmetic", got)
	}
	if !strings.Contains(string(text), "MemorySize: 128") {
		t.Error("the functions have another size than the arithmetic")
	}
}

func TestDocument(t *testing.T) {
	t.Parallel()
	const name, begin, end = "../../docs/scale-and-cost.md", "<!-- scale: begin, written by go test ./infra/scale -update -->", "<!-- scale: end -->"
	text, err := os.ReadFile(name)
	if err != nil {
		t.Fatal(err)
	}
	before, rest, _ := strings.Cut(string(text), begin)
	inside, after, found := strings.Cut(rest, end)
	if !found {
		t.Fatalf("%s has no lines %s and %s", name, begin, end)
	}
	want := "\n\n" + scale.Tables(ten, hundred, scale.Defaults, scale.List) + "\n"
	if *update {
		if err := os.WriteFile(name, []byte(before+begin+want+end+after), 0o600); err != nil {
			t.Fatal(err)
		}
		return
	}
	if diff := cmp.Diff(want, inside); diff != "" {
		t.Errorf("go test ./infra/scale -update writes it anew (-want +got)\n%s", diff)
	}
}
