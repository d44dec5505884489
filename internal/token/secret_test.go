package token_test

import (
	"encoding/base64"
	"encoding/json"
	"errors"
	"fmt"
	"maps"
	"net/http"
	"net/url"
	"slices"
	"strings"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"

	"github.com/cronbearer/cronbearer/internal/dev/pki"
	"github.com/cronbearer/cronbearer/internal/dev/tokenserver"
	"github.com/cronbearer/cronbearer/internal/redact"
	"github.com/cronbearer/cronbearer/internal/token"
)

// canary must not appear in any text.
const canary = "canary-3f9a7c51e2d84b60"

func TestNormalizing(t *testing.T) {
	t.Parallel()
	const good = "abcDEF0123._~+/-=="
	ok, fails := func(want string) string { return want }, ""
	cases := map[string]struct{ text, want string }{
		"as it is":                          {text: good, want: ok(good)},
		"new line":                          {text: good + "\n", want: ok(good)},
		"carriage return":                   {text: good + "\r\n", want: ok(good)},
		"white space around":                {text: " \t" + good + " \n", want: ok(good)},
		"no-break space around":             {text: "\u00a0" + good + "\u2028", want: ok(good)},
		"byte order mark":                   {text: "\ufeff" + good, want: ok(good)},
		"white space before the mark":       {text: " \ufeff " + good, want: ok(good)},
		"two byte order marks":              {text: "\ufeff\ufeff" + good, want: fails},
		"mark inside quotes":                {text: "\"\ufeff" + good + "\"", want: fails},
		"quotes":                            {text: `"` + good + `"`, want: ok(good)},
		"white space in and around quotes":  {text: "\n \" " + good + " \" \n", want: ok(good)},
		"quotes twice":                      {text: `""` + good + `""`, want: fails},
		"quote at the start only":           {text: `"` + good, want: fails},
		"quote at the end only":             {text: good + `"`, want: fails},
		"one quote":                         {text: `"`, want: fails},
		"single quotes":                     {text: `'` + good + `'`, want: ok(good)},
		"single quote at the start only":    {text: `'` + good, want: fails},
		"unlike quotes":                     {text: `'` + good + `"`, want: fails},
		"scheme":                            {text: "Bearer " + good, want: ok(good)},
		"scheme in lower case":              {text: "bearer " + good, want: ok(good)},
		"scheme in upper case":              {text: "BEARER\t \t" + good, want: ok(good)},
		"scheme and new line":               {text: "Bearer\n" + good, want: ok(good)},
		"scheme twice":                      {text: "Bearer Bearer " + good, want: fails},
		"mark, quotes, white space, scheme": {text: "\ufeff \" Bearer  " + good + " \" ", want: ok(good)},
		"quotes after the scheme":           {text: `Bearer "` + good + `"`, want: fails},
		"scheme without white space":        {text: "Bearer" + good, want: ok("Bearer" + good)},
		"scheme with a colon":               {text: "Bearer: " + good, want: fails},
		"only the scheme":                   {text: "Bearer", want: fails},
		"only the scheme, quoted":           {text: ` "bearer " `, want: fails},
		"scheme as the token":               {text: "Bearer Bearer", want: fails},
		"nothing":                           {text: "", want: fails},
		"white space only":                  {text: " \r\n", want: fails},
		"only quotes":                       {text: `""`, want: fails},
		"seven bytes":                       {text: "abcdefg", want: fails},
		"eight bytes":                       {text: "abcdefgh", want: ok("abcdefgh")},
		"8192 bytes":                        {text: strings.Repeat("a", 8192), want: ok(strings.Repeat("a", 8192))},
		"8193 bytes":                        {text: strings.Repeat("a", 8193), want: fails},
		"inner space":                       {text: "abcdefgh ijkl", want: fails},
		"inner line break":                  {text: "abcdefgh\nX-Evil: 1", want: fails},
		"zero-width space":                  {text: "abcdefgh\u200b", want: fails},
		"letter outside ASCII":              {text: "abcdefghö", want: fails},
		"NUL":                               {text: "abcdefgh\x00", want: fails},
		"bytes that are not UTF-8":          {text: "abcdefgh\xff", want: fails},
		"equals signs at the end":           {text: "abcdefgh===", want: ok("abcdefgh===")},
		"equals sign inside":                {text: "abcd=efgh", want: ok("abcd=efgh")},
		"number and bar, Laravel Sanctum":   {text: "17|Zk3vQ0p8WnXr5TsbLq2e", want: ok("17|Zk3vQ0p8WnXr5TsbLq2e")},
		"every other visible character":     {text: "!#$%&()*+-./:=?@[]^_{|}~", want: ok("!#$%&()*+-./:=?@[]^_{|}~")},
		"backslash":                         {text: `abcdefgh\ijkl`, want: fails},
		"semicolon":                         {text: "abcdefgh;", want: fails},
		"angle bracket":                     {text: "<abcdefgh>", want: fails},
		"backtick":                          {text: "`abcdefgh", want: fails},
		"brace at the start":                {text: "'{{TOKEN}}abcdef'", want: fails},
		"bracket at the start":              {text: "[abcdefgh]", want: fails},
		"PEM block":                         {text: "-----BEGIN", want: fails},
		"assignment":                        {text: "API_TOKEN=abcdefgh", want: fails},
		"assignment in small letters":       {text: "apikey=a", want: fails},
		"assignment with a long name":       {text: strings.Repeat("a", 36) + "_KEY=abcdefgh", want: fails},
		"assignment, name over 40": {text: strings.Repeat("a", 37) +
			"_KEY=abcdefgh", want: ok(strings.Repeat("a", 37) + "_KEY=abcdefgh")},
		"name and padding only":              {text: "mysecret==", want: ok("mysecret==")},
		"assignment of something else":       {text: "API_TOKENS=abcdefgh", want: ok("API_TOKENS=abcdefgh")},
		"name that begins with a digit":      {text: "1token=abcdefgh", want: ok("1token=abcdefgh")},
		"equals signs only":                  {text: "========", want: fails},
		"comma":                              {text: "abcdefgh,", want: fails},
		"a JSON list":                        {text: `["abcdefgh"]`, want: fails},
		"an object within quotes":            {text: `"{\"token\":\"abcdefgh\"}"`, want: fails},
		"a header's whole line":              {text: "Authorization: Bearer " + good, want: ok(good)},
		"a header's line in quotes":          {text: "'authorization:\tbearer " + good + "'", want: ok(good)},
		"a header without white space":       {text: "AUTHORIZATION:" + good, want: ok(good)},
		"a header's name twice":              {text: "Authorization:Authorization:" + good, want: fails},
		"another scheme":                     {text: "Authorization: Basic " + good, want: fails},
		"object with a mark and white space": {text: "\ufeff\n {\"token\":\"" + good + "\"}\n", want: ok(good)},
		"object with two marks":              {text: "\ufeff\ufeff{\"token\":\"" + good + "\"}", want: fails},
	}
	for name, c := range cases {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			d, err := token.ParseSecret(c.text, &redact.Scrubber{})
			if c.want == fails {
				if _, malformed := errors.AsType[*token.MalformedError](err); !malformed {
					t.Fatalf("ParseSecret(%q) = %q, %v; want a *MalformedError", c.text, d.Token.Reveal(), err)
				}
				return
			}
			if err != nil || d.Token.Reveal() != c.want {
				t.Fatalf("ParseSecret(%q) = %q, %v; want %q", c.text, d.Token.Reveal(), err, c.want)
			}
		})
	}
	// The same rules hold for the key token of an object.
	for name, c := range cases {
		if strings.Contains(name, "object") || c.text == "" || strings.Contains(c.text, "\xff") {
			continue
		}
		t.Run("in an object/"+name, func(t *testing.T) {
			t.Parallel()
			text, err := json.Marshal(map[string]string{"token": c.text})
			if err != nil {
				t.Fatal(err)
			}
			d, err := token.ParseSecret(string(text), &redact.Scrubber{})
			if got := d.Token.Reveal(); (err != nil) != (c.want == fails) || err == nil && got != c.want {
				t.Fatalf("token %q: got %q, %v; want %q", c.text, got, err, c.want)
			}
		})
	}
}

// object makes a secret's JSON from a valid one of the kind and changes; a nil value removes a key.
func object(t *testing.T, base map[string]any, changes map[string]any) string {
	t.Helper()
	merged := maps.Clone(base)
	for k, v := range changes {
		if v == nil {
			delete(merged, k)
		} else {
			merged[k] = v
		}
	}
	text, err := json.Marshal(merged)
	if err != nil {
		t.Fatal(err)
	}
	return string(text)
}

// The other side, and the secrets of its clients.
type answer = tokenserver.Answer

var (
	clientCredentials = tokenserver.ClientCredentials
	jwtBearer         = tokenserver.JWTBearer
	refreshToken      = tokenserver.RefreshToken
	jwtWith           = tokenserver.JWT
)

type change = map[string]any

func TestOAuth2IsValidated(t *testing.T) {
	t.Parallel()
	k := pki.SigningKeys()
	cases := map[string]struct {
		base    map[string]any
		changes change
		token   string // next to oauth2
		want    []string
	}{
		"client_credentials":             {base: clientCredentials()},
		"client_credentials in the body": {base: clientCredentials(), changes: change{"auth": "body"}},
		"client_credentials with a key": {
			base: clientCredentials(), changes: change{"auth": "private_key_jwt", "client_secret": nil, "private_key": k.RSA},
		},
		"client_credentials, PKCS #1": {
			base: clientCredentials(), changes: change{"auth": "private_key_jwt", "private_key": k.PKCS1},
		},
		"client_credentials, P-256": {
			base: clientCredentials(), changes: change{"auth": "private_key_jwt", "private_key": k.P256, "algorithm": "ES256"},
		},
		"client_credentials, SEC 1": {
			base: clientCredentials(), changes: change{"auth": "private_key_jwt", "private_key": k.SEC1, "algorithm": "ES256"},
		},
		"client_credentials, Ed25519": {
			base:    clientCredentials(),
			changes: change{"auth": "private_key_jwt", "private_key": k.Ed25519, "algorithm": "EdDSA"},
		},
		"client_credentials, PS256": {
			base: clientCredentials(), changes: change{"auth": "private_key_jwt", "private_key": k.RSA, "algorithm": "PS256"},
		},
		"jwt_bearer": {base: jwtBearer()},
		"jwt_bearer with a client": {
			base: jwtBearer(), changes: change{"client_id": "id", "client_secret": "client-secret-1"},
		},
		"jwt_bearer, public client": {base: jwtBearer(), changes: change{"client_id": "id"}},
		"refresh_token":             {base: refreshToken(), token: "access-token-1"},
		"refresh_token, public client": {
			base: refreshToken(), token: "access-token-1", changes: change{"auth": "body", "client_secret": nil},
		},
		"port, path and query": {
			base: clientCredentials(), changes: change{"token_url": "https://example.com:8443/a/b?c=d"},
		},
		"null is absent": {base: jwtBearer(), changes: change{"client_id": json.RawMessage("null")}},
		"no grant": {
			base: clientCredentials(), changes: change{"grant": nil}, want: []string{"oauth2.grant is missing"},
		},
		"unknown grant": {
			base: clientCredentials(), changes: change{"grant": canary}, want: []string{"oauth2.grant must be"},
		},
		"unknown grant next to a token": {
			base: clientCredentials(), changes: change{"grant": canary}, token: "access-token-1",
			want: []string{"oauth2.grant must be"},
		},
		"grant in another case": {
			base: clientCredentials(), changes: change{"grant": "Client_Credentials"}, want: []string{"oauth2.grant must be"},
		},
		"grant as on the wire": {
			base: jwtBearer(),
			changes: change{
				"grant": "urn:ietf:params:oauth:grant-type:jwt-bearer", "client_id": "id", "auth": "private_key_jwt",
			},
			want: []string{"oauth2.grant must be"},
		},
		"unknown auth": {
			base: clientCredentials(), changes: change{"auth": canary}, want: []string{"oauth2.auth must be"},
		},
		"no client_id": {
			base: clientCredentials(), changes: change{"client_id": nil}, want: []string{"oauth2.client_id is missing"},
		},
		"empty client_secret": {
			base: clientCredentials(), changes: change{"client_secret": ""}, want: []string{"oauth2.client_secret is missing"},
		},
		"no client_secret in the body": {
			base: clientCredentials(), changes: change{"auth": "body", "client_secret": nil},
			want: []string{"oauth2.client_secret is missing"},
		},
		"short client_secret": {
			base: clientCredentials(), changes: change{"client_secret": "7 bytes"},
			want: []string{"oauth2.client_secret is shorter than 8 bytes"},
		},
		"short refresh_token": {
			base: refreshToken(), token: "access-token-1", changes: change{"refresh_token": "7 bytes"},
			want: []string{"oauth2.refresh_token is shorter than 8 bytes"},
		},
		"no refresh_token": {
			base: refreshToken(), token: "access-token-1", changes: change{"refresh_token": nil},
			want: []string{"oauth2.refresh_token is missing"},
		},
		"refresh_token without token": {base: refreshToken(), want: []string{"token is missing"}},
		"refresh_token, basic, no secret": {
			base: refreshToken(), token: "access-token-1", changes: change{"client_secret": nil},
			want: []string{"oauth2.client_secret is missing"},
		},
		"token next to client_credentials": {
			base: clientCredentials(), token: "access-token-1", want: []string{"exclude each other"},
		},
		"token next to jwt_bearer": {base: jwtBearer(), token: "access-token-1", want: []string{"exclude each other"}},
		"jwt_bearer without issuer": {
			base: jwtBearer(), changes: change{"issuer": nil}, want: []string{"oauth2.issuer is missing"},
		},
		"jwt_bearer without key": {
			base: jwtBearer(), changes: change{"private_key": nil}, want: []string{"oauth2.private_key is missing"},
		},
		"jwt_bearer, secret without id": {
			base: jwtBearer(), changes: change{"client_secret": "client-secret-1"},
			want: []string{"oauth2.client_id is missing"},
		},
		"jwt_bearer, key client, no id": {
			base: jwtBearer(), changes: change{"auth": "private_key_jwt"}, want: []string{"oauth2.client_id is missing"},
		},
		"private_key_jwt without key": {
			base: clientCredentials(), changes: change{"auth": "private_key_jwt"},
			want: []string{"oauth2.private_key is missing"},
		},
		"key that is not PEM": {
			base: jwtBearer(), changes: change{"private_key": canary}, want: []string{"oauth2.private_key is not a PEM block"},
		},
		"RSA key, ES256": {
			base: jwtBearer(), changes: change{"algorithm": "ES256"},
			want: []string{"oauth2.algorithm must be RS256 or PS256"},
		},
		"RSA key, HS256": {
			base: jwtBearer(), changes: change{"algorithm": "HS256"},
			want: []string{"oauth2.algorithm must be RS256 or PS256"},
		},
		"P-256 key, default algorithm": {
			base: jwtBearer(), changes: change{"private_key": k.P256}, want: []string{"oauth2.algorithm must be ES256"},
		},
		"Ed25519 key, default algorithm": {
			base: jwtBearer(), changes: change{"private_key": k.Ed25519}, want: []string{"oauth2.algorithm must be EdDSA"},
		},
		"no token_url": {
			base: clientCredentials(), changes: change{"token_url": nil}, want: []string{"oauth2.token_url is missing"},
		},
		"token_url over HTTP": {
			base: clientCredentials(), changes: change{"token_url": "http://example.com/" + canary},
			want: []string{"oauth2.token_url must begin with https://"},
		},
		"token_url with user info": {base: clientCredentials(), changes: change{"token_url": "https://u:" +
			canary + "@example.com/"}, want: []string{"oauth2.token_url must be a URL without user info"}},
		"token_url with a fragment": {
			base: clientCredentials(), changes: change{"token_url": "https://example.com/#" + canary},
			want: []string{"oauth2.token_url must be a URL without"},
		},
		"token_url with a bad escape": {
			base: clientCredentials(), changes: change{"token_url": "https://example.com/%zz" + canary},
			want: []string{"oauth2.token_url must be a URL"},
		},
		"token_url with an address": {
			base: clientCredentials(), changes: change{"token_url": "https://169.254.169.254/token"},
			want: []string{"oauth2.token_url: an IP address"},
		},
		"token_url with an IPv6 address": {
			base: clientCredentials(), changes: change{"token_url": "https://[::1]/token"},
			want: []string{"oauth2.token_url: "},
		},
		"token_url with a bad port": {
			base: clientCredentials(), changes: change{"token_url": "https://example.com:70000/token"},
			want: []string{"oauth2.token_url: the port"},
		},
		"token_url without a host": {
			base: clientCredentials(), changes: change{"token_url": "https:///token"},
			want: []string{"oauth2.token_url: the host name is missing"},
		},
		"wrong types": {
			base: clientCredentials(), changes: change{"scope": []string{canary}, "audience": 5},
			want: []string{"oauth2.scope must be a string, not a list", "oauth2.audience must be a string, not a number"},
		},
		"key in another case": {
			base: clientCredentials(), changes: change{"Client_Id": "x"},
			want: []string{"unknown member oauth2.Client_Id: did you mean oauth2.client_id?"},
		},
		"every problem at once": {
			base: clientCredentials(), changes: change{"grant": "x", "auth": "y", "client_id": nil, "token_url": "z"},
			want: []string{"oauth2.token_url must", "oauth2.auth must", "oauth2.grant must", "oauth2.client_id is missing"},
		},
	}
	for name, c := range cases {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			whole := map[string]any{"oauth2": json.RawMessage(object(t, c.base, c.changes))}
			if c.token != "" {
				whole["token"] = c.token
			}
			d, err := token.ParseSecret(object(t, whole, nil), &redact.Scrubber{})
			wantProblems(t, err, c.want...)
			if err == nil && d.Minted() != (c.token == "") {
				t.Errorf("Minted() = %t next to token %q", d.Minted(), c.token)
			}
		})
	}
}

// wantProblems requires exactly these problems, each identified by its beginning or a part of it, and no canary.
func wantProblems(t *testing.T, err error, want ...string) {
	t.Helper()
	if len(want) == 0 {
		if err != nil {
			t.Fatalf("unexpected error: %s", err)
		}
		return
	}
	malformed, ok := errors.AsType[*token.MalformedError](err)
	if !ok {
		t.Fatalf("got error %v, want a *MalformedError with %q", err, want)
	}
	if strings.Contains(err.Error(), canary) {
		t.Errorf("the error shows a value of the secret: %s", err)
	}
	if len(malformed.Problems) != len(want) {
		t.Errorf("got problems %q, want %d: %q", malformed.Problems, len(want), want)
	}
	for _, w := range want {
		if !slices.ContainsFunc(malformed.Problems, func(p string) bool { return strings.Contains(p, w) }) {
			t.Errorf("no problem says %q: %q", w, malformed.Problems)
		}
	}
}

func TestSecretProblems(t *testing.T) {
	t.Parallel()
	cases := map[string]struct {
		text string
		want []string
	}{
		"broken JSON":    {text: `{"token":"` + canary + `"`, want: []string{"not valid JSON at byte"}},
		"trailing data":  {text: `{"token":"abcdefgh"} ` + canary, want: []string{"something follows the value"}},
		"not UTF-8":      {text: "{\"token\":\"abcdefgh\xff\"}", want: []string{"not UTF-8"}},
		"number in JSON": {text: `{"token":"` + canary + `","expires_at":1e}`, want: []string{"not valid JSON"}},
		"duplicate key":  {text: `{"token":"` + canary + `","token":"abcdefgh"}`, want: []string{"duplicate key"}},
		"duplicate key, escaped": {text: `{"token":"` + canary +
			`","\u0074oken":"abcdefgh"}`, want: []string{"duplicate key"}},
		"duplicate key inside": {text: `{"token":"` + canary +
			`","rotate":{"call":"POST https://example.com/","token":"/t","token":"/t"}}`, want: []string{"duplicate key"}},
		"key in another case": {text: `{"Token":"` + canary +
			`"}`, want: []string{"unknown member Token: did you mean token?"}},
		"no token":     {text: `{"hosts":["example.com"]}`, want: []string{"token is missing"}},
		"empty object": {text: `{}`, want: []string{"token is missing"}},
		"empty token":  {text: `{"token":""}`, want: []string{"token is missing"}},
		"null token":   {text: `{"token":null}`, want: []string{"token is missing"}},
		"token of a wrong type": {text: `{"token":{"x":"` + canary +
			`"}}`, want: []string{"token must be a string, not an object"}},
		"numeric token": {
			text: `{"token":1234567890123}`, want: []string{"token must be a string, not a number"},
		},
		"short token": {
			text: `{"token":"1234567"}`, want: []string{"token: the token is shorter than 8 bytes"},
		},
		"token with a space": {text: `{"token":"` + canary +
			` x"}`, want: []string{"token: the token has white space inside, at byte 24"}},
		"oauth2 of a wrong type": {text: `{"token":"abcdefgh","oauth2":"` + canary +
			`"}`, want: []string{"oauth2 must be an object, not a string"}},
		"hosts of a wrong type": {text: `{"token":"abcdefgh","hosts":{"` + canary +
			`":1}}`, want: []string{"hosts must be a list of strings, or one comma-separated string, not an object"}},
		"hosts that are not hosts": {text: `{"token":"abcdefgh","hosts":"example.com, https://` + canary +
			`"}`, want: []string{"hosts: entry 2: write only the host"}},
		"host of a wrong type": {
			text: `{"token":"abcdefgh","hosts":["example.com",7]}`,
			want: []string{"hosts: entry 2 must be a string, not a number"},
		},
		"bad hosts": {text: `{"token":"abcdefgh","hosts":["https://` + canary +
			`","example.com","10.0.0.1","example.com:0"]}`, want: []string{"hosts: entry 1"}},
		"oauth2 next to rotate": {
			text: `{"token":"abcdefgh","oauth2":` + refreshJSON +
				`,"rotate":{"call":"POST https://example.com/","token":"/token"}}`,
			want: []string{"oauth2 and rotate exclude each other"},
		},
		"rotate without token": {
			text: `{"rotate":{"call":"POST https://example.com/","token":"/token"}}`, want: []string{"token is missing"},
		},
		"rotate without its keys": {
			text: `{"token":"abcdefgh","rotate":{"headers":{"X-Key":"12345678"}}}`,
			want: []string{"rotate.call is missing", "rotate.token is missing"},
		},
		"rotate with bad pointers": {
			text: `{"token":"abcdefgh","rotate":{"call":"POST https://example.com/","token":"` +
				canary + `","expires_at":"~"}}`,
			want: []string{"rotate.token must be empty or begin with /", "rotate.expires_at must"},
		},
		"rotate with an HTTP call": {text: `{"token":"abcdefgh","rotate":{"call":"POST http://example.com/` + canary +
			`","token":"/token"}}`, want: []string{"rotate.call: the URL must begin with https://"}},
		"placeholder in rotate": {text: `{"token":"abcdefgh","rotate":{"call":"POST https://example.com/{{` + canary +
			`}}","token":"/token"}}`, want: []string{"rotate.call: an unknown placeholder; known are"}},
		"placeholder in its body": {
			text: `{"token":"abcdefgh","rotate":{"call":"POST https://example.com/","token":"/token","body":{"a":["{{` +
				canary + `}}"]}}}`,
			want: []string{"rotate.body: an unknown placeholder; known are"},
		},
		"placeholder in its header": {
			text: `{"token":"abcdefgh","rotate":{"call":"POST https://example.com/","token":"/token",` +
				`"headers":{"X-A":"{{jwt}}"}}}`,
			want: []string{"rotate.headers: header 1: unknown placeholder {{jwt}}; known are"},
		},
		"known placeholder": {
			text: `{"token":"abcdefgh","test":"GET https://example.com/{{runId}}"}`, want: []string{"test: must not contain {{"},
		},
		"open placeholder in test": {text: `{"token":"abcdefgh","test":"GET https://example.com/?a={{` + canary +
			`"}`, want: []string{"test: must not contain {{"}},
		"bad test": {text: `{"token":"abcdefgh","test":"get https://example.com/` + canary +
			`"}`, want: []string{"test: the method must be 1 to 20 upper-case letters"}},
		"header that the call sets": {
			text: `{"token":"abcdefgh","rotate":{"call":"POST https://example.com/","token":"/token",` +
				`"headers":{"authorization":"` + canary + `"}}}`,
			want: []string{"rotate.headers: the name of header 1 must not be set"},
		},
		"header with a line break": {
			text: `{"token":"abcdefgh","rotate":{"call":"POST https://example.com/","token":"/token","headers":{"X-Key":"` +
				canary + `\nX: y"}}}`,
			want: []string{"rotate.headers: header 1 must be printable ASCII"},
		},
		"header twice": {
			text: `{"token":"abcdefgh","rotate":{"call":"POST https://example.com/","token":"/token",` +
				`"headers":{"X-Key":"12345678","x-key":"` + canary + `"}}}`,
			want: []string{"rotate.headers: header 2 is a duplicate"},
		},
		"header of a wrong type": {
			text: `{"token":"abcdefgh","rotate":{"call":"POST https://example.com/","token":"/token",` +
				`"headers":{"X-Key":12345678901}}}`,
			want: []string{"rotate.headers: header 1 must be a string, not a number"},
		},
		"every problem at once": {
			text: `{"token":"` + canary +
				`;","hosts":5,"test":"GET ftp://x/","rotate":7}`,
			want: []string{"token: ", "hosts must be a list", "test: ", "rotate must be"},
		},
	}
	for name, c := range cases {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			scrub := &redact.Scrubber{}
			_, err := token.ParseSecret(c.text, scrub)
			wantProblems(t, err, c.want...)
		})
	}
}

const refreshJSON = `{"grant":"refresh_token","token_url":"https://example.com/token","client_id":"id",` +
	`"client_secret":"client-secret-1","refresh_token":"refresh-token-1"}`

// Whether or not a secret is usable, the scrubber knows each of its secret strings afterwards.
func TestEverySecretStringIsScrubbed(t *testing.T) {
	t.Parallel()
	pem := strings.ReplaceAll(pki.SigningKeys().RSA, "\n", `\n`)
	cases := map[string]string{
		"plain text":                 canary,
		"plain text, malformed":      "Bearer  " + canary + " and more",
		"token":                      `{"token":"` + canary + `"}`,
		"token, malformed":           `{"token":"Bearer ` + canary + `","hosts":7}`,
		"client_secret":              `{"oauth2":{"grant":"client_credentials","client_secret":"` + canary + `"}}`,
		"client_secret, wrong grant": `{"oauth2":{"grant":"x","client_secret":"` + canary + `"}}`,
		"refresh_token": `{"token":"abcdefgh","oauth2":{"grant":"refresh_token","refresh_token":"` +
			canary + `"}}`,
		"private_key": `{"oauth2":{"private_key":"` + canary + `"}}`,
		"private_key that is used": `{"oauth2":{"grant":"jwt_bearer","issuer":"i","token_url":"https://example.com/",` +
			`"private_key":"` + pem + `"}}`,
		"header of rotate":            `{"token":"abcdefgh","rotate":{"headers":{"X-Key":"` + canary + `"}}}`,
		"header of rotate, forbidden": `{"token":"abcdefgh","rotate":{"headers":{"Host":"` + canary + `"}}}`,
	}
	for name, text := range cases {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			secret := canary
			if name == "private_key that is used" {
				secret = pki.SigningKeys().RSA
			}
			scrub := &redact.Scrubber{}
			_, _ = token.ParseSecret(text, scrub)
			for _, written := range []string{
				secret, url.QueryEscape(secret), base64.StdEncoding.EncodeToString([]byte(secret)), fmt.Sprintf("%q", secret),
			} {
				if got := scrub.Scrub("before " + written + " after"); strings.Contains(got, written[8:len(written)-8]) {
					t.Errorf("%s is left in %s", written, got)
				}
			}
		})
	}
}

func TestExpiresAt(t *testing.T) {
	t.Parallel()
	day := time.Date(2027, 1, 31, 0, 0, 0, 0, time.UTC)
	cases := map[string]struct {
		json string
		want time.Time
		warn bool
	}{
		"absent":                {json: ``, want: time.Time{}, warn: false},
		"null":                  {json: `null`, want: time.Time{}, warn: false},
		"RFC 3339":              {json: `"2027-01-31T00:00:00Z"`, want: day, warn: false},
		"offset":                {json: `"2027-01-31T02:00:00+02:00"`, want: day, warn: false},
		"fraction":              {json: `"2027-01-31T00:00:00.5Z"`, want: day.Add(time.Second / 2), warn: false},
		"date: midnight UTC":    {json: `"2027-01-31"`, want: day, warn: false},
		"no time":               {json: `"tomorrow"`, want: time.Time{}, warn: true},
		"empty":                 {json: `""`, want: time.Time{}, warn: true},
		"no zone":               {json: `"2027-01-31T00:00:00"`, want: day, warn: false},
		"space":                 {json: `"2027-01-31 00:00:00"`, want: day, warn: false},
		"space and zone":        {json: `"2027-01-31 01:00:00+01:00"`, want: day, warn: false},
		"offset without colon":  {json: `"2027-01-31T00:00:00+0000"`, want: day, warn: false},
		"offset after a space":  {json: `"2027-01-31 02:00:00 +0200"`, want: day, warn: false},
		"offset of hours":       {json: `"2027-01-31 00:00:00+00"`, want: day, warn: false},
		"UTC in letters":        {json: `" 2027-01-31 00:00:00 UTC "`, want: day, warn: false},
		"small letters":         {json: `"2027-01-31t00:00:00z"`, want: day, warn: false},
		"another zone's name":   {json: `"2027-01-31 00:00:00 CET"`, want: time.Time{}, warn: true},
		"day first":             {json: `"31.01.2027"`, want: time.Time{}, warn: true},
		"no such day":           {json: `"2027-02-30"`, want: time.Time{}, warn: true},
		"Unix seconds":          {json: `1801353600`, want: day, warn: false},
		"Unix seconds as text":  {json: `" 1801353600 "`, want: day, warn: false},
		"Unix milliseconds":     {json: `1801353600000`, want: day, warn: false},
		"milliseconds as text":  {json: `"1801353600000"`, want: day, warn: false},
		"fraction of a second":  {json: `1801353600.5`, want: day.Add(time.Second / 2), warn: false},
		"exponent":              {json: `1.8013536e9`, want: day, warn: false},
		"zero":                  {json: `0`, want: time.Time{}, warn: true},
		"negative":              {json: `-1801353600`, want: time.Time{}, warn: true},
		"absurd":                {json: `1e400`, want: time.Time{}, warn: true},
		"text Inf":              {json: `"Inf"`, want: time.Time{}, warn: true},
		"hexadecimal":           {json: `"0x6b5e1b00"`, want: time.Time{}, warn: true},
		"object":                {json: `{"x":1}`, want: time.Time{}, warn: true},
		"true":                  {json: `true`, want: time.Time{}, warn: true},
		"list":                  {json: `[]`, want: time.Time{}, warn: true},
		"past year 9999 in UTC": {json: `"9999-12-31T23:59:59-01:00"`, want: time.Time{}, warn: true},
		"before year 1 in UTC":  {json: `"0001-01-01T00:00:00+01:00"`, want: time.Time{}, warn: true},
	}
	for name, c := range cases {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			text := `{"token":"abcdefgh"}`
			if c.json != "" {
				text = `{"token":"abcdefgh","expires_at":` + c.json + `}`
			}
			d, err := token.ParseSecret(text, &redact.Scrubber{})
			if err != nil {
				t.Fatalf("a malformed expires_at must be a warning: %s", err)
			}
			if diff := cmp.Diff(c.want, d.Expiry); diff != "" {
				t.Errorf("expiry (-want +got):\n%s", diff)
			}
			if (len(d.Warnings) > 0) != c.warn || d.ExpiryUnreadable != c.warn {
				t.Errorf("warnings %q, unreadable %t, want some: %t", d.Warnings, d.ExpiryUnreadable, c.warn)
			}
			if _, err := json.Marshal(d.Expiry); err != nil {
				t.Errorf("the result could not be written: %s", err)
			}
		})
	}
}

func TestExpiryOfJWT(t *testing.T) {
	t.Parallel()
	at := func(seconds int64, nanos int64) time.Time { return time.Unix(seconds, nanos).UTC() }
	otherwise := time.Date(2027, 1, 31, 0, 0, 0, 0, time.UTC) // expires_at
	cases := map[string]struct {
		token string
		want  time.Time
	}{
		"whole":               {token: jwtWith(`{"exp":1801353600}`), want: at(1801353600, 0)},
		"a date and time":     {token: jwtWith(`{"exp":"2027-01-30T00:00:00Z"}`), want: at(1801267200, 0)},
		"fraction":            {token: jwtWith(`{"exp":1801353600.25}`), want: at(1801353600, 250_000_000)},
		"exponent":            {token: jwtWith(`{"exp":1.8e9}`), want: at(1800000000, 0)},
		"past":                {token: jwtWith(`{"exp":1}`), want: at(1, 0)},
		"last second":         {token: jwtWith(`{"exp":253402300799}`), want: at(253402300799, 0)},
		"milliseconds":        {token: jwtWith(`{"exp":1801353600000}`), want: at(1801353600, 0)},
		"absurd":              {token: jwtWith(`{"exp":1e400}`), want: otherwise},
		"zero":                {token: jwtWith(`{"exp":0}`), want: otherwise},
		"negative":            {token: jwtWith(`{"exp":-5}`), want: otherwise},
		"text":                {token: jwtWith(`{"exp":"1801353600"}`), want: at(1801353600, 0)},
		"null":                {token: jwtWith(`{"exp":null}`), want: otherwise},
		"no exp":              {token: jwtWith(`{"iat":1801353600}`), want: otherwise},
		"Exp":                 {token: jwtWith(`{"Exp":1801353600}`), want: otherwise},
		"payload is a list":   {token: jwtWith(`[1801353600]`), want: otherwise},
		"payload is not JSON": {token: jwtWith(`exp`), want: otherwise},
		"payload not base64":  {token: "eyJhbGciOiJub25lIn0.+++++.c2ln", want: otherwise},
		"two parts":           {token: "eyJhbGciOiJub25lIn0.eyJleHAiOjF9", want: otherwise},
		"five parts (JWE)":    {token: "a.b.c.d.eeeeeeee", want: otherwise},
		"opaque":              {token: "ghp_0123456789abcdef", want: otherwise},
	}
	for name, c := range cases {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			d, err := token.ParseSecret(`{"token":"`+c.token+`","expires_at":"2027-01-31T00:00:00Z"}`, &redact.Scrubber{})
			if err != nil {
				t.Fatal(err)
			}
			if diff := cmp.Diff(c.want, d.Expiry); diff != "" {
				t.Errorf("expiry (-want +got):\n%s", diff)
			}
		})
	}
}

func TestUnreadableExpWarns(t *testing.T) {
	t.Parallel()
	for exp, warns := range map[string]bool{
		`0`: true, `"soon"`: true, `{}`: true, `1e400`: true, `null`: false, `1801353600`: false,
	} {
		d, err := token.ParseSecret(jwtWith(`{"exp":`+exp+`}`), &redact.Scrubber{})
		if err != nil || len(d.Warnings) > 0 != warns || d.ExpiryUnreadable != warns ||
			d.Expiry.IsZero() != (exp != "1801353600") {
			t.Errorf("exp %s: expiry %s, warnings %q, %v", exp, d.Expiry, d.Warnings, err)
		}
	}
}

func TestHostsOfSecret(t *testing.T) {
	t.Parallel()
	target := &url.URL{Scheme: "https", Host: "example.com"}
	cases := map[string]struct {
		hosts         string
		given, allows bool
	}{
		"absent":           {hosts: ``, given: false, allows: false},
		"null":             {hosts: `,"hosts":null`, given: false, allows: false},
		"binds to nothing": {hosts: `,"hosts":[]`, given: true, allows: false},
		"one host":         {hosts: `,"hosts":["EXAMPLE.com."]`, given: true, allows: true},
		"another port":     {hosts: `,"hosts":["example.com:8443"]`, given: true, allows: false},
		"one string":       {hosts: `,"hosts":" example.net , example.com"`, given: true, allows: true},
		"text of a list":   {hosts: `,"hosts":"[\"example.com\"]"`, given: true, allows: true},
		"spaces in a list": {hosts: `,"hosts":[" example.com "]`, given: true, allows: true},
		"empty string":     {hosts: `,"hosts":""`, given: true, allows: false},
	}
	for name, c := range cases {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			d, err := token.ParseSecret(`{"token":"abcdefgh"`+c.hosts+`}`, &redact.Scrubber{})
			if err != nil {
				t.Fatal(err)
			}
			if given := d.Hosts != nil; given != c.given || given && d.Hosts.Allows(target) != c.allows {
				t.Errorf("hosts given: %t, want %t; allows: want %t", given, c.given, c.allows)
			}
		})
	}
}

func TestRotatedSecretIsValidatedCompletely(t *testing.T) {
	t.Parallel()
	d, err := token.ParseSecret(`{"token":"abcdefgh","test":"GET https://example.com/me",
		"rotate":{"call":"POST https://example.com/rotate/{{runId}}",
		"headers":{"X-Key":"12345678","X-Api-Version":"2","X-Empty":"","X-On":"{{scheduledDate-1d}}"},
		"body":{"name":"cron-{{runId}}","a":2},
		"token":"/a~1b/0","expires_at":"/expires_at","expires_in":"/ttl"}}`, &redact.Scrubber{})
	if err != nil {
		t.Fatal(err)
	}
	if d.Minted() || d.Test == nil || d.Rotate == nil || d.Test.Method != http.MethodGet ||
		d.Rotate.Method != http.MethodPost {
		t.Errorf("read as %+v", d)
	}
	if got := d.Rotate.URL(); got.Host != "example.com" || strings.Contains(got.Path, "{") {
		t.Errorf("the call goes to %s", got)
	}
}

// TestEmptyObjectReportsWhatIsMissing: it is not a static secret.
func TestEmptyObjectReportsWhatIsMissing(t *testing.T) {
	t.Parallel()
	for text, want := range map[string]string{
		`{"oauth2":{}}`:                       "oauth2.grant is missing",
		`{"oauth2":"{}"}`:                     "oauth2.token_url is missing",
		`{"token":"abcdefgh","oauth2":{}}`:    "oauth2.grant is missing",
		`{"token":"abcdefgh","rotate":{}}`:    "rotate.call is missing",
		`{"login":{}}`:                        "login.call is missing",
		`{"jwt":{}}`:                          "jwt.private_key is missing",
		`{"aws_identity":{}}`:                 "aws_identity.audience is missing",
		`{"aws_identity":"{}"}`:               "aws_identity.audience is missing",
		`{"token":"abcdefgh","oauth2": null}`: "",
	} {
		_, err := token.ParseSecret(text, &redact.Scrubber{})
		if (err == nil) != (want == "") || err != nil && !strings.Contains(err.Error(), want) {
			t.Errorf("%s: %v, want %q", text, err, want)
		}
	}
}
