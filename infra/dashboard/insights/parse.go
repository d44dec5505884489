// Package insights reads and runs the part of the CloudWatch Logs Insights query language that this repository's
// queries use, over log lines in memory. It is a model: it refuses what it does not know, and only CloudWatch Logs can
// say how it takes a query.
package insights

import (
	"errors"
	"fmt"
	"regexp"
	"slices"
	"strconv"
	"strings"
	"time"
)

// Query is a query that was read.
type Query struct {
	Sources []string // log groups, of a query that names them itself

	commands []command
	fields   []string
	aliases  []string
}

// Fields are the fields of log lines that the query uses, each once, in their order.
func (q Query) Fields() []string { return slices.Clone(q.fields) }

type command struct {
	verb    string // filter, fields, stats, sort, limit
	where   node
	columns []column // of fields and stats
	by      []column // of stats
	order   []order
	limit   int
}

type column struct {
	name string
	node node
}

type order struct {
	node       node
	descending bool
}

// node is an expression: a literal (op "value"), a field (op "field"), or an operator or function over args.
type node struct {
	op    string
	value any // string, float64, *regexp.Regexp or time.Duration
	args  []node
}

// arity is how many arguments a function takes: least and most.
var (
	functions  = map[string][2]int{"strcontains": {2, 2}, "ispresent": {1, 1}, "bin": {1, 1}}
	aggregates = map[string][2]int{"count": {1, 1}, "sum": {1, 1}, "min": {1, 1}, "max": {1, 1}, "avg": {1, 1}, "pct": {2, 2}, "latest": {1, 1}, "earliest": {1, 1}}
)

// lexeme: a comment, a string, a regular expression (after "like" only), a duration or number, a name, an operator.
var lexeme = regexp.MustCompile(`^(?:#[^\n]*|\s+|"[^"\\\n]*"|'[^'\\\n]*'|/(?:[^/\\\n]|\\.)+/|[0-9]+(?:\.[0-9]+)?(?:ms|[smhd])?|[@A-Za-z_][A-Za-z0-9_.@]*|!=|<=|>=|[=<>()\[\],|*])`)

type parser struct {
	query Query
	rest  []string
}

// Parse reads a query.
func Parse(text string) (Query, error) {
	p := &parser{}
	for at := text; at != ""; {
		found := lexeme.FindString(at)
		if found == "" {
			return Query{}, fmt.Errorf("query: cannot read %.20q", at)
		}
		if trimmed := strings.TrimSpace(found); trimmed != "" && trimmed[0] != '#' {
			p.rest = append(p.rest, trimmed)
		}
		at = at[len(found):]
	}
	for {
		if err := p.command(); err != nil {
			return Query{}, fmt.Errorf("query: %w", err)
		}
		if len(p.rest) == 0 {
			return p.query, nil
		}
		if !p.take("|") {
			return Query{}, fmt.Errorf("query: %q where a | should be", p.rest[0])
		}
	}
}

func (p *parser) next() string {
	if len(p.rest) == 0 {
		return ""
	}
	word := p.rest[0]
	p.rest = p.rest[1:]
	return word
}

func (p *parser) take(word string) bool {
	if len(p.rest) == 0 || p.rest[0] != word {
		return false
	}
	p.rest = p.rest[1:]
	return true
}

func (p *parser) command() (err error) {
	c := command{verb: p.next()}
	switch c.verb {
	case "SOURCE":
		name := p.next()
		if len(name) < 3 || name[0] != '\'' {
			return fmt.Errorf("%q is no log group in quotes", name)
		}
		p.query.Sources = append(p.query.Sources, strings.Trim(name, "'"))
		return nil
	case "filter":
		c.where, err = p.either()
	case "fields":
		c.columns, err = p.columns(functions)
	case "stats":
		if c.columns, err = p.columns(aggregates); err == nil && p.take("by") {
			c.by, err = p.columns(functions)
		}
	case "sort":
		c.order, err = p.orders()
	case "limit":
		if c.limit, err = strconv.Atoi(p.next()); err == nil && (c.limit < 1 || c.limit > 10000) {
			err = fmt.Errorf("limit %d is not from 1 to 10000", c.limit)
		}
	default:
		return fmt.Errorf("this package knows no command %q", c.verb)
	}
	if c.verb == "stats" {
		p.query.aliases = nil // what stats makes is all that is left
	}
	for _, made := range slices.Concat(c.columns, c.by) {
		p.query.aliases = append(p.query.aliases, made.name)
	}
	p.query.commands = append(p.query.commands, c)
	return err
}

func (p *parser) columns(known map[string][2]int) ([]column, error) {
	var list []column
	for {
		from := p.rest
		n, err := p.primary(known)
		if err != nil {
			return nil, err
		}
		c := column{strings.Join(from[:len(from)-len(p.rest)], ""), n}
		if p.take("as") {
			c.name = p.next()
			if !plainName.MatchString(c.name) {
				return nil, fmt.Errorf("%q is no name for a column", c.name)
			}
		}
		list = append(list, c)
		if !p.take(",") {
			return list, nil
		}
	}
}

var plainName = regexp.MustCompile(`^[A-Za-z_][A-Za-z0-9_]*$`)

func (p *parser) orders() ([]order, error) {
	var list []order
	for {
		n, err := p.primary(functions)
		if err != nil {
			return nil, err
		}
		o := order{node: n, descending: p.take("desc")}
		if !o.descending {
			p.take("asc")
		}
		list = append(list, o)
		if !p.take(",") {
			return list, nil
		}
	}
}

func (p *parser) either() (node, error) { return p.chain("or", p.both) }
func (p *parser) both() (node, error)   { return p.chain("and", p.comparison) }

func (p *parser) chain(word string, operand func() (node, error)) (node, error) {
	n, err := operand()
	for err == nil && p.take(word) {
		var right node
		right, err = operand()
		n = node{op: word, args: []node{n, right}}
	}
	return n, err
}

func (p *parser) comparison() (node, error) {
	if p.take("(") {
		n, err := p.either()
		if err == nil && !p.take(")") {
			err = errors.New("a ) is missing")
		}
		return n, err
	}
	left, err := p.primary(functions)
	if err != nil || len(p.rest) == 0 {
		return left, err
	}
	switch operator := p.rest[0]; operator {
	case "=", "!=", "<", "<=", ">", ">=", "like":
		p.next()
		right, err := p.primary(functions)
		return node{op: operator, args: []node{left, right}}, err
	case "in":
		p.next()
		return p.list(left)
	default:
		return left, nil
	}
}

func (p *parser) list(left node) (node, error) {
	n := node{op: "in", args: []node{left}}
	if !p.take("[") {
		return n, errors.New("in wants a list in brackets")
	}
	for {
		item, err := p.primary(functions)
		if err != nil {
			return n, err
		}
		n.args = append(n.args, item)
		if p.take("]") {
			return n, nil
		}
		if !p.take(",") {
			return n, errors.New("a ] is missing")
		}
	}
}

func (p *parser) primary(known map[string][2]int) (node, error) {
	word := p.next()
	if word == "" {
		return node{}, errors.New("the query ends too early")
	}
	switch first := word[0]; {
	case first == '"' || first == '\'':
		return node{op: "value", value: word[1 : len(word)-1]}, nil
	case first == '/':
		pattern, err := regexp.Compile(word[1 : len(word)-1])
		return node{op: "value", value: pattern}, err
	case '0' <= first && first <= '9':
		return number(word)
	case word == "*":
		return node{op: "*"}, nil
	case first != '@' && first != '_' && (first < 'A' || first > 'Z') && (first < 'a' || first > 'z'):
		return node{}, fmt.Errorf("%q where a field or a value should be", word)
	}
	if !p.take("(") {
		if !slices.Contains(p.query.aliases, word) && !slices.Contains(p.query.fields, word) {
			p.query.fields = append(p.query.fields, word)
		}
		return node{op: "field", value: word}, nil
	}
	return p.call(word, known)
}

func (p *parser) call(name string, known map[string][2]int) (node, error) {
	arity, ok := known[name]
	if !ok {
		return node{}, fmt.Errorf("this package knows no function %s here", name)
	}
	n := node{op: name}
	for !p.take(")") {
		if len(n.args) > 0 && !p.take(",") {
			return n, fmt.Errorf("%s( is not closed", name)
		}
		arg, err := p.primary(functions)
		if err != nil {
			return n, err
		}
		n.args = append(n.args, arg)
	}
	if len(n.args) < arity[0] || len(n.args) > arity[1] {
		return n, fmt.Errorf("%s takes %d arguments, not %d", name, arity[0], len(n.args))
	}
	return n, nil
}

func number(word string) (node, error) {
	text := strings.TrimRight(word, "smhd")
	n, err := strconv.ParseFloat(text, 64)
	if err != nil {
		return node{}, fmt.Errorf("%q is no number", word)
	}
	unit, ok := map[string]time.Duration{"ms": time.Millisecond, "s": time.Second, "m": time.Minute, "h": time.Hour, "d": 24 * time.Hour}[word[len(text):]]
	if !ok {
		return node{op: "value", value: n}, nil
	}
	return node{op: "value", value: time.Duration(n) * unit}, nil
}
