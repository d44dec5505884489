// Package config reads the function's environment variables. It replaces aws-sdk-go-v2/config, whose package
// initialization and size every cold start would pay for (docs/decisions), to the extent that a Lambda function needs
// it: Region, endpoints, FIPS and dual stack, under the names of the AWS SDKs and Tools Reference Guide.
//
// Its policy: everything is read and validated before the first run, and every problem is reported at once, with the
// variable's name, as each deployment that reports only one of them costs a run. An empty variable counts as missing:
// the parameter of a template that is left empty still sets its variable. No variable holds a secret: everyone with
// lambda:GetFunctionConfiguration sees them all.
package config

import (
	"crypto/x509"
	"errors"
	"fmt"
	"log/slog"
	"net/netip"
	"net/url"
	"os"
	"strconv"
	"strings"
	"time"

	"github.com/cronbearer/cronbearer/internal/hosts"
	"github.com/cronbearer/cronbearer/internal/metric"
	"github.com/cronbearer/cronbearer/internal/request"
)

// Names of the variables. The template test compares them with template.yaml.
const (
	// The application's own, documented in docs/configuration.md.
	MetricNamespace     = "METRIC_NAMESPACE"
	StackName           = "STACK_NAME"
	SecretPrefix        = "SECRET_PREFIX"
	AllowedHosts        = "ALLOWED_HOSTS"
	SecretCacheTTL      = "SECRET_CACHE_TTL"
	IdempotencyHeader   = "IDEMPOTENCY_HEADER"
	AllowPrivateTargets = "ALLOW_PRIVATE_TARGETS"
	RemindAfter         = "REMIND_AFTER"
	AlarmPrefix         = "ALARM_PREFIX"
	LogLevel            = "LOG_LEVEL"
	LogResponses        = "LOG_RESPONSES"
	ExtraCAFile         = "EXTRA_CA_FILE"
	TestAllowLoopback   = "CRONBEARER_TEST_ALLOW_LOOPBACK"
	TestClock           = "CRONBEARER_TEST_CLOCK"
	TestNoSettling      = "CRONBEARER_TEST_NO_SETTLING"

	// AWS's (AWS SDKs and Tools Reference Guide, and Lambda's "Defined runtime environment variables").
	awsRegion                = "AWS_REGION"
	awsEndpoint              = "AWS_ENDPOINT_URL"
	awsEndpointSecrets       = "AWS_ENDPOINT_URL_SECRETS_MANAGER"
	awsEndpointCloudWatch    = "AWS_ENDPOINT_URL_CLOUDWATCH"
	awsEndpointSTS           = "AWS_ENDPOINT_URL_STS"
	awsUseFIPS               = "AWS_USE_FIPS_ENDPOINT"
	awsUseDualStack          = "AWS_USE_DUALSTACK_ENDPOINT"
	lambdaInitializationType = "AWS_LAMBDA_INITIALIZATION_TYPE"
)

// maxSecretCacheTTL bounds how long a run may use a token that was replaced without being rejected, and how old the
// hosts that bind it may be.
const maxSecretCacheTTL = 5 * time.Minute

// Settings are the function's configuration. They do not change while an environment lives: Lambda starts a new one for
// each change of a variable.
type Settings struct {
	MetricNamespace     string
	StackName           string
	SecretPrefix        string
	AllowedHosts        hosts.List
	SecretCacheTTL      time.Duration
	IdempotencyHeader   string // empty: none is sent
	AllowPrivateTargets bool
	RemindAfter         time.Duration // 0: never
	AlarmPrefix         string        // empty: no reminders
	LogLevel            slog.Level
	LogResponses        bool // errors quote the answer

	Region             string
	SecretsEndpoint    string // empty: AWS's own
	CloudWatchEndpoint string
	STSEndpoint        string
	UseFIPS            bool
	UseDualStack       bool

	// For tests on one machine; never set on Lambda.
	ExtraCAs      []byte // PEM
	AllowLoopback bool
	ClockFile     string
	NoSettling    bool // Secrets Manager is strongly consistent
}

// LookupEnv is os.LookupEnv or a test's fake.
type LookupEnv func(name string) (string, bool)

// Read validates all variables of the caller and reports every invalid one by its name. With an error the Settings are
// incomplete.
func Read(lookup LookupEnv) (Settings, error) {
	r := reader{lookup: lookup}
	s := r.common()
	s.MetricNamespace = r.namespace()
	s.StackName = r.stackName()
	s.SecretCacheTTL = r.duration(SecretCacheTTL, maxSecretCacheTTL, maxSecretCacheTTL)
	s.IdempotencyHeader = r.idempotencyHeader()
	s.RemindAfter = r.duration(RemindAfter, 20*time.Hour, 0)
	s.AlarmPrefix = r.text(AlarmPrefix, "")
	s.CloudWatchEndpoint = r.serviceEndpoint(awsEndpointCloudWatch)
	s.STSEndpoint = r.serviceEndpoint(awsEndpointSTS)
	return s, errors.Join(r.problems...)
}

// ReadRotator validates the variables of the rotator, which caches no secret. Problems with those of its metric are
// returned separately: a rotation continues without a metric.
func ReadRotator(lookup LookupEnv) (s Settings, metrics, err error) {
	r := reader{lookup: lookup}
	s = r.common()
	if s.SecretPrefix == "" {
		r.bad(SecretPrefix, "is missing: only secrets with this prefix are renewed")
	}
	m := reader{lookup: lookup, awsEndpoint: r.awsEndpoint}
	s.MetricNamespace, s.StackName = m.namespace(), m.stackName()
	s.CloudWatchEndpoint = m.serviceEndpoint(awsEndpointCloudWatch)
	return s, errors.Join(m.problems...), errors.Join(r.problems...)
}

// common reads what both functions have.
func (r *reader) common() Settings {
	r.awsEndpoint = r.endpoint(awsEndpoint)
	s := Settings{
		SecretPrefix:        r.text(SecretPrefix, ""),
		AllowedHosts:        r.hosts(AllowedHosts),
		AllowPrivateTargets: r.flag(AllowPrivateTargets),
		LogLevel:            r.level(),
		LogResponses:        r.responses(),
		Region:              r.region(),
		SecretsEndpoint:     r.serviceEndpoint(awsEndpointSecrets),
		UseFIPS:             r.flag(awsUseFIPS),
		UseDualStack:        r.flag(awsUseDualStack),
	}
	// Lambda sets this variable in every environment, so no setting of a deployed function can loosen a check.
	if _, onLambda := r.lookup(lambdaInitializationType); !onLambda {
		s.ExtraCAs = r.certificates()
		s.AllowLoopback = r.flag(TestAllowLoopback)
		s.ClockFile = r.text(TestClock, "")
		s.NoSettling = r.flag(TestNoSettling)
	}
	return s
}

// reader collects problems instead of stopping at the first. After a problem its methods return a value that is safe to
// go on with, never one that loosens a check.
type reader struct {
	lookup      LookupEnv
	problems    []error
	awsEndpoint string // AWS_ENDPOINT_URL
}

// bad names the variable first, so that every problem can be found in the template. It never quotes a value: one that
// was set by mistake may be a token.
func (r *reader) bad(name, format string, args ...any) {
	r.problems = append(r.problems, fmt.Errorf("environment variable %s: "+format, append([]any{name}, args...)...))
}

func (r *reader) text(name, fallback string) string {
	if v, _ := r.lookup(name); v != "" {
		return v
	}
	return fallback
}

func (r *reader) namespace() string {
	name := r.text(MetricNamespace, metric.DefaultNamespace)
	if err := checkNamespace(name); err != nil {
		r.bad(MetricNamespace, "%w", err)
	}
	return name
}

// stackName is required although no call needs it: a dimension of the metrics that is missing makes an alarm that never
// fires, and CloudWatch does not report that.
func (r *reader) stackName() string {
	name := r.text(StackName, "")
	if err := checkDimensionValue(name); err != nil {
		r.bad(StackName, "%w", err)
	}
	return name
}

// hosts reads the default binding of tokens. Empty is valid and allows nothing, as every secret may have its own hosts.
func (r *reader) hosts(name string) hosts.List {
	list, err := hosts.ParseCommaSeparated(r.text(name, ""))
	if err != nil {
		r.bad(name, "%s; it holds comma-separated hosts: api.example.com, api.example.com:8443 or *.example.com",
			strings.ReplaceAll(err.Error(), "\n", "; "))
	}
	return list
}

// duration reads 90s, 5m, 20h or 0; limit 0 means no upper limit.
func (r *reader) duration(name string, fallback, limit time.Duration) time.Duration {
	text := r.text(name, "")
	if text == "" {
		return fallback
	}
	d, err := time.ParseDuration(text)
	switch {
	case err != nil:
		r.bad(name, "must be a duration such as 90s, 5m or 20h")
	case d < 0:
		r.bad(name, "must not be negative")
	case limit > 0 && d > limit:
		r.bad(name, "must be at most %s", limit)
	default:
		return d
	}
	return fallback
}

// flag accepts what strconv.ParseBool does. Anything else is a problem rather than false: a misspelt true must not turn
// FIPS off.
func (r *reader) flag(name string) bool {
	text := r.text(name, "")
	if text == "" {
		return false
	}
	v, err := strconv.ParseBool(text)
	if err != nil {
		r.bad(name, "must be true or false")
	}
	return v
}

// idempotencyHeader is the one variable whose empty value has a meaning: no header is sent. The name is that of
// draft-ietf-httpapi-idempotency-key-header, which expired without becoming a standard; the value is not quoted as the
// draft has it, since the APIs in use (Stripe's first) expect it bare.
func (r *reader) idempotencyHeader() string {
	name, set := r.lookup(IdempotencyHeader)
	if !set {
		return "Idempotency-Key"
	}
	if name == "" {
		return ""
	}
	if err := request.CheckHeaderName(name); err != nil {
		r.bad(IdempotencyHeader, "%w", err)
	}
	return name
}

// level decides alone: the template sets Lambda's own filter (ApplicationLogLevel) to DEBUG.
func (r *reader) level() slog.Level {
	switch text := strings.ToLower(r.text(LogLevel, "info")); text {
	case "debug":
		return slog.LevelDebug
	case "info":
		return slog.LevelInfo
	case "warn":
		return slog.LevelWarn
	case "error":
		return slog.LevelError
	default:
		r.bad(LogLevel, "must be debug, info, warn or error")
		return slog.LevelInfo
	}
}

// responses reports whether errors may quote what a target or a provider answered. An invalid value counts as never:
// what an answer contains is not known in advance.
func (r *reader) responses() bool {
	switch strings.ToLower(r.text(LogResponses, "errors")) {
	case "errors":
		return true
	case "never":
		return false
	default:
		r.bad(LogResponses, "must be errors or never")
		return false
	}
}

// region has no default: Lambda always sets it, and a wrong one would read another Region's secrets.
func (r *reader) region() string {
	region := r.text(awsRegion, "")
	if region == "" {
		r.bad(awsRegion, "is missing")
	}
	return region
}

// serviceEndpoint prefers a service's own variable to the common one, as AWS's SDKs do (AWS SDKs and Tools Reference
// Guide, "Service-specific endpoints").
func (r *reader) serviceEndpoint(name string) string {
	if own := r.endpoint(name); own != "" {
		return own
	}
	return r.awsEndpoint
}

// endpoint rejects plain HTTP except to this machine: secrets are sent over it.
func (r *reader) endpoint(name string) string {
	text := r.text(name, "")
	if text == "" {
		return ""
	}
	u, err := url.Parse(text)
	switch {
	case err != nil, u.Scheme != "https" && u.Scheme != "http", u.Hostname() == "", u.User != nil:
		r.bad(name, "must be an https:// URL")
	case u.Scheme == "http" && !isLoopback(u.Hostname()):
		r.bad(name, "must be an https:// URL: secrets are sent over it")
	default:
		return text
	}
	return ""
}

// isLoopback resolves no name but localhost: another name may point to this machine today and elsewhere tomorrow.
func isLoopback(host string) bool {
	ip, err := netip.ParseAddr(host)
	return host == "localhost" || (err == nil && ip.IsLoopback())
}

// certificates reads a file and not SSL_CERT_FILE, which crypto/x509 ignores on macOS, where tests run as well.
func (r *reader) certificates() []byte {
	name := r.text(ExtraCAFile, "")
	if name == "" {
		return nil
	}
	pem, err := os.ReadFile(name)
	if err != nil {
		r.bad(ExtraCAFile, "the file cannot be read")
		return nil
	}
	if !x509.NewCertPool().AppendCertsFromPEM(pem) {
		r.bad(ExtraCAFile, "the file holds no PEM certificate")
	}
	return pem
}
