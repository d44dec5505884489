package iam_test

import (
	"encoding/json"
	"testing"

	"github.com/google/go-cmp/cmp"

	"github.com/cronbearer/cronbearer/internal/dev/awssim/iam"
)

// TestRole evaluates statements as IAM does.
func TestRole(t *testing.T) {
	t.Parallel()
	const read = `[{"Effect":"Allow","Action":"secretsmanager:GetSecretValue",
		"Resource":"arn:aws:secretsmanager:eu-west-1:1:secret:app/*",
		"Condition":{"StringEquals":{"secretsmanager:VersionStage":["AWSCURRENT","AWSPENDING"]}}}]`
	current := iam.Context{"secretsmanager:versionstage": {"AWSCURRENT"}}
	type row struct {
		statements, action, resource string
		context                      iam.Context
		want                         bool
	}
	cases := map[string]row{
		"allowed": {
			statements: read, action: "secretsmanager:GetSecretValue",
			resource: "arn:aws:secretsmanager:eu-west-1:1:secret:app/x-AbCdEf", context: current, want: true,
		},
		"any case of the action": {
			statements: read, action: "SecretsManager:getsecretvalue",
			resource: "arn:aws:secretsmanager:eu-west-1:1:secret:app/x-AbCdEf", context: current, want: true,
		},
		"another action": {
			statements: read, action: "secretsmanager:PutSecretValue",
			resource: "arn:aws:secretsmanager:eu-west-1:1:secret:app/x-AbCdEf", context: current, want: false,
		},
		"another resource": {
			statements: read, action: "secretsmanager:GetSecretValue",
			resource: "arn:aws:secretsmanager:eu-west-1:1:secret:other/x-AbCdEf", context: current, want: false,
		},
		"another value": {
			statements: read, action: "secretsmanager:GetSecretValue",
			resource: "arn:aws:secretsmanager:eu-west-1:1:secret:app/x-AbCdEf",
			context:  iam.Context{"secretsmanager:versionstage": {"MINE"}}, want: false,
		},
		"a key that is missing": {
			statements: read, action: "secretsmanager:GetSecretValue",
			resource: "arn:aws:secretsmanager:eu-west-1:1:secret:app/x-AbCdEf", context: nil, want: false,
		},
		"a Deny wins": {
			statements: `[{"Effect":"Allow","Action":"*","Resource":"*"},{"Effect":"Deny","Action":"s3:*","Resource":"*"}]`,
			action:     "s3:GetObject", resource: "x", context: nil, want: false,
		},
		"not denied": {
			statements: `[{"Effect":"Allow","Action":"*","Resource":"*"},{"Effect":"Deny","Action":"s3:*","Resource":"*"}]`,
			action:     "sqs:SendMessage", resource: "x", context: nil, want: true,
		},
		"six characters": {
			statements: `[{"Effect":"Allow","Action":"a:b","Resource":"secret:x-??????"}]`, action: "a:b",
			resource: "secret:x-AbCdEf", context: nil, want: true,
		},
		"seven": {
			statements: `[{"Effect":"Allow","Action":"a:b","Resource":"secret:x-??????"}]`, action: "a:b",
			resource: "secret:x-AbCdEfG", context: nil, want: false,
		},
		"nothing said": {`[]`, "a:b", "x", nil, false},
	}
	const identity = `[{"Effect":"Allow","Action":"sts:GetWebIdentityToken","Resource":"*","Condition":{
		"Null":{"sts:IdentityTokenAudience":"false"},"ForAllValues:StringEquals":{"sts:IdentityTokenAudience":["one","two"]},
		"NumericLessThanEquals":{"sts:DurationSeconds":"3600"}}}]`
	request := func(seconds string, audiences ...string) iam.Context {
		return iam.Context{"sts:identitytokenaudience": audiences, "sts:durationseconds": {seconds}}
	}
	for name, c := range map[string]struct {
		context iam.Context
		want    bool
	}{
		"an audience":                     {context: request("300", "one"), want: true},
		"all audiences, the longest life": {context: request("3600", "one", "two"), want: true},
		"another audience":                {context: request("300", "three"), want: false},
		"another audience among them":     {context: request("300", "one", "three"), want: false},
		"no audience":                     {context: request("300"), want: false},
		"a longer life":                   {context: request("3601", "one"), want: false},
		"a life that is not a number":     {context: request("x", "one"), want: false},
		"no life":                         {context: iam.Context{"sts:identitytokenaudience": {"one"}}, want: false},
	} {
		cases["identity: "+name] = row{identity, "sts:GetWebIdentityToken", "*", c.context, c.want}
	}
	for name, c := range cases {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			role, err := parse(t, c.statements)
			if err != nil {
				t.Fatal(err)
			}
			if got := role.Allows(c.action, c.resource, c.context); got != c.want {
				t.Errorf("got %t", got)
			}
		})
	}
	for _, unknown := range []string{
		`[{"Effect":"Allow","NotAction":"a:b","Resource":"*"}]`, `[{"Effect":"Maybe","Action":"a:b","Resource":"*"}]`,
		`[{"Effect":"Allow","Action":"a:b","Resource":"*","Condition":{"IpAddress":{"aws:SourceIp":"10.0.0.0/8"}}}]`,
		`[{"Effect":"Allow","Principal":"*","Action":"a:b","Resource":"*"}]`,
	} {
		if _, err := parse(t, unknown); err == nil {
			t.Errorf("%s was accepted", unknown)
		}
	}
}

func parse(t *testing.T, statements string) (iam.Role, error) {
	t.Helper()
	var list any
	if err := json.Unmarshal([]byte(statements), &list); err != nil {
		t.Fatal(err)
	}
	return iam.Parse([]any{map[string]any{"PolicyDocument": map[string]any{"Statement": list}}})
}

// TestPartsAreWhatAPolicyCouldDoWithout: each is named, and without it the policy no longer answers as before.
func TestPartsAreWhatAPolicyCouldDoWithout(t *testing.T) {
	t.Parallel()
	policy, err := iam.ParseResource(map[string]any{"Statement": []any{
		map[string]any{
			"Sid": "Send", "Effect": "Allow", "Principal": map[string]any{"Service": []any{"a.example", "b.example"}},
			"Action": "sqs:SendMessage", "Resource": []any{"first", "second"},
			"Condition": map[string]any{"StringEquals": map[string]any{"stage": []any{"new", "old"}}},
		},
		map[string]any{
			"Sid": "Read", "Effect": "Allow", "Principal": "*", "Action": []any{"sqs:ReceiveMessage", "sqs:DeleteMessage"},
			"Resource": "first",
		},
	}})
	if err != nil {
		t.Fatal(err)
	}
	send := iam.Question{
		Principal: "a.example", Action: "sqs:SendMessage", Resource: "second", Context: iam.Context{"stage": {"old"}},
	}
	receive := iam.Question{Principal: "anyone", Action: "sqs:ReceiveMessage", Resource: "first"}
	got := map[string]string{}
	for name, without := range policy.Parts() {
		got[name] = string(without.Answer(send)) + "," + string(without.Answer(receive))
	}
	want := map[string]string{
		"Send: sqs:SendMessage": ",allowed", "Send: first": "allowed,allowed", "Send: second": ",allowed",
		"Send: a.example": ",allowed", "Send: b.example": "allowed,allowed",
		"Send: new": "allowed,allowed", "Send: old": ",allowed",
		"Read: sqs:ReceiveMessage": "allowed,", "Read: sqs:DeleteMessage": "allowed,allowed",
	}
	if diff := cmp.Diff(want, got); diff != "" {
		t.Errorf("answers without each part (-want +got)\n%s", diff)
	}
}
