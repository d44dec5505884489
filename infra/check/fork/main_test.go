package main

import (
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"testing"
	"time"

	"github.com/cronbearer/cronbearer/infra/cfn"
	"github.com/cronbearer/cronbearer/infra/check"
	"github.com/cronbearer/cronbearer/infra/shipped"
)

// TestForkIsValid, for a deployment too: it calls no example.
func TestForkIsValid(t *testing.T) {
	t.Parallel()
	template, err := forked(shipped.Template())
	if err != nil {
		t.Fatal(err)
	}
	o := check.Options{
		Deploy: true, Now: time.Date(2026, time.November, 24, 12, 0, 0, 0, time.UTC),
		Stack: cfn.Options{Parameters: map[string]string{"AllowedHosts": "*.cronbearer.dev"}},
	}
	for _, p := range check.Template([]byte(template), o) {
		t.Errorf("%d:%d: %s", p.Line, p.Column, p)
	}
}

// TestUpgradeIsACleanMerge of the next tag where only rows and lists were changed.
func TestUpgradeIsACleanMerge(t *testing.T) {
	t.Parallel()
	if _, err := exec.LookPath("git"); err != nil {
		t.Skip("no git here")
	}
	base := shipped.Template()
	ours := base
	for _, e := range edits(base)[:4] { // the rows and the lists
		ours = strings.Replace(ours, e.text, e.instead, 1)
	}
	// The next tag has another schedule of the examples' alarms, one more key, parameter, variable and resource.
	next := strings.NewReplacer(
		"    # Timezone     of the schedule (UTC)\n", "    # Timezone     of the schedule (UTC)\n    # Jitter       seconds\n",
		"\nParameters:\n", "\nParameters:\n  Jitter: { Type: String, Default: '0' }\n",
		"LOG_LEVEL: !Ref LogLevel\n", "LOG_LEVEL: !Ref LogLevel\n          JITTER: !Ref Jitter\n",
		"MetricName: Heartbeat\n", "MetricName: Heartbeats\n",
		"\nOutputs:\n", "\n  Next: { Type: AWS::SNS::Topic }\n\nOutputs:\n",
	).Replace(base)
	dir := t.TempDir()
	path := func(name, text string) string {
		file := filepath.Join(dir, name)
		if err := os.WriteFile(file, []byte(text), 0o600); err != nil {
			t.Fatal(err)
		}
		return file
	}
	merged, err := exec.CommandContext(t.Context(), "git", "merge-file", "-p", path("ours", ours), path("base", base), path("next", next)).Output()
	if err != nil {
		_, conflict, _ := strings.Cut(string(merged), "<<<<<<<")
		t.Fatalf("%v: %.2000s", err, conflict)
	}
	for _, want := range []string{"'NO':", "['On', NightlyInvoices, MonthEnd, Stock, StockCheck]", "# Jitter", "JITTER", "Heartbeats", "Next: {"} {
		if !strings.Contains(string(merged), want) {
			t.Errorf("%q is lost", want)
		}
	}
}
