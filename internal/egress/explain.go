package egress

import (
	"context"
	"crypto/tls"
	"errors"
	"fmt"
	"net"
	"strings"
	"time"

	"github.com/cronbearer/cronbearer/internal/redact"
)

// Explain describes in plain words why no complete response head arrived. Go's own texts may quote the target. net/http
// has no types for most of these, so their texts are compared; a test holds each against the Go in use.
func Explain(err error, timeout time.Duration) string {
	if dns, ok := errors.AsType[*net.DNSError](err); ok {
		if dns.IsNotFound {
			return "the host name does not exist in DNS"
		}
		return "the host name could not be resolved"
	}
	if certificate, ok := errors.AsType[*tls.CertificateVerificationError](err); ok {
		return "the target's certificate is not valid: " + redact.Quote(certificate.Err.Error())
	}
	if _, ok := errors.AsType[tls.RecordHeaderError](err); ok {
		return notTLS
	}
	timedOut := errors.Is(err, context.DeadlineExceeded)
	if network, ok := errors.AsType[net.Error](err); ok && network.Timeout() {
		timedOut = true
	}
	operation, isOperation := errors.AsType[*net.OpError](err)
	dialing := isOperation && operation.Op == "dial"
	// The innermost text begins with the words of the package that returned it. Its end may quote the target.
	switch text := innermost(err).Error(); {
	case dialing && timedOut:
		return "connecting timed out"
	case dialing:
		return "the connection was refused or the target cannot be reached"
	case text == "net/http: TLS handshake timeout":
		return "the TLS handshake timed out"
	case timedOut:
		return fmt.Sprintf("no answer came within %s", timeout.Round(time.Millisecond))
	case strings.HasPrefix(text, "tls: "):
		return "the TLS handshake failed: " + redact.Quote(text)
	case text == "http: server gave HTTP response to HTTPS client":
		return notTLS
	case strings.HasPrefix(text, "net/http: server response headers exceeded"):
		return "the answer's headers are larger than 64 KiB"
	case strings.HasPrefix(text, "malformed "), strings.HasPrefix(
		text, "net/http: HTTP/1.x transport connection broken: malformed ",
	):
		return "the answer is not HTTP"
	default:
		return "the connection was closed before the answer was complete"
	}
}

const notTLS = "the target does not use TLS on this port"

func innermost(err error) error {
	for {
		next := errors.Unwrap(err)
		if next == nil {
			return err
		}
		err = next
	}
}
