package lambda_test

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"net/http"
	"net/http/httptest"
	"os"
	"strings"
	"testing"
	"time"

	awslambda "github.com/aws/aws-lambda-go/lambda"
	"github.com/aws/aws-lambda-go/lambdacontext"
	"github.com/google/go-cmp/cmp"

	"github.com/cronbearer/cronbearer/internal/dev/awssim/lambda"
)

// asFunction makes this test's own binary the function: no other needs to be built.
const asFunction = "CRONBEARER_TEST_AS_FUNCTION"

func TestMain(m *testing.M) {
	switch os.Getenv(asFunction) {
	case "":
		os.Exit(m.Run())
	case "no start":
		fmt.Fprintln(os.Stderr, "this function does not start")
		os.Exit(3)
	default:
		awslambda.Start(handle)
	}
}

type rejectedError struct{ text string }

func (e *rejectedError) Error() string { return e.text }

func handle(ctx context.Context, e struct{ Do, Say string }) (map[string]any, error) {
	fmt.Println(`{"message":"` + e.Say + `"}`)
	switch e.Do {
	case "fail":
		return nil, &rejectedError{"as instructed"}
	case "panic":
		panic("as instructed")
	case "exit":
		os.Exit(7)
	case "sleep":
		time.Sleep(time.Minute)
	case "wait": // until the test lets it go on
		request, err := http.NewRequestWithContext(ctx, http.MethodGet, os.Getenv("WAIT_AT"), nil)
		if err != nil {
			return nil, fmt.Errorf("wait: %w", err)
		}
		response, err := http.DefaultClient.Do(request)
		if err != nil {
			return nil, fmt.Errorf("wait: %w", err)
		}
		_ = response.Body.Close()
	case "shout":
		fmt.Fprintln(os.Stderr, "to stderr")
	}
	lc, _ := lambdacontext.FromContext(ctx)
	deadline, _ := ctx.Deadline()
	return map[string]any{
		"id": lc.AwsRequestID, "arn": lc.InvokedFunctionArn, "seconds": time.Until(deadline).Round(time.Second).Seconds(),
		"mine": os.Getenv("MINE"), "path": os.Getenv("PATH"),
	}, nil
}

func config(t *testing.T, mode string) lambda.Config {
	t.Helper()
	binary, err := os.Executable()
	if err != nil {
		t.Fatal(err)
	}
	n := 0
	return lambda.Config{
		Name: "function", ARN: "arn:aws:lambda:eu-west-1:123456789012:function:function", Binary: binary,
		Environment: []string{asFunction + "=" + mode, "MINE=yes"}, Dir: t.TempDir(), Now: time.Now,
		NewID: func() string { n++; return fmt.Sprintf("00000000-0000-4000-8000-%012d", n) },
	}
}

func start(t *testing.T, c lambda.Config) *lambda.Function {
	t.Helper()
	f := lambda.NewFunction(c)
	t.Cleanup(f.Close)
	return f
}

// TestInvoke runs a real process through what can happen to it; each time the next event finds one that works.
func TestInvoke(t *testing.T) {
	t.Parallel()
	cases := map[string]struct {
		event, errorType, message string
		stderr                    string
		cold                      bool // of the event after it
	}{
		"works": {event: `{"Say":"hello"}`, errorType: "", message: "", stderr: "", cold: false},
		"writes": {
			event: `{"Do":"shout","Say":"hello"}`, errorType: "", message: "", stderr: "to stderr\n", cold: false,
		},
		"returns errors": {
			event: `{"Do":"fail","Say":"hello"}`, errorType: "rejectedError", message: "as instructed", stderr: "",
			cold: false,
		},
		"panics": {
			event: `{"Do":"panic","Say":"hello"}`, errorType: "string", message: "as instructed", stderr: "", cold: true,
		},
		"exits": {
			event: `{"Do":"exit","Say":"hello"}`, errorType: "Runtime.ExitError", message: "exit status 7", stderr: "",
			cold: true,
		},
		"takes too long": {
			event: `{"Do":"sleep","Say":"hello"}`, errorType: "Sandbox.Timedout", message: "Task timed out after 2.00 seconds",
			stderr: "", cold: true,
		},
		"cannot be read": {
			event: `{"Do":7,"Say":"hello"}`, errorType: "UnmarshalTypeError", message: "json", stderr: "", cold: false,
		},
		"is only a value": {event: `"x"`, errorType: "UnmarshalTypeError", message: "json", stderr: "", cold: false},
	}
	for name, c := range cases {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			configured := config(t, "yes")
			configured.Timeout = 2 * time.Second
			f := start(t, configured)
			i, err := f.Invoke(t.Context(), []byte(c.event))
			if err != nil {
				t.Fatal(err)
			}
			if i.ErrorType != c.errorType || !strings.Contains(i.Message, c.message) || i.Failed != (c.errorType != "") ||
				!i.Cold {
				t.Errorf("got %q %q, failed %t, cold %t\n%s", i.ErrorType, i.Message, i.Failed, i.Cold, i.Stderr)
			}
			if strings.Contains(c.event, "hello") && c.errorType != "UnmarshalTypeError" {
				if diff := cmp.Diff([]map[string]any{{"message": "hello"}}, i.Lines()); diff != "" {
					t.Errorf("lines (-want +got)\n%s", diff)
				}
			}
			if c.stderr != "" && string(i.Stderr) != c.stderr {
				t.Errorf("stderr %q", i.Stderr)
			}
			next, err := f.Invoke(t.Context(), []byte(`{"Say":"again"}`))
			if err != nil || next.Failed || next.Cold != c.cold || len(next.Lines()) != 1 {
				t.Errorf("the next event: %v %+v", err, next)
			}
			var got map[string]any
			if err := json.Unmarshal(next.Payload, &got); err != nil {
				t.Fatal(err)
			}
			want := map[string]any{"id": next.RequestID, "arn": f.ARN(), "seconds": 2.0, "mine": "yes", "path": ""}
			if diff := cmp.Diff(want, got); diff != "" {
				t.Errorf("what the function was asked to do (-want +got)\n%s", diff)
			}
		})
	}
}

// TestNoStart: a binary that does not start is this machine's fault, and says what it wrote.
func TestNoStart(t *testing.T) {
	t.Parallel()
	f := start(t, config(t, "no start"))
	if _, err := f.Invoke(t.Context(), []byte(`{}`)); err == nil ||
		!strings.Contains(err.Error(), "this function does not start") {
		t.Error(err)
	}
	missing := config(t, "yes")
	missing.Binary = "/nowhere/caller"
	if _, err := start(t, missing).Invoke(t.Context(), []byte(`{}`)); err == nil {
		t.Error("a binary that is not there started")
	}
}

// TestIdleLife: an environment without work goes after its time, on the clock.
func TestIdleLife(t *testing.T) {
	t.Parallel()
	now := time.Date(2026, 11, 2, 8, 0, 0, 0, time.UTC)
	c := config(t, "yes")
	c.Now, c.IdleLife = func() time.Time { return now }, 10*time.Minute
	f := start(t, c)
	var cold []bool
	for _, wait := range []time.Duration{0, 9 * time.Minute, 11 * time.Minute} {
		now = now.Add(wait)
		f.Reap()
		i, err := f.Invoke(t.Context(), []byte(`{}`))
		if err != nil {
			t.Fatal(err)
		}
		cold = append(cold, i.Cold)
	}
	if diff := cmp.Diff([]bool{true, false, true}, cold); diff != "" {
		t.Error(diff)
	}
}

// queued drives an Async on a clock of its own.
type queued struct {
	now     time.Time
	plans   []plan
	counts  map[string]float64
	records []string
	runs    []lambda.Invocation
	lost    error
}

type plan struct {
	at time.Time
	do func(context.Context)
}

func (q *queued) async(t *testing.T, retries int, age time.Duration, limit int) *lambda.Async {
	t.Helper()
	q.counts = map[string]float64{}
	q.now = time.Date(2026, 11, 2, 8, 0, 0, 0, time.UTC)
	c := config(t, "yes")
	c.Now, c.MaxConcurrency = func() time.Time { return q.now }, limit
	return &lambda.Async{
		Function: start(t, c), MaxRetries: retries, MaxAge: age,
		OnFailure: func(record string) error {
			if q.lost == nil {
				q.records = append(q.records, record)
			}
			return q.lost
		},
		At:     func(at time.Time, do func(context.Context)) { q.plans = append(q.plans, plan{at, do}) },
		Count:  func(metric string, value float64) { q.counts[metric] += value },
		Ran:    func(i lambda.Invocation) { q.runs = append(q.runs, i) },
		Broken: func(err error) { t.Error(err) },
	}
}

func (q *queued) settle(ctx context.Context) {
	for len(q.plans) > 0 {
		next := q.plans[0]
		q.plans = q.plans[1:]
		q.now = next.at
		next.do(ctx)
	}
}

// TestAsync counts attempts, waits, metrics and records.
func TestAsync(t *testing.T) {
	t.Parallel()
	cases := map[string]struct {
		event   string
		retries int
		lost    error
		runs    int
		took    time.Duration
		records int
		counts  map[string]float64
	}{
		"succeeds": {
			event: `{}`, retries: 2, lost: nil, runs: 1, took: 0, records: 0,
			counts: map[string]float64{"Invocations": 1, "Errors": 0},
		},
		"fails": {
			event: `{"Do":"fail"}`, retries: 2, lost: nil, runs: 3, took: 3 * time.Minute, records: 1,
			counts: map[string]float64{"Invocations": 3, "Errors": 3, "AsyncEventsDropped": 1},
		},
		"no retries": {
			event: `{"Do":"fail"}`, retries: 0, lost: nil, runs: 1, took: 0, records: 1,
			counts: map[string]float64{"Invocations": 1, "Errors": 1, "AsyncEventsDropped": 1},
		},
		"record lost": {
			event: `{"Do":"fail"}`, retries: 0, lost: errors.New("denied"), runs: 1, took: 0, records: 0,
			counts: map[string]float64{"Invocations": 1, "Errors": 1, "AsyncEventsDropped": 1, "DestinationDeliveryFailures": 1},
		},
	}
	for name, c := range cases {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			q := &queued{lost: c.lost}
			a := q.async(t, c.retries, 0, 0)
			begin := q.now
			if err := a.Accept(t.Context(), []byte(c.event)); err != nil {
				t.Fatal(err)
			}
			q.settle(t.Context())
			if len(q.runs) != c.runs || q.now.Sub(begin) != c.took || len(q.records) != c.records {
				t.Errorf("%d runs in %s, %d records", len(q.runs), q.now.Sub(begin), len(q.records))
			}
			for _, r := range q.runs {
				if r.RequestID != q.runs[0].RequestID {
					t.Error("a retry has another request id")
				}
			}
			if diff := cmp.Diff(c.counts, q.counts); diff != "" {
				t.Errorf("metrics (-want +got)\n%s", diff)
			}
			for _, r := range q.records {
				var got map[string]any
				if err := json.Unmarshal([]byte(r), &got); err != nil {
					t.Fatal(err)
				}
				want := map[string]any{
					"version": "1.0", "timestamp": q.now.Format("2006-01-02T15:04:05.000Z"),
					"requestPayload": map[string]any{"Do": "fail"},
					"requestContext": map[string]any{
						"requestId": q.runs[0].RequestID, "functionArn": a.Function.ARN() + ":$LATEST", "condition": "RetriesExhausted",
						"approximateInvokeCount": float64(c.runs),
					},
					"responseContext": map[string]any{"statusCode": 200.0, "executedVersion": "$LATEST", "functionError": "Unhandled"},
					"responsePayload": map[string]any{"errorType": "rejectedError", "errorMessage": "as instructed"},
				}
				if diff := cmp.Diff(want, got); diff != "" {
					t.Errorf("record (-want +got)\n%s", diff)
				}
			}
		})
	}
}

// TestThrottledTooLong: an event that finds no environment until it is too old goes to the destination unrun.
func TestThrottledTooLong(t *testing.T) {
	t.Parallel()
	arrived, goOn := make(chan struct{}), make(chan struct{})
	web := httptest.NewServer(http.HandlerFunc(func(http.ResponseWriter, *http.Request) {
		close(arrived)
		<-goOn
	}))
	t.Cleanup(web.Close)
	q := &queued{}
	a := q.async(t, 0, 15*time.Minute, 1)
	c := config(t, "yes")
	c.Now, c.MaxConcurrency, c.Environment = func() time.Time {
		return q.now
	}, 1, append(c.Environment, "WAIT_AT="+web.URL)
	a.Function = start(t, c)
	ended := make(chan error)
	go func() {
		_, err := a.Function.Invoke(t.Context(), []byte(`{"Do":"wait"}`))
		ended <- err
	}()
	<-arrived
	if err := a.Accept(t.Context(), []byte(`{}`)); err != nil {
		t.Fatal(err)
	}
	q.settle(t.Context())
	close(goOn)
	if err := <-ended; err != nil {
		t.Error(err)
	}
	if len(q.runs) != 0 || len(q.records) != 1 || !strings.Contains(q.records[0], "EventAgeExceeded") ||
		q.counts["Throttles"] < 5 {
		t.Errorf("%d runs, records %q, counts %v", len(q.runs), q.records, q.counts)
	}
}
