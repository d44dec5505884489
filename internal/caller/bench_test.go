package caller_test

import (
	"context"
	"io"
	"log/slog"
	"net/http"
	"strings"
	"testing"
	"time"

	"github.com/aws/aws-lambda-go/lambdacontext"
	"github.com/aws/aws-sdk-go-v2/service/cloudwatch"

	"github.com/cronbearer/cronbearer/internal/caller"
	"github.com/cronbearer/cronbearer/internal/config"
	"github.com/cronbearer/cronbearer/internal/dev/smfake"
	"github.com/cronbearer/cronbearer/internal/hosts"
)

const warmEvent = `{"job":"DailyReport","action":"call","token":"ExampleApi","secret":"example-api",` +
	`"call":"GET https://api.example.com/v1/reports?for={{scheduledDate}}","headers":{"Accept":"application/json"},` +
	`"body":null,` +
	`"timeout":"30s","attempts":3,"idempotent":false,"maxAge":"","expect":{"status":["2xx"]},"reject":{},` +
	`"scheduleArn":"arn:aws:scheduler:eu-west-1:123456789012:schedule/stack/DailyReport",` +
	`"scheduledTime":"2026-11-24T09:00:00Z"}`

// answering is a target that answers at once, without a network.
type answering int

func (status answering) RoundTrip(r *http.Request) (*http.Response, error) {
	header := http.Header{"Content-Type": {"application/json"}, "Date": {"Tue, 24 Nov 2026 09:00:00 GMT"}}
	if status == http.StatusUnauthorized {
		header.Set("WWW-Authenticate", `Bearer error="invalid_token"`)
	}
	return &http.Response{
		StatusCode: int(status), Proto: "HTTP/1.1", ProtoMajor: 1, ProtoMinor: 1,
		Header: header, Body: io.NopCloser(strings.NewReader(`{"ok":true}`)), Request: r,
	}, nil
}

// counting is AWS without a network. It counts what is asked of it.
type counting struct {
	caller.CloudWatch
	*smfake.Reader

	puts int
}

func (c *counting) PutMetricData(
	context.Context, *cloudwatch.PutMetricDataInput, ...func(*cloudwatch.Options),
) (*cloudwatch.PutMetricDataOutput, error) {
	c.puts++
	return &cloudwatch.PutMetricDataOutput{}, nil
}

// warmed is a handler after its first run, and the target's answer to it.
func warmed(tb testing.TB, status answering) (run func() error, cloud *counting) {
	tb.Helper()
	allowed, err := hosts.Parse([]string{"api.example.com"})
	if err != nil {
		tb.Fatal(err)
	}
	transport := &http.Transport{Protocols: new(http.Protocols)}
	transport.Protocols.SetHTTP1(true) // without HTTP/2, which would otherwise handle https as well
	transport.RegisterProtocol("https", status)
	cloud = &counting{Reader: smfake.NewReader(tb)}
	cloud.Put(
		secretID, current, "3f1f3a52-6f1c-4f7e-9d4e-8e6f5f9a1c11", "token-0123456789abcdef0123456789",
		time.Unix(1, 0),
	)
	s := config.Settings{
		MetricNamespace: "N", StackName: "S", SecretPrefix: "S/", AllowedHosts: allowed, SecretCacheTTL: 5 * time.Minute,
		IdempotencyHeader: "Idempotency-Key", LogLevel: slog.LevelInfo,
	}
	h := caller.Assemble(s, cloud, cloud, transport, io.Discard)
	ctx := lambdacontext.NewContext(
		tb.Context(), &lambdacontext.LambdaContext{AwsRequestID: "8476a536-e9f4-11e8-9739-2dfe598c3fcd"},
	)
	run = func() error {
		_, err := h.Invoke(ctx, []byte(warmEvent))
		return err
	}
	if err := run(); (err == nil) != (status == http.StatusOK) {
		tb.Fatal(err)
	}
	return run, cloud
}

// BenchmarkWarmRun is a run but for the network: what the caller itself adds to a call.
func BenchmarkWarmRun(b *testing.B) {
	for name, status := range map[string]answering{"accepted": http.StatusOK, "rejected": http.StatusUnauthorized} {
		b.Run(name, func(b *testing.B) {
			run, _ := warmed(b, status)
			b.ReportAllocs()
			for b.Loop() {
				_ = run()
			}
		})
	}
}

func TestWarmRunsMakeNoAWSCalls(t *testing.T) {
	t.Parallel()
	run, cloud := warmed(t, http.StatusOK)
	for range 100 {
		if err := run(); err != nil {
			t.Fatal(err)
		}
	}
	if cloud.Count() != 1 || cloud.puts != 1 {
		t.Errorf(
			"%d secret reads and %d metric calls in a hundred warm runs and the first, want 1 and 1", cloud.Count(), cloud.puts,
		)
	}
}
