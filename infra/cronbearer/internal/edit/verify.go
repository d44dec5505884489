package edit

import (
	"errors"
	"fmt"
	"slices"

	"go.yaml.in/yaml/v3"
)

// verified makes the cuts and reads the result: the row had the keys before and has the others now (nil: there is
// no row), and everything else is what it was.
func (s *source) verified(splices []splice, mapping, name string, before, after []Key) ([]byte, error) {
	if s.lost {
		return nil, errors.New("the template is written in a form that the tool does not edit: edit it by hand")
	}
	data := s.with(splices)
	result, err := read(data)
	if err != nil {
		return nil, unsafe(err)
	}
	was, err := s.taken(mapping, name, before)
	if err != nil {
		return nil, err
	}
	is, err := result.taken(mapping, name, after)
	if err != nil {
		return nil, unsafe(err)
	}
	if !same(was, is) {
		return nil, unsafe(errors.New("something else would change with it"))
	}
	return data, nil
}

func unsafe(err error) error {
	return fmt.Errorf("this template cannot be edited by the tool (%w): edit it by hand", err)
}

// taken returns the template without a row and its name, which must have the given keys.
func (s *source) taken(mapping, name string, keys []Key) (*yaml.Node, error) {
	_, mappings := child(s.root, "Mappings")
	key, rows := child(mappings, mapping)
	if rows == nil {
		return nil, errors.New("the rows would be lost")
	}
	i := index(rows, name)
	switch {
	case i < 0 && keys != nil:
		return nil, fmt.Errorf("the row %s would be lost", name)
	case i >= 0 && keys == nil:
		return nil, fmt.Errorf("the row %s would be there", name)
	case i >= 0 && !slices.Equal(row(rows.Content[2*i], rows.Content[2*i+1]).Keys, keys):
		return nil, fmt.Errorf("line %d: the row would be read otherwise", rows.Content[2*i].Line)
	case i >= 0:
		mappings.Content[2*index(mappings, key.Value)+1] = without(rows, 2*i, 2*i+2) //nolint:mnd // a key and its value
	}
	for j := 1; j < len(s.root.Content); j += 2 {
		_, loop := child(s.root.Content[j], "Fn::ForEach::"+mapping)
		if loop == nil || len(loop.Content) < 2 { //nolint:mnd // a loop's list is its second item
			continue
		}
		if at := listed(loop.Content[1], name); at >= 0 {
			loop.Content[1] = without(loop.Content[1], at, at+1)
		}
	}
	return s.root, nil
}

func without(n *yaml.Node, from, to int) *yaml.Node {
	rest := *n
	rest.Content = slices.Delete(slices.Clone(n.Content), from, to)
	return &rest
}

// same compares what two nodes mean, not how they are written.
func same(a, b *yaml.Node) bool {
	return a.Kind == b.Kind && a.Value == b.Value && a.ShortTag() == b.ShortTag() && a.Anchor == b.Anchor &&
		slices.EqualFunc(a.Content, b.Content, same)
}
