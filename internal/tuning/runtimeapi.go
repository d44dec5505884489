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
// the end one by one. Two writes, two packets on loopback and two awakenings of the other side are a tenth of a warm
// run's CPU. infra/bench -tricks measures what it buys.
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
	t.IdleConnTimeout = 0       // a timer for each request, for a connection that is never idle for long
}

// wholeRequests is a connection of an HTTP/1.1 client that holds the pieces of a chunked request back until its end.
type wholeRequests struct {
	net.Conn

	held []byte
}

var (
	chunked = []byte("\r\nTransfer-Encoding: chunked\r\n")
	end     = []byte("\r\n\r\n")
)

// Write holds a head back that announces chunks, and what follows, up to a piece that ends as the last one must: with the
// empty line after the trailers (RFC 9112 section 7.1). A chunk that happens to end so is sent early, which does no harm.
// net/http writes a head in one piece or, if it is longer than its buffer, in several, of which the first has no end: then
// nothing is held back.
func (c *wholeRequests) Write(p []byte) (int, error) {
	switch {
	case len(c.held) == 0 && !(bytes.HasSuffix(p, end) && bytes.Contains(p, chunked)):
		return c.Conn.Write(p) //nolint:wrapcheck // it stands in for the connection
	case len(c.held) == 0 || !bytes.HasSuffix(p, end):
		c.held = append(c.held, p...)
		return len(p), nil
	}
	whole := append(c.held, p...)
	c.held = whole[:0]
	if _, err := c.Conn.Write(whole); err != nil {
		return 0, err //nolint:wrapcheck // see above
	}
	return len(p), nil
}
