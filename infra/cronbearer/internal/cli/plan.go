package cli

import (
	"bytes"
	"context"
	"errors"
	"fmt"
	"io/fs"
	"math"
	"path/filepath"
	"slices"
	"strconv"
	"strings"
	"time"

	"github.com/spf13/cobra"

	"github.com/cronbearer/cronbearer/infra/cronbearer/internal/exit"
	"github.com/cronbearer/cronbearer/infra/cronbearer/internal/plan"
	"github.com/cronbearer/cronbearer/infra/cronbearer/internal/view"
	"github.com/cronbearer/cronbearer/internal/dev/cfn"
	"github.com/cronbearer/cronbearer/internal/dev/lint"
	"github.com/cronbearer/cronbearer/internal/dev/pricing"
	"github.com/cronbearer/cronbearer/internal/dev/samconfig"
	"github.com/cronbearer/cronbearer/internal/dev/schedule"
)

type planDocument struct {
	view.Versioned

	Jobs    []planJob    `json:"jobs"`
	Tokens  []planToken  `json:"tokens"`
	Price   planPrice    `json:"price"`
	Changes []planChange `json:"changes,omitempty" jsonschema:"with --since"`
}

type planJob struct {
	Name              string      `json:"name"`
	Token             string      `json:"token"`
	Schedule          string      `json:"schedule"`
	Timezone          string      `json:"timezone"`
	Disabled          bool        `json:"disabled"`
	Next              []string    `json:"next"             jsonschema:"empty if it depends on the time of the deployment"`
	Clocks            []planClock `json:"clocks"           jsonschema:"of the next 365 days"`
	StartsPerYear     int         `json:"startsPerYear"    jsonschema:"of the next 365 days"`
	LongestGapSeconds int64       `json:"longestGapSeconds"`
	SilentAfter       int         `json:"silentAfter"      jsonschema:"hours; 0 if it is not given"`
	LeastSilentAfter  int         `json:"leastSilentAfter" jsonschema:"hours; 0 of a job that runs once"`
	MonthlyPrice      float64     `json:"monthlyPrice"`
}

type planClock struct {
	Local string `json:"local" jsonschema:"what the clocks of the time zone show"`
	Kind  string `json:"kind"  jsonschema:"lost: no run; twice: one run, at the first"`
}

type planToken struct {
	Name                  string   `json:"name"`
	Jobs                  []string `json:"jobs"                  jsonschema:"without those that are disabled"`
	NotifiedWithinSeconds int64    `json:"notifiedWithinSeconds" jsonschema:"0 if no job of it runs repeatedly"`
	NotifiedBy            string   `json:"notifiedBy,omitempty"  jsonschema:"the job that finds it out"`
	WarnDays              int      `json:"warnDays"`
}

type planPrice struct {
	Currency string          `json:"currency"`
	Region   string          `json:"region"`
	AsOf     string          `json:"asOf"`
	Items    []planPriceItem `json:"items"`
	Total    float64         `json:"total"`
	Before   *float64        `json:"before,omitempty" jsonschema:"with --since: the total of the revision"`
}

type planPriceItem struct {
	What      string  `json:"what"`
	Quantity  float64 `json:"quantity"`
	UnitPrice float64 `json:"unitPrice"`
	Amount    float64 `json:"amount"`
}

type planChange struct {
	Change string          `json:"change" jsonschema:"added, removed or changed"`
	Kind   string          `json:"kind"   jsonschema:"job, token or resource"`
	Name   string          `json:"name"`
	Keys   []planKeyChange `json:"keys,omitempty"`
}

type planKeyChange struct {
	Key   string `json:"key"`
	Old   string `json:"old"`
	New   string `json:"new"`
	Means string `json:"means,omitempty"`
}

type planOptions struct {
	job, since, zone string
	exitCode         bool
}

func newPlanCommand(a *App) *cobra.Command {
	var o planOptions
	c := &cobra.Command{
		Use: "plan [<job>]", GroupID: writing,
		Short: "Show when jobs will run, what they cost, and how soon you are notified",
		Long: `Show what the template will do once it is deployed: the next runs of each job in
its time zone and in yours, runs that a clock change loses within a year,
the smallest SilentAfter, how long a dead token can go unnoticed, and the price
of a month with its arithmetic.

A dead token is found out by the next run of any of its jobs. The time given is
the longest: it dies right after a run, the next one starts as late as its
Window and its answer takes as long as its Timeout allows. Disabled jobs do not
count.

With --since it shows only what is different from the template of a revision of
git. With --exit-code as well, the exit code is 1 if there is a difference.`,
		Example: `  cronbearer plan
  cronbearer plan HourlySync --zone Asia/Tokyo
  # What does my branch change, and what will it cost?
  cronbearer plan --since main`,
		Args: func(_ *cobra.Command, given []string) error {
			if len(given) > 1 {
				return exit.Usagef("cronbearer plan accepts one job, and %d were given", len(given))
			}
			return nil
		},
		RunE: func(c *cobra.Command, given []string) error {
			o.job = strings.Join(given, "")
			return a.plan(c.Context(), o)
		},
	}
	flags := c.Flags()
	flags.StringVar(&o.since, "since", "", "show what is different from this `revision` of git")
	flags.StringVar(&o.zone, "zone", "", "your time `zone`, such as Asia/Tokyo (TZ)")
	flags.BoolVar(&o.exitCode, "exit-code", false, "with --since: exit with 1 if there is a difference")
	a.describes("plan", planDocument{})
	return c
}

func (a *App) plan(ctx context.Context, o planOptions) error {
	zone := a.IO.Zone
	if o.zone != "" {
		var err error
		if zone, err = time.LoadLocation(o.zone); err != nil || o.zone == "Local" {
			return exit.Usagef("--zone: %q is not an IANA time zone: write one such as Europe/London", o.zone)
		}
	}
	if o.exitCode && o.since == "" {
		return exit.Usagef("--exit-code needs --since")
	}
	after, region, err := a.readPlan()
	if err != nil {
		return err
	}
	if _, ok := after.Job(o.job); o.job != "" && !ok {
		return exit.Usagef("%s has no job %q", a.Template, o.job)
	}
	p := &planPrinter{io: a.IO, zone: zone, now: a.Now(), region: region, after: after, job: o.job}
	if o.since != "" {
		if p.before, err = a.planAt(ctx, o.since); err != nil {
			return err
		}
		p.changes = plan.Changes(p.before, after)
		p.changes = slices.DeleteFunc(p.changes, func(c plan.Change) bool {
			return o.job != "" && (c.Kind != "job" || c.Name != o.job)
		})
	}
	if err := p.print(); err != nil {
		return err
	}
	if o.exitCode && len(p.changes) > 0 {
		return exit.Silent(exit.No)
	}
	return nil
}

// readPlan reads the template of -t. One with mistakes is left to check, but for a SilentAfter that is too short: the
// plan shows that with its arithmetic.
func (a *App) readPlan() (p *plan.Plan, region string, err error) {
	data, err := a.ReadTemplate()
	if err != nil {
		return nil, "", err
	}
	stack, region, err := a.planStack()
	if err != nil {
		return nil, "", err
	}
	p, readErr := plan.Read(data, stack, a.Now())
	problems, err := lint.File{Path: a.Template, Env: a.Env, Options: lint.Options{Now: a.Now()}}.Check()
	if err != nil {
		return nil, "", unreadable(err)
	}
	mistakes := 0
	for _, problem := range problems {
		if problem.Severity == lint.Mistake && !(readErr == nil && short(p, problem)) {
			mistakes++
		}
	}
	if mistakes > 0 || readErr != nil {
		return nil, "", &exit.Error{
			Status: exit.No, Code: "InvalidTemplate", Err: readErr,
			Text: a.Template + " has " + view.Count(max(mistakes, 1), "mistake"), Fix: "cronbearer check lists them",
		}
	}
	return p, region, nil
}

func short(p *plan.Plan, problem lint.Problem) bool {
	j, ok := p.Job(strings.TrimPrefix(problem.Place, "Jobs."))
	return ok && problem.Key == "SilentAfter" && j.SilentAfter > 0 && j.Short()
}

func (a *App) planStack() (o cfn.Options, region string, err error) {
	saved, err := samconfig.Read(a.samconfigPath(), a.Env)
	if err != nil && !errors.Is(err, fs.ErrNotExist) {
		return o, "", &exit.Error{Status: exit.No, Code: "SamconfigUnreadable", Text: err.Error(), Err: err}
	}
	region, _ = saved.Values["region"].(string)
	return cfn.Options{StackName: saved.StackName(), Region: region, Parameters: saved.Parameters}, region, nil
}

func (a *App) planAt(ctx context.Context, revision string) (*plan.Plan, error) {
	data, err := plan.At(ctx, revision, a.Template)
	if err != nil {
		return nil, &exit.Error{
			Status: exit.Usage, Code: "NoSuchRevision", Text: "--since: " + err.Error(), Err: err,
		}
	}
	stack, _, err := a.planStack()
	if err != nil {
		return nil, err
	}
	p, err := plan.Read(bytes.TrimPrefix(data, []byte("\ufeff")), stack, a.Now())
	if err != nil {
		return nil, &exit.Error{
			Status: exit.No, Code: "InvalidTemplate", Err: err,
			Text: fmt.Sprintf("%s of %s has mistakes: %s", filepath.Base(a.Template), revision, lint.Concealed(err.Error())),
			Fix:  "compare with a revision that could be deployed",
		}
	}
	return p, nil
}

// planPrinter prints a plan.
type planPrinter struct {
	io            *view.IO
	zone          *time.Location
	now           time.Time
	region, job   string
	before, after *plan.Plan // before: of --since
	changes       []plan.Change
}

// blocks is the number of jobs up to which each is a block.
const blocks = 10

func (p *planPrinter) print() error {
	switch {
	case p.io.JSON:
		return p.io.WriteJSON(p.document())
	case p.before != nil:
		p.printChanges()
	case !p.io.OutTTY:
		p.printLines()
	default:
		p.printPlan()
	}
	return nil
}

func (p *planPrinter) selected() []plan.Job {
	if j, ok := p.after.Job(p.job); ok {
		return []plan.Job{j}
	}
	return p.after.Jobs
}

func (p *planPrinter) selectedTokens() []plan.Token {
	j, ok := p.after.Job(p.job)
	return slices.DeleteFunc(slices.Clone(p.after.Tokens), func(t plan.Token) bool { return ok && t.Name != j.Token })
}

func (p *planPrinter) document() planDocument {
	d := planDocument{
		Versioned: view.V1, Jobs: []planJob{}, Tokens: []planToken{},
		Price: planPrice{Currency: "USD", Region: pricing.Region, AsOf: pricing.AsOf, Total: pricing.Total(p.after.Bill())},
	}
	for _, j := range p.selected() {
		one := planJob{
			Name: j.Name, Token: j.Token, Schedule: j.Expression, Timezone: j.Timezone, Disabled: j.Disabled,
			Next: []string{}, Clocks: []planClock{}, StartsPerYear: j.StartsPerYear,
			LongestGapSeconds: int64(j.Gap / time.Second), SilentAfter: j.SilentAfter, LeastSilentAfter: j.Least,
			MonthlyPrice: j.Price(),
		}
		for _, at := range j.Next {
			one.Next = append(one.Next, at.UTC().Format(time.RFC3339))
		}
		for _, c := range j.Clocks {
			one.Clocks = append(one.Clocks, planClock{c.Local.Format("2006-01-02T15:04:05"), string(c.Kind)})
		}
		d.Jobs = append(d.Jobs, one)
	}
	for _, t := range p.selectedTokens() {
		d.Tokens = append(d.Tokens, planToken{
			t.Name, append([]string{}, t.Jobs...), int64(t.Within.Time / time.Second), t.Within.Job, t.WarnDays,
		})
	}
	for _, i := range p.after.Bill() {
		d.Price.Items = append(d.Price.Items, planPriceItem{i.Group + ": " + i.What, i.Quantity, i.Unit, i.Amount()})
	}
	if p.before != nil {
		before := pricing.Total(p.before.Bill())
		d.Price.Before = &before
	}
	for _, c := range p.changes {
		one := planChange{Change: signs[c.Sign], Kind: c.Kind, Name: c.Name}
		for _, k := range c.Keys {
			one.Keys = append(one.Keys, planKeyChange(k))
		}
		d.Changes = append(d.Changes, one)
	}
	return d
}

var signs = map[string]string{plan.Added: "added", plan.Removed: "removed", plan.Changed: "changed"}

// printLines prints a line a job, for programs.
func (p *planPrinter) printLines() {
	table := p.io.Table()
	for _, j := range p.selected() {
		next := ""
		if len(j.Next) > 0 {
			next = j.Next[0].UTC().Format(time.RFC3339)
		}
		table.Row(
			j.Name, j.Expression, j.Timezone, next, strconv.Itoa(j.StartsPerYear), strconv.Itoa(j.SilentAfter),
			strconv.Itoa(j.Least), j.Token, strconv.FormatFloat(j.Price(), 'f', 2, 64), //nolint:mnd // cents
		)
	}
	table.Print()
}

func (p *planPrinter) printPlan() {
	where := ""
	if p.region != "" {
		where = " in " + p.region
	}
	p.line(0, "%s%s: %s, %s. Now: %s (%s)", p.after.Stack, where, view.Count(len(p.after.Tokens), "token"),
		view.Count(len(p.after.Jobs), "job"), p.now.UTC().Format("Mon 2 Jan 2006 15:04 MST"),
		p.now.In(p.zone).Format("Mon 15:04 MST"))
	p.io.Println()
	if jobs := p.selected(); len(jobs) > blocks {
		p.printTable(jobs)
	} else {
		for _, j := range jobs {
			p.printJob(j)
		}
	}
	for _, t := range p.selectedTokens() {
		p.line(0, "%s", t.Name)
		p.line(2, "%s", within(t))
	}
	if p.job == "" {
		p.printPrice()
	}
}

// line prints a sentence, wrapped.
func (p *planPrinter) line(indent int, format string, arguments ...any) {
	p.io.Println(view.Wrap(fmt.Sprintf(format, arguments...), indent, p.io.TextWidth()))
}

func (p *planPrinter) printTable(jobs []plan.Job) {
	table := p.io.Table("JOB", "SCHEDULE", "NEXT", "MONTH")
	for _, j := range jobs {
		next := "once deployed"
		switch {
		case len(j.Next) > 0:
			layout := "Mon 2 Jan 15:04 MST"
			if p.far(j.Next[0]) {
				layout = "Mon 2 Jan 2006 15:04 MST"
			}
			next = j.Next[0].In(j.Zone).Format(layout)
		case j.Disabled:
			next = "disabled"
		case !j.Rate:
			next = "never"
		}
		warning := ""
		if j.Short() {
			warning = fmt.Sprintf(", SilentAfter must be %d", j.Least)
		}
		table.Row(j.Name, j.Expression, next, cents(j.Price())+warning)
	}
	table.Print()
	p.io.Println()
}

func (p *planPrinter) printJob(j plan.Job) {
	head := j.Name + "   " + j.Expression
	if !j.Rate {
		head += "  " + j.Timezone
	}
	p.io.Println(head)
	switch {
	case j.Disabled:
		p.line(2, "disabled: it does not run, and its Silent alarm notifies no one")
	case j.Rate && j.Start.IsZero():
		p.line(2, "as soon as it is deployed, then every %s from that moment", every(j.Interval))
	case len(j.Next) == 0:
		p.line(2, "it does not run again")
	}
	layout := "Mon _2 Jan 15:04"
	if n := len(j.Next); n > 0 && p.far(j.Next[n-1]) {
		layout = "Mon _2 Jan 2006 15:04"
	}
	for _, at := range j.Next {
		p.io.Printf("  %s  %s\n", at.In(j.Zone).Format(layout), both(at, j.Zone, p.zone))
	}
	if !j.End.IsZero() {
		p.line(2, "it ends %s", j.End.In(j.Zone).Format("Mon 2 Jan 2006 15:04 MST"))
	}
	for _, text := range clocks(j.Clocks) {
		p.line(2, "%s", text)
	}
	if text := silence(j); text != "" && !j.Disabled {
		p.line(2, "%s", text)
	}
	if j.Once {
		p.line(2, "one run; %s a month", cents(j.Price()))
	} else {
		p.line(2, "%s a month: %s", runs(j.Starts()), cents(j.Price()))
	}
	p.io.Println()
}

// far reports whether a time is so far ahead that its year is not clear.
func (p *planPrinter) far(at time.Time) bool { return at.After(p.now.AddDate(0, 11, 0)) }

// both is a time's zone and, where it differs, the time of the reader.
func both(at time.Time, zone, reader *time.Location) string {
	own, yours := at.In(zone), at.In(reader)
	_, a := own.Zone()
	_, b := yours.Zone()
	if a == b {
		return own.Format("MST")
	}
	layout := "15:04 MST"
	if own.YearDay() != yours.YearDay() {
		layout = "Mon 15:04 MST"
	}
	return fmt.Sprintf("%-5s  %s", own.Format("MST"), yours.Format(layout))
}

func every(d time.Duration) string {
	for _, u := range []struct {
		unit time.Duration
		name string
	}{{view.Day, "day"}, {time.Hour, "hour"}, {time.Minute, "minute"}} {
		if n := int(d / u.unit); d%u.unit == 0 && n == 1 {
			return u.name
		} else if d%u.unit == 0 {
			return view.Count(n, u.name)
		}
	}
	return d.String()
}

// clocks names the runs that clock changes touch, those of one change together.
func clocks(list []schedule.Clock) []string {
	var lines []string
	for len(list) > 0 {
		first, n := list[0], 1
		for n < len(list) && list[n].At.Equal(first.At) {
			n++
		}
		at := first.Local.Format("Mon 2 Jan 2006 15:04")
		if n > 1 {
			at += " to " + list[n-1].Local.Format("15:04")
		}
		switch {
		case n == 1 && first.Kind == schedule.Lost:
			lines = append(lines, at+" does not exist: no run then")
		case n == 1:
			lines = append(lines, at+" comes twice: one run, at the first")
		case first.Kind == schedule.Lost:
			lines = append(lines, fmt.Sprintf("%s does not exist: %d runs fewer", at, n))
		default:
			lines = append(lines, fmt.Sprintf("%s comes twice: %d runs, at the first", at, n))
		}
		list = list[n:]
	}
	return lines
}

// silence is the arithmetic of SilentAfter.
func silence(j plan.Job) string {
	sum := hours(j.Gap) + " between starts"
	if j.Window > 0 {
		sum += ", a Window of " + hours(j.Window)
	}
	sum += ", a run of " + hours(lint.LongestRun) + ", an hour"
	switch {
	case j.Once:
		return ""
	case !j.Watched:
		return "no one is notified if it stops running (Watch: ignore)"
	case j.Short():
		return fmt.Sprintf("SilentAfter must be %d, not %d: %s", j.Least, j.SilentAfter, sum)
	case j.SilentAfter == j.Least:
		return fmt.Sprintf("SilentAfter %d is the smallest: %s", j.Least, sum)
	}
	return fmt.Sprintf("SilentAfter %d; the smallest is %d: %s", j.SilentAfter, j.Least, sum)
}

// hours writes a length of time as SilentAfter counts it: "145 h", "144 h 5 min".
func hours(d time.Duration) string {
	if h, m := d/time.Hour, d%time.Hour/time.Minute; h == 0 {
		return fmt.Sprintf("%d min", m)
	} else if m > 0 {
		return fmt.Sprintf("%d h %d min", h, m)
	}
	return fmt.Sprintf("%d h", d/time.Hour)
}

func within(t plan.Token) string {
	text := view.Count(len(t.Jobs), "job")
	if len(t.Disabled) > 0 {
		text += fmt.Sprintf(", %d disabled", len(t.Disabled))
	}
	if w := t.Within; w.Time == 0 {
		text += ". No job runs repeatedly: if it dies, no one is notified"
	} else {
		text += fmt.Sprintf(". If it dies you are notified within %s, by %s: %s between starts",
			view.Exact(w.Time), w.Job, hours(w.Gap))
		if w.Window > 0 {
			text += ", a Window of " + hours(w.Window)
		}
		text += fmt.Sprintf(", an answer after at most %s, a minute of Scheduler, two of CloudWatch", w.Timeout)
	}
	return text + fmt.Sprintf(". Before it expires: %s ahead, if it says when", view.Count(t.WarnDays, "day"))
}

func runs(n float64) string {
	rounded := strconv.FormatFloat(math.Round(n*10)/10, 'f', -1, 64)
	if rounded == "1" {
		return "1 run"
	}
	return rounded + " runs"
}

// cents is an amount. What is not zero is not printed as zero.
func cents(v float64) string {
	if v > 0 && v < 0.005 {
		return "<$0.01"
	}
	return fmt.Sprintf("$%.2f", v)
}

func (p *planPrinter) printPrice() {
	bill := p.after.Bill()
	p.io.Println()
	p.line(0, "A month (730 h) at list prices of %s, %s, no free tiers", pricing.Region, pricing.AsOf)
	for _, group := range []string{"stack", "tokens", "jobs"} {
		var terms []string
		for _, i := range bill {
			if i.Group == group && i.Quantity > 0 {
				terms = append(terms, fmt.Sprintf("%.0f %s × %.2f", i.Quantity, noun(i), i.Unit))
			}
		}
		p.io.Printf("  %-7s %8s  %s\n", group, cents(pricing.Total(bill, group)), strings.Join(terms, " + "))
	}
	starts, total := 0.0, pricing.Total(bill, "runs")
	for _, j := range p.after.Jobs {
		starts += j.Starts()
	}
	arithmetic := "none"
	if starts > 0 {
		arithmetic = fmt.Sprintf("%s × %.7f, of %s each", runs(starts), total/starts, pricing.DefaultRun)
	}
	p.io.Printf("  %-7s %8s  %s\n", "runs", cents(total), arithmetic)
	p.io.Printf("  %-7s %8s\n", "total", cents(pricing.Total(bill)))
}

func noun(i pricing.Item) string {
	if i.Quantity == 1 {
		return strings.TrimSuffix(i.What, "s")
	}
	return i.What
}

func (p *planPrinter) printChanges() {
	if len(p.changes) == 0 {
		p.io.Notef("No changes.")
		return
	}
	if !p.io.OutTTY {
		p.printChangeLines()
		return
	}
	for _, c := range p.changes {
		p.printChange(c)
	}
	for _, t := range p.after.Tokens {
		for _, old := range p.before.Tokens {
			if old.Name == t.Name && old.Within.Time != t.Within.Time {
				p.line(0, "%s: if it dies you are notified %s; it was %s", t.Name, soon(t.Within), soon(old.Within))
			}
		}
	}
	before, after := pricing.Total(p.before.Bill()), pricing.Total(p.after.Bill())
	p.line(0, "%s. %s → %s a month", summary(p.changes), cents(before), cents(after))
}

func (p *planPrinter) printChangeLines() {
	table := p.io.Table()
	for _, c := range p.changes {
		if len(c.Keys) == 0 {
			table.Row(c.Sign, c.Kind, c.Name)
		}
		for _, k := range c.Keys {
			table.Row(c.Sign, c.Kind, c.Name, k.Key, k.Old, k.New)
		}
	}
	table.Print()
}

func (p *planPrinter) printChange(c plan.Change) {
	head := fmt.Sprintf("%s %s %s", c.Sign, c.Kind, c.Name)
	before, _ := p.before.Job(c.Name)
	after, _ := p.after.Job(c.Name)
	if c.Kind == "job" {
		switch difference := after.Price() - before.Price(); {
		case c.Sign == plan.Added:
			head += "   " + after.Expression + " " + after.Timezone + "   + " + cents(after.Price())
		case c.Sign == plan.Removed:
			head += "   - " + cents(before.Price())
		case difference >= 0.005: //nolint:mnd // half a cent
			head += "   + " + cents(difference)
		case difference <= -0.005: //nolint:mnd // half a cent
			head += "   - " + cents(-difference)
		}
	}
	p.io.Println(head)
	for _, k := range c.Keys {
		text := fmt.Sprintf("%s %s → %s", k.Key, k.Old, k.New)
		if k.Means != "" {
			text += ": " + k.Means
		}
		p.line(4, "%s", text)
	}
	if c.Kind != "job" || c.Sign == plan.Removed || c.Sign == plan.Changed && !timed(c) {
		return
	}
	for _, text := range clocks(after.Clocks) {
		p.line(4, "%s", text)
	}
	if after.Short() {
		p.line(4, "%s", silence(after))
	}
}

// timed reports whether a job starts, or is watched, in another way.
func timed(c plan.Change) bool {
	return slices.ContainsFunc(c.Keys, func(k plan.KeyChange) bool {
		return slices.Contains([]string{"Schedule", "Timezone", "SilentAfter", "Window", "State"}, k.Key)
	})
}

// soon is how long a dead token can go unnoticed, in a sentence.
func soon(w plan.Within) string {
	if w.Time == 0 {
		return "never, as no job of it runs repeatedly"
	}
	return "within " + view.Exact(w.Time)
}

// summary counts: "1 job to add; 1 job, 1 token to change".
func summary(changes []plan.Change) string {
	var parts []string
	for _, sign := range []struct{ sign, verb string }{
		{plan.Added, "to add"}, {plan.Removed, "to remove"}, {plan.Changed, "to change"},
	} {
		var counts []string
		for _, kind := range []string{"job", "token", "resource"} {
			n := 0
			for _, c := range changes {
				if c.Sign == sign.sign && c.Kind == kind {
					n++
				}
			}
			if n > 0 {
				counts = append(counts, view.Count(n, kind))
			}
		}
		if len(counts) > 0 {
			parts = append(parts, strings.Join(counts, ", ")+" "+sign.verb)
		}
	}
	return strings.Join(parts, "; ")
}
