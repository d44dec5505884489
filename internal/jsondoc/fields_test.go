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
			`{"text":"a","required":"b","flag":true,"count":10,"object":{"k":1},"list":[],"any":0}`,
			fieldsRead{Text: "a", Required: "b", Flag: true, Count: 10, Object: true, List: true, Any: "0"},
			nil,
		},
		"only what must be there": {`{"required":"b"}`, fieldsRead{Required: "b", Count: 3}, nil},
		"null is absent": {
			`{"text":null,"required":null,"flag":null,"count":null,"object":null,"list":null,"any":null}`,
			fieldsRead{Count: 3},
			jsondoc.Problems{missing},
		},
		"empty values of their own type are absent": {`{"text":"","required":"","object":{},"any":""}`, fieldsRead{Count: 3, Any: `""`}, jsondoc.Problems{missing}},
		"empty values of another type": {
			`{"text":{},"required":{},"flag":"","count":"","object":"","list":""}`,
			fieldsRead{Count: 3},
			jsondoc.Problems{
				"part.text must be a string, not an object", "part.required must be a string, not an object", "part.flag must be true or false, not a string",
				"part.count must be a number, not a string", "part.object must be an object, not a string", "part.list must be a list, not a string",
			},
		},
		"the lowest number":         {`{"required":"b","count":1}`, fieldsRead{Required: "b", Count: 1}, nil},
		"numbers that are whole":    {`{"required":"b","count":2.0}`, fieldsRead{Required: "b", Count: 2}, nil},
		"numbers with a power":      {`{"required":"b","count":1e1}`, fieldsRead{Required: "b", Count: 10}, nil},
		"a number with a fraction":  {`{"required":"b","count":2.5}`, fieldsRead{Required: "b", Count: 3}, jsondoc.Problems{"part.count must be a whole number from 1 to 10"}},
		"a number that is too low":  {`{"required":"b","count":0}`, fieldsRead{Required: "b", Count: 3}, jsondoc.Problems{"part.count must be a whole number from 1 to 10"}},
		"a number that is too high": {`{"required":"b","count":11}`, fieldsRead{Required: "b", Count: 3}, jsondoc.Problems{"part.count must be a whole number from 1 to 10"}},
		"a number beyond all":       {`{"required":"b","count":1e999}`, fieldsRead{Required: "b", Count: 3}, jsondoc.Problems{"part.count must be a whole number from 1 to 10"}},
		"unknown keys": {
			`{"Text":"a","required":"b","te\nxt":1,"ANY":2}`,
			fieldsRead{Required: "b", Count: 3},
			jsondoc.Problems{
				`unknown key "Text" in part: write it text (keys are matched to the letter)`,
				`unknown key "te\nxt" in part; known are any, count, flag, list, object, required, text`,
				`unknown key "ANY" in part: write it any (keys are matched to the letter)`,
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
	want := jsondoc.Problems{"unknown key in part that ends at byte 27; known are any, count, flag, list, object, required, text"}
	if diff := cmp.Diff(want, problems); diff != "" {
		t.Error(diff)
	}
}

func TestWholeNumber(t *testing.T) {
	t.Parallel()
	for text, want := range map[string]int{"0": 0, "-7": -7, "1e3": 1000, "9007199254740992.0": 1 << 53, "9223372036854775807": 1<<63 - 1} {
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
