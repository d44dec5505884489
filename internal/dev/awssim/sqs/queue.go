// Package sqs is a model of an SQS queue as far as failed runs and undelivered starts use one: messages that wait until
// someone deletes them or their retention is over, receipts with their visibility timeout, and the metric that an alarm
// evaluates. It is a model, not SQS: a receive returns what is visible in order and never misses a message, and there
// is not a redrive.
package sqs

import (
	"errors"
	"fmt"
	"maps"
	"slices"
	"strings"
	"sync"
	"time"

	"github.com/cronbearer/cronbearer/internal/dev/awssim/api"
)

const (
	// activeFor: "CloudWatch considers a queue to be active for up to six hours if it contains any messages or if any
	// action accesses it" (SQS Developer Guide, "Monitoring Amazon SQS queues using CloudWatch"). A queue that is not
	// has no metrics, whatever lies in it.
	activeFor = 6 * time.Hour
	// defaultRetention is that of CreateQueue.
	defaultRetention = 4 * 24 * time.Hour
	// maxMessage is 1 MiB (SQS quotas).
	maxMessage = 1 << 20
)

// Message waits in a queue.
type Message struct {
	ID         string
	Body       string
	Attributes map[string]string
	Sent       time.Time

	receipt     string    // of the last receive
	hiddenUntil time.Time // by the visibility timeout of the last receive
	received    int
}

// A Received message is hidden from others until its visibility timeout is over or it is deleted.
type Received struct {
	Message

	Receipt string
	Count   int // how often it was received
}

// Queue is one queue. Safe for concurrent use.
type Queue struct {
	Name, ARN string

	retention time.Duration
	now       api.Clock

	mu        sync.Mutex
	messages  []Message
	sent      int
	touched   time.Time // zero: never
	rejection error
}

// New returns a queue; a retention of 0 is SQS's default.
func New(name, arn string, retention time.Duration, now api.Clock) *Queue {
	if retention == 0 {
		retention = defaultRetention
	}
	return &Queue{Name: name, ARN: arn, retention: retention, now: now}
}

// Reject makes the queue reject what is sent to it, as one does that was deleted or denies the sender; nil stops it.
func (q *Queue) Reject(err error) {
	q.mu.Lock()
	defer q.mu.Unlock()
	q.rejection = err
}

// Send puts a message in.
func (q *Queue) Send(body string, attributes map[string]string) error {
	q.mu.Lock()
	defer q.mu.Unlock()
	if q.rejection != nil {
		return fmt.Errorf("queue %s: %w", q.Name, q.rejection)
	}
	if len(body) > maxMessage {
		return fmt.Errorf("queue %s: a message of %d bytes is too long", q.Name, len(body))
	}
	q.sent++
	q.touched = q.now()
	q.messages = append(
		q.messages,
		Message{ID: fmt.Sprintf("message-%d", q.sent), Body: body, Attributes: maps.Clone(attributes), Sent: q.touched},
	)
	return nil
}

// Messages are those that wait, oldest first. Looking does not touch the queue.
func (q *Queue) Messages() []Message {
	q.mu.Lock()
	defer q.mu.Unlock()
	q.expire()
	return slices.Clone(q.messages)
}

// Delete removes a message.
func (q *Queue) Delete(id string) {
	q.mu.Lock()
	defer q.mu.Unlock()
	q.touched = q.now()
	q.messages = slices.DeleteFunc(q.messages, func(m Message) bool { return m.ID == id })
}

// ErrReceipt says that a receipt handle is not, or no longer, that of a message.
var ErrReceipt = errors.New("the receipt handle is invalid")

// Receive returns up to n visible messages and hides them for a while.
func (q *Queue) Receive(n int, visibility time.Duration) []Received {
	q.mu.Lock()
	defer q.mu.Unlock()
	q.expire()
	now := q.now()
	q.touched = now
	var list []Received
	for i := range q.messages {
		m := &q.messages[i]
		if len(list) == n {
			break
		}
		if m.hiddenUntil.After(now) {
			continue
		}
		m.received++
		m.receipt, m.hiddenUntil = fmt.Sprintf("%s/%d", m.ID, m.received), now.Add(visibility)
		list = append(list, Received{Message: *m, Receipt: m.receipt, Count: m.received})
	}
	return list
}

// SetVisibility hides a received message from now on for a while; 0 shows it again.
func (q *Queue) SetVisibility(receipt string, visibility time.Duration) error {
	q.mu.Lock()
	defer q.mu.Unlock()
	for i := range q.messages {
		if receipt != "" && q.messages[i].receipt == receipt {
			q.messages[i].hiddenUntil = q.now().Add(visibility)
			return nil
		}
	}
	return ErrReceipt
}

// DeleteReceived deletes the message of a receipt handle. It is not an error if the message is already gone.
func (q *Queue) DeleteReceived(receipt string) error {
	id, _, ok := strings.Cut(receipt, "/")
	if !ok {
		return ErrReceipt
	}
	q.Delete(id)
	return nil
}

// Retention returns how long a message waits before SQS deletes it.
func (q *Queue) Retention() time.Duration { return q.retention }

// Hidden returns how many messages wait and are not visible.
func (q *Queue) Hidden() int {
	q.mu.Lock()
	defer q.mu.Unlock()
	n := 0
	for _, m := range q.messages {
		if m.hiddenUntil.After(q.now()) {
			n++
		}
	}
	return n
}

// Purge removes all messages.
func (q *Queue) Purge() {
	q.mu.Lock()
	defer q.mu.Unlock()
	q.touched = q.now()
	q.messages = nil
}

// Sent is how many messages were ever put in.
func (q *Queue) Sent() int {
	q.mu.Lock()
	defer q.mu.Unlock()
	return q.sent
}

// Visible is what the metric ApproximateNumberOfMessagesVisible says, and false where SQS says nothing.
func (q *Queue) Visible() (int, bool) {
	q.mu.Lock()
	defer q.mu.Unlock()
	q.expire()
	visible := 0
	for _, m := range q.messages {
		if !m.hiddenUntil.After(q.now()) {
			visible++
		}
	}
	return visible, !q.touched.IsZero() && q.now().Sub(q.touched) <= activeFor
}

func (q *Queue) expire() {
	q.messages = slices.DeleteFunc(q.messages, func(m Message) bool { return q.now().Sub(m.Sent) > q.retention })
}
