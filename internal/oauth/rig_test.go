package oauth_test

import (
	"context"
	"encoding/json"
	"maps"
	"net/http"
	"testing"
	"time"

	"github.com/cronbearer/cronbearer/internal/dev/tokenserver"
	"github.com/cronbearer/cronbearer/internal/oauth"
	"github.com/cronbearer/cronbearer/internal/redact"
	"github.com/cronbearer/cronbearer/internal/token"
)

// canary must not appear in any text.
const canary = "canary-3f9a7c51e2d84b60"

// now is when a client's clock stands still.
var now = time.Date(2026, 11, 24, 9, 0, 0, 0, time.UTC)

func clock() time.Time { return now }

// The other side, and the secrets of its clients.
type answer = tokenserver.Answer

var (
	clientCredentials = tokenserver.ClientCredentials
	jwtBearer         = tokenserver.JWTBearer
	refreshToken      = tokenserver.RefreshToken
	jwtWith           = tokenserver.JWT
)

type change = map[string]any

// parsed reads a secret as the functions do, so that the rows below are what a user writes and no client is tested with
// a configuration that the parser would not make.
func parsed(t *testing.T, secret map[string]any) token.Document {
	t.Helper()
	text, err := json.Marshal(secret)
	if err != nil {
		t.Fatal(err)
	}
	d, err := token.ParseSecret(string(text), &redact.Scrubber{})
	if err != nil {
		t.Fatal(err)
	}
	return d
}

// config is the oauth2 of a secret with these changes; nil removes a member.
func config(t *testing.T, base map[string]any, changes change) *oauth.Config {
	t.Helper()
	merged := maps.Clone(base)
	for name, value := range changes {
		if value == nil {
			delete(merged, name)
		} else {
			merged[name] = value
		}
	}
	secret := map[string]any{"oauth2": merged}
	if merged["grant"] == "refresh_token" {
		secret["token"] = "abcdefgh"
	}
	return parsed(t, secret).OAuth2
}

// client is one whose clock stands still and whose texts are not scrubbed.
func client(server *tokenserver.Server) *oauth.Client {
	return oauth.NewClient(server.Transport, clock, &redact.Scrubber{})
}

// once makes one request for a token to a server with one answer.
func once(t *testing.T, base map[string]any, changes change, a answer) (oauth.Granted, error) {
	t.Helper()
	server := tokenserver.New(t, a.Each)
	granted, err := client(server).Token(t.Context(), config(t, base, changes))
	if n := len(server.Requests()); n != 1 {
		t.Errorf("%d requests for one token", n)
	}
	return granted, err
}

// identified is a client with an identity, which does not wait.
func identified(s *tokenserver.STS, transport http.RoundTripper, scrub *redact.Scrubber) *oauth.Client {
	s.Now = clock
	return oauth.NewClient(transport, clock, scrub).WithIdentity(
		s, func(context.Context, time.Duration) bool { return true },
	)
}
