package docs_test

import (
	"io/fs"
	"maps"
	"net/url"
	"os"
	"path"
	"path/filepath"
	"regexp"
	"slices"
	"strings"
	"testing"
	"unicode"

	"github.com/google/go-cmp/cmp"
)

// tree is the repository as its pages see it: every file by its path from the top.
type tree map[string]bool

// repository is the tree without tools, builds and what npm installs.
func repository(t *testing.T) tree {
	t.Helper()
	all := tree{}
	err := filepath.WalkDir("..", func(name string, entry fs.DirEntry, err error) error {
		if err != nil {
			return err
		}
		relative := strings.TrimPrefix(filepath.ToSlash(name), "../")
		switch base := entry.Name(); {
		case entry.IsDir() && slices.Contains([]string{".git", ".tools", ".build", ".aws-sam", "node_modules"}, base):
			return filepath.SkipDir
		case name != "..":
			all[relative] = true
		}
		return nil
	})
	if err != nil {
		t.Fatal(err)
	}
	return all
}

// pages are the Markdown files that people read.
func (r tree) pages() []string {
	var list []string
	for name := range r {
		if strings.HasSuffix(name, ".md") && !strings.Contains(name, "testdata/") {
			list = append(list, name)
		}
	}
	slices.Sort(list)
	return list
}

// has reports whether a file or folder exists; the path may be a pattern.
func (r tree) has(name string) bool {
	if name == "." || r[name] {
		return true
	}
	for file := range r {
		if ok, err := path.Match(name, file); err == nil && ok {
			return true
		}
	}
	return false
}

// ends reports whether a file's path ends in a name, so that a page may write it short.
func (r tree) ends(name string) bool {
	for file := range r {
		if strings.HasSuffix(file, "/"+name) {
			return true
		}
	}
	return false
}

var (
	fence      = regexp.MustCompile("(?ms)^ *```.*?^ *```$")
	codeSpan   = regexp.MustCompile("`([^`\n]+)`")
	link       = regexp.MustCompile(`\]\(([^()\s]+)\)`)
	autolink   = regexp.MustCompile(`<([a-z]+:[^<>\s]+)>`)
	heading    = regexp.MustCompile(`(?m)^#{1,6} +(.+)$`)
	onGitHub   = regexp.MustCompile(`https://github\.com/cronbearer/cronbearer/(?:blob|tree)/main/([^)>\s"'` + "`" + `]+)`)
	makeTarget = regexp.MustCompile("(?m)(?:^|`|&& )make ([a-z][a-z-]*)")
	goPackage  = regexp.MustCompile(`go (?:run|test|build) (?:-\S+ )*(\./[\w/.-]+)`)
	goTest     = regexp.MustCompile(`go test (?:-\S+ )*(\./[\w/.-]+)[^` + "`" + `\n]* -run '?([\w|^$]+)`)
	// What looks like a file of the repository: a name with an extension that we have, or a path in one of our folders.
	fileName = regexp.MustCompile(
		`^(?:[\w.*-]+/)*[\w.*-]+\.(?:go|md|ya?ml|json|toml|sh|py|txt|txtar|golden|in)$|` +
			`^(?:docs|events|functions|infra|internal)(?:/[\w.*-]+)*/?$`,
	)
)

// theirs are files that the reader makes, and names that are no files.
var theirs = map[string]bool{
	"event.json": true, "secret.json": true, "new-secret.json": true, "without-key.json": true, "new.txt": true,
	"old.txt": true, "old/template.yaml": true, ".github/workflows/deploy.yml": true, "dev.yaml": true,
}

// anchors are the ids that GitHub gives the headings of a page.
func anchors(page string) map[string]bool {
	ids := map[string]bool{}
	for _, m := range heading.FindAllStringSubmatch(fence.ReplaceAllString(page, ""), -1) {
		text := link.ReplaceAllString(strings.ReplaceAll(m[1], "[", ""), "")
		id := strings.Map(func(r rune) rune {
			switch {
			case r == ' ':
				return '-'
			case unicode.IsLetter(r), unicode.IsDigit(r), r == '-', r == '_':
				return unicode.ToLower(r)
			}
			return -1
		}, text)
		for base, n := id, 1; ids[id]; n++ {
			id = base + "-" + string(rune('0'+n))
		}
		ids[id] = true
	}
	return ids
}

// problems are what a page says that is not so: links and their form, anchors, files, commands.
func (r tree) problems(name, page string, text func(string) string, targets map[string]bool) []string {
	var list []string
	prose := fence.ReplaceAllString(page, "")
	for _, m := range link.FindAllStringSubmatch(codeSpan.ReplaceAllString(prose, ""), -1) {
		if regexp.MustCompile(`^[a-z]+:`).MatchString(m[1]) {
			list = append(list, outside(m[1])...)
			continue
		}
		file, anchor, _ := strings.Cut(m[1], "#")
		to := name
		if file != "" {
			to = path.Join(path.Dir(name), file)
		}
		switch {
		case !r.has(to):
			list = append(list, "links to "+m[1]+", which is not there")
		case anchor != "" && !anchors(text(to))[anchor]:
			list = append(list, "links to "+m[1]+", which has no such heading")
		}
	}
	for _, m := range autolink.FindAllStringSubmatch(codeSpan.ReplaceAllString(prose, ""), -1) {
		list = append(list, outside(m[1])...)
	}
	for _, m := range onGitHub.FindAllStringSubmatch(page, -1) {
		if to := strings.TrimRight(m[1], "/."); !r.has(to) {
			list = append(list, "links to "+to+" on GitHub, which is not there")
		}
	}
	for _, m := range codeSpan.FindAllStringSubmatch(prose, -1) {
		// The reference of the operator's tool names files of its readers.
		if strings.HasPrefix(name, "docs/cli/") {
			break
		}
		file := strings.TrimSuffix(m[1], "/")
		if fileName.MatchString(file) && !strings.HasPrefix(file, ".build/") && !theirs[file] && !r.has(file) &&
			!r.has(path.Join(path.Dir(name), file)) &&
			!r.ends(file) {
			list = append(list, "names "+file+", which is not there")
		}
	}
	for _, m := range makeTarget.FindAllStringSubmatch(page, -1) {
		if !targets[m[1]] {
			list = append(list, "says make "+m[1]+", which the Makefile does not know")
		}
	}
	for _, m := range goPackage.FindAllStringSubmatch(page, -1) {
		if to := path.Clean(strings.TrimRight(strings.TrimSuffix(m[1], "/..."), "/.")); !r.has(to) {
			list = append(list, "says "+m[0]+", which is not there")
		}
	}
	for _, m := range goTest.FindAllStringSubmatch(page, -1) {
		if !r.matches(path.Clean(m[1]), m[2], text) {
			list = append(list, "says "+m[0]+", which runs no test")
		}
	}
	return list
}

// trackers are parameters of a link that say where its reader comes from.
var trackers = regexp.MustCompile(`^(?:utm_.*|fbclid|gclid|msclkid|mc_[ce]id|ref|ref_src|trk|sc_.*|si)$`)

// outside returns what is wrong with the form of a link to another site. Whether it is there, a test without a network
// cannot know.
func outside(link string) []string {
	u, err := url.Parse(link)
	switch {
	case err != nil || u.Host == "" || !strings.Contains(u.Host, "."):
		return []string{"links to " + link + ", which is no address"}
	case u.Scheme != "https":
		return []string{"links to " + link + " without https"}
	case u.User != nil:
		return []string{"links to " + u.Redacted() + ", which has a user"}
	}
	for name := range u.Query() {
		if trackers.MatchString(name) {
			return []string{"links to " + link + " with a tracker, " + name}
		}
	}
	return nil
}

// matches reports whether a package has a test that -run selects.
func (r tree) matches(folder, run string, text func(string) string) bool {
	selects, err := regexp.Compile(run)
	if err != nil {
		return false
	}
	for name := range r {
		if path.Dir(name) != folder || !strings.HasSuffix(name, "_test.go") {
			continue
		}
		for _, m := range regexp.MustCompile(`(?m)^func (Test\w+)\(`).FindAllStringSubmatch(text(name), -1) {
			if selects.MatchString(m[1]) {
				return true
			}
		}
	}
	return false
}

// targets are those of the Makefile, the commands of the operator's tool included.
func targets(makefile string) map[string]bool {
	all := map[string]bool{}
	for _, pattern := range []string{`(?m)^([a-z][a-z -]*):(?:[^=]|$)`, `(?m)^TOOL := (.*)$`} {
		for _, m := range regexp.MustCompile(pattern).FindAllStringSubmatch(makefile, -1) {
			for name := range strings.FieldsSeq(m[1]) {
				all[name] = true
			}
		}
	}
	return all
}

// TestPagesNameWhatIsThere checks each link with its anchor, each file in back-quotes, each make target, package and
// test that a page names.
func TestPagesNameWhatIsThere(t *testing.T) {
	t.Parallel()
	r := repository(t)
	text := func(name string) string { return read(t, filepath.Join("..", filepath.FromSlash(name))) }
	known := targets(text("Makefile"))
	for _, name := range r.pages() {
		for _, problem := range r.problems(name, text(name), text, known) {
			t.Errorf("%s %s", name, problem)
		}
	}
}

// TestProblemsOfPagesAreFound: each kind of mistake, and its right form.
func TestProblemsOfPagesAreFound(t *testing.T) {
	t.Parallel()
	files := map[string]string{
		"docs/a.md": "# A page\n## Two words\n## Two words\n", "Makefile": "build: x\nTOOL := plan\nGO := y\n",
		"internal/x/x_test.go": "func TestSomething(t *testing.T) {}\n", "internal/x/x.go": "",
	}
	r := tree{"docs": true, "docs/p.md": true, "internal": true, "internal/x": true}
	for name := range files {
		r[name] = true
	}
	text := func(name string) string { return files[name] }
	for page, want := range map[string][]string{
		"[a](a.md) [b](#two) [c](a.md#two-words-1) `internal/x/x.go` `x.go` `internal/*/x.go`\n# Two": nil,
		"[a](b.md)":            {"links to b.md, which is not there"},
		"[a](a.md#three)":      {"links to a.md#three, which has no such heading"},
		"`internal/y/`":        {"names internal/y, which is not there"},
		"`y.go`, `event.json`": {"names y.go, which is not there"},
		"Run `make build`, `make plan && make nothing`": {"says make nothing, which the Makefile does not know"},
		"`make GO`, make up your mind":                  nil,
		"`go run ./internal/y -a`":                      {"says go run ./internal/y, which is not there"},
		"`go test ./internal/x -run Some`":              nil,
		"`go test ./internal/x -run Other`":             {"says go test ./internal/x -run Other, which runs no test"},
		"<https://github.com/cronbearer/cronbearer/blob/main/docs/a.md> and " +
			"https://github.com/cronbearer/cronbearer/tree/main/docs/b": {"links to docs/b on GitHub, which is not there"},
		"```sh\n[a](b.md) `y.go`\n```":                     nil,
		"[a](https://a.example/b?c=d) <https://a.example>": nil,
		"[a](http://a.example)":                            {"links to http://a.example without https"},
		"<http://a.example/b>":                             {"links to http://a.example/b without https"},
		"[a](https://a.example/?utm_source=x)": {
			"links to https://a.example/?utm_source=x with a tracker, utm_source",
		},
		"[a](https://me@a.example)": {"links to https://me@a.example, which has a user"},
		"[a](https://localhost/)":   {"links to https://localhost/, which is no address"},
	} {
		got := r.problems("docs/p.md", page, func(name string) string {
			if name == "docs/p.md" {
				return page
			}
			return text(name)
		}, targets(files["Makefile"]))
		if diff := cmp.Diff(want, got); diff != "" {
			t.Errorf("%s (-want +got)\n%s", page, diff)
		}
	}
}

// TestIndexListsEachPage: docs/README.md links to each page of docs, those of a folder with an index of its own through
// that.
func TestIndexListsEachPage(t *testing.T) {
	t.Parallel()
	linked := map[string]bool{}
	follow := []string{"docs/README.md"}
	for len(follow) > 0 {
		name := follow[0]
		follow = follow[1:]
		linked[name] = true
		text, err := os.ReadFile(filepath.Join("..", filepath.FromSlash(name)))
		if err != nil {
			t.Fatal(err)
		}
		for _, m := range link.FindAllStringSubmatch(string(text), -1) {
			file, _, _ := strings.Cut(m[1], "#")
			to := path.Join(path.Dir(name), file)
			if !strings.HasPrefix(to, "docs/") || linked[to] || !strings.HasSuffix(to, ".md") {
				continue
			}
			linked[to] = true
			if path.Base(to) == "README.md" {
				follow = append(follow, to)
			}
		}
	}
	for _, name := range repository(t).pages() {
		// The reference of the operator's tool has its root's page as index.
		if strings.HasPrefix(name, "docs/") && !strings.HasPrefix(name, "docs/cli/cronbearer_") && !linked[name] {
			t.Errorf("docs/README.md does not lead to %s", name)
		}
	}
	if len(linked) < 30 {
		t.Errorf("%d pages: %s", len(linked), slices.Sorted(maps.Keys(linked)))
	}
}
