package replay_test

import (
	"context"
	"errors"
	"net/http"
	"net/http/httptest"
	"strings"
	"testing"
	"time"

	"github.com/aws/aws-sdk-go-v2/aws"
	"github.com/aws/aws-sdk-go-v2/service/cloudwatch"

	"github.com/cronbearer/cronbearer/internal/dev/awssim"
	"github.com/cronbearer/cronbearer/internal/dev/awssim/alarm"
	"github.com/cronbearer/cronbearer/internal/dev/awssim/awssimtest"
)

// longestRun is Lambda's.
const longestRun = 15 * time.Minute

// world is a cloud in which no function runs: what runs would publish is planned here, and CloudWatch, SNS and
// EventBridge do the rest.
type world struct {
	*awssim.Cloud
	*cloudwatch.Client

	t    *testing.T
	at   time.Time                                 // of what happens: the clock itself runs on
	down func(*cloudwatch.PutMetricDataInput) bool // reports whether CloudWatch rejects the data; nil: it accepts them
}

func newWorld(t *testing.T, template string, start time.Time, observe func(awssim.Event)) *world {
	t.Helper()
	w := &world{t: t, at: start, Cloud: awssimtest.Start(t, awssim.Options{
		Template: template, Binaries: map[string]string{}, Start: start, NoStarts: true, Light: true, Observe: observe,
	})}
	w.Client = cloudwatch.New(cloudwatch.Options{
		Region: w.Stack.Region, BaseEndpoint: aws.String("https://cloudwatch.invalid"), RetryMaxAttempts: 1,
		HTTPClient: inMemory{w.CloudWatch},
		Credentials: aws.CredentialsProviderFunc(func(context.Context) (aws.Credentials, error) {
			return aws.Credentials{AccessKeyID: "FAKEKEYOFCALLER", SecretAccessKey: "fake-secret-access-key"}, nil
		}),
	})
	return w
}

// inMemory passes the SDK's requests to the model without a network.
type inMemory struct{ handler http.Handler }

func (m inMemory) Do(r *http.Request) (*http.Response, error) {
	recorder := httptest.NewRecorder()
	m.handler.ServeHTTP(recorder, r)
	response := recorder.Result()
	response.Request = r
	return response, nil
}

// PutMetricData takes the short way past the protocol: a year has a million of them.
func (w *world) PutMetricData(
	_ context.Context, in *cloudwatch.PutMetricDataInput, _ ...func(*cloudwatch.Options),
) (*cloudwatch.PutMetricDataOutput, error) {
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
			m.Dimensions = append(m.Dimensions, alarm.Dimension{
				Name: aws.ToString(dimension.Name), Value: aws.ToString(dimension.Value),
			})
		}
		w.Samples.Put(m, aws.ToTime(d.Timestamp), alarm.Value(aws.ToFloat64(d.Value)))
	}
}

// plan does something at a time.
func (w *world) plan(at time.Time, do func(at time.Time)) {
	w.At(at, func(context.Context) {
		w.at = at
		do(at)
	})
}

// play lets time pass.
func (w *world) play(until time.Time) {
	w.t.Helper()
	if err := w.Run(w.t.Context(), until); err != nil {
		w.t.Fatal(err)
	}
}

// split splits an alarm's name: "cronbearer-Silent-HourlySync" is Silent of HourlySync.
func split(alarmName string) (kind, owner string) {
	parts := strings.SplitN(alarmName, "-", 3)
	if len(parts) == 3 {
		return parts[1], parts[2]
	}
	return parts[len(parts)-1], ""
}
