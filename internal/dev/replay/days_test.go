package replay_test

import (
	"fmt"
	"slices"
	"strings"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"

	"github.com/cronbearer/cronbearer/internal/dev/awssim/alarm"
	"github.com/cronbearer/cronbearer/internal/dev/awssim/api"
	"github.com/cronbearer/cronbearer/internal/dev/upstream"
)

const (
	rejected = "cronbearer-TokenRejected-ExampleApi"
	failed   = "ALARM cronbearer-FailedRuns"
)

// TestFortyEightHoursOfADeadTokenOnTenJobs: one message for one dead token, whatever depends on it, and reminders.
func TestFortyEightHoursOfADeadTokenOnTenJobs(t *testing.T) {
	t.Parallel()
	var jobs []row
	for i := range 10 {
		jobs = append(
			jobs, job(fmt.Sprintf("Hourly%d", i), "rate(1 hour)", london, fmt.Sprintf("/v1/%d", i), "ExampleApi", 3),
		)
	}
	s := open(t, oneToken, jobs)
	for _, step := range []struct {
		name   string
		do     func()
		d      time.Duration
		runs   int
		emails counts
	}{
		{name: "the token is good", do: func() {}, d: 6*time.Hour + 30*time.Minute, runs: 70, emails: counts{}},
		{
			name: "it is dead", do: func() { s.api.Revoke(first) }, d: 48 * time.Hour, runs: 480,
			emails: counts{"ALARM " + rejected: 1, "reminder of " + rejected: 2, failed: 1},
		},
		{
			name: "an operator stores a new one, and deals with the failed runs", d: 6 * time.Hour, runs: 60,
			do:     func() { s.fix(); s.Queue("FailedRuns").Purge() },
			emails: counts{"OK " + rejected: 1, "OK cronbearer-FailedRuns": 1},
		},
		{
			name: "one job is switched off", do: func() { s.switchOff("Hourly3", true) }, d: 12 * time.Hour, runs: 108,
			emails: counts{"INSUFFICIENT_DATA cronbearer-Silent-Hourly3": 1},
		},
		{
			name: "it is switched on again", do: func() { s.switchOff("Hourly3", false) }, d: 6 * time.Hour, runs: 60,
			emails: counts{"end of cronbearer-Silent-Hourly3": 1},
		},
	} {
		step.do()
		s.pass(step.d)
		emails, runs := s.news()
		t.Logf("%s: %d runs, %d emails%s", step.name, runs, len(emails), countOf(emails))
		if diff := cmp.Diff(step.emails, countOf(emails)); diff != "" || runs != step.runs {
			t.Errorf("%s: %d runs, want %d; emails (-want +got)\n%s", step.name, runs, step.runs, diff)
		}
	}
	s.allDelivered()
}

// TestTroubleOfADayIsReportedOnceByEachAlarm: on two hourly jobs, and no one does anything.
func TestTroubleOfADayIsReportedOnceByEachAlarm(t *testing.T) {
	t.Parallel()
	rejectSecond := func(s *stage) {
		s.api.Rule(func(q upstream.Request) (upstream.Answer, bool) { return upstream.Rejected, q.Path == "/v1/second" })
	}
	for name, c := range map[string]struct {
		token  string // of the second job
		begin  func(*stage)
		emails counts // beyond those of the silences
		quiet  string // what the alarms of the silences go to
	}{
		// The exception, as the alarm clears with each accepted call: the runbook says what to do, the next case is that.
		"one endpoint rejects a token that another accepts": {
			begin: rejectSecond, emails: counts{"ALARM " + rejected: 24, "OK " + rejected: 24, failed: 1},
		},
		"the job that is rejected has a token of its own": {
			begin: rejectSecond, token: "Second",
			emails: counts{
				"ALARM cronbearer-TokenRejected-Second": 1, "reminder of cronbearer-TokenRejected-Second": 1, failed: 1,
			},
		},
		"the schedules' role may not start the function": {
			begin:  func(s *stage) { s.forbid("SchedulerRole", "lambda:InvokeFunction") },
			emails: counts{"ALARM cronbearer-StartsDropped": 1, "ALARM cronbearer-DeadLetters": 1}, quiet: "INSUFFICIENT_DATA",
		},
		"each run fails, and the queue accepts no record": {
			begin:  func(s *stage) { s.api.Answer(upstream.Broken); s.forbid("CallerRole", "sqs:SendMessage") },
			emails: counts{"ALARM cronbearer-RecordsLost": 1}, quiet: "ALARM",
		},
		"other functions take all of the account's concurrency": {
			begin:  func(s *stage) { s.ExhaustConcurrency(true) },
			emails: counts{"ALARM cronbearer-Throttled": 1, failed: 1}, quiet: "INSUFFICIENT_DATA",
		},
	} {
		t.Run(strings.ReplaceAll(name, " ", "_"), func(t *testing.T) {
			t.Parallel()
			tokens, token := oneToken, "ExampleApi"
			if c.token != "" {
				tokens, token = append(slices.Clone(tokens), row{c.token, "{ Secret: " + secret + " }"}), c.token
			}
			s := open(t, tokens, []row{
				job("First", "cron(0 * * * ? *)", london, "/v1/first", "ExampleApi", 3),
				job("Second", "cron(30 * * * ? *)", london, "/v1/second", token, 3),
			})
			s.pass(4*time.Hour + 10*time.Minute)
			if emails, _ := s.news(); len(emails) > 0 {
				t.Fatalf("before it: %v", emails)
			}
			c.begin(s)
			s.pass(24 * time.Hour)
			emails, runs := s.news()
			t.Logf("%d runs, %d emails%s", runs, len(emails), countOf(emails))
			want := c.emails
			if c.quiet != "" {
				want[c.quiet+" cronbearer-Silent-First"], want[c.quiet+" cronbearer-Silent-Second"] = 1, 1
			}
			if diff := cmp.Diff(want, countOf(emails)); diff != "" {
				t.Errorf("emails (-want +got)\n%s", diff)
			}
		})
	}
}

// notified is what people and the log get of a token that is dead for two days, half a day of it with a fault.
type notified struct {
	Before, During, After, Recovered []string // emails about the token; After is the day that follows the fault
	Warnings                         int      // lines of the log about reminders that were not sent
	State                            alarm.State
}

// TestReminderThatCannotBeSentChangesNoRun: what keeps a reminder from being sent is logged, and clears automatically.
// The token of an hourly job is dead, and the fault lasts from hour 12 to hour 24; a reminder is due from hour 20 on.
func TestReminderThatCannotBeSentChangesNoRun(t *testing.T) {
	t.Parallel()
	const (
		fires    = "ALARM " + rejected
		again    = "reminder of " + rejected
		clears   = "OK " + rejected
		renamed  = "cronbearer-MyTokenRejected-ExampleApi"
		eachTime = 3 // the runs between the twentieth hour and the end of the fault
	)
	nothing := func(*stage) {}
	for name, c := range map[string]struct {
		begin, end func(*stage)
		want       notified
	}{
		"none": {
			begin: nothing, end: nothing,
			want: notified{
				Before: []string{fires}, During: []string{again}, After: []string{again}, Recovered: []string{clears},
				State: alarm.InAlarm,
			},
		},
		"DescribeAlarms is denied": {
			begin: func(s *stage) { s.forbid("CallerRole", "cloudwatch:DescribeAlarms") }, end: (*stage).restore,
			want: notified{
				Before: []string{fires}, After: []string{again, again}, Recovered: []string{clears}, Warnings: 12,
				State: alarm.InAlarm,
			},
		},
		"SetAlarmState is denied": {
			begin: func(s *stage) { s.forbid("CallerRole", "cloudwatch:SetAlarmState") }, end: (*stage).restore,
			want: notified{
				Before: []string{fires}, After: []string{again, again}, Recovered: []string{clears}, Warnings: eachTime,
				State: alarm.InAlarm,
			},
		},
		// The alarm fires again by the datum that the run has just stored, in CloudWatch's own words.
		"SetAlarmState is lost between its two calls": {
			begin: (*stage).loseSecond, end: (*stage).restore,
			want: notified{
				Before: []string{fires}, During: []string{fires}, After: []string{again}, Recovered: []string{clears}, Warnings: 1,
				State: alarm.InAlarm,
			},
		},
		"CloudWatch is down for it": {
			begin: func(s *stage) {
				s.CloudWatch.Faults.Set("DescribeAlarms", "", api.Unavailable)
				s.CloudWatch.Faults.Set("SetAlarmState", "", api.Unavailable)
			},
			end: func(s *stage) { s.CloudWatch.Faults.Clear() },
			want: notified{
				Before: []string{fires}, After: []string{again, again}, Recovered: []string{clears}, Warnings: 12,
				State: alarm.InAlarm,
			},
		},
		"the alarm was renamed": {
			begin: func(s *stage) { s.rename(rejected, renamed) }, end: nothing,
			want: notified{
				Before: []string{fires}, During: []string{"ALARM " + renamed}, Recovered: []string{"OK " + renamed}, Warnings: 36,
			},
		},
		// The topic's policy lets only alarms of the stack publish.
		"the alarm was renamed, and its name no longer begins with the stack's": {
			begin: func(s *stage) { s.rename(rejected, "my-TokenRejected-ExampleApi") }, end: nothing,
			want: notified{Before: []string{fires}, Warnings: 36},
		},
		"the alarm is not there": {
			begin: func(s *stage) { s.Alarms.Delete(rejected) }, end: nothing,
			want: notified{Before: []string{fires}, Warnings: 36},
		},
	} {
		t.Run(strings.ReplaceAll(name, " ", "_"), func(t *testing.T) {
			t.Parallel()
			s := open(t, oneToken, []row{job("Hourly", "rate(1 hour)", london, "/v1/sync", "ExampleApi", 3)})
			pass := func(d time.Duration) []string {
				s.pass(d)
				emails, _ := s.news()
				return slices.DeleteFunc(emails, func(kind string) bool { return !strings.Contains(kind, "TokenRejected-") })
			}
			pass(90 * time.Minute)
			died := len(s.Runs())
			var got notified
			s.api.Revoke(first)
			got.Before = pass(12 * time.Hour)
			c.begin(s)
			got.During = pass(12 * time.Hour)
			got.State = s.AlarmState("TokenRejected-ExampleApi")
			c.end(s)
			got.After = pass(24 * time.Hour)
			for _, r := range s.Runs()[died:] {
				if r.Result.Outcome != "token_rejected" {
					t.Errorf("the fault changed a run: %+v", r.Result)
				}
				for _, l := range r.Lines() {
					if l["message"] == "no reminder was sent" && l["level"] == "WARN" {
						got.Warnings++
					}
				}
			}
			s.fix()
			got.Recovered = pass(2 * time.Hour)
			t.Logf("%+v", got)
			if diff := cmp.Diff(c.want, got); diff != "" {
				t.Errorf("(-want +got)\n%s", diff)
			}
		})
	}
}
