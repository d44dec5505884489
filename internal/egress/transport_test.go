package egress_test

import (
	"bufio"
	"context"
	"crypto/tls"
	"crypto/x509"
	"errors"
	"fmt"
	"io"
	"log"
	"net"
	"net/http"
	"net/http/httptest"
	"strings"
	"sync/atomic"
	"testing"
	"time"

	"github.com/cronbearer/cronbearer/internal/dev/pki"
	"github.com/cronbearer/cronbearer/internal/egress"
)

var onThisMachine = egress.Guard{AllowLoopback: true}

// serve starts a TLS server and returns it with a pool that trusts it.
func serve(t *testing.T, change func(*httptest.Server), handler http.HandlerFunc) (*httptest.Server, *x509.CertPool) {
	t.Helper()
	server := httptest.NewUnstartedServer(handler)
	server.Config.ErrorLog = log.New(io.Discard, "", 0)
	if change != nil {
		change(server)
	}
	server.StartTLS()
	t.Cleanup(server.Close)
	roots := x509.NewCertPool()
	roots.AddCert(server.Certificate())
	return server, roots
}

func get(t *testing.T, transport http.RoundTripper, url string) (*http.Response, error) {
	t.Helper()
	ctx, cancel := context.WithTimeout(t.Context(), 20*time.Second)
	t.Cleanup(cancel)
	request, err := http.NewRequestWithContext(ctx, http.MethodGet, url, http.NoBody)
	if err != nil {
		t.Fatal(err)
	}
	response, err := transport.RoundTrip(request)
	if err == nil {
		t.Cleanup(func() { _ = response.Body.Close() })
	}
	return response, err
}

func TestGuardStandsBehindDNS(t *testing.T) {
	t.Parallel()
	var connections atomic.Int32
	server, roots := serve(t, func(s *httptest.Server) {
		s.Config.ConnState = func(net.Conn, http.ConnState) { connections.Add(1) }
	}, func(http.ResponseWriter, *http.Request) {})
	_, port, err := net.SplitHostPort(server.Listener.Addr().String())
	if err != nil {
		t.Fatal(err)
	}
	for _, guard := range []egress.Guard{{}, {AllowPrivate: true}} {
		_, err = get(t, egress.NewTransport(roots, guard), "https://localhost:"+port)
		if _, blocked := errors.AsType[*egress.BlockedError](err); !blocked {
			t.Errorf("guard %+v: a name for this machine: %v, want an *BlockedError", guard, err)
		}
	}
	if connections.Load() != 0 {
		t.Errorf("%d connections were made", connections.Load())
	}
	if _, err := get(t, egress.NewTransport(roots, onThisMachine), server.URL); err != nil {
		t.Errorf("with AllowLoopback: %s", err)
	}
}

func TestTLSVersions(t *testing.T) {
	t.Parallel()
	for version, works := range map[uint16]bool{
		tls.VersionTLS10: false, tls.VersionTLS11: false, tls.VersionTLS12: true, tls.VersionTLS13: true,
	} {
		t.Run(tls.VersionName(version), func(t *testing.T) {
			t.Parallel()
			server, roots := serve(t, func(s *httptest.Server) {
				s.TLS = &tls.Config{MinVersion: version, MaxVersion: version}
			}, func(http.ResponseWriter, *http.Request) {})
			_, err := get(t, egress.NewTransport(roots, onThisMachine), server.URL)
			if (err == nil) != works {
				t.Fatalf("got %v, want it to work: %t", err, works)
			}
			if text := ""; !works {
				if text = egress.Explain(err, time.Second); !strings.HasPrefix(text, "the TLS handshake failed: tls: ") {
					t.Errorf("explained as %q", text)
				}
			}
		})
	}
	if got := egress.TLSConfig(nil); got.MinVersion != tls.VersionTLS12 || got.InsecureSkipVerify {
		t.Errorf("least version %d, unchecked %t", got.MinVersion, got.InsecureSkipVerify)
	}
}

func TestCertificatesAreChecked(t *testing.T) {
	t.Parallel()
	server, roots := serve(t, nil, func(http.ResponseWriter, *http.Request) {})
	_, port, err := net.SplitHostPort(server.Listener.Addr().String())
	if err != nil {
		t.Fatal(err)
	}
	cases := map[string]struct {
		roots     *x509.CertPool
		host      string
		explained string
	}{
		"unknown authority": {
			roots: x509.NewCertPool(), host: "127.0.0.1",
			explained: "certificate is not valid: x509: certificate signed by unknown authority",
		},
		"another host": {
			roots: roots, host: "localhost", explained: "certificate is not valid: x509: certificate is valid for",
		},
	}
	for name, c := range cases {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			_, err := get(t, egress.NewTransport(c.roots, onThisMachine), "https://"+net.JoinHostPort(c.host, port))
			if err == nil {
				t.Fatal("the certificate was taken")
			}
			if text := egress.Explain(err, time.Second); !strings.Contains(text, c.explained) {
				t.Errorf("explained as %q, want %q", text, c.explained)
			}
		})
	}
}

func TestNoProxyFromTheEnvironment(t *testing.T) {
	proxy, err := net.Listen("tcp", "127.0.0.1:0") //nolint:noctx // a test's listener
	if err != nil {
		t.Fatal(err)
	}
	defer func() { _ = proxy.Close() }()
	for _, name := range []string{"HTTPS_PROXY", "https_proxy", "HTTP_PROXY", "http_proxy", "ALL_PROXY", "all_proxy"} {
		t.Setenv(name, "http://"+proxy.Addr().String())
	}
	server, roots := serve(t, nil, func(http.ResponseWriter, *http.Request) {})
	transport := egress.NewTransport(roots, onThisMachine)
	if transport.Proxy != nil {
		t.Error("there is a proxy function")
	}
	if _, err := get(t, transport, server.URL); err != nil {
		t.Errorf("the call went elsewhere: %s", err)
	}
}

func TestRedirectsAreNotFollowed(t *testing.T) {
	t.Parallel()
	for _, status := range []int{301, 302, 303, 307, 308} {
		var paths []string
		server, roots := serve(t, nil, func(w http.ResponseWriter, r *http.Request) {
			paths = append(paths, r.URL.Path)
			http.Redirect(w, r, "/elsewhere", status)
		})
		response, err := get(t, egress.NewTransport(roots, onThisMachine), server.URL+"/here")
		if err != nil || response.StatusCode != status || len(paths) != 1 {
			t.Errorf("%d: got %v, %v after %q", status, response, err, paths)
		}
	}
}

func TestHTTP1Only(t *testing.T) {
	t.Parallel()
	server, roots := serve(t, func(s *httptest.Server) {
		s.EnableHTTP2 = true
	}, func(http.ResponseWriter, *http.Request) {})
	response, err := get(t, egress.NewTransport(roots, onThisMachine), server.URL)
	if err != nil || response.Proto != "HTTP/1.1" {
		t.Errorf("got %v, %v", response, err)
	}
}

func TestHeadersAreLimited(t *testing.T) {
	t.Parallel()
	for size, works := range map[int]bool{60 << 10: true, 66 << 10: false} {
		server, roots := serve(t, nil, func(w http.ResponseWriter, _ *http.Request) {
			for i := range size >> 10 {
				w.Header().Set(fmt.Sprintf("X-%04d", i), strings.Repeat("x", 1024-10)) // name, colon, space, CRLF: 10 bytes
			}
		})
		_, err := get(t, egress.NewTransport(roots, onThisMachine), server.URL)
		if (err == nil) != works {
			t.Errorf("%d bytes: %v, want it to work: %t", size, err, works)
		}
		if err != nil {
			if text := egress.Explain(err, time.Second); text != "the answer's headers are larger than 64 KiB" {
				t.Errorf("explained as %q", text)
			}
		}
	}
}

// listen answers each connection with what the function does to it.
func listen(t *testing.T, config *tls.Config, serve func(net.Conn)) string {
	t.Helper()
	listener, err := net.Listen("tcp", "127.0.0.1:0") //nolint:noctx // a test's listener
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { _ = listener.Close() })
	go func() {
		for {
			conn, err := listener.Accept()
			if err != nil {
				return
			}
			go func() {
				defer func() { _ = conn.Close() }()
				if config == nil {
					serve(conn)
					return
				}
				secure := tls.Server(conn, config)
				if secure.HandshakeContext(context.Background()) != nil {
					return
				}
				if _, err := http.ReadRequest(bufio.NewReader(secure)); err == nil {
					serve(secure)
					_ = secure.CloseWrite()
				}
			}()
		}
	}()
	return "https://" + listener.Addr().String()
}

// A certificate of 100 KB of names makes an error of a few hundred bytes, in one line.
func TestHostileCertificateIsExplainedBriefly(t *testing.T) {
	t.Parallel()
	names := []string{"a\nb"}
	for i := range 98 { // Go itself lists no more than a hundred
		names = append(names, strings.Repeat(fmt.Sprintf("name-%d.", i), 120)+"example")
	}
	authority, err := pki.New()
	if err != nil {
		t.Fatal(err)
	}
	config, err := authority.ServerConfig(names...)
	if err != nil {
		t.Fatal(err)
	}
	config.NextProtos = nil
	server, _ := serve(t, func(s *httptest.Server) { s.TLS = config }, func(http.ResponseWriter, *http.Request) {})
	_, err = get(
		t, egress.NewTransport(authority.Pool(), onThisMachine), strings.Replace(server.URL, "127.0.0.1", "localhost", 1),
	)
	if err == nil || len(err.Error()) < 50_000 {
		t.Fatalf("this certificate is not hostile: %v", err)
	}
	got := egress.Explain(err, time.Second)
	if len(got) > 350 || strings.Contains(got, "\n") ||
		!strings.HasPrefix(got, "the target's certificate is not valid: x509: ") {
		t.Errorf("%d bytes: %s", len(got), got)
	}
}

func TestExplain(t *testing.T) {
	t.Parallel()
	trusted, roots := serve(t, nil, func(http.ResponseWriter, *http.Request) {})
	write := func(text string) func(net.Conn) {
		return func(c net.Conn) { _, _ = io.WriteString(c, text) }
	}
	closed, err := net.Listen("tcp", "127.0.0.1:0") //nolint:noctx // a test's listener
	if err != nil {
		t.Fatal(err)
	}
	_ = closed.Close()
	secure := trusted.TLS
	cases := map[string]struct {
		url  string
		want string
	}{
		"no such host": {url: "https://no-such-host.invalid/", want: "the host name "},
		"connection refused": {url: "https://" +
			closed.Addr().String(), want: "the connection was refused or the target cannot be reached"},
		"HTTP on this port": {url: listen(t, nil, func(c net.Conn) {
			_, _ = c.Read(make([]byte, 1024))
			write("HTTP/1.1 400 Bad Request\r\n\r\n")(c)
		}), want: "the target does not use TLS on this port"},
		"SSH on this port": {
			url: listen(t, nil, write("SSH-2.0-OpenSSH_9.9\r\n")), want: "the target does not use TLS on this port",
		},
		"hung up on the hello": {
			url: listen(t, nil, func(net.Conn) {}), want: "the connection was closed before the answer was complete",
		},
		"no answer": {
			url: listen(t, secure, func(net.Conn) {}), want: "the connection was closed before the answer was complete",
		},
		"half a head": {
			url:  listen(t, secure, write("HTTP/1.1 200 OK\r\nContent-Length: 5\r\n")),
			want: "the connection was closed before the answer was complete",
		},
		"not HTTP": {
			url: listen(t, secure, write("tls: canary no such thing\r\n\r\n")), want: "the answer is not HTTP",
		},
		"a status of letters": {url: listen(t, secure, write("HTTP/1.1 canary OK\r\n\r\n")), want: "the answer is not HTTP"},
		"a broken header": {
			url: listen(t, secure, write("HTTP/1.1 200 OK\r\ncanary tls\r\n\r\n")), want: "the answer is not HTTP",
		},
		"an unknown encoding": {
			url:  listen(t, secure, write("HTTP/1.1 200 OK\r\nTransfer-Encoding: tls: canary\r\n\r\n")),
			want: "the connection was closed before the answer was complete",
		},
	}
	for name, c := range cases {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			_, err := get(t, egress.NewTransport(roots, onThisMachine), c.url)
			if err == nil {
				t.Fatal("there was an answer")
			}
			got := egress.Explain(err, time.Second)
			if !strings.HasPrefix(got, c.want) || strings.Contains(got, "canary") {
				t.Errorf("%v\nis explained as %q, want %q", err, got, c.want)
			}
		})
	}
}

func TestExplainTimeouts(t *testing.T) {
	t.Parallel()
	dial := &net.OpError{Op: "dial", Err: context.DeadlineExceeded}
	cases := map[string]struct {
		err  error
		want string
	}{
		"DNS not found": {
			err:  &net.OpError{Op: "dial", Err: &net.DNSError{IsNotFound: true, Err: "no such host", Name: "canary"}},
			want: "the host name does not exist in DNS",
		},
		"DNS timed out": {
			err:  &net.OpError{Op: "dial", Err: &net.DNSError{IsTimeout: true, Err: "i/o timeout", Name: "canary"}},
			want: "the host name could not be resolved",
		},
		"connecting":    {err: fmt.Errorf("x: %w", dial), want: "connecting timed out"},
		"answering":     {err: context.DeadlineExceeded, want: "no answer came within 1.5s"},
		"reading":       {err: &net.OpError{Op: "read", Err: context.DeadlineExceeded}, want: "no answer came within 1.5s"},
		"anything else": {err: errors.New("canary"), want: "the connection was closed before the answer was complete"},
	}
	for name, c := range cases {
		if got := egress.Explain(c.err, 1500*time.Millisecond); got != c.want {
			t.Errorf("%s: %q, want %q", name, got, c.want)
		}
	}
}
