package jsondoc_test

import (
	"strings"
	"testing"
	"unicode/utf8"

	"github.com/google/go-cmp/cmp"

	"github.com/cronbearer/cronbearer/internal/jsondoc"
)

type fieldsRead struct {
	Text, Required  string
	Flag            bool
	Count           int
	Object, List    bool
	Any, AnyPresent string
}

func readFields(t *testing.T, text string, secret bool) (fieldsRead, jsondoc.Problems) {
	t.Helper()
	var problems jsondoc.Problems
	f := jsondoc.NewFields(mustParse(t, text), "part.", secret, &problems)
	r := fieldsRead{
		Text:     f.String("text"),
		Required: f.Required("required", "what it is"),
		Flag:     f.Bool("flag"),
		Count:    f.Int("count", 1, 10, 3),
	}
	_, r.Object = f.Object("object")
	_, r.List = f.Array("list")
	if v, ok := f.Any("any"); ok {
		r.Any = string(v.AppendJSON(nil, nil))
	}
	f.Done()
	return r, problems
}

func TestFields(t *testing.T) {
	t.Parallel()
	const missing = "part.required is missing: what it is"
	for name, c := range map[string]struct {
		text string
		want fieldsRead
		bad  jsondoc.Problems
	}{
		"everything": {
			text: `{"text":"a","required":"b","flag":true,"count":10,"object":{"k":1},"list":[],"any":0}`,
			want: fieldsRead{Text: "a", Required: "b", Flag: true, Count: 10, Object: true, List: true, Any: "0"},
			bad:  nil,
		},
		"only what must be there": {text: `{"required":"b"}`, want: fieldsRead{Required: "b", Count: 3}, bad: nil},
		"null is absent": {
			text: `{"text":null,"required":null,"flag":null,"count":null,"object":null,"list":null,"any":null}`,
			want: fieldsRead{Count: 3},
			bad:  jsondoc.Problems{missing},
		},
		"empty values of their own type are absent": {
			text: `{"text":"","required":"","object":{},"any":""}`, want: fieldsRead{Count: 3, Any: `""`},
			bad: jsondoc.Problems{missing},
		},
		"empty values of another type": {
			text: `{"text":{},"required":{},"flag":"","count":"","object":"","list":""}`,
			want: fieldsRead{Count: 3},
			bad: jsondoc.Problems{
				"part.text must be a string, not an object", "part.required must be a string, not an object",
				"part.flag must be true or false, not a string",
				"part.count must be a number, not a string", "part.object must be an object, not a string",
				"part.list must be a list, not a string",
			},
		},
		"the lowest number": {
			text: `{"required":"b","count":1}`, want: fieldsRead{Required: "b", Count: 1}, bad: nil,
		},
		"numbers that are whole": {
			text: `{"required":"b","count":2.0}`, want: fieldsRead{Required: "b", Count: 2}, bad: nil,
		},
		"numbers with a power": {
			text: `{"required":"b","count":1e1}`, want: fieldsRead{Required: "b", Count: 10}, bad: nil,
		},
		"a number with a fraction": {
			text: `{"required":"b","count":2.5}`, want: fieldsRead{Required: "b", Count: 3},
			bad: jsondoc.Problems{"part.count must be a whole number from 1 to 10"},
		},
		"a number that is too low": {
			text: `{"required":"b","count":0}`, want: fieldsRead{Required: "b", Count: 3},
			bad: jsondoc.Problems{"part.count must be a whole number from 1 to 10"},
		},
		"a number that is too high": {
			text: `{"required":"b","count":11}`, want: fieldsRead{Required: "b", Count: 3},
			bad: jsondoc.Problems{"part.count must be a whole number from 1 to 10"},
		},
		"a number beyond all": {
			text: `{"required":"b","count":1e999}`, want: fieldsRead{Required: "b", Count: 3},
			bad: jsondoc.Problems{"part.count must be a whole number from 1 to 10"},
		},
		"unknown keys": {
			text: `{"Text":"a","required":"b","te\nxt":1,"ANY":2}`,
			want: fieldsRead{Required: "b", Count: 3},
			bad: jsondoc.Problems{
				`unknown key "Text" in part: write it text (keys are case-sensitive)`,
				`unknown key "te\nxt" in part; known are any, count, flag, list, object, required, text`,
				`unknown key "ANY" in part: write it any (keys are case-sensitive)`,
			},
		},
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			got, problems := readFields(t, c.text, false)
			if diff := cmp.Diff(c.want, got); diff != "" {
				t.Error(diff)
			}
			if diff := cmp.Diff(c.bad, problems); diff != "" {
				t.Error(diff)
			}
		})
	}
}

func TestFieldsOfASecretShowNoUnknownKey(t *testing.T) {
	t.Parallel()
	_, problems := readFields(t, `{"required":"b","kq3Zv8Xw1":"c"}`, true)
	want := jsondoc.Problems{
		"unknown key in part that ends at byte 27; known are any, count, flag, list, object, required, text",
	}
	if diff := cmp.Diff(want, problems); diff != "" {
		t.Error(diff)
	}
}

func TestWholeNumber(t *testing.T) {
	t.Parallel()
	for text, want := range map[string]int{
		"0": 0, "-7": -7, "1e3": 1000, "9007199254740992.0": 1 << 53, "9223372036854775807": 1<<63 - 1,
	} {
		if got, ok := jsondoc.WholeNumber(mustParse(t, text)); got != want || !ok {
			t.Errorf("%s: %d, %t", text, got, ok)
		}
	}
	for _, text := range []string{"0.5", "1e999", "1e30", "9223372036854775808", `"1"`, "null", "[1]"} {
		if got, ok := jsondoc.WholeNumber(mustParse(t, text)); ok {
			t.Errorf("%s: %d", text, got)
		}
	}
}

func TestQuote(t *testing.T) {
	t.Parallel()
	for text, want := range map[string]string{
		"a\n\"b":                             `"a\n\"b"`,
		strings.Repeat("x", 64):              `"` + strings.Repeat("x", 64) + `"`,
		strings.Repeat("x", 65):              `"` + strings.Repeat("x", 64) + `…"`,
		strings.Repeat("x", 63) + "é and on": `"` + strings.Repeat("x", 63) + `…"`,
	} {
		if got := jsondoc.Quote(text); got != want || !utf8.ValidString(got) {
			t.Errorf("Quote(%q) = %s", text, got)
		}
	}
}
