package main

import (
	"bytes"
	"os"
	"path/filepath"
	"strings"
	"testing"
	"time"

	"github.com/cronbearer/cronbearer/internal/dev/shipped"
)

const elsewhere = "arn:aws-cn:secretsmanager:cn-north-1:123456789012:secret:other/token-AbCdEf"

const saved = `[default.deploy.parameters]
stack_name = "payments"
parameter_overrides = "AllowedHosts=\"a.cronbearer.dev\" Gone=\"1\" ExtraSecretArns=\"` + elsewhere + `\""
`

func TestExitStatus(t *testing.T) {
	t.Parallel()
	cases := map[string]struct {
		from, to  string // an edit of the shipped template
		config    string
		arguments []string
		status    int
		says      string
	}{
		"sound": {says: "template.yaml: no mistakes"},
		"a mistake": {
			from: "SilentAfter: 75", to: "SilentAfter: 3h", status: 1,
			says: `Jobs.DailyReport.SilentAfter: "3h" is not a whole number of hours: write 3`,
		},
		"a warning": {
			from: "Timezone: Europe/London", to: "Timezone: EST", says: "warning: Jobs.DailyReport.Timezone",
		},
		"a note":                     {from: "\n  Throttled:\n", to: "\n  Slow:\n", says: "note: Resources"},
		"an example, to be deployed": {arguments: []string{"-deploy"}, config: saved, status: 1, says: "is an example"},
		"a secret from elsewhere": {from: "Secret: example-api", to: "Secret: " +
			elsewhere, status: 1, says: "ExtraSecretArns"},
		"its ARN is saved": {from: "Secret: example-api", to: "Secret: " +
			elsewhere, config: saved, says: "no mistakes"},
		"its ARN is given": {from: "Secret: example-api", to: "Secret: " +
			elsewhere, arguments: []string{"-parameter", "ExtraSecretArns=" + elsewhere}, says: "no mistakes"},
		"another environment": {from: "Secret: example-api", to: "Secret: " +
			elsewhere, config: saved, arguments: []string{"-env", "prod"}, status: 1, says: "under cronbearer/"},
		"the stack's own prefix": {
			from: "Secret: example-api", to: "Secret: payments/example-api", config: saved, status: 1,
			says: "write example-api",
		},
		"a samconfig that is no TOML": {config: "[", status: 2, says: "samconfig.toml"},
		"a flag that is none":         {arguments: []string{"-fix"}, status: 2, says: "not defined: -fix"},
		"a parameter without a value": {arguments: []string{"-parameter", "LogLevel"}, status: 2, says: "must be Name=value"},
		"two templates":               {arguments: []string{"other.yaml"}, status: 2, says: "Usage"},
	}
	for name, c := range cases {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			dir := t.TempDir()
			file := filepath.Join(dir, "template.yaml")
			if !strings.Contains(shipped.Template(), c.from) {
				t.Fatalf("the template no longer holds %q", c.from)
			}
			write(t, file, strings.Replace(shipped.Template(), c.from, c.to, 1))
			if c.config != "" {
				write(t, filepath.Join(dir, "samconfig.toml"), c.config)
			}
			var out, errs bytes.Buffer
			status := run(append(c.arguments, file), &out, &errs, time.Date(2026, time.November, 24, 12, 0, 0, 0, time.UTC))
			if said := out.String() + errs.String(); status != c.status || !strings.Contains(said, c.says) {
				t.Errorf("status %d, want %d; it said\n%s\nwant %q", status, c.status, said, c.says)
			}
			if status == 0 && !strings.HasSuffix(out.String(), ": no mistakes\n") {
				t.Errorf("it said %q", out.String())
			}
		})
	}
}

func TestTemplateThatIsMissing(t *testing.T) {
	t.Parallel()
	var out, errs bytes.Buffer
	if status := run([]string{filepath.Join(t.TempDir(), "none.yaml")}, &out, &errs, time.Now()); status != 2 ||
		out.Len() > 0 {
		t.Errorf("status %d, it said %q and %q", status, out.String(), errs.String())
	}
}

func write(t *testing.T, path, text string) {
	t.Helper()
	if err := os.WriteFile(path, []byte(text), 0o600); err != nil {
		t.Fatal(err)
	}
}
