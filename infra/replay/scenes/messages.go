package scenes

import (
	"context"
	"fmt"
	"regexp"
	"strings"

	"github.com/cronbearer/cronbearer/infra/local/notify"
)

const head = `# What the mails say

<!-- Written by the local cloud: make native && go run ./infra/replay -messages > docs/messages.md. A test holds it up to date. -->

The first mail of each kind, as the real template and the real binaries led to it in the [local cloud](../infra/local): each
alarm was fired by its cause and ended by what ends it in life. Subjects and bodies have the form of CloudWatch's own mails;
what SNS puts below them, how to unsubscribe, is left out. The texts that are Cronbearer's own are the description, a
reminder's reason and the messages without a form.

The stack is called ` + "`cronbearer`" + `, its token ` + "`ExampleApi`" + `, its jobs ` + "`HourlySync` and `DailyReport`" + `.

| what happened | the mail's subject | the runbook |
| --- | --- | --- |
`

var (
	seconds = regexp.MustCompile(`(\d\d:\d\d):\d\d UTC`)
	// The days to a token's end, which are counted in nanoseconds.
	fraction = regexp.MustCompile(`(\d\.\d\d)\d{3,}`)
	millis   = regexp.MustCompile(`(T\d\d:\d\d):\d\d\.\d{3}\+0000`)
	runbook  = regexp.MustCompile(`docs/(runbooks/([a-z-]+)\.md)`)
	notAWord = regexp.MustCompile(`[^a-z0-9 -]`)
)

// steady leaves out what depends on this machine: seconds, and the fractions of days.
func steady(text string) string {
	text = fraction.ReplaceAllString(text, "$1")
	return millis.ReplaceAllString(seconds.ReplaceAllString(text, "$1:00 UTC"), "$1:00.000+0000")
}

// Messages plays all scenes and writes the page of their mails.
func (m Machine) Messages(ctx context.Context) (string, error) {
	var table, blocks strings.Builder
	whole := true
	for _, scene := range Scenes() {
		mails, err := m.Play(ctx, scene)
		if err != nil {
			return "", err
		}
		anchor := strings.ReplaceAll(notAWord.ReplaceAllString(strings.ToLower(scene.Title), ""), " ", "-")
		page := runbook.FindStringSubmatch(mails[0].Body)
		if page == nil {
			return "", fmt.Errorf("%s: its mail names no runbook", scene.Title)
		}
		fmt.Fprintf(&table, "| [%s](#%s) | `%s` | [%s](%s) |\n", scene.Title, anchor, mails[0].Subject, page[2], page[1])
		fmt.Fprintf(&blocks, "\n## %s\n\n%s\n\n%s", scene.Title, scene.Cause, block(mails[0], whole))
		rest := mails[1:]
		if scene.reminded {
			fmt.Fprintf(&blocks, "\nWhile it lasts, at most once in `RemindAfter`:\n\n%s", block(rest[0], false))
			rest = rest[1:]
		}
		last := rest[len(rest)-1]
		fmt.Fprintf(&blocks, "\n%s Then comes", scene.Mend)
		if last.Subject == anonymous {
			fmt.Fprintf(&blocks, ":\n\n%s", block(last, false))
		} else {
			fmt.Fprintf(&blocks, " `%s`, of the same form.\n", last.Subject)
		}
		whole = false
	}
	return head + table.String() + blocks.String(), nil
}

// anonymous is the subject that SNS gives a message without one, such as EventBridge's.
const anonymous = "AWS Notification Message"

// block is a mail as a text block, whole or without the part that says how the alarm is configured.
func block(m notify.Mail, whole bool) string {
	body := strings.TrimRight(steady(m.Body), "\n")
	if configuration := strings.Index(body, "\n\nThreshold:\n"); configuration >= 0 && !whole {
		body = body[:configuration] + "\n\n[…]"
	}
	lines := strings.Split(body, "\n")
	for i, line := range lines {
		lines[i] = strings.TrimRight(line, " ")
	}
	return "```text\nTo:      " + m.To + "\nSubject: " + m.Subject + "\n\n" + strings.Join(lines, "\n") + "\n```\n"
}
