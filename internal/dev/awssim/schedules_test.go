package awssim_test

import (
	"os"
	"path/filepath"
	"slices"
	"strings"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"

	"github.com/cronbearer/cronbearer/internal/dev/awssim"
	"github.com/cronbearer/cronbearer/internal/dev/awssim/alarm"
	"github.com/cronbearer/cronbearer/internal/dev/awssim/awssimtest"
)

// withJobs writes the template with other jobs into a file of the test's.
func withJobs(t *testing.T, jobs map[string]string) string {
	t.Helper()
	data, err := os.ReadFile(awssimtest.Template())
	if err != nil {
		t.Fatal(err)
	}
	text := string(data)
	begin, end := strings.Index(text, "    DailyReport:\n"), strings.Index(text, "  # A flexible window")
	if begin < 0 || end < begin {
		t.Fatal("the template's jobs are not where this test looks for them")
	}
	var blocks strings.Builder
	var names []string
	for name, block := range jobs {
		names = append(names, name)
		blocks.WriteString("    " + name + ": " + block + "\n")
	}
	text = text[:begin] + blocks.String() + "\n" + text[end:]
	slices.Sort(names)
	changed := strings.Replace(text, "- [DailyReport, HourlySync]", "- ["+strings.Join(names, ", ")+"]", 1)
	if changed == text {
		t.Fatal("the template's list of jobs is not where this test looks for it")
	}
	path := filepath.Join(t.TempDir(), "template.yaml")
	if err := os.WriteFile(path, []byte(changed), 0o600); err != nil {
		t.Fatal(err)
	}
	return path
}

// TestSchedules: each job starts when its expression says, in its time zone, and the event says for when.
func TestSchedules(t *testing.T) {
	t.Parallel()
	const rest = `, Call: "GET https://api.example.com/x?at={{scheduledTime}}", Token: ExampleApi, SilentAfter: 75 }`
	cases := map[string]struct {
		job   string
		start time.Time
		run   time.Duration
		want  []string // the scheduled times
	}{
		"rate, at once": {
			job: `{ Schedule: rate(2 hours)` +
				rest, start: awssim.Start, run: 5 * time.Hour,
			want: []string{"2026-11-02T08:00:00Z", "2026-11-02T10:00:00Z", "2026-11-02T12:00:00Z"},
		},
		"time zone": {job: `{ Schedule: "cron(30 9 * * ? *)", Timezone: America/New_York` +
			rest, start: awssim.Start, run: 24 * time.Hour, want: []string{"2026-11-02T14:30:00Z"}},
		"clocks go forward over it": {
			job:   `{ Schedule: "cron(30 1 * * ? *)", Timezone: Europe/London` + rest,
			start: time.Date(2027, 3, 27, 0, 0, 0, 0, time.UTC), run: 72 * time.Hour,
			want: []string{"2027-03-27T01:30:00Z", "2027-03-29T00:30:00Z"},
		},
		"switched off": {job: `{ Schedule: rate(1 hour), State: DISABLED` +
			rest, start: awssim.Start, run: 5 * time.Hour, want: nil},
		"once": {job: `{ Schedule: "at(2026-11-02T09:15:00)"` +
			rest, start: awssim.Start, run: 5 * time.Hour, want: []string{"2026-11-02T09:15:00Z"}},
		"window": {job: `{ Schedule: "cron(0 9 * * ? *)", Window: 120` +
			rest, start: awssim.Start, run: 5 * time.Hour, want: []string{"2026-11-02T09:00:00Z"}},
	}
	for name, c := range cases {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			cloud := awssimtest.Start(t, awssim.Options{Template: withJobs(t, map[string]string{"Job1": c.job}), Start: c.start})
			if _, err := cloud.PutSecret(secret, first); err != nil {
				t.Fatal(err)
			}
			api := cloud.Target(host)
			api.Accept(first)
			if err := cloud.Run(t.Context(), c.start.Add(c.run)); err != nil {
				t.Fatal(err)
			}
			var got []string
			for _, q := range api.Requests() {
				nominal := strings.ReplaceAll(strings.TrimPrefix(q.Query, "at="), "%3A", ":")
				got = append(got, nominal)
				at, err := time.Parse(time.RFC3339, nominal)
				if late := q.At.Sub(at); err != nil || late < 0 || (late > time.Minute && name != "window") ||
					late > 2*time.Hour+time.Minute {
					t.Errorf("the start for %s came at %s", nominal, q.At)
				}
			}
			if diff := cmp.Diff(c.want, got); diff != "" {
				t.Errorf("scheduled times (-want +got)\n%s", diff)
			}
		})
	}
}

// TestSilence: a job that no longer starts is called with once, and so is its end, but not the first OK of a new alarm.
func TestSilence(t *testing.T) {
	t.Parallel()
	cloud := awssimtest.Start(t, awssim.Options{})
	if _, err := cloud.PutSecret(secret, first); err != nil {
		t.Fatal(err)
	}
	cloud.Target(host).Accept(first)
	run := func(d time.Duration) {
		t.Helper()
		if err := cloud.Advance(t.Context(), d); err != nil {
			t.Fatal(err)
		}
	}
	const name = "cronbearer-Silent-HourlySync"
	run(3 * time.Hour)
	if got := cloud.AlarmState("Silent-HourlySync"); got != alarm.OK || len(cloud.Emails("")) > 0 {
		t.Fatalf("%s; emails: %v", got, cloud.Emails(""))
	}
	cloud.PauseStarts(true)
	run(12 * time.Hour)
	if got := cloud.AlarmState("Silent-HourlySync"); got != alarm.InsufficientData || len(cloud.Emails(name)) != 1 {
		t.Fatalf("%s; emails: %v", got, cloud.Emails(name))
	}
	cloud.PauseStarts(false)
	run(2 * time.Hour)
	emails := cloud.Emails(name)
	if got := cloud.AlarmState("Silent-HourlySync"); got != alarm.OK || len(emails) != 2 {
		t.Fatalf("%s; emails: %v", got, emails)
	}
	if !strings.Contains(emails[1].Body, "The silence is over") || !strings.Contains(emails[1].Body, name) {
		t.Errorf("the email about the end:\n%s", emails[1].Body)
	}
}

// TestDeadTokenOnTenJobs counts the messages of one dead token on ten hourly jobs over two days.
func TestDeadTokenOnTenJobs(t *testing.T) {
	t.Parallel()
	jobs := map[string]string{}
	for _, name := range []string{"A", "B", "C", "D", "E", "F", "G", "H", "I", "J"} {
		jobs["Job"+name] = `{ Schedule: rate(1 hour), Call: "GET https://api.example.com/` + name +
			`", Token: ExampleApi, SilentAfter: 3 }`
	}
	cloud := awssimtest.Start(
		t, awssim.Options{Template: withJobs(t, jobs), Parameters: map[string]string{"RemindAfter": "0"}},
	)
	if _, err := cloud.PutSecret(secret, first); err != nil {
		t.Fatal(err)
	}
	api := cloud.Target(host)
	api.Accept(first)
	run := func(d time.Duration) {
		t.Helper()
		if err := cloud.Advance(t.Context(), d); err != nil {
			t.Fatal(err)
		}
	}
	run(90 * time.Minute)
	api.Revoke(first)
	run(48 * time.Hour)
	var subjects []string
	for _, m := range cloud.Emails("") {
		subjects = append(subjects, m.Subject)
	}
	slices.Sort(subjects)
	want := []string{
		`ALARM: "cronbearer-FailedRuns" in EU (Ireland)`, `ALARM: "cronbearer-TokenRejected-ExampleApi" in EU (Ireland)`,
	}
	if diff := cmp.Diff(want, subjects); diff != "" {
		t.Errorf("emails while the token is dead (-want +got)\n%s", diff)
	}
	if kept := len(cloud.Queue("FailedRuns").Messages()); kept != 480 {
		t.Errorf("%d failed runs are kept", kept)
	}
	api.Accept(first)
	run(90 * time.Minute)
	if emails := cloud.Emails("cronbearer-TokenRejected-ExampleApi"); len(emails) != 2 ||
		!strings.HasPrefix(emails[1].Subject, "OK: ") {
		t.Errorf("emails in the end: %v", emails)
	}
}
