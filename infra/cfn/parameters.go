package cfn

import (
	"cmp"
	"fmt"
	"maps"
	"regexp"
	"slices"
	"strconv"
	"strings"
	"unicode/utf8"
)

// Parameter is one entry of the Parameters section.
type Parameter struct {
	Type                  string
	Default               *string
	Description           string
	AllowedPattern        string
	AllowedValues         []string
	ConstraintDescription string
	MinLength, MaxLength  *int
	MinValue, MaxValue    *float64
}

// check says why a value does not fit, or "".
func (d Parameter) check(value string) string {
	switch {
	case d.AllowedValues != nil && !slices.Contains(d.AllowedValues, value):
		return "must be one of " + strings.Join(d.AllowedValues, ", ")
	case d.MinLength != nil && utf8.RuneCountInString(value) < *d.MinLength:
		return fmt.Sprintf("must have at least %d characters", *d.MinLength)
	case d.MaxLength != nil && utf8.RuneCountInString(value) > *d.MaxLength:
		return fmt.Sprintf("must have at most %d characters", *d.MaxLength)
	}
	if d.AllowedPattern != "" {
		// CloudFormation's pattern must match the whole value.
		pattern, err := regexp.Compile(`^(?:` + d.AllowedPattern + `)$`)
		if err != nil {
			return fmt.Sprintf("has a pattern that cannot be checked: %v", err)
		}
		values := []string{value}
		if d.Type == "CommaDelimitedList" {
			values = strings.Split(value, ",")
		}
		if slices.ContainsFunc(values, func(v string) bool { return !pattern.MatchString(strings.TrimSpace(v)) }) {
			return "does not match its pattern: " + cmp.Or(d.ConstraintDescription, d.AllowedPattern)
		}
	}
	if d.Type == "Number" {
		number, err := strconv.ParseFloat(value, 64)
		switch {
		case err != nil:
			return "must be a number"
		case d.MinValue != nil && number < *d.MinValue:
			return fmt.Sprintf("must be at least %v", *d.MinValue)
		case d.MaxValue != nil && number > *d.MaxValue:
			return fmt.Sprintf("must be at most %v", *d.MaxValue)
		}
	}
	return ""
}

func (s *Stack) readParameters(p *problems, given map[string]string) {
	s.Parameters, s.Values = map[string]Parameter{}, map[string]string{}
	section := s.Section("Parameters")
	for _, name := range slices.Sorted(maps.Keys(section)) {
		where := "Parameters." + name
		body, ok := section[name].(map[string]any)
		if !ok {
			p.add(where, "is no mapping")
			continue
		}
		d := readParameter(p, where, body)
		s.Parameters[name] = d
		value, ok := given[name]
		switch {
		case ok:
		case d.Default != nil:
			value = *d.Default
		default:
			p.add(where, "needs a value")
			continue
		}
		if why := d.check(value); why != "" {
			p.add(where, "%q %s", value, why)
		}
		s.Values[name] = value
	}
	for _, name := range slices.Sorted(maps.Keys(given)) {
		if _, ok := section[name]; !ok {
			p.add("Parameters."+name, "the template has no such parameter")
		}
	}
}

func readParameter(p *problems, where string, body map[string]any) Parameter {
	d := Parameter{}
	for _, key := range slices.Sorted(maps.Keys(body)) {
		v := body[key]
		switch key {
		case "Type":
			d.Type = text(v)
		case "Default":
			fallback := text(v)
			d.Default = &fallback
		case "Description":
			d.Description = text(v)
		case "AllowedPattern":
			d.AllowedPattern = text(v)
		case "ConstraintDescription":
			d.ConstraintDescription = text(v)
		case "AllowedValues":
			list, _ := v.([]any)
			for _, item := range list {
				d.AllowedValues = append(d.AllowedValues, text(item))
			}
		case "MinLength":
			d.MinLength = whole(p, where, v)
		case "MaxLength":
			d.MaxLength = whole(p, where, v)
		case "MinValue":
			d.MinValue = number(p, where, v)
		case "MaxValue":
			d.MaxValue = number(p, where, v)
		case "NoEcho": // only hides the value from those who look at the stack
		default:
			p.add(where+"."+key, "is unknown")
		}
	}
	if d.Type != "String" && d.Type != "Number" && d.Type != "CommaDelimitedList" {
		p.add(where, "Type %q is none of String, Number, CommaDelimitedList", d.Type)
	}
	return d
}

func (s *Stack) readMappings(p *problems) {
	s.Mappings = map[string]map[string]map[string]any{}
	section := s.Section("Mappings")
	for _, name := range slices.Sorted(maps.Keys(section)) {
		s.Mappings[name] = map[string]map[string]any{}
		rows, ok := section[name].(map[string]any)
		if !ok {
			p.add("Mappings."+name, "is no mapping")
			continue
		}
		for _, row := range slices.Sorted(maps.Keys(rows)) {
			where := "Mappings." + name + "." + row
			values, ok := rows[row].(map[string]any)
			if !ok {
				p.add(where, "is no mapping")
				continue
			}
			if !alphanumeric(row) {
				p.add(where, "a key of a mapping is letters and digits")
			}
			for _, key := range slices.Sorted(maps.Keys(values)) {
				if !literal(values[key]) {
					p.add(where+"."+key, "a mapping holds text, numbers and lists, no function and no mapping")
				}
			}
			s.Mappings[name][row] = values
		}
	}
}

func literal(v any) bool {
	switch v := v.(type) {
	case string, bool, int, float64:
		return true
	case []any:
		return !slices.ContainsFunc(v, func(item any) bool { return !literal(item) })
	default:
		return false
	}
}

// text writes a scalar as CloudFormation does where it needs text.
func text(v any) string {
	switch v := v.(type) {
	case string:
		return v
	case float64:
		return strconv.FormatFloat(v, 'f', -1, 64)
	case int, bool:
		return fmt.Sprint(v)
	default:
		return ""
	}
}

// Number reads a resolved scalar that CloudFormation takes for a number,
// written as one or as text.
func Number(v any) (float64, bool) {
	switch v := v.(type) {
	case int:
		return float64(v), true
	case float64:
		return v, true
	case string:
		n, err := strconv.ParseFloat(v, 64)
		return n, err == nil
	default:
		return 0, false
	}
}

func number(p *problems, where string, v any) *float64 {
	n, ok := Number(v)
	if !ok {
		p.add(where, "%v is no number", v)
	}
	return &n
}

func whole(p *problems, where string, v any) *int {
	n := int(*number(p, where, v))
	return &n
}
