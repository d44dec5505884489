package rights

import (
	"fmt"
	"strings"
)

// names of the policies, as the resources of infra/operator.yaml.
var names = map[Level]struct{ id, description string }{
	Look:       {"Look", "cronbearer status, runs, failed and the dry runs: reads everything but the secrets"},
	Operate:    {"Operate", "also runs, resends, pauses and drills"},
	KeepTokens: {"KeepTokens", "also stores and renews tokens; it cannot read one"},
}

// Template returns infra/operator.yaml: the three policies for people and roles that operate one stack. Each contains
// the ones before it, so that one of them is attached.
func Template() string {
	var b strings.Builder
	b.WriteString(`# Generated from infra/cronbearer/internal/rights: make generate.
AWSTemplateFormatVersion: '2010-09-09'
Description: Policies for those who operate a Cronbearer stack with the cronbearer command. None reads a secret.

Parameters:
  StackName:
    Type: String
    Default: cronbearer
    Description: Name of the stack that is operated
    AllowedPattern: '[a-zA-Z][-a-zA-Z0-9]{0,127}'

Resources:
`)
	for _, level := range []Level{Look, Operate, KeepTokens} {
		fmt.Fprintf(&b, "  %s:\n    Type: AWS::IAM::ManagedPolicy\n    Properties:\n      Description: %s\n", names[level].id,
			quoted(names[level].description))
		b.WriteString("      PolicyDocument:\n        Version: '2012-10-17'\n        Statement:\n")
		for _, s := range Policy(UpTo(level), nil).Statement {
			b.WriteString(statement(s))
		}
		b.WriteString("\n")
	}
	b.WriteString("Outputs:\n")
	for _, level := range []Level{Look, Operate, KeepTokens} {
		fmt.Fprintf(&b, "  %sArn: { Description: %s, Value: !Ref %s }\n", names[level].id,
			quoted("ARN of the policy "+names[level].id), names[level].id)
	}
	return b.String()
}

func statement(s Statement) string {
	var b strings.Builder
	fmt.Fprintf(&b, "          - Effect: %s\n            Action:\n", s.Effect)
	for _, action := range s.Action {
		fmt.Fprintf(&b, "              - %s\n", action)
	}
	b.WriteString("            Resource:\n")
	for _, resource := range s.Resource {
		if strings.Contains(resource, "${") {
			resource = "!Sub " + resource
		} else {
			resource = quoted(resource)
		}
		fmt.Fprintf(&b, "              - %s\n", resource)
	}
	for operator, keys := range s.Condition {
		for key, value := range keys {
			fmt.Fprintf(&b, "            Condition: { %s: { '%s': %v } }\n", operator, key, value)
		}
	}
	return b.String()
}

func quoted(text string) string { return "'" + strings.ReplaceAll(text, "'", "''") + "'" }
