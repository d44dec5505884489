package metric

import (
	"context"
	"errors"
	"sync"
	"time"

	"github.com/aws/aws-sdk-go-v2/aws"
	"github.com/aws/aws-sdk-go-v2/service/cloudwatch"
	"github.com/aws/aws-sdk-go-v2/service/cloudwatch/types"
	"github.com/aws/smithy-go"

	"github.com/cronbearer/cronbearer/internal/isolate"
	"github.com/cronbearer/cronbearer/internal/redact"
	"github.com/cronbearer/cronbearer/internal/retry"
)

// repeatAfter is how long good news is not repeated. It is shorter than any period of an alarm on them, so no
// alarm sees a gap.
const repeatAfter = 5 * time.Minute

// publishLimit is two attempts of 2.5 s and the wait between them.
const publishLimit = 6 * time.Second

// CloudWatch is the part of *cloudwatch.Client that publishing calls. Its retryer makes at most two attempts of 2.5 s.
type CloudWatch interface {
	PutMetricData(
		context.Context, *cloudwatch.PutMetricDataInput, ...func(*cloudwatch.Options),
	) (*cloudwatch.PutMetricDataOutput, error)
}

// Publisher puts the data of one run into one PutMetricData, and waits for it: a frozen environment finishes nothing
// in the background. It is safe for concurrent use.
type Publisher struct {
	api       CloudWatch
	namespace string
	stack     string

	mu   sync.Mutex
	sent map[series]sending
	bad  map[subject]time.Time // when the last bad news of it was
}

type series struct{ metric, owner string }

// subject is a token or a job.
type subject struct{ dimension, owner string }

type sending struct {
	at      time.Time
	version string
	expires time.Time
}

// NewPublisher returns a Publisher.
func NewPublisher(api CloudWatch, namespace, stack string) *Publisher {
	return &Publisher{
		api: api, namespace: namespace, stack: stack, sent: map[series]sending{}, bad: map[subject]time.Time{},
	}
}

// NotStoredError is returned for data that CloudWatch did not store. Line has them in the embedded metric format, one
// line of JSON, from which CloudWatch Logs extracts them anyway: write it to the log as it is.
type NotStoredError struct {
	Line []byte
	Err  error
}

func (e *NotStoredError) Error() string {
	if caught, ok := errors.AsType[*isolate.PanicError](e.Err); ok {
		return "PutMetricData failed with an " + redact.Quote(caught.Error())
	}
	if api, ok := errors.AsType[smithy.APIError](e.Err); ok {
		return "CloudWatch rejected PutMetricData: " + redact.Quote(api.ErrorCode())
	}
	return "CloudWatch did not answer PutMetricData"
}

func (e *NotStoredError) Unwrap() error { return e.Err }

// Publish sends what is new and waits until it is stored, for at most six seconds. The error is a
// *NotStoredError.
func (p *Publisher) Publish(ctx context.Context, r Report) error {
	data := p.news(r)
	if len(data) == 0 {
		return nil
	}
	if err := p.put(ctx, r.At, data); err != nil {
		return err
	}
	p.remember(r.At, data)
	return nil
}

// PublishRotation publishes the result of a secret's rotation. Nothing is skipped as a repetition: another environment
// may have published the opposite since. The error is a *NotStoredError.
func (p *Publisher) PublishRotation(ctx context.Context, at time.Time, secret string, failed bool) error {
	return p.put(
		ctx, at, []datum{{metric: RotationFailed, dimension: DimensionSecret, owner: secret, value: number(failed)}},
	)
}

// put neither panics nor hangs, even if the client does.
func (p *Publisher) put(ctx context.Context, at time.Time, data []datum) error {
	ctx, cancel := retry.WithMargin(ctx, isolate.LastWords)
	defer cancel()
	in := p.input(at, data)
	err := isolate.Run(ctx, publishLimit, func(ctx context.Context) error {
		_, err := p.api.PutMetricData(ctx, in)
		return err
	})
	if err != nil {
		return &NotStoredError{p.embedded(at, data), err}
	}
	return nil
}

// news skips good news published within the last five minutes unless there has been bad news of the same token or job
// since.
func (p *Publisher) news(r Report) []datum {
	p.mu.Lock()
	defer p.mu.Unlock()
	all := r.data()
	for _, d := range all {
		if !d.good {
			// Bad news makes everything about the same token or job new again, whether CloudWatch stores it or not.
			p.forget(d.owner, d.dimension)
			p.bad[subject{d.dimension, d.owner}] = r.At
		}
	}
	var list []datum
	for _, d := range all {
		last, ok := p.sent[series{d.metric, d.owner}]
		age := r.At.Sub(last.at)
		if d.good && ok && 0 <= age && age < repeatAfter && last.version == d.version && last.expires.Equal(d.expires) {
			continue
		}
		list = append(list, d)
	}
	return list
}

func (p *Publisher) forget(owner, dimension string) {
	switch dimension {
	case DimensionToken:
		delete(p.sent, series{TokenRejected, owner})
		delete(p.sent, series{TokenDaysToExpiry, owner})
	case DimensionJob:
		delete(p.sent, series{Heartbeat, owner})
	}
}

// remember records what CloudWatch has. Bad news of another run may have come while these data were in transit. And a 0
// in the same minute as a 1 does not count: the alarm uses the minute's maximum, so the next accepted run must publish
// it again.
func (p *Publisher) remember(at time.Time, data []datum) {
	p.mu.Lock()
	defer p.mu.Unlock()
	for _, d := range data {
		bad, ok := p.bad[subject{d.dimension, d.owner}]
		outdated := ok && (at.Before(bad) || d.metric == TokenRejected && minuteOf(at) == minuteOf(bad))
		if d.good && !outdated {
			p.sent[series{d.metric, d.owner}] = sending{at, d.version, d.expires}
		}
	}
}

func minuteOf(t time.Time) int64 { return t.Unix() / 60 }

func (p *Publisher) input(at time.Time, data []datum) *cloudwatch.PutMetricDataInput {
	in := &cloudwatch.PutMetricDataInput{Namespace: aws.String(p.namespace)}
	for _, d := range data {
		in.MetricData = append(in.MetricData, types.MetricDatum{
			MetricName: aws.String(d.metric),
			Timestamp:  aws.Time(at),
			Value:      aws.Float64(d.value),
			Dimensions: []types.Dimension{
				{Name: aws.String(DimensionStack), Value: aws.String(p.stack)},
				{Name: aws.String(d.dimension), Value: aws.String(d.owner)},
			},
		})
	}
	return in
}
