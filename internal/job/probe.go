package job

import (
	"net/http"
	"net/url"
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
	return ParseCall(text)
}

// ParseCall is ParseProbe for a call that may have the placeholders of an event's.
func ParseCall(text string) (Probe, []string) {
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

// URL is where the probe goes, whatever its placeholders stand for.
func (p Probe) URL() *url.URL {
	u, err := parseLocation(p.location, eventValues)
	if err != nil {
		return &url.URL{} // no host that a token is bound to
	}
	return u
}

// Request is what a probe without placeholders sends, but for the token.
func (p Probe) Request(header http.Header, body []byte) (Request, error) {
	return p.Fill(Values{}, header, body)
}

// Fill is what the probe sends with its placeholders filled, but for the token.
func (p Probe) Fill(v Values, header http.Header, body []byte) (Request, error) {
	u, err := parseLocation(p.location, v)
	if err != nil {
		return Request{}, err
	}
	if header == nil {
		header = http.Header{}
	}
	return Request{Method: p.Method, URL: u, Header: header, Body: body}, nil
}
