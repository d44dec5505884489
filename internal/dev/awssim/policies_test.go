package awssim_test

import (
	"errors"
	"fmt"
	"maps"
	"net/http"
	"path/filepath"
	"regexp"
	"slices"
	"strings"
	"testing"
	"time"

	"github.com/cronbearer/cronbearer/internal/dev/awssim"
	"github.com/cronbearer/cronbearer/internal/dev/awssim/awssimtest"
	"github.com/cronbearer/cronbearer/internal/dev/awssim/iam"
	"github.com/cronbearer/cronbearer/internal/dev/awssim/secretsmanager"
	"github.com/cronbearer/cronbearer/internal/dev/awssim/sqs"
	"github.com/cronbearer/cronbearer/internal/dev/cfn"
)

// A secret that another application has too.
const shared = "shared/token"

// What the templates grant that nothing here uses, with the reason. One that is used, or that is gone, fails the test.
var unusedHere = map[string]string{
	"CallerRole LambdaJoinsVpc":   "Lambda's service makes the network interfaces; the simulator has no network of AWS's",
	"RotatorRole LambdaJoinsVpc":  "as for the caller",
	"CallerRole CodeDoesNot":      "takes LambdaJoinsVpc from the function's own code, which never asks",
	"RotatorRole CodeDoesNot":     "as for the caller",
	"AlarmKey AccountAdministers": "KMS rejects a key that no one may administer (PutKeyPolicy, lockout safety check)",
	"ChatRole ReadMetrics":        "Amazon Q Developer draws an alarm's graph with it",
	"ChatRole:trust ":             "Amazon Q Developer assumes it",
}

// TestPoliciesGrantWhatIsUsedAndNoMore deploys the three templates with every option, lets the real binaries do
// everything that they do, and holds each part of each policy (an action, a resource, a principal, a value of a
// condition) against the questions that the policies were asked: without the part one of them has another answer.
// And no question was answered with a denial. What the operator's tool may do is held by its scripts.
func TestPoliciesGrantWhatIsUsedAndNoMore(t *testing.T) {
	t.Parallel()
	r := startRenewal(t, awssim.Options{
		Deadline: 6 * time.Second,
		Parameters: map[string]string{
			"ExtraSecretArns": arnOf(t, shared), "SecretsKeyArn": "arn:aws:kms:eu-west-1:123456789012:key/0a1b2c3d",
			"IdentityAudiences": audience, "VpcSubnetIds": "subnet-0a1b2c3d", "VpcSecurityGroupIds": "sg-0a1b2c3d",
			"RemindAfter": "20h",
		},
	})
	stacks := []*cfn.Stack{r.Stack, r.addRotation(), r.addPeople()}
	r.work()
	for _, d := range r.Decisions() {
		// A resource need not allow a role of its account, whose own policy does.
		if d.Verdict == iam.Denied || d.Verdict == iam.Silent && !strings.HasPrefix(d.Principal, "arn:") {
			t.Errorf("used, not granted: %+v", d)
		}
	}
	r.loseMessages()

	asked := append(r.Decisions(), withoutTLS(r)...)
	used := map[string]bool{}
	for name, policy := range r.Policies() {
		for part, without := range policy.Parts() {
			where := logical(name, stacks)
			sid, _, _ := strings.Cut(part, ": ")
			reason := unusedHere[where+" "+sid]
			needed := slices.ContainsFunc(asked, func(d iam.Decision) bool {
				return d.Policy == name && without.Answer(d.Question) != d.Verdict
			})
			switch {
			case !needed && reason == "":
				t.Errorf("granted, not used: %s %s", where, part)
			case needed && reason != "":
				t.Errorf("no exception any more, as it is used: %s %s", where, part)
			}
			used[where+" "+sid] = true
		}
	}
	for exception := range unusedHere {
		if !used[exception] {
			t.Errorf("no policy has %s any more", exception)
		}
	}
}

// arnOf returns the ARN that a secret of the account will have.
func arnOf(t *testing.T, name string) string {
	t.Helper()
	store := secretsmanager.NewStore(secretsmanager.Config{
		Region: "eu-west-1", AccountID: "123456789012", Partition: "aws",
	})
	_, err := store.Put(name, first)
	must(t, err)
	found, _ := store.Secret(name)
	return found.ARN
}

// logical returns a policy's name with the id that a template has for its owner: CallerRole:trust.
func logical(name string, stacks []*cfn.Stack) string {
	owner := regexp.MustCompile(`[^:/]+(:trust)?$`).FindString(name)
	owner, isTrust := strings.CutSuffix(owner, ":trust")
	for _, s := range stacks {
		for id := range s.Resources {
			if ref := s.Ref(id); ref == owner || strings.HasSuffix(ref, "/"+owner) || strings.HasSuffix(ref, ":"+owner) {
				owner = id
			}
		}
	}
	if isTrust {
		owner += ":trust"
	}
	return owner
}

func (r *renewal) addRotation() *cfn.Stack {
	r.t.Helper()
	stack, err := r.AddRotation(filepath.Join(awssimtest.Root(), "infra", "rotation.yaml"), secret, "rate(30 minutes)")
	must(r.t, err)
	return stack
}

func (r *renewal) addPeople() *cfn.Stack {
	r.t.Helper()
	for name, value := range map[string]string{"pager-key": strings.Repeat("0", 32), "webhook": `{"value":"key"}`} {
		_, err := r.Secrets.Put(name, value)
		must(r.t, err)
	}
	for _, called := range []string{"events.pagerduty.com", "hooks.example.com"} {
		must(r.t, r.Host(called, http.NotFoundHandler()))
	}
	stack, err := r.AddStack(filepath.Join(awssimtest.Root(), "infra", "notifications.yaml"), "people", map[string]string{
		"StackName": r.Stack.StackName, "TopicArn": r.Stack.Ref("AlarmTopic"),
		"DeadLetterArn":    fmt.Sprint(r.Stack.Outputs["DeadLettersArn"]),
		"SlackWorkspaceId": "T0123ABCD", "SlackChannelId": "C0123ABCD",
		"PagerDutyKeySecretArn": arnOf(r.t, "pager-key"),
		"WebhookUrl":            "https://hooks.example.com/alarms", "WebhookSecretArn": arnOf(r.t, "webhook"),
	})
	must(r.t, err)
	return stack
}

// work has the binaries do everything that they do, each thing once at least.
func (r *renewal) work() {
	r.t.Helper()
	r.pass(3 * time.Hour) // scheduled runs, renewals
	r.giveUpRenewal()

	// A rejected token, of this stack and of another's: the stages of the rotation window.
	for _, id := range []string{r.SecretID("plain"), shared} {
		for _, value := range []string{first, second} {
			_, err := r.Secrets.Put(id, value)
			must(r.t, err)
		}
		_, err := r.Secrets.PutStaged(id, third, secretsmanager.Pending)
		must(r.t, err)
	}
	extra, _ := r.Secrets.Secret(shared)
	reject := event(map[string]any{"secret": "plain"})
	must(r.t, r.InvokeAsync(r.t.Context(), "Caller", reject)) // it fails, and is kept
	_, err := r.Invoke(r.t.Context(), "Caller", event(map[string]any{"secret": extra.ARN}))
	must(r.t, err)

	_, err = r.EnableFederation()
	must(r.t, err)
	_, err = r.PutSecret("identity", identitySecret(""))
	must(r.t, err)
	_, err = r.Invoke(r.t.Context(), "Caller", event(map[string]any{"secret": "identity"}))
	must(r.t, err)

	// Silence for more than a day: a reminder of the rejected token, and the end of the silence. Then starts that are
	// lost, of the jobs and of the rotation.
	r.PauseStarts(true)
	r.pass(26 * time.Hour)
	must(r.t, r.InvokeAsync(r.t.Context(), "Caller", reject))
	r.PauseStarts(false)
	r.pass(2 * time.Hour)
	r.FailStarts(errors.New("TooManyRequestsException: Rate exceeded"), 12)
	r.pass(2 * time.Hour)
}

// giveUpRenewal makes the rotator abandon a rotation, as the credential is replaced meanwhile.
func (r *renewal) giveUpRenewal() {
	r.t.Helper()
	r.PauseStarts(true)
	r.broken.Store(true)
	if err := r.rotate(); err == nil {
		r.t.Fatal("the API is down, and the rotation was finished")
	}
	r.broken.Store(false)
	r.logIn(nil)
	if err := r.rotate(); err == nil {
		r.t.Fatal("the credential is another one, and the rotation was finished")
	}
	r.PauseStarts(false)
}

// loseMessages has EventBridge's rules find a topic that takes nothing.
func (r *renewal) loseMessages() {
	r.t.Helper()
	restore := r.Topic(r.Stack.Ref("AlarmTopic")).SetPolicy(iam.Resource{})
	r.PauseStarts(true)
	r.pass(13 * time.Hour)
	r.PauseStarts(false)
	r.pass(2 * time.Hour)
	restore()
	kept := r.Queue("DeadLetters").Messages()
	if !slices.ContainsFunc(kept, func(m sqs.Message) bool { return m.Attributes["RULE_ARN"] != "" }) {
		r.t.Errorf("a message that could not be delivered is not kept: %v", kept)
	}
}

// withoutTLS are the questions that the policies which deny them exist for.
func withoutTLS(r *renewal) []iam.Decision {
	var list []iam.Decision
	for _, d := range r.Decisions() {
		if d.Action != "sqs:SendMessage" && d.Action != "sns:Publish" {
			continue
		}
		d.Policy, d.Context = d.Resource, maps.Clone(d.Context)
		if d.Context == nil {
			d.Context = iam.Context{}
		}
		d.Context["aws:securetransport"] = []string{"false"}
		if d.Verdict = r.Policies()[d.Policy].Answer(d.Question); d.Verdict != iam.Denied {
			r.t.Errorf("without TLS: %+v", d)
		}
		list = append(list, d)
	}
	return list
}
