package plan

import (
	"fmt"
	"maps"
	"reflect"
	"slices"
	"strings"
	"time"

	"github.com/cronbearer/cronbearer/internal/dev/lint"
)

// The signs of changes.
const (
	Added   = "+"
	Removed = "-"
	Changed = "~"
)

// A Change is one job or token that another template has, does not have, or has with other values.
type Change struct {
	Sign string // +, - or ~
	Kind string // job, token or resource
	Name string
	Keys []KeyChange // of ~
}

// A KeyChange is a key of a job or token that has another value.
type KeyChange struct{ Key, Old, New, Means string }

// defaults are the values of keys that a row leaves out, as the template's comments have them.
var defaults = map[string]map[string]string{
	"Tokens": {"WarnDays": "7"},
	"Jobs": {
		"Timezone": "UTC", "State": "ENABLED", "Action": "call", "Timeout": "30s", "Attempts": "3", "Idempotent": "false",
		"Watch": "missing",
	},
}

// Changes returns what a plan has that an older one has not, and the other way round: added, removed, changed.
func Changes(before, after *Plan) []Change {
	var changes []Change
	for _, loop := range []string{"Jobs", "Tokens"} {
		kind := strings.ToLower(strings.TrimSuffix(loop, "s"))
		was, is := before.stack.Loop(loop), after.stack.Loop(loop)
		for _, name := range is {
			if !slices.Contains(was, name) {
				changes = append(changes, Change{Sign: Added, Kind: kind, Name: name})
			}
		}
		for _, name := range was {
			if !slices.Contains(is, name) {
				changes = append(changes, Change{Sign: Removed, Kind: kind, Name: name})
			}
		}
		for _, name := range is {
			if keys := rows(before, after, loop, name); slices.Contains(was, name) && len(keys) > 0 {
				changes = append(changes, Change{Sign: Changed, Kind: kind, Name: name, Keys: keys})
			}
		}
	}
	slices.SortStableFunc(changes, func(a, b Change) int {
		return strings.Index("+-~", a.Sign) - strings.Index("+-~", b.Sign)
	})
	return append(changes, resources(before, after)...)
}

func rows(before, after *Plan, loop, name string) []KeyChange {
	was, is := before.stack.Mappings[loop][name], after.stack.Mappings[loop][name]
	names := map[string]bool{}
	for key := range was {
		names[key] = true
	}
	for key := range is {
		names[key] = true
	}
	var keys []KeyChange
	for _, key := range slices.Sorted(maps.Keys(names)) {
		old, now := value(was, loop, key), value(is, loop, key)
		if old != now {
			keys = append(keys, KeyChange{key, shown(old), shown(now), means(loop, key, name, before, after)})
		}
	}
	return keys
}

func value(row map[string]any, loop, key string) string {
	if v, ok := row[key]; ok {
		return text(v)
	}
	return defaults[loop][key]
}

// shown is a value as it is printed: short, and without what looks like a token.
func shown(v string) string {
	const most = 60
	if v == "" {
		return "none"
	}
	v = strings.Join(strings.Fields(lint.Concealed(v)), " ")
	if runes := []rune(v); len(runes) > most {
		return string(runes[:most-1]) + "…"
	}
	return v
}

// meanings are what a change of a key means, where its values do not say it.
var meanings = map[string]string{
	"Tokens.Secret":   "its jobs read another secret",
	"Tokens.Key":      "another member of the secret is the token",
	"Tokens.Reject":   "other answers count as a dead token",
	"Tokens.Note":     "the text of its alarms",
	"Jobs.Call":       "another request is sent",
	"Jobs.Body":       "another request is sent",
	"Jobs.Headers":    "another request is sent",
	"Jobs.Action":     "the caller does something else",
	"Jobs.Token":      "it sends another token",
	"Jobs.Expect":     "other answers count as a success",
	"Jobs.Reject":     "other answers count as a dead token",
	"Jobs.Note":       "the text of its Silent alarm",
	"Jobs.Timeout":    "how long an attempt may take",
	"Jobs.Attempts":   "how often a run tries",
	"Jobs.Idempotent": "whether a call that may have arrived is repeated",
	"Jobs.MaxAge":     "a run that starts later than that is skipped",
	"Jobs.Window":     "how late a start may be, in minutes",
}

func means(loop, key, name string, before, after *Plan) string {
	was, is := before.stack.Mappings[loop][name], after.stack.Mappings[loop][name]
	old, now := value(was, loop, key), value(is, loop, key)
	switch key {
	case "WarnDays":
		return shift(days(number(old)-number(now)), "you are warned")
	case "SilentAfter":
		return shift(hours(number(now)-number(old)), "a silent job is reported")
	case "State":
		if now == "DISABLED" {
			return "it no longer runs, and its Silent alarm notifies no one"
		}
		return "it runs"
	case "Watch":
		if now == "ignore" {
			return "no one is notified if it stops running"
		}
		return "you are notified if it stops running"
	case "Schedule", "Timezone":
		return starts(name, before, after)
	}
	return meanings[loop+"."+key]
}

func days(n int) time.Duration  { return time.Duration(n) * 24 * time.Hour }
func hours(n int) time.Duration { return time.Duration(n) * time.Hour }

// shift says that something comes later, or earlier.
func shift(by time.Duration, what string) string {
	word, unit := " later", "hour"
	if by < 0 {
		by, word = -by, " earlier"
	}
	n := int(by / time.Hour)
	for _, u := range []struct {
		name  string
		hours int
	}{{"week", 7 * 24}, {"day", 24}} {
		if n%u.hours == 0 {
			n, unit = n/u.hours, u.name
			break
		}
	}
	if n == 1 {
		return what + map[string]string{"hour": " an hour", "day": " a day", "week": " a week"}[unit] + word
	}
	return fmt.Sprintf("%s %d %ss%s", what, n, unit, word)
}

func starts(name string, before, after *Plan) string {
	was, _ := before.Job(name)
	is, _ := after.Job(name)
	if was.StartsPerYear == is.StartsPerYear {
		return "it runs at other times, as often as before"
	}
	return fmt.Sprintf("%d runs a year become %d", was.StartsPerYear, is.StartsPerYear)
}

// resources are those that no row makes, and that are not as they were.
func resources(before, after *Plan) []Change {
	var changes []Change
	names := map[string]bool{}
	for _, p := range []*Plan{before, after} {
		for id := range p.stack.Resources {
			if loop, _, looped := p.stack.Origin(id); !looped || loop != "Jobs" && loop != "Tokens" {
				names[id] = true
			}
		}
	}
	for _, id := range slices.Sorted(maps.Keys(names)) {
		was, had := before.stack.Resources[id]
		is, has := after.stack.Resources[id]
		switch {
		case !had:
			changes = append(changes, Change{Sign: Added, Kind: "resource", Name: id})
		case !has:
			changes = append(changes, Change{Sign: Removed, Kind: "resource", Name: id})
		case !reflect.DeepEqual(was, is):
			changes = append(changes, Change{Sign: Changed, Kind: "resource", Name: id})
		}
	}
	return changes
}
