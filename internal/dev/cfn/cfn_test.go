package cfn_test

import (
	"errors"
	"io/fs"
	"os"
	"path/filepath"
	"regexp"
	"strings"
	"testing"

	"github.com/google/go-cmp/cmp"

	"github.com/cronbearer/cronbearer/internal/dev/cfn"
)

// around puts the properties of one resource into a template with something of everything.
func around(properties string) string {
	return `
Parameters:
  Name: { Type: String, Default: night }
  Count: { Type: Number, Default: '3' }
  Share: { Type: Number, Default: 0.5 }
  Hosts: { Type: CommaDelimitedList, Default: 'a.example, b.example' }
  Empty: { Type: String, Default: '' }
Mappings:
  Rows:
    One: { Text: hello, Whole: 14, Fraction: 0.01, Truth: true, List: [x, y] }
Conditions:
  Yes: !Equals [!Ref Name, night]
  No: !Not [!Condition Yes]
  Both: !And [!Condition Yes, !Not [!Equals [!Ref Empty, full]]]
  Either: !Or [!Condition No, !Condition Both]
Resources:
  Queue: { Type: AWS::SQS::Queue }
  Topic: { Type: AWS::SNS::Topic }
  Role: { Type: AWS::IAM::Role }
  Group: { Type: AWS::Scheduler::ScheduleGroup }
  Logs: { Type: AWS::Logs::LogGroup }
  Caller: { Type: AWS::Serverless::Function }
  Key: { Type: AWS::KMS::Key }
  Plan: { Type: AWS::Scheduler::Schedule, Properties: { GroupName: !Ref Group } }
  Alarm: { Type: AWS::CloudWatch::Alarm, Properties: { AlarmName: !Sub '${AWS::StackName}-Alarm' } }
  Left: { Type: AWS::SQS::Queue, Condition: No }
  It:
    Type: AWS::Test::Thing
    Properties:
      V: ` + properties + "\n"
}

// madeUp is the part of a name that CloudFormation makes up.
var madeUp = regexp.MustCompile(`-[A-Z2-7]{12}`)

func TestResolve(t *testing.T) {
	t.Parallel()
	cases := map[string]struct {
		value string
		want  any
	}{
		"text":                         {value: "plain", want: "plain"},
		"number":                       {value: "60", want: 60},
		"fraction":                     {value: "0.25", want: 0.25},
		"truth":                        {value: "true", want: true},
		"a policy's date stays text":   {value: "2012-10-17", want: "2012-10-17"},
		"quoted number stays text":     {value: "'60'", want: "60"},
		"parameter":                    {value: "!Ref Name", want: "night"},
		"number parameter":             {value: "!Ref Count", want: 3},
		"fraction parameter":           {value: "!Ref Share", want: 0.5},
		"list parameter":               {value: "!Ref Hosts", want: []any{"a.example", "b.example"}},
		"stack":                        {value: "!Ref AWS::StackName", want: "prod"},
		"region":                       {value: "!Ref AWS::Region", want: "us-gov-west-1"},
		"account":                      {value: "!Ref AWS::AccountId", want: "111122223333"},
		"suffix":                       {value: "!Ref AWS::URLSuffix", want: "amazonaws.com"},
		"no value leaves its property": {value: "{ A: 1, B: !Ref AWS::NoValue }", want: map[string]any{"A": 1}},
		"no value leaves its list":     {value: "[1, !Ref AWS::NoValue, 2]", want: []any{1, 2}},
		"substitution":                 {value: "!Sub '${Name} in ${AWS::Region}'", want: "night in us-gov-west-1"},
		"substitution of a literal":    {value: "!Sub '${!Name}'", want: "${Name}"},
		"substitution with variables": {
			value: "!Sub ['${A}-${B}-${C}-${Name}', { A: !FindInMap [Rows, One, Whole], B: !FindInMap [Rows, One, Fraction], " +
				"C: true }]",
			want: "14-0.01-true-night",
		},
		"a variable's value is not substituted": {value: "!Sub ['${A}', { A: '${Name}' }]", want: "${Name}"},
		"substitution of an attribute":          {value: "!Sub '${Queue.QueueName}!'", want: "prod-Queue-*!"},
		"mapping":                               {value: "!FindInMap [Rows, One, Text]", want: "hello"},
		"mapping keeps types":                   {value: "!FindInMap [Rows, One, Whole]", want: 14},
		"mapping with a list":                   {value: "!FindInMap [Rows, One, List]", want: []any{"x", "y"}},
		"mapping without the key":               {value: "!FindInMap [Rows, One, Other, { DefaultValue: 7 }]", want: 7},
		"mapping without the row": {
			value: "!FindInMap [Rows, Two, Text, { DefaultValue: !Ref Name }]", want: "night",
		},
		"mapping under a computed key": {
			value: "!FindInMap [Rows, !Select [1, !Split [':', 'a:One']], Text]", want: "hello",
		},
		"mapping without a value": {
			value: "{ A: !FindInMap [Rows, One, Other, { DefaultValue: !Ref AWS::NoValue }] }", want: map[string]any{},
		},
		"condition holds":                    {value: "!If [Both, a, b]", want: "a"},
		"condition does not hold":            {value: "!If [No, a, b]", want: "b"},
		"either condition":                   {value: "!If [Either, a, b]", want: "a"},
		"what is not chosen is not resolved": {value: "!If [No, !GetAtt Left.Arn, b]", want: "b"},
		"join":                               {value: "!Join ['-', [a, !Ref Count, true]]", want: "a-3-true"},
		"split":                              {value: "!Split ['/', 'a/b']", want: []any{"a", "b"}},
		"length":                             {value: "{ Fn::Length: !Ref Hosts }", want: 2},
		"base64":                             {value: "{ Fn::Base64: hi }", want: "aGk="},
		"JSON": {
			value: "{ Fn::ToJsonString: { b: [1, <], a: !Ref Name } }", want: `{"a":"night","b":[1,"<"]}`,
		},
		"long forms": {value: "{ Fn::Sub: 'x${Name}' }", want: "xnight"},
		"queue": {
			value: "!Ref Queue", want: "https://sqs.us-gov-west-1.amazonaws.com/111122223333/prod-Queue-*",
		},
		"queue ARN": {
			value: "!GetAtt Queue.Arn", want: "arn:aws-us-gov:sqs:us-gov-west-1:111122223333:prod-Queue-*",
		},
		"topic": {
			value: "!Ref Topic", want: "arn:aws-us-gov:sns:us-gov-west-1:111122223333:prod-Topic-*",
		},
		"role ARN": {
			value: "!GetAtt Role.Arn", want: "arn:aws-us-gov:iam::111122223333:role/prod-Role-*",
		},
		"group ARN": {
			value: "!GetAtt Group.Arn",
			want:  "arn:aws-us-gov:scheduler:us-gov-west-1:111122223333:schedule-group/prod-Group-*",
		},
		"log group ARN": {
			value: "!GetAtt Logs.Arn", want: "arn:aws-us-gov:logs:us-gov-west-1:111122223333:log-group:prod-Logs-*:*",
		},
		"function ARN": {
			value: "!GetAtt [Caller, Arn]", want: "arn:aws-us-gov:lambda:us-gov-west-1:111122223333:function:prod-Caller-*",
		},
		"schedule ARN": {
			value: "!GetAtt Plan.Arn",
			want:  "arn:aws-us-gov:scheduler:us-gov-west-1:111122223333:schedule/prod-Group-*/prod-Plan-*",
		},
		"name of its own": {value: "!Ref Alarm", want: "prod-Alarm"},
	}
	for name, c := range cases {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			s, err := cfn.Parse(
				[]byte(around(c.value)),
				cfn.Options{StackName: "prod", Region: "us-gov-west-1", AccountID: "111122223333", Partition: "aws-us-gov"},
			)
			if err != nil {
				t.Fatal(err)
			}
			got := s.Resources["It"].Properties["V"]
			if text, ok := got.(string); ok {
				got = madeUp.ReplaceAllString(text, "-*")
			}
			if diff := cmp.Diff(c.want, got); diff != "" {
				t.Error(diff)
			}
			if _, ok := s.Resources["Left"]; ok {
				t.Error("a resource is there that its condition leaves out")
			}
		})
	}
}

func TestProblems(t *testing.T) {
	t.Parallel()
	cases := map[string]struct{ template, want string }{
		"no YAML":       {template: "a: [", want: "not YAML"},
		"two documents": {template: "Resources: {}\n---\nResources: {}", want: "one YAML document"},
		"key twice": {
			template: "Resources:\n  A: { Type: AWS::SQS::Queue, Type: AWS::SQS::Queue }",
			want:     "line 2: duplicate key Type; the first is in line 2",
		},
		"anchor": {
			template: "Resources: &a\n  A: { Type: AWS::SQS::Queue }\nOutputs: *a", want: "anchors",
		},
		"unknown section": {template: around("1") +
			"Resource: {}", want: "Resource: CloudFormation knows no such section"},
		"unknown function": {
			template: around("{ Fn::Subb: x }"), want: "Fn::Subb is not a CloudFormation function",
		},
		"unknown reference": {
			template: around("!Ref Missing"), want: "Resources.It.Properties.V: there is no parameter or resource Missing",
		},
		"unknown in a substitution": {
			template: around("!Sub '${Missing}'"), want: "there is no parameter or resource Missing",
		},
		"left out by its condition": {
			template: around("!GetAtt Left.Arn"), want: "Left is left out by its condition",
		},
		"unknown condition": {template: around("!If [Perhaps, 1, 2]"), want: "there is no condition Perhaps"},
		"unknown mapping": {
			template: around("!FindInMap [Rows, Two, Text]"), want: "the mapping Rows has no Two with Text",
		},
		"text from a list":      {template: around("!Sub '${Hosts}'"), want: "needs text here"},
		"index beyond the list": {template: around("!Select [2, !Ref Hosts]"), want: "finds nothing"},
		"null":                  {template: around("~"), want: "is null"},
		"unknown attribute of entry": {
			template: "Resources:\n  A: { Type: AWS::SQS::Queue, Retain: true }", want: "Resources.A.Retain",
		},
		"dependency on an unknown resource": {
			template: "Resources:\n  A: { Type: AWS::SQS::Queue, DependsOn: B }", want: "there is no resource B",
		},
		"condition in a circle": {
			template: "Conditions: { A: !Not [!Condition B], B: !Not [!Condition A] }\nResources:\n  Q: { Type: " +
				"AWS::SQS::Queue }",
			want: "depends on itself",
		},
		"nothing": {template: "Resources: {}", want: "Resources: is empty"},
		"loop over a text": {
			template: "Parameters: { P: { Type: String, Default: 'a' } }\nResources:\n  Fn::ForEach::L: [N, !Ref P, { " +
				"'Q${N}': { Type: AWS::SQS::Queue } }]",
			want: "its list must be literal",
		},
		"loop without its name": {
			template: "Resources:\n  Fn::ForEach::L: [N, [a, b], { Q: { Type: AWS::SQS::Queue } }]",
			want:     "Q does not hold ${N}",
		},
		"loop with a name twice": {
			template: "Resources:\n  Fn::ForEach::L: [N, [a, a], { 'Q${N}': { Type: AWS::SQS::Queue } }]",
			want:     "Resources.Qa: is made twice",
		},
		"loop makes an id that exists": {
			template: "Resources:\n  Qa: { Type: AWS::SQS::Queue }\n  Fn::ForEach::L: [N, [a], { 'Q${N}': { Type: " +
				"AWS::SQS::Queue } }]",
			want: "Resources.Qa: is made twice",
		},
		"logical id with a dash": {
			template: "Resources:\n  Fn::ForEach::L: [N, [a-b], { 'Q${N}': { Type: AWS::SQS::Queue } }]",
			want:     "letters and digits",
		},
		"parameter without a value": {
			template: "Parameters: { P: { Type: String } }\nResources: { Q: { Type: AWS::SQS::Queue } }",
			want:     "Parameters.P: needs a value",
		},
		"parameter off its pattern": {
			template: "Parameters: { P: { Type: String, Default: x1, AllowedPattern: '[a-z]' } }\nResources: { Q: { Type: " +
				"AWS::SQS::Queue } }",
			want: "does not match",
		},
		"item off its pattern": {
			template: "Parameters: { P: { Type: CommaDelimitedList, Default: 'a, 1', AllowedPattern: '[a-z]' } }\nResources: " +
				"{ Q: { Type: AWS::SQS::Queue } }",
			want: "does not match",
		},
		"parameter not allowed": {
			template: "Parameters: { P: { Type: String, Default: c, AllowedValues: [a, b] } }\nResources: { Q: { Type: " +
				"AWS::SQS::Queue } }",
			want: "must be one of a, b",
		},
		"parameter too small": {
			template: "Parameters: { P: { Type: Number, Default: 1, MinValue: 2 } }\nResources: { Q: { Type: AWS::SQS::Queue " +
				"} }",
			want: "must be at least 2",
		},
		"parameter too long": {
			template: "Parameters: { P: { Type: String, Default: abc, MaxLength: 2 } }\nResources: { Q: { Type: " +
				"AWS::SQS::Queue } }",
			want: "at most 2",
		},
		"function in a mapping": {
			template: "Mappings: { M: { R: { K: !Ref AWS::Region } } }\nResources: { Q: { Type: AWS::SQS::Queue } }",
			want:     "Mappings.M.R.K",
		},
		"several at once": {template: around("[!Ref A, !Ref B]"), want: "resource B"},
	}
	for name, c := range cases {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			_, err := cfn.Parse([]byte(c.template), cfn.Options{})
			if err == nil || !strings.Contains(err.Error(), c.want) {
				t.Errorf("got %v, want %q", err, c.want)
			}
		})
	}
}

func TestLoops(t *testing.T) {
	t.Parallel()
	const template = `
Resources:
  Fn::ForEach::Jobs:
    - Job
    - [B, A]
    - Queue${Job}:
        Type: AWS::SQS::Queue
        Properties:
          Tag: !Ref Job
          Text: !Sub 'of ${Job} in ${AWS::StackName}'
          Other: !GetAtt 'Topic${Job}.TopicName'
      Topic&{Job}: { Type: AWS::SNS::Topic }
Outputs:
  Fn::ForEach::Urls: [Job, [A], { 'Url${Job}': { Value: !Ref 'Queue${Job}' } }]
`
	s, err := cfn.Parse([]byte(template), cfn.Options{StackName: "s"})
	if err != nil {
		t.Fatal(err)
	}
	if diff := cmp.Diff([]string{"B", "A"}, s.Loop("Jobs")); diff != "" {
		t.Error(diff)
	}
	var ids []string
	for _, r := range s.OfType("AWS::SQS::Queue") {
		ids = append(ids, r.LogicalID)
	}
	if diff := cmp.Diff([]string{"QueueA", "QueueB"}, ids); diff != "" {
		t.Error(diff)
	}
	name := s.Ref("TopicB")
	want := map[string]any{"Tag": "B", "Text": "of B in s", "Other": name[strings.LastIndex(name, ":")+1:]}
	if diff := cmp.Diff(want, s.Resources["QueueB"].Properties); diff != "" {
		t.Error(diff)
	}
	if s.Outputs["UrlA"] != s.Ref("QueueA") {
		t.Errorf("output UrlA is %v", s.Outputs["UrlA"])
	}
	if s.Ref("QueueC") != "" {
		t.Error("Ref of what is not there must be empty")
	}
}

func TestNamesAreTheStacksOwnAndFit(t *testing.T) {
	t.Parallel()
	template := []byte(around("1"))
	one, err := cfn.Parse(template, cfn.Options{StackName: strings.Repeat("a", 128)})
	if err != nil {
		t.Fatal(err)
	}
	two, err := cfn.Parse(template, cfn.Options{StackName: strings.Repeat("a", 127) + "b"})
	if err != nil {
		t.Fatal(err)
	}
	for id := range one.Resources {
		if one.Ref(id) == two.Ref(id) {
			t.Errorf("%s is %s in both stacks", id, one.Ref(id))
		}
	}
	if n := len(one.Ref("Caller")); n > 64 {
		t.Errorf("a function's name has %d characters", n)
	}
}

func TestLoad(t *testing.T) {
	t.Parallel()
	path := filepath.Join(t.TempDir(), "template.yaml")
	if err := os.WriteFile(path, []byte(around("!Ref Missing")), 0o600); err != nil {
		t.Fatal(err)
	}
	if _, err := cfn.Load(path, cfn.Options{}); err == nil || !strings.HasPrefix(err.Error(), path) {
		t.Errorf("got %v", err)
	}
	if _, err := cfn.Load(path+"x", cfn.Options{}); !errors.Is(err, fs.ErrNotExist) {
		t.Errorf("got %v", err)
	}
	// What could be read is there for a reader who can say more.
	s, err := cfn.Parse([]byte(around("!Ref Missing")), cfn.Options{Parameters: map[string]string{"Name": "day"}})
	if err == nil || s.Values["Name"] != "day" || s.Mappings["Rows"]["One"]["Whole"] != 14 {
		t.Errorf("got %v, %v", s, err)
	}
}

func TestGivenParameters(t *testing.T) {
	t.Parallel()
	_, err := cfn.Parse([]byte(around("1")), cfn.Options{Parameters: map[string]string{"Nmae": "day", "Count": "many"}})
	for _, want := range []string{"the template has no such parameter", `"many" must be a number`} {
		if err == nil || !strings.Contains(err.Error(), want) {
			t.Errorf("got %v, want %q", err, want)
		}
	}
}

// TestWhatOthersAddIsTaken: a template may hold more than what this repository ships.
func TestWhatOthersAddIsTaken(t *testing.T) {
	t.Parallel()
	const template = `
Globals:
  Function:
    Tags: { Team: data, Own: no }
    Layers: [shared]
    Timeout: 3
    Environment: { Variables: { HTTPS: on } }
Parameters:
  Subnets: { Type: 'List<AWS::EC2::Subnet::Id>' }
  Image: { Type: 'AWS::SSM::Parameter::Value<String>', Default: /image }
  Zones: { Type: CommaDelimitedList, Default: 'a, b' }
  Size: { Type: Number, MinValue: 2 }
Rules: { R: { Assertions: [] } }
Mappings:
  ByRegion: { us-east-1: { Ami: x } }
Resources:
  Own:
    Type: AWS::Serverless::Function
    Properties: { Tags: { Own: 'yes' }, Layers: [mine], Timeout: 9 }
  Table: { Type: AWS::DynamoDB::Table, DeletionPolicy: !If [Always, Retain, Delete], UpdatePolicy: {} }
  Topic:
    Type: AWS::SNS::Topic
    DependsOn: OwnEventInvokeConfig
    Properties:
      A: !GetAtt Table.StreamArn
      B: !ImportValue other
      C: !Select [0, !GetAZs '']
      D: !FindInMap [ByRegion, !Ref AWS::Region, Ami]
      E: !GetAtt OwnRole.Arn
      F: !Sub '${Table.Arn} ${OwnRole}'
      G: !Ref Subnets
      H: { Fn::ForEach::Each: [Zone, !Ref Zones, { 'In${Zone}': '${Zone}1' }] }
      I: !Ref Size
  Fn::ForEach::Queues: [Zone, !Ref Zones, { 'Queue${Zone}': { Type: AWS::SQS::Queue } }]
Conditions:
  Always: !Equals [a, a]
`
	s, err := cfn.Parse([]byte(template), cfn.Options{Guess: true})
	if err != nil {
		t.Fatal(err)
	}
	own := s.Resources["Own"].Properties
	want := map[string]any{
		"Tags": map[string]any{"Team": "data", "Own": "yes"}, "Layers": []any{"shared", "mine"}, "Timeout": 9,
		"Environment": map[string]any{"Variables": map[string]any{"HTTPS": "on"}},
	}
	if diff := cmp.Diff(want, own); diff != "" {
		t.Error(diff)
	}
	topic := s.Resources["Topic"].Properties
	if diff := cmp.Diff(map[string]any{"Ina": "a1", "Inb": "b1"}, topic["H"]); diff != "" {
		t.Error(diff)
	}
	if diff := cmp.Diff([]any{"Subnets"}, topic["G"]); diff != "" || topic["I"] != 2 {
		t.Errorf("%v %s", topic["I"], diff)
	}
	if s.Resources["Table"].DeletionPolicy != "Retain" || s.Resources["Queueb"].Type != "AWS::SQS::Queue" {
		t.Errorf("%v", s.Resources)
	}
}

func TestProblemsHaveTheirLine(t *testing.T) {
	t.Parallel()
	const template = `Resources:
  Queue:
    Type: AWS::SQS::Queue
    Properties:
      Tags:
        - { Key: a, Value: !Ref Missing }
  Fn::ForEach::Topics:
    - Name
    - [A, B]
    - Topic${Name}:
        Type: AWS::SNS::Topic
        Properties:
          Other: !Sub ['${X}', { X: !Ref 'Missing${Name}' }]
`
	_, err := cfn.Parse([]byte(template), cfn.Options{})
	problems, ok := errors.AsType[cfn.TemplateError](err)
	if !ok {
		t.Fatal(err)
	}
	want := cfn.TemplateError{
		{
			Where: "Resources.Queue.Properties.Tags[0].Value", Text: "there is no parameter or resource Missing", Line: 6,
			Column: 21,
		},
		{
			Where: "Resources.TopicA.Properties.Other.${X}", Text: "there is no parameter or resource MissingA", Line: 13,
			Column: 34,
		},
		{
			Where: "Resources.TopicB.Properties.Other.${X}", Text: "there is no parameter or resource MissingB", Line: 13,
			Column: 34,
		},
	}
	if diff := cmp.Diff(want, problems); diff != "" {
		t.Error(diff)
	}
	_, err = cfn.Parse([]byte("Resources:\n\tQueue: {}\n"), cfn.Options{})
	if problems, ok := errors.AsType[cfn.TemplateError](err); !ok || !problems[0].Syntax || problems[0].Line != 2 {
		t.Errorf("got %#v", err)
	}
}
