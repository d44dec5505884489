package awsclient

import (
	"bytes"
	"context"
	"errors"
	"fmt"
	"io"
	"net/http"
	"time"
)

// maxAnswer is far above what AWS sends here: a secret has at most 64 KiB.
const maxAnswer = 1 << 20

// client is an aws.HTTPClient for requests and answers that are small. It follows no redirects.
//
// The SDK hides from net/http that a body is in memory, so that head and body would go out in a TLS record and a packet
// each: a twentieth of the CPU of a request, which infra/bench -tricks measures. An answer that is cut off is an error of
// the request, which the SDK tries again, and not one of reading it.
type client struct {
	transport http.RoundTripper
	timeout   time.Duration // until the whole answer is there
}

func (c client) Do(r *http.Request) (*http.Response, error) {
	ctx, cancel := context.WithTimeout(r.Context(), c.timeout)
	defer cancel()
	r = r.WithContext(ctx)
	if r.Body != nil {
		body, err := readAll(r.Body, r.ContentLength)
		if err != nil {
			return nil, fmt.Errorf("read the request: %w", err)
		}
		r.GetBody = func() (io.ReadCloser, error) { return io.NopCloser(bytes.NewReader(body)), nil }
		r.Body, _ = r.GetBody()
	}
	response, err := c.transport.RoundTrip(r)
	if err != nil {
		return nil, err //nolint:wrapcheck // it stands in for http.Client
	}
	body, err := readAll(io.LimitReader(response.Body, maxAnswer+1), response.ContentLength)
	_ = response.Body.Close()
	switch {
	case err != nil:
		return nil, fmt.Errorf("read the answer: %w", err)
	case len(body) > maxAnswer:
		return nil, errors.New("the answer is larger than 1 MiB")
	}
	response.Body = io.NopCloser(bytes.NewReader(body))
	return response, nil
}

func readAll(from io.Reader, expected int64) ([]byte, error) {
	var text bytes.Buffer
	if 0 < expected && expected <= maxAnswer {
		text.Grow(int(expected) + bytes.MinRead) // ReadFrom wants room to find the end
	}
	_, err := text.ReadFrom(from)
	return text.Bytes(), err
}
