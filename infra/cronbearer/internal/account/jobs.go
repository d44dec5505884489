package account

import (
	"cmp"
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"slices"
	"strings"
	"sync"
	"time"

	"github.com/aws/aws-sdk-go-v2/aws"
	"github.com/aws/aws-sdk-go-v2/service/scheduler"
	"github.com/aws/aws-sdk-go-v2/service/scheduler/types"

	"github.com/cronbearer/cronbearer/infra/cronbearer/internal/exit"
	"github.com/cronbearer/cronbearer/infra/cronbearer/internal/render"
	"github.com/cronbearer/cronbearer/internal/dev/schedule"
)

// A Job is a deployed schedule whose target is the caller, with what its event says.
type Job struct {
	Name, Token, Secret, SecretKey, Action string
	// Call is the method and URL, with their placeholders.
	Call string
	// Schedule is the schedule as Scheduler has it: with every field, as an update replaces all of them.
	Schedule *scheduler.GetScheduleOutput
}

// event is the part of a schedule's Input that the tool shows.
type event struct {
	Job, Token, Secret, SecretKey, Action, Call string
}

// ReadsOnly reports whether a run changes nothing at its target (RFC 9110 section 9.2.1).
func (j Job) ReadsOnly() bool {
	return j.Action == "check" || strings.HasPrefix(j.Call, "GET ") || strings.HasPrefix(j.Call, "HEAD ")
}

// Paused reports whether nothing starts the job now: it is disabled, or its StartDate is to come.
func (j Job) Paused(now time.Time) bool {
	return j.Schedule.State == types.ScheduleStateDisabled || j.Schedule.StartDate != nil &&
		j.Schedule.StartDate.After(now)
}

// Parsed returns the schedule's expression as it has been since its creation, which a rate counts from.
func (j Job) Parsed() (*schedule.Schedule, error) {
	return j.anchored(aws.ToTime(j.Schedule.CreationDate))
}

func (j Job) anchored(at time.Time) (*schedule.Schedule, error) {
	s, err := schedule.Parse(
		aws.ToString(j.Schedule.ScheduleExpression), aws.ToString(j.Schedule.ScheduleExpressionTimezone),
	)
	if err != nil {
		return nil, fmt.Errorf("job %s: %w", j.Name, err)
	}
	return s.Anchored(at), nil
}

// Next returns the first start after a moment, and false if none follows or the job is disabled.
func (j Job) Next(after time.Time) (time.Time, bool) {
	// A rate counts from its StartDate or, as far as AWS says, from its last change.
	s, err := j.anchored(
		aws.ToTime(cmp.Or(j.Schedule.StartDate, j.Schedule.LastModificationDate, j.Schedule.CreationDate)),
	)
	if err != nil || j.Schedule.State == types.ScheduleStateDisabled {
		return time.Time{}, false
	}
	if start := j.Schedule.StartDate; start != nil && start.After(after) {
		after = start.Add(-time.Nanosecond)
	}
	next, ok := s.Next(after)
	if end := j.Schedule.EndDate; ok && end != nil && next.After(*end) {
		return time.Time{}, false
	}
	return next, ok
}

// Zone returns the job's time zone.
func (j Job) Zone() *time.Location {
	zone, err := time.LoadLocation(aws.ToString(j.Schedule.ScheduleExpressionTimezone))
	if err != nil {
		return time.UTC
	}
	return zone
}

// Event returns the event of a start.
func (j Job) Event(at time.Time) []byte {
	return render.Schedule{Input: aws.ToString(j.Schedule.Target.Input), ARN: aws.ToString(j.Schedule.Arn)}.Event(at)
}

// group is the schedule group of the stack.
func (s *Stack) group() string { return s.Outputs["ScheduleGroup"] }

// parallel is how many requests of one kind are open at a time. The SDK retries what is throttled.
const parallel = 16

// FindJob returns one job by its name.
func FindJob(ctx context.Context, c Scheduler, s *Stack, name string) (Job, error) {
	physical := s.Physical("Job" + name)
	if physical == "" {
		return Job{}, s.noJob(name)
	}
	return getJob(ctx, c, s, physical)
}

func (s *Stack) noJob(name string) error {
	return &exit.Error{
		Status: exit.No, Code: "NoJob", Text: fmt.Sprintf("the stack %s has no job %s", s.Name, name),
		Fix: "its jobs: " + list(s.Jobs()),
	}
}

func list(names []string) string {
	const most = 20
	if len(names) > most {
		return strings.Join(names[:most], ", ") + fmt.Sprintf(" and %d more", len(names)-most)
	}
	if len(names) == 0 {
		return "none"
	}
	return strings.Join(names, ", ")
}

func getJob(ctx context.Context, c Scheduler, s *Stack, physical string) (Job, error) {
	group := s.group()
	out, err := c.GetSchedule(ctx, &scheduler.GetScheduleInput{Name: &physical, GroupName: &group})
	if err != nil {
		return Job{}, Explain("scheduler:GetSchedule", "schedule/"+group+"/"+physical, err)
	}
	var e event
	if out.Target == nil || json.Unmarshal([]byte(aws.ToString(out.Target.Input)), &e) != nil || e.Job == "" {
		return Job{}, errNotAJob
	}
	return Job{
		Name: e.Job, Token: e.Token, Secret: e.Secret, SecretKey: e.SecretKey, Action: e.Action, Call: e.Call, Schedule: out,
	}, nil
}

// errNotAJob marks a schedule of the stack that starts something else.
var errNotAJob = errors.New("the schedule's input is not a job's event")

// FindJobs returns the jobs of the stack by name. A job that could not be read is left out and its error returned.
func FindJobs(ctx context.Context, c Scheduler, s *Stack) ([]Job, error) {
	var physical []string
	for _, r := range s.Resources {
		if r.Type == "AWS::Scheduler::Schedule" {
			physical = append(physical, r.PhysicalID)
		}
	}
	var mu sync.Mutex
	var jobs []Job
	err := inParallel(physical, func(name string) error {
		one, err := getJob(ctx, c, s, name)
		if errors.Is(err, errNotAJob) {
			return nil
		}
		if err == nil {
			mu.Lock()
			defer mu.Unlock()
			jobs = append(jobs, one)
		}
		return err
	})
	slices.SortFunc(jobs, func(a, b Job) int { return strings.Compare(a.Name, b.Name) })
	return jobs, err
}

// inParallel does something for each item and returns the first error.
func inParallel[T any](items []T, do func(T) error) error {
	var wg sync.WaitGroup
	var once sync.Once
	var first error
	slots := make(chan struct{}, parallel)
	for _, item := range items {
		slots <- struct{}{}
		wg.Go(func() {
			defer func() { <-slots }()
			if err := do(item); err != nil {
				once.Do(func() { first = err })
			}
		})
	}
	wg.Wait()
	return first
}
