package lint

import (
	"regexp"
	"strings"
	"unicode/utf8"
)

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
	section = regexp.MustCompile(`^[A-Za-z]+:`)
	merge   = regexp.MustCompile(`^(?:<{7}|={7}|>{7})(?: |$)`)
)

// isKey reports whether rows have such a key.
func isKey(name string) bool {
	_, job := rules[jobs][name]
	_, token := rules[tokens][name]
	return job || token
}

// suspects are the lines whose meaning to YAML is not the intended one, each as a mistake.
func suspects(data []byte) []Problem {
	s := scan{text: -1, plain: -1}
	for i, line := range strings.Split(string(data), "\n") {
		line = strings.TrimRight(line, "\r")
		s.number = i + 1
		before := len(s.found)
		s.line(line)
		for i := range s.found[before:] {
			p := &s.found[before+i]
			p.Column = characters(line, p.Column-1) + 1 // until here it was in bytes
			p.Place = s.place()
		}
	}
	return s.found
}

// scan goes through the lines of a template that may be no YAML.
type scan struct {
	found   []Problem
	number  int
	text    int   // the indentation of a block of text, whose lines are not YAML; -1 outside
	rows    bool  // between Mappings and the next section
	indents []int // of the keys that are open, in rows
	open    bool  // within a row in braces that goes on in the next line
	plain   int   // the indentation of the last key whose value may go on in the next line; -1: it cannot
	filled  bool  // the last key has a value on its line
	mapping string
	row     string
	lost    bool // below no row
}

// place is the row that the line is of.
func (s *scan) place() string {
	if !s.rows || s.mapping != tokens && s.mapping != jobs || s.row == "" {
		return ""
	}
	return s.mapping + "." + s.row
}

// enter notes in which row the lines are that follow.
func (s *scan) enter(key string) {
	const mapping, row = 2, 3 // below Mappings
	switch key = strings.Trim(key, `'"`); len(s.indents) {
	case mapping:
		s.mapping, s.row = key, ""
	case row:
		if s.row == "" && isKey(key) && s.filled && (s.mapping == tokens || s.mapping == jobs) {
			if !s.lost {
				s.add(s.indents[row-1]+1, noRow, "write the name of the row above it, and a colon")
			}
			s.lost = true
			return
		}
		s.row, s.lost = key, false
	}
}

func (s *scan) add(column int, text, fix string) {
	s.found = append(s.found, Problem{Text: text, Fix: fix, Line: s.number, Column: column})
}

func (s *scan) line(line string) {
	trimmed := strings.TrimLeft(line, " \t")
	indent := len(line) - len(trimmed)
	column, what, bad := unseen(line)
	switch {
	case !utf8.ValidString(line):
		s.add(notUTF8(line)+1, "this is not UTF-8", "save the file in that encoding")
	case merge.MatchString(line):
		s.add(1, "a merge that was not finished", "choose one of the two sides")
	case bad && (s.rows || !strings.HasPrefix(what, "a character")):
		s.add(column, what+" is here", "remove it")
	case s.open:
		s.flow("{"+line, 0)
		s.open = !strings.Contains(line, "}")
	case strings.TrimSpace(line) == "" || s.text >= 0 && indent > s.text || trimmed[0] == '#':
		return
	case strings.IndexByte(line[:indent], '\t') >= 0:
		s.add(strings.IndexByte(line, '\t')+1, aTab, "write spaces")
	case (s.rows || strings.HasPrefix(line, "Mappings")) && bareTab(line) > 0:
		s.add(bareTab(line), aTab, "write spaces")
	default:
		s.text = -1
		s.entry(line, trimmed, indent)
	}
}

// notUTF8 is the index of the first byte that is not UTF-8.
func notUTF8(line string) int {
	for i, r := range line {
		if r == utf8.RuneError && !strings.HasPrefix(line[i:], string(utf8.RuneError)) {
			return i
		}
	}
	return len(line)
}

const (
	aTab = "a tab, which YAML does not allow here"
	// notClosed is the end of the text where YAML reads on below.
	notClosed = "is not closed"
	noList    = "rows are not a list"
	noRow     = "this is a key of a row, and no row begins above it"
)

// bareTab is the column of a tab outside quotes and comments, or 0. Our own parser reads over it, that of SAM CLI does
// not.
func bareTab(line string) int {
	var quote rune
	for i, r := range line {
		switch {
		case quote != 0:
			if r == quote {
				quote = 0
			}
		case r == '\'' || r == '"':
			quote = r
		case r == '#' && i > 0 && (line[i-1] == ' ' || line[i-1] == '\t'):
			return 0
		case r == '\t':
			return i + 1
		}
	}
	return 0
}

func (s *scan) flow(text string, column int) int {
	found := flow(text, s.number, column)
	s.found = append(s.found, found...)
	return len(found)
}

func (s *scan) entry(line, trimmed string, indent int) {
	if indent == 0 && section.MatchString(line) {
		s.rows, s.indents, s.filled = strings.HasPrefix(line, "Mappings:"), nil, false
	}
	if found := glued.FindStringSubmatch(trimmed); s.rows && found != nil && isKey(found[1]) {
		p := tight(found[1])
		s.add(strings.Index(line, found[1]+":")+len(found[1])+2, p.Text, p.Fix)
		return
	}
	if s.rows && strings.HasPrefix(trimmed, "- ") {
		s.add(indent+1, noList, "remove the dash")
		return
	}
	parts := entry.FindStringSubmatch(line)
	if parts == nil || strings.Count(parts[2], `"`)%2+strings.Count(parts[2], "'")%2 > 0 {
		if s.rows && (s.plain < 0 || indent <= s.plain) {
			s.noEntry(trimmed, indent)
		}
		return
	}
	if s.rows {
		s.indentation(len(parts[1]))
	}
	s.filled = parts[3] != "" && parts[3][0] != '#'
	if s.rows {
		s.enter(parts[2])
	}
	s.value(line, indent, parts[2], parts[3])
}

// value checks the value of a key in a block.
func (s *scan) value(line string, indent int, key, value string) {
	s.plain = -1
	column := len(line) - len(value) + 1
	switch plain := comment.ReplaceAllString(value, ""); {
	case strings.HasPrefix(value, "|"), strings.HasPrefix(value, ">"):
		s.text = indent
	case strings.HasPrefix(value, "{{"):
		s.found = append(s.found, unquoted(key, plain, "YAML reads the { as a block", s.number, column))
	case strings.HasPrefix(value, "{"):
		found := s.flow(value, column)
		s.open = !strings.Contains(value, "}") && strings.HasSuffix(strings.TrimSpace(plain), ",")
		if s.rows && !s.open && !strings.Contains(value, "}") && found == 0 {
			s.add(len(line)+1, "the { of "+key+" "+notClosed, "write } at the end")
		}
	case value != "" && strings.ContainsRune(`'"`, rune(value[0])):
		s.quotes(key, value, column)
	default:
		s.plain = indent
		if what := indicator(plain, false); what != "" {
			s.found = append(s.found, unquoted(key, plain, what, s.number, column))
		}
	}
}

// noEntry reports a line of the rows that is not a key with its value.
func (s *scan) noEntry(trimmed string, indent int) {
	const row = 2
	if len(s.indents) > row && indent <= s.indents[row] {
		s.row = "" // whatever it is, it is not of the row above
	}
	first := keyWord.FindString(trimmed)
	sign, _ := utf8.DecodeRuneInString(trimmed)
	switch {
	case isKey(first) && !strings.HasPrefix(trimmed[len(first):], ":"):
		s.add(indent+1, "a colon is missing after "+first, "write "+first+": and its value")
	case first == "" && strings.ContainsRune("'\"", sign) && strings.Count(trimmed, string(sign)) == 1:
		s.add(indent+1, "the "+string(sign)+" before this key "+notClosed, "remove it")
	case first == "":
		s.add(indent+1, "a row has no "+string(sign)+" before a key", "remove it")
	default:
		s.add(indent+1, "this is not a key with a value", "write the key, a colon, a space and the value")
	}
}

var keyWord = regexp.MustCompile(`^[A-Za-z][A-Za-z0-9]*`)

// indentation finds a key of a row that is not aligned with the keys around it.
func (s *scan) indentation(column int) {
	closed := false
	for len(s.indents) > 0 && s.indents[len(s.indents)-1] > column {
		s.indents, closed = s.indents[:len(s.indents)-1], true
	}
	switch top := len(s.indents) - 1; {
	case top >= 0 && s.indents[top] == column:
	case closed:
		s.add(column+1, "this key is not aligned with the keys above it", "indent it like its neighbors")
	case s.filled:
		s.add(column+1, "this key is indented below one that has a value", "indent it like its neighbors")
	default:
		s.indents = append(s.indents, column)
	}
}

// quotes finds a quoted value that does not end with its line, or ends before.
func (s *scan) quotes(key, value string, column int) {
	p := Problem{Line: s.number}
	end := closing(value)
	if end < 0 {
		p.Text, p.Fix, p.Column = "the "+value[:1]+" of "+key+" "+notClosed, "write it at the end too", column
		s.found = append(s.found, p)
		return
	}
	if strings.TrimSpace(comment.ReplaceAllString(value[end+1:], "")) != "" {
		p.Text, p.Fix = endsEarly(key, value[:1])
		p.Column = column + end
		s.found = append(s.found, p)
	}
}
