package lint

import (
	"encoding/json"
	"fmt"
	"maps"
	"reflect"
	"slices"

	"github.com/cronbearer/cronbearer/internal/dev/cfn"
)

// Same compares what two templates come to: ours, and ours as someone else expanded it. It returns what differs.
func Same(template, expanded string, o cfn.Options) []string {
	ours, err := cfn.Load(template, o)
	if err != nil {
		return []string{err.Error()}
	}
	theirs, err := cfn.Load(expanded, o)
	if err != nil {
		return []string{err.Error()}
	}
	var differences []string
	add := func(where string, a, b any) {
		if !equal(a, b) {
			differences = append(differences, fmt.Sprintf("%s is %s here, and %s in %s", where, show(a), show(b), expanded))
		}
	}
	all := maps.Clone(ours.Resources)
	maps.Copy(all, theirs.Resources)
	for _, id := range slices.Sorted(maps.Keys(all)) {
		a, b := ours.Resources[id], theirs.Resources[id]
		add(id+" Type", a.Type, b.Type)
		add(id+" DeletionPolicy", a.DeletionPolicy, b.DeletionPolicy)
		add(id+" UpdateReplacePolicy", a.UpdateReplacePolicy, b.UpdateReplacePolicy)
		eachKey(id, a.Properties, b.Properties, add)
	}
	eachKey("Outputs", ours.Outputs, theirs.Outputs, add)
	return differences
}

func eachKey(where string, a, b map[string]any, f func(where string, a, b any)) {
	all := maps.Clone(a)
	if all == nil {
		all = map[string]any{}
	}
	maps.Copy(all, b)
	for _, key := range slices.Sorted(maps.Keys(all)) {
		f(where+" "+key, a[key], b[key])
	}
}

// equal compares resolved values; a number may be written as text.
func equal(a, b any) bool {
	switch a := a.(type) {
	case map[string]any:
		b, ok := b.(map[string]any)
		return ok && maps.EqualFunc(a, b, equal)
	case []any:
		b, ok := b.([]any)
		return ok && slices.EqualFunc(a, b, equal)
	}
	if reflect.DeepEqual(a, b) {
		return true
	}
	x, isNumber := cfn.Number(a)
	y, areNumbers := cfn.Number(b)
	return isNumber && areNumbers && x == y
}

func show(v any) string {
	if v == nil {
		return "not there"
	}
	text, err := json.Marshal(v)
	if err != nil {
		return fmt.Sprint(v)
	}
	return string(text)
}
