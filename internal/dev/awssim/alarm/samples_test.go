package alarm_test

import (
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"

	"github.com/cronbearer/cronbearer/internal/dev/awssim/alarm"
)

func TestAggregate(t *testing.T) {
	t.Parallel()
	start := time.Date(2026, 11, 24, 9, 3, 0, 0, time.UTC)
	metric := alarm.Metric{
		Namespace: "N", Name: "M", Dimensions: []alarm.Dimension{{Name: "A", Value: "1"}, {Name: "B", Value: "2"}},
	}
	turned := alarm.Metric{
		Namespace: "N", Name: "M", Dimensions: []alarm.Dimension{{Name: "B", Value: "2"}, {Name: "A", Value: "1"}},
	}
	store := alarm.NewSamples()
	store.Put(metric, start.Add(9*time.Minute), alarm.Value(-4)) // late and early alike
	store.Put(metric, start.Add(59*time.Second), alarm.Value(3))
	store.Put(turned, start.Add(4*time.Minute+
		59*time.Second), alarm.Statistics{SampleCount: 3, Sum: 6, Minimum: 1, Maximum: 3})
	store.Put(metric, start.Add(-time.Second), alarm.Value(100))
	store.Put(metric, start.Add(15*time.Minute), alarm.Value(100))
	for _, other := range []alarm.Metric{
		{Namespace: "N", Name: "M"},
		{Namespace: "N", Name: "M", Dimensions: metric.Dimensions[:1]},
		{Namespace: "n", Name: "M", Dimensions: metric.Dimensions},
		{Namespace: "N", Name: "M", Dimensions: append([]alarm.Dimension{{Name: "C", Value: "3"}}, metric.Dimensions...)},
	} {
		store.Put(other, start, alarm.Value(1000))
	}
	for statistic, want := range map[string][2]float64{
		"Sum": {9, -4}, "Maximum": {3, -4}, "Minimum": {1, -4}, "SampleCount": {4, 1}, "Average": {2.25, -4},
	} {
		got := store.Aggregate(metric, statistic, 5*time.Minute, start, start.Add(15*time.Minute))
		expected := []alarm.Point{{Start: start, Value: want[0]}, {Start: start.Add(5 * time.Minute), Value: want[1]}}
		if diff := cmp.Diff(expected, got); diff != "" {
			t.Errorf("%s: %s", statistic, diff)
		}
	}
	if got := store.Aggregate(
		alarm.Metric{Namespace: "N", Name: "none"}, "Sum", time.Minute, start, start.Add(time.Hour),
	); got != nil {
		t.Errorf("an unknown metric has %v", got)
	}
}

func TestSamplesAreBounded(t *testing.T) {
	t.Parallel()
	store := alarm.NewSamples()
	monitor := alarm.NewMonitor(store)
	a := upTo(0, 1)
	at := time.Date(2026, 1, 1, 0, 0, 0, 0, time.UTC)
	if err := monitor.Put(a, at); err != nil {
		t.Fatal(err)
	}
	store.Put(alarm.Metric{Namespace: "N", Name: "once"}, at, alarm.Value(1))
	most := 0
	for range 365 * 24 {
		at = at.Add(time.Hour)
		store.Put(a.Metric(), at, alarm.Value(1))
		monitor.Tick(at)
		most = max(most, store.Len())
	}
	if most > 24*24 { // 22 days and the day until the next sweep
		t.Errorf("%d minutes were kept", most)
	}
	if left := store.Len(); left < 21*24 {
		t.Errorf("only %d minutes are left; the longest range is 21 days", left)
	}
}
