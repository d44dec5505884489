package outbound

import (
	"context"
	"crypto/tls"
	"errors"
	"fmt"
	"net"
	"strings"
	"time"
)

// Explain says in plain words why no complete response head came. Go's own texts may quote what the target sent.
func Explain(err error, timeout time.Duration) string {
	if dns, ok := errors.AsType[*net.DNSError](err); ok {
		if dns.IsNotFound {
			return "the host name does not exist in DNS"
		}
		return "the host name could not be resolved"
	}
	if certificate, ok := errors.AsType[*tls.CertificateVerificationError](err); ok {
		return "the target's certificate is not valid: " + certificate.Err.Error()
	}
	if _, ok := errors.AsType[tls.RecordHeaderError](err); ok {
		return "the target does not speak TLS on this port"
	}
	if _, ok := errors.AsType[tls.AlertError](err); ok {
		return "the TLS handshake failed: " + err.Error()
	}
	timedOut := errors.Is(err, context.DeadlineExceeded)
	if network, ok := errors.AsType[net.Error](err); ok && network.Timeout() {
		timedOut = true
	}
	var operation *net.OpError
	switch {
	case errors.As(err, &operation) && operation.Op == "dial" && timedOut:
		return "connecting timed out"
	case errors.As(err, &operation) && operation.Op == "dial":
		return "the connection was refused or the target cannot be reached"
	case timedOut:
		return fmt.Sprintf("no answer came within %s", timeout.Round(time.Millisecond))
	case strings.Contains(err.Error(), "tls:"):
		return "the TLS handshake failed: " + err.Error()
	case strings.Contains(err.Error(), "response headers exceeded"):
		return "the answer's headers are larger than 64 KiB"
	case strings.Contains(err.Error(), "malformed"):
		return "the answer is not HTTP"
	default:
		return "the connection broke before the answer was complete"
	}
}
