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
		contentType = "the content type is not what expect.contentType wants"
		notJSON     = "the body is not JSON, as expect.json wants"
	)
	for name, c := range map[string]struct {
		expect            string
		status            int
		contentType, body string
		want              string
	}{
		"200 by default":                   {"{}", 200, "", "", ""},
		"299 by default":                   {"{}", 299, "", "", ""},
		"199 by default":                   {"{}", 199, "", "", status},
		"302 by default":                   {"{}", 302, "", "", status},
		"404 by default":                   {"{}", 404, "", "", status},
		"a status replaces the default":    {`{"status":[404]}`, 200, "", "", status},
		"one of several":                   {`{"status":["4xx",204]}`, 204, "", "", ""},
		"of a class":                       {`{"status":["4xx",204]}`, 499, "", "", ""},
		"beside the class":                 {`{"status":["4xx",204]}`, 500, "", "", status},
		"a media type":                     {`{"contentType":"application/json"}`, 200, "application/json", "", ""},
		"with parameters, in another case": {`{"contentType":"application/json"}`, 200, "Application/JSON; charset=UTF-8", "", ""},
		"another media type":               {`{"contentType":"application/json"}`, 200, "text/html", "", contentType},
		"a longer media type":              {`{"contentType":"application/json"}`, 200, "application/json+x", "", contentType},
		"no media type":                    {`{"contentType":"application/json"}`, 200, "", "", contentType},
		"a wanted parameter":               {`{"contentType":"text/plain; charset=utf-8"}`, 200, `text/plain; Charset="UTF-8"; x=y`, "", ""},
		"a missing parameter":              {`{"contentType":"text/plain; charset=utf-8"}`, 200, "text/plain", "", contentType},
		"another parameter":                {`{"contentType":"text/plain; charset=utf-8"}`, 200, "text/plain; charset=ascii", "", contentType},
		"a broken parameter":               {`{"contentType":"text/plain"}`, 200, "text/plain; =", "", ""},
		"JSON":                             {`{"json":{"/ok":true}}`, 200, "", `{"ok":true,"x":1}`, ""},
		"JSON by value":                    {`{"json":{"/n":1,"/o/b/0":10}}`, 200, "", `{"n":1.0,"o":{"a":null,"b":[1e1]}}`, ""},
		"JSON, one of a list":              {`{"json":{"/state":["queued","done"]}}`, 200, "", `{"state":"done"}`, ""},
		"JSON, none of a list":             {`{"json":{"/state":["queued","done"]}}`, 200, "", `{"state":"lost"}`, `the body at "/state" is not what expect.json wants`},
		"JSON of any element":              {`{"json":{"/jobs/*/ok":true}}`, 200, "", `{"jobs":[{"ok":false},{"ok":true}]}`, ""},
		"JSON of no element":               {`{"json":{"/jobs/*/ok":true}}`, 200, "", `{"jobs":[]}`, `the body at "/jobs/*/ok" is not what expect.json wants`},
		"JSON of a large id":               {`{"json":{"/id":12345678901234567890}}`, 200, "", `{"id":12345678901234567891}`, `the body at "/id" is not what expect.json wants`},
		"JSON as text":                     {`{"json":{"/ok":true}}`, 200, "", `{"ok":"true"}`, ""},
		"other JSON":                       {`{"json":{"/ok":true}}`, 200, "", `{"ok":"TRUE"}`, `the body at "/ok" is not what expect.json wants`},
		"JSON without it":                  {`{"json":{"/ok":true}}`, 200, "", `{}`, `the body at "/ok" is not what expect.json wants`},
		"null is not nothing":              {`{"json":{"/ok":null}}`, 200, "", `{}`, `the body at "/ok" is not what expect.json wants`},
		"null is null":                     {`{"json":{"/ok":null}}`, 200, "", `{"ok":null}`, ""},
		"an escaped pointer":               {`{"json":{"/a~1b/0/~0":"x"}}`, 200, "", `{"a/b":[{"~":"x"}]}`, ""},
		"the whole body":                   {`{"json":{"":"pong"}}`, 200, "", `"pong"`, ""},
		"no JSON":                          {`{"json":{"/ok":true}}`, 200, "", "", notJSON},
		"all parts must hold: the status":  {`{"status":[201],"contentType":"a/b","json":{"/ok":true}}`, 200, "a/b", `{"ok":true}`, status},
		"all parts must hold: the type":    {`{"status":[201],"contentType":"a/b","json":{"/ok":true}}`, 201, "a/c", `{"ok":true}`, contentType},
		"all parts must hold: the body":    {`{"status":[201],"contentType":"a/b","json":{"/ok":true,"/x":1}}`, 201, "a/b", `{"ok":true,"x":2}`, `the body at "/x" is not what expect.json wants`},
		"all parts hold":                   {`{"status":[201],"contentType":"a/b","json":{"/ok":true,"/x":1}}`, 201, "a/b", `{"ok":true,"x":1}`, ""},
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
		"401 is no rule of the user's": {"{}", 401, "", false, false},
		"401 by rule":                  {`{"status":[401]}`, 401, "", true, false},
		"429 by no rule":               {`{"status":["4xx",429,"429"]}`, 429, "", false, false},
		"403 as text":                  {`{"status":["403"]}`, 403, "", true, false},
		"403 by default":               {"{}", 403, `{"error":"token_expired"}`, false, false},
		"403 by rule":                  {`{"status":[403]}`, 403, "", true, false},
		"a class":                      {`{"status":["3xx"]}`, 302, "", true, false},
		"beside the class":             {`{"status":["3xx"]}`, 200, "", false, false},
		"a body, whatever the status":  {`{"status":[403],"json":{"/error":"token_expired"}}`, 200, `{"error":"token_expired"}`, false, true},
		"one of several pointers":      {`{"json":{"/error":"token_expired","/code":401}}`, 200, `{"code":401.0}`, false, true},
		"one of a list of values": {
			`{"json":{"/error":["invalid_auth","token_revoked","token_expired"]}}`, 200, `{"ok":false,"error":"token_revoked"}`, false, true,
		},
		"none of a list of values": {`{"json":{"/error":["invalid_auth","token_revoked"]}}`, 200, `{"error":"ratelimited"}`, false, false},
		"any element of a list":    {`{"json":{"/errors/*/code":"UNAUTHENTICATED"}}`, 200, `{"errors":[{"code":"X"},{"code":"UNAUTHENTICATED"}]}`, false, true},
		"any member of an object":  {`{"json":{"/errors/*/code":"X"}}`, 200, `{"errors":{"a":{"code":"Y"},"b":{"code":"X"}}}`, false, true},
		"any of nothing":           {`{"json":{"/errors/*":null,"/a/*/*":null}}`, 200, `{"errors":[],"a":[1,"x",{}]}`, false, false},
		"a number as text":         {`{"json":{"/code":40001}}`, 200, `{"code":"40001"}`, false, true},
		"text of a number":         {`{"json":{"/code":"40001"}}`, 200, `{"code":40001}`, false, true},
		"a number as other text":   {`{"json":{"/code":40001}}`, 200, `{"code":"40001.0"}`, false, false},
		"a number by value":        {`{"json":{"/code":40001}}`, 200, `{"code":4.0001e4}`, false, true},
		"true as text":             {`{"json":{"/expired":"true"}}`, 200, `{"expired":true}`, false, true},
		"null is no text":          {`{"json":{"/a":"null","/b":null,"/c":""}}`, 200, `{"a":null,"b":"null","c":null}`, false, false},
		"an object is no scalar":   {`{"json":{"/a":["","{}",0,false,null]}}`, 200, `{"a":{}}`, false, false},
		"another body":             {`{"json":{"/error":"token_expired"}}`, 200, `{"error":"other"}`, false, false},
		"null is not nothing":      {`{"json":{"/user":null}}`, 200, `{}`, false, false},
		"null":                     {`{"json":{"/user":null}}`, 200, `{"user":null}`, false, true},
		"no JSON":                  {`{"json":{"":null}}`, 200, `<html>`, false, false},
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
		"statuses and types": {"expect", `{"status":[200],"contentType":"a/b","json":{}}`, false},
		"expect.json":        {"expect", `{"json":{"":1}}`, true},
		"reject.json":        {"reject", `{"json":{"/a":null}}`, true},
		"reject.status":      {"reject", `{"status":[403]}`, false},
	} {
		if got := mustParse(t, `{"`+c.key+`":`+c.value+`}`).NeedsBody(); got != c.want {
			t.Errorf("%s: %t", name, got)
		}
	}
}
