package main

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"os"
	"path/filepath"
	"strings"
	"time"

	"github.com/cronbearer/cronbearer/internal/dev/awssim"
	"github.com/cronbearer/cronbearer/internal/dev/awssim/alarm"
	"github.com/cronbearer/cronbearer/internal/dev/idp"
	"github.com/cronbearer/cronbearer/internal/dev/upstream"
)

// The second act: a token of one hour that renews itself.
const (
	issuer       = "id.example.com"
	client       = "demo-client"
	clientSecret = "demo-client-secret"
	every        = "rate(30 minutes)"
	renewals     = 48 // in a day

	rotationAlarm    = "RotationFailed-" + secret
	deadLettersAlarm = "DeadLetters"
	expiringAlarm    = "TokenExpiring-ExampleApi"
)

// changes to the shipped examples: a token of an hour warns later, and a job runs often enough to meet renewals with a
// token that it keeps. Three minutes are far enough from the five that a token is kept: what meets what hangs on no
// millisecond.
var changes = [][2]string{
	{"WarnDays: 14 }", "WarnDays: 0.01 }"},
	{"    HourlySync: {", "    Queue: { Schedule: rate(3 minutes), Call: 'GET https://" + host +
		"/v1/queue', Token: ExampleApi, SilentAfter: 3 }\n    HourlySync: {"},
	{"[DailyReport, HourlySync]", "[DailyReport, HourlySync, Queue]"},
}

// changed is a copy of the template with the second act's job, in a file of its own.
func changed(template, dir string) (string, error) {
	data, err := os.ReadFile(template)
	if err != nil {
		return "", fmt.Errorf("template: %w", err)
	}
	text := string(data)
	for _, c := range changes {
		if strings.Count(text, c[0]) != 1 {
			return "", fmt.Errorf("the template has no %q any more: this demo tells the story of the shipped examples", c[0])
		}
		text = strings.Replace(text, c[0], c[1], 1)
	}
	path := filepath.Join(dir, "template.yaml")
	if err := os.WriteFile(path, []byte(text), 0o600); err != nil {
		return "", fmt.Errorf("template: %w", err)
	}
	return path, nil
}

// renewal is the second act.
type renewal struct {
	cloud *awssim.Cloud
	auth  *idp.Server
	page  *page

	runs, met, failed, renewed int
}

// playRenewal deploys the application and infra/rotation.yaml again, on another page of the calendar.
func playRenewal(ctx context.Context, p *page, binaries map[string]string, template string) (err error) {
	dir, err := os.MkdirTemp("", "cronbearer-demo-")
	if err != nil {
		return fmt.Errorf("a copy of the template: %w", err)
	}
	defer func() { err = errors.Join(err, os.RemoveAll(dir)) }()
	path, err := changed(template, dir)
	if err != nil {
		return err
	}
	r := &renewal{page: p}
	r.cloud, err = awssim.New(
		awssim.Options{Template: path, Binaries: binaries, Observe: r.observe, IdleLife: 10 * time.Minute},
	)
	if err != nil {
		return err
	}
	defer func() { err = errors.Join(err, r.cloud.Close()) }()
	p.public, p.stack = r.cloud.Public, r.cloud.Stack.StackName
	if err := r.deploy(filepath.Join(filepath.Dir(template), "..", "..", "..", "infra", "rotation.yaml")); err != nil {
		return err
	}
	return r.play(ctx)
}

func (r *renewal) deploy(rotation string) error {
	r.auth = idp.New(r.cloud.Now)
	// The hardest kind of server: a refresh token is good once, and the access token before expires with the exchange.
	if err := r.auth.SetPolicy(idp.Policy{AccessLife: time.Hour, ExchangeEndsAccess: true}); err != nil {
		return err
	}
	if err := r.auth.Register(
		idp.Client{ID: client, Auth: idp.AuthBasic, Secret: clientSecret, Grants: []idp.Grant{idp.RefreshToken}},
	); err != nil {
		return err
	}
	if err := r.cloud.Host(issuer, r.auth); err != nil {
		return err
	}
	r.cloud.Target(host).Rule(func(q upstream.Request) (upstream.Answer, bool) {
		return upstream.OK, r.auth.Valid(q.Token)
	})
	if err := r.logIn(); err != nil {
		return err
	}
	_, err := r.cloud.AddRotation(rotation, secret, every)
	return err
}

// logIn is what a user does in a browser, and put-secret-value.
func (r *renewal) logIn() error {
	tokens, err := r.auth.LogIn(client, "")
	if err != nil {
		return err
	}
	value, err := json.Marshal(map[string]any{
		"token": tokens.Access, "expires_at": tokens.Expires.Format(time.RFC3339), "test": "GET https://" + host + "/v1/me",
		"oauth2": map[string]any{
			"grant": "refresh_token", "token_url": "https://" + issuer + idp.TokenPath,
			"client_id": client, "client_secret": clientSecret, "refresh_token": tokens.Refresh,
		},
	})
	if err != nil {
		return fmt.Errorf("the secret: %w", err)
	}
	_, err = r.cloud.PutSecret(secret, string(value))
	return err
}

// observe counts what goes well, and writes a line for the rest.
func (r *renewal) observe(e awssim.Event) {
	switch {
	case e.Run != nil && e.Run.Function == "Caller":
		r.runs++
		if e.Run.Result.RecoveredWith != "" {
			r.met++
		}
		if e.Run.Failed {
			r.failed++
			r.page.observe(e)
		}
	case e.Rotation != nil && e.Rotation.Err == nil:
		r.renewed++
	case e.Rotation != nil:
		r.page.line("%-9s  %-12s %s", clock(e.At), "rotation", r.page.paint(red, "failed: re-authorize"))
	case e.Run == nil:
		r.page.observe(e)
	}
}

func (r *renewal) play(ctx context.Context) error {
	begin := r.cloud.Now()
	r.page.line("")
	r.page.narrate(
		begin,
		"second act: a token that expires after an hour; every 30 minutes the rotator renews it with a refresh token "+
			"that can be used once",
	)
	if err := r.pass(ctx, begin.Add(24*time.Hour+10*time.Minute), alarm.OK); err != nil {
		return fmt.Errorf("while the token renews itself: %w", err)
	}
	if r.renewed != renewals+1 || r.met == 0 { // one at once
		return fmt.Errorf("the token was renewed %d times in a day, and %d runs met it", r.renewed, r.met)
	}
	r.page.narrate(r.cloud.Now(), fmt.Sprintf("a day later: %d runs, %d renewals, %d failed runs; %d runs met a "+
		"renewal, were rejected, and used the new token at once",
		r.runs, r.renewed, r.failed, r.met))

	refresh, err := r.stored("refresh_token")
	if err != nil {
		return err
	}
	r.page.narrate(r.cloud.Now(), issuer+" revokes the refresh token; the access token lasts for 50 minutes more")
	r.auth.Revoke(refresh)
	if err := r.pass(ctx, begin.Add(24*time.Hour+35*time.Minute), alarm.InAlarm); err != nil {
		return fmt.Errorf("when the refresh token dies: %w", err)
	}
	if err := r.email(); err != nil {
		return err
	}

	r.page.narrate(
		r.cloud.Now(),
		"an operator re-authorizes, stores the new secret and renews: cronbearer token set, cronbearer token rotate",
	)
	if err := r.logIn(); err != nil {
		return err
	}
	// It is rejected, as the one that failed was not complete, and that one is run again.
	if err := r.cloud.Secrets.RotateSecret(ctx, r.cloud.SecretID(secret)); err == nil {
		return errors.New("no rotation was left half done")
	}
	if err := r.pass(ctx, begin.Add(25*time.Hour+10*time.Minute), alarm.OK); err != nil {
		return fmt.Errorf("after the new authorization: %w", err)
	}
	return r.end()
}

// pass lets time go on: no run may fail, and no alarm may fire but the one of the rotation.
func (r *renewal) pass(ctx context.Context, until time.Time, rotation alarm.State) error {
	if err := r.cloud.Run(ctx, until); err != nil {
		return err
	}
	var problems []error
	if r.failed > 0 {
		problems = append(problems, fmt.Errorf("%d runs failed", r.failed))
	}
	if got := r.cloud.AlarmState(rotationAlarm); got != rotation {
		problems = append(problems, fmt.Errorf("alarm %s is %s, not %s", rotationAlarm, got, rotation))
	}
	for _, name := range []string{rejectedAlarm, failedAlarm, deadLettersAlarm, expiringAlarm} {
		if r.cloud.AlarmState(name) == alarm.InAlarm {
			problems = append(problems, fmt.Errorf("alarm %s fires", name))
		}
	}
	return errors.Join(problems...)
}

// email makes sure that the email came within a period, and shows what it asks for.
func (r *renewal) email() error {
	rotations, emails := r.cloud.Secrets.Rotations(), r.cloud.Emails(r.cloud.Stack.StackName+"-"+rotationAlarm)
	if len(emails) != 1 || emails[0].At.Sub(rotations[len(rotations)-1].At) > 2*time.Minute {
		return fmt.Errorf("%d emails about the rotation that failed, or a late one", len(emails))
	}
	if err := rotations[len(rotations)-1].Err; err == nil ||
		!strings.Contains(err.Error(), "ReauthorizationRequiredError") {
		return fmt.Errorf("the rotation did not end with ReauthorizationRequiredError: %w", err)
	}
	for text := range strings.SplitSeq(emails[0].Body, "\n") {
		if strings.Contains(text, "ReauthorizationRequired") {
			r.page.paragraph(dim, fmt.Sprintf("%-9s  the email: ", ""), strings.TrimSpace(text))
			return nil
		}
	}
	return errors.New("the email does not say: ReauthorizationRequired")
}

// stored is a value of the secret that is current.
func (r *renewal) stored(name string) (string, error) {
	text, _ := r.cloud.Secrets.Value(r.cloud.SecretID(secret), "AWSCURRENT")
	var value struct{ OAuth2 map[string]string }
	if err := json.Unmarshal([]byte(text), &value); err != nil || value.OAuth2[name] == "" {
		return "", fmt.Errorf("the secret has no %s", name)
	}
	return value.OAuth2[name], nil
}

// end checks all that was stored, and for it in all that was said.
func (r *renewal) end() error {
	if n := r.auth.Count(idp.RefreshToken); n.Reused > 0 || n.Requests != n.Granted+1 {
		return fmt.Errorf("requests for a token: %+v", n)
	}
	var said strings.Builder
	for _, run := range r.cloud.Runs() {
		for _, text := range [][]byte{run.Stdout, run.Stderr, run.Payload} {
			said.Write(text)
		}
	}
	found, _ := r.cloud.Secrets.Secret(r.cloud.SecretID(secret))
	for _, v := range found.Versions {
		var value struct {
			Token  string
			OAuth2 map[string]string
		}
		if v.Text == nil || json.Unmarshal([]byte(*v.Text), &value) != nil {
			continue
		}
		for _, hidden := range []string{value.Token, value.OAuth2["refresh_token"], clientSecret} {
			if strings.Contains(said.String(), hidden) {
				return errors.New("a secret is in the output of a run")
			}
		}
	}
	r.page.line(
		"%s", r.page.paint(green, fmt.Sprintf("The second act came out as it should: %d runs, none failed.", r.runs)),
	)
	return nil
}
