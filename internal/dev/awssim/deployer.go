package awssim

import (
	"encoding/json"
	"errors"
	"fmt"
	"maps"
	"net/url"
	"slices"
	"strconv"
	"strings"
	"time"

	"github.com/cronbearer/cronbearer/internal/dev/awssim/alarm"
	"github.com/cronbearer/cronbearer/internal/dev/awssim/iam"
	"github.com/cronbearer/cronbearer/internal/dev/awssim/lambda"
	"github.com/cronbearer/cronbearer/internal/dev/awssim/notify"
	"github.com/cronbearer/cronbearer/internal/dev/awssim/secretsmanager"
	"github.com/cronbearer/cronbearer/internal/dev/awssim/sqs"
	"github.com/cronbearer/cronbearer/internal/dev/cfn"
)

// passedOver are the resource types that mean nothing here: the template's tests check them.
var passedOver = []string{
	"AWS::Chatbot::MicrosoftTeamsChannelConfiguration", "AWS::Chatbot::SlackChannelConfiguration",
	"AWS::CloudWatch::Dashboard", "AWS::KMS::Alias", "AWS::Logs::LogGroup", "AWS::Logs::QueryDefinition",
	"AWS::Scheduler::ScheduleGroup",
}

// deployer is CloudFormation: it turns the resources of a stack into those of the parts. No part knows it.
type deployer struct {
	account   *account
	timeline  *timeline
	hosts     *hosts
	queues    *queues
	alerts    *alerts
	functions *functions
	scheduler *scheduler
	secrets   *secretsmanager.Store

	options Options
	dir     string            // for files of the functions' processes
	machine map[string]string // environment of a function that follows this machine's names and clock

	passedOver []string // resources that the model does not know
}

// deploy creates a stack's resources, those first on which others depend.
func (d *deployer) deploy(s *cfn.Stack) error {
	order := []struct {
		kind   string
		create func(*cfn.Stack, cfn.Resource) error
	}{
		{"AWS::IAM::Role", d.addRole},
		{"AWS::IAM::RolePolicy", d.addRolePolicy},
		{"AWS::SQS::Queue", d.addQueue},
		{"AWS::SQS::QueuePolicy", d.addQueuePolicy},
		{"AWS::KMS::Key", d.addKey},
		{"AWS::SNS::TopicPolicy", d.addTopicPolicy},
		{"AWS::SNS::Topic", d.addTopic},
		{"AWS::SNS::Subscription", d.addSubscription},
		{"AWS::Serverless::Function", d.addFunction},
		{"AWS::Lambda::Permission", d.addPermission},
		{"AWS::Lambda::EventInvokeConfig", d.addEventInvokeConfig},
		{"AWS::SecretsManager::RotationSchedule", d.addRotation},
		{"AWS::CloudWatch::Alarm", d.addAlarm},
		{"AWS::Events::Connection", d.addConnection},
		{"AWS::Events::ApiDestination", d.addDestination},
		{"AWS::Events::Rule", d.addRule},
		{"AWS::Scheduler::Schedule", d.addSchedule},
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
		switch kind := s.Resources[id].Type; {
		case slices.Contains(known, kind):
		case d.options.PassOver:
			d.passedOver = append(d.passedOver, id+" ("+kind+")")
		default:
			problems = append(problems, fmt.Errorf("resource %s: this model knows no %s", id, kind))
		}
	}
	return errors.Join(problems...)
}

func (d *deployer) addRole(s *cfn.Stack, r cfn.Resource) error {
	arn := d.account.roleARN(s.Ref(r.LogicalID))
	role, err := iam.Parse(r.Properties["Policies"])
	d.account.putRole(arn, role)
	return errors.Join(err, d.account.putPolicy(arn+trust, r.Properties["AssumeRolePolicyDocument"]))
}

func (d *deployer) addRolePolicy(_ *cfn.Stack, r cfn.Resource) error {
	_, err := d.account.amend(d.account.roleARN(fmt.Sprint(r.Properties["RoleName"])), r.Properties["PolicyDocument"])
	return err
}

func (d *deployer) addQueue(s *cfn.Stack, r cfn.Resource) error {
	name := queueName(s.Ref(r.LogicalID))
	retention, _ := cfn.Number(r.Properties["MessageRetentionPeriod"])
	d.queues.add(sqs.New(name, d.account.arn("sqs", name), time.Duration(retention)*time.Second, d.timeline.Now))
	return nil
}

func (d *deployer) addQueuePolicy(_ *cfn.Stack, r cfn.Resource) error {
	return d.addPolicies(r.Properties["Queues"], r.Properties["PolicyDocument"], func(url string) string {
		return d.account.arn("sqs", queueName(url))
	})
}

func (d *deployer) addTopicPolicy(_ *cfn.Stack, r cfn.Resource) error {
	return d.addPolicies(r.Properties["Topics"], r.Properties["PolicyDocument"], func(arn string) string { return arn })
}

// addPolicies adds a document to the policies of a list of resources.
func (d *deployer) addPolicies(resources, document any, arn func(id string) string) error {
	list, _ := resources.([]any)
	var problems []error
	for _, id := range list {
		problems = append(problems, d.account.putPolicy(arn(fmt.Sprint(id)), document))
	}
	return errors.Join(problems...)
}

func (d *deployer) addKey(s *cfn.Stack, r cfn.Resource) error {
	return d.account.putPolicy(d.keyARN(s.Ref(r.LogicalID)), r.Properties["KeyPolicy"])
}

func (d *deployer) keyARN(id string) string { return d.account.arn("kms", "key/"+id) }

func (d *deployer) addTopic(s *cfn.Stack, r cfn.Resource) error {
	arn := s.Ref(r.LogicalID)
	topic := &notify.Topic{
		ARN: arn, Account: d.account.ID, Policy: d.account.policy(arn),
		Decided: func(made iam.Decision) { d.account.decided(made.Policy, made.Question, made.Verdict) },
	}
	// A key that is not the stack's, such as alias/aws/sns, has no policy here, so it denies every service.
	if key, ok := r.Properties["KmsMasterKeyId"].(string); ok {
		topic.Encrypted, topic.KeyARN = true, d.keyARN(key)
		topic.Key = d.account.policy(topic.KeyARN)
	}
	d.alerts.addTopic(topic)
	return nil
}

func (d *deployer) addSubscription(_ *cfn.Stack, r cfn.Resource) error {
	p := r.Properties
	subscription := notify.Subscription{
		Protocol: fmt.Sprint(p["Protocol"]), Endpoint: fmt.Sprint(p["Endpoint"]), FilterPolicy: p["FilterPolicy"],
	}
	if policy, ok := p["FilterPolicy"]; ok {
		if p["FilterPolicyScope"] != "MessageBody" {
			return errors.New("this model filters by MessageBody only; CloudWatch's messages have no attributes")
		}
		parsed, err := notify.ParsePattern(policy)
		if err != nil {
			return err
		}
		subscription.Filter = &parsed
	}
	d.alerts.topic(fmt.Sprint(p["TopicArn"])).Subscribe(subscription)
	return nil
}

func (d *deployer) addAlarm(s *cfn.Stack, r cfn.Resource) error {
	a, err := alarm.FromProperties(s.Ref(r.LogicalID), r.Properties)
	if err != nil {
		return err
	}
	return d.alerts.addAlarm(a, d.timeline.Now())
}

func (d *deployer) addRule(s *cfn.Stack, r cfn.Resource) error {
	rule, err := notify.ParseRule(d.account.arn("events", "rule/"+s.Ref(r.LogicalID)), r.Properties)
	d.alerts.addRule(rule)
	return err
}

func (d *deployer) addConnection(s *cfn.Stack, r cfn.Resource) error {
	properties, err := resolved(r.Properties, d.secrets)
	if err != nil {
		return err
	}
	object, _ := properties.(map[string]any)
	connection, err := notify.ParseConnection(object)
	d.alerts.destinations.addConnection(s.Attribute(r.LogicalID, "Arn"), connection)
	return err
}

func (d *deployer) addDestination(s *cfn.Stack, r cfn.Resource) error {
	connection := d.alerts.destinations.connection(fmt.Sprint(r.Properties["ConnectionArn"]))
	destination, err := notify.ParseDestination(s.Attribute(r.LogicalID, "Arn"), r.Properties, connection)
	d.alerts.destinations.add(destination)
	return err
}

func (d *deployer) addRotation(_ *cfn.Stack, r cfn.Resource) error {
	for name := range r.Properties {
		if !slices.Contains([]string{"SecretId", "RotationLambdaARN", "RotationRules", "RotateImmediatelyOnUpdate"}, name) {
			return fmt.Errorf("this model knows no %s", name)
		}
	}
	if r.Properties["RotateImmediatelyOnUpdate"] != false {
		return errors.New("this model does not rotate on deployment")
	}
	return d.secrets.EnableRotation(fmt.Sprint(r.Properties["SecretId"]), fmt.Sprint(r.Properties["RotationLambdaARN"]))
}

func (d *deployer) addSchedule(s *cfn.Stack, r cfn.Resource) error {
	one, err := parseSchedule(s.Ref(r.LogicalID), r.Properties)
	if err != nil {
		return err
	}
	return d.scheduler.add(one)
}

func (d *deployer) addFunction(s *cfn.Stack, r cfn.Resource) error {
	p := r.Properties
	role := fmt.Sprint(p["Role"])
	if _, ok := d.account.role(role); !ok {
		return fmt.Errorf("its role %s is not one of the stack's", role)
	}
	if !d.account.assumes("lambda.amazonaws.com", role, "") {
		return errors.New("the role defined for the function cannot be assumed by Lambda")
	}
	key := "FAKEKEYOF" + strings.ToUpper(r.LogicalID)
	d.account.issueKey(key, role)
	timeout, _ := cfn.Number(p["Timeout"])
	deadline := time.Duration(timeout) * time.Second
	if limit := d.options.Deadline; limit > 0 && (deadline == 0 || limit < deadline) {
		deadline = limit
	}
	limit := d.options.MaxConcurrency
	if reserved, ok := cfn.Number(p["ReservedConcurrentExecutions"]); ok && (limit == 0 || int(reserved) < limit) {
		limit = int(reserved)
	}
	name := s.Ref(r.LogicalID)
	logGroup := "/aws/lambda/" + name
	if config, ok := p["LoggingConfig"].(map[string]any); ok && config["LogGroup"] != nil {
		logGroup = fmt.Sprint(config["LogGroup"])
	}
	d.functions.add(r.LogicalID, role, logGroup, lambda.Config{
		Name: name, Binary: d.options.Binaries[r.LogicalID], Environment: d.environment(p, name, logGroup, key), Dir: d.dir,
		Timeout: deadline, MaxConcurrency: limit, IdleLife: d.options.IdleLife,
	})
	return nil
}

// addPermission adds a statement to a function's policy, as AddPermission does.
func (d *deployer) addPermission(_ *cfn.Stack, r cfn.Resource) error {
	p := r.Properties
	for name := range p {
		if !slices.Contains([]string{"FunctionName", "Action", "Principal", "SourceAccount"}, name) {
			return fmt.Errorf("this model knows no %s", name)
		}
	}
	arn := d.account.arn("lambda", "function:"+fmt.Sprint(p["FunctionName"]))
	statement := map[string]any{
		"Sid": r.LogicalID, "Effect": "Allow", "Principal": map[string]any{"Service": p["Principal"]},
		"Action": p["Action"], "Resource": arn,
	}
	if account, ok := p["SourceAccount"]; ok {
		statement["Condition"] = map[string]any{"StringEquals": map[string]any{"aws:SourceAccount": account}}
	}
	return d.account.putPolicy(arn, map[string]any{"Statement": []any{statement}})
}

// addEventInvokeConfig sets what becomes of events that fail.
func (d *deployer) addEventInvokeConfig(_ *cfn.Stack, r cfn.Resource) error {
	config := r.Properties
	f := d.functions.find(d.account.arn("lambda", "function:"+fmt.Sprint(config["FunctionName"])))
	if f == nil || config["Qualifier"] != "$LATEST" {
		return fmt.Errorf(
			"its function %v with qualifier %v is not one of the stack's", config["FunctionName"], config["Qualifier"],
		)
	}
	var destination func(string) error
	destinations, _ := config["DestinationConfig"].(map[string]any)
	if failure, ok := destinations["OnFailure"].(map[string]any); ok {
		arn := fmt.Sprint(failure["Destination"])
		if d.queues.find(arn) == nil {
			return fmt.Errorf("its OnFailure destination %s is not a queue of the stack", arn)
		}
		destination = func(record string) error { return d.queues.sendAs(f.role, arn, record, nil) }
	}
	retries, _ := cfn.Number(config["MaximumRetryAttempts"])
	age, _ := cfn.Number(config["MaximumEventAgeInSeconds"])
	f.onFailure(int(retries), time.Duration(age)*time.Second, destination)
	return nil
}

// environment is what Lambda sets for a process (Lambda Developer Guide, "Defined runtime environment variables"), the
// machine's and the template's variables, and those of the options. Lambda's AWS_LAMBDA_INITIALIZATION_TYPE is left
// out: where it is set, the functions ignore the machine's.
func (d *deployer) environment(p map[string]any, name, logGroup, key string) []string {
	memory, _ := cfn.Number(p["MemorySize"])
	if memory == 0 {
		memory = 128
	}
	all := map[string]string{
		"AWS_REGION": d.account.Region, "AWS_DEFAULT_REGION": d.account.Region,
		"AWS_ACCESS_KEY_ID": key, "AWS_SECRET_ACCESS_KEY": "fake-secret-access-key",
		"AWS_SESSION_TOKEN": "fake-session-token",
		"AWS_EXECUTION_ENV": "AWS_Lambda_provided.al2023", "AWS_LAMBDA_FUNCTION_NAME": name,
		"AWS_LAMBDA_FUNCTION_VERSION":     "$LATEST",
		"AWS_LAMBDA_FUNCTION_MEMORY_SIZE": strconv.Itoa(int(memory)), "AWS_LAMBDA_LOG_FORMAT": "JSON",
		"AWS_LAMBDA_LOG_LEVEL":      "DEBUG",
		"AWS_LAMBDA_LOG_GROUP_NAME": logGroup, "AWS_LAMBDA_LOG_STREAM_NAME": "local",
		"_HANDLER": "bootstrap", "LAMBDA_TASK_ROOT": "/var/task", "TZ": ":UTC", "LANG": "en_US.UTF-8",
	}
	maps.Copy(all, d.machine)
	declared, _ := p["Environment"].(map[string]any)
	variables, _ := declared["Variables"].(map[string]any)
	for name, value := range variables {
		all[name] = fmt.Sprint(value)
	}
	if list, ok := all["ALLOWED_HOSTS"]; ok {
		all["ALLOWED_HOSTS"] = d.hosts.allowed(list)
	}
	maps.Copy(all, d.options.Environment)
	list := make([]string, 0, len(all))
	for _, name := range slices.Sorted(maps.Keys(all)) {
		list = append(list, name+"="+all[name])
	}
	return list
}

// calledHosts returns the hosts in the events of a stack's schedules, as they are written there.
func calledHosts(s *cfn.Stack) []string {
	var hosts []string
	for _, r := range s.OfType("AWS::Scheduler::Schedule") {
		target, _ := r.Properties["Target"].(map[string]any)
		var event struct{ Call string }
		input, _ := target["Input"].(string)
		if json.Unmarshal([]byte(input), &event) != nil {
			continue
		}
		_, location, _ := strings.Cut(event.Call, " ")
		location, _, _ = strings.Cut(location, "{{") // a placeholder is not a URL
		if u, err := url.Parse(location); err == nil && u.Host != "" {
			hosts = append(hosts, strings.TrimSuffix(strings.ToLower(u.Host), ":443"))
		}
	}
	slices.Sort(hosts)
	return slices.Compact(hosts)
}
