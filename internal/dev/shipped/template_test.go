// Package shipped_test holds the shipped template against the code and against AWS's rules, offline. The user's own is
// not looked at: make validate does.
package shipped_test

import (
	"os"
	"path/filepath"
	"regexp"
	"strings"
	"testing"

	"github.com/cronbearer/cronbearer/internal/dev/cfn"
	"github.com/cronbearer/cronbearer/internal/dev/shipped"
)

func template(t *testing.T) string {
	t.Helper()
	return shipped.Template()
}

// edit is a change of the template: a text, and what replaces it.
type edit struct{ text, instead string }

func mistaken(t *testing.T, template string, edits ...edit) []byte {
	t.Helper()
	for _, e := range edits {
		if !strings.Contains(template, e.text) {
			t.Fatalf("the template no longer holds %q", e.text)
		}
		template = strings.Replace(template, e.text, e.instead, 1)
	}
	return []byte(template)
}

const (
	jobsList = "[DailyReport, HourlySync]"
	tokenRow = "ExampleApi: { Secret: example-api, WarnDays: 14 }"
)

// TestSamConfigIsThatOfAFirstDeployment: SAM CLI reads these, and nothing else would report that they are gone. In a
// fork the file holds its owner's answers.
func TestSamConfigIsThatOfAFirstDeployment(t *testing.T) {
	t.Parallel()
	if os.Getenv("UPSTREAM") == "" {
		t.Skip("samconfig.toml is its owner's (UPSTREAM=1 makes this a test)")
	}
	data, err := os.ReadFile("../../../samconfig.toml")
	if err != nil {
		t.Fatal(err)
	}
	for _, want := range []string{
		"[default.global.parameters]\n", "\nlanguage_extensions = true\n",
		`capabilities = "CAPABILITY_IAM CAPABILITY_AUTO_EXPAND"`,
	} {
		if !strings.Contains(string(data), want) {
			t.Errorf("samconfig.toml has no %q", want)
		}
	}
}

func TestEachAlarmHasItsRunbook(t *testing.T) {
	t.Parallel()
	s, err := cfn.Load("template.yaml", cfn.Options{Parameters: map[string]string{"AllowedHosts": "a.example.com"}})
	if err != nil {
		t.Fatal(err)
	}
	page := regexp.MustCompile(`docs/runbooks/[a-z-]+\.md`) // in the default RunbookUrl
	for _, alarm := range s.OfType("AWS::CloudWatch::Alarm") {
		description, _ := alarm.Properties["AlarmDescription"].(string)
		if _, err := os.Stat(filepath.Join("../../..", page.FindString(description))); err != nil ||
			!page.MatchString(description) {
			t.Errorf("%s names no runbook that is there: %v", alarm.LogicalID, err)
		}
	}
}
