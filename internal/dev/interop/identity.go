package main

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"net/http"
	"net/url"
	"strings"

	"github.com/cronbearer/cronbearer/internal/dev/awssim/sts"
)

// identity has the real caller show what the local cloud's STS signs for its role. The server reads the account's keys
// from its JWKS and verifies every JWT itself.
//
// What this server cannot show: a client that is known by issuer and subject under a client_id of its own, as Entra and
// Buildkite have it. It accepts a client assertion only if its "iss" and "sub" are the client_id (RFC 7523 section 3),
// which no JWT of AWS's is: a check below has it rejected. So where a client assertion has to be granted, the account's
// issuer is the client_id, and the model of STS writes it as "sub" in place of the role. All else is as AWS signs it.
func (s *suite) identity() []check {
	ways := []struct {
		name   string
		client func(issuer string) string // that the token is issued to
		oauth2 func(issuer string) map[string]any
	}{
		{"client assertion", func(issuer string) string { return issuer }, func(issuer string) map[string]any {
			return map[string]any{"grant": "client_credentials", "client_id": issuer, "auth": "aws_identity"}
		}},
		{"subject of token_exchange", func(string) string { return "public" }, func(string) map[string]any {
			return map[string]any{"grant": "token_exchange", "client_id": "public", "auth": "none", "assertion": "aws_identity"}
		}},
		{"assertion of jwt_bearer", func(string) string { return "public" }, func(string) map[string]any {
			return map[string]any{"grant": "jwt_bearer", "client_id": "public", "auth": "none", "assertion": "aws_identity"}
		}},
	}
	var list []check
	for _, way := range ways {
		for _, algorithm := range []string{"RS256", "ES384"} {
			list = append(list, check{"AWS identity: " + way.name + ", " + algorithm, func(ctx context.Context) error {
				return s.withIdentity(func(w *world, issuer string) error {
					if way.client(issuer) == issuer {
						w.STS.Principal = itself(issuer)
					}
					if err := w.putIdentity(algorithm, s.server.issuer, way.oauth2(issuer)); err != nil {
						return err
					}
					r, err := w.Invoke(ctx, "Caller", []byte(event))
					switch {
					case err != nil:
						return fmt.Errorf("invoke: %w", err)
					case r.Result.Outcome != "succeeded" || r.Result.Verdict != "accepted":
						return fmt.Errorf("the run ended with %s\n%s", r.Payload, r.Stdout)
					}
					found, err := s.server.find(w.api.Requests()[0].Token)
					if err == nil && found.Client != way.client(issuer) {
						err = fmt.Errorf("the token is of client %q", found.Client)
					}
					if err == nil && way.client(issuer) == "public" && !strings.HasSuffix(found.Account, ":role/"+
						w.Stack.Ref("CallerRole")) {
						err = fmt.Errorf("the token is %q's, not that of the caller's role", found.Account)
					}
					return err
				})
			}})
		}
	}
	client, exchange := ways[0].oauth2, ways[1].oauth2
	return append(list,
		s.identityFails(
			"a client assertion whose subject is the role is rejected by this server", "token_unavailable",
			"client_id mismatch", client, nil,
		),
		s.identityFails("another account's key is rejected",
			"token_rejected", "invalid_client", client, func(w *world, issuer string) error {
				w.STS.Principal = itself(issuer)
				other := sts.NewServer(sts.Config{})
				other.Enable(issuer)
				keys, err := other.JWKS()
				if err != nil {
					return err
				}
				return s.register(issuer, keys)
			}),
		s.identityFails("an account that is not trusted is rejected",
			"token_unavailable", "invalid_request", exchange, func(_ *world, issuer string) error {
				return s.server.setIssuer(issuer, jwks{Keys: []map[string]string{}})
			}),
		s.identityFails("an identity that is for another server is rejected",
			"token_unavailable", "invalid_request", func(issuer string) map[string]any {
				return and(exchange(issuer), "audience of the identity", "urn:other")
			}, nil),
		check{"AWS identity: a replayed client assertion is rejected", s.replayedIdentity},
	)
}

// itself has STS write the issuer as the subject.
func itself(issuer string) func(string) string { return func(string) string { return issuer } }

// withIdentity opens a world whose account has enabled federation. The server trusts its issuer, and knows it as a
// client.
func (s *suite) withIdentity(do func(w *world, issuer string) error) (err error) {
	w, err := s.open(map[string]string{"IdentityAudiences": s.server.issuer + ",urn:other"})
	if err != nil {
		return err
	}
	defer func() { err = errors.Join(err, w.Close()) }()
	issuer, err := w.EnableFederation()
	if err != nil {
		return fmt.Errorf("federation: %w", err)
	}
	text, err := w.Get(issuer + sts.KeysPath)
	if err != nil {
		return fmt.Errorf("the account's keys: %w", err)
	}
	var keys jwks
	if err := json.Unmarshal(text, &keys); err != nil {
		return fmt.Errorf("the account's keys: %w", err)
	}
	if err := errors.Join(s.server.setIssuer(issuer, keys), s.register(issuer, keys)); err != nil {
		return err
	}
	err = do(w, issuer)
	for _, call := range w.STS.Calls() {
		s.secrets = append(s.secrets, call.Token)
	}
	return errors.Join(err, w.showsNothing())
}

func (s *suite) register(issuer string, keys any) error {
	return s.server.setClient(map[string]any{
		"client_id": issuer, "token_endpoint_auth_method": "private_key_jwt", "grant_types": []string{"client_credentials"},
		"response_types": []string{}, "redirect_uris": []string{}, "jwks": keys,
	})
}

// putIdentity stores a secret without a secret. Not as PutSecret does, which would have the issuer's host in it be this
// machine.
func (w *world) putIdentity(algorithm, audience string, oauth2 map[string]any) error {
	oauth2["token_url"] = w.suite.server.tokenURL
	text, err := json.Marshal(map[string]any{
		"hosts": []string{w.Local(host)}, "oauth2": oauth2,
		"aws_identity": map[string]any{"audience": audience, "algorithm": algorithm, "lifetime": "3m"},
	})
	if err != nil {
		return fmt.Errorf("the secret: %w", err)
	}
	if _, err := w.Secrets.Put(w.SecretID(secret), string(text)); err != nil {
		return fmt.Errorf("put the secret: %w", err)
	}
	return nil
}

func (s *suite) identityFails(
	name, outcome, words string, oauth2 func(issuer string) map[string]any, prepare func(*world, string) error,
) check {
	return check{"AWS identity: " + name, func(ctx context.Context) error {
		return s.withIdentity(func(w *world, issuer string) error {
			if prepare != nil {
				if err := prepare(w, issuer); err != nil {
					return err
				}
			}
			client, audience := oauth2(issuer), s.server.issuer
			if other, ok := client["audience of the identity"].(string); ok {
				audience = other
				delete(client, "audience of the identity")
			}
			if err := w.putIdentity("RS256", audience, client); err != nil {
				return err
			}
			r, err := w.Invoke(ctx, "Caller", []byte(event))
			if err != nil {
				return fmt.Errorf("invoke: %w", err)
			}
			if r.Result.Outcome != outcome || r.Result.Verdict != "rejected" || !strings.Contains(r.Message, words) {
				return fmt.Errorf("the run ended with %s\n%s", r.Payload, r.Message)
			}
			return nil
		})
	}}
}

// replayedIdentity sends a client assertion again that the caller has sent.
func (s *suite) replayedIdentity(ctx context.Context) error {
	return s.withIdentity(func(w *world, issuer string) error {
		w.STS.Principal = itself(issuer)
		oauth2 := map[string]any{"grant": "client_credentials", "client_id": issuer, "auth": "aws_identity"}
		if err := w.putIdentity("RS256", s.server.issuer, oauth2); err != nil {
			return err
		}
		if r, err := w.Invoke(ctx, "Caller", []byte(event)); err != nil || r.Failed {
			return errors.Join(err, fmt.Errorf("the run ended with %s", r.Payload))
		}
		form := url.Values{
			"grant_type": {"client_credentials"}, "client_id": {issuer}, "client_assertion": {w.STS.Calls()[0].Token},
			"client_assertion_type": {"urn:ietf:params:oauth:client-assertion-type:jwt-bearer"},
		}
		return s.replay(ctx, form.Encode(), http.StatusUnauthorized, "invalid_client")
	})
}
