package docs_test

import (
	"os"
	"path/filepath"
	"regexp"
	"slices"
	"strings"
	"testing"

	"github.com/santhosh-tekuri/jsonschema/v6"

	"github.com/cronbearer/cronbearer/internal/dev/mutate"
	"github.com/cronbearer/cronbearer/internal/redact"
	"github.com/cronbearer/cronbearer/internal/token"
)

func secretSchema(t testing.TB) *jsonschema.Schema {
	t.Helper()
	schema, err := jsonschema.NewCompiler().Compile(filepath.Join("schema", "secret.json"))
	if err != nil {
		t.Fatal(err)
	}
	return schema
}

// secretsOfPages are the secrets that the providers' pages show.
func secretsOfPages(t testing.TB) []string {
	t.Helper()
	files, err := filepath.Glob(filepath.Join("providers", "*.md"))
	if err != nil || len(files) == 0 {
		t.Fatalf("pages: %v", err)
	}
	fence, placeholder := regexp.MustCompile("(?ms)^```json secret\n(.*?)^```$"), regexp.MustCompile(`<[^<>"]+>`)
	var secrets []string
	for _, file := range files {
		page, err := os.ReadFile(file)
		if err != nil {
			t.Fatal(err)
		}
		for _, block := range fence.FindAllStringSubmatch(string(page), -1) {
			secrets = append(secrets, placeholder.ReplaceAllString(block[1], "example0123456789"))
		}
	}
	return secrets
}

const (
	oauth2Member = `{"oauth2":{"grant":"client_credentials","token_url":"https://a.example/","client_id":"i",` +
		`"client_secret":"abcdefgh"}}`
	loginMember = `{"login":{"call":"POST https://a.example/","token":"/token"}}`
)

func TestSecretSchemaTakesWhatThePagesShow(t *testing.T) {
	t.Parallel()
	schema, secrets := secretSchema(t), secretsOfPages(t)
	for _, text := range append(
		secrets, oauth2Member, loginMember, `{"token":"abcdefgh","oauth2":{},"login":"","hosts":"a.example","note":1}`,
	) {
		if problem, _ := check(schema, []byte(text)); problem != nil {
			t.Errorf("%s\n%v", text, problem)
		}
	}
	if len(secrets) < 20 {
		t.Errorf("the pages show %d secrets", len(secrets))
	}
}

func TestSecretSchemaAndParserRefuseTheSame(t *testing.T) {
	t.Parallel()
	schema := secretSchema(t)
	within := func(base, member string) string { return base[:len(base)-2] + "," + member + "}}" }
	for name, text := range map[string]string{
		"no token": `{"hosts":[]}`, "a number": `{"token":12345678}`, "hosts of numbers": `{"token":"abcdefgh","hosts":[1]}`,
		"hosts as an object": `{"token":"abcdefgh","hosts":{}}`,
		"allowed_hosts":      `{"token":"abcdefgh","allowed_hosts":["a.example"]}`,
		"no grant":           `{"oauth2":{"token_url":"https://a.example/"}}`,
		"http":               strings.Replace(oauth2Member, "https", "http", 1),
		"a grant":            strings.Replace(oauth2Member, "client_credentials", "password", 1),
		"an auth":            within(oauth2Member, `"auth":"Basic"`), "a format": within(oauth2Member, `"format":"xml"`),
		"a short secret":  strings.Replace(oauth2Member, "abcdefgh", "abc", 1),
		"parameters":      within(oauth2Member, `"parameters":{"a":1}`),
		"scope as a list": within(oauth2Member, `"scope":["a"]`),
		"no login call":   `{"login":{"token":"/t"}}`, "login without a token": `{"login":{"call":"GET https://a.example/"}}`,
		"a login's pointer": within(loginMember, `"expires_in":"ttl"`),
		"a login's header":  within(loginMember, `"headers":{"A":1}`),
		"a login's rule":    within(loginMember, `"reject":{"json":{"/a":[]}}`),
		"a redirect":        within(loginMember, `"expect":{"status":[302]}`),
		"jwt without a key": `{"jwt":{"issuer":"i"}}`, "an identity for no one": `{"aws_identity":{"lifetime":"5m"}}`,
		"an identity's algorithm": `{"aws_identity":{"audience":"a","algorithm":"HS256"}}`,
		"a probe's call":          `{"token":"abcdefgh","probe":{"call":"https://a.example/"}}`,
		"a test":                  `{"token":"abcdefgh","test":"get https://a.example/"}`,
		"ca":                      `{"token":"abcdefgh","ca":[]}`,
		"rotate as a number":      `{"token":"abcdefgh","rotate":5}`,
	} {
		_, err := token.ParseSecret(text, &redact.Scrubber{})
		if problem, _ := check(schema, []byte(text)); problem == nil || err == nil {
			t.Errorf("%s: the schema says %v, the parser %v", name, problem, err)
		}
	}
}

// Property: what the parser accepts the schema accepts; what the schema rejects the parser rejects.
func FuzzSecretSchema(fuzz *testing.F) {
	f := mutate.New(fuzz)
	for _, text := range slices.Concat(secretsOfPages(f), []string{
		oauth2Member, loginMember,
		`{"token":"abcdefgh","hosts":"a.example","oauth2":{"x":1},"probe":null,"test":"","expires_at":{}}`,
		`{"aws_identity":{"audience":["a"],"lifetime":"5m0.5s"}}`,
		`{"login":"{\"call\":\"GET https://a.example/\",\"token\":\"/t\"}"}`,
		`{"token":"abcdefgh","rotate":{"call":"POST https://a.example/{{runId}}","token":"/~0","headers":{"A-b":"\t x"},` +
			`"expires_in":""}}`,
		`{"login":{"call":"GET https://a.example/","token":"/t","expect":{"status":["2xx",200.0],"contentType":"",` +
			`"json":{}},"reject":{"x":1}}}`,
	}) {
		f.Add([]byte(text))
	}
	schema := secretSchema(f)
	f.Fuzz(func(t *testing.T, text []byte) {
		if !strings.HasPrefix(string(text), "{") { // plain text is no matter of a schema
			return
		}
		if _, err := token.ParseSecret(string(text), &redact.Scrubber{}); err != nil {
			return
		}
		if problem, valid := check(schema, text); problem != nil {
			t.Errorf("the parser accepts %q; JSON: %t, the schema says %v", text, valid, problem)
		}
	})
}
