package notifications_test

import (
	"context"
	"encoding/json"
	"flag"
	"fmt"
	"maps"
	"net/http"
	"net/http/httptest"
	"os"
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
	"github.com/cronbearer/cronbearer/internal/dev/awssim/alarm"
	"github.com/cronbearer/cronbearer/internal/dev/awssim/notify"
	"github.com/cronbearer/cronbearer/internal/dev/cfn"
)

const (
	template  = "../../../infra/notifications.yaml"
	keyARN    = "arn:aws:secretsmanager:eu-west-1:123456789012:secret:pagerduty-AbCdEf"
	hookARN   = "arn:aws:secretsmanager:eu-west-1:123456789012:secret:webhook-AbCdEf"
	queueARN  = "arn:aws:sqs:eu-west-1:123456789012:dead"
	hookHost  = "hooks.example.com"
	hookToken = "Bearer fake-webhook-token"
)

// pager is an account with the application, and the on-call services as its alarms reach them.
type pager struct {
	*awssim.Cloud

	t       *testing.T
	service *pagerDuty
	client  *cloudwatch.Client
}

// onCall deploys the application, and infra/notifications.yaml with PagerDuty.
func onCall(t *testing.T, c *awssim.Cloud) *pager {
	t.Helper()
	p := &pager{Cloud: c, t: t, service: newPagerDuty()}
	if err := p.Host("events.pagerduty.com", p.service); err != nil {
		t.Fatal(err)
	}
	p.store("pagerduty", routingKey)
	p.add("cronbearer-notifications", "PagerDutyKeySecretArn", p.secretARN("pagerduty"))
	p.CloudWatch.Authorize = nil // an operator's own rights
	p.client = api(t, p.Cloud)
	return p
}

// api returns a client of a cloud's CloudWatch.
func api(t *testing.T, c *awssim.Cloud) *cloudwatch.Client {
	t.Helper()
	server := httptest.NewServer(c.CloudWatch)
	t.Cleanup(server.Close)
	return cloudwatch.New(cloudwatch.Options{
		Region: c.Stack.Region, BaseEndpoint: aws.String(server.URL),
		Credentials: aws.CredentialsProviderFunc(func(context.Context) (aws.Credentials, error) {
			return aws.Credentials{AccessKeyID: "FAKE", SecretAccessKey: "FAKE"}, nil
		}),
	})
}

// store puts a secret that is not the application's.
func (p *pager) store(name, value string) {
	p.t.Helper()
	if _, err := p.Secrets.Put(name, value); err != nil {
		p.t.Fatal(err)
	}
}

func (p *pager) secretARN(name string) string {
	p.t.Helper()
	found, ok := p.Secrets.Secret(name)
	if !ok {
		p.t.Fatalf("no secret %s", name)
	}
	return found.ARN
}

// add deploys infra/notifications.yaml.
func (p *pager) add(name string, more ...string) {
	p.t.Helper()
	all := parameters(p.Cloud, append(more, "DeadLetterArn", fmt.Sprint(p.Stack.Outputs["DeadLettersArn"]))...)
	if _, err := p.AddStack(template, name, all); err != nil {
		p.t.Fatal(err)
	}
}

// set puts an alarm into a state, as an operator does.
func (p *pager) set(name string, state types.StateValue, reason string) {
	p.t.Helper()
	if _, err := p.client.SetAlarmState(p.t.Context(), &cloudwatch.SetAlarmStateInput{
		AlarmName: aws.String(name), StateValue: state, StateReason: aws.String(reason),
	}); err != nil {
		p.t.Fatal(err)
	}
}

// open returns an alarm's incident, which must be there.
func (p *pager) open(name string) alert {
	p.t.Helper()
	found, ok := p.service.incidents()[key(name)]
	if !ok {
		p.t.Fatalf("no incident of %s is open, of %v; rejected: %q; lost: %v",
			name, slices.Sorted(maps.Keys(p.service.incidents())), p.service.problems(), p.Undelivered())
	}
	return found
}

// quiet fails the test if an incident is open, or if PagerDuty rejected something.
func (p *pager) quiet(when string) {
	p.t.Helper()
	if open := p.service.incidents(); len(open) > 0 || len(p.service.problems()) > 0 {
		p.t.Fatalf("%s: open are %v, rejected %q", when, slices.Sorted(maps.Keys(open)), p.service.problems())
	}
}

// key is the dedup_key of an alarm.
func key(name string) string { return "123456789012:eu-west-1:" + name }

// kinds are all alarms of an application with a rotation, with how urgent each is.
var kinds = map[string]struct{ severity, command, runbook string }{
	"cronbearer-TokenRejected-ExampleApi": {
		severity: "critical", command: "cronbearer token set ExampleApi", runbook: "token-rejected.md",
	},
	"cronbearer-TokenExpiring-ExampleApi": {severity: "warning", command: "cronbearer status", runbook: "README.md"},
	"cronbearer-Silent-DailyReport": {
		severity: "critical", command: "cronbearer runs DailyReport", runbook: "silent.md",
	},
	"cronbearer-Silent-HourlySync": {
		severity: "critical", command: "cronbearer runs HourlySync", runbook: "silent.md",
	},
	"cronbearer-FailedRuns":                 {severity: "error", command: "cronbearer status", runbook: "README.md"},
	"cronbearer-DeadLetters":                {severity: "error", command: "cronbearer status", runbook: "README.md"},
	"cronbearer-RecordsLost":                {severity: "error", command: "cronbearer status", runbook: "README.md"},
	"cronbearer-StartsDropped":              {severity: "error", command: "cronbearer status", runbook: "README.md"},
	"cronbearer-Throttled":                  {severity: "warning", command: "cronbearer status", runbook: "README.md"},
	"cronbearer-RotationFailed-example-api": {severity: "error", command: "cronbearer status", runbook: "README.md"},
}

// TestEachAlarmOpensAndResolvesItsIncident, once, whatever its state was before, and whatever is in the texts.
func TestEachAlarmOpensAndResolvesItsIncident(t *testing.T) {
	t.Parallel()
	p := onCall(t, cloud(t))
	if _, err := p.AddRotation("../../../infra/rotation.yaml", "example-api", "rate(30 minutes)"); err != nil {
		t.Fatal(err)
	}
	var names []string
	for _, status := range p.Alarms.Describe(nil, "") {
		names = append(names, status.Alarm.Name)
	}
	slices.Sort(names)
	if diff := cmp.Diff(slices.Sorted(maps.Keys(kinds)), names); diff != "" {
		t.Fatalf("alarms (-this test +the templates)\n%s", diff)
	}
	const nasty = "a \"quoted\" \\ reason,\nwith a <line> & a break\tand a tab"
	for _, name := range names {
		p.set(name, types.StateValueOk, "The first OK.")
		if p.quiet("the first OK of " + name); len(p.service.events) > 0 {
			t.Fatalf("the first OK of %s sent %v", name, p.service.events)
		}
		p.set(name, types.StateValueAlarm, nasty)
		opened, want := p.open(name), kinds[name]
		status := p.Alarms.Describe([]string{name}, "")[0]
		region := " --stack cronbearer --region eu-west-1"
		if got := opened.Payload; got.Severity != want.severity || !strings.Contains(got.Summary, name) ||
			got.Details.Command != want.command+region || got.Details.Configuration.Description != status.Alarm.Description ||
			got.Details.State.Reason != nasty || got.Source != "123456789012/eu-west-1/cronbearer" ||
			!strings.HasSuffix(got.Details.Runbook, "/docs/runbooks/"+want.runbook) ||
			opened.Links[0].Href != got.Details.Runbook {
			t.Errorf("%s: %+v", name, opened)
		}
		// A reminder moves the alarm through INSUFFICIENT_DATA and back.
		p.set(name, types.StateValueInsufficientData, "Unknown.")
		p.set(name, types.StateValueAlarm, "Once more.")
		if again := p.open(name); again.Triggers < 2 {
			t.Errorf("%s: the second ALARM was not added to the open incident: %+v", name, again)
		}
		p.set(name, types.StateValueInsufficientData, "Unknown.")
		p.open(name)
		p.set(name, types.StateValueOk, "Over.")
		p.quiet(name + " is OK")
		if opened, resolved := p.service.count(key(name)); opened != 1 || resolved != 1 {
			t.Errorf("%s: %d incidents, %d resolved", name, opened, resolved)
		}
		p.service.events = nil
	}
	if queued := p.Queue("DeadLetters").Messages(); len(queued) > 0 || len(p.Undelivered()) > 0 {
		t.Errorf("dead letters %v, lost %v", queued, p.Undelivered())
	}
}

// TestIncidentsNameWhatThereIs: commands are the tool's, runbooks exist, and the page's table says the same.
func TestIncidentsNameWhatThereIs(t *testing.T) {
	t.Parallel()
	file := func(name string) string {
		text, err := os.ReadFile("../../../docs/" + name)
		if err != nil {
			t.Fatal(err)
		}
		return string(text)
	}
	var rows []string
	for line := range strings.Lines(file("notifications.md")) {
		if strings.HasPrefix(line, "| `") {
			rows = append(rows, line)
		}
	}
	for name, want := range kinds {
		file("runbooks/" + want.runbook)
		kind, _, _ := strings.Cut(strings.TrimPrefix(name, "cronbearer-"), "-")
		command := strings.NewReplacer(" ExampleApi", "", " DailyReport", "", " HourlySync", "").Replace(want.command)
		usage := file("cli/" + strings.ReplaceAll(command, " ", "_") + ".md")
		if !strings.Contains(usage, "--stack name") || !strings.Contains(usage, "--region Region") {
			t.Errorf("%s has no --stack or no --region", command)
		}
		if !slices.ContainsFunc(rows, func(row string) bool {
			return strings.Contains(row, "`"+kind+"`") && strings.Contains(row, "| "+want.severity+" | `"+command)
		}) {
			t.Errorf("docs/notifications.md has no row of %s with %s and %s", kind, want.severity, command)
		}
	}
}

// TestDeadTokenPagesUntilANewOneIsAccepted, with the real caller.
func TestDeadTokenPagesUntilANewOneIsAccepted(t *testing.T) {
	t.Parallel()
	p := onCall(t, cloud(t))
	target := p.Target("api.example.com")
	run := func() {
		const event = `{"job":"HourlySync","token":"ExampleApi","secret":"example-api",` +
			`"call":"GET https://api.example.com/v1/sync"}`
		if _, err := p.Invoke(t.Context(), "Caller", []byte(event)); err != nil {
			t.Fatal(err)
		}
		advance(t, p.Cloud, 3*time.Minute)
	}
	const dead, fresh = "fake-token-number-one", "fake-token-number-two"
	target.Accept(dead)
	run()
	p.quiet("a token that works")
	target.Revoke(dead)
	target.Accept(fresh)
	run()
	opened := p.open(alarmName)
	if opened.Payload.Component != "ExampleApi" ||
		!strings.HasPrefix(opened.Payload.Summary, "Token ExampleApi of cronbearer") {
		t.Errorf("%+v", opened.Payload)
	}
	for _, a := range p.service.events {
		if text := fmt.Sprintf("%+v %+v", a, a.Payload); strings.Contains(text, dead) || strings.Contains(text, fresh) {
			t.Errorf("a token is in %s", text)
		}
	}
	if _, err := p.PutSecret("example-api", fresh); err != nil {
		t.Fatal(err)
	}
	advance(t, p.Cloud, 6*time.Minute)
	run()
	if _, still := p.service.incidents()[key(alarmName)]; still {
		t.Error("the incident is open although a token was accepted")
	}
}

// TestSilentJobIsOneIncident, from its first missed hour to its next success, even if its alarm flaps.
func TestSilentJobIsOneIncident(t *testing.T) {
	t.Parallel()
	const job = "cronbearer-Silent-HourlySync" // SilentAfter: 3
	const beat, failure, nothing = 'b', 'f', '-'
	for name, c := range map[string]struct {
		hours    string // what a job did in each hour
		opened   int
		resolved int
	}{
		"a new job that has not run":       {hours: "-----------", opened: 0, resolved: 0},
		"a new job that works":             {hours: "bbbbbb", opened: 0, resolved: 0},
		"a new job that never worked":      {hours: "ffffff", opened: 1, resolved: 0},
		"it fails, then works":             {hours: "bbbfffffffb", opened: 1, resolved: 1},
		"it does not run, then works":      {hours: "bbb------b", opened: 1, resolved: 1},
		"one hour is missed":               {hours: "bbb-b-b", opened: 0, resolved: 0},
		"it fails every other hour":        {hours: "bbbf-f-f-f-f-f-f-fb", opened: 1, resolved: 1},
		"twice":                            {hours: "bbb-----b-----b", opened: 2, resolved: 2},
		"it fails and then no longer runs": {hours: "bbbfffff------", opened: 1, resolved: 0},
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			p := onCall(t, cloud(t))
			for _, hour := range c.hours {
				switch hour {
				case beat, failure:
					value := map[rune]float64{beat: 1, failure: 0}[hour]
					p.Samples.Put(p.Alarms.Describe([]string{job}, "")[0].Alarm.Metric(), p.Now(), alarm.Value(value))
				case nothing:
				}
				advance(t, p.Cloud, time.Hour)
			}
			advance(t, p.Cloud, 5*time.Minute)
			if opened, resolved := p.service.count(key(job)); opened != c.opened || resolved != c.resolved {
				t.Errorf("%d incidents, %d resolved, want %d and %d: %v", opened, resolved, c.opened, c.resolved, p.Changes(job))
			}
			if problems := p.service.problems(); len(problems) > 0 {
				t.Errorf("rejected: %q", problems)
			}
		})
	}
}

// TestDuplicatesChangeNothing: EventBridge may deliver an event twice, and the end of a problem that PagerDuty does not
// know.
func TestDuplicatesChangeNothing(t *testing.T) {
	t.Parallel()
	all, _ := rules(t, nil)
	service := newPagerDuty()
	send := func(value string) {
		event := documented(t, "state-change.json", func(_, detail map[string]any) {
			detail["state"] = map[string]any{"value": value, "reason": "Any."}
			detail["previousState"] = map[string]any{"value": "INSUFFICIENT_DATA", "reason": "Any."}
		})
		for _, rule := range all {
			for _, m := range rule.Messages(time.Now(), event, "") {
				if strings.Contains(m.Topic, "PagerDuty") {
					body := strings.Replace(m.Body, "{", `{"routing_key":"`+routingKey+`",`, 1)
					request := httptest.NewRequestWithContext(
						t.Context(), http.MethodPost, "https://events.pagerduty.com/v2/enqueue", strings.NewReader(body),
					)
					request.Header.Set("Content-Type", "application/json")
					service.ServeHTTP(httptest.NewRecorder(), request)
				}
			}
		}
	}
	for i, value := range []string{"OK", "ALARM", "ALARM", "OK", "OK"} {
		send(value)
		opened, resolved := service.count(key(alarmName))
		if opened != min(i, 1) || resolved != max(0, min(i-2, 1)) || service.requests != i+1 {
			t.Errorf("after %d, %s: %d incidents, %d resolved, %d requests", i, value, opened, resolved, service.requests)
		}
	}
	if problems := service.problems(); len(problems) > 0 {
		t.Errorf("rejected: %q", problems)
	}
}

// TestCredentialThatIsMissingStopsTheDeployment, as CloudFormation resolves it.
func TestCredentialThatIsMissingStopsTheDeployment(t *testing.T) {
	t.Parallel()
	c := cloud(t)
	if _, err := c.Secrets.Put("webhook", `{"username":"pager"}`); err != nil {
		t.Fatal(err)
	}
	hook, _ := c.Secrets.Secret("webhook")
	for name, w := range map[string]struct {
		parameters []string
		want       string
	}{
		"no secret": {
			parameters: []string{"PagerDutyKeySecretArn", keyARN}, want: "secret " + keyARN + " does not exist",
		},
		"no member": {
			parameters: []string{
				"WebhookUrl", "https://hooks.example.com/", "WebhookSecretArn", hook.ARN, "WebhookAuth", "BASIC",
			},
			want: "has no member password",
		},
		"another member": {
			parameters: []string{"WebhookUrl", "https://hooks.example.com/", "WebhookSecretArn", hook.ARN},
			want:       "has no member value",
		},
	} {
		_, err := c.AddStack(template, "notifications", parameters(c, append(w.parameters, "DeadLetterArn", queueARN)...))
		if err == nil || !strings.Contains(err.Error(), w.want) {
			t.Errorf("%s: %v, want %q", name, err, w.want)
		}
	}
}

// TestDisabledJobPagesNoOne, although EventBridge gets the changes of its alarm's state.
func TestDisabledJobPagesNoOne(t *testing.T) {
	t.Parallel()
	const job = "cronbearer-Silent-HourlySync"
	p := onCall(t, cloud(t, "SilentAfter: 3 }", "SilentAfter: 3, State: DISABLED }"))
	for _, state := range []types.StateValue{
		types.StateValueOk, types.StateValueInsufficientData, types.StateValueOk, types.StateValueAlarm,
	} {
		p.set(job, state, "Any.")
	}
	if len(p.Changes(job)) != 4 {
		t.Errorf("changes: %v", p.Changes(job))
	}
	p.quiet("a job that is switched off")
}

// TestUndeliveredIncidentIsRetriedThenKept: what is worth retrying is retried for an hour, and what was not delivered
// raises the application's own alarm.
func TestUndeliveredIncidentIsRetriedThenKept(t *testing.T) {
	t.Parallel()
	down := slices.Repeat([]int{http.StatusServiceUnavailable}, 1000)
	for name, c := range map[string]struct {
		answers   []int
		requests  int // at least
		delivered bool
		code      string
		condition string
	}{
		"throttled":        {answers: []int{429}, requests: 2, delivered: true},
		"a failure or two": {answers: []int{500, 503}, requests: 3, delivered: true},
		"rejected":         {answers: []int{400}, requests: 1, code: "ERROR_FROM_TARGET"},
		"down for an hour": {
			answers: down, requests: 12, code: "ERROR_FROM_TARGET", condition: "MaximumEventAgeInSeconds",
		},
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			p := onCall(t, cloud(t))
			p.service.answers(c.answers...)
			p.set(alarmName, types.StateValueAlarm, "It died.")
			if len(c.answers) == 1 && c.answers[0] == http.StatusTooManyRequests {
				advance(t, p.Cloud, 89*time.Second)
				if p.service.requests != 1 {
					t.Errorf("%d requests before Retry-After", p.service.requests)
				}
			}
			advance(t, p.Cloud, 70*time.Minute)
			if p.service.requests < c.requests {
				t.Errorf("%d requests, want %d", p.service.requests, c.requests)
			}
			if _, open := p.service.incidents()[key(alarmName)]; open != c.delivered {
				t.Errorf("an incident is open: %t", open)
			}
			kept := p.Queue("DeadLetters").Messages()
			if c.delivered {
				if len(kept) > 0 {
					t.Errorf("dead letters: %v", kept)
				}
				return
			}
			if len(kept) == 0 {
				t.Fatal("no dead letter")
			}
			letter := kept[0]
			if letter.Attributes["ERROR_CODE"] != c.code || letter.Attributes["EXHAUSTED_RETRY_CONDITION"] != c.condition ||
				!strings.Contains(letter.Attributes["TARGET_ARN"], ":api-destination/") ||
				!strings.Contains(letter.Body, alarmName) || strings.Contains(fmt.Sprint(letter), routingKey) {
				t.Errorf("dead letter %+v", letter)
			}
			if state := p.AlarmState("DeadLetters"); state != alarm.InAlarm {
				t.Errorf("the alarm of the dead letters is %s", state)
			}
		})
	}
}

// webhook records what it gets.
type webhook struct {
	mu       sync.Mutex
	token    string // what OAuth grants; empty: none
	granted  int
	accepts  func(*http.Request) bool
	received []hookCall
	denied   int
}

type hookCall struct {
	Action, Severity, Key string
	Event                 map[string]any
}

func (h *webhook) ServeHTTP(w http.ResponseWriter, r *http.Request) {
	h.mu.Lock()
	defer h.mu.Unlock()
	if r.URL.Path == "/token" {
		if r.FormValue("client_id") != "fake-client" || r.FormValue("client_secret") != "fake-client-secret" ||
			r.FormValue("grant_type") != "client_credentials" || r.FormValue("scope") != "alarms write" {
			w.WriteHeader(http.StatusBadRequest)
			return
		}
		h.granted++
		answer(w, http.StatusOK, map[string]any{"access_token": h.token, "token_type": "Bearer"})
		return
	}
	if !h.accepts(r) {
		h.denied++
		w.WriteHeader(http.StatusUnauthorized)
		return
	}
	var call hookCall
	if err := json.NewDecoder(r.Body).Decode(&call); err != nil {
		w.WriteHeader(http.StatusBadRequest)
		return
	}
	h.received = append(h.received, call)
}

// TestWebhookGetsBothEnds, by each kind of authorization, with CloudWatch's event as it is.
func TestWebhookGetsBothEnds(t *testing.T) {
	t.Parallel()
	bearer := func(token string) func(*http.Request) bool {
		return func(r *http.Request) bool { return r.Header.Get("Authorization") == token }
	}
	for name, c := range map[string]struct {
		secret     string
		parameters []string
		accepts    func(*http.Request) bool
		later      func(*http.Request) bool // after the first call; nil: the same
		denied     int
	}{
		"a header": {secret: `{"value":"` + hookToken + `"}`, accepts: bearer(hookToken)},
		"a header of its own": {
			secret: `{"value":"fake-key"}`, parameters: []string{"WebhookHeader", "X-Api-Key"},
			accepts: func(r *http.Request) bool { return r.Header.Get("X-Api-Key") == "fake-key" },
		},
		"a password": {
			secret: `{"username":"pager","password":"fake-password"}`, parameters: []string{"WebhookAuth", "BASIC"},
			accepts: func(r *http.Request) bool {
				user, password, ok := r.BasicAuth()
				return ok && user == "pager" && password == "fake-password"
			},
		},
		"a token": {
			secret: `{"client_id":"fake-client","client_secret":"fake-client-secret"}`,
			parameters: []string{
				"WebhookAuth", "OAUTH_CLIENT_CREDENTIALS", "WebhookTokenUrl", "https://" + hookHost + "/token",
				"WebhookScope", "alarms write",
			},
			accepts: bearer("Bearer fake-grant-1"), later: bearer("Bearer fake-grant-2"), denied: 1,
		},
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			p := &pager{Cloud: cloud(t), t: t, service: newPagerDuty()}
			p.CloudWatch.Authorize = nil
			p.client = api(t, p.Cloud)
			hook := &webhook{accepts: c.accepts, token: "fake-grant-1"}
			if err := p.Host(hookHost, hook); err != nil {
				t.Fatal(err)
			}
			p.store("webhook", c.secret)
			p.add("cronbearer-notifications", slices.Concat(c.parameters, []string{
				"WebhookUrl", "https://" + hookHost + "/alarms?of=cronbearer", "WebhookSecretArn", p.secretARN("webhook"),
			})...)
			p.set(alarmName, types.StateValueOk, "The first.")
			p.set(alarmName, types.StateValueAlarm, "It \"died\".\nLook.")
			if c.later != nil {
				hook.accepts, hook.token = c.later, "fake-grant-2"
			}
			p.set(alarmName, types.StateValueOk, "Over.")
			advance(t, p.Cloud, 2*time.Minute) // a denied call is retried with a new token
			if len(hook.received) != 2 || hook.denied != c.denied {
				t.Fatalf("%d calls, %d denied: %+v", len(hook.received), hook.denied, hook.received)
			}
			for i, want := range []hookCall{
				{Action: "trigger", Severity: "critical", Key: key(alarmName)}, {Action: "resolve", Key: key(alarmName)},
			} {
				got := hook.received[i]
				detail, _ := got.Event["detail"].(map[string]any)
				if got.Event = nil; !cmp.Equal(want, got) || detail["alarmName"] != alarmName {
					t.Errorf("call %d: %+v, %v", i, got, detail)
				}
			}
		})
	}
}

// rules returns the rules for on-call services of a stack, by their logical ids.
func rules(t *testing.T, parameters map[string]string) (map[string]notify.Rule, *cfn.Stack) {
	t.Helper()
	all := map[string]string{
		"StackName": "cronbearer", "TopicArn": "arn:aws:sns:eu-west-1:123456789012:topic", "DeadLetterArn": queueARN,
		"PagerDutyKeySecretArn": keyARN, "WebhookUrl": "https://" + hookHost + "/", "WebhookSecretArn": hookARN,
	}
	maps.Copy(all, parameters)
	stack, err := cfn.Load(template, cfn.Options{StackName: "cronbearer-notifications", Parameters: all})
	if err != nil {
		t.Fatal(err)
	}
	found := map[string]notify.Rule{}
	for _, r := range stack.OfType("AWS::Events::Rule") {
		rule, err := notify.ParseRule(r.LogicalID, r.Properties)
		if err != nil {
			t.Fatal(err)
		}
		found[r.LogicalID] = rule
	}
	return found, stack
}

// documented returns an event of the shape that AWS documents, changed.
func documented(t *testing.T, file string, change func(event, detail map[string]any)) map[string]any {
	t.Helper()
	text, err := os.ReadFile("testdata/events/" + file)
	if err != nil {
		t.Fatal(err)
	}
	var event map[string]any
	if err := json.Unmarshal(text, &event); err != nil {
		t.Fatal(err)
	}
	detail, _ := event["detail"].(map[string]any)
	change(event, detail)
	return event
}

// TestDocumentedEventsReachTheirRule: the shapes are those of "Alarm events and EventBridge" in the CloudWatch User
// Guide.
func TestDocumentedEventsReachTheirRule(t *testing.T) {
	t.Parallel()
	all, stack := rules(t, nil)
	state := func(name, value, before, reason string) func(event, detail map[string]any) {
		return func(_, detail map[string]any) {
			detail["alarmName"] = name
			detail["state"] = map[string]any{"value": value, "reason": "any"}
			detail["previousState"] = map[string]any{"value": before, "reason": reason}
		}
	}
	operation := func(name, operation string) func(event, detail map[string]any) {
		return func(_, detail map[string]any) { detail["alarmName"], detail["operation"] = name, operation }
	}
	const changed, configured = "state-change.json", "configuration-change.json"
	const initial, unknown, crossed = "Unchecked: Initial alarm creation", "Insufficient Data: 3 …", "Threshold Crossed: …"
	var judged []judgedEvent
	for name, c := range map[string]struct {
		file   string
		change func(event, detail map[string]any)
		want   []string
	}{
		"as documented": {file: changed, change: func(_, _ map[string]any) {}, want: []string{"TokenRejected"}},
		"a new alarm's first OK": {
			file: changed, change: state("cronbearer-FailedRuns", "OK", "INSUFFICIENT_DATA", initial), want: nil,
		},
		"OK after a reminder was cut off": {
			file: changed, change: state("cronbearer-TokenRejected-A", "OK", "INSUFFICIENT_DATA", "reminder"),
			want: []string{"Resolved"},
		},
		"a token's data are missing": {
			file: changed, change: state("cronbearer-TokenRejected-A", "INSUFFICIENT_DATA", "OK", crossed), want: nil,
		},
		"a job no longer runs": {
			file: changed, change: state("cronbearer-Silent-A", "INSUFFICIENT_DATA", "OK", crossed), want: []string{"Silent"},
		},
		"a silent alarm flaps to INSUFFICIENT_DATA": {
			file: changed, change: state("cronbearer-Silent-A", "INSUFFICIENT_DATA", "ALARM", crossed), want: nil,
		},
		"a silent alarm flaps to ALARM": {
			file: changed, change: state("cronbearer-Silent-A", "ALARM", "INSUFFICIENT_DATA", unknown), want: []string{"Silent"},
		},
		"a silence ends": {
			file: changed, change: state("cronbearer-Silent-A", "OK", "INSUFFICIENT_DATA", unknown), want: []string{"Resolved"},
		},
		"another stack whose name begins the same": {
			file: changed, change: state("cronbearer-prod-TokenRejected-A", "ALARM", "OK", crossed), want: nil,
		},
		"another stack's OK": {
			file: changed, change: state("cronbearer-prod-FailedRuns", "OK", "ALARM", crossed), want: nil,
		},
		"an alarm of the user's own": {
			file: changed, change: state("cronbearer-Disk", "ALARM", "OK", crossed), want: nil,
		},
		"a deleted alarm":  {file: configured, change: func(_, _ map[string]any) {}, want: []string{"Resolved"}},
		"an updated alarm": {file: configured, change: operation("cronbearer-Silent-A", "update"), want: nil},
		"an alarm that is switched off": {
			file: configured,
			change: func(_, detail map[string]any) {
				detail["operation"], detail["configuration"] = "update", map[string]any{"actionsEnabled": false}
			},
			want: []string{"Resolved"},
		},
		"a created alarm":         {file: configured, change: operation("cronbearer-Silent-A", "create"), want: nil},
		"another's deleted alarm": {file: configured, change: operation("other-Silent-A", "delete"), want: nil},
		"another service's event": {
			file: changed, change: func(event, _ map[string]any) { event["source"] = "aws.ec2" }, want: nil,
		},
		"another alarm is deleted": {file: configured, change: operation("TotalNetworkTraffic", "delete"), want: nil},
	} {
		event := documented(t, c.file, c.change)
		for id := range all {
			judged = append(judged, judgedEvent{
				Rule: id, Name: name, Pattern: stack.Resources[id].Properties["EventPattern"], Event: event,
				Match: slices.Contains(c.want, id),
			})
		}
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			var got []string
			for id, rule := range all {
				sent := rule.Messages(time.Now(), event, "")
				if sent == nil {
					continue
				}
				got = append(got, id)
				if len(sent) != 2 {
					t.Errorf("%s has %d targets", id, len(sent))
				}
				for _, m := range sent {
					if !json.Valid([]byte(m.Body)) {
						t.Errorf("%s sends no JSON: %s", id, m.Body)
					}
				}
			}
			slices.Sort(got)
			if diff := cmp.Diff(c.want, got); diff != "" {
				t.Errorf("rules (-want +got)\n%s", diff)
			}
		})
	}
	if *cases == "" {
		return
	}
	judged = append(judged, applicationEvents(t)...)
	text, err := json.Marshal(judged)
	if err == nil {
		err = os.WriteFile(*cases, text, 0o600)
	}
	if err != nil {
		t.Fatal(err)
	}
}

// cases is set by internal/dev/check/ruler.sh.
var cases = flag.String("cases", "", "write rules, events and whether they match to this file, for AWS's own engine")

// judgedEvent is one of them.
type judgedEvent struct {
	Rule, Name string
	Pattern    any
	Event      map[string]any
	Match      bool
}

// applicationEvents are those of the application's own rules, about the alarm of one job, with the model's verdicts.
func applicationEvents(t *testing.T) []judgedEvent {
	t.Helper()
	application, err := cfn.Load("../shipped/template.yaml", cfn.Options{
		StackName: "cronbearer", Parameters: map[string]string{"AllowedHosts": "a.example.com"},
	})
	if err != nil {
		t.Fatal(err)
	}
	states := []string{"OK", "ALARM", "INSUFFICIENT_DATA"}
	reasons := []string{"Unchecked: Initial alarm creation", "Insufficient Data: 3", "Threshold Crossed: 1"}
	var list []judgedEvent
	for _, r := range application.OfType("AWS::Events::Rule") {
		pattern, err := notify.ParsePattern(r.Properties["EventPattern"])
		if err != nil {
			t.Fatal(err)
		}
		for _, value := range states {
			for _, before := range states {
				for _, reason := range reasons {
					event := documented(t, "state-change.json", func(_, detail map[string]any) {
						detail["alarmName"] = "cronbearer-Silent-HourlySync"
						detail["state"] = map[string]any{"value": value, "reason": "any"}
						detail["previousState"] = map[string]any{"value": before, "reason": reason}
					})
					list = append(list, judgedEvent{
						Rule: r.LogicalID, Name: before + " to " + value + " after " + reason, Event: event,
						Pattern: r.Properties["EventPattern"], Match: pattern.Matches(event),
					})
				}
			}
		}
	}
	return list
}

// longest is the longest name that a stack may have.
var longest = "S" + strings.Repeat("s", 127)

// TestIncidentFitsItsLimits, with the longest names and the worst texts that an alarm may have.
func TestIncidentFitsItsLimits(t *testing.T) {
	t.Parallel()
	runbooks := "https://example.com/" + strings.Repeat("r", 80)
	all, stack := rules(t, map[string]string{"StackName": longest, "RunbookUrl": runbooks})
	var worst strings.Builder // every character that may be in a description, and those that break a line
	for r := rune(1); r < 0x250; r++ {
		worst.WriteRune(r)
	}
	worst.WriteString("\u2028\u2029\ufeff\U0001F600</script>{{resolve:x}}${y}<alarm>")
	text := worst.String() + strings.Repeat(`"\`, 150)
	name := strings.Repeat("N", 40)
	for _, alarmName := range []string{
		longest + "-TokenRejected-" + name, longest + "-TokenExpiring-" + name, longest + "-Silent-" + name,
		longest + "-RotationFailed-/_+=.@!-" + strings.Repeat("s", 42), longest + "-FailedRuns", longest + "-Throttled",
	} {
		for _, value := range []string{"ALARM", "OK"} {
			event := documented(t, "state-change.json", func(event, detail map[string]any) {
				event["region"] = "us-gov-west-1"
				detail["alarmName"] = alarmName
				detail["state"] = map[string]any{"value": value, "reason": text, "reasonData": `{"a":"` + text}
				detail["configuration"] = map[string]any{"description": text, "metrics": []any{map[string]any{
					"metricStat": map[string]any{"metric": map[string]any{"dimensions": map[string]any{"Token": name, "Job": name}}},
				}}}
			})
			bodies := map[string]int{}
			for id, rule := range all {
				for _, m := range rule.Messages(time.Now(), event, "") {
					bodies[m.Topic]++
					checkBody(t, id+" "+alarmName, m, text)
				}
			}
			if len(bodies) != 2 {
				t.Errorf("%s: %v", alarmName, bodies)
			}
		}
	}
	for _, r := range stack.OfType("AWS::Events::Rule") {
		// "Event pattern: 2,048 characters" (EventBridge User Guide, quotas).
		pattern, err := json.Marshal(r.Properties["EventPattern"])
		if err != nil || len(pattern) > 2048 {
			t.Errorf("%s: a pattern of %d characters, %v", r.LogicalID, len(pattern), err)
		}
		targets, _ := r.Properties["Targets"].([]any)
		if len(targets) > 5 {
			t.Errorf("%s: %d targets", r.LogicalID, len(targets))
		}
	}
}

// checkBody holds what a target gets against PagerDuty's rules, and the free text in it against the alarm's.
func checkBody(t *testing.T, about string, m notify.Outgoing, text string) {
	t.Helper()
	if m.DeadLetters != queueARN || m.MaxAge != time.Hour || m.Role == "" {
		t.Errorf("%s: role %s, dead letters %s, %s", about, m.Role, m.DeadLetters, m.MaxAge)
	}
	var body map[string]any
	if err := json.Unmarshal([]byte(m.Body), &body); err != nil {
		t.Errorf("%s: %v in %s", about, err, m.Body)
		return
	}
	if strings.Contains(m.Topic, "Webhook") {
		return
	}
	body["routing_key"] = routingKey
	whole, err := json.Marshal(body)
	if err != nil {
		t.Fatal(err)
	}
	request := httptest.NewRequestWithContext(t.Context(), http.MethodPost, "https://events.pagerduty.com/v2/enqueue", nil)
	request.Header.Set("Content-Type", "application/json")
	if problems := invalid(request, whole); len(problems) > 0 {
		t.Errorf("%s: %v in %s", about, problems, whole)
	}
	var a alert
	if err := json.Unmarshal(whole, &a); err != nil {
		t.Fatal(err)
	}
	if a.Payload == nil {
		return
	}
	if got := a.Payload.Details; got.State.Reason != text || got.Configuration.Description != text {
		t.Errorf("%s: the texts have changed: %+v", about, a.Payload.Details)
	}
}

// TestTwoStacksDoNotCollide: names are CloudFormation's, and each stack's incidents are its own.
func TestTwoStacksDoNotCollide(t *testing.T) {
	t.Parallel()
	_, one := rules(t, nil)
	for id, r := range one.Resources {
		for _, name := range []string{"Name", "RoleName"} {
			if given, ok := r.Properties[name]; ok {
				t.Errorf("%s has the fixed name %v", id, given)
			}
		}
	}
	p := onCall(t, cloud(t))
	p.add("prod-notifications", "PagerDutyKeySecretArn", p.secretARN("pagerduty"), "StackName", "cronbearer-prod")
	p.set(alarmName, types.StateValueAlarm, "It died.")
	if p.open(alarmName); p.service.requests != 1 {
		t.Errorf("%d requests for one alarm", p.service.requests)
	}
}

// TestOnCallRoleMayOnlyCallItsDestinations holds the role, and that no credential is in the template's properties.
func TestOnCallRoleMayOnlyCallItsDestinations(t *testing.T) {
	t.Parallel()
	_, stack := rules(t, nil)
	role := stack.Resources["OnCallRole"].Properties
	want := []any{map[string]any{"PolicyName": "Call", "PolicyDocument": map[string]any{
		"Version": "2012-10-17", "Statement": []any{map[string]any{
			"Sid": "CallDestinations", "Effect": "Allow", "Action": "events:InvokeApiDestination",
			"Resource": []any{stack.Attribute("PagerDuty", "Arn"), stack.Attribute("Webhook", "Arn")},
		}},
	}}}
	if diff := cmp.Diff(want, role["Policies"]); diff != "" {
		t.Errorf("policies (-want +got)\n%s", diff)
	}
	trust, err := json.Marshal(role["AssumeRolePolicyDocument"])
	if err != nil || !strings.Contains(string(trust), `"aws:SourceAccount":"123456789012"`) ||
		!strings.Contains(string(trust), `"aws:SourceArn":"arn:aws:events:eu-west-1:123456789012:rule/*"`) {
		t.Errorf("trust %s, %v", trust, err)
	}
	connection, err := json.Marshal(stack.Resources["PagerDutyConnection"].Properties)
	if err != nil || !strings.Contains(string(connection), `"IsValueSecret":true,"Key":"routing_key",`+
		`"Value":"{{resolve:secretsmanager:`+keyARN+`:SecretString}}"`) {
		t.Errorf("connection %s, %v", connection, err)
	}
	// A key that is not resolved by CloudFormation would be in the parameters, the events of the stack and its drift.
	for name := range stack.Parameters {
		if strings.Contains(name, "Key") && !strings.HasSuffix(name, "Arn") || strings.Contains(name, "Password") {
			t.Errorf("parameter %s takes a credential", name)
		}
	}
}

// TestDeliveriesNeedDeadLetters, which CloudFormation checks before it creates anything.
func TestDeliveriesNeedDeadLetters(t *testing.T) {
	t.Parallel()
	_, stack := rules(t, nil)
	text, err := json.Marshal(stack.Section("Rules"))
	if err != nil {
		t.Fatal(err)
	}
	for _, name := range []string{
		"DeadLetterArn", "SlackChannelId", "TeamsChannelId", "PagerDutyKeySecretArn", "WebhookUrl", "WebhookSecretArn",
		"WebhookTokenUrl", "WebhookAuth",
	} {
		if !strings.Contains(string(text), `{"Ref":"`+name+`"}`) {
			t.Errorf("no rule asks for %s: %s", name, text)
		}
	}
}

// TestDiedTokenReachesOtherConsumers: the page's pattern matches the event of a token that dies, which the page shows,
// and the page's consumer gets the token's name.
func TestDiedTokenReachesOtherConsumers(t *testing.T) {
	t.Parallel()
	p := onCall(t, cloud(t))
	p.Samples.Put(p.Alarms.Describe([]string{alarmName}, "")[0].Alarm.Metric(), p.Now(), alarm.Value(0))
	advance(t, p.Cloud, 2*time.Minute)
	p.Samples.Put(p.Alarms.Describe([]string{alarmName}, "")[0].Alarm.Metric(), p.Now(), alarm.Value(1))
	advance(t, p.Cloud, 2*time.Minute)
	changes := p.Changes(alarmName)
	if len(changes) != 2 {
		t.Fatalf("changes %v", changes)
	}
	account := notify.Account{Region: p.Stack.Region, ID: p.Stack.AccountID, Partition: p.Stack.Partition}
	event, over := account.StateChange(changes[1]), account.StateChange(changes[0])
	shown(t, "json", "event", abridged(t, account.StateChange(changes[1])))
	pattern, err := notify.ParsePattern(block(t, "json", "pattern"))
	if err != nil {
		t.Fatal(err)
	}
	var example any
	if err := json.Unmarshal([]byte(block(t, "json", "event")), &example); err != nil {
		t.Fatal(err)
	}
	if !pattern.Matches(event) || !pattern.Matches(example) || pattern.Matches(over) {
		t.Error("the page's pattern does not tell the death of a token from its end")
	}
	dir := t.TempDir() + "/consumer.yaml"
	own := "Resources:\n  DiedFunction: { Type: AWS::Lambda::Function }\n  " +
		strings.ReplaceAll(block(t, "yaml", "consumer"), "\n", "\n  ")
	if err := os.WriteFile(dir, []byte(strings.TrimRight(own, " ")), 0o600); err != nil {
		t.Fatal(err)
	}
	stack, err := cfn.Load(dir, cfn.Options{})
	if err != nil {
		t.Fatal(err)
	}
	rule, err := notify.ParseRule("rule", stack.Resources["TokenDied"].Properties)
	if err != nil {
		t.Fatal(err)
	}
	sent := rule.Messages(time.Now(), event, "")
	if len(sent) != 1 || sent[0].Body != `{"token":"ExampleApi"}` || rule.Messages(time.Now(), over, "") != nil {
		t.Errorf("the consumer gets %v", sent)
	}
}

// abridged is an event for reading: without the data of its reasons, and with long texts cut off.
func abridged(t *testing.T, event map[string]any) string {
	t.Helper()
	detail, _ := event["detail"].(map[string]any)
	configuration, _ := detail["configuration"].(map[string]any)
	configuration["description"] = "Token ExampleApi is rejected or unreadable …"
	for _, name := range []string{"state", "previousState"} {
		state, _ := detail[name].(map[string]any)
		state["reason"] = "Threshold Crossed: …"
		delete(state, "reasonData")
	}
	text, err := json.MarshalIndent(event, "", "  ")
	if err != nil {
		t.Fatal(err)
	}
	return string(text)
}
