package sqs_test

import (
	"errors"
	"strings"
	"testing"
	"time"

	"github.com/cronbearer/cronbearer/internal/dev/awssim/sqs"
)

// TestQueue follows the metric of a queue: nothing before the first message, nothing six hours after the last touch.
func TestQueue(t *testing.T) {
	t.Parallel()
	now := time.Date(2026, 11, 2, 8, 0, 0, 0, time.UTC)
	q := sqs.New("q", "arn:q", 14*24*time.Hour, func() time.Time { return now })
	steps := []struct {
		name    string
		do      func()
		wait    time.Duration
		visible int
		told    bool
	}{
		{"new", func() {}, 0, 0, false},
		{"one message", func() { mustSend(t, q) }, 0, 1, true},
		{"looked at", func() { _ = q.Messages() }, 5 * time.Hour, 1, true},
		{"silent, though full", func() {}, 2 * time.Hour, 1, false},
		{"another message", func() { mustSend(t, q) }, 0, 2, true},
		{"one taken away", func() { q.Delete(q.Messages()[0].ID) }, 0, 1, true},
		{"purged", q.Purge, 0, 0, true},
		{"another", func() { mustSend(t, q) }, 0, 1, true},
		{"too old", func() {}, 15 * 24 * time.Hour, 0, false},
	}
	for _, s := range steps {
		s.do()
		now = now.Add(s.wait)
		if visible, told := q.Visible(); visible != s.visible || told != s.told {
			t.Errorf("%s: %d, %t; want %d, %t", s.name, visible, told, s.visible, s.told)
		}
	}
	if q.Sent() != 3 {
		t.Errorf("%d were sent", q.Sent())
	}
	q.Reject(errors.New("denied"))
	if err := q.Send("x", nil); err == nil {
		t.Error("a queue that refuses took a message")
	}
	q.Reject(nil)
	if err := q.Send(strings.Repeat("x", 1<<20+1), nil); err == nil {
		t.Error("a message of more than 1 MiB was taken")
	}
}

func mustSend(t *testing.T, q *sqs.Queue) {
	t.Helper()
	if err := q.Send("a record", nil); err != nil {
		t.Fatal(err)
	}
}
