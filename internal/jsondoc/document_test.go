package jsondoc_test

import (
	"runtime"
	"slices"
	"strconv"
	"strings"
	"testing"
	"time"

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
		{`{"ok":true}`, "/ok", "true", true},
		{` { "ok" : true } `, "/ok", "true", true},
		{`{"ok":"true"}`, "/ok", "true", true},
		{`{"ok":false}`, "/ok", "true", false},
		{`{"a":{"b":[1,{"c":"x,]}\""}]}}`, "/a/b/1/c", `"x,]}\""`, true},
		{`{"a":[[],{},[{}],5]}`, "/a/3", "5.0", true},
		{`{"a":[[],{},[{}],5]}`, "/a/4", "5", false},
		{`{"a":[[],{},[{}],5]}`, "/a/03", "5", false},
		{`{"a":[5,6]}`, "/a/0", "5", true},
		{`{"a":[5]}`, "/a/x", "[5]", false},
		{`{"a":[5]}`, "/a", "[5]", false},
		{`{"a":[[],{},[{}],5]}`, "/a/-1", "5", false},
		{`{"a":[[],{},[{}],5]}`, "/a", "[5,null,0,\"\"]", false},
		{`{"a":1,"b":2,"a":3}`, "/a", "1", true},
		{`{"a":1,"b":2,"a":3}`, "/a", "3", false},
		{`{"a":{"x":1},"a":{"x":2}}`, "/a/x", "2", false},
		{`{"error":"b"}`, "/error", `["a","b","c"]`, true},
		{`{"errors":[{"code":"X"},{"code":"Y"}]}`, "/errors/*/code", `"Y"`, true},
		{`{"errors":[{"code":"X"},{"kode":"Y"}]}`, "/errors/*/code", `"Y"`, false},
		{`{"errors":[{"code":["X"]},{"code":"Y"}],"ok":[{"code":"Z"}]}`, "/*/*/code", `"Z"`, true},
		{`{"errors":[]}`, "/errors/*", "null", false},
		{`{"errors":null}`, "/errors/*", "null", false},
		{`{"*":{"a":1},"b":{"a":2}}`, "/*/a", "2", true},
		{`[1,[2,[3]]]`, "/*/*/*", "3", true},
		{`[1,[2,[3]]]`, "/*/*", "3", false},
		{`{"c":"40001"}`, "/c", "40001", true},
		{`{"c":40001}`, "/c", `"40001"`, true},
		{`{"c":40001.0}`, "/c", `"40001"`, false},
		{`{"c":false}`, "/c", `"false"`, true},
		{`{"c":null}`, "/c", `"null"`, false},
		{`{"c":"null"}`, "/c", "null", false},
		{`{"c":""}`, "/c", "null", false},
		{`{"c":"tr\u0075e"}`, "/c", "true", true},
		{`{"\u0061~/":null}`, "/a~0~1", "null", true},
		{`{"a":1}`, "/b", "null", false},
		{`"x"`, "", `"x"`, true},
		{`"x"`, "/0", `"x"`, false},
		{`12`, "", "12", true},
		{`null`, "", "null", true},
		{"{}", "", `"{}"`, false},
		{"[ ]", "/*", `""`, false},
		{`{"a":1} x`, "/a", "1", false},
		{"{\"a\":\"\xff\"}", "/a", "1", false},
		{"", "", "1", false},
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
	if d, ok := jsondoc.Check([]byte(" ")); ok || !d.IsZero() || d.Has(jsondoc.Pointer{}, jsondoc.Value{Kind: jsondoc.Null}) {
		t.Error("nothing is a document")
	}
}

func FuzzDocument(f *testing.F) {
	f.Add(`{"a":[1,{"b":"c"}],"x":2}`, "/a/1/b", `["b","c"]`)
	f.Add(` [ "\\", 1e2 , {} ] `, "/*", "100")
	f.Fuzz(func(t *testing.T, text, pointer, want string) {
		if _, err := jsondoc.ParsePointer(pointer); err != nil {
			return
		}
		value, err := jsondoc.ParseLeniently([]byte(want))
		if err != nil || value.Kind == jsondoc.Object || slices.ContainsFunc(value.Items, func(v jsondoc.Value) bool { return v.Kind >= jsondoc.Array }) {
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
func TestDocumentTakesNoMemoryForWhatNobodyAsks(t *testing.T) { //nolint:paralleltest // it counts what the process allocates
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
	const deep = 9_000
	for name, c := range map[string]struct{ text, pointer string }{
		"nested lists":  {strings.Repeat("[", deep) + strings.Repeat("0,", 1<<19) + "0" + strings.Repeat("]", deep), strings.Repeat("/*", deep)},
		"nested after":  {strings.Repeat("[[],", deep) + "0" + strings.Repeat(","+strings.Repeat(" ", 100)+"1]", deep), strings.Repeat("/*", deep+1)},
		"a flat object": {`{"a":0` + strings.Repeat(`,"\u0061b":0`, 80_000) + "}", "/*/*"},
		"many elements": {"[" + strings.Repeat(`{"code":"X"},`, 80_000) + "0]", "/*/code"},
		"many keys":     {"{" + strings.Repeat(`"a":[{"a":1}],`, 70_000) + `"b":1}`, "/*/*/*"},
	} {
		p, err := jsondoc.ParsePointer(c.pointer)
		if err != nil {
			t.Fatal(err)
		}
		d, ok := jsondoc.Check([]byte(c.text))
		if !ok {
			t.Fatalf("%s is no JSON", name)
		}
		begun := time.Now()
		if d.Has(p, jsondoc.Value{Kind: jsondoc.String, Text: "not there"}) {
			t.Errorf("%s: found", name)
		}
		if took := time.Since(begun); took > 2*time.Second { // 10 ms here; the quadratic way takes minutes
			t.Errorf("%s: %s for %d bytes", name, took, len(c.text))
		}
	}
}
