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
		known   bool
	}{
		{name: "new", do: func() {}, wait: 0, visible: 0, known: false},
		{name: "one message", do: func() { mustSend(t, q) }, wait: 0, visible: 1, known: true},
		{name: "looked at", do: func() { _ = q.Messages() }, wait: 5 * time.Hour, visible: 1, known: true},
		{name: "silent, though full", do: func() {}, wait: 2 * time.Hour, visible: 1, known: false},
		{name: "another message", do: func() { mustSend(t, q) }, wait: 0, visible: 2, known: true},
		{name: "one removed", do: func() { q.Delete(q.Messages()[0].ID) }, wait: 0, visible: 1, known: true},
		{name: "purged", do: q.Purge, wait: 0, visible: 0, known: true},
		{name: "another", do: func() { mustSend(t, q) }, wait: 0, visible: 1, known: true},
		{name: "too old", do: func() {}, wait: 15 * 24 * time.Hour, visible: 0, known: false},
	}
	for _, s := range steps {
		s.do()
		now = now.Add(s.wait)
		if visible, known := q.Visible(); visible != s.visible || known != s.known {
			t.Errorf("%s: %d, %t; want %d, %t", s.name, visible, known, s.visible, s.known)
		}
	}
	if q.Sent() != 3 {
		t.Errorf("%d were sent", q.Sent())
	}
	q.Reject(errors.New("denied"))
	if err := q.Send("x", nil); err == nil {
		t.Error("a queue that rejects accepted a message")
	}
	q.Reject(nil)
	if err := q.Send(strings.Repeat("x", 1<<20+1), nil); err == nil {
		t.Error("a message of more than 1 MiB was accepted")
	}
}

func mustSend(t *testing.T, q *sqs.Queue) {
	t.Helper()
	if err := q.Send("a record", nil); err != nil {
		t.Fatal(err)
	}
}
