package lint

import (
	"fmt"
	"maps"
	"reflect"
	"slices"
	"strings"
	"unicode/utf8"

	"go.yaml.in/yaml/v3"

	"github.com/cronbearer/cronbearer/internal/config"
	"github.com/cronbearer/cronbearer/internal/dev/cfn"
	"github.com/cronbearer/cronbearer/internal/dev/shipped"
	"github.com/cronbearer/cronbearer/internal/metric"
)

// CloudFormation's quotas (user guide).
const (
	maxResources = 500
	maxRows      = 200
	maxTemplate  = 1_000_000 // bytes, from S3
)

// CloudWatch's limits (API reference, PutMetricAlarm).
const (
	maxAlarmName   = 255
	maxDescription = 1024
	hour           = 3600
	day            = 24 * hour
	week           = 7 * day
)

const (
	alarmType    = "AWS::CloudWatch::Alarm"
	functionType = "AWS::Serverless::Function"
)

// safety checks what would stop a deployment of any template, and what the application cannot do without.
func (c *checker) safety(data []byte) {
	c.transform()
	c.quotas(data)
	c.defaultValues()
	for _, id := range slices.Sorted(maps.Keys(c.stack.Resources)) {
		if !c.follows("Resources." + id) {
			c.deployable(c.stack.Resources[id])
		}
	}
	c.functions()
	c.watched()
	c.longDescriptions()
	if c.options.Deploy {
		c.examples()
	}
}

func (c *checker) transform() {
	_, n, ok := c.stack.Locate("Transform")
	if !ok {
		c.add(
			Problem{Place: "Transform", Text: "is missing", Fix: "write [AWS::LanguageExtensions, AWS::Serverless-2016-10-31]"},
		)
		return
	}
	var names []string
	for _, item := range n.Content {
		names = append(names, item.Value)
	}
	loops, sam := slices.Index(names, "AWS::LanguageExtensions"), slices.Index(names, "AWS::Serverless-2016-10-31")
	if loops < 0 || sam < loops {
		c.at(n, Problem{
			Place: "Transform", Text: "the loops must be expanded before SAM reads the functions",
			Fix: "write [AWS::LanguageExtensions, AWS::Serverless-2016-10-31]",
		})
	}
}

// quotas are CloudFormation's.
func (c *checker) quotas(data []byte) {
	if len(data) > maxTemplate {
		c.add(
			Problem{
				Text: fmt.Sprintf("the template has %d bytes, and CloudFormation allows %d", len(data), maxTemplate),
				Fix:  "deploy some jobs as a second stack",
			},
		)
	}
	for _, name := range slices.Sorted(maps.Keys(c.stack.Mappings)) {
		if n := len(c.stack.Mappings[name]); n > maxRows {
			key, _, _ := c.stack.Locate("Mappings", name)
			c.at(
				key,
				Problem{
					Place: name, Text: fmt.Sprintf("it has %d blocks, and CloudFormation allows %d in a mapping", n, maxRows),
					Fix: "deploy the rest as a second stack",
				},
			)
		}
	}
	made := len(c.stack.Resources)
	for _, f := range c.stack.OfType(functionType) {
		if f.Properties["EventInvokeConfig"] != nil { // SAM makes a resource of it
			made++
		}
	}
	if made > maxResources {
		c.add(
			Problem{
				Text: fmt.Sprintf("the template makes %d resources, and CloudFormation allows %d", made, maxResources),
				Fix:  "deploy some jobs as a second stack",
			},
		)
	}
	// The limit is also that of the processed template, whose loops and maps are resolved.
	if processed := len(show(c.stack.Resources)) + len(show(c.stack.Mappings)); processed > maxTemplate {
		c.add(Problem{
			Text: fmt.Sprintf(
				"the template has about %d bytes once its loops are expanded, and CloudFormation allows %d", processed,
				maxTemplate,
			),
			Fix: "deploy some jobs as a second stack",
		})
	}
}

// defaultValues: "of type String or List" (RFC 0043 of the language extensions).
func (c *checker) defaultValues() {
	_, root, _ := c.stack.Locate()
	var walk func(n *yaml.Node)
	walk = func(n *yaml.Node) {
		for i, inner := range n.Content {
			if n.Kind == yaml.MappingNode && i%2 == 1 && n.Content[i-1].Value == "DefaultValue" &&
				inner.Kind == yaml.ScalarNode && !strings.HasPrefix(inner.Tag, "!R") {
				if what := notText(inner); what != "" {
					c.at(inner, Problem{Key: "DefaultValue", Text: "YAML reads " + inner.Value + " as " + what +
						", and AWS::LanguageExtensions accepts text and lists only", Fix: "quote it: '" + inner.Value + "'"})
				}
			}
			walk(inner)
		}
	}
	walk(root)
}

// deployable checks what CloudFormation, SQS, SNS and CloudWatch reject of one resource.
func (c *checker) deployable(r cfn.Resource) {
	id := r.LogicalID
	for _, policy := range []string{r.DeletionPolicy, r.UpdateReplacePolicy} {
		if policy == "RetainExceptOnCreate" {
			c.resource(id, "", Problem{Text: "AWS::LanguageExtensions does not know " + policy, Fix: "write Retain"})
		}
	}
	switch r.Type {
	case "AWS::SQS::QueuePolicy":
		c.onePerPolicy(r, "Queues", "queue")
	case "AWS::SNS::TopicPolicy":
		c.onePerPolicy(r, "", "topic")
	case alarmType:
		c.alarmLimits(r)
	}
}

// onePerPolicy: "each policy must cover only a single queue" (SQS developer guide), and SQS rolls the stack back.
func (c *checker) onePerPolicy(r cfn.Resource, property, what string) {
	if property != "" && len(listAt(r.Properties, property)) > 1 {
		c.resource(
			r.LogicalID, property,
			Problem{
				Text: "SQS accepts a policy for one queue only, and the stack would roll back",
				Fix:  "write a policy for each queue",
			},
		)
		return
	}
	for _, s := range listAt(r.Properties, "PolicyDocument", "Statement") {
		if len(listAt(s, "Resource")) > 1 {
			c.resource(
				r.LogicalID, "PolicyDocument",
				Problem{
					Text: "a statement has more than one resource, which the service rejects",
					Fix:  "write a statement for each " + what,
				},
			)
			return
		}
	}
}

func (c *checker) alarmLimits(r cfn.Resource) {
	add := func(property, text, fix string) {
		c.resource(r.LogicalID, property, Problem{Key: property, Text: text, Fix: fix})
	}
	period, evaluate := numberAt(r.Properties, "Period"), numberAt(r.Properties, "EvaluationPeriods")
	longest := float64(day)
	if period >= hour {
		longest = week
	}
	_, hasPeriod := r.Properties["Period"].(int)
	switch {
	case hasPeriod && !slices.Contains([]float64{10, 20, 30}, period) && (period <= 0 || int(period)%60 != 0):
		add("Period", fmt.Sprintf("%v is none of CloudWatch's", period), "write 10, 20, 30 or a multiple of 60")
	case period*evaluate > longest:
		add(
			"EvaluationPeriods",
			fmt.Sprintf("a window of %v seconds is longer than the %v that CloudWatch allows", period*evaluate, longest),
			"shorten it",
		)
	}
	if name := textAt(r.Properties, "AlarmName"); len(name) > maxAlarmName {
		add(
			"AlarmName", fmt.Sprintf("has %d characters, and CloudWatch allows %d", len(name), maxAlarmName),
			"shorten it, or the stack's name",
		)
	}
	if _, _, looped := c.stack.Origin(r.LogicalID); looped {
		return // longDescriptions names the row
	}
	if n := utf8.RuneCountInString(textAt(r.Properties, "AlarmDescription")); n > maxDescription {
		add(
			"AlarmDescription", fmt.Sprintf("has %d characters, and CloudWatch allows %d", n, maxDescription),
			fmt.Sprintf("shorten it by %d", n-maxDescription),
		)
	}
}

func (c *checker) longDescriptions() {
	longest := map[[2]string]int{}
	for _, alarm := range c.stack.OfType(alarmType) {
		if loop, item, ok := c.stack.Origin(alarm.LogicalID); ok && !c.skipped(loop, item) {
			row := [2]string{loop, item}
			longest[row] = max(longest[row], utf8.RuneCountInString(textAt(alarm.Properties, "AlarmDescription")))
		}
	}
	for _, row := range slices.SortedFunc(maps.Keys(longest), func(a, b [2]string) int {
		return strings.Compare(a[1], b[1])
	}) {
		c.descriptions(row[0], row[1], longest[row])
	}
}

// functions lets the functions read their environment as they do at run time.
func (c *checker) functions() {
	for id, read := range map[string]func(config.LookupEnv) error{
		"Caller":  func(lookup config.LookupEnv) error { _, err := config.Read(lookup); return err },
		"Rotator": func(lookup config.LookupEnv) error { _, _, err := config.ReadRotator(lookup); return err },
	} {
		variables, ok := at(c.stack.Resources[id].Properties, "Environment", "Variables").(map[string]any)
		if !ok || c.follows("Resources."+id) {
			continue
		}
		values := map[string]string{}
		for _, name := range slices.Sorted(maps.Keys(variables)) {
			value, known := variables[name].(string)
			if !known {
				value = fmt.Sprint(variables[name])
			}
			if strings.Contains(value, "{{resolve:") {
				c.resource(
					id, "Environment",
					Problem{
						Key: name, Text: "holds {{resolve:, which would put a secret's value into the function's configuration",
						Fix: "a token comes from Secrets Manager when the job runs",
					},
				)
			}
			values[name] = value
		}
		err := read(func(name string) (string, bool) {
			switch name {
			case "AWS_REGION":
				return c.stack.Region, true
			case "AWS_LAMBDA_INITIALIZATION_TYPE":
				return "on-demand", true
			}
			value, ok := values[name]
			return value, ok
		})
		if err != nil {
			c.resource(id, "Environment", Problem{Text: "the function would reject its environment: " +
				strings.ReplaceAll(err.Error(), "\n", "; ")})
		}
	}
}

// watched checks that each token and each job has an alarm on what the caller publishes of it, and that it notifies
// someone: a drift of one word makes an alarm that never fires.
func (c *checker) watched() {
	environment := at(c.stack.Resources["Caller"].Properties, "Environment", "Variables")
	prefix := textAt(environment, config.AlarmPrefix)
	names := map[string][]string{} // of alarms with an action, by what they watch
	for _, a := range c.stack.OfType(alarmType) {
		if a.Properties["Namespace"] == textAt(environment, config.MetricNamespace) &&
			len(listAt(a.Properties, "AlarmActions")) > 0 {
			watches := textAt(a.Properties, "MetricName") + show(a.Properties["Dimensions"])
			names[watches] = append(names[watches], textAt(a.Properties, "AlarmName"))
		}
	}
	for mapping, want := range map[string]struct{ metric, dimension, what string }{
		tokens: {metric.TokenRejected, metric.DimensionToken, "it is rejected"},
		jobs:   {metric.Heartbeat, metric.DimensionJob, "it is silent"},
	} {
		for _, name := range c.sortedBlocks(mapping) {
			if c.skipped(mapping, name) {
				continue
			}
			alarms := names[want.metric+show([]any{
				map[string]any{"Name": metric.DimensionStack, "Value": c.stack.StackName},
				map[string]any{"Name": want.dimension, "Value": name},
			})]
			p := Problem{Place: mapping + "." + name}
			switch {
			case len(alarms) == 0:
				p.Text = fmt.Sprintf("no one would be notified when %s: no alarm with an action watches %s with the dimensions "+
					"%s and %s",
					want.what, want.metric, metric.DimensionStack, want.dimension)
				p.Fix = "copy the loop Fn::ForEach::" + mapping + " from the shipped template"
			case mapping == tokens && prefix != "" && !slices.Contains(alarms, prefix+name):
				p.Severity, p.Text, p.Fix = Warning, "no alarm on it is called "+prefix+name+
					", so no one is reminded of it", "set that AlarmName"
			default:
				continue
			}
			c.at(c.blocks[mapping][name].key, p)
		}
	}
}

// departures notes which resources are no longer as shipped, in one line. What was added is no one's business.
func (c *checker) departures() {
	original, err := cfn.Parse([]byte(shipped.Template()), cfn.Options{Guess: true})
	if err != nil {
		return
	}
	var names []string
	for id, want := range original.Section("Resources") {
		if loop, _, looped := original.Origin(id); looped {
			id = "Fn::ForEach::" + loop
			if _, ours, _ := c.stack.Locate("Resources", id, "2"); same(ours, locate(original, "Resources", id, "2")) {
				continue
			}
		} else if reflect.DeepEqual(c.stack.Section("Resources")[id], want) {
			continue
		}
		if !slices.Contains(names, id) {
			names = append(names, id)
		}
	}
	if len(names) > 0 {
		slices.Sort(names)
		c.add(Problem{Severity: Note, Place: "Resources", Text: "not as shipped, which is yours to decide: " +
			strings.Join(names, ", ")})
	}
}

func locate(s *cfn.Stack, path ...string) *yaml.Node {
	_, n, _ := s.Locate(path...)
	return n
}

// same reports whether two parts of templates say the same, comments and layout aside.
func same(a, b *yaml.Node) bool {
	if a == nil || b == nil {
		return a == b
	}
	return a.Kind == b.Kind && a.Tag == b.Tag && a.Value == b.Value && slices.EqualFunc(a.Content, b.Content, same)
}
