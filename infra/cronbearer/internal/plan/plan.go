// Package plan computes what a template will do before it is deployed: when its jobs run, which runs the clocks take
// away, how long a dead token can go unnoticed, what a month costs, and what is different from an earlier template. It
// prints nothing, asks AWS nothing, and does not check for mistakes: package lint does.
package plan

import (
	"cmp"
	"encoding/json"
	"errors"
	"fmt"
	"slices"
	"time"

	"github.com/cronbearer/cronbearer/internal/dev/cfn"
	"github.com/cronbearer/cronbearer/internal/dev/lint"
	"github.com/cronbearer/cronbearer/internal/dev/pricing"
	"github.com/cronbearer/cronbearer/internal/dev/schedule"
)

// Runs is how many of a job's next starts are listed.
const Runs = 5

// A Plan is what a template will do.
type Plan struct {
	Stack    string
	Jobs     []Job
	Tokens   []Token
	OwnTopic bool

	stack *cfn.Stack
}

// A Job of the template.
type Job struct {
	Name, Token          string
	Expression, Timezone string
	Zone                 *time.Location
	Disabled, Rate, Once bool
	Start, End           time.Time // StartDate and EndDate, if the template sets them
	// Next are the next starts, none if they cannot be known before the deployment: of a rate without StartDate.
	Next     []time.Time
	Interval time.Duration // of a rate
	Clocks   []schedule.Clock
	// StartsPerYear are those of the 365 days from now.
	StartsPerYear   int
	Gap             time.Duration // the longest between two starts
	Window, Timeout time.Duration
	// SilentAfter is the template's, 0 if it has none; Least the smallest that never fires on a healthy job.
	SilentAfter, Least int
	Watched            bool // false: Watch: ignore

	schedule *schedule.Schedule
}

// A Token of the template.
type Token struct {
	Name     string
	Jobs     []string // those that are not disabled
	Disabled []string
	WarnDays int
	Within   Within
}

// Read computes the plan of a template. Its error is one that `cronbearer check` explains.
func Read(data []byte, o cfn.Options, now time.Time) (*Plan, error) {
	o.Guess = true
	stack, err := cfn.Parse(data, o)
	if err != nil {
		return nil, fmt.Errorf("read the template: %w", err)
	}
	return Of(stack, now)
}

// Of computes the plan of a stack.
func Of(stack *cfn.Stack, now time.Time) (*Plan, error) {
	p := &Plan{Stack: stack.StackName, stack: stack, OwnTopic: len(stack.OfType("AWS::KMS::Key")) > 0}
	var errs []error
	gaps := map[[2]string]time.Duration{} // a gap is read from 174 years
	for _, name := range stack.Loop("Jobs") {
		j, err := readJob(stack, name, now, gaps)
		errs = append(errs, err)
		p.Jobs = append(p.Jobs, j)
	}
	if err := errors.Join(errs...); err != nil {
		return nil, err
	}
	for _, name := range stack.Loop("Tokens") {
		p.Tokens = append(p.Tokens, p.token(name, now))
	}
	return p, nil
}

func readJob(stack *cfn.Stack, name string, now time.Time, gaps map[[2]string]time.Duration) (Job, error) {
	properties, row := stack.Resources["Job"+name].Properties, stack.Mappings["Jobs"][name]
	j := Job{
		Name: name, Token: text(row["Token"]), Disabled: text(properties["State"]) == "DISABLED",
		Expression: text(properties["ScheduleExpression"]),
		Timezone:   cmp.Or(text(properties["ScheduleExpressionTimezone"]), "UTC"),
		Watched:    text(row["Watch"]) != "ignore", SilentAfter: number(row["SilentAfter"]),
	}
	if window, ok := properties["FlexibleTimeWindow"].(map[string]any); ok {
		j.Window = time.Duration(number(window["MaximumWindowInMinutes"])) * time.Minute
	}
	j.Timeout = timeout(properties)
	s, err := schedule.Parse(j.Expression, j.Timezone)
	if err != nil {
		return j, fmt.Errorf("job %s: %w", name, err)
	}
	if j.Zone, err = time.LoadLocation(j.Timezone); err != nil {
		return j, fmt.Errorf("job %s: %w", name, err)
	}
	for key, into := range map[string]*time.Time{"StartDate": &j.Start, "EndDate": &j.End} {
		if given := text(properties[key]); given != "" {
			if *into, err = time.Parse(time.RFC3339, given); err != nil {
				return j, fmt.Errorf("job %s: %s is not a time: %w", name, key, err)
			}
		}
	}
	key := [2]string{j.Expression, j.Timezone}
	if _, known := gaps[key]; !known {
		gaps[key] = s.LongestGap()
	}
	j.Gap = gaps[key]
	j.count(s, now)
	return j, nil
}

// count computes what follows from when the job starts.
func (j *Job) count(s *schedule.Schedule, now time.Time) {
	j.Rate, j.Once = s.Rate(), s.OneTime()
	if j.Rate {
		j.Interval = j.Gap
	}
	if j.Rate && !j.Start.IsZero() {
		s = s.Anchored(j.Start)
	}
	j.schedule = s
	if !j.Once {
		j.Least = lint.LeastSilentAfter(j.Gap, j.Window)
	}
	from, to := now, now.Add(year)
	if j.Start.After(from) {
		from = j.Start
	}
	if !j.End.IsZero() && j.End.Before(to) {
		to = j.End
	}
	if j.Disabled || !from.Before(to) {
		return
	}
	j.StartsPerYear = s.Count(from, to)
	j.Clocks = s.Clocks(from, to)
	if j.Rate && j.Start.IsZero() {
		return
	}
	at, ok := s.Next(from.Add(-time.Nanosecond))
	for ; ok && len(j.Next) < Runs && (j.End.IsZero() || at.Before(j.End)); at, ok = s.Next(at) {
		j.Next = append(j.Next, at)
	}
}

// Short reports whether the template's SilentAfter fires on a healthy job.
func (j Job) Short() bool { return j.Watched && j.SilentAfter < j.Least }

// Starts is the number of starts in a month of 730 hours.
func (j Job) Starts() float64 {
	return float64(j.StartsPerYear) * float64(pricing.Month) / float64(year)
}

// Price is what the job and its runs add to a month's bill.
func (j Job) Price() float64 {
	bill := pricing.Bill(pricing.Stack{Jobs: []pricing.Job{{Starts: j.Starts()}}})
	return pricing.Total(bill, "jobs", "runs")
}

func (p *Plan) token(name string, now time.Time) Token {
	t := Token{Name: name, WarnDays: number(p.stack.Mappings["Tokens"][name]["WarnDays"])}
	if alarm, ok := p.stack.Resources["TokenExpiring"+name]; ok {
		t.WarnDays = number(alarm.Properties["Threshold"])
	}
	var starts []Start
	for _, j := range p.Jobs {
		switch {
		case j.Token != name:
		case j.Disabled:
			t.Disabled = append(t.Disabled, j.Name)
		default:
			t.Jobs = append(t.Jobs, j.Name)
			if j.StartsPerYear > 0 || j.Gap >= year {
				starts = append(starts, Start{
					Job: j.Name, Schedule: j.schedule, Rate: j.Rate, Window: j.Window, Timeout: j.Timeout, Gap: j.Gap,
				})
			}
		}
	}
	t.Within = NotifiedWithin(starts, now)
	return t
}

// Bill is what a month of the stack costs. What a token publishes is counted as if its expiry were known.
func (p *Plan) Bill() []pricing.Item {
	s := pricing.Stack{OwnTopic: p.OwnTopic}
	for range p.Tokens {
		s.Tokens = append(s.Tokens, pricing.Token{Expires: true})
	}
	for _, j := range p.Jobs {
		s.Jobs = append(s.Jobs, pricing.Job{Starts: j.Starts()})
	}
	return pricing.Bill(s)
}

// Job returns the job of a name.
func (p *Plan) Job(name string) (Job, bool) {
	i := slices.IndexFunc(p.Jobs, func(j Job) bool { return j.Name == name })
	if i < 0 {
		return Job{}, false
	}
	return p.Jobs[i], true
}

// timeout is the event's.
func timeout(properties map[string]any) time.Duration {
	target, _ := properties["Target"].(map[string]any)
	var event struct{ Timeout string }
	_ = json.Unmarshal([]byte(text(target["Input"])), &event) // an event that is not JSON is a mistake that check names
	d, _ := time.ParseDuration(event.Timeout)
	return d
}

func text(v any) string {
	if v == nil {
		return ""
	}
	return fmt.Sprint(v)
}

func number(v any) int {
	n, _ := cfn.Number(v)
	return int(n)
}
