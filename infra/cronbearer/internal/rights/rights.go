// Package rights is the one table of what each command of the operator's tool may do in an account. From it come the
// policy that `cronbearer rights` prints, the three managed policies of infra/operator.yaml, and what the simulated
// account allows a command. No permission reads a stored secret.
package rights

import (
	"cmp"
	"maps"
	"slices"
	"strings"
)

// A Level is one of the three policies. Each contains the ones before it.
type Level int

// The levels.
const (
	Look Level = iota
	Operate
	KeepTokens
	// Apart is in none of the three policies, which are about one stack: other stacks, and what import reads.
	Apart
)

// A Permission is one action on some resources, with the commands that need it.
type Permission struct {
	Level     Level
	Action    string
	Resources []string // ARNs with ${AWS::Partition}, ${AWS::Region}, ${AWS::AccountId} and ${StackName}
	Condition map[string]map[string]any
	Commands  []string
}

const arn = "arn:${AWS::Partition}:"

// in returns the ARN of a resource of the account and Region.
func in(service, resource string) string {
	return arn + service + ":${AWS::Region}:${AWS::AccountId}:" + resource
}

// Where a service does not narrow an action to resources (Service Authorization Reference).
var anything = []string{"*"}

var (
	stack     = []string{in("cloudformation", "stack/${StackName}/*")}
	alarms    = []string{in("cloudwatch", "alarm:${StackName}-*")}
	schedules = []string{in("scheduler", "schedule/${StackName}-*/*")}
	queues    = []string{in("sqs", "${StackName}-*")}
	topics    = []string{in("sns", "${StackName}-*")}
	logGroups = []string{in("logs", "log-group:${StackName}-*")}
	functions = []string{in("lambda", "function:${StackName}-*")}
	secrets   = []string{in("secretsmanager", "secret:${StackName}/*")}
	keys      = []string{in("kms", "key/*")}

	eventRules       = []string{in("events", "rule/*")}
	eventConnections = []string{in("events", "connection/*")}
)

// The commands that read the stack first: all of them.
var all = []string{
	"status", "runs", "run", "backfill", "failed", "resend", "drop", "pause", "resume", "drill",
	"token set", "token show", "token rotate", "token users",
}

// AllStacks is how the table names status with --all-stacks: it needs what status needs, for every stack.
const AllStacks = "status --all-stacks"

// everyStack are the commands that look at every stack of the account. Their policies are about any name.
var everyStack = []string{AllStacks, "token users"}

// StackOf returns the stack that the policy of a command is about: any for the commands that look at every stack.
func StackOf(command, stack string) string {
	if slices.Contains(everyStack, command) {
		return "*"
	}
	return stack
}

// Table returns the permissions.
func Table() []Permission {
	return []Permission{
		// Any principal may call it, so it is in no policy (STS API Reference).
		{Level: Look, Action: "cloudformation:DescribeStacks", Resources: stack, Commands: all},
		{Level: Look, Action: "cloudformation:ListStackResources", Resources: stack, Commands: all},
		// DescribeStacks without a name (CloudFormation API Reference).
		{Level: Apart, Action: "cloudformation:ListStacks", Resources: anything, Commands: everyStack},

		{Level: Look, Action: "cloudwatch:DescribeAlarms", Resources: anything, Commands: []string{
			"status", "pause", "token set", "token show", "token rotate", "drill",
		}},
		{Level: Look, Action: "cloudwatch:DescribeAlarmHistory", Resources: anything, Commands: []string{"drill"}},
		{Level: Look, Action: "cloudwatch:GetMetricData", Resources: anything, Commands: []string{"status"}},
		{Level: Look, Action: "cloudwatch:ListAlarmMuteRules", Resources: anything, Commands: []string{"drill"}},
		{Level: Look, Action: "scheduler:GetSchedule", Resources: schedules, Commands: []string{
			"status", "run", "backfill", "pause", "resume", "token set", "token show", "token rotate", "token users",
		}},
		{Level: Look, Action: "secretsmanager:DescribeSecret", Resources: secrets, Commands: []string{
			"status", "token set", "token show", "token rotate",
		}},
		{Level: Look, Action: "secretsmanager:ListSecretVersionIds", Resources: secrets, Commands: []string{
			"status", "token set", "token show", "token rotate",
		}},
		{Level: Look, Action: "logs:StartQuery", Resources: logGroups, Commands: []string{"status"}},
		{Level: Look, Action: "logs:GetQueryResults", Resources: anything, Commands: []string{"status"}},
		{Level: Look, Action: "logs:FilterLogEvents", Resources: logGroups, Commands: []string{"runs"}},
		{Level: Look, Action: "sqs:GetQueueAttributes", Resources: queues, Commands: []string{"status"}},
		{Level: Look, Action: "sqs:ReceiveMessage", Resources: queues, Commands: []string{"failed", "resend", "drop"}},
		{Level: Look, Action: "sqs:ChangeMessageVisibility", Resources: queues, Commands: []string{
			"failed", "resend", "drop",
		}},
		{Level: Look, Action: "sns:GetTopicAttributes", Resources: topics, Commands: []string{"drill"}},
		{Level: Look, Action: "sns:ListSubscriptionsByTopic", Resources: topics, Commands: []string{"status", "drill"}},
		{Level: Look, Action: "sns:ListTagsForResource", Resources: topics, Commands: []string{"status", "drill"}},
		{Level: Look, Action: "kms:DescribeKey", Resources: keys, Commands: []string{"drill"}},
		{Level: Look, Action: "kms:GetKeyPolicy", Resources: keys, Commands: []string{"drill"}},

		{Level: Operate, Action: "lambda:InvokeFunction", Resources: functions, Commands: []string{
			"run", "backfill", "resend", "token set", "token show",
		}},
		{Level: Operate, Action: "scheduler:UpdateSchedule", Resources: schedules, Commands: []string{"pause", "resume"}},
		{
			Level: Operate, Action: "iam:PassRole", Resources: []string{arn + "iam::${AWS::AccountId}:role/${StackName}-*"},
			Condition: map[string]map[string]any{
				"StringEquals": {"iam:PassedToService": "scheduler.amazonaws.com"},
			},
			Commands: []string{"pause", "resume"},
		},
		{Level: Operate, Action: "sqs:DeleteMessage", Resources: queues, Commands: []string{"resend", "drop"}},
		{Level: Operate, Action: "cloudwatch:SetAlarmState", Resources: alarms, Commands: []string{"drill"}},
		{
			Level: Operate, Action: "cloudwatch:PutAlarmMuteRule",
			Resources: append([]string{in("cloudwatch", "alarm-mute-rule:${StackName}-*")}, alarms...),
			Commands:  []string{"pause"},
		},
		{
			Level: Operate, Action: "cloudwatch:DeleteAlarmMuteRule",
			Resources: []string{in("cloudwatch", "alarm-mute-rule:${StackName}-*")}, Commands: []string{"resume"},
		},
		{Level: Operate, Action: "sns:TagResource", Resources: topics, Commands: []string{"drill"}},

		// import eventbridge, without a file.
		{Level: Apart, Action: "events:ListRules", Resources: anything, Commands: []string{"import"}},
		{Level: Apart, Action: "events:ListTargetsByRule", Resources: eventRules, Commands: []string{"import"}},
		{Level: Apart, Action: "events:ListApiDestinations", Resources: anything, Commands: []string{"import"}},
		{Level: Apart, Action: "events:ListConnections", Resources: anything, Commands: []string{"import"}},
		{Level: Apart, Action: "events:DescribeConnection", Resources: eventConnections, Commands: []string{"import"}},

		{Level: KeepTokens, Action: "secretsmanager:CreateSecret", Resources: secrets, Commands: []string{"token set"}},
		{Level: KeepTokens, Action: "secretsmanager:PutSecretValue", Resources: secrets, Commands: []string{"token set"}},
		{Level: KeepTokens, Action: "secretsmanager:RotateSecret", Resources: secrets, Commands: []string{"token rotate"}},
	}
}

// Of returns the permissions that a command needs.
func Of(command string) []Permission {
	one := strings.TrimSuffix(command, " --all-stacks")
	return slices.DeleteFunc(Table(), func(p Permission) bool {
		return !slices.Contains(p.Commands, command) && !slices.Contains(p.Commands, one)
	})
}

// UpTo returns the permissions of a level and those below it.
func UpTo(level Level) []Permission {
	return slices.DeleteFunc(Table(), func(p Permission) bool { return p.Level > level })
}

// A Document is an IAM policy.
type Document struct {
	Version   string
	Statement []Statement
}

// A Statement of a Document.
type Statement struct {
	Effect    string
	Action    []string
	Resource  []string
	Condition map[string]map[string]any `json:",omitempty"`
}

// Policy returns the permissions as an IAM policy, one statement for each set of resources. values replaces the
// variables of the ARNs: "StackName", "AWS::Region" and so on; without a value a variable stays.
func Policy(permissions []Permission, values map[string]string) Document {
	var pairs []string
	for _, name := range slices.Sorted(maps.Keys(values)) {
		pairs = append(pairs, "${"+name+"}", values[name])
	}
	fill := strings.NewReplacer(pairs...)
	d := Document{Version: "2012-10-17"}
	byResource := map[string]int{}
	for _, p := range permissions {
		key := strings.Join(p.Resources, " ")
		if i, ok := byResource[key]; ok && p.Condition == nil {
			d.Statement[i].Action = append(d.Statement[i].Action, p.Action)
			continue
		}
		s := Statement{Effect: "Allow", Action: []string{p.Action}, Condition: p.Condition}
		for _, r := range p.Resources {
			s.Resource = append(s.Resource, fill.Replace(r))
		}
		if p.Condition == nil {
			byResource[key] = len(d.Statement)
		}
		d.Statement = append(d.Statement, s)
	}
	for i := range d.Statement {
		slices.Sort(d.Statement[i].Action)
	}
	slices.SortStableFunc(d.Statement, func(a, b Statement) int { return cmp.Compare(a.Action[0], b.Action[0]) })
	return d
}
