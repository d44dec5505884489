package shipped_test

import (
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"testing"

	"github.com/cronbearer/cronbearer/internal/dev/cfn"
)

// TestUpgradeMergesCleanly: a user who changed only rows and lists merges the next tag without a conflict, keeps what
// they wrote, and gets what is new.
func TestUpgradeMergesCleanly(t *testing.T) {
	t.Parallel()
	if _, err := exec.LookPath("git"); err != nil {
		t.Skip("needs git")
	}
	shipped := template(t)
	user := mistaken(t, shipped,
		edit{
			text:    tokenRow,
			instead: "Billing: { Secret: billing, Note: Finance renews it }\n    Crm: { Secret: crm, Key: token, WarnDays: 30 }",
		},
		edit{"[ExampleApi]", "[Billing, Crm]"},
		edit{jobsList, "[Invoices, Contacts, Ping]"},
		edit{"\n    DailyReport:\n", "\n    Invoices:\n"},
		edit{"      Token: ExampleApi\n", "      Token: Billing\n"},
		edit{
			text: "\n    HourlySync: ",
			instead: "\n    Contacts: { Schedule: \"rate(1 hour)\", Call: \"GET https://crm.example.com/v1/contacts" +
				"\", Token: Crm, SilentAfter: 3 }\n    Ping: ",
		},
		edit{`sync", Token: ExampleApi`, `sync", Token: Billing`},
	)
	// What a next tag may bring: another default, a longer text, a resource more, a key more in the comments above the
	// rows.
	next := mistaken(t, shipped,
		edit{"    Default: 20h\n", "    Default: 24h\n"},
		edit{"      MemorySize: 128\n", "      MemorySize: 256\n"},
		edit{"    # Note      whose it is", "    # Owner     who is asked\n    # Note      whose it is"},
		edit{"\n  ScheduleGroup:\n", "\n  Another:\n    Type: AWS::SNS::Topic\n\n  ScheduleGroup:\n"},
		edit{"          Statistic: Maximum\n", "          # The worst of a minute.\n          Statistic: Maximum\n"},
	)
	dir := t.TempDir()
	paths := map[string]string{}
	for name, data := range map[string][]byte{"user": user, "shipped": []byte(shipped), "next": next} {
		paths[name] = filepath.Join(dir, name+".yaml")
		if err := os.WriteFile(paths[name], data, 0o600); err != nil {
			t.Fatal(err)
		}
	}
	merge := exec.CommandContext(t.Context(), "git", "merge-file", "-p", paths["user"], paths["shipped"], paths["next"])
	merged, err := merge.Output() // the exit code is the number of conflicts
	if err != nil {
		t.Fatalf("%v\n%s", err, merged)
	}
	s, err := cfn.Parse(merged, defaults())
	if err != nil {
		t.Fatal(err)
	}
	if got := strings.Join(append(s.Loop("Tokens"), s.Loop("Jobs")...), " "); got != "Billing Crm Invoices Contacts Ping" {
		t.Errorf("the names are %s", got)
	}
	// And a conflict is never deployed by mistake.
	conflicting := filepath.Join(dir, "conflicting.yaml")
	changed := mistaken(t, shipped, edit{"    Default: 20h\n", "    Default: 8h\n"})
	if err := os.WriteFile(conflicting, changed, 0o600); err != nil {
		t.Fatal(err)
	}
	marked, err := exec.CommandContext(
		t.Context(), "git", "merge-file", "-p", conflicting, paths["shipped"], paths["next"],
	).Output()
	if _, invalid := cfn.Parse(marked, defaults()); err == nil || invalid == nil {
		t.Errorf("a conflict: git says %v, and the template is read: %v", err, invalid)
	}
	if got := *s.Parameters["RemindAfter"].Default; got != "24h" || s.Resources["Another"].Type == "" {
		t.Errorf("RemindAfter is %s, and Another %v", got, s.Resources["Another"])
	}
}

// TestQuickStartNamesNoneOfTheExamples in what a user types after they wrote their own jobs and tokens over them.
func TestQuickStartNamesNoneOfTheExamples(t *testing.T) {
	t.Parallel()
	text, err := os.ReadFile("../../../docs/quick-start.md")
	if err != nil {
		t.Fatal(err)
	}
	_, step, found := strings.Cut(string(text), "\n## 4. Deploy\n")
	if !found {
		t.Fatal("the quick start has no step 4")
	}
	s := resolve(t, defaults())
	for _, name := range append(s.Loop("Tokens"), s.Loop("Jobs")...) {
		if strings.Contains(step, name) {
			t.Errorf("the quick start names the example %s after its third step", name)
		}
	}
	for _, want := range []string{
		"make deploy", "AWS CLI **version 2**", "Watch: ignore", "**Confirm the subscription**",
	} {
		if !strings.Contains(string(text), want) {
			t.Errorf("the quick start does not say %q", want)
		}
	}
}
