package docs_test

import (
	"bytes"
	"encoding/json"
	"os"
	"path/filepath"
	"strings"
	"testing"

	"github.com/santhosh-tekuri/jsonschema/v6"

	"github.com/cronbearer/cronbearer/internal/dev/mutate"
	"github.com/cronbearer/cronbearer/internal/job"
)

// eventSchema is docs/schema/event.json, compiled by a library that others wrote.
func eventSchema(t testing.TB) *jsonschema.Schema {
	t.Helper()
	schema, err := jsonschema.NewCompiler().Compile(filepath.Join("schema", "event.json"))
	if err != nil {
		t.Fatal(err)
	}
	return schema
}

// check reports what the schema says of an event; valid is false for what is no JSON to it.
func check( //nolint:revive // the error is the answer
	schema *jsonschema.Schema, text []byte,
) (problem error, valid bool) {
	value, err := jsonschema.UnmarshalJSON(bytes.NewReader(text))
	if err != nil {
		return err, false
	}
	return schema.Validate(value), true
}

const smallestEvent = `{"job":"J","token":"T","secret":"s","call":"GET https://a.example/"}`

// with is the smallest event with one more member.
func with(member string) string { return smallestEvent[:len(smallestEvent)-1] + "," + member + "}" }

func seeds(t testing.TB) []string {
	t.Helper()
	list := []string{
		smallestEvent,
		`{"job":"DailyReport","action":"call","token":"ExampleApi","secret":"example-api","secretKey":"",
			"call":"POST https://api.example.com/v1/reports?for={{scheduledDate}}",
			"headers":{"Accept":"application/json"},"body":{"kind":"daily"},"timeout":"30s","attempts":3,"idempotent":false,
			"maxAge":"1h",
			"expect":{"status":["2xx"],"contentType":"application/json","json":{"/ok":true}},
			"reject":{"status":[403],"json":{"/error":["token_expired","token_revoked"]}},
			"timezone":"Europe/London",
			"scheduleArn":"<aws.scheduler.schedule-arn>","scheduledTime":"<aws.scheduler.scheduled-time>"}`,
		`{"job":"J","token":"T","secret":"arn:aws:secretsmanager:eu-west-1:123456789012:secret:a-AbCdEf","action":"check",` +
			`"call":null}`,
		with(`"attempts":10.0`), with(`"attempts":"<aws.scheduler.attempt-number>"`), with(`"headers":"<aws.scheduler.x>"`),
		with(`"expect":{"status":null,"json":"<aws.scheduler.x>"}`),
		with(`"timeout":"1h2m3.5s"`), with(`"timeout":".5m"`), with(`"maxAge":"+1µs"`), with(`"secretKey":"/a~1b/0"`),
		with(`"secretKey":"a/b~"`), with(`"body":"<aws.scheduler.x>"`),
		with(`"reject":{"status":["3xx","403",404],"json":{"":null,"/*/a":[1,"x",null,true]}}`),
		with(`"scheduledTime":"2027-01-31T09:00:00.5+05:30"`), with(`"timezone":"Etc/GMT+5"`),
	}
	files, err := filepath.Glob(filepath.Join("..", "events", "*.json"))
	if err != nil || len(files) == 0 {
		t.Fatalf("events: %v", err)
	}
	for _, file := range files {
		text, err := os.ReadFile(file)
		if err != nil {
			t.Fatal(err)
		}
		list = append(list, string(text))
	}
	return list
}

// TestEditorsFindTheSchemas: the workspace's settings name files that exist, each event of the project is one that the
// schema is for, and what the commands of errors and of the README write is never committed.
func TestEditorsFindTheSchemas(t *testing.T) {
	t.Parallel()
	text, err := os.ReadFile(filepath.Join("..", ".vscode", "settings.json"))
	if err != nil {
		t.Fatal(err)
	}
	var settings struct {
		Schemas []struct {
			FileMatch []string
			URL       string
		} `json:"json.schemas"`
	}
	if err := json.Unmarshal(text, &settings); err != nil {
		t.Fatal(err)
	}
	schemas := map[string]string{}
	for _, s := range settings.Schemas {
		if _, err := jsonschema.NewCompiler().Compile(filepath.Join("..", s.URL)); err != nil {
			t.Error(err)
		}
		for _, pattern := range s.FileMatch {
			schemas[pattern] = s.URL
		}
	}
	if schemas["/events/*.json"] != "./docs/schema/event.json" || schemas["/secret.json"] != "./docs/schema/secret.json" {
		t.Errorf("schemas: %v", schemas)
	}
	ignored, err := os.ReadFile(filepath.Join("..", ".gitignore"))
	if err != nil {
		t.Fatal(err)
	}
	for _, name := range []string{"/token", "/token.txt", "/secret.json", "/secret.txt", "/event.json"} {
		if !strings.Contains(string(ignored), "\n"+name+"\n") {
			t.Errorf("%s could be committed", name)
		}
	}
	files, err := filepath.Glob(filepath.Join("..", "events", "*.json"))
	if err != nil || len(files) == 0 {
		t.Fatalf("events: %v", err)
	}
	for _, file := range files {
		event, err := os.ReadFile(file)
		if err != nil {
			t.Fatal(err)
		}
		wantProblem := strings.Contains(file, "invalid-job")
		if problem, _ := check(eventSchema(t), event); (problem != nil) != wantProblem {
			t.Errorf("%s: %v", file, problem)
		}
	}
}

// TestEventSchemaAndParserAgree: what a user would get wrong is rejected by both, and every event of the project that
// the parser accepts is accepted.
func TestEventSchemaAndParserAgree(t *testing.T) {
	t.Parallel()
	schema := eventSchema(t)
	for _, text := range seeds(t) {
		_, err := job.Parse([]byte(text), job.Options{})
		if problem, _ := check(schema, []byte(text)); problem != nil && err == nil {
			t.Errorf("the parser accepts %s: %v", text, problem)
		}
	}
	for name, text := range map[string]string{
		"no job":  `{"token":"T","secret":"s","call":"GET https://a.example"}`,
		"no call": `{"job":"J","token":"T","secret":"s"}`, "an empty call": `{"job":"J","token":"T","secret":"s","call":""}`,
		"a list": "[]", "an unknown key": with(`"retries":1`), "a key in another case": with(`"Timeout":"30s"`),
		"a name":         strings.Replace(smallestEvent, `"J"`, `"a b"`, 1),
		"a secret":       strings.Replace(smallestEvent, `"s"`, `"a b"`, 1),
		"http":           strings.Replace(smallestEvent, "https", "http", 1),
		"no method":      strings.Replace(smallestEvent, "GET ", "", 1),
		"a small method": strings.Replace(smallestEvent, "GET", "get", 1),
		"a fragment":     strings.Replace(smallestEvent, "example/", "example/#x", 1), "an action": with(`"action":"test"`),
		"headers": with(`"headers":{"a b":"x"}`), "a header's value": with(`"headers":{"A":1}`),
		"control bytes": with(`"headers":{"A":"x\ny"}`), "a time-out without a unit": with(`"timeout":"30"`),
		"a time-out that is a number": with(`"timeout":30`), "no attempts": with(`"attempts":0`),
		"half an attempt": with(`"attempts":1.5`), "attempts as text": with(`"attempts":"3"`),
		"idempotent as text": with(`"idempotent":"true"`), "a redirect": with(`"expect":{"status":[302]}`),
		"redirects": with(`"expect":{"status":["3xx"]}`), "a status": with(`"reject":{"status":[600]}`),
		"a status as text": with(`"reject":{"status":["4x"]}`), "a content type": with(`"expect":{"contentType":"json"}`),
		"any content type": with(`"expect":{"contentType":"text/*"}`),
		"a pointer":        with(`"reject":{"json":{"error":1}}`), "an object": with(`"reject":{"json":{"/a":{}}}`),
		"an empty list": with(`"reject":{"json":{"/a":[]}}`), "a nested list": with(`"expect":{"json":{"/a":[[1]]}}`),
		"a secret's pointer": with(`"secretKey":"/a~2"`), "a time": with(`"scheduledTime":"2027-01-31"`),
		"a zone": with(`"timezone":"Europe London"`), "inside": with(`"reject":{"contentType":"a/b"}`),
	} {
		_, err := job.Parse([]byte(text), job.Options{})
		if problem, _ := check(schema, []byte(text)); problem == nil || err == nil {
			t.Errorf("%s: the schema says %v, the parser %v", name, problem, err)
		}
	}
}

// Property: what the parser accepts the schema accepts; what the schema rejects the parser rejects.
func FuzzEventSchema(fuzz *testing.F) {
	f := mutate.New(fuzz)
	for _, text := range seeds(f) {
		f.Add([]byte(text))
	}
	schema := eventSchema(f)
	f.Fuzz(func(t *testing.T, text []byte) {
		if _, err := job.Parse(text, job.Options{}); err != nil {
			return
		}
		if problem, valid := check(schema, text); problem != nil {
			t.Errorf("the parser accepts %q; JSON: %t, the schema says %v", text, valid, problem)
		}
	})
}
