package cloudwatch_test

import (
	"context"
	"errors"
	"fmt"
	"math"
	"net/http/httptest"
	"slices"
	"strings"
	"testing"
	"time"

	"github.com/aws/aws-sdk-go-v2/aws"
	sdk "github.com/aws/aws-sdk-go-v2/service/cloudwatch"
	"github.com/aws/aws-sdk-go-v2/service/cloudwatch/types"
	"github.com/aws/smithy-go"
	"github.com/google/go-cmp/cmp"

	"github.com/cronbearer/cronbearer/internal/dev/awssim/alarm"
	"github.com/cronbearer/cronbearer/internal/dev/awssim/api"
	"github.com/cronbearer/cronbearer/internal/dev/awssim/cloudwatch"
)

var now = time.Date(2026, 11, 2, 8, 30, 0, 0, time.UTC)

type service struct {
	*sdk.Client

	server  *cloudwatch.Server
	samples *alarm.Samples
	monitor *alarm.Monitor
	changes []alarm.Transition
}

func start(t *testing.T, options ...func(*sdk.Options)) *service {
	t.Helper()
	s := &service{samples: alarm.NewSamples()}
	s.monitor = alarm.NewMonitor(s.samples)
	s.server = cloudwatch.NewServer(cloudwatch.Config{
		Region: "eu-west-1", AccountID: "123456789012", Partition: "aws", Now: func() time.Time { return now },
		Samples: s.samples, Monitor: s.monitor, Changed: func(c alarm.Transition) { s.changes = append(s.changes, c) },
	})
	web := httptest.NewServer(s.server)
	t.Cleanup(web.Close)
	s.Client = sdk.New(sdk.Options{
		Region: "eu-west-1", BaseEndpoint: aws.String(web.URL), RetryMaxAttempts: 1, DisableRequestCompression: true,
		Credentials: aws.CredentialsProviderFunc(func(context.Context) (aws.Credentials, error) {
			return aws.Credentials{AccessKeyID: "FAKEKEY", SecretAccessKey: "fake"}, nil
		}),
	}, options...)
	return s
}

func code(err error) string {
	if failed, ok := errors.AsType[smithy.APIError](err); ok {
		return failed.ErrorCode()
	}
	if err != nil {
		return "no answer"
	}
	return ""
}

func datum(change func(*types.MetricDatum)) types.MetricDatum {
	d := types.MetricDatum{
		MetricName: aws.String("TokenRejected"), Value: aws.Float64(1), Timestamp: aws.Time(now),
		Dimensions: []types.Dimension{
			{Name: aws.String("Stack"), Value: aws.String("s")}, {Name: aws.String("Token"), Value: aws.String("t")},
		},
	}
	if change != nil {
		change(&d)
	}
	return d
}

// TestPutMetricDataRefuses asks for what CloudWatch rejects: one bad datum stores nothing of the request.
func TestPutMetricDataRejects(t *testing.T) {
	t.Parallel()
	cases := map[string]struct {
		namespace string
		change    func(*types.MetricDatum)
		times     int
		want      string
	}{
		"a good one":          {namespace: "Cronbearer", change: nil, times: 1, want: ""},
		"a thousand":          {namespace: "Cronbearer", change: nil, times: 999, want: ""},
		"more than that":      {namespace: "Cronbearer", change: nil, times: 1000, want: "InvalidParameterValue"},
		"AWS's namespace":     {namespace: "AWS/Lambda", change: nil, times: 1, want: "InvalidParameterValue"},
		"colon first":         {namespace: ":x", change: nil, times: 1, want: "InvalidParameterValue"},
		"namespace not ASCII": {namespace: "Nächte", change: nil, times: 1, want: "InvalidParameterValue"},
		"NaN": {namespace: "Cronbearer", change: func(d *types.MetricDatum) {
			d.Value = aws.Float64(math.NaN())
		}, times: 1, want: "InvalidParameterValue"},
		"infinite": {namespace: "Cronbearer", change: func(d *types.MetricDatum) {
			d.Value = aws.Float64(math.Inf(-1))
		}, times: 1, want: "InvalidParameterValue"},
		"too large": {namespace: "Cronbearer", change: func(d *types.MetricDatum) {
			d.Value = aws.Float64(math.Pow(2, 361))
		}, times: 1, want: "InvalidParameterValue"},
		"no value": {namespace: "Cronbearer", change: func(d *types.MetricDatum) {
			d.Value = nil
		}, times: 1, want: "MissingParameter"},
		"two kinds of value": {namespace: "Cronbearer", change: func(d *types.MetricDatum) {
			d.Values = []float64{1}
		}, times: 1, want: "InvalidParameterCombination"},
		"too old": {namespace: "Cronbearer", change: func(d *types.MetricDatum) {
			d.Timestamp = aws.Time(now.AddDate(0, 0, -15))
		}, times: 1, want: "InvalidParameterValue"},
		"old": {namespace: "Cronbearer", change: func(d *types.MetricDatum) {
			d.Timestamp = aws.Time(now.AddDate(0, 0, -13))
		}, times: 1, want: ""},
		"of the future": {namespace: "Cronbearer", change: func(d *types.MetricDatum) {
			d.Timestamp = aws.Time(now.Add(3 * time.Hour))
		}, times: 1, want: "InvalidParameterValue"},
		"empty dimension": {namespace: "Cronbearer", change: func(d *types.MetricDatum) {
			d.Dimensions[1].Value = aws.String(" ")
		}, times: 1, want: "InvalidParameterValue"},
		"dimension not ASCII": {namespace: "Cronbearer", change: func(d *types.MetricDatum) {
			d.Dimensions[1].Value = aws.String("ö")
		}, times: 1, want: "InvalidParameterValue"},
		"long dimension": {namespace: "Cronbearer", change: func(d *types.MetricDatum) {
			d.Dimensions[1].Value = aws.String(strings.Repeat("x", 1025))
		}, times: 1, want: "InvalidParameterValue"},
		"31 dimensions": {namespace: "Cronbearer", change: func(d *types.MetricDatum) {
			d.Dimensions = slices.Repeat([]types.Dimension{{Name: aws.String("n"), Value: aws.String("v")}}, 31)
		}, times: 1, want: "InvalidParameterValue"},
	}
	for name, c := range cases {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			s := start(t)
			data := slices.Repeat([]types.MetricDatum{datum(nil)}, c.times)
			_, err := s.PutMetricData(
				t.Context(), &sdk.PutMetricDataInput{Namespace: &c.namespace, MetricData: append(data, datum(c.change))},
			)
			if got := code(err); got != c.want {
				t.Errorf("got %q (%v), want %q", got, err, c.want)
			}
			if stored := s.samples.Len() > 0; stored != (c.want == "") {
				t.Errorf("stored: %t", stored)
			}
		})
	}
}

// TestPutMetricDataStores sends each kind of value, zipped and not.
func TestPutMetricDataStores(t *testing.T) {
	t.Parallel()
	for _, zipped := range []bool{false, true} {
		t.Run(fmt.Sprint("zipped: ", zipped), func(t *testing.T) {
			t.Parallel()
			s := start(t, func(o *sdk.Options) { o.DisableRequestCompression, o.RequestMinCompressSizeBytes = !zipped, 0 })
			_, err := s.PutMetricData(t.Context(), &sdk.PutMetricDataInput{
				Namespace: aws.String("Cronbearer"),
				MetricData: []types.MetricDatum{
					datum(func(d *types.MetricDatum) { d.Value = aws.Float64(-3) }),
					datum(func(d *types.MetricDatum) { d.Value, d.Values, d.Counts = nil, []float64{2, 7.5}, []float64{3, 1} }),
					datum(func(d *types.MetricDatum) {
						d.Value, d.StatisticValues = nil, &types.StatisticSet{
							SampleCount: aws.Float64(2), Sum: aws.Float64(4), Minimum: aws.Float64(1), Maximum: aws.Float64(3),
						}
					}),
				},
			})
			if err != nil {
				t.Fatal(err)
			}
			if call := s.server.Calls("PutMetricData")[0]; call.Gzip != zipped || call.AccessKey != "FAKEKEY" {
				t.Errorf("call: gzip %t, %s", call.Gzip, call.AccessKey)
			}
			metric := alarm.Metric{
				Namespace: "Cronbearer", Name: "TokenRejected",
				Dimensions: []alarm.Dimension{{Name: "Stack", Value: "s"}, {Name: "Token", Value: "t"}},
			}
			for statistic, want := range map[string]float64{"SampleCount": 7, "Sum": 14.5, "Minimum": -3, "Maximum": 7.5} {
				points := s.samples.Aggregate(metric, statistic, time.Minute, now, now.Add(time.Minute))
				if len(points) != 1 || points[0].Value != want {
					t.Errorf("%s: %v, want %v", statistic, points, want)
				}
			}
		})
	}
}

// TestAlarms: DescribeAlarms shows what SetAlarmState did, and what is not there or not allowed is rejected.
func TestAlarms(t *testing.T) {
	t.Parallel()
	s := start(t)
	const name = "app-TokenRejected-A"
	if err := s.monitor.Put(alarm.Alarm{
		Name: name, Description: "what to do", Namespace: "Cronbearer", MetricName: "TokenRejected", Statistic: "Maximum",
		Period:            time.Minute,
		EvaluationPeriods: 1, DatapointsToAlarm: 1, Threshold: 1, ComparisonOperator: "GreaterThanOrEqualToThreshold",
		TreatMissingData: "ignore", ActionsEnabled: true,
		Dimensions:   []alarm.Dimension{{Name: "Stack", Value: "app"}},
		AlarmActions: []string{"arn:aws:sns:eu-west-1:123456789012:topic"},
	}, now.Add(-time.Hour)); err != nil {
		t.Fatal(err)
	}
	set := func(alarmName, state, data string) error {
		_, err := s.SetAlarmState(t.Context(), &sdk.SetAlarmStateInput{
			AlarmName: &alarmName, StateValue: types.StateValue(state), StateReason: aws.String("because"),
			StateReasonData: aws.String(data),
		})
		return err
	}
	for _, rejection := range []struct{ name, state, data, want string }{
		{name: "other", state: "ALARM", data: "{}", want: "ResourceNotFound"},
		{name: name, state: "ALARM", data: "no JSON", want: "InvalidFormat"},
		{name: name, state: "WORSE", data: "{}", want: "ValidationError"},
	} {
		if got := code(set(rejection.name, rejection.state, rejection.data)); got != rejection.want {
			t.Errorf("%+v: got %q", rejection, got)
		}
	}
	for range 2 { // the second changes nothing
		if err := set(name, "ALARM", `{"a":1}`); err != nil {
			t.Fatal(err)
		}
	}
	if len(s.changes) != 1 || s.changes[0].From != alarm.InsufficientData || s.changes[0].To != alarm.InAlarm {
		t.Errorf("changes: %+v", s.changes)
	}
	out, err := s.DescribeAlarms(
		t.Context(),
		&sdk.DescribeAlarmsInput{
			AlarmNames: []string{name, "other"}, AlarmTypes: []types.AlarmType{types.AlarmTypeMetricAlarm},
		},
	)
	if err != nil || len(out.MetricAlarms) != 1 {
		t.Fatal(out, err)
	}
	a := out.MetricAlarms[0]
	got := []any{
		*a.AlarmName, a.StateValue, *a.StateReason, *a.StateReasonData, a.StateTransitionedTimestamp.UTC(), *a.Period,
		*a.Threshold, *a.DatapointsToAlarm, *a.TreatMissingData, a.AlarmActions,
	}
	want := []any{
		name, types.StateValueAlarm, "because", `{"a":1}`, now, int32(60), 1.0, int32(1), "ignore",
		[]string{"arn:aws:sns:eu-west-1:123456789012:topic"},
	}
	if diff := cmp.Diff(want, got); diff != "" {
		t.Errorf("the alarm (-want +got)\n%s", diff)
	}
	s.server.Faults.Set("DescribeAlarms", "", api.Throttled)
	if _, err := s.DescribeAlarms(t.Context(), &sdk.DescribeAlarmsInput{}); code(err) != "ThrottlingException" {
		t.Error(err)
	}
	s.server.Faults.Clear()
	s.server.Authorize = func(_ string, access api.Access) *api.Error {
		if access.Action == "cloudwatch:PutMetricData" &&
			!slices.Equal(access.Context["cloudwatch:namespace"], []string{"Cronbearer"}) {
			return api.Denied.Error
		}
		return nil
	}
	if _, err := s.PutMetricData(
		t.Context(), &sdk.PutMetricDataInput{Namespace: aws.String("Other"), MetricData: []types.MetricDatum{datum(nil)}},
	); code(err) != "AccessDeniedException" {
		t.Error(err)
	}
	if _, err := s.ListMetrics(t.Context(), &sdk.ListMetricsInput{}); code(err) != "UnknownOperationException" {
		t.Error(err)
	}
}
