package cli

import (
	"context"
	"encoding/json"
	"errors"
	"strings"
	"time"

	"github.com/aws/aws-sdk-go-v2/aws"
	"github.com/aws/aws-sdk-go-v2/service/secretsmanager"
	"github.com/spf13/cobra"

	"github.com/cronbearer/cronbearer/infra/cronbearer/internal/account"
	"github.com/cronbearer/cronbearer/infra/cronbearer/internal/exit"
	"github.com/cronbearer/cronbearer/infra/cronbearer/internal/invoke"
	"github.com/cronbearer/cronbearer/infra/cronbearer/internal/view"
)

type tokenShowDocument struct {
	view.Versioned
	accountDocument

	Token     string     `json:"token"`
	Secret    string     `json:"secret"`
	Missing   bool       `json:"missing"`
	VersionID string     `json:"versionId,omitempty"`
	Stored    *time.Time `json:"stored,omitempty"`
	Rotated   bool       `json:"rotated"`
	Jobs      []string   `json:"jobs"`
	// RejectedSince is when its alarm was set off; absent while the token is not rejected.
	RejectedSince *time.Time `json:"rejectedSince,omitempty"`
	// Check is what the caller found when it read the secret.
	Check invoke.Result `json:"check"`
}

// showJob is the job under which `token show` reports: not one of the user's, whose Silent alarm a mere check would
// calm.
const showJob = "TokenShow"

func newTokenShowCommand(a *App) *cobra.Command {
	c := &cobra.Command{
		Use: "show <token>", Short: "Show what is known of a stored token, never the token", Args: arguments("<token>"),
		Long: `Show what is known of a stored token: how old it is, whether it is rejected,
when it expires, and what the caller says of it. The caller reads the secret for
us (its action "check") and reports the verdict and the expiry, never the token.
A secret with a probe is tried against its API.`,
		Example: `  cronbearer token show ExampleApi`,
		RunE: func(c *cobra.Command, names []string) error {
			s, err := a.open(c.Context(), c)
			if err != nil {
				return err
			}
			return s.explained(a.tokenShow(c.Context(), s, names[0]))
		},
	}
	a.describes("token show", tokenShowDocument{})
	return a.needsAccount(c)
}

func (a *App) tokenShow(ctx context.Context, s *session, name string) error {
	t, err := s.deployed(ctx, name)
	if err != nil {
		return err
	}
	event, err := json.Marshal(map[string]any{
		"job": showJob, "token": t.name, "secret": t.jobs[0].Secret, "secretKey": t.key, "action": "check",
	})
	if err != nil { // strings
		return err
	}
	r, err := s.invoke(ctx, event)
	if err != nil {
		return err
	}
	if a.IO.JSON {
		err = a.IO.WriteJSON(t.shown(s, r))
	} else {
		a.printShown(s, t, r)
	}
	if err == nil && !r.OK() {
		return exit.Silent(exit.No)
	}
	return err
}

func (t deployedToken) shown(s *session, r invoke.Result) tokenShowDocument {
	d := tokenShowDocument{
		Versioned: view.V1, accountDocument: s.document(), Token: t.name, Secret: t.secret.ID, Missing: t.secret.Missing,
		VersionID: t.secret.VersionID, Stored: moment(t.secret.Stored), Rotated: t.secret.Rotated, Jobs: t.jobNames(),
		Check: r,
	}
	if t.alarm.Firing() {
		d.RejectedSince = aws.Time(t.alarm.RejectedSince().UTC())
	}
	return d
}

func (t deployedToken) jobNames() []string {
	names := []string{}
	for _, j := range t.jobs {
		names = append(names, j.Name)
	}
	return names
}

func (a *App) printShown(s *session, t deployedToken, r invoke.Result) {
	now := s.now()
	a.field("secret", t.secret.ID)
	if !t.secret.Stored.IsZero() {
		a.field("stored", view.Ago(t.secret.Stored, now))
	}
	for _, name := range t.jobNames() {
		a.field("used by", name)
	}
	verdict := r.Verdict
	if t.alarm.Firing() {
		verdict = "rejected since " + view.Time(t.alarm.RejectedSince(), now, a.IO.Zone)
	} else if verdict == "unknown" {
		verdict = "not rejected, as far as is known"
	}
	a.field("verdict", verdict)
	switch {
	case r.TokenExpiresAt != nil:
		a.field("expires", view.Date(*r.TokenExpiresAt, now, a.IO.Zone)+", "+view.Ago(*r.TokenExpiresAt, now))
	case r.OK():
		a.field("expires", "not known")
	}
	if t.secret.Rotated {
		a.field("renewed", "by the rotator")
	}
	if !r.OK() {
		a.field("problem", r.Error)
	}
}

type tokenRotateDocument struct {
	view.Versioned
	accountDocument

	Token     string `json:"token"`
	Secret    string `json:"secret"`
	VersionID string `json:"versionId"`
}

func newTokenRotateCommand(a *App) *cobra.Command {
	c := &cobra.Command{
		Use: "rotate <token>", Short: "Renew a token that the rotator renews, now", Args: arguments("<token>"),
		Long: `Renew a token now that the rotator renews: Secrets Manager starts a rotation and
goes on automatically. A secret without rotation is left alone.`,
		Example: `  cronbearer token rotate ExampleApi`,
		RunE: func(c *cobra.Command, names []string) error {
			s, err := a.open(c.Context(), c)
			if err != nil {
				return err
			}
			return s.explained(a.tokenRotate(c.Context(), s, names[0]))
		},
	}
	a.describes("token rotate", tokenRotateDocument{})
	return a.needsAccount(c)
}

func (a *App) tokenRotate(ctx context.Context, s *session, name string) error {
	t, err := s.deployed(ctx, name)
	if err != nil {
		return err
	}
	if !t.secret.Rotated {
		return &exit.Error{
			Status: exit.No, Code: "NotRotated", Text: "nothing renews the secret " + t.secret.ID,
			Fix: "store a new token: cronbearer token set " + name + "; or deploy infra/rotation.yaml for it",
		}
	}
	out, err := s.SecretsManager.RotateSecret(ctx, &secretsmanager.RotateSecretInput{SecretId: &t.secret.ID})
	if err != nil {
		err = account.Explain("secretsmanager:RotateSecret", "secret:"+t.secret.ID, err)
		if e, ok := errors.AsType[*exit.Error](err); ok && strings.Contains(e.Text, "previous rotation isn't complete") {
			e.Fix = "Secrets Manager runs that one again, from the secret as it is now: cronbearer token show " + t.name
		}
		return err
	}
	if a.IO.JSON {
		return a.IO.WriteJSON(tokenRotateDocument{view.V1, s.document(), name, t.secret.ID, aws.ToString(out.VersionId)})
	}
	a.IO.Printf("✓ the rotation of %s has started\n", t.secret.ID)
	a.IO.Printf("It takes seconds. Whether it succeeded: cronbearer token show %s\n", name)
	return nil
}
