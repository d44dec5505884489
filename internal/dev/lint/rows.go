package lint

import (
	"bytes"
	"cmp"
	"encoding/json"
	"errors"
	"fmt"
	"maps"
	"regexp"
	"slices"
	"strconv"
	"strings"
	"time"
	"unicode"
	"unicode/utf8"

	"go.yaml.in/yaml/v3"
)

// The two mappings that the user writes, and the loops over their names.
const (
	tokens = "Tokens"
	jobs   = "Jobs"
)

// maxSilentAfter is a week: CloudWatch looks no further back with periods of an hour.
const maxSilentAfter = 168

// rule is what a key of a row accepts.
type rule struct {
	required bool
	kind     kind
	// check reports what is wrong with a value of the kind, and what to write; "" if nothing is.
	check func(value string) (text, fix string)
}

type kind int

const (
	text   kind = iota
	word        // one of a few words
	number      // text or a YAML number
	truth       // text or a YAML boolean
	pasted      // JSON text, which goes into the event as it is
)

var rules = map[string]map[string]rule{
	tokens: {
		"Secret":   {required: true, check: plainText},
		"Key":      {check: keyOrPointer},
		"Note":     {check: note},
		"Reject":   {kind: pasted, check: jsonObject},
		"WarnDays": {kind: number, check: days},
	},
	jobs: {
		"Schedule":    {required: true, check: plainText},
		"Call":        {required: true, check: plainText},
		"Token":       {required: true, check: plainText},
		"SilentAfter": {required: true, kind: number, check: whole("hours", 1, maxSilentAfter)},
		"Timezone":    {check: plainText},
		"State":       {kind: word, check: oneOf("ENABLED", "DISABLED")},
		"Action":      {kind: word, check: oneOf("call", "check")},
		"Timeout":     {check: duration},
		"Attempts":    {kind: number, check: whole("", 1, 10)},
		"Idempotent":  {kind: truth, check: boolean},
		"MaxAge":      {check: duration},
		"Window":      {kind: number, check: whole("minutes", 1, 1440)},
		"Watch":       {kind: word, check: oneOf("missing", "ignore")},
		"Note":        {check: note},
		"Body":        {kind: pasted, check: jsonText},
		"Headers":     {kind: pasted, check: jsonObject},
		"Expect":      {kind: pasted, check: jsonObject},
		"Reject":      {kind: pasted, check: jsonObject},
	},
}

// rows checks the blocks that the user writes, as they are written.
func (c *checker) rows(data []byte) {
	c.lines = strings.Split(string(data), "\n")
	c.unclear, c.displaced = map[string]bool{}, map[string]bool{}
	c.broken, c.blocks, c.lists = map[string]bool{}, map[string]map[string]block{}, map[string][]*yaml.Node{}
	c.tabs(data)
	for _, mapping := range []string{tokens, jobs} {
		c.read(mapping)
		c.names(mapping)
		for _, name := range c.sortedBlocks(mapping) {
			c.row(mapping, name)
		}
	}
	for _, name := range c.sortedBlocks(jobs) {
		c.tokenOf(name)
	}
	c.twins()
}

// tabs reports those that our own parser reads over, and SAM CLI's does not.
func (c *checker) tabs(data []byte) {
	if bytes.IndexByte(data, '\t') < 0 {
		return
	}
	for _, s := range suspects(data) {
		if s.Text == aTab {
			c.add(s)
		}
	}
}

// read finds the rows of a mapping, and the names in the list of its loop.
func (c *checker) read(mapping string) {
	c.blocks[mapping] = map[string]block{}
	key, rows, hasRows := c.stack.Locate("Mappings", mapping)
	if !hasRows || rows.Kind != yaml.MappingNode {
		c.noRows(key, mapping)
		return
	}
	for i := 0; i+1 < len(rows.Content); i += 2 {
		c.blocks[mapping][rows.Content[i].Value] = block{rows.Content[i], rows.Content[i+1]}
	}
	loop := "Fn::ForEach::" + mapping
	key, _, there := c.stack.Locate("Resources", loop)
	_, list, ok := c.stack.Locate("Resources", loop, "1")
	switch {
	case !there:
		c.add(Problem{Place: "Resources", Text: "the loop " + loop + " is missing", Fix: "copy it from the shipped template"})
	case !ok || list.Kind != yaml.SequenceNode || list.Tag == "!Ref":
		c.at(key, Problem{
			Place: "Resources." + loop,
			Text:  "its list is not literal, and on update CloudFormation keeps a parameter's old value",
			Fix:   "write the names themselves: [" + strings.Join(c.sortedBlocks(mapping), ", ") + "]",
		})
	default:
		c.lists[mapping] = list.Content
	}
}

// noRows reports that a mapping is missing, or has another name: none of the names in the list can be right then.
func (c *checker) noRows(at *yaml.Node, mapping string) {
	p := Problem{Place: "Mappings", Text: "there is no mapping " + mapping}
	if meant := near(mapping, slices.Sorted(maps.Keys(c.stack.Mappings))); meant != "" && meant != tokens &&
		meant != jobs {
		at, _, _ = c.stack.Locate("Mappings", meant)
		p.Fix = "write " + mapping + " instead of " + meant
	}
	c.at(at, p)
	for _, name := range c.stack.Loop(mapping) {
		c.broken[mapping+"."+name] = true
	}
}

func (c *checker) sortedBlocks(mapping string) []string {
	return slices.SortedFunc(maps.Keys(c.blocks[mapping]), func(a, b string) int {
		return cmp.Compare(c.blocks[mapping][a].key.Line, c.blocks[mapping][b].key.Line)
	})
}

// names holds the list of a loop against the blocks.
func (c *checker) names(mapping string) {
	if c.lists[mapping] == nil {
		return // reported: no name could be right
	}
	listed := map[string]*yaml.Node{}
	for _, n := range c.lists[mapping] {
		if c.commaMissing(mapping, n, listed) {
			continue
		}
		if listed[n.Value] != nil {
			c.at(n, Problem{Place: mapping + "." + n.Value, Text: "the list of Fn::ForEach::" + mapping +
				" has this name twice", Fix: "remove one"})
		}
		listed[n.Value] = n
	}
	var onlyListed, onlyBlocks []string
	for _, name := range slices.Sorted(maps.Keys(listed)) {
		if _, ok := c.blocks[mapping][name]; !ok {
			onlyListed = append(onlyListed, name)
		}
	}
	for _, name := range c.sortedBlocks(mapping) {
		if listed[name] == nil {
			onlyBlocks = append(onlyBlocks, name)
		}
	}
	for _, name := range c.sortedBlocks(mapping) {
		c.name(mapping, name, c.blocks[mapping][name].key, listed[name])
	}
	for _, name := range onlyListed {
		if !c.name(mapping, name, listed[name], nil) {
			continue
		}
		p := Problem{
			Place: mapping + "." + name,
			Text:  "the list of Fn::ForEach::" + mapping + " names it, but Mappings." + mapping + " has no such block",
			Fix:   "write the block, or remove the name from the list",
		}
		if twin := near(name, onlyBlocks); twin != "" {
			p.Fix = "the block is called " + twin + ": write the same name in both"
			c.broken[mapping+"."+twin] = true
		}
		if key, _, ok := c.stack.Locate("Mappings", name); ok {
			c.displaced[name] = true
			p.Text, p.Fix = "it is next to the mapping "+mapping+", not in it", "indent its block by two spaces more"
			c.at(key, p)
			continue
		}
		c.at(listed[name], p)
	}
	for _, name := range onlyBlocks {
		if !c.broken[mapping+"."+name] {
			c.at(c.blocks[mapping][name].key, Problem{
				Place: mapping + "." + name,
				Text:  "Mappings." + mapping + " has this block, but the list of Fn::ForEach::" + mapping + " does not name it",
				Fix:   "add it to the list" + c.listLine(mapping),
			})
		}
	}
	if len(listed) == 0 && len(onlyBlocks) == 0 {
		c.add(Problem{Place: mapping, Text: "the template has none"})
	}
}

// commaMissing reports names that are one to YAML: [A B].
func (c *checker) commaMissing(mapping string, n *yaml.Node, listed map[string]*yaml.Node) bool {
	names := strings.Fields(n.Value)
	if len(names) < 2 || slices.ContainsFunc(names, func(name string) bool { return c.blocks[mapping][name].key == nil }) {
		return false
	}
	c.broken[mapping+"."+n.Value] = true
	for _, name := range names {
		listed[name] = n
		c.broken[mapping+"."+name] = true
	}
	c.at(n, Problem{Place: "Resources.Fn::ForEach::" + mapping, Text: "a comma is missing in its list", Fix: "write " +
		strings.Join(names, ", ")})
	return true
}

func (c *checker) listLine(mapping string) string {
	_, list, _ := c.stack.Locate("Resources", "Fn::ForEach::"+mapping, "1")
	return " in line " + strconv.Itoa(list.Line)
}

// badName is what is wrong with a name that is no rowName.
const badName = "a name is letters and digits, begins with a letter and has at most 40"

var rowName = regexp.MustCompile(`^[A-Za-z][A-Za-z0-9]{0,39}$`)

// name checks how a row is called, at the node where it is written, and perhaps in the list too. It reports whether the
// name is good.
func (c *checker) name(mapping, name string, n, inList *yaml.Node) bool {
	p := Problem{Place: mapping + "." + name}
	switch what := notText(n); {
	case what != "" && rowName.MatchString(name):
		p.Text, p.Fix = "YAML 1.1, which CloudFormation and SAM use, reads "+name+" as "+what, "quote it: '"+name+"'"
		if inList != nil && notText(inList) != "" {
			p.Fix += fmt.Sprintf(", and in line %d too", inList.Line)
		}
	case inList != nil && notText(inList) != "" && rowName.MatchString(name):
		n = inList
		p.Text, p.Fix = "YAML 1.1, which CloudFormation and SAM use, reads "+name+" as "+notText(inList), "quote it: '"+
			name+"'"
	case !rowName.MatchString(name):
		p.Text, p.Fix = badName, "write "+
			goodName(mapping, name)
	default:
		return true
	}
	c.at(n, p)
	return false
}

// goodName is a name like the one that is not allowed: refresh-reports becomes RefreshReports.
func goodName(mapping, name string) string {
	var out strings.Builder
	for part := range strings.FieldsFuncSeq(name, func(r rune) bool {
		return r > unicode.MaxASCII || !unicode.IsLetter(r) && !unicode.IsDigit(r)
	}) {
		out.WriteString(strings.ToUpper(part[:1]) + part[1:])
	}
	good := out.String()
	if good == "" || unicode.IsDigit(rune(good[0])) {
		good = strings.TrimSuffix(mapping, "s") + good
	}
	return good[:min(len(good), 40)]
}

// row checks the keys of a block and their values.
func (c *checker) row(mapping, name string) {
	b, place := c.blocks[mapping][name], mapping+"."+name
	if b.value.Kind != yaml.MappingNode {
		c.at(b.key, Problem{Place: place, Text: "it has no keys", Fix: "write at least " +
			strings.Join(required(mapping), ", ")})
		return
	}
	if c.misread(c.lines, place, b) {
		c.unclear[place] = true
		return
	}
	meant := map[string]bool{} // the keys that a misspelt one was meant for: not missing too
	for i := 0; i < len(b.value.Content); i += 2 {
		key, value := b.value.Content[i], b.value.Content[i+1]
		meant[key.Value] = true
		r, ok := rules[mapping][key.Value]
		if !ok {
			meant[c.unknownKey(mapping, place, key)] = true
			continue
		}
		if p, bad := r.problem(key.Value, value); bad {
			p.Place, p.Key = place, key.Value
			c.at(value, p)
		} else {
			c.value(mapping, name, key.Value, value)
		}
	}
	for _, key := range required(mapping) {
		if !meant[key] {
			c.at(b.key, Problem{Place: place, Key: key, Text: "it is missing"})
		}
	}
}

// misread reports the values of a row in braces whose meaning to YAML is not the intended one.
func (c *checker) misread(lines []string, place string, b block) bool {
	first, last := b.value.Line-1, b.value.Line-1
	if b.value.Style&yaml.FlowStyle == 0 || first >= len(lines) {
		return false
	}
	for _, n := range b.value.Content {
		last = max(last, n.Line-1)
	}
	start := offset(lines[first], b.value.Column-1)
	text := slices.Clone(lines[first:min(last+1, len(lines))])
	text[0] = text[0][start:]
	text = braced(text)
	found := flow(text[0], first+1, start+1)
	for i, line := range text[1:] {
		found = append(found, flow("{"+line, first+2+i, 0)...)
	}
	for _, p := range found {
		p.Place, p.Column = place, characters(lines[p.Line-1], p.Column-1)+1
		c.add(p)
	}
	return len(found) > 0
}

// braced returns the lines of a row in braces without comments, up to the brace that closes it: what follows is not the
// row's.
func braced(lines []string) []string {
	var quote, before byte
	depth := 0
	for n, line := range lines {
		for i := 0; i < len(line); i++ {
			sign := line[i]
			switch {
			case quote == '"' && sign == '\\', quote == '\'' && strings.HasPrefix(line[i:], "''"):
				i++
			case quote != 0 && sign == quote:
				quote = 0
			case quote != 0:
			case strings.IndexByte(`'"`, sign) >= 0 && strings.IndexByte("{[,:", before) >= 0:
				quote = sign
			case strings.IndexByte("{[", sign) >= 0:
				depth++
			case strings.IndexByte("}]", sign) >= 0:
				if depth--; depth == 0 {
					lines[n] = line[:i+1]
					return lines[:n+1]
				}
			case sign == '#' && (i == 0 || strings.IndexByte(" \t", line[i-1]) >= 0):
				lines[n] = line[:i]
				i = len(line)
			}
			if strings.IndexByte(" \t\r", sign) < 0 {
				before = sign
			}
		}
	}
	return lines
}

func required(mapping string) []string {
	var keys []string
	for _, key := range slices.Sorted(maps.Keys(rules[mapping])) {
		if rules[mapping][key].required {
			keys = append(keys, key)
		}
	}
	return keys
}

// unknownKey reports a key that no row has, and returns the one that was probably meant.
func (c *checker) unknownKey(mapping, place string, key *yaml.Node) string {
	other := map[string]string{tokens: jobs, jobs: tokens}[mapping]
	known := slices.Sorted(maps.Keys(rules[mapping]))
	p := Problem{Place: place, Key: key.Value, Text: "there is no such key"}
	meant := near(key.Value, known)
	switch _, elsewhere := rules[other][key.Value]; {
	case meant != "":
		p.Fix = "did you mean " + meant + "?"
	case elsewhere:
		p.Fix = "it is a key of " + other
	default:
		p.Fix = "the keys are " + strings.Join(known, ", ")
	}
	c.at(key, p)
	return meant
}

// problem reports what is wrong with a value.
func (r rule) problem(key string, n *yaml.Node) (Problem, bool) {
	mistake := func(text, fix string) (Problem, bool) { return Problem{Text: text, Fix: fix}, true }
	what := notText(n)
	switch {
	case n.Kind != yaml.ScalarNode && r.kind == pasted && strings.HasPrefix(n.Tag, "!!"):
		return mistake("is YAML, and must be JSON text", "put it between single quotes: "+key+": '"+example(key)+"'")
	case n.Kind != yaml.ScalarNode, strings.HasPrefix(n.Tag, "!") && !strings.HasPrefix(n.Tag, "!!"):
		return mistake("must be one value: a mapping holds no lists here, no blocks and no functions", "")
	case what == "null" && n.Value == "":
		return mistake("has no value", "write one, or leave the key out")
	case what == "null" && r.kind != number && r.kind != truth:
		return mistake("YAML reads "+n.Value+" as null", "quote it, or leave the key out")
	case curled(key, n.Value):
		return mistake("has typographic quotes, as text programs write them", `write straight ones: ' and "`)
	case tokenShape(n.Value) != "":
		return mistake("that looks like a token ("+tokenShape(n.Value)+"…), and the template is not the place for one",
			"store it in Secrets Manager, write the secret's name here, and revoke it if it was ever committed")
	case strings.Contains(n.Value, "{{resolve:"):
		return mistake(
			"holds {{resolve:, which CloudFormation would replace by a secret's value",
			"a token comes from Secrets Manager when the job runs: see Secret",
		)
	}
	if certain, _ := pastedToken(n.Value); certain && key == "Secret" {
		return Problem{}, false // value says so, and shows none of it
	}
	if r.kind == text && what != "" {
		if text, fix := r.check(n.Value); text != "" && what == "a number" {
			return mistake(text, fix) // a duration without its unit
		}
		return mistake("YAML reads "+n.Value+" as "+what, "quote it: '"+n.Value+"'")
	}
	if p, bad := r.characters(n); bad {
		return p, true
	}
	if text, fix := r.check(n.Value); text != "" {
		if r.kind == word && what == "a boolean" {
			text = "YAML reads " + n.Value + " as a boolean (quote it if you mean the text), and it " + text
		}
		return mistake(text, fix)
	}
	return Problem{}, false
}

// curled reports whether the quotes of a value came from a text program: around it, or instead of those of its JSON.
func curled(key, value string) bool {
	if rules[jobs][key].kind == pasted {
		return strings.ContainsAny(value, "“”„") && !json.Valid([]byte(value)) || strings.HasPrefix(value, "‘")
	}
	return key != "Note" && strings.IndexAny(value, "“‘„") == 0
}

// characters rejects what would break the event: its text becomes part of JSON.
func (r rule) characters(n *yaml.Node) (Problem, bool) {
	forbidden, what := notPlain, `holds ", \ or a line break, which would break the event`
	if r.kind == pasted {
		forbidden, what = unicode.IsControl, "holds a line break or another control character"
	}
	if !strings.ContainsFunc(n.Value, forbidden) {
		return Problem{}, false
	}
	fix := "remove it"
	if n.Style&(yaml.LiteralStyle|yaml.FoldedStyle) != 0 || strings.Contains(n.Value, "\n") {
		fix = "write it in one line"
	}
	return Problem{Text: what, Fix: fix}, true
}

func notPlain(r rune) bool { return r == '"' || r == '\\' || unicode.IsControl(r) }

// value checks what a rule that knows only the value cannot.
func (c *checker) value(mapping, name, key string, n *yaml.Node) {
	p := Problem{Place: mapping + "." + name, Key: key}
	if key == "Secret" {
		found, bad := notAName(n.Value)
		if text, fix := c.secret(n.Value); text != "" && (!bad || found.Severity == Warning) {
			found, bad = Problem{Text: text, Fix: fix}, true
		}
		if found.Place, found.Key = p.Place, key; bad {
			c.at(n, found)
		}
		return
	}
	c.unreplaced(p, n)
	c.commented(p, n)
	c.credentials(p, n)
}

// tokenOf checks that a job's token is one of the template's.
func (c *checker) tokenOf(name string) {
	_, n, ok := c.stack.Locate("Mappings", jobs, name, "Token")
	if !ok || n.Kind != yaml.ScalarNode || c.broken[jobs+"."+name] || c.broken[tokens+"."+n.Value] {
		return
	}
	if _, known := c.blocks[tokens][n.Value]; known {
		return
	}
	p := Problem{Place: jobs + "." + name, Key: "Token", Text: n.Value + " is not a token in the template"}
	names := c.sortedBlocks(tokens)
	if meant := near(n.Value, names); meant != "" {
		p.Fix = "did you mean " + meant + "?"
	} else {
		p.Fix = "the tokens are " + strings.Join(names, ", ")
	}
	c.at(n, p)
}

var (
	secretName = regexp.MustCompile(`^[A-Za-z0-9/_+=.@-]+$`)
	secretARN  = regexp.MustCompile(
		`^arn:[^:]+:secretsmanager:[^:]+:[0-9]{12}:secret:([A-Za-z0-9/_+=.@-]+)-[A-Za-z0-9]{6}$`,
	)
)

// maxSecretName is Secrets Manager's.
const maxSecretName = 512

// secret checks that the caller may read it: under the prefix, or named in ExtraSecretArns.
func (c *checker) secret(secret string) (text, fix string) {
	prefix := c.stack.StackName + "/"
	arn := secretARN.FindStringSubmatch(secret)
	switch {
	case strings.HasPrefix(secret, "arn:") && arn == nil:
		return "is not the full ARN of a secret", "write it with the six random characters at its end, as aws " +
			"secretsmanager describe-secret shows it"
	case arn != nil:
		extra := strings.FieldsFunc(c.stack.Values["ExtraSecretArns"], func(r rune) bool { return r == ',' || r == ' ' })
		if !strings.HasPrefix(arn[1], prefix) && !slices.Contains(extra, secret) {
			return "is neither under " + prefix + " nor in the parameter ExtraSecretArns, so the caller may not " +
				"read it", "add it to ExtraSecretArns"
		}
	case strings.HasPrefix(secret, "/"):
		return "begins with a slash, and would become " + prefix + secret, "write " + strings.TrimLeft(secret, "/")
	case strings.HasPrefix(secret, prefix):
		return "repeats the stack's prefix " + prefix + ", which is put before it", "write " +
			strings.TrimPrefix(secret, prefix)
	case !secretName.MatchString(secret):
		return "is not a valid secret name", "write letters, digits and / _ + = . @ -"
	case len(prefix+secret) > maxSecretName:
		return fmt.Sprintf("has more than %d characters with the prefix %s", maxSecretName, prefix), "shorten it"
	}
	return "", ""
}

// tokenShapes are how well-known tokens begin.
var tokenShapes = []*regexp.Regexp{
	regexp.MustCompile(`\b(github_pat_)[A-Za-z0-9]{8}`),
	regexp.MustCompile(`\b(gh[pousr]_)[A-Za-z0-9]{16}`),
	regexp.MustCompile(`\b(gl(?:pat|rt|dt|ptt|ft|soat|cbt|oas)-)[A-Za-z0-9_-]{8}`),
	regexp.MustCompile(`\b(xox[a-z]-)[A-Za-z0-9-]{8}`),
	regexp.MustCompile(`\b(xapp-)[0-9]-[A-Za-z0-9-]{8}`),
	regexp.MustCompile(`\b(eyJ)[A-Za-z0-9_-]{8,}\.`),
	regexp.MustCompile(`\b((?:sk|rk|pk)_(?:live|test)_)[A-Za-z0-9]{8}`),
	regexp.MustCompile(`\b(sk-)[A-Za-z0-9_-]{20}`),
	regexp.MustCompile(`\b(AKIA|ASIA)[A-Z0-9]{16}\b`),
	regexp.MustCompile(`\b(AIza)[A-Za-z0-9_-]{30}`),
	regexp.MustCompile(`\b(ya29\.)[A-Za-z0-9_-]{16}`),
	regexp.MustCompile(
		`\b(npm_|hf_|dop_v1_|shp(?:at|ss|ca|pa)_|pypi-|lin_api_|secret_|ntn_|ATATT|SG\.|figd_|dapi|pat-(?:na|eu)[0-9]-)[A-` +
			`Za-z0-9_-]{16}`,
	),
	regexp.MustCompile(`(?i)\b(bearer )[A-Za-z0-9._~+/=-]{16}`),
}

// Concealed is one of our texts without what looks like a token: texts quote what is written in the template.
func Concealed(text string) string {
	for _, shape := range tokenShapes {
		for from := 0; ; {
			at := shape.FindStringSubmatchIndex(text[from:])
			if at == nil {
				break
			}
			beginning, rest := text[:from+at[3]], text[from+at[1]:]
			from = len(beginning)
			text = beginning + "…" + strings.TrimLeftFunc(rest, isTokenRune)
		}
	}
	return unbroken.ReplaceAllStringFunc(text, func(word string) string {
		if random(word) {
			return "…"
		}
		return word
	})
}

func isTokenRune(r rune) bool {
	return unicode.IsLetter(r) || unicode.IsDigit(r) || strings.ContainsRune("._~+/=-", r)
}

// tokenShape is the beginning of what looks like a token, or "".
func tokenShape(value string) string {
	for _, shape := range tokenShapes {
		if found := shape.FindStringSubmatch(value); found != nil {
			return found[1]
		}
	}
	return ""
}

func plainText(value string) (text, fix string) {
	switch {
	case value == "":
		return "is empty", "write a value, or leave the key out"
	case strings.TrimSpace(value) != value:
		return "has white space around it", "remove it"
	default:
		return "", ""
	}
}

func keyOrPointer(value string) (text, fix string) {
	if strings.HasPrefix(value, "/") && badEscape.MatchString(value) {
		return "is not a JSON pointer", "write ~0 for ~ and ~1 for / inside a name"
	}
	return plainText(value)
}

var badEscape = regexp.MustCompile(`~(?:[^01]|$)`)

const maxNote = 200

func note(value string) (text, fix string) {
	if n := utf8.RuneCountInString(value); n > maxNote {
		return fmt.Sprintf("has %d characters, at most %d are allowed", n, maxNote), fmt.Sprintf("remove %d", n-maxNote)
	}
	return plainText(value)
}

var (
	digits = regexp.MustCompile(`^(?:0|[1-9][0-9]*)$`)
	amount = regexp.MustCompile(`^([0-9]+(?:\.[0-9]+)?)\s*([A-Za-z]*)$`)
)

// units of time as people write them, by their first letters.
func unit(word string) time.Duration {
	for prefix, d := range map[string]time.Duration{
		"s": time.Second, "m": time.Minute, "h": time.Hour, "d": 24 * time.Hour, "w": 7 * 24 * time.Hour,
	} {
		if strings.HasPrefix(strings.ToLower(word), prefix) {
			return d
		}
	}
	return 0
}

// spoken reads an amount of time as people write it: 3h, 15 minutes.
func spoken(value string) time.Duration {
	parts := amount.FindStringSubmatch(value)
	if parts == nil {
		return 0
	}
	n, err := strconv.ParseFloat(parts[1], 64)
	if err != nil {
		return 0
	}
	return time.Duration(n * float64(unit(parts[2])))
}

// whole is a rule for whole numbers, of hours or minutes if that is their unit.
func whole(of string, low, high int) func(string) (string, string) {
	noun := strings.TrimSpace("a whole number of " + of)
	if of == "" {
		noun = "a whole number"
	}
	return func(value string) (text, fix string) {
		if digits.MatchString(value) && len(value) < 9 {
			if n, _ := strconv.Atoi(value); n >= low && n <= high {
				return "", ""
			}
		} else if d := spoken(value); of != "" && d > 0 && d%unit(of) == 0 && int(d/unit(of)) <= high {
			return quoted(value) + " is not " + noun, "write " + strconv.Itoa(int(d/unit(of)))
		}
		return fmt.Sprintf("%s is not %s from %d to %d", quoted(value), noun, low, high), ""
	}
}

const maxWarnDays = 3650

func days(value string) (text, fix string) {
	n, err := strconv.ParseFloat(value, 64)
	octal := len(value) > 1 && value[0] == '0' && value[1] != '.'
	if amount.MatchString(value) && !octal && err == nil && n > 0 && n <= maxWarnDays {
		return "", ""
	}
	if octal && err == nil {
		fix = "write " + strconv.FormatFloat(n, 'g', 4, 64) + ", as YAML reads a number that starts with 0 as octal"
	} else if d := spoken(value); d > 0 {
		fix = "write " + strconv.FormatFloat(d.Hours()/24, 'g', 4, 64)
	}
	return fmt.Sprintf("%s is not a number of days above 0, at most %d", quoted(value), maxWarnDays), fix
}

func duration(value string) (text, fix string) {
	if d, err := time.ParseDuration(value); err == nil && d > 0 && !digits.MatchString(value) {
		return "", ""
	}
	fix = "write one such as 30s, 5m or 1h"
	if d := spoken(value); d > 0 {
		fix = "write " + plain(d)
	} else if digits.MatchString(value) {
		fix = "write " + value + "s"
	}
	return quoted(value) + " is not a duration", fix
}

func oneOf(values ...string) func(string) (string, string) {
	return func(value string) (text, fix string) {
		if slices.Contains(values, value) {
			return "", ""
		}
		text = "must be " + strings.Join(values, " or ")
		if meant := near(value, values); meant != "" {
			fix = "write " + meant
		}
		return text, fix
	}
}

// boolean takes YAML's true and false only: yes and on are booleans to YAML 1.1 and text to YAML 1.2.
func boolean(value string) (text, fix string) {
	switch strings.ToLower(value) {
	case "true", "false":
		return "", ""
	case "yes", "y", "on":
		fix = "write true"
	case "no", "n", "off":
		fix = "write false"
	}
	return quoted(value) + " is not true or false", fix
}

func jsonText(value string) (text, fix string) {
	var v any
	err := json.Unmarshal([]byte(value), &v)
	if err == nil {
		return "", ""
	}
	if syntax, ok := errors.AsType[*json.SyntaxError](err); ok && strings.ContainsAny(value, `{["`) {
		return fmt.Sprintf(
			"is not JSON: %v, at character %d", err, syntax.Offset,
		), `write it between single quotes, such as '{"kind":"daily"}'`
	}
	return "is not JSON", "for plain text write '" + strings.ReplaceAll(string(must(json.Marshal(value))), "'", "''") + "'"
}

func must(data []byte, _ error) []byte { return data } // a string always has its JSON

func jsonObject(value string) (text, fix string) {
	var object map[string]any
	if text, _ := jsonText(value); text != "" {
		return text, `write an object between single quotes`
	}
	if err := json.Unmarshal([]byte(value), &object); err != nil || object == nil {
		return "must be a JSON object", `write one between single quotes, such as '{"status":[403]}'`
	}
	return "", ""
}

// example is a value of a JSON key.
func example(key string) string {
	switch key {
	case "Body":
		return `{"kind":"daily"}`
	case "Headers":
		return `{"Accept":"application/json"}`
	default:
		return `{"status":[403]}`
	}
}

// near is the one of the words that was probably meant, or "": the same in another case, or few letters away.
func near(written string, words []string) string {
	best, distance := "", max(1, len(written)/3)+1
	for _, w := range words {
		d := edits(strings.ToLower(written), strings.ToLower(w))
		if d < distance {
			best, distance = w, d
		}
	}
	return best
}

// edits is the Levenshtein distance of two words.
func edits(a, b string) int {
	row := make([]int, len(b)+1)
	for j := range row {
		row[j] = j
	}
	for i := range len(a) {
		diagonal := row[0]
		row[0] = i + 1
		for j := range len(b) {
			cost := 1
			if a[i] == b[j] {
				cost = 0
			}
			diagonal, row[j+1] = row[j+1], min(row[j+1]+1, row[j]+1, diagonal+cost)
		}
	}
	return row[len(b)]
}

// plain writes a duration without its zeros: 72h, not 72h0m0s.
func plain(d time.Duration) string {
	text := d.String()
	if strings.HasSuffix(text, "m0s") {
		text = strings.TrimSuffix(text, "0s")
	}
	if strings.HasSuffix(text, "h0m") {
		text = strings.TrimSuffix(text, "0m")
	}
	if d == 0 {
		return "0"
	}
	return text
}
