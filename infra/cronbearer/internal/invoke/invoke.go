// Package invoke runs a job of the stack once and waits: with the event that its schedule sends, or with one that was
// kept. Lambda keeps nothing of such a run, so its failure is in no queue afterwards. It prints nothing.
package invoke

import (
	"bufio"
	"bytes"
	"context"
	"encoding/base64"
	"encoding/json"
	"fmt"
	"time"

	"github.com/aws/aws-sdk-go-v2/aws"
	"github.com/aws/aws-sdk-go-v2/service/lambda"
	"github.com/aws/aws-sdk-go-v2/service/lambda/types"

	"github.com/cronbearer/cronbearer/infra/cronbearer/internal/account"
)

// A Result is how a run went: the caller's result, and its error if it failed.
type Result struct {
	Job            string     `json:"job"`
	Token          string     `json:"token"`
	Outcome        string     `json:"outcome"`
	Verdict        string     `json:"verdict"`
	Status         int        `json:"status"`
	Attempts       int        `json:"attempts"`
	RecoveredWith  string     `json:"recoveredWith,omitempty"`
	TokenVersion   string     `json:"tokenVersion,omitempty"`
	TokenExpiresAt *time.Time `json:"tokenExpiresAt,omitempty"`
	DurationMS     int64      `json:"durationMs"`
	RunID          string     `json:"runId"`
	RequestID      string     `json:"requestId"`

	ErrorType string `json:"errorType,omitempty"`
	Error     string `json:"error,omitempty"`
}

// OK reports whether the run did its work, or had none to do.
func (r Result) OK() bool { return r.Outcome == "succeeded" || r.Outcome == "skipped" }

// Rejected reports whether the token was rejected.
func (r Result) Rejected() bool { return r.Verdict == "rejected" }

// Line describes the run in one line: "succeeded, 200 in 412 ms", "token_rejected, 401".
func (r Result) Line() string {
	text := r.Outcome
	if text == "" {
		text = r.ErrorType
	}
	if r.Status != 0 {
		text += fmt.Sprintf(", %d", r.Status)
	}
	if r.OK() && r.DurationMS > 0 {
		text += fmt.Sprintf(" in %d ms", r.DurationMS)
	}
	if r.RecoveredWith != "" && r.RecoveredWith != "AWSCURRENT" { // the token in memory was the one before
		text += ", with " + r.RecoveredWith
	}
	return text
}

// Run invokes the caller with an event. An error is one of AWS; how the run went is in the Result.
func Run(ctx context.Context, c account.Lambda, s *account.Stack, event []byte) (Result, error) {
	name := s.Outputs["CallerName"]
	out, err := c.Invoke(ctx, &lambda.InvokeInput{
		FunctionName: &name, Payload: event, InvocationType: types.InvocationTypeRequestResponse, LogType: types.LogTypeTail,
	})
	if err != nil {
		return Result{}, account.Explain("lambda:InvokeFunction", "function:"+name, err)
	}
	if out.FunctionError == nil {
		var r Result
		if err := json.Unmarshal(out.Payload, &r); err != nil {
			return Result{}, fmt.Errorf("the result of %s cannot be read: %w", name, err)
		}
		return r, nil
	}
	// Lambda returns a result or an error; the log line of a run has the result either way.
	r := fromLog(aws.ToString(out.LogResult))
	var failure struct{ ErrorType, ErrorMessage string }
	if err := json.Unmarshal(out.Payload, &failure); err != nil {
		return Result{}, fmt.Errorf("the error of %s cannot be read: %w", name, err)
	}
	r.ErrorType, r.Error = failure.ErrorType, failure.ErrorMessage
	return r, nil
}

// fromLog finds the result in the end of a log; the zero Result if it is not there.
func fromLog(tail string) Result {
	text, err := base64.StdEncoding.DecodeString(tail)
	if err != nil {
		return Result{}
	}
	var found Result
	lines := bufio.NewScanner(bytes.NewReader(text))
	lines.Buffer(nil, 1<<20) // a line has at most 64 KiB
	for lines.Scan() {
		var line struct {
			Message string
			Result  *Result
		}
		if json.Unmarshal(lines.Bytes(), &line) == nil && line.Message == "run" && line.Result != nil {
			found = *line.Result
		}
	}
	return found
}

// WithoutMaxAge returns the event without its maxAge: an operator who sends an old one means it to run.
func WithoutMaxAge(event []byte) ([]byte, error) {
	var members map[string]json.RawMessage
	if err := json.Unmarshal(event, &members); err != nil {
		return nil, fmt.Errorf("the event cannot be read: %w", err)
	}
	delete(members, "maxAge")
	return json.Marshal(members)
}
