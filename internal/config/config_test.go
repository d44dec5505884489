package config_test

import (
	"log/slog"
	"maps"
	"net/url"
	"os"
	"path/filepath"
	"strings"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"

	"github.com/cronbearer/cronbearer/internal/config"
	"github.com/cronbearer/cronbearer/internal/dev/pki"
	"github.com/cronbearer/cronbearer/internal/hosts"
)

type environment map[string]string

func (e environment) lookup(name string) (string, bool) {
	v, ok := e[name]
	return v, ok
}

// with returns the least that a caller needs, and more.
func with(more environment) environment {
	e := environment{"STACK_NAME": "cronbearer", "AWS_REGION": "eu-west-1"}
	maps.Copy(e, more)
	return e
}

func defaults() config.Settings {
	return config.Settings{
		MetricNamespace: "Cronbearer", StackName: "cronbearer", Region: "eu-west-1", SecretCacheTTL: 5 * time.Minute,
		IdempotencyHeader: "Idempotency-Key", RemindAfter: 20 * time.Hour, LogLevel: slog.LevelInfo,
		LogResponses: true,
	}
}

// compare ignores the lists of hosts, which say what they allow in another test.
func compare(want, got config.Settings) string {
	return cmp.Diff(want, got, cmp.Comparer(func(hosts.List, hosts.List) bool { return true }))
}

func TestRead(t *testing.T) {
	t.Parallel()
	for name, c := range map[string]struct {
		set  environment
		want func(*config.Settings)
	}{
		"the least": {set: nil, want: func(*config.Settings) {}},
		"everything": {set: environment{
			"METRIC_NAMESPACE": "My App/x_1.2-#:", "STACK_NAME": "other", "SECRET_PREFIX": "other/",
			"ALLOWED_HOSTS": "a.example, *.b.example:8443", "SECRET_CACHE_TTL": "90s",
			"IDEMPOTENCY_HEADER": "X-Request-Id", "ALLOW_PRIVATE_TARGETS": "true", "REMIND_AFTER": "48h",
			"ALARM_PREFIX": "other-TokenRejected-", "LOG_LEVEL": "warn",
			"LOG_RESPONSES": "errors",
			"AWS_REGION":    "us-gov-west-1", "AWS_ENDPOINT_URL": "https://vpce.example", "AWS_USE_FIPS_ENDPOINT": "true",
			"AWS_USE_DUALSTACK_ENDPOINT": "true",
		}, want: func(s *config.Settings) {
			*s = config.Settings{
				MetricNamespace: "My App/x_1.2-#:", StackName: "other", SecretPrefix: "other/", SecretCacheTTL: 90 * time.Second,
				IdempotencyHeader:   "X-Request-Id",
				AllowPrivateTargets: true, RemindAfter: 48 * time.Hour, AlarmPrefix: "other-TokenRejected-",
				LogLevel: slog.LevelWarn, LogResponses: true, Region: "us-gov-west-1",
				SecretsEndpoint: "https://vpce.example", CloudWatchEndpoint: "https://vpce.example",
				STSEndpoint: "https://vpce.example", UseFIPS: true, UseDualStack: true,
			}
		}},
		"an empty value is none": {set: environment{
			"METRIC_NAMESPACE": "", "SECRET_PREFIX": "", "ALLOWED_HOSTS": "", "SECRET_CACHE_TTL": "",
			"ALLOW_PRIVATE_TARGETS": "", "REMIND_AFTER": "", "ALARM_PREFIX": "", "LOG_LEVEL": "",
			"LOG_RESPONSES":    "",
			"AWS_ENDPOINT_URL": "", "AWS_ENDPOINT_URL_SECRETS_MANAGER": "", "AWS_ENDPOINT_URL_CLOUDWATCH": "",
			"AWS_USE_FIPS_ENDPOINT": "", "AWS_USE_DUALSTACK_ENDPOINT": "",
			"EXTRA_CA_FILE": "", "CRONBEARER_TEST_ALLOW_LOOPBACK": "", "CRONBEARER_TEST_CLOCK": "",
		}, want: func(*config.Settings) {}},
		"an empty idempotency header turns it off": {
			set: environment{"IDEMPOTENCY_HEADER": ""},
			want: func(s *config.Settings) {
				s.IdempotencyHeader = ""
			},
		},
		"no cache": {set: environment{"SECRET_CACHE_TTL": "0"}, want: func(s *config.Settings) {
			s.SecretCacheTTL = 0
		}},
		"no cache, with unit": {set: environment{"SECRET_CACHE_TTL": "0s"}, want: func(s *config.Settings) {
			s.SecretCacheTTL = 0
		}},
		"the longest cache": {set: environment{"SECRET_CACHE_TTL": "300s"}, want: func(*config.Settings) {}},
		"no reminders": {set: environment{"REMIND_AFTER": "0"}, want: func(s *config.Settings) {
			s.RemindAfter = 0
		}},
		"a long time": {set: environment{"REMIND_AFTER": "1000h"}, want: func(s *config.Settings) {
			s.RemindAfter = 1000 * time.Hour
		}},
		"false": {set: environment{"ALLOW_PRIVATE_TARGETS": "false"}, want: func(*config.Settings) {}},
		"debug": {set: environment{"LOG_LEVEL": "DEBUG"}, want: func(s *config.Settings) {
			s.LogLevel = slog.LevelDebug
		}},
		"error": {set: environment{"LOG_LEVEL": "eRRor"}, want: func(s *config.Settings) {
			s.LogLevel = slog.LevelError
		}},
		"info": {set: environment{"LOG_LEVEL": "Info"}, want: func(*config.Settings) {}},
		"answers are never quoted": {set: environment{"LOG_RESPONSES": "never"}, want: func(s *config.Settings) {
			s.LogResponses = false
		}},
		"never, in any case": {set: environment{"LOG_RESPONSES": "Never"}, want: func(s *config.Settings) {
			s.LogResponses = false
		}},
		"errors quote answers": {set: environment{"LOG_RESPONSES": "ERRORS"}, want: func(*config.Settings) {}},
		"a service's endpoint": {
			set: environment{
				"AWS_ENDPOINT_URL": "https://a.example", "AWS_ENDPOINT_URL_CLOUDWATCH": "https://b.example",
			},
			want: func(s *config.Settings) {
				s.SecretsEndpoint, s.CloudWatchEndpoint = "https://a.example", "https://b.example"
				s.STSEndpoint = "https://a.example"
			},
		},
		"another service's": {
			set: environment{"AWS_ENDPOINT_URL_SECRETS_MANAGER": "https://a.example"},
			want: func(s *config.Settings) {
				s.SecretsEndpoint = "https://a.example"
			},
		},
		"this machine": {
			set: environment{
				"AWS_ENDPOINT_URL": "http://127.0.0.1:4566", "AWS_ENDPOINT_URL_SECRETS_MANAGER": "http://localhost:1",
				"AWS_ENDPOINT_URL_CLOUDWATCH": "http://[::1]:2",
			},
			want: func(s *config.Settings) {
				s.SecretsEndpoint, s.CloudWatchEndpoint = "http://localhost:1", "http://[::1]:2"
				s.STSEndpoint = "http://127.0.0.1:4566"
			},
		},
		"STS's": {set: environment{"AWS_ENDPOINT_URL_STS": "https://a.example"}, want: func(s *config.Settings) {
			s.STSEndpoint = "https://a.example"
		}},
		"tests on one machine": {
			set: environment{
				"CRONBEARER_TEST_ALLOW_LOOPBACK": "1", "CRONBEARER_TEST_CLOCK": "/tmp/clock",
			},
			want: func(s *config.Settings) {
				s.AllowLoopback, s.ClockFile = true, "/tmp/clock"
			},
		},
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			want := defaults()
			c.want(&want)
			got, err := config.Read(with(c.set).lookup)
			if err != nil {
				t.Fatal(err)
			}
			if diff := compare(want, got); diff != "" {
				t.Error(diff)
			}
		})
	}
}

func TestReadAllowedHosts(t *testing.T) {
	t.Parallel()
	s, err := config.Read(with(environment{"ALLOWED_HOSTS": " a.example ,*.b.example:8443"}).lookup)
	if err != nil {
		t.Fatal(err)
	}
	for host, want := range map[string]bool{
		"a.example": true, "x.b.example:8443": true, "b.example:8443": false, "c.example": false,
	} {
		if got := s.AllowedHosts.Allows(&url.URL{Host: host}); got != want {
			t.Errorf("%s: %t", host, got)
		}
	}
	s, err = config.Read(with(nil).lookup)
	if err != nil || s.AllowedHosts.Allows(&url.URL{Host: "a.example"}) {
		t.Errorf("no list allows a host: %v", err)
	}
}

func TestReadRejects(t *testing.T) {
	t.Parallel()
	const (
		duration  = "must be a duration such as 90s, 5m or 20h"
		negative  = "must not be negative"
		boolean   = "must be true or false"
		level     = "must be debug, info, warn or error"
		responses = "must be errors or never"
		endpoint  = "must be an https:// URL"
		plain     = "must be an https:// URL: secrets are sent over it"
		form      = "; it holds comma-separated hosts: api.example.com, api.example.com:8443 or *.example.com"
		setItself = "must not be set: the call sets it itself"
	)
	for name, c := range map[string]struct{ variable, value, want string }{
		"a namespace of AWS": {
			variable: "METRIC_NAMESPACE", value: "AWS/Lambda", want: "must not begin with AWS/, which is reserved",
		},
		"a namespace with a colon": {variable: "METRIC_NAMESPACE", value: ":x", want: "must not begin with a colon"},
		"a namespace with other bytes": {
			variable: "METRIC_NAMESPACE", value: "a*b", want: "may have only letters, digits, spaces and . - _ / # :",
		},
		"a namespace of spaces": {variable: "METRIC_NAMESPACE", value: " ", want: "must not be only spaces"},
		"a long namespace": {
			variable: "METRIC_NAMESPACE", value: strings.Repeat("x", 256), want: "must have 1 to 255 characters",
		},
		"an empty stack name":           {variable: "STACK_NAME", value: "", want: "is missing"},
		"a blank stack name":            {variable: "STACK_NAME", value: " ", want: "is missing"},
		"a stack name with a colon":     {variable: "STACK_NAME", value: ":x", want: "must not begin with a colon"},
		"a stack name with other bytes": {variable: "STACK_NAME", value: "é", want: "must be printable ASCII"},
		"a bad host": {
			variable: "ALLOWED_HOSTS", value: "a.example,127.0.0.1",
			want: "entry 2: an IP address is not allowed: write a host name" + form,
		},
		"two bad hosts": {
			variable: "ALLOWED_HOSTS", value: "a.example:x,,b",
			want: "entry 1: the port must be a number from 1 to 65535; entry 2: the host name is missing" + form,
		},
		"a cache without a unit":      {variable: "SECRET_CACHE_TTL", value: "300", want: duration},
		"a cache that is too long":    {variable: "SECRET_CACHE_TTL", value: "5m1s", want: "must be at most 5m0s"},
		"a negative cache":            {variable: "SECRET_CACHE_TTL", value: "-1s", want: negative},
		"a header that the call sets": {variable: "IDEMPOTENCY_HEADER", value: "authorization", want: setItself},
		"another one":                 {variable: "IDEMPOTENCY_HEADER", value: "Proxy-Id", want: setItself},
		"what is not a header name": {
			variable: "IDEMPOTENCY_HEADER", value: "Idempotency Key", want: "is not a header name",
		},
		"what is blank":                 {variable: "IDEMPOTENCY_HEADER", value: " ", want: "is not a header name"},
		"yes":                           {variable: "ALLOW_PRIVATE_TARGETS", value: "yes", want: boolean},
		"blank":                         {variable: "ALLOW_PRIVATE_TARGETS", value: " ", want: boolean},
		"reminders without a unit":      {variable: "REMIND_AFTER", value: "20", want: duration},
		"reminders in words":            {variable: "REMIND_AFTER", value: "never", want: duration},
		"negative reminders":            {variable: "REMIND_AFTER", value: "-20h", want: negative},
		"a level that is none":          {variable: "LOG_LEVEL", value: "verbose", want: level},
		"a level as a number":           {variable: "LOG_LEVEL", value: "-4", want: level},
		"answers quoted always":         {variable: "LOG_RESPONSES", value: "always", want: responses},
		"answers quoted: a boolean":     {variable: "LOG_RESPONSES", value: "true", want: responses},
		"no region":                     {variable: "AWS_REGION", value: "", want: "is missing"},
		"an endpoint that is not a URL": {variable: "AWS_ENDPOINT_URL", value: "a.example", want: endpoint},
		"an endpoint without a host":    {variable: "AWS_ENDPOINT_URL", value: "https://:443", want: endpoint},
		"an endpoint with user info":    {variable: "AWS_ENDPOINT_URL", value: "https://a:b@c.example", want: endpoint},
		"an endpoint of another scheme": {variable: "AWS_ENDPOINT_URL", value: "ftp://a.example", want: endpoint},
		"plain HTTP":                    {variable: "AWS_ENDPOINT_URL", value: "http://a.example", want: plain},
		"plain HTTP to a private host": {
			variable: "AWS_ENDPOINT_URL_SECRETS_MANAGER", value: "http://10.0.0.1", want: plain,
		},
		"plain HTTP to what looks local": {
			variable: "AWS_ENDPOINT_URL_CLOUDWATCH", value: "http://127.0.0.1.example.com", want: plain,
		},
		"a short form of loopback": {variable: "AWS_ENDPOINT_URL_CLOUDWATCH", value: "http://127.1", want: plain},
		"FIPS":                     {variable: "AWS_USE_FIPS_ENDPOINT", value: "on", want: boolean},
		"dual stack":               {variable: "AWS_USE_DUALSTACK_ENDPOINT", value: "2", want: boolean},
		"certificates that are missing": {
			variable: "EXTRA_CA_FILE", value: "/no/such/file", want: "the file cannot be read",
		},
		"certificates that are none": {
			variable: "EXTRA_CA_FILE", value: "/dev/null", want: "the file holds no PEM certificate",
		},
		"loopback": {variable: "CRONBEARER_TEST_ALLOW_LOOPBACK", value: "maybe", want: boolean},
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			_, err := config.Read(with(environment{c.variable: c.value}).lookup)
			if want := "environment variable " + c.variable + ": " + c.want; err == nil || err.Error() != want {
				t.Errorf("%v, want %s", err, want)
			}
		})
	}
}

func TestReadNamesAMissingVariable(t *testing.T) {
	t.Parallel()
	_, err := config.Read(environment{}.lookup)
	if want := "environment variable AWS_REGION: is missing\nenvironment variable STACK_NAME: is missing"; err == nil ||
		err.Error() != want {
		t.Error(err)
	}
}

func TestReadNamesEveryBadVariableAtOnce(t *testing.T) {
	t.Parallel()
	bad := environment{
		"METRIC_NAMESPACE": "*", "STACK_NAME": "", "ALLOWED_HOSTS": "*", "SECRET_CACHE_TTL": "x", "IDEMPOTENCY_HEADER": "*:",
		"ALLOW_PRIVATE_TARGETS": "x", "REMIND_AFTER": "x",
		"LOG_LEVEL": "x", "LOG_RESPONSES": "x", "AWS_REGION": "", "AWS_ENDPOINT_URL": "x",
		"AWS_ENDPOINT_URL_SECRETS_MANAGER": "x", "AWS_ENDPOINT_URL_CLOUDWATCH": "x",
		"AWS_USE_FIPS_ENDPOINT": "x", "AWS_USE_DUALSTACK_ENDPOINT": "x", "EXTRA_CA_FILE": "/no/such/file",
		"CRONBEARER_TEST_ALLOW_LOOPBACK": "x",
	}
	_, err := config.Read(bad.lookup)
	if err == nil {
		t.Fatal("no error")
	}
	lines := strings.Split(err.Error(), "\n")
	if len(lines) != len(bad) {
		t.Errorf("%d problems for %d variables: %v", len(lines), len(bad), err)
	}
	for name := range bad {
		if n := strings.Count(err.Error(), "environment variable "+name+": "); n != 1 {
			t.Errorf("%s is named %d times", name, n)
		}
	}
}

// A value may be what someone put into the wrong variable.
func TestReadNeverShowsAValue(t *testing.T) {
	t.Parallel()
	const secret = "kq3Zv8Xw1\x01"
	bad := environment{}
	for _, name := range []string{
		"METRIC_NAMESPACE", "STACK_NAME", "ALLOWED_HOSTS", "SECRET_CACHE_TTL", "IDEMPOTENCY_HEADER", "ALLOW_PRIVATE_TARGETS",
		"REMIND_AFTER", "LOG_LEVEL", "LOG_RESPONSES", "AWS_ENDPOINT_URL",
		"AWS_ENDPOINT_URL_SECRETS_MANAGER", "AWS_ENDPOINT_URL_CLOUDWATCH", "AWS_USE_FIPS_ENDPOINT", "EXTRA_CA_FILE",
		"CRONBEARER_TEST_ALLOW_LOOPBACK",
	} {
		bad[name] = secret
	}
	_, err := config.Read(bad.lookup)
	if err == nil || strings.Contains(err.Error(), secret[:9]) {
		t.Error(err)
	}
}

func certificateFile(t *testing.T) (name string, content []byte) {
	t.Helper()
	authority, err := pki.New()
	if err != nil {
		t.Fatal(err)
	}
	content = authority.PEM
	name = filepath.Join(t.TempDir(), "ca.pem")
	if err := os.WriteFile(name, content, 0o600); err != nil {
		t.Fatal(err)
	}
	return name, content
}

func TestReadExtraCertificates(t *testing.T) {
	t.Parallel()
	name, content := certificateFile(t)
	s, err := config.Read(with(environment{"EXTRA_CA_FILE": name}).lookup)
	if err != nil {
		t.Fatal(err)
	}
	if diff := cmp.Diff(string(content), string(s.ExtraCAs)); diff != "" {
		t.Error(diff)
	}
}

// No setting of a deployed function may loosen a check, good or bad.
func TestVariablesForTestsAreIgnoredOnLambda(t *testing.T) {
	t.Parallel()
	name, _ := certificateFile(t)
	for _, kind := range []string{"on-demand", "provisioned-concurrency", "snap-start", "lambda-managed-instances", ""} {
		for set, e := range map[string]environment{
			"good": {
				"EXTRA_CA_FILE": name, "CRONBEARER_TEST_ALLOW_LOOPBACK": "1", "CRONBEARER_TEST_CLOCK": name,
				"CRONBEARER_TEST_NO_SETTLING": "1",
			},
			"bad": {
				"EXTRA_CA_FILE": "/no/such/file", "CRONBEARER_TEST_ALLOW_LOOPBACK": "maybe",
				"CRONBEARER_TEST_CLOCK": "/no/such/file", "CRONBEARER_TEST_NO_SETTLING": "maybe",
			},
		} {
			e["AWS_LAMBDA_INITIALIZATION_TYPE"] = kind
			got, err := config.Read(with(e).lookup)
			if err != nil {
				t.Fatalf("%q, %s: %v", kind, set, err)
			}
			if diff := compare(defaults(), got); diff != "" {
				t.Errorf("%q, %s: %s", kind, set, diff)
			}
		}
	}
}

func TestReadRotator(t *testing.T) {
	t.Parallel()
	for name, c := range map[string]struct {
		set     environment
		want    config.Settings
		metrics string
		bad     string
	}{
		"the least": {
			set: environment{"AWS_REGION": "eu-west-1", "SECRET_PREFIX": "cronbearer/", "STACK_NAME": "cronbearer"},
			want: config.Settings{
				Region: "eu-west-1", SecretPrefix: "cronbearer/", LogResponses: true, MetricNamespace: "Cronbearer",
				StackName: "cronbearer",
			},
		},
		"everything": {
			set: environment{
				"AWS_REGION": "eu-west-1", "SECRET_PREFIX": "cronbearer/", "ALLOW_PRIVATE_TARGETS": "true", "LOG_LEVEL": "debug",
				"AWS_ENDPOINT_URL": "http://127.0.0.1:1", "AWS_ENDPOINT_URL_CLOUDWATCH": "http://127.0.0.1:2",
				"AWS_USE_FIPS_ENDPOINT": "true",
				"METRIC_NAMESPACE":      "N", "STACK_NAME": "S",
				"CRONBEARER_TEST_ALLOW_LOOPBACK": "1", "CRONBEARER_TEST_CLOCK": "c", "CRONBEARER_TEST_NO_SETTLING": "1",
			},
			want: config.Settings{
				Region: "eu-west-1", SecretPrefix: "cronbearer/", AllowPrivateTargets: true, LogLevel: slog.LevelDebug,
				LogResponses:    true,
				SecretsEndpoint: "http://127.0.0.1:1", CloudWatchEndpoint: "http://127.0.0.1:2", UseFIPS: true,
				MetricNamespace: "N", StackName: "S",
				AllowLoopback: true, ClockFile: "c", NoSettling: true,
			},
		},
		"a bad value of the metric does not fail a rotation": {
			set: environment{
				"AWS_REGION": "eu-west-1", "SECRET_PREFIX": "c/", "METRIC_NAMESPACE": "*", "STACK_NAME": "",
				"AWS_ENDPOINT_URL_CLOUDWATCH": "x",
			},
			want: config.Settings{Region: "eu-west-1", SecretPrefix: "c/", LogResponses: true, MetricNamespace: "*"},
			metrics: "environment variable METRIC_NAMESPACE: may have only letters, digits, spaces and . - _ / # :\n" +
				"environment variable STACK_NAME: is missing\nenvironment variable AWS_ENDPOINT_URL_CLOUDWATCH: must be an " +
				"https:// URL",
		},
		"what only the caller reads": {
			set: environment{
				"AWS_REGION": "eu-west-1", "SECRET_PREFIX": "c/", "STACK_NAME": "S", "SECRET_CACHE_TTL": "x",
				"IDEMPOTENCY_HEADER": "*:", "REMIND_AFTER": "x",
			},
			want: config.Settings{
				Region: "eu-west-1", SecretPrefix: "c/", LogResponses: true, MetricNamespace: "Cronbearer", StackName: "S",
			},
		},
		"on Lambda": {
			set: environment{
				"AWS_REGION": "eu-west-1", "SECRET_PREFIX": "c/", "STACK_NAME": "S",
				"AWS_LAMBDA_INITIALIZATION_TYPE": "on-demand", "CRONBEARER_TEST_ALLOW_LOOPBACK": "1",
				"CRONBEARER_TEST_CLOCK": "c", "LOG_RESPONSES": "never",
			},
			want: config.Settings{Region: "eu-west-1", SecretPrefix: "c/", MetricNamespace: "Cronbearer", StackName: "S"},
		},
		"bad ones": {
			set:  environment{"STACK_NAME": "S", "LOG_LEVEL": "x", "ALLOWED_HOSTS": "*"},
			want: config.Settings{LogResponses: true, MetricNamespace: "Cronbearer", StackName: "S"},
			bad: "environment variable ALLOWED_HOSTS: entry 1: a host name has only letters, digits, hyphens and dots; it " +
				"holds comma-separated hosts: api.example.com, api.example.com:8443 or *.example.com\n" +
				"environment variable LOG_LEVEL: must be debug, info, warn or error\nenvironment variable AWS_REGION: is " +
				"missing\n" +
				"environment variable SECRET_PREFIX: is missing: only secrets with this prefix are renewed",
		},
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			got, metrics, err := config.ReadRotator(c.set.lookup)
			if text(err) != c.bad || text(metrics) != c.metrics {
				t.Fatalf("%v and %v, want %s and %s", err, metrics, c.bad, c.metrics)
			}
			if diff := compare(c.want, got); diff != "" {
				t.Error(diff)
			}
		})
	}
}

func text(err error) string {
	if err == nil {
		return ""
	}
	return err.Error()
}
