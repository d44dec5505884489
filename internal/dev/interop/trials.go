package main

import (
	"bytes"
	"context"
	"errors"
	"fmt"
	"slices"
	"strings"
)

// trial is one secret for the real caller: put, and the job run in a new environment.
type trial struct {
	name     string
	oauth2   map[string]any
	identity map[string]any // aws_identity; nil: none

	// What comes of it: a token that the server honours, with what is given here, or a failure.
	granted answer
	fails   *kind
	words   string // in the error, separated by |
}

func (w *world) trials(list []trial) []check {
	var checks []check
	for _, t := range list {
		checks = append(checks, check{"caller binary: " + t.name, func(ctx context.Context) error { return w.try(ctx, t) }})
	}
	return checks
}

func (w *world) try(ctx context.Context, t trial) error {
	if _, given := t.oauth2["token_url"]; !given {
		t.oauth2["token_url"] = w.suite.server.tokenURL
	}
	if u, late := t.oauth2["subject_token"].(unsigned); late {
		signed, err := u.sign(w.suite)
		if err != nil {
			return err
		}
		t.oauth2["subject_token"] = signed
	}
	secret := map[string]any{"hosts": []string{host}, "oauth2": t.oauth2}
	if t.identity != nil {
		secret["aws_identity"] = t.identity
		if err := w.trust(); err != nil {
			return err
		}
	}
	if err := w.put(secret); err != nil {
		return err
	}
	calls := len(w.api.Requests())
	w.Function("Caller").Restart()
	r, err := w.Invoke(ctx, "Caller", []byte(event))
	if err != nil {
		return fmt.Errorf("invoke: %w", err)
	}
	if t.fails != nil {
		want := struct{ errorType, verdict string }{"TokenUnavailableError", "unknown"}
		if t.fails.rejected {
			want.errorType = "TokenRejectedError"
		}
		if t.fails.permanent {
			want.verdict = "rejected"
		}
		if r.ErrorType != want.errorType || r.Result.Verdict != want.verdict || len(w.api.Requests()) != calls {
			return fmt.Errorf("want %s, verdict %s and no call; the run ended with %s", want.errorType, want.verdict, r.Payload)
		}
		for word := range strings.SplitSeq(t.words, "|") {
			if !strings.Contains(r.Message, word) {
				return fmt.Errorf("the error does not say %q: %s", word, r.Message)
			}
		}
		return nil
	}
	if r.Failed || r.Result.Outcome != "succeeded" || r.Result.Verdict != "accepted" || len(w.api.Requests()) != calls+1 {
		return fmt.Errorf("the run ended with %s", r.Payload)
	}
	used := w.api.Requests()[calls].Token
	w.suite.secrets = append(w.suite.secrets, used)
	found, err := w.suite.server.find(used)
	if err != nil {
		return err
	}
	return t.granted.compare(found)
}

// compare checks the members that are wanted.
func (a answer) compare(found answer) error {
	for _, member := range []struct{ name, want, got string }{
		{name: "client", want: a.Client, got: found.Client},
		{name: "account", want: a.Account, got: found.Account},
		{name: "scope", want: a.Scope, got: found.Scope},
		{name: "audience", want: strings.Join(a.Audience, " "), got: strings.Join(found.Audience, " ")},
	} {
		if member.want != "" && member.want != member.got {
			return fmt.Errorf("the token's %s is %q, not %q", member.name, member.got, member.want)
		}
	}
	return nil
}

// after checks all that the trials' runs left behind.
func (w *world) after() []check {
	return []check{{
		"caller binary: no output, error or metric shows a secret, a token or an assertion",
		func(context.Context) error {
			for _, r := range w.Runs() {
				if said := slices.Concat(r.Stdout, r.Stderr, r.Payload); bytes.Contains(said, []byte("eyJ")) ||
					bytes.Contains(said, []byte("PRIVATE KEY")) {
					return errors.New("a run shows a JWT or a key")
				}
			}
			if len(w.Runs()) == 0 {
				return errors.New("there was no run")
			}
			return w.showsNothing()
		},
	}}
}

// signed is a client whose assertion names the issuer as its audience.
func (s *suite) signed(algorithm string, pairs ...any) map[string]any {
	return and(s.withKey("key-"+algorithm, s.keys["client-"+
		algorithm]), append([]any{"assertion_audience", s.server.issuer}, pairs...)...)
}

// certified is the client whose assertion has to name its certificate, and no key_id.
func (s *suite) certified(pairs ...any) map[string]any {
	k := s.keys["client-RS256"]
	oauth2 := and(s.signed("RS256"), "client_id", "certified", "certificate", k.certificates[0])
	delete(oauth2, "key_id")
	return and(oauth2, pairs...)
}

func of(client string) answer { return answer{Client: client} }

// everyServer are the trials whose result is the same with both servers.
func (w *world) everyServer() []trial {
	s := w.suite
	password := s.withPassword
	list := []trial{
		{name: "client_secret_basic", oauth2: password("basic", "basic"), granted: of("basic")},
		{
			name: "client_secret_basic, an id and a secret to escape", oauth2: password(awkwardID, "basic"),
			granted: of(awkwardID),
		},
		{name: "client_secret_post", oauth2: password("body", "body"), granted: of("body")},
		{
			name: "basic_raw, a secret that form encoding would change", oauth2: password("raw", "basic_raw"),
			granted: of("raw"),
		},
		{name: "basic, a secret with + and %", oauth2: password("raw-escaped", "basic"), granted: of("raw-escaped")},
		{
			name:   "basic_raw, the same secret is rejected by a server that decodes",
			oauth2: password("raw-escaped", "basic_raw"), fails: &rejectedKind, words: "invalid_client",
		},
		{
			name: "the scope is the token's", oauth2: and(password("basic", "basic"), "scope", "reports:read"),
			granted: answer{Scope: "reports:read"},
		},
		{
			name:   "a wrong secret is rejected",
			oauth2: and(password("basic", "basic"), "client_secret", "wrong-wrong-wrong"), fails: &rejectedKind,
			words: "invalid_client|client_secret",
		},
		{
			name: "an unknown client is rejected", oauth2: and(password("basic", "basic"), "client_id", "unknown"),
			fails: &rejectedKind, words: "invalid_client",
		},
		{
			name:   "an unknown scope is a mistake",
			oauth2: and(password("basic", "basic"), "scope", "reports:write"), fails: &mistakeKind,
			words: "answered 400|invalid_scope",
		},
		{
			name:   "format json is a mistake with a server that reads forms only",
			oauth2: and(password("body", "body"), "format", "json"), fails: &mistakeKind, words: "answered 400|invalid_request",
		},
		{
			name:   "parameters replace grant_type",
			oauth2: and(password("basic", "basic"), "parameters", map[string]any{"grant_type": "account_credentials"}),
			fails:  &mistakeKind, words: "unsupported_grant_type",
		},
		{
			name:   "private_key_jwt for another audience is rejected",
			oauth2: s.signed("RS256", "assertion_audience", api), fails: &rejectedKind, words: "invalid_client",
		},
		{
			name:   "private_key_jwt of another key is rejected",
			oauth2: s.signed("ES256", "private_key", s.keys["issuer-ES256"].pem), fails: &rejectedKind, words: "invalid_client",
		},
		{name: "private_key_jwt with the certificate's x5t#S256 and no kid", oauth2: s.certified(), granted: of("certified")},
		{
			name:   "another certificate of the key is rejected",
			oauth2: s.certified("certificate", s.keys["client-RS256"].certificates[1]), fails: &rejectedKind,
			words: "invalid_client",
		},
		{
			name: "an assertion without x5t#S256 is rejected", oauth2: s.certified("certificate", ""), fails: &rejectedKind,
			words: "invalid_client",
		},
	}
	for _, algorithm := range []string{"RS256", "PS256", "ES256"} {
		list = append(list, trial{
			name:   "private_key_jwt with " + algorithm + ", the issuer as assertion_audience",
			oauth2: s.signed(algorithm), granted: of("key-" + algorithm),
		})
	}
	return append(list, w.exchanges()...)
}

func (w *world) onlyOIDCProvider() []trial {
	s := w.suite
	forAPI := answer{Client: "basic", Audience: []string{api}}
	scoped := func(pairs ...any) map[string]any {
		return and(s.withPassword("basic", "basic"), append([]any{"scope", "reports:read"}, pairs...)...)
	}
	return []trial{
		{
			name: "private_key_jwt with EdDSA, the issuer as assertion_audience", oauth2: s.signed("EdDSA"),
			granted: of("key-EdDSA"),
		},
		{name: "audience is the token's", oauth2: scoped("audience", api), granted: forAPI},
		{
			name:   "a resource (RFC 8707) by parameters is the token's",
			oauth2: scoped("parameters", map[string]any{"resource": api}), granted: forAPI,
		},
	}
}

func (w *world) onlyZitadel() []trial {
	s := w.suite
	// serviceAccount is an assertion whose subject is its issuer, which is how this server knows one.
	serviceAccount := func(algorithm string, pairs ...any) map[string]any {
		k := s.keys["issuer-"+algorithm]
		oauth2 := and(assertion("", k), append([]any{"subject", issuerOf(k), "audience", s.server.issuer}, pairs...)...)
		delete(oauth2, "client_id")
		return oauth2
	}
	forTokenURL, bearerForTokenURL := s.signed("RS256"), serviceAccount("RS256")
	delete(forTokenURL, "assertion_audience")
	delete(bearerForTokenURL, "audience")
	list := []trial{
		{
			name:   "client_credentials without authentication is rejected by a server that requires it",
			oauth2: and(s.withPassword("open", "none"), "client_secret", ""), fails: &rejectedKind,
			words: "invalid_client|client must be authenticated|oauth2.auth is none",
		},
		{
			name:   "private_key_jwt for the token endpoint is rejected by a server that requires its issuer",
			oauth2: forTokenURL, fails: &rejectedKind, words: "invalid_client|audience|set oauth2.assertion_audience",
		},
		{
			name:   "private_key_jwt with EdDSA is rejected by a server that does not know it",
			oauth2: s.signed("EdDSA"), fails: &rejectedKind, words: "invalid_client|algorithm",
		},
		{
			name:   "a grant that the client may not use is rejected",
			oauth2: s.withPassword("forbidden", "basic"), fails: &rejectedKind, words: "unauthorized_client",
		},
		{
			name: "jwt_bearer for the token endpoint fails", oauth2: bearerForTokenURL, fails: &mistakeKind,
			words: "answered 400|invalid_request",
		},
		{
			name:   "jwt_bearer that another issuer's key signed fails",
			oauth2: serviceAccount("ES256", "private_key", s.keys["client-ES256"].pem), fails: &mistakeKind,
			words: "invalid_request",
		},
		{
			name:   "jwt_bearer with a subject that is not the issuer fails",
			oauth2: serviceAccount("RS256", "subject", account), fails: &mistakeKind, words: "invalid_request",
		},
		{
			name:   "jwt_bearer with an unknown scope fails",
			oauth2: serviceAccount("RS256", "scope", "reports:write"), fails: &mistakeKind, words: "invalid_scope",
		},
		{
			name:     "jwt_bearer with a JWT that AWS signed fails with a server that requires the issuer as subject",
			oauth2:   s.bearerOfIdentity(),
			identity: s.awsIdentity(), fails: &mistakeKind, words: "invalid_request",
		},
		{
			name:     "token_exchange of a JWT that AWS signed with ES384 fails with a server that does not know it",
			oauth2:   s.exchangeOfIdentity(),
			identity: s.awsIdentity("algorithm", "ES384"), fails: &mistakeKind, words: "invalid_request",
		},
		{
			name:   "token_exchange for an id_token returns nothing to call with",
			oauth2: s.exchange("basic", "requested_token_type", "urn:ietf:params:oauth:token-type:id_token"),
			fails:  &mistakeKind, words: "token_type",
		},
		{
			name:    "token_exchange for a refresh token uses the access token next to it",
			oauth2:  s.exchange("basic", "requested_token_type", "urn:ietf:params:oauth:token-type:refresh_token"),
			granted: answer{Client: "basic", Account: account},
		},
	}
	for _, algorithm := range []string{"RS256", "PS256", "ES256"} {
		list = append(list, trial{
			name:    "jwt_bearer of a service account, signed with " + algorithm,
			oauth2:  serviceAccount(algorithm),
			granted: answer{Client: issuerOf(s.keys["issuer-"+algorithm]), Scope: "reports:read"},
		})
	}
	return list
}
