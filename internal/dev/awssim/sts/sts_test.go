package sts_test

import (
	"encoding/json"
	"encoding/xml"
	"io"
	"net/http"
	"net/http/httptest"
	"net/url"
	"slices"
	"strings"
	"testing"
	"time"

	"github.com/golang-jwt/jwt/v5"

	"github.com/cronbearer/cronbearer/internal/dev/awssim/api"
	"github.com/cronbearer/cronbearer/internal/dev/awssim/sts"
	"github.com/cronbearer/cronbearer/internal/dev/idp"
)

const issuer = "https://00000000-1111-4222-8333-444444444444.tokens.sts.global.api.aws"

var now = time.Date(2027, 1, 1, 0, 0, 0, 0, time.UTC)

type answer struct {
	status  int
	Code    string `xml:"Error>Code"`
	Token   string `xml:"GetWebIdentityTokenResult>WebIdentityToken"`
	Expires string `xml:"GetWebIdentityTokenResult>Expiration"`
}

func newServer() *sts.Server {
	s := sts.NewServer(sts.Config{AccountID: "123456789012", Region: "eu-west-1", Now: func() time.Time { return now }})
	s.Principal = func(string) string { return "arn:aws:iam::123456789012:role/Caller" }
	return s
}

// ask changes a good request; "" leaves a parameter out.
func ask(t *testing.T, s *sts.Server, changes map[string]string) answer {
	t.Helper()
	form := url.Values{
		"Action": {"GetWebIdentityToken"}, "Version": {"2011-06-15"}, "SigningAlgorithm": {"RS256"},
		"Audience.member.1": {"one"},
	}
	authorization := "AWS4-HMAC-SHA256 Credential=KEY/20270101/eu-west-1/sts/aws4_request, SignedHeaders=host, " +
		"Signature=00"
	for name, value := range changes {
		switch {
		case name == "Authorization":
			authorization = value
		case value == "":
			form.Del(name)
		default:
			form.Set(name, value)
		}
	}
	r := httptest.NewRequestWithContext(t.Context(), http.MethodPost, "/", strings.NewReader(form.Encode()))
	r.Header.Set("Content-Type", "application/x-www-form-urlencoded")
	r.Header.Set("Authorization", authorization)
	w := httptest.NewRecorder()
	s.ServeHTTP(w, r)
	a := answer{status: w.Code}
	if err := xml.Unmarshal(w.Body.Bytes(), &a); err != nil {
		t.Fatalf("%v: %s", err, w.Body)
	}
	return a
}

// TestTokensAreVerifiedByWhatTheIssuerPublishes: discovery, keys and signatures fit together, for both algorithms.
func TestTokensAreVerifiedByWhatTheIssuerPublishes(t *testing.T) {
	t.Parallel()
	s := newServer()
	s.Enable(issuer)
	found, err := idp.Discover(issuer, func(url string) ([]byte, error) {
		w := httptest.NewRecorder()
		s.Discovery().ServeHTTP(
			w, httptest.NewRequestWithContext(t.Context(), http.MethodGet, strings.TrimPrefix(url, issuer), nil),
		)
		return io.ReadAll(w.Body)
	})
	if err != nil || len(found) != 2 {
		t.Fatalf("%d keys, %v", len(found), err)
	}
	for algorithm, audiences := range map[string][]string{"RS256": {"one"}, "ES384": {"one", "two"}} {
		changes := map[string]string{"SigningAlgorithm": algorithm, "DurationSeconds": "60"}
		if len(audiences) > 1 {
			changes["Audience.member.2"] = audiences[1]
		}
		got := ask(t, s, changes)
		if got.Expires != "2027-01-01T00:01:00Z" {
			t.Errorf("%s: it expires at %s", algorithm, got.Expires)
		}
		claims := jwt.MapClaims{}
		_, err := jwt.NewParser(jwt.WithTimeFunc(func() time.Time { return now }), jwt.WithIssuer(issuer),
			jwt.WithAllAudiences(audiences...),
			jwt.WithSubject("arn:aws:iam::123456789012:role/Caller"), jwt.WithIssuedAt(),
			jwt.WithValidMethods([]string{algorithm}),
		).ParseWithClaims(got.Token, claims, func(token *jwt.Token) (any, error) {
			at := slices.IndexFunc(found, func(k idp.Key) bool {
				return k.ID == token.Header["kid"] && k.Algorithm == algorithm
			})
			return found[at].Public, nil
		})
		if err != nil {
			t.Errorf("%s: %v", algorithm, err)
		}
		if exp, _ := claims.GetExpirationTime(); exp == nil || !exp.Equal(now.Add(time.Minute)) {
			t.Errorf("%s: exp %v", algorithm, exp)
		}
		_, isList := claims["aud"].([]any)
		if isList != (len(audiences) > 1) {
			t.Errorf("%s: aud is %v", algorithm, claims["aud"])
		}
	}
}

func TestRequestsThatSTSRejects(t *testing.T) {
	t.Parallel()
	cases := map[string]struct {
		prepare func(*sts.Server)
		changes map[string]string
		status  int
		code    string
	}{
		"federation is disabled": {
			prepare: (*sts.Server).Disable, status: 403, code: "OutboundWebIdentityFederationDisabledException",
		},
		"no permission": {prepare: func(s *sts.Server) {
			s.Authorize = func(string, api.Access) *api.Error { return api.Reject("AccessDeniedException", "no") }
		}, status: 403, code: "AccessDenied"},
		"a fault that was set": {prepare: func(s *sts.Server) {
			s.Faults.Set(sts.Operation, "", sts.TooLarge)
		}, status: 400, code: "JWTPayloadSizeExceededException"},
		"no signature": {
			changes: map[string]string{"Authorization": ""}, status: 403, code: "MissingAuthenticationTokenException",
		},
		"no audience": {
			changes: map[string]string{"Audience.member.1": ""}, status: 400, code: "ValidationError",
		},
		"an audience without end": {
			changes: map[string]string{"Audience.member.1": strings.Repeat("x", 1001)}, status: 400, code: "ValidationError",
		},
		"eleven audiences": {changes: eleven(), status: 400, code: "ValidationError"},
		"a gap in the audiences": {
			changes: map[string]string{"Audience.member.3": "three"}, status: 400, code: "ValidationError",
		},
		"no algorithm": {
			changes: map[string]string{"SigningAlgorithm": ""}, status: 400, code: "ValidationError",
		},
		"another algorithm": {
			changes: map[string]string{"SigningAlgorithm": "ES256"}, status: 400, code: "ValidationError",
		},
		"a life of 59 seconds": {
			changes: map[string]string{"DurationSeconds": "59"}, status: 400, code: "ValidationError",
		},
		"a life of an hour and 1s": {
			changes: map[string]string{"DurationSeconds": "3601"}, status: 400, code: "ValidationError",
		},
		"another operation": {
			changes: map[string]string{"Action": "GetCallerIdentity"}, status: 400, code: "InvalidAction",
		},
	}
	for name, c := range cases {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			s := newServer()
			s.Enable(issuer)
			if c.prepare != nil {
				c.prepare(s)
			}
			if got := ask(t, s, c.changes); got.status != c.status || got.Code != c.code || got.Token != "" {
				t.Errorf("got %+v", got)
			}
			if calls := s.Calls(); len(calls) != 1 || calls[0].Rejected != c.code {
				t.Errorf("noted %+v", calls)
			}
		})
	}
}

func eleven() map[string]string {
	all := map[string]string{}
	for n := range strings.FieldsSeq("2 3 4 5 6 7 8 9 10 11") {
		all["Audience.member."+n] = "x"
	}
	return all
}

// TestIAMSeesTheRequest: the condition keys that the caller's role is narrowed by.
func TestIAMSeesTheRequest(t *testing.T) {
	t.Parallel()
	s, seen := newServer(), api.Access{}
	s.Authorize = func(_ string, a api.Access) *api.Error { seen = a; return nil }
	ask(t, s, map[string]string{"Audience.member.2": "two"})
	text, err := json.Marshal(seen)
	const want = `{"Action":"sts:GetWebIdentityToken","Resource":"*","Context":` +
		`{"sts:durationseconds":["300"],"sts:identitytokenaudience":["one","two"],"sts:signingalgorithm":["RS256"]}}`
	if err != nil || string(text) != want {
		t.Errorf("%s, %v", text, err)
	}
}

func TestNothingIsPublishedBeforeFederationIsEnabled(t *testing.T) {
	t.Parallel()
	for _, path := range []string{sts.DiscoveryPath, sts.KeysPath} {
		w := httptest.NewRecorder()
		newServer().Discovery().ServeHTTP(w, httptest.NewRequestWithContext(t.Context(), http.MethodGet, path, nil))
		if w.Code != http.StatusNotFound {
			t.Errorf("%s: status %d", path, w.Code)
		}
	}
}
