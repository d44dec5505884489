// Package request is the grammar of an HTTP call as events and secrets write it: a method and a URL, headers, a body
// and their placeholders, and the rules that judge the answer. An event's call, a secret's probe, login, rotate and
// test all use it, so that what is valid in one place is valid in the others, and is checked before anything is sent.
// It sends nothing and knows no token: package endpoint adds both.
package request

import (
	"bytes"
	"context"
	"io"
	"net/http"
	"net/url"
)

// Request is one request as it is sent, without the token.
type Request struct {
	Method string
	URL    *url.URL
	Header http.Header
	Body   []byte // nil: none
}

// HTTP returns the request for net/http, without a token.
func (r Request) HTTP(ctx context.Context) *http.Request {
	request := (&http.Request{Method: r.Method, URL: r.URL, Host: r.URL.Host, Header: r.Header.Clone()}).WithContext(ctx)
	if len(r.Body) > 0 { // net/http treats a Body with a ContentLength of 0 as one of unknown length
		request.ContentLength = int64(len(r.Body))
		request.GetBody = func() (io.ReadCloser, error) { return io.NopCloser(bytes.NewReader(r.Body)), nil }
		request.Body, _ = request.GetBody()
	}
	if request.Header.Get("User-Agent") == "" {
		request.Header.Set("User-Agent", "cronbearer")
	}
	return request
}
