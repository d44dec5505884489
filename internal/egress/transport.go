package egress

import (
	"crypto/tls"
	"crypto/x509"
	"net"
	"net/http"
	"time"
)

// MaxResponseHeader is how large an answer's headers may be, in bytes. net/http's own limit is 10 MB.
const MaxResponseHeader = 64 << 10

// Connecting has limits of its own, below the default of an attempt, so that a dead address leaves time for a retry.
const (
	connectTimeout = 10 * time.Second
	tlsTimeout     = 10 * time.Second
	idleTimeout    = 60 * time.Second
)

// NewTransport returns the only way out to targets and token endpoints: HTTPS only, no proxy, no redirects (it is a
// RoundTripper and follows none), every address through the guard. HTTP/1.1 only: what was sent and what was not is
// then known for each request, which the retry rules depend on.
func NewTransport(roots *x509.CertPool, guard Guard) *http.Transport {
	dialer := &net.Dialer{Timeout: connectTimeout, ControlContext: guard.control}
	protocols := new(http.Protocols)
	protocols.SetHTTP1(true)
	return &http.Transport{
		Proxy:                  nil,
		DialContext:            dialer.DialContext,
		TLSClientConfig:        TLSConfig(roots),
		TLSHandshakeTimeout:    tlsTimeout,
		MaxResponseHeaderBytes: MaxResponseHeader,
		IdleConnTimeout:        idleTimeout,
		MaxIdleConnsPerHost:    4,
		Protocols:              protocols,
	}
}

// OnceOnly returns the transport without connection reuse: when a reused connection breaks, net/http itself
// retries requests with an Idempotency-Key, whether they were sent or not, and for the others that is unknown.
func OnceOnly(t *http.Transport) *http.Transport {
	once := t.Clone()
	once.DisableKeepAlives = true
	return once
}

// TLSConfig always verifies certificates and keeps sessions for the next connection. TLS 1.2 is the lowest version that
// RFC 8996 leaves, and Go's own default, made explicit. A resumed session saves the slowest part of a call at 128 MB.
func TLSConfig(roots *x509.CertPool) *tls.Config {
	return &tls.Config{MinVersion: tls.VersionTLS12, RootCAs: roots, ClientSessionCache: tls.NewLRUClientSessionCache(64)}
}
