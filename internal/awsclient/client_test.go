package awsclient_test

import (
	"context"
	"errors"
	"io"
	"net"
	"net/http"
	"net/http/httptest"
	"strings"
	"sync/atomic"
	"syscall"
	"testing"
	"testing/synctest"
	"time"

	"github.com/cronbearer/cronbearer/internal/awsclient"
)

// counted counts the writes of a connection.
type counted struct {
	net.Conn

	writes *atomic.Int32
}

func (c counted) Write(p []byte) (int, error) {
	c.writes.Add(1)
	return c.Conn.Write(p)
}

// opaque hides from net/http that a body is in memory, as the SDK does.
type opaque struct{ io.Reader }

func (opaque) Close() error { return nil }

func TestRequestToAWSIsOneWrite(t *testing.T) {
	t.Parallel()
	const text = `{"SecretId":"S/example-api","VersionStage":"AWSCURRENT"}`
	server := httptest.NewServer(http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		body, err := io.ReadAll(r.Body)
		if err != nil || string(body) != text || r.ContentLength != int64(len(text)) {
			t.Errorf("body %q of length %d, error %v", body, r.ContentLength, err)
		}
		_, _ = io.WriteString(w, `{"ok":true}`)
	}))
	defer server.Close()
	var writes atomic.Int32
	transport := &http.Transport{DialContext: func(ctx context.Context, network, address string) (net.Conn, error) {
		c, err := new(net.Dialer).DialContext(ctx, network, address)
		return counted{c, &writes}, err
	}}
	defer transport.CloseIdleConnections()
	client := awsclient.NewClient(transport, time.Minute)
	for range 3 {
		writes.Store(0)
		request, err := http.NewRequestWithContext(t.Context(), http.MethodPost, server.URL, nil)
		if err != nil {
			t.Fatal(err)
		}
		request.Body, request.ContentLength = opaque{strings.NewReader(text)}, int64(len(text))
		response, err := client.Do(request)
		if err != nil {
			t.Fatal(err)
		}
		body, err := io.ReadAll(response.Body)
		_ = response.Body.Close()
		if err != nil || string(body) != `{"ok":true}` {
			t.Errorf("answer %q, error %v", body, err)
		}
		if n := writes.Load(); n != 1 {
			t.Errorf("%d writes, want 1", n)
		}
	}
}

// dying is a connection whose writes fail once it has had its share.
type dying struct {
	net.Conn

	share *atomic.Int32
}

func (d dying) Write(p []byte) (int, error) {
	if d.share.Add(-1) < 0 {
		return 0, syscall.EPIPE
	}
	return d.Conn.Write(p)
}

// AWS closes connections while a function is frozen, and net/http sends a request anew by itself only if it can have the
// body again.
func TestConnectionThatDiedIsNoFault(t *testing.T) {
	t.Parallel()
	var got []string
	server := httptest.NewServer(http.HandlerFunc(func(_ http.ResponseWriter, r *http.Request) {
		body, err := io.ReadAll(r.Body)
		if err != nil {
			t.Error(err)
		}
		got = append(got, string(body))
	}))
	defer server.Close()
	dials := 0
	transport := &http.Transport{DialContext: func(ctx context.Context, network, address string) (net.Conn, error) {
		c, err := new(net.Dialer).DialContext(ctx, network, address)
		share := &atomic.Int32{}
		share.Store(1)
		dials++
		return dying{c, share}, err
	}}
	defer transport.CloseIdleConnections()
	client := awsclient.NewClient(transport, time.Minute)
	for _, text := range []string{"first", "second"} {
		request, err := http.NewRequestWithContext(t.Context(), http.MethodPost, server.URL, nil)
		if err != nil {
			t.Fatal(err)
		}
		request.Body, request.ContentLength = opaque{strings.NewReader(text)}, int64(len(text))
		response, err := client.Do(request)
		if err != nil {
			t.Fatal(err)
		}
		_ = response.Body.Close()
	}
	if strings.Join(got, " ") != "first second" || dials != 2 {
		t.Errorf("the server had %q on %d connections, want each request once, on 2", got, dials)
	}
}

// answer is a RoundTripper made of a function.
type answer func(*http.Request) (*http.Response, error)

func (f answer) RoundTrip(r *http.Request) (*http.Response, error) { return f(r) }

// failing breaks off after what it has.
type failing struct{ io.Reader }

func (f failing) Read(p []byte) (int, error) {
	n, err := f.Reader.Read(p)
	if err == io.EOF {
		err = io.ErrUnexpectedEOF
	}
	return n, err
}

func TestWhatAWSClientRefuses(t *testing.T) {
	t.Parallel()
	ok := func(body io.Reader) answer {
		return func(*http.Request) (*http.Response, error) {
			return &http.Response{StatusCode: http.StatusOK, Body: io.NopCloser(body), ContentLength: -1}, nil
		}
	}
	for name, c := range map[string]struct {
		body      io.Reader
		transport answer
		says      string
	}{
		"an answer over 1 MiB":          {nil, ok(strings.NewReader(strings.Repeat(" ", 1<<20+1))), "larger than 1 MiB"},
		"an answer that is cut off":     {nil, ok(failing{strings.NewReader("{")}), "read the answer: unexpected EOF"},
		"a request that cannot be read": {failing{strings.NewReader("{")}, ok(strings.NewReader("")), "read the request: unexpected EOF"},
		"no connection":                 {nil, func(*http.Request) (*http.Response, error) { return nil, errors.New("connection refused") }, "connection refused"},
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			request, err := http.NewRequestWithContext(t.Context(), http.MethodPost, "https://secretsmanager.example.com/", c.body)
			if err != nil {
				t.Fatal(err)
			}
			response, err := awsclient.NewClient(c.transport, time.Minute).Do(request)
			if err == nil {
				_ = response.Body.Close()
			}
			if err == nil || !strings.Contains(err.Error(), c.says) {
				t.Errorf("error %v, want %s", err, c.says)
			}
		})
	}
}

func TestAnswerOf1MiBIsTaken(t *testing.T) {
	t.Parallel()
	client := awsclient.NewClient(answer(func(*http.Request) (*http.Response, error) {
		return &http.Response{StatusCode: http.StatusOK, Body: io.NopCloser(strings.NewReader(strings.Repeat(" ", 1<<20))), ContentLength: 1 << 20}, nil
	}), time.Minute)
	request, err := http.NewRequestWithContext(t.Context(), http.MethodGet, "https://secretsmanager.example.com/", nil)
	if err != nil {
		t.Fatal(err)
	}
	response, err := client.Do(request)
	if err != nil {
		t.Fatal(err)
	}
	body, err := io.ReadAll(response.Body)
	_ = response.Body.Close()
	if err != nil || len(body) != 1<<20 {
		t.Errorf("%d bytes, error %v", len(body), err)
	}
}

// The time holds for the whole answer: one that trickles must not keep a run from its report.
func TestTimeHoldsUntilTheAnswerIsThere(t *testing.T) {
	t.Parallel()
	synctest.Test(t, func(t *testing.T) {
		client := awsclient.NewClient(answer(func(r *http.Request) (*http.Response, error) {
			body, writer := io.Pipe()
			context.AfterFunc(r.Context(), func() { _ = writer.CloseWithError(r.Context().Err()) })
			return &http.Response{StatusCode: http.StatusOK, Body: body, ContentLength: -1}, nil
		}), 5*time.Second)
		request, err := http.NewRequestWithContext(t.Context(), http.MethodGet, "https://secretsmanager.example.com/", nil)
		if err != nil {
			t.Fatal(err)
		}
		begun := time.Now()
		response, err := client.Do(request)
		if err == nil {
			_ = response.Body.Close()
		}
		if !errors.Is(err, context.DeadlineExceeded) || time.Since(begun) != 5*time.Second {
			t.Errorf("error %v after %s", err, time.Since(begun))
		}
	})
}
