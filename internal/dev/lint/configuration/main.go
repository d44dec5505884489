// Command configuration writes the table of the shipped template's parameters into docs/configuration.md, between its
// two marks.
//
//	go run ./internal/dev/lint/configuration [-check]
//
// With -check it writes nothing, and ends with 1 if there is something to write.
package main

import (
	"errors"
	"flag"
	"fmt"
	"os"
	"strings"

	"go.yaml.in/yaml/v3"

	"github.com/cronbearer/cronbearer/internal/dev/shipped"
)

const (
	begin = "<!-- From template.yaml, by make docs. -->\n"
	end   = "<!-- End. -->\n"
)

// template holds what the table shows; everything else, with CloudFormation's own tags, is not looked at.
type template struct {
	Metadata struct {
		Interface struct {
			ParameterGroups []struct {
				Label      label    `yaml:"Label"`
				Parameters []string `yaml:"Parameters"`
			} `yaml:"ParameterGroups"`
		} `yaml:"AWS::CloudFormation::Interface"`
	} `yaml:"Metadata"`
	Parameters map[string]parameter `yaml:"Parameters"`
}

type label struct {
	Default string `yaml:"default"`
}

type parameter struct {
	Default       *string  `yaml:"Default"`
	Description   string   `yaml:"Description"`
	AllowedValues []string `yaml:"AllowedValues"`
}

func main() {
	check := flag.Bool("check", false, "write nothing, and fail if the file is not up to date")
	flag.Parse()
	if err := run(shipped.Path, "docs/configuration.md", *check); err != nil {
		fmt.Fprintln(os.Stderr, "configuration:", err)
		os.Exit(1)
	}
}

func run(source, target string, check bool) error {
	data, err := os.ReadFile(source)
	if err != nil {
		return err
	}
	var t template
	if err := yaml.Unmarshal(data, &t); err != nil {
		return fmt.Errorf("%s: %w", source, err)
	}
	table, err := t.table()
	if err != nil {
		return fmt.Errorf("%s: %w", source, err)
	}
	old, err := os.ReadFile(target)
	if err != nil {
		return err
	}
	before, rest, found := strings.Cut(string(old), begin)
	_, after, ended := strings.Cut(rest, end)
	if !found || !ended {
		return fmt.Errorf("%s has no marks for the table", target)
	}
	page := before + begin + table + end + after
	switch {
	case page == string(old):
		return nil
	case check:
		return fmt.Errorf("%s is not what %s says: run make docs", target, source)
	}
	return os.WriteFile(target, []byte(page), 0o644) //nolint:gosec // a page that everybody may read
}

func (t template) table() (string, error) {
	var out strings.Builder
	shown := 0
	out.WriteString("\n| parameter | default | what it is |\n| --- | --- | --- |\n")
	for _, group := range t.Metadata.Interface.ParameterGroups {
		fmt.Fprintf(&out, "| **%s** | | |\n", group.Label.Default)
		for _, name := range group.Parameters {
			p, ok := t.Parameters[name]
			if !ok {
				return "", fmt.Errorf("its parameter groups name %s, which is no parameter", name)
			}
			fmt.Fprintf(&out, "| `%s` | %s | %s |\n", name, p.otherwise(), p.meaning())
			shown++
		}
	}
	if shown != len(t.Parameters) {
		return "", errors.New("its parameter groups leave a parameter out, or name one twice")
	}
	out.WriteString("\n")
	return out.String(), nil
}

func (p parameter) otherwise() string {
	switch {
	case p.Default == nil:
		return "required"
	case *p.Default == "":
		return "empty"
	}
	return "`" + *p.Default + "`"
}

func (p parameter) meaning() string {
	text := p.Description
	if p.AllowedValues != nil {
		text += " One of " + strings.Join(p.AllowedValues, ", ") + "."
	}
	return strings.ReplaceAll(text, "|", `\|`)
}
