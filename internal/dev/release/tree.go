package main

import (
	"errors"
	"fmt"
	"os"
	"path/filepath"
	"regexp"
	"strings"

	"github.com/cronbearer/cronbearer/internal/dev/shipped"
)

// tree is the folder of the repository.
type tree string

// places are all files that name the version, with the text around it. A release has the same in each of them.
func places() []place {
	return []place{
		{"internal/version/version.go", regexp.MustCompile(`(const Current = ")([^"]*)(")`)},
		{"template.yaml", outputVersion},
		{shipped.Path, outputVersion},
	}
}

var outputVersion = regexp.MustCompile(`(\n  Version: \{ Description: [^,]*, Value: )([^ ]*)( \})`)

type place struct {
	file string
	text *regexp.Regexp
}

// semantic is semver.org's grammar, without build metadata, which an output of a stack does not need.
var semantic = regexp.MustCompile(`^(0|[1-9]\d*)\.(0|[1-9]\d*)\.(0|[1-9]\d*)(-[0-9A-Za-z][0-9A-Za-z.-]*)?$`)

// set writes a version into every place. After a release its template becomes the one that upgrades are tried from.
func (t tree) set(version string) error {
	if !semantic.MatchString(version) {
		return fmt.Errorf("%q is no version: write one such as 1.2.0, or 1.3.0-dev", version)
	}
	if err := t.keepReleased(version); err != nil {
		return err
	}
	for _, p := range places() {
		path := filepath.Join(string(t), p.file)
		data, err := os.ReadFile(path) // #nosec G304: one of ours
		if err != nil {
			return err
		}
		if !p.text.Match(data) {
			return fmt.Errorf("%s: no longer has the version where it was", p.file)
		}
		after := p.text.ReplaceAll(data, []byte("${1}"+version+"${3}"))
		if err := os.WriteFile(path, after, 0o644); err != nil { // #nosec G306: a file of the repository
			return err
		}
	}
	if preliminary(version) {
		return nil
	}
	return t.cutChangelog(version)
}

// previous is the template of the last release.
const previous = "internal/dev/shipped/testdata/previous.yaml"

func (t tree) keepReleased(next string) error {
	data, err := os.ReadFile(filepath.Join(string(t), shipped.Path))
	if err != nil {
		return err
	}
	if now := outputVersion.FindSubmatch(data); now == nil || preliminary(string(now[2])) || !preliminary(next) {
		return nil
	}
	return os.WriteFile(filepath.Join(string(t), previous), data, 0o644) // #nosec G306: a file of the repository
}

func preliminary(version string) bool { return strings.Contains(version, "-") }

// unreleased is the section of the changelog that the next release's notes grow in.
const unreleased = "## Unreleased\n"

// cutChangelog gives the unreleased changes the version's name, and begins anew above them.
func (t tree) cutChangelog(version string) error {
	path := filepath.Join(string(t), changelog)
	data, err := os.ReadFile(path) // #nosec G304: one of ours
	if err != nil {
		return err
	}
	text := string(data)
	if strings.Contains(text, "\n## "+version+"\n") {
		return nil
	}
	if !strings.Contains(text, "\n"+unreleased) {
		return fmt.Errorf("%s: has no %q", changelog, unreleased)
	}
	text = strings.Replace(text, unreleased, unreleased+"\nNothing yet.\n\n## "+version+"\n", 1)
	return os.WriteFile(path, []byte(text), 0o644) // #nosec G306: a file of the repository
}

const changelog = "CHANGELOG.md"

// check reports every place that has another version.
func (t tree) check(version string) error {
	var problems []error
	for _, p := range places() {
		data, err := os.ReadFile(filepath.Join(string(t), p.file))
		if err != nil {
			return err
		}
		found := p.text.FindSubmatch(data)
		if found == nil {
			problems = append(problems, fmt.Errorf("%s: has no version", p.file))
		} else if string(found[2]) != version {
			problems = append(problems, fmt.Errorf("%s: has %s, not %s", p.file, found[2], version))
		}
	}
	if len(problems) > 0 {
		return errors.Join(append(problems, errDisagree)...)
	}
	return nil
}

// notes are what the changelog says of a version. A version that is on its way has the unreleased ones.
func (t tree) notes(version string) (string, error) {
	data, err := os.ReadFile(filepath.Join(string(t), changelog)) // #nosec G304: one of ours
	if err != nil {
		return "", err
	}
	heading := "## " + version
	if preliminary(version) {
		heading = strings.TrimSpace(unreleased)
	}
	for _, section := range strings.Split("\n"+string(data), "\n## ")[1:] {
		title, text, _ := strings.Cut(section, "\n")
		if words := strings.Fields(title); len(words) > 0 && "## "+words[0] == heading {
			if text = strings.TrimSpace(text); text != "" {
				return text + "\n", nil
			}
		}
	}
	return "", fmt.Errorf("%s: has nothing under %q", changelog, heading)
}
