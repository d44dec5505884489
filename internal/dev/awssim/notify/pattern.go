// Package notify is a model of the way from an alarm to an inbox: an alarm's message on an SNS topic, EventBridge's
// state-change event with its rules, subscriptions with their filters, and the email at the end. It is a model, not
// AWS: the texts follow published examples of real ones.
package notify

import (
	"encoding/json"
	"errors"
	"fmt"
	"maps"
	"reflect"
	"slices"
	"strings"
)

// Pattern is an event pattern of EventBridge, or a filter policy of SNS on message bodies, which share their language.
// make check-patterns holds those of the templates against AWS's own engine.
type Pattern struct {
	fields map[string]Pattern // all must match
	anyOf  []Pattern          // $or; empty: none is asked for
	values []matcher          // of a leaf: one must match
}

type matcher func(value any, present bool) bool

// ParsePattern reads a resolved pattern, and rejects the operators that this model does not know.
func ParsePattern(v any) (Pattern, error) {
	if text, ok := v.(string); ok {
		if err := json.Unmarshal([]byte(text), &v); err != nil {
			return Pattern{}, fmt.Errorf("a pattern: %w", err)
		}
	}
	return parsePattern("", v)
}

func parsePattern(where string, v any) (Pattern, error) {
	var p Pattern
	var problems []error
	switch v := v.(type) {
	case map[string]any:
		p.fields = map[string]Pattern{}
		for _, name := range slices.Sorted(maps.Keys(v)) {
			if name == "$or" {
				choices, _ := v[name].([]any)
				for i, choice := range choices {
					one, err := parsePattern(fmt.Sprintf("%s.$or[%d]", where, i), choice)
					p.anyOf, problems = append(p.anyOf, one), append(problems, err)
				}
				if len(choices) < 2 {
					problems = append(problems, fmt.Errorf("%s: $or needs two choices", where))
				}
				continue
			}
			inner, err := parsePattern(where+"."+name, v[name])
			p.fields[name], problems = inner, append(problems, err)
		}
	case []any:
		if len(v) == 0 {
			problems = append(problems, fmt.Errorf("%s: an empty list matches nothing", where))
		}
		for _, item := range v {
			m, err := parseMatcher(where, item)
			p.values, problems = append(p.values, m), append(problems, err)
		}
	default:
		problems = append(problems, fmt.Errorf("%s: %v must be in a list", where, v))
	}
	return p, errors.Join(problems...)
}

func parseMatcher(where string, v any) (matcher, error) {
	operators, ok := v.(map[string]any)
	if !ok {
		return func(value any, present bool) bool { return present && equal(value, v) }, nil
	}
	if len(operators) != 1 {
		return nil, fmt.Errorf("%s: one operator at a time", where)
	}
	for name, operand := range operators {
		switch name {
		case "exists":
			return func(_ any, present bool) bool { return present == (operand == true) }, nil
		case "prefix", "suffix":
			return affix(where, name, operand)
		case "anything-but":
			return anythingBut(where, operand)
		}
		return nil, fmt.Errorf("%s: this model knows no operator %q", where, name)
	}
	return nil, nil
}

func affix(where, name string, operand any) (matcher, error) {
	text, ok := operand.(string)
	if !ok {
		return nil, fmt.Errorf("%s: %s needs a text", where, name)
	}
	test := strings.HasPrefix
	if name == "suffix" {
		test = strings.HasSuffix
	}
	return func(value any, _ bool) bool {
		s, ok := value.(string)
		return ok && test(s, text)
	}, nil
}

// anythingBut requires the field to exist.
func anythingBut(where string, operand any) (matcher, error) {
	var but []matcher
	var problems []error
	items, ok := operand.([]any)
	if !ok {
		items = []any{operand}
	}
	for _, item := range items {
		m, err := parseMatcher(where, item)
		but, problems = append(but, m), append(problems, err)
	}
	return func(value any, present bool) bool {
		return present && !slices.ContainsFunc(but, func(m matcher) bool { return m(value, present) })
	}, errors.Join(problems...)
}

// Matches reports whether a JSON document, as encoding/json decodes it, fits.
func (p Pattern) Matches(document any) bool { return p.matches(document, true) }

func (p Pattern) matches(v any, present bool) bool {
	if p.values != nil {
		candidates := []any{v}
		if list, ok := v.([]any); ok {
			candidates = list
		}
		return slices.ContainsFunc(candidates, func(one any) bool {
			return slices.ContainsFunc(p.values, func(m matcher) bool { return m(one, present) })
		})
	}
	object, _ := v.(map[string]any)
	for name, inner := range p.fields {
		value, ok := object[name]
		if !inner.matches(value, ok) {
			return false
		}
	}
	return len(p.anyOf) == 0 || slices.ContainsFunc(p.anyOf, func(choice Pattern) bool {
		return choice.matches(v, present)
	})
}

// equal compares a value of a document with one of a template, whose whole numbers are ints.
func equal(value, want any) bool {
	if n, ok := want.(int); ok {
		want = float64(n)
	}
	return reflect.DeepEqual(value, want)
}
