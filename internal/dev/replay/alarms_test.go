package replay_test

import (
	"encoding/json"
	"flag"
	"fmt"
	"os"
	"path/filepath"
	"regexp"
	"strings"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"

	"github.com/cronbearer/cronbearer/internal/dev/awssim/alarm"
	"github.com/cronbearer/cronbearer/internal/dev/awssim/awssimtest"
	"github.com/cronbearer/cronbearer/internal/dev/awssim/notify"
	"github.com/cronbearer/cronbearer/internal/dev/upstream"
)

var update = flag.Bool("update", false, "write docs/messages.md")

// scene fires one alarm by its real cause, and recovers by what recovers it in life.
type scene struct {
	title string // of the kind of message
	alarm string // its name without the stack's
	cause string // in words
	fix   string

	prepare  func(*stage)
	quiet    time.Duration // nothing is wrong; 0: until 10:20, 40 minutes before the next hourly run
	begin    func(*stage)
	state    alarm.State   // that it leads to
	within   time.Duration // of the cause
	end      func(*stage)
	after    time.Duration // until the alarm is OK
	reminded bool          // by one email before the end
}

// scenes are all alarms of the template, and each way into one that has two.
func scenes() []scene {
	answer := func(a upstream.Answer) func(*stage) { return func(s *stage) { s.api.Answer(a) } }
	next := func(a ...upstream.Answer) func(*stage) { return func(s *stage) { s.api.Next(a...) } }
	forbid := func(role, action string) func(*stage) { return func(s *stage) { s.forbid(role, action) } }
	empty := func(queue string) func(*stage) { return func(s *stage) { s.Queue(queue).Purge() } }
	both := func(a, b func(*stage)) func(*stage) { return func(s *stage) { a(s); b(s) } }
	return []scene{
		{
			title: "A token is rejected", alarm: "TokenRejected-ExampleApi", state: alarm.InAlarm, reminded: true,
			cause:  "The API answers 401 to a token that it accepted before.",
			fix:    "An operator stores a token that it accepts; the next run is accepted.",
			begin:  func(s *stage) { s.api.Revoke(first) },
			within: 22 * time.Hour,
			end:    (*stage).fix,
			after:  time.Hour,
		},
		{
			title: "A token expires soon", alarm: "TokenExpiring-ExampleApi", state: alarm.InAlarm,
			cause:   "The secret says that its token expires in ten days; `WarnDays` is 14.",
			fix:     "An operator stores a token that is valid for a year; the next run reads it.",
			prepare: func(s *stage) { s.putStatic(first, 24*365*time.Hour) },
			begin:   func(s *stage) { s.putStatic(first, 24*10*time.Hour) },
			within:  2 * time.Hour,
			end:     func(s *stage) { s.api.Accept(second); s.putStatic(second, 24*365*time.Hour) },
			after:   3 * time.Hour,
		},
		{
			title: "A job does not run", alarm: "Silent-HourlySync", state: alarm.InsufficientData,
			cause:  "Someone disables its schedule.",
			fix:    "The schedule is enabled again.",
			begin:  func(s *stage) { s.switchOff("HourlySync", true) },
			within: 8 * time.Hour,
			end:    func(s *stage) { s.switchOff("HourlySync", false) },
			after:  2 * time.Hour,
		},
		{
			title: "A job runs, and every run fails", alarm: "Silent-HourlySync", state: alarm.InAlarm,
			cause:  "The API answers 500 for hours.",
			fix:    "It answers 200 again.",
			begin:  answer(upstream.Broken),
			within: 8 * time.Hour,
			end:    answer(upstream.OK),
			after:  2 * time.Hour,
		},
		{
			title: "A new job has never succeeded", alarm: "Silent-HourlySync", state: alarm.InAlarm,
			cause:   "The API has no such path: it answers 404 from the first run on.",
			fix:     "The path is added.",
			prepare: answer(upstream.Answer{Status: 404}),
			quiet:   time.Hour,
			begin:   func(*stage) {},
			within:  8 * time.Hour,
			end:     answer(upstream.OK),
			after:   2 * time.Hour,
		},
		{
			title: "Runs have failed", alarm: "FailedRuns", state: alarm.InAlarm,
			cause:  "The API answers 500 to one run.",
			fix:    "An operator looks into it and purges the queue.",
			begin:  next(upstream.Broken, upstream.Broken, upstream.Broken),
			within: 2 * time.Hour,
			end:    empty("FailedRuns"),
			after:  30 * time.Minute,
		},
		{
			title: "Starts could not be delivered", alarm: "DeadLetters", state: alarm.InAlarm,
			cause:  "The schedules' role may no longer start the function.",
			fix:    "The permission is restored, and an operator purges the queue.",
			begin:  forbid("SchedulerRole", "lambda:InvokeFunction"),
			within: 90 * time.Minute,
			end:    both(empty("DeadLetters"), (*stage).restore),
			after:  30 * time.Minute,
		},
		{
			title: "Scheduler gave up on starts", alarm: "StartsDropped", state: alarm.InAlarm,
			cause:  "The same, and the role may not write to the dead-letter queue either.",
			fix:    "The permission is restored; the alarm clears automatically.",
			begin:  forbid("SchedulerRole", "*"),
			within: 50 * time.Minute,
			end:    (*stage).restore,
			after:  6 * time.Hour,
		},
		{
			title: "Lambda throttles runs", alarm: "Throttled", state: alarm.InAlarm,
			cause:  "Other functions use up the account's concurrency.",
			fix:    "They release it.",
			begin:  func(s *stage) { s.ExhaustConcurrency(true) },
			within: 52 * time.Minute,
			end:    func(s *stage) { s.ExhaustConcurrency(false) },
			after:  time.Hour,
		},
		{
			title: "A failed run could not be kept", alarm: "RecordsLost", state: alarm.InAlarm,
			cause:  "The caller's role may no longer send to the queue of failed runs, and a run fails.",
			fix:    "The permission is restored; the alarm clears automatically.",
			begin:  both(next(upstream.Broken, upstream.Broken, upstream.Broken), forbid("CallerRole", "sqs:SendMessage")),
			within: 50 * time.Minute,
			end:    (*stage).restore,
			after:  6 * time.Hour,
		},
		{
			title: "A token could not be renewed", alarm: "RotationFailed-example-api", state: alarm.InAlarm,
			cause:   "The user's consent is revoked: the provider rejects the refresh token.",
			fix:     "An operator re-authorizes and stores the whole new secret.",
			prepare: (*stage).rotating,
			begin:   (*stage).revokeConsent,
			within:  20 * time.Minute,
			// The rotation that was left half done runs again with the next start.
			end:   both(empty("DeadLetters"), (*stage).logIn),
			after: 90 * time.Minute,
		},
	}
}

// play returns the emails about the scene's alarm.
func (c scene) play(t *testing.T) []notify.Email {
	t.Helper()
	s := open(t, oneToken, []row{
		job("DailyReport", "cron(0 9 ? * MON-FRI *)", london, "/v1/reports", "ExampleApi", 75),
		job("HourlySync", "rate(1 hour)", london, "/v1/sync", "ExampleApi", 3),
	})
	if c.prepare != nil {
		c.prepare(s)
	}
	if c.quiet == 0 {
		c.quiet = 2*time.Hour + 20*time.Minute
	}
	s.pass(c.quiet)
	if got := s.emailsOf(c.alarm); len(got) > 0 {
		t.Fatalf("before the cause: %v", kinds(got))
	}
	emails := 1
	if c.reminded {
		emails++
	}
	c.begin(s)
	s.pass(c.within)
	s.expect("after the cause", c.alarm, c.state, emails)
	c.end(s)
	s.pass(c.after)
	s.expect("after the end", c.alarm, alarm.OK, emails+1)
	list := s.emailsOf(c.alarm)
	for i := range list {
		list[i].Body = s.Public(list[i].Body)
	}
	return list
}

const head = `# Alert emails

<!-- Generated: make generate. -->

What each alarm sends, so that you can write mailbox rules and know what to expect. The real template and the real
binaries produced these emails on the [simulator](../internal/dev/awssim): each alarm was fired by its real cause and
cleared by the real fix. The first email is complete, in the form of CloudWatch's own emails (without the unsubscribe
footer that SNS appends); of the others you see the subject and the part that Cronbearer writes.

One dead token sends two emails, however many jobs use it: the token was rejected, and runs have failed. A dead
refresh token sends three before its access token expires: the token could not be renewed, a start could not be
delivered, and the token expires soon.

The stack is called ` + "`cronbearer`" + `, its token ` + "`ExampleApi`" + `, its jobs ` +
	"`HourlySync` and `DailyReport`" + `.

| event | subject | runbook |
| --- | --- | --- |
`

// TestEachAlarmIsFiredAndClearedByItsRealCause plays all scenes: docs/messages.md shows their emails.
func TestEachAlarmIsFiredAndClearedByItsRealCause(t *testing.T) {
	t.Parallel()
	list := scenes()
	emails := make([][]notify.Email, len(list))
	t.Run("scenes", func(t *testing.T) {
		for i, c := range list {
			t.Run(strings.ReplaceAll(c.title, " ", "_"), func(t *testing.T) {
				t.Parallel()
				emails[i] = c.play(t)
				t.Log(kinds(emails[i]))
			})
		}
	})
	if t.Failed() {
		return
	}
	var table, blocks strings.Builder
	for i, c := range list {
		row, block := c.page(t, emails[i], i == 0)
		table.WriteString(row)
		blocks.WriteString(block)
	}
	path, page := filepath.Join(awssimtest.Root(), "docs", "messages.md"), head+table.String()+blocks.String()
	if *update {
		if err := os.WriteFile(path, []byte(page), 0o600); err != nil {
			t.Fatal(err)
		}
		return
	}
	kept, err := os.ReadFile(path)
	if err != nil {
		t.Fatal(err)
	}
	if diff := cmp.Diff(strings.Split(string(kept), "\n"), strings.Split(page, "\n")); diff != "" {
		t.Errorf("docs/messages.md is out of date: run make generate (-kept +now)\n%s", diff)
	}
}

var (
	seconds = regexp.MustCompile(`(\d\d:\d\d):\d\d UTC`)
	// The days until a token expires, which are counted in nanoseconds.
	fraction = regexp.MustCompile(`(\d\.\d\d)\d{3,}`)
	millis   = regexp.MustCompile(`(T\d\d:\d\d):\d\d\.\d{3}\+0000`)
	runbook  = regexp.MustCompile(`docs/(runbooks/([a-z-]+)\.md)`)
	notAWord = regexp.MustCompile(`[^a-z0-9 -]`)
)

// page is the scene's row in the table and its part of the page.
func (c scene) page(t *testing.T, emails []notify.Email, whole bool) (row, part string) {
	t.Helper()
	anchor := strings.ReplaceAll(notAWord.ReplaceAllString(strings.ToLower(c.title), ""), " ", "-")
	advice := runbook.FindStringSubmatch(emails[0].Body)
	if advice == nil {
		t.Fatalf("%s: its email names no runbook", c.title)
	}
	row = fmt.Sprintf("| [%s](#%s) | `%s` | [%s](%s) |\n", c.title, anchor, emails[0].Subject, advice[2], advice[1])
	first := message(emails[0], ours(t, emails[0]))
	if whole {
		first = message(emails[0], stable(emails[0].Body))
	}
	part = fmt.Sprintf("\n## %s\n\n%s\n\n%s", c.title, c.cause, first)
	if c.reminded {
		part += "\nWhile that lasts, a reminder at most once in `RemindAfter`. Its reason says so:\n\n" +
			message(emails[1], stable(between(t, emails[1].Body, "- Reason for State Change:", "\n")))
	}
	last := emails[len(emails)-1]
	if last.Subject == withoutSubject {
		return row, part + fmt.Sprintf("\n%s Then you get:\n\n%s", c.fix, message(last, ours(t, last)))
	}
	return row, part + fmt.Sprintf("\n%s Then you get `%s`.\n", c.fix, last.Subject)
}

// withoutSubject is what SNS puts into a message that has no subject, such as EventBridge's.
const withoutSubject = "AWS Notification Message"

// ours is the part of an email that the template writes: the alarm's description, or the summary of a message that is
// JSON.
func ours(t *testing.T, m notify.Email) string {
	t.Helper()
	if m.Subject != withoutSubject {
		return stable(between(t, m.Body, "- Description:", "\n- State Change:"))
	}
	var message struct{ Summary string }
	if err := json.Unmarshal([]byte(m.Body), &message); err != nil || message.Summary == "" {
		t.Fatalf("no summary (%v): %s", err, m.Body)
	}
	return stable(message.Summary)
}

func between(t *testing.T, text, from, to string) string {
	t.Helper()
	_, rest, begins := strings.Cut(text, from)
	part, _, ends := strings.Cut(rest, to)
	if !begins || !ends {
		t.Fatalf("nothing between %q and %q: %s", from, to, text)
	}
	return strings.TrimSpace(part)
}

// stable leaves out what depends on this machine: seconds, and the fractions of days.
func stable(text string) string {
	text = seconds.ReplaceAllString(fraction.ReplaceAllString(text, "$1"), "$1:00 UTC")
	lines := strings.Split(strings.TrimRight(millis.ReplaceAllString(text, "$1:00.000+0000"), "\n"), "\n")
	for i, line := range lines {
		lines[i] = strings.TrimRight(line, " ")
	}
	return strings.Join(lines, "\n")
}

func message(m notify.Email, body string) string {
	return "```text\nSubject: " + m.Subject + "\n\n" + body + "\n```\n"
}

// TestEachAlarmHasItsScene: an alarm that no scene fires is one of which no one has seen a message.
func TestEachAlarmHasItsScene(t *testing.T) {
	t.Parallel()
	var text []byte
	for _, path := range []string{awssimtest.Template(), filepath.Join(awssimtest.Root(), "infra", "rotation.yaml")} {
		one, err := os.ReadFile(path)
		if err != nil {
			t.Fatal(err)
		}
		text = append(text, one...)
	}
	played, named := map[string]bool{}, map[string]bool{}
	for _, c := range scenes() {
		kind, _, _ := strings.Cut(c.alarm, "-")
		played[kind] = true
	}
	for _, m := range regexp.MustCompile(`AlarmName: !Sub '?\$\{(?:AWS::)?StackName}-(\w+)`).FindAllStringSubmatch(
		string(text), -1,
	) {
		named[m[1]] = true
	}
	if diff := cmp.Diff(named, played); diff != "" {
		t.Errorf("kinds of alarms (-templates +scenes)\n%s", diff)
	}
}
