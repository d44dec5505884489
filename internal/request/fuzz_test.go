package request_test

import (
	"fmt"
	"strings"
	"testing"
	"time"
	"unicode/utf8"

	"github.com/cronbearer/cronbearer/internal/dev/mutate"
	"github.com/cronbearer/cronbearer/internal/jsondoc"
	"github.com/cronbearer/cronbearer/internal/request"
)

// Property: a text whose placeholders are all known has none left when it is filled, and keeps everything around them;
// one without braces stays as it is.
func FuzzPlaceholders(fuzz *testing.F) {
	f := mutate.New(fuzz)
	for _, seed := range []string{
		"{{scheduledTime}}", "a{{localDate-1d}}b{{runId}}", "{{{{runId}}}}", "{{scheduledTime+99999h}}", "{{runId-1d}}",
		"}}{{", "{{localTime+05h}}",
	} {
		f.Add(seed, int64(1801386000))
	}
	f.Fuzz(func(t *testing.T, text string, unix int64) {
		at := time.Unix(unix%4102444800, 0)
		tokyo := time.FixedZone("", 9*3600)
		v := request.ValuesAt(at, tokyo, map[string]string{"runId": "R"})
		var problems jsondoc.Problems
		v.Check(text, "", &problems)
		filled := v.Text(text)
		if !strings.Contains(text, "{{") && (filled != text || len(problems) > 0) {
			t.Errorf("%q became %q, %q", text, filled, problems)
		}
		for _, problem := range problems {
			if len(problem) > 400 || strings.Contains(text, "\n") && strings.Contains(problem, "\n") {
				t.Errorf("%q shows too much: %q", text, problem)
			}
		}
		if len(problems) > 0 {
			return
		}
		rest := filled
		for _, part := range around(text) {
			at := strings.Index(rest, part)
			if at < 0 {
				t.Fatalf("%q became %q and lost %q", text, filled, part)
			}
			rest = rest[at+len(part):]
		}
	})
}

// around are the texts around what is in double braces.
func around(text string) (parts []string) {
	for {
		before, rest, found := strings.Cut(text, "{{")
		_, after, closed := strings.Cut(rest, "}}")
		if !found || !closed {
			return append(parts, text)
		}
		parts, text = append(parts, before), after
	}
}

// Property: an offset is added to the moment, hours as they are and days by the calendar of their place.
func FuzzOffsets(fuzz *testing.F) {
	f := mutate.New(fuzz)
	f.Add(int64(1801386000), 24, true)
	f.Add(int64(1806220800), -1, false)
	f.Fuzz(func(t *testing.T, unix int64, n int, days bool) {
		at := time.Unix(unix%4102444800, 0)
		if n %= 100_000; at.Year() < 1 {
			return
		}
		london, err := time.LoadLocation("Europe/London")
		if err != nil {
			t.Fatal(err)
		}
		unit, moved := "h", at.Add(time.Duration(n)*time.Hour)
		utc, local := moved.UTC(), moved.In(london)
		if days {
			unit, utc, local = "d", at.UTC().AddDate(0, 0, n), at.In(london).AddDate(0, 0, n)
		}
		v := request.ValuesAt(at, london, nil)
		text := v.Text(
			fmt.Sprintf(
				"{{scheduledTime%+d%s}} {{scheduledDate%+d%s}} {{localTime%+d%s}} {{localDate%+d%s}}", n, unit, n, unit, n, unit,
				n, unit,
			),
		)
		want := utc.Format("2006-01-02T15:04:05Z 2006-01-02 ") + local.Format("2006-01-02T15:04:05Z07:00 2006-01-02")
		if text != want {
			t.Errorf("%s %+d%s: %s, want %s", at, n, unit, text, want)
		}
	})
}

// Property: rules that are taken can match: for each value of each pointer without a list's index there is a body that
// matches, and it matches reject and expect alike. An empty object matches none but the empty pointer's.
func FuzzRules(fuzz *testing.F) {
	f := mutate.New(fuzz)
	for _, seed := range []string{
		`{"/error":["a","b"]}`, `{"/errors/*/code":40001}`, `{"":null}`, `{"/a~1b/~0":true}`, `{"/":"x","/*":["",null,1e2]}`,
		`{"/a":{}}`, `{"/a":[]}`,
	} {
		f.Add(seed)
	}
	f.Fuzz(func(t *testing.T, rules string) {
		if !utf8.ValidString(rules) {
			return
		}
		rejecting, problems := parse(`{"reject":{"json":` + rules + `}}`)
		if problems != nil {
			return
		}
		expecting, problems := parse(`{"expect":{"json":` + rules + `}}`)
		if problems != nil {
			t.Fatalf("%s rejects and may not be expected: %q", rules, problems)
		}
		for _, rule := range rejecting.Reject.JSON {
			if len(rule.Values) == 0 {
				t.Fatalf("%s: a rule without a value", rules)
			}
			for _, value := range rule.Values {
				body := bodyWith(rule.Pointer.String(), string(value.AppendJSON(nil, nil)))
				if !rejecting.RejectsBody(parseBody(body)) {
					t.Fatalf("%s does not match %s", rules, body)
				}
				if len(expecting.Expect.JSON) == 1 && expecting.Unmet(200, "", parseBody(body)) != "" {
					t.Fatalf("%s is not met by %s", rules, body)
				}
			}
			if rule.Pointer.String() != "" && len(rejecting.Reject.JSON) == 1 && rejecting.RejectsBody(parseBody("{}")) {
				t.Fatalf("%s matches an empty object", rules)
			}
		}
	})
}

// bodyWith is an object that has the value at the pointer.
func bodyWith(pointer, value string) string {
	if pointer == "" {
		return value
	}
	at := strings.LastIndexByte(pointer, '/')
	name := strings.ReplaceAll(strings.ReplaceAll(pointer[at+1:], "~1", "/"), "~0", "~")
	return bodyWith(pointer[:at], "{"+string(jsondoc.AppendString(nil, name))+":"+value+"}")
}
