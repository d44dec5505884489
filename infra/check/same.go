package check

import (
	"maps"
	"slices"

	"github.com/cronbearer/cronbearer/infra/cfn"
)

// Same compares what two templates come to: ours, and ours as somebody else
// expanded it. It returns what differs.
func Same(template, expanded string, o cfn.Options) []string {
	ours, err := cfn.Load(template, o)
	if err != nil {
		return []string{err.Error()}
	}
	theirs, err := cfn.Load(expanded, o)
	if err != nil {
		return []string{err.Error()}
	}
	c := &checker{}
	all := maps.Clone(ours.Resources)
	maps.Copy(all, theirs.Resources)
	for _, id := range slices.Sorted(maps.Keys(all)) {
		a, b := ours.Resources[id], theirs.Resources[id]
		if a.Type != b.Type || a.DeletionPolicy != b.DeletionPolicy || a.UpdateReplacePolicy != b.UpdateReplacePolicy {
			c.add(id, "is %s here, and %s in %s", show(a), show(b), expanded)
			continue
		}
		c.same(id, a.Properties, b.Properties)
	}
	c.same("Outputs", ours.Outputs, theirs.Outputs)
	return c.problems
}
