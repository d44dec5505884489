package account

import (
	"context"
	"encoding/json"
	"fmt"
	"slices"
	"strconv"
	"strings"
	"sync"
	"time"

	"github.com/aws/aws-sdk-go-v2/aws"
	"github.com/aws/aws-sdk-go-v2/service/cloudwatch"
	cwtypes "github.com/aws/aws-sdk-go-v2/service/cloudwatch/types"
	"github.com/aws/aws-sdk-go-v2/service/cloudwatchlogs"
	logstypes "github.com/aws/aws-sdk-go-v2/service/cloudwatchlogs/types"
	"github.com/aws/aws-sdk-go-v2/service/secretsmanager"
	"github.com/aws/aws-sdk-go-v2/service/sns"
	"github.com/aws/aws-sdk-go-v2/service/sqs"
	sqstypes "github.com/aws/aws-sdk-go-v2/service/sqs/types"

	"github.com/cronbearer/cronbearer/infra/cronbearer/internal/exit"
)

// An Alarm of the stack.
type Alarm struct {
	cwtypes.MetricAlarm

	// Kind and Of are the parts of its name: TokenRejected and ExampleApi. Of is empty for the stack's own alarms.
	Kind, Of string
}

// Firing reports whether the alarm is in ALARM; for Silent alarms INSUFFICIENT_DATA notifies, too, but a new job starts
// there.
func (a Alarm) Firing() bool { return a.StateValue == cwtypes.StateValueAlarm }

// RejectedSince is when the token of a TokenRejected alarm was rejected first: a reminder resets the transition's time,
// and carries the first one along.
func (a Alarm) RejectedSince() time.Time {
	var data struct{ RejectedSince time.Time }
	if json.Unmarshal([]byte(aws.ToString(a.StateReasonData)), &data) == nil && !data.RejectedSince.IsZero() {
		return data.RejectedSince
	}
	return aws.ToTime(a.StateTransitionedTimestamp)
}

// FindAlarms returns the alarms of the stack by name, those of infra/rotation.yaml included, as they share the prefix.
func FindAlarms(ctx context.Context, c CloudWatch, s *Stack) ([]Alarm, error) {
	in := &cloudwatch.DescribeAlarmsInput{
		AlarmNamePrefix: aws.String(s.Name + "-"), AlarmTypes: []cwtypes.AlarmType{cwtypes.AlarmTypeMetricAlarm},
	}
	var alarms []Alarm
	for {
		out, err := c.DescribeAlarms(ctx, in)
		if err != nil {
			return nil, Explain("cloudwatch:DescribeAlarms", "", err)
		}
		for _, a := range out.MetricAlarms {
			kind, of, _ := strings.Cut(strings.TrimPrefix(aws.ToString(a.AlarmName), s.Name+"-"), "-")
			alarms = append(alarms, Alarm{MetricAlarm: a, Kind: kind, Of: of})
		}
		if out.NextToken == nil {
			return alarms, nil
		}
		in.NextToken = out.NextToken
	}
}

// A Run is the newest run of a job with one outcome.
type Run struct {
	Job, Outcome, Verdict string
	Status                int
	At                    time.Time
}

// lookBack is how far LastRuns looks: as long as a failed run is kept.
const lookBack = 14 * 24 * time.Hour

// LastRuns returns the newest run of each job and outcome within two weeks.
func LastRuns(ctx context.Context, c Logs, s *Stack, now time.Time) ([]Run, error) {
	rows, err := Query(ctx, c, s.Outputs["CallerLogs"], LastRunsQuery, now.Add(-lookBack), now)
	if err != nil {
		return nil, err
	}
	var runs []Run
	for _, row := range rows {
		milliseconds, err := strconv.ParseInt(row["at"], 10, 64)
		if err != nil {
			continue // a row of another shape
		}
		status, _ := strconv.Atoi(row["status"]) // absent where no answer came
		runs = append(runs, Run{
			Job: row["result.job"], Outcome: row["result.outcome"], Verdict: row["verdict"], Status: status,
			At: time.UnixMilli(milliseconds).UTC(),
		})
	}
	return runs, nil
}

// queryPoll is how often the results of a query are asked for.
const queryPoll = 250 * time.Millisecond

// Query runs a Logs Insights query and returns its rows by field.
func Query(ctx context.Context, c Logs, group, query string, start, end time.Time) ([]map[string]string, error) {
	started, err := c.StartQuery(ctx, &cloudwatchlogs.StartQueryInput{
		LogGroupName: &group, QueryString: &query, StartTime: aws.Int64(start.Unix()), EndTime: aws.Int64(end.Unix()),
	})
	if err != nil {
		return nil, Explain("logs:StartQuery", "log-group:"+group, err)
	}
	for {
		out, err := c.GetQueryResults(ctx, &cloudwatchlogs.GetQueryResultsInput{QueryId: started.QueryId})
		if err != nil {
			return nil, Explain("logs:GetQueryResults", "", err)
		}
		switch out.Status {
		case logstypes.QueryStatusComplete:
			return rowsOf(out.Results), nil
		case logstypes.QueryStatusScheduled, logstypes.QueryStatusRunning:
		default:
			return nil, &exit.Error{
				Status: exit.AWS, Code: "QueryFailed", Text: fmt.Sprintf("the query of the logs ended as %s", out.Status),
			}
		}
		select {
		case <-ctx.Done():
			return nil, exit.From(ctx.Err())
		case <-time.After(queryPoll):
		}
	}
}

func rowsOf(results [][]logstypes.ResultField) []map[string]string {
	var rows []map[string]string
	for _, fields := range results {
		row := map[string]string{}
		for _, f := range fields {
			row[aws.ToString(f.Field)] = aws.ToString(f.Value)
		}
		rows = append(rows, row)
	}
	return rows
}

// SecretID returns the name of a job's secret in Secrets Manager, as the caller does: an ARN stays, the stack's prefix
// is added.
func (s *Stack) SecretID(secret string) string {
	prefix := s.Outputs["SecretPrefix"]
	if strings.HasPrefix(secret, "arn:") || strings.HasPrefix(secret, prefix) {
		return secret
	}
	return prefix + secret
}

// A Secret is what is known of a stored secret without reading it.
type Secret struct {
	ID      string
	Missing bool
	// Rotated reports that Secrets Manager renews it by the rotator.
	Rotated bool
	Deleted time.Time // zero: it is not
	// Stored is when the current version was stored, VersionID which one it is.
	Stored    time.Time
	VersionID string
}

// FindSecret describes a secret.
func FindSecret(ctx context.Context, c SecretsManager, id string) (Secret, error) {
	described, err := c.DescribeSecret(ctx, &secretsmanager.DescribeSecretInput{SecretId: &id})
	if isCode(err, "ResourceNotFoundException") {
		return Secret{ID: id, Missing: true}, nil
	}
	if err != nil {
		return Secret{}, Explain("secretsmanager:DescribeSecret", "secret:"+id, err)
	}
	secret := Secret{
		ID: id, Rotated: aws.ToBool(described.RotationEnabled), Deleted: aws.ToTime(described.DeletedDate),
	}
	in := &secretsmanager.ListSecretVersionIdsInput{SecretId: &id}
	for {
		out, err := c.ListSecretVersionIds(ctx, in)
		if err != nil {
			return secret, Explain("secretsmanager:ListSecretVersionIds", "secret:"+id, err)
		}
		for _, v := range out.Versions {
			if slices.Contains(v.VersionStages, "AWSCURRENT") {
				secret.Stored, secret.VersionID = aws.ToTime(v.CreatedDate), aws.ToString(v.VersionId)
				return secret, nil
			}
		}
		if out.NextToken == nil {
			return secret, nil
		}
		in.NextToken = out.NextToken
	}
}

// unknownDays is what the caller publishes for a token of unknown expiry.
const unknownDays = 3650

// DaysToExpiry returns the newest TokenDaysToExpiry of each token, in days. A token of unknown expiry is left out.
func DaysToExpiry(
	ctx context.Context, c CloudWatch, s *Stack, tokens []string, now time.Time,
) (map[string]float64, error) {
	days := map[string]float64{}
	const most = 500 // queries of one GetMetricData
	for chunk := range slices.Chunk(tokens, most) {
		in := &cloudwatch.GetMetricDataInput{StartTime: aws.Time(now.Add(-lookBack)), EndTime: &now}
		for i, token := range chunk {
			in.MetricDataQueries = append(in.MetricDataQueries, cwtypes.MetricDataQuery{
				Id: aws.String("t" + strconv.Itoa(i)),
				MetricStat: &cwtypes.MetricStat{Stat: aws.String("Minimum"), Period: aws.Int32(3600), Metric: &cwtypes.Metric{
					Namespace: aws.String(s.Outputs["MetricNamespace"]), MetricName: aws.String("TokenDaysToExpiry"),
					Dimensions: []cwtypes.Dimension{
						{Name: aws.String("Stack"), Value: &s.Name}, {Name: aws.String("Token"), Value: &token},
					},
				}},
			})
		}
		out, err := c.GetMetricData(ctx, in)
		if err != nil {
			return nil, Explain("cloudwatch:GetMetricData", "", err)
		}
		for _, r := range out.MetricDataResults {
			i, err := strconv.Atoi(strings.TrimPrefix(aws.ToString(r.Id), "t"))
			if err == nil && len(r.Values) > 0 && r.Values[0] < unknownDays {
				days[chunk[i]] = r.Values[0]
			}
		}
	}
	return days, nil
}

// Waiting is about how many messages wait in a queue: SQS counts by sampling.
func Waiting(ctx context.Context, c SQS, url string) (int, error) {
	out, err := c.GetQueueAttributes(ctx, &sqs.GetQueueAttributesInput{
		QueueUrl: &url, AttributeNames: []sqstypes.QueueAttributeName{
			sqstypes.QueueAttributeNameApproximateNumberOfMessages,
			sqstypes.QueueAttributeNameApproximateNumberOfMessagesNotVisible,
		},
	})
	if err != nil {
		return 0, Explain("sqs:GetQueueAttributes", url[strings.LastIndexByte(url, '/')+1:], err)
	}
	total := 0
	for _, name := range []string{"ApproximateNumberOfMessages", "ApproximateNumberOfMessagesNotVisible"} {
		n, _ := strconv.Atoi(out.Attributes[name]) // SQS's own number
		total += n
	}
	return total, nil
}

// A Subscriber of the topic of the alarms.
type Subscriber struct {
	Protocol, Endpoint string
	Confirmed          bool
	ARN                string
}

// FindSubscribers returns who is notified.
func FindSubscribers(ctx context.Context, c SNS, s *Stack) ([]Subscriber, error) {
	topic := s.Outputs["TopicArn"]
	in := &sns.ListSubscriptionsByTopicInput{TopicArn: &topic}
	var all []Subscriber
	for {
		out, err := c.ListSubscriptionsByTopic(ctx, in)
		if err != nil {
			return nil, Explain("sns:ListSubscriptionsByTopic", topic, err)
		}
		for _, one := range out.Subscriptions {
			all = append(all, Subscriber{
				Protocol: aws.ToString(one.Protocol), Endpoint: aws.ToString(one.Endpoint), ARN: aws.ToString(one.SubscriptionArn),
				Confirmed: strings.HasPrefix(aws.ToString(one.SubscriptionArn), "arn:"),
			})
		}
		if out.NextToken == nil {
			return all, nil
		}
		in.NextToken = out.NextToken
	}
}

// DrillTag is the tag of the topic that says when the last drill was, and how it ended: "2026-11-28T01:12:00Z ok".
const DrillTag = "cronbearer:drill"

// LastDrill returns the time of the last drill, and whether it reached its reader; zero if there was none.
func LastDrill(ctx context.Context, c SNS, s *Stack) (at time.Time, ok bool, err error) {
	topic := s.Outputs["TopicArn"]
	out, err := c.ListTagsForResource(ctx, &sns.ListTagsForResourceInput{ResourceArn: &topic})
	if err != nil {
		return time.Time{}, false, Explain("sns:ListTagsForResource", topic, err)
	}
	for _, tag := range out.Tags {
		if aws.ToString(tag.Key) == DrillTag {
			when, result, _ := strings.Cut(aws.ToString(tag.Value), " ")
			at, err := time.Parse(time.RFC3339, when)
			return at, err == nil && result == "ok", nil
		}
	}
	return time.Time{}, false, nil
}

// All reads several things at once and returns what failed, by the name of the thing.
func All(reads map[string]func() error) map[string]error {
	var mu sync.Mutex
	var wg sync.WaitGroup
	failed := map[string]error{}
	for name, read := range reads {
		wg.Go(func() {
			if err := read(); err != nil {
				mu.Lock()
				defer mu.Unlock()
				failed[name] = err
			}
		})
	}
	wg.Wait()
	return failed
}
