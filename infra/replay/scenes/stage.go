// Package scenes plays what can happen to an application on the local cloud: the real template, the real binaries, a
// virtual clock, and a cause in the world. It never touches an alarm's state. What a person gets is what the scenes give.
package scenes

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"os"
	"path/filepath"
	"strings"
	"time"

	"github.com/cronbearer/cronbearer/infra/local"
	"github.com/cronbearer/cronbearer/infra/local/alarm"
	"github.com/cronbearer/cronbearer/infra/local/api"
	"github.com/cronbearer/cronbearer/infra/local/notify"
	"github.com/cronbearer/cronbearer/infra/local/oauth"
	"github.com/cronbearer/cronbearer/infra/local/target"
	"github.com/cronbearer/cronbearer/infra/shipped"
)

// What the examples of template.yaml say. The tokens open nothing.
const (
	host     = "api.example.com"
	issuer   = "id.example.com"
	secret   = "example-api"
	first    = "fake-token-of-last-year"
	second   = "fake-token-of-this-year"
	client   = "cronbearer"
	password = "fake-client-secret"
)

// Machine is where the real things lie.
type Machine struct {
	Root     string            // top of the repository
	Binaries map[string]string // by logical id: Caller, Rotator
}

func (m Machine) template() string { return filepath.Join(m.Root, shipped.Path) }

// stage is a cloud with an API that accepts the first token, which the secret holds.
type stage struct {
	*local.Cloud

	machine Machine
	api     *target.Server
	auth    *oauth.Server

	undo      func()         // takes back what forbid did
	authorize api.Authorizer // CloudWatch's own
}

// open deploys the template, with other tokens and jobs if there are any, and plays on it.
func (m Machine) open(o local.Options, tokens, jobs []Row, play func(*stage) error) (err error) {
	dir, err := os.MkdirTemp("", "cronbearer-scene-")
	if err != nil {
		return fmt.Errorf("scene: %w", err)
	}
	defer func() { err = errors.Join(err, os.RemoveAll(dir)) }()
	if o.Template, err = WriteWith(m.template(), dir, tokens, jobs); err != nil {
		return err
	}
	o.Binaries = m.Binaries
	cloud, err := local.New(o)
	if err != nil {
		return err
	}
	defer func() { err = errors.Join(err, cloud.Close()) }()
	s := &stage{Cloud: cloud, machine: m, api: cloud.Target(host)}
	if s.api == nil {
		return fmt.Errorf("no job of the template calls %s", host)
	}
	s.api.Accept(first)
	if err := s.put(first); err != nil {
		return err
	}
	return play(s)
}

func (s *stage) put(value string) error {
	_, err := s.PutSecret(secret, value)
	return err
}

// putStatic stores a token with an end.
func (s *stage) putStatic(token string, life time.Duration) error {
	text, err := json.Marshal(map[string]any{"token": token, "expires_at": s.Now().Add(life).Truncate(time.Hour).Format(time.RFC3339)})
	if err != nil {
		return fmt.Errorf("secret: %w", err)
	}
	return s.put(string(text))
}

// forbid denies a role an action until restore.
func (s *stage) forbid(role, action string) (err error) {
	s.undo, err = s.Forbid(role, action)
	return err
}

func (s *stage) restore() error {
	if s.undo == nil {
		return errors.New("nothing is forbidden")
	}
	s.undo()
	return nil
}

// logIn is what a person does in the browser: a new family of tokens, stored as a whole secret.
func (s *stage) logIn() error {
	tokens, err := s.auth.LogIn(client, "")
	if err != nil {
		return fmt.Errorf("log in: %w", err)
	}
	text, err := json.Marshal(map[string]any{
		"token": tokens.Access, "expires_at": tokens.Expires.Format(time.RFC3339), "hosts": []string{host},
		"oauth2": map[string]any{
			"grant": "refresh_token", "token_url": "https://" + issuer + oauth.TokenPath, "client_id": client, "client_secret": password,
			"refresh_token": tokens.Refresh,
		},
	})
	if err != nil {
		return fmt.Errorf("secret: %w", err)
	}
	return s.put(string(text))
}

// stored is the refresh token in a version of the secret.
func (s *stage) stored(stage string) (string, error) {
	text, ok := s.Secrets.Value(s.SecretID(secret), stage)
	var value struct {
		OAuth2 struct {
			RefreshToken string `json:"refresh_token"`
		} `json:"oauth2"`
	}
	if !ok {
		return "", errors.New("the secret has no version " + stage)
	}
	if err := json.Unmarshal([]byte(text), &value); err != nil {
		return "", fmt.Errorf("secret: %w", err)
	}
	return value.OAuth2.RefreshToken, nil
}

// rotating gives the token to the rotator: infra/rotation.yaml beside an authorisation server.
func (s *stage) rotating() error {
	s.auth = oauth.New(s.Now)
	if err := s.auth.Register(oauth.Client{ID: client, Auth: oauth.AuthBasic, Secret: password, Grants: []oauth.Grant{oauth.RefreshToken}}); err != nil {
		return fmt.Errorf("authorisation server: %w", err)
	}
	if err := s.Host(issuer, s.auth); err != nil {
		return err
	}
	s.api.Rule(func(q target.Request) (target.Answer, bool) { return target.OK, s.auth.Valid(q.Token) })
	if err := s.logIn(); err != nil {
		return err
	}
	_, err := s.AddStack(filepath.Join(s.machine.Root, "infra", "rotation.yaml"), s.Stack.StackName+"-rotation", map[string]string{
		"SecretId": s.SecretID(secret), "Every": "rate(30 minutes)",
		"RotatorArn": fmt.Sprint(s.Stack.Outputs["RotatorArn"]), "DeadLetterArn": fmt.Sprint(s.Stack.Outputs["DeadLettersArn"]),
	})
	return err
}

// mailsOf are the mails about an alarm, by its name without the stack's.
func (s *stage) mailsOf(name string) []notify.Mail { return s.Mails(s.Stack.StackName + "-" + name) }

// expect checks how an alarm stands and how many mails it has led to.
func (s *stage) expect(name string, state alarm.State, mails int) error {
	var problems []error
	if got := s.AlarmState(name); got != state {
		problems = append(problems, fmt.Errorf("alarm %s is %s, not %s", name, got, state))
	}
	if got := s.mailsOf(name); len(got) != mails {
		problems = append(problems, fmt.Errorf("alarm %s led to %d mails, not %d: %s", name, len(got), mails, subjects(got)))
	}
	for _, undelivered := range s.Undelivered() {
		problems = append(problems, fmt.Errorf("a message was not delivered: %w", undelivered))
	}
	return errors.Join(problems...)
}

func subjects(mails []notify.Mail) string {
	list := make([]string, len(mails))
	for i, m := range mails {
		list[i] = m.At.Format("Mon 15:04 ") + m.Subject
	}
	return strings.Join(list, "; ")
}

func (s *stage) pass(ctx context.Context, d time.Duration) error {
	return s.Advance(ctx, d)
}
