// Package edit adds, changes and removes the jobs and tokens of a template by cutting bytes at the places of the
// YAML parser's nodes. It never encodes YAML it did not write, so comments, empty lines, quotes, columns and line
// ends stay as they are (yaml.v3 and its like change a quarter of the shipped template's lines).
//
// Each edit is read again before it is returned: everything but the row and its name in the lists must be what it
// was, and the row must be what was asked for. What is written in a form that cannot be cut is an error, never a
// guess. Whether a row makes sense is for package lint. Only Replace touches a file.
package edit

import (
	"errors"
	"fmt"
	"slices"
	"strings"

	"go.yaml.in/yaml/v3"

	"github.com/cronbearer/cronbearer/internal/dev/lint"
)

// The mappings with rows.
const (
	Jobs   = "Jobs"
	Tokens = "Tokens"
)

// Row is a job or a token.
type Row struct {
	Name string
	Keys []Key
}

// Key is a key of a row with its value.
type Key struct{ Name, Value string }

// Get returns the value of a key, "" if the row does not have it.
func (r Row) Get(key string) string {
	for _, k := range r.Keys {
		if k.Name == key {
			return k.Value
		}
	}
	return ""
}

// Has reports whether the row has a key.
func (r Row) Has(key string) bool {
	return slices.ContainsFunc(r.Keys, func(k Key) bool { return k.Name == key })
}

// FormError reports a template that is written in a way that is not cut.
type FormError struct {
	line int
	what string
}

func (e *FormError) Error() string {
	return fmt.Sprintf("line %d: %s, which the tool does not edit: edit it by hand", e.line, e.what)
}

// ErrExists and ErrMissing report that a row of the name is there already, or is not there.
var (
	ErrExists  = errors.New("there is a row of this name already")
	ErrMissing = errors.New("there is no row of this name")
)

// Rows returns the rows of a mapping in the order in which they are written.
func Rows(data []byte, mapping string) ([]Row, error) {
	s, err := read(data)
	if err != nil {
		return nil, err
	}
	rows, err := s.mapping(mapping)
	if err != nil {
		return nil, err
	}
	var found []Row
	for i := 0; i+1 < len(rows.Content); i += 2 {
		found = append(found, row(rows.Content[i], rows.Content[i+1]))
	}
	return found, nil
}

// Find returns a row of a mapping.
func Find(data []byte, mapping, name string) (Row, error) {
	rows, err := Rows(data, mapping)
	if err != nil {
		return Row{}, err
	}
	for _, r := range rows {
		if r.Name == name {
			return r, nil
		}
	}
	return Row{}, fmt.Errorf("%s: %w", name, ErrMissing)
}

func row(key, value *yaml.Node) Row {
	r := Row{Name: key.Value}
	for i := 0; value.Kind == yaml.MappingNode && i+1 < len(value.Content); i += 2 {
		r.Keys = append(r.Keys, Key{value.Content[i].Value, value.Content[i+1].Value})
	}
	return r
}

// Add writes a row below the last one of its mapping, and its name into the list of the loop.
func Add(data []byte, mapping string, r Row) ([]byte, error) {
	s, err := read(data)
	if err != nil {
		return nil, err
	}
	rows, err := s.mapping(mapping)
	if err != nil {
		return nil, err
	}
	if key, _ := child(rows, r.Name); key != nil {
		return nil, fmt.Errorf("%s: %w", r.Name, ErrExists)
	}
	splices, err := s.addRow(mapping, rows, r)
	if err != nil {
		return nil, err
	}
	lists, err := s.lists(mapping)
	if err != nil {
		return nil, err
	}
	for _, list := range lists {
		if listed(list, r.Name) >= 0 {
			continue
		}
		if s.bracketed(list) {
			splices = append(splices, s.addFlow(list, scalar(r.Name, true, false))...)
			continue
		}
		more, ok := s.addDash(list, scalar(r.Name, false, false))
		if !ok {
			return nil, form(list, "this list of names is written in a form")
		}
		splices = append(splices, more...)
	}
	return s.verified(splices, mapping, r.Name, nil, r.Keys)
}

// Remove removes a row, and its name from the list of the loop.
func Remove(data []byte, mapping, name string) ([]byte, error) {
	s, err := read(data)
	if err != nil {
		return nil, err
	}
	rows, err := s.mapping(mapping)
	if err != nil {
		return nil, err
	}
	i := index(rows, name)
	if i < 0 {
		return nil, fmt.Errorf("%s: %w", name, ErrMissing)
	}
	splices, err := s.removeItem(rows, i)
	if err != nil {
		return nil, err
	}
	lists, err := s.lists(mapping)
	if err != nil {
		return nil, err
	}
	for _, list := range lists {
		at := listed(list, name)
		if at < 0 {
			continue
		}
		if s.bracketed(list) {
			splices = append(splices, s.removeFlow(list, at)...)
			continue
		}
		more, ok := s.removeDash(list, at)
		if !ok {
			return nil, form(list, "this list of names is written in a form")
		}
		splices = append(splices, more...)
	}
	was := row(rows.Content[2*i], rows.Content[2*i+1]).Keys
	return s.verified(splices, mapping, name, was, nil)
}

// Set changes the values of keys of a row, adds keys that it does not have, and removes those whose value is empty.
func Set(data []byte, mapping, name string, keys []Key) ([]byte, error) {
	was, err := Find(data, mapping, name)
	if err != nil {
		return nil, err
	}
	want := slices.Clone(was.Keys)
	for _, k := range keys {
		// One after the other, as a key may stand where the one before it ended.
		s, err := read(data)
		if err != nil {
			return nil, err
		}
		rows, err := s.mapping(mapping)
		if err != nil {
			return nil, err
		}
		_, value := child(rows, name)
		splices, err := s.setKey(mapping, value, k)
		if err != nil {
			return nil, err
		}
		before := want
		want = changed(want, k)
		if data, err = s.verified(splices, mapping, name, before, want); err != nil {
			return nil, err
		}
	}
	return data, nil
}

// changed returns the keys after a change.
func changed(keys []Key, k Key) []Key {
	keys = slices.Clone(keys)
	i := slices.IndexFunc(keys, func(other Key) bool { return other.Name == k.Name })
	switch {
	case i < 0 && k.Value == "":
	case i < 0:
		keys = append(keys, k)
	case k.Value == "":
		keys = slices.Delete(keys, i, i+1)
	default:
		keys[i] = k
	}
	return keys
}

func (s *source) setKey(mapping string, value *yaml.Node, k Key) ([]splice, error) {
	if value.Kind != yaml.MappingNode {
		return nil, form(value, "this row is written in a form")
	}
	i, flow := index(value, k.Name), s.bracketed(value)
	switch {
	case i < 0 && k.Value == "":
		return nil, nil
	case i < 0 && flow:
		return s.addFlow(value, entry(mapping, k, true)), nil
	case i < 0:
		splices, ok := s.addBlock(value, []string{entry(mapping, k, false)})
		if !ok || len(value.Content) == 0 {
			return nil, form(value, "this row is written in a form")
		}
		return splices, nil
	case k.Value == "":
		return s.removeItem(value, i)
	}
	key, old := value.Content[2*i], value.Content[2*i+1]
	from, text := s.offset(old), scalar(k.Value, flow, bare(mapping, k.Name))
	to := s.end(old)
	if from == to { // no value stands there
		from = s.colon(s.end(key))
		to, text = from, " "+text
	}
	return []splice{{from, to, text}}, nil
}

func (s *source) removeItem(m *yaml.Node, i int) ([]splice, error) {
	if s.bracketed(m) {
		return s.removeFlow(m, i), nil
	}
	splices, ok := s.removeBlock(m, i)
	switch {
	case !ok && len(m.Content) == 2: //nolint:mnd // one key with its value
		return nil, form(m, "this is the only entry left")
	case !ok:
		return nil, form(m.Content[2*i], "this entry is written in a form")
	}
	return splices, nil
}

// addRow writes a row as the others are written: each of its keys in a line, unless all others are in braces.
func (s *source) addRow(mapping string, rows *yaml.Node, r Row) ([]splice, error) {
	if s.bracketed(rows) {
		return s.addFlow(rows, braces(mapping, r, true)), nil
	}
	if len(rows.Content) == 0 {
		return nil, form(rows, "there is no row to write another one after")
	}
	inBraces, step := true, 0
	for i := 1; i < len(rows.Content); i += 2 {
		if v := rows.Content[i]; !s.bracketed(v) && len(v.Content) > 0 {
			inBraces, step = false, v.Content[0].Column-rows.Content[i-1].Column
		}
	}
	lines := []string{braces(mapping, r, false)}
	if longest := maxColumns - rows.Content[0].Column; !inBraces || len(lines[0]) > longest {
		lines = []string{scalar(r.Name, false, false) + ":"}
		for _, k := range r.Keys {
			lines = append(lines, strings.Repeat(" ", max(step, 0))+entry(mapping, k, false))
		}
		if step <= 0 {
			lines = indented(lines, s.step(mapping, rows))
		}
	}
	splices, ok := s.addBlock(rows, lines)
	if !ok {
		return nil, form(rows, "these rows are written in a form")
	}
	return splices, nil
}

// step is how far rows are indented below their mapping's name.
func (s *source) step(mapping string, rows *yaml.Node) int {
	const usual = 2
	_, mappings := child(s.root, "Mappings")
	key, _ := child(mappings, mapping)
	if n := rows.Content[0].Column - key.Column; n > 0 {
		return n
	}
	return usual
}

func indented(lines []string, step int) []string {
	for i := 1; i < len(lines); i++ {
		lines[i] = strings.Repeat(" ", step) + lines[i]
	}
	return lines
}

func braces(mapping string, r Row, flow bool) string {
	var keys []string
	for _, k := range r.Keys {
		keys = append(keys, entry(mapping, k, true))
	}
	return scalar(r.Name, flow, false) + ": { " + strings.Join(keys, ", ") + " }"
}

func entry(mapping string, k Key, flow bool) string {
	return scalar(k.Name, flow, false) + ": " + scalar(k.Value, flow, bare(mapping, k.Name))
}

func bare(mapping, key string) bool {
	return slices.ContainsFunc(lint.Keys(mapping), func(k lint.Key) bool { return k.Name == key && k.Bare })
}

// mapping returns the node with the rows.
func (s *source) mapping(name string) (*yaml.Node, error) {
	_, mappings := child(s.root, "Mappings")
	key, rows := child(mappings, name)
	switch {
	case rows == nil:
		return nil, fmt.Errorf("the template has no mapping %s", name)
	case rows.Kind != yaml.MappingNode:
		return nil, form(key, name+" is written in a form")
	}
	return rows, nil
}

// lists returns the lists of names of the loops over a mapping, in whatever section they are.
func (s *source) lists(mapping string) ([]*yaml.Node, error) {
	var found []*yaml.Node
	for i := 1; i < len(s.root.Content); i += 2 {
		key, loop := child(s.root.Content[i], "Fn::ForEach::"+mapping)
		if loop == nil {
			continue
		}
		if loop.Kind != yaml.SequenceNode || len(loop.Content) < 2 {
			return nil, form(key, "this loop is written in a form")
		}
		list := loop.Content[1]
		literal := list.Kind == yaml.SequenceNode && !strings.HasPrefix(strings.TrimPrefix(list.Tag, "!!"), "!")
		if !literal || len(list.Content) == 0 && !s.bracketed(list) {
			return nil, form(list, "its list does not hold the names themselves")
		}
		found = append(found, list)
	}
	if len(found) == 0 {
		return nil, fmt.Errorf("the template has no loop Fn::ForEach::%s", mapping)
	}
	return found, nil
}

// listed returns where a name is in a list, or -1.
func listed(list *yaml.Node, name string) int {
	return slices.IndexFunc(list.Content, func(n *yaml.Node) bool { return n.Value == name })
}

func form(n *yaml.Node, what string) error { return &FormError{n.Line, what} }

// index returns which entry of a mapping has a key, or -1.
func index(m *yaml.Node, key string) int {
	for i := 0; m != nil && m.Kind == yaml.MappingNode && i+1 < len(m.Content); i += 2 {
		if m.Content[i].Value == key {
			return i / 2 //nolint:mnd // keys and values take turns
		}
	}
	return -1
}

func child(m *yaml.Node, key string) (k, v *yaml.Node) {
	if i := index(m, key); i >= 0 {
		return m.Content[2*i], m.Content[2*i+1]
	}
	return nil, nil
}
