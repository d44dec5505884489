package jsondoc_test

import (
	"runtime"
	"slices"
	"strconv"
	"strings"
	"testing"

	"github.com/cronbearer/cronbearer/internal/dev/growth"
	"github.com/cronbearer/cronbearer/internal/dev/mutate"
	"github.com/cronbearer/cronbearer/internal/jsondoc"
)

// has asks the text and the tree the same question, which must get the same answer.
func has(t *testing.T, text, pointer, want string) bool {
	t.Helper()
	p, err := jsondoc.ParsePointer(pointer)
	if err != nil {
		t.Fatal(err)
	}
	value, err := jsondoc.ParseLeniently([]byte(want))
	if err != nil {
		t.Fatal(err)
	}
	wanted := []jsondoc.Value{value}
	if value.Kind == jsondoc.Array {
		wanted = value.Items
	}
	tree, err := jsondoc.ParseLeniently([]byte(text))
	d, ok := jsondoc.Check([]byte(text))
	if ok != (err == nil) {
		t.Fatalf("%s: Check says %v, ParseLeniently says %v", text, ok, err)
	}
	if !ok {
		return false
	}
	got := d.Has(p, wanted...)
	if byTree := treeHas(tree, pointer, wanted); got != byTree {
		t.Errorf("%s at %q is one of %s: %v, by the tree %v", text, pointer, want, got, byTree)
	}
	return got
}

// treeHas is Has for people: on a tree, with one small step after another.
func treeHas(v jsondoc.Value, pointer string, wanted []jsondoc.Value) bool {
	if pointer == "" {
		return slices.ContainsFunc(wanted, func(w jsondoc.Value) bool { return sameScalar(v, w) })
	}
	token, rest, more := strings.Cut(pointer[1:], "/")
	if more {
		rest = "/" + rest
	}
	token = strings.ReplaceAll(strings.ReplaceAll(token, "~1", "/"), "~0", "~")
	for i, item := range v.Items {
		if (token == "*" || token == strconv.Itoa(i)) && treeHas(item, rest, wanted) {
			return true
		}
	}
	for _, m := range v.Members {
		if (token == "*" || token == m.Name) && treeHas(m.Value, rest, wanted) {
			return true
		}
	}
	return false
}

func sameScalar(a, b jsondoc.Value) bool {
	switch {
	case a.Kind == jsondoc.Null || b.Kind == jsondoc.Null:
		return a.Kind == b.Kind
	case a.Kind >= jsondoc.Array || b.Kind >= jsondoc.Array:
		return false
	case a.Kind == jsondoc.Number && b.Kind == jsondoc.Number:
		return a.Text == b.Text || jsondoc.Equal(a, b)
	default:
		return a.Text == b.Text
	}
}

func TestDocumentHas(t *testing.T) {
	t.Parallel()
	for _, c := range []struct {
		text, pointer, value string
		want                 bool
	}{
		{text: `{"ok":true}`, pointer: "/ok", value: "true", want: true},
		{text: ` { "ok" : true } `, pointer: "/ok", value: "true", want: true},
		{text: `{"ok":"true"}`, pointer: "/ok", value: "true", want: true},
		{text: `{"ok":false}`, pointer: "/ok", value: "true", want: false},
		{text: `{"a":{"b":[1,{"c":"x,]}\""}]}}`, pointer: "/a/b/1/c", value: `"x,]}\""`, want: true},
		{text: `{"a":[[],{},[{}],5]}`, pointer: "/a/3", value: "5.0", want: true},
		{text: `{"a":[[],{},[{}],5]}`, pointer: "/a/4", value: "5", want: false},
		{text: `{"a":[[],{},[{}],5]}`, pointer: "/a/03", value: "5", want: false},
		{text: `{"a":[5,6]}`, pointer: "/a/0", value: "5", want: true},
		{text: `{"a":[5]}`, pointer: "/a/x", value: "[5]", want: false},
		{text: `{"a":[5]}`, pointer: "/a", value: "[5]", want: false},
		{text: `{"a":[[],{},[{}],5]}`, pointer: "/a/-1", value: "5", want: false},
		{text: `{"a":[[],{},[{}],5]}`, pointer: "/a", value: "[5,null,0,\"\"]", want: false},
		{text: `{"a":1,"b":2,"a":3}`, pointer: "/a", value: "1", want: true},
		{text: `{"a":1,"b":2,"a":3}`, pointer: "/a", value: "3", want: false},
		{text: `{"a":{"x":1},"a":{"x":2}}`, pointer: "/a/x", value: "2", want: false},
		{text: `{"error":"b"}`, pointer: "/error", value: `["a","b","c"]`, want: true},
		{text: `{"errors":[{"code":"X"},{"code":"Y"}]}`, pointer: "/errors/*/code", value: `"Y"`, want: true},
		{text: `{"errors":[{"code":"X"},{"kode":"Y"}]}`, pointer: "/errors/*/code", value: `"Y"`, want: false},
		{
			text: `{"errors":[{"code":["X"]},{"code":"Y"}],"ok":[{"code":"Z"}]}`, pointer: "/*/*/code", value: `"Z"`,
			want: true,
		},
		{text: `{"errors":[]}`, pointer: "/errors/*", value: "null", want: false},
		{text: `{"errors":null}`, pointer: "/errors/*", value: "null", want: false},
		{text: `{"*":{"a":1},"b":{"a":2}}`, pointer: "/*/a", value: "2", want: true},
		{text: `[1,[2,[3]]]`, pointer: "/*/*/*", value: "3", want: true},
		{text: `[1,[2,[3]]]`, pointer: "/*/*", value: "3", want: false},
		{text: `{"c":"40001"}`, pointer: "/c", value: "40001", want: true},
		{text: `{"c":40001}`, pointer: "/c", value: `"40001"`, want: true},
		{text: `{"c":40001.0}`, pointer: "/c", value: `"40001"`, want: false},
		{text: `{"c":false}`, pointer: "/c", value: `"false"`, want: true},
		{text: `{"c":null}`, pointer: "/c", value: `"null"`, want: false},
		{text: `{"c":"null"}`, pointer: "/c", value: "null", want: false},
		{text: `{"c":""}`, pointer: "/c", value: "null", want: false},
		{text: `{"c":"tr\u0075e"}`, pointer: "/c", value: "true", want: true},
		{text: `{"\u0061~/":null}`, pointer: "/a~0~1", value: "null", want: true},
		{text: `{"a":1}`, pointer: "/b", value: "null", want: false},
		{text: `"x"`, pointer: "", value: `"x"`, want: true},
		{text: `"x"`, pointer: "/0", value: `"x"`, want: false},
		{text: `12`, pointer: "", value: "12", want: true},
		{text: `null`, pointer: "", value: "null", want: true},
		{text: "{}", pointer: "", value: `"{}"`, want: false},
		{text: "[ ]", pointer: "/*", value: `""`, want: false},
		{text: `{"a":1} x`, pointer: "/a", value: "1", want: false},
		{text: "{\"a\":\"\xff\"}", pointer: "/a", value: "1", want: false},
		{text: "", pointer: "", value: "1", want: false},
	} {
		if got := has(t, c.text, c.pointer, c.value); got != c.want {
			t.Errorf("%s at %q is %s: %v", c.text, c.pointer, c.value, got)
		}
	}
}

func TestDocumentIsZero(t *testing.T) {
	t.Parallel()
	if d, ok := jsondoc.Check([]byte(" null ")); !ok || d.IsZero() {
		t.Error("null is a document")
	}
	if d, ok := jsondoc.Check([]byte(" ")); ok || !d.IsZero() ||
		d.Has(jsondoc.Pointer{}, jsondoc.Value{Kind: jsondoc.Null}) {
		t.Error("nothing is a document")
	}
}

// FuzzDocument holds that a document says the same in place as read into a tree: whether it has a value at a pointer,
// and which is there.
func FuzzDocument(fuzz *testing.F) {
	f := mutate.New(fuzz)
	f.Add(`{"a":[1,{"b":"c"}],"x":2}`, "/a/1/b", `["b","c"]`)
	f.Add(` [ "\\", 1e2 , {} ] `, "/*", "100")
	f.Fuzz(func(t *testing.T, text, pointer, want string) {
		if _, err := jsondoc.ParsePointer(pointer); err != nil {
			return
		}
		value, err := jsondoc.ParseLeniently([]byte(want))
		if err != nil || value.Kind == jsondoc.Object || slices.ContainsFunc(value.Items, func(v jsondoc.Value) bool {
			return v.Kind >= jsondoc.Array
		}) {
			return // job.ParseRules lets none through
		}
		if hasDuplicate(text) {
			return // the tree has dropped what * still sees
		}
		has(t, text, pointer, want)
	})
}

func hasDuplicate(text string) bool {
	_, duplicates, _ := jsondoc.Parse([]byte(text))
	return len(duplicates) > 0
}

// A tree of this document is a hundred times as large.
//
//nolint:paralleltest // it counts what the process allocates
func TestDocumentTakesNoMemoryForWhatNobodyAsks(t *testing.T) {
	text := []byte(`{"list":[0` + strings.Repeat(",0", 1<<19) + `],"ok":true}`)
	p, err := jsondoc.ParsePointer("/ok")
	if err != nil {
		t.Fatal(err)
	}
	want, _, err := jsondoc.Parse([]byte("true"))
	if err != nil {
		t.Fatal(err)
	}
	var before, after runtime.MemStats
	runtime.ReadMemStats(&before)
	if d, ok := jsondoc.Check(text); !ok || !d.Has(p, want) {
		t.Error("not found")
	}
	runtime.ReadMemStats(&after)
	if most := uint64(2 * len(text)); after.TotalAlloc-before.TotalAlloc > most {
		t.Errorf("%d bytes for a document of %d", after.TotalAlloc-before.TotalAlloc, len(text))
	}
}

// Each byte is read once, or a body of 1 MiB nested 10,000 deep would take 5 GB of reading for a pointer of as many *.
func TestDocumentIsReadOnceWhateverItHolds(t *testing.T) {
	t.Parallel()
	repeat := strings.Repeat
	for name, c := range map[string]func(n int) (text, pointer string){
		"nested lists": func(n int) (string, string) {
			return repeat("[", n) + repeat("0,", 60*n) + "0" + repeat("]", n), repeat("/*", n)
		},
		"nested after": func(n int) (string, string) {
			return repeat("[[],", n) + "0" + repeat(","+repeat(" ", 100)+"1]", n), repeat("/*", n+1)
		},
		"a flat object": func(n int) (string, string) { return `{"a":0` + repeat(`,"\u0061b":0`, 9*n) + "}", "/*/*" },
		"many elements": func(n int) (string, string) { return "[" + repeat(`{"code":"X"},`, 9*n) + "0]", "/*/code" },
		"many keys": func(n int) (string, string) {
			return "{" + repeat(`"a":[{"a":1}],`, 8*n) + `"b":1}`, "/*/*/*"
		},
	} {
		growth.Linear(t, name, 1_100, func(n int) func() { // the large one is nested nearly as deep as encoding/json allows
			text, pointer := c(n)
			p, err := jsondoc.ParsePointer(pointer)
			if err != nil {
				t.Fatal(err)
			}
			d, ok := jsondoc.Check([]byte(text))
			if !ok {
				t.Fatalf("%s is not JSON", name)
			}
			return func() {
				if d.Has(p, jsondoc.Value{Kind: jsondoc.String, Text: "not there"}) {
					t.Errorf("%s: found", name)
				}
			}
		})
	}
}
