package awssim

import (
	"errors"
	"fmt"
	"maps"
	"slices"
	"strings"
	"time"

	"github.com/cronbearer/cronbearer/internal/dev/awssim/alarm"
	"github.com/cronbearer/cronbearer/internal/dev/awssim/iam"
	"github.com/cronbearer/cronbearer/internal/dev/awssim/notify"
	"github.com/cronbearer/cronbearer/internal/dev/awssim/sqs"
	"github.com/cronbearer/cronbearer/internal/dev/cfn"
)

// Resource types that mean nothing here: the template's tests check them.
var passedOver = []string{
	"AWS::CloudWatch::Dashboard", "AWS::KMS::Alias", "AWS::Lambda::Permission", "AWS::Logs::LogGroup", "AWS::Logs::QueryDefinition",
	"AWS::SNS::TopicPolicy", "AWS::SQS::QueuePolicy", "AWS::Scheduler::ScheduleGroup", "AWS::KMS::Key",
}

// AddStack deploys one more template beside the application, such as infra/rotation.yaml. Secrets that it names must be
// there.
func (c *Cloud) AddStack(path, name string, parameters map[string]string) (*cfn.Stack, error) {
	stack, err := cfn.Load(path, cfn.Options{StackName: name, Region: c.Stack.Region, AccountID: c.Stack.AccountID, Partition: c.Stack.Partition, Parameters: parameters})
	if err != nil {
		return nil, fmt.Errorf("template: %w", err)
	}
	return stack, c.deploy(stack)
}

// AddRotation deploys infra/rotation.yaml, whose path is template, for a secret of the stack, by its name without the
// stack's, with what the application's outputs say.
func (c *Cloud) AddRotation(template, secret, every string) (*cfn.Stack, error) {
	output := func(name string) string { return fmt.Sprint(c.Stack.Outputs[name]) }
	return c.AddStack(template, c.Stack.StackName+"-rotation-"+strings.ReplaceAll(secret, "/", "-"), map[string]string{
		"StackName": c.Stack.StackName, "Secret": secret, "Every": every, "RotatorArn": output("RotatorArn"), "DeadLetterArn": output("DeadLettersArn"),
		"TopicArn": output("TopicArn"), "MetricNamespace": output("MetricNamespace"),
	})
}

// deploy makes a stack's resources, those first that others lean on.
func (c *Cloud) deploy(s *cfn.Stack) error {
	order := []struct {
		kind   string
		create func(*cfn.Stack, cfn.Resource) error
	}{
		{"AWS::IAM::Role", c.addRole},
		{"AWS::IAM::RolePolicy", c.addRolePolicy},
		{"AWS::SQS::Queue", c.addQueue},
		{"AWS::SNS::Topic", c.addTopic},
		{"AWS::SNS::Subscription", c.addSubscription},
		{"AWS::Serverless::Function", c.addFunction},
		{"AWS::Lambda::EventInvokeConfig", c.addEventInvokeConfig},
		{"AWS::SecretsManager::RotationSchedule", c.addRotation},
		{"AWS::CloudWatch::Alarm", c.addAlarm},
		{"AWS::Events::Rule", c.addRule},
		{"AWS::Scheduler::Schedule", c.addSchedule},
	}
	known := slices.Clone(passedOver)
	var problems []error
	for _, step := range order {
		known = append(known, step.kind)
		for _, r := range s.OfType(step.kind) {
			if err := step.create(s, r); err != nil {
				problems = append(problems, fmt.Errorf("resource %s: %w", r.LogicalID, err))
			}
		}
	}
	for _, id := range slices.Sorted(maps.Keys(s.Resources)) {
		if kind := s.Resources[id].Type; !slices.Contains(known, kind) {
			problems = append(problems, fmt.Errorf("resource %s: this model knows no %s", id, kind))
		}
	}
	return errors.Join(problems...)
}

func (c *Cloud) arn(service, rest string) string {
	return strings.Join([]string{"arn", c.account.Partition, service, c.account.Region, c.account.ID, rest}, ":")
}

func (c *Cloud) roleARN(name string) string {
	return "arn:" + c.account.Partition + ":iam::" + c.account.ID + ":role/" + name
}

func (c *Cloud) addRole(s *cfn.Stack, r cfn.Resource) error {
	role, err := iam.Parse(r.Properties["Policies"])
	c.roles[c.roleARN(s.Ref(r.LogicalID))] = role
	return err
}

func (c *Cloud) addRolePolicy(_ *cfn.Stack, r cfn.Resource) error {
	arn := c.roleARN(fmt.Sprint(r.Properties["RoleName"]))
	role, ok := c.roles[arn]
	if !ok {
		return fmt.Errorf("role %s is not there", arn)
	}
	role, err := role.With(r.Properties["PolicyDocument"])
	c.roles[arn] = role
	return err
}

// nameOfQueue is the last part of a queue's URL.
func nameOfQueue(url string) string { return url[strings.LastIndexByte(url, '/')+1:] }

func (c *Cloud) addQueue(s *cfn.Stack, r cfn.Resource) error {
	name := nameOfQueue(s.Ref(r.LogicalID))
	retention, _ := cfn.Number(r.Properties["MessageRetentionPeriod"])
	arn := c.arn("sqs", name)
	c.queues[arn] = sqs.New(name, arn, time.Duration(retention)*time.Second, c.Now)
	return nil
}

func (c *Cloud) addTopic(s *cfn.Stack, r cfn.Resource) error {
	arn := s.Ref(r.LogicalID)
	topic := &notify.Topic{ARN: arn, Account: c.account.ID}
	var problems []error
	for _, policy := range s.OfType("AWS::SNS::TopicPolicy") {
		if topics, _ := policy.Properties["Topics"].([]any); slices.Contains(topics, any(arn)) {
			var err error
			topic.Policy, err = iam.ParseResource(policy.Properties["PolicyDocument"])
			problems = append(problems, err)
		}
	}
	// A key that is none of the stack's, such as alias/aws/sns, lets no service in.
	if key, ok := r.Properties["KmsMasterKeyId"].(string); ok {
		topic.Encrypted = true
		for _, k := range s.OfType("AWS::KMS::Key") {
			if s.Ref(k.LogicalID) == key {
				var err error
				topic.Key, err = iam.ParseResource(k.Properties["KeyPolicy"])
				problems = append(problems, err)
			}
		}
	}
	c.topics[arn] = topic
	return errors.Join(problems...)
}

// topic finds a topic, or makes one for the ARN of a topic that the user has already.
func (c *Cloud) topic(arn string) *notify.Topic {
	if found := c.topics[arn]; found != nil {
		return found
	}
	c.topics[arn] = &notify.Topic{ARN: arn, Open: true}
	return c.topics[arn]
}

func (c *Cloud) addSubscription(_ *cfn.Stack, r cfn.Resource) error {
	p := r.Properties
	var filter *notify.Pattern
	if policy, ok := p["FilterPolicy"]; ok {
		if p["FilterPolicyScope"] != "MessageBody" {
			return errors.New("this model filters by MessageBody only; CloudWatch's messages have no attributes")
		}
		parsed, err := notify.ParsePattern(policy)
		if err != nil {
			return err
		}
		filter = &parsed
	}
	c.topic(fmt.Sprint(p["TopicArn"])).Subscribe(fmt.Sprint(p["Protocol"]), fmt.Sprint(p["Endpoint"]), filter)
	return nil
}

func (c *Cloud) addAlarm(s *cfn.Stack, r cfn.Resource) error {
	a, err := alarm.FromProperties(s.Ref(r.LogicalID), r.Properties)
	if err != nil {
		return err
	}
	c.mu.Lock()
	c.lastChange[a.Name] = c.Now()
	c.mu.Unlock()
	return c.Alarms.Put(a, c.Now())
}

func (c *Cloud) addRule(s *cfn.Stack, r cfn.Resource) error {
	rule, err := notify.ParseRule(c.arn("events", "rule/"+s.Ref(r.LogicalID)), r.Properties)
	c.rules = append(c.rules, rule)
	return err
}

func (c *Cloud) addRotation(_ *cfn.Stack, r cfn.Resource) error {
	for name := range r.Properties {
		if !slices.Contains([]string{"SecretId", "RotationLambdaARN", "RotationRules", "RotateImmediatelyOnUpdate"}, name) {
			return fmt.Errorf("this model knows no %s", name)
		}
	}
	if r.Properties["RotateImmediatelyOnUpdate"] != false {
		return errors.New("this model does not rotate on deployment")
	}
	return c.Secrets.EnableRotation(fmt.Sprint(r.Properties["SecretId"]), fmt.Sprint(r.Properties["RotationLambdaARN"]))
}
