package markdown_test

import (
	"strings"
	"testing"

	"github.com/google/go-cmp/cmp"

	"github.com/cronbearer/cronbearer/internal/dev/markdown"
)

func TestShellsAreReadWithTheirMarks(t *testing.T) {
	t.Parallel()
	fence := func(text string) string { return "# A page\n\n```sh\n" + text + "```\n" }
	for name, c := range map[string]struct {
		page, index string
		want        []markdown.Shell
		err         string
	}{
		"placeholders, lines that go on, quotes": {
			page: fence("aws sqs purge-queue \\\n  --queue-url <the queue's> --x 'a b' \"c $D\"\n"),
			want: []markdown.Shell{{
				Line: 3, Calls: [][]string{{"aws", "sqs", "purge-queue", "--queue-url", "X", "--x", "a b", "c X"}},
			}},
		},
		"lists and substitutions": {
			page: fence("make build && a=$(git log) # why\n(umask 077; rm x)\n"),
			want: []markdown.Shell{{
				Line: 3, Calls: [][]string{{"make", "build"}, {"git", "log"}, {"umask", "077"}, {"rm", "x"}},
			}},
		},
		"a mark of the block": {
			page: fence("# needs an AWS account\nmake deploy\n"),
			want: []markdown.Shell{{Line: 3, Mark: "an AWS account", Calls: [][]string{{"make", "deploy"}}}},
		},
		"a mark of the page": {
			page: fence("make deploy\n") + markdown.PageMark,
			want: []markdown.Shell{{Line: 3, Mark: "an AWS account", Calls: [][]string{{"make", "deploy"}}}},
		},
		"a mark of the folder": {
			page: fence("make deploy\n"), index: markdown.FolderMark,
			want: []markdown.Shell{{Line: 3, Mark: "an AWS account", Calls: [][]string{{"make", "deploy"}}}},
		},
		"another block": {page: "```json\n{}\n```\n"},
		"an odd mark":   {page: fence("# needs luck\nmake deploy\n"), err: "is none of"},
		"no shell":      {page: fence("make '\n"), err: "line 3: the shell cannot read"},
	} {
		got, err := markdown.Shells(c.page, c.index)
		if c.err == "" && err != nil || c.err != "" && (err == nil || !strings.Contains(err.Error(), c.err)) {
			t.Errorf("%s: %v, want %q", name, err, c.err)
		}
		if diff := cmp.Diff(c.want, got); diff != "" {
			t.Errorf("%s (-want +got)\n%s", name, diff)
		}
	}
}
