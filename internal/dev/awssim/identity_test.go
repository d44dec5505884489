package awssim_test

import (
	"cmp"
	"encoding/json"
	"fmt"
	"net/http"
	"slices"
	"strings"
	"sync/atomic"
	"testing"
	"time"

	"github.com/golang-jwt/jwt/v5"

	"github.com/cronbearer/cronbearer/internal/dev/awssim"
	"github.com/cronbearer/cronbearer/internal/dev/awssim/api"
	"github.com/cronbearer/cronbearer/internal/dev/awssim/sts"
	"github.com/cronbearer/cronbearer/internal/dev/idp"
	"github.com/cronbearer/cronbearer/internal/dev/upstream"
)

const (
	identityHost = "id.example.com"
	sessionToken = "fake-session-token" // of the function
	audience     = "api://provider"     // no host of the world, which PutSecret would make one of this machine
)

// federated is a rig whose account has enabled outbound identity federation, and a provider that trusts its issuer. No
// secret that opens anything is stored.
type federated struct {
	*rig

	issuer     string
	keys       []idp.Key // that the issuer publishes
	audience   string    // that verify requires, as the next two
	subject    atomic.Pointer[string]
	algorithms []string
	auth       *idp.Server
}

func startFederated(t *testing.T) *federated {
	t.Helper()
	r := &federated{rig: start(t, awssim.Options{Parameters: map[string]string{"IdentityAudiences": audience +
		",urn:other"}})}
	r.audience, r.algorithms = audience, []string{"RS256"}
	must(t, r.trust())
	r.auth = idp.New(r.Now)
	must(t, r.Host(identityHost, r.auth))
	must(
		t,
		r.auth.Trust(
			idp.Issuer{ID: r.issuer, Keys: r.keys, Audience: audience, Subjects: []string{r.role()}, Life: time.Hour},
		),
	)
	must(
		t,
		r.auth.Register(
			idp.Client{
				ID: "reports", Auth: idp.AuthPrivateKeyJWT,
				Federated: &idp.Federation{Issuer: r.issuer, Subject: r.role(), Audience: audience},
			},
		),
	)
	r.api.Revoke(first)
	r.api.Rule(func(q upstream.Request) (upstream.Answer, bool) { return upstream.OK, r.auth.Valid(q.Token) })
	return r
}

// trust has someone outside read what the account's issuer publishes.
func (r *federated) trust() (err error) {
	role := r.role()
	r.subject.Store(&role)
	if r.issuer, err = r.EnableFederation(); err != nil {
		return err
	}
	r.keys, err = idp.Discover(r.issuer, r.Get)
	return err
}

// role is the "sub" of all tokens of the stack.
func (r *federated) role() string {
	return "arn:aws:iam::" + r.Stack.AccountID + ":role/" + r.Stack.Ref("CallerRole")
}

// verify is what a server does that accepts the identity itself, such as an Application Load Balancer.
func (r *federated) verify(text string) error {
	claims := jwt.MapClaims{}
	_, err := jwt.NewParser(jwt.WithTimeFunc(r.Now), jwt.WithIssuer(r.issuer), jwt.WithSubject(*r.subject.Load()),
		jwt.WithAudience(r.audience),
		jwt.WithIssuedAt(), jwt.WithExpirationRequired(), jwt.WithValidMethods(r.algorithms),
	).ParseWithClaims(text, claims, func(t *jwt.Token) (any, error) {
		at := slices.IndexFunc(r.keys, func(k idp.Key) bool { return k.ID == t.Header["kid"] })
		if at < 0 {
			return nil, fmt.Errorf("no key has the kid %v", t.Header["kid"])
		}
		return r.keys[at].Public, nil
	})
	return err
}

// identitySecret is a secret without a secret.
func identitySecret(more string) string {
	return `{"aws_identity":{"audience":"` + audience + `"},"hosts":["` + host + `","` + identityHost + `"]` + more + `}`
}

const (
	exchangeMore = `,"oauth2":{"grant":"token_exchange","token_url":"https://id.example.com/token","auth":"none",` +
		`"assertion":"aws_identity"}`
	clientMore = `,"oauth2":{"grant":"client_credentials","token_url":"https://id.example.com/token",` +
		`"client_id":"reports","auth":"aws_identity"}`
)

// TestIdentityObtainsTokens: each of the four ways, with the real binary, its real role and a provider that verifies
// what AWS signed. One token serves until shortly before it expires; then another is obtained.
func TestIdentityObtainsTokens(t *testing.T) {
	t.Parallel()
	cases := map[string]struct {
		secret  string
		prepare func(*federated)
		life    time.Duration // of a token
	}{
		"the identity is the token": {
			secret: identitySecret(""),
			prepare: func(r *federated) {
				r.api.Rule(func(q upstream.Request) (upstream.Answer, bool) { return upstream.OK, r.verify(q.Token) == nil })
			},
			life: 5 * time.Minute,
		},
		"client assertion": {secret: identitySecret(clientMore), life: time.Hour},
		"client assertion, ES384, two audiences": {
			secret: strings.Replace(identitySecret(clientMore), `{"audience":"`+audience+`"}`, `{"audience":["urn:other","`+
				audience+`"],"algorithm":"ES384","lifetime":"1h"}`, 1),
			life: time.Hour,
		},
		"assertion of jwt_bearer": {
			secret: identitySecret(
				`,"oauth2":{"grant":"jwt_bearer","token_url":"https://id.example.com/token","auth":"none",` +
					`"assertion":"aws_identity"}`,
			),
			life: time.Hour,
		},
		"subject of token_exchange": {secret: identitySecret(exchangeMore), life: time.Hour},
		"login": {
			secret: identitySecret(
				`,"login":{"call":"POST https://login.example.com/login","headers":{"X-Proof":"{{awsIdentity}}"},` +
					`"body":{"jwt":"{{awsIdentity}}"},"token":"/token","expires_in":"/ttl"}`,
			),
			prepare: func(r *federated) {
				must(r.t, r.Host("login.example.com", http.HandlerFunc(func(w http.ResponseWriter, q *http.Request) {
					var body struct{ JWT string }
					if err := json.NewDecoder(q.Body).Decode(&body); err != nil || r.verify(body.JWT) != nil ||
						q.Header.Get("X-Proof") != body.JWT {
						w.WriteHeader(http.StatusUnauthorized)
						return
					}
					_, _ = fmt.Fprintf(w, `{"token":"granted-to-%s","ttl":3600}`, body.JWT[len(body.JWT)-20:])
				})))
				r.api.Rule(func(q upstream.Request) (upstream.Answer, bool) {
					return upstream.OK, strings.HasPrefix(q.Token, "granted-to-")
				})
			},
			life: time.Hour,
		},
	}
	for name, c := range cases {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			r := startFederated(t)
			if c.prepare != nil {
				c.prepare(r)
			}
			r.put(strings.Replace(c.secret, `"hosts":[`, `"hosts":["login.example.com",`, 1))
			for i, step := range []struct {
				pass   time.Duration
				tokens int
			}{{pass: 0, tokens: 1}, {pass: 0, tokens: 1}, {pass: c.life, tokens: 2}} {
				r.advance(step.pass)
				run := r.invoke(event(nil))
				if run.Result.Outcome != "succeeded" || run.Result.Verdict != "accepted" {
					t.Fatalf("run %d: %+v\n%s", i+1, run.Result, run.Message)
				}
				// A minted token's own expiry is not for an operator to renew: TokenExpiring would fire.
				if slices.ContainsFunc(r.data(), func(d string) bool { return strings.HasPrefix(d, "TokenDaysToExpiry") }) {
					t.Errorf("run %d published %q", i+1, r.data())
				}
				if asked := len(r.STS.Calls()); asked != step.tokens {
					t.Errorf("run %d: %d identities, want %d", i+1, asked, step.tokens)
				}
			}
		})
	}
}

// TestIdentityThatIsNotAvailable: each rejection of STS has its verdict, and the text says what fixes it.
func TestIdentityThatIsNotAvailable(t *testing.T) {
	t.Parallel()
	cases := map[string]struct {
		audience         string // "": one that the stack may have
		prepare          func(*federated)
		outcome, verdict string
		asked            int
		says             string
	}{
		"federation is disabled": {
			prepare: func(r *federated) { r.STS.Disable() },
			outcome: "token_unavailable", verdict: "rejected", asked: 1, says: "aws iam enable-outbound-web-identity-federation",
		},
		"an audience that the stack may not have": {
			audience: "https://elsewhere.example.com",
			outcome:  "token_unavailable", verdict: "rejected", asked: 2, says: "IdentityAudiences",
		},
		"a denial that is over soon": {
			prepare: func(r *federated) {
				r.STS.Faults.Set("", "", api.Fault{Error: &api.Error{Status: 403, Code: "AccessDenied", Message: "no"}}.Once(1))
			},
			outcome: "succeeded", verdict: "accepted", asked: 2,
		},
		"a payload that is too large": {
			prepare: func(r *federated) { r.STS.Faults.Set("", "", sts.TooLarge) },
			outcome: "token_unavailable", verdict: "rejected", asked: 1, says: "JWTPayloadSizeExceeded",
		},
		"a session that is nearly over": {
			prepare: func(r *federated) { r.STS.Faults.Set("", "", sts.Escalation.Once(1)) },
			outcome: "succeeded", verdict: "accepted", asked: 2,
		},
		"throttled once": {
			prepare: func(r *federated) { r.STS.Faults.Set("", "", sts.Throttled.Once(1)) },
			outcome: "succeeded", verdict: "accepted", asked: 2,
		},
		"throttled for long": {
			prepare: func(r *federated) { r.STS.Faults.Set("", "", sts.Throttled) },
			outcome: "token_unavailable", verdict: "unknown", asked: 3, says: "Throttling: Rate exceeded",
		},
		"credentials of the function that have expired": {
			prepare: func(r *federated) { r.STS.Faults.Set("", "", sts.Expired) },
			outcome: "token_unavailable", verdict: "unknown", asked: 3, says: "ExpiredToken",
		},
		"no answer": {
			prepare: func(r *federated) { r.STS.Faults.Set("", "", api.HungUp) },
			outcome: "token_unavailable", verdict: "unknown", asked: 3, says: "AWS STS at",
		},
	}
	for name, c := range cases {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			r := startFederated(t)
			if c.prepare != nil {
				c.prepare(r)
			}
			secret := identitySecret(exchangeMore)
			if c.audience != "" {
				secret = strings.Replace(secret, audience, c.audience, 1)
			}
			r.put(secret)
			run := r.invoke(event(nil))
			if run.Result.Outcome != c.outcome || run.Result.Verdict != c.verdict {
				t.Fatalf("%+v\n%s", run.Result, run.Message)
			}
			if !strings.Contains(run.Message, c.says) {
				t.Errorf("the error does not say %q: %s", c.says, run.Message)
			}
			if got := len(r.STS.Calls()); got != c.asked {
				t.Errorf("STS was asked %d times, want %d", got, c.asked)
			}
			rejected := slices.Contains(r.data(), "TokenRejected ExampleApi 1")
			if rejected != (c.verdict == "rejected") {
				t.Errorf("published %q", r.data())
			}
		})
	}
}

// TestCheckProbesWithAnIdentity: a check without a probe asks STS for nothing.
func TestCheckProbesWithAnIdentity(t *testing.T) {
	t.Parallel()
	r := startFederated(t)
	r.api.Rule(func(q upstream.Request) (upstream.Answer, bool) { return upstream.OK, r.verify(q.Token) == nil })
	for _, c := range []struct {
		secret, verdict string
		asked, probed   int
	}{
		{secret: identitySecret(""), verdict: "unknown"},
		{
			secret:  identitySecret(`,"probe":{"call":"GET https://api.example.com/me","expect":{"status":[200]}}`),
			verdict: "accepted", asked: 1, probed: 1,
		},
	} {
		r.put(c.secret)
		r.advance(6 * time.Minute) // the secret is read again
		run := r.invoke(event(map[string]any{"action": "check", "call": nil}))
		if run.Result.Outcome != "succeeded" || run.Result.Verdict != c.verdict || len(r.STS.Calls()) != c.asked ||
			r.api.Served() != c.probed {
			t.Errorf("%d identities, %d probes: %+v\n%s", len(r.STS.Calls()), r.api.Served(), run.Result, run.Message)
		}
	}
}

// TestCallerHasNoIdentityByDefault: without IdentityAudiences the role has no permission, and no other function ever
// has.
func TestCallerHasNoIdentityByDefault(t *testing.T) {
	t.Parallel()
	r := start(t, awssim.Options{})
	_, err := r.EnableFederation()
	must(t, err)
	r.put(`{"aws_identity":{"audience":"https://api.example.com"},"hosts":["` + host + `"]}`)
	run := r.invoke(event(nil))
	if run.Result.Outcome != "token_unavailable" || run.Result.Verdict != "rejected" ||
		!strings.Contains(run.Message, "IdentityAudiences") {
		t.Errorf("%+v\n%s", run.Result, run.Message)
	}
}

// TestProviderThatDoesNotTrustTheStack: it knows the account's issuer and trusts another role of it.
func TestProviderThatDoesNotTrustTheStack(t *testing.T) {
	t.Parallel()
	other := "arn:aws:iam::123456789012:role/Other"
	for name, c := range map[string]struct{ secret, outcome, says string }{
		"client assertion": {
			secret: identitySecret(clientMore), outcome: "token_rejected", says: "subject (the caller's role)",
		},
		"exchange": {secret: identitySecret(exchangeMore), outcome: "token_unavailable", says: "invalid_request"},
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			r := startFederated(t)
			must(
				t,
				r.auth.Trust(
					idp.Issuer{ID: r.issuer, Keys: r.keys, Audience: audience, Subjects: []string{other}, Life: time.Hour},
				),
			)
			must(
				t,
				r.auth.Register(
					idp.Client{
						ID: "reports", Auth: idp.AuthPrivateKeyJWT,
						Federated: &idp.Federation{Issuer: r.issuer, Subject: other, Audience: audience},
					},
				),
			)
			r.put(c.secret)
			run := r.invoke(event(nil))
			if run.Result.Outcome != c.outcome || run.Result.Verdict != "rejected" ||
				!strings.Contains(run.Message, c.says) || r.api.Served() != 0 {
				t.Errorf("%+v\n%s", run.Result, run.Message)
			}
		})
	}
}

// TestIdentityNeverInOutput: a provider and a target that echo whatever they are sent, and STS that answers with
// something else; what AWS signed and what came of it is in no output.
func TestIdentityNeverInOutput(t *testing.T) {
	t.Parallel()
	echo := func(q upstream.Request) (upstream.Answer, bool) {
		return upstream.Answer{Status: 401, Body: `{"error":"bad token ` + q.Token +
			`"}`, Header: map[string]string{"Www-Authenticate": `Bearer realm="` + q.Token + `"`}}, true
	}
	for name, c := range map[string]struct {
		more    string
		prepare func(*federated)
		outcome string
	}{
		"alone, rejected by the target": {more: "", prepare: func(r *federated) {
			r.api.Rule(echo)
		}, outcome: "token_rejected"},
		"exchanged, then rejected by the target": {more: exchangeMore, prepare: func(r *federated) {
			r.api.Rule(echo)
		}, outcome: "token_rejected"},
		"client assertion in the provider's rejection": {more: clientMore, prepare: echoing, outcome: "token_rejected"},
		"signature error of STS": {more: "", prepare: func(r *federated) {
			r.STS.Faults.Set("", "", api.Fault{Error: &api.Error{
				Status: 403, Code: "SignatureDoesNotMatch",
				Message: "The signature does not match " +
					sessionToken + ". The Canonical String for this request should have been\n'x-amz-security-token:" +
					sessionToken + "'",
			}})
		}, outcome: "token_unavailable"},
		"subject token in the provider's rejection": {more: exchangeMore, prepare: echoing, outcome: "token_rejected"},
		"in the headers of a login that is turned off": {
			more:    `,"login":{"call":"POST https://id.example.com/token","body":{"a":"{{awsIdentity}}"},"token":"/t"}`,
			prepare: echoing, outcome: "token_rejected",
		},
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			r := startFederated(t)
			c.prepare(r)
			r.put(identitySecret(c.more))
			if err := r.InvokeAsync(t.Context(), "Caller", event(nil)); err != nil {
				t.Fatal(err)
			}
			r.advance(10 * time.Minute)
			runs := r.Runs()
			run := runs[len(runs)-1]
			if run.Result.Outcome != c.outcome {
				t.Fatalf("%+v\n%s", run.Result, run.Message)
			}
			secrets := []string{sessionToken}
			for _, call := range r.STS.Calls() {
				secrets = append(secrets, cmp.Or(call.Token, sessionToken))
			}
			for _, q := range r.api.Requests() {
				secrets = append(secrets, q.Token)
			}
			if len(secrets) < 2 { // its own and one of AWS's
				t.Fatal("STS was not asked")
			}
			for what, text := range r.leaving(run) {
				for _, secret := range secrets {
					for form, bad := range forms(secret) {
						if strings.Contains(text, bad) {
							t.Fatalf("%s holds an identity (%s):\n%s", what, form, text)
						}
					}
				}
			}
		})
	}
}

// echoing is a provider whose rejection quotes the whole request.
func echoing(r *federated) {
	must(r.t, r.auth.Fail(idp.Fault{Status: http.StatusUnauthorized, Error: "invalid_client", Echo: true}))
}
