package outbound

import (
	"context"
	"crypto/tls"
	"errors"
	"net"
	"net/http"
	"sync"
	"time"
)

const (
	// connectAheadTime bounds what a dead host may cost the start.
	connectAheadTime = time.Second
	// connectAheadAge is how long the connection is used: Lambda may freeze an environment before its first run.
	connectAheadAge = 5 * time.Second
	// lookTime is for a look at whether the other side has hung up.
	lookTime = 50 * time.Microsecond
)

// errHandshakeTimeout is what net/http says by itself where it makes the handshake.
var errHandshakeTimeout = errors.New("net/http: TLS handshake timeout")

// ConnectAhead opens a connection to host:port for the first request that goes there. Nothing is sent on it. What fails
// here fails again when it is needed, and is told then. The transport must not be in use yet.
//
// To net/http the connection is a new one. Had it been taken from the pool of idle ones, net/http by itself would
// repeat the request when it breaks, which nobody would count.
func ConnectAhead(transport *http.Transport, address string) {
	a := &ahead{transport: transport, address: address}
	transport.DialTLSContext = a.dial
	ctx, cancel := context.WithTimeout(context.Background(), connectAheadTime)
	defer cancel()
	if conn, err := a.open(ctx, "tcp", address); err == nil {
		a.conn, a.at = conn, time.Now().Round(0)
	}
}

type ahead struct {
	transport *http.Transport
	address   string

	mu   sync.Mutex
	conn *tls.Conn // nil: used, or never opened
	at   time.Time // wall-clock
}

// dial is the transport's DialTLSContext.
func (a *ahead) dial(ctx context.Context, network, address string) (net.Conn, error) {
	if conn := a.take(address); conn != nil {
		return conn, nil
	}
	conn, err := a.open(ctx, network, address)
	if err != nil {
		return nil, err
	}
	return conn, nil
}

func (a *ahead) take(address string) *tls.Conn {
	a.mu.Lock()
	defer a.mu.Unlock()
	if a.conn == nil || address != a.address {
		return nil
	}
	conn := a.conn
	a.conn = nil
	if age := time.Now().Round(0).Sub(a.at); age < 0 || age > connectAheadAge || !silent(conn) {
		_ = conn.Close()
		return nil
	}
	return conn
}

// silent tells whether the other side has neither hung up nor said what nobody asked. Session tickets are read on the
// way, which the first answer would bring otherwise.
func silent(conn *tls.Conn) bool {
	if conn.SetReadDeadline(time.Now().Add(lookTime)) != nil {
		return false
	}
	_, err := conn.Read(make([]byte, 1))
	network, ok := errors.AsType[net.Error](err)
	return ok && network.Timeout() && conn.SetReadDeadline(time.Time{}) == nil
}

// open does what net/http does without a DialTLSContext, with the same limits.
func (a *ahead) open(ctx context.Context, network, address string) (*tls.Conn, error) {
	host, _, err := net.SplitHostPort(address)
	if err != nil {
		return nil, err
	}
	plain, err := a.transport.DialContext(ctx, network, address)
	if err != nil {
		return nil, err
	}
	config := a.transport.TLSClientConfig.Clone()
	config.ServerName = host
	conn := tls.Client(plain, config)
	ctx, cancel := context.WithTimeoutCause(ctx, a.transport.TLSHandshakeTimeout, errHandshakeTimeout)
	defer cancel()
	if err := conn.HandshakeContext(ctx); err != nil {
		_ = plain.Close()
		if errors.Is(context.Cause(ctx), errHandshakeTimeout) {
			err = errHandshakeTimeout
		}
		return nil, err
	}
	return conn, nil
}
