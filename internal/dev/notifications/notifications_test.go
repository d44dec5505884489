// Package notifications_test drives the way from an alarm to people, as far as one machine has it, and holds
// docs/notifications.md against it.
package notifications_test

import (
	"encoding/json"
	"flag"
	"fmt"
	"os"
	"path/filepath"
	"regexp"
	"slices"
	"strings"
	"sync"
	"testing"
	"time"

	"github.com/aws/aws-sdk-go-v2/aws"
	"github.com/aws/aws-sdk-go-v2/service/cloudwatch"
	"github.com/aws/aws-sdk-go-v2/service/cloudwatch/types"
	"github.com/google/go-cmp/cmp"

	"github.com/cronbearer/cronbearer/internal/dev/awssim"
	"github.com/cronbearer/cronbearer/internal/dev/awssim/awssimtest"
	"github.com/cronbearer/cronbearer/internal/dev/awssim/notify"
	"github.com/cronbearer/cronbearer/internal/dev/cfn"
)

var update = flag.Bool("update", false, "write the email and the event into docs/notifications.md")

func TestMain(m *testing.M) { os.Exit(awssimtest.Main(m)) }

const (
	page      = "../../../docs/notifications.md"
	alarmName = "cronbearer-TokenRejected-ExampleApi"
)

// cloud is the application with a token that works; edits are replaced in its template, one after the other.
func cloud(t *testing.T, edits ...string) *awssim.Cloud {
	t.Helper()
	o := awssim.Options{NoStarts: true}
	if len(edits) > 0 {
		text, err := os.ReadFile("../shipped/template.yaml")
		if err != nil {
			t.Fatal(err)
		}
		o.Template = filepath.Join(t.TempDir(), "template.yaml")
		edited := strings.NewReplacer(edits...).Replace(string(text))
		if err := os.WriteFile(o.Template, []byte(edited), 0o600); err != nil || edited == string(text) {
			t.Fatal("the template has nothing to replace", err)
		}
	}
	c := awssimtest.Start(t, o)
	if _, err := c.PutSecret("example-api", "fake-token-number-one"); err != nil {
		t.Fatal(err)
	}
	return c
}

func advance(t *testing.T, c *awssim.Cloud, d time.Duration) {
	t.Helper()
	if err := c.Advance(t.Context(), d); err != nil {
		t.Fatal(err)
	}
}

func parameters(c *awssim.Cloud, more ...string) map[string]string {
	p := map[string]string{"StackName": c.Stack.StackName, "TopicArn": fmt.Sprint(c.Stack.Outputs["TopicArn"])}
	for i := 0; i < len(more); i += 2 {
		p[more[i]] = more[i+1]
	}
	return p
}

var chat = []string{
	"SlackWorkspaceId", "T0123ABCD", "SlackChannelId", "C0123ABCD",
	"TeamsTenantId", "0a1b2c3d-0000-4000-8000-0a1b2c3d4e5f", "TeamId", "1a1b2c3d-0000-4000-8000-0a1b2c3d4e5f",
	"TeamsChannelId", "19%3Aabc_DEF-1%40thread.tacv2",
}

// TestDrill runs the page's two commands through CloudWatch's API.
func TestDrill(t *testing.T) {
	t.Parallel()
	c := cloud(t)
	c.CloudWatch.Authorize = nil // an operator's own rights
	client := api(t, c)
	commands := regexp.MustCompile(
		`--alarm-name <stack>(\S+) --state-value (\S+) \\\n\s+--state-reason '([^']+)'`,
	).FindAllStringSubmatch(read(t), -1)
	if len(commands) != 2 {
		t.Fatalf("%d commands in the page, want two", len(commands))
	}
	for i, command := range commands {
		if _, err := client.SetAlarmState(t.Context(), &cloudwatch.SetAlarmStateInput{
			AlarmName: aws.String(c.Stack.StackName + command[1]), StateValue: types.StateValue(command[2]),
			StateReason: aws.String(command[3]),
		}); err != nil {
			t.Fatal(err)
		}
		// The state lasts: nothing is published that would end it.
		advance(t, c, 10*time.Minute)
		emails := c.Emails(alarmName)
		if len(emails) != i+1 || !strings.Contains(emails[i].Body, command[3]) {
			t.Fatalf("%d emails after %s, the last: %v", len(emails), command[2], emails)
		}
		if i == 0 {
			head, _, _ := strings.Cut(emails[0].Body, "\nView this alarm")
			shown(t, "text", "drill", "Subject: "+emails[0].Subject+"\n\n"+wrapped(head))
		}
	}
}

func read(t *testing.T) string {
	t.Helper()
	text, err := os.ReadFile(page)
	if err != nil {
		t.Fatal(err)
	}
	return string(text)
}

// block returns a block of the page by its language and kind.
func block(t *testing.T, language, kind string) string {
	t.Helper()
	_, rest, ok := strings.Cut(read(t), "```"+language+" "+kind+"\n")
	if !ok {
		t.Fatalf("the page has no block %q", kind)
	}
	got, _, _ := strings.Cut(rest, "```\n")
	return got
}

// updating keeps tests from writing the page at the same time.
var updating sync.Mutex

// shown holds a block of the page against what the model wrote.
func shown(t *testing.T, language, kind, want string) {
	t.Helper()
	updating.Lock()
	defer updating.Unlock()
	got := block(t, language, kind)
	want = strings.TrimSpace(want) + "\n"
	if *update {
		fence := "```" + language + " " + kind + "\n"
		text := strings.Replace(read(t), fence+got+"```\n", fence+want+"```\n", 1)
		if err := os.WriteFile(page, []byte(text), 0o600); err != nil {
			t.Fatal(err)
		}
		return
	}
	if diff := cmp.Diff(want, got); diff != "" {
		t.Errorf(
			"docs/notifications.md, block %s, is out of date: run make generate (-model +page)\n%s", kind, diff,
		)
	}
}

// wrapped breaks long lines, so that the page can be read.
func wrapped(text string) string {
	var out strings.Builder
	for line := range strings.Lines(text) {
		width := 0
		for i, word := range strings.Split(strings.TrimRight(line, "\n "), " ") {
			if i > 0 && width+1+len(word) > 118 {
				out.WriteString("\n ")
				width = 1
			}
			if i > 0 {
				out.WriteString(" ")
			}
			out.WriteString(word)
			width += 1 + len(word)
		}
		out.WriteString("\n")
	}
	return out.String()
}

// TestEndpointGetsWhatTheEmailGets: the two filters are the same, and the model deploys the stack next to the
// application.
func TestEndpointGetsWhatTheEmailGets(t *testing.T) {
	t.Parallel()
	c := cloud(t)
	stack, err := c.AddStack(
		template, "cronbearer-notifications",
		parameters(c, "HttpsEndpoint", "https://on-call.example.com/integration/abc/enqueue"),
	)
	if err != nil {
		t.Fatal(err)
	}
	application, err := cfn.Load(
		"../shipped/template.yaml",
		cfn.Options{Parameters: map[string]string{"AllowedHosts": "a.example.com", "AlarmEmail": "you@example.com"}},
	)
	if err != nil {
		t.Fatal(err)
	}
	email, endpoint := application.Resources["AlarmMail"].Properties, stack.Resources["Endpoint"].Properties
	for _, key := range []string{"FilterPolicy", "FilterPolicyScope"} {
		if diff := cmp.Diff(email[key], endpoint[key]); diff != "" {
			t.Errorf("%s (-email +endpoint)\n%s", key, diff)
		}
	}
	if endpoint["Protocol"] != "https" || len(stack.Resources) != 1 {
		t.Errorf("the stack has %d resources: %v", len(stack.Resources), endpoint)
	}
}

// TestChatHearsTheEndOfASilence: the rule has the application's pattern, its message the form that chats show, and
// no one else's filter lets it through.
func TestChatHearsTheEndOfASilence(t *testing.T) {
	t.Parallel()
	c := cloud(t)
	stack, err := cfn.Load(
		template,
		cfn.Options{StackName: "cronbearer-notifications", Parameters: parameters(c, chat...)},
	)
	if err != nil {
		t.Fatal(err)
	}
	ours, theirs := stack.Resources["SilenceEndedInChat"].Properties, c.Stack.Resources["SilenceEnded"].Properties
	if diff := cmp.Diff(theirs["EventPattern"], ours["EventPattern"]); diff != "" {
		t.Errorf("pattern (-template.yaml +notifications.yaml)\n%s", diff)
	}
	rule, err := notify.ParseRule("rule", ours)
	if err != nil {
		t.Fatal(err)
	}
	event := map[string]any{
		"source": "aws.cloudwatch", "detail-type": "CloudWatch Alarm State Change", "detail": map[string]any{
			"alarmName": "cronbearer-Silent-DailyReport",
			"state":     map[string]any{"value": "OK", "timestamp": "2026-11-23T10:00:00.000+0000"},
			"previousState": map[string]any{
				"value": "ALARM", "timestamp": "2026-11-20T10:00:00.000+0000", "reason": `Threshold Crossed: "75" of 75`,
			},
		},
	}
	messages := rule.Messages(time.Now(), event, "")
	if len(messages) != 1 || messages[0].Topic != fmt.Sprint(c.Stack.Outputs["TopicArn"]) {
		t.Fatalf("got %v", messages)
	}
	var body struct {
		Version, Source string
		Content         struct{ TextType, Title, Description string }
	}
	if err := json.Unmarshal([]byte(messages[0].Body), &body); err != nil {
		t.Fatal(err)
	}
	if body.Version != "1.0" || body.Source != "custom" || body.Content.TextType != "client-markdown" ||
		body.Content.Title != "OK: cronbearer-Silent-DailyReport" ||
		!strings.Contains(body.Content.Description, "since 2026-11-20T10:00:00.000+0000") {
		t.Errorf("got %+v", body)
	}
	filter, err := notify.ParsePattern(c.Stack.Resources["AlarmMail"].Properties["FilterPolicy"])
	if err != nil {
		t.Fatal(err)
	}
	var document any
	if err := json.Unmarshal([]byte(messages[0].Body), &document); err != nil || filter.Matches(document) {
		t.Errorf("the email's filter lets it through (%v)", err)
	}
}

// TestEndpointIsRetriedForAnHour: SNS's default gives up after a minute, and rejects a policy of more than 3,600
// seconds.
func TestEndpointIsRetriedForAnHour(t *testing.T) {
	t.Parallel()
	stack, err := cfn.Load(
		template,
		cfn.Options{Parameters: parameters(cloud(t), "HttpsEndpoint", "https://a.example.com/b")},
	)
	if err != nil {
		t.Fatal(err)
	}
	policy, _ := stack.Resources["Endpoint"].Properties["DeliveryPolicy"].(map[string]any)
	retry, _ := policy["healthyRetryPolicy"].(map[string]any)
	n := func(name string) int {
		value, ok := retry[name].(int)
		if !ok {
			t.Fatalf("%s is %v", name, retry[name])
		}
		return value
	}
	if phases := n("numNoDelayRetries") + n("numMinDelayRetries") + n("numMaxDelayRetries"); phases != n("numRetries") {
		t.Fatalf("%d retries, %d of them with a delay that is written", n("numRetries"), phases)
	}
	total := n("numMinDelayRetries")*n("minDelayTarget") + n("numMaxDelayRetries")*n("maxDelayTarget")
	if total > 3600 || total < 3000 {
		t.Errorf("retries for %d seconds, want about an hour and at most 3600", total)
	}
}

// TestChatKeepsWhatItCannotBeTold in the application's queue.
func TestChatKeepsWhatItCannotBeTold(t *testing.T) {
	t.Parallel()
	c := cloud(t)
	queue := fmt.Sprint(c.Stack.Outputs["DeadLettersArn"])
	stack, err := cfn.Load(
		template,
		cfn.Options{Parameters: parameters(c, append(slices.Clone(chat), "DeadLetterArn", queue)...)},
	)
	if err != nil {
		t.Fatal(err)
	}
	for _, r := range stack.OfType("AWS::Events::Rule") {
		targets, _ := r.Properties["Targets"].([]any)
		for _, target := range targets {
			one, _ := target.(map[string]any)
			if diff := cmp.Diff(map[string]any{"Arn": queue}, one["DeadLetterConfig"]); diff != "" {
				t.Errorf("%s: %s", r.LogicalID, diff)
			}
		}
	}
}

// TestChatsMayOnlyRead holds role and guardrails.
func TestChatsMayOnlyRead(t *testing.T) {
	t.Parallel()
	c := cloud(t)
	stack, err := cfn.Load(
		template,
		cfn.Options{
			StackName: "cronbearer-notifications", Partition: "aws-us-gov", Region: "us-gov-west-1",
			Parameters: parameters(c, chat...),
		},
	)
	if err != nil {
		t.Fatal(err)
	}
	role := stack.Resources["ChatRole"].Properties
	text, err := json.Marshal(role["Policies"])
	if err != nil {
		t.Fatal(err)
	}
	for _, action := range regexp.MustCompile(`"[a-z]+:[A-Za-z*]+"`).FindAllString(string(text), -1) {
		if !slices.Contains([]string{`"cloudwatch:Describe*"`, `"cloudwatch:Get*"`, `"cloudwatch:List*"`}, action) {
			t.Errorf("the chat's role may %s", action)
		}
	}
	for _, id := range []string{"Slack", "Teams"} {
		p := stack.Resources[id].Properties
		if diff := cmp.Diff(
			[]any{"arn:aws-us-gov:iam::aws:policy/CloudWatchReadOnlyAccess"}, p["GuardrailPolicies"],
		); diff != "" {
			t.Errorf("%s: guardrails (-want +got)\n%s", id, diff)
		}
		if diff := cmp.Diff([]any{fmt.Sprint(c.Stack.Outputs["TopicArn"])}, p["SnsTopicArns"]); diff != "" {
			t.Errorf("%s: topics (-want +got)\n%s", id, diff)
		}
	}
}

// TestOnlyWhatIsAskedFor: each way alone brings only what it needs.
func TestOnlyWhatIsAskedFor(t *testing.T) {
	t.Parallel()
	c := cloud(t)
	for name, w := range map[string]struct {
		parameters []string
		want       []string
	}{
		"on-call": {parameters: []string{"HttpsEndpoint", "https://a.example.com/b"}, want: []string{"Endpoint"}},
		"Slack":   {parameters: chat[:4], want: []string{"ChatRole", "SilenceEndedInChat", "Slack"}},
		"Teams":   {parameters: chat[4:], want: []string{"ChatRole", "SilenceEndedInChat", "Teams"}},
		"PagerDuty": {
			parameters: []string{"PagerDutyKeySecretArn", keyARN},
			want: []string{
				"Failure", "OnCallRole", "PagerDuty", "PagerDutyConnection", "Resolved", "Silent", "TokenRejected", "Warning",
			},
		},
		"a webhook": {
			parameters: []string{"WebhookUrl", "https://a.example.com/b", "WebhookSecretArn", hookARN},
			want: []string{
				"Failure", "OnCallRole", "Resolved", "Silent", "TokenRejected", "Warning", "Webhook", "WebhookConnection",
			},
		},
		"none": {parameters: nil, want: nil},
		// AWS then rejects the empty channel
		"half of a Slack": {parameters: chat[:2], want: []string{"ChatRole", "SilenceEndedInChat", "Slack"}},
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			stack, err := cfn.Load(template, cfn.Options{Parameters: parameters(c, w.parameters...)})
			if err != nil {
				t.Fatal(err)
			}
			var got []string
			for id := range stack.Resources {
				got = append(got, id)
			}
			slices.Sort(got)
			if diff := cmp.Diff(w.want, got); diff != "" {
				t.Errorf("resources (-want +got)\n%s", diff)
			}
		})
	}
}

// TestPageNamesEachParameter of the stack.
func TestPageNamesEachParameter(t *testing.T) {
	t.Parallel()
	c := cloud(t)
	stack, err := cfn.Load(template, cfn.Options{Parameters: parameters(c)})
	if err != nil {
		t.Fatal(err)
	}
	text := read(t)
	for name := range stack.Parameters {
		if !strings.Contains(text, name+"=") {
			t.Errorf("docs/notifications.md does not say how to set %s", name)
		}
	}
}
