package request_test

import (
	"testing"

	"github.com/cronbearer/cronbearer/internal/jsondoc"
	"github.com/cronbearer/cronbearer/internal/request"
)

// parse returns the rules of an object that has expect or reject.
func parse(text string) (request.Rules, jsondoc.Problems) {
	var problems jsondoc.Problems
	object, _, err := jsondoc.Parse([]byte(text))
	if err != nil {
		problems.Addf("%s", err)
		return request.Rules{}, problems
	}
	f := jsondoc.NewFields(object, "", false, &problems)
	rules := request.ParseRules(f, "", false, &problems)
	f.Done()
	return rules, problems
}

func mustParse(t *testing.T, text string) request.Rules {
	t.Helper()
	rules, problems := parse(text)
	if len(problems) > 0 {
		t.Fatal(problems)
	}
	return rules
}

func TestUnmet(t *testing.T) {
	t.Parallel()
	const (
		status      = "expect.status does not allow that"
		contentType = "the content type does not match expect.contentType"
		notJSON     = "the body is not JSON, as expect.json requires"
	)
	for name, c := range map[string]struct {
		expect            string
		status            int
		contentType, body string
		want              string
	}{
		"200 by default": {expect: "{}", status: 200, contentType: "", body: "", want: ""},
		"299 by default": {expect: "{}", status: 299, contentType: "", body: "", want: ""},
		"199 by default": {expect: "{}", status: 199, contentType: "", body: "", want: status},
		"302 by default": {expect: "{}", status: 302, contentType: "", body: "", want: status},
		"404 by default": {expect: "{}", status: 404, contentType: "", body: "", want: status},
		"a status replaces the default": {
			expect: `{"status":[404]}`, status: 200, contentType: "", body: "", want: status,
		},
		"one of several": {
			expect: `{"status":["4xx",204]}`, status: 204, contentType: "", body: "", want: "",
		},
		"of a class": {
			expect: `{"status":["4xx",204]}`, status: 499, contentType: "", body: "", want: "",
		},
		"next to the class": {
			expect: `{"status":["4xx",204]}`, status: 500, contentType: "", body: "", want: status,
		},
		"a media type": {
			expect: `{"contentType":"application/json"}`, status: 200, contentType: "application/json", body: "", want: "",
		},
		"with parameters, in another case": {
			expect: `{"contentType":"application/json"}`, status: 200, contentType: "Application/JSON; charset=UTF-8",
			body: "", want: "",
		},
		"another media type": {
			expect: `{"contentType":"application/json"}`, status: 200, contentType: "text/html", body: "", want: contentType,
		},
		"a longer media type": {
			expect: `{"contentType":"application/json"}`, status: 200, contentType: "application/json+x", body: "",
			want: contentType,
		},
		"no media type": {
			expect: `{"contentType":"application/json"}`, status: 200, contentType: "", body: "", want: contentType,
		},
		"a wanted parameter": {
			expect: `{"contentType":"text/plain; charset=utf-8"}`, status: 200,
			contentType: `text/plain; Charset="UTF-8"; x=y`, body: "", want: "",
		},
		"a missing parameter": {
			expect: `{"contentType":"text/plain; charset=utf-8"}`, status: 200, contentType: "text/plain", body: "",
			want: contentType,
		},
		"another parameter": {
			expect: `{"contentType":"text/plain; charset=utf-8"}`, status: 200, contentType: "text/plain; charset=ascii",
			body: "", want: contentType,
		},
		"a broken parameter": {
			expect: `{"contentType":"text/plain"}`, status: 200, contentType: "text/plain; =", body: "", want: "",
		},
		"JSON": {
			expect: `{"json":{"/ok":true}}`, status: 200, contentType: "", body: `{"ok":true,"x":1}`, want: "",
		},
		"JSON by value": {
			expect: `{"json":{"/n":1,"/o/b/0":10}}`, status: 200, contentType: "", body: `{"n":1.0,"o":{"a":null,"b":[1e1]}}`,
			want: "",
		},
		"JSON, one of a list": {
			expect: `{"json":{"/state":["queued","done"]}}`, status: 200, contentType: "", body: `{"state":"done"}`, want: "",
		},
		"JSON, none of a list": {
			expect: `{"json":{"/state":["queued","done"]}}`, status: 200, contentType: "", body: `{"state":"lost"}`,
			want: `the body at "/state" does not match expect.json`,
		},
		"JSON of any element": {
			expect: `{"json":{"/jobs/*/ok":true}}`, status: 200, contentType: "", body: `{"jobs":[{"ok":false},{"ok":true}]}`,
			want: "",
		},
		"JSON of no element": {
			expect: `{"json":{"/jobs/*/ok":true}}`, status: 200, contentType: "", body: `{"jobs":[]}`,
			want: `the body at "/jobs/*/ok" does not match expect.json`,
		},
		"JSON of a large id": {
			expect: `{"json":{"/id":12345678901234567890}}`, status: 200, contentType: "", body: `{"id":12345678901234567891}`,
			want: `the body at "/id" does not match expect.json`,
		},
		"JSON as text": {
			expect: `{"json":{"/ok":true}}`, status: 200, contentType: "", body: `{"ok":"true"}`, want: "",
		},
		"other JSON": {
			expect: `{"json":{"/ok":true}}`, status: 200, contentType: "", body: `{"ok":"TRUE"}`,
			want: `the body at "/ok" does not match expect.json`,
		},
		"JSON without it": {
			expect: `{"json":{"/ok":true}}`, status: 200, contentType: "", body: `{}`,
			want: `the body at "/ok" does not match expect.json`,
		},
		"null is not nothing": {
			expect: `{"json":{"/ok":null}}`, status: 200, contentType: "", body: `{}`,
			want: `the body at "/ok" does not match expect.json`,
		},
		"null is null": {
			expect: `{"json":{"/ok":null}}`, status: 200, contentType: "", body: `{"ok":null}`, want: "",
		},
		"an escaped pointer": {
			expect: `{"json":{"/a~1b/0/~0":"x"}}`, status: 200, contentType: "", body: `{"a/b":[{"~":"x"}]}`, want: "",
		},
		"the whole body": {
			expect: `{"json":{"":"pong"}}`, status: 200, contentType: "", body: `"pong"`, want: "",
		},
		"no JSON": {
			expect: `{"json":{"/ok":true}}`, status: 200, contentType: "", body: "", want: notJSON,
		},
		"all parts must hold: the status": {
			expect: `{"status":[201],"contentType":"a/b","json":{"/ok":true}}`, status: 200, contentType: "a/b",
			body: `{"ok":true}`, want: status,
		},
		"all parts must hold: the type": {
			expect: `{"status":[201],"contentType":"a/b","json":{"/ok":true}}`, status: 201, contentType: "a/c",
			body: `{"ok":true}`, want: contentType,
		},
		"all parts must hold: the body": {
			expect: `{"status":[201],"contentType":"a/b","json":{"/ok":true,"/x":1}}`, status: 201, contentType: "a/b",
			body: `{"ok":true,"x":2}`, want: `the body at "/x" does not match expect.json`,
		},
		"all parts hold": {
			expect: `{"status":[201],"contentType":"a/b","json":{"/ok":true,"/x":1}}`, status: 201, contentType: "a/b",
			body: `{"ok":true,"x":1}`, want: "",
		},
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			rules := mustParse(t, `{"expect":`+c.expect+`}`)
			if got := rules.Unmet(c.status, c.contentType, parseBody(c.body)); got != c.want {
				t.Errorf("%q, want %q", got, c.want)
			}
		})
	}
}

func parseBody(text string) jsondoc.Document {
	d, _ := jsondoc.Check([]byte(text))
	return d
}

func TestRejects(t *testing.T) {
	t.Parallel()
	for name, c := range map[string]struct {
		reject           string
		status           int
		body             string
		byStatus, byBody bool
	}{
		"401 is not a rule of the user's": {reject: "{}", status: 401, body: "", byStatus: false, byBody: false},
		"401 by rule":                     {reject: `{"status":[401]}`, status: 401, body: "", byStatus: true, byBody: false},
		"429 by no rule": {
			reject: `{"status":["4xx",429,"429"]}`, status: 429, body: "", byStatus: false, byBody: false,
		},
		"403 as text": {reject: `{"status":["403"]}`, status: 403, body: "", byStatus: true, byBody: false},
		"403 by default": {
			reject: "{}", status: 403, body: `{"error":"token_expired"}`, byStatus: false, byBody: false,
		},
		"403 by rule":       {reject: `{"status":[403]}`, status: 403, body: "", byStatus: true, byBody: false},
		"a class":           {reject: `{"status":["3xx"]}`, status: 302, body: "", byStatus: true, byBody: false},
		"next to the class": {reject: `{"status":["3xx"]}`, status: 200, body: "", byStatus: false, byBody: false},
		"a body, whatever the status": {
			reject: `{"status":[403],"json":{"/error":"token_expired"}}`, status: 200, body: `{"error":"token_expired"}`,
			byStatus: false, byBody: true,
		},
		"one of several pointers": {
			reject: `{"json":{"/error":"token_expired","/code":401}}`, status: 200, body: `{"code":401.0}`, byStatus: false,
			byBody: true,
		},
		"one of a list of values": {
			reject: `{"json":{"/error":["invalid_auth","token_revoked","token_expired"]}}`, status: 200,
			body: `{"ok":false,"error":"token_revoked"}`, byStatus: false, byBody: true,
		},
		"none of a list of values": {
			reject: `{"json":{"/error":["invalid_auth","token_revoked"]}}`, status: 200, body: `{"error":"ratelimited"}`,
			byStatus: false, byBody: false,
		},
		"any element of a list": {
			reject: `{"json":{"/errors/*/code":"UNAUTHENTICATED"}}`, status: 200,
			body: `{"errors":[{"code":"X"},{"code":"UNAUTHENTICATED"}]}`, byStatus: false, byBody: true,
		},
		"any member of an object": {
			reject: `{"json":{"/errors/*/code":"X"}}`, status: 200, body: `{"errors":{"a":{"code":"Y"},"b":{"code":"X"}}}`,
			byStatus: false, byBody: true,
		},
		"any of nothing": {
			reject: `{"json":{"/errors/*":null,"/a/*/*":null}}`, status: 200, body: `{"errors":[],"a":[1,"x",{}]}`,
			byStatus: false, byBody: false,
		},
		"a number as text": {
			reject: `{"json":{"/code":40001}}`, status: 200, body: `{"code":"40001"}`, byStatus: false, byBody: true,
		},
		"text of a number": {
			reject: `{"json":{"/code":"40001"}}`, status: 200, body: `{"code":40001}`, byStatus: false, byBody: true,
		},
		"a number as other text": {
			reject: `{"json":{"/code":40001}}`, status: 200, body: `{"code":"40001.0"}`, byStatus: false, byBody: false,
		},
		"a number by value": {
			reject: `{"json":{"/code":40001}}`, status: 200, body: `{"code":4.0001e4}`, byStatus: false, byBody: true,
		},
		"true as text": {
			reject: `{"json":{"/expired":"true"}}`, status: 200, body: `{"expired":true}`, byStatus: false, byBody: true,
		},
		"null is not text": {
			reject: `{"json":{"/a":"null","/b":null,"/c":""}}`, status: 200, body: `{"a":null,"b":"null","c":null}`,
			byStatus: false, byBody: false,
		},
		"an object is not a scalar": {
			reject: `{"json":{"/a":["","{}",0,false,null]}}`, status: 200, body: `{"a":{}}`, byStatus: false, byBody: false,
		},
		"another body": {
			reject: `{"json":{"/error":"token_expired"}}`, status: 200, body: `{"error":"other"}`, byStatus: false,
			byBody: false,
		},
		"null is not nothing": {
			reject: `{"json":{"/user":null}}`, status: 200, body: `{}`, byStatus: false, byBody: false,
		},
		"null": {
			reject: `{"json":{"/user":null}}`, status: 200, body: `{"user":null}`, byStatus: false, byBody: true,
		},
		"no JSON": {
			reject: `{"json":{"":null}}`, status: 200, body: `<html>`, byStatus: false, byBody: false,
		},
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			rules := mustParse(t, `{"reject":`+c.reject+`}`)
			if got := rules.RejectsStatus(c.status); got != c.byStatus {
				t.Errorf("RejectsStatus = %t", got)
			}
			if got := rules.RejectsBody(parseBody(c.body)); got != c.byBody {
				t.Errorf("RejectsBody = %t", got)
			}
		})
	}
}

func TestNeedsBody(t *testing.T) {
	t.Parallel()
	for name, c := range map[string]struct {
		key, value string
		want       bool
	}{
		"statuses and types": {key: "expect", value: `{"status":[200],"contentType":"a/b","json":{}}`, want: false},
		"expect.json":        {key: "expect", value: `{"json":{"":1}}`, want: true},
		"reject.json":        {key: "reject", value: `{"json":{"/a":null}}`, want: true},
		"reject.status":      {key: "reject", value: `{"status":[403]}`, want: false},
	} {
		if got := mustParse(t, `{"`+c.key+`":`+c.value+`}`).NeedsBody(); got != c.want {
			t.Errorf("%s: %t", name, got)
		}
	}
}
