package metric_test

import (
	"context"
	"testing"
	"time"

	"github.com/cronbearer/cronbearer/internal/dev/cwfake"
	"github.com/cronbearer/cronbearer/internal/metric"
)

// Good news said a moment ago is what a warm run has; bad news goes out each time.
func BenchmarkPublish(b *testing.B) {
	yes, no := true, false
	at := time.Date(2026, 11, 24, 9, 0, 0, 0, time.UTC)
	for name, rejected := range map[string]*bool{"good news again": &no, "bad news": &yes} {
		b.Run(name, func(b *testing.B) {
			api := cwfake.New(b, nil)
			api.Put = func(context.Context, int) error { api.Puts = nil; return nil } // it would keep them all
			p := metric.NewPublisher(api, "N", "S")
			report := metric.Report{At: at, Job: "J", Token: "T", Rejected: rejected, Alive: &yes}
			b.ReportAllocs()
			for b.Loop() {
				if err := p.Publish(b.Context(), report); err != nil {
					b.Fatal(err)
				}
			}
		})
	}
}
