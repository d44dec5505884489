package egress

import (
	"crypto/sha256"
	"crypto/x509"
	"net/http"
	"sync"
)

// CA are certificates that are trusted in addition to the system's.
type CA struct {
	id           [sha256.Size]byte // the same for the same certificates
	certificates []*x509.Certificate
}

// NewCA returns the CA of these certificates.
func NewCA(certificates []*x509.Certificate) *CA {
	hash := sha256.New()
	for _, certificate := range certificates {
		_, _ = hash.Write(certificate.Raw)
	}
	return &CA{[sha256.Size]byte(hash.Sum(nil)), certificates}
}

// maxTrusts bounds how many CAs have their own connections at a time. A secret's CA changes once in years.
const maxTrusts = 64

// Trust keeps one client for each set of trusted certificates: for nil that of the transport given,
// for each CA one with its own transport, connections and TLS sessions. It is safe for concurrent use.
type Trust[T any] struct {
	base *http.Transport
	with func(*http.Transport) T
	own  T

	mu   sync.Mutex
	kept map[[sha256.Size]byte]trusting[T]
}

type trusting[T any] struct {
	transport *http.Transport
	value     T
}

// NewTrust returns a Trust. with returns the client for a transport.
func NewTrust[T any](base *http.Transport, with func(*http.Transport) T) *Trust[T] {
	return &Trust[T]{base: base, with: with, own: with(base), kept: map[[sha256.Size]byte]trusting[T]{}}
}

// For returns the client that also trusts ca.
func (t *Trust[T]) For(ca *CA) T {
	if ca == nil {
		return t.own
	}
	t.mu.Lock()
	defer t.mu.Unlock()
	if k, ok := t.kept[ca.id]; ok {
		return k.value
	}
	if len(t.kept) >= maxTrusts {
		for id, k := range t.kept {
			k.transport.CloseIdleConnections()
			delete(t.kept, id)
		}
	}
	transport := trustingTransport(t.base, ca)
	k := trusting[T]{transport, t.with(transport)}
	t.kept[ca.id] = k
	return k.value
}

func trustingTransport(base *http.Transport, ca *CA) *http.Transport {
	transport := base.Clone()
	roots := x509.NewCertPool()
	if base.TLSClientConfig != nil && base.TLSClientConfig.RootCAs != nil {
		roots = base.TLSClientConfig.RootCAs.Clone()
	} else if system, err := x509.SystemCertPool(); err == nil {
		roots = system
	}
	for _, certificate := range ca.certificates {
		roots.AddCert(certificate)
	}
	transport.TLSClientConfig = TLSConfig(roots)
	return transport
}
