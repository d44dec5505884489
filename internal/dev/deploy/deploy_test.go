package main

import (
	"bytes"
	"os"
	"path/filepath"
	"strings"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"

	"github.com/cronbearer/cronbearer/internal/dev/samconfig"
	"github.com/cronbearer/cronbearer/internal/dev/shipped"
)

var now = time.Date(2026, time.November, 24, 12, 0, 0, 0, time.UTC)

const guided = `version = 0.1
[default.global.parameters]
stack_name = "cronbearer"
language_extensions = true

[default.deploy.parameters]
stack_name = "payments"
capabilities = "CAPABILITY_IAM CAPABILITY_AUTO_EXPAND"
resolve_s3 = true
parameter_overrides = "AllowedHosts=\"api.cronbearer.dev, *.cronbearer.dev\" AlarmEmail=\"\" LogRetentionDays=\"90\""

[prod.deploy.parameters]
stack_name = "payments-prod"
s3_bucket = "artifacts"
parameter_overrides = ["AllowedHosts=api.cronbearer.dev", "ParameterKey=LogLevel,ParameterValue=warn"]
`

// TestConfigIsTheEnvironmentsOwn: what a guided deployment saved counts, not the first line of that name in the file.
func TestConfigIsTheEnvironmentsOwn(t *testing.T) {
	t.Parallel()
	cases := map[string]struct {
		env, stack string
		parameters map[string]string
		arguments  string
	}{
		"saved by a guided deployment": {
			env: "default", stack: "payments",
			parameters: map[string]string{
				"AllowedHosts": "api.cronbearer.dev, *.cronbearer.dev", "AlarmEmail": "", "LogRetentionDays": "90",
			},
			arguments: "deploy --config-env default --language-extensions",
		},
		"written by hand": {
			env: "prod", stack: "payments-prod",
			parameters: map[string]string{"AllowedHosts": "api.cronbearer.dev", "LogLevel": "warn"},
			arguments:  "deploy --config-env prod --language-extensions --capabilities CAPABILITY_IAM CAPABILITY_AUTO_EXPAND",
		},
		"not there yet": {
			env: "test", parameters: map[string]string{},
			arguments: "deploy --config-env test --language-extensions --resolve-s3 --capabilities CAPABILITY_IAM " +
				"CAPABILITY_AUTO_EXPAND " +
				"--stack-name cronbearer-test --guided",
		},
	}
	file := filepath.Join(t.TempDir(), "samconfig.toml")
	write(t, file, guided, 0o600)
	for name, c := range cases {
		saved, err := samconfig.Read(file, c.env)
		if err != nil {
			t.Fatal(err)
		}
		got := config{saved}
		if got.Stack != c.stack {
			t.Errorf("%s: stack %q, want %q", name, got.Stack, c.stack)
		}
		if diff := cmp.Diff(c.parameters, got.Parameters); diff != "" {
			t.Errorf("%s: %s", name, diff)
		}
		if arguments := strings.Join(got.arguments(c.env), " "); arguments != c.arguments {
			t.Errorf("%s: %s, want %s", name, arguments, c.arguments)
		}
	}
}

// TestShippedConfigAsks: the repository's own samconfig.toml is that of a first deployment.
func TestShippedConfigAsks(t *testing.T) {
	t.Parallel()
	if os.Getenv("UPSTREAM") == "" {
		t.Skip("samconfig.toml holds its owner's answers (UPSTREAM=1 makes this a test)")
	}
	saved, err := samconfig.Read("../../../samconfig.toml", "default")
	if c := (config{saved}); err != nil || !c.asks() || c.Stack != "cronbearer" {
		t.Errorf("%+v, %v", saved, err)
	}
}

func write(t *testing.T, path, text string, mode os.FileMode) {
	t.Helper()
	if err := os.WriteFile(path, []byte(text), mode); err != nil {
		t.Fatal(err)
	}
}

// TestValidateNeedsNoSAM: it only reads, and an example's host is not a mistake yet.
func TestValidateNeedsNoSAM(t *testing.T) {
	t.Parallel()
	cases := map[string]struct{ template, says, fails string }{
		"sound": {template: shipped.Template(), says: "template.yaml: no mistakes\n"},
		"warning": {
			template: strings.Replace(shipped.Template(), "Europe/London", "EST", 1),
			says:     ": warning: Jobs.DailyReport.Timezone: EST",
		},
		"mistake": {
			template: strings.Replace(shipped.Template(), "SilentAfter: 75", "SilentAfter: 3d", 1),
			says:     ":40:20: error: Jobs.DailyReport.SilentAfter: ", fails: "template.yaml has mistakes: 1",
		},
		"no template": {fails: "no such file"},
	}
	for name, c := range cases {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			file := filepath.Join(t.TempDir(), "template.yaml")
			if c.template != "" {
				write(t, file, c.template, 0o600)
			}
			var out bytes.Buffer
			err := deployment{env: "default", template: file, out: &out, now: now}.validate(t.Context())
			if (err == nil) != (c.fails == "") || err != nil && !strings.Contains(err.Error(), c.fails) ||
				!strings.Contains(out.String(), c.says) {
				t.Errorf("%v; it said %q", err, out.String())
			}
		})
	}
}

// TestDeploy runs a SAM CLI that writes down what it is asked to do.
func TestDeploy(t *testing.T) {
	t.Parallel()
	own := strings.ReplaceAll(shipped.Template(), "api.example.com", "api.cronbearer.dev")
	departed := strings.NewReplacer(
		"\nResources:\n", "\nGlobals:\n  Function:\n    Tags: { team: payments }\n\nResources:\n  Mine:\n    Type: "+
			"AWS::CloudWatch::Alarm\n"+
			"    Properties: { Namespace: AWS/Lambda, MetricName: Errors, Statistic: Sum, Period: 300, EvaluationPeriods: 1, "+
			"Threshold: 1, "+
			"ComparisonOperator: GreaterThanOrEqualToThreshold }\n",
	).Replace(own)
	cases := map[string]struct {
		template, env, version string
		want                   []string // of sam's calls
		says                   string
	}{
		"the user's own": {
			template: own, env: "default", version: "1.170.0",
			want: []string{
				"build --config-env default --language-extensions", "deploy --config-env default --language-extensions",
			},
		},
		"tags in Globals and an alarm of one's own": {
			template: departed, env: "prod", version: "1.160.0",
			want: []string{"build --config-env prod --language-extensions", "deploy --config-env prod --language-extensions"},
		},
		"a first deployment of another environment": {
			template: own, env: "test", version: "1.170.0",
			want: []string{"build --config-env test --language-extensions", "--stack-name cronbearer-test --guided"},
		},
		"the examples":   {template: shipped.Template(), env: "default", version: "1.170.0", says: "api.example.com"},
		"an old SAM CLI": {template: own, env: "default", version: "1.159.1", says: "this is 1.159.1"},
		"a mistake in the row": {
			template: strings.Replace(own, "rate(1 hour)", "rate(1 week)", 1), env: "default", version: "1.170.0",
			says: "fix ",
		},
	}
	for name, c := range cases {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			dir := t.TempDir()
			sam, calls := filepath.Join(dir, "sam"), filepath.Join(dir, "calls")
			write(t, sam, "#!/bin/sh\nif [ \"$1\" = --version ]; then echo 'SAM CLI, version "+c.version+
				"'; else echo \"$@\" >>'"+calls+"'; fi\n", 0o700)
			write(t, filepath.Join(dir, "samconfig.toml"), guided, 0o600)
			write(t, filepath.Join(dir, "template.yaml"), c.template, 0o600)
			var out bytes.Buffer
			err := deployment{
				sam: sam, env: c.env, template: filepath.Join(dir, "template.yaml"),
				out: &out, now: now,
			}.run(t.Context())
			called, _ := os.ReadFile(calls)
			lines := strings.Split(strings.TrimSpace(string(called)), "\n")
			if c.says != "" {
				if err == nil || !strings.Contains(out.String()+err.Error(), c.says) || len(called) > 0 {
					t.Errorf("%v; it said %q and called %q", err, out.String(), called)
				}
				return
			}
			if err != nil || len(lines) != len(c.want) {
				t.Fatalf("%v; it said %q and called %q", err, out.String(), called)
			}
			for i, want := range c.want {
				if !strings.Contains(lines[i], want) {
					t.Errorf("call %d is %q, want %q", i, lines[i], want)
				}
			}
		})
	}
}
