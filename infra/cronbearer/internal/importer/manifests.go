package importer

import (
	"bytes"
	"errors"
	"fmt"
	"io"
	"maps"
	"path"
	"regexp"
	"strings"

	"go.yaml.in/yaml/v3"
)

// Sources that are YAML: workflows of GitHub Actions and CronJobs of Kubernetes.

func yamlDocuments(data []byte) ([]*yaml.Node, error) {
	decoder := yaml.NewDecoder(bytes.NewReader(data))
	var found []*yaml.Node
	for {
		var n yaml.Node
		err := decoder.Decode(&n)
		if errors.Is(err, io.EOF) {
			return found, nil
		}
		if err != nil {
			return nil, sourceError("it is not YAML") // the parser's own words quote the source
		}
		if len(n.Content) == 1 {
			found = append(found, n.Content[0])
		}
	}
}

// at walks into a document; aliases are followed. What is not there is nil.
func at(n *yaml.Node, keys ...string) *yaml.Node {
	for _, key := range keys {
		n = get(n, key)
	}
	return resolve(n)
}

func resolve(n *yaml.Node) *yaml.Node {
	const deepest = 10
	for i := 0; n != nil && n.Kind == yaml.AliasNode && i < deepest; i++ {
		n = n.Alias
	}
	return n
}

func get(n *yaml.Node, key string) *yaml.Node {
	n = resolve(n)
	if n == nil || n.Kind != yaml.MappingNode {
		return nil
	}
	for i := 0; i+1 < len(n.Content); i += 2 {
		if n.Content[i].Value == key {
			return n.Content[i+1]
		}
	}
	return nil
}

func scalar(n *yaml.Node) string {
	if n = resolve(n); n != nil && n.Kind == yaml.ScalarNode {
		return n.Value
	}
	return ""
}

func items(n *yaml.Node) []*yaml.Node {
	if n = resolve(n); n != nil && n.Kind == yaml.SequenceNode {
		return n.Content
	}
	return nil
}

func pairs(n *yaml.Node) [][2]*yaml.Node {
	n = resolve(n)
	if n == nil || n.Kind != yaml.MappingNode {
		return nil
	}
	var found [][2]*yaml.Node
	for i := 0; i+1 < len(n.Content); i += 2 {
		found = append(found, [2]*yaml.Node{n.Content[i], n.Content[i+1]})
	}
	return found
}

func (im *importer) github(data []byte) error {
	docs, err := yamlDocuments(data)
	if err != nil {
		return err
	}
	for _, workflow := range docs {
		if at(workflow, "jobs") == nil {
			return sourceError("it has no jobs, as a workflow has")
		}
		im.workflow(workflow)
	}
	return nil
}

// A step is one script of a workflow with what surrounds it.
type step struct {
	run       *yaml.Node
	variables map[string]string
	blocked   error
	bash      bool
}

func (im *importer) workflow(w *yaml.Node) {
	schedules := items(at(w, "on", "schedule"))
	if schedules == nil {
		schedules = items(at(w, "true", "schedule"))
	}
	if len(schedules) == 0 {
		im.reject(origin{line: w.Line}, "", errors.New("the workflow has no schedule"))
		return
	}
	steps := im.steps(w)
	for _, s := range schedules {
		o := origin{line: s.Line, zone: "UTC", zoneFrom: "GitHub's"}
		if zone := scalar(at(s, "timezone")); zone != "" {
			o.zone, o.zoneFrom = zone, "the workflow's"
		}
		table, err := parseCron(scalar(at(s, "cron")), wallClock)
		if err != nil {
			im.reject(o, "", err)
			continue
		}
		o.table, o.schedule = table, strings.Join(strings.Fields(scalar(at(s, "cron"))), " ")
		if len(steps) == 0 {
			im.reject(o, "", errors.New("the workflow has no step with curl"))
		}
		for _, step := range steps {
			im.step(o, step)
		}
	}
}

// steps returns the scripts with curl in them.
func (im *importer) steps(w *yaml.Node) []step {
	var found []step
	outer := im.environment(nil, at(w, "env"))
	for _, job := range pairs(at(w, "jobs")) {
		inner := im.environment(outer, at(job[1], "env"))
		for _, s := range items(at(job[1], "steps")) {
			run := at(s, "run")
			if run != nil {
				im.scan(run)
			}
			if run == nil || !strings.Contains(run.Value, "curl") {
				continue
			}
			st := step{run: run, variables: im.environment(inner, at(s, "env")), bash: true}
			switch {
			case at(s, "if") != nil || at(job[1], "if") != nil:
				st.blocked = errors.New("it has a condition (if), and a job always makes its call")
			case at(job[1], "strategy") != nil:
				st.blocked = errors.New("it runs in a matrix: write a job for each call")
			case !isShell(scalar(at(s, "shell"))):
				st.blocked = errors.New("its shell is none that can be read here")
			}
			found = append(found, st)
		}
	}
	return found
}

func isShell(name string) bool {
	name, _, _ = strings.Cut(name, " ")
	return name == "" || name == "sh" || name == "bash"
}

// environment adds the variables of an env block.
func (im *importer) environment(outer map[string]string, env *yaml.Node) map[string]string {
	inner := map[string]string{}
	maps.Copy(inner, outer)
	for _, p := range pairs(env) {
		name, value := p[0].Value, scalar(p[1])
		if saysSecret(name) && value != "" && !strings.Contains(value, "${{") {
			im.finds.add(p[1].Line, value)
			im.named(value, name)
		}
		inner[name] = im.expressions(value, inner)
	}
	return inner
}

func (im *importer) named(value, name string) {
	if im.plain == nil {
		im.plain = map[string]string{}
	}
	im.plain[value] = name
}

var expression = regexp.MustCompile(`\$\{\{\s*(.*?)\s*\}\}`)

// expressions puts marks for GitHub's ${{ … }}.
func (im *importer) expressions(text string, env map[string]string) string {
	return expression.ReplaceAllStringFunc(text, func(found string) string {
		inner := expression.FindStringSubmatch(found)[1]
		context, name, _ := strings.Cut(inner, ".")
		switch {
		case context == "secrets" && isIdentifier(name):
			return im.marks.variable("secrets." + name)
		case context == "env" && env[name] != "":
			return env[name]
		case (context == "vars" || context == "env") && isIdentifier(name):
			return im.marks.variable(context + "." + name)
		default:
			return im.marks.add(mark{reason: "an expression of GitHub's that only GitHub can read"})
		}
	})
}

// scan registers the credentials of a script in plain text.
func (im *importer) scan(n *yaml.Node) {
	for i, text := range strings.Split(n.Value, "\n") {
		im.finds.add(firstLine(n)+i, inShell(expression.ReplaceAllString(text, "$$"))...)
	}
}

// firstLine is that of a text: of a block the one below its | or >.
func firstLine(n *yaml.Node) int {
	if n.Style&(yaml.LiteralStyle|yaml.FoldedStyle) != 0 {
		return n.Line + 1
	}
	return n.Line
}

func (im *importer) step(o origin, st step) {
	line := firstLine(st.run)
	s := script{
		marks: &im.marks, zones: zones{job: o.zone, commands: "UTC"}, bash: st.bash, line: line, variables: st.variables,
	}
	err := first(st.blocked, s.run(im.expressions(st.run.Value, st.variables)))
	r, requestErr := s.request()
	if err = first(err, requestErr); err != nil {
		im.registerAll(r)
		o.line = line
		im.reject(o, "", err)
		return
	}
	o.line = r.line
	im.take(o, r)
}

func (im *importer) kubernetes(data []byte) error {
	docs, err := yamlDocuments(data)
	if err != nil {
		return err
	}
	found := 0
	for _, d := range docs {
		list := []*yaml.Node{d}
		if scalar(at(d, "kind")) == "List" || scalar(at(d, "kind")) == "CronJobList" {
			list = items(at(d, "items"))
		}
		for _, n := range list {
			if scalar(at(n, "kind")) == "CronJob" {
				found++
				im.cronJob(resolve(n))
			}
		}
	}
	if found == 0 {
		return sourceError("it has no CronJob")
	}
	return nil
}

var everyDuration = regexp.MustCompile(`^@every (?:([0-9]{1,4})h)?(?:([0-9]{1,5})m)?(?:0s)?$`)

// rateOf writes @every 1h30m as a rate.
func rateOf(text string) (string, bool) {
	m := everyDuration.FindStringSubmatch(text)
	if m == nil {
		return "", false
	}
	hours, _ := digits(orText(m[1], "0"))
	minutes, _ := digits(orText(m[2], "0"))
	switch total := 60*hours + minutes; { //nolint:mnd // minutes of an hour
	case total == 0:
		return "", false
	case total%60 == 0:
		return fmt.Sprintf("rate(%d hours)", total/60), true //nolint:mnd // minutes of an hour
	default:
		return fmt.Sprintf("rate(%d minutes)", total), true
	}
}

func (im *importer) cronJob(n *yaml.Node) {
	o := origin{
		line: n.Line, name: scalar(at(n, "metadata", "name")),
		zone: scalar(at(n, "spec", "timeZone")), zoneFrom: "the CronJob's",
		disabled: scalar(at(n, "spec", "suspend")) == "true",
	}
	text := strings.TrimSpace(scalar(at(n, "spec", "schedule")))
	for _, prefix := range []string{"CRON_TZ=", "TZ="} {
		if rest, ok := strings.CutPrefix(text, prefix); ok {
			o.zone, text, _ = strings.Cut(rest, " ")
		}
	}
	if o.zone == "" {
		o.zone, o.zoneFrom = im.options.Zone, "--timezone"
	}
	if o.zone == "" {
		o.zone, o.zoneFrom = "UTC", "the cluster's, as most are"
	}
	r, err := im.podRequest(o, n)
	if every, ok := rateOf(text); ok {
		o.expression, o.schedule = every, text
		o.notes = append(o.notes, "it starts when it is deployed, and then at that interval")
	} else if table, tableErr := parseCron(text, wallClock); tableErr == nil {
		o.table, o.schedule = table, text
	} else {
		err = first(tableErr, err)
	}
	if err != nil {
		im.registerAll(r)
		im.reject(o, im.shownName(o.name), err)
		return
	}
	im.take(o, r)
}

// podRequest reads the one container of a CronJob.
func (im *importer) podRequest(o origin, n *yaml.Node) (request, error) {
	pod := at(n, "spec", "jobTemplate", "spec", "template", "spec")
	containers := items(at(pod, "containers"))
	if len(containers) != 1 {
		return request{}, errors.New("it has not one container")
	}
	c := containers[0]
	variables := im.podVariables(c)
	words, lines := im.podWords(c, variables)
	switch {
	case len(words) == 0:
		return request{}, errors.New("it has neither command nor args: its image does the work")
	case at(c, "command") == nil && !strings.Contains(path.Base(scalar(at(c, "image"))), "curl"):
		return request{}, errors.New("its image does the work: only curl in command or args is taken over")
	case at(c, "command") == nil:
		words, lines = append([]string{"curl"}, words...), append([]int{resolve(c).Line}, lines...)
	}
	s := script{
		marks: &im.marks, zones: zones{job: o.zone, commands: "UTC"}, variables: variables, bash: true, line: lines[0],
	}
	err := s.command(words, curlCall{line: lines[0]})
	r, requestErr := s.request()
	r.line = lines[0]
	return r, first(err, requestErr)
}

// podVariables reads env: a value, or a key of a secret, which is the token's variable.
func (im *importer) podVariables(c *yaml.Node) map[string]string {
	variables := map[string]string{}
	for _, e := range items(at(c, "env")) {
		name, value := scalar(at(e, "name")), at(e, "value")
		if value == nil {
			variables[name] = im.marks.variable("secrets." + name)
			if at(e, "valueFrom", "secretKeyRef") == nil {
				variables[name] = im.marks.variable("$" + name)
			}
			continue
		}
		if saysSecret(name) && value.Value != "" {
			im.finds.add(value.Line, value.Value)
			im.named(value.Value, name)
		}
		variables[name] = value.Value
	}
	return variables
}

var podVariable = regexp.MustCompile(`\$\(([A-Za-z_][A-Za-z0-9_]*)\)`)

// podWords returns command and args with $(NAME) filled, and their lines.
func (im *importer) podWords(c *yaml.Node, variables map[string]string) (words []string, lines []int) {
	for _, key := range []string{"command", "args"} {
		for _, n := range items(at(c, key)) {
			n = resolve(n)
			im.scan(n)
			words = append(words, podVariable.ReplaceAllStringFunc(n.Value, func(found string) string {
				if value, ok := variables[found[2:len(found)-1]]; ok {
					return value
				}
				return found
			}))
			lines = append(lines, firstLine(n))
		}
	}
	return words, lines
}
