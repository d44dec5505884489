package year

import (
	"container/heap"
	"context"
	"errors"
	"fmt"
	"net/http"
	"net/http/httptest"
	"os"
	"strings"
	"time"

	"github.com/aws/aws-sdk-go-v2/aws"
	"github.com/aws/aws-sdk-go-v2/service/cloudwatch"

	"github.com/cronbearer/cronbearer/infra/local"
	"github.com/cronbearer/cronbearer/infra/local/alarm"
	"github.com/cronbearer/cronbearer/infra/replay/scenes"
)

// world is a cloud in which no function runs: what runs would do is planned here, and CloudWatch, SNS and EventBridge do
// the rest.
type world struct {
	*local.Cloud

	at      time.Time // of what happens: the clock itself runs on
	events  events
	planned int
	sdk     *cloudwatch.Client
	down    func(*cloudwatch.PutMetricDataInput) bool // tells whether CloudWatch does not take the data; nil: it does
}

// deploy makes a world of the real template with other tokens and jobs, and plays in it.
func deploy(template string, start time.Time, tokens, jobs []scenes.Row, observe func(local.Event), play func(*world) error) (err error) {
	dir, err := os.MkdirTemp("", "cronbearer-year-")
	if err != nil {
		return fmt.Errorf("the template: %w", err)
	}
	defer func() { err = errors.Join(err, os.RemoveAll(dir)) }()
	path, err := scenes.WriteWith(template, dir, tokens, jobs)
	if err != nil {
		return err
	}
	w := &world{at: start}
	w.Cloud, err = local.New(local.Options{Template: path, Start: start, NoStarts: true, Light: true, Observe: observe})
	if err != nil {
		return err
	}
	defer func() { err = errors.Join(err, w.Close()) }()
	w.sdk = cloudwatch.New(cloudwatch.Options{
		Region: w.Stack.Region, BaseEndpoint: aws.String("https://cloudwatch.invalid"), HTTPClient: inMemory{w.CloudWatch}, RetryMaxAttempts: 1,
		Credentials: aws.CredentialsProviderFunc(func(context.Context) (aws.Credentials, error) {
			return aws.Credentials{AccessKeyID: "FAKEKEYOFCALLER", SecretAccessKey: "fake-secret-access-key"}, nil
		}),
	})
	return play(w)
}

// inMemory hands the SDK's requests to the model without a network.
type inMemory struct{ handler http.Handler }

func (m inMemory) Do(r *http.Request) (*http.Response, error) {
	recorder := httptest.NewRecorder()
	m.handler.ServeHTTP(recorder, r)
	response := recorder.Result()
	response.Request = r
	return response, nil
}

// PutMetricData takes the short way past the protocol: a year has a million of them.
func (w *world) PutMetricData(_ context.Context, in *cloudwatch.PutMetricDataInput, _ ...func(*cloudwatch.Options)) (*cloudwatch.PutMetricDataOutput, error) {
	if w.down != nil && w.down(in) {
		return nil, errors.New("no answer")
	}
	w.store(in)
	return &cloudwatch.PutMetricDataOutput{}, nil
}

func (w *world) store(in *cloudwatch.PutMetricDataInput) {
	for _, d := range in.MetricData {
		m := alarm.Metric{Namespace: aws.ToString(in.Namespace), Name: aws.ToString(d.MetricName)}
		for _, dimension := range d.Dimensions {
			m.Dimensions = append(m.Dimensions, alarm.Dimension{Name: aws.ToString(dimension.Name), Value: aws.ToString(dimension.Value)})
		}
		w.Samples.Put(m, aws.ToTime(d.Timestamp), alarm.Value(aws.ToFloat64(d.Value)))
	}
}

func (w *world) DescribeAlarms(ctx context.Context, in *cloudwatch.DescribeAlarmsInput, o ...func(*cloudwatch.Options)) (*cloudwatch.DescribeAlarmsOutput, error) {
	out, err := w.sdk.DescribeAlarms(ctx, in, o...)
	if err != nil {
		return nil, fmt.Errorf("the model: %w", err)
	}
	return out, nil
}

func (w *world) SetAlarmState(ctx context.Context, in *cloudwatch.SetAlarmStateInput, o ...func(*cloudwatch.Options)) (*cloudwatch.SetAlarmStateOutput, error) {
	out, err := w.sdk.SetAlarmState(ctx, in, o...)
	if err != nil {
		return nil, fmt.Errorf("the model: %w", err)
	}
	return out, nil
}

// plan does something at a time.
func (w *world) plan(at time.Time, do func(at time.Time)) {
	w.planned++
	heap.Push(&w.events, event{at, w.planned, do})
}

// play lets time pass.
func (w *world) play(ctx context.Context, until time.Time) error {
	for len(w.events) > 0 && !w.events[0].at.After(until) {
		next, _ := heap.Pop(&w.events).(event)
		if err := w.Run(ctx, next.at); err != nil {
			return err
		}
		w.at = next.at
		next.do(next.at)
	}
	return w.Run(ctx, until)
}

type event struct {
	at    time.Time
	order int
	do    func(time.Time)
}

// events is a container/heap.
type events []event

func (e events) Len() int { return len(e) }
func (e events) Less(i, j int) bool {
	return e[i].at.Before(e[j].at) || (e[i].at.Equal(e[j].at) && e[i].order < e[j].order)
}
func (e events) Swap(i, j int) { e[i], e[j] = e[j], e[i] }
func (e *events) Push(x any) {
	one, _ := x.(event)
	*e = append(*e, one)
}

func (e *events) Pop() any {
	last := (*e)[len(*e)-1]
	*e = (*e)[:len(*e)-1]
	return last
}

// split takes an alarm's name apart: "cronbearer-Silent-HourlySync" is Silent of HourlySync.
func split(alarmName string) (kind, owner string) {
	parts := strings.SplitN(alarmName, "-", 3)
	if len(parts) == 3 {
		return parts[1], parts[2]
	}
	return parts[len(parts)-1], ""
}
