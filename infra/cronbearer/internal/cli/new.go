package cli

import (
	"context"
	"encoding/json"
	"slices"
	"strconv"
	"strings"
	"time"
	"unicode"

	"github.com/spf13/cobra"

	"github.com/cronbearer/cronbearer/infra/cronbearer/internal/edit"
	"github.com/cronbearer/cronbearer/infra/cronbearer/internal/exit"
	"github.com/cronbearer/cronbearer/infra/cronbearer/internal/plan"
	"github.com/cronbearer/cronbearer/internal/dev/lint"
	"github.com/cronbearer/cronbearer/internal/dev/pricing"
	"github.com/cronbearer/cronbearer/internal/dev/schedule"
)

func newNewCommand(a *App) *cobra.Command {
	return group("new <command>", writing, "Add a job or a token to the template",
		`Add a job or a token to the template: its keys, and its name in the list.
Comments and everything else stay as they are.`, newJobCommand(a), newTokenNewCommand(a))
}

// rowFlag is a flag for a key of a row.
type rowFlag struct{ flag, key, usage string }

// jobFlags are in the order in which the keys are written. SilentAfter comes last, with Watch.
func jobFlags() []rowFlag {
	return []rowFlag{
		{"schedule", "Schedule", "when it runs: `cron(…)`, rate(…) or at(…)"},
		{"timezone", "Timezone", "the time `zone` of the schedule, such as Europe/London (UTC)"},
		{"call", "Call", "the `call`, such as 'POST https://api.example.com/v1/reports'"},
		{"token", "Token", "the `name` of the token that it sends"},
		{"body", "Body", "the body: JSON, or plain `text`"},
		{"action", "Action", "`call`, or check to try the token without a call"},
		{"timeout", "Timeout", "of one attempt, such as `30s`"},
		{"attempts", "Attempts", "how often it is tried, a `number` from 1 to 10"},
		{"max-age", "MaxAge", "skip a run that starts later than this `time`, such as 2h"},
		{"expect", "Expect", "what an answer must be, as `JSON`"},
		{"reject", "Reject", "what also means that the token is dead, as `JSON`"},
		{"window", "Window", "spread the start over so many `minutes`"},
		{"state", "State", "ENABLED or `DISABLED`"},
		{"note", "Note", "a `text` for its alarm: whose it is, what to do"},
		{"silent-after", "SilentAfter", "`hours` without a run until the alarm (the fewest that are safe)"},
		{"watch", "Watch", "`ignore`: no alarm when it is silent"},
	}
}

type newJob struct {
	values     map[string]*string // by key
	headers    []string
	idempotent bool
	dry        bool
}

func newJobCommand(a *App) *cobra.Command {
	o := &newJob{values: map[string]*string{}}
	c := &cobra.Command{
		Use: "job <name>", Short: "Add a job to the template", Args: arguments("a name"),
		Long: `Add a job to the template: its keys below those of the last job, and its name in
the list of the loop. Values are quoted where YAML needs it. SilentAfter is the
smallest that never fires on a healthy job, unless you give one; a job that runs
too seldom for that gets Watch: ignore.

The result is checked first. With a mistake in it nothing is written, and the
exit code is 1. At a terminal, what is missing is asked for.

A token never goes here: the caller sends the secret of --token. What looks like
one is rejected in every flag.`,
		Example: `  cronbearer new job Sync --schedule 'rate(1 hour)' --token ExampleApi \
    --call 'GET https://api.example.com/v1/sync'
  # What would change?
  cronbearer new job Ping --schedule 'rate(5 minutes)' --token ExampleApi \
    --call 'GET https://api.example.com/' --dry-run`,
		RunE: func(c *cobra.Command, given []string) error { return a.newJob(c.Context(), given[0], o) },
	}
	for _, f := range jobFlags() {
		o.values[f.key] = c.Flags().String(f.flag, "", f.usage)
	}
	c.Flags().StringArrayVar(&o.headers, "header", nil, "a header as `'Name: value'`, repeatable")
	c.Flags().BoolVar(&o.idempotent, "idempotent", false, "a POST or PATCH may be sent twice: the target honors its key")
	dryRunFlag(c, &o.dry)
	_ = c.RegisterFlagCompletionFunc("token", func(*cobra.Command, []string, string) ([]string, cobra.ShellCompDirective) {
		return a.names(kindToken), cobra.ShellCompDirectiveNoFileComp
	})
	a.describes("new job", editDocument{})
	return c
}

func (a *App) newJob(ctx context.Context, name string, o *newJob) error {
	before, err := a.ReadTemplate()
	if err != nil {
		return err
	}
	if err := a.free(before, kindJob, name); err != nil {
		return err
	}
	if err := a.askForJob(ctx, o.values); err != nil {
		return err
	}
	keys, err := o.keys()
	if err != nil {
		return err
	}
	flag := func(key string) string {
		i := slices.IndexFunc(jobFlags(), func(f rowFlag) bool { return f.key == key })
		if i < 0 {
			return "--header"
		}
		return "--" + jobFlags()[i].flag
	}
	if err := noCredentials(keys, flag); err != nil {
		return err
	}
	row := edit.Row{Name: name, Keys: silent(keys)}
	after, err := edit.Add(before, edit.Jobs, row)
	if err != nil {
		return a.editError(err)
	}
	c := change{kind: kindJob, name: name, before: before, after: after, dry: o.dry, strict: true}
	if j, ok := a.planned(c); ok {
		c.notes = append(c.notes, firstRun(j)+" "+cents(j.Price())+" a month.", "Next: cronbearer plan "+name)
	}
	return a.write(c)
}

// free rejects a name that a row cannot have. A name may be a token that was pasted, and is not repeated then.
func (a *App) free(data []byte, kind, name string) error {
	if lint.Credential("Secret", name) != "" {
		return &exit.Error{
			Status: exit.No, Code: "CredentialInTemplate", Text: "that looks like a token, not like the name of a " + kind,
			Fix: "Give a name such as ExampleApi, and store the token itself with cronbearer token set.",
		}
	}
	if text, fix := lint.Name(mappingOf(kind), name); text != "" {
		return exit.Usagef("%q: %s; %s", name, text, fix)
	}
	if _, err := edit.Find(data, mappingOf(kind), name); err == nil {
		return &exit.Error{
			Status: exit.No, Code: "Exists", Text: a.Template + " has a " + kind + " " + name + " already",
			Fix: "change it with cronbearer set " + name + " Key=value",
		}
	}
	return nil
}

// askForJob asks for what every job needs, and for the time zone if it asks at all.
func (a *App) askForJob(ctx context.Context, values map[string]*string) error {
	asked := false
	ask := func(key, question, flag, fallback string) error {
		if *values[key] != "" {
			return nil
		}
		answer, err := a.IO.Ask(ctx, question, flag)
		if err != nil {
			return err
		}
		asked = true
		if *values[key] = answer; answer == "" {
			*values[key] = fallback
		}
		if *values[key] == "" {
			return &exit.Error{Status: exit.Declined, Code: "NoAnswer", Text: "no answer, so nothing was written"}
		}
		return nil
	}
	if err := ask("Schedule", "Schedule, such as cron(0 9 ? * MON-FRI *) or rate(1 hour)", "--schedule", ""); err != nil {
		return err
	}
	if asked && !strings.HasPrefix(*values["Schedule"], "rate") {
		if err := ask("Timezone", "Time zone, such as Europe/London [UTC]", "--timezone", "UTC"); err != nil {
			return err
		}
	}
	if err := ask("Call", "Call, such as POST https://api.example.com/v1/reports", "--call", ""); err != nil {
		return err
	}
	tokens, fallback := a.names(kindToken), ""
	question := "Token, one of " + strings.Join(tokens, ", ")
	if len(tokens) == 1 {
		question, fallback = "Token ["+tokens[0]+"]", tokens[0]
	}
	return ask("Token", question, "--token", fallback)
}

// keys returns the keys that were given, in the order in which they are written.
func (o *newJob) keys() ([]edit.Key, error) {
	headers, err := headersJSON(o.headers)
	if err != nil {
		return nil, err
	}
	var keys []edit.Key
	for _, f := range jobFlags() {
		value := *o.values[f.key]
		switch {
		case f.key == "Body":
			keys = append(keys, edit.Key{Name: "Headers", Value: headers}, edit.Key{Name: "Body", Value: bodyJSON(value)})
		case f.key == "MaxAge" && o.idempotent:
			keys = append(keys, edit.Key{Name: "Idempotent", Value: "true"}, edit.Key{Name: f.key, Value: value})
		case f.key == "Timezone" && value == "UTC":
		default:
			keys = append(keys, edit.Key{Name: f.key, Value: value})
		}
	}
	return slices.DeleteFunc(keys, func(k edit.Key) bool { return k.Value == "" }), nil
}

// headersJSON is the JSON object of headers that are given as 'Name: value'.
func headersJSON(given []string) (string, error) {
	seen := map[string]bool{}
	var members []string
	for _, h := range given {
		name, value, ok := strings.Cut(h, ":")
		name, value = strings.TrimSpace(name), strings.TrimSpace(value)
		switch {
		case !ok || name == "":
			return "", exit.Usagef("--header must be 'Name: value'")
		case seen[strings.ToLower(name)]:
			return "", exit.Usagef("--header: a name is given twice")
		}
		seen[strings.ToLower(name)] = true
		members = append(members, jsonText(name)+":"+jsonText(value))
	}
	if len(members) == 0 {
		return "", nil
	}
	return "{" + strings.Join(members, ",") + "}", nil
}

// bodyJSON is a body as the template takes it: plain text is a JSON string. What begins as JSON is left to check.
func bodyJSON(value string) string {
	if value == "" || json.Valid([]byte(value)) || strings.ContainsAny(value[:1], `{["`) {
		return value
	}
	return jsonText(value)
}

func jsonText(value string) string {
	var b strings.Builder
	encoder := json.NewEncoder(&b)
	encoder.SetEscapeHTML(false)
	_ = encoder.Encode(value) // a string always has its JSON
	return strings.TrimSuffix(b.String(), "\n")
}

// silent adds the smallest SilentAfter if none is given, and Watch: ignore if there is none. Of a schedule that cannot
// be read check says what is wrong with it.
func silent(keys []edit.Key) []edit.Key {
	row := edit.Row{Keys: keys}
	if row.Has("SilentAfter") {
		return keys
	}
	hours, watch, ok := fewest(row)
	if !ok {
		return append(keys, edit.Key{Name: "SilentAfter", Value: "1"})
	}
	keys = append(keys, edit.Key{Name: "SilentAfter", Value: strconv.Itoa(hours)})
	if !watch && !row.Has("Watch") {
		keys = append(keys, edit.Key{Name: "Watch", Value: "ignore"})
	}
	return keys
}

// fewest computes the smallest SilentAfter of a row.
func fewest(row edit.Row) (hours int, watch, ok bool) {
	zone := row.Get("Timezone")
	if zone == "" {
		zone = "UTC"
	}
	s, err := schedule.Parse(row.Get("Schedule"), zone)
	if err != nil {
		return 0, false, false
	}
	minutes, _ := strconv.Atoi(row.Get("Window"))
	hours, watch = lint.Silence(s, time.Duration(minutes)*time.Minute)
	return hours, watch, true
}

// firstRun says when a job starts for the first time.
func firstRun(j plan.Job) string {
	switch {
	case j.Disabled:
		return "Disabled: it does not run."
	case j.Rate && len(j.Next) == 0:
		return "Runs as soon as it is deployed, then every " + every(j.Interval) + "."
	case len(j.Next) == 0:
		return "It never runs."
	}
	return "Runs first " + j.Next[0].In(j.Zone).Format("Mon 2 Jan 15:04 MST") + "."
}

// tokenFlags are in the order in which the keys are written.
func tokenFlags() []rowFlag {
	return []rowFlag{
		{"secret", "Secret", "the `name` of the secret below <stack>/, or the ARN of one (from the token's name)"},
		{"key", "Key", "which member of a JSON secret is the token: a `name`, or a JSON pointer"},
		{"warn-days", "WarnDays", "`days` before its expiry from which the alarm warns (7)"},
		{"reject", "Reject", "what also means that it is dead, as `JSON`"},
		{"note", "Note", "a `text` for its alarms: whose it is and how it is renewed"},
	}
}

func newTokenNewCommand(a *App) *cobra.Command {
	values, dry := map[string]*string{}, false
	c := &cobra.Command{
		Use: "token <name>", Short: "Add a token to the template", Args: arguments("a name"),
		Long: `Add a token to the template: the name of its secret, and its own in the list of
the loop. The token itself is never in the template: cronbearer token set stores
it.

The result is checked first. With a mistake in it nothing is written, and the
exit code is 1.

To which hosts a token may go is not said here: AllowedHosts says it for all of
them, and the member hosts of a secret for its own.`,
		Example: `  cronbearer new token BillingApi
  cronbearer new token BillingApi --secret billing --note 'Renewed by finance'`,
		RunE: func(_ *cobra.Command, given []string) error { return a.newToken(given[0], values, dry) },
	}
	for _, f := range tokenFlags() {
		values[f.key] = c.Flags().String(f.flag, "", f.usage)
	}
	dryRunFlag(c, &dry)
	a.describes("new token", editDocument{})
	return c
}

func (a *App) newToken(name string, values map[string]*string, dry bool) error {
	before, err := a.ReadTemplate()
	if err != nil {
		return err
	}
	if err := a.free(before, kindToken, name); err != nil {
		return err
	}
	row := edit.Row{Name: name}
	for _, f := range tokenFlags() {
		value := *values[f.key]
		if f.key == "Secret" && value == "" {
			value = dashed(name)
		}
		if value != "" {
			row.Keys = append(row.Keys, edit.Key{Name: f.key, Value: value})
		}
	}
	flag := func(key string) string {
		return "--" + tokenFlags()[slices.IndexFunc(tokenFlags(), func(f rowFlag) bool { return f.key == key })].flag
	}
	if err := noCredentials(row.Keys, flag); err != nil {
		return err
	}
	after, err := edit.Add(before, edit.Tokens, row)
	if err != nil {
		return a.editError(err)
	}
	bill := pricing.Bill(pricing.Stack{Tokens: []pricing.Token{{Expires: true}}})
	return a.write(change{
		kind: kindToken, name: name, before: before, after: after, dry: dry, strict: true,
		notes: []string{cents(pricing.Total(bill, "tokens")) + " a month.", "Next: cronbearer token set " + name},
	})
}

// dashed is the usual name of a token's secret: billing-api for BillingApi.
func dashed(name string) string {
	var b strings.Builder
	runes := []rune(name)
	for i, r := range runes {
		lowerNext := i+1 < len(runes) && unicode.IsLower(runes[i+1])
		if i > 0 && unicode.IsUpper(r) && (!unicode.IsUpper(runes[i-1]) || lowerNext) {
			b.WriteByte('-')
		}
		b.WriteRune(unicode.ToLower(r))
	}
	return b.String()
}
