package token_test

import (
	"crypto/tls"
	"crypto/x509"
	"encoding/json"
	"encoding/pem"
	"errors"
	"fmt"
	"io"
	"net/http"
	"net/http/httptest"
	"strings"
	"testing"
	"time"

	"github.com/cronbearer/cronbearer/internal/dev/pki"
	"github.com/cronbearer/cronbearer/internal/dev/tokenserver"
	"github.com/cronbearer/cronbearer/internal/hosts"
	"github.com/cronbearer/cronbearer/internal/oauth"
	"github.com/cronbearer/cronbearer/internal/redact"
	"github.com/cronbearer/cronbearer/internal/token"
)

func jwtMember() map[string]any {
	return map[string]any{"private_key": pki.SigningKeys().RSA, "issuer": "12345", "lifetime": "9m"}
}

func TestExpiryOfWhatMints(t *testing.T) {
	t.Parallel()
	day := time.Date(2028, 1, 31, 0, 0, 0, 0, time.UTC)
	key, certificate, _, err := pki.Certified(day)
	if err != nil {
		t.Fatal(err)
	}
	exchange := map[string]any{
		"grant": "token_exchange", "token_url": "https://example.com/token", "auth": "none",
		"subject_token": jwtWith(fmt.Sprintf(`{"exp":%d}`, day.Unix())),
	}
	withKey := map[string]any{
		"grant": "client_credentials", "token_url": "https://example.com/token", "client_id": "id", "auth": "private_key_jwt",
		"private_key": key, "algorithm": "ES256", "certificate": certificate,
	}
	tests := map[string]struct {
		secret map[string]any
		want   time.Time
		warns  bool
	}{
		"unknown": {secret: map[string]any{"oauth2": clientCredentials()}},
		"expires_at of a client": {
			secret: map[string]any{"oauth2": clientCredentials(), "expires_at": "2028-01-31"}, want: day,
		},
		"expires_at of a login": {
			secret: map[string]any{"login": json.RawMessage(loginJSON), "expires_at": day.Unix()}, want: day,
		},
		"expires_at of a key": {
			secret: map[string]any{"jwt": jwtMember(), "expires_at": "2028-01-31 00:00:00"}, want: day,
		},
		"certificate": {secret: map[string]any{"oauth2": withKey}, want: day},
		"expires_at before certificate": {
			secret: map[string]any{"oauth2": withKey, "expires_at": "2027-01-31"}, want: day.AddDate(-1, 0, 0),
		},
		"unreadable: the certificate's": {
			secret: map[string]any{"oauth2": withKey, "expires_at": "soon"}, want: day, warns: true,
		},
		"subject_token": {secret: map[string]any{"oauth2": exchange}, want: day},
		"unreadable, and nothing else": {
			secret: map[string]any{"oauth2": clientCredentials(), "expires_at": "soon"}, warns: true,
		},
	}
	for name, tt := range tests {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			d, err := token.ParseSecret(object(t, tt.secret, nil), &redact.Scrubber{})
			if err != nil || !d.Expiry.Equal(tt.want) || (len(d.Warnings) > 0) != tt.warns || d.ExpiryUnreadable != tt.warns {
				t.Errorf("expires %s, want %s; warnings %q; %v", d.Expiry, tt.want, d.Warnings, err)
			}
		})
	}
}

func TestOAuth2OfMoreProvidersIsValidated(t *testing.T) {
	t.Parallel()
	exchange := map[string]any{
		"grant": "token_exchange", "token_url": "https://example.com/token", "auth": "none", "subject_token": "subject-1",
	}
	tests := map[string]struct {
		base    map[string]any
		changes change
		want    []string
	}{
		"parameter that is not a string": {
			base: clientCredentials(), changes: change{"parameters": map[string]any{"a": 5}},
			want: []string{"oauth2.parameters: parameter 1 must be a string"},
		},
		"parameter that is set already": {
			base: clientCredentials(), changes: change{"scope": "s", "parameters": map[string]any{"scope": canary}},
			want: []string{"oauth2.parameters: parameter 1 is set by another member"},
		},
		"parameter that is not": {
			base: clientCredentials(), changes: change{"parameters": map[string]any{"client_id": "id"}},
		},
		"parameters of a wrong type": {base: clientCredentials(), changes: change{"parameters": "a=" +
			canary}, want: []string{"oauth2.parameters must be an object"}},
		"unknown format": {
			base: clientCredentials(), changes: change{"format": canary}, want: []string{"oauth2.format must be form or json"},
		},
		"no subject_token": {
			base: exchange, changes: change{"subject_token": nil}, want: []string{"oauth2.subject_token is missing"},
		},
		"short subject_token": {
			base: exchange, changes: change{"subject_token": "1234567"},
			want: []string{"oauth2.subject_token is shorter than 8 bytes"},
		},
		"token_exchange without auth": {
			base: exchange, changes: change{"auth": nil},
			want: []string{"oauth2.client_id is missing", "oauth2.client_secret is missing"},
		},
	}
	for name, tt := range tests {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			_, err := token.ParseSecret(
				object(t, map[string]any{"oauth2": json.RawMessage(object(t, tt.base, tt.changes))}, nil), &redact.Scrubber{},
			)
			wantProblems(t, err, tt.want...)
		})
	}
}

func loginVersion(t *testing.T, login string, more map[string]any) token.Version {
	t.Helper()
	d, err := token.ParseSecret(object(t, map[string]any{"login": json.RawMessage(login)}, more), &redact.Scrubber{})
	if err != nil {
		t.Fatal(err)
	}
	return token.Version{Document: d, Secret: "s", ID: "v", Stage: token.Current}
}

var exampleCom = func() hosts.List {
	list, err := hosts.Parse([]string{"example.com"})
	if err != nil {
		panic(err)
	}
	return list
}()

func TestLoginIsBoundToHosts(t *testing.T) {
	t.Parallel()
	tests := map[string]struct {
		hosts   any // nil: none
		allowed hosts.List
		bound   bool
	}{
		"neither":                       {},
		"allowed":                       {allowed: exampleCom, bound: true},
		"named by the secret":           {hosts: []string{"example.com"}, bound: true},
		"allowed, but not named":        {hosts: []string{"example.net"}, allowed: exampleCom},
		"allowed, but bound to nothing": {hosts: []string{}, allowed: exampleCom},
	}
	for name, tt := range tests {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			server := tokenserver.New(t, answer{Status: 200, Body: `{"token":"abcdefgh"}`}.Each)
			m := token.NewMinter(server.Transport, tt.allowed, time.Now, &redact.Scrubber{})
			v := loginVersion(t, loginJSON, nil)
			if tt.hosts != nil {
				v = loginVersion(t, loginJSON, map[string]any{"hosts": tt.hosts})
			}
			_, err := m.Mint(t.Context(), v, redact.Secret{})
			failed, _ := errors.AsType[*oauth.Error](err)
			if (err == nil) != tt.bound || !tt.bound && (!failed.Unbound || len(server.Requests()) != 0 ||
				!strings.Contains(err.Error(), "add it to hosts") && !strings.Contains(err.Error(), "Add it to hosts")) {
				t.Errorf("%d calls, %v", len(server.Requests()), err)
			}
		})
	}
}

func TestJWTIsValidated(t *testing.T) {
	t.Parallel()
	tests := map[string]struct {
		changes change
		want    []string
	}{
		"nothing but a key": {changes: change{"issuer": nil, "lifetime": nil}},
		"an hour":           {changes: change{"lifetime": "1h"}},
		"a minute":          {changes: change{"lifetime": "60s"}},
		"over an hour":      {changes: change{"lifetime": "61m"}, want: []string{"jwt.lifetime must be"}},
		"below a minute":    {changes: change{"lifetime": "59s"}, want: []string{"jwt.lifetime must be"}},
		"no duration":       {changes: change{"lifetime": canary}, want: []string{"jwt.lifetime must be"}},
		"no key":            {changes: change{"private_key": nil}, want: []string{"jwt.private_key is missing"}},
		"unusable key":      {changes: change{"private_key": canary}, want: []string{"jwt.private_key is not a PEM block"}},
		"wrong algorithm": {
			changes: change{"algorithm": "ES256"}, want: []string{"jwt.algorithm must be RS256 or PS256"},
		},
		"audience of no type":    {changes: change{"audience": 5}, want: []string{"jwt.audience must be a string or a list"}},
		"audience with a number": {changes: change{"audience": []any{"a", 5}}, want: []string{"jwt.audience: entry 2"}},
		"claim that is set": {
			changes: change{"claims": map[string]any{"iss": canary}}, want: []string{"jwt.claims: claim 1 is set"},
		},
		"claim that is not": {changes: change{"claims": map[string]any{"sub": "x"}}},
		"claim of ours": {
			changes: change{"claims": map[string]any{"exp": 5}}, want: []string{"jwt.claims: exp is set for each token"},
		},
		"claims of no type": {changes: change{"claims": "x"}, want: []string{"jwt.claims must be an object"}},
	}
	for name, tt := range tests {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			_, err := token.ParseSecret(
				object(t, map[string]any{"jwt": json.RawMessage(object(t, jwtMember(), tt.changes))}, nil), &redact.Scrubber{},
			)
			wantProblems(t, err, tt.want...)
		})
	}
}

func TestSecretsOfALoginAreScrubbed(t *testing.T) {
	t.Parallel()
	text := `{"login":{"call":"POST https://example.com/","headers":{"X-Api-Key":"` + canary +
		`-1","X-Api-Version":"2026-11-28"},
		"body":{"username":"alice-and-bob","password":"` + canary + `-2","credentials":{"pin":["` + canary +
		`-3"]}},"token":"/token"}}`
	scrub := &redact.Scrubber{}
	if _, err := token.ParseSecret(text, scrub); err != nil {
		t.Fatal(err)
	}
	for i := range 3 {
		if got := scrub.Scrub(fmt.Sprintf("%s-%d", canary, i+1)); strings.Contains(got, "canary") {
			t.Errorf("%d is not scrubbed: %s", i+1, got)
		}
	}
	for _, plain := range []string{"alice-and-bob", "2026-11-28"} {
		if got := scrub.Scrub(plain); got != plain {
			t.Errorf("%s is scrubbed, and its name does not say credential", plain)
		}
	}
}

func TestCallsOfASecretTrustItsCA(t *testing.T) {
	t.Parallel()
	server := httptest.NewTLSServer(http.HandlerFunc(func(w http.ResponseWriter, _ *http.Request) {
		_, _ = io.WriteString(w, `{"access_token":"abcdefgh","token":"abcdefgh"}`)
	}))
	t.Cleanup(server.Close)
	certificate := string(pem.EncodeToMemory(&pem.Block{Type: "CERTIFICATE", Bytes: server.Certificate().Raw}))
	transport := server.Client().Transport.(*http.Transport).Clone() //nolint:forcetypeassert // httptest documents it
	transport.TLSClientConfig = &tls.Config{RootCAs: x509.NewCertPool(), MinVersion: tls.VersionTLS12}
	_, other, _, err := pki.Certified(time.Now().Add(time.Hour))
	if err != nil {
		t.Fatal(err)
	}
	for name, tt := range map[string]struct {
		ca    string // empty: none
		reach bool
	}{
		"none":                {},
		"the server's":        {ca: certificate, reach: true},
		"\\n, two characters": {ca: strings.ReplaceAll(certificate, "\n", `\n`), reach: true},
		"another":             {ca: other},
	} {
		secret := map[string]any{"oauth2": clientCredentials()}
		if tt.ca != "" {
			secret["ca"] = tt.ca
		}
		d, err := token.ParseSecret(object(t, secret, nil), &redact.Scrubber{})
		if err != nil {
			t.Fatal(err)
		}
		m := token.NewMinter(transport, hosts.List{}, time.Now, &redact.Scrubber{})
		m.SleepWith((&noWait{}).sleep)
		if _, err := m.Mint(
			t.Context(), token.Version{Document: d, Secret: "s", ID: "v"}, redact.Secret{},
		); (err == nil) != tt.reach {
			t.Errorf("%s: %v", name, err)
		}
	}
	for text, want := range map[string]string{
		`"x"`: "ca holds no certificate", `5`: "ca must be a string of PEM certificates, not a number",
	} {
		_, err := token.ParseSecret(`{"token":"abcdefgh","ca":`+text+`}`, &redact.Scrubber{})
		wantProblems(t, err, want)
	}
	d, err := token.Parse(`{"a":"abcdefgh","ca":"x"}`, "a", &redact.Scrubber{})
	if err != nil || d.CA != nil || len(d.Warnings) != 1 {
		t.Errorf("Key: %v, warnings %q", err, d.Warnings)
	}
}

func TestJWTIsTheTokenUntilShortlyBeforeItExpires(t *testing.T) {
	t.Parallel()
	clock := newWall()
	d, err := token.ParseSecret(object(t, map[string]any{"jwt": jwtMember()}, change{}), &redact.Scrubber{})
	if err != nil {
		t.Fatal(err)
	}
	m := token.NewMinter(nil, hosts.List{}, clock.Now, &redact.Scrubber{}) // it asks no one
	v := token.Version{Document: d, Secret: "s", ID: "v"}
	first, err := m.Mint(t.Context(), v, redact.Secret{})
	if err != nil {
		t.Fatal(err)
	}
	clock.move(9*time.Minute - 54*time.Second - 1)
	if again, err := m.Mint(t.Context(), v, redact.Secret{}); err != nil || !again.Token.Equal(first.Token) {
		t.Errorf("signed again before a tenth of its life is left (%v)", err)
	}
	if other, err := m.Mint(t.Context(), v, first.Token); err != nil || other.Token.Equal(first.Token) {
		t.Errorf("a rejected one is not replaced (%v)", err)
	}
	clock.move(1)
	if again, err := m.Mint(t.Context(), v, redact.Secret{}); err != nil || again.Token.Equal(first.Token) {
		t.Errorf("not signed again although it is about to expire (%v)", err)
	}
}

func TestRejectedLoginIsRemembered(t *testing.T) {
	t.Parallel()
	server := tokenserver.New(t, answer{Status: 401}.Each)
	m := token.NewMinter(server.Transport, exampleCom, newWall().Now, &redact.Scrubber{})
	v := loginVersion(t, loginJSON, nil)
	for _, says := range []string{"answered 401", "rejected at"} {
		if _, err := m.Mint(t.Context(), v, redact.Secret{}); err == nil || !strings.Contains(err.Error(), says) {
			t.Errorf("got %v, want it to say %q", err, says)
		}
	}
	if n := len(server.Requests()); n != 1 {
		t.Errorf("%d calls with rejected credentials", n)
	}
}

func TestProblemsOfACertificateNameIt(t *testing.T) {
	t.Parallel()
	key, _, _, err := pki.Certified(time.Now().Add(time.Hour))
	if err != nil {
		t.Fatal(err)
	}
	_, err = token.ParseSecret(object(t, map[string]any{"oauth2": json.RawMessage(object(t, clientCredentials(),
		change{"auth": "private_key_jwt", "client_secret": nil, "private_key": key, "algorithm": "ES256", "certificate": key},
	))}, nil), &redact.Scrubber{})
	wantProblems(t, err, "oauth2.certificate holds no certificate")
}
