package endpoint_test

import (
	"fmt"
	"maps"
	"net/http"
	"strings"
	"testing"
	"testing/synctest"
	"time"
	"unicode/utf8"

	"github.com/google/go-cmp/cmp"

	"github.com/cronbearer/cronbearer/internal/dev/mutate"
	"github.com/cronbearer/cronbearer/internal/dev/testnet"
	"github.com/cronbearer/cronbearer/internal/endpoint"
	"github.com/cronbearer/cronbearer/internal/redact"
)

// answerOf is one answer of the target, judged.
func answerOf(t *testing.T, text string, changes event) endpoint.Answer {
	t.Helper()
	var got endpoint.Answer
	synctest.Test(t, func(t *testing.T) {
		n := testnet.New(t)
		n.Raw(host, always(text))
		whole := event{"attempts": 1}
		maps.Copy(whole, changes)
		got = call(t, n, whole, time.Time{})
	})
	return got
}

func TestChallengesDecideOfTheToken(t *testing.T) {
	t.Parallel()
	const header = "WWW-Authenticate: "
	for name, c := range map[string]struct {
		status    int
		challenge string
		rules     event
		want      endpoint.Verdict
		notDone   bool
		says      string
	}{
		"403 with invalid_token": {
			status: 403, challenge: `Bearer realm="api", error="invalid_token"`, want: endpoint.Rejected, notDone: true,
			says: `error="invalid_token"`,
		},
		"400 with invalid_token": {
			status: 400, challenge: `Bearer error="invalid_token", error_description="expired"`, want: endpoint.Rejected,
			notDone: true,
		},
		"404 with invalid_token": {
			status: 404, challenge: `Bearer error="invalid_token"`, want: endpoint.Rejected, notDone: true,
		},
		"429 with invalid_token": {
			status: 429, challenge: `Bearer error="invalid_token"`, want: endpoint.Rejected, notDone: true,
		},
		"401 with invalid_token": {
			status: 401, challenge: `Bearer error="invalid_token"`, want: endpoint.Rejected, notDone: true,
		},
		"401 with another scheme": {
			status: 401, challenge: `Basic realm="x"`, want: endpoint.Rejected, notDone: true,
		},
		"401 with invalid_request": {
			status: 401, challenge: `Bearer error="invalid_request"`, want: endpoint.Rejected, notDone: true,
		},
		"200 with invalid_token": {
			status: 200, challenge: `Bearer error="invalid_token"`, want: endpoint.Accepted,
		},
		"500 with invalid_token": {
			status: 500, challenge: `Bearer error="invalid_token"`, want: endpoint.Unknown,
		},
		"302 with invalid_token": {
			status: 302, challenge: `Bearer error="invalid_token"`, want: endpoint.Unknown,
		},
		"403 with invalid_token of another": {status: 403, challenge: `DPoP error="invalid_token"`, want: endpoint.Unknown},
		"403 with insufficient_scope": {
			status: 403, challenge: `Bearer error="insufficient_scope", scope="repo:write"`, want: endpoint.Unknown,
			says: `insufficient_scope); the target names the scope repo:write`,
		},
		"401 with insufficient_scope": {
			status: 401, challenge: `Bearer error="insufficient_scope"`, want: endpoint.Unknown,
			says: "the token is good but lacks the right",
		},
		"401 with both": {
			status: 401, challenge: `Bearer error="insufficient_scope", Bearer error="invalid_token"`, want: endpoint.Rejected,
			notDone: true,
		},
		"401 with insufficient_scope of DPoP": {
			status: 401, challenge: `DPoP error="insufficient_scope"`, want: endpoint.Rejected, notDone: true,
		},
		"401 with insufficient_scope in reject.status": {
			status: 401, challenge: `Bearer error="insufficient_scope"`, rules: event{"reject": event{"status": []any{401}}},
			want: endpoint.Rejected, says: "reject.status",
		},
		"401 with insufficient_scope matched by reject.json": {
			status: 401, challenge: `Bearer error="insufficient_scope"`,
			rules: event{"reject": event{"json": event{"/error": "dead"}}}, want: endpoint.Rejected, says: "reject.json",
		},
		"401 with insufficient_scope that is expected": {
			status: 401, challenge: `Bearer error="insufficient_scope"`, rules: event{"expect": event{"status": []any{401}}},
			want: endpoint.Unknown,
		},
		"in another case": {
			status: 403, challenge: `bEaReR ERROR="invalid_token"`, want: endpoint.Rejected, notDone: true,
		},
		"unquoted": {
			status: 403, challenge: `Bearer error=invalid_token`, want: endpoint.Rejected, notDone: true,
		},
		"with spaces around the =": {
			status: 403, challenge: "Bearer error \t=  \"invalid_token\"", want: endpoint.Rejected, notDone: true,
		},
		"with a quoted pair": {
			status: 403, challenge: `Bearer realm="a \" b, Bearer error=\"x\"", error="inv\alid_token"`,
			want: endpoint.Rejected, notDone: true,
		},
		"second of several": {
			status: 403, challenge: `Basic realm="x", charset="UTF-8", Bearer realm="y", error="invalid_token"`,
			want: endpoint.Rejected, notDone: true,
		},
		"first of several": {
			status: 403, challenge: `Bearer error="invalid_token", Basic realm="x"`, want: endpoint.Rejected, notDone: true,
		},
		"after token68": {
			status: 403, challenge: `Negotiate YII/+a==, Bearer error="invalid_token"`, want: endpoint.Rejected, notDone: true,
		},
		"after a scheme alone": {
			status: 403, challenge: `Negotiate, Bearer error="invalid_token"`, want: endpoint.Rejected, notDone: true,
		},
		"after empty elements": {
			status: 403, challenge: `,, Bearer , error="invalid_token"`, want: endpoint.Rejected, notDone: true,
		},
		"in a second header": {status: 403, challenge: "Basic realm=\"x\"\r\n" + header +
			`Bearer error="invalid_token"`, want: endpoint.Rejected, notDone: true},
		"of another challenge": {
			status: 403, challenge: `Bearer realm="x", Custom error="invalid_token"`, want: endpoint.Unknown,
		},
		"within another's quoted text": {
			status: 403, challenge: `Basic realm="x, Bearer error=invalid_token"`, want: endpoint.Unknown,
		},
		"within Bearer's quoted text": {
			status: 403, challenge: `Bearer realm="error=\"invalid_token\""`, want: endpoint.Unknown,
		},
		"in a text that is never closed": {
			status: 403, challenge: `Bearer realm="error=invalid_token, Bearer error=`, want: endpoint.Unknown,
		},
		"as a parameter of another name": {
			status: 403, challenge: `Bearer error_description="invalid_token", x_error="invalid_token"`,
			want: endpoint.Unknown,
		},
		"without a scheme":        {status: 403, challenge: `error="invalid_token"`, want: endpoint.Unknown},
		"a longer code":           {status: 403, challenge: `Bearer error="invalid_token_x"`, want: endpoint.Unknown},
		"a scheme that begins so": {status: 403, challenge: `Bearerish error="invalid_token"`, want: endpoint.Unknown},
		"no comma between challenges": {
			status: 403, challenge: `Basic realm="x" Bearer error="invalid_token"`, want: endpoint.Rejected, notDone: true,
		},
		"before a rate limit": {
			status: 403, challenge: "Bearer error=\"invalid_token\"\r\nRetry-After: 1", want: endpoint.Rejected, notDone: true,
		},
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			got := answerOf(t, reply(c.status, jsonType+header+c.challenge+"\r\n", `{"error":"dead"}`), c.rules)
			if got.Verdict != c.want || got.NotDone != c.notDone || !strings.Contains(got.Reason, c.says) {
				t.Errorf("%s, not done: %t, %q; want %s, %t, %q", got.Verdict, got.NotDone, got.Reason, c.want, c.notDone, c.says)
			}
		})
	}
}

func TestRateLimitIsNoVerdict(t *testing.T) {
	t.Parallel()
	limited := event{"reject": event{"status": []any{403, 429}}}
	unix := func(d time.Duration) string { // the bubble's clock begins at this moment
		return fmt.Sprintf("%d", time.Date(2000, 1, 1, 0, 0, 0, 0, time.UTC).Add(d).Unix())
	}
	for name, c := range map[string]struct {
		status  int
		headers string
		rules   event
		want    endpoint.Verdict
		sent    int
		waits   time.Duration // before the second request
	}{
		"403 with Retry-After": {
			status: 403, headers: "Retry-After: 7\r\n", rules: limited, want: endpoint.Unknown, sent: 3,
			waits: 7 * time.Second,
		},
		"403 with Retry-After, no rule": {
			status: 403, headers: "Retry-After: 7\r\n", want: endpoint.Unknown, sent: 3, waits: 7 * time.Second,
		},
		"403 with a date": {
			status: 403, headers: "Date: Sat, 01 Jan 2000 00:00:00 GMT\r\nRetry-After: Sat, 01 Jan 2000 00:00:09 GMT\r\n",
			rules: limited, want: endpoint.Unknown, sent: 3, waits: 9 * time.Second,
		},
		"403 with a senseless Retry-After": {
			status: 403, headers: "Retry-After: soon\r\n", rules: limited, want: endpoint.Rejected, sent: 1,
		},
		"403, nothing left, with a reset": {status: 403, headers: "X-RateLimit-Remaining: 0\r\nX-RateLimit-Reset: " +
			unix(11*time.Second) + "\r\n", rules: limited, want: endpoint.Unknown, sent: 3, waits: 11 * time.Second},
		"403, nothing left, Retry-After first": {status: 403, headers: "x-ratelimit-remaining: 0\r\nx-ratelimit-reset: " +
			unix(time.Hour) + "\r\nRetry-After: 3\r\n", rules: limited, want: endpoint.Unknown, sent: 3, waits: 3 * time.Second},
		"403, nothing left, without a reset": {
			status: 403, headers: "x-ratelimit-remaining: 0\r\n", rules: limited, want: endpoint.Unknown, sent: 1,
		},
		"403, nothing left, a senseless reset": {
			status: 403, headers: "x-ratelimit-remaining: 0\r\nx-ratelimit-reset: 60\r\n", rules: limited,
			want: endpoint.Unknown, sent: 1,
		},
		"403, something left": {
			status: 403, headers: "x-ratelimit-remaining: 10\r\nx-ratelimit-reset: " + unix(time.Second) + "\r\n",
			rules: limited, want: endpoint.Rejected, sent: 1,
		},
		"403, a reset alone": {status: 403, headers: "x-ratelimit-reset: " + unix(time.Second) +
			"\r\n", rules: limited, want: endpoint.Rejected, sent: 1},
		"403, remaining unreadable": {
			status: 403, headers: "x-ratelimit-remaining: \r\n", rules: limited, want: endpoint.Rejected, sent: 1,
		},
		"429": {
			status: 429, rules: limited, want: endpoint.Unknown, sent: 3, waits: time.Second,
		},
		"429 of a class": {
			status: 429, rules: event{"reject": event{"status": []any{"4xx"}}}, want: endpoint.Unknown, sent: 3,
			waits: time.Second,
		},
		"429, nothing left, with a reset": {status: 429, headers: "x-ratelimit-remaining: 0\r\nx-ratelimit-reset: " +
			unix(5*time.Second) + "\r\n", want: endpoint.Unknown, sent: 3, waits: 5 * time.Second},
		"403 matched by reject.json": {
			status: 403, headers: "Retry-After: 7\r\n", rules: event{"reject": event{"json": event{"/error": "dead"}}},
			want: endpoint.Rejected, sent: 1,
		},
		"401, nothing left": {
			status: 401, headers: "Retry-After: 7\r\nx-ratelimit-remaining: 0\r\n", want: endpoint.Rejected, sent: 1,
		},
		"404, nothing left": {
			status: 404, headers: "Retry-After: 7\r\nx-ratelimit-remaining: 0\r\n", want: endpoint.Unknown, sent: 1,
		},
		"403 POST": {
			status: 403, headers: "Retry-After: 7\r\n",
			rules: event{"call": "POST https://example.com/", "reject": limited["reject"]}, want: endpoint.Unknown, sent: 3,
			waits: 7 * time.Second,
		},
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			synctest.Test(t, func(t *testing.T) {
				n := testnet.New(t)
				var at []time.Time
				n.Handle(host, func(w http.ResponseWriter, _ *http.Request) {
					at = append(at, time.Now())
					for line := range strings.Lines(c.headers) {
						key, value, _ := strings.Cut(strings.TrimSpace(line), ":")
						w.Header().Set(key, strings.TrimSpace(value))
					}
					if !strings.Contains(c.headers, "Date") {
						w.Header()["Date"] = nil
					}
					w.Header().Set("Content-Type", "application/json")
					w.WriteHeader(c.status)
					_, _ = fmt.Fprint(w, `{"error":"dead"}`)
				})
				got := call(t, n, c.rules, time.Time{})
				if got.Verdict != c.want || got.Sent != c.sent || got.Status != c.status {
					t.Errorf("%s after %d requests, want %s after %d: %s", got.Verdict, got.Sent, c.want, c.sent, got.Reason)
				}
				if limited := c.waits > 0 && c.headers != ""; limited &&
					!strings.Contains(got.Reason, "a rate limit, for another ") {
					t.Errorf("it does not say for how long: %s", got.Reason)
				}
				if len(at) > 1 && at[1].Sub(at[0]).Round(time.Second) != c.waits {
					t.Errorf("it waited for %s, want %s", at[1].Sub(at[0]), c.waits)
				}
			})
		})
	}
}

func TestRateLimitThatPassesIsAccepted(t *testing.T) {
	t.Parallel()
	synctest.Test(t, func(t *testing.T) {
		n := testnet.New(t)
		n.Raw(host, func(number int, c *testnet.Conn) {
			if _, _, ok := c.Request(); !ok {
				return
			}
			if number == 0 {
				c.Say("HTTP/1.1 403 X\r\nRetry-After: 1\r\nConnection: close\r\nContent-Length: 0\r\n\r\n")
			} else {
				c.Say("HTTP/1.1 200 OK\r\nConnection: close\r\nContent-Length: 0\r\n\r\n")
			}
		})
		got := call(t, n, event{"reject": event{"status": []any{403}}}, time.Time{})
		if got.Verdict != endpoint.Accepted || got.Rejections != 0 || got.Sent != 2 {
			t.Errorf("%+v", got)
		}
	})
}

func TestRedirectSaysWhereItPoints(t *testing.T) {
	t.Parallel()
	const sends = "the target answered 301: expect.status does not allow that. It points to "
	for location, want := range map[string]string{
		"/v1/sync/": sends + "https://example.com/v1/sync/: redirects are not followed",
		"https://login.example.net/x?session=s#y": sends + "https://login.example.net/x: redirects are not followed",
		"//user:word@other.example/p":             sends + "https://other.example/p: redirects are not followed",
		"http://example.com:8080/path":            sends + "http://example.com:8080/path: redirects are not followed",
		"next?token=secret":                       sends + "https://example.com/next: redirects are not followed",
		"https://[::1":                            "a Location that cannot be read",
		"/" + strings.Repeat("long/", 200):        "…: redirects are not followed",
	} {
		got := answerOf(t, reply(301, "Location: "+location+"\r\n", ""), nil)
		if got.Verdict != endpoint.Unknown || !strings.Contains(got.Reason, want) {
			t.Errorf("%s: %s, %q; want %q", location, got.Verdict, got.Reason, want)
		}
		if strings.Contains(got.Reason, "session") || strings.Contains(got.Reason, "secret") ||
			strings.Contains(got.Reason, "word") || len(got.Reason) > 600 {
			t.Errorf("%s: %q shows more than scheme, host and path", location, got.Reason)
		}
	}
	if got := answerOf(t, reply(304, "", ""), nil); strings.Contains(got.Reason, "points") {
		t.Error(got.Reason)
	}
}

func TestAnswerIsQuoted(t *testing.T) {
	t.Parallel()
	const asText, asHTML = "Content-Type: text/plain\r\n", "Content-Type: text/html; charset=utf-8\r\n"
	expectOK := event{"expect": event{"json": event{"/ok": true}}}
	for name, c := range map[string]struct {
		status        int
		headers, body string
		rules         event
		want          string
	}{
		"a list of errors": {
			status: 422, headers: jsonType, body: `{"errors":[{"message":"must be a date","field":"at"}],"input":"private"}`,
			want: "message: must be a date, field: at",
		},
		"OAuth": {
			status: 403, headers: jsonType, body: `{"error":"access_denied","error_description":"no\n such\tright"}`,
			want: "error: access_denied, error_description: no such right",
		},
		"problem details": {
			status: 400, headers: "Content-Type: application/problem+json\r\n",
			body: `{"type":"about:blank","title":"Bad","detail":"for is missing","status":400}`,
			want: "title: Bad, detail: for is missing",
		},
		"an error that is an object": {
			status: 404, headers: jsonType, body: `{"error":{"code":404,"message":"no such report","status":"NOT_FOUND"}}`,
			want: "code: 404, message: no such report, status: NOT_FOUND",
		},
		"errors by field": {
			status: 422, headers: jsonType, body: `{"errors":{"for":["is missing","is old"]}}`,
			want: "for: is missing, for: is old",
		},
		"a list at the top": {
			status: 400, headers: jsonType, body: `[{"errorCode":"INVALID","message":"bad"}]`,
			want: "errorCode: INVALID, message: bad",
		},
		"a string":               {status: 500, headers: jsonType, body: `"out of order"`, want: "out of order"},
		"JSON without an error":  {status: 500, headers: jsonType, body: `{"ok":false,"user":"private"}`, want: ""},
		"JSON with another type": {status: 500, headers: asText, body: `{"message":"m"}`, want: "message: m"},
		"a 200 that fails expect": {
			status: 200, headers: jsonType, body: `{"ok":false,"error":"ratelimited"}`, rules: expectOK,
			want: "error: ratelimited",
		},
		"a 404 where a rule needs bodies": {
			status: 404, headers: jsonType, body: `{"message":"gone"}`, rules: event{"reject": event{"json": event{"/a": 1}}},
			want: "message: gone",
		},
		"a rejection": {
			status: 401, headers: jsonType, body: `{"message":"Bad credentials"}`, want: "message: Bad credentials",
		},
		"a rejection by status": {
			status: 403, headers: jsonType, body: `{"message":"Bad credentials"}`,
			rules: event{"reject": event{"status": []any{403}}}, want: "message: Bad credentials",
		},
		"text": {
			status: 500, headers: asText, body: "  first line\r\nsecond \x07 line\n", want: "first line second line",
		},
		"text without a type": {status: 500, body: "upstream error", want: "upstream error"},
		"long text":           {status: 500, headers: asText, body: strings.Repeat("é ", 40_000), want: "…"},
		"long JSON": {status: 500, headers: jsonType, body: `{"message":"` +
			strings.Repeat("é", 400) + `"}`, want: "…"},
		"JSON that is cut off": {status: 500, headers: jsonType, body: `{"message":"` +
			strings.Repeat("m", 70_000) + `"}`, want: "…"},
		"HTML":                  {status: 500, headers: asHTML, body: "<html>x", want: ""},
		"HTML without its type": {status: 500, headers: asText, body: "\n<!doctype html>x", want: ""},
		"HTML without its tags": {status: 500, headers: asHTML, body: "just words", want: ""},
		"HTML in a text":        {status: 500, headers: asText, body: "Error: <html><body>x</body>", want: ""},
		"HTML in a JSON string": {
			status: 500, headers: jsonType, body: `{"code":"E1","message":"<!DOCTYPE html><p>x"}`, want: "code: E1",
		},
		"text that turns around": {status: 500, headers: asText, body: "abc\u202edef", want: "abc def"},
		"XML": {
			status: 500, headers: "Content-Type: application/xml\r\n", body: "<Error/>", want: "",
		},
		"bytes": {
			status: 500, headers: "Content-Type: application/octet-stream\r\n", body: "words", want: "",
		},
		"bytes called text": {status: 500, headers: asText, body: "\x00\xff\xfe", want: ""},
		"nothing":           {status: 500, headers: asText, body: "", want: ""},
		"a success":         {status: 200, headers: jsonType, body: `{"message":"welcome"}`, want: ""},
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			got := answerOf(t, reply(c.status, c.headers, c.body), c.rules)
			if c.want == "…" {
				if !strings.HasSuffix(got.Said, "…") {
					t.Errorf("%q is not cut", got.Said)
				}
			} else if got.Said != c.want {
				t.Errorf("%q, want %q", got.Said, c.want)
			}
			if len(got.Said) > redact.MaxQuote || !utf8.ValidString(got.Said) || strings.ContainsAny(got.Said, "\r\n") {
				t.Errorf("%d bytes: %q", len(got.Said), got.Said)
			}
		})
	}
}

// An error is quoted at a bounded price: no body of a run is worth its time.
func TestQuotingWaitsForNoBody(t *testing.T) {
	t.Parallel()
	synctest.Test(t, func(t *testing.T) {
		n := testnet.New(t)
		n.Raw(host, func(_ int, c *testnet.Conn) {
			if _, _, ok := c.Request(); ok {
				c.Say("HTTP/1.1 404 X\r\nContent-Length: 100\r\nContent-Type: text/plain\r\n\r\nhalf a ")
				c.Hang()
			}
		})
		started := time.Now()
		got := call(t, n, nil, time.Time{})
		if took := time.Since(started); took > time.Second || got.Status != 404 || got.Said != "half a" {
			t.Errorf("%s: %+v", took, got)
		}
	})
}

func TestTargetsRequestID(t *testing.T) {
	t.Parallel()
	long := strings.Repeat("x", 200)
	for headers, want := range map[string]string{
		"":                            "",
		"X-Request-Id: abc\r\n":       "abc",
		"x-amzn-RequestId: amz\r\n":   "amz",
		"X-GitHub-Request-Id: gh\r\n": "gh",
		"CF-RAY: 8d-LHR\r\n":          "8d-LHR",
		"CF-Ray: 1\r\nX-Github-Request-Id: 2\r\nX-Amzn-Requestid: 3\r\nX-Request-Id: 4\r\n": "4",
		"CF-Ray: 1\r\nX-Github-Request-Id: 2\r\nX-Amzn-Requestid: 3\r\n":                    "3",
		"CF-Ray: 1\r\nX-Github-Request-Id: 2\r\n":                                           "2",
		"X-Request-Id: a b\r\nCF-Ray: 1\r\n":                                                "1",
		"X-Request-Id: \xc3\xa9\r\nCF-Ray: 1\r\n":                                           "1",
		"X-Request-Id: \r\nCF-Ray: 1\r\n":                                                   "1",
		"X-Request-Id: " + long + "\r\n":                                                    long[:128],
	} {
		for _, status := range []int{200, 401, 403, 500} {
			if got := answerOf(t, reply(status, headers, ""), nil); got.RequestID != want {
				t.Errorf("%d %q: %q, want %q", status, headers, got.RequestID, want)
			}
		}
	}
}

// Property: whatever is in other parameters and challenges, quoted as in RFC 9110 section 5.6.4, the Bearer
// challenge's error is read as it was written; and what is read is in the header.
func FuzzChallenges(fuzz *testing.F) {
	f := mutate.New(fuzz)
	f.Add(`a", Bearer error="invalid_token`, "invalid_token", `Basic realm="x"`)
	f.Add(`\`, `insufficient_scope`, "Negotiate YII==")
	f.Fuzz(func(t *testing.T, realm, code, other string) {
		quote := strings.NewReplacer(`\`, `\\`, `"`, `\"`).Replace
		texts := []string{
			fmt.Sprintf(`Basic realm="%s", Bearer realm="%s" , ERROR = "%s", x=y`, quote(realm), quote(realm), quote(code)),
			fmt.Sprintf(`bearer error="%s",realm="%s",Digest nonce="%s"`, quote(code), quote(realm), quote(realm)),
			fmt.Sprintf("Negotiate YII/+a==, Bearer error=\"%s\"", quote(code)),
		}
		for _, text := range texts {
			if got := endpoint.BearerErrors(text); code != "" && !cmp.Equal(got, []string{code}) {
				t.Errorf("%s: %q, want %q", text, got, code)
			}
		}
		for _, got := range endpoint.BearerErrors(other) {
			if !strings.Contains(strings.ReplaceAll(other, `\`, ""), strings.ReplaceAll(got, `\`, "")) ||
				!strings.Contains(strings.ToLower(other), "bearer") {
				t.Errorf("%q is read from %q", got, other)
			}
		}
	})
}

func TestChallengesTakeNoTime(t *testing.T) {
	t.Parallel()
	for _, text := range []string{"Bearer ", "a ", "a=", "\"", ",", "a b=\\", "Bearer error=\"\\", "Bearer error=x,"} {
		started := time.Now()
		endpoint.BearerErrors(strings.Repeat(text, 64<<10/len(text)))
		if took := time.Since(started); took > time.Second {
			t.Errorf("%q: %s", text, took)
		}
	}
}

// A job whose headers ask for an encoding gets it: its rules must see what was encoded.
func TestBodyInTheEncodingThatAJobAsksForIsDecoded(t *testing.T) {
	t.Parallel()
	dead, ok := `{"error":"dead"}`, event{"expect": event{"json": event{"/ok": true}}}
	rules := event{"headers": event{"Accept-Encoding": "gzip, br"}, "reject": event{"json": event{"/error": "dead"}}}
	for name, c := range map[string]struct {
		status int
		header string
		body   string
		rules  event
		want   endpoint.Verdict
		says   string
	}{
		"gzip": {
			status: 200, header: "gzip", body: gzipped(dead), rules: rules, want: endpoint.Rejected,
		},
		"gzip in capitals": {
			status: 200, header: "GZIP", body: gzipped(dead), rules: rules, want: endpoint.Rejected,
		},
		"gzip, accepted": {
			status: 200, header: "gzip", body: gzipped(`{"ok":true}`), rules: ok, want: endpoint.Accepted,
		},
		"identity": {
			status: 200, header: "identity", body: dead, rules: rules, want: endpoint.Rejected,
		},
		"gzip that is none": {
			status: 200, header: "gzip", body: dead, rules: rules, want: endpoint.Unknown, says: "cut off",
		},
		"brotli where a rule needs it": {
			status: 200, header: "br", body: "\x01\x02", rules: rules, want: endpoint.Unknown, says: "content encoding br",
		},
		"brotli where no rule needs it": {status: 200, header: "br", body: "\x01\x02", want: endpoint.Accepted},
		"an error is quoted out of gzip": {
			status: 400, header: "gzip", body: gzipped(`{"message":"wrong day"}`), rules: event{"headers": rules["headers"]},
			want: endpoint.Unknown,
		},
		"a 401 is quoted out of gzip too": {
			status: 401, header: "gzip", body: gzipped(`{"message":"wrong day"}`), rules: event{"headers": rules["headers"]},
			want: endpoint.Rejected,
		},
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			got := answerOf(t, reply(c.status, jsonType+"Content-Encoding: "+c.header+"\r\n", c.body), c.rules)
			if got.Verdict != c.want || !strings.Contains(got.Reason, c.says) {
				t.Errorf("%s, %q", got.Verdict, got.Reason)
			}
			if c.status >= 400 && got.Said != "message: wrong day" {
				t.Errorf("said %q", got.Said)
			}
		})
	}
}
