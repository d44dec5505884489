package idp_test

import (
	"crypto"
	"crypto/x509"
	"encoding/json"
	"encoding/pem"
	"errors"
	"net/http/httptest"
	"testing"
	"time"

	"github.com/cronbearer/cronbearer/internal/oauth"
	"github.com/cronbearer/cronbearer/internal/redact"
	"github.com/cronbearer/cronbearer/internal/token"
)

// The functions' own client of token endpoints and the model understand each other: each grant, each way of
// authentication, each algorithm.
func TestTheFunctionsClient(t *testing.T) {
	t.Parallel()
	k := keys()
	type object = map[string]any
	signer := func(private any) string {
		der, err := x509.MarshalPKCS8PrivateKey(private)
		if err != nil {
			t.Fatal(err)
		}
		return string(pem.EncodeToMemory(&pem.Block{Type: "PRIVATE KEY", Bytes: der}))
	}
	client := func(grant, id string, more object) object {
		oauth2 := object{"grant": grant, "token_url": "https://example.com/token", "client_id": id, "client_secret": secret}
		for name, v := range more {
			oauth2[name] = v
			if v == nil {
				delete(oauth2, name)
			}
		}
		return oauth2
	}
	signing := func(algorithm string, private crypto.Signer) object {
		return object{"auth": "private_key_jwt", "client_secret": nil, "private_key": signer(private), "algorithm": algorithm}
	}
	issuing := func(algorithm string, private crypto.Signer) object {
		return object{
			"grant": "jwt_bearer", "token_url": "https://example.com/token", "issuer": "issuer", "subject": "robot",
			"scope":       "read",
			"private_key": signer(private), "algorithm": algorithm,
		}
	}
	for name, oauth2 := range map[string]object{
		"basic":                  client("client_credentials", "basic", object{"scope": "read"}),
		"body":                   client("client_credentials", "body", object{"auth": "body"}),
		"private_key_jwt, RS256": client("client_credentials", "signed", signing("RS256", k.rsa)),
		"private_key_jwt, PS256": client("client_credentials", "ps256", signing("PS256", k.rsa)),
		"private_key_jwt, ES256": client("client_credentials", "signed", signing("ES256", k.ec)),
		"private_key_jwt, EdDSA": client("client_credentials", "signed", signing("EdDSA", k.ed)),
		"jwt_bearer, RS256":      issuing("RS256", k.rsa),
		"jwt_bearer, EdDSA":      issuing("EdDSA", k.ed),
		"refresh_token, basic":   client("refresh_token", "basic", nil),
		"refresh_token, body":    client("refresh_token", "body", object{"auth": "body"}),
		"refresh_token, signed":  client("refresh_token", "signed", signing("ES256", k.ec)),
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			w := newWorld(t)
			web := httptest.NewTLSServer(w.Server)
			t.Cleanup(web.Close)
			document := object{"oauth2": oauth2}
			if oauth2["grant"] == "refresh_token" {
				in := w.logIn(oauth2["client_id"].(string), "read")
				document["token"], oauth2["refresh_token"] = in.Access, in.Refresh
			}
			text, err := json.Marshal(document)
			w.must(err)
			scrub := &redact.Scrubber{}
			parsed, err := token.ParseSecret(string(text), scrub)
			w.must(err)
			exchanger := oauth.NewClient(web.Client().Transport, w.clock.now, scrub)
			granted, err := exchanger.Once(t.Context(), parsed.OAuth2)
			w.must(err)
			if !w.Valid(granted.Token.Reveal()) || granted.Life() != time.Hour {
				t.Errorf("granted for %s", granted.Life())
			}
			if oauth2["grant"] != "refresh_token" {
				return
			}
			if !w.StillGood(granted.RefreshToken.Reveal()) {
				t.Error("the new refresh token is not good")
			}
			_, err = exchanger.Once(t.Context(), parsed.OAuth2)
			if failed, ok := errors.AsType[*oauth.Error](err); !ok || !failed.InvalidGrant {
				t.Errorf("a second use: %v", err)
			}
			if w.StillGood(granted.RefreshToken.Reveal()) || w.Count("").Reused != 1 {
				t.Error("the family outlived a reuse")
			}
		})
	}
}
