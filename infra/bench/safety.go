package main

import (
	"context"
	"fmt"
	"strings"
)

// bodyKind is an answer that tries to fill the memory.
type bodyKind struct {
	name, what string
	path       path
}

const lookInside = `{"json":{"/ok":true}}`

var bodyKinds = []bodyKind{
	{"large", "a body of 64 MiB", path{name: "large", event: event("GET /large", "{}")}},
	{"list", "1 MiB of JSON that a rule looks into", path{name: "list", event: event("GET /list", lookInside)}},
	{"bomb", "256 KiB of gzip that unpack to 256 MiB", path{name: "bomb", event: event("GET /bomb", lookInside), failed: true}},
}

// measureGrowth is the peak memory with each kind of body.
func (t tryout) measureGrowth(ctx context.Context, ours subject) (map[string]int64, error) {
	const runs = 5
	t.warmRuns = runs
	growth := map[string]int64{}
	for _, kind := range bodyKinds {
		m, err := t.measure(ctx, ours, kind.path)
		if err != nil {
			return nil, err
		}
		growth[kind.name] = m.peak
	}
	return growth, nil
}

// checkSafety runs the measured binary into each guard and limit, so that no speed is bought with one of them.
func (t tryout) checkSafety(ctx context.Context, ours subject) ([]string, error) {
	checks := []struct {
		what   string
		drop   string // variable that is left out
		event  func(*world) string
		answer string // what the error must say
	}{
		{"an address on loopback is refused where a test does not allow it", "CRONBEARER_TEST_ALLOW_LOOPBACK", event("GET /accepted", "{}"), "InvalidJobError"},
		{"a host that the token is not bound to is refused", "ALLOWED_HOSTS", event("GET /accepted", "{}"), "is not one that the token is bound to"},
		{"a certificate of an unknown root is refused", "SSL_CERT_FILE", event("GET /accepted", "{}"), "Error"},
		{"a redirect is not followed", "", event("GET /redirect", "{}"), "TargetFailedError"},
		{"an event with a mistake is refused", "", func(w *world) string {
			return strings.Replace(event("GET /accepted", "{}")(w), `"attempts":3`, `"attempts":11`, 1)
		}, "InvalidJobError"},
		{"a body over 1 MiB is not read into memory", "", event("GET /large", lookInside), "is larger than 1 MiB"},
		{"a token that is echoed is not in the output", "", event("GET /"+tokenValue, `{"status":[404]}`), "TargetFailedError"},
	}
	var done []string
	for _, c := range checks {
		s := ours
		s.env = nil
		for _, line := range ours.env {
			if c.drop == "" || !strings.HasPrefix(line, c.drop+"=") {
				s.env = append(s.env, line)
			}
		}
		if c.drop == "SSL_CERT_FILE" {
			s.env = append(s.env, "SSL_CERT_FILE=/nonexistent") // the last of two counts
		}
		t.warmRuns = 0
		said, err := t.refusal(ctx, s, c.event)
		if err != nil {
			return done, err
		}
		if !strings.Contains(said, c.answer) {
			return done, fmt.Errorf("%s: the measured binary answered %s", c.what, said)
		}
		if strings.Contains(said, tokenValue) {
			return done, fmt.Errorf("%s: the token is in the answer", c.what)
		}
		done = append(done, c.what)
	}
	return done, nil
}

// refusal is what the error of one run says.
func (t tryout) refusal(ctx context.Context, s subject, event func(*world) string) (string, error) {
	var said string
	p := path{name: "refused", event: event, failed: true, see: func(a answer) { said = a.body }}
	_, err := t.measure(ctx, s, p)
	return said, err
}
