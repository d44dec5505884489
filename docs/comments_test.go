package docs_test

import (
	"bytes"
	"fmt"
	"go/scanner"
	"go/token"
	"maps"
	"os"
	"path"
	"path/filepath"
	"slices"
	"strings"
	"testing"
)

// minComments is the share of comment lines that the functions' code must have, in per cent. Go's own libraries and
// those that are read as examples have 12 to 27. It is no aim of its own: below it, reasons and sources were left out.
const minComments = 12

// lines are counts of one package.
type lines struct{ comments, all int }

func (l lines) share() float64 { return 100 * float64(l.comments) / float64(l.all) }

// countLines counts the lines that are not blank, and those of them that hold nothing but a comment with words in it.
// Directives (//go:embed, //nolint) are no comments, nor is what is in a string, nor one at the end of a line of code.
func countLines(source []byte) lines {
	code, comment := map[int]bool{}, map[int]bool{}
	set := token.NewFileSet()
	file := set.AddFile("", -1, len(source))
	var s scanner.Scanner
	s.Init(file, source, nil, scanner.ScanComments)
	for {
		pos, tok, literal := s.Scan()
		if tok == token.EOF {
			break
		}
		kind := code
		if tok == token.COMMENT {
			kind = comment
		}
		for i, text := range strings.Split(literal, "\n") {
			if tok == token.SEMICOLON && literal == "\n" || tok == token.COMMENT && !hasWords(text) {
				continue // the scanner's own semicolon is not in the text
			}
			kind[file.Line(pos)+i] = true
		}
	}
	var l lines
	for i, text := range bytes.Split(source, []byte("\n")) {
		if len(bytes.TrimSpace(text)) == 0 {
			continue
		}
		l.all++
		if comment[i+1] && !code[i+1] {
			l.comments++
		}
	}
	return l
}

// hasWords reports whether a line of a comment says something to people.
func hasWords(line string) bool {
	rest, isLine := strings.CutPrefix(line, "//")
	if word, _, found := strings.Cut(rest, ":"); isLine && found && word != "" && strings.ToLower(word) == word &&
		!strings.Contains(word, " ") || strings.HasPrefix(rest, "nolint") {
		return false
	}
	return strings.Trim(line, "/* \t") != ""
}

// TestFunctionsCodeExplainsItself holds the share of comments in what is deployed.
func TestFunctionsCodeExplainsItself(t *testing.T) {
	t.Parallel()
	var total lines
	packages := map[string]lines{}
	for folder := range imports(t) {
		files, err := filepath.Glob(filepath.Join("..", filepath.FromSlash(folder), "*.go"))
		if err != nil {
			t.Fatal(err)
		}
		for _, name := range files {
			if strings.HasSuffix(name, "_test.go") {
				continue
			}
			source, err := os.ReadFile(name)
			if err != nil {
				t.Fatal(err)
			}
			count := countLines(source)
			sum := packages[folder]
			packages[folder] = lines{sum.comments + count.comments, sum.all + count.all}
			total = lines{total.comments + count.comments, total.all + count.all}
		}
	}
	if total.all == 0 {
		t.Fatal("no code was found")
	}
	if total.share() >= minComments {
		t.Logf("%.1f %% of %d lines are comments", total.share(), total.all)
		return
	}
	var below []string
	for _, folder := range slices.Sorted(maps.Keys(packages)) {
		if p := packages[folder]; p.share() < minComments {
			below = append(below, fmt.Sprintf("%s %.1f %%", path.Clean(folder), p.share()))
		}
	}
	t.Errorf("%.1f %% of the functions' %d lines are comments, less than %d %%. Where a policy, a source or a reason may "+
		"be missing: %s", total.share(), total.all, minComments, strings.Join(below, ", "))
}

func TestCommentsAreCountedHonestly(t *testing.T) {
	t.Parallel()
	source := strings.Join([]string{
		"// Package a is counted.", // a comment
		"//",
		"// And here.", // another
		"package a",
		"",
		"//go:generate no",
		"//nolint:all",
		"const a = 1 // not a line of its own",
		"/* One.", // two more
		"   Two.",
		"*/",
		"const b = `",
		"// not a comment",
		"`",
		"",
	}, "\n")
	if got, want := countLines([]byte(source)), (lines{comments: 4, all: 13}); got != want {
		t.Errorf("got %+v, want %+v", got, want)
	}
}
