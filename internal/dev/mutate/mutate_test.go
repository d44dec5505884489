package mutate_test

import (
	"flag"
	"fmt"
	"go/ast"
	"go/parser"
	"go/token"
	"io/fs"
	"maps"
	"math"
	"os"
	"os/exec"
	"path/filepath"
	"regexp"
	"slices"
	"strings"
	"testing"

	"github.com/google/go-cmp/cmp"

	"github.com/cronbearer/cronbearer/internal/dev/markdown"
	"github.com/cronbearer/cronbearer/internal/dev/mutate"
)

func seeds() [][]any {
	return [][]any{
		{"a text", []byte("bytes"), 7, int64(-7), uint16(9), true}, {"", []byte{}, 0, int64(0), uint16(0), false},
	}
}

func TestInputsAreNewAndCanBeRepeated(t *testing.T) {
	t.Parallel()
	const n = 500
	first := mutate.Varied(seeds(), n, 1)
	if diff := cmp.Diff(first, mutate.Varied(seeds(), n, 1)); diff != "" {
		t.Errorf("one seed of chance, two results: %s", diff)
	}
	distinct := map[string]bool{}
	for _, args := range append(first, mutate.Varied(seeds(), n, 2)...) {
		distinct[fmt.Sprint(args...)] = true
	}
	if len(distinct) < 3*n/2 {
		t.Errorf("%d different inputs of %d", len(distinct), 2*n)
	}
}

func TestKeptInputsAreRead(t *testing.T) {
	t.Parallel()
	got, err := mutate.ReadInput("go test fuzz v1\nstring(\"a\\n\\xff\")\n[]byte(\"b\")\nint(-3)\n" +
		"int64(-9223372036854775808)\nuint16(65535)\nbool(true)\n")
	want := []any{"a\n\xff", []byte("b"), -3, int64(math.MinInt64), uint16(math.MaxUint16), true}
	if diff := cmp.Diff(want, got); diff != "" || err != nil {
		t.Error(diff, err)
	}
	for name, text := range map[string]string{
		"no header": "string(\"\")", "no conversion": "go test fuzz v1\n1",
		"a type that none has":       "go test fuzz v1\nrune(1)",
		"a number that does not fit": "go test fuzz v1\nuint16(65536)", "no Go": "go test fuzz v1\nstring(",
	} {
		if _, err := mutate.ReadInput(text); err == nil {
			t.Errorf("%s: it is read", name)
		}
	}
}

// TestNoFuzzTestIsForgotten: make fuzz runs each fuzz test of the tree, and each tries new inputs in plain go test too.
func TestNoFuzzTestIsForgotten(t *testing.T) {
	t.Parallel()
	const root = "../../.."
	list := exec.CommandContext(t.Context(), "sh", "internal/dev/check/fuzz.sh", "list")
	list.Dir = root
	output, err := list.Output()
	if err != nil {
		t.Fatal(err)
	}
	listed := map[string]bool{}
	for line := range strings.Lines(string(output)) {
		listed[strings.TrimSpace(line)] = true
	}
	found := 0
	for name, declared := range fuzzTests(t, root) {
		found++
		if !listed[name] {
			t.Errorf("make fuzz does not run %s", name)
		}
		if declared.Doc.Text() == "" {
			t.Errorf("%s does not state its property", name)
		}
		if !calls(declared, "mutate", "New") {
			t.Errorf("%s tries its seeds only in plain go test: begin it with f := mutate.New(fuzz)", name)
		}
	}
	if found != len(listed) || found < 25 {
		t.Errorf("%d fuzz tests in the tree, %d in make fuzz", found, len(listed))
	}
}

var update = flag.Bool("update", false, "write the table of docs/robustness.md")

// TestFuzzTestsAreListed: docs/robustness.md has each fuzz test with the property that it states.
func TestFuzzTestsAreListed(t *testing.T) {
	t.Parallel()
	const root = "../../.."
	tests := fuzzTests(t, root)
	var table strings.Builder
	table.WriteString("| package | test | property |\n| --- | --- | --- |\n")
	for _, name := range slices.Sorted(maps.Keys(tests)) {
		pkg, test, _ := strings.Cut(name, " ")
		fmt.Fprintf(&table, "| `%s` | `%s` | %s |\n", strings.TrimPrefix(pkg, "./"), test, property(tests[name].Doc.Text()))
	}
	path := filepath.Join(root, "docs", "robustness.md")
	page, err := os.ReadFile(path)
	if err != nil {
		t.Fatal(err)
	}
	want, err := markdown.Section(string(page), "properties", table.String())
	if err != nil {
		t.Fatal(err)
	}
	if *update {
		if err := os.WriteFile(path, []byte(want), 0o600); err != nil {
			t.Fatal(err)
		}
		return
	}
	if diff := cmp.Diff(strings.Split(string(page), "\n"), strings.Split(want, "\n")); diff != "" {
		t.Errorf("docs/robustness.md is out of date: run make generate (-kept +now)\n%s", diff)
	}
}

var beginning = regexp.MustCompile(`^(Fuzz\w+ (holds|checks) that |Fuzz\w+: |Fuzz\w+ changes sources: |Property: )`)

var another = regexp.MustCompile(`([;,] (?:and )?)that `)

// property is a fuzz test's comment as a sentence.
func property(comment string) string {
	text := beginning.ReplaceAllString(strings.Join(strings.Fields(comment), " "), "")
	text = another.ReplaceAllString(text, "$1")
	text = strings.NewReplacer("|", `\|`, "fc00::/7", "`fc00::/7`").Replace(text)
	return strings.ToUpper(text[:1]) + text[1:]
}

// fuzzTests returns those of the module by "./package FuzzName", but this package's own.
func fuzzTests(t *testing.T, root string) map[string]*ast.FuncDecl {
	t.Helper()
	tests := map[string]*ast.FuncDecl{}
	err := filepath.WalkDir(root, func(path string, entry fs.DirEntry, err error) error {
		name := entry.Name()
		if entry.IsDir() && path != root && (name[0] == '.' || name == "testdata" || name == "mutate") {
			return filepath.SkipDir
		}
		if err != nil || !strings.HasSuffix(name, "_test.go") {
			return err
		}
		file, err := parser.ParseFile(token.NewFileSet(), path, nil, parser.ParseComments)
		if err != nil {
			return err
		}
		dir, err := filepath.Rel(root, filepath.Dir(path))
		for _, d := range file.Decls {
			if f, ok := d.(*ast.FuncDecl); ok && strings.HasPrefix(f.Name.Name, "Fuzz") {
				tests["./"+filepath.ToSlash(dir)+" "+f.Name.Name] = f
			}
		}
		return err
	})
	if err != nil {
		t.Fatal(err)
	}
	return tests
}

func calls(f *ast.FuncDecl, pkg, name string) (found bool) {
	ast.Inspect(f, func(n ast.Node) bool {
		if call, ok := n.(*ast.CallExpr); ok {
			if s, ok := call.Fun.(*ast.SelectorExpr); ok && s.Sel.Name == name {
				x, isIdent := s.X.(*ast.Ident)
				found = found || isIdent && x.Name == pkg
			}
		}
		return !found
	})
	return found
}

// FuzzRunsWhatIsAdded: an input of every type arrives at the test, as often as it asked for.
func FuzzRunsWhatIsAdded(f *testing.F) {
	if flag.Lookup("test.fuzz").Value.String() != "" {
		f.Skip("it counts what plain go test runs")
	}
	const n = 20
	m, ran := mutate.New(f), 0
	m.Try(n)
	for _, args := range seeds() {
		m.Add(args...)
	}
	f.Cleanup(func() {
		if ran < n+len(seeds()) {
			f.Errorf("%d inputs ran", ran)
		}
	})
	m.Fuzz(func(*testing.T, string, []byte, int, int64, uint16, bool) { ran++ })
}
