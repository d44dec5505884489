package pricing_test

import (
	"flag"
	"fmt"
	"math"
	"os"
	"path/filepath"
	"regexp"
	"slices"
	"strconv"
	"strings"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"

	"github.com/cronbearer/cronbearer/internal/dev/markdown"
	"github.com/cronbearer/cronbearer/internal/dev/pricing"
	"github.com/cronbearer/cronbearer/internal/dev/shipped"
)

var update = flag.Bool("update", false, "write the tables into docs/costs.md")

func hourly(n int) []pricing.Job { return slices.Repeat([]pricing.Job{{Starts: 730}}, n) }

func expiring(n int) []pricing.Token { return slices.Repeat([]pricing.Token{{Expires: true}}, n) }

// The two columns of docs/costs.md: ten jobs, and 500 stacks of 200 whose environments stay warm in the crowd.
func few() []pricing.Item {
	return pricing.Bill(pricing.Stack{OwnTopic: true, Tokens: expiring(2), Jobs: hourly(10)})
}

func many() []pricing.Item {
	stack := pricing.Stack{
		OwnTopic: true, Tokens: expiring(20),
		Jobs: slices.Repeat([]pricing.Job{{Starts: 730, Run: 211 * time.Millisecond}}, 200),
	}
	return pricing.Bill(slices.Repeat([]pricing.Stack{stack}, 500)...)
}

func TestBillOfAHundredThousandJobs(t *testing.T) {
	t.Parallel()
	got := map[string]float64{}
	for _, i := range many() {
		got[i.Group+" "+i.What] = math.Round(i.Amount())
	}
	want := map[string]float64{
		"stack keys":             500,
		"stack alarms":           250,    // 500 × 5
		"tokens secrets":         4000,   // 10,000
		"tokens alarms":          2000,   // 10,000 × 2
		"tokens metrics":         2333,   // 20,000 of 120,000, of which 10,000 at 0.30 and the rest at 0.10: 14,000
		"jobs metrics":           11_667, // 100,000 of 120,000
		"jobs alarms":            10_000,
		"runs starts":            73, // 73 million
		"runs function requests": 15, // at 0.20 a million
		"runs GB-seconds":        26, // 73 million × 0.211 s × 0.125 GB
		"runs secret reads":      365,
		"runs metric calls":      730,
		"runs GB of logs":        40, // 80 GB
	}
	if diff := cmp.Diff(want, got); diff != "" {
		t.Errorf("(-want +got)\n%s", diff)
	}
}

func TestOptionsChangeTheBill(t *testing.T) {
	t.Parallel()
	token := func(expires bool) pricing.Stack { return pricing.Stack{Tokens: []pricing.Token{{Expires: expires}}} }
	jobs := func(jobs ...pricing.Job) pricing.Stack { return pricing.Stack{Jobs: jobs} }
	for name, c := range map[string]struct {
		stack pricing.Stack
		group string
		want  float64
	}{
		"a topic of the user's":             {stack: pricing.Stack{}, group: "stack", want: 0.50},
		"a topic of its own, with a key":    {stack: pricing.Stack{OwnTopic: true}, group: "stack", want: 1.50},
		"a token whose expiry is not known": {stack: token(false), group: "tokens", want: 0.90},
		"a token that expires":              {stack: token(true), group: "tokens", want: 1.20},
		"a job":                             {stack: jobs(pricing.Job{}), group: "jobs", want: 0.40},
		"a job that never starts":           {stack: jobs(pricing.Job{}), group: "runs", want: 0},
		"a thousand runs, an hour apart":    {stack: jobs(pricing.Job{Starts: 1000}), group: "runs", want: 0.01728},
		"a thousand runs of a slow target": {
			stack: jobs(pricing.Job{Starts: 1000, Run: 10 * time.Second}), group: "runs", want: 0.03342,
		},
		// 2,628,000 × $2.10 a million, and $0.13 of news, which is read and published once in five minutes.
		"a run each second": {stack: jobs(eachSecond), group: "runs", want: 5.6502},
	} {
		if got := pricing.Total(pricing.Bill(c.stack), c.group); math.Abs(got-c.want) > 0.00001*max(1, c.want) {
			t.Errorf("%s: %.5f, want %.5f", name, got, c.want)
		}
	}
}

var eachSecond = pricing.Job{Starts: pricing.Month.Seconds(), Run: 210 * time.Millisecond}

// TestTargetOfThePrice is the project's: $2.60 a million calls where a job runs every second, $1.20 a month for a
// token, $0.40 for a job.
func TestTargetOfThePrice(t *testing.T) {
	t.Parallel()
	bill := pricing.Bill(pricing.Stack{Tokens: expiring(1), Jobs: []pricing.Job{eachSecond}})
	if got := pricing.Total(bill, "runs") / eachSecond.Starts * 1e6; got > 2.60 {
		t.Errorf("$%.2f a million calls", got)
	}
	if got := pricing.Total(bill, "tokens"); got > 1.2001 {
		t.Errorf("$%.2f a token", got)
	}
	if got := pricing.Total(bill, "jobs"); got > 0.4001 {
		t.Errorf("$%.2f a job", got)
	}
}

func read(t *testing.T, path string) string {
	t.Helper()
	text, err := os.ReadFile(filepath.Join("..", "..", "..", filepath.FromSlash(path)))
	if err != nil {
		t.Fatal(err)
	}
	return string(text)
}

// TestPagesHaveThePrices compares each price that the page of costs, the README and the comparison name with the
// arithmetic.
func TestPagesHaveThePrices(t *testing.T) {
	t.Parallel()
	const costs = "docs/costs.md"
	if !strings.Contains(read(t, costs), pricing.AsOf) {
		t.Errorf("%s does not say that its prices are of %s", costs, pricing.AsOf)
	}
	of := func(s pricing.Stack, group ...string) float64 { return pricing.Total(pricing.Bill(s), group...) }
	dollars := regexp.MustCompile(`\$([0-9]+\.[0-9]+)`)
	example := of(pricing.Stack{OwnTopic: true, Tokens: expiring(1), Jobs: []pricing.Job{{Starts: 730}, {Starts: 21}}})
	thousand := of(pricing.Stack{Jobs: []pricing.Job{{Starts: 1000}}}, "runs")
	hour := pricing.Stack{OwnTopic: true, Tokens: expiring(1), Jobs: hourly(1)}
	for _, c := range []struct {
		page, line string // how the line begins
		want       []float64
	}{
		{
			page: costs, line: `\| the stack`,
			want: []float64{
				of(pricing.Stack{OwnTopic: true}, "stack"), pricing.Keys.USD, pricing.StackAlarms * pricing.Alarms.USD,
			},
		},
		{
			page: costs, line: `\| each token`,
			want: []float64{
				of(pricing.Stack{Tokens: make([]pricing.Token, 1)}, "tokens"), of(pricing.Stack{Tokens: expiring(1)}, "tokens"),
				pricing.Secrets.USD, pricing.TokenAlarms * pricing.Alarms.USD, pricing.Metrics.USD,
			},
		},
		{
			page: costs, line: `\| each job`,
			want: []float64{
				of(pricing.Stack{Jobs: hourly(1)}, "jobs"), pricing.Metrics.USD, pricing.JobAlarms * pricing.Alarms.USD,
			},
		},
		{
			page: costs, line: `\| a thousand runs`,
			want: []float64{
				thousand, pricing.MetricCalls.USD, pricing.SecretReads.USD / 10,
				thousand - pricing.MetricCalls.USD - pricing.SecretReads.USD/10,
			},
		},
		{page: costs, line: "One token and two jobs", want: []float64{example}},
		{page: "README.md", line: ".*One token and two jobs", want: []float64{example}},
		{
			page: "docs/comparison.md", line: `\| Cronbearer`,
			want: []float64{of(hour), of(hour, "stack"), of(hour, "tokens"), of(hour, "jobs") + of(hour, "runs")},
		},
	} {
		line := regexp.MustCompile(`(?m)^` + c.line + `.*$`).FindString(read(t, c.page))
		got := dollars.FindAllStringSubmatch(line, -1)
		if len(got) < len(c.want) {
			t.Errorf("%s, %s: %d prices, want %d: %s", c.page, c.line, len(got), len(c.want), line)
			continue
		}
		for i, v := range c.want {
			_, decimals, _ := strings.Cut(got[i][1], ".")
			if text := strconv.FormatFloat(v, 'f', len(decimals), 64); text != got[i][1] {
				t.Errorf("%s, %s: $%s, the arithmetic has %s", c.page, c.line, got[i][1], text)
			}
		}
	}
}

// TestTemplateHasWhatIsCounted: what the arithmetic reads from the template must be there.
func TestTemplateHasWhatIsCounted(t *testing.T) {
	t.Parallel()
	text := read(t, shipped.Path)
	const alarms = pricing.StackAlarms + pricing.TokenAlarms + pricing.JobAlarms
	if got := strings.Count(text, "Type: AWS::CloudWatch::Alarm"); got != alarms {
		t.Errorf("%d alarms in the template, %d in the arithmetic", got, alarms)
	}
	if got := strings.Count(text, "Type: AWS::KMS::Key"); got != 1 {
		t.Errorf("%d keys in the template, 1 in the arithmetic", got)
	}
	if !strings.Contains(text, fmt.Sprintf("MemorySize: %g", pricing.MemoryGB*1024)) {
		t.Error("the functions have another size than the arithmetic")
	}
}

// TestPageOfCosts: the page has each price with its source, and the two bills.
func TestPageOfCosts(t *testing.T) {
	t.Parallel()
	const name = "docs/costs.md"
	kept := read(t, name)
	page := kept
	for section, text := range map[string]string{"bills": bills(), "prices": prices()} {
		var err error
		if page, err = markdown.Section(page, section, text); err != nil {
			t.Fatal(err)
		}
	}
	if *update {
		if err := os.WriteFile(filepath.Join("..", "..", "..", name), []byte(page), 0o600); err != nil {
			t.Fatal(err)
		}
		return
	}
	if diff := cmp.Diff(strings.Split(page, "\n"), strings.Split(kept, "\n")); diff != "" {
		t.Errorf("%s is out of date: run make generate (-want +kept)\n%s", name, diff)
	}
}

func prices() string {
	text := "| what | $ | source |\n| --- | --- | --- |\n"
	for _, p := range pricing.List {
		usd := strconv.FormatFloat(p.USD, 'f', -1, 64)
		if p.USD >= 0.01 {
			usd = strconv.FormatFloat(p.USD, 'f', 2, 64)
		}
		text += fmt.Sprintf("| %s | %s | %s |\n", p.What, usd, p.Source)
	}
	return text
}

func bills() string {
	a, b := few(), many()
	text := "| item | 10 jobs | $ | 100,000 jobs | $ |\n| --- | --- | --- | --- | --- |\n"
	for i := range a {
		text += fmt.Sprintf("| %s: %s | %s | %s | %s | %s |\n", a[i].Group, a[i].What,
			number(a[i].Quantity), dollars(a[i].Amount()), number(b[i].Quantity), dollars(b[i].Amount()))
	}
	text += fmt.Sprintf("| **total** | | **%s** | | **%s** |\n", dollars(pricing.Total(a)), dollars(pricing.Total(b)))
	return text + fmt.Sprintf(
		"| of one job | | %s | | %s |\n", dollars(pricing.Total(a)/10), dollars(pricing.Total(b)/100_000),
	)
}

func dollars(v float64) string {
	if v >= 100 {
		return number(v)
	}
	return fmt.Sprintf("%.2f", v)
}

// number writes 73000000 as 73,000,000, and what is below ten with the digits that it has.
func number(v float64) string {
	if v < 10 && v != math.Trunc(v) {
		return fmt.Sprintf("%.2g", v)
	}
	text := fmt.Sprintf("%.0f", v)
	for at := len(text) - 3; at > 0; at -= 3 {
		text = text[:at] + "," + text[at:]
	}
	return text
}
