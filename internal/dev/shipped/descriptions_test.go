package shipped_test

import (
	"os"
	"path/filepath"
	"regexp"
	"strings"
	"testing"

	"github.com/cronbearer/cronbearer/internal/dev/cfn"
)

// longestStack is the shipped template as it makes the longest texts: names of 40 characters, notes of 200.
func longestStack(t *testing.T, o cfn.Options, secret string) *cfn.Stack {
	t.Helper()
	note := `Note: "` + strings.Repeat("n", 200) + `"`
	name := func(head string) string { return head + strings.Repeat("N", 40-len(head)) }
	data := mistaken(t, template(t),
		edit{tokenRow, name("Token") + ": { Secret: " + secret + ", WarnDays: 3649.99, " + note + " }"},
		edit{"- [ExampleApi]", "- [" + name("Token") + "]"},
		edit{"      Token: ExampleApi\n", "      Token: " + name("Token") + "\n      " + note + "\n"},
		edit{`sync", Token: ExampleApi`, `sync", Token: ` + name("Token")},
		edit{"\n    DailyReport:\n", "\n    " + name("Job") + ":\n"},
		edit{jobsList, "[" + name("Job") + ", HourlySync]"},
	)
	stack, err := cfn.Parse(data, o)
	if err != nil {
		t.Fatal(err)
	}
	return stack
}

// TestLongestDescriptionFits computes CloudWatch's limit at CloudFormation's longest stack name, and at a usual one
// with the longest RunbookUrl and a long secret. make validate names what is longer still.
func TestLongestDescriptionFits(t *testing.T) {
	t.Parallel()
	const wiki = "https://wiki.example.com/"
	hosts := map[string]string{"AllowedHosts": "a.example.com"}
	longURL := map[string]string{"AllowedHosts": "a.example.com", "RunbookUrl": wiki + strings.Repeat("r", 100-len(wiki))}
	cases := map[string]struct {
		options cfn.Options
		secret  string
	}{
		"stack name of 128": {
			options: cfn.Options{StackName: strings.Repeat("x", 128), Region: "ap-southeast-2", Parameters: hosts},
			secret:  strings.Repeat("s", 16),
		},
		"long everything else": {
			options: cfn.Options{
				StackName: strings.Repeat("x", 64), Partition: "aws-cn", Region: "cn-northwest-1", Parameters: longURL,
			},
			secret: strings.Repeat("s", 64),
		},
		"secret by its ARN": {
			options: cfn.Options{StackName: strings.Repeat("x", 48), Region: "ap-southeast-2", Parameters: longURL},
			secret:  "arn:aws-us-gov:secretsmanager:us-gov-west-1:123456789012:secret:" + strings.Repeat("s", 64) + "-AbCdEf",
		},
	}
	for name, c := range cases {
		longest := 0
		for _, alarm := range longestStack(t, c.options, c.secret).OfType("AWS::CloudWatch::Alarm") {
			description, _ := alarm.Properties["AlarmDescription"].(string)
			n := len([]rune(description))
			longest = max(longest, n)
			if n > 1024 {
				t.Errorf("%s: %s: %d characters, CloudWatch allows 1024:\n%s", name, alarm.LogicalID, n, description)
			}
		}
		t.Logf("%s: the longest has %d characters", name, longest)
	}
}

// TestDescriptionsCanBePasted: what an alarm says is pasted into a terminal of any default Region.
func TestDescriptionsCanBePasted(t *testing.T) {
	t.Parallel()
	s := resolve(t, everything())
	command := regexp.MustCompile(`aws ([a-z0-9-]+) [a-z-]+[^\n]*`)
	unquoted := regexp.MustCompile(`= *[^" ]`)
	texts := map[string]string{
		"NeverWorked": inputTemplate(s, "NeverWorked"), "SilenceEnded": inputTemplate(s, "SilenceEnded"),
	}
	for _, alarm := range s.OfType("AWS::CloudWatch::Alarm") {
		texts[alarm.LogicalID], _ = alarm.Properties["AlarmDescription"].(string)
	}
	for id, text := range texts {
		for _, m := range command.FindAllStringSubmatch(text, -1) {
			// IAM is one for all Regions.
			if m[1] != "iam" && !strings.Contains(m[0], " --region "+s.Region+" ") && !strings.HasSuffix(m[0], " --region "+
				s.Region) {
				t.Errorf("%s: without --region: %s", id, m[0])
			}
			if strings.Contains(m[0], "purge-queue") || strings.Contains(m[0], "delete-") {
				t.Errorf("%s: destroys what no one has looked at: %s", id, m[0])
			}
			if _, pattern, ok := strings.Cut(m[0], "--filter-pattern '"); ok && unquoted.MatchString(pattern) {
				t.Errorf("%s: a value of the filter pattern is not quoted: %s", id, pattern)
			}
		}
		// A JSON secret holds more than the token: storing a bare token over it loses the rest.
		if strings.Contains(text, "put-secret-value") && !strings.Contains(text, "whole secret (JSON: edit a copy)") {
			t.Errorf("%s: does not say that a JSON secret is replaced whole:\n%s", id, text)
		}
		if id != "SilenceEnded" && !regexp.MustCompile(`Runbook: https://\S+/[a-z-]+\.md`).MatchString(text) {
			t.Errorf("%s: links to no runbook: %s", id, text)
		}
	}
}

func inputTemplate(s *cfn.Stack, rule string) string {
	targets, _ := s.Resources[rule].Properties["Targets"].([]any)
	target, _ := targets[0].(map[string]any)
	transformer, _ := target["InputTransformer"].(map[string]any)
	text, _ := transformer["InputTemplate"].(string)
	return text
}

// TestDocumentsCanBePasted: the same of the commands on the pages.
func TestDocumentsCanBePasted(t *testing.T) {
	t.Parallel()
	pages := []string{"../../../README.md"}
	for _, pattern := range []string{"../../../docs/*.md", "../../../docs/*/*.md"} {
		found, err := filepath.Glob(pattern)
		if err != nil {
			t.Fatal(err)
		}
		pages = append(pages, found...)
	}
	filter, unquoted := regexp.MustCompile(`--filter-pattern '([^']*)'`), regexp.MustCompile(`= *[^"=\s]`)
	for _, page := range pages {
		text, err := os.ReadFile(page)
		if err != nil {
			t.Fatal(err)
		}
		for _, m := range filter.FindAllStringSubmatch(string(text), -1) {
			if unquoted.MatchString(m[1]) {
				t.Errorf("%s: a value is not quoted: %s", page, m[1])
			}
		}
		if strings.Contains(string(text), "sam list resources") && filepath.Base(page) != "README.md" {
			t.Errorf("%s: sam list resources does not read templates with loops", page)
		}
		// The user's own call, not an example's.
		if strings.Contains(string(text), "--event-file events/call-succeeded.json") {
			t.Errorf("%s: invokes the call of an example", page)
		}
		if strings.Contains(string(text), "detect-stack-drift") &&
			!strings.Contains(string(text), "describe-stack-resource-drifts") {
			t.Errorf("%s: starts a search for drift, and does not say how to read what it finds", page)
		}
	}
}
