package notifications_test

import (
	"encoding/json"
	"fmt"
	"io"
	"maps"
	"net/http"
	"regexp"
	"slices"
	"strings"
	"sync"
	"unicode/utf8"
)

// routingKey is an integration key of the form that PagerDuty's have.
const routingKey = "e93facc04764012d7bfb002500d5d1a6"

// pagerDuty is the Events API v2, as far as its documentation goes (developer.pagerduty.com/docs, "Send an Alert
// Event" and "Events API v2 Overview"; PagerDuty/api-schema, events-v2). It rejects what that rejects, and keeps open
// alerts by their dedup_key.
type pagerDuty struct {
	mu       sync.Mutex
	fail     []int // statuses of the next responses, in place of an answer
	open     map[string]alert
	opened   map[string]int // how many alerts were opened, by dedup_key
	resolved map[string]int
	events   []alert
	rejected []string
	requests int
}

type alert struct {
	Action   string `json:"event_action"`
	Key      string `json:"dedup_key"`
	Routing  string `json:"routing_key"`
	Client   string `json:"client"`
	Links    []struct{ Href, Text string }
	Payload  *payload
	Triggers int `json:"-"` // that were applied to it
}

type payload struct {
	Summary, Source, Severity, Timestamp, Component, Group, Class string
	Details                                                       details `json:"custom_details"`
}

type details struct {
	Command, Runbook string
	State            struct{ Value, Reason string }
	Configuration    struct{ Description string }
}

func newPagerDuty() *pagerDuty {
	return &pagerDuty{open: map[string]alert{}, opened: map[string]int{}, resolved: map[string]int{}}
}

func (p *pagerDuty) ServeHTTP(w http.ResponseWriter, r *http.Request) {
	p.mu.Lock()
	defer p.mu.Unlock()
	p.requests++
	if len(p.fail) > 0 {
		status := p.fail[0]
		p.fail = p.fail[1:]
		if status == http.StatusTooManyRequests {
			w.Header().Set("Retry-After", "90")
		}
		w.WriteHeader(status)
		return
	}
	text, err := io.ReadAll(r.Body)
	if err != nil {
		w.WriteHeader(http.StatusInternalServerError)
		return
	}
	if problems := invalid(r, text); len(problems) > 0 {
		p.rejected = append(p.rejected, strings.Join(problems, "; ")+": "+string(text))
		answer(w, http.StatusBadRequest, map[string]any{
			"status": "invalid event", "message": "Event object is invalid", "errors": problems,
		})
		return
	}
	var a alert
	if err := json.Unmarshal(text, &a); err != nil {
		p.rejected = append(p.rejected, err.Error())
		w.WriteHeader(http.StatusBadRequest)
		return
	}
	p.apply(a)
	answer(w, http.StatusAccepted, map[string]any{
		"status": "success", "message": "Event processed", "dedup_key": a.Key,
	})
}

// apply: a trigger opens an alert or is added to the open one; without an open alert a resolve is dropped.
func (p *pagerDuty) apply(a alert) {
	p.events = append(p.events, a)
	open, isOpen := p.open[a.Key]
	switch {
	case a.Action == "trigger" && isOpen:
		open.Triggers++
		p.open[a.Key] = open
	case a.Action == "trigger":
		a.Triggers = 1
		p.open[a.Key] = a
		p.opened[a.Key]++
	case a.Action == "resolve" && isOpen:
		delete(p.open, a.Key)
		p.resolved[a.Key]++
	}
}

func answer(w http.ResponseWriter, status int, body any) {
	w.Header().Set("Content-Type", "application/json")
	w.WriteHeader(status)
	_ = json.NewEncoder(w).Encode(body)
}

var (
	timestamp = regexp.MustCompile(`^\d{4}-\d\d-\d\dT\d\d:\d\d:\d\d(\.\d+)?(Z|[+-]\d\d:?\d\d)$`)
	httpURL   = regexp.MustCompile(`^https?://[^\s"<>]+$`)
)

// invalid returns what PagerDuty's documentation says against a request.
func invalid(r *http.Request, text []byte) []string {
	var problems []string
	problem := func(format string, values ...any) { problems = append(problems, fmt.Sprintf(format, values...)) }
	if r.Method != http.MethodPost || r.URL.Path != "/v2/enqueue" {
		problem("%s %s", r.Method, r.URL.Path)
	}
	if !strings.HasPrefix(r.Header.Get("Content-Type"), "application/json") {
		problem("Content-Type %q", r.Header.Get("Content-Type"))
	}
	if len(text) > 512<<10 {
		problem("%d bytes", len(text))
	}
	var event map[string]any
	if err := json.Unmarshal(text, &event); err != nil {
		return append(problems, "JSON parse error: "+err.Error())
	}
	str := func(object map[string]any, name string, length int) string {
		v, ok := object[name].(string)
		if !ok && object[name] != nil || utf8.RuneCountInString(v) > length {
			problem("'%s' is no text of at most %d characters", name, length)
		}
		return v
	}
	if key := str(event, "routing_key", 32); len(key) != 32 {
		problem("Length of 'routing_key' is incorrect (should be 32 characters)")
	}
	action, dedup := str(event, "event_action", 16), str(event, "dedup_key", 255)
	if !slices.Contains([]string{"trigger", "acknowledge", "resolve"}, action) {
		problem("'event_action' is %q", action)
	}
	if action != "trigger" && dedup == "" {
		problem("'dedup_key' is missing or blank")
	}
	links, _ := event["links"].([]any)
	for _, link := range links {
		one, _ := link.(map[string]any)
		if !httpURL.MatchString(str(one, "href", 2048)) {
			problem("a link without 'href'")
		}
	}
	if action == "trigger" {
		problems = append(problems, invalidPayload(event["payload"], str)...)
	}
	return problems
}

func invalidPayload(v any, str func(map[string]any, string, int) string) []string {
	var problems []string
	p, ok := v.(map[string]any)
	if !ok {
		return []string{"'payload' is missing or blank"}
	}
	for name, length := range map[string]int{"summary": 1024, "source": 1024} {
		if str(p, name, length) == "" {
			problems = append(problems, fmt.Sprintf("'payload.%s' is missing or blank", name))
		}
	}
	if !slices.Contains([]string{"critical", "error", "warning", "info"}, str(p, "severity", 16)) {
		problems = append(problems, "'payload.severity' is invalid")
	}
	if at := str(p, "timestamp", 64); at != "" && !timestamp.MatchString(at) {
		problems = append(problems, "'payload.timestamp' is invalid")
	}
	if _, ok := p["custom_details"].(map[string]any); p["custom_details"] != nil && !ok {
		problems = append(problems, "'payload.custom_details' is not an object")
	}
	return problems
}

// answers makes the next requests fail with these statuses.
func (p *pagerDuty) answers(statuses ...int) {
	p.mu.Lock()
	defer p.mu.Unlock()
	p.fail = statuses
}

// incidents returns the open alerts, by dedup_key.
func (p *pagerDuty) incidents() map[string]alert {
	p.mu.Lock()
	defer p.mu.Unlock()
	return maps.Clone(p.open)
}

// count returns how many alerts of a key were opened and resolved.
func (p *pagerDuty) count(key string) (opened, resolved int) {
	p.mu.Lock()
	defer p.mu.Unlock()
	return p.opened[key], p.resolved[key]
}

// problems returns what was rejected.
func (p *pagerDuty) problems() []string {
	p.mu.Lock()
	defer p.mu.Unlock()
	return slices.Clone(p.rejected)
}
