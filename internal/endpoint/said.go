package endpoint

import (
	"bytes"
	"io"
	"mime"
	"net/http"
	"net/url"
	"strings"
	"time"
	"unicode/utf8"

	"github.com/cronbearer/cronbearer/internal/jsondoc"
	"github.com/cronbearer/cronbearer/internal/redact"
)

// requestIDs are the headers by which a target's operators find a request, the more usual ones first.
var requestIDs = []string{"X-Request-Id", "X-Amzn-Requestid", "X-Github-Request-Id", "Cf-Ray"}

// requestID returns the answer's id as the target's operators log it, empty if it has none in visible ASCII.
func requestID(h http.Header) string {
	const longest = 128
	for _, name := range requestIDs {
		id := strings.TrimSpace(h.Get(name))
		if id != "" && !strings.ContainsFunc(id, func(r rune) bool { return r <= ' ' || r > '~' }) {
			return id[:min(len(id), longest)]
		}
	}
	return ""
}

// pointsTo reports where a redirect points, after a full stop: scheme, host and path, as a query may hold credentials.
func pointsTo(response *http.Response) string {
	if response.StatusCode < 300 || response.StatusCode > 399 || response.Header.Get("Location") == "" {
		return ""
	}
	location, err := response.Location()
	if err != nil {
		return ". It has a Location that cannot be read"
	}
	to := url.URL{Scheme: location.Scheme, Host: location.Host, Path: location.Path}
	return ". It points to " + redact.Quote(to.String()) + ": redirects are not followed, as the token would be sent along"
}

// drain reads the beginning of a body that no rule needs, so that the connection can be used again, but within
// limits. Closing the body would not abort a slow read: while a gzip header is awaited, net/http's Close
// waits as well.
func drain(to io.Writer, body io.Reader, giveUp func()) {
	timer := time.AfterFunc(peekTime, giveUp)
	_, _ = io.CopyN(to, body, maxPeek)
	timer.Stop()
}

// peek drains a body and returns its beginning.
func peek(body io.Reader, giveUp func()) []byte {
	var text bytes.Buffer
	drain(&text, body, giveUp)
	return text.Bytes()
}

// said quotes the target's own message from a body: the error-like members of JSON, the beginning of a text, of HTML or
// anything else nothing. It is one line of at most redact.MaxQuote bytes; secrets that a target echoes are scrubbed
// where the text leaves the process.
func said(h http.Header, body []byte, doc jsondoc.Document) string {
	body = bytes.TrimSpace(bytes.TrimPrefix(body, []byte("\ufeff")))
	if doc.IsZero() {
		doc, _ = jsondoc.Check(body)
	}
	if !doc.IsZero() {
		return redact.Quote(doc.Errors(4*redact.MaxQuote, redact.IsMarkup))
	}
	body = body[:min(len(body), 4*redact.MaxQuote)]
	for cut := 1; cut < utf8.UTFMax && !utf8.Valid(body) && len(body) > cut; cut++ { // it may end within a character
		body = body[:len(body)-1]
	}
	media, _, _ := mime.ParseMediaType(h.Get("Content-Type"))
	isText := media == "" || strings.HasPrefix(media, "text/") || strings.HasSuffix(media, "json")
	if !isText || media == "text/html" || redact.IsMarkup(string(body)) || !utf8.Valid(body) ||
		bytes.IndexByte(body, 0) >= 0 {
		return ""
	}
	return redact.Quote(string(body))
}
