package cli

import (
	"fmt"
	"time"

	"github.com/spf13/cobra"

	"github.com/cronbearer/cronbearer/infra/cronbearer/internal/account"
	"github.com/cronbearer/cronbearer/infra/cronbearer/internal/exit"
	"github.com/cronbearer/cronbearer/infra/cronbearer/internal/rights"
	"github.com/cronbearer/cronbearer/infra/cronbearer/internal/status"
	"github.com/cronbearer/cronbearer/infra/cronbearer/internal/view"
)

// statusOfAllDocument has no stack of its own, and one in each of its reports.
type statusOfAllDocument struct {
	view.Versioned

	Account   string          `json:"account"`
	Region    string          `json:"region"`
	Principal string          `json:"principal"`
	Stacks    []statusOfStack `json:"stacks"`
}

type statusOfStack struct {
	Stack string `json:"stack"`
	// Error says why the stack could not be read; its report is absent then.
	Error string `json:"error,omitempty"`
	*status.Report
}

// statusOfAll shows one line for each stack of the application.
func (a *App) statusOfAll(c *cobra.Command, o statusOptions) error {
	ctx := c.Context()
	s, err := a.connect(ctx, rights.AllStacks)
	if err != nil {
		return err
	}
	stacks, err := account.FindStacks(ctx, s.Clients)
	if err != nil {
		return s.explained(err)
	}
	if len(stacks) == 0 {
		return &exit.Error{
			Status: exit.AWS, Code: "NoStack", Text: "there is no Cronbearer stack in " + s.Region,
			Fix: "choose the account with --profile and --region",
		}
	}
	all := []statusOfStack{}
	failed := false
	for _, stack := range stacks {
		one := statusOfStack{Stack: stack.Name}
		if err := stack.List(ctx, s.CloudFormation); err != nil {
			failed = failed || o.exitCode
			if one.Error = err.Error(); ctx.Err() != nil {
				return exit.From(ctx.Err())
			}
		} else {
			one.Report = status.Read(ctx, s.Clients, stack, s.now())
			failed = failed || o.exitCode && alarming(one.Report)
		}
		all = append(all, one)
	}
	if a.IO.JSON {
		err = a.IO.WriteJSON(statusOfAllDocument{
			view.V1, stacks[0].AccountID, stacks[0].Region, stacks[0].Principal, all,
		})
	} else {
		a.sayWhere(s, stacks[0].Who())
		a.printStacks(all)
	}
	if err == nil && failed {
		return exit.Silent(exit.No)
	}
	return err
}

func (a *App) printStacks(all []statusOfStack) {
	t := a.IO.Table("STACK", "ALARMS", "TOKENS", "REJECTED", "JOBS", "FAILED RUNS", "LAST DRILL")
	for _, one := range all {
		if one.Report == nil {
			t.Row(one.Stack, "?", "?", "?", "?", "?", "?")
			continue
		}
		rejected := 0
		for _, token := range one.Tokens {
			if token.Verdict == status.Rejected {
				rejected++
			}
		}
		failed, drill := "?", "never"
		if n := one.Queues.FailedRuns; n != nil {
			failed = fmt.Sprint(*n)
		}
		switch {
		case one.Unknown["drill"] != "":
			drill = "?"
		case one.LastDrill != nil && a.IO.OutTTY:
			drill = view.Ago(one.LastDrill.At, one.At)
		case one.LastDrill != nil:
			drill = one.LastDrill.At.UTC().Format(time.RFC3339)
		}
		alarms := fmt.Sprint(len(one.InAlarm))
		if one.Unknown["alarms"] != "" {
			alarms = "?"
		}
		t.Row(one.Stack, alarms, fmt.Sprint(len(one.Tokens)), fmt.Sprint(rejected), fmt.Sprint(len(one.Jobs)), failed, drill)
	}
	t.Print()
	for _, one := range all {
		switch {
		case one.Report == nil:
			a.IO.Notef("? %s: %s", one.Stack, one.Error)
			continue
		case one.Next != "" && a.IO.OutTTY:
			a.IO.Printf("Next: %s --stack %s   (%s)\n", one.Next, one.Stack, one.Why)
		}
		for _, name := range one.Names() {
			a.IO.Notef("? %s, %s: %s", one.Stack, name, one.Unknown[name])
		}
	}
}
