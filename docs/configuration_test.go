package docs_test

import (
	"encoding/json"
	"flag"
	"fmt"
	"go/ast"
	"go/parser"
	"go/token"
	"maps"
	"os"
	"regexp"
	"slices"
	"strings"
	"testing"

	"github.com/google/go-cmp/cmp"
	"go.yaml.in/yaml/v3"

	"github.com/cronbearer/cronbearer/internal/dev/markdown"
	"github.com/cronbearer/cronbearer/internal/dev/shipped"
	"github.com/cronbearer/cronbearer/internal/job"
)

var update = flag.Bool("update", false, "write the generated sections of the pages")

// generated holds sections of a page against what they are made from, or writes them under -update.
func generated(t *testing.T, name string, sections map[string]string) {
	t.Helper()
	kept := read(t, name)
	page := kept
	for section, text := range sections {
		var err error
		if page, err = markdown.Section(page, section, text); err != nil {
			t.Fatalf("%s: %v", name, err)
		}
	}
	if *update {
		if err := os.WriteFile(name, []byte(page), 0o600); err != nil {
			t.Fatal(err)
		}
		return
	}
	if diff := cmp.Diff(strings.Split(kept, "\n"), strings.Split(page, "\n")); diff != "" {
		t.Errorf("docs/%s is out of date: run make generate (-kept +now)\n%s", name, diff)
	}
}

func TestConfigurationPageIsGenerated(t *testing.T) {
	t.Parallel()
	generated(t, "configuration.md", map[string]string{
		"parameters": parameterTable(t), "event": memberTable(t, "event.json"), "secret": memberTable(t, "secret.json"),
	})
}

// parameterTable is a row for each parameter of the shipped template, in its groups.
func parameterTable(t *testing.T) string {
	t.Helper()
	var template struct {
		Metadata struct {
			Interface struct {
				ParameterGroups []struct {
					Label      struct{ Default string } `yaml:"Label"`
					Parameters []string                 `yaml:"Parameters"`
				} `yaml:"ParameterGroups"`
			} `yaml:"AWS::CloudFormation::Interface"`
		} `yaml:"Metadata"`
		Parameters map[string]struct {
			Default       *string  `yaml:"Default"`
			Description   string   `yaml:"Description"`
			AllowedValues []string `yaml:"AllowedValues"`
		} `yaml:"Parameters"`
	}
	if err := yaml.Unmarshal([]byte(shipped.Template()), &template); err != nil {
		t.Fatal(err)
	}
	var out strings.Builder
	var shown []string
	out.WriteString("| parameter | default | what it is |\n| --- | --- | --- |\n")
	for _, group := range template.Metadata.Interface.ParameterGroups {
		fmt.Fprintf(&out, "| **%s** | | |\n", group.Label.Default)
		for _, name := range group.Parameters {
			p := template.Parameters[name]
			def, description := "required", p.Description
			switch {
			case p.Default != nil && *p.Default == "":
				def = "empty"
			case p.Default != nil:
				def = "`" + *p.Default + "`"
			}
			if p.AllowedValues != nil {
				description += " One of " + strings.Join(p.AllowedValues, ", ") + "."
			}
			fmt.Fprintf(&out, "| `%s` | %s | %s |\n", name, def, cell(description))
			shown = append(shown, name)
		}
	}
	slices.Sort(shown)
	if diff := cmp.Diff(slices.Sorted(maps.Keys(template.Parameters)), shown); diff != "" {
		t.Errorf("parameters (-template +its parameter groups)\n%s", diff)
	}
	return out.String()
}

// cell escapes what would end a cell of a table.
func cell(text string) string { return strings.ReplaceAll(text, "|", `\|`) }

// schema is a JSON Schema's members, in the file's order.
type schema struct {
	Required []string
	Members  []struct{ Name, Description string }
}

func readSchema(t *testing.T, name string) schema {
	t.Helper()
	var document struct {
		Required   []string
		Properties json.RawMessage
	}
	if err := json.Unmarshal([]byte(read(t, "schema/"+name)), &document); err != nil {
		t.Fatal(err)
	}
	decoder := json.NewDecoder(strings.NewReader(string(document.Properties)))
	if _, err := decoder.Token(); err != nil {
		t.Fatal(err)
	}
	s := schema{Required: document.Required}
	for decoder.More() {
		key, err := decoder.Token()
		if err != nil {
			t.Fatal(err)
		}
		var member struct{ Description string }
		if err := decoder.Decode(&member); err != nil {
			t.Fatal(err)
		}
		s.Members = append(s.Members, struct{ Name, Description string }{fmt.Sprint(key), member.Description})
	}
	return s
}

func (s schema) names() []string {
	var names []string
	for _, m := range s.Members {
		names = append(names, m.Name)
	}
	slices.Sort(names)
	return names
}

// memberTable is a row for each member of a schema.
func memberTable(t *testing.T, name string) string {
	t.Helper()
	s := readSchema(t, name)
	var out strings.Builder
	out.WriteString("| key | what it is |\n| --- | --- |\n")
	for _, m := range s.Members {
		if m.Description == "" {
			t.Errorf("%s does not describe %s", name, m.Name)
		}
		required := ""
		if slices.Contains(s.Required, m.Name) {
			required = "Required. "
		}
		fmt.Fprintf(&out, "| `%s` | %s%s |\n", m.Name, required, cell(markup.Replace(m.Description)))
	}
	return out.String()
}

// markup keeps a page from taking what Scheduler replaces for HTML.
var markup = strings.NewReplacer("<", "`<", ">", ">`", "{{", "`{{", "}}", "}}`")

// TestEventsAreDocumented asks the parser which keys it knows: it lists them when it meets one that it does not.
func TestEventsAreDocumented(t *testing.T) {
	t.Parallel()
	_, err := job.Parse([]byte(`{"somethingElse":true}`), job.Options{})
	if err == nil {
		t.Fatal("an unknown key is accepted")
	}
	known := regexp.MustCompile(`known are ([A-Za-z, ]+)`).FindStringSubmatch(err.Error())
	if known == nil {
		t.Fatalf("no list of keys: %v", err)
	}
	names := strings.Split(known[1], ", ")
	slices.Sort(names)
	if diff := cmp.Diff(names, readSchema(t, "event.json").names()); diff != "" {
		t.Errorf("keys of an event (-parser +docs/schema/event.json)\n%s", diff)
	}
}

// TestSecretsAreDocumented reads the members that the parser knows from its source.
func TestSecretsAreDocumented(t *testing.T) {
	t.Parallel()
	names := stringList(t, "../internal/token/members.go", "secretMembers")
	if diff := cmp.Diff(names, readSchema(t, "secret.json").names()); diff != "" {
		t.Errorf("members of a secret (-parser +docs/schema/secret.json)\n%s", diff)
	}
}

// stringList is the value of a variable of a source file, sorted.
func stringList(t *testing.T, path, variable string) []string {
	t.Helper()
	file, err := parser.ParseFile(token.NewFileSet(), path, nil, 0)
	if err != nil {
		t.Fatal(err)
	}
	var names []string
	ast.Inspect(file, func(n ast.Node) bool {
		if spec, ok := n.(*ast.ValueSpec); ok && spec.Names[0].Name == variable && len(spec.Values) == 1 {
			ast.Inspect(spec.Values[0], func(n ast.Node) bool {
				if e, ok := n.(ast.Expr); ok {
					if text, ok := literal(e); ok {
						names = append(names, text)
					}
				}
				return true
			})
		}
		return true
	})
	if len(names) == 0 {
		t.Fatalf("%s has no list %s", path, variable)
	}
	slices.Sort(names)
	return names
}

// TestTokensAndJobsAreDocumented compares the tables of the two mappings with the keys that the template reads, and
// their defaults.
func TestTokensAndJobsAreDocumented(t *testing.T) {
	t.Parallel()
	page := read(t, "configuration.md")
	find := regexp.MustCompile(
		`!FindInMap\s+(?:\[|- )(Tokens|Jobs)(?:,|\s+-) !(?:Ref \w+|FindInMap \[[^\]]+\])(?:,|\s+-) (\w+)` +
			`(?:, \{ DefaultValue: (?:'([^']*)'|(\w+)|(!Ref AWS::NoValue)) \})?`,
	)
	defaults := map[string]map[string]string{"Tokens": {}, "Jobs": {}}
	for _, m := range find.FindAllStringSubmatch(shipped.Template(), -1) {
		if def := m[3] + m[4]; defaults[m[1]][m[2]] == "" {
			defaults[m[1]][m[2]] = def
		}
	}
	for mapping, heading := range map[string]string{"Tokens": "Tokens", "Jobs": "Jobs"} {
		documented := table(t, page, heading)
		if diff := cmp.Diff(
			slices.Sorted(maps.Keys(defaults[mapping])), slices.Sorted(maps.Keys(documented)),
		); diff != "" {
			t.Errorf("keys of %s (-template +docs/configuration.md)\n%s", mapping, diff)
		}
		for key, def := range defaults[mapping] {
			if cells := documented[key]; def != "" && cells != nil && strings.Trim(cells[0], "`") != def {
				t.Errorf("%s.%s: the template's default is %s, the page says %s", mapping, key, def, cells[0])
			}
		}
	}
}

// TestVariablesAreDocumented compares the page with the variables that the functions read.
func TestVariablesAreDocumented(t *testing.T) {
	t.Parallel()
	file, err := parser.ParseFile(token.NewFileSet(), "../internal/config/config.go", nil, 0)
	if err != nil {
		t.Fatal(err)
	}
	var names []string
	for _, declaration := range file.Decls {
		constants, ok := declaration.(*ast.GenDecl)
		if !ok || constants.Tok != token.CONST {
			continue
		}
		for _, s := range constants.Specs {
			// The exported ones are ours, the others AWS's.
			spec, ok := s.(*ast.ValueSpec)
			if !ok || !spec.Names[0].IsExported() || len(spec.Values) == 0 {
				continue
			}
			if name, ok := literal(spec.Values[0]); ok && regexp.MustCompile(`^[A-Z_]+$`).MatchString(name) {
				names = append(names, name)
			}
		}
	}
	_, section, _ := strings.Cut(read(t, "configuration.md"), "\n## Environment variables\n")
	section, _, _ = strings.Cut(section, "\n## ")
	var documented []string
	for _, m := range regexp.MustCompile("`([A-Z]+_[A-Z_]+)`").FindAllStringSubmatch(section, -1) {
		documented = append(documented, m[1])
	}
	slices.Sort(names)
	slices.Sort(documented)
	if diff := cmp.Diff(names, documented); diff != "" {
		t.Errorf("variables (-internal/config +docs/configuration.md)\n%s", diff)
	}
}
