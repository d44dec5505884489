package replay_test

import (
	"bytes"
	"context"
	"errors"
	"net/http"
	"net/http/httptest"
	"strings"
	"testing"
	"time"

	"github.com/aws/aws-sdk-go-v2/aws"

	"github.com/cronbearer/cronbearer/infra/local"
	"github.com/cronbearer/cronbearer/infra/local/alarm"
	"github.com/cronbearer/cronbearer/infra/local/localtest"
	"github.com/cronbearer/cronbearer/internal/cloudwatch"
)

// longestRun is Lambda's.
const longestRun = 15 * time.Minute

// world is a cloud in which no function runs: what runs would publish is planned here, and CloudWatch, SNS and
// EventBridge do the rest.
type world struct {
	*local.Cloud
	*cloudwatch.Client

	t    *testing.T
	at   time.Time                                 // of what happens: the clock itself runs on
	down func(*cloudwatch.PutMetricDataInput) bool // reports whether CloudWatch does not take the data; nil: it does
}

func newWorld(t *testing.T, template string, start time.Time, observe func(local.Event)) *world {
	t.Helper()
	w := &world{t: t, at: start, Cloud: localtest.Start(t, local.Options{
		Template: template, Binaries: map[string]string{}, Start: start, NoStarts: true, Light: true, Observe: observe,
	})}
	w.Client = cloudwatch.NewClient(w.post, aws.NopRetryer{})
	return w
}

// post passes requests to the model without a network, unsigned.
func (w *world) post(ctx context.Context, path string, header http.Header, body []byte) (*http.Response, error) {
	request := httptest.NewRequestWithContext(ctx, http.MethodPost, path, bytes.NewReader(body))
	request.Header = header
	header.Set("Authorization", "AWS4-HMAC-SHA256 Credential=FAKEKEYOFCALLER/20261128/"+w.Stack.Region+"/monitoring/aws4_request")
	recorder := httptest.NewRecorder()
	w.CloudWatch.ServeHTTP(recorder, request)
	return recorder.Result(), nil
}

// PutMetricData takes the short way past the protocol: a year has a million of them.
func (w *world) PutMetricData(_ context.Context, in *cloudwatch.PutMetricDataInput) error {
	if w.down != nil && w.down(in) {
		return errors.New("no answer")
	}
	w.store(in)
	return nil
}

func (w *world) store(in *cloudwatch.PutMetricDataInput) {
	for _, d := range in.MetricData {
		m := alarm.Metric{Namespace: in.Namespace, Name: d.MetricName}
		for _, dimension := range d.Dimensions {
			m.Dimensions = append(m.Dimensions, alarm.Dimension{Name: dimension.Name, Value: dimension.Value})
		}
		w.Samples.Put(m, d.Timestamp, alarm.Value(d.Value))
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

// split takes an alarm's name apart: "cronbearer-Silent-HourlySync" is Silent of HourlySync.
func split(alarmName string) (kind, owner string) {
	parts := strings.SplitN(alarmName, "-", 3)
	if len(parts) == 3 {
		return parts[1], parts[2]
	}
	return parts[len(parts)-1], ""
}
