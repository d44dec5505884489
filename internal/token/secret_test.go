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

	"github.com/cronbearer/cronbearer/internal/redact"
	"github.com/cronbearer/cronbearer/internal/token"
)

// canary must stand in no text.
const canary = "canary-3f9a7c51e2d84b60"

func TestNormalising(t *testing.T) {
	t.Parallel()
	const good = "abcDEF0123._~+/-=="
	ok, fails := func(want string) string { return want }, ""
	cases := map[string]struct{ text, want string }{
		"as it is":                           {good, ok(good)},
		"new line":                           {good + "\n", ok(good)},
		"carriage return":                    {good + "\r\n", ok(good)},
		"white space around":                 {" \t" + good + " \n", ok(good)},
		"no-break space around":              {"\u00a0" + good + "\u2028", ok(good)},
		"byte order mark":                    {"\ufeff" + good, ok(good)},
		"white space before the mark":        {" \ufeff " + good, ok(good)},
		"two byte order marks":               {"\ufeff\ufeff" + good, fails},
		"mark inside quotes":                 {"\"\ufeff" + good + "\"", fails},
		"quotes":                             {`"` + good + `"`, ok(good)},
		"white space in and around quotes":   {"\n \" " + good + " \" \n", ok(good)},
		"quotes twice":                       {`""` + good + `""`, fails},
		"quote at the start only":            {`"` + good, fails},
		"quote at the end only":              {good + `"`, fails},
		"one quote":                          {`"`, fails},
		"single quotes":                      {`'` + good + `'`, ok(good)},
		"single quote at the start only":     {`'` + good, fails},
		"unlike quotes":                      {`'` + good + `"`, fails},
		"scheme":                             {"Bearer " + good, ok(good)},
		"scheme in lower case":               {"bearer " + good, ok(good)},
		"scheme in upper case":               {"BEARER\t \t" + good, ok(good)},
		"scheme and new line":                {"Bearer\n" + good, ok(good)},
		"scheme twice":                       {"Bearer Bearer " + good, fails},
		"mark, quotes, white space, scheme":  {"\ufeff \" Bearer  " + good + " \" ", ok(good)},
		"quotes after the scheme":            {`Bearer "` + good + `"`, fails},
		"scheme without white space":         {"Bearer" + good, ok("Bearer" + good)},
		"scheme with a colon":                {"Bearer: " + good, fails},
		"only the scheme":                    {"Bearer", fails},
		"only the scheme, quoted":            {` "bearer " `, fails},
		"scheme as the token":                {"Bearer Bearer", fails},
		"nothing":                            {"", fails},
		"white space only":                   {" \r\n", fails},
		"only quotes":                        {`""`, fails},
		"seven bytes":                        {"abcdefg", fails},
		"eight bytes":                        {"abcdefgh", ok("abcdefgh")},
		"8192 bytes":                         {strings.Repeat("a", 8192), ok(strings.Repeat("a", 8192))},
		"8193 bytes":                         {strings.Repeat("a", 8193), fails},
		"inner space":                        {"abcdefgh ijkl", fails},
		"inner line break":                   {"abcdefgh\nX-Evil: 1", fails},
		"zero-width space":                   {"abcdefgh\u200b", fails},
		"letter outside ASCII":               {"abcdefghö", fails},
		"NUL":                                {"abcdefgh\x00", fails},
		"bytes that are not UTF-8":           {"abcdefgh\xff", fails},
		"equals signs at the end":            {"abcdefgh===", ok("abcdefgh===")},
		"equals sign inside":                 {"abcd=efgh", ok("abcd=efgh")},
		"number and bar, Laravel Sanctum":    {"17|Zk3vQ0p8WnXr5TsbLq2e", ok("17|Zk3vQ0p8WnXr5TsbLq2e")},
		"every other visible character":      {"!#$%&()*+-./:=?@[]^_{|}~", ok("!#$%&()*+-./:=?@[]^_{|}~")},
		"backslash":                          {`abcdefgh\ijkl`, fails},
		"semicolon":                          {"abcdefgh;", fails},
		"angle bracket":                      {"<abcdefgh>", fails},
		"backtick":                           {"`abcdefgh", fails},
		"brace at the start":                 {"'{{TOKEN}}abcdef'", fails},
		"bracket at the start":               {"[abcdefgh]", fails},
		"PEM block":                          {"-----BEGIN", fails},
		"assignment":                         {"API_TOKEN=abcdefgh", fails},
		"assignment in small letters":        {"apikey=a", fails},
		"assignment with a long name":        {strings.Repeat("a", 36) + "_KEY=abcdefgh", fails},
		"assignment, name over 40":           {strings.Repeat("a", 37) + "_KEY=abcdefgh", ok(strings.Repeat("a", 37) + "_KEY=abcdefgh")},
		"name and padding only":              {"mysecret==", ok("mysecret==")},
		"assignment of something else":       {"API_TOKENS=abcdefgh", ok("API_TOKENS=abcdefgh")},
		"name that begins with a digit":      {"1token=abcdefgh", ok("1token=abcdefgh")},
		"equals signs only":                  {"========", fails},
		"comma":                              {"abcdefgh,", fails},
		"a JSON list":                        {`["abcdefgh"]`, fails},
		"an object within quotes":            {`"{\"token\":\"abcdefgh\"}"`, fails},
		"a header's whole line":              {"Authorization: Bearer " + good, ok(good)},
		"a header's line in quotes":          {"'authorization:\tbearer " + good + "'", ok(good)},
		"a header without white space":       {"AUTHORIZATION:" + good, ok(good)},
		"a header's name twice":              {"Authorization:Authorization:" + good, fails},
		"another scheme":                     {"Authorization: Basic " + good, fails},
		"object with a mark and white space": {"\ufeff\n {\"token\":\"" + good + "\"}\n", ok(good)},
		"object with two marks":              {"\ufeff\ufeff{\"token\":\"" + good + "\"}", fails},
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

func clientCredentials() map[string]any {
	return map[string]any{
		"grant": "client_credentials", "token_url": "https://example.com/token", "client_id": "id", "client_secret": "client-secret-1",
	}
}

func jwtBearer() map[string]any {
	return map[string]any{
		"grant": "jwt_bearer", "token_url": "https://example.com/token", "issuer": "me", "private_key": keys().rsa,
	}
}

func refreshToken() map[string]any {
	return map[string]any{
		"grant": "refresh_token", "token_url": "https://example.com/token", "client_id": "id", "client_secret": "client-secret-1", "refresh_token": "refresh-token-1",
	}
}

type change = map[string]any

func TestOAuth2IsValidated(t *testing.T) {
	t.Parallel()
	k := keys()
	cases := map[string]struct {
		base    map[string]any
		changes change
		token   string // beside oauth2
		want    []string
	}{
		"client_credentials":              {base: clientCredentials()},
		"client_credentials in the body":  {base: clientCredentials(), changes: change{"auth": "body"}},
		"client_credentials with a key":   {base: clientCredentials(), changes: change{"auth": "private_key_jwt", "client_secret": nil, "private_key": k.rsa}},
		"client_credentials, PKCS #1":     {base: clientCredentials(), changes: change{"auth": "private_key_jwt", "private_key": k.pkcs1}},
		"client_credentials, P-256":       {base: clientCredentials(), changes: change{"auth": "private_key_jwt", "private_key": k.p256, "algorithm": "ES256"}},
		"client_credentials, SEC 1":       {base: clientCredentials(), changes: change{"auth": "private_key_jwt", "private_key": k.sec1, "algorithm": "ES256"}},
		"client_credentials, Ed25519":     {base: clientCredentials(), changes: change{"auth": "private_key_jwt", "private_key": k.ed25519, "algorithm": "EdDSA"}},
		"client_credentials, PS256":       {base: clientCredentials(), changes: change{"auth": "private_key_jwt", "private_key": k.rsa, "algorithm": "PS256"}},
		"jwt_bearer":                      {base: jwtBearer()},
		"jwt_bearer with a client":        {base: jwtBearer(), changes: change{"client_id": "id", "client_secret": "client-secret-1"}},
		"jwt_bearer, public client":       {base: jwtBearer(), changes: change{"client_id": "id"}},
		"refresh_token":                   {base: refreshToken(), token: "access-token-1"},
		"refresh_token, public client":    {base: refreshToken(), token: "access-token-1", changes: change{"auth": "body", "client_secret": nil}},
		"port, path and query":            {base: clientCredentials(), changes: change{"token_url": "https://example.com:8443/a/b?c=d"}},
		"null is absent":                  {base: jwtBearer(), changes: change{"client_id": json.RawMessage("null")}},
		"no grant":                        {base: clientCredentials(), changes: change{"grant": nil}, want: []string{"oauth2.grant is missing"}},
		"unknown grant":                   {base: clientCredentials(), changes: change{"grant": canary}, want: []string{"oauth2.grant must be"}},
		"unknown grant beside a token":    {base: clientCredentials(), changes: change{"grant": canary}, token: "access-token-1", want: []string{"oauth2.grant must be"}},
		"grant in another case":           {base: clientCredentials(), changes: change{"grant": "Client_Credentials"}, want: []string{"oauth2.grant must be"}},
		"grant as on the wire":            {base: jwtBearer(), changes: change{"grant": "urn:ietf:params:oauth:grant-type:jwt-bearer", "client_id": "id", "auth": "private_key_jwt"}, want: []string{"oauth2.grant must be"}},
		"unknown auth":                    {base: clientCredentials(), changes: change{"auth": canary}, want: []string{"oauth2.auth must be"}},
		"no client_id":                    {base: clientCredentials(), changes: change{"client_id": nil}, want: []string{"oauth2.client_id is missing"}},
		"empty client_secret":             {base: clientCredentials(), changes: change{"client_secret": ""}, want: []string{"oauth2.client_secret is missing"}},
		"no client_secret in the body":    {base: clientCredentials(), changes: change{"auth": "body", "client_secret": nil}, want: []string{"oauth2.client_secret is missing"}},
		"short client_secret":             {base: clientCredentials(), changes: change{"client_secret": "7 bytes"}, want: []string{"oauth2.client_secret is shorter than 8 bytes"}},
		"short refresh_token":             {base: refreshToken(), token: "access-token-1", changes: change{"refresh_token": "7 bytes"}, want: []string{"oauth2.refresh_token is shorter than 8 bytes"}},
		"no refresh_token":                {base: refreshToken(), token: "access-token-1", changes: change{"refresh_token": nil}, want: []string{"oauth2.refresh_token is missing"}},
		"refresh_token without token":     {base: refreshToken(), want: []string{"token is missing"}},
		"refresh_token, basic, no secret": {base: refreshToken(), token: "access-token-1", changes: change{"client_secret": nil}, want: []string{"oauth2.client_secret is missing"}},
		"token beside client_credentials": {base: clientCredentials(), token: "access-token-1", want: []string{"exclude each other"}},
		"token beside jwt_bearer":         {base: jwtBearer(), token: "access-token-1", want: []string{"exclude each other"}},
		"jwt_bearer without issuer":       {base: jwtBearer(), changes: change{"issuer": nil}, want: []string{"oauth2.issuer is missing"}},
		"jwt_bearer without key":          {base: jwtBearer(), changes: change{"private_key": nil}, want: []string{"oauth2.private_key is missing"}},
		"jwt_bearer, secret without id":   {base: jwtBearer(), changes: change{"client_secret": "client-secret-1"}, want: []string{"oauth2.client_id is missing"}},
		"jwt_bearer, key client, no id":   {base: jwtBearer(), changes: change{"auth": "private_key_jwt"}, want: []string{"oauth2.client_id is missing"}},
		"private_key_jwt without key":     {base: clientCredentials(), changes: change{"auth": "private_key_jwt"}, want: []string{"oauth2.private_key is missing"}},
		"key that is no PEM":              {base: jwtBearer(), changes: change{"private_key": canary}, want: []string{"oauth2.private_key is no PEM block"}},
		"PEM that is no key":              {base: jwtBearer(), changes: change{"private_key": k.garbage}, want: []string{"oauth2.private_key cannot be read"}},
		"encrypted key":                   {base: jwtBearer(), changes: change{"private_key": k.encrypted}, want: []string{"oauth2.private_key cannot be read"}},
		"short RSA key":                   {base: jwtBearer(), changes: change{"private_key": k.rsa1024}, want: []string{"less than 2048 bits"}},
		"P-384":                           {base: jwtBearer(), changes: change{"private_key": k.p384, "algorithm": "ES256"}, want: []string{"another curve than P-256"}},
		"X25519":                          {base: jwtBearer(), changes: change{"private_key": k.x25519}, want: []string{"must be an RSA, P-256 or Ed25519 key"}},
		"RSA key, ES256":                  {base: jwtBearer(), changes: change{"algorithm": "ES256"}, want: []string{"oauth2.algorithm must be RS256 or PS256"}},
		"RSA key, none":                   {base: jwtBearer(), changes: change{"algorithm": "none"}, want: []string{"oauth2.algorithm must be RS256 or PS256"}},
		"RSA key, HS256":                  {base: jwtBearer(), changes: change{"algorithm": "HS256"}, want: []string{"oauth2.algorithm must be RS256 or PS256"}},
		"P-256 key, default algorithm":    {base: jwtBearer(), changes: change{"private_key": k.p256}, want: []string{"oauth2.algorithm must be ES256"}},
		"Ed25519 key, default algorithm":  {base: jwtBearer(), changes: change{"private_key": k.ed25519}, want: []string{"oauth2.algorithm must be EdDSA"}},
		"no token_url":                    {base: clientCredentials(), changes: change{"token_url": nil}, want: []string{"oauth2.token_url is missing"}},
		"token_url over HTTP":             {base: clientCredentials(), changes: change{"token_url": "http://example.com/" + canary}, want: []string{"oauth2.token_url must begin with https://"}},
		"token_url with user info":        {base: clientCredentials(), changes: change{"token_url": "https://u:" + canary + "@example.com/"}, want: []string{"oauth2.token_url must be a URL without user info"}},
		"token_url with a fragment":       {base: clientCredentials(), changes: change{"token_url": "https://example.com/#" + canary}, want: []string{"oauth2.token_url must be a URL without"}},
		"token_url with a bad escape":     {base: clientCredentials(), changes: change{"token_url": "https://example.com/%zz" + canary}, want: []string{"oauth2.token_url must be a URL"}},
		"token_url with an address":       {base: clientCredentials(), changes: change{"token_url": "https://169.254.169.254/token"}, want: []string{"oauth2.token_url: an IP address"}},
		"token_url with an IPv6 address":  {base: clientCredentials(), changes: change{"token_url": "https://[::1]/token"}, want: []string{"oauth2.token_url: "}},
		"token_url with a bad port":       {base: clientCredentials(), changes: change{"token_url": "https://example.com:70000/token"}, want: []string{"oauth2.token_url: the port"}},
		"token_url without a host":        {base: clientCredentials(), changes: change{"token_url": "https:///token"}, want: []string{"oauth2.token_url: the host name is missing"}},
		"wrong types":                     {base: clientCredentials(), changes: change{"scope": []string{canary}, "audience": 5}, want: []string{"oauth2.scope must be a string, not a list", "oauth2.audience must be a string, not a number"}},
		"key in another case":             {base: clientCredentials(), changes: change{"Client_Id": "x"}, want: []string{"unknown member oauth2.Client_Id: did you mean oauth2.client_id?"}},
		"every problem at once":           {base: clientCredentials(), changes: change{"grant": "x", "auth": "y", "client_id": nil, "token_url": "z"}, want: []string{"oauth2.token_url must", "oauth2.auth must", "oauth2.grant must", "oauth2.client_id is missing"}},
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
				t.Errorf("Minted() = %t beside token %q", d.Minted(), c.token)
			}
		})
	}
}

// wantProblems wants exactly these problems, each known by its beginning or a part of it, and no canary.
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
		"broken JSON":               {`{"token":"` + canary + `"`, []string{"not valid JSON at byte"}},
		"trailing data":             {`{"token":"abcdefgh"} ` + canary, []string{"something follows the value"}},
		"not UTF-8":                 {"{\"token\":\"abcdefgh\xff\"}", []string{"not UTF-8"}},
		"number in JSON":            {`{"token":"` + canary + `","expires_at":1e}`, []string{"not valid JSON"}},
		"duplicate key":             {`{"token":"` + canary + `","token":"abcdefgh"}`, []string{"duplicate key"}},
		"duplicate key, escaped":    {`{"token":"` + canary + `","\u0074oken":"abcdefgh"}`, []string{"duplicate key"}},
		"duplicate key inside":      {`{"token":"` + canary + `","rotate":{"call":"POST https://example.com/","token":"/t","token":"/t"}}`, []string{"duplicate key"}},
		"key in another case":       {`{"Token":"` + canary + `"}`, []string{"unknown member Token: did you mean token?"}},
		"no token":                  {`{"hosts":["example.com"]}`, []string{"token is missing"}},
		"empty object":              {`{}`, []string{"token is missing"}},
		"empty token":               {`{"token":""}`, []string{"token is missing"}},
		"null token":                {`{"token":null}`, []string{"token is missing"}},
		"token of a wrong type":     {`{"token":{"x":"` + canary + `"}}`, []string{"token must be a string, not an object"}},
		"numeric token":             {`{"token":1234567890123}`, []string{"token must be a string, not a number"}},
		"short token":               {`{"token":"1234567"}`, []string{"token: the token is shorter than 8 bytes"}},
		"token with a space":        {`{"token":"` + canary + ` x"}`, []string{"token: the token has white space inside, at byte 24"}},
		"oauth2 of a wrong type":    {`{"token":"abcdefgh","oauth2":"` + canary + `"}`, []string{"oauth2 must be an object, not a string"}},
		"hosts of a wrong type":     {`{"token":"abcdefgh","hosts":{"` + canary + `":1}}`, []string{"hosts must be a list of strings, or one string with commas between, not an object"}},
		"hosts that are no hosts":   {`{"token":"abcdefgh","hosts":"example.com, https://` + canary + `"}`, []string{"hosts: entry 2: write the host alone"}},
		"host of a wrong type":      {`{"token":"abcdefgh","hosts":["example.com",7]}`, []string{"hosts: entry 2 must be a string, not a number"}},
		"bad hosts":                 {`{"token":"abcdefgh","hosts":["https://` + canary + `","example.com","10.0.0.1","example.com:0"]}`, []string{"hosts: entry 1"}},
		"oauth2 beside rotate":      {`{"token":"abcdefgh","oauth2":` + refreshJSON + `,"rotate":{"call":"POST https://example.com/","token":"/token"}}`, []string{"oauth2 and rotate exclude each other"}},
		"rotate without token":      {`{"rotate":{"call":"POST https://example.com/","token":"/token"}}`, []string{"token is missing"}},
		"rotate without its keys":   {`{"token":"abcdefgh","rotate":{"headers":{"X-Key":"12345678"}}}`, []string{"rotate.call is missing", "rotate.token is missing"}},
		"rotate with bad pointers":  {`{"token":"abcdefgh","rotate":{"call":"POST https://example.com/","token":"` + canary + `","expires_at":"~"}}`, []string{"rotate.token must be empty or begin with /", "rotate.expires_at must"}},
		"rotate with an HTTP call":  {`{"token":"abcdefgh","rotate":{"call":"POST http://example.com/` + canary + `","token":"/token"}}`, []string{"rotate.call: the URL must begin with https://"}},
		"placeholder in rotate":     {`{"token":"abcdefgh","rotate":{"call":"POST https://example.com/{{` + canary + `}}","token":"/token"}}`, []string{"rotate.call: an unknown placeholder; known are"}},
		"placeholder in its body":   {`{"token":"abcdefgh","rotate":{"call":"POST https://example.com/","token":"/token","body":{"a":["{{` + canary + `}}"]}}}`, []string{"rotate.body: an unknown placeholder; known are"}},
		"placeholder in its header": {`{"token":"abcdefgh","rotate":{"call":"POST https://example.com/","token":"/token","headers":{"X-A":"{{jwt}}"}}}`, []string{"rotate.headers: header 1: unknown placeholder {{jwt}}; known are"}},
		"known placeholder":         {`{"token":"abcdefgh","test":"GET https://example.com/{{runId}}"}`, []string{"test: must not hold {{"}},
		"open placeholder in test":  {`{"token":"abcdefgh","test":"GET https://example.com/?a={{` + canary + `"}`, []string{"test: must not hold {{"}},
		"bad test":                  {`{"token":"abcdefgh","test":"get https://example.com/` + canary + `"}`, []string{"test: the method must be 1 to 20 upper-case letters"}},
		"header that the call sets": {`{"token":"abcdefgh","rotate":{"call":"POST https://example.com/","token":"/token","headers":{"authorization":"` + canary + `"}}}`, []string{"rotate.headers: the name of header 1 must not be set"}},
		"header with a line break":  {`{"token":"abcdefgh","rotate":{"call":"POST https://example.com/","token":"/token","headers":{"X-Key":"` + canary + `\nX: y"}}}`, []string{"rotate.headers: header 1 must be printable ASCII"}},
		"header twice":              {`{"token":"abcdefgh","rotate":{"call":"POST https://example.com/","token":"/token","headers":{"X-Key":"12345678","x-key":"` + canary + `"}}}`, []string{"rotate.headers: header 2 is a duplicate"}},
		"header of a wrong type":    {`{"token":"abcdefgh","rotate":{"call":"POST https://example.com/","token":"/token","headers":{"X-Key":12345678901}}}`, []string{"rotate.headers: header 1 must be a string, not a number"}},
		"every problem at once":     {`{"token":"` + canary + `;","hosts":5,"test":"GET ftp://x/","rotate":7}`, []string{"token: ", "hosts must be a list", "test: ", "rotate must be"}},
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

const refreshJSON = `{"grant":"refresh_token","token_url":"https://example.com/token","client_id":"id","client_secret":"client-secret-1","refresh_token":"refresh-token-1"}`

// Whatever becomes of a secret, each of its secret strings is known to the scrubber from then on.
func TestEverySecretStringIsScrubbed(t *testing.T) {
	t.Parallel()
	pem := strings.ReplaceAll(keys().rsa, "\n", `\n`)
	cases := map[string]string{
		"plain text":                  canary,
		"plain text, malformed":       "Bearer  " + canary + " and more",
		"token":                       `{"token":"` + canary + `"}`,
		"token, malformed":            `{"token":"Bearer ` + canary + `","hosts":7}`,
		"client_secret":               `{"oauth2":{"grant":"client_credentials","client_secret":"` + canary + `"}}`,
		"client_secret, wrong grant":  `{"oauth2":{"grant":"x","client_secret":"` + canary + `"}}`,
		"refresh_token":               `{"token":"abcdefgh","oauth2":{"grant":"refresh_token","refresh_token":"` + canary + `"}}`,
		"private_key":                 `{"oauth2":{"private_key":"` + canary + `"}}`,
		"private_key that is used":    `{"oauth2":{"grant":"jwt_bearer","issuer":"i","token_url":"https://example.com/","private_key":"` + pem + `"}}`,
		"header of rotate":            `{"token":"abcdefgh","rotate":{"headers":{"X-Key":"` + canary + `"}}}`,
		"header of rotate, forbidden": `{"token":"abcdefgh","rotate":{"headers":{"Host":"` + canary + `"}}}`,
	}
	for name, text := range cases {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			secret := canary
			if name == "private_key that is used" {
				secret = keys().rsa
			}
			scrub := &redact.Scrubber{}
			_, _ = token.ParseSecret(text, scrub)
			for _, written := range []string{secret, url.QueryEscape(secret), base64.StdEncoding.EncodeToString([]byte(secret)), fmt.Sprintf("%q", secret)} {
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
		"absent":                {``, time.Time{}, false},
		"null":                  {`null`, time.Time{}, false},
		"RFC 3339":              {`"2027-01-31T00:00:00Z"`, day, false},
		"offset":                {`"2027-01-31T02:00:00+02:00"`, day, false},
		"fraction":              {`"2027-01-31T00:00:00.5Z"`, day.Add(time.Second / 2), false},
		"date: midnight UTC":    {`"2027-01-31"`, day, false},
		"no time":               {`"tomorrow"`, time.Time{}, true},
		"empty":                 {`""`, time.Time{}, true},
		"no zone":               {`"2027-01-31T00:00:00"`, day, false},
		"space":                 {`"2027-01-31 00:00:00"`, day, false},
		"space and zone":        {`"2027-01-31 01:00:00+01:00"`, day, false},
		"offset without colon":  {`"2027-01-31T00:00:00+0000"`, day, false},
		"offset after a space":  {`"2027-01-31 02:00:00 +0200"`, day, false},
		"offset of hours":       {`"2027-01-31 00:00:00+00"`, day, false},
		"UTC in letters":        {`" 2027-01-31 00:00:00 UTC "`, day, false},
		"small letters":         {`"2027-01-31t00:00:00z"`, day, false},
		"another zone's name":   {`"2027-01-31 00:00:00 CET"`, time.Time{}, true},
		"day first":             {`"31.01.2027"`, time.Time{}, true},
		"no such day":           {`"2027-02-30"`, time.Time{}, true},
		"Unix seconds":          {`1801353600`, day, false},
		"Unix seconds as text":  {`" 1801353600 "`, day, false},
		"Unix milliseconds":     {`1801353600000`, day, false},
		"milliseconds as text":  {`"1801353600000"`, day, false},
		"fraction of a second":  {`1801353600.5`, day.Add(time.Second / 2), false},
		"exponent":              {`1.8013536e9`, day, false},
		"zero":                  {`0`, time.Time{}, true},
		"negative":              {`-1801353600`, time.Time{}, true},
		"absurd":                {`1e400`, time.Time{}, true},
		"text Inf":              {`"Inf"`, time.Time{}, true},
		"hexadecimal":           {`"0x6b5e1b00"`, time.Time{}, true},
		"object":                {`{"x":1}`, time.Time{}, true},
		"true":                  {`true`, time.Time{}, true},
		"list":                  {`[]`, time.Time{}, true},
		"past year 9999 in UTC": {`"9999-12-31T23:59:59-01:00"`, time.Time{}, true},
		"before year 1 in UTC":  {`"0001-01-01T00:00:00+01:00"`, time.Time{}, true},
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

func jwtWith(payload string) string {
	encode := base64.RawURLEncoding.EncodeToString
	return encode([]byte(`{"alg":"none"}`)) + "." + encode([]byte(payload)) + "." + "c2lnbmF0dXJl"
}

func TestExpiryOfJWT(t *testing.T) {
	t.Parallel()
	at := func(seconds int64, nanos int64) time.Time { return time.Unix(seconds, nanos).UTC() }
	otherwise := time.Date(2027, 1, 31, 0, 0, 0, 0, time.UTC) // expires_at
	cases := map[string]struct {
		token string
		want  time.Time
	}{
		"whole":              {jwtWith(`{"exp":1801353600}`), at(1801353600, 0)},
		"a date and time":    {jwtWith(`{"exp":"2027-01-30T00:00:00Z"}`), at(1801267200, 0)},
		"fraction":           {jwtWith(`{"exp":1801353600.25}`), at(1801353600, 250_000_000)},
		"exponent":           {jwtWith(`{"exp":1.8e9}`), at(1800000000, 0)},
		"past":               {jwtWith(`{"exp":1}`), at(1, 0)},
		"last second":        {jwtWith(`{"exp":253402300799}`), at(253402300799, 0)},
		"milliseconds":       {jwtWith(`{"exp":1801353600000}`), at(1801353600, 0)},
		"absurd":             {jwtWith(`{"exp":1e400}`), otherwise},
		"zero":               {jwtWith(`{"exp":0}`), otherwise},
		"negative":           {jwtWith(`{"exp":-5}`), otherwise},
		"text":               {jwtWith(`{"exp":"1801353600"}`), at(1801353600, 0)},
		"null":               {jwtWith(`{"exp":null}`), otherwise},
		"no exp":             {jwtWith(`{"iat":1801353600}`), otherwise},
		"Exp":                {jwtWith(`{"Exp":1801353600}`), otherwise},
		"payload is a list":  {jwtWith(`[1801353600]`), otherwise},
		"payload is no JSON": {jwtWith(`exp`), otherwise},
		"payload not base64": {"eyJhbGciOiJub25lIn0.+++++.c2ln", otherwise},
		"two parts":          {"eyJhbGciOiJub25lIn0.eyJleHAiOjF9", otherwise},
		"five parts (JWE)":   {"a.b.c.d.eeeeeeee", otherwise},
		"opaque":             {"ghp_0123456789abcdef", otherwise},
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
	for exp, warns := range map[string]bool{`0`: true, `"soon"`: true, `{}`: true, `1e400`: true, `null`: false, `1801353600`: false} {
		d, err := token.ParseSecret(jwtWith(`{"exp":`+exp+`}`), &redact.Scrubber{})
		if err != nil || len(d.Warnings) > 0 != warns || d.ExpiryUnreadable != warns || d.Expiry.IsZero() != (exp != "1801353600") {
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
		"absent":           {``, false, false},
		"null":             {`,"hosts":null`, false, false},
		"binds to nothing": {`,"hosts":[]`, true, false},
		"one host":         {`,"hosts":["EXAMPLE.com."]`, true, true},
		"another port":     {`,"hosts":["example.com:8443"]`, true, false},
		"one string":       {`,"hosts":" example.net , example.com"`, true, true},
		"text of a list":   {`,"hosts":"[\"example.com\"]"`, true, true},
		"spaces in a list": {`,"hosts":[" example.com "]`, true, true},
		"empty string":     {`,"hosts":""`, true, false},
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

func TestRotatedSecretIsReadWhole(t *testing.T) {
	t.Parallel()
	d, err := token.ParseSecret(`{"token":"abcdefgh","test":"GET https://example.com/me","rotate":{"call":"POST https://example.com/rotate/{{runId}}",
		"headers":{"X-Key":"12345678","X-Api-Version":"2","X-Empty":"","X-On":"{{scheduledDate-1d}}"},"body":{"name":"cron-{{runId}}","a":2},
		"token":"/a~1b/0","expires_at":"/expires_at","expires_in":"/ttl"}}`, &redact.Scrubber{})
	if err != nil {
		t.Fatal(err)
	}
	if d.Minted() || d.Test == nil || d.Rotate == nil || d.Test.Method != http.MethodGet || d.Rotate.Method != http.MethodPost {
		t.Errorf("read as %+v", d)
	}
	if got := d.Rotate.URL(); got.Host != "example.com" || strings.Contains(got.Path, "{") {
		t.Errorf("the call goes to %s", got)
	}
}

// TestEmptyObjectSaysWhatIsMissing: it is no static secret.
func TestEmptyObjectSaysWhatIsMissing(t *testing.T) {
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
