package scenes

import (
	"context"
	"fmt"
	"time"

	"github.com/cronbearer/cronbearer/infra/local"
	"github.com/cronbearer/cronbearer/infra/local/target"
)

// Trouble is one that lasts a day, on two hourly jobs: what a person gets of it who does nothing.
type Trouble struct {
	Name string

	tokens []Row
	token  string // of the second job
	begin  func(*stage) error
}

// Troubles are those that a person may not mend for a day.
func Troubles() []Trouble {
	refused := func(s *stage) error {
		s.api.Rule(func(q target.Request) (target.Answer, bool) { return target.Rejected, q.Path == "/v1/second" })
		return nil
	}
	return []Trouble{
		{Name: "one endpoint refuses a token that another accepts", begin: refused},
		{
			Name: "the same, with a token of its own for the job that is refused", begin: refused, token: "Second",
			tokens: []Row{{"ExampleApi", "{ Secret: " + secret + " }"}, {"Second", "{ Secret: " + secret + " }"}},
		},
		{Name: "the schedules' role may not start the function", begin: func(s *stage) error { return s.forbid("SchedulerRole", "lambda:InvokeFunction") }},
		{Name: "each run fails, and the queue takes no record", begin: func(s *stage) error {
			s.api.Answer(target.Broken)
			return s.forbid("CallerRole", "sqs:SendMessage")
		}},
		{Name: "other functions take all of the account's concurrency", begin: func(s *stage) error { s.Crowd(true); return nil }},
	}
}

// Day plays a trouble for a day.
func (m Machine) Day(ctx context.Context, t Trouble) (part Part, err error) {
	if t.token == "" {
		t.token = "ExampleApi"
	}
	jobs := []Row{
		{"First", `{ Schedule: "cron(0 * * * ? *)", Call: "GET https://` + host + `/v1/first", Token: ExampleApi, SilentAfter: 3 }`},
		{"Second", `{ Schedule: "cron(30 * * * ? *)", Call: "GET https://` + host + `/v1/second", Token: ` + t.token + `, SilentAfter: 3 }`},
	}
	part = Part{What: t.Name, Mails: map[string]int{}}
	err = m.open(local.Options{}, t.tokens, jobs, func(s *stage) error {
		if err := s.pass(ctx, 4*time.Hour+10*time.Minute); err != nil {
			return err
		}
		if got := s.Mails(""); len(got) > 0 {
			return fmt.Errorf("%s: before it: %s", t.Name, subjects(got))
		}
		runs := len(s.Runs())
		if err := t.begin(s); err != nil {
			return err
		}
		if err := s.pass(ctx, 24*time.Hour); err != nil {
			return err
		}
		part.Runs = len(s.Runs()) - runs
		for _, mail := range s.Mails("") {
			part.Mails[kind(mail)]++
		}
		return nil
	})
	return part, err
}
