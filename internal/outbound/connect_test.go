package outbound_test

import (
	"net"
	"net/http"
	"net/http/httptest"
	"sync/atomic"
	"testing"
	"time"

	"github.com/cronbearer/cronbearer/internal/outbound"
)

// counted is a server that counts connections and requests.
func counted(t *testing.T) (server *httptest.Server, transport *http.Transport, connections, requests *atomic.Int32) {
	t.Helper()
	connections, requests = new(atomic.Int32), new(atomic.Int32)
	server, roots := serve(t, func(s *httptest.Server) {
		s.Config.ConnState = func(_ net.Conn, state http.ConnState) {
			if state == http.StateNew {
				connections.Add(1)
			}
		}
	}, func(http.ResponseWriter, *http.Request) { requests.Add(1) })
	return server, outbound.NewTransport(roots, onThisMachine), connections, requests
}

func TestConnectAheadSendsNothingAndSavesTheHandshake(t *testing.T) {
	t.Parallel()
	server, transport, connections, requests := counted(t)
	outbound.ConnectAhead(transport, server.Listener.Addr().String())
	if connections.Load() != 1 || requests.Load() != 0 {
		t.Fatalf("%d connections and %d requests, want 1 and 0", connections.Load(), requests.Load())
	}
	if _, err := get(t, transport, server.URL); err != nil {
		t.Fatal(err)
	}
	if connections.Load() != 1 || requests.Load() != 1 {
		t.Errorf("%d connections and %d requests after the first call, want 1 and 1", connections.Load(), requests.Load())
	}
}

func TestConnectAheadLeavesNoDeadConnectionBehind(t *testing.T) {
	t.Parallel()
	server, transport, _, requests := counted(t)
	outbound.ConnectAhead(transport, server.Listener.Addr().String())
	server.CloseClientConnections()
	time.Sleep(50 * time.Millisecond) // the end of the connection travels
	if _, err := get(t, transport, server.URL); err != nil {
		t.Fatal(err)
	}
	if requests.Load() != 1 {
		t.Errorf("%d requests, want 1", requests.Load())
	}
}

func TestConnectAheadAsksTheGuard(t *testing.T) {
	t.Parallel()
	server, roots := serve(t, nil, func(http.ResponseWriter, *http.Request) {})
	var connections atomic.Int32
	server.Config.ConnState = func(net.Conn, http.ConnState) { connections.Add(1) }
	outbound.ConnectAhead(outbound.NewTransport(roots, outbound.Guard{}), server.Listener.Addr().String())
	if connections.Load() != 0 {
		t.Error("connected to loopback")
	}
}

// A request on it that breaks goes out once, as on any new connection.
func TestConnectAheadRepeatsNothing(t *testing.T) {
	t.Parallel()
	requests := new(atomic.Int32)
	server, roots := serve(t, nil, func(http.ResponseWriter, *http.Request) {
		requests.Add(1)
		panic(http.ErrAbortHandler)
	})
	transport := outbound.NewTransport(roots, onThisMachine)
	outbound.ConnectAhead(transport, server.Listener.Addr().String())
	if _, err := get(t, transport, server.URL); err == nil {
		t.Error("no error")
	}
	if requests.Load() != 1 {
		t.Errorf("%d requests, want 1", requests.Load())
	}
}

// A host that takes connections and says nothing costs a second.
func TestConnectAheadIsBounded(t *testing.T) {
	t.Parallel()
	listener, err := net.Listen("tcp", "127.0.0.1:0") //nolint:noctx // it listens until the test ends
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { _ = listener.Close() })
	transport := outbound.NewTransport(nil, onThisMachine)
	t.Cleanup(transport.CloseIdleConnections)
	begun := time.Now()
	outbound.ConnectAhead(transport, listener.Addr().String())
	if took := time.Since(begun); took > 5*time.Second {
		t.Errorf("it took %s", took)
	}
}
