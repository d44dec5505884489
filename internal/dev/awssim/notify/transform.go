package notify

import (
	"bytes"
	"encoding/json"
	"errors"
	"fmt"
	"maps"
	"regexp"
	"slices"
	"strconv"
	"strings"
)

// transformer is the InputTransformer of a rule's target (EventBridge User Guide, "Input transformation").
type transformer struct {
	paths    map[string][]any // by variable: names of members and indexes of lists
	template string
}

// Limits of the API (EventBridge API Reference, "InputTransformer").
const (
	maxTemplate  = 8192
	maxVariables = 100
	maxPath      = 256
)

// predefined are the variables that this model knows without a path.
var predefined = []string{"aws.events.rule-arn", "aws.events.event", "aws.events.event.json"}

var (
	placeholder = regexp.MustCompile(`^<([A-Za-z0-9_.-]+)>`)
	variable    = regexp.MustCompile(`^[A-Za-z0-9_-]+$`)
	eventPath   = regexp.MustCompile(`^\$((\.[A-Za-z0-9_/-]+)(\[[0-9]+\])?)+$`)
	pathStep    = regexp.MustCompile(`[A-Za-z0-9_/-]+`)
)

func parseTransformer(where string, v any) (*transformer, error) {
	properties, ok := v.(map[string]any)
	if !ok {
		return nil, nil //nolint:nilnil // a target without one passes the event on as it is
	}
	t := &transformer{paths: map[string][]any{}, template: fmt.Sprint(properties["InputTemplate"])}
	paths, _ := properties["InputPathsMap"].(map[string]any)
	var problems []error
	problem := func(format string, values ...any) {
		problems = append(problems, fmt.Errorf(where+": "+format, values...))
	}
	if len(t.template) > maxTemplate || len(paths) > maxVariables {
		problem("%d characters and %d variables, of %d and %d", len(t.template), len(paths), maxTemplate, maxVariables)
	}
	for _, name := range slices.Sorted(maps.Keys(paths)) {
		path := fmt.Sprint(paths[name])
		if !variable.MatchString(name) || len(path) > maxPath || !eventPath.MatchString(path) {
			problem("this model knows no variable %s with path %s", name, path)
			continue
		}
		for _, step := range pathStep.FindAllString(path, -1) {
			if index, err := strconv.Atoi(step); err == nil {
				t.paths[name] = append(t.paths[name], index)
			} else {
				t.paths[name] = append(t.paths[name], step)
			}
		}
	}
	t.each(func(_ string, name string, _ bool) {
		if _, ok := t.paths[name]; !ok && name != "" && !slices.Contains(predefined, name) {
			problem("InputTemplate contains invalid placeholder %s", name)
		}
	})
	return t, errors.Join(problems...)
}

// each calls a function with the parts of the template: a text, then the placeholder after it, if there is one, and
// whether that is inside a JSON string.
func (t *transformer) each(part func(text, name string, quoted bool)) {
	last, quoted := 0, false
	for i := 0; i < len(t.template); i++ {
		switch c := t.template[i]; {
		case c == '\\' && quoted:
			i++
		case c == '"':
			quoted = !quoted
		case c == '<':
			if found := placeholder.FindStringSubmatch(t.template[i:]); found != nil {
				part(t.template[last:i], found[1], quoted)
				i += len(found[0]) - 1
				last = i + 1
			}
		}
	}
	part(t.template[last:], "", false)
}

// fill returns what the target gets. "EventBridge doesn't escape values": a text goes in as it is, so that one with a
// quote or a line break makes invalid JSON of the template; outside a JSON string it gets quotes. An object or a list
// stays valid JSON, but inside a JSON string it loses its quotes. A variable whose path is not in the event is empty.
func (t *transformer) fill(event map[string]any, rule string) string {
	var b strings.Builder
	t.each(func(text, name string, quoted bool) {
		b.WriteString(text)
		if name == "" {
			return
		}
		switch v := t.value(event, rule, name).(type) {
		case nil:
		case string:
			if !quoted {
				v = `"` + v + `"`
			}
			b.WriteString(v)
		default:
			text := marshal(v)
			if quoted {
				text = strings.ReplaceAll(text, `"`, "")
			}
			b.WriteString(text)
		}
	})
	return b.String()
}

func (t *transformer) value(event map[string]any, rule, name string) any {
	switch name {
	case "aws.events.rule-arn":
		return rule
	case "aws.events.event.json":
		return event
	case "aws.events.event":
		without := maps.Clone(event)
		delete(without, "detail")
		return without
	}
	var v any = event
	for _, step := range t.paths[name] {
		switch step := step.(type) {
		case string:
			object, _ := v.(map[string]any)
			v = object[step]
		case int:
			list, _ := v.([]any)
			if step >= len(list) {
				return nil
			}
			v = list[step]
		}
	}
	return v
}

// marshal writes JSON as EventBridge does, with <, > and & as they are.
func marshal(v any) string {
	var b bytes.Buffer
	encoder := json.NewEncoder(&b)
	encoder.SetEscapeHTML(false)
	if err := encoder.Encode(v); err != nil { // decoded JSON
		return ""
	}
	return strings.TrimSuffix(b.String(), "\n")
}
