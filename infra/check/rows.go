package check

import (
	"encoding/json"
	"fmt"
	"maps"
	"regexp"
	"slices"
	"strings"
	"unicode"

	"github.com/cronbearer/cronbearer/infra/cfn"
)

// The two mappings that the user writes, and the loops over their names.
const (
	tokens = "Tokens"
	jobs   = "Jobs"
)

// maxSilentAfter is a week: CloudWatch looks no further back with periods of an hour.
const maxSilentAfter = 168

// rule checks one value of a row and says what is wrong, or "".
type rule struct {
	required bool
	pasted   bool // JSON text that goes into the event as it is
	check    func(v any) string
}

var rules = map[string]map[string]rule{
	tokens: {
		"Secret":   {required: true, check: words},
		"Key":      {check: words},
		"Note":     {check: note},
		"WarnDays": {check: between(0, 3650)},
		"Reject":   {pasted: true, check: jsonText},
	},
	jobs: {
		"Schedule":    {required: true, check: words},
		"Call":        {required: true, check: words},
		"Token":       {required: true, check: words},
		"SilentAfter": {required: true, check: whole(1, maxSilentAfter)},
		"Timezone":    {check: words},
		"State":       {check: oneOf("ENABLED", "DISABLED")},
		"Action":      {check: oneOf("call", "check")},
		"Timeout":     {check: words},
		"Attempts":    {check: whole(1, 10)},
		"Idempotent":  {check: oneOf("true", "false")},
		"MaxAge":      {check: words},
		"Window":      {check: whole(1, 1440)},
		"Watch":       {check: oneOf("missing", "ignore")},
		"Note":        {check: note},
		"Body":        {pasted: true, check: jsonText},
		"Headers":     {pasted: true, check: jsonText},
		"Expect":      {pasted: true, check: jsonText},
		"Reject":      {pasted: true, check: jsonText},
	},
}

var rowName = regexp.MustCompile(`^[A-Za-z0-9]{1,40}$`)

// rows checks the blocks that the user writes, as they are written.
func (c *checker) rows() {
	c.broken = map[string]bool{}
	for _, mapping := range []string{tokens, jobs} {
		c.names(mapping)
		for _, name := range slices.Sorted(maps.Keys(c.stack.Mappings[mapping])) {
			c.row(mapping, name, c.stack.Mappings[mapping][name])
		}
	}
	for _, name := range slices.Sorted(maps.Keys(c.stack.Mappings[jobs])) {
		token, ok := c.stack.Mappings[jobs][name]["Token"].(string)
		if ok && !slices.Contains(c.stack.Loop(tokens), token) {
			c.brokenRow(jobs, name, "its Token %s is no token of the template", token)
		}
	}
}

func (c *checker) brokenRow(mapping, name, format string, args ...any) {
	c.broken[mapping+"."+name] = true
	c.add(mapping+"."+name, format, args...)
}

// names holds the list of a loop against the blocks.
func (c *checker) names(mapping string) {
	list, blocks := c.stack.Loop(mapping), c.stack.Mappings[mapping]
	for _, name := range list {
		if blocks[name] == nil {
			c.brokenRow(mapping, name, "the list of Fn::ForEach::%s names it, but Mappings.%s has no such block", mapping, mapping)
		}
		if !rowName.MatchString(name) {
			c.brokenRow(mapping, name, "a name is letters and digits, at most 40")
		}
	}
	for _, name := range slices.Sorted(maps.Keys(blocks)) {
		if !slices.Contains(list, name) {
			c.brokenRow(mapping, name, "Mappings.%s has this block, but the list of Fn::ForEach::%s does not name it", mapping, mapping)
		}
	}
	if len(list) == 0 {
		c.add(mapping, "the template has none")
	}
}

func (c *checker) row(mapping, name string, row map[string]any) {
	known := rules[mapping]
	where := mapping + "." + name
	for _, key := range slices.Sorted(maps.Keys(known)) {
		if _, ok := row[key]; known[key].required && !ok {
			c.brokenRow(mapping, name, "%s is missing", key)
		}
	}
	for _, key := range slices.Sorted(maps.Keys(row)) {
		r, ok := known[key]
		if !ok {
			c.brokenRow(mapping, name, "there is no key %s; the keys are %s", key, strings.Join(slices.Sorted(maps.Keys(known)), ", "))
			continue
		}
		value, isText := row[key].(string)
		switch {
		case strings.Contains(value, "{{resolve:"):
			c.add(where, "%s holds {{resolve:, which CloudFormation would replace by a secret's value", key)
		case isText && !r.pasted && strings.ContainsFunc(value, notPlain):
			c.add(where, `%s holds ", \ or a line break, which would break the event`, key)
		case isText && r.pasted && strings.ContainsFunc(value, unicode.IsControl):
			c.add(where, "%s holds a line break or another control character", key)
		}
		if why := r.check(row[key]); why != "" {
			c.add(where, "%s %s", key, why)
		}
	}
	if mapping == tokens {
		c.secret(where, row)
	}
}

func notPlain(r rune) bool { return r == '"' || r == '\\' || unicode.IsControl(r) }

var (
	secretName = regexp.MustCompile(`^[A-Za-z0-9/_+=.@-]+$`)
	secretARN  = regexp.MustCompile(`^arn:[^:]+:secretsmanager:[^:]+:[0-9]{12}:secret:([A-Za-z0-9/_+=.@-]+)-[A-Za-z0-9]{6}$`)
)

// maxSecretName is Secrets Manager's.
const maxSecretName = 512

// secret checks that the caller may read it: under the prefix, or named in ExtraSecretArns.
func (c *checker) secret(where string, row map[string]any) {
	secret, ok := row["Secret"].(string)
	prefix := c.stack.StackName + "/"
	arn := secretARN.FindStringSubmatch(secret)
	switch {
	case !ok: // told by its rule
	case strings.HasPrefix(secret, "arn:") && arn == nil:
		c.add(where, "Secret %s is not the full ARN of a secret, the six random characters at its end included", secret)
	case arn != nil:
		extra := strings.FieldsFunc(c.stack.Values["ExtraSecretArns"], func(r rune) bool { return r == ',' || r == ' ' })
		if !strings.HasPrefix(arn[1], prefix) && !slices.Contains(extra, secret) {
			c.add(where, "Secret %s is neither under %s nor in the parameter ExtraSecretArns, so the caller may not read it", secret, prefix)
		}
	case strings.HasPrefix(secret, prefix):
		c.add(where, "Secret repeats the stack's prefix, which the alarms put before it: write %s", strings.TrimPrefix(secret, prefix))
	case !secretName.MatchString(secret):
		c.add(where, "Secret %q is no name of a secret: letters, digits and / _ + = . @ -", secret)
	case len(prefix+secret) > maxSecretName:
		c.add(where, "Secret has more than %d characters with the prefix %s", maxSecretName, prefix)
	}
}

func words(v any) string {
	if s, ok := v.(string); !ok || strings.TrimSpace(s) != s || s == "" {
		return "must be text, with no space around it"
	}
	return ""
}

// maxNote leaves the alarms' descriptions under CloudWatch's limit.
const maxNote = 200

func note(v any) string {
	if s, ok := v.(string); !ok || strings.TrimSpace(s) != s || s == "" || len([]rune(s)) > maxNote {
		return fmt.Sprintf("must be text of at most %d characters, with no space around it", maxNote)
	}
	return ""
}

func whole(low, high int) func(any) string {
	return func(v any) string {
		n, ok := cfn.Number(v)
		if !ok || n != float64(int(n)) || int(n) < low || int(n) > high {
			return fmt.Sprintf("must be a whole number from %d to %d", low, high)
		}
		return ""
	}
}

func between(above, high float64) func(any) string {
	return func(v any) string {
		if n, ok := cfn.Number(v); !ok || n <= above || n > high {
			return fmt.Sprintf("must be a number above %v, at most %v", above, high)
		}
		return ""
	}
}

func oneOf(values ...string) func(any) string {
	return func(v any) string {
		if !slices.Contains(values, fmt.Sprint(v)) {
			return "must be " + strings.Join(values, " or ")
		}
		return ""
	}
}

func jsonText(v any) string {
	s, ok := v.(string)
	if !ok || !json.Valid([]byte(s)) {
		return `must be JSON in single quotes, such as '{"kind":"daily"}', or '"ping"' for plain text`
	}
	return ""
}
