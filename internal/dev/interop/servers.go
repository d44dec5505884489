package main

import (
	"context"
	"os/exec"
)

// oidcProvider is the first server, in Node.js.
func oidcProvider(dir string) other {
	return other{
		name: "oidc-provider",
		command: func(ctx context.Context) *exec.Cmd {
			process := exec.CommandContext(ctx, "node", "server.mjs")
			process.Dir = dir
			return process
		},
		gaps: []string{
			"basic_raw with a + or % in the secret is rejected, as it decodes each (checked)",
			"format json is rejected, as it reads forms only (checked)",
			"AWS's JWT as a client assertion is rejected, as its issuer is not a client_id (checked)",
			"no client_credentials without authentication: it registers no such client",
			"no token_exchange of its own: server.mjs adds the grant, and jose verifies the subject token",
		},
		checks: func(s *suite, w *world) [][]check {
			return [][]check{
				s.clientCredentials(), s.jwtBearer(), s.refreshTokens(), s.minting(), s.caller(), s.identity(), s.rotator(),
				s.rotatorLoses(),
				w.trials(w.everyServer()), w.trials(w.onlyOIDCProvider()), w.after(),
			}
		},
	}
}

// zitadelOIDC is the second, in Go.
func zitadelOIDC(program string) other {
	return other{
		name:       "zitadel/oidc",
		command:    func(ctx context.Context) *exec.Cmd { return exec.CommandContext(ctx, program) },
		issuerOnly: true,
		clients: []map[string]any{
			{"client_id": "open", "token_endpoint_auth_method": "none", "grant_types": []string{"client_credentials"}},
		},
		gaps: []string{
			"basic_raw with a + or % in the secret is rejected, as it decodes each (checked)",
			"format json is rejected, as it reads forms only (checked)",
			"client_credentials without authentication is rejected (checked)",
			"EdDSA and ES384 are rejected: it accepts RS256, PS256 and ES256 (checked)",
			"jwt_bearer with a subject that is not the issuer is rejected, and so AWS's JWT (checked)",
			"no audience with client_credentials: it reads none",
			"no replay detection of assertions: it remembers no jti",
			"no revocation on reuse of its own: its example storage rejects a used refresh token, store.go revokes the session",
			"no comparison of x5t#S256 of its own: store.go has go-jose compare it",
		},
		checks: func(s *suite, w *world) [][]check {
			return [][]check{
				s.refreshTokens(), s.minting(), s.caller(), s.rotator(), s.rotatorLoses(),
				w.trials(w.everyServer()), w.trials(w.onlyZitadel()), w.ownToken(), w.after(),
			}
		},
	}
}
