// Package awsclient creates the AWS clients from the settings: their endpoints, credentials, timeouts and retries. It
// decides nothing about what they are used for. aws-sdk-go-v2/config is not used: it costs 2 MB and a quarter of the
// init time, and a function needs only what Lambda puts into its environment.
package awsclient

import (
	"context"
	"crypto/x509"
	"errors"
	"net"
	"net/http"
	"net/url"
	"os"
	"time"

	"github.com/aws/aws-sdk-go-v2/aws"
	"github.com/aws/aws-sdk-go-v2/aws/ratelimit"
	awsretry "github.com/aws/aws-sdk-go-v2/aws/retry"
	"github.com/aws/aws-sdk-go-v2/service/cloudwatch"
	"github.com/aws/aws-sdk-go-v2/service/secretsmanager"

	"github.com/cronbearer/cronbearer/internal/config"
	"github.com/cronbearer/cronbearer/internal/egress"
	"github.com/cronbearer/cronbearer/internal/redact"
)

// Times are those of one try. Publishing has one try fewer: what is not stored is in the log as an embedded metric
// (docs/decisions/0002).
const (
	secretsTries    = 3
	secretsTimeout  = 5 * time.Second
	publishTries    = 2
	publishTimeout  = 2500 * time.Millisecond
	maxRetryBackoff = time.Second
)

// NewTransport returns the transport to AWS, and opens a connection to each of the services ahead of its use. It has no
// guard: an interface endpoint has a private address.
func NewTransport(roots *x509.CertPool, services ...url.URL) *http.Transport {
	return newTransport(time.Now, roots, services)
}

func newTransport(now func() time.Time, roots *x509.CertPool, services []url.URL) *http.Transport {
	d := &dialer{
		dial: &net.Dialer{Timeout: publishTimeout}, tls: egress.TLSConfig(roots), now: now, ahead: map[string]opened{},
	}
	d.predial(services)
	protocols := new(http.Protocols)
	// HTTP/2 has one connection for all requests, and an environment that was frozen notices its loss only by using it:
	// "http2: client connection lost" (ConductorOne/baton-sdk#1005).
	protocols.SetHTTP1(true)
	return &http.Transport{
		DialContext:            d.dial.DialContext,
		DialTLSContext:         d.DialTLS,
		MaxResponseHeaderBytes: egress.MaxResponseHeader,

		IdleConnTimeout:     time.Minute,
		MaxIdleConnsPerHost: 4,
		Protocols:           protocols,
	}
}

// SecretsManager returns a client for secrets.
func SecretsManager(s config.Settings, transport http.RoundTripper) *secretsmanager.Client {
	return secretsmanager.NewFromConfig(awsConfig(
		s, transport, secretsTimeout, secretsTries,
	), func(o *secretsmanager.Options) {
		o.BaseEndpoint, o.EndpointOptions.UseFIPSEndpoint, o.EndpointOptions.UseDualStackEndpoint = endpoint(
			s, s.SecretsEndpoint,
		)
	})
}

// CloudWatch returns a client for metrics and alarms.
func CloudWatch(s config.Settings, transport http.RoundTripper) *cloudwatch.Client {
	return cloudwatch.NewFromConfig(awsConfig(s, transport, publishTimeout, publishTries), func(o *cloudwatch.Options) {
		o.BaseEndpoint, o.EndpointOptions.UseFIPSEndpoint, o.EndpointOptions.UseDualStackEndpoint = endpoint(
			s, s.CloudWatchEndpoint,
		)
		o.Protocol = unread{o.Protocol}
	})
}

func awsConfig(s config.Settings, transport http.RoundTripper, timeout time.Duration, tries int) aws.Config {
	return aws.Config{
		Region:      s.Region,
		Credentials: aws.CredentialsProviderFunc(credentials),
		HTTPClient:  client{transport, timeout},
		Retryer: func() aws.Retryer {
			return awsretry.NewStandard(func(o *awsretry.StandardOptions) {
				o.MaxAttempts, o.MaxBackoff = tries, maxRetryBackoff
				// The SDK's quota of retries is for clients of many requests. Here an outage would use it up, and afterwards a
				// request on a connection that died meanwhile would fail without a second attempt.
				o.RateLimiter = ratelimit.None
			})
		},
		// The zero value of the size limit that an aws.Config made by hand has would gzip every PutMetricData.
		DisableRequestCompression: true,
	}
}

// credentials are those that Lambda puts into the environment. They outlive it, so they are never refreshed. No file,
// no IMDS and no container endpoint is asked: a function that has to ask has been misconfigured, and waiting for them
// would take the run's time.
func credentials(context.Context) (aws.Credentials, error) {
	c := aws.Credentials{
		AccessKeyID:     os.Getenv("AWS_ACCESS_KEY_ID"),
		SecretAccessKey: os.Getenv("AWS_SECRET_ACCESS_KEY"),
		SessionToken:    os.Getenv("AWS_SESSION_TOKEN"),
		Source:          "environment",
	}
	if c.AccessKeyID == "" || c.SecretAccessKey == "" {
		return aws.Credentials{}, errors.New("the function has no AWS credentials in its environment")
	}
	return c, nil
}

// KeepCredentials registers the function's credentials with the scrubber, for as long as the result is held: AWS's
// signature errors quote the request with the session token, and access to the environment is access to all of them.
func KeepCredentials(lookup config.LookupEnv, scrub *redact.Scrubber) []redact.Secret {
	var kept []redact.Secret
	for _, name := range []string{"AWS_ACCESS_KEY_ID", "AWS_SECRET_ACCESS_KEY", "AWS_SESSION_TOKEN"} {
		if value, ok := lookup(name); ok {
			kept = append(kept, scrub.Keep(value))
		}
	}
	return kept
}

// endpoint returns where a service is called. The user's own endpoint precedes FIPS and dual stack, which the SDK
// does not combine with it.
func endpoint(
	s config.Settings, own string,
) (base *string, fips aws.FIPSEndpointState, dualStack aws.DualStackEndpointState) {
	if own != "" {
		return aws.String(own), fips, dualStack
	}
	if s.UseFIPS {
		fips = aws.FIPSEndpointStateEnabled
	}
	if s.UseDualStack {
		dualStack = aws.DualStackEndpointStateEnabled
	}
	return nil, fips, dualStack
}
