package edit_test

import (
	"bytes"
	"encoding/json"
	"fmt"
	"math/rand/v2"
	"os"
	"os/exec"
	"path/filepath"
	"slices"
	"strings"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"
	"go.yaml.in/yaml/v3"

	"github.com/cronbearer/cronbearer/infra/cronbearer/internal/edit"
	"github.com/cronbearer/cronbearer/internal/dev/lint"
	"github.com/cronbearer/cronbearer/internal/dev/mutate"
	"github.com/cronbearer/cronbearer/internal/dev/shipped"
)

func now() time.Time { return time.Date(2026, 11, 28, 1, 12, 0, 0, time.UTC) }

func mistakes(data []byte) []string {
	var found []string
	for _, p := range lint.Template(data, lint.Options{Now: now()}) {
		if p.Severity == lint.Mistake {
			found = append(found, p.In("template.yaml"))
		}
	}
	return found
}

func must(t testing.TB, data []byte, err error) []byte {
	t.Helper()
	if err != nil {
		t.Fatal(err)
	}
	return data
}

// night has values that need quotes in one style and not in the other.
func night() edit.Row {
	return edit.Row{Name: "NightlyExport", Keys: []edit.Key{
		{"Schedule", "cron(30 1 * * ? *)"},
		{"Timezone", "Europe/London"},
		{"Call", "POST https://api.example.com/v1/exports?for={{scheduledDate}}&all"},
		{"Token", "ExampleApi"},
		{"Body", `{"kind":"it's #1: nightly"}`},
		{"Note", "No: ask #ops, then wait"},
		{"SilentAfter", "49"},
	}}
}

func backup() edit.Row {
	return edit.Row{Name: "No", Keys: []edit.Key{{"Secret", "backup-api"}, {"WarnDays", "7.5"}, {"Note", "12:30"}}}
}

func TestShippedTemplate(t *testing.T) {
	t.Parallel()
	before := []byte(shipped.Template())
	tests := map[string]struct {
		edit func([]byte) ([]byte, error)
		want string
	}{
		"a job is written in lines, as the first one": {
			edit: func(d []byte) ([]byte, error) { return edit.Add(d, edit.Jobs, night()) },
			want: `+     NightlyExport:
+       Schedule: cron(30 1 * * ? *)
+       Timezone: Europe/London
+       Call: POST https://api.example.com/v1/exports?for={{scheduledDate}}&all
+       Token: ExampleApi
+       Body: '{"kind":"it''s #1: nightly"}'
+       Note: 'No: ask #ops, then wait'
+       SilentAfter: 49
~     - [DailyReport, HourlySync, NightlyExport]                                # add a job's name here
`,
		},
		"a token is written in braces, as the others": {
			edit: func(d []byte) ([]byte, error) { return edit.Add(d, edit.Tokens, backup()) },
			want: `+     'No': { Secret: backup-api, WarnDays: 7.5, Note: '12:30' }
~     - [ExampleApi, 'No']                                             # add a token's name here
`,
		},
		"a job in lines is removed, and the comments above it stay": {
			edit: func(d []byte) ([]byte, error) { return edit.Remove(d, edit.Jobs, "DailyReport") },
			want: `-     DailyReport:
-       Schedule: cron(0 9 ? * MON-FRI *)
-       Timezone: Europe/London
-       Call: POST https://api.example.com/v1/reports?for={{scheduledDate}}
-       Token: ExampleApi
-       Body: '{"kind":"daily"}'
-       SilentAfter: 75
~     - [HourlySync]                                # add a job's name here
`,
		},
		"a job in braces is removed": {
			edit: func(d []byte) ([]byte, error) { return edit.Remove(d, edit.Jobs, "HourlySync") },
			want: `-     HourlySync: { Schedule: "rate(1 hour)", Call: "GET https://api.example.com/v1/sync", ` +
				`Token: ExampleApi, SilentAfter: 3 }
~     - [DailyReport]                                # add a job's name here
`,
		},
		"keys are changed, added and removed in lines": {
			edit: func(d []byte) ([]byte, error) {
				return edit.Set(d, edit.Jobs, "DailyReport", []edit.Key{
					{"Schedule", "cron(30 9 ? * MON-FRI *)"}, {"Timezone", ""}, {"Timeout", "2m"}, {"Body", `"it's"`},
				})
			},
			want: `~       Schedule: cron(30 9 ? * MON-FRI *)
-       Timezone: Europe/London
~       Body: '"it''s"'
+       Timeout: 2m
`,
		},
		"keys are changed, added and removed in braces": {
			edit: func(d []byte) ([]byte, error) {
				return edit.Set(d, edit.Jobs, "HourlySync", []edit.Key{
					{Name: "Schedule", Value: "cron(0 * * * ? *)"},
					{Name: "SilentAfter", Value: ""},
					{Name: "Idempotent", Value: "true"},
					{Name: "State", Value: "DISABLED"},
				})
			},
			want: `~     HourlySync: { Schedule: 'cron(0 * * * ? *)', Call: "GET https://api.example.com/v1/sync", Token: ` +
				`ExampleApi, ` +
				"Idempotent: true, State: DISABLED }\n",
		},
	}
	for name, c := range tests {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			after, err := c.edit(before)
			if diff := cmp.Diff(c.want, diffText(before, must(t, after, err))); diff != "" {
				t.Errorf("(-want +got):\n%s", diff)
			}
		})
	}
}

func diffText(before, after []byte) string {
	var b strings.Builder
	for _, l := range edit.Diff(before, after) {
		fmt.Fprintf(&b, "%c %s\n", l.Kind, l.Text)
	}
	return b.String()
}

// layout is one way of writing the rows.
type layout struct{ *rand.Rand }

func (l layout) one(choices ...string) string { return choices[l.IntN(len(choices))] }

func (l layout) comment(indent int) string {
	return l.one("", "", strings.Repeat(" ", indent)+
		l.one("# a comment", "#\ta tab: [x, {y", "# it's \"quoted\" — ✓", "#")+"\n", "\n")
}

// row writes a row of the given keys.
func (l layout) row(name string, keys []edit.Key, indent, step int, braces bool) string {
	pad := strings.Repeat(" ", indent)
	quote := func(k edit.Key) string {
		if k.Name == "SilentAfter" || k.Name == "WarnDays" {
			return l.one(k.Value, "'"+k.Value+"'", `"`+k.Value+`"`)
		}
		text := strconvQuote(k.Value)
		if !braces && !strings.ContainsAny(k.Value, `{}[]:#'"`) {
			return l.one(k.Value, text)
		}
		return text
	}
	var parts []string
	for _, k := range keys {
		parts = append(parts, k.Name+": "+quote(k))
	}
	if braces {
		switch l.IntN(3) {
		case 0:
			return pad + name + ": { " + strings.Join(parts, ", ") + " }" + l.one("", "  # why") + "\n"
		case 1:
			return pad + name + ": {" + strings.Join(parts, ",  ") + "}\n"
		}
		inner := "\n" + pad + strings.Repeat(" ", step)
		return pad + name + ": {" + inner + strings.Join(parts, ","+l.one("", " # of it")+inner) + l.one("", ",") + "\n" +
			pad + "}\n"
	}
	out := pad + l.one(name, `"`+name+`"`) + ":" + l.one("", "  # its keys") + "\n"
	for _, p := range parts {
		out += l.comment(indent + step)
		out += pad + strings.Repeat(" ", step) + p + l.one("", "", " # note", "   #\tx") + "\n"
	}
	return out + l.one("", "", pad+strings.Repeat(" ", step)+"# its last word\n")
}

func strconvQuote(value string) string {
	if !strings.Contains(value, "'") {
		return "'" + value + "'"
	}
	text, _ := json.Marshal(value)
	return string(text)
}

func (l layout) list(names []string) string {
	switch l.IntN(5) {
	case 0:
		return "    - [" + strings.Join(names, ", ") + "]" + l.one("", "    # names here") + "\n"
	case 1:
		return "    - [ " + strings.Join(names, ",") + l.one("", ",", " ,") + " ]\n"
	case 2:
		return "    - [\n        " + strings.Join(names, ","+l.one("", "  # one")+"\n        ") +
			l.one("", ",", " # last") + "\n      ]\n"
	case 3:
		return "    - - " + strings.Join(names, "\n      - ") + l.one("", "  # end") + "\n"
	}
	return "    -\n        -  " + strings.Join(names, "\n        -  ") + "\n"
}

// skeleton is as much of the shipped template as generated needs.
const skeleton = `Mappings:
  Tokens:
  # A flexible window has
  Windows: { none: { Mode: 'OFF' } }

Metadata:
  Some: { thing: else }

Resources:
  Fn::ForEach::Tokens:
    - Token
    - [ExampleApi]                                             # add a token's name here
    - {}
  Fn::ForEach::Jobs:
    - Job
    - [DailyReport, HourlySync]                                # add a job's name here
    - {}
`

// generated is a template with its rows and lists written in another way.
func generated(seed uint64, base string) []byte {
	l := layout{rand.New(rand.NewPCG(seed, 16))}
	text := base
	rowsAt, rest := strings.Index(text, "  Tokens:\n"), strings.Index(text, "  # A flexible window has")
	indent, step := 2+1+l.IntN(4), 1+l.IntN(4)
	if l.IntN(2) == 0 {
		indent, step = 4, 2
	}
	mixed := l.IntN(3) // 0: all in lines, 1: all in braces, 2: both
	jobs := map[string][]edit.Key{
		"DailyReport": {
			{"Schedule", "cron(0 9 ? * MON-FRI *)"},
			{"Call", "POST https://api.example.com/v1/r?d={{scheduledDate}}"},
			{"Token", "ExampleApi"},
			{"Body", `{"a": [1, "it's # no comment"]}`},
			{"SilentAfter", "75"},
		},
		"HourlySync": {
			{Name: "Schedule", Value: "rate(1 hour)"},
			{Name: "Call", Value: "GET https://api.example.com/v1/sync"},
			{Name: "SilentAfter", Value: "3"},
			{Name: "Token", Value: "ExampleApi"},
		},
		"Weekly": {
			{Name: "Schedule", Value: "rate(5 days)"},
			{Name: "Call", Value: "GET https://api.example.com/weekly"},
			{Name: "Token", Value: "Other"},
			{Name: "SilentAfter", Value: "122"},
		},
	}
	tokens := map[string][]edit.Key{
		"ExampleApi": {{Name: "Secret", Value: "example-api"}, {Name: "WarnDays", Value: "14"}},
		"Other":      {{Name: "Secret", Value: "other"}, {Name: "Note", Value: "ours, or #2"}},
	}
	jobNames, tokenNames := []string{"DailyReport", "HourlySync", "Weekly"}, []string{"ExampleApi", "Other"}
	l.Shuffle(len(jobNames), func(i, j int) { jobNames[i], jobNames[j] = jobNames[j], jobNames[i] })
	between := l.one("", "", "\n", "\n"+strings.Repeat(" ", indent)+"# next\n")
	section := func(name string, names []string, rows map[string][]edit.Key) string {
		if l.IntN(6) == 0 {
			return l.inBraces(name, names, rows)
		}
		out := "  " + name + ":" + l.one("", " # yours") + "\n" + l.comment(indent)
		for i, n := range names {
			if i > 0 {
				out += between
			}
			out += l.row(n, rows[n], indent, step, mixed == 1 || mixed == 2 && l.IntN(2) == 0)
		}
		return out
	}
	rows := section("Tokens", tokenNames, tokens) + l.one("", "\n") + section("Jobs", jobNames, jobs) +
		l.one("\n", "", "  # end\n")
	text = text[:rowsAt] + rows + text[rest:]
	text = strings.Replace(
		text, "    - [ExampleApi]                                             # add a token's name here\n",
		l.list(tokenNames), 1,
	)
	text = strings.Replace(
		text, "    - [DailyReport, HourlySync]                                # add a job's name here\n", l.list(jobNames),
		1,
	)
	if l.IntN(3) == 0 { // the mappings last, Jobs or Tokens at the end of the file
		from, to := strings.Index(text, "Mappings:\n"), strings.Index(text, "\nMetadata:\n")
		mappings := text[from:to]
		windows := mappings[strings.Index(mappings, "  # A flexible window has"):]
		mappings = "Mappings:\n" + windows + "\n" + strings.TrimRight(rows, "\n") + "\n"
		text = text[:from] + text[to+1:] + "\n" + mappings
	}
	if l.IntN(3) == 0 {
		text = strings.TrimRight(text, "\n")
	}
	if l.IntN(3) == 0 {
		text = strings.ReplaceAll(text, "\n", "\r\n")
	}
	return []byte(l.one("", "", "\ufeff") + text)
}

// inBraces writes a mapping of rows in braces.
func (l layout) inBraces(name string, names []string, rows map[string][]edit.Key) string {
	var parts []string
	for _, n := range names {
		parts = append(parts, strings.TrimSpace(strings.Split(l.row(n, rows[n], 0, 1, true), "#")[0]))
		if strings.Contains(parts[len(parts)-1], "\n") || !strings.HasSuffix(parts[len(parts)-1], "}") {
			keys := []string{}
			for _, k := range rows[n] {
				keys = append(keys, k.Name+": "+strconvQuote(k.Value))
			}
			parts[len(parts)-1] = n + ": {" + strings.Join(keys, ", ") + "}"
		}
	}
	if l.IntN(2) == 0 {
		return "  " + name + ": { " + strings.Join(parts, ", ") + " }\n"
	}
	return "  " + name + ": {\n    " + strings.Join(parts, ",\n    ") + l.one("", ",", "  # last") + "\n  }\n"
}

const templates = 200

// TestGeneratedTemplates: whatever a template looks like, adding and removing a row gives the same bytes, only
// lines of the row and of the list change, the rows are what was asked for, and there is no mistake in them.
func TestGeneratedTemplates(t *testing.T) {
	t.Parallel()
	for seed := range uint64(templates) {
		t.Run(fmt.Sprint(seed), func(t *testing.T) {
			t.Parallel()
			whole := generated(seed, shipped.Template())
			both, err := edit.Add(whole, edit.Tokens, backup())
			both, err = edit.Add(must(t, both, err), edit.Jobs, night())
			if found := mistakes(must(t, both, err)); len(found) > 0 {
				t.Errorf("mistakes: %v\n%s", found, both)
			}
			before := generated(seed, skeleton)
			if seed%8 == 0 { // the rest of the template takes a while to be read
				before = whole
			}
			for mapping, row := range map[string]edit.Row{edit.Jobs: night(), edit.Tokens: backup()} {
				added, err := edit.Add(before, mapping, row)
				must(t, added, err)
				checkAdded(t, before, added, mapping, row)
				removed, err := edit.Remove(added, mapping, row.Name)
				if must(t, removed, err); !bytes.Equal(before, removed) {
					t.Errorf("%s: added and removed, it is not what it was:\n%s", mapping, diffText(before, removed))
				}
			}
			before = generated(seed, skeleton)
			removals(t, before)
			for mapping, row := range map[string]edit.Row{edit.Jobs: night(), edit.Tokens: backup()} {
				added, err := edit.Add(before, mapping, row)
				sets(t, must(t, added, err), mapping, row)
			}
		})
	}
}

func checkAdded(t *testing.T, before, after []byte, mapping string, row edit.Row) {
	t.Helper()
	got, err := edit.Find(after, mapping, row.Name)
	if diff := cmp.Diff(row, got); err != nil || diff != "" {
		t.Errorf("%v (-want +got):\n%s", err, diff)
	}
	for _, l := range edit.Diff(before, after) {
		ours := strings.Contains(l.Text, row.Name) || l.Text == "" ||
			strings.HasPrefix(l.Was, strings.TrimSuffix(l.Text, ","))
		for _, k := range row.Keys {
			ours = ours || strings.Contains(l.Text, k.Name+": ")
		}
		if l.Kind == '~' {
			// a name or a comma more in the line, and what was there is all there still
			ours = ours || strings.ReplaceAll(l.Text, ",", "") == strings.ReplaceAll(l.Was, ",", "")
		}
		if l.Kind == '-' || !ours {
			t.Errorf("%s: a line that is not ours changed: %c %q, was %q", mapping, l.Kind, l.Text, l.Was)
		}
	}
}

// sets changes each value to another one and back, and removes and adds each key.
func sets(t *testing.T, data []byte, mapping string, row edit.Row) {
	t.Helper()
	for i, k := range row.Keys {
		changed, err := edit.Set(data, mapping, row.Name, []edit.Key{{k.Name, "yes, [it's] #1: ? on"}})
		must(t, changed, err)
		back, err := edit.Set(changed, mapping, row.Name, []edit.Key{k})
		if must(t, back, err); !bytes.Equal(data, back) {
			t.Errorf("%s %s: set and set back:\n%s", mapping, k.Name, diffText(data, back))
		}
		without, err := edit.Set(data, mapping, row.Name, []edit.Key{{k.Name, ""}})
		must(t, without, err)
		again, err := edit.Set(without, mapping, row.Name, []edit.Key{k})
		if must(t, again, err); i == len(row.Keys)-1 && !bytes.Equal(data, again) {
			t.Errorf("%s %s: removed and added again:\n%s", mapping, k.Name, diffText(data, again))
		}
	}
}

// removals removes each row that was there: verified by the package itself, and again here, by the rows that are
// left.
func removals(t *testing.T, before []byte) {
	t.Helper()
	for _, mapping := range []string{edit.Jobs, edit.Tokens} {
		rows, err := edit.Rows(before, mapping)
		if err != nil {
			t.Fatal(err)
		}
		for i, r := range rows {
			after, err := edit.Remove(before, mapping, r.Name)
			left, err2 := edit.Rows(must(t, after, err), mapping)
			if diff := cmp.Diff(slices.Delete(slices.Clone(rows), i, i+1), left); err2 != nil || diff != "" {
				t.Errorf("%s (-want +got):\n%s", r.Name, diff)
			}
		}
	}
}

// TestGeneratedTemplatesAsPyYAMLReadsThem is part of `make check`, which has a Python with PyYAML, the reader of
// SAM CLI.
func TestGeneratedTemplatesAsPyYAMLReadsThem(t *testing.T) {
	t.Parallel()
	python := os.Getenv("CRONBEARER_TEST_PYTHON")
	if python == "" {
		t.Skip("CRONBEARER_TEST_PYTHON names no Python with PyYAML")
	}
	folder := t.TempDir()
	want := map[string]map[string]string{}
	write := func(name string, data []byte, mapping string, row edit.Row) {
		keys := map[string]string{"mapping": mapping, "row": row.Name}
		for _, k := range row.Keys {
			keys[k.Name] = k.Value
		}
		want[name] = keys
		if err := os.WriteFile(filepath.Join(folder, name), data, 0o600); err != nil {
			t.Fatal(err)
		}
	}
	for seed := range uint64(templates) / 5 { // its reader takes a while
		for mapping, row := range map[string]edit.Row{edit.Jobs: night(), edit.Tokens: backup()} {
			after, err := edit.Add(generated(seed, shipped.Template()), mapping, row)
			write(fmt.Sprint(seed, mapping, ".yaml"), must(t, after, err), mapping, row)
		}
	}
	for i, value := range values() {
		for _, name := range []string{"DailyReport", "HourlySync"} {
			if value == "" {
				continue // takes the key out
			}
			after, err := edit.Set([]byte(small), edit.Jobs, name, []edit.Key{{"Note", value}})
			write(
				fmt.Sprint("value", i, name), must(t, after, err), edit.Jobs,
				edit.Row{Name: name, Keys: []edit.Key{{Name: "Note", Value: value}}},
			)
		}
	}
	text, err := json.Marshal(want)
	if err != nil {
		t.Fatal(err)
	}
	const program = `
import json, os, sys, yaml
class Loader(yaml.SafeLoader): pass
Loader.add_multi_constructor("!", lambda loader, suffix, node: None)
wrong = 0
for name, keys in json.load(sys.stdin).items():
    with open(os.path.join(sys.argv[1], name), encoding="utf-8-sig", newline="") as f: text = f.read()
    template = yaml.load(text, Loader)
    mapping, row = keys.pop("mapping"), keys.pop("row")
    got = template["Mappings"][mapping][row]
    names = template["Resources"]["Fn::ForEach::" + mapping][1]
    for key, value in keys.items():
        bare = key in ("SilentAfter", "WarnDays")
        if (str(got[key]) if bare else got[key]) != value or not bare and not isinstance(got[key], str):
            wrong += 1; print(name, key, repr(got[key]), "instead of", repr(value))
    if row not in names or names.count(row) != 1: wrong += 1; print(name, names)
sys.exit(wrong > 0)
`
	run := exec.CommandContext(t.Context(), python, "-c", program, folder)
	run.Stdin = bytes.NewReader(text)
	if out, err := run.CombinedOutput(); err != nil {
		t.Errorf("%v\n%s", err, out)
	}
}

// values are those that a reader of YAML takes for something else if they are not quoted.
func values() []string {
	return []string{
		"NO", "on", "Yes", "off", "true", "Null", "~", "12:30", "1:30:00", "0o17", "017", "1_000", "0x1F", "1e3", ".5", "+1",
		"-0", ".inf",
		"2026-11-28", "2026-11-28 01:12:00", "=", "<<", "-", "- a", "?", "? a", "a ?", "a? b", ": a", "a: b", "a:", "a:b",
		"a #b", "a#b",
		"#a", "&a", "*a", "!a", "%a", "@a", "`a`", "'a'", `"a"`, "it's", `say "no"`, "[a]", "{a}", "a, b", "a [b", "a } b",
		"|", ">", "| a",
		" a", "a ", "a  b", "a\tb", "a\nb", "\ta", "é ✓ 😀", "a\u00a0b", "a\u2028b", "a\u0085b", "a\x7fb", "\ufeffa", `a\b`,
		"---", "--- a", "...",
		"cron(30 1 * * ? *)", `{"kind":"daily","it's":[1, 2]}`, `"ping"`, "https://a.example/?q=1&b={{runId}}", "y", "n",
		"a: ", "null", "",
	}
}

// small has a row in lines and one in braces.
const small = `Mappings:
  Jobs:
    DailyReport:
      Token: ExampleApi
    HourlySync: { Token: ExampleApi, SilentAfter: 3 }
Resources:
  Fn::ForEach::Jobs: [Job, [DailyReport, HourlySync], {}]
`

func TestValuesAreReadAsTheyWereGiven(t *testing.T) {
	t.Parallel()
	for _, value := range values() {
		for _, name := range []string{"DailyReport", "HourlySync"} {
			if value == "" {
				continue // takes the key out
			}
			after, err := edit.Set([]byte(small), edit.Jobs, name, []edit.Key{{"Note", value}})
			if err != nil {
				t.Errorf("%s: %q: %v", name, value, err)
				continue
			}
			if row, err2 := edit.Find(after, edit.Jobs, name); err2 != nil || row.Get("Note") != value {
				t.Errorf("%s: %q became %q (%v)", name, value, row.Get("Note"), err2)
			}
		}
	}
}

func TestValuesAreQuotedOnlyWhereNeeded(t *testing.T) {
	t.Parallel()
	for _, c := range []struct{ value, inLines, inBraces string }{
		{value: "cron(30 1 * * ? *)", inLines: "cron(30 1 * * ? *)", inBraces: "'cron(30 1 * * ? *)'"},
		{
			value: "POST https://api.example.com/a?b=c", inLines: "POST https://api.example.com/a?b=c",
			inBraces: "'POST https://api.example.com/a?b=c'",
		},
		{
			value: "GET https://api.example.com/a", inLines: "GET https://api.example.com/a",
			inBraces: "GET https://api.example.com/a",
		},
		{value: "rate(1 hour)", inLines: "rate(1 hour)", inBraces: "rate(1 hour)"},
		{value: "NO", inLines: "'NO'", inBraces: "'NO'"},
		{value: "on", inLines: "'on'", inBraces: "'on'"},
		{value: "12:30", inLines: "'12:30'", inBraces: "'12:30'"},
		{value: "49", inLines: "'49'", inBraces: "'49'"},
		{value: "a, b", inLines: "a, b", inBraces: "'a, b'"},
		{value: "a #1", inLines: "'a #1'", inBraces: "'a #1'"},
		{value: `{"a":"it's"}`, inLines: `'{"a":"it''s"}'`, inBraces: `'{"a":"it''s"}'`},
		{value: "a\tb", inLines: `"a\tb"`, inBraces: `"a\tb"`},
	} {
		for name, want := range map[string]string{"DailyReport": c.inLines, "HourlySync": c.inBraces} {
			after, err := edit.Set([]byte(shipped.Template()), edit.Jobs, name, []edit.Key{{"Note", c.value}})
			if !bytes.Contains(must(t, after, err), []byte("Note: "+want)) {
				t.Errorf("%s: %q: %s", name, c.value, diffText([]byte(small), after))
			}
		}
	}
}

func TestWhatCannotBeEditedIsAnError(t *testing.T) {
	t.Parallel()
	const loop = "Resources:\n  Fn::ForEach::Jobs: [Job, [A], {}]\n"
	for name, c := range map[string]struct{ template, want string }{
		"no YAML":    {template: "a: [", want: "cannot be read"},
		"JSON":       {template: `{"Mappings":{"Jobs":{"A":{"B":"c"}}}}`, want: "is JSON"},
		"empty":      {template: "", want: "is empty"},
		"no mapping": {template: "Mappings: {}\n" + loop, want: "has no mapping Jobs"},
		"no rows":    {template: "Mappings:\n  Jobs:\n" + loop, want: "line 2"},
		"no loop":    {template: "Mappings:\n  Jobs:\n    A: { B: c }\n", want: "no loop Fn::ForEach::Jobs"},
		"a list that is none": {
			template: "Mappings:\n  Jobs:\n    A: { B: c }\nResources:\n  Fn::ForEach::Jobs: [Job, !Ref P, {}]\n",
			want:     "line 5",
		},
		"a split": {
			template: "Mappings:\n  Jobs:\n    A: { B: c }\nResources:\n  Fn::ForEach::Jobs: [Job, !Split [a, b], {}]\n",
			want:     "line 5",
		},
		"explicit keys": {template: "Mappings:\n  Jobs:\n    ? A\n    : { B: c }\n" + loop, want: "line 3"},
		"exists":        {template: "Mappings:\n  Jobs:\n    NightlyExport: { B: c }\n" + loop, want: "already"},
		"not UTF-8":     {template: "a: \xff\n", want: "UTF-8"},
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			if _, err := edit.Add([]byte(c.template), edit.Jobs, night()); err == nil || !strings.Contains(err.Error(), c.want) {
				t.Errorf("%v", err)
			}
		})
	}
}

func TestAnchorThatIsUsedElsewhereStays(t *testing.T) {
	t.Parallel()
	const template = "Mappings:\n  Jobs:\n    A: { B: &b c }\n    C: { B: *b }\nResources:\n  Fn::ForEach::Jobs: [Job, " +
		"[A, C], {}]\n"
	if after, err := edit.Remove([]byte(template), edit.Jobs, "A"); err == nil {
		t.Errorf("%s", after)
	}
}

// FuzzEdits: whatever the template and the value, an edit is an error, or the rows that it does not name are read
// as before.
func FuzzEdits(fuzz *testing.F) {
	f := mutate.New(fuzz)
	f.Try(60) // each takes milliseconds
	for seed := range uint64(20) {
		data := generated(seed, skeleton)
		f.Add(string(data), values()[seed])
	}
	f.Fuzz(func(t *testing.T, template, value string) {
		before, err := edit.Rows([]byte(template), edit.Jobs)
		if err != nil {
			return
		}
		rest := func(data []byte, name string) string {
			rows, err := edit.Rows(data, edit.Jobs)
			if err != nil {
				t.Fatalf("the result cannot be read: %v", err)
			}
			rows = slices.DeleteFunc(rows, func(r edit.Row) bool { return r.Name == name })
			if others(t, []byte(template)) == unread {
				return fmt.Sprint(rows)
			}
			return fmt.Sprint(rows, others(t, data))
		}
		added := edit.Row{Name: "New", Keys: []edit.Key{{"Note", value}, {"Token", "T"}}}
		if after, err := edit.Add([]byte(template), edit.Jobs, added); err == nil {
			got, err := edit.Find(after, edit.Jobs, "New")
			if want := rest([]byte(template), "New"); rest(after, "New") != want || err != nil || got.Get("Note") != value {
				t.Errorf("added: %v, %v", got, err)
			}
		}
		for _, r := range before {
			if after, err := edit.Remove([]byte(template), edit.Jobs, r.Name); err == nil {
				if want := rest([]byte(template), r.Name); rest(after, r.Name) != want {
					t.Errorf("removed %s:\n%s\ninstead of\n%s", r.Name, rest(after, r.Name), want)
				}
			}
			if after, err := edit.Set([]byte(template), edit.Jobs, r.Name, []edit.Key{{"Note", value}}); err == nil {
				got, err := edit.Find(after, edit.Jobs, r.Name)
				if want := rest([]byte(template), r.Name); rest(after, r.Name) != want || err != nil || got.Get("Note") != value {
					t.Errorf("set %s: %v, %v", r.Name, got, err)
				}
			}
		}
	})
}

// unread is what others returns of a template that another reader rejects, such as one with a duplicate key. Without
// the row that has it the template can be read, and nothing can be compared.
const unread = "not read"

// others is what a template says besides Jobs and their list, read by another path than the package's own.
func others(t *testing.T, data []byte) string {
	t.Helper()
	var document map[string]any
	if err := yaml.Unmarshal(data, &document); err != nil {
		return unread
	}
	for _, section := range document { // a template with its loop in another section than Resources is edited there
		if resources, ok := section.(map[string]any); ok {
			delete(resources, "Fn::ForEach::Jobs")
		}
	}
	if mappings, ok := document["Mappings"].(map[string]any); ok {
		delete(mappings, "Jobs")
	}
	return fmt.Sprint(document)
}
