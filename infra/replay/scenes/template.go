package scenes

import (
	"errors"
	"fmt"
	"os"
	"path/filepath"
	"strings"
)

// Row is one block of the template's Mappings, as it stands there: a name, and the keys in braces.
type Row struct{ Name, Keys string }

// With is the text of the real template with other tokens and jobs: blocks and lists are replaced, everything else
// stays. No rows leave what is there.
func With(template string, tokens, jobs []Row) (string, error) {
	var problems []error
	replace := func(from, to, with string) {
		begin := strings.Index(template, from)
		if begin < 0 {
			problems = append(problems, fmt.Errorf("the template no longer has %q", from))
			return
		}
		begin += len(from)
		length := strings.Index(template[begin:], to)
		if length < 0 {
			problems = append(problems, fmt.Errorf("the template no longer has %q after %q", to, from))
			return
		}
		template = template[:begin] + with + template[begin+length:]
	}
	rows := func(from, to, list string, rows []Row) {
		if len(rows) == 0 {
			return
		}
		names := make([]string, len(rows))
		var blocks strings.Builder
		for i, r := range rows {
			names[i] = r.Name
			fmt.Fprintf(&blocks, "    %s: %s\n", r.Name, r.Keys)
		}
		replace(from, to, blocks.String())
		replace(list, "]", strings.Join(names, ", "))
	}
	rows("  Tokens:\n", "\n  Jobs:\n", "    - Token\n    - [", tokens)
	rows("\n  Jobs:\n", "\n  # A flexible window", "    - Job\n    - [", jobs)
	return template, errors.Join(problems...)
}

// WriteWith puts the text of With, made of the template at a path, into a file below dir.
func WriteWith(template, dir string, tokens, jobs []Row) (path string, err error) {
	text, err := os.ReadFile(template)
	if err != nil {
		return "", fmt.Errorf("the template: %w", err)
	}
	changed, err := With(string(text), tokens, jobs)
	if err != nil {
		return "", err
	}
	path = filepath.Join(dir, "template.yaml")
	if err := os.WriteFile(path, []byte(changed), 0o600); err != nil {
		return "", fmt.Errorf("the template: %w", err)
	}
	return path, nil
}
