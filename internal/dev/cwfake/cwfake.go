// Package cwfake is CloudWatch for unit tests, in the process and without HTTP: it takes metrics and has one alarm or
// none, whose state changes as it is told. It evaluates nothing; the model that does is package awssim.
package cwfake

import (
	"context"
	"encoding/json"
	"fmt"
	"slices"
	"strings"
	"sync"
	"testing"
	"time"

	"github.com/aws/aws-sdk-go-v2/aws"
	"github.com/aws/aws-sdk-go-v2/service/cloudwatch"
	"github.com/aws/aws-sdk-go-v2/service/cloudwatch/types"
)

// Hook is run before the n-th call of an operation, from 1, without the lock. An error is the call's answer.
type Hook func(ctx context.Context, n int) error

// Fail is a Hook that answers every call with an error.
func Fail(err error) Hook { return func(context.Context, int) error { return err } }

// CloudWatch is safe for concurrent use. Who reads or changes its fields while others call it holds its lock.
type CloudWatch struct {
	sync.Mutex

	Puts      []*cloudwatch.PutMetricDataInput // attempted, since Said
	Alarm     *types.MetricAlarm               // nil: there is none
	Describes int
	Sets      []*cloudwatch.SetAlarmStateInput // attempted
	Messages  int                              // changes to ALARM

	Put, Describe, Set Hook // nil: nothing goes wrong

	t          testing.TB
	now        func() time.Time
	puts, sets int
}

// New returns one with a test's clock. nil: the age of data is not checked.
func New(t testing.TB, now func() time.Time) *CloudWatch {
	t.Helper()
	return &CloudWatch{t: t, now: now}
}

// Alarming is an alarm that is in a state since some time, with the reason that CloudWatch itself writes.
func Alarming(name string, state types.StateValue, since time.Time) *types.MetricAlarm {
	return &types.MetricAlarm{
		AlarmName: aws.String(name), StateValue: state, StateTransitionedTimestamp: aws.Time(since),
		StateReason: aws.String(
			"Threshold Crossed: 1 datapoint [1.0 (24/11/26 09:00:00)] was greater than or equal to the threshold (1.0).",
		),
		StateReasonData: aws.String(
			`{"version":"1.0","queryDate":"2026-11-24T09:01:12.345+0000","recentDatapoints":[1.0],"threshold":1.0}`,
		),
	}
}

func (h Hook) run(ctx context.Context, n int) error {
	if h == nil {
		return nil
	}
	return h(ctx, n)
}

// PutMetricData requires the moment of the call: that of the verdict, which the alarm evaluates.
func (c *CloudWatch) PutMetricData(
	ctx context.Context, in *cloudwatch.PutMetricDataInput, _ ...func(*cloudwatch.Options),
) (*cloudwatch.PutMetricDataOutput, error) {
	c.Lock()
	for _, d := range in.MetricData {
		if c.now == nil {
			break
		}
		if age := c.now().Sub(aws.ToTime(d.Timestamp)); age < 0 || age > time.Second {
			c.t.Errorf("the timestamp of %s is %s old", aws.ToString(d.MetricName), age)
		}
	}
	c.Puts = append(c.Puts, in)
	c.puts++
	n, hook := c.puts, c.Put
	c.Unlock()
	return &cloudwatch.PutMetricDataOutput{}, hook.run(ctx, n)
}

// Said lists the data of all requests since it was last asked, as "TokenRejected Stack=S Token=T 1".
func (c *CloudWatch) Said() []string {
	c.Lock()
	defer c.Unlock()
	var list []string
	for _, put := range c.Puts {
		for _, d := range put.MetricData {
			words := []string{aws.ToString(d.MetricName)}
			for _, dimension := range d.Dimensions {
				words = append(words, aws.ToString(dimension.Name)+"="+aws.ToString(dimension.Value))
			}
			list = append(list, fmt.Sprintf("%s %g", strings.Join(words, " "), aws.ToFloat64(d.Value)))
		}
	}
	c.Puts = nil
	return list
}

// DescribeAlarms also finds an alarm whose name only begins with the one that is asked for: that the caller compares it
// is not to depend on AWS.
func (c *CloudWatch) DescribeAlarms(
	ctx context.Context, in *cloudwatch.DescribeAlarmsInput, _ ...func(*cloudwatch.Options),
) (*cloudwatch.DescribeAlarmsOutput, error) {
	c.Lock()
	c.Describes++
	n, hook := c.Describes, c.Describe
	c.Unlock()
	if err := hook.run(ctx, n); err != nil {
		return nil, err
	}
	c.Lock()
	defer c.Unlock()
	out := &cloudwatch.DescribeAlarmsOutput{}
	if c.Alarm != nil && slices.ContainsFunc(in.AlarmNames, func(name string) bool {
		return strings.HasPrefix(aws.ToString(c.Alarm.AlarmName), name)
	}) {
		out.MetricAlarms = append(out.MetricAlarms, *c.Alarm)
	}
	return out, nil
}

// SetAlarmState holds the limits of the API reference.
func (c *CloudWatch) SetAlarmState(
	ctx context.Context, in *cloudwatch.SetAlarmStateInput, _ ...func(*cloudwatch.Options),
) (*cloudwatch.SetAlarmStateOutput, error) {
	c.Lock()
	c.Sets = append(c.Sets, in)
	c.sets++
	n, hook := c.sets, c.Set
	c.Unlock()
	if err := hook.run(ctx, n); err != nil {
		return nil, err
	}
	c.Lock()
	defer c.Unlock()
	if c.Alarm == nil || aws.ToString(in.AlarmName) != aws.ToString(c.Alarm.AlarmName) ||
		len(aws.ToString(in.StateReason)) > 1023 || !json.Valid([]byte(aws.ToString(in.StateReasonData))) {
		c.t.Errorf("CloudWatch would reject %+v", in)
		return nil, &types.ResourceNotFound{}
	}
	if c.Alarm.StateValue != in.StateValue {
		c.Alarm.StateTransitionedTimestamp = aws.Time(c.now())
		if in.StateValue == types.StateValueAlarm {
			c.Messages++
		}
	}
	c.Alarm.StateValue, c.Alarm.StateReason, c.Alarm.StateReasonData = in.StateValue, in.StateReason, in.StateReasonData
	return &cloudwatch.SetAlarmStateOutput{}, nil
}
