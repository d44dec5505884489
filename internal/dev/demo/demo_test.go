package main

import (
	"bytes"
	"os"
	"path/filepath"
	"strings"
	"testing"
	"unicode/utf8"

	"github.com/google/go-cmp/cmp"

	"github.com/cronbearer/cronbearer/internal/dev/awssim/awssimtest"
)

func TestMain(m *testing.M) { os.Exit(awssimtest.Main(m)) }

// TestDemo plays the story twice: it comes out, and in the same words.
func TestDemo(t *testing.T) {
	t.Parallel()
	binary, template := awssimtest.Binaries(t)["Caller"], awssimtest.Template()
	var first, second bytes.Buffer
	if err := run(t.Context(), &first, binary, template, false); err != nil {
		t.Fatalf("%s\n%v", first.String(), err)
	}
	if err := run(t.Context(), &second, binary, template, false); err != nil {
		t.Fatal(err)
	}
	if diff := cmp.Diff(first.String(), second.String()); diff != "" {
		t.Errorf("the second time is different (-first +second)\n%s", diff)
	}
	text := first.String()
	if opening, _, _ := strings.Cut(text, "\n"); !strings.Contains(opening, "not AWS") {
		t.Errorf("the first line does not say what this is: %s", opening)
	}
	if strings.Contains(text, "\x1b") {
		t.Error("colour in plain text")
	}
	for line := range strings.Lines(text) {
		if n := utf8.RuneCountInString(strings.TrimRight(line, "\n")); n > columns {
			t.Errorf("%d columns: %s", n, line)
		}
	}
	for _, secret := range []string{oldToken, newToken, "localhost"} {
		if strings.Contains(text, secret) {
			t.Errorf("it shows %q", secret)
		}
	}
}

// TestReadmeQuotesTheDemo: the lines that the README shows are the demo's, in their order.
func TestReadmeQuotesTheDemo(t *testing.T) {
	t.Parallel()
	readme, err := os.ReadFile(filepath.Join(awssimtest.Root(), "README.md"))
	if err != nil {
		t.Fatal(err)
	}
	_, quoted, _ := strings.Cut(string(readme), "\n```text\ntime ")
	quoted, _, found := strings.Cut("time "+quoted, "```")
	if !found {
		t.Fatal("the README shows no output of the demo")
	}
	var out bytes.Buffer
	if err := run(t.Context(), &out, awssimtest.Binaries(t)["Caller"], awssimtest.Template(), false); err != nil {
		t.Fatal(err)
	}
	rest := out.String()
	for line := range strings.Lines(quoted) {
		before, after, found := strings.Cut("\n"+rest, "\n"+line)
		if !found {
			t.Errorf("the demo does not write, after %q: %s", before[max(0, len(before)-100):], line)
			continue
		}
		rest = after
	}
}

// TestStoryThatDoesNotComeOut: a template whose alarm notifies no one, and one without the job, end in clear words.
func TestStoryThatDoesNotComeOut(t *testing.T) {
	t.Parallel()
	binary := awssimtest.Binaries(t)["Caller"]
	data, err := os.ReadFile(awssimtest.Template())
	if err != nil {
		t.Fatal(err)
	}
	cases := map[string]struct{ from, to, want string }{
		"an alarm that does not latch": {
			from: "the 0 that clears it.\n          TreatMissingData: ignore",
			to:   "the 0 that ends it.\n          TreatMissingData: notBreaching",
			want: "alarm TokenRejected-ExampleApi is OK, not ALARM",
		},
		"another host": {
			from: "https://api.example.com/", to: "https://api.example.net/",
			want: "no job of the template calls api.example.com",
		},
		"another secret": {from: "Secret: example-api", to: "Secret: another", want: "HourlySync token_unavailable"},
	}
	for name, c := range cases {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			changed := strings.ReplaceAll(string(data), c.from, c.to)
			if changed == string(data) {
				t.Fatalf("the template does not hold %q", c.from)
			}
			path := filepath.Join(t.TempDir(), "template.yaml")
			if err := os.WriteFile(path, []byte(changed), 0o600); err != nil {
				t.Fatal(err)
			}
			var out bytes.Buffer
			if err := run(t.Context(), &out, binary, path, true); err == nil || !strings.Contains(err.Error(), c.want) {
				t.Errorf("got %v, want %q", err, c.want)
			}
		})
	}
	if err := run(
		t.Context(), &bytes.Buffer{}, filepath.Join(t.TempDir(), "nothing"), awssimtest.Template(), false,
	); err == nil || !strings.Contains(err.Error(), "make demo") {
		t.Errorf("without a binary: %v", err)
	}
}
