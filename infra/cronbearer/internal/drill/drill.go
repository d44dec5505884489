// Package drill proves that an alarm of the stack reaches its readers: it checks the alarms' actions, the policies of
// the topic and of its key, and the subscriptions, then sets one alarm that is OK to ALARM with a word in its reason,
// sees in the alarm's history that CloudWatch published it, and puts it back. Only the reader knows whether the email
// came: they type the word. It prints nothing.
package drill

import (
	"context"
	"crypto/rand"
	"crypto/sha256"
	"encoding/hex"
	"encoding/json"
	"fmt"
	"math/big"
	"slices"
	"strings"
	"time"

	"github.com/aws/aws-sdk-go-v2/aws"
	"github.com/aws/aws-sdk-go-v2/service/cloudwatch"
	cwtypes "github.com/aws/aws-sdk-go-v2/service/cloudwatch/types"
	"github.com/aws/aws-sdk-go-v2/service/kms"
	kmstypes "github.com/aws/aws-sdk-go-v2/service/kms/types"
	"github.com/aws/aws-sdk-go-v2/service/sns"
	snstypes "github.com/aws/aws-sdk-go-v2/service/sns/types"

	"github.com/cronbearer/cronbearer/infra/cronbearer/internal/account"
	"github.com/cronbearer/cronbearer/internal/dev/awssim/iam"
)

// A Check is one link of the way from an alarm to its readers.
type Check struct {
	Name string `json:"name"` // alarms, topic, key, people, alarm
	OK   bool   `json:"ok"`
	Text string `json:"text"`
	// Fix is a command or a sentence, empty if there is nothing to fix.
	Fix string `json:"fix,omitempty"`
}

// Prefix begins the reason of the alarm, so that no reader of the email is alarmed.
const Prefix = "DRILL: nothing is wrong."

// words are short, and hard to confuse.
var words = strings.Fields("acorn amber anchor badger bamboo beacon canyon cedar cobalt comet copper coral delta " +
	"ember falcon " +
	"fern garnet glacier harbor hazel heron indigo island jasper juniper kestrel lagoon lantern lotus maple marble " +
	"meadow nectar " +
	"nickel oasis onyx orchid otter pebble pepper piano quartz raven ripple saffron salmon sierra silver spruce summit " +
	"tango teal " +
	"thistle topaz tulip tundra umber valley velvet walnut willow yarrow zenith zinc")

// Word returns a word at random.
func Word() string {
	n, err := rand.Int(rand.Reader, big.NewInt(int64(len(words))))
	if err != nil { // the system has no randomness; any word will do
		return words[0]
	}
	return words[n.Int64()]
}

// Drill is one drill on a stack.
type Drill struct {
	Clients account.Clients
	Stack   *account.Stack
	Now     time.Time
	// Sleep waits between two reads of the history.
	Sleep func(context.Context, time.Duration) error

	topic  string
	alarms []account.Alarm
	people []account.Subscriber
}

// Links checks what can be checked without an email: alarms, topic, key, people.
func (d *Drill) Links(ctx context.Context) ([]Check, error) {
	d.topic = d.Stack.Outputs["TopicArn"]
	var err error
	if d.alarms, err = account.FindAlarms(ctx, d.Clients.CloudWatch, d.Stack); err != nil {
		return nil, err
	}
	attributes, err := d.Clients.SNS.GetTopicAttributes(ctx, &sns.GetTopicAttributesInput{TopicArn: &d.topic})
	if err != nil {
		return nil, account.Explain("sns:GetTopicAttributes", d.topic, err)
	}
	if d.people, err = account.FindSubscribers(ctx, d.Clients.SNS, d.Stack); err != nil {
		return nil, err
	}
	alarms, err := d.checkAlarms(ctx)
	if err != nil {
		return nil, err
	}
	checks := []Check{alarms, d.checkTopic(attributes.Attributes["Policy"])}
	if key := attributes.Attributes["KmsMasterKeyId"]; key != "" {
		check, err := d.checkKey(ctx, key)
		if err != nil {
			return nil, err
		}
		checks = append(checks, check)
	}
	return append(checks, d.checkPeople()...), nil
}

func (d *Drill) checkAlarms(ctx context.Context) (Check, error) {
	c := Check{Name: "alarms"}
	for _, a := range d.alarms {
		if !aws.ToBool(a.ActionsEnabled) || !slices.Contains(a.AlarmActions, d.topic) {
			c.Text = aws.ToString(a.AlarmName) + " does not act on the topic"
			c.Fix = "deploy the template again"
			return c, nil
		}
	}
	muted, err := d.muted(ctx)
	if err != nil || muted != "" {
		c.Text, c.Fix = muted+" is muted", "cronbearer resume, or delete its mute rule"
		return c, err
	}
	c.OK, c.Text = len(d.alarms) > 0, fmt.Sprintf("%d act on the topic, none is muted", len(d.alarms))
	return c, nil
}

// muted returns the name of an alarm of the stack that is muted now; "" if none is.
func (d *Drill) muted(ctx context.Context) (string, error) {
	active := []cwtypes.AlarmMuteRuleStatus{cwtypes.AlarmMuteRuleStatusActive}
	list := func(alarm *string) (int, error) {
		out, err := d.Clients.CloudWatch.ListAlarmMuteRules(ctx, &cloudwatch.ListAlarmMuteRulesInput{
			Statuses: active, AlarmName: alarm,
		})
		if err != nil {
			return 0, account.Explain("cloudwatch:ListAlarmMuteRules", "", err)
		}
		return len(out.AlarmMuteRuleSummaries), nil
	}
	if n, err := list(nil); n == 0 || err != nil {
		return "", err
	}
	for _, a := range d.alarms {
		if n, err := list(a.AlarmName); n > 0 || err != nil {
			return aws.ToString(a.AlarmName), err
		}
	}
	return "", nil
}

// publishers are the services that send to the topic.
var publishers = []string{"cloudwatch.amazonaws.com", "events.amazonaws.com"}

func (d *Drill) checkTopic(policy string) Check {
	c := Check{Name: "topic"}
	r, err := resource(policy)
	if err != nil {
		c.Text = "its policy cannot be read: " + err.Error()
		return c
	}
	for _, service := range publishers {
		if !r.Allows(service, "sns:Publish", d.topic, d.context(service)) {
			c.Text, c.Fix = "its policy does not let "+service+" publish", "deploy the template again"
			return c
		}
	}
	c.OK, c.Text = true, "CloudWatch and EventBridge may publish"
	return c
}

// context is what the policies may ask of a request. EventBridge's carry no source.
func (d *Drill) context(service string) iam.Context {
	context := iam.Context{"aws:securetransport": {"true"}}
	if service == publishers[0] && len(d.alarms) > 0 {
		context["aws:sourceaccount"] = []string{d.Stack.AccountID}
		context["aws:sourcearn"] = []string{aws.ToString(d.alarms[0].AlarmArn)}
	}
	return context
}

func resource(policy string) (iam.Resource, error) {
	var document any
	if err := json.Unmarshal([]byte(policy), &document); err != nil {
		return iam.Resource{}, fmt.Errorf("not JSON: %w", err)
	}
	return iam.ParseResource(document)
}

func (d *Drill) checkKey(ctx context.Context, id string) (Check, error) {
	c := Check{Name: "key"}
	if strings.HasPrefix(id, "alias/aws/") || strings.Contains(id, ":alias/aws/") {
		c.Text = "alias/aws/sns lets no service of AWS use it, so alarms are dropped"
		c.Fix = "encrypt the topic with a key of your own"
		return c, nil
	}
	key, err := d.Clients.KMS.DescribeKey(ctx, &kms.DescribeKeyInput{KeyId: &id})
	if err != nil {
		return c, account.Explain("kms:DescribeKey", id, err)
	}
	if state := key.KeyMetadata.KeyState; state != kmstypes.KeyStateEnabled {
		c.Text = "the topic's key is " + string(state)
		c.Fix = "aws kms enable-key --key-id " + id
		return c, nil
	}
	policy, err := d.Clients.KMS.GetKeyPolicy(ctx, &kms.GetKeyPolicyInput{KeyId: &id, PolicyName: aws.String("default")})
	if err != nil {
		return c, account.Explain("kms:GetKeyPolicy", id, err)
	}
	r, unreadable := resource(aws.ToString(policy.Policy))
	if unreadable != nil {
		c.Text = "its policy cannot be read: " + unreadable.Error()
		return c, nil //nolint:nilerr // the check has failed, and says so
	}
	for _, service := range publishers {
		for _, action := range []string{"kms:Decrypt", "kms:GenerateDataKey"} {
			if !r.Allows(service, action, "*", d.context(service)) {
				c.Text, c.Fix = "its policy does not let "+service+" use it", "deploy the template again"
				return c, nil
			}
		}
	}
	c.OK, c.Text = true, "enabled, both may use it"
	return c, nil
}

func (d *Drill) checkPeople() []Check {
	if len(d.people) == 0 {
		return []Check{{
			Name: "people", Text: "no one is subscribed",
			Fix: "aws sns subscribe --topic-arn " + d.topic + " --protocol email --notification-endpoint <email>",
		}}
	}
	var checks []Check
	for _, one := range d.people {
		c := Check{Name: "people", OK: one.Confirmed, Text: one.Endpoint}
		if !one.Confirmed {
			c.Text += " has not followed the link in its email, which expires after two days"
			c.Fix = fmt.Sprintf("aws sns subscribe --topic-arn %s --protocol %s --notification-endpoint %s",
				d.topic, one.Protocol, one.Endpoint)
		}
		checks = append(checks, c)
	}
	return checks
}

// Reached returns the confirmed endpoints.
func (d *Drill) Reached() []string {
	var names []string
	for _, one := range d.people {
		if one.Confirmed {
			names = append(names, one.Endpoint)
		}
	}
	return names
}

// How long CloudWatch may take to perform an action, and how often its history is read.
const (
	patience = 2 * time.Minute
	look     = 2 * time.Second
)

// Blocked returns why no alarm can be tried, and what to do; empty if one can.
func (d *Drill) Blocked() (reason, fix string) {
	switch {
	case d.choose() != "":
		return "", ""
	case slices.ContainsFunc(d.alarms, func(a account.Alarm) bool { return a.StateValue == cwtypes.StateValueAlarm }):
		return "no alarm is OK, so none can be tried", "clear what is in ALARM first: cronbearer status"
	default:
		return "no alarm is OK yet, so none can be tried: CloudWatch has not evaluated them since they were created",
			"try again in five minutes"
	}
}

// Fire sets an alarm that is OK to ALARM with the word in its reason, waits until its history shows that CloudWatch
// published it, and puts it back, whatever happens meanwhile. Nothing may have Blocked it.
func (d *Drill) Fire(ctx context.Context, word string) (Check, error) {
	c := Check{Name: "alarm"}
	name := d.choose()
	if err := d.set(ctx, name, cwtypes.StateValueAlarm, Prefix+" The word is "+word+"."); err != nil {
		return c, err
	}
	text, ok, err := d.published(ctx, name)
	if back := d.set(context.WithoutCancel(ctx), name, cwtypes.StateValueOk, Prefix+" The drill is over."); err == nil {
		err = back
	}
	c.OK, c.Text = ok, text
	return c, err
}

// choose prefers an alarm that is rarely looked at.
func (d *Drill) choose() string {
	best := ""
	for _, a := range d.alarms {
		if a.StateValue != cwtypes.StateValueOk {
			continue
		}
		if a.Kind == "TokenExpiring" {
			return aws.ToString(a.AlarmName)
		}
		if best == "" {
			best = aws.ToString(a.AlarmName)
		}
	}
	return best
}

func (d *Drill) set(ctx context.Context, name string, state cwtypes.StateValue, reason string) error {
	_, err := d.Clients.CloudWatch.SetAlarmState(ctx, &cloudwatch.SetAlarmStateInput{
		AlarmName: &name, StateValue: state, StateReason: &reason,
	})
	return account.Explain("cloudwatch:SetAlarmState", "alarm:"+name, err)
}

// published reads the alarm's history until it has the action: the only word from inside AWS that topic and key let it
// pass.
func (d *Drill) published(ctx context.Context, name string) (text string, ok bool, err error) {
	for waited := time.Duration(0); waited < patience; waited += look {
		out, err := d.Clients.CloudWatch.DescribeAlarmHistory(ctx, &cloudwatch.DescribeAlarmHistoryInput{
			AlarmName: &name, HistoryItemType: cwtypes.HistoryItemTypeAction, StartDate: aws.Time(d.Now.Add(-time.Second)),
		})
		if err != nil {
			return "", false, account.Explain("cloudwatch:DescribeAlarmHistory", "alarm:"+name, err)
		}
		for _, item := range out.AlarmHistoryItems {
			summary := aws.ToString(item.HistorySummary)
			if !strings.Contains(summary, d.topic) {
				continue
			}
			if strings.HasPrefix(summary, "Successfully executed action") {
				return name + " was published", true, nil
			}
			return name + ": " + summary, false, nil
		}
		if err := d.Sleep(ctx, look); err != nil {
			return name + ": interrupted", false, err
		}
	}
	return fmt.Sprintf("%s: CloudWatch has not published it within %s", name, patience), false, nil
}

// Record keeps how the drill ended, for status.
func (d *Drill) Record(ctx context.Context, ok bool) error {
	result := "failed"
	if ok {
		result = "ok"
	}
	return d.tag(ctx, d.Now.UTC().Format(time.RFC3339)+" "+result)
}

// Pending keeps a word that is to be confirmed by another call, as a hash: who can read the tag has not read the email.
func (d *Drill) Pending(ctx context.Context, word string) error {
	return d.tag(ctx, d.Now.UTC().Format(time.RFC3339)+" pending "+d.hash(word))
}

func (d *Drill) tag(ctx context.Context, value string) error {
	topic := d.Stack.Outputs["TopicArn"]
	_, err := d.Clients.SNS.TagResource(ctx, &sns.TagResourceInput{
		ResourceArn: &topic, Tags: []snstypes.Tag{{Key: aws.String(account.DrillTag), Value: &value}},
	})
	return account.Explain("sns:TagResource", topic, err)
}

func (d *Drill) hash(word string) string {
	sum := sha256.Sum256([]byte(d.Stack.Outputs["TopicArn"] + "\n" + strings.ToLower(strings.TrimSpace(word))))
	const enough = 16
	return hex.EncodeToString(sum[:enough])
}

// Confirmed reports whether a word is the one of the pending drill, and whether there is one.
func (d *Drill) Confirmed(ctx context.Context, word string) (ok, pending bool, err error) {
	topic := d.Stack.Outputs["TopicArn"]
	out, err := d.Clients.SNS.ListTagsForResource(ctx, &sns.ListTagsForResourceInput{ResourceArn: &topic})
	if err != nil {
		return false, false, account.Explain("sns:ListTagsForResource", topic, err)
	}
	for _, tag := range out.Tags {
		if fields := strings.Fields(aws.ToString(tag.Value)); aws.ToString(tag.Key) == account.DrillTag && len(fields) == 3 {
			return fields[2] == d.hash(word), true, nil
		}
	}
	return false, false, nil
}
