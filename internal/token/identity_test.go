package token_test

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"net/http"
	"slices"
	"strings"
	"testing"
	"time"

	"github.com/aws/smithy-go"
	"github.com/google/go-cmp/cmp"

	"github.com/cronbearer/cronbearer/internal/hosts"
	"github.com/cronbearer/cronbearer/internal/oauth"
	"github.com/cronbearer/cronbearer/internal/redact"
	"github.com/cronbearer/cronbearer/internal/token"
)

// sts is AWS's STS. Each JWT is another one.
type sts struct {
	now    func() time.Time
	errs   []error // by request; nil and beyond: a JWT
	asked  []string
	tokens []string
	odd    string // in place of a JWT
}

func (s *sts) Host() string { return "sts.eu-west-1.amazonaws.com" }

func (s *sts) WebIdentityToken(
	_ context.Context, audiences []string, algorithm string, lifetime time.Duration,
) (string, error) {
	n := len(s.asked)
	s.asked = append(s.asked, fmt.Sprintf("%s %s %s", strings.Join(audiences, ","), algorithm, lifetime))
	if n < len(s.errs) && s.errs[n] != nil {
		return "", s.errs[n]
	}
	if s.odd != "" {
		return s.odd, nil
	}
	token := jwtWith(fmt.Sprintf(`{"exp":%d,"jti":"%s-%d"}`, s.now().Add(lifetime).Unix(), canary, n))
	s.tokens = append(s.tokens, token)
	return token, nil
}

func identityMinter(s *sts, transport http.RoundTripper, clock *wall) (*token.Minter, *redact.Scrubber) {
	s.now = clock.Now
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
	clock, s := newWall(), &sts{}
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
		if err != nil || got.Token.Reveal() != s.tokens[len(s.tokens)-1] || len(s.asked) != step.asked {
			t.Fatalf("after %s: %d requests, want %d; %v", step.move, len(s.asked), step.asked, err)
		}
	}
	if s.asked[0] != "a,b ES384 10m0s" {
		t.Errorf("asked for %s", s.asked[0])
	}
	if got := scrub.Scrub(s.tokens[0]); strings.Contains(got, s.tokens[0][20:60]) {
		t.Error("the identity is not scrubbed")
	}
}

func TestAWSIdentityAuthenticatesTheClient(t *testing.T) {
	t.Parallel()
	const url = "https://example.com/token"
	tests := map[string]struct {
		oauth2 map[string]any
		form   map[string]string // JWT stands for the identity
	}{
		"client assertion (Entra)": {
			oauth2: map[string]any{
				"grant": "client_credentials", "token_url": url, "client_id": "id", "auth": "aws_identity", "scope": "s",
			},
			form: map[string]string{
				"grant_type": "client_credentials", "client_id": "id", "client_assertion": "JWT", "scope": "s",
				"client_assertion_type": "urn:ietf:params:oauth:client-assertion-type:jwt-bearer",
			},
		},
		"assertion of a jwt_bearer": {
			oauth2: map[string]any{"grant": "jwt_bearer", "token_url": url, "assertion": "aws_identity", "auth": "none"},
			form:   map[string]string{"grant_type": "urn:ietf:params:oauth:grant-type:jwt-bearer", "assertion": "JWT"},
		},
		"subject of an exchange": {
			oauth2: map[string]any{
				"grant": "token_exchange", "token_url": url, "assertion": "aws_identity", "auth": "none", "audience": "aud",
			},
			form: map[string]string{
				"grant_type": "urn:ietf:params:oauth:grant-type:token-exchange", "subject_token": "JWT",
				"subject_token_type": "urn:ietf:params:oauth:token-type:jwt", "audience": "aud",
			},
		},
		"both": {
			oauth2: map[string]any{
				"grant": "token_exchange", "token_url": url, "client_id": "id", "assertion": "aws_identity",
				"auth": "aws_identity",
			},
			form: map[string]string{
				"grant_type": "urn:ietf:params:oauth:grant-type:token-exchange", "subject_token": "JWT",
				"subject_token_type": "urn:ietf:params:oauth:token-type:jwt",
				"client_id":          "id", "client_assertion": "JWT",
				"client_assertion_type": "urn:ietf:params:oauth:client-assertion-type:jwt-bearer",
			},
		},
	}
	for name, tt := range tests {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			s, server := &sts{}, newAuthServer(t, grant)
			m, _ := identityMinter(s, server.transport, newWall())
			v := parsed(t, map[string]any{"oauth2": tt.oauth2, "aws_identity": map[string]any{"audience": "a"}})
			if _, err := m.Mint(t.Context(), v, redact.Secret{}); err != nil {
				t.Fatal(err)
			}
			got := map[string]string{}
			for name, values := range server.requests()[0].form {
				got[name] = strings.ReplaceAll(values[0], s.tokens[0], "JWT")
			}
			if diff := cmp.Diff(tt.form, got); diff != "" || len(s.asked) != 1 || s.asked[0] != "a RS256 5m0s" {
				t.Errorf("asked %q, form (-want +got):\n%s", s.asked, diff)
			}
		})
	}
}

func TestLoginWithAWSIdentity(t *testing.T) {
	t.Parallel()
	s, server := &sts{}, newLoginServer(t, answer{status: 200, body: `{"token":"abcdefgh"}`})
	m, _ := identityMinter(s, server.transport, newWall())
	v := parsed(t, map[string]any{
		"aws_identity": map[string]any{"audience": "a"},
		"login": json.RawMessage(
			`{"call":"POST https://example.com/v1/auth/jwt/login","body":{"role":"r","jwt":"{{awsIdentity}}"},"token":"/token"}`,
		),
	})
	if _, err := m.Mint(t.Context(), v, redact.Secret{}); err != nil || server.body != `{"role":"r","jwt":"`+
		s.tokens[0]+`"}` {
		t.Errorf("%q, %v", server.body, err)
	}
}

func TestErrorsOfAWSIdentity(t *testing.T) {
	t.Parallel()
	code := func(code string) error {
		return &smithy.GenericAPIError{Code: code, Message: "The first sentence. " + canary}
	}
	tests := map[string]struct {
		errs      []error
		odd       string
		permanent bool
		asked     int // in all; 0: one
		says      string
		minted    bool
	}{
		"disabled": {
			errs: []error{code("OutboundWebIdentityFederationDisabledException")}, permanent: true,
			says: "`aws iam enable-outbound-web-identity-federation`",
		},
		"disabled, the shorter code": {
			errs: []error{code("OutboundWebIdentityFederationDisabled")}, permanent: true,
			says: "`aws iam enable-outbound-web-identity-federation`",
		},
		"denied": {
			errs: []error{code("AccessDenied"), code("AccessDenied")}, permanent: true, asked: 2,
			says: "(AccessDenied: The first sentence): every audience in aws_identity must be in parameter IdentityAudiences",
		},
		"denied, the longer code": {
			errs: []error{code("AccessDeniedException"), code("AccessDeniedException")}, permanent: true, asked: 2,
			says: "enable-outbound-web-identity-federation",
		},
		"denied once": {errs: []error{code("AccessDenied")}, asked: 2, minted: true},
		"too large": {
			errs: []error{code("JWTPayloadSizeExceededException")}, permanent: true, says: "too many audiences",
		},
		"the session is nearly over": {errs: []error{code("SessionDurationEscalationException")}, asked: 2, minted: true},
		"the session is over": {
			errs: slices.Repeat([]error{code("SessionDurationEscalation")}, 6), asked: 6,
			says: "shorter aws_identity.lifetime",
		},
		"throttled": {errs: []error{code("Throttling")}, asked: 2, minted: true},
		"throttled for long": {
			errs: slices.Repeat([]error{code("ThrottlingException")}, 3), asked: 3, says: "issued no identity token: Throttling",
		},
		"own credentials expired": {errs: slices.Repeat([]error{code("ExpiredToken")}, 3), asked: 3, says: "ExpiredToken"},
		"no answer": {errs: slices.Repeat([]error{errors.New("dial tcp: refused. " +
			canary)}, 3), asked: 3, says: "issued no identity token: dial tcp: refused"},
		"a JWT that cannot be used": {odd: "a b", permanent: true, says: "cannot be used"},
	}
	for name, tt := range tests {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			s := &sts{errs: tt.errs, odd: tt.odd}
			m, _ := identityMinter(s, nil, newWall())
			_, err := m.Mint(
				t.Context(), parsed(t, map[string]any{"aws_identity": map[string]any{"audience": "a"}}), redact.Secret{},
			)
			if (err == nil) != tt.minted || len(s.asked) != max(tt.asked, 1) {
				t.Fatalf("%d requests, want %d; %v", len(s.asked), max(tt.asked, 1), err)
			}
			if tt.minted {
				return
			}
			failed, ok := errors.AsType[*oauth.Error](err)
			if !ok || failed.Rejected || failed.Permanent != tt.permanent {
				t.Errorf("got %#v, want a permanent one: %t", failed, tt.permanent)
			}
			if text := err.Error(); !strings.Contains(text, tt.says) || strings.Contains(text, canary) ||
				!strings.HasPrefix(text, "AWS STS at sts.eu-west-1.amazonaws.com ") {
				t.Errorf("error %q, want it to say %q", text, tt.says)
			}
		})
	}
}

func TestAWSIdentityIsShorterWhenTheSessionIsAboutToExpire(t *testing.T) {
	t.Parallel()
	s := &sts{errs: []error{&smithy.GenericAPIError{Code: "SessionDurationEscalationException"}}}
	m, _ := identityMinter(s, nil, newWall())
	if _, err := m.Mint(
		t.Context(), parsed(t, map[string]any{"aws_identity": map[string]any{"audience": "a"}}), redact.Secret{},
	); err != nil {
		t.Fatal(err)
	}
	if diff := cmp.Diff([]string{"a RS256 5m0s", "a RS256 1m0s"}, s.asked); diff != "" {
		t.Errorf("requests (-want +got):\n%s", diff)
	}
}

func TestAWSIdentityIsForTheCallerOnly(t *testing.T) {
	t.Parallel()
	m := token.NewMinter(nil, hosts.List{}, time.Now, &redact.Scrubber{})
	if _, err := m.Mint(
		t.Context(), parsed(t, map[string]any{"aws_identity": map[string]any{"audience": "a"}}), redact.Secret{},
	); err == nil || !strings.Contains(err.Error(), "only the caller") {
		t.Errorf("got %v", err)
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
