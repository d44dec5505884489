// Package importer reads the schedules of other programs (crontabs, cron-job.org, GitHub Actions, Kubernetes, Google
// Cloud Scheduler, Amazon EventBridge) and makes jobs and tokens of the template of them. It says what it took over,
// what it could not take over and why, and where the old and the new starts differ. It runs nothing of what it reads,
// opens no connection, and prints and writes nothing.
//
// The policy: what a source's client would do and a job cannot do keeps the call from being taken over; what a job does
// differently is a note. Credentials in a source end here. They are compared with each other and with everything that
// is returned, and are not part of it: a text with one is rejected where it would go into a template, and redacted
// where it would go into a report.
package importer

import (
	"errors"
	"fmt"
	"regexp"
	"slices"
	"strconv"
	"strings"
	"time"

	"github.com/cronbearer/cronbearer/internal/dev/lint"
	"github.com/cronbearer/cronbearer/internal/dev/schedule"
)

// Options are what the source does not say.
type Options struct {
	// Now is the moment after which starts are listed and compared.
	Now time.Time
	// Until is how far changes of the clocks are compared; a year by default.
	Until time.Time
	// Zone is that of times without one, UTC by default.
	Zone string
	// Token is the token of calls that send none.
	Token string
	// Jobs and Tokens are the names that the template has.
	Jobs, Tokens []string
	// Calls are the names of the template's jobs by their Identity: what is there is not taken over again.
	Calls map[string]string
}

// Identity is what two jobs that do the same have in common.
func Identity(schedule, zone, call string) string { return schedule + "\n" + zone + "\n" + call }

// Result is what a source holds.
type Result struct {
	Entries []Entry
	// Tokens are those of the jobs that were taken over and that the template does not have, in the order of their first
	// use.
	Tokens []Token
	// Hosts are those of the jobs: AllowedHosts must have them.
	Hosts []string
	// PlainText are the lines that hold credentials.
	PlainText []int
	// Notes are about the source as a whole.
	Notes []string
}

// Jobs returns all jobs.
func (r *Result) Jobs() []Job {
	var jobs []Job
	for _, e := range r.Entries {
		jobs = append(jobs, e.Jobs...)
	}
	return jobs
}

// An Entry is one call of the source on one schedule.
type Entry struct {
	Line int
	// Source is the schedule and the call as they are in the source, without credentials.
	Source string
	// Jobs are one job, two where AWS needs two expressions, none if the call was not taken over.
	Jobs []Job
	// Reason says why it was not.
	Reason string
	Notes  []string
	// Zone is that of the schedule, and why.
	Zone, ZoneFrom string
	// Starts is nil if nothing was taken over, or the source's starts are not known.
	Starts *Starts
}

// A Job is a row of the template's Jobs.
type Job struct {
	Name, Schedule, Timezone, Call, Token string
	Headers, Body, Timeout                string
	Attempts                              int
	Disabled                              bool
	SilentAfter                           int
	// Ignore is set if the schedule is too rare for the Silent alarm.
	Ignore bool
}

// Keys are the keys of its row and their values, in the order of the template.
func (j Job) Keys() [][2]string {
	all := [][2]string{
		{"Schedule", j.Schedule},
		{"Timezone", j.Timezone},
		{"Call", j.Call},
		{"Token", j.Token},
		{"Headers", j.Headers},
		{"Body", j.Body},
		{"Timeout", j.Timeout},
		{"Attempts", numeral(j.Attempts)},
		{"SilentAfter", numeral(j.SilentAfter)},
		{"Watch", given(j.Ignore, "ignore")},
		{"State", given(j.Disabled, "DISABLED")},
	}
	return slices.DeleteFunc(all, func(k [2]string) bool {
		return k[1] == "" || k[0] == "Timezone" && k[1] == "UTC"
	})
}

func numeral(n int) string {
	if n == 0 {
		return ""
	}
	return strconv.Itoa(n)
}

func given(is bool, word string) string {
	if is {
		return word
	}
	return ""
}

// A Token is a row of the template's Tokens.
type Token struct {
	Name, Secret string
	// Lines are those of the calls that send it.
	Lines []int
	// PlainText reports whether the source holds its value.
	PlainText bool
}

// A SourceError is the error of a source that is not what its kind says. Its text holds nothing of the source.
type SourceError struct{ Text string }

func (e *SourceError) Error() string { return e.Text }

func sourceError(format string, arguments ...any) error {
	return &SourceError{fmt.Sprintf(format, arguments...)}
}

// A Kind is a kind of source.
type Kind struct {
	Name, Title string
	read        func(*importer, []byte) error
}

// Kinds are the kinds of sources, by name.
func Kinds() []Kind {
	return []Kind{
		{"crontab", "lines with curl, of a user or of the system", (*importer).crontab},
		{"cronjob-org", "cron-job.org: the JSON of /jobs/<id>, one or several", (*importer).cronJobOrg},
		{"github", "GitHub Actions: a workflow with schedule and curl", (*importer).github},
		{"k8s", "Kubernetes: CronJobs with curl", (*importer).kubernetes},
		{"gcp", "gcloud scheduler jobs list --format json", (*importer).gcp},
		{"eventbridge", "rules with API destinations: the answers of aws events", (*importer).eventBridge},
	}
}

// Import reads a source. An error is one of the source as such; what cannot be taken over of it is in the result.
func Import(kind string, data []byte, o Options) (*Result, error) {
	i := slices.IndexFunc(Kinds(), func(k Kind) bool { return k.Name == kind })
	if i < 0 {
		return nil, sourceError("there is no such kind")
	}
	im := &importer{options: o, jobs: map[string]bool{}, tokens: map[string]bool{}, known: map[string]string{}}
	if o.Until.IsZero() {
		im.options.Until = o.Now.AddDate(1, 0, 0)
	}
	for _, name := range o.Jobs {
		im.jobs[name] = true
	}
	for _, name := range o.Tokens {
		im.tokens[name] = true
	}
	text := strings.TrimPrefix(strings.ToValidUTF8(string(data), "\ufffd"), "\ufeff")
	if strings.ContainsFunc(text, isMark) || strings.ContainsRune(text, 0) {
		return nil, sourceError("it is not text")
	}
	im.finds.source = strings.Split(text, "\n")
	for i, line := range im.finds.source {
		if kind == "gcp" {
			line = encodedBody.ReplaceAllString(line, "") // it is decoded before it is read for tokens
		}
		im.finds.add(i+1, shaped(line)...)
	}
	if err := Kinds()[i].read(im, []byte(text)); err != nil {
		return nil, err
	}
	return im.finish(), nil
}

var encodedBody = regexp.MustCompile(`"body"\s*:\s*"[^"]*"`)

// importer reads one source.
type importer struct {
	options Options
	result  Result
	marks   marks
	finds   finds
	// jobs and tokens are the names that are taken, known the names of tokens by value.
	jobs, tokens map[string]bool
	known        map[string]string
	// plain are the variables of the source by value, for the names of tokens.
	plain map[string]string
}

// An origin is one call on one schedule, as a kind reads it.
type origin struct {
	line     int
	schedule string
	// name is the source's own, "" if it has none.
	name string
	// table is when it starts; or expression, AWS's own, such as an interval that starts with the deployment.
	table          timetable
	expression     string
	zone, zoneFrom string
	disabled       bool
	notes          []string
}

// reject adds an entry that is not taken over.
func (im *importer) reject(o origin, source string, err error) {
	im.result.Entries = append(im.result.Entries, Entry{
		Line: o.line, Source: strings.TrimSpace(o.schedule + "  " + source), Reason: err.Error(), Notes: o.notes,
	})
}

// take adds an entry with its jobs.
func (im *importer) take(o origin, r request) {
	c := caller{marks: &im.marks, finds: &im.finds, r: r}
	made, err := c.call()
	if err != nil {
		im.reject(o, "", err)
		return
	}
	source := made.method + " " + made.host + made.path
	if err := im.checkCredential(made.credential); err != nil {
		im.reject(o, source, err)
		return
	}
	entry := Entry{
		Line: o.line, Source: strings.TrimSpace(o.schedule + "  " + source), Notes: append(o.notes, made.notes...),
		Zone: o.zone, ZoneFrom: o.zoneFrom,
	}
	if err := im.schedule(&entry, o, made); err != nil {
		im.reject(o, source, err)
		return
	}
	im.result.Entries = append(im.result.Entries, entry)
	if !slices.Contains(im.result.Hosts, made.host) {
		im.result.Hosts = append(im.result.Hosts, made.host)
	}
}

var errNoToken = errors.New("it sends no token, and each job sends one: --token names a token for such calls")

func (im *importer) checkCredential(value string) error {
	if value == "" && im.options.Token == "" {
		return errNoToken
	}
	return nil
}

// schedule makes the jobs of an entry.
func (im *importer) schedule(e *Entry, o origin, c call) error {
	parts := []part{{expression: o.expression}}
	if o.expression == "" {
		var err error
		if parts, err = o.table.parts(); err != nil {
			return err
		}
	}
	if _, starts := o.table.next(im.options.Now, time.UTC); o.expression == "" && !starts {
		return errors.New("it never starts")
	}
	var schedules []*schedule.Schedule
	for _, p := range parts {
		s, err := schedule.Parse(p.expression, o.zone)
		if zone, ok := errors.AsType[*schedule.ZoneError](err); ok {
			return fmt.Errorf("its time zone: %w", zone)
		}
		if err != nil {
			return errors.New("AWS has no expression for its schedule")
		}
		if name, ok := im.options.Calls[Identity(p.expression, o.zone, c.text)]; ok {
			return fmt.Errorf("the template has it: job %s", name)
		}
		schedules = append(schedules, s)
	}
	if strings.HasPrefix(o.expression, "cron(") {
		starts, ok := startsOf(schedules[0], time.UTC, im.options.Now)
		if !ok {
			return errors.New("it never starts")
		}
		e.Starts = &starts
	}
	token := im.token(e.Line, c)
	name := o.name
	if name == "" || im.finds.in(name) || camel(name) == "" {
		name = nameOf(c)
	}
	for i, p := range parts {
		j := Job{
			Name: unique(name+p.suffix, "Job", im.jobs), Schedule: p.expression, Timezone: o.zone, Call: c.text, Token: token,
			Headers: c.headers, Body: c.body, Timeout: c.timeout, Attempts: c.attempts, Disabled: o.disabled,
		}
		hours, watched := lint.Silence(schedules[i], 0)
		j.SilentAfter, j.Ignore = hours, !watched
		e.Jobs = append(e.Jobs, j)
	}
	if o.expression == "" {
		zone, _ := time.LoadLocation(o.zone) // schedule.Parse has loaded it
		starts := compare(o.table, zone, schedules, im.options.Now, im.options.Until)
		e.Starts = &starts
	}
	if len(parts) > 1 {
		e.Notes = append(e.Notes, `cron means "or" where both day fields are set; AWS accepts one, so there are two jobs`)
	}
	return nil
}

// token returns the name of a call's token, and adds the token if it is new.
func (im *importer) token(line int, c call) string {
	if c.credential == "" {
		return im.options.Token
	}
	if name, ok := im.known[c.credential]; ok {
		im.used(name, line)
		return name
	}
	name, exists := im.tokenName(c)
	im.known[c.credential] = name
	if !exists {
		im.result.Tokens = append(im.result.Tokens, Token{
			Name: name, Secret: secretOf(name), Lines: []int{line}, PlainText: !im.marks.any(c.credential),
		})
	}
	return name
}

func (im *importer) used(name string, line int) {
	for i := range im.result.Tokens {
		if t := &im.result.Tokens[i]; t.Name == name && !slices.Contains(t.Lines, line) {
			t.Lines = append(t.Lines, line)
		}
	}
}

// tokenName names a token after its variable, else after its host. A token of the template that has the variable's name
// is that token.
func (im *importer) tokenName(c call) (name string, exists bool) {
	variable := im.plain[c.credential]
	if k, ok := im.marks.sole(c.credential); ok {
		variable = k.variable
	}
	variable = strings.TrimPrefix(strings.TrimPrefix(variable, "$"), "secrets.")
	if variable != "" && !im.finds.in(variable) {
		if name := camel(variable); slices.Contains(im.options.Tokens, name) {
			return name, true
		}
		return unique(variable, "Token", im.tokens), false
	}
	return unique(tokenNameOf(c.host), "Token", im.tokens), false
}

// finish removes what is left of credentials from the report.
func (im *importer) finish() *Result {
	r := &im.result
	r.PlainText = slices.Clone(im.finds.lines)
	slices.Sort(r.PlainText)
	for i := range r.Entries {
		e := &r.Entries[i]
		e.Source, e.Reason, e.ZoneFrom = im.finds.clean(e.Source), im.finds.clean(e.Reason), im.finds.clean(e.ZoneFrom)
		var notes []string
		for _, n := range e.Notes {
			if n = im.finds.clean(n); !slices.Contains(notes, n) {
				notes = append(notes, n)
			}
		}
		e.Notes = notes
	}
	for i, n := range r.Notes {
		r.Notes[i] = im.finds.clean(n)
	}
	return r
}

// Lines writes the numbers of lines: "line 3", "lines 3, 5".
func Lines(numbers []int) string {
	var texts []string
	for _, n := range numbers {
		texts = append(texts, strconv.Itoa(n))
	}
	if len(texts) == 1 {
		return "line " + texts[0]
	}
	return "lines " + strings.Join(texts, ", ")
}
