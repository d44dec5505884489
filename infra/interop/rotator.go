package main

import (
	"context"
	"crypto/rand"
	"crypto/tls"
	"encoding/json"
	"errors"
	"fmt"
	"net/http/httptest"
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"time"

	"github.com/cronbearer/cronbearer/infra/local/runtime"
	"github.com/cronbearer/cronbearer/infra/local/secrets"
)

const (
	rotatedSecret = "interop/rotated"
	rotatorARN    = "arn:aws:lambda:eu-west-1:123456789012:function:rotator"
)

// rotator runs the real rotator binary, by infra/local's models of Lambda and of Secrets Manager, on refresh tokens of
// the server.
func (s *suite) rotator() []check {
	return []check{{"rotator binary: renews five times, and a refresh token that was used elsewhere asks for a person", func(ctx context.Context) error {
		r, err := s.startRotator(ctx)
		if err != nil {
			return err
		}
		defer r.stop()
		var used []string
		for range 5 {
			refresh, err := r.value("refresh_token")
			if err != nil {
				return err
			}
			used = append(used, refresh)
			if err := r.rotate(ctx); err != nil {
				return err
			}
		}
		stored, err := r.value("refresh_token")
		if err != nil {
			return err
		}
		if s.secrets = append(s.secrets, append(used, stored)...); stored == used[4] || used[0] == used[1] {
			return errors.New("the refresh token was not rotated")
		}
		if r.target.tokens() != 5 { // by testSecret
			return fmt.Errorf("five renewals were tested with %d tokens", r.target.tokens())
		}

		// Somebody else has the first refresh token: the server revokes all that came from it.
		if _, err := s.ask(ctx, s.refreshing("refresh", used[0]), beside("the-first-token")); err == nil {
			return errors.New("a used refresh token was honoured")
		}
		before := len(r.output)
		if err := r.rotate(ctx); err == nil || !strings.Contains(err.Error(), "LogInAgainError") || !strings.Contains(err.Error(), "log in again") {
			return fmt.Errorf("the rotation ended with: %w", err)
		}
		if n := strings.Count(r.output[before:], `"step":"createSecret"`); n != 1 {
			return fmt.Errorf("createSecret was tried %d times", n)
		}

		if err := r.logIn(); err != nil {
			return err
		}
		if err := r.store.Resume(ctx, rotatedSecret); err != nil {
			return fmt.Errorf("start it again: %w", err)
		}
		if err := r.last(); err != nil {
			return fmt.Errorf("after the new log-in: %w", err)
		}
		for _, secret := range s.secrets {
			if strings.Contains(r.output, secret) {
				return errors.New("the binary showed a secret")
			}
		}
		return nil
	}}}
}

// rotation is the running binary and what stands around it.
type rotation struct {
	suite  *suite
	store  *secrets.Store
	target *target
	host   string
	output string
	stop   func()
}

func (s *suite) startRotator(ctx context.Context) (*rotation, error) {
	folder, err := os.MkdirTemp("", "interop")
	if err != nil {
		return nil, fmt.Errorf("a folder: %w", err)
	}
	program, roots := filepath.Join(folder, "rotator"), filepath.Join(folder, "roots.pem")
	const readable = 0o600
	if err := os.WriteFile(roots, s.authority.caPEM, readable); err != nil {
		return nil, fmt.Errorf("the roots: %w", err)
	}
	build := exec.CommandContext(ctx, "go", "build", "-tags", "lambda.norpc", "-o", program, "./"+filepath.Join(s.dir, "..", "..", "functions", "rotator"))
	build.Env = append(os.Environ(), "CGO_ENABLED=0")
	if text, err := build.CombinedOutput(); err != nil {
		return nil, fmt.Errorf("build the rotator: %w\n%s", err, text)
	}
	r := &rotation{suite: s, target: &target{server: s.server, seen: map[string]bool{}}}
	targets := httptest.NewUnstartedServer(r.target)
	targets.TLS = &tls.Config{Certificates: []tls.Certificate{s.authority.certificate}, MinVersion: tls.VersionTLS12}
	targets.StartTLS()
	r.host = "localhost:" + targets.URL[strings.LastIndex(targets.URL, ":")+1:]

	var function *runtime.Function
	r.store = secrets.NewStore(secrets.Config{Rotate: func(ctx context.Context, _ string, e secrets.RotationEvent) error {
		return r.step(ctx, function, e)
	}})
	api := httptest.NewServer(secrets.NewServer(r.store))
	function = runtime.NewFunction(runtime.Config{
		Name: "rotator", ARN: rotatorARN, Binary: program, Timeout: time.Minute, Dir: folder, Now: time.Now, NewID: rand.Text,
		Environment: []string{
			"AWS_REGION=eu-west-1", "AWS_ACCESS_KEY_ID=" + rand.Text(), "AWS_SECRET_ACCESS_KEY=" + rand.Text(), "AWS_ENDPOINT_URL=" + api.URL,
			"AWS_LAMBDA_FUNCTION_NAME=rotator", "SECRET_PREFIX=interop/", "ALLOWED_HOSTS=" + r.host, "LOG_LEVEL=debug",
			"EXTRA_CA_FILE=" + roots, "CRONBEARER_TEST_ALLOW_LOOPBACK=1",
		},
	})
	r.stop = func() {
		function.Close()
		for _, server := range []*httptest.Server{api, targets} {
			server.CloseClientConnections()
			server.Close()
		}
		_ = os.RemoveAll(folder)
	}
	if err := r.logIn(); err != nil {
		r.stop()
		return nil, err
	}
	if err := r.store.EnableRotation(rotatedSecret, rotatorARN); err != nil {
		r.stop()
		return nil, fmt.Errorf("enable rotation: %w", err)
	}
	return r, nil
}

// step is what Secrets Manager invokes the function for.
func (r *rotation) step(ctx context.Context, function *runtime.Function, e secrets.RotationEvent) error {
	event, err := json.Marshal(e)
	if err != nil {
		return fmt.Errorf("an event: %w", err)
	}
	ran, err := function.Invoke(ctx, event)
	if err != nil {
		return fmt.Errorf("invoke: %w", err)
	}
	r.output += string(ran.Stdout) + string(ran.Stderr) + string(ran.Payload)
	if ran.Failed {
		return errors.New(ran.ErrorType + ": " + ran.Message)
	}
	return nil
}

// logIn is what a person does, and put-secret-value.
func (r *rotation) logIn() error {
	refresh, err := r.suite.server.login("refresh", account, "openid offline_access reports:read")
	if err != nil {
		return err
	}
	r.suite.secrets = append(r.suite.secrets, refresh)
	value, err := json.Marshal(map[string]any{
		"token": "the-first-token", "test": "GET https://" + r.host + "/v1/me",
		"oauth2": and(r.suite.refreshing("refresh", refresh), "token_url", r.suite.server.tokenURL()),
	})
	if err != nil {
		return fmt.Errorf("the secret: %w", err)
	}
	if _, err := r.store.Put(rotatedSecret, string(value)); err != nil {
		return fmt.Errorf("put the secret: %w", err)
	}
	return nil
}

func (r *rotation) rotate(ctx context.Context) error {
	if err := r.store.RotateSecret(ctx, rotatedSecret); err != nil {
		return fmt.Errorf("rotate: %w", err)
	}
	return r.last()
}

// last is how the last rotation went.
func (r *rotation) last() error {
	all := r.store.Rotations()
	return all[len(all)-1].Err
}

// value is a key of oauth2 in the secret that is current.
func (r *rotation) value(name string) (string, error) {
	text, _ := r.store.Value(rotatedSecret, secrets.Current)
	var value struct{ OAuth2 map[string]string }
	if err := json.Unmarshal([]byte(text), &value); err != nil || value.OAuth2[name] == "" {
		return "", errors.New("the secret that is stored has no " + name)
	}
	return value.OAuth2[name], nil
}
