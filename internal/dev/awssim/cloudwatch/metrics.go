package cloudwatch

import (
	"fmt"
	"math"
	"strings"
	"time"

	"github.com/aws/smithy-go/encoding/cbor"

	"github.com/cronbearer/cronbearer/internal/dev/awssim/alarm"
	"github.com/cronbearer/cronbearer/internal/dev/awssim/api"
)

// Limits of PutMetricData (API Reference: PutMetricData, MetricDatum, Dimension).
const (
	maxData       = 1000
	maxValues     = 150
	maxDimensions = 30
	maxName       = 255
	maxDimension  = 1024
	oldest        = 14 * 24 * time.Hour
	newest        = 2 * time.Hour
)

// metricData reads the data of a request. One bad datum rejects them all.
func (s *Server) metricData(request cbor.Map) ([]Datum, *api.Error) {
	namespace, _ := text(request, "Namespace")
	if rejected := checkNamespace(namespace); rejected != nil {
		return nil, rejected
	}
	if _, ok := request["EntityMetricData"]; ok {
		return nil, api.Reject("InvalidParameterValue", "this model knows no EntityMetricData")
	}
	entries, _ := request["MetricData"].(cbor.List)
	switch {
	case len(entries) == 0:
		return nil, api.Reject("MissingParameter", "The parameter MetricData is required.")
	case len(entries) > maxData:
		return nil, api.Reject(
			"InvalidParameterValue", "The collection MetricData must not have a size greater than %d.", maxData,
		)
	}
	var data []Datum
	var first *api.Error
	for i, entry := range entries {
		where := fmt.Sprintf("MetricData.member.%d", i+1)
		fields, ok := entry.(cbor.Map)
		if !ok {
			return data, api.Reject("SerializationException", "%s is not a structure", where)
		}
		d, rejected := s.datum(fields, where)
		d.Namespace = namespace
		data = append(data, d)
		if first == nil {
			first = rejected
		}
	}
	return data, first
}

func checkNamespace(name string) *api.Error {
	switch {
	case name == "":
		return api.Reject("MissingParameter", "The parameter Namespace is required.")
	case len(name) > maxName, strings.HasPrefix(name, ":"), strings.HasPrefix(
		strings.ToUpper(name), "AWS/",
	), strings.TrimSpace(name) == "":
		return api.Reject("InvalidParameterValue", "The value %s for parameter Namespace is invalid.", name)
	}
	for _, c := range []byte(name) {
		if !('a' <= c && c <= 'z' || 'A' <= c && c <= 'Z' || '0' <= c && c <= '9' || strings.IndexByte(".-_/#: ", c) >= 0) {
			return api.Reject("InvalidParameterValue", "The value %s for parameter Namespace is invalid.", name)
		}
	}
	return nil
}

func (s *Server) datum(fields cbor.Map, where string) (Datum, *api.Error) {
	d := Datum{Timestamp: s.config.Now()}
	d.Metric, _ = text(fields, "MetricName")
	if !printable(d.Metric, maxName) {
		return d, api.Reject(
			"InvalidParameterValue", "The parameter %s.MetricName must have 1 to %d printable characters.", where, maxName,
		)
	}
	var rejected *api.Error
	if d.Dimensions, rejected = dimensions(fields, where); rejected != nil {
		return d, rejected
	}
	if d.Statistics, rejected = statistics(fields, where); rejected != nil {
		return d, rejected
	}
	if v, ok := fields["Timestamp"]; ok {
		at, err := cbor.AsTime(v)
		if err != nil {
			return d, api.Reject("SerializationException", "%s.Timestamp is not a timestamp", where)
		}
		d.Timestamp = at.UTC()
	}
	if age := s.config.Now().Sub(d.Timestamp); age > oldest || age < -newest {
		return d, api.Reject(
			"InvalidParameterValue",
			"The parameter %s.Timestamp must specify a time no more than two weeks in the past and two hours in the future.",
			where,
		)
	}
	if v, ok := fields["StorageResolution"]; ok {
		if n, err := cbor.AsInt32(v); err != nil || (n != 1 && n != 60) {
			return d, api.Reject("InvalidParameterValue", "The parameter %s.StorageResolution must be 1 or 60.", where)
		}
	}
	return d, nil
}

func dimensions(fields cbor.Map, where string) ([]alarm.Dimension, *api.Error) {
	entries, _ := fields["Dimensions"].(cbor.List)
	if len(entries) > maxDimensions {
		return nil, api.Reject(
			"InvalidParameterValue", "The collection %s.Dimensions must not have a size greater than %d.", where,
			maxDimensions,
		)
	}
	var list []alarm.Dimension
	for n, entry := range entries {
		at := fmt.Sprintf("%s.Dimensions.member.%d", where, n+1)
		pair, _ := entry.(cbor.Map)
		name, _ := text(pair, "Name")
		value, _ := text(pair, "Value")
		if !printable(name, maxName) || strings.HasPrefix(name, ":") {
			return list, api.Reject("InvalidParameterValue", "The value %q for parameter %s.Name is invalid.", name, at)
		}
		if !printable(value, maxDimension) {
			return list, api.Reject("InvalidParameterValue", "The value %q for parameter %s.Value is invalid.", value, at)
		}
		list = append(list, alarm.Dimension{Name: name, Value: value})
	}
	return list, nil
}

// printable: ASCII without control characters, at least one that is not white space.
func printable(s string, most int) bool {
	if strings.TrimSpace(s) == "" || len(s) > most {
		return false
	}
	for _, c := range []byte(s) {
		if c < ' ' || c > '~' {
			return false
		}
	}
	return true
}

// statistics reads Value, or Values with Counts, or StatisticValues: exactly one of the three.
func statistics(fields cbor.Map, where string) (alarm.Statistics, *api.Error) {
	var zero alarm.Statistics
	value, single := fields["Value"]
	values, several := fields["Values"].(cbor.List)
	set, combined := fields["StatisticValues"].(cbor.Map)
	given := 0
	for _, one := range []bool{single, several, combined} {
		if one {
			given++
		}
	}
	switch {
	case given == 0:
		return zero, api.Reject(
			"MissingParameter", "At least one of the parameters %s.Value, Values or StatisticValues must be specified.", where,
		)
	case given > 1:
		return zero, api.Reject(
			"InvalidParameterCombination", "The parameters %s.Value, Values and StatisticValues are mutually exclusive.",
			where,
		)
	case single:
		v, rejected := number(value, where)
		if rejected != nil {
			return zero, rejected
		}
		return alarm.Value(v), nil
	case combined:
		return statisticSet(set, where)
	}
	return distribution(values, fields["Counts"], where)
}

func statisticSet(set cbor.Map, where string) (alarm.Statistics, *api.Error) {
	var s alarm.Statistics
	for name, to := range map[string]*float64{
		"SampleCount": &s.SampleCount, "Sum": &s.Sum, "Minimum": &s.Minimum, "Maximum": &s.Maximum,
	} {
		v, ok := set[name]
		if !ok {
			return s, api.Reject("MissingParameter", "The parameter %s.StatisticValues.%s is required.", where, name)
		}
		n, rejected := number(v, where)
		if rejected != nil {
			return s, rejected
		}
		*to = n
	}
	if s.SampleCount <= 0 || s.Minimum > s.Maximum {
		return s, api.Reject("InvalidParameterValue", "The parameter %s.StatisticValues is invalid.", where)
	}
	return s, nil
}

func distribution(values cbor.List, countsValue cbor.Value, where string) (alarm.Statistics, *api.Error) {
	counts, _ := countsValue.(cbor.List)
	if len(values) == 0 || len(values) > maxValues || (counts != nil && len(counts) != len(values)) {
		return alarm.Statistics{}, api.Reject(
			"InvalidParameterValue", "The parameter %s.Values must have 1 to %d values, and Counts as many.", where, maxValues,
		)
	}
	sum := alarm.Statistics{Minimum: math.Inf(1), Maximum: math.Inf(-1)}
	for i, v := range values {
		value, rejected := number(v, where)
		if rejected != nil {
			return sum, rejected
		}
		count := 1.0
		if counts != nil {
			if count, rejected = number(counts[i], where); rejected != nil {
				return sum, rejected
			}
		}
		sum.SampleCount += count
		sum.Sum += count * value
		sum.Minimum, sum.Maximum = min(sum.Minimum, value), max(sum.Maximum, value)
	}
	return sum, nil
}

// number: "Values must be in the range of -2^360 to 2^360. Special values (for example, NaN, +Infinity, -Infinity) are
// not supported".
func number(v cbor.Value, where string) (float64, *api.Error) {
	n, err := asFloat(v)
	if err != nil {
		return 0, api.Reject("SerializationException", "%s has a value that is not a number", where)
	}
	if math.IsNaN(n) || math.Abs(n) > math.Pow(2, 360) {
		return 0, api.Reject("InvalidParameterValue", "The value %v for parameter %s.Value is invalid.", n, where)
	}
	return n, nil
}

func (s *Server) put(data []Datum, rejected *api.Error) (any, *api.Error) {
	if rejected != nil {
		return nil, rejected
	}
	for _, d := range data {
		s.config.Samples.Put(
			alarm.Metric{Namespace: d.Namespace, Name: d.Metric, Dimensions: d.Dimensions}, d.Timestamp, d.Statistics,
		)
	}
	return cbor.Map{}, nil
}
