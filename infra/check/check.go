// Package check finds what is wrong with the template before AWS does, or in
// place of AWS, which would not: a job that no list names, an event that the
// caller refuses, a time zone that does not exist, an alarm that cannot ring.
//
// Its checks look at the template resolved by package cfn. What cfn-lint finds
// (unknown properties, wrong types) is left to cfn-lint.
package check

import (
	"fmt"
	"maps"
	"slices"
	"strings"
	"time"

	"github.com/cronbearer/cronbearer/infra/cfn"
)

// Options say what the template is checked for.
type Options struct {
	// Stack is what it will be deployed as. AllowedHosts, which has no default,
	// may be missing unless Deploy is set.
	Stack cfn.Options
	// Deploy also refuses hosts that nobody can own (RFC 2606, RFC 6761).
	Deploy bool
	// Now is the moment after which every schedule must still start a run.
	Now time.Time
}

// allowedHosts is the parameter that has no default.
const allowedHosts = "AllowedHosts"

// Template returns everything that is wrong with a template, each as a sentence
// that names the place.
func Template(data []byte, o Options) []string {
	c := &checker{options: o}
	o.Stack.Parameters = withHosts(o.Stack.Parameters, o.Deploy)
	stack, err := cfn.Parse(data, o.Stack)
	if stack != nil {
		c.stack = stack
		c.rows()
	}
	if err != nil {
		c.unresolved(err)
		return c.problems
	}
	c.text(data)
	c.jobs()
	c.tokens()
	c.application()
	c.variants(data, o.Stack)
	if o.Deploy {
		c.deployable()
	}
	return c.problems
}

func withHosts(given map[string]string, deploy bool) map[string]string {
	parameters := map[string]string{}
	if !deploy {
		parameters[allowedHosts] = "api.example.com"
	}
	maps.Copy(parameters, given)
	return parameters
}

type checker struct {
	options  Options
	stack    *cfn.Stack
	problems []string
	broken   map[string]bool // names of rows whose problem is told already
}

func (c *checker) add(where, format string, args ...any) {
	problem := where + ": " + fmt.Sprintf(format, args...)
	if !slices.Contains(c.problems, problem) {
		c.problems = append(c.problems, problem)
	}
}

// unresolved adds what package cfn says, but for what follows from rows that are
// reported already: a name without its block is missed in a dozen places.
func (c *checker) unresolved(err error) {
	for line := range strings.SplitSeq(err.Error(), "\n") {
		if len(c.broken) > 0 && (strings.Contains(line, "the mapping "+jobs+" has no ") || strings.Contains(line, "the mapping "+tokens+" has no ")) {
			continue
		}
		if !slices.Contains(c.problems, line) {
			c.problems = append(c.problems, line)
		}
	}
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
	list, _ := at(v, path...).([]any)
	return list
}

// numberAt is 0 where there is no number.
func numberAt(v any, path ...string) float64 {
	n, _ := cfn.Number(at(v, path...))
	return n
}
