package token_test

import (
	"encoding/json"
	"fmt"
	"slices"
	"strings"
	"testing"

	"github.com/cronbearer/cronbearer/internal/dev/mutate"
	"github.com/cronbearer/cronbearer/internal/jsondoc"
	"github.com/cronbearer/cronbearer/internal/redact"
	"github.com/cronbearer/cronbearer/internal/token"
)

const loginJSON = `{"call":"POST https://example.com/login","body":{"user":"u","password":"password-1"},` +
	`"token":"/token"}`

func TestUnknownMembers(t *testing.T) {
	t.Parallel()
	rotate := func(more string) string {
		return `{"token":"abcdefgh","rotate":{"call":"POST https://example.com/","token":"/token"` + more + `}}`
	}
	tests := map[string]struct {
		text    string
		means   string // empty: it is ignored
		ignored string // empty: nothing is
	}{
		"note":    {text: `{"token":"abcdefgh","note":"` + canary + `"}`, ignored: "note"},
		"several": {text: `{"token":"abcdefgh","note":1,"owner":{"x":[]}}`, ignored: "note, owner"},
		"name that is not shown": {text: `{"token":"abcdefgh","a name: ` + canary +
			`":1}`, ignored: "(name not shown)"},
		"another case":                     {text: `{"Token":"abcdefgh"}`, means: "token"},
		"one edit, five letters":           {text: `{"token":"abcdefgh","hots":["example.com"]}`, means: "hosts"},
		"neighbours swapped":               {text: `{"token":"abcdefgh","hotss":["example.com"]}`, means: "hosts"},
		"two edits, five letters":          {text: `{"token":"abcdefgh","toks":1}`, ignored: "toks"},
		"two edits, ten letters":           {text: `{"token":"abcdefgh","expire_a":"2027-01-31"}`, means: "expires_at"},
		"three edits, ten letters":         {text: `{"token":"abcdefgh","expire":"2027-01-31"}`, ignored: "expire"},
		"below four letters, another case": {text: `{"token":"abcdefgh","CA":"x"}`, means: "ca"},
		"below four letters, one edit":     {text: `{"token":"abcdefgh","cas":"x"}`, ignored: "cas"},
		"it speaks of hosts":               {text: `{"token":"abcdefgh","allowedHosts":["example.com"]}`, means: "hosts"},
		"it speaks of domains":             {text: `{"token":"abcdefgh","DOMAIN":"example.com"}`, means: "hosts"},
		"inside oauth2": {
			text: `{"oauth2":{"grant":"client_credentials","token_url":"https://example.com/","client_id":"i",` +
				`"client_secert":"abcdefgh"}}`,
			means: "oauth2.client_secret",
		},
		"inside oauth2, ignored": {
			text: `{"oauth2":{"grant":"client_credentials","token_url":"https://example.com/","client_id":"i",` +
				`"client_secret":"abcdefgh","tenant":1}}`,
			ignored: "oauth2.tenant",
		},
		"inside rotate":          {text: rotate(`,"expiresAt":"/x"`), means: "rotate.expires_at"},
		"inside rotate, ignored": {text: rotate(`,"comment":"x"`), ignored: "rotate.comment"},
		"inside rotate.headers":  {text: rotate(`,"headers":{"X-Host":"example-1"}`)},
		"inside rotate.body":     {text: rotate(`,"body":{"domain":"x","Token":1}`)},
		"inside login": {text: `{"login":` + strings.Replace(loginJSON, `"token"`, `"tokens":"/a","token"`, 1) +
			`}`, means: "login.token"},
		"inside login.reject": {text: `{"login":` +
			strings.Replace(loginJSON, `"token"`, `"reject":{"Status":[403]},"token"`, 1) + `}`, means: "login.reject.status"},
		"inside login.expect": {text: `{"login":` +
			strings.Replace(loginJSON, `"token"`, `"expect":{"why":"x"},"token"`, 1) + `}`, ignored: "login.expect.why"},
		"parameters are the user's": {
			text: `{"oauth2":{"grant":"client_credentials","token_url":"https://example.com/","client_id":"i",` +
				`"client_secret":"abcdefgh","parameters":{"Scope":"x","domain":"y"}}}`,
		},
	}
	for name, tt := range tests {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			d, err := token.ParseSecret(tt.text, &redact.Scrubber{})
			if tt.means != "" {
				if err == nil || !strings.Contains(err.Error(), "did you mean "+tt.means+"?") ||
					strings.Contains(err.Error(), canary) {
					t.Errorf("got %v, want it to ask whether %s is meant", err, tt.means)
				}
				return
			}
			warnings := strings.Join(d.Warnings, "; ")
			if err != nil || strings.Contains(warnings, "ignored") != (tt.ignored != "") ||
				!strings.HasSuffix(warnings, tt.ignored) || strings.Contains(warnings, canary) {
				t.Errorf("warnings %q, %v; want %q ignored", warnings, err, tt.ignored)
			}
		})
	}
}

func TestSecretWithoutTokenListsItsMembersAndNamesKey(t *testing.T) {
	t.Parallel()
	_, err := token.ParseSecret(`{"api_key":"`+canary+`","url":"https://`+canary+`"}`, &redact.Scrubber{})
	wantProblems(t, err, "the secret has api_key, url. If one of these is the token, select it with Key")
	_, err = token.ParseSecret(`{"a":"`+canary+`","`+canary+` x":1}`, &redact.Scrubber{})
	wantProblems(t, err, "the secret has a and 1 more.")
}

// The console's editor makes strings of everything.
func TestTextOfAnObjectIsTheObject(t *testing.T) {
	t.Parallel()
	quoted := func(text string) string {
		q, err := json.Marshal(text)
		if err != nil {
			t.Fatal(err)
		}
		return string(q)
	}
	for name, member := range map[string]string{
		"oauth2": `{"grant":"client_credentials","token_url":"https://example.com/","client_id":"i",` +
			`"client_secret":"abcdefgh"}`,
		"login": loginJSON,
		"jwt":   object(t, jwtMember(), nil),
	} {
		d, err := token.ParseSecret(fmt.Sprintf(`{%q:%s,"hosts":"example.com"}`, name, quoted(" "+member+
			"\n")), &redact.Scrubber{})
		if err != nil || !d.Minted() || d.Hosts == nil {
			t.Errorf("%s: %v", name, err)
		}
	}
	d, err := token.ParseSecret(`{"token":"abcdefgh","oauth2":"","login":" ","rotate":`+
		quoted(`{"call":"POST https://example.com/","token":"/token"}`)+`}`, &redact.Scrubber{})
	if err != nil || d.Rotate == nil {
		t.Errorf("rotate %t: %v", d.Rotate != nil, err)
	}
	for text, want := range map[string]string{
		quoted(`{"call":1,"call":2}`): "duplicate key in login",
		quoted(canary):                "login must be an object, not a string",
		quoted(`["` + canary + `"]`):  "login must be an object, not a string",
		`7`:                           "login must be an object, not a number",
	} {
		if _, err := token.ParseSecret(`{"login":`+text+`}`, &redact.Scrubber{}); err == nil ||
			!strings.Contains(err.Error(), want) || strings.Contains(err.Error(), canary) {
			t.Errorf("%s: %v, want %q", text, err, want)
		}
	}
}

func TestKindsExcludeEachOther(t *testing.T) {
	t.Parallel()
	oauth2, jwt := object(t, clientCredentials(), nil), object(t, jwtMember(), nil)
	const rotate = `{"call":"POST https://example.com/","token":"/token"}`
	withJWT := strings.Replace(loginJSON, `"body"`, `"headers":{"Authorization":"Bearer {{jwt}}"},"body"`, 1)
	tests := map[string]struct {
		text string
		want []string
	}{
		"static":                   {text: `{"token":"abcdefgh"}`},
		"oauth2":                   {text: `{"oauth2":` + oauth2 + `}`},
		"login":                    {text: `{"login":` + loginJSON + `}`},
		"jwt":                      {text: `{"jwt":` + jwt + `}`},
		"login with jwt":           {text: `{"login":` + withJWT + `,"jwt":` + jwt + `}`},
		"token with refresh_token": {text: `{"token":"abcdefgh","oauth2":` + refreshJSON + `}`},
		"token with rotate":        {text: `{"token":"abcdefgh","rotate":` + rotate + `}`},
		"token and oauth2": {text: `{"token":"abcdefgh","oauth2":` + oauth2 +
			`}`, want: []string{"token and oauth2 exclude each other"}},
		"token and login": {text: `{"token":"abcdefgh","login":` + loginJSON +
			`}`, want: []string{"token and login exclude each other"}},
		"token and jwt": {text: `{"token":"abcdefgh","jwt":` + jwt +
			`}`, want: []string{"token and jwt exclude each other"}},
		"oauth2 and login": {text: `{"oauth2":` + oauth2 + `,"login":` + loginJSON +
			`}`, want: []string{"oauth2 and login exclude each other"}},
		"oauth2 and jwt": {text: `{"oauth2":` + oauth2 + `,"jwt":` + jwt +
			`}`, want: []string{"oauth2 and jwt exclude each other"}},
		"refresh_token and login": {text: `{"token":"abcdefgh","oauth2":` + refreshJSON + `,"login":` + loginJSON +
			`}`, want: []string{"login and oauth2 with grant refresh_token exclude each other"}},
		"rotate and jwt": {text: `{"token":"abcdefgh","rotate":` + rotate + `,"jwt":` + jwt +
			`}`, want: []string{"jwt and rotate exclude each other"}},
		"rotate and oauth2": {text: `{"token":"abcdefgh","rotate":` + rotate + `,"oauth2":` + refreshJSON +
			`}`, want: []string{"oauth2 and rotate exclude each other"}},
		"login that does not use jwt": {text: `{"login":` + loginJSON + `,"jwt":` + jwt +
			`}`, want: []string{"jwt and login exclude each other unless"}},
		"login that uses a jwt": {text: `{"login":` + withJWT +
			`}`, want: []string{"login uses {{jwt}}, and the secret has no jwt"}},
		"aws_identity": {text: `{"aws_identity":{"audience":"x"}}`},
		"token and aws_identity": {
			text: `{"token":"abcdefgh","aws_identity":{"audience":"x"}}`,
			want: []string{"token and aws_identity exclude each other"},
		},
		"jwt and aws_identity": {text: `{"jwt":` + jwt +
			`,"aws_identity":{"audience":"x"}}`, want: []string{"jwt and aws_identity exclude each other"}},
		"oauth2 that does not use it": {text: `{"oauth2":` + oauth2 +
			`,"aws_identity":{"audience":"x"}}`, want: []string{"aws_identity and oauth2 exclude each other unless"}},
		"login that does not use it": {text: `{"login":` + loginJSON +
			`,"aws_identity":{"audience":"x"}}`, want: []string{"aws_identity and login exclude each other unless"}},
		"login that uses one": {
			text: `{"login":` +
				strings.Replace(loginJSON, "password-1", "{{awsIdentity}}", 1) + `}`,
			want: []string{"login uses {{awsIdentity}}, and the secret has no aws_identity"},
		},
		"login with both": {
			text: `{"login":` + strings.Replace(withJWT, "password-1", "{{awsIdentity}}", 1) + `,"jwt":` + jwt +
				`,"aws_identity":{"audience":"x"}}`,
		},
		"refresh_token and aws_identity": {
			text: `{"token":"abcdefgh","oauth2":` + refreshJSON +
				`,"aws_identity":{"audience":"x"}}`,
			want: []string{"oauth2 with grant refresh_token and aws_identity exclude each other"},
		},
		"refresh_token by aws_identity": {
			text: `{"token":"abcdefgh","oauth2":` +
				strings.Replace(refreshJSON, `"grant"`, `"auth":"aws_identity","grant"`, 1) + `}`,
			want: []string{"oauth2 with grant refresh_token cannot use aws_identity"},
		},
		"empty token next to a minted": {text: `{"token":"","oauth2":` + oauth2 + `}`},
		"two problems of two members":  {text: `{"token":"a","hosts":[5]}`, want: []string{"token: ", "hosts: entry 1"}},
	}
	for name, tt := range tests {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			_, err := token.ParseSecret(tt.text, &redact.Scrubber{})
			wantProblems(t, err, tt.want...)
		})
	}
}

func TestEveryProblemOfASecretIsNamedAtOnce(t *testing.T) {
	t.Parallel()
	_, err := token.ParseSecret(`{"hosts":5,"hots":1,"login":{"call":"post http://`+canary+`","headers":{"Host":"`+
		canary+`","X":5},"body":{"a":"{{runId}}"},
		"token":"a","expires_at":"~","expect":{"status":[302]},"reject":{"json":{"/a":[]}}},"ca":"`+canary+`"}`,
		&redact.Scrubber{})
	wantProblems(t, err, "unknown member hots", "hosts must be a list", "ca holds no certificate",
		"login.call: the method", "login.call: the URL must begin",
		"login.headers: the name of header 1", "login.headers: header 2 must be a string",
		"login.body: unknown placeholder {{runId}}", "login.token must be empty or begin with /",
		"login.expires_at must be empty or begin", "login.expect.status must not contain a 3xx",
		"login.reject.json: the value of a pointer is an empty list")
}

func TestTestOfATokenThatIsNotRenewedIsIgnoredWithAWarning(t *testing.T) {
	t.Parallel()
	d, err := token.ParseSecret(`{"token":"abcdefgh","test":"GET https://example.com/me"}`, &redact.Scrubber{})
	if err != nil || !slices.ContainsFunc(d.Warnings, func(w string) bool {
		return strings.Contains(w, "test is ignored")
	}) {
		t.Errorf("warnings %q, %v", d.Warnings, err)
	}
}

// FuzzSecret checks that no secret makes the parser panic, that an error shows no value, that what was read once is
// read again in the same way, and that the scrubber knows each credential of a secret that is accepted.
func FuzzSecret(fuzz *testing.F) {
	f := mutate.New(fuzz)
	for _, text := range []string{
		canary, `{"token":"` + canary + `"}`, `{"api_key":"` + canary + `"}`,
		`{"oauth2":` + refreshJSON + `,"token":"` + canary + `"}`,
		`{"login":` + loginJSON + `,"hosts":"` + canary + `"}`,
		`{"jwt":{"private_key":"` + canary + `","claims":{"a":"` + canary + `"}}}`,
		`{"token":"abcdefgh","probe":{"call":"GET https://` + canary + `/","expect":{"json":{"/` + canary + `":[]}}}}`,
		`{"token":"x","expires_at":"` + canary + `","ca":"` + canary + `","hosts":["` + canary + `;"]}`,
		`{"rotate":"{\"call\":\"` + canary + `\",\"headers\":{\"X\":\"` + canary + `\n\"}}"}`,
	} {
		f.Add(text, "api_key")
	}
	f.Fuzz(func(t *testing.T, text, key string) {
		scrub := &redact.Scrubber{}
		d, err := token.ParseSecret(text, scrub)
		if err != nil && !strings.Contains(key, canary) && leaks(err.Error(), text) {
			t.Errorf("%q: the error shows a value: %s", text, err)
		}
		for _, credential := range credentials(text) {
			if got := scrub.Scrub("x " + credential + " y"); err == nil && strings.Contains(got, credential) {
				t.Errorf("%q: %q is not scrubbed", text, credential)
			}
		}
		again, errAgain := token.ParseSecret(text, scrub)
		if (err == nil) != (errAgain == nil) || d.Token.Reveal() != again.Token.Reveal() || !d.Expiry.Equal(again.Expiry) {
			t.Errorf("%q is read in two ways", text)
		}
		if err == nil && !d.Minted() {
			once, err := token.ParseSecret(d.Token.Reveal(), scrub)
			if err != nil || once.Token.Reveal() != d.Token.Reveal() {
				t.Errorf("%q: a normalized token is not normal: %q, %v", text, once.Token.Reveal(), err)
			}
		}
		if _, err := token.Parse(text, key, scrub); err != nil && !strings.Contains(key, canary) &&
			leaks(err.Error(), text) {
			t.Errorf("%q at %q: the error shows a value: %s", text, key, err)
		}
	})
}

// credentials are the strings of a secret that authorize someone.
func credentials(text string) (list []string) {
	doc, duplicates, err := jsondoc.Parse([]byte(text))
	if err != nil || len(duplicates) > 0 {
		return nil
	}
	for _, v := range []jsondoc.Value{
		doc.Get("token"), doc.Get("oauth2").Get("client_secret"), doc.Get("oauth2").Get("refresh_token"),
		doc.Get("oauth2").Get("private_key"), doc.Get("jwt").Get("private_key"), doc.Get("login").Get("body").Get("password"),
	} {
		if v.Kind == jsondoc.String && len(v.Text) >= redact.MinSecret && len(v.Text) < 4096 {
			list = append(list, v.Text)
		}
	}
	return list
}

// leaks reports whether an error holds a canary from the values of a secret. A member's name may be shown.
func leaks(problem, text string) bool {
	if !strings.Contains(problem, canary) {
		return false
	}
	var object map[string]json.RawMessage
	if json.Unmarshal([]byte(text), &object) != nil {
		return true
	}
	for name := range object {
		if strings.Contains(name, canary) {
			return false
		}
	}
	return true
}
