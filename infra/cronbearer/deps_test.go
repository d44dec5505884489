package main_test

import (
	"os/exec"
	"strings"
	"testing"
)

// TestDemoAndFunctionsCompileNothingOfTheTool: a newcomer waits for `make demo` first, and the functions are small.
func TestDemoAndFunctionsCompileNothingOfTheTool(t *testing.T) {
	t.Parallel()
	c := exec.CommandContext(t.Context(), "go", "list", "-deps", "./internal/dev/demo", "./functions/...")
	c.Dir = "../.."
	out, err := c.Output()
	if err != nil {
		t.Fatal(err)
	}
	allowed := map[string]bool{
		"github.com/aws/aws-sdk-go-v2/service/cloudwatch": true, "github.com/aws/aws-sdk-go-v2/service/secretsmanager": true,
	}
	for line := range strings.Lines(string(out)) {
		path := strings.TrimSpace(line)
		service, isService := strings.CutPrefix(path, "github.com/aws/aws-sdk-go-v2/service/")
		name, _, _ := strings.Cut(service, "/")
		switch {
		case strings.Contains(path, "spf13/cobra"), strings.Contains(path, "/infra/cronbearer/"),
			path == "github.com/aws/aws-sdk-go-v2/config",
			isService && name != "internal" && !allowed["github.com/aws/aws-sdk-go-v2/service/"+name]:
			t.Errorf("the demo or a function compiles %s", path)
		}
	}
}
