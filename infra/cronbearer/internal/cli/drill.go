package cli

import (
	"cmp"
	"context"
	"errors"
	"strings"

	"github.com/spf13/cobra"

	"github.com/cronbearer/cronbearer/infra/cronbearer/internal/drill"
	"github.com/cronbearer/cronbearer/infra/cronbearer/internal/exit"
	"github.com/cronbearer/cronbearer/infra/cronbearer/internal/view"
)

type drillDocument struct {
	view.Versioned
	accountDocument

	Checks []drill.Check `json:"checks"`
	// OK reports that every link holds; whether the email came is only known once its word was confirmed.
	OK        bool `json:"ok"`
	Confirmed bool `json:"confirmed"`
}

func newDrillCommand(a *App) *cobra.Command {
	var yes bool
	var word string
	c := &cobra.Command{
		Use: "drill [--yes] [--confirm <word>]", Short: "Prove that alarms reach their readers", GroupID: running,
		Args: arguments(),
		Long: `Prove that an alarm reaches its readers. It checks that the alarms act on the
topic and are not muted, that CloudWatch and EventBridge may publish to it and
use its key, and that every subscription is confirmed. Then it sets one alarm
that is OK to ALARM, with a word in its reason, sees in the alarm's history that
CloudWatch published it, and puts it back. The word is in the email: type it.

Without a terminal the drill ends with the email; --confirm <word> in a second
call completes it. The exit code is 1 if a reader is not reached. status reminds
you after 30 days.`,
		Example: `  cronbearer drill
  cronbearer drill --yes
  cronbearer drill --confirm otter`,
		RunE: func(c *cobra.Command, _ []string) error {
			s, err := a.open(c.Context(), c)
			if err != nil {
				return err
			}
			d := &drill.Drill{Clients: s.Clients, Stack: s.Stack, Now: s.now(), Sleep: wait}
			if word != "" {
				return s.explained(a.confirmDrill(c.Context(), s, d, word))
			}
			return s.explained(a.drill(c.Context(), s, d, yes))
		},
	}
	c.Flags().BoolVar(&yes, "yes", false, "do not ask before the email is sent")
	c.Flags().StringVar(&word, "confirm", "", "complete a drill with the `word` of its email")
	a.describes("drill", drillDocument{})
	return a.needsAccount(c)
}

func (a *App) drill(ctx context.Context, s *session, d *drill.Drill, yes bool) error {
	links, err := d.Links(ctx)
	if err != nil {
		return err
	}
	a.printChecks(links...)
	if reason, fix := d.Blocked(); reason != "" {
		return &exit.Error{Status: exit.No, Code: "NoAlarmToTry", Text: reason, Fix: fix}
	}
	to := strings.Join(d.Reached(), " and ")
	if err := a.IO.Confirm(ctx, "Send a test alarm to "+cmp.Or(to, "no one")+"?", yes); err != nil {
		return err
	}
	// The word is fixed in tests, so that a session reads the same each time.
	word := cmp.Or(a.Getenv("CRONBEARER_TEST_WORD"), drill.Word())
	fired, err := d.Fire(ctx, word)
	if err != nil {
		return err
	}
	a.printChecks(fired)
	checks := append(links, fired)
	if fired.OK && len(d.Reached()) > 0 && !a.IO.CanPrompt() {
		return a.drillPending(ctx, s, d, checks, word)
	}
	confirmed := false
	if fired.OK && len(d.Reached()) > 0 {
		answer, err := a.IO.Ask(ctx, "Which word is in the email", "--confirm")
		if err != nil { // the word can still be given
			return errors.Join(err, a.drillPending(context.WithoutCancel(ctx), s, d, checks, word))
		}
		confirmed = strings.EqualFold(strings.TrimSpace(answer), word)
	}
	return a.drilled(ctx, s, d, checks, confirmed)
}

func (a *App) printChecks(checks ...drill.Check) {
	if a.IO.JSON {
		return
	}
	const indent = 9
	for _, c := range checks {
		mark := "✓"
		if !c.OK {
			mark = "✗"
		}
		if !a.IO.OutTTY {
			a.IO.Println(strings.Join([]string{c.Name, map[bool]string{true: "ok", false: "failed"}[c.OK], c.Text, c.Fix}, "\t"))
			continue
		}
		text := strings.TrimLeft(view.Wrap(c.Text, indent+2, a.IO.TextWidth()), " ")
		a.IO.Printf("%-*s%s %s\n", indent, c.Name, mark, text)
		if c.Fix != "" {
			a.IO.Println(view.WrapCommand(c.Fix, 2, a.IO.TextWidth()))
		}
	}
}

func holds(checks []drill.Check) bool {
	for _, c := range checks {
		if !c.OK {
			return false
		}
	}
	return true
}

// drillPending ends a drill whose email no one could be asked about.
func (a *App) drillPending(ctx context.Context, s *session, d *drill.Drill, checks []drill.Check, word string) error {
	if err := d.Pending(ctx, word); err != nil {
		return err
	}
	ok := holds(checks)
	if a.IO.JSON {
		document := drillDocument{Versioned: view.V1, accountDocument: s.document(), Checks: checks, OK: ok}
		if err := a.IO.WriteJSON(document); err != nil {
			return err
		}
	}
	a.IO.Notef("the email has a word: cronbearer drill --confirm <word>")
	if !ok {
		return exit.Silent(exit.No)
	}
	return nil
}

func (a *App) drilled(ctx context.Context, s *session, d *drill.Drill, checks []drill.Check, confirmed bool) error {
	ok := holds(checks) && confirmed
	if err := d.Record(ctx, ok); err != nil {
		return err
	}
	if a.IO.JSON {
		err := a.IO.WriteJSON(drillDocument{view.V1, s.document(), checks, holds(checks), confirmed})
		if err != nil {
			return err
		}
	} else {
		a.printDrilled(len(d.Reached()), checks, confirmed)
	}
	if !ok {
		return exit.Silent(exit.No)
	}
	return nil
}

func (a *App) printDrilled(readers int, checks []drill.Check, confirmed bool) {
	switch {
	case readers == 0:
		a.IO.Println("No one is subscribed and confirmed: alarms reach no one.")
	case confirmed && holds(checks):
		a.IO.Println("Every link holds: alarms reach their readers.")
	case confirmed:
		a.IO.Println("The email came, and what is marked ✗ is broken.")
	default:
		a.IO.Println("That is not the word, or no email came: alarms do not reach you.")
	}
}

// confirmDrill completes a drill that another call began.
func (a *App) confirmDrill(ctx context.Context, s *session, d *drill.Drill, word string) error {
	confirmed, pending, err := d.Confirmed(ctx, word)
	if err != nil {
		return err
	}
	if !pending {
		return exit.Failed("NoDrill", "no drill waits for its word: start one with cronbearer drill")
	}
	links, err := d.Links(ctx)
	if err != nil {
		return err
	}
	return a.drilled(ctx, s, d, links, confirmed)
}
