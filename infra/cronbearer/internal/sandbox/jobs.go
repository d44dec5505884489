package sandbox

import (
	"encoding/json"
	"fmt"
	"net/http"
	"regexp"
	"strconv"
	"strings"

	"github.com/cronbearer/cronbearer/internal/dev/cfn"
	"github.com/cronbearer/cronbearer/internal/dev/upstream"
)

// event is what a schedule's Input says of the job.
type event struct {
	Job, Token, Secret, SecretKey, Call string
	Expect                              struct {
		Status      []any
		ContentType string
		JSON        map[string]any
	}
}

// parseJob reads a schedule; ok is false for one that starts something else.
func parseJob(r cfn.Resource) (j Job, secret, key string, ok bool) {
	target, _ := r.Properties["Target"].(map[string]any)
	input, _ := target["Input"].(string)
	var e event
	if json.Unmarshal([]byte(input), &e) != nil || e.Job == "" {
		return Job{}, "", "", false
	}
	j = Job{
		Name: e.Job, Token: e.Token, Schedule: fmt.Sprint(r.Properties["ScheduleExpression"]),
		Disabled: r.Properties["State"] == "DISABLED", answer: e.answer(),
	}
	j.Timezone, _ = r.Properties["ScheduleExpressionTimezone"].(string)
	method, location, _ := strings.Cut(e.Call, " ")
	if rest, found := strings.CutPrefix(location, "https://"); found {
		host, path, _ := strings.Cut(rest, "/")
		j.Host, j.method, j.path = strings.TrimSuffix(strings.ToLower(host), ":443"), method, "/"+path
	}
	return j, e.Secret, e.SecretKey, true
}

// answer is one that the job calls a success.
func (e event) answer() upstream.Answer {
	a := upstream.OK
	if e.Expect.ContentType != "" {
		a.Header = map[string]string{"Content-Type": e.Expect.ContentType}
	}
	if len(e.Expect.Status) > 0 {
		a.Status = statusOf(fmt.Sprint(e.Expect.Status[0]))
	}
	if len(e.Expect.JSON) > 0 {
		if text, err := json.Marshal(documentOf(e.Expect.JSON)); err == nil {
			a.Body = string(text)
		}
	}
	return a
}

// statusOf reads 204, "204" and "2xx".
func statusOf(text string) int {
	status, err := strconv.Atoi(strings.ReplaceAll(strings.ToLower(text), "x", "0"))
	if err != nil {
		return http.StatusOK
	}
	return status
}

// documentOf makes a document in which each pointer (RFC 6901) leads to its value, or to the first of its values.
func documentOf(rules map[string]any) any {
	var document any = map[string]any{}
	for pointer, value := range rules {
		if list, ok := value.([]any); ok && len(list) > 0 {
			value = list[0]
		}
		document = put(document, strings.Split(strings.TrimPrefix(pointer, "/"), "/"), value)
	}
	return document
}

func put(in any, path []string, value any) any {
	if len(path) == 0 {
		return value
	}
	name := strings.NewReplacer("~1", "/", "~0", "~").Replace(path[0])
	if index, err := strconv.Atoi(name); err == nil && index < 10 {
		list, _ := in.([]any)
		for len(list) <= index {
			list = append(list, nil)
		}
		list[index] = put(list[index], path[1:], value)
		return list
	}
	object, ok := in.(map[string]any)
	if !ok {
		object = map[string]any{}
	}
	object[name] = put(object[name], path[1:], value)
	return object
}

// secretText is a secret with the token at the key or pointer of the Mapping; plain text without one.
func secretText(key, token string) string {
	if key == "" {
		return token
	}
	path := []string{key}
	if strings.HasPrefix(key, "/") {
		path = strings.Split(key[1:], "/")
	}
	text, err := json.Marshal(put(map[string]any{}, path, token))
	if err != nil { // strings in maps and lists
		return token
	}
	return string(text)
}

var placeholder = regexp.MustCompile(`\\\{\\\{.*?\\\}\\\}`)

// matches reports whether a request is the job's.
func (j Job) matches(q upstream.Request) bool {
	path, _, _ := strings.Cut(j.path, "?")
	pattern := placeholder.ReplaceAllString(regexp.QuoteMeta(path), ".*")
	fits, err := regexp.MatchString("^"+pattern+"$", q.Path)
	return err == nil && fits && j.method == q.Method
}
