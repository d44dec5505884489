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

	"github.com/cronbearer/cronbearer/internal/caller"
	"github.com/cronbearer/cronbearer/internal/config"
	"github.com/cronbearer/cronbearer/internal/dev/cwfake"
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

// warmed is a handler after its first run, and the target's answer to it.
func warmed(tb testing.TB, status answering) (run func() error, secrets *smfake.Reader, metrics *cwfake.CloudWatch) {
	tb.Helper()
	allowed, err := hosts.Parse([]string{"api.example.com"})
	if err != nil {
		tb.Fatal(err)
	}
	transport := &http.Transport{Protocols: new(http.Protocols)}
	transport.Protocols.SetHTTP1(true) // without HTTP/2, which would otherwise handle https as well
	transport.RegisterProtocol("https", status)
	secrets, metrics = smfake.NewReader(tb), cwfake.New(tb, nil)
	secrets.Put(
		secretID, current, "3f1f3a52-6f1c-4f7e-9d4e-8e6f5f9a1c11", "token-0123456789abcdef0123456789",
		time.Unix(1, 0),
	)
	s := config.Settings{
		MetricNamespace: "N", StackName: "S", SecretPrefix: "S/", AllowedHosts: allowed, SecretCacheTTL: 5 * time.Minute,
		IdempotencyHeader: "Idempotency-Key", LogLevel: slog.LevelInfo,
	}
	h := caller.Assemble(s, secrets, metrics, transport, io.Discard)
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
	return run, secrets, metrics
}

// BenchmarkWarmRun is a run but for the network: what the caller itself adds to a call.
func BenchmarkWarmRun(b *testing.B) {
	for name, status := range map[string]answering{"accepted": http.StatusOK, "rejected": http.StatusUnauthorized} {
		b.Run(name, func(b *testing.B) {
			run, _, metrics := warmed(b, status)
			metrics.Put = func(context.Context, int) error { metrics.Puts = nil; return nil } // it would keep them all
			b.ReportAllocs()
			for b.Loop() {
				_ = run()
			}
		})
	}
}

func TestWarmRunsMakeNoAWSCalls(t *testing.T) {
	t.Parallel()
	run, secrets, metrics := warmed(t, http.StatusOK)
	for range 100 {
		if err := run(); err != nil {
			t.Fatal(err)
		}
	}
	if reads, puts := secrets.Count(), len(metrics.Puts); reads != 1 || puts != 1 {
		t.Errorf("%d secret reads and %d metric calls in a hundred warm runs and the first, want 1 and 1", reads, puts)
	}
}
