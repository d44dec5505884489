// Package iam is a model of IAM's evaluation of one role's policies, or one resource's: enough for this repository's
// templates, so that a program under test meets the denials of its real role. An operator or element that
// it does not know is an error, never an Allow. What a policy could do without, Parts shows.
package iam

import (
	"errors"
	"fmt"
	"iter"
	"maps"
	"slices"
	"strconv"
	"strings"
)

// Policy is what the statements of one or more documents say. The zero Policy is silent about everything.
type Policy struct{ statements []statement }

// Role is what the policies of a role say. The zero Role allows nothing.
type Role struct{ Policy }

type statement struct {
	sid        string
	allow      bool
	principals []string // services, or *; of a resource's policy only
	actions    []string
	resources  []string
	conditions []condition
}

type condition struct {
	operator, key string
	values        []string
}

// Context is what a request has under the condition keys, which are in small letters. A key without values is not
// there.
type Context map[string][]string

// operators by name: a condition holds for what the request has under its key and what the policy requires (IAM User
// Guide, "Condition operators").
var operators = map[string]func(has, want []string) bool{
	"StringEquals": anyOf(func(want, value string) bool { return want == value }),
	"StringLike":   anyOf(Like),
	"ArnLike":      anyOf(Like),
	"ArnEquals":    anyOf(Like),
	"Bool":         anyOf(strings.EqualFold),
	"NumericLessThanEquals": anyOf(func(want, value string) bool {
		limit, limitErr := strconv.ParseFloat(want, 64)
		number, err := strconv.ParseFloat(value, 64)
		return limitErr == nil && err == nil && number <= limit
	}),
	// "false": the key exists and its value is not null.
	"Null": func(has, want []string) bool { return slices.Contains(want, strconv.FormatBool(len(has) == 0)) },
	// It is true, too, "if there are no context keys in the request".
	"ForAllValues:StringEquals": func(has, want []string) bool {
		return !slices.ContainsFunc(has, func(value string) bool { return !slices.Contains(want, value) })
	},
}

// anyOf is an operator of keys with one value: any of the policy's is enough. A request without the key fulfils none.
func anyOf(holds func(want, value string) bool) func(has, want []string) bool {
	return func(has, want []string) bool {
		return len(has) == 1 && slices.ContainsFunc(want, func(w string) bool { return holds(w, has[0]) })
	}
}

// Parse reads the resolved Policies of an AWS::IAM::Role and reports every problem at once.
func Parse(policies any) (Role, error) {
	var role Role
	var problems []error
	for _, policy := range list(policies) {
		statements, err := parseDocument(field(policy, "PolicyDocument"), false)
		role.statements, problems = append(role.statements, statements...), append(problems, err)
	}
	return role, errors.Join(problems...)
}

// A Question is what a principal wants to do.
type Question struct {
	// Principal is a service of AWS or the ARN of a role; "" for a role that asks its own policies.
	Principal        string
	Action, Resource string
	Context          Context
}

// A Verdict is a policy's answer. Who is allowed by no policy is denied.
type Verdict string

// The verdicts.
const (
	Silent  Verdict = ""
	Allowed Verdict = "allowed"
	Denied  Verdict = "denied"
)

// A Decision is a Question that was put to a policy, with its Verdict.
type Decision struct {
	Question

	// Policy is the ARN of the role or the resource whose policy it is. That of a role's trust policy ends with ":trust".
	Policy  string
	Verdict Verdict
}

// With is the role with one more policy document: an AWS::IAM::RolePolicy.
func (r Role) With(document any) (Role, error) {
	statements, err := parseDocument(document, false)
	return Role{Policy{slices.Concat(r.statements, statements)}}, err
}

// Resource is the policy of a resource, such as a topic or a key. The zero Resource allows nothing.
type Resource struct{ Policy }

// ParseResource reads a resolved policy document.
func ParseResource(document any) (Resource, error) {
	statements, err := parseDocument(document, true)
	return Resource{Policy{statements}}, err
}

// With is the resource with one more policy document.
func (r Resource) With(document any) (Resource, error) {
	statements, err := parseDocument(document, true)
	return Resource{Policy{slices.Concat(r.statements, statements)}}, err
}

// Allows reports whether a service of AWS (events.amazonaws.com) may do an action.
func (r Resource) Allows(service, action, resource string, context Context) bool {
	return r.Answer(Question{Principal: service, Action: action, Resource: resource, Context: context}) == Allowed
}

func parseDocument(document any, ofResource bool) ([]statement, error) {
	var parsed []statement
	var problems []error
	for _, s := range list(field(document, "Statement")) {
		one, err := parse(s, ofResource)
		parsed, problems = append(parsed, one), append(problems, err)
	}
	return parsed, errors.Join(problems...)
}

func parse(v any, ofResource bool) (statement, error) {
	body, ok := v.(map[string]any)
	if !ok {
		return statement{}, fmt.Errorf("a statement is %T, not an object", v)
	}
	var problems []error
	for _, name := range slices.Sorted(maps.Keys(body)) {
		if !slices.Contains([]string{"Sid", "Effect", "Action", "Resource", "Condition"}, name) && (name != "Principal" ||
			!ofResource) {
			problems = append(problems, fmt.Errorf("statement %v: this model knows no %s", body["Sid"], name))
		}
	}
	sid, _ := body["Sid"].(string)
	s := statement{
		sid: sid, allow: body["Effect"] == "Allow", actions: texts(body["Action"]), resources: texts(body["Resource"]),
	}
	if _, ok := body["Resource"]; !ok && ofResource { // a trust policy: its resource is the role
		s.resources = []string{"*"}
	}
	if !s.allow && body["Effect"] != "Deny" {
		problems = append(problems, fmt.Errorf("statement %v: Effect is %v", body["Sid"], body["Effect"]))
	}
	switch who := body["Principal"].(type) {
	case string:
		s.principals = []string{who}
	case map[string]any:
		s.principals = append(texts(who["Service"]), texts(who["AWS"])...)
	}
	conditions, _ := body["Condition"].(map[string]any)
	for _, operator := range slices.Sorted(maps.Keys(conditions)) {
		if operators[operator] == nil {
			problems = append(problems, fmt.Errorf("statement %v: this model knows no condition %s", body["Sid"], operator))
		}
		keys, _ := conditions[operator].(map[string]any)
		for _, key := range slices.Sorted(maps.Keys(keys)) {
			s.conditions = append(s.conditions, condition{operator, strings.ToLower(key), texts(keys[key])})
		}
	}
	return s, errors.Join(problems...)
}

// Allows reports whether the role may do an action.
func (r Role) Allows(action, resource string, context Context) bool {
	return r.Answer(Question{Action: action, Resource: resource, Context: context}) == Allowed
}

// Answer evaluates the policy: one statement allows and none denies (IAM User Guide, "Policy evaluation logic").
func (p Policy) Answer(q Question) Verdict {
	verdict := Silent
	for _, s := range p.statements {
		if !s.covers(q.Action, q.Resource, q.Context) || s.principals != nil &&
			!slices.Contains(s.principals, q.Principal) && !slices.Contains(s.principals, "*") {
			continue
		}
		if !s.allow {
			return Denied
		}
		verdict = Allowed
	}
	return verdict
}

// Parts returns each thing that the policy says and that could be left out alone, with the policy without it: an action
// of a statement, and a resource, a principal or a condition's value that is not the only one of its list.
func (p Policy) Parts() iter.Seq2[string, Policy] {
	return func(yield func(string, Policy) bool) {
		for i, s := range p.statements {
			for name, rest := range s.parts() {
				without := slices.Concat(p.statements[:i], rest, p.statements[i+1:])
				if !yield(s.sid+": "+name, Policy{without}) {
					return
				}
			}
		}
	}
}

// parts returns what is left of the statement without one of its parts: nothing, if that was its only action.
func (s statement) parts() iter.Seq2[string, []statement] {
	return func(yield func(string, []statement) bool) {
		each := func(list []string, field func(*statement) *[]string) bool {
			for i, name := range list {
				rest := s
				*field(&rest) = slices.Delete(slices.Clone(list), i, i+1)
				if !yield(name, []statement{rest}) {
					return false
				}
			}
			return true
		}
		if len(s.actions) == 1 {
			if !yield(s.actions[0], nil) {
				return
			}
		} else if !each(s.actions, func(s *statement) *[]string { return &s.actions }) {
			return
		}
		if len(s.resources) > 1 && !each(s.resources, func(s *statement) *[]string { return &s.resources }) ||
			len(s.principals) > 1 && !each(s.principals, func(s *statement) *[]string { return &s.principals }) {
			return
		}
		for i, c := range s.conditions {
			values := func(s *statement) *[]string {
				s.conditions = slices.Clone(s.conditions)
				return &s.conditions[i].values
			}
			if len(c.values) > 1 && !each(c.values, values) {
				return
			}
		}
	}
}

func (s statement) covers(action, resource string, context Context) bool {
	matches := func(patterns []string, value string) bool {
		return slices.ContainsFunc(patterns, func(p string) bool { return Like(p, value) })
	}
	lower := make([]string, len(s.actions))
	for i, a := range s.actions {
		lower[i] = strings.ToLower(a)
	}
	if !matches(lower, strings.ToLower(action)) || !matches(s.resources, resource) {
		return false
	}
	return !slices.ContainsFunc(s.conditions, func(c condition) bool {
		return !operators[c.operator](context[c.key], c.values)
	})
}

// Like matches * and ? as IAM does.
func Like(pattern, value string) bool {
	head, rest, star := strings.Cut(pattern, "*")
	if len(value) < len(head) {
		return false
	}
	for i := range len(head) {
		if head[i] != '?' && head[i] != value[i] {
			return false
		}
	}
	value = value[len(head):]
	if !star {
		return value == ""
	}
	for i := range len(value) + 1 {
		if Like(rest, value[i:]) {
			return true
		}
	}
	return false
}

func field(v any, name string) any {
	m, _ := v.(map[string]any)
	return m[name]
}

// list reads one element as a list of one, as policies may be written.
func list(v any) []any {
	switch v := v.(type) {
	case nil:
		return nil
	case []any:
		return v
	default:
		return []any{v}
	}
}

func texts(v any) []string {
	var out []string
	for _, item := range list(v) {
		out = append(out, fmt.Sprint(item))
	}
	return out
}
