package cli

import (
	"fmt"
	"slices"
	"strconv"
	"strings"

	"github.com/spf13/cobra"

	"github.com/cronbearer/cronbearer/infra/cronbearer/internal/edit"
	"github.com/cronbearer/cronbearer/infra/cronbearer/internal/exit"
	"github.com/cronbearer/cronbearer/infra/cronbearer/internal/view"
	"github.com/cronbearer/cronbearer/internal/dev/lint"
)

type setOptions struct {
	kind string
	dry  bool
}

func newSetCommand(a *App) *cobra.Command {
	var o setOptions
	c := &cobra.Command{
		Use: "set <job|token> <Key=value>...", Short: "Change keys of a job or a token in the template", GroupID: writing,
		Long: `Change keys of a job or a token in the template, add keys that it does not have,
and remove those that are given without a value (Key=). The keys are those of
docs/configuration.md. Comments and everything else stay as they are.

If a new Schedule, Timezone or Window makes SilentAfter too short, it is raised.

The result is checked first. If the change makes a mistake, nothing is written,
and the exit code is 1.`,
		Example: `  cronbearer set HourlySync 'Schedule=rate(2 hours)'
  cronbearer set DailyReport Timeout=2m Attempts=5 Body=
  cronbearer set ExampleApi WarnDays=30 --dry-run`,
		Args: func(_ *cobra.Command, given []string) error {
			if len(given) < 2 { //nolint:mnd // a name and a key
				return exit.Usagef("cronbearer set needs the name of a job or a token, and Key=value")
			}
			return nil
		},
		RunE: func(_ *cobra.Command, given []string) error { return a.set(given[0], given[1:], o) },
		ValidArgsFunction: func(_ *cobra.Command, given []string, _ string) ([]string, cobra.ShellCompDirective) {
			return a.completeSet(given)
		},
	}
	c.Flags().StringVar(&o.kind, "kind", "", "`job` or token, where both have the name")
	dryRunFlag(c, &o.dry)
	a.describes("set", editDocument{})
	return c
}

func (a *App) completeSet(given []string) ([]string, cobra.ShellCompDirective) {
	if len(given) == 0 {
		return a.names(kindJob, kindToken), cobra.ShellCompDirectiveNoFileComp
	}
	kind := kindToken
	if slices.Contains(a.names(kindJob), given[0]) {
		kind = kindJob
	}
	var keys []string
	for _, k := range lint.Keys(mappingOf(kind)) {
		keys = append(keys, k.Name+"=")
	}
	return keys, cobra.ShellCompDirectiveNoFileComp | cobra.ShellCompDirectiveNoSpace
}

func (a *App) set(name string, pairs []string, o setOptions) error {
	before, err := a.ReadTemplate()
	if err != nil {
		return err
	}
	kind, row, err := a.find(before, name, o.kind)
	if err != nil {
		return err
	}
	var keys []edit.Key
	for _, p := range pairs {
		key, value, ok := strings.Cut(p, "=")
		if !ok || key == "" {
			return exit.Usagef("cronbearer set %s: each change is Key=value, or Key= to remove a key", name)
		}
		if key == "Body" {
			value = bodyJSON(value)
		}
		keys = append(keys, edit.Key{Name: key, Value: value})
	}
	if err := noCredentials(keys, func(key string) string { return key }); err != nil {
		return err
	}
	var notes []string
	if kind == kindJob {
		keys, notes = raised(row, keys)
	}
	after, err := edit.Set(before, mappingOf(kind), name, keys)
	if err != nil {
		return a.editError(err)
	}
	c := change{kind: kind, name: name, before: before, after: after, dry: o.dry, notes: notes}
	if j, ok := a.planned(c); ok {
		c.notes = append(c.notes, "Next: cronbearer plan "+j.Name)
	}
	return a.write(c)
}

// raised adds a SilentAfter to changes of when a job runs, if the one that it has would be too short.
func raised(row edit.Row, keys []edit.Key) ([]edit.Key, []string) {
	now, given := edit.Row{Keys: slices.Clone(row.Keys)}, edit.Row{Keys: keys}
	for _, k := range keys {
		now.Keys = append(slices.DeleteFunc(now.Keys, func(old edit.Key) bool { return old.Name == k.Name }), k)
	}
	moved := given.Has("Schedule") || given.Has("Timezone") || given.Has("Window")
	if !moved || given.Has("SilentAfter") || now.Get("Watch") == "ignore" {
		return keys, nil
	}
	hours, watch, ok := fewest(now)
	was, err := strconv.Atoi(now.Get("SilentAfter"))
	switch {
	case !ok || err != nil:
		return keys, nil
	case !watch:
		return append(slices.Clone(keys), edit.Key{Name: "Watch", Value: "ignore"}),
			[]string{"Watch is ignore: the job runs too seldom for its Silent alarm."}
	case hours <= was:
		return keys, nil
	}
	return append(slices.Clone(keys), edit.Key{Name: "SilentAfter", Value: strconv.Itoa(hours)}),
		[]string{fmt.Sprintf("SilentAfter is %d instead of %d, the smallest that never fires on a healthy job.", hours, was)}
}

// find returns the row of a name, and of which kind it is.
func (a *App) find(data []byte, name, kind string) (string, edit.Row, error) {
	var found []string
	var row edit.Row
	for _, k := range []string{kindJob, kindToken} {
		if kind != "" && k != kind {
			continue
		}
		if r, err := edit.Find(data, mappingOf(k), name); err == nil {
			found, row = append(found, k), r
		}
	}
	switch {
	case kind != "" && kind != kindJob && kind != kindToken:
		return "", row, exit.Usagef("--kind is job or token")
	case len(found) > 1:
		return "", row, exit.Usagef("there is a job and a token %s: give --kind job or --kind token", name)
	case len(found) == 1:
		return found[0], row, nil
	}
	what := kind
	if what == "" {
		what = "job or token"
	}
	// What has the form of no template is an error of its own.
	if _, err := edit.Rows(data, edit.Jobs); err != nil {
		return "", row, a.editError(err)
	}
	return "", row, &exit.Error{
		Status: exit.No, Code: "NotFound", Text: a.Template + " has no " + what + " " + lint.Concealed(name),
		Fix: "it has " + strings.Join(a.names(kindJob, kindToken), ", "),
	}
}

func newRemoveCommand(a *App) *cobra.Command {
	remove := func(kind, long, example string) *cobra.Command {
		dry := false
		c := &cobra.Command{
			Use: kind + " <name>", Short: "Remove a " + kind + " from the template", Args: arguments("a name"),
			Long: long, Example: example,
			RunE: func(_ *cobra.Command, given []string) error { return a.remove(kind, given[0], dry) },
			ValidArgsFunction: func(_ *cobra.Command, given []string, _ string) ([]string, cobra.ShellCompDirective) {
				if len(given) > 0 {
					return nil, cobra.ShellCompDirectiveNoFileComp
				}
				return a.names(kind), cobra.ShellCompDirectiveNoFileComp
			},
		}
		dryRunFlag(c, &dry)
		a.describes("remove "+kind, editDocument{})
		return c
	}
	const stays = `and its name in the list of the loop. Comments above it stay. AWS has it until
the next deployment.`
	return group("remove <command>", writing, "Remove a job or a token from the template",
		`Remove a job or a token from the template. Everything else stays as it is.`,
		remove(kindJob, "Remove a job from the template: its keys with the comments among them,\n"+stays,
			"  cronbearer remove job HourlySync"),
		remove(kindToken, "Remove a token from the template: its keys with the comments among them,\n"+stays+
			"\n\nA token that jobs still use is not removed. Its secret stays in any case.",
			"  cronbearer remove token BillingApi --dry-run"))
}

func (a *App) remove(kind, name string, dry bool) error {
	before, err := a.ReadTemplate()
	if err != nil {
		return err
	}
	_, row, err := a.find(before, name, kind)
	if err != nil {
		return err
	}
	note := "Its schedule and its alarm are deleted with the next deployment."
	if kind == kindToken {
		if err := a.unused(before, name); err != nil {
			return err
		}
		note = "Its alarms are deleted with the next deployment. The secret " + row.Get("Secret") + " stays."
	}
	after, err := edit.Remove(before, mappingOf(kind), name)
	if err != nil {
		return a.editError(err)
	}
	return a.write(change{kind: kind, name: name, before: before, after: after, dry: dry, notes: []string{note}})
}

// unused rejects the removal of a token that jobs use.
func (a *App) unused(data []byte, token string) error {
	rows, err := edit.Rows(data, edit.Jobs)
	if err != nil {
		return a.editError(err)
	}
	var users []string
	for _, r := range rows {
		if r.Get("Token") == token {
			users = append(users, r.Name)
		}
	}
	if len(users) == 0 {
		return nil
	}
	return &exit.Error{
		Status: exit.No, Code: "TokenInUse",
		Text: fmt.Sprintf("%s is used by %s: %s", token, view.Count(len(users), "job"), strings.Join(users, ", ")),
		Fix:  "remove them first, or give them another token with cronbearer set " + users[0] + " Token=…",
	}
}
