package main

import (
	"context"
	"encoding/base64"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"net/http"
	"strings"
	"sync"
	"time"

	"github.com/cronbearer/cronbearer/internal/egress"
	"github.com/cronbearer/cronbearer/internal/hosts"
	"github.com/cronbearer/cronbearer/internal/keys"
	"github.com/cronbearer/cronbearer/internal/oauth"
	"github.com/cronbearer/cronbearer/internal/redact"
	"github.com/cronbearer/cronbearer/internal/token"
)

const (
	jwtBearer = "urn:ietf:params:oauth:grant-type:jwt-bearer"
	exchanged = "urn:ietf:params:oauth:grant-type:token-exchange"
	account   = "reports@example.com"
	api       = "https://reports.example.com" // no host of the local cloud, which would change it in a secret
)

var algorithms = []string{string(keys.RS256), string(keys.PS256), string(keys.ES256), string(keys.EdDSA)}

// clients are registered at the server before it starts.
func (s *suite) clients() []map[string]any {
	client := func(id, auth string, grants ...string) map[string]any {
		metadata := map[string]any{
			"client_id": id, "token_endpoint_auth_method": auth, "grant_types": grants,
			"response_types": []string{}, "redirect_uris": []string{}, "scope": "openid offline_access reports:read",
		}
		if strings.HasPrefix(auth, "client_secret") {
			s.passwords[id] = s.password()
			metadata["client_secret"] = s.passwords[id]
		}
		return metadata
	}
	list := []map[string]any{
		client("basic", "client_secret_basic", "client_credentials", jwtBearer, exchanged),
		client("body", "client_secret_post", "client_credentials"),
		client(awkwardID, "client_secret_basic", "client_credentials"),
		client("forbidden", "client_secret_basic", jwtBearer),
		client("public", "none", jwtBearer, exchanged),
		client("refresh", "client_secret_basic", "refresh_token", "authorization_code"),
		client("refresh-public", "none", "refresh_token", "authorization_code"),
		client("refresh-key", "private_key_jwt", "refresh_token", "authorization_code"),
	}
	s.passwords[awkwardID] += awkward
	list[2]["client_secret"] = s.passwords[awkwardID]
	s.secrets = append(s.secrets, s.passwords[awkwardID])
	for _, metadata := range list[5:] {
		metadata["redirect_uris"], metadata["response_types"] = []string{"https://app.example.com/callback"}, []string{"code"}
	}
	list[7]["jwks"] = publicOf(s.keys["client-ES256"])
	for _, algorithm := range algorithms {
		metadata := client("key-"+algorithm, "private_key_jwt", "client_credentials")
		metadata["jwks"], metadata["token_endpoint_auth_signing_alg"] = publicOf(s.keys["client-"+algorithm]), algorithm
		list = append(list, metadata)
	}
	certified := client("certified", "private_key_jwt", "client_credentials")
	certified["jwks"], certified["certificate"] = publicOf(s.keys["client-RS256"]), s.keys["client-RS256"].certificates[0]
	list = append(list, certified)
	for id, characters := range map[string]string{"raw": unescaped, "raw-escaped": "+%2B"} {
		metadata := client(id, "client_secret_basic", "client_credentials")
		s.passwords[id] += characters
		metadata["client_secret"] = s.passwords[id]
		list = append(list, metadata)
	}
	return list
}

// Secrets, as a user would write them.

func (s *suite) withPassword(client, auth string) map[string]any {
	return map[string]any{
		"grant": "client_credentials", "client_id": client, "client_secret": s.passwords[client], "auth": auth,
	}
}

func (s *suite) withKey(client string, k key) map[string]any {
	oauth2 := map[string]any{
		"grant": "client_credentials", "client_id": client, "auth": "private_key_jwt",
		"private_key": k.pem, "key_id": k.id, "algorithm": k.algorithm,
	}
	if s.with.issuerOnly {
		oauth2["assertion_audience"] = s.server.issuer
	}
	return oauth2
}

func assertion(client string, k key) map[string]any {
	return map[string]any{
		"grant": "jwt_bearer", "client_id": client, "issuer": "https://" + k.id + ".example.com", "subject": account,
		"private_key": k.pem, "key_id": k.id, "algorithm": k.algorithm, "scope": "reports:read",
	}
}

func (s *suite) refreshing(client, refreshToken string) map[string]any {
	oauth2 := map[string]any{"grant": "refresh_token", "client_id": client, "refresh_token": refreshToken}
	if s.passwords[client] == "" {
		oauth2["auth"] = "body"
	} else {
		oauth2["client_secret"] = s.passwords[client]
	}
	return oauth2
}

func and(oauth2 map[string]any, pairs ...any) map[string]any {
	for i := 0; i < len(pairs); i += 2 {
		oauth2[pairs[i].(string)] = pairs[i+1] //nolint:forcetypeassert // written a few lines below
	}
	return oauth2
}

func (s *suite) clientCredentials() []check {
	granted := func(name string, oauth2 func() map[string]any, options ...option) check {
		return check{"client_credentials: " + name, func(ctx context.Context) error {
			return s.granted(ctx, oauth2(), options...)
		}}
	}
	fails := func(name string, want kind, words string, oauth2 func() map[string]any, options ...option) check {
		return check{"client_credentials: " + name, func(ctx context.Context) error {
			return s.fails(ctx, want, words, oauth2(), options...)
		}}
	}
	basic := func() map[string]any { return s.withPassword("basic", "basic") }
	rsa := func() map[string]any { return s.withKey("key-RS256", s.keys["client-RS256"]) }
	list := []check{
		granted("client_secret_basic", basic),
		granted("client_secret_post", func() map[string]any { return s.withPassword("body", "body") }),
		granted("an id and a secret with characters to escape, basic", func() map[string]any {
			return s.withPassword(awkwardID, "basic")
		}),
		granted("an id and a secret with characters to escape, in the body", func() map[string]any {
			return s.withPassword(awkwardID, "body")
		}),
	}
	for _, algorithm := range algorithms {
		list = append(list, granted("private_key_jwt with "+algorithm, func() map[string]any {
			return s.withKey("key-"+algorithm, s.keys["client-"+algorithm])
		}))
	}
	return append(list,
		granted("private_key_jwt without key_id", func() map[string]any { return and(rsa(), "key_id", "") }),
		granted("private_key_jwt, this clock 25 seconds fast", rsa, clockOff(25*time.Second)),
		granted("private_key_jwt, this clock 25 seconds slow", rsa, clockOff(-25*time.Second)),
		check{"client_credentials: the scope asked for is the token's", s.scope},
		check{"client_credentials: the audience asked for is the token's (a JWT)", s.audience},
		fails("a wrong secret is rejected", rejectedKind, "answered 401|invalid_client", func() map[string]any {
			return and(basic(), "client_secret", "wrong-wrong-wrong")
		}),
		fails("a wrong secret in the body is rejected", rejectedKind, "answered 401|invalid_client", func() map[string]any {
			return and(s.withPassword("body", "body"), "client_secret", "wrong-wrong-wrong")
		}),
		fails("an unknown client is rejected", rejectedKind, "answered 401|invalid_client", func() map[string]any {
			return and(basic(), "client_id", "unknown")
		}),
		fails("the wrong way of authenticating is rejected", rejectedKind, "invalid_client", func() map[string]any {
			return and(rsa(), "client_id", "basic")
		}),
		fails("another client's key is rejected", rejectedKind, "answered 401|invalid_client", func() map[string]any {
			return s.withKey("key-RS256", s.keys["issuer-RS256"])
		}),
		fails("another algorithm than the registered one is rejected",
			rejectedKind, "answered 401|invalid_client", func() map[string]any {
				return and(rsa(), "algorithm", "PS256")
			}),
		fails("an expired assertion is rejected", rejectedKind, "answered 401|invalid_client", rsa,
			clockOff(-10*time.Minute)),
		fails("an unknown scope is a mistake, not a rejection",
			mistakeKind, "answered 400|invalid_scope", func() map[string]any {
				return and(basic(), "scope", "reports:write")
			}),
		fails("a grant that the client may not use is a mistake",
			mistakeKind, "answered 400|invalid_request", func() map[string]any {
				return s.withPassword("forbidden", "basic")
			}),
		fails("a URL that is not a token endpoint reaches no verdict", transientKind, "answered 404", func() map[string]any {
			return and(basic(), "token_url", s.server.issuer+"/nothing")
		}),
		fails("a certificate of an unknown authority is not accepted", transientKind, "certificate is not valid", basic,
			through(egress.NewTransport(nil, egress.Guard{AllowLoopback: true}))),
		fails("loopback is blocked where tests do not open it", mistakeKind, "was not called|127.0.0.1", basic,
			through(egress.NewTransport(s.authority.Pool(), egress.Guard{}))),
		check{
			"client_credentials: a replayed client assertion is rejected, and each of ours is new", s.replayedClientAssertion,
		},
		check{"client_credentials: the client's keys change, with and without an overlap", s.keyRotation},
	)
}

func (s *suite) scope(ctx context.Context) error {
	g, err := s.ask(ctx, and(s.withPassword("basic", "basic"), "scope", "reports:read"))
	if err != nil {
		return err
	}
	found, err := s.server.find(g.Token.Reveal())
	if err != nil || found.Scope == "reports:read" {
		return err
	}
	return fmt.Errorf("the token's scope is %q", found.Scope)
}

func (s *suite) audience(ctx context.Context) error {
	g, err := s.ask(ctx, and(s.withPassword("basic", "basic"), "audience", api, "scope", "reports:read"))
	if err != nil {
		return err
	}
	const aJWT = 3
	parts := strings.Split(g.Token.Reveal(), ".")
	if len(parts) != aJWT {
		return errors.New("the token is not a JWT")
	}
	payload, err := base64.RawURLEncoding.DecodeString(parts[1])
	if err != nil {
		return fmt.Errorf("the token's claims: %w", err)
	}
	var claims struct {
		Audience string `json:"aud"`
	}
	if err := json.Unmarshal(payload, &claims); err != nil {
		return fmt.Errorf("the token's claims: %w", err)
	}
	if claims.Audience != api || g.Life() != 10*time.Minute {
		return fmt.Errorf("the token is for %q and lives %s", claims.Audience, g.Life())
	}
	return nil
}

// replayedClientAssertion sends what was sent again, byte for byte.
func (s *suite) replayedClientAssertion(ctx context.Context) error {
	w := &wire{next: s.transport}
	oauth2 := s.withKey("key-EdDSA", s.keys["client-EdDSA"])
	for range 2 {
		if err := s.granted(ctx, oauth2, through(w)); err != nil {
			return err
		}
	}
	if w.bodies[0] == w.bodies[1] {
		return errors.New("two requests sent one assertion")
	}
	return s.replay(ctx, w.bodies[0], http.StatusUnauthorized, "invalid_client")
}

func (s *suite) replay(ctx context.Context, body string, status int, code string) error {
	request, err := http.NewRequestWithContext(ctx, http.MethodPost, s.server.tokenURL, strings.NewReader(body))
	if err != nil {
		return fmt.Errorf("replay: %w", err)
	}
	request.Header.Set("Content-Type", "application/x-www-form-urlencoded")
	response, err := s.transport.RoundTrip(request)
	if err != nil {
		return fmt.Errorf("replay: %w", err)
	}
	defer func() { _ = response.Body.Close() }()
	text, err := io.ReadAll(response.Body)
	if err != nil {
		return fmt.Errorf("replay: %w", err)
	}
	if response.StatusCode != status || !strings.Contains(string(text), code) {
		return fmt.Errorf("the replay was answered %d, without %s", response.StatusCode, code)
	}
	return nil
}

// keyRotation is what the documentation asks of a user: add the new key, change the secret, remove the old key.
func (s *suite) keyRotation(ctx context.Context) error {
	const id = "rotating"
	older, err := newKey("older", string(keys.ES256))
	if err != nil {
		return err
	}
	newer, err := newKey("newer", string(keys.ES256))
	if err != nil {
		return err
	}
	register := func(keys ...key) error {
		return s.server.setClient(map[string]any{
			"client_id": id, "token_endpoint_auth_method": "private_key_jwt", "grant_types": []string{"client_credentials"},
			"response_types": []string{}, "redirect_uris": []string{}, "jwks": publicOf(keys...),
		})
	}
	for _, step := range []struct {
		keys     []key
		old, new bool
	}{{[]key{older}, true, false}, {[]key{older, newer}, true, true}, {[]key{newer}, false, true}} {
		if err := register(step.keys...); err != nil {
			return err
		}
		for k, works := range map[*key]bool{&older: step.old, &newer: step.new} {
			if works {
				err = s.granted(ctx, s.withKey(id, *k))
			} else {
				err = s.fails(ctx, rejectedKind, "invalid_client", s.withKey(id, *k))
			}
			if err != nil {
				return fmt.Errorf("with %d keys at the server, the %s one: %w", len(step.keys), k.id, err)
			}
		}
	}
	return s.fails(ctx, rejectedKind, "invalid_client", and(s.withKey(id, newer), "key_id", "older"))
}

func (s *suite) jwtBearer() []check {
	var list []check
	for _, algorithm := range algorithms {
		list = append(list, check{
			"jwt_bearer: a public client, an assertion signed with " + algorithm,
			func(ctx context.Context) error {
				k := s.keys["issuer-"+algorithm]
				if err := s.server.setIssuer("https://"+k.id+".example.com", publicOf(k)); err != nil {
					return err
				}
				g, err := s.ask(ctx, assertion("public", k))
				if err != nil {
					return err
				}
				if err := s.honoured(g, "public"); err != nil {
					return err
				}
				found, err := s.server.find(g.Token.Reveal())
				if err == nil && (found.Account != account || found.Scope != "reports:read") {
					err = fmt.Errorf("the token is %q's, scope %q", found.Account, found.Scope)
				}
				return err
			},
		})
	}
	ours := func() map[string]any { return assertion("public", s.keys["issuer-RS256"]) }
	fails := func(name string, want kind, words string, oauth2 func() map[string]any, options ...option) check {
		return check{"jwt_bearer: " + name, func(ctx context.Context) error {
			return s.fails(ctx, want, words, oauth2(), options...)
		}}
	}
	return append(list,
		check{"jwt_bearer: a client with a secret", func(ctx context.Context) error {
			return s.granted(ctx, and(ours(), "client_id", "basic", "client_secret", s.passwords["basic"]))
		}},
		check{"jwt_bearer: the audience that the secret names (Salesforce: the login host)", func(ctx context.Context) error {
			return s.granted(ctx, and(ours(), "audience", s.server.issuer))
		}},
		fails("an expired assertion is rejected", rejectedKind, "answered 400|invalid_grant", ours,
			clockOff(-10*time.Minute)),
		fails(
			"an assertion that expires too far ahead is rejected", rejectedKind, "answered 400|invalid_grant", ours,
			clockOff(10*time.Minute),
		),
		fails("an unknown issuer is rejected", rejectedKind, "invalid_grant", func() map[string]any {
			return and(ours(), "issuer", "https://other.example.com")
		}),
		fails("another issuer's key is rejected", rejectedKind, "invalid_grant", func() map[string]any {
			return and(assertion("public", s.keys["issuer-PS256"]), "issuer", "https://issuer-RS256.example.com")
		}),
		fails("another audience is rejected", rejectedKind, "invalid_grant", func() map[string]any {
			return and(ours(), "audience", api)
		}),
		fails("no subject is rejected by a server that requires one", rejectedKind, "invalid_grant", func() map[string]any {
			return and(ours(), "subject", "")
		}),
		fails("a server that requires a client_id says so", mistakeKind, "invalid_request", func() map[string]any {
			return and(ours(), "client_id", "")
		}),
		check{"jwt_bearer: a replayed assertion is rejected, and each of ours is new", func(ctx context.Context) error {
			w := &wire{next: s.transport}
			for range 2 {
				if err := s.granted(ctx, ours(), through(w)); err != nil {
					return err
				}
			}
			return s.replay(ctx, w.bodies[0], http.StatusBadRequest, "invalid_grant")
		}},
	)
}

func (s *suite) refreshTokens() []check {
	login := func(client string) (string, error) {
		r, err := s.server.login(client, account, "openid offline_access reports:read")
		s.secrets = append(s.secrets, r)
		return r, err
	}
	secret := func(client, refreshToken string) map[string]any {
		if client == "refresh-key" {
			return and(s.withKey(client, s.keys["client-ES256"]), "grant", "refresh_token", "refresh_token", refreshToken)
		}
		return s.refreshing(client, refreshToken)
	}
	var list []check
	for _, client := range []string{"refresh", "refresh-public", "refresh-key"} {
		list = append(list, check{"refresh_token: rotates five times, client " + client, func(ctx context.Context) error {
			refreshToken, err := login(client)
			current := "the-first-token"
			for n := 0; n < 5 && err == nil; n++ {
				var g oauth.Granted
				if g, err = s.ask(ctx, secret(client, refreshToken), withCurrent(current)); err != nil {
					break
				}
				if g.RefreshToken.IsZero() || g.RefreshToken.Reveal() == refreshToken {
					return errors.New("the refresh token was not rotated")
				}
				refreshToken, current = g.RefreshToken.Reveal(), g.Token.Reveal()
				err = s.honoured(g, client)
			}
			return err
		}})
	}
	return append(list,
		check{"refresh_token: a used one is rejected, and its whole family is revoked", func(ctx context.Context) error {
			first, err := login("refresh")
			if err != nil {
				return err
			}
			g, err := s.ask(ctx, s.refreshing("refresh", first), withCurrent("the-first-token"))
			if err != nil {
				return err
			}
			if err := s.fails(
				ctx, rejectedKind, "answered 400|invalid_grant", s.refreshing("refresh", first), withCurrent("the-first-token"),
			); err != nil {
				return fmt.Errorf("the used one: %w", err)
			}
			if err := s.fails(
				ctx, rejectedKind, "answered 400|invalid_grant", s.refreshing("refresh", g.RefreshToken.Reveal()),
				withCurrent("the-first-token"),
			); err != nil {
				return fmt.Errorf("the one that had followed: %w", err)
			}
			found, err := s.server.find(g.Token.Reveal())
			if err == nil && found.Client != "" {
				err = errors.New("the access token of the revoked family is still honoured")
			}
			return err
		}},
		check{
			"refresh_token: a lost answer is not asked for twice in one step; asked again, an operator must re-authorize",
			func(ctx context.Context) error {
				first, err := login("refresh")
				if err != nil {
					return err
				}
				w := &wire{next: s.transport, lose: 1}
				if err := s.fails(
					ctx, transientKind, "did not answer", s.refreshing("refresh", first), withCurrent("the-first-token"), through(w),
				); err != nil {
					return err
				}
				if len(w.bodies) != 1 {
					return fmt.Errorf("%d requests were sent", len(w.bodies))
				}
				return s.fails(
					ctx, rejectedKind, "invalid_grant", s.refreshing("refresh", first), withCurrent("the-first-token"), through(w),
				)
			},
		},
		check{"refresh_token: another client's is rejected", func(ctx context.Context) error {
			first, err := login("refresh")
			if err != nil {
				return err
			}
			return s.fails(
				ctx, rejectedKind, "invalid_grant", s.refreshing("refresh-public", first), withCurrent("the-first-token"),
			)
		}},
	)
}

func (s *suite) minting() []check {
	minter := func(t http.RoundTripper) *token.Minter { return token.NewMinter(t, hosts.List{}, time.Now, s.scrub) }
	return []check{
		{"minter: a lost answer is asked for again, with a new assertion", func(ctx context.Context) error {
			d, err := s.parse(s.withKey("key-PS256", s.keys["client-PS256"]))
			if err != nil {
				return err
			}
			w := &wire{next: s.transport, lose: 2}
			minted, err := minter(w).Mint(ctx, token.Version{Document: d, Secret: "lost", ID: "1"}, redact.Secret{})
			if err != nil {
				return fmt.Errorf("mint: %w", err)
			}
			if len(w.bodies) != 3 || w.bodies[0] == w.bodies[1] || w.bodies[1] == w.bodies[2] {
				return fmt.Errorf("%d requests, or one assertion twice", len(w.bodies))
			}
			return s.honoured(
				oauth.Granted{Token: minted.Token, Asked: time.Now(), Expiry: time.Now().Add(time.Second)}, "key-PS256",
			)
		}},
		{"minter: a hundred at once make one request; a rejected token makes one more", func(ctx context.Context) error {
			d, err := s.parse(s.withPassword("basic", "basic"))
			if err != nil {
				return err
			}
			w := &wire{next: s.transport}
			m, version := minter(w), token.Version{Document: d, Secret: "many", ID: "1"}
			var first redact.Secret
			for _, round := range []struct{ rejected, requests int }{{0, 1}, {1, 2}} {
				var wait sync.WaitGroup
				results := make(chan error, 100)
				rejected := redact.Secret{}
				if round.rejected > 0 {
					rejected = first
				}
				var mu sync.Mutex
				for range 100 {
					wait.Go(func() {
						got, err := m.Mint(ctx, version, rejected)
						mu.Lock()
						defer mu.Unlock()
						first = got.Token
						results <- err
					})
				}
				wait.Wait()
				close(results)
				for err := range results {
					if err != nil {
						return fmt.Errorf("mint: %w", err)
					}
				}
				if len(w.bodies) != round.requests {
					return fmt.Errorf("%d requests instead of %d", len(w.bodies), round.requests)
				}
			}
			return nil
		}},
		{"minter: a rejection is not retried", func(ctx context.Context) error {
			d, err := s.parse(and(s.withPassword("basic", "basic"), "client_secret", "wrong-wrong-wrong"))
			if err != nil {
				return err
			}
			w := &wire{next: s.transport}
			_, err = minter(w).Mint(ctx, token.Version{Document: d, Secret: "rejected", ID: "1"}, redact.Secret{})
			if len(w.bodies) != 1 {
				return fmt.Errorf("%d requests", len(w.bodies))
			}
			return s.isKind(err, rejectedKind, "invalid_client")
		}},
	}
}
