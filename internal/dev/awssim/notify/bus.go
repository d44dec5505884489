package notify

import (
	"encoding/json"
	"errors"
	"fmt"
	"slices"
	"sync"
	"time"

	"github.com/cronbearer/cronbearer/internal/dev/awssim/iam"
)

// Publishers, as policies name them.
const (
	CloudWatch  = "cloudwatch.amazonaws.com"
	EventBridge = "events.amazonaws.com"
)

// Email is what an operator gets.
type Email struct {
	At            time.Time
	To            string
	Subject, Body string
	Alarm         string // name of the alarm that it is about
}

// Topic is an SNS topic with its subscriptions.
type Topic struct {
	ARN string
	// Policy and Key say who may publish: the key's policy counts for a topic that is encrypted with it. Open leaves
	// both out: a topic of the user's own, of which the template knows the ARN only.
	Policy, Key iam.Resource
	Encrypted   bool
	Open        bool
	Account     string
	// KeyARN is the key's, for Decided, which gets each question that a policy was asked, with the answer; nil: no one.
	KeyARN  string
	Decided func(iam.Decision)

	mu            sync.Mutex
	subscriptions []Subscription
}

// A Subscription of a topic. One that is not confirmed gets nothing.
type Subscription struct {
	Protocol, Endpoint string
	Filter             *Pattern // on message bodies; nil: none
	// FilterPolicy is the filter as it was written, for reading it back.
	FilterPolicy any
	Unconfirmed  bool
}

// Subscribe adds a subscription.
func (t *Topic) Subscribe(s Subscription) {
	t.mu.Lock()
	defer t.mu.Unlock()
	t.subscriptions = append(t.subscriptions, s)
}

// SetPolicy replaces the topic's policy. The function it returns restores the one before.
func (t *Topic) SetPolicy(policy iam.Resource) (restore func()) {
	t.mu.Lock()
	defer t.mu.Unlock()
	before := t.Policy
	t.Policy = policy
	return func() {
		t.mu.Lock()
		defer t.mu.Unlock()
		t.Policy = before
	}
}

// Subscriptions returns the subscriptions in the order in which they were added.
func (t *Topic) Subscriptions() []Subscription {
	t.mu.Lock()
	defer t.mu.Unlock()
	return slices.Clone(t.subscriptions)
}

// Confirm marks the subscriptions of an endpoint as confirmed, as its reader does by the link in AWS's email, or as not
// yet confirmed. It reports whether there is one.
func (t *Topic) Confirm(endpoint string, confirmed bool) bool {
	t.mu.Lock()
	defer t.mu.Unlock()
	found := false
	for i := range t.subscriptions {
		if t.subscriptions[i].Endpoint == endpoint {
			t.subscriptions[i].Unconfirmed, found = !confirmed, true
		}
	}
	return found
}

// Publish returns the emails that a message leads to, or says why the publisher may not.
func (t *Topic) Publish(publisher, source string, m Message) ([]Email, error) {
	if err := t.admit(publisher, source); err != nil {
		return nil, err
	}
	var document any
	_ = json.Unmarshal([]byte(m.Body), &document) // a body that is not JSON fits no filter
	var emails []Email
	for _, s := range t.Subscriptions() {
		if s.Protocol != "email" || s.Unconfirmed || (s.Filter != nil && !s.Filter.Matches(document)) {
			continue
		}
		email := Email{At: m.At, To: s.Endpoint, Subject: m.Subject, Body: m.Email, Alarm: m.Alarm}
		if email.Subject == "" {
			email.Subject = "AWS Notification Message"
		}
		if email.Body == "" {
			email.Body = m.Body
		}
		emails = append(emails, email)
	}
	return emails, nil
}

func (t *Topic) admit(publisher, source string) error {
	if t.Open {
		return nil
	}
	// "You can't use Condition blocks in Amazon SNS topic policies for EventBridge": its requests carry no such keys.
	context := iam.Context{"aws:securetransport": {"true"}}
	if publisher == CloudWatch {
		context["aws:sourceaccount"], context["aws:sourcearn"] = []string{t.Account}, []string{source}
	}
	t.mu.Lock()
	policy := t.Policy
	t.mu.Unlock()
	publish := iam.Question{Principal: publisher, Action: "sns:Publish", Resource: t.ARN, Context: context}
	if !t.allows(t.ARN, policy, publish) {
		return fmt.Errorf("the policy of topic %s does not let %s publish", t.ARN, publisher)
	}
	for _, action := range []string{"kms:Decrypt", "kms:GenerateDataKey"} {
		use := iam.Question{Principal: publisher, Action: action, Resource: t.KeyARN}
		if t.Encrypted && !t.allows(t.KeyARN, t.Key, use) {
			return fmt.Errorf("the policy of the key of topic %s does not let %s use it (%s)", t.ARN, publisher, action)
		}
	}
	return nil
}

func (t *Topic) allows(name string, policy iam.Resource, q iam.Question) bool {
	verdict := policy.Answer(q)
	if t.Decided != nil {
		t.Decided(iam.Decision{Policy: name, Question: q, Verdict: verdict})
	}
	return verdict == iam.Allowed
}

// Rule is a rule of EventBridge.
type Rule struct {
	ARN     string
	Enabled bool
	pattern Pattern
	targets []ruleTarget
}

type ruleTarget struct {
	arn         string
	role, dead  string // ARNs; empty: none
	maxAge      time.Duration
	maxRetries  int
	transformer *transformer // nil: the event as it is
}

// ParseRule reads the resolved Properties of an AWS::Events::Rule.
func ParseRule(arn string, properties map[string]any) (Rule, error) {
	r := Rule{ARN: arn, Enabled: properties["State"] == nil || properties["State"] == "ENABLED"}
	var problems []error
	for name := range properties {
		if !slices.Contains([]string{"Name", "Description", "EventPattern", "State", "Targets"}, name) {
			problems = append(problems, fmt.Errorf("rule %s: this model knows no %s", arn, name))
		}
	}
	var err error
	r.pattern, err = ParsePattern(properties["EventPattern"])
	problems = append(problems, err)
	targets, _ := properties["Targets"].([]any)
	for _, v := range targets {
		target, _ := v.(map[string]any)
		one := parseTarget(target)
		for name := range target {
			if !slices.Contains([]string{"Id", "Arn", "RoleArn", "InputTransformer", "DeadLetterConfig", "RetryPolicy"}, name) {
				problems = append(problems, fmt.Errorf("rule %s: this model knows no %s of a target", arn, name))
			}
		}
		one.transformer, err = parseTransformer("rule "+arn, target["InputTransformer"])
		problems = append(problems, err)
		r.targets = append(r.targets, one)
	}
	return r, errors.Join(problems...)
}

// EventBridge's own limits of retries, for a target without a RetryPolicy.
const (
	maxEventAge = 24 * time.Hour
	maxRetries  = 185
)

func parseTarget(target map[string]any) ruleTarget {
	text := func(v any) string {
		s, _ := v.(string)
		return s
	}
	one := ruleTarget{
		arn: fmt.Sprint(target["Arn"]), role: text(target["RoleArn"]), maxAge: maxEventAge, maxRetries: maxRetries,
	}
	if config, ok := target["DeadLetterConfig"].(map[string]any); ok {
		one.dead = text(config["Arn"])
	}
	policy, _ := target["RetryPolicy"].(map[string]any)
	if seconds, ok := policy["MaximumEventAgeInSeconds"].(int); ok {
		one.maxAge = time.Duration(seconds) * time.Second
	}
	if retries, ok := policy["MaximumRetryAttempts"].(int); ok {
		one.maxRetries = retries
	}
	return one
}

// An Outgoing is a message of a rule for one of its targets, with what becomes of it if it cannot be delivered.
type Outgoing struct {
	Message

	Role        string // ARN of the role that calls the target; empty: EventBridge itself does
	DeadLetters string // ARN of the queue that keeps the event then; empty: none does
	MaxAge      time.Duration
	MaxRetries  int
}

// Messages are what the rule sends for an event, none if it does not match.
func (r Rule) Messages(at time.Time, event map[string]any, about string) []Outgoing {
	if !r.Enabled || !r.pattern.Matches(event) {
		return nil
	}
	var list []Outgoing
	for _, t := range r.targets {
		list = append(list, Outgoing{
			Message: Message{At: at, Topic: t.arn, Body: t.input(event, r.ARN), Alarm: about},
			Role:    t.role, DeadLetters: t.dead, MaxAge: t.maxAge, MaxRetries: t.maxRetries,
		})
	}
	return list
}

func (t ruleTarget) input(event map[string]any, rule string) string {
	if t.transformer == nil {
		return marshal(event)
	}
	return t.transformer.fill(event, rule)
}
