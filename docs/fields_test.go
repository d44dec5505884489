// Package docs_test compares what pages, saved queries and graphs say of log lines and metrics with the types and the
// code that make them. The syntax of queries and graphs is CloudWatch's and cfn-lint's to judge.
package docs_test

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"go/ast"
	"go/parser"
	"go/token"
	"io/fs"
	"maps"
	"os"
	"path/filepath"
	"reflect"
	"regexp"
	"slices"
	"strconv"
	"strings"
	"testing"
	"time"

	"github.com/aws/aws-sdk-go-v2/service/cloudwatch"
	"github.com/google/go-cmp/cmp"

	"github.com/cronbearer/cronbearer/internal/caller"
	"github.com/cronbearer/cronbearer/internal/endpoint"
	"github.com/cronbearer/cronbearer/internal/metric"
)

const (
	runLine   = "run"
	unstored  = "metrics that CloudWatch did not take"
	always    = "always"
	timestamp = "timestamp"
)

// field is a row of a table of log-lines.md, or what the code says of it.
type field struct {
	Kind   string // string, number, time or list
	Always bool
}

// runFields are those of the line of a run: the envelope, and the keys of caller.Result.
func runFields(t *testing.T) map[string]field {
	t.Helper()
	fields := map[string]field{
		timestamp: {Kind: "time", Always: true}, "level": {Kind: "string", Always: true},
		"message": {Kind: "string", Always: true}, "requestId": {Kind: "string", Always: true},
		"error": {"string", false},
	}
	for f := range reflect.TypeFor[caller.Result]().Fields() {
		key, options, _ := strings.Cut(f.Tag.Get("json"), ",")
		kind, ok := map[reflect.Kind]string{
			reflect.String: "string", reflect.Int: "number", reflect.Int64: "number", reflect.Pointer: "time",
		}[f.Type.Kind()]
		if !ok {
			t.Fatalf("no page says how a %s looks in a log line", f.Type)
		}
		fields["result."+key] = field{kind, options == ""}
	}
	return fields
}

// down takes no metrics.
type down struct{}

func (down) PutMetricData(
	context.Context, *cloudwatch.PutMetricDataInput, ...func(*cloudwatch.Options),
) (*cloudwatch.PutMetricDataOutput, error) {
	return nil, errors.New("no answer")
}

// embeddedFields are those of the line that stands in for PutMetricData, when there is news of everything.
func embeddedFields(t *testing.T) map[string]string {
	t.Helper()
	expires := time.Date(2027, time.January, 31, 0, 0, 0, 0, time.UTC)
	r := caller.Result{
		Job: "J", Token: "T", Outcome: caller.Succeeded, Verdict: endpoint.Accepted, TokenExpiresAt: &expires,
	}
	err := metric.NewPublisher(down{}, metric.DefaultNamespace, "S").Publish(t.Context(), r.Report(expires))
	lost, ok := errors.AsType[*metric.NotStoredError](err)
	if !ok {
		t.Fatal(err)
	}
	var line map[string]any
	if err := json.Unmarshal(lost.Line, &line); err != nil {
		t.Fatal(err)
	}
	if inner, ok := line["_aws"].(map[string]any); ok {
		for key, v := range inner {
			line["_aws."+key] = v
		}
		delete(line, "_aws")
	}
	fields := map[string]string{}
	for key, v := range line {
		fields[key] = map[bool]string{true: "time", false: strings.TrimSuffix(fmt.Sprintf("%T", v), "64")}[key == timestamp]
	}
	return fields
}

// table reads a table of a page: its rows' cells without back-quotes, by the first.
func table(t *testing.T, page, heading string) map[string][]string {
	t.Helper()
	_, section, _ := strings.Cut(page, "\n## "+heading+"\n")
	section, _, _ = strings.Cut(section, "\n## ")
	rows := map[string][]string{}
	for line := range strings.Lines(section) {
		if cells := strings.Split(strings.TrimSpace(line), " | "); strings.HasPrefix(line, "| `") {
			rows[strings.Trim(cells[0], "| `")] = cells[1:]
		}
	}
	if len(rows) == 0 {
		t.Fatalf("the page has no table under %s", heading)
	}
	return rows
}

func read(t *testing.T, path string) string {
	t.Helper()
	text, err := os.ReadFile(path)
	if err != nil {
		t.Fatal(err)
	}
	return string(text)
}

func TestLineOfARunIsTheDocumentedOne(t *testing.T) {
	t.Parallel()
	page := read(t, "log-lines.md")
	documented := map[string]field{}
	for name, cells := range table(t, page, "The line of a run") {
		documented[name] = field{cells[0], cells[1] == always}
	}
	if diff := cmp.Diff(documented, runFields(t)); diff != "" {
		t.Errorf("fields (-docs/log-lines.md +caller.Result)\n%s", diff)
	}
	_, examples, _ := strings.Cut(page, "```json\n")
	examples, _, _ = strings.Cut(examples, "```")
	decoder := json.NewDecoder(strings.NewReader(examples))
	decoder.DisallowUnknownFields()
	n := 0
	for ; decoder.More(); n++ {
		var line struct {
			Timestamp                        time.Time
			Level, Message, Error, RequestID string
			Result                           caller.Result
		}
		if err := decoder.Decode(&line); err != nil {
			t.Fatal(err)
		}
		if line.Message != runLine || line.Result.RequestID != line.RequestID ||
			(line.Level == "INFO") == (line.Error != "") {
			t.Errorf("an example contradicts itself: %+v", line)
		}
	}
	if n != 2 {
		t.Errorf("%d examples", n)
	}
}

func TestEmbeddedMetricsAreTheDocumentedOnes(t *testing.T) {
	t.Parallel()
	documented := map[string]string{}
	for name, cells := range table(t, read(t, "log-lines.md"), "Metrics that CloudWatch did not take") {
		documented[name] = strings.NewReplacer("number", "float", "list", "[]interface {}").Replace(cells[0])
	}
	if diff := cmp.Diff(documented, embeddedFields(t)); diff != "" {
		t.Errorf("fields (-docs/log-lines.md +metric.Publisher)\n%s", diff)
	}
}

// TestOtherLinesAreTheDocumentedOnes reads each call of a logger out of the code.
func TestOtherLinesAreTheDocumentedOnes(t *testing.T) {
	t.Parallel()
	code := regexp.MustCompile(`[a-z_]+`)
	documented := map[string]call{}
	for message, cells := range table(t, read(t, "log-lines.md"), "Other lines") {
		documented[message] = call{set(strings.Split(cells[0], ", ")), set(code.FindAllString(cells[1], -1))}
	}
	logged := calls(t)
	delete(logged, runLine)
	if diff := cmp.Diff(documented, logged); diff != "" {
		t.Errorf("lines (-docs/log-lines.md +code)\n%s", diff)
	}
}

func set(names []string) map[string]bool {
	all := map[string]bool{}
	for _, name := range names {
		all[name] = true
	}
	return all
}

// call is what a message is logged with.
type call struct{ Levels, Keys map[string]bool }

// calls are those of a logger in the functions, by their message.
func calls(t *testing.T) map[string]call {
	t.Helper()
	found := map[string]call{}
	for _, top := range []string{"../internal", "../functions"} {
		err := filepath.WalkDir(top, func(path string, entry fs.DirEntry, err error) error {
			if err == nil && entry.IsDir() && entry.Name() == "dev" { // is never deployed, and logs nothing there
				return filepath.SkipDir
			}
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

// callsIn adds the calls of one function. What it gives a logger by With is in each line that follows.
func callsIn(found map[string]call, declaration ast.Decl) {
	levels := map[string]string{"Debug": "DEBUG", "Info": "INFO", "Warn": "WARN", "Error": "ERROR"}
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
		if levels[name] == "" || len(arguments) == 0 {
			return true
		}
		message, ok := literal(arguments[0])
		if !ok {
			return true
		}
		if found[message].Levels == nil {
			found[message] = call{map[string]bool{}, map[string]bool{}}
		}
		found[message].Levels[levels[name]] = true
		maps.Copy(found[message].Keys, set(append(keys(arguments[1:]), with...)))
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

// logged are the fields of each line, by its message.
func logged(t *testing.T) map[string]map[string]bool {
	t.Helper()
	lines := map[string]map[string]bool{unstored: set(slices.Collect(maps.Keys(embeddedFields(t))))}
	for message, c := range calls(t) {
		lines[message] = set([]string{timestamp, "level", "message", "requestId"})
		maps.Copy(lines[message], c.Keys)
	}
	lines[runLine] = set(slices.Collect(maps.Keys(runFields(t))))
	return lines
}

// fieldsOf are the fields that a query reads, each once: its words without strings, patterns, aliases and the
// language's own.
func fieldsOf(query string) []string {
	query = regexp.MustCompile(`(?m)^\s*#.*$|"[^"]*"|'[^']*'|/[^/\n]*/`).ReplaceAllString(query, " ")
	aliases := set([]string{
		"SOURCE", "filter", "fields", "stats", "sort", "limit", "as", "by", "and", "or", "in", "not", "like", "desc", "asc",
	})
	for _, m := range regexp.MustCompile(`\bas (\w+)`).FindAllStringSubmatch(query, -1) {
		aliases[m[1]] = true
	}
	query = regexp.MustCompile(`\w+\(`).ReplaceAllString(query, " ")
	words := regexp.MustCompile(`@?\b[A-Za-z_][\w.]*`).FindAllString(query, -1)
	slices.Sort(words)
	return slices.DeleteFunc(slices.Compact(words), func(word string) bool { return aliases[word] })
}

// strange are the fields and the quoted words of a query that no line has.
func strange(query string, lines map[string]map[string]bool) []string {
	known, words := map[string]bool{"@timestamp": true}, maps.Clone(values)
	of := regexp.MustCompile(`\bmessage = "([^"]+)"`).FindStringSubmatch(query)
	for message, fields := range lines {
		words[message] = true
		if of == nil || of[1] == message {
			maps.Copy(known, fields)
		}
	}
	list := slices.DeleteFunc(fieldsOf(query), func(name string) bool { return known[name] })
	for _, quoted := range regexp.MustCompile(`"([^"]*)"`).FindAllStringSubmatch(query, -1) {
		if !words[quoted[1]] {
			list = append(list, quoted[1])
		}
	}
	return list
}

var (
	outcomes = []caller.Outcome{
		caller.Succeeded, caller.TokenRejected, caller.TokenUnavailable, caller.TargetFailed, caller.Unreachable,
		caller.InvalidJob, caller.Skipped,
	}
	// values are what a query may compare a field with, next to a message.
	values = func() map[string]bool {
		all := set([]string{"INFO", "WARN", "ERROR", "FATAL"})
		for _, v := range []endpoint.Verdict{endpoint.Accepted, endpoint.Rejected, endpoint.Unknown} {
			all[string(v)] = true
		}
		for _, o := range outcomes {
			all[string(o)] = true
		}
		return all
	}()
)

func TestFieldThatNoLineHasIsFound(t *testing.T) {
	t.Parallel()
	lines := logged(t)
	for name, c := range map[string]struct {
		query string
		want  []string
	}{
		"fields of a run": {
			query: "# error\nfilter message = \"run\" and result.job like /./\n" +
				"| stats count(*) as n, latest(error) as why by bin(6h), result.job\n| sort n desc",
		},
		"field that is misspelt": {
			query: `filter message = "run" | fields result.jobs, @timestamp`, want: []string{"result.jobs"},
		},
		"field in a function": {
			query: `filter message = "run" | stats sum(result.tries) as n`, want: []string{"result.tries"},
		},
		"field of another line": {query: `filter message = "run" | fields step`, want: []string{"step"}},
		"message that nothing logs": {
			query: `filter message = "rotation steps" | fields level`, want: []string{"level", "message", "rotation steps"},
		},
		"outcome that does not exist": {
			query: `filter message = "run" and result.outcome = "failed"`, want: []string{"failed"},
		},
	} {
		if got := strange(c.query, lines); !slices.Equal(c.want, got) {
			t.Errorf("%s: %q, want %q", name, got, c.want)
		}
	}
}

// TestFiltersOfPagesFindFields: what the pages, runbooks included, give a reader to type. platform.… is Lambda's.
func TestFiltersOfPagesFindFields(t *testing.T) {
	t.Parallel()
	known := map[string]bool{"type": true}
	for _, fields := range logged(t) {
		maps.Copy(known, fields)
	}
	filter := regexp.MustCompile(`\$\.([A-Za-z_][\w.]*)|\x60(result\.\w+)`)
	n := 0
	err := filepath.WalkDir(".", func(path string, _ fs.DirEntry, err error) error {
		if err != nil || !strings.HasSuffix(path, ".md") {
			return err
		}
		for _, m := range filter.FindAllStringSubmatch(read(t, path), -1) {
			if strings.HasPrefix(m[1], "detail.") {
				continue // a path in an event of EventBridge
			}
			n++
			if !known[m[1]+m[2]] {
				t.Errorf("%s names the field %s, which no line has", path, m[1]+m[2])
			}
		}
		return nil
	})
	if err != nil || n == 0 {
		t.Errorf("%d filters, %v", n, err)
	}
}
