package docs_test

import (
	"encoding/json"
	"fmt"
	"regexp"
	"slices"
	"strings"
	"testing"

	"github.com/google/go-cmp/cmp"

	"github.com/cronbearer/cronbearer/internal/dev/cfn"
	"github.com/cronbearer/cronbearer/internal/metric"
)

// parameters of infra/dashboard.yaml, as the outputs of a stack give them.
var parameters = map[string]string{
	"StackName": "cronbearer", "MetricNamespace": "Team.A/Cron-bearer#1",
	"CallerName": "cronbearer-Caller", "CallerLogs": "cronbearer-CallerLogs",
	"RotatorLogs": "cronbearer-RotatorLogs", "ScheduleGroup": "cronbearer-ScheduleGroup",
	"FailedRunsUrl":  "https://sqs.eu-west-1.amazonaws.com/123456789012/cronbearer-FailedRuns",
	"DeadLettersUrl": "https://sqs.eu-west-1.amazonaws.com/123456789012/cronbearer-DeadLetters",
}

// widget is a box of the dashboard ("Dashboard body structure and syntax", CloudWatch API reference).
type widget struct {
	Type       string
	Properties struct {
		Title, Query string
		Alarms       []string
		Metrics      [][]any
	}
}

// dashboard resolves the template for one stack.
func dashboard(t *testing.T) (*cfn.Stack, []widget) {
	t.Helper()
	stack, err := cfn.Load(
		"../infra/dashboard.yaml", cfn.Options{StackName: "cronbearer-dashboard", Parameters: parameters},
	)
	if err != nil {
		t.Fatal(err)
	}
	var body struct{ Widgets []widget }
	text := fmt.Sprint(stack.Resources["Dashboard"].Properties["DashboardBody"])
	if err := json.Unmarshal([]byte(text), &body); err != nil {
		t.Fatal(err)
	}
	if len(body.Widgets) == 0 {
		t.Fatal("the dashboard has no widgets")
	}
	return stack, body.Widgets
}

// TestQueriesReadFieldsThatAreLogged covers the tables of the dashboard and the saved queries.
func TestQueriesReadFieldsThatAreLogged(t *testing.T) {
	t.Parallel()
	stack, widgets := dashboard(t)
	queries := map[string]string{}
	for _, w := range widgets {
		if w.Type == "log" {
			queries[w.Properties.Title] = w.Properties.Query
		}
	}
	for _, r := range stack.OfType("AWS::Logs::QueryDefinition") {
		name, query := fmt.Sprint(r.Properties["Name"]), fmt.Sprint(r.Properties["QueryString"])
		queries[name] = query
		logs := "CallerLogs"
		if strings.Contains(query, "rotation step") {
			logs = "RotatorLogs"
		}
		if got := fmt.Sprint(r.Properties["LogGroupNames"]); got != "["+parameters[logs]+"]" {
			t.Errorf("%s reads %s", name, got)
		}
		if !strings.HasPrefix(name, parameters["StackName"]+"/") {
			t.Errorf("%s is not in the stack's folder", name)
		}
	}
	lines := logged(t)
	for name, query := range queries {
		if list := strange(query, lines); len(list) > 0 {
			t.Errorf("%s: nothing logs %q", name, list)
		}
	}
	for _, outcome := range outcomes {
		if !strings.Contains(queries["Runs by outcome"], fmt.Sprintf(`result.outcome, "%s"`, outcome)) {
			t.Errorf("no line of the graph counts %s", outcome)
		}
	}
}

// awsMetrics are those of AWS that the dashboard shows, with their dimension: Lambda Developer Guide, "Types of
// metrics"; EventBridge Scheduler User Guide, "Monitoring with CloudWatch"; SQS Developer Guide, "Available CloudWatch
// metrics".
var awsMetrics = []string{
	"AWS/Lambda Duration FunctionName cronbearer-Caller",
	"AWS/Lambda Invocations FunctionName cronbearer-Caller",
	"AWS/Lambda Throttles FunctionName cronbearer-Caller",
	"AWS/SQS ApproximateNumberOfMessagesVisible QueueName cronbearer-DeadLetters",
	"AWS/SQS ApproximateNumberOfMessagesVisible QueueName cronbearer-FailedRuns",
	"AWS/Scheduler InvocationAttemptCount ScheduleGroup cronbearer-ScheduleGroup",
	"AWS/Scheduler InvocationDroppedCount ScheduleGroup cronbearer-ScheduleGroup",
}

// TestGraphsShowMetricsThatArePublished compares each search with the constants of package metric.
func TestGraphsShowMetricsThatArePublished(t *testing.T) {
	t.Parallel()
	search := regexp.MustCompile(`SEARCH\('\{"([^"]+)",(\w+),(\w+)\} MetricName="(\w+)" (\w+)="([^"]+)"'`)
	fill := regexp.MustCompile(`^FILL\((\w+), REPEAT\)$`)
	var searched, plain []string
	_, widgets := dashboard(t)
	for _, w := range widgets {
		ids := map[string]bool{}
		var above []any
		for _, row := range w.Properties.Metrics {
			options, _ := row[len(row)-1].(map[string]any)
			if id, ok := options["id"].(string); ok {
				ids[id] = true
			}
			if expression, ok := options["expression"].(string); ok {
				if m := search.FindStringSubmatch(expression); m != nil {
					searched = append(searched, strings.Join(append(m[1:], fmt.Sprint(options["label"])), " "))
				} else if m := fill.FindStringSubmatch(expression); m == nil || !ids[m[1]] {
					t.Errorf("%s: %s shows no series", w.Properties.Title, expression)
				}
				continue
			}
			row = slices.DeleteFunc(slices.Clone(row), func(cell any) bool { _, text := cell.(string); return !text })
			for i, cell := range row {
				if cell == "." {
					row[i] = above[i]
				}
			}
			above = row
			plain = append(plain, strings.Trim(fmt.Sprint(row), "[]"))
		}
	}
	var want []string
	for name, owner := range map[string]string{
		metric.TokenRejected:     metric.DimensionToken,
		metric.TokenDaysToExpiry: metric.DimensionToken,
		metric.Heartbeat:         metric.DimensionJob,
	} {
		want = append(want, strings.Join([]string{
			parameters["MetricNamespace"], metric.DimensionStack, owner, name,
			metric.DimensionStack, parameters["StackName"], "${PROP('Dim." + owner + "')}",
		}, " "))
	}
	slices.Sort(want)
	slices.Sort(searched)
	if diff := cmp.Diff(want, searched); diff != "" {
		t.Errorf("searches (-package metric +dashboard)\n%s", diff)
	}
	slices.Sort(plain)
	if diff := cmp.Diff(awsMetrics, slices.Compact(plain)); diff != "" {
		t.Errorf("metrics of AWS (-want +got)\n%s", diff)
	}
}

// TestDashboardFitsTheApplication: the documented command passes outputs that exist, and without a choice the alarms of
// the stack as a whole are shown, all of them.
func TestDashboardFitsTheApplication(t *testing.T) {
	t.Parallel()
	application := read(t, "../internal/dev/shipped/template.yaml")
	_, outputs, _ := strings.Cut(application, "\nOutputs:\n")
	for name := range parameters {
		if name != "StackName" && name != "MetricNamespace" && !regexp.MustCompile(`(?m)^  `+name+`:`).MatchString(outputs) {
			t.Errorf("the application has no output %s", name)
		}
	}
	var want, shown []string
	alarm := regexp.MustCompile(`(?m)AlarmName: !Sub '?\$\{AWS::StackName}-(\w+)'?$`)
	for _, m := range alarm.FindAllStringSubmatch(application, -1) {
		want = append(want, m[1])
	}
	_, widgets := dashboard(t)
	for _, w := range widgets {
		for _, arn := range w.Properties.Alarms {
			shown = append(shown, arn[strings.LastIndex(arn, "-")+1:])
		}
	}
	slices.Sort(want)
	slices.Sort(shown)
	if diff := cmp.Diff(want, shown); diff != "" {
		t.Errorf("alarms of the stack (-template.yaml +dashboard)\n%s", diff)
	}
}

// TestPageListsWidgetsAndQueries under the names that they have in the console.
func TestPageListsWidgetsAndQueries(t *testing.T) {
	t.Parallel()
	stack, widgets := dashboard(t)
	var want []string
	for _, w := range widgets {
		if w.Type != "text" {
			want = append(want, w.Properties.Title)
		}
	}
	for _, r := range stack.OfType("AWS::Logs::QueryDefinition") {
		_, name, _ := strings.Cut(fmt.Sprint(r.Properties["Name"]), "/")
		want = append(want, name)
	}
	var listed []string
	for _, m := range regexp.MustCompile(`(?m)^\| ([A-Z][^|]*?) \|`).FindAllStringSubmatch(read(t, "dashboard.md"), -1) {
		listed = append(listed, m[1])
	}
	slices.Sort(want)
	slices.Sort(listed)
	if diff := cmp.Diff(want, listed); diff != "" {
		t.Errorf("widgets and queries (-infra/dashboard.yaml +docs/dashboard.md)\n%s", diff)
	}
}

// TestDashboardNamesNoTokenAndNoJob: a new one appears without a change.
func TestDashboardNamesNoTokenAndNoJob(t *testing.T) {
	t.Parallel()
	text := read(t, "../infra/dashboard.yaml")
	if found := regexp.MustCompile(`ExampleApi|DailyReport"|HourlySync|\[DailyReport`).FindString(text); found != "" {
		t.Errorf("infra/dashboard.yaml names %s", found)
	}
	// The limit of a template that is not uploaded to S3.
	if len(text) > 51_200 {
		t.Errorf("it has %d bytes", len(text))
	}
}
