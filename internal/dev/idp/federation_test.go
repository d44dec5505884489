package idp_test

import (
	"encoding/base64"
	"encoding/json"
	"errors"
	"fmt"
	"maps"
	"math/big"
	"net/url"
	"testing"
	"time"

	"github.com/golang-jwt/jwt/v5"

	"github.com/cronbearer/cronbearer/internal/dev/idp"
)

const (
	exchangeGrant = "urn:ietf:params:oauth:grant-type:token-exchange"
	jwtType       = "urn:ietf:params:oauth:token-type:jwt"
)

// TestTokenExchange is RFC 8693 section 2: what is granted, and that a bad subject token is an invalid_request.
func TestTokenExchange(t *testing.T) {
	t.Parallel()
	w := newWorld(t)
	good := func() string {
		return w.assertion(jwt.SigningMethodRS256, keys().rsa, "issuer", map[string]any{"sub": "robot"})
	}
	cases := map[string]struct {
		form url.Values
		code string
	}{
		"granted without a client": {form: url.Values{"subject_token": {good()}, "subject_token_type": {jwtType}}},
		"granted to a client": {
			form: url.Values{"subject_token": {good()}, "subject_token_type": {jwtType}, "client_id": {"public"}},
		},
		"the wanted type": {
			form: url.Values{
				"subject_token": {good()}, "subject_token_type": {jwtType},
				"requested_token_type": {"urn:ietf:params:oauth:token-type:access_token"},
			},
		},
		"another wanted type": {
			form: url.Values{"subject_token": {good()}, "subject_token_type": {jwtType}, "requested_token_type": {jwtType}},
			code: "invalid_request",
		},
		"no subject token": {form: url.Values{"subject_token_type": {jwtType}}, code: "invalid_request"},
		"no type":          {form: url.Values{"subject_token": {good()}}, code: "invalid_request"},
		"a token that is not a JWT": {
			form: url.Values{"subject_token": {"opaque"}, "subject_token_type": {jwtType}}, code: "invalid_request",
		},
		"an issuer that is not trusted": {
			form: url.Values{
				"subject_token":      {w.assertion(jwt.SigningMethodRS256, keys().rsa, "unknown", nil)},
				"subject_token_type": {jwtType},
			},
			code: "invalid_request",
		},
		"a subject that is not trusted": {
			form: url.Values{
				"subject_token":      {w.assertion(jwt.SigningMethodRS256, keys().rsa, "issuer", nil)},
				"subject_token_type": {jwtType},
			},
			code: "invalid_request",
		},
		"a key that is not the issuer's": {
			form: url.Values{
				"subject_token": {
					w.assertion(jwt.SigningMethodRS256, keys().otherRSA, "issuer", map[string]any{"sub": "robot"}),
				},
				"subject_token_type": {jwtType},
			},
			code: "invalid_request",
		},
	}
	for name, c := range cases {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			c.form.Set("grant_type", exchangeGrant)
			got := w.post(request{form: c.form})
			if got.text("error") != c.code || (c.code == "") != (got.text("access_token") != "") ||
				(c.code == "") != (got.text("issued_token_type") != "") {
				t.Errorf("%d %v", got.status, got.body)
			}
		})
	}
}

// TestFederatedClient: issuer, subject and audience must be those that the client trusts, and client_id names it.
func TestFederatedClient(t *testing.T) {
	t.Parallel()
	w := newWorld(t)
	w.must(w.Trust(idp.Issuer{ID: "aws", Keys: []idp.Key{{ID: "rsa", Public: &keys().rsa.PublicKey}}, Life: time.Hour}))
	w.must(
		w.Register(
			idp.Client{
				ID: "federated", Auth: idp.AuthPrivateKeyJWT,
				Federated: &idp.Federation{Issuer: "aws", Subject: "role", Audience: "api://x"},
			},
		),
	)
	proof := func(issuer string, changes map[string]any) string {
		claims := map[string]any{"sub": "role", "aud": "api://x", "exp": w.clock.now().Add(time.Hour).Unix()}
		maps.Copy(claims, changes)
		return w.assertion(jwt.SigningMethodRS256, keys().rsa, issuer, claims)
	}
	cases := map[string]struct {
		client, assertion string
		granted           bool
	}{
		"granted": {client: "federated", assertion: proof("aws", nil), granted: true},
		"two audiences": {
			client: "federated", assertion: proof("aws", map[string]any{"aud": []string{"other", "api://x"}}), granted: true,
		},
		"another subject":        {client: "federated", assertion: proof("aws", map[string]any{"sub": "other"})},
		"another audience":       {client: "federated", assertion: proof("aws", map[string]any{"aud": "api://y"})},
		"another issuer":         {client: "federated", assertion: proof("issuer", nil)},
		"no client_id":           {assertion: proof("aws", nil)},
		"another client":         {client: "signed", assertion: proof("aws", nil)},
		"its own name as issuer": {client: "federated", assertion: proof("federated", nil)},
	}
	for name, c := range cases {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			form := url.Values{
				"grant_type": {"client_credentials"}, "client_assertion": {c.assertion},
				"client_assertion_type": {"urn:ietf:params:oauth:client-assertion-type:jwt-bearer"},
			}
			if c.client != "" {
				form.Set("client_id", c.client)
			}
			got := w.post(request{form: form})
			if c.granted != (got.status == 200) || !c.granted && got.text("error") != "invalid_client" {
				t.Errorf("%d %v", got.status, got.body)
			}
		})
	}
}

// TestDiscoveryThatCannotBeTrusted: what an issuer's own documents must be.
func TestDiscoveryThatCannotBeTrusted(t *testing.T) {
	t.Parallel()
	encoded := base64.RawURLEncoding.EncodeToString
	rsaKey := fmt.Sprintf(
		`{"kid":"a","kty":"RSA","n":%q,"e":%q}`, encoded(keys().rsa.N.Bytes()),
		encoded(big.NewInt(int64(keys().rsa.E)).Bytes()),
	)
	const issuer = "https://a.example"
	cases := map[string]struct {
		configuration, keys string
		found               int
		bad                 bool
	}{
		"other keys next to it": {
			configuration: issuer, keys: `{"keys":[` + rsaKey + `,{"kty":"oct","k":"AA"},{"kty":"RSA","use":"enc"}]}`, found: 1,
		},
		"another issuer's": {configuration: "https://b.example", keys: `{"keys":[]}`, bad: true},
		"no JSON":          {configuration: issuer, keys: `<html>`, bad: true},
		"no base64":        {configuration: issuer, keys: `{"keys":[{"kty":"RSA","n":"=","e":"AQAB"}]}`, bad: true},
		"no point": {
			configuration: issuer, keys: `{"keys":[{"kty":"EC","crv":"P-384","x":"AA","y":"AA"}]}`, bad: true,
		},
		"no keys at all": {configuration: issuer, bad: true},
	}
	for name, c := range cases {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			found, err := idp.Discover(issuer, func(url string) ([]byte, error) {
				switch {
				case url == issuer+"/.well-known/openid-configuration":
					return json.Marshal(map[string]string{"issuer": c.configuration, "jwks_uri": issuer + "/keys"})
				case url == issuer+"/keys" && c.keys != "":
					return []byte(c.keys), nil
				}
				return nil, errors.New("not found")
			})
			if (err != nil) != c.bad || len(found) != c.found {
				t.Errorf("%d keys, %v", len(found), err)
			}
		})
	}
}
