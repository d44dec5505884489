package cfn

import (
	"errors"
	"fmt"
	"maps"
	"regexp"
	"slices"
	"strings"

	"go.yaml.in/yaml/v3"
)

const loopPrefix = "Fn::ForEach::"

// expandLoops replaces the loops at the top level of a section by what they make.
func (s *Stack) expandLoops(p *problems, section string) {
	body, ok := s.expanded[section].(map[string]any)
	if !ok {
		if s.expanded[section] != nil {
			p.add(section, "is not a mapping")
		}
		return
	}
	out := map[string]any{}
	s.expand(p, expansion{section: section, path: []string{section}}, body, out)
	for _, id := range slices.Sorted(maps.Keys(out)) {
		if !alphanumeric(id) || len(id) > 255 {
			p.add(section+"."+id, "a logical id is letters and digits, at most 255")
		}
	}
	s.expanded[section] = out
}

// expansion is how far a nest of loops has been unrolled.
type expansion struct {
	section    string
	path       []string // in the template as it is written
	loop, item string   // the innermost
}

func (s *Stack) expand(p *problems, e expansion, body map[string]any, out map[string]any) {
	for _, key := range slices.Sorted(maps.Keys(body)) {
		name, isLoop := strings.CutPrefix(key, loopPrefix)
		if !isLoop {
			if _, twice := out[key]; twice {
				p.add(e.section+"."+key, "is made twice")
			}
			out[key] = body[key]
			if e.loop != "" {
				s.origins[e.section+"."+key] = origin{loop: e.loop, item: e.item, path: s.written(e, key)}
			}
			continue
		}
		here := e.section + "." + key
		l, err := s.readLoop(body[key])
		if err != nil {
			p.add(here, "%v", err)
			continue
		}
		s.loops[name] = l.list
		path := append(slices.Clone(e.path), key, "2")
		for _, item := range l.list {
			s.expand(p, expansion{section: e.section, path: path, loop: name, item: item}, l.body(item), out)
		}
	}
}

// written is the path of an entry that a loop made: the key in the template that becomes it.
func (s *Stack) written(e expansion, made string) []string {
	_, body, _ := s.Locate(e.path...)
	for i := 0; body != nil && body.Kind == yaml.MappingNode && i < len(body.Content); i += 2 {
		if key := body.Content[i].Value; reference.ReplaceAllString(key, e.item) == made {
			return append(slices.Clone(e.path), key)
		}
	}
	return e.path
}

var reference = regexp.MustCompile(`[$&]\{[A-Za-z0-9]+\}`)

type loop struct {
	identifier string
	list       []string
	template   map[string]any
}

// readLoop reads a loop over a literal list, or over a parameter's.
func (s *Stack) readLoop(v any) (loop, error) {
	parts, ok := v.([]any)
	if !ok || len(parts) != 3 {
		return loop{}, errors.New("a loop has three parts: identifier, list, body")
	}
	l := loop{}
	if l.identifier, ok = parts[0].(string); !ok || !alphanumeric(l.identifier) {
		return loop{}, errors.New("its identifier must be letters and digits")
	}
	items, ok := parts[1].([]any)
	if !ok {
		if items, ok = s.listParameter(parts[1]); !ok {
			return loop{}, errors.New("its list must be literal, or a parameter of type CommaDelimitedList")
		}
	}
	for _, item := range items {
		text, ok := item.(string)
		if !ok {
			return loop{}, fmt.Errorf("its list holds %v, which is not text", item)
		}
		l.list = append(l.list, text)
	}
	if l.template, ok = parts[2].(map[string]any); !ok {
		return loop{}, errors.New("its body is not a mapping")
	}
	for _, key := range slices.Sorted(maps.Keys(l.template)) {
		if l.substitute(key, "") == key {
			return loop{}, fmt.Errorf("%s does not hold ${%s}", key, l.identifier)
		}
	}
	return l, nil
}

func (s *Stack) listParameter(v any) ([]any, bool) {
	m, _ := v.(map[string]any)
	name, _ := m["Ref"].(string)
	list, ok := s.Parameters[name].value(s.Values[name]).([]any)
	return list, ok
}

func (l loop) body(item string) map[string]any {
	return l.replace(l.template, item).(map[string]any)
}

// replace writes the item for the identifier, in keys, strings and Refs.
func (l loop) replace(v any, item string) any {
	switch v := v.(type) {
	case map[string]any:
		if len(v) == 1 && v["Ref"] == l.identifier {
			return item
		}
		m := make(map[string]any, len(v))
		for key, inner := range v {
			m[l.substitute(key, item)] = l.replace(inner, item)
		}
		return m
	case []any:
		list := make([]any, len(v))
		for i, inner := range v {
			list[i] = l.replace(inner, item)
		}
		return list
	case string:
		return l.substitute(v, item)
	default:
		return v
	}
}

// substitute replaces ${Identifier} by the item, and &{Identifier} by the item
// stripped of what no logical id may hold.
func (l loop) substitute(text, item string) string {
	text = strings.ReplaceAll(text, "${"+l.identifier+"}", item)
	stripped := strings.Map(func(r rune) rune {
		if alphanumeric(string(r)) {
			return r
		}
		return -1
	}, item)
	return strings.ReplaceAll(text, "&{"+l.identifier+"}", stripped)
}
