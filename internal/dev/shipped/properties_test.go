package shipped_test

import (
	"encoding/json"
	"errors"
	"fmt"
	"maps"
	"slices"
	"strings"
	"testing"

	"github.com/google/go-cmp/cmp"

	"github.com/cronbearer/cronbearer/internal/config"
	"github.com/cronbearer/cronbearer/internal/dev/cfn"
	"github.com/cronbearer/cronbearer/internal/metric"
)

// The properties of the shipped template, each with a name. What the template becomes in full is recorded in the golden
// files; what cfn-lint and SAM CLI find is left to them.

// statement is one entry of a policy, its single values made lists.
type statement struct {
	where, effect               string
	actions, resources          []string
	services                    []string
	anyone, account, conditions bool
}

// statements lists those of every policy in the stack: roles', their trust, queues', topics' and keys'.
func statements(s *cfn.Stack, types ...string) []statement {
	var found []statement
	for id, r := range s.Resources {
		if len(types) == 0 || slices.Contains(types, r.Type) {
			collect(id, r.Properties, &found)
		}
	}
	return found
}

func collect(where string, v any, into *[]statement) {
	switch v := v.(type) {
	case map[string]any:
		for key, inner := range v {
			if key == "Statement" {
				for _, one := range list(inner) {
					*into = append(*into, read(where, one))
				}
				continue
			}
			collect(where+"."+key, inner, into)
		}
	case []any:
		for _, inner := range v {
			collect(where, inner, into)
		}
	}
}

func read(where string, v any) statement {
	m, _ := v.(map[string]any)
	principal, _ := m["Principal"].(map[string]any)
	return statement{
		where: fmt.Sprintf("%s %v", where, m["Sid"]), effect: fmt.Sprint(m["Effect"]), actions: texts(m["Action"]),
		resources: texts(m["Resource"]), services: texts(principal["Service"]), anyone: m["Principal"] == "*",
		account: principal["AWS"] != nil, conditions: m["Condition"] != nil,
	}
}

func list(v any) []any {
	switch v := v.(type) {
	case nil:
		return nil
	case []any:
		return v
	default:
		return []any{v}
	}
}

func texts(v any) []string {
	var out []string
	for _, one := range list(v) {
		out = append(out, fmt.Sprint(one))
	}
	return out
}

func get(v any, path ...string) any {
	for _, key := range path {
		m, _ := v.(map[string]any)
		v = m[key]
	}
	return v
}

func TestNoPolicyAllowsWildcardActions(t *testing.T) {
	everyStack(t, func(s stack) {
		t := s.t
		for _, st := range statements(s.Stack) {
			for _, action := range st.actions {
				switch {
				case st.effect == "Deny" || !strings.Contains(action, "*"):
				case action == "kms:*" && st.account: // AWS: without it no one can change the key any more
				case action == "kms:GenerateDataKey*": // AWS's own statement for topics under a key
				default:
					t.Errorf("%s allows %s", st.where, action)
				}
			}
		}
	})
}

// TestEveryResourceIsNamed but where the action knows none, and then a condition or a Deny narrows it.
func TestEveryResourceIsNamed(t *testing.T) {
	everyStack(t, func(s stack) {
		t := s.t
		for _, st := range statements(s.Stack, "AWS::IAM::Role", "AWS::IAM::RolePolicy") {
			if slices.Contains(st.resources, "*") && st.effect == "Allow" && !st.conditions &&
				!strings.Contains(st.where, "LambdaJoinsVpc") {
				t.Errorf("%s may use every resource", st.where)
			}
		}
	})
}

func TestOnlyTheRotatorWritesSecrets(t *testing.T) {
	everyStack(t, func(s stack) {
		t := s.t
		for _, st := range statements(s.Stack) {
			for _, action := range st.actions {
				service, verb, _ := strings.Cut(action, ":")
				if service != "secretsmanager" || st.effect != "Allow" {
					continue
				}
				if !st.conditions {
					t.Errorf("%s: %s without a condition", st.where, action)
				}
				if verb != "GetSecretValue" && !strings.HasPrefix(st.where, "RotatorSecrets.") {
					t.Errorf("%s: %s", st.where, action)
				}
			}
		}
	})
}

// TestRolesTrustOneService: the functions' roles Lambda, the schedules' role Scheduler for this stack's group only.
func TestRolesTrustOneService(t *testing.T) {
	everyStack(t, func(s stack) {
		t := s.t
		want := map[string]string{
			"CallerRole": "lambda.amazonaws.com", "RotatorRole": "lambda.amazonaws.com",
			"SchedulerRole": "scheduler.amazonaws.com",
		}
		got := map[string]string{}
		for _, r := range s.OfType("AWS::IAM::Role") {
			trust := list(get(r.Properties, "AssumeRolePolicyDocument", "Statement"))
			if len(trust) != 1 {
				t.Errorf("%s trusts in %d statements", r.LogicalID, len(trust))
				continue
			}
			got[r.LogicalID] = strings.Join(read("", trust[0]).services, ",")
			if got[r.LogicalID] != "scheduler.amazonaws.com" {
				continue
			}
			condition := get(trust[0], "Condition", "StringEquals")
			group := strings.Join([]string{"arn", s.Partition, "scheduler", s.Region, s.AccountID, "schedule-group/" +
				s.Ref("ScheduleGroup")}, ":")
			if get(condition, "aws:SourceAccount") != s.AccountID || get(condition, "aws:SourceArn") != group {
				t.Errorf("%s trusts %v", r.LogicalID, condition)
			}
		}
		if diff := cmp.Diff(want, got); diff != "" {
			t.Error(diff)
		}
	})
}

func TestQueuesAndTopicsAreEncrypted(t *testing.T) {
	everyStack(t, func(s stack) {
		t := s.t
		for _, r := range s.OfType("AWS::SQS::Queue") {
			if r.Properties["SqsManagedSseEnabled"] != true && r.Properties["KmsMasterKeyId"] == nil {
				t.Errorf("%s is not encrypted", r.LogicalID)
			}
			if got := fmt.Sprint(r.Properties["MessageRetentionPeriod"]); got != "1209600" {
				t.Errorf("%s keeps messages %s seconds, not 14 days", r.LogicalID, got)
			}
		}
		// No one can let CloudWatch use alias/aws/sns: such a topic drops alarms in silence.
		for _, r := range s.OfType("AWS::SNS::Topic") {
			key := s.Resources["AlarmKey"]
			if r.Properties["KmsMasterKeyId"] != s.Ref("AlarmKey") || key.Properties["EnableKeyRotation"] != true {
				t.Errorf("%s is not encrypted under a rotated key of the stack", r.LogicalID)
			}
			for _, policy := range []string{"AlarmKey", "AlarmTopicPolicy"} {
				var publishers []string
				for _, st := range statements(&cfn.Stack{Resources: map[string]cfn.Resource{policy: s.Resources[policy]}}) {
					publishers = append(publishers, st.services...)
				}
				for _, service := range []string{"cloudwatch.amazonaws.com", "events.amazonaws.com"} {
					if !slices.Contains(publishers, service) {
						t.Errorf("%s does not let %s publish", policy, service)
					}
				}
			}
		}
	})
}

// TestQueueAndTopicPoliciesHaveOneResource: SQS rejects a policy with two, and the stack rolls back (SQS developer
// guide: "each policy must cover only a single queue").
func TestQueueAndTopicPoliciesHaveOneResource(t *testing.T) {
	everyStack(t, func(s stack) {
		t := s.t
		for _, st := range statements(s.Stack, "AWS::SQS::QueuePolicy", "AWS::SNS::TopicPolicy") {
			if len(st.resources) != 1 {
				t.Errorf("%s has the resources %v", st.where, st.resources)
			}
		}
		covered := map[string]bool{}
		for _, r := range s.OfType("AWS::SQS::QueuePolicy") {
			queues := texts(r.Properties["Queues"])
			if len(queues) != 1 {
				t.Errorf("%s covers %d queues", r.LogicalID, len(queues))
			}
			for _, queue := range queues {
				covered[queue] = true
			}
		}
		for _, r := range s.OfType("AWS::SQS::Queue") {
			if !covered[s.Ref(r.LogicalID)] {
				t.Errorf("%s has no policy", r.LogicalID)
			}
		}
	})
}

// TestDeletionPoliciesAreKnown to AWS::LanguageExtensions, which rejects RetainExceptOnCreate; and what holds data has
// one.
func TestDeletionPoliciesAreKnown(t *testing.T) {
	everyStack(t, func(s stack) {
		t := s.t
		holdsData := []string{"AWS::SQS::Queue", "AWS::Logs::LogGroup", "AWS::KMS::Key"}
		for id, r := range s.Resources {
			for _, policy := range []string{r.DeletionPolicy, r.UpdateReplacePolicy} {
				if policy == "" && slices.Contains(holdsData, r.Type) {
					t.Errorf("%s leaves it to CloudFormation what becomes of its data", id)
				} else if !slices.Contains([]string{"", "Delete", "Retain", "Snapshot"}, policy) {
					t.Errorf("%s has the policy %s", id, policy)
				}
			}
		}
	})
}

// TestSchedulesFollowEventInvokeConfig: a rate() fires at once, and Lambda's default would retry a POST twice.
func TestSchedulesFollowEventInvokeConfig(t *testing.T) {
	everyStack(t, func(s stack) {
		t := s.t
		for _, r := range s.OfType("AWS::Scheduler::Schedule") {
			if !slices.Contains(r.DependsOn, "CallerEventInvokeConfig") {
				t.Errorf("%s depends on %v", r.LogicalID, r.DependsOn)
			}
		}
	})
}

// TestDefaultValuesAreStringsOrLists: RFC 0043 of the language extensions knows no other.
func TestDefaultValuesAreStringsOrLists(t *testing.T) {
	t.Parallel()
	s := resolve(t, defaults())
	for _, section := range []string{"Conditions", "Resources", "Outputs"} {
		everyMap(section, s.Section(section), func(where string, m map[string]any) {
			switch v := m["DefaultValue"].(type) {
			case nil, string, []any, map[string]any: // a map is a function
			default:
				t.Errorf("%s: DefaultValue is %v", where, v)
			}
		})
	}
}

// everyMap calls f for every mapping below v.
func everyMap(where string, v any, f func(where string, m map[string]any)) {
	switch v := v.(type) {
	case map[string]any:
		f(where, v)
		for key, inner := range v {
			everyMap(where+"."+key, inner, f)
		}
	case []any:
		for i, inner := range v {
			everyMap(fmt.Sprintf("%s[%d]", where, i), inner, f)
		}
	}
}

// TestRulesHaveDeadLetterQueue: a notification that EventBridge could not deliver is not lost unseen.
func TestRulesHaveDeadLetterQueue(t *testing.T) {
	everyStack(t, func(s stack) {
		t := s.t
		queues, watched := map[any]string{}, map[any]bool{}
		for _, r := range s.OfType("AWS::SQS::Queue") {
			url := s.Ref(r.LogicalID)
			name := url[strings.LastIndexByte(url, '/')+1:]
			queues[strings.Join([]string{"arn", s.Partition, "sqs", s.Region, s.AccountID, name}, ":")] = name
		}
		for _, r := range s.OfType("AWS::CloudWatch::Alarm") {
			for _, d := range list(r.Properties["Dimensions"]) {
				watched[get(d, "Value")] = true
			}
		}
		for _, r := range s.OfType("AWS::Events::Rule") {
			for _, target := range list(r.Properties["Targets"]) {
				if name := queues[get(target, "DeadLetterConfig", "Arn")]; name == "" || !watched[name] {
					t.Errorf("%s has a target without a queue of the stack that an alarm watches", r.LogicalID)
				}
			}
		}
	})
}

// TestAlarmsWatchWhatIsPublished: a drift of one word makes an alarm that never fires.
func TestAlarmsWatchWhatIsPublished(t *testing.T) {
	everyStack(t, func(s stack) {
		t := s.t
		owners := map[string][]string{
			metric.TokenRejected:     {metric.DimensionStack, metric.DimensionToken},
			metric.TokenDaysToExpiry: {metric.DimensionStack, metric.DimensionToken},
			metric.Heartbeat:         {metric.DimensionStack, metric.DimensionJob},
		}
		seen := map[string]int{}
		for _, r := range s.OfType("AWS::CloudWatch::Alarm") {
			if len(list(r.Properties["AlarmActions"])) != 1 {
				t.Errorf("%s notifies no one", r.LogicalID)
			}
			if _, ok := r.Properties["Unit"]; ok {
				t.Errorf("%s has a Unit: it would never see a metric that has another", r.LogicalID)
			}
			if r.Properties["Namespace"] != s.Values["MetricNamespace"] {
				continue
			}
			name := fmt.Sprint(r.Properties["MetricName"])
			seen[name]++
			var got []string
			for _, d := range list(r.Properties["Dimensions"]) {
				got = append(got, fmt.Sprint(get(d, "Name")))
			}
			if diff := cmp.Diff(owners[name], got); diff != "" {
				t.Errorf("%s has dimensions %s", r.LogicalID, diff)
			}
		}
		tokens, jobs := len(s.Loop("Tokens")), len(s.Loop("Jobs"))
		want := map[string]int{metric.TokenRejected: tokens, metric.TokenDaysToExpiry: tokens, metric.Heartbeat: jobs}
		if diff := cmp.Diff(want, seen); diff != "" {
			t.Error(diff)
		}
		if got := *s.Parameters["MetricNamespace"].Default; got != metric.DefaultNamespace {
			t.Errorf("the default namespace is %s, in the code %s", got, metric.DefaultNamespace)
		}
	})
}

// TestFunctionsReadTheirEnvironment: no variable that they do not know, none missing, no value that they would reject.
func TestFunctionsReadTheirEnvironment(t *testing.T) {
	everyStack(t, func(s stack) {
		t := s.t
		for id, function := range map[string]struct {
			names []string
			read  func(config.LookupEnv) error
		}{
			"Caller": {
				names: []string{
					config.AlarmPrefix, config.AllowPrivateTargets, config.AllowedHosts, config.IdempotencyHeader, config.LogLevel,
					config.MetricNamespace, config.RemindAfter, config.SecretCacheTTL, config.SecretPrefix, config.StackName,
					config.LogResponses,
				},
				read: func(lookup config.LookupEnv) error { _, err := config.Read(lookup); return err },
			},
			"Rotator": {
				names: []string{
					config.AllowPrivateTargets, config.AllowedHosts, config.LogLevel, config.LogResponses, config.MetricNamespace,
					config.SecretPrefix, config.StackName,
				},
				read: func(lookup config.LookupEnv) error {
					_, metrics, err := config.ReadRotator(lookup)
					return errors.Join(metrics, err)
				},
			},
		} {
			variables, _ := get(s.Resources[id].Properties, "Environment", "Variables").(map[string]any)
			if diff := cmp.Diff(slices.Sorted(slices.Values(function.names)), slices.Sorted(maps.Keys(variables))); diff != "" {
				t.Errorf("%s: %s", id, diff)
			}
			err := function.read(func(name string) (string, bool) {
				switch name {
				case "AWS_REGION":
					return s.Region, true
				case "AWS_LAMBDA_INITIALIZATION_TYPE":
					return "on-demand", true
				}
				value, ok := variables[name].(string)
				return value, ok
			})
			if err != nil {
				t.Errorf("%s would reject its environment: %v", id, err)
			}
		}
	})
}

// TestTwoStacksShareNoName in one account and Region.
func TestTwoStacksShareNoName(t *testing.T) {
	t.Parallel()
	names := map[string]string{}
	for _, stack := range []string{"first", "second"} {
		o := defaults()
		o.StackName = stack
		s := resolve(t, o)
		for id, r := range s.Resources {
			name := r.Type + " " + s.Ref(id)
			if other, twice := names[name]; twice {
				t.Errorf("%s and %s of a second stack are both %s", other, id, name)
			}
			names[name] = id
			if given, ok := r.Properties[cfn.NameProperty(r.Type)].(string); ok && !strings.HasPrefix(given, stack+"-") {
				t.Errorf("%s has the fixed name %s", id, given)
			}
		}
	}
}

// TestMessagesOfRulesAreObjects: a filter by message body drops anything else.
func TestMessagesOfRulesAreObjects(t *testing.T) {
	everyStack(t, func(s stack) {
		t := s.t
		for _, r := range s.OfType("AWS::Events::Rule") {
			for _, target := range list(r.Properties["Targets"]) {
				template, _ := get(target, "InputTransformer", "InputTemplate").(string)
				var message struct{ Summary string }
				if err := json.Unmarshal([]byte(template), &message); err != nil || message.Summary == "" {
					t.Errorf("%s: its message is not a JSON object with a Summary: %v", r.LogicalID, err)
				}
				names, _ := get(target, "InputTransformer", "InputPathsMap").(map[string]any)
				for name := range names {
					if !strings.Contains(template, "<"+name+">") {
						t.Errorf("%s: its message does not use <%s>", r.LogicalID, name)
					}
				}
			}
		}
	})
}

// TestLoopsHoldNoConditions: a key Condition in a loop is read as a function (cfn-language-discussion#156).
func TestLoopsHoldNoConditions(t *testing.T) {
	t.Parallel()
	s := resolve(t, defaults())
	for id, resource := range s.Section("Resources") {
		inLoop := false
		for _, prefix := range []string{"TokenRejected", "TokenExpiring", "Job", "Silent"} {
			name, ok := strings.CutPrefix(id, prefix)
			inLoop = inLoop || ok && (slices.Contains(s.Loop("Tokens"), name) || slices.Contains(s.Loop("Jobs"), name))
		}
		if !inLoop {
			continue
		}
		everyMap(id, resource, func(where string, m map[string]any) {
			if _, ok := m["Condition"]; ok {
				t.Errorf("%s has a Condition", where)
			}
		})
	}
}
