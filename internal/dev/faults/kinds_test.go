package faults_test

import (
	"crypto/ecdsa"
	"crypto/elliptic"
	"crypto/rand"
	"crypto/x509"
	"encoding/json"
	"encoding/pem"
	"maps"
	"strings"
	"testing"
)

// kind is one way in which a secret yields a token (design.md, section 4).
type kind struct {
	name string
	// secret returns its document, with new canaries, and what it adds to the event.
	secret func(t *testing.T, w *world, rules map[string]any) (document any, event map[string]any)

	mints    bool // the caller asks the issuer
	identity bool // the caller asks STS
}

type object = map[string]any

// kinds are all that the caller knows.
func kinds() []kind {
	static := func(name string, document func(w *world) any) kind {
		return kind{name: name, secret: func(_ *testing.T, w *world, _ map[string]any) (any, map[string]any) {
			return document(w), nil
		}}
	}
	minted := func(name string, members func(t *testing.T, w *world) object) kind {
		return kind{name: name, mints: true, secret: func(t *testing.T, w *world, _ map[string]any) (any, map[string]any) {
			t.Helper()
			oauth := object{"token_url": "https://" + w.issuer.address + "/token", "client_id": "client"}
			maps.Copy(oauth, members(t, w))
			return object{"oauth2": oauth}, nil
		}}
	}
	login := func(w *world, headers, body object) object {
		return object{
			"call": "POST https://" + w.issuer.address + "/login", "headers": headers, "body": body, "token": "/token",
		}
	}
	signed := kind{name: "jwt", secret: func(t *testing.T, w *world, _ map[string]any) (any, map[string]any) {
		t.Helper()
		return object{"jwt": object{"issuer": "me", "algorithm": "ES256", "private_key": w.privateKey(t)}}, nil
	}}
	identity := kind{
		name: "aws_identity", identity: true,
		secret: func(_ *testing.T, w *world, _ map[string]any) (any, map[string]any) {
			return object{"aws_identity": object{"audience": "https://" + w.target.address}}, nil
		},
	}
	federated := minted("client_credentials, aws_identity", func(*testing.T, *world) object {
		return object{"grant": "client_credentials", "auth": "aws_identity"}
	})
	federated.identity = true
	federate := federated.secret
	federated.secret = func(t *testing.T, w *world, rules map[string]any) (any, map[string]any) {
		t.Helper()
		document, event := federate(t, w, rules)
		document.(object)["aws_identity"] = object{"audience": "api://AzureADTokenExchange"} //nolint:forcetypeassert // ours
		return document, event
	}
	return []kind{
		static("plain text", func(w *world) any { return w.canary("static token") }),
		static("token", func(w *world) any {
			return object{"token": w.canary("static token"), "expires_at": "2037-01-31T00:00:00Z"}
		}),
		{name: "key", secret: func(_ *testing.T, w *world, _ map[string]any) (any, map[string]any) {
			return object{"api_key": w.canary("static token"), "password": "of something else"}, object{"secretKey": "api_key"}
		}},
		{name: "probe", secret: func(_ *testing.T, w *world, rules map[string]any) (any, map[string]any) {
			if rules == nil {
				rules = object{"status": []any{"2xx"}}
			}
			return object{"token": w.canary("static token"), "probe": object{
				"call": "GET https://" + w.target.address + w.path, "expect": rules,
			}}, object{"action": "check"}
		}},
		static("rotated, refresh token", func(w *world) any {
			return object{"token": w.canary("static token"), "oauth2": object{
				"grant": "refresh_token", "token_url": "https://" + w.issuer.address + "/token", "client_id": "client",
				"client_secret": w.canary("client secret"), "refresh_token": w.canary("refresh token"),
			}}
		}),
		static("rotated, call", func(w *world) any {
			return object{"token": w.canary("static token"), "rotate": object{
				"call": "POST https://" + w.issuer.address + "/rotate", "token": "/token",
				"headers": object{"X-Api-Key": w.canary("key of a header")},
			}}
		}),
		minted("client_credentials, basic", func(_ *testing.T, w *world) object {
			return object{"grant": "client_credentials", "client_secret": w.canary("client secret")}
		}),
		minted("client_credentials, basic_raw", func(_ *testing.T, w *world) object {
			return object{"grant": "client_credentials", "auth": "basic_raw", "client_secret": w.canary("client secret")}
		}),
		minted("client_credentials, body", func(_ *testing.T, w *world) object {
			return object{"grant": "client_credentials", "auth": "body", "client_secret": w.canary("client secret")}
		}),
		minted("client_credentials, JSON", func(_ *testing.T, w *world) object {
			return object{
				"grant": "client_credentials", "auth": "body", "format": "json", "client_secret": w.canary("client secret"),
			}
		}),
		minted("client_credentials, private_key_jwt", func(t *testing.T, w *world) object {
			t.Helper()
			return object{
				"grant": "client_credentials", "auth": "private_key_jwt", "algorithm": "ES256", "private_key": w.privateKey(t),
			}
		}),
		minted("jwt_bearer", func(t *testing.T, w *world) object {
			t.Helper()
			return object{
				"grant": "jwt_bearer", "auth": "none", "issuer": "me", "algorithm": "ES256", "private_key": w.privateKey(t),
			}
		}),
		minted("token_exchange", func(_ *testing.T, w *world) object {
			return object{
				"grant": "token_exchange", "client_secret": w.canary("client secret"), "subject_token": w.canary("subject token"),
			}
		}),
		{name: "login", mints: true, secret: func(_ *testing.T, w *world, _ map[string]any) (any, map[string]any) {
			return object{"login": login(
				w, object{"X-Api-Key": w.canary("key of a header")}, object{"user": "me", "password": w.canary("password")},
			)}, nil
		}},
		{name: "login, jwt", mints: true, secret: func(t *testing.T, w *world, _ map[string]any) (any, map[string]any) {
			t.Helper()
			return object{
				"jwt":   object{"issuer": "1", "algorithm": "ES256", "private_key": w.privateKey(t), "lifetime": "9m"},
				"login": login(w, object{"Authorization": "Bearer {{jwt}}"}, nil),
			}, nil
		}},
		signed, identity, federated,
	}
}

// privateKey returns a new key in PEM, whose secret number is watched.
func (w *world) privateKey(t *testing.T) string {
	t.Helper()
	key, err := ecdsa.GenerateKey(elliptic.P256(), rand.Reader)
	must(t, err)
	der, err := x509.MarshalPKCS8PrivateKey(key)
	must(t, err)
	number, err := key.Bytes()
	must(t, err)
	w.watch("private key", string(number))
	return string(pem.EncodeToMemory(&pem.Block{Type: "PRIVATE KEY", Bytes: der}))
}

// put stores a document as a secret's new version.
func (w *world) put(t *testing.T, name string, document any) {
	t.Helper()
	text, plain := document.(string)
	if !plain {
		encoded, err := json.Marshal(document)
		must(t, err)
		text = string(encoded)
	}
	_, err := w.store.Put(prefix+name, text)
	must(t, err)
}

// label makes the name of a kind one of a secret.
func (k kind) label() string {
	return strings.NewReplacer(" ", "", ",", "-", "_", "-").Replace(k.name)
}
