package awsclient_test

import (
	"context"
	"errors"
	"io"
	"net/http"
	"net/http/httptest"
	"testing"
	"time"

	"github.com/aws/aws-sdk-go-v2/aws"
	"github.com/aws/aws-sdk-go-v2/service/cloudwatch"
	"github.com/aws/aws-sdk-go-v2/service/cloudwatch/types"
	"github.com/aws/smithy-go"

	"github.com/cronbearer/cronbearer/internal/awsclient"
	"github.com/cronbearer/cronbearer/internal/config"
)

// AWS adds members to answers without notice. The SDK's own client panics on the first of them here.
func TestAnswersWithUnknownMembersAreNoError(t *testing.T) { //nolint:paralleltest // it sets variables
	t.Setenv("AWS_ACCESS_KEY_ID", "AKIDEXAMPLE")
	t.Setenv("AWS_SECRET_ACCESS_KEY", "an-example-of-a-secret-access-key")
	operations := map[string]func(context.Context, *cloudwatch.Client) error{
		"PutMetricData": func(ctx context.Context, c *cloudwatch.Client) error {
			_, err := c.PutMetricData(ctx, &cloudwatch.PutMetricDataInput{
				Namespace: aws.String("N"),
				MetricData: []types.MetricDatum{
					{MetricName: aws.String("M"), Value: aws.Float64(1), Timestamp: aws.Time(time.Now())},
				},
			})
			return err
		},
		"SetAlarmState": func(ctx context.Context, c *cloudwatch.Client) error {
			_, err := c.SetAlarmState(ctx, &cloudwatch.SetAlarmStateInput{
				AlarmName: aws.String("A"), StateValue: types.StateValueAlarm, StateReason: aws.String("r"),
			})
			return err
		},
		"DescribeAlarms": func(ctx context.Context, c *cloudwatch.Client) error {
			_, err := c.DescribeAlarms(ctx, &cloudwatch.DescribeAlarmsInput{AlarmNames: []string{"A"}})
			return err
		},
	}
	for name, answer := range map[string]struct {
		status int
		body   string
		code   string // of the error; empty: none
	}{
		"no member":        {status: 200, body: "\xa0"},
		"no body":          {status: 200},
		"one member":       {status: 200, body: "\xa1\x68anything\x01"},
		"a member of many": {status: 200, body: "\xbf\x68anything\xa1\x61x\x82\x01\xf6\xff"},
		"a rejection": {
			status: 400, body: "\xa2\x66__type\x6fLimitExceeded__\x67message\x61m", code: "LimitExceeded__",
		},
		"a rejection with a member": {
			status: 400, body: "\xa2\x66__type\x6fLimitExceeded__\x68anything\x01", code: "LimitExceeded__",
		},
	} {
		server := httptest.NewServer(http.HandlerFunc(func(w http.ResponseWriter, _ *http.Request) {
			w.Header().Set("Content-Type", "application/cbor")
			w.Header().Set("Smithy-Protocol", "rpc-v2-cbor")
			w.WriteHeader(answer.status)
			_, _ = io.WriteString(w, answer.body)
		}))
		client := awsclient.CloudWatch(
			config.Settings{Region: "eu-west-1", CloudWatchEndpoint: server.URL}, http.DefaultTransport,
		)
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
