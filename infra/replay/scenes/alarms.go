package scenes

import (
	"context"
	"errors"
	"fmt"
	"time"

	"github.com/cronbearer/cronbearer/infra/local"
	"github.com/cronbearer/cronbearer/infra/local/alarm"
	"github.com/cronbearer/cronbearer/infra/local/notify"
	"github.com/cronbearer/cronbearer/infra/local/secrets"
	"github.com/cronbearer/cronbearer/infra/local/target"
)

// Scene fires one alarm by its real cause, and mends it by what mends it in life.
type Scene struct {
	Title string // of the kind of message
	Alarm string // its name without the stack's
	Cause string // in words
	Mend  string

	options  local.Options
	jobs     []Row
	prepare  func(*stage) error
	quiet    time.Duration // 0: the usual
	cause    func(*stage) error
	state    alarm.State   // that it leads to
	within   time.Duration // of the cause
	mend     func(*stage) error
	after    time.Duration // until the alarm is OK
	reminded bool          // by one mail before the mending
}

// quiet is how long nothing is wrong, until 10:20: the next hourly run is 40 minutes away.
const quiet = 2*time.Hour + 20*time.Minute

// Scenes are all alarms of the template, and each way into one that has two.
func Scenes() []Scene {
	return []Scene{
		{
			Title: "A token is refused", Alarm: "TokenRejected-ExampleApi", state: alarm.InAlarm, reminded: true,
			Cause:  "The API answers 401 to a token that it accepted before.",
			Mend:   "A person stores a token that it accepts; the next run is accepted.",
			cause:  func(s *stage) error { s.api.Revoke(first); return nil },
			within: 22 * time.Hour,
			mend:   func(s *stage) error { s.api.Accept(second); return s.put(second) },
			after:  time.Hour,
		},
		{
			Title: "A token ends soon", Alarm: "TokenExpiring-ExampleApi", state: alarm.InAlarm,
			Cause:   "The secret says that its token ends in ten days; WarnDays is 14.",
			Mend:    "A person stores a token that lasts a year; the next run reads it.",
			prepare: func(s *stage) error { return s.putStatic(first, 24*365*time.Hour) },
			cause:   func(s *stage) error { return s.putStatic(first, 24*10*time.Hour) },
			within:  2 * time.Hour,
			mend:    func(s *stage) error { s.api.Accept(second); return s.putStatic(second, 24*365*time.Hour) },
			after:   3 * time.Hour,
		},
		{
			Title: "A job does not run", Alarm: "Silent-HourlySync", state: alarm.InsufficientData,
			Cause:  "Somebody switches its schedule off.",
			Mend:   "It is switched on again.",
			cause:  func(s *stage) error { return s.SwitchOff("JobHourlySync", true) },
			within: 8 * time.Hour,
			mend:   func(s *stage) error { return s.SwitchOff("JobHourlySync", false) },
			after:  2 * time.Hour,
		},
		{
			Title: "A job runs, and no run works", Alarm: "Silent-HourlySync", state: alarm.InAlarm,
			Cause:  "The API answers 500 for hours.",
			Mend:   "It answers 200 again.",
			cause:  func(s *stage) error { s.api.Answer(target.Broken); return nil },
			within: 8 * time.Hour,
			mend:   func(s *stage) error { s.api.Answer(target.OK); return nil },
			after:  2 * time.Hour,
		},
		{
			Title: "A new job has never worked", Alarm: "Silent-HourlySync", state: alarm.InAlarm,
			Cause:   "The API has no such path: it answers 404 from the first run on.",
			Mend:    "The path is there.",
			prepare: func(s *stage) error { s.api.Answer(target.Answer{Status: 404}); return nil },
			quiet:   time.Hour,
			cause:   func(*stage) error { return nil },
			within:  8 * time.Hour,
			mend:    func(s *stage) error { s.api.Answer(target.OK); return nil },
			after:   2 * time.Hour,
		},
		{
			Title: "Runs have failed", Alarm: "FailedRuns", state: alarm.InAlarm,
			Cause:  "The API answers 500 to one run.",
			Mend:   "A person deals with it and empties the queue.",
			cause:  func(s *stage) error { s.api.Next(target.Broken); return nil },
			within: 2 * time.Hour,
			mend:   func(s *stage) error { s.Queue("FailedRuns").Purge(); return nil },
			after:  30 * time.Minute,
		},
		{
			Title: "Starts could not be delivered", Alarm: "DeadLetters", state: alarm.InAlarm,
			Cause:  "The schedules' role may no longer start the function.",
			Mend:   "It may again, and a person empties the queue.",
			cause:  func(s *stage) error { return s.forbid("SchedulerRole", "lambda:InvokeFunction") },
			within: 90 * time.Minute,
			mend:   func(s *stage) error { s.Queue("DeadLetters").Purge(); return s.restore() },
			after:  30 * time.Minute,
		},
		{
			Title: "Scheduler gave up on starts", Alarm: "StartsDropped", state: alarm.InAlarm,
			Cause:  "The same; this alarm also tells when the dead-letter queue takes nothing.",
			Mend:   "It may again; the alarm ends by itself.",
			cause:  func(s *stage) error { return s.forbid("SchedulerRole", "*") },
			within: 50 * time.Minute,
			mend:   (*stage).restore,
			after:  6 * time.Hour,
		},
		{
			Title: "Lambda turns runs away", Alarm: "Throttled", state: alarm.InAlarm,
			Cause:  "Other functions take all of the account's concurrency.",
			Mend:   "They give it back.",
			cause:  func(s *stage) error { s.Crowd(true); return nil },
			within: 52 * time.Minute,
			mend:   func(s *stage) error { s.Crowd(false); return nil },
			after:  time.Hour,
		},
		{
			Title: "A failed run could not be kept", Alarm: "RecordsLost", state: alarm.InAlarm,
			Cause: "The caller's role may no longer send to the queue of failed runs, and a run fails.",
			Mend:  "It may again; the alarm ends by itself.",
			cause: func(s *stage) error {
				s.api.Next(target.Broken)
				return s.forbid("CallerRole", "sqs:SendMessage")
			},
			within: 50 * time.Minute,
			mend:   (*stage).restore,
			after:  6 * time.Hour,
		},
		{
			Title: "A token could not be renewed", Alarm: "RotationFailed", state: alarm.InAlarm,
			Cause:   "The provider ends what a person agreed to: it refuses the refresh token.",
			Mend:    "A person logs in again and stores the whole new secret.",
			prepare: (*stage).rotating,
			cause:   (*stage).endConsent,
			within:  20 * time.Minute,
			mend:    (*stage).logInAgain,
			after:   90 * time.Minute,
		},
	}
}

// endConsent revokes the refresh token that is stored.
func (s *stage) endConsent() error {
	token, err := s.stored(secrets.Current)
	if err != nil {
		return err
	}
	if !s.auth.Revoke(token) {
		return errors.New("the authorisation server does not know the stored refresh token")
	}
	return nil
}

// logInAgain stores a secret of a new family. The rotation that was left half done runs again with the next start.
func (s *stage) logInAgain() error {
	s.Queue("DeadLetters").Purge()
	return s.logIn()
}

// Play plays a scene and gives the mails about its alarm, in the names of the world.
func (m Machine) Play(ctx context.Context, scene Scene) (mails []notify.Mail, err error) {
	err = m.open(scene.options, nil, scene.jobs, func(s *stage) error {
		if err := s.play(ctx, scene); err != nil {
			return fmt.Errorf("%s: %w", scene.Title, err)
		}
		for _, mail := range s.mailsOf(scene.Alarm) {
			mail.Body = s.Public(mail.Body)
			mails = append(mails, mail)
		}
		return nil
	})
	return mails, err
}

func (s *stage) play(ctx context.Context, scene Scene) error {
	if scene.prepare != nil {
		if err := scene.prepare(s); err != nil {
			return err
		}
	}
	if scene.quiet == 0 {
		scene.quiet = quiet
	}
	if err := s.pass(ctx, scene.quiet); err != nil {
		return err
	}
	if got := s.mailsOf(scene.Alarm); len(got) > 0 {
		return fmt.Errorf("before the cause: %s", subjects(got))
	}
	if err := scene.cause(s); err != nil {
		return err
	}
	if err := s.pass(ctx, scene.within); err != nil {
		return err
	}
	count := 1
	if scene.reminded {
		count++
	}
	if err := s.expect(scene.Alarm, scene.state, count); err != nil {
		return fmt.Errorf("after the cause: %w", err)
	}
	if err := scene.mend(s); err != nil {
		return err
	}
	if err := s.pass(ctx, scene.after); err != nil {
		return err
	}
	if err := s.expect(scene.Alarm, alarm.OK, count+1); err != nil {
		return fmt.Errorf("after the mending: %w", err)
	}
	return nil
}
