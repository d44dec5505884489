package caller_test

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"log/slog"
	"net/http"
	"strings"
	"sync/atomic"
	"testing"
	"testing/synctest"
	"time"

	"github.com/aws/aws-lambda-go/lambdacontext"
	"github.com/aws/aws-sdk-go-v2/aws"
	"github.com/aws/aws-sdk-go-v2/service/cloudwatch"
	"github.com/aws/aws-sdk-go-v2/service/cloudwatch/types"
	"github.com/aws/smithy-go"
	"github.com/google/go-cmp/cmp"

	"github.com/cronbearer/cronbearer/internal/caller"
	"github.com/cronbearer/cronbearer/internal/hosts"
	"github.com/cronbearer/cronbearer/internal/settings"
)

// fault is what a call does instead of its work; nil: nothing.
type fault func(context.Context) error

// faulty is CloudWatch of which calls go wrong.
type faulty struct {
	*watch

	put, describe, set fault
}

func (f faulty) PutMetricData(ctx context.Context, in *cloudwatch.PutMetricDataInput, o ...func(*cloudwatch.Options)) (*cloudwatch.PutMetricDataOutput, error) {
	if f.put != nil {
		return &cloudwatch.PutMetricDataOutput{}, f.put(ctx)
	}
	return f.watch.PutMetricData(ctx, in, o...)
}

func (f faulty) DescribeAlarms(ctx context.Context, in *cloudwatch.DescribeAlarmsInput, o ...func(*cloudwatch.Options)) (*cloudwatch.DescribeAlarmsOutput, error) {
	if f.describe != nil {
		return nil, f.describe(ctx)
	}
	return f.watch.DescribeAlarms(ctx, in, o...)
}

func (f faulty) SetAlarmState(ctx context.Context, in *cloudwatch.SetAlarmStateInput, o ...func(*cloudwatch.Options)) (*cloudwatch.SetAlarmStateOutput, error) {
	if f.set != nil {
		return nil, f.set(ctx)
	}
	return f.watch.SetAlarmState(ctx, in, o...)
}

// writing is the process's output, of which lines go wrong.
type writing struct {
	*output

	fault fault
	lines int32 // how many
	wrote atomic.Int32
}

func (w *writing) Write(p []byte) (int, error) {
	if w.fault != nil && w.wrote.Add(1) <= w.lines {
		return 0, w.fault(context.Background())
	}
	return w.output.Write(p)
}

// A fault after the verdict loses nothing of the run: its line, result and error are those of a run without it.
func TestReportingChangesNoRun(t *testing.T) {
	t.Parallel()
	canonical := &smithy.GenericAPIError{
		Code: "InvalidSignatureException", Message: "The signature does not match. Check it.\nThe Canonical String was 'x-amz-security-token:" + secret("session") + "'",
	}
	faults := map[string]fault{
		"panics":           func(context.Context) error { panic("runtime error: invalid memory address of " + secret("a")) },
		"hangs":            func(context.Context) error { time.Sleep(time.Hour); return nil },
		"waits":            func(ctx context.Context) error { <-ctx.Done(); return ctx.Err() },
		"fails":            func(context.Context) error { return canonical },
		"fails as a chain": func(context.Context) error { return errors.Join(errors.New(strings.Repeat("long ", 1<<16)), canonical) },
	}
	places := map[string]func(*faulty, *writing, fault){
		"publishing":             func(f *faulty, _ *writing, do fault) { f.put = do },
		"looking at the alarm":   func(f *faulty, _ *writing, do fault) { f.describe = do },
		"setting the alarm":      func(f *faulty, _ *writing, do fault) { f.set = do },
		"writing the first line": func(f *faulty, w *writing, do fault) { f.put = faults["fails"]; w.fault, w.lines = do, 1 },
		"a first line that takes its time": func(f *faulty, w *writing, do fault) {
			f.put, w.lines = do, 1
			w.fault = func(context.Context) error { time.Sleep(1500 * time.Millisecond); return nil }
		},
		"all of CloudWatch":         func(f *faulty, _ *writing, do fault) { f.put, f.describe, f.set = do, do, do },
		"writing every line":        func(_ *faulty, w *writing, do fault) { w.fault, w.lines = do, 1<<30 },
		"CloudWatch and every line": func(f *faulty, w *writing, do fault) { f.put, f.describe, w.fault, w.lines = do, do, do, 1<<30 },
	}
	for place, spoil := range places {
		for kind, do := range faults {
			if kind == "waits" && strings.Contains(place, "line") {
				continue // a writer has no context
			}
			for name, status := range map[string]int{"succeeded": http.StatusOK, "token_rejected": http.StatusUnauthorized, "target_failed": http.StatusNotFound} {
				t.Run(place+" "+kind+", "+name, func(t *testing.T) {
					t.Parallel()
					synctest.Test(t, func(t *testing.T) {
						want := reported(t, status, func(*faulty, *writing) {})
						got := reported(t, status, func(f *faulty, w *writing) { spoil(f, w, do) })
						if strings.Contains(place, "every line") || place == "writing the first line" && kind == "hangs" {
							want.lines = nil // the run's own is lost too, as nothing gets past a pipe that is full
						}
						if diff := cmp.Diff(want.lines, got.lines); diff != "" {
							t.Errorf("results of lines of the run (-want +got):\n%s", diff)
						}
						if diff := cmp.Diff(want.response, got.response); diff != "" {
							t.Errorf("the response (-want +got):\n%s", diff)
						}
						// The error of a rejected run goes on with what became of its metric.
						if fmt.Sprintf("%T", want.err) != fmt.Sprintf("%T", got.err) || want.err != nil && !strings.HasPrefix(got.err.Error(), want.err.Error()) {
							t.Errorf("the error is %v, want %v", got.err, want.err)
						}
						time.Sleep(24 * time.Hour) // what hangs ends
					})
				})
			}
		}
	}
}

// reportedRun is what came of a run, but for how long it took.
type reportedRun struct {
	lines    []caller.Result // of log lines of the run
	response *caller.Result
	err      error
}

// reported is a run against a target with a status, when the token's alarm has been on for a day.
func reported(t *testing.T, status int, spoil func(*faulty, *writing)) reportedRun {
	t.Helper()
	r := newRig(t, nil)
	allowed, err := hosts.Parse([]string{"example.com"})
	if err != nil {
		t.Fatal(err)
	}
	s := settings.Settings{
		MetricNamespace: "N", StackName: "S", SecretPrefix: "S/", AllowedHosts: allowed, SecretCacheTTL: 5 * time.Minute,
		IdempotencyHeader: "Idempotency-Key", RemindAfter: 20 * time.Hour, AlarmPrefix: "S-TokenRejected-", LogLevel: slog.LevelInfo,
	}
	cloudWatch, out := &faulty{watch: r.watch}, &writing{output: r.out}
	r.watch.alarm = &types.MetricAlarm{
		AlarmName: aws.String("S-TokenRejected-T"), StateValue: types.StateValueAlarm, StateTransitionedTimestamp: aws.Time(time.Now().Add(-24 * time.Hour)),
	}
	spoil(cloudWatch, out)
	r.secrets.put(current, "v1", secret("a"), 48*time.Hour)
	r.serve(map[string]int{"a": status})
	h := caller.Assemble(s, r.secrets, cloudWatch, r.net.Transport(), out)
	ctx := lambdacontext.NewContext(t.Context(), &lambdacontext.LambdaContext{AwsRequestID: requestID})
	response, err := h.Invoke(ctx, []byte(`{"job":"J","token":"T","secret":"example-api","call":"GET https://example.com/path"}`))
	got := reportedRun{err: err}
	r.leaks(fmt.Sprint(string(response), err, r.out.from(0)))
	for line := range strings.Lines(r.out.from(0)) {
		var record struct {
			Message string        `json:"message"`
			Error   string        `json:"error"`
			Result  caller.Result `json:"result"`
		}
		if err := json.Unmarshal([]byte(line), &record); err != nil {
			t.Errorf("%v: %s", err, line)
		}
		if record.Message != "run" {
			continue
		}
		if err != nil && err.Error() != record.Error {
			t.Errorf("the line says %q, the error %q", record.Error, err)
		}
		record.Result.DurationMS = 0
		got.lines = append(got.lines, record.Result)
	}
	if response != nil {
		got.response = &caller.Result{}
		if err := json.Unmarshal(response, got.response); err != nil {
			t.Errorf("%v: %s", err, response)
		}
		got.response.DurationMS = 0
	}
	return got
}
