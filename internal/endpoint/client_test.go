package endpoint_test

import (
	"bytes"
	"compress/gzip"
	"context"
	"encoding/json"
	"fmt"
	"io"
	"maps"
	"net/http"
	"strings"
	"sync"
	"testing"
	"testing/synctest"
	"time"

	"github.com/google/go-cmp/cmp"

	"github.com/cronbearer/cronbearer/internal/dev/testnet"
	"github.com/cronbearer/cronbearer/internal/egress"
	"github.com/cronbearer/cronbearer/internal/endpoint"
	"github.com/cronbearer/cronbearer/internal/job"
	"github.com/cronbearer/cronbearer/internal/redact"
	"github.com/cronbearer/cronbearer/internal/request"
)

const (
	host   = "example.com:443"
	bearer = "token-0123456789"
)

type event = map[string]any

// parse returns the policy and the request of an event that is complete but for what changes say.
func parse(t *testing.T, changes event) (endpoint.Policy, request.Request) {
	t.Helper()
	whole := event{"job": "J", "token": "T", "secret": "s", "call": "GET https://example.com/path?q=1"}
	maps.Copy(whole, changes)
	text, err := json.Marshal(whole)
	if err != nil {
		t.Fatal(err)
	}
	j, err := job.Parse(text, job.Options{IdempotencyHeader: "Idempotency-Key"})
	if err != nil {
		t.Fatal(err)
	}
	r, err := j.Request("0f8fad5b-d9cb-469f-a165-70867728950e", time.Now(), "Idempotency-Key")
	if err != nil {
		t.Fatal(err)
	}
	return endpoint.Policy{Attempts: j.Attempts, Timeout: j.Timeout, Replayable: j.Replayable(), Rules: j.Rules}, r
}

// until is the test's context with a deadline, if there is one.
func until(t *testing.T, deadline time.Time) (context.Context, context.CancelFunc) {
	t.Helper()
	if deadline.IsZero() {
		return context.WithCancel(t.Context())
	}
	return context.WithDeadline(t.Context(), deadline)
}

// call makes a call whose backoff is a second each time.
func call(t *testing.T, n *testnet.Net, changes event, deadline time.Time) endpoint.Answer {
	t.Helper()
	j, r := parse(t, changes)
	ctx, cancel := until(t, deadline)
	defer cancel()
	c := endpoint.NewClient(n.Transport())
	c.WaitWith(realSleep, func(int) time.Duration { return time.Second }, time.Now)
	return c.Call(ctx, j, r, redact.New(bearer))
}

func realSleep(ctx context.Context, d time.Duration) bool {
	select {
	case <-time.After(d):
		return true
	case <-ctx.Done():
		return false
	}
}

// always answers each request with the same bytes.
func always(text string) func(int, *testnet.Conn) {
	return func(_ int, c *testnet.Conn) {
		for {
			if _, _, ok := c.Request(); !ok {
				return
			}
			c.Say(text)
			if !strings.Contains(text, "Content-Length") {
				return
			}
		}
	}
}

func reply(status int, headers, body string) string {
	if status == http.StatusNoContent || status == http.StatusNotModified {
		body = ""
	}
	return fmt.Sprintf("HTTP/1.1 %d X\r\nContent-Length: %d\r\n%s\r\n%s", status, len(body), headers, body)
}

func gzipped(text string) string {
	var out bytes.Buffer
	w := gzip.NewWriter(&out)
	_, _ = io.WriteString(w, text)
	_ = w.Close()
	return out.String()
}

const (
	jsonType = "Content-Type: application/json\r\n"
	switched = "HTTP/1.1 101 Switching Protocols\r\nConnection: Upgrade\r\nUpgrade: websocket\r\n\r\n"
)

func TestVerdicts(t *testing.T) {
	t.Parallel()
	none := event{}
	expectJSON := event{"expect": event{"json": event{"/ok": true}}}
	rejectJSON := event{"reject": event{"json": event{"/error": "token_expired"}}}
	reject403 := event{"reject": event{"status": []any{403}}}
	expect404 := event{"expect": event{"status": []any{404, "2xx"}}}
	typed := event{"expect": event{"contentType": "application/json"}}
	ok := `{"ok":true}`
	big := `{"ok":true,"x":"` + strings.Repeat("x", 1<<20) + `"}`
	exactly := `{"ok":true,"x":"` + strings.Repeat("x", 1<<20-len(`{"ok":true,"x":""}`)) + `"}`
	bomb := reply(200, "Content-Encoding: gzip\r\n"+jsonType, gzipped(`{"ok":true,"x":"`+strings.Repeat("x", 8<<20)+`"}`))
	cut := func(status int, headers string) string {
		return fmt.Sprintf("HTTP/1.1 %d X\r\nContent-Length: 1000\r\n%s\r\n{\"ok\":tr", status, headers)
	}
	once := func(text string) func(int, *testnet.Conn) {
		return func(_ int, c *testnet.Conn) {
			if _, _, ok := c.Request(); ok {
				c.Say(text)
			}
		}
	}
	hanging := func(text string) func(int, *testnet.Conn) {
		return func(_ int, c *testnet.Conn) {
			if _, _, ok := c.Request(); ok {
				c.Say(text)
				c.Hang()
			}
		}
	}
	type want struct {
		verdict endpoint.Verdict
		status  int
		reason  string
	}
	accepted := func(status int) want { return want{endpoint.Accepted, status, ""} }
	rejected := func(status int) want {
		return want{endpoint.Rejected, status, fmt.Sprintf("the target answered %d", status)}
	}
	unknown := func(status int, reason string) want { return want{endpoint.Unknown, status, reason} }

	cases := map[string]struct {
		event event
		serve func(int, *testnet.Conn)
		want  want
	}{
		"101":              {event: none, serve: once(switched), want: unknown(101, "switched to a protocol")},
		"101, with a rule": {event: expectJSON, serve: hanging(switched), want: unknown(101, "switched to a protocol")},
		"101, no upgrade": {
			event: none, serve: once("HTTP/1.1 101 X\r\n\r\n"), want: unknown(101, "switched to a protocol"),
		},
		"103, then 200": {event: none, serve: once("HTTP/1.1 103 Early Hints\r\nLink: </x>\r\n\r\n" +
			reply(200, "", "")), want: accepted(200)},
		"100, then 401": {event: none, serve: once("HTTP/1.1 100 Continue\r\n\r\n" +
			reply(401, "", "")), want: rejected(401)},
		"a hundred 102s": {event: none, serve: once(strings.Repeat("HTTP/1.1 102 Processing\r\n\r\n", 100) +
			reply(200, "", "")), want: accepted(200)},

		"body cut off, no rule":     {event: none, serve: once(cut(200, "")), want: accepted(200)},
		"body cut off, 401":         {event: expectJSON, serve: once(cut(401, "")), want: rejected(401)},
		"body cut off, status rule": {event: reject403, serve: once(cut(403, "")), want: rejected(403)},
		"body cut off, expect": {
			event: expectJSON, serve: once(cut(200, jsonType)), want: unknown(200, "its body was cut off"),
		},
		"body cut off, reject": {
			event: rejectJSON, serve: once(cut(200, jsonType)), want: unknown(200, "its body was cut off"),
		},
		"body cut off, 404, expect": {
			event: expectJSON, serve: once(cut(404, jsonType)), want: unknown(404, "expect.status"),
		},
		"body cut off, 404, reject": {
			event: rejectJSON, serve: once(cut(404, jsonType)), want: unknown(404, "its body was cut off"),
		},
		"slow body, no rule": {event: none, serve: hanging(cut(200, "")), want: accepted(200)},
		"slow body, 401":     {event: none, serve: hanging(cut(401, "")), want: rejected(401)},
		"slow body, expect": {
			event: expectJSON, serve: hanging(cut(200, jsonType)), want: unknown(200, "its body was cut off"),
		},
		"slow gzip body, no rule": {
			event: none, serve: hanging("HTTP/1.1 200 OK\r\nContent-Encoding: gzip\r\nContent-Length: 99\r\n\r\n"),
			want: accepted(200),
		},
		"endless body, no rule": {event: none, serve: endless("x"), want: accepted(200)},
		"endless body, expect": {
			event: expectJSON, serve: endless(" "), want: unknown(200, "its body is larger than 1 MiB"),
		},
		"body of 1 MiB": {
			event: expectJSON, serve: always(reply(200, jsonType, exactly)), want: accepted(200),
		},
		"body over 1 MiB, no rule": {event: none, serve: always(reply(200, jsonType, big)), want: accepted(200)},
		"body over 1 MiB, expect": {
			event: expectJSON, serve: always(reply(200, jsonType, big)), want: unknown(200, "its body is larger than 1 MiB"),
		},
		"body over 1 MiB, 401": {event: expectJSON, serve: always(reply(401, jsonType, big)), want: rejected(401)},
		"gzip": {event: expectJSON, serve: always(reply(200, "Content-Encoding: gzip\r\n"+
			jsonType, gzipped(ok))), want: accepted(200)},
		"gzip bomb, no rule": {event: none, serve: always(bomb), want: accepted(200)},
		"gzip bomb, expect": {
			event: expectJSON, serve: always(bomb), want: unknown(200, "its body is larger than 1 MiB"),
		},
		"broken gzip, no rule": {
			event: none, serve: always(reply(200, "Content-Encoding: gzip\r\n", "no gzip")), want: accepted(200),
		},
		"broken gzip, expect": {
			event: expectJSON, serve: always(reply(200, "Content-Encoding: gzip\r\n", "no gzip")),
			want: unknown(200, "its body was cut off"),
		},
		"byte order mark": {event: expectJSON, serve: always(reply(200, jsonType, "\ufeff"+
			ok)), want: accepted(200)},
		"HTML, expect.json": {
			event: expectJSON, serve: always(reply(200, "", "<html>")), want: unknown(200, "expect.json"),
		},
		"empty, expect.json": {
			event: expectJSON, serve: always(reply(204, "", "")), want: unknown(204, "expect.json"),
		},
		"another value": {
			event: expectJSON, serve: always(reply(200, "", `{"ok":"yes"}`)), want: unknown(200, "expect.json"),
		},
		"reject.json matches a 200": {
			event: rejectJSON, serve: always(reply(200, "", `{"error":"token_expired"}`)), want: rejected(200),
		},
		"reject.json matches a 500": {
			event: rejectJSON, serve: always(reply(500, "", `{"error":"token_expired"}`)), want: rejected(500),
		},
		"reject.json does not match": {
			event: rejectJSON, serve: always(reply(200, "", `{"error":"other"}`)), want: accepted(200),
		},
		"reject.json, HTML": {
			event: rejectJSON, serve: always(reply(200, "", "token_expired")), want: accepted(200),
		},
		"reject.json before expect": {
			event: event{
				"expect": event{"json": event{"/error": "token_expired"}},
				"reject": event{"json": event{"/error": "token_expired"}},
			},
			serve: always(reply(200, "", `{"error":"token_expired"}`)), want: rejected(200),
		},
		"403, reject.status": {event: reject403, serve: always(reply(403, "", "")), want: rejected(403)},
		"401 that is expected": {
			event: event{"expect": event{"status": []any{401}}}, serve: always(reply(401, "", "")), want: rejected(401),
		},
		"404 that is expected": {event: expect404, serve: always(reply(404, "", "")), want: accepted(404)},
		"500 that is not": {
			event: expect404, serve: always(reply(500, "", "")), want: unknown(500, "expect.status"),
		},
		"content type as expected": {
			event: typed, serve: always(reply(200, "Content-Type: Application/JSON; charset=utf-8\r\n", "")),
			want: accepted(200),
		},
		"another content type": {
			event: typed, serve: always(reply(200, "Content-Type: text/html\r\n", "")),
			want: unknown(200, "expect.contentType"),
		},
		"login page instead of an answer": {
			event: none, serve: always(reply(302, "Location: https://example.com/login\r\n", "")),
			want: unknown(302, "expect.status"),
		},
		"HEAD": {
			event: event{"call": "HEAD https://example.com/"}, serve: once("HTTP/1.1 200 OK\r\nContent-Length: 50\r\n\r\n"),
			want: accepted(200),
		},
		"no length, no connection: close": {event: expectJSON, serve: once("HTTP/1.1 200 OK\r\n" + jsonType + "\r\n" +
			ok), want: accepted(200)},

		"time-out before the head": {event: none, serve: hanging(""), want: unknown(0, "no answer came within 5s")},
		"time-out within the head": {
			event: none, serve: hanging("HTTP/1.1 200 OK\r\n"), want: unknown(0, "no answer came within 5s"),
		},
		"no answer": {event: none, serve: once(""), want: unknown(0, "the connection was closed")},
		"not HTTP": {
			event: none, serve: once("220 smtp ready\r\n"), want: unknown(0, "the answer is not HTTP"),
		},
		"no status": {
			event: none, serve: once("HTTP/1.1 OK\r\n\r\n"), want: unknown(0, "the answer is not HTTP"),
		},
		"half a head": {
			event: none, serve: once("HTTP/1.1 200 OK\r\nServer: x\r\n"), want: unknown(0, "the connection was closed"),
		},
		"head over 64 KiB": {event: none, serve: once("HTTP/1.1 200 OK\r\nX: " + strings.Repeat("x", 65<<10) +
			"\r\n\r\n"), want: unknown(0, "larger than 64 KiB")},
		"two lengths": {
			event: none, serve: once("HTTP/1.1 200 OK\r\nContent-Length: 1\r\nContent-Length: 2\r\n\r\nx"),
			want: unknown(0, ""),
		},
		"endless early hints": {
			event: none, serve: endless("HTTP/1.1 103 Early Hints\r\n\r\n"), want: unknown(0, "larger than 64 KiB"),
		},
	}
	for _, status := range []int{200, 201, 204, 299} {
		cases[fmt.Sprintf("%d", status)] = struct {
			event event
			serve func(int, *testnet.Conn)
			want  want
		}{event: none, serve: always(reply(status, "", "")), want: accepted(status)}
	}
	for _, status := range []int{
		300, 301, 302, 303, 304, 307, 308, 400, 402, 403, 404, 407, 408, 418, 429, 500, 502, 503, 504, 599, 999,
	} {
		for name, rules := range map[string]event{"": none, ", expect.json": expectJSON, ", reject.json": rejectJSON} {
			reason := "expect.status"
			if status == http.StatusTooManyRequests {
				reason = "a rate limit"
			}
			cases[fmt.Sprintf("%d%s", status, name)] = struct {
				event event
				serve func(int, *testnet.Conn)
				want  want
			}{event: rules, serve: always(reply(status, jsonType, ok)), want: unknown(status, reason)}
		}
	}
	for name, rules := range map[string]event{"": none, ", expect.json": expectJSON, ", reject.json": rejectJSON} {
		cases["401"+name] = struct {
			event event
			serve func(int, *testnet.Conn)
			want  want
		}{event: rules, serve: always(reply(401, jsonType, ok)), want: rejected(401)}
	}
	for name, c := range cases {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			synctest.Test(t, func(t *testing.T) {
				n := testnet.New(t)
				n.Raw(host, c.serve)
				whole := event{"attempts": 1, "timeout": "5s"}
				maps.Copy(whole, c.event)
				started := time.Now()
				got := call(t, n, whole, time.Time{})
				if took := time.Since(started); took > 5*time.Second || c.want.verdict != endpoint.Unknown &&
					took > 200*time.Millisecond {
					t.Errorf("it took %s", took)
				}
				if got.Verdict != c.want.verdict || got.Status != c.want.status || !strings.Contains(got.Reason, c.want.reason) ||
					(c.want.reason == "") != (got.Reason == "") && name != "two lengths" {
					t.Errorf(
						"got %s, %d, %q; want %s, %d, %q", got.Verdict, got.Status, got.Reason, c.want.verdict, c.want.status,
						c.want.reason,
					)
				}
				rejections := 0
				if c.want.verdict == endpoint.Rejected {
					rejections = 1
				}
				if got.Sent != 1 || got.Rejections != rejections || got.Blocked {
					t.Errorf("sent %d, rejections %d, rejected %t", got.Sent, got.Rejections, got.Blocked)
				}
			})
		})
	}
}

// endless repeats a text after a head, or from the start if it is a head itself.
func endless(text string) func(int, *testnet.Conn) {
	head := ""
	if !strings.HasPrefix(text, "HTTP/") {
		head, text = "HTTP/1.1 200 OK\r\n"+jsonType+"\r\n", strings.Repeat(text, 32<<10)
	}
	return func(_ int, c *testnet.Conn) {
		if _, _, ok := c.Request(); !ok {
			return
		}
		c.Say(head)
		for {
			if _, err := io.WriteString(c, text); err != nil {
				return
			}
		}
	}
}

// The table of section 5, step 3.
func TestRetries(t *testing.T) {
	t.Parallel()
	retryAfter := "Retry-After: 1\r\n"
	hang := func(_ int, c *testnet.Conn) {
		if _, _, ok := c.Request(); ok {
			c.Hang()
		}
	}
	hangUp := func(_ int, c *testnet.Conn) { _, _, _ = c.Request() }
	cutOff := func(_ int, c *testnet.Conn) {
		if _, _, ok := c.Request(); ok {
			c.Say("HTTP/1.1 200 OK\r\nContent-Length: 100\r\n\r\n{")
		}
	}
	const (
		never = iota
		replayable
		anybody
	)
	faults := map[string]struct {
		serve   func(int, *testnet.Conn) // nil: no one listens
		retried int
		rules   event
	}{
		"connection refused":   {serve: nil, retried: anybody, rules: nil},
		"429":                  {serve: always(reply(429, "", "")), retried: anybody, rules: nil},
		"429 with Retry-After": {serve: always(reply(429, retryAfter, "")), retried: anybody, rules: nil},
		"429, body cut off, a rule": {
			serve: once(429), retried: anybody, rules: event{"reject": event{"json": event{"/a": 1}}},
		},
		"503 with Retry-After": {serve: always(reply(503, retryAfter, "")), retried: anybody, rules: nil},
		"503":                  {serve: always(reply(503, "", "")), retried: replayable, rules: nil},
		"503 with a broken Retry-After": {
			serve: always(reply(503, "Retry-After: soon\r\n", "")), retried: replayable, rules: nil,
		},
		"502":                  {serve: always(reply(502, "", "")), retried: replayable, rules: nil},
		"502 with Retry-After": {serve: always(reply(502, retryAfter, "")), retried: replayable, rules: nil},
		"504":                  {serve: always(reply(504, "", "")), retried: replayable, rules: nil},
		"time-out":             {serve: hang, retried: replayable, rules: nil},
		"broken after sending": {serve: hangUp, retried: replayable, rules: nil},
		"body cut off, a rule": {
			serve: cutOff, retried: replayable, rules: event{"expect": event{"json": event{"/a": 1}}},
		},
		"body too large, a rule": {
			serve: endless(" "), retried: never, rules: event{"expect": event{"json": event{"/a": 1}}},
		},
		"200 that fails expect": {
			serve: always(reply(200, "", "{}")), retried: never, rules: event{"expect": event{"json": event{"/a": 1}}},
		},
		"302":                  {serve: always(reply(302, retryAfter, "")), retried: never, rules: nil},
		"400":                  {serve: always(reply(400, "", "")), retried: never, rules: nil},
		"401":                  {serve: always(reply(401, retryAfter, "")), retried: never, rules: nil},
		"403":                  {serve: always(reply(403, "", "")), retried: never, rules: nil},
		"404":                  {serve: always(reply(404, "", "")), retried: never, rules: nil},
		"403 with Retry-After": {serve: always(reply(403, retryAfter, "")), retried: anybody, rules: nil},
		"408":                  {serve: always(reply(408, "", "")), retried: replayable, rules: nil},
		"425":                  {serve: always(reply(425, "", "")), retried: replayable, rules: nil},
		"500":                  {serve: always(reply(500, "", "")), retried: replayable, rules: nil},
		"500 with Retry-After": {serve: always(reply(500, retryAfter, "")), retried: replayable, rules: nil},
		"505":                  {serve: always(reply(505, "", "")), retried: replayable, rules: nil},
		"529":                  {serve: always(reply(529, "", "")), retried: replayable, rules: nil},
		"599":                  {serve: always(reply(599, "", "")), retried: replayable, rules: nil},
		"501":                  {serve: always(reply(501, "", "")), retried: never, rules: nil},
		"a rejecting 503": {
			serve: always(reply(503, retryAfter, "")), retried: never, rules: event{"reject": event{"status": []any{503}}},
		},
		"a 429 in reject.status": {
			serve: always(reply(429, "", "")), retried: anybody, rules: event{"reject": event{"status": []any{429}}},
		},
	}
	methods := map[string]bool{
		"GET": true, "HEAD": true, "PUT": true, "DELETE": true, "OPTIONS": true, "POST": false, "PATCH": false,
		"REPORT": false,
	}
	for name, f := range faults {
		for method, safe := range methods {
			for _, idempotent := range []bool{false, true} {
				for _, body := range []any{nil, "text"} {
					if method == "HEAD" && (f.rules["expect"] != nil || strings.Contains(name, "cut off")) {
						continue // its answer has no body
					}
					if body != nil && method != "PUT" && method != "POST" {
						continue
					}
					t.Run(fmt.Sprintf("%s/%s/idempotent=%t/body=%v", name, method, idempotent, body), func(t *testing.T) {
						t.Parallel()
						synctest.Test(t, func(t *testing.T) {
							n := testnet.New(t)
							if f.serve != nil {
								n.Raw(host, f.serve)
							}
							whole := event{
								"call": method + " https://example.com/", "idempotent": idempotent, "body": body, "attempts": 4,
								"timeout": "5s",
							}
							maps.Copy(whole, f.rules)
							got := call(t, n, whole, time.Time{})
							want := 1
							if f.retried == anybody || f.retried == replayable && (safe || idempotent) {
								want = 4
							}
							if f.serve == nil {
								if len(n.Dials()) != want || got.Sent != 0 {
									t.Errorf("%d connections, %d sent; want %d and none", len(n.Dials()), got.Sent, want)
								}
								return
							}
							if got.Sent != want {
								t.Errorf("sent %d, want %d: %s", got.Sent, want, got.Reason)
							}
						})
					})
				}
			}
		}
	}
}

func once(status int) func(int, *testnet.Conn) {
	return func(_ int, c *testnet.Conn) {
		if _, _, ok := c.Request(); ok {
			c.Say(fmt.Sprintf("HTTP/1.1 %d X\r\nContent-Length: 100\r\n\r\n{", status))
		}
	}
}

func TestRetrySucceeds(t *testing.T) {
	t.Parallel()
	synctest.Test(t, func(t *testing.T) {
		n := testnet.New(t)
		var mu sync.Mutex
		var keys, bodies []string
		n.Raw(host, func(number int, c *testnet.Conn) {
			r, body, ok := c.Request()
			if !ok {
				return
			}
			mu.Lock()
			keys, bodies = append(keys, r.Header.Get("Idempotency-Key")), append(bodies, body)
			mu.Unlock()
			if number == 0 {
				c.Say(
					"HTTP/1.1 429 X\r\nConnection: close\r\nContent-Length: 0\r\nGithub-Authentication-Token-Expiration: " +
						"2027-01-31 00:00:00 UTC\r\n\r\n",
				)
			} else {
				c.Say("HTTP/1.1 200 OK\r\nConnection: close\r\nContent-Length: 0\r\n\r\n")
			}
		})
		got := call(t, n, event{"call": "POST https://example.com/", "body": event{"a": 1}}, time.Time{})
		want := endpoint.Answer{
			Verdict: endpoint.Accepted, Status: 200, Sent: 2, Expiry: time.Date(2027, 1, 31, 0, 0, 0, 0, time.UTC),
		}
		if diff := cmp.Diff(want, got); diff != "" {
			t.Errorf("answer (-want +got):\n%s", diff)
		}
		if len(keys) != 2 || keys[0] != keys[1] || keys[0] == "" || bodies[0] != `{"a":1}` || bodies[1] != bodies[0] {
			t.Errorf("keys %q, bodies %q", keys, bodies)
		}
	})
}

func TestRetryAfterIsObeyed(t *testing.T) {
	t.Parallel()
	cases := map[string]struct {
		header string
		left   time.Duration // of the invocation; 0: no deadline
		wait   time.Duration
		sent   int
	}{
		"seconds":                       {header: "7", left: 0, wait: 7 * time.Second, sent: 2},
		"zero":                          {header: "0", left: 0, wait: 0, sent: 2},
		"date":                          {header: "date", left: 0, wait: 11 * time.Second, sent: 2},
		"garbage: jitter":               {header: "soon", left: 0, wait: time.Second, sent: 2},
		"negative: jitter":              {header: "-7", left: 0, wait: time.Second, sent: 2},
		"fits exactly":                  {header: "7", left: 10 * time.Second, wait: 7 * time.Second, sent: 2},
		"does not fit":                  {header: "8", left: 10 * time.Second, wait: 0, sent: 1},
		"does not fit by far":           {header: "3600", left: 10 * time.Second, wait: 0, sent: 1},
		"a number that no one can read": {header: "99999999999999999999", left: 10 * time.Second, wait: 0, sent: 1},
		"a date that does not fit":      {header: "date", left: 10 * time.Second, wait: 0, sent: 1},
		"jitter does not fit":           {header: "soon", left: 3500 * time.Millisecond, wait: 0, sent: 1},
	}
	for name, c := range cases {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			synctest.Test(t, func(t *testing.T) {
				n := testnet.New(t)
				sent := 0
				n.Handle(host, func(w http.ResponseWriter, _ *http.Request) {
					if sent++; sent > 1 {
						return
					}
					text := c.header
					if text == "date" {
						// By a clock of the target's own, an hour off.
						w.Header().Set("Date", time.Now().Add(-time.Hour).UTC().Format(http.TimeFormat))
						text = time.Now().Add(-time.Hour + 11*time.Second).UTC().Format(http.TimeFormat)
					}
					w.Header().Set("Retry-After", text)
					w.WriteHeader(http.StatusServiceUnavailable)
				})
				started, deadline := time.Now(), time.Time{}
				if c.left > 0 {
					deadline = started.Add(c.left)
				}
				got := call(t, n, nil, deadline)
				if took := time.Since(started); got.Sent != c.sent || took != c.wait {
					t.Errorf("sent %d after %s, want %d after %s", got.Sent, took, c.sent, c.wait)
				}
				if c.sent == 1 && got.Status != 503 {
					t.Errorf("status %d", got.Status)
				}
			})
		})
	}
}

func TestDeadlines(t *testing.T) {
	t.Parallel()
	cases := map[string]struct {
		left     time.Duration
		timeout  string
		attempts int
		sent     int
		took     time.Duration
		reason   string
	}{
		"the event's time-out": {
			left: time.Minute, timeout: "5s", attempts: 1, sent: 1, took: 5 * time.Second, reason: "no answer came within 5s",
		},
		"the time left less 2 s": {
			left: 6 * time.Second, timeout: "30s", attempts: 3, sent: 1, took: 4 * time.Second,
			reason: "no answer came within 4s",
		},
		"a second attempt gets the rest": {
			left: 10 * time.Second, timeout: "5s", attempts: 3, sent: 2, took: 8 * time.Second,
			reason: "no answer came within 2s",
		},
		"none in less than a second": {
			left: 10 * time.Second, timeout: "6500ms", attempts: 3, sent: 1, took: 6500 * time.Millisecond,
			reason: "no answer came within 6.5s",
		},
		"no time for the first": {
			left: 2900 * time.Millisecond, timeout: "5s", attempts: 3, sent: 0, took: 0,
			reason: "no time was left for an attempt",
		},
		"past": {
			left: -time.Second, timeout: "5s", attempts: 3, sent: 0, took: 0, reason: "no time was left for an attempt",
		},
		"no deadline: each attempt as such": {
			left: 0, timeout: "5s", attempts: 3, sent: 3, took: 17 * time.Second, reason: "no answer came within 5s",
		},
	}
	for name, c := range cases {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			synctest.Test(t, func(t *testing.T) {
				n := testnet.New(t)
				n.Raw(host, func(_ int, conn *testnet.Conn) { conn.Hang() })
				started, deadline := time.Now(), time.Time{}
				if c.left != 0 {
					deadline = started.Add(c.left)
				}
				got := call(t, n, event{"timeout": c.timeout, "attempts": c.attempts}, deadline)
				if took := time.Since(started); got.Sent != c.sent || took != c.took || got.Reason != c.reason {
					t.Errorf("sent %d in %s, %q; want %d in %s, %q", got.Sent, took, got.Reason, c.sent, c.took, c.reason)
				}
				if got.Verdict != endpoint.Unknown || got.Status != 0 {
					t.Errorf("%s, %d", got.Verdict, got.Status)
				}
			})
		})
	}
}

func TestWaitingEndsWithTheRun(t *testing.T) {
	t.Parallel()
	synctest.Test(t, func(t *testing.T) {
		n := testnet.New(t)
		n.Raw(host, always(reply(503, "Retry-After: 60\r\n", "")))
		j, r := parse(t, nil)
		ctx, cancel := context.WithCancel(t.Context())
		time.AfterFunc(5*time.Second, cancel)
		started := time.Now()
		got := endpoint.NewClient(n.Transport()).Call(ctx, j, r, redact.New(bearer))
		if took := time.Since(started); got.Status != 503 || got.Sent != 1 || took != 5*time.Second {
			t.Errorf("%d, sent %d, in %s", got.Status, got.Sent, took)
		}
	})
}

// A connection that was used before may be dead without anyone knowing. net/http repeats by itself what it takes for
// idempotent, and takes for so what has an Idempotency-Key.
func TestDeadIdleConnection(t *testing.T) {
	t.Parallel()
	cases := map[string]struct {
		changes event
		reused  bool // the connection of the call before
		sent    int
	}{
		"GET": {changes: event{"call": "GET https://example.com/"}, reused: true, sent: 2},
		"PUT": {changes: event{"call": "PUT https://example.com/", "body": "x"}, reused: true, sent: 2},
		"POST, idempotent": {
			changes: event{"call": "POST https://example.com/", "body": "x", "idempotent": true}, reused: true, sent: 2,
		},
		"POST with a body":    {changes: event{"call": "POST https://example.com/", "body": "x"}, reused: false, sent: 1},
		"POST without a body": {changes: event{"call": "POST https://example.com/"}, reused: false, sent: 1},
		"PATCH": {
			changes: event{"call": "PATCH https://example.com/", "body": "x"}, reused: false, sent: 1,
		},
		"POST, key of the user's": {
			changes: event{"call": "POST https://example.com/", "headers": event{"X-Idempotency-Key": "k"}}, reused: false,
			sent: 1,
		},
	}
	for name, c := range cases {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			synctest.Test(t, func(t *testing.T) {
				n := testnet.New(t)
				var mu sync.Mutex
				requests := 0
				n.Raw(host, func(number int, conn *testnet.Conn) {
					for i := 0; ; i++ {
						if _, _, ok := conn.Request(); !ok {
							return
						}
						mu.Lock()
						requests++
						mu.Unlock()
						if number == 0 && i == 1 {
							return // dies with the second request
						}
						conn.Say(reply(200, "", ""))
					}
				})
				client := endpoint.NewClient(n.Transport())
				warm, request := parse(t, event{"call": "GET https://example.com/warm"})
				if got := client.Call(t.Context(), warm, request, redact.New(bearer)); got.Verdict != endpoint.Accepted {
					t.Fatal(got.Reason)
				}
				j, r := parse(t, c.changes)
				got := client.Call(t.Context(), j, r, redact.New(bearer))
				if got.Verdict != endpoint.Accepted || got.Sent != c.sent {
					t.Errorf("%s, sent %d, want %d: %s", got.Verdict, got.Sent, c.sent, got.Reason)
				}
				if requests != 1+c.sent || len(n.Dials()) != 2 {
					t.Errorf("the target saw %d requests on %d connections", requests, len(n.Dials()))
				}
			})
		})
	}
}

// One that breaks after the request was sent is not repeated for a POST, not even by net/http.
func TestPostIsSentOnce(t *testing.T) {
	t.Parallel()
	synctest.Test(t, func(t *testing.T) {
		n := testnet.New(t)
		var mu sync.Mutex
		posts := 0
		n.Raw(host, func(_ int, conn *testnet.Conn) {
			for {
				r, _, ok := conn.Request()
				if !ok {
					return
				}
				if r.Method == http.MethodPost {
					mu.Lock()
					posts++
					mu.Unlock()
					return
				}
				conn.Say(reply(200, "", ""))
			}
		})
		client := endpoint.NewClient(n.Transport())
		warm, request := parse(t, nil)
		client.Call(t.Context(), warm, request, redact.New(bearer))
		j, r := parse(t, event{"call": "POST https://example.com/", "body": "x"})
		got := client.Call(t.Context(), j, r, redact.New(bearer))
		if posts != 1 || got.Sent != 1 || got.Verdict != endpoint.Unknown || got.Status != 0 {
			t.Errorf("the target saw %d POSTs; %+v", posts, got)
		}
	})
}

func TestRequestOnTheWire(t *testing.T) {
	t.Parallel()
	synctest.Test(t, func(t *testing.T) {
		n := testnet.New(t)
		var header http.Header
		var line, hostHeader, body string
		n.Handle(host, func(_ http.ResponseWriter, r *http.Request) {
			text, _ := io.ReadAll(r.Body)
			header, line, hostHeader, body = r.Header.Clone(), r.Method+" "+r.RequestURI, r.Host, string(text)
		})
		got := call(
			t, n,
			event{
				"call": "PUT https://example.com/a%2Fb?q=1", "body": event{"a": "b"},
				"headers": event{"X-Mine": "1", "Accept": "text/plain"},
			},
			time.Time{},
		)
		if got.Verdict != endpoint.Accepted {
			t.Fatal(got.Reason)
		}
		want := http.Header{
			"Authorization": {"Bearer " + bearer}, "Accept": {"text/plain"}, "X-Mine": {"1"}, "User-Agent": {"cronbearer"},
			"Content-Type":   {"application/json"},
			"Content-Length": {"9"}, "Accept-Encoding": {"gzip"}, "Idempotency-Key": {"0f8fad5b-d9cb-469f-a165-70867728950e"},
		}
		if diff := cmp.Diff(want, header); diff != "" {
			t.Errorf("headers (-want +got):\n%s", diff)
		}
		if line != "PUT /a%2Fb?q=1" || hostHeader != "example.com" || body != `{"a":"b"}` {
			t.Errorf("%s, host %s, body %s", line, hostHeader, body)
		}
	})
}

// net/http sends a body of length 0 in chunks unless it is told that there is none; not every server takes that.
func TestEmptyBodyHasALength(t *testing.T) {
	t.Parallel()
	for name, body := range map[string]any{"an empty string": "", "none": nil} {
		synctest.Test(t, func(t *testing.T) {
			n := testnet.New(t)
			n.Handle(host, func(_ http.ResponseWriter, r *http.Request) {
				if r.ContentLength != 0 || len(r.TransferEncoding) > 0 || r.Header.Get("Content-Length") != "0" {
					t.Errorf(
						"%s: length %d, Content-Length %q, Transfer-Encoding %q", name, r.ContentLength, r.Header.Get("Content-Length"),
						r.TransferEncoding,
					)
				}
			})
			if got := call(
				t, n, event{"call": "POST https://example.com/", "body": body}, time.Time{},
			); got.Verdict != endpoint.Accepted {
				t.Errorf("%s: %s", name, got.Reason)
			}
		})
	}
}

func TestUserAgentOfTheUser(t *testing.T) {
	t.Parallel()
	synctest.Test(t, func(t *testing.T) {
		n := testnet.New(t)
		var agent []string
		n.Handle(host, func(_ http.ResponseWriter, r *http.Request) { agent = r.Header["User-Agent"] })
		call(t, n, event{"headers": event{"user-agent": "mine"}}, time.Time{})
		if diff := cmp.Diff([]string{"mine"}, agent); diff != "" {
			t.Errorf("User-Agent (-want +got):\n%s", diff)
		}
	})
}

func TestTokenIsNeverSentToARedirectsLocation(t *testing.T) {
	t.Parallel()
	for _, location := range []string{
		"https://example.net/", "https://sub.example.com/", "https://example.com:8443/", "/other", "http://example.com/",
	} {
		for _, status := range []int{301, 302, 303, 307, 308} {
			t.Run(fmt.Sprintf("%d %s", status, location), func(t *testing.T) {
				t.Parallel()
				synctest.Test(t, func(t *testing.T) {
					n := testnet.New(t)
					for _, elsewhere := range []string{
						"example.net:443", "sub.example.com:443", "example.com:8443", "example.com:80",
					} {
						n.Handle(elsewhere, func(http.ResponseWriter, *http.Request) { t.Error("the redirect was followed") })
					}
					requests := 0
					n.Handle(host, func(w http.ResponseWriter, r *http.Request) {
						requests++
						http.Redirect(w, r, location, status)
					})
					got := call(t, n, event{"call": "POST https://example.com/", "body": "x"}, time.Time{})
					if got.Status != status || got.Verdict != endpoint.Unknown || requests != 1 || len(n.Dials()) != 1 {
						t.Errorf("%+v after %d requests on %d connections", got, requests, len(n.Dials()))
					}
				})
			})
		}
	}
}

func TestGuardBlocksTheTarget(t *testing.T) {
	t.Parallel()
	client := endpoint.NewClient(egress.NewTransport(nil, egress.Guard{}))
	waits := 0
	client.WaitWith(func(context.Context, time.Duration) bool {
		waits++
		return true
	}, func(int) time.Duration { return 0 }, time.Now)
	for _, method := range []string{"GET", "POST"} {
		j, r := parse(t, event{"call": method + " https://localhost:8443/"})
		got := client.Call(t.Context(), j, r, redact.New(bearer))
		if !got.Blocked || got.Sent != 0 || got.Status != 0 || got.Verdict != endpoint.Unknown || waits != 0 {
			t.Errorf("%s: %+v after %d waits", method, got, waits)
		}
		if !strings.Contains(got.Reason, "127.0.0.1") && !strings.Contains(got.Reason, "::1") {
			t.Errorf("%s: %q does not name the address", method, got.Reason)
		}
	}
}

func TestExpiryThatTheTargetTells(t *testing.T) {
	t.Parallel()
	for _, status := range []int{200, 401, 500} {
		synctest.Test(t, func(t *testing.T) {
			n := testnet.New(t)
			n.Raw(host, always(reply(status, "github-authentication-token-expiration: 2027-01-31 00:00:00 UTC\r\n", "")))
			if got := call(t, n, nil, time.Time{}); !got.Expiry.Equal(time.Date(2027, 1, 31, 0, 0, 0, 0, time.UTC)) {
				t.Errorf("%d: expiry %s", status, got.Expiry)
			}
		})
	}
}

func TestManyCallsAtOnce(t *testing.T) {
	t.Parallel()
	synctest.Test(t, func(t *testing.T) {
		n := testnet.New(t)
		n.Handle(host, func(w http.ResponseWriter, r *http.Request) {
			if r.Header.Get("Authorization") != "Bearer token-of-"+r.URL.Query().Get("q") {
				w.WriteHeader(http.StatusUnauthorized)
			}
		})
		client := endpoint.NewClient(n.Transport())
		var wg sync.WaitGroup
		for i := range 50 {
			wg.Go(func() {
				method := []string{"GET", "POST"}[i%2]
				j, r := parse(t, event{"call": fmt.Sprintf("%s https://example.com/?q=%04d", method, i)})
				if got := client.Call(
					t.Context(), j, r, redact.New(fmt.Sprintf("token-of-%04d", i)),
				); got.Verdict != endpoint.Accepted {
					t.Errorf("%d: %+v", i, got)
				}
			})
		}
		wg.Wait()
	})
}
