package sqs_test

import (
	"testing"
	"time"

	"github.com/cronbearer/cronbearer/internal/dev/awssim/sqs"
)

// TestReceivedMessageIsHiddenUntilItsTimeoutIsOver follows the Developer Guide, "Amazon SQS visibility timeout".
func TestReceivedMessageIsHiddenUntilItsTimeoutIsOver(t *testing.T) {
	t.Parallel()
	now := time.Date(2026, 11, 2, 8, 0, 0, 0, time.UTC)
	q := sqs.New("q", "arn:q", 14*24*time.Hour, func() time.Time { return now })
	for range 3 {
		mustSend(t, q)
	}
	first := q.Receive(2, time.Minute)
	if len(first) != 2 || first[0].Count != 1 || first[0].Receipt == first[1].Receipt {
		t.Fatalf("received %+v", first)
	}
	if visible, _ := q.Visible(); visible != 1 || q.Hidden() != 2 {
		t.Errorf("%d are visible and %d hidden, want 1 and 2", visible, q.Hidden())
	}
	if rest := q.Receive(10, time.Minute); len(rest) != 1 {
		t.Errorf("a hidden message was received: %+v", rest)
	}
	if err := q.SetVisibility(first[0].Receipt, 0); err != nil {
		t.Error(err)
	}
	again := q.Receive(10, time.Minute)
	if len(again) != 1 || again[0].ID != first[0].ID || again[0].Count != 2 {
		t.Errorf("after its visibility was set to 0: %+v", again)
	}
	if err := q.SetVisibility(first[0].Receipt, 0); err == nil {
		t.Error("an old receipt handle was accepted")
	}
	if err := q.DeleteReceived(first[1].Receipt); err != nil {
		t.Error(err)
	}
	if err := q.DeleteReceived("nonsense"); err == nil {
		t.Error("a receipt handle of no message was accepted")
	}
	now = now.Add(time.Minute)
	if all := q.Receive(10, time.Minute); len(all) != 2 {
		t.Errorf("after the timeout %d are visible, want 2", len(all))
	}
}
