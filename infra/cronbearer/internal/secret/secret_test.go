package secret_test

import (
	"encoding/json"
	"os"
	"path/filepath"
	"regexp"
	"strings"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"

	"github.com/cronbearer/cronbearer/infra/cronbearer/internal/secret"
)

var now = time.Date(2026, time.November, 28, 1, 12, 0, 0, time.UTC)

// canary is in every secret below, and must be in nothing that is said of it.
const canary = "cAnArY9f27b1d4e6"

// texts are the problems and warnings of a report, with their fixes.
func texts(problems []secret.Problem) []string {
	var list []string
	for _, p := range problems {
		list = append(list, strings.TrimSuffix(p.Text+": "+p.Fix, ": "))
	}
	return list
}

// silent requires that nothing of the canary is in a report.
func silent(t *testing.T, r secret.Report) {
	t.Helper()
	data, err := json.Marshal(r)
	if err != nil {
		t.Fatal(err)
	}
	for i := 0; i+6 <= len(canary); i++ {
		if strings.Contains(string(data), canary[i:i+6]) {
			t.Fatalf("it shows the secret: %s", data)
		}
	}
}

func TestMistakesAreNamedWithFixes(t *testing.T) {
	t.Parallel()
	const oauth2 = `{"oauth2":{"grant":"client_credentials","token_url":"https://id.example.com/t",` +
		`"client_id":"a","client_secret":"` + canary + `"`
	cases := map[string]struct {
		text, key string
		want      []string
	}{
		"empty": {text: "", want: []string{"the secret's text: the token is empty: write the token"}},
		"line of an environment file": {text: "API_TOKEN=" + canary, want: []string{
			"the secret's text: it is an assignment such as API_TOKEN=…: store only what follows the equals sign",
		}},
		"command": {text: "aws secretsmanager put-secret-value --secret-string " + canary, want: []string{
			"the secret's text: the token has white space inside, at byte 4: that is a command, not a token: store what " +
				"it prints",
		}},
		"two lines": {text: canary + "\nsecond", want: []string{
			"the secret's text: the token has white space inside, at byte 17: store the token alone, in one line: not " +
				"the line of a " +
				"file or of a command around it",
		}},
		"only Bearer": {text: "Bearer", want: []string{
			"the secret's text: there is no token after the word Bearer: write the token after it",
		}},
		"angle brackets": {text: "<" + canary + ">", want: []string{
			"the secret's text: the token has one of the characters \" ' \\ , ; < > ` that a token cannot have, at byte " +
				"1: store the " +
				"token alone, without quotes, commas and angle brackets",
		}},
		"letters beyond ASCII": {text: canary + "é", want: []string{
			"the secret's text: the token has a character that is not visible ASCII, at byte 17: copy the token again " +
				"from its " +
				"source, as plain text",
		}},
		"private key": {text: "-----BEGIN PRIVATE KEY-----\n" + canary, want: []string{
			"the secret's text: it is a PEM block such as a private key, not a token: a private key obtains tokens: " +
				"write it as " +
				"private_key of jwt or oauth2 (docs/providers)",
		}},
		"broken JSON": {text: `{"token":"` + canary + `",}`, want: []string{
			"the secret begins with { and is not valid JSON at byte 29: unexpected character: " +
				"correct the JSON at that byte; if it is not JSON, store the token alone, without the brace",
		}},
		"answer of a token endpoint": {
			text: `{"access_token":"` + canary + `","token_type":"Bearer","expires_in":3600}`,
			want: []string{
				"unknown member expires_in: did you mean expires_at?: write the date as expires_at, such as 2027-01-31T00:00:00Z",
				"access_token is named token here: store the client as oauth2, so that the caller obtains tokens like this " +
					"one: they " +
					"live for minutes or hours (docs/providers/generic-oauth2.md)",
			},
		},
		"accessToken": {text: `{"accessToken":"` + canary + `"}`, want: []string{
			"accessToken is named token here: rename it to token, or write Key: accessToken into the token's block in " +
				"template.yaml",
		}},
		"client without oauth2": {
			text: `{"grant_type":"client_credentials","clientId":"a","client_secret":"` + canary + `"}`,
			want: []string{
				"token is missing, and so is a way to obtain one (oauth2, login, jwt, aws_identity): the secret has clientId, " +
					"client_secret, grant_type. If one of these is the token, select it with Key in template.yaml (secretKey in " +
					"the event): add it",
				`grant_type is named oauth2.grant here: write {"oauth2": {…}} with it inside (docs/providers/generic-oauth2.md)`,
				`clientId is named oauth2.client_id here: write {"oauth2": {…}} with it inside (docs/providers/generic-oauth2.md)`,
				`client_secret is named oauth2.client_secret here: write {"oauth2": {…}} with it inside ` +
					`(docs/providers/generic-oauth2.md)`,
			},
		},
		"names of RFC 6749": {
			text: `{"oauth2":{"grant_type":"client_credentials","token_endpoint":"https://id.example.com/t",` +
				`"clientId":"a","client_secret":"` + canary + `"}}`,
			want: []string{
				"unknown member oauth2.clientId: did you mean oauth2.client_id?: rename it, or remove it",
				"oauth2.grant_type is named oauth2.grant here: rename it to oauth2.grant",
				"oauth2.token_endpoint is named oauth2.token_url here: rename it to oauth2.token_url",
			},
		},
		"placeholder": {
			text: `{"oauth2":{"grant":"client_credentials","token_url":"https://id.example.com/t",` +
				`"client_id":"a","client_secret":"<value>"}}`,
			want: []string{"oauth2.client_secret has a placeholder that was not filled in: write the value there"},
		},
		"expired": {text: `{"token":"` + canary + `","expires_at":"2026-11-01"}`, want: []string{
			"it expired on 1 Nov 2026 00:00 UTC: obtain a new one",
		}},
		"token and client": {text: oauth2 + `},"token":"` + canary + `"}`, want: []string{
			"token and oauth2 exclude each other: remove token, as the caller obtains one itself, or remove oauth2: keep one",
		}},
		"key that is not there": {text: `{"data":{"token":"` + canary + `"}}`, key: "token", want: []string{
			`there is no string at Key "token": the secret has data: write one of these names as Key, or a JSON pointer ` +
				`such as ` +
				`/data/token`,
		}},
		"key of plain text": {text: canary, key: "token", want: []string{
			"the secret is plain text, and Key (secretKey in the event) selects a member of a JSON object: remove Key",
		}},
		"hosts that are none": {text: `{"token":"` + canary + `","hosts":["https://api.example.com/"]}`, want: []string{
			"hosts: entry 1: write only the host, without https:// and path",
		}},
		"too long": {text: strings.Repeat(canary, 5000), want: []string{
			"has 80000 bytes, and Secrets Manager allows 65536: store what the caller needs",
		}},
	}
	for name, c := range cases {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			r := secret.Read([]byte(c.text), c.key, now)
			if diff := cmp.Diff(c.want, texts(r.Problems)); diff != "" {
				t.Error(diff)
			}
			silent(t, r)
		})
	}
}

func TestUnderstood(t *testing.T) {
	t.Parallel()
	utf16 := "\xff\xfe"
	for _, r := range canary {
		utf16 += string([]byte{byte(r), 0})
	}
	cases := map[string]struct {
		text, key string
		want      secret.Report
	}{
		"as it is": {text: canary, want: secret.Report{Kind: secret.PlainText, Bytes: 16}},
		"copied with all that surrounds it": {
			text: "\ufeff 'Authorization: Bearer " + canary + "' \r\n",
			want: secret.Report{Kind: secret.PlainText, Bytes: 16, Removed: []string{
				"a byte order mark before it", "white space after it", "the quotes around it", `"Authorization:" before it`,
				`"Bearer" before it`,
			}},
		},
		"a line break": {text: canary + "\n", want: secret.Report{
			Kind: secret.PlainText, Bytes: 16, Removed: []string{"a line break after it"},
		}},
		"UTF-16": {
			text: utf16,
			want: secret.Report{Kind: secret.PlainText, Bytes: 16, Removed: []string{"the encoding UTF-16"}},
		},
		"in JSON, with Bearer": {
			text: `{"token":"Bearer ` + canary + `","expires_at":"2027-01-31","pat":"x","team":"y"}`,
			want: secret.Report{
				Kind: secret.InJSON, Bytes: 16, Removed: []string{`"Bearer" before it`},
				Expires: time.Date(2027, 1, 31, 0, 0, 0, 0, time.UTC),
				Warnings: []secret.Problem{
					{Text: "unknown members are ignored: pat, team"},
					{Text: "pat is named token here, and is ignored", Fix: "rename it to token"},
				},
			},
		},
		"at a Key": {
			text: `{"data":{"t":"` + canary + `"},"client_id":"x"}`,
			key:  "/data/t",
			want: secret.Report{Kind: secret.Member, Bytes: 16},
		},
		"an expiry that cannot be read": {text: `{"token":"` + canary + `","expires_at":"soon"}`, want: secret.Report{
			Kind: secret.InJSON, Bytes: 16, Warnings: []secret.Problem{{
				Text: "expires_at is neither an RFC 3339 time such as 2027-01-31T00:00:00Z, nor a date, nor Unix seconds or " +
					"milliseconds; this expiry is unknown",
			}},
		}},
	}
	for name, c := range cases {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			got := secret.Read([]byte(c.text), c.key, now)
			if diff := cmp.Diff(c.want, got); diff != "" {
				t.Error(diff)
			}
			silent(t, got)
		})
	}
}

var secretBlock = regexp.MustCompile("(?ms)^```json secret\n(.*?)^```$")

// TestProvidersPagesAreUnderstood reads each secret of the documentation: nothing is wrong but that it is not filled
// in. Then each is damaged at every byte, with a canary for each value, and nothing shows one.
func TestProvidersPagesAreUnderstood(t *testing.T) {
	t.Parallel()
	paths, err := filepath.Glob("../../../../docs/providers/*.md")
	if err != nil {
		t.Fatal(err)
	}
	blocks := 0
	for _, path := range paths {
		page, err := os.ReadFile(path)
		if err != nil {
			t.Fatal(err)
		}
		for _, block := range secretBlock.FindAllStringSubmatch(string(page), -1) {
			blocks++
			r := secret.Read([]byte(block[1]), "", now)
			for _, p := range r.Problems {
				if !strings.HasSuffix(p.Text, "has a placeholder that was not filled in") {
					t.Errorf("%s: %s", path, p.Text)
				}
			}
			damaged(t, block[1])
		}
	}
	if blocks < 20 {
		t.Errorf("%d blocks of secrets in the pages", blocks)
	}
}

var values = regexp.MustCompile(`"<[^"]*>"`)

func damaged(t *testing.T, text string) {
	t.Helper()
	text = values.ReplaceAllString(text, `"`+canary+`"`)
	for i := 0; i < len(text); i += 3 {
		silent(t, secret.Read([]byte(text[:i]), "", now))
		silent(t, secret.Read([]byte(text[:i]+text[i+1:]), "", now))
		silent(t, secret.Read([]byte(text[:i]+"\""+text[i:]), "", now))
	}
}
