package endpoint

import (
	"context"
	"net/http"
	"strings"
	"time"

	"github.com/cronbearer/cronbearer/internal/jsondoc"
)

// WaitWith replaces a Client's waiting, its jitter and its clock.
func (c *Client) WaitWith(
	sleep func(context.Context, time.Duration) bool, backoff func(int) time.Duration, now func() time.Time,
) {
	c.sleep, c.backoff, c.now = sleep, backoff, now
}

// BearerErrors lists the errors of the Bearer challenges of a WWW-Authenticate header.
func BearerErrors(header string) (codes []string) {
	for _, c := range readChallenges(header) {
		if strings.EqualFold(c.scheme, "Bearer") && c.code != "" {
			codes = append(codes, c.code)
		}
	}
	return codes
}

// HeaderExpiry is the expiry that an answer's headers report.
var HeaderExpiry = headerExpiry

// RequestID is the answer's id.
var RequestID = requestID

// Said is what is quoted of an answer that was not read for a rule.
func Said(h http.Header, body []byte) string { return said(h, body, jsondoc.Document{}) }
