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

// client is an aws.HTTPClient that reads the complete answer, so that one that is cut off is an error of the request,
// which the SDK retries, and not one of decoding it, which it does not. It follows no redirects. A redirected request
// would have to be signed again: the host is part of the signature (Signature Version 4).
type client struct {
	transport http.RoundTripper
	timeout   time.Duration // until the complete answer has been read
}

func (c client) Do(r *http.Request) (*http.Response, error) {
	ctx, cancel := context.WithTimeout(r.Context(), c.timeout)
	defer cancel()
	response, err := c.transport.RoundTrip(r.WithContext(ctx))
	if err != nil {
		return nil, err //nolint:wrapcheck // it replaces http.Client
	}
	body, err := io.ReadAll(io.LimitReader(response.Body, maxAnswer+1))
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
