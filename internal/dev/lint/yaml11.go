package lint

import (
	"regexp"

	"go.yaml.in/yaml/v3"
)

// YAML 1.1, as CloudFormation and SAM (PyYAML's resolver) read plain scalars. Our own reader is of YAML 1.2.
var yaml11 = []struct {
	what    string
	pattern *regexp.Regexp
}{
	{"a boolean", regexp.MustCompile(`^(?:yes|Yes|YES|no|No|NO|true|True|TRUE|false|False|FALSE|on|On|ON|off|Off|OFF)$`)},
	{"null", regexp.MustCompile(`^(?:~|null|Null|NULL|)$`)},
	{
		"a number",
		regexp.MustCompile(
			`^[-+]?(?:0b[01_]+|0x[0-9a-fA-F_]+|0o[0-7]+|[0-9][0-9_]*(?::[0-5]?[0-9])*(?:\.[0-9_]*)?(?:[eE][-+]?[0-9]+)?|\.[0-` +
				`9][0-9_]*(?:[eE][-+]?[0-9]+)?|\.(?:inf|Inf|INF|nan|NaN|NAN))$`,
		),
	},
	{
		"a date",
		regexp.MustCompile(
			`^\d{4}-\d\d?-\d\d?(?:(?:[Tt]|[ \t]+)\d\d?:\d\d:\d\d(?:\.\d*)?(?:[ \t]*(?:Z|[-+]\d\d?(?::?\d\d)?))?)?$`,
		),
	},
	{"a default value", regexp.MustCompile(`^=$`)},
}

// notText reports what YAML 1.1 reads a scalar as if it is not text, or "". A quoted scalar is text.
func notText(n *yaml.Node) string {
	if n.Style&(yaml.SingleQuotedStyle|yaml.DoubleQuotedStyle|yaml.LiteralStyle|yaml.FoldedStyle|yaml.TaggedStyle) != 0 {
		return ""
	}
	return ReadAs(n.Value)
}
