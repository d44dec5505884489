package retry

import (
	"net/http"
	"time"
)

// Limit is what an answer says about the requests that a client may make.
type Limit struct {
	Limited bool // a 403 that is not about the token (GitHub's REST documentation, "Exceeding the rate limit"), or a 429
	Retry   bool
	Wait    time.Duration
	HasWait bool
}

// ReadLimit reads a rate limit from an answer's head.
func ReadLimit(response *http.Response, now time.Time) Limit {
	l := Limit{Limited: response.StatusCode == http.StatusTooManyRequests}
	l.Wait, l.HasWait = After(response.Header, now)
	exhausted := Exhausted(response.Header)
	l.Limited = l.Limited || response.StatusCode == http.StatusForbidden && (l.HasWait || exhausted)
	if l.Limited && exhausted && !l.HasWait {
		l.Wait, l.HasWait = Reset(response.Header, now)
	}
	l.Retry = l.Limited && (l.HasWait || response.StatusCode == http.StatusTooManyRequests)
	return l
}

// Transient reports whether a retry may get a different answer than a status (RFC 9110 section 15).
func Transient(status int) bool {
	switch status {
	case http.StatusRequestTimeout, http.StatusTooEarly:
		return true
	case http.StatusNotImplemented:
		return false
	default:
		return 500 <= status && status <= 599
	}
}

// String describes how long the other side asks to wait: a wait that does not fit ends a run immediately.
func (l Limit) String() string {
	if l.HasWait {
		return "a rate limit, for another " + l.Wait.Round(time.Second).String()
	}
	return "a rate limit"
}
