package jsondoc_test

import (
	"bytes"
	"encoding/json"
	"errors"
	"fmt"
	"reflect"
	"regexp"
	"runtime"
	"slices"
	"strings"
	"testing"
	"unicode/utf8"

	"github.com/google/go-cmp/cmp"

	"github.com/cronbearer/cronbearer/internal/dev/mutate"
	"github.com/cronbearer/cronbearer/internal/jsondoc"
)

func mustParse(t *testing.T, text string) jsondoc.Value {
	t.Helper()
	v, duplicates, err := jsondoc.Parse([]byte(text))
	if err != nil || len(duplicates) > 0 {
		t.Fatalf("Parse(%s) = %v, %v", text, duplicates, err)
	}
	return v
}

func TestParseReadsEveryKind(t *testing.T) {
	t.Parallel()
	text := " {\"s\" : \"a\\u00e9\\ud83d\\ude00\\n\" , \"n\":-1.50e+2,\"t\":true,\r\n\"f\":false,\"z\":null," +
		"\t\"l\":[1,[ ],{ }],\"o\":{\"s\":\"\"}} "
	v := mustParse(t, text)
	number := func(text string) jsondoc.Value { return jsondoc.Value{Kind: jsondoc.Number, Text: text} }
	want := jsondoc.Value{Kind: jsondoc.Object, Members: []jsondoc.Member{
		{Name: "s", Value: jsondoc.Value{Kind: jsondoc.String, Text: "aé😀\n"}, Offset: 5},
		{Name: "n", Value: number("-1.50e+2"), Offset: 37},
		{Name: "t", Value: jsondoc.Value{Kind: jsondoc.Bool, Text: "true"}, Offset: 50},
		{Name: "f", Value: jsondoc.Value{Kind: jsondoc.Bool, Text: "false"}, Offset: 61},
		{Name: "z", Value: jsondoc.Value{Kind: jsondoc.Null}, Offset: 71},
		{
			Name: "l",
			Value: jsondoc.Value{
				Kind: jsondoc.Array, Items: []jsondoc.Value{number("1"), {Kind: jsondoc.Array}, {Kind: jsondoc.Object}},
			},
			Offset: 81,
		},
		{
			Name: "o",
			Value: jsondoc.Value{
				Kind:    jsondoc.Object,
				Members: []jsondoc.Member{{Name: "s", Value: jsondoc.Value{Kind: jsondoc.String}, Offset: 102}},
			},
			Offset: 97,
		},
	}}
	if diff := cmp.Diff(want, v); diff != "" {
		t.Error(diff)
	}
}

func TestParseReadsScalarDocuments(t *testing.T) {
	t.Parallel()
	for text, want := range map[string]jsondoc.Value{
		"null":     {Kind: jsondoc.Null},
		" true\n":  {Kind: jsondoc.Bool, Text: "true"},
		"0":        {Kind: jsondoc.Number, Text: "0"},
		"-0.0 ":    {Kind: jsondoc.Number, Text: "-0.0"},
		`"\\\""`:   {Kind: jsondoc.String, Text: `\"`},
		`""`:       {Kind: jsondoc.String},
		`"{[,]}"`:  {Kind: jsondoc.String, Text: "{[,]}"},
		"[ ]":      {Kind: jsondoc.Array},
		"\t{\n}\r": {Kind: jsondoc.Object},
	} {
		if diff := cmp.Diff(want, mustParse(t, text)); diff != "" {
			t.Errorf("%q: %s", text, diff)
		}
	}
}

func TestParseRejects(t *testing.T) {
	t.Parallel()
	for name, c := range map[string]struct {
		text   string
		offset int64
		reason string
	}{
		"nothing":                         {text: "", offset: 0, reason: "it ends too early"},
		"only white space":                {text: " \n", offset: 2, reason: "it ends too early"},
		"an open object":                  {text: `{"a":1`, offset: 6, reason: "it ends too early"},
		"an open string":                  {text: `"a`, offset: 2, reason: "it ends too early"},
		"trailing data":                   {text: `{} {}`, offset: 4, reason: "something follows the value"},
		"a trailing word":                 {text: `1 x`, offset: 3, reason: "something follows the value"},
		"a trailing comma":                {text: `[1,]`, offset: 4, reason: "unexpected character"},
		"a comment":                       {text: `/* */ 1`, offset: 1, reason: "unexpected character"},
		"single quotes":                   {text: `{'a':1}`, offset: 2, reason: "unexpected character"},
		"a byte order mark":               {text: "\ufeff{}", offset: 1, reason: "unexpected character"},
		"a bare word":                     {text: `secret-text`, offset: 1, reason: "unexpected character"},
		"a leading zero":                  {text: `01`, offset: 2, reason: "something follows the value"},
		"a plus sign":                     {text: `+1`, offset: 1, reason: "unexpected character"},
		"a raw line break":                {text: "\"a\nb\"", offset: 3, reason: "unexpected character"},
		"NaN":                             {text: `NaN`, offset: 1, reason: "unexpected character"},
		"bytes that are not UTF-8 inside": {text: "\"ab\xffcd\"", offset: 3, reason: "the bytes are not UTF-8"},
		"nothing that is UTF-8":           {text: "\xff", offset: 0, reason: "the bytes are not UTF-8"},
		"a cut character":                 {text: "\"\xe2\x82\"", offset: 1, reason: "the bytes are not UTF-8"},
		"too deep": {text: strings.Repeat("[", 10001) +
			strings.Repeat("]", 10001), offset: 10001, reason: "it is nested too deeply"},
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			v, duplicates, err := jsondoc.Parse([]byte(c.text))
			syntax, ok := errors.AsType[*jsondoc.SyntaxError](err)
			if !ok {
				t.Fatalf("Parse = %v, %v, %v; want a SyntaxError", v, duplicates, err)
			}
			if v.Kind != jsondoc.Absent || duplicates != nil {
				t.Errorf("Parse = %v, %v next to its error", v, duplicates)
			}
			if diff := cmp.Diff(&jsondoc.SyntaxError{Offset: c.offset, Reason: c.reason}, syntax); diff != "" {
				t.Error(diff)
			}
		})
	}
}

func TestSyntaxErrorNeverShowsTheDocument(t *testing.T) {
	t.Parallel()
	const secret = "Zq7"
	for _, text := range []string{secret, `{"a":` + secret, `{"` + secret, `[1]` + secret, `{` + secret + `:1}`, `"\` +
		secret + `"`, "\"\xff" + secret + `"`} {
		_, _, err := jsondoc.Parse([]byte(text))
		if err == nil || strings.ContainsAny(err.Error(), secret) {
			t.Errorf("Parse(%q): %v", text, err)
		}
	}
}

func TestParseListsDuplicatesAtEveryLevel(t *testing.T) {
	t.Parallel()
	v, duplicates, err := jsondoc.Parse(
		[]byte(`{"a":1,"A":2,"a":3,"b":{"x/~":{"k":1,"k":2,"k":3}},"c":[0,[{"":1,"":2}]],"\u0061":4}`),
	)
	if err != nil {
		t.Fatal(err)
	}
	want := []jsondoc.Duplicate{
		{Path: "", Name: "a", Offset: 16},
		{Path: "/b/x~1~0", Name: "k", Offset: 40},
		{Path: "/b/x~1~0", Name: "k", Offset: 46},
		{Path: "/c/1/0", Name: "", Offset: 67},
		{Path: "", Name: "a", Offset: 81},
	}
	if diff := cmp.Diff(want, duplicates); diff != "" {
		t.Error(diff)
	}
	if got := string(v.AppendJSON(nil, nil)); got != `{"a":1,"A":2,"b":{"x/~":{"k":1}},"c":[0,[{"":1}]]}` {
		t.Errorf("the first value does not count: %s", got)
	}
}

func TestParseListsDuplicatesOfLargeObjects(t *testing.T) {
	t.Parallel()
	var text strings.Builder
	for i := range 1000 {
		fmt.Fprintf(&text, `"k%d":%d,`, i, i)
	}
	v, duplicates, err := jsondoc.Parse([]byte("{" + text.String() + `"k500":0,"k0":0,"k500":0}`))
	if err != nil || len(v.Members) != 1000 || len(duplicates) != 3 || duplicates[0].Name != "k500" ||
		duplicates[1].Name != "k0" || duplicates[2].Name != "k500" {
		t.Errorf("%d members, %v, %v", len(v.Members), duplicates, err)
	}
}

func TestDuplicatesHaveShortPaths(t *testing.T) {
	t.Parallel()
	name := strings.Repeat("k", 200)
	for text, want := range map[string]string{
		`{"` + name + `":{"a":1,"a":2}}`:                                "/" + name,
		`{"` + name + name + `":{"a":1,"a":2}}`:                         "/…",
		`{"` + name + `":{"` + name + `":{"a":1,"a":2}}}`:               "/" + name + "/" + name,
		`{"` + name + `":{"` + name + `":{"b":[{"c":{"a":1,"a":2}}]}}}`: "/" + name + "/" + name + "/…",
	} {
		_, duplicates, err := jsondoc.Parse([]byte(text))
		if err != nil || len(duplicates) != 1 || duplicates[0].Path != want {
			t.Errorf("%s: %v, %v", text, duplicates, err)
		}
	}
}

// A target's answer is parsed in a function of 128 MB, whatever it holds.
func TestParseNeedsLittleMemoryForHostileDocuments(t *testing.T) { //nolint:paralleltest // it measures the process
	const size, most = 1 << 20, 64 << 20
	long := strings.Repeat("k", 40)
	for name, text := range map[string]string{
		"many numbers":              "[" + strings.Repeat("0,", size/2-2) + "0]",
		"many lists":                "[" + strings.Repeat("[],", size/3-2) + "0]",
		"deep, long names":          strings.Repeat(`{"`+long+long+`":`, 9990) + "1" + strings.Repeat("}", 9990),
		"deep, a duplicate at each": strings.Repeat(`{"`+long+`":0,"`+long+`":`, 9990) + "1" + strings.Repeat("}", 9990),
		"many duplicates below": `{"` + strings.Repeat("k", 1000) + `":{` + strings.Repeat(`"a":1,`, size/6-200) +
			`"a":1}}`,
		"one name of a whole mebibyte": `{"` + strings.Repeat("k", size) + `":{"a":1,"a":2}}`,
	} {
		t.Run(name, func(t *testing.T) {
			data := []byte(text)
			var before, after runtime.MemStats
			runtime.ReadMemStats(&before)
			if _, _, err := jsondoc.Parse(data); err != nil {
				t.Fatal(err)
			}
			runtime.ReadMemStats(&after)
			if used := after.TotalAlloc - before.TotalAlloc; used > most {
				t.Errorf("Parse took %d MiB for %d KiB", used>>20, len(text)>>10)
			}
		})
	}
}

func TestAppendJSON(t *testing.T) {
	t.Parallel()
	text := `{"a":"<&>\u2028","b":[1.0,1E5,-0,true,null],"\"q\\":"\u0001\b\f\n\r\t/","é":{}}`
	v := mustParse(t, text)
	want := "{\"a\":\"<&>\u2028\",\"b\":[1.0,1E5,-0,true,null],\"\\\"q\\\\\":\"\\u0001\\u0008\\u000c\\n\\r\\t/\",\"é\":{}}"
	if got := string(v.AppendJSON([]byte("x"), nil)); got != "x"+want {
		t.Errorf("AppendJSON = %s", got)
	}
	if got := string(mustParse(t, `{"k":["v v",{"k":"w"},1]}`).AppendJSON(nil, func(s string) string {
		return s + `"`
	})); got != `{"k":["v v\"",{"k":"w\""},1]}` {
		t.Errorf("AppendJSON with a change = %s", got)
	}
	if got := string(jsondoc.Value{}.AppendJSON(nil, nil)); got != "null" {
		t.Errorf("AppendJSON of nothing = %s", got)
	}
}

func TestDocumentHasComparesByMeaning(t *testing.T) {
	t.Parallel()
	for name, c := range map[string]struct {
		a, b string
		want bool
	}{
		"one and 1.0":                            {a: "1", b: "1.0", want: true},
		"one and 10e-1":                          {a: "1", b: "10e-1", want: true},
		"one and 0.1E+1":                         {a: "1", b: "0.1E+1", want: true},
		"hundred and 1e2":                        {a: "100", b: "1e2", want: true},
		"zero and minus zero":                    {a: "0", b: "-0.0e7", want: true},
		"one and minus one":                      {a: "1", b: "-1", want: false},
		"one and two":                            {a: "1", b: "2", want: false},
		"one and 1.5":                            {a: "1", b: "1.5", want: false},
		"ids beyond a double":                    {a: "9007199254740993", b: "9007199254740992", want: false},
		"such an id written in another way":      {a: "9007199254740993.0", b: "9007199254740993", want: true},
		"another such id written in another way": {a: "9007199254740993.0", b: "9007199254740992", want: false},
		"ids beyond 64 bits": {
			a: "123456789012345678901234567890", b: "123456789012345678901234567891", want: false,
		},
		"the same id beyond 64 bits": {
			a: "123456789012345678901234567890", b: "12345678901234567890123456789e1", want: true,
		},
		"large powers":                             {a: "1e400", b: "10e399", want: true},
		"other large powers":                       {a: "1e400", b: "1e401", want: false},
		"a fraction as a double prints it":         {a: "0.1", b: "0.1000000000000000055511151231257827", want: true},
		"fractions":                                {a: "0.1", b: "0.2", want: false},
		"tiny fractions":                           {a: "1e-400", b: "2e-400", want: true}, // both 0 as doubles
		"senseless powers":                         {a: "1e99999999999", b: "1e99999999998", want: false},
		"the same senseless power":                 {a: "1e99999999999", b: "1e99999999999", want: true},
		"a senseless power and a number":           {a: "1e99999999999", b: "1", want: false},
		"a whole number and one that is almost it": {a: "1", b: "1.00000000000000000001", want: true}, // the same double
		"a number and a string":                    {a: "1", b: `"1"`, want: true},
		"strings":                                  {a: `"a"`, b: `"\u0061"`, want: true},
		"strings in another case":                  {a: `"a"`, b: `"A"`, want: false},
		"true and false":                           {a: "true", b: "false", want: false},
		"true and true":                            {a: "true", b: "true", want: true},
		"null and null":                            {a: "null", b: "null", want: true},
		"null and false":                           {a: "null", b: "false", want: false},
		"null and an empty string":                 {a: "null", b: `""`, want: false},
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			if got := has(t, c.a, "", c.b); got != c.want {
				t.Errorf("%s is %s: %t", c.a, c.b, got)
			}
			if got := has(t, c.b, "", c.a); got != c.want {
				t.Errorf("%s is %s: %t", c.b, c.a, got)
			}
		})
	}
}

func TestPointer(t *testing.T) {
	t.Parallel()
	// The document and the pointers of RFC 6901 section 5, and some that it leaves out.
	doc := mustParse(
		t,
		`{"foo":["bar","baz"],"":0,"a/b":1,"c%d":2,"e^f":3,"g|h":4,"i\\j":5,"k\"l":6," ":7,"m~n":8,"~1":9,"/":10,`+
			`"null":null,"01":11}`,
	)
	for pointer, want := range map[string]string{
		"":                          string(doc.AppendJSON(nil, nil)),
		"/foo":                      `["bar","baz"]`,
		"/foo/0":                    `"bar"`,
		"/":                         "0",
		"/a~1b":                     "1",
		"/c%d":                      "2",
		"/e^f":                      "3",
		"/g|h":                      "4",
		`/i\j`:                      "5",
		`/k"l`:                      "6",
		"/ ":                        "7",
		"/m~0n":                     "8",
		"/~01":                      "9",
		"/~1":                       "10",
		"/null":                     "null",
		"/01":                       "11",
		"/foo/1":                    `"baz"`,
		"/foo/2":                    "nothing",
		"/foo/-":                    "nothing",
		"/foo/-1":                   "nothing",
		"/foo/+1":                   "nothing",
		"/foo/01":                   "nothing",
		"/foo/":                     "nothing",
		"/Foo":                      "nothing",
		"/foo/0/":                   "nothing",
		"/null/a":                   "nothing",
		"/foo/99999999999999999999": "nothing",
	} {
		p, err := jsondoc.ParsePointer(pointer)
		if err != nil {
			t.Errorf("ParsePointer(%q): %v", pointer, err)
			continue
		}
		got := "nothing"
		if v := p.Lookup(doc); v.Kind != jsondoc.Absent {
			got = string(v.AppendJSON(nil, nil))
		}
		if got != want || p.String() != pointer {
			t.Errorf("%q (%q) names %s, want %s", pointer, p, got, want)
		}
	}
	for _, bad := range []string{"foo", "#/foo", " /foo", "/a~", "/a~2", "/~~0", "/a/~/b", "~0"} {
		if p, err := jsondoc.ParsePointer(bad); err == nil {
			t.Errorf("ParsePointer(%q) = %q", bad, p)
		}
	}
}

// escapes are a pair of surrogates, half of one (the group), or anything else that begins with a backslash.
var escapes = regexp.MustCompile(`(?s)\\u[dD][89abAB]..\\u[dD][c-fC-F]..|(\\u[dD][89a-fA-F]..)|\\.`)

func hasLoneSurrogate(text string) bool {
	return slices.ContainsFunc(escapes.FindAllStringSubmatch(text, -1), func(found []string) bool {
		return found[1] != ""
	})
}

func TestLoneSurrogates(t *testing.T) {
	t.Parallel()
	for text, at := range map[string]int64{
		`"\ud800"`: 1, `"\uDFFF"`: 1, `"a\n\ud800\n"`: 4, `"\ud83d\ud83d\ude00"`: 1, `"\ude00\ud83d"`: 1, `"\ud83d\u0041"`: 1,
		`"\ud83d\\ude00"`: 1,
		`{"\ud800":1}`:    2, `["","\u0041\ud83d\ude00\udbff"]`: 23, `"\ud83dx\ude00"`: 1,
	} {
		_, _, err := jsondoc.Parse([]byte(text))
		syntax, ok := errors.AsType[*jsondoc.SyntaxError](err)
		if !ok || syntax.Offset != at || !hasLoneSurrogate(text) {
			t.Errorf("%s: %v, want an error at byte %d", text, err, at)
		}
		if _, ok := jsondoc.Check([]byte(text)); !ok {
			t.Errorf("%s of a server is rejected", text)
		}
	}
	for _, text := range []string{`"\ud83d\ude00"`, `"\\ud800"`, `"\ufffd\u0000\ue000"`, `"\\\\ud800"`} {
		if _, _, err := jsondoc.Parse([]byte(text)); err != nil || hasLoneSurrogate(text) {
			t.Errorf("%s: %v", text, err)
		}
	}
}

// Property: Parse takes what encoding/json takes, is UTF-8 and has no half of a surrogate pair; what it read means the
// same when it is written again, and, but for duplicates, the same to encoding/json.
func FuzzParse(fuzz *testing.F) {
	f := mutate.New(fuzz)
	for _, seed := range []string{
		`{"a":[1,2.50,{"b":null}],"c":"\ud83d\ude00\n","a":true}`, `"\ud800"`, "[[],{},\"\"]", " 1e5 ", "{", "\"\xff\"",
	} {
		f.Add([]byte(seed))
	}
	f.Fuzz(func(t *testing.T, data []byte) {
		v, duplicates, err := jsondoc.Parse(data)
		if valid := json.Valid(data) && utf8.Valid(data) && !hasLoneSurrogate(string(data)); valid != (err == nil) {
			t.Fatalf("valid: %t, error: %v", valid, err)
		}
		if err != nil {
			return
		}
		written := v.AppendJSON(nil, nil)
		again, _, err := jsondoc.Parse(written)
		if err != nil || !jsondoc.Equal(v, again) {
			t.Fatalf("%s was written as %s: %v", data, written, err)
		}
		if len(duplicates) > 0 {
			return
		}
		if !reflect.DeepEqual(decode(t, data), decode(t, written)) { // cmp takes minutes for deep documents
			t.Fatalf("%s was written as %s", data, written)
		}
	})
}

func decode(t *testing.T, data []byte) (v any) {
	t.Helper()
	d := json.NewDecoder(bytes.NewReader(data))
	d.UseNumber()
	if err := d.Decode(&v); err != nil {
		t.Fatal(err)
	}
	return v
}
