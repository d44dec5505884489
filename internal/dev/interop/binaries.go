package main

import (
	"bytes"
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"path/filepath"
	"slices"
	"strings"
	"sync/atomic"
	"time"

	"github.com/cronbearer/cronbearer/internal/dev/awssim"
	"github.com/cronbearer/cronbearer/internal/dev/awssim/secretsmanager"
	"github.com/cronbearer/cronbearer/internal/dev/shipped"
	"github.com/cronbearer/cronbearer/internal/dev/upstream"
)

// What internal/dev/shipped/template.yaml has.
const (
	host   = "api.example.com"
	secret = "example-api"
	event  = `{"job":"HourlySync","token":"ExampleApi","secret":"example-api","call":"GET ` +
		`https://api.example.com/v1/sync","attempts":1}`
)

// world is the local cloud with the real binaries, on the real clock, and an API that accepts what the authorization
// server honours, until reject.
type world struct {
	*awssim.Cloud

	suite  *suite
	api    *upstream.Server
	reject atomic.Bool
}

func (s *suite) open(parameters map[string]string) (*world, error) {
	cloud, err := awssim.New(awssim.Options{
		Template: filepath.FromSlash(shipped.Path), Binaries: s.binaries, Authority: s.authority, Start: time.Now(),
		NoStarts:    true,
		Parameters:  parameters,
		Environment: map[string]string{"LOG_LEVEL": "debug"},
	})
	if err != nil {
		return nil, fmt.Errorf("the local cloud: %w", err)
	}
	w := &world{Cloud: cloud, suite: s, api: cloud.Target(host)}
	w.api.Rule(func(q upstream.Request) (upstream.Answer, bool) {
		found, err := s.server.find(q.Token)
		return upstream.OK, err == nil && found.Client != "" && !w.reject.Load()
	})
	return w, nil
}

// put stores the secret, as an operator does.
func (w *world) put(value map[string]any) error {
	text, err := json.Marshal(value)
	if err != nil {
		return fmt.Errorf("the secret: %w", err)
	}
	if _, err := w.PutSecret(secret, string(text)); err != nil {
		return fmt.Errorf("put the secret: %w", err)
	}
	return nil
}

// tokens is how many the API accepted.
func (w *world) tokens() int {
	seen := map[string]bool{}
	for _, q := range w.api.Requests() {
		if q.Status == 200 {
			seen[q.Token] = true
		}
	}
	return len(seen)
}

// showsNothing looks for secrets in everything that the functions said.
func (w *world) showsNothing() error {
	said := fmt.Append(nil, w.CloudWatch.Data(""))
	for _, r := range w.Runs() {
		said = slices.Concat(said, r.Stdout, r.Stderr, r.Payload)
	}
	for _, secret := range w.suite.secrets {
		if bytes.Contains(said, []byte(secret)) {
			return errors.New("the binary showed a secret")
		}
	}
	return nil
}

// caller runs the real caller with tokens that it mints at the server.
func (s *suite) caller() []check {
	const name = "caller binary: calls with a minted token, reuses it, and reports the rejected client"
	return []check{{name, func(ctx context.Context) (err error) {
		const client = "binary"
		register := func(password string) error {
			return s.server.setClient(map[string]any{
				"client_id": client, "client_secret": password, "token_endpoint_auth_method": "client_secret_basic",
				"grant_types": []string{"client_credentials"}, "response_types": []string{}, "redirect_uris": []string{},
			})
		}
		s.passwords[client] = s.password()
		if err := register(s.passwords[client]); err != nil {
			return err
		}
		w, err := s.open(nil)
		if err != nil {
			return err
		}
		defer func() { err = errors.Join(err, w.Close()) }()
		oauth2 := and(s.withPassword(client, "basic"), "token_url", s.server.tokenURL)
		if err := w.put(map[string]any{"hosts": []string{host}, "oauth2": oauth2}); err != nil {
			return err
		}
		for range 2 {
			r, err := w.Invoke(ctx, "Caller", []byte(event))
			if err != nil {
				return fmt.Errorf("invoke: %w", err)
			}
			if r.Failed || r.Result.Outcome != "succeeded" || r.Result.Verdict != "accepted" {
				return fmt.Errorf("the run ended with %s", r.Payload)
			}
		}
		if w.tokens() != 1 {
			return fmt.Errorf("two runs in one environment called with %d tokens", w.tokens())
		}
		// The client's secret is changed at the provider, and the token that was minted with the old one is revoked.
		if err := register(s.password()); err != nil {
			return err
		}
		w.reject.Store(true)
		for _, start := range []string{"warm", "cold"} {
			r, err := w.Invoke(ctx, "Caller", []byte(event))
			if err != nil {
				return fmt.Errorf("invoke: %w", err)
			}
			if r.ErrorType != "TokenRejectedError" || !strings.Contains(string(r.Stdout)+r.Message, "invalid_client") {
				return fmt.Errorf("the %s run ended with %s\n%s", start, r.Payload, r.Stdout)
			}
			if (start == "cold") != r.Cold {
				return fmt.Errorf("the %s run started an environment: %t", start, r.Cold)
			}
			w.Function("Caller").Restart()
		}
		if data := w.CloudWatch.Data("TokenRejected"); len(data) == 0 || data[len(data)-1].Value() != 1 {
			return errors.New("TokenRejected was not published")
		}
		return w.showsNothing()
	}}}
}

// rotator runs the real rotator on refresh tokens of the server.
func (s *suite) rotator() []check {
	const name = "rotator binary: renews five times, and a refresh token that was used elsewhere asks for an operator"
	return []check{{name, func(ctx context.Context) (err error) {
		w, err := s.open(nil)
		if err != nil {
			return err
		}
		defer func() { err = errors.Join(err, w.Close()) }()
		if err := w.logIn(); err != nil {
			return err
		}
		if _, err := w.AddRotation(filepath.Join("infra", "rotation.yaml"), secret, "rate(1 day)"); err != nil {
			return fmt.Errorf("deploy the rotation: %w", err)
		}
		var used []string
		for range 5 {
			used = append(used, w.refreshToken())
			if err := w.rotate(ctx); err != nil {
				return err
			}
		}
		stored := w.refreshToken()
		if s.secrets = append(s.secrets, append(used, stored)...); stored == used[4] || used[0] == used[1] {
			return errors.New("the refresh token was not rotated")
		}
		if w.tokens() != 5 { // by testSecret
			return fmt.Errorf("five renewals were tested with %d tokens", w.tokens())
		}

		// Someone else has the first refresh token: the server revokes all that came from it.
		if _, err := s.ask(ctx, s.refreshing("refresh", used[0]), withCurrent("the-first-token")); err == nil {
			return errors.New("a used refresh token was honoured")
		}
		before := len(w.Runs())
		err = w.rotate(ctx)
		if err == nil {
			return errors.New("the rotation went on with a revoked refresh token")
		}
		if !strings.Contains(err.Error(), "ReauthorizationRequiredError") || !strings.Contains(err.Error(), "Re-authorize") {
			return fmt.Errorf("the rotation ended with: %w", err)
		}
		tries := 0
		for _, r := range w.Runs()[before:] {
			tries += strings.Count(string(r.Stdout), `"step":"createSecret"`)
		}
		if tries != 1 {
			return fmt.Errorf("createSecret was tried %d times", tries)
		}

		if err := w.logIn(); err != nil {
			return err
		}
		if err := w.resume(ctx); err != nil {
			return fmt.Errorf("after the new log-in: %w", err)
		}
		return w.showsNothing()
	}}}
}

// rotatorLoses runs the real rotator where the answer to a refresh is lost: the server has rotated the refresh token,
// and who posts the old one a second time loses the whole family.
func (s *suite) rotatorLoses() []check {
	const name = "rotator binary: a lost answer is asked for again, and a refresh token that was rejected is not posted " +
		"again"
	return []check{{name, func(ctx context.Context) (err error) {
		w, err := s.open(nil)
		if err != nil {
			return err
		}
		defer func() { err = errors.Join(err, w.Close()) }()
		if err := w.logIn(); err != nil {
			return err
		}
		if _, err := w.AddRotation(filepath.Join("infra", "rotation.yaml"), secret, "rate(1 day)"); err != nil {
			return fmt.Errorf("deploy the rotation: %w", err)
		}
		if err := s.server.lose(); err != nil {
			return err
		}
		for _, round := range []struct {
			name, says string
			start      func(context.Context) error
			posts      int
		}{
			{name: "the lost", start: w.rotate, says: "did not answer", posts: 1},
			{name: "the repeated", start: w.resume, says: "ReauthorizationRequiredError", posts: 1},
			{name: "the next", start: w.resume, says: "ReauthorizationRequiredError", posts: 0},
		} {
			before, err := s.server.requests()
			if err != nil {
				return err
			}
			if err := round.start(ctx); err == nil || !strings.Contains(err.Error(), round.says) {
				return fmt.Errorf("%s step ended with: %w", round.name, err)
			}
			after, err := s.server.requests()
			if err != nil {
				return err
			}
			if after-before != round.posts {
				return fmt.Errorf("%s step posted the refresh token %d times", round.name, after-before)
			}
		}
		if err := errors.Join(w.logIn(), w.resume(ctx)); err != nil {
			return fmt.Errorf("after the new log-in: %w", err)
		}
		return w.showsNothing()
	}}}
}

// resume starts a rotation that had failed again.
func (w *world) resume(ctx context.Context) error {
	if err := w.Secrets.Resume(ctx, w.SecretID(secret)); err != nil {
		return fmt.Errorf("start it again: %w", err)
	}
	return w.lastRotation()
}

// logIn is what an operator does, and put-secret-value.
func (w *world) logIn() error {
	refresh, err := w.suite.server.login("refresh", account, "openid offline_access reports:read")
	if err != nil {
		return err
	}
	w.suite.secrets = append(w.suite.secrets, refresh)
	return w.put(map[string]any{
		"token": "the-first-token", "test": "GET https://" + host + "/v1/me",
		"oauth2": and(w.suite.refreshing("refresh", refresh), "token_url", w.suite.server.tokenURL),
	})
}

func (w *world) rotate(ctx context.Context) error {
	if err := w.Secrets.RotateSecret(ctx, w.SecretID(secret)); err != nil {
		return fmt.Errorf("rotate: %w", err)
	}
	return w.lastRotation()
}

func (w *world) lastRotation() error {
	all := w.Secrets.Rotations()
	return all[len(all)-1].Err
}

// refreshToken is the one that is current; none is "".
func (w *world) refreshToken() string {
	text, _ := w.Secrets.Value(w.SecretID(secret), secretsmanager.Current)
	var value struct {
		OAuth2 struct {
			RefreshToken string `json:"refresh_token"`
		} `json:"oauth2"`
	}
	_ = json.Unmarshal([]byte(text), &value) // the rotation that follows says what is wrong with it
	return value.OAuth2.RefreshToken
}
