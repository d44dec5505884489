package docs_test

import (
	"go/ast"
	"go/parser"
	"go/token"
	"io/fs"
	"os"
	"path/filepath"
	"regexp"
	"strconv"
	"strings"
	"testing"

	"go.yaml.in/yaml/v3"
)

// awsCommand is a command of the AWS CLI in a text: a service and, unless the text is cut there, an operation.
var awsCommand = regexp.MustCompile(`\baws [a-z][a-z0-9-]+(?: [a-z][a-z-]+|$)`)

const (
	tool              = "cronbearer "
	withoutCronbearer = "\n## Without cronbearer\n"
)

// partnered are declarations whose command gets its partner elsewhere, and where.
var partnered = map[string]string{
	"internal/caller/texts.go commandFor":       "next to tool, held by the lines of caller/testdata/texts.golden",
	"internal/oauth/identity.go enableIdentity": "the caller appends the secret's commands to a permanent error",
}

// alone returns the texts that name an aws command and no command of cronbearer.
func alone(texts []string) []string {
	var list []string
	for _, text := range texts {
		if command := awsCommand.FindString(text); command != "" && !strings.Contains(text, tool) {
			list = append(list, command+" in: "+text)
		}
	}
	return list
}

// TestAWSCommandsHaveTheirCronbearerCommand: whoever reads an alarm, an error or a runbook at night is given the one
// command of the tool, and the AWS CLI's only next to it.
func TestAWSCommandsHaveTheirCronbearerCommand(t *testing.T) {
	t.Parallel()
	templates := []string{"internal/dev/shipped/template.yaml", "infra/rotation.yaml", "infra/notifications.yaml"}
	for _, name := range templates {
		var document yaml.Node
		if err := yaml.Unmarshal([]byte(read(t, filepath.Join("..", name))), &document); err != nil {
			t.Fatal(err)
		}
		for _, one := range alone(scalars(&document)) {
			t.Errorf("%s: %s", name, one)
		}
	}
	for _, one := range alone(strings.Split(read(t, "../internal/caller/testdata/texts.golden"), "\n")) {
		t.Error(one)
	}
	for _, root := range []string{"../functions", "../internal"} {
		err := filepath.WalkDir(root, func(path string, d fs.DirEntry, err error) error {
			switch {
			case err != nil:
				return err
			case d.IsDir() && d.Name() == "dev":
				return fs.SkipDir
			case strings.HasSuffix(path, ".go") && !strings.HasSuffix(path, "_test.go"):
				checkDeclarations(t, path)
			}
			return nil
		})
		if err != nil {
			t.Fatal(err)
		}
	}
}

func scalars(n *yaml.Node) []string {
	if n.Kind == yaml.ScalarNode {
		return []string{n.Value}
	}
	var all []string
	for _, child := range n.Content {
		all = append(all, scalars(child)...)
	}
	return all
}

// checkDeclarations holds the string literals of each declaration of a file, taken together.
func checkDeclarations(t *testing.T, path string) {
	t.Helper()
	file, err := parser.ParseFile(token.NewFileSet(), path, nil, parser.SkipObjectResolution)
	if err != nil {
		t.Fatal(err)
	}
	check := func(name string, n ast.Node) {
		var text strings.Builder
		ast.Inspect(n, func(n ast.Node) bool {
			if literal, ok := n.(*ast.BasicLit); ok && literal.Kind == token.STRING {
				value, _ := strconv.Unquote(literal.Value)
				text.WriteString(value)
			}
			return true
		})
		place := strings.TrimPrefix(filepath.ToSlash(path), "../") + " " + name
		for _, one := range alone([]string{text.String()}) {
			if partnered[place] == "" {
				t.Errorf("%s: %s", place, one)
			}
		}
	}
	for _, declaration := range file.Decls {
		switch d := declaration.(type) {
		case *ast.FuncDecl:
			check(d.Name.Name, d)
		case *ast.GenDecl:
			for _, spec := range d.Specs {
				if value, ok := spec.(*ast.ValueSpec); ok {
					check(value.Names[0].Name, value)
				}
			}
		}
	}
}

var (
	sessionFence = regexp.MustCompile("(?ms)^```session.*?^```$")
	commandFence = regexp.MustCompile("(?ms)\n+^ *```sh$.*?^ *```$")
	blankLines   = regexp.MustCompile(`\n+`)
)

// TestRunbooksBeginWithCronbearer: the AWS CLI comes last, in a section of its own, where each paragraph with its
// commands says which one of cronbearer they stand for. What a session prints is held by the others.
func TestRunbooksBeginWithCronbearer(t *testing.T) {
	t.Parallel()
	pages, err := filepath.Glob("runbooks/*.md")
	if err != nil || len(pages) == 0 {
		t.Fatal(pages, err)
	}
	for _, page := range pages {
		data, err := os.ReadFile(page)
		if err != nil {
			t.Fatal(err)
		}
		first, rest, _ := strings.Cut(string(data), withoutCronbearer)
		if command := awsCommand.FindString(sessionFence.ReplaceAllString(first, "")); command != "" {
			t.Errorf("%s: %s is not in the section Without cronbearer", page, command)
		}
		// A block of commands belongs to the paragraph before it.
		rest = commandFence.ReplaceAllStringFunc(rest, func(block string) string {
			return blankLines.ReplaceAllString(block, "\n")
		})
		for _, one := range alone(strings.Split(strings.ReplaceAll(rest, "\n* ", "\n\n* "), "\n\n")) {
			t.Errorf("%s: %s", page, one)
		}
		if !strings.Contains(first, "`"+tool) && !strings.Contains(first, "$ "+tool) {
			t.Errorf("%s: names no command of cronbearer", page)
		}
	}
}

// TestAWSCommandsWithoutPartnerAreFound: both kinds of text, and words that are no command.
func TestAWSCommandsWithoutPartnerAreFound(t *testing.T) {
	t.Parallel()
	for text, want := range map[string]int{
		"1. Why: aws logs tail x":                        1,
		"restore it (aws secretsmanager restore-secret)": 1,
		"aws secretsmanager":                             1,
		"cronbearer failed, or: aws sqs receive-message": 0,
		"cronbearer, or: aws sqs receive-message":        1,
		"an aws_identity":                                0,
		"the aws: prefix":                                0,
		"arn:aws:sns:x":                                  0,
	} {
		if got := alone([]string{text}); len(got) != want {
			t.Errorf("%q: %v", text, got)
		}
	}
}
