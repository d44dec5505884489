package view

import (
	"fmt"
	"strings"
	"unicode/utf8"
)

// A Table is aligned columns under headers for people, and tab-separated values without headers for programs. The cells
// are names, times and marks: each rune is one column wide. The last column wraps.
type Table struct {
	io      *IO
	headers []string
	rows    [][]string
}

// Table returns an empty table.
func (s *IO) Table(headers ...string) *Table { return &Table{io: s, headers: headers} }

// Row adds a row. Tabs and line breaks in cells become spaces.
func (t *Table) Row(cells ...string) {
	row := make([]string, len(cells))
	for i, c := range cells {
		row[i] = strings.Join(strings.Fields(c), " ")
	}
	t.rows = append(t.rows, row)
}

const between = 2

// Print writes the table to standard output.
func (t *Table) Print() {
	if !t.io.OutTTY {
		for _, row := range t.rows {
			fmt.Fprintln(t.io.Out, strings.Join(row, "\t"))
		}
		return
	}
	all := append([][]string{t.headers}, t.rows...)
	widths := make([]int, len(t.headers))
	for _, row := range all {
		for i, c := range row {
			if i < len(widths) {
				widths[i] = max(widths[i], utf8.RuneCountInString(c))
			}
		}
	}
	for _, row := range all {
		fmt.Fprintln(t.io.Out, t.line(row, widths))
	}
}

func (t *Table) line(row []string, widths []int) string {
	var b strings.Builder
	column := 0
	for i, c := range row {
		if i == len(row)-1 {
			b.WriteString(strings.TrimPrefix(Wrap(c, column, t.io.Width), strings.Repeat(" ", column)))
			break
		}
		b.WriteString(c)
		gap := widths[i] - utf8.RuneCountInString(c) + between
		b.WriteString(strings.Repeat(" ", gap))
		column += widths[i] + between
	}
	return strings.TrimRight(b.String(), " ")
}

// Wrap breaks text at spaces so that no line is wider than width, and indents each line. A word that is longer than a
// line stays whole, so that commands and names can be copied. Line breaks in text are kept.
func Wrap(text string, indent, width int) string {
	var lines []string
	for paragraph := range strings.SplitSeq(text, "\n") {
		lines = append(lines, wrapped(paragraph, indent, width)...)
	}
	return strings.Join(lines, "\n")
}

func wrapped(paragraph string, indent, width int) []string {
	margin := strings.Repeat(" ", indent)
	lines, line := []string{}, ""
	for word := range strings.FieldsSeq(paragraph) {
		switch {
		case line == "":
			line = word
		case indent+utf8.RuneCountInString(line)+1+utf8.RuneCountInString(word) > width:
			lines = append(lines, margin+line)
			line = word
		default:
			line += " " + word
		}
	}
	return append(lines, strings.TrimRight(margin+line, " "))
}

// WrapCommand breaks a command line at spaces, with backslashes, so that it can be pasted.
func WrapCommand(command string, indent, width int) string {
	const end = " \\"
	lines := wrapped(command, 0, width-indent-len(end)-between)
	margin := strings.Repeat(" ", indent)
	for i := range lines {
		if i > 0 {
			lines[i] = strings.Repeat(" ", between) + lines[i]
		}
		lines[i] = margin + lines[i]
		if i < len(lines)-1 {
			lines[i] += end
		}
	}
	return strings.Join(lines, "\n")
}
