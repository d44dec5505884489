package tuning_test

import (
	"bufio"
	"bytes"
	"context"
	"errors"
	"io"
	"net"
	"net/http"
	"strings"
	"sync"
	"testing"

	"github.com/cronbearer/cronbearer/internal/tuning"
)

// wire counts the writes of a client's connection.
type wire struct {
	net.Conn

	mu     sync.Mutex
	writes []int
	broken error
}

func (w *wire) Write(p []byte) (int, error) {
	w.mu.Lock()
	defer w.mu.Unlock()
	if w.broken != nil {
		return 0, w.broken
	}
	w.writes = append(w.writes, len(p))
	return w.Conn.Write(p)
}

func (w *wire) count() int {
	w.mu.Lock()
	defer w.mu.Unlock()
	return len(w.writes)
}

// received is what the server reads of a request.
type received struct {
	body    string
	trailer http.Header
	err     error
}

// connect makes a tuned client on a connection in memory, whose other side reads requests and answers 202.
func connect(t *testing.T) (*http.Client, *wire, <-chan received) {
	t.Helper()
	client, server := net.Pipe()
	w, got := &wire{Conn: client}, make(chan received, 1)
	go func() {
		in := bufio.NewReaderSize(server, 1<<18) // trailers must fit
		for {
			request, err := http.ReadRequest(in)
			if err != nil {
				return
			}
			body, err := io.ReadAll(request.Body)
			got <- received{string(body), request.Trailer, err}
			_, _ = io.WriteString(server, "HTTP/1.1 202 Accepted\r\nContent-Length: 0\r\n\r\n")
		}
	}()
	transport := &http.Transport{DialContext: func(context.Context, string, string) (net.Conn, error) { return w, nil }}
	tuning.RuntimeAPI(transport)
	t.Cleanup(func() {
		transport.CloseIdleConnections()
		_ = server.Close()
	})
	return &http.Client{Transport: transport}, w, got
}

// piecewise gives its pieces one by one, as a stream whose length nobody knows.
type piecewise []string

func (p *piecewise) Read(to []byte) (int, error) {
	if len(*p) == 0 {
		return 0, io.EOF
	}
	n := copy(to, (*p)[0])
	if (*p)[0] = (*p)[0][n:]; (*p)[0] == "" {
		*p = (*p)[1:]
	}
	return n, nil
}

func TestRequestsToTheRuntimeAPIAreWholeAndInOneWrite(t *testing.T) {
	t.Parallel()
	long := strings.Repeat("x", 100_000)
	for name, c := range map[string]struct {
		method  string
		body    io.Reader
		header  string
		trailer http.Header
		want    string
		writes  int // at most
	}{
		"asking for work":                   {method: http.MethodGet, writes: 1},
		"an answer of unknown length":       {method: http.MethodPost, body: &piecewise{`{"job":"J"}`}, want: `{"job":"J"}`, writes: 1},
		"an answer in pieces":               {method: http.MethodPost, body: &piecewise{"a", "b", "c"}, want: "abc", writes: 1},
		"an empty answer":                   {method: http.MethodPost, body: &piecewise{}, writes: 2},
		"with trailers":                     {method: http.MethodPost, body: &piecewise{"a"}, trailer: http.Header{"X-End": {"e"}}, want: "a", writes: 1},
		"trailers longer than the buffer":   {method: http.MethodPost, body: &piecewise{"a"}, trailer: http.Header{"X-End": {long[:4055]}}, want: "a", writes: 9},
		"a piece that ends as the last one": {method: http.MethodPost, body: &piecewise{"a\r\n\r\n", "b"}, want: "a\r\n\r\nb", writes: 9},
		"a piece that looks like the end":   {method: http.MethodPost, body: &piecewise{"0\r\n\r\n", "0\r\n\r\n"}, want: "0\r\n\r\n0\r\n\r\n", writes: 9},
		"a body of known length":            {method: http.MethodPost, body: strings.NewReader("a\r\n\r\nb"), want: "a\r\n\r\nb", writes: 1},
		"a body that looks like a head":     {method: http.MethodPost, body: &piecewise{"a\r\n\r\n", "x\r\nTransfer-Encoding: chunked\r\n\r\n", "b"}, want: "a\r\n\r\nx\r\nTransfer-Encoding: chunked\r\n\r\nb", writes: 9},
		"a long answer":                     {method: http.MethodPost, body: &piecewise{long}, want: long, writes: 1},
		"a head longer than the buffer":     {method: http.MethodPost, body: &piecewise{"a"}, header: long, want: "a", writes: 99},
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			client, w, got := connect(t)
			for range 3 { // one request must leave nothing to the next
				before := w.count()
				body := c.body
				if p, ok := body.(*piecewise); ok {
					again := append(piecewise{}, *p...)
					body = &again
				} else if body != nil {
					body = strings.NewReader(c.want)
				}
				request, err := http.NewRequestWithContext(t.Context(), c.method, "http://api/2018-06-01/runtime", body)
				if err != nil {
					t.Fatal(err)
				}
				request.Trailer = c.trailer.Clone()
				if c.header != "" {
					request.Header.Set("Lambda-Runtime-Function-Xray-Error-Cause", c.header)
				}
				response, err := client.Do(request)
				if err != nil {
					t.Fatal(err)
				}
				_ = response.Body.Close()
				r := <-got
				if r.err != nil || r.body != c.want || r.trailer.Get("X-End") != c.trailer.Get("X-End") {
					t.Errorf("%d bytes and trailer %v, error %v; want %d bytes", len(r.body), r.trailer, r.err, len(c.want))
				}
				if n := w.count() - before; n > c.writes {
					t.Errorf("%d writes, want %d at most", n, c.writes)
				}
			}
		})
	}
}

func TestBrokenConnectionIsTold(t *testing.T) {
	t.Parallel()
	client, w, _ := connect(t)
	w.broken = errors.New("broken pipe")
	request, err := http.NewRequestWithContext(t.Context(), http.MethodPost, "http://api/", &piecewise{"a"})
	if err != nil {
		t.Fatal(err)
	}
	if response, err := client.Do(request); err == nil {
		_ = response.Body.Close()
		t.Error("no error")
	}
}

// net/http fills its buffer of 4 KiB with the trailers, and the last piece may be no more than the end of the end.
func TestTrailersOfEachLengthAreSent(t *testing.T) {
	t.Parallel()
	for length := 4000; length < 4100; length++ {
		client, _, got := connect(t)
		request, err := http.NewRequestWithContext(t.Context(), http.MethodPost, "http://api/", &piecewise{"a"})
		if err != nil {
			t.Fatal(err)
		}
		request.Trailer = http.Header{"X-End": {strings.Repeat("x", length)}}
		response, err := client.Do(request)
		if err != nil {
			t.Fatalf("%d bytes: %v", length, err)
		}
		_ = response.Body.Close()
		if r := <-got; r.err != nil || len(r.trailer.Get("X-End")) != length {
			t.Errorf("%d bytes came as %d, error %v", length, len(r.trailer.Get("X-End")), r.err)
		}
	}
}

// aws-lambda-go clones http.DefaultTransport: a transport of another kind, which somebody may have put there, stays.
func TestOtherTransportsStay(t *testing.T) {
	t.Parallel()
	tuning.RuntimeAPI(http.NewFileTransport(http.Dir(t.TempDir())))
}

// FuzzWholeRequests: whatever pieces a body comes in, the other side reads what was sent.
func FuzzWholeRequests(f *testing.F) {
	f.Add("a\r\n\r\nb", uint8(3))
	f.Add("0\r\n\r\n", uint8(5))
	f.Fuzz(func(t *testing.T, body string, size uint8) {
		client, _, got := connect(t)
		var pieces piecewise
		for rest := []byte(body); len(rest) > 0; {
			n := min(len(rest), int(size)+1)
			pieces = append(pieces, string(rest[:n]))
			rest = rest[n:]
		}
		request, err := http.NewRequestWithContext(t.Context(), http.MethodPost, "http://api/", &pieces)
		if err != nil {
			t.Fatal(err)
		}
		response, err := client.Do(request)
		if err != nil {
			t.Fatal(err)
		}
		_ = response.Body.Close()
		if r := <-got; r.err != nil || !bytes.Equal([]byte(r.body), []byte(body)) {
			t.Errorf("%q came as %q, error %v", body, r.body, r.err)
		}
	})
}
