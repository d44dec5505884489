package main

import (
	"context"
	"errors"
	"fmt"
	"slices"
	"strings"
	"time"

	"github.com/google/go-cmp/cmp"

	"github.com/cronbearer/cronbearer/internal/dev/awssim"
	"github.com/cronbearer/cronbearer/internal/dev/awssim/alarm"
	"github.com/cronbearer/cronbearer/internal/dev/upstream"
)

// What the example of template.yaml says. The tokens open nothing.
const (
	host     = "api.example.com"
	secret   = "example-api"
	oldToken = "demo-token-of-last-year"
	newToken = "demo-token-of-this-year"

	rejectedAlarm = "TokenRejected-ExampleApi"
	failedAlarm   = "FailedRuns"
)

// story runs the cloud from chapter to chapter, and checks each.
type story struct {
	cloud *awssim.Cloud
	page  *page

	runs, emails int // seen so far
}

// chapter is what must have happened in it.
type chapter struct {
	until  string   // time of day
	runs   []string // "HourlySync token_rejected"
	emails []string // subjects, their beginnings
	states map[string]alarm.State
}

func (s *story) play(ctx context.Context) error {
	api := s.cloud.Target(host)
	if api == nil {
		return fmt.Errorf("no job of the template calls %s any more: this demo tells the story of the shipped examples", host)
	}
	s.page.title()

	if err := s.put(oldToken); err != nil {
		return err
	}
	api.Accept(oldToken)
	s.page.narrate(s.cloud.Now(), "deployed: two jobs call "+host+" with one token")
	if err := s.pass(ctx, chapter{
		until:  "10:30",
		runs:   []string{"HourlySync succeeded", "DailyReport succeeded", "HourlySync succeeded", "HourlySync succeeded"},
		states: map[string]alarm.State{rejectedAlarm: alarm.OK, failedAlarm: alarm.InsufficientData},
	}); err != nil {
		return fmt.Errorf("while the token is good: %w", err)
	}

	s.page.narrate(s.cloud.Now(), host+" revokes the token")
	api.Revoke(oldToken)
	if err := s.pass(ctx, chapter{
		until:  "11:30",
		runs:   []string{"HourlySync token_rejected"},
		emails: []string{"ALARM: \"cronbearer-TokenRejected", "ALARM: \"cronbearer-FailedRuns"},
		states: map[string]alarm.State{
			rejectedAlarm: alarm.InAlarm, failedAlarm: alarm.InAlarm,
		},
	}); err != nil {
		return fmt.Errorf("when the token dies: %w", err)
	}

	s.page.narrate(
		s.cloud.Now(), host+" fails for a while: that is not news of the token, so nothing clears",
	)
	api.Next(upstream.Broken, upstream.Broken, upstream.Broken) // a run tries three times
	if err := s.pass(ctx, chapter{
		until: "12:30", runs: []string{"HourlySync target_failed"},
		states: map[string]alarm.State{rejectedAlarm: alarm.InAlarm},
	}); err != nil {
		return fmt.Errorf("with a 500 in between: %w", err)
	}

	s.page.narrate(s.cloud.Now(), "no one has looked yet: the alarms stay, and do not fire again with each run")
	if err := s.pass(ctx, chapter{
		until: "14:30", runs: []string{"HourlySync token_rejected", "HourlySync token_rejected"},
		states: map[string]alarm.State{rejectedAlarm: alarm.InAlarm},
	}); err != nil {
		return fmt.Errorf("while the token stays dead: %w", err)
	}

	s.page.narrate(
		s.cloud.Now(), "an operator reads the email and stores a new token: cronbearer token set ExampleApi",
	)
	api.Accept(newToken)
	if err := s.put(newToken); err != nil {
		return err
	}
	if err := s.pass(ctx, chapter{
		until: "15:30", runs: []string{"HourlySync succeeded"}, emails: []string{"OK: \"cronbearer-TokenRejected"},
		states: map[string]alarm.State{rejectedAlarm: alarm.OK, failedAlarm: alarm.InAlarm},
	}); err != nil {
		return fmt.Errorf("with the new token: %w", err)
	}

	s.page.narrate(s.cloud.Now(), "the failed runs are dealt with, and their queue is purged")
	if kept := len(s.cloud.Queue("FailedRuns").Messages()); kept != 4 {
		return fmt.Errorf("%d failed runs are kept, not 4", kept)
	}
	s.cloud.Queue("FailedRuns").Purge()
	if err := s.pass(ctx, chapter{
		until: "16:30", runs: []string{"HourlySync succeeded"}, emails: []string{"OK: \"cronbearer-FailedRuns"},
		states: map[string]alarm.State{rejectedAlarm: alarm.OK, failedAlarm: alarm.OK},
	}); err != nil {
		return fmt.Errorf("at the end: %w", err)
	}
	return s.end()
}

func (s *story) put(token string) error {
	_, err := s.cloud.PutSecret(secret, token)
	return err
}

// pass lets time go on and compares what happened with what must.
func (s *story) pass(ctx context.Context, c chapter) error {
	until, err := time.Parse("15:04", c.until)
	if err != nil {
		return fmt.Errorf("chapter: %w", err)
	}
	if err := s.cloud.Run(ctx, awssim.Start.Truncate(24*time.Hour).Add(time.Duration(until.Hour())*time.Hour+
		time.Duration(until.Minute())*time.Minute)); err != nil {
		return err
	}
	var problems []error
	var runs []string
	all := s.cloud.Runs()
	for _, r := range all[s.runs:] {
		runs = append(runs, r.Result.Job+" "+r.Result.Outcome)
		if r.Failed != (r.Result.Outcome != "succeeded") {
			problems = append(
				problems,
				fmt.Errorf("%s ended as %s, but Lambda has it otherwise: %s", r.Result.Job, r.Result.Outcome, r.Message),
			)
		}
	}
	s.runs = len(all)
	if diff := cmp.Diff(c.runs, runs); diff != "" {
		problems = append(problems, fmt.Errorf("runs (-expected +happened):\n%s", diff))
	}
	problems = append(problems, s.checkEmails(c.emails))
	for name, want := range c.states {
		if got := s.cloud.AlarmState(name); got != want {
			problems = append(problems, fmt.Errorf("alarm %s is %s, not %s", name, got, want))
		}
	}
	for _, undelivered := range s.cloud.Undelivered() {
		problems = append(problems, fmt.Errorf("a message was not delivered: %w", undelivered))
	}
	return errors.Join(problems...)
}

func (s *story) checkEmails(want []string) error {
	all := s.cloud.Emails("")
	var subjects []string
	for _, m := range all[s.emails:] {
		subjects = append(subjects, m.Subject)
	}
	s.emails = len(all)
	left := slices.Clone(subjects)
	for _, beginning := range want {
		i := slices.IndexFunc(left, func(subject string) bool { return strings.HasPrefix(subject, beginning) })
		if i < 0 {
			return fmt.Errorf("no email %s…; there came: %q", beginning, subjects)
		}
		left = slices.Delete(left, i, i+1)
	}
	if len(left) > 0 {
		return fmt.Errorf("unexpected emails: %q", left)
	}
	return nil
}

// end shows the email that mattered, and checks for what must never be seen.
func (s *story) end() error {
	emails := s.cloud.Emails(s.cloud.Stack.StackName + "-" + rejectedAlarm)
	if len(emails) != 2 {
		return fmt.Errorf("the dead token led to %d emails, not to one and its end", len(emails))
	}
	s.page.line("")
	s.page.paragraph("", "", "One dead token, four failed runs: two alarms, TokenRejected and FailedRuns, and one email "+
		"each when they fired and cleared. This is the first, of "+clock(emails[0].At)+":")
	s.page.email(emails[0])
	for _, r := range s.cloud.Runs() {
		for _, text := range [][]byte{r.Stdout, r.Stderr, r.Payload} {
			if strings.Contains(string(text), oldToken) || strings.Contains(string(text), newToken) {
				return errors.New("a token is in the output of a run")
			}
		}
	}
	s.page.line("%s", s.page.paint(green, "The story came out as it should."))
	return nil
}
