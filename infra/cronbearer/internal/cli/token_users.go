package cli

import (
	"context"
	"errors"
	"fmt"
	"maps"
	"slices"
	"strings"

	"github.com/spf13/cobra"

	"github.com/cronbearer/cronbearer/infra/cronbearer/internal/account"
	"github.com/cronbearer/cronbearer/infra/cronbearer/internal/exit"
	"github.com/cronbearer/cronbearer/infra/cronbearer/internal/view"
)

type tokenUsersDocument struct {
	view.Versioned
	accountDocument

	Token  string      `json:"token"`
	Secret string      `json:"secret"`
	Users  []tokenUser `json:"users"`
	// Unknown is what could not be read, with the reason: the users in other stacks.
	Unknown map[string]string `json:"unknown"`
}

type tokenUser struct {
	Stack string   `json:"stack"`
	Token string   `json:"token"`
	Jobs  []string `json:"jobs"`
}

func newTokenUsersCommand(a *App) *cobra.Command {
	c := &cobra.Command{
		Use: "users <token>", Short: "Show which jobs and stacks use the secret of a token", Args: arguments("<token>"),
		Long: `Show who uses the secret of a token: its jobs, other tokens of the stack with
the same secret, and the Cronbearer stacks of the account and Region that name
it by its ARN. So that you know whom a new token, or a revoked one, reaches.

Other stacks need rights beyond one: cronbearer rights token users prints them.
Without them the stack's own users are shown, and the rest as ?. What is not
Cronbearer is not seen; AWS CloudTrail has its GetSecretValue events.`,
		Example: `  cronbearer token users ExampleApi`,
		RunE: func(c *cobra.Command, names []string) error {
			s, err := a.open(c.Context(), c)
			if err != nil {
				return err
			}
			return s.explained(a.tokenUsers(c.Context(), s, names[0]))
		},
	}
	a.describes("token users", tokenUsersDocument{})
	return a.needsAccount(c)
}

func (a *App) tokenUsers(ctx context.Context, s *session, name string) error {
	jobs, err := account.FindJobs(ctx, s.Scheduler, s.Stack)
	if err != nil {
		return err
	}
	of, err := s.jobsOf(jobs, name)
	if err != nil {
		return err
	}
	d := tokenUsersDocument{
		Versioned: view.V1, accountDocument: s.document(), Token: name, Secret: s.Stack.SecretID(of[0].Secret),
		Users: []tokenUser{}, Unknown: map[string]string{},
	}
	d.add(s.Stack, jobs)
	others, err := account.FindStacks(ctx, s.Clients)
	if err != nil {
		if ctx.Err() != nil {
			return err
		}
		d.Unknown["other stacks"] = unknownOf(s.explained(err))
	}
	for _, stack := range others {
		if stack.Name == s.Stack.Name {
			continue
		}
		err := stack.List(ctx, s.CloudFormation)
		if err == nil {
			jobs, err = account.FindJobs(ctx, s.Scheduler, stack)
		}
		if err != nil {
			d.Unknown["stack "+stack.Name] = unknownOf(s.explained(err))
			continue
		}
		d.add(stack, jobs)
	}
	return a.printUsers(d)
}

// unknownOf is the reason for what could not be read, with what helps.
func unknownOf(err error) string {
	if e, ok := errors.AsType[*exit.Error](err); ok && e.Fix != "" {
		return e.Error() + " " + e.Fix
	}
	return err.Error()
}

// add adds the tokens of a stack whose secret it is.
func (d *tokenUsersDocument) add(stack *account.Stack, jobs []account.Job) {
	at := map[string]int{}
	for _, j := range jobs {
		if !account.SameSecret(stack.SecretID(j.Secret), d.Secret) {
			continue
		}
		if _, ok := at[j.Token]; !ok {
			at[j.Token] = len(d.Users)
			d.Users = append(d.Users, tokenUser{Stack: stack.Name, Token: j.Token})
		}
		one := &d.Users[at[j.Token]]
		one.Jobs = append(one.Jobs, j.Name)
	}
}

func (a *App) printUsers(d tokenUsersDocument) error {
	if a.IO.JSON {
		return a.IO.WriteJSON(d)
	}
	if a.IO.OutTTY {
		a.IO.Println("Secret " + d.Secret)
	}
	t := a.IO.Table("STACK", "TOKEN", "JOB")
	for _, user := range d.Users {
		for _, job := range user.Jobs {
			t.Row(user.Stack, user.Token, job)
		}
	}
	t.Print()
	for _, name := range slices.Sorted(maps.Keys(d.Unknown)) {
		a.IO.Notef("? %s: %s", name, d.Unknown[name])
	}
	return nil
}

// jobsOf returns the jobs that use a token of the stack.
func (s *session) jobsOf(jobs []account.Job, name string) ([]account.Job, error) {
	var of []account.Job
	var names []string
	for _, j := range jobs {
		names = append(names, j.Token)
		if j.Token == name {
			of = append(of, j)
		}
	}
	if len(of) == 0 {
		slices.Sort(names)
		return nil, &exit.Error{
			Status: exit.No, Code: "NoToken",
			Text: fmt.Sprintf("no job of the stack %s uses a token of that name", s.Stack.Name),
			Fix:  "its tokens: " + strings.Join(slices.Compact(names), ", "),
		}
	}
	return of, nil
}
