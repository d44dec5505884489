package awsclient

import (
	"bytes"
	"context"
	"crypto/sha256"
	"encoding/hex"
	"fmt"
	"net/http"
	"net/url"
	"time"

	v4 "github.com/aws/aws-sdk-go-v2/aws/signer/v4"
	smithyhttp "github.com/aws/smithy-go/transport/http"
)

// signed sends requests to a service whose client of the SDK is too large for the few operations that are called.
type signed struct {
	service, region string // as they are signed
	endpoint        url.URL
	http            client
	signer          *v4.Signer
}

// post sends one request, as the SDK signs it, and reads the whole answer. It does not retry.
func (s signed) post(ctx context.Context, path string, header http.Header, body []byte) (*http.Response, error) {
	own, err := credentials(ctx)
	if err != nil {
		return nil, err
	}
	request, err := http.NewRequestWithContext(ctx, http.MethodPost, s.endpoint.JoinPath(path).String(), bytes.NewReader(body))
	if err != nil {
		return nil, fmt.Errorf("make the request: %w", err)
	}
	request.Header = header
	hash := sha256.Sum256(body)
	if err := s.signer.SignHTTP(ctx, own, request, hex.EncodeToString(hash[:]), s.service, s.region, time.Now()); err != nil {
		return nil, fmt.Errorf("sign the request: %w", err)
	}
	response, err := s.http.Do(request)
	if err != nil {
		return nil, &smithyhttp.RequestSendError{Err: err}
	}
	return response, nil
}
