package lint

import (
	"bytes"
	"regexp"
	"strings"
	"unicode/utf8"

	"go.yaml.in/yaml/v3"

	"github.com/cronbearer/cronbearer/internal/dev/cfn"
)

// YAML 1.1, as CloudFormation and SAM (PyYAML's resolver) read plain scalars. Our own reader is of YAML 1.2.
var yaml11 = []struct {
	what    string
	pattern *regexp.Regexp
}{
	{"a boolean", regexp.MustCompile(`^(?:yes|Yes|YES|no|No|NO|true|True|TRUE|false|False|FALSE|on|On|ON|off|Off|OFF)$`)},
	{"null", regexp.MustCompile(`^(?:~|null|Null|NULL|)$`)},
	{
		"a number",
		regexp.MustCompile(
			`^[-+]?(?:0b[01_]+|0x[0-9a-fA-F_]+|0o[0-7]+|[0-9][0-9_]*(?::[0-5]?[0-9])*(?:\.[0-9_]*)?(?:[eE][-+]?[0-9]+)?|\.[0-` +
				`9][0-9_]*(?:[eE][-+]?[0-9]+)?|\.(?:inf|Inf|INF|nan|NaN|NAN))$`,
		),
	},
	{
		"a date",
		regexp.MustCompile(
			`^\d{4}-\d\d?-\d\d?(?:(?:[Tt]|[ \t]+)\d\d?:\d\d:\d\d(?:\.\d*)?(?:[ \t]*(?:Z|[-+]\d\d?(?::?\d\d)?))?)?$`,
		),
	},
	{"a default value", regexp.MustCompile(`^=$`)},
}

// notText reports what YAML 1.1 takes a scalar for if it is not text, or "". A quoted scalar is text.
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

// unread reports a template that cannot be read. The parser's own words are about YAML's grammar; what people did is
// found in the lines around.
func (c *checker) unread(data []byte, found cfn.TemplateError) {
	c.broken = map[string]bool{}
	if len(bytes.TrimSpace(data)) == 0 {
		c.add(Problem{Text: "the file is empty", Line: 1, Column: 1})
		return
	}
	all := suspects(data)
	for _, f := range found {
		p := Problem{Place: f.Where, Text: f.Text, Line: max(f.Line, 1), Column: max(f.Column, 1)}
		reach := 0
		if f.Syntax {
			reach = 30
		}
		if s, ok := nearest(all, p.Line, reach); ok {
			p = s
		}
		c.add(p)
	}
}

// nearest is the suspect that best explains an error that the parser noticed in a line: one before it rather than
// after, as the parser reads on until it cannot. One that is far from the line explains nothing.
func nearest(all []Problem, line, reach int) (Problem, bool) {
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
	entry = regexp.MustCompile(`^([ ]*(?:- +)?)([A-Za-z'"][A-Za-z0-9_:.$&{}'"-]*):(?:[ ]+(.*))?$`)
	// flowKey is what the next key of a row in one line looks like.
	flowKey = regexp.MustCompile(`^,\s*['"]?[A-Za-z][A-Za-z0-9]*['"]?:\s`)
	// glued is a key of a row without the space that YAML requires after its colon, and missed one without the comma
	// before it.
	glued   = regexp.MustCompile(`(?:^|[,{])\s*([A-Z][A-Za-z]*):[^\s:/]`)
	missed  = regexp.MustCompile(`\s([A-Z][A-Za-z]*): `)
	comment = regexp.MustCompile(`\s#.*$`)
	merge   = regexp.MustCompile(`^(?:<{7}|={7}|>{7})(?: |$)`)
)

// isKey reports whether rows have such a key.
func isKey(name string) bool {
	_, job := rules[jobs][name]
	_, token := rules[tokens][name]
	return job || token
}

// suspects are the lines that YAML reads otherwise than people mean them, each as a mistake.
func suspects(data []byte) []Problem {
	s := scan{text: -1}
	for i, line := range strings.Split(string(data), "\n") {
		s.number = i + 1
		s.line(strings.TrimRight(line, "\r"))
	}
	return s.found
}

// scan goes through the lines of a template that may be no YAML.
type scan struct {
	found   []Problem
	number  int
	text    int   // the indentation of a block of text, whose lines are no YAML; -1 outside
	rows    bool  // between Mappings and the next section
	indents []int // of the keys that are open, in rows
	open    bool  // within a row in braces that goes on in the next line
	filled  bool  // the last key has a value on its line
}

func (s *scan) add(column int, text, fix string) {
	s.found = append(s.found, Problem{Text: text, Fix: fix, Line: s.number, Column: column})
}

func (s *scan) line(line string) {
	trimmed := strings.TrimLeft(line, " \t")
	indent := len(line) - len(trimmed)
	switch {
	case !utf8.ValidString(line):
		s.add(1, "this line is not UTF-8", "save the file in that encoding")
	case merge.MatchString(line):
		s.add(1, "a merge that was not finished", "choose one of the two sides")
	case s.open:
		s.open = !strings.Contains(line, "}")
	case strings.TrimSpace(line) == "" || s.text >= 0 && indent > s.text || trimmed[0] == '#':
		return
	case strings.IndexByte(line[:indent], '\t') >= 0:
		s.add(strings.IndexByte(line, '\t')+1, "a tab, which YAML does not allow here", "write spaces")
	default:
		s.text = -1
		s.entry(line, trimmed, indent)
	}
}

func (s *scan) entry(line, trimmed string, indent int) {
	if indent == 0 {
		s.rows, s.indents, s.filled = strings.HasPrefix(line, "Mappings:"), nil, false
	}
	if found := glued.FindStringSubmatch(trimmed); s.rows && found != nil && isKey(found[1]) {
		s.add(strings.Index(line, found[1]+":")+len(found[1])+2, "the colon of "+found[1]+
			" needs a space after it", "write it")
		return
	}
	if s.rows && strings.HasPrefix(trimmed, "- ") {
		s.add(indent+1, "rows are no list", "take out the dash")
		return
	}
	parts := entry.FindStringSubmatch(line)
	if parts == nil {
		return
	}
	s.indentation(len(parts[1]))
	key, value := parts[2], parts[3]
	s.filled = value != "" && value[0] != '#'
	column := len(line) - len(value) + 1
	switch plain := comment.ReplaceAllString(value, ""); {
	case strings.HasPrefix(value, "|"), strings.HasPrefix(value, ">"):
		s.text = indent
	case strings.HasPrefix(value, "{{"):
		s.found = append(s.found, unquoted(key, plain, "YAML takes the { for a block", s.number, column))
	case strings.HasPrefix(value, "{"):
		found := flow(value, s.number, column)
		s.found = append(s.found, found...)
		s.open = !strings.Contains(value, "}") && strings.HasSuffix(strings.TrimSpace(plain), ",")
		if s.rows && !s.open && !strings.Contains(value, "}") && len(found) == 0 {
			s.add(len(line)+1, "the { of "+key+" is not closed", "write } at the end")
		}
	case value != "" && strings.ContainsRune(`'"`, rune(value[0])):
		s.quotes(key, value, column)
	default:
		if what := indicator(plain, false); what != "" {
			s.found = append(s.found, unquoted(key, plain, what, s.number, column))
		}
	}
}

// indentation finds a key of a row that stands in no column of the keys around it.
func (s *scan) indentation(column int) {
	if !s.rows {
		return
	}
	closed := false
	for len(s.indents) > 0 && s.indents[len(s.indents)-1] > column {
		s.indents, closed = s.indents[:len(s.indents)-1], true
	}
	switch top := len(s.indents) - 1; {
	case top >= 0 && s.indents[top] == column:
	case closed:
		s.add(column+1, "this key stands in no column of the keys above it", "indent it like its neighbors")
	case s.filled:
		s.add(column+1, "this key is indented below one that has a value", "indent it like its neighbors")
	default:
		s.indents = append(s.indents, column)
	}
}

// quotes finds a quoted value that does not end with its line, or ends before.
func (s *scan) quotes(key, value string, column int) {
	quote := value[:1]
	inner := value[1:]
	if quote == "'" {
		inner = strings.ReplaceAll(inner, "''", "  ")
	} else {
		inner = strings.ReplaceAll(inner, `\"`, "  ")
	}
	end := strings.Index(inner, quote)
	switch {
	case end < 0:
		s.add(column, "the "+quote+" of "+key+" is not closed", "write it at the end too")
	case strings.TrimSpace(comment.ReplaceAllString(inner[end+1:], "")) != "" && quote == "'":
		s.add(column+end+1, "the value of "+key+" ends with this '", "write a ' that belongs to the value twice: ''")
	case strings.TrimSpace(comment.ReplaceAllString(inner[end+1:], "")) != "":
		s.add(column+end+1, "the value of "+key+` ends with this "`, `write it between single quotes`)
	}
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
		if p, bad := misreadValue(key, text[start:i]); bad {
			p.Line, p.Column = line, column+start+p.Column
			found = append(found, p)
		}
		if i < len(text) && text[i] == '}' {
			return found
		}
	}
	return found
}

// misreadValue looks at one value of a row in one line. The column of its problem is counted from the value, from 0.
func misreadValue(key, value string) (Problem, bool) {
	quoted := value != "" && strings.ContainsRune(`'"`, rune(value[0]))
	if value == "" || strings.ContainsRune("{[!", rune(value[0])) {
		return Problem{}, false
	}
	if tight := glued.FindStringSubmatchIndex(value); !quoted && tight != nil && isKey(value[tight[2]:tight[3]]) {
		return Problem{Text: "the colon of " + value[tight[2]:tight[3]] +
			" needs a space after it", Fix: "write it", Column: tight[3] + 1}, true
	}
	after := 0
	if quoted {
		after = 1 + max(0, strings.IndexByte(value[1:], value[0]))
	}
	if next := missed.FindStringSubmatchIndex(value[after:]); next != nil && isKey(value[after+next[2]:after+next[3]]) {
		return Problem{Key: key, Text: "a comma is missing before " + value[after+next[2]:after+
			next[3]], Fix: "write it", Column: after + next[0]}, true
	}
	if what := indicator(value, true); !quoted && what != "" {
		return unquoted(key, value, what, 0, 0), true
	}
	return Problem{}, false
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

// indicator reports for what YAML takes something in a plain value, or "".
func indicator(value string, inFlow bool) string {
	value = strings.TrimSpace(value)
	if value == "" || strings.ContainsRune(`'"{[!|>`, rune(value[0])) {
		return ""
	}
	if strings.HasPrefix(value, "- ") {
		return "YAML takes the - for a list"
	}
	if strings.ContainsRune("*&%@`", rune(value[0])) {
		return "YAML takes the " + value[:1] + " at its beginning for " + map[byte]string{
			'*': "an alias", '&': "an anchor", '%': "a directive", '@': "a reserved sign", '`': "a reserved sign",
		}[value[0]]
	}
	if inFlow {
		for _, c := range value {
			if what, ok := map[rune]string{
				'?': "a key", ',': "the end of the value", '[': "a list", ']': "the end of a list", '{': "a block",
				'}': "the end of the block",
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
