package awssim

import (
	"fmt"
	"maps"
	"slices"
	"strings"
	"sync"
	"time"

	"github.com/cronbearer/cronbearer/internal/dev/awssim/alarm"
	"github.com/cronbearer/cronbearer/internal/dev/awssim/sqs"
)

// queues are the queues of the account, and the right of a role to send to one. Safe for concurrent use.
type queues struct {
	account *account
	samples *alarm.Samples

	mu    sync.Mutex
	byARN map[string]*sqs.Queue
}

func newQueues(a *account, samples *alarm.Samples) *queues {
	return &queues{account: a, samples: samples, byARN: map[string]*sqs.Queue{}}
}

func (q *queues) add(queue *sqs.Queue) {
	q.mu.Lock()
	defer q.mu.Unlock()
	q.byARN[queue.ARN] = queue
}

// all returns the queues in the order of their ARNs.
func (q *queues) all() []*sqs.Queue {
	q.mu.Lock()
	defer q.mu.Unlock()
	var list []*sqs.Queue
	for _, arn := range slices.Sorted(maps.Keys(q.byARN)) {
		list = append(list, q.byARN[arn])
	}
	return list
}

// find returns a queue by its ARN; nil if there is none.
func (q *queues) find(arn string) *sqs.Queue {
	q.mu.Lock()
	defer q.mu.Unlock()
	return q.byARN[arn]
}

// sendAs puts a message in a queue on behalf of a role; both are ARNs.
func (q *queues) sendAs(role, arn, body string, attributes map[string]string) error {
	if !q.account.allows(role, "sqs:SendMessage", arn) {
		return fmt.Errorf("AccessDenied: %s is not authorized to perform: sqs:SendMessage on resource: %s", role, arn)
	}
	return q.find(arn).Send(body, attributes)
}

// measure publishes the queues' lengths for the minute that ends now.
func (q *queues) measure(now time.Time) {
	for _, queue := range q.all() {
		n, active := queue.Visible()
		if !active {
			continue
		}
		q.samples.Put(alarm.Metric{
			Namespace: "AWS/SQS", Name: "ApproximateNumberOfMessagesVisible",
			Dimensions: []alarm.Dimension{{Name: "QueueName", Value: queue.Name}},
		}, now.Add(-time.Minute), alarm.Value(float64(n)))
	}
}

// queueName is the last part of a queue's URL.
func queueName(url string) string { return url[strings.LastIndexByte(url, '/')+1:] }
