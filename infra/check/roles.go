package check

import (
	"maps"
	"slices"
)

func statement(effect string, principal, action, resource, condition any) map[string]any {
	s := map[string]any{"Effect": effect, "Action": action}
	for key, v := range map[string]any{"Principal": principal, "Resource": resource, "Condition": condition} {
		switch v := v.(type) {
		case nil:
		case map[string]any:
			if v != nil {
				s[key] = v
			}
		default:
			s[key] = v
		}
	}
	return s
}

func allow(action, resource any, condition map[string]any) map[string]any {
	return statement("Allow", nil, action, resource, condition)
}

func stringEquals(key string, value any) map[string]any {
	return map[string]any{"StringEquals": map[string]any{key: value}}
}

func withoutTLS() map[string]any {
	return map[string]any{"Bool": map[string]any{"aws:SecureTransport": "false"}}
}

// statements holds a policy against the statements that it must have, in their
// order; a Sid is only a name.
func (c *checker) statements(where string, policy any, want []any) {
	var got []any
	for _, s := range listAt(policy, "Statement") {
		m, _ := s.(map[string]any)
		m = maps.Clone(m)
		delete(m, "Sid")
		got = append(got, m)
	}
	for i := range max(len(got), len(want)) {
		switch {
		case i >= len(got):
			c.add(where, "the statement %s is missing", show(want[i]))
		case i >= len(want):
			c.add(where, "the statement %s is not allowed", show(got[i]))
		case !equal(got[i], want[i]):
			c.add(where, "the statement %s must be %s", show(got[i]), show(want[i]))
		}
	}
}

// role is what one of the template's roles must be.
type role struct {
	trust  map[string]any
	policy []any
}

// roles: each has exactly what it needs (design, section 9).
func (c *checker) roles() {
	want := map[string]role{
		"CallerRole":  {trust: trust("lambda.amazonaws.com", nil), policy: c.callerMay()},
		"RotatorRole": {trust: trust("lambda.amazonaws.com", nil), policy: c.rotatorMay()},
		"SchedulerRole": {
			trust: trust("scheduler.amazonaws.com", map[string]any{"StringEquals": map[string]any{
				"aws:SourceAccount": c.stack.AccountID, "aws:SourceArn": c.arn("scheduler", "schedule-group/", "ScheduleGroup"),
			}}),
			policy: []any{
				allow("lambda:InvokeFunction", c.arn("lambda", "function:", "Caller"), nil),
				allow("sqs:SendMessage", c.arn("sqs", "", "DeadLetters"), nil),
			},
		},
	}
	for _, r := range c.stack.OfType("AWS::IAM::Role") {
		expected, ok := want[r.LogicalID]
		if !ok {
			c.add(r.LogicalID, "nothing asks for this role")
			continue
		}
		for _, key := range []string{"ManagedPolicyArns", "Path"} {
			c.sameValue(r.LogicalID, key, r.Properties[key], nil)
		}
		c.sameValue(r.LogicalID, "PermissionsBoundary", r.Properties["PermissionsBoundary"], c.boundary())
		c.statements(r.LogicalID+" AssumeRolePolicyDocument", r.Properties["AssumeRolePolicyDocument"], []any{expected.trust})
		policies := listAt(r.Properties, "Policies")
		if len(policies) != 1 {
			c.add(r.LogicalID, "must have one policy")
			continue
		}
		c.statements(r.LogicalID, at(policies[0], "PolicyDocument"), expected.policy)
	}
	for _, id := range slices.Sorted(maps.Keys(want)) {
		if _, ok := c.stack.Resources[id]; !ok {
			c.add(id, "the role is missing")
		}
	}
	c.rotatorSecrets()
}

// boundary is nil where no policy bounds the roles.
func (c *checker) boundary() any {
	if arn := c.stack.Values["PermissionsBoundary"]; arn != "" {
		return arn
	}
	return nil
}

func trust(service string, condition map[string]any) map[string]any {
	return statement("Allow", map[string]any{"Service": service}, "sts:AssumeRole", nil, condition)
}

func (c *checker) callerMay() []any {
	stack := c.stack.StackName
	staged := stringEquals("secretsmanager:VersionStage", []any{"AWSCURRENT", "AWSPENDING", "AWSPREVIOUS"})
	may := []any{allow("secretsmanager:GetSecretValue", c.prefix("secretsmanager", "secret:")+stack+"/*", staged)}
	if extra := c.list("ExtraSecretArns"); len(extra) > 0 {
		may = append(may, allow("secretsmanager:GetSecretValue", extra, staged))
	}
	may = append(may, c.mayUseKey("kms:Decrypt")...)
	may = append(may, c.mayPublish())
	may = append(may, c.mayProveIdentity()...)
	may = append(may,
		allow("cloudwatch:DescribeAlarms", c.prefix("cloudwatch", "alarm:*"), nil),
		allow("cloudwatch:SetAlarmState", c.prefix("cloudwatch", "alarm:")+stack+"-TokenRejected-*", nil),
		allow([]any{"logs:CreateLogStream", "logs:PutLogEvents"}, c.arn("logs", "log-group:", "CallerLogs")+":*", nil),
		allow("sqs:SendMessage", c.arn("sqs", "", "FailedRuns"), nil),
	)
	return append(may, c.mayJoinVPC()...)
}

// rotatorMay is the rotator's role but for its secrets, which are in rotatorSecrets.
func (c *checker) rotatorMay() []any {
	may := c.mayUseKey([]any{"kms:Decrypt", "kms:GenerateDataKey"})
	may = append(may, c.mayPublish(), allow([]any{"logs:CreateLogStream", "logs:PutLogEvents"}, c.arn("logs", "log-group:", "RotatorLogs")+":*", nil))
	return append(may, c.mayJoinVPC()...)
}

// rotatorSecrets: only secrets under the prefix that this very function rotates.
func (c *checker) rotatorSecrets() {
	policies := c.stack.OfType("AWS::IAM::RolePolicy")
	if len(policies) != 1 || policies[0].LogicalID != "RotatorSecrets" {
		c.add("RotatorSecrets", "must be there, and no other policy beside the roles' own")
		return
	}
	p := policies[0].Properties
	c.sameValue("RotatorSecrets", "RoleName", p["RoleName"], c.stack.Ref("RotatorRole"))
	own := c.prefix("secretsmanager", "secret:") + c.stack.StackName + "/*"
	const rotatedBy, stage = "secretsmanager:resource/AllowRotationLambdaArn", "secretsmanager:VersionStage"
	rotator := c.arn("lambda", "function:", "Rotator")
	c.statements("RotatorSecrets", p["PolicyDocument"], []any{
		allow("secretsmanager:GetSecretValue", own, map[string]any{
			"StringEquals": map[string]any{rotatedBy: rotator},
			"StringLike":   map[string]any{stage: []any{"AWSCURRENT", "AWSPENDING", "cronbearer-*"}},
		}),
		allow([]any{"secretsmanager:DescribeSecret", "secretsmanager:PutSecretValue"}, own, stringEquals(rotatedBy, rotator)),
		allow("secretsmanager:UpdateSecretVersionStage", own, map[string]any{
			"StringEquals": map[string]any{rotatedBy: rotator},
			"StringLike":   map[string]any{stage: []any{"AWSCURRENT", "AWSPENDING", "cronbearer-*"}},
		}),
	})
}

func (c *checker) mayPublish() any {
	return allow("cloudwatch:PutMetricData", "*", stringEquals("cloudwatch:namespace", c.stack.Values["MetricNamespace"]))
}

// mayProveIdentity: without Null a request that names no audience would pass ForAllValues.
func (c *checker) mayProveIdentity() []any {
	audiences := c.list("IdentityAudiences")
	if len(audiences) == 0 {
		return nil
	}
	return []any{allow("sts:GetWebIdentityToken", "*", map[string]any{
		"Null":                      map[string]any{"sts:IdentityTokenAudience": "false"},
		"ForAllValues:StringEquals": map[string]any{"sts:IdentityTokenAudience": audiences},
		"NumericLessThanEquals":     map[string]any{"sts:DurationSeconds": "3600"},
	})}
}

func (c *checker) mayUseKey(actions any) []any {
	key := c.stack.Values["SecretsKeyArn"]
	if key == "" {
		return nil
	}
	suffix := ".amazonaws.com"
	if c.stack.Partition == "aws-cn" {
		suffix = ".amazonaws.com.cn"
	}
	return []any{allow(actions, key, stringEquals("kms:ViaService", "secretsmanager."+c.stack.Region+suffix))}
}

func (c *checker) mayJoinVPC() []any {
	if c.vpc() == nil {
		return nil
	}
	network := []any{
		"ec2:AssignPrivateIpAddresses", "ec2:CreateNetworkInterface", "ec2:DeleteNetworkInterface",
		"ec2:DescribeNetworkInterfaces", "ec2:DescribeSubnets", "ec2:UnassignPrivateIpAddresses",
	}
	return []any{allow(network, "*", nil), statement("Deny", nil, network, "*", map[string]any{
		"ArnLike": map[string]any{"lambda:SourceFunctionArn": c.prefix("lambda", "function:*")},
	})}
}
