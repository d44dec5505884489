package edit

import (
	"bytes"
	"cmp"
	"slices"
	"strings"
	"unicode/utf8"

	"go.yaml.in/yaml/v3"
)

// item is an entry of a mapping or of a list, from its key to the end of its value.
type item struct{ start, end int }

// items returns the entries of a mapping or of a list.
func (s *source) items(n *yaml.Node) []item {
	var found []item
	if n.Kind == yaml.SequenceNode {
		for _, v := range n.Content {
			found = append(found, item{s.offset(v), s.end(v)})
		}
		return found
	}
	for i := 0; i+1 < len(n.Content); i += 2 {
		start, value := s.offset(n.Content[i]), n.Content[i+1]
		end := max(s.end(value), s.colon(s.end(n.Content[i])))
		found = append(found, item{start, end})
	}
	return found
}

// colon returns the byte after the colon that follows a key; of a key without one, in braces, the key's own end.
func (s *source) colon(at int) int {
	if next := s.skip(at, ""); next < len(s.data) && s.data[next] == ':' {
		return next + 1
	}
	return at
}

// maxColumns is how wide a line may become before a list is continued in the next one.
const maxColumns = 120

// addFlow adds an entry within brackets, as the ones before it are written: in a line, or each in its own.
func (s *source) addFlow(n *yaml.Node, text string) []splice {
	all := s.items(n)
	if len(all) == 0 {
		open := s.properties(s.offset(n))
		if s.data[open] == '{' {
			text = " " + text + " "
		}
		return []splice{{open + 1, s.skipBlanks(open + 1), text}}
	}
	last := all[len(all)-1]
	closing := s.closing(last.end)
	comma := s.commaAfter(last.end)
	alone := blank(s.before(last.start)) && s.line(closing) > s.line(last.end)
	pad := s.broken(s.lines[max(s.line(last.start)-1, 0)]) + s.before(last.start)
	switch {
	case alone && comma < 0:
		return []splice{{last.end, last.end, ","}, {s.lineEnd(last.end), s.lineEnd(last.end), pad + text}}
	case alone && s.line(comma) == s.line(last.end):
		return []splice{{s.lineEnd(comma), s.lineEnd(comma), pad + text + ","}}
	case comma >= 0:
		return []splice{{comma + 1, comma + 1, " " + text + ","}}
	}
	gap := " "
	width := utf8.RuneCount(s.data[s.lineStart(last.end):s.lineEnd(last.end)]) + utf8.RuneCountInString(", "+text)
	if width > maxColumns && n.Kind == yaml.SequenceNode {
		first := all[s.firstOfLine(all)]
		gap = s.broken(first.start) + strings.Repeat(" ", utf8.RuneCountInString(s.before(first.start)))
	}
	return []splice{{last.end, last.end, "," + gap + text}}
}

// firstOfLine returns the first of the entries that are in the line of the last one.
func (s *source) firstOfLine(all []item) int {
	last := s.line(all[len(all)-1].start)
	return slices.IndexFunc(all, func(i item) bool { return s.line(i.start) == last })
}

// skipBlanks skips spaces and tabs within a line.
func (s *source) skipBlanks(at int) int {
	for at < len(s.data) && (s.data[at] == ' ' || s.data[at] == '\t') {
		at++
	}
	return at
}

// commaAfter returns where the comma after an entry is, or -1.
func (s *source) commaAfter(end int) int {
	if at := s.skip(end, ""); at < len(s.data) && s.data[at] == ',' {
		return at
	}
	return -1
}

// removeFlow removes an entry within brackets, and one comma.
func (s *source) removeFlow(n *yaml.Node, i int) []splice {
	all := s.items(n)
	this, comma := all[i], s.commaAfter(all[i].end)
	end := this.end
	if comma >= 0 {
		end = comma + 1
	}
	starts := blank(s.before(this.start))
	switch {
	case len(all) == 1:
		return s.emptied(n, this.start, end)
	case i+1 < len(all):
		next := all[i+1]
		switch {
		case starts && s.line(next.start) > s.line(end):
			return []splice{s.wholeLines(this.start, end)}
		case i > 0 && s.line(next.start) > s.line(end):
			return []splice{{s.commaAfter(all[i-1].end) + 1, end, ""}}
		case s.commented(end, next.start):
			return []splice{{this.start, end, ""}}
		}
		return []splice{{this.start, next.start, ""}}
	}
	before := all[i-1].end
	comma0 := s.commaAfter(before)
	keep := comma >= 0 // a comma after the last one stays the list's style
	switch {
	case starts && s.line(s.closing(this.end)) > s.line(this.end):
		cuts := []splice{s.wholeLines(this.start, end)}
		if !keep {
			cuts = append(cuts, splice{comma0, comma0 + 1, ""})
		}
		return cuts
	case keep:
		return []splice{{comma0 + 1, end, ""}}
	case s.commented(before, this.start):
		return []splice{{comma0, comma0 + 1, ""}, {this.start, this.end, ""}}
	}
	return []splice{{before, this.end, ""}}
}

// emptied removes the only entry, with the white space around it.
func (s *source) emptied(n *yaml.Node, start, end int) []splice {
	open, closing := s.properties(s.offset(n)), s.closing(end)
	if s.commented(open+1, start) || s.commented(end, closing) {
		return []splice{{start, end, ""}}
	}
	return []splice{{open + 1, closing, ""}}
}

// commented reports whether a comment is between two entries.
func (s *source) commented(from, to int) bool { return bytes.IndexByte(s.data[from:to], '#') >= 0 }

// wholeLines removes lines from the one of a byte to that of another, with the break before them.
func (s *source) wholeLines(from, to int) splice {
	first := s.line(from)
	if first == 0 {
		return splice{s.lines[0], s.lineEnd(to), ""}
	}
	return splice{s.lineEnd(s.lines[first-1]), s.lineEnd(to), ""}
}

// addBlock adds lines after the last entry of a mapping that is written in lines, below the comments that belong
// to it, with an empty line between if the last two have one.
func (s *source) addBlock(n *yaml.Node, lines []string) ([]splice, bool) {
	all := s.items(n)
	last := all[len(all)-1]
	pad := s.before(last.start)
	if strings.Trim(pad, " ") != "" {
		return nil, false
	}
	end := s.withComments(last.end, len(pad))
	gap := s.broken(last.start)
	text := ""
	if len(all) > 1 && s.apart(all[len(all)-2].end, last.start) {
		text = gap
	}
	for _, l := range lines {
		text += gap + pad + l
	}
	return []splice{{end, end, text}}, true
}

// withComments returns the end of the lines after an entry that are comments and indented below it.
func (s *source) withComments(end, indent int) int {
	at := s.lineEnd(end)
	for i := s.line(at) + 1; i < len(s.lines); i++ {
		text := string(s.data[s.lines[i]:s.lineEnd(s.lines[i])])
		rest := strings.TrimLeft(text, " ")
		if !strings.HasPrefix(rest, "#") || len(text)-len(rest) <= indent {
			break
		}
		at = s.lineEnd(s.lines[i])
	}
	return at
}

// apart reports whether an empty line is between two entries, above the second one's comments.
func (s *source) apart(end, start int) bool {
	for i := s.line(start) - 1; i > s.line(end); i-- {
		text := string(s.data[s.lines[i]:s.lineEnd(s.lines[i])])
		if blank(text) {
			return true
		}
		if !strings.HasPrefix(strings.TrimLeft(text, " \t"), "#") {
			return false
		}
	}
	return false
}

// removeBlock removes the lines of an entry, the comments below it that are its own, and an empty line above it.
func (s *source) removeBlock(n *yaml.Node, i int) ([]splice, bool) {
	all := s.items(n)
	this := all[i]
	pad := s.before(this.start)
	if strings.Trim(pad, " ") != "" || len(all) == 1 {
		return nil, false
	}
	from := this.start
	above := s.line(from) - 1
	if i > 0 && above > s.line(all[i-1].end) && blank(string(s.data[s.lines[above]:s.lineEnd(s.lines[above])])) {
		from = s.lines[above]
	}
	return []splice{s.wholeLines(from, s.withComments(this.end, len(pad)))}, true
}

// addDash adds an item to a list that is written in lines.
func (s *source) addDash(n *yaml.Node, text string) ([]splice, bool) {
	all := s.items(n)
	last := all[len(all)-1]
	dash, ok := s.dash(last.start)
	if !ok {
		return nil, false
	}
	pad := strings.Repeat(" ", utf8.RuneCountInString(s.before(dash)))
	end := s.withComments(last.end, len(pad))
	return []splice{{end, end, s.broken(last.start) + pad + string(s.data[dash:last.start]) + text}}, true
}

// removeDash removes an item of a list that is written in lines. The first may share its line with another list's
// dash.
func (s *source) removeDash(n *yaml.Node, i int) ([]splice, bool) {
	all := s.items(n)
	dash, ok := s.dash(all[i].start)
	if !ok {
		return nil, false
	}
	pad := s.before(dash)
	switch {
	case len(all) == 1:
		return []splice{{dash, all[i].end, "[]"}}, true
	case blank(pad):
		return []splice{s.wholeLines(dash, s.withComments(all[i].end, len(pad)))}, true
	}
	next, ok := s.dash(all[i+1].start)
	return []splice{{dash, next, ""}}, ok
}

// dash returns where the dash of a list's item is.
func (s *source) dash(start int) (int, bool) {
	at := start - 1
	for at >= 0 && s.data[at] == ' ' {
		at--
	}
	return at, at >= 0 && s.data[at] == '-'
}

func ordered(splices []splice) []splice {
	slices.SortStableFunc(splices, func(a, b splice) int { return cmp.Compare(a.from, b.from) })
	return splices
}
