package lint

import (
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

	"go.yaml.in/yaml/v3"

	"github.com/cronbearer/cronbearer/internal/dev/schedule"
	"github.com/cronbearer/cronbearer/internal/job"
)

const (
	// LongestRun is the function's Timeout.
	LongestRun = 900 * time.Second
	// delivery is how late Scheduler may deliver a start, and Lambda start it.
	delivery = 15 * time.Minute

	// maxInput is EventBridge Scheduler's limit of an event in bytes.
	maxInput = 256 << 10
)

// jobs checks what each job becomes: its event and its schedule.
func (c *checker) jobs() {
	good := map[string][]string{} // jobs by token
	for _, name := range c.sortedBlocks(jobs) {
		if c.skipped(jobs, name) {
			c.alone(name)
			continue
		}
		properties := c.stack.Resources["Job"+name].Properties
		input, ok := at(properties, "Target", "Input").(string)
		if !ok {
			c.jobProblem(name, "", Problem{Text: "the template makes no schedule Job" + name +
				" of it, with an Input", Fix: "copy the loop Fn::ForEach::Jobs from the shipped template"})
			continue
		}
		event := c.event(name, input)
		c.schedule(name, properties, event)
		c.destination(name, event)
		if !c.broken[jobs+"."+name] {
			token := textAt(c.stack.Mappings[jobs][name], "Token")
			good[token] = append(good[token], name)
		}
	}
	for _, token := range slices.Sorted(maps.Keys(good)) {
		c.rejects(token, good[token])
	}
}

// jobProblem adds a problem at a key of a job, or at the job if it does not have the key.
func (c *checker) jobProblem(name, key string, p Problem) {
	p.Place, p.Key = jobs+"."+name, key
	n := c.blocks[jobs][name].key
	if value := c.written(jobs, name, key); value != nil {
		n = value
	}
	c.at(n, p)
}

// event is what the caller makes of a schedule's Input, read by the caller's own parser.
func (c *checker) event(name, input string) job.Job {
	if len(input) > maxInput {
		c.jobProblem(
			name, "",
			Problem{
				Text: fmt.Sprintf("its event has %d bytes, more than Scheduler's %d", len(input), maxInput),
				Fix:  "shorten its Body",
			},
		)
	}
	event, err := job.Parse([]byte(input), job.Options{IdempotencyHeader: c.stack.Values["IdempotencyHeader"]})
	invalid, _ := errors.AsType[*job.InvalidError](err)
	switch {
	case invalid != nil:
		for _, problem := range invalid.Problems {
			c.invalid(name, problem)
		}
	case err != nil:
		c.jobProblem(name, "", Problem{Text: "the caller would reject its event: " + err.Error()})
	case event.Name != name:
		c.jobProblem(name, "", Problem{Text: "its event is for job " +
			event.Name, Fix: "copy the Input of Fn::ForEach::Jobs from the shipped template"})
	}
	return event
}

// eventPlaces find the key of the event that a problem of the parser is about: its first word, or where it says "in".
var eventPlaces = []*regexp.Regexp{
	regexp.MustCompile(`^([a-z][A-Za-z]*)`), regexp.MustCompile(` in "/([a-z][A-Za-z]*)`),
	regexp.MustCompile(` in ([a-z][A-Za-z]*)\b`),
}

// rowKey is the key of a row that a key of the event is made of: Key for secretKey, which comes from the token.
func (c *checker) rowKey(name, problem string) (mapping, row, key string) {
	token := textAt(c.stack.Mappings[jobs][name], "Token")
	for _, place := range eventPlaces {
		found := place.FindStringSubmatch(problem)
		if found == nil {
			continue
		}
		key := strings.ToUpper(found[1][:1]) + found[1][1:]
		_, own := c.stack.Mappings[jobs][name][key]
		_, ofJobs := rules[jobs][key]
		switch {
		case key == "SecretKey":
			return tokens, token, "Key"
		case key == "Secret", key == "Reject" && !own:
			return tokens, token, key
		case ofJobs:
			return jobs, name, key
		}
	}
	return jobs, name, ""
}

// invalid places a problem of an event at the row's key that the event's key was made of.
func (c *checker) invalid(name, problem string) {
	mapping, row, key := c.rowKey(name, problem)
	if key == "Timezone" {
		return // of the schedule too, whose own problem names it
	}
	text := problem
	if first, rest, ok := strings.Cut(problem, " "); ok && key != "" &&
		strings.EqualFold(strings.TrimSuffix(first, ":"), key) {
		text = rest
	}
	p := Problem{Place: mapping + "." + row, Key: key, Text: "the caller would reject it: " + text}
	if key == "" { // no row says it, so the loop does, for all of them
		loop, _, _ := c.stack.Locate("Resources", "Fn::ForEach::"+jobs)
		p.Place, p.Key, p.Fix = "Resources.Fn::ForEach::"+jobs, "Input", "copy it from the shipped template"
		c.at(loop, p)
		return
	}
	n := c.blocks[mapping][row].key
	if _, value, ok := c.stack.Locate("Mappings", mapping, row, key); ok {
		n = value
	}
	c.at(n, p)
}

// schedule checks when a job starts, and what hangs on that: SilentAfter and MaxAge.
func (c *checker) schedule(name string, properties map[string]any, event job.Job) {
	expression, zone := textAt(properties, "ScheduleExpression"), textAt(properties, "ScheduleExpressionTimezone")
	s, err := schedule.Parse(expression, zone)
	if !c.starts(name, expression, zone, s, err) {
		return
	}
	row := c.stack.Mappings[jobs][name]
	window := time.Duration(numberAt(row, "Window")) * time.Minute
	if event.MaxAge > 0 && event.MaxAge <= window+delivery {
		c.jobProblem(name, "MaxAge", Problem{
			Text: plain(event.MaxAge) + " is too short: a run that is on time may start " + plain(window+delivery) +
				" late (the Window plus 15 minutes of delivery)",
			Fix: "write more than " + plain(window+delivery),
		})
	}
	if textAt(row, "Watch") != "ignore" {
		c.silence(name, s, window, int(numberAt(row, "SilentAfter")))
	}
}

// starts checks an expression and its zone, and reports whether what hangs on them can be checked.
func (c *checker) starts(name, expression, zone string, s *schedule.Schedule, err error) bool {
	if err != nil {
		c.badSchedule(name, expression, zone, err)
		return false
	}
	if _, ok := s.Next(c.options.Now); !ok {
		c.jobProblem(name, "Schedule", Problem{Text: expression +
			" never starts a run again", Fix: "write a time that is to come, or remove the job"})
		return false
	}
	c.odd(name, expression, zone, s)
	return true
}

// alone checks the schedule of a job that has another mistake, so that this does not hide one of the schedule.
func (c *checker) alone(name string) {
	expression, ok := c.sound(name, "Schedule")
	if !ok || expression == "" {
		return
	}
	zone, _ := c.sound(name, "Timezone")
	s, err := schedule.Parse(expression, zone)
	if !c.starts(name, expression, zone, s, err) {
		return
	}
	given, known := c.sound(name, "SilentAfter")
	window, hasWindow := c.sound(name, "Window")
	watch, hasWatch := c.sound(name, "Watch")
	hours, _ := strconv.Atoi(given)
	minutes, _ := strconv.Atoi(window)
	if known && given != "" && hasWindow && hasWatch && watch != "ignore" {
		c.silence(name, s, time.Duration(minutes)*time.Minute, hours)
	}
}

// sound returns the value of a key of a job, "" if the job does not have it, and whether nothing is wrong with it.
func (c *checker) sound(name, key string) (string, bool) {
	place := jobs + "." + name
	n := c.written(jobs, name, key)
	switch {
	case c.unclear[place], slices.ContainsFunc(c.problems, func(p Problem) bool {
		return p.Place == place && p.Key == key && p.Severity == Mistake
	}):
		return "", false
	case n == nil:
		return "", true
	default:
		return n.Value, n.Kind == yaml.ScalarNode
	}
}

// written is the value of a key as the template has it, or nil.
func (c *checker) written(mapping, name, key string) *yaml.Node {
	row := c.blocks[mapping][name].value
	for i := 0; row != nil && row.Kind == yaml.MappingNode && i+1 < len(row.Content); i += 2 {
		if row.Content[i].Value == key {
			return row.Content[i+1]
		}
	}
	return nil
}

// LeastSilentAfter is the smallest SilentAfter of a job, in hours, from the longest gap between two starts and the
// Window.
func LeastSilentAfter(gap, window time.Duration) int {
	return schedule.LeastSilentAfter(gap, window, LongestRun)
}

// silence computes the smallest SilentAfter that never cries wolf.
func (c *checker) silence(name string, s *schedule.Schedule, window time.Duration, given int) {
	gap := s.LongestGap()
	minimum := LeastSilentAfter(gap, window)
	sum := "the longest gap between two starts is " + plain(gap) + ", plus a Window of " + plain(window) +
		", one run, one hour"
	switch {
	case s.OneTime():
		c.jobProblem(
			name, "SilentAfter", Problem{Text: "a job that runs once is silent ever after", Fix: "add Watch: ignore"},
		)
	case minimum > maxSilentAfter:
		c.jobProblem(name, "SilentAfter", Problem{
			Text: fmt.Sprintf(
				"would have to be %d, and CloudWatch looks back %d hours at most (%s)", minimum, maxSilentAfter, sum,
			),
			Fix: "add Watch: ignore, as every weekly job needs",
		})
	case given < minimum:
		c.jobProblem(name, "SilentAfter", Problem{Text: strconv.Itoa(given) + " is too short: " +
			sum, Fix: "write at least " + strconv.Itoa(minimum)})
	}
}

// badSchedule places the problems of an expression and of a time zone.
func (c *checker) badSchedule(name, expression, zoneName string, err error) {
	zone, _ := errors.AsType[*schedule.ZoneError](err)
	if zone != nil {
		c.jobProblem(name, "Timezone", noZone(zone.Name, zone))
	}
	if _, err := schedule.Parse(expression, ""); err != nil || zone == nil {
		if err == nil { // a time that the clocks of the zone jump over
			_, err = schedule.Parse(expression, zoneName)
		}
		p := Problem{Text: strings.ReplaceAll(strings.TrimPrefix(err.Error(), "schedule "), "\n", "; ")}
		if crontab.MatchString(expression) {
			p.Text = quoted(expression) + " is a crontab's"
			p.Fix = "write cron(minutes hours day-of-month month day-of-week year), with ? in one of the two day fields and " +
				"names for the days, such as cron(0 9 ? * MON-FRI *); cronbearer import crontab translates"
		}
		c.jobProblem(name, "Schedule", p)
	}
}

// crontab is a line of one: five fields, or a word such as @daily.
var crontab = regexp.MustCompile(`^(?:@[a-z]+|[0-9*/,-]+(?:\s+[0-9A-Za-z*/,-]+){4})$`)

// rejects warns where one token is judged by different rules: what one job takes as its end, another takes as a good
// answer, and the token's alarm flaps.
func (c *checker) rejects(token string, names []string) {
	for _, name := range names[1:] {
		if first := names[0]; c.reject(token, first) != c.reject(token, name) {
			p := Problem{
				Severity: Warning,
				Text:     fmt.Sprintf("token %s is judged by other rules here than by %s, so its alarm may flap", token, first),
				Fix:      "write one Reject into the token",
			}
			c.jobProblem(name, "Reject", p)
			return
		}
	}
}

// reject is the rule that holds for a job, its own or its token's, in one spelling.
func (c *checker) reject(token, name string) string {
	text := cmp.Or(textAt(c.stack.Mappings[jobs][name], "Reject"), textAt(c.stack.Mappings[tokens][token], "Reject"), "{}")
	var v any
	if err := json.Unmarshal([]byte(text), &v); err != nil {
		return text
	}
	return show(v)
}

// examples rejects hosts that no one can own: the examples are to be edited first.
func (c *checker) examples() {
	for _, name := range c.sortedBlocks(jobs) {
		call := textAt(c.stack.Mappings[jobs][name], "Call")
		event, err := job.Parse([]byte(textAt(c.stack.Resources["Job"+name].Properties, "Target", "Input")), job.Options{})
		if err == nil && call != "" && reserved(event.Host()) {
			c.jobProblem(name, "Call", Problem{Text: "it still calls " + event.Host() +
				", which is an example", Fix: "write your own host"})
		}
	}
	given := c.options.Stack.Parameters[allowedHosts]
	if c.options.Asked {
		return
	}
	if _, there := c.stack.Parameters[allowedHosts]; there && given == "" {
		given = c.stack.Values[allowedHosts]
		if c.stack.Parameters[allowedHosts].Default == nil {
			c.add(Problem{Place: "Parameters", Key: allowedHosts, Text: "needs a value"})
			return
		}
	}
	for host := range strings.SplitSeq(given, ",") {
		if reserved(host) {
			c.add(Problem{Place: "Parameters", Key: allowedHosts, Text: strings.TrimSpace(host) +
				" is an example", Fix: "write your own host"})
		}
	}
}

// reserved reports whether a host is under a name that RFC 2606 and RFC 6761 keep for examples and tests.
func reserved(host string) bool {
	host, _, _ = strings.Cut(strings.ToLower(strings.TrimSpace(host)), ":")
	host = "." + strings.TrimSuffix(strings.TrimPrefix(host, "*."), ".")
	for _, name := range []string{
		".example.com", ".example.net", ".example.org", ".example", ".test", ".invalid", ".localhost",
	} {
		if strings.HasSuffix(host, name) {
			return true
		}
	}
	return false
}

// descriptions rejects notes, names and secrets that make an alarm's description longer than CloudWatch allows.
func (c *checker) descriptions(mapping, name string, longest int) {
	n := c.blocks[mapping][name].key
	if n == nil || longest <= maxDescription {
		return
	}
	p := Problem{
		Place: mapping + "." + name,
		Text: fmt.Sprintf(
			"the description of its alarm has %d characters, and CloudWatch allows %d", longest, maxDescription,
		),
		Fix: "shorten its name, its secret's name or the stack's",
	}
	if _, note, ok := c.stack.Locate("Mappings", mapping, name, "Note"); ok && note.Kind == yaml.ScalarNode {
		n, p.Key = note, "Note"
		p.Fix = fmt.Sprintf("shorten it by %d", longest-maxDescription)
	}
	c.at(n, p)
}
