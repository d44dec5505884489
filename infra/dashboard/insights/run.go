package insights

import (
	"cmp"
	"encoding/json"
	"fmt"
	"maps"
	"math"
	"regexp"
	"slices"
	"strconv"
	"strings"
	"time"
)

// Line is a log line as CloudWatch Logs Insights finds it: fields of nested objects have dots in their names, and
// "@timestamp" is there as a number of milliseconds.
type Line map[string]any

// Flatten reads a line of JSON that was logged at a time.
func Flatten(at time.Time, text []byte) (Line, error) {
	var v map[string]any
	if err := json.Unmarshal(text, &v); err != nil {
		return nil, fmt.Errorf("log line: %w", err)
	}
	line := Line{"@timestamp": float64(at.UnixMilli()), "@message": string(text)}
	flatten(line, "", v)
	return line, nil
}

func flatten(line Line, prefix string, v any) {
	switch v := v.(type) {
	case map[string]any:
		for key, inner := range v {
			flatten(line, prefix+"."+key, inner)
		}
	case []any:
		for i, inner := range v {
			flatten(line, prefix+"."+strconv.Itoa(i), inner)
		}
	case nil:
	default:
		line[strings.TrimPrefix(prefix, ".")] = v
	}
}

// Table is what a query gives. A cell is nil, a string, a float64 or a bool.
type Table struct {
	Columns []string
	Rows    [][]any
}

// Run gives what the query finds in the lines.
func (q Query) Run(lines []Line) (Table, error) {
	rows := slices.Clone(lines)
	// Without a sort the newest come first.
	slices.SortStableFunc(rows, func(a, b Line) int { return compare(b["@timestamp"], a["@timestamp"]) })
	columns := []string{"@timestamp", "@message"}
	for _, c := range q.commands {
		switch c.verb {
		case "filter":
			rows = slices.DeleteFunc(rows, func(l Line) bool { return c.where.eval(l) != true })
		case "fields":
			columns, rows = names(c.columns), project(rows, c.columns)
		case "stats":
			columns, rows = slices.Concat(names(c.by), names(c.columns)), stats(rows, c)
		case "sort":
			slices.SortStableFunc(rows, func(a, b Line) int { return c.compare(a, b) })
		case "limit":
			rows = rows[:min(c.limit, len(rows))]
		default:
			return Table{}, fmt.Errorf("query: no command %q", c.verb)
		}
	}
	t := Table{Columns: columns}
	for _, l := range rows {
		cells := make([]any, len(columns))
		for i, name := range columns {
			cells[i] = l[name]
		}
		t.Rows = append(t.Rows, cells)
	}
	return t, nil
}

func (c command) compare(a, b Line) int {
	for _, o := range c.order {
		order := compare(o.node.eval(a), o.node.eval(b))
		if o.descending {
			order = -order
		}
		if order != 0 {
			return order
		}
	}
	return 0
}

func names(list []column) []string {
	var out []string
	for _, c := range list {
		out = append(out, c.name)
	}
	return out
}

// project adds the columns; the fields of the line can still be used, and sorted by, after it.
func project(rows []Line, list []column) []Line {
	out := make([]Line, len(rows))
	for i, l := range rows {
		made := maps.Clone(l)
		for _, c := range list {
			made[c.name] = c.node.eval(l)
		}
		out[i] = made
	}
	return out
}

func stats(rows []Line, c command) []Line {
	groups := map[string][]Line{}
	var keys []string
	for _, l := range rows {
		values := make([]any, len(c.by))
		for i, by := range c.by {
			values[i] = by.node.eval(l)
		}
		key := fmt.Sprintf("%#v", values)
		if _, ok := groups[key]; !ok {
			keys = append(keys, key)
		}
		groups[key] = append(groups[key], l)
	}
	var out []Line
	for _, key := range keys {
		made := Line{}
		for _, by := range c.by {
			made[by.name] = by.node.eval(groups[key][0])
		}
		for _, column := range c.columns {
			made[column.name] = column.node.aggregate(groups[key])
		}
		out = append(out, made)
	}
	return out
}

// aggregate is the value of a stats function over a group.
func (n node) aggregate(group []Line) any {
	if n.op == "count" && n.args[0].op == "*" {
		return float64(len(group))
	}
	var numbers []float64
	var first, last any
	var firstAt, lastAt any
	present := 0
	for _, l := range group {
		v := n.args[0].eval(l)
		if v == nil {
			continue
		}
		present++
		if x, ok := v.(float64); ok {
			numbers = append(numbers, x)
		}
		if at := l["@timestamp"]; lastAt == nil || compare(at, lastAt) > 0 {
			last, lastAt = v, at
		}
		if at := l["@timestamp"]; firstAt == nil || compare(at, firstAt) < 0 {
			first, firstAt = v, at
		}
	}
	slices.Sort(numbers)
	switch {
	case n.op == "count":
		return float64(present)
	case n.op == "latest":
		return last
	case n.op == "earliest":
		return first
	case len(numbers) == 0:
		return nil
	}
	sum := 0.0
	for _, x := range numbers {
		sum += x
	}
	switch n.op {
	case "sum":
		return sum
	case "avg":
		return sum / float64(len(numbers))
	case "min":
		return numbers[0]
	case "max":
		return numbers[len(numbers)-1]
	default: // pct
		share, _ := n.args[1].eval(nil).(float64)
		return numbers[max(int(math.Ceil(share/100*float64(len(numbers))))-1, 0)]
	}
}

func (n node) eval(l Line) any {
	switch n.op {
	case "value":
		return n.value
	case "field":
		name, _ := n.value.(string)
		return l[name]
	case "and":
		return n.args[0].eval(l) == true && n.args[1].eval(l) == true
	case "or":
		return n.args[0].eval(l) == true || n.args[1].eval(l) == true
	case "ispresent":
		return n.args[0].eval(l) != nil
	case "in":
		return slices.ContainsFunc(n.args[1:], func(item node) bool { return item.eval(l) == n.args[0].eval(l) })
	case "bin":
		width, _ := n.args[0].value.(time.Duration)
		at, _ := l["@timestamp"].(float64)
		return math.Floor(at/float64(width.Milliseconds())) * float64(width.Milliseconds())
	}
	left, right := n.args[0].eval(l), n.args[1].eval(l)
	if left == nil || right == nil {
		return false
	}
	order := compare(left, right)
	switch n.op {
	case "=":
		return order == 0
	case "!=":
		return order != 0
	case "<":
		return order < 0
	case "<=":
		return order <= 0
	case ">":
		return order > 0
	case ">=":
		return order >= 0
	case "like":
		if pattern, ok := right.(*regexp.Regexp); ok {
			return pattern.MatchString(fmt.Sprint(left))
		}
		return strings.Contains(fmt.Sprint(left), fmt.Sprint(right))
	default: // strcontains
		if strings.Contains(fmt.Sprint(left), fmt.Sprint(right)) {
			return 1.0
		}
		return 0.0
	}
}

// compare orders numbers as such and all else as text; what is missing comes first.
func compare(a, b any) int {
	x, xOK := a.(float64)
	y, yOK := b.(float64)
	switch {
	case a == nil || b == nil:
		return cmp.Compare(btoi(a != nil), btoi(b != nil))
	case xOK && yOK:
		return cmp.Compare(x, y)
	default:
		return strings.Compare(fmt.Sprint(a), fmt.Sprint(b))
	}
}

func btoi(b bool) int {
	if b {
		return 1
	}
	return 0
}
