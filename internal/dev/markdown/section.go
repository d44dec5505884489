// Package markdown replaces the generated sections of pages that people write, and reads the shell commands that they
// show. It knows nothing of Markdown beyond comments and fences, and is not for pages that are generated whole.
package markdown

import (
	"fmt"
	"strings"
)

// Section returns the page with text between the marks of a section:
//
//	<!-- NAME: make generate -->
//	<!-- NAME: end -->
func Section(page, name, text string) (string, error) {
	return SectionBy("make generate", page, name, text)
}

// SectionBy is Section with another command in the first mark.
func SectionBy(command, page, name, text string) (string, error) {
	begin, end := "<!-- "+name+": "+command+" -->\n", "<!-- "+name+": end -->\n"
	before, rest, begins := strings.Cut(page, begin)
	_, after, ends := strings.Cut(rest, end)
	if !begins || !ends {
		return "", fmt.Errorf("the page has no marks for its section %s", name)
	}
	return before + begin + "\n" + strings.Trim(text, "\n") + "\n\n" + end + after, nil
}
