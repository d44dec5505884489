package awssim

import (
	"fmt"
	"maps"
	"slices"
	"strings"
	"sync"
	"time"

	"github.com/cronbearer/cronbearer/internal/dev/awssim/alarm"
	"github.com/cronbearer/cronbearer/internal/dev/awssim/iam"
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

// overTLS is the context of all requests that AWS's services make.
func overTLS() iam.Context { return iam.Context{"aws:securetransport": {"true"}} }

// sendAs puts a message in a queue on behalf of a role; both are ARNs. The role is of the queue's account, so its own
// policies are enough as long as the queue's does not deny.
func (q *queues) sendAs(role, arn, body string, attributes map[string]string) error {
	asked := iam.Question{Principal: role, Action: "sqs:SendMessage", Resource: arn, Context: overTLS()}
	if !q.account.allows(role, asked.Action, arn, overTLS()) || q.account.asks(arn, asked) == iam.Denied {
		return fmt.Errorf("AccessDenied: %s is not authorized to perform: sqs:SendMessage on resource: %s", role, arn)
	}
	return q.find(arn).Send(body, attributes)
}

// sendFrom puts a message in a queue on behalf of a service that works for the resource source; both are ARNs.
func (q *queues) sendFrom(service, source, arn, body string, attributes map[string]string) error {
	asked := iam.Question{Principal: service, Action: "sqs:SendMessage", Resource: arn, Context: overTLS()}
	asked.Context["aws:sourcearn"] = []string{source}
	if q.account.asks(arn, asked) != iam.Allowed {
		return fmt.Errorf("AccessDenied: the policy of queue %s does not let %s send", arn, service)
	}
	queue := q.find(arn)
	if queue == nil {
		return fmt.Errorf("AWS.SimpleQueueService.NonExistentQueue: %s", arn)
	}
	return queue.Send(body, attributes)
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
