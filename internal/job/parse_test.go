package job_test

import (
	"encoding/json"
	"errors"
	"fmt"
	"slices"
	"strconv"
	"strings"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"

	"github.com/cronbearer/cronbearer/internal/dev/mutate"
	"github.com/cronbearer/cronbearer/internal/job"
	"github.com/cronbearer/cronbearer/internal/jsondoc"
	"github.com/cronbearer/cronbearer/internal/request"
)

// full is the event of the contract.
const full = `{
  "job": "DailyReport", "action": "call", "token": "ExampleApi", "secret": "example-api", "secretKey": "",
  "call": "POST https://api.example.com/v1/reports?for={{scheduledDate}}",
  "headers": {"Accept": "application/json"}, "body": {"kind": "daily"},
  "timeout": "30s", "attempts": 3, "idempotent": false, "maxAge": "1h",
  "expect": {"status": ["2xx"], "contentType": "application/json", "json": {"/ok": true}},
  "reject": {"status": [403], "json": {"/error": ["token_expired", "token_revoked"]}}, "timezone": "Europe/London",
  "scheduleArn": "<aws.scheduler.schedule-arn>", "scheduledTime": "<aws.scheduler.scheduled-time>"
}`

const idempotencyHeader = "Idempotency-Key"

// event is the smallest event, with keys added, replaced or, where the value is empty, removed. Values are JSON.
func event(keysAndValues ...string) string {
	keys := []string{"job", "token", "secret", "call"}
	values := map[string]string{"job": `"J"`, "token": `"T"`, "secret": `"s"`, "call": `"GET https://api.example.com/v1"`}
	for i := 0; i < len(keysAndValues); i += 2 {
		key, value := keysAndValues[i], keysAndValues[i+1]
		if value == "" {
			keys = slices.DeleteFunc(keys, func(k string) bool { return k == key })
			continue
		}
		if !slices.Contains(keys, key) {
			keys = append(keys, key)
		}
		values[key] = value
	}
	parts := make([]string, len(keys))
	for i, k := range keys {
		parts[i] = fmt.Sprintf("%q: %s", k, values[k])
	}
	return "{" + strings.Join(parts, ", ") + "}"
}

func parse(text string) (job.Job, []string) {
	j, err := job.Parse([]byte(text), job.Options{IdempotencyHeader: idempotencyHeader})
	if err == nil {
		return j, nil
	}
	invalid, ok := errors.AsType[*job.InvalidError](err)
	if !ok || len(invalid.Problems) == 0 || err.Error() != strings.Join(invalid.Problems, "; ") {
		return j, []string{fmt.Sprintf("not an InvalidError: %#v", err)}
	}
	return j, invalid.Problems
}

func mustParse(t testing.TB, text string) job.Job {
	t.Helper()
	j, problems := parse(text)
	if problems != nil {
		t.Fatalf("%s: %q", text, problems)
	}
	return j
}

// visible is what of a Job other packages see.
type visible struct {
	Name, Token, Secret, Key, Action, Method, Host string
	Timeout, MaxAge                                time.Duration
	Attempts                                       int
	Idempotent, NeedsBody                          bool
	Expect, Reject                                 []request.StatusRange
	ContentType                                    string
	ExpectJSON, RejectJSON                         []string
	ScheduleARN                                    string
	ScheduledTime                                  time.Time
}

func look(j job.Job) visible {
	rules := func(list []request.JSONRule) (texts []string) {
		for _, r := range list {
			list := jsondoc.Value{Kind: jsondoc.Array, Items: r.Values}
			texts = append(texts, r.Pointer.String()+" "+string(list.AppendJSON(nil, nil)))
		}
		return texts
	}
	return visible{
		Name: j.Name, Token: j.Token, Secret: j.Secret, Key: j.SecretKey, Action: string(j.Action), Method: j.Method,
		Host:    j.Host(),
		Timeout: j.Timeout, MaxAge: j.MaxAge, Attempts: j.Attempts, Idempotent: j.Idempotent, NeedsBody: j.NeedsBody(),
		Expect: j.Expect.Status, Reject: j.Reject.Status, ContentType: j.Expect.ContentType,
		ExpectJSON: rules(j.Expect.JSON), RejectJSON: rules(j.Reject.JSON),
		ScheduleARN: j.ScheduleARN, ScheduledTime: j.ScheduledTime,
	}
}

func defaults() visible {
	return visible{
		Name: "J", Token: "T", Secret: "s", Action: "call", Method: "GET", Host: "api.example.com",
		Timeout: 30 * time.Second, Attempts: 3, Expect: []request.StatusRange{{Low: 200, High: 299}},
	}
}

func TestParse(t *testing.T) {
	t.Parallel()
	with := func(change func(*visible)) visible {
		v := defaults()
		change(&v)
		return v
	}
	const arn = "arn:aws:scheduler:eu-west-1:123456789012:schedule/g/s"
	for name, c := range map[string]struct {
		event string
		want  visible
	}{
		"the smallest": {event: event(), want: defaults()},
		"the contract's": {event: full, want: visible{
			Name: "DailyReport", Token: "ExampleApi", Secret: "example-api", Action: "call", Method: "POST",
			Host:    "api.example.com",
			Timeout: 30 * time.Second, MaxAge: time.Hour, Attempts: 3, NeedsBody: true,
			Expect: []request.StatusRange{{Low: 200, High: 299}}, ContentType: "application/json",
			ExpectJSON: []string{"/ok [true]"},
			Reject:     []request.StatusRange{{Low: 403, High: 403}},
			RejectJSON: []string{`/error ["token_expired","token_revoked"]`},
		}},
		"null is absent": {
			event: event("action", "null", "headers", "null", "body", "null", "timeout", "null", "attempts",
				"null", "idempotent", "null", "maxAge", "null",
				"expect", "null", "reject", "null", "scheduleArn", "null", "scheduledTime", "null", "secretKey", "null", "timezone",
				"null"),
			want: defaults(),
		},
		"an empty value is absent": {
			event: event("action", `""`, "headers", `{}`, "timeout", `""`, "maxAge", `""`,
				"expect", `{}`, "reject", `{}`, "scheduleArn", `""`, "scheduledTime", `""`, "secretKey", `""`, "timezone", `""`),
			want: defaults(),
		},
		"absent inside": {
			event: event(
				"expect", `{"status":null,"contentType":"","json":{}}`, "reject", `{"status":null,"json":null}`, "headers",
				`{"X":null}`,
			),
			want: defaults(),
		},
		"an unreplaced context attribute is absent": {
			event: event("action", `"<aws.scheduler.attempt-number>"`, "timeout",
				`"<aws.scheduler.x>"`, "maxAge", `"<aws.scheduler.x>"`,
				"attempts", `"<aws.scheduler.attempt-number>"`, "headers", `{"X-Run":"<aws.scheduler.execution-id>"}`,
				"scheduleArn", `"<aws.scheduler.schedule-arn>"`, "scheduledTime", `"<aws.scheduler.scheduled-time>"`),
			want: defaults(),
		},
		"an unreplaced context attribute inside is absent": {
			event: event(
				"secretKey", `"<aws.scheduler.x>"`, "timezone", `"<aws.scheduler.x>"`, "expect",
				`{"status":"<aws.scheduler.x>","contentType":"<aws.scheduler.x>"}`, "reject", `"<aws.scheduler.x>"`,
			),
			want: defaults(),
		},
		"a secret's key": {event: event("secretKey", `"api_key"`), want: with(func(v *visible) {
			v.Key = "api_key"
		})},
		"a secret's pointer": {event: event("secretKey", `"/data/a~1b/0"`), want: with(func(v *visible) {
			v.Key = "/data/a~1b/0"
		})},
		"check": {event: event("action", `"check"`), want: with(func(v *visible) { v.Action = "check" })},
		"check without a call": {event: event("action", `"check"`, "call", ""), want: with(func(v *visible) {
			v.Action, v.Method, v.Host = "check", "", ""
		})},
		"check with an empty call": {event: event("action", `"check"`, "call", `""`), want: with(func(v *visible) {
			v.Action, v.Method, v.Host = "check", "", ""
		})},
		"long names": {
			event: event("job", `"0`+strings.Repeat("-", 63)+`"`, "token", `"a._-Z9"`),
			want: with(func(v *visible) {
				v.Name, v.Token = "0"+strings.Repeat("-", 63), "a._-Z9"
			}),
		},
		"a secret's name": {event: event("secret", `"a/B_+=.@-!9"`), want: with(func(v *visible) {
			v.Secret = "a/B_+=.@-!9"
		})},
		"a secret's ARN": {
			event: event("secret", `"arn:aws-cn:secretsmanager:cn-north-1:123456789012:secret:a/b-AbCdEf"`),
			want: with(func(v *visible) {
				v.Secret = "arn:aws-cn:secretsmanager:cn-north-1:123456789012:secret:a/b-AbCdEf"
			}),
		},
		"the shortest time-out": {event: event("timeout", `"1s"`), want: with(func(v *visible) {
			v.Timeout = time.Second
		})},
		"the longest time-out": {event: event("timeout", `"14m"`), want: with(func(v *visible) {
			v.Timeout = 840 * time.Second
		})},
		"one attempt":  {event: event("attempts", "1"), want: with(func(v *visible) { v.Attempts = 1 })},
		"ten attempts": {event: event("attempts", "10.0"), want: with(func(v *visible) { v.Attempts = 10 })},
		"idempotent": {event: event("idempotent", "true"), want: with(func(v *visible) {
			v.Idempotent = true
		})},
		"a short age": {event: event("maxAge", `"1ns"`), want: with(func(v *visible) { v.MaxAge = 1 })},
		"a composed age": {event: event("maxAge", `"1h30m"`), want: with(func(v *visible) {
			v.MaxAge = 90 * time.Minute
		})},
		"a scheduled time": {event: event("scheduledTime", `"2027-01-31T09:00:00Z"`), want: with(func(v *visible) {
			v.ScheduledTime = time.Date(2027, 1, 31, 9, 0, 0, 0, time.UTC)
		})},
		"another zone and fraction": {
			event: event("scheduledTime", `"2027-01-31T09:00:00.25+05:30"`),
			want: with(func(v *visible) {
				v.ScheduledTime = time.Date(2027, 1, 31, 3, 30, 0, 250e6, time.UTC)
			}),
		},
		"a schedule's ARN": {event: event("scheduleArn", `"`+arn+`"`), want: with(func(v *visible) {
			v.ScheduleARN = arn
		})},
		"statuses": {
			event: event(
				"expect", `{"status":[100,204,"4xx","1xx",599]}`, "reject", `{"status":["3xx",302,"5xx","403","100","599"]}`,
			),
			want: with(func(v *visible) {
				v.Expect = []request.StatusRange{
					{Low: 100, High: 100}, {Low: 204, High: 204}, {Low: 400, High: 499}, {Low: 100, High: 199}, {Low: 599, High: 599},
				}
				v.Reject = []request.StatusRange{
					{Low: 300, High: 399},
					{Low: 302, High: 302},
					{Low: 500, High: 599},
					{Low: 403, High: 403},
					{Low: 100, High: 100},
					{Low: 599, High: 599},
				}
			}),
		},
		"no statuses": {event: event("expect", `{"status":[]}`, "reject", `{"status":[]}`), want: defaults()},
		"JSON rules": {
			event: event("reject", `{"json":{"":null,"/a~1b/~0/0":[1,"b",2.50,null,true],"/*/*":"x"}}`),
			want: with(func(v *visible) {
				v.NeedsBody, v.RejectJSON = true, []string{" [null]", `/a~1b/~0/0 [1,"b",2.50,null,true]`, `/*/* ["x"]`}
			}),
		},
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			if diff := cmp.Diff(c.want, look(mustParse(t, c.event))); diff != "" {
				t.Error(diff)
			}
		})
	}
}

const (
	badName   = " must be 1 to 64 letters, digits, dots, underscores and hyphens and begin with a letter or digit"
	noName    = " is missing: a name of letters, digits, dots, underscores and hyphens"
	noSecret  = "secret is missing: the name or ARN of the token's secret in Secrets Manager"
	noCall    = "call is missing: a method and a URL, such as GET https://api.example.com/v1/sync"
	badStatus = `: a status is a number from 100 to 599 or a class such as "2xx"`
	known     = "; known are {{scheduledTime}}, {{scheduledDate}}, {{localTime}}, {{localDate}}, {{runId}}, the times " +
		"also with whole days or hours, such as {{scheduledDate-1d}}"
	badValue = ", which nothing matches: write a string, a number, true, false, null, or a list of these"
	badZone  = " is not known: write a name of the IANA time zone database, such as Europe/London"
)

func TestParseRejects(t *testing.T) {
	t.Parallel()
	for name, c := range map[string]struct {
		event string
		want  []string
	}{
		"nothing": {event: "", want: []string{"the event is not valid JSON at byte 0: it ends too early"}},
		"no JSON": {event: "{job}", want: []string{"the event is not valid JSON at byte 2: unexpected character"}},
		"trailing data": {
			event: event() + " {}", want: []string{"the event is not valid JSON at byte 85: something follows the value"},
		},
		"a list":          {event: "[" + event() + "]", want: []string{"the event must be an object, not a list"}},
		"a string":        {event: `"{}"`, want: []string{"the event must be an object, not a string"}},
		"null":            {event: "null", want: []string{"the event must be an object, not null"}},
		"an empty object": {event: "{}", want: []string{"job" + noName, "token" + noName, noSecret, noCall}},
		"required and null": {
			event: event("job", "null", "token", "null", "secret", "null", "call", "null"),
			want:  []string{"job" + noName, "token" + noName, noSecret, noCall},
		},
		"required and empty": {
			event: event("job", `""`, "token", `""`, "secret", `""`, "call", `""`),
			want:  []string{"job" + noName, "token" + noName, noSecret, noCall},
		},
		"required, unreplaced": {
			event: event(
				"job", `"<aws.scheduler.x>"`, "token", `"<aws.scheduler.x>"`, "secret", `"<aws.scheduler.x>"`, "call",
				`"<aws.scheduler.x>"`,
			),
			want: []string{"job" + noName, "token" + noName, noSecret, noCall},
		},
		"required of another type": {event: event("job", "1", "token", "{}", "secret", "[]", "call", "true"), want: []string{
			"job must be a string, not a number", "token must be a string, not an object", "secret must be a string, not a list",
			"call must be a string, not true or false",
		}},
		"optional of another type": {event: event("action", "{}", "timeout", "30", "attempts", `"3"`, "idempotent", `"true"`,
			"maxAge", "3600", "scheduleArn", "{}",
			"scheduledTime", "0", "headers", `""`, "expect", "[]", "reject", `"4xx"`), want: []string{
			"action must be a string, not an object", "timeout must be a string, not a number",
			"attempts must be a number, not a string",
			"idempotent must be true or false, not a string", "maxAge must be a string, not a number",
			"scheduleArn must be a string, not an object",
			"scheduledTime must be a string, not a number", "headers must be an object, not a string",
			"expect must be an object, not a list", "reject must be an object, not a string",
		}},
		"empty values of another type": {
			event: event("timeout", "{}", "attempts", `""`, "idempotent", `{}`, "headers", "[]"),
			want: []string{
				"timeout must be a string, not an object", "attempts must be a number, not a string",
				"idempotent must be true or false, not an object", "headers must be an object, not a list",
			},
		},
		"inside expect and reject": {
			event: event(
				"expect", `{"status":"2xx","contentType":1,"json":[]}`, "reject", `{"status":{},"json":"x"}`,
			),
			want: []string{
				"expect.status must be a list, not a string", "expect.contentType must be a string, not a number",
				"expect.json must be an object, not a list",
				"reject.status must be a list, not an object", "reject.json must be an object, not a string",
			},
		},
		"unknown keys": {event: event("Job", `"x"`, "retries", "1", "hosts", "[]"), want: []string{
			`unknown key "Job" in the object: write it job (keys are case-sensitive)`,
			`unknown key "retries" in the object; known are action, attempts, body, call, expect, headers, idempotent, job, ` +
				`maxAge, reject, scheduleArn, scheduledTime, secret, secretKey, timeout, timezone, token`,
			`unknown key "hosts" in the object; known are action, attempts, body, call, expect, headers, idempotent, job, ` +
				`maxAge, reject, scheduleArn, scheduledTime, secret, secretKey, timeout, timezone, token`,
		}},
		"keys in another case only": {
			event: `{"Job":"J","TOKEN":"T","Secret":"s","Call":"GET https://a.example"}`,
			want: []string{
				"job" + noName, "token" + noName, noSecret, noCall,
				`unknown key "Job" in the object: write it job (keys are case-sensitive)`,
				`unknown key "TOKEN" in the object: write it token (keys are case-sensitive)`,
				`unknown key "Secret" in the object: write it secret (keys are case-sensitive)`,
				`unknown key "Call" in the object: write it call (keys are case-sensitive)`,
			},
		},
		"unknown keys inside": {
			event: event("expect", `{"Status":[200],"headers":{}}`, "reject", `{"contentType":"a/b"}`),
			want: []string{
				`unknown key "Status" in expect: write it status (keys are case-sensitive)`,
				`unknown key "headers" in expect; known are contentType, json, status`,
				`unknown key "contentType" in reject; known are json, status`,
			},
		},
		"an unknown key that is null": {event: event("nope", "null"), want: []string{
			`unknown key "nope" in the object; known are action, attempts, body, call, expect, headers, idempotent, job, ` +
				`maxAge, reject, scheduleArn, scheduledTime, secret, secretKey, timeout, timezone, token`,
		}},
		"duplicate keys at every level": {
			event: `{"job":"J","token":"T","secret":"s","call":"GET https://a.example","attempts":1,"attempts":1,` +
				`"headers":{"A":"1","A":"1"},"body":{"a":[{"b":1,"b":1}]},` +
				`"expect":{"status":[200],"status":[200],"json":{"/a":1,"/a":1}},"reject":{"json":{"/b":{"c":1,"\u0063":2}}}}`,
			want: []string{
				`duplicate key "attempts" in the event`, `duplicate key "A" in "/headers"`, `duplicate key "b" in "/body/a/0"`,
				`duplicate key "status" in "/expect"`,
				`duplicate key "/a" in "/expect/json"`, `duplicate key "c" in "/reject/json/~1b"`,
				`reject.json: the value of the pointer "/b" is an object` + badValue,
			},
		},
		"names": {event: event("job", `"-x"`, "token", `"`+strings.Repeat("x", 65)+
			`"`), want: []string{"job" + badName, "token" + badName}},
		"names with other bytes": {event: event("job", `"a b"`, "token", `"é"`), want: []string{"job" +
			badName, "token" + badName}},
		"names with a line break at the end": {event: event("job", `"a\n"`, "token", `"a/b"`), want: []string{"job" +
			badName, "token" + badName}},
		"an action": {
			event: event("action", `"Call"`), want: []string{`action must be call or check, not "Call"`},
		},
		"an action and no call": {
			event: event("action", `"test"`, "call", ""), want: []string{`action must be call or check, not "test"`, noCall},
		},
		"a secret's name": {
			event: event("secret", `"a b"`), want: []string{"secret must be 1 to 512 letters, digits and /_+=.@!-, or an ARN"},
		},
		"a long secret's name": {event: event("secret", `"`+strings.Repeat("a", 513)+
			`"`), want: []string{"secret must be 1 to 512 letters, digits and /_+=.@!-, or an ARN"}},
		"another ARN": {
			event: event("secret", `"arn:aws:ssm:eu-west-1:123456789012:parameter/x"`),
			want:  []string{"secret is not the ARN of a Secrets Manager secret"},
		},
		"time-outs too short": {
			event: event("timeout", `"999ms"`), want: []string{"timeout must be from 1s to 840s"},
		},
		"time-outs too long": {
			event: event("timeout", `"841s"`), want: []string{"timeout must be from 1s to 840s"},
		},
		"time-outs negative": {
			event: event("timeout", `"-30s"`), want: []string{"timeout must be from 1s to 840s"},
		},
		"time-outs unreadable": {event: event("timeout", `"30"`, "maxAge", `"soon"`), want: []string{
			"timeout must be a duration such as 30s, 5m or 1h", "maxAge must be a duration such as 30s, 5m or 1h",
		}},
		"no age":         {event: event("maxAge", `"0s"`), want: []string{"maxAge must be more than 0"}},
		"a negative age": {event: event("maxAge", `"-1h"`), want: []string{"maxAge must be more than 0"}},
		"no attempts": {
			event: event("attempts", "0"), want: []string{"attempts must be a whole number from 1 to 10"},
		},
		"eleven attempts": {
			event: event("attempts", "11"), want: []string{"attempts must be a whole number from 1 to 10"},
		},
		"half an attempt": {
			event: event("attempts", "1.5"), want: []string{"attempts must be a whole number from 1 to 10"},
		},
		"a status below 100": {
			event: event("expect", `{"status":[99]}`, "reject", `{"status":[0]}`),
			want:  []string{"expect.status" + badStatus, "reject.status" + badStatus},
		},
		"a status above 599": {
			event: event("expect", `{"status":[600]}`, "reject", `{"status":["6xx"]}`),
			want:  []string{"expect.status" + badStatus, "reject.status" + badStatus},
		},
		"a status of letters": {
			event: event("expect", `{"status":["099","600","2XX","2x","xxx","2xxx","0xx"," 403","+40","4.0","4e2"]}`),
			want:  slices.Repeat([]string{"expect.status" + badStatus}, 11),
		},
		"a status of another type": {
			event: event("expect", `{"status":[null,200.5,true,[200],{}]}`),
			want:  slices.Repeat([]string{"expect.status" + badStatus}, 5),
		},
		"a 3xx in expect": {
			event: event("expect", `{"status":[300,"3xx",399,200,"302"]}`),
			want: slices.Repeat(
				[]string{"expect.status must not contain a 3xx: redirects are not followed, so the call was not done"}, 4,
			),
		},
		"a content type without a subtype": {
			event: event("expect", `{"contentType":"json"}`),
			want:  []string{"expect.contentType must be one media type such as application/json"},
		},
		"a content type that is none": {
			event: event("expect", `{"contentType":"application/ json"}`),
			want:  []string{"expect.contentType must be one media type such as application/json"},
		},
		"a content type that no answer has": {
			event: event("expect", `{"contentType":"text/*"}`),
			want:  []string{"expect.contentType must be one media type such as application/json"},
		},
		"values that nothing matches": {
			event: event(
				"expect", `{"json":{"/a":{},"/b":[],"/c":[1,[2]]}}`, "reject",
				`{"json":{"/a":{"b":1},"/b":["x",{}],"/*/c":[[]]}}`,
			),
			want: []string{
				`expect.json: the value of the pointer "/a" is an object` + badValue,
				`expect.json: the value of the pointer "/b" is an empty list` + badValue,
				`expect.json: the value of the pointer "/c" holds a list` + badValue,
				`reject.json: the value of the pointer "/a" is an object` + badValue,
				`reject.json: the value of the pointer "/b" holds an object` + badValue,
				`reject.json: the value of the pointer "/*/c" holds a list` + badValue,
			},
		},
		"a malformed secret pointer": {
			event: event("secretKey", `"/a~2"`),
			want:  []string{`secretKey: the pointer "/a~2" ~ must be followed by 0 or 1 (RFC 6901)`},
		},
		"a time zone": {
			event: event("timezone", `"Europe/Londonn"`), want: []string{`timezone "Europe/Londonn"` + badZone},
		},
		"the time zone of the machine": {event: event("timezone", `"Local"`), want: []string{`timezone "Local"` +
			badZone}},
		"a time zone outside the database": {
			event: event("timezone", `"../etc/passwd"`), want: []string{`timezone "../etc/passwd"` + badZone},
		},
		"a time zone by offset": {event: event("timezone", `"UTC+1"`), want: []string{`timezone "UTC+1"` +
			badZone}},
		"half of a surrogate pair": {
			event: event("body", `"\ud83d"`),
			want: []string{
				"the event is not valid JSON at byte 93: half of a surrogate pair, which is not a character (RFC 8259 section 8.2)",
			},
		},
		"half of a surrogate pair in a key": {
			event: `{"\udc00":1}`,
			want: []string{
				"the event is not valid JSON at byte 2: half of a surrogate pair, which is not a character (RFC 8259 section 8.2)",
			},
		},
		"offsets that are none": {
			event: event(
				"body",
				`["{{scheduledDate-d}}","{{scheduledTime+1}}","{{runId+1d}}","{{localDate-1w}}","{{localTime+1.5h}}",`+
					`"{{scheduledDate--1d}}","{{scheduledDate-1d+1h}}","{{scheduledTime+100000h}}","{{-1d}}","{{scheduledDate -1d}}"]`,
			),
			want: []string{
				"body: unknown placeholder {{scheduledDate-d}}" + known, "body: unknown placeholder {{scheduledTime+1}}" + known,
				"body: unknown placeholder {{runId+1d}}" + known,
				"body: unknown placeholder {{localDate-1w}}" + known, "body: unknown placeholder {{localTime+1.5h}}" + known,
				"body: unknown placeholder {{scheduledDate--1d}}" + known,
				"body: unknown placeholder {{scheduledDate-1d+1h}}" + known,
				"body: unknown placeholder {{scheduledTime+100000h}}" + known, "body: unknown placeholder {{-1d}}" + known,
				"body: unknown placeholder {{scheduledDate -1d}}" + known,
			},
		},
		"pointers": {
			event: event("expect", `{"json":{"ok":true,"/":1,"a/b":1}}`, "reject", `{"json":{"/a~2":1}}`),
			want: []string{
				`expect.json: the pointer "ok" must be empty or begin with / (RFC 6901)`,
				`expect.json: the pointer "a/b" must be empty or begin with / (RFC 6901)`,
				`reject.json: the pointer "/a~2" ~ must be followed by 0 or 1 (RFC 6901)`,
			},
		},
		"headers that the call sets": {
			event: event(
				"headers",
				`{"Authorization":"x","HOST":"x","content-length":"1","Transfer-Encoding":"x","connection":"x","Upgrade":"x",`+
					`"Proxy-Authorization":"x","proxy-x":"x"}`,
			),
			want: []string{
				`headers: "Authorization" must not be set: the call sets it itself`,
				`headers: "HOST" must not be set: the call sets it itself`,
				`headers: "content-length" must not be set: the call sets it itself`,
				`headers: "Transfer-Encoding" must not be set: the call sets it itself`,
				`headers: "connection" must not be set: the call sets it itself`,
				`headers: "Upgrade" must not be set: the call sets it itself`,
				`headers: "Proxy-Authorization" must not be set: the call sets it itself`,
				`headers: "proxy-x" must not be set: the call sets it itself`,
			},
		},
		"such a header, absent": {
			event: event("headers", `{"authorization":null}`),
			want:  []string{`headers: "authorization" must not be set: the call sets it itself`},
		},
		"the idempotency header": {
			event: event("headers", `{"idempotency-KEY":"x"}`),
			want:  []string{"headers.idempotency-KEY is the idempotency header, which every run sets itself"},
		},
		"a header twice": {
			event: event("headers", `{"x-a":"1","X-A":"2"}`),
			want:  []string{"headers.X-A is a duplicate (header names are matched without regard to case)"},
		},
		"no header names": {event: event("headers", `{"":"x","a b":"x","a:":"x","a\r\nb":"x","é":"x"}`), want: []string{
			`headers: "" is not a header name`, `headers: "a b" is not a header name`, `headers: "a:" is not a header name`,
			`headers: "a\r\nb" is not a header name`, `headers: "é" is not a header name`,
		}},
		"header values": {
			event: event("headers", `{"A":1,"B":"a\r\nX: y","C":"é","D":"\u0000","E":"\u007f","F":[]}`),
			want: []string{
				"headers.A must be a string, not a number", "headers.B must be printable ASCII",
				"headers.C must be printable ASCII",
				"headers.D must be printable ASCII", "headers.E must be printable ASCII", "headers.F must be a string, not a list",
			},
		},
		"placeholders": {
			event: event(
				"call", `"GET https://api.example.com/{{RunId}}?a={{scheduledtime}}"`, "headers", `{"A":"{{ runId }}"}`, "body",
				`{"{{key}}":["{{x}}",{"a":"{{runId}"}],"b":"{{}}"}`,
			),
			want: []string{
				"call: unknown placeholder {{RunId}}" + known, "call: unknown placeholder {{scheduledtime}}" + known,
				"headers.A: unknown placeholder {{ runId }}" + known,
				"body: unknown placeholder {{x}}" + known, "body: a {{ is not closed by }}" + known,
				"body: an unknown placeholder" + known,
			},
		},
		"a placeholder in a body of text": {
			event: event("body", `"{{date}}"`), want: []string{"body: unknown placeholder {{date}}" + known},
		},
		"times": {
			event: event("scheduledTime", `"2027-01-31"`),
			want:  []string{"scheduledTime must be an RFC 3339 time such as 2006-01-02T15:04:05Z"},
		},
		"many at once": {
			event: event(
				"job", "", "action", `"run"`, "timeout", `"1h"`, "attempts", "0", "expect", `{"status":[302]}`, "call",
				`"get http://user@127.0.0.1:0/#x"`, "x", "1",
			),
			want: []string{
				"job" + noName, `action must be call or check, not "run"`, "timeout must be from 1s to 840s",
				"attempts must be a whole number from 1 to 10",
				"call: the method must be 1 to 20 upper-case letters", "call: the URL must not contain a fragment",
				"call: the URL must begin with https://",
				"call: the URL must not contain user info: the token is the only credential",
				"call: an IP address is not allowed: write a host name",
				"expect.status must not contain a 3xx: redirects are not followed, so the call was not done",
				`unknown key "x" in the object; known are action, attempts, body, call, expect, headers, idempotent, job, maxAge,` +
					` reject, scheduleArn, scheduledTime, secret, secretKey, timeout, timezone, token`,
			},
		},
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			_, problems := parse(c.event)
			if diff := cmp.Diff(c.want, problems); diff != "" {
				t.Error(diff)
			}
		})
	}
}

func TestParseRejectsTimesThatAreNotRFC3339(t *testing.T) {
	t.Parallel()
	for _, text := range []string{
		"2027-01-31T9:00:00Z", "2027-01-31T09:00:00,5Z", "2027-01-31 09:00:00Z", "2027-01-31T09:00:00", "2027-01-31T09:00Z",
		"2027-02-30T09:00:00Z",
		"2027-01-31T24:00:00Z", "2027-01-31T09:00:00+24:00", "2027-01-31T09:00:00-23:60", "2027-01-31T9:00:00.5Z",
		"2027-01-31T09:00:00+0000", "1801386000", " 2027-01-31T09:00:00Z", "x<aws.scheduler.scheduled-time>",
	} {
		if j, problems := parse(event("scheduledTime", `"`+text+`"`)); len(problems) != 1 || !j.ScheduledTime.IsZero() {
			t.Errorf("%s: %v, %q", text, j.ScheduledTime, problems)
		}
	}
}

func TestManyProblemsAreCounted(t *testing.T) {
	t.Parallel()
	many := func(format string, n int) string {
		parts := make([]string, n)
		for i := range parts {
			parts[i] = strings.ReplaceAll(format, "#", strconv.Itoa(i))
		}
		return strings.Join(parts, ",")
	}
	for name, c := range map[string]struct{ event, first, last, rest string }{
		"unknown keys": {
			event: "{" + many(`"k#":1`, 20_000) + "," + event()[1:], first: `unknown key "k0"`, last: `unknown key "k19"`,
			rest: "; and 19,980 more",
		},
		"unknown keys after bad ones": {
			event: "{" + many(`"k#":1`, 20) + "," + event("attempts", "0")[1:], first: "attempts must", last: `"k18"`,
			rest: "; and 1 more",
		},
		"duplicate keys": {event: event("body", "{"+many(`"k":1`, 150_000)+
			"}"), first: `duplicate key "k"`, last: `"k"`, rest: "; and 149,979 more"},
		"bad placeholders": {event: event("body", "["+many(`"{{x#}}"`, 2000)+
			"]"), first: "{{x0}}", last: "{{x19}}", rest: "; and 1,980 more"},
		"bad statuses": {event: event("reject", `{"status":[`+many("#", 99)+
			"]}"), first: "reject.status", last: "reject.status", rest: "; and 79 more"},
		"a long header": {event: event("headers", `{"`+strings.Repeat("x", 200_000)+
			`":1}`), first: "headers.xxx", last: "…", rest: "must be a string, not a number"},
		"long everything": {
			event: event("job", `"`+strings.Repeat("j", 99_999)+`"`, "secretKey", `"/~`+strings.Repeat("k", 99_999)+
				`"`, "timezone", `"`+strings.Repeat("z", 99_999)+`"`, "action", `"`+strings.Repeat("a", 99_999)+`"`),
			first: "job", last: "aaa", rest: "Europe/London",
		},
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			_, err := job.Parse([]byte(c.event), job.Options{})
			if err == nil {
				t.Fatal("no error")
			}
			text := err.Error()
			if len(text) > 16<<10 || !strings.Contains(text, c.first) || !strings.Contains(text, c.last) ||
				!strings.Contains(text, c.rest) {
				t.Errorf("%d bytes: %.2000s", len(text), text)
			}
			if strings.HasSuffix(c.rest, "more") && (!strings.HasSuffix(text, c.rest) || strings.Count(text, "; ") > 60) {
				t.Errorf("it does not end in %q: %s", c.rest, text[max(0, len(text)-200):])
			}
		})
	}
}

// A run of a bad event is reported under the names that it has.
func TestParseKeepsTheNamesOfABadEvent(t *testing.T) {
	t.Parallel()
	for name, c := range map[string]struct{ event, job, token string }{
		"another key is bad":      {event: event("attempts", "99"), job: "J", token: "T"},
		"the job's name is bad":   {event: event("job", `"a b"`), job: "", token: "T"},
		"the token's name is bad": {event: event("token", `7`), job: "J", token: ""},
		"the job appears twice": {
			event: `{"job":"A","job":"B","token":"T","secret":"s","call":"GET https://a.example"}`, job: "", token: "T",
		},
		"the token appears twice": {
			event: `{"job":"A","token":"B","token":"C","secret":"s","call":"GET https://a.example"}`, job: "A", token: "",
		},
		"a job appears twice inside": {event: event("body", `{"job":1,"job":2}`), job: "J", token: "T"},
		"no JSON":                    {event: event() + ",", job: "", token: ""},
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			j, problems := parse(c.event)
			if len(problems) == 0 || j.Name != c.job || j.Token != c.token {
				t.Errorf("%q, %q: %q", j.Name, j.Token, problems)
			}
		})
	}
}

func TestParseLeavesTheIdempotencyHeaderToTheEventWhenItIsOff(t *testing.T) {
	t.Parallel()
	text := []byte(event("headers", `{"Idempotency-Key":"mine"}`))
	if _, err := job.Parse(text, job.Options{}); err != nil {
		t.Error(err)
	}
	if _, err := job.Parse(text, job.Options{IdempotencyHeader: "X-Request-Id"}); err != nil {
		t.Error(err)
	}
	if _, err := job.Parse(
		[]byte(event("headers", `{"x-request-id":"mine"}`)), job.Options{IdempotencyHeader: "X-Request-Id"},
	); err == nil {
		t.Error("an event may set the header of the settings")
	}
}

// Property: Parse never panics; what it takes is read as encoding/json reads it, is within the limits and makes a
// request that is the same each time; what it rejects has a reason, which shows no header's value, body or query, and
// no value out of range.
func FuzzParse(fuzz *testing.F) {
	const canary = "canary-3f9a7c51e2d84b60"
	f := mutate.New(fuzz)
	f.Add([]byte(event("headers", `{"X-Key":"`+canary+`","Y":"\n"}`, "body", `{"key":"`+canary+`","k":["`+canary+`"]}`,
		"call", "POST https://api.example.com/x?key="+canary)))
	f.Add([]byte(full))
	f.Add(
		[]byte(
			event(
				"body", `["{{runId}}",1e5,null]`, "headers", `{"x":"{{scheduledTime}}"}`, "scheduledTime",
				`"2027-01-31T09:00:00Z"`,
			),
		),
	)
	f.Add(
		[]byte(
			event("expect", `{"status":["2xx",404],"json":{"/a~1":0}}`, "reject", `{"status":[301]}`, "timeout", `"1.5m"`),
		),
	)
	f.Add([]byte(event("action", `"check"`, "call", "", "body", `"text"`)))
	f.Add([]byte(`{"job":1,"job":2}`))
	f.Fuzz(func(t *testing.T, data []byte) {
		j, err := job.Parse(data, job.Options{IdempotencyHeader: idempotencyHeader})
		if err != nil {
			if invalid, ok := errors.AsType[*job.InvalidError](err); !ok || len(invalid.Problems) == 0 {
				t.Fatalf("%#v", err)
			}
			if strings.Contains(err.Error(), canary) && !namesHave(data, canary) {
				t.Fatalf("%s: %v", data, err)
			}
		} else if want := byEncodingJSON(data); want != nil && (j.Name != want["job"] || j.Token != want["token"] ||
			j.Secret != want["secret"]) {
			t.Fatalf("%s: %+v", data, look(j))
		} else if j.Name == "" || j.Token == "" || j.Secret == "" {
			t.Fatalf("%+v", look(j))
		}
		if j.Action == "" {
			return // not even an object
		}
		if j.Timeout < job.MinTimeout || j.Timeout > job.MaxTimeout || j.Attempts < 1 || j.Attempts > job.MaxAttempts ||
			j.MaxAge < 0 || len(j.Expect.Status) == 0 {
			t.Fatalf("%+v", look(j))
		}
		for _, r := range slices.Concat(j.Expect.Status, j.Reject.Status) {
			if r.Low < 100 || r.High > 599 || r.Low > r.High {
				t.Fatalf("%+v", r)
			}
		}
		if err != nil || j.Method == "" {
			return
		}
		start := time.Date(2027, 1, 31, 9, 0, 0, 0, time.UTC)
		first, err := j.Request("id", start, idempotencyHeader)
		if err != nil {
			t.Fatal(err)
		}
		second, _ := j.Request("id", start, idempotencyHeader)
		if diff := cmp.Diff(first, second); diff != "" {
			t.Fatal(diff)
		}
		for name, values := range first.Header {
			if request.CheckHeaderName(name) != nil || len(values) != 1 || !request.ValidHeaderValue(values[0]) {
				t.Fatalf("%q: %q", name, values)
			}
		}
	})
}

// byEncodingJSON returns the members of an event.
func byEncodingJSON(data []byte) map[string]any {
	var object map[string]any
	if json.Unmarshal(data, &object) != nil {
		return nil
	}
	return object
}

// namesHave reports whether a text is in what an error may show: names of members, jobs, tokens and secrets, and values
// of keys that have few.
func namesHave(data []byte, text string) bool {
	var object map[string]json.RawMessage
	if json.Unmarshal(data, &object) != nil {
		return false
	}
	for name, value := range object {
		if strings.Contains(name, text) ||
			!slices.Contains([]string{"headers", "body", "call"}, name) && strings.Contains(string(value), text) {
			return true
		}
	}
	return false
}

func BenchmarkParse(b *testing.B) {
	for name, text := range map[string]string{"smallest": event(), "full": full} {
		b.Run(name, func(b *testing.B) {
			b.ReportAllocs()
			for b.Loop() {
				if _, err := job.Parse([]byte(text), job.Options{IdempotencyHeader: idempotencyHeader}); err != nil {
					b.Fatal(err)
				}
			}
		})
	}
}
