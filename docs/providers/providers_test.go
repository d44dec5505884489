// Package providers_test holds the pages in this folder against the parser that both functions read secrets with.
package providers_test

import (
	"encoding/json"
	"fmt"
	"os"
	"os/exec"
	"path/filepath"
	"regexp"
	"runtime"
	"strings"
	"testing"

	"github.com/cronbearer/cronbearer/docs/providers"
	"github.com/cronbearer/cronbearer/internal/dev/pki"
	"github.com/cronbearer/cronbearer/internal/job"
	"github.com/cronbearer/cronbearer/internal/redact"
	"github.com/cronbearer/cronbearer/internal/token"
)

var (
	fence       = regexp.MustCompile("(?ms)^```json ?([a-z]*) ?(\\S*)\n(.*?)^```$")
	placeholder = regexp.MustCompile(`<[^<>"]+>`)
)

// TestSecretsParse reads every block of JSON: one marked "secret" must be a usable secret, one marked "key" with a name
// or pointer one whose token Key chooses, one marked "rules" the Expect and Reject of a job, one marked "malformed"
// shows what a page says cannot be read.
func TestSecretsParse(t *testing.T) {
	t.Parallel()
	keys := privateKeys()
	for name, page := range pages(t) {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			seen := 0
			for _, block := range fence.FindAllStringSubmatch(page, -1) {
				if block[1] == "rules" {
					rulesParse(t, block[3])
					continue
				}
				kind, text := block[1], fill(block[3], keys)
				d, err := token.ParseSecret(text, &redact.Scrubber{})
				if kind == "key" {
					if d, err = token.Parse(text, block[2], &redact.Scrubber{}); err != nil || len(d.Warnings) > 0 {
						t.Errorf("Key %s does not choose a token: %v, warnings %q\n%s", block[2], err, d.Warnings, block[3])
					}
					continue
				}
				switch {
				case kind != "secret" && kind != "malformed":
					t.Errorf("a block of JSON is marked %q, not secret, key or malformed", kind)
				case kind == "malformed" && err == nil:
					t.Errorf("a secret that the page says cannot be read can be:\n%s", block[3])
				case kind == "secret" && err != nil:
					t.Errorf("the secret is rejected: %v\n%s", err, block[3])
				case kind == "secret" && (len(d.Warnings) > 0 || d.Hosts == nil):
					t.Errorf("the secret has no hosts, or warnings %v:\n%s", d.Warnings, block[3])
				}
				if kind == "secret" {
					seen++
				}
			}
			if seen == 0 && name != "README.md" {
				t.Error("the page shows no secret")
			}
		})
	}
}

// rulesParse reads the Expect and Reject of a job, as they are pasted into template.yaml.
func rulesParse(t *testing.T, text string) {
	t.Helper()
	event := `{"job":"J","token":"T","secret":"s","call":"GET https://a.example",` +
		strings.TrimPrefix(strings.TrimSpace(text), "{")
	if _, err := job.Parse([]byte(event), job.Options{}); err != nil {
		t.Errorf("the rules are invalid: %v\n%s", err, text)
	}
}

// TestPagesAreWhole requires of each page what a reader looks for, and each page in the index.
func TestPagesAreWhole(t *testing.T) {
	t.Parallel()
	all := pages(t)
	index := all["README.md"]
	delete(all, "README.md")
	if len(all) == 0 || index == "" {
		t.Fatal("there are no pages")
	}
	for name, page := range all {
		for _, heading := range []string{
			"\n## The secret\n", "\n## How to get the values\n", "\n## Alarms\n", "\n## Sources\n",
		} {
			if !strings.Contains(page, heading) {
				t.Errorf("%s has no heading %q", name, strings.TrimSpace(heading))
			}
		}
		if _, sources, _ := strings.Cut(page, "\n## Sources\n"); !strings.Contains(sources, "<https://") {
			t.Errorf("%s names no source", name)
		}
		if !strings.Contains(index, "]("+name+")") {
			t.Errorf("the index does not link %s", name)
		}
	}
	for _, link := range regexp.MustCompile(`\]\(([a-z0-9-]+\.md)\)`).FindAllStringSubmatch(index, -1) {
		if all[link[1]] == "" {
			t.Errorf("the index links %s, which does not exist", link[1])
		}
	}
}

func pages(t *testing.T) map[string]string {
	t.Helper()
	names, err := filepath.Glob("*.md")
	if err != nil || len(names) == 0 {
		t.Fatalf("no pages: %v", err)
	}
	all := map[string]string{}
	for _, name := range names {
		text, err := os.ReadFile(name)
		if err != nil {
			t.Fatal(err)
		}
		all[name] = string(text)
	}
	return all
}

// fill puts keys and words where the reader would put his own.
func fill(text string, keys map[string]string) string {
	return placeholder.ReplaceAllStringFunc(text, func(p string) string {
		if kind, _, ok := strings.Cut(strings.Trim(p, "<"), " private key"); ok {
			return keys[kind] // empty: a kind that there is not, and so a secret that is rejected
		}
		if strings.HasPrefix(p, "<RSA certificate") {
			return keys["certificate"]
		}
		return "example0123456789"
	})
}

// TestFormsHideWhatIsSecret holds what a prompt shows against the functions' own parser: what it keeps out of the logs
// is not shown, and what is not secret is.
func TestFormsHideWhatIsSecret(t *testing.T) {
	t.Parallel()
	keys := privateKeys()
	for _, name := range providers.Names() {
		forms, err := providers.Forms(name)
		if err != nil {
			t.Fatal(err)
		}
		for i, f := range forms {
			text, values := f.Text, map[string]string{}
			for n, p := range f.Placeholders() {
				values[p] = fmt.Sprintf("example%d0123456789", n)
				if providers.File(strings.Trim(p, "<>")) {
					values[p] = fill(p, keys)
				}
				text = strings.ReplaceAll(text, p, values[p])
			}
			scrub := &redact.Scrubber{}
			d, err := token.ParseSecret(text, scrub)
			if err != nil {
				t.Errorf("%s/%d: %v", name, i+1, err)
				continue
			}
			for p, value := range values {
				placeholder := strings.Trim(p, "<>")
				isSecret := !strings.Contains(scrub.Scrub("x "+value+" x"), value)
				if !providers.File(placeholder) && isSecret != providers.Secret(placeholder) {
					t.Errorf("%s/%d: %s is secret: %t, and the prompt shows it: %t", name, i+1, p, isSecret, isSecret)
				}
			}
			runtime.KeepAlive(d) // the scrubber forgets what is not in use
		}
	}
}

// privateKeys makes a key of each kind, as the inside of a JSON string.
func privateKeys() map[string]string {
	k := pki.SigningKeys()
	keys := map[string]string{}
	for kind, key := range map[string]string{
		"RSA": k.RSA, "EC": k.P256, "Ed25519": k.Ed25519, "certificate": k.CertificateRSA,
	} {
		keys[kind] = strings.ReplaceAll(key, "\n", `\n`)
	}
	return keys
}

// TestJQWritesSecrets runs the pages' jq commands: what they write is a secret.
func TestJQWritesSecrets(t *testing.T) {
	t.Parallel()
	if _, err := exec.LookPath("jq"); err != nil {
		t.Skip("needs jq")
	}
	key := strings.ReplaceAll(privateKeys()["RSA"], `\n`, "\n")
	google, err := json.Marshal(map[string]string{
		"type": "service_account", "private_key_id": "k1", "private_key": key,
		"client_email": "jobs@project.iam.gserviceaccount.com", "token_uri": "https://oauth2.googleapis.com/token",
	})
	if err != nil {
		t.Fatal(err)
	}
	const withoutKey = `{"hosts": ["api.example.com"], "oauth2": {"grant": "client_credentials", "client_id": "c",
		"token_url": "https://id.example.com/token", "auth": "private_key_jwt"}}`
	found := 0
	for name, page := range pages(t) {
		for _, m := range regexp.MustCompile("(?ms)^```sh\n(jq .*?)^```$").FindAllStringSubmatch(page, -1) {
			found++
			dir := t.TempDir()
			for file, text := range map[string]string{
				"key.json": string(google), "private.pem": key, "without-key.json": withoutKey,
			} {
				if err := os.WriteFile(filepath.Join(dir, file), []byte(text), 0o600); err != nil {
					t.Fatal(err)
				}
			}
			command := exec.CommandContext(t.Context(), "sh", "-c", m[1])
			command.Dir = dir
			if out, err := command.CombinedOutput(); err != nil {
				t.Errorf("%s: %v\n%s", name, err, out)
				continue
			}
			text, err := os.ReadFile(filepath.Join(dir, "secret.json"))
			if err != nil {
				t.Fatal(err)
			}
			if d, err := token.ParseSecret(string(text), &redact.Scrubber{}); err != nil || len(d.Warnings) > 0 {
				t.Errorf("%s: jq writes no secret: %v, warnings %q", name, err, d.Warnings)
			}
		}
	}
	if found == 0 {
		t.Error("no page shows jq")
	}
}
