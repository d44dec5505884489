package docs_test

import (
	"fmt"
	"go/doc"
	"go/parser"
	"go/token"
	"io/fs"
	"maps"
	"path"
	"path/filepath"
	"slices"
	"strconv"
	"strings"
	"testing"
)

const module = "github.com/cronbearer/cronbearer/"

// imports are the packages of the functions, each with those of ours that it imports outside its tests.
func imports(t *testing.T) map[string][]string {
	t.Helper()
	graph := map[string][]string{}
	for _, top := range []string{"functions", "internal"} {
		err := filepath.WalkDir(filepath.Join("..", top), func(name string, entry fs.DirEntry, err error) error {
			switch {
			case err != nil:
				return err
			case entry.IsDir() && entry.Name() == "dev":
				return filepath.SkipDir
			case entry.IsDir() || !strings.HasSuffix(name, ".go") || strings.HasSuffix(name, "_test.go"):
				return nil
			}
			file, err := parser.ParseFile(token.NewFileSet(), name, nil, parser.ImportsOnly)
			if err != nil {
				return err
			}
			folder := strings.TrimPrefix(path.Dir(filepath.ToSlash(name)), "../")
			graph[folder] = append(graph[folder], nil...)
			for _, spec := range file.Imports {
				imported, err := strconv.Unquote(spec.Path.Value)
				if err != nil {
					return err
				}
				if ours, ok := strings.CutPrefix(imported, module); ok && !slices.Contains(graph[folder], ours) {
					graph[folder] = append(graph[folder], ours)
				}
			}
			return nil
		})
		if err != nil {
			t.Fatal(err)
		}
	}
	return graph
}

// reaches reports whether one package imports another, at any distance.
func reaches(graph map[string][]string, from, to string) bool {
	return slices.ContainsFunc(graph[from], func(next string) bool { return next == to || reaches(graph, next, to) })
}

// drawing is the graph in Mermaid's language, without the imports that follow from others.
func drawing(graph map[string][]string) string {
	var out strings.Builder
	out.WriteString("```mermaid\nflowchart TD\n")
	for _, from := range slices.Sorted(maps.Keys(graph)) {
		var direct []string
		for _, to := range graph[from] {
			if !slices.ContainsFunc(graph[from], func(other string) bool { return reaches(graph, other, to) }) {
				direct = append(direct, node(to))
			}
		}
		if slices.Sort(direct); len(direct) > 0 {
			fmt.Fprintf(&out, "  %s --> %s\n", node(from), strings.Join(direct, " & "))
		}
	}
	return out.String() + "```\n"
}

// node is a package's id and label: functions keep their folder, so that two packages of one name differ.
func node(folder string) string {
	if name, ok := strings.CutPrefix(folder, "functions/"); ok {
		return "main_" + name + "([functions/" + name + "])"
	}
	return strings.TrimPrefix(folder, "internal/")
}

// purposes are the first sentences of all packages' comments, by folder, without the words that every one begins with.
// A package of tests only says in one of them what they are for.
func purposes(t *testing.T, tops ...string) map[string]string {
	t.Helper()
	all, ofTests := map[string]string{}, map[string]string{}
	for _, top := range tops {
		err := filepath.WalkDir(filepath.Join("..", top), func(name string, entry fs.DirEntry, err error) error {
			switch {
			case err != nil:
				return err
			case entry.IsDir() && entry.Name() == "testdata":
				return filepath.SkipDir
			case entry.IsDir() || !strings.HasSuffix(name, ".go"):
				return nil
			}
			file, err := parser.ParseFile(token.NewFileSet(), name, nil, parser.PackageClauseOnly|parser.ParseComments)
			if err != nil {
				return err
			}
			folder := strings.TrimPrefix(path.Dir(filepath.ToSlash(name)), "../")
			to := all
			if strings.HasSuffix(name, "_test.go") {
				to = ofTests
			}
			if sentence := purpose(file.Doc.Text()); sentence != "" && to[folder] != "" {
				t.Errorf("%s has a second package comment, in %s", folder, entry.Name())
			} else if sentence != "" || to[folder] == "" {
				to[folder] = sentence
			}
			return nil
		})
		if err != nil {
			t.Fatal(err)
		}
	}
	for folder, sentence := range ofTests {
		if all[folder] == "" {
			all[folder] = sentence
		}
	}
	return all
}

// purpose is the first sentence of a package's comment.
func purpose(comment string) string {
	words := strings.SplitN(new(doc.Package).Synopsis(comment), " ", 3)
	if len(words) < 3 || words[0] != "Package" && words[0] != "Command" {
		return ""
	}
	return strings.TrimSuffix(strings.TrimPrefix(words[2], "is "), ".")
}

// purposeTable is one section's table.
func purposeTable(t *testing.T, tops ...string) string {
	t.Helper()
	all := purposes(t, tops...)
	var out strings.Builder
	out.WriteString("| package | purpose |\n| --- | --- |\n")
	for _, folder := range slices.Sorted(maps.Keys(all)) {
		if all[folder] == "" {
			t.Errorf("package %s has no comment that begins with Package or Command and says what it is for", folder)
		}
		fmt.Fprintf(&out, "| `%s` | %s |\n", folder, strings.ReplaceAll(all[folder], "|", "\\|"))
	}
	return out.String()
}

// TestArchitecturePageIsGenerated holds the graph and the table of packages against the code.
func TestArchitecturePageIsGenerated(t *testing.T) {
	t.Parallel()
	generated(t, "architecture.md", map[string]string{
		"imports": drawing(imports(t)), "packages": purposeTable(t, "functions", "internal", "infra"),
	})
}

func TestPurposeIsTheFirstSentence(t *testing.T) {
	t.Parallel()
	for comment, want := range map[string]string{
		"Package a reads a thing. It does no more.\n": "reads a thing",
		"Command b is the other.\n\nMore.\n":          "the other",
		"Runs c.\n":                                   "",
		"":                                            "",
	} {
		if got := purpose(comment); got != want {
			t.Errorf("purpose(%q) = %q, want %q", comment, got, want)
		}
	}
}

func TestDrawingLeavesOutWhatFollows(t *testing.T) {
	t.Parallel()
	got := drawing(map[string][]string{
		"functions/a": {"internal/a", "internal/c"}, "internal/a": {"internal/b", "internal/c"},
		"internal/b": {"internal/c"}, "internal/c": nil,
	})
	want := "```mermaid\nflowchart TD\n  main_a([functions/a]) --> a\n  a --> b\n  b --> c\n```\n"
	if got != want {
		t.Errorf("got %s, want %s", got, want)
	}
}
