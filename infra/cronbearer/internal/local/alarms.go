package local

import (
	"context"
	"errors"
	"fmt"
	"regexp"
	"slices"
	"strconv"
	"strings"
	"time"

	"github.com/aws/aws-sdk-go-v2/aws"
	"github.com/aws/aws-sdk-go-v2/service/cloudwatch"
	cwtypes "github.com/aws/aws-sdk-go-v2/service/cloudwatch/types"

	"github.com/cronbearer/cronbearer/internal/dev/awssim"
	"github.com/cronbearer/cronbearer/internal/dev/awssim/alarm"
	"github.com/cronbearer/cronbearer/internal/dev/awssim/api"
)

func (s *Server) registerCloudWatch() {
	on(s, "cloudwatch:DescribeAlarms", func(*cloudwatch.DescribeAlarmsInput) string { return "*" }, s.describeAlarms)
	on(s, "cloudwatch:DescribeAlarmHistory", func(*cloudwatch.DescribeAlarmHistoryInput) string { return "*" },
		s.describeAlarmHistory)
	on(s, "cloudwatch:GetMetricData", func(*cloudwatch.GetMetricDataInput) string { return "*" }, s.getMetricData)
	on(s, "cloudwatch:SetAlarmState", func(in *cloudwatch.SetAlarmStateInput) string { return s.alarmARN(in.AlarmName) },
		s.setAlarmState)
	on(s, "cloudwatch:ListAlarmMuteRules", func(*cloudwatch.ListAlarmMuteRulesInput) string { return "*" }, s.listMutes)
	on(s, "cloudwatch:PutAlarmMuteRule", func(in *cloudwatch.PutAlarmMuteRuleInput) string { return s.muteARN(in.Name) },
		s.putMute, func(in *cloudwatch.PutAlarmMuteRuleInput) access {
			name := "none"
			if in.MuteTargets != nil && len(in.MuteTargets.AlarmNames) > 0 {
				name = in.MuteTargets.AlarmNames[0]
			}
			return access{action: "cloudwatch:PutAlarmMuteRule", resource: s.alarmARN(&name)}
		})
	on(s, "cloudwatch:DeleteAlarmMuteRule",
		func(in *cloudwatch.DeleteAlarmMuteRuleInput) string { return s.muteARN(in.AlarmMuteRuleName) }, s.deleteMute)
}

func (s *Server) alarmARN(name *string) string {
	return s.arn("cloudwatch", "alarm:"+aws.ToString(name))
}

func (s *Server) muteARN(name *string) string {
	return s.arn("cloudwatch", "alarm-mute-rule:"+aws.ToString(name))
}

func (s *Server) describeAlarms(
	_ context.Context, in *cloudwatch.DescribeAlarmsInput,
) (*cloudwatch.DescribeAlarmsOutput, error) {
	if len(in.AlarmNames) > 0 && in.AlarmNamePrefix != nil {
		return nil, api.Reject("ValidationError", "AlarmNames and AlarmNamePrefix exclude each other")
	}
	out := &cloudwatch.DescribeAlarmsOutput{}
	for _, a := range s.cloud.Alarms.Describe(in.AlarmNames, aws.ToString(in.AlarmNamePrefix)) {
		if in.StateValue == "" || string(in.StateValue) == string(a.StateValue) {
			out.MetricAlarms = append(out.MetricAlarms, s.metricAlarm(a))
		}
	}
	return out, nil
}

func (s *Server) metricAlarm(a alarm.Status) cwtypes.MetricAlarm {
	m := cwtypes.MetricAlarm{
		AlarmName: &a.Alarm.Name, AlarmArn: aws.String(s.alarmARN(&a.Alarm.Name)), AlarmDescription: &a.Alarm.Description,
		ActionsEnabled: &a.Alarm.ActionsEnabled, AlarmActions: a.Alarm.AlarmActions, OKActions: a.Alarm.OKActions,
		InsufficientDataActions: a.Alarm.InsufficientDataActions, StateValue: cwtypes.StateValue(a.StateValue),
		StateReason: &a.StateReason, StateReasonData: &a.StateReasonData, StateUpdatedTimestamp: &a.StateUpdatedTimestamp,
		StateTransitionedTimestamp:         &a.StateTransitionedTimestamp,
		AlarmConfigurationUpdatedTimestamp: &a.AlarmConfigurationUpdatedTimestamp,
		Namespace:                          &a.Alarm.Namespace, MetricName: &a.Alarm.MetricName,
		Threshold:          &a.Alarm.Threshold,
		Statistic:          cwtypes.Statistic(a.Alarm.Statistic),
		ComparisonOperator: cwtypes.ComparisonOperator(a.Alarm.ComparisonOperator),
		Period:             aws.Int32(int32(a.Alarm.Period / time.Second)), // #nosec G115: at most a day
		TreatMissingData:   &a.Alarm.TreatMissingData,
		EvaluationPeriods:  aws.Int32(int32(a.Alarm.EvaluationPeriods)), // #nosec G115: a small number
	}
	for _, d := range a.Alarm.Dimensions {
		m.Dimensions = append(m.Dimensions, cwtypes.Dimension{Name: &d.Name, Value: &d.Value})
	}
	return m
}

// describeAlarmHistory returns state changes and actions, newest first.
func (s *Server) describeAlarmHistory(
	_ context.Context, in *cloudwatch.DescribeAlarmHistoryInput,
) (*cloudwatch.DescribeAlarmHistoryOutput, error) {
	name := aws.ToString(in.AlarmName)
	var items []cwtypes.AlarmHistoryItem
	add := func(at time.Time, alarmName string, kind cwtypes.HistoryItemType, summary string) {
		if in.HistoryItemType != "" && in.HistoryItemType != kind || in.StartDate != nil && at.Before(*in.StartDate) {
			return
		}
		items = append(items, cwtypes.AlarmHistoryItem{
			AlarmName: &alarmName, Timestamp: &at, HistoryItemType: kind, HistorySummary: &summary,
			AlarmType: cwtypes.AlarmTypeMetricAlarm,
		})
	}
	for _, t := range s.cloud.Alarms.History(name) {
		add(t.At, t.Alarm.Name, cwtypes.HistoryItemTypeStateUpdate, fmt.Sprintf("Alarm updated from %s to %s", t.From, t.To))
	}
	for _, a := range s.cloud.Actions(name) {
		summary := "Successfully executed action " + a.Target
		if a.Err != nil {
			summary = "Failed to execute action " + a.Target + ". Received error: \"" + a.Err.Error() + "\""
		}
		add(a.At, a.Alarm, cwtypes.HistoryItemTypeAction, summary)
	}
	slices.SortStableFunc(items, func(a, b cwtypes.AlarmHistoryItem) int { return b.Timestamp.Compare(*a.Timestamp) })
	return &cloudwatch.DescribeAlarmHistoryOutput{AlarmHistoryItems: items}, nil
}

func (s *Server) getMetricData(
	_ context.Context, in *cloudwatch.GetMetricDataInput,
) (*cloudwatch.GetMetricDataOutput, error) {
	out := &cloudwatch.GetMetricDataOutput{}
	for _, q := range in.MetricDataQueries {
		if q.MetricStat == nil || q.MetricStat.Metric == nil || q.Expression != nil {
			return nil, api.Reject("ValidationError", "this model knows MetricStat only")
		}
		metric := alarm.Metric{
			Namespace: aws.ToString(q.MetricStat.Metric.Namespace), Name: aws.ToString(q.MetricStat.Metric.MetricName),
		}
		for _, d := range q.MetricStat.Metric.Dimensions {
			metric.Dimensions = append(
				metric.Dimensions, alarm.Dimension{Name: aws.ToString(d.Name), Value: aws.ToString(d.Value)},
			)
		}
		result := cwtypes.MetricDataResult{Id: q.Id, StatusCode: cwtypes.StatusCodeComplete}
		points := s.cloud.Samples.Aggregate(metric, aws.ToString(q.MetricStat.Stat),
			time.Duration(aws.ToInt32(q.MetricStat.Period))*time.Second, aws.ToTime(in.StartTime), aws.ToTime(in.EndTime))
		for _, p := range slices.Backward(points) { // the newest first, unless ScanBy says otherwise
			result.Timestamps = append(result.Timestamps, p.Start)
			result.Values = append(result.Values, p.Value)
		}
		out.MetricDataResults = append(out.MetricDataResults, result)
	}
	return out, nil
}

func (s *Server) setAlarmState(
	_ context.Context, in *cloudwatch.SetAlarmStateInput,
) (*cloudwatch.SetAlarmStateOutput, error) {
	err := s.cloud.SetState(
		aws.ToString(in.AlarmName), alarm.State(in.StateValue), aws.ToString(in.StateReason),
		aws.ToString(in.StateReasonData),
	)
	switch {
	case errors.Is(err, alarm.ErrNotFound):
		return nil, api.Reject("ResourceNotFound", "Unknown alarm: %s", aws.ToString(in.AlarmName))
	case err != nil:
		return nil, api.Reject("ValidationError", "%v", err)
	}
	return &cloudwatch.SetAlarmStateOutput{}, nil
}

// The limits of mute rules (CloudWatch API Reference, PutAlarmMuteRule).
const (
	maxMute       = 15 * 24 * time.Hour
	maxMuteAlarms = 100
)

func (s *Server) putMute(
	_ context.Context, in *cloudwatch.PutAlarmMuteRuleInput,
) (*cloudwatch.PutAlarmMuteRuleOutput, error) {
	if in.Rule == nil || in.Rule.Schedule == nil || in.MuteTargets == nil || len(in.MuteTargets.AlarmNames) == 0 ||
		len(in.MuteTargets.AlarmNames) > maxMuteAlarms {
		return nil, api.Reject("ValidationError", "a rule with a schedule and 1 to %d alarms is required", maxMuteAlarms)
	}
	schedule := in.Rule.Schedule
	start, err := muteStart(aws.ToString(schedule.Expression), aws.ToString(schedule.Timezone))
	if err != nil {
		return nil, err
	}
	duration, ok := isoDuration(aws.ToString(schedule.Duration))
	if !ok || duration < time.Minute || duration > maxMute {
		return nil, api.Reject("ValidationError", "Duration %q is not PT1M to P15D", aws.ToString(schedule.Duration))
	}
	for _, name := range in.MuteTargets.AlarmNames {
		if len(s.cloud.Alarms.Describe([]string{name}, "")) == 0 {
			return nil, api.Reject("ResourceNotFound", "Unknown alarm: %s", name)
		}
	}
	s.cloud.PutMute(awssim.Mute{
		Name: aws.ToString(in.Name), Alarms: in.MuteTargets.AlarmNames, Start: start, End: start.Add(duration),
		Changed: s.cloud.Now(), Rule: in.Rule,
	})
	return &cloudwatch.PutAlarmMuteRuleOutput{}, nil
}

func muteStart(expression, zone string) (time.Time, error) {
	inner, ok := strings.CutPrefix(expression, "at(")
	inner, closed := strings.CutSuffix(inner, ")")
	if !ok || !closed {
		return time.Time{}, api.Reject("ValidationError", "this model knows at(yyyy-MM-ddThh:mm) only, not %q", expression)
	}
	if zone == "" {
		zone = "UTC"
	}
	location, err := time.LoadLocation(zone)
	if err != nil {
		return time.Time{}, api.Reject("ValidationError", "%v", err)
	}
	at, err := time.ParseInLocation("2006-01-02T15:04", inner, location)
	if err != nil {
		return time.Time{}, api.Reject("ValidationError", "%v", err)
	}
	return at, nil
}

var iso8601 = regexp.MustCompile(`^P(?:(\d+)D)?(?:T(?:(\d+)H)?(?:(\d+)M)?)?$`)

func isoDuration(text string) (time.Duration, bool) {
	m := iso8601.FindStringSubmatch(text)
	if m == nil {
		return 0, false
	}
	total := time.Duration(0)
	for i, unit := range []time.Duration{24 * time.Hour, time.Hour, time.Minute} {
		if n, err := strconv.Atoi(m[i+1]); err == nil {
			total += time.Duration(n) * unit
		}
	}
	return total, total > 0
}

func (s *Server) listMutes(
	_ context.Context, in *cloudwatch.ListAlarmMuteRulesInput,
) (*cloudwatch.ListAlarmMuteRulesOutput, error) {
	out := &cloudwatch.ListAlarmMuteRulesOutput{}
	for _, m := range s.cloud.Mutes() {
		if in.AlarmName != nil && !slices.Contains(m.Alarms, *in.AlarmName) {
			continue
		}
		status, now := cwtypes.AlarmMuteRuleStatusScheduled, s.cloud.Now()
		switch {
		case m.Active(now):
			status = cwtypes.AlarmMuteRuleStatusActive
		case !now.Before(m.End):
			status = cwtypes.AlarmMuteRuleStatusExpired
		}
		if len(in.Statuses) > 0 && !slices.Contains(in.Statuses, status) {
			continue
		}
		out.AlarmMuteRuleSummaries = append(out.AlarmMuteRuleSummaries, cwtypes.AlarmMuteRuleSummary{
			AlarmMuteRuleArn: aws.String(s.muteARN(&m.Name)), Status: status, MuteType: aws.String("ONE_TIME"),
			LastUpdatedTimestamp: &m.Changed,
		})
	}
	return out, nil
}

func (s *Server) deleteMute(
	_ context.Context, in *cloudwatch.DeleteAlarmMuteRuleInput,
) (*cloudwatch.DeleteAlarmMuteRuleOutput, error) {
	s.cloud.DeleteMute(aws.ToString(in.AlarmMuteRuleName), s.cloud.Now()) // no error if there is none
	return &cloudwatch.DeleteAlarmMuteRuleOutput{}, nil
}
