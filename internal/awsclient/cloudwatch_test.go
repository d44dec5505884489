package awsclient_test

import (
	"context"
	"errors"
	"io"
	"net/http"
	"net/http/httptest"
	"strings"
	"testing"
	"time"

	"github.com/aws/aws-sdk-go-v2/aws"
	sdk "github.com/aws/aws-sdk-go-v2/service/cloudwatch"
	"github.com/aws/aws-sdk-go-v2/service/cloudwatch/types"
	"github.com/aws/smithy-go"
	"github.com/aws/smithy-go/encoding/cbor"
	"github.com/google/go-cmp/cmp"

	"github.com/cronbearer/cronbearer/internal/awsclient"
	"github.com/cronbearer/cronbearer/internal/cloudwatch"
	"github.com/cronbearer/cronbearer/internal/settings"
)

// AWS adds members to answers without notice.
func TestAnswersWithUnknownMembersAreNoError(t *testing.T) { //nolint:paralleltest // it sets variables
	t.Setenv("AWS_ACCESS_KEY_ID", "AKIDEXAMPLE")
	t.Setenv("AWS_SECRET_ACCESS_KEY", "an-example-of-a-secret-access-key")
	operations := map[string]func(context.Context, *cloudwatch.Client) error{
		"PutMetricData": func(ctx context.Context, c *cloudwatch.Client) error {
			err := c.PutMetricData(ctx, &cloudwatch.PutMetricDataInput{
				Namespace: "N", MetricData: []cloudwatch.MetricDatum{{MetricName: "M", Value: 1, Timestamp: time.Now()}},
			})
			return err
		},
		"SetAlarmState": func(ctx context.Context, c *cloudwatch.Client) error {
			err := c.SetAlarmState(ctx, &cloudwatch.SetAlarmStateInput{
				AlarmName: "A", StateValue: cloudwatch.StateValueAlarm, StateReason: "r",
			})
			return err
		},
		"DescribeAlarms": func(ctx context.Context, c *cloudwatch.Client) error {
			_, err := c.DescribeAlarms(ctx, "A")
			return err
		},
	}
	for name, answer := range map[string]struct {
		status int
		header string // X-Amzn-Query-Error
		body   string
		code   string // of the error; empty: none
	}{
		"no member":                  {status: 200, body: "\xa0"},
		"no body":                    {status: 200},
		"one member":                 {status: 200, body: "\xa1\x68anything\x01"},
		"a member of many":           {status: 200, body: "\xbf\x68anything\xa1\x61x\x82\x01\xf6\xff"},
		"a refusal":                  {status: 400, body: "\xa2\x66__type\x6fLimitExceeded__\x67message\x61m", code: "LimitExceeded__"},
		"a map of a list in a list":  {status: 200, body: "\xa1\x6cMetricAlarms\x82\x81\x01\xa1\x61x\xf6"},
		"a refusal with a header":    {status: 400, header: "InvalidParameterValue;Sender", body: "\xa1\x66__type\x61X", code: "InvalidParameterValue"},
		"a refusal with a namespace": {status: 400, body: "\xa1\x66__type\x65a.b#C", code: "C"},
		"a page of a proxy":          {status: 503, body: "<html>", code: "status 503"},
		"a refusal with a member":    {status: 400, body: "\xa2\x66__type\x6fLimitExceeded__\x68anything\x01", code: "LimitExceeded__"},
	} {
		server := httptest.NewServer(http.HandlerFunc(func(w http.ResponseWriter, _ *http.Request) {
			w.Header().Set("Content-Type", "application/cbor")
			w.Header().Set("Smithy-Protocol", "rpc-v2-cbor")
			if answer.header != "" {
				w.Header().Set("X-Amzn-Query-Error", answer.header)
			}
			w.WriteHeader(answer.status)
			_, _ = io.WriteString(w, answer.body)
		}))
		client := awsclient.CloudWatch(settings.Settings{Region: "eu-west-1", CloudWatchEndpoint: server.URL}, http.DefaultTransport)
		for operation, call := range operations {
			err := call(t.Context(), client)
			code := ""
			if api, ok := errors.AsType[smithy.APIError](err); ok {
				code = api.ErrorCode()
			}
			if code != answer.code || (err != nil) != (answer.code != "") {
				t.Errorf("%s, %s: %v", operation, name, err)
			}
		}
		server.Close()
	}
}

// What the SDK's own client sends is what CloudWatch is known to take.
func TestRequestsToCloudWatchAreThoseOfTheSDK(t *testing.T) {
	environment(t)
	at := time.Date(2026, 11, 28, 9, 0, 0, 123_456_789, time.UTC)
	stored := &recorded{body: "\xa0"}
	ours := awsclient.CloudWatch(settings.Settings{Region: "eu-west-1"}, stored)
	theirs := sdk.New(sdk.Options{
		Region: "eu-west-1", HTTPClient: &http.Client{Transport: stored}, DisableRequestCompression: true,
		Credentials: aws.CredentialsProviderFunc(func(context.Context) (aws.Credentials, error) {
			return aws.Credentials{AccessKeyID: "AKIDEXAMPLE", SecretAccessKey: "secret", SessionToken: "session"}, nil
		}),
	})
	for name, c := range map[string]struct{ ours, theirs func(context.Context) error }{
		"PutMetricData": {
			func(ctx context.Context) error {
				return ours.PutMetricData(ctx, &cloudwatch.PutMetricDataInput{Namespace: "N", MetricData: []cloudwatch.MetricDatum{
					{MetricName: "M", Timestamp: at, Value: -0.5, Dimensions: []cloudwatch.Dimension{{Name: "Stack", Value: "é"}, {Name: "Token", Value: "T"}}},
				}})
			},
			func(ctx context.Context) error {
				_, err := theirs.PutMetricData(ctx, &sdk.PutMetricDataInput{Namespace: aws.String("N"), MetricData: []types.MetricDatum{{
					MetricName: aws.String("M"), Timestamp: &at, Value: aws.Float64(-0.5),
					Dimensions: []types.Dimension{{Name: aws.String("Stack"), Value: aws.String("é")}, {Name: aws.String("Token"), Value: aws.String("T")}},
				}}})
				return err
			},
		},
		"SetAlarmState": {
			func(ctx context.Context) error {
				return ours.SetAlarmState(ctx, &cloudwatch.SetAlarmStateInput{AlarmName: "A", StateValue: cloudwatch.StateValueAlarm, StateReason: "r", StateReasonData: "{}"})
			},
			func(ctx context.Context) error {
				_, err := theirs.SetAlarmState(ctx, &sdk.SetAlarmStateInput{
					AlarmName: aws.String("A"), StateValue: types.StateValueAlarm, StateReason: aws.String("r"), StateReasonData: aws.String("{}"),
				})
				return err
			},
		},
		"DescribeAlarms": {
			func(ctx context.Context) error {
				_, err := ours.DescribeAlarms(ctx, "A", "B")
				return err
			},
			func(ctx context.Context) error {
				_, err := theirs.DescribeAlarms(ctx, &sdk.DescribeAlarmsInput{AlarmNames: []string{"A", "B"}, AlarmTypes: []types.AlarmType{types.AlarmTypeMetricAlarm}})
				return err
			},
		},
	} {
		stored.requests = nil
		if err := errors.Join(c.ours(t.Context()), c.theirs(t.Context())); err != nil || len(stored.requests) != 2 {
			t.Fatalf("%s: %v, %d requests", name, err, len(stored.requests))
		}
		if diff := cmp.Diff(stored.requests[1], stored.requests[0]); diff != "" {
			t.Errorf("%s (-the SDK's +ours):\n%s", name, diff)
		}
	}
}

// recorded keeps what CloudWatch reads of a request. Lengths of lists and maps, which CBOR may leave open, are not in it.
type recorded struct {
	body     string
	requests []map[string]any
}

func (r *recorded) RoundTrip(request *http.Request) (*http.Response, error) {
	body, err := io.ReadAll(request.Body)
	if err != nil {
		return nil, err
	}
	decoded, err := cbor.Decode(body)
	if err != nil {
		return nil, err
	}
	scope, _, _ := strings.Cut(request.Header.Get("Authorization"), ", SignedHeaders")
	got := map[string]any{"method": request.Method, "url": request.URL.String(), "body": decoded, "scope": scope, "length is known": request.ContentLength == int64(len(body))}
	for _, name := range []string{"Content-Type", "Accept", "Smithy-Protocol", "X-Amzn-Query-Mode", "X-Amz-Security-Token", "Content-Encoding"} {
		got[name] = request.Header.Values(name)
	}
	r.requests = append(r.requests, got)
	header := http.Header{"Content-Type": {"application/cbor"}, "Smithy-Protocol": {"rpc-v2-cbor"}}
	return &http.Response{StatusCode: http.StatusOK, Header: header, Body: io.NopCloser(strings.NewReader(r.body)), Request: request}, nil
}

func TestCloudWatchEndpointsAreThoseOfTheSDK(t *testing.T) {
	t.Parallel()
	for _, region := range []string{"eu-west-1", "us-east-1", "us-east-2", "ca-west-1", "cn-north-1", "us-gov-west-1", "us-gov-east-1"} {
		for _, fips := range []bool{false, true} {
			for _, dualStack := range []bool{false, true} {
				want, err := sdk.NewDefaultEndpointResolverV2().ResolveEndpoint(t.Context(), sdk.EndpointParameters{
					Region: &region, UseFIPS: &fips, UseDualStack: &dualStack,
				})
				if err != nil {
					t.Fatal(err)
				}
				s := settings.Settings{Region: region, UseFIPS: fips, UseDualStack: dualStack}
				if got := awsclient.CloudWatchURL(s); got != want.URI {
					t.Errorf("%+v: got %s, want %s", s, got.String(), want.URI.String())
				}
			}
		}
	}
}

func TestAlarmsAreReadWhateverElseTheyHave(t *testing.T) {
	environment(t)
	at := time.Date(2026, 11, 28, 9, 0, 0, 0, time.UTC)
	body := string(cbor.Encode(cbor.Map{"CompositeAlarms": cbor.List{}, "MetricAlarms": cbor.List{
		cbor.Map{
			"AlarmName": cbor.String("A"), "StateValue": cbor.String("ALARM"), "StateReason": cbor.String("r"), "StateReasonData": cbor.String("{}"),
			"StateTransitionedTimestamp": &cbor.Tag{ID: 1, Value: cbor.Float64(float64(at.Unix()))}, "Period": cbor.Uint(60), "New": cbor.Map{},
		},
		cbor.Map{"AlarmName": cbor.String("B"), "StateReason": &cbor.Nil{}},
	}}))
	got, err := awsclient.CloudWatch(settings.Settings{Region: "eu-west-1"}, &recorded{body: body}).DescribeAlarms(t.Context(), "A", "B")
	want := []cloudwatch.MetricAlarm{
		{AlarmName: "A", StateValue: cloudwatch.StateValueAlarm, StateReason: "r", StateReasonData: "{}", StateTransitionedTimestamp: at},
		{AlarmName: "B"},
	}
	if diff := cmp.Diff(want, got, cmp.Transformer("UTC", time.Time.UTC)); diff != "" || err != nil {
		t.Errorf("%v (-want +got):\n%s", err, diff)
	}
	for name, body := range map[string]string{"no CBOR": "<html>", "no map": "\x01", "cut off": body[:20], "deep": strings.Repeat("\x81", 1<<20)} {
		if got, err := awsclient.CloudWatch(settings.Settings{Region: "eu-west-1"}, &recorded{body: body}).DescribeAlarms(t.Context(), "A"); err == nil {
			t.Errorf("%s: %v", name, got)
		}
	}
}
