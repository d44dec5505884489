package oauth_test

import (
	"encoding/json"
	"errors"
	"slices"
	"strings"
	"testing"
	"time"

	"github.com/aws/smithy-go"
	"github.com/google/go-cmp/cmp"

	"github.com/cronbearer/cronbearer/internal/dev/tokenserver"
	"github.com/cronbearer/cronbearer/internal/oauth"
	"github.com/cronbearer/cronbearer/internal/redact"
)

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
			s, server := &tokenserver.STS{}, tokenserver.New(t, tokenserver.Grant)
			d := parsed(t, map[string]any{"oauth2": tt.oauth2, "aws_identity": map[string]any{"audience": "a"}})
			if _, err := identified(s, server.Transport, &redact.Scrubber{}).Token(t.Context(), d.OAuth2); err != nil {
				t.Fatal(err)
			}
			got := map[string]string{}
			for name, values := range server.Requests()[0].Form {
				got[name] = strings.ReplaceAll(values[0], s.Tokens[0], "JWT")
			}
			if diff := cmp.Diff(tt.form, got); diff != "" || len(s.Asked) != 1 || s.Asked[0] != "a RS256 5m0s" {
				t.Errorf("asked %q, form (-want +got):\n%s", s.Asked, diff)
			}
		})
	}
}

func TestLoginWithAWSIdentity(t *testing.T) {
	t.Parallel()
	s := &tokenserver.STS{}
	server := tokenserver.New(t, answer{Status: 200, Body: `{"token":"abcdefgh"}`}.Each)
	d := parsed(t, map[string]any{
		"aws_identity": map[string]any{"audience": "a"},
		"login": json.RawMessage(
			`{"call":"POST https://example.com/v1/auth/jwt/login","body":{"role":"r","jwt":"{{awsIdentity}}"},"token":"/token"}`,
		),
	})
	_, err := identified(s, server.Transport, &redact.Scrubber{}).Login(t.Context(), d.Login, d.JWT, d.Identity)
	if err != nil || server.Requests()[0].Body != `{"role":"r","jwt":"`+s.Tokens[0]+`"}` {
		t.Errorf("%v, %v", server.Requests(), err)
	}
}

// identity is what a secret asks of AWS.
func identity(t *testing.T) *oauth.AWSIdentity {
	t.Helper()
	return parsed(t, map[string]any{"aws_identity": map[string]any{"audience": "a"}}).Identity
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
		retried   bool // another request may follow
		asked     int  // in all; 0: one
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
			errs: slices.Repeat([]error{code("SessionDurationEscalation")}, 2), asked: 2, retried: true,
			says: "shorter aws_identity.lifetime",
		},
		"throttled": {
			errs: []error{code("ThrottlingException")}, retried: true, says: "issued no identity token: Throttling",
		},
		"own credentials expired": {errs: []error{code("ExpiredToken")}, retried: true, says: "ExpiredToken"},
		"no answer": {
			errs: []error{errors.New("dial tcp: refused. " + canary)}, retried: true,
			says: "issued no identity token: dial tcp: refused",
		},
		"a JWT that cannot be used": {odd: "a b", permanent: true, says: "cannot be used"},
	}
	for name, tt := range tests {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			s := &tokenserver.STS{Errs: tt.errs, Odd: tt.odd}
			_, err := identified(s, nil, &redact.Scrubber{}).Identity(t.Context(), identity(t))
			if (err == nil) != tt.minted || len(s.Asked) != max(tt.asked, 1) {
				t.Fatalf("%d requests, want %d; %v", len(s.Asked), max(tt.asked, 1), err)
			}
			if tt.minted {
				return
			}
			failed, ok := errors.AsType[*oauth.Error](err)
			if !ok || failed.Rejected || failed.Permanent != tt.permanent || failed.Next.Retry != tt.retried {
				t.Errorf("got %#v, want a permanent one: %t, to be retried: %t", failed, tt.permanent, tt.retried)
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
	s := &tokenserver.STS{Errs: []error{&smithy.GenericAPIError{Code: "SessionDurationEscalationException"}}}
	got, err := identified(s, nil, &redact.Scrubber{}).Identity(t.Context(), identity(t))
	if err != nil || got.Life() != time.Minute {
		t.Fatalf("lives %s, %v", got.Life(), err)
	}
	if diff := cmp.Diff([]string{"a RS256 5m0s", "a RS256 1m0s"}, s.Asked); diff != "" {
		t.Errorf("requests (-want +got):\n%s", diff)
	}
}

func TestAWSIdentityIsForTheCallerOnly(t *testing.T) {
	t.Parallel()
	_, err := oauth.NewClient(nil, clock, &redact.Scrubber{}).Identity(t.Context(), identity(t))
	if err == nil || !strings.Contains(err.Error(), "only the caller") {
		t.Errorf("got %v", err)
	}
}
