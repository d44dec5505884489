package caller_test

import (
	"crypto/ecdsa"
	"crypto/elliptic"
	"crypto/rand"
	"crypto/x509"
	"encoding/json"
	"encoding/pem"
	"flag"
	"fmt"
	"maps"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"testing"
	"testing/synctest"
	"time"

	"github.com/google/go-cmp/cmp"
)

var update = flag.Bool("update", false, "write the golden files")

// kinds are secrets of each kind, in the words of docs/providers.
func kinds(t *testing.T) map[string]string {
	t.Helper()
	key, err := ecdsa.GenerateKey(elliptic.P256(), rand.Reader)
	if err != nil {
		t.Fatal(err)
	}
	der, err := x509.MarshalPKCS8PrivateKey(key)
	if err != nil {
		t.Fatal(err)
	}
	private := string(pem.EncodeToMemory(&pem.Block{Type: "PRIVATE KEY", Bytes: der}))
	object := func(members event) string {
		text, err := json.Marshal(members)
		if err != nil {
			t.Fatal(err)
		}
		return string(text)
	}
	oauth2 := func(members event) event {
		all := event{"token_url": "https://auth.example.com/token", "client_id": "id"}
		maps.Copy(all, members)
		return event{"oauth2": all, "hosts": []string{"example.com"}}
	}
	client := func(auth string) string {
		return object(oauth2(event{"grant": "client_credentials", "client_secret": secret("c"), "auth": auth}))
	}
	refreshed := oauth2(event{"grant": "refresh_token", "client_secret": secret("c"), "refresh_token": secret("r")})
	refreshed["token"] = secret("t")
	return map[string]string{
		"plain text": secret("t"),
		"JSON": object(event{
			"token": secret("t"), "expires_at": "2030-01-01", "hosts": []string{"example.com"},
		}),
		"member of a JSON secret":       object(event{"api_key": secret("t"), "user": "u"}),
		"client_credentials, basic":     client("basic"),
		"client_credentials, basic_raw": client("basic_raw"),
		"client_credentials, body":      client("body"),
		"client_credentials, none":      object(oauth2(event{"grant": "client_credentials", "auth": "none"})),
		"client_credentials, private_key_jwt": object(
			oauth2(event{
				"grant": "client_credentials", "auth": "private_key_jwt", "private_key": private, "algorithm": "ES256",
			}),
		),
		"login": object(event{"hosts": []string{"auth.example.com", "example.com"}, "login": event{
			"call": "POST https://auth.example.com/token", "body": event{"user": "u", "password": secret("p")},
			"token": "/access_token",
		}}),
		"jwt": object(event{
			"hosts": []string{"example.com"}, "jwt": event{"issuer": "i", "private_key": private, "algorithm": "ES256"},
		}),
		"JSON, a probe": object(event{
			"token": secret("t"), "hosts": []string{"example.com"}, "probe": event{"call": "GET https://example.com/verify"},
		}),
		"jwt_bearer": object(
			oauth2(event{"grant": "jwt_bearer", "issuer": "i", "private_key": private, "algorithm": "ES256"}),
		),
		"rotated, refresh_token": object(refreshed),
		"rotated, rotate": object(event{"token": secret("t"), "hosts": []string{"example.com"}, "rotate": event{
			"call": "POST https://example.com/rotate", "token": "/token",
		}}),
	}
}

// TestErrorTexts holds the error of each failure, for each kind of token, as it is read at three in the morning.
// Read testdata/texts.golden after -update: no command may destroy more than it fixes.
func TestErrorTexts(t *testing.T) {
	t.Parallel()
	target := func(status int, headers map[string]string, body string) func(*rig) {
		return func(r *rig) { r.answer(status, headers, body) }
	}
	failures := map[string]struct {
		prepare func(*rig)
		event   event
		kinds   []string // nil: all
		mints   string   // what the token endpoint answers; empty: a token
	}{
		"401": {prepare: target(401, nil, `{"message":"Bad credentials"}`)},
		"a reject rule": {
			prepare: target(403, nil, "<html>"), event: event{"reject": event{"status": []any{403}}},
			kinds: []string{"plain text", "jwt_bearer"},
		},
		"invalid_token": {
			prepare: target(403, map[string]string{"WWW-Authenticate": `Bearer error="invalid_token"`}, ""),
			kinds:   []string{"plain text"},
		},
		"insufficient_scope": {
			prepare: target(
				403, map[string]string{"WWW-Authenticate": `Bearer error="insufficient_scope", scope="reports:write"`}, "",
			),
			kinds: []string{"plain text", "client_credentials, basic"},
		},
		"422": {
			prepare: target(422, nil, `{"errors":[{"message":"must be a date"}]}`), kinds: []string{"plain text"},
		},
		"301": {
			prepare: target(301, map[string]string{"Location": "/v1/sync/"}, ""), kinds: []string{"plain text"},
		},
		"probe fails": {
			prepare: target(500, nil, "down"), kinds: []string{"JSON, a probe"}, event: event{"action": "check", "call": nil},
		},
		"probe rejected": {
			prepare: target(401, nil, ""), kinds: []string{"JSON, a probe"}, event: event{"action": "check", "call": nil},
		},
		"login rejected": {prepare: func(*rig) {}, mints: `403 {"message":"locked"}`, kinds: []string{"login"}},
		"unreachable":    {prepare: func(*rig) {}, kinds: []string{"plain text"}},
		"no secret":      {prepare: func(r *rig) { r.secrets.Clear() }, kinds: []string{"plain text"}},
		"no secret of an ARN": {
			prepare: func(r *rig) { r.secrets.Clear() }, kinds: []string{"plain text"},
			event: event{"secret": "arn:aws:secretsmanager:eu-west-1:123456789012:secret:S/x-AbCdEf"},
		},
		"no secret in this Region": {
			prepare: func(r *rig) { r.secrets.Clear() }, kinds: []string{"plain text"},
			event: event{"secret": "arn:aws:secretsmanager:us-east-1:123456789012:secret:S/x-AbCdEf"},
		},
		"secret deleted": {prepare: func(r *rig) {
			r.secrets.Err = apiError("InvalidRequestException")
		}, kinds: []string{"plain text"}},
		"secret denied": {prepare: func(r *rig) {
			r.secrets.Err = apiError("AccessDeniedException")
		}, kinds: []string{"plain text"}},
		"undecryptable": {prepare: func(r *rig) {
			r.secrets.Err = apiError("DecryptionFailure")
		}, kinds: []string{"plain text"}},
		"throttled": {prepare: func(r *rig) {
			r.secrets.Err = apiError("ThrottlingException")
		}, kinds: []string{"plain text"}},
		"malformed text": {prepare: func(r *rig) {
			r.secrets.put(current, "v1", "two words", 0)
		}, kinds: []string{"plain text"}},
		"malformed JSON": {prepare: func(r *rig) {
			r.secrets.put(current, "v1", `{"tokn":"`+secret("t")+`"}`, 0)
		}, kinds: []string{"JSON"}},
		"no such Key": {
			prepare: func(*rig) {}, event: event{"secretKey": "apikey"}, kinds: []string{"member of a JSON secret"},
		},
		"invalid_client": {
			prepare: func(*rig) {},
			mints:   `401 {"error":"invalid_client","error_description":"unknown_client"}`, kinds: []string{
				"client_credentials, basic", "client_credentials, basic_raw", "client_credentials, body",
				"client_credentials, private_key_jwt",
				"client_credentials, none", "jwt_bearer",
			},
		},
		"invalid_grant": {
			prepare: func(*rig) {}, mints: `400 {"error":"invalid_grant"}`, kinds: []string{"jwt_bearer"},
		},
		"invalid_scope": {
			prepare: func(*rig) {}, mints: `400 {"error":"invalid_scope"}`, kinds: []string{"client_credentials, basic"},
		},
		"token endpoint down": {
			prepare: func(*rig) {}, mints: "503 down", kinds: []string{"client_credentials, basic"},
		},
		"token endpoint moved": {
			prepare: func(*rig) {}, mints: "302 x", kinds: []string{"client_credentials, basic"},
		},
		"host that the token may not see": {
			prepare: func(*rig) {}, event: event{"call": "GET https://example.net/"}, kinds: []string{"plain text", "JSON"},
		},
	}
	secrets := kinds(t)
	texts := map[string]string{}
	for failure, f := range failures {
		for _, kind := range slices.Sorted(maps.Keys(secrets)) {
			if f.kinds != nil && !slices.Contains(f.kinds, kind) {
				continue
			}
			synctest.Test(t, func(t *testing.T) {
				r := newRig(t, nil)
				r.secrets.put(current, "v1", secrets[kind], 24*time.Hour)
				answer := f.mints
				if answer == "" {
					answer = "m1"
				}
				r.mint(answer)
				changes := event{"attempts": 1}
				if strings.HasPrefix(kind, "member") {
					changes["secretKey"] = "api_key"
				}
				maps.Copy(changes, f.event)
				f.prepare(r)
				got := r.run(changes)
				if got.err == nil {
					t.Errorf("%s, %s: no error", failure, kind)
					return
				}
				texts[failure+" · "+kind] = got.kind() + ": " + got.err.Error()
			})
		}
	}
	var b strings.Builder
	for _, name := range slices.Sorted(maps.Keys(texts)) {
		fmt.Fprintf(&b, "## %s\n%s\n\n", name, texts[name])
	}
	golden(t, "texts.golden", b.String())
	for name, text := range texts {
		if strings.Contains(text, "file://token.txt") != (strings.HasSuffix(name, "plain text") && mayStoreText(name)) {
			t.Errorf("%s: a bare token is stored over what is none: %s", name, text)
		}
		if strings.Contains(text, "aws ") && !strings.Contains(text, "--region ") {
			t.Errorf("%s: a command without its Region: %s", name, text)
		}
	}
}

// mayStoreText reports whether a failure's text instructs to store a bare token.
func mayStoreText(name string) bool {
	return slices.ContainsFunc([]string{"401 ", "a reject rule", "invalid_token"}, func(failure string) bool {
		return strings.HasPrefix(name, failure)
	})
}

func golden(t *testing.T, name, got string) {
	t.Helper()
	file := filepath.Join("testdata", name)
	if *update {
		if err := os.MkdirAll("testdata", 0o750); err != nil {
			t.Fatal(err)
		}
		if err := os.WriteFile(file, []byte(got), 0o600); err != nil {
			t.Fatal(err)
		}
	}
	want, err := os.ReadFile(file)
	if err != nil {
		t.Fatal(err)
	}
	if diff := cmp.Diff(string(want), got); diff != "" {
		t.Errorf("%s (-golden +now; make generate writes it):\n%s", file, diff)
	}
}
