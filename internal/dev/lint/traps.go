package lint

import (
	"encoding/json"
	"maps"
	"regexp"
	"slices"
	"strings"
	"unicode"

	"go.yaml.in/yaml/v3"

	"github.com/cronbearer/cronbearer/internal/dev/schedule"
	"github.com/cronbearer/cronbearer/internal/hosts"
	"github.com/cronbearer/cronbearer/internal/job"
)

// What follows is allowed and seldom meant: nothing rejects it, and nothing ever says why the result is another one.

// destination warns where a job calls a host to which its token may not go: the run would fail, and no token be sent.
func (c *checker) destination(name string, event job.Job) {
	target := event.Call.URL()
	if target == nil || c.options.Deploy && reserved(event.Host()) {
		return // reported as an example
	}
	token := textAt(c.stack.Mappings[jobs][name], "Token")
	p := Problem{Severity: Warning}
	switch list, known := c.options.SecretHosts[token]; {
	case known && list.Allows(target):
		return
	case known:
		p.Text = notAllowedBy + token + " does not allow " + event.Host() + ", so each run would fail as invalid_job"
		p.Fix = "add it to the member hosts of the secret"
	default:
		given := c.allowedHosts()
		list, err := hosts.ParseCommaSeparated(given)
		if err != nil || given == "" || list.Allows(target) {
			return
		}
		p.Text = event.Host() + " is not in AllowedHosts (" + given + "), so each run would fail as invalid_job unless the " +
			"secret has it in its member hosts"
		p.Fix = "correct the host, or add it to AllowedHosts"
	}
	c.jobProblem(name, "Call", p)
}

const notAllowedBy = "the secret of "

// allowedHosts is the value that is given, or the template's own; "" where there is none.
func (c *checker) allowedHosts() string {
	if given, ok := c.options.Stack.Parameters[allowedHosts]; ok {
		return given
	}
	if def := c.stack.Parameters[allowedHosts].Default; def != nil {
		return *def
	}
	return ""
}

// odd warns of a schedule that starts at other times than its author thinks.
func (c *checker) odd(name, expression, zone string, s *schedule.Schedule) {
	if field, days, names := s.NumberedDays(); field != "" {
		c.jobProblem(name, "Schedule", Problem{
			Severity: Warning, Text: field + " is " + days + ", as AWS counts from Sunday = 1",
			Fix: "write " + names + ", or the days that you mean, such as MON-FRI",
		})
	}
	if found := everyMinute.FindStringSubmatch(expression); found != nil {
		c.jobProblem(name, "Schedule", Problem{
			Severity: Warning, Text: "starts at every minute of hour " + found[1] + ", 60 times", Fix: "write 0 instead of " +
				"the first * to start once",
		})
	}
	if text, fix := oddZone(zone); text != "" {
		c.jobProblem(name, "Timezone", Problem{Severity: Warning, Text: text, Fix: fix})
	}
}

// everyMinute is how people who come from other crons write nine o'clock.
var everyMinute = regexp.MustCompile(`^cron\(\s*(?:\*|\*/1|0/1)\s+([0-9][0-9,-]*)\s`)

// replaced are the keys whose values go out with their placeholders filled.
var replaced = []string{"Call", "Body", "Headers"}

var (
	// shellVariable is what people write who come from a crontab.
	shellVariable = regexp.MustCompile(`\$\{[^}]*\}|\$\([^)]*\)|\$[A-Z][A-Z0-9_]+`)
	// anyVariable is what people write who come from CloudFormation or a workflow.
	anyVariable = regexp.MustCompile(`\$\{[^}]*\}+`)
	// bare is a placeholder in other brackets.
	bare = regexp.MustCompile(`(?:^|[^{])(\{ *(?:scheduled|local)(?:Time|Date)[^{}]*\}|\{ *runId *\})(?:[^}]|$)|` +
		`(<(?:scheduled|local)(?:Time|Date)[^<>]*>|<runId>|%(?:Y-%m-%d|F)\b)`)
)

const known = "write {{scheduledDate}}, {{scheduledTime}} or {{runId}} if you mean one of them"

// unreplaced warns of what its author thinks is replaced.
func (c *checker) unreplaced(p Problem, n *yaml.Node) {
	p.Severity = Warning
	if !slices.Contains(replaced, p.Key) {
		if variable := anyVariable.FindString(n.Value); variable != "" {
			p.Text, p.Fix = variable+" is kept as is: nothing is replaced in a row", "write the value itself"
			c.at(n, p)
		}
		return
	}
	variable := shellVariable.FindString(n.Value)
	if found := bare.FindStringSubmatch(n.Value); variable == "" && found != nil {
		variable = found[1] + found[2]
	}
	if variable != "" {
		p.Text, p.Fix = variable+" is sent as is: only {{…}} is replaced", known
		c.at(n, p)
	}
}

// commented warns of a value that YAML cuts off at a sign of the user's: Note: see #12.
func (c *checker) commented(p Problem, n *yaml.Node) {
	if plain := n.Style&(yaml.SingleQuotedStyle|yaml.DoubleQuotedStyle) == 0; plain && cutOff.MatchString(n.LineComment) {
		p.Severity, p.Text, p.Fix = Warning, "is cut off at the #, which starts a comment in YAML", "quote the value "+
			"if the rest "+
			"belongs to it, or write a space after the #"
		c.at(n, p)
	}
}

var cutOff = regexp.MustCompile(`^#[^\s#]`)

// credentials warns of secrets next to the token: anyone who may read the stack can read them.
func (c *checker) credentials(p Problem, n *yaml.Node) {
	p.Severity = Warning
	p.Fix = "the caller sends one secret, as a bearer token; ask the API for one, or put this into the secret of the token"
	switch p.Key {
	case "Call":
		if found := secretQuery.FindStringSubmatch(n.Value); found != nil && likeSecret(found[2]) {
			p.Text = "the query holds " + found[1] + ", which everyone sees who may read the stack or the target's logs"
			c.at(n, p)
		}
	case "Headers":
		var headers map[string]any
		if err := json.Unmarshal([]byte(n.Value), &headers); err != nil {
			return
		}
		for _, name := range slices.Sorted(maps.Keys(headers)) {
			value, _ := headers[name].(string)
			if secretHeader.MatchString(name) && likeSecret(value) {
				p.Text = "the header " + name + " holds what everyone sees who may read the stack"
				c.at(n, p)
			}
		}
	}
}

var (
	secretQuery = regexp.MustCompile(
		`(?i)[?&]((?:api[_-]?|access[_-]?)?(?:key|token)|auth|password|secret|sig|signature|code)=([^&]+)`,
	)
	secretHeader = regexp.MustCompile(`(?i)(?:api[_-]?key|token|secret|password|auth)`)
)

// likeSecret reports whether a value next to such a name can be one: long, with a digit, and not filled in for each
// run.
func likeSecret(value string) bool {
	const shortest = 12
	return len(value) >= shortest && strings.ContainsAny(value, "0123456789") && !strings.Contains(value, "{{")
}

// twins warns of two tokens with one secret: what kills one kills both, and each has its alarms.
func (c *checker) twins() {
	first := map[string]string{}
	for _, name := range c.sortedBlocks(tokens) {
		row := c.stack.Mappings[tokens][name]
		secret := textAt(row, "Secret") + "\n" + textAt(row, "Key")
		if secret == "\n" || c.broken[tokens+"."+name] {
			continue
		}
		if other, ok := first[secret]; ok {
			_, n, _ := c.stack.Locate("Mappings", tokens, name, "Secret")
			c.at(n, Problem{
				Severity: Warning, Place: tokens + "." + name, Key: "Secret", Text: other + " has the same one, so a rejected " +
					"token would be reported twice",
				Fix: "name the secret that you mean, or use " + other + " in the jobs",
			})
			continue
		}
		first[secret] = name
	}
}

// suffixed reports whether a name ends as an ARN does, with the six random characters that are not part of the name.
func suffixed(secret string) bool {
	end := arnSuffix.FindString(secret)
	return !strings.HasPrefix(secret, "arn:") && strings.ContainsFunc(end, unicode.IsUpper) &&
		strings.ContainsFunc(end, unicode.IsLower)
}

var arnSuffix = regexp.MustCompile(`-[A-Za-z0-9]{6}$`)

// pastedToken reports that a secret's name is a token of no known kind: a name is made of words.
func pastedToken(value string) (certain, likely bool) {
	switch {
	case strings.HasPrefix(value, "arn:"):
		return false, false
	case slices.ContainsFunc(unbroken.FindAllString(value, -1), random):
		return true, false
	default:
		return false, uuid.MatchString(value) ||
			wholeWord.MatchString(value) && strings.ContainsFunc(value, unicode.IsDigit) &&
				strings.ContainsFunc(value, unicode.IsLetter)
	}
}

var (
	unbroken  = regexp.MustCompile(`[A-Za-z0-9+=]{24,}`)
	wholeWord = regexp.MustCompile(`^[A-Za-z0-9+=]{32,}$`)
	uuid      = regexp.MustCompile(`(?i)^[0-9a-f]{8}-(?:[0-9a-f]{4}-){3}[0-9a-f]{12}$`)
	hex       = regexp.MustCompile(`^(?:[0-9a-f]{24,}|[0-9A-F]{24,})$`)
)

// random reports whether a word changes between capitals, small letters and digits as often as chance makes it: of
// letters and digits at random nearly two in three neighbors are of different kinds, in CamelCase one in three.
func random(word string) bool {
	if hex.MatchString(word) {
		return strings.ContainsAny(word, "0123456789")
	}
	changes, before := 0, 0
	for i, r := range word {
		kind := 3 // digits and signs
		if unicode.IsUpper(r) {
			kind = 1
		} else if unicode.IsLower(r) {
			kind = 2
		}
		if i > 0 && kind != before {
			changes++
		}
		before = kind
	}
	share := float64(changes) / float64(len(word)-1)
	const mixed, oneCase = 0.45, 0.3
	if strings.ContainsFunc(word, unicode.IsUpper) && strings.ContainsFunc(word, unicode.IsLower) {
		return share >= mixed
	}
	return share >= oneCase
}

// notAName reports a token in the place of its secret's name, and a name that may be one; never what it is.
func notAName(value string) (p Problem, bad bool) {
	certain, likely := pastedToken(value)
	switch {
	case certain:
		p.Text = "that looks like a token, and the template is not the place for one"
		p.Fix = "store it in Secrets Manager, write the secret's name here, and revoke it if it was ever committed"
	case likely:
		p.Severity, p.Text = Warning, "looks random, as tokens do"
		p.Fix = "if it is the token itself, store it in Secrets Manager and write the secret's name here"
	case suffixed(value):
		p.Severity, p.Text = Warning, "ends with "+value[len(value)-7:]+", as the ARN of a secret does and its name does not"
		p.Fix = "write the name without it if you copied it from the ARN"
	default:
		return Problem{}, false
	}
	return p, true
}
