package local

import (
	"context"
	"encoding/json"
	"slices"
	"strconv"
	"time"

	"github.com/aws/aws-sdk-go-v2/aws"
	logs "github.com/aws/aws-sdk-go-v2/service/cloudwatchlogs"
	logstypes "github.com/aws/aws-sdk-go-v2/service/cloudwatchlogs/types"

	"github.com/cronbearer/cronbearer/infra/cronbearer/internal/account"
	"github.com/cronbearer/cronbearer/internal/dev/awssim"
	"github.com/cronbearer/cronbearer/internal/dev/awssim/api"
)

// registerLogs registers CloudWatch Logs. It is not a Logs Insights engine: it answers the queries that the tool makes,
// each by its text, from the runs of the simulated functions, and rejects every other.
func (s *Server) registerLogs() {
	on(s, "logs:StartQuery", func(in *logs.StartQueryInput) string { return s.logGroupARN(aws.ToString(in.LogGroupName)) },
		s.startQuery)
	on(s, "logs:GetQueryResults", func(*logs.GetQueryResultsInput) string { return "*" }, s.getQueryResults)
	on(s, "logs:FilterLogEvents", func(in *logs.FilterLogEventsInput) string {
		return s.logGroupARN(aws.ToString(in.LogGroupName))
	}, s.filterLogEvents)
}

func (s *Server) logGroupARN(name string) string { return s.arn("logs", "log-group:"+name) }

// queryID carries a query to GetQueryResults: the simulated ones are complete at once.
type queryID struct {
	Group, Query string
	Start, End   int64
}

func (s *Server) startQuery(_ context.Context, in *logs.StartQueryInput) (*logs.StartQueryOutput, error) {
	if err := s.isCallersGroup(in.LogGroupName); err != nil {
		return nil, err
	}
	if aws.ToString(in.QueryString) != account.LastRunsQuery {
		return nil, api.Reject(
			"MalformedQueryException", "this model does not know the query %q", aws.ToString(in.QueryString),
		)
	}
	id, err := json.Marshal(queryID{
		aws.ToString(in.LogGroupName), aws.ToString(in.QueryString), aws.ToInt64(in.StartTime), aws.ToInt64(in.EndTime),
	})
	return &logs.StartQueryOutput{QueryId: aws.String(string(id))}, err
}

func (s *Server) isCallersGroup(name *string) error {
	if aws.ToString(name) != s.cloud.Stack.Ref("CallerLogs") {
		return api.Reject("ResourceNotFoundException", "The specified log group does not exist.")
	}
	return nil
}

func (s *Server) getQueryResults(
	_ context.Context, in *logs.GetQueryResultsInput,
) (*logs.GetQueryResultsOutput, error) {
	var id queryID
	if err := json.Unmarshal([]byte(aws.ToString(in.QueryId)), &id); err != nil {
		return nil, api.Reject("ResourceNotFoundException", "no such query")
	}
	out := &logs.GetQueryResultsOutput{Status: logstypes.QueryStatusComplete}
	type key struct{ job, outcome string }
	seen := map[key]bool{}
	for _, r := range slices.Backward(s.runs(time.Unix(id.Start, 0), time.Unix(id.End, 0))) {
		k := key{r.Result.Job, r.Result.Outcome}
		if seen[k] {
			continue
		}
		seen[k] = true
		out.Results = append(out.Results, row(
			"result.job", r.Result.Job, "result.outcome", r.Result.Outcome, "at", strconv.FormatInt(r.At.UnixMilli(), 10),
			"status", strconv.Itoa(r.Result.Status), "verdict", r.Result.Verdict,
		))
	}
	return out, nil
}

func row(namesAndValues ...string) []logstypes.ResultField {
	var fields []logstypes.ResultField
	for pair := range slices.Chunk(namesAndValues, 2) { //nolint:mnd // a name and a value
		fields = append(fields, logstypes.ResultField{Field: &pair[0], Value: &pair[1]})
	}
	return fields
}

// runs returns the caller's runs in a time, oldest first.
func (s *Server) runs(start, end time.Time) []awssim.Run {
	return slices.DeleteFunc(s.cloud.Runs(), func(r awssim.Run) bool {
		return r.Function != "Caller" || r.Result.Outcome == "" || r.At.Before(start) || r.At.After(end)
	})
}

// filterLogEvents returns the lines of the caller's log that are the lines of a run.
func (s *Server) filterLogEvents(
	_ context.Context, in *logs.FilterLogEventsInput,
) (*logs.FilterLogEventsOutput, error) {
	if err := s.isCallersGroup(in.LogGroupName); err != nil {
		return nil, err
	}
	if aws.ToString(in.FilterPattern) != account.RunsPattern {
		return nil, api.Reject(
			"InvalidParameterException", "this model does not know the filter %q", aws.ToString(in.FilterPattern),
		)
	}
	end := time.UnixMilli(aws.ToInt64(in.EndTime))
	if in.EndTime == nil {
		end = s.cloud.Now()
	}
	out := &logs.FilterLogEventsOutput{}
	for _, r := range s.runs(time.UnixMilli(aws.ToInt64(in.StartTime)), end) {
		for _, line := range r.Lines() {
			if line["message"] != "run" {
				continue
			}
			message, err := text(line)
			if err != nil {
				return nil, err
			}
			at := r.At.UnixMilli()
			out.Events = append(out.Events, logstypes.FilteredLogEvent{
				Message: aws.String(s.cloud.Public(message)), Timestamp: &at, EventId: &r.RequestID,
			})
		}
	}
	return out, nil
}
