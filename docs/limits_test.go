package docs_test

import (
	"fmt"
	"path/filepath"
	"regexp"
	"strings"
	"testing"

	"github.com/cronbearer/cronbearer/internal/dev/cfn"
	"github.com/cronbearer/cronbearer/internal/dev/shipped"
)

// number is one number of docs/limits.md: what the row says, and the line of the code that says the same.
type number struct{ says, file, line string }

// numbers are those of each row whose source is the code.
var numbers = map[string][]number{
	"one attempt (`Timeout`)": {
		{"840 s", "internal/job/job.go", `MaxTimeout = 840 \* time\.Second`},
		{"30 s by default", "internal/job/job.go", `DefaultTimeout = 30 \* time\.Second`},
	},
	"attempts (`Attempts`)": {
		{"10,", "internal/job/job.go", `MaxAttempts = 10$`},
		{"3 by default", "internal/job/job.go", `DefaultAttempts = 3$`},
	},
	"the wait between two attempts": {
		{"250 ms", "internal/retry/budget.go", `backoffBase = 250 \* time\.Millisecond`},
		{"20 s", "internal/retry/budget.go", `backoffCap = 20 \* time\.Second`},
	},
	"a job's event, with body and headers": {{"256 KiB", "internal/dev/lint/jobs.go", `maxInput = 256 << 10$`}},
	"the response that is read, after decompression": {
		{"1 MiB", "internal/endpoint/client.go", `maxBody = 1 << 20$`},
	},
	"the response's headers": {
		{"64 KiB", "internal/egress/transport.go", `MaxResponseHeader = 64 << 10$`},
	},
	"connecting, TLS": {
		{"10 s each", "internal/egress/transport.go", `connectTimeout = 10 \* time\.Second`},
		{"10 s each", "internal/egress/transport.go", `tlsTimeout = 10 \* time\.Second`},
	},
	"words of the target that an error quotes": {
		{"300 bytes", "internal/redact/text.go", `MaxQuote = 300 `},
	},
	"an error, a log line": {
		{"16 KiB", "internal/redact/text.go", `MaxError = 16 << 10 `},
		{"64 KiB", "internal/redact/text.go", `MaxLine = 64 << 10 `},
	},
	"its length": {{"8,192 bytes", "internal/bearer/token.go", `MaxLength = 8192$`}},
	"how long a warm function uses a replaced token": {
		{"5 minutes", "internal/config/config.go", `maxSecretCacheTTL = 5 \* time\.Minute`},
	},
	"how long both tokens of a rotation are tried": {
		{"one hour", "internal/caller/window.go", `window = time\.Hour`},
	},
	"requests for one minted token": {
		{"3,", "internal/token/minter.go", `maxMintAttempts = 3 `},
		{"15 s", "internal/oauth/client.go", `exchangeTimeout = 15 \* time\.Second`},
	},
	"the answer of a token endpoint": {
		{"1 MiB", "internal/oauth/answer.go", `maxAnswer = 1 << 20$`},
	},
	"a minted token without an expiry": {
		{"5 minutes", "internal/token/minter.go", `unknownLife = 5 \* time\.Minute`},
	},
	"the lifetime of a minted token that is believed": {
		{"24 hours", "internal/token/minter.go", `longestLife = 24 \* time\.Hour`},
	},
	"a client that was rejected": {
		{"5 minutes", "internal/token/minter.go", `rejectedFor = 5 \* time\.Minute`},
	},
	"a renewal by the rotator (`Every`)": {
		{"15 minutes", "infra/rotation.yaml", `AllowedPattern: 'rate\\\(\(\(1\[5-9\]`},
	},
	"a start that cannot be delivered": {
		{"3 retries within 15 minutes", shipped.Path, `MaximumRetryAttempts: 3, MaximumEventAgeInSeconds: 900 `},
	},
	"a start while Lambda throttles": {{"15 minutes", shipped.Path, `MaximumEventAgeInSeconds: 900$`}},
	"`Window`": {
		{"1 to 1,440 minutes", "internal/dev/lint/rows.go", `whole\("minutes", 1, 1440\)`},
	},
	"`SilentAfter`": {
		{"168 hours", "internal/dev/lint/rows.go", `maxSilentAfter = 168$`},
	},
	"what failed is kept for":    {{"14 days", shipped.Path, `MessageRetentionPeriod: 1209600$`}},
	"a reminder of a dead token": {{"20 hours", shipped.Path, `Default: 20h$`}},
	"resources":                  {{"500;", "internal/dev/lint/safety.go", `maxResources = 500$`}},
	"jobs":                       {{"200,", "internal/dev/lint/safety.go", `maxRows = 200$`}},
	"the template": {
		{"1 MB", "internal/dev/lint/safety.go", `maxTemplate = 1_000_000 `},
	},
	"a name of a job or a token": {
		{"40 letters and digits", "internal/dev/lint/rows.go", `\[A-Za-z\]\[A-Za-z0-9\]\{0,39\}\$`},
	},
	"a `Note`": {
		{"200 characters", "internal/dev/lint/rows.go", `maxNote = 200$`},
	},
	"`AllowedHosts`":              {{"2,048 characters", shipped.Path, `MaxLength: 2048$`}},
	"a run with all its attempts": {{"900 s", shipped.Path, `Timeout: 900$`}},
	"a job that runs weekly or less often": {
		{"Watch: ignore", "internal/dev/lint/rows.go", `maxSilentAfter = 168$`},
	},
}

// TestLimitsAreThoseOfTheCode: each number of the page that the code has is the code's, and none is left out.
func TestLimitsAreThoseOfTheCode(t *testing.T) {
	t.Parallel()
	page, rows := read(t, "limits.md"), map[string]string{}
	for _, m := range regexp.MustCompile(`(?m)^\| ([^|]+) \| ([^|]+) \| ([^|]+) \|$`).FindAllStringSubmatch(page, -1) {
		if m[1] == "limit" || m[1] == "---" {
			continue
		}
		rows[m[1]] = m[2]
		if numbers[m[1]] == nil && !strings.Contains(m[3], "https://") && m[3] != "the same" {
			t.Errorf("no test reads %q from %s", m[1], m[3])
		}
	}
	space := regexp.MustCompile(` +`)
	for row, list := range numbers {
		for _, n := range list {
			if !strings.Contains(rows[row], n.says) {
				t.Errorf("the row %q says %q, not %s", row, rows[row], n.says)
			}
			code := space.ReplaceAllString(read(t, filepath.Join("..", n.file)), " ")
			// Whether a constant is exported makes no difference to its number.
			if !regexp.MustCompile(`(?mi)` + n.line).MatchString(code) {
				t.Errorf("%s has no %s, as the row %q says", n.file, n.line, row)
			}
		}
	}
	s, err := cfn.Load("../"+shipped.Path, cfn.Options{
		Parameters: map[string]string{"AllowedHosts": "api.example.com", "AlarmEmail": "you@example.com"},
	})
	if err != nil {
		t.Fatal(err)
	}
	own := len(s.Resources) - 2*len(s.Loop("Tokens")) - 2*len(s.Loop("Jobs"))
	if want := fmt.Sprintf("%d are the stack's own", own); !strings.Contains(rows["resources"], want) {
		t.Errorf("the row of resources does not say that %s: %s", want, rows["resources"])
	}
}

// TestTemplatesFitAsThePagesSay: those of infra into a request, the application's only through a bucket.
func TestTemplatesFitAsThePagesSay(t *testing.T) {
	t.Parallel()
	const most = 51_200 // CloudFormation quotas, "Template body size in a request"
	files, err := filepath.Glob("../infra/*.yaml")
	if err != nil || len(files) == 0 {
		t.Fatal(err)
	}
	for _, file := range files {
		if size := len(read(t, file)); size > most {
			t.Errorf("%s has %d bytes, and docs/terraform-cdk.md says that it fits into template_body", file, size)
		}
	}
	if size := len(shipped.Template()); size <= most {
		t.Errorf("the template has only %d bytes: docs/terraform-cdk.md needs no bucket", size)
	}
}
