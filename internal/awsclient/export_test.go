package awsclient

import (
	"crypto/x509"
	"net/http"
	"net/url"
	"time"

	"github.com/aws/aws-sdk-go-v2/aws"
)

// NewClient returns the HTTP client of the AWS clients.
func NewClient(transport http.RoundTripper, timeout time.Duration) aws.HTTPClient {
	return client{transport, timeout}
}

// NewTransportAt is NewTransport with a clock of the test's.
func NewTransportAt(now func() time.Time, roots *x509.CertPool, services ...url.URL) *http.Transport {
	return newTransport(now, roots, services)
}

// WebIdentityToken reads an answer of STS.
var WebIdentityToken = webIdentityToken
