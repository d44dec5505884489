package dashboard_test

import (
	"bytes"
	"fmt"
	"go/ast"
	"go/parser"
	"go/token"
	"maps"
	"os"
	"path/filepath"
	"regexp"
	"slices"
	"strconv"
	"strings"
	"sync"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"

	"github.com/cronbearer/cronbearer/infra/dashboard/insights"
	"github.com/cronbearer/cronbearer/infra/local"
	"github.com/cronbearer/cronbearer/infra/local/api"
	"github.com/cronbearer/cronbearer/infra/local/localtest"
	"github.com/cronbearer/cronbearer/infra/local/target"
	"github.com/cronbearer/cronbearer/internal/rotation"
)

// output is what the real binary wrote: the lines as they are and as CloudWatch Logs Insights finds them.
type output struct {
	lines []map[string]any
	flat  []insights.Line
}

var shared struct {
	once sync.Once
	output
}

// logged runs the events of every outcome, a rotation window and a failing CloudWatch, once for all tests.
func logged(t *testing.T) output {
	t.Helper()
	shared.once.Do(func() { shared.output = run(t) })
	if len(shared.lines) == 0 {
		t.Fatal("the binary wrote nothing")
	}
	return shared.output
}

const (
	host = "api.example.com"
	good = "fake-token-number-one"
	next = "fake-token-number-two"
)

func run(t *testing.T) output {
	t.Helper()
	cloud := localtest.Start(t, local.Options{NoStarts: true})
	put := func(stage, value string) {
		var err error
		if stage == "" {
			_, err = cloud.PutSecret("example-api", `{"token":"`+value+`","expires_at":"2027-01-31T00:00:00Z"}`)
		} else {
			_, err = cloud.Secrets.PutStaged(cloud.SecretID("example-api"), value, stage)
		}
		if err != nil {
			t.Fatal(err)
		}
	}
	put("", good)
	server := cloud.Target(host)
	server.Accept(good)
	server.Rule(func(q target.Request) (target.Answer, bool) {
		answers := map[string]target.Answer{"/v1/token-rejected": target.Rejected, "/v1/target-failed": target.Broken, "/v1/unreachable": target.HungUp}
		answer, ok := answers[q.Path]
		return answer, ok
	})
	var out output
	invoke := func(name string) {
		event, err := os.ReadFile(filepath.Join("..", "..", "events", name+".json"))
		if err != nil {
			t.Fatal(err)
		}
		r, err := cloud.Invoke(t.Context(), "Caller", event)
		if err != nil {
			t.Fatal(err)
		}
		out.lines = append(out.lines, r.Lines()...)
		for text := range strings.Lines(string(r.Stdout)) {
			line, err := insights.Flatten(r.At, []byte(text))
			if err != nil {
				t.Fatalf("%v: %s", err, text)
			}
			out.flat = append(out.flat, line)
		}
		if err := cloud.Advance(t.Context(), time.Minute); err != nil {
			t.Fatal(err)
		}
	}
	for _, outcome := range []string{"succeeded", "skipped", "token-rejected", "token-unavailable", "target-failed", "unreachable", "invalid-job"} {
		invoke("call-" + outcome)
	}
	// The pending token is the good one.
	server.Revoke(good)
	server.Accept(next)
	put("AWSPENDING", next)
	invoke("call-succeeded")
	// Nothing stores the metrics, and there are some: good news is not repeated within five minutes.
	if err := cloud.Advance(t.Context(), 10*time.Minute); err != nil {
		t.Fatal(err)
	}
	cloud.CloudWatch.Faults.Set("PutMetricData", "", api.Denied)
	invoke("call-token-rejected")
	return out
}

// row is a row of one of the page's tables, its cells without back-quotes.
type row []string

func table(t *testing.T, page, heading string) []row {
	t.Helper()
	_, section, ok := strings.Cut(page, "\n## "+heading+"\n")
	if !ok {
		t.Fatalf("the page has no heading %s", heading)
	}
	section, _, _ = strings.Cut(section, "\n## ")
	var rows []row
	for line := range strings.SplitSeq(section, "\n") {
		if !strings.HasPrefix(line, "| `") {
			continue
		}
		var r row
		for cell := range strings.SplitSeq(strings.Trim(line, "| "), " | ") {
			r = append(r, strings.Trim(strings.TrimSpace(cell), "`"))
		}
		rows = append(rows, r)
	}
	if len(rows) == 0 {
		t.Fatalf("the table under %s is empty", heading)
	}
	return rows
}

// TestLineOfARun: each run has one line, and the page has each of its fields, with its type.
func TestLineOfARun(t *testing.T) {
	t.Parallel()
	documented := table(t, read(t, "../../docs/log-lines.md"), "The line of a run")
	n := 0
	seen := map[string]bool{}
	for _, l := range logged(t).flat {
		if l["message"] != "run" {
			continue
		}
		n++
		compare(t, l, documented, seen)
		if l["requestId"] != l["result.requestId"] || (l["level"] == "INFO") == (l["error"] != nil) {
			t.Errorf("a line contradicts itself: %v", l)
		}
	}
	if n != 9 {
		t.Errorf("%d lines for 9 runs", n)
	}
	for _, r := range documented {
		if !seen[r[0]] {
			t.Errorf("the page has the field %s, and no line", r[0])
		}
	}
}

func TestEmbeddedMetrics(t *testing.T) {
	t.Parallel()
	documented := table(t, read(t, "../../docs/log-lines.md"), "Metrics that CloudWatch did not take")
	seen := map[string]bool{}
	for _, l := range logged(t).lines {
		if l["message"] != "metrics that CloudWatch did not take" {
			continue
		}
		flat := insights.Line{}
		for key, v := range l {
			inner, nested := v.(map[string]any)
			for name, v := range inner {
				flat[key+"."+name] = v
			}
			if !nested {
				flat[key] = v
			}
		}
		compare(t, flat, documented, seen)
	}
	for _, r := range documented {
		if !seen[r[0]] {
			t.Errorf("the page has the field %s, and no line", r[0])
		}
	}
}

// compare holds a line against the documented fields and notes which it has.
func compare(t *testing.T, l insights.Line, documented []row, seen map[string]bool) {
	t.Helper()
	for _, r := range documented {
		v, there := l[r[0]]
		if !there {
			if r[2] == "always" {
				t.Errorf("%s is not in each line: %v", r[0], l)
			}
			continue
		}
		seen[r[0]] = true
		if got := kind(v); got != r[1] && (got != "time" || r[1] != "string") {
			t.Errorf("%s is a %s; the page says %s", r[0], got, r[1])
		}
	}
	for name := range l {
		if !strings.HasPrefix(name, "@") && !slices.ContainsFunc(documented, func(r row) bool { return r[0] == name }) {
			t.Errorf("the page does not have the field %s", name)
		}
	}
}

func kind(v any) string {
	switch v := v.(type) {
	case float64:
		return "number"
	case []any:
		return "list"
	case string:
		if _, err := time.Parse(time.RFC3339Nano, v); err == nil {
			return "time"
		}
		return "string"
	default:
		return fmt.Sprintf("%T", v)
	}
}

// TestOtherLines reads every call of a logger out of the code: message, level and fields are those of the page.
func TestOtherLines(t *testing.T) {
	t.Parallel()
	want := map[string]string{}
	for _, r := range table(t, read(t, "../../docs/log-lines.md"), "Other lines") {
		want[r[0]] = line(strings.Split(r[1], ", "), code.FindAllString(r[2], -1))
	}
	got := map[string]string{}
	for message, c := range calls(t) {
		if message != "run" { // tested above
			got[message] = line(slices.Collect(maps.Keys(c.levels)), slices.Collect(maps.Keys(c.keys)))
		}
	}
	if diff := cmp.Diff(want, got); diff != "" {
		t.Errorf("lines (-docs/log-lines.md +code)\n%s", diff)
	}
}

var code = regexp.MustCompile(`[a-z_]+`)

func line(levels, keys []string) string {
	slices.Sort(levels)
	slices.Sort(keys)
	return strings.Join(slices.Compact(levels), ", ") + ": " + strings.Join(slices.Compact(keys), ", ")
}

type call struct{ levels, keys map[string]bool }

var levels = map[string]string{"Debug": "DEBUG", "Info": "INFO", "Warn": "WARN", "Error": "ERROR"}

// calls finds what the functions log.
func calls(t *testing.T) map[string]call {
	t.Helper()
	found := map[string]call{}
	for _, top := range []string{"internal", "functions"} {
		err := filepath.WalkDir(filepath.Join("..", "..", top), func(path string, _ os.DirEntry, err error) error {
			if err != nil || !strings.HasSuffix(path, ".go") || strings.HasSuffix(path, "_test.go") {
				return err
			}
			file, err := parser.ParseFile(token.NewFileSet(), path, nil, 0)
			if err != nil {
				return err
			}
			for _, declaration := range file.Decls {
				callsIn(found, declaration)
			}
			return nil
		})
		if err != nil {
			t.Fatal(err)
		}
	}
	return found
}

// callsIn adds the calls of one function. What it gives a logger by With stands in each line that follows.
func callsIn(found map[string]call, declaration ast.Decl) {
	var with []string
	ast.Inspect(declaration, func(n ast.Node) bool {
		c, ok := n.(*ast.CallExpr)
		if !ok {
			return true
		}
		selector, ok := c.Fun.(*ast.SelectorExpr)
		if !ok {
			return true
		}
		arguments := c.Args
		name, withContext := strings.CutSuffix(selector.Sel.Name, "Context")
		if withContext && len(arguments) > 0 {
			arguments = arguments[1:]
		}
		if name == "With" {
			with = append(with, keys(arguments)...)
		}
		level, isLevel := levels[name]
		if !isLevel || len(arguments) == 0 {
			return true
		}
		message, ok := literal(arguments[0])
		if !ok {
			return true
		}
		if found[message].levels == nil {
			found[message] = call{map[string]bool{}, map[string]bool{}}
		}
		found[message].levels[level] = true
		for _, key := range append(keys(arguments[1:]), with...) {
			found[message].keys[key] = true
		}
		return true
	})
}

func keys(arguments []ast.Expr) []string {
	var list []string
	for i := 0; i < len(arguments); i += 2 {
		if key, ok := literal(arguments[i]); ok {
			list = append(list, key)
		}
	}
	return list
}

func literal(e ast.Expr) (string, bool) {
	basic, ok := e.(*ast.BasicLit)
	if !ok || basic.Kind != token.STRING {
		return "", false
	}
	text, err := strconv.Unquote(basic.Value)
	return text, err == nil
}

// TestPageExamples: the lines that the page shows have the documented fields too.
func TestPageExamples(t *testing.T) {
	t.Parallel()
	page := read(t, "../../docs/log-lines.md")
	documented := table(t, page, "The line of a run")
	_, block, _ := strings.Cut(page, "```json\n")
	block, _, _ = strings.Cut(block, "```")
	n := 0
	for text := range strings.Lines(block) {
		l, err := insights.Flatten(time.Now(), []byte(text))
		if err != nil {
			t.Fatal(err)
		}
		compare(t, l, documented, map[string]bool{})
		n++
	}
	if n != 2 {
		t.Errorf("%d examples", n)
	}
}

// rotated is what the rotator writes of a step that it refuses.
func rotated(t *testing.T) []insights.Line {
	t.Helper()
	var out bytes.Buffer
	h := rotation.NewHandler(func(string) (string, bool) { return "", false }, &out)
	if _, err := h.Invoke(t.Context(), []byte(`{"Step":"createSecret","SecretId":"a","ClientRequestToken":"b"}`)); err == nil {
		t.Error("a rotator that is not configured works")
	}
	l, err := insights.Flatten(time.Now(), out.Bytes())
	if err != nil {
		t.Fatal(err)
	}
	return []insights.Line{l}
}
