// Package pause stops and starts one job of a stack without a deployment. Scheduler's update replaces a schedule as a
// whole, so each field is copied. The job's Silent alarm is muted meanwhile. The template does not know of it: a
// deployment that changes the job starts it. It prints nothing.
package pause

import (
	"context"
	"fmt"
	"strings"
	"time"

	"github.com/aws/aws-sdk-go-v2/aws"
	"github.com/aws/aws-sdk-go-v2/service/cloudwatch"
	cwtypes "github.com/aws/aws-sdk-go-v2/service/cloudwatch/types"
	"github.com/aws/aws-sdk-go-v2/service/scheduler"
	"github.com/aws/aws-sdk-go-v2/service/scheduler/types"

	"github.com/cronbearer/cronbearer/infra/cronbearer/internal/account"
)

// MaxMute is the longest that an alarm can be muted (CloudWatch API Reference, PutAlarmMuteRule).
const MaxMute = 15 * 24 * time.Hour

// A Pause is what was done.
type Pause struct {
	// Until is when the job starts again automatically; zero: not before it is resumed.
	Until time.Time
	// MutedUntil is when its alarm acts again.
	MutedUntil time.Time
}

// Job pauses a job. silentAfter is the window of its Silent alarm, which needs that long after the first start to see a
// success.
func Job(
	ctx context.Context, c account.Clients, s *account.Stack, j account.Job,
	until, now time.Time, silentAfter time.Duration,
) (Pause, error) {
	in := Update(j.Schedule)
	if until.IsZero() {
		in.State = types.ScheduleStateDisabled
	} else {
		in.StartDate = aws.Time(until.UTC())
	}
	p := Pause{Until: until, MutedUntil: now.Add(MaxMute).Truncate(time.Minute)}
	if muted := until.Add(silentAfter); !until.IsZero() && muted.Before(p.MutedUntil) {
		p.MutedUntil = muted
	}
	// The alarm is muted first: a pause that then fails notifies no one of a silence that was meant.
	if err := mute(ctx, c.CloudWatch, s, j.Name, now, p.MutedUntil); err != nil {
		return p, err
	}
	if _, err := c.Scheduler.UpdateSchedule(ctx, in); err != nil {
		_ = unmute(ctx, c.CloudWatch, s, j.Name) // the schedule's error says more
		return p, account.Explain("scheduler:UpdateSchedule", scheduleName(j), err)
	}
	return p, nil
}

// Resume starts a paused job again, and its alarm's actions.
func Resume(ctx context.Context, c account.Clients, s *account.Stack, j account.Job) error {
	in := Update(j.Schedule)
	in.State, in.StartDate = types.ScheduleStateEnabled, nil
	if _, err := c.Scheduler.UpdateSchedule(ctx, in); err != nil {
		return account.Explain("scheduler:UpdateSchedule", scheduleName(j), err)
	}
	return unmute(ctx, c.CloudWatch, s, j.Name)
}

func scheduleName(j account.Job) string {
	return "schedule/" + aws.ToString(j.Schedule.GroupName) + "/" + aws.ToString(j.Schedule.Name)
}

// Update returns the input that leaves a schedule as it is: UpdateSchedule resets what is not sent (Scheduler API
// Reference).
func Update(s *scheduler.GetScheduleOutput) *scheduler.UpdateScheduleInput {
	return &scheduler.UpdateScheduleInput{
		ActionAfterCompletion: s.ActionAfterCompletion, Description: s.Description, EndDate: s.EndDate,
		FlexibleTimeWindow: s.FlexibleTimeWindow, GroupName: s.GroupName, KmsKeyArn: s.KmsKeyArn, Name: s.Name,
		ScheduleExpression: s.ScheduleExpression, ScheduleExpressionTimezone: s.ScheduleExpressionTimezone,
		StartDate: s.StartDate, State: s.State, Target: s.Target,
	}
}

// RuleName is the name of the mute rule of a paused job.
func RuleName(s *account.Stack, job string) string { return s.Name + "-pause-" + job }

func mute(ctx context.Context, c account.CloudWatch, s *account.Stack, job string, from, until time.Time) error {
	from = from.UTC().Truncate(time.Minute)
	name := RuleName(s, job)
	_, err := c.PutAlarmMuteRule(ctx, &cloudwatch.PutAlarmMuteRuleInput{
		Name: &name, Description: aws.String("cronbearer pause " + job),
		MuteTargets: &cwtypes.MuteTargets{AlarmNames: []string{s.Alarm("Silent", job)}},
		Rule: &cwtypes.Rule{Schedule: &cwtypes.Schedule{
			Expression: aws.String("at(" + from.Format("2006-01-02T15:04") + ")"), Timezone: aws.String("UTC"),
			Duration: aws.String(isoDuration(until.Sub(from))),
		}},
	})
	return account.Explain("cloudwatch:PutAlarmMuteRule", "alarm-mute-rule:"+name, err)
}

func unmute(ctx context.Context, c account.CloudWatch, s *account.Stack, job string) error {
	name := RuleName(s, job)
	_, err := c.DeleteAlarmMuteRule(ctx, &cloudwatch.DeleteAlarmMuteRuleInput{AlarmMuteRuleName: &name})
	return account.Explain("cloudwatch:DeleteAlarmMuteRule", "alarm-mute-rule:"+name, err)
}

// isoDuration writes a duration as ISO 8601 does, in minutes: P2DT12H.
func isoDuration(d time.Duration) string {
	d = min(max(d, time.Minute), MaxMute).Truncate(time.Minute)
	const day = 24 * time.Hour
	var b strings.Builder
	b.WriteString("P")
	if days := d / day; days > 0 {
		fmt.Fprintf(&b, "%dD", days)
	}
	if d%day > 0 {
		b.WriteString("T")
		if hours := d % day / time.Hour; hours > 0 {
			fmt.Fprintf(&b, "%dH", hours)
		}
		if minutes := d % time.Hour / time.Minute; minutes > 0 {
			fmt.Fprintf(&b, "%dM", minutes)
		}
	}
	return b.String()
}

// Starts returns the starts of a schedule in a time, its end included, and at most a number of them; more reports that
// there are more.
func Starts(j account.Job, from, until time.Time, most int) (starts []time.Time, more bool, err error) {
	s, err := j.Parsed()
	if err != nil {
		return nil, false, err
	}
	for at := from.Add(-time.Nanosecond); ; {
		next, ok := s.Next(at)
		if !ok || next.After(until) {
			return starts, false, nil
		}
		if len(starts) == most {
			return starts, true, nil
		}
		starts, at = append(starts, next), next
	}
}
