package job_test

import (
	"net/http"
	"strings"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"

	"github.com/cronbearer/cronbearer/internal/job"
	"github.com/cronbearer/cronbearer/internal/request"
)

const runID = "2f1e5ac9-42f7-5f4c-8d1f-3a1de4f0c0de"

func start() time.Time { return time.Date(2027, 2, 1, 0, 30, 15, 987, time.FixedZone("", 3600)) }

func fill(t testing.TB, j job.Job, header string) request.Request {
	t.Helper()
	r, err := j.Request(runID, start(), header)
	if err != nil {
		t.Fatal(err)
	}
	return r
}

func TestRequestBody(t *testing.T) {
	t.Parallel()
	const asJSON, asText = "application/json", "text/plain; charset=utf-8"
	for name, c := range map[string]struct{ body, headers, want, contentType string }{
		"absent": {body: "", headers: "{}", want: "", contentType: ""},
		"null":   {body: "null", headers: "{}", want: "", contentType: ""},
		"object": {
			body: ` { "b" : [ 1.0 , "<&>" ] , "a" : null } `, headers: "{}", want: `{"b":[1.0,"<&>"],"a":null}`,
			contentType: asJSON,
		},
		"empty object": {body: "{}", headers: "{}", want: "{}", contentType: asJSON},
		"list":         {body: "[1, 2]", headers: "{}", want: "[1,2]", contentType: asJSON},
		"empty list":   {body: "[]", headers: "{}", want: "[]", contentType: asJSON},
		"number":       {body: "-1.50E3", headers: "{}", want: "-1.50E3", contentType: asJSON},
		"zero":         {body: "0", headers: "{}", want: "0", contentType: asJSON},
		"a large number": {
			body: "123456789012345678901234567890", headers: "{}", want: "123456789012345678901234567890", contentType: asJSON,
		},
		"true":             {body: "true", headers: "{}", want: "true", contentType: asJSON},
		"false":            {body: "false", headers: "{}", want: "false", contentType: asJSON},
		"string":           {body: `"a\n\"b\" é"`, headers: "{}", want: "a\n\"b\" é", contentType: asText},
		"JSON in a string": {body: `"{\"a\":1}"`, headers: "{}", want: `{"a":1}`, contentType: asText},
		"another type": {
			body: `{"a":1}`, headers: `{"content-type":"application/vnd.api+json"}`, want: `{"a":1}`,
			contentType: "application/vnd.api+json",
		},
		"another text": {
			body: `"a=1"`, headers: `{"Content-Type":"application/x-www-form-urlencoded"}`, want: "a=1",
			contentType: "application/x-www-form-urlencoded",
		},
		"a type and no body": {body: "", headers: `{"Content-Type":"text/csv"}`, want: "", contentType: "text/csv"},
		"context attributes": {
			body: `{"a":"<aws.scheduler.execution-id>"}`, headers: "{}", want: `{"a":"<aws.scheduler.execution-id>"}`,
			contentType: asJSON,
		},
		"one as the body": {
			body: `"<aws.scheduler.execution-id>"`, headers: "{}", want: "<aws.scheduler.execution-id>", contentType: asText,
		},
		"placeholders": {
			body:        `{"{{runId}}":["{{runId}}",{"k":"at {{scheduledTime}} on {{scheduledDate}}{{scheduledDate}}"}],"n":1}`,
			headers:     "{}",
			want:        `{"{{runId}}":["` + runID + `",{"k":"at 2027-01-31T23:30:15Z on 2027-01-312027-01-31"}],"n":1}`,
			contentType: asJSON,
		},
		"placeholder in text": {body: `"id={{runId}}&at={{scheduledTime}}"`, headers: "{}", want: "id=" + runID +
			"&at=2027-01-31T23:30:15Z", contentType: asText},
		"braces": {body: `"}} { runId } {"`, headers: "{}", want: "}} { runId } {", contentType: asText},
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			r := fill(t, mustParse(t, event("call", `"POST https://a.example"`, "body", c.body, "headers", c.headers)), "")
			if diff := cmp.Diff(c.want, string(r.Body)); diff != "" {
				t.Error(diff)
			}
			if got := r.Header.Get("Content-Type"); got != c.contentType {
				t.Errorf("Content-Type: %q", got)
			}
			if absent := c.want == ""; absent != (r.Body == nil) {
				t.Errorf("a body of %d bytes, nil: %t", len(r.Body), r.Body == nil)
			}
		})
	}
}

// Only null means no body: an empty string is a body of no bytes, with its type.
func TestRequestEmptyTextBody(t *testing.T) {
	t.Parallel()
	r := fill(t, mustParse(t, event("body", `""`)), "")
	if r.Body == nil || len(r.Body) != 0 || r.Header.Get("Content-Type") != "text/plain; charset=utf-8" {
		t.Errorf("%q %v", r.Body, r.Header)
	}
}

func TestRequestURL(t *testing.T) {
	t.Parallel()
	for call, want := range map[string]string{
		"https://a.example":                             "https://a.example",
		"HTTPS://API.Example.COM.:8443/Path?Query=A":    "https://api.example.com:8443/Path?Query=A",
		"https://a.example?x":                           "https://a.example?x",
		"https://a.example/{{scheduledDate}}/{{runId}}": "https://a.example/2027-01-31/" + runID,
		"https://a.example/at/{{scheduledTime}}":        "https://a.example/at/2027-01-31T23:30:15Z",
		"https://a.example/?at={{scheduledTime}}&on={{scheduledDate}}": "https://a.example/?at=2027-01-31T23%3A30%3A15Z&" +
			"on=2027-01-31",
		"https://a.example/{{scheduledTime}}?{{scheduledTime}}": "https://a.example/2027-01-31T23:30:15Z?2027-01-31" +
			"T23%3A30%3A15Z",
		"https://a.example/éÀ?ü={{runId}}":            "https://a.example/%C3%A9%C3%80?%C3%BC=" + runID,
		"https://a.example/a%2Fb//../c;d?e=f+g%20h&&": "https://a.example/a%2Fb//../c;d?e=f+g%20h&&",
	} {
		j := mustParse(t, event("call", `"GET `+call+`"`))
		if got := fill(t, j, "").URL.String(); got != want {
			t.Errorf("%s became %s, want %s", call, got, want)
		}
	}
}

func TestHost(t *testing.T) {
	t.Parallel()
	for call, want := range map[string]string{
		"https://a.example": "a.example", "https://a.example/x?y": "a.example", "https://a.example?y=/": "a.example",
		"HTTPS://a.example:8443/": "a.example:8443",
	} {
		if got := mustParse(t, event("call", `"GET `+call+`"`)).Host(); got != want {
			t.Errorf("%s: %s", call, got)
		}
	}
	if got := mustParse(t, event("action", `"check"`, "call", "")).Host(); got != "" {
		t.Errorf("no call: %s", got)
	}
}

func TestRequestHeaders(t *testing.T) {
	t.Parallel()
	j := mustParse(t, event("call", `"POST https://a.example"`, "headers",
		`{"x-at":"{{scheduledTime}}; {{scheduledDate}}","X-Run":" {{runId}}\t~","Empty":"","Null":null,`+
			`"Unreplaced":"<aws.scheduler.execution-id>","Content-type":"a/b"}`))
	want := request.Request{Method: http.MethodPost, URL: fill(t, j, "").URL, Header: http.Header{
		"X-At": {"2027-01-31T23:30:15Z; 2027-01-31"}, "X-Run": {" " + runID + "\t~"}, "Empty": {""}, "Content-Type": {"a/b"},
		"X-Once": {runID},
	}}
	if diff := cmp.Diff(want, fill(t, j, "x-once")); diff != "" {
		t.Error(diff)
	}
}

func TestRequestIdempotencyHeader(t *testing.T) {
	t.Parallel()
	for method, want := range map[string]bool{
		"GET": false, "HEAD": false, "OPTIONS": false, "POST": true, "PUT": true, "PATCH": true, "DELETE": true,
		"PROPFIND": true,
	} {
		j := mustParse(t, event("call", `"`+method+` https://a.example"`))
		if got := fill(t, j, "Idempotency-Key").Header.Get("Idempotency-Key"); (got == runID) != want || (got == "") == want {
			t.Errorf("%s: %q", method, got)
		}
		if got := fill(t, j, "").Header; len(got) != 0 {
			t.Errorf("%s with the header off: %v", method, got)
		}
	}
}

func TestRequestUsesTheScheduledTimeBeforeTheStart(t *testing.T) {
	t.Parallel()
	j := mustParse(
		t, event("body", `"{{scheduledTime}} {{scheduledDate}}"`, "scheduledTime", `"2026-12-31T23:00:00.75-02:00"`),
	)
	if got := string(fill(t, j, "").Body); got != "2027-01-01T01:00:00Z 2027-01-01" {
		t.Error(got)
	}
}

func TestRequestTimesWithOffsets(t *testing.T) {
	t.Parallel()
	for name, c := range map[string]struct{ at, zone, text, want string }{
		"yesterday": {at: "2027-03-01T00:30:00Z", text: "{{scheduledDate-1d}}", want: "2027-02-28"},
		"days of UTC": {
			at: "2027-03-01T00:30:00Z", text: "{{scheduledTime-30d}}", want: "2027-01-30T00:30:00Z",
		},
		"hours": {
			at: "2027-02-28T20:00:00Z", text: "{{scheduledTime+9h}} {{scheduledDate+9h}}",
			want: "2027-03-01T05:00:00Z 2027-03-01",
		},
		"nothing": {
			at: "2027-02-28T20:00:00Z", text: "{{scheduledDate+0d}}{{scheduledDate-00h}}", want: "2027-02-282027-02-28",
		},
		"UTC whatever the zone": {
			at: "2027-02-28T20:00:00+02:00", zone: "Asia/Tokyo", text: "{{scheduledTime}}", want: "2027-02-28T18:00:00Z",
		},
		"local": {
			at: "2027-02-28T20:00:00Z", zone: "Asia/Tokyo", text: "{{localDate}} {{localTime}}",
			want: "2027-03-01 2027-03-01T05:00:00+09:00",
		},
		"local without a zone": {
			at: "2027-02-28T20:00:00Z", text: "{{localDate}} {{localTime}}", want: "2027-02-28 2027-02-28T20:00:00Z",
		},
		"a calendar day of 23 hours": {
			at: "2027-03-28T08:00:00Z", zone: "Europe/London", text: "{{localTime-1d}} {{localTime}}",
			want: "2027-03-27T09:00:00Z 2027-03-28T09:00:00+01:00",
		},
		"a calendar day of 25 hours": {
			at: "2026-10-26T09:00:00Z", zone: "Europe/London", text: "{{localTime-2d}}", want: "2026-10-24T09:00:00+01:00",
		},
		"24 hours over a change of clocks": {
			at: "2027-03-28T08:00:00Z", zone: "Europe/London", text: "{{localTime-24h}}", want: "2027-03-27T08:00:00Z",
		},
		"a local day that UTC does not see": {
			at: "2027-03-27T23:30:00Z", zone: "Pacific/Auckland", text: "{{localDate-1d}} {{scheduledDate-1d}}",
			want: "2027-03-27 2027-03-26",
		},
		"half an hour": {
			at: "2027-03-27T23:30:00Z", zone: "Asia/Kolkata", text: "{{localTime+1h}}", want: "2027-03-28T06:00:00+05:30",
		},
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			j := mustParse(t, event("body", `"`+c.text+`"`, "scheduledTime", `"`+c.at+`"`, "timezone", `"`+c.zone+`"`))
			if got := string(fill(t, j, "").Body); got != c.want {
				t.Errorf("%s, want %s", got, c.want)
			}
		})
	}
}

func TestRequestLocalTimeIsEscapedForItsPlace(t *testing.T) {
	t.Parallel()
	j := mustParse(t, event("call", `"GET https://a.example/{{localTime+1h}}?at={{localTime}}"`, "headers",
		`{"X-At":"{{localDate+1d}}"}`,
		"timezone", `"Asia/Tokyo"`, "scheduledTime", `"2027-02-28T20:00:00Z"`))
	r := fill(t, j, "")
	const want = "https://a.example/2027-03-01T06:00:00+09:00?at=2027-03-01T05%3A00%3A00%2B09%3A00"
	if r.URL.String() != want || r.Header.Get("X-At") != "2027-03-02" {
		t.Errorf("%s, %v", r.URL, r.Header)
	}
}

func TestSameDeliverySameRequest(t *testing.T) {
	t.Parallel()
	text := event("call", `"POST https://a.example/?{{scheduledTime}}"`, "headers", `{"X":"{{runId}}"}`, "body",
		`{"b":"{{runId}}","a":"{{scheduledDate}}","c":[1.0]}`,
		"scheduleArn", `"arn:s"`, "scheduledTime", `"2027-01-31T09:00:00Z"`)
	first, second := mustParse(t, text), mustParse(t, text)
	a, err := first.Request(first.RunID("request 1"), start(), idempotencyHeader)
	if err != nil {
		t.Fatal(err)
	}
	b, err := second.Request(second.RunID("request 2"), start().Add(time.Hour), idempotencyHeader)
	if err != nil {
		t.Fatal(err)
	}
	if diff := cmp.Diff(a, b); diff != "" {
		t.Error(diff)
	}
}

func TestRunID(t *testing.T) {
	t.Parallel()
	id := func(arn, at, requestID string) string {
		return mustParse(t, event("scheduleArn", `"`+arn+`"`, "scheduledTime", `"`+at+`"`)).RunID(requestID)
	}
	const arn, at = "arn:aws:scheduler:eu-west-1:123456789012:schedule/g/s", "2027-01-31T09:00:00Z"
	// Pinned: a failed event that is sent again weeks later, after an update, must have the key of its first delivery.
	if got := id(arn, at, "r"); got != "d086765d-53b9-58c0-b4b3-66b457308693" {
		t.Errorf("by schedule and time: %s", got)
	}
	if got := id("", "", "8476a536-e9f4-11e8-9739-2dfe598c3fcd"); got != "4144dd11-b07e-5dc9-969c-bdfdc53d25f0" {
		t.Errorf("by request: %s", got)
	}
	for name, same := range map[string]string{
		"another request":          id(arn, at, "r2"),
		"the time in another zone": id(arn, "2027-01-31T10:00:00+01:00", "r"),
		"the time with a fraction": id(arn, "2027-01-31T09:00:00.000Z", "r"),
	} {
		if same != id(arn, at, "r") {
			t.Errorf("%s is another run", name)
		}
	}
	seen := map[string]string{}
	for name, other := range map[string]string{
		"this": id(arn, at, "r"), "another schedule": id(arn+"2", at, "r"),
		"another time": id(arn, "2027-01-31T09:00:00.001Z", "r"),
		"no schedule":  id("", at, "r"), "no schedule, another request": id("", at, "r2"),
		"no time, another request": id(arn, "", "r3"), "no request": id("", "", ""),
	} {
		if before, ok := seen[other]; ok {
			t.Errorf("%s is the run of %s", name, before)
		}
		seen[other] = name
	}
	if id(arn, "", "r") != id("", at, "r") || id(
		"<aws.scheduler.schedule-arn>", "<aws.scheduler.scheduled-time>", "r",
	) != id("", "", "r") {
		t.Error("an event without one of the two is not the run of its request")
	}
	// Version 5, variant of RFC 9562.
	if got := id(arn, at, "r"); len(got) != 36 || got[14] != '5' || !strings.ContainsRune("89ab", rune(got[19])) {
		t.Errorf("%s is not a UUIDv5", got)
	}
}

func TestAge(t *testing.T) {
	t.Parallel()
	j := mustParse(t, event("scheduledTime", `"2027-01-31T09:00:00Z"`))
	if got := j.Age(time.Date(2027, 1, 31, 10, 0, 1, 0, time.UTC)); got != time.Hour+time.Second {
		t.Error(got)
	}
	if got := j.Age(time.Date(2027, 1, 31, 8, 59, 0, 0, time.UTC)); got != -time.Minute {
		t.Error(got)
	}
	if got := mustParse(t, event()).Age(start()); got != 0 {
		t.Error(got)
	}
}

func TestReplayable(t *testing.T) {
	t.Parallel()
	for method, want := range map[string]bool{
		"GET": true, "HEAD": true, "PUT": true, "DELETE": true, "OPTIONS": true, "POST": false, "PATCH": false,
		"PROPPATCH": false,
	} {
		if got := mustParse(t, event("call", `"`+method+` https://a.example"`)).Replayable(); got != want {
			t.Errorf("%s: %t", method, got)
		}
		if !mustParse(t, event("call", `"`+method+` https://a.example"`, "idempotent", "true")).Replayable() {
			t.Errorf("%s, idempotent: false", method)
		}
	}
}

func BenchmarkRequest(b *testing.B) {
	for name, text := range map[string]string{
		"smallest": event(),
		"full":     full,
		"10 KB": event("call", `"POST https://a.example"`, "body", `[`+
			strings.Repeat(`{"at":"{{scheduledTime}}","text":"a line of text"},`, 200)+`0]`),
	} {
		b.Run(name, func(b *testing.B) {
			j := mustParse(b, text)
			b.ReportAllocs()
			for b.Loop() {
				if _, err := j.Request(runID, start(), idempotencyHeader); err != nil {
					b.Fatal(err)
				}
			}
		})
	}
}
