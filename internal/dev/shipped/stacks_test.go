package shipped_test

import (
	"flag"
	"fmt"
	"os"
	"path/filepath"
	"strings"
	"testing"

	"github.com/google/go-cmp/cmp"
	"go.yaml.in/yaml/v3"

	"github.com/cronbearer/cronbearer/internal/dev/cfn"
	"github.com/cronbearer/cronbearer/internal/dev/shipped"
)

var update = flag.Bool("update", false, "write the golden files anew")

// defaults deploys the shipped template with the one parameter that has no default.
func defaults() cfn.Options {
	return cfn.Options{Parameters: map[string]string{"AllowedHosts": "api.example.com"}}
}

// everything sets every option, as another stack in another partition.
func everything() cfn.Options {
	return cfn.Options{
		StackName: "second", Partition: "aws-cn", Region: "cn-northwest-1",
		Parameters: map[string]string{
			"AlarmEmail":          "on-call@example.com",
			"AlarmTopicArn":       "arn:aws-cn:sns:cn-northwest-1:123456789012:on-call",
			"AllowedHosts":        "api.example.com,*.example.net:8443",
			"ExtraSecretArns":     "arn:aws-cn:secretsmanager:cn-northwest-1:123456789012:secret:shared/token-AbCdEf",
			"IdempotencyHeader":   "X-Request-Id",
			"IdentityAudiences":   "api://AzureADTokenExchange, https://api.example.com",
			"LogLevel":            "debug",
			"LogResponses":        "never",
			"LogRetentionDays":    "30",
			"MetricNamespace":     "Team/Cronbearer",
			"PermissionsBoundary": "arn:aws-cn:iam::123456789012:policy/boundaries/team",
			"RemindAfter":         "8h",
			"RunbookUrl":          "https://wiki.example.com/runbooks/cronbearer",
			"SecretCacheTtl":      "30s",
			"SecretsKeyArn":       "arn:aws-cn:kms:cn-northwest-1:123456789012:key/00000000-0000-0000-0000-000000000000",
			"VpcSecurityGroupIds": "sg-0123456789abcdef0",
			"VpcSubnetIds":        "subnet-0123456789abcdef0, subnet-0123456789abcdef1",
		},
	}
}

// ownTopic sets every option but the foreign topic, under the longest name that CloudFormation allows.
func ownTopic() cfn.Options {
	o := everything()
	o.StackName = strings.Repeat("x", 128)
	delete(o.Parameters, "AlarmTopicArn")
	return o
}

func resolve(t *testing.T, o cfn.Options) *cfn.Stack {
	t.Helper()
	s, err := cfn.Parse([]byte(shipped.Template()), o)
	if err != nil {
		t.Fatal(err)
	}
	return s
}

// stack is one way to deploy the template, and the test that checks it.
type stack struct {
	*cfn.Stack
	t testing.TB
}

// everyStack runs a property on each way to deploy the shipped template.
func everyStack(t *testing.T, property func(stack)) {
	t.Helper()
	t.Parallel()
	for name, o := range map[string]cfn.Options{
		"defaults": defaults(), "everything": everything(), "own topic": ownTopic(),
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			property(stack{resolve(t, o), t})
		})
	}
}

// TestTemplateBecomes shows in a diff what a change of the template makes of the stack: go test ./internal/dev/shipped
// -update.
func TestTemplateBecomes(t *testing.T) {
	t.Parallel()
	for name, o := range map[string]cfn.Options{"defaults": defaults(), "everything": everything()} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			got := expanded(t, resolve(t, o))
			golden := filepath.Join("testdata", name+".golden")
			if *update {
				if err := os.WriteFile(golden, []byte(got), 0o600); err != nil {
					t.Fatal(err)
				}
			}
			want, err := os.ReadFile(golden)
			if err != nil {
				t.Fatal(err)
			}
			if diff := cmp.Diff(string(want), got); diff != "" {
				t.Errorf("%s is out of date: run make generate (-golden +now)\n%s", golden, diff)
			}
		})
	}
}

// TestEverythingIsEverything: a parameter that the template gains gets a value there too.
func TestEverythingIsEverything(t *testing.T) {
	t.Parallel()
	s := resolve(t, everything())
	for name, p := range s.Parameters {
		if p.Default != nil && s.Values[name] == *p.Default {
			t.Errorf("everything() leaves parameter %s at its default %q", name, *p.Default)
		}
	}
}

func expanded(t *testing.T, s *cfn.Stack) string {
	t.Helper()
	type resource struct {
		Type                string         `yaml:"Type"`
		DependsOn           []string       `yaml:"DependsOn,omitempty"`
		DeletionPolicy      string         `yaml:"DeletionPolicy,omitempty"`
		UpdateReplacePolicy string         `yaml:"UpdateReplacePolicy,omitempty"`
		Metadata            map[string]any `yaml:"Metadata,omitempty"`
		Properties          map[string]any `yaml:"Properties,omitempty"`
	}
	resources := map[string]resource{}
	for id, r := range s.Resources {
		resources[id] = resource{
			Type: r.Type, DependsOn: r.DependsOn, DeletionPolicy: r.DeletionPolicy,
			UpdateReplacePolicy: r.UpdateReplacePolicy, Metadata: r.Metadata, Properties: r.Properties,
		}
	}
	var out strings.Builder
	encoder := yaml.NewEncoder(&out)
	encoder.SetIndent(2)
	if err := encoder.Encode(map[string]any{"Resources": resources, "Outputs": s.Outputs}); err != nil {
		t.Fatal(err)
	}
	return out.String()
}

// TestLiveAccountPageCountsTheResources: SAM adds none, so what is expanded here is what CloudFormation makes.
func TestLiveAccountPageCountsTheResources(t *testing.T) {
	t.Parallel()
	page, err := os.ReadFile("../../../docs/live-account.md")
	if err != nil {
		t.Fatal(err)
	}
	email := defaults()
	email.Parameters["AlarmEmail"] = "you@example.com"
	want := fmt.Sprintf(
		"%d resources, %d with `AlarmEmail`", len(resolve(t, defaults()).Resources), len(resolve(t, email).Resources),
	)
	if !strings.Contains(string(page), want) {
		t.Errorf("docs/live-account.md does not say %s", want)
	}
}
