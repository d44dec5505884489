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

// check reports why a value does not fit, or "".
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
		if d.list() {
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

func (s *Stack) readParameters(p *problems, o Options) {
	s.Parameters, s.Values = map[string]Parameter{}, map[string]string{}
	section := s.Section("Parameters")
	for _, name := range slices.Sorted(maps.Keys(section)) {
		where := "Parameters." + name
		body, ok := section[name].(map[string]any)
		if !ok {
			p.add(where, "is not a mapping")
			continue
		}
		d := readParameter(p, where, body)
		s.Parameters[name] = d
		value, ok := o.Parameters[name]
		switch {
		case ok:
		case d.Default != nil:
			value = *d.Default
		case o.Guess:
			s.Values[name] = d.guess(name)
			continue
		default:
			p.add(where, "needs a value")
			continue
		}
		if why := d.check(value); why != "" {
			p.add(where, "%q %s", value, why)
		}
		s.Values[name] = value
	}
	for _, name := range slices.Sorted(maps.Keys(o.Parameters)) {
		if _, ok := section[name]; !ok && !o.Guess { // SAM CLI passes over what it saved of another version
			p.add("Parameters."+name, "the template has no such parameter")
		}
	}
}

// guess makes up a value of the parameter's type.
func (d Parameter) guess(name string) string {
	switch {
	case len(d.AllowedValues) > 0:
		return d.AllowedValues[0]
	case d.Type != "Number":
		return name
	case d.MinValue != nil:
		return strconv.FormatFloat(*d.MinValue, 'f', -1, 64)
	default:
		return "1"
	}
}

// list reports whether the values of the parameter's type are lists.
func (d Parameter) list() bool {
	return d.Type == "CommaDelimitedList" || strings.HasPrefix(d.Type, "List<") ||
		strings.HasPrefix(d.Type, "AWS::SSM::Parameter::Value<List<") ||
		d.Type == "AWS::SSM::Parameter::Value<CommaDelimitedList>"
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
		}
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
			p.add("Mappings."+name, "is not a mapping")
			continue
		}
		for _, row := range slices.Sorted(maps.Keys(rows)) {
			where := "Mappings." + name + "." + row
			values, ok := rows[row].(map[string]any)
			if !ok {
				p.add(where, "is not a mapping")
				continue
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

// Number reads a resolved scalar that CloudFormation accepts as a number,
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
		p.add(where, "%v is not a number", v)
	}
	return &n
}

func whole(p *problems, where string, v any) *int {
	n := int(*number(p, where, v))
	return &n
}
