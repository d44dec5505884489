package check

import (
	"bytes"
	"regexp"
	"strings"

	"go.yaml.in/yaml/v3"

	"github.com/cronbearer/cronbearer/infra/cfn"
)

// YAML 1.1, as CloudFormation and SAM (PyYAML's resolver) read plain scalars. Our own reader is of YAML 1.2.
var yaml11 = []struct {
	what    string
	pattern *regexp.Regexp
}{
	{"a boolean", regexp.MustCompile(`^(?:yes|Yes|YES|no|No|NO|true|True|TRUE|false|False|FALSE|on|On|ON|off|Off|OFF)$`)},
	{"null", regexp.MustCompile(`^(?:~|null|Null|NULL|)$`)},
	{"a number", regexp.MustCompile(`^[-+]?(?:0b[01_]+|0x[0-9a-fA-F_]+|0o[0-7]+|[0-9][0-9_]*(?::[0-5]?[0-9])*(?:\.[0-9_]*)?(?:[eE][-+]?[0-9]+)?|\.[0-9][0-9_]*(?:[eE][-+]?[0-9]+)?|\.(?:inf|Inf|INF|nan|NaN|NAN))$`)},
	{"a date", regexp.MustCompile(`^\d{4}-\d\d?-\d\d?(?:(?:[Tt]|[ \t]+)\d\d?:\d\d:\d\d(?:\.\d*)?(?:[ \t]*(?:Z|[-+]\d\d?(?::?\d\d)?))?)?$`)},
	{"a default value", regexp.MustCompile(`^=$`)},
}

// notText says what YAML 1.1 takes a scalar for if it is not text, or "". A quoted scalar is text.
func notText(n *yaml.Node) string {
	if n.Style&(yaml.SingleQuotedStyle|yaml.DoubleQuotedStyle|yaml.LiteralStyle|yaml.FoldedStyle|yaml.TaggedStyle) != 0 {
		return ""
	}
	for _, kind := range yaml11 {
		if kind.pattern.MatchString(n.Value) {
			return kind.what
		}
	}
	return ""
}

// unread reports a template that is no YAML. The parser's own words are about YAML's grammar; what people did is found in
// the lines around.
func (c *checker) unread(data []byte, found cfn.TemplateError) {
	c.broken = map[string]bool{}
	for _, f := range found {
		p := Problem{Place: f.Where, Text: f.Text, Line: f.Line, Column: f.Column}
		if f.Syntax {
			p.Line, p.Column = max(p.Line, 1), 1
			if s, ok := nearest(suspects(data), p.Line); ok {
				p = s
			}
		}
		c.add(p)
	}
}

// nearest is the suspect that best explains an error that the parser noticed in a line: one before it rather than after, as
// the parser reads on until it cannot. One that is far from the line explains nothing.
func nearest(all []Problem, line int) (Problem, bool) {
	const reach = 30
	var best Problem
	distance := reach + 1
	for _, s := range all {
		d := line - s.Line
		if d < 0 {
			d = 2 - d
		}
		if d < distance {
			best, distance = s, d
		}
	}
	return best, distance <= reach
}

var (
	// entry is a key with a value on its line, in a block.
	entry = regexp.MustCompile(`^([ ]*(?:- +)?)([A-Za-z][A-Za-z0-9_:.$&{}-]*):[ ]+(.*)$`)
	// flowKey is what the next key of a row in one line looks like.
	flowKey = regexp.MustCompile(`^,\s*[A-Za-z][A-Za-z0-9]*:\s`)
	comment = regexp.MustCompile(`\s#.*$`)
)

// suspects are the values that YAML reads otherwise than people mean them, each as a mistake.
func suspects(data []byte) []Problem {
	var found []Problem
	block := -1 // the indentation of a block of text, whose lines are no YAML
	for i, line := range strings.Split(string(data), "\n") {
		indent := len(line) - len(strings.TrimLeft(line, " \t"))
		if strings.TrimSpace(line) == "" || block >= 0 && indent > block {
			continue
		}
		block = -1
		if tab := strings.IndexByte(line[:indent], '\t'); tab >= 0 {
			found = append(found, Problem{Text: "a tab, which YAML does not allow here", Fix: "write spaces", Line: i + 1, Column: tab + 1})
			continue
		}
		parts := entry.FindStringSubmatch(line)
		if parts == nil || strings.HasPrefix(strings.TrimSpace(line), "#") {
			continue
		}
		key, value := parts[2], parts[3]
		column := len(parts[1]) + len(key) + len(line[len(parts[1])+len(key):]) - len(value) + 1
		switch {
		case strings.HasPrefix(value, "|") || strings.HasPrefix(value, ">"):
			block = indent
		case strings.HasPrefix(value, "{"):
			found = append(found, flow(value, i+1, column)...)
		default:
			if what := indicator(comment.ReplaceAllString(value, ""), false); what != "" {
				found = append(found, unquoted(key, comment.ReplaceAllString(value, ""), what, i+1, column))
			}
		}
	}
	return found
}

func unquoted(key, value, what string, line, column int) Problem {
	value = strings.TrimSpace(value)
	return Problem{
		Key: key, Text: "quote it: " + what, Line: line, Column: column,
		Fix: "write " + key + ": '" + strings.ReplaceAll(value, "'", "''") + "'",
	}
}

// flow looks at the values of a row in one line. A value reaches to the next key or to the brace that ends the line.
func flow(text string, line, column int) []Problem {
	var found []Problem
	for i := 1; i < len(text); {
		rest := text[i:]
		colon := strings.IndexByte(rest, ':')
		if colon < 0 {
			return found
		}
		key := strings.Trim(rest[:colon], " ,'\"")
		i += colon + 1
		for i < len(text) && text[i] == ' ' {
			i++
		}
		start := i
		i = flowEnd(text, start)
		if start < len(text) && !strings.ContainsRune(`'"{[!`, rune(text[start])) {
			if value := text[start:i]; indicator(value, true) != "" {
				found = append(found, unquoted(key, value, indicator(value, true), line, column+start))
			}
		}
		if i < len(text) && text[i] == '}' {
			return found
		}
	}
	return found
}

// flowEnd finds where the value that begins at start ends, as its author means it.
func flowEnd(text string, start int) int {
	var quote byte
	for i := start; i < len(text); i++ {
		switch {
		case quote != 0:
			if text[i] == quote {
				quote = 0
			}
		case i == start && (text[i] == '\'' || text[i] == '"'):
			quote = text[i]
		case flowKey.MatchString(text[i:]), text[i] == ',' && strings.TrimSpace(text[i+1:]) == "":
			return i
		case text[i] == '}' && strings.TrimSpace(comment.ReplaceAllString(text[i+1:], "")) == "":
			return i
		}
	}
	return len(text)
}

// indicator says for what YAML takes something in a plain value, or "".
func indicator(value string, inFlow bool) string {
	value = strings.TrimSpace(value)
	if value == "" || strings.ContainsRune(`'"{[!|>`, rune(value[0])) {
		return ""
	}
	if strings.ContainsRune("*&%@`", rune(value[0])) {
		return "YAML takes the " + value[:1] + " at its beginning for " + map[byte]string{
			'*': "an alias", '&': "an anchor", '%': "a directive", '@': "a reserved sign", '`': "a reserved sign",
		}[value[0]]
	}
	if inFlow {
		for _, c := range value {
			if what, ok := map[rune]string{
				'?': "a key", ',': "the end of the value", '[': "a list", ']': "the end of a list", '{': "a block", '}': "the end of the block",
			}[c]; ok {
				return "inside { } YAML takes the " + string(c) + " for " + what
			}
		}
	}
	if strings.Contains(value, ": ") || strings.HasSuffix(value, ":") {
		return "YAML takes the : for a key"
	}
	return ""
}

// lineOf returns the text of a line, counted from 1.
func lineOf(data []byte, line int) []byte {
	lines := bytes.Split(data, []byte("\n"))
	if line < 1 || line > len(lines) {
		return nil
	}
	return lines[line-1]
}
