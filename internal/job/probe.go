package job

import (
	"net/http"
	"strings"
	"time"
)

// Probe is a call that a secret describes: the rotator's test of a new token, or a provider's "new token" call.
type Probe struct {
	Method   string
	location string
}

// ParseProbe checks "METHOD https://…" by the rules of an event's call. A probe has no placeholders.
func ParseProbe(text string) (Probe, []string) {
	if strings.Contains(text, "{{") {
		return Probe{}, []string{"must not hold {{: placeholders are for events"}
	}
	method, location, problems := CheckCall(text)
	return Probe{method, location}, problems
}

// Job is the probe as a job that is called once under the default rules.
func (p Probe) Job(timeout time.Duration) Job {
	return Job{
		Action: Call, Method: p.Method, location: p.location, Timeout: timeout, Attempts: DefaultAttempts,
		Rules: Rules{Expect: Expect{Status: []StatusRange{{200, 299}}}},
	}
}

// Request is what the probe sends, but for the token.
func (p Probe) Request(header http.Header, body []byte) (Request, error) {
	u, err := parseLocation(p.location, Values{})
	if err != nil {
		return Request{}, err
	}
	if header == nil {
		header = http.Header{}
	}
	return Request{Method: p.Method, URL: u, Header: header, Body: body}, nil
}
