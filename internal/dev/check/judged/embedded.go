package main

import (
	"context"
	"errors"
	"fmt"
	"time"

	"github.com/aws/aws-sdk-go-v2/service/cloudwatch"

	"github.com/cronbearer/cronbearer/internal/metric"
)

// down is a CloudWatch that stores nothing.
type down struct{}

func (down) PutMetricData(
	context.Context, *cloudwatch.PutMetricDataInput, ...func(*cloudwatch.Options),
) (*cloudwatch.PutMetricDataOutput, error) {
	return nil, errors.New("down")
}

// embedded emits the line of a run whose token was rejected, and that of a rotation that failed.
func embedded(emit func(any) error) error {
	at := time.Date(2026, time.November, 28, 12, 0, 0, 0, time.UTC)
	p := metric.NewPublisher(down{}, "Cronbearer", "cronbearer")
	rejected, alive := true, true
	for _, err := range []error{
		p.Publish(context.Background(), metric.Report{
			At: at, Job: "DailyReport", Token: "ExampleApi", Rejected: &rejected, Alive: &alive, Expires: at.AddDate(0, 0, 3),
		}),
		p.PublishRotation(context.Background(), at, "example-api", rejected),
	} {
		lost, ok := errors.AsType[*metric.NotStoredError](err)
		if !ok {
			return fmt.Errorf("it was published: %w", err)
		}
		if err := emit(lost.Line); err != nil {
			return err
		}
	}
	return nil
}
