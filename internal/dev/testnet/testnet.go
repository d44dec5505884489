// Package testnet is a network in memory with names, addresses and TLS, for tests that run on the virtual time of
// testing/synctest, where a real connection would stop the clock. It is not a proxy for the real network, and it is in
// no binary.
package testnet

import (
	"bufio"
	"context"
	"crypto/tls"
	"crypto/x509"
	"io"
	"log"
	"net"
	"net/http"
	"net/netip"
	"sync"
	"syscall"
	"testing"
	"time"

	"github.com/cronbearer/cronbearer/internal/dev/pki"
	"github.com/cronbearer/cronbearer/internal/egress"
)

// Net has TLS servers by host and port. What it does not have refuses connections.
type Net struct {
	t *testing.T

	mu      sync.Mutex
	servers map[string]func(net.Conn)
	blocked map[string]netip.Addr
	dials   []string
}

// New returns a network without servers.
func New(t *testing.T) *Net {
	t.Helper()
	return &Net{t: t, servers: map[string]func(net.Conn){}, blocked: map[string]netip.Addr{}}
}

// Dials lists the addresses to which connections were opened, or not.
func (n *Net) Dials() []string {
	n.mu.Lock()
	defer n.mu.Unlock()
	return append([]string(nil), n.dials...)
}

// Transport is outbound's, with this network for the real one.
func (n *Net) Transport() *http.Transport {
	transport := egress.NewTransport(identity().roots, egress.Guard{})
	transport.DialContext = n.dial
	n.t.Cleanup(transport.CloseIdleConnections)
	return transport
}

func (n *Net) dial(_ context.Context, _, address string) (net.Conn, error) {
	n.mu.Lock()
	n.dials = append(n.dials, address)
	serve := n.servers[address]
	private, blocked := n.blocked[address]
	n.mu.Unlock()
	if blocked {
		return nil, &net.OpError{Op: "dial", Net: "tcp", Err: &egress.BlockedError{Address: private}}
	}
	if serve == nil {
		return nil, &net.OpError{Op: "dial", Net: "tcp", Err: syscall.ECONNREFUSED}
	}
	client, server := net.Pipe()
	go serve(server)
	return buffer(client), nil
}

// buffered accepts what is written at once and sends it when the other side reads, as a kernel does.
type buffered struct {
	net.Conn

	mu      sync.Mutex
	change  *sync.Cond
	pending []byte
	err     error
}

func buffer(c net.Conn) *buffered {
	b := &buffered{Conn: c}
	b.change = sync.NewCond(&b.mu)
	go b.send()
	return b
}

func (b *buffered) send() {
	b.mu.Lock()
	defer b.mu.Unlock()
	for {
		for len(b.pending) == 0 && b.err == nil {
			b.change.Wait()
		}
		if b.err != nil {
			return
		}
		next := b.pending
		b.pending = nil
		b.mu.Unlock()
		_, err := b.Conn.Write(next)
		b.mu.Lock()
		if err != nil && b.err == nil {
			b.err = err
		}
	}
}

func (b *buffered) Write(p []byte) (int, error) {
	b.mu.Lock()
	defer b.mu.Unlock()
	if b.err != nil {
		return 0, b.err
	}
	b.pending = append(b.pending, p...)
	b.change.Signal()
	return len(p), nil
}

func (b *buffered) Close() error {
	b.mu.Lock()
	defer b.mu.Unlock()
	if b.err == nil {
		b.err = net.ErrClosed
	}
	b.change.Signal()
	return b.Conn.Close()
}

func (n *Net) put(address string, serve func(net.Conn)) {
	n.mu.Lock()
	defer n.mu.Unlock()
	n.servers[address] = serve
}

// Block resolves an address to one that the guard blocks.
func (n *Net) Block(address string, private netip.Addr) {
	n.mu.Lock()
	defer n.mu.Unlock()
	n.blocked[address] = private
}

// Handle serves HTTP at an address such as example.com:443.
func (n *Net) Handle(address string, handler http.HandlerFunc) {
	listener := &listener{conns: make(chan net.Conn), done: make(chan struct{})}
	server := &http.Server{Handler: handler, ErrorLog: log.New(io.Discard, "", 0), ReadHeaderTimeout: time.Hour}
	go func() { _ = server.Serve(tls.NewListener(listener, identity().server)) }()
	n.t.Cleanup(func() { _ = server.Close() })
	n.put(address, func(c net.Conn) {
		select {
		case listener.conns <- c:
		case <-listener.done:
			_ = c.Close()
		}
	})
}

// Raw serves what no HTTP server would say: serve gets each connection, after the TLS handshake, with its number from
// 0, and ends it by returning.
func (n *Net) Raw(address string, serve func(number int, c *Conn)) {
	var mu sync.Mutex
	number := 0
	n.put(address, func(plain net.Conn) {
		defer func() { _ = plain.Close() }()
		secure := tls.Server(plain, identity().server)
		if secure.HandshakeContext(context.Background()) != nil {
			return
		}
		mu.Lock()
		this := number
		number++
		mu.Unlock()
		serve(this, &Conn{secure, bufio.NewReader(secure)})
		_ = secure.CloseWrite()
	})
}

// Conn is a server's end of a connection.
type Conn struct {
	net.Conn

	reader *bufio.Reader
}

// Request reads one request whole; ok is false when the client hung up.
func (c *Conn) Request() (r *http.Request, body string, ok bool) {
	r, err := http.ReadRequest(c.reader)
	if err != nil {
		return nil, "", false
	}
	text, err := io.ReadAll(r.Body)
	return r, string(text), err == nil
}

// Say writes text as it is.
func (c *Conn) Say(text string) { _, _ = io.WriteString(c, text) }

// Hang waits until the client hangs up.
func (c *Conn) Hang() { _, _ = io.Copy(io.Discard, c.reader) }

type listener struct {
	conns chan net.Conn
	once  sync.Once
	done  chan struct{}
}

func (l *listener) Accept() (net.Conn, error) {
	select {
	case c := <-l.conns:
		return c, nil
	case <-l.done:
		return nil, net.ErrClosed
	}
}

func (l *listener) Close() error {
	l.once.Do(func() { close(l.done) })
	return nil
}

func (l *listener) Addr() net.Addr { return &net.TCPAddr{} }

type certified struct {
	roots  *x509.CertPool
	server *tls.Config
}

// identity is a certificate for example.com and the hosts below it, valid on the virtual clock too, which begins in
// 2000.
var identity = sync.OnceValue(func() certified {
	authority, err := pki.New()
	if err != nil {
		panic(err)
	}
	server, err := authority.ServerConfig("example.com", "*.example.com", "example.net")
	if err != nil {
		panic(err)
	}
	server.NextProtos = nil // HTTP/1.1 without negotiation, as Raw speaks it
	return certified{authority.Pool(), server}
})
