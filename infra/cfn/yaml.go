package cfn

import (
	"bytes"
	"errors"
	"fmt"
	"io"
	"strings"

	"go.yaml.in/yaml/v3"
)

// decode turns a template into plain values, the short forms (!Ref, !Sub, …)
// into their long ones.
func decode(data []byte) (map[string]any, error) {
	decoder := yaml.NewDecoder(bytes.NewReader(data))
	var document yaml.Node
	if err := decoder.Decode(&document); err != nil {
		return nil, fmt.Errorf("read YAML: %w", err)
	}
	if err := decoder.Decode(&yaml.Node{}); !errors.Is(err, io.EOF) {
		return nil, errors.New("read YAML: a template is one document")
	}
	p := &problems{}
	template, ok := value(p, document.Content[0]).(map[string]any)
	if !ok {
		p.add("template", "is no mapping")
	}
	return template, p.err()
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
			if key.Kind != yaml.ScalarNode || key.Tag == "!!merge" {
				p.add(line(key), "only a plain key is allowed here")
				continue
			}
			if _, twice := m[key.Value]; twice {
				p.add(line(key), "key %s is there twice", key.Value)
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
		p.add(line(n), "anchors and aliases are not allowed in a template")
		return nil
	}
}

func scalar(p *problems, n *yaml.Node) any {
	switch n.Tag {
	case "!!int", "!!float", "!!bool", "!!null":
		var v any
		if err := n.Decode(&v); err != nil {
			p.add(line(n), "%s is no value: %v", n.Value, err)
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

func line(n *yaml.Node) string { return fmt.Sprintf("line %d", n.Line) }
