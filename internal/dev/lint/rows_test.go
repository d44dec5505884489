package lint_test

import (
	"fmt"
	"slices"
	"strconv"
	"strings"
	"testing"
	"time"
	"unicode"
	"unicode/utf8"

	"github.com/google/go-cmp/cmp"

	"github.com/cronbearer/cronbearer/internal/dev/lint"
	"github.com/cronbearer/cronbearer/internal/dev/mutate"
	"github.com/cronbearer/cronbearer/internal/dev/shipped"
)

var now = time.Date(2026, time.November, 24, 12, 0, 0, 0, time.UTC)

// small is the shipped template without what comes before its rows and without comments, so that the lines of the rows
// do not depend on either:
//
//	 1  Transform: [AWS::LanguageExtensions, AWS::Serverless-2016-10-31]
//	 2  Mappings:
//	 3    Tokens:
//	 4      ExampleApi: { Secret: example-api, WarnDays: 14 }
//	 5    Jobs:
//	 6      DailyReport:
//	 7        Schedule: cron(0 9 ? * MON-FRI *)
//	 8        Timezone: Europe/London
//	 9        Call: POST https://api.example.com/v1/reports?for={{scheduledDate}}
//	10        Token: ExampleApi
//	11        Body: '{"kind":"daily"}'
//	12        SilentAfter: 75
//	13      HourlySync: { Schedule: "rate(1 hour)", Call: "GET https://api.example.com/v1/sync", Token: ExampleApi,
//	          SilentAfter: 3 }, in one line
func small() string {
	_, rest, _ := strings.Cut(shipped.Template(), "\nMappings:\n")
	lines := []string{"Transform: [AWS::LanguageExtensions, AWS::Serverless-2016-10-31]", "Mappings:"}
	for line := range strings.SplitSeq(rest, "\n") {
		if text := strings.TrimSpace(line); text != "" && !strings.HasPrefix(text, "#") {
			lines = append(lines, line)
		}
	}
	return strings.Join(lines, "\n") + "\n"
}

// edit is a change of the template: a text, and what replaces it.
type edit struct{ text, instead string }

func edited(t *testing.T, template string, edits ...edit) []byte {
	t.Helper()
	for _, e := range edits {
		if !strings.Contains(template, e.text) {
			t.Fatalf("the template no longer holds %q", e.text)
		}
		template = strings.Replace(template, e.text, e.instead, 1)
	}
	return []byte(template)
}

// report is what make validate prints.
func report(problems []lint.Problem) []string {
	var lines []string
	for _, p := range problems {
		lines = append(lines, fmt.Sprintf("%d:%d: %s", p.Line, p.Column, p))
	}
	return lines
}

// words compares lines of a report with those that are wanted: {jobs} stands for the line of the jobs' list, {tokens}
// for that of the tokens', and … for any rest.
func words(template string) cmp.Option {
	lines := strings.Split(template, "\n")
	line := func(loop string) int {
		return slices.IndexFunc(lines, func(l string) bool { return strings.Contains(l, "Fn::ForEach::"+loop+":") }) + 1
	}
	fill := strings.NewReplacer(
		"{jobs}", strconv.Itoa(line("Jobs")+2), "{jobs loop}", strconv.Itoa(line("Jobs")), "{tokens}",
		strconv.Itoa(line("Tokens")+2),
	)
	return cmp.Comparer(func(a, b string) bool {
		a, b = fill.Replace(a), fill.Replace(b)
		if head, cut := strings.CutSuffix(a, "…"); cut {
			return strings.HasPrefix(b, head)
		}
		if head, cut := strings.CutSuffix(b, "…"); cut {
			return strings.HasPrefix(a, head)
		}
		return a == b
	})
}

const (
	jobsList  = "[DailyReport, HourlySync]"
	tokenList = "[ExampleApi]"
	tokenRow  = "ExampleApi: { Secret: example-api, WarnDays: 14 }"
	cron      = "Schedule: cron(0 9 ? * MON-FRI *)"
	zone      = "Timezone: Europe/London"
	call      = "Call: POST https://api.example.com/v1/reports?for={{scheduledDate}}"
	body      = `Body: '{"kind":"daily"}'`
	silent    = "SilentAfter: 75"
	hourly    = `HourlySync: { Schedule: "rate(1 hour)", Call: "GET https://api.example.com/v1/sync", Token: ` +
		`ExampleApi, SilentAfter: 3 }`
	hourlyRow = `HourlySync: { Schedule: "rate(1 hour)",`
)

// placed requires that each problem is at a line of the template, and in it at what is meant: no white space, but
// for what is missing there.
func placed(t *testing.T, data []byte, problems []lint.Problem) {
	t.Helper()
	lines := strings.Split(string(data), "\n")
	for _, p := range problems {
		if p.Line < 1 || p.Line > len(lines) {
			t.Errorf("there is no such line: %s", p.In("template.yaml"))
			continue
		}
		line := []rune(lines[p.Line-1] + "\n")
		switch missing := strings.Contains(p.Text, "missing") || strings.Contains(p.Text, "closed") ||
			strings.Contains(p.Text, "has no value") || strings.Contains(p.Text, "a tab") || !utf8.ValidString(string(line)); {
		case p.Column < 1 || p.Column > len(line):
			t.Errorf("there is no such column: %s", p.In("template.yaml"))
		case unicode.IsSpace(line[p.Column-1]) && !missing && !strings.Contains(p.Text, "invisible"):
			t.Errorf("there is nothing: %s", p.In("template.yaml"))
		}
	}
}

func TestShippedTemplateIsSound(t *testing.T) {
	t.Parallel()
	for name, template := range map[string]string{"shipped": shipped.Template(), "small": small()} {
		if got := report(lint.Template([]byte(template), lint.Options{Now: now})); len(got) > 0 {
			t.Errorf("%s: %s", name, got)
		}
	}
}

func TestMistakesInRows(t *testing.T) {
	t.Parallel()
	cases := map[string]struct {
		edits []edit
		want  []string // a line that ends with … goes on with the caller's own words
	}{
		"faults.md: job named No, unquoted in list and block": {
			edits: []edit{{jobsList, `[DailyReport, No]`}, {`HourlySync: {`, `No: {`}},
			want: []string{
				`13:5: Jobs.No: YAML 1.1, which CloudFormation and SAM use, reads No as a boolean: quote it: 'No', and in ` +
					`line {jobs} too`,
			},
		},
		"faults.md: cron in one line, unquoted": {
			edits: []edit{{`Schedule: "rate(1 hour)"`, `Schedule: cron(0 6 ? * MON *)`}},
			want: []string{
				`13:29: Jobs.HourlySync.Schedule: quote it: inside { } YAML reads the ? as a key: write Schedule: 'cron(0 ` +
					`6 ? * MON *)'`,
			},
		},
		"faults.md: 1-5 is Sunday to Thursday": {
			edits: []edit{{cron, `Schedule: cron(0 9 ? * 1-5)`}, {silent, `SilentAfter: 76`}},
			want: []string{
				`7:17: warning: Jobs.DailyReport.Schedule: 1-5 is Sunday to Thursday, as AWS counts from Sunday = 1: write ` +
					`SUN-THU, or the days that you mean, such as MON-FRI`,
			},
		},
		"faults.md: LW and names in small letters": {
			edits: []edit{{cron, `Schedule: cron(0 21 LW * ? *)`}, {silent, `SilentAfter: 168
      Watch: ignore`}, {`"rate(1 hour)",`, `'cron(0 9 ? * mon-fri *)',`}, {`SilentAfter: 3 }`, `SilentAfter: 75 }`}},
			want: nil,
		},
		"faults.md: zone without daylight saving": {
			edits: []edit{{zone, `Timezone: EST`}},
			want: []string{
				`8:17: warning: Jobs.DailyReport.Timezone: EST knows no daylight saving time: write America/New_York, or the ` +
					`zone of your city, unless you mean that`,
			},
		},
		"faults.md: token instead of a secret's name": {
			edits: []edit{{`Secret: example-api`, `Secret: github_pat_11ABCDEFG0123456789_abcdef`}},
			want: []string{
				`4:27: Tokens.ExampleApi.Secret: that looks like a token (github_pat_…), and the template is not the place for ` +
					`one: store it in Secrets Manager, write the secret's name here, and revoke it if it was ever committed`,
			},
		},
		"faults.md: secret that begins with a slash": {
			edits: []edit{{`Secret: example-api`, `Secret: /github-pat`}},
			want: []string{
				`4:27: Tokens.ExampleApi.Secret: begins with a slash, and would become cronbearer//github-pat: write github-pat`,
			},
		},
		"faults.md: shell variable in a call": {
			edits: []edit{{`?for={{scheduledDate}}`, `?day=${DATE}`}},
			want: []string{
				`9:13: warning: Jobs.DailyReport.Call: ${DATE} is sent as is: only {{…}} is replaced: write ` +
					`{{scheduledDate}}, {{scheduledTime}} or {{runId}} if you mean one of them`,
			},
		},
		"faults.md: SilentAfter with a unit": {
			edits: []edit{{silent, `SilentAfter: 3h`}},
			want: []string{
				`12:20: Jobs.DailyReport.SilentAfter: "3h" is not a whole number of hours: write 3`,
			},
		},
		"faults.md: Timeout without a unit": {
			edits: []edit{{zone, `Timeout: 30`}},
			want: []string{
				`8:16: Jobs.DailyReport.Timeout: "30" is not a duration: write 30s`,
			},
		},
		"faults.md: plain text as a body": {
			edits: []edit{{body, `Body: ping`}},
			want: []string{
				`11:13: Jobs.DailyReport.Body: is not JSON: for plain text write '"ping"'`,
			},
		},
		"faults.md: name with a dash": {
			edits: []edit{{jobsList, `[DailyReport, refresh-reports]`}, {`HourlySync: {`, `refresh-reports: {`}},
			want: []string{
				`13:5: Jobs.refresh-reports: a name is letters and digits, begins with a letter and has at most 40: write ` +
					`RefreshReports`,
			},
		},
		"job named On in block only, quoted in the list": {
			edits: []edit{{jobsList, `[DailyReport, 'On']`}, {`HourlySync: {`, `On: {`}},
			want: []string{
				`13:5: Jobs.On: YAML 1.1, which CloudFormation and SAM use, reads On as a boolean: quote it: 'On'`,
			},
		},
		"job named On in list only, quoted in the block": {
			edits: []edit{{jobsList, `[DailyReport, On]`}, {`HourlySync: {`, `'On': {`}},
			want: []string{
				`{jobs}:21: Jobs.On: YAML 1.1, which CloudFormation and SAM use, reads On as a boolean: quote it: 'On'`,
			},
		},
		"token named NO": {
			edits: []edit{{tokenList, `[NO]`}, {tokenRow, `NO: { Secret: example-api }`}, {`Token: ExampleApi
`, `Token: 'NO'
`}, {`Token: ExampleApi,`, `Token: 'NO',`}},
			want: []string{
				`4:5: Tokens.NO: YAML 1.1, which CloudFormation and SAM use, reads NO as a boolean: quote it: 'NO', and in ` +
					`line {tokens} too`,
			},
		},
		"token NO, named without quotes": {
			edits: []edit{{tokenList, `['NO']`}, {tokenRow, `'NO': { Secret: example-api }`}, {`Token: ExampleApi
`, `Token: NO
`}, {`Token: ExampleApi,`, `Token: 'NO',`}},
			want: []string{
				`10:14: Jobs.DailyReport.Token: YAML reads NO as a boolean: quote it: 'NO'`,
			},
		},
		"secret named off": {
			edits: []edit{{`Secret: example-api`, `Secret: off`}},
			want: []string{
				`4:27: Tokens.ExampleApi.Secret: YAML reads off as a boolean: quote it: 'off'`,
			},
		},
		"key named yes": {
			edits: []edit{{`WarnDays: 14`, `Key: yes`}},
			want: []string{
				`4:45: Tokens.ExampleApi.Key: YAML reads yes as a boolean: quote it: 'yes'`,
			},
		},
		"note that is null": {
			edits: []edit{{zone, `Note: Null`}},
			want: []string{
				`8:13: Jobs.DailyReport.Note: YAML reads Null as null: quote it, or leave the key out`,
			},
		},
		"time zone that is a tilde": {
			edits: []edit{{zone, `Timezone: ~`}},
			want: []string{
				`8:17: Jobs.DailyReport.Timezone: YAML reads ~ as null: quote it, or leave the key out`,
			},
		},
		"value that is missing": {
			edits: []edit{{zone, `Timezone:`}},
			want: []string{
				`8:16: Jobs.DailyReport.Timezone: has no value: write one, or leave the key out`,
			},
		},
		"body that is null": {
			edits: []edit{{body, `Body: null`}},
			want: []string{
				`11:13: Jobs.DailyReport.Body: YAML reads null as null: quote it, or leave the key out`,
			},
		},
		"secret of digits": {
			edits: []edit{{`Secret: example-api`, `Secret: 0123`}},
			want: []string{
				`4:27: Tokens.ExampleApi.Secret: YAML reads 0123 as a number: quote it: '0123'`,
			},
		},
		"note that is a date": {
			edits: []edit{{zone, `Note: 2026-11-28`}},
			want: []string{
				`8:13: Jobs.DailyReport.Note: YAML reads 2026-11-28 as a date: quote it: '2026-11-28'`,
			},
		},
		"note that is a time of day": {
			edits: []edit{{zone, `Note: 12:30:00`}},
			want: []string{
				`8:13: Jobs.DailyReport.Note: YAML reads 12:30:00 as a number: quote it: '12:30:00'`,
			},
		},
		"note that is an equals sign": {
			edits: []edit{{zone, `Note: =`}},
			want: []string{
				`8:13: Jobs.DailyReport.Note: YAML reads = as a default value: quote it: '='`,
			},
		},
		"watch that is off": {
			edits: []edit{{zone, `Watch: off`}},
			want: []string{
				`8:14: Jobs.DailyReport.Watch: YAML reads off as a boolean (quote it if you mean the text), and it must be ` +
					`missing or ignore`,
			},
		},
		"truth that is yes": {
			edits: []edit{{zone, `Idempotent: yes`}},
			want: []string{
				`8:19: Jobs.DailyReport.Idempotent: "yes" is not true or false: write true`,
			},
		},
		"state that is off": {
			edits: []edit{{zone, `State: Off`}},
			want: []string{
				`8:14: Jobs.DailyReport.State: YAML reads Off as a boolean (quote it if you mean the text), and it must be ` +
					`ENABLED or DISABLED`,
			},
		},
		"sexagesimal timeout": {
			edits: []edit{{zone, `Timeout: 1:30`}},
			want: []string{
				`8:16: Jobs.DailyReport.Timeout: "1:30" is not a duration: write one such as 30s, 5m or 1h`,
			},
		},
		"name that is null": {
			edits: []edit{{jobsList, `[DailyReport, Null]`}, {`HourlySync: {`, `Null: {`}},
			want: []string{
				`13:5: Jobs.Null: YAML 1.1, which CloudFormation and SAM use, reads Null as null: quote it: 'Null', and in ` +
					`line {jobs} too`,
			},
		},
		"comma in one line, unquoted": {
			edits: []edit{{`Schedule: "rate(1 hour)"`, `Schedule: cron(0,30 9 1 1 MON 2027)`}},
			want: []string{
				`13:29: Jobs.HourlySync.Schedule: quote it: inside { } YAML reads the , as the end of the value: write ` +
					`Schedule: 'cron(0,30 9 1 1 MON 2027)'`,
			},
		},
		"placeholder in one line, unquoted": {
			edits: []edit{{`"GET https://api.example.com/v1/sync"`, `GET https://api.example.com/v1/sync/{{runId}}`}},
			want: []string{
				`13:51: Jobs.HourlySync.Call: quote it: inside { } YAML reads the { as a block: write Call: 'GET ` +
					`https://api.example.com/v1/sync/{{runId}}'`,
			},
		},
		"query in one line, unquoted": {
			edits: []edit{{`"GET https://api.example.com/v1/sync"`, `GET https://api.example.com/v1/sync?full=1`}},
			want: []string{
				`13:51: Jobs.HourlySync.Call: quote it: inside { } YAML reads the ? as a key: write Call: 'GET ` +
					`https://api.example.com/v1/sync?full=1'`,
			},
		},
		"brackets in one line, unquoted": {
			edits: []edit{{`"GET https://api.example.com/v1/sync"`, `GET https://api.example.com/v1/sync/[a]`}},
			want: []string{
				`13:51: Jobs.HourlySync.Call: quote it: inside { } YAML reads the [ as a list: write Call: 'GET ` +
					`https://api.example.com/v1/sync/[a]'`,
			},
		},
		"comma in a note in one line": {
			edits: []edit{{`WarnDays: 14`, `Note: ask Anna, or Ben`}},
			want: []string{
				`4:46: Tokens.ExampleApi.Note: quote it: inside { } YAML reads the , as the end of the value: write Note: 'ask ` +
					`Anna, or Ben'`,
			},
		},
		"tab": {
			edits: []edit{{zone, `Timezone: Europe/London
	  Window: 5`}},
			want: []string{
				`9:1: Jobs.DailyReport: a tab, which YAML does not allow here: write spaces`,
			},
		},
		"colon in a note": {
			edits: []edit{{zone, `Note: renewed by hand: ask Anna`}},
			want: []string{
				`8:13: Jobs.DailyReport.Note: quote it: YAML reads the : as a key: write Note: 'renewed by hand: ask Anna'`,
			},
		},
		"note that begins with an at sign": {
			edits: []edit{{zone, `Note: @anna renews it`}},
			want: []string{
				`8:13: Jobs.DailyReport.Note: quote it: YAML reads the @ at its beginning as a reserved sign: write Note: ` +
					`'@anna renews it'`,
			},
		},
		"note that begins with an asterisk": {
			edits: []edit{{zone, `Note: *important*`}},
			want: []string{
				`8:13: Jobs.DailyReport.Note: quote it: YAML reads the * at its beginning as an alias: write Note: '*important*'`,
			},
		},
		"key twice": {
			edits: []edit{{zone, `Timezone: UTC
      Timezone: UTC`}},
			want: []string{
				`9:7: duplicate key Timezone; the first is in line 8`,
			},
		},
		"name in the block twice": {
			edits: []edit{{hourly, `DailyReport: {}
    ` + hourly}},
			want: []string{
				`13:5: duplicate key DailyReport; the first is in line 6`,
			},
		},
		"no YAML at all": {
			edits: []edit{{zone, `Timezone 'Europe/London`}},
			want: []string{
				`8:7: Jobs.DailyReport: a colon is missing after Timezone: write Timezone: and its value`,
			},
		},
		"job in the list without a block": {
			edits: []edit{{jobsList, `[DailyReport, HourlySync, Weekly]`}},
			want: []string{
				`{jobs}:33: Jobs.Weekly: the list of Fn::ForEach::Jobs names it, but Mappings.Jobs has no such block: write the ` +
					`block, or remove the name from the list`,
			},
		},
		"job with a block that is not listed": {
			edits: []edit{{jobsList, `[DailyReport]`}},
			want: []string{
				`13:5: Jobs.HourlySync: Mappings.Jobs has this block, but the list of Fn::ForEach::Jobs does not name it: add ` +
					`it to the list in line {jobs}`,
			},
		},
		"token in the list without a block": {
			edits: []edit{{tokenList, `[ExampleApi, Other]`}},
			want: []string{
				`{tokens}:20: Tokens.Other: the list of Fn::ForEach::Tokens names it, but Mappings.Tokens has no such block: ` +
					`write the block, or remove the name from the list`,
			},
		},
		"token with a block that is not listed": {
			edits: []edit{{tokenRow, tokenRow + `
    Other: { Secret: other }`}},
			want: []string{
				`5:5: Tokens.Other: Mappings.Tokens has this block, but the list of Fn::ForEach::Tokens does not name it: add ` +
					`it to the list in line 184`,
			},
		},
		"block under another spelling": {
			edits: []edit{{tokenRow, `ExampleAPI: { Secret: example-api }`}},
			want: []string{
				`{tokens}:8: Tokens.ExampleApi: the list of Fn::ForEach::Tokens names it, but Mappings.Tokens has no such ` +
					`block: the block is called ExampleAPI: write the same name in both`,
			},
		},
		"name in the list twice": {
			edits: []edit{{jobsList, `[DailyReport, HourlySync, HourlySync]`}},
			want: []string{
				`{jobs}:33: Jobs.HourlySync: the list of Fn::ForEach::Jobs has this name twice: remove one`,
			},
		},
		"name of 41 characters": {
			edits: []edit{
				{text: jobsList, instead: `[DailyReport, Nnnnnnnnnnnnnnnnnnnnnnnnnnnnnnnnnnnnnnnnn]`},
				{text: `HourlySync: {`, instead: `Nnnnnnnnnnnnnnnnnnnnnnnnnnnnnnnnnnnnnnnnn: {`},
			},
			want: []string{
				`13:5: Jobs.Nnnnnnnnnnnnnnnnnnnnnnnnnnnnnnnnnnnnnnnnn: a name is letters and digits, begins with a letter and ` +
					`has at most 40: write Nnnnnnnnnnnnnnnnnnnnnnnnnnnnnnnnnnnnnnnn`,
			},
		},
		"name that begins with a digit": {
			edits: []edit{{jobsList, `[DailyReport, 2fa]`}, {`HourlySync: {`, `2fa: {`}},
			want: []string{
				`13:5: Jobs.2fa: a name is letters and digits, begins with a letter and has at most 40: write Job2fa`,
			},
		},
		"name with an underscore": {
			edits: []edit{
				{text: tokenList, instead: `[example_api]`},
				{text: tokenRow, instead: `example_api: { Secret: example-api }`},
				{text: `Token: ExampleApi
`, instead: `Token: example_api
`},
				{`Token: ExampleApi,`, `Token: example_api,`},
			},
			want: []string{
				`4:5: Tokens.example_api: a name is letters and digits, begins with a letter and has at most 40: write ExampleApi`,
			},
		},
		"list from a parameter": {
			edits: []edit{{jobsList, `!Ref AllowedHosts`}},
			want: []string{
				`{jobs loop}:3: Resources.Fn::ForEach::Jobs: its list is not literal, and on update CloudFormation keeps a ` +
					`parameter's old value: write the names themselves: [DailyReport, HourlySync]`,
			},
		},
		"row without keys": {
			edits: []edit{{hourly, `HourlySync:`}},
			want: []string{
				`13:5: Jobs.HourlySync: it has no keys: write at least Call, Schedule, SilentAfter, Token`,
			},
		},
		"row that is text": {
			edits: []edit{{hourly, `HourlySync: hourly`}},
			want: []string{
				`13:5: Jobs.HourlySync: it has no keys: write at least Call, Schedule, SilentAfter, Token`,
			},
		},
		"key in another case": {
			edits: []edit{{zone, `TimeZone: Europe/London`}},
			want: []string{
				`8:7: Jobs.DailyReport.TimeZone: there is no such key: did you mean Timezone?`,
			},
		},
		"key of a token, misspelt": {
			edits: []edit{{`WarnDays: 14`, `WarnDay: 14`}},
			want: []string{
				`4:40: Tokens.ExampleApi.WarnDay: there is no such key: did you mean WarnDays?`,
			},
		},
		"required key, misspelt": {
			edits: []edit{{silent, `SilentAfer: 75`}},
			want: []string{
				`12:7: Jobs.DailyReport.SilentAfer: there is no such key: did you mean SilentAfter?`,
			},
		},
		"key that belongs to tokens": {
			edits: []edit{{zone, `WarnDays: 3`}},
			want: []string{
				`8:7: Jobs.DailyReport.WarnDays: there is no such key: it is a key of Tokens`,
			},
		},
		"key that belongs to jobs": {
			edits: []edit{{`WarnDays: 14`, `Timeout: 3s`}},
			want: []string{
				`4:40: Tokens.ExampleApi.Timeout: there is no such key: it is a key of Jobs`,
			},
		},
		"key that nothing is like": {
			edits: []edit{{zone, `Retries: 3`}},
			want: []string{
				`8:7: Jobs.DailyReport.Retries: there is no such key: the keys are Action, Attempts, Body, Call, Expect, ` +
					`Headers, Idempotent, MaxAge, Note, Reject, Schedule, SilentAfter, State, Timeout, Timezone, Token, Watch, Window`,
			},
		},
		"required key that is missing": {
			edits: []edit{{silent, `Attempts: 2`}},
			want: []string{
				`6:5: Jobs.DailyReport.SilentAfter: it is missing`,
			},
		},
		"two required keys that are missing": {
			edits: []edit{{hourly, `HourlySync: { Schedule: rate(1 hour), Token: ExampleApi }`}},
			want: []string{
				`13:5: Jobs.HourlySync.Call: it is missing`,
				`13:5: Jobs.HourlySync.SilentAfter: it is missing`,
			},
		},
		"token that does not exist": {
			edits: []edit{{`Token: ExampleApi,`, `Token: ExampleAPI,`}},
			want: []string{
				`13:97: Jobs.HourlySync.Token: ExampleAPI is not a token in the template: did you mean ExampleApi?`,
			},
		},
		"token that is like none": {
			edits: []edit{{`Token: ExampleApi,`, `Token: Billing,`}},
			want: []string{
				`13:97: Jobs.HourlySync.Token: Billing is not a token in the template: the tokens are ExampleApi`,
			},
		},
		"secret outside the stack": {
			edits: []edit{
				{
					text:    `Secret: example-api`,
					instead: `Secret: arn:aws-cn:secretsmanager:cn-north-1:123456789012:secret:other/token-AbCdEf`,
				},
			},
			want: []string{
				`4:27: Tokens.ExampleApi.Secret: is neither under cronbearer/ nor in the parameter ExtraSecretArns, so the ` +
					`caller may not read it: add it to ExtraSecretArns`,
			},
		},
		"partial ARN": {
			edits: []edit{
				{
					text:    `Secret: example-api`,
					instead: `Secret: arn:aws-cn:secretsmanager:cn-north-1:123456789012:secret:cronbearer/a`,
				},
			},
			want: []string{
				`4:27: Tokens.ExampleApi.Secret: is not the full ARN of a secret: write it with the six random characters at ` +
					`its end, as aws secretsmanager describe-secret shows it`,
			},
		},
		"secret with the stack's prefix": {
			edits: []edit{{`Secret: example-api`, `Secret: cronbearer/example-api`}},
			want: []string{
				`4:27: Tokens.ExampleApi.Secret: repeats the stack's prefix cronbearer/, which is put before it: write example-api`,
			},
		},
		"secret with a space": {
			edits: []edit{{`Secret: example-api`, `Secret: example api`}},
			want: []string{
				`4:27: Tokens.ExampleApi.Secret: is not a valid secret name: write letters, digits and / _ + = . @ -`,
			},
		},
		"JWT instead of a secret's name": {
			edits: []edit{{`Secret: example-api`, `Secret: eyJhbGciOiJIUzI1NiJ9.eyJzdWIiOiIxIn0.c2lnbmF0dXJl`}},
			want: []string{
				`4:27: Tokens.ExampleApi.Secret: that looks like a token (eyJ…), and the template is not the place for one: ` +
					`store it in Secrets Manager, write the secret's name here, and revoke it if it was ever committed`,
			},
		},
		"GitLab token in a header": {
			edits: []edit{{zone, `Headers: '{"PRIVATE-TOKEN":"glpat-ABCDEFGHIJKLMNOPQRST"}'`}},
			want: []string{
				`8:16: Jobs.DailyReport.Headers: that looks like a token (glpat-…), and the template is not the place for one: ` +
					`store it in Secrets Manager, write the secret's name here, and revoke it if it was ever committed`,
			},
		},
		"Slack token in a query": {
			edits: []edit{{`?for={{scheduledDate}}`, `?token=xoxb-123456789012-abcdefghijkl`}},
			want: []string{
				`9:13: Jobs.DailyReport.Call: that looks like a token (xoxb-…), and the template is not the place for one: store ` +
					`it in Secrets Manager, write the secret's name here, and revoke it if it was ever committed`,
			},
		},
		"token in a note": {
			edits: []edit{{`WarnDays: 14`, `Note: ghp_ABCDEFGHIJKLMNOPQRSTUVWXYZ0123456789`}},
			want: []string{
				`4:46: Tokens.ExampleApi.Note: that looks like a token (ghp_…), and the template is not the place for one: store ` +
					`it in Secrets Manager, write the secret's name here, and revoke it if it was ever committed`,
			},
		},
		"bad pointer": {
			edits: []edit{{`WarnDays: 14`, `Key: /a~2b`}},
			want: []string{
				`4:45: Tokens.ExampleApi.Key: is not a JSON pointer: write ~0 for ~ and ~1 for / inside a name`,
			},
		},
		"note of 201 characters": {
			edits: []edit{{`WarnDays: 14`, "Note: " + strings.Repeat("n", 201)}},
			want: []string{
				`4:46: Tokens.ExampleApi.Note: has 201 characters, at most 200 are allowed: remove 1`,
			},
		},
		"days that are words": {
			edits: []edit{{`WarnDays: 14`, `WarnDays: two weeks`}},
			want: []string{
				`4:50: Tokens.ExampleApi.WarnDays: "two weeks" is not a number of days above 0, at most 3650`,
			},
		},
		"days with a unit": {
			edits: []edit{{`WarnDays: 14`, `WarnDays: 36h`}},
			want: []string{
				`4:50: Tokens.ExampleApi.WarnDays: "36h" is not a number of days above 0, at most 3650: write 1.5`,
			},
		},
		"days that are 0": {
			edits: []edit{{`WarnDays: 14`, `WarnDays: 0`}},
			want: []string{
				`4:50: Tokens.ExampleApi.WarnDays: "0" is not a number of days above 0, at most 3650`,
			},
		},
		"quote in a call": {
			edits: []edit{{`?for={{scheduledDate}}`, `?for="x"`}},
			want: []string{
				`9:13: Jobs.DailyReport.Call: holds ", \ or a line break, which would break the event: remove it`,
			},
		},
		"backslash in a call": {
			edits: []edit{{`?for={{scheduledDate}}`, `?for=a\b`}},
			want: []string{
				`9:13: Jobs.DailyReport.Call: holds ", \ or a line break, which would break the event: remove it`,
			},
		},
		"line break in a call": {
			edits: []edit{{`"GET https://api.example.com/v1/sync"`, `"GET https://api.example.com/v1/sync\n"`}},
			want: []string{
				`13:51: Jobs.HourlySync.Call: holds ", \ or a line break, which would break the event: write it in one line`,
			},
		},
		"body over several lines": {
			edits: []edit{{body, `Body: |
        {
          "kind": "daily"
        }`}},
			want: []string{
				`11:13: Jobs.DailyReport.Body: holds a line break or another control character: write it in one line`,
			},
		},
		"broken JSON": {
			edits: []edit{{body, `Body: '{"kind":"daily"'`}},
			want: []string{
				`11:13: Jobs.DailyReport.Body: is not JSON: unexpected end of JSON input, at character 15: write it between ` +
					`single quotes, such as '{"kind":"daily"}'`,
			},
		},
		"body that is YAML": {
			edits: []edit{{body, `Body: { kind: daily }`}},
			want: []string{
				`11:13: Jobs.DailyReport.Body: is YAML, and must be JSON text: put it between single quotes: Body: ` +
					`'{"kind":"daily"}'`,
			},
		},
		"body that is a list": {
			edits: []edit{{body, `Body: [1, 2]`}},
			want: []string{
				`11:13: Jobs.DailyReport.Body: is YAML, and must be JSON text: put it between single quotes: Body: ` +
					`'{"kind":"daily"}'`,
			},
		},
		"headers that are not an object": {
			edits: []edit{{body, `Headers: '[]'`}},
			want: []string{
				`11:16: Jobs.DailyReport.Headers: must be a JSON object: write one between single quotes, such as ` +
					`'{"status":[403]}'`,
			},
		},
		"reject that is YAML, of a token": {
			edits: []edit{{`WarnDays: 14`, `Reject: { status: [403] }`}},
			want: []string{
				`4:48: Tokens.ExampleApi.Reject: is YAML, and must be JSON text: put it between single quotes: Reject: ` +
					`'{"status":[403]}'`,
			},
		},
		"function in a row": {
			edits: []edit{{zone, `Timezone: !Ref Zone`}},
			want: []string{
				`8:17: Jobs.DailyReport.Timezone: must be one value: a mapping holds no lists here, no blocks and no functions`,
			},
		},
		"secret of CloudFormation in a body": {
			edits: []edit{{body, `Body: '{"key":"{{resolve:secretsmanager:a}}"}'`}},
			want: []string{
				`11:13: Jobs.DailyReport.Body: holds {{resolve:, which CloudFormation would replace by a secret's value: a ` +
					`token comes from Secrets Manager when the job runs: see Secret`,
			},
		},
		"state in small letters": {
			edits: []edit{{zone, `State: disabled`}},
			want: []string{
				`8:14: Jobs.DailyReport.State: must be ENABLED or DISABLED: write DISABLED`,
			},
		},
		"state that is none": {
			edits: []edit{{zone, `State: 'OFF'`}},
			want: []string{
				`8:14: Jobs.DailyReport.State: must be ENABLED or DISABLED`,
			},
		},
		"window with a unit": {
			edits: []edit{{zone, `Window: 15m`}},
			want: []string{
				`8:15: Jobs.DailyReport.Window: "15m" is not a whole number of minutes: write 15`,
			},
		},
		"window of more than a day": {
			edits: []edit{{zone, `Window: 1441`}},
			want: []string{
				`8:15: Jobs.DailyReport.Window: "1441" is not a whole number of minutes from 1 to 1440`,
			},
		},
		"watch that is none": {
			edits: []edit{{zone, `Watch: breaching`}},
			want: []string{
				`8:14: Jobs.DailyReport.Watch: must be missing or ignore`,
			},
		},
		"action that is none": {
			edits: []edit{{zone, `Action: probe`}},
			want: []string{
				`8:15: Jobs.DailyReport.Action: must be call or check`,
			},
		},
		"attempts beyond ten": {
			edits: []edit{{zone, `Attempts: 11`}},
			want: []string{
				`8:17: Jobs.DailyReport.Attempts: "11" is not a whole number from 1 to 10`,
			},
		},
		"timeout in words": {
			edits: []edit{{zone, `Timeout: 5 minutes`}},
			want: []string{
				`8:16: Jobs.DailyReport.Timeout: "5 minutes" is not a duration: write 5m`,
			},
		},
		"age in days": {
			edits: []edit{{zone, `MaxAge: 1d`}},
			want: []string{
				`8:15: Jobs.DailyReport.MaxAge: "1d" is not a duration: write 24h`,
			},
		},
		"silence of eight days": {
			edits: []edit{{silent, `SilentAfter: 192`}},
			want: []string{
				`12:20: Jobs.DailyReport.SilentAfter: "192" is not a whole number of hours from 1 to 168`,
			},
		},
		"silence in days": {
			edits: []edit{{silent, `SilentAfter: 4 days`}},
			want: []string{
				`12:20: Jobs.DailyReport.SilentAfter: "4 days" is not a whole number of hours: write 96`,
			},
		},
		"silence that is octal": {
			edits: []edit{{silent, `SilentAfter: 075`}},
			want: []string{
				`12:20: Jobs.DailyReport.SilentAfter: "075" is not a whole number of hours from 1 to 168`,
			},
		},
		"http": {
			edits: []edit{{`GET https://`, `GET http://`}},
			want: []string{
				`13:51: Jobs.HourlySync.Call: the caller would reject it: the URL must begin with https://`,
			},
		},
		"method in small letters": {
			edits: []edit{{`GET https://`, `get https://`}},
			want: []string{
				`13:51: Jobs.HourlySync.Call: the caller would reject it: the method must be 1 to 20 upper-case letters`,
			},
		},
		"no method": {
			edits: []edit{{`GET https://`, `https://`}},
			want: []string{
				`13:51: Jobs.HourlySync.Call: the caller would reject it: must be a method and a URL separated by one space, ` +
					`such as GET https://api.example.com/v1/sync`,
			},
		},
		"unknown placeholder": {
			edits: []edit{{`for={{scheduledDate}}`, `for={{scheduleDate}}`}},
			want: []string{
				`9:13: Jobs.DailyReport.Call: the caller would reject it: unknown placeholder {{scheduleDate}}…`,
			},
		},
		"header of the caller's": {
			edits: []edit{{body, `Headers: '{"Authorization":"x"}'`}},
			want: []string{
				`11:16: Jobs.DailyReport.Headers: the caller would reject it: "Authorization" must not be set: the call sets it ` +
					`itself`,
			},
		},
		"idempotency header": {
			edits: []edit{{body, `Headers: '{"Idempotency-Key":"x"}'`}},
			want: []string{
				`11:16: Jobs.DailyReport.Headers: the caller would reject it: headers.Idempotency-Key is the idempotency header,` +
					` which every run sets itself`,
			},
		},
		"unknown key in Expect": {
			edits: []edit{{body, `Expect: '{"states":[200]}'`}},
			want: []string{
				`11:15: Jobs.DailyReport.Expect: the caller would reject it: unknown key "states" in expect…`,
			},
		},
		"unknown key in a token's Reject": {
			edits: []edit{{`WarnDays: 14`, `Reject: '{"states":[200]}'`}},
			want: []string{
				`4:48: Tokens.ExampleApi.Reject: the caller would reject it: unknown key "states" in reject…`,
			},
		},
		"duplicate key in a body": {
			edits: []edit{{body, `Body: '{"kind":"daily","kind":"late"}'`}},
			want: []string{
				`11:13: Jobs.DailyReport.Body: the caller would reject it: duplicate key "kind" in "/body"`,
			},
		},
		"timeout beyond the function's": {
			edits: []edit{{zone, `Timeout: 15m`}},
			want: []string{
				`8:16: Jobs.DailyReport.Timeout: the caller would reject it: must be from 1s to 840s`,
			},
		},
		"event key that is unknown": {
			edits: []edit{{`"attempts":${Attempts}`, `"attempt":${Attempts}`}},
			want: []string{
				`{jobs loop}:3: Resources.Fn::ForEach::Jobs.Input: the caller would reject it: unknown key "attempt" in the ` +
					`object…`,
			},
		},
		"unknown time zone": {
			edits: []edit{{zone, `Timezone: Europe/Londn`}},
			want: []string{
				`8:17: Jobs.DailyReport.Timezone: "Europe/Londn" is not an IANA time zone; write its full name, such as ` +
					`Europe/London, or leave it out for UTC`,
			},
		},
		"zone whose sign is the other way round": {
			edits: []edit{{zone, `Timezone: Etc/GMT+5`}},
			want: []string{
				`8:17: warning: Jobs.DailyReport.Timezone: Etc/GMT+5 is UTC-5: its sign is the other way round: write the zone ` +
					`of your city`,
			},
		},
		"cron of four fields": {
			edits: []edit{{cron, `Schedule: cron(0 9 * MON-FRI)`}},
			want: []string{
				`7:17: Jobs.DailyReport.Schedule: "cron(0 9 * MON-FRI)": cron has 4 fields; it needs six, separated by ` +
					`white space: minutes hours day-of-month month day-of-week year (the year may be left out)`,
			},
		},
		"cron with both days": {
			edits: []edit{{cron, `Schedule: cron(0 9 * * MON-FRI *)`}},
			want: []string{
				`7:17: Jobs.DailyReport.Schedule: "cron(0 9 * * MON-FRI *)": day-of-month and day-of-week cannot be ` +
					`combined; put ? into one of them`,
			},
		},
		"cron and zone, both wrong": {
			edits: []edit{{cron, `Schedule: cron(0 9 * * MON-FRI *)`}, {zone, `Timezone: London`}},
			want: []string{
				`7:17: Jobs.DailyReport.Schedule: "cron(0 9 * * MON-FRI *)": day-of-month and day-of-week cannot be ` +
					`combined; put ? into one of them`,
				`8:17: Jobs.DailyReport.Timezone: "London" is not an IANA time zone: write Europe/London`,
			},
		},
		"rate of nothing": {
			edits: []edit{{`rate(1 hour)`, `rate(0 hours)`}},
			want: []string{
				`13:29: Jobs.HourlySync.Schedule: "rate(0 hours)": the rate's value "0" is not a whole number from 1 up`,
			},
		},
		"bare expression": {
			edits: []edit{{`rate(1 hour)`, `1 hour`}},
			want: []string{
				`13:29: Jobs.HourlySync.Schedule: "1 hour": it must be rate(value unit), cron(minutes hours day-of-month month ` +
					`day-of-week year) or at(yyyy-mm-ddThh:mm:ss), in small letters and with nothing around it`,
			},
		},
		"schedule of the past": {
			edits: []edit{{cron, `Schedule: cron(0 9 ? * MON-FRI 2025)`}},
			want: []string{
				`7:17: Jobs.DailyReport.Schedule: cron(0 9 ? * MON-FRI 2025) never starts a run again: write a time that is to ` +
					`come, or remove the job`,
			},
		},
		"days in numbers, one by one": {
			edits: []edit{{cron, `Schedule: cron(0 9 ? * 1,3,5 *)`}},
			want: []string{
				`7:17: warning: Jobs.DailyReport.Schedule: 1,3,5 is Sunday, Tuesday, Thursday, as AWS counts from Sunday = 1: ` +
					`write SUN,TUE,THU, or the days that you mean, such as MON-FRI`,
			},
		},
		"silence too short": {
			edits: []edit{{silent, `SilentAfter: 74`}},
			want: []string{
				`12:20: Jobs.DailyReport.SilentAfter: 74 is too short: the longest gap between two starts is 73h, plus a Window ` +
					`of 0, one run, one hour: write at least 75`,
			},
		},
		"silence without the window": {
			edits: []edit{{silent, `SilentAfter: 75
      Window: 60`}},
			want: []string{
				`12:20: Jobs.DailyReport.SilentAfter: 75 is too short: the longest gap between two starts is 73h, plus a Window ` +
					`of 1h, one run, one hour: write at least 76`,
			},
		},
		"weekly job that is watched": {
			edits: []edit{{cron, `Schedule: cron(0 9 ? * MON *)`}},
			want: []string{
				`12:20: Jobs.DailyReport.SilentAfter: would have to be 171, and CloudWatch looks back 168 hours at most (the ` +
					`longest gap between two starts is 169h, plus a Window of 0, one run, one hour): add Watch: ignore, as every ` +
					`weekly job needs`,
			},
		},
		"job that runs once": {
			edits: []edit{{cron, `Schedule: at(2027-01-01T00:00:00)`}},
			want: []string{
				`12:20: Jobs.DailyReport.SilentAfter: a job that runs once is silent ever after: add Watch: ignore`,
			},
		},
		"age below the delivery": {
			edits: []edit{{zone, zone + `
      MaxAge: 15m`}},
			want: []string{
				`9:15: Jobs.DailyReport.MaxAge: 15m is too short: a run that is on time may start 15m late (the Window plus 15 ` +
					`minutes of delivery): write more than 15m`,
			},
		},
		"age below the window": {
			edits: []edit{{silent, `SilentAfter: 80
      Window: 60
      MaxAge: 1h15m`}},
			want: []string{
				`14:15: Jobs.DailyReport.MaxAge: 1h15m is too short: a run that is on time may start 1h15m late (the Window ` +
					`plus 15 minutes of delivery): write more than 1h15m`,
			},
		},
		"jobs of one token with different rules": {
			edits: []edit{{body, `Reject: '{"status":[403]}'`}},
			want: []string{
				`13:5: warning: Jobs.HourlySync.Reject: token ExampleApi is judged by other rules here than by DailyReport, so ` +
					`its alarm may flap: write one Reject into the token`,
			},
		},
		"jobs of one token with the same rule in two places": {
			edits: []edit{{body, `Reject: '{ "status": [403] }'`}, {`WarnDays: 14`, `Reject: '{"status":[403]}'`}},
			want:  nil,
		},
		"two mistakes in two rows": {
			edits: []edit{{silent, `SilentAfter: 3h`}, {`SilentAfter: 3 }`, `SilentAfter: 1 }`}},
			want: []string{
				`12:20: Jobs.DailyReport.SilentAfter: "3h" is not a whole number of hours: write 3`,
				`13:122: Jobs.HourlySync.SilentAfter: 1 is too short: the longest gap between two starts is 1h, plus a Window ` +
					`of 0, one run, one hour: write at least 3`,
			},
		},
		"several mistakes in one row": {
			edits: []edit{{zone, `Timezone: off
      Timeout: 5
      Window: 1h`}},
			want: []string{
				`8:17: Jobs.DailyReport.Timezone: YAML reads off as a boolean: quote it: 'off'`,
				`9:16: Jobs.DailyReport.Timeout: "5" is not a duration: write 5s`,
				`10:15: Jobs.DailyReport.Window: "1h" is not a whole number of minutes: write 60`,
			},
		},
		"mistake that hides no other": {
			edits: []edit{{body, "Body: { kind: daily }"}, {"SilentAfter: 3 }", "SilentAfter: 1 }"}},
			want: []string{
				`11:13: Jobs.DailyReport.Body: is YAML, and must be JSON text: put it between single quotes: Body: ` +
					`'{"kind":"daily"}'`,
				`13:122: Jobs.HourlySync.SilentAfter: 1 is too short: the longest gap between two starts is 1h, plus a Window ` +
					`of 0, one run, one hour: write at least 3`,
			},
		},
		"space missing after a key": {
			edits: []edit{{silent, "SilentAfter:75"}},
			want: []string{
				`12:19: Jobs.DailyReport: the colon of SilentAfter needs a space after it: write it`,
			},
		},
		"space missing after a key, in one line": {
			edits: []edit{{"SilentAfter: 3 }", "SilentAfter:3 }"}},
			want: []string{
				`13:121: Jobs.HourlySync: the colon of SilentAfter needs a space after it: write it`,
			},
		},
		"comma missing in one line": {
			edits: []edit{{`"rate(1 hour)", Call`, `rate(1 hour) Call`}},
			want: []string{
				`13:41: Jobs.HourlySync.Schedule: a comma is missing before Call: write it`,
			},
		},
		"comma missing after a quoted value": {
			edits: []edit{{`"rate(1 hour)", Call`, `"rate(1 hour)" Call`}},
			want: []string{
				`13:43: Jobs.HourlySync.Schedule: a comma is missing before Call: write it`,
			},
		},
		"comma missing in a list": {
			edits: []edit{{jobsList, "[DailyReport HourlySync]"}},
			want: []string{
				`{jobs}:8: Resources.Fn::ForEach::Jobs: a comma is missing in its list: write DailyReport, HourlySync`,
			},
		},
		"cron in the second line of a row in braces, unquoted": {
			edits: []edit{{hourlyRow, "HourlySync: { Window: 1,\n      Schedule: cron(0 6 ? * MON *),"}},
			want: []string{
				`14:17: Jobs.HourlySync.Schedule: quote it: inside { } YAML reads the ? as a key: write Schedule: 'cron(0 ` +
					`6 ? * MON *)'`,
			},
		},
		"two rows that are not YAML": {
			edits: []edit{
				{zone, "Note: renewed by hand: ask Anna"}, {`Schedule: "rate(1 hour)"`, "Schedule: cron(0 6 ? * MON *)"},
			},
			want: []string{
				`8:13: Jobs.DailyReport.Note: quote it: YAML reads the : as a key: write Note: 'renewed by hand: ask Anna'`,
				`13:29: Jobs.HourlySync.Schedule: quote it: inside { } YAML reads the ? as a key: write Schedule: 'cron(0 ` +
					`6 ? * MON *)'`,
			},
		},
		"column after letters beyond ASCII": {
			edits: []edit{{"Secret: example-api, WarnDays: 14", "Note: 'für Jörg', Key: no, Secret: example-api"}},
			want:  []string{"4:42: Tokens.ExampleApi.Key: YAML reads no as a boolean: quote it: 'no'"},
		},
		"quotes in one line after letters beyond ASCII": {
			edits: []edit{{"Secret: example-api, WarnDays: 14", "Note: 'für Jörg's', Secret: example-api"}},
			want: []string{
				`4:34: Tokens.ExampleApi: the value of Note ends with this ': double each ' in the value: ''`,
			},
		},
		"apostrophe in a body": {
			edits: []edit{{body, `Body: '{"note":"it's daily"}'`}},
			want: []string{
				`11:25: Jobs.DailyReport: the value of Body ends with this ': double each ' in the value: ''`,
			},
		},
		"apostrophe in a body, in one line": {
			edits: []edit{{"SilentAfter: 3 }", `SilentAfter: 3, Body: '{"note":"it's daily"}' }`}},
			want: []string{
				`13:143: Jobs.HourlySync: the value of Body ends with this ': double each ' in the value: ''`,
			},
		},
		"body between double quotes": {
			edits: []edit{{body, `Body: "{"kind":"daily"}"`}},
			want:  []string{`11:15: Jobs.DailyReport: the value of Body ends with this ": write it between single quotes`},
		},
		"body between double quotes, in one line": {
			edits: []edit{{"SilentAfter: 3 }", `SilentAfter: 3, Body: "{"kind":"daily"}" }`}},
			want:  []string{`13:133: Jobs.HourlySync: the value of Body ends with this ": write it between single quotes`},
		},
		"quote not closed, in one line": {
			edits: []edit{{`"rate(1 hour)", Call`, `"rate(1 hour), Call`}},
			want:  []string{`13:29: Jobs.HourlySync: the " of Schedule is not closed: write it at the end of the value too`},
		},
		"placeholder as a body, unquoted in one line": {
			edits: []edit{{"SilentAfter: 3 }", "SilentAfter: 3, Body: {{runId}} }"}},
			want: []string{
				`13:131: Jobs.HourlySync.Body: quote it: inside { } YAML reads the { as a block: write Body: '{{runId}}'`,
			},
		},
		"backslash between double quotes": {
			edits: []edit{{body, `Body: "\d+"`}},
			want: []string{
				`11:7: this is not YAML: found unknown escape character: write it between single quotes: in double quotes \ ` +
					`begins ` +
					`an escape`,
			},
		},
		"tab after a colon, which only SAM's parser rejects": {
			edits: []edit{{zone, "Timezone:\tEurope/London"}},
			want:  []string{"8:16: Jobs.DailyReport: a tab, which YAML does not allow here: write spaces"},
		},
		"tab in one line, which only SAM's parser rejects": {
			edits: []edit{{", WarnDays", ",\tWarnDays"}},
			want:  []string{"4:39: a tab, which YAML does not allow here: write spaces"},
		},
		"invisible character": {
			edits: []edit{{"      " + zone, "    \u00a0 " + zone}},
			want:  []string{"8:5: Jobs.DailyReport: an invisible character (U+00A0) is here: remove it"},
		},
		"control character": {
			edits: []edit{{zone, "Timezone: Europe/\x07London"}},
			want:  []string{"8:24: Jobs.DailyReport: a control character (U+0007) is here: remove it"},
		},
		"quote before a key": {
			edits: []edit{{silent, `"SilentAfter: 75`}},
			want:  []string{`12:7: Jobs.DailyReport: the " before this key is not closed: remove it`},
		},
		"sign before a key": {
			edits: []edit{{zone, "@ Timezone: UTC"}},
			want:  []string{"8:7: Jobs.DailyReport: a row has no @ before a key: remove it"},
		},
		"line that is not a key": {
			edits: []edit{{zone, "Europe/London"}},
			want: []string{"8:7: Jobs.DailyReport: this is not a key with a value: write the key, a colon, a space and " +
				"the value"},
		},
		"second document": {
			edits: []edit{{"\nResources:\n", "\n---\nResources:\n"}},
			want:  []string{"181:1: a template is one YAML document, and a second begins here"},
		},
		"key with a tag": {
			edits: []edit{{hourlyRow, "!x " + hourlyRow}},
			want:  []string{"13:5: a row has no ! before a key: remove it"},
		},
		"days that are octal": {
			edits: []edit{{"WarnDays: 14", "WarnDays: 010"}},
			want: []string{
				`4:50: Tokens.ExampleApi.WarnDays: "010" is not a number of days above 0, at most 3650: write 10, as YAML reads ` +
					`a number that starts with 0 as octal`,
			},
		},
		"truth that is y": {
			edits: []edit{{zone, "Idempotent: y"}},
			want:  []string{`8:19: Jobs.DailyReport.Idempotent: "y" is not true or false: write true`},
		},
		"brace not closed": {
			edits: []edit{{"SilentAfter: 3 }", "SilentAfter: 3"}},
			want: []string{
				`13:123: Jobs.HourlySync: the { of HourlySync is not closed: write } at the end`,
			},
		},
		"quote not closed": {
			edits: []edit{{zone, "Note: 'ask Anna"}},
			want: []string{
				`8:13: Jobs.DailyReport: the ' of Note is not closed: write it at the end too`,
			},
		},
		"quote in a quoted value": {
			edits: []edit{{zone, "Note: 'it's Anna's'"}},
			want: []string{
				`8:16: Jobs.DailyReport: the value of Note ends with this ': double each ' in the value: ''`,
			},
		},
		"key one column to the left": {
			edits: []edit{{"      " + zone, "     " + zone}},
			want: []string{
				`8:6: Jobs.Timezone: this key is not aligned with the keys above it: indent it like its neighbors`,
			},
		},
		"key one column to the right": {
			edits: []edit{{"      " + zone, "       " + zone}},
			want: []string{
				`8:8: Jobs.DailyReport: this key is indented below one that has a value: indent it like its neighbors`,
			},
		},
		"rows as a list": {
			edits: []edit{{"    DailyReport:\n", "    - DailyReport:\n"}},
			want: []string{
				`6:5: rows are not a list: remove the dash`,
			},
		},
		"placeholder as a body, unquoted": {
			edits: []edit{{body, "Body: {{runId}}"}},
			want: []string{
				`11:13: Jobs.DailyReport.Body: quote it: YAML reads the { as a block: write Body: '{{runId}}'`,
			},
		},
		"note that begins with a dash": {
			edits: []edit{{zone, "Note: - ask Anna"}},
			want: []string{
				`8:13: Jobs.DailyReport.Note: quote it: YAML reads the - as a list: write Note: '- ask Anna'`,
			},
		},
		"merge that was not finished": {
			edits: []edit{{"    " + hourly, "<<<<<<< HEAD\n    " + hourly}},
			want: []string{
				`13:1: Jobs.DailyReport: a merge that was not finished: choose one of the two sides`,
			},
		},
		"line in another encoding": {
			edits: []edit{{zone, "Note: Jos\xe9"}},
			want: []string{
				`8:16: Jobs.DailyReport: this is not UTF-8: save the file in that encoding`,
			},
		},
		"mapping under another name": {
			edits: []edit{{"  Jobs:\n", "  Job:\n"}},
			want: []string{
				`5:3: Mappings: there is no mapping Jobs: write Jobs instead of Job`,
			},
		},
		"secret that looks random": {
			edits: []edit{{"Secret: example-api", "Secret: 0123456789abcdef0123456789abcdef01234567"}},
			want: []string{
				`4:27: Tokens.ExampleApi.Secret: that looks like a token, and the template is not the place for one: store it in ` +
					`Secrets Manager, write the secret's name here, and revoke it if it was ever committed`,
			},
		},
		"secret that is a UUID": {
			edits: []edit{{"Secret: example-api", "Secret: 0f8fad5b-d9cb-469f-a165-70867728950e"}},
			want: []string{
				`4:27: warning: Tokens.ExampleApi.Secret: looks random, as tokens do: if it is the token itself, store it in ` +
					`Secrets Manager and write the secret's name here`,
			},
		},
		"secret of mixed letters and digits": {
			edits: []edit{{"Secret: example-api", "Secret: q7RkP2vXz9Lm4TnB8wYc3HdJ"}},
			want: []string{
				`4:27: Tokens.ExampleApi.Secret: that looks like a token, and the template is not the place for one: store it in ` +
					`Secrets Manager, write the secret's name here, and revoke it if it was ever committed`,
			},
		},
		"token in braces that is not YAML": {
			edits: []edit{{"Secret: example-api", "Secret: ghp_ABCDEFGHIJKLMNOPQRSTUVWXYZ0123456789?"}},
			want: []string{
				`4:27: Tokens.ExampleApi.Secret: quote it: inside { } YAML reads the ? as a key: write Secret: 'ghp_…?'`,
			},
		},
		"secret with the end of its ARN": {
			edits: []edit{{"Secret: example-api", "Secret: example-api-AbCdEf"}},
			want: []string{
				`4:27: warning: Tokens.ExampleApi.Secret: ends with -AbCdEf, as the ARN of a secret does and its name does ` +
					`not: write the name without it if you copied it from the ARN`,
			},
		},
		"two tokens with one secret": {
			edits: []edit{{tokenRow, tokenRow + "\n    Other: { Secret: example-api }"}, {tokenList, "[ExampleApi, Other]"}},
			want: []string{
				`5:22: warning: Tokens.Other.Secret: ExampleApi has the same one, so a rejected token would be reported ` +
					`twice: name the secret that you mean, or use ExampleApi in the jobs`,
			},
		},
		"every minute of nine o'clock": {
			edits: []edit{{cron, "Schedule: cron(* 9 ? * MON-FRI *)"}},
			want: []string{
				`7:17: warning: Jobs.DailyReport.Schedule: starts at every minute of hour 9, 60 times: write 0 instead of ` +
					`the first * to start once`,
			},
		},
		"zone that is Greenwich": {
			edits: []edit{{zone, "Timezone: GMT"}},
			want: []string{
				`8:17: warning: Jobs.DailyReport.Timezone: GMT knows no daylight saving time: write Europe/London, or the ` +
					`zone of your city, unless you mean that`,
			},
		},
		"zone by its abbreviation": {
			edits: []edit{{zone, "Timezone: pst"}},
			want: []string{
				`8:17: Jobs.DailyReport.Timezone: "pst" is not an IANA time zone: write America/Los_Angeles, or the zone of your ` +
					`city`,
			},
		},
		"zone by its city, in small letters": {
			edits: []edit{{zone, "Timezone: new york"}},
			want:  []string{`8:17: Jobs.DailyReport.Timezone: "new york" is not an IANA time zone: write America/New_York`},
		},
		"zone by its offset": {
			edits: []edit{{zone, "Timezone: UTC+1"}},
			want: []string{
				`8:17: Jobs.DailyReport.Timezone: "UTC+1" is not an IANA time zone: write the zone of your city, or Etc/GMT-1, ` +
					`whose sign is the other way round and which knows no daylight saving time`,
			},
		},
		"schedule of a crontab": {
			edits: []edit{{cron, "Schedule: 0 9 * * 1-5"}},
			want: []string{
				`7:17: Jobs.DailyReport.Schedule: "0 9 * * 1-5" is a crontab's: write cron(minutes hours day-of-month month ` +
					`day-of-week year), with ? in one of the two day fields and names for the days, such as cron(0 9 ? * ` +
					`MON-FRI *); cronbearer import crontab translates`,
			},
		},
		"row next to its mapping": {
			edits: []edit{{"    " + hourly, "  " + hourly}},
			want: []string{
				"13:3: Jobs.HourlySync: it is next to the mapping Jobs, not in it: indent its block by two spaces more",
			},
		},
		"name of a row that is gone": {
			edits: []edit{{"    DailyReport:\n", ""}},
			want: []string{
				"6:7: this is a key of a row, and no row begins above it: write the name of the row above it, and a colon",
			},
		},
		"single quote not closed, in one line": {
			edits: []edit{{"Secret: example-api", "Secret: 'example-api"}},
			want: []string{
				`4:27: Tokens.ExampleApi: the ' of Secret is not closed: write it at the end of the value too`,
			},
		},
		"quotes of a text program around a body": {
			edits: []edit{{body, `Body: ‘{"kind":"daily"}’`}},
			want: []string{
				`11:13: Jobs.DailyReport.Body: has typographic quotes, as text programs write them: write straight ones: ' and "`,
			},
		},
		"quotes of a text program within a body": {
			edits: []edit{{body, `Body: '{“kind”:“daily”}'`}},
			want: []string{
				`11:13: Jobs.DailyReport.Body: has typographic quotes, as text programs write them: write straight ones: ' and "`,
			},
		},
		"quotes of a text program around a zone": {
			edits: []edit{{zone, "Timezone: “Europe/London”"}},
			want: []string{
				`8:17: Jobs.DailyReport.Timezone: has typographic quotes, as text programs write them: write straight ones: ` +
					`' and "`,
			},
		},
		"quotes of a text program as text": {
			edits: []edit{{body, `Body: '{"said":"“now”"}'`}, {zone, "Note: “Anna” renews it"}},
			want:  nil,
		},
		"placeholder in single braces": {
			edits: []edit{{"{{scheduledDate}}", "{scheduledDate-1d}"}},
			want: []string{
				`9:13: warning: Jobs.DailyReport.Call: {scheduledDate-1d} is sent as is: only {{…}} is replaced: write ` +
					`{{scheduledDate}}, {{scheduledTime}} or {{runId}} if you mean one of them`,
			},
		},
		"variable of CloudFormation in a note": {
			edits: []edit{{zone, "Note: runs in ${AWS::Region}"}},
			want: []string{
				`8:13: warning: Jobs.DailyReport.Note: ${AWS::Region} is kept as is: nothing is replaced in a row: write ` +
					`the value itself`,
			},
		},
		"note that is cut off at a number sign": {
			edits: []edit{{zone, "Note: renewed as in #12"}},
			want: []string{
				`8:13: warning: Jobs.DailyReport.Note: is cut off at the #, which starts a comment in YAML: quote the value if ` +
					`the rest belongs to it, or write a space after the #`,
			},
		},
		"key in a query": {
			edits: []edit{{"?for={{scheduledDate}}", "?api_key=1f3c9a7d5e2b"}},
			want: []string{
				`9:13: warning: Jobs.DailyReport.Call: the query holds api_key, which everyone sees who may read the stack or ` +
					`the target's logs: the caller sends one secret, as a bearer token; ask the API for one, or put this into the ` +
					`secret of the token`,
			},
		},
		"key in a header": {
			edits: []edit{{body, `Headers: '{"X-Api-Key":"1f3c9a7d5e2b","X-Kind":"daily-report-1"}'`}},
			want: []string{
				`11:16: warning: Jobs.DailyReport.Headers: the header X-Api-Key holds what everyone sees who may read the ` +
					`stack: the caller sends one secret, as a bearer token; ask the API for one, or put this into the secret of ` +
					`the token`,
			},
		},
		"timeout with a space": {
			edits: []edit{{zone, "Timeout: 30 s"}},
			want: []string{
				`8:16: Jobs.DailyReport.Timeout: "30 s" is not a duration: write 30s`,
			},
		},
		"secret that is empty": {
			edits: []edit{{"Secret: example-api", "Secret: ''"}},
			want: []string{
				`4:27: Tokens.ExampleApi.Secret: is empty: write a value, or leave the key out`,
			},
		},
		"date by the shell in a body": {
			edits: []edit{{body, `Body: '{"day":"$(date +%F)"}'`}},
			want: []string{
				`11:13: warning: Jobs.DailyReport.Body: $(date +%F) is sent as is: only {{…}} is replaced: write ` +
					`{{scheduledDate}}, {{scheduledTime}} or {{runId}} if you mean one of them`,
			},
		},
	}
	template := small()
	for name, c := range cases {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			data := edited(t, template, c.edits...)
			problems := lint.Template(data, lint.Options{Now: now})
			got := report(problems)
			if diff := cmp.Diff(c.want, got, words(string(data))); diff != "" {
				t.Errorf("(-want +got)\n%s", diff)
			}
			placed(t, data, problems)
			// On Windows.
			other := report(lint.Template([]byte(strings.ReplaceAll(string(data), "\n", "\r\n")), lint.Options{Now: now}))
			if diff := cmp.Diff(got, other); diff != "" {
				t.Errorf("with CRLF (-LF +CRLF)\n%s", diff)
			}
		})
	}
}

// FuzzTemplate: whatever is written into a template, the linter names it and does not panic, each problem has a text,
// and no problem is named twice.
func FuzzTemplate(fuzz *testing.F) {
	f := mutate.New(fuzz)
	f.Try(15) // each takes tens of milliseconds
	for _, seed := range []string{
		zone, "Note: !x [a]", "Body: !", "Token: &a b", "Reject: {a: [b}", "? a : b", `'": '`, "Schedule: cron(0 9 ? * 1-5)",
		"On: On",
		"SilentAfter: 9999999999999999999999", "Timeout: 1e999s", "Window: [1, 2]", "Note: |\n  a\n\tb", "Call: {{{}}}",
		"{ Schedule: x, y ?",
	} {
		f.Add(seed, uint16(180), uint16(20))
	}
	template := small()
	f.Fuzz(func(t *testing.T, text string, from, length uint16) {
		head := min(int(from), len(template))
		tail := min(head+int(length), len(template))
		problems := lint.Template([]byte(template[:head]+text+template[tail:]), lint.Options{Now: now, Deploy: length%2 == 0})
		seen := map[lint.Problem]bool{}
		for _, p := range problems {
			if p.Text == "" || seen[p] {
				t.Errorf("%#v", p)
			}
			seen[p] = true
			if p.Line < 1 || p.Column < 1 {
				t.Errorf("no place: %#v", p)
			}
		}
	})
}
