package token_test

import (
	"net/http"
	"strings"
	"testing"
	"time"

	"github.com/cronbearer/cronbearer/internal/dev/tokenserver"
	"github.com/cronbearer/cronbearer/internal/redact"
	"github.com/cronbearer/cronbearer/internal/token"
)

func identityMinter(s *tokenserver.STS, transport http.RoundTripper, clock *wall) (*token.Minter, *redact.Scrubber) {
	s.Now = clock.Now
	scrub := &redact.Scrubber{}
	m := token.NewMinter(transport, exampleCom, clock.Now, scrub).WithImpatientIdentity(s, noPause)
	m.SleepWith((&noWait{}).sleep)
	return m, scrub
}

func parsed(t *testing.T, secret map[string]any) token.Version {
	t.Helper()
	d, err := token.ParseSecret(object(t, secret, nil), &redact.Scrubber{})
	if err != nil {
		t.Fatal(err)
	}
	return token.Version{Document: d, Secret: "s", ID: "v", Stage: token.Current}
}

func TestAWSIdentityIsTheTokenUntilShortlyBeforeItExpires(t *testing.T) {
	t.Parallel()
	clock, s := newWall(), &tokenserver.STS{}
	m, scrub := identityMinter(s, nil, clock)
	v := parsed(
		t,
		map[string]any{
			"aws_identity": map[string]any{"audience": []string{"a", "b"}, "algorithm": "ES384", "lifetime": "10m"},
		},
	)
	for _, step := range []struct {
		move  time.Duration
		asked int
	}{{move: 0, asked: 1}, {move: 9*time.Minute - 1, asked: 1}, {move: 1, asked: 2}} {
		clock.move(step.move)
		got, err := m.Mint(t.Context(), v, redact.Secret{})
		if err != nil || got.Token.Reveal() != s.Tokens[len(s.Tokens)-1] || len(s.Asked) != step.asked {
			t.Fatalf("after %s: %d requests, want %d; %v", step.move, len(s.Asked), step.asked, err)
		}
	}
	if s.Asked[0] != "a,b ES384 10m0s" {
		t.Errorf("asked for %s", s.Asked[0])
	}
	if got := scrub.Scrub(s.Tokens[0]); strings.Contains(got, s.Tokens[0][20:60]) {
		t.Error("the identity is not scrubbed")
	}
}

func TestAWSIdentityIsValidated(t *testing.T) {
	t.Parallel()
	eleven := strings.Split(strings.Repeat("a ", 10)+"a", " ")
	identity := map[string]any{"audience": "a"}
	client := map[string]any{
		"grant": "client_credentials", "token_url": "https://example.com/token", "client_id": "id", "auth": "aws_identity",
	}
	exchange := map[string]any{
		"grant": "token_exchange", "token_url": "https://example.com/token", "auth": "none", "assertion": "aws_identity",
	}
	tests := map[string]struct {
		identity, oauth2 map[string]any
		want             []string
	}{
		"alone": {identity: identity},
		"no audience": {
			identity: map[string]any{"lifetime": "5m"}, want: []string{"aws_identity.audience is missing"},
		},
		"audience of no type": {
			identity: map[string]any{"audience": 5}, want: []string{"aws_identity.audience must be a string or a list"},
		},
		"eleven audiences": {
			identity: map[string]any{"audience": eleven}, want: []string{"at most 10 audiences"},
		},
		"unknown algorithm": {
			identity: map[string]any{"audience": "a", "algorithm": canary},
			want:     []string{"aws_identity.algorithm must be RS256 or ES384"},
		},
		"lifetime": {
			identity: map[string]any{"audience": "a", "lifetime": "2h"}, want: []string{"aws_identity.lifetime must be"},
		},
		"client": {identity: identity, oauth2: client},
		"client without id": {
			identity: identity,
			oauth2: map[string]any{
				"grant": "client_credentials", "token_url": "https://example.com/token", "auth": "aws_identity",
			},
			want: []string{"oauth2.client_id is missing"},
		},
		"client without identity": {
			oauth2: client, want: []string{"oauth2 uses aws_identity, and the secret has no aws_identity"},
		},
		"exchange": {identity: identity, oauth2: exchange},
		"exchange of two": {
			identity: identity,
			oauth2: map[string]any{
				"grant": "token_exchange", "token_url": "https://example.com/token", "auth": "none", "assertion": "aws_identity",
				"subject_token": "abcdefgh",
			},
			want: []string{"exclude each other: remove one"},
		},
		"another assertion": {
			identity: identity,
			oauth2: map[string]any{
				"grant": "token_exchange", "token_url": "https://example.com/token", "auth": "aws_identity", "client_id": "i",
				"assertion": canary, "subject_token": "abcdefgh",
			},
			want: []string{"oauth2.assertion must be aws_identity"},
		},
		"assertion of client_credentials": {
			identity: identity,
			oauth2: map[string]any{
				"grant": "client_credentials", "token_url": "https://example.com/token", "auth": "none",
				"assertion": "aws_identity",
			},
			want: []string{"oauth2.assertion is for the grants"},
		},
	}
	for name, tt := range tests {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			secret := map[string]any{}
			if tt.identity != nil {
				secret["aws_identity"] = tt.identity
			}
			if tt.oauth2 != nil {
				secret["oauth2"] = tt.oauth2
			}
			_, err := token.ParseSecret(object(t, secret, nil), &redact.Scrubber{})
			wantProblems(t, err, tt.want...)
		})
	}
}
