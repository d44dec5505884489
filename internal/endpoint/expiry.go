package endpoint

import (
	"net/http"
	"time"

	"github.com/cronbearer/cronbearer/internal/bearer"
	"github.com/cronbearer/cronbearer/internal/jsondoc"
)

// gitHubExpiryHeader comes with every answer to a GitHub token that expires (GitHub's REST documentation,
// "Token expiration").
const gitHubExpiryHeader = "Github-Authentication-Token-Expiration"

// headerExpiry reads the expiry that a target reports in its answer. Zero: unknown; unread says why if there is one.
func headerExpiry(h http.Header) (at time.Time, unread string) {
	text := h.Get(gitHubExpiryHeader)
	if text == "" {
		return time.Time{}, ""
	}
	at, err := bearer.ParseExpiry(jsondoc.Value{Kind: jsondoc.String, Text: text})
	if err != nil {
		return time.Time{}, "the answer's header github-authentication-token-expiration " + err.Error() +
			"; this expiry is unknown"
	}
	return at, ""
}
