// Package render returns what a job will send before it does: the event, as EventBridge Scheduler sends it to the
// caller, and the request, as the caller sends it to the target. Both are made by the code that makes them in a run.
// The token is not in them.
package render

import (
	"bytes"
	"context"
	"encoding/json"
	"fmt"
	"maps"
	"slices"
	"strings"
	"time"

	"github.com/cronbearer/cronbearer/internal/dev/cfn"
	"github.com/cronbearer/cronbearer/internal/job"
	"github.com/cronbearer/cronbearer/internal/request"
)

// A Schedule is a job's start as the template or the account has it.
type Schedule struct {
	Input string // with Scheduler's context attributes
	ARN   string
}

// Find returns the schedule of a job of a template. Its ARN is of the form that the deployment will assign: the names
// of group and schedule end in characters that only CloudFormation knows.
func Find(s *cfn.Stack, name string) (Schedule, error) {
	var names []string
	for _, r := range s.OfType("AWS::Scheduler::Schedule") {
		target, _ := r.Properties["Target"].(map[string]any)
		input, _ := target["Input"].(string)
		var e struct{ Job string }
		if json.Unmarshal([]byte(input), &e) != nil || e.Job == "" {
			continue
		}
		names = append(names, e.Job)
		if e.Job == name {
			group, _ := r.Properties["GroupName"].(string)
			return Schedule{Input: input, ARN: strings.Join([]string{
				"arn", s.Partition, "scheduler", s.Region, s.AccountID, "schedule/" + group + "/" + s.Ref(r.LogicalID),
			}, ":")}, nil
		}
	}
	slices.Sort(names)
	return Schedule{}, fmt.Errorf("the template has no job %s; it has %s", name, strings.Join(names, ", "))
}

// Event returns the event of a start (Scheduler User Guide, "Adding context attributes").
func (s Schedule) Event(at time.Time) []byte {
	return []byte(strings.NewReplacer(
		"<aws.scheduler.schedule-arn>", s.ARN,
		"<aws.scheduler.scheduled-time>", at.UTC().Format(time.RFC3339),
		"<aws.scheduler.attempt-number>", "1",
		"<aws.scheduler.execution-id>", "cronbearer-tool",
	).Replace(s.Input))
}

// Indented returns an event for people.
func Indented(event []byte) string {
	var b bytes.Buffer
	if json.Indent(&b, event, "", "  ") != nil {
		return string(event)
	}
	return b.String()
}

// A Request is what the caller will send for an event, and what it will make of the answer.
type Request struct {
	request.Request

	Job   job.Job
	RunID string
}

// NewRequest parses an event as the caller does. header is the name of the idempotency header.
func NewRequest(event []byte, now time.Time, header string) (Request, error) {
	j, err := job.Parse(event, job.Options{IdempotencyHeader: header})
	if err != nil {
		return Request{}, err
	}
	r := Request{Job: j, RunID: j.RunID("")}
	if j.Action == job.Check {
		return r, nil
	}
	r.Request, err = j.Request(r.RunID, now, header)
	return r, err
}

// Text writes the request as it goes over the wire, but for the token.
func (r Request) Text(ctx context.Context) string {
	if r.Job.Action == job.Check {
		return "no request: the action check reads the token, and makes the probe of its secret if it has one\n"
	}
	var b strings.Builder
	fmt.Fprintf(&b, "%s %s\nAuthorization: Bearer [redacted]\n", r.Method, r.URL)
	header := r.HTTP(ctx).Header // as net/http gets it
	for _, name := range slices.Sorted(maps.Keys(header)) {
		for _, value := range header[name] {
			fmt.Fprintf(&b, "%s: %s\n", name, value)
		}
	}
	if r.Body != nil {
		fmt.Fprintf(&b, "\n%s\n", r.Body)
	}
	return b.String()
}

// Rules says in a sentence each what the answer will mean.
func (r Request) Rules() []string {
	if r.Job.Action == job.Check {
		return nil
	}
	success := "Success: " + statuses(r.Job.Expect.Status, "2xx")
	if r.Job.Expect.ContentType != "" {
		success += ", as " + r.Job.Expect.ContentType
	}
	if n := len(r.Job.Expect.JSON); n > 0 {
		success += fmt.Sprintf(", and a body that fits %d rule(s)", n)
	}
	rejected := "Token rejected: 401"
	if len(r.Job.Reject.Status) > 0 {
		rejected += ", " + statuses(r.Job.Reject.Status, "")
	}
	if len(r.Job.Reject.JSON) > 0 {
		rejected += ", or a body that fits a reject rule"
	}
	retried := "Retried: 429, and 503 with Retry-After"
	if r.Job.Replayable() {
		retried = "Retried: 408, 425, 429, 5xx but 501, and time-outs"
	}
	return []string{success + ".", rejected + ".", fmt.Sprintf("%s; at most %d attempts.", retried, r.Job.Attempts)}
}

func statuses(ranges []request.StatusRange, fallback string) string {
	var list []string
	for _, s := range ranges {
		switch {
		case s.Low == s.High:
			list = append(list, fmt.Sprint(s.Low))
		case s.High-s.Low == 99:
			list = append(list, fmt.Sprintf("%dxx", s.Low/100))
		default:
			list = append(list, fmt.Sprintf("%d-%d", s.Low, s.High))
		}
	}
	if len(list) == 0 {
		return fallback
	}
	return strings.Join(list, ", ")
}
