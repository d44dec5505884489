package scenes_test

import (
	"os"
	"path/filepath"
	"strings"
	"testing"

	"github.com/google/go-cmp/cmp"

	"github.com/cronbearer/cronbearer/infra/local/alarm"
	"github.com/cronbearer/cronbearer/infra/local/localtest"
	"github.com/cronbearer/cronbearer/infra/replay/scenes"
)

func TestMain(m *testing.M) { os.Exit(localtest.Main(m)) }

func machine(t *testing.T) scenes.Machine {
	t.Helper()
	return scenes.Machine{Root: localtest.Root(), Binaries: localtest.Binaries(t)}
}

// TestPageOfMessages fires and mends each alarm of the template by its real cause: what comes of it is docs/messages.md.
func TestPageOfMessages(t *testing.T) {
	t.Parallel()
	page, err := machine(t).Messages(t.Context())
	if err != nil {
		t.Fatal(err)
	}
	kept, err := os.ReadFile(filepath.Join(localtest.Root(), "docs", "messages.md"))
	if err != nil {
		t.Fatal(err)
	}
	if diff := cmp.Diff(strings.Split(string(kept), "\n"), strings.Split(page, "\n")); diff != "" {
		t.Errorf("docs/messages.md is out of date: make native && go run ./infra/replay -messages > docs/messages.md (-kept +now)\n%s", diff)
	}
}

// TestEachAlarmHasItsScene: an alarm that no scene fires is one of which nobody has seen a message.
func TestEachAlarmHasItsScene(t *testing.T) {
	t.Parallel()
	text, err := os.ReadFile(localtest.Template())
	if err != nil {
		t.Fatal(err)
	}
	played := map[string]bool{}
	for _, scene := range scenes.Scenes() {
		kind, _, _ := strings.Cut(scene.Alarm, "-")
		played[kind] = true
	}
	alarms := 0
	for line := range strings.Lines(string(text)) {
		if _, name, ok := strings.Cut(line, "AlarmName: !Sub ${AWS::StackName}-"); ok {
			alarms++
			kind, _, _ := strings.Cut(strings.TrimSpace(name), "-")
			if !played[kind] {
				t.Errorf("no scene fires %s", kind)
			}
		}
	}
	if alarms != len(played) {
		t.Errorf("the template has %d kinds of alarms, the scenes %d", alarms, len(played))
	}
}

// TestFortyEightHours counts the messages of one dead token on ten hourly jobs.
func TestFortyEightHours(t *testing.T) {
	t.Parallel()
	parts, err := machine(t).FortyEightHours(t.Context(), 1)
	if err != nil {
		t.Fatal(err)
	}
	if err := scenes.CheckHours(parts); err != nil {
		t.Error(err)
	}
	var runs []int
	for _, p := range parts {
		runs = append(runs, p.Runs)
	}
	if diff := cmp.Diff([]int{70, 480, 60, 108, 60}, runs); diff != "" {
		t.Errorf("runs (-want +got)\n%s", diff)
	}
}

// TestReminders: whatever keeps a reminder from being sent changes no run, stands in the log, and ends by itself.
func TestReminders(t *testing.T) {
	t.Parallel()
	const (
		name     = "cronbearer-TokenRejected-ExampleApi"
		first    = "ALARM " + name
		again    = "reminder of " + name
		end      = "OK " + name
		my       = "cronbearer-MyTokenRejected-ExampleApi"
		eachTime = 3 // the runs between the twentieth hour and the end of the fault
	)
	cases := map[string]scenes.Told{
		"none": {
			Before: []string{first}, During: []string{again}, After: []string{again}, Mended: []string{end}, State: alarm.InAlarm,
		},
		"DescribeAlarms is denied": {
			Before: []string{first}, After: []string{again, again}, Mended: []string{end}, Warnings: 12, State: alarm.InAlarm,
		},
		"SetAlarmState is denied": {
			Before: []string{first}, After: []string{again, again}, Mended: []string{end}, Warnings: eachTime, State: alarm.InAlarm,
		},
		// The alarm is set off once more by the datum that the run has just stored, in CloudWatch's own words.
		"SetAlarmState is lost between its two calls": {
			Before: []string{first}, During: []string{first}, After: []string{again}, Mended: []string{end}, Warnings: 1, State: alarm.InAlarm,
		},
		"CloudWatch is down for it": {
			Before: []string{first}, After: []string{again, again}, Mended: []string{end}, Warnings: 12, State: alarm.InAlarm,
		},
		"the alarm was renamed": {
			Before: []string{first}, During: []string{"ALARM " + my}, Mended: []string{"OK " + my}, Warnings: 36,
		},
		// The topic's policy lets only alarms of the stack publish.
		"the alarm was renamed, and no longer begins with the stack's name": {Before: []string{first}, Warnings: 36},
		"the alarm is not there": {Before: []string{first}, Warnings: 36},
	}
	m := machine(t)
	for _, f := range scenes.Faults() {
		t.Run(strings.ReplaceAll(f.Name, " ", "_"), func(t *testing.T) {
			t.Parallel()
			want, ok := cases[f.Name]
			if !ok {
				t.Fatal("nobody says what this fault leads to")
			}
			told, err := m.Reminders(t.Context(), f)
			if err != nil {
				t.Fatal(err)
			}
			if diff := cmp.Diff(want, told); diff != "" {
				t.Errorf("(-want +got)\n%s", diff)
			}
		})
	}
}

// TestDays: a trouble that lasts is told once by each alarm that it concerns.
func TestDays(t *testing.T) {
	t.Parallel()
	const token, failed = "ALARM cronbearer-TokenRejected-ExampleApi", "ALARM cronbearer-FailedRuns"
	cases := map[string]map[string]int{
		// The exception, as the alarm ends with each accepted call: the runbook says what to do, the next case is that.
		"one endpoint refuses a token that another accepts": {token: 24, "OK cronbearer-TokenRejected-ExampleApi": 24, failed: 1},
		"the same, with a token of its own for the job that is refused": {
			"ALARM cronbearer-TokenRejected-Second": 1, "reminder of cronbearer-TokenRejected-Second": 1, failed: 1,
		},
		"the schedules' role may not start the function": {
			"ALARM cronbearer-StartsDropped": 1, "ALARM cronbearer-DeadLetters": 1,
			"INSUFFICIENT_DATA cronbearer-Silent-First": 1, "INSUFFICIENT_DATA cronbearer-Silent-Second": 1,
		},
		"each run fails, and the queue takes no record": {
			"ALARM cronbearer-RecordsLost": 1, "ALARM cronbearer-Silent-First": 1, "ALARM cronbearer-Silent-Second": 1,
		},
		"other functions take all of the account's concurrency": {
			"ALARM cronbearer-Throttled": 1, failed: 1,
			"INSUFFICIENT_DATA cronbearer-Silent-First": 1, "INSUFFICIENT_DATA cronbearer-Silent-Second": 1,
		},
	}
	m := machine(t)
	for _, trouble := range scenes.Troubles() {
		t.Run(strings.ReplaceAll(trouble.Name, " ", "_"), func(t *testing.T) {
			t.Parallel()
			day, err := m.Day(t.Context(), trouble)
			if err != nil {
				t.Fatal(err)
			}
			if diff := cmp.Diff(cases[trouble.Name], day.Mails); diff != "" {
				t.Errorf("mails (-want +got)\n%s", diff)
			}
		})
	}
}

// TestWithRefusesAnotherTemplate: what is replaced must be there.
func TestWithRefusesAnotherTemplate(t *testing.T) {
	t.Parallel()
	if _, err := scenes.With("Mappings:\n  Tokens:\n", []scenes.Row{{Name: "A", Keys: "{}"}}, []scenes.Row{{Name: "B", Keys: "{}"}}); err == nil {
		t.Error("no error")
	}
}
