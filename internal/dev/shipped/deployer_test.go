package shipped_test

import (
	"testing"

	"github.com/google/go-cmp/cmp"

	"github.com/cronbearer/cronbearer/internal/dev/awssim/iam"
	"github.com/cronbearer/cronbearer/internal/dev/cfn"
)

// deployer deploys infra/deployer.yaml for a stack in the same place.
func deployer(t *testing.T, of cfn.Options) *cfn.Stack {
	t.Helper()
	o := of
	o.StackName = of.StackName + "-deployer"
	o.Parameters = map[string]string{
		"StackName": of.StackName, "Repository": "you/cronbearer", "Environment": "prod",
		"ExtraSecretArns": of.Parameters["ExtraSecretArns"], "SecretsKeyArn": of.Parameters["SecretsKeyArn"],
	}
	s, err := cfn.Load("../../../infra/deployer.yaml", o)
	if err != nil {
		t.Fatal(err)
	}
	return s
}

func roleOf(t *testing.T, s *cfn.Stack, id string) iam.Role {
	t.Helper()
	role, err := iam.Parse(s.Resources[id].Properties["Policies"])
	if err != nil {
		t.Fatal(err)
	}
	return role
}

// TestBoundaryHoldsTheRolesOfTheApplication: under the boundary that CI requires, each role of the template, with every
// option, may do all that its policies allow.
func TestBoundaryHoldsTheRolesOfTheApplication(t *testing.T) {
	t.Parallel()
	o := everything()
	boundary, err := iam.Role{}.With(deployer(t, o).Resources["Boundary"].Properties["PolicyDocument"])
	if err != nil {
		t.Fatal(err)
	}
	seen := 0
	request := iam.Context{"kms:viaservice": {"secretsmanager.cn-northwest-1.amazonaws.com.cn"}}
	for _, st := range statements(resolve(t, o), "AWS::IAM::Role", "AWS::IAM::RolePolicy") {
		if st.effect != "Allow" {
			continue
		}
		for _, action := range st.actions {
			for _, resource := range st.resources {
				seen++
				if !boundary.Allows(action, resource, request) {
					t.Errorf("the boundary denies %s on %s, which %s allows", action, resource, st.where)
				}
			}
		}
	}
	if seen < 30 {
		t.Errorf("%d actions: the template's policies were not read", seen)
	}
}

// TestDeploymentFromCIReachesItsStackOnly: what a workflow that was taken over could try.
func TestDeploymentFromCIReachesItsStackOnly(t *testing.T) {
	t.Parallel()
	s := deployer(t, cfn.Options{StackName: "cronbearer"})
	roles := map[string]iam.Role{"Deploy": roleOf(t, s, "Deploy"), "CloudFormation": roleOf(t, s, "CloudFormation")}
	const account = "arn:aws:iam::123456789012:"
	arn := func(id string) string { return account + "role/" + s.Ref(id) }
	boundary := iam.Context{"iam:permissionsboundary": {s.Ref("Boundary")}}
	change := func(role string) iam.Context { return iam.Context{"cloudformation:rolearn": {role}} }
	to := func(service string) iam.Context { return iam.Context{"iam:passedtoservice": {service}} }
	place := func(service, rest string) string {
		return "arn:aws:" + service + ":" + s.Region + ":123456789012:" + rest
	}
	for name, c := range map[string]struct {
		role, action, resource string
		request                iam.Context
		want                   bool
	}{
		"a change with its role": {
			role: "Deploy", action: "cloudformation:CreateChangeSet", resource: place("cloudformation", "stack/cronbearer/x"),
			request: change(arn("CloudFormation")), want: true,
		},
		"a change with another role": {
			role: "Deploy", action: "cloudformation:CreateChangeSet", resource: place("cloudformation", "stack/cronbearer/x"),
			request: change(account + "role/admin"),
		},
		"a change with its own rights": {
			role: "Deploy", action: "cloudformation:CreateChangeSet", resource: place("cloudformation", "stack/cronbearer/x"),
		},
		"another stack": {
			role: "Deploy", action: "cloudformation:CreateChangeSet", resource: place("cloudformation", "stack/billing/x"),
			request: change(arn("CloudFormation")),
		},
		"its own stack": {
			role: "Deploy", action: "cloudformation:CreateChangeSet",
			resource: place("cloudformation", "stack/cronbearer-deployer/x"), request: change(arn("CloudFormation")),
		},
		"deleting the stack": {
			role: "Deploy", action: "cloudformation:DeleteStack", resource: place("cloudformation", "stack/cronbearer/x"),
		},
		"handing its role to CloudFormation": {
			role: "Deploy", action: "iam:PassRole", resource: arn("CloudFormation"),
			request: to("cloudformation.amazonaws.com"), want: true,
		},
		"handing its role to a machine": {
			role: "Deploy", action: "iam:PassRole", resource: arn("CloudFormation"), request: to("ec2.amazonaws.com"),
		},
		"reading a secret, the workflow": {
			role: "Deploy", action: "secretsmanager:GetSecretValue", resource: place("secretsmanager", "secret:cronbearer/x"),
		},
		"reading a secret, CloudFormation": {
			role: "CloudFormation", action: "secretsmanager:GetSecretValue",
			resource: place("secretsmanager", "secret:cronbearer/x"),
		},
		"running a job": {
			role: "CloudFormation", action: "lambda:InvokeFunction", resource: place("lambda", "function:cronbearer-Caller-x"),
		},
		"a role with the boundary": {
			role: "CloudFormation", action: "iam:CreateRole", resource: account + "role/cronbearer-CallerRole-x",
			request: boundary, want: true,
		},
		"a role without it": {
			role: "CloudFormation", action: "iam:CreateRole", resource: account + "role/cronbearer-CallerRole-x",
		},
		"a role with another": {
			role: "CloudFormation", action: "iam:CreateRole", resource: account + "role/cronbearer-CallerRole-x",
			request: iam.Context{"iam:permissionsboundary": {"arn:aws:iam::aws:policy/AdministratorAccess"}},
		},
		"more rights for a role without it": {
			role: "CloudFormation", action: "iam:PutRolePolicy", resource: account + "role/cronbearer-CallerRole-x",
		},
		"more rights for itself": {
			role: "CloudFormation", action: "iam:PutRolePolicy", resource: arn("CloudFormation"), request: boundary,
		},
		"another repository for the workflow's role": {
			role: "CloudFormation", action: "iam:UpdateAssumeRolePolicy", resource: arn("Deploy"),
		},
		"no boundary any more": {
			role: "CloudFormation", action: "iam:DeleteRolePermissionsBoundary",
			resource: account + "role/cronbearer-CallerRole-x", request: boundary,
		},
		"a wider boundary": {
			role: "CloudFormation", action: "iam:CreatePolicyVersion", resource: s.Ref("Boundary"),
		},
		"an administrator for the function": {
			role: "CloudFormation", action: "iam:AttachRolePolicy", resource: account + "role/cronbearer-CallerRole-x",
			request: boundary,
		},
		"another's function": {
			role: "CloudFormation", action: "lambda:UpdateFunctionCode", resource: place("lambda", "function:billing"),
		},
		"another's key": {
			role: "CloudFormation", action: "kms:PutKeyPolicy", resource: place("kms", "key/x"),
			request: iam.Context{"aws:resourcetag/cronbearer-stack": {"billing"}},
		},
		"its key": {
			role: "CloudFormation", action: "kms:PutKeyPolicy", resource: place("kms", "key/x"),
			request: iam.Context{"aws:resourcetag/cronbearer-stack": {"cronbearer"}}, want: true,
		},
		"deleting its key": {
			role: "CloudFormation", action: "kms:ScheduleKeyDeletion", resource: place("kms", "key/x"),
			request: iam.Context{"aws:resourcetag/cronbearer-stack": {"cronbearer"}},
		},
		"deleting the logs": {
			role: "CloudFormation", action: "logs:DeleteLogGroup", resource: place("logs", "log-group:cronbearer-CallerLogs-x"),
		},
	} {
		if got := roles[c.role].Allows(c.action, c.resource, c.request); got != c.want {
			t.Errorf("%s: %t", name, got)
		}
	}
}

// TestWorkflowIsTrustedByItsEnvironment: the role trusts tokens of GitHub for one repository and environment.
func TestWorkflowIsTrustedByItsEnvironment(t *testing.T) {
	t.Parallel()
	s := deployer(t, cfn.Options{StackName: "cronbearer"})
	got := list(get(s.Resources["Deploy"].Properties, "AssumeRolePolicyDocument", "Statement"))
	want := []any{map[string]any{
		"Effect": "Allow", "Action": "sts:AssumeRoleWithWebIdentity",
		"Principal": map[string]any{"Federated": s.Ref("Provider")},
		"Condition": map[string]any{"StringEquals": map[string]any{
			"token.actions.githubusercontent.com:aud": "sts.amazonaws.com",
			"token.actions.githubusercontent.com:sub": "repo:you/cronbearer:environment:prod",
		}},
	}}
	if diff := cmp.Diff(want, got); diff != "" {
		t.Errorf("(-want +got)\n%s", diff)
	}
}
