package cloudwatch

import (
	"errors"
	"time"

	"github.com/aws/smithy-go/encoding/cbor"

	"github.com/cronbearer/cronbearer/internal/dev/awssim/alarm"
	"github.com/cronbearer/cronbearer/internal/dev/awssim/api"
)

// maxNames is how many alarms one DescribeAlarms may name.
const maxNames = 100

func (s *Server) describe(request cbor.Map, names []string) (any, *api.Error) {
	prefix, prefixed := text(request, "AlarmNamePrefix")
	switch {
	case len(names) > maxNames:
		return nil, api.Reject("ValidationError", "The collection AlarmNames must not have a size greater than %d.", maxNames)
	case len(names) > 0 && prefixed:
		return nil, api.Reject("InvalidParameterCombination", "AlarmNames and AlarmNamePrefix are mutually exclusive.")
	}
	for _, unknown := range []string{
		"ActionPrefix", "ChildrenOfAlarmName", "ParentsOfAlarmName", "MaxRecords", "NextToken",
	} {
		if _, ok := request[unknown]; ok {
			return nil, api.Reject("ValidationError", "this model knows no %s", unknown)
		}
	}
	state, filtered := text(request, "StateValue")
	list := cbor.List{}
	for _, status := range s.config.Monitor.Describe(names, prefix) {
		if !filtered || string(status.StateValue) == state {
			list = append(list, s.metricAlarm(status))
		}
	}
	if types := texts(request, "AlarmTypes"); len(types) == 1 && types[0] != "MetricAlarm" {
		list = cbor.List{}
	}
	return cbor.Map{"MetricAlarms": list, "CompositeAlarms": cbor.List{}}, nil
}

func (s *Server) metricAlarm(status alarm.Status) cbor.Map {
	a := status.Alarm
	dimensions := cbor.List{}
	for _, d := range a.Dimensions {
		dimensions = append(dimensions, cbor.Map{"Name": cbor.String(d.Name), "Value": cbor.String(d.Value)})
	}
	m := cbor.Map{
		"AlarmName": cbor.String(a.Name), "AlarmArn": cbor.String(s.alarmARN(a.Name)),
		"AlarmDescription":                   cbor.String(a.Description),
		"AlarmConfigurationUpdatedTimestamp": timestamp(status.AlarmConfigurationUpdatedTimestamp),
		"ActionsEnabled":                     cbor.Bool(a.ActionsEnabled),
		"AlarmActions":                       stringList(a.AlarmActions), "OKActions": stringList(a.OKActions),
		"InsufficientDataActions": stringList(a.InsufficientDataActions),
		"StateValue":              cbor.String(string(status.StateValue)), "StateReason": cbor.String(status.StateReason),
		"StateUpdatedTimestamp":      timestamp(status.StateUpdatedTimestamp),
		"StateTransitionedTimestamp": timestamp(status.StateTransitionedTimestamp),
		"Namespace":                  cbor.String(a.Namespace), "MetricName": cbor.String(a.MetricName),
		"Dimensions": dimensions,
		"Statistic":  cbor.String(a.Statistic), "Period": cbor.Uint(a.Period / time.Second),
		"EvaluationPeriods": cbor.Uint(a.EvaluationPeriods), "Threshold": cbor.Float64(a.Threshold),
		"ComparisonOperator": cbor.String(a.ComparisonOperator), "TreatMissingData": cbor.String(a.TreatMissingData),
	}
	if a.DatapointsToAlarm > 0 {
		m["DatapointsToAlarm"] = cbor.Uint(a.DatapointsToAlarm)
	}
	if status.StateReasonData != "" {
		m["StateReasonData"] = cbor.String(status.StateReasonData)
	}
	return m
}

func (s *Server) setState(request cbor.Map) (any, *api.Error) {
	name, _ := text(request, "AlarmName")
	state, _ := text(request, "StateValue")
	reason, hasReason := text(request, "StateReason")
	data, _ := text(request, "StateReasonData")
	if name == "" || !hasReason {
		return nil, api.Reject("ValidationError", "AlarmName and StateReason are required.")
	}
	change, err := s.config.Monitor.SetState(name, alarm.State(state), reason, data, s.config.Now())
	switch {
	case errors.Is(err, alarm.ErrNotFound):
		return nil, &api.Error{Status: 404, Code: "ResourceNotFound", Message: err.Error()}
	case errors.Is(err, alarm.ErrInvalidFormat):
		return nil, api.Reject("InvalidFormat", "%s", err)
	case err != nil:
		return nil, api.Reject("ValidationError", "%s", err)
	}
	if s.config.Changed != nil && change.From != change.To {
		s.config.Changed(change)
	}
	return cbor.Map{}, nil
}

// timestamp is CBOR tag 1: seconds since 1970.
func timestamp(t time.Time) cbor.Value {
	return &cbor.Tag{ID: 1, Value: cbor.Float64(float64(t.UnixMilli()) / 1000)}
}

func stringList(values []string) cbor.List {
	list := cbor.List{}
	for _, v := range values {
		list = append(list, cbor.String(v))
	}
	return list
}

func text(fields cbor.Map, name string) (string, bool) {
	v, ok := fields[name].(cbor.String)
	return string(v), ok
}

func texts(fields cbor.Map, name string) []string {
	entries, _ := fields[name].(cbor.List)
	var list []string
	for _, e := range entries {
		if v, ok := e.(cbor.String); ok {
			list = append(list, string(v))
		}
	}
	return list
}

func asFloat(v cbor.Value) (float64, error) {
	switch v := v.(type) {
	case cbor.Uint:
		return float64(v), nil
	case cbor.NegInt:
		return -float64(v), nil
	case cbor.Float32:
		return float64(v), nil
	}
	n, err := cbor.AsFloat64(v)
	if err != nil {
		return 0, err
	}
	return n, nil
}
