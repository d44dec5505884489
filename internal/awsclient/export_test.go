package awsclient

import (
	"net/http"
	"time"

	"github.com/aws/aws-sdk-go-v2/aws"
)

// NewClient makes the HTTP client of the AWS clients.
func NewClient(transport http.RoundTripper, timeout time.Duration) aws.HTTPClient {
	return client{transport, timeout}
}
