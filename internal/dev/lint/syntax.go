package lint

import (
	"bytes"
	"cmp"
	"errors"
	"fmt"
	"io"
	"regexp"
	"slices"
	"strings"
	"unicode/utf8"

	"go.yaml.in/yaml/v3"

	"github.com/cronbearer/cronbearer/internal/dev/cfn"
)

// maxSyntax is how many mistakes of YAML are reported at once.
const maxSyntax = 20

// unread reports a template that cannot be read, so that nothing else of it can be checked.
func (c *checker) unread(data []byte, found cfn.TemplateError) {
	c.broken = map[string]bool{}
	if len(bytes.TrimSpace(data)) == 0 {
		c.add(Problem{Text: "the file is empty", Line: 1, Column: 1, Unread: true})
		return
	}
	all := suspects(data)
	for _, f := range found {
		if f.Syntax {
			c.syntax(data, f)
			continue
		}
		p := Problem{Place: f.Where, Text: f.Text, Line: max(f.Line, 1), Column: max(f.Column, 1)}
		for _, s := range all {
			if s.Line == p.Line {
				p = s
				break
			}
		}
		p.Unread = true
		c.add(p)
	}
}

// syntax reports each line that is not YAML. Once one is explained it is replaced, so that the parser reads on; what it
// notices after one that has no explanation may only follow from that.
func (c *checker) syntax(data []byte, f cfn.Problem) {
	lines := strings.Split(string(data), "\n")
	for n := range maxSyntax {
		first, words := unreadable(lines)
		if words == "" && n > 0 {
			return
		}
		p, known := explain(lines, first, cmp.Or(words, f.Text))
		if !known && n > 0 {
			return
		}
		p.Unread = true
		c.add(p)
		if !known || !neutralize(lines, p.Line-1) {
			return
		}
	}
}

// unreadable finds the first line, from 0, from which on the template is not YAML however it goes on, and the parser's
// words for it. The parser itself names the line in which the surrounding block starts; how far it has read is where it
// noticed, and the last line before that up to which all is YAML is above the one that is meant.
func unreadable(lines []string) (line int, words string) {
	const reach = 100
	words, noticed := syntaxError(lines)
	for end := noticed - 1; end >= max(0, noticed-reach); end-- {
		if found, _ := syntaxError(lines[:end]); found == "" {
			return end, words
		}
	}
	return max(0, noticed-1), words
}

var parserWords = regexp.MustCompile(`^yaml: (?:line \d+: )?`)

// syntaxError returns the YAML parser's words, without its line, or "", and how many lines it has read.
func syntaxError(lines []string) (words string, read int) {
	r := &lineReader{lines: lines}
	decoder := yaml.NewDecoder(r)
	for {
		switch err := decoder.Decode(&yaml.Node{}); {
		case errors.Is(err, io.EOF):
			return "", r.next
		case err != nil:
			return parserWords.ReplaceAllString(err.Error(), ""), r.next
		}
	}
}

// lineReader returns one line at most for each Read, so that next is the number of lines that were needed.
type lineReader struct {
	lines []string
	rest  string
	next  int
}

func (r *lineReader) Read(p []byte) (int, error) {
	if r.rest == "" {
		if r.next == len(r.lines) {
			return 0, io.EOF
		}
		r.rest = r.lines[r.next] + "\n"
		r.next++
	}
	n := copy(p, r.rest)
	r.rest = r.rest[n:]
	return n, nil
}

// explain says what people did where the parser speaks of YAML's grammar, and whether it is known to be that.
func explain(lines []string, line int, words string) (Problem, bool) {
	all := suspects([]byte(strings.Join(lines, "\n")))
	last := extent(lines, line)
	for _, opening := range []string{noList, noRow} {
		if s, ok := before(all, line+1, opening); ok {
			return s, true
		}
	}
	for _, s := range all {
		if line+1 <= s.Line && s.Line <= last+1 {
			return s, true
		}
	}
	// What has no colon goes on in the next line, where YAML notices it.
	if s, ok := before(all, line+1, ""); ok && s.Line >= above(lines, line)+1 {
		return s, true
	}
	// A quote that is not closed ends where the next one begins, lines below.
	if s, ok := before(all, line+1, notClosed); ok {
		return s, true
	}
	text := lines[line]
	p := Problem{Line: line + 1, Column: len(text) - len(strings.TrimLeft(text, " \t")) + 1}
	if anchor := unknownAnchor.FindStringSubmatch(words); anchor != nil {
		words = "did not find expected alphabetic or numeric character"
		for i, l := range lines {
			if at := strings.Index(l, "*"+anchor[1]); at >= 0 {
				p.Line, p.Column = i+1, characters(l, at)+1
			}
		}
	}
	p.Text, p.Fix = "this is not YAML: "+words, grammar[words]
	return p, false
}

var unknownAnchor = regexp.MustCompile(`^unknown anchor '([^']*)' referenced`)

// grammar is what mostly helps against each of the parser's complaints.
var grammar = map[string]string{
	"mapping values are not allowed in this context": "quote a value that holds a colon with a space after it, or " +
		"indent " +
		"the key like its neighbors",
	"did not find expected key": "indent this line like its neighbors, and close the " +
		"quotes and braces above it",
	"could not find expected ':'": "write a key, a colon, a space and its value",
	"did not find expected ',' or '}'": "write a comma between the keys, close the brace, and " +
		"quote the values",
	"did not find expected ',' or ']'": "write a comma between the entries, close the " +
		"bracket, and quote the values",
	"did not find expected node content":          "write a value here, or quote it",
	"found character that cannot start any token": "quote the value",
	"found unknown escape character": `write it between single quotes: in double quotes \ ` +
		`begins an escape`,
	"did not find expected hexdecimal number": `write it between single quotes: in double quotes \ ` +
		`begins an escape`,
	"did not find expected alphabetic or numeric character": "quote the value: * begins an alias and & an anchor",
	"did not find expected comment or line break":           "quote the value: | and > begin a block of text",
	"did not find expected whitespace or line break":        "quote the value: ! begins a tag",
	"block sequence entries are not allowed in this context": "quote the value, or write the list below its key: a dash " +
		"begins an entry",
	"mapping keys are not allowed in this context": "quote the value: ? begins a key",
}

// extent returns the last line of what begins in a line: those below that are indented more.
func extent(lines []string, line int) int {
	indent := func(text string) int { return len(text) - len(strings.TrimLeft(text, " ")) }
	last := line
	for i := line + 1; i < len(lines); i++ {
		if strings.TrimSpace(lines[i]) != "" && indent(lines[i]) <= indent(lines[line]) {
			break
		}
		last = i
	}
	return last
}

// above is the last line above one, from 0, that is not empty.
func above(lines []string, line int) int {
	for line--; line > 0 && strings.TrimSpace(lines[line]) == ""; line-- {
		continue
	}
	return line
}

// before is the last suspect above a line whose text ends so, as YAML notices some mistakes only below.
func before(all []Problem, line int, end string) (Problem, bool) {
	const reach = 30
	for _, s := range slices.Backward(all) {
		if s.Line < line && line-s.Line <= reach && strings.HasSuffix(s.Text, end) {
			return s, true
		}
	}
	return Problem{}, false
}

// neutralize replaces a line by one that YAML reads, if that can be done without its neighbors.
func neutralize(lines []string, line int) bool {
	text := lines[line]
	switch parts := entry.FindStringSubmatch(strings.TrimRight(text, "\r")); {
	case parts != nil && extent(lines, line) > line:
		return false
	case parts != nil && parts[3] != "":
		lines[line] = parts[1] + parts[2] + ": x"
	default:
		lines[line] = ""
	}
	return lines[line] != text
}

// characters counts those before a byte of a line: columns are counted in characters, as editors do.
func characters(line string, before int) int {
	return utf8.RuneCountInString(line[:min(before, len(line))])
}

// offset returns the byte of a line at which a column begins, both from 0.
func offset(line string, column int) int {
	for i := range line {
		if column == 0 {
			return i
		}
		column--
	}
	return len(line)
}

// invisible are the characters that come along when text is copied from a page, and that are not seen.
func invisible(r rune) bool {
	return r == '\u00a0' || r == '\u0085' || r == '\ufeff' || '\u200b' <= r && r <= '\u200f' ||
		'\u2028' <= r && r <= '\u202f' ||
		r == '\u2060' ||
		r == '\u3000'
}

// unseen finds a character in a line that cannot be there: what no one sees, or what no text holds.
func unseen(line string) (column int, text string, ok bool) {
	for i, r := range line {
		switch {
		case r < ' ' && r != '\t' && r != '\r', r == '\u007f':
			return i + 1, fmt.Sprintf("a control character (U+%04X)", r), true
		case r == '\r' && i < len(line)-1:
			return i + 1, "a carriage return within the line", true
		case invisible(r):
			return i + 1, fmt.Sprintf("an invisible character (U+%04X)", r), true
		}
	}
	return 0, "", false
}
