// Package cloudwatch is the part of CloudWatch's API that the functions call, in the names of the API reference, over Smithy
// RPC v2 CBOR. It is not service/cloudwatch of the AWS SDK, which takes 190 kB of the zip and several times the CPU for these
// three operations (docs/decisions/0012); what is AWS's own in it, signing, the encoding and what is worth a retry, is the SDK's.
package cloudwatch

import (
	"context"
	"time"

	"github.com/aws/smithy-go/encoding/cbor"
)

// PutMetricDataInput is what PutMetricData stores.
type PutMetricDataInput struct {
	Namespace  string
	MetricData []MetricDatum
}

// MetricDatum is one value of one metric.
type MetricDatum struct {
	MetricName string
	Dimensions []Dimension
	Timestamp  time.Time
	Value      float64
}

// Dimension is a part of a metric's identity.
type Dimension struct{ Name, Value string }

// PutMetricData stores data.
func (c *Client) PutMetricData(ctx context.Context, in *PutMetricDataInput) error {
	data := make(cbor.List, len(in.MetricData))
	for i, d := range in.MetricData {
		dimensions := make(cbor.List, len(d.Dimensions))
		for k, one := range d.Dimensions {
			dimensions[k] = cbor.Map{"Name": cbor.String(one.Name), "Value": cbor.String(one.Value)}
		}
		data[i] = cbor.Map{
			"MetricName": cbor.String(d.MetricName), "Dimensions": dimensions, "Timestamp": timestamp(d.Timestamp), "Value": cbor.Float64(d.Value),
		}
	}
	_, err := c.call(ctx, "PutMetricData", cbor.Map{"Namespace": cbor.String(in.Namespace), "MetricData": data})
	return err
}

// StateValue is the state of an alarm.
type StateValue string

// The states of an alarm.
const (
	StateValueOk               StateValue = "OK"
	StateValueAlarm            StateValue = "ALARM"
	StateValueInsufficientData StateValue = "INSUFFICIENT_DATA"
)

// MetricAlarm is an alarm on a metric, as far as it is needed. What CloudWatch did not say is zero.
type MetricAlarm struct {
	AlarmName                  string
	StateValue                 StateValue
	StateReason                string
	StateReasonData            string
	StateTransitionedTimestamp time.Time
}

// DescribeAlarms returns the alarms on metrics that have one of the names.
func (c *Client) DescribeAlarms(ctx context.Context, names ...string) ([]MetricAlarm, error) {
	list := make(cbor.List, len(names))
	for i, name := range names {
		list[i] = cbor.String(name)
	}
	answer, err := c.call(ctx, "DescribeAlarms", cbor.Map{"AlarmNames": list, "AlarmTypes": cbor.List{cbor.String("MetricAlarm")}})
	if err != nil {
		return nil, err
	}
	found, _ := answer["MetricAlarms"].(cbor.List)
	alarms := make([]MetricAlarm, 0, len(found))
	for _, one := range found {
		if alarm, ok := one.(cbor.Map); ok {
			alarms = append(alarms, MetricAlarm{
				AlarmName: text(alarm, "AlarmName"), StateValue: StateValue(text(alarm, "StateValue")),
				StateReason: text(alarm, "StateReason"), StateReasonData: text(alarm, "StateReasonData"),
				StateTransitionedTimestamp: moment(alarm, "StateTransitionedTimestamp"),
			})
		}
	}
	return alarms, nil
}

// SetAlarmStateInput is the state that an alarm gets.
type SetAlarmStateInput struct {
	AlarmName       string
	StateValue      StateValue
	StateReason     string
	StateReasonData string
}

// SetAlarmState sets the state of an alarm until CloudWatch evaluates it again.
func (c *Client) SetAlarmState(ctx context.Context, in *SetAlarmStateInput) error {
	_, err := c.call(ctx, "SetAlarmState", cbor.Map{
		"AlarmName": cbor.String(in.AlarmName), "StateValue": cbor.String(in.StateValue),
		"StateReason": cbor.String(in.StateReason), "StateReasonData": cbor.String(in.StateReasonData),
	})
	return err
}

// timestamp is a moment to the millisecond, which is what CloudWatch keeps (Smithy RPC v2 CBOR, "Timestamp type serialization").
func timestamp(t time.Time) cbor.Value {
	return &cbor.Tag{ID: 1, Value: cbor.Float64(float64(t.UnixMilli()) / 1000)}
}

func moment(m cbor.Map, name string) time.Time {
	t, err := cbor.AsTime(m[name])
	if err != nil {
		return time.Time{}
	}
	return t
}

func text(m cbor.Map, name string) string {
	s, _ := m[name].(cbor.String)
	return string(s)
}
