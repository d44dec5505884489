package scenes

import (
	"context"
	"fmt"
	"strings"
	"sync"
	"time"

	"github.com/cronbearer/cronbearer/infra/local"
	"github.com/cronbearer/cronbearer/infra/local/alarm"
	"github.com/cronbearer/cronbearer/infra/local/api"
)

// Fault is something that keeps a reminder from being sent.
type Fault struct {
	Name string

	begin, end func(*stage) error // the token is dead all the while
}

// Faults are the ways in which a reminder can fail.
func Faults() []Fault {
	return []Fault{
		{"none", nothing, nothing},
		{"DescribeAlarms is denied", func(s *stage) error { return s.forbid("CallerRole", "cloudwatch:DescribeAlarms") }, (*stage).restore},
		{"SetAlarmState is denied", func(s *stage) error { return s.forbid("CallerRole", "cloudwatch:SetAlarmState") }, (*stage).restore},
		{"SetAlarmState is lost between its two calls", (*stage).loseSecond, func(s *stage) error { s.CloudWatch.Authorize = s.authorize; return nil }},
		{"CloudWatch is down for it", func(s *stage) error {
			s.CloudWatch.Faults.Set("DescribeAlarms", "", api.Unavailable)
			s.CloudWatch.Faults.Set("SetAlarmState", "", api.Unavailable)
			return nil
		}, func(s *stage) error { s.CloudWatch.Faults.Clear(); return nil }},
		{"the alarm was renamed", func(s *stage) error { return s.rename("cronbearer-My" + rejected) }, nothing},
		{"the alarm was renamed, and no longer begins with the stack's name", func(s *stage) error { return s.rename("my-" + rejected) }, nothing},
		{"the alarm is not there", func(s *stage) error { s.Alarms.Delete(s.Stack.StackName + "-" + rejected); return nil }, nothing},
	}
}

const rejected = "TokenRejected-ExampleApi"

func nothing(*stage) error { return nil }

// loseSecond lets the first SetAlarmState through and refuses all that follow.
func (s *stage) loseSecond() error {
	s.authorize = s.CloudWatch.Authorize
	before := s.authorize
	var mu sync.Mutex
	seen := 0
	s.CloudWatch.Authorize = func(key string, access api.Access) *api.Error {
		mu.Lock()
		defer mu.Unlock()
		if access.Action == "cloudwatch:SetAlarmState" {
			if seen++; seen > 1 {
				return api.Denied.Error
			}
		}
		return before(key, access)
	}
	return nil
}

// rename is what somebody does in the console: a copy of the alarm under another name, and the old one deleted.
func (s *stage) rename(to string) error {
	name := s.Stack.StackName + "-" + rejected
	found := s.Alarms.Describe([]string{name}, "")
	if len(found) != 1 {
		return fmt.Errorf("there is no alarm %s", name)
	}
	copied := found[0].Alarm
	copied.Name = to
	if err := s.Alarms.Put(copied, s.Now()); err != nil {
		return err
	}
	s.Alarms.Delete(name)
	return nil
}

// Told is what a person and the log got of a token that is dead for two days, half a day of it with a fault.
type Told struct {
	// Mails about the token: before the fault, while it lasts, in the day after it, and when the token is mended.
	Before, During, After, Mended []string
	// Warnings are lines of the log about reminders that were not sent.
	Warnings int
	// Outcomes other than token_rejected while the token was dead: none, or the fault changed a run.
	Other []string
	// State of the alarm while the fault lasts; "" if there is none.
	State alarm.State
}

// Reminders plays one: a token on one hourly job is dead, and the fault is there from hour 12 to hour 24; a reminder is
// due from hour 20 on.
func (m Machine) Reminders(ctx context.Context, f Fault) (told Told, err error) {
	job := Row{"Hourly", `{ Schedule: rate(1 hour), Call: "GET https://` + host + `/v1/sync", Token: ExampleApi, SilentAfter: 3 }`}
	err = m.open(local.Options{}, nil, []Row{job}, func(s *stage) error {
		seen := 0
		pass := func(do func(*stage) error, d time.Duration) ([]string, error) {
			if err := do(s); err != nil {
				return nil, err
			}
			if err := s.pass(ctx, d); err != nil {
				return nil, err
			}
			var got []string
			all := s.Mails("")
			for _, mail := range all[seen:] {
				if strings.Contains(mail.Alarm, rejected) {
					got = append(got, kind(mail))
				}
			}
			seen = len(all)
			return got, nil
		}
		if err := s.pass(ctx, 90*time.Minute); err != nil {
			return err
		}
		died := len(s.Runs())
		var err error
		if told.Before, err = pass(func(s *stage) error { s.api.Revoke(first); return nil }, 12*time.Hour); err != nil {
			return err
		}
		if told.During, err = pass(f.begin, 12*time.Hour); err != nil {
			return err
		}
		told.State = s.AlarmState(rejected)
		if told.After, err = pass(f.end, 24*time.Hour); err != nil {
			return err
		}
		for _, r := range s.Runs()[died:] {
			if r.Result.Outcome != "token_rejected" {
				told.Other = append(told.Other, r.Result.Outcome)
			}
			for _, l := range r.Lines() {
				if l["message"] == "no reminder was sent" && l["level"] == "WARN" {
					told.Warnings++
				}
			}
		}
		told.Mended, err = pass(func(s *stage) error { s.api.Accept(second); return s.put(second) }, 2*time.Hour)
		return err
	})
	return told, err
}
