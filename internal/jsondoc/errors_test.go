package jsondoc_test

import (
	"strings"
	"testing"

	"github.com/cronbearer/cronbearer/internal/dev/growth"
	"github.com/cronbearer/cronbearer/internal/jsondoc"
)

func TestErrorsListsWhatExplainsAFailure(t *testing.T) {
	t.Parallel()
	for text, want := range map[string]string{
		`{"error":"x"}`: "error: x",
		`{"Error_Description":"x","errorCode":7}`:      "Error_Description: x, errorCode: 7",
		`{"a":{"error":"x"},"b":["y"],"user":"me"}`:    "",
		`{"message":null,"title":"","detail":" \n "}`:  "",
		`{"errors":["a",{"b":"c","d":[true,1.5]},[]]}`: "errors: a, b: c, d: true, d: 1.5",
		`[{"message":"a"},{"x":"y"}]`:                  "message: a",
		`["a","b"]`:                                    "",
		`"a"`:                                          "a",
		`5`:                                            "",
		`null`:                                         "",
		`{"error":{"error":{"error":{"error":"deep"}}}}`:                                       "error: deep",
		`{"error":` + strings.Repeat("[", 50) + `"x"` + strings.Repeat("]", 50) + `,"code":1}`: "code: 1",
		`{"` + strings.Repeat("k", 100) + `":1,"error":{"` + strings.Repeat("k", 100) + `":2}}`: strings.Repeat("k", 64) +
			"…: 2",
	} {
		d, ok := jsondoc.Check([]byte(text))
		if !ok {
			t.Fatalf("%s is not JSON", text)
		}
		if got := d.Errors(1000, keepAll); got != want {
			t.Errorf("%s: %q, want %q", text, got, want)
		}
	}
	if got := (jsondoc.Document{}).Errors(10, keepAll); got != "" {
		t.Errorf("nothing: %q", got)
	}
}

func TestErrorsStopsAtItsSize(t *testing.T) {
	t.Parallel()
	for name, text := range map[string]string{
		"many members":  `{"errors":[` + strings.Repeat(`{"message":"m"},`, 12_000) + `1]}`,
		"many objects":  `[` + strings.Repeat(`{"message":"m"},`, 12_000) + `1]`,
		"a long string": `{"error":"` + strings.Repeat(`\u0041`, 34_000) + `"}`,
		"deep lists":    strings.Repeat("[", 9_000) + strings.Repeat("]", 9_000),
	} {
		d, ok := jsondoc.Check([]byte(text))
		if !ok {
			t.Fatalf("%s is not JSON", name)
		}
		if got := d.Errors(500, keepAll); len(got) > 2000 {
			t.Errorf("%s: %d bytes", name, len(got))
		}
		growth.Faster(t, name, func() { d.Errors(500, keepAll) }, func() {
			for range 8 { // reading the whole text this often is slower, even if the race detector slows our own code alone
				_, _ = jsondoc.Check([]byte(text))
			}
		})
	}
}

func keepAll(string) bool { return false }

func TestErrorsLeavesOutWhatIsNotWanted(t *testing.T) {
	t.Parallel()
	d, _ := jsondoc.Check([]byte(`{"error":"bad","message":"<p>","errors":["<p>","worse"]}`))
	if got := d.Errors(1000, func(text string) bool { return text == "<p>" }); got != "error: bad, errors: worse" {
		t.Error(got)
	}
}
