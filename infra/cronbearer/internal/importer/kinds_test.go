package importer_test

import (
	"errors"
	"flag"
	"fmt"
	"os"
	"path/filepath"
	"strings"
	"testing"

	"github.com/google/go-cmp/cmp"

	"github.com/cronbearer/cronbearer/infra/cronbearer/internal/importer"
)

var update = flag.Bool("update", false, "rewrite testdata/*.golden")

// TestKindsBecomeJobs holds an example of each kind against its golden file.
func TestKindsBecomeJobs(t *testing.T) {
	t.Parallel()
	for kind, file := range map[string]string{
		"github": "workflow.yml", "k8s": "cronjobs.yaml", "cronjob-org": "cronjob-org.json", "gcp": "gcloud.json",
		"eventbridge": "eventbridge.json",
	} {
		t.Run(kind, func(t *testing.T) {
			t.Parallel()
			data, err := os.ReadFile(filepath.Join("testdata", file))
			if err != nil {
				t.Fatal(err)
			}
			result, err := importer.Import(kind, data, importer.Options{Now: now})
			if err != nil {
				t.Fatal(err)
			}
			got, golden := describe(result), filepath.Join("testdata", kind+".golden")
			if *update {
				if err := os.WriteFile(golden, []byte(got), 0o600); err != nil {
					t.Fatal(err)
				}
			}
			want, err := os.ReadFile(golden)
			if err != nil {
				t.Fatal(err)
			}
			if diff := cmp.Diff(string(want), got); diff != "" {
				t.Error(diff)
			}
			if strings.Contains(got, "plain-text") {
				t.Error("a token of the source is in the result")
			}
		})
	}
}

func describe(r *importer.Result) string {
	var b strings.Builder
	for _, e := range r.Entries {
		fmt.Fprintf(&b, "line %d: %s\n", e.Line, e.Source)
		for _, j := range e.Jobs {
			fmt.Fprintf(&b, "  %+v\n", j)
		}
		if e.Reason != "" {
			fmt.Fprintf(&b, "  not taken over: %s\n", e.Reason)
		}
		for _, n := range e.Notes {
			fmt.Fprintf(&b, "  note: %s\n", n)
		}
		if e.Starts != nil {
			fmt.Fprintf(&b, "  old: %s\n  new: %s\n  agree: %t, clocks: %d\n", e.Starts.Old, e.Starts.New, e.Starts.Agree,
				len(e.Starts.Clocks))
		}
	}
	for _, t := range r.Tokens {
		fmt.Fprintf(&b, "token %+v\n", t)
	}
	fmt.Fprintf(&b, "hosts %v\nplain text %v\nnotes %v\n", r.Hosts, r.PlainText, r.Notes)
	return b.String()
}

func TestWhatIsNoSourceOfItsKindIsAnError(t *testing.T) {
	t.Parallel()
	for kind, texts := range map[string][]string{
		"github":      {"a: [", "name: x\n", "- 1\n"},
		"k8s":         {"a: [", "kind: Pod\n"},
		"cronjob-org": {"{", "{}", "[1]", "nonsense"},
		"gcp":         {"{", "[{}]", "[1]", "nonsense"},
		"eventbridge": {"", "{", "{}", "[1]", "nonsense", `{"Targets":[]}`},
		"nonsense":    {""},
	} {
		for _, text := range texts {
			_, err := importer.Import(kind, []byte(text), importer.Options{Now: now})
			if _, ok := errors.AsType[*importer.SourceError](err); !ok {
				t.Errorf("%s, %q: %v", kind, text, err)
			}
		}
	}
}

// TestTokenOfTheTemplateIsUsedAgain: a variable that names a token of the template is that token, and names of jobs
// that the template has are not taken twice.
func TestTokenOfTheTemplateIsUsedAgain(t *testing.T) {
	t.Parallel()
	e, result := one(t, "", `curl --oauth2-bearer "$EXAMPLE_API" https://api.example.com/v1/sync`,
		importer.Options{Tokens: []string{"ExampleApi"}, Jobs: []string{"Sync"}})
	if len(e.Jobs) != 1 || e.Jobs[0].Token != "ExampleApi" || e.Jobs[0].Name != "Sync2" || len(result.Tokens) != 0 {
		t.Errorf("%+v, %+v", e, result.Tokens)
	}
}

// TestUserColumnIsThatOfTheWholeFile: a program that runs curl is not a user where another line has a command in its
// place.
func TestUserColumnIsThatOfTheWholeFile(t *testing.T) {
	t.Parallel()
	const call = `curl --oauth2-bearer "$T" https://api.example.com/v1/sync`
	for text, reasons := range map[string][]string{
		"0 0 * * * root " + call + "\n@daily www-data cd / && " + call + "\n": {"", ""},
		"0 0 * * * torsocks " + call + "\n0 0 * * * " + call + "\n":           {"it runs torsocks", ""},
		"0 0 * * * root " + call + "\n0 0 * * * root run-parts /etc\n":        {"", "it runs run-parts"},
	} {
		result, err := importer.Import("crontab", []byte(text), importer.Options{Now: now})
		if err != nil {
			t.Fatal(err)
		}
		var got []string
		for _, e := range result.Entries {
			reason, _, _ := strings.Cut(e.Reason, ":")
			got = append(got, reason)
		}
		if diff := cmp.Diff(reasons, got); diff != "" {
			t.Errorf("%s: %s", text, diff)
		}
	}
}

// TestDatesFollowTheZones: the date of a command is UTC's, or that of the job's zone, or cannot be written.
func TestDatesFollowTheZones(t *testing.T) {
	t.Parallel()
	const command = `curl --oauth2-bearer $TOKEN "https://api.example.com/v1/sync?for=$(date +\%F)"`
	for before, want := range map[string]string{
		"":                                       "?for={{scheduledDate}}",
		"CRON_TZ=Europe/London\n":                "?for={{localDate}}",
		"CRON_TZ=Europe/London\nTZ=UTC\n":        "?for={{scheduledDate}}",
		"CRON_TZ=Asia/Tokyo\nTZ=Asia/Tokyo\n":    "?for={{localDate}}",
		"CRON_TZ=Asia/Tokyo\nTZ=Europe/London\n": "the URL has the date in Europe/London, which is neither UTC nor the zone",
		"CRON_TZ=Nowhere\n":                      "its time zone:",
	} {
		e, _ := one(t, before, command, importer.Options{})
		got := e.Reason
		if len(e.Jobs) == 1 {
			_, query, _ := strings.Cut(e.Jobs[0].Call, "?")
			got = "?" + query
		}
		if !strings.HasPrefix(got, want) {
			t.Errorf("%q: %s", before, got)
		}
	}
}

// TestScheduleThatAWSCannotHoldIsNotTakenOver has the schedules without an expression, and those that cron does not
// know.
func TestScheduleThatAWSCannotHoldIsNotTakenOver(t *testing.T) {
	t.Parallel()
	for times, reason := range map[string]string{
		"0 0 */2 * 1":  "cron starts it on days that fit both day fields, and AWS accepts one of the two",
		"0 0 1 * */2":  "cron starts it on days that fit both day fields, and AWS accepts one of the two",
		"0 0 31 2 *":   "it never starts",
		"60 0 * * *":   "its minute is none that cron knows",
		"0 24 * * *":   "its hour is none that cron knows",
		"0 0 0 * *":    "its day of the month is none that cron knows",
		"0 0 * 13 *":   "its month is none that cron knows",
		"0 0 * * 8":    "its day of the week is none that cron knows",
		"0 0 * * 5-1":  "its day of the week is none that cron knows",
		"*/0 0 * * *":  "its minute is none that cron knows",
		"0~59 0 * * *": "its minute is none that cron knows",
		"@reboot":      "@reboot has no time: nothing boots here",
		"@fortnightly": "there is no such nickname",
	} {
		text := times + ` curl --oauth2-bearer "$T" https://api.example.com/v1/sync`
		result, err := importer.Import("crontab", []byte(text), importer.Options{Now: now})
		if err != nil || len(result.Entries) != 1 || len(result.Entries[0].Jobs) > 0 ||
			!strings.HasPrefix(result.Entries[0].Reason, reason) {
			t.Errorf("%s: %+v, %v", times, result.Entries, err)
		}
	}
}
