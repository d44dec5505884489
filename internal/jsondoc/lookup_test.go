package jsondoc_test

import (
	"testing"

	"github.com/google/go-cmp/cmp"

	"github.com/cronbearer/cronbearer/internal/jsondoc"
)

func TestLookupReadsScalarsAndOnlyTheKindOfTheRest(t *testing.T) {
	t.Parallel()
	const text = `{"a":{"b":["x",12.50,true,null,{"c":1},[2]]},"q/r":"\u0041","a~":1,"dup":1,"dup":2}`
	tests := map[string]struct {
		text, pointer string
		want          jsondoc.Value
	}{
		"string":                   {text: text, pointer: "/a/b/0", want: jsondoc.Value{Kind: jsondoc.String, Text: "x"}},
		"number as it is written":  {text: text, pointer: "/a/b/1", want: jsondoc.Value{Kind: jsondoc.Number, Text: "12.50"}},
		"boolean":                  {text: text, pointer: "/a/b/2", want: jsondoc.Value{Kind: jsondoc.Bool, Text: "true"}},
		"null":                     {text: text, pointer: "/a/b/3", want: jsondoc.Value{Kind: jsondoc.Null}},
		"object":                   {text: text, pointer: "/a/b/4", want: jsondoc.Value{Kind: jsondoc.Object}},
		"list":                     {text: text, pointer: "/a/b/5", want: jsondoc.Value{Kind: jsondoc.Array}},
		"escaped name and string":  {text: text, pointer: "/q~1r", want: jsondoc.Value{Kind: jsondoc.String, Text: "A"}},
		"first of duplicate keys":  {text: text, pointer: "/dup", want: jsondoc.Value{Kind: jsondoc.Number, Text: "1"}},
		"nothing there":            {text: text, pointer: "/a/x"},
		"below a scalar":           {text: text, pointer: "/a/b/0/x"},
		"whole document, a scalar": {text: ` "x" `, pointer: "", want: jsondoc.Value{Kind: jsondoc.String, Text: "x"}},
		"no document":              {text: `{`, pointer: "/a"},
	}
	for name, tt := range tests {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			p, err := jsondoc.ParsePointer(tt.pointer)
			if err != nil {
				t.Fatal(err)
			}
			doc, _ := jsondoc.Check([]byte(tt.text))
			if diff := cmp.Diff(tt.want, doc.Lookup(p)); diff != "" {
				t.Errorf("Lookup(%q) (-want +got):\n%s", tt.pointer, diff)
			}
		})
	}
}

func TestKeyIsThePointerToAMember(t *testing.T) {
	t.Parallel()
	p := jsondoc.Key("error", "a/b~c")
	doc, _ := jsondoc.Check([]byte(`{"error":{"a/b~c":5}}`))
	if got := doc.Lookup(p); got.Text != "5" || p.String() != "/error/a~1b~0c" {
		t.Errorf("%s: %+v", p, got)
	}
}
