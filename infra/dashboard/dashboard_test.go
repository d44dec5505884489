package dashboard_test

import (
	"encoding/json"
	"fmt"
	"maps"
	"os"
	"path/filepath"
	"regexp"
	"slices"
	"strings"
	"testing"

	"github.com/google/go-cmp/cmp"

	"github.com/cronbearer/cronbearer/infra/cfn"
	"github.com/cronbearer/cronbearer/infra/dashboard"
	"github.com/cronbearer/cronbearer/infra/dashboard/insights"
	"github.com/cronbearer/cronbearer/infra/local/localtest"
	"github.com/cronbearer/cronbearer/internal/caller"
	"github.com/cronbearer/cronbearer/internal/metric"
)

func TestMain(m *testing.M) { os.Exit(localtest.Main(m)) }

const alarmType = "AWS::CloudWatch::Alarm"

func application(t *testing.T, o cfn.Options) *cfn.Stack {
	t.Helper()
	if o.Parameters == nil {
		o.Parameters = map[string]string{"AllowedHosts": "api.example.com"}
	}
	s, err := cfn.Load("../../template.yaml", o)
	if err != nil {
		t.Fatal(err)
	}
	return s
}

func load(t *testing.T, app *cfn.Stack, more map[string]string) (*cfn.Stack, dashboard.Body) {
	t.Helper()
	stack, body, err := dashboard.Load("../dashboard.yaml", app, more)
	if err != nil {
		t.Fatal(err)
	}
	return stack, body
}

// arns are the ARNs of a stack's alarms.
func arns(s *cfn.Stack) []string {
	var list []string
	for _, r := range s.OfType(alarmType) {
		list = append(list, strings.Join([]string{"arn", s.Partition, "cloudwatch", s.Region, s.AccountID, "alarm", s.Ref(r.LogicalID)}, ":"))
	}
	return list
}

// TestFitsEveryStack resolves the dashboard for stacks with other names, partitions and options: its structure is
// AWS's, and each alarm that it shows is one of the template's.
func TestFitsEveryStack(t *testing.T) {
	t.Parallel()
	for name, o := range map[string]cfn.Options{
		"shipped":           {},
		"longest name":      {StackName: "s" + strings.Repeat("x", 127)},
		"China":             {Partition: "aws-cn", Region: "cn-northwest-1"},
		"GovCloud":          {Partition: "aws-us-gov", Region: "us-gov-west-1"},
		"another namespace": {Parameters: map[string]string{"AllowedHosts": "a.example.com", "MetricNamespace": "Team.A/Cron-bearer#1"}},
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			app := application(t, o)
			known := arns(app)
			for _, chosen := range []string{"", strings.Join(known, ",")} {
				_, body := load(t, app, map[string]string{"AlarmArns": chosen})
				for _, w := range body.Widgets {
					for _, arn := range w.Properties.Alarms {
						if !slices.Contains(known, arn) {
							t.Errorf("it shows an alarm that the template does not make: %s", arn)
						}
					}
				}
			}
		})
	}
}

// TestStackAlarmsAreAllShown: without a choice, those that belong to no token and no job.
func TestStackAlarmsAreAllShown(t *testing.T) {
	t.Parallel()
	app := application(t, cfn.Options{})
	_, body := load(t, app, nil)
	var shown []string
	for _, w := range body.Widgets {
		shown = append(shown, w.Properties.Alarms...)
	}
	for _, arn := range arns(app) {
		own := strings.Contains(arn, "-TokenRejected-") || strings.Contains(arn, "-TokenExpiring-") || strings.Contains(arn, "-Silent-")
		if !own && !slices.Contains(shown, arn) {
			t.Errorf("%s is not shown", arn)
		}
	}
}

// TestMetricsExist holds every metric of the dashboard against the Go constants and against the template's alarms.
func TestMetricsExist(t *testing.T) {
	t.Parallel()
	app := application(t, cfn.Options{})
	_, body := load(t, app, nil)
	ours := map[string]string{metric.TokenRejected: metric.DimensionToken, metric.TokenDaysToExpiry: metric.DimensionToken, metric.Heartbeat: metric.DimensionJob}
	theirs := map[string]bool{
		// AWS's own, beside those that alarms watch: Lambda developer guide, "Types of metrics"; Scheduler user guide,
		// "Monitoring with CloudWatch".
		show("AWS/Lambda", "Invocations", "FunctionName", app.Ref("Caller")):                             true,
		show("AWS/Lambda", "Duration", "FunctionName", app.Ref("Caller")):                                true,
		show("AWS/Scheduler", "InvocationAttemptCount", "ScheduleGroup", app.Ref("ScheduleGroup")):       true,
		show("AWS/SQS", "ApproximateNumberOfMessagesVisible", "QueueName", queueName(app, "FailedRuns")): true,
	}
	alarms := map[string]map[string]any{}
	for _, r := range app.OfType(alarmType) {
		p := r.Properties
		dimensions, _ := p["Dimensions"].([]any)
		parts := []string{fmt.Sprint(p["Namespace"]), fmt.Sprint(p["MetricName"])}
		for _, d := range dimensions {
			pair, _ := d.(map[string]any)
			parts = append(parts, fmt.Sprint(pair["Name"]), fmt.Sprint(pair["Value"]))
		}
		alarms[parts[1]] = p
		theirs[show(parts...)] = true
	}
	searched := map[string]bool{}
	for _, w := range body.Widgets {
		ids := map[string]bool{}
		for _, s := range w.Properties.Series() {
			switch filled := dashboard.Filled(s.Expression); {
			case filled != "":
				if !ids[filled] {
					t.Errorf("%q repeats the series %s, which is not there", w.Properties.Title, filled)
				}
			case s.Expression != "":
				checkSearch(t, app, s, ours, alarms)
				q, _ := dashboard.ParseSearch(s.Expression)
				searched[q.Metric] = true
			default:
				parts := []string{s.Namespace, s.Name}
				for _, d := range s.Dimensions {
					parts = append(parts, d[0], d[1])
				}
				if !theirs[show(parts...)] {
					t.Errorf("%q shows %s, which nothing publishes", w.Properties.Title, show(parts...))
				}
			}
			ids[s.ID] = true
		}
	}
	for name := range ours {
		if !searched[name] {
			t.Errorf("%s is not shown", name)
		}
	}
}

func show(parts ...string) string { return strings.Join(parts, " ") }

func queueName(s *cfn.Stack, id string) string {
	url := s.Ref(id)
	return url[strings.LastIndex(url, "/")+1:]
}

// checkSearch holds a search against what the program publishes and what the alarm on it looks at.
func checkSearch(t *testing.T, app *cfn.Stack, s dashboard.Series, ours map[string]string, alarms map[string]map[string]any) {
	t.Helper()
	q, err := dashboard.ParseSearch(s.Expression)
	if err != nil {
		t.Error(err)
		return
	}
	owner, ok := ours[q.Metric]
	if !ok {
		t.Errorf("%s is no metric of the program", q.Metric)
	}
	if q.Namespace != app.Values["MetricNamespace"] || q.Stack != app.StackName || !slices.Equal(q.Dimensions, []string{metric.DimensionStack, owner}) {
		t.Errorf("%s is searched as %+v", q.Metric, q)
	}
	if alarms[q.Metric]["Namespace"] != q.Namespace || s.Label != "${PROP('Dim."+owner+"')}" {
		t.Errorf("%s: label %q, namespace of its alarm %v", q.Metric, s.Label, alarms[q.Metric]["Namespace"])
	}
	// A heartbeat's alarm adds up; the graph wants the worst run of the hour.
	if want := alarms[q.Metric]["Statistic"]; want != q.Stat && (q.Metric != metric.Heartbeat || q.Stat != "Minimum") {
		t.Errorf("%s is shown by its %s, and its alarm looks at its %v", q.Metric, q.Stat, want)
	}
}

// TestOutputsFeedIt: the documented command hands over the application's outputs by their names.
func TestOutputsFeedIt(t *testing.T) {
	t.Parallel()
	app := application(t, cfn.Options{})
	stack, _ := load(t, app, nil)
	for _, name := range dashboard.Outputs {
		if app.Outputs[name] == nil {
			t.Errorf("the application has no output %s", name)
		}
	}
	want := append([]string{"AlarmArns", "MetricNamespace", "StackName"}, dashboard.Outputs...)
	slices.Sort(want)
	if diff := cmp.Diff(want, slices.Sorted(maps.Keys(stack.Parameters))); diff != "" {
		t.Errorf("parameters (-want +got)\n%s", diff)
	}
	if stack.Parameters["MetricNamespace"].AllowedPattern != app.Parameters["MetricNamespace"].AllowedPattern {
		t.Error("the dashboard takes other namespaces than the application")
	}
	page := read(t, "../../docs/dashboard.md")
	if want := "contains('" + strings.Join(dashboard.Outputs, " ") + "', OutputKey)"; !strings.Contains(page, want) {
		t.Errorf("docs/dashboard.md does not hand over the outputs: %s", want)
	}
}

// queries are all queries, the widgets' and the saved ones, by their names.
func queries(t *testing.T) map[string]insights.Query {
	t.Helper()
	app := application(t, cfn.Options{})
	stack, body := load(t, app, nil)
	list := map[string]insights.Query{}
	parse := func(name, text string) {
		q, err := insights.Parse(text)
		if err != nil {
			t.Fatalf("%s: %v", name, err)
		}
		list[name] = q
	}
	for _, w := range body.Widgets {
		if w.Type == "log" {
			parse(w.Properties.Title, w.Properties.Query)
			if diff := cmp.Diff([]string{app.Ref("CallerLogs")}, list[w.Properties.Title].Sources); diff != "" {
				t.Errorf("%q reads other logs (-want +got)\n%s", w.Properties.Title, diff)
			}
		}
	}
	for _, r := range stack.OfType("AWS::Logs::QueryDefinition") {
		name, inFolder := strings.CutPrefix(fmt.Sprint(r.Properties["Name"]), app.StackName+"/")
		if !inFolder {
			t.Errorf("%s: its name %s is not in the stack's folder", r.LogicalID, name)
		}
		logs := "CallerLogs"
		if r.LogicalID == "Rotations" {
			logs = "RotatorLogs"
		}
		if diff := cmp.Diff([]any{app.Ref(logs)}, r.Properties["LogGroupNames"]); diff != "" {
			t.Errorf("%s reads other logs (-want +got)\n%s", r.LogicalID, diff)
		}
		parse(name, fmt.Sprint(r.Properties["QueryString"]))
	}
	return list
}

// TestQueriesFindWhatWasLogged runs each query over the lines of the real binary.
func TestQueriesFindWhatWasLogged(t *testing.T) {
	t.Parallel()
	lines := slices.Concat(logged(t).flat, rotated(t))
	fields := map[string]bool{"@timestamp": true, "@message": true}
	for _, l := range lines {
		for name := range l {
			fields[name] = true
		}
	}
	want := map[string]struct {
		first []string // of the columns' names
		rows  int
		has   string // in one of the rows
	}{
		"Tokens: the last verdict":                         {[]string{"token", "verdict"}, 1, "rejected"},
		"Runs by outcome":                                  {[]string{"bin(6h)", "succeeded"}, 1, ""},
		"Jobs: the one that is silent longest comes first": {[]string{"job", "runs"}, 1, "HourlySync"},
		"The last runs that failed, and why":               {[]string{"at", "job"}, 5, "put-secret-value"},
		"Last runs of a job":                               {[]string{"at", "job"}, 8, "AWSPENDING"},
		"All rejections":                                   {[]string{"at", "token"}, 3, "401"},
		"Recovered runs":                                   {[]string{"token", "recovered_with"}, 1, "AWSPENDING"},
		"Slowest targets":                                  {[]string{"job", "p95_ms"}, 1, "HourlySync"},
		"Failed runs by cause":                             {[]string{"job", "outcome"}, 5, "500"},
		"Tokens and when they end":                         {[]string{"token", "ends"}, 1, "ExampleApi"},
		"What else was logged":                             {[]string{"at", "level"}, 2, "FATAL"},
		"Rotations, step by step":                          {[]string{"at", "secret"}, 1, "refused"},
	}
	all := queries(t)
	if diff := cmp.Diff(slices.Sorted(maps.Keys(want)), slices.Sorted(maps.Keys(all))); diff != "" {
		t.Fatalf("queries (-want +got)\n%s", diff)
	}
	for name, q := range all {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			for _, field := range q.Fields() {
				if !fields[field] {
					t.Errorf("no line has the field %s", field)
				}
			}
			table, err := q.Run(lines)
			if err != nil {
				t.Fatal(err)
			}
			if w := want[name]; len(table.Columns) < 2 || !slices.Equal(table.Columns[:2], w.first) || len(table.Rows) < w.rows || !strings.Contains(fmt.Sprint(table.Rows), w.has) {
				t.Errorf("got %v\n%v", table.Columns, table.Rows)
			}
		})
	}
}

// TestOutcomesAreCounted: the graph of runs by outcome has a line for each outcome that there is.
func TestOutcomesAreCounted(t *testing.T) {
	t.Parallel()
	table, err := queries(t)["Runs by outcome"].Run(nil)
	if err != nil {
		t.Fatal(err)
	}
	var want []string
	for _, o := range []caller.Outcome{
		caller.Succeeded, caller.TokenRejected, caller.TokenUnavailable, caller.TargetFailed, caller.Unreachable, caller.InvalidJob, caller.Skipped,
	} {
		want = append(want, string(o))
	}
	if diff := cmp.Diff(want, table.Columns[1:]); diff != "" {
		t.Errorf("outcomes (-want +got)\n%s", diff)
	}
}

var namesLiterally = regexp.MustCompile(`ExampleApi|DailyReport"|HourlySync|\[DailyReport`)

func TestNamesNoTokenAndNoJob(t *testing.T) {
	t.Parallel()
	if found := namesLiterally.FindString(read(t, "../dashboard.yaml")); found != "" {
		t.Errorf("infra/dashboard.yaml names %s", found)
	}
}

func read(t *testing.T, path string) string {
	t.Helper()
	data, err := os.ReadFile(filepath.FromSlash(path))
	if err != nil {
		t.Fatal(err)
	}
	return string(data)
}

// TestRefusesWhatCloudWatchWould changes the real dashboard in one place each time.
func TestRefusesWhatCloudWatchWould(t *testing.T) {
	t.Parallel()
	stack, _ := load(t, application(t, cfn.Options{}), nil)
	original := fmt.Sprint(stack.Resources["Dashboard"].Properties["DashboardBody"])
	for name, c := range map[string]struct{ old, new, want string }{
		"no JSON":                  {`"start"`, `start`, "invalid character"},
		"a second document":        {`"periodOverride": "inherit",`, `"periodOverride": "inherit" } {`, "something follows"},
		"a key twice":              {`"periodOverride": "inherit",`, `"periodOverride": "inherit", "start": "-P7D",`, "stands twice"},
		"a key twice, deep":        {`"title": "Dead tokens",`, `"title": "Dead tokens", "title": "Dead",`, "stands twice"},
		"no such start":            {`"-P7D"`, `"-P7H"`, "dashboard.start"},
		"no such override":         {`"inherit"`, `"never"`, "periodOverride"},
		"no such key":              {`"periodOverride"`, `"periodOverrides"`, "there is no periodOverrides"},
		"no such type":             {`"type": "alarm"`, `"type": "alarms"`, "no type of widget"},
		"beyond the grid":          {`"x": 12, "y": 6, "width": 12`, `"x": 12, "y": 6, "width": 13`, "column 25"},
		"over another":             {`"x": 6, "y": 6,`, `"x": 5, "y": 6,`, "lies over"},
		"half a column":            {`"x": 6, "y": 6,`, `"x": 5.5, "y": 6,`, "whole number"},
		"no place":                 {`"x": 6, "y": 6,`, `"y": 6,`, "x is missing"},
		"no region":                {`"region": "eu-west-1", "view": "table",`, `"view": "table",`, "region is missing"},
		"region of nowhere":        {`"region": "eu-west-1", "view": "table"`, `"region": "Ireland", "view": "table"`, "region: must be"},
		"view of metrics":          {`"view": "table"`, `"view": "gauge"`, "view: must be"},
		"gauge without its ends":   {`"view": "timeSeries", "stacked"`, `"view": "gauge", "stacked"`, "a gauge needs"},
		"query without its logs":   {`SOURCE '`, `'`, "query: must be"},
		"alarm that is a name":     {`"alarms": ["arn:aws:cloudwatch:eu-west-1:123456789012:alarm:`, `"alarms": ["`, "alarms[0]"},
		"no alarms":                {`"alarms": [`, `"alarms": [], "states": [`, "array of 1 to 100"},
		"period of no minutes":     {`"period": 300`, `"period": 90`, "multiple of 60"},
		"no such statistic":        {`"stat": "Maximum"`, `"stat": "max"`, "stat: must be"},
		"no such colour":           {`"#d13212"`, `"red"`, "color: must be"},
		"capital id":               {`"id": "rejected"`, `"id": "Rejected"`, "id: must be"},
		"id twice":                 {`"id": "starts"`, `"id": "runs"`, "stands twice"},
		"dimension without value":  {`"QueueName", "`, `"QueueName", "x", "`, "pairs"},
		"dot under nothing":        {`["AWS/SQS", "ApproximateNumberOfMessagesVisible"`, `[".", "ApproximateNumberOfMessagesVisible"`, "nothing stands above"},
		"number for a dimension":   {`"ScheduleGroup", "`, `7, "`, "must be text"},
		"expression with a metric": {`"AWS/Scheduler", "InvocationAttemptCount", "ScheduleGroup", "` + stack.Values["ScheduleGroup"] + `", {`, `"AWS/Scheduler", "InvocationAttemptCount", { "expression": "1",`, "there is no expression"},
		"metric that is no array":  {`"metrics": [[{ "id": "days"`, `"metrics": ["x", [{ "id": "days"`, "must be an array"},
		"text for truth":           {`"stacked": true`, `"stacked": "yes"`, "true or false"},
		"text for a number":        {`"min": 0`, `"min": "0"`, "must be a number"},
		"text widget without text": {`"markdown": "# `, `"text": "# `, "markdown is missing"},
		"widget that is no object": {`"widgets": [`, `"widgets": [ 1,`, "no type of widget"},
		"properties are no object": {`"properties": { "background"`, `"properties": [], "other": { "background"`, "must be an object"},
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			if !strings.Contains(original, c.old) {
				t.Fatalf("the dashboard has no %s", c.old)
			}
			_, err := dashboard.Parse(strings.Replace(original, c.old, c.new, 1))
			if err == nil || !strings.Contains(err.Error(), c.want) {
				t.Errorf("got %v, want %q", err, c.want)
			}
		})
	}
}

func TestTooMuch(t *testing.T) {
	t.Parallel()
	widget := `{"type":"text","x":0,"y":%d,"width":1,"height":1,"properties":{"markdown":"a"}}`
	many := make([]string, 501)
	for i := range many {
		many[i] = fmt.Sprintf(widget, i)
	}
	if _, err := dashboard.Parse(`{"widgets":[` + strings.Join(many[:500], ",") + `]}`); err != nil {
		t.Errorf("500 widgets: %v", err)
	}
	if _, err := dashboard.Parse(`{"widgets":[` + strings.Join(many, ",") + `]}`); err == nil {
		t.Error("501 widgets are taken")
	}
	if _, err := dashboard.Parse(`{}`); err == nil {
		t.Error("no widgets are taken")
	}
}

func TestRange(t *testing.T) {
	t.Parallel()
	for start, want := range map[string]string{"-PT5M": "5m0s", "-PT8H": "8h0m0s", "-P7D": "168h0m0s", "-P2W": "336h0m0s", "-P1M": "720h0m0s", "": "3h0m0s"} {
		if got := (dashboard.Body{Start: start}).Range().String(); got != want {
			t.Errorf("%q is %s, want %s", start, got, want)
		}
	}
}

func TestSearches(t *testing.T) {
	t.Parallel()
	for _, expression := range []string{
		`SEARCH('{Cronbearer,Stack} MetricName="A" Stack="b"', 'Sum', 60)`,
		`FILL(SEARCH('{"Cronbearer",Stack} MetricName="A" Stack="b"', 'Sum', 60)`,
		`SEARCH('{"Cronbearer",Stack} MetricName="A" Stack="b"', 'Sum', 60), REPEAT)`,
		`SEARCH('{"Cronbearer",Stack} MetricName="A"', 'Sum', 60)`,
		`SEARCH('{"Cronbearer",Stack} MetricName="A" Stack="b"', 'Mean', 60)`,
	} {
		if q, err := dashboard.ParseSearch(expression); err == nil {
			t.Errorf("%s is taken for %+v", expression, q)
		}
	}
	q, err := dashboard.ParseSearch(`1 - FILL(SEARCH('{"A.b/c",Stack,Job} MetricName="A" Stack="b"', 'Sum', 60), REPEAT)`)
	if err != nil || !q.Inverted || !q.Repeated || q.Namespace != "A.b/c" || len(q.Dimensions) != 2 {
		t.Errorf("got %+v, %v", q, err)
	}
}

// TestBodyIsSmall: nothing documents the limit of a body; a template's is 1 MB, and 51,200 bytes without S3.
func TestBodyIsSmall(t *testing.T) {
	t.Parallel()
	stack, _ := load(t, application(t, cfn.Options{}), map[string]string{"AlarmArns": strings.Join(arns(application(t, cfn.Options{})), ",")})
	text := fmt.Sprint(stack.Resources["Dashboard"].Properties["DashboardBody"])
	if !json.Valid([]byte(text)) || len(text) > 20_000 || len(read(t, "../dashboard.yaml")) > 51_200 {
		t.Errorf("%d bytes of body", len(text))
	}
}
