package plan_test

import (
	"fmt"
	"math"
	"math/rand/v2"
	"slices"
	"strings"
	"testing"
	"time"

	"github.com/cronbearer/cronbearer/infra/cronbearer/internal/plan"
	"github.com/cronbearer/cronbearer/internal/dev/cfn"
	"github.com/cronbearer/cronbearer/internal/dev/growth"
	"github.com/cronbearer/cronbearer/internal/dev/pricing"
	"github.com/cronbearer/cronbearer/internal/dev/schedule"
	"github.com/cronbearer/cronbearer/internal/dev/shipped"
)

var now = time.Date(2026, 11, 28, 1, 12, 0, 0, time.UTC)

// with returns the plan of the shipped template with rows put in the place of its jobs.
func with(t *testing.T, rows ...string) *plan.Plan {
	t.Helper()
	text := shipped.Template()
	begin, end := strings.Index(text, "    DailyReport:\n"), strings.Index(text, "  # A flexible window")
	if begin < 0 || end < begin {
		t.Fatal("the shipped template has other jobs")
	}
	var names []string
	for i, row := range rows {
		name := fmt.Sprintf("Job%d", i)
		names = append(names, name)
		if !strings.Contains(row, "SilentAfter") {
			row += ", SilentAfter: 168"
		}
		rows[i] = "    " + name + ": { " + row + ", Call: GET https://api.example.com/, Token: ExampleApi }\n"
	}
	text = text[:begin] + strings.Join(rows, "") + text[end:]
	text = strings.Replace(text, "[DailyReport, HourlySync]", "["+strings.Join(names, ", ")+"]", 1)
	p, err := plan.Read([]byte(text), cfn.Options{}, now)
	if err != nil {
		t.Fatal(err)
	}
	return p
}

func TestLeastSilentAfter(t *testing.T) {
	t.Parallel()
	for name, c := range map[string]struct {
		row  string
		want int
	}{
		"a day on which the clocks skip the run": {row: `Schedule: "cron(30 1 * * ? *)", Timezone: Europe/London`, want: 49},
		"a weekend that is an hour longer": {
			row: `Schedule: "cron(0 9 ? * MON-FRI *)", Timezone: Europe/London`, want: 75,
		},
		"a day in UTC":        {row: `Schedule: "cron(30 1 * * ? *)"`, want: 26},
		"elapsed hours":       {row: `Schedule: "rate(1 hour)"`, want: 3},
		"a window of an hour": {row: `Schedule: "rate(1 hour)", Window: 60`, want: 4},
	} {
		j := with(t, c.row+", SilentAfter: 27").Jobs[0]
		if j.Least != c.want || j.Short() != (c.want > 27) {
			t.Errorf("%s: %d, want %d; short: %t", name, j.Least, c.want, j.Short())
		}
	}
}

func TestPriceIsThatOfEachJobsOwnStarts(t *testing.T) {
	t.Parallel()
	p, err := plan.Read([]byte(shipped.Template()), cfn.Options{}, now)
	if err != nil {
		t.Fatal(err)
	}
	weekdays := 0
	for d := range 365 {
		day := time.Date(2026, 11, 28+d, 9, 0, 0, 0, time.UTC).Weekday()
		weekdays += map[bool]int{true: 1}[day != time.Saturday && day != time.Sunday]
	}
	want := pricing.Total(pricing.Bill(pricing.Stack{
		OwnTopic: true, Tokens: []pricing.Token{{Expires: true}},
		Jobs: []pricing.Job{{Starts: 730}, {Starts: float64(weekdays) / 12}},
	}))
	if got := pricing.Total(p.Bill()); math.Abs(got-want) > 1e-9 {
		t.Errorf("$%v, want $%v", got, want)
	}
	sum := pricing.Total(p.Bill(), "stack", "tokens")
	for _, j := range p.Jobs {
		sum += j.Price()
	}
	if math.Abs(sum-want) > 1e-9 {
		t.Errorf("the jobs and the rest are $%v, want $%v", sum, want)
	}
}

func TestDisabledJobsDoNotRunAndDoNotCount(t *testing.T) {
	t.Parallel()
	p := with(t, `Schedule: "rate(1 minute)", State: DISABLED`, `Schedule: "rate(2 hours)"`)
	if j := p.Jobs[0]; j.StartsPerYear != 0 || len(j.Next) > 0 {
		t.Errorf("%d starts, next %v", j.StartsPerYear, j.Next)
	}
	if w := p.Tokens[0].Within; w.Job != "Job1" || w.Gap != 2*time.Hour {
		t.Errorf("found out by %s after %s", w.Job, w.Gap)
	}
	if p := with(t, `Schedule: "rate(1 minute)", State: DISABLED`); p.Tokens[0].Within.Time != 0 {
		t.Errorf("no job runs, and it is found out within %s", p.Tokens[0].Within.Time)
	}
}

func TestStartDateAndEndDateBoundTheRuns(t *testing.T) {
	t.Parallel()
	text := strings.Replace(shipped.Template(), "          GroupName: !Ref ScheduleGroup\n",
		"          GroupName: !Ref ScheduleGroup\n          StartDate: '2026-12-01T00:30:00Z'\n"+
			"          EndDate: '2026-12-01T03:00:00Z'\n", 1)
	p, err := plan.Read([]byte(text), cfn.Options{}, now)
	if err != nil {
		t.Fatal(err)
	}
	j, _ := p.Job("HourlySync")
	var got []string
	for _, at := range j.Next {
		got = append(got, at.UTC().Format("15:04"))
	}
	if want := []string{"00:30", "01:30", "02:30"}; !slices.Equal(got, want) || j.StartsPerYear != len(want) {
		t.Errorf("%v, %d a year, want %v", got, j.StartsPerYear, want)
	}
}

// TestNotifiedWithinAgainstABruteForceReader kills the token after each start of a year and asks each job for its next.
func TestNotifiedWithinAgainstABruteForceReader(t *testing.T) {
	t.Parallel()
	r := rand.New(rand.NewPCG(3, 4))
	zones := []string{"UTC", "Europe/London", "Australia/Lord_Howe", "Africa/Cairo"}
	for range 20 {
		var starts []plan.Start
		for i := range 2 + r.IntN(3) {
			expression := fmt.Sprintf("cron(%d %d/%d ? * * *)", r.IntN(60), r.IntN(6), 2+r.IntN(20))
			s, err := schedule.Parse(expression, zones[r.IntN(len(zones))])
			if err != nil {
				t.Fatal(err)
			}
			starts = append(starts, plan.Start{
				Job: fmt.Sprint(i), Schedule: s, Window: time.Duration(r.IntN(3)*45) * time.Minute, Timeout: time.Minute,
			})
		}
		if got, want := plan.NotifiedWithin(starts, now).Time, slowest(starts); got != want {
			t.Errorf("%v: %s, want %s", starts, got, want)
		}
	}
}

// slowest walks from start to start: the token dies right after each, and the first job that is done finds it out.
func slowest(starts []plan.Start) time.Duration {
	var longest time.Duration
	end := now.Add(365 * 24 * time.Hour)
	died := now.Add(-time.Nanosecond)
	for first := true; ; first = false {
		next, found := end, time.Duration(math.MaxInt64)
		inside := false
		for _, s := range starts {
			if at, ok := s.Schedule.Next(died); ok && at.Before(end) {
				inside = true
				found = min(found, at.Sub(died)+s.Window+s.Timeout)
				if at.Before(next) {
					next = at
				}
			}
		}
		if !inside {
			return longest + 3*time.Minute
		}
		if !first {
			longest = max(longest, found)
		}
		died = next
	}
}

func TestRatesBoundByTheirOwnGap(t *testing.T) {
	t.Parallel()
	for name, c := range map[string]struct {
		rows []string
		jobs string
		gap  time.Duration
	}{
		"a rate between daily runs": {
			rows: []string{`Schedule: "cron(0 9 * * ? *)"`, `Schedule: "rate(3 hours)"`}, jobs: "Job1", gap: 3 * time.Hour,
		},
		"two daily jobs half a day apart": {
			rows: []string{`Schedule: "cron(0 9 * * ? *)"`, `Schedule: "cron(0 21 * * ? *)"`}, jobs: "Job0 Job1",
			gap: 12 * time.Hour,
		},
		"a window that is longer than the pause": {
			rows: []string{`Schedule: "rate(1 hour)", Window: 600`, `Schedule: "rate(2 hours)"`}, jobs: "Job1",
			gap: 2 * time.Hour,
		},
		"a job that runs once finds nothing out": {
			rows: []string{`Schedule: "at(2027-01-01T00:00:00)"`, `Schedule: "rate(2 days)"`}, jobs: "Job1", gap: 48 * time.Hour,
		},
	} {
		if w := with(t, c.rows...).Tokens[0].Within; w.Gap != c.gap || !strings.Contains(c.jobs, w.Job) {
			t.Errorf("%s: %s by %s, want %s by %s", name, w.Gap, w.Job, c.gap, c.jobs)
		}
	}
}

// TestPlanGrowsWithTheJobs and no faster: 64 of them, some of every minute, take eight times as long as 8.
func TestPlanGrowsWithTheJobs(t *testing.T) {
	t.Parallel()
	growth.Linear(t, "jobs", 8, func(jobs int) func() {
		rows := many(jobs)
		return func() {
			if p := with(t, rows...); len(p.Jobs) != jobs {
				t.Errorf("%d jobs, not %d", len(p.Jobs), jobs)
			}
		}
	})
}

// many are rows of a mixed stack: of every eight jobs, two run each minute of a part of the day.
func many(jobs int) []string {
	var rows []string
	for i := range jobs {
		row := fmt.Sprintf(`Schedule: "cron(%d %d ? * MON-FRI *)", Timezone: Europe/London`, i%60, i%24)
		if i%4 == 0 {
			row = fmt.Sprintf(`Schedule: "cron(* %d-23 * * ? *)", Timezone: America/New_York`, i%20)
		}
		rows = append(rows, row)
	}
	return rows
}
