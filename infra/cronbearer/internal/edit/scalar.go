package edit

import (
	"regexp"
	"strconv"
	"strings"
	"unicode"

	"go.yaml.in/yaml/v3"

	"github.com/cronbearer/cronbearer/internal/dev/lint"
)

// scalar writes a value as YAML, with quotes only where one of its readers would take it for something else: our
// parser (YAML 1.2), or PyYAML's of YAML 1.1, which SAM CLI and CloudFormation use. A bare value is a number or a
// boolean.
func scalar(value string, flow, bare bool) string {
	switch {
	case strings.ContainsFunc(value, special):
		return strconv.QuoteToASCII(value)
	case bare && bareValue.MatchString(value), plain(value, flow):
		return value
	}
	return "'" + strings.ReplaceAll(value, "'", "''") + "'"
}

var bareValue = regexp.MustCompile(`^(?:(?:0|[1-9][0-9]{0,8})(?:\.[0-9]+)?|true|false)$`)

// special are the characters that only double quotes can hold: Go's escapes of them are YAML's.
func special(r rune) bool {
	return r != ' ' && !unicode.IsPrint(r) || r == '\u2028' || r == '\u2029' || r == '\ufeff'
}

// flowSigns end a plain value between brackets in PyYAML, wherever they are.
const flowSigns = ",?[]{}"

// plain reports whether an unquoted value is read as itself, and as text.
func plain(value string, flow bool) bool {
	if lint.ReadAs(value) != "" || value == "<<" || flow && strings.ContainsAny(value, flowSigns) {
		return false
	}
	if flow {
		return reads("{ k: "+value+", z: z }\n", value, 0) && reads("{ z: z, k: "+value+" }\n", value, 2)
	}
	return reads("k: "+value+"\nz: z\n", value, 0)
}

// reads reports whether a mapping of two keys has a value that is text as it stands.
func reads(text, value string, key int) bool {
	var document yaml.Node
	if err := yaml.Unmarshal([]byte(text), &document); err != nil || len(document.Content) != 1 {
		return false
	}
	m := document.Content[0]
	const both = 4 // two keys, two values
	if len(m.Content) != both || m.Content[2-key].Value != "z" || m.Content[key].Value != "k" {
		return false
	}
	n := m.Content[key+1]
	return n.Kind == yaml.ScalarNode && n.Value == value && n.Style == 0 && n.Tag == "!!str" && n.Anchor == "" &&
		n.LineComment+n.HeadComment+n.FootComment == ""
}
