// Package cfn reads a CloudFormation template offline and resolves it as AWS
// would for one stack: the loops, maps and defaults of AWS::LanguageExtensions,
// parameters, conditions, and names and ARNs of the shape that AWS uses.
//
// It is not an emulator: it creates nothing. What it does not know (a resource type, an
// attribute, what another stack exports) becomes an unknown value:
// a template may hold more than what this repository ships.
package cfn

import (
	"cmp"
	"fmt"
	"maps"
	"os"
	"slices"
	"strings"

	"go.yaml.in/yaml/v3"
)

// Options say for which stack a template is resolved. Empty fields get defaults.
type Options struct {
	StackName  string // "cronbearer"
	Region     string // "eu-west-1"
	AccountID  string // "123456789012"
	Partition  string // "aws"
	Parameters map[string]string
	// Guess makes up a value for each parameter that has neither a default nor one in Parameters, and passes over those in
	// Parameters that the template does not have.
	Guess bool
	// Without reports what to leave out: a row of a mapping that is looped over, and its name in the loop's list.
	Without func(loop, name string) bool
}

// Stack is a template resolved for one stack.
type Stack struct {
	StackName  string
	Region     string
	AccountID  string
	Partition  string
	Parameters map[string]Parameter
	Values     map[string]string // the parameters' values: given, or default
	Mappings   map[string]map[string]map[string]any
	Resources  map[string]Resource
	Outputs    map[string]any

	document *yaml.Node
	expanded map[string]any
	loops    map[string][]string
	origins  map[string]origin // of what loops made, by section and logical id
	ids      map[string]string
}

// Resource is one resource, its properties resolved to plain values:
// map[string]any, []any, string, bool, int and float64.
type Resource struct {
	LogicalID           string
	Type                string
	Properties          map[string]any
	DependsOn           []string
	DeletionPolicy      string
	UpdateReplacePolicy string
	Metadata            map[string]any
}

// Load reads and resolves the template at path and reports every problem at once.
func Load(path string, o Options) (*Stack, error) {
	data, err := os.ReadFile(path)
	if err != nil {
		return nil, fmt.Errorf("read template: %w", err)
	}
	stack, err := Parse(data, o)
	if err != nil {
		return stack, fmt.Errorf("%s: %w", path, err)
	}
	return stack, nil
}

// Parse resolves a template, YAML or JSON, and reports every problem at once.
// The error is a TemplateError. Next to an error the stack, if there is one, has the parameters, mappings and
// loops that could be read, for a reader who can say more of the mistake.
func Parse(data []byte, o Options) (*Stack, error) {
	document, template, err := decode(data, o.Without)
	if err != nil {
		return nil, err
	}
	s := &Stack{
		StackName: cmp.Or(o.StackName, "cronbearer"),
		Region:    cmp.Or(o.Region, "eu-west-1"),
		AccountID: cmp.Or(o.AccountID, "123456789012"),
		Partition: cmp.Or(o.Partition, "aws"),
		Resources: map[string]Resource{},
		Outputs:   map[string]any{},
		expanded:  template,
		document:  document,
		loops:     map[string][]string{},
		origins:   map[string]origin{},
		ids:       map[string]string{},
	}
	p := &problems{locate: s.position}
	for _, section := range slices.Sorted(maps.Keys(template)) {
		if !slices.Contains(sections, section) {
			p.add(section, "CloudFormation knows no such section")
		}
	}
	s.readParameters(p, o)
	s.readMappings(p)
	for _, section := range []string{"Conditions", "Resources", "Outputs"} {
		s.expandLoops(p, section)
	}
	// What follows would only repeat a mistake above under many names.
	if err := p.err(); err != nil {
		return s, err
	}
	r := newResolver(s, p)
	r.resources()
	r.outputs()
	return s, p.err()
}

var sections = []string{
	"AWSTemplateFormatVersion", "Conditions", "Description", "Globals", "Hooks", "Mappings", "Metadata", "Outputs",
	"Parameters", "Resources", "Rules", "Transform",
}

// Sections are the names of a template's sections.
func Sections() []string { return slices.Clone(sections) }

// OfType returns the resources of a type, sorted by logical id.
func (s *Stack) OfType(t string) []Resource {
	var found []Resource
	for _, id := range slices.Sorted(maps.Keys(s.Resources)) {
		if s.Resources[id].Type == t {
			found = append(found, s.Resources[id])
		}
	}
	return found
}

// Ref returns the physical id that a Ref to a resource resolves to, or "" when
// the stack has no such resource.
func (s *Stack) Ref(logicalID string) string { return s.ids[logicalID] }

// Attribute returns what Fn::GetAtt of a resource resolves to, or "" when the stack has no such resource or attribute.
func (s *Stack) Attribute(logicalID, attribute string) string {
	text, _ := newResolver(s, &problems{}).attribute("", logicalID, attribute).(string)
	return text
}

// Loop returns the literal list of Fn::ForEach::<name>.
func (s *Stack) Loop(name string) []string { return slices.Clone(s.loops[name]) }

// Section returns a section of the template with its loops expanded and nothing
// else resolved. It must not be changed.
func (s *Stack) Section(name string) map[string]any {
	section, _ := s.expanded[name].(map[string]any)
	return section
}

// alphanumeric is the alphabet of logical ids and of a mapping's keys.
func alphanumeric(s string) bool {
	return s != "" && strings.IndexFunc(s, func(r rune) bool {
		return (r < '0' || r > '9') && (r < 'A' || r > 'Z') && (r < 'a' || r > 'z')
	}) < 0
}
