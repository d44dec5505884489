package year_test

import (
	"os"
	"path/filepath"
	"strings"
	"testing"
	"time"

	"github.com/cronbearer/cronbearer/infra/replay/year"
)

const template = "../../shipped/template.yaml"

// TestSilences: a silence is one mail and its end is another, at whatever pace the job runs and however its alarm goes to
// and fro between ALARM and INSUFFICIENT_DATA; and the first comes in time.
func TestSilences(t *testing.T) {
	t.Parallel()
	list, err := year.Silences(t.Context(), template)
	if err != nil {
		t.Fatal(err)
	}
	most := 0
	for _, s := range list {
		if s.Mails != 2 || s.Actions < 1 {
			t.Errorf("%s", s)
		}
		// The alarm looks at two periods more than SilentAfter.
		if s.First <= 0 || s.First > time.Duration(s.SilentAfter+2)*time.Hour+2*time.Minute {
			t.Errorf("late: %s", s)
		}
		most = max(most, s.Actions)
	}
	// The day on which it no longer goes to and fro, the filter and the rule can go.
	if most < 100 {
		t.Errorf("no alarm goes to and fro any more: %d messages at most", most)
	}
}

// TestMonth is the year in small; `make replay` is the whole.
func TestMonth(t *testing.T) {
	t.Parallel()
	options := year.Options{Template: template, Jobs: 60, Days: 30, Seed: 7}
	counts, err := year.Replay(t.Context(), options)
	if err != nil {
		t.Errorf("%v\n%s", err, counts.String())
	}
	if counts.Episodes == 0 || counts.Mails["TokenRejected ALARM"] == 0 || counts.Mails["TokenExpiring ALARM"] == 0 || counts.Late == 0 || counts.Duplicates == 0 {
		t.Errorf("too little happened to prove anything:\n%s", counts.String())
	}
}

// TestSameSeedSameYear: what a count says can be looked into.
func TestSameSeedSameYear(t *testing.T) {
	t.Parallel()
	var pages [2]string
	for i := range pages {
		counts, err := year.Replay(t.Context(), year.Options{Template: template, Jobs: 30, Days: 6, Seed: 3})
		if err != nil {
			t.Fatal(err)
		}
		pages[i] = counts.String()
	}
	if pages[0] != pages[1] {
		t.Errorf("%s\n%s", pages[0], pages[1])
	}
}

// mistaken writes the template with a mistake in it.
func mistaken(t *testing.T, text, instead string) string {
	t.Helper()
	data, err := os.ReadFile(template)
	if err != nil {
		t.Fatal(err)
	}
	if !strings.Contains(string(data), text) {
		t.Fatalf("the template no longer holds %q", text)
	}
	path := filepath.Join(t.TempDir(), "template.yaml")
	if err := os.WriteFile(path, []byte(strings.Replace(string(data), text, instead, 1)), 0o600); err != nil {
		t.Fatal(err)
	}
	return path
}

// TestMistakesAreSeen: what the replays check, they can see.
func TestMistakesAreSeen(t *testing.T) {
	t.Parallel()
	t.Run("an alarm that forgets", func(t *testing.T) {
		t.Parallel()
		path := mistaken(t, "TreatMissingData: ignore", "TreatMissingData: notBreaching")
		counts, err := year.Replay(t.Context(), year.Options{Template: path, Jobs: 60, Days: 12, Seed: 7})
		if err == nil || counts.FalseOK == 0 || counts.Flaps == 0 {
			t.Errorf("%v\n%s", err, counts.String())
		}
	})
	t.Run("an alarm that wants two minutes", func(t *testing.T) {
		t.Parallel()
		path := mistaken(t, "          EvaluationPeriods: 1\n          DatapointsToAlarm: 1\n", "          EvaluationPeriods: 2\n          DatapointsToAlarm: 2\n")
		counts, err := year.Replay(t.Context(), year.Options{Template: path, Jobs: 60, Days: 12, Seed: 7})
		if err == nil || counts.Missed == 0 {
			t.Errorf("%v\n%s", err, counts.String())
		}
	})
	t.Run("a mail of every change", func(t *testing.T) {
		t.Parallel()
		path := mistaken(t, "          - NewStateValue: [ALARM]\n            AlarmName: [{ anything-but: { prefix: !Sub '${AWS::StackName}-Silent-' } }]\n", "          - NewStateValue: [ALARM, INSUFFICIENT_DATA]\n")
		list, err := year.Silences(t.Context(), path)
		if err != nil {
			t.Fatal(err)
		}
		most := 0
		for _, s := range list {
			most = max(most, s.Mails)
		}
		if most < 100 {
			t.Errorf("%d mails at most", most)
		}
	})
}
