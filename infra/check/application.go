package check

import (
	"encoding/json"
	"fmt"
	"maps"
	"reflect"
	"slices"
	"strings"
	"time"

	"github.com/cronbearer/cronbearer/infra/cfn"
	"github.com/cronbearer/cronbearer/internal/metric"
	"github.com/cronbearer/cronbearer/internal/settings"
)

// CloudFormation's quotas (user guide).
const (
	maxResources = 500
	maxRows      = 200
	maxTemplate  = 1_000_000 // bytes, from S3
)

// fourteenDays is the longest that SQS keeps a message.
const fourteenDays = 1209600

// text checks the template as it is written.
func (c *checker) text(data []byte) {
	if strings.Contains(string(data), "arn:aws:") {
		c.add("template", "it holds arn:aws:, which is wrong in other partitions: write ${AWS::Partition}")
	}
	if len(data) > maxTemplate {
		c.add("template", "it has %d bytes; CloudFormation takes %d", len(data), maxTemplate)
	}
	for name, rows := range c.stack.Mappings {
		if len(rows) > maxRows {
			c.add("Mappings."+name, "it has %d blocks; CloudFormation takes %d: deploy the rest as a second stack", len(rows), maxRows)
		}
	}
	if n := len(c.stack.Resources); n > maxResources {
		c.add("template", "it makes %d resources; CloudFormation takes %d: deploy some jobs as a second stack", n, maxResources)
	}
	// The limit is also that of the processed template, whose loops and maps are resolved.
	if processed := len(show(c.stack.Resources)) + len(show(c.stack.Mappings)); processed > maxTemplate {
		c.add("template", "it has about %d bytes once its loops are expanded; CloudFormation takes %d: deploy some jobs as a second stack", processed, maxTemplate)
	}
	walk("Resources", c.stack.Section("Resources"), func(where, value string) {
		if strings.Contains(value, "{{resolve:") {
			c.add(where, "it holds {{resolve:, which CloudFormation would replace by a secret's value")
		}
	})
}

// walk calls f for every text in v.
func walk(where string, v any, f func(where, value string)) {
	switch v := v.(type) {
	case map[string]any:
		for _, key := range slices.Sorted(maps.Keys(v)) {
			walk(where+"."+key, v[key], f)
		}
	case []any:
		for i, inner := range v {
			walk(fmt.Sprintf("%s[%d]", where, i), inner, f)
		}
	case string:
		f(where, v)
	}
}

// application checks all that the user does not edit.
func (c *checker) application() {
	c.alarms()
	c.functions()
	c.roles()
	c.schedules()
	c.queues()
	c.topics()
	c.fixed()
	c.keeping()
}

const functionType = "AWS::Serverless::Function"

func (c *checker) functions() {
	c.function("Caller", longestRun, map[string]any{"OnFailure": map[string]any{"Destination": c.arn("sqs", "", "FailedRuns")}})
	c.environment(at(c.stack.Resources["Caller"].Properties, "Environment", "Variables"))
	c.function("Rotator", longestRotation, nil)
	c.rotatorEnvironment(at(c.stack.Resources["Rotator"].Properties, "Environment", "Variables"))
	permissions := c.stack.OfType("AWS::Lambda::Permission")
	if len(permissions) != 1 {
		c.add("SecretsManagerRunsRotator", "must be the one permission to invoke a function")
		return
	}
	c.same(permissions[0].LogicalID, permissions[0].Properties, map[string]any{
		"FunctionName": c.stack.Ref("Rotator"), "Action": "lambda:InvokeFunction", "Principal": "secretsmanager.amazonaws.com",
		"SourceAccount": c.stack.AccountID,
	})
}

// function holds what both functions have in common against what it must be.
func (c *checker) function(id string, timeout time.Duration, onFailure map[string]any) {
	f := c.stack.Resources[id]
	if f.Type != functionType || at(f.Metadata, "BuildMethod") != "makefile" {
		c.add(id, "must be a function that make builds")
		return
	}
	invoke := map[string]any{
		"FunctionName": c.stack.Ref(id), "Qualifier": "$LATEST", "MaximumRetryAttempts": 0.0, "MaximumEventAgeInSeconds": delivery.Seconds(),
	}
	if onFailure != nil {
		invoke["DestinationConfig"] = onFailure
	}
	c.same(id+"EventInvokeConfig", c.stack.Resources[id+"EventInvokeConfig"].Properties, invoke)
	for key, want := range map[string]any{
		"CodeUri": ".", "Handler": "bootstrap", "Runtime": "provided.al2023", "Architectures": []any{"arm64"},
		"Timeout": timeout.Seconds(), "Role": c.arn("iam", "role/", id+"Role"), "Policies": nil, "VpcConfig": c.vpc(),
		"LoggingConfig": map[string]any{
			"LogFormat": "JSON", "ApplicationLogLevel": "DEBUG", "SystemLogLevel": "INFO", "LogGroup": c.stack.Ref(id + "Logs"),
		},
	} {
		c.sameValue(id, key, f.Properties[key], want)
	}
	if numberAt(c.stack.Resources[id+"Logs"].Properties, "RetentionInDays") == 0 {
		c.add(id+"Logs", "keeps logs for ever")
	}
}

func (c *checker) vpc() any {
	subnets, groups := c.list("VpcSubnetIds"), c.list("VpcSecurityGroupIds")
	if len(subnets)+len(groups) == 0 {
		return nil
	}
	return map[string]any{"SubnetIds": subnets, "SecurityGroupIds": groups}
}

// list is the value of a CommaDelimitedList parameter.
func (c *checker) list(parameter string) []any {
	var list []any
	for item := range strings.SplitSeq(c.stack.Values[parameter], ",") {
		if item = strings.TrimSpace(item); item != "" {
			list = append(list, item)
		}
	}
	return list
}

// environment lets the caller read its variables, and misses none and finds none too many.
func (c *checker) environment(v any) {
	variables, _ := v.(map[string]any)
	want := map[string]any{
		settings.MetricNamespace:     c.stack.Values["MetricNamespace"],
		settings.StackName:           c.stack.StackName,
		settings.SecretPrefix:        c.stack.StackName + "/",
		settings.AllowedHosts:        c.stack.Values[allowedHosts],
		settings.SecretCacheTTL:      c.stack.Values["SecretCacheTtl"],
		settings.IdempotencyHeader:   c.stack.Values["IdempotencyHeader"],
		settings.AllowPrivateTargets: fmt.Sprint(c.vpc() != nil),
		settings.RemindAfter:         c.stack.Values["RemindAfter"],
		settings.AlarmPrefix:         c.stack.StackName + "-TokenRejected-",
		settings.LogLevel:            c.stack.Values["LogLevel"],
		settings.LogResponses:        c.stack.Values["LogResponses"],
	}
	c.same("Caller Environment", variables, want)
	c.accepted("Caller Environment", variables, func(lookup settings.LookupEnv) error { _, err := settings.Read(lookup); return err })
	c.sameValue("parameter MetricNamespace", "Default", *c.stack.Parameters["MetricNamespace"].Default, metric.DefaultNamespace)
}

func (c *checker) rotatorEnvironment(v any) {
	variables, _ := v.(map[string]any)
	c.same("Rotator Environment", variables, map[string]any{
		settings.MetricNamespace:     c.stack.Values["MetricNamespace"],
		settings.StackName:           c.stack.StackName,
		settings.SecretPrefix:        c.stack.StackName + "/",
		settings.AllowedHosts:        c.stack.Values[allowedHosts],
		settings.AllowPrivateTargets: fmt.Sprint(c.vpc() != nil),
		settings.LogLevel:            c.stack.Values["LogLevel"],
		settings.LogResponses:        c.stack.Values["LogResponses"],
	})
	c.accepted("Rotator Environment", variables, func(lookup settings.LookupEnv) error { _, _, err := settings.ReadRotator(lookup); return err })
}

// accepted lets a function read its variables as it does at run time.
func (c *checker) accepted(where string, variables map[string]any, read func(settings.LookupEnv) error) {
	err := read(func(name string) (string, bool) {
		switch name {
		case "AWS_REGION":
			return c.stack.Region, true
		case "AWS_LAMBDA_INITIALIZATION_TYPE":
			return "on-demand", true
		}
		value, ok := variables[name].(string)
		return value, ok
	})
	if err != nil {
		c.add(where, "the function would refuse it: %v", err)
	}
}

func (c *checker) schedules() {
	for _, r := range c.stack.OfType("AWS::Scheduler::Schedule") {
		c.sameValue(r.LogicalID, "GroupName", r.Properties["GroupName"], c.stack.Ref("ScheduleGroup"))
		if !slices.Contains(r.DependsOn, "CallerEventInvokeConfig") {
			c.add(r.LogicalID, "must be created after CallerEventInvokeConfig (DependsOn): a rate() starts at once")
		}
		target, _ := r.Properties["Target"].(map[string]any)
		c.same(r.LogicalID+" Target", target, map[string]any{
			"Arn": c.arn("lambda", "function:", "Caller"), "RoleArn": c.arn("iam", "role/", "SchedulerRole"), "Input": target["Input"],
			"RetryPolicy":      map[string]any{"MaximumRetryAttempts": 3.0, "MaximumEventAgeInSeconds": delivery.Seconds()},
			"DeadLetterConfig": map[string]any{"Arn": c.arn("sqs", "", "DeadLetters")},
		})
	}
}

func (c *checker) queues() {
	for _, r := range c.stack.OfType("AWS::SQS::Queue") {
		if r.Properties["SqsManagedSseEnabled"] != true && r.Properties["KmsMasterKeyId"] == nil {
			c.add(r.LogicalID, "the queue is not encrypted")
		}
		c.sameValue(r.LogicalID, "MessageRetentionPeriod", r.Properties["MessageRetentionPeriod"], float64(fourteenDays))
	}
	for _, queue := range []string{"FailedRuns", "DeadLetters"} {
		arn := c.arn("sqs", "", queue)
		want := []any{statement("Deny", "*", "sqs:*", arn, withoutTLS())}
		if queue == "DeadLetters" {
			want = append(want, statement("Allow", map[string]any{"Service": "events.amazonaws.com"}, "sqs:SendMessage", arn, map[string]any{
				"ArnLike": map[string]any{"aws:SourceArn": c.prefix("events", "rule/*")},
			}))
		}
		c.statements(queue+"Policy", at(c.stack.Resources[queue+"Policy"].Properties, "PolicyDocument"), want)
	}
	c.resourcePolicies()
}

// resourcePolicies: "Each policy must cover only a single queue", and SQS takes one resource a statement (SQS Developer
// Guide, "Special information for Amazon SQS policies"); what it refuses rolls the stack back.
func (c *checker) resourcePolicies() {
	for kind, list := range map[string]string{"AWS::SQS::QueuePolicy": "Queues", "AWS::SNS::TopicPolicy": "Topics"} {
		for _, r := range c.stack.OfType(kind) {
			if n := len(listAt(r.Properties, list)); n != 1 {
				c.add(r.LogicalID, "%s has %d entries; one policy covers one", list, n)
			}
			for _, s := range listAt(r.Properties, "PolicyDocument", "Statement") {
				if _, ok := at(s, "Resource").(string); !ok {
					c.add(r.LogicalID, "each statement must have one Resource, and %s is not one", show(at(s, "Resource")))
				}
			}
		}
	}
}

// topics checks that what is published arrives: CloudWatch and EventBridge may
// use the key and the topic, and the mail's filter drops only first OKs and
// the to and fro of a silence.
func (c *checker) topics() {
	for _, r := range c.stack.OfType("AWS::SNS::Topic") {
		key := c.stack.Resources["AlarmKey"]
		if r.Properties["KmsMasterKeyId"] != c.stack.Ref("AlarmKey") || key.Type != "AWS::KMS::Key" {
			c.add(r.LogicalID, "the topic is not encrypted with the stack's own key")
			continue
		}
		c.sameValue("AlarmKey", "EnableKeyRotation", key.Properties["EnableKeyRotation"], true)
		c.statements("AlarmKey", at(key.Properties, "KeyPolicy"), []any{
			statement("Allow", map[string]any{"AWS": "arn:" + c.stack.Partition + ":iam::" + c.stack.AccountID + ":root"}, "kms:*", "*", nil),
			statement("Allow", map[string]any{"Service": []any{"cloudwatch.amazonaws.com", "events.amazonaws.com"}}, []any{"kms:Decrypt", "kms:GenerateDataKey*"}, "*", nil),
		})
		topic := c.stack.Ref(r.LogicalID)
		c.statements("AlarmTopicPolicy", at(c.stack.Resources["AlarmTopicPolicy"].Properties, "PolicyDocument"), []any{
			statement("Allow", map[string]any{"Service": "cloudwatch.amazonaws.com"}, "sns:Publish", topic, map[string]any{
				"StringEquals": map[string]any{"aws:SourceAccount": c.stack.AccountID},
				"ArnLike":      map[string]any{"aws:SourceArn": c.prefix("cloudwatch", "alarm:") + c.stack.StackName + "-*"},
			}),
			statement("Allow", map[string]any{"Service": "events.amazonaws.com"}, "sns:Publish", topic, nil),
			statement("Deny", "*", "sns:Publish", topic, withoutTLS()),
		})
	}
	for _, r := range c.stack.OfType("AWS::SNS::Subscription") {
		c.same(r.LogicalID, r.Properties, map[string]any{
			"TopicArn": c.topic()[0], "Protocol": "email", "Endpoint": c.stack.Values["AlarmEmail"], "FilterPolicyScope": "MessageBody",
			"FilterPolicy": map[string]any{"$or": []any{
				map[string]any{
					"NewStateValue": []any{"ALARM"},
					"AlarmName":     []any{map[string]any{"anything-but": map[string]any{"prefix": c.stack.StackName + "-Silent-"}}},
				},
				map[string]any{"NewStateValue": []any{"OK"}, "OldStateValue": []any{"ALARM"}},
				map[string]any{"OldStateValue": []any{"OK"}},
				map[string]any{"Summary": []any{map[string]any{"exists": true}}},
			}},
		})
	}
	c.silences()
}

const (
	// initialReason is the reason of the state that CloudWatch gives a new alarm.
	initialReason = "Unchecked: Initial alarm creation"
	// unknownReason is how the reason of every other INSUFFICIENT_DATA begins.
	unknownReason = "Insufficient Data"
)

// silences checks the two messages that no alarm's own message can be told from.
func (c *checker) silences() {
	anythingBut := func(prefix string) []any {
		return []any{map[string]any{"anything-but": map[string]any{"prefix": prefix}}}
	}
	c.tells("SilenceEnded", map[string]any{
		"state": map[string]any{"value": []any{"OK"}}, "previousState": map[string]any{"reason": anythingBut(initialReason)},
	})
	c.tells("NeverWorked", map[string]any{
		"state":         map[string]any{"value": []any{"ALARM"}},
		"previousState": map[string]any{"value": []any{"INSUFFICIENT_DATA"}, "reason": anythingBut(unknownReason)},
	})
}

// tells checks a rule on state changes of the silences.
func (c *checker) tells(rule string, detail map[string]any) {
	p := c.stack.Resources[rule].Properties
	detail["alarmName"] = []any{map[string]any{"prefix": c.stack.StackName + "-Silent-"}}
	c.sameValue(rule, "EventPattern", p["EventPattern"], map[string]any{
		"source": []any{"aws.cloudwatch"}, "detail-type": []any{"CloudWatch Alarm State Change"}, "detail": detail,
	})
	targets := listAt(p, "Targets")
	if len(targets) != 1 || at(targets[0], "Arn") != c.topic()[0] {
		c.add(rule, "must have one target, the topic")
		return
	}
	c.sameValue(rule, "DeadLetterConfig", at(targets[0], "DeadLetterConfig"), map[string]any{"Arn": c.arn("sqs", "", "DeadLetters")})
	// A filter by message body drops what is no JSON object.
	template := textAt(targets[0], "InputTransformer", "InputTemplate")
	message := map[string]any{}
	if err := json.Unmarshal([]byte(template), &message); err != nil || message["Summary"] == nil {
		c.add(rule, "its message must be a JSON object with a Summary (%v)", err)
	}
	// A brace inside the text breaks EventBridge's reading of the template.
	if strings.Count(template, "{") != 1 || strings.Count(template, "}") != 1 {
		c.add(rule, "its message must hold no braces but its own")
	}
	names, _ := at(targets[0], "InputTransformer", "InputPathsMap").(map[string]any)
	for name := range names {
		if !strings.Contains(template, "<"+name+">") {
			c.add(rule, "its message does not use <%s>", name)
		}
	}
}

// physical lists what the stack's resources are called.
func physical(s *cfn.Stack) map[string]string {
	names := map[string]string{}
	for id, r := range s.Resources {
		names[r.Type+" "+s.Ref(id)] = id
	}
	return names
}

// fixed finds names that two stacks could not both have.
func (c *checker) fixed() {
	for id, r := range c.stack.Resources {
		name, ok := r.Properties[cfn.NameProperty(r.Type)].(string)
		if ok && (r.Type != alarmType || !strings.HasPrefix(name, c.stack.StackName+"-")) {
			c.add(id, "its name %s is fixed: a second stack in the account could not have it", name)
		}
	}
}

// keeping wants a decision, not a default, about everything that holds data.
func (c *checker) keeping() {
	for _, kind := range []string{"AWS::SQS::Queue", "AWS::Logs::LogGroup", "AWS::KMS::Key"} {
		for _, r := range c.stack.OfType(kind) {
			if r.DeletionPolicy == "" || r.UpdateReplacePolicy == "" {
				c.add(r.LogicalID, "DeletionPolicy and UpdateReplacePolicy must be chosen")
			}
		}
	}
	// "Unrecognized DeletionPolicy RetainExceptOnCreate": AWS::LanguageExtensions (cfn-language-discussion#139).
	known := []string{"", "Delete", "Retain", "Snapshot"}
	for _, id := range slices.Sorted(maps.Keys(c.stack.Resources)) {
		if r := c.stack.Resources[id]; !slices.Contains(known, r.DeletionPolicy) || !slices.Contains(known, r.UpdateReplacePolicy) {
			c.add(id, "DeletionPolicy and UpdateReplacePolicy must be Delete, Retain or Snapshot: AWS::LanguageExtensions knows no other")
		}
	}
}

func (c *checker) prefix(service, kind string) string {
	s := c.stack
	if service == "iam" {
		return "arn:" + s.Partition + ":iam::" + s.AccountID + ":" + kind
	}
	return strings.Join([]string{"arn", s.Partition, service, s.Region, s.AccountID, kind}, ":")
}

// arn is what Fn::GetAtt gives for the Arn of a resource.
func (c *checker) arn(service, kind, id string) string {
	name := c.stack.Ref(id)
	if service == "sqs" {
		name = queueName(name)
	}
	return c.prefix(service, kind) + name
}

// same holds properties against what they must be, and names what differs.
func (c *checker) same(where string, got any, want map[string]any) {
	have, _ := got.(map[string]any)
	for _, key := range slices.Sorted(maps.Keys(want)) {
		c.sameValue(where, key, have[key], want[key])
	}
	for _, key := range slices.Sorted(maps.Keys(have)) {
		if _, ok := want[key]; !ok {
			c.add(where, "%s is there, and nothing asks for it", key)
		}
	}
}

func (c *checker) sameValue(where, key string, got, want any) {
	if !equal(got, want) {
		c.add(where, "%s is %s, and must be %s", key, show(got), show(want))
	}
}

// equal compares resolved values; a number may be written as text.
func equal(got, want any) bool {
	switch want := want.(type) {
	case float64:
		n, ok := cfn.Number(got)
		return ok && n == want
	case map[string]any:
		have, ok := got.(map[string]any)
		return ok && len(have) == len(want) && !slices.ContainsFunc(slices.Collect(maps.Keys(want)), func(key string) bool {
			_, there := have[key]
			return !there || !equal(have[key], want[key])
		})
	case []any:
		have, ok := got.([]any)
		return ok && slices.EqualFunc(have, want, equal)
	default:
		return reflect.DeepEqual(got, want)
	}
}

func show(v any) string {
	if v == nil {
		return "not there"
	}
	text, err := json.Marshal(v)
	if err != nil {
		return fmt.Sprint(v)
	}
	return string(text)
}
