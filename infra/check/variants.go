package check

import (
	"maps"
	"strings"

	"github.com/cronbearer/cronbearer/infra/cfn"
)

// maxStackName is CloudFormation's.
const maxStackName = 128

// maxRunbookURL is what the template's parameter takes.
const maxRunbookURL = 100

// variants checks the same template deployed otherwise: under the longest name,
// in another partition, with every option taken, and beside itself.
func (c *checker) variants(data []byte, base cfn.Options) {
	if len(c.problems) > 0 {
		return // they would only be told again
	}
	everything := base
	everything.StackName = c.stack.StackName + strings.Repeat("x", maxStackName-len(c.stack.StackName))
	everything.Partition, everything.Region = "aws-cn", "cn-northwest-1"
	everything.Parameters = maps.Clone(base.Parameters)
	maps.Copy(everything.Parameters, map[string]string{
		"AlarmEmail":          "on-call@example.com",
		"ExtraSecretArns":     strings.Trim(base.Parameters["ExtraSecretArns"]+",arn:aws-cn:secretsmanager:cn-northwest-1:123456789012:secret:shared/token-AbCdEf", ","),
		"SecretsKeyArn":       "arn:aws-cn:kms:cn-northwest-1:123456789012:key/00000000-0000-0000-0000-000000000000",
		"VpcSubnetIds":        "subnet-0123456789abcdef0, subnet-0123456789abcdef1",
		"VpcSecurityGroupIds": "sg-0123456789abcdef0",
		"PermissionsBoundary": "arn:aws-cn:iam::123456789012:policy/boundaries/team",
		"IdentityAudiences":   "api://AzureADTokenExchange, https://api.example.com",
		"LogResponses":        "never",
		"RunbookUrl":          "https://wiki.example.com/" + strings.Repeat("r", maxRunbookURL-len("https://wiki.example.com/")),
	})
	c.variant("with every option, and a stack name of 128 characters", data, everything)

	topic := base
	topic.Parameters = maps.Clone(base.Parameters)
	topic.Parameters["AlarmTopicArn"] = c.prefix("sns", "") + "on-call"
	topic.Parameters["AlarmEmail"] = "on-call@example.com"
	c.variant("with a topic of your own", data, topic)

	second := base
	second.StackName = c.stack.StackName + "2"
	c.beside(c.variant("as a second stack", data, second))
}

func (c *checker) variant(how string, data []byte, o cfn.Options) *cfn.Stack {
	stack, err := cfn.Parse(data, o)
	if err != nil {
		c.add(how, "%v", err)
		return nil
	}
	v := &checker{stack: stack, options: c.options}
	v.jobs()
	v.tokens()
	v.application()
	for _, problem := range v.problems {
		c.add(how, "%s", problem)
	}
	return stack
}

// beside finds what two stacks in one account and Region would fight over.
func (c *checker) beside(second *cfn.Stack) {
	if second == nil {
		return
	}
	theirs := physical(second)
	for name, id := range physical(c.stack) {
		if _, ok := theirs[name]; ok {
			c.add(id, "a second stack would have the same %s", name)
		}
	}
}
