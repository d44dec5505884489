package jsondoc_test

import (
	"runtime"
	"strings"
	"testing"

	"github.com/cronbearer/cronbearer/internal/jsondoc"
)

// has asks the text and the tree the same question, which must get the same answer.
func has(t *testing.T, text, pointer, want string) bool {
	t.Helper()
	p, err := jsondoc.ParsePointer(pointer)
	if err != nil {
		t.Fatal(err)
	}
	value, _, err := jsondoc.Parse([]byte(want))
	if err != nil {
		t.Fatal(err)
	}
	tree, _, err := jsondoc.Parse([]byte(text))
	d, ok := jsondoc.Check([]byte(text))
	if ok != (err == nil) {
		t.Fatalf("%s: Check says %v, Parse says %v", text, ok, err)
	}
	if !ok {
		return false
	}
	got := d.Has(p, value)
	if byTree := jsondoc.Equal(p.Lookup(tree), value); got != byTree {
		t.Errorf("%s at %q is %s: %v, by the tree %v", text, pointer, want, got, byTree)
	}
	return got
}

func TestDocumentHas(t *testing.T) {
	t.Parallel()
	for _, c := range []struct {
		text, pointer, value string
		want                 bool
	}{
		{`{"ok":true}`, "/ok", "true", true},
		{` { "ok" : true } `, "/ok", "true", true},
		{`{"ok":"true"}`, "/ok", "true", false},
		{`{"ok":false}`, "/ok", "true", false},
		{`{"a":{"b":[1,{"c":"x,]}\""}]}}`, "/a/b/1/c", `"x,]}\""`, true},
		{`{"a":[[],{},[{}],5]}`, "/a/3", "5.0", true},
		{`{"a":[[],{},[{}],5]}`, "/a/4", "5", false},
		{`{"a":[[],{},[{}],5]}`, "/a/03", "5", false},
		{`{"a":[5,6]}`, "/a/0", "5", true},
		{`{"a":[5]}`, "/a/x", "[5]", false},
		{`{"a":1,"b":2}`, "", `{"a":1,"b":3}`, false},
		{`{"a":[[],{},[{}],5]}`, "/a/-1", "5", false},
		{`{"a":[[],{},[{}],5]}`, "/a", "[[],{},[{}],5e0]", true},
		{`{"a":[[],{},[{}],5]}`, "/a", "[[],{},[{}]]", false},
		{`{"a":[[],{},[{}],5]}`, "/a", "[[],{},[{}],5,6]", false},
		{`{"a":1,"b":2}`, "", `{"b":2,"a":1}`, true},
		{`{"a":1,"b":2,"a":3}`, "", `{"b":2,"a":1}`, true},
		{`{"a":1,"b":2,"a":3}`, "/a", "3", false},
		{`{"a":1,"b":2}`, "", `{"a":1}`, false},
		{`{"a":1}`, "", `{"a":1,"b":2}`, false},
		{`{"a":1,"c":2}`, "", `{"a":1,"b":2}`, false},
		{`{"\u0061~/":null}`, "/a~0~1", "null", true},
		{`{"a":1}`, "/b", "null", false},
		{`"x"`, "", `"x"`, true},
		{`"x"`, "/0", `"x"`, false},
		{`12`, "", "12", true},
		{`null`, "", "null", true},
		{"{}", "", "{}", true},
		{"[]", "", "{}", false},
		{"[ ]", "", "[]", true},
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
	f.Add(`{"a":[1,{"b":"c"}],"a":2}`, "/a/1", `{"b":"c"}`)
	f.Add(` [ "\\", 1e2 , {} ] `, "/1", "100")
	f.Fuzz(func(t *testing.T, text, pointer, want string) {
		if _, err := jsondoc.ParsePointer(pointer); err != nil {
			return
		}
		if _, _, err := jsondoc.Parse([]byte(want)); err != nil {
			return
		}
		has(t, text, pointer, want)
	})
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
