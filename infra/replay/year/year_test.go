package year_test

import (
	"testing"

	"github.com/cronbearer/cronbearer/infra/replay/year"
)

const template = "../../../template.yaml"

func TestSilences(t *testing.T) {
	t.Parallel()
	list, err := year.Silences(t.Context(), template)
	if err != nil {
		t.Fatal(err)
	}
	for _, s := range list {
		t.Log(s)
	}
}

func TestWeeks(t *testing.T) {
	t.Parallel()
	counts, err := year.Replay(t.Context(), year.Options{Template: template, Jobs: 200, Days: 60, Seed: 1})
	t.Log("\n" + counts.String())
	if err != nil {
		t.Error(err)
	}
}
