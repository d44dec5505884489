// Package lint finds what is wrong with the user's template before AWS does, or in place of AWS, which would not: a job
// that no list names, an event that the caller rejects, a time zone that does not exist, a token pasted where the name
// of its secret belongs.
//
// The template belongs to the user. Looked at are its rows, what the rows become, and what the application cannot do
// without: what CloudFormation, SQS or CloudWatch would reject, and an alarm for each token and job. Everything else
// may be as its owner likes; a resource that is no longer as shipped is a note. What cfn-lint finds is left to
// cfn-lint.
package lint

import (
	"cmp"
	"errors"
	"fmt"
	"maps"
	"slices"
	"strings"
	"time"

	"go.yaml.in/yaml/v3"

	"github.com/cronbearer/cronbearer/internal/dev/cfn"
	"github.com/cronbearer/cronbearer/internal/hosts"
)

// Options say what the template is checked for.
type Options struct {
	// Stack is what it will be deployed as. Parameters without a value get one, AllowedHosts only if Deploy is not set.
	Stack cfn.Options
	// SecretHosts are the hosts that the secrets of tokens allow, of those tokens whose secret is known.
	SecretHosts map[string]hosts.List
	// Asked: AllowedHosts is asked for at deployment, so that it need not be known yet.
	Asked bool
	// Deploy also rejects hosts that no one can own (RFC 2606, RFC 6761).
	Deploy bool
	// Now is the moment after which every schedule must still start a run.
	Now time.Time
}

// Severity says how much a problem matters.
type Severity int

// A Mistake must be fixed. A Warning is allowed, and seldom meant. A Note is for information.
const (
	Mistake Severity = iota
	Warning
	Note
)

// Problem is one thing about the template that its owner should know.
type Problem struct {
	Severity     Severity
	Place        string // Jobs.DailyReport, Resources.Caller; "" for the template as such
	Key          string // SilentAfter; "" for the place as such
	Text         string // what is wrong
	Fix          string // what to do; "" where Text says it
	Line, Column int    // from 1, in characters
	Unread       bool   // the template cannot be read because of it, so that nothing else was checked
}

func (s Severity) String() string {
	return map[Severity]string{Mistake: "error", Warning: "warning", Note: "note"}[s]
}

// Where is the place with its key: Jobs.DailyReport.SilentAfter; "" for the template as such.
func (p Problem) Where() string {
	if p.Place == "" || p.Key == "" {
		return p.Place + p.Key
	}
	return p.Place + "." + p.Key
}

// Message is the problem without its position and its severity.
func (p Problem) Message() string {
	text := p.Text
	if where := p.Where(); where != "" {
		text = where + ": " + text
	}
	if p.Fix != "" {
		text += ": " + p.Fix
	}
	return text
}

// String is the problem as a line without its position.
func (p Problem) String() string {
	if p.Severity == Mistake {
		return p.Message()
	}
	return p.Severity.String() + ": " + p.Message()
}

// In is the problem as editors and terminals jump to it: file:line:column: error: text.
func (p Problem) In(file string) string {
	return fmt.Sprintf("%s:%d:%d: %s: %s", file, max(p.Line, 1), max(p.Column, 1), p.Severity, p.Message())
}

// Template returns everything about a template that its owner should know, in the order of its lines, each mistake
// once.
func Template(data []byte, o Options) []Problem {
	c := &checker{options: o}
	stack, err := cfn.Parse(data, c.guessed())
	var found cfn.TemplateError
	errors.As(err, &found)
	if stack == nil {
		c.unread(data, found)
		return c.sorted()
	}
	c.stack = stack
	c.rows(data)
	c.unresolved(found)
	if len(stack.Resources) == 0 {
		c.rest(data)
	}
	if len(c.stack.Resources) > 0 {
		c.jobs()
		c.safety(data)
	}
	if c.mistakes() == 0 {
		c.departures()
	}
	return c.sorted()
}

// rest reads the template without the rows that have a mistake, so that this does not hide the mistakes of the others.
func (c *checker) rest(data []byte) {
	broken := maps.Clone(c.broken)
	o := c.guessed()
	o.Without = func(loop, name string) bool {
		_, there := c.blocks[loop][name]
		token, _ := c.stack.Mappings[loop][name]["Token"].(string)
		return broken[loop+"."+name] || (loop == tokens || loop == jobs) && !there || loop == jobs && broken[tokens+"."+token]
	}
	stack, err := cfn.Parse(data, o)
	if stack == nil || len(stack.Resources) == 0 {
		return
	}
	var found cfn.TemplateError
	errors.As(err, &found)
	for name := range c.blocks[jobs] {
		c.broken[jobs+"."+name] = o.Without(jobs, name)
	}
	c.stack = stack
	c.unresolved(found)
}

// allowedHosts is the parameter that has no default.
const allowedHosts = "AllowedHosts"

// guessed adds values for parameters that only a deployment sets.
func (c *checker) guessed() cfn.Options {
	o := c.options.Stack
	o.Guess = true
	o.Parameters = map[string]string{}
	if !c.options.Deploy || c.options.Asked {
		o.Parameters[allowedHosts] = "api.example.com"
	}
	maps.Copy(o.Parameters, c.options.Stack.Parameters)
	return o
}

type checker struct {
	options  Options
	stack    *cfn.Stack
	problems []Problem
	blocks   map[string]map[string]block // by mapping and name
	lists    map[string][]*yaml.Node     // the names in a loop's list
	lines    []string
	// rows with a mistake, as Jobs.DailyReport: what follows from them is not reported
	broken map[string]bool
	// unclear are the rows whose meaning to YAML is not the intended one
	unclear map[string]bool
	// displaced are rows that are where mappings belong
	displaced map[string]bool
}

// block is one row of the template as it is written.
type block struct{ key, value *yaml.Node }

func (c *checker) add(p Problem) {
	if p.Severity == Mistake {
		c.broken[p.Place] = true
	}
	if p.Line == 0 {
		p.Line, p.Column = c.position(p)
	}
	p.Place, p.Key = Concealed(p.Place), Concealed(p.Key)
	p.Text, p.Fix = Concealed(p.Text), Concealed(p.Fix)
	if !slices.Contains(c.problems, p) {
		c.problems = append(c.problems, p)
	}
}

// position is where a problem without a place of its own belongs: the deepest part of its place that the template has.
func (c *checker) position(p Problem) (line, column int) {
	if c.stack == nil {
		return 1, 1
	}
	path := strings.Split(p.Place, ".")
	if path[0] == jobs || path[0] == tokens {
		path = append([]string{"Mappings"}, path...)
	}
	key, value, _ := c.stack.Locate(append(path, p.Key)...)
	n := cmp.Or(key, value)
	return n.Line, n.Column
}

// at adds a problem at a node of the template.
func (c *checker) at(n *yaml.Node, p Problem) {
	if n != nil {
		p.Line, p.Column = n.Line, n.Column
	}
	c.add(p)
}

// resource adds a problem of a resource, at one of its properties if it has it.
func (c *checker) resource(id, property string, p Problem) {
	path := []string{"Resources", id}
	if written := c.stack.Written(id); written != nil {
		path = written
	}
	if property != "" {
		path = append(path, "Properties", property)
	}
	key, value, _ := c.stack.Locate(path...)
	p.Place = "Resources." + id
	c.at(cmp.Or(key, value), p)
}

func (c *checker) mistakes() int {
	n := 0
	for _, p := range c.problems {
		if p.Severity == Mistake {
			n++
		}
	}
	return n
}

func (c *checker) sorted() []Problem {
	slices.SortStableFunc(c.problems, func(a, b Problem) int {
		return cmp.Or(
			cmp.Compare(max(a.Severity, Warning), max(b.Severity, Warning)), cmp.Compare(a.Line, b.Line),
			cmp.Compare(a.Column, b.Column),
		)
	})
	return c.problems
}

// unresolved adds what package cfn says, but for what follows from rows that are reported already: a name without its
// block is missed in a dozen places. What a loop makes of each of its rows is one mistake, not one a row.
func (c *checker) unresolved(found cfn.TemplateError) {
	seen := map[[2]int]bool{}
	for _, f := range found {
		_, name := cut(f.Where)
		name, _ = cut(name)
		_, _, looped := c.stack.Origin(name)
		if position := [2]int{f.Line, f.Column}; c.follows(f.Where) || looped && seen[position] {
			continue
		}
		seen[[2]int{f.Line, f.Column}] = true
		p := Problem{Place: f.Where, Text: f.Text, Line: f.Line, Column: f.Column}
		if meant := near(f.Where, cfn.Sections()); strings.HasSuffix(f.Text, "no such section") && meant != "" {
			p.Fix = "did you mean " + meant + "?"
		}
		c.add(p)
	}
}

// follows reports whether a place is made of a row that has a mistake, or by a loop that has one.
func (c *checker) follows(where string) bool {
	section, rest := cut(where)
	name, _ := cut(rest)
	if section == "Mappings" && (name == tokens || name == jobs || c.displaced[name]) {
		return true // rows says it better
	}
	if loop, ok := strings.CutPrefix(name, "Fn::ForEach::"); ok &&
		slices.ContainsFunc(c.lists[loop], func(n *yaml.Node) bool {
			return c.broken[loop+"."+n.Value]
		}) {
		return true
	}
	if c.broken[section+"."+name] {
		return true
	}
	loop, item, ok := c.stack.Origin(name)
	return ok && section != "Parameters" && c.skipped(loop, item)
}

// cut splits the first part off a place such as Resources.Queue.Tags[0].
func cut(where string) (first, rest string) {
	first, rest, _ = strings.Cut(where, ".")
	first, _, _ = strings.Cut(first, "[")
	return first, rest
}

// skipped reports whether a row, or the token of a job, has a mistake.
func (c *checker) skipped(mapping, name string) bool {
	if c.broken[mapping+"."+name] {
		return true
	}
	token, _ := c.stack.Mappings[jobs][name]["Token"].(string)
	return mapping == jobs && c.broken[tokens+"."+token]
}

// at walks into resolved properties; what is not there is nil.
func at(v any, path ...string) any {
	for _, key := range path {
		m, _ := v.(map[string]any)
		v = m[key]
	}
	return v
}

func textAt(v any, path ...string) string {
	s, _ := at(v, path...).(string)
	return s
}

func listAt(v any, path ...string) []any {
	switch v := at(v, path...).(type) {
	case nil:
		return nil
	case []any:
		return v
	default:
		return []any{v}
	}
}

// numberAt is 0 where there is no number.
func numberAt(v any, path ...string) float64 {
	n, _ := cfn.Number(at(v, path...))
	return n
}

func quoted(text string) string { return fmt.Sprintf("%q", text) }
