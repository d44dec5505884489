// Package providers has the pages of this folder, and the secrets in them as forms that an operator fills in. The pages
// are the one place that says what a provider's secret looks like: `cronbearer token set --provider` asks for what they
// leave open, and the tests read them with the functions' own parser.
package providers

import (
	"embed"
	"fmt"
	"io/fs"
	"regexp"
	"slices"
	"strings"
)

//go:embed *.md
var pages embed.FS

// A Form is a secret with placeholders such as <client id>.
type Form struct {
	// Title is the sentence before the form, or the page's.
	Title string
	Text  string
}

var (
	form        = regexp.MustCompile("(?ms)^```json secret\n(.*?)^```$")
	bold        = regexp.MustCompile(`\*\*([^*]+)\*\*`)
	placeholder = regexp.MustCompile(`<[^<>"]+>`)
)

// Names returns the providers that have a form, in order.
func Names() []string {
	var names []string
	entries, err := fs.ReadDir(pages, ".")
	if err != nil { // it is in the binary
		return nil
	}
	for _, e := range entries {
		name := strings.TrimSuffix(e.Name(), ".md")
		if forms, err := Forms(name); err == nil && len(forms) > 0 {
			names = append(names, name)
		}
	}
	slices.Sort(names)
	return names
}

// Forms returns a provider's forms in the order of its page.
func Forms(name string) ([]Form, error) {
	data, err := pages.ReadFile(name + ".md")
	if err != nil || strings.Contains(name, "/") {
		return nil, fmt.Errorf("there is no page for a provider %q", name)
	}
	page := string(data)
	title, _, _ := strings.Cut(strings.TrimPrefix(page, "# "), "\n")
	var forms []Form
	for i, at := range form.FindAllStringSubmatchIndex(page, -1) {
		one := Form{Title: title, Text: page[at[2]:at[3]]}
		// The paragraph before a form begins with what makes it another one.
		before := strings.TrimSpace(page[:at[0]])
		paragraph := before[strings.LastIndex(before, "\n\n")+1:]
		if m := bold.FindStringSubmatch(paragraph); m != nil && i > 0 {
			one.Title = title + ", " + strings.ToLower(m[1][:1]) + strings.TrimSuffix(m[1][1:], ".")
		}
		forms = append(forms, one)
	}
	return forms, nil
}

// Placeholders returns what the form leaves open, each once, in order.
func (f Form) Placeholders() []string {
	var list []string
	for _, p := range placeholder.FindAllString(f.Text, -1) {
		if !slices.Contains(list, p) {
			list = append(list, p)
		}
	}
	return list
}

var (
	hidden = regexp.MustCompile(`(?i)secret|token|password|…`)
	open   = regexp.MustCompile(`(?i)\b(?:id|kid|private_key_id|consumer key|public key|account|audience|domain|name|` +
		`org|pool|project|provider|realm|role|tenant|user)\b`)
)

// Secret reports whether what stands for a placeholder is not to be shown. What no one has named as open is secret.
func Secret(name string) bool { return hidden.MatchString(name) || !open.MatchString(name) }

// File reports whether a placeholder stands for text of several lines, which comes from a file.
func File(name string) bool {
	return strings.Contains(name, "PEM") || strings.Contains(name, "certificate")
}
