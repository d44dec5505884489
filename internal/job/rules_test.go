package job_test

import (
	"testing"

	"github.com/cronbearer/cronbearer/internal/jsondoc"
)

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
		"JSON by value":                    {`{"json":{"/n":1,"/o":{"b":[1],"a":null}}}`, 200, "", `{"n":1.0,"o":{"a":null,"b":[1e0]}}`, ""},
		"JSON of a large id":               {`{"json":{"/id":12345678901234567890}}`, 200, "", `{"id":12345678901234567891}`, `the body at "/id" is not what expect.json wants`},
		"other JSON":                       {`{"json":{"/ok":true}}`, 200, "", `{"ok":"true"}`, `the body at "/ok" is not what expect.json wants`},
		"JSON without it":                  {`{"json":{"/ok":true}}`, 200, "", `{}`, `the body at "/ok" is not what expect.json wants`},
		"null is not nothing":              {`{"json":{"/ok":null}}`, 200, "", `{}`, `the body at "/ok" is not what expect.json wants`},
		"null is null":                     {`{"json":{"/ok":null}}`, 200, "", `{"ok":null}`, ""},
		"an escaped pointer":               {`{"json":{"/a~1b/0/~0":"x"}}`, 200, "", `{"a/b":[{"~":"x"}]}`, ""},
		"the whole body":                   {`{"json":{"":[]}}`, 200, "", `[]`, ""},
		"no JSON":                          {`{"json":{"/ok":true}}`, 200, "", "", notJSON},
		"all parts must hold: the status":  {`{"status":[201],"contentType":"a/b","json":{"/ok":true}}`, 200, "a/b", `{"ok":true}`, status},
		"all parts must hold: the type":    {`{"status":[201],"contentType":"a/b","json":{"/ok":true}}`, 201, "a/c", `{"ok":true}`, contentType},
		"all parts must hold: the body":    {`{"status":[201],"contentType":"a/b","json":{"/ok":true,"/x":1}}`, 201, "a/b", `{"ok":true,"x":2}`, `the body at "/x" is not what expect.json wants`},
		"all parts hold":                   {`{"status":[201],"contentType":"a/b","json":{"/ok":true,"/x":1}}`, 201, "a/b", `{"ok":true,"x":1}`, ""},
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			j := mustParse(t, event("expect", c.expect))
			if got := j.Unmet(c.status, c.contentType, parseBody(c.body)); got != c.want {
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
		"401 always":                  {"{}", 401, "", true, false},
		"401 beside others":           {`{"status":[403]}`, 401, "", true, false},
		"403 by default":              {"{}", 403, `{"error":"token_expired"}`, false, false},
		"403 by rule":                 {`{"status":[403]}`, 403, "", true, false},
		"a class":                     {`{"status":["3xx"]}`, 302, "", true, false},
		"beside the class":            {`{"status":["3xx"]}`, 200, "", false, false},
		"a body, whatever the status": {`{"status":[403],"json":{"/error":"token_expired"}}`, 200, `{"error":"token_expired"}`, false, true},
		"one of several pointers":     {`{"json":{"/error":"token_expired","/code":401}}`, 200, `{"code":401.0}`, false, true},
		"another body":                {`{"json":{"/error":"token_expired"}}`, 200, `{"error":"other"}`, false, false},
		"null is not nothing":         {`{"json":{"/user":null}}`, 200, `{}`, false, false},
		"null":                        {`{"json":{"/user":null}}`, 200, `{"user":null}`, false, true},
		"no JSON":                     {`{"json":{"":null}}`, 200, `<html>`, false, false},
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			j := mustParse(t, event("reject", c.reject))
			if got := j.RejectsStatus(c.status); got != c.byStatus {
				t.Errorf("RejectsStatus = %t", got)
			}
			if got := j.RejectsBody(parseBody(c.body)); got != c.byBody {
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
		if got := mustParse(t, event(c.key, c.value)).NeedsBody(); got != c.want {
			t.Errorf("%s: %t", name, got)
		}
	}
}
