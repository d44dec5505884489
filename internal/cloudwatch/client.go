package cloudwatch

import (
	"context"
	"errors"
	"fmt"
	"io"
	"net/http"
	"strconv"
	"strings"
	"time"

	"github.com/aws/aws-sdk-go-v2/aws"
	"github.com/aws/smithy-go"
	"github.com/aws/smithy-go/encoding/cbor"
	smithyhttp "github.com/aws/smithy-go/transport/http"
)

// Post sends a signed request to CloudWatch and reads the whole answer.
type Post func(ctx context.Context, path string, header http.Header, body []byte) (*http.Response, error)

// Client calls CloudWatch. It is safe for concurrent use.
type Client struct {
	post    Post
	retryer aws.Retryer
}

// NewClient returns a Client that retries what retryer takes for worth it.
func NewClient(post Post, retryer aws.Retryer) *Client { return &Client{post, retryer} }

// An error that CloudWatch answers with is a smithy.APIError.
func (c *Client) call(ctx context.Context, operation string, input cbor.Map) (cbor.Map, error) {
	body := cbor.Encode(input)
	for attempt := 1; ; attempt++ {
		answer, err := c.try(ctx, operation, body)
		if err == nil || attempt >= c.retryer.MaxAttempts() || ctx.Err() != nil || !c.retryer.IsErrorRetryable(err) {
			return answer, err
		}
		delay, noDelay := c.retryer.RetryDelay(attempt, err)
		if noDelay != nil || !wait(ctx, delay) {
			return nil, err
		}
	}
}

func wait(ctx context.Context, delay time.Duration) bool {
	timer := time.NewTimer(delay)
	defer timer.Stop()
	select {
	case <-timer.C:
		return true
	case <-ctx.Done():
		return false
	}
}

func (c *Client) try(ctx context.Context, operation string, body []byte) (cbor.Map, error) {
	response, err := c.post(ctx, "/service/GraniteServiceVersion20100801/operation/"+operation, http.Header{
		"Smithy-Protocol":   {"rpc-v2-cbor"},
		"Content-Type":      {"application/cbor"},
		"Accept":            {"application/cbor"},
		"X-Amzn-Query-Mode": {"true"}, // errors have the codes of the API reference
	}, body)
	if err != nil {
		return nil, err
	}
	defer func() { _ = response.Body.Close() }()
	answer, err := io.ReadAll(response.Body)
	switch {
	case err != nil:
		return nil, fmt.Errorf("read the answer: %w", err)
	case response.StatusCode < 200 || response.StatusCode > 299:
		return nil, &smithyhttp.ResponseError{Response: &smithyhttp.Response{Response: response}, Err: apiError(response, answer)}
	case operation != "DescribeAlarms" || len(answer) == 0:
		return nil, nil // no other answer has a member that is needed
	}
	decoded, err := cbor.Decode(answer)
	if err != nil {
		return nil, fmt.Errorf("decode the answer: %w", err)
	}
	members, ok := decoded.(cbor.Map)
	if !ok {
		return nil, errors.New("the answer is no map")
	}
	return members, nil
}

// apiError is the error in an answer: its code is in a header (Smithy, awsQueryCompatible), or in the body as
// "namespace#Code"; what answers in CloudWatch's place has neither.
func apiError(response *http.Response, body []byte) *smithy.GenericAPIError {
	decoded, _ := cbor.Decode(body)
	members, _ := decoded.(cbor.Map)
	code := text(members, "__type")
	code = code[strings.LastIndexByte(code, '#')+1:]
	if query, _, ok := strings.Cut(response.Header.Get("X-Amzn-Query-Error"), ";"); ok {
		code = query
	}
	if code == "" {
		code = "status " + strconv.Itoa(response.StatusCode)
	}
	message := text(members, "message")
	if message == "" {
		message = text(members, "Message")
	}
	return &smithy.GenericAPIError{Code: code, Message: message}
}
