package metric_test

import (
	"bytes"
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"slices"
	"strings"
	"sync"
	"testing"
	"testing/synctest"
	"time"

	"github.com/aws/aws-sdk-go-v2/aws"
	"github.com/aws/smithy-go"
	"github.com/google/go-cmp/cmp"

	"github.com/cronbearer/cronbearer/internal/dev/cwfake"
	"github.com/cronbearer/cronbearer/internal/metric"
)

func newCloudWatch(t *testing.T) *cwfake.CloudWatch {
	t.Helper()
	return cwfake.New(t, nil)
}

// last is the data of the last request, which is the only one.
func last(t *testing.T, api *cwfake.CloudWatch) []string {
	t.Helper()
	if len(api.Puts) > 1 {
		t.Errorf("%d requests for one run", len(api.Puts))
	}
	return api.Said()
}

var start = time.Date(2026, 11, 24, 9, 0, 10, 0, time.UTC)

func yes() *bool { return aws.Bool(true) }
func no() *bool  { return aws.Bool(false) }

const (
	rejected1  = "TokenRejected Stack=S Token=T 1"
	rejected0  = "TokenRejected Stack=S Token=T 0"
	heartbeat1 = "Heartbeat Stack=S Job=J 1"
	heartbeat0 = "Heartbeat Stack=S Job=J 0"
)

func TestOneRequestSaysItAll(t *testing.T) {
	t.Parallel()
	api := newCloudWatch(t)
	p := metric.NewPublisher(api, "Space", "S")
	err := p.Publish(
		t.Context(),
		metric.Report{At: start, Job: "J", Token: "T", Rejected: yes(), Alive: yes(), Expires: start.Add(36 * time.Hour)},
	)
	if err != nil {
		t.Fatal(err)
	}
	put := api.Puts[0]
	if aws.ToString(put.Namespace) != "Space" {
		t.Errorf("namespace %s", aws.ToString(put.Namespace))
	}
	for _, d := range put.MetricData {
		if !aws.ToTime(d.Timestamp).Equal(start) || d.Unit != "" || d.StorageResolution != nil ||
			d.StatisticValues != nil || d.Values != nil {
			t.Errorf("%s: %+v", aws.ToString(d.MetricName), d)
		}
	}
	want := []string{rejected1, "TokenDaysToExpiry Stack=S Token=T 1.5", heartbeat1}
	if diff := cmp.Diff(want, last(t, api)); diff != "" {
		t.Errorf("data (-want +got):\n%s", diff)
	}
}

func TestWhatIsNotKnownIsNotSaid(t *testing.T) {
	t.Parallel()
	cases := map[string]struct {
		report metric.Report
		want   []string
	}{
		"nothing": {report: metric.Report{At: start, Job: "J", Token: "T"}, want: nil},
		"skipped": {report: metric.Report{}, want: nil},
		"unknown verdict": {
			report: metric.Report{At: start, Job: "J", Token: "T", Alive: no()}, want: []string{heartbeat0},
		},
		"accepted": {
			report: metric.Report{At: start, Token: "T", Rejected: no()}, want: []string{rejected0},
		},
		"expiry in the past": {
			report: metric.Report{At: start, Token: "T", Expires: start.Add(-12 * time.Hour)},
			want:   []string{"TokenDaysToExpiry Stack=S Token=T -0.5"},
		},
		"expiry in half a day": {
			report: metric.Report{At: start, Token: "T", Expires: start.Add(12 * time.Hour)},
			want:   []string{"TokenDaysToExpiry Stack=S Token=T 0.5"},
		},
		"no expiry, replaced today": {
			report: metric.Report{At: start, Token: "T", Undated: start.Add(-time.Hour)},
			want:   []string{"TokenDaysToExpiry Stack=S Token=T 3650"},
		},
		"no expiry, replaced by a clock that is ahead": {
			report: metric.Report{At: start, Token: "T", Undated: start.Add(time.Minute)},
			want:   []string{"TokenDaysToExpiry Stack=S Token=T 3650"},
		},
		"no expiry, after 35 days": {
			report: metric.Report{At: start, Token: "T", Undated: start.Add(-35 * 24 * time.Hour)}, want: nil,
		},
		"no expiry, just before 35 days": {
			report: metric.Report{At: start, Token: "T", Undated: start.Add(-35*24*time.Hour + 1)},
			want:   []string{"TokenDaysToExpiry Stack=S Token=T 3650"},
		},
		"an expiry goes before its lack": {
			report: metric.Report{At: start, Token: "T", Expires: start.Add(12 * time.Hour), Undated: start},
			want:   []string{"TokenDaysToExpiry Stack=S Token=T 0.5"},
		},
		"expiry in year 9999": {
			report: metric.Report{At: start, Token: "T", Expires: time.Date(9999, 1, 1, 0, 0, 0, 0, time.UTC)},
			want:   []string{"TokenDaysToExpiry Stack=S Token=T 106751.99116730066"},
		},
	}
	for name, c := range cases {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			api := newCloudWatch(t)
			if err := metric.NewPublisher(api, "N", "S").Publish(t.Context(), c.report); err != nil {
				t.Fatal(err)
			}
			if diff := cmp.Diff(c.want, last(t, api)); diff != "" {
				t.Errorf("data (-want +got):\n%s", diff)
			}
		})
	}
}

// The five-minute rule, sentence by sentence. Steps are runs of one environment.
func TestGoodNewsIsNotRepeatedWithinFiveMinutes(t *testing.T) {
	t.Parallel()
	expiry := start.Add(240 * time.Hour)
	type step struct {
		after  time.Duration // since the start
		report metric.Report // At is set from after
		fails  bool
		want   []string // kinds: the first word and the value
	}
	accepted := metric.Report{Job: "J", Token: "T", Rejected: no(), Alive: yes(), Expires: expiry}
	rejected := metric.Report{Job: "J", Token: "T", Rejected: yes(), Alive: yes(), Expires: expiry}
	failed := metric.Report{Job: "J", Token: "T", Alive: no(), Expires: expiry}
	undated := func(version string) metric.Report {
		return metric.Report{Token: "T", Version: version, Rejected: no(), Undated: start.Add(-time.Hour)}
	}
	const days = "TokenDaysToExpiry"
	all := []string{"TokenRejected 0", days, "Heartbeat 1"}
	cases := map[string][]step{
		"repeated, and again after five minutes": {
			{0, accepted, false, all},
			{time.Second, accepted, false, nil},
			{5*time.Minute - 1, accepted, false, nil},
			{5 * time.Minute, accepted, false, all},
			{9 * time.Minute, accepted, false, nil},
			{10 * time.Minute, accepted, false, all},
		},
		"another token and another job": {
			{0, accepted, false, all},
			{
				after: time.Minute, report: metric.Report{Job: "J2", Token: "T", Rejected: no(), Alive: yes()}, fails: false,
				want: []string{"Heartbeat 1"},
			},
			{
				after: time.Minute, report: metric.Report{Job: "J", Token: "T2", Rejected: no(), Alive: yes()}, fails: false,
				want: []string{"TokenRejected 0"},
			},
		},
		"a job with the token's name": {
			{
				after: 0, report: metric.Report{Job: "X", Token: "X", Rejected: no(), Alive: yes()}, fails: false,
				want: []string{"TokenRejected 0", "Heartbeat 1"},
			},
			{time.Minute, metric.Report{Job: "X", Token: "X", Alive: no()}, false, []string{"Heartbeat 0"}},
			{
				after: 2 * time.Minute, report: metric.Report{Job: "X", Token: "X", Rejected: no(), Alive: yes()}, fails: false,
				want: []string{"Heartbeat 1"},
			},
		},
		"bad news of the token always, then good news again": {
			{0, accepted, false, all},
			{time.Minute, rejected, false, []string{"TokenRejected 1", days}},
			{2 * time.Minute, rejected, false, []string{"TokenRejected 1", days}},
			{2*time.Minute + time.Second, rejected, false, []string{"TokenRejected 1", days}},
			{4 * time.Minute, accepted, false, []string{"TokenRejected 0"}},
			{4*time.Minute + 30*time.Second, accepted, false, nil},
		},
		"bad news of the job always, then good news again": {
			{0, accepted, false, all},
			{time.Minute, failed, false, []string{"Heartbeat 0"}},
			{time.Minute + time.Second, failed, false, []string{"Heartbeat 0"}},
			{2 * time.Minute, accepted, false, []string{"Heartbeat 1"}},
			{3 * time.Minute, accepted, false, nil},
		},
		"bad news of another token": {
			{0, accepted, false, all},
			{
				after: time.Minute, report: metric.Report{Job: "J2", Token: "T2", Rejected: yes(), Alive: yes()}, fails: false,
				want: []string{"TokenRejected 1", "Heartbeat 1"},
			},
			{2 * time.Minute, accepted, false, nil},
		},
		"another expiry is news": {
			{0, accepted, false, all},
			{
				after:  time.Minute,
				report: metric.Report{Job: "J", Token: "T", Rejected: no(), Alive: yes(), Expires: expiry.Add(time.Hour)},
				fails:  false, want: []string{days},
			},
			{
				after:  2 * time.Minute,
				report: metric.Report{Job: "J", Token: "T", Rejected: no(), Alive: yes(), Expires: expiry.Add(time.Hour)},
				fails:  false, want: nil,
			},
		},
		"another version is news": {
			{0, undated("v1"), false, []string{"TokenRejected 0", days}},
			{time.Minute, undated("v1"), false, nil},
			{2 * time.Minute, undated("v2"), false, []string{"TokenRejected 0", days}},
			{3 * time.Minute, undated("v2"), false, nil},
		},
		"a 0 in the minute of a 1 does not count": {
			{0, rejected, false, []string{"TokenRejected 1", days, "Heartbeat 1"}},
			{20 * time.Second, accepted, false, []string{"TokenRejected 0"}},
			{40 * time.Second, accepted, false, []string{"TokenRejected 0"}},
			{50 * time.Second, accepted, false, []string{"TokenRejected 0"}}, // 09:01:00: the next minute
			{55 * time.Second, accepted, false, nil},
		},
		"a 1 after a 0 in its minute": {
			{0, accepted, false, all},
			{10 * time.Second, rejected, false, []string{"TokenRejected 1", days}},
			{20 * time.Second, accepted, false, []string{"TokenRejected 0"}},
			{time.Minute, accepted, false, []string{"TokenRejected 0"}},
			{2 * time.Minute, accepted, false, nil},
		},
		"what was not stored was not sent": {
			{0, accepted, true, all},
			{time.Second, accepted, false, all},
			{2 * time.Second, accepted, false, nil},
		},
		"bad news that was not stored is bad news": {
			{0, accepted, false, all},
			{time.Minute, rejected, true, []string{"TokenRejected 1", days}},
			{time.Minute + 20*time.Second, accepted, false, []string{"TokenRejected 0", days}},
			{time.Minute + 40*time.Second, accepted, false, []string{"TokenRejected 0"}},
		},
		"the clock jumped back": {
			{time.Hour, accepted, false, all},
			{0, accepted, false, all},
			{time.Minute, accepted, false, nil},
		},
		"a rejected run's heartbeat is good news": {
			{0, rejected, false, []string{"TokenRejected 1", days, "Heartbeat 1"}},
			{time.Minute, rejected, false, []string{"TokenRejected 1", days}},
		},
	}
	for name, steps := range cases {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			api := newCloudWatch(t)
			p := metric.NewPublisher(api, "N", "S")
			for i, s := range steps {
				api.Put = nil
				if s.fails {
					api.Put = cwfake.Fail(errors.New("throttled"))
				}
				s.report.At = start.Add(s.after)
				if err := p.Publish(t.Context(), s.report); (err != nil) != s.fails {
					t.Fatalf("step %d: %v", i+1, err)
				}
				var got []string
				for _, d := range last(t, api) {
					words := strings.Fields(d)
					if words[0] == days {
						got = append(got, days)
					} else {
						got = append(got, words[0]+" "+words[len(words)-1])
					}
				}
				if diff := cmp.Diff(s.want, got); diff != "" {
					t.Errorf("step %d, after %s (-want +got):\n%s", i+1, s.after, diff)
				}
			}
		})
	}
}

// Another run's bad news overtakes good news that is still on its way.
func TestBadNewsOutdatesGoodNewsOnItsWay(t *testing.T) {
	t.Parallel()
	api := newCloudWatch(t)
	p := metric.NewPublisher(api, "N", "S")
	publish := func(after time.Duration, rejected, alive *bool) {
		t.Helper()
		if err := p.Publish(
			t.Context(), metric.Report{At: start.Add(after), Job: "J", Token: "T", Rejected: rejected, Alive: alive},
		); err != nil {
			t.Fatal(err)
		}
	}
	api.Put = func(_ context.Context, n int) error {
		if n == 1 {
			publish(time.Minute, yes(), no())
		}
		return nil
	}
	publish(0, no(), yes())
	api.Puts = nil
	publish(2*time.Minute, no(), yes())
	if diff := cmp.Diff([]string{rejected0, heartbeat1}, last(t, api)); diff != "" {
		t.Errorf("data (-want +got):\n%s", diff)
	}
}

func TestManyRunsPublishAtOnce(t *testing.T) {
	t.Parallel()
	api := newCloudWatch(t)
	p := metric.NewPublisher(api, "N", "S")
	var wg sync.WaitGroup
	for i := range 50 {
		wg.Go(func() {
			bad := i%2 == 0
			_ = p.Publish(
				t.Context(), metric.Report{At: start, Job: fmt.Sprintf("J%d", i%5), Token: "T", Rejected: &bad, Alive: yes()},
			)
		})
	}
	wg.Wait()
	if len(api.Puts) < 25 {
		t.Errorf("%d requests for 25 rejections", len(api.Puts))
	}
}

// TestEmbeddedMetricLine holds the fallback against CloudWatch's "Specification: Embedded metric format".
func TestEmbeddedMetricLine(t *testing.T) {
	t.Parallel()
	cause := &smithy.GenericAPIError{Code: "AccessDenied", Message: "of no use to anyone"}
	api := newCloudWatch(t)
	api.Put = cwfake.Fail(cause)
	p := metric.NewPublisher(api, "Space/1", "S")
	at := time.Date(2026, 11, 24, 9, 0, 10, 123_456_789, time.FixedZone("", 3600))
	err := p.Publish(
		t.Context(),
		metric.Report{At: at, Job: "J", Token: "T", Rejected: yes(), Alive: no(), Expires: at.Add(36 * time.Hour)},
	)
	notStored, ok := errors.AsType[*metric.NotStoredError](err)
	if !ok || !errors.Is(err, cause) || err.Error() != "CloudWatch rejected PutMetricData: AccessDenied" {
		t.Fatalf("got %v, want a *NotStoredError of the cause", err)
	}
	if bytes.Count(notStored.Line, []byte("\n")) != 1 || !bytes.HasSuffix(notStored.Line, []byte("}\n")) {
		t.Fatalf("not one line: %q", notStored.Line)
	}
	var root map[string]any
	if err := json.Unmarshal(notStored.Line, &root); err != nil {
		t.Fatal(err)
	}
	// Lambda's log filter reads level and timestamp.
	if root["level"] != "FATAL" {
		t.Errorf("level %v", root["level"])
	}
	if stamp, err := time.Parse(time.RFC3339, root["timestamp"].(string)); err != nil || !stamp.Equal(at) {
		t.Errorf("timestamp %v: %v", root["timestamp"], err)
	}
	metadata := root["_aws"].(map[string]any)
	if metadata["Timestamp"] != float64(at.UnixMilli()) {
		t.Errorf("Timestamp %v, want %d", metadata["Timestamp"], at.UnixMilli())
	}
	var got []string
	for _, d := range metadata["CloudWatchMetrics"].([]any) {
		directive := d.(map[string]any)
		if directive["Namespace"] != "Space/1" {
			t.Errorf("Namespace %v", directive["Namespace"])
		}
		for _, set := range directive["Dimensions"].([]any) {
			text := ""
			for _, name := range set.([]any) {
				value, ok := root[name.(string)].(string) // a dimension's target must be text at the root
				if !ok {
					t.Errorf("dimension %v has no value", name)
				}
				text += fmt.Sprintf(" %s=%s", name, value)
			}
			for _, m := range directive["Metrics"].([]any) {
				name := m.(map[string]any)["Name"].(string)
				value, ok := root[name].(float64) // a metric's target must be a number
				if !ok {
					t.Errorf("metric %s has no value", name)
				}
				got = append(got, fmt.Sprintf("%s%s %g", name, text, value))
			}
		}
	}
	slices.Sort(got)
	want := []string{heartbeat0, "TokenDaysToExpiry Stack=S Token=T 1.5", rejected1}
	if diff := cmp.Diff(want, got); diff != "" {
		t.Errorf("metrics (-want +got):\n%s", diff)
	}
}

// TestRotationIsPublishedEachTime: another environment may have published the opposite since, so nothing is a
// repetition.
func TestRotationIsPublishedEachTime(t *testing.T) {
	t.Parallel()
	api := newCloudWatch(t)
	p := metric.NewPublisher(api, "N", "S")
	for _, failed := range []bool{false, false, true, true, false} {
		if err := p.PublishRotation(t.Context(), start, "example-api", failed); err != nil {
			t.Fatal(err)
		}
		want := "RotationFailed Stack=S Secret=example-api 0"
		if failed {
			want = "RotationFailed Stack=S Secret=example-api 1"
		}
		if got := last(t, api); len(got) != 1 || got[0] != want {
			t.Errorf("%v, want %s", got, want)
		}
	}
	api.Put = cwfake.Fail(errors.New("down"))
	var lost *metric.NotStoredError
	if err := p.PublishRotation(t.Context(), start, "example-api", true); !errors.As(err, &lost) ||
		!strings.Contains(string(lost.Line), `"Dimensions":[["Stack","Secret"]]`) ||
		!strings.Contains(string(lost.Line), `"RotationFailed":1`) {
		t.Errorf("%v", err)
	}
}

// Whatever the client does, Publish comes back in time with the line that has the data.
func TestPublishNeitherPanicsNorHangs(t *testing.T) {
	t.Parallel()
	for name, c := range map[string]struct {
		put  cwfake.Hook
		want string
		took time.Duration
	}{
		"it panics": {put: func(context.Context, int) error {
			panic("no schema")
		}, want: "PutMetricData failed with an internal error: panic: no schema"},
		"it hangs": {put: func(context.Context, int) error {
			time.Sleep(time.Hour)
			return nil
		}, want: "CloudWatch did not answer PutMetricData", took: 6100 * time.Millisecond},
		"it waits for its time": {put: func(ctx context.Context, _ int) error {
			<-ctx.Done()
			return ctx.Err()
		}, want: "CloudWatch did not answer PutMetricData", took: 6 * time.Second},
		"it fails": {
			put: func(context.Context, int) error {
				return &smithy.GenericAPIError{Code: "Throttling", Message: "Rate exceeded"}
			},
			want: "CloudWatch rejected PutMetricData: Throttling",
		},
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			synctest.Test(t, func(t *testing.T) {
				api := newCloudWatch(t)
				api.Put = c.put
				p := metric.NewPublisher(api, "N", "S")
				begin := time.Now()
				err := p.Publish(t.Context(), metric.Report{At: begin, Token: "T", Rejected: yes()})
				notStored, ok := errors.AsType[*metric.NotStoredError](err)
				if !ok || err.Error() != c.want || time.Since(begin) != c.took {
					t.Fatalf("%v after %s", err, time.Since(begin))
				}
				var line map[string]any
				if err := json.Unmarshal(notStored.Line, &line); err != nil || line["TokenRejected"] != 1.0 ||
					line["level"] != "FATAL" {
					t.Errorf("%v: %s", err, notStored.Line)
				}
				time.Sleep(2 * time.Hour) // hanging calls return
			})
		})
	}
}
