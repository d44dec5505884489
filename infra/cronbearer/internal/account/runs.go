package account

import (
	"context"
	"encoding/json"
	"slices"
	"time"

	"github.com/aws/aws-sdk-go-v2/aws"
	"github.com/aws/aws-sdk-go-v2/service/cloudwatchlogs"
)

// A LoggedRun is the line that a run of the caller logs.
type LoggedRun struct {
	At     time.Time       `json:"at"`
	Result json.RawMessage `json:"-"`
	// Error is the text for people; empty for a run that did its work.
	Error string `json:"error,omitempty"`
	id    string
}

// LoggedRuns returns the runs of the caller in a time, oldest first. seen, if it is not nil, holds those of earlier
// calls: they are left out, and the new ones are added.
func LoggedRuns(
	ctx context.Context, c Logs, s *Stack, start, end time.Time, seen map[string]bool,
) ([]LoggedRun, error) {
	group := s.Outputs["CallerLogs"]
	in := &cloudwatchlogs.FilterLogEventsInput{
		LogGroupName: &group, FilterPattern: aws.String(RunsPattern), StartTime: aws.Int64(start.UnixMilli()),
		EndTime: aws.Int64(end.UnixMilli()),
	}
	var runs []LoggedRun
	for {
		out, err := c.FilterLogEvents(ctx, in)
		if err != nil {
			return nil, Explain("logs:FilterLogEvents", "log-group:"+group, err)
		}
		for _, e := range out.Events {
			var line struct {
				Result json.RawMessage
				Error  string
			}
			id := aws.ToString(e.EventId)
			if seen[id] || json.Unmarshal([]byte(aws.ToString(e.Message)), &line) != nil || line.Result == nil {
				continue
			}
			if seen != nil {
				seen[id] = true
			}
			runs = append(runs, LoggedRun{
				At: time.UnixMilli(aws.ToInt64(e.Timestamp)).UTC(), Result: line.Result, Error: line.Error, id: id,
			})
		}
		if out.NextToken == nil {
			break
		}
		in.NextToken = out.NextToken
	}
	slices.SortStableFunc(runs, func(a, b LoggedRun) int { return a.At.Compare(b.At) })
	return runs, nil
}
