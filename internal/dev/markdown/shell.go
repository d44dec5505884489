package markdown

import (
	"fmt"
	"regexp"
	"slices"
	"strings"

	"mvdan.cc/sh/v3/syntax"
)

// Shell is a block of shell commands that a page shows.
type Shell struct {
	// Line is the page's line on which the block starts.
	Line int
	// Mark says what the commands need that a test has not, such as "an AWS account"; empty: nothing.
	Mark string
	// Calls are the block's commands with their words, those of substitutions included. What is only known when they
	// run is Unknown.
	Calls [][]string
}

// Unknown stands for a word, or a part of one, that the reader or the shell fills in.
const Unknown = "X"

// The two forms of the mark: the first line of a block, and a sentence for a whole page, or, on the index of a folder,
// for all of its pages.
const (
	blockMark  = "# needs "
	PageMark   = "Commands on this page need an AWS account."
	FolderMark = "Commands on these pages need an AWS account."
)

// Account is the one need that a page may have as a whole.
const Account = "an AWS account"

var (
	shellBlock  = regexp.MustCompile("(?ms)^( *)```sh\\n(.*?)^ *```$")
	placeholder = regexp.MustCompile(`<[A-Za-z][^<>\n|&;]*>`)
	needs       = []string{Account, "the network"}
)

// Shells returns the blocks of a page that are marked sh. The index is that of the page's folder.
func Shells(page, index string) ([]Shell, error) {
	var list []Shell
	for _, m := range shellBlock.FindAllStringSubmatchIndex(page, -1) {
		text := page[m[4]:m[5]]
		s := Shell{Line: 1 + strings.Count(page[:m[0]], "\n")}
		first, _, _ := strings.Cut(strings.TrimSpace(text), "\n")
		if need, ok := strings.CutPrefix(first, blockMark); ok {
			if !slices.Contains(needs, need) {
				return nil, fmt.Errorf("line %d: the mark %q is none of %q", s.Line, first, needs)
			}
			s.Mark = need
		} else if strings.Contains(page, PageMark) || strings.Contains(index, FolderMark) {
			s.Mark = Account
		}
		var err error
		if s.Calls, err = Calls(text); err != nil {
			return nil, fmt.Errorf("line %d: %w", s.Line, err)
		}
		list = append(list, s)
	}
	return list, nil
}

// Calls returns the commands of a shell text.
func Calls(text string) ([][]string, error) {
	file, err := syntax.NewParser(syntax.Variant(syntax.LangBash)).
		Parse(strings.NewReader(placeholder.ReplaceAllString(text, Unknown)), "")
	if err != nil {
		return nil, fmt.Errorf("the shell cannot read %q: %w", text, err)
	}
	var calls [][]string
	syntax.Walk(file, func(node syntax.Node) bool {
		if call, ok := node.(*syntax.CallExpr); ok && len(call.Args) > 0 {
			var words []string
			for _, word := range call.Args {
				words = append(words, literal(word.Parts))
			}
			calls = append(calls, words)
		}
		return true
	})
	return calls, nil
}

func literal(parts []syntax.WordPart) string {
	var b strings.Builder
	for _, part := range parts {
		switch part := part.(type) {
		case *syntax.Lit:
			b.WriteString(strings.NewReplacer("\\\n", "", `\`, "").Replace(part.Value))
		case *syntax.SglQuoted:
			b.WriteString(part.Value)
		case *syntax.DblQuoted:
			b.WriteString(literal(part.Parts))
		default:
			b.WriteString(Unknown)
		}
	}
	return b.String()
}
