// Package failed reads the two queues of an application: runs that failed, and starts that could not be delivered.
// Messages are hidden from others while they are read and shown again afterwards; one is deleted only when its run has
// succeeded, or when someone drops it. SQS samples, so the counts are approximate. It prints nothing.
package failed

import (
	"cmp"
	"context"
	"encoding/json"
	"slices"
	"strconv"
	"strings"
	"time"

	"github.com/aws/aws-sdk-go-v2/aws"
	"github.com/aws/aws-sdk-go-v2/service/sqs"
	"github.com/aws/aws-sdk-go-v2/service/sqs/types"

	"github.com/cronbearer/cronbearer/infra/cronbearer/internal/account"
)

// The queues, by the outputs that hold their URLs.
const (
	Runs        = "failed runs"
	DeadLetters = "dead letters"
)

var outputs = map[string]string{Runs: "FailedRunsUrl", DeadLetters: "DeadLettersUrl"}

// A Message is one run or start that was kept.
type Message struct {
	Job       string    `json:"job"`
	Token     string    `json:"token"`
	ErrorType string    `json:"errorType"`
	Error     string    `json:"error,omitempty"` // why, in the words of the caller or of what could not deliver it
	Scheduled time.Time `json:"scheduledTime"`   // when it was to run; when it was kept if the event does not say
	Queue     string    `json:"queue"`
	ID        string    `json:"id"`
	// Event is what the caller was, or was to be, invoked with; nil for a message that is not a start of a job, such as an
	// alarm's that its topic did not accept.
	Event []byte `json:"-"`

	url, receipt string
}

// visibility hides what was received while it is read; sending takes its own time.
const visibility = 60 * time.Second

// sendVisibility is longer than the longest run.
const sendVisibility = 900 * time.Second

// Read receives what is kept, oldest first. Release shows it to others again.
func Read(ctx context.Context, c account.SQS, s *account.Stack) ([]Message, error) {
	var all []Message
	for _, queue := range []string{Runs, DeadLetters} {
		messages, err := receive(ctx, c, queue, s.Outputs[outputs[queue]])
		all = append(all, messages...)
		if err != nil {
			_ = Release(ctx, c, all) // err says more
			return nil, err
		}
	}
	slices.SortStableFunc(all, func(a, b Message) int {
		return cmp.Or(a.Scheduled.Compare(b.Scheduled), cmp.Compare(a.Job, b.Job), cmp.Compare(a.ID, b.ID))
	})
	return all, nil
}

// receive reads one queue until it has answered twice with nothing, as SQS asks only some of its servers each time, or
// until what it read first would be shown again.
func receive(ctx context.Context, c account.SQS, queue, url string) ([]Message, error) {
	var all []Message
	began := time.Now()
	seen := map[string]bool{}
	for empty := 0; empty < 2 && time.Since(began) < visibility*3/4; {
		out, err := c.ReceiveMessage(ctx, &sqs.ReceiveMessageInput{
			QueueUrl: &url, MaxNumberOfMessages: 10, VisibilityTimeout: int32(visibility / time.Second),
			MessageAttributeNames:       []string{"All"},
			MessageSystemAttributeNames: []types.MessageSystemAttributeName{types.MessageSystemAttributeNameSentTimestamp},
		})
		if err != nil {
			return all, account.Explain("sqs:ReceiveMessage", queueName(url), err)
		}
		if len(out.Messages) == 0 {
			empty++
		}
		for _, m := range out.Messages {
			if id := aws.ToString(m.MessageId); !seen[id] {
				seen[id] = true
				all = append(all, parse(queue, url, m))
			}
		}
	}
	return all, nil
}

func parse(queue, url string, m types.Message) Message {
	one := Message{Queue: queue, ID: aws.ToString(m.MessageId), url: url, receipt: aws.ToString(m.ReceiptHandle)}
	event := []byte(aws.ToString(m.Body))
	if queue == Runs {
		// The record of a destination (Lambda Developer Guide, "Invocation record").
		var record struct {
			RequestPayload  json.RawMessage `json:"requestPayload"`
			RequestContext  struct{ Condition string }
			ResponsePayload struct{ ErrorType, ErrorMessage string }
		}
		if json.Unmarshal(event, &record) == nil {
			event = record.RequestPayload
			one.ErrorType = cmp.Or(record.ResponsePayload.ErrorType, record.RequestContext.Condition)
			one.Error = record.ResponsePayload.ErrorMessage
		}
	} else if code, ok := m.MessageAttributes["ERROR_CODE"]; ok {
		one.ErrorType = aws.ToString(code.StringValue)
		one.Error = one.ErrorType + ": " + aws.ToString(m.MessageAttributes["ERROR_MESSAGE"].StringValue)
	}
	var e struct {
		Job, Token    string
		ScheduledTime time.Time
	}
	if json.Unmarshal(event, &e) == nil && e.Job != "" {
		one.Job, one.Token, one.Scheduled, one.Event = e.Job, e.Token, e.ScheduledTime, event
	}
	if one.Scheduled.IsZero() {
		sent, _ := strconv.ParseInt(m.Attributes["SentTimestamp"], 10, 64) // SQS's own number
		one.Scheduled = time.UnixMilli(sent).UTC()
	}
	return one
}

// Release shows messages to others at once. An error changes little: they are shown when their time is up, in a minute.
func Release(ctx context.Context, c account.SQS, messages []Message) error {
	var first error
	for _, m := range messages {
		_, err := c.ChangeMessageVisibility(context.WithoutCancel(ctx), &sqs.ChangeMessageVisibilityInput{
			QueueUrl: &m.url, ReceiptHandle: &m.receipt, VisibilityTimeout: 0,
		})
		if first == nil {
			first = account.Explain("sqs:ChangeMessageVisibility", queueName(m.url), err)
		}
	}
	return first
}

// Hold hides a message for as long as a run may take.
func (m Message) Hold(ctx context.Context, c account.SQS) error {
	_, err := c.ChangeMessageVisibility(ctx, &sqs.ChangeMessageVisibilityInput{
		QueueUrl: &m.url, ReceiptHandle: &m.receipt, VisibilityTimeout: int32(sendVisibility / time.Second),
	})
	return account.Explain("sqs:ChangeMessageVisibility", queueName(m.url), err)
}

// Delete removes a message for good.
func (m Message) Delete(ctx context.Context, c account.SQS) error {
	_, err := c.DeleteMessage(
		context.WithoutCancel(ctx), &sqs.DeleteMessageInput{QueueUrl: &m.url, ReceiptHandle: &m.receipt},
	)
	return account.Explain("sqs:DeleteMessage", queueName(m.url), err)
}

func queueName(url string) string { return url[strings.LastIndexByte(url, '/')+1:] }

// A Group is what is kept of one job with one error.
type Group struct {
	Job, ErrorType, Token string
	Error                 string // of the newest
	Count                 int
	First, Last           time.Time
	// Starts reports that they were not delivered, so that no run has tried.
	Starts bool
}

// Groups sums up messages by job and error, in that order.
func Groups(messages []Message) []Group {
	var groups []Group
	for _, m := range messages {
		i := slices.IndexFunc(groups, func(g Group) bool {
			return g.Job == m.Job && g.ErrorType == m.ErrorType && g.Starts == (m.Queue == DeadLetters)
		})
		if i < 0 {
			groups = append(groups, Group{
				Job: m.Job, ErrorType: m.ErrorType, Token: m.Token, First: m.Scheduled, Starts: m.Queue == DeadLetters,
			})
			i = len(groups) - 1
		}
		groups[i].Count++
		groups[i].Last, groups[i].Error = m.Scheduled, m.Error
	}
	slices.SortStableFunc(groups, func(a, b Group) int {
		return cmp.Or(cmp.Compare(a.Job, b.Job), cmp.Compare(a.ErrorType, b.ErrorType))
	})
	return groups
}

// Choose splits messages into those to send and those that stay: the newest of each job, or all. What is not a start
// stays.
func Choose(messages []Message, all bool) (chosen, rest []Message) {
	newest := map[string]int{}
	for i, m := range messages {
		if m.Event != nil {
			newest[m.Job] = i
		}
	}
	for i, m := range messages {
		if m.Event != nil && (all || newest[m.Job] == i) {
			chosen = append(chosen, m)
		} else {
			rest = append(rest, m)
		}
	}
	return chosen, rest
}
