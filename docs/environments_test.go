package docs_test

import (
	"maps"
	"os"
	"path/filepath"
	"regexp"
	"slices"
	"strings"
	"testing"
	"time"

	"github.com/BurntSushi/toml"

	"github.com/cronbearer/cronbearer/internal/dev/lint"
	"github.com/cronbearer/cronbearer/internal/dev/samconfig"
	"github.com/cronbearer/cronbearer/internal/dev/shipped"
)

// TestWorkflowIsShown: the page has infra/github/deploy.yml, which actionlint reads in make check, word by word.
func TestWorkflowIsShown(t *testing.T) {
	t.Parallel()
	generated(t, "environments.md", map[string]string{
		"workflow": "```yaml\n" + read(t, "../infra/github/deploy.yml") + "```",
	})
}

var tomlBlock = regexp.MustCompile("(?ms)^```toml\n(.*?)^```$")

// accepted returns what is wrong with a samconfig.toml as `make validate` reads it, for each of its environments.
func accepted(t *testing.T, text string) (problems []string, environments int) {
	t.Helper()
	text = strings.NewReplacer(
		"<BoundaryArn>", "arn:aws:iam::123456789012:policy/boundary",
		"<CloudFormationRoleArn>", "arn:aws:iam::123456789012:role/r", "<Bucket>", "bucket",
	).Replace(text)
	var file map[string]any
	if _, err := toml.Decode(text, &file); err != nil {
		return []string{err.Error()}, 0
	}
	dir := t.TempDir()
	for name, text := range map[string]string{"samconfig.toml": text, "template.yaml": shipped.Template()} {
		if err := os.WriteFile(filepath.Join(dir, name), []byte(text), 0o600); err != nil {
			t.Fatal(err)
		}
	}
	for _, env := range slices.Sorted(maps.Keys(file)) {
		if env == "version" {
			continue
		}
		environments++
		found, err := lint.File{
			Path: filepath.Join(dir, "template.yaml"), Env: env,
			Options: lint.Options{Now: time.Date(2026, 11, 28, 0, 0, 0, 0, time.UTC)},
		}.Check()
		if err != nil {
			problems = append(problems, env+": "+err.Error())
		}
		saved, err := samconfig.Read(filepath.Join(dir, "samconfig.toml"), env)
		if err != nil {
			t.Fatal(err)
		}
		for name := range saved.Parameters {
			if known := regexp.MustCompile(`(?m)^  ` + name + `:$`); !known.MatchString(shipped.Template()) {
				problems = append(problems, env+": the template has no parameter "+name) // SAM CLI passes over it silently
			}
		}
		for _, p := range found {
			if p.Severity == lint.Mistake {
				problems = append(problems, env+": "+p.In("template.yaml"))
			}
		}
	}
	return problems, environments
}

// TestEnvironmentsOfPagesAreAccepted: each samconfig.toml that a page shows has parameters that the template takes.
func TestEnvironmentsOfPagesAreAccepted(t *testing.T) {
	t.Parallel()
	sum := 0
	for _, name := range repository(t).pages() {
		for _, m := range tomlBlock.FindAllStringSubmatch(read(t, filepath.Join("..", filepath.FromSlash(name))), -1) {
			problems, n := accepted(t, m[1])
			sum += n
			for _, problem := range problems {
				t.Errorf("%s: %s", name, problem)
			}
		}
	}
	if sum < 5 {
		t.Errorf("pages show %d environments", sum)
	}
	for text, want := range map[string]string{
		"[a.deploy.parameters]\nparameter_overrides = [\"LogRetentionDays=8\"]\n":       "LogRetentionDays",
		"[a.deploy.parameters]\nparameter_overrides = [\"VpcSubnetIds=sg-0a\"]\n":       "VpcSubnetIds",
		"[a.deploy.parameters]\nparameter_overrides = [\"PermissionsBundary=arn:a\"]\n": "PermissionsBundary",
		"[a.deploy": "toml",
	} {
		if got, _ := accepted(t, text); !strings.Contains(strings.Join(got, "\n"), want) {
			t.Errorf("%q: %q, want %s", text, got, want)
		}
	}
}
