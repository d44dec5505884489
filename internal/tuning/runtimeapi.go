package tuning

import (
	"bytes"
	"context"
	"net"
	"net/http"
)

// RuntimeAPI makes aws-lambda-go answer Lambda with one write instead of three: call it before lambda.Start, which
// clones http.DefaultTransport for its requests to the Runtime API. Nothing else of the functions uses that transport.
//
// aws-lambda-go posts each answer as a stream of unknown length, for which net/http writes the head, the only chunk and
// the end one by one. The two writes and packets that are spared are a twentieth of a warm run's CPU, which infra/bench
// -tricks measures.
func RuntimeAPI(transport http.RoundTripper) {
	t, ok := transport.(*http.Transport)
	if !ok {
		return
	}
	dial := t.DialContext
	if dial == nil {
		dial = new(net.Dialer).DialContext
	}
	t.DialContext = func(ctx context.Context, network, address string) (net.Conn, error) {
		c, err := dial(ctx, network, address)
		if err != nil {
			return nil, err
		}
		return &wholeRequests{Conn: c}, nil
	}
	t.ForceAttemptHTTP2 = false
	t.DisableCompression = true // no gzip on loopback
	t.IdleConnTimeout = 0       // it would set a timer for each request, and a frozen environment would not hear it
}

// wholeRequests is a connection of an HTTP/1.1 client that holds the pieces of a chunked request back until its end.
type wholeRequests struct {
	net.Conn

	held []byte
}

var (
	post    = []byte("POST ")
	chunked = []byte("\r\nTransfer-Encoding: chunked\r\n")
	end     = []byte("\r\n\r\n")
)

// Write holds a head back that announces chunks, and what follows until all of it ends as it must: with the empty line
// after the trailers (RFC 9112 section 7.1). A chunk that happens to end so is sent early, which does no harm. A head that
// is longer than net/http's buffer comes in pieces, of which the first has no end: then nothing is held back.
func (c *wholeRequests) Write(p []byte) (int, error) {
	head := len(c.held) == 0
	if head && !(bytes.HasPrefix(p, post) && bytes.Contains(p, chunked) && bytes.HasSuffix(p, end)) {
		return c.Conn.Write(p) //nolint:wrapcheck // it stands in for the connection
	}
	c.held = append(c.held, p...)
	if head || !bytes.HasSuffix(c.held, end) {
		return len(p), nil
	}
	_, err := c.Conn.Write(c.held)
	c.held = c.held[:0]
	if err != nil {
		return 0, err //nolint:wrapcheck // see above
	}
	return len(p), nil
}
