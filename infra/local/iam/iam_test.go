package iam_test

import (
	"encoding/json"
	"testing"

	"github.com/cronbearer/cronbearer/infra/local/iam"
)

// TestRole evaluates statements as IAM does.
func TestRole(t *testing.T) {
	t.Parallel()
	const read = `[{"Effect":"Allow","Action":"secretsmanager:GetSecretValue","Resource":"arn:aws:secretsmanager:eu-west-1:1:secret:app/*",
		"Condition":{"StringEquals":{"secretsmanager:VersionStage":["AWSCURRENT","AWSPENDING"]}}}]`
	current := map[string]string{"secretsmanager:versionstage": "AWSCURRENT"}
	cases := map[string]struct {
		statements, action, resource string
		context                      map[string]string
		want                         bool
	}{
		"allowed":                {read, "secretsmanager:GetSecretValue", "arn:aws:secretsmanager:eu-west-1:1:secret:app/x-AbCdEf", current, true},
		"any case of the action": {read, "SecretsManager:getsecretvalue", "arn:aws:secretsmanager:eu-west-1:1:secret:app/x-AbCdEf", current, true},
		"another action":         {read, "secretsmanager:PutSecretValue", "arn:aws:secretsmanager:eu-west-1:1:secret:app/x-AbCdEf", current, false},
		"another resource":       {read, "secretsmanager:GetSecretValue", "arn:aws:secretsmanager:eu-west-1:1:secret:other/x-AbCdEf", current, false},
		"another value":          {read, "secretsmanager:GetSecretValue", "arn:aws:secretsmanager:eu-west-1:1:secret:app/x-AbCdEf", map[string]string{"secretsmanager:versionstage": "MINE"}, false},
		"a key that is missing":  {read, "secretsmanager:GetSecretValue", "arn:aws:secretsmanager:eu-west-1:1:secret:app/x-AbCdEf", nil, false},
		"denied all the same":    {`[{"Effect":"Allow","Action":"*","Resource":"*"},{"Effect":"Deny","Action":"s3:*","Resource":"*"}]`, "s3:GetObject", "x", nil, false},
		"not denied":             {`[{"Effect":"Allow","Action":"*","Resource":"*"},{"Effect":"Deny","Action":"s3:*","Resource":"*"}]`, "sqs:SendMessage", "x", nil, true},
		"six characters":         {`[{"Effect":"Allow","Action":"a:b","Resource":"secret:x-??????"}]`, "a:b", "secret:x-AbCdEf", nil, true},
		"seven":                  {`[{"Effect":"Allow","Action":"a:b","Resource":"secret:x-??????"}]`, "a:b", "secret:x-AbCdEfG", nil, false},
		"nothing said":           {`[]`, "a:b", "x", nil, false},
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
			t.Errorf("%s was taken", unknown)
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
