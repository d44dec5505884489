package cfn

import (
	"bytes"
	"errors"
	"fmt"
	"io"
	"regexp"
	"slices"
	"strconv"
	"strings"

	"go.yaml.in/yaml/v3"
)

// decode turns a template into plain values, the short forms (!Ref, !Sub, …)
// into their long ones.
func decode(data []byte, without func(loop, name string) bool) (*yaml.Node, map[string]any, error) {
	decoder := yaml.NewDecoder(bytes.NewReader(data))
	var document yaml.Node
	p := &problems{}
	if err := decoder.Decode(&document); err != nil {
		return nil, nil, syntax(err)
	}
	var second yaml.Node
	switch err := decoder.Decode(&second); {
	case errors.Is(err, io.EOF):
	case err != nil:
		return nil, nil, syntax(err)
	default:
		p.at(second.Content[0], "a template is one YAML document, and a second begins here")
		return nil, nil, p.err()
	}
	if without != nil {
		prune(document.Content[0], without)
	}
	template, ok := value(p, document.Content[0]).(map[string]any)
	if !ok {
		p.add("", "a template is a mapping of sections")
	}
	return document.Content[0], template, p.err()
}

var yamlError = regexp.MustCompile(`^yaml: (?:line (\d+): )?(.*)`)

// syntax reads the line out of the YAML parser's error, which has it as text only.
func syntax(err error) error {
	problem := Problem{Text: "this is not YAML: " + err.Error(), Syntax: true}
	if found := yamlError.FindStringSubmatch(err.Error()); found != nil {
		problem.Line, _ = strconv.Atoi(found[1])
		problem.Text = "this is not YAML: " + found[2]
	}
	return TemplateError{problem}
}

func value(p *problems, n *yaml.Node) any {
	if strings.HasPrefix(n.Tag, "!") && !strings.HasPrefix(n.Tag, "!!") {
		return short(p, n)
	}
	return plain(p, n)
}

func plain(p *problems, n *yaml.Node) any {
	switch n.Kind {
	case yaml.MappingNode:
		m := make(map[string]any, len(n.Content)/2)
		for i := 0; i < len(n.Content); i += 2 {
			key := n.Content[i]
			if key.Kind != yaml.ScalarNode || key.Tag == "!!merge" || !strings.HasPrefix(key.Tag, "!!") {
				p.at(key, "only a plain key is allowed here")
				continue
			}
			if _, twice := m[key.Value]; twice {
				first, _ := child(n, key.Value)
				p.at(key, "duplicate key %s; the first is in line %d", key.Value, first.Line)
			}
			m[key.Value] = value(p, n.Content[i+1])
		}
		return m
	case yaml.SequenceNode:
		list := make([]any, 0, len(n.Content))
		for _, item := range n.Content {
			list = append(list, value(p, item))
		}
		return list
	case yaml.ScalarNode:
		return scalar(p, n)
	default:
		// SAM CLI and CloudFormation resolve anchors differently.
		p.at(n, "anchors and aliases are not allowed in a template")
		return nil
	}
}

func scalar(p *problems, n *yaml.Node) any {
	switch n.Tag {
	case "!!int", "!!float", "!!bool", "!!null":
		var v any
		if err := n.Decode(&v); err != nil {
			p.at(n, "%s is not a value: %v", n.Value, err)
		}
		return v
	default: // a date such as a policy's Version stays text
		return n.Value
	}
}

// short resolves a tagged node such as !GetAtt Queue.Arn.
func short(p *problems, n *yaml.Node) any {
	name := strings.TrimPrefix(n.Tag, "!")
	bare := *n
	bare.Tag = ""
	if n.Kind == yaml.ScalarNode {
		bare.Tag = "!!str"
	}
	argument := plain(p, &bare)
	switch name {
	case "Ref", "Condition":
		return map[string]any{name: argument}
	case "GetAtt":
		if text, ok := argument.(string); ok {
			id, attribute, _ := strings.Cut(text, ".")
			argument = []any{id, attribute}
		}
	}
	return map[string]any{functionPrefix + name: argument}
}

// Locate finds what the template says at a path of keys and indexes, such as
// "Mappings", "Jobs", "DailyReport", "Call". Of a path that is not there it finds
// the deepest part that is, and ok is false. key is nil for an entry of a list.
func (s *Stack) Locate(path ...string) (key, value *yaml.Node, ok bool) {
	value = s.document
	for _, part := range path {
		k, v := child(value, part)
		if v == nil {
			return key, value, false
		}
		key, value = k, v
	}
	return key, value, value != nil
}

// child finds a key of a mapping, an entry of a list, or a variable of a !Sub.
func child(n *yaml.Node, name string) (key, value *yaml.Node) {
	if n == nil {
		return nil, nil
	}
	switch n.Kind {
	case yaml.MappingNode:
		for i := 0; i+1 < len(n.Content); i += 2 {
			if n.Content[i].Value == name {
				return n.Content[i], n.Content[i+1]
			}
		}
	case yaml.SequenceNode:
		if variable, ok := strings.CutPrefix(name, "${"); ok && len(n.Content) == 2 {
			return child(n.Content[1], strings.TrimSuffix(variable, "}"))
		}
		if i, err := strconv.Atoi(name); err == nil && i >= 0 && i < len(n.Content) {
			return nil, n.Content[i]
		}
	}
	return nil, nil
}

// position finds the line of a place as problems name it: Resources.Queue.Properties.Tags[0].
func (s *Stack) position(where string) (line, column int) {
	var path []string
	for part := range strings.SplitSeq(strings.ReplaceAll(where, "[", ".["), ".") {
		path = append(path, strings.Trim(part, "[]"))
	}
	if len(path) > 1 {
		if o, ok := s.origins[path[0]+"."+path[1]]; ok {
			path = append(slices.Clone(o.path), path[2:]...)
		}
	}
	key, value, ok := s.Locate(path...)
	switch {
	case key != nil:
		return key.Line, key.Column
	case ok:
		return value.Line, value.Column
	default:
		return 0, 0
	}
}

// Origin reports which item of which loop made a resource. Of what no loop made ok is false.
func (s *Stack) Origin(logicalID string) (loop, item string, ok bool) {
	o, ok := s.origins["Resources."+logicalID]
	return o.loop, o.item, ok
}

// Written is the path, for Locate, of a resource that a loop made, or nil.
func (s *Stack) Written(logicalID string) []string {
	return slices.Clone(s.origins["Resources."+logicalID].path)
}

// origin is where an entry of a section comes from that a loop made.
type origin struct {
	loop, item string
	path       []string
}

// Problem is one thing that is wrong with a template.
type Problem struct {
	Where        string // Resources.Queue.Properties.Tags; "" for the template as such
	Text         string
	Line, Column int  // from 1; 0 where it is not known
	Syntax       bool // the template is not YAML
}

func (p Problem) String() string {
	switch {
	case p.Where != "":
		return p.Where + ": " + p.Text
	case p.Line > 0:
		return fmt.Sprintf("line %d: %s", p.Line, p.Text)
	default:
		return p.Text
	}
}

// TemplateError is the error of Parse: everything that is wrong with a template.
type TemplateError []Problem

func (p TemplateError) Error() string {
	lines := make([]string, len(p))
	for i, problem := range p {
		lines[i] = problem.String()
	}
	return strings.Join(lines, "\n")
}

// problems collects what is wrong, each once.
type problems struct {
	list   TemplateError
	locate func(where string) (line, column int)
}

func (p *problems) add(where, format string, args ...any) {
	problem := Problem{Where: where, Text: fmt.Sprintf(format, args...)}
	if p.locate != nil {
		problem.Line, problem.Column = p.locate(where)
	}
	p.keep(problem)
}

func (p *problems) at(n *yaml.Node, format string, args ...any) {
	p.keep(Problem{Text: fmt.Sprintf(format, args...), Line: n.Line, Column: n.Column})
}

func (p *problems) keep(problem Problem) {
	if !slices.Contains(p.list, problem) {
		p.list = append(p.list, problem)
	}
}

func (p *problems) err() error {
	if len(p.list) == 0 {
		return nil
	}
	return p.list
}

// prune removes rows of mappings from a document, and their names from the lists of their loops. The rest keeps its
// lines.
func prune(document *yaml.Node, without func(loop, name string) bool) {
	_, resources := child(document, "Resources")
	_, mappings := child(document, "Mappings")
	if resources == nil || mappings == nil {
		return
	}
	for i := 0; i+1 < len(resources.Content); i += 2 {
		loop, ok := strings.CutPrefix(resources.Content[i].Value, loopPrefix)
		if !ok {
			continue
		}
		if _, list := child(resources.Content[i+1], "1"); list != nil {
			list.Content = slices.DeleteFunc(list.Content, func(n *yaml.Node) bool { return without(loop, n.Value) })
		}
		if _, rows := child(mappings, loop); rows != nil && rows.Kind == yaml.MappingNode {
			var kept []*yaml.Node
			for j := 0; j+1 < len(rows.Content); j += 2 {
				if !without(loop, rows.Content[j].Value) {
					kept = append(kept, rows.Content[j], rows.Content[j+1])
				}
			}
			rows.Content = kept
		}
	}
}
