package awsclient_test

import (
	"crypto/x509"
	"io"
	"log"
	"net"
	"net/http"
	"net/http/httptest"
	"net/url"
	"sync/atomic"
	"testing"
	"time"

	"github.com/cronbearer/cronbearer/internal/awsclient"
)

// service is a TLS server that counts the connections to it.
func service(t *testing.T) (location url.URL, roots *x509.CertPool, connections *atomic.Int32) {
	t.Helper()
	connections = &atomic.Int32{}
	server := httptest.NewUnstartedServer(http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		_, _ = io.WriteString(w, r.Proto)
	}))
	server.Config.ErrorLog = log.New(io.Discard, "", 0)
	server.Config.ConnState = func(_ net.Conn, state http.ConnState) {
		if state == http.StateNew {
			connections.Add(1)
		}
	}
	server.EnableHTTP2 = true
	server.StartTLS()
	t.Cleanup(server.Close)
	roots = x509.NewCertPool()
	roots.AddCert(server.Certificate())
	u, err := url.Parse(server.URL)
	if err != nil {
		t.Fatal(err)
	}
	return *u, roots, connections
}

func ask(t *testing.T, transport http.RoundTripper, location url.URL) string {
	t.Helper()
	request, err := http.NewRequestWithContext(t.Context(), http.MethodPost, location.String(), http.NoBody)
	if err != nil {
		t.Fatal(err)
	}
	response, err := transport.RoundTrip(request)
	if err != nil {
		t.Fatal(err)
	}
	body, err := io.ReadAll(response.Body)
	_ = response.Body.Close()
	if err != nil {
		t.Fatal(err)
	}
	return string(body)
}

// Lambda may start an environment long before its first run, and freezes it in between.
func TestConnectionOpenedInTheStartIsUsedWhileItIsFresh(t *testing.T) {
	t.Parallel()
	cases := map[string]struct {
		pause       time.Duration // between the start and the first request
		connections int32
	}{
		"at once":              {pause: 0, connections: 1},
		"just fresh":           {pause: 5*time.Second - 1, connections: 1},
		"too old":              {pause: 5 * time.Second, connections: 2},
		"a frozen environment": {pause: time.Hour, connections: 2},
		"a clock set back":     {pause: -time.Second, connections: 2},
	}
	for name, c := range cases {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			location, roots, connections := service(t)
			now := time.Now()
			transport := awsclient.NewTransportAt(func() time.Time { return now }, roots, location)
			t.Cleanup(transport.CloseIdleConnections)
			now = now.Add(c.pause)
			for range 3 {
				if protocol := ask(t, transport, location); protocol != "HTTP/1.1" {
					t.Errorf("asked by %s", protocol)
				}
			}
			if got := connections.Load(); got != c.connections {
				t.Errorf("%d connections, want %d", got, c.connections)
			}
		})
	}
}

func TestServiceThatCannotBeReachedInTheStartIsReachedLater(t *testing.T) {
	t.Parallel()
	location, roots, connections := service(t)
	transport := awsclient.NewTransport(x509.NewCertPool(), location) // no certificate is trusted
	if _, err := transport.RoundTrip(&http.Request{Method: http.MethodGet, URL: &location}); err == nil {
		t.Error("an unknown authority is trusted")
	}
	closed := location
	closed.Host = "127.0.0.1:1"
	transport = awsclient.NewTransport(roots, closed)
	t.Cleanup(transport.CloseIdleConnections)
	before := connections.Load()
	ask(t, transport, location)
	if got := connections.Load() - before; got != 1 {
		t.Errorf("%d connections, want 1", got)
	}
}

// A network that answers nothing costs the start a second, not the ten that Lambda allows it.
func TestStartWaitsASecondForConnections(t *testing.T) {
	t.Parallel()
	silent, err := net.Listen("tcp", "127.0.0.1:0") //nolint:noctx // a test's listener
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { _ = silent.Close() })
	location := url.URL{Scheme: "https", Host: silent.Addr().String()}
	started := time.Now()
	awsclient.NewTransport(nil, location, url.URL{Scheme: "http", Host: "192.0.2.1"})
	if took := time.Since(started); took < time.Second || took > 8*time.Second {
		t.Errorf("it took %s", took)
	}
}
