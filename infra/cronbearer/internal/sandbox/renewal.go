package sandbox

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"os"
	"path/filepath"
	"strings"
	"time"

	"github.com/cronbearer/cronbearer/internal/dev/idp"
)

// A Renewal is how a token is renewed. The template does not say it, the secret does.
type Renewal string

// A token without one is renewed by people.
const (
	// Minted tokens come from a client's credentials: the caller exchanges them itself.
	Minted Renewal = "minted"
	// Rotated tokens come from a refresh token: the rotator exchanges it, as infra/rotation.yaml deploys it.
	Rotated Renewal = "rotated"
)

const (
	accessLife    = time.Hour
	rotationEvery = "rate(30 minutes)" // half of it
	clientID      = "sandbox-client"
)

// login is a token's authorization server. Each token has its own, so that one of them can be revoked alone.
type login struct {
	*idp.Server

	host    string
	secrets int // of the client so far
}

// clientSecret is what the client proves itself with.
func (l *login) clientSecret() string { return fmt.Sprintf("sandbox-client-secret-%04d", l.secrets) }

// register makes the client known with a new secret: the one before is invalid from then on.
func (l *login) register() error {
	l.secrets++
	return l.Register(idp.Client{
		ID: clientID, Auth: idp.AuthBasic, Secret: l.clientSecret(),
		Grants: []idp.Grant{idp.ClientCredentials, idp.RefreshToken},
	})
}

// addLogin serves an authorization server for a token that is renewed.
func (s *Sandbox) addLogin(t *Token) error {
	l := &login{Server: idp.New(s.Now), host: "login-" + strings.ToLower(t.Name) + ".example.com"}
	if err := l.SetPolicy(idp.Policy{AccessLife: accessLife, Seed: uint64(len(t.Name))}); err != nil {
		return fmt.Errorf("token %s: %w", t.Name, err)
	}
	t.login = l
	return s.Host(l.host, l)
}

// authorize stores a secret with new credentials, as an operator does who has re-authorized the client.
func (s *Sandbox) authorize(t *Token) error {
	if err := t.login.register(); err != nil {
		return fmt.Errorf("token %s: %w", t.Name, err)
	}
	oauth2 := map[string]string{
		"token_url": "https://" + t.login.host + idp.TokenPath, "client_id": clientID,
		"client_secret": t.login.clientSecret(), "grant": string(idp.ClientCredentials),
	}
	secret := map[string]any{"hosts": s.Hosts(), "oauth2": oauth2}
	if t.renewal == Rotated {
		tokens, err := t.login.LogIn(clientID, "")
		if err != nil {
			return fmt.Errorf("token %s: %w", t.Name, err)
		}
		oauth2["grant"], oauth2["refresh_token"] = string(idp.RefreshToken), tokens.Refresh
		secret["token"], secret["expires_at"] = tokens.Access, tokens.Expires.Format(time.RFC3339)
	}
	text, err := json.Marshal(secret)
	if err != nil {
		return fmt.Errorf("token %s: %w", t.Name, err)
	}
	if _, err := s.PutSecret(t.Secret, string(text)); err != nil {
		return err
	}
	if t.renewal == Rotated && t.rotates {
		// An error is the rotation's, which is an event; one that was left half done is started again.
		_ = s.Secrets.RotateSecret(context.Background(), s.SecretID(t.Secret))
	}
	return nil
}

// rotate deploys infra/rotation.yaml for a token.
func (s *Sandbox) rotate(t *Token) error {
	path, err := above(s.options.Template, filepath.Join("infra", "rotation.yaml"))
	if err != nil {
		return err
	}
	_, err = s.AddRotation(path, t.Secret, rotationEvery)
	t.rotates = err == nil
	return err
}

// above finds a file in the folder of the template or one above it, or in the current folder or one above it.
func above(template, name string) (string, error) {
	for _, from := range []string{filepath.Dir(template), "."} {
		folder, err := filepath.Abs(from)
		for err == nil {
			path := filepath.Join(folder, name)
			if _, err := os.Stat(path); err == nil {
				return path, nil
			}
			if folder == filepath.Dir(folder) {
				break
			}
			folder = filepath.Dir(folder)
		}
	}
	return "", fmt.Errorf("there is no %s next to %s or above it: run it in your copy of the repository", name, template)
}

// killRenewed revokes what a renewed token's secret has: of a minted one the client; of a rotated one the access
// tokens, also the one before, until the rotator's next start.
func (s *Sandbox) killRenewed(t *Token) error {
	if t.renewal == Minted {
		t.dead.Store(true)
		return t.login.register()
	}
	current, _, err := s.stored(t, "AWSCURRENT")
	if err != nil {
		return err
	}
	if !t.login.RevokeAccess(current) {
		return errNotOurs
	}
	if before, _, err := s.stored(t, "AWSPREVIOUS"); err == nil {
		t.login.RevokeAccess(before)
	}
	return nil
}

var errNotOurs = errors.New("the secret was replaced: it has no credentials of the sandbox")

func (s *Sandbox) revokeRefresh(name string) (func(), string, error) {
	t, err := s.token(name)
	if err != nil {
		return nil, "", err
	}
	if t.renewal != Rotated {
		return nil, "", fmt.Errorf("%s has no refresh token here: it is not rotated", name)
	}
	_, refresh, err := s.stored(t, "AWSCURRENT")
	if err == nil && !t.login.Revoke(refresh) {
		err = errNotOurs
	}
	return func() {}, "the refresh token of " + name + " is revoked", err
}

// stored is what a version of a rotated token's secret has.
func (s *Sandbox) stored(t *Token, stage string) (token, refresh string, err error) {
	text, _ := s.Secrets.Value(s.SecretID(t.Secret), stage)
	var value struct {
		Token  string
		OAuth2 struct {
			Refresh string `json:"refresh_token"`
		}
	}
	if err := json.Unmarshal([]byte(text), &value); err != nil {
		return "", "", errors.New("the secret is no JSON document") // its text stays out of the error
	}
	return value.Token, value.OAuth2.Refresh, nil
}

// valid reports whether the authorization server of a renewed token knows a token, or a secret that was replaced by
// another command holds it, or it may be one of the user's own, which the sandbox cannot judge.
func (s *Sandbox) valid(token string) bool {
	for _, t := range s.tokens {
		if t.given.Load() && token != "" {
			return true
		}
		if t.login != nil && !t.dead.Load() && t.login.Valid(token) {
			return true
		}
		if text, yes := s.replaced(t); yes && token != "" && strings.Contains(text, token) {
			return true
		}
	}
	return false
}
