package edit

import (
	"bytes"
	"encoding/json"
	"errors"
	"fmt"
	"strings"
	"unicode/utf8"

	"go.yaml.in/yaml/v3"
)

// source is a template with the places of its nodes in bytes. The parser gives where a node begins, in lines and
// characters; where it ends is found from there.
type source struct {
	data  []byte
	lines []int // where each line begins
	root  *yaml.Node
	lost  bool // a node was not found where the parser says
}

func read(data []byte) (*source, error) {
	if !utf8.Valid(data) {
		return nil, errors.New("the template is not UTF-8 text")
	}
	if json.Valid(data) { // YAML too, but what would be written into it is no JSON
		return nil, errors.New("the template is JSON, which the tool does not edit: edit it by hand")
	}
	var document yaml.Node
	if err := yaml.Unmarshal(data, &document); err != nil {
		return nil, fmt.Errorf("the template cannot be read: %w", err)
	}
	if len(document.Content) == 0 {
		return nil, errors.New("the template is empty")
	}
	s := &source{data: data, root: document.Content[0]}
	at := len(data) - len(bytes.TrimPrefix(data, []byte("\ufeff")))
	s.lines = append(s.lines, at)
	for at < len(data) {
		n := breakAt(data[at:])
		at += max(n, 1)
		if n > 0 {
			s.lines = append(s.lines, at)
		}
	}
	return s, nil
}

// breakAt returns the length of the line break at the beginning of a text, 0 if there is none. These are YAML
// 1.1's, as our parser and PyYAML count lines.
func breakAt(text []byte) int {
	switch {
	case len(text) == 0:
		return 0
	case text[0] == '\n':
		return 1
	case text[0] == '\r':
		if bytes.HasPrefix(text, []byte("\r\n")) {
			return len("\r\n")
		}
		return 1
	case text[0] != 0xc2 && text[0] != 0xe2: // how the others begin
		return 0
	}
	switch r, size := utf8.DecodeRune(text); r {
	case '\u0085', '\u2028', '\u2029':
		return size
	}
	return 0
}

// line returns the index of the line that a byte is in.
func (s *source) line(at int) int {
	low, high := 0, len(s.lines)
	for high-low > 1 {
		if middle := (low + high) / 2; s.lines[middle] <= at { //nolint:mnd // half
			low = middle
		} else {
			high = middle
		}
	}
	return low
}

func (s *source) lineStart(at int) int { return s.lines[s.line(at)] }

// lineEnd returns where the line of a byte ends, before its break.
func (s *source) lineEnd(at int) int {
	i := s.line(at)
	if i+1 == len(s.lines) {
		return len(s.data)
	}
	end := s.lines[i+1]
	for _, n := range []int{3, 2, 1} { // lengths of a break in bytes
		if end-n >= s.lines[i] && breakAt(s.data[end-n:end]) == n {
			return end - n
		}
	}
	return end
}

// broken returns the line break at the end of a line that begins or goes on at a byte, or the template's first.
func (s *source) broken(at int) string {
	end := s.lineEnd(at)
	if n := breakAt(s.data[end:]); n > 0 {
		return string(s.data[end : end+n])
	}
	if end = s.lineEnd(s.lines[0]); end < len(s.data) {
		return string(s.data[end:][:breakAt(s.data[end:])])
	}
	return "\n"
}

// before returns what stands before a byte on its line.
func (s *source) before(at int) string { return string(s.data[s.lineStart(at):at]) }

func blank(text string) bool { return strings.Trim(text, " \t") == "" }

// offset returns where a node begins.
func (s *source) offset(n *yaml.Node) int {
	if n.Line < 1 || n.Line > len(s.lines) {
		s.lost = true
		return 0
	}
	at := s.lines[n.Line-1]
	for range n.Column - 1 {
		_, size := utf8.DecodeRune(s.data[at:])
		at += size
	}
	return at
}

// end returns the byte after the last one of a node.
func (s *source) end(n *yaml.Node) int {
	at := s.offset(n)
	content := s.properties(at)
	switch {
	case n.Kind == yaml.AliasNode:
		return at + 1 + len(n.Value)
	case n.Kind == yaml.ScalarNode:
		return s.scalarEnd(n, at, content)
	case s.bracketed(n):
		last := content + 1
		if len(n.Content) > 0 {
			last = s.end(n.Content[len(n.Content)-1])
		}
		return s.closing(last) + 1
	case len(n.Content) > 0:
		return s.end(n.Content[len(n.Content)-1])
	}
	return at
}

// bracketed reports whether a node is a mapping in braces or a list in brackets: not the pair a: b of a list [a: b].
func (s *source) bracketed(n *yaml.Node) bool {
	if n.Style&yaml.FlowStyle == 0 || n.Kind != yaml.MappingNode && n.Kind != yaml.SequenceNode {
		return false
	}
	at := s.properties(s.offset(n))
	return at < len(s.data) && (s.data[at] == '{' || s.data[at] == '[')
}

// properties skips a node's tag and anchor.
func (s *source) properties(at int) int {
	for at < len(s.data) && (s.data[at] == '!' || s.data[at] == '&') {
		for at < len(s.data) && !space(s.data[at:]) && !strings.ContainsRune(",]}", rune(s.data[at])) {
			at++
		}
		at = s.skip(at, "")
	}
	return at
}

// skip skips white space, line breaks, comments and the given signs.
func (s *source) skip(at int, signs string) int {
	for at < len(s.data) {
		switch c := s.data[at]; {
		case c == '#' && (at == 0 || space(s.data[at-1:]) || breakEnds(s.data[:at])):
			at = s.lineEnd(at)
		case space(s.data[at:]):
			at += max(breakAt(s.data[at:]), 1)
		case strings.IndexByte(signs, c) >= 0:
			at++
		default:
			return at
		}
	}
	return at
}

func space(text []byte) bool {
	return len(text) > 0 && (text[0] == ' ' || text[0] == '\t' || breakAt(text) > 0)
}

func breakEnds(text []byte) bool {
	r, _ := utf8.DecodeLastRune(text)
	return r == '\n' || r == '\r' || r == '\u0085' || r == '\u2028' || r == '\u2029'
}

// closing returns where the bracket is that closes a collection, from the end of its last item.
func (s *source) closing(at int) int {
	at = s.skip(at, ",:")
	if at >= len(s.data) || s.data[at] != '}' && s.data[at] != ']' {
		s.lost = true
		return min(at, len(s.data)-1)
	}
	return at
}

func (s *source) scalarEnd(n *yaml.Node, at, content int) int {
	switch {
	case n.Style&yaml.DoubleQuotedStyle != 0:
		for i := content + 1; i < len(s.data); i++ {
			switch s.data[i] {
			case '\\':
				i++
			case '"':
				return i + 1
			}
		}
	case n.Style&yaml.SingleQuotedStyle != 0:
		for i := content + 1; i < len(s.data); i++ {
			if s.data[i] != '\'' {
				continue
			}
			if i+1 == len(s.data) || s.data[i+1] != '\'' {
				return i + 1
			}
			i++
		}
	case n.Style&(yaml.LiteralStyle|yaml.FoldedStyle) != 0:
		return s.blockScalarEnd(n, content)
	case n.Value == "": // nothing stands there, or a tag only
		return at + len(bytes.TrimRight(s.data[at:content], " \t\r\n"))
	default:
		return s.match(content, n.Value)
	}
	s.lost = true
	return content
}

// blockScalarEnd returns where a text after | or > ends. The empty lines at its end belong to it if it keeps them.
func (s *source) blockScalarEnd(n *yaml.Node, at int) int {
	header := s.lineEnd(at)
	end := header
	if strings.Trim(n.Value, "\n ") != "" {
		end = s.lineEnd(s.match(header, n.Value))
	}
	if head, _, _ := strings.Cut(string(s.data[at:header]), "#"); !strings.Contains(head, "+") {
		return end
	}
	for i := s.line(end) + 1; i < len(s.lines) && blank(string(s.data[s.lines[i]:s.lineEnd(s.lines[i])])); i++ {
		end = s.lineEnd(s.lines[i])
	}
	return end
}

// match returns where a text ends in the source that differs in white space only, as the parser folds lines.
func (s *source) match(at int, text string) int {
	for _, r := range text {
		one := []byte(string(r))
		if space(one) {
			continue
		}
		for space(s.data[at:]) {
			at++
			for at < len(s.data) && !utf8.RuneStart(s.data[at]) {
				at++
			}
		}
		if !bytes.HasPrefix(s.data[at:], one) {
			s.lost = true
			return at
		}
		at += len(one)
	}
	return at
}

// splice replaces bytes.
type splice struct {
	from, to int
	text     string
}

// with returns the template with some bytes replaced.
func (s *source) with(splices []splice) []byte {
	var out []byte
	at := 0
	for _, p := range ordered(splices) {
		out = append(append(out, s.data[at:p.from]...), p.text...)
		at = p.to
	}
	return append(out, s.data[at:]...)
}
