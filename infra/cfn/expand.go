package cfn

import (
	"errors"
	"fmt"
	"maps"
	"slices"
	"strings"
)

const loopPrefix = "Fn::ForEach::"

// expandLoops replaces the loops at the top level of a section by what they make.
func (s *Stack) expandLoops(p *problems, section string) {
	body, ok := s.expanded[section].(map[string]any)
	if !ok {
		if s.expanded[section] != nil {
			p.add(section, "is no mapping")
		}
		return
	}
	out := map[string]any{}
	s.expand(p, section, body, out)
	for _, id := range slices.Sorted(maps.Keys(out)) {
		if !alphanumeric(id) || len(id) > 255 {
			p.add(section+"."+id, "a logical id is letters and digits, at most 255")
		}
	}
	s.expanded[section] = out
}

func (s *Stack) expand(p *problems, where string, body, out map[string]any) {
	for _, key := range slices.Sorted(maps.Keys(body)) {
		name, isLoop := strings.CutPrefix(key, loopPrefix)
		if !isLoop {
			if _, twice := out[key]; twice {
				p.add(where+"."+key, "is made twice")
			}
			out[key] = body[key]
			continue
		}
		here := where + "." + key
		l, err := readLoop(body[key])
		if err != nil {
			p.add(here, "%v", err)
			continue
		}
		s.loops[name] = l.list
		for _, item := range l.list {
			// A name that stands twice makes the same ids: reported as made twice.
			s.expand(p, where, l.body(item), out)
		}
	}
}

type loop struct {
	identifier string
	list       []string
	template   map[string]any
}

func readLoop(v any) (loop, error) {
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
		return loop{}, errors.New("its list must be literal: on update CloudFormation keeps a parameter's old value")
	}
	for _, item := range items {
		text, ok := item.(string)
		if !ok {
			return loop{}, fmt.Errorf("its list holds %v, which is not text", item)
		}
		l.list = append(l.list, text)
	}
	if l.template, ok = parts[2].(map[string]any); !ok {
		return loop{}, errors.New("its body is no mapping")
	}
	for _, key := range slices.Sorted(maps.Keys(l.template)) {
		if l.substitute(key, "") == key {
			return loop{}, fmt.Errorf("%s does not hold ${%s}", key, l.identifier)
		}
	}
	return l, nil
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
